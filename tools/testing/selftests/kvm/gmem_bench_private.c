// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: what its pages cost while a guest uses them.
 *
 * Two backings, a guest_memfd and anonymous memory, are what mainline Linux
 * 6.12 has, too.  One backing is a guest_memfd that is mapped.
 */
#define _GNU_SOURCE
#include "gmem_bench.h"
#include "gmem_harness.h"

#define SIZE		(16 * MIB)
#define LARGE		(512 * MIB)
#define ROUNDS		5
#define TOGGLES		200

/* A VM whose slot is private as a whole, with nothing allocated */
static void make_private(struct gmem_bench_vm *b, u64 size)
{
	gmem_bench_need_private();
	gmem_bench_vm_init(b, KVM_X86_SW_PROTECTED_VM, GMEM_SLOT_TWO, size);
	gmem_set_attrs(b->vm->fd, b->slot.gpa, size, GMEM_PRIVATE);
}

/* Take the slot's pages from the guest's page tables, but not from the file. */
static void unmap(struct gmem_bench_vm *b)
{
	gmem_slot_delete(&b->slot, b->vm->fd);
	gmem_set_region2(b->vm->fd, b->slot.id, KVM_MEM_GUEST_MEMFD, b->slot.gpa,
			 b->slot.size, b->slot.hva, b->slot.fd, 0);
}

GMEM_TEST_TIMEOUT(private_touch, 120)
{
	struct gmem_bench_vm b;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		make_private(&b, SIZE);
		gmem_bench_time("private.first", gmem_bench_touch(&b), SIZE / PG);
		gmem_bench_time("private.again", gmem_bench_touch(&b), SIZE / PG);
		unmap(&b);
		gmem_bench_time("private.refault", gmem_bench_touch(&b), SIZE / PG);
		gmem_bench_vm_free(&b);
	}
}

static u64 prefault(struct gmem_bench_vm *b)
{
	struct kvm_pre_fault_memory args = { .gpa = b->slot.gpa, .size = b->slot.size };
	u64 start = gmem_now_ns();

	while (args.size)
		TEST_ASSERT(!ioctl(b->vcpu->fd, KVM_PRE_FAULT_MEMORY, &args) || errno == EINTR,
			    "KVM_PRE_FAULT_MEMORY: %s", strerror(errno));
	return gmem_now_ns() - start;
}

GMEM_TEST_TIMEOUT(private_prefault, 120)
{
	struct gmem_bench_vm b;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		make_private(&b, SIZE);
		gmem_bench_need(gmem_check_cap(b.vm->fd, KVM_CAP_PRE_FAULT_MEMORY),
				"no KVM_PRE_FAULT_MEMORY");
		gmem_bench_time("private.prefault", prefault(&b), SIZE / PG);
		gmem_bench_vm_free(&b);
	}
}

static u64 time_allocate(struct gmem_bench_vm *b)
{
	u64 start = gmem_now_ns();

	gmem_allocate(b->slot.fd, 0, b->slot.size);
	return gmem_now_ns() - start;
}

static u64 time_punch(struct gmem_bench_vm *b)
{
	u64 start = gmem_now_ns();

	gmem_punch(b->slot.fd, 0, b->slot.size);
	return gmem_now_ns() - start;
}

GMEM_TEST_TIMEOUT(private_file, 120)
{
	struct gmem_bench_vm b;
	int i;

	make_private(&b, SIZE);
	for (i = 0; i < ROUNDS; i++) {
		gmem_bench_time("file.allocate", time_allocate(&b), SIZE / PG);
		gmem_bench_time("file.punch", time_punch(&b), SIZE / PG);
		gmem_bench_touch(&b);
		gmem_bench_time("file.punch_mapped", time_punch(&b), SIZE / PG);
	}
}

GMEM_TEST_TIMEOUT(private_teardown, 120)
{
	struct gmem_bench_vm b;
	u64 start;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		make_private(&b, SIZE);
		gmem_bench_touch(&b);
		start = gmem_now_ns();
		gmem_bench_vm_free(&b);
		gmem_bench_time("private.teardown", gmem_now_ns() - start, SIZE / PG);
	}
}

/* One page, which the guest has touched since the last conversion, per call */
static void bench_toggle(const char *figure, enum gmem_kind kind)
{
	struct gmem_bench_vm b;
	u64 ns = 0, gpa;
	int i;

	gmem_bench_vm_init(&b, KVM_X86_SW_PROTECTED_VM, kind, SIZE);
	gpa = b.slot.gpa + 123 * PG;
	gmem_set_attrs(b.vm->fd, b.slot.gpa, SIZE, GMEM_PRIVATE);
	for (i = 0; i < TOGGLES; i++) {
		gmem_cmd_result(b.vcpu, GMEM_CMD_TOUCH, gpa, 1);
		ns += gmem_bench_attrs(b.vm->fd, gpa, PG, i & 1 ? GMEM_PRIVATE : GMEM_SHARED);
	}
	gmem_bench_time(figure, ns, TOGGLES);
	gmem_bench_vm_free(&b);
}

GMEM_TEST(toggle_mapped)
{
	int i;

	gmem_bench_need_private();
	for (i = 0; i < ROUNDS; i++)
		bench_toggle("toggle_4k.mapped", GMEM_SLOT_TWO);
}

/*
 * Both ways, with every page in the guest's page tables; and what it uses.
 * Nothing is given back: a VMM with two backings would have to punch holes.
 */
static void bench_convert(const char *name, enum gmem_kind kind)
{
	s64 before = gmem_bench_memory(GMEM_BENCH_USED);
	struct gmem_bench_vm b;
	char figure[4][64];
	u64 ns;

	snprintf(figure[0], sizeof(figure[0]), "%s.memory_before", name);
	snprintf(figure[1], sizeof(figure[1]), "%s.private", name);
	snprintf(figure[2], sizeof(figure[2]), "%s.memory_after", name);
	snprintf(figure[3], sizeof(figure[3]), "%s.shared", name);

	gmem_bench_vm_init(&b, KVM_X86_SW_PROTECTED_VM, kind, LARGE);
	/* Without pages of its own, the guest would see the zero page. */
	TEST_ASSERT(!madvise(b.slot.hva, LARGE, MADV_POPULATE_WRITE), "populating");
	prefault(&b);
	gmem_bench_bytes(figure[0], gmem_bench_memory(GMEM_BENCH_USED) - before);
	ns = gmem_bench_attrs(b.vm->fd, b.slot.gpa, LARGE, GMEM_PRIVATE);
	gmem_bench_time(figure[1], ns, LARGE / PG);
	prefault(&b);
	gmem_bench_bytes(figure[2], gmem_bench_memory(GMEM_BENCH_USED) - before);
	ns = gmem_bench_attrs(b.vm->fd, b.slot.gpa, LARGE, GMEM_SHARED);
	gmem_bench_time(figure[3], ns, LARGE / PG);
}

GMEM_TEST_TIMEOUT(convert_two, 240)
{
	gmem_bench_need_private();
	bench_convert("convert_two", GMEM_SLOT_TWO);
}

static void need_one_backing(void)
{
	int kvm = open_kvm_dev_path_or_exit();
	int flags = gmem_check_cap(kvm, KVM_CAP_GUEST_MEMFD_FLAGS);

	close(kvm);
	gmem_bench_need((flags & GMEM_INPLACE) == GMEM_INPLACE, "no private memory in one backing");
}

GMEM_TEST(toggle_mapped_one)
{
	int i;

	need_one_backing();
	for (i = 0; i < ROUNDS; i++)
		bench_toggle("toggle_4k.mapped_one", GMEM_SLOT_INPLACE);
}

GMEM_TEST_TIMEOUT(convert_one, 240)
{
	need_one_backing();
	bench_convert("convert_one", GMEM_SLOT_INPLACE);
}

GMEM_HARNESS_MAIN
