// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lookups of the host's pages that back a guest's memory.
 *
 * User memory is found by get_user_pages(), which gives a reference.  Mappings
 * that have no struct pages, or do not let others use them, are found in
 * userspace's page tables.
 */

#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>

#include "kvm_mm.h"

/* How often a fault handler may say that it is done when nothing has changed. */
#define KVM_LOOKUP_FAULTS	64

/* Setting it taints the kernel. */
static bool allow_unsafe_mappings;
module_param_unsafe(allow_unsafe_mappings, bool, 0444);
MODULE_PARM_DESC(allow_unsafe_mappings,
		 "Map memory into the kernel that nobody counts references to");

static bool kvm_lookup_wants_writable(const struct kvm_page_lookup *lookup)
{
	const struct kvm_memory_slot *slot = lookup->slot;

	return lookup->write ||
	       (lookup->map_writable && !(slot && slot->flags & KVM_MEM_READONLY));
}

static unsigned int kvm_lookup_gup_flags(const struct kvm_page_lookup *lookup)
{
	unsigned int flags = FOLL_HWPOISON;

	if (lookup->write)
		flags |= FOLL_WRITE;
	if (lookup->nowait)
		flags |= FOLL_NOWAIT;

	return flags;
}

static bool kvm_lookup_is_poisoned(const struct kvm_page_lookup *lookup)
{
	int r;

	r = get_user_pages(lookup->hva, 1, FOLL_HWPOISON | FOLL_WRITE, NULL,
			   NULL);
	return r == -EHWPOISON;
}

static void kvm_lookup_set_page(struct kvm_page_lookup *lookup,
				struct page *page, bool writable)
{
	lookup->pfn = page_to_pfn(page);
	lookup->page = page;
	lookup->writable = writable;
}

/*
 * The only part that runs in atomic context.  It finds nothing that is not
 * writable, so it is of no use to those who want to read, and no more.
 */
static bool kvm_lookup_fast(struct kvm_page_lookup *lookup)
{
	struct page *page;

	if (!kvm_lookup_wants_writable(lookup))
		return false;

	if (!get_user_page_fast_only(lookup->hva, FOLL_WRITE, &page))
		return false;

	kvm_lookup_set_page(lookup, page, true);
	return true;
}

/*
 * Returns 1 if there is a page, else what get_user_pages() says, which may be 0.
 */
static int kvm_lookup_slow(struct kvm_page_lookup *lookup)
{
	struct page *page, *wpage;
	int r;

	might_sleep();

	r = get_user_pages_unlocked(lookup->hva, 1, &page,
				    kvm_lookup_gup_flags(lookup));
	if (r != 1)
		return r;

	kvm_lookup_set_page(lookup, page, lookup->write);

	/* Map read faults as writable if possible. */
	if (!lookup->write && kvm_lookup_wants_writable(lookup) &&
	    get_user_page_fast_only(lookup->hva, FOLL_WRITE, &wpage)) {
		put_page(page);
		kvm_lookup_set_page(lookup, wpage, true);
	}

	return 1;
}

static bool kvm_lookup_vma_allows(const struct kvm_page_lookup *lookup,
				  const struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_READ))
		return false;

	return !lookup->write || vma->vm_flags & VM_WRITE;
}

/*
 * Where userspace may write, a read-only entry waits for the write, to copy the
 * page or to tell its driver.
 */
static bool kvm_lookup_waits_for_write(const struct kvm_page_lookup *lookup,
				       const struct vm_area_struct *vma,
				       pte_t pte)
{
	return lookup->write && !pte_write(pte) && vma->vm_flags & VM_WRITE;
}

/*
 * Find the page table entry, and lock it.  get_user_pages() fails for VM_IO and
 * VM_PFNMAP without calling the fault handler, so call it here.  Returns -EAGAIN
 * if that was done: @vma may be gone, or the entry again.
 */
static int kvm_lookup_lock_pte(struct kvm_page_lookup *lookup,
			       const struct vm_area_struct *vma,
			       pte_t **ptep, spinlock_t **ptl)
{
	unsigned int flags = lookup->write ? FAULT_FLAG_WRITE : 0;
	struct mm_struct *mm = current->mm;
	bool unlocked = false;
	int r;

	if (!follow_pte(mm, lookup->hva, ptep, ptl)) {
		if (!kvm_lookup_waits_for_write(lookup, vma, **ptep))
			return 0;
		__acquire(*ptl);	/* by follow_pte() */
		pte_unmap_unlock(*ptep, *ptl);
	}

	if (lookup->faults++ == KVM_LOOKUP_FAULTS)
		return -EFAULT;

	r = fixup_user_fault(mm, lookup->hva, flags, &unlocked);
	return r && !unlocked ? r : -EAGAIN;
}

/*
 * References are counted per compound page, which may be split before it is
 * held.
 */
static bool kvm_lookup_try_get(struct page *page)
{
	struct folio *folio;

	for (;;) {
		folio = page_folio(page);
		if (!folio_try_get(folio))
			return false;
		if (likely(page_folio(page) == folio))
			return true;
		folio_put(folio);
	}
}

static bool kvm_lookup_may_be_uncounted(const struct kvm_page_lookup *lookup)
{
	return lookup->guarded_by_notifier ||
	       (lookup->maps_into_kernel && allow_unsafe_mappings);
}

/*
 * The entry is locked, so its owner has yet to unmap it, and to call KVM's MMU
 * notifier, before it frees the page.  Without a reference, a special entry of a
 * VM_MIXEDMAP area is for nobody else than who obeys that, not even if there is
 * no count that could be taken.
 */
static kvm_pfn_t kvm_lookup_pte(struct kvm_page_lookup *lookup, pte_t pte,
				bool mixed)
{
	kvm_pfn_t pfn = pte_pfn(pte);
	struct page *page;

	if (lookup->write && !pte_write(pte))
		return KVM_PFN_ERR_RO_FAULT;

	page = kvm_pfn_to_refcounted_page(pfn);
	if (page && kvm_lookup_try_get(page)) {
		lookup->page = page;
	} else {
		if ((page || mixed) && !kvm_lookup_may_be_uncounted(lookup))
			return KVM_PFN_ERR_FAULT;
		lookup->uncounted = page;
	}

	lookup->writable = pte_write(pte) && kvm_lookup_wants_writable(lookup);
	return pfn;
}

/*
 * VM_IO and VM_PFNMAP areas are not for get_user_pages().  Of VM_MIXEDMAP areas
 * it gives the pages, and says -EEXIST where an entry is special.
 */
static bool kvm_lookup_vma_is_remapped(const struct vm_area_struct *vma)
{
	return vma->vm_flags & (VM_IO | VM_PFNMAP);
}

static bool kvm_lookup_vma_is_mixed(const struct vm_area_struct *vma, int gup)
{
	return vma->vm_flags & VM_MIXEDMAP && gup == -EEXIST;
}

static int kvm_lookup_remapped(struct kvm_page_lookup *lookup,
			       const struct vm_area_struct *vma, bool mixed)
{
	spinlock_t *ptl;	/* of ptep */
	pte_t *ptep;
	int r;

	r = kvm_lookup_lock_pte(lookup, vma, &ptep, &ptl);
	if (r)
		return r;
	__acquire(ptl);		/* by follow_pte() */

	lookup->pfn = kvm_lookup_pte(lookup, *ptep, mixed);
	pte_unmap_unlock(ptep, ptl);
	return 0;
}

/*
 * get_user_pages() found no page, but @gup: look at what is mapped there.
 * Returns -EAGAIN if that has changed meanwhile.
 */
static int kvm_lookup_vma(struct kvm_page_lookup *lookup, int gup)
{
	struct vm_area_struct *vma;
	bool mixed;

	lockdep_assert_held(&current->mm->mmap_lock);

	vma = vma_lookup(current->mm, lookup->hva);
	if (!vma)
		return -EFAULT;

	mixed = kvm_lookup_vma_is_mixed(vma, gup);
	if (mixed || kvm_lookup_vma_is_remapped(vma))
		return kvm_lookup_remapped(lookup, vma, mixed);

	lookup->needs_io = lookup->nowait && kvm_lookup_vma_allows(lookup, vma);
	return 0;
}

static int kvm_lookup_without_page(struct kvm_page_lookup *lookup, int gup)
{
	int r = 0;

	mmap_read_lock(current->mm);
	if (gup == -EHWPOISON ||
	    (!lookup->nowait && kvm_lookup_is_poisoned(lookup)))
		lookup->pfn = KVM_PFN_ERR_HWPOISON;
	else
		r = kvm_lookup_vma(lookup, gup);
	mmap_read_unlock(current->mm);

	return r;
}

static kvm_pfn_t kvm_lookup_user(struct kvm_page_lookup *lookup)
{
	int r;

	/* Either atomic or asynchronous, not both. */
	if (WARN_ON_ONCE(lookup->atomic && lookup->nowait))
		return lookup->pfn;

	if (kvm_lookup_fast(lookup) || lookup->atomic)
		return lookup->pfn;

	do {
		r = kvm_lookup_slow(lookup);
		if (r == 1)
			break;
	} while (kvm_lookup_without_page(lookup, r) == -EAGAIN);

	return lookup->pfn;
}

static void kvm_lookup_reset(struct kvm_page_lookup *lookup)
{
	lookup->pfn = KVM_PFN_ERR_FAULT;
	lookup->page = NULL;
	lookup->uncounted = false;
	lookup->writable = false;
	lookup->needs_io = false;
	lookup->faults = 0;
}

/**
 * kvm_lookup_hva - find the page at a host virtual address
 * @lookup: the lookup, of which slot may be NULL and gfn is ignored
 *
 * Context: the VM's mm is current's; takes the mmap lock and may sleep, unless
 * the lookup is atomic.
 * Return: the pfn, as in @lookup, with a reference to its page if that is not
 * NULL; or
 *
 * * KVM_PFN_ERR_RO_FAULT if the access is a write to remapped memory that
 *   userspace has mapped read-only
 * * KVM_PFN_ERR_HWPOISON if the page is poisoned
 * * KVM_PFN_ERR_FAULT if there is no page, or none without waiting, or one that
 *   nobody counts references to and that the caller may not have
 */
kvm_pfn_t kvm_lookup_hva(struct kvm_page_lookup *lookup)
{
	kvm_lookup_reset(lookup);
	return kvm_lookup_user(lookup);
}

/**
 * kvm_lookup_page - find the page that backs a gfn
 * @lookup: the lookup
 *
 * Context: slots_lock or kvm->srcu; the VM's mm is current's; takes the mmap
 * lock and may sleep, unless the lookup is atomic.
 * Return: the pfn, as in @lookup, with a reference to its page if that is not
 * NULL; or
 *
 * * KVM_PFN_NOSLOT if there is no memslot, or it is going away
 * * KVM_PFN_ERR_RO_FAULT if the access is a write to a read-only memslot, or as
 *   kvm_lookup_hva()
 * * KVM_PFN_ERR_HWPOISON or KVM_PFN_ERR_FAULT as kvm_lookup_hva()
 */
kvm_pfn_t kvm_lookup_page(struct kvm_page_lookup *lookup)
{
	bool slot_writable;

	kvm_lookup_reset(lookup);
	lookup->hva = gfn_to_hva_memslot_prot(lookup->slot, lookup->gfn,
					      &slot_writable);
	if (kvm_is_error_hva(lookup->hva)) {
		lookup->pfn = KVM_PFN_NOSLOT;
		return lookup->pfn;
	}

	if (lookup->write && !slot_writable) {
		lookup->hva = KVM_HVA_ERR_RO_BAD;
		lookup->pfn = KVM_PFN_ERR_RO_FAULT;
		return lookup->pfn;
	}

	return kvm_lookup_user(lookup);
}
EXPORT_SYMBOL_GPL(kvm_lookup_page);

/**
 * __gfn_to_pfn_memslot - find the pfn that backs a gfn
 * @slot: memslot that contains @gfn, or NULL
 * @gfn: guest frame number
 * @atomic: do not sleep
 * @async: if not NULL, do not wait for I/O, and set to true if it takes some
 * @write_fault: the access is a write
 * @writable: if not NULL, where to store whether userspace may write to the page
 * @hva: if not NULL, where to store the host virtual address of @gfn
 *
 * For callers that release the pfn, by kvm_release_pfn_clean(), like all
 * functions below.
 *
 * Context: as kvm_lookup_page().
 * Return: as kvm_lookup_page(); no page that nobody counts references to.
 */
kvm_pfn_t __gfn_to_pfn_memslot(const struct kvm_memory_slot *slot, gfn_t gfn,
			       bool atomic, bool *async, bool write_fault,
			       bool *writable, hva_t *hva)
{
	struct kvm_page_lookup lookup = {
		.slot = slot,
		.gfn = gfn,
		.write = write_fault,
		.map_writable = writable,
		.atomic = atomic,
		.nowait = async,
	};

	kvm_lookup_page(&lookup);

	if (hva)
		*hva = lookup.hva;
	if (writable)
		*writable = lookup.writable;
	if (async && lookup.needs_io)
		*async = true;

	/* That pfn says nothing of a reference that could be released. */
	if (lookup.page && !kvm_pfn_to_refcounted_page(lookup.pfn))
		put_page(lookup.page);

	return lookup.pfn;
}
EXPORT_SYMBOL_GPL(__gfn_to_pfn_memslot);

/**
 * gfn_to_pfn_prot - find the pfn that backs a gfn, and what may be done to it
 * @kvm: the VM
 * @gfn: guest frame number in the first address space
 * @write_fault: the access is a write
 * @writable: where to store whether userspace may write to the page
 *
 * Context: as __gfn_to_pfn_memslot(), may sleep.
 * Return: as __gfn_to_pfn_memslot().
 */
kvm_pfn_t gfn_to_pfn_prot(struct kvm *kvm, gfn_t gfn, bool write_fault,
			  bool *writable)
{
	return __gfn_to_pfn_memslot(gfn_to_memslot(kvm, gfn), gfn, false, NULL,
				    write_fault, writable, NULL);
}
EXPORT_SYMBOL_GPL(gfn_to_pfn_prot);

/**
 * gfn_to_pfn_memslot - find the pfn of a gfn, to be written
 * @slot: memslot that contains @gfn, or NULL
 * @gfn: guest frame number
 *
 * Context: as __gfn_to_pfn_memslot(), may sleep.
 * Return: as __gfn_to_pfn_memslot().
 */
kvm_pfn_t gfn_to_pfn_memslot(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	return __gfn_to_pfn_memslot(slot, gfn, false, NULL, true, NULL, NULL);
}
EXPORT_SYMBOL_GPL(gfn_to_pfn_memslot);

/**
 * gfn_to_pfn_memslot_atomic - find the pfn of a gfn, to be written, without sleep
 * @slot: memslot that contains @gfn, or NULL
 * @gfn: guest frame number
 *
 * Context: as __gfn_to_pfn_memslot(); does not sleep.
 * Return: as __gfn_to_pfn_memslot().
 */
kvm_pfn_t gfn_to_pfn_memslot_atomic(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	return __gfn_to_pfn_memslot(slot, gfn, true, NULL, true, NULL, NULL);
}
EXPORT_SYMBOL_GPL(gfn_to_pfn_memslot_atomic);

/**
 * kvm_vcpu_gfn_to_pfn_atomic - find the pfn of a vCPU's gfn without sleep
 * @vcpu: the vCPU, which chooses the address space
 * @gfn: guest frame number
 *
 * Context: as gfn_to_pfn_memslot_atomic().
 * Return: as __gfn_to_pfn_memslot().
 */
kvm_pfn_t kvm_vcpu_gfn_to_pfn_atomic(struct kvm_vcpu *vcpu, gfn_t gfn)
{
	return gfn_to_pfn_memslot_atomic(kvm_vcpu_gfn_to_memslot(vcpu, gfn), gfn);
}
EXPORT_SYMBOL_GPL(kvm_vcpu_gfn_to_pfn_atomic);

/**
 * gfn_to_pfn - find the pfn of a gfn, to be written
 * @kvm: the VM
 * @gfn: guest frame number in the first address space
 *
 * Context: as gfn_to_pfn_memslot().
 * Return: as __gfn_to_pfn_memslot().
 */
kvm_pfn_t gfn_to_pfn(struct kvm *kvm, gfn_t gfn)
{
	return gfn_to_pfn_memslot(gfn_to_memslot(kvm, gfn), gfn);
}
EXPORT_SYMBOL_GPL(gfn_to_pfn);

/**
 * kvm_vcpu_gfn_to_pfn - find the pfn of a vCPU's gfn, to be written
 * @vcpu: the vCPU, which chooses the address space
 * @gfn: guest frame number
 *
 * Context: as gfn_to_pfn_memslot().
 * Return: as __gfn_to_pfn_memslot().
 */
kvm_pfn_t kvm_vcpu_gfn_to_pfn(struct kvm_vcpu *vcpu, gfn_t gfn)
{
	return gfn_to_pfn_memslot(kvm_vcpu_gfn_to_memslot(vcpu, gfn), gfn);
}
EXPORT_SYMBOL_GPL(kvm_vcpu_gfn_to_pfn);
