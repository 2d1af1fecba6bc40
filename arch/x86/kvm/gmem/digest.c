// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of the launch digest that is a vCPU's.
 *
 * What goes in is what a VMM reads by KVM_GET_*, so that it can compute the same:
 * Documentation/virt/kvm/gmem/api.rst.
 */

#include <linux/slab.h>
#include <asm/fpu/api.h>

#include "../lapic.h"
#include "../x86.h"
#include "seal.h"

/* First 8 bytes of a vCPU's record, after those of virt/kvm/gmem/digest.c */
#define KVM_DIGEST_VCPU		3

/*
 * Those that a guest's kernel relies on without setting them, and those that have the
 * processor write to memory.
 */
static const u32 kvm_digest_msrs[] = {
	MSR_IA32_SYSENTER_CS,
	MSR_IA32_SYSENTER_ESP,
	MSR_IA32_SYSENTER_EIP,
	MSR_IA32_CR_PAT,
	MSR_IA32_DEBUGCTLMSR,
	MSR_IA32_MISC_ENABLE,
	MSR_IA32_SPEC_CTRL,
	MSR_IA32_XSS,
	MSR_MISC_FEATURES_ENABLES,
	MSR_STAR,
	MSR_LSTAR,
	MSR_CSTAR,
	MSR_SYSCALL_MASK,
	MSR_KERNEL_GS_BASE,
	MSR_IA32_SMBASE,
	MSR_IA32_FEAT_CTL,
	MSR_IA32_RTIT_CTL,
	MSR_IA32_DS_AREA,
	MSR_IA32_PEBS_ENABLE,
	MSR_CORE_PERF_GLOBAL_CTRL,
	MSR_TSC_AUX,
	MSR_K7_HWCR,
	MSR_VM_HSAVE_PA,
	MSR_AMD64_VIRT_SPEC_CTRL,
	MSR_AMD64_SEV,
	/* What the guest's kernel believes of the processor */
	MSR_IA32_ARCH_CAPABILITIES,
	MSR_IA32_UCODE_REV,
	MSR_IA32_PERF_CAPABILITIES,
	MSR_PLATFORM_INFO,
	MSR_IA32_TSX_CTRL,
	MSR_IA32_XFD,
	MSR_IA32_MCG_CAP,
	MSR_AMD64_DE_CFG,
	MSR_AMD64_OSVW_ID_LENGTH,
	MSR_AMD64_OSVW_STATUS,
	MSR_AMD64_TSC_RATIO,
};

/* What is too much for the stack */
struct kvm_digest_buffers {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_lapic_state lapic;
};

static void kvm_digest_registers(struct kvm_vcpu *vcpu, struct kvm_digest *digest,
				 struct kvm_digest_buffers *buf)
{
	kvm_arch_vcpu_ioctl_get_regs(vcpu, &buf->regs);
	kvm_digest_add(digest, &buf->regs, sizeof(buf->regs));
	kvm_arch_vcpu_ioctl_get_sregs(vcpu, &buf->sregs);
	kvm_digest_add(digest, &buf->sregs, sizeof(buf->sregs));
}

/* All of what KVM_GET_XSAVE2 returns */
static int kvm_digest_xsave(struct kvm_vcpu *vcpu, struct kvm_digest *digest)
{
	unsigned int size = vcpu->arch.guest_fpu.uabi_size;
	void *xsave = kvzalloc(size, GFP_KERNEL_ACCOUNT);

	if (!xsave)
		return -ENOMEM;

	fpu_copy_guest_fpstate_to_uabi(&vcpu->arch.guest_fpu, xsave, size,
				       vcpu->arch.guest_supported_xcr0 |
				       XFEATURE_MASK_FPSSE,
				       vcpu->arch.pkru);
	kvm_digest_add(digest, xsave, size);
	kvm_digest_add(digest, &vcpu->arch.xcr0, sizeof(vcpu->arch.xcr0));
	kvfree_sensitive(xsave, size);
	return 0;
}

static void kvm_digest_debugregs(struct kvm_vcpu *vcpu, struct kvm_digest *digest)
{
	const u64 regs[] = {
		vcpu->arch.db[0], vcpu->arch.db[1], vcpu->arch.db[2],
		vcpu->arch.db[3], vcpu->arch.dr6, vcpu->arch.dr7,
	};

	kvm_digest_add(digest, regs, sizeof(regs));
}

static void kvm_digest_model_specific(struct kvm_vcpu *vcpu,
				      struct kvm_digest *digest)
{
	unsigned int i;
	u64 value;

	for (i = 0; i < ARRAY_SIZE(kvm_digest_msrs); i++) {
		if (__kvm_get_msr(vcpu, kvm_digest_msrs[i], &value, true))
			value = 0;
		kvm_digest_add(digest, &value, sizeof(value));
	}
}

static void kvm_digest_lapic(struct kvm_vcpu *vcpu, struct kvm_digest *digest,
			     struct kvm_digest_buffers *buf)
{
	kvm_apic_get_state(vcpu, &buf->lapic);
	kvm_digest_add(digest, &buf->lapic, sizeof(buf->lapic));
}

static void kvm_digest_cpuid(struct kvm_vcpu *vcpu, struct kvm_digest *digest)
{
	u64 nent = vcpu->arch.cpuid_nent;

	kvm_digest_add(digest, &nent, sizeof(nent));
	kvm_digest_add(digest, vcpu->arch.cpuid_entries,
		       nent * sizeof(*vcpu->arch.cpuid_entries));
}

/**
 * kvm_x86_digest_vcpu - measure what a vCPU starts with
 * @vcpu: the vCPU, which has not run
 * @digest: what to add it to
 *
 * Context: vcpu->mutex; may sleep.
 * Return: 0 or -ENOMEM.
 */
int kvm_x86_digest_vcpu(struct kvm_vcpu *vcpu, struct kvm_digest *digest)
{
	const u64 head[] = { KVM_DIGEST_VCPU, vcpu->vcpu_id, vcpu->arch.mp_state };
	struct kvm_digest_buffers *buf;
	int r;

	lockdep_assert_held(&vcpu->mutex);

	buf = kzalloc(sizeof(*buf), GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;

	kvm_digest_add(digest, head, sizeof(head));
	kvm_digest_registers(vcpu, digest, buf);
	r = kvm_digest_xsave(vcpu, digest);

	vcpu_load(vcpu);
	kvm_digest_debugregs(vcpu, digest);
	kvm_digest_model_specific(vcpu, digest);
	kvm_digest_lapic(vcpu, digest, buf);
	vcpu_put(vcpu);

	kvm_digest_cpuid(vcpu, digest);
	kfree_sensitive(buf);
	return r;
}
