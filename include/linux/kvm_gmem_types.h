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
#include <linux/rwsem.h>
#include <linux/spinlock_types.h>

struct kvm;
struct kvm_gmem_binding;

/**
 * enum kvm_gmem_kernel_access - may the host kernel touch private pages?
 * @KVM_GMEM_ACCESS_NEVER: no; such an access fails, and none is in flight when
 *	a page becomes private
 * @KVM_GMEM_ACCESS_DIRECT: yes, through the direct map
 */
enum kvm_gmem_kernel_access {
	KVM_GMEM_ACCESS_NEVER,
	KVM_GMEM_ACCESS_DIRECT,
};

/* The gfn of a page whose offset belongs to no memslot. */
#define KVM_GMEM_UNBOUND	(~(gfn_t)0)

/**
 * struct kvm_gmem_ops - what an architecture backend does for a VM's memory
 * @kernel_access: may the host kernel touch private pages
 * @can_seal: a VM can be sealed.  KVM keeps what its guest owns then, because no
 *	hardware does
 * @access_is_private: whether a guest's access is to private memory, by what the
 *	hardware reports.  @error_code is the architecture's: of an x86 page
 *	fault all 64 bits.  A difference from the attribute of the gfn ends
 *	KVM_RUN with KVM_EXIT_MEMORY_FAULT and the side of the access.  NULL
 *	where the hardware cannot tell.  Called with kvm->srcu held.
 * @is_ready: whether a page may be used as private memory at @gfn as it is.
 *	Cheap: asked at each fault.  Any lock may be held, a runqueue lock too, and
 *	interrupts may be off: takes no lock.
 * @prepare: make private pages the guest's, before they are used at @gfn for
 *	the first time, be it that they are new, were shared, or were used at
 *	another gfn.  Called with the file's invalidate_lock held for read and
 *	the folio locked; may sleep.  Returns 0, -EIO or -ENOMEM; a page is as
 *	before if this fails, and so does the fault.
 * @make_private: @prepare for pages that a conversion is about to make private;
 *	NULL if the first use is early enough.  The guest's and the host's
 *	mappings are gone.  Called with slots_lock and the invalidate_lock held
 *	for write; may sleep.  Returns 0 or an errno, which ends the conversion,
 *	with a page as before.
 * @make_shared: let the host have pages with what the guest has put there.
 *	Called like @make_private, for pages whose offset may be unbound, in
 *	which case @gfn is %KVM_GMEM_UNBOUND.  Each of the two undoes the other
 *	if a later page fails; if that fails as well, the page is reclaimed and
 *	leaves the file.  NULL if there is no way back that keeps the contents:
 *	@reclaim is used for conversions, too.
 * @reclaim: let the host have pages whatever becomes of the contents, before
 *	they are wiped.  Not told of the VM: also called for files that outlive
 *	the guest.  Called with the folio locked or the invalidate_lock held for
 *	write; may sleep.  Returns 0, or an errno if the host must not touch the
 *	pages any more: they are quarantined, and whatever the caller does goes
 *	on.  Pages that the guest does not own are a success.
 * @take_request: first part of [@start, @end) that the guest itself asked to
 *	share with its contents.  Returns true and stores that part in
 *	@kept_start and @kept_end, or returns false if there is none.  The
 *	request is used up to @kept_end.  Called with slots_lock held; cannot
 *	fail, since nothing may after this.  NULL if contents are never kept.
 *
 * @is_ready, @prepare and @reclaim come together, and so do @make_private and
 * @make_shared, which need the former.  A backend with @prepare and @take_request has
 * @make_shared, too: nothing else keeps contents.
 *
 * The gfn of @make_private and @make_shared is where the page is bound now.  It may
 * have been prepared at another one and not been used since.
 *
 * A VM with private memory points to one of these for its whole life.  Page
 * ranges are given by their first page frame and a number of pages, all of one
 * folio.  Private memory starts with whatever @prepare leaves there; zeroes that
 * the host has written may be lost.
 */
struct kvm_gmem_ops {
	enum kvm_gmem_kernel_access kernel_access;
	bool can_seal;
	bool (*access_is_private)(struct kvm_vcpu *vcpu, gfn_t gfn,
				  u64 error_code);
	bool (*is_ready)(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn);
	int (*prepare)(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn,
		       unsigned long nr);
	int (*make_private)(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn,
			    unsigned long nr);
	int (*make_shared)(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn,
			   unsigned long nr);
	int (*reclaim)(kvm_pfn_t pfn, unsigned long nr);
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
 *				again, because they are poisoned or because the
 *				backend did not give them back
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

/**
 * enum kvm_seal_state - how much of a VM is closed to its VMM
 * @KVM_SEAL_OPEN: what any VM is
 * @KVM_SEAL_CLOSING: no vCPU ioctl is served until it is known whether the VM can be
 *	sealed
 * @KVM_SEAL_CLOSED: sealed, for ever
 */
enum kvm_seal_state {
	KVM_SEAL_OPEN,
	KVM_SEAL_CLOSING,
	KVM_SEAL_CLOSED,
};

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
 * @seal_state: written under @seal_lock held for write, %KVM_SEAL_CLOSED under
 *	slots_lock as well; sampled by vCPU ioctls under vcpu->mutex
 * @seal_lock: held for read by VM ioctls that a sealed VM refuses; taken before any
 *	other lock
 * @view: gfn to KVM_VIEW_*, of a sealed VM; see view.c.  Written under slots_lock,
 *	read locklessly
 * @digest: of a sealed VM: what its guest has started with
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
	enum kvm_seal_state seal_state;
	struct rw_semaphore seal_lock;	/* outermost, see above */
	struct kvm_attr_map view;
	u8 digest[KVM_LAUNCH_DIGEST_SIZE];
};
#else
struct kvm_private_mem {
};
#endif

/**
 * enum kvm_gmem_request - what a guest can ask to become of memory
 * @KVM_GMEM_REQUEST_KEEP: shared, with its contents
 * @KVM_GMEM_REQUEST_SHARE: shared
 * @KVM_GMEM_REQUEST_PRIVATE: private
 */
enum kvm_gmem_request {
	KVM_GMEM_REQUEST_KEEP,
	KVM_GMEM_REQUEST_SHARE,
	KVM_GMEM_REQUEST_PRIVATE,
};

#ifdef CONFIG_KVM_GUEST_MEMFD
/**
 * struct kvm_share_request - what a vCPU asks to become of memory
 * @node: first and last gfn; in &kvm_private_mem.requests
 * @start: first gfn that the guest named
 * @end: one past the last one
 * @kind: what it asks for
 * @stands: it is in the tree, with what of it has not been used up
 * @collected: a conversion may go by it that has begun
 *
 * Guarded by &kvm_private_mem.request_lock; what the guest asked for is the vCPU's.
 */
struct kvm_share_request {
	struct interval_tree_node node;
	gfn_t start, end;
	enum kvm_gmem_request kind;
	bool stands;
	bool collected;
};
#else
struct kvm_share_request {
};
#endif

#endif /* __KVM_GMEM_TYPES_H */
