/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages that the machine finds broken.
 *
 * Only a kernel that cannot break pages skips a case: where it can and fails to
 * deal with one, the case fails.
 */
#ifndef SELFTEST_KVM_GMEM_POISON_H
#define SELFTEST_KVM_GMEM_POISON_H

#include <fcntl.h>

#include "gmem_harness.h"
#include "gmem_util.h"

#define HWPOISON	"/sys/kernel/debug/hwpoison/"

/* Somebody touches the page at @addr, which is broken. */
static inline void gmem_poison(u8 *addr)
{
	int ret = madvise(addr, 4096, MADV_HWPOISON);

	if (ret && errno == EINVAL)
		gmem_skip("kernel without memory failure handling");
	TEST_ASSERT(!ret, "MADV_HWPOISON: %s", strerror(errno));
}

static inline void gmem_write_pfn(const char *path, u64 phys)
{
	int fd = open(path, O_WRONLY);

	TEST_ASSERT(fd >= 0 && dprintf(fd, "%#lx", phys / 4096) > 0, "%s: %s", path,
		    strerror(errno));
	close(fd);
}

/* The machine finds the error, nobody touches the page. */
static inline void gmem_poison_unseen(u64 phys)
{
	if (access(HWPOISON "corrupt-pfn", F_OK))
		gmem_skip("kernel without CONFIG_HWPOISON_INJECT, or no debugfs");
	gmem_write_pfn(HWPOISON "corrupt-pfn", phys);
}

/* It was no error after all. */
static inline void gmem_unpoison(u64 phys)
{
	gmem_write_pfn(HWPOISON "unpoison-pfn", phys);
}

#endif /* SELFTEST_KVM_GMEM_POISON_H */
