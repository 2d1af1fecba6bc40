// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a sealed VM must not have when it is sealed, and what it does not take from
 * its VMM afterwards.
 *
 * What KVM writes into guest memory, the guest itself has set up: it has enabled the
 * paravirtual interfaces.  Whatever lets the VMM see or answer what the guest's kernel
 * does with its processor is off.  Xen's interfaces and the vAPIC, which name guest
 * addresses, are so in every VM with private memory.
 */

#include <linux/kvm_host.h>
#include <asm/vmx.h>

#include "../cpuid.h"
#include "../hyperv.h"
#include "../ioapic.h"
#include "../irq.h"
#include "../lapic.h"
#include "../x86.h"
#include "gmem.h"
#include "seal.h"

static bool kvm_hyperv_vm_is_used(struct kvm *kvm)
{
	const struct kvm_hv *hv = to_kvm_hv(kvm);

	return hv->hv_guest_os_id || hv->hv_hypercall || hv->hv_tsc_page;
}

static bool kvm_hyperv_vcpu_is_used(struct kvm_vcpu *vcpu)
{
	const struct kvm_vcpu_hv *hv = to_hv_vcpu(vcpu);

	return hv && (hv->hv_vapic || hv->synic.active || hv->synic.control ||
		      hv->synic.msg_page || hv->synic.evt_page);
}

static bool kvm_pv_is_used(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.time || vcpu->arch.pv_time.active ||
	       vcpu->arch.st.msr_val || vcpu->arch.apf.msr_en_val ||
	       vcpu->arch.pv_eoi.msr_val;
}

static bool kvm_event_is_pending(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.exception.pending || vcpu->arch.exception.injected ||
	       vcpu->arch.exception_vmexit.pending ||
	       vcpu->arch.interrupt.injected ||
	       vcpu->arch.pending_external_vector != -1 ||
	       vcpu->arch.nmi_injected || vcpu->arch.nmi_pending ||
	       atomic_read(&vcpu->arch.nmi_queued) || vcpu->arch.smi_pending ||
	       static_call(kvm_x86_get_nmi_mask)(vcpu) ||
	       static_call(kvm_x86_get_interrupt_shadow)(vcpu);
}

static bool kvm_lapic_is_not_reset(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic *apic = vcpu->arch.apic;

	/* Without one, the VMM sets the priority and sends any interrupt. */
	return !lapic_in_kernel(vcpu) || vcpu->arch.tpr_access_reporting ||
	       apic->pending_events || (apic->isr_count && !apic->apicv_active) ||
	       kvm_lapic_find_highest_irr(vcpu) != -1;
}

static bool kvm_ioapic_is_used(struct kvm *kvm)
{
	const struct kvm_ioapic *ioapic = kvm->arch.vioapic;
	unsigned int i;

	if (!ioapic)
		return false;

	for (i = 0; i < IOAPIC_NUM_PINS; i++) {
		if (!ioapic->redirtbl[i].fields.mask)
			return true;
	}

	return false;
}

static bool kvm_pic_is_used(struct kvm *kvm)
{
	const struct kvm_pic *pic = kvm->arch.vpic;

	return pic && (pic->pics[0].irq_base || pic->pics[1].irq_base);
}

/* Those of virtual 8086 mode, which the VMM has mapped, too; only in old processors */
static bool kvm_real_mode_is_emulated(struct kvm *kvm)
{
	struct kvm_memslots *slots;
	bool is_emulated;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	slots = kvm_memslots(kvm);
	is_emulated = id_to_memslot(slots, TSS_PRIVATE_MEMSLOT) ||
		      id_to_memslot(slots, IDENTITY_PAGETABLE_PRIVATE_MEMSLOT);
	srcu_read_unlock(&kvm->srcu, idx);

	return is_emulated;
}

/**
 * kvm_arch_check_seal - has a VM what a sealed one must not have?
 * @kvm: the VM
 *
 * Context: seal_lock held for write, sealing begun: the interrupt chips do not change.
 * May sleep.
 * Return: 0, or -EINVAL if so: see the documentation of %KVM_CAP_GMEM_SEAL.
 */
int kvm_arch_check_seal(struct kvm *kvm)
{
	lockdep_assert_held_write(&kvm->private_mem.seal_lock);

	if (rcu_access_pointer(kvm->arch.msr_filter) ||
	    kvm->arch.user_space_msr_mask || kvm->arch.exit_on_emulation_error)
		return -EINVAL;
	/* Their interrupts would not pass by KVM. */
	smp_mb();
	if (kvm_arch_has_assigned_device(kvm))
		return -EINVAL;
	if (kvm_ioapic_is_used(kvm) || kvm_pic_is_used(kvm) ||
	    kvm_real_mode_is_emulated(kvm))
		return -EINVAL;
	/* From here on, no message is on its way that would be refused. */
	synchronize_rcu();

	return kvm_hyperv_vm_is_used(kvm) ? -EINVAL : 0;
}

/*
 * KVM keeps control blocks of guests of the guest mapped, whatever becomes of the page,
 * and the VMM may have chosen one.
 */
static bool kvm_nested_is_possible(struct kvm_vcpu *vcpu)
{
	return is_guest_mode(vcpu) || vcpu->arch.efer & EFER_SVME ||
	       kvm_read_cr4_bits(vcpu, X86_CR4_VMXE) ||
	       guest_cpuid_has(vcpu, X86_FEATURE_SVM) ||
	       guest_cpuid_has(vcpu, X86_FEATURE_VMX);
}

static bool kvm_vcpu_is_used(struct kvm_vcpu *vcpu)
{
	/* Page-directory pointers need not be those in memory. */
	return vcpu->guest_debug || kvm_nested_is_possible(vcpu) || is_smm(vcpu) ||
	       is_pae_paging(vcpu) ||
	       kvm_event_is_pending(vcpu) || kvm_lapic_is_not_reset(vcpu) ||
	       kvm_pv_is_used(vcpu) || kvm_hyperv_vcpu_is_used(vcpu);
}

/**
 * kvm_arch_seal_vcpu - check and measure a vCPU of a VM that is being sealed
 * @vcpu: the vCPU, which has not run
 * @digest: what to add its state to
 *
 * Context: vcpu->mutex; may sleep.
 * Return: 0, -EINVAL if the vCPU has what one of a sealed VM must not have, or
 * -ENOMEM.
 */
int kvm_arch_seal_vcpu(struct kvm_vcpu *vcpu, struct kvm_digest *digest)
{
	lockdep_assert_held(&vcpu->mutex);

	return kvm_vcpu_is_used(vcpu) ? -EINVAL : kvm_x86_digest_vcpu(vcpu, digest);
}

/**
 * kvm_x86_msi_is_refused - is an interrupt message not for a VMM to send?
 * @kvm: the VM
 * @data: data of the message
 *
 * Exceptions are the processor's, INIT and SIPI the guest's, and 0x80 is a system
 * call.
 *
 * Context: Any.  Sealing waits for RCU readers that have been told otherwise.
 * Return: true if so; always false unless the VM is sealed or about to be.
 */
bool kvm_x86_msi_is_refused(struct kvm *kvm, u32 data)
{
	unsigned int mode = data & APIC_MODE_MASK;
	u8 vector = data & APIC_VECTOR_MASK;

	if (!kvm_seal_has_begun(kvm))
		return false;

	return (mode != APIC_DM_FIXED && mode != APIC_DM_LOWEST) || vector < 32 ||
	       vector == 0x80;
}

/**
 * __kvm_x86_deliver_msi - kvm_x86_deliver_msi() with private memory
 * @kvm: the VM
 * @data: data of the message
 * @irq: what it asks for
 *
 * Context: Any.
 * Return: as kvm_irq_delivery_to_apic(), or -EINVAL if the message is refused.
 */
int __kvm_x86_deliver_msi(struct kvm *kvm, u32 data, struct kvm_lapic_irq *irq)
{
	int r = -EINVAL;

	rcu_read_lock();
	if (!kvm_x86_msi_is_refused(kvm, data))
		r = kvm_irq_delivery_to_apic(kvm, NULL, irq, NULL);
	rcu_read_unlock();

	return r;
}

/**
 * __kvm_x86_deliver_msi_fast - kvm_x86_deliver_msi_fast() with private memory
 * @kvm: the VM
 * @data: data of the message
 * @irq: what it asks for
 * @r: where to store the result
 *
 * Context: Any.
 * Return: as kvm_irq_delivery_to_apic_fast(), or true with -EINVAL in @r if the message
 * is refused.
 */
bool __kvm_x86_deliver_msi_fast(struct kvm *kvm, u32 data,
				struct kvm_lapic_irq *irq, int *r)
{
	bool done = true;

	rcu_read_lock();
	if (kvm_x86_msi_is_refused(kvm, data))
		*r = -EINVAL;
	else
		done = kvm_irq_delivery_to_apic_fast(kvm, NULL, irq, r, NULL);
	rcu_read_unlock();

	return done;
}

/**
 * kvm_x86_pic_is_ignored - has the guest not set up the 8259?
 * @kvm: a VM with an 8259
 *
 * As it comes from reset it delivers exceptions.
 *
 * Context: Any.
 * Return: true if so; always false if the VM is not sealed.
 */
bool kvm_x86_pic_is_ignored(struct kvm *kvm)
{
	return kvm_is_sealed(kvm) && !READ_ONCE(kvm->arch.vpic->pics[0].irq_base);
}

/**
 * kvm_x86_bypass_is_refused - may no device deliver interrupts past KVM?
 * @kvm: the VM, whose count of assigned devices includes the device
 *
 * Routes that were set up before the VM was sealed have any vector.
 *
 * Context: Any.
 * Return: true if so; always false unless the VM is sealed or about to be.
 */
bool kvm_x86_bypass_is_refused(struct kvm *kvm)
{
	/* Pairs with kvm_arch_check_seal(): one of the two sees the other. */
	smp_mb();
	return kvm_seal_has_begun(kvm);
}

/**
 * kvm_x86_note_shutdown - the guest is about to be reset after a shutdown
 * @vcpu: the vCPU
 *
 * It would start over at the reset vector, with the memory that it has, and whatever the
 * VMM has there.
 *
 * Context: vcpu->mutex.
 */
void kvm_x86_note_shutdown(struct kvm_vcpu *vcpu)
{
	if (kvm_is_sealed(vcpu->kvm))
		kvm_vm_dead(vcpu->kvm);
}
EXPORT_SYMBOL_GPL(kvm_x86_note_shutdown);

/**
 * kvm_x86_hypercall_result - what the guest sees of KVM_HC_MAP_GPA_RANGE
 * @vcpu: the vCPU, back from userspace
 *
 * Context: vcpu->mutex.
 * Return: the VMM's result, or -KVM_EPERM if that is success and not true.
 */
u64 kvm_x86_hypercall_result(struct kvm_vcpu *vcpu)
{
	u64 ret = vcpu->run->hypercall.ret;

	if (!ret && !kvm_seal_request_is_done(vcpu))
		return -KVM_EPERM;

	return ret;
}

/**
 * kvm_x86_read_digest - KVM_HC_LAUNCH_DIGEST
 * @vcpu: the vCPU
 * @gpa: where the guest wants the digest
 *
 * Context: kvm->srcu; may sleep.
 * Return: what the guest sees: 0, -KVM_ENOSYS if the VM is not sealed, or
 * -KVM_EFAULT.
 */
u64 kvm_x86_read_digest(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	struct kvm_private_mem *mem = &vcpu->kvm->private_mem;

	if (!kvm_is_sealed(vcpu->kvm))
		return -KVM_ENOSYS;

	return kvm_vcpu_write_guest(vcpu, gpa, mem->digest, sizeof(mem->digest)) ?
	       -KVM_EFAULT : 0;
}
