// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: ioctl wrappers and memory slots of every kind.
 */
#define _GNU_SOURCE
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>

#include "gmem_util.h"

/* Pages of the library's slot 0: test binary, stacks, page tables */
#define SLOT0_PAGES	4096

/* GMEM_VM_TYPE in the environment stands in for software protection. */
static unsigned long vm_type(unsigned long type)
{
	const char *other = getenv("GMEM_VM_TYPE");

	return type == GMEM_VM_PROTECTED && other ? strtoul(other, NULL, 0) : type;
}

int gmem_vm_open(unsigned long type)
{
	int kvm_fd = open_kvm_dev_path_or_exit();
	int vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, vm_type(type));

	TEST_ASSERT(vm_fd >= 0, "KVM_CREATE_VM of type %lu failed", type);
	close(kvm_fd);
	return vm_fd;
}

int gmem_check_cap(int fd, long cap)
{
	return ioctl(fd, KVM_CHECK_EXTENSION, cap);
}

int __gmem_create(int vm_fd, u64 size, u64 flags)
{
	struct kvm_create_guest_memfd args = { .size = size, .flags = flags };

	return ioctl(vm_fd, KVM_CREATE_GUEST_MEMFD, &args);
}

int gmem_create(int vm_fd, u64 size, u64 flags)
{
	int fd = __gmem_create(vm_fd, size, flags);

	TEST_ASSERT(fd >= 0, "KVM_CREATE_GUEST_MEMFD of %#lx bytes, flags %#lx",
		    size, flags);
	return fd;
}

int __gmem_set_region2(int vm_fd, u32 slot, u32 flags, u64 gpa,
		       u64 size, const void *hva, int gmem_fd,
		       u64 offset)
{
	struct kvm_userspace_memory_region2 args = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
		.guest_memfd = gmem_fd,
		.guest_memfd_offset = offset,
	};

	return ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION2, &args);
}

void gmem_set_region2(int vm_fd, u32 slot, u32 flags, u64 gpa,
		      u64 size, const void *hva, int gmem_fd,
		      u64 offset)
{
	int ret = __gmem_set_region2(vm_fd, slot, flags, gpa, size, hva,
				     gmem_fd, offset);

	TEST_ASSERT(!ret, "REGION2 slot %u gpa %#lx size %#lx: %s",
		    slot, gpa, size, strerror(errno));
}

int __gmem_set_region1(int vm_fd, u32 slot, u32 flags, u64 gpa,
		       u64 size, const void *hva)
{
	struct kvm_userspace_memory_region args = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &args);
}

int __gmem_set_attrs(int vm_fd, u64 gpa, u64 size, u64 attrs)
{
	struct kvm_memory_attributes args = {
		.address = gpa,
		.size = size,
		.attributes = attrs,
	};

	return ioctl(vm_fd, KVM_SET_MEMORY_ATTRIBUTES, &args);
}

void gmem_set_attrs(int vm_fd, u64 gpa, u64 size, u64 attrs)
{
	int ret = __gmem_set_attrs(vm_fd, gpa, size, attrs);

	TEST_ASSERT(!ret, "SET_MEMORY_ATTRIBUTES gpa %#lx size %#lx to %#lx: %s",
		    gpa, size, attrs, strerror(errno));
}

int __gmem_set_attrs2(int gmem_fd, u64 offset, u64 size,
		      u64 attrs, u64 *error_offset)
{
	struct kvm_memory_attributes2 args = {
		.offset = offset,
		.size = size,
		.attributes = attrs,
		.error_offset = error_offset ? *error_offset : 0,
	};
	int ret = ioctl(gmem_fd, KVM_SET_MEMORY_ATTRIBUTES2, &args);

	if (error_offset)
		*error_offset = args.error_offset;
	return ret;
}

void gmem_set_attrs2(int gmem_fd, u64 offset, u64 size,
		     u64 attrs)
{
	int ret = __gmem_set_attrs2(gmem_fd, offset, size, attrs, NULL);

	TEST_ASSERT(!ret, "SET_MEMORY_ATTRIBUTES2 %#lx size %#lx to %#lx: %s",
		    offset, size, attrs, strerror(errno));
}

int __gmem_punch(int gmem_fd, u64 offset, u64 size)
{
	return fallocate(gmem_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 offset, size);
}

void gmem_punch(int gmem_fd, u64 offset, u64 size)
{
	TEST_ASSERT(!__gmem_punch(gmem_fd, offset, size),
		    "punching %#lx size %#lx: %s", offset, size, strerror(errno));
}

int __gmem_allocate(int gmem_fd, u64 offset, u64 size)
{
	return fallocate(gmem_fd, FALLOC_FL_KEEP_SIZE, offset, size);
}

void gmem_allocate(int gmem_fd, u64 offset, u64 size)
{
	TEST_ASSERT(!__gmem_allocate(gmem_fd, offset, size),
		    "allocating %#lx size %#lx: %s", offset, size,
		    strerror(errno));
}

/* Address space, aligned to 2 MiB, that a mapping may replace */
static u8 *reserve_aligned(u64 size)
{
	u8 *mem = mmap(NULL, size + GMEM_HUGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	TEST_ASSERT(mem != MAP_FAILED, "reserving %#lx bytes failed", size);
	return align_ptr_up(mem, GMEM_HUGE);
}

u8 *gmem_mmap(int gmem_fd, u64 size, u64 offset)
{
	u8 *mem = mmap(reserve_aligned(size), size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, gmem_fd, offset);

	TEST_ASSERT(mem != MAP_FAILED, "mmap() of the guest_memfd failed");
	return mem;
}

u8 *gmem_mmap_anon(u64 size)
{
	u8 *mem = mmap(reserve_aligned(size), size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
			    MAP_NORESERVE, -1, 0);

	TEST_ASSERT(mem != MAP_FAILED, "mmap() of anonymous memory failed");
	return mem;
}

/**
 * gmem_slot_init() - Create a data slot
 * @slot: filled
 * @vm_fd: VM
 * @kind: what stands behind it
 * @id: slot number
 * @gpa: guest physical address, bytes
 * @size: bytes
 */
void gmem_slot_init(struct gmem_slot *slot, int vm_fd, enum gmem_kind kind,
		    u32 id, u64 gpa, u64 size)
{
	static const u64 flags[] = {
		[GMEM_SLOT_INPLACE] = GMEM_INPLACE,
		[GMEM_SLOT_MMAP] = GUEST_MEMFD_FLAG_MMAP,
	};

	*slot = (struct gmem_slot) {
		.kind = kind, .id = id, .fd = -1, .gpa = gpa, .size = size,
	};
	if (kind == GMEM_SLOT_PLAIN) {
		slot->hva = gmem_mmap_anon(size);
		ASSERT_OK(__gmem_set_region1(vm_fd, id, 0, gpa, size, slot->hva));
		return;
	}
	slot->fd = gmem_create(vm_fd, size, kind < ARRAY_SIZE(flags) ? flags[kind] : 0);
	slot->hva = kind == GMEM_SLOT_TWO ? gmem_mmap_anon(size) :
					    gmem_mmap(slot->fd, size, 0);
	gmem_set_region2(vm_fd, id, KVM_MEM_GUEST_MEMFD, gpa, size, slot->hva,
			 slot->fd, 0);
}

/* The same, mapped in the guest at a virtual address equal to @gpa. */
void gmem_slot_add(struct gmem_slot *slot, struct kvm_vm *vm,
		   enum gmem_kind kind, u32 id, u64 gpa,
		   u64 size)
{
	gmem_slot_init(slot, vm->fd, kind, id, gpa, size);
	virt_map(vm, gpa, gpa, size / vm->page_size);
}

void gmem_slot_delete(const struct gmem_slot *slot, int vm_fd)
{
	gmem_set_region2(vm_fd, slot->id, 0, slot->gpa, 0, slot->hva, -1, 0);
}

static __thread sigjmp_buf touch_env;
static __thread bool touching;

static void touch_fault(int sig)
{
	if (!READ_ONCE(touching)) {
		signal(sig, SIG_DFL);
		return;
	}
	siglongjmp(touch_env, 1);
}

static bool touch(u8 *addr, u8 *value, bool write)
{
	struct sigaction old[2], sa = { .sa_handler = touch_fault };
	bool good = false;

	sigaction(SIGBUS, &sa, &old[0]);
	sigaction(SIGSEGV, &sa, &old[1]);
	if (!sigsetjmp(touch_env, 1)) {
		WRITE_ONCE(touching, true);
		if (write)
			WRITE_ONCE(*addr, *value);
		else
			*value = READ_ONCE(*addr);
		good = true;
	}
	WRITE_ONCE(touching, false);
	sigaction(SIGBUS, &old[0], NULL);
	sigaction(SIGSEGV, &old[1], NULL);
	return good;
}

bool gmem_host_read(const void *addr, u8 *value)
{
	return touch((u8 *)addr, value, false);
}

bool gmem_host_write(void *addr, u8 value)
{
	return touch(addr, &value, true);
}

/* True if all bytes of the page at @addr are @value; it must be readable. */
bool gmem_host_page_is(const void *addr, u8 value)
{
	const u8 *page = addr;
	int i;

	for (i = 0; i < 4096; i++) {
		if (page[i] != value) {
			printf("byte %#x is %#x, expected %#x\n", i, page[i], value);
			return false;
		}
	}
	return true;
}

/* The library opens VMs of type 0 only: open again before anything is in it. */
static struct kvm_vm *vm_create_typed(unsigned long type)
{
	struct kvm_vm *vm = ____vm_create(VM_MODE_DEFAULT, 0);

	if (type) {
		kvm_vm_release(vm);
		vm->type |= vm_type(type);
		kvm_vm_restart(vm);
	}
	return vm;
}

static void vm_load(struct kvm_vm *vm, int nr_vcpus, void *guest_code,
		    struct kvm_vcpu **vcpus)
{
	int i;

	kvm_vm_elf_load(vm, program_invocation_name);
	gmem_arch_setup(vm);
	vm_init_descriptor_tables(vm);
	for (i = 0; i < nr_vcpus; i++) {
		vcpus[i] = vm_vcpu_add(vm, i, guest_code);
		vcpu_init_descriptor_tables(vcpus[i]);
	}
}

/**
 * gmem_vm_create_with() - Create a VM of any type whose slot 0 is ordinary memory
 * @type: VM type
 * @nr_vcpus: number of vCPUs
 * @guest_code: where all of them start
 * @vcpus: filled
 * @prepare: called when the VM has neither memory nor vCPUs; or NULL
 *
 * Return: the VM, with the test binary loaded and an in-kernel irqchip.
 */
struct kvm_vm *gmem_vm_create_with(unsigned long type, int nr_vcpus,
				   void *guest_code, struct kvm_vcpu **vcpus,
				   void (*prepare)(struct kvm_vm *vm))
{
	struct kvm_vm *vm = vm_create_typed(type);

	if (prepare)
		prepare(vm);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, 0, 0,
				    SLOT0_PAGES, 0);
	vm_load(vm, nr_vcpus, guest_code, vcpus);
	return vm;
}

struct kvm_vm *gmem_vm_create(unsigned long type, int nr_vcpus,
			      void *guest_code, struct kvm_vcpu **vcpus)
{
	return gmem_vm_create_with(type, nr_vcpus, guest_code, vcpus, NULL);
}

/**
 * gmem_vm_create_inplace() - Create a VM that can be private as a whole
 * @nr_vcpus: number of vCPUs
 * @guest_code: where all of them start
 * @vcpus: filled
 * @gmem_fd: filled with the guest_memfd behind slot 0
 *
 * Slot 0 is a guest_memfd that starts shared, mapped where the library expects
 * host memory.  Set up everything through the library, then make it private
 * with gmem_vm_set_private().
 *
 * Return: the VM, with the test binary loaded and an in-kernel irqchip.
 */
struct kvm_vm *gmem_vm_create_inplace(int nr_vcpus, void *guest_code,
				      struct kvm_vcpu **vcpus, int *gmem_fd)
{
	struct kvm_vm *vm = vm_create_typed(GMEM_VM_PROTECTED);
	struct userspace_mem_region *region;
	void *mem;
	int fd;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, 0, 0,
				    SLOT0_PAGES, 0);
	region = memslot2region(vm, 0);
	ASSERT_OK(__gmem_set_region1(vm->fd, 0, 0, 0, 0, NULL));

	fd = gmem_create(vm->fd, region->region.memory_size, GMEM_INPLACE);
	mem = mmap(region->host_mem, region->region.memory_size,
		   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	TEST_ASSERT(mem == region->host_mem, "mmap() of the guest_memfd failed");
	gmem_set_region2(vm->fd, 0, KVM_MEM_GUEST_MEMFD, 0,
			 region->region.memory_size, mem, fd, 0);

	vm_load(vm, nr_vcpus, guest_code, vcpus);
	*gmem_fd = fd;
	return vm;
}

/* Convert all of one of the library's slots. */
void gmem_vm_set_private(struct kvm_vm *vm, int slot, u64 attrs)
{
	struct userspace_mem_region *region = memslot2region(vm, slot);

	gmem_set_attrs(vm->fd, region->region.guest_phys_addr,
		       region->region.memory_size, attrs);
}

u64 gmem_vm_stat(struct kvm_vm *vm, const char *name)
{
	return vm_get_stat(vm, name);
}
