// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: capabilities, VM types, memory regions, attributes.
 *
 * One assertion for each error that the interface documents, in the order in
 * which the kernel checks.
 */
#define _GNU_SOURCE

#include "gmem_harness.h"
#include "gmem_knob.h"
#include "gmem_util.h"

#define PG	4096ULL

/* Unmapped for any user process */
#define BAD_PTR	((void *)8)

struct vm {
	int fd;
	int gmem;
	u8 *mem;
};

#define FILE_PAGES	16

static struct vm open_vm(unsigned long type)
{
	struct vm vm = { .fd = gmem_vm_open(type) };

	vm.gmem = gmem_create(vm.fd, FILE_PAGES * PG, 0);
	vm.mem = gmem_mmap_anon(FILE_PAGES * PG);
	return vm;
}

/* A gmem region of @pages at gpa = @gpa_page pages, offset = @off_page pages */
static int set_gmem(const struct vm *vm, u32 slot, u64 gpa_page,
		    u64 pages, u64 off_page)
{
	return __gmem_set_region2(vm->fd, slot, KVM_MEM_GUEST_MEMFD,
				  gpa_page * PG, pages * PG, vm->mem, vm->gmem,
				  off_page * PG);
}

static const unsigned long types[] = {
	KVM_X86_DEFAULT_VM, KVM_X86_SW_PROTECTED_VM
};

#define for_each_type(_type)						\
	for (unsigned int __i = 0; __i < ARRAY_SIZE(types) &&		\
	     ((_type) = types[__i], 1); __i++)

GMEM_TEST(numbers)
{
	ASSERT_EQ(KVM_SET_USER_MEMORY_REGION2, 0x40a0ae49);
	ASSERT_EQ(KVM_SET_MEMORY_ATTRIBUTES, 0x4020aed2);
	ASSERT_EQ(KVM_CREATE_GUEST_MEMFD, 0xc040aed4);
	ASSERT_EQ(KVM_PRE_FAULT_MEMORY, 0xc040aed5);
	ASSERT_EQ(KVM_SET_MEMORY_ATTRIBUTES2, 0xc080aed2);
	ASSERT_EQ(KVM_EXIT_MEMORY_FAULT, 39);
	ASSERT_EQ(sizeof(struct kvm_userspace_memory_region2), 160);
	ASSERT_EQ(offsetof(struct kvm_userspace_memory_region2, guest_memfd), 40);
	ASSERT_EQ(offsetof(struct kvm_run, memory_fault), 32);
	ASSERT_EQ(KVM_MEM_GUEST_MEMFD, 4);
	ASSERT_EQ(KVM_MEMORY_ATTRIBUTE_PRIVATE, 8);
	ASSERT_EQ(KVM_MEMORY_EXIT_FLAG_PRIVATE, 8);
	ASSERT_EQ(GUEST_MEMFD_FLAG_MMAP, 1);
	ASSERT_EQ(GUEST_MEMFD_FLAG_INIT_SHARED, 2);
}

static void check_caps(int fd, const char *scope, int attrs, int spaces)
{
	const struct {
		long cap;
		int value;
	} caps[] = {
		{ KVM_CAP_USER_MEMORY2, 1 },
		{ KVM_CAP_MEMORY_FAULT_INFO, 1 },
		{ KVM_CAP_MEMORY_ATTRIBUTES, attrs },
		{ KVM_CAP_GUEST_MEMFD, 1 },
		{ KVM_CAP_GUEST_MEMFD_FLAGS, 3 },
		{ KVM_CAP_GMEM_MEMORY_ATTRIBUTES2, attrs },
		{ KVM_CAP_GMEM_SEAL, !!attrs },
		{ KVM_CAP_MULTI_ADDRESS_SPACE, spaces },
		{ KVM_CAP_READONLY_MEM, 1 },
		{ KVM_CAP_PRE_FAULT_MEMORY, 1 },
		{ KVM_CAP_VM_TYPES, 3 },
		{ KVM_CAP_EXIT_HYPERCALL, BIT(KVM_HC_MAP_GPA_RANGE) },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		int value = gmem_check_cap(fd, caps[i].cap);

		TEST_ASSERT(value == caps[i].value,
			    "%s: capability %ld is %d, expected %d",
			    scope, caps[i].cap, value, caps[i].value);
	}
}

GMEM_TEST(caps_system)
{
	check_caps(open_kvm_dev_path_or_exit(), "system", GMEM_PRIVATE, 2);
}

GMEM_TEST(caps_default_vm)
{
	check_caps(gmem_vm_open(KVM_X86_DEFAULT_VM), "default VM", 0, 2);
}

GMEM_TEST(caps_sw_protected_vm)
{
	check_caps(gmem_vm_open(KVM_X86_SW_PROTECTED_VM), "protected VM",
		   GMEM_PRIVATE, 1);
}

GMEM_TEST(vm_types)
{
	int kvm_fd = open_kvm_dev_path_or_exit();
	int supported = gmem_check_cap(kvm_fd, KVM_CAP_VM_TYPES);
	unsigned long type;

	for (type = 0; type < 64; type++) {
		int fd = ioctl(kvm_fd, KVM_CREATE_VM, type);

		if (type < 32 && (supported & (1U << type))) {
			TEST_ASSERT(fd >= 0, "type %lu: %s", type, strerror(errno));
			close(fd);
		} else {
			TEST_ASSERT(fd == -1 && errno == EINVAL,
				    "type %lu: %d, errno %d", type, fd, errno);
		}
	}
	ASSERT_ERRNO(ioctl(kvm_fd, KVM_CREATE_VM, 1UL << 32), EINVAL);
	ASSERT_ERRNO(ioctl(kvm_fd, KVM_CREATE_VM, (1UL << 32) | 1), EINVAL);
}

/* Without SEV, type 1 has no more of it than other types. */
GMEM_TEST(no_encryption_besides)
{
	struct kvm_sev_cmd cmd = { .id = KVM_SEV_INIT, .sev_fd = -1 };
	char sev[8] = "N";

	if (!access("/sys/module/kvm_amd/parameters/sev", R_OK))
		gmem_read_knob("/sys/module/kvm_amd/parameters/sev", sev, sizeof(sev));
	ASSERT_ERRNO(ioctl(gmem_vm_open(KVM_X86_SW_PROTECTED_VM), KVM_MEMORY_ENCRYPT_OP, &cmd),
		     sev[0] == 'Y' ? EINVAL : ENOTTY);
}

GMEM_TEST(region_copy)
{
	struct kvm_userspace_memory_region2 *args;
	struct vm vm = open_vm(KVM_X86_DEFAULT_VM);
	u8 *page;

	ASSERT_ERRNO(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, BAD_PTR), EFAULT);

	/* All 160 bytes are read, whatever the flags say. */
	page = gmem_mmap_anon(2 * PG);
	ASSERT_OK(mprotect(page + PG, PG, PROT_NONE));
	args = (void *)(page + PG - 32);
	memset(args, 0, 32);
	args->memory_size = PG;
	args->userspace_addr = (uintptr_t)vm.mem;
	ASSERT_ERRNO(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, args), EFAULT);
}

GMEM_TEST(region_pads_are_ignored)
{
	struct vm vm = open_vm(KVM_X86_SW_PROTECTED_VM);
	struct kvm_userspace_memory_region2 args;

	memset(&args, 0xff, sizeof(args));
	args.slot = 0;
	args.flags = KVM_MEM_GUEST_MEMFD;
	args.guest_phys_addr = 0;
	args.memory_size = PG;
	args.userspace_addr = (uintptr_t)vm.mem;
	args.guest_memfd = vm.gmem;
	args.guest_memfd_offset = 0;
	ASSERT_OK(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &args));

	/* A region without the flag does not look at the file. */
	args.slot = 1;
	args.flags = 0;
	args.guest_phys_addr = PG;
	args.guest_memfd = -1;
	args.guest_memfd_offset = 1;
	ASSERT_OK(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &args));
}

GMEM_TEST(region_flags)
{
	unsigned long type;
	int bit;

	for_each_type(type) {
		struct vm vm = open_vm(type);

		ASSERT_ERRNO(__gmem_set_region1(vm.fd, 0, KVM_MEM_GUEST_MEMFD, 0,
						PG, vm.mem), EINVAL);
		for (bit = 0; bit < 32; bit++) {
			u32 flag = 1U << bit;

			if (flag == KVM_MEM_GUEST_MEMFD)
				continue;
			/* Alone: only log-dirty and read-only are known. */
			if (flag & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))
				ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, flag, 0, PG,
								vm.mem, -1, 0), EINVAL);
			/* Next to a file: none is. */
			flag |= KVM_MEM_GUEST_MEMFD;
			ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, flag, 0, PG, vm.mem,
							vm.gmem, 0), EINVAL);
		}
		ASSERT_OK(set_gmem(&vm, 0, 0, 1, 0));
	}
}

GMEM_TEST(region_addresses)
{
	struct vm vm = open_vm(KVM_X86_SW_PROTECTED_VM);
	const u32 f = KVM_MEM_GUEST_MEMFD;
	int fd = vm.gmem;

	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, 0, PG - 1, vm.mem, fd, 0), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, 1, PG, vm.mem, fd, 0), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, 0, PG, vm.mem + 1, fd, 0), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, 0, PG, (void *)-PG, fd, 0), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, 0, PG,
					(void *)(1UL << 62), fd, 0), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, 0, PG, vm.mem, fd, 1), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, 0, 2 * PG, vm.mem, fd, -PG), EINVAL);
	/* The guest physical range wraps; too many pages; beyond the CPU's. */
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, -PG, 2 * PG, vm.mem, fd, 0), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, 0, PG << 31, vm.mem, fd, 0), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, 1ULL << 60, PG, vm.mem, fd, 0), EINVAL);
	/* No host memory at all is legal. */
	ASSERT_OK(__gmem_set_region2(vm.fd, 0, f, 0, PG, NULL, fd, 0));
}

GMEM_TEST(region_slot_ids)
{
	struct vm vm = open_vm(KVM_X86_SW_PROTECTED_VM);
	u32 max = gmem_check_cap(vm.fd, KVM_CAP_NR_MEMSLOTS);

	ASSERT_ERRNO(set_gmem(&vm, max, 0, 1, 0), EINVAL);
	ASSERT_ERRNO(set_gmem(&vm, 0xffff, 0, 1, 0), EINVAL);
	ASSERT_OK(set_gmem(&vm, max - 1, 0, 1, 0));
	/* SMM's address space: none in a protected VM, no files in any VM. */
	ASSERT_ERRNO(set_gmem(&vm, 1 << 16, 1, 1, 1), EINVAL);
	ASSERT_ERRNO(__gmem_set_region1(vm.fd, 1 << 16, 0, PG, PG, vm.mem), EINVAL);

	vm = open_vm(KVM_X86_DEFAULT_VM);
	ASSERT_ERRNO(set_gmem(&vm, 1 << 16, 1, 1, 1), EINVAL);
	ASSERT_OK(__gmem_set_region1(vm.fd, 1 << 16, 0, PG, PG, vm.mem));
	ASSERT_ERRNO(__gmem_set_region1(vm.fd, 2 << 16, 0, PG, PG, vm.mem), EINVAL);
}

GMEM_TEST(region_delete)
{
	unsigned long type;

	for_each_type(type) {
		struct vm vm = open_vm(type);

		ASSERT_ERRNO(set_gmem(&vm, 0, 0, 0, 0), EINVAL);
		ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, 0, 0, 0, NULL, -1, 0), EINVAL);
		ASSERT_OK(set_gmem(&vm, 0, 0, 1, 0));
		ASSERT_OK(__gmem_set_region2(vm.fd, 0, KVM_MEM_GUEST_MEMFD, 0, 0,
					     NULL, -1, 0));
		ASSERT_OK(set_gmem(&vm, 0, 0, 1, 0));
		ASSERT_OK(__gmem_set_region2(vm.fd, 0, 0, 0, 0, NULL, -1, 0));
		ASSERT_OK(set_gmem(&vm, 0, 0, 1, 0));
		ASSERT_OK(__gmem_set_region1(vm.fd, 0, 0, 0, 0, NULL));
		ASSERT_ERRNO(__gmem_set_region1(vm.fd, 0, 0, 0, 0, NULL), EINVAL);
	}
}

GMEM_TEST(region_gmem_slot_is_immutable)
{
	struct vm vm = open_vm(KVM_X86_SW_PROTECTED_VM);
	int fd = vm.fd;

	ASSERT_OK(set_gmem(&vm, 0, 0, 2, 0));
	ASSERT_ERRNO(set_gmem(&vm, 0, 0, 2, 0), EINVAL);	/* the same */
	ASSERT_ERRNO(set_gmem(&vm, 0, 8, 2, 0), EINVAL);	/* moved */
	ASSERT_ERRNO(set_gmem(&vm, 0, 0, 1, 0), EINVAL);	/* shrunk */
	ASSERT_ERRNO(set_gmem(&vm, 0, 0, 2, 4), EINVAL);	/* rebound */
	ASSERT_ERRNO(__gmem_set_region1(fd, 0, 0, 0, 2 * PG, vm.mem), EINVAL);
	ASSERT_ERRNO(__gmem_set_region1(fd, 0, 0, 8 * PG, 2 * PG, vm.mem), EINVAL);
	ASSERT_ERRNO(__gmem_set_region1(fd, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, 2 * PG,
					vm.mem), EINVAL);
	ASSERT_ERRNO(__gmem_set_region1(fd, 0, KVM_MEM_READONLY, 0, 2 * PG,
					vm.mem), EINVAL);
	/* Nothing of this touched the binding. */
	ASSERT_ERRNO(set_gmem(&vm, 1, 8, 2, 1), EEXIST);
	ASSERT_OK(set_gmem(&vm, 1, 8, 2, 2));
}

GMEM_TEST(region_plain_slot_changes)
{
	struct vm vm = open_vm(KVM_X86_SW_PROTECTED_VM);
	const u32 log = KVM_MEM_LOG_DIRTY_PAGES;
	int fd = vm.fd;

	ASSERT_OK(__gmem_set_region2(fd, 0, 0, 0, 2 * PG, vm.mem, -1, 0));
	ASSERT_OK(__gmem_set_region2(fd, 0, 0, 0, 2 * PG, vm.mem, -1, 0));
	ASSERT_OK(__gmem_set_region2(fd, 0, log, 0, 2 * PG, vm.mem, -1, 0));
	ASSERT_OK(__gmem_set_region2(fd, 0, log, 8 * PG, 2 * PG, vm.mem, -1, 0));
	ASSERT_ERRNO(__gmem_set_region2(fd, 0, log, 8 * PG, PG, vm.mem, -1, 0), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(fd, 0, log, 8 * PG, 2 * PG, vm.mem + PG,
					-1, 0), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(fd, 0, log | KVM_MEM_READONLY, 8 * PG,
					2 * PG, vm.mem, -1, 0), EINVAL);
	ASSERT_ERRNO(set_gmem(&vm, 0, 8, 2, 0), EINVAL);
}

GMEM_TEST(region_gpa_overlap)
{
	struct vm vm = open_vm(KVM_X86_SW_PROTECTED_VM);
	const u32 f = KVM_MEM_GUEST_MEMFD;

	ASSERT_OK(set_gmem(&vm, 0, 4, 4, 0));
	ASSERT_ERRNO(set_gmem(&vm, 1, 4, 4, 4), EEXIST);
	ASSERT_ERRNO(set_gmem(&vm, 1, 3, 2, 4), EEXIST);
	ASSERT_ERRNO(set_gmem(&vm, 1, 7, 1, 4), EEXIST);
	ASSERT_ERRNO(set_gmem(&vm, 1, 0, 16, 0), EEXIST);
	/* Before any look at the file, after the look at the addresses */
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 1, f, 4 * PG, PG, vm.mem, -1, 0), EEXIST);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 1, f, 4 * PG, PG, vm.mem, vm.fd, 0), EEXIST);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 1, f, 4 * PG, PG, vm.mem, -1, 1), EINVAL);
	ASSERT_OK(set_gmem(&vm, 1, 8, 1, 4));
	ASSERT_OK(set_gmem(&vm, 2, 3, 1, 5));
}

GMEM_TEST(region_file_kinds)
{
	struct vm vm = open_vm(KVM_X86_SW_PROTECTED_VM);
	struct vm other = open_vm(KVM_X86_SW_PROTECTED_VM);
	int plain = memfd_create("plain", 0);
	int closed = dup(vm.gmem);
	const struct {
		int fd;
		int err;
	} files[] = {
		{ -1, EBADF }, { closed, EBADF }, { vm.fd, EINVAL },
		{ open_kvm_dev_path_or_exit(), EINVAL }, { plain, EINVAL },
		{ other.gmem, EINVAL }, { open("/dev/null", O_RDWR), EINVAL },
		{ open("/", O_PATH), EBADF },
	};
	unsigned int i;

	close(closed);
	TEST_ASSERT(!ftruncate(plain, FILE_PAGES * PG), "ftruncate()");
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		int ret = __gmem_set_region2(vm.fd, 0, KVM_MEM_GUEST_MEMFD, 0, PG,
					     vm.mem, files[i].fd, 0);

		TEST_ASSERT(ret == -1 && errno == files[i].err,
			    "file %u: %d, errno %d", i, ret, errno);
	}
	/* The file is looked at before the architecture looks at the gfn. */
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, KVM_MEM_GUEST_MEMFD, 1ULL << 60,
					PG, vm.mem, -1, 0), EBADF);
	/* A second descriptor of the file is as good as the first. */
	ASSERT_OK(__gmem_set_region2(vm.fd, 0, KVM_MEM_GUEST_MEMFD, 0, PG, vm.mem,
				     dup(vm.gmem), 0));
}

GMEM_TEST(region_file_range)
{
	struct vm vm = open_vm(KVM_X86_SW_PROTECTED_VM);
	const u32 f = KVM_MEM_GUEST_MEMFD;

	ASSERT_ERRNO(set_gmem(&vm, 0, 0, 1, FILE_PAGES), EINVAL);
	ASSERT_ERRNO(set_gmem(&vm, 0, 0, 2, FILE_PAGES - 1), EINVAL);
	ASSERT_ERRNO(set_gmem(&vm, 0, 0, FILE_PAGES + 1, 0), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, 0, PG, vm.mem, vm.gmem,
					INT64_MAX & ~(PG - 1)), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, 0, PG, vm.mem, vm.gmem,
					1ULL << 63), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(vm.fd, 0, f, 0, PG, vm.mem, vm.gmem,
					-2 * PG), EINVAL);
	ASSERT_OK(set_gmem(&vm, 0, 0, 1, FILE_PAGES - 1));
	ASSERT_OK(set_gmem(&vm, 1, 1, FILE_PAGES - 1, 0));
}

GMEM_TEST(region_file_overlap)
{
	unsigned long type;

	for_each_type(type) {
		struct vm vm = open_vm(type);

		ASSERT_OK(set_gmem(&vm, 0, 0, 4, 4));
		ASSERT_ERRNO(set_gmem(&vm, 1, 16, 4, 4), EEXIST);
		ASSERT_ERRNO(set_gmem(&vm, 1, 16, 1, 7), EEXIST);
		ASSERT_ERRNO(set_gmem(&vm, 1, 16, 2, 3), EEXIST);
		ASSERT_ERRNO(set_gmem(&vm, 1, 16, 16, 0), EEXIST);
		/* The architecture looks before the binding does. */
		ASSERT_ERRNO(set_gmem(&vm, 1, 1ULL << 48, 1, 4), EINVAL);
		ASSERT_OK(set_gmem(&vm, 1, 16, 4, 0));
		ASSERT_OK(set_gmem(&vm, 2, 32, 8, 8));
		/* A refused binding leaves nothing behind. */
		ASSERT_OK(__gmem_set_region1(vm.fd, 0, 0, 0, 0, NULL));
		ASSERT_OK(set_gmem(&vm, 3, 0, 4, 4));
	}
}

GMEM_TEST(attributes_arguments)
{
	struct vm vm = open_vm(KVM_X86_SW_PROTECTED_VM);
	struct kvm_memory_attributes args = { .size = PG, .flags = 1 };
	int fd = vm.fd;
	int bit;

	ASSERT_ERRNO(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES, BAD_PTR), EFAULT);
	for (bit = 0; bit < 64; bit++) {
		args.flags = 1ULL << bit;
		ASSERT_ERRNO(ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES, &args), EINVAL);
		if (1ULL << bit != GMEM_PRIVATE)
			ASSERT_ERRNO(__gmem_set_attrs(fd, 0, PG, 1ULL << bit), EINVAL);
		ASSERT_ERRNO(__gmem_set_attrs(fd, 0, PG, ~(1ULL << bit)), EINVAL);
	}
	ASSERT_ERRNO(__gmem_set_attrs(fd, 0, 0, GMEM_PRIVATE), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs(fd, 1, PG, GMEM_PRIVATE), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs(fd, 0, PG + 1, GMEM_PRIVATE), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs(fd, -PG, 2 * PG, GMEM_PRIVATE), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs(fd, -PG, PG, GMEM_PRIVATE), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs(fd, PG, -PG, GMEM_PRIVATE), EINVAL);
}

GMEM_TEST(attributes_without_slots)
{
	struct vm vm = open_vm(KVM_X86_SW_PROTECTED_VM);
	const u64 gpas[] = {
		0, PG, 1ULL << 30, 0xfee00000, 1ULL << 52, 1ULL << 63, -2 * PG,
	};
	unsigned int i, round;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < ARRAY_SIZE(gpas); i++) {
			ASSERT_OK(__gmem_set_attrs(vm.fd, gpas[i], PG, GMEM_SHARED));
			ASSERT_OK(__gmem_set_attrs(vm.fd, gpas[i], PG, GMEM_PRIVATE));
			ASSERT_OK(__gmem_set_attrs(vm.fd, gpas[i], PG, GMEM_PRIVATE));
		}
	}
	ASSERT_OK(__gmem_set_attrs(vm.fd, 0, 1ULL << 52, GMEM_SHARED));
	ASSERT_OK(__gmem_set_attrs(vm.fd, 0, -PG, GMEM_PRIVATE));
	ASSERT_OK(__gmem_set_attrs(vm.fd, 0, -PG, GMEM_SHARED));
}

GMEM_TEST(attributes_of_a_default_vm)
{
	struct vm vm = open_vm(KVM_X86_DEFAULT_VM);

	ASSERT_OK(__gmem_set_attrs(vm.fd, 0, PG, GMEM_SHARED));
	ASSERT_ERRNO(__gmem_set_attrs(vm.fd, 0, PG, GMEM_PRIVATE), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs(vm.fd, 0, 0, GMEM_SHARED), EINVAL);
	ASSERT_ERRNO(__gmem_set_attrs(vm.fd, 1, PG, GMEM_SHARED), EINVAL);
}

/* Like every VM ioctl, only for the process that created the VM. */
GMEM_TEST(ioctls_of_another_process)
{
	struct vm vm = open_vm(KVM_X86_SW_PROTECTED_VM);
	int status;
	pid_t pid = fork();

	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		ASSERT_ERRNO(set_gmem(&vm, 0, 0, 1, 0), EIO);
		ASSERT_ERRNO(__gmem_set_attrs(vm.fd, 0, PG, GMEM_PRIVATE), EIO);
		ASSERT_ERRNO(__gmem_create(vm.fd, PG, 0), EIO);
		exit(0);
	}
	TEST_ASSERT(waitpid(pid, &status, 0) == pid && !status, "child failed");
}

GMEM_HARNESS_MAIN
