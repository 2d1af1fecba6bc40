# SPDX-License-Identifier: GPL-2.0-only
"""scripts/bench: reading samples, medians, the promises."""

import unittest
from pathlib import Path

from script import load

bench = load("bench")

REPORT = """@@@ begin bench/gmem_bench limit=900
{"bench": "toggle_4k", "kernel": "6.1", "ns": 1500, "bytes": 0}
noise
{"bench": "private_64g", "kernel": "6.1", "ns": 9000, "bytes": 4096}
@@@ end bench/gmem_bench rc=0 secs=1
"""


def kernel(**figures):
    k = bench.Kernel("k", Path("tree"), (), ())
    for name, (ns, size) in figures.items():
        k.samples[name] = [{"ns": ns - 1, "bytes": size}, {"ns": ns, "bytes": size},
                           {"ns": ns + 100, "bytes": size}]
    return k


class Bench(unittest.TestCase):
    def test_parse(self):
        found = bench.parse(REPORT)
        self.assertEqual(set(found), {"toggle_4k", "private_64g"})
        self.assertEqual(found["private_64g"]["bytes"], 4096)

    def test_median(self):
        k = kernel(toggle_4k=(1500, 0))
        self.assertEqual(k.median("toggle_4k", "ns"), 1500)
        self.assertIsNone(k.median("private_16t", "ns"))

    def test_human(self):
        self.assertEqual(bench.human_time(9.2e9), "9.2 s")
        self.assertEqual(bench.human_time(1500), "1.5 us")
        self.assertEqual(bench.human_time(None), "-")
        self.assertEqual(bench.human_size(16384), "16 KiB")
        self.assertEqual(bench.human_size(152 << 20), "152 MiB")

    def test_targets(self):
        ours = kernel(private_64g=(9000, 4096), private_16t=(36000, 0),
                      toggle_4k=(2000, 0), alternate_1g=(10, 2 << 20))
        mainline = kernel(private_64g=(9000000, 152 << 20), toggle_4k=(2000, 0),
                          alternate_1g=(10, 2 << 20))
        figures = [round(f, 6) for _, f, _ in bench.targets(ours, mainline)]
        self.assertEqual(figures, [0.001, 4, 4, 1, 1])
        self.assertTrue(all(f <= bound for _, f, bound in bench.targets(ours, mainline)))


if __name__ == "__main__":
    unittest.main()
