// SPDX-License-Identifier: GPL-2.0-only
/*
 * What guests ask to become of their memory.
 *
 * The architecture notes a request when the guest makes it, by whatever means its
 * ABI provides.  The request stands until userspace has handled it and runs the vCPU
 * again, and covers exactly its range.  A conversion to shared takes what the guest
 * asks to share together with its contents.
 *
 * Requests are in a tree, so that a conversion need not ask each vCPU.  vCPUs go
 * only with their VM, after the last conversion, and leave their requests there.
 */

#include <linux/mm.h>

#include "convert.h"

static struct kvm_share_request *to_request(struct interval_tree_node *node)
{
	return container_of(node, struct kvm_share_request, node);
}

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
 * kvm_gmem_note_request - note what the guest asks to become of memory
 * @vcpu: the vCPU that asks, about to exit to userspace
 * @gfn: first gfn
 * @nr: number of pages; the range does not wrap
 * @kind: what it asks for
 *
 * Replaces what the vCPU has asked before.  Does nothing for VMs without private
 * memory.
 *
 * Context: vcpu->mutex and kvm->srcu.
 */
void kvm_gmem_note_request(struct kvm_vcpu *vcpu, gfn_t gfn, u64 nr,
			   enum kvm_gmem_request kind)
{
	struct kvm_private_mem *mem = &vcpu->kvm->private_mem;

	if (!kvm_has_private_mem(vcpu->kvm))
		return;

	spin_lock(&mem->request_lock);
	kvm_gmem_end_request(mem, &vcpu->share_request);
	vcpu->share_request.kind = kind;
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

static struct kvm_share_request *
kvm_gmem_first_keeper(struct kvm_private_mem *mem, gfn_t start, gfn_t last)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&mem->request_lock);

	node = interval_tree_iter_first(&mem->requests, start, last);
	while (node && to_request(node)->kind != KVM_GMEM_REQUEST_KEEP)
		node = interval_tree_iter_next(node, start, last);

	return node ? to_request(node) : NULL;
}

/**
 * kvm_gmem_take_request - take the first request to keep contents in a range
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
	gfn_t all_end;

	lockdep_assert_held(&kvm->slots_lock);

	spin_lock(&mem->request_lock);
	request = kvm_gmem_first_keeper(mem, start, end - 1);
	if (request) {
		all_end = request->node.last + 1;
		*kept_start = max_t(gfn_t, request->node.start, start);
		*kept_end = min(all_end, end);
		kvm_gmem_end_request(mem, request);
		if (*kept_end < all_end)
			kvm_gmem_add_request(mem, request, *kept_end, all_end);
	}
	spin_unlock(&mem->request_lock);

	return request;
}

/*
 * Adds to ranges that are sorted and do not touch.
 */
static void kvm_gmem_add_asked(struct kvm_gmem_asked *asked, gfn_t start, gfn_t end)
{
	struct kvm_convert_gfns *last = asked->gfns + asked->nr - 1;

	if (asked->nr && start <= last->end)
		last->end = max(last->end, end);
	else
		asked->gfns[asked->nr++] = (struct kvm_convert_gfns) { start, end };
}

/**
 * kvm_gmem_collect_requests - what the guest asks for at this moment
 * @kvm: the VM
 * @to_private: of two directions, which
 * @asked: empty; to be filled with ranges of gfns, which kvm_convert_free() frees
 *
 * Context: slots_lock; may sleep.
 * Return: 0 or -ENOMEM.
 */
int kvm_gmem_collect_requests(struct kvm *kvm, bool to_private,
			      struct kvm_gmem_asked *asked)
{
	/* Later vCPUs have not asked when the caller looked. */
	const unsigned int max = atomic_read(&kvm->online_vcpus);
	struct kvm_private_mem *mem = &kvm->private_mem;
	struct kvm_share_request *request;
	struct interval_tree_node *node;
	bool wants_private;

	lockdep_assert_held(&kvm->slots_lock);

	if (!max)
		return 0;

	asked->gfns = kvmalloc_array(max, sizeof(*asked->gfns), GFP_KERNEL_ACCOUNT);
	if (!asked->gfns)
		return -ENOMEM;

	spin_lock(&mem->request_lock);
	node = interval_tree_iter_first(&mem->requests, 0, ULONG_MAX);
	for (; node && asked->nr < max;
	     node = interval_tree_iter_next(node, 0, ULONG_MAX)) {
		request = to_request(node);
		wants_private = request->kind == KVM_GMEM_REQUEST_PRIVATE;
		if (wants_private == to_private)
			kvm_gmem_add_asked(asked, node->start, node->last + 1);
	}
	spin_unlock(&mem->request_lock);

	return 0;
}
