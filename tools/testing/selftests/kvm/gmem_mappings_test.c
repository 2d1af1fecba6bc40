// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: which of the guest's mappings go away, and which stay.
 *
 * A mapping that stays costs the guest no fault.  Faults are counted by KVM.
 */
#define _GNU_SOURCE
#include "gmem_harness.h"
#include "gmem_knob.h"
#include "gmem_world.h"

#define RUNS	256	/* more than KVM looks at one by one */

#define OTHER	(SLOT + 1)

static long faults_so_far(const struct world *w)
{
	char path[64];
	long nr;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kvm/%d-%d/pf_fixed", getpid(),
		 w->vm->fd);
	nr = gmem_read_number(path, NULL);
	TEST_ASSERT(nr >= 0, "no number in %s", path);
	return nr;
}

/* Faults of the guest while it reads every @step-th page */
static long faults_in(const struct world *w, u64 addr, unsigned int pages,
		      unsigned int step)
{
	long before = faults_so_far(w);
	unsigned int i;

	for (i = 0; i < pages; i += step)
		gmem_cmd_result(w->vcpu, GMEM_CMD_READ, addr + i * PG, 0);

	return faults_so_far(w) - before;
}

static long faults(const struct world *w, unsigned int page, unsigned int pages)
{
	return faults_in(w, gpa(page), pages, 1);
}

static void discard(u8 *addr, u64 size)
{
	TEST_ASSERT(!madvise(addr, size, MADV_DONTNEED), "MADV_DONTNEED: %s",
		    strerror(errno));
}

/* All pages of the slot are mapped, each with its own contents. */
static void fill_guest(const struct world *w)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		guest_fills(w, i, i + 1);
	ASSERT_EQ(faults(w, 0, PAGES), 0);
}

static struct world make_half_private(enum gmem_kind kind)
{
	struct world w = make_world(kind);

	ASSERT_OK(convert(&w, 0, PAGES / 2, GMEM_PRIVATE));
	fill_guest(&w);
	return w;
}

/* What happens to userspace_addr is no concern of private memory. */
GMEM_TEST(private_memory_stays_beside_userspace_addr)
{
	struct world w = make_half_private(GMEM_SLOT_TWO);

	discard(w.slot.hva, PAGES * PG);
	ASSERT_EQ(faults(&w, 0, PAGES / 2), 0);
	ASSERT_EQ(faults(&w, PAGES / 2, PAGES / 2), PAGES / 2);
	assert_guest(&w, 3, 4);
	assert_guest(&w, PAGES / 2, 0);
}

/* Nor is it one of shared memory that a file backs. */
GMEM_TEST(memory_of_a_file_stays_without_mappings_of_it)
{
	struct world w = make_half_private(GMEM_SLOT_INPLACE);

	discard(w.slot.hva, PAGES * PG);
	ASSERT_EQ(faults(&w, 0, PAGES), 0);
	munmap(w.slot.hva, PAGES * PG);
	ASSERT_EQ(faults(&w, 0, PAGES), 0);
	assert_guest(&w, PAGES - 1, PAGES);
}

GMEM_TEST(memory_of_a_file_stays_in_an_ordinary_guest)
{
	struct world w = make_world_of(GMEM_VM_DEFAULT, GMEM_SLOT_INPLACE);

	fill_guest(&w);
	munmap(w.slot.hva, PAGES * PG);
	ASSERT_EQ(faults(&w, 0, PAGES), 0);
	gmem_punch(w.slot.fd, 0, PG);
	ASSERT_EQ(faults(&w, 0, PAGES), 1);
}

/* Shared pages go away wherever they are, up to the last one. */
GMEM_TEST(shared_memory_goes_from_between_private_memory)
{
	struct world w = make_world(GMEM_SLOT_TWO);
	struct gmem_slot slot;
	unsigned int i;

	gmem_slot_add(&slot, w.vm, GMEM_SLOT_TWO, OTHER, GMEM_BASE + GMEM_HUGE,
		      RUNS * PG);
	for (i = 0; i < RUNS; i += 2)
		gmem_set_attrs(w.vm->fd, slot.gpa + i * PG, PG, GMEM_PRIVATE);
	gmem_cmd_result(w.vcpu, GMEM_CMD_TOUCH, slot.gpa, RUNS);
	ASSERT_EQ(faults_in(&w, slot.gpa, RUNS, 1), 0);

	discard(slot.hva, RUNS * PG);
	ASSERT_EQ(faults_in(&w, slot.gpa + PG, RUNS, 2), RUNS / 2);
	ASSERT_EQ(faults_in(&w, slot.gpa, RUNS / 8, 2), 0);
}

/* A conversion leaves alone what has the new kind already. */
static void convert_some(enum gmem_kind kind)
{
	struct world w = make_half_private(kind);

	ASSERT_OK(convert(&w, 0, PAGES - 4, GMEM_PRIVATE));
	ASSERT_EQ(faults(&w, 0, PAGES / 2), 0);
	ASSERT_EQ(faults(&w, PAGES - 4, 4), 0);
	ASSERT_EQ(faults(&w, PAGES / 2, 4), 4);

	ASSERT_OK(convert(&w, 4, PAGES - 4, GMEM_SHARED));
	ASSERT_EQ(faults(&w, 0, 4), 0);
	ASSERT_EQ(faults(&w, PAGES - 4, 4), 0);
	ASSERT_EQ(faults(&w, 4, 8), 8);
	assert_guest(&w, 3, 4);
}

GMEM_TEST(conversion_with_two_backings)
{
	convert_some(GMEM_SLOT_TWO);
}

GMEM_TEST(conversion_in_place)
{
	convert_some(GMEM_SLOT_INPLACE);
}

/* Nothing that the guest has of a page survives the page's conversion. */
GMEM_TEST(conversion_of_a_private_offset_at_a_shared_gfn)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	gmem_slot_delete(&w.slot, w.vm->fd);
	ASSERT_OK(convert_file(&w, 2, 2, GMEM_PRIVATE));
	bind_again(&w);
	fill_guest(&w);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	ASSERT_EQ(faults(&w, 4, PAGES - 4), 0);
	ASSERT_EQ(faults(&w, 2, 2), 2);
}

static long delete_other_slot(unsigned long type)
{
	struct gmem_slot other;
	struct world w;

	w.vm = gmem_vm_create(type, 1, gmem_guest_server, &w.vcpu);
	gmem_slot_add(&w.slot, w.vm, GMEM_SLOT_INPLACE, SLOT, GMEM_BASE, PAGES * PG);
	gmem_slot_add(&other, w.vm, GMEM_SLOT_INPLACE, OTHER, GMEM_BASE + PAGES * PG,
		      PAGES * PG);
	gmem_server_start(w.vcpu);
	fill_guest(&w);
	gmem_cmd_result(w.vcpu, GMEM_CMD_FILL, other.gpa, 0x77);
	gmem_cmd_result(w.vcpu, GMEM_CMD_FILL, other.gpa + (PAGES - 1) * PG, 0x77);

	/* The same gfns again, with another file */
	gmem_slot_delete(&other, w.vm->fd);
	gmem_slot_init(&other, w.vm->fd, GMEM_SLOT_INPLACE, OTHER, other.gpa,
		       other.size);
	ASSERT_EQ(gmem_cmd_result(w.vcpu, GMEM_CMD_IS, other.gpa, 0), 1);
	ASSERT_EQ(gmem_cmd_result(w.vcpu, GMEM_CMD_IS,
				  other.gpa + (PAGES - 1) * PG, 0), 1);

	return faults(&w, 0, PAGES);
}

GMEM_TEST(slot_goes_alone)
{
	ASSERT_EQ(delete_other_slot(GMEM_VM_PROTECTED), 0);
	/* The MMU of an ordinary guest begins anew. */
	ASSERT_EQ(delete_other_slot(GMEM_VM_DEFAULT), PAGES);
}

GMEM_TEST(slot_moves)
{
	struct world w = make_world(GMEM_SLOT_PLAIN);
	u64 away = gpa(PAGES);

	virt_map(w.vm, away, away, PAGES);
	fill_guest(&w);
	ASSERT_OK(__gmem_set_region1(w.vm->fd, SLOT, 0, away, PAGES * PG, w.slot.hva));

	ASSERT_EQ(gmem_cmd(w.vcpu, GMEM_CMD_READ, gpa(0), 0).exit, GMEM_EXIT_OTHER);
	ASSERT_EQ(w.vcpu->run->exit_reason, KVM_EXIT_MMIO);
	ASSERT_EQ(gmem_run(w.vcpu).exit, GMEM_EXIT_SYNC);
	ASSERT_EQ(faults_in(&w, away, PAGES, 1), PAGES);
	ASSERT_EQ(gmem_cmd_result(w.vcpu, GMEM_CMD_IS, away, 1), 1);
}

GMEM_HARNESS_MAIN
