// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's view: what the guest of a sealed VM takes its memory for.
 *
 * Attributes and memslots are the VMM's.  The guest does not see when it changes
 * them, so KVM keeps for each gfn what the guest has reason to believe:
 *
 *   SHARED	the host sees it: it was not private when the VM was sealed, or the
 *		guest has asked to share it and that was done
 *   OWNED	it is private, and its contents are what the guest has left there
 *   LOST	it was OWNED, but the contents are gone
 *
 * A gfn is OWNED from when it is both private and bound to a file.  Only a request of
 * the guest makes it SHARED again.  Whatever else the VMM does to it:
 *
 *   converts it to shared	LOST if the file is mapped, since that zeroes it;
 *				otherwise the page stays in the file, and converting
 *				back repairs it
 *   punches its page		LOST
 *   deletes its memslot	nothing; the same memslot with the same pages
 *				repairs it
 *   binds anything else	LOST
 *   closes the file		nothing; the memslot has no pages, nor ever will
 *
 * A request to share also ends LOST.  The guest accesses what is OWNED while it is
 * private, what is LOST never, and what is SHARED as in any VM.
 *
 * The view changes with the attributes, the bindings and the pages, under the same
 * locks and inside the same invalidations, so that whoever notices those notices
 * it.  Its cost follows boundaries; faults only read it.
 *
 * Owns &kvm_private_mem.view, with view_files.c, which has what bindings and pages do
 * to it.  Calls request.c and invalidate.c.
 */

#include <linux/sched/signal.h>

#include "convert.h"
#include "view.h"

/**
 * kvm_view_reserve_range - &kvm_view_pass.fn: do what can fail
 * @pass: the pass
 * @start: first gfn
 * @end: one past the last gfn
 * @view: what it is to be
 *
 * Context: slots_lock; may sleep.
 * Return: 0, -EINTR if a fatal signal is pending, or -ENOMEM.
 */
int kvm_view_reserve_range(struct kvm_view_pass *pass, gfn_t start, gfn_t end,
			   unsigned long view)
{
	int r;

	if (fatal_signal_pending(current))
		return -EINTR;

	r = kvm_attr_map_reserve(&pass->kvm->private_mem.view, start, end, view);
	if (!r)
		pass->nr_reserved++;
	return r;
}

/**
 * kvm_view_commit_range - &kvm_view_pass.fn: change the view of a range
 * @pass: the pass
 * @start: first gfn
 * @end: one past the last gfn
 * @view: what it is to be
 *
 * Context: slots_lock; may sleep.
 * Return: 0.
 */
int kvm_view_commit_range(struct kvm_view_pass *pass, gfn_t start, gfn_t end,
			  unsigned long view)
{
	kvm_attr_map_commit(&pass->kvm->private_mem.view, start, end, view);
	return 0;
}

/**
 * kvm_view_cancel_range - &kvm_view_pass.fn: leave the view of a range as it is
 * @pass: the pass
 * @start: first gfn
 * @end: one past the last gfn
 * @view: what it was to be
 *
 * Context: slots_lock; may sleep.
 * Return: 0.
 */
int kvm_view_cancel_range(struct kvm_view_pass *pass, gfn_t start, gfn_t end,
			  unsigned long view)
{
	kvm_attr_map_cancel(&pass->kvm->private_mem.view);
	return 0;
}

static int kvm_view_notice_range(struct kvm_view_pass *pass, gfn_t start,
				 gfn_t end, unsigned long view)
{
	return 1;
}

/**
 * kvm_view_end_reserve - end a pass that reserves: all or nothing
 * @pass: the pass
 * @r: its result
 *
 * Context: slots_lock; may sleep.
 * Return: @r.
 */
int kvm_view_end_reserve(struct kvm_view_pass *pass, int r)
{
	if (!r)
		return 0;

	for (; pass->nr_reserved; pass->nr_reserved--) {
		kvm_attr_map_cancel(&pass->kvm->private_mem.view);
		cond_resched();
	}

	return r;
}

/**
 * __kvm_view_check - kvm_view_check() of a sealed VM
 * @kvm: the VM
 * @gfn: guest frame number
 *
 * A conversion that the guest asked for changes the view first if it is to shared,
 * and last if it is to private.
 *
 * Context: Any; takes no lock.
 * Return: as kvm_view_check().
 */
int __kvm_view_check(struct kvm *kvm, gfn_t gfn)
{
	struct kvm_attr_map *map = &kvm->private_mem.view;
	unsigned long view = kvm_attr_map_get(map, gfn);

	if (view == KVM_VIEW_LOST)
		return -EHWPOISON;

	/* Pairs with the stores of kvm_attr_map_commit(). */
	smp_rmb();
	if (view == KVM_VIEW_SHARED || kvm_mem_is_private(kvm, gfn))
		return 0;

	/* If the guest shares it right now, the view has changed already. */
	smp_rmb();
	view = kvm_attr_map_get(map, gfn);
	if (view == KVM_VIEW_LOST)
		return -EHWPOISON;

	return view == KVM_VIEW_OWNED ? -EFAULT : 0;
}

/**
 * __kvm_view_is_uniform - kvm_view_is_uniform() of a sealed VM
 * @kvm: the VM
 * @start: first gfn
 * @end: one past the last gfn
 *
 * Context: mmu_lock, no invalidation in progress.
 * Return: as kvm_view_is_uniform().
 */
bool __kvm_view_is_uniform(struct kvm *kvm, gfn_t start, gfn_t end)
{
	struct kvm_attr_map *map = &kvm->private_mem.view;

	lockdep_assert_held(&kvm->mmu_lock);

	return kvm_attr_map_range_has(map, start, end, kvm_attr_map_get(map, start));
}

/*
 * What is behind @gfn.  Lowers @end to where something else may be.
 */
static enum kvm_view_backing kvm_view_find_backing(struct kvm *kvm, gfn_t gfn,
						   gfn_t *end)
{
	const struct kvm_memory_slot *slot;
	struct kvm_memslot_iter iter;

	lockdep_assert_held(&kvm->slots_lock);

	kvm_for_each_memslot_in_gfn_range(&iter, kvm_memslots(kvm), gfn, *end) {
		slot = iter.slot;
		if (slot->base_gfn > gfn) {
			*end = slot->base_gfn;
			break;
		}
		*end = min_t(gfn_t, *end, slot->base_gfn + slot->npages);
		return kvm_view_slot_backing(slot);
	}

	return KVM_VIEW_NO_FILE;
}

/*
 * Did the guest ask for the conversion of @gfn?  Lowers @end to where the answer may
 * be another.
 */
static bool kvm_view_is_asked(const struct kvm_gmem_asked *asked, gfn_t gfn,
			      gfn_t *end)
{
	unsigned int low = 0, high = asked->nr, mid;

	/* The first range that ends above @gfn. */
	while (low < high) {
		mid = low + (high - low) / 2;
		if (asked->gfns[mid].end <= gfn)
			low = mid + 1;
		else
			high = mid;
	}

	if (low == asked->nr)
		return false;

	if (asked->gfns[low].start > gfn) {
		*end = min(*end, asked->gfns[low].start);
		return false;
	}

	*end = min(*end, asked->gfns[low].end);
	return true;
}

static unsigned long kvm_view_after(const struct kvm_conversion *conv,
				    unsigned long view, bool is_asked,
				    enum kvm_view_backing backing)
{
	/* What is lost stays lost, or the VMM would choose the new contents. */
	if (kvm_convert_to_private(conv))
		return view == KVM_VIEW_SHARED && backing != KVM_VIEW_NO_FILE ?
		       KVM_VIEW_OWNED : view;

	if (is_asked)
		return KVM_VIEW_SHARED;

	return view == KVM_VIEW_OWNED && backing == KVM_VIEW_IN_PLACE ?
	       KVM_VIEW_LOST : view;
}

static int kvm_view_pass_gfns(struct kvm_conversion *conv, struct kvm_view_pass *pass,
			      const struct kvm_convert_gfns *gfns)
{
	enum kvm_view_backing backing;
	unsigned long view, new;
	gfn_t pos, end;
	bool is_asked;
	int r = 0;

	lockdep_assert_held(&conv->kvm->slots_lock);

	for (pos = gfns->start; !r && pos < gfns->end; pos = end) {
		cond_resched();
		end = kvm_attr_map_run_end(&conv->kvm->private_mem.view, pos,
					   gfns->end, &view);
		if (!kvm_convert_to_private(conv) && view == KVM_VIEW_SHARED)
			continue;

		is_asked = kvm_view_is_asked(&conv->asked, pos, &end);
		backing = kvm_view_find_backing(conv->kvm, pos, &end);
		new = kvm_view_after(conv, view, is_asked, backing);
		if (new != view)
			r = pass->fn(pass, pos, end, new);
	}

	return r;
}

static int kvm_view_pass_conversion(struct kvm_conversion *conv,
				    struct kvm_view_pass *pass)
{
	unsigned int i;
	int r = 0;

	pass->kvm = conv->kvm;
	if (!kvm_is_sealed(conv->kvm))
		return 0;

	for (i = 0; !r && i < conv->nr_gfns; i++)
		r = kvm_view_pass_gfns(conv, pass, &conv->gfns[i]);

	return r;
}

/**
 * kvm_view_start - find out what the guest has asked for
 * @conv: a conversion that starts
 *
 * Context: slots_lock; may sleep.
 * Return: 0 or -ENOMEM.
 */
int kvm_view_start(struct kvm_conversion *conv)
{
	if (!kvm_is_sealed(conv->kvm) || kvm_convert_to_private(conv))
		return 0;

	return kvm_gmem_collect_requests(conv->kvm, &conv->asked);
}

/**
 * kvm_view_stays - does a conversion leave the guest's view as it is?
 * @conv: the conversion
 *
 * It may change nothing else: the guest gives up what it has lost.
 *
 * Context: slots_lock; may sleep.
 * Return: true if so, always if the VM is not sealed.
 */
bool kvm_view_stays(struct kvm_conversion *conv)
{
	struct kvm_view_pass pass = { .fn = kvm_view_notice_range };

	return !kvm_view_pass_conversion(conv, &pass);
}

/**
 * kvm_view_reserve - do all of a change of the view that can fail
 * @conv: the conversion
 *
 * To be followed by kvm_view_commit() or kvm_view_cancel().
 *
 * Context: slots_lock; may sleep.
 * Return: 0, -EINTR if a fatal signal is pending, or -ENOMEM.
 */
int kvm_view_reserve(struct kvm_conversion *conv)
{
	struct kvm_view_pass pass = { .fn = kvm_view_reserve_range };

	return kvm_view_end_reserve(&pass, kvm_view_pass_conversion(conv, &pass));
}

/**
 * kvm_view_commit - change the view of what is converted
 * @conv: the conversion
 *
 * To shared before anything is zeroed: what the guest loses is lost by then to those, too,
 * who access memory for it.
 *
 * Context: slots_lock, inside the invalidation; may sleep.
 */
void kvm_view_commit(struct kvm_conversion *conv)
{
	struct kvm_view_pass pass = { .fn = kvm_view_commit_range };

	kvm_view_pass_conversion(conv, &pass);
	if (kvm_is_sealed(conv->kvm) && !kvm_convert_to_private(conv))
		kvm_gmem_drain_accesses(conv->kvm);
}

/**
 * kvm_view_cancel - leave the view as it is
 * @conv: the conversion, which has failed
 *
 * Context: slots_lock; may sleep.
 */
void kvm_view_cancel(struct kvm_conversion *conv)
{
	struct kvm_view_pass pass = { .fn = kvm_view_cancel_range };

	kvm_view_pass_conversion(conv, &pass);
}
