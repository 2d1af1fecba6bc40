// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses of guests whose addresses say what is private.
 *
 *   with the bit		needs private memory
 *   without it			needs shared memory, and asks for it: what the guest
 *				owned there it gives up
 *   without it, of a page	takes what is there: page tables of a boot loader have no
 *   walk or without paging	bit, and whoever runs without paging has no way to set it
 */

#include "../mmu.h"
#include "../x86.h"
#include "access.h"
#include "gmem.h"
#include "halves.h"

/**
 * kvm_halves_refuse - is memory there that the access does not mean?
 * @vcpu: a vCPU of a VM with halves
 * @gpa: guest physical address as the guest has it
 * @access: PFERR_* flags of the access
 * @is_private: the attribute of the gfn
 *
 * If so, KVM_EXIT_MEMORY_FAULT reports the half of @gpa.
 *
 * Context: kvm->srcu.  Ask again if an invalidation intervenes.
 * Return: true if so.
 */
bool kvm_halves_refuse(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access, bool is_private)
{
	if (kvm_gpa_is_in_private_half(vcpu->kvm, gpa))
		return !is_private;

	if (access & PFERR_GUEST_PAGE_MASK || !is_paging(vcpu))
		return false;

	/* The attribute comes first. */
	smp_rmb();
	return is_private || kvm_view_check(vcpu->kvm, gpa_to_gfn(gpa));
}

/**
 * kvm_halves_note_access - note that the guest has asked to share a page
 * @vcpu: a vCPU of a VM with halves, about to exit to userspace
 * @gfn: the gfn, without the private bit
 *
 * Context: vcpu->mutex and kvm->srcu.
 */
void kvm_halves_note_access(struct kvm_vcpu *vcpu, gfn_t gfn)
{
	kvm_gmem_note_request(vcpu, gfn, 1, KVM_GMEM_REQUEST_SHARE);
}

/* Callers take the exception for theirs unless the emulation ends first, as it does. */
static void kvm_halves_fill_exception(struct x86_exception *exception)
{
	if (!exception)
		return;

	*exception = (struct x86_exception) {
		.vector = PF_VECTOR,
		.error_code_valid = true,
	};
}

/**
 * __kvm_halves_translate - kvm_halves_translate() of a VM with halves
 * @vcpu: the vCPU
 * @gpa: guest physical address as the guest has it
 * @access: PFERR_* flags of the access
 * @exception: filled in if there is no such page; or NULL
 *
 * Context: vcpu->mutex and kvm->srcu.
 * Return: as kvm_halves_translate().
 */
gpa_t __kvm_halves_translate(struct kvm_vcpu *vcpu, gpa_t gpa, u64 access,
			     struct x86_exception *exception)
{
	bool in_private_half = kvm_gpa_is_in_private_half(vcpu->kvm, gpa);
	gpa_t real_gpa = kvm_gpa_unalias(vcpu->kvm, gpa);
	gfn_t gfn = gpa_to_gfn(real_gpa);

	if (!kvm_halves_refuse(vcpu, gpa, access, kvm_mem_is_private(vcpu->kvm, gfn)))
		return real_gpa;

	if (!in_private_half)
		kvm_halves_note_access(vcpu, gfn);
	kvm_emul_end_in_fault(vcpu, gfn, in_private_half, -EFAULT);
	kvm_halves_fill_exception(exception);
	return INVALID_GPA;
}
