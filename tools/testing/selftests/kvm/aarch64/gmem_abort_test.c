// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory on arm64: VM types, and stage 2 aborts of every kind.
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "gmem_harness.h"
#include "gmem_world.h"

#define IDLE	"/sys/kernel/mm/page_idle/bitmap"

GMEM_TEST(types)
{
	int kvm = open_kvm_dev_path_or_exit();
	unsigned int bit;

	ASSERT_OK(close(gmem_vm_open(GMEM_VM_PROTECTED)));
	ASSERT_OK(close(gmem_vm_open(GMEM_VM_PROTECTED | 40)));
	for (bit = 8; bit < 64; bit++) {
		if (BIT_ULL(bit) != GMEM_VM_PROTECTED)
			ASSERT_ERRNO(ioctl(kvm, KVM_CREATE_VM, BIT_ULL(bit)), EINVAL);
	}
	ASSERT_ERRNO(ioctl(kvm, KVM_CREATE_VM, GMEM_VM_PROTECTED | 8), EINVAL);
}

GMEM_TEST(capabilities)
{
	struct kvm_enable_cap mte = { .cap = KVM_CAP_ARM_MTE };
	int vm = gmem_vm_open(GMEM_VM_PROTECTED);
	int other = gmem_vm_open(GMEM_VM_DEFAULT);

	ASSERT_EQ(gmem_check_cap(vm, KVM_CAP_MEMORY_ATTRIBUTES), GMEM_PRIVATE);
	ASSERT_EQ(gmem_check_cap(other, KVM_CAP_MEMORY_ATTRIBUTES), 0);
	ASSERT_EQ(gmem_check_cap(vm, KVM_CAP_GUEST_MEMFD), 1);
	ASSERT_EQ(gmem_check_cap(vm, KVM_CAP_ARM_MTE), 0);
	ASSERT_ERRNO(ioctl(vm, KVM_ENABLE_CAP, &mte), EINVAL);
	ASSERT_EQ(gmem_check_cap(vm, KVM_CAP_PRE_FAULT_MEMORY), 0);
}

/* The guest's code, stack and page tables are private as well. */
GMEM_TEST(all_private)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	u8 *hva;
	u64 gva;
	int fd;

	vm = gmem_vm_create_inplace(1, gmem_guest_server, &vcpu, &fd);
	gva = vm_vaddr_alloc_page(vm);
	hva = addr_gva2hva(vm, gva);
	memset(hva, 0x5a, PG);
	gmem_vm_set_private(vm, 0, GMEM_PRIVATE);

	gmem_server_start(vcpu);
	ASSERT_EQ(gmem_cmd_result(vcpu, GMEM_CMD_IS, gva, 0x5a), 1);
	gmem_cmd_result(vcpu, GMEM_CMD_FILL, gva, 0xa5);
	ASSERT_EQ(gmem_cmd_result(vcpu, GMEM_CMD_IS, gva, 0xa5), 1);
	TEST_ASSERT(!gmem_host_write(hva, 0), "the host writes");

	/* The first thing that the guest misses is its code. */
	gmem_set_region2(vm->fd, 0, 0, 0, 0, NULL, -1, 0);
	TEST_ASSERT(gmem_run(vcpu).exit == GMEM_EXIT_FAULT, "the guest runs on");
	ASSERT_EQ(vcpu->run->memory_fault.flags, KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

/* A private access is never one to a device. */
GMEM_TEST(private_memory_is_no_device)
{
	struct world w = make_world(GMEM_SLOT_PLAIN);
	u64 away = gpa(PAGES);

	virt_map(w.vm, away, away, 1);
	ASSERT_OK(convert(&w, 0, PAGES + 1, GMEM_PRIVATE));
	gmem_cmd_fault(w.vcpu, GMEM_CMD_READ, gpa(1), 0, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	gmem_run_to_fault(w.vcpu, gpa(1), KVM_MEMORY_EXIT_FLAG_PRIVATE);
	gmem_cmd_fault(w.vcpu, GMEM_CMD_WRITE, away, 1, KVM_MEMORY_EXIT_FLAG_PRIVATE);

	/* Once it is shared, it is one where there is no memory. */
	ASSERT_OK(convert(&w, 0, PAGES + 1, GMEM_SHARED));
	ASSERT_EQ(gmem_run(w.vcpu).exit, GMEM_EXIT_OTHER);
	ASSERT_EQ(w.vcpu->run->exit_reason, KVM_EXIT_MMIO);
	ASSERT_EQ(w.vcpu->run->mmio.phys_addr, away);
	gmem_resume(w.vcpu);
	assert_guest(&w, 1, 0);
}

static u64 pfn_of(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	u64 entry;

	TEST_ASSERT(pread(fd, &entry, sizeof(entry), (u64)addr / PG * sizeof(entry)) ==
		    sizeof(entry), "/proc/self/pagemap: %s", strerror(errno));
	close(fd);
	return entry & GENMASK_ULL(54, 0);
}

static void set_idle(int fd, u64 pfn)
{
	u64 bits = BIT_ULL(pfn % 64);

	TEST_ASSERT(pwrite(fd, &bits, sizeof(bits), pfn / 64 * sizeof(bits)) ==
		    sizeof(bits), IDLE ": %s", strerror(errno));
}

static bool is_idle(int fd, u64 pfn)
{
	u64 bits;

	TEST_ASSERT(pread(fd, &bits, sizeof(bits), pfn / 64 * sizeof(bits)) ==
		    sizeof(bits), IDLE ": %s", strerror(errno));
	return bits & BIT_ULL(pfn % 64);
}

/* Shared memory around private memory is aged: a huge page, by pages. */
GMEM_TEST(idle_pages)
{
	int idle = open(IDLE, O_RDWR);
	struct world w;
	u64 pfn;

	TEST_ASSERT(idle >= 0, IDLE ": %s", strerror(errno));
	w.vm = gmem_vm_create(GMEM_VM_PROTECTED, 1, gmem_guest_server, &w.vcpu);
	gmem_slot_add(&w.slot, w.vm, GMEM_SLOT_TWO, SLOT, GMEM_BASE, GMEM_HUGE);
	ASSERT_OK(madvise(w.slot.hva, GMEM_HUGE, MADV_HUGEPAGE));
	memset(w.slot.hva, 0x11, GMEM_HUGE);
	gmem_server_start(w.vcpu);
	ASSERT_OK(convert(&w, 100, 3, GMEM_PRIVATE));
	pfn = pfn_of(w.slot.hva);
	TEST_ASSERT(pfn && !(pfn % 512), "no huge page behind userspace_addr");

	/* The guest alone uses it: behind the private pages. */
	assert_guest(&w, 511, 0x11);
	set_idle(idle, pfn);
	TEST_ASSERT(is_idle(idle, pfn), "in use by nobody");
	assert_guest(&w, 511, 0x11);
	TEST_ASSERT(!is_idle(idle, pfn), "the guest's use does not count");

	/* What it does with private pages is not about the huge page. */
	set_idle(idle, pfn);
	assert_guest(&w, 101, 0);
	TEST_ASSERT(is_idle(idle, pfn), "private memory counts");
	close(idle);
}

GMEM_HARNESS_MAIN
