# SPDX-License-Identifier: GPL-2.0-only
"""Command line of scripts/series."""
import argparse
import dataclasses
import os
import sys

from . import base, export, refresh, tree
from .common import Error, locked

EPILOG = """\
environment: SERIES_REPO and SERIES_BUILD set the defaults of --repo and --build,
FORCE=1 (as in `make tree FORCE=1`) stands for --force.
exit status: 0 done, 1 refused or failed (one line on stderr), 2 usage.
"""


@dataclasses.dataclass
class Context:
    """Where to work."""
    repo: str
    build: str

    @staticmethod
    def say(text):
        """Print one line of progress."""
        print(f'series: {text}', flush=True)


def show_base(ctx, spec):
    """Import a base without assembling anything on it."""
    store = base.Store(ctx.repo, ctx.build)
    with locked(ctx.build):
        found = store.choose(spec, None, ctx.say)
    ctx.say(f'base {found.version}: commit {found.commit}, tree {found.tree}')
    return 0


def parser():
    """Build the argument parser."""
    here = os.path.join(os.path.dirname(os.path.realpath(__file__)), '../../..')
    repo = os.environ.get('SERIES_REPO') or os.path.realpath(here)
    force = os.environ.get('FORCE', '') not in ('', '0')
    top = argparse.ArgumentParser(
        prog='series', epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Overlay files and hook diffs <-> git branch <-> mailable patch series.')
    top.add_argument('--repo', default=repo, help='the repository with patches/ and the overlay')
    top.add_argument('--build', default=os.environ.get('SERIES_BUILD'),
                     help='the build directory; the git tree is linux/ below it '
                          '(default: .build in the repository)')
    subs = top.add_subparsers(dest='command', required=True, metavar='command')

    sub = subs.add_parser('tree', help='assemble branch series in the git tree',
                          description='Import the base if needed, make one commit per patch, '
                          'change only those files of the checkout that differ. Refuses to '
                          'overwrite work that was not refreshed.')
    sub.add_argument('--base', metavar='BASE', help='assemble on this base: a version of the '
                     'source package, a .deb, a tarball or an unpacked directory')
    sub.add_argument('--force', action='store_true', default=force,
                     help='replace the work in the tree (a copy is kept under '
                     'refs/series/discarded/)')
    sub.set_defaults(run=lambda ctx, a: tree.tree(ctx, a.base, a.force))

    sub = subs.add_parser('refresh', help='write the branch into patches/ and the overlay',
                          description='Write patches/series, patches/*.patch, the overlay files '
                          'and patches/base.lock from branch series. Refuses while the tree '
                          'holds anything that is in no commit and not ignored.')
    sub.add_argument('--force', action='store_true', default=force,
                     help='overwrite changes made in the repository since the last tree')
    sub.set_defaults(run=lambda ctx, a: refresh.refresh(ctx, a.force))

    sub = subs.add_parser('rebase', help='assemble on another base: tree --base BASE',
                          description='The same as tree --base BASE. refresh then writes the '
                          'hunks against the new base.')
    sub.add_argument('base', metavar='BASE', help='a version of the source package, a .deb, a '
                     'tarball or an unpacked directory')
    sub.set_defaults(run=lambda ctx, a: tree.tree(ctx, a.base, force))

    sub = subs.add_parser('export', aliases=['series'],
                          help='write the series as mails and check them',
                          description='Write patches and cover letter into series/ of the build '
                          'directory; apply them with git am and compare the result.')
    sub.set_defaults(run=lambda ctx, a: export.export(ctx))

    sub = subs.add_parser('hooks', help='print the lines changed in each base file',
                          description='Print the lines branch series adds to and removes from '
                          'each file of the base, then totals for the kernel and for the rest '
                          '(tools/, Documentation/).')
    sub.set_defaults(run=lambda ctx, a: export.hooks(ctx))

    sub = subs.add_parser('base', help='import the base only',
                          description='Import the base and print its commit and tree.')
    sub.add_argument('--base', metavar='BASE', help='as for tree')
    sub.set_defaults(run=lambda ctx, a: show_base(ctx, a.base))
    return top


def main(argv):
    """Run one command; return the exit status."""
    args = parser().parse_args(argv)
    os.umask(0o022)
    repo = os.path.realpath(args.repo)
    ctx = Context(repo, os.path.realpath(args.build or os.path.join(repo, '.build')))
    try:
        return args.run(ctx, args)
    except Error as err:
        print(f'series: {err}', file=sys.stderr)
    except OSError as err:
        print(f'series: {err.filename or "system"}: {err.strerror}', file=sys.stderr)
    except KeyboardInterrupt:
        print('series: interrupted', file=sys.stderr)
    return 1
