// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pseudo filesystem of guest_memfd files.
 *
 * It is built in even if KVM is a module: the VFS calls back into a
 * filesystem, its superblock, its mount and its inodes after the last reference
 * to the owner of the file operations has been dropped: a descriptor opened with
 * O_PATH holds the inode.  The operations that live in the module run only while
 * the file is open, or while a worker that pins their owner closes it.
 */

#include <linux/gmem_fs.h>
#include <linux/init.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>
#include <linux/security.h>
#include <linux/swap.h>

#define GMEM_FS_CLASS	"[kvm-gmem]"

static struct vfsmount *gmem_mnt;
static struct workqueue_struct *gmem_close_wq;

static int gmem_fs_init_context(struct fs_context *fc)
{
	return init_pseudo(fc, GUEST_MEMFD_MAGIC) ? 0 : -ENOMEM;
}

static struct file_system_type gmem_fs_type = {
	.name = "guest_memfd",
	.init_fs_context = gmem_fs_init_context,
	.kill_sb = kill_anon_super,
};

static int gmem_fs_setattr(struct user_namespace *mnt_userns,
			   struct dentry *dentry, struct iattr *attr)
{
	return -EINVAL;
}

static int gmem_fs_getattr(struct user_namespace *mnt_userns,
			   const struct path *path, struct kstat *stat,
			   u32 request_mask, unsigned int query_flags)
{
	generic_fillattr(&init_user_ns, d_inode(path->dentry), stat);
	return 0;
}

static const struct inode_operations gmem_fs_iops = {
	.setattr = gmem_fs_setattr,
	.getattr = gmem_fs_getattr,
};

static struct inode *gmem_fs_new_inode(const struct gmem_file_ops *ops,
				       loff_t size)
{
	const struct qstr class = QSTR_INIT(GMEM_FS_CLASS,
					    sizeof(GMEM_FS_CLASS) - 1);
	struct inode *inode;
	int r;

	/* Pseudo inodes are on no list of the superblock: drop_caches skips them. */
	inode = new_inode_pseudo(gmem_mnt->mnt_sb);
	if (!inode)
		return ERR_PTR(-ENOMEM);

	r = security_inode_init_security_anon(inode, &class, NULL);
	if (r) {
		iput(inode);
		return ERR_PTR(r);
	}

	inode->i_ino = get_next_ino();
	inode->i_mode = S_IFREG | 0600;
	inode->i_uid = current_fsuid();
	inode->i_gid = current_fsgid();
	inode->i_atime = current_time(inode);
	inode->i_mtime = inode->i_atime;
	inode->i_ctime = inode->i_atime;
	inode->i_size = size;
	inode->i_op = &gmem_fs_iops;
	inode->i_mapping->a_ops = ops->aops;
	mapping_set_gfp_mask(inode->i_mapping, GFP_HIGHUSER);
	mapping_set_unevictable(inode->i_mapping);

	return inode;
}

/**
 * gmem_fs_create_file - create a file of the guest_memfd filesystem
 * @ops: its operations
 * @size: its size in bytes, a multiple of the page size
 * @private: private_data of the file
 *
 * Pages of the file are never evicted.
 *
 * Context: May sleep.
 * Return: the open file, or an ERR_PTR() of
 *
 * * -ENOMEM or -ENFILE if there is no memory or no room for another file
 * * what a security module answers, -EACCES for most
 */
struct file *gmem_fs_create_file(const struct gmem_file_ops *ops, loff_t size,
				 void *private)
{
	struct inode *inode;
	struct file *file;

	inode = gmem_fs_new_inode(ops, size);
	if (IS_ERR(inode))
		return ERR_CAST(inode);

	file = alloc_file_pseudo(inode, gmem_mnt, GMEM_FS_CLASS,
				 O_RDWR | O_LARGEFILE, ops->fops);
	if (IS_ERR(file)) {
		iput(inode);
		return file;
	}

	file->private_data = private;

	/* The caller is that module, hence alive.  Dropped by __fput(). */
	__module_get(ops->fops->owner);

	return file;
}
EXPORT_SYMBOL_GPL(gmem_fs_create_file);

/**
 * gmem_fs_release - take the owner's operations away from a file
 * @mapping: page cache of the file, whose last reference is gone and which has no
 *	pages
 *
 * Others may still hold the inode.
 *
 * Context: Any.
 */
void gmem_fs_release(struct address_space *mapping)
{
	mapping->a_ops = &empty_aops;
	mapping->private_data = NULL;
}
EXPORT_SYMBOL_GPL(gmem_fs_release);

/* The file's own code frees @closing, too. */
static void gmem_fs_close(struct gmem_closing *closing)
{
	const struct gmem_file_ops *ops = closing->ops;
	struct module *owner = ops->fops->owner;
	struct inode *inode = closing->inode;

	ops->close(inode->i_mapping);
	iput(inode);
	module_put(owner);
}

static void gmem_fs_close_files(struct work_struct *work)
{
	struct gmem_closer *closer = container_of(work, struct gmem_closer, work);
	struct llist_node *files = llist_del_all(&closer->files);
	struct gmem_closing *closing, *next;

	/* The closer may go away with the last file. */
	llist_for_each_entry_safe(closing, next, files, node) {
		gmem_fs_close(closing);
		cond_resched();
	}
}

/**
 * gmem_fs_init_closer - prepare for gmem_fs_close_later()
 * @closer: what to prepare; must outlive the files that are given to it
 *
 * Context: Any.
 */
void gmem_fs_init_closer(struct gmem_closer *closer)
{
	INIT_WORK(&closer->work, gmem_fs_close_files);
	init_llist_head(&closer->files);
}
EXPORT_SYMBOL_GPL(gmem_fs_init_closer);

/**
 * gmem_fs_close_later - let a worker close a file
 * @closer: who closes it, one file after the other; does not wait for other
 *	closers, as long as no more than 512 are stuck
 * @closing: the file's place in the list, freed by &gmem_file_ops.close
 * @inode: inode of the file
 * @ops: operations of the file; their owner is pinned until it has been closed
 *
 * Context: release of the file; does not sleep.
 */
void gmem_fs_close_later(struct gmem_closer *closer, struct gmem_closing *closing,
			 struct inode *inode, const struct gmem_file_ops *ops)
{
	ihold(inode);
	__module_get(ops->fops->owner);
	closing->inode = inode;
	closing->ops = ops;

	if (llist_add(&closing->node, &closer->files))
		queue_work(gmem_close_wq, &closer->work);
}
EXPORT_SYMBOL_GPL(gmem_fs_close_later);

/**
 * gmem_fs_drain_lru - drop the references of the per-CPU LRU batches
 *
 * A page that was added to the page cache a moment ago is still referenced by
 * such a batch.
 *
 * Context: May sleep.
 */
void gmem_fs_drain_lru(void)
{
	lru_add_drain_all();
}
EXPORT_SYMBOL_GPL(gmem_fs_drain_lru);

static int __init gmem_fs_init(void)
{
	gmem_mnt = kern_mount(&gmem_fs_type);
	if (IS_ERR(gmem_mnt))
		panic("guest_memfd: cannot mount the filesystem: %ld\n",
		      PTR_ERR(gmem_mnt));

	gmem_mnt->mnt_flags |= MNT_NOEXEC;

	gmem_close_wq = alloc_workqueue("gmem_close", WQ_UNBOUND,
					WQ_UNBOUND_MAX_ACTIVE);
	if (!gmem_close_wq)
		panic("guest_memfd: no memory for a workqueue\n");

	return 0;
}
fs_initcall(gmem_fs_init);
