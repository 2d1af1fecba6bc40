# SPDX-License-Identifier: GPL-2.0-only
"""Fills the table, a prefix after the other."""
import time

from .build import Builder
from .common import COLUMNS, FORMAT, Cache, arch_of, cell, digest
from .last import Last
from .patchcheck import PatchChecks
from .paths import alone_of
from .table import line, save
from .tree import Tree


class Bisect:
    """One run. What an earlier run found is taken from its cache."""

    def __init__(self, args):
        self.args = args
        self.columns = [c for c in COLUMNS if arch_of(c) in args.arch]
        args.work.mkdir(parents=True, exist_ok=True)
        self.tree = Tree(args.tree, args.work / "linux")
        self.builder = Builder(args.work, self.tree, args.jobs)
        self.cache = Cache(args.work / "cache.json")
        self.checks = PatchChecks(args.work, self.tree, self.builder, self.cache)
        self.known = {}         # column -> warnings that an earlier prefix has
        self.configs = {}       # arch -> hash of .config without our options
        self.meta = {}

    def key(self, column, step):
        arch = arch_of(column)
        # Sources that are compiled alone belong to their patch.
        own = alone_of(step.paths) if column == "x86-on" else []
        return digest(FORMAT, column, self.builder.made_by(column, step),
                      step.content(arch), *own)

    def kernel(self, column, step, before):
        """One build of one prefix."""
        key = self.key(column, step)
        if before and key == before[column]:
            return cell("same", warnings=[])
        found = self.cache.get(key)
        if not found:
            found = self.build(column, step)
            if found["status"] != "fail":
                self.cache.put(key, found)
        if column.endswith("-off") and "config" in found:
            self.configs[arch_of(column)] = found["config"]
        return found

    def build(self, column, step):
        log = self.args.work / f"log-{column}-{step.oid[:12]}"
        log.unlink(missing_ok=True)
        self.tree.checkout(step.oid)
        same = self.builder.same(column, step)
        alone = column == "x86-on"
        if same and not alone:
            return cell("same", warnings=[], config=self.builder.state(column)["config"])
        config, force = self.builder.configure(column, step, log)
        if column.endswith("-on") and config == self.configs.get(arch_of(column)):
            return cell("ok", "=off", warnings=[], config=config)
        if same:
            result = cell("same", warnings=[])
        else:
            result = self.builder.compile(column, log, force)
        if alone:
            self.builder.compile_alone(column, log, step.paths, result)
        if result["status"] != "fail" and not same:
            self.builder.keep(column, step, config)
        return dict(result, config=config, forced=bool(force), log=log.name)

    def prefix(self, step, before):
        """All cells of one prefix."""
        cells, new = {}, set()
        if not self.args.no_build:
            for column in self.columns:
                cells[column] = self.kernel(column, step, before)
                found = set(cells[column]["warnings"])
                if step.paths:
                    new |= found - self.known[column]
                self.known.setdefault(column, set()).update(found)
            if not step.paths:
                every = set().union(*self.known.values())
                self.known = {column: set(every) for column in self.columns}
            cells["W=1"] = cell("fail" if new else "ok", "; ".join(sorted(new))[:400])
        if step.paths:
            cells["checkpatch"] = self.checks.checkpatch(step)
            cells["tools"] = self.checks.tools(step)
        return {"number": step.number, "commit": step.oid, "subject": step.subject,
                "cells": cells, "new_warnings": sorted(new)}

    def link(self, step):
        """Link the last prefix: only its objects tell what the series affects."""
        cells = {}
        for column in self.columns:
            log = self.args.work / f"log-last-{column}"
            log.unlink(missing_ok=True)
            cells[column] = self.builder.link(column, step, log)
            print(f"last {column}: {cells[column]['note']}", flush=True)
        return cells

    def boot(self, step, cells):
        last = Last(self.args.work, self.tree, self.builder, self.args.results)
        for column in self.columns:
            cells[column] = last.column(column, step)
            print(f"last {column}: {cells[column]['note']}", flush=True)

    def run(self):
        self.tree.create()
        steps = self.tree.steps(self.args.tip)
        self.meta = {"base": steps[0].oid, "tip": steps[-1].oid,
                     "compilers": {a: self.builder.version(a).splitlines()[0]
                                   for a in self.args.arch}}
        last = {} if self.args.no_build else self.link(steps[-1])
        rows, before = [], None
        if any(c["status"] == "fail" for c in last.values()):
            save(self.args.results, rows, last, self.meta)
            return rows, last
        for step in steps:
            begin = time.monotonic()
            row = self.prefix(step, before)
            before = {c: self.key(c, step) for c in self.columns}
            row["seconds"] = int(time.monotonic() - begin)
            rows.append(row)
            print(line(row), flush=True)
            save(self.args.results, rows, last, self.meta)
        if not self.args.no_build and not self.args.no_boot:
            self.boot(steps[-1], last)
        save(self.args.results, rows, last, self.meta)
        return rows, last
