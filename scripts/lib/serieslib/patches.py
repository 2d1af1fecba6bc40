# SPDX-License-Identifier: GPL-2.0-only
"""The stored form: patches/series, patches/<slug>.patch and the overlay files."""
import dataclasses
import email.utils
import hashlib
import os
import re

from .common import Error, file_mode, read_file

# The kernel has its own files of these names: the repository's are never overlaid.
RESERVED = ('Makefile', 'Kconfig', 'README.md', 'MAINTAINERS',
            'scripts/', 'patches/', '.ci/', '.build/', '.git')
# git am ends the message at such a line.
CUT_LINE = re.compile(r'(?m)^(---|diff -|Index: )')
HEADING = re.compile(r'#\s*[\w/-]+\s*$')


@dataclasses.dataclass
class Patch:
    """One patch: message, whole new files, hunks on files that exist already."""
    name: str
    author: str
    date: str
    subject: str
    body: str
    new: list
    chunks: dict            # path -> diff of that file, in stored order
    older: dict = dataclasses.field(default_factory=dict)   # same, for older bases

    @property
    def message(self):
        """The commit message."""
        return f'{self.subject}\n' + (f'\n{self.body}\n' if self.body else '')

    def ident(self):
        """The author line of a commit object: name, address, seconds, zone."""
        when = email.utils.parsedate_tz(self.date)
        if not when or not re.fullmatch(r'[^<>\n]*[^<>\s] <[^<>\s]+>', self.author):
            raise Error(f'patches/{self.name}.patch: From or Date is malformed')
        zone = when[9] or 0
        sign, zone_min = '-' if zone < 0 else '+', abs(zone) // 60
        return (f'{self.author} {email.utils.mktime_tz(when)} '
                f'{sign}{zone_min // 60:02}{zone_min % 60:02}')

    def encode(self):
        """Return the text of the patch file."""
        head = f'From: {self.author}\nDate: {self.date}\nSubject: {self.subject}\n\n'
        body = f'{self.body}\n' if self.body else ''
        new = ''.join(f'New: {path}\n' for path in self.new)
        return f'{head}{body}---\n{new}'.encode() + b''.join(self.chunks.values())


def parse_head(name, head):
    """Return the three headers and the body of a patch file."""
    lines, _, body = head.partition('\n\n')
    headers = {}
    for line in lines.strip('\n').split('\n'):
        key, colon, value = line.partition(': ')
        if not colon or key not in ('From', 'Date', 'Subject') or key in headers:
            raise Error(f'patches/{name}.patch: unexpected header line "{line[:50]}"')
        headers[key] = value.strip()
    missing = [k for k in ('From', 'Date', 'Subject') if not headers.get(k)]
    if missing:
        raise Error(f'patches/{name}.patch: header {missing[0]} is missing')
    return headers, body.strip('\n')


def split_diff(name, diff):
    """Return {path: diff of that file}."""
    chunks = {}
    for part in re.split(rb'(?m)^(?=diff --git )', diff):
        if not part:
            continue
        line = part.split(b'\n', 1)[0].decode('utf-8', 'replace')
        match = re.fullmatch(r'diff --git a/(.+) b/\1', line)
        if not match or match[1] in chunks:
            raise Error(f'patches/{name}.patch: cannot use "{line[:70]}"')
        path = match[1]
        meta = re.split(rb'(?m)^@@ ', part, maxsplit=1)[0]
        if b'\nnew file mode ' in meta:
            raise Error(f'patches/{name}.patch: {path} is a new file: name it with "New:" '
                        'and put it at its path')
        if b'\nBinary files ' in meta or b'\nGIT binary patch' in meta:
            raise Error(f'patches/{name}.patch: {path}: a binary file cannot have hunks')
        chunks[path] = part
    return chunks


def check_path(name, path):
    """Refuse paths that an overlay file must not have."""
    parts = path.split('/')
    if path.startswith('/') or '' in parts or '.' in parts or '..' in parts:
        raise Error(f'patches/{name}.patch: New: {path} is not a path inside the tree')
    for entry in RESERVED:
        if path == entry.rstrip('/') or path.startswith(entry.rstrip('/') + '/'):
            raise Error(f'patches/{name}.patch: New: {path} is reserved for the repository')


def parse_patch(name, data):
    """Parse the text of one patch file."""
    head, mark, rest = data.partition(b'\n---\n')
    if not mark:
        raise Error(f'patches/{name}.patch: no line "---" after the message')
    at = re.search(rb'(?m)^diff --git ', rest)
    listing, diff = (rest[:at.start()], rest[at.start():]) if at else (rest, b'')
    try:
        headers, body = parse_head(name, head.decode())
        lines = listing.decode().splitlines()
    except UnicodeDecodeError:
        raise Error(f'patches/{name}.patch: the message is not UTF-8') from None
    for line in lines:
        if not re.fullmatch(r'New: \S.*', line):
            raise Error(f'patches/{name}.patch: expected "New: path", found "{line[:50]}"')
        check_path(name, line[5:])
    return Patch(name, headers['From'], headers['Date'], headers['Subject'], body,
                 [line[5:] for line in lines], split_diff(name, diff))


def load_older(repo, name, chunks):
    """Return {path: diff} of a patch where an older base needs other hunks."""
    data = read_file(os.path.join(repo, 'patches/older', f'{name}.patch'))
    if data is None:
        return {}
    at = data.find(b'diff --git ')
    older = split_diff(f'older/{name}', data[at:] if at >= 0 else b'')
    for path in older:
        if path not in chunks:
            raise Error(f'patches/older/{name}.patch: {path} is not in patches/{name}.patch')
    return older


class Series:
    """The patches in order and the final text of the overlay files."""

    def __init__(self, patches, overlay):
        self.patches = patches
        self.overlay = overlay          # path -> (mode, bytes)

    @classmethod
    def load(cls, repo):
        """Read the stored form from the repository."""
        patches, owner = [], {}
        for name in series_names(read_series(repo)):
            data = read_file(os.path.join(repo, 'patches', f'{name}.patch'))
            if data is None:
                raise Error(f'patches/{name}.patch is named in patches/series and missing')
            patch = parse_patch(name, data)
            patch.older = load_older(repo, name, patch.chunks)
            for path in patch.new:
                if path in owner:
                    raise Error(f'patches/{name}.patch: New: {path} is already in '
                                f'patches/{owner[path]}.patch')
                owner[path] = name
            patches.append(patch)
        overlay = {}
        for path, name in owner.items():
            full = os.path.join(repo, path)
            data = None if os.path.islink(full) else read_file(full)
            if data is None:
                raise Error(f'patches/{name}.patch: New: {path} is not a file in the repository')
            overlay[path] = (file_mode(full), data)
        return cls(patches, overlay)

    def digests(self):
        """Return {stored path: digest}: what an assembly depends on."""
        found = {'patches/series': '\n'.join(p.name for p in self.patches).encode()}
        for patch in self.patches:
            found[f'patches/{patch.name}.patch'] = patch.encode()
            if patch.older:
                found[f'patches/older/{patch.name}.patch'] = b''.join(patch.older.values())
        for path, (mode, data) in self.overlay.items():
            found[path] = mode.encode() + data
        return {k: hashlib.sha256(v).hexdigest() for k, v in found.items()}


def read_series(repo):
    """Return the text of patches/series."""
    data = read_file(os.path.join(repo, 'patches', 'series'))
    return '' if data is None else data.decode()


def series_names(text):
    """Return the patch names in order."""
    names = [l.strip() for l in text.splitlines() if l.strip() and l.strip()[0] != '#']
    for name in names:
        if not re.fullmatch(r'[A-Za-z0-9][\w.+-]*', name):
            raise Error(f'patches/series: "{name[:50]}" is not a patch name')
        if names.count(name) > 1:
            raise Error(f'patches/series: {name} is named twice')
    return names


def slug(subject, taken):
    """Return a file name for a subject that is not taken yet."""
    stem = re.sub(r'[^a-z0-9]+', '-', subject.lower()).strip('-')[:52].strip('-') or 'patch'
    name, count = stem, 1
    while name in taken:
        count += 1
        name = f'{stem}-{count}'
    return name


def headings(text):
    """Return {patch name: heading line above it} and the first heading."""
    found, current, first = {}, None, None
    for line in text.splitlines():
        if HEADING.match(line.strip()):
            current = line
            first = first or line
        elif line.strip() and not line.lstrip().startswith('#'):
            found[line.strip()] = current
    return found, first


def update_series(text, names):
    """Return patches/series for a new order; comments and headings stay."""
    old = series_names(text)
    kept = [n for n in names if n in old]
    if kept == [n for n in old if n in names]:
        return insert_names(text, names)
    by_name, _ = headings(text)
    out, current = [], None
    for name in names:
        heading = by_name.get(name, current)
        if heading != current and heading is not None:
            out += ([''] if out else []) + [heading]
        current = heading
        out.append(name)
    unused = [l for l in text.splitlines() if HEADING.match(l.strip()) and l not in out]
    return '\n'.join(out + unused) + '\n'


def insert_names(text, names):
    """Drop vanished names and put each new one behind its predecessor."""
    def is_name(line):
        return line.strip() and not line.lstrip().startswith('#')

    out = [l for l in text.splitlines() if not is_name(l) or l.strip() in names]
    _, first = headings(text)
    for at, name in enumerate(names):
        lines = [l.strip() for l in out]
        if name in lines:
            continue
        if at:
            place = lines.index(names[at - 1]) + 1
        elif any(is_name(l) for l in out):
            place = next(i for i, l in enumerate(out) if is_name(l))
        else:
            place = out.index(first) + 1 if first else len(out)
        out.insert(place, name)
    return '\n'.join(out) + '\n' if out else ''
