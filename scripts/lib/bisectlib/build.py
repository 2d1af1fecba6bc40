# SPDX-License-Identifier: GPL-2.0-only
"""Builds kernels: one directory a column, from prefix to prefix."""
import json
import os
import shlex
import shutil
import subprocess

from checks.common import clean_env

from .common import (CROSS, FOLDERS, LONG, SCRIPTS, TOP, Missing, arch_of, cell, config_text,
                     digest, fragments, is_on)
from .logs import first_error, warnings
from .paths import SOURCE, STANDINS, affected, named, option_of, standin, unaffected

# A patch may add code before a user can choose the option that builds it: the
# symbol is then switched on without a prompt.
HIDDEN, PROMPT = "KVM_GUEST_MEMFD", "KVM_SW_PROTECTED_VM"


def dependencies(out, tree):
    """{object: files of the tree that it was made from} of a build directory."""
    found, places, top = {}, {}, f"{tree}/"
    for folder, _, names in os.walk(out):
        for name in names:
            if not name.endswith((".o.cmd", ".s.cmd")):
                continue
            with open(os.path.join(folder, name), errors="replace") as text:
                tokens = {t for t in text.read().split() if t.endswith(SOURCE)}
            for token in tokens - places.keys():
                path = os.path.normpath(os.path.join(out, token))
                places[token] = path.removeprefix(top) if path.startswith(top) else None
            obj = os.path.relpath(os.path.join(folder, name[1:-len(".cmd")]), out)
            found[obj] = {places[t] for t in tokens} - {None}
    return found


class Builder:
    """Builds what the checkout holds. Each step's output goes to a log."""

    def __init__(self, work, tree, jobs):
        self.work, self.tree = work, tree
        # The kernel's Python tools want Debian's modules.
        self.env = clean_env(LC_ALL="C", JOBS=str(jobs), PATH="/usr/bin:" + os.environ["PATH"])
        self.begun = set()      # columns with a build in this run
        self.deps = {}          # column -> files that its objects depend on
        self.extra = {}         # column -> {object to build outside of the folders: files}
        self.tools = {}         # arch -> versions of its compiler and linker

    def out(self, column):
        return self.work / f"o-{column}"

    def version(self, arch):
        if arch not in self.tools:
            cross = CROSS[arch]
            try:
                self.tools[arch] = "\n".join(
                    subprocess.run([cross + tool, "--version"], text=True, check=True,
                                   capture_output=True).stdout for tool in ("gcc", "ld"))
            except OSError as e:
                raise Missing(f"no {e.filename}; run 'make setup'") from e
        return self.tools[arch]

    def run(self, cmd, log, cwd=None):
        """Run one step; return (status, output)."""
        done = subprocess.run([str(c) for c in cmd], cwd=cwd or TOP, env=self.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              check=False)
        with open(log, "a") as text:
            text.write(f"$ {shlex.join(map(str, cmd))}\n{done.stdout}\n")
        return done.returncode, done.stdout

    def make(self, column, log, *targets):
        return self.run(
            [SCRIPTS / "kbuild", "-r", "-a", LONG[arch_of(column)], "-t", self.tree.where,
             "-o", self.out(column), "--", "W=1", "--output-sync", *targets], log)

    # What a build directory holds

    def state(self, column):
        path = self.out(column) / "bisect.state"
        return json.loads(path.read_text()) if path.exists() else None

    def made_by(self, column, step):
        """What all objects depend on, other than the changes of the series."""
        return digest(step.base, config_text(column), self.version(arch_of(column)),
                      *self.extra.get(column, {}))

    def keep(self, column, step, config):
        """Record that all objects belong to a prefix."""
        new = self.out(column) / "bisect.state.new"
        new.write_text(json.dumps({"made_by": self.made_by(column, step), "config": config,
                                   "seen": step.seen(arch_of(column))}))
        new.replace(self.out(column) / "bisect.state")
        (self.out(column) / "bisect.unfinished").unlink(missing_ok=True)

    def changed(self, column, step):
        """Files that differ from what the build directory was made from, or None."""
        state = self.state(column)
        if not state or state["made_by"] != self.made_by(column, step) or \
           (self.out(column) / "bisect.unfinished").exists():
            return None
        old, new = state["seen"], step.seen(arch_of(column))
        return {p for p in {*old, *new} if old.get(p) != new.get(p)}

    def same(self, column, step):
        """Tell whether a build would compile nothing."""
        changed = self.changed(column, step)
        if changed is None:
            return False
        if changed and column not in self.deps:
            objects = dependencies(self.out(column), self.tree.where)
            self.deps[column] = set().union(*objects.values(), *self.extra[column].values())
        return not changed or unaffected(changed, self.deps[column])

    def begin(self, column):
        """Drop what a build that did not finish has compiled: its warnings are lost."""
        marker = self.out(column) / "bisect.unfinished"
        if marker.exists():
            since = marker.stat().st_mtime
            for folder, _, names in os.walk(self.out(column)):
                for name in names:
                    path = os.path.join(folder, name)
                    if name.endswith((".o", ".s")) and os.stat(path).st_mtime >= since:
                        os.unlink(path)
        else:
            marker.touch()
        if column not in self.begun:
            self.begun.add(column)
            self.forget(column)
        self.deps.pop(column, None)

    def forget(self, column):
        """Drop what an earlier run compiled: make would not show its warnings again."""
        out = self.out(column)
        for obj in self.extra.get(column, ()):
            (out / obj).unlink(missing_ok=True)
        for folder in FOLDERS[arch_of(column)]:
            for obj in (out / folder).rglob("*.o"):
                obj.unlink()

    # Steps

    def seed(self, column, step):
        """Start from the same kernel without our options: most objects are equal.

        What was made in another way is dropped. The base then shows all its
        warnings again."""
        out, off = self.out(column), self.out(column.replace("-on", "-off"))
        state = self.state(column)
        if state and state["made_by"] != self.made_by(column, step):
            shutil.rmtree(out)
        if is_on(column) and not out.exists() and off.exists():
            new = out.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            subprocess.run(["cp", "-a", "--reflink=auto", off, new], check=True)
            new.rename(out)
        out.mkdir(parents=True, exist_ok=True)

    def configure(self, column, step, log):
        """Write .config; return (hash of it, words for make that force the code on)."""
        out = self.out(column)
        self.seed(column, step)
        # Warnings are counted; they must not end the build.
        fragment = out / "bisect.config"
        fragment.write_text(config_text(column) + "# CONFIG_KVM_WERROR is not set\n")
        force = []
        if column == "x86-on" and not self.tree.offers(PROMPT) and self.tree.offers(HIDDEN):
            kconfig = out / "Kconfig.force"
            # A copy: the top file cannot be sourced, it begins with the main menu.
            kconfig.write_text((self.tree.where / "Kconfig").read_text() +
                               f"\nconfig FORCE_{HIDDEN}\n"
                               f"\tdef_bool y\n\tselect {HIDDEN}\n")
            force = [f"KBUILD_KCONFIG={kconfig}"]
        status, output = self.make(column, log, f"KCONFIG_ALLCONFIG={fragment}", *force,
                                   "allnoconfig")
        if status:
            raise Missing(f"configuration of {column} failed, see {log}: "
                          f"{first_error(output)}")
        return digest("\n".join(self.options(column))), force

    def options(self, column):
        lines = (self.out(column) / ".config").read_text().splitlines()
        return [line for line in lines if line.startswith("CONFIG_")]

    def link(self, column, tip, log):
        """Build all of the last prefix; note which objects the series affects."""
        arch = arch_of(column)
        out = self.work / f"last-{column}"
        state = out / "bisect.state"
        made = digest(config_text(column), self.version(arch), tip.content(arch))
        if not state.exists() or state.read_text() != made:
            state.unlink(missing_ok=True)
            self.tree.checkout(tip.oid)
            status, output = self.run(
                [SCRIPTS / "kbuild", "-a", LONG[arch], "-t", self.tree.where, "-o", out,
                 *fragments(column)], log)
            if status:
                return cell("fail", first_error(output))
            state.write_text(made)
        objects = dependencies(out, self.tree.where)
        self.extra[column] = {
            obj: objects[obj] for obj in affected(objects, set(tip.seen(arch)), FOLDERS[arch])
            if obj.endswith(".o")}
        return cell("ok", "linked")

    def compile(self, column, log, force):
        """Compile what the series can affect."""
        self.begin(column)
        extra = [obj for obj in self.extra[column]
                 if any((self.tree.where / (obj[:-1] + kind)).exists() for kind in "cS")
                 and not self.switched_off(column, obj)]
        status, output = self.make(column, log, *force, *FOLDERS[arch_of(column)], *extra)
        absent = [obj for obj in extra if not (self.out(column) / obj).exists()]
        if not status and absent:
            status, output = 1, f"error: make did not build {' '.join(absent)}"
        return cell("fail" if status else "ok", first_error(output) if status else "",
                    warnings=sorted(warnings(output)))

    def switched_off(self, column, obj):
        """Tell whether nobody can build an object, for want of its option.

        Headers may have stubs of what it defines."""
        makefile = self.tree.where / os.path.dirname(os.path.dirname(obj)) / "Makefile"
        option = makefile.is_file() and option_of(obj, makefile.read_text())
        config = (self.out(column) / ".config").read_text().splitlines()
        return bool(option) and not {f"{option}=y", f"{option}=m"} & set(config)

    def compile_alone(self, column, log, paths, result):
        """Compile sources that no Makefile names yet by themselves."""
        done = []
        for path in paths:
            command = self.alone_command(column, path)
            if not command or result["status"] == "fail":
                continue
            status, output = self.run(["sh", "-c", command], log, cwd=self.out(column))
            result["warnings"] = sorted({*result["warnings"], *warnings(output)})
            done.append(os.path.basename(path))
            if status:
                result.update(status="fail", note=f"{path}: {first_error(output)}")
        if done and result["status"] != "fail":
            result.update(status="ok", note="alone: " + " ".join(done))
        return result

    def alone_command(self, column, path):
        for prefix, known, makefile in STANDINS:
            if not path.startswith(prefix) or not path.endswith(".c") or \
               not (self.tree.where / path).exists():
                continue
            if named(path, (self.tree.where / makefile).read_text()):
                continue
            folder, base = os.path.split(self.out(column) / known)
            saved = os.path.join(folder, f".{base}.o.cmd")
            if not os.path.exists(saved):
                raise Missing(f"no {saved}; remove {self.out(column)} and run again")
            with open(saved) as text:
                command = text.readline().split(":=", 1)[1].strip().split(" ; ")[0]
            return standin(command, known, path)
        return None
