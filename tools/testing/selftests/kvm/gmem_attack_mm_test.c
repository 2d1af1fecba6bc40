// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: memory management's ways to a page (invariant I1).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>

#include "gmem_attack.h"

/* A mapping that is filled when it is made */
static bool by_mmap_populate(u8 *addr, u8 *seen)
{
	int fd = attacked_fd;
	u8 *again = mmap(NULL, PG, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, TARGET * PG);
	bool good;

	TEST_ASSERT(again != MAP_FAILED, "mmap(): %s", strerror(errno));
	good = gmem_host_read(again, seen);
	munmap(again, PG);
	return good;
}

/* The old way to put another page of the file at an address */
static bool by_remap_file_pages(u8 *addr, u8 *seen)
{
	if (syscall(SYS_remap_file_pages, addr, PG, 0, (size_t)TARGET, 0))
		return false;
	return gmem_host_read(addr, seen);
}

static bool by_mprotect(u8 *addr, u8 *seen)
{
	bool good;

	if (mprotect(addr, PG, PROT_NONE) || mprotect(addr, PG, PROT_READ | PROT_WRITE))
		return false;
	good = gmem_host_read(addr, seen);
	TEST_ASSERT(mprotect(addr, PG, PROT_READ | PROT_EXEC), "a page became executable");
	return good;
}

/* All but those that destroy the page: removal and memory failure */
static bool by_every_advice(u8 *addr, u8 *seen)
{
	int advice;

	for (advice = 0; advice <= MADV_COLLAPSE; advice++) {
		if (advice != MADV_REMOVE)
			madvise(addr, PG, advice);
	}
	madvise(addr, PG, MADV_DOFORK);
	madvise(addr, PG, MADV_DODUMP);
	return gmem_host_read(addr, seen);
}

/* Tells the node of the page, which takes a reference to it. */
static bool by_get_mempolicy(u8 *addr, u8 *seen)
{
	int node;

	return !syscall(SYS_get_mempolicy, &node, NULL, 0, addr, 3 /* NODE | ADDR */);
}

static bool by_move_pages(u8 *addr, u8 *seen)
{
	void *pages[1] = { addr };
	int status = -1;

	gmem_host_read(addr, seen);
	return !syscall(SYS_move_pages, 0, 1, pages, NULL, &status, 0) && status >= 0;
}

/* Looks for pages in the wrong place, and moves them. */
static bool by_mbind(u8 *addr, u8 *seen)
{
	unsigned long node0 = 1;

	if (syscall(SYS_mbind, addr, PG, 2 /* BIND */, &node0, 64, 7 /* STRICT | MOVE_ALL */))
		return false;
	return gmem_host_read(addr, seen);
}

/* Tells where the page is, to root. */
static bool by_pagemap(u8 *addr, u8 *seen)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	u64 entry = 0;

	gmem_host_read(addr, seen);
	TEST_ASSERT(pread(fd, &entry, 8, (uintptr_t)addr / PG * 8) == 8, "pagemap");
	close(fd);
	return entry << 9;
}

ATTACK(by_mmap_populate, false)
ATTACK(by_remap_file_pages, false)
ATTACK(by_mprotect, false)
ATTACK(by_every_advice, false)
ATTACK(by_get_mempolicy, false)
ATTACK(by_mbind, false)
ATTACK(by_move_pages, false)
ATTACK(by_pagemap, false)

GMEM_HARNESS_MAIN
