# SPDX-License-Identifier: GPL-2.0-only
"""The gates of scripts/lint.  Each returns its complaints, one a line."""

import re
import shutil
import tempfile
from pathlib import Path

import builds
import text
from common import CHECKS, KERNEL, both, clean_env, last_line, need, run

STANZA = "KVM PRIVATE GUEST MEMORY"


def tracked(ctx):
    """Files of the repository, those not yet committed included."""
    out, _ = run(["git", "-C", ctx.top, "ls-files", "-co", "--exclude-standard"])
    return [f for f in out.splitlines() if (ctx.top / f).is_file()]


def first_line(path):
    with open(path, "rb") as handle:
        return handle.readline().decode("utf-8", "replace").strip()


def mails(ctx):
    """The series as mails, with its cover letter."""
    folder = ctx.results / "mails"
    ctx.git("format-patch", "-q", "-o", str(folder), "--no-signature", "--zero-commit",
            f"{ctx.base}..HEAD")
    subject, _, body = (ctx.top / "patches/cover.txt").read_text().partition("\n")
    (folder / "0000-cover.patch").write_text(
        f"From: cover <cover@invalid>\nSubject: [PATCH 00/30] {subject}\n{body}\n")
    return sorted(folder.iterdir())


def checkpatch(ctx):
    tool = ctx.tree / "scripts/checkpatch.pl"
    jobs = [(["--no-tree", m], m.name) for m in mails(ctx)]
    # The cover letter is the one mail without a diff.
    jobs[:1] = [(["--ignore", "NOT_UNIFIED_DIFF", *args], name) for args, name in jobs[:1]]
    jobs += [(["--no-tree", "-f", f], f) for f in ctx.new]

    def one(job):
        out, _ = run([tool, "--strict", "--terse", "--show-types", "--no-summary",
                      "--ignore", "MISSING_SIGN_OFF", *job[0]], cwd=ctx.tree)
        return text.remarks(job[1], out)

    remarks = [r for found in both(one, jobs) for r in found]
    ctx.log("checkpatch.log", "".join(r[2] + "\n" for r in remarks))
    entries = text.parse_allow((CHECKS / "checkpatch.allow").read_text())
    left, unused = text.apply_allow(remarks, entries)
    return left + [f"checkpatch.allow: {e[0]} {e[1]} matches nothing; drop it" for e in unused]


def doc_remarks(ctx, folder, files):
    """{file: [remark without line number]} of kernel-doc."""
    if not files:
        return {}
    out, status = run([ctx.tree / "scripts/kernel-doc", "-none", *files], cwd=folder)
    found = {}
    for name, said in re.findall(r"^([^\n:]+):\d+: ((?:warning|error):.*)$", out, re.M):
        found.setdefault(name, []).append(said)
    if status and not found:
        found[files[0]] = [last_line(out)]
    return found


def kernel_doc(ctx):
    hooked = [f for f in ctx.hooked if f.endswith((".c", ".h")) and f.startswith(KERNEL)]
    found = doc_remarks(ctx, ctx.tree, ctx.ours(".c", ".h", rooms=KERNEL) + hooked)
    with tempfile.TemporaryDirectory() as folder:
        for name in hooked:
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(ctx.git("show", f"{ctx.base}:{name}"))
        for name, remarks in doc_remarks(ctx, folder, hooked).items():
            for remark in remarks:
                if remark in found.get(name, []):
                    found[name].remove(remark)
    return [f"{name}: {remark}" for name, remarks in sorted(found.items()) for remark in remarks]


def spatch(rule, files, cwd, *options):
    return run(["spatch", "-D", "report", "--no-show-diff", "--very-quiet", *options,
                "--cocci-file", rule, *files], cwd=cwd)


def rule_files(rule, names):
    """Files that the header of one of our rules names; tests are not bound by it."""
    words = re.search(r"^// Files: (.*)$", rule.read_text(), re.M).group(1).split()
    rooms = tuple(w for w in words if not w.startswith("!"))
    doors = tuple(w[1:] for w in words if w.startswith("!"))
    return [f for f in sorted(names) if f.endswith((".c", ".h")) and f.startswith(rooms)
            and not (doors and f.startswith(doors))
            and not re.search(r"_(test|oracle|kunit)\.[ch]$", f)]


def rule_complaints(rule):
    """How a rule differs from the marks in its broken example."""
    example = CHECKS / "tests" / f"{rule.stem}.c"
    if not example.exists():
        return [f"{rule.name}: no broken example tests/{example.name}"]
    want = text.markers(example.read_text())
    said, status = spatch(rule, [example.name], example.parent)
    got = {int(n) for n in re.findall(rf"^{re.escape(example.name)}:(\d+):", said, re.M)}
    if status:
        return [f"{rule.name}: spatch failed: {last_line(said)}"]
    return [f"{rule.name}: silent on tests/{example.name}:{n}" for n in sorted(want - got)] + \
        [f"{rule.name}: fires on tests/{example.name}:{n}, which is not marked"
         for n in sorted(got - want)]


def rule_strangers(rule, sources):
    """Functions of ours that a rule names and no source has: the rule is blind there."""
    names = text.own_functions(rule.read_text())
    return [f"{rule.name}: the tree has no {n}()" for n in names
            if not any(re.search(rf"\b{n}\b", s) for s in sources)]


def unparsed(tree, name):
    """Lines of a source that spatch skips, so that no rule sees them."""
    said, _ = run(["spatch", "--parse-c", "--no-includes", tree / name])
    return [f"{name}: spatch cannot parse: {line.strip()}"
            for line in re.findall(r"^BAD:!+ *(.*)$", said, re.M) if not line.startswith("#")]


def stock_rules(tree):
    """(semantic patches of the tree that report, those of them that are left out).

    Parts in OCaml are compiled when they run, by a compiler of 300 MB.  Two
    rules have such parts: one is about a single driver, of the other one sparse
    sees as much."""
    rules = [p for p in sorted((tree / "scripts/coccinelle").rglob("*.cocci"))
             if re.search(r"^virtual.*\breport\b", p.read_text(), re.M)]
    ocaml = [p for p in rules if re.search(r"^@.*\b(script|initialize|finalize):ocaml\b",
                                           p.read_text(), re.M)]
    return [p for p in rules if p not in ocaml], ocaml


def coccicheck(ctx):
    need("spatch", "coccinelle")
    files = ctx.ours(".c", ".h", rooms=KERNEL)
    sources = [(ctx.tree / f).read_text(errors="replace") for f in ctx.touched()]
    own = sorted(CHECKS.glob("*.cocci"))
    stock, ocaml = stock_rules(ctx.tree)
    if ocaml:
        ctx.note(f"not run, they need OCaml: {' '.join(p.stem for p in ocaml)}")

    def one(rule):
        options = re.search(r"^// Options:(.*)$", rule.read_text(), re.M)
        named = files if rule not in own else rule_files(rule, ctx.touched())
        if not named:
            return [f"{rule.stem}: no file to check"]
        said, status = spatch(rule, named, ctx.tree,
                              *(options.group(1).split() if options else ()))
        lines = [line for line in said.splitlines() if re.match(r"\S+:\d+:", line)]
        if status:
            lines.append(f"spatch failed: {last_line(said)}")
        if rule in own:
            lines += rule_complaints(rule) + rule_strangers(rule, sources)
        return [f"{rule.stem}: {line}" for line in lines]

    return [line for found in both(one, own + stock) for line in found] + \
        [line for found in both(lambda f: unparsed(ctx.tree, f), files) for line in found]


def shellcheck(ctx):
    need("shellcheck", "shellcheck")
    files = [f for f in tracked(ctx)
             if re.match(r"#!.*\b(ba|da|k)?sh\b", first_line(ctx.top / f))]
    out, _ = run(["shellcheck", "-f", "gcc", *files], cwd=ctx.top)
    return out.splitlines()


def python(ctx):
    need("pyflakes3", "pyflakes3")
    files = [f for f in tracked(ctx)
             if f.endswith(".py") or re.match(r"#!.*\bpython3?\b", first_line(ctx.top / f))]
    lines = []
    for name in files:
        try:
            compile((ctx.top / name).read_bytes(), name, "exec", dont_inherit=True)
        except SyntaxError as err:
            lines.append(f"{name}:{err.lineno}: {err.msg}")
    out, _ = run(["pyflakes3", *files], cwd=ctx.top)
    return lines + out.splitlines()


def docs(ctx):
    need("sphinx-build", "python3-sphinx")
    build = ctx.top / ".build/lint-docs"
    # Sphinx says nothing about a page that it has not read again.
    shutil.rmtree(build, ignore_errors=True)
    out, status = run(["make", "SPHINXDIRS=virt/kvm", f"BUILDDIR={build}", "htmldocs"],
                      cwd=ctx.tree, env=clean_env(LC_ALL="C.UTF-8"))
    ctx.log("docs.log", out)
    if status:
        return [f"htmldocs failed: {last_line(out)}"]
    names = [f for f in ctx.touched() if f.startswith("Documentation/")] + ctx.ours(".h", ".c")
    return [line for line in out.splitlines() if re.search(r"\b(WARNING|ERROR)\b", line)
            and any(n in line for n in names)]


def docs_tests(ctx):
    # Names from the repository: tests may be there before their patch is.
    folder = ctx.top / "tools/testing/selftests/kvm"
    sources = {p.name: p.read_text() for p in folder.rglob("gmem_*_test.c")}
    cases = text.cases_of(sources)
    manifest = "".join((ctx.top / f"scripts/{m}").read_text()
                       for m in ("manifest", "manifest-arm64"))
    lines = []
    for name in ctx.ours(".rst"):
        page = (ctx.top / name).read_text()
        lines += text.unknown_tests(name, page, cases) + text.unknown_cells(name, page, cases)
        lines += text.untested_errnos(name, page, sources) + text.unlisted(name, page, manifest)
    return lines


def maintainers(ctx):
    def one(name):
        out, _ = run(["scripts/get_maintainer.pl", "--subsystem", "--no-rolestats",
                      "--no-git-fallback", "-f", name], cwd=ctx.tree)
        return [] if STANZA in out.splitlines() else [f"{name}: not in the stanza of MAINTAINERS"]

    stanza = re.search(rf"^{STANZA}\n(.+\n)*", (ctx.tree / "MAINTAINERS").read_text(), re.M)
    stale = not stanza or stanza[0] != (ctx.top / "MAINTAINERS").read_text()
    return ["MAINTAINERS: not what the tree's has of it"] * stale + \
        [line for found in both(one, ctx.new) for line in found]


def house(ctx):
    lines = [line for name in ctx.new
             for line in text.house(name, (ctx.tree / name).read_text(errors="replace"))]
    # Debian's Python has the modules that the script wants.
    out, status = run(["/usr/bin/python3", "-B", "scripts/spdxcheck.py", *ctx.new], cwd=ctx.tree)
    return lines + (out.splitlines() or ["spdxcheck.py failed"] if status or out else [])


# In this order: seconds first.
GATES = {
    "house": (10, house, "limits of functions and files, no #ifdef in .c, licence, kernel-doc"),
    "python": (11, python, "pyflakes on our Python"),
    "shellcheck": (12, shellcheck, "our shell scripts"),
    "docs-tests": (13, docs_tests, "documents name tests that exist; errnos have one"),
    "kernel-doc": (14, kernel_doc, "kernel-doc comments; none wrong that the base does not have"),
    "maintainers": (15, maintainers, "get_maintainer.pl finds our stanza for each file"),
    "docs": (16, docs, "Sphinx builds our pages without warnings"),
    "checkpatch": (17, checkpatch, "--strict, on each patch and each of our files"),
    "coccicheck": (18, coccicheck, "the tree's semantic patches and ours"),
    "warnings": (19, builds.warnings, "W=1: no warning that the base does not have"),
    "sparse": (20, builds.sparse, "C=2: no warning that the base does not have"),
}
# These take seconds.
QUICK = ("house", "python", "shellcheck", "docs-tests", "kernel-doc")
