/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_GMEM_MMU_FAULT_H
#define __KVM_X86_GMEM_MMU_FAULT_H

/*
 * What the page fault path calls.  Included by mmu_internal.h, once struct
 * kvm_page_fault is known.
 */

#include "gmem.h"

/**
 * kvm_gmem_faultin - find the page of a fault, if a file has it
 * @vcpu: the vCPU
 * @fault: the fault, its MMU sequence sampled, its memslot visible or NULL
 *
 * An ordinary VM pays for two tests.
 *
 * Context: kvm->srcu; may sleep.
 * Return: as __kvm_gmem_faultin().
 */
static inline int kvm_gmem_faultin(struct kvm_vcpu *vcpu,
				   struct kvm_page_fault *fault)
{
	if (likely(!kvm_has_private_mem(vcpu->kvm) &&
		   !kvm_slot_has_gmem(fault->slot)))
		return RET_PF_INVALID;

	return __kvm_gmem_faultin(vcpu, fault);
}

/**
 * kvm_gmem_judges_access - must each fault find out what kind of memory it is to?
 * @kvm: the VM
 *
 * Shortcuts would answer a fault before kvm_gmem_faultin() has asked.
 *
 * Context: Any.
 * Return: true if the backend knows what the guest takes memory for.
 */
static inline bool kvm_gmem_judges_access(struct kvm *kvm)
{
	return kvm_has_private_mem(kvm) && __kvm_gmem_judges_access(kvm);
}

/**
 * kvm_gmem_poisoned - end a fault on a poisoned page of userspace_addr
 * @vcpu: the vCPU
 * @fault: the fault, for which SIGBUS was sent to the current task
 *
 * Context: kvm->srcu.
 * Return: RET_PF_RETRY if the signal ends KVM_RUN, or -EHWPOISON as
 * __kvm_gmem_poisoned().
 */
static inline int kvm_gmem_poisoned(struct kvm_vcpu *vcpu,
				    struct kvm_page_fault *fault)
{
	if (!IS_ENABLED(CONFIG_KVM_GUEST_MEMFD))
		return RET_PF_RETRY;

	return __kvm_gmem_poisoned(vcpu, fault);
}

/**
 * kvm_gmem_max_level - largest mapping without mixed attributes
 * @kvm: the VM
 * @gfn: guest frame number
 * @max_level: limit by other rules
 *
 * Context: mmu_lock, no invalidation of @gfn in progress.
 * Return: mapping level, at most @max_level.
 */
static inline int kvm_gmem_max_level(struct kvm *kvm, gfn_t gfn,
				     int max_level)
{
	if (likely(!kvm_has_private_mem(kvm)))
		return max_level;

	return __kvm_gmem_max_level(kvm, gfn, max_level);
}

/**
 * kvm_gmem_zap_slot - remove the mappings of a memslot, and no others
 * @kvm: the VM
 * @slot: the memslot; whoever found it is done with it
 *
 * Only in a VM with private memory, whose backend may lose contents by it.
 *
 * Context: slots_lock.  Takes mmu_lock; may sleep.
 * Return: false if the caller must remove all mappings of the VM.
 */
static inline bool kvm_gmem_zap_slot(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	return kvm_has_private_mem(kvm) && __kvm_gmem_zap_slot(kvm, slot);
}

/**
 * kvm_gmem_assert_fault - check that a fault is still right
 * @vcpu: the vCPU
 * @fault: the fault, not stale, about to be mapped
 *
 * Context: mmu_lock.
 */
static inline void kvm_gmem_assert_fault(struct kvm_vcpu *vcpu,
					 struct kvm_page_fault *fault)
{
	if (IS_ENABLED(CONFIG_DEBUG_VM) && kvm_has_private_mem(vcpu->kvm))
		__kvm_gmem_assert_fault(vcpu, fault);
}

/**
 * kvm_gmem_check_raced - did the gfn become private after the decision?
 * @fault: the fault, looked up through userspace_addr
 *
 * A lookup fails for a gfn that has a memslot only if the gfn has become
 * private.  Such a fault must neither be taken for MMIO nor mapped.
 *
 * Context: Any.
 * Return: RET_PF_RETRY if so, else RET_PF_CONTINUE.
 */
static inline int kvm_gmem_check_raced(struct kvm_page_fault *fault)
{
	if (unlikely(fault->pfn == KVM_PFN_NOSLOT && fault->slot))
		return RET_PF_RETRY;

	return RET_PF_CONTINUE;
}

#endif /* __KVM_X86_GMEM_MMU_FAULT_H */
