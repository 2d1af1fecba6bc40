// SPDX-License-Identifier: GPL-2.0-only
/* vCPUs: creation, CPUID, and the state at the first instruction. */
#include <linux/kvm_para.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm.h"

#define CPUID_ENTRIES		256
/* A sealed guest has no guests of its own. */
#define CPUID_1_ECX_VMX		0x20U
#define CPUID_80000001_ECX_SVM	0x4U
#define CPUID_SEV		0x8000001f	/* which bit means private */
#define MSR_MISC_ENABLE		0x1a0
#define MSR_MTRR_DEFAULT	0x2ff
#define MTRR_ON_WRITE_BACK	0x806

#define CR0_BOOT	0x80000033UL	/* PG, NE, ET, MP, PE */
#define CR4_PAE		0x20UL
#define EFER_LMA_LME	0x500UL

/* Bits that number 0 to n - 1. */
static unsigned int bits_for(unsigned int n)
{
	unsigned int bits = 0;

	while ((1U << bits) < n)
		bits++;
	return bits;
}

/* Extended topology: one thread a core, all cores in one package. */
static void patch_levels(struct kvm_cpuid_entry2 *e, unsigned int id,
			 unsigned int cpus)
{
	e->eax = 0;
	e->ebx = 0;
	e->ecx = 0;
	e->edx = id;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx = 1 << 8;
	} else if (e->index == 1) {
		e->eax = bits_for(cpus);
		e->ebx = cpus;
		e->ecx = 1 | 2 << 8;
	}
}

/*
 * Only what depends on the vCPU's number or on the number of vCPUs changes,
 * and what KVM reports by other means than KVM_GET_SUPPORTED_CPUID is added.
 */
static void patch_cpuid(struct vm *vm, struct kvm_cpuid_entry2 *e,
			unsigned int id)
{
	unsigned int cpus = vm->opt.cpus;

	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0xffff) | cpus << 16 | id << 24;
		e->edx |= cpus > 1 ? 1 << 28 : 0;	/* HTT */
		if (ioctl(vm->kvm, KVM_CHECK_EXTENSION,
			  KVM_CAP_TSC_DEADLINE_TIMER) > 0)
			e->ecx |= 1 << 24;
		e->ecx |= 1U << 31;			/* a hypervisor */
		if (vm->opt.seal)
			e->ecx &= ~CPUID_1_ECX_VMX;
		break;
	case 4:
		if (e->eax & 0x1f)
			e->eax = (e->eax & 0x3fff) | (cpus - 1) << 26;
		break;
	case 0xb:
	case 0x1f:
		patch_levels(e, id, cpus);
		break;
	case KVM_CPUID_FEATURES:
		e->eax |= 1U << KVM_FEATURE_HC_MAP_GPA_RANGE;
		/* Or Linux announces nothing. */
		if (vm->private_mask)
			e->eax |= 1U << KVM_FEATURE_MIGRATION_CONTROL;
		break;
	case 0x80000000:
		if (vm->private_mask && e->eax < CPUID_SEV)
			e->eax = CPUID_SEV;
		break;
	case 0x80000001:
		if (vm->opt.seal)
			e->ecx &= ~CPUID_80000001_ECX_SVM;
		break;
	case 0x80000008:
		e->ecx = (e->ecx & ~0xf0ffU) | bits_for(cpus) << 12 | (cpus - 1);
		break;
	case 0x8000001d:
		e->eax &= 0x3fff;
		break;
	case 0x8000001e:
		e->eax = id;
		e->ebx = id;
		e->ecx = 0;
		break;
	}
}

/* A leaf that KVM fills in, if it is there. */
static void add_leaf(struct kvm_cpuid2 *cpuid, __u32 leaf)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == leaf)
			return;
	if (cpuid->nent == CPUID_ENTRIES)
		die(VMM_ERROR, "KVM_GET_SUPPORTED_CPUID: too many leaves");
	cpuid->entries[cpuid->nent++] =
		(struct kvm_cpuid_entry2) { .function = leaf };
}

static void set_cpuid(struct vcpu *cpu)
{
	struct kvm_cpuid2 *cpuid;
	unsigned int i;

	cpuid = calloc(1, sizeof(*cpuid) +
			  CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		die_errno(VMM_ERROR, "CPUID table");
	cpuid->nent = CPUID_ENTRIES;
	if (ioctl(cpu->vm->kvm, KVM_GET_SUPPORTED_CPUID, cpuid))
		die_errno(VMM_ERROR, "KVM_GET_SUPPORTED_CPUID");
	if (cpu->vm->private_mask)
		add_leaf(cpuid, CPUID_SEV);
	for (i = 0; i < cpuid->nent; i++)
		patch_cpuid(cpu->vm, &cpuid->entries[i], cpu->id);
	if (ioctl(cpu->fd, KVM_SET_CPUID2, cpuid))
		die_errno(VMM_ERROR, "KVM_SET_CPUID2");
	free(cpuid);
}

static void set_msrs(struct vcpu *cpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[2];
	} msrs = {
		.head.nmsrs = 2,
		.entry = {
			{ .index = MSR_MISC_ENABLE, .data = 1 },
			{ .index = MSR_MTRR_DEFAULT, .data = MTRR_ON_WRITE_BACK },
		},
	};

	if (ioctl(cpu->fd, KVM_SET_MSRS, &msrs) != 2)
		die(VMM_ERROR, "KVM_SET_MSRS refused");
}

/** cpu_create() - create vCPU @id; application processors wait for SIPI. */
void cpu_create(struct vm *vm, unsigned int id)
{
	struct vcpu *cpu = &vm->cpu[id];

	cpu->vm = vm;
	cpu->id = id;
	cpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (cpu->fd < 0)
		die_errno(VMM_ERROR, "KVM_CREATE_VCPU %u", id);
	cpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			cpu->fd, 0);
	if (cpu->run == MAP_FAILED)
		die_errno(VMM_ERROR, "cannot map the state of vCPU %u", id);
	set_cpuid(cpu);
	set_msrs(cpu);
}

/** cpu_reset_boot() - 64-bit mode, flat segments, as boot.rst asks for. */
void cpu_reset_boot(struct vcpu *cpu, __u64 entry)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 0x10, .type = 11,
		.present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 0x18, .type = 3,
		.present = 1, .db = 1, .s = 1, .g = 1,
	};
	struct kvm_regs regs = {
		.rip = entry, .rsi = GPA_ZEROPAGE, .rflags = 2,
	};
	struct kvm_sregs sregs;

	if (ioctl(cpu->fd, KVM_GET_SREGS, &sregs))
		die_errno(VMM_ERROR, "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.gdt.base = GPA_GDT;
	sregs.gdt.limit = 4 * 8 - 1;
	sregs.cr0 = CR0_BOOT;
	sregs.cr3 = GPA_PGTABLES | cpu->vm->private_mask;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LMA_LME;
	if (ioctl(cpu->fd, KVM_SET_SREGS, &sregs) ||
	    ioctl(cpu->fd, KVM_SET_REGS, &regs))
		die_errno(VMM_ERROR, "cannot set the boot processor's registers");
}
