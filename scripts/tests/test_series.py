#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of scripts/series on small synthetic base trees."""
import contextlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), 'lib'))

from serieslib import base, cli, patches  # noqa: E402

MAIN_C = ''.join(f'int line_{n};\n' for n in range(60))
COVER = 'KVM: a test\n\nText of the cover letter.\n'
HEADINGS = '# mm\n\n# core\n'


class Case(unittest.TestCase):
    """A repository, a base and a build directory that live for one test."""

    def setUp(self):
        self.top = tempfile.mkdtemp(prefix='series-test-')
        self.addCleanup(shutil.rmtree, self.top)
        self.repo = os.path.join(self.top, 'repo')
        self.build = os.path.join(self.repo, '.build')
        self.linux = os.path.join(self.build, 'linux')
        self.package = None
        env = {'GIT_AUTHOR_NAME': 'A U Thor', 'GIT_AUTHOR_EMAIL': 'author@example.org',
               'GIT_COMMITTER_NAME': 'C O Mitter', 'GIT_COMMITTER_EMAIL': 'c@example.org',
               'GIT_CONFIG_GLOBAL': os.devnull, 'GIT_CONFIG_NOSYSTEM': '1'}
        for patch in (mock.patch.object(base, 'installed', lambda name: self.package),
                      mock.patch.dict(os.environ, env)):
            patch.start()
            self.addCleanup(patch.stop)
        self.write(self.repo, 'patches/series', HEADINGS)
        self.write(self.repo, 'patches/cover.txt', COVER)
        self.package = ('6.1.5-1', self.tarball('6.1.5', MAIN_C))
        self.series('tree')
        self.write(self.repo, 'patches/base.lock', self.store().known()['6.1.5-1'].encode())
        self.series('tree')
        self.git('init', '-q', cwd=self.repo)
        self.git('add', '-A', '-f', 'patches', cwd=self.repo)
        self.git('commit', '-q', '-m', 'start', cwd=self.repo)

    def store(self):
        """The imports of the test."""
        return base.Store(self.repo, self.build)

    @staticmethod
    def write(root, path, data, mode=0o644):
        """Write a file below root."""
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, 'wb') as dst:
            dst.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(full, mode)

    @staticmethod
    def read(root, path):
        """Return the text of a file below root."""
        with open(os.path.join(root, path), encoding='utf-8') as src:
            return src.read()

    def source(self, version, main_c):
        """Make an unpacked base."""
        where = os.path.join(self.top, f'src-{version}')
        parts = version.split('.')
        self.write(where, 'Makefile', f'VERSION = {parts[0]}\nPATCHLEVEL = {parts[1]}\n'
                   f'SUBLEVEL = {parts[2]}\n')
        self.write(where, 'virt/kvm/main.c', main_c)
        self.write(where, 'virt/kvm/gone.c', 'int gone;\n')
        self.write(where, 'tools/run.sh', '#!/bin/sh\n', 0o755)
        self.write(where, '.gitignore', '*.s\n')
        self.write(where, 'virt/hidden.s', 'nop\n')
        os.symlink('main.c', os.path.join(where, 'virt/kvm/link.c'))
        return where

    def tarball(self, version, main_c):
        """Make a packed base."""
        name = os.path.join(self.top, f'linux-{version}.tar.xz')
        with tarfile.open(name, 'w:xz', preset=0) as tar:
            tar.add(self.source(version, main_c), 'linux-source-6.1')
        return name

    def git(self, *args, cwd=None):
        """Run git in the tree, return its output."""
        return subprocess.run(['git', '-C', cwd or self.linux, *args], check=True, text=True,
                              capture_output=True).stdout.strip()

    def series(self, *args, status=0):
        """Run a command; return what it printed (stderr if it was to fail)."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            got = cli.main(['--repo', self.repo, '--build', self.build, *args])
        self.assertEqual(got, status, out.getvalue() + err.getvalue())
        if status:
            self.assertEqual(err.getvalue().count('\n'), 1, err.getvalue())
        return err.getvalue() if status else out.getvalue()

    def commit(self, subject, *paths):
        """Commit paths of the tree."""
        self.git('add', '-A', '-f', *paths)
        self.git('commit', '-q', '-m', subject)
        return self.git('rev-parse', 'HEAD')

    def edit(self, root, path, old, new):
        """Replace text in a file."""
        text = self.read(root, path)
        self.assertIn(old, text)
        mode = os.stat(os.path.join(root, path)).st_mode
        self.write(root, path, text.replace(old, new, 1), mode)

    def three(self):
        """Make and refresh a series of three patches."""
        self.write(self.linux, 'virt/kvm/demo.c', 'int demo;\n')
        self.commit('KVM: add demo\n\nA body, not ASCII: \u00e4.', 'virt/kvm/demo.c')
        self.edit(self.linux, 'virt/kvm/main.c', 'int line_30;\n', 'int line_30;\nint hook;\n')
        self.commit('KVM: hook', 'virt/kvm/main.c')
        self.write(self.linux, 'tools/new.sh', '#!/bin/sh\n', 0o755)
        self.edit(self.linux, 'virt/kvm/demo.c', 'int demo;\n', 'int demo;\nint grown;\n')
        self.commit('KVM: grow demo', 'tools/new.sh', 'virt/kvm/demo.c')
        self.series('refresh')
        self.git('add', '-A', '-f', 'patches', 'virt', 'tools', cwd=self.repo)
        self.git('commit', '-q', '-m', 'three', cwd=self.repo)

    def changed(self):
        """Return the status of the repository."""
        return self.git('status', '--porcelain', '--', 'patches', 'virt', 'tools',
                        cwd=self.repo)


class TestRoundTrip(Case):
    """tree and refresh are each other's inverse."""

    def test_stored_form(self):
        self.three()
        self.assertEqual(self.read(self.repo, 'patches/series'),
                         '# mm\nkvm-add-demo\nkvm-hook\nkvm-grow-demo\n\n# core\n')
        self.assertEqual(self.read(self.repo, 'virt/kvm/demo.c'), 'int demo;\nint grown;\n')
        self.assertTrue(os.access(os.path.join(self.repo, 'tools/new.sh'), os.X_OK))
        self.assertNotIn('index ', self.read(self.repo, 'patches/kvm-hook.patch'))
        self.assertFalse(os.path.exists(os.path.join(self.repo, 'virt/kvm/main.c')))

    def test_tree_then_refresh(self):
        self.three()
        tip = self.git('rev-parse', 'series')
        shutil.rmtree(self.build)
        self.series('tree')
        self.assertEqual(self.git('rev-parse', 'series'), tip)
        self.assertEqual(self.git('status', '--porcelain'), '')
        self.assertEqual(self.git('show', 'series~2:virt/kvm/demo.c'), 'int demo;')
        self.series('refresh')
        self.assertEqual(self.changed(), '')
        self.assertEqual(self.git('rev-parse', 'series'), tip)

    def test_ids_do_not_depend_on_the_user(self):
        self.three()
        tip = self.git('rev-parse', 'series')
        shutil.rmtree(self.build)
        config = os.path.join(self.top, 'gitconfig')
        self.write(self.top, 'gitconfig', '[diff]\n\tnoprefix = true\n\talgorithm = patience\n'
                   '\tcontext = 1\n[core]\n\tautocrlf = true\n\tabbrev = 7\n[commit]\n'
                   '\tgpgSign = true\n[apply]\n\twhitespace = fix\n')
        old = os.umask(0o077)
        self.addCleanup(os.umask, old)
        with mock.patch.dict(os.environ, {'GIT_CONFIG_GLOBAL': config, 'TZ': 'Asia/Tokyo',
                                          'LC_ALL': 'C.UTF-8', 'GIT_DIR': '/nowhere'}):
            self.series('tree')
            self.series('refresh')
        self.assertEqual(self.git('rev-parse', 'series'), tip)
        self.assertEqual(self.changed(), '')

    def test_second_run_touches_nothing(self):
        self.three()
        before = {f: os.stat(os.path.join(self.linux, f)).st_mtime_ns
                  for f in ('virt/kvm/main.c', 'virt/kvm/demo.c', 'Makefile')}
        self.assertIn('nothing to do', self.series('tree'))
        self.edit(self.repo, 'virt/kvm/demo.c', 'int grown;\n', 'int grown;\nint more;\n')
        self.series('tree', status=1)           # the later patch has lost its context
        self.edit(self.repo, 'virt/kvm/demo.c', 'int more;\n', '')
        self.edit(self.repo, 'tools/new.sh', '#!/bin/sh\n', '#!/bin/sh\n:\n')
        self.series('tree')
        self.assertEqual(self.read(self.linux, 'tools/new.sh'), '#!/bin/sh\n:\n')
        self.assertEqual(self.git('status', '--porcelain'), '')
        for path, when in before.items():
            self.assertEqual(os.stat(os.path.join(self.linux, path)).st_mtime_ns, when, path)

    def test_modes_deletion_and_missing_newline(self):
        os.chmod(os.path.join(self.linux, 'virt/kvm/main.c'), 0o755)
        self.git('rm', '-q', 'virt/kvm/gone.c')
        self.write(self.linux, 'virt/odd name.bin', b'\0\xff\r\nno newline')
        self.commit('odd', 'virt')
        tip = self.git('rev-parse', 'HEAD^{tree}')
        self.series('refresh')
        shutil.rmtree(self.build)
        self.series('tree')
        self.assertEqual(self.git('rev-parse', 'series^{tree}'), tip)
        self.assertFalse(os.path.exists(os.path.join(self.linux, 'virt/kvm/gone.c')))

    def test_dropped_patch(self):
        self.three()
        self.write(self.repo, 'virt/kvm/unrelated.c', 'int keep;\n')
        self.git('reset', '-q', '--hard', 'HEAD~1')
        self.series('refresh')
        self.assertFalse(os.path.exists(os.path.join(self.repo, 'tools')))
        self.assertFalse(os.path.exists(os.path.join(self.repo, 'patches/kvm-grow-demo.patch')))
        self.assertTrue(os.path.exists(os.path.join(self.repo, 'virt/kvm/unrelated.c')))
        self.assertEqual(self.read(self.repo, 'virt/kvm/demo.c'), 'int demo;\n')

    def test_same_subject_twice(self):
        for name in ('one', 'two'):
            self.write(self.linux, f'virt/{name}.c', 'int x;\n')
            self.commit('KVM: same', f'virt/{name}.c')
        self.series('refresh')
        self.assertEqual(patches.series_names(self.read(self.repo, 'patches/series')),
                         ['kvm-same', 'kvm-same-2'])


class TestGuards(Case):
    """Work is not lost and errors are one line."""

    def test_unrefreshed_commits(self):
        self.three()
        self.edit(self.linux, 'virt/kvm/main.c', 'int hook;', 'int hook2;')
        work = self.commit('KVM: more', 'virt/kvm/main.c')
        self.assertIn('commits of its own', self.series('tree'))
        self.edit(self.repo, 'tools/new.sh', '#!/bin/sh\n', '#!/bin/sh\n:\n')
        self.assertIn('both changed', self.series('tree', status=1))
        self.assertIn('tools/new.sh changed', self.series('refresh', status=1))
        self.assertEqual(self.git('rev-parse', 'HEAD'), work)
        self.assertIn('kept as', self.series('tree', '--force'))
        self.assertEqual(self.read(self.linux, 'tools/new.sh'), '#!/bin/sh\n:\n')
        self.assertEqual(self.git('rev-parse', 'refs/series/discarded/1'), work)

    def test_refresh_by_force(self):
        self.three()
        self.edit(self.repo, 'tools/new.sh', '#!/bin/sh\n', '#!/bin/sh\n:\n')
        self.series('refresh', status=1)
        self.series('refresh', '--force')
        self.assertEqual(self.changed(), '')

    def test_unrefreshed_commits_and_force(self):
        self.three()
        tip = self.git('rev-parse', 'HEAD')
        self.git('commit', '-q', '--amend', '-m', 'KVM: other words')
        self.write(self.linux, 'virt/kvm/loose.c', 'int loose;\n')
        self.series('tree', '--force')
        self.assertEqual(self.git('rev-parse', 'HEAD'), tip)
        self.assertEqual(self.git('status', '--porcelain'), '')
        self.assertEqual(self.git('show', 'refs/series/discarded/1:virt/kvm/loose.c'),
                         'int loose;')

    def test_a_file_hidden_by_debian(self):
        self.three()
        self.write(self.linux, '.gitignore', '*.o\n/*\n!/debian/\n')
        self.git('add', '-f', '.gitignore')
        self.git('commit', '-q', '-m', 'Ignore')
        self.write(self.linux, 'virt/kvm/loose.c', 'int loose;\n')
        self.write(self.linux, 'virt/kvm/loose.o', '')
        self.assertIn('virt/kvm/loose.c is in no commit', self.series('refresh', status=1))

    def debian(self):
        """Let the tree ignore what Debian's does."""
        self.three()
        self.write(self.linux, '.gitignore', '.*\n*.o\n/vmlinux\n/*\n!/debian/\n')
        self.write(self.linux, 'virt/kvm/.gitignore', '*_test\n!*_test.o\n')
        self.commit('Ignore', '.gitignore', 'virt/kvm/.gitignore')

    def test_a_forgotten_file_anywhere(self):
        self.debian()
        for path in ('new.c', 'new/dir/a.c', 'scripts/new.py', 'debian/new', 'odd \u00e4/b c.c',
                     'virt/kvm/a_test.c', 'tools/.gitignore', 'tools/.kunitconfig'):
            self.write(self.linux, path, 'x\n')
            for force in ((), ('--force',)):
                with self.subTest(path=path, force=force):
                    said = self.series('refresh', *force, status=1)
                    self.assertRegex(said, 'commit (it, or remove it|or remove them)')
                    self.assertIn(path if path != 'debian/new' else 'debian/', said)
            os.unlink(os.path.join(self.linux, path))
        self.series('refresh')

    def test_what_is_built_is_not_forgotten(self):
        self.debian()
        self.write(self.linux, '.git/info/exclude', 'notes\n')
        for path in ('vmlinux', 'virt/main.o', 'virt/kvm/a_test', 'virt/.main.o.cmd', 'tools/notes'):
            self.write(self.linux, path, 'x\n')
        self.series('refresh')

    def test_uncommitted_changes(self):
        self.three()
        self.edit(self.linux, 'virt/kvm/main.c', 'int line_1;', 'int line_one;')
        self.assertIn('uncommitted', self.series('refresh', status=1))
        self.series('tree')
        self.edit(self.repo, 'tools/new.sh', '#!/bin/sh\n', '#!/bin/sh\n:\n')
        self.assertIn('uncommitted changes (virt/kvm/main.c)', self.series('tree', status=1))
        self.assertIn('int line_one;', self.read(self.linux, 'virt/kvm/main.c'))

    def test_untracked_file_counts_as_work(self):
        self.three()
        self.write(self.linux, 'virt/kvm/forgotten.c', 'int f;\n')
        self.assertIn('forgotten.c', self.series('refresh', status=1))

    def test_file_no_patch_names(self):
        self.write(self.repo, 'virt/kvm/demo.c', 'int draft;\n')
        self.write(self.linux, 'virt/kvm/demo.c', 'int demo;\n')
        self.commit('KVM: demo', 'virt/kvm/demo.c')
        self.assertIn('virt/kvm/demo.c is new in the tree', self.series('refresh', status=1))
        self.assertEqual(self.read(self.repo, 'virt/kvm/demo.c'), 'int draft;\n')
        with mock.patch.dict(os.environ, {'FORCE': '1'}):
            self.series('refresh')
        self.assertEqual(self.read(self.repo, 'virt/kvm/demo.c'), 'int demo;\n')

    def test_usage(self):
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as stop:
            cli.main(['no-such-command'])
        self.assertEqual(stop.exception.code, 2)

    def test_merge_is_refused(self):
        self.three()
        self.git('checkout', '-q', '-b', 'side', 'HEAD~1')
        self.write(self.linux, 'virt/kvm/side.c', 'int s;\n')
        self.commit('side', 'virt/kvm/side.c')
        self.assertIn('not checked out', self.series('refresh', status=1))
        self.git('checkout', '-q', 'series')
        self.git('merge', '-q', '--no-edit', 'side')
        self.assertIn('is a merge', self.series('refresh', status=1))

    def test_fixup_is_refused(self):
        self.write(self.linux, 'virt/kvm/demo.c', 'int demo;\n')
        self.commit('fixup! KVM: demo', 'virt/kvm/demo.c')
        self.assertIn('autosquash', self.series('refresh', status=1))

    def test_cut_line_is_refused(self):
        self.write(self.linux, 'virt/kvm/demo.c', 'int demo;\n')
        self.commit('KVM: demo\n\ntext\n---\nmore', 'virt/kvm/demo.c')
        self.assertIn('reword', self.series('refresh', status=1))

    def test_contradictory_edit(self):
        self.three()
        self.edit(self.repo, 'virt/kvm/demo.c', 'int grown;\n', 'int other;\n')
        said = self.series('tree', status=1)
        self.assertIn('patches/kvm-grow-demo.patch', said)
        self.assertIn('virt/kvm/demo.c', said)

    def test_hunk_that_does_not_apply(self):
        self.three()
        self.edit(self.repo, 'patches/kvm-hook.patch', ' int line_31;', ' int line_xx;')
        said = self.series('tree', status=1)
        self.assertIn('patches/kvm-hook.patch: virt/kvm/main.c', said)

    def test_whitespace_error(self):
        self.three()
        self.edit(self.repo, 'patches/kvm-hook.patch', '+int hook;', '+int hook; ')
        self.assertIn('trailing whitespace', self.series('tree', status=1))

    def test_reserved_names(self):
        for path in ('README.md', 'scripts/x', '.ci/x', 'patches/y', '../out'):
            with self.assertRaises(patches.Error):
                patches.check_path('name', path)
        patches.check_path('name', 'virt/kvm/Kconfig')
        self.write(self.linux, 'scripts/new.py', 'x\n')
        self.commit('scripts', 'scripts/new.py')
        self.assertIn('reserved', self.series('refresh', status=1))

    def test_missing_overlay_file(self):
        self.three()
        os.unlink(os.path.join(self.repo, 'tools/new.sh'))
        self.assertIn('tools/new.sh', self.series('tree', status=1))


class TestBase(Case):
    """Other bases than the locked one."""

    def other(self, main_c, version='6.1.7'):
        """Make another base; return its tarball."""
        return self.tarball(version, main_c)

    def forget(self):
        """Start again with nothing but the other base at hand."""
        shutil.rmtree(self.build)

    def test_offset_and_back(self):
        self.three()
        tip = self.git('rev-parse', 'series')
        said = self.series('tree', '--base', self.other('int first;\n' * 5 + MAIN_C))
        self.assertIn('base 6.1.7 instead of 6.1.5-1: 2 patches applied, 1 moved, 0 merged', said)
        self.assertEqual(self.changed(), '')
        self.assertIn('nothing to do', self.series('tree'))
        self.series('tree', '--base', '6.1.5-1')
        self.assertEqual(self.git('rev-parse', 'series'), tip)

    def test_other_base_keeps_unrefreshed_commits(self):
        self.three()
        self.git('commit', '-q', '--amend', '-m', 'KVM: other words')
        work = self.git('rev-parse', 'HEAD')
        tarball = self.other(MAIN_C + '\n')
        self.assertIn('commits that patches/ does not', self.series('rebase', tarball, status=1))
        self.assertEqual(self.git('rev-parse', 'HEAD'), work)

    def test_refresh_on_other_base(self):
        self.three()
        self.series('tree', '--base', self.other('int first;\n' * 5 + MAIN_C))
        tip = self.git('rev-parse', 'series')
        self.series('refresh')
        self.assertIn('version: 6.1.7', self.read(self.repo, 'patches/base.lock'))
        self.assertIn('@@ -34,', self.read(self.repo, 'patches/kvm-hook.patch'))
        self.assertEqual(self.git('rev-parse', 'series'), tip)
        self.assertIn('nothing to do', self.series('tree'))

    def context(self):
        """A base that changes a context line of the hook."""
        return MAIN_C.replace('int line_28;', 'long line_28;')

    def test_merge_with_old_base(self):
        self.three()
        said = self.series('tree', '--base', self.other(self.context()))
        self.assertIn('2 patches applied, 0 moved, 1 merged', said)
        self.assertIn('int line_30;\nint hook;\nint line_31;',
                      self.read(self.linux, 'virt/kvm/main.c'))

    def test_merge_without_old_base(self):
        self.three()
        self.forget()
        self.package = ('6.1.7-1', self.other('int a;\n' * 9 + self.context()))
        said = self.series('tree')
        self.assertIn('base 6.1.7-1 instead of 6.1.5-1: 2 patches applied, 0 moved, 1 merged',
                      said)
        self.assertIn('int line_30;\nint hook;\nint line_31;',
                      self.read(self.linux, 'virt/kvm/main.c'))
        self.assertEqual(self.changed(), '')

    def conflict(self):
        """A base that changes the line the second hook changes."""
        return MAIN_C.replace('int line_40;', 'char line_40;')

    def clash(self):
        """A series that changes line 40."""
        self.edit(self.linux, 'virt/kvm/main.c', 'int line_40;', 'long line_40;')
        self.commit('KVM: line 40', 'virt/kvm/main.c')
        self.series('refresh')

    def test_conflict(self):
        self.clash()
        tip = self.git('rev-parse', 'series')
        said = self.series('tree', '--base', self.other(self.conflict()), status=1)
        self.assertIn('patches/kvm-line-40.patch: conflict in virt/kvm/main.c', said)
        self.assertIn('<<<<<<<', self.read(self.build, 'conflict/virt/kvm/main.c'))
        self.assertEqual(self.git('rev-parse', 'HEAD'), tip)
        self.assertEqual(self.git('status', '--porcelain'), '')

    def older(self, old, path='virt/kvm/main.c'):
        """Store the hunk that makes line 40 long where it is OLD."""
        at = (f'diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n'
              f'@@ -39,3 +39,3 @@\n int line_39;\n-{old} line_40;\n+long line_40;\n'
              ' int line_41;\n')
        self.write(self.repo, 'patches/older/kvm-line-40.patch', f'Because.\n\n{at}')

    def test_hunks_for_an_older_base(self):
        self.clash()
        self.older('char')
        said = self.series('tree', '--base', self.other(self.conflict()))
        self.assertIn('1 merged', said)
        self.assertIn('int line_39;\nlong line_40;', self.read(self.linux, 'virt/kvm/main.c'))

    def test_hunks_for_another_base(self):
        self.clash()
        self.older('short')
        said = self.series('tree', '--base', self.other(self.conflict()), status=1)
        self.assertIn('patches/kvm-line-40.patch: conflict in virt/kvm/main.c', said)

    def test_older_hunks_of_another_file(self):
        self.clash()
        self.older('char', path='mm/a.c')
        said = self.series('tree', '--base', self.other(self.conflict()), status=1)
        self.assertIn('patches/older/kvm-line-40.patch: mm/a.c is not in '
                      'patches/kvm-line-40.patch', said)

    def test_refresh_beside_hunks_for_an_older_base(self):
        self.clash()
        self.older('char')
        self.series('tree')
        self.write(self.linux, 'virt/kvm/demo.c', 'int demo;\n')
        self.commit('KVM: demo', 'virt/kvm/demo.c')
        stored = self.read(self.repo, 'patches/older/kvm-line-40.patch')
        for _ in range(2):
            self.assertIn('2 patches', self.series('refresh'))
        self.assertIn('nothing to do', self.series('tree'))
        self.series('export')
        self.assertEqual(self.read(self.repo, 'patches/older/kvm-line-40.patch'), stored)
        self.older('short')
        self.git('commit', '-q', '--amend', '-m', 'KVM: demo, again')
        self.assertIn('patches/older/kvm-line-40.patch changed', self.series('refresh', status=1))

    def test_refresh_outlives_hunks_for_an_older_base(self):
        self.clash()
        self.older('char')
        self.series('tree')
        self.git('reset', '-q', '--hard', 'base')
        self.edit(self.linux, 'virt/kvm/gone.c', 'int gone;', 'long gone;')
        self.commit('KVM: line 40', 'virt/kvm/gone.c')
        said = 'patches/older/kvm-line-40.patch: virt/kvm/main.c is not in'
        self.assertIn(said, self.series('refresh'))
        self.assertIn(said, self.series('tree', status=1))
        os.unlink(os.path.join(self.repo, 'patches/older/kvm-line-40.patch'))
        self.series('tree')
        self.series('refresh')

    def test_conflict_without_old_base(self):
        self.clash()
        self.forget()
        said = self.series('tree', '--base', self.other(self.conflict()), status=1)
        self.assertIn('patches/kvm-line-40.patch: conflict in virt/kvm/main.c', said)

    def test_rebase_by_hand(self):
        self.clash()
        tarball = self.other(self.conflict())
        self.series('base', '--base', tarball)
        rebase = subprocess.run(['git', '-C', self.linux, 'rebase', '-q', '-X', 'theirs', '--onto',
                                 'base-6.1.7', 'base', 'series'], capture_output=True, check=False)
        self.assertEqual(rebase.returncode, 0, rebase.stderr)
        self.series('refresh')
        self.assertIn('version: 6.1.7', self.read(self.repo, 'patches/base.lock'))
        self.assertIn('-char line_40;', self.read(self.repo, 'patches/kvm-line-40.patch'))

    def test_import_ways_agree(self):
        tarball = self.other('int other;\n')
        self.series('base', '--base', tarball)
        streamed = self.store().known()['6.1.7']
        self.forget()
        self.series('base', '--base', tarball)
        self.assertEqual(self.store().known()['6.1.7'].commit, streamed.commit)
        self.forget()
        self.series('base', '--base', os.path.join(self.top, 'src-6.1.7'))
        self.assertEqual(self.store().known()['6.1.7'].commit, streamed.commit)
        self.assertEqual(self.git('ls-tree', '-r', '--name-only', 'base-6.1.7').split('\n'),
                         ['.gitignore', 'Makefile', 'tools/run.sh', 'virt/hidden.s',
                          'virt/kvm/gone.c', 'virt/kvm/link.c', 'virt/kvm/main.c'])

    def test_wrong_package(self):
        self.forget()
        self.package = ('6.1.5-1', self.other('int tampered;\n'))
        self.assertIn('checksum or tree differs', self.series('tree', status=1))

    def test_unknown_base(self):
        self.assertIn('neither', self.series('tree', '--base', 'nonsense', status=1))
        self.forget()
        self.package = None
        self.assertIn('apt-get install', self.series('tree', status=1))

    def test_adopts_an_import_made_by_hand(self):
        self.three()
        tree = self.git('rev-parse', 'base^{tree}')
        tip = self.git('rev-parse', 'series')
        env = {'GIT_AUTHOR_DATE': '@5 +0000', 'GIT_COMMITTER_DATE': '@5 +0000'}
        with mock.patch.dict(os.environ, env):
            mine = self.git('commit-tree', tree, '-m', 'by hand')
        self.git('rebase', '-q', '--onto', mine, 'base', 'series')
        self.git('branch', '-f', 'base', mine)
        self.git('tag', '-d', 'base-6.1.5-1')
        for name in ('series-state.json', 'series-bases.json'):
            os.unlink(os.path.join(self.linux, '.git', name))
        self.assertNotEqual(self.git('rev-parse', 'series'), tip)
        self.series('refresh')
        self.assertEqual(self.git('rev-parse', 'series'), tip)
        self.assertEqual(self.changed(), '')


class TestExport(Case):
    """The mails."""

    def test_export(self):
        self.three()
        self.assertIn('same tree', self.series('export'))
        folder = os.path.join(self.build, 'series')
        self.assertEqual(len(os.listdir(folder)), 4)
        text = ''.join(self.read(folder, name) for name in sorted(os.listdir(folder)))
        self.assertIn('[PATCH 0/3] KVM: a test', text)
        self.assertIn('Text of the cover letter.', text)
        self.assertIn('base-commit: ', text)
        self.assertNotIn('Signed-off-by', text)
        self.series('export')
        self.assertEqual(text, ''.join(self.read(folder, name)
                                       for name in sorted(os.listdir(folder))))
        self.assertEqual(self.git('status', '--porcelain'), '')

    def test_export_needs_refresh(self):
        self.three()
        self.git('commit', '-q', '--amend', '-m', 'KVM: other')
        self.assertIn('make refresh', self.series('export', status=1))

    def test_mail_that_changes_the_message(self):
        self.write(self.linux, 'virt/kvm/demo.c', 'int demo;\n')
        self.commit('KVM: demo\n\nFrom: Somebody Else <else@example.org>\n\ntext',
                    'virt/kvm/demo.c')
        self.series('refresh')
        self.assertIn('does not survive', self.series('export', status=1))

    def test_hooks(self):
        self.three()
        said = self.series('hooks')
        self.assertIn('+1     -0  virt/kvm/main.c', said)
        self.assertIn('kernel: 1 files, +1 -0', said)
        self.assertIn('new files: 2 files, +3 -0', said)


class TestSeriesFile(unittest.TestCase):
    """patches/series keeps its comments."""

    def test_new_name_follows_its_predecessor(self):
        text = '# about\n\n# mm\na\n\n# core\nb\n'
        self.assertEqual(patches.update_series(text, ['a', 'x', 'b', 'y']),
                         '# about\n\n# mm\na\nx\n\n# core\nb\ny\n')

    def test_first_and_only(self):
        self.assertEqual(patches.update_series('# mm\n# core\n', ['n']), '# mm\nn\n# core\n')
        self.assertEqual(patches.update_series('# mm\na\n', ['n', 'a']), '# mm\nn\na\n')
        self.assertEqual(patches.update_series('', ['n', 'm']), 'n\nm\n')

    def test_dropped(self):
        self.assertEqual(patches.update_series('# mm\na\n# core\nb\n', ['b']),
                         '# mm\n# core\nb\n')

    def test_reordered(self):
        text = '# mm\na\n\n# core\nb\nc\n'
        self.assertEqual(patches.update_series(text, ['a', 'c', 'b']),
                         '# mm\na\n\n# core\nc\nb\n')

    def test_bad_names(self):
        for text in ('a\na\n', '../x\n'):
            with self.assertRaises(patches.Error):
                patches.series_names(text)


if __name__ == '__main__':
    unittest.main()
