// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that drivers map into userspace, in a guest: compound pages, blocks
 * whose pages have no reference count of their own, reserved pages and memory
 * without struct page, mapped with VM_PFNMAP or VM_MIXEDMAP.
 *
 * Needs /dev/kvm_page_kinds (CONFIG_KVM_PAGE_KINDS) and no particular KVM.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "gmem_harness.h"
#include "page_kinds.h"

#define HOST_BYTE	0x10	/* plus the page's number */
#define GUEST_BYTE	0x80	/* plus the page's number */
#define LATE_BYTE	0x5a

/* A guest reads and writes. */

/*
 * KVM may tell the owner of a counted page that it is dirty, but no other.  What
 * is mapped by its count, mm marks, too.
 */
static void check_flags(const struct pk_file *f)
{
	bool block = f->setup.kind == KVM_PK_BLOCK;
	bool reserved = f->setup.kind == KVM_PK_RESERVED ||
			f->setup.kind == KVM_PK_RESERVED_BLOCK;
	bool spared = (block || reserved) && f->setup.map != KVM_PK_MAP_PAGE;
	unsigned int i;

	/* The first page of a block has a count. */
	for (i = block; i < PK_PAGES; i++) {
		uint32_t flags = pk_query(f, i).flags;

		TEST_ASSERT(!spared || !(flags & (KVM_PK_IS_DIRTY | KVM_PK_IS_REFERENCED)),
			    "page %u: marked, flags %#x", i, flags);
		TEST_ASSERT(f->setup.kind != KVM_PK_SINGLE || flags & KVM_PK_IS_DIRTY,
			    "page %u: not dirty, flags %#x", i, flags);
	}
}

/* Even pages are read first, odd pages written; the first ones are mapped before. */
static void use_all(struct pk_file *f, struct pk_vm *v)
{
	unsigned int i;

	pk_fill_all(f, HOST_BYTE);
	for (i = 0; i < PK_PAGES / 2; i++)
		pk_assert_host_sees(f, i, HOST_BYTE + i);
	for (i = 0; i < PK_PAGES; i++) {
		if (i % 2 == 0)
			ASSERT_EQ(pk_do(v, PK_IS, i, HOST_BYTE + i), 1);
		pk_do(v, PK_FILL, i, GUEST_BYTE + i);
	}
	for (i = 0; i < PK_PAGES; i++) {
		TEST_ASSERT(pk_is(f, i, GUEST_BYTE + i), "the kernel sees something else");
		pk_assert_host_sees(f, i, GUEST_BYTE + i);
		/* What the host writes now is what the guest sees. */
		f->mem[i * PK_PAGE] = LATE_BYTE;
		ASSERT_EQ(pk_do(v, PK_LOAD, i, 0) & 0xff, LATE_BYTE);
	}
}

static void check_access_of(struct pk_file *f)
{
	struct kvm_pk_page unmapped[PK_PAGES], mapped[PK_PAGES];
	struct pk_vm v;

	pk_query_all(f, unmapped);
	v = pk_vm_create(f, 0);
	use_all(f, &v);
	pk_query_all(f, mapped);
	pk_vm_free(&v);
	/* KVM held no reference while the pages were mapped in the guest. */
	pk_assert_counts(f, mapped);
	pk_unmap(f);
	pk_assert_counts(f, unmapped);
}

static void check_access(enum kvm_pk_kind kind, enum kvm_pk_map map, uint32_t flags)
{
	struct pk_file f = pk_open(kind, map, flags);

	check_access_of(&f);
	check_flags(&f);
}

#define ACCESS_TEST(name, kind, map, flags)					\
static void gmem_run_access_##name(void)					\
{										\
	check_access(KVM_PK_##kind, KVM_PK_MAP_##map, flags);			\
}										\
GMEM_REGISTER(access_##name, GMEM_DEFAULT_DEADLINE)

ACCESS_TEST(compound_remap, COMPOUND, REMAP, 0)
ACCESS_TEST(compound_pfn, COMPOUND, PFN, 0)
ACCESS_TEST(compound_page, COMPOUND, PAGE, 0)
ACCESS_TEST(compound_mixed, COMPOUND, MIXED, 0)
ACCESS_TEST(block_remap, BLOCK, REMAP, 0)
ACCESS_TEST(block_pfn, BLOCK, PFN, 0)
ACCESS_TEST(block_mixed, BLOCK, MIXED, 0)
ACCESS_TEST(block_mixed_io, BLOCK, MIXED, KVM_PK_IO)
ACCESS_TEST(single_remap, SINGLE, REMAP, 0)
ACCESS_TEST(single_pfn, SINGLE, PFN, 0)
ACCESS_TEST(single_page, SINGLE, PAGE, 0)
ACCESS_TEST(single_mixed, SINGLE, MIXED, 0)
ACCESS_TEST(reserved_remap, RESERVED, REMAP, 0)
ACCESS_TEST(reserved_pfn, RESERVED, PFN, 0)
ACCESS_TEST(reserved_page, RESERVED, PAGE, 0)
ACCESS_TEST(reserved_mixed, RESERVED, MIXED, 0)
ACCESS_TEST(reserved_block_remap, RESERVED_BLOCK, REMAP, 0)
ACCESS_TEST(reserved_block_pfn, RESERVED_BLOCK, PFN, 0)
ACCESS_TEST(reserved_block_mixed, RESERVED_BLOCK, MIXED, 0)

/* Firmware can be read at least. */
static void check_rom(struct pk_file *f)
{
	uint64_t words[PK_PAGE / sizeof(uint64_t)];
	struct pk_vm v = pk_vm_create(f, KVM_MEM_READONLY);
	unsigned int i;

	for (i = 0; i < PK_PAGES; i++) {
		pk_read(f, i, words);
		ASSERT_EQ(pk_do(&v, PK_LOAD, i, 0), words[0]);
	}
	pk_vm_free(&v);
}

static void check_phys(enum kvm_pk_map map)
{
	struct pk_file f;
	uint64_t phys;

	if (pk_find_ram(&phys)) {
		f = pk_open_phys(map, phys);
		check_access_of(&f);
		ASSERT_EQ(pk_query(&f, 0).flags, 0);
	} else if (pk_find_rom(&phys)) {
		f = pk_open_phys(map, phys);
		check_rom(&f);
	} else {
		gmem_skip("no memory without struct page: boot with mem=");
	}
}

GMEM_TEST(access_phys_remap)
{
	check_phys(KVM_PK_MAP_REMAP);
}

GMEM_TEST(access_phys_pfn)
{
	check_phys(KVM_PK_MAP_PFN);
}

GMEM_TEST(access_phys_mixed)
{
	check_phys(KVM_PK_MAP_MIXED);
}

/* The driver takes the pages away. */

static void check_revoke(enum kvm_pk_kind kind, enum kvm_pk_map map)
{
	struct pk_file f = pk_open(kind, map, 0);
	struct kvm_pk_page before[PK_PAGES];
	struct pk_vm v;
	unsigned int i;
	uint8_t byte;

	pk_query_all(&f, before);
	v = pk_vm_create(&f, 0);
	for (i = 0; i < PK_PAGES; i++)
		pk_do(&v, PK_FILL, i, GUEST_BYTE + i);
	pk_revoke(&f);
	pk_assert_counts(&f, before);
	pk_assert_efault(&v, PK_LOAD, 0);
	TEST_ASSERT(!pk_host_touch(&f, 0, &byte), "page 0 is still mapped in the host");
	pk_vm_free(&v);

	/* Once more, for the write, by a VM that has mapped nothing yet. */
	v = pk_vm_create(&f, 0);
	pk_assert_efault(&v, PK_STORE, 1);
	pk_vm_free(&v);
	for (i = 0; i < PK_PAGES; i++)
		TEST_ASSERT(pk_is(&f, i, GUEST_BYTE + i), "the page changed");
	pk_unmap(&f);
	pk_assert_counts(&f, before);
}

static void *count_until_it_fails(void *arg)
{
	struct pk_vm *v = arg;

	pk_assert_efault(v, PK_COUNT, 0);
	return NULL;
}

static uint64_t first_word(const struct pk_file *f, unsigned int page)
{
	uint64_t words[PK_PAGE / sizeof(uint64_t)];

	pk_read(f, page, words);
	return words[0];
}

static void check_revoke_running(enum kvm_pk_kind kind, enum kvm_pk_map map)
{
	struct pk_file f = pk_open(kind, map, 0);
	struct kvm_pk_page before[PK_PAGES];
	pthread_t thread;
	struct pk_vm v;
	unsigned int i;

	pk_query_all(&f, before);
	v = pk_vm_create(&f, 0);
	for (i = 0; i < PK_PAGES; i++)
		pk_do(&v, PK_FILL, i, 0);
	TEST_ASSERT(!pthread_create(&thread, NULL, count_until_it_fails, &v), "no thread");
	while (first_word(&f, PK_PAGES - 1) < 3)
		sched_yield();
	pk_revoke(&f);
	/* From here on the guest cannot write what the driver may give away. */
	for (i = 0; i < PK_PAGES; i++)
		pk_fill(&f, i, LATE_BYTE);
	TEST_ASSERT(!pthread_join(thread, NULL), "pthread_join()");
	for (i = 0; i < PK_PAGES; i++)
		TEST_ASSERT(pk_is(&f, i, LATE_BYTE), "the guest wrote a revoked page");
	pk_vm_free(&v);
	pk_unmap(&f);
	pk_assert_counts(&f, before);
}

#define REVOKE_TEST(name, kind, map)						\
static void gmem_run_revoke_##name(void)						\
{										\
	check_revoke(KVM_PK_##kind, KVM_PK_MAP_##map);				\
}										\
GMEM_REGISTER(revoke_##name, GMEM_DEFAULT_DEADLINE)				\
static void gmem_run_revoke_running_##name(void)				\
{										\
	check_revoke_running(KVM_PK_##kind, KVM_PK_MAP_##map);			\
}										\
GMEM_REGISTER(revoke_running_##name, GMEM_DEFAULT_DEADLINE)

REVOKE_TEST(compound_remap, COMPOUND, REMAP)
REVOKE_TEST(block_remap, BLOCK, REMAP)
REVOKE_TEST(block_pfn, BLOCK, PFN)
REVOKE_TEST(block_mixed, BLOCK, MIXED)
REVOKE_TEST(single_page, SINGLE, PAGE)
REVOKE_TEST(reserved_pfn, RESERVED, PFN)

/* Dirty logging */

static unsigned long get_dirty(struct pk_vm *v)
{
	unsigned long bitmap = 0;

	kvm_vm_get_dirty_log(v->vm, PK_SLOT, &bitmap);
	return bitmap;
}

static void start_logging(struct pk_vm *v, const struct pk_file *f)
{
	bool pfnmap = f->setup.map == KVM_PK_MAP_REMAP || f->setup.map == KVM_PK_MAP_PFN;
	int ret = __vm_set_user_memory_region(v->vm, PK_SLOT, KVM_MEM_LOG_DIRTY_PAGES, PK_GPA,
					      PK_SIZE, f->mem);

	if (pfnmap && !pk_logs_pfnmap()) {
		TEST_ASSERT(ret && errno == EINVAL, "KVM_MEM_LOG_DIRTY_PAGES: %d", ret);
		gmem_skip("no dirty log of VM_PFNMAP here");
	}
	TEST_ASSERT(!ret, "KVM_MEM_LOG_DIRTY_PAGES: %s", strerror(errno));
}

static void check_dirty_log(enum kvm_pk_kind kind, enum kvm_pk_map map)
{
	struct pk_file f = pk_open(kind, map, 0);
	struct kvm_pk_page before[PK_PAGES];
	struct pk_vm v;
	unsigned int i;

	pk_query_all(&f, before);
	v = pk_vm_create(&f, 0);
	for (i = 0; i < PK_PAGES; i++)
		pk_do(&v, PK_FILL, i, GUEST_BYTE);
	start_logging(&v, &f);
	for (i = 0; i < PK_PAGES; i++)
		ASSERT_EQ(pk_do(&v, PK_IS, i, GUEST_BYTE), 1);
	pk_do(&v, PK_FILL, 1, LATE_BYTE);
	pk_do(&v, PK_FILL, 4, LATE_BYTE);
	pk_do(&v, PK_FILL, 6, LATE_BYTE);
	ASSERT_EQ(get_dirty(&v), 0x52);
	ASSERT_EQ(get_dirty(&v), 0);
	pk_do(&v, PK_FILL, 4, GUEST_BYTE);
	ASSERT_EQ(get_dirty(&v), 0x10);
	pk_slot(v.vm, &f, 0);
	pk_do(&v, PK_FILL, 4, LATE_BYTE);
	for (i = 0; i < PK_PAGES; i++)
		TEST_ASSERT(pk_is(&f, i, 0x52 >> i & 1 ? LATE_BYTE : GUEST_BYTE), "page %u", i);
	pk_vm_free(&v);
	check_flags(&f);
	pk_unmap(&f);
	pk_assert_counts(&f, before);
}

#define DIRTY_LOG_TEST(name, kind, map)						\
static void gmem_run_dirty_log_##name(void)					\
{										\
	check_dirty_log(KVM_PK_##kind, KVM_PK_MAP_##map);			\
}										\
GMEM_REGISTER(dirty_log_##name, GMEM_DEFAULT_DEADLINE)

DIRTY_LOG_TEST(block_remap, BLOCK, REMAP)
DIRTY_LOG_TEST(block_pfn, BLOCK, PFN)
DIRTY_LOG_TEST(block_mixed, BLOCK, MIXED)
DIRTY_LOG_TEST(single_remap, SINGLE, REMAP)
DIRTY_LOG_TEST(single_page, SINGLE, PAGE)

/* Read-only mappings and slots */

static int map_writable(const struct pk_file *f)
{
	void *mem = mmap(NULL, PK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);

	return mem == MAP_FAILED ? -1 : munmap(mem, PK_SIZE);
}

static void assert_mmio_write(struct pk_vm *v, const struct pk_run *run, unsigned int page)
{
	struct kvm_run *r = v->vcpu->run;

	TEST_ASSERT(!run->ret && !run->done && r->exit_reason == KVM_EXIT_MMIO &&
		    r->mmio.is_write && r->mmio.phys_addr == pk_gpa(page),
		    "page %u: no write exit: KVM_RUN returned %d, %s, exit reason %u", page,
		    run->ret, strerror(run->err), r->exit_reason);
}

/* EFAULT, or the write goes to the VMM; which one depends on the architecture. */
static void assert_write_refused(struct pk_vm *v, unsigned int page)
{
	struct pk_run run = pk_try(v, PK_STORE, page, LATE_BYTE);

	if (run.ret != -1 || run.err != EFAULT)
		assert_mmio_write(v, &run, page);
}

static void check_readonly(enum kvm_pk_kind kind, enum kvm_pk_map map)
{
	struct pk_file f = pk_open(kind, map, KVM_PK_READONLY);
	struct kvm_pk_page before[PK_PAGES];
	struct pk_vm v;
	unsigned int i;

	pk_query_all(&f, before);
	TEST_ASSERT(map_writable(&f) == -1 && errno == EACCES, "mapped writable");
	pk_fill_all(&f, HOST_BYTE);
	v = pk_vm_create(&f, 0);
	for (i = 1; i < PK_PAGES; i++)
		ASSERT_EQ(pk_do(&v, PK_IS, i, HOST_BYTE + i), 1);
	assert_write_refused(&v, 1);
	pk_vm_free(&v);

	/* Page 0 is mapped nowhere. */
	v = pk_vm_create(&f, 0);
	assert_write_refused(&v, 0);
	pk_vm_free(&v);
	for (i = 0; i < PK_PAGES; i++)
		TEST_ASSERT(pk_is(&f, i, HOST_BYTE + i), "a read-only page changed");
	pk_unmap(&f);
	pk_assert_counts(&f, before);
}

static void check_readonly_slot(enum kvm_pk_kind kind, enum kvm_pk_map map)
{
	struct pk_file f = pk_open(kind, map, 0);
	struct pk_run run;
	struct pk_vm v;
	unsigned int i;

	pk_fill_all(&f, HOST_BYTE);
	v = pk_vm_create(&f, KVM_MEM_READONLY);
	for (i = 1; i < PK_PAGES; i++)
		ASSERT_EQ(pk_do(&v, PK_IS, i, HOST_BYTE + i), 1);
	/* Page 0 is not mapped yet. */
	for (i = 0; i < 2; i++) {
		run = pk_try(&v, PK_STORE, i, LATE_BYTE);
		assert_mmio_write(&v, &run, i);
		run = pk_resume(&v);
		TEST_ASSERT(run.done, "page %u: the write did not complete", i);
		ASSERT_EQ(pk_do(&v, PK_IS, i, HOST_BYTE + i), 1);
	}
	pk_vm_free(&v);
	check_flags(&f);
}

#define READONLY_TEST(name, kind, map)						\
static void gmem_run_readonly_##name(void)					\
{										\
	check_readonly(KVM_PK_##kind, KVM_PK_MAP_##map);			\
}										\
GMEM_REGISTER(readonly_##name, GMEM_DEFAULT_DEADLINE)

READONLY_TEST(compound_remap, COMPOUND, REMAP)
READONLY_TEST(block_remap, BLOCK, REMAP)
READONLY_TEST(block_pfn, BLOCK, PFN)
READONLY_TEST(block_mixed, BLOCK, MIXED)
READONLY_TEST(single_remap, SINGLE, REMAP)
READONLY_TEST(reserved_pfn, RESERVED, PFN)

GMEM_TEST(readonly_slot_block_remap)
{
	check_readonly_slot(KVM_PK_BLOCK, KVM_PK_MAP_REMAP);
}

GMEM_TEST(readonly_slot_block_pfn)
{
	check_readonly_slot(KVM_PK_BLOCK, KVM_PK_MAP_PFN);
}

PK_HARNESS_MAIN
