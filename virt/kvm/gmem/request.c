// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that guests ask to share together with its contents.
 *
 * The architecture notes a request when the guest makes it, by whatever means its
 * ABI provides.  The request stands until userspace has handled it and runs the vCPU
 * again, and covers exactly its range.  A conversion to shared takes it.
 *
 * Requests are in a tree, so that a conversion need not ask each vCPU.  vCPUs go
 * only with their VM, after the last conversion, and leave their requests there.
 */

#include "gmem.h"

static void kvm_gmem_add_request(struct kvm_private_mem *mem,
				 struct kvm_share_request *request,
				 gfn_t start, gfn_t end)
{
	lockdep_assert_held(&mem->request_lock);

	request->node.start = start;
	request->node.last = end - 1;
	interval_tree_insert(&request->node, &mem->requests);
	request->stands = true;
}

static void kvm_gmem_end_request(struct kvm_private_mem *mem,
				 struct kvm_share_request *request)
{
	lockdep_assert_held(&mem->request_lock);

	if (request->stands)
		interval_tree_remove(&request->node, &mem->requests);
	request->stands = false;
}

/**
 * kvm_gmem_note_request - note that the guest asks to share memory as it is
 * @vcpu: the vCPU that asks, about to exit to userspace
 * @gfn: first gfn
 * @nr: number of pages; the range does not wrap
 *
 * Replaces what the vCPU has asked before.  Does nothing for VMs without private
 * memory.
 *
 * Context: vcpu->mutex and kvm->srcu.
 */
void kvm_gmem_note_request(struct kvm_vcpu *vcpu, gfn_t gfn, u64 nr)
{
	struct kvm_private_mem *mem = &vcpu->kvm->private_mem;

	if (!kvm_has_private_mem(vcpu->kvm))
		return;

	spin_lock(&mem->request_lock);
	kvm_gmem_end_request(mem, &vcpu->share_request);
	kvm_gmem_add_request(mem, &vcpu->share_request, gfn, gfn + nr);
	spin_unlock(&mem->request_lock);
}

/**
 * kvm_gmem_cancel_request - end the request of a vCPU
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
	kvm_gmem_end_request(mem, &vcpu->share_request);
	spin_unlock(&mem->request_lock);
}

/**
 * kvm_gmem_take_request - take the first request in a range
 * @kvm: the VM
 * @start: first gfn of the range
 * @end: one past its last gfn
 * @kept_start: where to store the first gfn whose contents the guest shares
 * @kept_end: where to store one past the last one
 *
 * The request is used up to @kept_end, so that memory below that cannot be taken
 * again.
 *
 * Context: slots_lock.
 * Return: true if there was a request.
 */
bool kvm_gmem_take_request(struct kvm *kvm, gfn_t start, gfn_t end,
			   gfn_t *kept_start, gfn_t *kept_end)
{
	struct kvm_private_mem *mem = &kvm->private_mem;
	struct kvm_share_request *request;
	struct interval_tree_node *node;
	gfn_t all_end;

	lockdep_assert_held(&kvm->slots_lock);

	spin_lock(&mem->request_lock);
	node = interval_tree_iter_first(&mem->requests, start, end - 1);
	if (node) {
		request = container_of(node, struct kvm_share_request, node);
		all_end = node->last + 1;
		*kept_start = max_t(gfn_t, node->start, start);
		*kept_end = min(all_end, end);
		kvm_gmem_end_request(mem, request);
		if (*kept_end < all_end)
			kvm_gmem_add_request(mem, request, *kept_end, all_end);
	}
	spin_unlock(&mem->request_lock);

	return node;
}
