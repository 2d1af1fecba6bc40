/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_GMEM_HALVES_H
#define __KVM_X86_GMEM_HALVES_H

/*
 * Two halves of guest physical addresses: with the private bit an address means private
 * memory, without it shared memory, and both mean the same page.
 *
 * The hardware knows nothing of it, so that the TDP MMU maps both addresses: it walks
 * by the address as the guest has it.  Everything else goes by the gfn without the bit:
 * memslots, attributes, the view, exits to userspace.
 */

#include <linux/kvm_gmem.h>
#include <linux/kvm_host.h>

/**
 * kvm_private_gfn_bit - the bit of a gfn that means private
 * @kvm: the VM
 *
 * Context: Any.  Constant once the VM has a memslot or a vCPU.
 * Return: a power of two, or 0 if addresses of the VM have no halves.
 */
static inline gfn_t kvm_private_gfn_bit(const struct kvm *kvm)
{
	return IS_ENABLED(CONFIG_KVM_SW_PROTECTED_VM) ? kvm->arch.private_gfn_bit : 0;
}

/**
 * kvm_has_halves - do addresses say what is private?
 * @kvm: the VM
 *
 * Context: Any.
 * Return: true if so.
 */
static inline bool kvm_has_halves(const struct kvm *kvm)
{
	return kvm_private_gfn_bit(kvm);
}

/**
 * kvm_gfn_unalias - the gfn that memslots and attributes know
 * @kvm: the VM
 * @gfn: gfn as the guest has it
 *
 * Context: Any.
 * Return: the gfn without the private bit.
 */
static inline gfn_t kvm_gfn_unalias(const struct kvm *kvm, gfn_t gfn)
{
	return gfn & ~kvm_private_gfn_bit(kvm);
}

/**
 * kvm_gpa_unalias - kvm_gfn_unalias() of an address
 * @kvm: the VM
 * @gpa: guest physical address as the guest has it
 *
 * Context: Any.
 * Return: the address without the private bit.
 */
static inline gpa_t kvm_gpa_unalias(const struct kvm *kvm, gpa_t gpa)
{
	return gpa & ~(kvm_private_gfn_bit(kvm) << PAGE_SHIFT);
}

/**
 * kvm_gpa_is_in_private_half - does an address have the private bit?
 * @kvm: the VM
 * @gpa: guest physical address as the guest has it
 *
 * Context: Any.
 * Return: true if so.
 */
static inline bool kvm_gpa_is_in_private_half(const struct kvm *kvm, gpa_t gpa)
{
	return gpa & (kvm_private_gfn_bit(kvm) << PAGE_SHIFT);
}

/**
 * kvm_gfn_alias - where the private half has the end of a range
 * @kvm: a VM with halves
 * @gfn: gfn without the private bit: the first of a range, or one past the last
 *
 * Context: Any.
 * Return: the gfn with the bit; the end of the private half if @gfn is above the other.
 */
static inline gfn_t kvm_gfn_alias(const struct kvm *kvm, gfn_t gfn)
{
	return min(gfn, kvm_private_gfn_bit(kvm)) + kvm_private_gfn_bit(kvm);
}

/**
 * kvm_halves_allow_efer - may a vCPU have this value of EFER?
 * @kvm: the VM
 * @efer: the value
 *
 * Nested page tables would say nothing of halves.
 *
 * Context: Any.
 * Return: false if the guest could run guests of its own though addresses have halves.
 */
static inline bool kvm_halves_allow_efer(const struct kvm *kvm, u64 efer)
{
	return !(efer & EFER_SVME) || !kvm_has_halves(kvm);
}

/* halves.c, reached only by VMs with halves */
bool kvm_halves_refuse(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access, bool is_private);
gpa_t __kvm_halves_translate(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access,
			     struct x86_exception *exception);
void kvm_halves_note_access(struct kvm_vcpu *vcpu, gfn_t gfn);

/**
 * kvm_halves_translate - the page that KVM is to access for the guest
 * @vcpu: the vCPU
 * @gpa: guest physical address as the guest has it
 * @access: PFERR_* flags of the access; PFERR_GUEST_PAGE_MASK if it is to page tables
 * @exception: filled in if there is no such page; or NULL
 *
 * What the hardware would not do, the emulator must not do either.
 *
 * Context: kvm->srcu.
 * Return: the address without the private bit; or INVALID_GPA, with a memory fault
 * prepared in which the emulation ends, if memory there is not what the address says.
 */
static inline gpa_t kvm_halves_translate(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access,
					 struct x86_exception *exception)
{
	if (likely(!kvm_has_halves(vcpu->kvm)))
		return gpa;

	return __kvm_halves_translate(vcpu, gpa, access, exception);
}

/**
 * kvm_halves_end_request - what an access asked for has been handled
 * @vcpu: the vCPU, about to run
 *
 * Context: as kvm_gmem_end_request().
 * Return: as kvm_gmem_end_request().
 */
static inline int kvm_halves_end_request(struct kvm_vcpu *vcpu)
{
	if (unlikely(kvm_has_halves(vcpu->kvm)))
		return kvm_gmem_end_request(vcpu);

	return 0;
}

#endif /* __KVM_X86_GMEM_HALVES_H */
