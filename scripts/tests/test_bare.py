# SPDX-License-Identifier: GPL-2.0-only
"""Tests of scripts/bare with a stand-in for each command that needs root."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from script import SCRIPTS

FAKES = {
    "id": "echo ${FAKE_ID:-0}",
    "debootstrap": 'mkdir -p "$3/etc/apt" "$3/root" "$3/proc" "$3/dev"',
    "unshare": 'shift 2; exec "$@"',
    "mount": 'echo mount "$@"',
    "chroot": 'echo chroot "$@"',
}


class BareTests(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.dir = Path(tmp.name).resolve()
        self.top, self.room = self.dir / "top", self.dir / "top/.build/bare"
        for path in (self.dir / "bin", self.top / "scripts"):
            path.mkdir(parents=True)
        for name, does in FAKES.items():
            fake = self.dir / "bin" / name
            fake.write_text(f"#!/bin/sh\n{does}\n")
            fake.chmod(0o755)
        shutil.copy(SCRIPTS / "bare", self.top / "scripts/bare")
        (self.dir / "apt/sources.list.d").mkdir(parents=True)
        (self.dir / "apt/sources.list.d/debian.sources").write_text("Suites: a-security\n")
        self.git("init", "-q")
        self.commit("one")

    def git(self, *args):
        subprocess.run(["git", "-C", self.top, "-c", "user.name=x", "-c", "user.email=x@invalid",
                        *args], check=True)

    def commit(self, text):
        (self.top / "file").write_text(text)
        self.git("add", "file")
        self.git("commit", "-qm", text)

    def bare(self, *args, **env):
        env = {**os.environ, "HOME": str(self.dir), "PATH": f"{self.dir}/bin:{os.environ['PATH']}",
               "BARE_APT": str(self.dir / "apt"), **env}
        env.pop("CCACHE_DIR", None)
        return subprocess.run([self.top / "scripts/bare", *args], text=True, env=env,
                              capture_output=True)

    def test_runs_the_command_after_setup(self):
        done = self.bare("make", "x")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, rf"mount --bind {self.dir}/\.cache/ccache {self.room}/root/")
        self.assertRegex(done.stdout, rf"\nchroot {self.room} env -i .*; scripts/setup; make x\n$")
        self.assertIn("security", (self.room / "etc/apt/sources.list.d/debian.sources").read_text())

    def test_removes_nothing_of_others(self):
        room = self.dir / "home"
        room.mkdir()
        (room / "letter").write_text("x")
        done = self.bare("-r", str(room))
        self.assertEqual(done.returncode, 3)
        self.assertIn("holds something else", done.stderr)
        self.assertTrue((room / "letter").exists())

    def test_fails_with_the_command(self):
        (self.dir / "bin/chroot").write_text("#!/bin/sh\nexit 5\n")
        self.assertEqual(self.bare().returncode, 5)

    def test_room_is_new_or_kept(self):
        self.bare()
        left, file = self.room / "root/left", self.room / "root/repo/file"
        left.write_text("")
        self.commit("two")
        self.assertEqual(self.bare("-k").returncode, 0)
        self.assertTrue(left.exists())
        self.assertEqual(file.read_text(), "two")
        self.assertEqual(self.bare().returncode, 0)
        self.assertFalse(left.exists())

    def test_only_root(self):
        done = self.bare(FAKE_ID="1000")
        self.assertEqual(done.returncode, 3)
        self.assertIn("only root", done.stderr)
        self.assertFalse(self.room.exists())


if __name__ == "__main__":
    unittest.main()
