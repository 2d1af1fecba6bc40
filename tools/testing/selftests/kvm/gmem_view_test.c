// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: what the guest of a sealed VM owns is there unchanged, or
 * its access is an exit, whatever the VMM does.
 */
#define _GNU_SOURCE
#include <linux/falloc.h>

#include "gmem_harness.h"
#include "gmem_sealed.h"

#define ELSEWHERE	9

static void unbind(struct sealed *s)
{
	gmem_slot_delete(&s->w.slot, s->w.vm->fd);
}

/* mov $value, %eax; ret */
static void write_code(u8 *page, u8 value)
{
	const u8 code[] = { 0xb8, value, 0, 0, 0, 0xc3 };

	memcpy(page, code, sizeof(code));
}

SEALED_ATTACK(code_page)
{
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);

	ASSERT_OK(share(&s, AT));
	write_code(host(&s.w, AT), 0x11);
	ASSERT_OK(take_back(&s, AT));
	sealed_start(&s, seal);
	ASSERT_EQ(sealed_do(&s, GMEM_CMD_CALL, gpa(AT), 0), 0x11);

	ASSERT_OK(share(&s, AT));
	write_code(host(&s.w, AT), 0x66);
	if (!seal) {
		ASSERT_EQ(sealed_do(&s, GMEM_CMD_CALL, gpa(AT), 0), 0x66);
		return;
	}
	assert_refused(&s, GMEM_CMD_CALL, AT, 0, EHWPOISON);
	ASSERT_OK(take_back(&s, AT));
	assert_still_refused(&s, AT, EHWPOISON);
}

/* What the guest has never used is its own, too. */
SEALED_ATTACK(later_writes)
{
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);

	sealed_start(&s, seal);
	ASSERT_OK(share(&s, AT));
	if (seal)
		assert_refused(&s, GMEM_CMD_FILL, AT, SECRET, EHWPOISON);
	else
		sealed_fill(&s, AT, SECRET);
	assert_host(&s.w, AT, seal ? 0 : SECRET);
}

SEALED_ATTACK(later_writes_two_backings)
{
	struct sealed s = make_open(GMEM_SLOT_TWO, PAGES * PG);

	sealed_start(&s, seal);
	ASSERT_OK(share(&s, AT));
	if (seal)
		assert_refused(&s, GMEM_CMD_FILL, AT, SECRET, EFAULT);
	else
		sealed_fill(&s, AT, SECRET);
	assert_host(&s.w, AT, seal ? 0 : SECRET);
}

SEALED_ATTACK(there_and_back)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	ASSERT_OK(share(&s, AT));
	memset(host(&s.w, AT), EVIL, PG);
	ASSERT_OK(take_back(&s, AT));
	assert_sees(&s, AT, EVIL, EHWPOISON);
}

/* The page stays in the file meanwhile: converting back repairs it. */
SEALED_ATTACK(there_and_back_two_backings)
{
	struct sealed s = make_secret(GMEM_SLOT_TWO, seal);

	memset(host(&s.w, AT), EVIL, PG);
	ASSERT_OK(share(&s, AT));
	assert_sees(&s, AT, EVIL, EFAULT);
	ASSERT_OK(take_back(&s, AT));
	if (seal)
		ASSERT_EQ(sealed_resume_on(&s, 0), SECRET);
	assert_intact(&s, AT, SECRET);
}

SEALED_ATTACK(punch)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	gmem_punch(s.w.slot.fd, AT * PG, PG);
	assert_sees(&s, AT, 0, EHWPOISON);
}

SEALED_ATTACK(punch_two_backings)
{
	struct sealed s = make_secret(GMEM_SLOT_TWO, seal);

	gmem_punch(s.w.slot.fd, 0, PAGES * PG);
	assert_sees(&s, AT, 0, EHWPOISON);
}

/* A page of the guest at a place that is not its own */
SEALED_ATTACK(swap)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	sealed_fill(&s, ELSEWHERE, EVIL);
	unbind(&s);
	gmem_set_region2(s.w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, gpa(AT), PG,
			 host(&s.w, ELSEWHERE), s.w.slot.fd, ELSEWHERE * PG);
	assert_sees(&s, AT, EVIL, EHWPOISON);
}

SEALED_ATTACK(another_file)
{
	struct sealed s = make_secret(GMEM_SLOT_TWO, seal);
	int fd = gmem_create(s.w.vm->fd, PAGES * PG, 0);

	unbind(&s);
	gmem_set_region2(s.w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, GMEM_BASE, PAGES * PG,
			 s.w.slot.hva, fd, 0);
	assert_sees(&s, AT, 0, EHWPOISON);
}

/* The VMM closes the file, and has another one. */
SEALED_ATTACK(file_closed)
{
	struct sealed s = make_secret(GMEM_SLOT_TWO, seal);
	int fd = gmem_create(s.w.vm->fd, PAGES * PG, 0);

	close(s.w.slot.fd);
	assert_refused(&s, GMEM_CMD_READ, AT, 0, EFAULT);
	unbind(&s);
	gmem_set_region2(s.w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, GMEM_BASE, PAGES * PG,
			 s.w.slot.hva, fd, 0);
	if (seal)
		assert_still_refused(&s, AT, EHWPOISON);
	else
		ASSERT_EQ(sealed_resume_on(&s, 0), 0);
}

/* The page becomes the VMM's while it is bound to nothing. */
SEALED_ATTACK(replay)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	unbind(&s);
	ASSERT_OK(convert_file(&s.w, AT, 1, GMEM_SHARED));
	memset(host(&s.w, AT), EVIL, PG);
	ASSERT_OK(convert_file(&s.w, AT, 1, GMEM_PRIVATE));
	bind_again(&s.w);
	assert_sees(&s, AT, EVIL, EHWPOISON);
}

SEALED_ATTACK(punch_unbound)
{
	struct sealed s = make_secret(GMEM_SLOT_TWO, seal);

	unbind(&s);
	gmem_punch(s.w.slot.fd, AT * PG, PG);
	bind_again(&s.w);
	assert_sees(&s, AT, 0, EHWPOISON);
}

SEALED_ATTACK(bound_elsewhere_meanwhile)
{
	struct sealed s = make_secret(GMEM_SLOT_TWO, seal);

	unbind(&s);
	gmem_set_region2(s.w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, gpa(PAGES), PG,
			 s.w.slot.hva, s.w.slot.fd, AT * PG);
	unbind(&s);
	bind_again(&s.w);
	assert_sees(&s, AT, SECRET, EHWPOISON);
}

/* QEMU does so.  This is no attack. */
SEALED_ATTACK(same_slot_again)
{
	struct sealed s = make_secret(GMEM_SLOT_TWO, seal);

	unbind(&s);
	bind_again(&s.w);
	assert_intact(&s, AT, SECRET);
}

SEALED_ATTACK(same_slot_again_in_place)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	unbind(&s);
	assert_refused(&s, GMEM_CMD_READ, AT, 0, EFAULT);
	bind_again(&s.w);
	ASSERT_EQ(sealed_resume_on(&s, 0), SECRET);
	assert_intact(&s, AT, SECRET);
}

/* A device at the guest's own memory would see what it writes. */
SEALED_ATTACK(device)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);
	struct gmem_run run;

	unbind(&s);
	ASSERT_OK(share(&s, AT));
	run = sealed_cmd(&s, GMEM_CMD_WRITE, gpa(AT), SECRET);
	if (seal) {
		check_refused(&s, &run, gpa(AT), EFAULT);
		return;
	}
	ASSERT_EQ(run.ret, 0);
	ASSERT_EQ(s.w.vcpu->run->exit_reason, KVM_EXIT_MMIO);
	ASSERT_EQ(s.w.vcpu->run->mmio.data[0], SECRET);
}

SEALED_ATTACK(slot_without_file)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);
	u8 *memory = gmem_mmap_anon(PG);

	memset(memory, EVIL, PG);
	unbind(&s);
	ASSERT_OK(share(&s, AT));
	gmem_set_region2(s.w.vm->fd, SLOT, 0, gpa(AT), PG, memory, -1, 0);
	assert_sees(&s, AT, EVIL, EFAULT);
}

/* Memory that nobody has used comes after sealing, and is the guest's then. */
SEALED_ATTACK(added_memory)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);
	struct gmem_slot added;

	gmem_slot_init(&added, s.w.vm->fd, GMEM_SLOT_INPLACE, SLOT + 1, gpa(PAGES),
		       PG);
	gmem_set_attrs(s.w.vm->fd, gpa(PAGES), PG, GMEM_PRIVATE);
	gmem_set_attrs(s.w.vm->fd, gpa(PAGES), PG, GMEM_SHARED);
	memset(added.hva, EVIL, PG);
	gmem_set_attrs(s.w.vm->fd, gpa(PAGES), PG, GMEM_PRIVATE);
	virt_map(s.w.vm, gpa(PAGES), gpa(PAGES), 1);
	assert_sees(&s, PAGES, EVIL, EHWPOISON);
}

/* The same, private before there is a memslot */
SEALED_ATTACK(added_private_memory)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);
	struct gmem_slot added;

	gmem_set_attrs(s.w.vm->fd, gpa(PAGES), PG, GMEM_PRIVATE);
	gmem_slot_init(&added, s.w.vm->fd, GMEM_SLOT_INPLACE, SLOT + 1, gpa(PAGES),
		       PG);
	virt_map(s.w.vm, gpa(PAGES), gpa(PAGES), 1);
	sealed_fill(&s, PAGES, SECRET);
	gmem_set_attrs(s.w.vm->fd, gpa(PAGES), PG, GMEM_SHARED);
	assert_sees(&s, PAGES, 0, EHWPOISON);
}

/* KVM reads for the guest what the guest itself must not read. */
SEALED_ATTACK(emulator)
{
	struct sealed s = make_secret(GMEM_SLOT_TWO, seal);
	struct gmem_run run;

	memset(host(&s.w, AT), EVIL, PG);
	ASSERT_OK(share(&s, AT));
	run = sealed_cmd(&s, GMEM_CMD_OUTS, gpa(AT), 4);
	if (seal) {
		check_refused(&s, &run, gpa(AT), EFAULT);
		return;
	}
	ASSERT_EQ(s.w.vcpu->run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(sealed_output(&s, 0), EVIL);
}

SEALED_ATTACK(emulator_lost)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);
	struct gmem_run run;

	gmem_punch(s.w.slot.fd, AT * PG, PG);
	run = sealed_cmd(&s, GMEM_CMD_OUTS, gpa(AT), 4);
	if (seal)
		check_refused(&s, &run, gpa(AT), EHWPOISON);
	else
		ASSERT_EQ(s.w.vcpu->run->exit_reason, KVM_EXIT_IO);
}

/* KVM writes the guest's clock where the guest wants it, or nowhere. */
SEALED_ATTACK(clock)
{
	struct sealed s = make_secret(GMEM_SLOT_TWO, seal);

	sealed_do(&s, GMEM_CMD_WRMSR, MSR_KVM_SYSTEM_TIME_NEW, gpa(AT) | 1);
	ASSERT_OK(share(&s, AT));
	sealed_do(&s, GMEM_CMD_WRMSR, MSR_KVM_SYSTEM_TIME_NEW, gpa(AT) | 1);
	sealed_do(&s, GMEM_CMD_READ, gpa(AT + 1), 0);
	TEST_ASSERT(gmem_host_page_is(host(&s.w, AT), 0) == seal,
		    "the clock %s the host's page", seal ? "came to" : "missed");
}

/* A fault beside it must not map it, as part of 2 MiB. */
SEALED_ATTACK(huge_neighbour)
{
	struct sealed s = make_open(GMEM_SLOT_TWO, GMEM_HUGE);
	u64 before;

	ASSERT_OK(madvise(s.w.slot.hva, GMEM_HUGE, MADV_HUGEPAGE));
	memset(s.w.slot.hva, EVIL, GMEM_HUGE);
	ASSERT_OK(convert(&s.w, 0, AT, GMEM_SHARED));
	ASSERT_OK(convert(&s.w, AT + 1, GMEM_HUGE / PG - AT - 1, GMEM_SHARED));
	sealed_start(&s, seal);
	ASSERT_OK(share(&s, AT));
	before = gmem_vm_stat(s.w.vm, "pages_2m");
	ASSERT_EQ(sealed_do(&s, GMEM_CMD_READ, gpa(AT + 1), 0), EVIL);
	ASSERT_EQ(gmem_vm_stat(s.w.vm, "pages_2m") - before, seal ? 0 : 1);
	assert_sees(&s, AT, EVIL, EFAULT);
}

SEALED_ATTACK(pre_fault)
{
	struct kvm_pre_fault_memory args = { .gpa = gpa(AT), .size = PG };
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	gmem_punch(s.w.slot.fd, AT * PG, PG);
	if (seal)
		ASSERT_ERRNO(ioctl(s.w.vcpu->fd, KVM_PRE_FAULT_MEMORY, &args),
			     EHWPOISON);
	else
		ASSERT_OK(ioctl(s.w.vcpu->fd, KVM_PRE_FAULT_MEMORY, &args));
}

GMEM_HARNESS_MAIN
