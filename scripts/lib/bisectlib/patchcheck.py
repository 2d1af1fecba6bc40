# SPDX-License-Identifier: GPL-2.0-only
"""Checks of a patch that need no kernel: style, selftests, programs, documents."""
import shutil
import subprocess
import tempfile
from pathlib import Path

from checks.text import apply_allow, parse_allow

from .common import FORMAT, LONG, SCRIPTS, Missing, cell, digest
from .logs import DOC_WARNING, first_error, remarks, sections, warnings
from .paths import ATTR_MAP, SELFTESTS, VMM, shared_with_arm64, tests_of

# Who sends the patches signs them off.
CHECKPATCH = ("--strict", "--terse", "--showfile", "--show-types", "--no-summary",
              "--ignore", "MISSING_SIGN_OFF")
# "Does MAINTAINERS need updating?" get_maintainer.pl has the answer.
ASKS = "FILE_PATH_CHANGES"
SECTIONS = ("--no-git", "--no-git-fallback", "--no-m", "--no-l", "--no-n",
            "--web", "--subsystem", "-f")
# What the selftests, the programs and the documents are made from.
READS = {"tests": ("tools/", "include/", "arch/x86/include/"),
         "map": (ATTR_MAP, "virt/kvm/gmem/attr_map", "include/linux/kvm_attr_map.h"),
         "docs": ("Documentation/", "include/", "virt/", "arch/x86/kvm/")}
# It exists for each architecture; its headers and library are those of all.
ANY_TEST = "set_memory_region_test"
CFLAGS = ("-O2", "-Wall", "-Wextra", "-Werror", "-std=gnu11", "-D_GNU_SOURCE")


def uncovered(tree, paths):
    """Files of the checkout that no section of MAINTAINERS names."""
    found = []
    for path in paths:
        done = subprocess.run(["perl", "scripts/get_maintainer.pl", *SECTIONS, path],
                              cwd=tree.where, text=True, capture_output=True, check=False)
        if done.returncode:
            raise Missing("get_maintainer.pl: " + first_error(done.stderr))
        if not sections(done.stdout):
            found.append(path)
    return found


class PatchChecks:
    """Cells of the columns checkpatch and tools."""

    def __init__(self, work, tree, builder, cache):
        self.work, self.tree, self.builder, self.cache = work, tree, builder, cache
        self.doc_warnings = None

    def checkpatch(self, step):
        with tempfile.TemporaryDirectory(prefix="bisect-mail-") as folder:
            self.tree.git("format-patch", "-q", "-1", "--zero-commit", "--no-signature",
                          "-N", "--start-number", str(step.number), "-o", folder, step.oid)
            mail = next(Path(folder).iterdir())
            allow = (SCRIPTS / "checks/checkpatch.allow").read_text()
            key = digest(FORMAT, "checkpatch", mail.read_text(), allow,
                         step.files.get("MAINTAINERS", ""))
            return self.cache.get(key) or self.cache.put(key, self.style(step, mail, allow))

    def style(self, step, mail, allow):
        self.tree.checkout(step.oid)
        done = subprocess.run(["scripts/checkpatch.pl", *CHECKPATCH, str(mail)], text=True,
                              cwd=self.tree.where, env=self.builder.env,
                              capture_output=True, check=False)
        if "ModuleNotFoundError" in done.stderr:
            raise Missing("checkpatch needs python3-ply and python3-git; run 'make setup'")
        found = remarks(mail.name, done.stdout)
        if done.returncode and not found:
            raise Missing("checkpatch: " + first_error(done.stderr + done.stdout))
        entries = [e for e in parse_allow(allow) if e[1] != ASKS]
        bad, _ = apply_allow([r for r in found if r[1] != ASKS], entries)
        if any(r[1] == ASKS for r in found):
            files = uncovered(self.tree, self.tree.added(step.oid))
            bad += [f"{ASKS}: MAINTAINERS does not name {' '.join(files)}"] * bool(files)
        return cell("fail" if bad else "ok", "; ".join(bad))

    def tools(self, step):
        """Selftests, programs and documents that the patch changes."""
        bad, done = [], []
        for kind, command, reads in self.parts(step.paths):
            seen = sorted(f"{p} {b}" for p, b in step.files.items() if p.startswith(reads))
            key = digest(FORMAT, "tools", step.base, kind, *step.paths, *seen)
            result = self.cache.get(key)
            if not result:
                self.tree.checkout(step.oid)
                log = self.work / f"log-tools-{step.oid[:12]}"
                log.unlink(missing_ok=True)
                result = self.cache.put(key, command(step, log))
            (bad if result["status"] == "fail" else done).append(
                f"{kind}: {result['note']}".rstrip(": "))
        if not bad and not done:
            return cell("none")
        return cell("fail" if bad else "ok", "; ".join(bad or done))

    def parts(self, paths):
        """[(name, function, what it reads)] for the parts that a patch touches."""
        if any(p.startswith((SELFTESTS, VMM)) for p in paths):
            if any(p.startswith(SELFTESTS) and p.endswith((".c", ".h", ".S", "Makefile"))
                   for p in paths):
                yield "selftests", self.selftests, READS["tests"]
            if any(map(shared_with_arm64, paths)):
                yield "arm64 selftest", self.arm64_selftest, READS["tests"]
            if any(p.startswith(VMM) for p in paths):
                yield "gmem-vmm", self.vmm, READS["tests"]
        if any(p.startswith(ATTR_MAP) for p in paths):
            yield "attr-map", self.attr_map, READS["map"]
        if any(p.startswith("Documentation/") for p in paths):
            yield "docs", self.docs, READS["docs"]

    def verdict(self, status, output, note):
        bad = status or warnings(output)
        return cell("fail", first_error(output)) if bad else cell("ok", note)

    def build_tests(self, log, tests, arch="x86"):
        return self.builder.run(
            [SCRIPTS / "selftests", "-a", LONG[arch], "-t", self.tree.where,
             "-o", self.work / f"selftests-{arch}", *tests], log)

    def selftests(self, step, log):
        tests = tests_of(step.paths) or [ANY_TEST]
        return self.verdict(*self.build_tests(log, tests), str(len(tests)))

    def arm64_selftest(self, _step, log):
        return self.verdict(*self.build_tests(log, [ANY_TEST], "arm64"), "")

    def attr_map(self, _step, log):
        where = self.tree.where / ATTR_MAP
        return self.verdict(*self.builder.run(["make", "-C", where, "-B"], log), "")

    def vmm(self, _step, log):
        """The program; before it has a Makefile, each file by itself."""
        # The headers come with the build of any selftest.
        status, output = self.build_tests(log, [ANY_TEST])
        if status:
            return self.verdict(status, output, "")
        where, headers = self.tree.where / VMM, self.work / "selftests-x86/headers/include"
        if (where / "Makefile").exists():
            return self.verdict(*self.builder.run(
                ["make", "-C", where, "-B", f"OUT={self.work / 'vmm'}", f"KHDR={headers}"],
                log), "")
        for source in sorted(where.glob("*.c")):
            status, output = self.builder.run(
                ["cc", *CFLAGS, "-isystem", headers, "-I.", "-c", source.name,
                 "-o", "/dev/null"], log, cwd=where)
            if status:
                return self.verdict(status, output, "")
        return cell("ok", "no Makefile yet, each file alone")

    def sphinx(self, log):
        # Sphinx says nothing about a page that it does not read again.
        shutil.rmtree(self.work / "o-docs", ignore_errors=True)
        return self.builder.run(["make", "-C", self.tree.where, f"O={self.work / 'o-docs'}",
                                 "SPHINXDIRS=virt/kvm", "htmldocs"], log)

    def docs(self, step, log):
        """Warnings that the documents of the base do not have."""
        if self.doc_warnings is None:
            key = digest(FORMAT, "docs", step.base)
            known = self.cache.get(key)
            if not known:
                self.tree.checkout(step.base)
                output = self.sphinx(log)[1]
                known = self.cache.put(key, cell("ok", warnings=sorted(
                    warnings(output, DOC_WARNING))))
                self.tree.checkout(step.oid)
            self.doc_warnings = set(known["warnings"])
        status, output = self.sphinx(log)
        new = sorted(warnings(output, DOC_WARNING) - self.doc_warnings)
        if status or new:
            return cell("fail", new[0] if new else first_error(output))
        return cell("ok")
