// SPDX-License-Identifier: GPL-2.0-only
/*
 * The conversion engine: all changes between private and shared memory.
 *
 * A conversion covers gfns, offsets of MMAP files, or both.  Its steps:
 *
 *   lock	slots_lock, then the invalidate_lock of each MMAP file
 *   reserve	memory for the new attributes; the only allocations
 *   begin	page faults retry from now on, guest mappings are gone
 *   isolate	to private only: host mappings are gone; an unexpected
 *		reference to a page ends the conversion, with nothing changed
 *   switch	the backend gives or takes the pages, where it can undo that
 *   sanitize	to shared only: zero what the guest does not share; the point
 *		of no return
 *   commit	the attributes of the gfns, the state of the offsets and the
 *		guest's view, which cannot fail
 *   end	page faults proceed
 *
 * Nobody can map a page between begin and end: guests retry, and host faults
 * wait for the invalidate_lock.  KVM's own accesses do not wait for a conversion,
 * it waits for them, page by page when it zeroes and for all of them when it
 * commits: access_lock.
 *
 * There may be a million parts, runs or folios: each loop over them reschedules,
 * and ends for a fatal signal before the point of no return.  So do those over
 * memslots, of which there are 32767 at most, without looking at signals, and the
 * MMU when it removes the guest's mappings.
 *
 * Owns struct kvm_conversion, and nothing that lasts.  Calls ranges.c, invalidate.c,
 * switch.c, sanitize.c, view.c and count.c, none of which calls it.
 */

#include <linux/gmem_fs.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <trace/events/kvm_gmem.h>

#include "convert.h"
#include "owner.h"

/* Files that one conversion can lock. */
#define KVM_CONVERT_MAX_FILES	256

/* How often to look again for the references of a page to go away. */
#define KVM_CONVERT_RETRIES	8

static int kvm_convert_lock_files(struct kvm_conversion *conv)
{
	unsigned int i, nr = 0;
	struct kvm_gmem *gmem;
	int r;

	for (i = 0; i < conv->nr_parts; i++) {
		r = kvm_convert_check_signal();
		if (r)
			return r;

		gmem = conv->parts[i].gmem;
		if (gmem->locked)
			continue;
		if (++nr > KVM_CONVERT_MAX_FILES)
			return -E2BIG;

		down_write_nest_lock(&gmem->mapping->invalidate_lock,
				     &conv->kvm->slots_lock);
		gmem->locked = true;
	}

	return 0;
}

static void kvm_convert_unlock_files(struct kvm_conversion *conv)
{
	struct kvm_gmem *gmem;
	unsigned int i;

	for (i = 0; i < conv->nr_parts; i++) {
		cond_resched();
		gmem = conv->parts[i].gmem;
		if (!gmem->locked)
			continue;

		gmem->locked = false;
		filemap_invalidate_unlock(gmem->mapping);
	}
}

static void kvm_convert_cancel(struct kvm_conversion *conv, unsigned int nr_gfns,
			       unsigned int nr_parts)
{
	while (nr_parts--) {
		kvm_attr_map_cancel(&conv->parts[nr_parts].gmem->state);
		cond_resched();
	}

	while (nr_gfns--) {
		kvm_attr_map_cancel(&conv->kvm->private_mem.attrs);
		cond_resched();
	}
}

static int kvm_convert_reserve(struct kvm_conversion *conv)
{
	struct kvm_attr_map *attrs = &conv->kvm->private_mem.attrs;
	unsigned int i, j;
	int r = 0;

	for (i = 0; i < conv->nr_gfns; i++) {
		r = kvm_convert_check_signal();
		if (!r)
			r = kvm_attr_map_reserve(attrs, conv->gfns[i].start,
						 conv->gfns[i].end,
						 conv->attrs);
		if (r) {
			kvm_convert_cancel(conv, i, 0);
			return r;
		}
	}

	for (j = 0; j < conv->nr_parts; j++) {
		r = kvm_convert_check_signal();
		if (!r)
			r = kvm_attr_map_reserve(&conv->parts[j].gmem->state,
						 conv->parts[j].start,
						 conv->parts[j].end,
						 conv->attrs);
		if (r) {
			kvm_convert_cancel(conv, i, j);
			return r;
		}
	}

	r = kvm_view_reserve(conv);
	if (r)
		kvm_convert_cancel(conv, i, j);
	return r;
}

/*
 * An offset that is private can be mapped at a gfn that is shared already.
 */
static int kvm_convert_invalidate_part(struct kvm_conversion *conv,
				       const struct kvm_convert_part *part)
{
	unsigned long state;
	pgoff_t pos, end;
	int r = 0;

	lockdep_assert_held_write(&part->gmem->mapping->invalidate_lock);

	if (!part->binding)
		return 0;

	for (pos = part->start; !r && pos < part->end; pos = end) {
		r = kvm_convert_check_signal();
		end = kvm_attr_map_run_end(&part->gmem->state, pos, part->end,
					   &state);
		if (!r && state & KVM_MEMORY_ATTRIBUTE_PRIVATE)
			kvm_invalidate_kinds(&conv->inv,
					     kvm_gmem_index_to_gfn(part->binding, pos),
					     kvm_gmem_index_to_gfn(part->binding, end),
					     KVM_GFN_SHARED);
	}

	return r;
}

/*
 * What has the new kind already stays mapped.
 */
static int kvm_convert_invalidate(struct kvm_conversion *conv)
{
	const bool to_private = kvm_convert_to_private(conv);
	unsigned int i;
	int r = 0;

	for (i = 0; !r && i < conv->nr_gfns; i++) {
		kvm_invalidate_kinds(&conv->inv, conv->gfns[i].start,
				     conv->gfns[i].end,
				     to_private ? KVM_GFN_SHARED : KVM_GFN_PRIVATE);
		r = kvm_convert_check_signal();
	}

	for (i = 0; !r && !to_private && i < conv->nr_parts; i++)
		r = kvm_convert_invalidate_part(conv, &conv->parts[i]);

	return r;
}

static int kvm_convert_begin(struct kvm_conversion *conv)
{
	unsigned int i;

	kvm_invalidate_init(&conv->inv, conv->kvm);
	for (i = 0; i < conv->nr_gfns; i++)
		kvm_invalidate_add(&conv->inv, conv->gfns[i].start, conv->gfns[i].end);

	kvm_invalidate_begin(&conv->inv);
	return kvm_convert_invalidate(conv);
}

static int kvm_convert_isolate_folio(struct kvm_conversion *conv,
				     const struct kvm_convert_part *part,
				     struct folio *folio)
{
	int i;

	if (fatal_signal_pending(current))
		return -EINTR;

	/* A host fault that found the page shared holds the folio lock. */
	folio_lock(folio);
	if (folio_mapped(folio))
		unmap_mapping_pages(folio->mapping, folio->index,
				    folio_nr_pages(folio), false);
	VM_WARN_ON_ONCE_FOLIO(folio_mapped(folio), folio);
	kvm_gmem_disown(folio);
	folio_unlock(folio);

	/* Nobody gets at the contents of a poisoned page any more. */
	if (kvm_gmem_page_is_broken(folio, &folio->page))
		return 0;

	for (i = 0; kvm_gmem_has_unexpected_refs(conv->kvm, folio); i++) {
		if (i == KVM_CONVERT_RETRIES)
			return -EAGAIN;
		gmem_fs_drain_lru();
	}

	return 0;
}

static int kvm_convert_isolate_part(struct kvm_conversion *conv,
				    struct kvm_convert_part *part)
{
	unsigned long state;
	pgoff_t pos, end;
	int r = 0;

	lockdep_assert_held_write(&part->gmem->mapping->invalidate_lock);

	for (pos = part->start; !r && pos < part->end; pos = end) {
		r = kvm_convert_check_signal();
		end = kvm_attr_map_run_end(&part->gmem->state, pos, part->end,
					   &state);
		if (r || state & KVM_MEMORY_ATTRIBUTE_PRIVATE)
			continue;

		unmap_mapping_pages(part->gmem->mapping, pos, end - pos, false);
		r = kvm_convert_folios(conv, part, pos, end,
				       kvm_convert_isolate_folio);
	}

	return r;
}

/*
 * Make sure that nobody but KVM can reach what is about to be private.
 */
static int kvm_convert_isolate(struct kvm_conversion *conv)
{
	unsigned int i;
	int r;

	if (!kvm_convert_to_private(conv))
		return 0;

	for (i = 0; i < conv->nr_parts; i++) {
		r = kvm_convert_isolate_part(conv, &conv->parts[i]);
		if (r)
			return r;
	}

	return 0;
}

static void kvm_convert_commit_part(const struct kvm_conversion *conv,
				    const struct kvm_convert_part *part)
{
	long nr = part->nr_moved;

	kvm_attr_map_commit(&part->gmem->state, part->start, part->end,
			    conv->attrs);
	kvm_gmem_count_private(part->gmem,
			       kvm_convert_to_private(conv) ? nr : -nr);
}

static void kvm_convert_commit_parts(struct kvm_conversion *conv)
{
	unsigned int i;

	for (i = 0; i < conv->nr_parts; i++) {
		kvm_convert_commit_part(conv, &conv->parts[i]);
		cond_resched();
	}
}

/*
 * The kernel must not take a page for private whose gfn is shared already, hence
 * pages become shared first and private last.
 */
static void kvm_convert_commit(struct kvm_conversion *conv)
{
	unsigned int i;

	if (!kvm_convert_to_private(conv))
		kvm_convert_commit_parts(conv);

	for (i = 0; i < conv->nr_gfns; i++) {
		kvm_attr_map_commit(&conv->kvm->private_mem.attrs, conv->gfns[i].start,
				    conv->gfns[i].end, conv->attrs);
		cond_resched();
	}

	/* No access of KVM relies on the old attributes from here on. */
	kvm_gmem_drain_accesses(conv->kvm);

	if (kvm_convert_to_private(conv)) {
		kvm_convert_commit_parts(conv);
		kvm_view_commit(conv);
	}
}

/* Whoever is about to be killed finds the reason for that in the next step. */
static bool kvm_convert_is_noop(struct kvm_conversion *conv)
{
	unsigned int i;

	lockdep_assert_held(&conv->kvm->slots_lock);

	for (i = 0; i < conv->nr_gfns; i++) {
		if (kvm_convert_check_signal() ||
		    !kvm_attr_map_range_has(&conv->kvm->private_mem.attrs,
					    conv->gfns[i].start,
					    conv->gfns[i].end, conv->attrs))
			return false;
	}

	for (i = 0; i < conv->nr_parts; i++) {
		if (kvm_convert_check_signal() ||
		    !kvm_attr_map_range_has(&conv->parts[i].gmem->state,
					    conv->parts[i].start,
					    conv->parts[i].end, conv->attrs))
			return false;
	}

	return kvm_view_stays(conv);
}

static int kvm_convert_locked(struct kvm_conversion *conv)
{
	int r = kvm_convert_reserve(conv);

	if (r)
		return r;

	r = kvm_convert_begin(conv);
	if (!r) {
		kvm_convert_raise_fence(conv);
		r = kvm_convert_isolate(conv);
	}
	if (!r)
		r = kvm_convert_switch(conv);
	if (r) {
		kvm_view_cancel(conv);
		kvm_convert_cancel(conv, conv->nr_gfns, conv->nr_parts);
	} else {
		if (!kvm_convert_to_private(conv))
			kvm_view_commit(conv);
		kvm_convert_sanitize(conv);
		kvm_convert_commit(conv);
	}
	kvm_convert_lower_fence(conv);
	kvm_invalidate_end(&conv->inv);

	return r;
}

static void kvm_convert_count(struct kvm_conversion *conv, int r)
{
	struct kvm_vm_stat_generic *stat = &conv->kvm->stat.generic;

	lockdep_assert_held(&conv->kvm->slots_lock);

	if (!r)
		stat->gmem_conversions++;
	else if (r == -EAGAIN)
		stat->gmem_conversions_again++;
}

/*
 * Convert what the collecting functions found, then free it.
 */
static int kvm_convert(struct kvm_conversion *conv)
{
	int r = kvm_view_start(conv);

	lockdep_assert_held(&conv->kvm->slots_lock);

	if (!r && !kvm_convert_is_noop(conv)) {
		r = kvm_convert_lock_files(conv);
		if (!r)
			r = kvm_convert_locked(conv);
		kvm_convert_unlock_files(conv);
		kvm_convert_count(conv, r);
	}

	if (!r)
		kvm_convert_forget(conv);
	kvm_convert_free(conv);
	return r;
}

/**
 * kvm_convert_gfns - change the attributes of a range of gfns
 * @kvm: a VM with private memory
 * @start: first gfn
 * @end: one past the last gfn
 * @attrs: KVM_MEMORY_ATTRIBUTE_*
 *
 * Offsets of MMAP files that are bound to the gfns change with them.  To
 * private keeps the contents.  To shared zeroes what the guest does not share.
 *
 * Context: Takes slots_lock and invalidate_locks; may sleep.
 * Return: 0, or, with nothing changed,
 *
 * * -EAGAIN if a page that must become private has unexpected references
 * * -E2BIG if the gfns belong to more than %KVM_CONVERT_MAX_FILES MMAP files
 * * -EINTR if a fatal signal is pending
 * * -ENOMEM if there is no memory
 * * what the backend says if it does not give or take a page; contents of others
 *   are lost if it does not undo that
 */
int kvm_convert_gfns(struct kvm *kvm, gfn_t start, gfn_t end,
		     unsigned long attrs)
{
	struct kvm_conversion conv = { .kvm = kvm, .attrs = attrs };
	int r;

	mutex_lock(&kvm->slots_lock);
	r = kvm_convert_collect_gfns(&conv, start, end);
	if (!r)
		r = kvm_convert(&conv);
	mutex_unlock(&kvm->slots_lock);

	trace_kvm_convert_gfns(start, end, attrs, r);
	return r;
}

/**
 * kvm_convert_file - change the state of a range of offsets
 * @gmem: an MMAP file of a VM with private memory
 * @start: first offset in pages
 * @end: one past the last offset, not beyond the end of the file
 * @attrs: KVM_MEMORY_ATTRIBUTE_*
 * @error_index: on error, offset of the page that is to blame, @start if none
 *
 * Like kvm_convert_gfns(), for the gfns that are bound to the offsets.
 *
 * Context: Takes slots_lock and the invalidate_lock; may sleep.
 * Return: as kvm_convert_gfns(), except -E2BIG.
 */
int kvm_convert_file(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end,
		     unsigned long attrs, pgoff_t *error_index)
{
	struct kvm_conversion conv = {
		.kvm = gmem->kvm,
		.attrs = attrs,
		.error_index = start,
	};
	int r;

	mutex_lock(&gmem->kvm->slots_lock);
	r = kvm_convert_collect_file(&conv, gmem, start, end);
	if (!r)
		r = kvm_convert(&conv);
	mutex_unlock(&gmem->kvm->slots_lock);

	trace_kvm_convert_file(start, end, attrs, r);
	*error_index = conv.error_index;
	return r;
}

/**
 * kvm_convert_to_bind - make offsets private whose gfns are
 * @binding: binding to be, not in the file yet
 *
 * Context: slots_lock.  Takes the invalidate_lock; may sleep.
 * Return: as kvm_convert_file().
 */
int kvm_convert_to_bind(struct kvm_gmem_binding *binding)
{
	struct kvm_conversion conv = {
		.kvm = binding->kvm,
		.attrs = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};
	int r = kvm_convert_collect_binding(&conv, binding);

	return r ? r : kvm_convert(&conv);
}
