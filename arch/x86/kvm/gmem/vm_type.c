// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM types, and what generic code wants to know of x86.
 */

#include "../mmu.h"
#include "../mmu/mmu_internal.h"
#include "../mmu/tdp_mmu.h"
#include "gmem.h"

/*
 * Software protection needs the TDP MMU: the shadow MMU holds a page's mappings
 * in lists by gfn, and walks them all for a conversion.
 */
static bool kvm_sw_protected_supported(void)
{
	return IS_ENABLED(CONFIG_KVM_SW_PROTECTED_VM) && tdp_enabled &&
	       READ_ONCE(tdp_mmu_enabled);
}

/**
 * kvm_arch_supports_private_mem - is there a VM type with private memory?
 *
 * Context: Any.
 * Return: true if one is compiled in.
 */
bool kvm_arch_supports_private_mem(void)
{
	return IS_ENABLED(CONFIG_KVM_SW_PROTECTED_VM);
}

/**
 * kvm_arch_max_mapping_pages - size of the largest mapping of guest memory
 *
 * Context: Any.
 * Return: number of pages, a power of two.
 */
unsigned long kvm_arch_max_mapping_pages(void)
{
	return KVM_PAGES_PER_HPAGE(KVM_MAX_HUGEPAGE_LEVEL);
}

/**
 * kvm_arch_invalidate_step - how much to zap before mmu_lock should be dropped
 * @kvm: the VM
 *
 * The TDP MMU drops the lock on its own and skips what is not mapped.  The
 * shadow MMU does neither.
 *
 * Context: Any.
 * Return: number of pages.
 */
unsigned long kvm_arch_invalidate_step(struct kvm *kvm)
{
	return kvm_memslots_have_rmaps(kvm) ?
	       KVM_PAGES_PER_HPAGE(PG_LEVEL_1G) : ULONG_MAX;
}

/**
 * kvm_x86_vm_types - types that KVM_CREATE_VM accepts
 *
 * Context: Any.
 * Return: bitmap of KVM_X86_*_VM.
 */
unsigned long kvm_x86_vm_types(void)
{
	unsigned long types = BIT(KVM_X86_DEFAULT_VM);

	if (kvm_sw_protected_supported())
		types |= BIT(KVM_X86_SW_PROTECTED_VM);

	return types;
}

/*
 * The backend of a type, NULL if there is none.
 */
static const struct kvm_gmem_ops *kvm_x86_gmem_ops(unsigned long type)
{
	if (IS_ENABLED(CONFIG_KVM_SW_PROTECTED_VM) &&
	    type == KVM_X86_SW_PROTECTED_VM)
		return &kvm_sw_gmem_ops;

	return kvm_gmem_test_ops(type);
}

/**
 * kvm_x86_init_vm_type - give a new VM the backend of its type
 * @kvm: the VM, not visible yet, with an initialised MMU
 * @type: argument of KVM_CREATE_VM
 *
 * Context: Any.
 * Return: 0, or -EINVAL if the type is unknown or needs what the VM lacks.
 */
int kvm_x86_init_vm_type(struct kvm *kvm, unsigned long type)
{
	const struct kvm_gmem_ops *ops;

	if (type == KVM_X86_DEFAULT_VM)
		return 0;

	/* The module parameter may have changed since the MMU sampled it. */
	if (!is_tdp_mmu_enabled(kvm))
		return -EINVAL;

	ops = kvm_x86_gmem_ops(type);
	return ops ? kvm_gmem_set_ops(kvm, ops) : -EINVAL;
}
