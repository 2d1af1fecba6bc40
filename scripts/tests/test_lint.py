# SPDX-License-Identifier: GPL-2.0-only
"""The logic of scripts/lint: each check fires on a broken input, and only there."""

import collections
import shutil
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

from script import SCRIPTS, load

sys.path.insert(0, str(SCRIPTS / "checks"))

import builds  # noqa: E402
import common  # noqa: E402
import gates  # noqa: E402
import text  # noqa: E402


lint = load("lint")
SPDX = "// SPDX-License-Identifier: GPL-2.0-only\n"


class House(unittest.TestCase):
    def test_clean(self):
        self.assertEqual(text.house("a.c", SPDX + "int f(void)\n{\n\treturn 0;\n}\n"), [])

    def test_spdx(self):
        self.assertEqual(len(text.house("a.h", "int a;\n")), 1)
        self.assertEqual(text.house("init", "#!/bin/sh\n# SPDX-License-Identifier: X\n"), [])
        self.assertEqual(text.house(".gitignore", "bin\n"), [])

    def test_function_length(self):
        body = "int f(void)\n{\n" + "\tg();\n" * 60 + "}\n"
        self.assertEqual(text.house("a.c", SPDX + body), [])
        longer = body.replace("}\n", "\tg();\n}\n")
        self.assertIn("function of 61 lines", text.house("a.c", SPDX + longer)[0])

    def test_file_length(self):
        self.assertEqual(text.house("a.h", SPDX + "\n" * 499), [])
        self.assertEqual(len(text.house("a.h", SPDX + "\n" * 500)), 1)

    def test_conditionals(self):
        self.assertEqual(len(text.house("a.c", SPDX + "# ifdef X\n#if Y\n#ifndef Z\n")), 3)
        self.assertEqual(text.house("a.h", SPDX + "#ifdef X\n#endif\n"), [])


class KernelDoc(unittest.TestCase):
    DOC = "/**\n * f() - do it\n */\n"

    def test_documented(self):
        for head in ("int f(void)\n{\n}\n", "struct x *\nf(int a,\n  int b)\n{\n}\n"):
            self.assertEqual(text.undocumented(self.DOC + head), [])
            self.assertEqual(text.undocumented("static " + head), [])

    def test_undocumented(self):
        self.assertEqual(text.undocumented("/* f */\nstruct x *f(void)\n{\n}\n"), [(2, "f")])
        self.assertEqual(text.undocumented(self.DOC + "\nint f(void)\n{\n}\n"), [(5, "f")])

    def test_only_what_is_linked(self):
        for name, want in (("virt/a.c", 1), ("tools/a.c", 0), ("virt/a_test.c", 0), ("virt/a.h", 0)):
            self.assertEqual(len(text.house(name, SPDX + "int f(void)\n{\n}\n")), want, name)


class Remarks(unittest.TestCase):
    def test_types(self):
        said = "/x/a.c:3: ERROR:C99_COMMENTS: do not use C99 // comments\n\n" \
               "/x/a.c:4: CHECK:BRACES: braces {}: both\n"
        self.assertEqual(text.remarks("a.c", said), [
            ("a.c", "C99_COMMENTS", "a.c:3: C99_COMMENTS: do not use C99 // comments"),
            ("a.c", "BRACES", "a.c:4: BRACES: braces {}: both")])

    def test_other_output_stays(self):
        self.assertEqual(text.remarks("a.c", "Can't locate x.pm\n"),
                         [("a.c", "", "a.c: Can't locate x.pm")])


class Allow(unittest.TestCase):
    REMARKS = [("a.c", "LONG_LINE", "a.c:1: long"), ("b.c", "LONG_LINE", "b.c:1: long")]

    def test_parse(self):
        self.assertEqual(text.parse_allow("# x\n\na.c TYPE why it stays\n"),
                         [("a.c", "TYPE", "why it stays")])

    def test_reason_is_required(self):
        with self.assertRaises(ValueError):
            text.parse_allow("a.c TYPE\n")

    def test_only_what_matches(self):
        entries = [("a.*", "LONG_LINE", "why")]
        self.assertEqual(text.apply_allow(self.REMARKS, entries), (["b.c:1: long"], []))

    def test_unused_entry(self):
        entries = [("c.c", "LONG_LINE", "why")]
        self.assertEqual(text.apply_allow([], entries), ([], entries))


class Documents(unittest.TestCase):
    SOURCES = {"gmem_a_test.c": "GMEM_TEST(one)\n{ EINVAL }\nGMEM_TEST_TIMEOUT(two_two, 1)\n",
               "gmem_b_test.c": "GMEM_ERRNO_TEST(bits)\n{ EFAULT }\nATTACK(by_load, false)\n"
                                "SEALED_ATTACK(swap)\n{}\n"
                                '\t\t{ "layout", test_layout },\n'}

    def setUp(self):
        self.cases = text.cases_of(self.SOURCES)

    def unknown(self, page):
        return text.unknown_tests("p", page, self.cases)

    def test_cases(self):
        self.assertEqual(self.cases, {"gmem_a_test": {"one", "two_two"}, "gmem_b_test": {"bits", "by_load_is_refused", "layout", "swap", "swap_unsealed"}})

    def test_known(self):
        self.assertEqual(self.unknown("See gmem_a_test.one, two_two; gmem_b_test.bit*.\n"), [])
        self.assertEqual(self.unknown("See (two_two), and gmem_b_test.\n"), [])
        self.assertEqual(self.unknown("FNAME(walk_addr) calls f(x).\n"), [])

    def test_unknown_case(self):
        self.assertEqual(len(self.unknown("See gmem_a_test.three.\n")), 1)

    def test_unknown_in_list(self):
        self.assertEqual(len(self.unknown("See gmem_a_test.one,\nthree_three.\n")), 1)

    def test_unknown_in_parentheses(self):
        self.assertEqual(len(self.unknown("It holds (three_three).\n")), 1)

    def test_unknown_program(self):
        self.assertEqual(len(self.unknown("See gmem_c_test.\n")), 1)

    CELLS = "Errors.  Cases of gmem_a_test, bits of gmem_b_test.\n\n====== === ======\n" \
            "errno  why test\n====== === ======\nEINVAL bad one,\n       bit {}\n" \
            "EPERM  no  none\nEFAULT lo  bits\n====== === ======\n"

    def cells(self, word):
        page = self.CELLS.format(word)
        return (text.unknown_cells("p", page, self.cases)
                + text.untested_errnos("p", page, self.SOURCES))

    def test_column_of_tests(self):
        self.assertEqual(self.cells("two_*"), [])
        self.assertEqual(self.cells("three"), ["p:6: no such test: three"])
        self.assertEqual(self.cells("layout"), [])

    def test_column_of_tests_is_full(self):
        page = self.CELLS.format("two_two").replace("lo  bits", "lo")
        self.assertEqual(text.unknown_cells("p", page, self.cases),
                         ["p:9: no such test: empty; say none"])

    def test_column_of_tests_decides(self):
        page = self.CELLS.format("two_two").replace("EPERM  no  none", "EPERM  no  one ")
        self.assertEqual(text.untested_errnos("p", page, self.SOURCES),
                         ["p:8: EPERM is in no test that the table names"])

    def test_program_not_in_manifest(self):
        page = "See gmem_a_test.one and gmem_b_test.\n"
        self.assertEqual(text.unlisted("p", page, "x 60 ours/gmem_a_test\ny 60 ours/gmem_b_test\n"), [])
        self.assertEqual(len(text.unlisted("p", page, "x 60 ours/gmem_a_test\n")), 1)
        self.assertEqual(text.unlisted("p", "See gmem_a_test.\n", "x 60 ours/aarch64/gmem_a_test\n"),
                         [])

    TABLE = "Errors (gmem_a_test.one).{}\n\n======= ====\nEINVAL  bad\n        bit\n" \
            "ENOMEM  none\n======= ====\n"

    def test_errno_without_test(self):
        found = text.untested_errnos("p", self.TABLE.format(""), self.SOURCES)
        self.assertEqual(found, ["p:6: ENOMEM is in no test that the table names"])

    def test_errno_declared_untested(self):
        page = self.TABLE.format("  Not\ntested: ENOMEM.")
        self.assertEqual(text.untested_errnos("p", page, self.SOURCES), [])

    def test_table_without_test(self):
        page = self.TABLE.replace("(gmem_a_test.one)", "")
        self.assertEqual(len(text.untested_errnos("p", page.format(""), self.SOURCES)), 2)


class Compiler(unittest.TestCase):
    TREE = Path("/tree")

    def test_names_are_normal(self):
        out = "arch/x86/kvm/../../../virt/kvm/a.c:3:4: warning: x\n" \
              "/tree/virt/kvm/a.c:9: warning: y\nnoise\n"
        self.assertEqual(builds.messages(out, self.TREE),
                         collections.Counter({("virt/kvm/a.c", "warning: x"): 1,
                                              ("virt/kvm/a.c", "warning: y"): 1}))

    def test_places_count_once(self):
        out = "a.h:3:4: warning: x\n" * 2 + "a.h:9:4: warning: x\n"
        self.assertEqual(builds.messages(out, self.TREE), {("a.h", "warning: x"): 2})

    def test_objtool(self):
        out = "arch/x86/kvm/../../../virt/kvm/a.o: warning: objtool: f()+0x1: x\n"
        self.assertEqual(builds.messages(out, self.TREE),
                         {("virt/kvm/a.o", "warning: objtool: f()+0x1: x"): 1})

    def test_errors(self):
        out = "a.c:3:4: error: x\na.c:5:1: fatal error: y\n"
        self.assertEqual(len(builds.messages(out, self.TREE)), 2)

    GCC = "ccache gcc -Wp,-MMD,virt/.a.o.d -I/tree/include -c -o virt/a.o /tree/x/../virt/a.c"

    def test_commands(self):
        said = f"make[1]: x\n  {self.GCC}  ; ./tools/objtool --x virt/a.o\n" \
               "   sparse -m64 -I/tree/include /tree/virt/a.c\n  gcc -c -o b.o b.S\n"
        self.assertEqual(builds.commands(said, self.TREE),
                         {"virt/a.c": [self.GCC, "sparse -m64 -I/tree/include /tree/virt/a.c"]})

    def test_moved(self):
        self.assertEqual(builds.moved(self.GCC, self.TREE, "/base").split(),
                         "ccache gcc -I/base/include -c -o /dev/null /base/x/../virt/a.c".split())

    def test_sources(self):
        files = {"mm/a.c": "", "virt/kvm/b.c": "", "tools/d.c": "", "arch/x86/kvm/c.h": "",
                 "arch/x86/kvm/f.c": "", "arch/arm64/kvm/g.c": "",
                 "virt/kvm/part.c": "", "virt/lib/e.c": '#include "../kvm/b.c"\n#include "../kvm/part.c"\n',
                 "virt/kvm/Makefile.kvm": "kvm-y += $(KVM)/b.o\n"}
        with tempfile.TemporaryDirectory() as tree:
            for name, content in files.items():
                (Path(tree) / name).parent.mkdir(parents=True, exist_ok=True)
                (Path(tree) / name).write_text(content)
            self.assertEqual(builds.sources(Path(tree), [*files, "mm/gone.c"]),
                             ["arch/x86/kvm/f.c", "mm/a.c", "virt/kvm/b.c", "virt/lib/e.c"])

    def test_objects(self):
        self.assertEqual(builds.object_of("mm/a.c"), "mm/a.o")
        self.assertEqual(builds.object_of("virt/kvm/b.c"), "arch/x86/kvm/../../../virt/kvm/b.o")

    def test_warm_objects_go(self):
        with tempfile.TemporaryDirectory() as out:
            for name in ("arch/x86/kvm/a.o", "virt/kvm/b.o", "mm/d.o"):
                (Path(out) / name).parent.mkdir(parents=True)
                (Path(out) / name).touch()
            builds.clear(Path(out), ["arch/x86/kvm/a.o", "arch/x86/kvm/../../../virt/kvm/b.o"])
            self.assertEqual([p.name for p in Path(out).rglob("*.o")], ["d.o"])

    def test_broken_build(self):
        def look(said, status):
            return builds.look(said, status, self.TREE, "w.log")

        self.assertEqual(look("", 0), {})
        self.assertEqual(look("a.c:1: error: x\n", 2), {("a.c", "error: x"): 1})
        self.assertEqual(look("make: *** No rule to make target 'b.o'\nend\n", 2),
                         {("w.log", "make: *** No rule to make target 'b.o'"): 1})
        self.assertEqual(look("killed\n", 137), {("w.log", "killed"): 1})


class Broken(unittest.TestCase):
    """Each gate that needs no build, on a small tree with one broken file."""

    TREE = SCRIPTS.parent / ".build/linux"
    # What get_maintainer.pl takes for a kernel tree.
    TOPS = ("COPYING", "CREDITS", "Kbuild", "Makefile", "README")
    ROOMS = ("Documentation", "arch", "include", "drivers", "fs", "init", "ipc", "kernel", "lib")
    STANZA = f"{gates.STANZA}\nM:\tA <a@invalid>\nS:\tMaintained\nF:\tvirt/kvm/a*\n"
    GOOD = SPDX + "\nint a;\n"

    def setUp(self):
        if not (self.TREE / "scripts/checkpatch.pl").exists():
            self.fail("no assembled tree; run 'make tree'")
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.top, self.tree = Path(temp.name) / "top", Path(temp.name) / "tree"
        self.results = Path(temp.name) / "results"
        for folder in (self.top / "patches", self.tree, self.results):
            folder.mkdir(parents=True)
        (self.top / "patches/cover.txt").write_text("A series\n\nIt is good.\n")
        for name in self.TOPS:
            (self.tree / name).touch()
        for name in self.ROOMS:
            (self.tree / name).mkdir()
        (self.tree / "scripts").symlink_to(self.TREE / "scripts")
        shutil.copytree(self.TREE / "LICENSES", self.tree / "LICENSES")
        (self.tree / "MAINTAINERS").write_text(f"Maintainers List\n----------------\n\n{self.STANZA}")
        (self.top / "MAINTAINERS").write_text(self.STANZA)
        self.git(self.top, "init", "-q")
        self.git(self.tree, "init", "-q", "-b", "base")
        self.commit("base")
        self.git(self.tree, "checkout", "-q", "-b", "series")

    def git(self, where, *args):
        subprocess.run(["git", "-C", str(where), "-c", "user.name=a", "-c", "user.email=a@invalid",
                        *args], check=True, capture_output=True)

    def commit(self, message):
        self.git(self.tree, "add", "-A")
        self.git(self.tree, "commit", "-q", "-m", message)

    def complaints(self, gate, files, room="tree"):
        """What a gate says about these files, alone in the series."""
        for name, content in files.items():
            path = getattr(self, room) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        if room == "tree":
            self.commit("KVM: add a file\n\nIt is wanted.")
        ctx = common.Context(self.top, self.tree, self.top / "o", self.results)
        return gate(ctx)

    def test_house(self):
        self.assertEqual(self.complaints(gates.house, {"virt/kvm/a.c": self.GOOD}), [])
        self.assertEqual(len(self.complaints(gates.house, {"virt/kvm/a2.c": "int a;\n"})), 1)

    def test_licence(self):
        bad = self.GOOD.replace("GPL-2.0-only", "GPL-2.0-onyl")
        self.assertIn("Invalid License", self.complaints(gates.house, {"virt/kvm/a.c": bad})[0])

    def test_python(self):
        self.assertEqual(self.complaints(gates.python, {"a.py": "a = 1\n"}, "top"), [])
        self.assertEqual(len(self.complaints(gates.python, {"b.py": "import os\n"}, "top")), 1)
        self.assertIn("b.py:1", self.complaints(gates.python, {"b.py": "def\n"}, "top")[0])

    def test_python_without_suffix(self):
        found = self.complaints(gates.python, {"b": "#!/usr/bin/env python3\nimport os\n"}, "top")
        self.assertEqual(len(found), 1)

    def test_shellcheck(self):
        found = self.complaints(gates.shellcheck, {"a": "#!/bin/sh\necho hello\n"}, "top")
        self.assertEqual(found, [])
        found = self.complaints(gates.shellcheck, {"b": "#!/bin/bash\necho $1\n"}, "top")
        self.assertIn("SC2086", found[0])

    def test_kernel_doc(self):
        good = self.GOOD + "\n/**\n * f() - do it\n * @x: what\n */\nvoid f(int x)\n{\n}\n"
        self.assertEqual(self.complaints(gates.kernel_doc, {"virt/kvm/a.c": good}), [])
        found = self.complaints(gates.kernel_doc, {"virt/kvm/a.c": good.replace("@x", "@y")})
        self.assertIn("'x' not described", found[0])

    def test_kernel_doc_of_the_base(self):
        bad = self.GOOD + "\n/**\n * f() - do it\n */\nvoid f(int x)\n{\n}\n"
        self.base({"virt/kvm/a.c": bad})
        self.assertEqual(self.complaints(gates.kernel_doc, {"virt/kvm/a.c": bad + "int b;\n"}), [])
        worse = bad + "\n/**\n * g() - do it\n */\nvoid g(int z)\n{\n}\n"
        found = self.complaints(gates.kernel_doc, {"virt/kvm/a.c": worse})
        self.assertEqual(len(found), 1)
        self.assertIn("'z' not described", found[0])

    def test_maintainers(self):
        self.assertEqual(self.complaints(gates.maintainers, {"virt/kvm/a.c": self.GOOD}), [])
        found = self.complaints(gates.maintainers, {"virt/kvm/b.c": self.GOOD})
        self.assertEqual(found, ["virt/kvm/b.c: not in the stanza of MAINTAINERS"])
        for stanza in (f"{self.STANZA}F:\tmm/b.c\n", self.STANZA.replace("S:\tMaintained\n", "")):
            found = self.complaints(gates.maintainers, {"MAINTAINERS": stanza}, "top")
            self.assertEqual(found[:1], ["MAINTAINERS: not what the tree's has of it"])

    def compare(self, files, make=True):
        """What the gate "warnings" says with a make that compiles with -Wall."""
        source = self.tree / "virt/kvm/a.c"

        def kmake(tree, out, *args):
            cmd = f"gcc -Wall -I{tree}/include -c -o a.o {source.resolve()}"
            return (f"  {cmd}\n" + common.run(["sh", "-c", f"LC_ALL=C {cmd}"], cwd=out)[0], 0) if make else ("", 0)

        (self.top / "o").mkdir(exist_ok=True)
        with unittest.mock.patch.multiple(builds, kmake=kmake, prepare=lambda tree, out: None):
            return self.complaints(builds.warnings, files)

    def base(self, files):
        self.git(self.tree, "checkout", "-q", "base")
        for name, content in {"arch/x86/x": "", **files}.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.commit("base")
        self.git(self.tree, "checkout", "-q", "-B", "series")

    WARNS = "static inline int f(void)\n{\n\tint x;\n\treturn 0;\n}\n"

    def test_warnings(self):
        self.base({"include/a.h": "", "virt/kvm/a.c": self.WARNS})
        self.tree = self.tree.resolve()
        same = self.WARNS.replace("static", "int y;\nstatic")
        self.assertEqual(self.compare({"virt/kvm/a.c": same}), [])
        found = self.compare({"virt/kvm/a.c": same + self.WARNS.replace("f(", "g(")})
        self.assertEqual(len(found), 1)
        self.assertIn("virt/kvm/a.c: warning: unused variable", found[0])

    def test_warnings_of_headers(self):
        self.base({"include/a.h": "", "virt/kvm/a.c": "#include <a.h>\n"})
        found = self.compare({"include/a.h": self.WARNS})
        found += self.compare({"virt/kvm/a.c": "#include <a.h>\nint y;\n"})
        self.assertIn("include/a.h: warning: unused variable", found[0])

    def test_what_was_not_compiled(self):
        self.base({"include/a.h": "", "virt/kvm/a.c": self.WARNS})
        found = self.compare({"virt/kvm/a.c": self.WARNS + "int y;\n"}, make=False)
        self.assertEqual(found, ["virt/kvm/a.c: gcc did not see it"])

    def checkpatch(self, files):
        return [line for line in self.complaints(gates.checkpatch, files)
                if not line.startswith("checkpatch.allow: ")]

    def test_checkpatch(self):
        self.assertEqual(self.checkpatch({"virt/kvm/a.c": self.GOOD}), [])
        # Once in the patch, once in the file.
        found = self.checkpatch({"virt/kvm/a.c": self.GOOD + "int b = 0;\n"})
        self.assertEqual(["GLOBAL_INITIALISERS" in line for line in found], [True, True])

    def test_checkpatch_cover(self):
        (self.top / "patches/cover.txt").write_text("A series\n\n" + "long " * 20 + "\n")
        self.assertIn("COMMIT_LOG_LONG_LINE", self.checkpatch({"virt/kvm/a.c": self.GOOD})[0])

    @unittest.skipUnless(shutil.which("spatch"), "no spatch")
    def test_coccicheck(self):
        bad = SPDX + "int f(struct a *p)\n{\n\tif (!p)\n\t\treturn p->x;;\n\treturn 0;\n}\n" \
            "\nint g(void)\n{\n\treturn 1 1;\n}\n"
        stock = [p for p in gates.stock_rules(self.TREE)[0]
                 if p.stem in ("deref_null", "semicolon")]
        with unittest.mock.patch.object(gates, "stock_rules", lambda tree: (stock, [])):
            found = "\n".join(self.complaints(gates.coccicheck, {"virt/kvm/a.c": bad}))
        self.assertIn("null: virt/kvm/a.c:5", found.replace("deref_", ""))
        self.assertIn("semicolon: virt/kvm/a.c:5", found)
        self.assertIn("virt/kvm/a.c: spatch cannot parse: return 1 1;", found)
        self.assertIn("the tree has no kvm_attr_map_get()", found)


class Rules(unittest.TestCase):
    def test_stock_rules_need_no_compiler(self):
        with tempfile.TemporaryDirectory() as folder:
            rules = Path(folder, "scripts/coccinelle/api")
            rules.mkdir(parents=True)
            for name, content in (("a", "virtual report\n@script:python depends on report@\n"),
                                  ("b", "virtual report\n@initialize:ocaml@\n@@\n"),
                                  ("c", "virtual context,report\n@script:ocaml r@\n"),
                                  ("d", "virtual patch\n@script:ocaml@\n")):
                (rules / f"{name}.cocci").write_text(content)
            run, left = gates.stock_rules(Path(folder))
            self.assertEqual("".join(p.stem for p in run), "a")
            self.assertEqual("".join(p.stem for p in left), "bc")

    def test_each_has_header_and_example(self):
        for rule in gates.CHECKS.glob("*.cocci"):
            head = rule.read_text()
            for word in ("// Rule: ", "// Invariants: ", "// Files: "):
                self.assertIn(word, head, rule.name)
            example = gates.CHECKS / "tests" / f"{rule.stem}.c"
            self.assertTrue(text.markers(example.read_text()), rule.name)

    @unittest.skipUnless(shutil.which("spatch"), "no spatch")
    def test_each_fires_on_marked_lines_only(self):
        for rule in gates.CHECKS.glob("*.cocci"):
            self.assertEqual(gates.rule_complaints(rule), [])

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            rule = Path(folder) / "a.cocci"
            rule.write_text("// Files: virt/kvm/ include/a.h !virt/kvm/map.c\n")
            names = ["virt/kvm/a.c", "virt/kvm/map.c", "virt/kvm/a_test.c", "include/a.h",
                     "include/b.h", "virt/kvm/Kconfig"]
            self.assertEqual(gates.rule_files(rule, names), ["include/a.h", "virt/kvm/a.c"])

    def test_strangers(self):
        with tempfile.TemporaryDirectory() as folder:
            rule = Path(folder) / "a.cocci"
            rule.write_text("// kvm_gmem_x()\nidentifier f = { kvm_gmem_a, kvm_gmem_b, kmalloc };\n")
            self.assertEqual(gates.rule_strangers(rule, ["kvm_gmem_a();", "kvm_gmem_bc();"]),
                             ["a.cocci: the tree has no kvm_gmem_b()"])

    def test_markers(self):
        self.assertEqual(text.markers("a();\nb();\t/* fires */\n/* says \"fires\" */\n"), {2})


class Command(unittest.TestCase):
    def test_codes_are_distinct(self):
        codes = [code for code, _, _ in gates.GATES.values()]
        self.assertEqual(len(codes), len(set(codes)))
        self.assertGreater(min(codes), lint.MISS)

    def test_status(self):
        self.assertEqual(lint.status_of([("house", "pass"), ("docs", "pass")]), 0)
        self.assertEqual(lint.status_of([("house", "pass"), ("docs", "FAIL")]), 16)
        self.assertEqual(lint.status_of([("house", "FAIL"), ("docs", "FAIL")]), lint.SEVERAL)
        self.assertEqual(lint.status_of([("house", "FAIL"), ("docs", "missing")]), lint.MISS)

    def run_lint(self, *args):
        return subprocess.run([str(SCRIPTS / "lint"), *args], text=True, capture_output=True)

    def test_unknown_gate(self):
        done = self.run_lint("nonsense")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no gate 'nonsense'", done.stderr)

    def test_no_tree(self):
        with tempfile.TemporaryDirectory() as empty:
            done = self.run_lint("--tree", empty, "house")
        self.assertEqual(done.returncode, lint.MISS)
        self.assertIn("make tree", done.stderr)

    def test_quick_gates_exist(self):
        self.assertLess(set(gates.QUICK), set(gates.GATES))

    def test_ktap(self):
        args = lint.parse_args(["--ktap", "house", "docs"])
        said, results = [], {"house": ([], "ok 1 house"), "docs": (["x:1: bad"], "not ok 2 docs")}

        def gate(name):
            def complaints(ctx):
                ctx.notes.append(f"{name} left x out")
                return results[name][0]
            return (GATES[name][0], complaints, "")

        GATES = dict(lint.GATES)
        with tempfile.TemporaryDirectory() as folder:
            args.results = Path(folder)
            with unittest.mock.patch.multiple(
                    lint, say=lambda text, end="": said.append(text),
                    Context=unittest.mock.Mock(return_value=unittest.mock.Mock(notes=[])),
                    GATES={name: gate(name) for name in results}):
                self.assertEqual(lint.lint(args), GATES["docs"][0])
        self.assertEqual(said, ["KTAP version 1\n1..2", "# house left x out\nok 1 house",
                                "# x:1: bad\n# docs left x out\nnot ok 2 docs"])

    def test_help_names_each_gate(self):
        said = self.run_lint("-h").stdout
        for name in gates.GATES:
            self.assertIn(name, said)


if __name__ == "__main__":
    unittest.main()
