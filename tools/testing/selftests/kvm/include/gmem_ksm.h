/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon that merges pages with the same contents.
 */
#ifndef SELFTEST_KVM_GMEM_KSM_H
#define SELFTEST_KVM_GMEM_KSM_H

#include <sched.h>

#include "gmem_harness.h"
#include "gmem_knob.h"

#define KSM	"/sys/kernel/mm/ksm/"

static inline void gmem_require_ksm(void)
{
	if (access(KSM "run", F_OK))
		gmem_skip("kernel without KSM");
}

/* Until all that can be merged is: a page must be seen twice to count as stable. */
static inline void gmem_ksm_merge(void)
{
	long end = gmem_read_number(KSM "full_scans", NULL) + 3;

	TEST_ASSERT(gmem_write_knob(KSM "pages_to_scan", "1000") &&
		    gmem_write_knob(KSM "sleep_millisecs", "1") &&
		    gmem_write_knob(KSM "run", "1"), "starting KSM");
	while (gmem_read_number(KSM "full_scans", NULL) < end)
		sched_yield();
}

/* Undo it and stop. */
static inline void gmem_ksm_unmerge(void)
{
	TEST_ASSERT(gmem_write_knob(KSM "run", "2") && gmem_write_knob(KSM "run", "0"),
		    "stopping KSM");
}

#endif /* SELFTEST_KVM_GMEM_KSM_H */
