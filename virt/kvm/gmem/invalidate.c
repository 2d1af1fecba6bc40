// SPDX-License-Identifier: GPL-2.0-only
/*
 * Invalidation of guest mappings by gfn.
 *
 * Page faults compare the hva of their gfn with the hva range of a running
 * invalidation.  Every memslot has a userspace_addr, whether it is mapped or
 * not, so that an invalidation by gfn uses the same range and the same counters
 * as one that comes from an MMU notifier.
 *
 * Except one: gfn to pfn caches do not wait for mn_active_invalidate_count, which
 * has no range.  A conversion may take seconds, and concerns few vCPUs.
 */

#include <linux/kvm_host.h>

#include "gmem.h"
#include "../kvm_mm.h"

/* How many runs of one kind to look at under mmu_lock. */
#define KVM_INVALIDATE_RUNS	64

typedef void (*kvm_slot_fn_t)(struct kvm_invalidation *inv, struct kvm_memory_slot *slot,
			      gfn_t start, gfn_t end);

static void kvm_invalidate_slots(struct kvm_invalidation *inv, gfn_t start, gfn_t end,
				 kvm_slot_fn_t fn)
{
	struct kvm_memslot_iter iter;
	struct kvm_memory_slot *slot;
	int i;

	for (i = 0; i < KVM_ADDRESS_SPACE_NUM; i++) {
		kvm_for_each_memslot_in_gfn_range(&iter, __kvm_memslots(inv->kvm, i),
						  start, end) {
			cond_resched();
			slot = iter.slot;
			fn(inv, slot, max(start, slot->base_gfn),
			   min(end, slot->base_gfn + slot->npages));
		}
	}
}

static void kvm_invalidate_add_slot(struct kvm_invalidation *inv, struct kvm_memory_slot *slot,
				    gfn_t start, gfn_t end)
{
	const unsigned long huge = kvm_arch_max_mapping_pages();

	/*
	 * A fault on a neighbour must not install a huge mapping that covers
	 * the range, so make such faults retry, too.
	 */
	start = max(round_down(start, huge), slot->base_gfn);
	end = min(round_up(end, huge), slot->base_gfn + slot->npages);

	inv->hva_start = min(inv->hva_start, __gfn_to_hva_memslot(slot, start));
	inv->hva_end = max(inv->hva_end,
			   __gfn_to_hva_memslot(slot, end - 1) + PAGE_SIZE);
}

static unsigned int kvm_gfn_kind(unsigned long attrs)
{
	return attrs & KVM_MEMORY_ATTRIBUTE_PRIVATE ? KVM_GFN_PRIVATE :
						      KVM_GFN_SHARED;
}

/*
 * From the start of a range to @end at most, call a function of the architecture for
 * some runs.  No attribute changes meanwhile under a mapping: what the guest has mapped
 * has the kind that its gfn has now.
 *
 * If the next call may drop mmu_lock, nothing that this one has removed may wait for a
 * flush.
 */
static bool kvm_gmem_handle_runs(struct kvm *kvm, struct kvm_gfn_range *run, gfn_t end,
				 unsigned int kinds,
				 bool (*handler)(struct kvm *kvm,
						 struct kvm_gfn_range *range))
{
	unsigned long attrs = 0;
	bool ret = false;
	unsigned int i;

	lockdep_assert_held(&kvm->mmu_lock);

	for (i = 0; i < KVM_INVALIDATE_RUNS && run->start < end; i++) {
		run->end = end;
		if (kinds != KVM_GFN_ALL)
			run->end = kvm_attr_map_run_end(&kvm->private_mem.attrs,
							run->start, end, &attrs);
		if (kvm_gfn_kind(attrs) & kinds && handler(kvm, run)) {
			ret = true;
			if (run->may_block && run->end < end)
				kvm_flush_remote_tlbs(kvm);
		}
		run->start = run->end;
	}

	return ret;
}

static void kvm_invalidate_slot(struct kvm_invalidation *inv, struct kvm_memory_slot *slot,
				gfn_t start, gfn_t end)
{
	const unsigned long step = kvm_arch_invalidate_step(inv->kvm);
	struct kvm_gfn_range range = {
		.slot = slot,
		.start = start,
		.may_block = true,
	};

	while (range.start < end) {
		KVM_MMU_LOCK(inv->kvm);
		if (kvm_gmem_handle_runs(inv->kvm, &range,
					 end - range.start > step ?
					 range.start + step : end,
					 inv->kinds, kvm_unmap_gfn_range))
			kvm_flush_remote_tlbs(inv->kvm);
		KVM_MMU_UNLOCK(inv->kvm);
		cond_resched();
	}
}

/**
 * kvm_invalidate_init - prepare an invalidation
 * @inv: the invalidation
 * @kvm: the VM
 *
 * Context: Any.
 */
void kvm_invalidate_init(struct kvm_invalidation *inv, struct kvm *kvm)
{
	inv->kvm = kvm;
	inv->hva_start = ULONG_MAX;
	inv->hva_end = 0;
}

/**
 * kvm_invalidate_add - add a range before the invalidation begins
 * @inv: the invalidation
 * @start: first gfn
 * @end: one past the last gfn
 *
 * Context: slots_lock or kvm->srcu, until after kvm_invalidate_end().
 */
void kvm_invalidate_add(struct kvm_invalidation *inv, gfn_t start, gfn_t end)
{
	kvm_invalidate_slots(inv, start, end, kvm_invalidate_add_slot);
}

/**
 * kvm_invalidate_begin - make page faults in all added ranges retry from now on
 * @inv: the invalidation
 *
 * Also invalidates the gfn to pfn caches of the ranges.
 *
 * Context: slots_lock or kvm->srcu.  Takes mmu_lock; may sleep.
 */
void kvm_invalidate_begin(struct kvm_invalidation *inv)
{
	struct kvm *kvm = inv->kvm;

	if (inv->hva_start >= inv->hva_end)
		return;

	KVM_MMU_LOCK(kvm);
	kvm_mmu_invalidate_begin(kvm, inv->hva_start, inv->hva_end);
	KVM_MMU_UNLOCK(kvm);

	/*
	 * Takes the lock of each cache.  A refresh that gets it later finds the
	 * invalidation in progress: kvm_gpc_gmem_busy().
	 */
	gfn_to_pfn_cache_invalidate_start(kvm, inv->hva_start, inv->hva_end,
					  true);
}

/**
 * kvm_invalidate_kinds - remove the guest's mappings of one of the ranges, or some
 * @inv: the invalidation, begun
 * @start: first gfn
 * @end: one past the last gfn
 * @kinds: mask of KVM_GFN_*; mappings of other gfns stay
 *
 * TLBs are flushed on return.
 *
 * Context: slots_lock or kvm->srcu; slots_lock, unless @kinds is %KVM_GFN_ALL.
 * Takes mmu_lock; may sleep.
 */
void kvm_invalidate_kinds(struct kvm_invalidation *inv, gfn_t start, gfn_t end,
			  unsigned int kinds)
{
	inv->kinds = kinds;
	kvm_invalidate_slots(inv, start, end, kvm_invalidate_slot);
}

/**
 * kvm_invalidate_range - remove the guest's mappings of one of the ranges
 * @inv: the invalidation, begun
 * @start: first gfn
 * @end: one past the last gfn
 *
 * TLBs are flushed on return.
 *
 * Context: As kvm_invalidate_kinds().
 */
void kvm_invalidate_range(struct kvm_invalidation *inv, gfn_t start, gfn_t end)
{
	kvm_invalidate_kinds(inv, start, end, KVM_GFN_ALL);
}

/**
 * kvm_invalidate_end - let page faults in the ranges proceed
 * @inv: the invalidation
 *
 * Faults that looked at anything before now find their result stale.
 *
 * Context: slots_lock or kvm->srcu.  Takes mmu_lock; may sleep.
 */
void kvm_invalidate_end(struct kvm_invalidation *inv)
{
	struct kvm *kvm = inv->kvm;

	if (inv->hva_start >= inv->hva_end)
		return;

	KVM_MMU_LOCK(kvm);
	kvm_mmu_invalidate_end(kvm, inv->hva_start, inv->hva_end);
	KVM_MMU_UNLOCK(kvm);
}

/**
 * __kvm_gmem_handle_hva_gfns - tell the MMU what happens to userspace_addr
 * @kvm: the VM
 * @range: gfns of a memslot that has a binding, by their hva
 * @handler: function of the architecture
 *
 * If there are many runs, @handler gets the rest in one piece, private gfns
 * included: it may be called for more than what is concerned.
 *
 * Context: mmu_lock held for write; may be atomic.
 * Return: true if @handler returned true at least once.
 */
bool __kvm_gmem_handle_hva_gfns(struct kvm *kvm, struct kvm_gfn_range *range,
				bool (*handler)(struct kvm *kvm,
						struct kvm_gfn_range *range))
{
	struct kvm_gfn_range run = *range;
	bool ret;

	if (kvm_gmem_serves(range->slot, false))
		return false;

	ret = kvm_gmem_handle_runs(kvm, &run, range->end, KVM_GFN_SHARED, handler);
	if (run.start < range->end) {
		run.end = range->end;
		ret |= handler(kvm, &run);
	}

	return ret;
}

/**
 * kvm_gmem_drain_accesses - wait for KVM's accesses that have begun
 * @kvm: the VM
 *
 * Before pages are freed: call it inside the invalidation that precedes it.
 *
 * Context: Any, below access_lock; spins.
 */
void kvm_gmem_drain_accesses(struct kvm *kvm)
{
	write_lock(&kvm->private_mem.access_lock);
	write_unlock(&kvm->private_mem.access_lock);
}
