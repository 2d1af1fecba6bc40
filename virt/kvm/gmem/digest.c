// SPDX-License-Identifier: GPL-2.0-only
/*
 * The launch digest: SHA-384 over what the guest of a sealed VM starts with.
 *
 * The format is part of the ABI: Documentation/virt/kvm/gmem/api.rst.
 */

#include <crypto/hash.h>
#include <linux/highmem.h>
#include <linux/pagevec.h>
#include <linux/sched/signal.h>

#include "digest.h"
#include "gmem.h"

/**
 * struct kvm_digest - a digest to be
 * @desc: state of the hash
 * @error: what went wrong, 0 if nothing has
 */
struct kvm_digest {
	struct shash_desc *desc;
	int error;
};

/* What a record is about, its first 8 bytes */
enum kvm_digest_record {
	KVM_DIGEST_RANGE = 1,
	KVM_DIGEST_PAGE,
};

/**
 * kvm_digest_start - begin a digest
 *
 * Context: May sleep.
 * Return: the digest, to be freed by kvm_digest_free(), or an ERR_PTR() of -ENOENT if
 * the host has no such hash, or -ENOMEM.
 */
struct kvm_digest *kvm_digest_start(void)
{
	struct kvm_digest *digest;
	struct crypto_shash *tfm;

	tfm = crypto_alloc_shash("sha384", 0, 0);
	if (IS_ERR(tfm))
		return ERR_CAST(tfm);

	digest = kzalloc(sizeof(*digest), GFP_KERNEL);
	if (digest)
		digest->desc = kzalloc(sizeof(*digest->desc) +
				       crypto_shash_descsize(tfm), GFP_KERNEL);
	if (!digest || !digest->desc) {
		kfree(digest);
		crypto_free_shash(tfm);
		return ERR_PTR(-ENOMEM);
	}

	digest->desc->tfm = tfm;
	digest->error = crypto_shash_init(digest->desc);
	return digest;
}

/**
 * kvm_digest_add - add data to a digest
 * @digest: the digest
 * @data: the data
 * @len: bytes
 *
 * An error is kept for kvm_digest_finish().
 *
 * Context: May sleep.
 */
void kvm_digest_add(struct kvm_digest *digest, const void *data, unsigned int len)
{
	if (!digest->error)
		digest->error = crypto_shash_update(digest->desc, data, len);
}

/**
 * kvm_digest_finish - compute a digest, to which nothing is added any more
 * @digest: the digest
 * @result: where to store its KVM_LAUNCH_DIGEST_SIZE bytes
 *
 * Context: May sleep.
 * Return: 0, or an error of the hash.
 */
int kvm_digest_finish(struct kvm_digest *digest, u8 *result)
{
	return digest->error ?: crypto_shash_final(digest->desc, result);
}

/**
 * kvm_digest_free - free a digest, computed or not
 * @digest: the digest
 *
 * Context: May sleep.
 */
void kvm_digest_free(struct kvm_digest *digest)
{
	struct crypto_shash *tfm = digest->desc->tfm;

	kfree_sensitive(digest->desc);
	kfree(digest);
	crypto_free_shash(tfm);
}

static void kvm_digest_add_u64(struct kvm_digest *digest, u64 value)
{
	__le64 le = cpu_to_le64(value);

	kvm_digest_add(digest, &le, sizeof(le));
}

/* A page of zeroes is like no page. */
static int kvm_digest_page(struct kvm_digest *digest, gfn_t gfn, struct page *page)
{
	void *va;

	if (PageHWPoison(page))
		return -EHWPOISON;

	va = kmap_local_page(page);
	if (memchr_inv(va, 0, PAGE_SIZE)) {
		kvm_digest_add_u64(digest, KVM_DIGEST_PAGE);
		kvm_digest_add_u64(digest, gfn << PAGE_SHIFT);
		kvm_digest_add(digest, va, PAGE_SIZE);
	}
	kunmap_local(va);

	return digest->error;
}

/* What is not up to date yet will be zeroes. */
static int kvm_digest_folio(struct kvm_digest *digest,
			    const struct kvm_gmem_binding *binding,
			    struct folio *folio, pgoff_t start, pgoff_t end)
{
	pgoff_t index = max(start, folio->index);
	pgoff_t last = min(end, folio_next_index(folio));
	int r = 0;

	folio_lock(folio);
	if (!folio_test_uptodate(folio))
		last = index;
	for (; !r && index < last; index++)
		r = kvm_digest_page(digest, kvm_gmem_index_to_gfn(binding, index),
				    folio_file_page(folio, index));
	folio_unlock(folio);

	return r;
}

static int kvm_digest_pages(struct kvm_digest *digest,
			    const struct kvm_gmem_binding *binding,
			    pgoff_t start, pgoff_t end)
{
	struct folio_batch fbatch;
	pgoff_t pos = start;
	unsigned int i;
	int r = 0;

	folio_batch_init(&fbatch);
	while (!r && filemap_get_folios(binding->gmem->mapping, &pos, end - 1,
					&fbatch)) {
		if (fatal_signal_pending(current))
			r = -EINTR;
		for (i = 0; !r && i < folio_batch_count(&fbatch); i++)
			r = kvm_digest_folio(digest, binding, fbatch.folios[i],
					     start, end);
		folio_batch_release(&fbatch);
		cond_resched();
	}

	return r;
}

static int kvm_digest_slot(struct kvm *kvm, struct kvm_digest *digest,
			   const struct kvm_memory_slot *slot)
{
	const struct kvm_gmem_binding *binding = slot->gmem;
	gfn_t pos, end, slot_end = slot->base_gfn + slot->npages;
	unsigned long attrs;
	int r = 0;

	lockdep_assert_held(&kvm->slots_lock);

	if (!binding || !binding->gmem)
		return 0;

	for (pos = slot->base_gfn; !r && pos < slot_end; pos = end) {
		end = kvm_attr_map_run_end(&kvm->private_mem.attrs, pos, slot_end,
					   &attrs);
		if (!(attrs & KVM_MEMORY_ATTRIBUTE_PRIVATE))
			continue;

		kvm_digest_add_u64(digest, KVM_DIGEST_RANGE);
		kvm_digest_add_u64(digest, pos << PAGE_SHIFT);
		kvm_digest_add_u64(digest, end << PAGE_SHIFT);
		r = kvm_digest_pages(digest, binding,
				     kvm_gmem_gfn_to_index(binding, pos),
				     kvm_gmem_gfn_to_index(binding, end));
	}

	return r;
}

/**
 * kvm_digest_memory - measure what the guest owns when it starts
 * @kvm: a VM that is being sealed
 * @digest: the digest
 *
 * Context: slots_lock; may sleep.
 * Return: 0, -EHWPOISON if a page is poisoned, -EINTR if a fatal signal is pending,
 * or an error of the hash.
 */
int kvm_digest_memory(struct kvm *kvm, struct kvm_digest *digest)
{
	struct kvm_memslot_iter iter;
	int r = 0;

	lockdep_assert_held(&kvm->slots_lock);

	kvm_for_each_memslot_in_gfn_range(&iter, kvm_memslots(kvm), 0, ULONG_MAX) {
		r = kvm_digest_slot(kvm, digest, iter.slot);
		if (r)
			break;
		cond_resched();
	}

	return r ? r : digest->error;
}
