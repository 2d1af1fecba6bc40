/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_GMEM_H
#define __KVM_GMEM_H

/*
 * Private guest memory: what KVM's generic and architecture code call.
 *
 * The per-VM attribute map says which gfns userspace wants private.  A memslot
 * may be bound to a range of a guest_memfd file, which then backs its private
 * gfns and, if the file can be mapped (GUEST_MEMFD_FLAG_MMAP), its shared gfns
 * as well.
 */

#include <linux/kvm_host.h>

#ifdef CONFIG_KVM_GUEST_MEMFD

/**
 * kvm_has_private_mem - does this VM know private memory at all?
 * @kvm: the VM
 *
 * Context: Any.
 * Return: true for VM types with private memory, constant over a VM's life.
 */
static inline bool kvm_has_private_mem(const struct kvm *kvm)
{
	return kvm->private_mem.ops;
}

/**
 * kvm_mem_is_private - what userspace wants a gfn to be
 * @kvm: the VM
 * @gfn: guest frame number
 *
 * The answer can change at any time unless the caller holds slots_lock, or
 * holds mmu_lock and has found no invalidation of the gfn in progress.
 *
 * Context: Any; takes no lock.
 * Return: true if the gfn has KVM_MEMORY_ATTRIBUTE_PRIVATE.
 */
static inline bool kvm_mem_is_private(struct kvm *kvm, gfn_t gfn)
{
	return kvm_has_private_mem(kvm) &&
	       (kvm_attr_map_get(&kvm->private_mem.attrs, gfn) &
		KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

/**
 * kvm_slot_has_gmem - may something else than userspace_addr back the slot?
 * @slot: a memslot or NULL
 *
 * Context: Any.
 * Return: true if the slot is bound to a guest_memfd file, even if that has been
 * closed since; also for each slot of a VM with private memory, where nothing
 * backs private gfns if there is no file.
 */
static inline bool kvm_slot_has_gmem(const struct kvm_memory_slot *slot)
{
	return slot && slot->gmem;
}

/* folio.c */
bool kvm_gmem_serves(const struct kvm_memory_slot *slot, bool is_private);
bool kvm_gmem_backs(const struct kvm_memory_slot *slot, gfn_t gfn);
int kvm_gmem_get_pfn(const struct kvm_memory_slot *slot, gfn_t gfn,
		     kvm_pfn_t *pfn, int *order);
struct folio *kvm_gmem_find_folio(const struct kvm_memory_slot *slot, gfn_t gfn);
void kvm_gmem_put_folio(struct folio *folio);

/* source.c */
typedef int (*kvm_gmem_add_fn_t)(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn,
				 struct page *source, void *arg);
int kvm_gmem_add_page(struct kvm *kvm, gfn_t gfn, unsigned long uaddr,
		      kvm_gmem_add_fn_t add, void *arg);

/* backend.c */
int kvm_gmem_set_ops(struct kvm *kvm, const struct kvm_gmem_ops *ops);
bool kvm_gmem_pfn_is_held(kvm_pfn_t pfn);

/* attributes.c */
void kvm_gmem_init_vm(struct kvm *kvm);
void kvm_gmem_destroy_vm(struct kvm *kvm);
long kvm_gmem_check_extension(struct kvm *kvm, long ext);
long kvm_gmem_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp);
void kvm_prepare_memory_fault_exit(struct kvm_vcpu *vcpu, gfn_t gfn,
				   bool is_private);

/* debug.c */
void kvm_gmem_create_debugfs(struct kvm *kvm);
bool kvm_gmem_move_debugfs(struct dentry *dir);

/* architecture */
bool kvm_arch_supports_private_mem(void);
unsigned long kvm_arch_max_mapping_pages(void);
unsigned long kvm_arch_invalidate_step(struct kvm *kvm);

/* request.c */
void kvm_gmem_note_request(struct kvm_vcpu *vcpu, gfn_t gfn, u64 nr,
			   enum kvm_gmem_request kind);
int kvm_gmem_end_request(struct kvm_vcpu *vcpu);
bool kvm_gmem_take_request(struct kvm *kvm, gfn_t start, gfn_t end,
			   gfn_t *kept_start, gfn_t *kept_end);

/* sw.c */
extern const struct kvm_gmem_ops kvm_sw_gmem_ops;

/* binding.c, called from the memslot code */
int kvm_gmem_prepare_slot(struct kvm *kvm, struct kvm_memory_slot *slot,
			  const struct kvm_userspace_memory_region2 *mem);
int kvm_gmem_bind(struct kvm *kvm, struct kvm_memory_slot *slot);
void kvm_gmem_unbind(struct kvm *kvm, struct kvm_memory_slot *slot);

/**
 * kvm_gmem_region_valid - check the file part of a memory region
 * @mem: the region
 * @as_id: its address space
 *
 * Attributes are per VM, so that only the first address space has files.
 *
 * Context: Any.
 * Return: true if there is none, or if it is aligned and does not wrap.
 */
static inline bool kvm_gmem_region_valid(const struct kvm_userspace_memory_region2 *mem,
					 int as_id)
{
	if (!(mem->flags & KVM_MEM_GUEST_MEMFD))
		return true;

	return !as_id && PAGE_ALIGNED(mem->guest_memfd_offset) &&
	       mem->guest_memfd_offset + mem->memory_size >=
	       mem->guest_memfd_offset;
}

#ifdef CONFIG_KVM_GMEM_TEST_BACKEND

/* backend_test.c */
const struct kvm_gmem_ops *kvm_gmem_test_ops(unsigned long type);

#else /* !CONFIG_KVM_GMEM_TEST_BACKEND */

static inline const struct kvm_gmem_ops *kvm_gmem_test_ops(unsigned long type)
{
	return NULL;
}

#endif /* CONFIG_KVM_GMEM_TEST_BACKEND */

#else /* !CONFIG_KVM_GUEST_MEMFD */

static inline bool kvm_gmem_region_valid(const struct kvm_userspace_memory_region2 *mem,
					 int as_id)
{
	return true;
}

static inline void kvm_gmem_init_vm(struct kvm *kvm)
{
}

static inline void kvm_gmem_destroy_vm(struct kvm *kvm)
{
}

static inline void kvm_gmem_create_debugfs(struct kvm *kvm)
{
}

static inline bool kvm_gmem_move_debugfs(struct dentry *dir)
{
	return false;
}

static inline long kvm_gmem_check_extension(struct kvm *kvm, long ext)
{
	return 0;
}

static inline long kvm_gmem_vm_ioctl(struct kvm *kvm, unsigned int ioctl,
				     void __user *argp)
{
	return -ENOTTY;
}

static inline void kvm_gmem_note_request(struct kvm_vcpu *vcpu, gfn_t gfn, u64 nr,
					 enum kvm_gmem_request kind)
{
}

static inline int kvm_gmem_end_request(struct kvm_vcpu *vcpu)
{
	return 0;
}

static inline int kvm_gmem_prepare_slot(struct kvm *kvm,
					struct kvm_memory_slot *slot,
					const struct kvm_userspace_memory_region2 *mem)
{
	return 0;
}

static inline int kvm_gmem_bind(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	return 0;
}

static inline void kvm_gmem_unbind(struct kvm *kvm, struct kvm_memory_slot *slot)
{
}

static inline bool kvm_has_private_mem(const struct kvm *kvm)
{
	return false;
}

static inline bool kvm_mem_is_private(struct kvm *kvm, gfn_t gfn)
{
	return false;
}

static inline bool kvm_slot_has_gmem(const struct kvm_memory_slot *slot)
{
	return false;
}

static inline bool kvm_gmem_backs(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	return false;
}

#endif /* CONFIG_KVM_GUEST_MEMFD */

#ifdef CONFIG_KVM_GENERIC_PRE_FAULT

/* prefault.c */
int kvm_vcpu_pre_fault_memory(struct kvm_vcpu *vcpu, void __user *argp);

/* architecture */
bool kvm_arch_can_pre_fault(struct kvm_vcpu *vcpu);
int kvm_arch_pre_fault_page(struct kvm_vcpu *vcpu, gpa_t gpa);

#else /* !CONFIG_KVM_GENERIC_PRE_FAULT */

static inline int kvm_vcpu_pre_fault_memory(struct kvm_vcpu *vcpu,
					    void __user *argp)
{
	return -ENOTTY;
}

#endif /* CONFIG_KVM_GENERIC_PRE_FAULT */

/**
 * kvm_nr_address_spaces - number of address spaces that userspace may fill
 * @kvm: the VM, NULL to ask for the host
 *
 * Context: Any.
 * Return: 1 for a VM with private memory, which has no SMM.
 */
static inline int kvm_nr_address_spaces(const struct kvm *kvm)
{
	return kvm && kvm_has_private_mem(kvm) ? 1 : KVM_ADDRESS_SPACE_NUM;
}

#ifdef KVM_ARCH_WANT_MMU_NOTIFIER

/* invalidate.c, reached only by memslots that have a binding */
bool __kvm_gmem_handle_hva_gfns(struct kvm *kvm, struct kvm_gfn_range *range,
				bool (*handler)(struct kvm *kvm,
						struct kvm_gfn_range *range));

/**
 * kvm_gmem_handle_hva_gfns - tell the MMU what happens to userspace_addr
 * @kvm: the VM
 * @range: gfns of a memslot, by their hva
 * @handler: function of the architecture
 *
 * Leaves out gfns that have their page from a file.
 *
 * Context: mmu_lock held for write; may be atomic.
 * Return: true if @handler returned true at least once.
 */
static __always_inline bool
kvm_gmem_handle_hva_gfns(struct kvm *kvm, struct kvm_gfn_range *range,
			 bool (*handler)(struct kvm *kvm,
					 struct kvm_gfn_range *range))
{
	if (likely(!kvm_slot_has_gmem(range->slot)))
		return handler(kvm, range);

	return __kvm_gmem_handle_hva_gfns(kvm, range, handler);
}

#endif /* KVM_ARCH_WANT_MMU_NOTIFIER */

#include <linux/kvm_gmem_access.h>
#include <linux/kvm_gmem_seal.h>

#endif /* __KVM_GMEM_H */
