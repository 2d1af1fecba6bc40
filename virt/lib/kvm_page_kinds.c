// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device for tests of KVM: memory of every kind that a driver may map into
 * userspace, and hence a VMM into a guest.  See kvm_page_kinds_uapi.h.
 */
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/page_ref.h>
#include <linux/pfn_t.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "kvm_page_kinds_setup.h"

#define NOT_FROZEN	(-1)

/* An open file */
struct page_kinds {
	/*
	 * Nests inside mmap_lock.  A fault handler holds it for reading from
	 * the check of @revoked and @frozen until the page is mapped.
	 */
	struct rw_semaphore lock;
	bool revoked;		/* protected by @lock */
	int frozen;		/* protected by @lock; index of a page */

	bool set_up;		/* written under @lock; then the rest is final */
	struct kvm_pk_setup setup;
	struct page **pages;	/* NULL for KVM_PK_PHYS */
	DECLARE_BITMAP(asked, 1 << KVM_PK_MAX_ORDER);	/* see KVM_PK_WAS_ASKED */
	pgoff_t base;		/* of this file's range in the device's mapping */
};

/* All files share the mapping of the inode: give each a range of its own. */
static atomic_t last_range = ATOMIC_INIT(0);

static bool is_set_up(const struct page_kinds *pk)
{
	/* Pairs with set_up_locked(). */
	return smp_load_acquire(&pk->set_up);
}

static unsigned long pfn_of(const struct page_kinds *pk, unsigned int i)
{
	if (!pk->pages)
		return PHYS_PFN(pk->setup.phys) + i;
	return page_to_pfn(pk->pages[i]);
}

static int alloc_block(const struct kvm_pk_setup *setup, struct page **pages)
{
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN;
	struct page *block;
	unsigned int i;

	if (setup->kind == KVM_PK_COMPOUND)
		gfp |= __GFP_COMP;
	block = alloc_pages(gfp, setup->order);
	if (!block)
		return -ENOMEM;
	for (i = 0; i < nr_pages(setup); i++)
		pages[i] = block + i;
	return 0;
}

static int alloc_singles(const struct kvm_pk_setup *setup, struct page **pages)
{
	unsigned int i;

	for (i = 0; i < nr_pages(setup); i++) {
		pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!pages[i]) {
			while (i--)
				__free_page(pages[i]);
			return -ENOMEM;
		}
	}
	return 0;
}

static int alloc_kind(struct page_kinds *pk, const struct kvm_pk_setup *setup)
{
	bool reserved = setup->kind == KVM_PK_RESERVED ||
			setup->kind == KVM_PK_RESERVED_BLOCK;
	struct page **pages;
	unsigned int i;
	int ret;

	if (setup->kind == KVM_PK_PHYS)
		return 0;
	pages = kcalloc(nr_pages(setup), sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	ret = is_one_block(setup) ? alloc_block(setup, pages) : alloc_singles(setup, pages);
	if (ret) {
		kfree(pages);
		return ret;
	}
	for (i = 0; i < nr_pages(setup) && reserved; i++)
		SetPageReserved(pages[i]);
	pk->pages = pages;
	return 0;
}

static void free_kind(struct page_kinds *pk)
{
	unsigned int i;

	if (!pk->pages)
		return;
	for (i = 0; i < nr_pages(&pk->setup); i++) {
		if (PageReserved(pk->pages[i]))
			ClearPageReserved(pk->pages[i]);
		if (!is_one_block(&pk->setup))
			__free_page(pk->pages[i]);
	}
	if (is_one_block(&pk->setup))
		__free_pages(pk->pages[0], pk->setup.order);
	kfree(pk->pages);
}

static int set_up_locked(struct page_kinds *pk, const struct kvm_pk_setup *setup)
{
	int ret;

	lockdep_assert_held_write(&pk->lock);

	if (pk->set_up)
		return -EBUSY;
	ret = alloc_kind(pk, setup);
	if (ret)
		return ret;
	pk->setup = *setup;
	pk->base = (pgoff_t)(u32)atomic_inc_return(&last_range) << KVM_PK_MAX_ORDER;
	/* Pairs with is_set_up(). */
	smp_store_release(&pk->set_up, true);
	return 0;
}

static long ioctl_setup(struct page_kinds *pk, const void __user *arg)
{
	struct kvm_pk_setup setup;
	int ret;

	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	ret = check_setup(&setup);
	if (ret)
		return ret;
	down_write(&pk->lock);
	ret = set_up_locked(pk, &setup);
	up_write(&pk->lock);
	return ret;
}

static void describe_page(struct page *page, struct kvm_pk_page *info)
{
	info->flags = KVM_PK_HAS_PAGE;
	if (PageDirty(page))
		info->flags |= KVM_PK_IS_DIRTY;
	if (PageReferenced(page))
		info->flags |= KVM_PK_IS_REFERENCED;
	if (PageReserved(page))
		info->flags |= KVM_PK_IS_RESERVED;
	if (PageTail(page))
		info->flags |= KVM_PK_IS_TAIL;
	info->count = page_ref_count(page);
	info->head_count = page_count(page);
}

static long ioctl_query(const struct page_kinds *pk, void __user *arg)
{
	struct kvm_pk_page info, in;

	if (copy_from_user(&in, arg, sizeof(in)))
		return -EFAULT;
	if (in.index >= nr_pages(&pk->setup))
		return -EINVAL;
	info = (struct kvm_pk_page){ .index = in.index, .pfn = pfn_of(pk, in.index) };
	if (pk->pages)
		describe_page(pk->pages[in.index], &info);
	if (test_bit(in.index, pk->asked))
		info.flags |= KVM_PK_WAS_ASKED;
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long ioctl_revoke(struct page_kinds *pk, struct address_space *mapping)
{
	down_write(&pk->lock);
	pk->revoked = true;
	up_write(&pk->lock);
	/* Faults that came first have mapped their page, others will see it. */
	unmap_mapping_pages(mapping, pk->base, nr_pages(&pk->setup), true);
	return 0;
}

static long ioctl_freeze(struct page_kinds *pk, unsigned long index)
{
	long ret = 0;

	if (pk->setup.kind != KVM_PK_SINGLE || index >= nr_pages(&pk->setup))
		return -EINVAL;
	down_write(&pk->lock);
	if (pk->frozen != NOT_FROZEN || !page_ref_freeze(pk->pages[index], 1))
		ret = -EBUSY;
	else
		pk->frozen = index;
	up_write(&pk->lock);
	return ret;
}

static long ioctl_thaw(struct page_kinds *pk)
{
	long ret = -ENOENT;

	down_write(&pk->lock);
	if (pk->frozen != NOT_FROZEN) {
		page_ref_unfreeze(pk->pages[pk->frozen], 1);
		pk->frozen = NOT_FROZEN;
		ret = 0;
	}
	up_write(&pk->lock);
	return ret;
}

static long page_kinds_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct page_kinds *pk = file->private_data;

	if (cmd == KVM_PK_SETUP)
		return ioctl_setup(pk, (const void __user *)arg);
	if (!is_set_up(pk))
		return -ENXIO;

	switch (cmd) {
	case KVM_PK_QUERY:
		return ioctl_query(pk, (void __user *)arg);
	case KVM_PK_REVOKE:
		return ioctl_revoke(pk, file->f_mapping);
	case KVM_PK_FREEZE:
		return ioctl_freeze(pk, arg);
	case KVM_PK_THAW:
		return ioctl_thaw(pk);
	}
	return -ENOTTY;
}

/* The kernel's mapping of the page at @pos, and how much of @len is in it */
static u8 *get_kernel_page(const struct page_kinds *pk, loff_t pos, size_t *len)
{
	unsigned long i = pos >> PAGE_SHIFT;

	*len = min_t(size_t, *len, PAGE_SIZE - offset_in_page(pos));
	if (pk->pages)
		return page_address(pk->pages[i]);
	return memremap(PFN_PHYS(pfn_of(pk, i)), PAGE_SIZE, MEMREMAP_WB);
}

static void put_kernel_page(const struct page_kinds *pk, u8 *kaddr)
{
	if (!pk->pages)
		memunmap(kaddr);
}

static bool is_inside(const struct page_kinds *pk, loff_t pos)
{
	return pos < (loff_t)nr_pages(&pk->setup) << PAGE_SHIFT;
}

/* To or from userspace, whichever is not NULL. ENOSPC: behind the last page */
static ssize_t copy_to_or_from(struct file *file, char __user *to,
			       const char __user *from, size_t len, loff_t *pos)
{
	struct page_kinds *pk = file->private_data;
	unsigned long left;
	u8 *kaddr;

	if (!is_set_up(pk))
		return -ENXIO;
	if (!is_inside(pk, *pos))
		return to ? 0 : -ENOSPC;
	kaddr = get_kernel_page(pk, *pos, &len);
	if (!kaddr)
		return -ENOMEM;
	left = to ? copy_to_user(to, kaddr + offset_in_page(*pos), len) :
		    copy_from_user(kaddr + offset_in_page(*pos), from, len);
	put_kernel_page(pk, kaddr);
	if (left)
		return -EFAULT;
	*pos += len;
	return len;
}

static ssize_t page_kinds_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	return copy_to_or_from(file, buf, NULL, len, pos);
}

static ssize_t page_kinds_write(struct file *file, const char __user *buf, size_t len,
				loff_t *pos)
{
	return copy_to_or_from(file, NULL, buf, len, pos);
}

static vm_fault_t insert_locked(struct page_kinds *pk, struct vm_fault *vmf)
{
	unsigned int i = vmf->pgoff - pk->base;
	unsigned long pfn = pfn_of(pk, i);

	lockdep_assert_held(&pk->lock);

	if (pk->revoked)
		return VM_FAULT_SIGBUS;

	switch (pk->setup.map) {
	case KVM_PK_MAP_PFN:
		return vmf_insert_pfn(vmf->vma, vmf->address, pfn);
	case KVM_PK_MAP_MIXED:
		return vmf_insert_mixed(vmf->vma, vmf->address, __pfn_to_pfn_t(pfn, PFN_DEV));
	case KVM_PK_MAP_PAGE:
		/* A frozen page has no count to add to. */
		if (i == pk->frozen)
			return VM_FAULT_SIGBUS;
		return vmf_insert_page(vmf->vma, vmf->address, pk->pages[i]);
	}
	/* mmap() has mapped all that there is. */
	return VM_FAULT_SIGBUS;
}

static vm_fault_t page_kinds_fault(struct vm_fault *vmf)
{
	struct page_kinds *pk = vmf->vma->vm_file->private_data;
	vm_fault_t ret;

	down_read(&pk->lock);
	ret = insert_locked(pk, vmf);
	up_read(&pk->lock);
	return ret;
}

static const struct vm_operations_struct page_kinds_vm_ops = {
	.fault = page_kinds_fault,
};

static vm_fault_t page_kinds_mkwrite(struct vm_fault *vmf)
{
	struct page_kinds *pk = vmf->vma->vm_file->private_data;

	set_bit(vmf->pgoff - pk->base, pk->asked);
	/* Neither an error nor a writable page: the access starts over. */
	return pk->setup.flags & KVM_PK_STUBBORN ? VM_FAULT_NOPAGE : 0;
}

static const struct vm_operations_struct page_kinds_notify_ops = {
	.fault = page_kinds_fault,
	.pfn_mkwrite = page_kinds_mkwrite,
};

static int remap_all(struct page_kinds *pk, struct vm_area_struct *vma, unsigned int first)
{
	unsigned long step = is_contiguous(&pk->setup) ? vma->vm_end - vma->vm_start : PAGE_SIZE;
	unsigned long addr;
	int ret = 0;

	for (addr = vma->vm_start; !ret && addr < vma->vm_end; addr += step)
		ret = remap_pfn_range(vma, addr, pfn_of(pk, first++), step, vma->vm_page_prot);
	return ret;
}

static int map_locked(struct page_kinds *pk, struct vm_area_struct *vma)
{
	unsigned int first = vma->vm_pgoff;

	lockdep_assert_held(&pk->lock);

	if (pk->revoked)
		return -ENODEV;
	vma->vm_ops = pk->setup.flags & KVM_PK_NOTIFY ? &page_kinds_notify_ops :
							&page_kinds_vm_ops;
	vma->vm_pgoff += pk->base;
	vma->vm_flags |= VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY;
	if (pk->setup.flags & KVM_PK_READONLY)
		vma->vm_flags &= ~VM_MAYWRITE;
	if (pk->setup.flags & KVM_PK_IO)
		vma->vm_flags |= VM_IO;

	switch (pk->setup.map) {
	case KVM_PK_MAP_REMAP:
		return remap_all(pk, vma, first);
	case KVM_PK_MAP_PFN:
		vma->vm_flags |= VM_IO | VM_PFNMAP;
		return 0;
	}
	vma->vm_flags |= VM_MIXEDMAP;
	return 0;
}

/*
 * EINVAL: a private mapping, unless KVM_PK_PRIVATE, or one that reaches beyond
 * the last page. EACCES: a writable one of KVM_PK_READONLY. ENODEV: after
 * KVM_PK_REVOKE.
 */
static int page_kinds_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct page_kinds *pk = file->private_data;
	bool shared = vma->vm_flags & VM_SHARED;
	unsigned int nr;
	int ret;

	if (!is_set_up(pk))
		return -ENXIO;
	nr = nr_pages(&pk->setup);
	if (shared == !!(pk->setup.flags & KVM_PK_PRIVATE) || vma->vm_pgoff > nr ||
	    vma_pages(vma) > nr - vma->vm_pgoff)
		return -EINVAL;
	if (vma->vm_flags & VM_WRITE && pk->setup.flags & KVM_PK_READONLY)
		return -EACCES;
	down_read(&pk->lock);
	ret = map_locked(pk, vma);
	up_read(&pk->lock);
	return ret;
}

static int page_kinds_open(struct inode *inode, struct file *file)
{
	struct page_kinds *pk = kzalloc(sizeof(*pk), GFP_KERNEL);

	if (!pk)
		return -ENOMEM;
	init_rwsem(&pk->lock);
	pk->frozen = NOT_FROZEN;
	file->private_data = pk;
	return 0;
}

static int page_kinds_release(struct inode *inode, struct file *file)
{
	struct page_kinds *pk = file->private_data;

	ioctl_thaw(pk);
	free_kind(pk);
	kfree(pk);
	return 0;
}

static const struct file_operations page_kinds_fops = {
	.owner = THIS_MODULE,
	.open = page_kinds_open,
	.release = page_kinds_release,
	.unlocked_ioctl = page_kinds_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = page_kinds_read,
	.write = page_kinds_write,
	.llseek = default_llseek,
	.mmap = page_kinds_mmap,
};

static struct miscdevice page_kinds_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kvm_page_kinds",
	.fops = &page_kinds_fops,
	.mode = 0600,
};
module_misc_device(page_kinds_device);

MODULE_DESCRIPTION("Memory of every kind for tests of KVM, not for production");
MODULE_LICENSE("GPL");
