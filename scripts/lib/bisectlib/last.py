# SPDX-License-Identifier: GPL-2.0-only
"""Boots the kernels of the last prefix."""
import sys
from pathlib import Path

from .common import IMAGE, LONG, SCRIPTS, TOP, arch_of, cell, is_on

# Tests of the boot: [(name, limit, command)].
STOCK = {"x86": [("stock.state", 60, "ours/x86_64/state_test")],
         "arm64": [("stock.set_memory_region", 240, "ours/set_memory_region_test")]}
KUNIT = ("kunit.attr_map", 600, "kunit kvm_attr_map_kunit")
OURS = {"x86": [("gmem_uapi", 120, "ours/gmem_uapi_test"), KUNIT], "arm64": [KUNIT]}


def manifest(column):
    arch = arch_of(column)
    tests = STOCK[arch] + (OURS[arch] if is_on(column) else [])
    return "@default\n" + "".join(f"{n} {limit} {command}\n" for n, limit, command in tests)


class Last:
    """What has been linked must boot."""

    def __init__(self, work, tree, builder, results):
        self.work, self.tree, self.builder, self.results = work, tree, builder, results

    def column(self, column, step):
        self.tree.checkout(step.oid)
        log = self.work / f"log-boot-{column}"
        log.unlink(missing_ok=True)
        text = self.boot(column, log)
        return cell("ok" if text.startswith("boot:") else "fail", f"linked, {text}")

    def boot(self, column, log):
        """Run a few tests in the kernel; "boot: ..." if they are as they must be."""
        arch, out = arch_of(column), self.work / f"last-{column}"
        room = self.results / f"boot-{column}"
        room.mkdir(parents=True, exist_ok=True)
        text = manifest(column)
        (room / "manifest").write_text(text)
        programs = [w[len("ours/"):] for w in text.split() if w.startswith("ours/")]
        tests = self.work / f"selftests-{arch}"
        initrd = room / "initramfs.cpio.gz"
        pairs = [f"{room}/manifest=tests/manifest",
                 *(f"{tests}/bin/{p}=tests/ours/{p}" for p in programs)]
        steps = (
            [SCRIPTS / "selftests", "-a", LONG[arch], "-t", self.tree.where, "-o", tests,
             *programs],
            [SCRIPTS / "initramfs", "-a", LONG[arch], "-o", initrd, "-m", out / "root", *pairs],
            [SCRIPTS / "boot", "--arch", LONG[arch], "-k", out / IMAGE[arch], "-i", initrd,
             "-l", room, "-t", "900"],
            [sys.executable, "-B", SCRIPTS / "lib/ktap.py", room, "-m", room / "manifest",
             "-s", TOP / ".ci/expected-skips", "-f", TOP / ".ci/expected-failures"])
        for command in steps:
            status, output = self.builder.run(command, log)
            if status:
                return f"{Path(command[0]).name} failed with {status}, see {log}"
        initrd.unlink()
        shown = [line for line in output.splitlines() if line.strip()]
        return f"boot: {shown[0].strip() if shown else 'passed'}"
