// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: creation of the file, what the file can and cannot do,
 * its attribute ioctl's errors, its life beyond the VM's.
 */
#define _GNU_SOURCE
#include <linux/falloc.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "gmem_harness.h"
#include "gmem_knob.h"
#include "gmem_util.h"

#define PG		4096ULL
#define BAD_PTR		((void *)8)
#define GMEM_MAGIC	0x474d454d

static const unsigned long types[] = {
	GMEM_VM_DEFAULT, GMEM_VM_PROTECTED
};

#define for_each_type(_type)						\
	for (unsigned int __i = 0; __i < ARRAY_SIZE(types) &&		\
	     ((_type) = types[__i], 1); __i++)

/* A file of @pages pages in a VM of its own */
static int open_file(unsigned long type, u64 pages, u64 flags)
{
	return gmem_create(gmem_vm_open(type), pages * PG, flags);
}

GMEM_TEST(create_arguments)
{
	unsigned long type;
	int bit;

	for_each_type(type) {
		int vm = gmem_vm_open(type);
		int valid = gmem_check_cap(vm, KVM_CAP_GUEST_MEMFD_FLAGS);

		ASSERT_ERRNO(ioctl(vm, KVM_CREATE_GUEST_MEMFD, BAD_PTR), EFAULT);
		for (bit = 0; bit < 64; bit++) {
			u64 flag = 1ULL << bit;

			if (bit < 31 && (valid & flag))
				close(gmem_create(vm, PG, flag));
			else
				ASSERT_ERRNO(__gmem_create(vm, PG, flag), EINVAL);
		}
		close(gmem_create(vm, PG, valid));
		ASSERT_ERRNO(__gmem_create(vm, 0, 0), EINVAL);
		ASSERT_ERRNO(__gmem_create(vm, PG + 1, 0), EINVAL);
		ASSERT_ERRNO(__gmem_create(vm, PG - 1, 0), EINVAL);
		ASSERT_ERRNO(__gmem_create(vm, 1ULL << 63, 0), EINVAL);
		ASSERT_ERRNO(__gmem_create(vm, -PG, 0), EINVAL);
	}
}

GMEM_TEST(create_ignores_reserved)
{
	struct kvm_create_guest_memfd args;
	int vm = gmem_vm_open(GMEM_VM_PROTECTED);

	memset(&args, 0xff, sizeof(args));
	args.size = PG;
	args.flags = 0;
	TEST_ASSERT(ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args) >= 0, "creation");
}

GMEM_TEST(create_huge_sizes)
{
	int vm = gmem_vm_open(GMEM_VM_PROTECTED);
	int shift;

	for (shift = 12; shift < 63; shift++) {
		u64 flags;

		for (flags = 0; flags < 4; flags++) {
			int fd = gmem_create(vm, 1ULL << shift, flags);
			struct stat st;

			TEST_ASSERT(!fstat(fd, &st), "fstat()");
			ASSERT_EQ((u64)st.st_size, 1ULL << shift);
			ASSERT_EQ(st.st_blocks, 0);
			close(fd);
		}
	}
}

GMEM_TEST(descriptor)
{
	int fd = open_file(GMEM_VM_PROTECTED, 4, 0);
	int fd2 = open_file(GMEM_VM_PROTECTED, 4, GMEM_INPLACE);
	struct stat st, st2;
	struct statfs sfs;
	char path[64];

	ASSERT_EQ(fcntl(fd, F_GETFD), 0);
	/* O_LARGEFILE as the kernel has it; the C library says 0. */
	ASSERT_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | GMEM_O_LARGEFILE), O_RDWR | GMEM_O_LARGEFILE);
	TEST_ASSERT(!fstat(fd, &st) && !fstat(fd2, &st2), "fstat()");
	ASSERT_EQ(st.st_mode, S_IFREG | 0600);
	ASSERT_EQ(st.st_size, 4 * PG);
	ASSERT_EQ(st.st_blksize, PG);
	TEST_ASSERT(st.st_ino != st2.st_ino, "inode numbers are equal");
	TEST_ASSERT(!fstatfs(fd, &sfs), "fstatfs()");
	ASSERT_EQ(sfs.f_type, GMEM_MAGIC);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd2);
	ASSERT_ERRNO(open(path, O_RDWR), ENXIO);
	ASSERT_ERRNO(open(path, O_RDONLY), ENXIO);
}

GMEM_TEST(no_read_write)
{
	u64 flags;
	char buf[8] = {};

	for (flags = 0; flags < 4; flags++) {
		int fd = open_file(GMEM_VM_PROTECTED, 4, flags);

		ASSERT_ERRNO(read(fd, buf, sizeof(buf)), EINVAL);
		ASSERT_ERRNO(write(fd, buf, sizeof(buf)), EINVAL);
		ASSERT_ERRNO(pread(fd, buf, sizeof(buf), 0), ESPIPE);
		ASSERT_ERRNO(pwrite(fd, buf, sizeof(buf), 0), ESPIPE);
		ASSERT_ERRNO(lseek(fd, 0, SEEK_SET), ESPIPE);
		ASSERT_ERRNO(lseek(fd, 0, SEEK_DATA), ESPIPE);
	}
}

GMEM_TEST(no_inode_changes)
{
	const struct timespec times[2] = {};
	u64 flags;

	for (flags = 0; flags < 4; flags++) {
		int fd = open_file(GMEM_VM_PROTECTED, 4, flags);
		struct stat st;

		ASSERT_ERRNO(ftruncate(fd, 0), EINVAL);
		ASSERT_ERRNO(ftruncate(fd, 4 * PG), EINVAL);
		ASSERT_ERRNO(ftruncate(fd, 8 * PG), EINVAL);
		ASSERT_ERRNO(fchmod(fd, 0666), EINVAL);
		ASSERT_ERRNO(fchown(fd, 1, 1), EINVAL);
		ASSERT_ERRNO(futimens(fd, times), EINVAL);
		TEST_ASSERT(!fstat(fd, &st), "fstat()");
		ASSERT_EQ(st.st_size, 4 * PG);
		ASSERT_EQ(st.st_mode, S_IFREG | 0600);
	}
}

GMEM_TEST(fallocate_arguments)
{
	const int keep = FALLOC_FL_KEEP_SIZE;
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	const off_t last = INT64_MAX & ~(PG - 1);
	u64 flags;

	for (flags = 0; flags < 4; flags++) {
		int fd = open_file(GMEM_VM_PROTECTED, 4, flags);

		ASSERT_ERRNO(fallocate(fd, 0, 0, PG), EOPNOTSUPP);
		ASSERT_ERRNO(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PG), EOPNOTSUPP);
		ASSERT_ERRNO(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PG), EOPNOTSUPP);
		ASSERT_ERRNO(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, PG), EOPNOTSUPP);
		ASSERT_ERRNO(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, PG), EOPNOTSUPP);
		ASSERT_ERRNO(fallocate(fd, FALLOC_FL_ZERO_RANGE | keep, 0, PG), EOPNOTSUPP);

		ASSERT_ERRNO(fallocate(fd, keep, 1, PG), EINVAL);
		ASSERT_ERRNO(fallocate(fd, keep, 0, PG - 1), EINVAL);
		ASSERT_ERRNO(fallocate(fd, keep, 0, 5 * PG), EINVAL);
		ASSERT_ERRNO(fallocate(fd, keep, 4 * PG, PG), EINVAL);
		ASSERT_ERRNO(fallocate(fd, keep, -PG, PG), EINVAL);
		ASSERT_ERRNO(fallocate(fd, keep, 0, 0), EINVAL);
		ASSERT_ERRNO(fallocate(fd, keep, last, PG), EFBIG);
		ASSERT_OK(fallocate(fd, keep, 0, 4 * PG));
		ASSERT_OK(fallocate(fd, keep, PG, PG));

		ASSERT_ERRNO(fallocate(fd, punch, 1, PG), EINVAL);
		ASSERT_ERRNO(fallocate(fd, punch, 0, PG + 1), EINVAL);
		ASSERT_ERRNO(fallocate(fd, punch, 0, 0), EINVAL);
		ASSERT_ERRNO(fallocate(fd, punch, last, PG), EFBIG);
		ASSERT_OK(fallocate(fd, punch, PG, PG));
		ASSERT_OK(fallocate(fd, punch, 4 * PG, PG));
		ASSERT_OK(fallocate(fd, punch, 64 * PG, PG));
		ASSERT_OK(fallocate(fd, punch, 0, 64 * PG));
		ASSERT_OK(fallocate(fd, punch, 0, 4 * PG));
	}
}

GMEM_TEST(mmap_rules)
{
	int plain = open_file(GMEM_VM_PROTECTED, 4, 0);
	int init = open_file(GMEM_VM_PROTECTED, 4, GUEST_MEMFD_FLAG_INIT_SHARED);
	int fd = open_file(GMEM_VM_PROTECTED, 4, GMEM_INPLACE);
	const int rw = PROT_READ | PROT_WRITE;

	ASSERT_ERRNO(mmap(NULL, PG, rw, MAP_SHARED, plain, 0), ENODEV);
	ASSERT_ERRNO(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, plain, 0), ENODEV);
	ASSERT_ERRNO(mmap(NULL, PG, rw, MAP_SHARED, init, 0), ENODEV);
	ASSERT_ERRNO(mmap(NULL, PG, rw, MAP_PRIVATE, fd, 0), EINVAL);
	ASSERT_ERRNO(mmap(NULL, PG, PROT_READ, MAP_PRIVATE, fd, 0), EINVAL);
	ASSERT_ERRNO(mmap(NULL, PG, rw | PROT_EXEC, MAP_SHARED, fd, 0), EPERM);
}

GMEM_TEST(mmap_access)
{
	unsigned long type;

	for_each_type(type) {
		int fd = open_file(type, 4, GMEM_INPLACE);
		u8 *a = gmem_mmap(fd, 8 * PG, 0), *b = gmem_mmap(fd, 4 * PG, 0);
		u8 v;

		TEST_ASSERT(gmem_host_page_is(a, 0), "a new page is not zero");
		a[3 * PG] = 7;
		ASSERT_EQ(b[3 * PG], 7);
		TEST_ASSERT(!gmem_host_read(a + 4 * PG, &v), "read past the end");
		TEST_ASSERT(!gmem_host_write(a + 7 * PG, 1), "write past the end");

		memset(a, 0x5a, 4 * PG);
		gmem_punch(fd, PG, 2 * PG);
		ASSERT_EQ(a[0], 0x5a);
		TEST_ASSERT(gmem_host_page_is(a + PG, 0), "a hole is not zero");
		TEST_ASSERT(gmem_host_page_is(b + 2 * PG, 0), "a hole is not zero");
		ASSERT_EQ(b[3 * PG], 0x5a);
	}
}

GMEM_TEST(mmap_of_initially_private)
{
	int fd = open_file(GMEM_VM_PROTECTED, 4, GUEST_MEMFD_FLAG_MMAP);
	u8 *mem = gmem_mmap(fd, 4 * PG, 0);
	u8 v;

	TEST_ASSERT(!gmem_host_read(mem, &v), "read of a private page");
	TEST_ASSERT(!gmem_host_write(mem + PG, 1), "write of a private page");
	gmem_allocate(fd, 0, 4 * PG);
	TEST_ASSERT(!gmem_host_read(mem, &v), "read of a private page");
}

GMEM_TEST(mmap_advice)
{
	int fd = open_file(GMEM_VM_DEFAULT, 1024, GMEM_INPLACE);
	u8 *mem = gmem_mmap(fd, 1024 * PG, 0);

	mem[0] = 1;
	ASSERT_OK(madvise(mem, 1024 * PG, MADV_DONTNEED));
	ASSERT_EQ(mem[0], 1);
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		gmem_skip("kernel without transparent huge pages");
	ASSERT_OK(madvise(mem, 1024 * PG, MADV_HUGEPAGE));
	memset(mem, 2, 1024 * PG);
	ASSERT_ERRNO(madvise(mem, GMEM_HUGE, MADV_COLLAPSE), EINVAL);
}

GMEM_TEST(mmap_memory_policy)
{
	int fd = open_file(GMEM_VM_DEFAULT, 8, GMEM_INPLACE);
	u8 *mem = gmem_mmap(fd, 8 * PG, 0);
	unsigned long node0 = 1, mask = 0;
	int policy = -1;

	if (access("/sys/devices/system/node/node0", F_OK))
		gmem_skip("kernel without NUMA");
	ASSERT_OK(syscall(SYS_mbind, mem, 4 * PG, MPOL_BIND, &node0, 64, 0));
	ASSERT_OK(syscall(SYS_mbind, mem + 4 * PG, 2 * PG, MPOL_INTERLEAVE, &node0, 64, 0));
	ASSERT_ERRNO(syscall(SYS_mbind, mem, PG, 99, &node0, 64, 0), EINVAL);
	ASSERT_OK(syscall(SYS_get_mempolicy, &policy, &mask, 64, mem + PG, MPOL_F_ADDR));
	ASSERT_EQ(policy, MPOL_BIND);
	ASSERT_EQ(mask, 1);
	/* The policy belongs to the file: another mapping sees it. */
	ASSERT_OK(syscall(SYS_get_mempolicy, &policy, &mask, 64,
			  gmem_mmap(fd, 8 * PG, 0) + 5 * PG, MPOL_F_ADDR));
	ASSERT_EQ(policy, MPOL_INTERLEAVE);
	mem[0] = 1;
	ASSERT_OK(syscall(SYS_get_mempolicy, &policy, NULL, 0, mem,
			  MPOL_F_ADDR | MPOL_F_NODE));
	ASSERT_EQ(policy, 0);
	ASSERT_OK(syscall(SYS_mbind, mem, 8 * PG, MPOL_DEFAULT, NULL, 0, 0));
}

GMEM_TEST(mmap_userfaultfd)
{
	int fd = open_file(GMEM_VM_DEFAULT, 8, GMEM_INPLACE);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range.len = 8 * PG };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	u64 mode;

	if (uffd < 0)
		gmem_skip("no userfaultfd: %s", strerror(errno));
	ASSERT_OK(ioctl(uffd, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)gmem_mmap(fd, 8 * PG, 0);
	for (mode = 1; mode < 8; mode++) {
		reg.mode = mode;
		TEST_ASSERT(ioctl(uffd, UFFDIO_REGISTER, &reg) == -1,
			    "userfaultfd accepts the mapping, mode %lu", mode);
	}
}

GMEM_TEST(attrs2_arguments)
{
	int fd = open_file(GMEM_VM_PROTECTED, 4, GMEM_INPLACE);
	struct kvm_memory_attributes2 args = { .size = PG };
	int i;

	ASSERT_ERRNO(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, BAD_PTR), EFAULT);
	for (i = 0; i < 64; i++) {
		args.flags = 1ULL << i;
		ASSERT_ERRNO(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, &args), EINVAL);
		if (1ULL << i != GMEM_PRIVATE)
			ASSERT_ERRNO(__gmem_set_attrs2(fd, 0, PG, 1ULL << i, NULL), EINVAL);
	}
	args.flags = 0;
	for (i = 0; i < 11; i++) {
		args.reserved[i] = 1;
		ASSERT_ERRNO(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, &args), EINVAL);
		args.reserved[i] = 0;
	}
	ASSERT_ERRNO(__gmem_set_attrs2(fd, 0, 0, GMEM_PRIVATE, NULL), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs2(fd, 1, PG, GMEM_PRIVATE, NULL), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs2(fd, 0, PG + 1, GMEM_PRIVATE, NULL), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs2(fd, 0, 5 * PG, GMEM_PRIVATE, NULL), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs2(fd, 4 * PG, PG, GMEM_PRIVATE, NULL), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs2(fd, PG, -PG, GMEM_PRIVATE, NULL), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs2(fd, -PG, 2 * PG, GMEM_PRIVATE, NULL), EINVAL);
	ASSERT_OK(__gmem_set_attrs2(fd, 0, 4 * PG, GMEM_PRIVATE, NULL));
	ASSERT_OK(__gmem_set_attrs2(fd, 0, 4 * PG, GMEM_SHARED, NULL));
}

GMEM_TEST(attrs2_needs_a_protected_vm)
{
	int fd = open_file(GMEM_VM_DEFAULT, 4, GMEM_INPLACE);

	ASSERT_ERRNO(__gmem_set_attrs2(fd, 0, PG, GMEM_PRIVATE, NULL), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs2(fd, 0, PG, GMEM_SHARED, NULL), EINVAL);
}

GMEM_TEST(other_ioctls)
{
	int fd = open_file(GMEM_VM_PROTECTED, 4, GMEM_INPLACE);
	struct kvm_memory_attributes args = { .size = PG };

	ASSERT_ERRNO(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES, &args), ENOTTY);
	ASSERT_ERRNO(ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD), ENOTTY);
}

GMEM_TEST(file_outlives_vm)
{
	unsigned long type;

	for_each_type(type) {
		int vm = gmem_vm_open(type);
		int fd = gmem_create(vm, 4 * PG, GMEM_INPLACE);
		u8 *mem = gmem_mmap(fd, 4 * PG, 0);

		gmem_set_region2(vm, 0, KVM_MEM_GUEST_MEMFD, 0, 4 * PG, mem, fd, 0);
		mem[PG] = 9;
		close(vm);

		ASSERT_EQ(mem[PG], 9);
		gmem_allocate(fd, 0, 4 * PG);
		gmem_punch(fd, PG, PG);
		ASSERT_EQ(mem[PG], 0);
		mem[2 * PG] = 3;
		ASSERT_EQ(gmem_mmap(fd, 4 * PG, 0)[2 * PG], 3);
		close(fd);
		/* The mapping keeps the file. */
		ASSERT_EQ(mem[2 * PG], 3);
		ASSERT_OK(munmap(mem, 4 * PG));
	}
}

GMEM_TEST(file_closed_before_its_slots)
{
	unsigned long type;
	u64 flags;

	for_each_type(type) {
		for (flags = 0; flags < 4; flags++) {
			int vm = gmem_vm_open(type);
			int fd = gmem_create(vm, 4 * PG, flags);

			gmem_set_region2(vm, 0, KVM_MEM_GUEST_MEMFD, 0, PG, NULL, fd, 0);
			gmem_set_region2(vm, 1, KVM_MEM_GUEST_MEMFD, PG, PG, NULL, fd, PG);
			gmem_allocate(fd, 0, 4 * PG);
			close(fd);
			ASSERT_OK(__gmem_set_region1(vm, 0, 0, 0, 0, NULL));
			fd = gmem_create(vm, 4 * PG, flags);
			gmem_set_region2(vm, 0, KVM_MEM_GUEST_MEMFD, 0, PG, NULL, fd, 0);
			close(vm);
			close(fd);
		}
	}
}

GMEM_TEST(descriptor_limit)
{
	struct kvm_create_guest_memfd args = { .size = PG };
	int vm = gmem_vm_open(GMEM_VM_PROTECTED);

	while (dup(vm) >= 0)
		;
	ASSERT_ERRNO(ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args), EMFILE);
}

#define FILE_MAX	"/proc/sys/fs/file-max"

GMEM_TEST(too_many_files_in_the_system)
{
	int vm = gmem_vm_open(GMEM_VM_PROTECTED), fd = -1, err = 0;
	bool limited, lowered, restored;
	char limit[32];

	gmem_read_knob(FILE_MAX, limit, sizeof(limit));
	limited = gmem_write_knob(FILE_MAX, "0");
	/* The limit does not bind those who may do everything. */
	lowered = !seteuid(65534);
	if (lowered) {
		fd = __gmem_create(vm, PG, 0);
		err = errno;
	}
	restored = !seteuid(0) && gmem_write_knob(FILE_MAX, limit);
	TEST_ASSERT(limited && lowered && restored, "no limit: %d %d %d", limited, lowered,
		    restored);
	TEST_ASSERT(fd < 0 && err == ENFILE, "descriptor %d, %s", fd, strerror(err));
	TEST_ASSERT(__gmem_create(vm, PG, 0) >= 0, "%s", strerror(errno));
}

GMEM_HARNESS_MAIN
