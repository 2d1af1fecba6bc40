// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's own accesses to guest memory that a guest_memfd file backs.
 *
 * An access decides under access_lock, held for read, whether the file backs
 * the gfn, finds the page, touches it and lets go of it before it drops the
 * lock.  A conversion commits its attributes, then takes access_lock for write
 * once: whatever was decided by the old attributes is over by then.  So no
 * reference outlives the lock, other than those of kvm_gmem_pin(), which are
 * counted for the conversion engine.
 *
 * Callers try userspace_addr first, which fails for gfns that a file backs, and
 * for private ones without a file.  Memslots without a binding are turned away.
 *
 * Owns no data.  Calls folio.c, for pages, and backend.c, which may forbid it.
 */

#include <linux/highmem.h>
#include <linux/uaccess.h>

#include "pin.h"

/**
 * struct kvm_gmem_copy - a copy from or to a part of one page
 * @data: KVM's copy
 * @offset: first byte in the page
 * @len: number of bytes; @offset + @len is at most PAGE_SIZE
 * @write: from @data to the guest, else from the guest to @data
 */
struct kvm_gmem_copy {
	void *data;
	int offset;
	int len;
	bool write;
};

/**
 * struct kvm_gmem_exchange - a compare and exchange in one page
 * @offset: first byte in the page
 * @len: 1, 2, 4 or 8 bytes
 * @old: expected value
 * @new: new value
 */
struct kvm_gmem_exchange {
	int offset;
	int len;
	const void *old;
	const void *new;
};

/**
 * union kvm_gmem_value - what is exchanged
 * @u8: 1 byte
 * @u16: 2 bytes
 * @u32: 4 bytes
 * @u64: 8 bytes
 */
union kvm_gmem_value {
	u8 u8;
	u16 u16;
	u32 u32;
	u64 u64;
};

static int kvm_gmem_access_locked(const struct kvm_memory_slot *slot, gfn_t gfn,
				  kvm_gmem_op_t op, void *arg)
{
	struct kvm_gmem_binding *binding = slot->gmem;
	struct folio *folio;
	int r;

	lockdep_assert_held_read(&binding->kvm->private_mem.access_lock);

	r = kvm_gmem_check_access(slot, gfn);
	if (r)
		return r;

	folio = kvm_gmem_find_folio(slot, gfn);
	if (!folio)
		return -ENOENT;
	if (IS_ERR(folio))
		return PTR_ERR(folio);

	r = op(folio_file_page(folio, kvm_gmem_gfn_to_index(binding, gfn)), arg);
	kvm_gmem_put_folio(folio);
	return r;
}

static int kvm_gmem_access_once(const struct kvm_memory_slot *slot, gfn_t gfn,
				kvm_gmem_op_t op, void *arg)
{
	struct kvm *kvm = slot->gmem->kvm;
	int r;

	read_lock(&kvm->private_mem.access_lock);
	r = kvm_gmem_access_locked(slot, gfn, op, arg);
	read_unlock(&kvm->private_mem.access_lock);
	return r;
}

/**
 * kvm_gmem_gfn_to_hva - where userspace_addr backs a gfn
 * @slot: a memslot with a binding
 * @gfn: guest frame number in @slot
 * @nr_pages: where to store for how many gfns the answer holds, or NULL
 *
 * Context: slots_lock or kvm->srcu; may be atomic.
 * Return: the hva, or KVM_HVA_ERR_BAD if the file backs @gfn, or nothing does.
 */
unsigned long kvm_gmem_gfn_to_hva(const struct kvm_memory_slot *slot, gfn_t gfn,
				  gfn_t *nr_pages)
{
	if (nr_pages)
		*nr_pages = 1;

	if (kvm_gmem_backs(slot, gfn))
		return KVM_HVA_ERR_BAD;

	return __gfn_to_hva_memslot(slot, gfn);
}

/**
 * kvm_gmem_access - let a function touch the page of a gfn
 * @slot: memslot that contains @gfn, with a binding
 * @gfn: guest frame number
 * @op: called with the page
 * @arg: its second argument
 *
 * Allocates the page if the file has none.
 *
 * Context: slots_lock or kvm->srcu; may sleep.
 * Return: what @op returns, or, without a call of @op,
 *
 * * -EAGAIN if userspace_addr backs @gfn
 * * -EFAULT if there is no file that could back @gfn, or if the backend does not
 *   let the kernel access private memory
 * * -EHWPOISON if the page is poisoned
 * * -ENOMEM if there is no memory
 */
int kvm_gmem_access(const struct kvm_memory_slot *slot, gfn_t gfn,
		    kvm_gmem_op_t op, void *arg)
{
	int r;

	might_sleep();

	while ((r = kvm_gmem_access_once(slot, gfn, op, arg)) == -ENOENT) {
		r = kvm_gmem_fault_in_gfn(slot, gfn, false);
		/* The file matters only as long as it backs the gfn. */
		if (r && kvm_gmem_backs(slot, gfn))
			break;
	}

	return r;
}

/**
 * kvm_gmem_try_access - kvm_gmem_access() for the scheduler's callbacks
 * @slot: memslot that contains @gfn, with a binding
 * @gfn: guest frame number
 * @op: as for kvm_gmem_access()
 * @arg: its second argument
 *
 * A runqueue lock is held, so waiting for access_lock could deadlock: its
 * holder may have been interrupted, and the interrupt may be about to wake a
 * task on this very runqueue.  For the same reason the last reference to a page
 * must not be dropped here, so this keeps away while pages are being freed.
 *
 * Context: slots_lock or kvm->srcu; any lock may be held, interrupts may be off.
 * Return: as kvm_gmem_access(), except -ENOMEM, or
 *
 * * -EBUSY if access_lock is contended, or an invalidation is in progress
 * * -EFAULT if the file has no page at @gfn
 */
int kvm_gmem_try_access(const struct kvm_memory_slot *slot, gfn_t gfn,
			kvm_gmem_op_t op, void *arg)
{
	struct kvm *kvm = slot->gmem->kvm;
	int r;

	if (!read_trylock(&kvm->private_mem.access_lock))
		return -EBUSY;

	/* Pairs with kvm_gmem_drain_accesses(), after the count went up. */
	if (READ_ONCE(kvm->mmu_invalidate_in_progress))
		r = -EBUSY;
	else
		r = kvm_gmem_access_locked(slot, gfn, op, arg);
	read_unlock(&kvm->private_mem.access_lock);
	return r == -ENOENT ? -EFAULT : r;
}

/*
 * Load what may be a page table entry in one piece, the guest may be changing
 * it.
 */
static void kvm_gmem_load(void *data, const void *va, int len)
{
	u64 val64;
	u32 val32;

	if (len == sizeof(val64) && IS_ALIGNED((unsigned long)va, len)) {
		val64 = READ_ONCE(*(const u64 *)va);
		memcpy(data, &val64, len);
	} else if (len == sizeof(val32) && IS_ALIGNED((unsigned long)va, len)) {
		val32 = READ_ONCE(*(const u32 *)va);
		memcpy(data, &val32, len);
	} else {
		memcpy(data, va, len);
	}
}

/*
 * Store what the guest may be polling in one piece.
 */
static void kvm_gmem_store(void *va, const void *data, int len)
{
	u64 val64;
	u32 val32;

	if (len == sizeof(val64) && IS_ALIGNED((unsigned long)va, len)) {
		memcpy(&val64, data, len);
		WRITE_ONCE(*(u64 *)va, val64);
	} else if (len == sizeof(val32) && IS_ALIGNED((unsigned long)va, len)) {
		memcpy(&val32, data, len);
		WRITE_ONCE(*(u32 *)va, val32);
	} else {
		memcpy(va, data, len);
	}
}

static int kvm_gmem_copy_page(struct page *page, void *arg)
{
	struct kvm_gmem_copy *copy = arg;
	void *va = kmap_local_page(page);

	if (copy->write)
		kvm_gmem_store(va + copy->offset, copy->data, copy->len);
	else
		kvm_gmem_load(copy->data, va + copy->offset, copy->len);

	kunmap_local(va);
	return 0;
}

static int kvm_gmem_copy_user(const struct kvm_memory_slot *slot, gfn_t gfn,
			      const struct kvm_gmem_copy *copy)
{
	void __user *addr = (void __user *)__gfn_to_hva_memslot(slot, gfn);
	unsigned long left;

	if (copy->write)
		left = __copy_to_user(addr + copy->offset, copy->data, copy->len);
	else
		left = __copy_from_user(copy->data, addr + copy->offset,
					copy->len);

	return left ? -EFAULT : 0;
}

static int kvm_gmem_copy(const struct kvm_memory_slot *slot, gfn_t gfn,
			 struct kvm_gmem_copy *copy)
{
	int r;

	if (!kvm_gmem_slot_usable(slot) ||
	    WARN_ON_ONCE(copy->offset + copy->len > PAGE_SIZE))
		return -EFAULT;

	/* If user memory fails, look whether the file has taken over. */
	do {
		r = kvm_gmem_access(slot, gfn, kvm_gmem_copy_page, copy);
		if (r != -EAGAIN)
			return r;

		r = kvm_gmem_copy_user(slot, gfn, copy);
	} while (r && kvm_gmem_backs(slot, gfn));

	return r;
}

/**
 * kvm_gmem_read - read guest memory that userspace_addr did not give
 * @slot: any memslot, or NULL
 * @gfn: guest frame number in @slot
 * @data: where to store it
 * @offset: first byte in the page
 * @len: number of bytes, up to the end of the page
 *
 * A conversion at the same time does not make it fail.
 *
 * Context: slots_lock or kvm->srcu; may sleep.
 * Return: 0, or
 *
 * * -EFAULT if @slot has no file, or if what backs @gfn cannot be accessed
 * * -EHWPOISON or -ENOMEM as kvm_gmem_access()
 */
int kvm_gmem_read(const struct kvm_memory_slot *slot, gfn_t gfn, void *data,
		  int offset, int len)
{
	struct kvm_gmem_copy copy = {
		.data = data,
		.offset = offset,
		.len = len,
	};

	return kvm_gmem_copy(slot, gfn, &copy);
}

/**
 * kvm_gmem_write - write guest memory that userspace_addr did not take
 * @slot: any memslot, or NULL
 * @gfn: guest frame number in @slot
 * @data: what to write
 * @offset: first byte in the page
 * @len: number of bytes, up to the end of the page
 *
 * Context: slots_lock or kvm->srcu; may sleep.
 * Return: as kvm_gmem_read(); -EFAULT also if @slot is read-only.
 */
int kvm_gmem_write(const struct kvm_memory_slot *slot, gfn_t gfn,
		   const void *data, int offset, int len)
{
	struct kvm_gmem_copy copy = {
		.data = (void *)data,
		.offset = offset,
		.len = len,
		.write = true,
	};
	int r;

	if (kvm_slot_is_readonly(slot))
		return -EFAULT;

	r = kvm_gmem_copy(slot, gfn, &copy);
	if (!r)
		mark_page_dirty_in_slot(slot->gmem->kvm, slot, gfn);
	return r;
}

/**
 * kvm_gmem_read_atomic - kvm_gmem_read() that does not sleep
 * @slot: any memslot, or NULL
 * @gfn: guest frame number in @slot
 * @data: where to store it
 * @offset: first byte in the page
 * @len: number of bytes, up to the end of the page
 *
 * Unlike kvm_gmem_read(), does not try userspace_addr again: callers in atomic
 * context have a way to start over.
 *
 * Context: slots_lock or kvm->srcu; any, below access_lock.
 * Return: 0, or
 *
 * * -EAGAIN if the file does not back @gfn
 * * -EFAULT if @slot has no file, or the file no page at @gfn, or if the page
 *   cannot be accessed
 * * -EHWPOISON if the page is poisoned
 */
int kvm_gmem_read_atomic(const struct kvm_memory_slot *slot, gfn_t gfn,
			 void *data, int offset, int len)
{
	struct kvm_gmem_copy copy = {
		.data = data,
		.offset = offset,
		.len = len,
	};
	int r;

	if (!kvm_gmem_slot_usable(slot) ||
	    WARN_ON_ONCE(offset + len > PAGE_SIZE))
		return -EFAULT;

	r = kvm_gmem_access_once(slot, gfn, kvm_gmem_copy_page, &copy);
	return r == -ENOENT ? -EFAULT : r;
}

/**
 * kvm_vcpu_gmem_backs - must KVM keep away from userspace_addr right now?
 * @vcpu: the vCPU
 * @gpa: guest physical address
 *
 * Context: kvm->srcu; may be atomic.
 * Return: true if a file backs the gpa, or nothing does because it is private.
 */
bool kvm_vcpu_gmem_backs(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct kvm_memory_slot *slot = kvm_vcpu_gfn_to_memslot(vcpu, gfn);

	return kvm_gmem_slot_usable(slot) && kvm_gmem_backs(slot, gfn);
}

/**
 * kvm_vcpu_gmem_read - read from the file, and from nowhere else
 * @vcpu: the vCPU
 * @gpa: guest physical address
 * @data: where to store it; 4 or 8 aligned bytes are read in one piece
 * @len: number of bytes, up to the end of the page
 *
 * Context: kvm->srcu; may sleep.
 * Return: 0, or
 *
 * * -EAGAIN if userspace_addr backs @gpa
 * * -EFAULT if the memslot has no binding, or as kvm_gmem_access()
 * * -EHWPOISON or -ENOMEM as kvm_gmem_access()
 */
int kvm_vcpu_gmem_read(struct kvm_vcpu *vcpu, gpa_t gpa, void *data, int len)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct kvm_memory_slot *slot = kvm_vcpu_gfn_to_memslot(vcpu, gfn);
	struct kvm_gmem_copy copy = {
		.data = data,
		.offset = offset_in_page(gpa),
		.len = len,
	};

	if (!kvm_gmem_slot_usable(slot))
		return -EFAULT;

	return kvm_gmem_access(slot, gfn, kvm_gmem_copy_page, &copy);
}

static int kvm_gmem_exchange_page(struct page *page, void *arg)
{
	const struct kvm_gmem_exchange *exchange = arg;
	const union kvm_gmem_value *old = exchange->old;
	const union kvm_gmem_value *new = exchange->new;
	void *page_va = kmap_local_page(page);
	void *va = page_va + exchange->offset;
	int differs = 1;

	switch (exchange->len) {
	case 1:
		differs = cmpxchg((u8 *)va, old->u8, new->u8) != old->u8;
		break;
	case 2:
		differs = cmpxchg((u16 *)va, old->u16, new->u16) != old->u16;
		break;
	case 4:
		differs = cmpxchg((u32 *)va, old->u32, new->u32) != old->u32;
		break;
	case 8:
		differs = cmpxchg((u64 *)va, old->u64, new->u64) != old->u64;
		break;
	}

	kunmap_local(page_va);
	return differs;
}

/**
 * kvm_vcpu_gmem_cmpxchg - compare and exchange in the file's page
 * @vcpu: the vCPU
 * @gpa: guest physical address, as aligned as the CPU wants it
 * @old: expected value
 * @new: new value
 * @len: 1, 2, 4 or 8 bytes, in one page
 *
 * Context: kvm->srcu; may sleep.
 * Return:
 *
 * * 0 if the value has been exchanged
 * * 1 if it was not @old, or if the file has ceased to back @gpa: the caller
 *   must start over
 * * -EFAULT if the memslot has no file or is read-only, or as kvm_gmem_access()
 * * -EHWPOISON or -ENOMEM as kvm_gmem_access()
 */
int kvm_vcpu_gmem_cmpxchg(struct kvm_vcpu *vcpu, gpa_t gpa, const void *old,
			  const void *new, int len)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct kvm_memory_slot *slot = kvm_vcpu_gfn_to_memslot(vcpu, gfn);
	struct kvm_gmem_exchange exchange = {
		.offset = offset_in_page(gpa),
		.len = len,
		.old = old,
		.new = new,
	};
	int r;

	if (!kvm_gmem_slot_usable(slot) || kvm_slot_is_readonly(slot) ||
	    WARN_ON_ONCE(exchange.offset + len > PAGE_SIZE))
		return -EFAULT;

	r = kvm_gmem_access(slot, gfn, kvm_gmem_exchange_page, &exchange);
	return r == -EAGAIN ? 1 : r;
}
