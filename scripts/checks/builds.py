# SPDX-License-Identifier: GPL-2.0-only
"""Gates that compile: W=1 and sparse, compared with the pristine base."""

import collections
import io
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from common import KERNEL, SCRIPTS, Missing, both, clean_env, last_line, need, run

MESSAGE = re.compile(r"(?P<file>[^\s:]+\.(?:[chS]:(?P<at>\d+)(?::\d+)?|o)): "
                     r"(?P<text>(?:fatal )?(?:warning|error):.*)$")
# Without a file and a line; anything that ends a build.
BROKEN = re.compile(r"\*\*\* |undefined reference|No rule to make")
# What make V=1 prints, and what follows a command in the same line.
COMMAND = re.compile(r"\s+(?P<command>(?:(?:ccache )?gcc\s.*\s-c\s+-o\s+\S+|sparse\s.*)"
                     r"\s(?P<source>/\S+\.c))\s*(?:;.*)?$")


def kmake(tree, out, *args):
    return run([SCRIPTS / "kbuild", "-r", "-t", tree, "-o", out, "--", "-k", *args])


def prepare(tree, out):
    """Configure and make what single objects need."""
    said, status = run([SCRIPTS / "kbuild", "-c", "-t", tree, "-o", out])
    if not status:
        said, status = kmake(tree, out, "-s", "prepare", "modules_prepare")
    if status:
        raise Missing(f"preparing {out.name} failed: {last_line(said)}")


def parts(tree, names):
    """Sources that only others include: no Makefile names their object."""
    included, named = set(), ""
    for name in names:
        if name.endswith(".c"):
            for path in re.findall(r'^#include "(\S+\.c)"', (tree / name).read_text(), re.M):
                included.add(os.path.normpath(os.path.join(os.path.dirname(name), path)))
        elif "Makefile" in name:
            named += (tree / name).read_text()
    return {f for f in included if not re.search(rf"\b{re.escape(Path(f).stem)}\.o\b", named)}


def sources(tree, names):
    """What the compiler for x86 must see of these files."""
    here = [f for f in names if f.startswith(KERNEL) and (tree / f).exists()
            and not re.match(r"arch/(?!x86/)", f)]
    return sorted(f for f in {*here} - parts(tree, here) if f.endswith(".c"))


def object_of(source):
    """The object of a source, as a single target of make."""
    # The Makefile of arch/x86/kvm compiles virt/kvm, too.
    room = "arch/x86/kvm/../../../" if source.startswith("virt/kvm/") else ""
    return f"{room}{source[:-2]}.o"


def clear(out, wanted):
    """Make the compiler look again: a warm build says nothing."""
    for target in wanted:
        Path(os.path.normpath(out / target)).unlink(missing_ok=True)


def normal(name, tree):
    """A file name as the compiler prints it, from the top of the tree."""
    return os.path.relpath(os.path.normpath(tree / name), tree)


def messages(output, tree):
    """Counter of (file, text).

    Files that are not ours count, too: sparse blames the header that has the
    lock, gcc the one that has the macro.  What a header causes is said once for
    each file that includes it, and counts once."""
    places = set()
    for line in output.splitlines():
        match = MESSAGE.match(line)
        if match:
            name = match["file"].split(":")[0]
            places.add((normal(name, tree), match["at"], match["text"]))
    return collections.Counter((name, said) for name, _, said in places)


def look(said, status, tree, log):
    """Messages of a build; one that failed has at least one."""
    found = messages(said, tree)
    if status and not any("error:" in text for _, text in found):
        broken = [line for line in said.splitlines() if "error:" in line or BROKEN.search(line)]
        found[log, (broken or [last_line(said)])[0]] = 1
    return found


def commands(said, tree):
    """{source: commands} from what make V=1 printed."""
    found = {}
    for line in said.splitlines():
        match = COMMAND.match(line)
        if match:
            found.setdefault(normal(match["source"], tree), []).append(match["command"])
    return found


def moved(command, tree, where):
    """A command with its source, and all that this includes, in another tree."""
    command = re.sub(r"-Wp,-MMD,\S+", "", command)
    command = re.sub(r"-o\s+\S+", "-o /dev/null", command)
    return command.replace(f"{tree}/", f"{where}/")


def unpack_base(ctx, where):
    """The sources of the base that the hooked files may include."""
    rooms = sorted({"include", "arch/x86", *(f.split("/")[0] for f in ctx.hooked
                                             if f.startswith(("mm/", "virt/")))})
    want = f"{ctx.git('rev-parse', ctx.base).strip()} {' '.join(rooms)}\n"
    stamp = where / "stamp"
    if stamp.exists() and stamp.read_text() == want:
        return
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    data = subprocess.run(["git", "-C", str(ctx.tree), "archive", ctx.base, *rooms],
                          check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(where)
    stamp.write_text(want)


def base_messages(ctx, gate, said):
    """What the same commands say about the hooked sources as they are in the base."""
    where = Path(f"{ctx.out}-base")
    unpack_base(ctx, where)
    known = commands(said, ctx.tree)
    jobs = [moved(command, ctx.tree, where)
            for f in sorted(ctx.hooked) for command in known.get(f, [])]
    outputs = both(lambda c: run(["sh", "-c", c], cwd=ctx.out, env=clean_env(LC_ALL="C"))[0], jobs)
    ctx.log(f"{gate}-base.log", "".join(outputs))
    return messages("".join(outputs), where)


def compare(ctx, gate, tool, *args, warm=False):
    """Complaints: what is said about our tree and not about the base."""
    prepare(ctx.tree, ctx.out)
    wanted = sources(ctx.tree, ctx.touched())
    targets = [object_of(f) for f in wanted]
    clear(ctx.out, [] if warm else targets)
    # The gate kernel-doc looks at the comments.
    said, status = kmake(ctx.tree, ctx.out, "V=1", "W=1", "cmd_checkdoc=", *args, *targets)
    ctx.log(f"{gate}.log", said)
    found = look(said, status, ctx.tree, f"{gate}.log")
    known = commands(said, ctx.tree)
    missed = [f for f in wanted if not any(tool in c.split()[:2] for c in known.get(f, []))]
    if found:
        found -= base_messages(ctx, gate, said)
    return [f"{name}: {text}" for (name, text), count in sorted(found.items())
            for _ in range(count)] + [f"{name}: {tool} did not see it" for name in missed]


def warnings(ctx):
    return compare(ctx, "warnings", "gcc")


def sparse(ctx):
    need("sparse", "sparse")
    # Objects that are there already are checked, but not compiled again.
    return compare(ctx, "sparse", "sparse", "C=2", warm=True)
