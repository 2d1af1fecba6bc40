# SPDX-License-Identifier: GPL-2.0-only
"""Tells from the name of a file what it can affect."""
import os
import re

SELFTESTS = "tools/testing/selftests/kvm/"
ATTR_MAP = "tools/testing/gmem-units/"
VMM = "tools/kvm/gmem-vmm/"
# Parts of the tree that no kernel build reads.
NO_KERNEL = ("Documentation/", "MAINTAINERS", "CREDITS", "tools/testing/", "tools/kvm/")
# Other architectures whose files a build reads.
ALSO = {"x86": ("x86",), "arm64": ("arm64", "arm")}
# Objects in whose place a new file, not yet in a Makefile, is compiled.
STANDINS = (("virt/kvm/", "virt/kvm/kvm_main", "virt/kvm/Makefile.kvm"),
            ("arch/x86/kvm/", "arch/x86/kvm/x86", "arch/x86/kvm/Makefile"))
# Nothing but the dependencies of objects says who reads such a file.
SOURCE = (".c", ".h", ".S")


def matters(path, arch):
    """Tell whether a kernel build of an architecture can read a file."""
    if path == "Documentation/Kconfig":
        return True
    if path.startswith(NO_KERNEL):
        return False
    match = re.match(r"arch/(\w+)/", path)
    return not match or match[1] in ALSO[arch]


def unaffected(changed, deps):
    """Tell whether no object depends on any changed file.

    A file of a known name in another place could hide the known one."""
    names = {os.path.basename(dep) for dep in deps}
    return bool(deps) and all(path.endswith(SOURCE) and path not in deps
                              and os.path.basename(path) not in names for path in changed)


def affected(deps, changed, folders):
    """Objects outside of folders that depend on a changed file, as targets for make."""
    return sorted(obj for obj, files in deps.items()
                  if not files.isdisjoint(changed) and not obj.startswith(folders))


def option_of(obj, makefile):
    """The option that a Makefile of the parent folder builds an object for, or None."""
    local = os.path.join(*obj.split(os.sep)[-2:])
    match = re.search(rf"^obj-\$\((CONFIG_\w+)\)\s*\+=.*(?<![\w/-]){re.escape(local)}(?=\s|$)",
                      makefile, re.MULTILINE)
    return match and match[1]


def tests_of(paths):
    """Selftests whose own source a patch changes."""
    found = []
    for path in paths:
        name = path.removeprefix(SELFTESTS)
        match = re.fullmatch(r"((?:x86_64/)?[\w-]+)\.c", name)
        if path.startswith(SELFTESTS) and match:
            found.append(match[1])
    return found


def shared_with_arm64(path):
    """Tell whether the selftests of arm64 are built from a file, too."""
    return path.startswith((SELFTESTS + "lib/", SELFTESTS + "include/")) and \
        "/x86_64/" not in path


def alone_of(paths):
    """Sources that may have to be compiled by themselves."""
    return [p for p in paths if p.endswith(".c") and p.startswith(tuple(s[0] for s in STANDINS))]


def standin(command, known, path):
    """The compile command of a known object, changed to compile path.

    The result is not kept; a source that the Makefiles do not name yet has no
    command of its own."""
    stem = path[:-2]
    old, new = os.path.basename(known), os.path.basename(stem)
    out = command.replace("$(pound)", "#").replace("$$", "$")
    out = re.sub(r"-Wp,-MMD,\S+", "", out)
    out = re.sub(r"-o \S+", "-o /dev/null", out)
    out = re.sub(rf"\S*{re.escape(known)}\.c(?=\s|$)",
                 lambda m: m[0].rsplit(known, 1)[0] + path, out)
    return out.replace(f'"{old}"', f'"{new}"')


def named(path, makefile):
    """Tell whether a Makefile builds a source itself."""
    local = re.sub(r"^(virt/kvm|arch/x86/kvm)/", "", path)[:-2]
    return re.search(rf"(?<![\w/-])(?:\$\(KVM\)/)?{re.escape(local)}\.o\b", makefile) is not None
