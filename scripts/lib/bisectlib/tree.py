# SPDX-License-Identifier: GPL-2.0-only
"""The commits of the series and a checkout of one after the other."""
import dataclasses
import subprocess

from .common import Missing, digest
from .paths import matters


@dataclasses.dataclass
class Step:
    """One prefix of the series: the base, or up to and with one patch."""
    number: int
    oid: str
    subject: str
    paths: list             # what this patch changes
    files: dict             # path -> blob of all that the series changed so far
    base: str

    def seen(self, arch):
        """The part of the changes that a kernel build can read."""
        return {p: b for p, b in self.files.items() if matters(p, arch)}

    def content(self, arch):
        """Hash of all that a kernel build can read."""
        return digest(self.base, *(f"{p} {b}" for p, b in sorted(self.seen(arch).items())))


class Tree:
    """A checkout that only rewrites what differs, for builds one after the other."""

    def __init__(self, main, where):
        self.main, self.where = main, where
        self.head = None

    def git(self, *args, path=None):
        done = subprocess.run(["git", "-C", str(path or self.main), *args], text=True,
                              capture_output=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["failed"])[-1]
            raise Missing(f"git {args[0]}: {last}")
        return done.stdout.strip()

    def tip(self, branch):
        """The commit of a branch of the main tree."""
        try:
            return self.git("rev-parse", "--verify", "-q", f"{branch}^{{commit}}")
        except Missing:
            raise Missing(f"no branch {branch} in {self.main}; run 'make tree'") from None

    def create(self):
        self.git("worktree", "prune")
        if not (self.where / ".git").exists():
            self.where.parent.mkdir(parents=True, exist_ok=True)
            self.git("worktree", "add", "-q", "--detach", str(self.where), "base")

    def steps(self, tip):
        base = self.tip("base")
        subject = self.git("show", "-s", "--format=%s", base)
        rows = [Step(0, base, subject, [], {}, base)]
        files = {}
        for oid in self.git("rev-list", "--reverse", f"{base}..{tip}").split():
            subject = self.git("show", "-s", "--format=%s", oid)
            raw = self.git("diff-tree", "-r", "--no-commit-id", "--no-renames", oid)
            changed = []
            for line in raw.splitlines():
                meta, path = line.split("\t", 1)
                _, mode, _, blob, _ = meta.split()
                files[path] = f"{mode} {blob}"
                changed.append(path)
            rows.append(Step(len(rows), oid, subject, changed, dict(files), base))
        return rows

    def checkout(self, oid):
        if self.head != oid:
            self.git("checkout", "-q", "-f", "--detach", oid, path=self.where)
            self.head = oid

    def added(self, oid):
        """Files that a commit adds."""
        return self.git("diff-tree", "-r", "--no-commit-id", "--no-renames", "--name-only",
                        "--diff-filter=A", oid).splitlines()

    def offers(self, symbol):
        """Tell whether the checkout's Kconfig files define a symbol."""
        return subprocess.call(["git", "-C", str(self.where), "grep", "-q", "-E",
                                rf"^config {symbol}$", "HEAD", "--", "*Kconfig*"]) == 0
