// SPDX-License-Identifier: GPL-2.0-only
/*
 * x86's own accesses to private guest memory: the emulator's, and steal time.
 */

#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/sched.h>

#include "../cpuid.h"
#include "../x86.h"
#include "../trace.h"
#include "access.h"

/**
 * struct kvm_steal_update - a change of struct kvm_steal_time
 * @offset: of the structure in its page
 * @delta: to be added to the steal time, in ns
 * @preempted: KVM_VCPU_* flags that were set
 */
struct kvm_steal_update {
	int offset;
	u64 delta;
	u8 preempted;
};

/**
 * __kvm_gpa_is_private - kvm_gpa_is_private() of a VM with private memory
 * @vcpu: the vCPU
 * @gpa: guest physical address
 *
 * Context: Any; takes no lock.
 * Return: as kvm_gpa_is_private().
 */
bool __kvm_gpa_is_private(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	gfn_t gfn = gpa_to_gfn(gpa);

	return kvm_mem_is_private(vcpu->kvm, gfn) || kvm_view_check(vcpu->kvm, gfn);
}
EXPORT_SYMBOL_GPL(__kvm_gpa_is_private);

/**
 * kvm_emul_end_in_fault - make the emulation end in a memory fault
 * @vcpu: the vCPU
 * @gfn: the gfn that cannot be accessed
 * @is_private: the access was private
 * @error: what KVM_RUN is to return
 *
 * Context: vcpu->mutex and kvm->srcu.
 */
void kvm_emul_end_in_fault(struct kvm_vcpu *vcpu, gfn_t gfn, bool is_private, int error)
{
	kvm_prepare_memory_fault_exit(vcpu, gfn, is_private);
	vcpu->arch.emulate_ctxt->memory_fault = error;
	/* The instruction starts over, with the registers that it started with. */
	vcpu->arch.emulate_regs_need_sync_to_vcpu = false;
	/* So do accesses of it that went to a device. */
	vcpu->mmio_needed = false;
}

/**
 * __kvm_emul_memory_fault - kvm_emul_memory_fault() of a VM with private memory
 * @vcpu: the vCPU
 * @gpa: guest physical address of the access
 *
 * Context: kvm->srcu, emulation in progress.
 * Return: as kvm_emul_memory_fault().
 */
bool __kvm_emul_memory_fault(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	bool is_private = kvm_mem_is_private(vcpu->kvm, gfn);
	int r = kvm_view_check(vcpu->kvm, gfn);

	if (!is_private && !r && !kvm_vcpu_gmem_backs(vcpu, gpa))
		return false;

	kvm_emul_end_in_fault(vcpu, gfn, is_private || r, r ?: -EFAULT);
	return true;
}

/*
 * The order of the stores is that of record_steal_time().
 */
static int kvm_steal_record(struct page *page, void *arg)
{
	struct kvm_steal_update *update = arg;
	void *va = kmap_local_page(page);
	struct kvm_steal_time *st = va + update->offset;
	u32 version;

	/* The guest may be asking for a TLB flush right now. */
	update->preempted = xchg(&st->preempted, 0);

	version = READ_ONCE(st->version);
	if (version & 1)
		version += 1;  /* first time write, random junk */

	version += 1;
	WRITE_ONCE(st->version, version);
	/* The guest takes an odd version for an update in progress. */
	smp_wmb();
	WRITE_ONCE(st->steal, READ_ONCE(st->steal) + update->delta);
	/* The update is complete before the version is even again. */
	smp_wmb();
	WRITE_ONCE(st->version, version + 1);

	kunmap_local(va);
	return 0;
}

/**
 * kvm_gmem_record_steal_time - update steal time in the file's page
 * @vcpu: the vCPU
 * @gpa: guest physical address of struct kvm_steal_time, aligned to its size
 *
 * Context: kvm->srcu; may sleep.
 * Return: 0, or
 *
 * * -EAGAIN if userspace_addr backs @gpa
 * * -EFAULT if there is no memslot, or as kvm_gmem_access()
 * * -EHWPOISON or -ENOMEM as kvm_gmem_access()
 */
int kvm_gmem_record_steal_time(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct kvm_memory_slot *slot = gfn_to_memslot(vcpu->kvm, gfn);
	u64 run_delay = current->sched_info.run_delay;
	struct kvm_steal_update update = {
		.offset = offset_in_page(gpa),
		.delta = run_delay - vcpu->arch.st.last_steal,
	};
	int r;

	if (!kvm_slot_has_gmem(slot))
		return -EFAULT;

	r = kvm_gmem_access(slot, gfn, kvm_steal_record, &update);
	if (r)
		return r;

	vcpu->arch.st.preempted = 0;
	vcpu->arch.st.last_steal = run_delay;
	if (guest_pv_has(vcpu, KVM_FEATURE_PV_TLB_FLUSH)) {
		trace_kvm_pv_tlb_flush(vcpu->vcpu_id,
				       update.preempted & KVM_VCPU_FLUSH_TLB);
		if (update.preempted & KVM_VCPU_FLUSH_TLB)
			kvm_make_request(KVM_REQ_TLB_FLUSH_GUEST, vcpu);
	}

	return 0;
}

static int kvm_steal_set_preempted(struct page *page, void *arg)
{
	struct kvm_steal_update *update = arg;
	void *va = kmap_local_page(page);
	struct kvm_steal_time *st = va + update->offset;

	WRITE_ONCE(st->preempted, KVM_VCPU_PREEMPTED);
	kunmap_local(va);
	return 0;
}

/**
 * kvm_gmem_set_preempted - tell the guest of a preemption in the file's page
 * @vcpu: the vCPU
 * @gpa: guest physical address of struct kvm_steal_time, aligned to its size
 *
 * This is a hint to the guest: rather no hint than to wait, see
 * kvm_gmem_try_access().
 *
 * Context: kvm->srcu; a runqueue lock is held and interrupts are off.
 * Return: 0, or
 *
 * * -EAGAIN if userspace_addr backs @gpa
 * * -EFAULT if there is no memslot, or as kvm_gmem_try_access()
 * * -EBUSY or -EHWPOISON as kvm_gmem_try_access()
 */
int kvm_gmem_set_preempted(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct kvm_memory_slot *slot = gfn_to_memslot(vcpu->kvm, gfn);
	struct kvm_steal_update update = { .offset = offset_in_page(gpa) };
	int r;

	if (!kvm_slot_has_gmem(slot))
		return -EFAULT;

	r = kvm_gmem_try_access(slot, gfn, kvm_steal_set_preempted, &update);
	if (!r)
		vcpu->arch.st.preempted = KVM_VCPU_PREEMPTED;
	return r;
}
