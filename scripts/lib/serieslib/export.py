# SPDX-License-Identifier: GPL-2.0-only
"""series export and series hooks: what reviewers read."""
import os
import shutil

from .base import Store
from .common import (DIFF_ARGS, STAT_ARGS, Error, Git, clean_env, locked, read_file, run, scratch,
                     write_file)
from .patches import Series
from .worktree import BRANCH, Record, WorkTree

LOG = '--format=%T%n%an <%ae>%n%at%n%B%x00'


def settled(ctx):
    """Return (store, root) of a branch that equals the stored form."""
    store = Store(ctx.repo, ctx.build)
    if not store.exists():
        raise Error('no tree: `make tree`')
    work, record = WorkTree(store.git), Record(store.git)
    if record.files is None or record.changed(Series.load(ctx.repo).digests()):
        raise Error('the tree is not up to date: `make tree`')
    if work.tip() != record.tip:
        raise Error('branch series has commits that patches/ does not: `make refresh`')
    return store, work.root()


def cover_text(repo):
    """Return subject and body of the cover letter."""
    data = read_file(os.path.join(repo, 'patches', 'cover.txt'))
    if data is None:
        raise Error('patches/cover.txt is missing: first line subject, then a blank line and text')
    subject, _, body = data.decode().strip('\n').partition('\n')
    if not subject.strip() or not body.strip():
        raise Error('patches/cover.txt: expected a subject line, a blank line and text')
    return subject.strip(), body.strip('\n')


def format_series(ctx, git, root, base):
    """Write the mails into the output directory; return their paths."""
    subject, body = cover_text(ctx.repo)
    out = os.path.join(ctx.build, 'series')
    shutil.rmtree(out, ignore_errors=True)
    name, mail, when = git.text('show', '-s', '--format=%an%x00%ae%x00%ad', '--date=raw',
                                BRANCH).split('\0')
    env = {'GIT_COMMITTER_NAME': name, 'GIT_COMMITTER_EMAIL': mail, 'GIT_COMMITTER_DATE': when}
    git.call('format-patch', '-q', '-o', out, '--zero-commit', '--no-signature', '--no-signoff',
             '--cover-letter', '--cover-from-description=none', '--numbered',
             '--no-attach', '--no-thread', '--suffix=.patch', '--subject-prefix=PATCH',
             f'--base={root}', *DIFF_ARGS, f'{root}..{BRANCH}', env=env)
    mails = sorted(os.path.join(out, f) for f in os.listdir(out))
    text = read_file(mails[0]).decode()
    place = f'{body}\n\nBase: {base.package} {base.version} (tree {base.tree})'
    for mark, value in (('*** SUBJECT HERE ***', subject), ('*** BLURB HERE ***', place)):
        if text.count(mark) != 1:
            raise Error(f'git format-patch: no place for {mark} in the cover letter')
        text = text.replace(mark, value)
    write_file(mails[0], text.encode())
    return mails


def apply_mails(ctx, git, root, mails, paths):
    """Apply the mails on the base in a throw-away repository; return its log."""
    with scratch(ctx.build) as folder:
        run(['git', 'init', '-q', '--template=', '-b', 'am', folder], env=clean_env())
        other = Git(folder)
        write_file(os.path.join(other.dir, 'objects/info/alternates'),
                   os.path.join(git.dir, 'objects\n').encode())
        # Check out no more than the patches touch.
        write_file(os.path.join(other.dir, 'info/sparse-checkout'),
                   ''.join(f'/{path}\n' for path in paths).encode())
        other.call('config', 'core.sparseCheckout', 'true')
        other.call('update-ref', 'refs/heads/am', root)
        other.call('read-tree', '-m', '-u', 'HEAD')
        env = {'GIT_COMMITTER_NAME': 'am', 'GIT_COMMITTER_EMAIL': 'am@invalid'}
        done = other.call('am', '-q', '--keep-cr', '--keep-non-patch', '--no-3way', *mails,
                          env=env, check=False)
        if done.returncode:
            text = (done.stdout + done.stderr).decode('utf-8', 'replace')
            line = next((l for l in text.splitlines() if l.startswith(('Patch failed', 'error'))),
                        'no output')
            raise Error(f'git am refuses the exported series: {line}')
        tree = other.resolve('HEAD^{tree}')
        return tree, other.raw('log', '--reverse', LOG, f'{root}..HEAD')


def export(ctx):
    """Write the series as mails and prove that git am gives the same commits."""
    with locked(ctx.build):
        store, root = settled(ctx)
        git = store.git
        base = store.find_tree(git.resolve(f'{root}^{{tree}}'))
        if git.resolve(BRANCH) == root:
            raise Error('the series is empty')
        mails = format_series(ctx, git, root, base)
        paths = git.text('diff-tree', '-r', '-z', '--name-only', '--no-renames',
                         root, BRANCH).split('\0')
        tree, log = apply_mails(ctx, git, root, mails[1:], sorted(filter(None, paths)))
        want = git.resolve(f'{BRANCH}^{{tree}}')
        if tree != want:
            raise Error(f'git am gives tree {tree[:12]}, the branch has {want[:12]}')
        if log != git.raw('log', '--reverse', LOG, f'{root}..{BRANCH}'):
            raise Error('git am gives the same tree by other commits: a message does not '
                        'survive the mail format')
        ctx.say(f'{len(mails) - 1} patches and a cover letter in {os.path.dirname(mails[0])}; '
                f'git am on {base.version} gives the same tree {tree[:12]}')
    return 0


def hooks(ctx):
    """Print the lines added to and removed from each base file."""
    store = Store(ctx.repo, ctx.build)
    work = WorkTree(store.git)
    if not store.exists() or not work.tip():
        raise Error('no tree: `make tree`')
    root = work.root()
    out = store.git.text('diff-tree', '-r', '-z', '--numstat', *STAT_ARGS, root, BRANCH)
    rows = [line.split('\t', 2) for line in filter(None, out.split('\0'))]
    present = store.git.entries(root, [path for _, _, path in rows])
    totals = {'kernel': [0, 0, 0], 'others': [0, 0, 0], 'new files': [0, 0, 0]}
    for plus, minus, path in rows:
        plus, minus = (0 if n == '-' else int(n) for n in (plus, minus))
        kind = 'new files'
        if path in present:
            kind = 'others' if path.startswith(('tools/', 'Documentation/')) else 'kernel'
            print(f'{f"+{plus}":>7} {f"-{minus}":>6}  {path}')
        for at, count in enumerate((1, plus, minus)):
            totals[kind][at] += count
    for kind, (files, plus, minus) in totals.items():
        print(f'{kind}: {files} files, +{plus} -{minus}')
    return 0
