/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Attempts of the host to get at a page, each with a positive control: it
 * succeeds at the same address before the page becomes private and after it is
 * shared again.
 */
#ifndef SELFTEST_KVM_X86_GMEM_ATTACK_H
#define SELFTEST_KVM_X86_GMEM_ATTACK_H

#include "gmem_harness.h"
#include "gmem_world.h"

#define SECRET	0x5a
#define FORGED	0xa5
#define TARGET	5	/* page */

static int attacked_fd;

/* Get at the first byte at @addr; a writer leaves FORGED there. */
typedef bool (*attempt_fn)(u8 *addr, u8 *seen);

static inline void attack(attempt_fn attempt, bool writes)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	u8 *addr = host(&w, TARGET);
	u8 seen = SECRET;

	attacked_fd = w.slot.fd;
	memset(addr, SECRET, PG);
	TEST_ASSERT(attempt(addr, &seen), "the control failed on a shared page");
	ASSERT_EQ(writes ? addr[0] : seen, writes ? FORGED : SECRET);
	memset(addr, SECRET, PG);

	ASSERT_OK(convert(&w, TARGET, 1, GMEM_PRIVATE));
	seen = 0;
	TEST_ASSERT(!attempt(addr, &seen), "the attempt succeeded, saw %#x", seen);
	TEST_ASSERT(seen != SECRET, "the secret came out of a refused attempt");
	assert_guest(&w, TARGET, SECRET);
	/* An attempt leaves nothing that a later one could use. */
	TEST_ASSERT(!attempt(addr, &seen), "the second attempt succeeded");
	assert_guest(&w, TARGET, SECRET);

	convert_offered(&w, TARGET, 1);
	seen = SECRET;
	TEST_ASSERT(attempt(addr, &seen), "the control failed after the offer");
	ASSERT_EQ(writes ? addr[0] : seen, writes ? FORGED : SECRET);
}

#define ATTACK(_how, _writes)						\
static void gmem_run_##_how##_is_refused(void)				\
{									\
	attack(_how, _writes);						\
}									\
GMEM_REGISTER(_how##_is_refused, GMEM_DEFAULT_DEADLINE)

#endif /* SELFTEST_KVM_X86_GMEM_ATTACK_H */
