/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interface of /dev/kvm_page_kinds, the test device of kvm_page_kinds.c.
 *
 * Each open file has pages of one kind, which KVM_PK_SETUP allocates and
 * mmap() maps, shared or private, not both.  pread() and pwrite() access the same bytes through
 * the kernel's mapping, at most to the end of a page at a time.  close()
 * undoes and frees everything, once the last mapping is gone.
 *
 * Every call but KVM_PK_SETUP returns ENXIO before a successful KVM_PK_SETUP.
 * Unknown ioctls return ENOTTY, a bad pointer EFAULT.
 */
#ifndef _VIRT_LIB_KVM_PAGE_KINDS_UAPI_H
#define _VIRT_LIB_KVM_PAGE_KINDS_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define KVM_PK_MAX_ORDER	8

/* What the pages are */
enum kvm_pk_kind {
	KVM_PK_COMPOUND,	/* one compound page, counted in its head */
	KVM_PK_BLOCK,		/* one block, not compound: counts 1, 0, 0, ... */
	KVM_PK_SINGLE,		/* pages of order 0, each with a count */
	KVM_PK_RESERVED,	/* the same, PG_reserved */
	KVM_PK_RESERVED_BLOCK,	/* KVM_PK_BLOCK, each page PG_reserved */
	KVM_PK_PHYS,		/* physical addresses without struct page */
	KVM_PK_NR_KINDS,
};

/* How mmap() maps them */
enum kvm_pk_map {
	KVM_PK_MAP_REMAP,	/* VM_PFNMAP, by mmap() */
	KVM_PK_MAP_PFN,		/* VM_PFNMAP, by the fault handler */
	KVM_PK_MAP_PAGE,	/* VM_MIXEDMAP, by the fault handler, counted */
	KVM_PK_MAP_MIXED,	/* VM_MIXEDMAP, by the fault handler, special */
	KVM_PK_NR_MAPS,
};

#define KVM_PK_READONLY	0x1	/* writable mappings are refused */
#define KVM_PK_IO	0x2	/* VM_IO, too; implied by VM_PFNMAP */
#define KVM_PK_PRIVATE	0x4	/* mappings are private; KVM_PK_REVOKE misses them */
#define KVM_PK_NOTIFY	0x8	/* mapped read-only until a write asks the driver */
#define KVM_PK_STUBBORN	0x10	/* which leaves it at that; with KVM_PK_NOTIFY */
#define KVM_PK_FLAGS	0x1f

/**
 * struct kvm_pk_setup - what one open file is to be
 * @kind: enum kvm_pk_kind
 * @map: enum kvm_pk_map
 * @flags: KVM_PK_* of KVM_PK_FLAGS
 * @order: logarithm of the number of pages, at least 1 for one block
 * @phys: first physical address, page aligned, for KVM_PK_PHYS; else 0
 *
 * EBUSY: the file is set up already. EINVAL: a value out of range,
 * KVM_PK_MAP_PAGE of what has no struct page, KVM_PK_PRIVATE of anything but
 * one block or physical addresses in KVM_PK_MAP_REMAP, KVM_PK_NOTIFY without
 * KVM_PK_MAP_PFN. EPERM: KVM_PK_PHYS without CAP_SYS_RAWIO. EEXIST: KVM_PK_PHYS
 * of a page that has a struct page. ENOMEM.
 */
struct kvm_pk_setup {
	__u32 kind;
	__u32 map;
	__u32 flags;
	__u32 order;
	__u64 phys;
};

#define KVM_PK_IS_DIRTY		0x1
#define KVM_PK_IS_REFERENCED	0x2
#define KVM_PK_IS_RESERVED	0x4
#define KVM_PK_IS_TAIL		0x8	/* of a compound page */
#define KVM_PK_HAS_PAGE		0x10	/* else all counts are 0 */
#define KVM_PK_WAS_ASKED	0x20	/* by a write, KVM_PK_NOTIFY */

/**
 * struct kvm_pk_page - state of a page
 * @index: in: which page
 * @flags: out: KVM_PK_IS_*, KVM_PK_HAS_PAGE, KVM_PK_WAS_ASKED
 * @count: out: reference count of this page itself
 * @head_count: out: reference count of the compound page it is in, or @count
 * @pfn: out: page frame number
 *
 * EINVAL: no such page.
 */
struct kvm_pk_page {
	__u32 index;
	__u32 flags;
	__s32 count;
	__s32 head_count;
	__u64 pfn;
};

#define KVM_PK_SETUP	_IOW('k', 0x00, struct kvm_pk_setup)
#define KVM_PK_QUERY	_IOWR('k', 0x01, struct kvm_pk_page)

/*
 * Unmap the pages everywhere; touching them is SIGBUS, mmap() ENODEV from now
 * on.  A mapping that mmap() is making at the same time may be missed.
 */
#define KVM_PK_REVOKE	_IO('k', 0x02)

/*
 * Set the reference count of a KVM_PK_SINGLE page to 0, as if it were freed;
 * the argument is its index.  The page stays allocated, and nobody can get a
 * reference until KVM_PK_THAW or close() restores the count.
 *
 * EINVAL: no such page, or another kind. EBUSY: somebody holds a reference, or
 * a page is frozen already.
 */
#define KVM_PK_FREEZE	_IO('k', 0x03)

/* ENOENT: no page is frozen. */
#define KVM_PK_THAW	_IO('k', 0x04)

#endif /* _VIRT_LIB_KVM_PAGE_KINDS_UAPI_H */
