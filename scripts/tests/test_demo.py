# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the demo's judgement: what was not seen must not be claimed."""

import argparse
import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from script import load

demo = load("demo")

READ = "mapping=read /proc/PID/mem=read process_vm_readv=read -> ok"
REFUSED = "mapping=SIGBUS /proc/PID/mem=EIO process_vm_readv=EFAULT -> ok"


def report(name, *rounds, rc=0, refused=3):
    lines = [f"@@@ begin {name}"]
    lines += [f"gmem-vmm: attack: 0x800000 {r}" for r in rounds]
    lines += ["guest: memory_mib=900 cpus=2 uptime_s=3.1 clocksource=kvm-clock",
              f"gmem-vmm: attack: attempts=6 refused={refused} read=3",
              f"@@@ end {name} rc={rc}"]
    return lines


GOOD = (f"loaded by the host, still shared: {READ}", f"made private: {REFUSED}")


class GuestTests(unittest.TestCase):
    def problem(self, name, lines):
        return demo.Guest(lines, name).problem()

    def test_good(self):
        self.assertIsNone(self.problem("private", report("private", *GOOD)))
        self.assertIsNone(self.problem("control",
                                       report("control", GOOD[0], refused=0)))

    def test_status_counts(self):
        for rc in (1, 3, 5, 6, 7):
            self.assertTrue(self.problem("private", report("private", *GOOD, rc=rc)))

    def test_unexpected_round(self):
        bad = GOOD[1].replace("EFAULT -> ok", "read -> FAILED")
        self.assertIn("0x800000", self.problem("private",
                                               report("private", GOOD[0], bad)))

    def test_nothing_refused(self):
        self.assertTrue(self.problem("private", report("private", *GOOD, refused=0)))

    def test_control_refused(self):
        self.assertTrue(self.problem("control", report("control", *GOOD)))

    def test_did_not_run(self):
        self.assertTrue(self.problem("private", []))
        self.assertTrue(self.problem("private", report("private")))
        self.assertTrue(self.problem("private", report("private", *GOOD)[:-1]))

    def test_only_its_own_lines(self):
        lines = report("control", GOOD[0], refused=0) + report("private", *GOOD)
        self.assertEqual(len(demo.Guest(lines, "control").rounds), 1)
        self.assertEqual(demo.Guest(lines, "private").table()[1],
                         ("made private", "SIGBUS", "EIO", "EFAULT", 1))


class ScreenTests(unittest.TestCase):
    def screen(self, lines):
        out = io.StringIO()
        args = argparse.Namespace(abi="6.1.0-1-cloud-amd64", results="RESULTS")
        with contextlib.redirect_stdout(out):
            status = demo.screen(args, demo.Guest(lines, "control"),
                                 demo.Guest(lines, "private"), 10)
        return status, out.getvalue()

    def test_pass(self):
        status, text = self.screen(report("control", GOOD[0], refused=0)
                                   + report("private", *GOOD))
        self.assertEqual(status, demo.PASS)
        self.assertIn("PASS", text)
        self.assertIn("kvm-clock", text)
        self.assertLess(len(text.splitlines()), 24)

    def test_failures(self):
        control = report("control", GOOD[0], refused=0)
        for rc, want in ((7, demo.FAIL), (5, demo.FAIL), (3, demo.ERROR)):
            status, text = self.screen(control + report("private", *GOOD, rc=rc))
            self.assertEqual(status, want)
            self.assertIn("FAIL", text)
            self.assertNotIn("PASS", text)
        self.assertEqual(self.screen(control)[0], demo.ERROR)


class RunTests(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.dir = Path(tmp.name)

    def test_failed_command_names_log_and_cause(self):
        with self.assertRaises(demo.Stop) as caught:
            demo.Run(self.dir).call("x", "a cause", "sh", "-c", "echo why; exit 4")
        self.assertEqual(caught.exception.status, demo.MISS)
        self.assertEqual(caught.exception.cause, "a cause")
        self.assertIn("why", caught.exception.log.read_text())

    def test_silence_and_total(self):
        watch = demo.Watch(self.dir)
        self.addCleanup(watch.out.close)
        self.assertIsNone(watch.stuck())
        watch.heard -= demo.SILENCE + 1
        self.assertIn("no output", watch.stuck())
        with contextlib.redirect_stdout(io.StringIO()):
            watch.feed(b"alive\n")
        self.assertIsNone(watch.stuck())
        watch.start -= demo.TOTAL + 1
        self.assertIn("not finished", watch.stuck())

    def test_stamp_follows_contents(self):
        (self.dir / "src").mkdir()
        source, stamp = self.dir / "src" / "a", self.dir / "stamp"
        source.write_text("1")
        stamp.write_text(demo.digest(self.dir / "src"))
        self.assertTrue(demo.current(stamp, demo.digest(self.dir / "src")))
        source.write_text("2")
        self.assertFalse(demo.current(stamp, demo.digest(self.dir / "src")))


if __name__ == "__main__":
    unittest.main()
