/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_GMEM_ACCESS_H
#define __KVM_X86_GMEM_ACCESS_H

/*
 * x86's own accesses to private guest memory: the emulator's, and steal time.
 */

#include <linux/kvm_gmem.h>

#include "../kvm_emulate.h"

#ifdef CONFIG_KVM_GUEST_MEMFD

/* access.c */
bool __kvm_gpa_is_private(struct kvm_vcpu *vcpu, gpa_t gpa);
void kvm_emul_end_in_fault(struct kvm_vcpu *vcpu, gfn_t gfn, bool is_private, int error);
bool __kvm_emul_memory_fault(struct kvm_vcpu *vcpu, gpa_t gpa);
int kvm_gmem_record_steal_time(struct kvm_vcpu *vcpu, gpa_t gpa);
int kvm_gmem_set_preempted(struct kvm_vcpu *vcpu, gpa_t gpa);

#else /* !CONFIG_KVM_GUEST_MEMFD */

static inline bool __kvm_gpa_is_private(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return false;
}

static inline bool __kvm_emul_memory_fault(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return false;
}

static inline int kvm_gmem_record_steal_time(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return -EFAULT;
}

static inline int kvm_gmem_set_preempted(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return -EFAULT;
}

#endif /* CONFIG_KVM_GUEST_MEMFD */

/**
 * kvm_gpa_is_private - kvm_mem_is_private() for the vendor modules
 * @vcpu: the vCPU
 * @gpa: guest physical address
 *
 * Context: Any; takes no lock.
 * Return: true if the gpa is private.
 */
static inline bool kvm_gpa_is_private(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return kvm_has_private_mem(vcpu->kvm) && __kvm_gpa_is_private(vcpu, gpa);
}

/**
 * kvm_steal_mark_dirty - log the page of steal time after a write to it
 * @vcpu: the vCPU
 *
 * The cache has no memslot if userspace_addr had to be asked for.
 *
 * Context: kvm->srcu; may be atomic.
 */
static inline void kvm_steal_mark_dirty(struct kvm_vcpu *vcpu)
{
	struct gfn_to_hva_cache *ghc = &vcpu->arch.st.cache;
	gfn_t gfn = gpa_to_gfn(ghc->gpa);

	mark_page_dirty_in_slot(vcpu->kvm,
				ghc->memslot ?: gfn_to_memslot(vcpu->kvm, gfn),
				gfn);
}

/**
 * kvm_emul_memory_fault - is a failed access of the emulator a memory fault?
 * @vcpu: the vCPU
 * @gpa: guest physical address of the access
 *
 * If so, prepares KVM_EXIT_MEMORY_FAULT and makes the emulation end in it.
 *
 * Context: kvm->srcu, emulation in progress.
 * Return: true if the gfn is private or belongs in a file, so that the access
 * must not be taken for MMIO; always false without private memory.
 */
static inline bool kvm_emul_memory_fault(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return kvm_has_private_mem(vcpu->kvm) &&
	       __kvm_emul_memory_fault(vcpu, gpa);
}

/**
 * kvm_emul_walk_failed - there is no page table where one should be
 * @vcpu: the vCPU
 * @gpa: guest physical address of the entry
 *
 * The guest must not take it for a page fault.  KVM_TRANSLATE has no exit for that.
 *
 * Context: kvm->srcu.
 */
static inline void kvm_emul_walk_failed(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	/* So is the guest's FPU throughout KVM_RUN, and only there. */
	if (vcpu->arch.guest_fpu.fpstate->in_use)
		kvm_emul_memory_fault(vcpu, gpa);
}

/**
 * kvm_emul_access_failed - what a failed access is to the emulator
 * @vcpu: the vCPU
 * @gpa: guest physical address of the access
 *
 * Context: as kvm_emul_memory_fault().
 * Return: X86EMUL_IO_NEEDED.
 */
static inline int kvm_emul_access_failed(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	kvm_emul_memory_fault(vcpu, gpa);
	return X86EMUL_IO_NEEDED;
}

/**
 * kvm_emul_exit_code - what KVM_RUN returns
 * @vcpu: the vCPU
 * @r: what it would return
 *
 * The emulator's callers pass on 0 for an exit to userspace, and take anything
 * else for success.
 *
 * Context: vcpu->mutex.
 * Return: -EFAULT or -EHWPOISON if the exit is a memory fault of the emulator, else
 * @r.
 */
static inline int kvm_emul_exit_code(struct kvm_vcpu *vcpu, int r)
{
	struct x86_emulate_ctxt *ctxt = vcpu->arch.emulate_ctxt;
	int error = ctxt->memory_fault;

	if (likely(!error))
		return r;

	ctxt->memory_fault = 0;
	return !r && vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT ? error : r;
}

#endif /* __KVM_X86_GMEM_ACCESS_H */
