// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device that gives the tests of KVM memory of every kind is what its
 * interface says, KVM apart.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "gmem_harness.h"
#include "page_kinds.h"

#define BYTE		0x10	/* plus the page's number */
#define OTHER_BYTE	0x80	/* plus the page's number */

static void assert_setup_fails(struct kvm_pk_setup setup, int err)
{
	int fd = pk_open_device();
	int ret = ioctl(fd, KVM_PK_SETUP, &setup);

	TEST_ASSERT(ret == -1 && errno == err,
		    "kind %u, map %u, flags %#x, order %u: %d, %s, expected %s", setup.kind,
		    setup.map, setup.flags, setup.order, ret, strerror(errno), strerror(err));
	close(fd);
}

static void assert_fails(int ret, int err, const char *what)
{
	TEST_ASSERT(ret == -1 && errno == err, "%s: %d, %s, expected %s", what, ret,
		    strerror(errno), strerror(err));
}

static int try_mmap(const struct pk_file *f, size_t size, int prot, int flags)
{
	void *mem = mmap(NULL, size, prot, flags, f->fd, 0);

	return mem == MAP_FAILED ? -1 : munmap(mem, size);
}

GMEM_TEST(setup_errors)
{
	static const struct kvm_pk_setup bad[] = {
		{ .kind = KVM_PK_NR_KINDS },
		{ .kind = KVM_PK_SINGLE, .map = KVM_PK_NR_MAPS },
		{ .kind = KVM_PK_SINGLE, .flags = KVM_PK_READONLY | (KVM_PK_FLAGS + 1) },
		{ .kind = KVM_PK_SINGLE, .flags = KVM_PK_PRIVATE, .order = 1 },
		{ .kind = KVM_PK_BLOCK, .flags = KVM_PK_PRIVATE, .map = KVM_PK_MAP_PFN,
		  .order = 1 },
		{ .kind = KVM_PK_SINGLE, .flags = KVM_PK_NOTIFY },
		{ .kind = KVM_PK_SINGLE, .flags = KVM_PK_STUBBORN, .map = KVM_PK_MAP_PFN },
		{ .kind = KVM_PK_SINGLE, .order = KVM_PK_MAX_ORDER + 1 },
		{ .kind = KVM_PK_SINGLE, .phys = PK_PAGE },
		{ .kind = KVM_PK_BLOCK, .order = 0 },
		{ .kind = KVM_PK_COMPOUND, .order = 0 },
		{ .kind = KVM_PK_PHYS, .phys = 1 },
		{ .kind = KVM_PK_PHYS, .phys = -PK_PAGE, .order = 1 },
		{ .kind = KVM_PK_PHYS, .map = KVM_PK_MAP_PAGE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_setup_fails(bad[i], EINVAL);
}

GMEM_TEST(no_managed_memory_by_address)
{
	struct pk_file f = pk_open(KVM_PK_SINGLE, KVM_PK_MAP_PFN, 0);
	struct kvm_pk_setup setup = {
		.kind = KVM_PK_PHYS,
		.map = KVM_PK_MAP_PFN,
		.phys = pk_query(&f, 0).pfn * PK_PAGE,
	};
	int fd = pk_open_device();

	assert_setup_fails(setup, EEXIST);
	TEST_ASSERT(!seteuid(65534), "seteuid(): %s", strerror(errno));
	assert_fails(ioctl(fd, KVM_PK_SETUP, &setup), EPERM, "without CAP_SYS_RAWIO");
}

GMEM_TEST(call_errors)
{
	struct kvm_pk_setup setup = pk_setup_of(KVM_PK_SINGLE, KVM_PK_MAP_PFN, 0);
	struct kvm_pk_page info = { .index = PK_PAGES };
	struct pk_file f = { .fd = pk_open_device() };
	char c;

	assert_fails(ioctl(f.fd, KVM_PK_SETUP, NULL), EFAULT, "SETUP of nothing");
	assert_fails(ioctl(f.fd, KVM_PK_QUERY, &info), ENXIO, "QUERY before SETUP");
	assert_fails(ioctl(f.fd, KVM_PK_REVOKE), ENXIO, "REVOKE before SETUP");
	assert_fails(ioctl(f.fd, KVM_PK_FREEZE, 0), ENXIO, "FREEZE before SETUP");
	assert_fails(ioctl(f.fd, KVM_PK_THAW), ENXIO, "THAW before SETUP");
	assert_fails(read(f.fd, &c, 1), ENXIO, "read() before SETUP");
	assert_fails(try_mmap(&f, PK_SIZE, PROT_READ, MAP_SHARED), ENXIO, "mmap() before SETUP");

	TEST_ASSERT(!ioctl(f.fd, KVM_PK_SETUP, &setup), "SETUP: %s", strerror(errno));
	assert_fails(ioctl(f.fd, KVM_PK_SETUP, &setup), EBUSY, "second SETUP");
	assert_fails(ioctl(f.fd, KVM_PK_QUERY, &info), EINVAL, "QUERY of a page too many");
	assert_fails(ioctl(f.fd, KVM_PK_QUERY, NULL), EFAULT, "QUERY of nothing");
	assert_fails(ioctl(f.fd, _IO('k', 0x1f)), ENOTTY, "unknown ioctl");
	assert_fails(try_mmap(&f, PK_SIZE, PROT_READ, MAP_PRIVATE), EINVAL, "private mmap()");
	assert_fails(try_mmap(&f, PK_SIZE + PK_PAGE, PROT_READ, MAP_SHARED), EINVAL,
		     "mmap() of a page too many");
	ASSERT_EQ(pread(f.fd, &c, 1, PK_SIZE), 0);
	assert_fails(pwrite(f.fd, &c, 1, PK_SIZE), ENOSPC, "pwrite() behind the end");
	pk_revoke(&f);
	assert_fails(try_mmap(&f, PK_SIZE, PROT_READ, MAP_SHARED), ENODEV, "mmap() after REVOKE");
}

GMEM_TEST(counts)
{
	struct pk_file compound = pk_open(KVM_PK_COMPOUND, KVM_PK_MAP_PFN, 0);
	struct pk_file block = pk_open(KVM_PK_BLOCK, KVM_PK_MAP_PFN, 0);
	struct pk_file reserved = pk_open(KVM_PK_RESERVED, KVM_PK_MAP_PFN, 0);
	struct kvm_pk_page first = pk_query(&block, 0), page;
	unsigned int i;

	for (i = 0; i < PK_PAGES; i++) {
		page = pk_query(&compound, i);
		ASSERT_EQ(page.count, !i);
		ASSERT_EQ(page.head_count, 1);
		ASSERT_EQ(page.flags, i ? KVM_PK_HAS_PAGE | KVM_PK_IS_TAIL : KVM_PK_HAS_PAGE);
		page = pk_query(&block, i);
		ASSERT_EQ(page.count, !i);
		ASSERT_EQ(page.head_count, !i);
		ASSERT_EQ(page.flags, KVM_PK_HAS_PAGE);
		ASSERT_EQ(page.pfn, first.pfn + i);
		page = pk_query(&reserved, i);
		ASSERT_EQ(page.count, 1);
		ASSERT_EQ(page.flags, KVM_PK_HAS_PAGE | KVM_PK_IS_RESERVED);
	}
}

GMEM_TEST(count_maps_only_counted_pages)
{
	struct pk_file f = pk_open(KVM_PK_BLOCK, KVM_PK_MAP_PAGE, 0);
	uint8_t byte;

	TEST_ASSERT(pk_host_touch(&f, 0, &byte), "the first page has a count");
	TEST_ASSERT(!pk_host_touch(&f, 1, &byte), "the second page has no count");
	ASSERT_EQ(pk_query(&f, 0).count, 2);
	pk_unmap(&f);
	ASSERT_EQ(pk_query(&f, 0).count, 1);
}

GMEM_TEST(freezes_a_count)
{
	struct pk_file f = pk_open(KVM_PK_SINGLE, KVM_PK_MAP_PAGE, 0);
	struct pk_file block = pk_open(KVM_PK_BLOCK, KVM_PK_MAP_PFN, 0);
	uint8_t byte;

	assert_fails(ioctl(block.fd, KVM_PK_FREEZE, 0), EINVAL, "FREEZE of a block");
	assert_fails(ioctl(f.fd, KVM_PK_FREEZE, PK_PAGES), EINVAL, "FREEZE of a page too many");
	assert_fails(ioctl(f.fd, KVM_PK_THAW), ENOENT, "THAW of nothing");
	TEST_ASSERT(pk_host_touch(&f, 2, &byte), "page 2 is not mapped");
	assert_fails(ioctl(f.fd, KVM_PK_FREEZE, 2), EBUSY, "FREEZE of a mapped page");
	ASSERT_EQ(ioctl(f.fd, KVM_PK_FREEZE, 3), 0);
	ASSERT_EQ(pk_query(&f, 3).count, 0);
	TEST_ASSERT(!pk_host_touch(&f, 3, &byte), "a page without a count is mapped");
	assert_fails(ioctl(f.fd, KVM_PK_FREEZE, 4), EBUSY, "second FREEZE");
	ASSERT_EQ(ioctl(f.fd, KVM_PK_THAW), 0);
	ASSERT_EQ(pk_query(&f, 3).count, 1);
	TEST_ASSERT(pk_host_touch(&f, 3, &byte), "page 3 is not mapped");
}

static void check_device_revokes(enum kvm_pk_map map)
{
	struct pk_file f = pk_open(KVM_PK_SINGLE, map, 0);
	struct pk_file other = pk_open(KVM_PK_SINGLE, map, 0);
	unsigned int i;
	uint8_t byte;

	pk_fill_all(&f, BYTE);
	pk_fill_all(&other, OTHER_BYTE);
	for (i = 0; i < PK_PAGES; i++)
		pk_assert_host_sees(&f, i, BYTE + i);
	pk_revoke(&f);
	for (i = 0; i < PK_PAGES; i++) {
		TEST_ASSERT(!pk_host_touch(&f, i, &byte), "page %u is still mapped", i);
		pk_assert_host_sees(&other, i, OTHER_BYTE + i);
	}
}

GMEM_TEST(revokes)
{
	check_device_revokes(KVM_PK_MAP_REMAP);
	check_device_revokes(KVM_PK_MAP_PFN);
	check_device_revokes(KVM_PK_MAP_PAGE);
	check_device_revokes(KVM_PK_MAP_MIXED);
}

/* A write goes to a copy; the page and what is mapped of it stay as they are. */
GMEM_TEST(copies_on_write)
{
	struct pk_file f = pk_open(KVM_PK_BLOCK, KVM_PK_MAP_REMAP, KVM_PK_PRIVATE);

	assert_fails(try_mmap(&f, PK_SIZE, PROT_READ, MAP_SHARED), EINVAL, "shared mmap()");
	pk_fill_all(&f, BYTE);
	pk_assert_host_sees(&f, 1, BYTE + 1);
	f.mem[PK_PAGE] = OTHER_BYTE;
	pk_assert_host_sees(&f, 1, OTHER_BYTE);
	pk_assert_host_sees(&f, 2, BYTE + 2);
	TEST_ASSERT(pk_is(&f, 1, BYTE + 1), "a write to a private mapping reached the page");
}

GMEM_TEST(is_asked_for_writes)
{
	struct pk_file f = pk_open(KVM_PK_SINGLE, KVM_PK_MAP_PFN, KVM_PK_NOTIFY);
	uint8_t byte;

	TEST_ASSERT(pk_host_touch(&f, 1, &byte), "page 1 is not mapped");
	ASSERT_EQ(pk_query(&f, 1).flags & KVM_PK_WAS_ASKED, 0);
	f.mem[PK_PAGE] = OTHER_BYTE;
	ASSERT_EQ(pk_query(&f, 1).flags & KVM_PK_WAS_ASKED, KVM_PK_WAS_ASKED);
	ASSERT_EQ(pk_query(&f, 0).flags & KVM_PK_WAS_ASKED, 0);
}

PK_HARNESS_MAIN
