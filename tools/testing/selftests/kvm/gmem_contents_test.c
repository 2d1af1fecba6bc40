// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: the contents that it has when the guest starts, which only a
 * backend can put there.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "gmem_backend.h"
#include "gmem_poison.h"
#include "gmem_world.h"

#define VALUE	0x66

static u8 source[PG] __aligned(PG);

static struct world make_empty(unsigned long flags, enum gmem_kind kind)
{
	struct world w;

	gmem_begin_backend_case();
	w = make_world_of(GMEM_TEST_VM + flags, kind);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	memset(source, VALUE, PG);
	return w;
}

static int add(const struct world *w, unsigned int page, const void *addr)
{
	return gmem_add_contents(w->vm->fd, gpa(page), addr);
}

static void contents(unsigned long flags, enum gmem_kind kind)
{
	struct world w = make_empty(flags, kind);

	ASSERT_OK(add(&w, 0, source));
	ASSERT_OK(add(&w, PAGES - 1, source));
	ASSERT_OK(add(&w, 3, NULL));
	ASSERT_EQ(gmem_owned_pages(), 3);
	memset(source, 0, PG);

	assert_guest(&w, 0, VALUE);
	assert_guest(&w, PAGES - 1, VALUE);
	assert_guest(&w, 3, 0);
	assert_guest(&w, 5, flags & GMEM_TEST_DESTRUCTIVE ? GMEM_TEST_TO_GUEST : 0);
	ASSERT_EQ(gmem_owned_pages(), 4);

	/* They are the guest's as if it had written them. */
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	assert_guest(&w, 0, 0);
	gmem_punch(w.slot.fd, 0, PAGES * PG);
	ASSERT_EQ(gmem_owned_pages(), 0);
}

GMEM_TEST(contents_of_a_reversible_guest)
{
	contents(0, GMEM_SLOT_MMAP);
	contents(0, GMEM_SLOT_TWO);
}

GMEM_TEST(contents_of_a_destructive_guest)
{
	contents(GMEM_TEST_DESTRUCTIVE, GMEM_SLOT_MMAP);
	contents(GMEM_TEST_DESTRUCTIVE, GMEM_SLOT_TWO);
}

GMEM_TEST(contents_out_of_the_kernels_reach)
{
	contents(GMEM_TEST_NO_ACCESS, GMEM_SLOT_MMAP);
	contents(GMEM_TEST_NO_ACCESS | GMEM_TEST_DESTRUCTIVE, GMEM_SLOT_MMAP);
}

/* What a conversion has made the guest's is not overwritten. */
GMEM_TEST(contents_over_what_was_shared)
{
	struct world w = make_empty(0, GMEM_SLOT_MMAP);

	ASSERT_OK(convert(&w, 0, 1, GMEM_SHARED));
	memset(host(&w, 0), 0x11, PG);
	ASSERT_OK(convert(&w, 0, 1, GMEM_PRIVATE));
	ASSERT_ERRNO(add(&w, 0, source), EEXIST);
	assert_guest(&w, 0, 0x11);
}

GMEM_TEST(contents_are_added_once)
{
	struct world w = make_empty(GMEM_TEST_DESTRUCTIVE, GMEM_SLOT_TWO);

	ASSERT_OK(add(&w, 1, source));
	ASSERT_ERRNO(add(&w, 1, source), EEXIST);
	guest_fills(&w, 2, 0x22);
	ASSERT_ERRNO(add(&w, 2, source), EEXIST);
	assert_guest(&w, 2, 0x22);

	gmem_punch(w.slot.fd, 2 * PG, PG);
	ASSERT_OK(add(&w, 2, source));
	assert_guest(&w, 2, VALUE);
}

/* A page is the host's, and empty, after a failure. */
static void refuse(unsigned long flags)
{
	struct world w = make_empty(flags, GMEM_SLOT_TWO);

	gmem_fail_call(GMEM_FAIL_ADD, 1, 1);
	ASSERT_ERRNO(add(&w, 1, source), EIO);
	ASSERT_EQ(gmem_owned_pages(), 0);
	assert_guest(&w, 1, flags & GMEM_TEST_DESTRUCTIVE ? GMEM_TEST_TO_GUEST : 0);

	gmem_fail_call(GMEM_FAIL_ADD, 1, 1);
	ASSERT_ERRNO(add(&w, 2, source), EIO);
	ASSERT_OK(add(&w, 2, source));
	assert_guest(&w, 2, VALUE);
	ASSERT_EQ(gmem_owned_pages(), 2);
}

GMEM_TEST(contents_refused)
{
	refuse(0);
}

GMEM_TEST(contents_refused_by_a_destructive_backend)
{
	refuse(GMEM_TEST_DESTRUCTIVE);
}

GMEM_TEST(bad_arguments)
{
	struct world w = make_empty(0, GMEM_SLOT_MMAP);
	u8 *gap = gmem_mmap_anon(PG);

	ASSERT_OK(convert(&w, 1, 1, GMEM_SHARED));
	ASSERT_OK(munmap(gap, PG));

	ASSERT_ERRNO(add(&w, 0, source + 1), EINVAL);
	ASSERT_ERRNO(gmem_add_contents(w.vm->fd, gpa(0) + 1, source), EINVAL);
	ASSERT_ERRNO(add(&w, 1, source), EINVAL);
	ASSERT_ERRNO(add(&w, 0, gap), EFAULT);
	ASSERT_ERRNO(add(&w, 0, host(&w, 2)), EFAULT);
	ASSERT_ERRNO(add(&w, PAGES, source), EFAULT);
	ASSERT_ERRNO(gmem_add_contents(w.slot.fd, gpa(0), source), EINVAL);
	ASSERT_ERRNO(gmem_add_contents(-1, gpa(0), source), EBADF);
	ASSERT_EQ(gmem_owned_pages(), 0);

	/* Another page of the same file will do. */
	memset(host(&w, 1), 0x33, PG);
	ASSERT_OK(add(&w, 0, host(&w, 1)));
	assert_guest(&w, 0, 0x33);
}

GMEM_TEST(memory_without_a_file)
{
	struct world w = make_empty(0, GMEM_SLOT_PLAIN);

	ASSERT_ERRNO(add(&w, 0, source), EFAULT);
}

GMEM_TEST(memory_of_a_closed_file)
{
	struct world w = make_empty(0, GMEM_SLOT_TWO);

	ASSERT_OK(close(w.slot.fd));
	ASSERT_ERRNO(add(&w, 0, source), EFAULT);
}

GMEM_TEST(broken_page)
{
	struct world w = make_empty(0, GMEM_SLOT_MMAP);

	ASSERT_OK(convert(&w, 0, 1, GMEM_SHARED));
	assert_host(&w, 0, 0);
	gmem_poison(host(&w, 0));
	ASSERT_OK(convert(&w, 0, 1, GMEM_PRIVATE));
	ASSERT_ERRNO(add(&w, 0, source), EHWPOISON);
}

static void *touch_all(void *arg)
{
	const struct world *w = arg;

	gmem_cmd_result(w->vcpu, GMEM_CMD_TOUCH, gpa(0), PAGES);
	return NULL;
}

/* Each page comes to the guest once, either way. */
GMEM_TEST(contents_while_the_guest_runs)
{
	unsigned int page, round, added = 0;
	pthread_t guest;
	struct world w;

	w = make_empty(GMEM_TEST_DESTRUCTIVE, GMEM_SLOT_TWO);
	for (round = 0; round < 50; round++) {
		ASSERT_OK(pthread_create(&guest, NULL, touch_all, &w));
		for (page = PAGES; page--;) {
			if (!add(&w, page, source))
				added++;
			else
				ASSERT_EQ(errno, EEXIST);
		}
		ASSERT_OK(pthread_join(guest, NULL));
		ASSERT_EQ(gmem_owned_pages(), PAGES);
		gmem_punch(w.slot.fd, 0, PAGES * PG);
		ASSERT_EQ(gmem_owned_pages(), 0);
	}
	TEST_ASSERT(added, "the guest was always first");
}

GMEM_HARNESS_MAIN
