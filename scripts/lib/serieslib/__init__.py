# SPDX-License-Identifier: GPL-2.0-only
"""Assemble, refresh and export the patch series kept in patches/ and the overlay."""
