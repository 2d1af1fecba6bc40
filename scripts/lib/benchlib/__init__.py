# SPDX-License-Identifier: GPL-2.0-only
"""Parts of scripts/campaigns/bench."""
