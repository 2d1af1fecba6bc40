# SPDX-License-Identifier: GPL-2.0-only
"""What scripts/campaigns/baseline runs and how it decides: no build, no machine."""

import fnmatch
import math
import re
from dataclasses import dataclass, field, replace

import ktap
from bisectlib.common import Missing

GROUP = "baseline"
# Tests of what the series adds: the base cannot pass them, so ours has to.
FEATURE = ("6.12/guest_memfd_test", "6.12/pre_fault_memory_test",
           "6.12/set_memory_region_test", "6.12/x86_64/private_mem_*")
# What the library of 6.12's tests says where that ioctl is missing, whatever
# the test is about.
NEEDS_REGION2 = "KVM selftests now require KVM_SET_USER_MEMORY_REGION2"

PASS, FAIL, SKIP = ktap.PASS, ktap.FAIL, ktap.SKIP
TIMEOUT, CRASH, ABSENT = "timeout", "crash", "absent"
SAME, NEW, EXPECTED, FLAKY, BETTER, BROKEN = (
    "same", "new", "expected", "flaky", "better", "BROKEN")
# A flaky test must not pass less often than chance explains.
UNLIKELY = 0.05
WHY_WIDTH = 150
# So few faults of a class need not all go the usual way.
FEW_FAULTS = 20
# Share of a class from which on a way to handle it is no accident.
OFTEN = 0.1


@dataclass(frozen=True)
class Kernel:
    """One build; KEY "base" is what the others are compared with. SHIM: 6.12's tests
    use an older ioctl there, because the kernel lacks the one that they ask for."""
    key: str
    title: str
    configs: tuple
    shim: bool = False

    @property
    def ours(self):
        return self.key != "base"

    def shimmed(self):
        return replace(self, shim=True, title=self.title + ", older ioctl")


@dataclass(frozen=True)
class Arch:
    name: str
    selftests: str      # how the makefiles of the tests call it
    image: str
    kernels: tuple
    modes: dict         # name: words for the kernel command line
    qemu: str


# The kernel of make check, with lockdep, which --locks needs.
X86 = ("x86", "v6.1", "kunit", "debug-light")
ARCHES = {a.name: a for a in (
    Arch("x86_64", "x86_64", "arch/x86/boot/bzImage",
         (Kernel("base", "unpatched", X86), Kernel("on", "ours, options on", (*X86, "gmem")),
          Kernel("off", "ours, options off", X86)),
         {"default": ()}, "qemu-system-x86_64"),
    Arch("arm64", "aarch64", "arch/arm64/boot/Image",
         (Kernel("base", "unpatched", ("arm64",)),
          Kernel("on", "ours, options on", ("arm64", "arm64-gmem")),
          Kernel("off", "ours, options off", ("arm64",))),
         {"nvhe": ("kvm-arm.mode=nvhe",), "protected": ("kvm-arm.mode=protected",)},
         "qemu-system-aarch64"),
)}
# What KVM says when it is up, where the mode is something to ask for.
SIGNS = {"nvhe": "]: Hyp mode initialized", "protected": "]: Protected nVHE mode initialized"}
# Ordinary VMs that fault pages in, by backing; one that logs dirty pages; one
# whose memslots come and go.
LOCK_WORKLOADS = {
    "anonymous": "6.1/demand_paging_test -b 4M -v 1",
    "thp": "6.1/demand_paging_test -b 64M -v 1 -s anonymous_thp",
    "shmem": "6.1/demand_paging_test -b 4M -v 1 -s shmem",
    "dirty_log": "6.1/dirty_log_perf_test -i 2 -b 4M -v 1",
    "memslots": "6.1/memslot_modification_stress_test -b 4M -v 1 -i 10",
}


@dataclass
class Result:
    """What one test did on one kernel."""
    status: str
    message: str = ""
    cases: dict = field(default_factory=dict)
    secs: int = 0
    output: str = ""
    splat: str = ""

    @classmethod
    def of(cls, run, splat=""):
        text = "\n".join(run.lines)
        if run.rc is None:
            return cls(CRASH, "the machine stopped in this test", output=text, splat=splat)
        if run.rc == ktap.EXIT_KILLED:
            return cls(TIMEOUT, f"killed after {run.secs} s", secs=run.secs, output=text,
                       splat=splat)
        records = ktap.records_of(run)
        cases = {r.name: r.status for r in records if r.name != run.name}
        bad = [r for r in records if r.status not in (PASS, SKIP)]
        skipped = [r for r in records if r.status == SKIP]
        status, why = PASS, ""
        if bad:
            status, why = FAIL, bad[0].message or bad[0].name
        elif len(skipped) == len(records):
            status, why = SKIP, skipped[0].message
        return cls(status, why, cases, run.secs, text, splat)

    @property
    def lacks_region2(self):
        return NEEDS_REGION2 in self.output

    @property
    def place(self):
        """Where the test failed, without the values that it found there."""
        where = re.search(r"\S+\.[ch]:\d+", self.message)
        return where[0] if where else self.message


def complaints(console):
    """{test: complaints of the kernel during it, a line each}"""
    found = {}
    for record in ktap.find_splats(console):
        name = record.name.removeprefix("console/").removeprefix(GROUP + "/")
        name = {"boot": "kvm-load", "between-tests": "kvm-unload"}.get(name, name)
        if record.status != PASS:
            found[name] = "\n".join(filter(None, (found.get(name), record.message)))
    return found


def new_complaint(base, ours):
    """A complaint in OURS whose text, but for numbers, is in no run of BASE."""
    def lines(runs):
        return {re.sub(r"0x[0-9a-f]+|\d+", "N", line): line
                for run in runs for line in run.splat.splitlines()}
    new = lines(ours)
    return next((new[text] for text in sorted(new.keys() - lines(base).keys())), "")


def differences(base, ours):
    """Reasons why OURS is not what BASE was; empty when nothing changed."""
    if base.status != ours.status:
        return [f"{base.status} became {ours.status}: {ours.message or base.message}"]
    return [f"case {name}: {status} became {ours.cases.get(name, ABSENT)}"
            for name, status in base.cases.items()
            if status == PASS and ours.cases.get(name, ABSENT) != PASS]


def is_feature(name):
    return any(fnmatch.fnmatchcase(name, glob) for glob in FEATURE)


def needs_shim(name, result):
    """True when the test gave up for want of an ioctl that it is not about."""
    return result.lacks_region2 and not is_feature(name)


def feature_verdict(name, base, ours, expected):
    patterns = [p for glob, p in expected if fnmatch.fnmatchcase(f"{GROUP}/{name}", glob)]
    if ours.status == FAIL and any(re.search(p, ours.output) for p in patterns):
        return EXPECTED, ours.message
    if ours.status == PASS:
        if patterns:
            return BROKEN, "was expected to fail and passed"
        return NEW, f"{base.status} on base"
    return BROKEN, f"{ours.status}: {ours.message}"


def first_verdict(name, base, ours, options_on, expected):
    """(verdict, reason); None as verdict asks for more runs."""
    if ABSENT in (base.status, ours.status):
        return BROKEN, f"did not run on {'base' if base.status == ABSENT else 'ours'}"
    complaint = new_complaint([base], [ours])
    if complaint:
        return BROKEN, f"the kernel complains: {complaint}"
    if options_on and is_feature(name) and base.status != PASS:
        return feature_verdict(name, base, ours, expected)
    reasons = differences(base, ours)
    if reasons:
        return None, "; ".join(reasons)
    if base.status == PASS:
        return SAME, ""
    if base.place != ours.place:
        return SAME, f"{ours.message} [base: {base.message}]"
    return SAME, ours.message


def chance(base, ours):
    """How likely ours passes this seldom when both are the same (Fisher's test)."""
    passed = [sum(r.status == PASS for r in runs) for runs in (base, ours)]
    total = math.comb(len(base) + len(ours), sum(passed))
    ways = [math.comb(len(ours), k) * math.comb(len(base), sum(passed) - k)
            for k in range(passed[1] + 1) if k <= sum(passed)]
    return sum(ways) / total


def final_verdict(base, ours):
    """(verdict, reason) from all runs of a test that differed at first."""
    good = [sum(r.status == PASS for r in runs) for runs in (base, ours)]
    counts = (f"passed {good[0]} of {len(base)} on base, "
              f"{good[1]} of {len(ours)} on ours")
    complaint = new_complaint(base, ours)
    if complaint:
        return BROKEN, f"the kernel complains: {complaint}"
    if good[1] == len(ours):
        if good[0] < len(base):
            return (FLAKY if good[0] else BETTER), counts
        lost = [differences(b, o) for b, o in zip(base, ours)]
        return (BROKEN, "; ".join(lost[0])) if all(lost) else (FLAKY, counts)
    new = {r.status for r in ours} - {r.status for r in base}
    if good[0] == len(base) or (new - {PASS} and not good[0]):
        return BROKEN, f"{counts}; {', '.join(sorted(new))} is new"
    if chance(base, ours) < UNLIKELY:
        return BROKEN, f"{counts}; more than chance"
    return FLAKY, counts


def parse_manifest(text):
    """[(glob, limit, [argument...])]; without a limit the rest is a reason."""
    rules = []
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            limit = None if words[1] == "-" else int(words[1])
            rules.append((words[0], limit, words[2:]))
    return rules


def settings(rules, where):
    """(limit, arguments) of the last rule that matches."""
    for glob, limit, arguments in reversed(rules):
        if fnmatch.fnmatchcase(where, glob):
            return limit, arguments
    raise Missing(f"no line of scripts/campaigns/baseline.manifest matches {where}")


def listed(makefile, arch):
    """(compiled tests, their helpers, scripts) that the makefile of the tests names."""
    def find(kind):
        return re.findall(rf"^{kind}_{arch}\s*\+?=\s*(\S+)", makefile, re.M)
    return find("TEST_GEN_PROGS"), find("TEST_GEN_PROGS_EXTENDED"), find("TEST_PROGS")


def guest_manifest(arch, tests, rules):
    """Manifest for scripts/guest/init: every test once, in one group."""
    lines = [f"@{GROUP}"]
    for name in tests:
        limit, arguments = settings(rules, f"{arch}/{name}")
        shell = "sh " if name.endswith(".sh") else ""
        lines.append(" ".join([name, str(limit), shell + name, *arguments]))
    return "\n".join(lines) + "\n"


def tally(rows):
    count = {}
    for row in rows:
        count[row["verdict"]] = count.get(row["verdict"], 0) + 1
    return ", ".join(f"{n} {v}" for v, n in sorted(count.items()))


def shorten(text):
    return text if len(text) <= WHY_WIDTH else text[:WHY_WIDTH] + "..."


def table(rows, facts):
    """The comparison as text; FACTS are {title: text} about the whole run."""
    lines = [f"{title}: {text}" for title, text in facts.items() if text] + [""]
    groups = {}
    for row in rows:
        groups.setdefault((row["arch"], row["mode"], row["kernel"]), []).append(row)
    for (arch, mode, kernel), members in groups.items():
        lines += [f"{arch}, {mode}: unpatched / {kernel}", f"  {tally(members)}",
                  f"  {'SOURCE':6} {'TEST':45} {'BASE':8} {'OURS':8} VERDICT"]
        for row in members:
            source, _, test = row["test"].partition("/")
            base = row["base"] + ("*" if row.get("shim") else "")
            ours = row["ours"] + ("*" if row.get("ours_shim") else "")
            lines.append(f"  {source:6} {test:45} {base:8} {ours:8} "
                         f"{row['verdict']}  {shorten(row['why'])}".rstrip())
        lines.append("")
    if any(row.get("shim") for row in rows):
        lines += ["* Without KVM_SET_USER_MEMORY_REGION2 6.12's tests only skip. Here they use the",
                  "  older ioctl in its place (scripts/campaigns/baseline-region2.c)."]
    return "\n".join(lines) + "\n"


def parse_faults(lines):
    """{(workload, error code): {signature: count}}"""
    found = {}
    for line in lines:
        words = line.split()
        if len(words) >= 4 and words[0] == "fault":
            kind = found.setdefault((words[1], words[2]), {})
            signature = " ".join(words[4:])
            kind[signature] = kind.get(signature, 0) + int(words[3])
    return found


def names(kinds):
    """What the signatures of all classes of faults are made of, without counts."""
    return {word.rpartition("*")[0] for kind in kinds for signature in kind
            for word in signature.split()}


def usual_way(kind):
    """The most frequent signature; of equals the shortest: ticks add locks."""
    return max(kind, key=lambda s: (kind[s], -len(s))) if kind else ""


def fault_verdict(a, b):
    """(verdict, reason) for one class of faults on both kernels."""
    if not a or not b:
        few = sum((a or b).values()) < FEW_FAULTS
        return (SAME if few else BROKEN), "only on " + ("base" if a else "ours")
    few = min(sum(a.values()), sum(b.values())) < FEW_FAULTS
    often = max(FEW_FAULTS, sum(b.values()) * OFTEN)
    unseen = [s for s, count in b.items() if count >= often and s not in a]
    if few and not a.keys() & b.keys():
        unseen = [usual_way(b)]
    if not unseen:
        return SAME, ""
    usual, now = (set(s.split()) for s in (usual_way(a), unseen[0]))
    more, gone = sorted(now - usual), sorted(usual - now)
    return (BROKEN if more else BETTER), f"+[{' '.join(more)}] -[{' '.join(gone)}]"


def compare_faults(base, ours):
    """Rows: what is often done in a class of faults has to occur on the base, and
    nothing may turn up in any fault that those on the base never take."""
    known = names(base.values())
    rows = []
    for kind in sorted(base.keys() | ours.keys()):
        a, b = base.get(kind, {}), ours.get(kind, {})
        verdict, why = fault_verdict(a, b)
        reasons = ["way"] if verdict == BROKEN else []
        extra = sorted(names([b]) - known)
        if extra:
            verdict, why = BROKEN, f"{why} new: {' '.join(extra)}".strip()
        rows.append({"workload": kind[0], "error_code": kind[1],
                     "base": sum(a.values()), "ours": sum(b.values()),
                     "usual": usual_way(b or a),
                     "share": [x.get(usual_way(b or a), 0) for x in (a, b)],
                     "verdict": verdict, "why": why, "reasons": reasons + extra})
    return rows


def broken_by(rows):
    """What is wrong with which class of faults."""
    return {(r["workload"], r["error_code"], reason) for r in rows for reason in r["reasons"]}


def compare_rounds(rounds):
    """Rows of the last of ROUNDS, which are lines of both kernels; none is asked for
    once nothing is wrong in each of them.

    What is not wrong each time comes at any time: the first update of a statistic
    after it was flushed, or what finish_task_switch() does for the task before."""
    lasting, rows = None, []
    for base, ours in rounds:
        rows = compare_faults(parse_faults(base), parse_faults(ours))
        lasting = broken_by(rows) if lasting is None else lasting & broken_by(rows)
        if not lasting:
            break
    for row in rows:
        if row["verdict"] == BROKEN and not lasting & broken_by([row]):
            row["verdict"], row["why"] = SAME, f"{row['why']} (not in each round)"
    return rows


def fault_table(rows):
    lines = ["Locks and allocations in the page faults of an ordinary VM, with their",
             "number in the usual way to handle a fault of this class.",
             "Faults (of them that way): unpatched / ours, options on.", ""]
    for row in rows:
        lines += [f"{row['workload']}, error code {row['error_code']}: "
                  f"{row['base']} ({row['share'][0]}) / {row['ours']} ({row['share'][1]})"
                  f"  {row['verdict']}  {row['why']}".rstrip()]
        lines += [f"    {word}" for word in (row["usual"] or "").split()]
    return "\n".join(lines) + "\n"
