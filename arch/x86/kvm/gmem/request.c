// SPDX-License-Identifier: GPL-2.0-only
/*
 * What guests offer to share.
 *
 * A guest consents to share memory with the hypercall KVM_HC_MAP_GPA_RANGE, and
 * to show what is in it by an attribute of its own: Linux asks for shared memory
 * first and clears it later.  Such an offer stands until userspace has handled
 * the hypercall and runs the vCPU again, and covers exactly its range.  A
 * conversion to shared uses it up.
 *
 * Offers are in a tree, so that a conversion does not ask each vCPU.
 */

#include <asm/kvm_para.h>

#include "gmem.h"

static void kvm_gmem_add_request(struct kvm_private_mem *mem,
				 struct kvm_share_request *offer,
				 gfn_t start, gfn_t end)
{
	lockdep_assert_held(&mem->request_lock);

	offer->node.start = start;
	offer->node.last = end - 1;
	interval_tree_insert(&offer->node, &mem->offers);
	offer->stands = true;
}

static void kvm_gmem_end_request(struct kvm_private_mem *mem,
				 struct kvm_share_request *offer)
{
	lockdep_assert_held(&mem->request_lock);

	if (offer->stands)
		interval_tree_remove(&offer->node, &mem->offers);
	offer->stands = false;
}

/**
 * kvm_gmem_note_request - note the hypercall KVM_HC_MAP_GPA_RANGE
 * @vcpu: the calling vCPU
 * @gpa: first byte, page aligned
 * @npages: number of pages; the range does not wrap
 * @attrs: attributes of the hypercall; decrypted, with contents, is an offer
 *
 * Context: vcpu->mutex and kvm->srcu.
 */
void kvm_gmem_note_request(struct kvm_vcpu *vcpu, gpa_t gpa, u64 npages, u64 attrs)
{
	struct kvm_share_request *offer = &vcpu->arch.share_request;
	struct kvm_private_mem *mem = &vcpu->kvm->private_mem;

	if (!kvm_has_private_mem(vcpu->kvm) ||
	    attrs & KVM_MAP_GPA_RANGE_ENCRYPTED ||
	    !(attrs & KVM_MAP_GPA_RANGE_KEEP))
		return;

	spin_lock(&mem->request_lock);
	kvm_gmem_end_request(mem, offer);
	kvm_gmem_add_request(mem, offer, gpa_to_gfn(gpa),
			     gpa_to_gfn(gpa) + npages);
	spin_unlock(&mem->request_lock);
}

/**
 * kvm_gmem_cancel_request - end the offer of a vCPU
 * @vcpu: the vCPU, about to run again
 *
 * Context: vcpu->mutex.
 */
void kvm_gmem_cancel_request(struct kvm_vcpu *vcpu)
{
	struct kvm_private_mem *mem = &vcpu->kvm->private_mem;

	if (!kvm_has_private_mem(vcpu->kvm))
		return;

	spin_lock(&mem->request_lock);
	kvm_gmem_end_request(mem, &vcpu->arch.share_request);
	spin_unlock(&mem->request_lock);
}

/**
 * kvm_gmem_take_request - use up the first offer in a range
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
bool kvm_gmem_take_request(struct kvm *kvm, gfn_t start, gfn_t end,
			   gfn_t *offer_start, gfn_t *offer_end)
{
	struct kvm_private_mem *mem = &kvm->private_mem;
	struct interval_tree_node *node;
	struct kvm_share_request *offer;
	gfn_t all_end;

	lockdep_assert_held(&kvm->slots_lock);

	spin_lock(&mem->request_lock);
	node = interval_tree_iter_first(&mem->offers, start, end - 1);
	if (node) {
		offer = container_of(node, struct kvm_share_request, node);
		all_end = node->last + 1;
		*offer_start = max_t(gfn_t, node->start, start);
		*offer_end = min(all_end, end);
		kvm_gmem_end_request(mem, offer);
		if (*offer_end < all_end)
			kvm_gmem_add_request(mem, offer, *offer_end, all_end);
	}
	spin_unlock(&mem->request_lock);

	return node;
}
