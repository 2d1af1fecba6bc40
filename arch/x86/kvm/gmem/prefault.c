// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults on behalf of KVM_PRE_FAULT_MEMORY.
 */

#include "../mmu.h"
#include "../mmu/mmu_internal.h"
#include "gmem.h"
#include "halves.h"

/**
 * kvm_arch_can_pre_fault - does the MMU of a vCPU map memory ahead of use?
 * @vcpu: the vCPU, loaded
 *
 * Context: vcpu->mutex.
 * Return: false without two-dimensional paging, and for a vCPU in a nested
 * guest.
 */
bool kvm_arch_can_pre_fault(struct kvm_vcpu *vcpu)
{
	return tdp_enabled && !is_guest_mode(vcpu) &&
	       vcpu->arch.mmu->page_fault == kvm_tdp_page_fault;
}

/**
 * kvm_arch_pre_fault_page - map one page as if the guest had read it
 * @vcpu: the vCPU, loaded, for which kvm_arch_can_pre_fault() holds
 * @gpa: guest physical address, in a memslot
 *
 * Context: vcpu->mutex and kvm->srcu; may sleep.
 * Return: 0 if the page is mapped, 1 if the caller is to try again, or
 *
 * * -ENOENT if the gfn is MMIO
 * * -EAGAIN if the VM's first memslot is still being added
 * * -EFAULT, -EHWPOISON or -ENOMEM as for a guest's access
 */
int kvm_arch_pre_fault_page(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	int r;

	/* Faults on a root that is obsolete retry until it is gone. */
	if (kvm_check_request(KVM_REQ_MMU_FREE_OBSOLETE_ROOTS, vcpu))
		kvm_mmu_free_obsolete_roots(vcpu);

	/* The first memslot is visible before it gets its quota of tables. */
	r = kvm_mmu_reload(vcpu);
	if (r)
		return r == -ENOSPC ? -EAGAIN : r;

	/* One of the two addresses of the page is right. */
	if (kvm_mem_is_private(vcpu->kvm, gpa_to_gfn(gpa)))
		gpa |= kvm_private_gfn_bit(vcpu->kvm) << PAGE_SHIFT;

	/* A prefetch neither sets the accessed bit nor prepares an exit. */
	r = kvm_mmu_do_page_fault(vcpu, gpa, 0, true, NULL);
	switch (r) {
	case RET_PF_FIXED:
	case RET_PF_SPURIOUS:
		return 0;
	case RET_PF_RETRY:
		return 1;
	case RET_PF_EMULATE:
		return -ENOENT;
	default:
		return r < 0 ? r : -EIO;
	}
}
