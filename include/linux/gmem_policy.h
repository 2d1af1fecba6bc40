/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_GMEM_POLICY_H
#define _LINUX_GMEM_POLICY_H

#include <linux/gfp.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>

#ifdef CONFIG_NUMA

void gmem_policy_init(struct shared_policy *policy);
void gmem_policy_destroy(struct shared_policy *policy);
struct folio *gmem_policy_alloc_folio(struct shared_policy *policy, gfp_t gfp,
				      unsigned int order, pgoff_t index);
int gmem_policy_set(struct shared_policy *policy, struct vm_area_struct *vma,
		    struct mempolicy *new);
struct mempolicy *gmem_policy_get(struct shared_policy *policy,
				  struct vm_area_struct *vma, unsigned long addr);

/* A VMA has such operations only if there is something to choose from. */
#define GMEM_POLICY_VM_OPS(set, get)	.set_policy = (set), .get_policy = (get),

#else /* !CONFIG_NUMA */

static inline void gmem_policy_init(struct shared_policy *policy)
{
}

static inline void gmem_policy_destroy(struct shared_policy *policy)
{
}

static inline struct folio *gmem_policy_alloc_folio(struct shared_policy *policy,
						    gfp_t gfp,
						    unsigned int order,
						    pgoff_t index)
{
	return folio_alloc(gfp, order);
}

static inline int gmem_policy_set(struct shared_policy *policy,
				  struct vm_area_struct *vma,
				  struct mempolicy *new)
{
	return 0;
}

static inline struct mempolicy *gmem_policy_get(struct shared_policy *policy,
						struct vm_area_struct *vma,
						unsigned long addr)
{
	return NULL;
}

#define GMEM_POLICY_VM_OPS(set, get)

#endif /* CONFIG_NUMA */

#endif /* _LINUX_GMEM_POLICY_H */
