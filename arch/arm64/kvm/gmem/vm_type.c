// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM types, and what generic code wants to know of arm64.
 */

#include "gmem.h"

/**
 * kvm_arch_supports_private_mem - is there a VM type with private memory?
 *
 * Context: Any.
 * Return: true if one is compiled in.
 */
bool kvm_arch_supports_private_mem(void)
{
	return IS_ENABLED(CONFIG_KVM_ARM_SW_PROTECTED_VM);
}

/**
 * kvm_arch_max_mapping_pages - size of the largest mapping of guest memory
 *
 * Of memslots that have a binding, see fault_supports_stage2_huge_mapping().
 *
 * Context: Any.
 * Return: 1 page.
 */
unsigned long kvm_arch_max_mapping_pages(void)
{
	return 1;
}

/**
 * kvm_arch_invalidate_step - how much to unmap before mmu_lock should be dropped
 * @kvm: the VM
 *
 * kvm_unmap_gfn_range() drops the lock on its own.
 *
 * Context: Any.
 * Return: number of pages.
 */
unsigned long kvm_arch_invalidate_step(struct kvm *kvm)
{
	return ULONG_MAX;
}

/**
 * kvm_arm_vm_types - types of private memory that KVM_CREATE_VM accepts
 *
 * Context: Any.
 * Return: mask of KVM_VM_TYPE_ARM_*, without the size of the address space.
 */
unsigned long kvm_arm_vm_types(void)
{
	return IS_ENABLED(CONFIG_KVM_ARM_SW_PROTECTED_VM) ?
	       KVM_VM_TYPE_ARM_SW_PROTECTED : 0;
}

/**
 * kvm_arm_init_vm_type - give a new VM the backend of its type
 * @kvm: the VM, not visible yet
 * @type: argument of KVM_CREATE_VM, accepted by kvm_arm_setup_stage2()
 *
 * Context: Any.
 * Return: 0 or an errno.
 */
int kvm_arm_init_vm_type(struct kvm *kvm, unsigned long type)
{
	if (!(type & KVM_VM_TYPE_ARM_SW_PROTECTED))
		return 0;

	return kvm_gmem_set_ops(kvm, &kvm_sw_gmem_ops);
}
