/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_GMEM_PIN_H
#define __KVM_GMEM_PIN_H

/* Internal to access.c, backend.c and pin.c. */

#include "gmem.h"

static inline bool kvm_gmem_slot_usable(const struct kvm_memory_slot *slot)
{
	return kvm_slot_has_gmem(slot) && !(slot->flags & KVM_MEMSLOT_INVALID);
}

static inline bool kvm_slot_is_readonly(const struct kvm_memory_slot *slot)
{
	return slot && slot->flags & KVM_MEM_READONLY;
}

/* backend.c */
int kvm_gmem_check_page(const struct kvm_memory_slot *slot, gfn_t gfn,
			bool is_private);

/*
 * Decide once whether an access goes to the file: 0 if so, -EAGAIN if it goes
 * to userspace_addr, else as kvm_view_check() and kvm_gmem_check_page().
 *
 * The attribute comes first: what the guest owns does not go to userspace_addr.
 */
static inline int kvm_gmem_check_access(const struct kvm_memory_slot *slot,
					gfn_t gfn)
{
	struct kvm *kvm = slot->gmem->kvm;
	bool is_private = kvm_mem_is_private(kvm, gfn);
	int r;

	/* Pairs with the stores of kvm_attr_map_commit(). */
	smp_rmb();
	r = kvm_view_check(kvm, gfn);
	if (r)
		return r;

	if (!kvm_gmem_serves(slot, is_private))
		return -EAGAIN;

	return kvm_gmem_check_page(slot, gfn, is_private);
}

#endif /* __KVM_GMEM_PIN_H */
