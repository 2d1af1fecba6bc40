# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the logic of scripts/campaigns/rebase-table."""

import unittest

from script import load

rebase = load("campaigns/rebase-table")


class Madison(unittest.TestCase):
    TEXT = (" linux-source-6.1 | 6.1.192-2 | http://x security/main amd64 Packages\n"
            " linux-source-6.1 | 6.1.99-1 | http://x bookworm/main amd64 Packages\n"
            " linux-source-6.1 | 6.1.192-2 | http://x updates/main amd64 Packages\n"
            " linux-source-6.1 | 6.1.200-1 | http://x security/main Sources\n"
            " linux-source-6.12 | 6.12.1-1 | http://x security/main amd64 Packages\n")

    def test_versions_in_order_without_doubles(self):
        self.assertEqual(rebase.offered(self.TEXT, "linux-source-6.1"),
                         ["6.1.99-1", "6.1.192-2"])

    def test_table_shows_the_conflict(self):
        row = {"version": "6.1.1-1", "counts": dict.fromkeys(rebase.KINDS, 0),
               "conflict": "patches/a.patch: conflict in b.c", "build": None}
        self.assertIn("6.1.1-1: patches/a.patch: conflict in b.c", rebase.table([row]))


if __name__ == "__main__":
    unittest.main()
