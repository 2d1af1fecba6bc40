# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the sorter of data races: a race of ours must never count as another's."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ktap
import races

REPORT = """\
[    9.8] kcsan: selftest: 3/3 tests passed
[   12.3] ==================================================================
[   12.3] BUG: KCSAN: data-race in kvm_ours [kvm] / base_function
[   12.3]
[   12.3] write (marked) to 0xffff888004d0a2c8 of 8 bytes by task 123 on cpu 0:
[   12.3]  kvm_ours+0x10/0x20 [kvm]
[   12.3]  do_syscall_64+0x35/0x80
[   12.3]
[   12.3] read to 0xffff888004d0a2c8 of 8 bytes by interrupt on cpu 1:
[   12.3]  base_function+0x1c/0x40
[   12.3]  asm_sysvec_apic_timer_interrupt+0x16/0x20
[   12.3]  kvm_interrupted+0x4/0x30 [kvm]
[   12.3]
[   12.3] value changed: 0x0000000000000001 -> 0x0000000000000002
[   12.3]
[   12.3] Reported by Kernel Concurrency Sanitizer on:
[   12.3] CPU: 1 PID: 124 Comm: test Not tainted 6.1.0 #1
[   12.3] RIP: 0010:not_a_frame+0x1/0x2
[   12.3] ==================================================================
[   12.4] BUG: something else
""".splitlines()
OURS = ("kvm", "kvm_ours+0x10/0x20")


class ReadTests(unittest.TestCase):
    def test_frames_of_both_stacks_up_to_the_interrupt(self):
        race, = races.read_reports(REPORT)
        self.assertEqual(race.title, "kvm_ours [kvm] / base_function")
        self.assertEqual(race.frames, [OURS, ("", "do_syscall_64+0x35/0x80"),
                                       ("", "base_function+0x1c/0x40")])

    def test_same_report_again(self):
        race, = races.read_reports(REPORT + REPORT)
        self.assertEqual(race.count, 2)

    def test_report_that_is_cut_off(self):
        race, = races.read_reports(REPORT[:6])
        self.assertEqual(race.frames, [OURS])

    def test_no_report(self):
        self.assertEqual(races.read_reports(REPORT[-1:]), [])


class JudgeTests(unittest.TestCase):
    def setUp(self):
        quiet = contextlib.redirect_stdout(io.StringIO())
        self.enterContext(quiet)
        self.room = tempfile.TemporaryDirectory()
        self.addCleanup(self.room.cleanup)
        self.top = Path(self.room.name)
        (self.top / "virt").mkdir()
        (self.top / "virt/ours.c").touch()

    def judge(self, places, rules=()):
        race, = races.read_reports(REPORT)
        races.judge([race], places, rules, self.top)
        return race

    def test_ours(self):
        race = self.judge({OURS: ["include/linux/list.h:3", "virt/ours.c:7"]})
        self.assertEqual((race.verdict, race.reason), (races.OURS, "at virt/ours.c:7"))

    def test_base(self):
        self.assertEqual(self.judge({OURS: ["virt/base.c:7"]}).verdict, races.BASE)

    def test_generated(self):
        self.assertEqual(self.judge({OURS: [f"{__file__}:7"]}).verdict, races.BASE)

    def test_expected(self):
        race = self.judge({OURS: ["virt/ours.c:7"]}, [("kvm_ours *", "known")])
        self.assertEqual((race.verdict, race.reason), (races.EXPECTED, "known"))

    def test_path_of_another_tree(self):
        self.assertEqual(races.relative("/b/o-x86/../linux/virt/ours.c", self.top), "virt/ours.c")
        self.assertEqual(races.relative("/b/lost.c", self.top), "/b/lost.c")
        here = f"{self.top}/../{self.top.name}/virt/ours.c"
        self.assertEqual(races.relative(here, self.top), "virt/ours.c")

    def test_record_of_each_race_of_ours(self):
        (self.top / "console.log").write_text("\n".join([races.ENABLED, *REPORT]))
        bad = races.records(self.top, self.top, self.top, [])
        self.assertEqual([r.status for r in bad], [ktap.ERROR])
        (self.top / "console.log").write_text(races.ENABLED + "\n")
        good = races.records(self.top, self.top, self.top, [])
        self.assertEqual([r.name for r in good], ["races/none-of-ours"])

    def test_nobody_looked(self):
        (self.top / "console.log").write_text("kcsan: strict mode configured\n")
        bad = races.records(self.top, self.top, self.top, [])
        self.assertEqual([r.status for r in bad], [ktap.ERROR])


class SplatTests(unittest.TestCase):
    def test_reports_are_splats_unless_somebody_looks(self):
        self.assertEqual(ktap.find_splats(REPORT[:-1], True)[0].status, ktap.PASS)
        self.assertEqual(ktap.find_splats(REPORT[:-1])[0].status, ktap.ERROR)
        self.assertEqual(ktap.find_splats(REPORT, True)[0].status, ktap.ERROR)


if __name__ == "__main__":
    unittest.main()
