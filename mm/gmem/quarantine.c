// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages of guest_memfd files that the host must not touch any more.
 */

#include <linux/gmem_quarantine.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/swap.h>

#include "../internal.h"

/* How often to wait for others to put the folio back on the LRU list */
#define GMEM_QUARANTINE_RETRIES	8

/*
 * It may still be on its way to the LRU list, or isolated by compaction.
 */
static bool gmem_quarantine_isolate(struct folio *folio)
{
	int i;

	for (i = 0; folio_isolate_lru(folio); i++) {
		if (i == GMEM_QUARANTINE_RETRIES)
			return false;
		lru_add_drain_all();
	}

	return true;
}

/**
 * gmem_quarantine_folio - keep a folio out of use for ever
 * @folio: folio that has left its file, with a reference of the caller
 *
 * Nobody can find the folio, and the page allocator never gets it.  Its memory
 * cgroup does not pay for it any longer.
 *
 * Context: Folio lock; may sleep.
 */
void gmem_quarantine_folio(struct folio *folio)
{
	pr_err_ratelimited("guest_memfd: %ld pages at pfn 0x%lx were not given back and are out of use\n",
			   folio_nr_pages(folio), folio_pfn(folio));

	/* This reference is never dropped. */
	folio_get(folio);

	/* If it is poisoned, that has been done. */
	if (folio_test_hwpoison(folio) || !gmem_quarantine_isolate(folio))
		return;

	folio_clear_active(folio);
	folio_clear_unevictable(folio);
	mem_cgroup_uncharge(folio);
}
EXPORT_SYMBOL_GPL(gmem_quarantine_folio);
