// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest of a sealed VM owns and loses as files come to its memory, pages
 * leave them, and when it starts.  See view.c.
 *
 * Calls view.c and past.c.
 */

#include "view.h"

/*
 * A file comes to gfns.  If they have had another, what they had from that is lost.
 */
static int kvm_view_pass_bind(const struct kvm_gmem_binding *binding,
			      struct kvm_view_pass *pass)
{
	struct kvm_private_mem *mem = &binding->kvm->private_mem;
	gfn_t last = kvm_gmem_index_to_gfn(binding, binding->node.last);
	bool is_same = kvm_gmem_has_past(binding);
	unsigned long view, attrs;
	gfn_t pos, end;
	int r = 0;

	lockdep_assert_held(&binding->kvm->slots_lock);

	pass->kvm = binding->kvm;
	if (!kvm_is_sealed(binding->kvm))
		return 0;

	for (pos = binding->base_gfn; !r && pos <= last; pos = end) {
		cond_resched();
		end = kvm_attr_map_run_end(&mem->view, pos, last + 1, &view);
		if (view == KVM_VIEW_SHARED) {
			end = kvm_attr_map_run_end(&mem->attrs, pos, end, &attrs);
			if (attrs & KVM_MEMORY_ATTRIBUTE_PRIVATE)
				r = pass->fn(pass, pos, end, KVM_VIEW_OWNED);
		} else if (view == KVM_VIEW_OWNED && !is_same) {
			r = pass->fn(pass, pos, end, KVM_VIEW_LOST);
		}
	}

	return r;
}

/**
 * kvm_view_reserve_bind - do all that can fail when a file comes to gfns
 * @binding: binding to be
 *
 * To be followed by kvm_view_commit_bind() or kvm_view_cancel_bind(), before
 * anything is forgotten of the past.
 *
 * Context: slots_lock; may sleep.
 * Return: as kvm_view_reserve().
 */
int kvm_view_reserve_bind(const struct kvm_gmem_binding *binding)
{
	struct kvm_view_pass pass = { .fn = kvm_view_reserve_range };

	return kvm_view_end_reserve(&pass, kvm_view_pass_bind(binding, &pass));
}

/**
 * kvm_view_commit_bind - change the view of gfns to which a file comes
 * @binding: binding to be
 *
 * Context: slots_lock, the memslot not visible yet; may sleep.
 */
void kvm_view_commit_bind(const struct kvm_gmem_binding *binding)
{
	struct kvm_view_pass pass = { .fn = kvm_view_commit_range };

	kvm_view_pass_bind(binding, &pass);
}

/**
 * kvm_view_cancel_bind - leave the view as it is
 * @binding: binding that will not be
 *
 * Context: slots_lock; may sleep.
 */
void kvm_view_cancel_bind(const struct kvm_gmem_binding *binding)
{
	struct kvm_view_pass pass = { .fn = kvm_view_cancel_range };

	kvm_view_pass_bind(binding, &pass);
}

static int kvm_view_pass_lost(struct kvm_view_pass *pass, gfn_t start, gfn_t end)
{
	unsigned long view;
	gfn_t pos, next;
	int r = 0;

	lockdep_assert_held(&pass->kvm->slots_lock);

	for (pos = start; !r && pos < end; pos = next) {
		cond_resched();
		next = kvm_attr_map_run_end(&pass->kvm->private_mem.view, pos, end,
					    &view);
		if (view == KVM_VIEW_OWNED)
			r = pass->fn(pass, pos, next, KVM_VIEW_LOST);
	}

	return r;
}

static int kvm_view_pass_punch(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end,
			       struct kvm_view_pass *pass)
{
	const struct kvm_gmem_binding *binding;
	struct interval_tree_node *node;
	int r = 0;

	lockdep_assert_held(&gmem->kvm->slots_lock);

	pass->kvm = gmem->kvm;
	if (!kvm_is_sealed(gmem->kvm))
		return 0;

	node = interval_tree_iter_first(&gmem->bindings, start, end - 1);
	for (; !r && node; node = interval_tree_iter_next(node, start, end - 1)) {
		binding = container_of(node, struct kvm_gmem_binding, node);
		r = kvm_view_pass_lost(pass,
				       kvm_gmem_index_to_gfn(binding,
							     max(start, node->start)),
				       kvm_gmem_index_to_gfn(binding,
							     min(end - 1, node->last)) + 1);
	}

	return r;
}

/**
 * kvm_view_reserve_punch - do all that can fail when pages leave a file
 * @gmem: the file
 * @start: first offset in pages
 * @end: one past the last offset
 *
 * To be followed by kvm_view_commit_punch().
 *
 * Context: slots_lock; may sleep.
 * Return: as kvm_view_reserve().
 */
int kvm_view_reserve_punch(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end)
{
	struct kvm_view_pass pass = { .fn = kvm_view_reserve_range };

	return kvm_view_end_reserve(&pass,
				    kvm_view_pass_punch(gmem, start, end, &pass));
}

/**
 * kvm_view_commit_punch - what the guest owned is lost with its pages
 * @gmem: the file
 * @start: first offset in pages
 * @end: one past the last offset
 *
 * Memslots that are gone do not come back with these pages.
 *
 * Context: slots_lock, inside the invalidation; may sleep.
 */
void kvm_view_commit_punch(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end)
{
	struct kvm_view_pass pass = { .fn = kvm_view_commit_range };

	kvm_view_pass_punch(gmem, start, end, &pass);
	if (kvm_is_sealed(gmem->kvm))
		kvm_gmem_forget_offsets(gmem, start, end - 1);
}

static int kvm_view_pass_launch(struct kvm_view_pass *pass)
{
	struct kvm_private_mem *mem = &pass->kvm->private_mem;
	const struct kvm_memory_slot *slot;
	unsigned long attrs;
	gfn_t pos, end, next;
	int bkt, r = 0;

	lockdep_assert_held(&pass->kvm->slots_lock);

	kvm_for_each_memslot(slot, bkt, kvm_memslots(pass->kvm)) {
		if (kvm_view_slot_backing(slot) == KVM_VIEW_NO_FILE)
			continue;

		end = slot->base_gfn + slot->npages;
		for (pos = slot->base_gfn; !r && pos < end; pos = next) {
			cond_resched();
			next = kvm_attr_map_run_end(&mem->attrs, pos, end, &attrs);
			if (attrs & KVM_MEMORY_ATTRIBUTE_PRIVATE)
				r = pass->fn(pass, pos, next, KVM_VIEW_OWNED);
		}
	}

	return r;
}

/**
 * kvm_view_launch - what the guest owns when it starts
 * @kvm: a VM that is being sealed
 *
 * All that is private and has a file, with a page or without.
 *
 * Context: slots_lock; may sleep.
 * Return: as kvm_view_reserve().
 */
int kvm_view_launch(struct kvm *kvm)
{
	struct kvm_view_pass pass = { .kvm = kvm, .fn = kvm_view_reserve_range };
	int r;

	r = kvm_view_end_reserve(&pass, kvm_view_pass_launch(&pass));
	if (r)
		return r;

	pass.fn = kvm_view_commit_range;
	return kvm_view_pass_launch(&pass);
}
