# SPDX-License-Identifier: GPL-2.0-only
"""What the columns are, where things lie, and results of earlier runs."""
import hashlib
import json
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent.parent
TOP = SCRIPTS.parent
BUILD = TOP / ".build"
# Part of each key of a cached result: change it when a cell means something else.
FORMAT = "3"

# Without our options first: the others start from those builds.
COLUMNS = ("x86-off", "x86-on", "arm64-off", "arm64-on")
FRAGMENTS = {"x86": ("x86", "v6.1", "kunit", "debug-light"),
             "arm64": ("arm64", "kunit")}
# Our options. A prefix may not have them yet; the last one must.
OWN = {"x86": ("gmem", "gmem-test", "gmem-kunit", "page-kinds"),
       "arm64": ("arm64-gmem", "gmem-kunit", "page-kinds")}
# Directories that are built as a whole: the series adds files there.
FOLDERS = {"x86": ("arch/x86/kvm/", "virt/"), "arm64": ("arch/arm64/kvm/", "virt/")}
CROSS = {"x86": "", "arm64": "aarch64-linux-gnu-"}
IMAGE = {"x86": "arch/x86/boot/bzImage", "arm64": "arch/arm64/boot/Image"}
# As make and the other scripts call them.
LONG = {"x86": "x86_64", "arm64": "arm64"}


class Missing(Exception):
    """The run cannot go on; the text says what to do."""


def arch_of(column):
    return column.split("-")[0]


def is_on(column):
    return column.endswith("-on")


def fragments(column):
    return FRAGMENTS[arch_of(column)] + (OWN[arch_of(column)] if is_on(column) else ())


def config_text(column):
    return "".join((SCRIPTS / f"configs/{name}.config").read_text()
                   for name in fragments(column))


def digest(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def cell(status, note="", **more):
    """A result: ok, fail, same (as the prefix before) or none (nothing to do)."""
    return {"status": status, "note": note, **more}


class Cache:
    """Results of earlier runs by a hash of all that they depend on."""

    def __init__(self, path):
        self.path = path
        self.data = json.loads(path.read_text()) if path.exists() else {}

    def get(self, key):
        return self.data.get(key)

    def put(self, key, value):
        """Keep a good result; what failed is tried again."""
        if value["status"] != "fail":
            self.data[key] = value
            new = self.path.with_suffix(".new")
            new.write_text(json.dumps(self.data, indent=1))
            new.replace(self.path)
        return value
