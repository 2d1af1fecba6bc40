// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page with a reference count that its owner frees while it is mapped in a
 * guest: KVM warns when it unmaps the page, which is what this test waits for.
 * Expect a "WARNING: CPU: ... at arch/x86/kvm/..." or "... at virt/kvm/..." in
 * the kernel's log from each case whose name says so.
 *
 * The owner does not really free it: /dev/kvm_page_kinds sets the count to 0
 * for a while.
 */
#define _GNU_SOURCE
#include "gmem_harness.h"
#include "page_kinds.h"

#define PAGE	3
#define BYTE	0x42

/* The guest has written @PAGE, and its count is 0 if @freed: unmap it. */
static unsigned int unmap_a_page(enum kvm_pk_map map, bool freed)
{
	struct pk_file f = pk_open(KVM_PK_SINGLE, map, 0);
	unsigned int warnings;
	struct pk_vm v;
	int log;

	pk_enable_warnings();
	v = pk_vm_create(&f, 0);
	pk_do(&v, PK_FILL, PAGE, BYTE);
	log = pk_open_log();
	if (freed)
		TEST_ASSERT(!ioctl(f.fd, KVM_PK_FREEZE, PAGE), "FREEZE: %s", strerror(errno));
	pk_unmap(&f);
	warnings = pk_kvm_warnings(log);
	if (freed) {
		ASSERT_EQ(pk_query(&f, PAGE).count, 0);
		TEST_ASSERT(!ioctl(f.fd, KVM_PK_THAW), "THAW: %s", strerror(errno));
	}
	pk_vm_free(&v);
	ASSERT_EQ(pk_query(&f, PAGE).count, 1);
	TEST_ASSERT(pk_is(&f, PAGE, BYTE), "page %u changed", PAGE);
	return warnings;
}

GMEM_TEST(no_warning_while_it_is_allocated)
{
	ASSERT_EQ(unmap_a_page(KVM_PK_MAP_REMAP, false), 0);
	ASSERT_EQ(unmap_a_page(KVM_PK_MAP_PFN, false), 0);
}

GMEM_TEST(warning_of_a_freed_page_remap)
{
	TEST_ASSERT(unmap_a_page(KVM_PK_MAP_REMAP, true), "KVM did not warn");
}

GMEM_TEST(warning_of_a_freed_page_pfn)
{
	TEST_ASSERT(unmap_a_page(KVM_PK_MAP_PFN, true), "KVM did not warn");
}

/* Pages without a count of their own have none to warn of. */
GMEM_TEST(no_warning_of_a_block)
{
	struct pk_file f = pk_open(KVM_PK_BLOCK, KVM_PK_MAP_PFN, 0);
	struct pk_vm v;
	int log;

	pk_enable_warnings();
	v = pk_vm_create(&f, 0);
	pk_do(&v, PK_FILL, PAGE, BYTE);
	log = pk_open_log();
	pk_unmap(&f);
	ASSERT_EQ(pk_kvm_warnings(log), 0);
	pk_vm_free(&v);
	ASSERT_EQ(pk_kvm_warnings(log), 0);
}

PK_HARNESS_MAIN
