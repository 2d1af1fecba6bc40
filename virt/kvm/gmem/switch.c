// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a conversion asks of the backend.
 *
 * If pages can change sides and keep their contents, they do so before the point
 * of no return, folio by folio, and all of them change back if one fails.  If not,
 * nothing is asked on the way to private, where the first use prepares a page, and
 * on the way to shared pages are reclaimed after the point of no return: one that
 * does not come back leaves the file, and the conversion goes on.
 */

#include <linux/sched/signal.h>
#include <trace/events/kvm_gmem.h>

#include "convert.h"
#include "owner.h"

/* Accesses that have begun are over after this. */
static void kvm_convert_set_fence(struct kvm_convert_part *part, pgoff_t start,
				  pgoff_t end)
{
	struct kvm_gmem *gmem = part->gmem;

	lockdep_assert_held_write(&gmem->mapping->invalidate_lock);

	write_lock(&gmem->kvm->private_mem.access_lock);
	WRITE_ONCE(gmem->fence_start, start);
	WRITE_ONCE(gmem->fence_end, end);
	write_unlock(&gmem->kvm->private_mem.access_lock);
}

/**
 * kvm_convert_raise_fence - keep the kernel away from what becomes private
 * @conv: the conversion
 *
 * Only if the backend wants that.  Accesses wait for the invalidate_lock, or fail
 * if they cannot sleep.
 *
 * Context: slots_lock and the invalidate_lock of the files; may sleep.
 */
void kvm_convert_raise_fence(struct kvm_conversion *conv)
{
	struct kvm_convert_part *part;
	unsigned int i;

	if (!kvm_convert_to_private(conv) || kvm_gmem_kernel_may_access(conv->kvm))
		return;

	for (i = 0; i < conv->nr_parts; i++) {
		part = &conv->parts[i];
		if (part->gmem->fence_end)
			kvm_convert_set_fence(part,
					      min(part->gmem->fence_start, part->start),
					      max(part->gmem->fence_end, part->end));
		else
			kvm_convert_set_fence(part, part->start, part->end);
		cond_resched();
	}
}

/**
 * kvm_convert_lower_fence - let the kernel's accesses go on
 * @conv: the conversion, done or failed
 *
 * Context: slots_lock and the invalidate_lock of the files; may sleep.
 */
void kvm_convert_lower_fence(struct kvm_conversion *conv)
{
	unsigned int i;

	for (i = 0; i < conv->nr_parts; i++) {
		if (conv->parts[i].gmem->fence_end)
			kvm_convert_set_fence(&conv->parts[i], 0, 0);
		cond_resched();
	}
}

static gfn_t kvm_convert_folio_gfn(const struct kvm_convert_part *part,
				   const struct folio *folio)
{
	return part->binding ?
	       kvm_gmem_index_to_gfn(part->binding, folio->index) :
	       KVM_GMEM_UNBOUND;
}

/*
 * It is the first use that gives a gfn to a page without one, and there is no use
 * for a poisoned page.
 */
static bool kvm_convert_can_give(const struct kvm_convert_part *part,
				 struct folio *folio)
{
	return part->binding && !kvm_gmem_page_is_broken(folio, &folio->page);
}

static int kvm_convert_make_private(struct kvm_conversion *conv,
				    const struct kvm_convert_part *part,
				    struct folio *folio)
{
	const struct kvm_gmem_ops *ops = conv->kvm->private_mem.ops;
	int r;

	if (!kvm_convert_can_give(part, folio))
		return 0;

	r = ops->make_private(conv->kvm, kvm_convert_folio_gfn(part, folio),
			      folio_pfn(folio), folio_nr_pages(folio));
	if (!r)
		kvm_gmem_set_held(folio);
	return r;
}

/*
 * The folio counts as held until nothing can fail any more, so that the undoing
 * knows it.
 */
static int kvm_convert_make_shared(struct kvm_conversion *conv,
				   const struct kvm_convert_part *part,
				   struct folio *folio)
{
	const struct kvm_gmem_ops *ops = conv->kvm->private_mem.ops;

	if (!kvm_gmem_is_held(folio))
		return 0;

	return ops->make_shared(conv->kvm, kvm_convert_folio_gfn(part, folio),
				folio_pfn(folio), folio_nr_pages(folio));
}

static int kvm_convert_switch_folio(struct kvm_conversion *conv,
				    const struct kvm_convert_part *part,
				    struct folio *folio)
{
	if (fatal_signal_pending(current))
		return -EINTR;

	if (kvm_convert_to_private(conv))
		return kvm_convert_make_private(conv, part, folio);

	return kvm_convert_make_shared(conv, part, folio);
}

/*
 * The folio cannot be put back with its contents: rather without them.
 */
static void kvm_convert_give_up(struct kvm_conversion *conv,
				const struct kvm_convert_part *part,
				struct folio *folio)
{
	trace_kvm_gmem_contents_lost(folio->index, folio_pfn(folio));
	pr_warn_ratelimited("kvm: the backend did not undo a conversion, the contents of pfn 0x%lx are lost\n",
			    folio_pfn(folio));
	kvm_gmem_reclaim_folio(part->gmem, folio);
	kvm_gmem_drop_folio(part->gmem, folio);
	if (!kvm_convert_to_private(conv))
		kvm_gmem_count_private(part->gmem, -folio_nr_pages(folio));
}

static int kvm_convert_undo_folio(struct kvm_conversion *conv,
				  const struct kvm_convert_part *part,
				  struct folio *folio)
{
	bool to_private = kvm_convert_to_private(conv);
	int r;

	if (!kvm_gmem_is_held(folio))
		return 0;

	if (to_private)
		r = kvm_convert_make_shared(conv, part, folio);
	else
		r = kvm_convert_make_private(conv, part, folio);

	if (r)
		kvm_convert_give_up(conv, part, folio);
	else if (to_private || !kvm_convert_can_give(part, folio))
		kvm_gmem_clear_held(folio);

	return 0;
}

/*
 * Call a function for the folios of a part that change sides, up to an offset.
 */
static int kvm_convert_switch_part(struct kvm_conversion *conv,
				   struct kvm_convert_part *part, pgoff_t end,
				   kvm_convert_folio_fn_t fn)
{
	const unsigned long nr_moved = part->nr_moved;
	unsigned long state;
	pgoff_t pos, run_end;
	int r = 0;

	lockdep_assert_held_write(&part->gmem->mapping->invalidate_lock);

	for (pos = part->start; !r && pos < end; pos = run_end) {
		cond_resched();
		run_end = kvm_attr_map_run_end(&part->gmem->state, pos, end,
					       &state);
		if (state != conv->attrs)
			r = kvm_convert_folios(conv, part, pos, run_end, fn);
	}

	/* The other steps count. */
	part->nr_moved = nr_moved;
	return r;
}

static void kvm_convert_undo(struct kvm_conversion *conv, unsigned int nr_parts,
			     pgoff_t end)
{
	pgoff_t error_index = conv->error_index;

	/* The last reference to what may be dropped must be ours. */
	kvm_gmem_drain_accesses(conv->kvm);

	kvm_convert_switch_part(conv, &conv->parts[nr_parts], end,
				kvm_convert_undo_folio);
	while (nr_parts--)
		kvm_convert_switch_part(conv, &conv->parts[nr_parts],
					conv->parts[nr_parts].end,
					kvm_convert_undo_folio);

	conv->error_index = error_index;
}

/**
 * kvm_convert_switch - let the backend move pages to their new side
 * @conv: the conversion, nothing of it committed yet
 *
 * Context: slots_lock and the invalidate_lock of the files; may sleep.
 * Return: 0, or, with all pages on their old side, -EINTR if a fatal signal is
 * pending, or what the backend said.  A page that the backend did not put back has
 * left its file, and its contents are lost.
 */
int kvm_convert_switch(struct kvm_conversion *conv)
{
	unsigned int i;
	int r;

	if (!conv->kvm->private_mem.ops->make_private)
		return 0;

	for (i = 0; i < conv->nr_parts; i++) {
		/* Where it is to be blamed if nothing else is. */
		conv->error_index = conv->parts[i].start;
		r = kvm_convert_switch_part(conv, &conv->parts[i],
					    conv->parts[i].end,
					    kvm_convert_switch_folio);
		if (r) {
			kvm_convert_undo(conv, i, conv->error_index);
			return r;
		}
	}

	return 0;
}

/**
 * kvm_convert_take_back - take a folio back that becomes shared
 * @conv: the conversion, past the point of no return
 * @part: part with the folio
 * @folio: the folio
 *
 * Context: the file's invalidate_lock held for write; may sleep.
 * Return: true if the host may touch the folio; false if it has left the file.
 */
bool kvm_convert_take_back(struct kvm_conversion *conv,
			   const struct kvm_convert_part *part,
			   struct folio *folio)
{
	if (!kvm_gmem_is_held(folio))
		return true;

	if (conv->kvm->private_mem.ops->make_shared) {
		kvm_gmem_clear_held(folio);
		return true;
	}

	if (kvm_gmem_reclaim_folio(part->gmem, folio))
		return true;

	kvm_gmem_drop_folio(part->gmem, folio);
	return false;
}
