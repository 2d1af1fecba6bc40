// SPDX-License-Identifier: GPL-2.0-only
/*
 * Folios of guest_memfd files.
 *
 * Guest mappings hold no reference to a folio.  Whatever frees or moves one
 * zaps the guest's mappings first, inside an MMU invalidation, and every way to
 * do so behind KVM's back is closed: folios are dirty for ever, unevictable,
 * and refuse to migrate.
 *
 * Owns the page cache of a file.  Calls backend.c and count.c, and reclaim.c if a
 * page is poisoned; knows nothing of conversions.
 */

#include <linux/gmem_kcore.h>
#include <linux/gmem_quarantine.h>
#include <linux/highmem.h>
#include <linux/migrate.h>
#include <linux/pagemap.h>
#include <trace/events/kvm_gmem.h>

#include "gmem.h"
#include "owner.h"

/*
 * The one place that chooses the size of a folio.
 */
static struct folio *kvm_gmem_alloc_folio(struct kvm_gmem *gmem, pgoff_t index)
{
	return gmem_policy_alloc_folio(&gmem->policy,
				       mapping_gfp_mask(gmem->mapping), 0,
				       index);
}

/**
 * kvm_gmem_clear_folio - fill a folio with zeroes, except poisoned pages
 * @folio: the folio
 *
 * Context: Any.
 */
void kvm_gmem_clear_folio(struct folio *folio)
{
	long i;

	for (i = 0; i < folio_nr_pages(folio); i++) {
		if (!kvm_gmem_page_is_broken(folio, folio_page(folio, i)))
			clear_highpage(folio_page(folio, i));
	}
}

/*
 * The folio has left the file, and the caller still has a reference to it.
 */
static void kvm_gmem_wipe_folio(struct folio *folio)
{
	/* The backend has not given it back: a page is not wiped before that. */
	if (kvm_gmem_is_held(folio))
		return;

	kvm_gmem_clear_folio(folio);
	gmem_kcore_note_wiped(folio);
}

static struct folio *kvm_gmem_add_folio(struct kvm_gmem *gmem, pgoff_t index)
{
	struct folio *folio = kvm_gmem_alloc_folio(gmem, index);
	struct address_space *mapping = gmem->mapping;
	int r;

	if (!folio)
		return ERR_PTR(-ENOMEM);

	index = round_down(index, folio_nr_pages(folio));
	r = filemap_add_folio(mapping, folio, index, mapping_gfp_mask(mapping));
	if (r) {
		folio_put(folio);
		return ERR_PTR(r);
	}

	if (kvm_gmem_offset_is_private(gmem, index))
		kvm_gmem_count_private(gmem, folio_nr_pages(folio));

	kvm_gmem_clear_folio(folio);
	folio_mark_uptodate(folio);
	/* A clean page could be dropped without a word, by soft offlining. */
	folio_mark_dirty(folio);

	return folio;
}

/**
 * kvm_gmem_get_folio - find or add the folio at an offset of a file
 * @gmem: the file
 * @index: offset in pages, below the size of the file
 *
 * A new folio is zeroed.
 *
 * Context: the file's invalidate_lock; may sleep.
 * Return: the folio, locked, with a reference for the caller, or an ERR_PTR()
 * of
 *
 * * -EHWPOISON if the page is poisoned
 * * -ENOMEM if there is no memory
 */
struct folio *kvm_gmem_get_folio(struct kvm_gmem *gmem, pgoff_t index)
{
	struct folio *folio;

	do {
		folio = __filemap_get_folio(gmem->mapping, index, FGP_LOCK, 0);
		if (!folio)
			folio = kvm_gmem_add_folio(gmem, index);
	} while (folio == ERR_PTR(-EEXIST));

	if (!IS_ERR(folio) && PageHWPoison(folio_file_page(folio, index))) {
		folio_unlock(folio);
		folio_put(folio);
		return ERR_PTR(-EHWPOISON);
	}

	return folio;
}

/**
 * kvm_gmem_note_use - the guest, or KVM on its behalf, uses a page
 * @slot: memslot that contains @gfn, bound to a file
 * @gfn: guest frame number
 * @folio: folio of @gfn in the file
 *
 * Matters if it is private memory.
 *
 * Context: slots_lock or kvm->srcu; may be atomic.
 */
void kvm_gmem_note_use(const struct kvm_memory_slot *slot, gfn_t gfn,
		       struct folio *folio)
{
	const struct kvm_gmem_binding *binding = slot->gmem;

	if (binding->mmap && kvm_mem_is_private(binding->kvm, gfn))
		kvm_gmem_own(folio, binding->owner);
}

/**
 * kvm_gmem_serves - does the file back gfns of this kind?
 * @slot: a memslot
 * @is_private: whether the gfns are private
 *
 * Context: slots_lock or kvm->srcu; may be atomic.
 * Return: true if KVM must use the file's page, if there is one; false if it must
 * use userspace_addr.
 */
bool kvm_gmem_serves(const struct kvm_memory_slot *slot, bool is_private)
{
	return slot->gmem && (slot->gmem->mmap || is_private);
}

/**
 * kvm_gmem_backs - does the file back a gfn right now?
 * @slot: memslot that contains @gfn
 * @gfn: guest frame number
 *
 * Context: slots_lock or kvm->srcu; may be atomic.
 * Return: true if KVM must use the file's page, if there is one, or must not access
 * what the guest takes for its own; false if it must use userspace_addr.
 */
bool kvm_gmem_backs(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	struct kvm *kvm;

	if (!slot->gmem)
		return false;

	kvm = slot->gmem->kvm;
	return kvm_gmem_serves(slot, kvm_mem_is_private(kvm, gfn)) ||
	       kvm_view_check(kvm, gfn);
}

/**
 * kvm_gmem_find_folio - find the folio of a gfn, if there is one ready for use
 * @slot: memslot that contains @gfn, bound to a file
 * @gfn: guest frame number
 *
 * Context: slots_lock or kvm->srcu; may be atomic.
 * Return: the folio with a reference, to be dropped with
 * kvm_gmem_put_folio(), NULL if kvm_gmem_fault_in_gfn() must come first, or an
 * ERR_PTR() of
 *
 * * -EFAULT if the file has been closed
 * * -EHWPOISON if the page is poisoned
 */
struct folio *kvm_gmem_find_folio(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	struct kvm_gmem *gmem = READ_ONCE(slot->gmem->gmem);
	pgoff_t index = kvm_gmem_gfn_to_index(slot->gmem, gfn);
	struct folio *folio;

	if (!gmem)
		return ERR_PTR(-EFAULT);

	folio = filemap_get_folio(gmem->mapping, index);
	if (!folio)
		return NULL;

	if (PageHWPoison(folio_file_page(folio, index))) {
		folio_put(folio);
		return ERR_PTR(-EHWPOISON);
	}

	if (!folio_test_uptodate(folio) || !kvm_gmem_is_ready(slot, gfn, folio)) {
		folio_put(folio);
		return NULL;
	}

	kvm_gmem_note_use(slot, gfn, folio);
	return folio;
}

/**
 * kvm_gmem_put_folio - end an access to the page of a gfn
 * @folio: from kvm_gmem_find_folio()
 *
 * The folio may have left the file in the meantime, after which the write that
 * ends here is nobody's to see.
 *
 * Context: Any.
 */
void kvm_gmem_put_folio(struct folio *folio)
{
	/*
	 * Order the write before the check.  Pairs with kvm_gmem_free_folio():
	 * either that sees the write, or it is undone here.
	 */
	smp_mb();
	if (unlikely(!READ_ONCE(folio->mapping)))
		kvm_gmem_wipe_folio(folio);

	folio_put(folio);
}

/*
 * Look up the page without a reference that a conversion could see.
 */
static int kvm_gmem_peek_pfn(const struct kvm_memory_slot *slot, gfn_t gfn,
			     kvm_pfn_t *pfn, int *order)
{
	struct kvm *kvm = slot->gmem->kvm;
	pgoff_t index = kvm_gmem_gfn_to_index(slot->gmem, gfn);
	struct folio *folio;

	read_lock(&kvm->private_mem.access_lock);
	folio = kvm_gmem_find_folio(slot, gfn);
	if (!IS_ERR_OR_NULL(folio)) {
		*pfn = page_to_pfn(folio_file_page(folio, index));
		*order = folio_order(folio);
		folio_put(folio);
	}
	read_unlock(&kvm->private_mem.access_lock);

	return folio ? PTR_ERR_OR_ZERO(folio) : -ENOENT;
}

/*
 * Add what is missing.  A conversion must not take our reference for
 * somebody's, so let go of it under the lock.
 */
static int kvm_gmem_fault_in_locked(struct kvm_gmem *gmem, pgoff_t index,
				    pgoff_t *end)
{
	struct folio *folio;

	lockdep_assert_held(&gmem->mapping->invalidate_lock);

	folio = kvm_gmem_get_folio(gmem, index);
	if (IS_ERR(folio))
		return PTR_ERR(folio);

	*end = folio->index + folio_nr_pages(folio);
	folio_unlock(folio);
	folio_put(folio);
	return 0;
}

/**
 * kvm_gmem_fault_in - make sure that an offset of a file has a page
 * @gmem: the file
 * @index: offset in pages, below the size of the file
 * @end: where to store the offset after the last page of the folio
 *
 * Context: Takes the invalidate_lock, which a conversion may hold for seconds;
 * may sleep.
 * Return: 0, -EINTR if a signal comes before the lock, or as
 * kvm_gmem_get_folio().
 */
int kvm_gmem_fault_in(struct kvm_gmem *gmem, pgoff_t index, pgoff_t *end)
{
	int r;

	if (down_read_interruptible(&gmem->mapping->invalidate_lock))
		return -EINTR;

	r = kvm_gmem_fault_in_locked(gmem, index, end);
	filemap_invalidate_unlock_shared(gmem->mapping);
	return r;
}

static int kvm_gmem_fault_in_gfn_locked(const struct kvm_memory_slot *slot,
					struct kvm_gmem *gmem, gfn_t gfn)
{
	struct folio *folio;
	int r;

	lockdep_assert_held(&gmem->mapping->invalidate_lock);

	folio = kvm_gmem_get_folio(gmem, kvm_gmem_gfn_to_index(slot->gmem, gfn));
	if (IS_ERR(folio))
		return PTR_ERR(folio);

	r = kvm_gmem_prepare(slot, gfn, folio);
	folio_unlock(folio);
	folio_put(folio);
	return r;
}

/**
 * kvm_gmem_fault_in_gfn - make sure that a gfn has a page that is ready for use
 * @slot: memslot that contains @gfn, bound to a file
 * @gfn: guest frame number
 * @interruptible: whether a signal ends the wait for others at the file, as it must
 *	not in the middle of an instruction that KVM emulates
 *
 * Context: slots_lock or kvm->srcu.  Takes the invalidate_lock; may sleep.
 * Return: 0, -EFAULT if the file has been closed, -EINTR if a signal came, or as
 * kvm_gmem_get_folio() and kvm_gmem_prepare().
 */
int kvm_gmem_fault_in_gfn(const struct kvm_memory_slot *slot, gfn_t gfn,
			  bool interruptible)
{
	struct kvm_gmem *gmem = READ_ONCE(slot->gmem->gmem);
	int r;

	if (!gmem)
		return -EFAULT;

	if (!interruptible)
		filemap_invalidate_lock_shared(gmem->mapping);
	else if (down_read_interruptible(&gmem->mapping->invalidate_lock))
		return -EINTR;

	r = kvm_gmem_fault_in_gfn_locked(slot, gmem, gfn);
	filemap_invalidate_unlock_shared(gmem->mapping);
	return r;
}

/**
 * kvm_gmem_get_pfn - find or allocate the page of a gfn
 * @slot: memslot that contains @gfn, bound to a file
 * @gfn: guest frame number
 * @pfn: where to store the page frame number
 * @order: where to store the order of the largest aligned block around @gfn
 *	that is contiguous in the file, in guest memory and in host memory
 *
 * No reference is taken: @pfn is valid only as long as no MMU invalidation of
 * the gfn has begun since before the call.
 *
 * Context: kvm->srcu.  Takes the invalidate_lock; may sleep.
 * Return: 0, or
 *
 * * -EFAULT if the file has been closed
 * * -EHWPOISON if the page is poisoned
 * * -EINTR if a signal is pending, and somebody else is at the file
 * * -EIO if the backend does not take the page
 * * -ENOMEM if there is no memory
 */
int kvm_gmem_get_pfn(const struct kvm_memory_slot *slot, gfn_t gfn,
		     kvm_pfn_t *pfn, int *order)
{
	pgoff_t index = kvm_gmem_gfn_to_index(slot->gmem, gfn);
	int r;

	while ((r = kvm_gmem_peek_pfn(slot, gfn, pfn, order)) == -ENOENT) {
		r = kvm_gmem_fault_in_gfn(slot, gfn, true);
		if (r)
			return r;
	}

	/* A block can be mapped as one only where gfn and offset agree. */
	if (!r && gfn != index)
		*order = min_t(int, *order, __ffs(gfn ^ index));

	return r;
}

static int kvm_gmem_migrate_folio(struct address_space *mapping,
				  struct folio *dst, struct folio *src,
				  enum migrate_mode mode)
{
	return -EBUSY;
}

static bool kvm_gmem_release_folio(struct folio *folio, gfp_t gfp)
{
	return false;
}

/*
 * The page is poisoned and locked.  Take it away from the guest; it stays in
 * the file, so that whoever touches it next learns why.
 */
static int kvm_gmem_error_remove_page(struct address_space *mapping,
				      struct page *page)
{
	trace_kvm_gmem_poison(page_index(page), page_to_pfn(page));

	folio_set_error(page_folio(page));

	/* The file lives as long as it has folios, and this one is locked. */
	kvm_gmem_count_poison(mapping->private_data);
	kvm_gmem_invalidate_page(mapping->private_data, page_index(page));
	return 0;
}

static void kvm_gmem_free_folio(struct folio *folio)
{
	/* Leave the page cache first.  Pairs with kvm_gmem_put_folio(). */
	smp_mb();
	kvm_gmem_wipe_folio(folio);
	/* Whoever took it out of the file, and whether or not it was reclaimed. */
	if (unlikely(kvm_gmem_is_held(folio)))
		gmem_quarantine_folio(folio);
}

const struct address_space_operations kvm_gmem_aops = {
	.dirty_folio = noop_dirty_folio,
	.migrate_folio = kvm_gmem_migrate_folio,
	.release_folio = kvm_gmem_release_folio,
	.error_remove_page = kvm_gmem_error_remove_page,
	.free_folio = kvm_gmem_free_folio,
};
