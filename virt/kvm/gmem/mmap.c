// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_memfd files in the address space of a host process.
 *
 * Only shared offsets can be touched.  A fault holds the invalidate_lock for
 * read while it looks at the state of the offset, and keeps the folio locked
 * until the page is mapped; a conversion holds the former for write, and waits
 * for the latter.
 */

#include <linux/mm.h>

#include "gmem.h"

static void kvm_gmem_assert_shared(struct kvm_gmem *gmem, pgoff_t index)
{
	if (IS_ENABLED(CONFIG_DEBUG_VM))
		WARN_ON_ONCE(kvm_gmem_gfn_is_private(gmem, index));
}

/*
 * Take the invalidate_lock.  A conversion may hold it for seconds: wait for it
 * without mmap_lock if the fault may start over, and give up on a fatal signal.
 */
static vm_fault_t kvm_gmem_lock_for_fault(struct vm_fault *vmf,
					  struct address_space *mapping)
{
	struct file *file;

	if (filemap_invalidate_trylock_shared(mapping))
		return 0;

	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;

	if (vmf->flags & FAULT_FLAG_ALLOW_RETRY) {
		file = get_file(vmf->vma->vm_file);
		mmap_read_unlock(vmf->vma->vm_mm);
		if (!down_read_killable(&mapping->invalidate_lock))
			filemap_invalidate_unlock_shared(mapping);
		fput(file);
		return VM_FAULT_RETRY;
	}

	/* Who is about to be killed does not care for the reason. */
	if (down_read_killable(&mapping->invalidate_lock))
		return VM_FAULT_SIGBUS;

	return 0;
}

static struct folio *kvm_gmem_get_shared_folio(struct kvm_gmem *gmem,
					       pgoff_t index)
{
	lockdep_assert_held(&gmem->mapping->invalidate_lock);

	if (index < kvm_gmem_nr_pages(gmem) &&
	    !kvm_gmem_offset_is_private(gmem, index)) {
		kvm_gmem_assert_shared(gmem, index);
		return kvm_gmem_get_folio(gmem, index);
	}

	return ERR_PTR(-EFAULT);
}

static vm_fault_t kvm_gmem_fault(struct vm_fault *vmf)
{
	struct kvm_gmem *gmem = vmf->vma->vm_file->private_data;
	struct folio *folio;
	vm_fault_t r;

	r = kvm_gmem_lock_for_fault(vmf, gmem->mapping);
	if (r)
		return r;

	folio = kvm_gmem_get_shared_folio(gmem, vmf->pgoff);
	filemap_invalidate_unlock_shared(gmem->mapping);
	if (folio == ERR_PTR(-EHWPOISON))
		return VM_FAULT_HWPOISON;
	if (IS_ERR(folio))
		return vmf_error(PTR_ERR(folio));

	vmf->page = folio_file_page(folio, vmf->pgoff);
	return VM_FAULT_LOCKED;
}

static __maybe_unused int kvm_gmem_set_policy(struct vm_area_struct *vma,
					      struct mempolicy *new)
{
	struct kvm_gmem *gmem = vma->vm_file->private_data;

	return gmem_policy_set(&gmem->policy, vma, new);
}

static __maybe_unused struct mempolicy *
kvm_gmem_get_policy(struct vm_area_struct *vma, unsigned long addr)
{
	struct kvm_gmem *gmem = vma->vm_file->private_data;

	return gmem_policy_get(&gmem->policy, vma, addr);
}

static const struct vm_operations_struct kvm_gmem_vm_ops = {
	.fault = kvm_gmem_fault,
	GMEM_POLICY_VM_OPS(kvm_gmem_set_policy, kvm_gmem_get_policy)
};

/**
 * kvm_gmem_mmap - map a guest_memfd file
 * @file: the file
 * @vma: where to
 *
 * Context: mmap_lock held for write.
 * Return: 0, or
 *
 * * -ENODEV if the file was created without GUEST_MEMFD_FLAG_MMAP
 * * -EINVAL if the mapping is not shared
 */
int kvm_gmem_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (!kvm_gmem_is_mmap(file->private_data))
		return -ENODEV;

	if ((vma->vm_flags & (VM_SHARED | VM_MAYSHARE)) !=
	    (VM_SHARED | VM_MAYSHARE))
		return -EINVAL;

	vma->vm_ops = &kvm_gmem_vm_ops;
	return 0;
}
