# SPDX-License-Identifier: GPL-2.0-only
"""Checks of each prefix of the series."""
import sys
from pathlib import Path

# Some of them are those of scripts/lint: package checks.
sys.path.append(str(Path(__file__).resolve().parent.parent.parent))
