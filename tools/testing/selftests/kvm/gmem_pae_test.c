// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 32-bit guest with PAE paging whose code, page tables and data are private: KVM
 * loads the four entries of the first level when the guest turns paging on, and
 * again when it translates an address itself.
 */
#define _GNU_SOURCE

#include "gmem_harness.h"
#include "gmem_world.h"

#define BASE		0x10000000U	/* guest physical, of the slot */
#define ALIAS		0x40000000U	/* linear, in the second GiB */
#define BYTES		8		/* that the guest prints of a page */
#define ENTRY_P		0x1ULL		/* all that an entry of the first level may have */
#define ENTRY_RW	0x3ULL
#define ENTRY_LARGE	0x83ULL

/* Pages of the slot.  There are two sets of tables, for two address spaces. */
enum pae_page {
	CODE,
	LOW,			/* maps the slot where it is, in both */
	FIRST,			/* first level */
	SECOND = FIRST + 2,
	THIRD = SECOND + 2,
	DATA = THIRD + 2,
};

/*
 * %esi: page tables.  The first byte at %edi goes to the host by a register, then
 * %ecx bytes by a string instruction.
 */
static const u8 pae_code[] = {
	0x0f, 0x22, 0xde,			/* mov %esi,%cr3 */
	0x0f, 0x20, 0xe0,			/* mov %cr4,%eax */
	0x83, 0xc8, 0x20,			/* or $0x20,%eax */
	0x0f, 0x22, 0xe0,			/* mov %eax,%cr4 */
	0x0f, 0x20, 0xc0,			/* mov %cr0,%eax */
	0x0d, 0x00, 0x00, 0x00, 0x80,		/* or $0x80000000,%eax */
	0x0f, 0x22, 0xc0,			/* mov %eax,%cr0 */
	0x0f, 0xb6, 0x1f,			/* movzbl (%edi),%ebx */
	0xba, 0xd0, 0x06, 0x00, 0x00,		/* mov $0x6d0,%edx */
	0xef,					/* out %eax,(%dx) */
	0xba, 0xd3, 0x06, 0x00, 0x00,		/* mov $0x6d3,%edx */
	0x89, 0xfe,				/* mov %edi,%esi */
	0xfc,					/* cld */
	0xf3, 0x6e,				/* rep outsb (%esi),(%dx) */
	0xf4,					/* hlt */
};

static u64 pa(unsigned int page)
{
	return BASE + page * PG;
}

static u64 *table(const struct world *w, unsigned int page)
{
	return (u64 *)host(w, page);
}

/* Address space @n maps ALIAS to page DATA + @n. */
static void map_alias(const struct world *w, unsigned int n)
{
	table(w, FIRST + n)[0] = pa(LOW) | ENTRY_P;
	table(w, FIRST + n)[1] = pa(SECOND + n) | ENTRY_P;
	table(w, SECOND + n)[0] = pa(THIRD + n) | ENTRY_RW;
	table(w, THIRD + n)[0] = pa(DATA + n) | ENTRY_RW;
	memset(host(w, DATA + n), 0x50 + n, PG);
}

static void set_flat_32bit(struct kvm_vcpu *vcpu)
{
	struct kvm_segment code = {
		.limit = -1U, .selector = 0x8, .type = 0xb, .present = 1, .db = 1, .s = 1, .g = 1,
	}, data = code;
	struct kvm_sregs sregs;

	data.selector = 0x10;
	data.type = 0x3;
	vcpu_sregs_get(vcpu, &sregs);
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.ss = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE;
	sregs.cr3 = 0;
	sregs.cr4 = 0;
	sregs.efer = 0;
	vcpu_sregs_set(vcpu, &sregs);
}

static struct world make_pae_guest(void)
{
	struct kvm_regs regs = {
		.rip = pa(CODE), .rflags = 0x2, .rsi = pa(FIRST),
		.rdi = ALIAS, .rcx = BYTES,
	};
	struct world w;
	unsigned int n;

	w.vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 1, gmem_guest_server, &w.vcpu);
	gmem_slot_init(&w.slot, w.vm->fd, GMEM_SLOT_INPLACE, SLOT, BASE, PAGES * PG);
	memcpy(host(&w, CODE), pae_code, sizeof(pae_code));
	table(&w, LOW)[BASE >> 21] = BASE | ENTRY_LARGE;
	for (n = 0; n < 2; n++)
		map_alias(&w, n);
	gmem_set_attrs(w.vm->fd, BASE, PAGES * PG, GMEM_PRIVATE);
	for (n = 0; n < PAGES; n++)
		assert_no_host(&w, n);
	set_flat_32bit(w.vcpu);
	vcpu_regs_set(w.vcpu, &regs);
	return w;
}

/* The guest prints BYTES bytes, in as many exits as KVM likes. */
static void assert_prints(struct kvm_vcpu *vcpu, u8 byte)
{
	struct kvm_run *run = vcpu->run;
	unsigned int seen, i;
	u8 *data;

	for (seen = 0; seen < BYTES; seen += run->io.count) {
		ASSERT_OK(_vcpu_run(vcpu));
		ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
		ASSERT_EQ(run->io.port, GMEM_GUEST_STRING);
		ASSERT_EQ(run->io.size, 1);
		data = (u8 *)run + run->io.data_offset;
		for (i = 0; i < run->io.count; i++)
			TEST_ASSERT(data[i] == byte, "the guest printed %#x, not %#x", data[i],
				    byte);
	}
	ASSERT_EQ(seen, BYTES);
}

GMEM_TEST(page_tables_in_private_memory)
{
	struct world w = make_pae_guest();
	struct gmem_run run = gmem_run(w.vcpu);
	struct kvm_sregs sregs;

	/* By the processor */
	TEST_ASSERT(run.exit == GMEM_EXIT_SYNC, "exit %d, reason %u", run.exit,
		    w.vcpu->run->exit_reason);
	ASSERT_EQ(run.args[2], 0x50);
	vcpu_sregs_get(w.vcpu, &sregs);
	ASSERT_EQ(sregs.cr3, pa(FIRST));
	ASSERT_EQ(sregs.cr4, X86_CR4_PAE);
	ASSERT_EQ(sregs.efer, 0);
	/* By KVM */
	assert_prints(w.vcpu, 0x50);
}

/* The host's entries are loaded when it sets the registers, not its own ones. */
GMEM_TEST(first_level_is_not_the_hosts)
{
	struct world w = make_pae_guest();
	struct gmem_run run;

	/* What used to be there is not what the guest has now. */
	ASSERT_OK(munmap(w.slot.hva, PAGES * PG));
	TEST_ASSERT(mmap(w.slot.hva, PAGES * PG, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == w.slot.hva, "mmap()");
	table(&w, FIRST)[0] = pa(LOW) | ENTRY_P;
	table(&w, FIRST)[1] = pa(SECOND + 1) | ENTRY_P;
	run = gmem_run(w.vcpu);
	TEST_ASSERT(run.exit == GMEM_EXIT_SYNC, "exit %d, reason %u", run.exit,
		    w.vcpu->run->exit_reason);
	ASSERT_EQ(run.args[2], 0x50);
	assert_prints(w.vcpu, 0x50);
}

GMEM_HARNESS_MAIN
