/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_GMEM_PRIVATE_BIT_H
#define __KVM_X86_GMEM_PRIVATE_BIT_H

#include "halves.h"

struct msr_data;

/* private_bit.c, reached only by VMs with halves */
int __kvm_private_bit_set_cpuid(struct kvm_vcpu *vcpu, struct kvm_cpuid_entry2 *entries,
				int nent);

#ifdef CONFIG_KVM_SW_PROTECTED_VM

/* private_bit.c */
unsigned int kvm_x86_max_private_bit(const struct kvm *kvm);
int kvm_x86_set_private_bit(struct kvm *kvm, const struct kvm_enable_cap *cap);
int kvm_private_bit_get_msr(struct kvm_vcpu *vcpu, struct msr_data *msr_info);
int kvm_private_bit_set_msr(struct kvm_vcpu *vcpu, const struct msr_data *msr_info);

#else /* !CONFIG_KVM_SW_PROTECTED_VM */

static inline unsigned int kvm_x86_max_private_bit(const struct kvm *kvm)
{
	return 0;
}

static inline int kvm_x86_set_private_bit(struct kvm *kvm,
					  const struct kvm_enable_cap *cap)
{
	return -EINVAL;
}

static inline int kvm_private_bit_get_msr(struct kvm_vcpu *vcpu,
					  struct msr_data *msr_info)
{
	return KVM_MSR_RET_UNSUPPORTED;
}

static inline int kvm_private_bit_set_msr(struct kvm_vcpu *vcpu,
					  const struct msr_data *msr_info)
{
	return KVM_MSR_RET_UNSUPPORTED;
}

#endif /* CONFIG_KVM_SW_PROTECTED_VM */

/**
 * kvm_private_bit_set_cpuid - have CPUID tell the guest of its private bit
 * @vcpu: the vCPU
 * @entries: the table that the VMM has set, to be changed
 * @nent: number of its entries
 *
 * Context: vcpu->mutex.
 * Return: 0, or -EINVAL if physical addresses would be too short for the bit.
 */
static inline int kvm_private_bit_set_cpuid(struct kvm_vcpu *vcpu,
					    struct kvm_cpuid_entry2 *entries, int nent)
{
	if (likely(!kvm_has_halves(vcpu->kvm)))
		return 0;

	return __kvm_private_bit_set_cpuid(vcpu, entries, nent);
}

#endif /* __KVM_X86_GMEM_PRIVATE_BIT_H */
