/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A protected VM with one data slot and a guest that takes commands, and what
 * host and guest see of each page of the slot.
 */
#ifndef SELFTEST_KVM_GMEM_WORLD_H
#define SELFTEST_KVM_GMEM_WORLD_H

#include <sys/uio.h>

#include "gmem_guest.h"
#include "gmem_harness.h"

#define PG	4096ULL
#define PAGES	16	/* of the slot */
#define SLOT	10

struct world {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct gmem_slot slot;
};

static inline struct world make_world_of(unsigned long type, enum gmem_kind kind)
{
	struct world w;

	w.vm = gmem_vm_create(type, 1, gmem_guest_server, &w.vcpu);
	gmem_enable_map_gpa_range(w.vm);
	gmem_slot_add(&w.slot, w.vm, kind, SLOT, GMEM_BASE, PAGES * PG);
	gmem_server_start(w.vcpu);
	return w;
}

static inline struct world make_world(enum gmem_kind kind)
{
	return make_world_of(GMEM_VM_PROTECTED, kind);
}

/* The slot that was deleted, with the same pages at the same place */
static inline void bind_again(const struct world *w)
{
	gmem_set_region2(w->vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, GMEM_BASE, PAGES * PG,
			 w->slot.hva, w->slot.fd, 0);
}

static inline u64 gpa(unsigned int page)
{
	return GMEM_BASE + page * PG;
}

static inline int convert(const struct world *w, unsigned int page,
			  unsigned int pages, u64 attrs)
{
	return __gmem_set_attrs(w->vm->fd, gpa(page), pages * PG, attrs);
}

static inline int convert_file(const struct world *w, unsigned int page,
			       unsigned int pages, u64 attrs)
{
	return __gmem_set_attrs2(w->slot.fd, page * PG, pages * PG, attrs, NULL);
}

static inline u8 *host(const struct world *w, unsigned int page)
{
	return w->slot.hva + page * PG;
}

static inline void assert_host(const struct world *w, unsigned int page, u8 value)
{
	u8 v;

	TEST_ASSERT(gmem_host_read(host(w, page), &v), "page %u: SIGBUS", page);
	TEST_ASSERT(gmem_host_page_is(host(w, page), value),
		    "page %u is not %#x throughout", page, value);
}

static inline void assert_no_host(const struct world *w, unsigned int page)
{
	u8 v = 0;

	TEST_ASSERT(!gmem_host_read(host(w, page), &v),
		    "page %u: the host reads a private page (%#x)", page, v);
	TEST_ASSERT(!gmem_host_write(host(w, page), 0xbb),
		    "page %u: the host writes a private page", page);
}

static inline void guest_fills(const struct world *w, unsigned int page, u8 value)
{
	gmem_cmd_result(w->vcpu, GMEM_CMD_FILL, gpa(page), value);
}

static inline void assert_guest(const struct world *w, unsigned int page, u8 value)
{
	TEST_ASSERT(gmem_cmd_result(w->vcpu, GMEM_CMD_IS, gpa(page), value) == 1,
		    "guest: page %u is not %#x throughout, first byte %#lx",
		    page, value,
		    gmem_cmd_result(w->vcpu, GMEM_CMD_READ, gpa(page), 0));
}

static inline void need_offers(void)
{
	if (!GMEM_HAS_OFFERS)
		gmem_skip("guests have no hypercall to share memory");
}

/* The guest offers @pages pages; the VMM converts that range and resumes. */
static inline void convert_offered(const struct world *w, unsigned int page,
				   unsigned int pages)
{
	gmem_guest_offer(w->vcpu, gpa(page), pages);
	ASSERT_OK(convert(w, page, pages, GMEM_SHARED));
	ASSERT_EQ(gmem_resume(w->vcpu), 0);
}

/* A page in a pipe: one reference more than the page cache's and the mapping's */
static inline void pin(u8 *addr, int pipe_fds[2])
{
	struct iovec iov = { .iov_base = addr, .iov_len = PG };

	TEST_ASSERT(!pipe(pipe_fds), "pipe()");
	TEST_ASSERT(vmsplice(pipe_fds[1], &iov, 1, 0) == PG, "vmsplice(): %s",
		    strerror(errno));
}

static inline void unpin(int pipe_fds[2], u8 value)
{
	static u8 buf[PG];

	TEST_ASSERT(read(pipe_fds[0], buf, PG) == PG, "read() of the pipe");
	TEST_ASSERT(gmem_host_page_is(buf, value), "the pipe's page changed");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

#endif /* SELFTEST_KVM_GMEM_WORLD_H */
