/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_GMEM_TYPES_H
#define __KVM_GMEM_TYPES_H

/*
 * Types of private guest memory that struct kvm and its parts embed.  The
 * functions are in <linux/kvm_gmem.h>.
 */

#include <linux/gmem_fs.h>
#include <linux/interval_tree.h>
#include <linux/kvm_attr_map.h>
#include <linux/kvm_types.h>
#include <linux/list.h>
#include <linux/spinlock_types.h>

struct kvm;
struct kvm_gmem_binding;

/**
 * struct kvm_gmem_ops - what an architecture backend says of a VM's memory
 * @kernel_access: the host kernel may read and write private pages, through
 *	the file's page.  If false, every such access fails.
 * @take_request: first part of [@start, @end) that the guest itself asked to
 *	share with its contents.  Returns true and stores that part in
 *	@kept_start and @kept_end, or returns false if there is none.  The
 *	request is used up to @kept_end.  Called with slots_lock held; cannot
 *	fail, since nothing may after this.
 *
 * A VM with private memory points to one of these for its whole life.
 */
struct kvm_gmem_ops {
	bool kernel_access;
	bool (*take_request)(struct kvm *kvm, gfn_t start, gfn_t end,
			     gfn_t *kept_start, gfn_t *kept_end);
};

/*
 * Binary statistics of private memory, for KVM_GENERIC_VM_STATS().  The fields
 * are in struct kvm_vm_stat_generic:
 *
 * gmem_private_pages		private pages that files hold now
 * gmem_conversions		conversions that changed something
 * gmem_conversions_again	conversions that failed because of a reference
 * gmem_poisoned_pages		pages of files in which an error was found
 * gmem_leaked_pages		pages that left a file and that nobody can use
 *				again, because they are poisoned
 */
#ifdef CONFIG_KVM_GUEST_MEMFD
/* Part of a list, with the comma that must follow. */
#define KVM_GMEM_VM_STATS_PART(...)	__VA_ARGS__,
#define KVM_GMEM_VM_STATS()						       \
	KVM_GMEM_VM_STATS_PART(					       \
		STATS_DESC_ICOUNTER(VM_GENERIC, gmem_private_pages),	       \
		STATS_DESC_COUNTER(VM_GENERIC, gmem_conversions),	       \
		STATS_DESC_COUNTER(VM_GENERIC, gmem_conversions_again),	       \
		STATS_DESC_COUNTER(VM_GENERIC, gmem_poisoned_pages),	       \
		STATS_DESC_COUNTER(VM_GENERIC, gmem_leaked_pages))
#else
#define KVM_GMEM_VM_STATS()
#endif

#ifdef CONFIG_KVM_GUEST_MEMFD
/**
 * struct kvm_private_mem - private memory of a VM, embedded in struct kvm
 * @ops: backend, NULL for a VM without private memory; constant once the VM
 *	is visible
 * @attrs: gfn to KVM_MEMORY_ATTRIBUTE_*; written under slots_lock inside an
 *	MMU invalidation, read locklessly
 * @access_lock: held for read while KVM itself touches a page of a file, for
 *	write to wait for such accesses; a leaf, taken under any other lock
 * @request_lock: guards @requests and those of the VM's vCPUs; a leaf
 * @requests: struct kvm_share_request by gfn
 * @past: bindings of deleted memslots by gfn; under slots_lock
 * @past_list: the same, the oldest first; under slots_lock
 * @nr_past: their number; under slots_lock
 * @last_owner: id of the newest binding; under slots_lock
 * @closer: closes files whose last user must not wait; each holds the VM
 */
struct kvm_private_mem {
	const struct kvm_gmem_ops *ops;
	struct kvm_attr_map attrs;
	rwlock_t access_lock;
	spinlock_t request_lock;	/* requests of the vCPUs, a leaf */
	struct rb_root_cached requests;
	struct rb_root_cached past;
	struct list_head past_list;
	unsigned int nr_past;
	unsigned long last_owner;
	struct gmem_closer closer;
};
#else
struct kvm_private_mem {
};
#endif

#ifdef CONFIG_KVM_GUEST_MEMFD
/**
 * struct kvm_share_request - pages that a vCPU asks to share as they are
 * @node: first and last gfn; in &kvm_private_mem.requests
 * @stands: there is a request
 *
 * Guarded by &kvm_private_mem.request_lock.
 */
struct kvm_share_request {
	struct interval_tree_node node;
	bool stands;
};
#else
struct kvm_share_request {
};
#endif

#endif /* __KVM_GMEM_TYPES_H */
