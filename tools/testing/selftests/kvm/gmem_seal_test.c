// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: what a sealed VM refuses to its VMM, when a VM can be
 * sealed, and the digest of what it starts with.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "apic.h"
#include "gmem_errno.h"
#include "gmem_knob.h"
#include "gmem_poison.h"
#include "gmem_sealed.h"
#include "hyperv.h"

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
	sealed_cmd(&s, GMEM_CMD_OUTS, gpa(AT), 1);
	trace_guest("0");

	gmem_read_knob(TRACING "trace", text, sizeof(text));
	for (i = 0; i < ARRAY_SIZE(guest_events); i++) {
		name = strchr(guest_events[i], '/') + 1;
		TEST_ASSERT(!strstr(text, name) == seal, "%s: %s traced", name,
			    seal ? "is" : "is not");
	}
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

GMEM_ERRNO_TEST(capability)
{
	struct kvm_vm *vm = ____vm_create(VM_MODE_DEFAULT, 0);
	int vm_fd = gmem_vm_open(GMEM_VM_PROTECTED), kvm_fd = open_kvm_dev_path_or_exit();
	struct kvm_enable_cap cap = { .cap = KVM_CAP_GMEM_SEAL };
	u8 digest[KVM_LAUNCH_DIGEST_SIZE];
	unsigned int i;

	gmem_row_true(gmem_check_cap(kvm_fd, KVM_CAP_GMEM_SEAL) == 1, "host");
	gmem_row_true(gmem_check_cap(vm_fd, KVM_CAP_GMEM_SEAL) == 1, "protected VM");
	gmem_row_true(gmem_check_cap(vm->fd, KVM_CAP_GMEM_SEAL) == 0, "default VM");
	gmem_row(__gmem_seal(vm->fd, NULL), EINVAL, "default VM");

	cap.flags = 1;
	gmem_row(ioctl(vm_fd, KVM_ENABLE_CAP, &cap), EINVAL, "flags");
	cap.flags = 0;
	for (i = 0; i < 4; i++) {
		cap.args[i] = 1;
		gmem_row(ioctl(vm_fd, KVM_ENABLE_CAP, &cap), i == 1 ? EFAULT : EINVAL,
			 "argument %u", i);
		cap.args[i] = 0;
	}
	gmem_row(__gmem_seal(vm_fd, gmem_write_protect(digest, sizeof(digest))), EFAULT,
		 "read-only memory for the digest");
	gmem_row(ioctl(vm_fd, KVM_CREATE_VCPU, 0) < 0 ? -1 : 0, 0, "not sealed by these");
	gmem_row(__gmem_seal(vm_fd, digest), 0, "at last");
	gmem_row(__gmem_seal(vm_fd, digest), EINVAL, "twice");
}

GMEM_ERRNO_TEST(has_run)
{
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);

	sealed_start(&s, false);
	gmem_row(__gmem_seal(s.w.vm->fd, NULL), EBUSY, "both vCPUs");
	gmem_row_true(sealed_do(&s, GMEM_CMD_READ, gpa(0), 0) == 0, "the guest runs");
}

GMEM_ERRNO_TEST(poisoned_page)
{
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);
	struct kvm_regs regs;

	ASSERT_OK(convert(&s.w, AT, 1, GMEM_SHARED));
	host(&s.w, AT)[0] = 1;
	gmem_poison(host(&s.w, AT));
	ASSERT_OK(convert(&s.w, AT, 1, GMEM_PRIVATE));
	gmem_row(__gmem_seal(s.w.vm->fd, NULL), EHWPOISON, "poisoned");
	gmem_row(ioctl(s.w.vcpu->fd, KVM_GET_REGS, &regs), 0, "open");
}

static void set_msr(struct sealed *s, u32 msr, u64 value)
{
	vcpu_set_msr(s->w.vcpu, msr, value);
}

static void used_clock(struct sealed *s)
{
	set_msr(s, MSR_KVM_SYSTEM_TIME_NEW, gpa(AT) | 1);
}

static void used_hyperv(struct sealed *s)
{
	vcpu_set_hv_cpuid(s->w.vcpu);
	set_msr(s, HV_X64_MSR_GUEST_OS_ID, 1);
}

static void used_debug(struct sealed *s)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};

	vcpu_guest_debug_set(s->w.vcpu, &debug);
}

static void used_nmi(struct sealed *s)
{
	ASSERT_OK(ioctl(s->w.vcpu->fd, KVM_NMI, NULL));
}

/* KVM has read the page-directory pointers from memory that may be another by now. */
static void used_pae(struct sealed *s)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(s->w.vcpu, &sregs);
	sregs.efer &= ~(EFER_LMA | EFER_LME);
	sregs.cs.l = 0;
	sregs.cs.db = 1;
	vcpu_sregs_set(s->w.vcpu, &sregs);
}

static void used_user_msrs(struct sealed *s)
{
	vm_enable_cap(s->w.vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER);
}

static void used_msr_filter(struct sealed *s)
{
	struct kvm_msr_filter filter = {};
	unsigned long all = ~0UL;

	filter.ranges[0] = (struct kvm_msr_filter_range) {
		.flags = KVM_MSR_FILTER_WRITE, .nmsrs = 1, .base = MSR_LSTAR,
		.bitmap = (u8 *)&all,
	};
	ASSERT_OK(ioctl(s->w.vm->fd, KVM_X86_SET_MSR_FILTER, &filter));
}

static void used_ioapic(struct sealed *s)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	ASSERT_OK(ioctl(s->w.vm->fd, KVM_GET_IRQCHIP, &chip));
	chip.chip.ioapic.redirtbl[3].fields.mask = 0;
	ASSERT_OK(ioctl(s->w.vm->fd, KVM_SET_IRQCHIP, &chip));
}

static void used_pic(struct sealed *s)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_SLAVE };

	ASSERT_OK(ioctl(s->w.vm->fd, KVM_GET_IRQCHIP, &chip));
	chip.chip.pic.irq_base = 8;
	ASSERT_OK(ioctl(s->w.vm->fd, KVM_SET_IRQCHIP, &chip));
}

static void used_lapic(struct sealed *s)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(s->w.vcpu, KVM_GET_LAPIC, &lapic);
	*(u32 *)&lapic.regs[APIC_SPIV] |= APIC_SPIV_APIC_ENABLED;
	*(u32 *)&lapic.regs[0x220] |= 1;	/* IRR, vector 0x40 */
	vcpu_ioctl(s->w.vcpu, KVM_SET_LAPIC, &lapic);
}

static const struct {
	const char *name;
	void (*use)(struct sealed *s);
} used[] = {
	{ "clock", used_clock }, { "Hyper-V", used_hyperv },
	{ "debugger", used_debug }, { "NMI", used_nmi },
	{ "MSR exits", used_user_msrs }, { "MSR filter", used_msr_filter },
	{ "I/O APIC", used_ioapic }, { "8259", used_pic },
	{ "interrupt", used_lapic }, { "PAE", used_pae },
};

/* What would let the VMM in afterwards; the VM is as open as before. */
GMEM_ERRNO_TEST(what_a_sealed_vm_must_not_have)
{
	struct kvm_regs regs;
	struct sealed s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(used); i++) {
		s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);
		used[i].use(&s);
		gmem_row(__gmem_seal(s.w.vm->fd, NULL), EINVAL, "%s", used[i].name);
		gmem_row(ioctl(s.w.vcpu->fd, KVM_GET_REGS, &regs), 0, "%s: open",
			 used[i].name);
		kvm_vm_free(s.w.vm);
		close(s.w.slot.fd);
	}
}

GMEM_HARNESS_MAIN
