// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns what the guest puts into a file: ids of bindings, and bindings of
 * memslots that have been deleted.
 *
 * VMMs delete a memslot and create the same one again, as when a firmware's
 * window is switched.  To the guest nothing has changed if nothing was there in
 * between: no other memslot, no other page, no device.  Only then does the new
 * binding go on with the id of the old one.
 */

#include "gmem.h"
#include "owner.h"

/* As many as there can be memslots.  The oldest one is forgotten first. */
#define KVM_GMEM_MAX_PAST	KVM_MEM_SLOTS_NUM

static gfn_t kvm_gmem_last_gfn(const struct kvm_gmem_binding *binding)
{
	return kvm_gmem_index_to_gfn(binding, binding->node.last);
}

static void kvm_gmem_forget(struct kvm_gmem_binding *binding)
{
	struct kvm_private_mem *mem = &binding->kvm->private_mem;

	lockdep_assert_held(&binding->kvm->slots_lock);

	interval_tree_remove(&binding->node, &binding->gmem->past);
	interval_tree_remove(&binding->past_gfns, &mem->past);
	list_del(&binding->past_list);
	mem->nr_past--;
	kfree(binding);
}

/**
 * kvm_gmem_keep_past - keep the binding of a memslot that is gone
 * @binding: the binding, in no tree any more; its file is open
 *
 * Context: slots_lock.
 */
void kvm_gmem_keep_past(struct kvm_gmem_binding *binding)
{
	struct kvm_private_mem *mem = &binding->kvm->private_mem;

	lockdep_assert_held(&binding->kvm->slots_lock);

	if (mem->nr_past == KVM_GMEM_MAX_PAST)
		kvm_gmem_forget(list_first_entry(&mem->past_list,
						 struct kvm_gmem_binding,
						 past_list));

	binding->past_gfns.start = binding->base_gfn;
	binding->past_gfns.last = kvm_gmem_last_gfn(binding);
	interval_tree_insert(&binding->node, &binding->gmem->past);
	interval_tree_insert(&binding->past_gfns, &mem->past);
	list_add_tail(&binding->past_list, &mem->past_list);
	mem->nr_past++;
}

/**
 * kvm_gmem_forget_gfns - something else is at a range of gfns
 * @kvm: the VM
 * @start: first gfn
 * @end: one past the last gfn
 *
 * Context: slots_lock; may sleep.
 */
void kvm_gmem_forget_gfns(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&kvm->slots_lock);

	while ((node = interval_tree_iter_first(&kvm->private_mem.past, start,
						end - 1))) {
		kvm_gmem_forget(container_of(node, struct kvm_gmem_binding,
					     past_gfns));
		cond_resched();
	}
}

/**
 * kvm_gmem_forget_offsets - something else becomes of a range of offsets
 * @gmem: the file
 * @start: first offset in pages
 * @last: last offset
 *
 * Context: slots_lock; may sleep.
 */
void kvm_gmem_forget_offsets(struct kvm_gmem *gmem, pgoff_t start, pgoff_t last)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&gmem->kvm->slots_lock);

	while ((node = interval_tree_iter_first(&gmem->past, start, last))) {
		kvm_gmem_forget(container_of(node, struct kvm_gmem_binding, node));
		cond_resched();
	}
}

static struct kvm_gmem_binding *
kvm_gmem_find_past(const struct kvm_gmem_binding *binding)
{
	struct interval_tree_node *node;
	struct kvm_gmem_binding *past;

	/* Those of one file do not overlap. */
	node = interval_tree_iter_first(&binding->gmem->past,
					binding->node.start, binding->node.last);
	if (!node || node->start != binding->node.start ||
	    node->last != binding->node.last)
		return NULL;

	past = container_of(node, struct kvm_gmem_binding, node);
	return past->base_gfn == binding->base_gfn ? past : NULL;
}

/**
 * kvm_gmem_has_past - will a new binding go on with the id of an old one?
 * @binding: binding to be
 *
 * Context: slots_lock.
 * Return: true if so: to the guest nothing has changed.
 */
bool kvm_gmem_has_past(const struct kvm_gmem_binding *binding)
{
	lockdep_assert_held(&binding->kvm->slots_lock);

	return kvm_gmem_find_past(binding);
}

/**
 * kvm_gmem_set_owner - give a new binding its id
 * @binding: the binding, not in the file yet, nor visible
 *
 * Context: slots_lock; may sleep.
 */
void kvm_gmem_set_owner(struct kvm_gmem_binding *binding)
{
	struct kvm_private_mem *mem = &binding->kvm->private_mem;
	struct kvm_gmem_binding *past;

	lockdep_assert_held(&binding->kvm->slots_lock);

	past = kvm_gmem_find_past(binding);
	/* After 2^48 bindings, nothing is shown any more. */
	if (past)
		binding->owner = past->owner;
	else if (mem->last_owner < KVM_GMEM_OWNER_CONFLICT)
		binding->owner = ++mem->last_owner;
	else
		binding->owner = KVM_GMEM_OWNER_CONFLICT;

	kvm_gmem_forget_offsets(binding->gmem, binding->node.start,
				binding->node.last);
	kvm_gmem_forget_gfns(binding->kvm, binding->base_gfn,
			     kvm_gmem_last_gfn(binding) + 1);
}
