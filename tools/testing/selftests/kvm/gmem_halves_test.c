// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: guest physical addresses with a bit that means private.
 */
#define _GNU_SOURCE
#include "gmem_harness.h"
#include "gmem_halves.h"

#define FLAG_PRIVATE	KVM_MEMORY_EXIT_FLAG_PRIVATE

#define TABLE		7	/* page with page tables of the guest's */
#define WALKED		BIT_ULL(45)	/* what they translate */

#define UNPAGED_SLOT	(SLOT + 1)
#define UNPAGED		0xd0000000ULL
#define UNPAGED_DATA	64	/* offset */

#define ENTRY_FLAGS	(PTE_PRESENT_MASK | PTE_WRITABLE_MASK)
#define PTE_PRESENT_MASK	BIT_ULL(0)
#define PTE_WRITABLE_MASK	BIT_ULL(1)

/* --- accesses ---------------------------------------------------------------- */

GMEM_TEST(two_addresses_of_a_page)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, false);

	fill_private(&s, AT, SECRET);
	assert_no_host(&s.w, AT);
	assert_asks_to_share(&s, AT);
	ASSERT_OK(share(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);
	sealed_fill(&s, AT, 0x77);
	assert_host(&s.w, AT, 0x77);

	assert_wants_private(&s, AT);
	ASSERT_OK(take_back(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), 0x77);
	assert_no_host(&s.w, AT);
}

/* Nothing is shared with contents unless the guest says so. */
GMEM_TEST(with_contents)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, true);

	fill_private(&s, AT, SECRET);
	sealed_convert(&s, GMEM_CMD_OFFER, AT, 1);
	assert_host(&s.w, AT, SECRET);
	assert_intact(&s, AT, SECRET);
}

GMEM_TEST(huge_shared_pages)
{
	struct sealed s;
	u64 before;

	need_private_bit();
	s = make_open_with(GMEM_SLOT_TWO, GMEM_HUGE, take_private_bit);
	ASSERT_OK(madvise(s.w.slot.hva, GMEM_HUGE, MADV_HUGEPAGE));
	memset(s.w.slot.hva, 0x77, GMEM_HUGE);
	ASSERT_OK(convert(&s.w, 0, GMEM_HUGE / PG, GMEM_SHARED));
	sealed_start(&s, false);
	before = gmem_vm_stat(s.w.vm, "pages_2m");
	ASSERT_EQ(sealed_do(&s, GMEM_CMD_READ, gpa(AT), 0), 0x77);
	ASSERT_EQ(gmem_vm_stat(s.w.vm, "pages_2m") - before, 1);
}

/* A device has an address without the bit. */
GMEM_TEST(device)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, true);
	struct gmem_run run;

	virt_map(s.w.vm, gpa(PAGES), gpa(PAGES), 1);
	map_in_private_half(&s, PAGES);
	run = sealed_cmd(&s, GMEM_CMD_WRITE, gpa(PAGES), 0x77);
	ASSERT_EQ(run.ret, 0);
	ASSERT_EQ(s.w.vcpu->run->exit_reason, KVM_EXIT_MMIO);
	ASSERT_EQ(s.w.vcpu->run->mmio.phys_addr, gpa(PAGES));
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);

	assert_half(&s, GMEM_CMD_WRITE, in_private_half(PAGES), SECRET, PAGES,
		    FLAG_PRIVATE);
	ASSERT_EQ(s.w.vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT);
}

GMEM_TEST(pre_fault)
{
	struct kvm_pre_fault_memory args = { .gpa = gpa(AT), .size = PG };
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, false);
	u64 before;

	/* From here on the guest uses no other memory than what it is about. */
	fill_private(&s, AT + 1, SECRET);
	assert_asks_to_share(&s, AT + 1);
	ASSERT_OK(share(&s, AT + 1));
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);
	before = gmem_vm_stat(s.w.vm, "pages_4k");

	ASSERT_OK(ioctl(s.w.vcpu->fd, KVM_PRE_FAULT_MEMORY, &args));
	ASSERT_EQ(gmem_vm_stat(s.w.vm, "pages_4k"), before + 1);
	fill_private(&s, AT, SECRET);
	ASSERT_EQ(gmem_vm_stat(s.w.vm, "pages_4k"), before + 1);
	assert_asks_to_share(&s, AT);
	ASSERT_OK(share(&s, AT));

	args = (struct kvm_pre_fault_memory) { .gpa = gpa(AT), .size = PG };
	ASSERT_OK(ioctl(s.w.vcpu->fd, KVM_PRE_FAULT_MEMORY, &args));
	ASSERT_EQ(gmem_vm_stat(s.w.vm, "pages_4k"), before + 1);
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);
	ASSERT_EQ(gmem_vm_stat(s.w.vm, "pages_4k"), before + 1);

	args = (struct kvm_pre_fault_memory) { .gpa = gpa(AT) | bit_of(&s), .size = PG };
	ASSERT_ERRNO(ioctl(s.w.vcpu->fd, KVM_PRE_FAULT_MEMORY, &args), ENOENT);
}

/* --- what is removed must be gone in both halves ----------------------------- */

GMEM_TEST(converted_in_both_halves)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, false);

	fill_private(&s, AT, SECRET);
	ASSERT_OK(share(&s, AT));
	assert_wants_private(&s, AT);
	ASSERT_OK(take_back(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);
	assert_asks_to_share(&s, AT);
}

GMEM_TEST(punched_in_both_halves)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, false);

	fill_private(&s, AT, SECRET);
	gmem_punch(s.w.slot.fd, AT * PG, PG);
	assert_private(&s, AT, 0);
}

GMEM_TEST(unbound_in_both_halves)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, false);

	fill_private(&s, AT, SECRET);
	gmem_slot_delete(&s.w.slot, s.w.vm->fd);
	assert_wants_private(&s, AT);
	bind_again(&s.w);
	ASSERT_EQ(sealed_resume_on(&s, 0), SECRET);
}

GMEM_TEST(closed_in_both_halves)
{
	struct sealed s = start_halves(GMEM_SLOT_TWO, false);

	fill_private(&s, AT, SECRET);
	close(s.w.slot.fd);
	assert_wants_private(&s, AT);
}

/* --- page walks and guests without paging ------------------------------------ */

struct table {
	u64 at;		/* gva of the page */
	u64 entry;	/* for WALKED */
};

static struct table guest_table;

static u64 guest_writes_table(u64 unused)
{
	WRITE_ONCE(*(u64 *)guest_table.at, guest_table.entry);
	return 0;
}

/* An entry of page tables: private memory */
static u64 entry_of(struct sealed *s, unsigned int page)
{
	return gpa(page) | bit_of(s) | ENTRY_FLAGS;
}

static void use_table(struct sealed *s, u64 bit)
{
	virt_map(s->w.vm, WALKED, gpa(AT), 1);
	*guest_entry(s, WALKED, 2) = gpa(TABLE) | bit | ENTRY_FLAGS;
}

/* Private page tables, linked without the bit, have led from WALKED to SECRET. */
static struct sealed start_walked(enum gmem_kind kind, bool seal)
{
	struct sealed s = start_halves(kind, seal);
	struct table *table = addr_gva2hva(s.w.vm, (vm_vaddr_t)&guest_table);

	fill_private(&s, AT, SECRET);
	*table = (struct table) {
		.at = in_private_half(TABLE), .entry = entry_of(&s, AT),
	};
	guest_asks(&s, guest_writes_table, 0);
	use_table(&s, 0);
	ASSERT_EQ(sealed_do(&s, GMEM_CMD_READ, WALKED, 0), SECRET);
	return s;
}

/* Page tables that the VMM has written, linked with the bit */
static struct sealed start_forged(void)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, false);

	fill_private(&s, AT, SECRET);
	ASSERT_OK(share(&s, TABLE));
	*(u64 *)host(&s.w, TABLE) = entry_of(&s, AT);
	use_table(&s, bit_of(&s));
	return s;
}

/* The tables of a boot loader are private, and their addresses have no bit. */
GMEM_TEST(private_tables)
{
	struct sealed s = start_walked(GMEM_SLOT_INPLACE, true);
	struct gmem_run run;

	run = sealed_cmd(&s, GMEM_CMD_OUTS, WALKED, 1);
	ASSERT_EQ(run.ret, 0);
	ASSERT_EQ(s.w.vcpu->run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(sealed_output(&s, 0), SECRET);
}

/* Once they are mapped for the walk, a conversion must remove them there. */
GMEM_TEST(tables_are_converted)
{
	struct sealed s = start_walked(GMEM_SLOT_TWO, false);

	fill_private(&s, AT + 1, EVIL);
	*(u64 *)host(&s.w, TABLE) = entry_of(&s, AT + 1);
	ASSERT_OK(share(&s, TABLE));
	ASSERT_EQ(sealed_do(&s, GMEM_CMD_READ, WALKED, 0), EVIL);
}

/* Tables whose addresses have the bit are not for the VMM to write. */
GMEM_TEST(tables_are_not_the_vmms)
{
	struct sealed s = start_forged();

	assert_half(&s, GMEM_CMD_READ, WALKED, 0, TABLE, FLAG_PRIVATE);
}

GMEM_TEST(emulator_walks_by_the_rule)
{
	struct sealed s = start_forged();

	assert_half(&s, GMEM_CMD_OUTS, WALKED, 1, TABLE, FLAG_PRIVATE);
}

/* 32-bit code without paging: outl the byte at UNPAGED_DATA. */
static const u8 unpaged_code[] = {
	0xa0, UNPAGED_DATA, 0x00, 0x00, 0xd0,		/* mov UNPAGED_DATA, %al */
	0x66, 0xba, 0xd0, 0x06,				/* mov $0x6d0, %dx */
	0xee,						/* out %al, %dx */
};

static u64 guest_writes_code(u64 gva)
{
	unsigned int i;

	for (i = 0; i < sizeof(unpaged_code); i++)
		guest_write8(gva + i, unpaged_code[i]);
	guest_write8(gva + UNPAGED_DATA, SECRET);
	return 0;
}

static void start_unpaged(struct kvm_vcpu *vcpu)
{
	struct kvm_segment flat = {
		.limit = 0xffffffff, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_regs regs = { .rip = UNPAGED, .rflags = 2 };
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	flat.selector = 0x10;
	flat.type = 3;
	sregs.ds = flat;
	sregs.es = flat;
	sregs.ss = flat;
	flat.selector = 0x8;
	flat.type = 11;
	sregs.cs = flat;
	sregs.cr0 = 0x11;
	sregs.cr4 = 0;
	sregs.efer = 0;
	vcpu_sregs_set(vcpu, &sregs);
	vcpu_regs_set(vcpu, &regs);
}

/* Whoever runs without paging has no way to set the bit. */
GMEM_TEST(without_paging)
{
	struct sealed s = make_halves(GMEM_SLOT_INPLACE);
	struct gmem_slot low;
	struct gmem_run run;

	gmem_slot_init(&low, s.w.vm->fd, GMEM_SLOT_INPLACE, UNPAGED_SLOT, UNPAGED, PG);
	gmem_set_attrs(s.w.vm->fd, UNPAGED, PG, GMEM_PRIVATE);
	virt_map(s.w.vm, UNPAGED, UNPAGED, 1);
	*guest_entry(&s, UNPAGED, 1) |= bit_of(&s);
	sealed_start(&s, false);
	guest_asks(&s, guest_writes_code, UNPAGED);

	start_unpaged(s.vcpus[1]);
	run = sealed_run(&s, 1);
	ASSERT_EQ(run.exit, GMEM_EXIT_SYNC);
	ASSERT_EQ(sealed_output(&s, 1), SECRET);

	/* What maps it there maps it there no longer. */
	ASSERT_OK(__gmem_set_attrs(s.w.vm->fd, UNPAGED, PG, GMEM_SHARED));
	memcpy(low.hva, unpaged_code, sizeof(unpaged_code));
	low.hva[UNPAGED_DATA] = EVIL;
	start_unpaged(s.vcpus[1]);
	ASSERT_EQ(sealed_run(&s, 1).exit, GMEM_EXIT_SYNC);
	ASSERT_EQ(sealed_output(&s, 1), EVIL);
}

/* --- the emulator ------------------------------------------------------------ */

GMEM_TEST(emulator_reads_by_the_rule)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, false);

	ASSERT_OK(share(&s, AT));
	memset(host(&s.w, AT), EVIL, PG);
	assert_half(&s, GMEM_CMD_OUTS, in_private_half(AT), 4, AT, FLAG_PRIVATE);
	ASSERT_OK(take_back(&s, AT));
	ASSERT_EQ(sealed_run(&s, 0).exit, GMEM_EXIT_OTHER);
	ASSERT_EQ(s.w.vcpu->run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(sealed_output(&s, 0), EVIL);
}

GMEM_TEST(emulator_asks_to_share)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, true);

	fill_private(&s, AT, SECRET);
	assert_half(&s, GMEM_CMD_OUTS, gpa(AT), 4, AT, 0);
	ASSERT_OK(share(&s, AT));
	ASSERT_EQ(sealed_run(&s, 0).exit, GMEM_EXIT_OTHER);
	ASSERT_EQ(s.w.vcpu->run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(sealed_output(&s, 0), 0);
}

GMEM_TEST(emulator_writes_by_the_rule)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, false);
	struct gmem_run run;

	ASSERT_OK(share(&s, AT));
	run = sealed_cmd(&s, GMEM_CMD_INS, in_private_half(AT), 1);
	if (run.exit == GMEM_EXIT_OTHER &&
	    s.w.vcpu->run->exit_reason == KVM_EXIT_IO)
		run = sealed_run(&s, 0);
	check_half(&s, &run, AT, FLAG_PRIVATE, EFAULT);
	assert_host(&s.w, AT, 0);
}

/* --- the guest's view -------------------------------------------------------- */

/* What the guest accesses without the bit it has given up. */
GMEM_TEST(access_is_a_request)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, true);

	fill_private(&s, AT, SECRET);
	assert_asks_to_share(&s, AT);
	ASSERT_OK(share(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);
	assert_host(&s.w, AT, 0);

	assert_wants_private(&s, AT);
	ASSERT_OK(take_back(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);
	fill_private(&s, AT, SECRET);
	assert_private(&s, AT, SECRET);
}

/* The same of a page that the VMM has shared unasked before */
GMEM_TEST(access_accepts_a_loss)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, true);

	fill_private(&s, AT, SECRET);
	ASSERT_OK(share(&s, AT));
	assert_asks_to_share(&s, AT);
	ASSERT_OK(share(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);
	sealed_fill(&s, AT, 0x77);
	assert_host(&s.w, AT, 0x77);
}

GMEM_TEST(emulated_access_accepts_a_loss)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, true);

	fill_private(&s, AT, SECRET);
	ASSERT_OK(share(&s, AT));
	assert_half(&s, GMEM_CMD_OUTS, gpa(AT), 1, AT, 0);
	ASSERT_OK(share(&s, AT));
	ASSERT_EQ(sealed_run(&s, 0).exit, GMEM_EXIT_OTHER);
	ASSERT_EQ(s.w.vcpu->run->exit_reason, KVM_EXIT_IO);
}

static void assert_lost(struct sealed *s, unsigned int page)
{
	struct gmem_run run = sealed_cmd(s, GMEM_CMD_READ, in_private_half(page), 0);

	check_half(s, &run, page, FLAG_PRIVATE, EHWPOISON);
}

/* With the bit, the guest takes nothing that is not its own. */
GMEM_TEST(there_and_back)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, true);

	fill_private(&s, AT, SECRET);
	ASSERT_OK(share(&s, AT));
	assert_wants_private(&s, AT);
	ASSERT_OK(take_back(&s, AT));
	assert_lost(&s, AT);
}

GMEM_TEST(pre_fault_of_a_lost_page)
{
	struct kvm_pre_fault_memory args = { .gpa = gpa(AT), .size = PG };
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, true);

	fill_private(&s, AT, SECRET);
	ASSERT_OK(share(&s, AT));
	ASSERT_ERRNO(ioctl(s.w.vcpu->fd, KVM_PRE_FAULT_MEMORY, &args), EFAULT);
}

/* A page is given up once: when the guest goes on, the VMM may not do it again. */
GMEM_TEST(request_ends)
{
	struct sealed s = start_halves(GMEM_SLOT_INPLACE, true);

	fill_private(&s, AT, SECRET);
	assert_asks_to_share(&s, AT);
	ASSERT_OK(share(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);
	assert_wants_private(&s, AT);
	ASSERT_OK(take_back(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);

	fill_private(&s, AT, SECRET);
	ASSERT_OK(share(&s, AT));
	ASSERT_OK(take_back(&s, AT));
	assert_lost(&s, AT);
}

/* KVM's walk for the emulator ends like the processor's, not in a fault of the guest. */
GMEM_TEST(emulated_walk_finds_nothing)
{
	struct sealed s = start_walked(GMEM_SLOT_TWO, true);
	struct gmem_run run;

	ASSERT_OK(share(&s, TABLE));
	run = sealed_cmd(&s, GMEM_CMD_OUTS, WALKED, 1);
	check_half(&s, &run, TABLE, FLAG_PRIVATE, EFAULT);
	ASSERT_OK(take_back(&s, TABLE));
	ASSERT_EQ(sealed_run(&s, 0).exit, GMEM_EXIT_OTHER);
	ASSERT_EQ(s.w.vcpu->run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(sealed_output(&s, 0), SECRET);
}

/* Nor does a page walk or a pre-fault give up anything. */
GMEM_TEST(walk_is_no_request)
{
	struct sealed s = start_walked(GMEM_SLOT_INPLACE, true);
	struct gmem_run run;

	ASSERT_OK(share(&s, TABLE));
	run = sealed_cmd(&s, GMEM_CMD_READ, WALKED, 0);
	check_half(&s, &run, TABLE, FLAG_PRIVATE, EHWPOISON);
}

GMEM_HARNESS_MAIN
