// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory and the memslots that KVM makes for itself: the APIC
 * access page, where the processor virtualises the APIC, and what real mode
 * needs without unrestricted guests.
 */
#define _GNU_SOURCE
#include "gmem_harness.h"
#include "gmem_knob.h"
#include "gmem_world.h"
#include "apic.h"

#define TSS		0xfffbd000ULL
#define IDENTITY_MAP	0xfffbc000ULL

static bool avic_is_on(void)
{
	static const char path[] = "/sys/module/kvm_amd/parameters/avic";
	char text[8];

	if (access(path, R_OK))
		return false;
	gmem_read_knob(path, text, sizeof(text));
	return text[0] == 'Y';
}

static bool apic_page_exists(int vm)
{
	u8 *memory = gmem_mmap_anon(PG);

	if (!__gmem_set_region2(vm, SLOT + 1, 0, APIC_DEFAULT_GPA, PG, memory, -1, 0)) {
		gmem_set_region2(vm, SLOT + 1, 0, APIC_DEFAULT_GPA, 0, NULL, -1, 0);
		return false;
	}
	ASSERT_EQ(errno, EEXIST);
	return true;
}

static struct world make_apic_world(void)
{
	struct world w = make_world(GMEM_SLOT_TWO);

	virt_map(w.vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA, 1);
	return w;
}

GMEM_TEST(vcpus)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm;

	vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 2, gmem_guest_server, vcpus);
	gmem_server_start(vcpus[0]);
	gmem_server_start(vcpus[1]);
	if (avic_is_on())
		TEST_ASSERT(apic_page_exists(vm->fd), "no APIC access page");
}

/* Before vCPUs, as VMMs for old processors do */
GMEM_TEST(addresses_of_real_mode)
{
	u64 map = IDENTITY_MAP;
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);

	ASSERT_OK(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &map));
	ASSERT_OK(ioctl(vm, KVM_SET_TSS_ADDR, TSS));
	ASSERT_OK(ioctl(vm, KVM_CREATE_IRQCHIP, 0));
	TEST_ASSERT(ioctl(vm, KVM_CREATE_VCPU, 0) >= 0, "KVM_CREATE_VCPU: %s",
		    strerror(errno));
}

static void set_apic_page(const struct world *w, u64 attrs)
{
	gmem_set_attrs(w->vm->fd, APIC_DEFAULT_GPA, PG, attrs);
}

/* Nothing backs it then, the page that KVM has there included. */
GMEM_TEST(private_apic_page)
{
	struct world w = make_apic_world();

	set_apic_page(&w, GMEM_PRIVATE);
	gmem_cmd_fault(w.vcpu, GMEM_CMD_READ, APIC_DEFAULT_GPA, 0, GMEM_PRIVATE);
	set_apic_page(&w, GMEM_SHARED);
	gmem_resume(w.vcpu);
	/* What the guest has mapped goes away. */
	set_apic_page(&w, GMEM_PRIVATE);
	gmem_cmd_fault(w.vcpu, GMEM_CMD_READ, APIC_DEFAULT_GPA, 0, GMEM_PRIVATE);
}

/* KVM keeps its own page under a private attribute. */
GMEM_TEST(vcpu_beside_a_private_apic_page)
{
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	unsigned long i;

	ASSERT_OK(ioctl(vm, KVM_CREATE_IRQCHIP, 0));
	gmem_set_attrs(vm, APIC_DEFAULT_GPA, PG, GMEM_PRIVATE);
	for (i = 0; i < 2; i++)
		TEST_ASSERT(ioctl(vm, KVM_CREATE_VCPU, i) >= 0, "KVM_CREATE_VCPU %lu: %s",
			    i, strerror(errno));
}

GMEM_HARNESS_MAIN
