/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_GMEM_FS_H
#define _LINUX_GMEM_FS_H

#include <linux/fs.h>
#include <linux/llist.h>
#include <linux/magic.h>
#include <linux/workqueue.h>

/**
 * struct gmem_file_ops - operations of the file to create
 * @fops: file operations; their owner is pinned while the file is open
 * @aops: address space operations
 * @close: the last reference to the file is gone: frees its pages and what
 *	private_data of the mapping points to.  Called by whoever releases the
 *	file, or for gmem_fs_close_later(); may sleep
 */
struct gmem_file_ops {
	const struct file_operations *fops;
	const struct address_space_operations *aops;
	void (*close)(struct address_space *mapping);
};

/**
 * struct gmem_closer - files that a worker is to close, one after the other
 * @work: what the worker does
 * @files: struct gmem_closing
 */
struct gmem_closer {
	struct work_struct work;
	struct llist_head files;
};

/**
 * struct gmem_closing - a file that a worker is to close
 * @node: in &gmem_closer.files
 * @inode: inode of the file
 * @ops: its operations
 */
struct gmem_closing {
	struct llist_node node;
	struct inode *inode;
	const struct gmem_file_ops *ops;
};

/**
 * gmem_fs_mapping - is this the page cache of a guest_memfd file?
 * @mapping: any address space
 *
 * A poisoned page stays in such a file.
 *
 * Context: Any.
 * Return: true if it is.
 */
static inline bool gmem_fs_mapping(const struct address_space *mapping)
{
	const struct inode *host = mapping->host;

	return host && host->i_sb->s_magic == GUEST_MEMFD_MAGIC;
}

struct file *gmem_fs_create_file(const struct gmem_file_ops *ops, loff_t size,
				 void *private);
void gmem_fs_release(struct address_space *mapping);
void gmem_fs_init_closer(struct gmem_closer *closer);
void gmem_fs_close_later(struct gmem_closer *closer, struct gmem_closing *closing,
			 struct inode *inode, const struct gmem_file_ops *ops);
void gmem_fs_drain_lru(void);

#endif /* _LINUX_GMEM_FS_H */
