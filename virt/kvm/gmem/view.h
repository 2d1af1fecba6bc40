/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_GMEM_VIEW_H
#define __KVM_GMEM_VIEW_H

/* Internal to view.c and view_files.c. */

#include "gmem.h"

struct kvm_view_pass;

/* What to do with a range of gfns whose view changes; an error or 1 ends the pass. */
typedef int (*kvm_view_fn_t)(struct kvm_view_pass *pass, gfn_t start, gfn_t end,
			     unsigned long view);

/**
 * struct kvm_view_pass - a pass over all that changes
 * @kvm: the VM
 * @fn: what to do
 * @nr_reserved: ranges for which a commit or a cancel is due
 *
 * Passes over one change find the same ranges: memslots, attributes and view are
 * stable under slots_lock, and a range that is committed lies behind.
 */
struct kvm_view_pass {
	struct kvm *kvm;
	kvm_view_fn_t fn;
	unsigned int nr_reserved;
};

/* What is behind a gfn, to a conversion */
enum kvm_view_backing {
	KVM_VIEW_NO_FILE,
	KVM_VIEW_TWO_BACKINGS,
	KVM_VIEW_IN_PLACE,
};

static inline enum kvm_view_backing kvm_view_slot_backing(const struct kvm_memory_slot *slot)
{
	if (!slot->gmem || !slot->gmem->gmem)
		return KVM_VIEW_NO_FILE;

	return slot->gmem->mmap ? KVM_VIEW_IN_PLACE : KVM_VIEW_TWO_BACKINGS;
}

int kvm_view_reserve_range(struct kvm_view_pass *pass, gfn_t start, gfn_t end,
			   unsigned long view);
int kvm_view_commit_range(struct kvm_view_pass *pass, gfn_t start, gfn_t end,
			  unsigned long view);
int kvm_view_cancel_range(struct kvm_view_pass *pass, gfn_t start, gfn_t end,
			  unsigned long view);
int kvm_view_end_reserve(struct kvm_view_pass *pass, int r);

#endif /* __KVM_GMEM_VIEW_H */
