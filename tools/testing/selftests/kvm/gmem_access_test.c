// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: KVM's own accesses.
 *
 * Code, stack, page tables and descriptor tables of these guests are private,
 * so that KVM decodes instructions and walks page tables in private memory.
 * The data slot has two backings with different contents: an access by a stale
 * or by the wrong backing shows.
 */
#define _GNU_SOURCE
#include <linux/stddef.h>

#include "gmem_harness.h"
#include "gmem_world.h"
#include "apic.h"
#include "asm/pvclock-abi.h"

#define MMIO		(GMEM_BASE + (1ULL << 30))	/* no slot */
#define STRING_PORT	0x6e0
#define SHARED_BYTE	0x11
#define TEXT		"sixteen letters!"
#define IPI_VECTOR	0x40

/* All of slot 0 private; the data slot's pages as their caller wants them */
static struct world make_private_world(void *guest_code)
{
	struct world w;
	int fd;

	w.vm = gmem_vm_create_inplace(1, guest_code, &w.vcpu, &fd);
	gmem_slot_add(&w.slot, w.vm, GMEM_SLOT_TWO, SLOT, GMEM_BASE, PAGES * PG);
	virt_map(w.vm, MMIO, MMIO, 1);
	virt_map(w.vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA, 1);
	memset(w.slot.hva, SHARED_BYTE, PAGES * PG);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	return w;
}

static void seal(const struct world *w)
{
	gmem_vm_set_private(w->vm, 0, GMEM_PRIVATE);
}

static void guest_instructions(void)
{
	unsigned int i;

	for (i = 0; i < 100; i++) {
		u32 a = 0, b = 0, c = 0, d = 0;

		asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
		GUEST_EXPECT(a > 0 && b && c && d, 1);
		GUEST_EXPECT(rdmsr(MSR_IA32_APICBASE) & MSR_IA32_APICBASE_ENABLE,
			     MSR_IA32_APICBASE_ENABLE);
		wrmsr(MSR_IA32_CR_PAT, rdmsr(MSR_IA32_CR_PAT));
		GUEST_STAGE(i);
	}
	GUEST_FINISH();
}

GMEM_TEST(instructions_of_a_private_guest)
{
	struct world w = make_private_world(guest_instructions);
	u8 *code = addr_gva2hva(w.vm, (vm_vaddr_t)guest_instructions);
	u8 v;
	int i;

	seal(&w);
	TEST_ASSERT(!gmem_host_read(code, &v), "the host reads the guest's code");
	for (i = 0; i < 100; i++)
		gmem_run_to_sync(w.vcpu, i);
	gmem_run_to_done(w.vcpu);
}

/*
 * QEMU 7.2 delivers an interrupt that VMRUN injects a second time if its thread
 * is kicked before the next exit: the handlers count, the guests ask for one.
 */
static u64 interrupts;

static void count_interrupt(struct ex_regs *regs)
{
	WRITE_ONCE(interrupts, interrupts + 1);
	xapic_write_reg(APIC_EOI, 0);
}

static void send_ipi(void)
{
	xapic_write_reg(APIC_ICR, APIC_DEST_SELF | APIC_INT_ASSERT |
			APIC_DM_FIXED | IPI_VECTOR);
}

/* The APIC by MMIO (decoded and emulated), interrupts, HLT */
static void guest_interrupts(void)
{
	unsigned int i;

	asm volatile("cli");
	xapic_enable();
	for (i = 0; i < 50; i++) {
		GUEST_EXPECT(GET_APIC_ID_FIELD(xapic_read_reg(APIC_ID)), 0);
		WRITE_ONCE(interrupts, 0);
		send_ipi();
		asm volatile("sti; hlt; cli" : : : "memory");
		GUEST_EXPECT(READ_ONCE(interrupts) > 0, 1);
	}
	GUEST_FINISH();
}

GMEM_TEST(interrupts_of_a_private_guest)
{
	struct world w = make_private_world(guest_interrupts);

	vm_install_exception_handler(w.vm, IPI_VECTOR, count_interrupt);
	seal(&w);
	gmem_run_to_done(w.vcpu);
}

static void guest_strings(void)
{
	static const char text[] = TEXT;
	unsigned int i, round;
	u64 at, count;

	/* Inside one page, across two private pages, private to shared */
	for (round = 0; round < 3; round++) {
		u64 start = gpa(2 * round) + (round ? PG - 8 : 64);

		for (i = 0; i < 16; i++)
			guest_write8(start + i, text[i]);
		at = start;
		count = 16;
		asm volatile("cld; rep outsb" : "+S" (at), "+c" (count)
			     : "d" (STRING_PORT) : "memory");
		at = start;
		count = 16;
		asm volatile("cld; rep insb" : "+D" (at), "+c" (count)
			     : "d" (STRING_PORT) : "memory");
		for (i = 0; i < 16; i++)
			GUEST_EXPECT(guest_read8(start + i), (u8)~text[i]);
	}
	GUEST_FINISH();
}

/* Run over string I/O, collecting output and supplying input. */
static void serve_string_io(struct kvm_vcpu *vcpu, char *out, const char *in)
{
	struct kvm_run *run = vcpu->run;
	unsigned int sent = 0, received = 0, n;

	while (sent < 16 || received < 16) {
		char *data;

		ASSERT_OK(__vcpu_run(vcpu));
		ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
		ASSERT_EQ(run->io.port, STRING_PORT);
		data = (char *)run + run->io.data_offset;
		n = run->io.size * run->io.count;
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			TEST_ASSERT(sent + n <= 16, "too much output");
			memcpy(out + sent, data, n);
			sent += n;
		} else {
			TEST_ASSERT(received + n <= 16, "too much input");
			memcpy(data, in + received, n);
			received += n;
		}
	}
}

static void complement(char *to, const char *from)
{
	int i;

	for (i = 0; i < 16; i++)
		to[i] = ~from[i];
}

GMEM_TEST(string_io)
{
	struct world w = make_private_world(guest_strings);
	char in[16], out[16];
	int round;

	seal(&w);
	ASSERT_OK(convert(&w, 5, 1, GMEM_SHARED));
	complement(in, TEXT);
	for (round = 0; round < 3; round++) {
		memset(out, 0, sizeof(out));
		serve_string_io(w.vcpu, out, in);
		TEST_ASSERT(!memcmp(out, TEXT, 16), "round %d: output '%.16s'", round, out);
	}
	gmem_run_to_done(w.vcpu);
	/* Half of the last string went to the shared page. */
	TEST_ASSERT(!memcmp(host(&w, 5), in + 8, 8), "shared half of the input");
	ASSERT_EQ(host(&w, 4)[PG - 1], SHARED_BYTE);
	ASSERT_EQ(host(&w, 0)[64], SHARED_BYTE);
}

static void guest_mmio(void)
{
	static const char text[] = TEXT;
	u64 start = gpa(1) - 4;	/* an access across two pages */
	u64 from, to, count;
	unsigned int i;

	for (i = 0; i < 16; i++)
		guest_write8(start + i, text[i]);
	from = start;
	to = MMIO + 32;
	count = 2;
	asm volatile("cld; rep movsq" : "+S" (from), "+D" (to), "+c" (count)
		     : : "memory");
	from = MMIO + 64;
	to = start;
	count = 2;
	asm volatile("cld; rep movsq" : "+S" (from), "+D" (to), "+c" (count)
		     : : "memory");
	for (i = 0; i < 16; i++)
		GUEST_EXPECT(guest_read8(start + i), (u8)~text[i]);
	GUEST_FINISH();
}

GMEM_TEST(string_mmio)
{
	struct world w = make_private_world(guest_mmio);
	struct kvm_run *run = w.vcpu->run;
	char device[128] = {};
	unsigned int moved = 0;

	seal(&w);
	complement(device + 64, TEXT);
	while (moved < 32) {
		char *at;

		ASSERT_OK(__vcpu_run(w.vcpu));
		ASSERT_EQ(run->exit_reason, KVM_EXIT_MMIO);
		TEST_ASSERT(run->mmio.phys_addr >= MMIO &&
			    run->mmio.phys_addr < MMIO + sizeof(device),
			    "MMIO at %#llx", run->mmio.phys_addr);
		at = device + (run->mmio.phys_addr - MMIO);
		if (run->mmio.is_write)
			memcpy(at, run->mmio.data, run->mmio.len);
		else
			memcpy(run->mmio.data, at, run->mmio.len);
		moved += run->mmio.len;
	}
	gmem_run_to_done(w.vcpu);
	TEST_ASSERT(!memcmp(device + 32, TEXT, 16), "output '%.16s'", device + 32);
}

GMEM_TEST(address_translation)
{
	struct world w = make_private_world(gmem_guest_server);
	struct kvm_translation tr = { .linear_address = gpa(3) + 5 };

	gmem_server_start(w.vcpu);
	seal(&w);
	vcpu_ioctl(w.vcpu, KVM_TRANSLATE, &tr);
	ASSERT_EQ(tr.valid, 1);
	ASSERT_EQ(tr.physical_address, gpa(3) + 5);
	tr.linear_address = gpa(PAGES);
	vcpu_ioctl(w.vcpu, KVM_TRANSLATE, &tr);
	ASSERT_EQ(tr.valid, 0);
}

#define CLOCK	gpa(1)

/* One stage: the host has asked for an update of the clock page. */
static void check_clock(u64 *last)
{
	struct pvclock_vcpu_time_info *clock = (void *)CLOCK;
	struct pvclock_vcpu_time_info info = *clock;

	GUEST_EXPECT(info.version & 1, 0);
	GUEST_EXPECT(info.version != 0, 1);
	GUEST_EXPECT(info.flags & PVCLOCK_GUEST_STOPPED, PVCLOCK_GUEST_STOPPED);
	GUEST_EXPECT(info.tsc_to_system_mul != 0, 1);
	GUEST_EXPECT(info.system_time > *last, 1);
	*last = info.system_time;
	WRITE_ONCE(clock->flags, 0);
}

static void guest_clock(void)
{
	u64 last = 0;
	int i;

	wrmsr(MSR_KVM_SYSTEM_TIME_NEW, CLOCK | 1);
	for (i = 0;; i++) {
		GUEST_STAGE(i);
		check_clock(&last);
	}
}

static void update_clock(const struct world *w, int stage)
{
	gmem_run_to_sync(w->vcpu, stage);
	ASSERT_OK(ioctl(w->vcpu->fd, KVM_KVMCLOCK_CTRL, 0));
}

GMEM_TEST(clock_in_private_memory)
{
	struct world w = make_private_world(guest_clock);
	struct pvclock_vcpu_time_info *shared = (void *)host(&w, 1);
	int stage = 0;

	seal(&w);
	update_clock(&w, stage++);
	update_clock(&w, stage++);
	TEST_ASSERT(gmem_host_page_is(host(&w, 1), SHARED_BYTE),
		    "the clock went to the shared page");

	/* The cached translation follows each conversion. */
	update_clock(&w, stage++);
	memset(shared, 0, sizeof(*shared));
	ASSERT_OK(convert(&w, 1, 1, GMEM_SHARED));
	update_clock(&w, stage++);
	TEST_ASSERT(shared->version, "the clock stayed in the private page");
	update_clock(&w, stage++);
	memset(shared, SHARED_BYTE, PG);
	ASSERT_OK(convert(&w, 1, 1, GMEM_PRIVATE));
	update_clock(&w, stage++);
	update_clock(&w, stage++);
	TEST_ASSERT(gmem_host_page_is(host(&w, 1), SHARED_BYTE),
		    "the clock stayed in the shared page");
	/* A hole takes the page away: the clock moves to the new one. */
	gmem_punch(w.slot.fd, PG, PG);
	ASSERT_OK(ioctl(w.vcpu->fd, KVM_KVMCLOCK_CTRL, 0));
	update_clock(&w, stage++);
	gmem_run_to_sync(w.vcpu, stage++);
}

#define STEAL	gpa(2)

static void guest_steal_time(void)
{
	struct kvm_steal_time *st = (void *)STEAL;
	u32 last;
	int i;

	memset((void *)st, 0, sizeof(*st));
	wrmsr(MSR_KVM_STEAL_TIME, STEAL | KVM_MSR_ENABLED);
	for (i = 0;; i++) {
		last = READ_ONCE(st->version);
		GUEST_STAGE(i);
		/* Changed by the host: a new page, a new count */
		GUEST_EXPECT(READ_ONCE(st->version) & 1, 0);
		GUEST_EXPECT(READ_ONCE(st->version) != last, 1);
	}
}

GMEM_TEST(steal_time_in_private_memory)
{
	struct world w = make_private_world(guest_steal_time);
	struct kvm_steal_time *shared = (void *)host(&w, 2);

	if (!(kvm_get_supported_cpuid_entry(KVM_CPUID_FEATURES)->eax &
	      BIT(KVM_FEATURE_STEAL_TIME)))
		gmem_skip("kernel without scheduler statistics");
	seal(&w);
	gmem_run_to_sync(w.vcpu, 0);
	gmem_run_to_sync(w.vcpu, 1);
	gmem_run_to_sync(w.vcpu, 2);
	TEST_ASSERT(gmem_host_page_is(host(&w, 2), SHARED_BYTE),
		    "steal time went to the shared page");

	memset(shared, 0, sizeof(*shared));
	shared->version = 1000;
	ASSERT_OK(convert(&w, 2, 1, GMEM_SHARED));
	gmem_run_to_sync(w.vcpu, 3);
	TEST_ASSERT(shared->version > 1000, "version %u", shared->version);
	gmem_run_to_sync(w.vcpu, 4);

	memset(host(&w, 2), SHARED_BYTE, PG);
	ASSERT_OK(convert(&w, 2, 1, GMEM_PRIVATE));
	gmem_run_to_sync(w.vcpu, 5);
	gmem_run_to_sync(w.vcpu, 6);
	TEST_ASSERT(gmem_host_page_is(host(&w, 2), SHARED_BYTE),
		    "steal time stayed in the shared page");
}

static void guest_wall_clock(void)
{
	struct pvclock_wall_clock *wc = (void *)gpa(3);

	wc->version = 0;
	wc->sec = 0;
	wrmsr(MSR_KVM_WALL_CLOCK_NEW, gpa(3));
	GUEST_EXPECT(READ_ONCE(wc->sec) != 0, 1);
	GUEST_EXPECT(READ_ONCE(wc->version) & 1, 0);
	GUEST_EXPECT(READ_ONCE(wc->version) != 0, 1);
	GUEST_FINISH();
}

GMEM_TEST(wall_clock_in_private_memory)
{
	struct world w = make_private_world(guest_wall_clock);

	seal(&w);
	gmem_run_to_done(w.vcpu);
	TEST_ASSERT(gmem_host_page_is(host(&w, 3), SHARED_BYTE),
		    "the wall clock went to the shared page");
}

#define EOI_WORD	gpa(4)

static u64 pv_eois;

/* KVM's bit in memory, if it is still there, replaces the write to the APIC. */
static void count_pv_eoi(struct ex_regs *regs)
{
	bool set;

	asm volatile("btrl $0, %0; setc %1"
		     : "+m" (*(u32 *)EOI_WORD), "=qm" (set) : : "cc");
	if (set)
		WRITE_ONCE(pv_eois, pv_eois + 1);
	else
		xapic_write_reg(APIC_EOI, 0);
	WRITE_ONCE(interrupts, interrupts + 1);
}

static void guest_pv_eoi(void)
{
	unsigned int stage, i;

	asm volatile("cli");
	xapic_enable();
	WRITE_ONCE(*(u32 *)EOI_WORD, 0);
	wrmsr(MSR_KVM_PV_EOI_EN, EOI_WORD | KVM_MSR_ENABLED);
	for (stage = 0;; stage++) {
		u64 before = READ_ONCE(pv_eois);

		GUEST_STAGE(stage);
		/* An exit before the handler takes the bit back: try often. */
		for (i = 0; i < 100; i++) {
			WRITE_ONCE(interrupts, 0);
			send_ipi();
			asm volatile("sti; nop; cli" : : : "memory");
			GUEST_EXPECT(READ_ONCE(interrupts) > 0, 1);
		}
		GUEST_EXPECT(READ_ONCE(pv_eois) > before, 1);
	}
}

GMEM_TEST(pv_eoi_in_private_memory)
{
	struct world w = make_private_world(guest_pv_eoi);

	vm_install_exception_handler(w.vm, IPI_VECTOR, count_pv_eoi);
	seal(&w);
	gmem_run_to_sync(w.vcpu, 0);
	gmem_run_to_sync(w.vcpu, 1);
	gmem_run_to_sync(w.vcpu, 2);
	TEST_ASSERT(gmem_host_page_is(host(&w, 4), SHARED_BYTE),
		    "the EOI word went to the shared page");
	memset(host(&w, 4), 0, 4);
	ASSERT_OK(convert(&w, 4, 1, GMEM_SHARED));
	gmem_run_to_sync(w.vcpu, 3);
	memset(host(&w, 4), SHARED_BYTE, PG);
	ASSERT_OK(convert(&w, 4, 1, GMEM_PRIVATE));
	gmem_run_to_sync(w.vcpu, 4);
	TEST_ASSERT(gmem_host_page_is(host(&w, 4), SHARED_BYTE),
		    "the EOI word stayed in the shared page");
}

/* On a mapped file KVM uses the file's page for shared gfns, too. */
static void guest_wall_clock_at_5(void)
{
	struct pvclock_wall_clock *wc = (void *)gpa(5);

	wrmsr(MSR_KVM_WALL_CLOCK_NEW, gpa(5));
	GUEST_EXPECT(READ_ONCE(wc->sec) != 0, 1);
	GUEST_FINISH();
}

GMEM_TEST(shared_access_uses_the_file)
{
	struct kvm_vcpu *vcpu;
	u8 *elsewhere = gmem_mmap_anon(PAGES * PG);
	struct gmem_slot slot;
	struct kvm_vm *vm;

	vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 1, guest_wall_clock_at_5, &vcpu);
	gmem_slot_add(&slot, vm, GMEM_SLOT_INPLACE, SLOT, GMEM_BASE, PAGES * PG);
	gmem_slot_delete(&slot, vm->fd);
	gmem_set_region2(vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, GMEM_BASE, PAGES * PG,
			 elsewhere, slot.fd, 0);
	gmem_run_to_done(vcpu);
	TEST_ASSERT(slot.hva[5 * PG + 4], "the file does not have the clock");
	TEST_ASSERT(gmem_host_page_is(elsewhere + 5 * PG, 0),
		    "KVM wrote to userspace_addr");
}

GMEM_HARNESS_MAIN
