// SPDX-License-Identifier: GPL-2.0-only
/*
 * The private bit of guest physical addresses: how a VM gets one, and what its guest
 * is told of it.
 *
 * Unmodified kernels know such a bit as that of a plain SEV guest: AMD64 Architecture
 * Programmer's Manual, volume 2, section 15.34, and volume 3, CPUID Fn8000_001F.  The
 * guest finds the bit in CPUID, sees in an MSR that it is in use, sets it in all its
 * page tables but where it shares memory, and announces that by hypercall.  Nothing is
 * encrypted, and nothing is attested.
 *
 * What CPUID and the MSR say comes from KVM: the guest must not take the VMM's word for
 * which bit it is.
 */

#include "../cpuid.h"
#include "../mmu.h"
#include "../x86.h"
#include "gmem.h"
#include "private_bit.h"

/* Memory lies below the bit. */
#define KVM_PRIVATE_BIT_MIN	32
/* NPT with 4 levels translates as much. */
#define KVM_PRIVATE_BIT_LIMIT	48

#define CPUID_SEV		0x8000001f
#define CPUID_SEV_EBX_ONE_LESS	BIT(6)	/* bit of physical addresses */

/**
 * kvm_x86_max_private_bit - the highest bit that can mean private
 * @kvm: the VM, NULL to ask for the host
 *
 * Not with VMX: the hypercall of such a guest is AMD's.
 *
 * Context: Any.
 * Return: number of the bit, or 0 if addresses of the VM cannot have one.
 */
unsigned int kvm_x86_max_private_bit(const struct kvm *kvm)
{
	if (!boot_cpu_has(X86_FEATURE_SVM) ||
	    !(kvm_x86_vm_types() & BIT(KVM_X86_SW_PROTECTED_VM)))
		return 0;
	if (kvm && kvm->private_mem.ops != &kvm_sw_gmem_ops)
		return 0;

	return min_t(unsigned int, shadow_phys_bits, KVM_PRIVATE_BIT_LIMIT) - 1;
}

static int kvm_set_private_bit_locked(struct kvm *kvm, unsigned int bit)
{
	lockdep_assert_held(&kvm->lock);
	lockdep_assert_held(&kvm->slots_lock);

	if (kvm->created_vcpus || kvm_has_halves(kvm) ||
	    !kvm_memslots_empty(kvm_memslots(kvm)))
		return -EBUSY;

	kvm->arch.private_gfn_bit = gpa_to_gfn(BIT_ULL(bit));
	return 0;
}

/**
 * kvm_x86_set_private_bit - KVM_ENABLE_CAP of %KVM_CAP_GMEM_PRIVATE_BIT
 * @kvm: the VM
 * @cap: the argument
 *
 * Context: seal_lock held for read, no other lock; may sleep.
 * Return: 0, or
 *
 * * -EBUSY if the VM has a memslot, a vCPU or a private bit
 * * -EINVAL if its addresses cannot have that bit, or if an argument is not zero that
 *   must be
 */
int kvm_x86_set_private_bit(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	u64 bit = cap->args[0];
	int r;

	if (cap->flags || cap->args[1] || cap->args[2] || cap->args[3] ||
	    bit < KVM_PRIVATE_BIT_MIN || bit > kvm_x86_max_private_bit(kvm))
		return -EINVAL;

	mutex_lock(&kvm->lock);
	mutex_lock(&kvm->slots_lock);
	r = kvm_set_private_bit_locked(kvm, bit);
	mutex_unlock(&kvm->slots_lock);
	mutex_unlock(&kvm->lock);

	return r;
}

static unsigned int kvm_private_bit(const struct kvm *kvm)
{
	return ilog2(kvm_private_gfn_bit(kvm)) + PAGE_SHIFT;
}

/*
 * Like an SEV guest, a guest sees addresses one bit shorter than they are.  It has no
 * guests of its own: kvm_halves_allow_efer().
 */
static void kvm_private_bit_patch_cpuid(const struct kvm *kvm,
					struct kvm_cpuid_entry2 *entry)
{
	switch (entry->function) {
	case 0x80000001:
		cpuid_entry_clear(entry, X86_FEATURE_SVM);
		break;
	case CPUID_SEV:
		entry->eax = 0;
		entry->ebx = kvm_private_bit(kvm) | CPUID_SEV_EBX_ONE_LESS;
		entry->ecx = 0;
		entry->edx = 0;
		cpuid_entry_set(entry, X86_FEATURE_SEV);
		cpuid_entry_set(entry, X86_FEATURE_SME_COHERENT);
		break;
	}
}

/**
 * __kvm_private_bit_set_cpuid - kvm_private_bit_set_cpuid() of a VM with halves
 * @vcpu: the vCPU
 * @entries: the table, to be changed
 * @nent: number of its entries
 *
 * Context: vcpu->mutex.
 * Return: as kvm_private_bit_set_cpuid().
 */
int __kvm_private_bit_set_cpuid(struct kvm_vcpu *vcpu, struct kvm_cpuid_entry2 *entries,
				int nent)
{
	unsigned int bit = kvm_private_bit(vcpu->kvm), phys_bits = 0;
	int i;

	for (i = 0; i < nent; i++) {
		kvm_private_bit_patch_cpuid(vcpu->kvm, &entries[i]);
		if (entries[i].function == 0x80000008 && !phys_bits)
			phys_bits = entries[i].eax & 0xff;
	}

	return phys_bits > bit ? 0 : -EINVAL;
}

/**
 * kvm_private_bit_get_msr - read what the guest is told of the private bit
 * @vcpu: the vCPU
 * @msr_info: the MSR; where to store its value
 *
 * Context: vcpu->mutex.
 * Return: 0, or %KVM_MSR_RET_UNSUPPORTED without such a bit.
 */
int kvm_private_bit_get_msr(struct kvm_vcpu *vcpu, struct msr_data *msr_info)
{
	if (!kvm_has_halves(vcpu->kvm))
		return KVM_MSR_RET_UNSUPPORTED;

	msr_info->data = msr_info->index == MSR_AMD64_SEV ? MSR_AMD64_SEV_ENABLED : 0;
	return 0;
}

/**
 * kvm_private_bit_set_msr - let the guest say whether it may be migrated
 * @vcpu: the vCPU
 * @msr_info: the MSR, MSR_KVM_MIGRATION_CONTROL
 *
 * Linux does so where it announces what it shares.  Nobody migrates it.
 *
 * Context: vcpu->mutex.
 * Return: 0, 1 if the value is not valid, or %KVM_MSR_RET_UNSUPPORTED without a private
 * bit.
 */
int kvm_private_bit_set_msr(struct kvm_vcpu *vcpu, const struct msr_data *msr_info)
{
	if (!kvm_has_halves(vcpu->kvm))
		return KVM_MSR_RET_UNSUPPORTED;

	return msr_info->data & ~KVM_MIGRATION_READY ? 1 : 0;
}
