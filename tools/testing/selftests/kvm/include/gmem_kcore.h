/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a page is in physical memory, and what is in physical memory.
 */
#ifndef SELFTEST_KVM_GMEM_KCORE_H
#define SELFTEST_KVM_GMEM_KCORE_H

#include <fcntl.h>
#include <linux/elf.h>

#include "gmem_harness.h"

/* The page at @addr must be present in this process. */
static inline u64 gmem_physical_address(void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	u64 entry = 0;

	TEST_ASSERT(pread(fd, &entry, 8, (uintptr_t)addr / 4096 * 8) == 8, "pagemap");
	close(fd);
	TEST_ASSERT((entry >> 63) && (entry & ((1ULL << 55) - 1)), "page not present");
	return (entry & ((1ULL << 55) - 1)) * 4096;
}

/* Read a physical page through /proc/kcore's segment of the direct map. */
static inline void gmem_read_kcore(u64 phys, u8 *page)
{
	int fd = open("/proc/kcore", O_RDONLY);
	struct elf64_hdr eh;
	struct elf64_phdr ph;
	int i;

	if (fd < 0)
		gmem_skip("kernel without /proc/kcore");
	TEST_ASSERT(read(fd, &eh, sizeof(eh)) == sizeof(eh), "ELF header");
	for (i = 0; i < eh.e_phnum; i++) {
		TEST_ASSERT(pread(fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph)) ==
			    sizeof(ph), "program header");
		if (ph.p_type != PT_LOAD || ph.p_paddr > phys ||
		    phys + 4096 > ph.p_paddr + ph.p_memsz || ph.p_paddr == (u64)-1)
			continue;
		TEST_ASSERT(pread(fd, page, 4096, ph.p_offset + phys - ph.p_paddr) == 4096,
			    "reading the page");
		close(fd);
		return;
	}
	TEST_FAIL("physical address %#lx is in no segment", phys);
}

#endif /* SELFTEST_KVM_GMEM_KCORE_H */
