// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: what the backend of a VM is asked, and what becomes of a
 * page if it refuses.
 *
 * KVM's test backend warns by itself if a call does not fit, and the page allocator
 * if it gets a page that a guest owns.
 */
#define _GNU_SOURCE
#include "gmem_backend.h"
#include "gmem_world.h"

#define SECRET	0x55
#define MESSAGE	0x22

static struct world make_backend(unsigned long flags, enum gmem_kind kind)
{
	struct world w;

	gmem_begin_backend_case();
	w = make_world_of(GMEM_TEST_VM + flags, kind);
	ASSERT_EQ(gmem_owned_pages(), 0);
	return w;
}

static struct world make_private(unsigned long flags)
{
	struct world w = make_backend(flags, GMEM_SLOT_INPLACE);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	return w;
}

static void fill_guest(const struct world *w, u8 value)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		guest_fills(w, i, value + i);
}

static void assert_guest_has(const struct world *w, u8 value)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		assert_guest(w, i, value + i);
}

static void fill_host(const struct world *w, u8 value)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		memset(host(w, i), value + i, PG);
}

static void assert_host_has(const struct world *w, u8 value)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		assert_host(w, i, value + i);
}

static void assert_no_host_at_all(const struct world *w)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		assert_no_host(w, i);
}

/* The guest's access ends in KVM_EXIT_MEMORY_FAULT with an errno of the backend. */
static void assert_guest_refused(const struct world *w, unsigned int page, int err)
{
	struct gmem_run run = gmem_cmd(w->vcpu, GMEM_CMD_READ, gpa(page), 0);

	TEST_ASSERT(run.ret == -1 && run.err == err, "KVM_RUN: %d, %s", run.ret,
		    strerror(run.err));
	ASSERT_EQ(w->vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT);
	ASSERT_EQ(w->vcpu->run->memory_fault.gpa, gpa(page));
}

/* Once the failure is over, the same access goes on. */
static u64 finish_read(const struct world *w)
{
	struct gmem_run run = gmem_run(w->vcpu);

	ASSERT_EQ(run.exit, GMEM_EXIT_SYNC);
	return run.args[1];
}

static void assert_convert_fails(const struct world *w, u64 attrs)
{
	ASSERT_ERRNO(convert(w, 0, PAGES, attrs), EIO);
}

GMEM_TEST(types)
{
	int kvm = open_kvm_dev_path_or_exit();
	unsigned long type;

	gmem_begin_backend_case();
	for (type = GMEM_TEST_VM; type < GMEM_TEST_VM + GMEM_TEST_TYPES; type++)
		ASSERT_OK(close(gmem_vm_open(type)));
	ASSERT_ERRNO(ioctl(kvm, KVM_CREATE_VM, type), EINVAL);
	ASSERT_ERRNO(ioctl(kvm, KVM_CREATE_VM, GMEM_TEST_VM - 1), EINVAL);
}

static void refuse_first_use(unsigned long flags, enum gmem_kind kind)
{
	struct world w = make_backend(flags, kind);
	bool scrambled = flags & GMEM_TEST_DESTRUCTIVE;

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	gmem_fail_call(GMEM_FAIL_PREPARE, 1, 2);
	assert_guest_refused(&w, 3, EIO);
	ASSERT_EQ(w.vcpu->run->memory_fault.flags, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	ASSERT_EQ(gmem_owned_pages(), 0);

	ASSERT_EQ(gmem_run(w.vcpu).err, EIO);
	ASSERT_EQ(finish_read(&w), scrambled ? GMEM_TEST_TO_GUEST : 0);
	ASSERT_EQ(gmem_owned_pages(), 1);
}

GMEM_TEST(refused_first_use)
{
	refuse_first_use(0, GMEM_SLOT_TWO);
}

GMEM_TEST(refused_first_use_destructive)
{
	refuse_first_use(GMEM_TEST_DESTRUCTIVE, GMEM_SLOT_TWO);
}

GMEM_TEST(refused_first_use_in_place)
{
	refuse_first_use(0, GMEM_SLOT_MMAP);
}

GMEM_TEST(refused_first_use_in_place_destructive)
{
	refuse_first_use(GMEM_TEST_DESTRUCTIVE | GMEM_TEST_NO_ACCESS, GMEM_SLOT_INPLACE);
}

/* KVM's own access is a first use as well. */
GMEM_TEST(refused_access_of_kvm)
{
	struct world w = make_private(0);

	gmem_fail_call(GMEM_FAIL_PREPARE, 1, 1);
	gmem_cmd_fault(w.vcpu, GMEM_CMD_OUTS, gpa(1), 1, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	ASSERT_EQ(gmem_owned_pages(), 0);
}

GMEM_TEST(reversible_keeps_contents)
{
	struct world w = make_backend(0, GMEM_SLOT_INPLACE);

	fill_host(&w, SECRET);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	ASSERT_EQ(gmem_owned_pages(), PAGES);
	assert_guest_has(&w, SECRET);
	convert_offered(&w, 0, PAGES);
	ASSERT_EQ(gmem_owned_pages(), 0);
	assert_host_has(&w, SECRET);
}

/* What was not asked for reads as zeroes, whatever the backend makes of a page. */
static void share_unasked(unsigned long flags)
{
	struct world w = make_private(flags);
	unsigned int i;

	fill_guest(&w, SECRET);
	ASSERT_EQ(gmem_owned_pages(), PAGES);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	ASSERT_EQ(gmem_owned_pages(), 0);
	for (i = 0; i < PAGES; i++)
		assert_host(&w, i, 0);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_private_pages"), 0);
}

GMEM_TEST(reversible_shares_zeroes)
{
	share_unasked(0);
}

GMEM_TEST(destructive_shares_zeroes)
{
	share_unasked(GMEM_TEST_DESTRUCTIVE);
}

/* There is nothing to keep, even if the guest asks. */
GMEM_TEST(destructive_loses_contents)
{
	struct world w = make_backend(GMEM_TEST_DESTRUCTIVE, GMEM_SLOT_INPLACE);

	fill_host(&w, SECRET);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	assert_guest(&w, 0, GMEM_TEST_TO_GUEST);
	guest_fills(&w, 1, MESSAGE);
	convert_offered(&w, 0, 2);
	assert_host(&w, 0, 0);
	assert_host(&w, 1, 0);
}

static void refuse_private(int nth)
{
	struct world w = make_backend(0, GMEM_SLOT_INPLACE);
	u64 offset = 0;

	fill_host(&w, SECRET);
	gmem_fail_call(GMEM_FAIL_PRIVATE, nth, 1);
	assert_convert_fails(&w, GMEM_PRIVATE);
	ASSERT_EQ(gmem_owned_pages(), 0);
	assert_host_has(&w, SECRET);
	assert_guest_has(&w, SECRET);

	gmem_fail_call(GMEM_FAIL_PRIVATE, nth, 1);
	ASSERT_ERRNO(__gmem_set_attrs2(w.slot.fd, 0, PAGES * PG, GMEM_PRIVATE, &offset),
		     EIO);
	ASSERT_EQ(offset, (nth - 1) * PG);
	assert_host_has(&w, SECRET);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	ASSERT_EQ(gmem_owned_pages(), PAGES);
	assert_guest_has(&w, SECRET);
	assert_no_host_at_all(&w);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_leaked_pages"), 0);
}

GMEM_TEST(refused_private_first)
{
	refuse_private(1);
}

GMEM_TEST(refused_private_middle)
{
	refuse_private(PAGES / 2);
}

GMEM_TEST(refused_private_last)
{
	refuse_private(PAGES);
}

static void refuse_shared(int nth)
{
	struct world w = make_private(0);

	fill_guest(&w, SECRET);
	gmem_guest_offer(w.vcpu, gpa(0), PAGES);
	gmem_fail_call(GMEM_FAIL_SHARED, nth, 1);
	assert_convert_fails(&w, GMEM_SHARED);
	ASSERT_EQ(gmem_owned_pages(), PAGES);
	assert_no_host_at_all(&w);

	/* The request stands. */
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
	assert_host_has(&w, SECRET);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_leaked_pages"), 0);
}

GMEM_TEST(refused_shared_first)
{
	refuse_shared(1);
}

GMEM_TEST(refused_shared_middle)
{
	refuse_shared(PAGES / 2);
}

GMEM_TEST(refused_shared_last)
{
	refuse_shared(PAGES);
}

GMEM_TEST(refused_shared_keeps_contents)
{
	struct world w = make_private(0);

	fill_guest(&w, SECRET);
	gmem_fail_call(GMEM_FAIL_SHARED, PAGES, 1);
	assert_convert_fails(&w, GMEM_SHARED);
	assert_guest_has(&w, SECRET);
}

/* The undoing of one page fails: its contents are gone, all else is as before. */
GMEM_TEST(undo_of_private_fails)
{
	struct world w = make_backend(0, GMEM_SLOT_INPLACE);
	unsigned int i;

	fill_host(&w, SECRET);
	gmem_fail_call(GMEM_FAIL_PRIVATE, 8, 1);
	gmem_fail_call(GMEM_FAIL_SHARED, 3, 1);
	assert_convert_fails(&w, GMEM_PRIVATE);
	ASSERT_EQ(gmem_owned_pages(), 0);
	for (i = 0; i < PAGES; i++)
		assert_host(&w, i, i == 2 ? 0 : SECRET + i);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_private_pages"), 0);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_leaked_pages"), 0);
}

GMEM_TEST(undo_of_shared_fails)
{
	struct world w = make_private(0);
	unsigned int i;

	fill_guest(&w, SECRET);
	gmem_fail_call(GMEM_FAIL_SHARED, 8, 1);
	gmem_fail_call(GMEM_FAIL_PRIVATE, 3, 1);
	assert_convert_fails(&w, GMEM_SHARED);
	ASSERT_EQ(gmem_owned_pages(), PAGES - 1);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_private_pages"), PAGES - 1);
	assert_no_host_at_all(&w);
	for (i = 0; i < PAGES; i++)
		assert_guest(&w, i, i == 2 ? 0 : SECRET + i);
}

/* And nobody gets the page: not the guest, not the host, not the allocator. */
GMEM_TEST(undo_and_reclaim_fail)
{
	struct world w = make_backend(0, GMEM_SLOT_INPLACE);

	fill_host(&w, SECRET);
	gmem_fail_call(GMEM_FAIL_PRIVATE, 8, 1);
	gmem_fail_call(GMEM_FAIL_SHARED, 3, 1);
	gmem_fail_call(GMEM_FAIL_RECLAIM, 1, 1);
	assert_convert_fails(&w, GMEM_PRIVATE);
	ASSERT_EQ(gmem_owned_pages(), 0);
	assert_host(&w, 2, 0);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_leaked_pages"), 1);
}

static void quarantine_on_punch(unsigned long flags)
{
	struct world w = make_private(flags);
	char info[64];

	fill_guest(&w, SECRET);
	gmem_fail_call(GMEM_FAIL_RECLAIM, 4, 2);
	gmem_punch(w.slot.fd, 0, 8 * PG);
	ASSERT_EQ(gmem_owned_pages(), PAGES - 8);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_leaked_pages"), 2);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_private_pages"), PAGES - 8);
	snprintf(info, sizeof(info), "/proc/self/fdinfo/%d", w.slot.fd);
	ASSERT_EQ(gmem_read_number(info, "gmem_leaked:"), 8);

	/* Another page is there. */
	assert_guest(&w, 3, flags & GMEM_TEST_DESTRUCTIVE ? GMEM_TEST_TO_GUEST : 0);
}

GMEM_TEST(quarantine_on_punch)
{
	quarantine_on_punch(0);
}

GMEM_TEST(quarantine_on_punch_destructive)
{
	quarantine_on_punch(GMEM_TEST_DESTRUCTIVE | GMEM_TEST_NO_ACCESS);
}

/* A conversion has no other way to go on. */
GMEM_TEST(quarantine_on_conversion)
{
	struct world w = make_private(GMEM_TEST_DESTRUCTIVE);
	unsigned int i;

	fill_guest(&w, SECRET);
	gmem_fail_call(GMEM_FAIL_RECLAIM, 5, 3);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	ASSERT_EQ(gmem_owned_pages(), 0);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_leaked_pages"), 3);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_private_pages"), 0);
	for (i = 0; i < PAGES; i++)
		assert_host(&w, i, 0);
	fill_host(&w, MESSAGE);
	assert_guest_has(&w, MESSAGE);
}

/* The VM goes away all the same. */
GMEM_TEST(quarantine_on_close)
{
	struct world w = make_private(0);

	fill_guest(&w, SECRET);
	gmem_fail_call(GMEM_FAIL_RECLAIM, 1, PAGES);
	gmem_slot_delete(&w.slot, w.vm->fd);
	munmap(w.slot.hva, PAGES * PG);
	close(w.slot.fd);
	ASSERT_EQ(gmem_owned_pages(), 0);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_leaked_pages"), PAGES);
}

/* The hardware says that the guest takes a page for the other kind. */
GMEM_TEST(access_to_the_other_side)
{
	struct world w = make_private(0);

	guest_fills(&w, 1, SECRET);
	ASSERT_OK(convert(&w, 8, 1, GMEM_SHARED));

	gmem_fail_call(GMEM_FAIL_ACCESS, 1, 1);
	gmem_cmd_fault(w.vcpu, GMEM_CMD_READ, gpa(2), 0, 0);
	ASSERT_EQ(finish_read(&w), 0);

	gmem_fail_call(GMEM_FAIL_ACCESS, 1, 1);
	gmem_cmd_fault(w.vcpu, GMEM_CMD_READ, gpa(8), 0, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	ASSERT_EQ(finish_read(&w), 0);
	assert_guest(&w, 1, SECRET);
}

/* There is no memory, but the guest takes it for private. */
GMEM_TEST(access_to_a_device_as_memory)
{
	struct world w = make_backend(0, GMEM_SLOT_INPLACE);
	const u64 device = gpa(PAGES);
	int i;

	virt_map(w.vm, device, device, 1);
	/* The second access finds what the first one has left in the page tables. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(gmem_cmd(w.vcpu, GMEM_CMD_READ, device, 0).exit, GMEM_EXIT_OTHER);
		ASSERT_EQ(w.vcpu->run->exit_reason, KVM_EXIT_MMIO);
		ASSERT_EQ(finish_read(&w), 0);
	}
	gmem_fail_call(GMEM_FAIL_ACCESS, 1, 1);
	gmem_cmd_fault(w.vcpu, GMEM_CMD_READ, device, 0, KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

/* What the kernel must not touch, the emulator cannot read. */
GMEM_TEST(kernel_keeps_away)
{
	struct world w = make_private(GMEM_TEST_NO_ACCESS);

	guest_fills(&w, 1, SECRET);
	gmem_cmd_fault(w.vcpu, GMEM_CMD_OUTS, gpa(1), 1, KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

/* An offset can be private at a shared gfn; it is the page that counts. */
GMEM_TEST(kernel_keeps_away_from_the_page)
{
	struct world w = make_backend(GMEM_TEST_NO_ACCESS, GMEM_SLOT_MMAP);

	gmem_cmd_fault(w.vcpu, GMEM_CMD_OUTS, gpa(1), 1, 0);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	ASSERT_EQ(gmem_run(w.vcpu).exit, GMEM_EXIT_OTHER);
	ASSERT_EQ(w.vcpu->run->exit_reason, KVM_EXIT_IO);
}

/* What the guest owns is not mapped as shared memory. */
GMEM_TEST(owned_page_at_a_shared_gfn)
{
	struct world w = make_private(0);

	guest_fills(&w, 1, SECRET);
	gmem_slot_delete(&w.slot, w.vm->fd);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	bind_again(&w);
	gmem_cmd_fault(w.vcpu, GMEM_CMD_READ, gpa(1), 0, 0);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	ASSERT_EQ(finish_read(&w), SECRET);
}

/* A page that is used at another gfn is prepared for it. */
GMEM_TEST(page_at_another_gfn)
{
	struct world w = make_private(0);

	guest_fills(&w, 1, SECRET);
	gmem_slot_delete(&w.slot, w.vm->fd);
	gmem_set_region2(w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, GMEM_BASE, PG,
			 host(&w, 1), w.slot.fd, PG);
	gmem_fail_call(GMEM_FAIL_PREPARE, 1, 1);
	assert_guest_refused(&w, 0, EIO);
	ASSERT_EQ(finish_read(&w), SECRET);
	ASSERT_EQ(gmem_owned_pages(), 1);
}

GMEM_HARNESS_MAIN
