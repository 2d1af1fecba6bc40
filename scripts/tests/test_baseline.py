# SPDX-License-Identifier: GPL-2.0-only
"""Tests of how scripts/campaigns/baseline compares two kernels."""

import unittest

from script import SCRIPTS  # puts what is imported next into the path

import baselinelib as baseline
import ktap

Result = baseline.Result
PASSED, FAILED, SKIPPED = (Result(s) for s in ("pass", "fail", "skip"))


def run(text, rc=0):
    return Result.of(ktap.Run("baseline/6.1/a", rc, 3, text.splitlines()))


class ResultTests(unittest.TestCase):
    def test_status(self):
        self.assertEqual(run("").status, "pass")
        self.assertEqual(run("no", 254).status, "fail")
        self.assertEqual(run("1..0 # SKIP not here", 4).status, "skip")
        self.assertEqual(run("", 137).status, "timeout")
        self.assertEqual(run("", None).status, "crash")

    def test_cases(self):
        result = run("1..2\nok 1 one\nnot ok 2 two\n", 1)
        self.assertEqual(result.status, "fail")
        self.assertEqual(sorted(result.cases.values()), ["fail", "pass"])


    def test_complaint(self):
        console = ["@@@ begin baseline/6.1/a limit=9", "[ 1.0] WARNING: CPU: 0 at x"]
        self.assertEqual(list(baseline.complaints(console)), ["6.1/a"])
        self.assertEqual(list(baseline.complaints(["[ 1.0] WARNING: CPU: 0 at x"])),
                         ["kvm-load"])
        self.assertEqual(baseline.complaints(["fine"]), {})


class VerdictTests(unittest.TestCase):
    rules = [("baseline/6.12/guest_memfd_test", "flag '0x1'")]

    def first(self, name, base, ours, options_on=True):
        return baseline.first_verdict(name, base, ours, options_on, self.rules)[0]

    def test_same(self):
        for result in (PASSED, FAILED, SKIPPED):
            self.assertEqual(self.first("6.1/a", result, result), "same")

    def test_difference_is_repeated(self):
        for base, ours in ((PASSED, FAILED), (PASSED, SKIPPED), (SKIPPED, FAILED),
                           (FAILED, PASSED), (PASSED, Result("timeout"))):
            self.assertIsNone(self.first("6.1/a", base, ours))

    def test_lost_case(self):
        base, ours = (Result("pass", cases=c) for c in ({"x": "pass", "y": "pass"},
                                                        {"x": "pass"}))
        self.assertIsNone(self.first("6.1/a", base, ours))
        self.assertEqual(self.first("6.1/a", ours, base), "same")

    def test_missing_ioctl(self):
        base = Result("skip", output=f"1..0 - SKIP {baseline.NEEDS_REGION2} (v6.8)")
        self.assertTrue(baseline.needs_shim("6.12/a", base))
        self.assertFalse(baseline.needs_shim("6.12/a", SKIPPED))
        self.assertFalse(baseline.needs_shim("6.12/pre_fault_memory_test", base))

    def test_fails_elsewhere(self):
        base, ours = (Result("fail", f"exit status 254: a.c:{n}: x == 1; 0x{n}")
                      for n in (7, 8))
        self.assertEqual(baseline.first_verdict("6.1/a", base, ours, True, [])[0], "same")
        self.assertIn("[base: ", baseline.first_verdict("6.1/a", base, ours, True, [])[1])
        self.assertNotIn("[base: ", baseline.first_verdict("6.1/a", base, base, True, [])[1])

    def test_new_complaint(self):
        loud = Result("pass", splat="WARNING: x")
        self.assertEqual(self.first("6.1/a", PASSED, loud), "BROKEN")
        self.assertEqual(self.first("6.1/a", loud, loud), "same")

    def test_other_complaint(self):
        loud, same, other, both = (Result("pass", splat=s) for s in (
            "[ 1.5] WARNING: CPU: 0 at a.c:7 f+0x1", "[ 2.5] WARNING: CPU: 1 at a.c:9 f+0xaf",
            "[ 1.5] WARNING: CPU: 0 at b.c:7 f+0x1",
            "[ 1.5] WARNING: CPU: 0 at a.c:7 f+0x1\n[ 1.5] BUG: x"))
        self.assertEqual(self.first("6.1/a", loud, same), "same")
        self.assertEqual(self.first("6.1/a", loud, other), "BROKEN")
        self.assertEqual(self.first("6.1/a", loud, both), "BROKEN")
        self.assertEqual(self.first("6.1/a", both, loud), "same")

    def test_complaint_while_repeating(self):
        loud = Result("pass", splat="WARNING: x")
        runs = [FAILED, PASSED]
        self.assertEqual(baseline.final_verdict(runs, [FAILED, loud])[0], "BROKEN")
        self.assertEqual(baseline.final_verdict([FAILED, loud], [FAILED, loud])[0], "flaky")

    def test_feature(self):
        name = "6.12/pre_fault_memory_test"
        self.assertEqual(self.first(name, SKIPPED, PASSED), "new")
        self.assertEqual(self.first(name, SKIPPED, SKIPPED), "BROKEN")
        self.assertEqual(self.first(name, FAILED, FAILED), "BROKEN")
        self.assertEqual(self.first(name, SKIPPED, SKIPPED, options_on=False), "same")

    def test_expected_failure(self):
        name = "6.12/guest_memfd_test"
        known = Result("fail", output="with flag '0x1' should fail")
        self.assertEqual(self.first(name, SKIPPED, known), "expected")
        self.assertEqual(self.first(name, SKIPPED, FAILED), "BROKEN")
        self.assertEqual(self.first(name, SKIPPED, PASSED), "BROKEN")

    def final(self, base, ours):
        status = {"p": PASSED, "f": FAILED, "s": SKIPPED}
        return baseline.final_verdict([status[c] for c in base],
                                      [status[c] for c in ours])[0]

    def test_flaky_needs_evidence_on_the_base(self):
        self.assertEqual(self.final("pppppp", "fppppp"), "BROKEN")
        self.assertEqual(self.final("pppppp", "ffffff"), "BROKEN")
        self.assertEqual(self.final("pfpppp", "fppppp"), "flaky")
        self.assertEqual(self.final("ffffff", "pppppp"), "better")
        self.assertEqual(self.final("fpffff", "pppppp"), "flaky")
        self.assertEqual(self.final("ssssss", "ffffff"), "BROKEN")
        self.assertEqual(self.final("fsssss", "ffffff"), "flaky")

    def test_flaky_within_chance(self):
        self.assertEqual(self.final("ppppfp", "ffffff"), "BROKEN")
        self.assertEqual(self.final("pfffpf", "ffffff"), "flaky")
        self.assertAlmostEqual(baseline.chance([PASSED] * 3, [FAILED] * 3), 1 / 20)
        self.assertEqual(baseline.chance([FAILED], [PASSED]), 1)

    def test_case_lost_each_time(self):
        base, ours = (Result("pass", cases=c) for c in ({"x": "pass"}, {}))
        self.assertEqual(baseline.final_verdict([base] * 6, [ours] * 6)[0], "BROKEN")


class ManifestTests(unittest.TestCase):
    def test_last_match_counts(self):
        rules = baseline.parse_manifest("# x\n*/*/* 60\n*/*/b 9 -i 2\n*/*/c - too long\n")
        self.assertEqual(baseline.settings(rules, "arm64/6.1/c"), (None, ["too", "long"]))
        self.assertEqual(baseline.settings(rules, "x86_64/6.1/a"), (60, []))
        self.assertEqual(baseline.settings(rules, "x86_64/6.1/b"), (9, ["-i", "2"]))
        self.assertEqual(baseline.guest_manifest("arm64", ["6.1/b", "6.1/n.sh"], rules),
                         "@baseline\n6.1/b 9 6.1/b -i 2\n6.1/n.sh 60 sh 6.1/n.sh\n")

    def test_makefile(self):
        text = ("TEST_PROGS_x86_64 += n.sh\nTEST_GEN_PROGS_x86_64 = a\n"
                "TEST_GEN_PROGS_x86_64 += b\nTEST_GEN_PROGS_EXTENDED_x86_64 += n\n"
                "TEST_GEN_PROGS_aarch64 += c\n")
        self.assertEqual(baseline.listed(text, "x86_64"), (["a", "b"], ["n"], ["n.sh"]))

    def test_own_manifest(self):
        rules = baseline.parse_manifest((SCRIPTS / "campaigns/baseline.manifest").read_text())
        self.assertEqual(rules[0][2], [])
        for _, limit, _ in rules:
            self.assertTrue(limit is None or limit >= 20)


class FaultTests(unittest.TestCase):
    base = ["fault thp 4 90 lock:a*1 kmalloc:f*2", "fault thp 4 10 lock:a*1 page:order=0*1",
            "fault thp 6 2 lock:c*1", "fault thp 6 1 lock:c*1 lock:tick*1"]

    def verdict(self, *ours):
        rows = baseline.compare_faults(baseline.parse_faults(self.base),
                                       baseline.parse_faults(ours))
        return [r["verdict"] for r in rows]

    def test_same(self):
        self.assertEqual(self.verdict("fault thp 4 70 lock:a*1 kmalloc:f*2",
                                      "fault thp 6 1 lock:c*1 lock:tick*1"), ["same"] * 2)

    def test_one_more_lock(self):
        self.assertEqual(self.verdict("fault thp 4 70 lock:a*2 kmalloc:f*2", *self.base[2:]),
                         ["BROKEN", "same"])

    def test_another_share(self):
        self.assertEqual(self.verdict("fault thp 4 1 lock:a*1 kmalloc:f*2",
                                      "fault thp 4 80 lock:a*1 page:order=0*1",
                                      *self.base[2:]), ["same"] * 2)

    def test_new_in_a_rare_fault(self):
        self.assertEqual(self.verdict(*self.base[:3], "fault thp 4 1 lock:b*1"),
                         ["BROKEN", "same"])

    def rounds(self, *pairs):
        """Verdicts after rounds of (lines of the base, lines of ours)."""
        return [r["verdict"] for r in baseline.compare_rounds(pairs)]

    def test_work_for_the_task_before(self):
        switched = [*self.base, "fault thp 4 1 lock:a*1 lock:&rq->__lock*2"]
        for words in ("lock:&rq->__lock*2 lock:pgd_lock*1", "lock:pgd_lock*1",
                      "lock:&rq->__lock*2 lock:b*1"):
            once = [*self.base, f"fault thp 4 1 lock:a*1 {words}"]
            self.assertEqual(self.rounds((switched, once), (switched, switched)),
                             ["same"] * 2, words)
            self.assertEqual(self.rounds((switched, once), (switched, once)),
                             ["BROKEN", "same"], words)

    def test_no_more_rounds_than_needed(self):
        left = iter([(self.base, self.base), (self.base, [])])
        self.assertEqual([r["verdict"] for r in baseline.compare_rounds(left)], ["same"] * 2)
        self.assertEqual(len(list(left)), 1)

    def test_new_in_each_round(self):
        b = [*self.base, "fault thp 4 1 lock:b*1"]
        c = [*self.base, "fault thp 4 1 lock:c2*1"]
        self.assertEqual(self.rounds((self.base, b), (self.base, b)), ["BROKEN", "same"])
        self.assertEqual(self.rounds((self.base, b), (self.base, c)), ["same"] * 2)
        self.assertEqual(self.rounds((self.base, b), (b, b)), ["same"] * 2)
        more = ["fault thp 4 70 lock:a*2 kmalloc:f*2", *self.base[2:]]
        self.assertEqual(self.rounds((self.base, more), (self.base, more)), ["BROKEN", "same"])

    def test_known_from_elsewhere(self):
        self.assertEqual(self.verdict(*self.base, "fault thp 4 1 lock:a*1 lock:tick*1"),
                         ["same"] * 2)

    def test_class_of_its_own(self):
        self.assertEqual(self.verdict(*self.base, "fault thp 9 30 lock:a*1"),
                         ["same", "same", "BROKEN"])
        self.assertEqual(self.verdict(*self.base, "fault thp 9 3 lock:a*1"), ["same"] * 3)

    def test_fewer(self):
        self.assertEqual(self.verdict("fault thp 4 70 kmalloc:f*2", *self.base[2:]),
                         ["better", "same"])


if __name__ == "__main__":
    unittest.main()
