// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: what attributes cost in time and memory.
 *
 * No guest runs here.  Uses only what mainline Linux 6.12 has too, so that one
 * static binary measures all kernels.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "gmem_bench.h"
#include "gmem_harness.h"

#define MAX_SLOT	(512 * GIB)
#define TOGGLES		2000
#define ROUNDS		8
#define ENOUGH		2000000000ULL	/* ns for all rounds of a range */

/* False: the processor has no such guest physical address. */
static bool add_slot(int vm, u32 slot, u64 gpa, u64 size)
{
	int fd = gmem_create(vm, size, 0);
	int ret = __gmem_set_region2(vm, slot, KVM_MEM_GUEST_MEMFD, gpa, size, NULL, fd, 0);

	TEST_ASSERT(!ret || (errno == EINVAL && slot > 1), "REGION2 at %#lx: %s", gpa,
		    strerror(errno));
	close(fd);
	return !ret;
}

/*
 * A VM with slots on files over [0, @size), or over as much of it as the
 * processor can address: at least two slots.  Attributes need no slots.
 */
static int make_vm(u64 size)
{
	u64 gpa, part;
	u32 slot;
	int vm;

	gmem_bench_need_private();
	vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	for (gpa = 0, slot = 0; gpa < size; gpa += part, slot++) {
		part = size - gpa < MAX_SLOT ? size - gpa : MAX_SLOT;
		if (!add_slot(vm, slot, gpa, part))
			break;
	}
	return vm;
}

/* Bytes that the kernel keeps for one private range of @size bytes */
static s64 cost_of(u64 size)
{
	s64 before, bytes;
	int vm = make_vm(size);

	before = gmem_bench_memory(GMEM_BENCH_SLAB);
	gmem_set_attrs(vm, 0, size, GMEM_PRIVATE);
	bytes = gmem_bench_memory(GMEM_BENCH_SLAB) - before;
	close(vm);
	return bytes;
}

/*
 * Where a kernel keeps something for each page, a large range may not fit.  A
 * GiB then costs two MiB at least; less than one may be other people's memory.
 */
static void need_memory_for(u64 size)
{
	s64 room = sysconf(_SC_AVPHYS_PAGES) * PG, cost = cost_of(GIB);
	s64 need = cost * (s64)(size / GIB);
	char what[80];

	if (cost < (s64)MIB)
		return;
	snprintf(what, sizeof(what), "not measured: would need %lld GiB of slab",
		 (long long)(need / GIB));
	gmem_bench_need(need < room / 2, what);
}

static void bench_range(const char *name, u64 size)
{
	u64 start = gmem_now_ns();
	char figure[3][64];
	s64 before;
	int vm, i;

	snprintf(figure[0], sizeof(figure[0]), "%s.private", name);
	snprintf(figure[1], sizeof(figure[1]), "%s.shared", name);
	snprintf(figure[2], sizeof(figure[2]), "%s.memory", name);

	need_memory_for(size);
	vm = make_vm(size);
	before = gmem_bench_memory(GMEM_BENCH_SLAB);
	for (i = 0; i < ROUNDS && gmem_now_ns() - start < ENOUGH; i++) {
		gmem_bench_time(figure[0], gmem_bench_attrs(vm, 0, size, GMEM_PRIVATE), 1);
		if (!i)
			gmem_bench_bytes(figure[2], gmem_bench_memory(GMEM_BENCH_SLAB) - before);
		gmem_bench_time(figure[1], gmem_bench_attrs(vm, 0, size, GMEM_SHARED), 1);
	}
}

GMEM_TEST_TIMEOUT(attrs_4g, 120)
{
	bench_range("attrs_4g", 4 * GIB);
}

GMEM_TEST_TIMEOUT(attrs_64g, 300)
{
	bench_range("attrs_64g", 64 * GIB);
}

GMEM_TEST(attrs_16t)
{
	bench_range("attrs_16t", 16 * TIB);
}

/* One page to and fro in the middle of a large private block, per call */
GMEM_TEST_TIMEOUT(toggle_4k, 120)
{
	u64 gpa = 21 * GIB / 16 + 123 * PG, start;
	int vm = make_vm(4 * GIB), i, k;

	gmem_set_attrs(vm, 0, 4 * GIB, GMEM_PRIVATE);
	for (i = 0; i < ROUNDS; i++) {
		start = gmem_now_ns();
		for (k = 0; k < TOGGLES; k++)
			gmem_set_attrs(vm, gpa, PG, k & 1 ? GMEM_PRIVATE : GMEM_SHARED);
		gmem_bench_time("toggle_4k.unmapped", gmem_now_ns() - start, TOGGLES);
	}
}

/* Every other page of 1 GiB private */
GMEM_TEST_TIMEOUT(alternate_1g, 120)
{
	int vm = make_vm(GIB);
	u64 gpa, start;
	s64 before;

	before = gmem_bench_memory(GMEM_BENCH_SLAB);
	start = gmem_now_ns();
	for (gpa = 0; gpa < GIB; gpa += 2 * PG)
		gmem_set_attrs(vm, gpa, PG, GMEM_PRIVATE);
	gmem_bench_time("alternate_1g.private", gmem_now_ns() - start, GIB / PG / 2);
	gmem_bench_bytes("alternate_1g.memory", gmem_bench_memory(GMEM_BENCH_SLAB) - before);
}

GMEM_HARNESS_MAIN
