// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that KVM shares with a guest that takes it for Hyper-V, in private memory.
 */
#define _GNU_SOURCE

#include "gmem_clock.h"
#include "gmem_harness.h"
#include "gmem_world.h"
#include "hyperv.h"

#define FILL		0x77
#define SINT		2
#define SINT_MASKED	BIT(16)
#define TIMER_EXPIRED	0x10	/* first byte of the message's type */

/* A guest with private pages full of FILL */
static struct world make_hyperv(void)
{
	struct world w;
	unsigned int i;

	w.vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 1, gmem_guest_server, &w.vcpu);
	vcpu_set_hv_cpuid(w.vcpu);
	gmem_slot_add(&w.slot, w.vm, GMEM_SLOT_INPLACE, SLOT, GMEM_BASE, PAGES * PG);
	gmem_server_start(w.vcpu);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	for (i = 0; i < PAGES; i++)
		guest_fills(&w, i, FILL);
	return w;
}

static void guest_wrmsr(const struct world *w, u32 msr, u64 value)
{
	gmem_cmd_result(w->vcpu, GMEM_CMD_WRMSR, msr, value);
}

static u8 guest_byte(const struct world *w, unsigned int page, unsigned int byte)
{
	return gmem_cmd_result(w->vcpu, GMEM_CMD_READ, gpa(page) + byte, 0);
}

/* KVM wrote @page; the host can neither see that nor what it wrote. */
static void assert_hidden(const struct world *w, unsigned int page)
{
	unsigned int i;

	assert_no_host(w, page);
	for (i = 0; i < PAGES; i++) {
		if (i != page)
			assert_guest(w, i, FILL);
	}
	ASSERT_OK(convert(w, page, 1, GMEM_SHARED));
	assert_host(w, page, 0);
}

GMEM_TEST(hypercall_page)
{
	struct world w = make_hyperv();

	guest_wrmsr(&w, HV_X64_MSR_GUEST_OS_ID, 0x8100ULL << 48);
	guest_wrmsr(&w, HV_X64_MSR_HYPERCALL, gpa(1) | 1);
	/* VMCALL or VMMCALL, and RET */
	ASSERT_EQ(guest_byte(&w, 1, 0), 0x0f);
	ASSERT_EQ(guest_byte(&w, 1, 1), 0x01);
	ASSERT_EQ(guest_byte(&w, 1, 3), 0xc3);
	ASSERT_EQ(guest_byte(&w, 1, 4), FILL);
	assert_hidden(&w, 1);
}

/* At least the sequence number changes, to 0 if the clock is of no use here. */
GMEM_TEST(tsc_page)
{
	struct world w = make_hyperv();

	guest_wrmsr(&w, HV_X64_MSR_GUEST_OS_ID, 0x8100ULL << 48);
	guest_wrmsr(&w, HV_X64_MSR_REFERENCE_TSC, gpa(2) | 1);
	TEST_ASSERT(guest_byte(&w, 2, 0) != FILL, "KVM did not write the page");
	ASSERT_EQ(guest_byte(&w, 2, PG - 1), FILL);
	assert_hidden(&w, 2);
}

GMEM_TEST(vp_assist_page)
{
	struct world w = make_hyperv();

	guest_wrmsr(&w, HV_X64_MSR_VP_ASSIST_PAGE, gpa(3) | 1);
	ASSERT_EQ(guest_byte(&w, 3, 0), 0);
	ASSERT_EQ(guest_byte(&w, 3, 3), 0);
	ASSERT_EQ(guest_byte(&w, 3, 4), FILL);
	assert_hidden(&w, 3);
}

/* Some registers of the SynIC are for userspace, too. */
static void guest_wrmsr_exit(const struct world *w, u32 msr, u64 value)
{
	struct gmem_run run = gmem_cmd(w->vcpu, GMEM_CMD_WRMSR, msr, value);

	TEST_ASSERT(!run.ret && w->vcpu->run->exit_reason == KVM_EXIT_HYPERV,
		    "MSR %#x: KVM_RUN returned %d, exit reason %u", msr, run.ret,
		    w->vcpu->run->exit_reason);
	gmem_resume(w->vcpu);
}

static struct world make_synic(void)
{
	struct world w = make_hyperv();

	vcpu_enable_cap(w.vcpu, KVM_CAP_HYPERV_SYNIC, 0);
	guest_wrmsr_exit(&w, HV_X64_MSR_SCONTROL, 1);
	return w;
}

/* KVM clears the page as a whole. */
GMEM_TEST(synic_event_page)
{
	struct world w = make_synic();

	guest_wrmsr_exit(&w, HV_X64_MSR_SIEFP, gpa(4) | 1);
	assert_guest(&w, 4, 0);
	assert_hidden(&w, 4);
}

GMEM_TEST(synic_message_page)
{
	long end = gmem_now_ms() + 30 * 1000;
	struct world w = make_synic();

	guest_wrmsr_exit(&w, HV_X64_MSR_SIMP, gpa(5) | 1);
	assert_guest(&w, 5, 0);
	guest_wrmsr(&w, HV_X64_MSR_SINT0 + SINT, SINT_MASKED | 0x40);
	/* The time of the expiration has passed. */
	guest_wrmsr(&w, HV_X64_MSR_STIMER0_COUNT, 1);
	guest_wrmsr(&w, HV_X64_MSR_STIMER0_CONFIG, SINT << 16 | 1);
	while (guest_byte(&w, 5, SINT * 256) != TIMER_EXPIRED)
		TEST_ASSERT(gmem_now_ms() < end, "no message of the timer");
	assert_hidden(&w, 5);
}

GMEM_HARNESS_MAIN
