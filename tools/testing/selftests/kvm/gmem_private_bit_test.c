// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: how a VM gets a private bit, and what its guest is told of it.
 */
#define _GNU_SOURCE
#include "gmem_harness.h"
#include "gmem_halves.h"

/* --- the capability ---------------------------------------------------------- */

GMEM_TEST(capability)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_GMEM_PRIVATE_BIT };
	int fd, max;

	need_private_bit();
	fd = gmem_vm_open(GMEM_VM_PROTECTED);
	max = gmem_check_cap(fd, KVM_CAP_GMEM_PRIVATE_BIT);
	TEST_ASSERT(max >= 32 && max < 48, "the highest bit is %d", max);

	ASSERT_ERRNO(__set_private_bit(fd, 0), EINVAL);
	ASSERT_ERRNO(__set_private_bit(fd, 31), EINVAL);
	ASSERT_ERRNO(__set_private_bit(fd, max + 1), EINVAL);
	ASSERT_ERRNO(__set_private_bit(fd, (1ULL << 32) + max), EINVAL);
	cap.args[0] = max;
	cap.args[3] = 1;
	ASSERT_ERRNO(ioctl(fd, KVM_ENABLE_CAP, &cap), EINVAL);
	cap.args[3] = 0;
	cap.flags = 1;
	ASSERT_ERRNO(ioctl(fd, KVM_ENABLE_CAP, &cap), EINVAL);

	ASSERT_OK(__set_private_bit(fd, max));
	ASSERT_ERRNO(__set_private_bit(fd, max), EBUSY);
}

GMEM_TEST(ordinary_vm)
{
	int fd = gmem_vm_open(GMEM_VM_DEFAULT);

	ASSERT_EQ(gmem_check_cap(fd, KVM_CAP_GMEM_PRIVATE_BIT), 0);
	ASSERT_ERRNO(__set_private_bit(fd, 39), EINVAL);
}

GMEM_TEST(too_late)
{
	int fd;

	need_private_bit();
	fd = gmem_vm_open(GMEM_VM_PROTECTED);
	gmem_set_region2(fd, 0, 0, 0, PG, gmem_mmap_anon(PG), -1, 0);
	ASSERT_ERRNO(__set_private_bit(fd, 36), EBUSY);
	gmem_set_region2(fd, 0, 0, 0, 0, NULL, -1, 0);
	TEST_ASSERT(ioctl(fd, KVM_CREATE_VCPU, 0) >= 0, "KVM_CREATE_VCPU");
	ASSERT_ERRNO(__set_private_bit(fd, 36), EBUSY);
}

GMEM_TEST(memory_above_the_bit)
{
	int fd;

	need_private_bit();
	fd = gmem_vm_open(GMEM_VM_PROTECTED);
	ASSERT_OK(__set_private_bit(fd, 36));
	ASSERT_ERRNO(__gmem_set_region2(fd, 0, 0, 1ULL << 36, PG, gmem_mmap_anon(PG),
					-1, 0), EINVAL);
	ASSERT_ERRNO(__gmem_set_region2(fd, 0, 0, (1ULL << 36) - PG, 2 * PG,
					gmem_mmap_anon(2 * PG), -1, 0), EINVAL);
	gmem_set_region2(fd, 0, 0, (1ULL << 36) - PG, PG, gmem_mmap_anon(PG), -1, 0);
}

/* --- what the guest is told -------------------------------------------------- */

static u64 guest_cpuid(u64 leaf_and_register)
{
	u32 regs[4];

	__cpuid(leaf_and_register >> 2, 0, &regs[0], &regs[1], &regs[2], &regs[3]);
	return regs[leaf_and_register & 3];
}

static u64 guest_rdmsr(u64 nr)
{
	return rdmsr(nr);
}

GMEM_TEST(cpuid_and_msr)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, true);
	unsigned int bit = private_bit(s.w.vm);

	ASSERT_EQ(guest_asks(&s, guest_cpuid, 0x8000001fULL << 2), BIT(1) | BIT(10));
	ASSERT_EQ(guest_asks(&s, guest_cpuid, 0x8000001fULL << 2 | 1), bit | 1 << 6);
	ASSERT_EQ(guest_asks(&s, guest_cpuid, 0x8000001fULL << 2 | 2), 0);
	ASSERT_EQ(guest_asks(&s, guest_cpuid, 0x8000001fULL << 2 | 3), 0);
	ASSERT_EQ(guest_asks(&s, guest_cpuid, 0x80000001ULL << 2 | 2) & BIT(2), 0);
	ASSERT_EQ(guest_asks(&s, guest_rdmsr, 0xc0010131), 1);
	sealed_do(&s, GMEM_CMD_WRMSR, MSR_KVM_MIGRATION_CONTROL, KVM_MIGRATION_READY);
	ASSERT_EQ(guest_asks(&s, guest_rdmsr, MSR_KVM_MIGRATION_CONTROL), 0);
}

/* A VMM that lies of the bit */
GMEM_TEST(cpuid_is_not_the_vmms)
{
	struct sealed s = make_halves(GMEM_SLOT_INPLACE);
	struct kvm_cpuid2 *cpuid = halves_cpuid();
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == 0x8000001f)
			cpuid->entries[i].ebx = 35;
		if (cpuid->entries[i].function == 0x80000001)
			cpuid->entries[i].ecx |= BIT(2);	/* SVM */
	}
	ASSERT_OK(ioctl(s.w.vcpu->fd, KVM_SET_CPUID2, cpuid));
	sealed_start(&s, false);
	ASSERT_EQ(guest_asks(&s, guest_cpuid, 0x8000001fULL << 2 | 1) & 63,
		  private_bit(s.w.vm));
	ASSERT_EQ(guest_asks(&s, guest_cpuid, 0x80000001ULL << 2 | 2) & BIT(2), 0);
}

GMEM_TEST(addresses_too_short)
{
	struct sealed s = make_halves(GMEM_SLOT_INPLACE);
	struct kvm_cpuid2 *cpuid = halves_cpuid();
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == 0x80000008)
			cpuid->entries[i].eax = private_bit(s.w.vm);
	}
	ASSERT_ERRNO(ioctl(s.w.vcpu->fd, KVM_SET_CPUID2, cpuid), EINVAL);
	cpuid->nent = 0;
	ASSERT_ERRNO(ioctl(s.w.vcpu->fd, KVM_SET_CPUID2, cpuid), EINVAL);
}

static int set_msr(struct kvm_vcpu *vcpu, u32 index, u64 data)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head.nmsrs = 1,
		.entry = { .index = index, .data = data },
	};

	return ioctl(vcpu->fd, KVM_SET_MSRS, &msrs);
}

GMEM_TEST(no_nested_guests)
{
	struct sealed s = make_halves(GMEM_SLOT_INPLACE);
	struct kvm_sregs sregs;

	vcpu_sregs_get(s.w.vcpu, &sregs);
	ASSERT_EQ(set_msr(s.w.vcpu, MSR_EFER, sregs.efer), 1);
	ASSERT_EQ(set_msr(s.w.vcpu, MSR_EFER, sregs.efer | EFER_SVME), 0);
	sregs.efer |= EFER_SVME;
	ASSERT_ERRNO(_vcpu_sregs_set(s.w.vcpu, &sregs), EINVAL);
}

GMEM_TEST(no_msr_without_a_bit)
{
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);

	ASSERT_EQ(set_msr(s.w.vcpu, MSR_KVM_MIGRATION_CONTROL, 1), 0);
	ASSERT_EQ(set_msr(s.w.vcpu, MSR_KVM_WALL_CLOCK_NEW, 0), 1);
}

GMEM_TEST(translate)
{
	struct kvm_translation tr = { .linear_address = (uintptr_t)guest_cpuid };
	struct sealed s = make_halves(GMEM_SLOT_INPLACE);

	ASSERT_ERRNO(ioctl(s.w.vcpu->fd, KVM_TRANSLATE, &tr), EINVAL);
}

/* --- the launch digest ------------------------------------------------------- */

/* The same CPUID, which a VMM may leave without the leaf of the bit. */
static void seal_without_leaf(void (*prepare)(struct kvm_vm *vm), u8 *digest)
{
	struct sealed s = make_open_with(GMEM_SLOT_INPLACE, PAGES * PG, prepare);
	struct kvm_cpuid2 *cpuid = halves_cpuid();
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == 0x8000001f)
			cpuid->entries[i] = cpuid->entries[--cpuid->nent];
	}
	for (i = 0; i < MAX_VCPUS; i++)
		ASSERT_OK(ioctl(s.vcpus[i]->fd, KVM_SET_CPUID2, cpuid));
	free(cpuid);
	ASSERT_OK(__gmem_seal(s.w.vm->fd, digest));
	kvm_vm_free(s.w.vm);
}

GMEM_TEST(digest_knows_the_bit)
{
	u8 with[KVM_LAUNCH_DIGEST_SIZE], without[KVM_LAUNCH_DIGEST_SIZE];

	need_private_bit();
	seal_without_leaf(take_private_bit, with);
	seal_without_leaf(NULL, without);
	TEST_ASSERT(memcmp(with, without, sizeof(with)), "the same digest");
	seal_without_leaf(take_private_bit, without);
	TEST_ASSERT(!memcmp(with, without, sizeof(with)), "two digests");
}

GMEM_HARNESS_MAIN
