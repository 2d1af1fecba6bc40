#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the logic of scripts/campaigns/bisect."""
import contextlib
import io
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from script import load  # puts what is imported next into the path

from bisectlib import build, last, logs, patchcheck, paths, table  # noqa: E402
from bisectlib import run as run_  # noqa: E402
from bisectlib.common import CROSS, Cache, Missing, cell  # noqa: E402
from bisectlib.tree import Tree  # noqa: E402

bisect = load("campaigns/bisect")

KVM_COMMAND = (
    "ccache gcc -Wp,-MMD,arch/x86/kvm/../../../virt/kvm/.kvm_main.o.d -I./include -O2 "
    "-DKBUILD_BASENAME='\"kvm_main\"' -D\"X(x)=$(pound)x\" -c "
    "-o arch/x86/kvm/../../../virt/kvm/kvm_main.o "
    "/k/arch/x86/kvm/../../../virt/kvm/kvm_main.c")


class Logs(unittest.TestCase):
    def test_warning_loses_line_numbers_and_place(self):
        want = {"virt/kvm/a.c: unused 'x' [-Wu]"}
        for place in ("/b/linux/", "../linux/", "../../linux/", ""):
            text = f"{place}virt/kvm/a.c:10:5: warning: unused 'x' [-Wu]\n"
            self.assertEqual(logs.warnings(text), want)

    def test_a_folder_of_the_tree_named_linux_stays(self):
        self.assertEqual(logs.warnings("include/linux/a.h:1:1: warning: w"),
                         {"include/linux/a.h: w"})
        self.assertEqual(logs.warnings("../linux/include/linux/a.h:1: warning: w"),
                         {"include/linux/a.h: w"})

    def test_path_through_another_directory(self):
        found = logs.warnings(
            "../linux/arch/x86/kvm/../../../virt/kvm/a.c:1:1: warning: w\n")
        self.assertEqual(found, {"virt/kvm/a.c: w"})

    def test_objtool_linker_and_modpost(self):
        self.assertEqual(logs.warnings(
            "a/b.o: warning: objtool: f()+0x12: no return\n"
            "ld: warning: x has an executable stack\n"
            "WARNING: modpost: vmlinux.o: section mismatch\n"),
            {"a/b.o: objtool: f(): no return", "ld: x has an executable stack",
             "modpost: vmlinux.o: section mismatch"})

    def test_documents(self):
        self.assertEqual(logs.warnings(
            "/w/linux/Documentation/a.rst:3: WARNING: w\n"
            "/w/linux/Documentation/b.rst: WARNING: no toctree\n", logs.DOC_WARNING),
            {"Documentation/a.rst: w", "Documentation/b.rst: no toctree"})

    def test_notes_and_errors_are_no_warnings(self):
        self.assertEqual(logs.warnings("a.c:1:1: note: n\na.c:1:1: error: e\n"), set())

    def test_first_error(self):
        self.assertEqual(logs.first_error("x\na.c:1:1: error: e\nmake: Error 2\n"),
                         "a.c:1:1: error: e")
        self.assertIn("undefined!", logs.first_error('ERROR: modpost: "f" undefined!\n'))
        self.assertEqual(logs.first_error("a\nkilled\n\n"), "killed")
        self.assertEqual(logs.first_error(""), "no output")

    def test_remarks_of_checkpatch(self):
        self.assertEqual(
            logs.remarks("m.patch", "a/b.c:7: WARNING:LONG_LINE: too long\n"
                                    "total: 1 warnings\nm.patch:3: ERROR:X: y\n"),
            [("m.patch", "LONG_LINE", "a/b.c:7: WARNING:LONG_LINE: too long"),
             ("m.patch", "X", "m.patch:3: ERROR:X: y")])

    def test_the_last_section_of_maintainers_is_none(self):
        self.assertEqual(logs.sections("KVM\nTHE REST\nhttps://x\n"), {"KVM"})
        self.assertEqual(logs.sections("THE REST\n"), set())


class Paths(unittest.TestCase):
    def test_what_a_kernel_build_reads(self):
        self.assertTrue(paths.matters("arch/x86/kvm/x86.c", "x86"))
        self.assertFalse(paths.matters("arch/x86/kvm/x86.c", "arm64"))
        self.assertTrue(paths.matters("arch/arm/xen/a.c", "arm64"))
        self.assertTrue(paths.matters("arch/Kconfig", "arm64"))
        self.assertTrue(paths.matters("tools/objtool/a.c", "x86"))
        self.assertTrue(paths.matters("Documentation/Kconfig", "x86"))
        for path in ("Documentation/a.rst", "MAINTAINERS", "tools/testing/a.c",
                     "tools/kvm/a.c"):
            self.assertFalse(paths.matters(path, "x86"))

    def test_only_a_source_that_no_object_reads_affects_nothing(self):
        deps = {"virt/kvm/kvm_main.c", "include/linux/kvm_host.h"}
        self.assertTrue(paths.unaffected({"virt/kvm/new.c", "virt/kvm/new.h"}, deps))
        self.assertFalse(paths.unaffected({"include/linux/kvm_host.h"}, deps))
        self.assertFalse(paths.unaffected({"virt/kvm/Kconfig"}, deps))
        self.assertFalse(paths.unaffected({"virt/kvm/Makefile.kvm"}, deps))
        # This one could be found first.
        self.assertFalse(paths.unaffected({"virt/kvm/kvm_host.h"}, deps))

    def test_selftests(self):
        top = paths.SELFTESTS
        self.assertEqual(
            paths.tests_of([top + "a_test.c", top + "x86_64/b_test.c", top + "Makefile",
                            top + "lib/c.c", "virt/kvm/d.c", top + "include/e.h"]),
            ["a_test", "x86_64/b_test"])

    def test_files_that_arm64_builds_too(self):
        top = paths.SELFTESTS
        self.assertTrue(paths.shared_with_arm64(top + "lib/a.c"))
        self.assertTrue(paths.shared_with_arm64(top + "include/a.h"))
        for path in ("lib/x86_64/a.c", "include/x86_64/a.h", "a_test.c"):
            self.assertFalse(paths.shared_with_arm64(top + path))

    def test_named_in_a_makefile(self):
        text = "kvm-y += $(KVM)/gmem/invalidate.o x86.o gmem/fault.o\n"
        self.assertTrue(paths.named("virt/kvm/gmem/invalidate.c", text))
        self.assertTrue(paths.named("arch/x86/kvm/gmem/fault.c", text))
        self.assertFalse(paths.named("arch/x86/kvm/fault.c", text))
        self.assertFalse(paths.named("virt/kvm/gmem/uninvalidate.c", text))


class Alone(unittest.TestCase):
    def test_command_is_changed_to_the_new_source(self):
        out = paths.standin(KVM_COMMAND, "virt/kvm/kvm_main", "virt/kvm/gmem/convert.c")
        self.assertTrue(out.endswith("/k/arch/x86/kvm/../../../virt/kvm/gmem/convert.c"), out)
        self.assertIn('"convert"', out)
        self.assertIn("=#x", out)
        self.assertIn("-o /dev/null", out)
        self.assertNotIn("kvm_main", out)

    def test_only_sources_of_kvm(self):
        self.assertEqual(paths.alone_of(["virt/kvm/a.c", "virt/kvm/a.h", "mm/b.c",
                                         "arch/x86/kvm/gmem/c.c"]),
                         ["virt/kvm/a.c", "arch/x86/kvm/gmem/c.c"])


class Verdicts(unittest.TestCase):
    def row(self, **cells):
        return {"number": 1, "subject": "s", "cells": cells, "new_warnings": [], "seconds": 2}

    def test_marks(self):
        for want, got in (("-", None), ("-", cell("none")), ("ok", cell("ok")),
                          ("=off", cell("ok", "=off")), ("same", cell("same")),
                          ("alone", cell("ok", "alone: a.c", forced=True)),
                          ("forced", cell("ok", forced=True)),
                          ("FAIL", cell("fail", "=off"))):
            self.assertEqual(table.mark(got), want)

    def test_any_failed_cell_fails_the_run(self):
        self.assertFalse(table.failures([self.row(a=cell("ok"))], {"x": cell("ok")}))
        bad = cell("fail", "n")
        self.assertTrue(table.failures([self.row(a=cell("ok"), b=bad)], {}))
        self.assertTrue(table.failures([self.row(a=cell("ok"))], {"x": bad}))

    def test_table_names_the_failure(self):
        text = table.table([self.row(checkpatch=cell("fail", "why"))], {})
        self.assertIn("FAIL 1 (s) checkpatch: why", text)
        self.assertIn("1 failed", text)

    def test_a_failure_is_not_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            cache = Cache(Path(folder) / "c")
            cache.put("a", cell("fail"))
            cache.put("b", cell("ok"))
            again = Cache(Path(folder) / "c")
            self.assertIsNone(again.get("a"))
            self.assertEqual(again.get("b")["status"], "ok")


class Boots(unittest.TestCase):
    def test_only_with_our_options_our_tests(self):
        self.assertNotIn("gmem", last.manifest("x86-off"))
        self.assertIn("gmem_uapi", last.manifest("x86-on"))
        self.assertNotIn("kunit", last.manifest("arm64-off"))
        self.assertIn("kunit kvm_attr_map_kunit", last.manifest("arm64-on"))


class Repository(unittest.TestCase):
    """A small repository with a series of two patches."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="bisect-test-")
        self.addCleanup(folder.cleanup)
        self.top = Path(folder.name)
        self.main = self.top / "linux"
        self.git("init", "-q", "-b", "series", str(self.main), cwd=self.top)
        self.commit("virt/a.c", "1")
        self.git("branch", "base")
        self.commit("virt/a.c", "2")
        self.commit("arch/x86/b.c", "3")
        self.args = bisect.parse_args(["--tree", str(self.main), "--no-boot",
                                       "--work", str(self.top / "work")])
        self.args.results = self.top / "results"

    def git(self, *args, cwd=None):
        env = dict(os.environ, GIT_CONFIG_GLOBAL=os.devnull)
        subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e@x", *args],
                       cwd=cwd or self.main, env=env, check=True, capture_output=True)

    def commit(self, path, text, amend=False):
        (self.main / path).parent.mkdir(parents=True, exist_ok=True)
        (self.main / path).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", f"change {path} {text}", *["--amend"] * amend)


class Prefixes(Repository):
    """Bisect with a builder that compiles nothing."""

    def setUp(self):
        super().setUp()
        self.built = []
        self.config = {}
        self.extra = {}

    def compile(self, builder, column):
        """Fails or warns where a file of the checkout says so."""
        self.built.append(column)
        builder.begin(column)
        text = "\n".join(p.read_text() for p in sorted(builder.tree.where.glob("[va]*/**/*.c")))
        return cell("fail" if "broken" in text else "ok", warnings=[
            w for w in text.split() if w.startswith("warn")])

    def configure(self, builder, column):
        builder.out(column).mkdir(parents=True, exist_ok=True)
        return self.config.get(column, column), []

    def link(self, builder, column):
        builder.extra[column] = self.extra
        return cell("ok", "linked")

    def go(self):
        with mock.patch.object(build.Builder, "configure",
                               lambda b, c, *_: self.configure(b, c)), \
             mock.patch.object(build.Builder, "compile",
                               lambda b, c, *_: self.compile(b, c)), \
             mock.patch.object(build.Builder, "link", lambda b, c, *_: self.link(b, c)), \
             mock.patch.object(build.Builder, "compile_alone", lambda *a: a[-1]), \
             mock.patch.object(build.Builder, "version", lambda *_: "1"), \
             mock.patch.object(patchcheck.PatchChecks, "checkpatch", lambda *_: cell("ok")), \
             contextlib.redirect_stdout(io.StringIO()):
            self.built.clear()
            return run_.Bisect(self.args).run()[0]

    def test_every_prefix_is_built_and_then_kept(self):
        rows = self.go()
        # The last patch is for x86 alone.
        self.assertEqual(len(self.built), 4 + 4 + 2)
        self.assertEqual(table.mark(rows[2]["cells"]["arm64-on"]), "same")
        self.assertEqual([table.mark(rows[1]["cells"][c]) for c in ("x86-on", "arm64-off")],
                         ["ok", "ok"])
        self.go()
        self.assertEqual(self.built, [])

    def test_a_new_tail_keeps_the_head(self):
        self.go()
        self.commit("virt/c.c", "4")
        self.go()
        self.assertEqual(len(self.built), 4)

    def test_a_file_that_no_object_reads_is_not_built(self):
        self.go()
        self.commit("virt/c.c", "4")
        with mock.patch.object(build, "dependencies", lambda *_: {"a.o": {"virt/a.c"}}):
            rows = self.go()
        self.assertEqual(self.built, [])
        self.assertEqual(table.mark(rows[3]["cells"]["x86-off"]), "same")

    def test_an_object_that_only_the_last_prefix_has_is_not_missed(self):
        self.go()
        self.commit("mm/c.c", "4")
        self.extra = {"mm/c.o": {"mm/c.c"}}
        with mock.patch.object(build, "dependencies", lambda *_: {"a.o": {"virt/a.c"}}):
            rows = self.go()
        # The base as well: its warnings of that object are not known yet.
        self.assertEqual(len(self.built), 4 + 4 + 4)
        self.assertEqual(table.mark(rows[3]["cells"]["x86-off"]), "ok")

    def test_documents_and_other_trees_build_nothing(self):
        self.go()
        self.commit("Documentation/a.rst", "4")
        self.git("rebase", "-q", "--root", "--committer-date-is-author-date")
        self.go()
        self.assertEqual(self.built, [])

    def test_equal_configurations_are_built_once(self):
        self.config = {"arm64-on": "same", "arm64-off": "same"}
        rows = self.go()
        self.assertEqual(table.mark(rows[1]["cells"]["arm64-on"]), "=off")
        self.assertNotIn("arm64-on", self.built)

    def test_other_fragments_build_anew(self):
        self.go()
        with mock.patch.object(build, "config_text", lambda c: c + "new"):
            self.go()
        self.assertEqual(len(self.built), 10)

    def test_a_new_warning_names_its_patch_only(self):
        self.commit("virt/a.c", "warn-in-a")
        self.commit("virt/c.c", "5")
        rows = self.go()
        self.assertEqual([r["number"] for r in rows if r["new_warnings"]], [3])
        self.assertEqual(rows[3]["new_warnings"], ["warn-in-a"])
        bad = table.failures(rows, {})
        self.assertEqual(len(bad), 1)
        self.assertIn("FAIL 3 (change virt/a.c warn-in-a) W=1: warn-in-a", bad[0])
        self.assertEqual(table.failures(self.go(), {}), bad)

    def test_a_warning_of_the_base_is_not_new(self):
        self.git("checkout", "-q", "base")
        self.commit("virt/w.c", "warn-old", amend=True)
        self.git("checkout", "-q", "series")
        self.git("rebase", "-q", "--onto", "base", "series~2")
        self.assertFalse(table.failures(self.go(), {}))

    def test_a_broken_prefix_is_named_and_tried_again(self):
        self.commit("virt/a.c", "broken")
        self.commit("virt/a.c", "mended")
        rows = self.go()
        self.assertEqual({line.split(":")[0] for line in table.failures(rows, {})},
                         {f"FAIL 3 (change virt/a.c broken) {c}" for c in
                          ("x86-on", "x86-off", "arm64-on", "arm64-off")})
        self.go()
        self.assertEqual(len(self.built), 4)

    def test_objects_of_an_interrupted_build_are_dropped(self):
        self.go()
        builder = run_.Bisect(self.args).builder
        out = builder.out("x86-off")
        (out / "old.o").touch()
        os.utime(out / "old.o", (1, 1))
        builder.begin("x86-off")
        (out / "new.o").touch()
        (out / "new.c").touch()
        builder.begin("x86-off")
        self.assertEqual(sorted(p.name for p in out.glob("*.[oc]")), ["new.c", "old.o"])
        steps = builder.tree.steps("series")
        self.assertIsNone(builder.changed("x86-off", steps[-1]))

    def test_the_table_is_written(self):
        self.go()
        data = json.loads((self.args.results / "bisect.json").read_text())
        self.assertEqual(len(data["prefixes"]), 3)
        self.assertIn("2 patches", (self.args.results / "bisect.txt").read_text())


class Compiler(Repository):
    """The real builder and compiler with a small Makefile in place of the kernel's."""

    MAKEFILE = (
        "allnoconfig:\n\tcp $(KCONFIG_ALLCONFIG) $(O)/.config\n"
        "%/: FORCE\n\tmkdir -p $(O)/$@\n"
        "\tfor c in $(wildcard $@*.c); do gcc -Wmissing-prototypes -c $$c "
        "-o $(O)/$${c%.c}.o || exit 1; done\nFORCE:\n")

    def setUp(self):
        super().setUp()
        self.git("checkout", "-q", "base")
        (self.main / "Makefile").write_text(self.MAKEFILE)
        (self.main / "Kbuild").touch()
        self.commit("virt/a.c", "int old(void) { return 0; }\n", amend=True)
        self.git("checkout", "-q", "-B", "series")
        self.args.arch = ["x86"]

    def rows(self, linked=cell("ok", "linked")):
        def link(builder, column, *_):
            builder.extra[column] = {}
            return linked

        with mock.patch.object(build.Builder, "link", link), \
             mock.patch.object(patchcheck.PatchChecks, "checkpatch", lambda *_: cell("ok")), \
             contextlib.redirect_stdout(io.StringIO()):
            return run_.Bisect(self.args).run()[0]

    def test_a_warning_and_an_error_name_their_patches(self):
        self.commit("virt/b.c", "int fine;\n")
        self.commit("virt/b.c", "int fresh(void) { return 0; }\n")
        self.commit("virt/c.c", "int broken = ;\n")
        self.commit("virt/c.c", "int mended;\n")
        rows = self.rows()
        bad = table.failures(rows, {})
        self.assertEqual([line.split()[1] for line in bad], ["2", "3", "3"], bad)
        self.assertIn("W=1: virt/b.c: no previous prototype for 'fresh'", bad[0])
        self.assertIn("x86-off: virt/c.c:1:14: error: expected expression", bad[1])
        self.assertEqual(table.failures(self.rows(), {}), bad)

    def test_a_tip_that_does_not_build_is_a_failure(self):
        self.assertEqual(self.rows(cell("fail", "x.c:1: error")), [])
        text = (self.args.results / "bisect.txt").read_text()
        self.assertIn("FAIL last x86-off: x.c:1: error", text)


class Dependencies(unittest.TestCase):
    def test_sources_of_the_tree_are_found(self):
        with tempfile.TemporaryDirectory() as folder:
            tree, out = Path(folder) / "linux", Path(folder) / "o/kernel"
            out.mkdir(parents=True)
            (out / ".a.o.cmd").write_text(
                f"cmd := gcc -c {tree}/kernel/a.c\ndeps := \\\n"
                f"  ../linux/include/b.h \\\n  include/generated/c.h \\\n"
                "    $(wildcard include/config/D) \\\n  /usr/include/e.h \\\n")
            self.assertEqual(build.dependencies(out.parent, tree),
                             {"kernel/a.o": {"kernel/a.c", "include/b.h"}})

    def test_option_of_an_object(self):
        makefile = ("obj-y += util.o\n"
                    "obj-$(CONFIG_KVM_GUEST_MEMFD) += gmem/fs.o\n"
                    "obj-$(CONFIG_KVM_GUEST_MEMFD) += gmem/kcore.o gmem/policy.o\n")
        for name in ("fs", "kcore", "policy"):
            self.assertEqual(paths.option_of(f"mm/gmem/{name}.o", makefile),
                             "CONFIG_KVM_GUEST_MEMFD")
        self.assertIsNone(paths.option_of("mm/gmem/core.o", makefile))
        self.assertIsNone(paths.option_of("mm/util.o", makefile))

    def test_affected_objects(self):
        deps = {"fs/a.o": {"fs/a.c", "m.h"}, "fs/b.o": {"fs/b.c"}, "virt/c.o": {"m.h"}}
        self.assertEqual(paths.affected(deps, {"m.h"}, ("virt/",)), ["fs/a.o"])

    def test_a_missing_compiler_says_what_to_do(self):
        builder = build.Builder(Path("/nowhere"), None, 1)
        with mock.patch.dict(CROSS, {"x86": "no-such-"}), self.assertRaises(Missing) as e:
            builder.version("x86")
        self.assertIn("make setup", str(e.exception))


class Style(Repository):
    """checkpatch.pl and get_maintainer.pl are stubs that print what a file holds."""

    def setUp(self):
        super().setUp()
        self.git("checkout", "-q", "base")
        scripts = self.main / "scripts"
        scripts.mkdir()
        (scripts / "checkpatch.pl").write_text(
            "#!/bin/sh\nfor f; do :; done\n"
            "sed -n 's/^+REMARK //p' \"$f\" | grep . && exit 1 || exit 0\n")
        (scripts / "checkpatch.pl").chmod(0o755)
        (scripts / "get_maintainer.pl").write_text(
            'exec "sh", "-c", "grep -s \\"$ARGV[-1]\\" MAINTAINERS; echo THE REST";\n')
        self.git("add", "-A")
        self.git("commit", "-q", "--amend", "-m", "base")
        self.git("checkout", "-q", "series")
        self.git("rebase", "-q", "--onto", "base", "series~2")

    def cell(self):
        tree = Tree(self.main, self.top / "work/linux")
        tree.create()
        work = self.top / "work"
        checks = patchcheck.PatchChecks(work, tree, build.Builder(work, tree, 1),
                                        Cache(work / "cache"))
        return checks.checkpatch(tree.steps("series")[-1])

    def test_a_remark_fails_the_patch(self):
        self.commit("virt/c.c", "REMARK virt/c.c:1: ERROR:SPACING: space\n")
        found = self.cell()
        self.assertEqual(found["status"], "fail")
        self.assertIn("virt/c.c:1: ERROR:SPACING: space", found["note"])

    def test_no_remark(self):
        self.commit("virt/c.c", "fine\n")
        self.assertEqual(self.cell()["status"], "ok")

    def test_a_new_file_must_be_in_maintainers_already(self):
        asks = "REMARK m:1: WARNING:FILE_PATH_CHANGES: need updating?\n"
        self.commit("virt/c.c", asks)
        self.assertEqual(self.cell()["note"], "FILE_PATH_CHANGES: MAINTAINERS does "
                                              "not name virt/c.c")
        self.git("reset", "-q", "--hard", "HEAD~")
        self.commit("MAINTAINERS", "virt/c.c\n")
        self.commit("virt/c.c", asks)
        self.assertEqual(self.cell()["status"], "ok")


if __name__ == "__main__":
    unittest.main()
