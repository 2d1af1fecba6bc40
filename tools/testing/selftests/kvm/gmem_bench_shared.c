// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ordinary VMs, which every kernel has: what do they pay for private memory
 * that they do not use?
 */
#define _GNU_SOURCE
#include "gmem_bench.h"
#include "gmem_harness.h"

#define SIZE	(16 * MIB)
#define ROUNDS	5
#define EXITS	2000
#define SLOTS	200

static void make_vm(struct gmem_bench_vm *b)
{
	gmem_bench_vm_init(b, KVM_X86_DEFAULT_VM, GMEM_SLOT_PLAIN, SIZE);
}

GMEM_TEST_TIMEOUT(shared_touch, 120)
{
	struct gmem_bench_vm b;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		make_vm(&b);
		gmem_bench_time("shared.first", gmem_bench_touch(&b), SIZE / PG);
		gmem_bench_vm_free(&b);
	}
}

GMEM_TEST_TIMEOUT(shared_teardown, 120)
{
	struct gmem_bench_vm b;
	u64 start;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		make_vm(&b);
		gmem_bench_touch(&b);
		start = gmem_now_ns();
		gmem_bench_vm_free(&b);
		gmem_bench_time("shared.teardown", gmem_now_ns() - start, SIZE / PG);
	}
}

static u64 time_dirty_logging(struct gmem_bench_vm *b, u32 flags)
{
	u64 start = gmem_now_ns();

	ASSERT_OK(__gmem_set_region1(b->vm->fd, b->slot.id, flags, b->slot.gpa,
				     b->slot.size, b->slot.hva));
	return gmem_now_ns() - start;
}

/* Which pages are dirty; makes all of them clean */
static u64 time_dirty_log(struct gmem_bench_vm *b)
{
	static u64 bitmap[SIZE / PG / 64];
	u64 start = gmem_now_ns();

	kvm_vm_get_dirty_log(b->vm, b->slot.id, bitmap);
	start = gmem_now_ns() - start;
	TEST_ASSERT(bitmap[0] == ~0ULL && bitmap[ARRAY_SIZE(bitmap) - 1] == ~0ULL,
		    "pages that the guest wrote are not dirty");
	return start;
}

GMEM_TEST_TIMEOUT(shared_dirty, 120)
{
	struct gmem_bench_vm b;
	int i;

	make_vm(&b);
	gmem_bench_touch(&b);
	for (i = 0; i < ROUNDS; i++) {
		gmem_bench_time("dirty.on", time_dirty_logging(&b, KVM_MEM_LOG_DIRTY_PAGES),
				SIZE / PG);
		gmem_bench_time("dirty.write", gmem_bench_touch(&b), SIZE / PG);
		gmem_bench_time("dirty.log", time_dirty_log(&b), SIZE / PG);
		gmem_bench_time("dirty.off", time_dirty_logging(&b, 0), 1);
	}
}

/* A slot comes and goes, while nothing is mapped. */
GMEM_TEST_TIMEOUT(shared_slots, 120)
{
	struct gmem_bench_vm b;
	u64 gpa, start, ns;
	int i, k;

	make_vm(&b);
	gpa = b.slot.gpa + b.slot.size;
	for (i = 0; i < ROUNDS; i++) {
		start = gmem_now_ns();
		for (k = 0; k < SLOTS; k++) {
			ASSERT_OK(__gmem_set_region1(b.vm->fd, GMEM_BENCH_SLOT + 1, 0, gpa, PG,
						     b.slot.hva));
			ASSERT_OK(__gmem_set_region1(b.vm->fd, GMEM_BENCH_SLOT + 1, 0, gpa, 0,
						     b.slot.hva));
		}
		ns = gmem_now_ns() - start;
		gmem_bench_time("shared.slot", ns, SLOTS);
	}
}

/* KVM_RUN until the guest's next exit to userspace */
GMEM_TEST_TIMEOUT(shared_exit, 120)
{
	struct gmem_bench_vm b;
	u64 start;
	int i, k;

	make_vm(&b);
	for (i = 0; i < ROUNDS; i++) {
		start = gmem_now_ns();
		for (k = 0; k < EXITS; k++)
			vcpu_run(b.vcpu);
		gmem_bench_time("shared.exit", gmem_now_ns() - start, EXITS);
	}
}

GMEM_HARNESS_MAIN
