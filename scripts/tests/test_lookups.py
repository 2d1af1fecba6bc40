# SPDX-License-Identifier: GPL-2.0-only
"""Tests of 'make lookups': what the unpatched kernel refuses must be what is listed."""

import fnmatch
import unittest

import script
import ktap

lookups = script.load("campaigns/lookups")
RULES = [("x86_64-unpatched-*/page_kinds.access_block_*", "no count")]


class JudgeTests(unittest.TestCase):
    def statuses(self, *records):
        return [r.status for r in lookups.judge(
            [ktap.Record(*r) for r in records],
            [("arm64-*/page_kinds.dirty_*", "not logged")], RULES)]

    def test_listed_failure(self):
        name = "x86_64-unpatched-default/page_kinds.access_block_pfn"
        self.assertEqual(self.statuses((name, ktap.FAIL)), [ktap.PASS])
        self.assertEqual(self.statuses((name, ktap.PASS)), [ktap.FAIL])
        self.assertEqual(self.statuses((name, ktap.SKIP)), [ktap.FAIL])
        self.assertEqual(self.statuses((name, ktap.ERROR)), [ktap.FAIL])

    def test_other_failure(self):
        listed = ("x86_64-unpatched-default/page_kinds.access_block_pfn", ktap.FAIL)
        self.assertEqual(self.statuses(
            listed, ("arm64-ours-nvhe/page_kinds.access_block_pfn", ktap.FAIL)),
            [ktap.PASS, ktap.FAIL])

    def test_skips(self):
        listed = ("x86_64-unpatched-default/page_kinds.access_block_pfn", ktap.FAIL)
        self.assertEqual(self.statuses(
            listed, ("arm64-ours-nvhe/page_kinds.dirty_log_block_pfn", ktap.SKIP),
            ("x86_64-ours-default/page_kinds.dirty_log_block_pfn", ktap.SKIP)),
            [ktap.PASS, ktap.SKIP, ktap.FAIL])

    def test_rule_without_a_case(self):
        self.assertEqual(self.statuses(), [ktap.FAIL])


class ListTests(unittest.TestCase):
    def test_only_unpatched_kernels_may_fail(self):
        rules = ktap.read_rules(lookups.HERE / "lookups.unpatched")
        self.assertTrue(rules)
        for glob, reason in rules:
            self.assertTrue(fnmatch.fnmatchcase(glob, "*-unpatched-*/page_kinds*"), glob)
            self.assertTrue(reason, glob)


if __name__ == "__main__":
    unittest.main()
