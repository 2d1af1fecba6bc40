# SPDX-License-Identifier: GPL-2.0-only
"""The base: Debian's kernel source package as a reproducible git commit."""
import dataclasses
import hashlib
import json
import lzma
import os
import re
import shutil
import subprocess
import tarfile

from .common import (Error, Git, clean_env, first_line, read_file, run, scratch,
                     write_file)

PACKAGE = 'linux-source-6.1'
SOURCE_DIR = '/usr/src'
LOCK = 'patches/base.lock'
# The import commit depends on nothing but the version and the tree.
IMPORT_IDENT = 'linux-source <linux-source@invalid> 946684800 +0000'
STREAM_REF = 'refs/series/importing'
# Helps those who work in the tree by hand; the commands pin more than this.
TREE_CONFIG = {'gc.auto': '0', 'maintenance.auto': 'false', 'core.abbrev': '12',
               'diff.algorithm': 'histogram', 'merge.renames': 'false'}


@dataclasses.dataclass
class Base:
    """One imported base; the first four fields are what base.lock records."""
    package: str
    version: str
    sha256: str
    tree: str
    commit: str = ''

    def encode(self):
        """Return the text of base.lock."""
        return (f'package: {self.package}\nversion: {self.version}\n'
                f'sha256: {self.sha256}\ntree: {self.tree}\n').encode()


def read_lock(repo):
    """Return the base that base.lock names, or None."""
    data = read_file(os.path.join(repo, LOCK))
    if data is None:
        return None
    fields = dict(l.split(': ', 1) for l in data.decode().splitlines() if ': ' in l)
    if sorted(fields) != ['package', 'sha256', 'tree', 'version']:
        raise Error(f'{LOCK}: expected the fields package, version, sha256 and tree')
    return Base(fields['package'], fields['version'], fields['sha256'], fields['tree'])


def installed(package):
    """Return (version, tarball) of the installed source package, or None."""
    done = run(['dpkg-query', '-W', '-f=${Version}', package], check=False)
    tarball = os.path.join(SOURCE_DIR, f'{package}.tar.xz')
    if done.returncode or not os.path.exists(tarball):
        return None
    return done.stdout.decode().strip(), tarball


def tag_of(version):
    """Return the tag that marks the import of a version."""
    return 'base-' + re.sub(r'[^\w.+-]', '_', version)


def sha256_of(path):
    """Return the digest of a file."""
    with open(path, 'rb') as src:
        return hashlib.file_digest(src, 'sha256').hexdigest()


def tree_version(makefile, path):
    """Return the version that the top Makefile of a kernel tree states."""
    found = dict(re.findall(rb'(?m)^(VERSION|PATCHLEVEL|SUBLEVEL) *= *(\d+)', makefile))
    if len(found) != 3:
        raise Error(f'{path} is not a kernel source tree: its Makefile states no version')
    return b'.'.join(found[k] for k in (b'VERSION', b'PATCHLEVEL', b'SUBLEVEL')).decode()


def write_stream(out, tarball, have):
    """Write the fast-import commands for a tarball; have are ids of stored blobs."""
    out.write(f'commit {STREAM_REF}\ncommitter {IMPORT_IDENT}\ndata 0\n\n'.encode())
    ids = {}
    with tarfile.open(tarball, 'r|*') as tar:
        for member in tar:
            if member.isdir():
                continue
            mode = '100755' if member.mode & 0o100 else '100644'
            if member.issym():
                mode, data = '120000', os.fsencode(member.linkname)
            elif member.isreg():
                data = tar.extractfile(member).read()
            elif member.islnk() and member.linkname in ids:
                data = None
            else:
                raise Error(f'{tarball}: {member.name} is not a file')
            oid = ids[member.linkname] if data is None else \
                hashlib.sha1(b'blob %d\0' % len(data) + data).hexdigest()
            path = member.name.removeprefix('./').split('/', 1)[1]
            if '\n' in path or path.startswith('"'):
                raise Error(f'{tarball}: cannot import the path {path!r}')
            ids[member.name] = oid
            if oid in have:
                out.write(f'M {mode} {oid} {path}\n'.encode())
            else:
                out.write(f'M {mode} inline {path}\ndata {len(data)}\n'.encode())
                out.write(data + b'\n')
                have.add(oid)


class Store:
    """The imported bases of one build directory."""

    def __init__(self, repo, build):
        self.repo = repo
        self.build = build
        self.git = Git(os.path.join(build, 'linux'))
        self.lock = read_lock(repo)
        self.package = self.lock.package if self.lock else PACKAGE

    def exists(self):
        """Tell whether the git tree is there."""
        if os.path.isdir(self.git.dir):
            return True
        if os.path.lexists(self.git.path):
            raise Error(f'{self.git.path} is not a git repository: move it away')
        return False

    def known(self):
        """Return {version: Base} of all imports."""
        data = read_file(os.path.join(self.git.dir, 'series-bases.json'))
        records = json.loads(data) if data else {}
        return {v: Base(**r) for v, r in records.items()}

    def find(self, version):
        """Return the import of a version, or None."""
        base = self.known().get(version)
        if base and self.git.resolve(f'refs/tags/{tag_of(version)}^{{commit}}') == base.commit:
            return base
        return None

    def find_tree(self, tree):
        """Return the import that has this tree, or None."""
        return next((b for b in self.known().values() if b.tree == tree), None)

    def record(self, package, version, sha256, tree):
        """Commit an imported tree, tag it and remember it."""
        message = f'{package} {version}\n'
        commit = (f'tree {tree}\nauthor {IMPORT_IDENT}\ncommitter {IMPORT_IDENT}\n\n{message}')
        oid = self.git.text('hash-object', '-t', 'commit', '-w', '--stdin', inp=commit.encode())
        base = Base(package, version, sha256, tree, oid)
        self.git.call('update-ref', f'refs/tags/{tag_of(version)}', oid)
        if not self.git.resolve('HEAD'):
            self.git.call('update-ref', 'HEAD', oid)
        known = self.known()
        known[version] = base
        text = json.dumps({v: dataclasses.asdict(b) for v, b in known.items()}, indent=1)
        write_file(os.path.join(self.git.dir, 'series-bases.json'), text.encode())
        for key, value in TREE_CONFIG.items():
            self.git.call('config', key, value)
        return base

    def adopt(self):
        """Take over a hand-made import that has the locked tree."""
        if not self.lock or self.find(self.lock.version):
            return
        for branch in ('refs/heads/base', 'refs/heads/series'):
            if not self.git.resolve(branch):
                continue
            for root in self.git.text('rev-list', '--max-parents=0', branch).split():
                if self.git.resolve(f'{root}^{{tree}}') == self.lock.tree:
                    lock = self.lock
                    self.record(lock.package, lock.version, lock.sha256, lock.tree)
                    return

    def fetch(self, version, folder):
        """Return the tarball of a version: the installed one or the archive's."""
        have = installed(self.package)
        if have and have[0] == version:
            return have[1]
        name = f'{self.package}={version}'
        done = run(['apt-get', 'download', name], cwd=folder, check=False)
        debs = [f for f in os.listdir(folder) if f.endswith('.deb')]
        if done.returncode or not debs:
            raise Error(f'the archive does not offer {name} (try `apt-get update`, '
                        f'`apt-cache madison {self.package}`)')
        return self.open_deb(os.path.join(folder, debs[0]), folder)

    def open_deb(self, deb, folder):
        """Return the tarball inside a source package."""
        run(['dpkg-deb', '-x', deb, os.path.join(folder, 'deb')])
        tarball = os.path.join(folder, 'deb/usr/src', f'{self.package}.tar.xz')
        if not os.path.exists(tarball):
            raise Error(f'{deb} holds no {self.package}.tar.xz')
        return tarball

    def locate(self, spec, folder):
        """Return (version or None, tarball or directory) for a --base argument."""
        if not os.path.exists(spec):
            if not re.fullmatch(r'\d+\.\d+[\w.+~-]*', spec):
                raise Error(f'--base {spec}: neither a file, a directory nor a version')
            return spec, self.fetch(spec, folder)
        if spec.endswith('.deb'):
            version = run(['dpkg-deb', '-f', spec, 'Version']).stdout.decode().strip()
            return version, self.open_deb(spec, folder)
        have = installed(self.package)
        if have and os.path.realpath(spec) == os.path.realpath(have[1]):
            return have
        return None, os.path.realpath(spec)

    def load(self, spec, say):
        """Import the base that spec names, unless it is there already."""
        if self.exists():
            self.adopt()
            base = self.find(spec)
            if base:
                return base
        with scratch(self.build) as folder:
            version, source = self.locate(spec, folder)
            if version and self.exists() and self.find(version):
                return self.find(version)
            say(f'import {version or source} (about a minute, once)')
            return self.add(version, source, folder)

    def add(self, version, source, folder):
        """Put a source tree into the object store."""
        digest = 'none' if os.path.isdir(source) else sha256_of(source)
        if not self.exists():
            tree = self.create(source, folder)
        elif os.path.isdir(source):
            env = {'GIT_DIR': self.git.dir, 'GIT_WORK_TREE': source,
                   'GIT_INDEX_FILE': os.path.join(folder, 'index')}
            Git(source).call('add', '-f', '-A', '.', env=env)
            tree = Git(source).text('write-tree', env=env)
        else:
            tree = self.stream(source)
        base = self.find_tree(tree)
        if base:
            return base
        label = version or tree_version(self.git.raw('cat-file', 'blob', f'{tree}:Makefile'),
                                        source)
        if self.lock and version is None and tree == self.lock.tree:
            label = self.lock.version
        self.verify(label, digest, tree)
        return self.record(self.package, label, digest, tree)

    def create(self, source, folder):
        """Make the git tree from a source; return the tree id."""
        where = os.path.join(folder, 'linux')
        if os.path.isdir(source):
            shutil.copytree(source, where, symlinks=True,
                            ignore=lambda d, names: {'.git'} & set(names))
        else:
            os.mkdir(where)
            run(['tar', '-xf', source, '-C', where, '--strip-components=1', '--no-same-owner'])
        run(['git', 'init', '-q', '--template=', '-b', 'series', where], env=clean_env())
        git = Git(where)
        git.call('add', '-f', '-A', '.')
        tree = git.text('write-tree')
        os.rename(where, self.git.path)
        return tree

    def stream(self, tarball):
        """Feed a tarball to git fast-import without unpacking it; return the tree id.

        Most files of a next version are in the object store already: name them
        by their id instead of writing them again.
        """
        have = set()
        for base in self.known().values():
            have.update(self.git.text('ls-tree', '-r', '--format=%(objectname)',
                                      base.commit).split())
        argv = [*self.git.argv(), 'fast-import', '--quiet', '--date-format=raw', '--force']
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=clean_env()) as proc:
            try:
                write_stream(proc.stdin, tarball, have)
                proc.stdin.close()
            except BrokenPipeError:
                pass
            except (tarfile.TarError, EOFError, lzma.LZMAError):
                raise Error(f'{tarball} is not a readable tarball') from None
            err = proc.stderr.read()
        if proc.returncode:
            raise Error(f'git fast-import: {first_line(err)}')
        tree = self.git.resolve(f'{STREAM_REF}^{{tree}}')
        self.git.call('update-ref', '-d', STREAM_REF)
        return tree

    def verify(self, version, digest, tree):
        """Compare an import with what base.lock says of the same version."""
        lock = self.lock
        if not lock or lock.version != version:
            return
        if tree != lock.tree or (digest != lock.sha256 and 'none' not in (digest, lock.sha256)):
            raise Error(f'{self.package} {version} is not the one {LOCK} names: '
                        'its checksum or tree differs')

    def choose(self, spec, previous, say):
        """Return the base to assemble on.

        spec is a --base argument or None; previous is the base version of the
        last assembly if base.lock has not changed since, or None.
        """
        if spec:
            return self.load(spec, say)
        if self.exists():
            self.adopt()
            for version in filter(None, (previous, self.lock and self.lock.version)):
                base = self.find(version)
                if base:
                    return base
        have = installed(self.package)
        if not have:
            raise Error(f'no kernel source: `apt-get install {self.package}`, '
                        'or name another one: `make rebase BASE=...`')
        return self.load(have[0], say)
