# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the judge: whatever a test prints, a failure must never look green."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import ktap


def judged(text, rc=0, **rules):
    run = ktap.Run("g/t", rc, 1, text.splitlines())
    return [(r.name, r.status) for r in ktap.Judge(**rules).judge(run)]


class PlainTests(unittest.TestCase):
    def test_exit_status(self):
        self.assertEqual(judged("hello", 0), [("g/t", "pass")])
        self.assertEqual(judged("hello", 254), [("g/t", "fail")])
        self.assertEqual(judged("", None), [("g/t", "error")])
        self.assertEqual(judged("", ktap.EXIT_KILLED), [("g/t", "error")])

    def test_skip_is_failure_unless_expected(self):
        self.assertEqual(judged("1..0 # SKIP no TDP", 4), [("g/t", "fail")])
        self.assertEqual(judged("no TDP", 4, skips=[("g/*", "why")]), [("g/t", "skip")])
        self.assertEqual(judged("no TDP", 4, skips=[("h/*", "why")]), [("g/t", "fail")])


class CaseTests(unittest.TestCase):
    def test_flat(self):
        text = "TAP version 13\n1..3\nok 1 a\nnot ok 2 - b\nok 3 c # SKIP no"
        self.assertEqual(judged(text, 1, skips=[("*", "")]),
                         [("g/t.a", "pass"), ("g/t.b", "fail"), ("g/t.c", "skip")])

    def test_missing_result(self):
        self.assertIn(("g/t", "fail"), judged("1..2\nok 1 a"))

    def test_no_result_at_all(self):
        self.assertIn(("g/t", "fail"), judged("TAP version 13\n1..2\n"))

    def test_status_contradicts_results(self):
        self.assertEqual(judged("1..1\nok 1 a", 254), [("g/t.a", "pass"), ("g/t", "fail")])

    def test_killed_after_some_results(self):
        self.assertEqual(judged("1..2\nok 1 a", ktap.EXIT_KILLED),
                         [("g/t.a", "pass"), ("g/t", "error")])

    def test_failed_case_says_why(self):
        run = ktap.Run("t", 1, 0, [
            "1..2", "# harmless", "ok 1 a", "# ==== Test Assertion Failure ====",
            "#   x.c:7: a == b", "#   pid=1 tid=1 errno=0 - Success",
            "# sh: addr2line: not found", "#   a is 1", "# b: exit status 254", "not ok 2 b"])
        self.assertEqual(ktap.Judge().judge(run)[1].message, "x.c:7: a == b; a is 1")

    def test_two_streams(self):
        text = "TAP version 13\n1..1\nok 1 a\nTAP version 13\n1..2\nok 1 b\n"
        self.assertEqual(judged(text), [("g/t.a", "pass"), ("g/t.b", "pass"), ("g/t", "fail")])

    def test_bail_out(self):
        self.assertIn(("g/t", "fail"), judged("1..1\nok 1 a\nBail out! broken", 0))

    def test_old_kselftest_skip_names_the_case_after_the_directive(self):
        self.assertEqual(judged("1..1\nok 1 # SKIP the_case", 0, skips=[("g/t.the_case", "")]),
                         [("g/t.the_case", "skip")])

    def test_nested(self):
        text = ("KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: s\n    1..2\n"
                "    ok 1 a\n    not ok 2 b\nnot ok 1 s")
        self.assertEqual(judged(text), [("g/t.s.a", "pass"), ("g/t.s.b", "fail")])

    def test_nested_parent_fails_alone(self):
        self.assertEqual(judged("1..1\n  1..1\n  ok 1 a\nnot ok 1 s", 1),
                         [("g/t.s.a", "pass"), ("g/t.s", "fail")])

    def test_nested_plan_short(self):
        self.assertIn(("g/t", "fail"), judged("1..1\n  1..2\n  ok 1 a\nok 1 s"))

    def test_two_suites_with_plans_of_their_own(self):
        text = "  1..1\n  ok 1 a\nok 1 s\n  1..2\n  ok 1 b\n  ok 2 c\nok 1 r\n"
        self.assertEqual(judged(text), [("g/t.s.a", "pass"), ("g/t.r.b", "pass"),
                                        ("g/t.r.c", "pass")])


class ExpectedFailureTests(unittest.TestCase):
    RULE = [("g/t", r"flag 0x1\b")]

    def test_exact_reason(self):
        self.assertEqual(judged("assert: flag 0x1 fails", 254, failures=self.RULE),
                         [("g/t", "pass")])

    def test_other_reason(self):
        self.assertEqual(judged("assert: flag 0x2 fails", 254, failures=self.RULE),
                         [("g/t", "fail")])

    def test_pass_is_failure(self):
        self.assertEqual(judged("flag 0x1", 0, failures=self.RULE), [("g/t", "fail")])

    def test_timeout_is_failure(self):
        self.assertEqual(judged("flag 0x1", ktap.EXIT_KILLED, failures=self.RULE),
                         [("g/t", "fail")])


class ReportTests(unittest.TestCase):
    def test_runs(self):
        lines = ["@@@ start scale=1", "@@@ begin a/b limit=5", "one\r", "@@@ alive",
                 "@@@ end a/b rc=0 secs=2", "noise", "@@@ begin a/c limit=5", "two"]
        first, second = ktap.read_runs(lines)
        self.assertEqual((first.name, first.rc, first.secs, first.lines), ("a/b", 0, 2, ["one"]))
        self.assertEqual((second.name, second.rc), ("a/c", None))

    def test_manifest(self):
        text = "# x\n@host\nh 1 true\n@d a=1\nt 1 x\n@e\nu 1 x\n"
        self.assertEqual(ktap.manifest_names(text),
                         ["host/h", "d/kvm-load", "d/t", "d/kvm-unload",
                          "e/kvm-load", "e/u", "e/kvm-unload"])


class SplatTests(unittest.TestCase):
    def test_clean(self):
        lines = ["Linux version 6.1", "traps: t[1] general protection fault ip:1 sp:2",
                 "kasan: KernelAddressSanitizer initialized"]
        self.assertEqual([r.status for r in ktap.find_splats(lines)], ["pass"])

    def test_named_after_test(self):
        lines = ["@@@ begin a/b limit=1", "WARNING: CPU: 0 PID: 1 at mm/x.c:1", "Call Trace:",
                 "@@@ end a/b rc=0 secs=0", "BUG: sleeping function called"]
        self.assertEqual([(r.name, r.status) for r in ktap.find_splats(lines)],
                         [("console/a/b", "error"), ("console/between-tests", "error")])

    def test_kinds(self):
        for line in ("BUG: KASAN: slab-out-of-bounds in f", "UBSAN: shift-out-of-bounds in x",
                     "WARNING: possible circular locking dependency detected",
                     "WARNING: suspicious RCU usage", "rcu: INFO: rcu_preempt self-detected stall",
                     "watchdog: BUG: soft lockup - CPU#0 stuck", "Oops: 0002 [#1] SMP",
                     "kmemleak: 3 new suspected memory leaks", "list_add corruption.",
                     "general protection fault, probably for non-canonical address",
                     "BUG kmalloc-64 (Not tainted): Poison overwritten",
                     "INFO: task t:9 blocked for more than 120 seconds."):
            self.assertEqual(ktap.find_splats([line])[0].status, "error", line)


class WholeTests(unittest.TestCase):
    def outcome(self, report, console="", manifest="@d\nt 1 x\n"):
        with tempfile.TemporaryDirectory() as tmp:
            results = Path(tmp)
            (results / "report.log").write_text(report)
            (results / "console.log").write_text(console)
            (results / "m").write_text(manifest)
            with contextlib.redirect_stdout(io.StringIO()):
                code = ktap.main([tmp, "-m", str(results / "m")])
            return code, (results / "ktap.log").read_text()

    @staticmethod
    def report(rc):
        return "".join(f"@@@ begin d/{t} limit=1\n@@@ end d/{t} rc={c} secs=0\n"
                       for t, c in (("kvm-load", 0), ("t", rc), ("kvm-unload", 0)))

    def test_a_mitigation_that_is_missing_is_no_splat(self):
        line = "[    0.8] Speculative Return Stack Overflow: WARNING: See https://kernel.org/"
        self.assertEqual([r.status for r in ktap.find_splats([line])], ["pass"])

    def test_allocations_that_a_test_makes_fail(self):
        trace = ["x: vmalloc error: size 4, vm_struct allocation failed", "CPU: 1 PID: 105",
                 "Call Trace:", " f+0x1/0x2"]
        begin, end = "@@@ begin default/gmem_nomem limit=9", "@@@ end default/gmem_nomem rc=0 secs=1"

        def verdict(*lines):
            return ktap.find_splats(lines)[0].status

        self.assertEqual(verdict(begin, *trace, end), "pass")
        self.assertEqual(verdict(begin, *trace, "Call Trace:"), "error")
        self.assertEqual(verdict(begin, trace[0], end, "Call Trace:"), "error")
        self.assertEqual(verdict(begin, trace[0], *["x"] * 20, "Call Trace:"), "error")
        self.assertEqual(verdict(begin.replace("nomem", "race"), *trace), "error")

    def test_warnings_that_a_test_provokes(self):
        trace = ["WARNING: CPU: 0 PID: 9 at ../linux/virt/kvm/kvm_main.c:179 f",
                 *["x"] * 20, "Call Trace:"]
        begin = "@@@ begin default/page_kinds_freed limit=9"

        def verdict(*lines):
            return ktap.find_splats(lines)[0].status

        self.assertEqual(verdict(begin, *trace), "pass")
        self.assertEqual(verdict(begin.replace("_freed", ""), *trace), "error")
        self.assertEqual(verdict(begin, trace[0].replace("/kvm/", "/xen/"), *trace[1:]), "error")
        self.assertEqual(verdict(begin, *trace, "Call Trace:"), "error")

    def test_exit_codes(self):
        self.assertEqual(self.outcome(self.report(0))[0], 0)
        self.assertEqual(self.outcome(self.report(1))[0], 1)
        self.assertEqual(self.outcome(self.report(0), "BUG: x")[0], 2)
        self.assertEqual(self.outcome("")[0], 2)

    def test_ktap_has_a_plan(self):
        text = self.outcome(self.report(0))[1]
        self.assertTrue(text.startswith("KTAP version 1\n1..4\nok 1 d/kvm-load\n"))


if __name__ == "__main__":
    unittest.main()
