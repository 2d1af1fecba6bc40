# SPDX-License-Identifier: GPL-2.0-only
"""Errors, hermetic git calls and small file helpers."""
import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile

# Settings that would otherwise come from the user and change the output.
PINNED = {
    'apply.whitespace': 'nowarn',
    'commit.gpgSign': 'false',
    'core.abbrev': '12',
    'core.attributesFile': os.devnull,
    'core.autocrlf': 'false',
    'core.commentChar': '#',
    'core.excludesFile': os.devnull,
    'core.fileMode': 'true',
    'core.hooksPath': os.devnull,
    'core.ignoreCase': 'false',
    'core.quotePath': 'false',
    'core.whitespace': 'blank-at-eol,space-before-tab,blank-at-eof',
    'diff.noprefix': 'false',
    'diff.mnemonicPrefix': 'false',
    'diff.suppressBlankEmpty': 'false',
    'gc.auto': '0',
    'i18n.commitEncoding': 'utf-8',
    'i18n.logOutputEncoding': 'utf-8',
    'log.showSignature': 'false',
    'maintenance.auto': 'false',
}

# Plumbing reads little of the configuration: name everything that shapes a diff.
STAT_ARGS = ('--diff-algorithm=histogram', '--no-renames', '--no-ext-diff', '--no-textconv')
DIFF_ARGS = (*STAT_ARGS, '--indent-heuristic', '--unified=3', '--inter-hunk-context=0',
             '--no-color')


class Error(Exception):
    """A failure the user can act on; its text is one line."""


def clean_env(**extra):
    """Return the environment without the settings of the user."""
    env = {k: v for k, v in os.environ.items() if not k.startswith('GIT_')}
    env.update(LC_ALL='C', LANGUAGE='C', TZ='UTC', GIT_ATTR_NOSYSTEM='1',
               GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM='1',
               GIT_EDITOR=':', GIT_TERMINAL_PROMPT='0')
    env.update(extra)
    return env


def first_line(data):
    """Return the first line of a tool's output that says something."""
    lines = [l.strip() for l in data.decode('utf-8', 'replace').splitlines()]
    return next((l for l in lines if l), 'no output')


def run(argv, inp=None, cwd=None, env=None, check=True):
    """Run a command; return the CompletedProcess with bytes output."""
    try:
        done = subprocess.run(argv, input=inp, cwd=cwd, env=env or clean_env(),
                              stdin=subprocess.DEVNULL if inp is None else None,
                              capture_output=True, check=False)
    except FileNotFoundError:
        raise Error(f'{argv[0]} is not installed') from None
    if check and done.returncode:
        raise Error(f"{' '.join(argv[:2])}: {first_line(done.stderr)}")
    return done


class Git:
    """A git repository, called with pinned settings."""

    def __init__(self, path):
        self.path = os.path.realpath(path)
        self.dir = os.path.join(self.path, '.git')

    def argv(self):
        """Return the start of a git command line."""
        argv = ['git', '-C', self.path, '-c', f'safe.directory={self.path}']
        for key, value in PINNED.items():
            argv += ['-c', f'{key}={value}']
        return argv

    def call(self, *args, inp=None, env=None, check=True):
        """Run one git command in the work tree."""
        done = run([*self.argv(), *args], inp=inp, env=clean_env(**(env or {})), check=False)
        if check and done.returncode:
            raise Error(f'git {args[0]}: {first_line(done.stderr)}')
        return done

    def raw(self, *args, **kw):
        """Return the output of a git command as bytes."""
        return self.call(*args, **kw).stdout

    def text(self, *args, **kw):
        """Return the output of a git command as text without the final newline."""
        return self.raw(*args, **kw).decode('utf-8').rstrip('\n')

    def resolve(self, rev):
        """Return the object id of a revision, or None."""
        done = self.call('rev-parse', '-q', '--verify', rev, check=False)
        return done.stdout.decode().strip() if done.returncode == 0 else None

    def head_branch(self):
        """Return the checked-out branch, or None for a detached head."""
        done = self.call('symbolic-ref', '-q', '--short', 'HEAD', check=False)
        return done.stdout.decode().strip() if done.returncode == 0 else None

    def entries(self, rev, paths):
        """Return {path: (mode, blob id)} for those paths that exist in rev."""
        found = {}
        paths = sorted(paths)
        for at in range(0, len(paths), 500):
            out = self.text('--literal-pathspecs', 'ls-tree', '-z', '--full-tree', rev,
                            '--', *paths[at:at + 500])
            for line in filter(None, out.split('\0')):
                meta, path = line.split('\t', 1)
                mode, _, oid = meta.split()
                found[path] = (mode, oid)
        return found

    def blobs(self, oids):
        """Return {blob id: bytes}."""
        oids = list(dict.fromkeys(oids))
        if not oids:
            return {}
        data = self.raw('cat-file', '--batch', inp='\n'.join(oids).encode() + b'\n')
        found, at = {}, 0
        for oid in oids:
            end = data.index(b'\n', at)
            size = int(data[at:end].split()[2])
            found[oid] = data[end + 1:end + 1 + size]
            at = end + size + 2
        return found

    def files(self, rev, paths):
        """Return {path: (mode, bytes)} for those paths that exist in rev."""
        entries = self.entries(rev, paths)
        blobs = self.blobs(oid for mode, oid in entries.values() if mode.startswith('100'))
        return {p: (m, blobs.get(o, b'')) for p, (m, o) in entries.items()}


def read_file(path):
    """Return the bytes of a file, or None if there is none."""
    try:
        with open(path, 'rb') as src:
            return src.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        raise Error(f'{path} is a directory, a file was expected') from None


def file_mode(path):
    """Return the git mode of a regular file."""
    return '100755' if os.stat(path).st_mode & 0o100 else '100644'


def write_file(path, data, mode='100644'):
    """Replace a file at once; leave an equal one alone. Return True if written."""
    if (read_file(path) == data and not os.path.islink(path)
            and file_mode(path) == mode):
        return False
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    handle, temp = tempfile.mkstemp(dir=folder, prefix='.new-')
    with os.fdopen(handle, 'wb') as dst:
        dst.write(data)
    os.chmod(temp, 0o755 if mode == '100755' else 0o644)
    os.replace(temp, path)
    return True


def remove_file(root, path):
    """Remove a file and the directories it leaves empty. Return True if removed."""
    full = os.path.join(root, path)
    if not os.path.lexists(full):
        return False
    os.unlink(full)
    folder = os.path.dirname(path)
    while folder and not os.listdir(os.path.join(root, folder)):
        os.rmdir(os.path.join(root, folder))
        folder = os.path.dirname(folder)
    return True


@contextlib.contextmanager
def scratch(build):
    """Give a temporary directory below the build directory."""
    os.makedirs(build, exist_ok=True)
    path = tempfile.mkdtemp(dir=build, prefix='tmp-series-')
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def locked(build):
    """Let one command at a time change the build directory."""
    os.makedirs(build, exist_ok=True)
    with open(os.path.join(build, 'series.lock'), 'w', encoding='ascii') as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
