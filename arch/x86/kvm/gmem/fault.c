// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page faults on memory that a guest_memfd file backs, on private memory that
 * nothing backs, and on poisoned memory; which mappings they may make, and which
 * go away with a memslot.
 */

#include <linux/sched/signal.h>
#include <trace/events/kvm_gmem.h>

#include "../mmu.h"
#include "../mmu/mmu_internal.h"
#include "gmem.h"
#include "halves.h"

static int kvm_gmem_fault_exit(struct kvm_vcpu *vcpu,
			       struct kvm_page_fault *fault, int r)
{
	/* Nobody runs KVM_RUN for a prefetch, its exit belongs to others. */
	if (!fault->prefetch)
		kvm_prepare_memory_fault_exit(vcpu, fault->gfn,
					      fault->is_private);
	return r;
}

/**
 * __kvm_gmem_judges_access - kvm_gmem_judges_access() of a VM with private memory
 * @kvm: the VM
 *
 * Context: Any.
 * Return: as kvm_gmem_judges_access().
 */
bool __kvm_gmem_judges_access(struct kvm *kvm)
{
	return kvm->private_mem.ops->access_is_private;
}

/*
 * What the guest does, where the hardware tells, must be what the attribute says.
 */
static bool kvm_gmem_access_differs(struct kvm_vcpu *vcpu,
				    struct kvm_page_fault *fault)
{
	const struct kvm_gmem_ops *ops = vcpu->kvm->private_mem.ops;

	/* Nobody accesses anything in a prefetch. */
	if (!kvm_gmem_judges_access(vcpu->kvm) || fault->prefetch)
		return false;

	return ops->access_is_private(vcpu, fault->gfn, fault->error_code) !=
	       fault->is_private;
}

/*
 * End a fault that does not fit the attribute, unless the attribute is changing.
 */
static int kvm_gmem_fault_mismatch(struct kvm_vcpu *vcpu,
				   struct kvm_page_fault *fault, bool is_private,
				   int r)
{
	hva_t hva = fault->slot ? __gfn_to_hva_memslot(fault->slot, fault->gfn) : 0;
	struct kvm *kvm = vcpu->kvm;
	bool stale;

	read_lock(&kvm->mmu_lock);
	stale = mmu_invalidate_retry_hva(kvm, fault->mmu_seq, hva);
	read_unlock(&kvm->mmu_lock);
	if (stale)
		return RET_PF_RETRY;

	if (kvm_has_halves(kvm) && !is_private && !fault->prefetch)
		kvm_halves_note_access(vcpu, fault->gfn);
	fault->is_private = is_private;
	return kvm_gmem_fault_exit(vcpu, fault, r);
}

/*
 * Whoever prefetches chooses the half by the attribute, which has changed since.
 */
static int kvm_gmem_fault_in_wrong_half(struct kvm_vcpu *vcpu,
					struct kvm_page_fault *fault)
{
	bool is_private = kvm_gpa_is_in_private_half(vcpu->kvm, fault->addr);

	if (fault->prefetch && is_private != fault->is_private)
		return RET_PF_RETRY;

	return kvm_gmem_fault_mismatch(vcpu, fault, is_private, -EFAULT);
}

static int kvm_gmem_faultin_file(struct kvm_vcpu *vcpu,
				 struct kvm_page_fault *fault)
{
	int order, r;

	r = kvm_gmem_get_pfn(fault->slot, fault->gfn, &fault->pfn, &order);
	/* Those who retry look for signals. */
	if (r == -EINTR)
		return RET_PF_RETRY;
	if (r)
		return kvm_gmem_fault_exit(vcpu, fault, r);

	/* Makes the fault retry if an invalidation of its gfn intervenes. */
	fault->hva = __gfn_to_hva_memslot(fault->slot, fault->gfn);
	fault->map_writable = true;
	/*
	 * A shared gfn can have a private offset if it was bound there.  What the
	 * backend holds is not mapped as shared memory.
	 */
	if (!fault->is_private && kvm_gmem_pfn_is_held(fault->pfn))
		return kvm_gmem_fault_mismatch(vcpu, fault, false, -EFAULT);

	while (fault->max_level > PG_LEVEL_4K &&
	       KVM_HPAGE_GFN_SHIFT(fault->max_level) > order)
		fault->max_level--;

	trace_kvm_private_fault(vcpu->vcpu_id, fault->gfn, fault->pfn,
				fault->max_level, fault->is_private);
	return RET_PF_CONTINUE;
}

/**
 * __kvm_gmem_faultin - find the page of a fault, if a file has it
 * @vcpu: the vCPU
 * @fault: the fault, its MMU sequence sampled, its memslot visible or NULL
 *
 * This is where a fault decides, once, whether it is private, and whether that is
 * what the guest takes the memory for.  KVM's own memslots are no exception:
 * userspace chooses where two of them lie, and has all of them mapped.
 *
 * Context: kvm->srcu; may sleep.
 * Return:
 *
 * * RET_PF_INVALID if userspace_addr backs the gfn, or nothing does
 * * RET_PF_CONTINUE with the pfn, without a reference to it
 * * RET_PF_RETRY if a signal came while a conversion held the file, or if the
 *   attribute is changing
 * * -EFAULT if there is no page, or if the guest's access is to the other side
 * * -EHWPOISON if the guest has lost the page
 * * -EHWPOISON, -EIO or -ENOMEM as kvm_gmem_get_pfn()
 *
 * An errno comes with KVM_EXIT_MEMORY_FAULT prepared.
 */
int __kvm_gmem_faultin(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	const struct kvm_memory_slot *slot = fault->slot;

	int r;

	fault->is_private = kvm_mem_is_private(vcpu->kvm, fault->gfn);
	if (kvm_has_halves(vcpu->kvm) &&
	    kvm_halves_refuse(vcpu, fault->addr, fault->error_code, fault->is_private))
		return kvm_gmem_fault_in_wrong_half(vcpu, fault);
	if (kvm_gmem_access_differs(vcpu, fault))
		return kvm_gmem_fault_mismatch(vcpu, fault, !fault->is_private,
					       -EFAULT);

	/* The attribute comes first: what the guest owns is not taken for MMIO. */
	smp_rmb();
	r = kvm_view_check(vcpu->kvm, fault->gfn);
	if (r)
		return kvm_gmem_fault_mismatch(vcpu, fault, true, r);

	if (slot && kvm_gmem_serves(slot, fault->is_private))
		return kvm_gmem_faultin_file(vcpu, fault);

	if (fault->is_private)
		return kvm_gmem_fault_exit(vcpu, fault, -EFAULT);

	return RET_PF_INVALID;
}

/**
 * __kvm_gmem_poisoned - end a fault on a poisoned page of userspace_addr
 * @vcpu: the vCPU, of any VM
 * @fault: the fault, for which SIGBUS was sent to the current task
 *
 * The signal ends KVM_RUN, but neither a blocked nor an ignored one does, so that
 * the fault would come again for ever.
 *
 * Context: kvm->srcu.
 * Return: RET_PF_RETRY if KVM_RUN ends for a signal; else -EHWPOISON, with
 * KVM_EXIT_MEMORY_FAULT prepared, unless the fault is a prefetch.
 */
int __kvm_gmem_poisoned(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	if (signal_pending(current) && !fault->prefetch)
		return RET_PF_RETRY;

	return kvm_gmem_fault_exit(vcpu, fault, -EHWPOISON);
}

static bool kvm_range_is_uniform(struct kvm *kvm, gfn_t gfn, int level)
{
	gfn_t start = gfn & -KVM_PAGES_PER_HPAGE(level);
	struct kvm_attr_map *attrs = &kvm->private_mem.attrs;

	lockdep_assert_held(&kvm->mmu_lock);

	return kvm_attr_map_range_has(attrs, start,
				      start + KVM_PAGES_PER_HPAGE(level),
				      kvm_attr_map_get(attrs, gfn)) &&
	       kvm_view_is_uniform(kvm, start, start + KVM_PAGES_PER_HPAGE(level));
}

/**
 * __kvm_gmem_max_level - largest mapping without mixed attributes
 * @kvm: a VM with private memory
 * @gfn: guest frame number
 * @max_level: limit by other rules
 *
 * Context: mmu_lock, no invalidation of @gfn in progress.
 * Return: mapping level, at most @max_level.
 */
int __kvm_gmem_max_level(struct kvm *kvm, gfn_t gfn, int max_level)
{
	lockdep_assert_held(&kvm->mmu_lock);

	while (max_level > PG_LEVEL_4K &&
	       !kvm_range_is_uniform(kvm, gfn, max_level))
		max_level--;

	return max_level;
}

/**
 * __kvm_gmem_zap_slot - remove the mappings of a memslot, and no others
 * @kvm: a VM with private memory
 * @slot: the memslot; whoever found it is done with it
 *
 * If the shadow MMU is in use, for nested guests, its pages belong to gfns in more
 * ways than by what they map.
 *
 * Context: slots_lock.  Takes mmu_lock; may sleep.
 * Return: false if the caller must remove all mappings of the VM.
 */
bool __kvm_gmem_zap_slot(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	struct kvm_gfn_range range = {
		.slot = slot,
		.start = slot->base_gfn,
		.end = slot->base_gfn + slot->npages,
		.may_block = true,
	};

	lockdep_assert_held(&kvm->slots_lock);

	if (kvm_memslots_have_rmaps(kvm))
		return false;

	write_lock(&kvm->mmu_lock);
	if (kvm_unmap_gfn_range(kvm, &range))
		kvm_flush_remote_tlbs(kvm);
	write_unlock(&kvm->mmu_lock);
	return true;
}

/**
 * __kvm_gmem_assert_fault - check that a fault is still right
 * @vcpu: a vCPU of a VM with private memory
 * @fault: the fault, not stale, about to be mapped
 *
 * Context: mmu_lock.
 */
void __kvm_gmem_assert_fault(struct kvm_vcpu *vcpu,
			     struct kvm_page_fault *fault)
{
	lockdep_assert_held(&vcpu->kvm->mmu_lock);

	if (!fault->slot)
		return;

	WARN_ON_ONCE(fault->is_private !=
		     kvm_mem_is_private(vcpu->kvm, fault->gfn));
}
