// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory above memory that is merged: what KSM does at
 * userspace_addr of a private page, and what undoes it, is nothing to the guest.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "gmem_harness.h"
#include "gmem_kcore.h"
#include "gmem_ksm.h"
#include "gmem_world.h"

#define HOST	0x55
#define GUEST	0x22
#define ROUNDS	3

/* Pages 0 to 3 are private, 4 to 7 shared; all are alike at userspace_addr. */
static struct world make_alike(void)
{
	struct world w;
	unsigned int i;

	gmem_require_ksm();
	w = make_world(GMEM_SLOT_TWO);
	memset(host(&w, 0), HOST, 8 * PG);
	ASSERT_OK(convert(&w, 0, 4, GMEM_PRIVATE));
	for (i = 0; i < 4; i++)
		guest_fills(&w, i, GUEST + i);
	for (i = 4; i < 8; i++)
		assert_guest(&w, i, HOST);
	ASSERT_OK(madvise(host(&w, 0), 8 * PG, MADV_MERGEABLE));
	return w;
}

static bool is_merged(const struct world *w)
{
	u64 phys = gmem_physical_address(host(w, 0));
	unsigned int i;

	for (i = 1; i < 8; i++) {
		if (gmem_physical_address(host(w, i)) != phys)
			return false;
	}
	return true;
}

static void assert_unchanged(const struct world *w)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		assert_guest(w, i, GUEST + i);
	for (i = 4; i < 8; i++)
		assert_guest(w, i, HOST);
}

GMEM_TEST_TIMEOUT(merged_behind_private_pages, 120)
{
	struct world w = make_alike();
	unsigned int i, round;

	for (round = 0; round < ROUNDS; round++) {
		gmem_ksm_merge();
		TEST_ASSERT(is_merged(&w), "KSM did not merge the pages");
		assert_unchanged(&w);
		/* Copies on write, of the host and of a guest that writes shared pages */
		for (i = 0; i < 8; i++) {
			guest_fills(&w, i, i < 4 ? GUEST + i : 0x44);
			assert_host(&w, i, i < 4 ? HOST : 0x44);
			memset(host(&w, i), i < 4 ? 0x11 : HOST, PG);
		}
		assert_unchanged(&w);
		memset(host(&w, 0), HOST, 4 * PG);
		gmem_ksm_unmerge();
		assert_unchanged(&w);
	}

	/* The other memory was there all the time. */
	gmem_ksm_merge();
	ASSERT_OK(convert(&w, 0, 4, GMEM_SHARED));
	for (i = 0; i < 8; i++)
		assert_guest(&w, i, HOST);
	gmem_ksm_unmerge();
}

static void *merge_and_undo(void *arg)
{
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		gmem_ksm_merge();
		gmem_ksm_unmerge();
	}
	return NULL;
}

GMEM_TEST_TIMEOUT(merged_under_a_running_guest, 120)
{
	struct world w = make_alike();
	pthread_t thread;

	TEST_ASSERT(!pthread_create(&thread, NULL, merge_and_undo, NULL), "no thread");
	while (pthread_tryjoin_np(thread, NULL))
		assert_unchanged(&w);
	assert_unchanged(&w);
}

GMEM_HARNESS_MAIN
