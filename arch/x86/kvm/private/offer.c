// SPDX-License-Identifier: GPL-2.0-only
/*
 * What guests offer to share.
 *
 * A guest consents to share memory with the hypercall KVM_HC_MAP_GPA_RANGE.
 * The offer stands until userspace has handled the hypercall and runs the vCPU
 * again, and covers exactly its range.  A conversion to shared uses it up.
 */

#include <asm/kvm_para.h>

#include "private.h"

/**
 * kvm_private_offer - note the hypercall KVM_HC_MAP_GPA_RANGE
 * @vcpu: the calling vCPU
 * @gpa: first byte, page aligned
 * @npages: number of pages; the range does not wrap
 * @attrs: attributes of the hypercall; everything but encrypted is an offer
 *
 * Context: vcpu->mutex and kvm->srcu.
 */
void kvm_private_offer(struct kvm_vcpu *vcpu, gpa_t gpa, u64 npages, u64 attrs)
{
	struct kvm_private_offer *offer = &vcpu->arch.private_offer;

	if (attrs & KVM_MAP_GPA_RANGE_ENCRYPTED)
		return;

	spin_lock(&vcpu->kvm->private_mem.offer_lock);
	offer->start = gpa_to_gfn(gpa);
	offer->end = gpa_to_gfn(gpa) + npages;
	spin_unlock(&vcpu->kvm->private_mem.offer_lock);
}

/**
 * kvm_private_withdraw - end the offer of a vCPU
 * @vcpu: the vCPU, about to run again
 *
 * Context: vcpu->mutex.
 */
void kvm_private_withdraw(struct kvm_vcpu *vcpu)
{
	struct kvm_private_offer *offer = &vcpu->arch.private_offer;

	spin_lock(&vcpu->kvm->private_mem.offer_lock);
	offer->start = 0;
	offer->end = 0;
	spin_unlock(&vcpu->kvm->private_mem.offer_lock);
}

static struct kvm_private_offer *kvm_private_first_offer(struct kvm *kvm,
							 gfn_t start, gfn_t end)
{
	struct kvm_private_offer *offer, *first = NULL;
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		offer = &vcpu->arch.private_offer;
		if (max(offer->start, start) >= min(offer->end, end))
			continue;
		if (!first || offer->start < first->start)
			first = offer;
	}

	return first;
}

/**
 * kvm_private_take_offer - use up the first offer in a range
 * @kvm: the VM
 * @start: first gfn of the range
 * @end: one past its last gfn
 * @offer_start: where to store the first gfn that was offered
 * @offer_end: where to store one past the last one
 *
 * The offer is used up to @offer_end, so that memory below that can not be
 * taken again.
 *
 * Context: slots_lock.
 * Return: true if there was an offer.
 */
bool kvm_private_take_offer(struct kvm *kvm, gfn_t start, gfn_t end,
			    gfn_t *offer_start, gfn_t *offer_end)
{
	struct kvm_private_offer *offer;

	lockdep_assert_held(&kvm->slots_lock);

	spin_lock(&kvm->private_mem.offer_lock);
	offer = kvm_private_first_offer(kvm, start, end);
	if (offer) {
		*offer_start = max(offer->start, start);
		*offer_end = min(offer->end, end);
		offer->start = *offer_end;
	}
	spin_unlock(&kvm->private_mem.offer_lock);

	return offer;
}
