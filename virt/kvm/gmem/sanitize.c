// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a conversion to shared lets the host see: only what the guest asked
 * to share as it is.
 */

#include "convert.h"
#include "owner.h"

/*
 * KVM's own accesses, which may still take the page for private, come before
 * this and are zeroed as well, or after it and stay.
 */
static int kvm_convert_clear_folio(struct kvm_conversion *conv,
				   const struct kvm_convert_part *part,
				   struct folio *folio)
{
	if (!kvm_convert_take_back(conv, part, folio))
		return 0;

	write_lock(&conv->kvm->private_mem.access_lock);
	kvm_gmem_clear_folio(folio);
	write_unlock(&conv->kvm->private_mem.access_lock);
	return 0;
}

static bool kvm_convert_owned_elsewhere(const struct kvm_convert_part *part,
					struct folio *folio)
{
	unsigned long owner = kvm_gmem_owner(folio);

	return owner == KVM_GMEM_OWNER_CONFLICT ||
	       (owner != KVM_GMEM_OWNER_NONE && owner != part->binding->owner);
}

/*
 * The guest asked to share what it has put into the page that it sees now.
 */
static int kvm_convert_keep_folio(struct kvm_conversion *conv,
				  const struct kvm_convert_part *part,
				  struct folio *folio)
{
	if (kvm_convert_owned_elsewhere(part, folio))
		return kvm_convert_clear_folio(conv, part, folio);

	kvm_convert_take_back(conv, part, folio);
	return 0;
}

/*
 * First part of [start, end) that the guest asked to share as it is; empty and at
 * the end if there is none.
 */
static void kvm_convert_take_request(struct kvm_conversion *conv,
				     const struct kvm_convert_part *part,
				     pgoff_t start, pgoff_t end,
				     pgoff_t *kept_start, pgoff_t *kept_end)
{
	const struct kvm_gmem_ops *ops = conv->kvm->private_mem.ops;
	gfn_t from, to;

	*kept_start = end;
	*kept_end = end;

	if (!part->binding || !ops->take_request ||
	    !ops->take_request(conv->kvm,
			       kvm_gmem_index_to_gfn(part->binding, start),
			       kvm_gmem_index_to_gfn(part->binding, end),
			       &from, &to))
		return;

	*kept_start = kvm_gmem_gfn_to_index(part->binding, from);
	*kept_end = kvm_gmem_gfn_to_index(part->binding, to);
}

static void kvm_convert_sanitize_run(struct kvm_conversion *conv,
				     struct kvm_convert_part *part,
				     pgoff_t start, pgoff_t end)
{
	pgoff_t kept_start, kept_end;

	for (; start < end; start = kept_end) {
		kvm_convert_take_request(conv, part, start, end, &kept_start,
					 &kept_end);
		if (start < kept_start)
			kvm_convert_folios(conv, part, start, kept_start,
					   kvm_convert_clear_folio);
		if (kept_start < kept_end)
			kvm_convert_folios(conv, part, kept_start, kept_end,
					   kvm_convert_keep_folio);
	}
}

static void kvm_convert_sanitize_part(struct kvm_conversion *conv,
				      struct kvm_convert_part *part)
{
	unsigned long state;
	pgoff_t pos, end;

	lockdep_assert_held_write(&part->gmem->mapping->invalidate_lock);

	for (pos = part->start; pos < part->end; pos = end) {
		cond_resched();
		end = kvm_attr_map_run_end(&part->gmem->state, pos, part->end,
					   &state);
		if (state & KVM_MEMORY_ATTRIBUTE_PRIVATE)
			kvm_convert_sanitize_run(conv, part, pos, end);
	}
}

/**
 * kvm_convert_sanitize - zero what was private, except what the guest shares
 * @conv: the conversion, nothing of it committed yet
 *
 * The first step that cannot be undone.  A write of KVM that comes to a page
 * after this is a write to shared memory.
 *
 * Context: slots_lock and the invalidate_lock of the files; may sleep.
 */
void kvm_convert_sanitize(struct kvm_conversion *conv)
{
	unsigned int i;

	if (kvm_convert_to_private(conv))
		return;

	for (i = 0; i < conv->nr_parts; i++)
		kvm_convert_sanitize_part(conv, &conv->parts[i]);
}

static void kvm_convert_drop_requests(struct kvm_conversion *conv,
				      const struct kvm_convert_gfns *gfns)
{
	const struct kvm_gmem_ops *ops = conv->kvm->private_mem.ops;
	gfn_t start, end;

	if (!ops->take_request)
		return;

	while (ops->take_request(conv->kvm, gfns->start, gfns->end, &start, &end))
		cond_resched();
}

/*
 * A memslot that is gone cannot come back with what the host could have changed.
 */
static void kvm_convert_forget_parts(struct kvm_conversion *conv)
{
	struct kvm_convert_part *part;
	unsigned int i;

	lockdep_assert_held(&conv->kvm->slots_lock);

	if (!kvm_is_sealed(conv->kvm) || kvm_convert_to_private(conv))
		return;

	for (i = 0; i < conv->nr_parts; i++) {
		part = &conv->parts[i];
		if (!part->binding)
			kvm_gmem_forget_offsets(part->gmem, part->start,
						part->end - 1);
	}
}

/**
 * kvm_convert_forget - end what the guest believed of converted gfns
 * @conv: the conversion, done
 *
 * Requests in its gfns are used up, whether or not they mattered.  Where gfns
 * become shared that belong to no memslot, the guest may access a device from
 * now on; what was there before cannot come back.
 *
 * Context: slots_lock; may sleep.
 */
void kvm_convert_forget(struct kvm_conversion *conv)
{
	unsigned int i;

	for (i = 0; i < conv->nr_gfns; i++) {
		kvm_convert_drop_requests(conv, &conv->gfns[i]);
		if (!kvm_convert_to_private(conv))
			kvm_gmem_forget_gfns(conv->kvm, conv->gfns[i].start,
					     conv->gfns[i].end);
	}

	kvm_convert_forget_parts(conv);
}
