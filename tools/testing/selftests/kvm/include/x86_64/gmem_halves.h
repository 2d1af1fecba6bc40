/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMs whose guest physical addresses have a private bit: each page of the slot is mapped
 * twice in the guest, at gpa() without the bit and at in_private_half() with it.
 */
#ifndef SELFTEST_KVM_X86_GMEM_HALVES_H
#define SELFTEST_KVM_X86_GMEM_HALVES_H

#include "gmem_sealed.h"

#define HALVES_OFFSET	BIT_ULL(44)	/* of guest virtual addresses */
#define HALVES_ENTRIES	256

static inline u64 in_private_half(unsigned int page)
{
	return gpa(page) + HALVES_OFFSET;
}

static inline int __set_private_bit(int vm_fd, u64 bit)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_GMEM_PRIVATE_BIT,
		.args[0] = bit,
	};

	return ioctl(vm_fd, KVM_ENABLE_CAP, &cap);
}

static inline unsigned int private_bit(struct kvm_vm *vm)
{
	return gmem_check_cap(vm->fd, KVM_CAP_GMEM_PRIVATE_BIT);
}

static inline void need_private_bit(void)
{
	int fd = gmem_vm_open(GMEM_VM_PROTECTED);
	bool has_one = gmem_check_cap(fd, KVM_CAP_GMEM_PRIVATE_BIT);

	close(fd);
	if (!has_one)
		gmem_skip("not an AMD processor");
}

static inline void take_private_bit(struct kvm_vm *vm)
{
	ASSERT_OK(__set_private_bit(vm->fd, private_bit(vm)));
}

/* What KVM reports, and the leaves that say how long addresses are and which is the bit */
static inline struct kvm_cpuid2 *halves_cpuid(void)
{
	const struct kvm_cpuid2 *supported = kvm_get_supported_cpuid();
	struct kvm_cpuid2 *cpuid;
	struct kvm_cpuid_entry2 *e;
	bool has_leaf = false;

	cpuid = calloc(1, sizeof(*cpuid) + HALVES_ENTRIES * sizeof(*e));
	TEST_ASSERT(cpuid && supported->nent < HALVES_ENTRIES, "no memory");
	memcpy(cpuid, supported, sizeof(*cpuid) + supported->nent * sizeof(*e));

	for (e = cpuid->entries; e < cpuid->entries + cpuid->nent; e++) {
		if (e->function == 0x80000000 && e->eax < 0x8000001f)
			e->eax = 0x8000001f;
		if (e->function == 0x80000001)
			e->ecx &= ~BIT(2);	/* SVM */
		has_leaf |= e->function == 0x8000001f;
	}
	if (!has_leaf)
		cpuid->entries[cpuid->nent++] =
			(struct kvm_cpuid_entry2) { .function = 0x8000001f };
	return cpuid;
}

static inline u64 *halves_entry(struct kvm_vm *vm, u64 cr3, u64 gva, int level)
{
	u64 table = cr3 & GENMASK_ULL(38, 12);
	u64 *entry;
	int i;

	for (i = 4;; i--) {
		entry = (u64 *)addr_gpa2hva(vm, table) +
			((gva >> (12 + 9 * (i - 1))) & 511);
		if (i == level)
			return entry;
		table = *entry & GENMASK_ULL(38, 12);
	}
}

/* The entry of a level that translates @gva; 1 is the last. */
static inline u64 *guest_entry(struct sealed *s, u64 gva, int level)
{
	return halves_entry(s->w.vm, s->w.vm->pgd, gva, level);
}

static inline u64 bit_of(struct sealed *s)
{
	return BIT_ULL(private_bit(s->w.vm));
}

static inline void map_in_private_half(struct sealed *s, unsigned int page)
{
	virt_map(s->w.vm, in_private_half(page), gpa(page), 1);
	*guest_entry(s, in_private_half(page), 1) |= bit_of(s);
}

/* All pages of the slot are private; the vCPUs have not run. */
static inline struct sealed make_halves(enum gmem_kind kind)
{
	struct kvm_cpuid2 *cpuid;
	struct sealed s;
	unsigned int i;

	need_private_bit();
	s = make_open_with(kind, PAGES * PG, take_private_bit);
	cpuid = halves_cpuid();
	for (i = 0; i < MAX_VCPUS; i++)
		ASSERT_OK(ioctl(s.vcpus[i]->fd, KVM_SET_CPUID2, cpuid));
	free(cpuid);
	for (i = 0; i < PAGES; i++)
		map_in_private_half(&s, i);
	return s;
}

static inline struct sealed start_halves(enum gmem_kind kind, bool seal)
{
	struct sealed s = make_halves(kind);

	sealed_start(&s, seal);
	return s;
}

/* What a function of the guest's returns */
static inline u64 guest_asks(struct sealed *s, u64 (*what)(u64), u64 arg)
{
	return sealed_do(s, GMEM_CMD_CALL, (uintptr_t)what, arg);
}

/* An exit for a page of the slot: the half of the address that the guest used */
static inline void check_half(struct sealed *s, const struct gmem_run *run,
			      unsigned int page, u64 flags, int err)
{
	struct kvm_run *r = s->vcpus[0]->run;

	if (run->exit != GMEM_EXIT_FAULT || run->err != err ||
	    r->memory_fault.flags != flags || r->memory_fault.gpa != gpa(page) ||
	    r->memory_fault.size != PG) {
		gmem_describe_run(s->vcpus[0], run);
		TEST_FAIL("no exit for page %u with flags %#lx", page, flags);
	}
}

static inline void assert_half(struct sealed *s, enum gmem_cmd_op op, u64 gva, u64 b,
			       unsigned int page, u64 flags)
{
	struct gmem_run run = sealed_cmd(s, op, gva, b);

	check_half(s, &run, page, flags, EFAULT);
}

/* Without the bit, of private memory */
static inline void assert_asks_to_share(struct sealed *s, unsigned int page)
{
	assert_half(s, GMEM_CMD_READ, gpa(page), 0, page, 0);
}

/* With the bit, of shared memory */
static inline void assert_wants_private(struct sealed *s, unsigned int page)
{
	assert_half(s, GMEM_CMD_READ, in_private_half(page), 0, page,
		    KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

static inline void fill_private(struct sealed *s, unsigned int page, u8 value)
{
	sealed_do(s, GMEM_CMD_FILL, in_private_half(page), value);
}

static inline void assert_private(struct sealed *s, unsigned int page, u8 value)
{
	ASSERT_EQ(sealed_do(s, GMEM_CMD_IS, in_private_half(page), value), 1);
}

#endif /* SELFTEST_KVM_X86_GMEM_HALVES_H */
