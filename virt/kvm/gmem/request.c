// SPDX-License-Identifier: GPL-2.0-only
/*
 * What guests ask to become of their memory.
 *
 * The architecture notes a request when the guest makes it, by whatever means its
 * ABI provides.  The request stands until userspace has handled it and runs the vCPU
 * again, and covers exactly its range.  A conversion to shared takes what the guest
 * asks to share together with its contents.  Requests for private memory permit
 * nothing: they end what others have asked for.
 *
 * Requests to share are in a tree, so that a conversion need not ask each vCPU.  vCPUs go
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

static void kvm_gmem_remove_request(struct kvm_private_mem *mem,
				    struct kvm_share_request *request)
{
	lockdep_assert_held(&mem->request_lock);

	if (request->stands)
		interval_tree_remove(&request->node, &mem->requests);
	request->stands = false;
}

/*
 * Whoever asks for private memory will not have it shared because another vCPU has
 * asked for that before, and whose conversion may have begun.
 */
static void kvm_gmem_supersede_requests(struct kvm_private_mem *mem,
					struct kvm_share_request *request)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&mem->request_lock);

	while ((node = interval_tree_iter_first(&mem->requests, request->start,
						request->end - 1))) {
		kvm_gmem_remove_request(mem, to_request(node));
	}

	/* Nor does a conversion go by one that has left the tree already. */
	request->collected = true;
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
	struct kvm_share_request *request = &vcpu->share_request;

	if (!kvm_has_private_mem(vcpu->kvm))
		return;

	spin_lock(&mem->request_lock);
	kvm_gmem_remove_request(mem, request);
	request->start = gfn;
	request->end = gfn + nr;
	request->kind = kind;
	if (kind == KVM_GMEM_REQUEST_PRIVATE)
		kvm_gmem_supersede_requests(mem, request);
	else
		kvm_gmem_add_request(mem, request, gfn, gfn + nr);
	spin_unlock(&mem->request_lock);
}

/*
 * No conversion that goes by a request of the past is in progress afterwards.
 */
static int kvm_gmem_wait_for_conversion(struct kvm_vcpu *vcpu)
	__must_hold(&vcpu->kvm->srcu)
{
	struct kvm *kvm = vcpu->kvm;
	int r;

	/* Those who hold the lock may wait for readers. */
	kvm_vcpu_srcu_read_unlock(vcpu);
	r = mutex_lock_interruptible(&kvm->slots_lock);
	if (!r)
		mutex_unlock(&kvm->slots_lock);
	kvm_vcpu_srcu_read_lock(vcpu);

	return r;
}

/**
 * kvm_gmem_end_request - end the request of a vCPU
 * @vcpu: the vCPU, about to run again
 *
 * Nothing happens to the guest's memory afterwards because of it.
 *
 * Context: vcpu->mutex and kvm->srcu, which is released meanwhile; may sleep.
 * Return: 0, or -EINTR with KVM_EXIT_INTR prepared if a signal came: try again.
 */
int kvm_gmem_end_request(struct kvm_vcpu *vcpu)
{
	struct kvm_private_mem *mem = &vcpu->kvm->private_mem;
	struct kvm_share_request *request = &vcpu->share_request;
	bool collected;

	if (!kvm_has_private_mem(vcpu->kvm))
		return 0;

	spin_lock(&mem->request_lock);
	kvm_gmem_remove_request(mem, request);
	collected = request->collected;
	spin_unlock(&mem->request_lock);

	if (!collected)
		return 0;

	if (kvm_gmem_wait_for_conversion(vcpu)) {
		vcpu->run->exit_reason = KVM_EXIT_INTR;
		return -EINTR;
	}

	spin_lock(&mem->request_lock);
	request->collected = false;
	spin_unlock(&mem->request_lock);
	return 0;
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
		kvm_gmem_remove_request(mem, request);
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
 * kvm_gmem_collect_requests - what the guest asks to share at this moment
 * @kvm: the VM
 * @asked: empty; to be filled with ranges of gfns, which kvm_convert_free() frees
 *
 * vCPUs whose requests these are do not go on before slots_lock is free.
 *
 * Context: slots_lock; may sleep.
 * Return: 0 or -ENOMEM.
 */
int kvm_gmem_collect_requests(struct kvm *kvm, struct kvm_gmem_asked *asked)
{
	/* Later vCPUs have not asked when the caller looked. */
	const unsigned int max = atomic_read(&kvm->online_vcpus);
	struct kvm_private_mem *mem = &kvm->private_mem;
	struct interval_tree_node *node;

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
		to_request(node)->collected = true;
		kvm_gmem_add_asked(asked, node->start, node->last + 1);
	}
	spin_unlock(&mem->request_lock);

	return 0;
}
