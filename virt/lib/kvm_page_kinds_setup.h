/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What KVM_PK_SETUP accepts, for kvm_page_kinds.c.
 */
#ifndef _VIRT_LIB_KVM_PAGE_KINDS_SETUP_H
#define _VIRT_LIB_KVM_PAGE_KINDS_SETUP_H

#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/ioport.h>
#include <linux/mm.h>

#include "kvm_page_kinds_uapi.h"

static inline unsigned int nr_pages(const struct kvm_pk_setup *setup)
{
	return 1U << setup->order;
}

static inline bool is_one_block(const struct kvm_pk_setup *setup)
{
	return setup->kind == KVM_PK_COMPOUND || setup->kind == KVM_PK_BLOCK ||
	       setup->kind == KVM_PK_RESERVED_BLOCK;
}

static inline bool is_contiguous(const struct kvm_pk_setup *setup)
{
	return setup->kind == KVM_PK_PHYS || is_one_block(setup);
}

static inline int check_phys(const struct kvm_pk_setup *setup)
{
	unsigned int i;

	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (!PAGE_ALIGNED(setup->phys) || setup->map == KVM_PK_MAP_PAGE ||
	    setup->phys > iomem_resource.end + 1 - nr_pages(setup) * PAGE_SIZE)
		return -EINVAL;
	for (i = 0; i < nr_pages(setup); i++) {
		if (pfn_valid(PHYS_PFN(setup->phys) + i))
			return -EEXIST;
	}
	return 0;
}

/* mm copies on write what is mapped at once, and asks of single pages. */
static inline bool flags_fit(const struct kvm_pk_setup *setup)
{
	u32 flags = setup->flags;

	if (flags & ~KVM_PK_FLAGS ||
	    (flags & KVM_PK_STUBBORN && !(flags & KVM_PK_NOTIFY)) ||
	    (flags & KVM_PK_NOTIFY && setup->map != KVM_PK_MAP_PFN))
		return false;
	return !(flags & KVM_PK_PRIVATE) ||
	       (setup->map == KVM_PK_MAP_REMAP && is_contiguous(setup));
}

static inline int check_setup(const struct kvm_pk_setup *setup)
{
	if (setup->kind >= KVM_PK_NR_KINDS || setup->map >= KVM_PK_NR_MAPS ||
	    !flags_fit(setup) || setup->order > KVM_PK_MAX_ORDER ||
	    (is_one_block(setup) && !setup->order))
		return -EINVAL;
	if (setup->kind == KVM_PK_PHYS)
		return check_phys(setup);
	return setup->phys ? -EINVAL : 0;
}

#endif /* _VIRT_LIB_KVM_PAGE_KINDS_SETUP_H */
