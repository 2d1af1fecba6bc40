/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private guest memory: ioctl wrappers and memory slots of every kind.
 *
 * The region tree of the KVM selftest library knows slots of version 1 only.
 * The slots made here bypass it, except that gmem_vm_create_private() puts a
 * guest_memfd behind the library's slot 0 without the library noticing.
 *
 * A function whose name starts with two underscores returns what the system
 * call returned, its namesake without them asserts success.
 */
#ifndef SELFTEST_KVM_GMEM_UTIL_H
#define SELFTEST_KVM_GMEM_UTIL_H

#include <linux/kvm_para.h>
#include <sys/mman.h>

#include "gmem_arch.h"
#include "kvm_util.h"
#include "processor.h"

/* Advice that the C library of the building machine may not know */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_HWPOISON
#define MADV_HWPOISON		100
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

#define GMEM_PRIVATE		KVM_MEMORY_ATTRIBUTE_PRIVATE
#define GMEM_SHARED		0ULL

#define GMEM_INPLACE	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

#define GMEM_HUGE	(2ULL << 20)
#define GMEM_BASE	(4ULL << 30)	/* guest physical, above all devices */

/* What stands behind a data slot */
enum gmem_kind {
	GMEM_SLOT_PLAIN,	/* anonymous memory, no guest_memfd */
	GMEM_SLOT_TWO,		/* anonymous memory and a guest_memfd */
	GMEM_SLOT_INPLACE,	/* one guest_memfd, mapped, initially shared */
	GMEM_SLOT_MMAP,		/* one guest_memfd, mapped, initially private */
};

struct gmem_slot {
	enum gmem_kind kind;
	u32 id;
	int fd;			/* -1 for GMEM_SLOT_PLAIN */
	u64 gpa;		/* bytes; also the guest virtual address */
	u64 size;		/* bytes */
	u8 *hva;		/* 2 MiB aligned */
};

int gmem_vm_open(unsigned long type);
int gmem_check_cap(int fd, long cap);

int __gmem_create(int vm_fd, u64 size, u64 flags);
int gmem_create(int vm_fd, u64 size, u64 flags);

int __gmem_set_region2(int vm_fd, u32 slot, u32 flags, u64 gpa,
		       u64 size, const void *hva, int gmem_fd,
		       u64 offset);
void gmem_set_region2(int vm_fd, u32 slot, u32 flags, u64 gpa,
		      u64 size, const void *hva, int gmem_fd,
		      u64 offset);
int __gmem_set_region1(int vm_fd, u32 slot, u32 flags, u64 gpa,
		       u64 size, const void *hva);

int __gmem_set_attrs(int vm_fd, u64 gpa, u64 size, u64 attrs);
void gmem_set_attrs(int vm_fd, u64 gpa, u64 size, u64 attrs);
int __gmem_set_attrs2(int gmem_fd, u64 offset, u64 size,
		      u64 attrs, u64 *error_offset);
void gmem_set_attrs2(int gmem_fd, u64 offset, u64 size,
		     u64 attrs);

int __gmem_punch(int gmem_fd, u64 offset, u64 size);
void gmem_punch(int gmem_fd, u64 offset, u64 size);
int __gmem_allocate(int gmem_fd, u64 offset, u64 size);
void gmem_allocate(int gmem_fd, u64 offset, u64 size);

u8 *gmem_mmap(int gmem_fd, u64 size, u64 offset);
u8 *gmem_mmap_anon(u64 size);

void gmem_slot_init(struct gmem_slot *slot, int vm_fd, enum gmem_kind kind,
		    u32 id, u64 gpa, u64 size);
void gmem_slot_add(struct gmem_slot *slot, struct kvm_vm *vm,
		   enum gmem_kind kind, u32 id, u64 gpa,
		   u64 size);
void gmem_slot_delete(const struct gmem_slot *slot, int vm_fd);

/* Touch one byte of host memory.  True: no signal came. */
bool gmem_host_read(const void *addr, u8 *value);
bool gmem_host_write(void *addr, u8 value);
bool gmem_host_page_is(const void *addr, u8 value);

struct kvm_vm *gmem_vm_create_with(unsigned long type, int nr_vcpus,
				   void *guest_code, struct kvm_vcpu **vcpus,
				   void (*prepare)(struct kvm_vm *vm));
struct kvm_vm *gmem_vm_create(unsigned long type, int nr_vcpus,
			      void *guest_code, struct kvm_vcpu **vcpus);
struct kvm_vm *gmem_vm_create_inplace(int nr_vcpus, void *guest_code,
				      struct kvm_vcpu **vcpus, int *gmem_fd);
void gmem_vm_set_private(struct kvm_vm *vm, int slot, u64 attrs);

/* Value of one counter of the VM's binary statistics */
u64 gmem_vm_stat(struct kvm_vm *vm, const char *name);

#define ASSERT_ERRNO(expr, err) do {					\
	long __ret;							\
									\
	errno = 0;							\
	__ret = (long)(expr);						\
	TEST_ASSERT(__ret == -1 && errno == (err),			\
		    "%s: returned %ld, errno %d (%s), expected %s",	\
		    #expr, __ret, errno, strerror(errno), #err);	\
} while (0)

#define ASSERT_OK(expr) do {						\
	long __ret;							\
									\
	errno = 0;							\
	__ret = (long)(expr);						\
	TEST_ASSERT(__ret == 0, "%s: returned %ld, errno %d (%s)",	\
		    #expr, __ret, errno, strerror(errno));		\
} while (0)

#endif /* SELFTEST_KVM_GMEM_UTIL_H */
