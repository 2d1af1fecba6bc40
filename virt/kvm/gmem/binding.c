// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bindings of guest_memfd files to memslots.
 *
 * A memslot gets its binding before it becomes visible and keeps it until it is
 * freed.  Closing the file takes the file away from the binding, not the
 * binding from the memslot.
 *
 * In a VM with private memory, a memslot without a file is like one whose file
 * has been closed: it has a binding, so that whoever looks for a page asks for
 * the attributes first.
 *
 * Owns struct kvm_gmem_binding and the tree of them in a file.  Calls file.c to
 * learn what a descriptor is, convert.c before a binding appears, view.c, and past.c.
 */

#include <linux/file.h>

#include "gmem.h"
#include "../kvm_mm.h"

static int kvm_gmem_check_file(struct kvm *kvm, struct file *file,
			       const struct kvm_userspace_memory_region2 *mem)
{
	struct kvm_gmem *gmem = kvm_gmem_from_file(file);
	u64 size = i_size_read(file_inode(file));

	if (!gmem || gmem->kvm != kvm)
		return -EINVAL;

	if (!PAGE_ALIGNED(mem->guest_memfd_offset) ||
	    mem->guest_memfd_offset + mem->memory_size > size)
		return -EINVAL;

	return 0;
}

static struct kvm_gmem_binding *kvm_gmem_alloc_binding(struct kvm *kvm)
{
	struct kvm_gmem_binding *binding;

	binding = kzalloc(sizeof(*binding), GFP_KERNEL_ACCOUNT);
	if (!binding)
		return NULL;

	RB_CLEAR_NODE(&binding->node.rb);
	binding->kvm = kvm;
	return binding;
}

static int kvm_gmem_attach(struct kvm_memory_slot *slot, struct kvm_gmem *gmem,
			   pgoff_t index)
{
	struct kvm_gmem_binding *binding = kvm_gmem_alloc_binding(gmem->kvm);

	if (!binding)
		return -ENOMEM;

	binding->node.start = index;
	binding->node.last = index + slot->npages - 1;
	binding->gmem = gmem;
	binding->base_gfn = slot->base_gfn;
	binding->mmap = kvm_gmem_is_mmap(gmem);
	slot->gmem = binding;
	return 0;
}

static int kvm_gmem_attach_nothing(struct kvm_memory_slot *slot, struct kvm *kvm)
{
	slot->gmem = kvm_gmem_alloc_binding(kvm);
	return slot->gmem ? 0 : -ENOMEM;
}

/**
 * kvm_gmem_prepare_slot - look up the file of a new memslot
 * @kvm: the VM
 * @slot: the memslot, not visible yet
 * @mem: what userspace asked for; its offset and size do not wrap
 *
 * Undone by kvm_gmem_unbind().
 *
 * Context: slots_lock; may sleep.
 * Return: 0, also if the memslot has no file, or
 *
 * * -EBADF if there is no such file descriptor
 * * -EINVAL if the file is not a guest_memfd, belongs to another VM, or ends
 *   before the memslot does, or if the offset is not page aligned
 * * -ENOMEM if there is no memory
 */
int kvm_gmem_prepare_slot(struct kvm *kvm, struct kvm_memory_slot *slot,
			  const struct kvm_userspace_memory_region2 *mem)
{
	struct file *file;
	int r;

	lockdep_assert_held(&kvm->slots_lock);

	if (!(mem->flags & KVM_MEM_GUEST_MEMFD))
		return kvm_has_private_mem(kvm) ?
		       kvm_gmem_attach_nothing(slot, kvm) : 0;

	file = fget(mem->guest_memfd);
	if (!file)
		return -EBADF;

	r = kvm_gmem_check_file(kvm, file, mem);
	if (!r)
		r = kvm_gmem_attach(slot, file->private_data,
				    mem->guest_memfd_offset >> PAGE_SHIFT);
	/*
	 * slots_lock keeps the guest_memfd alive from here on: closing it waits
	 * for the lock, then finds the binding.
	 */
	fput(file);
	return r;
}

static int kvm_gmem_bind_locked(struct kvm_gmem_binding *binding)
{
	struct kvm_gmem *gmem = binding->gmem;
	int r;

	if (interval_tree_iter_first(&gmem->bindings, binding->node.start,
				     binding->node.last))
		return -EEXIST;

	r = kvm_view_reserve_bind(binding);
	if (r)
		return r;

	if (kvm_gmem_is_mmap(gmem) && kvm_has_private_mem(gmem->kvm)) {
		r = kvm_convert_to_bind(binding);
		if (r) {
			kvm_view_cancel_bind(binding);
			return r;
		}
	}

	kvm_view_commit_bind(binding);
	kvm_gmem_set_owner(binding);

	spin_lock(&gmem->bindings_lock);
	interval_tree_insert(&binding->node, &gmem->bindings);
	spin_unlock(&gmem->bindings_lock);
	return 0;
}

/*
 * The page behind an hva changes with the binding, but gfn to pfn caches go by
 * the hva.
 */
static void kvm_gmem_invalidate_caches(struct kvm *kvm,
				       const struct kvm_memory_slot *slot)
{
	gfn_to_pfn_cache_invalidate_start(kvm, slot->userspace_addr,
					  slot->userspace_addr +
					  (slot->npages << PAGE_SHIFT), true);
}

/**
 * kvm_gmem_bind - bind a new memslot to its range of the file
 * @kvm: the VM
 * @slot: the memslot, not visible yet
 *
 * Offsets of an MMAP file whose gfns are private become private.  If it fails,
 * the architecture's part of @slot is freed.
 *
 * Context: slots_lock; may sleep.
 * Return: 0, also if @slot has no file, or
 *
 * * -EEXIST if another memslot is bound to a part of the range
 * * -EAGAIN if an offset that must become private has unexpected references
 * * -EINTR if a fatal signal is pending
 * * -ENOMEM if there is no memory
 */
int kvm_gmem_bind(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	int r;

	lockdep_assert_held(&kvm->slots_lock);

	if (!slot->gmem || !slot->gmem->gmem)
		return 0;

	r = kvm_gmem_bind_locked(slot->gmem);
	if (r)
		kvm_arch_free_memslot(kvm, slot);
	else
		kvm_gmem_invalidate_caches(kvm, slot);
	return r;
}

static void kvm_gmem_detach(struct kvm_gmem_binding *binding)
{
	lockdep_assert_held(&binding->kvm->slots_lock);

	spin_lock(&binding->gmem->bindings_lock);
	interval_tree_remove(&binding->node, &binding->gmem->bindings);
	spin_unlock(&binding->gmem->bindings_lock);
}

/**
 * kvm_gmem_unbind - end the binding of a memslot
 * @kvm: the VM
 * @slot: the memslot, not visible any more
 *
 * The state of the file's offsets does not change.
 *
 * Context: slots_lock, or the VM is being destroyed.
 */
void kvm_gmem_unbind(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	struct kvm_gmem_binding *binding = slot->gmem;
	bool bound;

	if (!binding)
		return;

	bound = binding->gmem && !RB_EMPTY_NODE(&binding->node.rb);
	if (bound)
		kvm_gmem_detach(binding);

	/* Nobody looks up pages by the binding any more. */
	kvm_gmem_invalidate_caches(kvm, slot);
	slot->gmem = NULL;
	if (bound && kvm_has_private_mem(kvm) &&
	    (binding->mmap || kvm_is_sealed(kvm)))
		kvm_gmem_keep_past(binding);
	else
		kfree(binding);
}

static const struct kvm_gmem_binding *
kvm_gmem_find_binding(struct kvm_gmem *gmem, pgoff_t index)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&gmem->bindings_lock);

	node = interval_tree_iter_first(&gmem->bindings, index, index);
	return node ? container_of(node, struct kvm_gmem_binding, node) : NULL;
}

/**
 * kvm_gmem_find_gfn - which gfn is bound to an offset?
 * @gmem: the file
 * @index: offset in pages
 * @gfn: where to store the gfn
 *
 * Context: Any.
 * Return: true if the offset is bound.
 */
bool kvm_gmem_find_gfn(struct kvm_gmem *gmem, pgoff_t index, gfn_t *gfn)
{
	const struct kvm_gmem_binding *binding;

	spin_lock(&gmem->bindings_lock);
	binding = kvm_gmem_find_binding(gmem, index);
	if (binding)
		*gfn = kvm_gmem_index_to_gfn(binding, index);
	spin_unlock(&gmem->bindings_lock);

	return binding;
}

/**
 * kvm_gmem_gfn_is_private - is an offset bound to a gfn that is private?
 * @gmem: the file
 * @index: offset in pages
 *
 * A gfn that is bound to an MMAP file changes only under the invalidate_lock, held
 * for write.
 *
 * Context: the file's invalidate_lock.
 * Return: true if so.
 */
bool kvm_gmem_gfn_is_private(struct kvm_gmem *gmem, pgoff_t index)
{
	const struct kvm_gmem_binding *binding;
	bool is_private;

	lockdep_assert_held(&gmem->mapping->invalidate_lock);

	spin_lock(&gmem->bindings_lock);
	binding = kvm_gmem_find_binding(gmem, index);
	is_private = binding &&
		     kvm_mem_is_private(gmem->kvm,
					kvm_gmem_index_to_gfn(binding, index));
	spin_unlock(&gmem->bindings_lock);

	return is_private;
}
