/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A world in which allocations fail, and what can be seen of it before and after.
 */
#ifndef SELFTEST_KVM_GMEM_NOMEM_H
#define SELFTEST_KVM_GMEM_NOMEM_H

#include "gmem_failure.h"
#include "gmem_world.h"

#define MORE	4		/* pages of a second file, above the slot */
#define MAX_NTH	400		/* more attempts than any call here takes */
#define BOTH	(BIT(GMEM_FAIL_ONE) | BIT(GMEM_FAIL_REST))

/* A world with a second file that has no slot at first */
struct nomem_world {
	struct world w;
	int fd;
	u8 *hva;
};

struct view {
	int host[PAGES + MORE];	/* byte, or -1: SIGBUS */
	int guest[PAGES];	/* byte */
	int unused_fd;
	bool second_slot;
};

struct call {
	/* Before each attempt; may be %NULL */
	void (*prepare)(struct nomem_world *nw);
	/* As a system call; must not fail by itself */
	int (*run)(struct nomem_world *nw);
	/* Takes back what a run that succeeded has done */
	void (*undo)(struct nomem_world *nw);
	/* Each enum gmem_failure that must get through: a mask */
	unsigned int gets_through;
};

static inline struct nomem_world make_nomem_world(enum gmem_kind kind, u64 flags)
{
	struct nomem_world nw = { .w = make_world(kind) };

	gmem_enable_failures();
	nw.fd = gmem_create(nw.w.vm->fd, MORE * PG, flags);
	nw.hva = flags & GUEST_MEMFD_FLAG_MMAP ? gmem_mmap(nw.fd, MORE * PG, 0) :
						 gmem_mmap_anon(MORE * PG);
	/* What stays open must not count as a leak. */
	gmem_vm_stat(nw.w.vm, "pages_4k");
	return nw;
}

static inline int add_second(struct nomem_world *nw)
{
	return __gmem_set_region2(nw->w.vm->fd, SLOT + 1, KVM_MEM_GUEST_MEMFD,
				  gpa(PAGES), MORE * PG, nw->hva, nw->fd, 0);
}

static inline int delete_second(struct nomem_world *nw)
{
	return __gmem_set_region2(nw->w.vm->fd, SLOT + 1, 0, gpa(PAGES), 0,
				  NULL, -1, 0);
}

static inline bool second_slot_exists(const struct nomem_world *nw)
{
	int vm = nw->w.vm->fd;

	if (__gmem_set_region2(vm, SLOT + 2, 0, gpa(PAGES), PG, nw->hva, -1, 0)) {
		ASSERT_EQ(errno, EEXIST);
		return true;
	}
	gmem_set_region2(vm, SLOT + 2, 0, gpa(PAGES), 0, NULL, -1, 0);
	return false;
}

static inline int host_sees(const u8 *addr)
{
	u8 value;

	return gmem_host_read(addr, &value) ? value : -1;
}

static inline struct view look(const struct nomem_world *nw)
{
	const struct world *w = &nw->w;
	struct view view = {};
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		view.host[i] = host_sees(host(w, i));
		view.guest[i] = gmem_cmd_result(w->vcpu, GMEM_CMD_READ, gpa(i), 0);
	}
	for (i = 0; i < MORE; i++)
		view.host[PAGES + i] = host_sees(nw->hva + i * PG);
	view.second_slot = second_slot_exists(nw);
	view.unused_fd = dup(STDOUT_FILENO);
	close(view.unused_fd);
	return view;
}

static inline void assert_same(const struct view *a, const struct view *b, const char *when)
{
	unsigned int i;

	for (i = 0; i < PAGES + MORE; i++)
		TEST_ASSERT(a->host[i] == b->host[i], "%s: the host sees %d in page %u, was %d",
			    when, b->host[i], i, a->host[i]);
	for (i = 0; i < PAGES; i++)
		TEST_ASSERT(a->guest[i] == b->guest[i],
			    "%s: the guest sees %d in page %u, was %d", when,
			    b->guest[i], i, a->guest[i]);
	TEST_ASSERT(a->unused_fd == b->unused_fd, "%s: a descriptor was lost", when);
	TEST_ASSERT(a->second_slot == b->second_slot, "%s: the slot came or went", when);
}

/* An attempt with a failure.  True: there was one. */
static inline bool attempt(struct nomem_world *nw, const struct call *call,
			   enum gmem_failure failure, unsigned int nth,
			   const struct view *before, const struct view *after,
			   unsigned int *errors)
{
	struct view now;
	char when[64];
	bool failed;
	u64 mapped;
	int ret;

	if (call->prepare)
		call->prepare(nw);
	mapped = gmem_vm_stat(nw->w.vm, "pages_4k");
	gmem_begin_failure(failure, nth);
	ret = call->run(nw);
	failed = gmem_end_failure(failure);
	snprintf(when, sizeof(when), "failure %u/%u, %s", failure, nth,
		 ret ? "error" : "success");
	if (ret) {
		TEST_ASSERT(failed && errno == ENOMEM, "%s: %s", when, strerror(errno));
		ASSERT_EQ(gmem_vm_stat(nw->w.vm, "pages_4k"), mapped);
		++*errors;
	}
	now = look(nw);
	assert_same(ret ? before : after, &now, when);
	if (!ret)
		call->undo(nw);
	return failed;
}

/* Fail the first allocation, the second, and so on, until there are no more. */
static inline void fail_in_turn(struct nomem_world *nw, const struct call *call,
				enum gmem_failure failure, const struct view *before,
				const struct view *after)
{
	unsigned int nth = 1, errors = 0;

	while (attempt(nw, call, failure, nth, before, after, &errors))
		TEST_ASSERT(nth++ < MAX_NTH, "allocations without end");
	printf("failure %u: %u attempts, %u errors\n", failure, nth, errors);
	TEST_ASSERT(errors || !(call->gets_through & BIT(failure)), "no error");
}

static inline void fail_each_allocation(struct nomem_world *nw, const struct call *call)
{
	struct view before, after, again;

	before = look(nw);
	if (call->prepare)
		call->prepare(nw);
	ASSERT_OK(call->run(nw));
	after = look(nw);
	call->undo(nw);
	again = look(nw);
	assert_same(&before, &again, "undone");
	fail_in_turn(nw, call, GMEM_FAIL_ONE, &before, &after);
	fail_in_turn(nw, call, GMEM_FAIL_REST, &before, &after);
}

#endif /* SELFTEST_KVM_GMEM_NOMEM_H */
