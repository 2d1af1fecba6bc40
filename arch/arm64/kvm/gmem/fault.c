// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stage 2 aborts on memory that a guest_memfd file backs, and on private memory that
 * nothing backs.
 */

#include <asm/kvm_emulate.h>
#include <asm/kvm_mmu.h>
#include <asm/kvm_pgtable.h>
#include <trace/events/kvm_gmem.h>

#include "gmem.h"

/* For the tracepoint, where x86's smallest mapping is 1 */
#define KVM_GMEM_PAGE_LEVEL	1

/**
 * struct kvm_gmem_fault - an abort under way
 * @slot: memslot of @gfn
 * @gfn: guest frame number
 * @ipa: the page's address
 * @mmu_seq: sequence of invalidations, sampled before anything was looked up
 * @is_private: attribute of @gfn
 * @pfn: its page, without a reference
 */
struct kvm_gmem_fault {
	struct kvm_memory_slot *slot;
	gfn_t gfn;
	phys_addr_t ipa;
	unsigned long mmu_seq;
	bool is_private;
	kvm_pfn_t pfn;
};

static int kvm_gmem_fault_exit(struct kvm_vcpu *vcpu,
			       const struct kvm_gmem_fault *fault, int r)
{
	kvm_prepare_memory_fault_exit(vcpu, fault->gfn, fault->is_private);
	return r;
}

static bool kvm_gmem_fault_is_stale(struct kvm *kvm,
				    const struct kvm_gmem_fault *fault)
{
	lockdep_assert_held(&kvm->mmu_lock);

	return mmu_invalidate_retry_hva(kvm, fault->mmu_seq,
					__gfn_to_hva_memslot(fault->slot,
							     fault->gfn));
}

/*
 * A shared gfn can have a private offset.  What the backend holds is not mapped as
 * shared memory, unless the attribute is just changing.
 */
static int kvm_gmem_fault_held(struct kvm_vcpu *vcpu,
			       const struct kvm_gmem_fault *fault)
{
	bool stale;

	read_lock(&vcpu->kvm->mmu_lock);
	stale = kvm_gmem_fault_is_stale(vcpu->kvm, fault);
	read_unlock(&vcpu->kvm->mmu_lock);

	return stale ? 1 : kvm_gmem_fault_exit(vcpu, fault, -EFAULT);
}

static enum kvm_pgtable_prot kvm_gmem_fault_prot(struct kvm_vcpu *vcpu)
{
	enum kvm_pgtable_prot prot = KVM_PGTABLE_PROT_R | KVM_PGTABLE_PROT_W;

	/* Otherwise the instruction cache is taken care of at the first fetch. */
	if (kvm_vcpu_trap_is_exec_fault(vcpu) ||
	    cpus_have_const_cap(ARM64_HAS_CACHE_DIC))
		prot |= KVM_PGTABLE_PROT_X;

	return prot;
}

static int kvm_gmem_fault_map(struct kvm_vcpu *vcpu,
			      const struct kvm_gmem_fault *fault)
{
	enum kvm_pgtable_prot prot = kvm_gmem_fault_prot(vcpu);
	struct kvm_pgtable *pgt = vcpu->arch.hw_mmu->pgt;

	lockdep_assert_held_write(&vcpu->kvm->mmu_lock);

	/* All there is are pages: the first two are about one that is mapped. */
	switch (kvm_vcpu_trap_get_fault_type(vcpu)) {
	case FSC_PERM:
		return kvm_pgtable_stage2_relax_perms(pgt, fault->ipa, prot);
	case FSC_ACCESS:
		kvm_pgtable_stage2_mkyoung(pgt, fault->ipa);
		return 0;
	default:
		return kvm_pgtable_stage2_map(pgt, fault->ipa, PAGE_SIZE,
					      __pfn_to_phys(fault->pfn), prot,
					      &vcpu->arch.mmu_page_cache);
	}
}

static int kvm_gmem_fault_install(struct kvm_vcpu *vcpu,
				  const struct kvm_gmem_fault *fault)
{
	struct kvm *kvm = vcpu->kvm;
	int r = 0;

	trace_kvm_private_fault(vcpu->vcpu_id, fault->gfn, fault->pfn,
				KVM_GMEM_PAGE_LEVEL, fault->is_private);

	write_lock(&kvm->mmu_lock);
	if (!kvm_gmem_fault_is_stale(kvm, fault))
		r = kvm_gmem_fault_map(vcpu, fault);
	write_unlock(&kvm->mmu_lock);

	/* Another vCPU may have been faster. */
	if (!r || r == -EAGAIN)
		return 1;

	return kvm_gmem_fault_exit(vcpu, fault, r);
}

static int kvm_gmem_fault_file(struct kvm_vcpu *vcpu, struct kvm_gmem_fault *fault)
{
	int order, r;

	/* The tags of a page would outlive the page. */
	if (kvm_has_mte(vcpu->kvm))
		return kvm_gmem_fault_exit(vcpu, fault, -EFAULT);

	r = kvm_mmu_topup_memory_cache(&vcpu->arch.mmu_page_cache,
				       kvm_mmu_cache_min_pages(vcpu->kvm));
	if (!r)
		r = kvm_gmem_get_pfn(fault->slot, fault->gfn, &fault->pfn, &order);
	/* KVM_RUN ends for the signal. */
	if (r == -EINTR)
		return 1;
	if (r)
		return kvm_gmem_fault_exit(vcpu, fault, r);

	if (!fault->is_private && kvm_gmem_pfn_is_held(fault->pfn))
		return kvm_gmem_fault_held(vcpu, fault);

	return kvm_gmem_fault_install(vcpu, fault);
}

/**
 * kvm_gmem_abort - handle a stage 2 abort that kvm_gmem_owns_abort()
 * @vcpu: the vCPU
 * @slot: memslot of the page, NULL if there is none
 * @fault_ipa: address of the page
 *
 * This is where an abort decides, once, whether it is private.
 *
 * Context: kvm->srcu; may sleep.
 * Return: 1 to resume the guest, or
 *
 * * -EFAULT if there is no page
 * * -EHWPOISON, -EIO or -ENOMEM as kvm_gmem_get_pfn()
 *
 * with KVM_EXIT_MEMORY_FAULT prepared.
 */
int kvm_gmem_abort(struct kvm_vcpu *vcpu, struct kvm_memory_slot *slot,
		   phys_addr_t fault_ipa)
{
	struct kvm_gmem_fault fault = {
		.slot = slot,
		.gfn = fault_ipa >> PAGE_SHIFT,
		.ipa = fault_ipa & PAGE_MASK,
		.mmu_seq = vcpu->kvm->mmu_invalidate_seq,
	};

	/* Pairs with kvm_mmu_invalidate_end(). */
	smp_rmb();
	fault.is_private = kvm_mem_is_private(vcpu->kvm, fault.gfn);

	/* It is on its way out. */
	if (slot && slot->flags & KVM_MEMSLOT_INVALID)
		return 1;

	if (slot && kvm_gmem_serves(slot, fault.is_private))
		return kvm_gmem_fault_file(vcpu, &fault);

	/* What has become shared meanwhile has another page. */
	return fault.is_private ? kvm_gmem_fault_exit(vcpu, &fault, -EFAULT) : 1;
}

/**
 * __kvm_gmem_age - kvm_age_gfn() for any number of pages
 * @kvm: the VM
 * @range: the pages, of a memslot that is mapped by pages
 *
 * Context: mmu_lock held for write.
 * Return: true if the guest has used one of them.
 */
bool __kvm_gmem_age(struct kvm *kvm, struct kvm_gfn_range *range)
{
	bool young = false;
	gfn_t gfn;
	pte_t pte;

	for (gfn = range->start; gfn < range->end; gfn++) {
		pte = __pte(kvm_pgtable_stage2_mkold(kvm->arch.mmu.pgt,
						     gfn << PAGE_SHIFT));
		young |= pte_valid(pte) && pte_young(pte);
	}

	return young;
}

/**
 * __kvm_gmem_test_age - kvm_test_age_gfn() for any number of pages
 * @kvm: the VM
 * @range: the pages, of a memslot that is mapped by pages
 *
 * Context: mmu_lock held for write.
 * Return: true if the guest has used one of them.
 */
bool __kvm_gmem_test_age(struct kvm *kvm, struct kvm_gfn_range *range)
{
	gfn_t gfn;

	for (gfn = range->start; gfn < range->end; gfn++) {
		if (kvm_pgtable_stage2_is_young(kvm->arch.mmu.pgt,
						gfn << PAGE_SHIFT))
			return true;
	}

	return false;
}
