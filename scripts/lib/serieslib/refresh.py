# SPDX-License-Identifier: GPL-2.0-only
"""series refresh: branch -> stored form."""
import os

from .assemble import Assembler
from .base import LOCK, Store
from .common import DIFF_ARGS, Error, locked, read_file, remove_file, write_file
from .patches import (CUT_LINE, Patch, Series, check_path, load_older, parse_patch,
                      read_series, series_names, slug, split_diff, update_series)
from .worktree import BRANCH, Record, WorkTree

REGULAR = ('100644', '100755')


def commit_list(git, root):
    """Return the commits of the branch, oldest first; refuse merges."""
    out = git.text('rev-list', '--reverse', '--topo-order', '--parents', f'{root}..{BRANCH}')
    commits = [line.split() for line in out.splitlines()]
    for commit, *parents in commits:
        if len(parents) != 1:
            raise Error(f'{commit[:12]} is a merge: linearise it (`git rebase base`)')
    return [commit for commit, _ in commits]


def describe(git, commit):
    """Return author, date, subject and body of a commit."""
    try:
        out = git.text('show', '-s', '--no-color', '--format=%an <%ae>%x00%aD%x00%s%x00%b',
                       commit)
    except UnicodeDecodeError:
        raise Error(f'{commit[:12]}: the message is not UTF-8') from None
    author, date, subject, body = out.split('\0')
    if subject.startswith(('fixup! ', 'squash! ', 'amend! ')):
        raise Error(f'"{subject[:50]}" is not folded in: `git rebase -i --autosquash base`')
    if not subject:
        raise Error(f'{commit[:12]} has no subject')
    cut = CUT_LINE.search(body)
    if cut:
        raise Error(f'"{subject[:50]}": a message line starts with "{cut[1].strip()}", '
                    'which git am takes for the end: reword it')
    return author, date, subject, body.strip('\n')


def changes(git, commit):
    """Return ({added path}, [changed or deleted path]) of a commit."""
    out = git.text('diff-tree', '-r', '-z', '--raw', '--no-renames', '--no-commit-id',
                   '--no-abbrev', commit)
    added, changed = [], []
    fields = out.split('\0')
    for meta, path in zip(fields[0::2], fields[1::2]):
        old, new, _, _, status = meta.lstrip(':').split()
        for mode in (old, new):
            if mode not in (*REGULAR, '000000'):
                raise Error(f'{commit[:12]}: {path} is not a regular file')
        (added if status == 'A' else changed).append(path)
    return added, changed


def extract(git, root, kept):
    """Return the Series that the branch holds.

    kept maps the subject of each stored patch to its name, so that names stay.
    """
    patches, owner, taken = [], {}, set()
    for commit in commit_list(git, root):
        author, date, subject, body = describe(git, commit)
        added, changed = changes(git, commit)
        if not added and not changed:
            raise Error(f'"{subject[:50]}" changes nothing: drop it')
        name = kept.get(subject)
        if name is None or name in taken:
            name = slug(subject, taken)
        taken.add(name)
        for path in added:
            if path in owner:
                raise Error(f'patches/{name}.patch: {path} is added twice in the series')
            check_path(name, path)
            owner[path] = name
        diff = git.raw('diff-tree', '-p', '-r', '--no-commit-id', '--full-index', *DIFF_ARGS,
                       f'{commit}~', commit, '--', *changed) if changed else b''
        patches.append(Patch(name, author, date, subject, body, sorted(added),
                             split_diff(name, strip_index(diff))))
    overlay = git.files(BRANCH, owner)
    for path, name in owner.items():
        if path not in overlay:
            raise Error(f'patches/{name}.patch adds {path} and a later one deletes it: '
                        'fold them together')
    return Series(patches, overlay)


def strip_index(diff):
    """Drop the blob ids: they change with the base and say nothing."""
    out, in_hunks = [], False
    for line in diff.splitlines(keepends=True):
        if line.startswith(b'diff --git '):
            in_hunks = False
        elif line.startswith(b'@@ '):
            in_hunks = True
        if in_hunks or not line.startswith(b'index '):
            out.append(line)
    return b''.join(out)


def stored(repo):
    """Return {name: Patch} of the stored patches that can be parsed."""
    found = {}
    for name in series_names(read_series(repo)):
        try:
            with open(os.path.join(repo, 'patches', f'{name}.patch'), 'rb') as src:
                found[name] = parse_patch(name, src.read())
        except (Error, OSError):
            continue
    return found


def keep_older(ctx, series):
    """Give the patches of the branch their stored hunks for older bases.

    The branch has none, and refresh leaves them alone.
    """
    for patch in series.patches:
        try:
            patch.older = load_older(ctx.repo, patch.name, patch.chunks)
        except Error as err:
            ctx.say(f'{err}: mend it by hand, then `make tree`')


def check_sides(ctx, record, new, force):
    """Refuse to overwrite changes made in the repository."""
    if force:
        return
    try:
        now = Series.load(ctx.repo).digests()
    except Error as err:
        raise Error(f'{err} (or overwrite with `make refresh FORCE=1`)') from None
    if now == new.digests():
        return
    for path, (_, data) in new.overlay.items():
        full = os.path.join(ctx.repo, path)
        if path not in now and read_file(full) not in (None, data):
            raise Error(f'{path} is new in the tree and differs from the one in the repository, '
                        'which no patch names: make them equal, or `make refresh FORCE=1`')
    if record.files is None and now.keys() == {'patches/series'}:
        return
    path = record.changed(now)
    if path:
        raise Error(f'{path} changed in the repository since the last `make tree`: `make tree` '
                    'first, or overwrite it with `make refresh FORCE=1`')


def refresh(ctx, force=False):
    """Write branch `series` into patches/ and the overlay."""
    with locked(ctx.build):
        store = Store(ctx.repo, ctx.build)
        if not store.exists():
            raise Error('no tree to refresh from: `make tree`')
        store.adopt()
        git, work, record = store.git, WorkTree(store.git), Record(store.git)
        base = check_tree(store, work)
        before = stored(ctx.repo)
        new = extract(git, work.root(), {p.subject: n for n, p in before.items()})
        keep_older(ctx, new)
        check_sides(ctx, record, new, force)
        result = Assembler(git, ctx.build, new).run(base)
        compare(git, work.root(), result.commits)
        written, removed = write(ctx.repo, before, new)
        if not store.lock or store.lock.tree != base.tree:
            written += write_file(os.path.join(ctx.repo, LOCK), base.encode())
            store.lock = base
        work.label(base.commit, result.tip)
        record.save(result.tip, base.version, store.lock.version, new.digests())
        ctx.say(f'{len(new.patches)} patches on base {base.version}: {written} files written, '
                f'{removed} removed; commit {result.tip[:12]}')
    return 0


def check_tree(store, work):
    """Refuse an unfinished checkout; return the base the branch stands on."""
    if not work.tip():
        raise Error(f'{work.name} has no branch series: `make tree`')
    busy = work.busy()
    if busy:
        raise Error(f'{work.name}: {busy}')
    dirty = work.dirty()
    if dirty:
        raise Error(f'{work.name} has uncommitted changes ({dirty}): commit or remove them')
    path = work.forgotten()
    if path:
        raise Error(f"{work.name}: {path} is in no commit (Debian's .gitignore hides it from "
                    'git status): `git add -f` and commit it, or remove it')
    tree = store.git.resolve(f'{work.root()}^{{tree}}')
    base = store.find_tree(tree)
    if not base:
        raise Error(f'{work.name}: branch series does not stand on an imported base: '
                    '`git rebase --onto base ...`')
    return base


def compare(git, root, commits):
    """Check that the stored form leads to the trees of the branch."""
    ours = git.text('log', '--reverse', '--format=%T', f'{root}..{BRANCH}').split()
    theirs = git.text('log', '--reverse', '--format=%T',
                      f'{commits[0]}..{commits[-1]}').split()
    if ours != theirs:
        at = next(i for i, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1])
        raise Error(f'patch {at + 1} does not survive the round trip: report this as a bug')


def write(repo, before, new):
    """Write a Series; return the number of files written and removed."""
    written = removed = 0
    text = read_series(repo)
    old_names = series_names(text)
    names = [p.name for p in new.patches]
    for path, (mode, data) in new.overlay.items():
        written += write_file(os.path.join(repo, path), data, mode)
    for patch in new.patches:
        written += write_file(os.path.join(repo, 'patches', f'{patch.name}.patch'),
                              patch.encode())
    written += write_file(os.path.join(repo, 'patches', 'series'),
                          update_series(text, names).encode())
    for path in {p for patch in before.values() for p in patch.new} - set(new.overlay):
        removed += remove_file(repo, path)
    for name in set(old_names) - set(names):
        removed += remove_file(repo, f'patches/{name}.patch')
        removed += remove_file(repo, f'patches/older/{name}.patch')
    return written, removed
