// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that changes its own page tables, whose entries lead to memory of
 * /dev/kvm_page_kinds.  Without nested paging KVM follows such a change when the
 * guest loads CR3, from the shadow page table alone: what that knows of a page
 * must outlive the change.
 */
#define _GNU_SOURCE
#include "gmem_harness.h"
#include "page_kinds.h"
#include "processor.h"

#define PAGE		3
/* Where the guest sees the page table that maps the pages */
#define TABLE_GVA	(PK_GPA + (1ULL << 30))

static void require_no_nested_paging(void)
{
	if (is_intel_cpu() ? get_kvm_intel_param_bool("ept") : get_kvm_amd_param_bool("npt"))
		gmem_skip("nested paging is on: load kvm_amd with npt=0, or kvm_intel with ept=0");
}

static void reload_cr3(void)
{
	asm volatile("mov %0, %%cr3" : : "r" (get_cr3()) : "memory");
}

static void guest_code(uint64_t *pte, uint64_t *word)
{
	WRITE_ONCE(*word, 1);
	WRITE_ONCE(*pte, READ_ONCE(*pte) & ~PTE_WRITABLE_MASK);
	reload_cr3();
	GUEST_ASSERT(READ_ONCE(*word) == 1);
	WRITE_ONCE(*pte, READ_ONCE(*pte) | PTE_WRITABLE_MASK);
	reload_cr3();
	WRITE_ONCE(*word, 2);
	GUEST_DONE();
}

static uint64_t page_table_gpa(struct kvm_vm *vm, uint64_t gva)
{
	uint64_t table = vm->pgd;
	unsigned int shift;

	for (shift = 39; shift > 12; shift -= 9) {
		uint64_t *entries = addr_gpa2hva(vm, table);

		table = PTE_GET_PFN(entries[gva >> shift & 0x1ff]) * PK_PAGE;
	}
	return table;
}

static void run_guest(const struct pk_file *f)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	struct ucall uc;

	pk_slot(vm, f, 0);
	virt_map(vm, PK_GPA, PK_GPA, PK_PAGES);
	virt_pg_map(vm, TABLE_GVA, page_table_gpa(vm, PK_GPA));
	vcpu_args_set(vcpu, 2, TABLE_GVA + PAGE * sizeof(uint64_t), pk_gpa(PAGE));
	vcpu_run(vcpu);
	TEST_ASSERT(get_ucall(vcpu, &uc) == UCALL_DONE, "exit reason %u, call %lu",
		    vcpu->run->exit_reason, uc.cmd);
	kvm_vm_free(vm);
}

static void check_page_table_change(enum kvm_pk_kind kind, enum kvm_pk_map map)
{
	struct pk_file f = pk_open(kind, map, 0);
	struct kvm_pk_page before[PK_PAGES];
	int log;

	require_no_nested_paging();
	pk_query_all(&f, before);
	pk_enable_warnings();
	log = pk_open_log();
	run_guest(&f);
	ASSERT_EQ(pk_kvm_warnings(log), 0);
	pk_unmap(&f);
	pk_assert_counts(&f, before);
}

GMEM_TEST(change_the_entry_of_a_block_remap)
{
	check_page_table_change(KVM_PK_BLOCK, KVM_PK_MAP_REMAP);
}

GMEM_TEST(change_the_entry_of_a_block_pfn)
{
	check_page_table_change(KVM_PK_BLOCK, KVM_PK_MAP_PFN);
}

GMEM_TEST(change_the_entry_of_a_single_page)
{
	check_page_table_change(KVM_PK_SINGLE, KVM_PK_MAP_PFN);
}

PK_HARNESS_MAIN
