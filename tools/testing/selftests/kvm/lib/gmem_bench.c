// SPDX-License-Identifier: GPL-2.0-only
/*
 * Figures of a kernel: clock, memory, output, and the VM to measure.
 */
#define _GNU_SOURCE
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "gmem_bench.h"
#include "gmem_knob.h"

/* Counters are per processor; a read of this file folds them in. */
static void fold_counters(void)
{
	char line[128];
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "r");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		;
	fclose(f);
}

static s64 memory_now(enum gmem_bench_pool pool)
{
	fold_counters();
	if (pool == GMEM_BENCH_SLAB)
		return gmem_meminfo("Slab:") * 1024;
	return (gmem_meminfo("MemTotal:") - gmem_meminfo("MemFree:")) * 1024;
}

/* With one processor, membarrier() waits for nothing. */
static bool can_wait_for_rcu(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

/**
 * gmem_bench_memory() - Size of a pool, in bytes
 * @pool: which one
 *
 * What was freed before, by RCU, must not count as freed during a measurement:
 * wait until the pool does not shrink any more.  With one processor this cannot
 * be waited for: the size is an estimate then, and gmem_bench_bytes() prints none.
 */
s64 gmem_bench_memory(enum gmem_bench_pool pool)
{
	s64 last, bytes = memory_now(pool);
	int grace, tries = 0;

	if (!can_wait_for_rcu())
		return bytes;
	do {
		last = bytes;
		for (grace = 0; grace < 16; grace++)
			syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		bytes = memory_now(pool);
	} while (bytes < last && ++tries < 100);

	return bytes;
}

/* @ns for all @operations; prints the time of one */
void gmem_bench_time(const char *figure, u64 ns, u64 operations)
{
	printf("{\"figure\": \"%s\", \"ns\": %.1f}\n", figure, (double)ns / operations);
}

/* Prints a difference of gmem_bench_memory(), if it is exact */
void gmem_bench_bytes(const char *figure, s64 bytes)
{
	if (can_wait_for_rcu())
		printf("{\"figure\": \"%s\", \"bytes\": %lld}\n", figure, (long long)bytes);
}

/* End the benchmark, as one that this kernel does not have, unless @able. */
void gmem_bench_need(bool able, const char *what)
{
	if (able)
		return;
	printf("{\"absent\": \"%s\"}\n", what);
	exit(KSFT_PASS);
}

void gmem_bench_need_private(void)
{
	int kvm = open_kvm_dev_path_or_exit();
	int types = gmem_check_cap(kvm, KVM_CAP_VM_TYPES);

	close(kvm);
	gmem_bench_need(types & BIT(KVM_X86_SW_PROTECTED_VM), "no VMs with private memory");
}

/**
 * gmem_bench_vm_init() - Create a VM to measure
 * @b: filled
 * @type: of the VM
 * @kind: what stands behind its data slot
 * @size: of that slot, bytes; a multiple of 2 MiB
 *
 * The guest maps the slot by pages of 2 MiB, so that its own page tables count
 * for little.  It waits for gmem_bench_touch().
 */
void gmem_bench_vm_init(struct gmem_bench_vm *b, unsigned long type,
			enum gmem_kind kind, u64 size)
{
	b->vm = gmem_vm_create(type, 1, gmem_guest_server, &b->vcpu);
	gmem_slot_init(&b->slot, b->vm->fd, kind, GMEM_BENCH_SLOT, GMEM_BASE, size);
	virt_map_level(b->vm, GMEM_BASE, GMEM_BASE, size, PG_LEVEL_2M);
	gmem_server_start(b->vcpu);
}

void gmem_bench_vm_free(struct gmem_bench_vm *b)
{
	kvm_vm_free(b->vm);
	if (b->slot.fd >= 0)
		close(b->slot.fd);
	TEST_ASSERT(!munmap(b->slot.hva, b->slot.size), "munmap()");
}

/* The time of KVM_SET_MEMORY_ATTRIBUTES for a range that starts at @gpa */
u64 gmem_bench_attrs(int vm, u64 gpa, u64 size, u64 attrs)
{
	u64 start = gmem_now_ns();

	gmem_set_attrs(vm, gpa, size, attrs);
	return gmem_now_ns() - start;
}

/* Let the guest write a byte into each page of the slot.  Return the time. */
u64 gmem_bench_touch(struct gmem_bench_vm *b)
{
	u64 start = gmem_now_ns();

	gmem_cmd_result(b->vcpu, GMEM_CMD_TOUCH, b->slot.gpa, b->slot.size / PG);
	return gmem_now_ns() - start;
}
