// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_PRE_FAULT_MEMORY: map guest memory before the guest touches it.
 */

#include <linux/kvm_gmem.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "gmem/gmem.h"

static int kvm_pre_fault_locked(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct kvm_memory_slot *slot;
	int r;

	if (!kvm_arch_can_pre_fault(vcpu))
		return -EOPNOTSUPP;

	slot = kvm_vcpu_gfn_to_memslot(vcpu, gfn);
	if (!slot || slot->id >= KVM_USER_MEM_SLOTS) {
		r = kvm_mem_is_private(vcpu->kvm, gfn) ? -EFAULT : -ENOENT;
		return kvm_view_check(vcpu->kvm, gfn) ?: r;
	}
	if (slot->flags & KVM_MEMSLOT_INVALID)
		return -EAGAIN;

	return kvm_arch_pre_fault_page(vcpu, gpa);
}

/*
 * SRCU is held for one attempt only: an update of the memslots waits for it,
 * and the fault may be waiting for that update.
 */
static int kvm_pre_fault_once(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	int idx, r;

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	r = kvm_pre_fault_locked(vcpu, gpa);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);

	return r;
}

static int kvm_pre_fault_page(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	int r;

	do {
		if (signal_pending(current))
			return -EINTR;
		cond_resched();

		r = kvm_pre_fault_once(vcpu, gpa);
	} while (r > 0);

	return r;
}

static int kvm_pre_fault_range(struct kvm_vcpu *vcpu,
			       struct kvm_pre_fault_memory *range)
{
	u64 size = range->size;
	int r = 0;

	vcpu_load(vcpu);
	while (!r && range->size) {
		r = kvm_pre_fault_page(vcpu, range->gpa);
		if (!r) {
			range->gpa += PAGE_SIZE;
			range->size -= PAGE_SIZE;
		}
	}
	vcpu_put(vcpu);

	return range->size < size ? 0 : r;
}

/**
 * kvm_vcpu_pre_fault_memory - KVM_PRE_FAULT_MEMORY
 * @vcpu: the vCPU
 * @argp: struct kvm_pre_fault_memory in user memory; address and size are
 *	updated to what is left, also on error
 *
 * Context: vcpu->mutex; may sleep.
 * Return: 0 if at least one page was mapped, or
 *
 * * -EFAULT if @argp cannot be accessed, or the first page not be mapped, a
 *   private one without a memslot included
 * * -EINVAL if flags are not zero, or the range is empty, wraps, or is not
 *   page aligned
 * * -EINTR if a signal is pending
 * * -EOPNOTSUPP if the vCPU's MMU mode is not supported
 * * -ENOENT if there is no memslot at the first page, and it is shared
 * * -EAGAIN if that memslot is being deleted or moved, or the VM's first one
 *   being added
 * * -EHWPOISON if the first page is poisoned
 * * -ENOMEM if there is no memory
 */
int kvm_vcpu_pre_fault_memory(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_pre_fault_memory range;
	int r;

	if (copy_from_user(&range, argp, sizeof(range)))
		return -EFAULT;

	if (range.flags || !kvm_gmem_range_valid(range.gpa, range.size))
		return -EINVAL;

	r = kvm_pre_fault_range(vcpu, &range);

	if (copy_to_user(argp, &range, sizeof(range)))
		return -EFAULT;
	return r;
}
