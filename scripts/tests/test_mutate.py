# SPDX-License-Identifier: GPL-2.0-only
"""scripts/mutate: the list of faults, and what it makes of a run."""

import contextlib
import io
import json
import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from script import SCRIPTS, load

mutate = load("mutate")

TEXT = """# a comment
@ no-lock The lock is not taken.
file a.c
tests default/x
-	lock();
-
-	work();
+	work();
"""
MANIFEST = "# c\n@host\nlint 9 lint\n@default\nx 5 ours/x\ny 5 ours/y\n@off p=0\nx 5 ours/x\n"
check = load("check")


class Parse(unittest.TestCase):
    def test_fields(self):
        only, = mutate.parse_mutations(TEXT)
        self.assertEqual((only.name, only.what, only.file, only.tests),
                         ("no-lock", "The lock is not taken.", "a.c", ["default/x"]))
        self.assertEqual((only.old, only.new), ("\tlock();\n\n\twork();\n", "\twork();\n"))

    def test_what_is_incomplete(self):
        for bad in (TEXT + TEXT, TEXT.replace("file a.c\n", ""), TEXT + "what\n",
                    TEXT.replace("-\tlock();\n-\n", ""), "file a.c\n" + TEXT,
                    TEXT.replace(" The lock is not taken.", "")):
            with self.assertRaises(mutate.Missing):
                mutate.parse_mutations(bad)

    def test_manifest(self):
        self.assertEqual(check.select(MANIFEST, "default/y off/x"),
                         "@default\ny 5 ours/y\n@off p=0\nx 5 ours/x\n")
        only, = mutate.parse_mutations(TEXT)
        self.assertEqual(mutate.unknown([only], MANIFEST), [])
        only.tests = ["default/z", "off/x"]
        self.assertEqual(mutate.unknown([only], MANIFEST), ["default/z"])

    def test_the_real_list(self):
        found = mutate.parse_mutations((SCRIPTS / "mutations").read_text())
        self.assertEqual(mutate.unknown(found, (SCRIPTS / "manifest").read_text()), [])
        for m in found:
            text = (SCRIPTS.parent / m.file).read_text()
            self.assertEqual(text.count(m.old), 1, m.name)
            # A function without a caller is an error of the compiler.
            text = text.replace(m.old, m.new)
            for name in re.findall(r"^static (?!inline|DEFINE_)[^=;]*?(\w+)\(", text, re.M):
                self.assertGreater(len(re.findall(rf"\b{name}\b", text)), 1, m.name)


class Judge(unittest.TestCase):
    def setUp(self):
        self.top = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.top / "a.c").write_text("{\n\tlock();\n\n\twork();\n}\n")

    def judge(self, tests):
        """A run in which the named tests have these results; None: no result."""
        seen = []

        def call(cmd, **_):
            seen.append((self.top / "a.c").read_text())
            run = Path(cmd[cmd.index("--results") + 1])
            run.mkdir()
            if tests is not None:
                (run / "results.json").write_text(json.dumps(
                    {"tests": [{"name": n, "status": s} for n, s in tests.items()]}))
            return mock.Mock()

        only, = mutate.parse_mutations(TEXT)
        with mock.patch.object(mutate.subprocess, "Popen", call), \
             mock.patch.object(mutate.Tree, "git"):
            row = mutate.judge(only, mutate.Tree(None, self.top), self.top / "results", [])
        self.assertEqual(seen, ["{\n\twork();\n}\n"])
        return row

    def test_verdicts(self):
        row = self.judge({"console/default/x": "error", "default/x.a": "fail",
                          "default/x.b": "pass", "boot": "error"})
        self.assertEqual((row["verdict"], row["failed"]),
                         ("caught", ["default/x.a", "console/default/x"]))

    def test_failures_of_the_machine_prove_nothing(self):
        row = self.judge({"default/x.a": "pass", "default/kvm-load": "fail"})
        self.assertEqual(row["verdict"], "BROKEN")
        self.assertIn("default/kvm-load", row["why"])

    def test_survivor(self):
        self.assertEqual(self.judge({"default/x.a": "pass"})["verdict"], "SURVIVED")

    def test_no_result(self):
        self.assertEqual(self.judge(None)["verdict"], "BROKEN")

    def test_text_is_gone(self):
        only, = mutate.parse_mutations(TEXT)
        (self.top / "a.c").write_text("")
        self.assertEqual(mutate.judge(only, mutate.Tree(None, self.top), self.top, [])["verdict"], "BROKEN")

    def test_no_such_name(self):
        with contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(mutate.main(["nobody", "--list"]), 3)
        self.assertIn("--list", err.getvalue())


if __name__ == "__main__":
    unittest.main()
