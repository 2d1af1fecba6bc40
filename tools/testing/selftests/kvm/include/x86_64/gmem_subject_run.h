/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that serves commands, whether or not its VM is sealed.
 *
 * Commands come through a mailbox in ordinary memory.  An interrupt ends a command
 * that cannot go on, and has the guest start over with its stack empty.
 */
#ifndef SELFTEST_KVM_X86_GMEM_SUBJECT_RUN_H
#define SELFTEST_KVM_X86_GMEM_SUBJECT_RUN_H

#include "apic.h"
#include "gmem_sealed.h"

#define FORGET_VECTOR	0x40

static u64 subject_stacks[MAX_VCPUS];

/* rdi: the vCPU's number, rsi: its stack at the first entry, rdx: mailbox_server() */
asm(".pushsection .text\n\t"
	"subject_restart:\n\t"
	"mov %rsi, %rsp\n\t"
	"sti\n\t"
	"jmp *%rdx\n\t"
	".popsection\n");
extern char subject_restart[];

static void subject_server(u64 id)
{
	x2apic_enable();
	subject_stacks[id] = (u64)__builtin_frame_address(0) - 8;
	asm volatile("jmp subject_restart"
		     : : "S" (subject_stacks[id]), "D" (id), "d" (mailbox_server)
		     : "memory");
	__builtin_unreachable();
}

/* The interrupt */
static void subject_forget(struct ex_regs *regs)
{
	u64 id = x2apic_read_reg(APIC_ID);

	x2apic_write_reg(APIC_EOI, 0);
	regs->rdi = id;
	regs->rsi = subject_stacks[id];
	regs->rdx = (u64)mailbox_server;
	regs->rip = (u64)subject_restart;
}

/* Forget the command of a vCPU that has exited in the middle of it. */
static inline void forget_cmd(struct sealed *s, unsigned int v)
{
	struct kvm_msi msi = {
		.address_lo = APIC_DEFAULT_GPA | v << 12,
		.data = FORGET_VECTOR,
	};
	struct gmem_run run;

	TEST_ASSERT(ioctl(s->w.vm->fd, KVM_SIGNAL_MSI, &msi) > 0, "KVM_SIGNAL_MSI");
	run = sealed_run(s, v);
	TEST_ASSERT(run.exit == GMEM_EXIT_SYNC, "vCPU %u does not forget: errno %d, reason %u",
		    v, run.err, s->vcpus[v]->run->exit_reason);
}

/* A VM without memory besides the library's */
static inline void open_subject(struct sealed *s, bool seal)
{
	open_vm(s, subject_server, NULL);
	vm_install_exception_handler(s->w.vm, FORGET_VECTOR, subject_forget);
	sealed_start(s, seal);
}

#endif /* SELFTEST_KVM_X86_GMEM_SUBJECT_RUN_H */
