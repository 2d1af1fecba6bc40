/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_GMEM_H
#define __KVM_X86_GMEM_H

#include <linux/kvm_gmem.h>

struct kvm_page_fault;

/* sw.c */
extern const struct kvm_gmem_ops kvm_sw_gmem_ops;

/* fault.c, reached only with private memory, a file or a poisoned page */
int __kvm_gmem_faultin(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault);
int __kvm_gmem_poisoned(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault);
int __kvm_gmem_max_level(struct kvm *kvm, gfn_t gfn, int max_level);
void __kvm_gmem_assert_fault(struct kvm_vcpu *vcpu,
			     struct kvm_page_fault *fault);

#ifdef CONFIG_KVM_GUEST_MEMFD

/* vm_type.c */
int kvm_x86_init_vm_type(struct kvm *kvm, unsigned long type);
unsigned long kvm_x86_vm_types(void);

/* request.c */
void kvm_gmem_note_request(struct kvm_vcpu *vcpu, gpa_t gpa, u64 npages, u64 attrs);
void kvm_gmem_cancel_request(struct kvm_vcpu *vcpu);
bool kvm_gmem_take_request(struct kvm *kvm, gfn_t start, gfn_t end,
			   gfn_t *offer_start, gfn_t *offer_end);

#else /* !CONFIG_KVM_GUEST_MEMFD */

static inline int kvm_x86_init_vm_type(struct kvm *kvm, unsigned long type)
{
	return type ? -EINVAL : 0;
}

static inline unsigned long kvm_x86_vm_types(void)
{
	return BIT(KVM_X86_DEFAULT_VM);
}

static inline void kvm_gmem_note_request(struct kvm_vcpu *vcpu, gpa_t gpa,
					 u64 npages, u64 attrs)
{
}

static inline void kvm_gmem_cancel_request(struct kvm_vcpu *vcpu)
{
}

#endif /* CONFIG_KVM_GUEST_MEMFD */

#endif /* __KVM_X86_GMEM_H */
