// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: the conversion hypercall - how it is enabled, who may
 * call it, each bit of its arguments, and the exit, in long mode and without.
 */
#define _GNU_SOURCE

#include "gmem_errno.h"
#include "gmem_world.h"

#define ENABLED		BIT(KVM_HC_MAP_GPA_RANGE)
#define NO_EXIT		BIT_ULL(63)	/* no value of an answer */

GMEM_ERRNO_TEST(enabling_each_bit)
{
	const struct gmem_type *t;
	int bit, i;

	for_each_vm_type(t) {
		int vm = gmem_vm_open(t->type);
		struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_HYPERCALL };

		for (bit = 0; bit < 64; bit++) {
			int err = BIT_ULL(bit) == ENABLED ? 0 : EINVAL;

			cap.args[0] = BIT_ULL(bit);
			gmem_row(ioctl(vm, KVM_ENABLE_CAP, &cap), err, "%s, bit %d",
				 t->name, bit);
			cap.args[0] |= ENABLED;
			gmem_row(ioctl(vm, KVM_ENABLE_CAP, &cap), err,
				 "%s, bit %d beside the good one", t->name, bit);
		}
		cap.args[0] = ENABLED;
		for (bit = 0; bit < 32; bit++) {
			cap.flags = BIT(bit);
			gmem_row(ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL, "%s, flag %d",
				 t->name, bit);
		}
		cap.flags = 0;
		for (i = 1; i < 4; i++)
			cap.args[i] = -1;
		memset(cap.pad, 0xff, sizeof(cap.pad));
		gmem_row(ioctl(vm, KVM_ENABLE_CAP, &cap), 0, "%s, all else set", t->name);
		cap.args[0] = 0;
		gmem_row(ioctl(vm, KVM_ENABLE_CAP, &cap), 0, "%s, off", t->name);
		gmem_row(ioctl(vm, KVM_ENABLE_CAP, GMEM_BAD_PTR), EFAULT, "%s, bad pointer",
			 t->name);
		gmem_row(gmem_foreign_ioctl(vm, KVM_ENABLE_CAP, GMEM_BAD_PTR), EIO,
			 "%s, another process", t->name);
	}
}

/* The host gives the arguments, the next stop shows the answer. */
static void guest_caller(void)
{
	u64 a = 0, b = 0, c = 0;

	for (;;) {
		__gmem_guest_call(GMEM_GUEST_SYNC, &a, &b, &c);
		a = gmem_map_gpa_range(a, b, c);
	}
}

static bool is_exit(struct kvm_vcpu *vcpu, u64 a0, u64 a1, u64 a2, u32 longmode)
{
	struct kvm_run *run = vcpu->run;

	return run->exit_reason == KVM_EXIT_HYPERCALL &&
	       run->hypercall.nr == KVM_HC_MAP_GPA_RANGE &&
	       run->hypercall.args[0] == a0 && run->hypercall.args[1] == a1 &&
	       run->hypercall.args[2] == a2 && run->hypercall.ret == 0 &&
	       run->hypercall.longmode == longmode;
}

/* One hypercall; @exit_answer is NO_EXIT if @answer must come without one. */
static void call_row(struct kvm_vcpu *vcpu, u64 a0, u64 a1, u64 a2, u64 exit_answer,
		     s64 answer, const char *what)
{
	struct kvm_regs regs;
	struct gmem_run run;

	memset(&vcpu->run->hypercall, 0xa5, sizeof(vcpu->run->hypercall));
	vcpu_regs_get(vcpu, &regs);
	regs.rdi = a0;
	regs.rsi = a1;
	regs.rbx = a2;
	vcpu_regs_set(vcpu, &regs);
	run = gmem_run(vcpu);
	if (exit_answer != NO_EXIT) {
		gmem_row_true(run.exit == GMEM_EXIT_OTHER && is_exit(vcpu, a0, a1, a2, 1),
			      "%s: the exit", what);
		vcpu->run->hypercall.ret = exit_answer;
		if (run.exit == GMEM_EXIT_OTHER)
			run = gmem_run(vcpu);
	}
	gmem_row_true(run.exit == GMEM_EXIT_SYNC && (s64)run.args[0] == answer,
		      "%s: answer %ld, expected %ld", what, run.args[0], answer);
}

static struct kvm_vcpu *start_caller(unsigned long type, bool enabled)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = gmem_vm_create(type, 1, guest_caller, &vcpu);

	if (enabled)
		gmem_enable_map_gpa_range(vm);
	gmem_run_to_sync(vcpu, 0);
	return vcpu;
}

GMEM_ERRNO_TEST(off)
{
	const struct gmem_type *t;

	for_each_vm_type(t) {
		struct kvm_vcpu *vcpu = start_caller(t->type, false);
		struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_HYPERCALL };

		call_row(vcpu, 0, 1, 0, NO_EXIT, -KVM_ENOSYS, "never enabled");
		call_row(vcpu, 1, 0, 0, NO_EXIT, -KVM_ENOSYS, "never enabled, bad arguments");
		gmem_enable_map_gpa_range(vcpu->vm);
		call_row(vcpu, 0, 1, 0, 0, 0, "enabled");
		gmem_row(ioctl(vcpu->vm->fd, KVM_ENABLE_CAP, &cap), 0, "off");
		call_row(vcpu, 1, 0, 0, NO_EXIT, -KVM_ENOSYS, "off again");
	}
}

GMEM_ERRNO_TEST(each_bit)
{
	const struct gmem_type *t;
	char what[64];
	int bit;

	for_each_vm_type(t) {
		struct kvm_vcpu *vcpu = start_caller(t->type, true);

		for (bit = 0; bit < 64; bit++) {
			u64 b = BIT_ULL(bit);

			snprintf(what, sizeof(what), "%s, gpa 2^%d", t->name, bit);
			call_row(vcpu, b, 1, 0, bit < 12 ? NO_EXIT : 0,
				 bit < 12 ? -KVM_EINVAL : 0, what);
			/* The count of pages is added to a gfn, not to an address. */
			snprintf(what, sizeof(what), "%s, 2^%d pages", t->name, bit);
			call_row(vcpu, PG, b, 0, 0, 0, what);
			snprintf(what, sizeof(what), "%s, attribute %d", t->name, bit);
			call_row(vcpu, PG, 1, b, 0, 0, what);
		}
		call_row(vcpu, PG, 1, -1, 0, 0, "all attributes");
	}
}

GMEM_ERRNO_TEST(arguments_and_answers)
{
	struct kvm_vcpu *vcpu = start_caller(KVM_X86_SW_PROTECTED_VM, true);

	call_row(vcpu, 0, 0, 0, NO_EXIT, -KVM_EINVAL, "no pages");
	call_row(vcpu, PG, -1, 0, NO_EXIT, -KVM_EINVAL, "wraps to its start");
	call_row(vcpu, 2 * PG, -1, 0, NO_EXIT, -KVM_EINVAL, "wraps");
	call_row(vcpu, 0, -1, 0, 0, 0, "all but one");
	call_row(vcpu, -PG, 1, 0, 0, 0, "last page");
	call_row(vcpu, -PG, -BIT_ULL(52), 0, 0, 0, "up to the end of the gfns");
	call_row(vcpu, -PG, 1 - BIT_ULL(52), 0, NO_EXIT, -KVM_EINVAL, "wraps to zero");
	call_row(vcpu, PG + 1, 0, 0, NO_EXIT, -KVM_EINVAL, "unaligned, no pages");
	call_row(vcpu, PG, 1, 0, -11, -11, "answer EAGAIN");
	call_row(vcpu, PG, 1, 0, -22, -22, "answer EINVAL");
	call_row(vcpu, PG, 1, 0, 0x123456789abcdef, 0x123456789abcdef, "odd answer");
	call_row(vcpu, PG, 1, 0, -1, -1, "answer -1");
}

#define CODE	BIT_ULL(28)	/* gpa, below 4 GiB */

/* Flat 32-bit segments without paging, at privilege level @cpl */
static void enter_32bit(struct kvm_vcpu *vcpu, unsigned int cpl)
{
	struct kvm_segment flat = {
		.limit = -1, .selector = 0x10 | cpl, .type = 3, .present = 1,
		.dpl = cpl, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr0 = X86_CR0_PE;
	sregs.cr4 = 0;
	sregs.efer &= ~(EFER_LME | EFER_LMA);
	sregs.ds = flat;
	sregs.es = flat;
	sregs.ss = flat;
	sregs.cs = flat;
	sregs.cs.selector = 8 | cpl;
	sregs.cs.type = 11;
	vcpu_sregs_set(vcpu, &sregs);
}

static void call_row_32bit(struct kvm_vcpu *vcpu, u64 a0, u64 a1, u64 a2,
			   u64 exit_answer, u32 answer, const char *what)
{
	struct kvm_regs regs = {
		.rax = KVM_HC_MAP_GPA_RANGE, .rbx = a0, .rcx = a1, .rdx = a2,
		.rip = CODE, .rflags = 0x3002,	/* any level may use ports */
	};

	memset(&vcpu->run->hypercall, 0xa5, sizeof(vcpu->run->hypercall));
	vcpu_regs_set(vcpu, &regs);
	vcpu_run(vcpu);
	if (exit_answer != NO_EXIT) {
		gmem_row_true(is_exit(vcpu, (u32)a0, (u32)a1, (u32)a2, 0),
			      "%s: the exit", what);
		vcpu->run->hypercall.ret = exit_answer;
		vcpu_run(vcpu);
	}
	vcpu_regs_get(vcpu, &regs);
	gmem_row_true(vcpu->run->exit_reason == KVM_EXIT_IO && regs.rax == answer,
		      "%s: exit %u, answer %#llx, expected %#x", what,
		      vcpu->run->exit_reason, regs.rax, answer);
}

GMEM_ERRNO_TEST(mode_and_privilege)
{
	/* The hypercall, then out %al, $0x80 */
	const u8 amd[] = { 0x0f, 0x01, 0xd9, 0xe6, 0x80 };
	const u8 intel[] = { 0x0f, 0x01, 0xc1, 0xe6, 0x80 };
	const u64 junk = 0x5555555500000000;
	const struct gmem_type *t;

	for_each_vm_type(t) {
		struct gmem_slot slot;
		struct kvm_vcpu *vcpu;
		struct kvm_vm *vm = gmem_vm_create(t->type, 1, guest_caller, &vcpu);

		gmem_slot_init(&slot, vm->fd, GMEM_SLOT_PLAIN, SLOT, CODE, PG);
		memcpy(slot.hva, is_amd_cpu() ? amd : intel, sizeof(amd));
		enter_32bit(vcpu, 0);
		call_row_32bit(vcpu, 0, 1, 0, NO_EXIT, -KVM_ENOSYS, "off");
		enter_32bit(vcpu, 3);
		call_row_32bit(vcpu, 0, 1, 0, NO_EXIT, -KVM_EPERM, "off, level 3");

		gmem_enable_map_gpa_range(vm);
		call_row_32bit(vcpu, 0, 1, 0, NO_EXIT, -KVM_EPERM, "level 3");
		call_row_32bit(vcpu, 1, 0, 0, NO_EXIT, -KVM_EPERM, "level 3, bad arguments");
		enter_32bit(vcpu, 0);
		call_row_32bit(vcpu, PG, 3, 16, 0, 0, "32 bit");
		call_row_32bit(vcpu, junk | PG, junk | 3, junk | 16, 0, 0,
			       "32 bit, junk above");
		call_row_32bit(vcpu, junk, junk, 0, NO_EXIT, -KVM_EINVAL,
			       "32 bit, no pages but junk above");
		call_row_32bit(vcpu, 1, 1, 0, NO_EXIT, -KVM_EINVAL, "32 bit, unaligned");
		call_row_32bit(vcpu, -PG, -1, 0, 0, 0, "32 bit, no wrap of 64 bits");
		call_row_32bit(vcpu, PG, 1, 0, -11, -11, "32 bit, answer EAGAIN");
		call_row_32bit(vcpu, PG, 1, 0, 0x123456789, 0x23456789,
			       "32 bit, answer cut");
	}
}

GMEM_HARNESS_MAIN
