# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the watchdog, of the choice of accelerator and of the manifest."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from script import SCRIPTS, load

boot = load("boot")
check = load("check")


class WatchTests(unittest.TestCase):
    def test_silence(self):
        watch = boot.Watch(0)
        watch.feed(b"@@@ alive\n", 100)
        self.assertIsNone(watch.verdict(100 + watch.SILENCE))
        self.assertIn("no sign of life", watch.verdict(101 + watch.SILENCE))

    def test_test_outlives_its_limit(self):
        watch = boot.Watch(0)
        watch.feed(b"@@@ begin a/b lim", 0)
        watch.feed(b"it=10\n", 0)
        late = 11 + watch.GRACE
        watch.feed(b"@@@ alive\n", late)
        self.assertIn("a/b", watch.verdict(late))
        watch.feed(b"@@@ end a/b rc=0 secs=1\n", late)
        self.assertIsNone(watch.verdict(late))

    def test_slow_clock(self):
        watch = boot.Watch(0, patience=3)
        self.assertIsNone(watch.verdict(3 * watch.SILENCE))
        self.assertIn("no sign of life", watch.verdict(3 * watch.SILENCE + 1))
        watch.feed(b"@@@ begin a/b limit=500\n", 0)
        watch.feed(b"@@@ alive\n", 1500 + watch.GRACE)
        self.assertIsNone(watch.verdict(1500 + watch.GRACE))
        self.assertIn("a/b", watch.verdict(1501 + watch.GRACE))


class SignalTests(unittest.TestCase):
    def test_the_machine_ends_with_its_script(self):
        with tempfile.TemporaryDirectory() as tmp:
            qemu, pid = Path(tmp, "qemu"), Path(tmp, "pid")
            os.mkfifo(pid)
            qemu.write_text(f"#!/bin/sh\necho $$ >{pid}\nexec sleep 100\n")
            qemu.chmod(0o755)
            script = subprocess.Popen(
                [SCRIPTS / "boot", "--qemu", qemu, "-k", qemu, "-i", qemu, "-l", tmp])
            machine = int(pid.read_text())
            script.terminate()
            self.assertEqual(script.wait(), boot.ERROR)
            with self.assertRaises(ProcessLookupError):
                os.kill(machine, 0)


class AcceleratorTests(unittest.TestCase):
    def test_count_is_emulated(self):
        words = boot.command(boot.parse(["--count", "--accel", "kvm"]))
        self.assertEqual(words[words.index("-icount") + 1], "shift=0,sleep=off")
        self.assertIn("tcg,thread=single", words)
        self.assertNotIn("-icount", boot.command(boot.parse([])))

    def test_parallel(self):
        self.assertIn("tcg,thread=multi",
                      boot.command(boot.parse(["--parallel", "--accel", "tcg"])))

    def can_nest(self, flags, nested):
        with tempfile.TemporaryDirectory() as tmp:
            info, dev = Path(tmp, "cpuinfo"), Path(tmp, "kvm")
            info.write_text(f"flags : fpu {flags} de\n")
            dev.write_text("")
            knob = Path(tmp, "kvm_amd/parameters/nested")
            knob.parent.mkdir(parents=True)
            knob.write_text(nested + "\n")
            return boot.can_nest(info, tmp, dev)

    def test_choice(self):
        self.assertTrue(self.can_nest("svm", "1"))
        self.assertTrue(self.can_nest("vmx", "Y"))
        self.assertFalse(self.can_nest("svm", "0"))
        self.assertFalse(self.can_nest("svm_lock", "1"))


class ManifestTests(unittest.TestCase):
    TEXT = ("# note\n@host\nh 1 true\n\n@a p=1\nx 5 ours/x86_64/x_test\ny 5 v6.12/y_test\n"
            "@b\nx 5 ours/x86_64/x_test 3\n")

    def test_select(self):
        self.assertEqual(check.select(self.TEXT, "b/*"), "@b\nx 5 ours/x86_64/x_test 3\n")
        self.assertEqual(check.select(self.TEXT, "none/*").strip(), "")

    def test_split_and_binaries(self):
        host, guest = check.split_host(check.select(self.TEXT, "*"))
        self.assertEqual(host, [["h", "1", "true"]])
        self.assertNotIn("@host", guest)
        self.assertEqual(check.binaries(guest, "ours"), ["x86_64/x_test"])
        self.assertEqual(check.binaries(guest, "v6.12"), ["y_test"])


if __name__ == "__main__":
    unittest.main()
