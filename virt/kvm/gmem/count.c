// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much memory guest_memfd files hold, for those who size hosts.
 *
 * A page counts as private or shared by the state of its offset.  Pages come to
 * a file under the invalidate_lock held for read, leave it and change sides
 * under the lock held for write.
 */

#include <linux/mm.h>
#include <linux/pagevec.h>
#include <linux/seq_file.h>

#include "gmem.h"

/**
 * kvm_gmem_offset_is_private - what the state of an offset says
 * @gmem: the file
 * @index: offset in pages
 *
 * Context: the file's invalidate_lock.
 * Return: true if the offset is private, as all of a file without
 * GUEST_MEMFD_FLAG_MMAP are.
 */
bool kvm_gmem_offset_is_private(struct kvm_gmem *gmem, pgoff_t index)
{
	lockdep_assert_held(&gmem->mapping->invalidate_lock);

	return !kvm_gmem_is_mmap(gmem) ||
	       (kvm_attr_map_get(&gmem->state, index) &
		KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

/**
 * kvm_gmem_count_private - count private pages that come or go
 * @gmem: the file
 * @nr: pages, negative if they go
 *
 * Context: the file's invalidate_lock, or nobody else can reach the file.
 */
void kvm_gmem_count_private(struct kvm_gmem *gmem, long nr)
{
	atomic_long_add(nr, &gmem->nr_private);
	atomic64_add(nr, &gmem->kvm->stat.generic.gmem_private_pages);
}

/**
 * kvm_gmem_count_poison - count a page that has just been poisoned
 * @gmem: the file
 *
 * Context: Folio lock of the page.
 */
void kvm_gmem_count_poison(struct kvm_gmem *gmem)
{
	WRITE_ONCE(gmem->has_poison, true);
	atomic64_inc(&gmem->kvm->stat.generic.gmem_poisoned_pages);
}

static unsigned long kvm_gmem_nr_poisoned(struct folio *folio)
{
	unsigned long nr = 0;
	long i;

	for (i = 0; i < folio_nr_pages(folio); i++)
		nr += kvm_gmem_page_is_broken(folio, folio_page(folio, i));

	return nr;
}

static void kvm_gmem_add_leaked(struct kvm_gmem *gmem, unsigned long nr)
{
	gmem->nr_leaked += nr;
	atomic64_add(nr, &gmem->kvm->stat.generic.gmem_leaked_pages);
}

/**
 * kvm_gmem_count_quarantine - count a folio that the backend does not give back
 * @gmem: the file
 * @folio: its folio, about to leave it
 *
 * Poisoned pages are counted as such when they leave the file.
 *
 * Context: the file's invalidate_lock held for write, or nobody else can reach the
 * file.
 */
void kvm_gmem_count_quarantine(struct kvm_gmem *gmem, struct folio *folio)
{
	kvm_gmem_add_leaked(gmem, folio_nr_pages(folio) -
				  kvm_gmem_nr_poisoned(folio));
}

/**
 * kvm_gmem_count_leaks - count the poisoned pages of a range
 * @gmem: the file
 * @start: first offset in pages
 * @end: one past the last offset
 *
 * The page allocator keeps poisoned pages out for ever.  A page that is poisoned
 * at this moment may be missed.
 *
 * Context: the file's invalidate_lock held for write, or nobody else can reach the
 * file; may sleep.
 */
void kvm_gmem_count_leaks(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end)
{
	struct folio_batch fbatch;
	unsigned long nr = 0;
	unsigned int i;

	if (!READ_ONCE(gmem->has_poison))
		return;

	folio_batch_init(&fbatch);
	while (filemap_get_folios(gmem->mapping, &start, end - 1, &fbatch)) {
		for (i = 0; i < folio_batch_count(&fbatch); i++)
			nr += kvm_gmem_nr_poisoned(fbatch.folios[i]);
		folio_batch_release(&fbatch);
		cond_resched();
	}

	kvm_gmem_add_leaked(gmem, nr);
}

static void kvm_gmem_truncate_run(struct kvm_gmem *gmem, pgoff_t start,
				  pgoff_t end, bool is_private)
{
	unsigned long nr = gmem->mapping->nrpages;

	truncate_inode_pages_range(gmem->mapping, (loff_t)start << PAGE_SHIFT,
				   ((loff_t)end << PAGE_SHIFT) - 1);
	if (is_private)
		kvm_gmem_count_private(gmem, gmem->mapping->nrpages - nr);
}

/**
 * kvm_gmem_truncate - free the pages of a range of offsets
 * @gmem: the file
 * @start: first offset in pages
 * @end: one past the last offset
 *
 * Context: the file's invalidate_lock held for write; may sleep.
 */
void kvm_gmem_truncate(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end)
{
	unsigned long state;
	pgoff_t pos, run_end;

	lockdep_assert_held_write(&gmem->mapping->invalidate_lock);

	kvm_gmem_count_leaks(gmem, start, end);
	kvm_gmem_reclaim(gmem, start, end);
	for (pos = start; pos < end; pos = run_end) {
		run_end = kvm_attr_map_run_end(&gmem->state, pos, end, &state);
		kvm_gmem_truncate_run(gmem, pos, run_end,
				      kvm_gmem_offset_is_private(gmem, pos));
		cond_resched();
	}
}

/**
 * kvm_gmem_truncate_all - free all pages of a file that goes away
 * @gmem: the file, which nobody else can reach
 *
 * Context: May sleep.
 */
void kvm_gmem_truncate_all(struct kvm_gmem *gmem)
{
	kvm_gmem_count_leaks(gmem, 0, kvm_gmem_nr_pages(gmem));
	kvm_gmem_reclaim(gmem, 0, kvm_gmem_nr_pages(gmem));
	truncate_inode_pages_final(gmem->mapping);
	kvm_gmem_count_private(gmem, -atomic_long_read(&gmem->nr_private));
}

static void kvm_gmem_show_pages(struct seq_file *m, const char *name,
				unsigned long nr)
{
	seq_printf(m, "gmem_%s:\t%lu kB\n", name, nr << (PAGE_SHIFT - 10));
}

/**
 * kvm_gmem_show_fdinfo - what /proc/PID/fdinfo says of a file
 * @m: where to print
 * @file: the file
 *
 * Context: Takes the invalidate_lock; may sleep.
 */
void kvm_gmem_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct kvm_gmem *gmem = file->private_data;
	unsigned long nr_private, nr_pages, nr_leaked;

	/* Between the reads, pages can only come. */
	filemap_invalidate_lock_shared(gmem->mapping);
	nr_private = atomic_long_read(&gmem->nr_private);
	nr_pages = max(READ_ONCE(gmem->mapping->nrpages), nr_private);
	nr_leaked = gmem->nr_leaked;
	filemap_invalidate_unlock_shared(gmem->mapping);

	kvm_gmem_show_pages(m, "size", kvm_gmem_nr_pages(gmem));
	kvm_gmem_show_pages(m, "private", nr_private);
	kvm_gmem_show_pages(m, "shared", nr_pages - nr_private);
	kvm_gmem_show_pages(m, "leaked", nr_leaked);
}
