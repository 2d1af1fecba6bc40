/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_GMEM_OWNER_H
#define __KVM_GMEM_OWNER_H

/*
 * What KVM keeps in folio->private of a guest_memfd folio, without PG_private:
 *
 *   bits 14:0	pins, KVM's own long-lived references to the folio
 *   bit 15	reserved
 *   bits 63:16	owner, the id of the binding under which the guest has used the
 *		folio as private memory, 0 if it has not, and all ones if there
 *		has been more than one
 *
 * A memslot can be deleted, and another one be created that has the page at
 * another gfn, or another page at the gfn.  The guest does not know.  What it
 * asks to share is what it has put at a gfn since the page came there, so a
 * request must not show what the guest has put into a page under another
 * binding.  Ids are never used again, see past.c.
 *
 * PG_checked says that the backend may hold the folio: from prepare() or
 * make_private() until make_shared() or reclaim() has let go of it.  A folio that
 * leaves its file with this flag is never given to anybody again.
 */

#include <linux/kvm_gmem.h>
#include <linux/pagemap.h>

#define KVM_GMEM_PINS_MASK	GENMASK(14, 0)
#define KVM_GMEM_OWNER_SHIFT	16
#define KVM_GMEM_OWNER_MASK	(ULONG_MAX << KVM_GMEM_OWNER_SHIFT)
#define KVM_GMEM_OWNER_NONE	0UL
#define KVM_GMEM_OWNER_CONFLICT	(ULONG_MAX >> KVM_GMEM_OWNER_SHIFT)

static inline atomic_long_t *kvm_gmem_folio_state(struct folio *folio)
{
	BUILD_BUG_ON(sizeof(folio->private) != sizeof(atomic_long_t));

	return (atomic_long_t *)&folio->private;
}

static inline bool kvm_gmem_is_held(struct folio *folio)
{
	return folio_test_checked(folio);
}

static inline void kvm_gmem_set_held(struct folio *folio)
{
	folio_set_checked(folio);
}

static inline void kvm_gmem_clear_held(struct folio *folio)
{
	folio_clear_checked(folio);
}

/* Stable under access_lock held for write. */
static inline long kvm_gmem_pins(struct folio *folio)
{
	return atomic_long_read(kvm_gmem_folio_state(folio)) & KVM_GMEM_PINS_MASK;
}

static inline unsigned long kvm_gmem_owner(struct folio *folio)
{
	unsigned long state = atomic_long_read(kvm_gmem_folio_state(folio));

	return state >> KVM_GMEM_OWNER_SHIFT;
}

/* The state of a folio that @owner uses as well. */
static inline unsigned long kvm_gmem_state_owned(unsigned long state,
						 unsigned long owner)
{
	unsigned long old = state >> KVM_GMEM_OWNER_SHIFT;

	if (old != KVM_GMEM_OWNER_NONE && old != owner)
		owner = KVM_GMEM_OWNER_CONFLICT;

	return owner << KVM_GMEM_OWNER_SHIFT | (state & ~KVM_GMEM_OWNER_MASK);
}

/* The guest uses the folio as private memory, under binding @owner. */
static inline void kvm_gmem_own(struct folio *folio, unsigned long owner)
{
	atomic_long_t *state = kvm_gmem_folio_state(folio);
	long old = atomic_long_read(state);
	long new;

	do {
		new = kvm_gmem_state_owned(old, owner);
		if (new == old)
			return;
	} while (!atomic_long_try_cmpxchg(state, &old, new));
}

/*
 * Count a pin.  What KVM will write into the folio is the guest's, also if the
 * folio becomes private only later.
 */
static inline void kvm_gmem_add_pin(struct folio *folio, unsigned long owner)
{
	atomic_long_t *state = kvm_gmem_folio_state(folio);
	long old = atomic_long_read(state);

	while (!atomic_long_try_cmpxchg(state, &old,
					kvm_gmem_state_owned(old, owner) + 1))
		;
}

/* The folio has been shared memory until now, unless KVM still writes to it. */
static inline void kvm_gmem_disown(struct folio *folio)
{
	atomic_long_t *state = kvm_gmem_folio_state(folio);
	long old = atomic_long_read(state);

	do {
		if (old & KVM_GMEM_PINS_MASK)
			return;
	} while (!atomic_long_try_cmpxchg(state, &old,
					  old & ~KVM_GMEM_OWNER_MASK));
}

#endif /* __KVM_GMEM_OWNER_H */
