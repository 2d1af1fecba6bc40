// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: when a VM can be sealed.
 */
#define _GNU_SOURCE
#include "apic.h"
#include "gmem_errno.h"
#include "gmem_poison.h"
#include "gmem_sealed.h"
#include "hyperv.h"

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
	ASSERT_OK(ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0));
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

static void used_nested(struct sealed *s)
{
	vcpu_set_cpuid_feature(s->w.vcpu, kvm_cpu_has(X86_FEATURE_SVM) ?
			       X86_FEATURE_SVM : X86_FEATURE_VMX);
}

static void used_tpr(struct sealed *s)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = 1 };

	vcpu_ioctl(s->w.vcpu, KVM_TPR_ACCESS_REPORTING, &ctl);
}

static void used_shadow(struct sealed *s)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(s->w.vcpu, &events);
	events.flags = KVM_VCPUEVENT_VALID_SHADOW;
	events.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	vcpu_events_set(s->w.vcpu, &events);
}

static const struct {
	const char *name;
	void (*use)(struct sealed *s);
} used[] = {
	{ "nested guests", used_nested }, { "TPR accesses", used_tpr },
	{ "interrupt shadow", used_shadow },
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
