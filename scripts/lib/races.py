#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Sort the data races that KCSAN reports on a console.

A report is ours if one of its two stacks, up to the entry of an interrupt, goes
through a file of this repository, inlined functions included. All others are
races of the base kernel with itself: 6.1 has many that KCSAN's strict mode sees,
none of them for this series to mend. Both are listed in races.txt."""

import argparse
import fnmatch
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import ktap

TOP = Path(__file__).resolve().parent.parent.parent
OURS, EXPECTED, BASE = "ours", "expected", "base"
# KCSAN says so when it begins.
ENABLED = "kcsan: enabled early"

TITLE = re.compile(r"BUG: KCSAN: (?:data-race|assert: race) in (.*\S)")
ACCESS = re.compile(r" 0x[0-9a-f]+ of \d+ bytes by ")
FRAME = re.compile(r"\s([\w.]+\+0x[0-9a-f]+/0x[0-9a-f]+)(?: \[(\w+)\])?$")
INTERRUPT = re.compile(r"asm_(?:sysvec|common_interrupt|exc)")
WHERE = re.compile(r" at (\S+):(\d+)")


@dataclass
class Race:
    """One report: what it is about, and the frames of both stacks."""
    title: str
    frames: list = field(default_factory=list)
    places: list = field(default_factory=list)
    count: int = 1
    verdict: str = BASE
    reason: str = ""


def read_reports(lines):
    """Races of a console log; the same frames again only count."""
    found, race, open_stack = {}, None, False

    def finish():
        if race:
            key = (race.title, tuple(race.frames))
            if key in found:
                found[key].count += 1
            else:
                found[key] = race

    for line in lines:
        title, frame = TITLE.search(line), FRAME.search(line.rstrip())
        if title:
            finish()
            race, open_stack = Race(title[1]), False
        elif race and ("Reported by Kernel Concurrency" in line or "======" in line):
            finish()
            race = None
        elif race and ACCESS.search(line):
            open_stack = True
        elif race and frame and INTERRUPT.match(frame[1]):
            # What was interrupted has nothing to do with it.
            open_stack = False
        elif race and frame and open_stack:
            race.frames.append((frame[2] or "", frame[1]))
    finish()
    return list(found.values())


def find_object(out, module):
    """The file with debugging information that a frame belongs to."""
    if not module:
        return out / "vmlinux"
    names = {f"{module}.ko", f"{module.replace('_', '-')}.ko"}
    return next((p for p in out.rglob("*.ko") if p.name in names), None)


def resolve(out, tree, frames):
    """{frame: [file:line, innermost first]} for all frames."""
    places = {}
    for module in sorted({m for m, _ in frames}):
        code = find_object(out, module)
        names = sorted({f for m, f in frames if m == module})
        if not code or not code.exists():
            continue
        text = subprocess.run([tree / "scripts/faddr2line", code, *names],
                              capture_output=True, text=True, check=False).stdout
        current = None
        for line in text.splitlines():
            where = WHERE.search(line)
            if line.endswith(":") and line[:-1] in names:
                current = places.setdefault((module, line[:-1]), [])
            elif current is not None and where:
                current.append(f"{relative(where[1], tree)}:{where[2]}")
    return places


def relative(path, tree):
    """Path inside TREE of a source file, wherever it was when it was compiled."""
    parts = os.path.normpath(path).split("/")
    # Not the whole of an absolute path, which is not inside.
    ends = ("/".join(parts[i:]) for i in range(path.startswith("/"), len(parts)))
    return next((end for end in ends if end and (tree / end).is_file()), path)


def judge(races, places, rules, top=TOP):
    for race in races:
        race.places = [p for frame in race.frames for p in places.get(frame, [])]
        # What is generated has an absolute path.
        ours = [p for p in race.places
                if p[0] != "/" and (top / p.rpartition(":")[0]).is_file()]
        reasons = [text for glob, text in rules if fnmatch.fnmatchcase(race.title, glob)]
        if ours:
            race.verdict = EXPECTED if reasons else OURS
            race.reason = reasons[0] if reasons else f"at {', '.join(dict.fromkeys(ours[:4]))}"


def summary(races):
    return ", ".join(f"{sum(r.verdict == v for r in races)} {what}" for v, what in
                     ((OURS, "of ours"), (EXPECTED, "expected"), (BASE, "of the base kernel")))


def write_table(path, races):
    lines = [summary(races), ""]
    for verdict in (OURS, EXPECTED, BASE):
        for race in (r for r in races if r.verdict == verdict):
            lines.append(f"{verdict:8} {race.count:4} x {race.title} {race.reason}".rstrip())
            lines += [f"                {p}" for p in race.places if verdict == OURS]
    Path(path).write_text("\n".join(lines) + "\n")


def records(results, out, tree, rules):
    """Results of a run as records; none at all would mean that nobody looked."""
    lines = (results / "console.log").read_text(errors="replace").splitlines(keepends=True)
    if not any(ENABLED in line for line in lines):
        return [ktap.Record("races", ktap.ERROR, "the kernel did not look for data races")]
    races = read_reports(lines)
    frames = {frame for race in races for frame in race.frames}
    places = resolve(out, tree, frames)
    judge(races, places, rules)
    write_table(results / "races.txt", races)
    print(f"data races: {summary(races)}; {results}/races.txt")
    bad = [ktap.Record(f"races/{re.sub(r'[^!-~]+', '', r.title)}", ktap.FAIL, r.reason)
           for r in races if r.verdict == OURS]
    if frames and not places:
        bad.append(ktap.Record("races", ktap.ERROR, f"no debugging information in {out}"))
    return bad or [ktap.Record("races/none-of-ours", ktap.PASS)]


def main(argv):
    ap = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    ap.add_argument("results", type=Path, help="directory with console.log")
    ap.add_argument("-o", "--out", type=Path, required=True, help="kernel build directory")
    ap.add_argument("-t", "--tree", type=Path, default=TOP / ".build/linux")
    ap.add_argument("-e", "--expected", type=Path, default=TOP / ".ci/expected-races")
    args = ap.parse_args(argv)
    found = records(args.results.resolve(), args.out.resolve(), args.tree.resolve(),
                    ktap.read_rules(args.expected))
    for record in found:
        print(f"{record.status:5} {record.name} {record.message}".rstrip())
    return ktap.exit_code(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
