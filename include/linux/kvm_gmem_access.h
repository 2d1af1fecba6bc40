/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_GMEM_ACCESS_H
#define __KVM_GMEM_ACCESS_H

/*
 * KVM's own accesses to guest memory that guest_memfd files back.  Included by
 * <linux/kvm_gmem.h>.
 *
 * The pattern for a user of guest memory: try userspace_addr as ever, and call
 * one of these functions where that fails.  It does fail, for every gfn that a
 * file backs and for private ones that nothing backs, because
 * __gfn_to_hva_many() has no hva for those.  So an ordinary VM pays one test of a
 * pointer.
 */

#include <linux/kvm_host.h>

struct page;

/**
 * typedef kvm_gmem_op_t - what to do with the page of a gfn
 * @page: the page
 * @arg: the caller's
 *
 * Must not use the page later.
 *
 * Context: &kvm_private_mem.access_lock held for read; must not sleep.
 * Return: 0 or 1, which is passed on.
 */
typedef int (*kvm_gmem_op_t)(struct page *page, void *arg);

/**
 * kvm_gmem_cache_hva - the hva that identifies a gfn
 * @slot: a memslot
 * @gfn: guest frame number in @slot
 *
 * For caches, which must not use it to access @gfn.
 *
 * Context: Any.
 * Return: the hva, whether userspace_addr backs @gfn or not, or KVM_HVA_ERR_BAD
 * if the memslot is going away or read-only.
 */
static inline unsigned long kvm_gmem_cache_hva(const struct kvm_memory_slot *slot,
					       gfn_t gfn)
{
	if (slot->flags & (KVM_MEMSLOT_INVALID | KVM_MEM_READONLY))
		return KVM_HVA_ERR_BAD;

	return __gfn_to_hva_memslot(slot, gfn);
}

#ifdef CONFIG_KVM_GUEST_MEMFD

/* access.c */
unsigned long kvm_gmem_gfn_to_hva(const struct kvm_memory_slot *slot, gfn_t gfn,
				  gfn_t *nr_pages);
int kvm_gmem_access(const struct kvm_memory_slot *slot, gfn_t gfn,
		    kvm_gmem_op_t op, void *arg);
int kvm_gmem_try_access(const struct kvm_memory_slot *slot, gfn_t gfn,
			kvm_gmem_op_t op, void *arg);
int kvm_gmem_read(const struct kvm_memory_slot *slot, gfn_t gfn, void *data,
		  int offset, int len);
int kvm_gmem_write(const struct kvm_memory_slot *slot, gfn_t gfn,
		   const void *data, int offset, int len);
int kvm_gmem_read_atomic(const struct kvm_memory_slot *slot, gfn_t gfn,
			 void *data, int offset, int len);
bool kvm_vcpu_gmem_backs(struct kvm_vcpu *vcpu, gpa_t gpa);
int kvm_vcpu_gmem_read(struct kvm_vcpu *vcpu, gpa_t gpa, void *data, int len);
int kvm_vcpu_gmem_cmpxchg(struct kvm_vcpu *vcpu, gpa_t gpa, const void *old,
			  const void *new, int len);

/* pin.c */
kvm_pfn_t kvm_gmem_pin(struct kvm_page_lookup *lookup, struct kvm_host_map *map);
void kvm_gmem_unpin(struct kvm *kvm, struct kvm_host_map *map);
bool kvm_gpc_gmem_busy(struct kvm *kvm, struct gfn_to_pfn_cache *gpc);
bool kvm_gpc_gmem_pfn(struct gfn_to_pfn_cache *gpc, kvm_pfn_t *pfn);

#else /* !CONFIG_KVM_GUEST_MEMFD */

static inline unsigned long kvm_gmem_gfn_to_hva(const struct kvm_memory_slot *slot,
						gfn_t gfn, gfn_t *nr_pages)
{
	return KVM_HVA_ERR_BAD;
}

static inline int kvm_gmem_read(const struct kvm_memory_slot *slot, gfn_t gfn,
				void *data, int offset, int len)
{
	return -EFAULT;
}

static inline int kvm_gmem_write(const struct kvm_memory_slot *slot, gfn_t gfn,
				 const void *data, int offset, int len)
{
	return -EFAULT;
}

static inline int kvm_gmem_read_atomic(const struct kvm_memory_slot *slot,
				       gfn_t gfn, void *data, int offset,
				       int len)
{
	return -EFAULT;
}

static inline bool kvm_vcpu_gmem_backs(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	return false;
}

static inline int kvm_vcpu_gmem_read(struct kvm_vcpu *vcpu, gpa_t gpa,
				     void *data, int len)
{
	return -EFAULT;
}

static inline int kvm_vcpu_gmem_cmpxchg(struct kvm_vcpu *vcpu, gpa_t gpa,
					const void *old, const void *new,
					int len)
{
	return -EFAULT;
}

static inline kvm_pfn_t kvm_gmem_pin(struct kvm_page_lookup *lookup,
				     struct kvm_host_map *map)
{
	return KVM_PFN_ERR_FAULT;
}

static inline void kvm_gmem_unpin(struct kvm *kvm, struct kvm_host_map *map)
{
}

static inline bool kvm_gpc_gmem_busy(struct kvm *kvm,
				     struct gfn_to_pfn_cache *gpc)
{
	return false;
}

static inline bool kvm_gpc_gmem_pfn(struct gfn_to_pfn_cache *gpc, kvm_pfn_t *pfn)
{
	return false;
}

#endif /* CONFIG_KVM_GUEST_MEMFD */

#endif /* __KVM_GMEM_ACCESS_H */
