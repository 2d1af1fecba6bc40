// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a conversion covers: from a range of gfns or offsets to the gfns and the
 * parts of MMAP files that change together, and how to walk over them.
 */

#include <linux/mm.h>
#include <linux/pagevec.h>
#include <linux/sched/signal.h>

#include "convert.h"

/**
 * kvm_convert_check_signal - reschedule, and ask whether to give up
 *
 * Context: before the point of no return; may sleep.
 * Return: 0, or -EINTR if a fatal signal is pending.
 */
int kvm_convert_check_signal(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static int kvm_convert_alloc(struct kvm_conversion *conv, unsigned int nr_gfns,
			     unsigned int nr_parts)
{
	conv->gfns = &conv->single;
	if (nr_gfns > 1)
		conv->gfns = kvmalloc_array(nr_gfns, sizeof(*conv->gfns),
					    GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	conv->parts = kvmalloc_array(nr_parts, sizeof(*conv->parts),
				     GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!conv->gfns || !conv->parts) {
		kvm_convert_free(conv);
		return -ENOMEM;
	}

	return 0;
}

static void kvm_convert_add_gfns(struct kvm_conversion *conv, gfn_t start,
				 gfn_t end)
{
	conv->gfns[conv->nr_gfns++] = (struct kvm_convert_gfns) {
		.start = start,
		.end = end,
	};
}

static void kvm_convert_add_part(struct kvm_conversion *conv,
				 struct kvm_gmem *gmem, pgoff_t start,
				 pgoff_t end,
				 const struct kvm_gmem_binding *binding)
{
	conv->parts[conv->nr_parts++] = (struct kvm_convert_part) {
		.gmem = gmem,
		.start = start,
		.end = end,
		.binding = binding,
	};
}

/*
 * Private memory has only one address space, the first.  A memslot that is not
 * bound to an open MMAP file has nothing but gfns.
 */
static struct kvm_gmem *kvm_convert_slot_file(const struct kvm_memory_slot *slot)
{
	struct kvm_gmem *gmem = slot->gmem ? slot->gmem->gmem : NULL;

	return gmem && kvm_gmem_is_mmap(gmem) ? gmem : NULL;
}

static unsigned int kvm_convert_count_slots(struct kvm *kvm, gfn_t start,
					    gfn_t end)
{
	struct kvm_memslot_iter iter;
	unsigned int nr = 0;

	kvm_for_each_memslot_in_gfn_range(&iter, kvm_memslots(kvm), start, end) {
		nr += !!kvm_convert_slot_file(iter.slot);
		cond_resched();
	}

	return nr;
}

/**
 * kvm_convert_collect_gfns - cover a range of gfns
 * @conv: the conversion, empty
 * @start: first gfn
 * @end: one past the last gfn
 *
 * Context: slots_lock; may sleep.
 * Return: 0, or -ENOMEM.
 */
int kvm_convert_collect_gfns(struct kvm_conversion *conv, gfn_t start,
			     gfn_t end)
{
	const struct kvm_gmem_binding *binding;
	struct kvm_memslot_iter iter;
	struct kvm_memory_slot *slot;
	struct kvm_gmem *gmem;
	int r;

	lockdep_assert_held(&conv->kvm->slots_lock);

	r = kvm_convert_alloc(conv, 1,
			      kvm_convert_count_slots(conv->kvm, start, end));
	if (r)
		return r;

	kvm_convert_add_gfns(conv, start, end);
	kvm_for_each_memslot_in_gfn_range(&iter, kvm_memslots(conv->kvm), start,
					  end) {
		cond_resched();
		slot = iter.slot;
		gmem = kvm_convert_slot_file(slot);
		if (!gmem)
			continue;

		binding = slot->gmem;
		kvm_convert_add_part(conv, gmem,
				     kvm_gmem_gfn_to_index(binding,
							   max(start, slot->base_gfn)),
				     kvm_gmem_gfn_to_index(binding,
							   min(end, slot->base_gfn +
							       slot->npages)),
				     binding);
	}

	return 0;
}

static unsigned int kvm_convert_count_bindings(struct kvm_gmem *gmem,
					       pgoff_t start, pgoff_t end)
{
	struct interval_tree_node *node;
	unsigned int nr = 0;

	for (node = interval_tree_iter_first(&gmem->bindings, start, end - 1);
	     node; node = interval_tree_iter_next(node, start, end - 1)) {
		nr++;
		cond_resched();
	}

	return nr;
}

/**
 * kvm_convert_collect_file - cover a range of offsets, bound or not
 * @conv: the conversion, empty
 * @gmem: an MMAP file
 * @start: first offset in pages
 * @end: one past the last offset
 *
 * Context: slots_lock; may sleep.
 * Return: 0, or -ENOMEM.
 */
int kvm_convert_collect_file(struct kvm_conversion *conv, struct kvm_gmem *gmem,
			     pgoff_t start, pgoff_t end)
{
	const struct kvm_gmem_binding *binding;
	struct interval_tree_node *node;
	pgoff_t from, to, pos = start;
	unsigned int nr;
	int r;

	lockdep_assert_held(&conv->kvm->slots_lock);

	nr = kvm_convert_count_bindings(gmem, start, end);
	r = kvm_convert_alloc(conv, nr, 2 * nr + 1);
	if (r)
		return r;

	for (node = interval_tree_iter_first(&gmem->bindings, start, end - 1);
	     node; node = interval_tree_iter_next(node, start, end - 1)) {
		cond_resched();
		binding = container_of(node, struct kvm_gmem_binding, node);
		from = max(start, node->start);
		to = min(end, node->last + 1);

		if (pos < from)
			kvm_convert_add_part(conv, gmem, pos, from, NULL);
		kvm_convert_add_part(conv, gmem, from, to, binding);
		kvm_convert_add_gfns(conv, kvm_gmem_index_to_gfn(binding, from),
				     kvm_gmem_index_to_gfn(binding, to));
		pos = to;
	}

	if (pos < end)
		kvm_convert_add_part(conv, gmem, pos, end, NULL);

	return 0;
}

/*
 * Next run of private gfns in [*start, end) of a binding.
 */
static bool kvm_convert_next_private(const struct kvm_gmem_binding *binding,
				     gfn_t *start, gfn_t *run_end, gfn_t end)
{
	unsigned long attrs;

	lockdep_assert_held(&binding->kvm->slots_lock);

	for (; *start < end; *start = *run_end) {
		*run_end = kvm_attr_map_run_end(&binding->kvm->private_mem.attrs,
						*start, end, &attrs);
		if (attrs & KVM_MEMORY_ATTRIBUTE_PRIVATE)
			return true;
	}

	return false;
}

/**
 * kvm_convert_collect_binding - cover the offsets that must be private
 * @conv: the conversion, empty
 * @binding: binding to be, not in the file yet
 *
 * Covers the offsets whose gfns are private, and no gfns.
 *
 * Context: slots_lock; may sleep.
 * Return: 0, -EINTR if a fatal signal is pending, or -ENOMEM.
 */
int kvm_convert_collect_binding(struct kvm_conversion *conv,
				struct kvm_gmem_binding *binding)
{
	gfn_t end = kvm_gmem_index_to_gfn(binding, binding->node.last + 1);
	gfn_t start, run_end;
	unsigned int nr = 0;
	int r;

	lockdep_assert_held(&conv->kvm->slots_lock);

	for (start = binding->base_gfn;
	     kvm_convert_next_private(binding, &start, &run_end, end);
	     start = run_end) {
		nr++;
		r = kvm_convert_check_signal();
		if (r)
			return r;
	}

	r = kvm_convert_alloc(conv, 0, nr);
	if (r)
		return r;

	for (start = binding->base_gfn;
	     kvm_convert_next_private(binding, &start, &run_end, end);
	     start = run_end) {
		kvm_convert_add_part(conv, binding->gmem,
				     kvm_gmem_gfn_to_index(binding, start),
				     kvm_gmem_gfn_to_index(binding, run_end),
				     NULL);
		cond_resched();
	}

	return 0;
}

/**
 * kvm_convert_folios - call a function for each folio that changes sides
 * @conv: the conversion; its error_index says where the function failed
 * @part: the part, which counts the pages
 * @start: first offset in pages of a run whose state changes
 * @end: one past the last offset
 * @fn: called with a reference; ends the walk unless it returns 0
 *
 * Context: the file's invalidate_lock held for write; may sleep.
 * Return: 0, or what @fn returned.
 */
int kvm_convert_folios(struct kvm_conversion *conv, struct kvm_convert_part *part,
		       pgoff_t start, pgoff_t end, kvm_convert_folio_fn_t fn)
{
	struct address_space *mapping = part->gmem->mapping;
	struct folio_batch fbatch;
	pgoff_t pos = start;
	unsigned int i;
	int r = 0;

	lockdep_assert_held_write(&mapping->invalidate_lock);

	folio_batch_init(&fbatch);
	while (!r && filemap_get_folios(mapping, &pos, end - 1, &fbatch)) {
		for (i = 0; !r && i < folio_batch_count(&fbatch); i++) {
			part->nr_moved += folio_nr_pages(fbatch.folios[i]);
			r = fn(conv, part, fbatch.folios[i]);
			if (r)
				conv->error_index = max(start,
							fbatch.folios[i]->index);
		}
		folio_batch_release(&fbatch);
		cond_resched();
	}

	return r;
}

/**
 * kvm_convert_free - free what the collecting functions allocated
 * @conv: the conversion
 *
 * Context: Any.
 */
void kvm_convert_free(struct kvm_conversion *conv)
{
	kvfree(conv->asked.gfns);
	kvfree(conv->parts);
	if (conv->gfns != &conv->single)
		kvfree(conv->gfns);
}
