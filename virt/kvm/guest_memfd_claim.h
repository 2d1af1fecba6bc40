/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_GUEST_MEMFD_CLAIM_H
#define __KVM_GUEST_MEMFD_CLAIM_H

/*
 * What KVM keeps in folio->private of a guest_memfd folio, without PG_private:
 *
 *   bits 15:0	pins, KVM's own long-lived references to the folio
 *   bits 63:16	claim, one more than the gfn of the folio's first page when the
 *		guest uses the folio as private memory, 0 if it has not, and all
 *		ones if it has used it at more than one gfn
 *
 * A memslot can be deleted, and another one be created that has the page at
 * another gfn.  The guest does not know.  What it offers to share is what it
 * has put at a gfn, so an offer must not reveal a page that it has filled at
 * another one.
 */

#include <linux/kvm_private.h>
#include <linux/pagemap.h>

#define KVM_GMEM_CLAIM_SHIFT	16
#define KVM_GMEM_CLAIM_CONFLICT	(ULONG_MAX >> KVM_GMEM_CLAIM_SHIFT)
#define KVM_GMEM_PINS_MASK	(BIT(KVM_GMEM_CLAIM_SHIFT) - 1)

static inline atomic_long_t *kvm_gmem_folio_state(struct folio *folio)
{
	BUILD_BUG_ON(sizeof(folio->private) != sizeof(atomic_long_t));

	return (atomic_long_t *)&folio->private;
}

/* Stable under access_lock held for write. */
static inline long kvm_gmem_pins(struct folio *folio)
{
	return atomic_long_read(kvm_gmem_folio_state(folio)) & KVM_GMEM_PINS_MASK;
}

static inline unsigned long kvm_gmem_claim_of(struct folio *folio, pgoff_t index,
					      gfn_t gfn)
{
	return gfn - (index - folio->index) + 1;
}

static inline unsigned long kvm_gmem_next_claim(unsigned long old,
						unsigned long claim)
{
	return !old || old == claim ? claim : KVM_GMEM_CLAIM_CONFLICT;
}

/* The guest uses the folio as private memory, with @index at @gfn. */
static inline void kvm_gmem_claim(struct folio *folio, pgoff_t index, gfn_t gfn)
{
	atomic_long_t *state = kvm_gmem_folio_state(folio);
	unsigned long claim = kvm_gmem_claim_of(folio, index, gfn);
	long old = atomic_long_read(state);
	unsigned long next;

	do {
		next = kvm_gmem_next_claim((unsigned long)old >>
					   KVM_GMEM_CLAIM_SHIFT, claim);
		next = next << KVM_GMEM_CLAIM_SHIFT | (old & KVM_GMEM_PINS_MASK);
		if (next == old)
			return;
	} while (!atomic_long_try_cmpxchg(state, &old, next));
}

/* Is there a claim that puts @index somewhere else than at @gfn? */
static inline bool kvm_gmem_claimed_elsewhere(struct folio *folio, pgoff_t index,
					      gfn_t gfn)
{
	unsigned long claim = atomic_long_read(kvm_gmem_folio_state(folio));

	claim >>= KVM_GMEM_CLAIM_SHIFT;
	return claim && claim != kvm_gmem_claim_of(folio, index, gfn);
}

/* The folio has been shared memory until now. */
static inline void kvm_gmem_unclaim(struct folio *folio)
{
	atomic_long_and(KVM_GMEM_PINS_MASK, kvm_gmem_folio_state(folio));
}

#endif /* __KVM_GUEST_MEMFD_CLAIM_H */
