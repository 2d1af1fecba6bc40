// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: what a guest access gives - which backing, which exit,
 * which mapping size.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "gmem_harness.h"
#include "gmem_world.h"

#define HOLE	(GMEM_BASE + (1ULL << 30))	/* no slot */

static void fault_once(const struct world *w, enum gmem_cmd_op op,
		       unsigned int page, u64 flags)
{
	gmem_cmd_fault(w->vcpu, op, gpa(page), 0x77, flags);
}

GMEM_TEST(private_without_slot)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	virt_map(w.vm, HOLE, HOLE, 2);
	gmem_set_attrs(w.vm->fd, HOLE, PG, GMEM_PRIVATE);
	gmem_cmd_fault(w.vcpu, GMEM_CMD_READ, HOLE + 8, 0, GMEM_PRIVATE);
	/* The same again for as long as nothing changes */
	gmem_run_to_fault(w.vcpu, HOLE, GMEM_PRIVATE);
	gmem_set_attrs(w.vm->fd, HOLE, PG, GMEM_SHARED);
	ASSERT_EQ(gmem_run(w.vcpu).exit, GMEM_EXIT_OTHER);
	ASSERT_EQ(w.vcpu->run->exit_reason, KVM_EXIT_MMIO);
	w.vcpu->run->mmio.data[0] = 0x42;
	ASSERT_EQ(gmem_resume(w.vcpu), 0x42);
}

/* What KVM remembers of an MMIO access does not hide the attribute. */
GMEM_TEST(private_after_mmio)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	unsigned int round;

	virt_map(w.vm, HOLE, HOLE, 2);
	for (round = 0; round < 4; round++) {
		enum gmem_cmd_op op = round & 1 ? GMEM_CMD_WRITE : GMEM_CMD_READ;

		ASSERT_EQ(gmem_cmd(w.vcpu, op, HOLE + 16, 9).exit, GMEM_EXIT_OTHER);
		ASSERT_EQ(w.vcpu->run->exit_reason, KVM_EXIT_MMIO);
		ASSERT_EQ(w.vcpu->run->mmio.phys_addr, HOLE + 16);
		w.vcpu->run->mmio.data[0] = round;
		ASSERT_EQ(gmem_resume(w.vcpu), round & 1 ? 0 : round);

		gmem_set_attrs(w.vm->fd, HOLE, PG, GMEM_PRIVATE);
		gmem_cmd_fault(w.vcpu, op, HOLE + 16, 9, GMEM_PRIVATE);
		gmem_set_attrs(w.vm->fd, HOLE, PG, GMEM_SHARED);
		ASSERT_EQ(gmem_run(w.vcpu).exit, GMEM_EXIT_OTHER);
		ASSERT_EQ(w.vcpu->run->exit_reason, KVM_EXIT_MMIO);
		gmem_resume(w.vcpu);
	}
}

GMEM_TEST(private_on_slot_without_file)
{
	struct world w = make_world(GMEM_SLOT_PLAIN);

	memset(host(&w, 0), 0x11, PAGES * PG);
	assert_guest(&w, 3, 0x11);
	ASSERT_OK(convert(&w, 3, 1, GMEM_PRIVATE));
	assert_guest(&w, 2, 0x11);
	assert_guest(&w, 4, 0x11);
	fault_once(&w, GMEM_CMD_READ, 3, GMEM_PRIVATE);
	ASSERT_OK(convert(&w, 3, 1, GMEM_SHARED));
	ASSERT_EQ(gmem_resume(w.vcpu), 0x11);
	ASSERT_OK(convert(&w, 3, 1, GMEM_PRIVATE));
	fault_once(&w, GMEM_CMD_WRITE, 3, GMEM_PRIVATE);
	ASSERT_EQ(host(&w, 3)[0], 0x11);
}

GMEM_TEST(attributes_before_the_slot)
{
	struct world w = make_world(GMEM_SLOT_TWO);
	struct gmem_slot late;

	gmem_set_attrs(w.vm->fd, gpa(PAGES), PG, GMEM_PRIVATE);
	gmem_slot_add(&late, w.vm, GMEM_SLOT_TWO, SLOT + 1, gpa(PAGES), 2 * PG);
	memset(late.hva, 0x11, 2 * PG);
	assert_guest(&w, PAGES, 0);
	assert_guest(&w, PAGES + 1, 0x11);
}

GMEM_TEST(file_closed_private)
{
	struct world w = make_world(GMEM_SLOT_TWO);

	memset(host(&w, 0), 0x11, PAGES * PG);
	ASSERT_OK(convert(&w, 0, 4, GMEM_PRIVATE));
	guest_fills(&w, 1, 0x22);
	ASSERT_OK(close(w.slot.fd));
	fault_once(&w, GMEM_CMD_READ, 1, GMEM_PRIVATE);
	ASSERT_OK(convert(&w, 1, 1, GMEM_SHARED));
	ASSERT_EQ(gmem_resume(w.vcpu), 0x11);
	assert_guest(&w, 5, 0x11);
	fault_once(&w, GMEM_CMD_WRITE, 2, GMEM_PRIVATE);
}

GMEM_TEST(file_closed_mapped)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	memset(host(&w, 0), 0x11, PAGES * PG);
	ASSERT_OK(convert(&w, 0, 4, GMEM_PRIVATE));
	guest_fills(&w, 1, 0x22);
	ASSERT_OK(close(w.slot.fd));
	/* The mapping is a reference to the file. */
	assert_guest(&w, 1, 0x22);
	assert_guest(&w, 5, 0x11);
	ASSERT_OK(munmap(w.slot.hva, PAGES * PG));
	fault_once(&w, GMEM_CMD_READ, 1, GMEM_PRIVATE);
	gmem_slot_delete(&w.slot, w.vm->fd);
	gmem_slot_init(&w.slot, w.vm->fd, GMEM_SLOT_INPLACE, SLOT, GMEM_BASE, PAGES * PG);
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
}

GMEM_TEST(file_closed_shared)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	guest_fills(&w, 1, 0x22);
	ASSERT_OK(close(w.slot.fd));
	ASSERT_OK(munmap(w.slot.hva, PAGES * PG));
	fault_once(&w, GMEM_CMD_READ, 1, 0);
}

GMEM_TEST(default_vm_uses_the_file)
{
	struct world w = make_world_of(GMEM_VM_DEFAULT, GMEM_SLOT_INPLACE);

	memset(host(&w, 0), 0x11, PAGES * PG);
	assert_guest(&w, 3, 0x11);
	guest_fills(&w, 3, 0x33);
	assert_host(&w, 3, 0x33);
	/* A slot on a mapped file is served from the file alone. */
	gmem_slot_delete(&w.slot, w.vm->fd);
	gmem_set_region2(w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, GMEM_BASE, PAGES * PG,
			 gmem_mmap_anon(PAGES * PG), w.slot.fd, 0);
	assert_guest(&w, 3, 0x33);
	gmem_punch(w.slot.fd, 3 * PG, PG);
	assert_guest(&w, 3, 0);
	assert_guest(&w, 4, 0x11);
}

/* A file without MMAP, never private: the ordinary backing is in use. */
GMEM_TEST(default_vm_with_unmappable_file)
{
	struct world w = make_world_of(GMEM_VM_DEFAULT, GMEM_SLOT_TWO);

	memset(host(&w, 0), 0x11, PAGES * PG);
	assert_guest(&w, 3, 0x11);
	guest_fills(&w, 3, 0x33);
	assert_host(&w, 3, 0x33);
}

static void guest_reads_for_ever(void)
{
	GUEST_STAGE(1);
	for (;;)
		guest_read8(GMEM_BASE);
}

struct delete_race {
	struct kvm_vcpu *vcpu;
	struct gmem_run run;
};

static void *run_once(void *arg)
{
	struct delete_race *race = arg;

	race->run = gmem_run(race->vcpu);
	return NULL;
}

/* The slot, or the file, goes away under a vCPU that reads it. */
static void check_vanish(enum gmem_kind kind, bool close_file)
{
	struct delete_race race;
	struct gmem_slot slot;
	pthread_t thread;
	struct kvm_vm *vm;
	unsigned int i;

	vm = gmem_vm_create(GMEM_VM_PROTECTED, 1, guest_reads_for_ever, &race.vcpu);
	gmem_slot_add(&slot, vm, kind, SLOT, GMEM_BASE, PAGES * PG);
	gmem_set_attrs(vm->fd, GMEM_BASE, PAGES * PG, GMEM_PRIVATE);
	gmem_run_to_sync(race.vcpu, 1);
	pthread_create(&thread, NULL, run_once, &race);
	/* Some work that lets the reader run; any moment will do. */
	for (i = 0; i < 200; i++)
		gmem_punch(slot.fd, 0, PG);
	if (close_file) {
		if (kind == GMEM_SLOT_INPLACE)
			ASSERT_OK(munmap(slot.hva, slot.size));
		close(slot.fd);
	} else {
		gmem_slot_delete(&slot, vm->fd);
	}
	pthread_join(thread, NULL);
	ASSERT_EQ(race.run.exit, GMEM_EXIT_FAULT);
	ASSERT_EQ(race.vcpu->run->memory_fault.flags, GMEM_PRIVATE);
	ASSERT_EQ(race.vcpu->run->memory_fault.gpa, GMEM_BASE);
	ASSERT_EQ(race.vcpu->run->memory_fault.size, PG);
}

GMEM_TEST(slot_deleted_under_a_reader)
{
	check_vanish(GMEM_SLOT_TWO, false);
	check_vanish(GMEM_SLOT_INPLACE, false);
}

GMEM_TEST(file_released_under_a_reader)
{
	check_vanish(GMEM_SLOT_TWO, true);
	check_vanish(GMEM_SLOT_INPLACE, true);
}

/* 2 MiB of shared memory that the host has as one page */
static struct world make_huge_world(void)
{
	struct world w;

	w.vm = gmem_vm_create(GMEM_VM_PROTECTED, 1, gmem_guest_server, &w.vcpu);
	gmem_slot_add(&w.slot, w.vm, GMEM_SLOT_TWO, SLOT, GMEM_BASE, 2 * GMEM_HUGE);
	ASSERT_OK(madvise(w.slot.hva, 2 * GMEM_HUGE, MADV_HUGEPAGE));
	memset(w.slot.hva, 0x11, 2 * GMEM_HUGE);
	gmem_server_start(w.vcpu);
	return w;
}

static void guest_reads_all(const struct world *w)
{
	unsigned int page;

	for (page = 0; page < 1024; page++)
		gmem_cmd_result(w->vcpu, GMEM_CMD_READ, gpa(page), 0);
}

static void assert_huge(const struct world *w, u64 mappings)
{
	if (GMEM_COUNTS_HUGE)
		ASSERT_EQ(gmem_vm_stat(w->vm, "pages_2m"), mappings);
}

GMEM_TEST(huge_mapping_rules)
{
	struct world w = make_huge_world();

	guest_reads_all(&w);
	assert_huge(&w, 2);

	/* One private page forbids it, for its own 2 MiB only. */
	ASSERT_OK(convert(&w, 100, 1, GMEM_PRIVATE));
	guest_reads_all(&w);
	assert_huge(&w, 1);
	assert_guest(&w, 100, 0);
	assert_guest(&w, 99, 0x11);
	assert_guest(&w, 101, 0x11);

	/* Uniform again */
	ASSERT_OK(convert(&w, 100, 1, GMEM_SHARED));
	guest_reads_all(&w);
	assert_huge(&w, 2);
	assert_guest(&w, 100, 0x11);

	/* First and last page, and a slot made after its attributes */
	ASSERT_OK(convert(&w, 511, 2, GMEM_PRIVATE));
	guest_reads_all(&w);
	assert_huge(&w, 0);
	gmem_slot_delete(&w.slot, w.vm->fd);
	gmem_set_region2(w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, GMEM_BASE,
			 2 * GMEM_HUGE, w.slot.hva, w.slot.fd, 0);
	guest_reads_all(&w);
	assert_huge(&w, 0);
	assert_guest(&w, 511, 0);
	assert_guest(&w, 512, 0);
	ASSERT_OK(convert(&w, 511, 2, GMEM_SHARED));
	guest_reads_all(&w);
	assert_huge(&w, 2);
}

/* A private 2 MiB block next to a shared one does not disturb it. */
GMEM_TEST(huge_mapping_beside_private)
{
	struct world w = make_huge_world();

	ASSERT_OK(convert(&w, 0, 512, GMEM_PRIVATE));
	guest_reads_all(&w);
	assert_guest(&w, 511, 0);
	assert_guest(&w, 512, 0x11);
	assert_huge(&w, 1);
}

GMEM_HARNESS_MAIN
