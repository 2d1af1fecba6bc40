// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: conversions that something is in the way of, and
 * bindings.
 */
#define _GNU_SOURCE

#include "gmem_harness.h"
#include "gmem_world.h"

GMEM_TEST(foreign_reference_vm_ioctl)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	unsigned int i;
	int fds[2];

	memset(host(&w, 0), 0x11, PAGES * PG);
	pin(host(&w, 5), fds);
	ASSERT_ERRNO(convert(&w, 0, PAGES, GMEM_PRIVATE), EAGAIN);
	ASSERT_ERRNO(convert(&w, 5, 1, GMEM_PRIVATE), EAGAIN);
	/* All or nothing: every page is as before, for host and guest. */
	for (i = 0; i < PAGES; i++) {
		assert_host(&w, i, 0x11);
		guest_fills(&w, i, 0x12);
		assert_host(&w, i, 0x12);
		memset(host(&w, i), 0x11, PG);
	}
	/* Only that page is in the way. */
	ASSERT_OK(convert(&w, 0, 5, GMEM_PRIVATE));
	ASSERT_OK(convert(&w, 6, 2, GMEM_PRIVATE));
	unpin(fds, 0x11);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	for (i = 0; i < PAGES; i++) {
		assert_no_host(&w, i);
		assert_guest(&w, i, 0x11);
	}
}

GMEM_TEST(foreign_reference_file_ioctl)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	u64 error_offset = 0x1234;
	unsigned int i;
	int fds[2];

	memset(host(&w, 0), 0x11, PAGES * PG);
	ASSERT_OK(__gmem_set_attrs2(w.slot.fd, 0, PG, GMEM_PRIVATE, &error_offset));
	ASSERT_EQ(error_offset, 0x1234);

	pin(host(&w, 5), fds);
	ASSERT_ERRNO(__gmem_set_attrs2(w.slot.fd, PG, 9 * PG, GMEM_PRIVATE,
				       &error_offset), EAGAIN);
	ASSERT_EQ(error_offset, 5 * PG);
	for (i = 5; i < PAGES; i++)
		assert_host(&w, i, 0x11);
	unpin(fds, 0x11);
	ASSERT_OK(__gmem_set_attrs2(w.slot.fd, error_offset, 5 * PG, GMEM_PRIVATE,
				    &error_offset));
	assert_no_host(&w, 5);
	assert_no_host(&w, 9);
	assert_host(&w, 10, 0x11);
}

GMEM_TEST(foreign_reference_second_file)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	struct gmem_slot second;
	struct world w2 = w;
	unsigned int i;
	int fds[2];

	/* Adjacent in the guest: one range, two files */
	gmem_slot_add(&second, w.vm, GMEM_SLOT_INPLACE, SLOT + 1, gpa(PAGES), PAGES * PG);
	w2.slot = second;
	memset(host(&w, 0), 0x11, PAGES * PG);
	memset(host(&w2, 0), 0x22, PAGES * PG);
	pin(host(&w2, 9), fds);
	ASSERT_ERRNO(convert(&w, 0, 2 * PAGES, GMEM_PRIVATE), EAGAIN);
	for (i = 0; i < PAGES; i++) {
		assert_host(&w, i, 0x11);
		assert_host(&w2, i, 0x22);
	}
	unpin(fds, 0x22);
	ASSERT_OK(convert(&w, 0, 2 * PAGES, GMEM_PRIVATE));
	for (i = 0; i < PAGES; i++) {
		assert_no_host(&w, i);
		assert_no_host(&w2, i);
	}
	assert_guest(&w, PAGES, 0x22);
}

/* What the kernel itself holds for a moment is no reason to refuse. */
GMEM_TEST(own_references_never_refuse)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	unsigned int round, i;

	for (round = 0; round < 100; round++) {
		for (i = 0; i < PAGES; i++) {
			host(&w, i)[0] = round;
			gmem_cmd_result(w.vcpu, GMEM_CMD_WRITE, gpa(i) + 1, round);
		}
		ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
		ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	}
}

GMEM_TEST(mapping_of_another_process)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	int to[2], from[2], status;
	pid_t pid;
	char c;

	memset(host(&w, 0), 0x11, PAGES * PG);
	TEST_ASSERT(!pipe(to) && !pipe(from), "pipe()");
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		assert_host(&w, 3, 0x11);
		TEST_ASSERT(write(from[1], "x", 1) == 1, "write()");
		TEST_ASSERT(read(to[0], &c, 1) == 1, "read()");
		assert_no_host(&w, 3);
		assert_host(&w, 4, 0x11);
		exit(0);
	}
	TEST_ASSERT(read(from[0], &c, 1) == 1, "read()");
	ASSERT_OK(convert(&w, 3, 1, GMEM_PRIVATE));
	TEST_ASSERT(write(to[1], "x", 1) == 1, "write()");
	TEST_ASSERT(waitpid(pid, &status, 0) == pid && !status, "child failed");
}

GMEM_TEST(deleting_a_slot_keeps_private)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	memset(host(&w, 0), 0x11, PAGES * PG);
	ASSERT_OK(convert(&w, 4, 4, GMEM_PRIVATE));
	guest_fills(&w, 4, 0x44);
	gmem_slot_delete(&w.slot, w.vm->fd);
	assert_no_host(&w, 4);
	assert_host(&w, 3, 0x11);
	/* The gfn's attribute no longer says anything about the file. */
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	assert_no_host(&w, 4);
	ASSERT_OK(convert_file(&w, 4, 1, GMEM_SHARED));
	assert_host(&w, 4, 0);
	assert_no_host(&w, 5);
}

GMEM_TEST(binding_at_a_private_gfn)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	int fds[2];

	gmem_slot_delete(&w.slot, w.vm->fd);
	memset(host(&w, 0), 0x11, PAGES * PG);
	ASSERT_OK(convert(&w, 2, 2, GMEM_PRIVATE));
	assert_host(&w, 2, 0x11);

	pin(host(&w, 3), fds);
	ASSERT_ERRNO(__gmem_set_region2(w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, GMEM_BASE,
					PAGES * PG, w.slot.hva, w.slot.fd, 0), EAGAIN);
	assert_host(&w, 2, 0x11);
	unpin(fds, 0x11);

	bind_again(&w);
	assert_host(&w, 1, 0x11);
	assert_no_host(&w, 2);
	assert_no_host(&w, 3);
	assert_host(&w, 4, 0x11);
	assert_guest(&w, 2, 0x11);
}

GMEM_TEST(binding_a_private_offset_at_a_shared_gfn)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	gmem_slot_delete(&w.slot, w.vm->fd);
	ASSERT_OK(convert_file(&w, 2, 2, GMEM_PRIVATE));
	bind_again(&w);
	assert_host(&w, 1, 0);
	assert_no_host(&w, 2);
	assert_no_host(&w, 3);
}

/* One slot at offset != 0: gfn and offset are not confused. */
GMEM_TEST(slot_in_the_middle_of_a_file)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	gmem_slot_delete(&w.slot, w.vm->fd);
	memset(host(&w, 0), 0x11, PAGES * PG);
	gmem_set_region2(w.vm->fd, SLOT, KVM_MEM_GUEST_MEMFD, gpa(8), 4 * PG,
			 host(&w, 2), w.slot.fd, 2 * PG);
	ASSERT_OK(convert(&w, 9, 1, GMEM_PRIVATE));
	assert_host(&w, 2, 0x11);
	assert_no_host(&w, 3);
	assert_host(&w, 4, 0x11);
	assert_host(&w, 9, 0x11);
	assert_guest(&w, 9, 0x11);
	guest_fills(&w, 9, 0x99);
	assert_guest(&w, 8, 0x11);
	need_offers();
	convert_offered(&w, 9, 1);
	assert_host(&w, 3, 0x99);
}

GMEM_HARNESS_MAIN
