# SPDX-License-Identifier: GPL-2.0-only
"""Checks of each prefix of the series."""
