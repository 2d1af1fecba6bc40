/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Figures of a kernel: what takes how long, and how much memory.
 *
 * A benchmark is a case of gmem_harness.h.  It judges nothing, and fails only
 * if it cannot measure.  Each sample is a line with one JSON object; a figure
 * may have many samples:
 *
 *	{"figure": "NAME", "ns": N}	time, nanoseconds
 *	{"figure": "NAME", "bytes": N}	memory, bytes
 *	{"absent": "REASON"}		this kernel has no such figures
 */
#ifndef SELFTEST_KVM_GMEM_BENCH_H
#define SELFTEST_KVM_GMEM_BENCH_H

#include "gmem_clock.h"
#include "gmem_guest.h"

#define PG		4096ULL
#define MIB		BIT_ULL(20)
#define GIB		BIT_ULL(30)
#define TIB		BIT_ULL(40)

#define GMEM_BENCH_SLOT	10

enum gmem_bench_pool {
	GMEM_BENCH_SLAB,	/* small objects of the kernel */
	GMEM_BENCH_USED,	/* all that is not free */
};

s64 gmem_bench_memory(enum gmem_bench_pool pool);

void gmem_bench_time(const char *figure, u64 ns, u64 operations);
void gmem_bench_bytes(const char *figure, s64 bytes);

void gmem_bench_need(bool able, const char *what);
void gmem_bench_need_private(void);

u64 gmem_bench_attrs(int vm, u64 gpa, u64 size, u64 attrs);

/* A VM with one vCPU and one data slot that the guest reaches at its address */
struct gmem_bench_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct gmem_slot slot;
};

void gmem_bench_vm_init(struct gmem_bench_vm *b, unsigned long type,
			enum gmem_kind kind, u64 size);
void gmem_bench_vm_free(struct gmem_bench_vm *b);
u64 gmem_bench_touch(struct gmem_bench_vm *b);

#endif /* SELFTEST_KVM_GMEM_BENCH_H */
