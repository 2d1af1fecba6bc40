/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_FOLLOW_PFN_H
#define __KVM_FOLLOW_PFN_H

/*
 * How KVM finds the host's page that backs a guest's page.
 *
 * A lookup hands out the pfn and, apart from it, the reference that it took.
 * The caller owes that reference, and nothing to the pfn: it passes
 * &kvm_page_lookup.page to kvm_release_page_clean() or
 * kvm_release_page_dirty(), which ignore NULL.
 *
 * What a pfn may be:
 *
 *   struct page            page       uncounted  for whom
 *   ---------------------  ---------  ---------  -----------------------------
 *   with a reference       not NULL   false      everybody
 *   remapped and reserved  NULL       false      everybody
 *   none                   NULL       false      everybody
 *   with a count of 0      NULL       true       those guarded by the notifier,
 *                                                and others if the administrator
 *                                                sets kvm.allow_unsafe_mappings
 *
 * The last kind is memory that its owner does not count references to, such as
 * the tail pages of a non-compound allocation that a driver has mapped.  It
 * lives until its owner unmaps it from userspace, which KVM learns from its MMU
 * notifier.  Its struct page is not KVM's to touch.  A page that is freed too
 * early while it is mapped in userspace only looks the same; KVM warns of those
 * that it maps and that had a reference when it last looked.
 *
 * In VM_MIXEDMAP areas, where get_user_pages() and nothing else was tried before,
 * what has no reference is for the callers of the last row only.
 */

#include <linux/kvm_types.h>

struct page;

/**
 * struct kvm_page_lookup - one lookup of a page
 * @slot: in: memslot that contains @gfn, or NULL
 * @gfn: in: guest frame number
 * @write: in: the access is a write
 * @map_writable: in: if the access is a read, prefer a page that can be written
 *	as well, and report it in @writable; means nothing in a read-only memslot
 * @atomic: in: do not sleep; finds only pages that userspace has mapped writable
 * @nowait: in: do not wait for I/O, report it in @needs_io; not with @atomic
 * @guarded_by_notifier: in: the caller stops using the pfn when the MMU notifier
 *	invalidates @hva, does not map it into the kernel, and obeys @uncounted
 * @maps_into_kernel: in: the caller maps the pfn into the kernel, and obeys
 *	@uncounted, which it sees only if kvm.allow_unsafe_mappings is set
 * @hva: out: the host virtual address of @gfn, or an error hva; in for
 *	kvm_lookup_hva()
 * @pfn: out: page frame number, or an error pfn, or KVM_PFN_NOSLOT
 * @page: out: the page of @pfn, with a reference for the caller; NULL if there is
 *	no reference to drop
 * @uncounted: out: the pfn has a struct page that must not be touched, neither to
 *	mark it accessed or dirty, nor to take a reference
 * @writable: out: userspace may write to the page
 * @needs_io: out: the lookup failed because it would have had to wait
 * @faults: for follow_pfn.c: how often the fault handler was called
 */
struct kvm_page_lookup {
	const struct kvm_memory_slot *slot;
	gfn_t gfn;
	bool write;
	bool map_writable;
	bool atomic;
	bool nowait;
	bool guarded_by_notifier;
	bool maps_into_kernel;

	hva_t hva;

	kvm_pfn_t pfn;
	struct page *page;
	bool uncounted;
	bool writable;
	bool needs_io;

	unsigned int faults;
};

kvm_pfn_t kvm_lookup_page(struct kvm_page_lookup *lookup);

#endif /* __KVM_FOLLOW_PFN_H */
