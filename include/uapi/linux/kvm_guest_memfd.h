/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_KVM_GUEST_MEMFD_H
#define _UAPI_LINUX_KVM_GUEST_MEMFD_H

/*
 * Private guest memory.  Included by <linux/kvm.h>; programs include it
 * themselves only beside headers of a kernel that lacks it.
 *
 * Everything up to "Extensions" has the name, number, size and layout that
 * mainline Linux uses.
 */

#include <linux/const.h>
#include <linux/ioctl.h>
#include <linux/types.h>

/* kvm_userspace_memory_region2::flags, next to KVM_MEM_READONLY */
#define KVM_MEM_GUEST_MEMFD	_BITUL(2)

#define KVM_CAP_USER_MEMORY2		231
#define KVM_CAP_MEMORY_FAULT_INFO	232
#define KVM_CAP_MEMORY_ATTRIBUTES	233
#define KVM_CAP_GUEST_MEMFD		234
#define KVM_CAP_VM_TYPES		235
#define KVM_CAP_PRE_FAULT_MEMORY	236
#define KVM_CAP_GUEST_MEMFD_FLAGS	244

/* kvm_run::memory_fault.flags: the faulting access was private */
#define KVM_MEMORY_EXIT_FLAG_PRIVATE	_BITULL(3)

/* Superset of struct kvm_userspace_memory_region, same leading layout. */
struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;		/* bytes */
	__u64 userspace_addr;
	__u64 guest_memfd_offset;	/* bytes, in the file */
	__u32 guest_memfd;		/* file descriptor */
	__u32 pad1;
	__u64 pad2[14];
};

struct kvm_memory_attributes {
	__u64 address;			/* guest physical */
	__u64 size;			/* bytes */
	__u64 attributes;		/* KVM_MEMORY_ATTRIBUTE_* */
	__u64 flags;			/* must be zero */
};

/* Bits 0 to 2 are reserved for read, write and execute. */
#define KVM_MEMORY_ATTRIBUTE_PRIVATE	_BITULL(3)

struct kvm_create_guest_memfd {
	__u64 size;			/* bytes */
	__u64 flags;			/* GUEST_MEMFD_FLAG_* */
	__u64 reserved[6];
};

#define GUEST_MEMFD_FLAG_MMAP		_BITULL(0)
#define GUEST_MEMFD_FLAG_INIT_SHARED	_BITULL(1)

struct kvm_pre_fault_memory {
	__u64 gpa;			/* in: first byte, out: first byte left */
	__u64 size;			/* in: bytes, out: bytes left */
	__u64 flags;			/* must be zero */
	__u64 padding[5];
};

#define KVM_SET_USER_MEMORY_REGION2 \
	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#define KVM_SET_MEMORY_ATTRIBUTES \
	_IOW(KVMIO, 0xd2, struct kvm_memory_attributes)
#define KVM_CREATE_GUEST_MEMFD \
	_IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
#define KVM_PRE_FAULT_MEMORY \
	_IOWR(KVMIO, 0xd5, struct kvm_pre_fault_memory)

/*
 * Extensions.
 *
 * KVM_SET_MEMORY_ATTRIBUTES2 has the number and layout of mainline's series
 * for in-place conversion.  It is an ioctl of the guest_memfd file.  The
 * capability that announces it has no settled number in mainline, hence one
 * outside the range that mainline hands out.
 */
struct kvm_memory_attributes2 {
	union {
		__u64 address;
		__u64 offset;		/* bytes, in the file */
	};
	__u64 size;			/* bytes */
	__u64 attributes;		/* KVM_MEMORY_ATTRIBUTE_* */
	__u64 flags;			/* must be zero */
	__u64 error_offset;		/* out, on error: bytes, in the file */
	__u64 reserved[11];		/* must be zero */
};

#define KVM_SET_MEMORY_ATTRIBUTES2 \
	_IOWR(KVMIO, 0xd2, struct kvm_memory_attributes2)

/* VM or system: attributes that KVM_SET_MEMORY_ATTRIBUTES2 accepts */
#define KVM_CAP_GMEM_MEMORY_ATTRIBUTES2	0x474d0000

/*
 * VM: KVM_ENABLE_CAP closes the VM to its VMM, for ever.  args[0] is zero, args[1]
 * the address of KVM_LAUNCH_DIGEST_SIZE bytes for the launch digest, or zero.
 */
#define KVM_CAP_GMEM_SEAL		0x474d0002
#define KVM_LAUNCH_DIGEST_SIZE		48

/*
 * VM, x86: the highest bit of guest physical addresses that can mean private, or 0.
 * KVM_ENABLE_CAP, before the VM has memslots or vCPUs, makes bit args[0] that.
 */
#define KVM_CAP_GMEM_PRIVATE_BIT	0x474d0003

/*
 * arm64: flag in the argument of KVM_CREATE_VM.  Mainline has protected VMs of EL2
 * there, but none that only software protects.
 */
#define KVM_VM_TYPE_ARM_SW_PROTECTED	(1ULL << 32)

#endif /* _UAPI_LINUX_KVM_GUEST_MEMFD_H */
