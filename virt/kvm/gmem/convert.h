/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_GMEM_CONVERT_H
#define __KVM_GMEM_CONVERT_H

/* Internal to convert.c, ranges.c, request.c, sanitize.c, switch.c and view.c. */

#include "gmem.h"

/**
 * struct kvm_convert_gfns - gfns of a conversion
 * @start: first gfn
 * @end: one past the last gfn
 */
struct kvm_convert_gfns {
	gfn_t start;
	gfn_t end;
};

/**
 * struct kvm_gmem_asked - gfns that the guest asks to have converted
 * @gfns: sorted ranges that do not touch
 * @nr: their number
 */
struct kvm_gmem_asked {
	struct kvm_convert_gfns *gfns;
	unsigned int nr;
};

/**
 * struct kvm_convert_part - offsets of an MMAP file that a conversion covers
 * @gmem: the file
 * @start: first offset in pages
 * @end: one past the last offset
 * @binding: binding that covers all of it, NULL if it is not bound
 * @nr_moved: pages found that are to be private from shared, or the reverse
 */
struct kvm_convert_part {
	struct kvm_gmem *gmem;
	pgoff_t start;
	pgoff_t end;
	const struct kvm_gmem_binding *binding;
	unsigned long nr_moved;
};

/**
 * struct kvm_conversion - a conversion under way
 * @kvm: the VM
 * @attrs: new attributes
 * @gfns: disjoint ranges of gfns
 * @single: what @gfns points to if there is at most one
 * @parts: disjoint parts of files
 * @nr_gfns: entries of @gfns
 * @nr_parts: entries of @parts
 * @inv: the invalidation of @gfns
 * @error_index: offset of the page that made the conversion fail
 * @asked: of a sealed VM: what the guest asked for when the conversion began
 *
 * Guarded by slots_lock.
 */
struct kvm_conversion {
	struct kvm *kvm;
	unsigned long attrs;
	struct kvm_convert_gfns *gfns;
	struct kvm_convert_gfns single;
	struct kvm_convert_part *parts;
	unsigned int nr_gfns;
	unsigned int nr_parts;
	struct kvm_invalidation inv;
	pgoff_t error_index;
	struct kvm_gmem_asked asked;
};

static inline bool kvm_convert_to_private(const struct kvm_conversion *conv)
{
	return conv->attrs & KVM_MEMORY_ATTRIBUTE_PRIVATE;
}

typedef int (*kvm_convert_folio_fn_t)(struct kvm_conversion *conv,
				      const struct kvm_convert_part *part,
				      struct folio *folio);

/* request.c */
int kvm_gmem_collect_requests(struct kvm *kvm, struct kvm_gmem_asked *asked);

/* view.c */
int kvm_view_start(struct kvm_conversion *conv);
bool kvm_view_stays(struct kvm_conversion *conv);
int kvm_view_reserve(struct kvm_conversion *conv);
void kvm_view_commit(struct kvm_conversion *conv);
void kvm_view_cancel(struct kvm_conversion *conv);

/* switch.c */
void kvm_convert_raise_fence(struct kvm_conversion *conv);
void kvm_convert_lower_fence(struct kvm_conversion *conv);
int kvm_convert_switch(struct kvm_conversion *conv);
bool kvm_convert_take_back(struct kvm_conversion *conv,
			   const struct kvm_convert_part *part,
			   struct folio *folio);

/* sanitize.c */
void kvm_convert_sanitize(struct kvm_conversion *conv);
void kvm_convert_forget(struct kvm_conversion *conv);

/* ranges.c, which calls none of the others */
int kvm_convert_check_signal(void);
int kvm_convert_folios(struct kvm_conversion *conv, struct kvm_convert_part *part,
		       pgoff_t start, pgoff_t end, kvm_convert_folio_fn_t fn);
int kvm_convert_collect_gfns(struct kvm_conversion *conv, gfn_t start,
			     gfn_t end);
int kvm_convert_collect_file(struct kvm_conversion *conv, struct kvm_gmem *gmem,
			     pgoff_t start, pgoff_t end);
int kvm_convert_collect_binding(struct kvm_conversion *conv,
				struct kvm_gmem_binding *binding);
void kvm_convert_free(struct kvm_conversion *conv);

#endif /* __KVM_GMEM_CONVERT_H */
