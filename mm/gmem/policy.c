// SPDX-License-Identifier: GPL-2.0-only
/*
 * NUMA policy of guest_memfd files.
 *
 * Like that of shared memory, it belongs to the file: mbind() on one mapping of
 * an offset says where its page will be allocated, for all users of the file.
 */

#include <linux/gmem_policy.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>

/**
 * gmem_policy_init - start without a policy
 * @policy: policy of a file
 *
 * Context: Any.
 */
void gmem_policy_init(struct shared_policy *policy)
{
	mpol_shared_policy_init(policy, NULL);
}
EXPORT_SYMBOL_GPL(gmem_policy_init);

/**
 * gmem_policy_destroy - free the policy of a file
 * @policy: policy of a file without mappings
 *
 * Context: Any.
 */
void gmem_policy_destroy(struct shared_policy *policy)
{
	mpol_free_shared_policy(policy);
}
EXPORT_SYMBOL_GPL(gmem_policy_destroy);

/**
 * gmem_policy_alloc_folio - allocate where the policy of an offset says
 * @policy: policy of a file
 * @gfp: allocation flags
 * @order: order of the folio
 * @index: offset in pages
 *
 * Context: May sleep if @gfp says so.
 * Return: the folio, NULL if there is no memory.
 */
struct folio *gmem_policy_alloc_folio(struct shared_policy *policy, gfp_t gfp,
				      unsigned int order, pgoff_t index)
{
	struct vm_area_struct vma;
	struct folio *folio;

	/* vma_alloc_folio() looks for the policy in a VMA. */
	vma_init(&vma, NULL);
	vma.vm_pgoff = index;
	vma.vm_policy = mpol_shared_policy_lookup(policy, index);
	folio = vma_alloc_folio(gfp, order, &vma, 0, false);
	mpol_cond_put(vma.vm_policy);

	return folio;
}
EXPORT_SYMBOL_GPL(gmem_policy_alloc_folio);

/**
 * gmem_policy_set - set the policy of the offsets that a VMA maps
 * @policy: policy of the file
 * @vma: part of a mapping
 * @new: policy to set, NULL for the default
 *
 * Context: mmap_lock held for write; may sleep.
 * Return: 0, or -ENOMEM.
 */
int gmem_policy_set(struct shared_policy *policy, struct vm_area_struct *vma,
		    struct mempolicy *new)
{
	return mpol_set_shared_policy(policy, vma, new);
}
EXPORT_SYMBOL_GPL(gmem_policy_set);

/**
 * gmem_policy_get - look up the policy of an address
 * @policy: policy of the file
 * @vma: VMA that contains @addr
 * @addr: user address
 *
 * Context: mmap_lock.
 * Return: the policy with a reference, NULL if there is none.
 */
struct mempolicy *gmem_policy_get(struct shared_policy *policy,
				  struct vm_area_struct *vma, unsigned long addr)
{
	return mpol_shared_policy_lookup(policy, linear_page_index(vma, addr));
}
EXPORT_SYMBOL_GPL(gmem_policy_get);
