/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_GMEM_SEAL_H
#define __KVM_X86_GMEM_SEAL_H

#include <linux/kvm_gmem.h>
#include <asm/kvm_para.h>

#include "../irq.h"
#include "../lapic.h"

#ifdef CONFIG_KVM_SEAL

/* digest.c */
int kvm_x86_digest_vcpu(struct kvm_vcpu *vcpu, struct kvm_digest *digest);

/* seal.c */
bool kvm_x86_msi_is_refused(struct kvm *kvm, u32 data);
int __kvm_x86_deliver_msi(struct kvm *kvm, u32 data, struct kvm_lapic_irq *irq);
bool __kvm_x86_deliver_msi_fast(struct kvm *kvm, u32 data,
				struct kvm_lapic_irq *irq, int *r);
bool kvm_x86_pic_is_ignored(struct kvm *kvm);
bool kvm_x86_bypass_is_refused(struct kvm *kvm);
void kvm_x86_note_shutdown(struct kvm_vcpu *vcpu);
u64 kvm_x86_hypercall_result(struct kvm_vcpu *vcpu);
u64 kvm_x86_read_digest(struct kvm_vcpu *vcpu, gpa_t gpa);

#else /* !CONFIG_KVM_SEAL */

static inline bool kvm_x86_msi_is_refused(struct kvm *kvm, u32 data)
{
	return false;
}

static inline bool kvm_x86_pic_is_ignored(struct kvm *kvm)
{
	return false;
}

static inline bool kvm_x86_bypass_is_refused(struct kvm *kvm)
{
	return false;
}

static inline void kvm_x86_note_shutdown(struct kvm_vcpu *vcpu)
{
}

static inline u64 kvm_x86_hypercall_result(struct kvm_vcpu *vcpu)
{
	return vcpu->run->hypercall.ret;
}

static inline u64 kvm_x86_read_digest(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return -KVM_ENOSYS;
}

#endif /* CONFIG_KVM_SEAL */

/**
 * kvm_x86_deliver_msi - deliver an interrupt message of the VMM
 * @kvm: the VM
 * @data: data of the message
 * @irq: what it asks for
 *
 * Context: Any.
 * Return: as kvm_irq_delivery_to_apic(), or -EINVAL if the message is refused.
 */
static inline int kvm_x86_deliver_msi(struct kvm *kvm, u32 data,
				      struct kvm_lapic_irq *irq)
{
#ifdef CONFIG_KVM_SEAL
	if (unlikely(kvm_has_private_mem(kvm)))
		return __kvm_x86_deliver_msi(kvm, data, irq);
#endif
	return kvm_irq_delivery_to_apic(kvm, NULL, irq, NULL);
}

/**
 * kvm_x86_deliver_msi_fast - deliver an interrupt message of the VMM without waiting
 * @kvm: the VM
 * @data: data of the message
 * @irq: what it asks for
 * @r: where to store the result
 *
 * Context: Any.
 * Return: as kvm_irq_delivery_to_apic_fast(), or true with -EINVAL in @r if the message
 * is refused.
 */
static inline bool kvm_x86_deliver_msi_fast(struct kvm *kvm, u32 data,
					    struct kvm_lapic_irq *irq, int *r)
{
#ifdef CONFIG_KVM_SEAL
	if (unlikely(kvm_has_private_mem(kvm)))
		return __kvm_x86_deliver_msi_fast(kvm, data, irq, r);
#endif
	return kvm_irq_delivery_to_apic_fast(kvm, NULL, irq, r, NULL);
}

/**
 * kvm_x86_sync_is_refused - does the VMM ask for registers that it must not have?
 * @vcpu: the vCPU, about to run
 *
 * The VMM can ask again at any time: whoever copies registers checks, too.
 *
 * Context: vcpu->mutex.
 * Return: true if so.
 */
static inline bool kvm_x86_sync_is_refused(struct kvm_vcpu *vcpu)
{
	return kvm_is_sealed(vcpu->kvm) &&
	       (READ_ONCE(vcpu->run->kvm_valid_regs) ||
		READ_ONCE(vcpu->run->kvm_dirty_regs));
}

#endif /* __KVM_X86_GMEM_SEAL_H */
