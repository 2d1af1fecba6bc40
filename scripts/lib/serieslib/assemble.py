# SPDX-License-Identifier: GPL-2.0-only
"""Turn the stored form into one commit per patch.

Nothing here touches the work tree: files live in memory, hunks are applied in a
scratch directory that holds only the files of one patch, and git fast-import
makes the commits.
"""
import dataclasses
import os
import re
import shutil

from .common import (Error, clean_env, file_mode, first_line, read_file, run, scratch,
                     write_file)

IMPORT_REF = 'refs/series/assembling'


@dataclasses.dataclass
class Step:
    """What one patch does: path -> (mode, bytes), None for an absent file."""
    before: dict
    after: dict


@dataclasses.dataclass
class Result:
    """The commits of an assembly and how the patches fitted."""
    commits: list
    how: dict               # patch name -> 'applied', 'moved' or 'merged'

    @property
    def tip(self):
        """The last commit (the base for an empty series)."""
        return self.commits[-1]

    def count(self, kind):
        """Return the number of patches that fitted that way."""
        return sum(1 for how in self.how.values() if how == kind)


class Bench:
    """A directory to apply diffs in."""

    def __init__(self, folder):
        self.folder = folder
        self.work = os.path.join(folder, 'work')
        # Keep git apply from seeing a repository around the build directory.
        self.env = clean_env(GIT_CEILING_DIRECTORIES=os.path.realpath(folder))

    def lay(self, files):
        """Put the files in place, nothing else."""
        shutil.rmtree(self.work, ignore_errors=True)
        os.mkdir(self.work)
        for path, entry in files.items():
            if entry is not None:
                mode, data = entry
                if not mode.startswith('100'):
                    raise Error(f'{path} is not a regular file: it cannot have hunks')
                write_file(os.path.join(self.work, path), data, mode)

    def take(self, paths):
        """Read the files back."""
        found = {}
        for path in paths:
            full = os.path.join(self.work, path)
            data = read_file(full)
            found[path] = None if data is None else (file_mode(full), data)
        return found

    def apply(self, files, diff, *args):
        """Apply a diff with git; return (files or None, stderr)."""
        self.lay(files)
        done = run(['git', '-c', 'core.whitespace=blank-at-eol,space-before-tab,blank-at-eof',
                    'apply', '-v', *args, '-'],
                   inp=diff, cwd=self.work, env=self.env, check=False)
        return (None if done.returncode else self.take(files)), done.stderr

    def merge3(self, ours, old, theirs):
        """Merge three versions; return (clean, text)."""
        names = []
        for name, data in (('ours', ours), ('old', old), ('theirs', theirs)):
            names.append(os.path.join(self.folder, name))
            write_file(names[-1], data)
        done = run(['git', 'merge-file', '-p', '-q', '--diff3', '-L', 'new base', '-L',
                    'old base', '-L', 'patch', *names], env=self.env, check=False)
        if done.returncode >= 128:
            raise Error(f'git merge-file: {first_line(done.stderr)}')
        return done.returncode == 0, done.stdout

    def patch_merge(self, path, entry, diff):
        """Merge hunks without their base (GNU patch); return (clean, entry)."""
        self.lay({path: entry})
        done = run(['patch', '--merge=diff3', '-p1', '-s', '-f', '--no-backup-if-mismatch'],
                   inp=diff, cwd=self.work, check=False)
        return done.returncode == 0, self.take([path])[path]


class Assembler:
    """Applies a series to one base."""

    def __init__(self, git, build, series):
        self.git = git
        self.build = build
        self.series = series

    def introduced(self, bench):
        """Return {path: first version}: final text minus the hunks of later patches."""
        first = dict(self.series.overlay)
        for patch in reversed(self.series.patches):
            for path, chunk in patch.chunks.items():
                if path not in first:
                    continue
                files, _ = bench.apply({path: first[path]}, chunk, '-R')
                if not files or not files[path]:
                    raise Error(f'patches/{patch.name}.patch: {path} was edited where this '
                                'later patch changes it: adapt the hunk or edit in the tree')
                first[path] = files[path]
        return first

    def steps(self, bench, base, old=None):
        """Return ([Step], how) of all patches on a base; old are the steps elsewhere."""
        overlay = self.introduced(bench)
        touched = {p for patch in self.series.patches for p in (*patch.chunks, *patch.new)}
        state = self.git.files(base.commit, touched)
        steps, how = [], {}
        for at, patch in enumerate(self.series.patches):
            for path in patch.new:
                if state.get(path):
                    raise Error(f'patches/{patch.name}.patch: New: {path} exists in the base '
                                f'{base.version}')
            before = {p: state.get(p) for p in (*patch.new, *patch.chunks)}
            mover = Mover(self, bench, base, old[at]) if old is not None else None
            after, how[patch.name] = self.apply(bench, patch, before, mover)
            after.update({p: overlay[p] for p in patch.new})
            if after == before:
                raise Error(f'patches/{patch.name}.patch changes nothing on {base.version}: '
                            'drop it from patches/series')
            steps.append(Step(before, after))
            state.update(after)
        for path, entry in self.series.overlay.items():
            if state.get(path) != entry:
                name = [p.name for p in self.series.patches if path in p.chunks][-1]
                raise Error(f'patches/{name}.patch: its hunks do not lead to {path} as stored')
        return steps, how

    def apply(self, bench, patch, before, mover):
        """Return (files after the hunks of a patch, how they fitted)."""
        if not patch.chunks:
            return {}, 'applied'
        files = {p: before[p] for p in patch.chunks}
        for path, entry in files.items():
            if entry is None:
                raise Error(f'patches/{patch.name}.patch: {path} does not exist before it')
        if mover:
            return mover.move(patch, files)
        diff = b''.join(patch.chunks.values())
        after, err = bench.apply(files, diff, '--whitespace=error')
        if after is not None:
            return after, 'moved' if b'(offset ' in err else 'applied'
        for path, chunk in patch.chunks.items():
            after, err = bench.apply({path: files[path]}, chunk, '--whitespace=error')
            if after is None:
                raise Error(f'patches/{patch.name}.patch: {path}: {reason(err)}')
        raise Error(f'patches/{patch.name}.patch: {reason(err)}')

    def commit(self, base, steps):
        """Make the commits; return their ids, the base first."""
        patches = self.series.patches
        if not patches:
            return [base.commit]
        out = [b'feature done\n']
        for at, (patch, step) in enumerate(zip(patches, steps), 1):
            ident = patch.ident()
            message = patch.message.encode()
            out.append(f'commit {IMPORT_REF}\nmark :{at}\nauthor {ident}\ncommitter {ident}\n'
                       f'data {len(message)}\n'.encode() + message)
            if at == 1:
                out.append(f'from {base.commit}\n'.encode())
            for path, entry in sorted(step.after.items()):
                if entry == step.before.get(path):
                    continue
                if entry is None:
                    out.append(f'D {path}\n'.encode())
                else:
                    out.append(f'M {entry[0]} inline {path}\ndata {len(entry[1])}\n'.encode()
                               + entry[1] + b'\n')
        out.append(b'done\n')
        with scratch(self.build) as folder:
            marks = os.path.join(folder, 'marks')
            self.git.call('update-ref', '-d', IMPORT_REF)
            self.git.call('fast-import', '--quiet', '--date-format=raw',
                          f'--export-marks={marks}', inp=b''.join(out))
            ids = dict(l.split() for l in read_file(marks).decode().splitlines())
        self.git.call('update-ref', '-d', IMPORT_REF)
        return [base.commit] + [ids[f':{at}'] for at in range(1, len(patches) + 1)]

    def run(self, base, lock=None, origin=None):
        """Assemble on a base; return a Result.

        lock is the base the hunks are written against if it is another one,
        origin the same as an import if the object store has it.
        """
        with scratch(self.build) as folder:
            bench = Bench(folder)
            old = None
            if lock:
                old = [None] * len(self.series.patches)
                if origin:
                    old, _ = self.steps(bench, origin)
            steps, how = self.steps(bench, base, old)
        return Result(self.commit(base, steps), how)


class Mover:
    """Fits the hunks of one patch to a base they were not written against."""

    def __init__(self, assembler, bench, base, origin):
        self.assembler = assembler
        self.bench = bench
        self.base = base
        self.origin = origin            # Step on the old base, or None

    def move(self, patch, files):
        """Return (files after the patch, how the hunks fitted)."""
        after, worst = {}, 'applied'
        for path, chunk in patch.chunks.items():
            after[path], how = (self.fit_older(patch, path, files[path], chunk) or
                                self.fit(patch, path, files[path], chunk))
            worst = max(worst, how, key=('applied', 'moved', 'merged').index)
        return after, worst

    def fit_older(self, patch, path, entry, chunk):
        """Apply the hunks for older bases where those of the patch fail and they do not."""
        older = patch.older.get(path)
        if not older or self.bench.apply({path: entry}, chunk)[0]:
            return None
        files, _ = self.bench.apply({path: entry}, older)
        return (files[path], 'merged') if files else None

    def fit(self, patch, path, entry, chunk):
        """Apply the hunks of one file: as they are, else by a merge."""
        plain, err = self.bench.apply({path: entry}, chunk)
        how = 'moved' if b'(offset ' in err else 'applied'
        if self.origin:
            merged = self.merge_files(path, entry)
            if merged and (plain is None or plain[path] != merged):
                return merged, 'merged'
            if plain is None:
                text = self.bench.merge3(entry[1], self.origin.before[path][1],
                                         (self.origin.after[path] or ('', b''))[1])[1]
                raise self.conflict(patch, path, text)
        if plain is not None:
            return plain[path], how
        reduced, _ = self.bench.apply({path: entry}, chunk, '-C2')
        if reduced is not None:
            return reduced[path], 'merged'
        clean, merged = self.bench.patch_merge(path, entry, chunk)
        if not clean or merged is None:
            raise self.conflict(patch, path, merged[1] if merged else b'')
        return merged, 'merged'

    def merge_files(self, path, entry):
        """Three-way merge with the old base; return the file, or None on conflict."""
        before, after = self.origin.before[path], self.origin.after[path]
        if before is None or after is None:
            return None
        clean, text = self.bench.merge3(entry[1], before[1], after[1])
        mode = after[0] if after[0] != before[0] else entry[0]
        return (mode, text) if clean else None

    def conflict(self, patch, path, text):
        """Keep the file with conflict markers; return the error to raise."""
        where = os.path.join(self.assembler.build, 'conflict', path)
        write_file(where, text)
        return Error(f'patches/{patch.name}.patch: conflict in {path} on base '
                     f'{self.base.version} (see {where}): resolve it in git, as '
                     'gmem/porting.rst says')


def reason(err):
    """Return why git apply refused, as one phrase."""
    text = err.decode('utf-8', 'replace')
    found = re.search(r'(?m)^<stdin>:\d+: (trailing whitespace|space before tab in indent'
                      r'|new blank line at EOF)', text)
    if found:
        return f'adds a {found[1]}'
    found = re.search(r'patch failed: \S+:(\d+)', text)
    if found:
        return f'the hunk at line {found[1]} does not apply'
    found = re.search(r'(?m)^error: (.*)', text)
    return found[1] if found else 'does not apply'
