// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: what a sealed VM refuses to its VMM.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "apic.h"
#include "gmem_errno.h"
#include "gmem_knob.h"
#include "gmem_sealed.h"

#define TRACING	"/sys/kernel/debug/tracing/"
#define EXCEPTION_PORT	0x1000	/* of the library, for one that nobody handles */
#define MAX_SIZE	512	/* of the arguments of ioctls */

static const unsigned long open_vcpu_ioctls[] = {
	KVM_GET_CPUID2, KVM_GET_STATS_FD, KVM_GET_TSC_KHZ, KVM_KVMCLOCK_CTRL,
	KVM_PRE_FAULT_MEMORY, KVM_RUN, KVM_SET_SIGNAL_MASK,
};

static const unsigned long open_vm_ioctls[] = {
	KVM_CHECK_EXTENSION, KVM_CLEAR_DIRTY_LOG, KVM_CREATE_GUEST_MEMFD,
	KVM_GET_CLOCK, KVM_GET_DIRTY_LOG, KVM_GET_NR_MMU_PAGES, KVM_GET_STATS_FD,
	KVM_IOEVENTFD, KVM_IRQFD, KVM_IRQ_LINE, KVM_IRQ_LINE_STATUS,
	KVM_REGISTER_COALESCED_MMIO, KVM_RESET_DIRTY_RINGS, KVM_SET_GSI_ROUTING,
	KVM_SET_MEMORY_ATTRIBUTES, KVM_SET_NR_MMU_PAGES,
	KVM_SET_USER_MEMORY_REGION, KVM_SET_USER_MEMORY_REGION2, KVM_SIGNAL_MSI,
	KVM_UNREGISTER_COALESCED_MMIO,
};

static bool is_in(unsigned long nr, const unsigned long *list, unsigned int n)
{
	while (n--) {
		if ((u32)list[n] == (u32)nr)
			return true;
	}
	return false;
}

static struct sealed make_sealed(enum gmem_kind kind)
{
	struct sealed s = make_open(kind, PAGES * PG);

	sealed_start(&s, true);
	return s;
}

/* Every number, with arguments of every size: those that exist, and those that do not */
static void try_all(int fd, const unsigned long *list, unsigned int n, const char *what)
{
	static u8 arg[1 << 14];
	unsigned int nr, dir, size;
	unsigned long ioc;

	for (nr = 0; nr < 256; nr++) {
		for (dir = 0; dir < 4; dir++) {
			for (size = 0; size <= MAX_SIZE; size += 4) {
				ioc = _IOC(dir, KVMIO, nr, size);
				if (is_in(ioc, list, n))
					continue;
				gmem_row(ioctl(fd, ioc, arg), EINVAL, "%s ioctl %#lx",
					 what, ioc);
			}
		}
	}
}

GMEM_ERRNO_TEST(vcpu_ioctls)
{
	struct sealed s = make_sealed(GMEM_SLOT_INPLACE);

	try_all(s.w.vcpu->fd, open_vcpu_ioctls, ARRAY_SIZE(open_vcpu_ioctls), "vCPU");
}

GMEM_ERRNO_TEST(vm_ioctls)
{
	struct sealed s = make_sealed(GMEM_SLOT_INPLACE);

	try_all(s.w.vm->fd, open_vm_ioctls, ARRAY_SIZE(open_vm_ioctls), "VM");
}

/* What a VMM reads and writes of a vCPU by, with the size that it has */
static const struct {
	unsigned long nr;
	const char *name;
} state_ioctls[] = {
#define STATE(_nr) { _nr, #_nr }
	STATE(KVM_GET_REGS), STATE(KVM_SET_REGS), STATE(KVM_GET_SREGS),
	STATE(KVM_SET_SREGS), STATE(KVM_GET_SREGS2), STATE(KVM_SET_SREGS2),
	STATE(KVM_GET_FPU), STATE(KVM_SET_FPU), STATE(KVM_GET_XSAVE),
	STATE(KVM_GET_XSAVE2), STATE(KVM_SET_XSAVE), STATE(KVM_GET_XCRS),
	STATE(KVM_SET_XCRS), STATE(KVM_GET_DEBUGREGS), STATE(KVM_SET_DEBUGREGS),
	STATE(KVM_GET_MSRS), STATE(KVM_SET_MSRS), STATE(KVM_GET_NESTED_STATE),
	STATE(KVM_SET_NESTED_STATE), STATE(KVM_GET_VCPU_EVENTS),
	STATE(KVM_SET_VCPU_EVENTS), STATE(KVM_GET_LAPIC), STATE(KVM_SET_LAPIC),
	STATE(KVM_SET_GUEST_DEBUG), STATE(KVM_TRANSLATE), STATE(KVM_SMI),
	STATE(KVM_NMI), STATE(KVM_INTERRUPT), STATE(KVM_SET_CPUID),
	STATE(KVM_SET_CPUID2), STATE(KVM_SET_TSC_KHZ), STATE(KVM_SET_MP_STATE),
	STATE(KVM_GET_MP_STATE), STATE(KVM_SET_VAPIC_ADDR), STATE(KVM_ENABLE_CAP),
	STATE(KVM_X86_SET_MCE), STATE(KVM_X86_SETUP_MCE), STATE(KVM_GET_DEVICE_ATTR),
	STATE(KVM_SET_DEVICE_ATTR), STATE(KVM_TPR_ACCESS_REPORTING),
};

GMEM_ERRNO_TEST(vcpu_state)
{
	struct sealed s = make_sealed(GMEM_SLOT_INPLACE);
	static u8 arg[1 << 14];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(state_ioctls); i++)
		gmem_row(ioctl(s.w.vcpu->fd, state_ioctls[i].nr, arg), EINVAL, "%s",
			 state_ioctls[i].name);
}

/* The same registers, in the shared page */
GMEM_ERRNO_TEST(registers_in_kvm_run)
{
	struct sealed s = make_sealed(GMEM_SLOT_INPLACE);
	struct kvm_run *r = s.w.vcpu->run;

	r->kvm_valid_regs = KVM_SYNC_X86_REGS;
	gmem_row(_vcpu_run(s.w.vcpu), EINVAL, "to be stored");
	r->kvm_valid_regs = 0;
	r->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	gmem_row(_vcpu_run(s.w.vcpu), EINVAL, "to be loaded");
	r->kvm_dirty_regs = 0;
	gmem_row_true(sealed_do(&s, GMEM_CMD_READ, gpa(0), 0) == 0, "the guest runs");
}

static u64 guest_goes, guest_may_stop;

/* Runs until the host says so. */
static u64 guest_wait(u64 unused)
{
	WRITE_ONCE(guest_goes, 1);
	while (!READ_ONCE(guest_may_stop))
		;
	return 0;
}

struct waiter {
	struct kvm_run *run;
	u64 *goes, *may_stop;
};

static void *ask_for_registers(void *arg)
{
	struct waiter *w = arg;

	while (!READ_ONCE(*w->goes))
		;
	w->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	WRITE_ONCE(*w->may_stop, 1);
	return NULL;
}

/* Asked for while the guest runs, after all checks */
SEALED_ATTACK(registers_of_a_running_guest)
{
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);
	struct kvm_run *r = s.w.vcpu->run;
	struct waiter w = {
		.run = r,
		.goes = addr_gva2hva(s.w.vm, (vm_vaddr_t)&guest_goes),
		.may_stop = addr_gva2hva(s.w.vm, (vm_vaddr_t)&guest_may_stop),
	};
	pthread_t thread;

	sealed_start(&s, seal);
	memset(&r->s.regs, 0, sizeof(r->s.regs));
	pthread_create(&thread, NULL, ask_for_registers, &w);
	ASSERT_EQ(sealed_do(&s, GMEM_CMD_CALL, (uintptr_t)guest_wait, 0), 0);
	pthread_join(thread, NULL);
	ASSERT_EQ(!r->s.regs.regs.rip, seal);
}

/* Events of KVM that show what the guest's processor does */
static const char * const guest_events[] = {
	"kvm/kvm_entry", "kvm/kvm_exit", "kvm/kvm_emulate_insn", "kvm/kvm_msr",
	"kvm/kvm_page_fault", "kvmmmu/kvm_mmu_pagetable_walk",
	"kvmmmu/kvm_mmu_paging_element",
};

static void trace_guest(const char *on)
{
	char path[128];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(guest_events); i++) {
		snprintf(path, sizeof(path), TRACING "events/%s/enable", guest_events[i]);
		TEST_ASSERT(gmem_write_knob(path, on), "%s: %s", path, strerror(errno));
	}
}

SEALED_ATTACK(tracing)
{
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);
	static char text[1 << 20];
	const char *name;
	unsigned int i;

	sealed_start(&s, seal);
	close(open(TRACING "trace", O_WRONLY | O_TRUNC));
	trace_guest("1");
	sealed_do(&s, GMEM_CMD_WRMSR, MSR_KVM_SYSTEM_TIME_NEW, gpa(AT) | 1);
	sealed_do(&s, GMEM_CMD_READ, gpa(AT + 1), 0);
	sealed_cmd(&s, GMEM_CMD_OUTS, gpa(AT), 1);
	trace_guest("0");

	gmem_read_knob(TRACING "trace", text, sizeof(text));
	for (i = 0; i < ARRAY_SIZE(guest_events); i++) {
		name = strchr(guest_events[i], '/') + 1;
		TEST_ASSERT(!strstr(text, name) == seal, "%s: %s traced", name,
			    seal ? "is" : "is not");
	}
}

/* What every exit has of the guest's processor */
SEALED_ATTACK(registers_of_an_exit)
{
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);
	struct kvm_run *r = s.w.vcpu->run;

	sealed_start(&s, seal);
	TEST_ASSERT(!r->apic_base == seal, "apic_base is %#llx", r->apic_base);
	if (seal)
		ASSERT_EQ(r->if_flag | r->cr8, 0);
}

#define RESET_PAGE	0xfffff000ULL

/* lidt of nothing; ud2 */
static u64 guest_shuts_down(u64 unused)
{
	static const struct {
		u16 limit;
		u64 base;
	} __packed none;

	asm volatile("lidt %0; ud2" : : "m" (none));
	return 0;
}

/* The processor would start over at the reset vector, where the VMM has its code. */
SEALED_ATTACK(shutdown)
{
	/* At 0xfff0: mov $0x6d0, %dx; out %al, %dx */
	static const u8 code[] = { 0xba, 0xd0, 0x06, 0xee };
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);
	u8 *rom = gmem_mmap_anon(PG);
	struct gmem_run run;

	sealed_start(&s, seal);
	run = sealed_cmd(&s, GMEM_CMD_CALL, (uintptr_t)guest_shuts_down, 0);
	ASSERT_EQ(run.ret, 0);
	ASSERT_EQ(s.w.vcpu->run->exit_reason, KVM_EXIT_SHUTDOWN);
	if (seal) {
		ASSERT_ERRNO(ioctl(s.w.vcpu->fd, KVM_RUN, NULL), EIO);
		return;
	}
	/* Only SVM resets it. */
	if (!kvm_cpu_has(X86_FEATURE_SVM))
		return;
	memcpy(rom + 0xff0, code, sizeof(code));
	gmem_set_region2(s.w.vm->fd, SLOT + 1, 0, RESET_PAGE, PG, rom, -1, 0);
	ASSERT_EQ(sealed_run(&s, 0).exit, GMEM_EXIT_SYNC);
}

static int msi(const struct sealed *s, u32 data)
{
	struct kvm_msi args = { .address_lo = APIC_DEFAULT_GPA, .data = data };

	return ioctl(s->w.vm->fd, KVM_SIGNAL_MSI, &args) < 0 ? -1 : 0;
}

/* Exceptions, INIT and others are not a device's to send. */
GMEM_ERRNO_TEST(messages)
{
	struct sealed s = make_sealed(GMEM_SLOT_INPLACE);
	unsigned int mode, vector;
	bool is_open;

	for (mode = 0; mode < 8; mode++) {
		for (vector = 0; vector < 256; vector++) {
			is_open = mode < 2 && vector >= 32 && vector != 0x80;
			gmem_row(msi(&s, mode << 8 | vector), is_open ? 0 : EINVAL,
				 "mode %u, vector %#x", mode, vector);
		}
	}
}

GMEM_ERRNO_TEST(routes)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} args = {
		.head.nr = 1,
		.entry = { .gsi = 24, .type = KVM_IRQ_ROUTING_MSI },
	};
	struct sealed s = make_sealed(GMEM_SLOT_INPLACE);

	args.entry.u.msi.address_lo = APIC_DEFAULT_GPA;
	args.entry.u.msi.data = 8;
	gmem_row(ioctl(s.w.vm->fd, KVM_SET_GSI_ROUTING, &args), EINVAL, "a double fault");
	args.entry.u.msi.data = 0x31;
	gmem_row(ioctl(s.w.vm->fd, KVM_SET_GSI_ROUTING, &args), 0, "a device's vector");
}

static u64 guest_takes_interrupts(u64 unused)
{
	asm volatile("sti; nop; nop; cli");
	return 0;
}

/* As it comes from reset, the 8259 would deliver a division by zero. */
SEALED_ATTACK(unset_8259)
{
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);
	struct kvm_irq_level line = { .irq = 0, .level = 1 };

	sealed_start(&s, seal);
	ASSERT_OK(ioctl(s.w.vm->fd, KVM_IRQ_LINE, &line));
	if (seal) {
		ASSERT_EQ(sealed_do(&s, GMEM_CMD_CALL, (uintptr_t)guest_takes_interrupts, 0),
			  0);
		return;
	}
	/* The library would take the exception for a failure. */
	s.boxes[0] = (struct gmem_mailbox) {
		.op = GMEM_CMD_CALL, .a = (uintptr_t)guest_takes_interrupts,
	};
	ASSERT_OK(ioctl(s.w.vcpu->fd, KVM_RUN, NULL));
	ASSERT_EQ(s.w.vcpu->run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(s.w.vcpu->run->io.port, EXCEPTION_PORT);
}

GMEM_HARNESS_MAIN
