// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: the ioctls of a 32-bit process.
 *
 * A 32-bit program that stands alone, because the library is 64-bit.  The
 * structures have no pointers and the same layout in both, so that each call
 * must do and answer the same.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/kvm.h>

#define BIT_ULL(n)	(1ULL << (n))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PG		4096ULL
#define FILE_PAGES	16
#define BAD_PTR		((void *)8)
#define INPLACE		(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define PRIVATE		KVM_MEMORY_ATTRIBUTE_PRIVATE
#define HIGH		BIT_ULL(32)	/* what a cut to 32 bits would lose */

static unsigned int rows, bad_rows;

static void row(long ret, int err, const char *fmt, ...)
{
	int seen = ret < 0 ? errno : 0;
	va_list ap;

	rows++;
	if (ret >= -1 && seen == err)
		return;
	bad_rows++;
	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(": returned %ld, errno %d, expected %d\n", ret, seen, err);
}

static void row_true(int good, const char *what)
{
	rows++;
	if (good)
		return;
	bad_rows++;
	printf("# %s: wrong\n", what);
}

static int must(int ret, const char *what)
{
	if (ret < 0) {
		printf("# %s: %s\n", what, strerror(errno));
		printf("Bail out!\n");
		exit(1);
	}
	return ret;
}

static int open_vm(unsigned long type)
{
	int kvm = must(open("/dev/kvm", O_RDWR), "/dev/kvm");
	int vm = must(ioctl(kvm, KVM_CREATE_VM, type), "KVM_CREATE_VM");

	close(kvm);
	return vm;
}

static int create(int vm, uint64_t size, uint64_t flags)
{
	struct kvm_create_guest_memfd args = { .size = size, .flags = flags };

	return ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args);
}

static int region2(int vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size,
		   uint64_t hva, int file, uint64_t offset)
{
	struct kvm_userspace_memory_region2 args = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = hva, .guest_memfd = file, .guest_memfd_offset = offset,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &args);
}

static int attributes(int vm, uint64_t start, uint64_t size, uint64_t attrs, uint64_t flags)
{
	struct kvm_memory_attributes args = {
		.address = start, .size = size, .attributes = attrs, .flags = flags,
	};

	return ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &args);
}

static int attributes2(int file, uint64_t start, uint64_t size, uint64_t attrs,
		       uint64_t flags)
{
	struct kvm_memory_attributes2 args = {
		.offset = start, .size = size, .attributes = attrs, .flags = flags,
	};

	return ioctl(file, KVM_SET_MEMORY_ATTRIBUTES2, &args);
}

static void test_layout(void)
{
	row_true(sizeof(long) == 4, "this program is a 32-bit one");
	row_true(KVM_SET_USER_MEMORY_REGION2 == 0x40a0ae49, "REGION2");
	row_true(KVM_SET_MEMORY_ATTRIBUTES == 0x4020aed2, "ATTRIBUTES");
	row_true(KVM_CREATE_GUEST_MEMFD == 0xc040aed4, "CREATE_GUEST_MEMFD");
	row_true(KVM_PRE_FAULT_MEMORY == 0xc040aed5, "PRE_FAULT_MEMORY");
	row_true(KVM_SET_MEMORY_ATTRIBUTES2 == 0xc080aed2, "ATTRIBUTES2");
	row_true(offsetof(struct kvm_userspace_memory_region2, guest_memfd) == 40, "fd");
	row_true(offsetof(struct kvm_memory_attributes2, error_offset) == 32, "error_offset");
	row_true(offsetof(struct kvm_run, memory_fault) == 32, "memory_fault");
}

static void test_capabilities(void)
{
	static const struct { int cap, values[2]; } caps[] = {
		{ KVM_CAP_USER_MEMORY2, { 1, 1 } }, { KVM_CAP_MEMORY_FAULT_INFO, { 1, 1 } },
		{ KVM_CAP_MEMORY_ATTRIBUTES, { 0, 8 } }, { KVM_CAP_GUEST_MEMFD, { 1, 1 } },
		{ KVM_CAP_GUEST_MEMFD_FLAGS, { 3, 3 } }, { KVM_CAP_VM_TYPES, { 3, 3 } },
		{ KVM_CAP_PRE_FAULT_MEMORY, { 1, 1 } },
		{ KVM_CAP_GMEM_MEMORY_ATTRIBUTES2, { 0, 8 } }, { KVM_CAP_GMEM_SEAL, { 0, 1 } },
	};
	int kvm = must(open("/dev/kvm", O_RDWR), "/dev/kvm");
	unsigned long type;
	unsigned int i;

	for (type = 0; type < 2; type++) {
		int vm = open_vm(type);

		for (i = 0; i < ARRAY_SIZE(caps); i++)
			row(ioctl(vm, KVM_CHECK_EXTENSION, caps[i].cap) ==
			    caps[i].values[type] ? 0 : -2, 0, "type %lu, capability %d",
			    type, caps[i].cap);
	}
	for (type = 2; type < 64; type++)
		row(ioctl(kvm, KVM_CREATE_VM, type), EINVAL, "VM type %lu", type);
}

static void test_create(void)
{
	unsigned long type;
	int bit;

	for (type = 0; type < 2; type++) {
		int vm = open_vm(type), fd;

		row(ioctl(vm, KVM_CREATE_GUEST_MEMFD, BAD_PTR), EFAULT, "bad pointer");
		for (bit = 0; bit < 64; bit++) {
			fd = create(vm, PG, BIT_ULL(bit));
			row(fd < 0 ? -1 : 0, bit < 2 ? 0 : EINVAL, "type %lu, flag %d", type, bit);
			close(fd);
			fd = create(vm, BIT_ULL(bit), 0);
			row(fd < 0 ? -1 : 0, bit < 12 || bit == 63 ? EINVAL : 0,
			    "type %lu, size 2^%d", type, bit);
			close(fd);
		}
		fd = create(vm, HIGH + PG, 0);
		row_true(lseek64(fd, 0, SEEK_SET) == -1 && errno == ESPIPE, "lseek");
		row(fallocate64(fd, 1, HIGH, PG), 0, "last page of 4 GiB and a page");
		row(fallocate64(fd, 1, HIGH + PG, PG), EINVAL, "beyond it");
		row(fallocate64(fd, 3, HIGH, PG), 0, "hole");
		close(fd);
	}
}

static void test_region(void)
{
	const uint32_t f = KVM_MEM_GUEST_MEMFD;
	unsigned long type;
	int bit;

	for (type = 0; type < 2; type++) {
		int vm = open_vm(type), other = open_vm(type);
		int fd = must(create(vm, HIGH + FILE_PAGES * PG, 0), "file");
		int foreign = must(create(other, FILE_PAGES * PG, 0), "file");

		row(ioctl(vm, KVM_SET_USER_MEMORY_REGION2, BAD_PTR), EFAULT, "bad pointer");
		for (bit = 0; bit < 32; bit++) {
			if (1U << bit != f)
				row(region2(vm, 0, f | 1U << bit, 0, PG, 0, fd, 0), EINVAL,
				    "type %lu, flag %d", type, bit);
			row(region2(vm, 1U << bit, f, 0, PG, 0, -1, 0),
			    bit < 15 ? EBADF : EINVAL, "type %lu, slot bit %d", type, bit);
		}
		for (bit = 0; bit < 64; bit++) {
			int err = bit < 12 ? EINVAL : EBADF;

			row(region2(vm, 0, f, BIT_ULL(bit), PG, 0, -1, 0), err, "gpa 2^%d", bit);
			row(region2(vm, 0, f, 0, BIT_ULL(bit), 0, -1, 0),
			    bit > 42 ? EINVAL : err, "size 2^%d", bit);
			row(region2(vm, 0, f, 0, PG, 0, -1, BIT_ULL(bit)), err, "offset 2^%d", bit);
			if (bit < 47 || bit > 55)
				row(region2(vm, 0, f, 0, PG, BIT_ULL(bit), -1, 0),
				    bit > 55 ? EINVAL : err, "userspace_addr 2^%d", bit);
		}
		row(region2(vm, 0, f, -PG, 2 * PG, 0, fd, 0), EINVAL, "gfns wrap");
		row(region2(vm, 0, f, 0, 2 * PG, 0, fd, -PG), EINVAL, "offsets wrap");
		row(region2(vm, 0, f, 0, PG, 0, vm, 0), EINVAL, "a VM");
		row(region2(vm, 0, f, 0, PG, 0, foreign, 0), EINVAL, "file of another VM");
		row(region2(vm, 0, f, 0, PG, 0, fd, HIGH + FILE_PAGES * PG), EINVAL, "past end");
		row(region2(vm, 0, 0, 0, 0, 0, -1, 0), EINVAL, "deletion of nothing");
		/* Nothing is cut: addresses and offsets 4 GiB apart differ. */
		row(region2(vm, 0, f, HIGH, PG, HIGH, fd, HIGH), 0, "above 4 GiB");
		row(region2(vm, 1, f, 0, PG, 0, fd, 0), 0, "at 0");
		row(region2(vm, 2, f, HIGH, PG, 0, fd, PG), EEXIST, "address taken");
		row(region2(vm, 2, f, PG, PG, 0, fd, HIGH), EEXIST, "file taken");
		row(region2(vm, 0, f, HIGH, PG, HIGH, fd, HIGH), EINVAL, "slot with a file");
		row(region2(vm, 0, 0, 0, 0, 0, -1, 0), 0, "deletion");
		row(region2(vm, 2, f, PG, PG, 0, fd, HIGH), 0, "file free again");
	}
}

static void test_attributes(void)
{
	int vm = open_vm(KVM_X86_SW_PROTECTED_VM), def = open_vm(KVM_X86_DEFAULT_VM), bit;

	row(ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, BAD_PTR), EFAULT, "bad pointer");
	for (bit = 0; bit < 64; bit++) {
		uint64_t b = BIT_ULL(bit);
		int err = bit < 12 ? EINVAL : 0;

		row(attributes(vm, 0, PG, 0, b), EINVAL, "flag %d", bit);
		row(attributes(vm, 0, PG, b, 0), b == PRIVATE ? 0 : EINVAL, "attribute %d", bit);
		row(attributes(def, 0, PG, b, 0), EINVAL, "default VM, attribute %d", bit);
		row(attributes(vm, b, PG, PRIVATE, 0), err, "address 2^%d", bit);
		row(attributes(vm, 0, b, PRIVATE, 0), err, "size 2^%d", bit);
	}
	row(attributes(vm, 0, 0, 0, 0), EINVAL, "empty");
	row(attributes(vm, -PG, 2 * PG, 0, 0), EINVAL, "wraps");
	row(attributes(vm, 0, -PG, 0, 0), 0, "all but one");
	row(attributes(def, 0, PG, 0, 0), 0, "default VM, none");
}

static void test_attributes2(void)
{
	int vm = open_vm(KVM_X86_SW_PROTECTED_VM), bit;
	int fd = must(create(vm, 2 * HIGH, INPLACE), "file");
	uint8_t *mem = mmap64(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, HIGH);
	struct kvm_memory_attributes2 args = { .size = PG, .error_offset = 77 };

	must(mem == MAP_FAILED ? -1 : 0, "mmap()");
	*mem = 7;
	row(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, BAD_PTR), EFAULT, "bad pointer");
	for (bit = 0; bit < 64; bit++) {
		uint64_t b = BIT_ULL(bit);
		int err = bit < 12 || bit > 32 ? EINVAL : 0;

		row(attributes2(fd, 0, PG, 0, b), EINVAL, "flag %d", bit);
		row(attributes2(fd, 0, PG, b, 0), b == PRIVATE ? 0 : EINVAL, "attribute %d", bit);
		/* Not the page in use: this is about arguments. */
		if (b != HIGH)
			row(attributes2(fd, b, PG, PRIVATE, 0), err, "offset 2^%d", bit);
		if (b != 2 * HIGH)
			row(attributes2(fd, 0, b, PRIVATE, 0), err, "size 2^%d", bit);
		args.reserved[bit % 11] = b;
		row(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, &args), EINVAL, "reserved bit %d", bit);
		args.reserved[bit % 11] = 0;
	}
	row_true(args.error_offset == 77, "error_offset");
	row_true(*mem == 7, "the page at 4 GiB is still shared");
	row(attributes2(fd, HIGH, PG, PRIVATE, 0), 0, "to private");
	row(attributes2(fd, HIGH, PG, 0, 0), 0, "to shared");
	row_true(*mem == 0, "the page at 4 GiB has been private");
	row(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES, &args), ENOTTY, "another ioctl");
	row(ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES2, &args), ENOTTY, "on the VM");
	row(attributes2(must(create(vm, PG, 0), "file"), 0, PG, 0, 0), EINVAL, "no MMAP");
	close(vm);
	row(attributes2(fd, HIGH, PG, PRIVATE, 0), 0, "without the VM's descriptor");
}

static void prefault(int vcpu, uint64_t gpa, uint64_t size, uint64_t flags, int err,
		     uint64_t left, const char *what)
{
	struct kvm_pre_fault_memory args = { .gpa = gpa, .size = size, .flags = flags };

	row(ioctl(vcpu, KVM_PRE_FAULT_MEMORY, &args), err, "%s", what);
	row_true(args.size == left && args.gpa == gpa + size - left, what);
}

static void test_prefault(void)
{
	int vm = open_vm(KVM_X86_SW_PROTECTED_VM), bit;
	int vcpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	int fd = must(create(vm, FILE_PAGES * PG, INPLACE), "file");
	char what[32];

	row(ioctl(vcpu, KVM_PRE_FAULT_MEMORY, BAD_PTR), EFAULT, "bad pointer");
	/* Without memory KVM allots no page tables. */
	prefault(vcpu, 0, PG, 0, ENOENT, PG, "no page tables");
	must(ioctl(vm, KVM_SET_NR_MMU_PAGES, 64), "KVM_SET_NR_MMU_PAGES");
	for (bit = 0; bit < 64; bit++) {
		uint64_t b = BIT_ULL(bit);
		int err = bit < 12 ? EINVAL : ENOENT;

		snprintf(what, sizeof(what), "bit %d", bit);
		prefault(vcpu, 0, PG, b, EINVAL, PG, what);
		prefault(vcpu, b, PG, 0, err, PG, what);
		prefault(vcpu, 0, b, 0, err, b, what);
	}
	row(region2(vm, 0, KVM_MEM_GUEST_MEMFD, HIGH, FILE_PAGES * PG, 0, fd, 0), 0, "slot");
	row(attributes(vm, HIGH, 4 * PG, PRIVATE, 0), 0, "attributes");
	prefault(vcpu, HIGH, FILE_PAGES * PG, 0, 0, 0, "slot above 4 GiB");
	prefault(vcpu, 0, FILE_PAGES * PG, 0, ENOENT, FILE_PAGES * PG, "no slot at 0");
	prefault(vcpu, HIGH + 15 * PG, 2 * PG, 0, 0, PG, "up to the end");
	prefault(vcpu, -PG, 2 * PG, 0, EINVAL, 2 * PG, "wraps");
	close(fd);
	prefault(vcpu, HIGH, PG, 0, EFAULT, PG, "closed file");
}

int main(void)
{
	static const struct { const char *name; void (*run)(void); } cases[] = {
		{ "compat_layout", test_layout },
		{ "compat_capabilities", test_capabilities },
		{ "compat_create", test_create },
		{ "compat_region", test_region },
		{ "compat_attributes", test_attributes },
		{ "compat_attributes2", test_attributes2 },
		{ "compat_prefault", test_prefault },
	};
	const unsigned int nr = ARRAY_SIZE(cases);
	unsigned int i, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%u\n", nr);
	for (i = 0; i < nr; i++) {
		rows = 0;
		bad_rows = 0;
		cases[i].run();
		failed += !rows || bad_rows;
		printf("%sok %u %s\n", rows && !bad_rows ? "" : "not ", i + 1, cases[i].name);
	}
	printf("# Totals: pass:%u fail:%u skip:0\n", nr - failed, failed);
	return failed ? 1 : 0;
}
