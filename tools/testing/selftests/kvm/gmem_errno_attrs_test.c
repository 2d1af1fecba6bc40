// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: every error of KVM_CREATE_GUEST_MEMFD,
 * KVM_SET_MEMORY_ATTRIBUTES, KVM_SET_MEMORY_ATTRIBUTES2 and of the file, each
 * bit of each argument, the order of checks, ioctls on the wrong descriptor.
 */
#define _GNU_SOURCE
#include <linux/falloc.h>
#include <sys/resource.h>

#include "gmem_errno.h"
#include "gmem_world.h"

#define FILE_PAGES	16

static bool all_zero_or(u64 value, u64 good)
{
	return !(value & ~good);
}

/* Numbers that mainline has given to other things are not ours to take. */
GMEM_ERRNO_TEST(caps_of_nobody)
{
	static const struct { int first, last; } caps[] = {
		{ 237, 243 }, { 245, 300 }, { 0x474d0001, 0x474d0001 },
		{ 0x474d0004, 0x474d0040 },
	};
	const struct gmem_type *t;
	unsigned int i;
	int cap;

	for_each_vm_type(t) {
		int vm = gmem_vm_open(t->type);

		for (i = 0; i < ARRAY_SIZE(caps); i++) {
			for (cap = caps[i].first; cap <= caps[i].last; cap++)
				gmem_row_true(!gmem_check_cap(vm, cap), "%s, capability %d",
					      t->name, cap);
		}
	}
}

/* None of mainline's is to be enabled. */
GMEM_ERRNO_TEST(caps_cannot_be_enabled)
{
	static const u32 caps[] = {
		KVM_CAP_USER_MEMORY2, KVM_CAP_MEMORY_FAULT_INFO,
		KVM_CAP_MEMORY_ATTRIBUTES, KVM_CAP_GUEST_MEMFD, KVM_CAP_VM_TYPES,
		KVM_CAP_PRE_FAULT_MEMORY, KVM_CAP_GUEST_MEMFD_FLAGS,
		KVM_CAP_GMEM_MEMORY_ATTRIBUTES2,
	};
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		struct kvm_enable_cap cap = { .cap = caps[i] };

		gmem_row(ioctl(vm, KVM_ENABLE_CAP, &cap), EINVAL, "capability %u", caps[i]);
	}
}

static int create(int vm, u64 size, u64 flags)
{
	int fd = __gmem_create(vm, size, flags);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

GMEM_ERRNO_TEST(create_each_bit)
{
	const struct gmem_type *t;
	u64 base;
	int bit;

	for_each_vm_type(t) {
		int vm = gmem_vm_open(t->type);

		for (bit = 0; bit < 64; bit++) {
			u64 b = BIT_ULL(bit);

			for (base = 0; base < 4; base++)
				gmem_row(create(vm, PG, base | b), bit < 2 ? 0 : EINVAL,
					 "%s, flags %lu and bit %d", t->name, base, bit);
			gmem_row(create(vm, b, 0), bit < 12 || bit == 63 ? EINVAL : 0,
				 "%s, size 2^%d", t->name, bit);
			gmem_row(create(vm, PG | b, GMEM_INPLACE),
				 bit < 12 || bit == 63 ? EINVAL : 0,
				 "%s, size of a page and 2^%d", t->name, bit);
		}
		gmem_row(create(vm, 0, 0), EINVAL, "%s, size 0", t->name);
		gmem_row(create(vm, INT64_MAX, 0), EINVAL, "%s, size 2^63 - 1", t->name);
		gmem_row(create(vm, BIT_ULL(63) - PG, 0), 0, "%s, largest size", t->name);
		gmem_row(create(vm, -PG, 0), EINVAL, "%s, negative size", t->name);
	}
}

GMEM_ERRNO_TEST(create_reserved_each_word)
{
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM), i, fd;

	for (i = 0; i < 6; i++) {
		struct kvm_create_guest_memfd args = { .size = PG };

		args.reserved[i] = -1;
		fd = ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args);
		gmem_row(fd < 0 ? -1 : 0, 0, "reserved word %d", i);
		close(fd);
	}
}

GMEM_ERRNO_TEST(create_order)
{
	struct kvm_create_guest_memfd bad = { .size = 1, .flags = -1 };
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	struct rlimit none = {};

	gmem_row(gmem_foreign_ioctl(vm, KVM_CREATE_GUEST_MEMFD, GMEM_BAD_PTR), EIO,
		 "another process, bad pointer");
	gmem_rows_truncated(vm, KVM_CREATE_GUEST_MEMFD, &bad, sizeof(bad));

	TEST_ASSERT(!setrlimit(RLIMIT_NOFILE, &none), "setrlimit()");
	gmem_row(ioctl(vm, KVM_CREATE_GUEST_MEMFD, GMEM_BAD_PTR), EFAULT,
		 "no descriptor, bad pointer");
	gmem_row(create(vm, PG, 4), EINVAL, "no descriptor, bad flag");
	gmem_row(create(vm, 1, 0), EINVAL, "no descriptor, bad size");
	gmem_row(create(vm, PG, 0), EMFILE, "no descriptor");
}

/* On an ordinary VM all values of an attribute but zero are unknown. */
GMEM_ERRNO_TEST(attributes_each_bit)
{
	const struct gmem_type *t;
	int bit;

	for_each_vm_type(t) {
		int vm = gmem_vm_open(t->type);
		u64 valid = t->type ? GMEM_PRIVATE : 0;

		for (bit = 0; bit < 64; bit++) {
			u64 b = BIT_ULL(bit);
			struct kvm_memory_attributes args = { .size = PG, .flags = b };

			gmem_row(ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &args), EINVAL,
				 "%s, flag %d", t->name, bit);
			gmem_row(__gmem_set_attrs(vm, 0, PG, b),
				 all_zero_or(b, valid) ? 0 : EINVAL,
				 "%s, attribute %d", t->name, bit);
			gmem_row(__gmem_set_attrs(vm, 0, PG, b | GMEM_PRIVATE),
				 all_zero_or(b | GMEM_PRIVATE, valid) ? 0 : EINVAL,
				 "%s, private and attribute %d", t->name, bit);
			gmem_row(__gmem_set_attrs(vm, b, PG, valid), bit < 12 ? EINVAL : 0,
				 "%s, address 2^%d", t->name, bit);
			gmem_row(__gmem_set_attrs(vm, 0, b, valid), bit < 12 ? EINVAL : 0,
				 "%s, size 2^%d", t->name, bit);
			gmem_row(__gmem_set_attrs(vm, 0, PG | b, 0), bit < 12 ? EINVAL : 0,
				 "%s, size of a page and 2^%d", t->name, bit);
		}
	}
}

static const struct range {
	const char *name;
	u64 start, size;
	bool good;
} ranges[] = {
	{ "empty", 0, 0 }, { "empty, at the end", -PG, 0 },
	{ "all but one", 0, -PG, true }, { "all but the first and last", PG, -2 * PG, true },
	{ "to the end", PG, -PG }, { "last page", -PG, PG },
	{ "last page but one", -2 * PG, PG, true }, { "last two pages", -2 * PG, 2 * PG },
	{ "wraps by a page", -PG, 2 * PG }, { "wraps by all", PG, -1 & ~(PG - 1) },
	{ "upper half", BIT_ULL(63), BIT_ULL(63) },
	{ "upper half but one", BIT_ULL(63), BIT_ULL(63) - PG, true },
	{ "second quarter", BIT_ULL(62), BIT_ULL(62), true },
	{ "beyond the processor's", BIT_ULL(52), PG, true },
	{ "not a page", 0, 1 }, { "a byte less", 0, PG - 1 }, { "a byte more", 0, PG + 1 },
	{ "off by one", 1, PG }, { "off by one, to a page", 1, PG - 1 },
	{ "half a page off", PG / 2, PG }, { "two halves", PG / 2, PG / 2 },
};

GMEM_ERRNO_TEST(attributes_ranges)
{
	const struct gmem_type *t;
	unsigned int i;

	for_each_vm_type(t) {
		int vm = gmem_vm_open(t->type);
		u64 attrs = 0;

		for (i = 0; i < ARRAY_SIZE(ranges); i++) {
			const struct range *r = &ranges[i];

			gmem_row(__gmem_set_attrs(vm, r->start, r->size, attrs),
				 r->good ? 0 : EINVAL, "%s, %s", t->name, r->name);
			if (t->type)
				attrs ^= GMEM_PRIVATE;
		}
	}
}

GMEM_ERRNO_TEST(attributes_order)
{
	struct kvm_memory_attributes bad = { .size = 1, .flags = 1, .attributes = 1 };
	struct world w = make_world(GMEM_SLOT_INPLACE);
	int vm = w.vm->fd, fds[2];

	gmem_row(gmem_foreign_ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, GMEM_BAD_PTR), EIO,
		 "another process, bad pointer");
	gmem_row(gmem_foreign_ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &bad), EIO,
		 "another process, bad argument");
	gmem_rows_truncated(vm, KVM_SET_MEMORY_ATTRIBUTES, &bad, sizeof(bad));

	memset(host(&w, 0), 0x11, PAGES * PG);
	pin(host(&w, 5), fds);
	bad = (struct kvm_memory_attributes){
		.address = gpa(5), .size = PG, .attributes = GMEM_PRIVATE, .flags = 1,
	};
	gmem_row(ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &bad), EINVAL, "flag, referenced");
	gmem_row(__gmem_set_attrs(vm, gpa(5), PG, GMEM_PRIVATE | 1), EINVAL,
		 "attribute, referenced");
	gmem_row(__gmem_set_attrs(vm, gpa(5), PG + 1, GMEM_PRIVATE), EINVAL,
		 "size, referenced");
	gmem_row(convert(&w, 5, 1, GMEM_PRIVATE), EAGAIN, "referenced");
	gmem_row(convert(&w, 5, 1, GMEM_SHARED), 0, "referenced, shared as it is");
	unpin(fds, 0x11);
}

/* A call for one file too many; one that changes nothing does not count. */
GMEM_ERRNO_TEST(attributes_of_many_files)
{
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	u64 files = 257, i;

	for (i = 0; i < files; i++) {
		int fd = gmem_create(vm, PG, GMEM_INPLACE);

		gmem_set_region2(vm, i, KVM_MEM_GUEST_MEMFD, i * PG, PG, NULL, fd, 0);
	}
	gmem_row(__gmem_set_attrs(vm, 0, files * PG, GMEM_SHARED), 0, "257 files, no change");
	gmem_row(__gmem_set_attrs(vm, 0, files * PG, GMEM_PRIVATE), E2BIG, "257 files");
	gmem_row(__gmem_set_attrs(vm, 0, files * PG, GMEM_PRIVATE | 1), EINVAL,
		 "257 files, bad attribute");
	gmem_row(__gmem_set_attrs(vm, 0, 256 * PG, GMEM_PRIVATE), 0, "256 files");
	gmem_row(__gmem_set_attrs(vm, PG, 256 * PG, GMEM_PRIVATE), 0, "the last ones");
	gmem_row(__gmem_set_attrs(vm, 0, files * PG, GMEM_PRIVATE), 0, "no change");
}

/* INIT_SHARED on both types of VM, and which files have a state to change */
GMEM_ERRNO_TEST(attributes2_kinds_of_files)
{
	const struct gmem_type *t;
	u64 flags, attrs;

	for_each_vm_type(t) {
		int vm = gmem_vm_open(t->type);

		for (flags = 0; flags < 4; flags++) {
			int fd = gmem_create(vm, FILE_PAGES * PG, flags);
			bool mapped = flags & GUEST_MEMFD_FLAG_MMAP;
			u8 v;

			gmem_row(mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 0) ==
				 MAP_FAILED ? -1 : 0, mapped ? 0 : ENODEV,
				 "%s, file %lu, mmap", t->name, flags);
			if (mapped) {
				errno = EFAULT;
				gmem_row(gmem_host_read(gmem_mmap(fd, PG, 0), &v) ? 0 : -1,
					 flags == GMEM_INPLACE ? 0 : EFAULT,
					 "%s, file %lu, touch", t->name, flags);
			}
			for (attrs = 0; attrs <= GMEM_PRIVATE; attrs += GMEM_PRIVATE)
				gmem_row(__gmem_set_attrs2(fd, 0, PG, attrs, NULL),
					 mapped && t->type ? 0 : EINVAL,
					 "%s, file %lu, attribute %lu", t->name, flags, attrs);
		}
	}
}

GMEM_ERRNO_TEST(attributes2_each_bit)
{
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM), bit, i;
	/* Its size is no power of two: the largest there is */
	int fd = gmem_create(vm, BIT_ULL(63) - PG, GMEM_INPLACE);

	for (bit = 0; bit < 64; bit++) {
		u64 b = BIT_ULL(bit);
		struct kvm_memory_attributes2 args = { .size = PG, .flags = b };
		int err = bit < 12 || bit == 63 ? EINVAL : 0;

		gmem_row(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, &args), EINVAL, "flag %d", bit);
		args.flags = 0;
		for (i = 0; i < 11; i++) {
			args.reserved[i] = b;
			gmem_row(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, &args), EINVAL,
				 "reserved word %d, bit %d", i, bit);
			args.reserved[i] = 0;
		}
		args.error_offset = b;
		gmem_row(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, &args), 0,
			 "error_offset bit %d", bit);
		gmem_row_true(args.error_offset == b, "error_offset %d kept", bit);
		gmem_row(__gmem_set_attrs2(fd, 0, PG, b, NULL), b == GMEM_PRIVATE ? 0 : EINVAL,
			 "attribute %d", bit);
		gmem_row(__gmem_set_attrs2(fd, 0, PG, b | GMEM_PRIVATE, NULL),
			 b == GMEM_PRIVATE ? 0 : EINVAL, "private and attribute %d", bit);
		gmem_row(__gmem_set_attrs2(fd, b, PG, GMEM_SHARED, NULL), err,
			 "offset 2^%d", bit);
		gmem_row(__gmem_set_attrs2(fd, 0, b, GMEM_SHARED, NULL), err, "size 2^%d", bit);
	}
}

GMEM_ERRNO_TEST(attributes2_ranges)
{
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	int fd = gmem_create(vm, FILE_PAGES * PG, GMEM_INPLACE);
	const struct { u64 page, pages; int err; } within[] = {
		{ 0, 16 }, { 15, 1 }, { 0, 1 }, { 16, 1, EINVAL }, { 15, 2, EINVAL },
		{ 0, 17, EINVAL }, { 17, 1, EINVAL }, { 16, 0, EINVAL },
		{ BIT_ULL(51), 1, EINVAL }, { 0, BIT_ULL(51), EINVAL },
	};
	unsigned int i;

	/* Whatever does not wrap ends beyond the file. */
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		gmem_row(__gmem_set_attrs2(fd, ranges[i].start, ranges[i].size, 0, NULL),
			 EINVAL, "%s", ranges[i].name);
	for (i = 0; i < ARRAY_SIZE(within); i++)
		gmem_row(__gmem_set_attrs2(fd, within[i].page * PG, within[i].pages * PG,
					   GMEM_PRIVATE, NULL), within[i].err,
			 "pages %lu + %lu", within[i].page, within[i].pages);
}

GMEM_ERRNO_TEST(attributes2_order)
{
	struct kvm_memory_attributes2 args = {
		.size = PG, .attributes = GMEM_PRIVATE, .flags = 1, .error_offset = 77,
	};
	struct world w = make_world(GMEM_SLOT_INPLACE);
	int fd = w.slot.fd, fds[2];
	u64 where = 77;

	gmem_row(gmem_foreign_ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, GMEM_BAD_PTR), EIO,
		 "another process, bad pointer");
	gmem_row(gmem_foreign_ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES, GMEM_BAD_PTR), ENOTTY,
		 "another process, another ioctl");
	gmem_rows_truncated(fd, KVM_SET_MEMORY_ATTRIBUTES2, &args, sizeof(args));

	memset(host(&w, 0), 0x11, PAGES * PG);
	pin(host(&w, 0), fds);
	gmem_row(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, &args), EINVAL, "flag, referenced");
	gmem_row_true(args.error_offset == 77, "error_offset after EINVAL");
	gmem_row(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2,
		       gmem_write_protect(&args, sizeof(args))), EFAULT,
		 "flag, argument read-only");
	gmem_row(__gmem_set_attrs2(fd, 0, PG + 1, GMEM_PRIVATE, &where), EINVAL,
		 "size, referenced");
	gmem_row(__gmem_set_attrs2(fd, 0, PG, GMEM_PRIVATE | 1, &where), EINVAL,
		 "attribute, referenced");
	gmem_row_true(where == 77, "error_offset after EINVAL");
	args.flags = 0;
	gmem_row(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2,
		       gmem_write_protect(&args, sizeof(args))), EFAULT,
		 "referenced, argument read-only");
	gmem_row(__gmem_set_attrs2(fd, 0, PG, GMEM_PRIVATE, &where), EAGAIN, "referenced");
	gmem_row_true(where == 0, "error_offset after EAGAIN");
	unpin(fds, 0x11);
	/* Success writes nothing. */
	gmem_row(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2,
		       gmem_write_protect(&args, sizeof(args))), 0,
		 "argument read-only");
}

/* Each ioctl on each kind of descriptor that it is not for */
GMEM_ERRNO_TEST(ioctls_on_wrong_descriptors)
{
	static const struct { const char *name; unsigned long nr; char for_fd; } calls[] = {
		{ "REGION", KVM_SET_USER_MEMORY_REGION, 'V' },
		{ "REGION2", KVM_SET_USER_MEMORY_REGION2, 'V' },
		{ "ATTRIBUTES", KVM_SET_MEMORY_ATTRIBUTES, 'V' },
		{ "CREATE_GUEST_MEMFD", KVM_CREATE_GUEST_MEMFD, 'V' },
		{ "ATTRIBUTES2", KVM_SET_MEMORY_ATTRIBUTES2, 'F' },
		{ "PRE_FAULT_MEMORY", KVM_PRE_FAULT_MEMORY, 'C' },
		{ "ATTRIBUTES, no direction", _IO(KVMIO, 0xd2), 0 },
		{ "ATTRIBUTES, both directions",
		  _IOWR(KVMIO, 0xd2, struct kvm_memory_attributes), 0 },
		{ "number 0xd3", _IOW(KVMIO, 0xd3, struct kvm_memory_attributes), 0 },
		{ "number 0xd6", _IOWR(KVMIO, 0xd6, struct kvm_memory_attributes2), 0 },
		{ "number 0xd7", _IOWR(KVMIO, 0xd7, struct kvm_memory_attributes2), 0 },
	};
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM), pipes[2];
	const struct { const char *name; char kind; int fd, err; } fds[] = {
		{ "-1", 0, -1, EBADF }, { "closed", 0, gmem_closed_fd(), EBADF },
		{ "O_PATH", 0, open("/", O_PATH), EBADF },
		{ "/dev/null", 0, open("/dev/null", O_RDWR), ENOTTY },
		{ "memfd", 0, memfd_create("plain", 0), ENOTTY },
		{ "pipe", 0, pipe(pipes) ? -1 : pipes[0], ENOTTY },
		{ "/dev/kvm", 0, open_kvm_dev_path_or_exit(), EINVAL },
		{ "VM", 'V', vm, ENOTTY },
		{ "vCPU", 'C', ioctl(vm, KVM_CREATE_VCPU, 0), EINVAL },
		{ "file", 'F', gmem_create(vm, PG, GMEM_INPLACE), ENOTTY },
	};
	unsigned int i, j;
	u64 arg[20] = {};

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		for (j = 0; j < ARRAY_SIZE(fds); j++) {
			if (calls[i].for_fd && calls[i].for_fd == fds[j].kind)
				continue;
			gmem_row(ioctl(fds[j].fd, calls[i].nr, arg), fds[j].err, "%s on %s",
				 calls[i].name, fds[j].name);
		}
	}
}

/* All 256 modes: what the file refuses, and what the VFS does before it */
GMEM_ERRNO_TEST(fallocate_each_mode)
{
	const int keep = FALLOC_FL_KEEP_SIZE, punch = FALLOC_FL_PUNCH_HOLE;
	const int alone = FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE;
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	int fd = gmem_create(vm, FILE_PAGES * PG, GMEM_INPLACE), mode, bit;

	for (mode = 0; mode < 256; mode++) {
		bool holes = (mode & punch) && (mode & FALLOC_FL_ZERO_RANGE);
		bool mixed = ((mode & alone) && (mode & (mode - 1))) ||
			     ((mode & FALLOC_FL_UNSHARE_RANGE) &&
			      (mode & ~(FALLOC_FL_UNSHARE_RANGE | keep)));
		int err = EOPNOTSUPP;

		if (mode == keep || mode == (keep | punch))
			err = 0;
		else if (!(mode & (BIT(7) | FALLOC_FL_NO_HIDE_STALE)) && !holes &&
			 !((mode & punch) && !(mode & keep)) && mixed)
			err = EINVAL;
		gmem_row(fallocate(fd, mode, 0, PG), err, "mode %#x", mode);
		gmem_row(fallocate(fd, mode, 0, 0), EINVAL, "mode %#x, no length", mode);
		gmem_row(fallocate(fd, mode, -PG, PG), EINVAL, "mode %#x, offset < 0", mode);
	}
	for (bit = 8; bit < 32; bit++)
		gmem_row(fallocate(fd, keep | BIT(bit), 0, PG), EOPNOTSUPP, "mode bit %d", bit);
}

/* What has been allocated stays, so that the next call gets further. */
GMEM_ERRNO_TEST(fallocate_interrupted)
{
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	int fd = gmem_create(vm, 256ULL << 20, 0);
	timer_t timer = gmem_signal_often();

	gmem_row(__gmem_allocate(fd, 0, 256ULL << 20), EINTR, "256 MiB, signals");
	timer_delete(timer);
	gmem_row(__gmem_allocate(fd, 0, 256ULL << 20), 0, "without signals");
}

GMEM_HARNESS_MAIN
