// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_memfd: files that back guest memory.
 *
 * A file belongs to one VM, pins it, and is bound to memslots of that VM.  Its
 * size is constant.
 *
 * Owns struct kvm_gmem.  Calls whoever does what an operation is about: folio.c to
 * allocate, reclaim.c to punch and close, convert.c to convert, mmap.c, count.c.  Of
 * those, nobody calls back.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/gmem_fs.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "gmem.h"

static long kvm_gmem_preallocate(struct kvm_gmem *gmem, pgoff_t start,
				 pgoff_t end)
{
	int r;

	while (start < end) {
		if (signal_pending(current))
			return -EINTR;

		/* Page by page, so that conversions and guests need not wait. */
		r = kvm_gmem_fault_in(gmem, start, &start);
		if (r)
			return r;
		cond_resched();
	}

	return 0;
}

static long kvm_gmem_fallocate(struct file *file, int mode, loff_t offset,
			       loff_t len)
{
	struct kvm_gmem *gmem = file->private_data;
	pgoff_t size = kvm_gmem_nr_pages(gmem);
	pgoff_t start = offset >> PAGE_SHIFT;
	pgoff_t end = (offset + len) >> PAGE_SHIFT;

	if (!(mode & FALLOC_FL_KEEP_SIZE) ||
	    (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)))
		return -EOPNOTSUPP;

	if (!PAGE_ALIGNED(offset) || !PAGE_ALIGNED(len))
		return -EINVAL;

	if (mode & FALLOC_FL_PUNCH_HOLE) {
		end = min(end, size);
		return start < end ? kvm_gmem_punch(gmem, start, end) : 0;
	}

	if (end > size)
		return -EINVAL;

	return kvm_gmem_preallocate(gmem, start, end);
}

static const struct gmem_file_ops kvm_gmem_file_ops;

/*
 * To close a file takes slots_lock and waits for kvm->srcu, both of which the VMM
 * can keep busy for as long as it likes, as by memory that a FUSE server never
 * supplies.  Hence only the VMM itself waits, also while it exits, so that its
 * memory is free when it is gone.  A VMM that has gone keeps nothing busy.
 */
static bool kvm_gmem_may_wait(const struct kvm_gmem *gmem)
{
	const struct mm_struct *mm = gmem->kvm->mm;

	if (current->flags & PF_KTHREAD)
		return false;

	return current->mm == mm || !atomic_read(&mm->mm_users);
}

static void kvm_gmem_free_file(struct address_space *mapping)
{
	struct kvm_gmem *gmem = mapping->private_data;
	struct kvm *kvm = gmem->kvm;

	kvm_gmem_close(gmem);
	gmem_fs_release(mapping);
	gmem_policy_destroy(&gmem->policy);
	kvm_attr_map_destroy(&gmem->state);
	kfree(gmem);
	kvm_put_kvm(kvm);
}

static int kvm_gmem_release(struct inode *inode, struct file *file)
{
	struct kvm_gmem *gmem = file->private_data;

	if (kvm_gmem_may_wait(gmem))
		kvm_gmem_free_file(gmem->mapping);
	else
		gmem_fs_close_later(&gmem->kvm->private_mem.closer,
				    &gmem->closing, inode, &kvm_gmem_file_ops);
	return 0;
}

static long kvm_gmem_set_attributes(struct kvm_gmem *gmem,
				    struct kvm_memory_attributes2 *attrs)
{
	pgoff_t start = attrs->offset >> PAGE_SHIFT;
	pgoff_t error_index = start;
	pgoff_t end;
	int r;

	if (attrs->flags ||
	    memchr_inv(attrs->reserved, 0, sizeof(attrs->reserved)))
		return -EINVAL;
	if (!kvm_has_private_mem(gmem->kvm) || !kvm_gmem_is_mmap(gmem))
		return -EINVAL;
	if (attrs->attributes & ~KVM_MEMORY_ATTRIBUTE_PRIVATE)
		return -EINVAL;
	if (!kvm_gmem_range_valid(attrs->offset, attrs->size))
		return -EINVAL;

	end = (attrs->offset + attrs->size) >> PAGE_SHIFT;
	if (end > kvm_gmem_nr_pages(gmem))
		return -EINVAL;

	r = kvm_convert_file(gmem, start, end, attrs->attributes, &error_index);
	if (r)
		attrs->error_offset = (u64)error_index << PAGE_SHIFT;
	return r;
}

static long kvm_gmem_ioctl(struct file *file, unsigned int ioctl,
			   unsigned long arg)
{
	struct kvm_memory_attributes2 __user *argp = (void __user *)arg;
	struct kvm_gmem *gmem = file->private_data;
	struct kvm_memory_attributes2 attrs;
	long r;

	if (ioctl != KVM_SET_MEMORY_ATTRIBUTES2)
		return -ENOTTY;

	if (gmem->kvm->mm != current->mm || gmem->kvm->vm_dead)
		return -EIO;

	if (copy_from_user(&attrs, argp, sizeof(attrs)))
		return -EFAULT;

	r = kvm_gmem_set_attributes(gmem, &attrs);
	if (r && put_user(attrs.error_offset, &argp->error_offset))
		return -EFAULT;
	return r;
}

static const struct file_operations kvm_gmem_fops = {
	.owner = THIS_MODULE,
	.release = kvm_gmem_release,
	.mmap = kvm_gmem_mmap,
	.fallocate = kvm_gmem_fallocate,
	.unlocked_ioctl = kvm_gmem_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = kvm_gmem_show_fdinfo,
};

static const struct gmem_file_ops kvm_gmem_file_ops = {
	.fops = &kvm_gmem_fops,
	.aops = &kvm_gmem_aops,
	.close = kvm_gmem_free_file,
};

/**
 * kvm_gmem_valid_flags - flags that KVM_CREATE_GUEST_MEMFD accepts
 * @kvm: the VM, or NULL to ask for the host
 *
 * Context: Any.
 * Return: a mask of GUEST_MEMFD_FLAG_*.
 */
u64 kvm_gmem_valid_flags(struct kvm *kvm)
{
	return GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED;
}

static struct kvm_gmem *kvm_gmem_alloc(struct kvm *kvm, u64 flags)
{
	struct kvm_gmem *gmem = kzalloc(sizeof(*gmem), GFP_KERNEL_ACCOUNT);

	if (!gmem)
		return NULL;

	gmem->kvm = kvm;
	gmem->flags = flags;
	gmem->bindings = RB_ROOT_CACHED;
	gmem->past = RB_ROOT_CACHED;
	spin_lock_init(&gmem->bindings_lock);
	gmem_policy_init(&gmem->policy);
	kvm_attr_map_init(&gmem->state, flags & GUEST_MEMFD_FLAG_INIT_SHARED ?
			  0 : KVM_MEMORY_ATTRIBUTE_PRIVATE);
	return gmem;
}

static struct file *kvm_gmem_create_file(struct kvm *kvm, loff_t size, u64 flags)
{
	struct kvm_gmem *gmem = kvm_gmem_alloc(kvm, flags);
	struct file *file;

	if (!gmem)
		return ERR_PTR(-ENOMEM);

	file = gmem_fs_create_file(&kvm_gmem_file_ops, size, gmem);
	if (IS_ERR(file)) {
		kfree(gmem);
		return file;
	}

	gmem->mapping = file->f_mapping;
	gmem->mapping->private_data = gmem;
	kvm_get_kvm(kvm);
	return file;
}

/**
 * kvm_gmem_create - KVM_CREATE_GUEST_MEMFD
 * @kvm: the VM
 * @argp: the argument, in user memory
 *
 * Context: May sleep.
 * Return: a file descriptor, or
 *
 * * -EFAULT if @argp cannot be read
 * * -EINVAL if a flag is unknown, or if the size is not positive or not a
 *   multiple of the page size
 * * -EMFILE, -ENFILE or -ENOMEM for lack of resources
 * * what a security module answers
 */
int kvm_gmem_create(struct kvm *kvm, struct kvm_create_guest_memfd __user *argp)
{
	struct kvm_create_guest_memfd args;
	struct file *file;
	loff_t size;
	int fd;

	if (copy_from_user(&args, argp, sizeof(args)))
		return -EFAULT;

	size = args.size;
	if (args.flags & ~kvm_gmem_valid_flags(kvm))
		return -EINVAL;
	if (size <= 0 || !PAGE_ALIGNED(size))
		return -EINVAL;

	fd = get_unused_fd_flags(0);
	if (fd < 0)
		return fd;

	file = kvm_gmem_create_file(kvm, size, args.flags);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}

	fd_install(fd, file);
	return fd;
}

/**
 * kvm_gmem_from_file - the guest_memfd behind a file
 * @file: any file
 *
 * Context: Any.
 * Return: the guest_memfd, NULL if @file is something else.
 */
struct kvm_gmem *kvm_gmem_from_file(struct file *file)
{
	return file->f_op == &kvm_gmem_fops ? file->private_data : NULL;
}
