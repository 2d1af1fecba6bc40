// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contents that private memory has when the guest starts.
 *
 * A guest whose pages the host cannot write gets them from its backend, which
 * measures or encrypts what it copies from a page of the VMM.
 */

#include <linux/mm.h>

#include "gmem.h"
#include "owner.h"

/*
 * Others come to the page by its lock, and find it held afterwards.
 */
static int kvm_gmem_add_to_folio(const struct kvm_memory_slot *slot, gfn_t gfn,
				 struct folio *folio, struct page *source,
				 kvm_gmem_add_fn_t add, void *arg)
{
	pgoff_t index = kvm_gmem_gfn_to_index(slot->gmem, gfn);
	int r;

	if (kvm_gmem_is_held(folio))
		return -EEXIST;

	r = add(slot->gmem->kvm, gfn, page_to_pfn(folio_file_page(folio, index)),
		source, arg);
	if (r) {
		kvm_gmem_clear_folio(folio);
		return r;
	}

	kvm_gmem_set_held(folio);
	kvm_gmem_note_use(slot, gfn, folio);
	return 0;
}

static int kvm_gmem_add_to_slot(const struct kvm_memory_slot *slot, gfn_t gfn,
				struct page *source, kvm_gmem_add_fn_t add,
				void *arg)
{
	struct kvm_gmem *gmem = slot->gmem->gmem;
	struct folio *folio;
	int r;

	if (!gmem)
		return -EFAULT;

	filemap_invalidate_lock_shared(gmem->mapping);
	folio = kvm_gmem_get_folio(gmem, kvm_gmem_gfn_to_index(slot->gmem, gfn));
	if (IS_ERR(folio)) {
		r = PTR_ERR(folio);
	} else {
		r = kvm_gmem_add_to_folio(slot, gfn, folio, source, add, arg);
		folio_unlock(folio);
		folio_put(folio);
	}
	filemap_invalidate_unlock_shared(gmem->mapping);

	return r;
}

static int kvm_gmem_add_to_gfn(struct kvm *kvm, gfn_t gfn, struct page *source,
			       kvm_gmem_add_fn_t add, void *arg)
{
	const struct kvm_memory_slot *slot;

	lockdep_assert_held(&kvm->slots_lock);

	slot = gfn_to_memslot(kvm, gfn);
	if (!slot)
		return -EFAULT;
	if (!kvm_mem_is_private(kvm, gfn))
		return -EINVAL;

	return kvm_gmem_add_to_slot(slot, gfn, source, add, arg);
}

/**
 * kvm_gmem_add_page - put first contents into a page of private memory
 * @kvm: a VM whose backend prepares pages
 * @gfn: guest frame number
 * @uaddr: page of the current process that has the contents, 0 for none
 * @add: gives the page to the guest as the backend's prepare() does, with the
 *	contents.  Called with @kvm, @gfn, the page frame number, the pinned page at
 *	@uaddr or NULL, and @arg; may sleep.  Returns 0 or an errno, after which the
 *	page is the host's.
 * @arg: for @add
 *
 * The page is zeroed if @add fails.  A page at @uaddr that the VMM changes meanwhile
 * has any of its contents: @add must measure what it has copied.  Without @uaddr, @add
 * gets the page with what the VMM may have put there while it was shared.
 *
 * Context: Takes slots_lock and the file's invalidate_lock; may sleep.
 * Return: 0, what @add returned, or
 *
 * * -EEXIST if the backend holds the page already, because the guest has used it, or
 *   because it was added or converted before
 * * -EFAULT if there is no file at @gfn, or nothing that can be read at @uaddr
 * * -EHWPOISON if the page, or that at @uaddr, is poisoned
 * * -EINTR if a fatal signal came while that at @uaddr was brought in
 * * -EINVAL if @uaddr is not page aligned, or @gfn is not private
 * * -ENOMEM if there is no memory
 */
int kvm_gmem_add_page(struct kvm *kvm, gfn_t gfn, unsigned long uaddr,
		      kvm_gmem_add_fn_t add, void *arg)
{
	struct page *source = NULL;
	int r;

	if (WARN_ON_ONCE(!kvm_has_private_mem(kvm) || !kvm->private_mem.ops->prepare))
		return -EINVAL;
	if (!PAGE_ALIGNED(uaddr))
		return -EINVAL;

	/* Before any lock: the VMM may keep its page back. */
	if (uaddr) {
		r = pin_user_pages_fast(uaddr, 1, 0, &source);
		if (r != 1)
			return r < 0 ? r : -EFAULT;
	}

	mutex_lock(&kvm->slots_lock);
	r = kvm_gmem_add_to_gfn(kvm, gfn, source, add, arg);
	mutex_unlock(&kvm->slots_lock);

	if (source)
		unpin_user_page(source);
	return r;
}
