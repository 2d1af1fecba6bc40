# SPDX-License-Identifier: GPL-2.0-only
"""The logic of scripts/check: host tests get their words, and end at their limit."""

import argparse
import contextlib
import io
import tempfile
import time
import unittest
from pathlib import Path

from script import SCRIPTS, load

check = load("check")
ARGS = argparse.Namespace(tree=Path("/t"), results=Path("/r"), quick=False)


class HostCommand(unittest.TestCase):
    def test_words(self):
        self.assertEqual(check.host_command(["a", "K={tree}", "{results}/lint"], ARGS),
                         ["a", "K=/t", "/r/lint"])

    def test_quick(self):
        quick = argparse.Namespace(**{**vars(ARGS), "quick": True})
        self.assertEqual(check.host_command(["a", "{quick}", "b"], ARGS), ["a", "b"])
        self.assertEqual(check.host_command(["a", "{quick}", "b"], quick), ["a", "--quick", "b"])


class Limit(unittest.TestCase):
    def test_output_and_status(self):
        self.assertEqual(check.run_limited(["sh", "-c", "echo x; exit 4"], 60), ("x\n", 4))

    def test_no_such_program(self):
        text, status = check.run_limited(["/nonexistent"], 60)
        self.assertEqual(status, 127)
        self.assertIn("/nonexistent", text)

    def test_a_child_that_left_its_session(self):
        begin = time.monotonic()
        text, status = check.run_limited(["sh", "-c", "echo x; setsid sleep 40 & wait"], 1)
        self.assertEqual((text, status), ("x\n", check.ktap.EXIT_KILLED))
        self.assertLess(time.monotonic() - begin, 30)

    def test_children_end_too(self):
        with tempfile.TemporaryDirectory() as folder:
            fifo = Path(folder) / "alive"
            begin = time.monotonic()
            # The grandchild holds the output open for as long as it lives.
            text, status = check.run_limited(
                ["sh", "-c", f"echo x; mkfifo {fifo}; cat {fifo} & wait"], 1)
        self.assertEqual((text, status), ("x\n", check.ktap.EXIT_KILLED))
        self.assertLess(time.monotonic() - begin, 60)


class Manifest(unittest.TestCase):
    def test_nothing_to_run(self):
        with contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(check.main(["--tests", "none/*"]), check.MISS)
            self.assertEqual(check.main(["--quick", "--tests", "kunit/*"]), check.MISS)
        self.assertIn("no test that boots nothing", err.getvalue())

    def test_host_and_guest(self):
        host, guest = check.split_host("@host\nlint 10 scripts/lint --ktap\n@default\na 5 ours/a\n")
        self.assertEqual(host, [["lint", "10", "scripts/lint", "--ktap"]])
        self.assertEqual(guest, "@default\na 5 ours/a\n")

    def test_lint_is_in_make_check(self):
        text = (SCRIPTS / "manifest").read_text()
        host, _ = check.split_host(check.select(text, "host/*"))
        self.assertTrue([w for w in host if w[0] == "lint" and "{quick}" in w])

    def test_kcsan(self):
        args = check.parse_args(["--kcsan"])
        self.assertEqual((args.manifest.name, args.out.name), ("manifest-kcsan", "o-x86-kcsan"))
        self.assertTrue(args.manifest.exists())
        for fragment in args.configs.split():
            self.assertTrue((SCRIPTS / f"configs/{fragment}.config").exists(), fragment)
        self.assertEqual(check.parse_args([]).manifest.name, "manifest")

    def test_arm64(self):
        args = check.parse_args(["--arch", "arm64", "--append", "kvm-arm.mode=nvhe"])
        self.assertEqual((args.manifest.name, args.out.name), ("manifest-arm64", "o-arm64"))
        self.assertTrue(args.manifest.exists())
        for fragment in args.configs.split():
            self.assertTrue((SCRIPTS / f"configs/{fragment}.config").exists(), fragment)
        self.assertEqual(args.append, ["kvm-arm.mode=nvhe"])
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
            check.parse_args(["--arch", "arm64", "--debug"])


if __name__ == "__main__":
    unittest.main()
