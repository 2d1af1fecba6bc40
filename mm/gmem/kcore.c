// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/kcore and the pages of guest_memfd files.
 *
 * Root reads the direct map there, without any lock on what the pages are used
 * for.  Pages of guest_memfd files are in the direct map, and read as zeroes.
 *
 * A page is copied first, and judged by what it is afterwards.  A reference
 * would keep it from changing in between, but conversions fail when pages have
 * references, and not all pages can be referenced.  So files count the pages
 * that they give back: what was theirs while it was copied, and is not when it
 * is judged, has been counted.
 */

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/gmem_kcore.h>
#include <linux/hash.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define WIPED_BITS	8

/* Pages that were wiped, by hash of the pfn so that few readers must retry */
static atomic_t gmem_wiped[1 << WIPED_BITS];

/* Held while a copy has not been judged: no reader sees one of another. */
static DEFINE_SPINLOCK(gmem_kcore_lock);

static atomic_t *gmem_wiped_count(struct page *page)
{
	return &gmem_wiped[hash_long(page_to_pfn(page), WIPED_BITS)];
}

/*
 * Any page can be asked about, and it can be freed and used for something else
 * at any moment.  What looks like a pointer to a mapping may not be one.
 */
static bool gmem_kcore_mapping(const struct address_space *mapping)
{
	struct super_block *sb;
	struct inode *inode;
	unsigned long magic;

	if ((unsigned long)mapping & PAGE_MAPPING_FLAGS)
		return false;

	return !get_kernel_nofault(inode, &mapping->host) &&
	       !get_kernel_nofault(sb, &inode->i_sb) &&
	       !get_kernel_nofault(magic, &sb->s_magic) &&
	       magic == GUEST_MEMFD_MAGIC;
}

/*
 * Does a guest_memfd file have this page, or may it have had it and not have
 * wiped it yet?  Pages lose their mapping first.  They stay up to date until
 * they are freed, which hardly any other page without a mapping is.
 */
static bool gmem_kcore_hides(struct page *page)
{
	struct folio *folio = page_folio(page);
	struct address_space *mapping = READ_ONCE(folio->mapping);

	if (!mapping)
		return test_bit(PG_uptodate, &folio->flags);

	return !test_bit(PG_slab, &folio->flags) && gmem_kcore_mapping(mapping);
}

static int gmem_kcore_try_copy(void *dst, const void *src, size_t size,
			       struct page *page)
{
	atomic_t *wiped = gmem_wiped_count(page);
	int before, r;

	do {
		/* Pairs with gmem_kcore_note_wiped(): counted is wiped. */
		before = atomic_read_acquire(wiped);
		r = copy_from_kernel_nofault(dst, src, size);
		/* Judge what was copied ... */
		smp_rmb();
		if (r || gmem_kcore_hides(page))
			return -EFAULT;
		/* ... unless the page was given back in the meantime. */
		smp_rmb();
	} while (atomic_read(wiped) != before);

	return 0;
}

/**
 * gmem_kcore_copy - copy from the direct map, except from guest_memfd files
 * @dst: where to copy to
 * @src: address in the direct map, within one page
 * @size: number of bytes
 * @page: page of @src, online
 *
 * All pages of such files are kept back, shared ones included: nobody debugs a
 * kernel by a guest's memory.  Other aliases of a page than that in the direct
 * map are not looked at; the files make none.
 *
 * Context: May sleep.
 * Return: 0, or -EFAULT with zeroes at @dst if @src cannot be read, if it
 * belongs to such a file, or if there is no memory.
 */
int gmem_kcore_copy(void *dst, const void *src, size_t size, struct page *page)
{
	/* Readers of the same open file share @dst. */
	void *copy = (void *)__get_free_page(GFP_KERNEL);
	int r = -EFAULT;

	if (copy) {
		spin_lock(&gmem_kcore_lock);
		r = gmem_kcore_try_copy(copy, src, size, page);
		if (r)
			memset(copy, 0, size);
		spin_unlock(&gmem_kcore_lock);
	}

	if (r)
		memset(dst, 0, size);
	else
		memcpy(dst, copy, size);
	free_page((unsigned long)copy);

	return r;
}

/**
 * gmem_kcore_note_wiped - announce that a folio is no longer private
 * @folio: folio that has left a guest_memfd file and has been wiped, and that
 *	the caller has a reference to
 *
 * Context: Any.
 */
void gmem_kcore_note_wiped(struct folio *folio)
{
	long i;

	/*
	 * Fully ordered: after the page was wiped, and before it is freed.
	 * Pairs with gmem_kcore_try_copy().
	 */
	for (i = 0; i < folio_nr_pages(folio); i++)
		atomic_inc_return(gmem_wiped_count(folio_page(folio, i)));
}
EXPORT_SYMBOL_GPL(gmem_kcore_note_wiped);
