# SPDX-License-Identifier: GPL-2.0-only
"""What the gates share: the tree, which files are ours there, commands."""

import concurrent.futures
import os
import shutil
import subprocess
from pathlib import Path

CHECKS = Path(__file__).resolve().parent
SCRIPTS = CHECKS.parent
KERNEL = ("arch/", "include/", "mm/", "virt/")


class Missing(Exception):
    """Lint cannot run; the text says what to do."""


def need(tool, package):
    if not shutil.which(tool):
        raise Missing(f"{tool} is not installed; run 'make setup' (package {package})")


def run(cmd, cwd=None, env=None):
    """Output of a command, standard error included, and its status."""
    done = subprocess.run([str(c) for c in cmd], cwd=cwd, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", env=env)
    return done.stdout, done.returncode


def clean_env(**more):
    """The environment without what a make that calls this leaves there."""
    env = {**os.environ, **more}
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        env.pop(name, None)
    return env


def last_line(said):
    return (said.strip().splitlines() or ["no output"])[-1]


def both(function, items):
    """Results of a function for all items, on all processors."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, items))


class Context:
    """The repository, the assembled tree, and which files are ours there."""

    def __init__(self, top, tree, out, results, base="base"):
        self.top, self.tree, self.out, self.results, self.base = top, tree, out, results, base
        self.new, self.hooked, self.notes = [], [], []
        listing = self.git("diff", "--name-status", "--no-renames", base)
        for line in listing.splitlines():
            status, name = line.split("\t", 1)
            {"A": self.new, "M": self.hooked}.get(status, []).append(name)
        stale = [f for f in self.new if (top / f).is_file() and
                 (top / f).read_bytes() != (tree / f).read_bytes()]
        if stale:
            raise Missing(f"{stale[0]} differs from {tree.name}; run 'make tree'")

    def git(self, *args):
        done = subprocess.run(["git", "-C", str(self.tree), *args], text=True,
                              capture_output=True)
        if done.returncode:
            raise Missing(f"no assembled tree in {self.tree}; run 'make tree'")
        return done.stdout

    def ours(self, *suffixes, rooms=("",)):
        return [f for f in self.new if f.endswith(suffixes) and f.startswith(rooms)]

    def touched(self):
        return {*self.new, *self.hooked}

    def note(self, line):
        """Say a line that is no complaint, with the result of the running gate."""
        self.notes.append(line)

    def log(self, name, content):
        (self.results / name).write_text(content)
