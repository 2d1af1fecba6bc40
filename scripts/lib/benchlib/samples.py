# SPDX-License-Identifier: GPL-2.0-only
"""Samples that the benchmarks print, and what they say together."""

import json
import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stat:
    """A median and the quartiles around it."""
    median: float
    low: float
    high: float

    @property
    def spread(self):
        """Half the distance of the quartiles, as a part of the median."""
        if self.high == self.low:
            return 0.0
        return (self.high - self.low) / 2 / abs(self.median) if self.median else 1.0


def stat(values):
    """The Stat of some samples, or None without any."""
    if not values:
        return None
    if len(values) == 1:
        return Stat(values[0], values[0], values[0])
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Stat(middle, low, high)


@dataclass
class Samples:
    """All samples of one kernel that were taken with one kind of clock."""
    figures: dict = field(default_factory=dict)     # name -> [number]
    absent: dict = field(default_factory=dict)      # benchmark -> why

    def add(self, report):
        """Take the samples of a report; return how many there were."""
        why, count = None, 0
        for line in report.splitlines():
            words = line.split()
            if words[:1] == ["#"] and line[2:3] == "{":
                sample = json.loads(line[2:])
                why = sample.get("absent", why)
                if "figure" in sample:
                    count += 1
                    value = sample["ns"] if "ns" in sample else sample["bytes"]
                    self.figures.setdefault(sample["figure"], []).append(value)
            elif words[:1] == ["ok"] and why:
                self.absent[words[2]] = why
                why = None
        return count

    def stat(self, figure):
        return stat(self.figures.get(figure))


def ratio(a, b):
    """(a / b, how far off it may be) of two Stats, or None."""
    if not a or not b or not b.median:
        return None
    value = a.median / b.median
    return value, value * (a.spread + b.spread)
