// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest code that can live in private memory, and the host's side of it.
 */
#include "gmem_guest.h"

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

void guest_touch(u64 gva, u64 pages)
{
	for (; pages; pages--, gva += 4096)
		guest_write8(gva, 1);
}

u64 gmem_serve(enum gmem_cmd_op op, u64 a, u64 b)
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
	case GMEM_CMD_CALL:
		return ((u64 (*)(u64))a)(b);
	default:
		return gmem_arch_serve(op, a, b);
	}
}

void gmem_guest_server(void)
{
	u64 stage, op, a, b;

	for (stage = GMEM_STAGE_READY, a = 0, b = 0;; stage = GMEM_STAGE_READY) {
		op = stage;
		__gmem_guest_call(GMEM_GUEST_SYNC, &op, &a, &b);
		a = gmem_serve(op, a, b);
	}
}

static void decode_call(enum gmem_guest_call nr, struct gmem_run *run)
{
	switch (nr) {
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
	default:
		break;
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
	enum gmem_guest_call nr;

	do {
		errno = 0;
		run.ret = _vcpu_run(vcpu);
		run.err = errno;
	} while (run.ret && run.err == EINTR);

	if (run.ret && (run.err == EFAULT || run.err == EHWPOISON) &&
	    vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT)
		run.exit = GMEM_EXIT_FAULT;
	else if (!run.ret && gmem_arch_guest_call(vcpu, &run, &nr))
		decode_call(nr, &run);
	return run;
}

void gmem_describe_run(struct kvm_vcpu *vcpu, const struct gmem_run *run)
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
		gmem_describe_run(vcpu, &run);
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
		gmem_describe_run(vcpu, run);
		TEST_FAIL("no memory fault at %#lx with flags %#lx", gpa, flags);
	}
}

/* A memory-fault exit that describes exactly the page at @gpa. */
void gmem_run_to_fault(struct kvm_vcpu *vcpu, u64 gpa, u64 flags)
{
	struct gmem_run run = gmem_run(vcpu);

	check_fault(vcpu, &run, gpa, flags);
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
	const u64 args[3] = { op, a, b };

	gmem_arch_set_args(vcpu, args);
	return gmem_run(vcpu);
}

static u64 result_of(struct kvm_vcpu *vcpu, const struct gmem_run *run)
{
	if (run->exit != GMEM_EXIT_SYNC) {
		gmem_describe_run(vcpu, run);
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
