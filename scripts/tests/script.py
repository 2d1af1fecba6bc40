# SPDX-License-Identifier: GPL-2.0-only
"""Scripts that have no .py in their name, as modules for the tests."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
# What the scripts import
sys.path.insert(0, str(SCRIPTS / "lib"))


def load(name):
    """Import a script by its file name, a path from scripts/ on."""
    path = SCRIPTS / name
    loader = importlib.machinery.SourceFileLoader(path.name.replace("-", "_"), str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module
