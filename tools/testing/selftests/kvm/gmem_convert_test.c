// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: conversions - contents, consent, host mappings.
 */
#define _GNU_SOURCE

#include "gmem_harness.h"
#include "gmem_world.h"

GMEM_TEST(to_private_preserves)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	memset(host(&w, 0), 0x11, PAGES * PG);
	guest_fills(&w, 3, 0x33);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	assert_guest(&w, 0, 0x11);
	assert_guest(&w, 3, 0x33);
	assert_guest(&w, PAGES - 1, 0x11);
	assert_no_host(&w, 0);
	assert_no_host(&w, PAGES - 1);
}

GMEM_TEST(to_shared_without_offer_zeroes)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	unsigned int i;

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	for (i = 0; i < PAGES; i++)
		guest_fills(&w, i, 0xa0 + i);
	ASSERT_OK(convert(&w, 4, 4, GMEM_SHARED));
	for (i = 0; i < PAGES; i++) {
		if (i >= 4 && i < 8) {
			assert_host(&w, i, 0);
			assert_guest(&w, i, 0);
		} else {
			assert_no_host(&w, i);
			assert_guest(&w, i, 0xa0 + i);
		}
	}
}

GMEM_TEST(to_shared_offered_shows)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	guest_fills(&w, 5, 0x55);
	guest_fills(&w, 6, 0x66);
	guest_fills(&w, 7, 0x77);
	convert_offered(&w, 5, 2);
	assert_host(&w, 5, 0x55);
	assert_host(&w, 6, 0x66);
	assert_no_host(&w, 7);
	assert_guest(&w, 7, 0x77);
	/* The same page now carries messages both ways. */
	memset(host(&w, 5), 0x99, PG);
	assert_guest(&w, 5, 0x99);
	guest_fills(&w, 5, 0x9a);
	assert_host(&w, 5, 0x9a);
	/* And back, with what both left in it. */
	ASSERT_OK(convert(&w, 5, 2, GMEM_PRIVATE));
	assert_guest(&w, 5, 0x9a);
	assert_no_host(&w, 5);
}

GMEM_TEST(offer_is_consumed)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	guest_fills(&w, 5, 0x55);
	convert_offered(&w, 5, 1);
	assert_host(&w, 5, 0x55);
	ASSERT_OK(convert(&w, 5, 1, GMEM_PRIVATE));
	guest_fills(&w, 5, 0x56);
	ASSERT_OK(convert(&w, 5, 1, GMEM_SHARED));
	assert_host(&w, 5, 0);
}

/* Once, even before the guest runs again */
GMEM_TEST(offer_is_good_for_one_conversion)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	guest_fills(&w, 5, 0x55);
	guest_fills(&w, 6, 0x66);
	gmem_guest_offer(w.vcpu, gpa(5), 2);
	ASSERT_OK(convert(&w, 5, 1, GMEM_SHARED));
	assert_host(&w, 5, 0x55);
	ASSERT_OK(convert(&w, 5, 1, GMEM_PRIVATE));
	ASSERT_OK(convert(&w, 5, 1, GMEM_SHARED));
	assert_host(&w, 5, 0);
	/* The rest of the offer stands until the guest runs. */
	ASSERT_OK(convert(&w, 6, 1, GMEM_SHARED));
	assert_host(&w, 6, 0x66);
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
}

/* An offer that was not taken is void when the guest runs again. */
GMEM_TEST(offer_ends_with_the_exit)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	guest_fills(&w, 5, 0x55);
	gmem_guest_offer(w.vcpu, gpa(5), 1);
	w.vcpu->run->hypercall.ret = -11;
	ASSERT_EQ(gmem_resume(w.vcpu), -11);
	guest_fills(&w, 5, 0x56);
	ASSERT_OK(convert(&w, 5, 1, GMEM_SHARED));
	assert_host(&w, 5, 0);
}

GMEM_TEST(offer_covers_its_range_only)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	unsigned int i;

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	for (i = 0; i < PAGES; i++)
		guest_fills(&w, i, 0xa0 + i);

	/* The neighbours on both sides */
	gmem_guest_offer(w.vcpu, gpa(5), 1);
	ASSERT_OK(convert(&w, 4, 1, GMEM_SHARED));
	ASSERT_OK(convert(&w, 6, 1, GMEM_SHARED));
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
	assert_host(&w, 4, 0);
	assert_host(&w, 6, 0);
	assert_no_host(&w, 5);

	/* More than was offered: the rest stays secret. */
	gmem_guest_offer(w.vcpu, gpa(9), 1);
	ASSERT_OK(convert(&w, 8, 4, GMEM_SHARED));
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
	assert_host(&w, 8, 0);
	assert_host(&w, 10, 0);
	assert_host(&w, 11, 0);
}

/* A hypercall after which the VMM makes the page shared, and gets zeroes */
static void check_no_offer(enum gmem_cmd_op request)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	struct gmem_run run;

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	guest_fills(&w, 5, 0x55);
	run = gmem_cmd(w.vcpu, request, gpa(5), 1);
	ASSERT_EQ(run.exit, GMEM_EXIT_OTHER);
	ASSERT_EQ(w.vcpu->run->exit_reason, KVM_EXIT_HYPERCALL);
	ASSERT_OK(convert(&w, 5, 1, GMEM_SHARED));
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
	assert_host(&w, 5, 0);
}

/* Linux clears what it has decrypted only afterwards. */
GMEM_TEST(plain_request_is_no_offer)
{
	check_no_offer(GMEM_CMD_SHARE);
}

GMEM_TEST(request_to_encrypt_is_no_offer)
{
	check_no_offer(GMEM_CMD_UNSHARE);
}

GMEM_TEST(idempotent)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	memset(host(&w, 0), 0x11, PG);
	ASSERT_OK(convert(&w, 0, 1, GMEM_SHARED));
	assert_host(&w, 0, 0x11);
	ASSERT_OK(convert(&w, 0, 1, GMEM_PRIVATE));
	ASSERT_OK(convert(&w, 0, 1, GMEM_PRIVATE));
	ASSERT_OK(convert_file(&w, 0, 1, GMEM_PRIVATE));
	assert_guest(&w, 0, 0x11);
	convert_offered(&w, 0, 1);
	assert_host(&w, 0, 0x11);
	ASSERT_OK(convert(&w, 0, 1, GMEM_SHARED));
	ASSERT_OK(convert_file(&w, 0, 1, GMEM_SHARED));
	assert_host(&w, 0, 0x11);
}

GMEM_TEST(two_backings_keep_their_contents)
{
	struct world w = make_world(GMEM_SLOT_TWO);

	memset(host(&w, 0), 0x11, PAGES * PG);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	assert_guest(&w, 0, 0);
	guest_fills(&w, 0, 0x22);
	assert_host(&w, 0, 0x11);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	assert_guest(&w, 0, 0x11);
	guest_fills(&w, 0, 0x12);
	assert_host(&w, 0, 0x12);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	assert_guest(&w, 0, 0x22);
	gmem_punch(w.slot.fd, 0, PG);
	assert_guest(&w, 0, 0);
	assert_host(&w, 0, 0x12);
}

GMEM_TEST(initially_private_file)
{
	struct world w = make_world(GMEM_SLOT_MMAP);

	assert_no_host(&w, 0);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	assert_no_host(&w, 0);
	guest_fills(&w, 0, 0x22);
	guest_fills(&w, 1, 0x23);
	ASSERT_OK(convert(&w, 0, 1, GMEM_SHARED));
	assert_host(&w, 0, 0);
	convert_offered(&w, 1, 1);
	assert_host(&w, 1, 0x23);
	assert_no_host(&w, 2);
}

GMEM_TEST(file_ioctl_contents_and_consent)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	memset(host(&w, 0), 0x11, PAGES * PG);
	ASSERT_OK(convert_file(&w, 0, PAGES, GMEM_PRIVATE));
	assert_no_host(&w, 0);
	assert_guest(&w, 2, 0x11);
	guest_fills(&w, 2, 0x22);
	ASSERT_OK(convert_file(&w, 2, 1, GMEM_SHARED));
	assert_host(&w, 2, 0);
	guest_fills(&w, 3, 0x33);
	gmem_guest_offer(w.vcpu, gpa(3), 1);
	ASSERT_OK(convert_file(&w, 3, 1, GMEM_SHARED));
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
	assert_host(&w, 3, 0x33);
}

/* Both ioctls commit both maps. */
GMEM_TEST(file_ioctl_sets_the_vm_attribute)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	ASSERT_OK(convert_file(&w, 4, 1, GMEM_PRIVATE));
	gmem_slot_delete(&w.slot, w.vm->fd);
	gmem_cmd_fault(w.vcpu, GMEM_CMD_READ, gpa(4), 0, GMEM_PRIVATE);
	bind_again(&w);
	gmem_resume(w.vcpu);

	ASSERT_OK(convert_file(&w, 4, 1, GMEM_SHARED));
	gmem_slot_delete(&w.slot, w.vm->fd);
	ASSERT_EQ(gmem_cmd(w.vcpu, GMEM_CMD_READ, gpa(4), 0).exit, GMEM_EXIT_OTHER);
	ASSERT_EQ(w.vcpu->run->exit_reason, KVM_EXIT_MMIO);
}

GMEM_TEST(file_ioctl_on_unbound_offsets)
{
	int vm = gmem_vm_open(GMEM_VM_PROTECTED);
	struct world w = { .slot.fd = gmem_create(vm, PAGES * PG, GMEM_INPLACE) };

	w.slot.hva = gmem_mmap(w.slot.fd, PAGES * PG, 0);
	memset(host(&w, 0), 0x11, PAGES * PG);
	ASSERT_OK(convert_file(&w, 4, 4, GMEM_PRIVATE));
	assert_host(&w, 3, 0x11);
	assert_no_host(&w, 4);
	assert_no_host(&w, 7);
	assert_host(&w, 8, 0x11);
	ASSERT_OK(convert_file(&w, 5, 1, GMEM_SHARED));
	assert_no_host(&w, 4);
	assert_host(&w, 5, 0);
	assert_no_host(&w, 6);
	/* Without its VM's descriptor, too */
	close(vm);
	ASSERT_OK(convert_file(&w, 6, 1, GMEM_SHARED));
	assert_host(&w, 6, 0);
}

GMEM_TEST(file_ioctl_of_another_process)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	int status;
	pid_t pid;

	memset(host(&w, 0), 0x11, PAGES * PG);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		ASSERT_ERRNO(convert_file(&w, 0, 1, GMEM_PRIVATE), EIO);
		ASSERT_ERRNO(convert_file(&w, 0, 1, GMEM_SHARED), EIO);
		exit(0);
	}
	TEST_ASSERT(waitpid(pid, &status, 0) == pid && !status, "child failed");
	assert_host(&w, 0, 0x11);
}

GMEM_TEST(host_mapping_follows_the_state)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	unsigned int round;

	for (round = 0; round < 50; round++) {
		memset(host(&w, 0), 0x11 + round, PAGES * PG);
		ASSERT_OK(convert(&w, 1, 2, GMEM_PRIVATE));
		assert_no_host(&w, 1);
		assert_no_host(&w, 2);
		assert_host(&w, 0, 0x11 + round);
		assert_host(&w, 3, 0x11 + round);
		ASSERT_OK(convert(&w, 1, 2, GMEM_SHARED));
		assert_host(&w, 1, 0);
		assert_host(&w, 2, 0);
	}
}

GMEM_TEST(hole_keeps_the_state)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	memset(host(&w, 0), 0x11, PAGES * PG);
	ASSERT_OK(convert(&w, 0, 8, GMEM_PRIVATE));
	gmem_punch(w.slot.fd, 6 * PG, 4 * PG);
	assert_no_host(&w, 6);
	assert_no_host(&w, 7);
	assert_host(&w, 8, 0);
	assert_host(&w, 9, 0);
	assert_guest(&w, 6, 0);
	guest_fills(&w, 6, 0x66);
	assert_no_host(&w, 6);
	assert_guest(&w, 8, 0);
	assert_guest(&w, 5, 0x11);
	assert_host(&w, 10, 0x11);
}

/* Replace all memory by one page of the file, at the gfn of another one. */
static void rebind(struct world *w, int at, int page)
{
	gmem_slot_delete(&w->slot, w->vm->fd);
	gmem_set_region2(w->vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, gpa(at), PG,
			 host(w, page), w->slot.fd, page * PG);
}

/* Bind the offset of another private page where the guest has made an offer. */
GMEM_TEST(rebinding_an_offered_gfn)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	guest_fills(&w, 5, 0x55);
	guest_fills(&w, 9, 0x99);
	gmem_guest_offer(w.vcpu, gpa(5), 1);
	rebind(&w, 5, 9);
	ASSERT_OK(convert(&w, 5, 1, GMEM_SHARED));
	assert_host(&w, 9, 0);
}

/* The same before the offer. */
GMEM_TEST(rebinding_before_the_offer)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	guest_fills(&w, 5, 0x55);
	guest_fills(&w, 9, 0x99);
	rebind(&w, 5, 9);
	gmem_guest_offer(w.vcpu, gpa(5), 1);
	ASSERT_OK(convert(&w, 5, 1, GMEM_SHARED));
	assert_host(&w, 9, 0);
}

/* A page that the guest has used under two bindings is revealed under neither. */
GMEM_TEST(rebinding_twice)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	rebind(&w, 5, 5);
	guest_fills(&w, 5, 0x55);
	rebind(&w, 9, 5);
	guest_fills(&w, 9, 0x99);
	gmem_guest_offer(w.vcpu, gpa(9), 1);
	ASSERT_OK(convert(&w, 9, 1, GMEM_SHARED));
	assert_host(&w, 5, 0);
}

/* An offer ends when its range is converted, even to what it was before. */
GMEM_TEST(offer_ends_with_any_conversion)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	memset(host(&w, 5), 0x55, PG);
	gmem_guest_offer(w.vcpu, gpa(5), 1);
	ASSERT_OK(convert(&w, 5, 1, GMEM_PRIVATE));
	ASSERT_OK(convert(&w, 5, 1, GMEM_SHARED));
	assert_host(&w, 5, 0);
}

GMEM_TEST(offer_ends_with_a_conversion_to_the_same)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	guest_fills(&w, 5, 0x55);
	gmem_guest_offer(w.vcpu, gpa(5), 1);
	ASSERT_OK(convert(&w, 5, 1, GMEM_PRIVATE));
	ASSERT_OK(convert(&w, 5, 1, GMEM_SHARED));
	assert_host(&w, 5, 0);
}

/* A vCPU that goes on ends its own offer only. */
GMEM_TEST(offers_of_two_vcpus)
{
	struct kvm_vcpu *vcpus[2];
	struct world w;

	w.vm = gmem_vm_create(GMEM_VM_PROTECTED, 2, gmem_guest_server, vcpus);
	w.vcpu = vcpus[0];
	gmem_enable_map_gpa_range(w.vm);
	gmem_slot_add(&w.slot, w.vm, GMEM_SLOT_INPLACE, SLOT, GMEM_BASE, PAGES * PG);
	gmem_server_start(vcpus[0]);
	gmem_server_start(vcpus[1]);

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	guest_fills(&w, 5, 0x55);
	guest_fills(&w, 6, 0x66);
	guest_fills(&w, 7, 0x77);
	gmem_guest_offer(vcpus[0], gpa(5), 1);
	gmem_guest_offer(vcpus[1], gpa(6), 2);
	ASSERT_OK(convert(&w, 6, 1, GMEM_SHARED));
	ASSERT_EQ(gmem_resume(vcpus[1]), 0);
	ASSERT_OK(convert(&w, 5, 1, GMEM_SHARED));
	ASSERT_OK(convert(&w, 7, 1, GMEM_SHARED));
	assert_host(&w, 5, 0x55);
	assert_host(&w, 6, 0x66);
	assert_host(&w, 7, 0);
}

/* The guest has no secret in it: the page can be offered where it is now. */
GMEM_TEST(page_never_used_is_preserved)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	memset(host(&w, 9), 0x99, PG);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	rebind(&w, 5, 9);
	gmem_guest_offer(w.vcpu, gpa(5), 1);
	ASSERT_OK(convert(&w, 5, 1, GMEM_SHARED));
	assert_host(&w, 9, 0x99);
}

GMEM_HARNESS_MAIN
