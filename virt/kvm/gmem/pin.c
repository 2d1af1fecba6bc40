// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's lasting mappings of guest memory that a guest_memfd file backs.
 *
 * A mapping by kvm_vcpu_map() has no notifier: it pins the page.  Pins are
 * counted in folio->private, so that the conversion engine can tell them from
 * unexpected references.  A gfn to pfn cache has one: it holds no reference.
 */

#include "owner.h"
#include "pin.h"

/**
 * struct kvm_gmem_pinning - a pin to be
 * @owner: id of the binding
 * @pfn: where to store the pfn
 */
struct kvm_gmem_pinning {
	unsigned long owner;
	kvm_pfn_t pfn;
};

static int kvm_gmem_pin_page(struct page *page, void *arg)
{
	struct folio *folio = page_folio(page);
	struct kvm_gmem_pinning *pinning = arg;

	folio_get(folio);
	kvm_gmem_add_pin(folio, pinning->owner);
	pinning->pfn = page_to_pfn(page);
	return 0;
}

/**
 * kvm_gmem_pin - find a page that userspace_addr did not give, and keep it
 * @lookup: what did not find it
 * @map: where to note that kvm_gmem_unpin() is due
 *
 * The page stays KVM's to access until it is unpinned, whether or not the gfn is
 * converted or its page is freed.
 *
 * Context: slots_lock or kvm->srcu; may sleep.
 * Return: the pfn, with a pin if the file backs the gfn, else as @lookup says; an
 * error pfn if the gfn has no page that the kernel may access.
 */
kvm_pfn_t kvm_gmem_pin(struct kvm_page_lookup *lookup, struct kvm_host_map *map)
{
	const struct kvm_memory_slot *slot = lookup->slot;
	struct kvm_gmem_pinning pinning;
	gfn_t gfn = lookup->gfn;
	kvm_pfn_t pfn;
	int r;

	if (!kvm_gmem_slot_usable(slot))
		return KVM_PFN_ERR_FAULT;

	pinning.owner = slot->gmem->owner;
	do {
		r = kvm_gmem_access(slot, gfn, kvm_gmem_pin_page, &pinning);
		if (r != -EAGAIN) {
			map->pinned = !r;
			return r ? KVM_PFN_ERR_FAULT : pinning.pfn;
		}

		pfn = kvm_lookup_page(lookup);
	} while (is_error_noslot_pfn(pfn) && kvm_gmem_backs(slot, gfn));

	return pfn;
}

/**
 * kvm_gmem_has_unexpected_refs - does anybody but KVM use a folio?
 * @kvm: the VM
 * @folio: folio that no page table maps, with a reference of the caller
 *
 * KVM's own references come and go inside access_lock, or are counted as pins,
 * which are as bad as others if the kernel must not access private pages.  Expect
 * one more per page for the page cache, and one for the caller.
 *
 * Context: the file's invalidate_lock held for write.
 * Return: true if so.
 */
bool kvm_gmem_has_unexpected_refs(struct kvm *kvm, struct folio *folio)
{
	long refs;

	write_lock(&kvm->private_mem.access_lock);
	refs = folio_ref_count(folio);
	if (kvm_gmem_kernel_may_access(kvm))
		refs -= kvm_gmem_pins(folio);
	write_unlock(&kvm->private_mem.access_lock);

	return refs > folio_nr_pages(folio) + 1;
}

/**
 * kvm_gmem_unpin - let go of a page
 * @kvm: the VM
 * @map: mapping of a page that kvm_gmem_pin() has pinned
 *
 * Context: Any, below access_lock.
 */
void kvm_gmem_unpin(struct kvm *kvm, struct kvm_host_map *map)
{
	struct folio *folio = page_folio(map->page);

	/* The pin and its reference go together, as the engine sees them. */
	read_lock(&kvm->private_mem.access_lock);
	if (!WARN_ON_ONCE(!kvm_gmem_pins(folio)))
		atomic_long_dec(kvm_gmem_folio_state(folio));
	kvm_gmem_put_folio(folio);
	read_unlock(&kvm->private_mem.access_lock);

	map->pinned = false;
}

/**
 * kvm_gpc_gmem_busy - is the gfn of a cache being converted, or its page freed?
 * @kvm: the VM
 * @gpc: the cache, its gpa, memslot and uhva current
 *
 * That may take seconds, so that whoever refreshes the cache had better try
 * again later.  Of other invalidations only the range matters here; where they
 * are, a refresh waits for mn_active_invalidate_count.
 *
 * An invalidation is in progress before it takes &gfn_to_pfn_cache.lock to
 * invalidate the cache.  It raises the MMU's sequence before it ends: ask this
 * first, then compare the sequence.
 *
 * Context: &gfn_to_pfn_cache.refresh_lock, and &gfn_to_pfn_cache.lock for write
 * if the cache is to become valid.
 * Return: true if so.
 */
bool kvm_gpc_gmem_busy(struct kvm *kvm, struct gfn_to_pfn_cache *gpc)
{
	lockdep_assert_held(&gpc->refresh_lock);

	return kvm_slot_has_gmem(gpc->memslot) &&
	       READ_ONCE(kvm->mmu_invalidate_in_progress) &&
	       gpc->uhva >= READ_ONCE(kvm->mmu_invalidate_range_start) &&
	       gpc->uhva < READ_ONCE(kvm->mmu_invalidate_range_end);
}

/**
 * kvm_gpc_gmem_pfn - look up the page of a gfn to pfn cache in the file
 * @gpc: the cache, its gpa and memslot current
 * @pfn: where to store the pfn, or an error pfn if the page cannot be had
 *
 * No reference is taken, the cache is invalidated before the page goes away.
 *
 * Context: kvm->srcu, &gfn_to_pfn_cache.refresh_lock, the MMU's invalidation
 * sequence sampled; may sleep.
 * Return: true if the file backs the gfn, else @pfn is left alone.
 */
bool kvm_gpc_gmem_pfn(struct gfn_to_pfn_cache *gpc, kvm_pfn_t *pfn)
{
	struct kvm_memory_slot *slot = gpc->memslot;
	gfn_t gfn = gpa_to_gfn(gpc->gpa);
	kvm_pfn_t file_pfn;
	int order, r;

	lockdep_assert_held(&gpc->refresh_lock);

	if (!kvm_gmem_slot_usable(slot))
		return false;

	/* A page that is becoming private makes the sequence stale. */
	r = kvm_gmem_check_access(slot, gfn);
	if (!r || r == -ENOENT)
		r = kvm_gmem_get_pfn(slot, gfn, &file_pfn, &order);
	/* The file matters only as long as it backs the gfn. */
	if (r && !kvm_gmem_backs(slot, gfn))
		return false;

	*pfn = r ? KVM_PFN_ERR_FAULT : file_pfn;
	return true;
}
