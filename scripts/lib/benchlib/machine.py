# SPDX-License-Identifier: GPL-2.0-only
"""Kernels to measure: sources, builds and runs on the emulated machine."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import ktap
from bisectlib.common import BUILD, SCRIPTS, TOP, Missing
from bisectlib.tree import Tree
from .rows import BASE, MAINLINE, OURS
from .samples import Samples

ROOM = BUILD / "bench"
ORACLE = Path("/usr/src/linux-source-6.12.tar.xz")
PROGRAMS = ("gmem_bench_attrs", "gmem_bench_private", "gmem_bench_shared")
ORDINARY_PROGRAMS = PROGRAMS[-1:]
LIMIT = 1200        # seconds for a program, of the machine's clock
CLOCKS = ("time", "count")


class Broken(Exception):
    """A run did not give figures; the text says where to look."""


def call(*cmd):
    if subprocess.call([str(c) for c in cmd], cwd=TOP, stdin=subprocess.DEVNULL):
        raise Missing(f"{Path(str(cmd[0])).name} failed, see above")


def output_of(*cmd):
    done = subprocess.run([str(c) for c in cmd], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def unpack(tarball, tree):
    """The tarball's sources in TREE, unpacked again when it is newer."""
    stamp = tree / ".unpacked"
    if stamp.exists() and stamp.stat().st_mtime >= tarball.stat().st_mtime:
        return
    if not tarball.exists():
        raise Missing(f"{tarball} not found; run 'make setup'")
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    if subprocess.call(["tar", "-xf", str(tarball), "-C", str(tree),
                        "--strip-components=1"]):
        raise Missing(f"cannot unpack {tarball}")
    stamp.touch()


@dataclass
class Kernel:
    """One kernel with all that was measured of it."""
    name: str
    tree: Path
    out: Path
    configs: tuple
    samples: dict = field(default_factory=lambda: {c: Samples() for c in CLOCKS})
    command: dict = field(default_factory=dict)     # of QEMU, by clock

    def build(self):
        call(SCRIPTS / "kbuild", "-t", self.tree, "-o", self.out, *self.configs)

    def initrd(self, programs):
        return ROOM / f"initramfs-{self.name}-{len(programs)}.cpio.gz"

    def pack(self, programs, where):
        """An initramfs that runs PROGRAMS, which are in the directory WHERE."""
        manifest = ROOM / f"manifest-{self.name}"
        manifest.write_text("@bench\n" + "".join(
            f"{p} {LIMIT} /tests/{p}\n" for p in programs))
        call(SCRIPTS / "initramfs", "-o", self.initrd(programs), "-m", self.out / "root",
             f"{manifest}=tests/manifest", *(f"{where / p}=tests/{p}" for p in programs))

    def run(self, programs, clock, log):
        """Boot, run PROGRAMS and keep their samples."""
        log.mkdir(parents=True)
        rc = subprocess.call(
            [str(SCRIPTS / "boot"), "-k", str(self.out / "arch/x86/boot/bzImage"),
             "-i", str(self.initrd(programs)), "-l", str(log),
             *(["--count", "-s", "1"] if clock == "count" else [])], cwd=TOP, stdin=subprocess.DEVNULL)
        if rc:
            raise Broken(f"{self.name} did not run to its end; see {log}")
        text = (log / "report.log").read_text(errors="replace")
        failed = [run.name for run in ktap.read_runs(text.splitlines()) if run.rc]
        if failed or not self.samples[clock].add(text):
            raise Broken(f"{self.name} gave no figures ({', '.join(failed) or 'no output'}); "
                         f"see {log}/report.log")
        self.command[clock] = (log / "qemu.cmd").read_text().strip()

    def describe(self):
        """What this kernel is, for whoever reads the figures later."""
        release = self.out / "include/config/kernel.release"
        return {
            "release": release.read_text().strip(),
            "source": self.revision(),
            "fragments": self.configs,
            "qemu": self.command,
            "absent": self.samples["time"].absent,
        }

    def revision(self):
        if (self.tree / ".git").exists():
            return "git tree " + output_of("git", "-C", self.tree, "rev-parse", "HEAD^{tree}")
        package = ORACLE.name.removesuffix(".tar.xz")
        return f"{package} {output_of('dpkg-query', '-Wf', '${Version}', package)}"


def kernels(tree):
    """Ours, the unpatched base and mainline, by name, with their sources in place."""
    base = Tree(tree, ROOM / "linux")
    tip = base.tip("base")
    base.create()
    base.checkout(tip)
    mainline = ROOM / "linux-6.12"
    unpack(ORACLE, mainline)
    # As far from a tree of the same name as ours, so that ccache sees the same
    # paths. v6.1 has what 6.12 has without asking; gmem, what the base lacks.
    return {
        OURS: Kernel(OURS, tree, ROOM / "o-ours", ("x86", "gmem", "bench", "v6.1")),
        BASE: Kernel(BASE, base.where, ROOM / "6.1/o", ("x86", "bench", "v6.1")),
        MAINLINE: Kernel(MAINLINE, mainline, ROOM / "o-6.12", ("x86", "gmem", "bench")),
    }
