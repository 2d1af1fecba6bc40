# SPDX-License-Identifier: GPL-2.0-only
"""Reads what compilers, Sphinx and checkpatch print."""
import os
import re

# Of compilers, kernel-doc, objtool and linkers.
WARNING = re.compile(r"^(\S+?)(?::\d+)*: warning: (.*)$")
MODPOST = re.compile(r"^(?:WARNING|ERROR): (modpost): (.*)$")
DOC_WARNING = re.compile(r"^(\S+?)(?::\d+)?: WARNING: (.*)$")
# Where the checkout is, seen from the build directory or from the root.
PLACE = re.compile(r"^(?:/.*?/linux/|(?:\.\./)+linux/|(?:\.\./)+)")
ERROR = re.compile(r"error:|Error \d|undefined (?:reference|!)|undefined!|\*\*\* No rule")
REMARK = re.compile(r"^[^\n:]*:\d+: (?:\w+):([A-Z0-9_]+):.*$", re.M)


def warnings(log, *patterns):
    """Warnings of a log without the numbers that any patch moves."""
    found = set()
    for line in log.splitlines():
        for pattern in patterns or (WARNING, MODPOST):
            match = pattern.match(line.strip())
            if match:
                path = re.sub(PLACE, "", match[1])
                text = re.sub(r"(:\d+)+|\+0x[0-9a-f]+|\(section: \S+\)", "", match[2])
                found.add(f"{os.path.normpath(path)}: {text}")
    return found


def first_error(log):
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for line in lines:
        if ERROR.search(line):
            return line[:160]
    return lines[-1][:160] if lines else "no output"


def remarks(name, output):
    """[(mail, type, text)] of checkpatch --terse --show-types."""
    return [(name, match[1], match[0]) for match in REMARK.finditer(output)]


def sections(output):
    """Sections of MAINTAINERS, but the last, in what get_maintainer.pl prints."""
    return {line for line in output.splitlines()
            if line and line != "THE REST" and "://" not in line}
