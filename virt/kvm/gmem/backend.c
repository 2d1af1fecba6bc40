// SPDX-License-Identifier: GPL-2.0-only
/*
 * How pages come to the backend, and how they come back.
 *
 * A page of a file is the host's until the guest first uses it as private memory.
 * It goes to the backend then, and comes back before it is wiped: when it leaves
 * the file, or when it becomes shared.  Either step can fail.  A page that cannot
 * be given is not mapped.  A page that does not come back is out of everybody's
 * reach for ever: it leaves the file, and the page allocator does not get it.
 */

#include <linux/mm.h>
#include <linux/pagevec.h>
#include <trace/events/kvm_gmem.h>

#include "gmem.h"
#include "owner.h"
#include "pin.h"

static bool kvm_gmem_ops_fit(const struct kvm_gmem_ops *ops)
{
	bool takes = ops->prepare, moves = ops->make_private;

	return takes == !!ops->is_ready && takes == !!ops->reclaim &&
	       moves == !!ops->make_shared && (takes || !moves) &&
	       (moves || !takes || !ops->take_request);
}

/**
 * kvm_gmem_set_ops - give a VM private memory
 * @kvm: the VM, not visible yet
 * @ops: the backend
 *
 * Context: Any.
 * Return: 0, or -EINVAL if members are missing.
 */
int kvm_gmem_set_ops(struct kvm *kvm, const struct kvm_gmem_ops *ops)
{
	if (WARN_ON_ONCE(!kvm_gmem_ops_fit(ops)))
		return -EINVAL;

	kvm->private_mem.ops = ops;
	return 0;
}

static kvm_pfn_t kvm_gmem_gfn_pfn(const struct kvm_memory_slot *slot, gfn_t gfn,
				  struct folio *folio)
{
	pgoff_t index = kvm_gmem_gfn_to_index(slot->gmem, gfn);

	return page_to_pfn(folio_file_page(folio, index));
}

/**
 * kvm_gmem_kernel_may_access - does the backend let the kernel touch private pages?
 * @kvm: the VM
 *
 * Context: Any.
 * Return: true if so, also if the VM has no private memory.
 */
bool kvm_gmem_kernel_may_access(struct kvm *kvm)
{
	const struct kvm_gmem_ops *ops = kvm->private_mem.ops;

	return !ops || ops->kernel_access == KVM_GMEM_ACCESS_DIRECT;
}

/**
 * kvm_gmem_check_page - may the kernel touch the file's page of a gfn?
 * @slot: memslot that contains @gfn, bound to a file that backs @gfn
 * @gfn: guest frame number
 * @is_private: attribute of @gfn
 *
 * The page decides: an offset can be private although its gfn is shared, if it was
 * bound there.
 *
 * Context: slots_lock or kvm->srcu; access_lock, unless the caller notices
 * invalidations of @gfn; may be atomic.
 * Return: 0, or
 *
 * * -EFAULT if the page is private and the backend keeps the kernel away, or if
 *   the file has been closed
 * * -ENOENT if the page is becoming private: ask again after the conversion
 */
int kvm_gmem_check_page(const struct kvm_memory_slot *slot, gfn_t gfn,
			bool is_private)
{
	struct kvm_gmem *gmem = READ_ONCE(slot->gmem->gmem);
	pgoff_t index = kvm_gmem_gfn_to_index(slot->gmem, gfn);

	if (kvm_gmem_kernel_may_access(slot->gmem->kvm))
		return 0;
	if (is_private || !gmem)
		return -EFAULT;
	/*
	 * Offsets become shared before gfns and private after them.  Pairs with the
	 * stores of kvm_attr_map_commit(), which release what came before.
	 */
	smp_rmb();
	if (index >= READ_ONCE(gmem->fence_start) &&
	    index < READ_ONCE(gmem->fence_end))
		return -ENOENT;

	return kvm_attr_map_get(&gmem->state, index) &
	       KVM_MEMORY_ATTRIBUTE_PRIVATE ? -EFAULT : 0;
}

/**
 * kvm_gmem_is_ready - may the page of a gfn be used as it is?
 * @slot: memslot that contains @gfn, bound to a file
 * @gfn: guest frame number
 * @folio: folio of @gfn in the file
 *
 * Context: slots_lock or kvm->srcu; may be atomic.
 * Return: false if kvm_gmem_prepare() must come first.
 */
bool kvm_gmem_is_ready(const struct kvm_memory_slot *slot, gfn_t gfn,
		       struct folio *folio)
{
	struct kvm *kvm = slot->gmem->kvm;
	const struct kvm_gmem_ops *ops = kvm->private_mem.ops;

	if (!ops || !ops->is_ready || !kvm_mem_is_private(kvm, gfn))
		return true;

	return kvm_gmem_is_held(folio) &&
	       ops->is_ready(kvm, gfn, kvm_gmem_gfn_pfn(slot, gfn, folio));
}

/**
 * kvm_gmem_prepare - give the page of a gfn to the backend, if it is private
 * @slot: memslot that contains @gfn, bound to a file
 * @gfn: guest frame number
 * @folio: folio of @gfn in the file, locked
 *
 * Context: kvm->srcu and the file's invalidate_lock; may sleep.
 * Return: 0, or -EIO or -ENOMEM from the backend.
 */
int kvm_gmem_prepare(const struct kvm_memory_slot *slot, gfn_t gfn,
		     struct folio *folio)
{
	struct kvm *kvm = slot->gmem->kvm;
	int r;

	lockdep_assert_held(&folio->mapping->invalidate_lock);

	if (kvm_gmem_is_ready(slot, gfn, folio))
		return 0;

	r = kvm->private_mem.ops->prepare(kvm, gfn,
					  kvm_gmem_gfn_pfn(slot, gfn, folio), 1);
	if (!r)
		kvm_gmem_set_held(folio);
	return r;
}

/**
 * kvm_gmem_pfn_is_held - does the backend hold a page?
 * @pfn: from kvm_gmem_get_pfn()
 *
 * Context: Any.
 * Return: true if so; meaningless if an invalidation of the gfn has begun.
 */
bool kvm_gmem_pfn_is_held(kvm_pfn_t pfn)
{
	return kvm_gmem_is_held(page_folio(pfn_to_page(pfn)));
}

/**
 * kvm_gmem_reclaim_folio - take a folio back from the backend
 * @gmem: the file
 * @folio: its folio, about to leave the file or to become shared
 *
 * If this fails, the folio must leave the file at once.
 *
 * Context: folio lock, or the invalidate_lock held for write; may sleep.
 * Return: true if the host may touch the folio.
 */
bool kvm_gmem_reclaim_folio(struct kvm_gmem *gmem, struct folio *folio)
{
	int r;

	if (!kvm_gmem_is_held(folio))
		return true;

	r = gmem->kvm->private_mem.ops->reclaim(folio_pfn(folio),
						folio_nr_pages(folio));
	if (r) {
		trace_kvm_gmem_quarantine(folio->index, folio_pfn(folio), r);
		kvm_gmem_count_quarantine(gmem, folio);
		return false;
	}

	kvm_gmem_clear_held(folio);
	return true;
}

/**
 * kvm_gmem_reclaim - take the folios of a range back from the backend
 * @gmem: the file
 * @start: first offset in pages
 * @end: one past the last offset
 *
 * Those that do not come back are quarantined when they leave the file, which they
 * must do next.
 *
 * Context: the invalidate_lock held for write, or nobody else can reach the file;
 * may sleep.
 */
void kvm_gmem_reclaim(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end)
{
	struct kvm *kvm = gmem->kvm;
	struct folio_batch fbatch;
	unsigned int i;

	if (!kvm_has_private_mem(kvm) || !kvm->private_mem.ops->reclaim)
		return;

	folio_batch_init(&fbatch);
	while (filemap_get_folios(gmem->mapping, &start, end - 1, &fbatch)) {
		for (i = 0; i < folio_batch_count(&fbatch); i++) {
			folio_lock(fbatch.folios[i]);
			kvm_gmem_reclaim_folio(gmem, fbatch.folios[i]);
			folio_unlock(fbatch.folios[i]);
		}
		folio_batch_release(&fbatch);
		cond_resched();
	}
}

/**
 * kvm_gmem_drop_folio - let a folio that did not come back leave its file
 * @gmem: the file
 * @folio: the folio, with a reference
 *
 * Its offsets have no pages then.
 *
 * Context: the file's invalidate_lock held for write; may sleep.
 */
void kvm_gmem_drop_folio(struct kvm_gmem *gmem, struct folio *folio)
{
	loff_t pos = folio_pos(folio);

	lockdep_assert_held_write(&gmem->mapping->invalidate_lock);

	kvm_gmem_count_leaks(gmem, folio->index, folio_next_index(folio));
	truncate_inode_pages_range(gmem->mapping, pos,
				   pos + folio_size(folio) - 1);
}
