/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_ARM64_GMEM_H
#define __KVM_ARM64_GMEM_H

#include <linux/kvm_gmem.h>

/* fault.c, reached only with private memory or a file */
int kvm_gmem_abort(struct kvm_vcpu *vcpu, struct kvm_memory_slot *slot,
		   phys_addr_t fault_ipa);
bool __kvm_gmem_age(struct kvm *kvm, struct kvm_gfn_range *range);
bool __kvm_gmem_test_age(struct kvm *kvm, struct kvm_gfn_range *range);

#ifdef CONFIG_KVM_GUEST_MEMFD

/* vm_type.c */
unsigned long kvm_arm_vm_types(void);
int kvm_arm_init_vm_type(struct kvm *kvm, unsigned long type);

#else /* !CONFIG_KVM_GUEST_MEMFD */

static inline unsigned long kvm_arm_vm_types(void)
{
	return 0;
}

static inline int kvm_arm_init_vm_type(struct kvm *kvm, unsigned long type)
{
	return 0;
}

#endif /* CONFIG_KVM_GUEST_MEMFD */

/**
 * kvm_gmem_owns_abort - is a stage 2 abort to private memory, or to a file's?
 * @kvm: the VM
 * @slot: memslot of @gfn, NULL if there is none
 * @gfn: guest frame number, which has no hva
 *
 * Ask after the look-up of the hva: what becomes private later makes the fault
 * retry.  A memslot on its way out has no binding, but is no device either.
 *
 * Context: kvm->srcu.
 * Return: true if kvm_gmem_abort() must handle it; such an access is never MMIO.
 */
static inline bool kvm_gmem_owns_abort(struct kvm *kvm,
				       const struct kvm_memory_slot *slot,
				       gfn_t gfn)
{
	if (slot && slot->flags & KVM_MEMSLOT_INVALID)
		return kvm_has_private_mem(kvm);

	return kvm_slot_has_gmem(slot) || kvm_mem_is_private(kvm, gfn);
}

/**
 * kvm_gmem_became_private - did a failed look-up by hva come too late?
 * @slot: the memslot
 * @gfn: guest frame number, which had an hva before
 *
 * Context: kvm->srcu.
 * Return: true if the fault must be tried again.
 */
static inline bool kvm_gmem_became_private(const struct kvm_memory_slot *slot,
					   gfn_t gfn)
{
	return kvm_slot_has_gmem(slot) && kvm_gmem_backs(slot, gfn);
}

/**
 * kvm_gmem_ages_by_page - may a range of gfns be of any size?
 * @range: gfns of a memslot
 *
 * Ageing expects the size of a mapping, which MMU notifiers give it.  In a memslot
 * that has private gfns, the shared ones between them are left.
 *
 * Context: Any.
 * Return: true if __kvm_gmem_age() or __kvm_gmem_test_age() must be called.
 */
static inline bool kvm_gmem_ages_by_page(const struct kvm_gfn_range *range)
{
	return kvm_slot_has_gmem(range->slot);
}

#endif /* __KVM_ARM64_GMEM_H */
