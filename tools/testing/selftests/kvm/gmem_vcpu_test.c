// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: the vCPU's part of the interface - pre-fault, the
 * conversion hypercall, the exit reason.
 */
#define _GNU_SOURCE
#include <signal.h>

#include "gmem_errno.h"
#include "gmem_guest.h"
#include "gmem_poison.h"

#define PG	4096ULL
#define SLOT	10

static int prefault(struct kvm_vcpu *vcpu, u64 gpa, u64 size,
		    u64 flags, struct kvm_pre_fault_memory *out)
{
	struct kvm_pre_fault_memory args = {
		.gpa = gpa, .size = size, .flags = flags,
	};
	int ret = ioctl(vcpu->fd, KVM_PRE_FAULT_MEMORY, &args);

	if (out)
		*out = args;
	return ret;
}

static void guest_finish(void)
{
	GUEST_FINISH();
}

GMEM_TEST(prefault_arguments)
{
	struct kvm_pre_fault_memory args = { .size = PG };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = gmem_vm_create(KVM_X86_DEFAULT_VM, 1, guest_finish, &vcpu);
	int bit;

	gmem_check_cap(vm->fd, KVM_CAP_PRE_FAULT_MEMORY);
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_PRE_FAULT_MEMORY, 8), EFAULT);
	for (bit = 0; bit < 64; bit++)
		ASSERT_ERRNO(prefault(vcpu, 0, PG, 1ULL << bit, NULL), EINVAL);
	ASSERT_ERRNO(prefault(vcpu, 1, PG, 0, NULL), EINVAL);
	ASSERT_ERRNO(prefault(vcpu, 0, PG + 1, 0, NULL), EINVAL);
	ASSERT_ERRNO(prefault(vcpu, 0, 0, 0, NULL), EINVAL);
	ASSERT_ERRNO(prefault(vcpu, -PG, 2 * PG, 0, NULL), EINVAL);
	/* Padding is not looked at. */
	memset(args.padding, 0xff, sizeof(args.padding));
	ASSERT_OK(ioctl(vcpu->fd, KVM_PRE_FAULT_MEMORY, &args));
}

static void check_progress(unsigned long type, enum gmem_kind kind, u64 attrs)
{
	struct kvm_pre_fault_memory left;
	struct gmem_slot slot;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = gmem_vm_create(type, 1, guest_finish, &vcpu);
	u64 size = GMEM_HUGE + PG;

	gmem_slot_init(&slot, vm->fd, kind, SLOT, GMEM_BASE, size);
	if (attrs)
		gmem_set_attrs(vm->fd, GMEM_BASE, size, attrs);

	ASSERT_OK(prefault(vcpu, GMEM_BASE, size, 0, &left));
	ASSERT_EQ(left.gpa, GMEM_BASE + size);
	ASSERT_EQ(left.size, 0);
	/* Progress up to the end of the slot, then the reason */
	ASSERT_OK(prefault(vcpu, GMEM_BASE + size - PG, 3 * PG, 0, &left));
	ASSERT_EQ(left.gpa, GMEM_BASE + size);
	ASSERT_EQ(left.size, 2 * PG);
	ASSERT_ERRNO(prefault(vcpu, left.gpa, left.size, 0, &left), ENOENT);
	ASSERT_EQ(left.gpa, GMEM_BASE + size);
	ASSERT_EQ(left.size, 2 * PG);
	gmem_run_to_done(vcpu);
}

GMEM_TEST(prefault_progress)
{
	check_progress(KVM_X86_DEFAULT_VM, GMEM_SLOT_PLAIN, 0);
	check_progress(KVM_X86_DEFAULT_VM, GMEM_SLOT_INPLACE, 0);
	check_progress(KVM_X86_SW_PROTECTED_VM, GMEM_SLOT_PLAIN, 0);
	check_progress(KVM_X86_SW_PROTECTED_VM, GMEM_SLOT_INPLACE, 0);
	check_progress(KVM_X86_SW_PROTECTED_VM, GMEM_SLOT_TWO, 0);
	check_progress(KVM_X86_SW_PROTECTED_VM, GMEM_SLOT_TWO, GMEM_PRIVATE);
	check_progress(KVM_X86_SW_PROTECTED_VM, GMEM_SLOT_INPLACE, GMEM_PRIVATE);
}

GMEM_TEST(prefault_allocates_private)
{
	struct gmem_slot slot;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 1, guest_finish, &vcpu);
	u64 before, after;

	gmem_slot_init(&slot, vm->fd, GMEM_SLOT_TWO, SLOT, GMEM_BASE, GMEM_HUGE);
	gmem_set_attrs(vm->fd, GMEM_BASE, GMEM_HUGE, GMEM_PRIVATE);
	before = gmem_vm_stat(vm, "pages_4k") + 512 * gmem_vm_stat(vm, "pages_2m");
	ASSERT_OK(prefault(vcpu, GMEM_BASE, GMEM_HUGE, 0, NULL));
	after = gmem_vm_stat(vm, "pages_4k") + 512 * gmem_vm_stat(vm, "pages_2m");
	TEST_ASSERT(after - before >= 512, "%lu pages mapped, expected 512",
		    after - before);
	/* The private backing, not the other one */
	gmem_punch(slot.fd, 0, GMEM_HUGE);
	after = gmem_vm_stat(vm, "pages_4k") + 512 * gmem_vm_stat(vm, "pages_2m");
	TEST_ASSERT(after - before < 512, "%lu pages left after the hole",
		    after - before);
}

/* Deleting a memslot makes the MMU's root obsolete; that must not matter. */
GMEM_TEST(prefault_after_deletion)
{
	struct gmem_slot slot, other;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = gmem_vm_create(KVM_X86_DEFAULT_VM, 1, guest_finish, &vcpu);

	gmem_slot_init(&slot, vm->fd, GMEM_SLOT_PLAIN, SLOT, GMEM_BASE, 4 * PG);
	gmem_slot_init(&other, vm->fd, GMEM_SLOT_PLAIN, SLOT + 1,
		       GMEM_BASE + GMEM_HUGE, PG);
	ASSERT_OK(prefault(vcpu, GMEM_BASE, PG, 0, NULL));
	gmem_slot_delete(&other, vm->fd);
	ASSERT_OK(prefault(vcpu, GMEM_BASE + PG, PG, 0, NULL));
}

GMEM_TEST(prefault_private_without_file)
{
	struct gmem_slot slot;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 1, guest_finish, &vcpu);

	gmem_slot_init(&slot, vm->fd, GMEM_SLOT_PLAIN, SLOT, GMEM_BASE, GMEM_HUGE);
	gmem_set_attrs(vm->fd, GMEM_BASE, PG, GMEM_PRIVATE);
	ASSERT_ERRNO(prefault(vcpu, GMEM_BASE, PG, 0, NULL), EFAULT);
	ASSERT_OK(prefault(vcpu, GMEM_BASE + PG, PG, 0, NULL));
}

GMEM_TEST(hypercall_enabling)
{
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_HYPERCALL };
	int bit;

	ASSERT_EQ(gmem_check_cap(vm, KVM_CAP_EXIT_HYPERCALL), BIT(KVM_HC_MAP_GPA_RANGE));
	for (bit = 0; bit < 64; bit++) {
		cap.args[0] = 1ULL << bit;
		if (bit == KVM_HC_MAP_GPA_RANGE)
			ASSERT_OK(ioctl(vm, KVM_ENABLE_CAP, &cap));
		else
			ASSERT_ERRNO(ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL);
	}
}

static void guest_hypercall_off(void)
{
	GUEST_EXPECT(gmem_map_gpa_range(0, 1, GMEM_MAP_ENCRYPTED), -1000);
	GUEST_FINISH();
}

GMEM_TEST(hypercall_off)
{
	struct kvm_vcpu *vcpu;

	gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 1, guest_hypercall_off, &vcpu);
	gmem_run_to_done(vcpu);
}

#define ODD_ATTRS	0xdeadbeefcafe0000ULL

static void guest_hypercalls(void)
{
	GUEST_EXPECT(gmem_map_gpa_range(1, 1, 0), -22);
	GUEST_EXPECT(gmem_map_gpa_range(0, 0, 0), -22);
	/* The page number wraps; that is all KVM looks at. */
	GUEST_EXPECT(gmem_map_gpa_range(PG, -1, 0), -22);
	GUEST_EXPECT(gmem_map_gpa_range(-PG, -1, 0), -22);
	GUEST_EXPECT(gmem_map_gpa_range(GMEM_BASE, 3, GMEM_MAP_ENCRYPTED), 0);
	GUEST_EXPECT(gmem_map_gpa_range(0, 1, ODD_ATTRS), -11);
	GUEST_EXPECT(gmem_map_gpa_range(PG, 2, 0), 0x123456789abcdefULL);
	GUEST_FINISH();
}

static void check_hypercalls(unsigned long type)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = gmem_vm_create(type, 1, guest_hypercalls, &vcpu);

	gmem_enable_map_gpa_range(vm);
	gmem_run_to_map_gpa_range(vcpu, GMEM_BASE, 3, GMEM_MAP_ENCRYPTED);
	gmem_run_to_map_gpa_range(vcpu, 0, 1, ODD_ATTRS);
	vcpu->run->hypercall.ret = -11;
	gmem_run_to_map_gpa_range(vcpu, PG, 2, 0);
	vcpu->run->hypercall.ret = 0x123456789abcdefULL;
	gmem_run_to_done(vcpu);
}

GMEM_TEST(hypercall_exits)
{
	check_hypercalls(KVM_X86_DEFAULT_VM);
	check_hypercalls(KVM_X86_SW_PROTECTED_VM);
}

static void touch_base(void)
{
	guest_read8(GMEM_BASE);
	GUEST_STAGE(1);
	GUEST_FINISH();
}

/* An exit without a reason of its own does not show the last one's. */
GMEM_TEST(exit_reason_is_reset)
{
	struct gmem_slot slot;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 1, touch_base, &vcpu);

	gmem_slot_add(&slot, vm, GMEM_SLOT_TWO, SLOT, GMEM_BASE, GMEM_HUGE);
	gmem_set_attrs(vm->fd, GMEM_BASE, PG, GMEM_PRIVATE);
	close(slot.fd);
	gmem_run_to_fault(vcpu, GMEM_BASE, GMEM_PRIVATE);

	/* Shared again, but nothing is mapped there: a bare EFAULT */
	gmem_set_attrs(vm->fd, GMEM_BASE, PG, GMEM_SHARED);
	ASSERT_OK(munmap(slot.hva, GMEM_HUGE));
	ASSERT_ERRNO(__vcpu_run(vcpu), EFAULT);
	TEST_ASSERT(vcpu->run->exit_reason != KVM_EXIT_MEMORY_FAULT,
		    "the exit reason is stale, flags %#llx gpa %#llx",
		    vcpu->run->memory_fault.flags, vcpu->run->memory_fault.gpa);
}

static sig_atomic_t signals;

static void count_signal(int sig)
{
	signals++;
}

static void handle_sigbus(void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler };

	TEST_ASSERT(!sigaction(SIGBUS, &sa, NULL), "sigaction()");
	signals = 0;
}

/* A guest that is about to touch the first page of a slot, which is poisoned */
static struct kvm_vcpu *make_poisoned(unsigned long type)
{
	struct gmem_slot slot;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = gmem_vm_create(type, 1, touch_base, &vcpu);

	gmem_slot_add(&slot, vm, GMEM_SLOT_PLAIN, SLOT, GMEM_BASE, GMEM_HUGE);
	memset(slot.hva, 1, PG);
	gmem_poison(slot.hva);
	return vcpu;
}

static void run_to_poison(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	ASSERT_ERRNO(__vcpu_run(vcpu), EHWPOISON);
	ASSERT_EQ(run->exit_reason, KVM_EXIT_MEMORY_FAULT);
	ASSERT_EQ(run->memory_fault.gpa, GMEM_BASE);
	ASSERT_EQ(run->memory_fault.size, PG);
	ASSERT_EQ(run->memory_fault.flags, 0);
}

static void run_to_signal(struct kvm_vcpu *vcpu)
{
	signals = 0;
	ASSERT_ERRNO(__vcpu_run(vcpu), EINTR);
	ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_INTR);
	ASSERT_EQ(signals, 1);
}

/* A signal that somebody gets is all that there is, as in 6.1. */
static void check_poison_with_signal(unsigned long type)
{
	struct kvm_vcpu *vcpu = make_poisoned(type);

	handle_sigbus(count_signal);
	run_to_signal(vcpu);
	run_to_signal(vcpu);
}

static void check_poison_without_signal(unsigned long type)
{
	struct kvm_vcpu *vcpu = make_poisoned(type);
	sigset_t pending;

	handle_sigbus(SIG_IGN);
	run_to_poison(vcpu);
	run_to_poison(vcpu);

	handle_sigbus(count_signal);
	gmem_mask_signal(SIG_BLOCK, SIGBUS);
	run_to_poison(vcpu);
	run_to_poison(vcpu);
	ASSERT_EQ(signals, 0);
	ASSERT_OK(sigpending(&pending));
	ASSERT_EQ(sigismember(&pending, SIGBUS), 1);

	/* It is for whoever unblocks it. */
	gmem_mask_signal(SIG_UNBLOCK, SIGBUS);
	ASSERT_EQ(signals, 1);
	run_to_signal(vcpu);
}

/* Blocked outside of KVM_RUN only */
static void check_poison_with_signal_mask(unsigned long type)
{
	struct kvm_vcpu *vcpu = make_poisoned(type);
	struct {
		struct kvm_signal_mask head;
		u64 mask;
	} nothing = { .head.len = sizeof(nothing.mask) };
	sigset_t pending;

	handle_sigbus(count_signal);
	gmem_mask_signal(SIG_BLOCK, SIGBUS);
	ASSERT_OK(ioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, &nothing));
	ASSERT_ERRNO(__vcpu_run(vcpu), EINTR);
	ASSERT_OK(sigpending(&pending));
	ASSERT_EQ(sigismember(&pending, SIGBUS), 1);
}

GMEM_TEST(poison_with_signal)
{
	check_poison_with_signal(KVM_X86_DEFAULT_VM);
	check_poison_with_signal(KVM_X86_SW_PROTECTED_VM);
}

GMEM_TEST(poison_without_signal)
{
	check_poison_without_signal(KVM_X86_DEFAULT_VM);
	check_poison_without_signal(KVM_X86_SW_PROTECTED_VM);
}

GMEM_TEST(poison_with_signal_mask)
{
	check_poison_with_signal_mask(KVM_X86_DEFAULT_VM);
	check_poison_with_signal_mask(KVM_X86_SW_PROTECTED_VM);
}

GMEM_HARNESS_MAIN
