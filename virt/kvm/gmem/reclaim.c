// SPDX-License-Identifier: GPL-2.0-only
/*
 * How pages leave guest_memfd files: hole punch, release and poison.
 */

#include <linux/mm.h>

#include "gmem.h"

static struct kvm_gmem_binding *to_binding(struct interval_tree_node *node)
{
	return container_of(node, struct kvm_gmem_binding, node);
}

/*
 * Call fn() for the gfns that are bound to offsets of [start, last].
 */
static void kvm_gmem_invalidate_bound(struct kvm_gmem *gmem, struct kvm_invalidation *inv,
				      pgoff_t start, pgoff_t last,
				      void (*fn)(struct kvm_invalidation *inv, gfn_t start,
						 gfn_t end))
{
	struct interval_tree_node *node;
	pgoff_t from, to;

	node = interval_tree_iter_first(&gmem->bindings, start, last);
	for (; node; node = interval_tree_iter_next(node, start, last)) {
		cond_resched();
		from = max(start, node->start);
		to = min(last, node->last);
		fn(inv, kvm_gmem_index_to_gfn(to_binding(node), from),
		   kvm_gmem_index_to_gfn(to_binding(node), to) + 1);
	}
}

static void kvm_gmem_invalidate_offsets(struct kvm_gmem *gmem, struct kvm_invalidation *inv,
					pgoff_t start, pgoff_t last)
{
	lockdep_assert_held(&gmem->kvm->slots_lock);

	kvm_invalidate_init(inv, gmem->kvm);
	kvm_gmem_invalidate_bound(gmem, inv, start, last, kvm_invalidate_add);
	kvm_invalidate_begin(inv);
	kvm_gmem_invalidate_bound(gmem, inv, start, last, kvm_invalidate_range);
	/* What the guest has left in caches must not follow the pages. */
	kvm_arch_guest_memory_reclaimed(gmem->kvm);
}

/**
 * kvm_gmem_punch - free the pages of a range of offsets
 * @gmem: the file
 * @start: first offset in pages
 * @end: one past the last offset
 *
 * Private offsets stay private, shared ones shared.
 *
 * Context: Takes slots_lock and the invalidate_lock; may sleep.
 * Return: 0, or as kvm_view_reserve_punch().
 */
int kvm_gmem_punch(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end)
{
	struct kvm_invalidation inv;
	int r;

	mutex_lock(&gmem->kvm->slots_lock);
	r = kvm_view_reserve_punch(gmem, start, end);
	if (r) {
		mutex_unlock(&gmem->kvm->slots_lock);
		return r;
	}
	filemap_invalidate_lock(gmem->mapping);

	kvm_gmem_invalidate_offsets(gmem, &inv, start, end - 1);
	/* There are no copies, but poisoned entries go only with those. */
	unmap_mapping_pages(gmem->mapping, start, end - start, true);
	kvm_view_commit_punch(gmem, start, end);
	/* No access of KVM finds pages that are being freed, or believes them there. */
	kvm_gmem_drain_accesses(gmem->kvm);
	kvm_gmem_truncate(gmem, start, end);
	kvm_invalidate_end(&inv);

	filemap_invalidate_unlock(gmem->mapping);
	mutex_unlock(&gmem->kvm->slots_lock);
	return 0;
}

static void kvm_gmem_detach_all(struct kvm_gmem *gmem)
{
	struct kvm_gmem_binding *binding;
	struct interval_tree_node *node;

	while ((node = interval_tree_iter_first(&gmem->bindings, 0, ULONG_MAX))) {
		cond_resched();
		binding = to_binding(node);

		spin_lock(&gmem->bindings_lock);
		interval_tree_remove(node, &gmem->bindings);
		spin_unlock(&gmem->bindings_lock);
		RB_CLEAR_NODE(&node->rb);
		WRITE_ONCE(binding->gmem, NULL);
	}

	kvm_gmem_forget_offsets(gmem, 0, ULONG_MAX);
}

/**
 * kvm_gmem_close - unbind a file from all memslots and free its pages
 * @gmem: the file, whose last reference is gone
 *
 * Context: Takes slots_lock and waits for kvm->srcu; may sleep.
 */
void kvm_gmem_close(struct kvm_gmem *gmem)
{
	struct kvm *kvm = gmem->kvm;
	struct kvm_invalidation inv;

	mutex_lock(&kvm->slots_lock);
	kvm_gmem_invalidate_offsets(gmem, &inv, 0, ULONG_MAX);
	kvm_gmem_detach_all(gmem);
	kvm_invalidate_end(&inv);
	mutex_unlock(&kvm->slots_lock);

	/*
	 * A vCPU that found the file before may still be adding pages to it.
	 * The guest cannot map them any more, the invalidation is over.
	 */
	synchronize_srcu(&kvm->srcu);
	kvm_gmem_truncate_all(gmem);
}

/**
 * kvm_gmem_invalidate_page - remove the guest's mapping of one offset
 * @gmem: the file
 * @index: offset in pages
 *
 * For callers that hold a folio lock, which is inside the locks of the
 * conversion engine.  A memslot that goes away meanwhile takes its mappings
 * with it.
 *
 * Context: Folio lock.  Takes mmu_lock; may sleep.
 */
void kvm_gmem_invalidate_page(struct kvm_gmem *gmem, pgoff_t index)
{
	struct kvm *kvm = gmem->kvm;
	struct kvm_invalidation inv;
	gfn_t gfn;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	if (kvm_gmem_find_gfn(gmem, index, &gfn)) {
		kvm_invalidate_init(&inv, kvm);
		kvm_invalidate_add(&inv, gfn, gfn + 1);
		kvm_invalidate_begin(&inv);
		kvm_invalidate_range(&inv, gfn, gfn + 1);
		kvm_invalidate_end(&inv);
	}
	srcu_read_unlock(&kvm->srcu, idx);
}
