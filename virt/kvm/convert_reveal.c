// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a conversion to shared lets the host see: only what the guest offered.
 */

#include "convert.h"
#include "guest_memfd_claim.h"

static int kvm_convert_clear_folio(struct kvm_conversion *conv,
				   struct folio *folio)
{
	kvm_gmem_clear_folio(folio);
	return 0;
}

/*
 * The guest offered what it had put at this gfn, not what the VMM put there.
 */
static int kvm_convert_offer_folio(struct kvm_conversion *conv,
				   struct folio *folio)
{
	gfn_t gfn = kvm_gmem_index_to_gfn(conv->offered, folio->index);

	if (kvm_gmem_claimed_elsewhere(folio, folio->index, gfn))
		kvm_gmem_clear_folio(folio);
	return 0;
}

/*
 * First run of [start, end) of a part that the guest offered, as offsets.
 */
static bool kvm_convert_take_offer(struct kvm_conversion *conv,
				   const struct kvm_convert_part *part,
				   pgoff_t start, pgoff_t end,
				   pgoff_t *offer_start, pgoff_t *offer_end)
{
	const struct kvm_private_ops *ops = conv->kvm->private_mem.ops;
	gfn_t from, to;

	if (!part->binding ||
	    !ops->take_offer(conv->kvm,
			     kvm_gmem_index_to_gfn(part->binding, start),
			     kvm_gmem_index_to_gfn(part->binding, end),
			     &from, &to))
		return false;

	*offer_start = kvm_gmem_gfn_to_index(part->binding, from);
	*offer_end = kvm_gmem_gfn_to_index(part->binding, to);
	return true;
}

static void kvm_convert_reveal_run(struct kvm_conversion *conv,
				   struct kvm_convert_part *part,
				   pgoff_t start, pgoff_t end)
{
	pgoff_t offer_start, offer_end;

	while (start < end) {
		if (!kvm_convert_take_offer(conv, part, start, end,
					    &offer_start, &offer_end)) {
			offer_start = end;
			offer_end = end;
		}

		if (start < offer_start)
			kvm_convert_folios(conv, part, start, offer_start,
					   kvm_convert_clear_folio);
		conv->offered = part->binding;
		if (offer_start < offer_end)
			kvm_convert_folios(conv, part, offer_start, offer_end,
					   kvm_convert_offer_folio);
		start = offer_end;
	}
}

static void kvm_convert_reveal_part(struct kvm_conversion *conv,
				    struct kvm_convert_part *part)
{
	unsigned long state;
	pgoff_t pos, end;

	lockdep_assert_held_write(&part->gmem->mapping->invalidate_lock);

	for (pos = part->start; pos < part->end; pos = end) {
		end = kvm_attr_map_run_end(&part->gmem->state, pos, part->end,
					   &state);
		if (state & KVM_MEMORY_ATTRIBUTE_PRIVATE)
			kvm_convert_reveal_run(conv, part, pos, end);
	}
}

/**
 * kvm_convert_reveal - zero what was private and what the guest did not offer
 * @conv: the conversion, its gfns converted, its offsets not yet
 *
 * The gfns are shared already, so that a write of KVM that comes now is a write
 * to shared memory.
 *
 * Context: slots_lock and the invalidate_lock of the files; may sleep.
 */
void kvm_convert_reveal(struct kvm_conversion *conv)
{
	unsigned int i;

	if (conv->attrs & KVM_MEMORY_ATTRIBUTE_PRIVATE)
		return;

	for (i = 0; i < conv->nr_parts; i++)
		kvm_convert_reveal_part(conv, &conv->parts[i]);
}

/**
 * kvm_convert_drop_offers - use up what the guest offered
 * @conv: the conversion, done
 *
 * That is all in its gfns, whether or not it mattered.
 *
 * Context: slots_lock.
 */
void kvm_convert_drop_offers(struct kvm_conversion *conv)
{
	const struct kvm_private_ops *ops = conv->kvm->private_mem.ops;
	gfn_t start, end;
	unsigned int i;

	for (i = 0; i < conv->nr_gfns; i++) {
		while (ops->take_offer(conv->kvm, conv->gfns[i].start,
				       conv->gfns[i].end, &start, &end))
			;
	}
}
