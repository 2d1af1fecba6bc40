/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_GMEM_FS_H
#define _LINUX_GMEM_FS_H

#include <linux/fs.h>
#include <linux/magic.h>

/**
 * struct gmem_file_ops - operations of the file to create
 * @fops: file operations; their owner is pinned while the file is open
 * @aops: address space operations
 */
struct gmem_file_ops {
	const struct file_operations *fops;
	const struct address_space_operations *aops;
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
void gmem_fs_drain_lru(void);

#endif /* _LINUX_GMEM_FS_H */
