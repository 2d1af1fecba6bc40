/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests in private memory: what is x86's.
 */
#ifndef SELFTEST_KVM_X86_GMEM_ARCH_H
#define SELFTEST_KVM_X86_GMEM_ARCH_H

#include "kvm_util.h"

/* The kernel's O_LARGEFILE, which the C library hides */
#define GMEM_O_LARGEFILE	0100000

/* Can a guest ask to share memory, and does KVM count huge mappings? */
#define GMEM_HAS_OFFERS		true
#define GMEM_COUNTS_HUGE	true

/* Types of VMs */
#define GMEM_VM_DEFAULT		KVM_X86_DEFAULT_VM
#define GMEM_VM_PROTECTED	KVM_X86_SW_PROTECTED_VM

/* Ports of guest calls */
enum gmem_guest_call {
	GMEM_GUEST_SYNC = 0x6d0,	/* value, two arguments */
	GMEM_GUEST_DONE,
	GMEM_GUEST_FAIL,		/* line, seen, expected */
	GMEM_GUEST_STRING,		/* port for string instructions */
};

/* Guest side.  The host can change the three registers before it resumes. */
static inline void __gmem_guest_call(enum gmem_guest_call nr, u64 *a,
				     u64 *b, u64 *c)
{
	asm volatile("outl %%eax, %%dx"
		     : "+D" (*a), "+S" (*b), "+b" (*c)
		     : "d" (nr), "a" (0)
		     : "memory");
}

/* What a VM has besides memory, before its vCPUs */
static inline void gmem_arch_setup(struct kvm_vm *vm)
{
	vm_create_irqchip(vm);
}

u64 gmem_hypercall(u64 nr, u64 a0, u64 a1, u64 a2);

#define GMEM_MAP_ENCRYPTED	BIT_ULL(4)
#define GMEM_MAP_DECRYPTED	0ULL
#define GMEM_MAP_OFFER		BIT_ULL(31)	/* decrypted, with contents */

/* Ask for a conversion.  0, or minus a KVM_E* value. */
static inline s64 gmem_map_gpa_range(u64 gpa, u64 pages, u64 attrs)
{
	return gmem_hypercall(KVM_HC_MAP_GPA_RANGE, gpa, pages, attrs);
}

static inline void gmem_enable_map_gpa_range(struct kvm_vm *vm)
{
	vm_enable_cap(vm, KVM_CAP_EXIT_HYPERCALL, BIT(KVM_HC_MAP_GPA_RANGE));
}

#endif /* SELFTEST_KVM_X86_GMEM_ARCH_H */
