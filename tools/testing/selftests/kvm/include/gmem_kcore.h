/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a page is in physical memory, and what is in physical memory.
 */
#ifndef SELFTEST_KVM_GMEM_KCORE_H
#define SELFTEST_KVM_GMEM_KCORE_H

#include <fcntl.h>
#include <linux/elf.h>
#include <sys/param.h>

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

static inline int gmem_open_kcore(struct elf64_hdr *eh)
{
	int fd = open("/proc/kcore", O_RDONLY);

	if (fd < 0)
		gmem_skip("kernel without /proc/kcore");
	TEST_ASSERT(read(fd, eh, sizeof(*eh)) == sizeof(*eh), "ELF header");
	return fd;
}

/* Program header @i, if it is one of physical memory */
static inline bool gmem_kcore_segment(int fd, const struct elf64_hdr *eh, int i,
				      struct elf64_phdr *ph)
{
	TEST_ASSERT(pread(fd, ph, sizeof(*ph), eh->e_phoff + i * sizeof(*ph)) ==
		    sizeof(*ph), "program header");
	return ph->p_type == PT_LOAD && ph->p_paddr != (u64)-1;
}

/* Where in the file a physical page is, in the segment of the direct map */
static inline off_t gmem_kcore_offset(int fd, const struct elf64_hdr *eh, u64 phys)
{
	struct elf64_phdr ph;
	int i;

	for (i = 0; i < eh->e_phnum; i++) {
		if (gmem_kcore_segment(fd, eh, i, &ph) && ph.p_paddr <= phys &&
		    phys + 4096 <= ph.p_paddr + ph.p_memsz)
			return ph.p_offset + phys - ph.p_paddr;
	}
	TEST_FAIL("physical address %#lx is in no segment", phys);
}

static inline void gmem_read_kcore(u64 phys, u8 *page)
{
	struct elf64_hdr eh;
	int fd = gmem_open_kcore(&eh);

	TEST_ASSERT(pread(fd, page, 4096, gmem_kcore_offset(fd, &eh, phys)) == 4096,
		    "reading the page");
	close(fd);
}

/* Call @look with each page of physical memory that /proc/kcore shows. */
static inline void gmem_scan_kcore(void (*look)(const u8 *page))
{
	static u8 pages[1 << 20];
	struct elf64_phdr ph;
	struct elf64_hdr eh;
	int fd = gmem_open_kcore(&eh), i;
	ssize_t len, at;
	u64 done;

	for (i = 0; i < eh.e_phnum; i++) {
		if (!gmem_kcore_segment(fd, &eh, i, &ph))
			continue;
		for (done = 0; done < ph.p_memsz; done += len) {
			len = pread(fd, pages, MIN(sizeof(pages), ph.p_memsz - done),
				    ph.p_offset + done);
			TEST_ASSERT(len > 0, "read at %#llx: %s", ph.p_paddr + done,
				    strerror(errno));
			for (at = 0; at + 4096 <= len; at += 4096)
				look(pages + at);
		}
	}
	close(fd);
}

#endif /* SELFTEST_KVM_GMEM_KCORE_H */
