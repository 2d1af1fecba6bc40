/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests in private memory: what is arm64's.
 */
#ifndef SELFTEST_KVM_ARM64_GMEM_ARCH_H
#define SELFTEST_KVM_ARM64_GMEM_ARCH_H

#include "kvm_util.h"

/* The kernel's O_LARGEFILE, which the C library hides */
#define GMEM_O_LARGEFILE	0400000

/* Can a guest ask to share memory, and does KVM count huge mappings? */
#define GMEM_HAS_OFFERS		false
#define GMEM_COUNTS_HUGE	false

/* Types of VMs */
#define GMEM_VM_DEFAULT		0UL
#define GMEM_VM_PROTECTED	KVM_VM_TYPE_ARM_SW_PROTECTED

/* Where no memory is, as guest calls are stores to a device */
#define GMEM_GUEST_DEVICE	(3ULL << 30)

/* Offsets of guest calls in the device */
enum gmem_guest_call {
	GMEM_GUEST_SYNC = 0,	/* value, two arguments */
	GMEM_GUEST_DONE = 8,
	GMEM_GUEST_FAIL = 16,	/* line, seen, expected */
};

/* Guest side.  The host can change the three registers before it resumes. */
static inline void __gmem_guest_call(enum gmem_guest_call nr, u64 *a,
				     u64 *b, u64 *c)
{
	register u64 x0 asm("x0") = *a;
	register u64 x1 asm("x1") = *b;
	register u64 x2 asm("x2") = *c;

	asm volatile("str xzr, [%[device]]"
		     : "+r" (x0), "+r" (x1), "+r" (x2)
		     : [device] "r" (GMEM_GUEST_DEVICE + nr)
		     : "memory");
	*a = x0;
	*b = x1;
	*c = x2;
}

/* What a VM has besides memory, before its vCPUs */
static inline void gmem_arch_setup(struct kvm_vm *vm)
{
	virt_map(vm, GMEM_GUEST_DEVICE, GMEM_GUEST_DEVICE, 1);
}

/* There are no hypercalls that ask for a conversion. */
static inline void gmem_enable_map_gpa_range(struct kvm_vm *vm)
{
}

#endif /* SELFTEST_KVM_ARM64_GMEM_ARCH_H */
