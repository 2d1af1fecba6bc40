# SPDX-License-Identifier: GPL-2.0-only
"""Figures as an SVG chart: a dot for each median, a line for the quartiles."""

import math
from xml.sax.saxutils import escape

from .rows import APART, BASE, MAINLINE, MEMORY, NAMES, ORDINARY, OURS, TIMES
from .samples import ratio
from .table import human_count, human_size, human_time

WIDTH, MARGIN = 1080, 24
LEFT, RIGHT = 330, 740          # of the plot; values stand right of it
ROW, HEAD = 26, 30
LANE = 6                        # between the kernels of a row
COLUMN = (WIDTH - MARGIN - RIGHT - 10) / len(NAMES)
INK, PALE, GRID, BAND = "#222222", "#666666", "#dddddd", "#e3f1e3"
COLOURS = {OURS: "#0b5cad", BASE: "#5f6b73", MAINLINE: "#c2410c"}


class Svg:
    """Elements of a picture, from the top down."""

    def __init__(self):
        self.parts = []
        self.y = MARGIN

    def add(self, name, text=None, **attributes):
        words = "".join(f' {k.replace("_", "-")}="{escape(str(v))}"'
                        for k, v in attributes.items())
        self.parts.append(f"<{name}{words}/>" if text is None else
                          f"<{name}{words}>{escape(text)}</{name}>")

    def line(self, x1, y1, x2, y2, colour, width=1):
        self.add("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}",
                 stroke=colour, stroke_width=width)

    def text(self, x, y, words, colour=INK, size=13, anchor="start", weight="normal"):
        self.add("text", words, x=f"{x:.1f}", y=f"{y:.1f}", fill=colour, font_size=size,
                 text_anchor=anchor, font_weight=weight)

    def mark(self, name, x, y):
        """A shape of its own for each kernel, for those who see no colours."""
        size, colour = 4, COLOURS[name]
        if name == OURS:
            self.add("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=size, fill=colour)
        elif name == BASE:
            self.add("rect", x=f"{x - size:.1f}", y=f"{y - size:.1f}", width=2 * size,
                     height=2 * size, fill=colour)
        else:
            self.add("path", d=f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z", fill=colour)

    def finish(self):
        height = self.y + MARGIN
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" font-family="DejaVu Sans, Verdana, sans-serif">',
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>', *self.parts,
            "</svg>"]) + "\n"


def short(text):
    """A label of an axis: no digits that say nothing."""
    number, _, unit = text.partition(" ")
    return f"{float(number):g} {unit}".rstrip()


class LogAxis:
    """Powers of a base that cover some numbers above zero."""

    def __init__(self, values, base):
        self.base = base
        self.first = math.floor(self.log(min(values)))
        self.last = max(math.ceil(self.log(max(values))), self.first + 1)

    def log(self, value):
        # log(value, base) is a little off for some whole powers.
        return math.log10(value) if self.base == 10 else math.log2(value) / math.log2(self.base)

    def at(self, value):
        """Where a value is drawn; zero stands at the left."""
        where = self.log(value) if value > 0 else self.first
        part = (where - self.first) / (self.last - self.first)
        return LEFT + (RIGHT - LEFT) * min(max(part, 0), 1)

    def ticks(self):
        step = max(1, math.ceil((self.last - self.first) / 10))
        return [float(self.base) ** n for n in range(self.first, self.last + 1, step)]


def rows_of(groups, samples):
    """[(group, [(title, {kernel: Stat})])] of what has been measured."""
    found = []
    for group in groups:
        rows = []
        for figure, title in group.rows:
            stats = {n: s for n in NAMES if (s := samples[n].stat(figure))}
            if stats:
                rows.append((title, stats))
        if rows:
            found.append((group, rows))
    return found


def draw_row(svg, axis, title, stats, form):
    middle = svg.y + ROW / 2
    svg.text(LEFT - 12, middle + 4, title, anchor="end")
    svg.line(LEFT, middle, RIGHT, middle, "#f0f0f0")
    for number, name in enumerate(NAMES):
        x = RIGHT + 10 + COLUMN * (number + 1)
        found = stats.get(name)
        svg.text(x, middle + 4, form(found.median) if found else "-",
                 COLOURS[name], anchor="end")
        if found:
            lane = middle + LANE * (number - 1)
            svg.line(axis.at(found.low), lane, axis.at(found.high), lane, COLOURS[name], 3)
            svg.mark(name, axis.at(found.median), lane)
    svg.y += ROW


def draw_head(svg, title, note):
    svg.y += HEAD
    svg.text(MARGIN, svg.y, title, size=16, weight="bold")
    svg.text(MARGIN, svg.y + 18, note, PALE, 12)
    svg.y += 34


def draw_panel(svg, title, note, found, form, base=10):
    """Rows of any sizes on one logarithmic axis."""
    if not found:
        return
    values = [s.median for _, rows in found for _, stats in rows for s in stats.values()]
    axis = LogAxis([v for v in values if v > 0] or [1], base)
    draw_head(svg, title, note)
    for number, name in enumerate(NAMES):
        svg.text(RIGHT + 10 + COLUMN * (number + 1), svg.y, name, COLOURS[name],
                 anchor="end", weight="bold")
    top = svg.y + 6
    bottom = top + sum(ROW * (len(rows) + 1) for _, rows in found)
    for tick in axis.ticks():
        svg.line(axis.at(tick), top, axis.at(tick), bottom, GRID)
        svg.text(axis.at(tick), bottom + 15, short(form(tick)), PALE, 11, "middle")
    svg.y = top
    for group, rows in found:
        svg.text(MARGIN, svg.y + ROW / 2 + 5, group.title, weight="bold")
        svg.y += ROW
        for row_title, stats in rows:
            draw_row(svg, axis, row_title, stats, form)
    svg.y = bottom + 24


def draw_ratio(svg, x_of, y, found, filled):
    """One ratio with what it may be off, as far as it fits."""
    if not found:
        return
    value, off = found
    svg.line(x_of(value - off), y, x_of(value + off), y, COLOURS[OURS], 2 if filled else 1)
    svg.add("circle", cx=f"{x_of(value):.1f}", cy=f"{y:.1f}", r=5 if filled else 4,
            fill=COLOURS[OURS] if filled else "#ffffff", stroke=COLOURS[OURS])


def draw_ordinary(svg, times, counts):
    """Ours over unpatched, and the band in which they should agree."""
    titles = dict(TIMES[-1].rows)
    reach = 4 * APART

    def x_of(value):
        part = (value - 1 + reach) / (2 * reach)
        return LEFT + (RIGHT - LEFT) * min(max(part, 0), 1)

    draw_head(svg, f"Ordinary VM: {OURS} / {BASE}", "Full dots: instructions. Empty dots: time. "
              f"Green: {100 * APART:.0f} % apart. What is out of range stands at the edge.")
    bottom = svg.y + ROW * len(ORDINARY)
    svg.add("rect", x=f"{x_of(1 - APART):.1f}", y=svg.y, height=bottom - svg.y, fill=BAND,
            width=f"{x_of(1 + APART) - x_of(1 - APART):.1f}")
    for step in range(-4, 5, 2):
        value = 1 + step * APART
        svg.line(x_of(value), svg.y, x_of(value), bottom, GRID)
        svg.text(x_of(value), bottom + 15, f"{value:.2f}", PALE, 11, "middle")
    svg.text(RIGHT + 10 + COLUMN, svg.y - 6, "instructions", PALE, 12, "end")
    svg.text(RIGHT + 10 + 2 * COLUMN, svg.y - 6, "time", PALE, 12, "end")
    for figure in ORDINARY:
        middle = svg.y + ROW / 2
        svg.text(LEFT - 12, middle + 4, titles[figure], anchor="end")
        for number, samples in enumerate((counts, times)):
            found = ratio(samples[OURS].stat(figure), samples[BASE].stat(figure))
            draw_ratio(svg, x_of, middle, found, filled=not number)
            svg.text(RIGHT + 10 + COLUMN * (number + 1), middle + 4,
                     f"{found[0]:.3f} ±{found[1]:.3f}" if found else "-", anchor="end", size=12)
        svg.y += ROW
    svg.y = bottom + 24


def chart(times, counts, subtitle):
    """The picture as text, of {kernel: Samples} for each clock."""
    svg = Svg()
    svg.text(MARGIN, svg.y + 6, "KVM with private guest memory: what it costs", size=20,
             weight="bold")
    svg.text(MARGIN, svg.y + 28, subtitle, PALE, 12)
    svg.y += 28
    draw_panel(svg, "Time", "On the emulated machine, logarithmic; lines reach from the lower "
               "to the upper quartile.", rows_of(TIMES, times), human_time)
    draw_panel(svg, "Instructions", "Of the emulated machine, logarithmic.",
               rows_of(TIMES, counts), human_count)
    draw_ordinary(svg, times, counts)
    draw_panel(svg, "Memory", "Logarithmic; what is too small to be seen stands at the left.",
               rows_of(MEMORY, times), human_size, 4)
    return svg.finish()
