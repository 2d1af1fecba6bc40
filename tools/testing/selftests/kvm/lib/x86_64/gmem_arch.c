// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests in private memory: x86's part.
 */
#include "gmem_guest.h"

static bool guest_is_intel(void)
{
	u32 eax = 0, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a" (eax), "=b" (ebx), "+c" (ecx), "=d" (edx));
	return ebx == 0x756e6547;	/* "Genu" */
}

/* The native instruction: KVM would patch the other one, in guest memory. */
u64 gmem_hypercall(u64 nr, u64 a0, u64 a1, u64 a2)
{
	u64 r;

	if (guest_is_intel())
		asm volatile("vmcall" : "=a" (r)
			     : "a" (nr), "b" (a0), "c" (a1), "d" (a2)
			     : "memory");
	else
		asm volatile("vmmcall" : "=a" (r)
			     : "a" (nr), "b" (a0), "c" (a1), "d" (a2)
			     : "memory");
	return r;
}

static void guest_outs(u64 gva, u64 n)
{
	asm volatile("cld; rep outsb"
		     : "+S" (gva), "+c" (n) : "d" (GMEM_GUEST_STRING) : "memory");
}

static void guest_ins(u64 gva, u64 n)
{
	asm volatile("cld; rep insb"
		     : "+D" (gva), "+c" (n) : "d" (GMEM_GUEST_STRING) : "memory");
}

static void guest_move(u64 from, u64 to)
{
	asm volatile("cld; movsb" : "+S" (from), "+D" (to) : : "memory");
}

u64 gmem_arch_serve(enum gmem_cmd_op op, u64 a, u64 b)
{
	switch (op) {
	case GMEM_CMD_SHARE:
		return gmem_map_gpa_range(a, b, GMEM_MAP_DECRYPTED);
	case GMEM_CMD_OFFER:
		return gmem_map_gpa_range(a, b, GMEM_MAP_OFFER);
	case GMEM_CMD_UNSHARE:
		return gmem_map_gpa_range(a, b, GMEM_MAP_ENCRYPTED);
	case GMEM_CMD_OUTS:
		guest_outs(a, b);
		return 0;
	case GMEM_CMD_INS:
		guest_ins(a, b);
		return 0;
	case GMEM_CMD_MOVE:
		guest_move(a, b);
		return 0;
	case GMEM_CMD_WRMSR:
		wrmsr(a, b);
		return 0;
	case GMEM_CMD_DIGEST:
		return gmem_hypercall(KVM_HC_LAUNCH_DIGEST, a, 0, 0);
	default:
		return -1;
	}
}

bool gmem_arch_guest_call(struct kvm_vcpu *vcpu, struct gmem_run *run,
			  enum gmem_guest_call *nr)
{
	struct kvm_regs regs;

	if (vcpu->run->exit_reason != KVM_EXIT_IO)
		return false;

	vcpu_regs_get(vcpu, &regs);
	/* Port 0x1000 is an unhandled exception. */
	TEST_ASSERT(vcpu->run->io.port >= GMEM_GUEST_SYNC &&
		    vcpu->run->io.port <= GMEM_GUEST_STRING,
		    "guest: unexpected access to port %#x, rip %#llx",
		    vcpu->run->io.port, regs.rip);

	run->args[0] = regs.rdi;
	run->args[1] = regs.rsi;
	run->args[2] = regs.rbx;
	*nr = vcpu->run->io.port;
	return true;
}

void gmem_arch_set_args(struct kvm_vcpu *vcpu, const u64 args[3])
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rbx = args[2];
	vcpu_regs_set(vcpu, &regs);
}

static void check_map_gpa_range(struct kvm_vcpu *vcpu,
				const struct gmem_run *run, u64 gpa,
				u64 pages, u64 attrs)
{
	struct kvm_run *r = vcpu->run;

	if (run->ret || r->exit_reason != KVM_EXIT_HYPERCALL) {
		gmem_describe_run(vcpu, run);
		TEST_FAIL("vCPU %u did not run to a hypercall", vcpu->id);
	}
	ASSERT_EQ(r->hypercall.nr, KVM_HC_MAP_GPA_RANGE);
	ASSERT_EQ(r->hypercall.args[0], gpa);
	ASSERT_EQ(r->hypercall.args[1], pages);
	ASSERT_EQ(r->hypercall.args[2], attrs);
	ASSERT_EQ(r->hypercall.ret, 0);
	ASSERT_EQ(r->hypercall.longmode, 1);
}

/* The hypercall's exit.  The answer is run->hypercall.ret, preset to 0. */
void gmem_run_to_map_gpa_range(struct kvm_vcpu *vcpu, u64 gpa,
			       u64 pages, u64 attrs)
{
	struct gmem_run run = gmem_run(vcpu);

	check_map_gpa_range(vcpu, &run, gpa, pages, attrs);
}

/* Leave the vCPU in the exit of its offer: convert, then gmem_resume(). */
void gmem_guest_offer(struct kvm_vcpu *vcpu, u64 gpa, u64 pages)
{
	struct gmem_run run = gmem_cmd(vcpu, GMEM_CMD_OFFER, gpa, pages);

	check_map_gpa_range(vcpu, &run, gpa, pages, GMEM_MAP_OFFER);
}
