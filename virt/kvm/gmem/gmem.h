/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __VIRT_KVM_GMEM_H
#define __VIRT_KVM_GMEM_H

/* Internal to the files of virt/kvm that implement private guest memory. */

#include <linux/gmem_fs.h>
#include <linux/gmem_policy.h>
#include <linux/interval_tree.h>
#include <linux/kvm_gmem.h>
#include <linux/pagemap.h>

/**
 * struct kvm_gmem - a guest_memfd file
 * @kvm: VM that owns it; the file holds a reference
 * @mapping: page cache; its invalidate_lock is "the file's invalidate_lock"
 * @flags: GUEST_MEMFD_FLAG_*, constant
 * @state: offset in pages to KVM_MEMORY_ATTRIBUTE_*.  Meaningful for MMAP files
 *	only, all offsets of the others are private.  Written under slots_lock
 *	and the invalidate_lock, read under either of them, by
 *	kvm_gmem_check_page() under neither
 * @policy: NUMA policy by offset, set through mappings
 * @bindings: struct kvm_gmem_binding by offset in pages; written under
 *	slots_lock and @bindings_lock, read under either of them
 * @bindings_lock: leaf
 * @closing: for gmem_fs_close_later()
 * @past: bindings of deleted memslots by offset in pages; under slots_lock
 * @nr_private: private pages in @mapping.  Changes with the state of an offset
 *	under the invalidate_lock, with pages that come under the
 *	invalidate_lock held for read
 * @nr_leaked: pages that left the file poisoned or quarantined; guarded by the
 *	invalidate_lock
 * @fence_start: first offset that the kernel keeps away from, as it is becoming
 *	private; written under the invalidate_lock and access_lock, both held for
 *	write
 * @fence_end: one past the last one, @fence_start if there is none
 * @has_poison: a page may be poisoned
 * @locked: the running conversion holds the invalidate_lock; guarded by
 *	slots_lock
 *
 * Lock order: slots_lock, invalidate_lock, mmu_lock.
 */
struct kvm_gmem {
	struct kvm *kvm;
	struct address_space *mapping;
	u64 flags;
	struct kvm_attr_map state;
	struct shared_policy policy;
	struct rb_root_cached bindings;
	spinlock_t bindings_lock;	/* writers of bindings, a leaf */
	struct gmem_closing closing;
	struct rb_root_cached past;
	atomic_long_t nr_private;
	unsigned long nr_leaked;
	pgoff_t fence_start;
	pgoff_t fence_end;
	bool has_poison;
	bool locked;
};

/**
 * struct kvm_gmem_binding - a memslot's part of a file
 * @node: first and last offset in pages; in &kvm_gmem.bindings, or in
 *	&kvm_gmem.past once the memslot is gone
 * @kvm: the VM
 * @gmem: the file, NULL if there is none or once it has been closed.  Written
 *	under slots_lock, read under slots_lock or kvm->srcu
 * @base_gfn: gfn at offset @node.start
 * @mmap: the file backs shared gfns, too
 * @owner: id, constant; see owner.h
 * @past_gfns: first and last gfn; in &kvm_private_mem.past
 * @past_list: in &kvm_private_mem.past_list
 *
 * Lookups end with the memslot, hence after a grace period of kvm->srcu.
 */
struct kvm_gmem_binding {
	struct interval_tree_node node;
	struct kvm *kvm;
	struct kvm_gmem *gmem;
	gfn_t base_gfn;
	bool mmap;
	unsigned long owner;
	struct interval_tree_node past_gfns;
	struct list_head past_list;
};

static inline gfn_t kvm_gmem_index_to_gfn(const struct kvm_gmem_binding *binding,
					  pgoff_t index)
{
	return binding->base_gfn + (index - binding->node.start);
}

static inline pgoff_t kvm_gmem_gfn_to_index(const struct kvm_gmem_binding *binding,
					    gfn_t gfn)
{
	return binding->node.start + (gfn - binding->base_gfn);
}

/*
 * Is a page of a folio out of use because of an error?  PG_hwpoison alone does not
 * say so: memory_failure() sets it first and may take it back, as for a filter of
 * those who test with it.  error_remove_page() comes last and adds PG_error.
 */
static inline bool kvm_gmem_page_is_broken(struct folio *folio, struct page *page)
{
	return PageHWPoison(page) && folio_test_error(folio);
}

static inline bool kvm_gmem_is_mmap(const struct kvm_gmem *gmem)
{
	return gmem->flags & GUEST_MEMFD_FLAG_MMAP;
}

static inline pgoff_t kvm_gmem_nr_pages(const struct kvm_gmem *gmem)
{
	return i_size_read(gmem->mapping->host) >> PAGE_SHIFT;
}

/* file.c */
u64 kvm_gmem_valid_flags(struct kvm *kvm);
int kvm_gmem_create(struct kvm *kvm, struct kvm_create_guest_memfd __user *argp);
struct kvm_gmem *kvm_gmem_from_file(struct file *file);

/* folio.c */
extern const struct address_space_operations kvm_gmem_aops;
struct folio *kvm_gmem_get_folio(struct kvm_gmem *gmem, pgoff_t index);
int kvm_gmem_fault_in(struct kvm_gmem *gmem, pgoff_t index, pgoff_t *end);
int kvm_gmem_fault_in_gfn(const struct kvm_memory_slot *slot, gfn_t gfn,
			  bool interruptible);
void kvm_gmem_clear_folio(struct folio *folio);
void kvm_gmem_note_use(const struct kvm_memory_slot *slot, gfn_t gfn,
		       struct folio *folio);

/* pin.c */
bool kvm_gmem_has_unexpected_refs(struct kvm *kvm, struct folio *folio);

/* backend.c */
bool kvm_gmem_kernel_may_access(struct kvm *kvm);
bool kvm_gmem_is_ready(const struct kvm_memory_slot *slot, gfn_t gfn,
		       struct folio *folio);
int kvm_gmem_prepare(const struct kvm_memory_slot *slot, gfn_t gfn,
		     struct folio *folio);
bool kvm_gmem_reclaim_folio(struct kvm_gmem *gmem, struct folio *folio);
void kvm_gmem_reclaim(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end);
void kvm_gmem_drop_folio(struct kvm_gmem *gmem, struct folio *folio);

/* count.c */
bool kvm_gmem_offset_is_private(struct kvm_gmem *gmem, pgoff_t index);
void kvm_gmem_count_private(struct kvm_gmem *gmem, long nr);
void kvm_gmem_count_poison(struct kvm_gmem *gmem);
void kvm_gmem_count_leaks(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end);
void kvm_gmem_count_quarantine(struct kvm_gmem *gmem, struct folio *folio);
void kvm_gmem_truncate(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end);
void kvm_gmem_truncate_all(struct kvm_gmem *gmem);
void kvm_gmem_show_fdinfo(struct seq_file *m, struct file *file);

/* past.c */
bool kvm_gmem_has_past(const struct kvm_gmem_binding *binding);
void kvm_gmem_keep_past(struct kvm_gmem_binding *binding);
void kvm_gmem_forget_gfns(struct kvm *kvm, gfn_t start, gfn_t end);
void kvm_gmem_forget_offsets(struct kvm_gmem *gmem, pgoff_t start, pgoff_t last);
void kvm_gmem_set_owner(struct kvm_gmem_binding *binding);

/* mmap.c */
int kvm_gmem_mmap(struct file *file, struct vm_area_struct *vma);

/* convert.c */
int kvm_convert_gfns(struct kvm *kvm, gfn_t start, gfn_t end,
		     unsigned long attrs);
int kvm_convert_file(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end,
		     unsigned long attrs, pgoff_t *error_index);
int kvm_convert_to_bind(struct kvm_gmem_binding *binding);
int kvm_gmem_punch(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end);
void kvm_gmem_close(struct kvm_gmem *gmem);
void kvm_gmem_invalidate_page(struct kvm_gmem *gmem, pgoff_t index);
bool kvm_gmem_find_gfn(struct kvm_gmem *gmem, pgoff_t index, gfn_t *gfn);
bool kvm_gmem_gfn_is_private(struct kvm_gmem *gmem, pgoff_t index);

/* view.c */
int kvm_view_launch(struct kvm *kvm);
int kvm_view_reserve_bind(const struct kvm_gmem_binding *binding);
void kvm_view_commit_bind(const struct kvm_gmem_binding *binding);
void kvm_view_cancel_bind(const struct kvm_gmem_binding *binding);
int kvm_view_reserve_punch(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end);
void kvm_view_commit_punch(struct kvm_gmem *gmem, pgoff_t start, pgoff_t end);

/* Kinds of gfns, by their attribute */
#define KVM_GFN_SHARED	BIT(0)
#define KVM_GFN_PRIVATE	BIT(1)
#define KVM_GFN_ALL	(KVM_GFN_SHARED | KVM_GFN_PRIVATE)

/**
 * struct kvm_invalidation - an invalidation of guest mappings, from begin to end
 * @kvm: the VM
 * @hva_start: start of the hva range that page faults are checked against
 * @hva_end: its end; no memslot is affected if not above @hva_start
 * @kinds: whose mappings are being removed
 */
struct kvm_invalidation {
	struct kvm *kvm;
	unsigned long hva_start;
	unsigned long hva_end;
	unsigned int kinds;
};

/* invalidate.c */
void kvm_invalidate_init(struct kvm_invalidation *inv, struct kvm *kvm);
void kvm_invalidate_add(struct kvm_invalidation *inv, gfn_t start, gfn_t end);
void kvm_invalidate_begin(struct kvm_invalidation *inv);
void kvm_invalidate_range(struct kvm_invalidation *inv, gfn_t start, gfn_t end);
void kvm_invalidate_kinds(struct kvm_invalidation *inv, gfn_t start, gfn_t end,
			  unsigned int kinds);
void kvm_invalidate_end(struct kvm_invalidation *inv);
void kvm_gmem_drain_accesses(struct kvm *kvm);

/* attributes.c */
bool kvm_gmem_range_valid(u64 address, u64 size);

#endif /* __VIRT_KVM_GMEM_H */
