# SPDX-License-Identifier: GPL-2.0-only
"""Figures as text."""

from .rows import MEMORY, NAMES, OURS, TIMES
from .samples import ratio


def human(value, units):
    """A number with the largest of UNITS, [(name, size)], that it reaches."""
    name, size = next((u for u in units if abs(value) >= u[1]), units[-1])
    return f"{significant(value / size)}{' ' if name else ''}{name}"


def significant(value):
    """Three digits, without an exponent unless it is very small."""
    if value == 0:
        return "0"
    if abs(value) < 0.01:
        return f"{value:.2g}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def human_time(ns):
    return human(ns, (("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1)))


def human_count(count):
    return human(count, (("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1)))


def human_size(size):
    return human(size, (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)))


def cell(found, form):
    """A median and its spread."""
    if not found:
        return "-"
    text = form(found.median)
    percent = round(found.spread * 100)
    return f"{text} ±{percent}%" if percent else text


def lines_of(group, samples, form):
    """[[title, a cell for each kernel, ratio]] of a group that has any figure."""
    lines = []
    for figure, title in group.rows:
        stats = {name: samples[name].stat(figure) for name in NAMES}
        if any(stats.values()):
            found = ratio(stats[OURS], stats[group.against])
            lines.append(["  " + title, *(cell(stats[n], form) for n in NAMES),
                          significant(found[0]) if found else "-"])
    return lines


def table(groups, samples, form):
    """The lines of a table of {kernel: Samples}."""
    rows, heads = [], set()
    for group in groups:
        lines = lines_of(group, samples, form)
        if lines:
            heads.add(len(rows))
            rows += [[group.title, *NAMES, f"{OURS}/{group.against}"], *lines]
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    out = []
    for at, row in enumerate(rows):
        if at in heads and at:
            out.append("")
        out.append("  ".join(c.rjust(w) if i else c.ljust(w)
                             for i, (c, w) in enumerate(zip(row, widths))).rstrip())
    return out


def tables(times, counts):
    """Both tables and the memory, of {kernel: Samples} for each clock."""
    out = ["Time on the emulated machine, median and half the distance of the quartiles:", "",
           *table(TIMES, times, human_time)]
    if any(s.figures for s in counts.values()):
        out += ["", "Instructions of the emulated machine, counted in runs of their own:", "",
                *table(TIMES, counts, human_count)]
    return out + ["", *table(MEMORY, times, human_size)]


def absences(samples):
    """What a kernel does not have, and why, a line each."""
    lines = []
    for name in NAMES:
        reasons = {}
        for bench, why in samples[name].absent.items():
            reasons.setdefault(why, []).append(bench)
        lines += [f"{name}: {why} ({', '.join(found)})" for why, found in reasons.items()]
    return lines
