// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory where the TDP MMU is off (kvm.tdp_mmu=0, kvm_amd.npt=0
 * or kvm_intel.ept=0): no protected VMs, but guest_memfd slots of ordinary VMs
 * work with the shadow MMU.
 */
#define _GNU_SOURCE

#include "gmem_harness.h"
#include "gmem_world.h"

static bool param_is_off(const char *path)
{
	int fd = open(path, O_RDONLY);
	char c = 'Y';

	if (fd < 0)
		return false;
	TEST_ASSERT(read(fd, &c, 1) == 1, "reading %s", path);
	close(fd);
	return c == 'N' || c == '0';
}

static bool two_dimensional(void)
{
	return !param_is_off("/sys/module/kvm_amd/parameters/npt") &&
	       !param_is_off("/sys/module/kvm_intel/parameters/ept");
}

static void require_no_tdp_mmu(void)
{
	TEST_ASSERT(param_is_off("/sys/module/kvm/parameters/tdp_mmu") ||
		    !two_dimensional(), "the TDP MMU is on: load kvm with tdp_mmu=0");
}

GMEM_TEST(no_protected_vm)
{
	int kvm_fd = open_kvm_dev_path_or_exit();

	require_no_tdp_mmu();
	ASSERT_EQ(gmem_check_cap(kvm_fd, KVM_CAP_VM_TYPES), 1);
	ASSERT_ERRNO(ioctl(kvm_fd, KVM_CREATE_VM, KVM_X86_SW_PROTECTED_VM), EINVAL);
	close(gmem_vm_open(KVM_X86_DEFAULT_VM));
}

GMEM_TEST(prefault_needs_two_dimensional_paging)
{
	struct kvm_pre_fault_memory args = { .size = PG };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = gmem_vm_create(KVM_X86_DEFAULT_VM, 1, gmem_guest_server, &vcpu);

	require_no_tdp_mmu();
	ASSERT_EQ(gmem_check_cap(vm->fd, KVM_CAP_PRE_FAULT_MEMORY), two_dimensional());
	if (two_dimensional())
		ASSERT_OK(ioctl(vcpu->fd, KVM_PRE_FAULT_MEMORY, &args));
	else
		ASSERT_ERRNO(ioctl(vcpu->fd, KVM_PRE_FAULT_MEMORY, &args), EOPNOTSUPP);
}

GMEM_TEST(slots_of_a_default_vm)
{
	struct world w;
	unsigned int i;

	require_no_tdp_mmu();
	w.vm = gmem_vm_create(KVM_X86_DEFAULT_VM, 1, gmem_guest_server, &w.vcpu);
	gmem_slot_add(&w.slot, w.vm, GMEM_SLOT_INPLACE, SLOT, GMEM_BASE, PAGES * PG);
	gmem_server_start(w.vcpu);
	memset(host(&w, 0), 0x11, PAGES * PG);
	for (i = 0; i < PAGES; i++) {
		assert_guest(&w, i, 0x11);
		guest_fills(&w, i, 0x20 + i);
		assert_host(&w, i, 0x20 + i);
	}
	gmem_punch(w.slot.fd, 4 * PG, 4 * PG);
	assert_guest(&w, 3, 0x23);
	assert_guest(&w, 4, 0);
	assert_guest(&w, 7, 0);
	assert_guest(&w, 8, 0x28);
	ASSERT_OK(close(w.slot.fd));
	ASSERT_OK(munmap(w.slot.hva, PAGES * PG));
	gmem_cmd_fault(w.vcpu, GMEM_CMD_READ, gpa(3), 0, 0);
}

GMEM_HARNESS_MAIN
