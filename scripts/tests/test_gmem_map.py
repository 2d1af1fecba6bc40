# SPDX-License-Identifier: GPL-2.0-only
"""tools/kvm/gmem_map: maps that are good and bad, and what is drawn of them."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from unittest import mock

from script import SCRIPTS, load

NAME = "../tools/kvm/gmem_map/gmem_map"
gmem_map = load(NAME)

# 640 KiB shared, 2 GiB private, 1 GiB shared, a hole, a page of memory, a hole, 1 GiB private
MAP = """\
0000000000000000-00000000000a0000 0:0 shared file
00000000000a0000-0000000080000000 0:0 private file
0000000080000000-00000000c0000000 0:0 shared file
00000000fee00000-00000000fee01000 0:3 shared memory
0000000100000000-0000000140000000 0:1 private file
0000000000000000-0000000000100000 1:4 shared memory
"""
FDINFO = "pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t{}\n" \
    "gmem_size:\t{} kB\ngmem_private:\t{} kB\ngmem_shared:\t{} kB\ngmem_leaked:\t{} kB\n"
GIB = 1 << 30


def line(start, end, state="private", backing="file", where="0:0"):
    return f"{start << 12:016x}-{end << 12:016x} {where} {state} {backing}\n"


def strip_of(text, width):
    """The letters of the first strip of a map, and the line under it."""
    args = mock.Mock(width=width, glyphs=gmem_map.LETTERS, colour=False)
    ranges = gmem_map.parse(text, "map")
    return gmem_map.draw_space(0, ranges, args).splitlines()[1:]


class Parse(unittest.TestCase):
    def test_fields(self):
        ranges = gmem_map.parse(MAP, "map")
        self.assertEqual(ranges[3], (0xfee00000, 0xfee01000, 0, 3, False, False))
        self.assertEqual(ranges[4], (0x100000000, 0x140000000, 0, 1, True, True))
        self.assertEqual(gmem_map.parse("", "map"), [])

    def test_bad_lines(self):
        good = line(4, 8)
        for bad in ("x", "", good.replace("private", "Private"), good.replace(" file", ""),
                    good.replace("0:0", "0:-1"), good[1:], line(4, 4), line(8, 4),
                    good.replace("8000", "8001")):
            with self.assertRaisesRegex(gmem_map.Bad, r"^map:2: "):
                gmem_map.parse(line(0, 4) + bad + "\n", "map")

    def test_order(self):
        for bad in (line(0, 4) + line(3, 5), line(4, 5) + line(0, 4),
                    line(0, 1, where="1:0") + line(1, 2)):
            with self.assertRaisesRegex(gmem_map.Bad, "overlaps"):
                gmem_map.parse(bad, "map")
        self.assertEqual(len(gmem_map.parse(line(4, 5) + line(0, 4, where="1:0"), "map")), 2)

    def test_message_cannot_reach_the_terminal(self):
        with self.assertRaises(gmem_map.Bad) as caught:
            gmem_map.parse("\033[2J\n", "map")
        self.assertTrue(str(caught.exception).isprintable())


class Strip(unittest.TestCase):
    def test_to_scale(self):
        self.assertEqual(strip_of(line(0, 10) + line(10, 40, "shared"), 20),
                         ["P" * 5 + "s" * 15, "0x0          0x28000"])

    def test_one_page_of_many_is_seen(self):
        text = line(0, 5000) + line(5000, 5001, "shared") + line(5001, 10000)
        self.assertEqual(strip_of(text, 20)[0], "P" * 10 + "m" + "P" * 9)

    def test_labels_do_not_overlap(self):
        low = MAP.rpartition("0000000000000000-")[0]
        self.assertEqual(strip_of(low, 80)[2], "0x0" + " " * 55 + "0xfee00000 0x140000000")
        near = line(0, 1) + line(2, 3) + line(4, 1 << 18)
        self.assertEqual(strip_of(near, 80), ["P~P~" + "P" * 76,
                                              "0x0 0x4000" + "0x40000000".rjust(70)])
        # No room at all: the end matters most.
        self.assertEqual(strip_of(low, 20)[2], "0x0" + " " * 6 + "0x140000000")

    def test_fewer_pages_than_columns(self):
        self.assertEqual(strip_of(line(0, 1) + line(1, 2, "shared"), 21)[0],
                         "P" * 10 + "m" + "s" * 10)

    def test_gaps_are_compressed_and_the_smallest_group_stays(self):
        text = line(0, 1 << 20) + line(1 << 30, (1 << 30) + 1, "shared", "memory")
        strip, bare, scale = strip_of(text, 40)
        self.assertEqual(strip, "P" * 38 + "~s")
        self.assertEqual(bare, " " * 39 + "^")
        self.assertRegex(scale, r"^0x0 +0x40000001000$")

    def test_slots_side_by_side_are_no_gap(self):
        self.assertEqual(strip_of(line(0, 10) + line(10, 20, where="0:1"), 20)[0], "P" * 20)

    def test_more_gaps_than_columns(self):
        text = "".join(line(2 * i, 2 * i + 1) for i in range(1000)) + line(9000, 10000, "shared")
        args = mock.Mock(width=20, glyphs=gmem_map.LETTERS, colour=False)
        head, strip = gmem_map.draw_space(0, gmem_map.parse(text, "map"), args).splitlines()[:2]
        # One gap is larger than a column, 999 are not.
        self.assertEqual(strip, "P" * 10 + "~" + "s" * 9)
        self.assertIn("999 small gaps are not marked", head)

    def test_width_is_kept(self):
        for width in (20, 33, 80, 1000):
            for gap_width in (1, 3):
                groups, _ = gmem_map.layout(gmem_map.parse(MAP, "map")[:-1], width, gap_width)
                cells = sum(map(len, groups))
                self.assertEqual(cells + gap_width * (len(groups) - 1), width)

    def test_cells_add_up(self):
        groups, _ = gmem_map.layout(gmem_map.parse(MAP, "map")[:-1], 77)
        cells = [c for group in groups for c in group]
        self.assertEqual(sum(c.private for c in cells), 3 * GIB - 0xa0000)
        self.assertEqual(sum(c.shared for c in cells), GIB + 0xa0000 + 4096)
        self.assertEqual((cells[0].start, cells[-1].end), (0, 0x140000000))

    def test_human(self):
        sizes = (0, 4096, 1023 << 10, 1 << 20, 3 << 39, 1 << 63)
        self.assertEqual([gmem_map.human(n) for n in sizes],
                         ["0", "4.0 KiB", "1023.0 KiB", "1.0 MiB", "1.5 TiB", "8.0 EiB"])


class Host(unittest.TestCase):
    """A machine with VMs, in a folder."""
    def setUp(self):
        self.top = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.top / "kvm").mkdir()
        (self.top / "proc").mkdir()
        self.enterContext(mock.patch.dict("os.environ", {"COLUMNS": "80"}))
        self.map = self.top / "map"
        self.map.write_text(MAP)

    def vm(self, pid, fd, text, name="vmm"):
        folder = self.top / f"kvm/{pid}-{fd}"
        folder.mkdir()
        if text is not None:
            (folder / "gmem_map").write_text(text)
        (self.top / f"proc/{pid}/fdinfo").mkdir(parents=True, exist_ok=True)
        (self.top / f"proc/{pid}/comm").write_text(name + "\n")

    def file(self, pid, fd, *fields):
        (self.top / f"proc/{pid}/fdinfo/{fd}").write_text(FDINFO.format(*fields))

    def run_it(self, *argv, status=0):
        """What it prints, or says if it fails, which is one line."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                got = gmem_map.main(["--debugfs", str(self.top), "--proc",
                                     str(self.top / "proc"), *map(str, argv)])
            except SystemExit as end:
                got = end.code
        self.assertEqual(got, status, err.getvalue())
        if not status:
            self.assertEqual(err.getvalue(), "")
            return out.getvalue()
        self.assertEqual(out.getvalue(), "")
        last = err.getvalue().splitlines()[-1]
        self.assertTrue(last.startswith("gmem_map: "), last)
        return last


class Program(Host):
    def test_listing(self):
        self.vm(20, 5, MAP, "qemu")
        self.vm(3, 7, "", "a \033[2J b")
        self.vm(3, 10, line(0, 256, "shared", "memory"))
        (self.top / "kvm/exits").write_text("0")
        self.file(20, 8, 7, 4194304, 2097152, 1024, 0)
        self.file(20, 9, 7, 4194304, 2097152, 1024, 0)
        self.file(20, 12, 8, 4, 0, 4, 4)
        (self.top / "proc/20/fdinfo/0").write_text("pos:\t0\nino:\t9\n")
        self.assertEqual(self.run_it(), """\
Guest memory by state:
PID  FD  PRIVATE   SHARED  NAME
  3   7        0        0  vmm
  3  10        0  1.0 MiB  vmm
 20   5  3.0 GiB  1.0 GiB  qemu

guest_memfd files, and the pages that they hold:
PID  FILES     SIZE  PRIVATE   SHARED   LEAKED  NAME
 20      2  4.0 GiB  2.0 GiB  1.0 MiB  4.0 KiB  qemu
""")
        report = json.loads(self.run_it("--json"))
        self.assertEqual(report["files"], [{
            "pid": 20, "name": "qemu", "files": 2, "size": 4 * GIB + 4096, "private": 2 * GIB,
            "shared": (1 << 20) + 4096, "leaked": 4096}])
        self.assertEqual([(v["pid"], v["fd"]) for v in report["vms"]], [(3, 7), (3, 10), (20, 5)])

    def test_names_cannot_reach_the_terminal(self):
        self.vm(3, 7, "", "a\033[2J\u202eb")
        self.assertIn("  a?[2J?b\n", self.run_it())

    def test_names_that_the_terminal_cannot_show(self):
        self.vm(3, 7, "", "\u00e9")
        done = subprocess.run([SCRIPTS / NAME, "--debugfs", self.top, "--proc", self.top / "proc"],
                              capture_output=True, check=False,
                              env={**os.environ, "PYTHONIOENCODING": "ascii"})
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(done.stdout.endswith(b"0  ?\n"), done.stdout)

    def test_nothing_runs(self):
        self.assertEqual(self.run_it(), "No VMs.\n")
        self.assertIn("3 has no VM", self.run_it("3", status=2))

    def test_choice(self):
        self.vm(3, 7, line(0, 1))
        self.vm(3, 8, "")
        self.vm(33, 7, line(0, 1))
        self.assertEqual(re.findall(r"^VM (\S+)", self.run_it(3), re.M), ["3-7", "3-8"])
        self.assertIn("VM 3-8 (vmm)\nNo slots.\n", self.run_it("3-8"))
        self.assertIn("3-9 has no VM", self.run_it("3-9", status=2))

    def test_kernel_without_it(self):
        self.vm(3, 7, None)
        self.assertIn("no private guest memory", self.run_it(status=2))
        self.vm(4, 7, "")
        self.assertIn("  3   7        -       -  vmm", self.run_it())

    def test_map_that_is_bad(self):
        self.vm(3, 7, MAP)
        self.vm(4, 7, "nonsense\n")
        self.assertIn("4-7/gmem_map:1: ", self.run_it(status=2))

    def test_vm_that_ends_meanwhile(self):
        self.vm(3, 7, MAP)
        self.vm(4, 7, MAP)
        load_map = gmem_map.load_map

        def end(path):
            if path.parent.name == "3-7":
                path.unlink()
                path.parent.rmdir()
            return load_map(path)

        with mock.patch.object(gmem_map, "load_map", end):
            self.assertNotIn("\n  3", self.run_it())

    def test_no_debugfs(self):
        (self.top / "kvm").rmdir()
        self.assertIn("load kvm", self.run_it(status=2))

    def test_not_root(self):
        with mock.patch.object(gmem_map.os, "listdir", side_effect=PermissionError):
            self.assertIn("run as root", self.run_it(status=2))

    def test_saved_map(self):
        text = self.run_it("--file", self.map)
        self.assertIn("Address space 0: 3.0 GiB private, 1.0 GiB shared, 3 slots; "
                      "without a file: 0 private, 4.0 KiB shared\n", text)
        self.assertIn("\nm" + "P" * 37 + "s" * 19 + "~s~" + "P" * 20 + "\n", text)
        self.assertIn("Address space 1: 0 private, 1.0 MiB shared, 1 slot;", text)
        self.assertTrue(text.isascii())
        self.map.write_text("nonsense\n")
        self.assertIn("map:1: not a line of a map: 'nonsense'",
                      self.run_it("--file", self.map, status=2))
        self.map.write_bytes(b"\xff\x00")
        self.run_it("--file", self.map, status=2)
        self.assertIn("No such file", self.run_it("--file", self.top / "none", status=2))

    def test_standard_input(self):
        def piped(data, **env):
            return subprocess.run([SCRIPTS / NAME, "--file", "-", "--width", "80"], input=data,
                                  capture_output=True, check=False, env={**os.environ, **env})

        self.assertIn(b"~s~", piped(MAP.encode()).stdout)
        bad = piped(b"\xff\0", PYTHONIOENCODING="ascii")
        self.assertEqual((bad.returncode, bad.stdout), (2, b""))
        self.assertRegex(bad.stderr, rb"^gmem_map: -:1: not a line of a map: .*\n$")

    def test_colour(self):
        def coloured(*options, tty=True, **env):
            out = mock.Mock(encoding="utf-8", isatty=lambda: tty)
            with mock.patch.object(sys, "stdout", out), mock.patch.dict("os.environ", env):
                args = gmem_map.parse_args(["1", *options])
            return args.colour, args.glyphs is gmem_map.SHADES

        with mock.patch.dict("os.environ"):
            gmem_map.os.environ.pop("NO_COLOR", None)
            self.assertEqual(coloured(), (True, True))
            self.assertEqual(coloured(tty=False), (False, False))
            self.assertEqual(coloured(NO_COLOR="1"), (False, False))
            self.assertEqual(coloured(NO_COLOR=""), (True, True))
            self.assertEqual(coloured("--color", "never"), (False, False))
            self.assertEqual(coloured("--color", "always", tty=False, NO_COLOR="1"), (True, True))
        text = self.run_it("--file", self.map, "--color", "always")
        plain = re.sub(r"\033\[\d+m", "", text)
        self.assertEqual(plain, self.run_it("--file", self.map).replace("\u2588", "P"))
        self.assertEqual(text.count("\033[") % 2, 0)

    def test_json(self):
        self.vm(3, 7, MAP)
        vm, = json.loads(self.run_it("3", "--json"))["vms"]
        self.assertEqual((vm["private"], vm["shared"]), (3 * GIB - 0xa0000, GIB + 0xa0000 + 4096))
        self.assertEqual([s["number"] for s in vm["address_spaces"]], [0, 1])
        self.assertEqual(vm["address_spaces"][0]["ranges"][3], {
            "start": "0xfee00000", "end": "0xfee01000", "slot": 3, "state": "shared",
            "backing": "memory"})

    def test_usage(self):
        for bad in (["x"], ["3-"], ["--svg", "f"], ["3", "--file", "f"], ["3", "--json", "--watch"],
                    ["3", "--svg", "f", "--json"], ["3", "--width", "19"], ["3", "--width", "x"],
                    ["--watch", "--interval", "0"], ["--watch", "--interval", "nan"],
                    ["--file", "-", "--watch"]):
            with self.subTest(bad):
                with contextlib.redirect_stderr(io.StringIO()) as err, \
                     self.assertRaises(SystemExit) as end:
                    gmem_map.parse_args(bad)
                self.assertEqual(end.exception.code, 2)
                self.assertIn("gmem_map: error: ", err.getvalue().splitlines()[-1].replace(
                    Path(sys.argv[0]).name, "gmem_map"))


class Svg(Host):
    SVG = "{http://www.w3.org/2000/svg}"

    def rects(self, *argv):
        """Of each strip: [(x, width, class)], and of what has no file."""
        path = self.top / "out.svg"
        self.assertEqual(self.run_it(*argv, "--svg", path), "")
        root = ElementTree.fromstring(path.read_bytes())
        self.assertEqual(root.tag, self.SVG + "svg")
        self.text = [t.text for t in root.iter(self.SVG + "text")]
        self.tips = [t.text for t in root.iter(self.SVG + "title")]
        found = []
        for strip in root.iter(self.SVG + "g"):
            rects = [(int(r.get("x")), int(r.get("width")), r.get("class"))
                     for r in strip.iter(self.SVG + "rect")]
            found.append(([r for r in rects if r[2] != "bare"],
                          [r for r in rects if r[2] == "bare"]))
        return root, found

    def test_strips(self):
        root, (low, smm) = self.rects("--file", self.map)
        # 948 columns for 4 GiB and a page in three groups, and two gaps of six
        self.assertEqual(low, (
            [(20, 1, "mixed"), (21, 472, "private"), (493, 1, "mixed"), (494, 236, "shared"),
             (730, 6, "gap"), (736, 1, "shared"), (737, 6, "gap"), (743, 237, "private")],
            [(736, 1, "bare")]))
        self.assertEqual(smm, ([(20, 960, "shared")], [(20, 960, "bare")]))
        self.assertEqual(root.get("width"), "1000")
        for rects, _ in (low, smm):
            self.assertEqual(sum(width for _, width, _ in rects), 960)
            for (x, width, _), (then, _, _) in zip(rects, rects[1:]):
                self.assertEqual(x + width, then)

    def test_words(self):
        self.vm(3, 7, MAP, "<a&b>")
        self.rects("3")
        self.assertIn("VM 3-7 (<a&b>)", self.text)
        self.assertIn("0x140000000", self.text)
        self.assertIn("0x100000000-0x140000000: 1.0 GiB private, 0 shared, 0 without a file",
                      self.tips)

    def test_several(self):
        for fd in (7, 8):
            self.vm(3, fd, MAP)
        self.vm(3, 9, "")
        root, strips = self.rects("3")
        self.assertEqual(len(strips), 4)
        self.assertIn("No slots.", self.text)
        names = [g.get("id") for g in root.iter(self.SVG + "g")]
        self.assertEqual(len(set(names)), 4)
        tops = [min(int(r.get("y")) for r in g) for g in root.iter(self.SVG + "g")]
        self.assertTrue(all(b - a > gmem_map.HEIGHT for a, b in zip(tops, tops[1:])))
        self.assertLess(tops[-1] + 2 * gmem_map.HEIGHT, int(root.get("height")))

    def test_cannot_write(self):
        self.assertIn("cannot write", self.run_it("--file", self.map, "--svg", self.top, status=2))


class Watch(Host):
    def watch(self, *steps, argv=()):
        """What is printed when a step is done after each look."""
        todo = iter(steps)

        def sleep(seconds):
            self.assertEqual(seconds, 0.5)
            step = next(todo, None)
            if step is None:
                raise KeyboardInterrupt
            step()

        with mock.patch.object(gmem_map.time, "sleep", sleep):
            return self.run_it("--file", self.map, "--watch", "--interval", "0.5", *argv)

    def test_only_changes(self):
        text = self.watch(lambda: None, lambda: self.map.write_text(line(0, 1)), lambda: None)
        self.assertEqual(text.count("P private"), 2)
        self.assertTrue(text.endswith("without a file\n\n"))

    def test_end_of_the_vm(self):
        with contextlib.redirect_stderr(io.StringIO()) as err, \
             contextlib.redirect_stdout(io.StringIO()), \
             mock.patch.object(gmem_map.time, "sleep", lambda _: self.map.unlink()):
            self.assertEqual(gmem_map.main(["--file", str(self.map), "--watch"]), 0)
        self.assertEqual(len(err.getvalue().splitlines()), 1)

    def test_nothing_to_begin_with(self):
        self.assertIn("No such file", self.run_it("--file", self.top / "none", "--watch", status=2))

    def test_interrupt(self):
        # What runs in the background of a shell has it ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        with subprocess.Popen([SCRIPTS / NAME, "--file", self.map, "--watch"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            try:
                child.stdout.readline()
                child.send_signal(signal.SIGINT)
                _, err = child.communicate(timeout=60)
            finally:
                child.kill()
        self.assertEqual((child.returncode, err), (0, ""))


if __name__ == "__main__":
    unittest.main()
