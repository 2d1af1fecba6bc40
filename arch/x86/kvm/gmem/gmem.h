/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_GMEM_H
#define __KVM_X86_GMEM_H

#include <linux/kvm_gmem.h>
#include <asm/kvm_para.h>

struct kvm_page_fault;

/* fault.c, reached only with private memory, a file or a poisoned page */
int __kvm_gmem_faultin(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault);
bool __kvm_gmem_judges_access(struct kvm *kvm);
int __kvm_gmem_poisoned(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault);
int __kvm_gmem_max_level(struct kvm *kvm, gfn_t gfn, int max_level);
bool __kvm_gmem_zap_slot(struct kvm *kvm, struct kvm_memory_slot *slot);
void __kvm_gmem_assert_fault(struct kvm_vcpu *vcpu,
			     struct kvm_page_fault *fault);

#ifdef CONFIG_KVM_GUEST_MEMFD

/* vm_type.c */
int kvm_x86_init_vm_type(struct kvm *kvm, unsigned long type);
unsigned long kvm_x86_vm_types(void);

#else /* !CONFIG_KVM_GUEST_MEMFD */

static inline int kvm_x86_init_vm_type(struct kvm *kvm, unsigned long type)
{
	return type ? -EINVAL : 0;
}

static inline unsigned long kvm_x86_vm_types(void)
{
	return BIT(KVM_X86_DEFAULT_VM);
}

#endif /* CONFIG_KVM_GUEST_MEMFD */

/**
 * kvm_x86_note_hypercall - what KVM_HC_MAP_GPA_RANGE asks for
 * @vcpu: the calling vCPU, about to exit to userspace
 * @gpa: first byte, page aligned
 * @npages: number of pages; the range does not wrap
 * @attrs: attributes of the hypercall
 *
 * Linux asks for shared memory first and clears it later, hence an attribute of
 * its own for contents that are to be seen.  What else the guest asks for matters
 * only to the view of a sealed VM.
 *
 * Context: vcpu->mutex and kvm->srcu.
 */
static inline void kvm_x86_note_hypercall(struct kvm_vcpu *vcpu, gpa_t gpa,
					  u64 npages, u64 attrs)
{
	enum kvm_gmem_request kind = KVM_GMEM_REQUEST_SHARE;

	if (attrs & KVM_MAP_GPA_RANGE_ENCRYPTED)
		kind = KVM_GMEM_REQUEST_PRIVATE;
	else if (attrs & KVM_MAP_GPA_RANGE_KEEP)
		kind = KVM_GMEM_REQUEST_KEEP;

	if (kind == KVM_GMEM_REQUEST_KEEP || kvm_is_sealed(vcpu->kvm))
		kvm_gmem_note_request(vcpu, gpa_to_gfn(gpa), npages, kind);
}

#endif /* __KVM_X86_GMEM_H */
