# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the demo's judgement: what was not seen must not be claimed."""

import argparse
import contextlib
import io
import tempfile
import unittest
import unittest.mock
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

    def test_end_is_named(self):
        for said in ("stopped: the guest has not ended in 300 s",
                     "guest crashed: triple fault (vCPU 1, rip 0x12)"):
            lines = report("private", *GOOD, rc=5)
            lines.insert(-1, f"gmem-vmm: {said}")
            self.assertEqual(self.problem("private", lines), said)

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

    def watch(self, *lines):
        watch = demo.Watch(self.dir)
        self.addCleanup(watch.out.close)
        self.feed(watch, *lines)
        return watch

    def feed(self, watch, *lines):
        with contextlib.redirect_stdout(io.StringIO()):
            watch.feed("".join(line + "\n" for line in lines).encode())

    def age(self, watch, seconds):
        """Let time pass in which nobody says a word."""
        watch.start -= seconds
        watch.host -= seconds
        watch.progress -= seconds

    def test_silent_host(self):
        watch = self.watch("@@@ begin private", "guest: booting")
        self.age(watch, demo.SILENCE - 1)
        self.assertIsNone(watch.stuck())
        self.age(watch, 2)
        stop = watch.stuck()
        self.assertEqual((stop.status, stop.log), (demo.ERROR, self.dir / "console.log"))
        self.assertEqual(stop.what, f"no sign of life from the emulated host for {demo.SILENCE} s, "
                                    "in the private guest")

    def test_silent_guest(self):
        watch = self.watch("@@@ begin control", "@@@ end control rc=0", "@@@ begin private")
        self.age(watch, demo.SILENCE + 1)
        self.feed(watch, "@@@ alive")
        stop = watch.stuck()
        self.assertEqual((stop.status, stop.log), (demo.ERROR, self.dir / "report.log"))
        self.assertEqual(stop.what, f"no sign of life from the private guest for {demo.SILENCE} s, "
                                    "while its host is alive")
        self.feed(watch, "guest: a word")
        self.assertIsNone(watch.stuck())
        self.assertNotIn("@@@ alive", watch.lines)
        self.assertIn("@@@ alive", (self.dir / "report.log").read_text())

    def test_heartbeat_in_the_middle_of_a_line(self):
        watch = self.watch()
        with contextlib.redirect_stdout(io.StringIO()):
            watch.feed(b"guest: half a@@@ alive\n line\n")
        self.assertEqual(watch.lines, ["guest: half a line"])

    def test_no_guest_to_be_silent(self):
        watch = self.watch("@@@ begin control", "@@@ end control rc=0")
        self.age(watch, demo.SILENCE + 1)
        self.feed(watch, "@@@ alive")
        self.assertIsNone(watch.stuck())

    def test_total(self):
        watch = self.watch()
        watch.start -= demo.TOTAL + 1
        self.assertIn("not finished", watch.stuck().what)

    def test_silence_is_said_in_one_line(self):
        """A machine that ends nothing is killed, and what is said names its log."""
        machine = ["sh", "-c", "echo '@@@ begin private'; exec sleep 100"]
        said = io.StringIO()
        with unittest.mock.patch.multiple(demo, SILENCE=0.5, BUILD=self.dir), \
                unittest.mock.patch.object(demo, "everything", lambda args, run:
                                           demo.watch_qemu(machine, args.results)), \
                contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(demo.main([]), demo.ERROR)
        self.assertRegex(said.getvalue(), r"\ndemo: no sign of life from the emulated host for "
                                          r"0.5 s, in the private guest; log: \S+/console.log\n")

    def test_tail_is_what_the_guest_said(self):
        log, said = self.dir / "report.log", io.StringIO()
        log.write_text("@@@ begin private\nguest: booting\n" + "@@@ alive\n" * 20)
        with contextlib.redirect_stderr(said):
            demo.tail(log)
        self.assertEqual(said.getvalue(), "  | @@@ begin private\n  | guest: booting\n")

    def test_one_processor(self):
        """QEMU delivers interrupts twice to whole guests on several ones."""
        args = demo.parse(["--cpus", "2"])
        for accel in ("tcg", "kvm"):
            args.accel = accel
            words = demo.qemu_command(args, "initrd")
            self.assertEqual(words[words.index("-smp") + 1], "1")
            self.assertIn("demo.cpus=2", words[words.index("-append") + 1])

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
