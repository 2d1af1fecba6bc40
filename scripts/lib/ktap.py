#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Judge a test run: report and console in, KTAP, JSON and one screen out.

A report is what scripts/guest/init writes: the raw output of each test between
"@@@ begin NAME limit=S" and "@@@ end NAME rc=N secs=N". A test speaks KTAP or
TAP, nested or not, or just exits with 0 (pass), 4 (skip) or anything else."""

import argparse
import fnmatch
import json
import re
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

PASS, FAIL, SKIP, ERROR = "pass", "fail", "skip", "error"
EXIT_SKIP, EXIT_KILLED = 4, 137

BEGIN = re.compile(r"@@@ begin (\S+) limit=(\d+)")
END = re.compile(r"@@@ end (\S+) rc=(\d+) secs=(\d+)")
RESULT = re.compile(r"(\s*)(ok|not ok)\s+(\d+)(?:\s+(?:- )?(.*))?$")
PLAN = re.compile(r"(\s*)1\.\.(\d+)(?:\s+#\s*(.*))?$")
DIRECTIVE = re.compile(r"(.*?)\s*#\s*(SKIP|XFAIL|TODO|TIMEOUT)\b:?\s*(.*)$", re.I)

SPLAT = re.compile(
    # Mitigations of the processor's defects say "WARNING: See https://...".
    r"WARNING: (?!See )|\bBUG: |\bBUG \S|\bOops\b|Call Trace:|KASAN: |KCSAN: |UBSAN: "
    r"|kmemleak: \d+ new|rcu: INFO|soft lockup|hard LOCKUP|blocked for more than"
    r"|INFO: (?:trying|possible|lockdep|suspicious)|suspicious RCU usage"
    r"|general protection fault[,:]|unable to handle|invalid opcode: "
    r"|Bad page (?:state|map)|refcount_t: |Kernel panic|stack-protector: "
    r"|list_(?:add|del) corruption|kobject_\w+.* failed|DEBUG_LOCKS_WARN_ON")
# What a test of this name makes the kernel say, with a call trace at most so many
# lines later
PROVOKED = (
    ("*/gmem_nomem", re.compile(r"page allocation failure: |vmalloc error: "), 10),
    ("*/page_kinds_freed",
     re.compile(r"WARNING: CPU: \d+ PID: \d+ at (?:\S*/)?(?:arch/x86|arch/arm64|virt)/kvm/"), 40),
    # Of reserved pages with a count of 0
    ("*-unpatched-*/page_kinds*",
     re.compile(r"WARNING: CPU: \d+ PID: \d+ at .*\bkvm_pfn_to_refcounted_page\+"), 40),
)
# A splat runs on for some lines; what follows closely belongs to it.
SPLAT_LINES = 80


@dataclass
class Record:
    """One result: a named case or a whole test."""
    name: str
    status: str
    message: str = ""


@dataclass
class Run:
    """One test between its two markers."""
    name: str
    rc: int = None
    secs: int = 0
    lines: list = field(default_factory=list)


@dataclass
class Node:
    """One result line of a test with the results nested in it."""
    indent: int
    record: Record
    children: list


def read_runs(lines):
    """Split a report into runs; a run without an end keeps rc None."""
    runs = []
    current = None
    for raw in lines:
        line = raw.rstrip("\r\n")
        begin, end = BEGIN.match(line), END.match(line)
        if begin:
            current = Run(begin[1])
            runs.append(current)
        elif end and current and current.name == end[1]:
            current.rc, current.secs = int(end[2]), int(end[3])
            current = None
        elif current and not line.startswith("@@@ "):
            current.lines.append(line)
    return runs


def last_words(lines):
    """What a failed test said, for the summary."""
    said = [line.strip() for line in lines if line.strip()]
    for where, line in enumerate(said):
        if "Test Assertion Failure" in line:
            noise = re.compile(r"pid=\d+ |sh: addr2line|.*: exit status \d+$|\d+\s+0x")
            return "; ".join(l for l in said[where + 1:] if not noise.match(l))
    for line in said:
        if re.search(r"assert|failed|error", line, re.I):
            return line
    return said[-1] if said else "no output"


def parse_result(match, notes):
    """One ok / not ok line, and the "# ..." lines above it, as a Record."""
    text = (match[4] or "").strip()
    status = PASS if match[2] == "ok" else FAIL
    message = ""
    directive = DIRECTIVE.match(text)
    if directive:
        text, word, message = directive[1], directive[2].upper(), directive[3]
        if word == "SKIP":
            status = SKIP
        elif word in ("XFAIL", "TODO") and status == FAIL:
            status = PASS
    elif status == FAIL and notes:
        message = last_words(notes)
    # kselftest.h of 6.1 prints a skipped case's name behind the directive.
    return Record(text or message or match[3], status, message)


def parse_cases(lines):
    """All streams of a test: (top-level nodes, problems, reason to skip all)."""
    streams = [[]]
    for line in lines:
        if re.match(r"K?TAP version \d+", line):
            streams.append([])
        streams[-1].append(line)
    nodes, problems, skip_all = [], [], None
    for stream in streams:
        more_nodes, more_problems, skip = parse_stream(stream)
        nodes += more_nodes
        problems += more_problems
        skip_all = skip_all or skip
    return nodes, problems, skip_all


def parse_stream(lines):
    """One KTAP stream: (top-level nodes, problems, reason to skip everything)."""
    pending, plans, problems, notes = [], {}, [], []
    skip_all = None

    def check_plan(indent, found):
        want = plans.pop(indent, None)
        if want is not None and want != found:
            problems.append(f"plan says {want} results, {found} seen")

    for line in lines:
        plan, result = PLAN.match(line), RESULT.match(line)
        if plan:
            plans[len(plan[1])] = int(plan[2])
            if plan[2] == "0":
                skip_all = re.sub(r"SKIP[\s:-]*", "", plan[3] or "") or "no cases"
        elif result:
            indent = len(result[1])
            children = []
            while pending and pending[-1].indent > indent:
                children.insert(0, pending.pop())
            for deeper in [i for i in plans if i > indent]:
                check_plan(deeper, sum(c.indent == deeper for c in children))
            pending.append(Node(indent, parse_result(result, notes), children))
            notes = []
        elif line.lstrip().startswith("#"):
            notes.append(line.lstrip("# \t"))
        elif line.startswith("Bail out!"):
            problems.append(line)
    for indent in sorted(plans):
        check_plan(indent, sum(n.indent == indent for n in pending))
    return pending, problems, skip_all


def flatten(nodes, prefix):
    """Leaves of the tree with dotted names; a parent only for its own failure."""
    out = []
    for node in nodes:
        name = f"{prefix}.{re.sub(r'[^!-~]+', '-', node.record.name)}"
        if not node.children:
            out.append(Record(name, node.record.status, node.record.message))
            continue
        inner = flatten(node.children, name)
        out += inner
        if node.record.status == FAIL and all(r.status != FAIL for r in inner):
            out.append(Record(name, FAIL, node.record.message))
    return out


def records_of(run):
    """Results of one run before any expectation is applied."""
    nodes, problems, skip_all = parse_cases(run.lines)
    cases = flatten(nodes, run.name)
    failed = any(r.status == FAIL for r in cases)
    if run.rc is None:
        return cases + [Record(run.name, ERROR, "did not finish")]
    if run.rc == EXIT_KILLED:
        return cases + [Record(run.name, ERROR, f"killed at its time limit ({run.secs} s)")]
    if run.rc == EXIT_SKIP and not cases:
        return [Record(run.name, SKIP, skip_all or last_words(run.lines))]
    cases += [Record(run.name, FAIL, p) for p in problems]
    skipped = any(r.status == SKIP for r in cases)
    if run.rc and not failed and not (run.rc == EXIT_SKIP and skipped):
        cases.append(Record(run.name, FAIL,
                            f"exit status {run.rc}: {last_words(run.lines)}"))
    return cases or [Record(run.name, PASS)]


def read_rules(path):
    """Lines "GLOB TEXT"; a missing file holds no rule."""
    rules = []
    if path and Path(path).exists():
        for line in Path(path).read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                glob, _, text = line.strip().partition(" ")
                rules.append((glob, text.strip()))
    return rules


class Judge:
    """Turns runs into records, with what is expected taken into account."""

    def __init__(self, skips=(), failures=()):
        self.skips = list(skips)
        self.failures = list(failures)

    def judge(self, run):
        records = records_of(run)
        for glob, pattern in self.failures:
            if fnmatch.fnmatchcase(run.name, glob):
                return [self.expect_failure(run, records, pattern)]
        return [self.expect_skip(r) for r in records]

    @staticmethod
    def expect_failure(run, records, pattern):
        """Passes only if the test failed for exactly this reason."""
        bad = [r for r in records if r.status != PASS]
        if not bad:
            return Record(run.name, FAIL, "was expected to fail and passed")
        if all(r.status == FAIL for r in bad) and re.search(pattern, "\n".join(run.lines)):
            return Record(run.name, PASS, "failed as expected")
        return Record(run.name, FAIL, f"failed in another way than expected: {bad[0].message}")

    def expect_skip(self, record):
        if record.status != SKIP:
            return record
        if any(fnmatch.fnmatchcase(record.name, glob) for glob, _ in self.skips):
            return record
        return Record(record.name, FAIL, f"unexpected skip: {record.message}")


def provoked(test, line):
    """How many lines a call trace may follow, 0 if TEST has not made this happen."""
    return next((lines for glob, words, lines in PROVOKED
                 if fnmatch.fnmatchcase(test, glob) and words.search(line)), 0)


def find_splats(lines, races=False):
    """Kernel complaints as records, named after the test that was running.

    With RACES, somebody else looks at what KCSAN says."""
    out = []
    test, quiet, expected = "boot", 0, 0
    for line in lines:
        begin = BEGIN.search(line)
        if begin:
            test, quiet, expected = begin[1], 0, 0
        elif END.search(line):
            test, quiet, expected = "between-tests", 0, 0
        elif quiet:
            quiet -= 1
        elif races and "BUG: KCSAN: " in line:
            continue
        elif provoked(test, line):
            expected = provoked(test, line)
        elif expected and "Call Trace:" in line:
            expected = 0
        elif SPLAT.search(line):
            out.append(Record(f"console/{test}", ERROR, line.strip()))
            quiet = SPLAT_LINES
        else:
            expected = max(0, expected - 1)
    return out or [Record("console/no-splat", PASS)]


def manifest_names(text):
    """Every test that must have run, by the names that the guest uses."""
    names, group = [], None
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith("@"):
            if group not in (None, "host"):
                names.append(f"{group}/kvm-unload")
            group = words[0][1:]
            if group != "host":
                names.append(f"{group}/kvm-load")
        else:
            names.append(f"{group}/{words[0]}")
    if group not in (None, "host"):
        names.append(f"{group}/kvm-unload")
    return names


def ktap_line(number, record):
    word = "ok" if record.status in (PASS, SKIP) else "not ok"
    note = f" # SKIP {record.message}" if record.status == SKIP else ""
    return f"{word} {number} {record.name}{note}"


def write_ktap(path, records):
    lines = ["KTAP version 1", f"1..{len(records)}"]
    for number, record in enumerate(records, 1):
        if record.message and record.status != SKIP:
            lines.append(f"# {record.message}")
        lines.append(ktap_line(number, record))
    Path(path).write_text("\n".join(lines) + "\n")


def count(records):
    bad = sum(r.status in (FAIL, ERROR) for r in records)
    skipped = sum(r.status == SKIP for r in records)
    return len(records) - bad - skipped, bad, skipped


def exit_code(records):
    if any(r.status == ERROR for r in records):
        return 2
    return 1 if any(r.status == FAIL for r in records) else 0


def collect(args, more=()):
    """All records of a results directory, and MORE if KCSAN's are among these."""
    judge = Judge(read_rules(args.skips), read_rules(args.failures))
    runs = []
    for name in ("host.log", "report.log"):
        path = args.results / name
        if path.exists():
            with open(path, errors="replace") as f:
                runs += read_runs(f)
    records = [r for run in runs for r in judge.judge(run)]
    ran = {run.name for run in runs}
    for name in manifest_names(args.manifest.read_text()):
        if name not in ran:
            records.append(Record(name, ERROR, "did not run"))
    reason = args.results / "boot.error"
    if reason.exists():
        records.append(Record("boot", ERROR, reason.read_text().strip()))
    console = args.results / "console.log"
    if console.exists():
        with open(console, errors="replace") as f:
            records += find_splats(f, bool(more))
    return runs, records + list(more)


def show(records, results):
    """One screen: what went wrong in full, the rest as counts."""
    bad = [r for r in records if r.status in (FAIL, ERROR)]
    for r in bad[:20]:
        print(f"{r.status.upper():5} {r.name}\n      {r.message[:160]}")
    if len(bad) > 20:
        print(f"      ... and {len(bad) - 20} more")
    for r in [r for r in records if r.status == SKIP][:10]:
        print(f"SKIP  {r.name} (expected)\n      {r.message[:160]}")
    groups = {}
    for r in records:
        groups.setdefault(r.name.split("/")[0], []).append(r)
    print()
    for group, members in groups.items():
        passed, failed, skipped = count(members)
        print(f"  {group:16} {passed:5} passed {failed:4} failed {skipped:4} skipped")
    print(f"\nResults: {results}\n")
    print("{} passed, {} failed, {} skipped".format(*count(records)))


def parse_args(argv):
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("results", type=Path,
                    help="directory with report.log, host.log, console.log, meta.json")
    ap.add_argument("-m", "--manifest", type=Path, required=True)
    ap.add_argument("-s", "--skips", type=Path, help="expected skips")
    ap.add_argument("-f", "--failures", type=Path, help="expected failures")
    return ap.parse_args(argv)


def main(argv, races=()):
    args = parse_args(argv)
    runs, records = collect(args, races)
    meta = args.results / "meta.json"
    passed, failed, skipped = count(records)
    write_ktap(args.results / "ktap.log", records)
    (args.results / "results.json").write_text(json.dumps({
        "meta": json.loads(meta.read_text()) if meta.exists() else {},
        "summary": {"passed": passed, "failed": failed, "skipped": skipped},
        "seconds": {run.name: run.secs for run in runs},
        "tests": [asdict(r) for r in records],
    }, indent=1) + "\n")
    show(records, args.results)
    return exit_code(records)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
