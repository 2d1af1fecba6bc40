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

#include "guest_memfd.h"
#include "kvm_mm.h"

typedef void (*kvm_slot_fn_t)(struct kvm_zap *zap, struct kvm_memory_slot *slot,
			      gfn_t start, gfn_t end);

static void kvm_zap_slots(struct kvm_zap *zap, gfn_t start, gfn_t end,
			  kvm_slot_fn_t fn)
{
	struct kvm_memslot_iter iter;
	struct kvm_memory_slot *slot;
	int i;

	for (i = 0; i < KVM_ADDRESS_SPACE_NUM; i++) {
		kvm_for_each_memslot_in_gfn_range(&iter, __kvm_memslots(zap->kvm, i),
						  start, end) {
			cond_resched();
			slot = iter.slot;
			fn(zap, slot, max(start, slot->base_gfn),
			   min(end, slot->base_gfn + slot->npages));
		}
	}
}

static void kvm_zap_add_slot(struct kvm_zap *zap, struct kvm_memory_slot *slot,
			     gfn_t start, gfn_t end)
{
	const unsigned long huge = kvm_arch_max_mapping_pages();

	/*
	 * A fault on a neighbour must not install a huge mapping that covers
	 * the range, so make such faults retry, too.
	 */
	start = max(round_down(start, huge), slot->base_gfn);
	end = min(round_up(end, huge), slot->base_gfn + slot->npages);

	zap->hva_start = min(zap->hva_start, __gfn_to_hva_memslot(slot, start));
	zap->hva_end = max(zap->hva_end,
			   __gfn_to_hva_memslot(slot, end - 1) + PAGE_SIZE);
}

static void kvm_zap_slot(struct kvm_zap *zap, struct kvm_memory_slot *slot,
			 gfn_t start, gfn_t end)
{
	const unsigned long step = kvm_arch_zap_step(zap->kvm);
	struct kvm_gfn_range range = {
		.slot = slot,
		.may_block = true,
	};

	for (; start < end; start = range.end) {
		range.start = start;
		range.end = end - start > step ? start + step : end;

		KVM_MMU_LOCK(zap->kvm);
		if (kvm_unmap_gfn_range(zap->kvm, &range))
			kvm_flush_remote_tlbs(zap->kvm);
		KVM_MMU_UNLOCK(zap->kvm);
		cond_resched();
	}
}

/**
 * kvm_zap_init - prepare an invalidation
 * @zap: the invalidation
 * @kvm: the VM
 *
 * Context: Any.
 */
void kvm_zap_init(struct kvm_zap *zap, struct kvm *kvm)
{
	zap->kvm = kvm;
	zap->hva_start = ULONG_MAX;
	zap->hva_end = 0;
}

/**
 * kvm_zap_add - add a range before the invalidation begins
 * @zap: the invalidation
 * @start: first gfn
 * @end: one past the last gfn
 *
 * Context: slots_lock or kvm->srcu, until after kvm_zap_end().
 */
void kvm_zap_add(struct kvm_zap *zap, gfn_t start, gfn_t end)
{
	kvm_zap_slots(zap, start, end, kvm_zap_add_slot);
}

/**
 * kvm_zap_begin - make page faults in all added ranges retry from now on
 * @zap: the invalidation
 *
 * Also invalidates the gfn to pfn caches of the ranges.
 *
 * Context: slots_lock or kvm->srcu.  Takes mmu_lock; may sleep.
 */
void kvm_zap_begin(struct kvm_zap *zap)
{
	struct kvm *kvm = zap->kvm;

	if (zap->hva_start >= zap->hva_end)
		return;

	KVM_MMU_LOCK(kvm);
	kvm_mmu_invalidate_begin(kvm, zap->hva_start, zap->hva_end);
	KVM_MMU_UNLOCK(kvm);

	/*
	 * Takes the lock of each cache.  A refresh that gets it later finds the
	 * invalidation in progress: kvm_gpc_gmem_busy().
	 */
	gfn_to_pfn_cache_invalidate_start(kvm, zap->hva_start, zap->hva_end,
					  true);
}

/**
 * kvm_zap_range - remove the guest's mappings of one of the ranges
 * @zap: the invalidation, begun
 * @start: first gfn
 * @end: one past the last gfn
 *
 * TLBs are flushed on return.
 *
 * Context: slots_lock or kvm->srcu.  Takes mmu_lock; may sleep.
 */
void kvm_zap_range(struct kvm_zap *zap, gfn_t start, gfn_t end)
{
	kvm_zap_slots(zap, start, end, kvm_zap_slot);
}

/**
 * kvm_zap_end - let page faults in the ranges proceed
 * @zap: the invalidation
 *
 * Faults that looked at anything before now find their result stale.
 *
 * Context: slots_lock or kvm->srcu.  Takes mmu_lock; may sleep.
 */
void kvm_zap_end(struct kvm_zap *zap)
{
	struct kvm *kvm = zap->kvm;

	if (zap->hva_start >= zap->hva_end)
		return;

	KVM_MMU_LOCK(kvm);
	kvm_mmu_invalidate_end(kvm, zap->hva_start, zap->hva_end);
	KVM_MMU_UNLOCK(kvm);
}
