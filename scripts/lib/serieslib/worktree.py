# SPDX-License-Identifier: GPL-2.0-only
"""The git tree the developer edits, and the record of its last assembly."""
import json
import os

from .common import Error, read_file, write_file

BRANCH = 'refs/heads/series'
LAST = 'refs/series/last'
DISCARDED = 'refs/series/discarded'
# Debian ignores all but its own directory, and no longer spares the dot-files that are sources.
DEBIAN = (b'/*', b'!/debian/')
SPARED = ('.clang-format', '.cocciconfig', '.get_maintainer.ignore', '.gitattributes',
          '.gitignore', '.kunitconfig', '.mailmap', '.rustfmt.toml')


class Record:
    """What the branch held and was made from when both sides last agreed."""

    def __init__(self, git):
        self.path = os.path.join(git.dir, 'series-state.json')
        data = read_file(self.path)
        fields = json.loads(data) if data else {}
        self.tip = fields.get('tip')
        self.version = fields.get('version')        # of the base
        self.lock = fields.get('lock')              # version in base.lock then
        self.files = fields.get('files')            # stored path -> digest

    def save(self, tip, version, lock, files):
        """Write the record."""
        fields = {'tip': tip, 'version': version, 'lock': lock, 'files': files}
        write_file(self.path, json.dumps(fields, indent=1).encode())

    def changed(self, files):
        """Return a stored path that differs from the record, or None."""
        before = self.files or {}
        paths = sorted(p for p in {*before, *files} if before.get(p) != files.get(p))
        return paths[0] if paths else None


class WorkTree:
    """Branch `series` and its checkout."""

    def __init__(self, git):
        self.git = git
        self.name = os.path.basename(os.path.dirname(git.path)) + '/linux'

    def tip(self):
        """Return the commit of the branch, or None."""
        return self.git.resolve(BRANCH)

    def root(self):
        """Return the base commit the branch stands on."""
        roots = self.git.text('rev-list', '--max-parents=0', BRANCH).split()
        if len(roots) != 1:
            raise Error(f'{self.name}: branch series has {len(roots)} roots: '
                        'rebase it on one base')
        return roots[0]

    def has_work(self, tip, last):
        """Tell whether the branch holds commits that were never refreshed."""
        if tip is None or tip == last:
            return False
        return last is not None or tip != self.root()

    def busy(self):
        """Return why the checkout cannot be moved, or None."""
        for entry, what in (('rebase-merge', 'rebase'), ('rebase-apply', 'rebase or am'),
                            ('MERGE_HEAD', 'merge'), ('CHERRY_PICK_HEAD', 'cherry-pick'),
                            ('REVERT_HEAD', 'revert')):
            if os.path.exists(os.path.join(self.git.dir, entry)):
                return f'a git {what} is in progress: finish or abort it'
        if self.git.head_branch() != 'series':
            return 'branch series is not checked out: `git switch series`'
        return None

    def dirty(self):
        """Return a path with uncommitted changes, or None."""
        out = self.git.text('status', '--porcelain', '-z', '--no-renames',
                            '--untracked-files=normal')
        return out.split('\0')[0][3:] or None

    def forgotten(self):
        """Return a file that only Debian's packaging keeps out of `git status`, or None."""
        rules = (read_file(os.path.join(self.git.path, '.gitignore')) or b'').splitlines()
        kept = [r for r in rules if r.strip() not in DEBIAN]
        excludes = os.path.join(self.git.dir, 'series-excludes')
        write_file(excludes, b'\n'.join([*kept, *(f'!{name}'.encode() for name in SPARED), b'']))
        # By the rules at the top; then, with what is there not ignored, by those below it.
        found = self.others(f'--exclude-from={excludes}')
        if found:
            shown = self.others('--exclude-standard', *(f'-x!{name}' for name in ('/*', *SPARED)))
            found = [path for path in found if path in shown]
        return found[0] if found else None

    def others(self, *rules):
        """Return the files that are neither in the index nor ignored by these rules."""
        out = self.git.text('ls-files', '-z', '--others', *rules)
        return list(filter(None, out.split('\0')))

    def keep(self):
        """Save commits and uncommitted changes under a ref; return it."""
        ref = f'{DISCARDED}/{self.count_discarded() + 1}'
        head = self.git.resolve('HEAD')
        if self.dirty():
            index = os.path.join(self.git.dir, 'series-keep-index')
            env = {'GIT_INDEX_FILE': index}
            data = read_file(os.path.join(self.git.dir, 'index'))
            write_file(index, data or b'')
            self.git.call('add', '-A', env=env)
            tree = self.git.text('write-tree', env=env)
            os.unlink(index)
            ident = {f'GIT_{who}_{what}': value for who in ('AUTHOR', 'COMMITTER')
                     for what, value in (('NAME', 'series'), ('EMAIL', 'series@invalid'))}
            head = self.git.text('commit-tree', tree, '-p', head, '-m',
                                 'Work discarded by make tree FORCE=1', env=ident)
        self.git.call('update-ref', ref, head)
        return ref

    def count_discarded(self):
        """Return the highest number of a kept ref."""
        refs = self.git.text('for-each-ref', '--format=%(refname)', DISCARDED).split()
        return max((int(r.rsplit('/', 1)[1]) for r in refs), default=0)

    def move(self, base, tip, force=False):
        """Set the branches and change only those files that differ."""
        git = self.git
        if force:
            # Leave no half-finished rebase behind that would undo this.
            for action in ('rebase', 'am', 'merge', 'cherry-pick', 'revert'):
                git.call(action, '--quit', check=False)
            git.call('update-ref', '--no-deref', 'HEAD', tip)
            git.call('reset', '-q', '--hard', tip)
            git.call('clean', '-q', '-f', '-d')
        elif git.resolve('HEAD') != tip:
            git.call('read-tree', '-m', '-u', 'HEAD', tip)
        self.label(base, tip)

    def label(self, base, tip):
        """Set the branches; the checkout must equal tip already."""
        self.git.call('update-ref', '-m', 'series: assembled', BRANCH, tip)
        self.git.call('update-ref', LAST, tip)
        self.git.call('update-ref', '-m', 'series: base', 'refs/heads/base', base)
        self.git.call('symbolic-ref', 'HEAD', BRANCH)
