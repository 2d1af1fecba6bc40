// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: private gfns in memslots without a file.
 *
 * The VMM deletes the memslot of private memory and puts one without a file in
 * its place, with contents of its own.  KVM, on the guest's behalf, must neither
 * read nor write there.  Each refusal has a control: the same access succeeds
 * once the gfn is shared.
 */
#define _GNU_SOURCE
#include "gmem_harness.h"
#include "gmem_world.h"
#include "apic.h"
#include "hyperv.h"
#include "svm_util.h"

#define FORGED_BYTE	0x11
#define DATA		3	/* pages of the slot */
#define VICTIM		5
#define TABLE		gpa(PAGES)	/* a page table, in a slot of its own */
#define WINDOW		(GMEM_BASE + (1ULL << 30))	/* what the table maps */
#define INPUT		0xe5
#define IPI_VECTOR	0x40

#define PTE_FLAGS	0x63	/* present, writable, accessed, dirty */
#define ADDRESS_MASK	0xffffffffff000ULL

/* A guest in private memory, and a slot of private memory */
static struct world make_private_world(void *guest_code)
{
	struct world w;
	int fd;

	w.vm = gmem_vm_create_inplace(1, guest_code, &w.vcpu, &fd);
	gmem_slot_add(&w.slot, w.vm, GMEM_SLOT_TWO, SLOT, GMEM_BASE, PAGES * PG);
	virt_map(w.vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA, 1);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	return w;
}

static void seal(const struct world *w)
{
	gmem_vm_set_private(w->vm, 0, GMEM_PRIVATE);
}

/* The slot's place is taken by memory of the VMM's. */
static u8 *swap_out(const struct world *w, const struct gmem_slot *slot, u32 flags)
{
	u8 *memory = gmem_mmap_anon(slot->size);

	memset(memory, FORGED_BYTE, slot->size);
	gmem_slot_delete(slot, w->vm->fd);
	gmem_set_region2(w->vm->fd, slot->id, flags, slot->gpa, slot->size, memory, -1, 0);
	return memory;
}

static void swap_in(const struct world *w, const struct gmem_slot *slot)
{
	gmem_slot_delete(slot, w->vm->fd);
	gmem_set_region2(w->vm->fd, slot->id, KVM_MEM_GUEST_MEMFD, slot->gpa, slot->size,
			 slot->hva, slot->fd, 0);
}

static void assert_forged(const u8 *memory, unsigned int page, const char *what)
{
	TEST_ASSERT(gmem_host_page_is(memory + page * PG, FORGED_BYTE), "KVM wrote %s", what);
}

static void supply_input(struct kvm_vcpu *vcpu, const struct gmem_run *run)
{
	struct kvm_run *r = vcpu->run;

	TEST_ASSERT(run->exit == GMEM_EXIT_OTHER && r->exit_reason == KVM_EXIT_IO &&
		    r->io.direction == KVM_EXIT_IO_IN, "no port input: exit %d", run->exit);
	memset((u8 *)r + r->io.data_offset, INPUT, r->io.size * r->io.count);
}

GMEM_TEST(port_input)
{
	struct world w = make_private_world(gmem_guest_server);
	struct gmem_run run;
	u8 *memory;

	gmem_server_start(w.vcpu);
	seal(&w);
	guest_fills(&w, DATA, 0x33);
	memory = swap_out(&w, &w.slot, 0);
	run = gmem_cmd(w.vcpu, GMEM_CMD_INS, gpa(DATA), 4);
	supply_input(w.vcpu, &run);
	gmem_run_to_fault(w.vcpu, gpa(DATA), GMEM_PRIVATE);
	assert_forged(memory, DATA, "port input");

	swap_in(&w, &w.slot);
	run = gmem_run(w.vcpu);
	supply_input(w.vcpu, &run);
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
	ASSERT_EQ(gmem_cmd_result(w.vcpu, GMEM_CMD_READ, gpa(DATA) + 3, 0), INPUT);
	ASSERT_EQ(gmem_cmd_result(w.vcpu, GMEM_CMD_READ, gpa(DATA) + 4, 0), 0x33);
}

static u64 *entry_of(struct kvm_vm *vm, u64 table, u64 gva, int level)
{
	return (u64 *)addr_gpa2hva(vm, table & ADDRESS_MASK) + (gva >> (12 + 9 * level)) % 512;
}

/* The page table of WINDOW becomes TABLE, where the guest writes the entry. */
static void set_page_table(struct kvm_vm *vm)
{
	u64 table = vm->pgd;
	int level;

	virt_map(vm, WINDOW, gpa(DATA), 1);
	for (level = 3; level > 1; level--)
		table = *entry_of(vm, table, WINDOW, level);
	*entry_of(vm, table, WINDOW, 1) = TABLE | PTE_FLAGS;
}

static void guest_with_a_window(void)
{
	u64 *table = (u64 *)TABLE;

	guest_fill(gpa(DATA), 0x33);
	guest_fill(gpa(VICTIM), 0x55);
	table[(WINDOW >> 12) % 512] = gpa(DATA) | PTE_FLAGS;
	gmem_guest_server();
}

static void assert_translation(struct kvm_vcpu *vcpu, bool valid)
{
	struct kvm_translation tr = { .linear_address = WINDOW };

	vcpu_ioctl(vcpu, KVM_TRANSLATE, &tr);
	TEST_ASSERT(tr.valid == valid && (!valid || tr.physical_address == gpa(DATA)),
		    "translation: valid %u, %#llx", tr.valid, tr.physical_address);
}

GMEM_TEST(forged_page_table)
{
	struct world w = make_private_world(guest_with_a_window);
	struct gmem_slot table;
	struct gmem_run run;
	u64 *forged;

	gmem_slot_add(&table, w.vm, GMEM_SLOT_TWO, SLOT + 1, TABLE, PG);
	gmem_set_attrs(w.vm->fd, TABLE, PG, GMEM_PRIVATE);
	set_page_table(w.vm);
	seal(&w);
	gmem_server_start(w.vcpu);
	assert_translation(w.vcpu, true);

	forged = (u64 *)swap_out(&w, &table, 0);
	forged[(WINDOW >> 12) % 512] = gpa(VICTIM) | PTE_FLAGS;
	assert_translation(w.vcpu, false);
	run = gmem_cmd(w.vcpu, GMEM_CMD_INS, WINDOW, 4);
	supply_input(w.vcpu, &run);
	gmem_run_to_fault(w.vcpu, TABLE, KVM_MEMORY_EXIT_FLAG_PRIVATE);

	swap_in(&w, &table);
	assert_translation(w.vcpu, true);
	run = gmem_run(w.vcpu);
	supply_input(w.vcpu, &run);
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
	assert_guest(&w, VICTIM, 0x55);
	ASSERT_EQ(gmem_cmd_result(w.vcpu, GMEM_CMD_READ, gpa(DATA), 0), INPUT);
}

/* What the guest sets a register to may be refused. */
static void skip_wrmsr(struct ex_regs *regs)
{
	regs->rip += 2;
}

static void guest_with_an_apic(void)
{
	asm volatile("cli");
	xapic_enable();
	gmem_guest_server();
}

/* Let the guest set a register, and KVM do what follows from it. */
static void set_msr(const struct world *w, u32 msr, u64 value)
{
	struct gmem_run run = gmem_cmd(w->vcpu, GMEM_CMD_WRMSR, msr, value);

	/* Userspace is told of some of Hyper-V's. */
	if (w->vcpu->run->exit_reason == KVM_EXIT_HYPERV)
		run = gmem_run(w->vcpu);
	ASSERT_EQ(run.exit, GMEM_EXIT_SYNC);
	gmem_cmd_result(w->vcpu, GMEM_CMD_WRMSR, MSR_IA32_CR_PAT, 0x0007040600070406ULL);
}

/* KVM writes to the page that an MSR names, unless the page is private. */
static void check_msr(const struct world *w, const char *what, u32 msr, u64 bits, u8 fill)
{
	u8 *memory = swap_out(w, &w->slot, 0), *page = memory + DATA * PG;

	memset(page, fill, PG);
	set_msr(w, msr, gpa(DATA) | bits);
	TEST_ASSERT(gmem_host_page_is(page, fill), "KVM wrote %s", what);
	set_msr(w, msr, 0);

	ASSERT_OK(convert(w, DATA, 1, GMEM_SHARED));
	set_msr(w, msr, gpa(DATA) | bits);
	TEST_ASSERT(!gmem_host_page_is(page, fill), "control: no %s in shared memory", what);
	set_msr(w, msr, 0);

	ASSERT_OK(convert(w, DATA, 1, GMEM_PRIVATE));
	memset(page, fill, PG);
	set_msr(w, msr, gpa(DATA) | bits);
	TEST_ASSERT(gmem_host_page_is(page, fill), "KVM wrote %s after a conversion", what);
	set_msr(w, msr, 0);
	swap_in(w, &w->slot);
	assert_guest(w, DATA, 0x33);
}

static struct world make_msr_world(void)
{
	struct world w = make_private_world(guest_with_an_apic);

	vm_install_exception_handler(w.vm, GP_VECTOR, skip_wrmsr);
	vcpu_set_hv_cpuid(w.vcpu);
	vcpu_enable_cap(w.vcpu, KVM_CAP_HYPERV_SYNIC, 0);
	seal(&w);
	gmem_server_start(w.vcpu);
	guest_fills(&w, DATA, 0x33);
	return w;
}

GMEM_TEST(clocks)
{
	struct world w = make_msr_world();

	check_msr(&w, "kvmclock", MSR_KVM_SYSTEM_TIME_NEW, 1, FORGED_BYTE);
	check_msr(&w, "the wall clock", MSR_KVM_WALL_CLOCK_NEW, 0, FORGED_BYTE);
}

GMEM_TEST(steal_time)
{
	struct world w = make_msr_world();

	if (!(kvm_get_supported_cpuid_entry(KVM_CPUID_FEATURES)->eax &
	      BIT(KVM_FEATURE_STEAL_TIME)))
		gmem_skip("kernel without scheduler statistics");
	check_msr(&w, "steal time", MSR_KVM_STEAL_TIME, KVM_MSR_ENABLED, FORGED_BYTE);
}

/* KVM looks for zeroes before it writes. */
GMEM_TEST(asynchronous_faults)
{
	struct world w = make_msr_world();

	check_msr(&w, "an asynchronous fault", MSR_KVM_ASYNC_PF_EN,
		  KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT, 0);
}

GMEM_TEST(hyperv)
{
	struct world w = make_msr_world();

	set_msr(&w, HV_X64_MSR_GUEST_OS_ID, 1);
	check_msr(&w, "the hypercall page", HV_X64_MSR_HYPERCALL, 1, FORGED_BYTE);
	check_msr(&w, "the TSC page", HV_X64_MSR_REFERENCE_TSC, 1, FORGED_BYTE);
	check_msr(&w, "the VP assist page", HV_X64_MSR_VP_ASSIST_PAGE, 1, FORGED_BYTE);
	check_msr(&w, "the message page", HV_X64_MSR_SIMP, 1, FORGED_BYTE);
}

static u64 interrupts;

static void count_interrupt(struct ex_regs *regs)
{
	WRITE_ONCE(interrupts, interrupts + 1);
	xapic_write_reg(APIC_EOI, 0);
}

static void guest_pv_eoi(void)
{
	unsigned int stage, i;

	asm volatile("cli");
	xapic_enable();
	guest_fill(gpa(DATA), 0);
	wrmsr(MSR_KVM_PV_EOI_EN, gpa(DATA) | KVM_MSR_ENABLED);
	for (stage = 0;; stage++) {
		GUEST_STAGE(stage);
		for (i = 0; i < 20; i++) {
			WRITE_ONCE(interrupts, 0);
			xapic_write_reg(APIC_ICR, APIC_DEST_SELF | APIC_INT_ASSERT |
					APIC_DM_FIXED | IPI_VECTOR);
			asm volatile("sti; nop; cli" : : : "memory");
			GUEST_EXPECT(READ_ONCE(interrupts) > 0, 1);
		}
	}
}

GMEM_TEST(pv_eoi)
{
	struct world w = make_private_world(guest_pv_eoi);
	u8 *memory;

	vm_install_exception_handler(w.vm, IPI_VECTOR, count_interrupt);
	seal(&w);
	gmem_run_to_sync(w.vcpu, 0);
	memory = swap_out(&w, &w.slot, 0);
	gmem_run_to_sync(w.vcpu, 1);
	assert_forged(memory, DATA, "the EOI word");
	ASSERT_OK(convert(&w, DATA, 1, GMEM_SHARED));
	gmem_run_to_sync(w.vcpu, 2);
	TEST_ASSERT(memory[DATA * PG] != FORGED_BYTE, "control: no EOI word in shared memory");
}

#define FS_VALUE	0x123000

static u64 faults;

static void skip_vmload(struct ex_regs *regs)
{
	WRITE_ONCE(faults, faults + 1);
	regs->rip += 3;
}

/* VMLOAD from the page takes what VMSAVE has left there, or fails. */
static void guest_vmload(void)
{
	u64 vmcb = gpa(DATA), expected = 0;

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_KERNEL_GS_BASE, FS_VALUE);
	asm volatile("vmsave %0" : : "a" (vmcb) : "memory");
	for (;;) {
		wrmsr(MSR_KERNEL_GS_BASE, 2 * FS_VALUE);
		GUEST_SYNC3(expected, READ_ONCE(faults), rdmsr(MSR_KERNEL_GS_BASE));
		asm volatile("vmload %0" : : "a" (vmcb) : "memory");
		GUEST_SYNC3(expected, READ_ONCE(faults), rdmsr(MSR_KERNEL_GS_BASE));
	}
}

static void assert_vmload(struct kvm_vcpu *vcpu, u64 failures, u64 value)
{
	struct gmem_run run = gmem_run(vcpu);

	TEST_ASSERT(run.exit == GMEM_EXIT_SYNC && run.args[1] == failures &&
		    run.args[2] == value, "exit %d, %lu failures, %#lx", run.exit, run.args[1],
		    run.args[2]);
}

GMEM_TEST(nested_control_block)
{
	struct world w;

	if (!kvm_cpu_has(X86_FEATURE_SVM))
		gmem_skip("processor without SVM");
	w = make_private_world(guest_vmload);
	vm_install_exception_handler(w.vm, GP_VECTOR, skip_vmload);
	seal(&w);
	assert_vmload(w.vcpu, 0, 2 * FS_VALUE);
	swap_out(&w, &w.slot, 0);
	assert_vmload(w.vcpu, 1, 2 * FS_VALUE);
	swap_in(&w, &w.slot);
	assert_vmload(w.vcpu, 1, 2 * FS_VALUE);
	assert_vmload(w.vcpu, 1, FS_VALUE);
}

static bool is_dirty(const struct world *w, unsigned int page)
{
	unsigned long bitmap[1] = {};

	kvm_vm_get_dirty_log(w->vm, SLOT, bitmap);
	return bitmap[0] & BIT(page);
}

/* What KVM writes to shared memory without a file is logged as ever. */
GMEM_TEST(dirty_log)
{
	struct world w = make_msr_world();
	u8 *memory = swap_out(&w, &w.slot, KVM_MEM_LOG_DIRTY_PAGES);

	set_msr(&w, MSR_KVM_WALL_CLOCK_NEW, gpa(DATA));
	TEST_ASSERT(!is_dirty(&w, DATA), "a page that KVM could not write is dirty");
	assert_forged(memory, DATA, "the wall clock");
	ASSERT_OK(convert(&w, DATA, 2, GMEM_SHARED));
	is_dirty(&w, DATA);
	set_msr(&w, MSR_KVM_WALL_CLOCK_NEW, gpa(DATA));
	TEST_ASSERT(is_dirty(&w, DATA), "the wall clock is not logged");
	if (!(kvm_get_supported_cpuid_entry(KVM_CPUID_FEATURES)->eax &
	      BIT(KVM_FEATURE_STEAL_TIME)))
		return;
	set_msr(&w, MSR_KVM_STEAL_TIME, gpa(DATA + 1) | KVM_MSR_ENABLED);
	TEST_ASSERT(is_dirty(&w, DATA + 1), "steal time is not logged");
}

static void check_wall_clock(const struct world *w, const u8 *page, u64 addr)
{
	gmem_set_attrs(w->vm->fd, addr, PG, GMEM_PRIVATE);
	set_msr(w, MSR_KVM_WALL_CLOCK_NEW, addr);
	TEST_ASSERT(gmem_host_page_is(page, FORGED_BYTE), "KVM wrote the wall clock");
	gmem_set_attrs(w->vm->fd, addr, PG, GMEM_SHARED);
	set_msr(w, MSR_KVM_WALL_CLOCK_NEW, addr);
	TEST_ASSERT(!gmem_host_page_is(page, FORGED_BYTE), "control: no wall clock");
}

GMEM_TEST(changed_slot)
{
	struct world w = make_msr_world();
	u8 *memory = swap_out(&w, &w.slot, 0);
	unsigned int i;

	for (i = 0; i < 4; i++) {
		gmem_set_region2(w.vm->fd, SLOT, i % 2 ? 0 : KVM_MEM_LOG_DIRTY_PAGES, GMEM_BASE,
				 PAGES * PG, memory, -1, 0);
		check_wall_clock(&w, memory + i * PG, gpa(i));
	}
	/* The page is at another gfn then. */
	gmem_set_region2(w.vm->fd, SLOT, 0, gpa(2 * PAGES), PAGES * PG, memory, -1, 0);
	check_wall_clock(&w, memory + i * PG, gpa(2 * PAGES + i));
}

/* KVM writes no read-only slot, and what the guest writes is MMIO. */
static void guest_of_a_read_only_slot(void)
{
	u64 old = FORGED_BYTE * 0x0101010101010101ULL;

	wrmsr(MSR_KVM_WALL_CLOCK_NEW, gpa(DATA));
	wrmsr(MSR_KVM_STEAL_TIME, gpa(DATA) | KVM_MSR_ENABLED);
	GUEST_STAGE(1);
	asm volatile("lock cmpxchgq %2, %1"
		     : "+a" (old), "+m" (*(u64 *)gpa(DATA)) : "r" (2ULL) : "memory", "cc");
	GUEST_FINISH();
}

GMEM_TEST(read_only_slot)
{
	struct world w = make_private_world(guest_of_a_read_only_slot);
	struct kvm_run *run = w.vcpu->run;
	u8 *memory;

	vm_install_exception_handler(w.vm, GP_VECTOR, skip_wrmsr);
	seal(&w);
	ASSERT_OK(convert(&w, DATA, 1, GMEM_SHARED));
	memory = swap_out(&w, &w.slot, KVM_MEM_READONLY);
	gmem_run_to_sync(w.vcpu, 1);
	ASSERT_OK(convert(&w, DATA, 1, GMEM_PRIVATE));
	gmem_run_to_fault(w.vcpu, gpa(DATA), GMEM_PRIVATE);
	ASSERT_OK(convert(&w, DATA, 1, GMEM_SHARED));
	ASSERT_OK(__vcpu_run(w.vcpu));
	TEST_ASSERT(run->exit_reason == KVM_EXIT_MMIO && run->mmio.is_write &&
		    run->mmio.phys_addr == gpa(DATA), "exit reason %u", run->exit_reason);
	gmem_run_to_done(w.vcpu);
	assert_forged(memory, DATA, "to a read-only slot");
}

GMEM_HARNESS_MAIN
