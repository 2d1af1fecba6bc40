# SPDX-License-Identifier: GPL-2.0-only
"""series tree: stored form -> branch."""
from .assemble import Assembler
from .base import Store
from .common import Error, locked
from .patches import Series
from .worktree import Record, WorkTree


def tree(ctx, spec=None, force=False):
    """Bring branch `series` and its checkout in line with the repository."""
    with locked(ctx.build):
        series = Series.load(ctx.repo)
        store = Store(ctx.repo, ctx.build)
        work = WorkTree(store.git)
        record = Record(store.git)
        locked_version = store.lock.version if store.lock else None
        previous = record.version if record.lock == locked_version else None
        base = store.choose(spec, previous, ctx.say)
        files = series.digests()
        same = record.version == base.version and not record.changed(files)
        if same and work.tip() and not force:
            return no_op(ctx, work, record, base)
        result = assemble(store, ctx, series, base)
        update(ctx, work, record, base, result, force, files)
        record.save(result.tip, base.version, locked_version, files)
        summary(ctx, store, base, result)
    return 0


def no_op(ctx, work, record, base):
    """Report that nothing changed in the repository."""
    note = '' if work.tip() == record.tip else \
        '; branch series has commits of its own (make refresh)'
    ctx.say(f'nothing to do: {record.tip[:12]} on {base.version}{note}')
    return 0


def assemble(store, ctx, series, base):
    """Assemble on a base that may not be the one base.lock names."""
    lock = store.lock if store.lock and store.lock.tree != base.tree else None
    origin = store.find(lock.version) if lock else None
    return Assembler(store.git, ctx.build, series).run(base, lock, origin)


def update(ctx, work, record, base, result, force, files):
    """Move the checkout to the new commits unless that loses work."""
    tip = work.tip()
    if force:
        if work.has_work(tip, record.tip) or work.dirty() or work.busy():
            ctx.say(f'the replaced work is kept as {work.keep()}')
        work.move(base.commit, result.tip, force=True)
        return
    if tip == result.tip and not work.busy():
        work.label(base.commit, tip)
        return
    if tip is not None:
        refuse(work, record, tip, files)
    work.move(base.commit, result.tip)


def refuse(work, record, tip, files):
    """Stop if moving the checkout would lose work."""
    busy = work.busy()
    if busy:
        raise Error(f'{work.name}: {busy}')
    own = work.has_work(tip, record.tip)
    other = record.changed(files) if record.files is not None or files.keys() != \
        {'patches/series'} else None
    if own and other:
        raise Error(f'branch series and the repository ({other}) both changed: keep the branch '
                    'with `make refresh FORCE=1` or the repository with `make tree FORCE=1`')
    if own:
        raise Error('branch series has commits that patches/ does not: `make refresh`, '
                    'or drop them with `make tree FORCE=1`')
    dirty = work.dirty()
    if dirty:
        raise Error(f'{work.name} has uncommitted changes ({dirty}): commit them and '
                    '`make refresh`, or drop them with `make tree FORCE=1`')


def summary(ctx, store, base, result):
    """Say in one line what was assembled."""
    total, moved, merged = len(result.how), result.count('moved'), result.count('merged')
    where = f'base {base.version}'
    if store.lock and store.lock.tree != base.tree:
        where += f' instead of {store.lock.version}'
    counts = f'{total - moved - merged} patches applied'
    if moved or merged or store.lock and store.lock.tree != base.tree:
        counts += f', {moved} moved, {merged} merged'
    oid = store.git.resolve(f'{result.tip}^{{tree}}')
    ctx.say(f'{where}: {counts}; commit {result.tip[:12]}, tree {oid[:12]}')
