// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: what the guest offers is what it has put there itself,
 * since the page came there.
 *
 * The VMM decides which page is at a gfn.  In each case the guest puts a secret
 * somewhere, has reason to believe that it has overwritten it, and offers the
 * gfn.
 */
#define _GNU_SOURCE

#include "gmem_harness.h"
#include "gmem_world.h"

#define AT	5	/* the page of the slot that it is about */
#define ELSEWHERE	9
#define SECRET	0x55
#define MESSAGE	0x22

static void bind_all(struct world *w)
{
	gmem_set_region2(w->vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, GMEM_BASE, PAGES * PG,
			 w->slot.hva, w->slot.fd, 0);
}

static void unbind(struct world *w)
{
	gmem_slot_delete(&w->slot, w->vm->fd);
}

/* One page of the file, at one gfn */
static void bind_page(struct world *w, int at, int page)
{
	gmem_set_region2(w->vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, gpa(at), PG, host(w, page),
			 w->slot.fd, page * PG);
}

static struct world make_secret(void)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	guest_fills(&w, AT, SECRET);
	return w;
}

/* The guest believes that its message is at the gfn, and offers it. */
static void offer(struct world *w)
{
	gmem_guest_offer(w->vcpu, gpa(AT), 1);
	ASSERT_OK(convert(w, AT, 1, GMEM_SHARED));
	ASSERT_EQ(gmem_resume(w->vcpu), 0);
}

static void assert_not_shown(struct world *w)
{
	assert_host(w, AT, 0);
	assert_guest(w, AT, 0);
}

/* Another page was there in between. */
GMEM_TEST(replay_past_another_page)
{
	struct world w = make_secret();

	unbind(&w);
	bind_page(&w, AT, ELSEWHERE);
	guest_fills(&w, AT, MESSAGE);
	unbind(&w);
	bind_all(&w);
	offer(&w);
	assert_not_shown(&w);
}

/* The same, with the offer made while the other page is there. */
GMEM_TEST(replay_after_the_offer)
{
	struct world w = make_secret();

	unbind(&w);
	bind_page(&w, AT, ELSEWHERE);
	guest_fills(&w, AT, MESSAGE);
	gmem_guest_offer(w.vcpu, gpa(AT), 1);
	unbind(&w);
	bind_all(&w);
	ASSERT_OK(convert(&w, AT, 1, GMEM_SHARED));
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
	assert_not_shown(&w);
}

/* Another file was there. */
GMEM_TEST(replay_past_another_file)
{
	struct world w = make_secret();
	int fd = gmem_create(w.vm->fd, PG, GMEM_INPLACE);

	unbind(&w);
	gmem_set_region2(w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, gpa(AT), PG,
			 gmem_mmap(fd, PG, 0), fd, 0);
	guest_fills(&w, AT, MESSAGE);
	unbind(&w);
	bind_all(&w);
	offer(&w);
	assert_not_shown(&w);
}

/* Memory without a file was there, shared: the guest need not know. */
GMEM_TEST(replay_past_memory_without_a_file)
{
	struct world w = make_secret();

	unbind(&w);
	ASSERT_OK(convert(&w, AT, 1, GMEM_SHARED));
	gmem_set_region2(w.vm->fd, SLOT, 0, gpa(AT), PG, gmem_mmap_anon(PG), -1, 0);
	guest_fills(&w, AT, MESSAGE);
	unbind(&w);
	ASSERT_OK(convert(&w, AT, 1, GMEM_PRIVATE));
	bind_all(&w);
	offer(&w);
	assert_not_shown(&w);
}

/* A slot that moves there does not come in the same way. */
GMEM_TEST(replay_past_memory_that_moves)
{
	u8 *memory = gmem_mmap_anon(PG);
	struct world w = make_secret();
	const u64 aside = gpa(PAGES);

	unbind(&w);
	gmem_set_region2(w.vm->fd, SLOT, 0, aside, PG, memory, -1, 0);
	ASSERT_OK(convert(&w, AT, 1, GMEM_SHARED));
	gmem_set_region2(w.vm->fd, SLOT, 0, gpa(AT), PG, memory, -1, 0);
	guest_fills(&w, AT, MESSAGE);
	gmem_set_region2(w.vm->fd, SLOT, 0, aside, PG, memory, -1, 0);
	ASSERT_OK(convert(&w, AT, 1, GMEM_PRIVATE));
	unbind(&w);
	bind_all(&w);
	offer(&w);
	assert_not_shown(&w);
}

/* Nothing was there, so that the guest has written to a device. */
GMEM_TEST(replay_past_a_device)
{
	struct world w = make_secret();
	struct gmem_run run;

	unbind(&w);
	ASSERT_OK(convert(&w, AT, 1, GMEM_SHARED));
	run = gmem_cmd(w.vcpu, GMEM_CMD_WRITE, gpa(AT), MESSAGE);
	ASSERT_EQ(run.exit, GMEM_EXIT_OTHER);
	ASSERT_EQ(w.vcpu->run->exit_reason, KVM_EXIT_MMIO);
	gmem_resume(w.vcpu);
	ASSERT_OK(convert(&w, AT, 1, GMEM_PRIVATE));
	bind_all(&w);
	offer(&w);
	assert_not_shown(&w);
}

/* The page was at another gfn, where the guest has read it or not. */
GMEM_TEST(replay_past_another_gfn)
{
	struct world w = make_secret();

	unbind(&w);
	bind_page(&w, ELSEWHERE, AT);
	unbind(&w);
	bind_all(&w);
	offer(&w);
	assert_not_shown(&w);
}

/* The same, with a gfn that is nowhere near. */
GMEM_TEST(replay_past_a_gfn_elsewhere)
{
	struct world w = make_secret();

	unbind(&w);
	bind_page(&w, 2 * PAGES, AT);
	unbind(&w);
	bind_all(&w);
	offer(&w);
	assert_not_shown(&w);
}

/* The same, with slots that only overlap. */
GMEM_TEST(replay_past_an_overlap)
{
	struct world w = make_secret();

	unbind(&w);
	gmem_set_region2(w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, gpa(AT), (PAGES - AT) * PG,
			 host(&w, AT), w.slot.fd, AT * PG);
	unbind(&w);
	bind_all(&w);
	offer(&w);
	assert_not_shown(&w);
}

/* What the guest does in between at other gfns is no reason to lose its message. */
GMEM_TEST(same_slot_again)
{
	struct world w = make_secret();
	unsigned int i;

	for (i = 0; i < 3; i++) {
		unbind(&w);
		gmem_set_region2(w.vm->fd, SLOT, 0, gpa(2 * PAGES), PG, gmem_mmap_anon(PG), -1, 0);
		unbind(&w);
		bind_all(&w);
	}
	offer(&w);
	assert_host(&w, AT, SECRET);
}

/* A binding that was refused has changed nothing. */
GMEM_TEST(same_slot_after_a_failure)
{
	struct world w = make_secret();
	int fds[2], fd = gmem_create(w.vm->fd, PAGES * PG, GMEM_INPLACE);
	u8 *hva = gmem_mmap(fd, PAGES * PG, 0);

	unbind(&w);
	hva[0] = 1;
	pin(hva, fds);
	ASSERT_ERRNO(__gmem_set_region2(w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, GMEM_BASE,
					PAGES * PG, hva, fd, 0), EAGAIN);
	bind_all(&w);
	offer(&w);
	assert_host(&w, AT, SECRET);
}

/* Deleted slots are remembered up to a limit, the latest ones. */
GMEM_TEST_TIMEOUT(many_past_slots, 600)
{
	const unsigned int nr = 33000;
	struct world w = make_secret();
	unsigned int i;
	int fd;

	fd = gmem_create(w.vm->fd, (u64)nr * PG, GUEST_MEMFD_FLAG_MMAP);
	unbind(&w);
	for (i = 0; i < nr; i++) {
		gmem_set_region2(w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, gpa(PAGES + i), PG,
				 w.slot.hva, fd, i * PG);
		unbind(&w);
	}
	/* The oldest one has been forgotten, which is safe. */
	bind_all(&w);
	offer(&w);
	assert_not_shown(&w);
	ASSERT_OK(close(fd));
}

GMEM_HARNESS_MAIN
