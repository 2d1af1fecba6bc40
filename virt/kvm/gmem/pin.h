/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_GMEM_PIN_H
#define __KVM_GMEM_PIN_H

/* Internal to access.c and pin.c. */

#include "gmem.h"

static inline bool kvm_gmem_slot_usable(const struct kvm_memory_slot *slot)
{
	return kvm_slot_has_gmem(slot) && !(slot->flags & KVM_MEMSLOT_INVALID);
}

static inline bool kvm_slot_is_readonly(const struct kvm_memory_slot *slot)
{
	return slot && slot->flags & KVM_MEM_READONLY;
}

/*
 * Decide once whether an access goes to the file: 0 if so, -EAGAIN if it goes
 * to userspace_addr, -EFAULT if the backend does not let the kernel access
 * private memory.
 */
static inline int kvm_gmem_check_access(const struct kvm_memory_slot *slot,
					gfn_t gfn)
{
	struct kvm *kvm = slot->gmem->kvm;
	bool is_private = kvm_mem_is_private(kvm, gfn);

	if (!kvm_gmem_serves(slot, is_private))
		return -EAGAIN;

	return is_private && !kvm->private_mem.ops->kernel_access ? -EFAULT : 0;
}

#endif /* __KVM_GMEM_PIN_H */
