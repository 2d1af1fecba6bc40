# SPDX-License-Identifier: GPL-2.0-only
"""Rules about text: house style, the allow file, tests that documents name."""

import fnmatch
import re

MAX_FUNCTION = 60
MAX_FILE = 500
REMARK = re.compile(r"[^:]*:(\d+): [A-Z]+:([A-Z0-9_]+): *(.*)$")
# A definition in column 0, its type perhaps in the line above; not a macro's use.
FUNCTION = re.compile(r"^(?:[a-z_][\w \t*]*\n)?[a-z_][\w \t*]*\([^;{}]*\)\n\{$", re.M)
DOCUMENTED = re.compile(r"(?:^|\n)/\*\*\n(?: \*(?!/).*\n)* \*/\n\Z")
LINKED = ("arch/", "mm/", "virt/")
TESTS = re.compile(r"_(?:test|oracle|kunit)\.c$")
CASE = re.compile(r"^GMEM_\w*TEST\w*\((\w+)", re.M)
# Macros and tables that register cases of other names.
ATTACK = re.compile(r"^ATTACK\((\w+)", re.M)
SEALED = re.compile(r"^SEALED_ATTACK\((\w+)", re.M)
LISTED = re.compile(r'^\t+\{ "(\w+)", test_\w+ \}', re.M)
FULL = re.compile(r"\b(gmem_\w+_test)\.(\w+\*?|\*)")
PROGRAM = re.compile(r"\bgmem_\w+_test\b")
WORD = re.compile(r"^[a-z]\w*\*?$")
ERRNO = re.compile(r"^(-?(?:KVM_)?E[A-Z0-9]{2,})\b")
RULE = re.compile(r"^=+( +=+)+$")
UNTESTED = re.compile(r"\b[Nn]ot\s+tested:\s+([^.]*)")


def remarks(name, output):
    """[(name, type, text)] of checkpatch --terse --show-types; other lines have no type."""
    out = []
    for line in filter(None, map(str.strip, output.splitlines())):
        match = REMARK.match(line)
        out.append((name, match[2], f"{name}:{match[1]}: {match[2]}: {match[3]}") if match
                   else (name, "", f"{name}: {line}"))
    return out


def parse_allow(text):
    """[(glob, type, reason)] of an allow file."""
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split(None, 2)
        if len(words) < 3:
            raise ValueError(f"checkpatch.allow:{number}: want FILE TYPE REASON")
        entries.append(tuple(words))
    return entries


def apply_allow(remarks, entries):
    """What is left of [(file, type, text)], and entries that matched nothing."""
    left, used = [], set()
    for name, kind, text in remarks:
        hits = [e for e in entries if e[1] == kind and fnmatch.fnmatch(name, e[0])]
        used.update(hits)
        if not hits:
            left.append(text)
    return left, [e for e in entries if e not in used]


def long_functions(text):
    """[(line, lines)] of function bodies that are too long."""
    found, start = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > MAX_FUNCTION:
                found.append((start, number - start - 1))
            start = None
    return found


def undocumented(text):
    """[(line, function)] of functions that others may call and that have no kernel-doc."""
    found = []
    for match in FUNCTION.finditer(text):
        head = match[0].split("(", 1)[0]
        if not re.search(r"\b(?:static|__init|__exit)\b", head) and \
                not DOCUMENTED.search(text[:match.start()]):
            found.append((text.count("\n", 0, match.start()) + 1, head.split()[-1].lstrip("*")))
    return found


def house(name, text):
    """Complaints about one file of the kernel tree."""
    lines, out = text.splitlines(), []
    head = lines[1:2] if text.startswith("#!") else lines[:1]
    if not name.endswith(".gitignore") and "SPDX-License-Identifier" not in "".join(head):
        out.append(f"{name}:1: no SPDX-License-Identifier in the first line")
    if not name.endswith((".c", ".h")):
        return out
    if len(lines) > MAX_FILE:
        out.append(f"{name}:{len(lines)}: more than {MAX_FILE} lines")
    out += [f"{name}:{at}: function of {size} lines, limit {MAX_FUNCTION}"
            for at, size in long_functions(text)]
    if name.endswith(".c") and name.startswith(LINKED) and not TESTS.search(name):
        out += [f"{name}:{at}: {function}() is not static and has no kernel-doc"
                for at, function in undocumented(text)]
    if name.endswith(".c"):
        out += [f"{name}:{n}: {line.split()[0]} in a .c file; put a stub into the header"
                for n, line in enumerate(lines, 1) if re.match(r"\s*#\s*(if|ifdef|ifndef)\b", line)]
    return out


def cases_of(sources):
    """{program: cases} from {path: text} of the selftests."""
    found = {}
    for path, text in sources.items():
        name = path.rsplit("/", 1)[-1]
        if name.startswith("gmem_") and name.endswith("_test.c"):
            found[name[:-2]] = {*CASE.findall(text), *LISTED.findall(text),
                                *(f"{how}_is_refused" for how in ATTACK.findall(text)),
                                *(f"{how}{twin}" for how in SEALED.findall(text)
                                  for twin in ("", "_unsealed"))}
    return found


def known(cases, program, case):
    return any(fnmatch.fnmatchcase(c, case) for c in cases.get(program, ()))


def paragraphs(text):
    """[(line, text)] of what blank lines separate."""
    out, start, held = [], 1, []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.strip():
            if not held:
                start = number
            held.append(line)
        elif held:
            out.append((start, "\n".join(held)))
            held = []
    return out


def lists_after(text):
    """[(program, name)]: names in a list that a full or a program name starts."""
    found = []
    for match in FULL.finditer(text):
        rest = re.split(r"[;:()]|\.\s|\.$|\n\s*[-*]\s", text[match.end():], maxsplit=1)[0]
        for item in rest.split(",")[1:]:
            word = item.strip().strip("`")
            if not WORD.match(word) or PROGRAM.fullmatch(word):
                break
            found.append((match.group(1), word))
    return found


def unknown_tests(name, text, cases):
    """Complaints about tests that a document names and no source has."""
    out = []
    every = {c for found in cases.values() for c in found}
    for line, para in paragraphs(text):
        for program in sorted(set(PROGRAM.findall(para)) - set(cases)):
            out.append(f"{name}:{line}: no such test program: {program}")
        wanted = [(p, c) for p, c in FULL.findall(para) if p in cases]
        out += [f"{name}:{line}: no such test: {p}.{c}"
                for p, c in wanted if not known(cases, p, c)]
        out += [f"{name}:{line}: no such test: {p}.{c}" for p, c in lists_after(para)
                if p in cases and not known(cases, p, c)]
        for group in re.findall(r"(?<!\w)\(([a-z]\w+(?:,\s+[a-z]\w+)*)\)", para):
            words = re.split(r",\s+", group)
            if all("_" in w for w in words) and "``" not in group:
                out += [f"{name}:{line}: no such test: {w}" for w in words
                        if w not in every and not PROGRAM.fullmatch(w)]
    return out


def cells(line, rule):
    """A line of a simple table, cut where its columns start."""
    starts = [m.start() for m in re.finditer(r"=+", rule)]
    return [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None])]


def tables(text):
    """[(paragraph before, header, rows)] of simple tables; a row is (line, cells)."""
    lines, out, at = text.splitlines(), [], 0
    while at < len(lines):
        rule = lines[at]
        if not RULE.match(rule):
            at += 1
            continue
        before = [p for _, p in paragraphs("\n".join(lines[:at]))][-1:]
        header, rows = [], []
        at += 1
        while at < len(lines) and lines[at].strip():
            row = cells(lines[at], rule)
            if RULE.match(lines[at]):
                # What stood above a second rule was the header.
                if rows and at + 1 < len(lines) and lines[at + 1].strip():
                    header, rows = rows[0][1], []
            elif row[0] or not rows:
                rows.append((at + 1, row))
            else:
                rows[-1] = (rows[-1][0], [f"{a} {b}".strip() for a, b in zip(rows[-1][1], row)])
            at += 1
        out.append((" ".join(before), header, rows))
    return out


def unknown_cells(name, text, cases):
    """Bare names of cases in the column "test" that no program has which the table names."""
    out = []
    for before, header, rows in tables(text):
        if header[-1:] != ["test"]:
            continue
        for line, row in rows:
            words = re.split(r"[,;\s]+", row[-1])
            programs = {p for p in PROGRAM.findall(f"{before} {row[-1]}") if p in cases}
            for word in words:
                if word != "none" and not PROGRAM.match(word) and \
                        not any(known(cases, p, word) for p in programs):
                    out.append(f"{name}:{line}: no such test: {word or 'empty; say none'}")
    return out


def untested_errnos(name, text, sources):
    """Rows of errno tables whose errno is in no test that row or introduction names.

    The introduction may say "Not tested: E1, E2." instead, or the row "none".
    """
    out = []
    for before, header, rows in tables(text):
        exempt = {w for part in UNTESTED.findall(before) for w in re.findall(r"\w+", part)}
        for line, row in rows:
            errno = ERRNO.match(row[0])
            if not errno or header[-1:] == ["test"] and row[-1] == "none":
                continue
            errno = errno.group(1).lstrip("-")
            programs = set(PROGRAM.findall(" ".join([before, *row])))
            if errno not in exempt and not any(
                    re.search(rf"\b{errno}\b", sources.get(f"{p}.c", "")) for p in programs):
                out.append(f"{name}:{line}: {errno} is in no test that the table names")
    return out


def unlisted(name, text, manifest):
    """Test programs that a document names and no MANIFEST has."""
    return [f"{name}: make check does not run {program}; add it to scripts/manifest"
            for program in sorted(set(PROGRAM.findall(text)))
            if not re.search(rf"\bours/(\w+/)?{program}\b", manifest)]


def markers(text):
    """Lines of a broken example at which its rule must fire."""
    return {n for n, line in enumerate(text.splitlines(), 1)
            if line.rstrip().endswith("/* fires */")}


def own_functions(rule):
    """Functions of ours that a semantic patch names outside its comments."""
    code = re.sub(r"//.*", "", rule)
    return sorted(set(re.findall(r"\bkvm_(?:attr_map|convert|gmem|mem|invalidate|private)_\w+", code)))
