// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests write memory whose page table entry is read-only while its mapping is
 * writable: a private mapping, where the first write copies the page, and one
 * whose driver wants to know of writes.  KVM has to do what a write of the host
 * does, before it maps the page, as it cannot emulate each instruction.
 *
 * Needs /dev/kvm_page_kinds (CONFIG_KVM_PAGE_KINDS) and no particular KVM.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "gmem_harness.h"
#include "page_kinds.h"

#define HOST_BYTE	0x10	/* plus the page's number */
#define LATE_BYTE	0x5a

/* Even pages are read first, odd pages written at once. */
static void write_all(struct pk_vm *v)
{
	unsigned int i;

	for (i = 0; i < PK_PAGES; i++) {
		if (i % 2 == 0)
			ASSERT_EQ(pk_do(v, PK_IS, i, HOST_BYTE + i), 1);
		pk_do(v, PK_VECTOR, i, i);
		ASSERT_EQ(pk_do(v, PK_LOAD, i, 0), i);
	}
}

/* Guest and host share the copies. */
static void check_copies(struct pk_file *f, struct pk_vm *v)
{
	uint64_t *word;
	unsigned int i;

	for (i = 0; i < PK_PAGES; i++) {
		word = (void *)(f->mem + i * PK_PAGE);
		ASSERT_EQ(READ_ONCE(word[0]), i);
		ASSERT_EQ(READ_ONCE(word[1]), 0x0101010101010101ULL * (HOST_BYTE + i));
		WRITE_ONCE(word[0], LATE_BYTE);
		ASSERT_EQ(pk_do(v, PK_LOAD, i, 0), LATE_BYTE);
		TEST_ASSERT(pk_is(f, i, HOST_BYTE + i), "the guest wrote a page it should copy");
	}
}

static void check_private(enum kvm_pk_kind kind)
{
	struct pk_file f = pk_open(kind, KVM_PK_MAP_REMAP, KVM_PK_PRIVATE);
	struct kvm_pk_page before[PK_PAGES];
	struct pk_vm v;

	pk_fill_all(&f, HOST_BYTE);
	pk_query_all(&f, before);
	v = pk_vm_create(&f, 0);
	write_all(&v);
	check_copies(&f, &v);
	pk_vm_free(&v);
	pk_unmap(&f);
	pk_assert_counts(&f, before);
}

#define PRIVATE_TEST(name, kind)						\
static void gmem_run_private_##name(void)					\
{										\
	check_private(KVM_PK_##kind);						\
}										\
GMEM_REGISTER(private_##name, GMEM_DEFAULT_DEADLINE)

PRIVATE_TEST(compound, COMPOUND)
PRIVATE_TEST(block, BLOCK)
PRIVATE_TEST(reserved_block, RESERVED_BLOCK)

/* A read maps what may be written, too, if that costs nothing.  A copy does. */
GMEM_TEST(private_reads_copy_nothing)
{
	struct pk_file f = pk_open(KVM_PK_RESERVED_BLOCK, KVM_PK_MAP_REMAP,
				  KVM_PK_PRIVATE);
	struct pk_vm v = pk_vm_create(&f, 0);
	unsigned int i;

	for (i = 0; i < PK_PAGES; i++)
		ASSERT_EQ(pk_do(&v, PK_IS, i, 0), 1);
	pk_fill_all(&f, HOST_BYTE);
	for (i = 0; i < PK_PAGES; i++) {
		ASSERT_EQ(pk_do(&v, PK_IS, i, HOST_BYTE + i), 1);
		pk_assert_host_sees(&f, i, HOST_BYTE + i);
	}
	pk_vm_free(&v);
}

static void assert_refused(struct pk_vm *v, unsigned int page)
{
	struct pk_run run = pk_try(v, PK_VECTOR, page, LATE_BYTE);

	TEST_ASSERT(!run.done, "page %u was written", page);
}

/* Nothing is copied where userspace may not write. */
GMEM_TEST(private_read_only)
{
	struct pk_file f = pk_open(KVM_PK_RESERVED_BLOCK, KVM_PK_MAP_REMAP,
				  KVM_PK_PRIVATE);
	unsigned int i;
	struct pk_vm v;

	pk_fill_all(&f, HOST_BYTE);
	TEST_ASSERT(!mprotect(f.mem, PK_SIZE, PROT_READ), "mprotect(): %s", strerror(errno));
	for (i = 0; i < PK_PAGES; i++) {
		v = pk_vm_create(&f, 0);
		ASSERT_EQ(pk_do(&v, PK_IS, i, HOST_BYTE + i), 1);
		assert_refused(&v, i);
		pk_assert_host_sees(&f, i, HOST_BYTE + i);
		pk_vm_free(&v);
	}
}

static bool was_asked(const struct pk_file *f, unsigned int page)
{
	return pk_query(f, page).flags & KVM_PK_WAS_ASKED;
}

static void check_notify(enum kvm_pk_kind kind)
{
	struct pk_file f = pk_open(kind, KVM_PK_MAP_PFN, KVM_PK_NOTIFY);
	struct kvm_pk_page before[PK_PAGES];
	struct pk_vm v;
	unsigned int i;

	pk_fill_all(&f, HOST_BYTE);
	pk_query_all(&f, before);
	v = pk_vm_create(&f, 0);
	for (i = 0; i < PK_PAGES; i += 2) {
		ASSERT_EQ(pk_do(&v, PK_IS, i, HOST_BYTE + i), 1);
		TEST_ASSERT(!was_asked(&f, i), "page %u: asked for a read", i);
	}
	for (i = 0; i < PK_PAGES; i++) {
		pk_do(&v, PK_VECTOR, i, i);
		TEST_ASSERT(was_asked(&f, i), "page %u: not asked for a write", i);
		ASSERT_EQ(pk_do(&v, PK_LOAD, i, 0), i);
		pk_assert_host_sees(&f, i, i);
		pk_do(&v, PK_FILL, i, LATE_BYTE);
		TEST_ASSERT(pk_is(&f, i, LATE_BYTE), "the kernel sees something else");
	}
	pk_vm_free(&v);
	pk_unmap(&f);
	pk_assert_counts(&f, before);
}

#define NOTIFY_TEST(name, kind)							\
static void gmem_run_notify_##name(void)					\
{										\
	check_notify(KVM_PK_##kind);						\
}										\
GMEM_REGISTER(notify_##name, GMEM_DEFAULT_DEADLINE)

NOTIFY_TEST(single, SINGLE)
NOTIFY_TEST(block, BLOCK)
NOTIFY_TEST(reserved, RESERVED)

/* A driver that never lets a write through, and never says no, keeps nobody. */
GMEM_TEST(stubborn_driver)
{
	struct pk_file f = pk_open(KVM_PK_SINGLE, KVM_PK_MAP_PFN, KVM_PK_NOTIFY | KVM_PK_STUBBORN);
	struct pk_vm v;

	pk_fill_all(&f, HOST_BYTE);
	v = pk_vm_create(&f, 0);
	ASSERT_EQ(pk_do(&v, PK_IS, 1, HOST_BYTE + 1), 1);
	assert_refused(&v, 1);
	TEST_ASSERT(was_asked(&f, 1), "page 1: not asked for a write");
	TEST_ASSERT(pk_is(&f, 1, HOST_BYTE + 1), "the page changed");
	pk_vm_free(&v);
}

PK_HARNESS_MAIN
