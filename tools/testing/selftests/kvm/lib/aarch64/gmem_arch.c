// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests in private memory: arm64's part.
 */
#include "gmem_guest.h"

/* There are none that others lack. */
u64 gmem_arch_serve(enum gmem_cmd_op op, u64 a, u64 b)
{
	return -1;
}

static u64 core_reg(unsigned int nr)
{
	return ARM64_CORE_REG(regs.regs[0]) + nr * sizeof(u64) / sizeof(u32);
}

bool gmem_arch_guest_call(struct kvm_vcpu *vcpu, struct gmem_run *run,
			  enum gmem_guest_call *nr)
{
	const u64 offset = vcpu->run->mmio.phys_addr - GMEM_GUEST_DEVICE;
	unsigned int i;

	if (vcpu->run->exit_reason != KVM_EXIT_MMIO || !vcpu->run->mmio.is_write ||
	    offset > GMEM_GUEST_FAIL)
		return false;

	for (i = 0; i < ARRAY_SIZE(run->args); i++)
		vcpu_get_reg(vcpu, core_reg(i), &run->args[i]);
	*nr = offset;
	return true;
}

void gmem_arch_set_args(struct kvm_vcpu *vcpu, const u64 args[3])
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		vcpu_set_reg(vcpu, core_reg(i), args[i]);
}

void gmem_guest_offer(struct kvm_vcpu *vcpu, u64 gpa, u64 pages)
{
	TEST_FAIL("guests have no hypercall to share memory");
}
