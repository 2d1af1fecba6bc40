// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest code that can live in private memory, and the host's side of it.
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

void guest_fill(u64 gva, u8 value)
{
	u64 *page = (void *)gva;
	int i;

	for (i = 0; i < 512; i++)
		WRITE_ONCE(page[i], value * 0x0101010101010101ULL);
}

int guest_page_is(u64 gva, u8 value)
{
	u64 *page = (void *)gva;
	int i;

	for (i = 0; i < 512; i++) {
		if (READ_ONCE(page[i]) != value * 0x0101010101010101ULL)
			return 0;
	}
	return 1;
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

void guest_touch(u64 gva, u64 pages)
{
	for (; pages; pages--, gva += 4096)
		guest_write8(gva, 1);
}

static u64 serve(enum gmem_cmd_op op, u64 a, u64 b)
{
	switch (op) {
	case GMEM_CMD_READ:
		return guest_read8(a);
	case GMEM_CMD_WRITE:
		guest_write8(a, b);
		return 0;
	case GMEM_CMD_FILL:
		guest_fill(a, b);
		return 0;
	case GMEM_CMD_IS:
		return guest_page_is(a, b);
	case GMEM_CMD_TOUCH:
		guest_touch(a, b);
		return 0;
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
	}
	return -1;
}

void gmem_guest_server(void)
{
	u64 stage, op, a, b;

	for (stage = GMEM_STAGE_READY, a = 0, b = 0;; stage = GMEM_STAGE_READY) {
		op = stage;
		__gmem_guest_call(GMEM_GUEST_SYNC, &op, &a, &b);
		a = serve(op, a, b);
	}
}

static void decode_io(struct kvm_vcpu *vcpu, struct gmem_run *run)
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	run->args[0] = regs.rdi;
	run->args[1] = regs.rsi;
	run->args[2] = regs.rbx;

	switch (vcpu->run->io.port) {
	case GMEM_GUEST_SYNC:
		run->exit = GMEM_EXIT_SYNC;
		break;
	case GMEM_GUEST_DONE:
		run->exit = GMEM_EXIT_DONE;
		break;
	case GMEM_GUEST_FAIL:
		TEST_FAIL("guest: line %lu: saw %#lx, expected %#lx",
			  run->args[0], run->args[1], run->args[2]);
		break;
	case GMEM_GUEST_STRING:
		break;
	default:
		/* Port 0x1000 is an unhandled exception. */
		TEST_FAIL("guest: unexpected access to port %#x, rip %#llx",
			  vcpu->run->io.port, regs.rip);
	}
}

/**
 * gmem_run() - Run a vCPU until it exits to userspace
 * @vcpu: vCPU
 *
 * Fails the test on a guest assertion and on an unhandled exception.
 *
 * Return: why it exited.
 */
struct gmem_run gmem_run(struct kvm_vcpu *vcpu)
{
	struct gmem_run run = { .exit = GMEM_EXIT_OTHER };

	do {
		errno = 0;
		run.ret = _vcpu_run(vcpu);
		run.err = errno;
	} while (run.ret && run.err == EINTR);

	if (run.ret && (run.err == EFAULT || run.err == EHWPOISON) &&
	    vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT)
		run.exit = GMEM_EXIT_FAULT;
	else if (!run.ret && vcpu->run->exit_reason == KVM_EXIT_IO)
		decode_io(vcpu, &run);
	return run;
}

static void describe(struct kvm_vcpu *vcpu, const struct gmem_run *run)
{
	struct kvm_run *r = vcpu->run;

	printf("KVM_RUN: exit %d (reason %u), returned %d, errno %d (%s)\n",
	       run->exit, r->exit_reason, run->ret, run->err,
	       strerror(run->err));
	if (r->exit_reason == KVM_EXIT_MEMORY_FAULT)
		printf("memory fault: flags %#llx gpa %#llx size %#llx\n",
		       r->memory_fault.flags, r->memory_fault.gpa,
		       r->memory_fault.size);
	if (r->exit_reason == KVM_EXIT_MMIO)
		printf("mmio: gpa %#llx len %u write %u\n",
		       r->mmio.phys_addr, r->mmio.len, r->mmio.is_write);
	if (r->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		printf("internal error: suberror %u\n", r->internal.suberror);
	printf("guest: args %#lx %#lx %#lx\n", run->args[0], run->args[1],
	       run->args[2]);
}

static struct gmem_run run_to(struct kvm_vcpu *vcpu, enum gmem_exit exit,
			      const char *what)
{
	struct gmem_run run = gmem_run(vcpu);

	if (run.exit != exit) {
		describe(vcpu, &run);
		TEST_FAIL("vCPU %u did not run to %s", vcpu->id, what);
	}
	return run;
}

void gmem_run_to_sync(struct kvm_vcpu *vcpu, u64 value)
{
	struct gmem_run run = run_to(vcpu, GMEM_EXIT_SYNC, "a sync");

	TEST_ASSERT(run.args[0] == value, "guest at stage %#lx, expected %#lx",
		    run.args[0], value);
}

void gmem_run_to_done(struct kvm_vcpu *vcpu)
{
	run_to(vcpu, GMEM_EXIT_DONE, "its end");
}

static void check_fault(struct kvm_vcpu *vcpu, const struct gmem_run *run,
			u64 gpa, u64 flags)
{
	struct kvm_run *r = vcpu->run;

	if (run->exit != GMEM_EXIT_FAULT || run->ret != -1 ||
	    run->err != EFAULT || r->memory_fault.gpa != gpa ||
	    r->memory_fault.size != 4096 || r->memory_fault.flags != flags) {
		describe(vcpu, run);
		TEST_FAIL("no memory fault at %#lx with flags %#lx", gpa, flags);
	}
}

/* A memory-fault exit that describes exactly the page at @gpa. */
void gmem_run_to_fault(struct kvm_vcpu *vcpu, u64 gpa, u64 flags)
{
	struct gmem_run run = gmem_run(vcpu);

	check_fault(vcpu, &run, gpa, flags);
}

static void check_map_gpa_range(struct kvm_vcpu *vcpu,
				const struct gmem_run *run, u64 gpa,
				u64 pages, u64 attrs)
{
	struct kvm_run *r = vcpu->run;

	if (run->ret || r->exit_reason != KVM_EXIT_HYPERCALL) {
		describe(vcpu, run);
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

void gmem_enable_map_gpa_range(struct kvm_vm *vm)
{
	vm_enable_cap(vm, KVM_CAP_EXIT_HYPERCALL, BIT(KVM_HC_MAP_GPA_RANGE));
}

/* Run a vCPU to where gmem_guest_server() waits for its first command. */
void gmem_server_start(struct kvm_vcpu *vcpu)
{
	gmem_run_to_sync(vcpu, GMEM_STAGE_READY);
}

/**
 * gmem_cmd() - Let gmem_guest_server() do one thing
 * @vcpu: vCPU that waits for a command
 * @op: what to do
 * @a: first operand
 * @b: second operand
 *
 * Return: the next exit.  Unless that is GMEM_EXIT_SYNC, in which case args[1]
 * is the result, the command is not done yet: go on with gmem_run() or
 * gmem_resume().
 */
struct gmem_run gmem_cmd(struct kvm_vcpu *vcpu, enum gmem_cmd_op op,
			 u64 a, u64 b)
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	regs.rdi = op;
	regs.rsi = a;
	regs.rbx = b;
	vcpu_regs_set(vcpu, &regs);
	return gmem_run(vcpu);
}

static u64 result_of(struct kvm_vcpu *vcpu, const struct gmem_run *run)
{
	if (run->exit != GMEM_EXIT_SYNC) {
		describe(vcpu, run);
		TEST_FAIL("vCPU %u did not complete its command", vcpu->id);
	}
	return run->args[1];
}

/* A command that must complete without an exit in between. */
u64 gmem_cmd_result(struct kvm_vcpu *vcpu, enum gmem_cmd_op op,
		    u64 a, u64 b)
{
	struct gmem_run run = gmem_cmd(vcpu, op, a, b);

	return result_of(vcpu, &run);
}

/* Complete a command after an exit that the host has dealt with. */
u64 gmem_resume(struct kvm_vcpu *vcpu)
{
	struct gmem_run run = gmem_run(vcpu);

	return result_of(vcpu, &run);
}

/* A command that must give a memory-fault exit for the page of @a. */
void gmem_cmd_fault(struct kvm_vcpu *vcpu, enum gmem_cmd_op op, u64 a,
		    u64 b, u64 flags)
{
	struct gmem_run run = gmem_cmd(vcpu, op, a, b);

	check_fault(vcpu, &run, a & ~4095ULL, flags);
}

/* Leave the vCPU in the exit of its offer: convert, then gmem_resume(). */
void gmem_guest_offer(struct kvm_vcpu *vcpu, u64 gpa, u64 pages)
{
	struct gmem_run run = gmem_cmd(vcpu, GMEM_CMD_OFFER, gpa, pages);

	check_map_gpa_range(vcpu, &run, gpa, pages, GMEM_MAP_OFFER);
}
