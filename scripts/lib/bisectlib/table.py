# SPDX-License-Identifier: GPL-2.0-only
"""The table as text and as JSON."""
import json

from .common import COLUMNS

HEAD = (*COLUMNS, "W=1", "checkpatch", "tools")
LEGEND = """\
off, on: without and with our options
forced: the option cannot be chosen yet; its symbol is switched on
alone:  new files that no Makefile names yet are compiled by themselves
=off:   the same .config as without our options
same:   no object depends on what the patch changes
"""


def mark(cell):
    """A cell in a few letters."""
    if cell is None or cell["status"] == "none":
        return "-"
    if cell["status"] in ("fail", "same"):
        return {"fail": "FAIL", "same": "same"}[cell["status"]]
    if cell["note"] == "=off":
        return "=off"
    if cell["note"].startswith("alone"):
        return "alone"
    return "forced" if cell.get("forced") else "ok"


def line(row):
    cells = [mark(row["cells"].get(name)) for name in HEAD]
    marks = " ".join(c.ljust(max(len(n), 6)) for c, n in zip(cells, HEAD))
    return f"{row['number']:3} {marks} {row['seconds']:4} s  {row['subject'][:60]}"


def failures(rows, last):
    """[text] that names each failed cell."""
    out = []
    for row in rows:
        for name, cell in row["cells"].items():
            if cell["status"] == "fail":
                out.append(f"FAIL {row['number']} ({row['subject']}) {name}: {cell['note']}")
    out += [f"FAIL last {name}: {cell['note']}" for name, cell in last.items()
            if cell["status"] == "fail"]
    return out


def table(rows, last):
    head = " ".join(n.ljust(max(len(n), 6)) for n in HEAD)
    lines = [f"    {head} time    patch", *map(line, rows), "", LEGEND]
    for row in rows:
        lines += [f"new warning {row['number']}: {w}" for w in row["new_warnings"]]
    lines += failures(rows, last)
    lines += [f"last {name}: {mark(cell)} ({cell['note']})" for name, cell in last.items()]
    bad = len(failures(rows, last))
    patches = sum(row["number"] > 0 for row in rows)
    verdict = f"{bad} failed" if bad else "all as they must be"
    lines += ["", f"{patches} patches, {sum(r['seconds'] for r in rows)} s: {verdict}"]
    return "\n".join(lines) + "\n"


def save(results, rows, last, meta):
    results.mkdir(parents=True, exist_ok=True)
    (results / "bisect.json").write_text(json.dumps(
        {"meta": meta, "prefixes": rows, "last": last}, indent=1) + "\n")
    (results / "bisect.txt").write_text(table(rows, last))
