# SPDX-License-Identifier: GPL-2.0-only
"""scripts/campaigns/bench: samples, statistics, tables, the promises, the chart."""

import unittest
import xml.etree.ElementTree
from pathlib import Path

from script import load

bench = load("campaigns/bench")

from benchlib import chart, machine, rows, samples, table  # noqa: E402

REPORT = """@@@ begin bench/gmem_bench_attrs limit=900
KTAP version 1
1..3
# {"figure": "toggle_4k.unmapped", "ns": 1500.5}
noise
# {"figure": "toggle_4k.unmapped", "ns": 1700.0}
# {"figure": "attrs_4g.memory", "bytes": 4096}
ok 1 toggle_4k
# {"absent": "no one backing"}
ok 2 convert_one
ok 3 attrs_4g
@@@ end bench/gmem_bench_attrs rc=0 secs=1
"""


def taken(**figures):
    """Samples of figures, whose dots are written as double underscores."""
    found = samples.Samples()
    for name, values in figures.items():
        found.figures[name.replace("__", ".")] = values
    return found


def kernels(ours=None, base=None, mainline=None):
    empty = samples.Samples
    return {rows.OURS: ours or empty(), rows.BASE: base or empty(),
            rows.MAINLINE: mainline or empty()}


class Reports(unittest.TestCase):
    def test_samples_add_up(self):
        found = samples.Samples()
        self.assertEqual(found.add(REPORT), 3)
        self.assertEqual(found.add(REPORT), 3)
        self.assertEqual(found.figures["toggle_4k.unmapped"], [1500.5, 1700.0] * 2)
        self.assertEqual(found.figures["attrs_4g.memory"], [4096] * 2)

    def test_absent_belongs_to_its_benchmark(self):
        found = samples.Samples()
        found.add(REPORT)
        self.assertEqual(found.absent, {"convert_one": "no one backing"})

    def test_nothing(self):
        self.assertEqual(samples.Samples().add("ok 1 attrs_4g\n"), 0)


class Statistics(unittest.TestCase):
    def test_stat(self):
        self.assertIsNone(samples.stat([]))
        self.assertEqual(samples.stat([7]).spread, 0)
        found = samples.stat([100, 90, 1000, 110, 95])
        self.assertEqual((found.low, found.median, found.high), (95, 100, 110))
        self.assertAlmostEqual(found.spread, 0.075)

    def test_spread_around_nothing(self):
        self.assertEqual(samples.stat([0, 0, 0]).spread, 0)
        self.assertEqual(samples.stat([-2, 0, 2]).spread, 1)

    def test_ratio(self):
        value, off = samples.ratio(samples.stat([99, 100, 101]), samples.stat([200]))
        self.assertEqual(value, 0.5)
        self.assertAlmostEqual(off, 0.0025)
        self.assertIsNone(samples.ratio(samples.stat([1]), None))
        self.assertIsNone(samples.ratio(samples.stat([1]), samples.stat([0])))


class Table(unittest.TestCase):
    def test_human(self):
        self.assertEqual(table.human_time(9.2e9), "9.20 s")
        self.assertEqual(table.human_time(1500), "1.50 us")
        self.assertEqual(table.human_time(0), "0 ns")
        self.assertEqual(table.human_size(152 << 20), "152 MiB")
        self.assertEqual(table.human_size(-8192), "-8.00 KiB")
        self.assertEqual(table.human_count(27), "27.0")
        self.assertEqual(table.human_count(4783), "4.78 k")
        self.assertEqual(table.significant(0.0000066), "6.6e-06")

    def test_cell(self):
        self.assertEqual(table.cell(None, table.human_time), "-")
        self.assertEqual(table.cell(samples.stat([1000]), table.human_time), "1.00 us")
        self.assertEqual(table.cell(samples.stat([90, 100, 110]), table.human_count), "100 ±5%")

    def test_table(self):
        lines = table.table(rows.TIMES, kernels(
            taken(toggle_4k__unmapped=[3000], shared__first=[1100]),
            taken(shared__first=[1000]), taken(toggle_4k__unmapped=[6000])), table.human_time)
        self.assertEqual([line.split() for line in lines], [
            ["Attributes", "of", "an", "idle", "VM", "ours", "6.1", "6.12", "ours/6.12"],
            ["4", "KiB", "in", "a", "private", "block,", "a", "call", "3.00", "us", "-",
             "6.00", "us", "0.50"], [],
            ["Ordinary", "VM", "ours", "6.1", "6.12", "ours/6.1"],
            ["first", "touch,", "a", "page", "1.10", "us", "1.00", "us", "-", "1.10"]])

    def test_no_counts_no_table(self):
        text = "\n".join(table.tables(kernels(taken(shared__first=[1])), kernels()))
        self.assertNotIn("Instructions", text)

    def test_absences(self):
        base = samples.Samples(absent={"a": "none", "b": "none", "c": "other"})
        self.assertEqual(table.absences(kernels(base=base)),
                         ["6.1: none (a, b)", "6.1: other (c)"])


class Promises(unittest.TestCase):
    def test_verdict(self):
        for found, word in ((None, "not measured"), ((1.01, 0.005), "met"),
                            ((0.985, 0.004), "met"), ((1.01, 0.02), "not resolved"),
                            ((1.03, 0.005), "MISSED"), ((0.9, 0.01), "MISSED")):
            self.assertEqual(rows.verdict(found, 0.02), word)

    def test_more_rounds_are_needed(self):
        good = taken(**{f.replace(".", "__"): [100, 100, 100] for f in rows.ORDINARY})
        vague = taken(**{f.replace(".", "__"): [80, 100, 120] for f in rows.ORDINARY})
        self.assertTrue(rows.resolved(good, good))
        self.assertFalse(rows.resolved(good, vague))

    def test_targets(self):
        ours = taken(attrs_64g__private=[9000], attrs_64g__memory=[4096],
                     attrs_16t__private=[36000], toggle_4k__unmapped=[2000],
                     alternate_1g__memory=[2 << 20],
                     convert_one__memory_before=[512], convert_one__memory_after=[512])
        mainline = taken(attrs_64g__private=[9000000], toggle_4k__unmapped=[2000],
                         alternate_1g__memory=[2 << 20])
        found = rows.targets(kernels(ours, mainline=mainline))
        self.assertEqual([round(f, 6) for _, f, _ in found], [0.001, 4, 4, 1, 1, 1])
        self.assertTrue(all(f <= bound for _, f, bound in found))
        lines, data = bench.judge_targets(kernels(ours))
        self.assertTrue(lines[0].endswith(": not measured"))
        self.assertEqual(data[1]["verdict"], "met")
        _, data = bench.judge_targets(kernels(taken(attrs_64g__memory=[17 << 10])))
        self.assertEqual(data[1]["verdict"], "MISSED")

    def test_ordinary_lines(self):
        slow = {"shared__first": [103, 103, 103]}
        lines, data = bench.judge_ordinary(
            kernels(), kernels(taken(**slow), taken(shared__first=[100])))
        self.assertIn("    first touch, a page: 1.030 ±0.000: MISSED", lines)
        self.assertEqual({d["verdict"] for d in data}, {"MISSED", "not measured"})

    def test_rows_have_figures(self):
        """Each row is a figure that some benchmark prints, and each figure has a row."""
        where = Path(bench.SCRIPTS).parent / "tools/testing/selftests/kvm"
        text = "".join((where / f"{p}.c").read_text() for p in machine.PROGRAMS)
        for group in rows.TIMES + rows.MEMORY:
            for figure, _ in group.rows:
                first, last = figure.split(".")
                self.assertTrue(f'"{figure}"' in text
                                or (f'"{first}"' in text and f'"%s.{last}"' in text), figure)


class Chart(unittest.TestCase):
    def shapes(self, times, counts):
        text = chart.chart(times, counts, "a < b & c")
        return xml.etree.ElementTree.fromstring(text)

    def test_well_formed(self):
        times = kernels(taken(private__first=[1000, 1200, 1100], shared__first=[900],
                              attrs_4g__memory=[0], convert_one__memory_after=[512 << 20],
                              shared__exit=[5000]),
                        taken(shared__first=[880], shared__exit=[100]),
                        taken(private__first=[2e6]))
        root = self.shapes(times, kernels())
        words = ["".join(e.itertext()) for e in root if e.tag.endswith("text")]
        for expected in ("a < b & c", "1.10 us", "2.00 ms", "512 MiB", "1.023 ±0.000"):
            self.assertIn(expected, words)
        for element in root:
            for key in ("x", "x1", "x2", "cx"):
                self.assertTrue(0 <= float(element.get(key, 0)) <= chart.WIDTH)
            if element.tag.endswith("circle"):
                self.assertTrue(chart.LEFT <= float(element.get("cx")) <= chart.RIGHT)
            for key in ("y", "y1", "y2", "cy"):
                self.assertTrue(0 <= float(element.get(key, 0)) <= float(root.get("height")))

    def test_without_any_figure(self):
        self.shapes(kernels(), kernels())

    def test_axis(self):
        axis = chart.LogAxis([15, 900], 10)
        self.assertEqual(axis.ticks(), [10, 100, 1000])
        self.assertEqual((axis.at(10), axis.at(1000)), (chart.LEFT, chart.RIGHT))
        self.assertEqual(axis.at(0), chart.LEFT)
        self.assertEqual(chart.LogAxis([1 << 20], 4).ticks(), [1 << 20, 1 << 22])

    def test_short(self):
        self.assertEqual(chart.short("10.0 us"), "10 us")
        self.assertEqual(chart.short("0.10"), "0.1")


if __name__ == "__main__":
    unittest.main()
