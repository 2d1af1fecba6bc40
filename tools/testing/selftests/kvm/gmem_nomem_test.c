// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: each allocation of each call fails once, and whatever
 * can be seen of the VM is as before.
 */
#define _GNU_SOURCE
#include "gmem_nomem.h"

static void fill(struct nomem_world *nw, unsigned int page, unsigned int end)
{
	for (; page < end; page++)
		guest_fills(&nw->w, page, 0x10 + page);
}

static void fill_world(struct nomem_world *nw)
{
	fill(nw, 0, PAGES);
}

static int some_to_private(struct nomem_world *nw)
{
	return convert(&nw->w, 3, 8, GMEM_PRIVATE);
}

static void back_to_shared(struct nomem_world *nw)
{
	ASSERT_OK(convert(&nw->w, 3, 8, GMEM_SHARED));
	fill(nw, 3, 11);
}

static const struct call to_private = {
	.run = some_to_private, .undo = back_to_shared, .gets_through = BOTH,
};

GMEM_TEST(attributes_to_private_in_place)
{
	struct nomem_world nw = make_nomem_world(GMEM_SLOT_INPLACE, 0);

	fill_world(&nw);
	fail_each_allocation(&nw, &to_private);
}

static int some_to_shared(struct nomem_world *nw)
{
	return convert(&nw->w, 3, 8, GMEM_SHARED);
}

static void back_to_private(struct nomem_world *nw)
{
	ASSERT_OK(convert(&nw->w, 3, 8, GMEM_PRIVATE));
	fill(nw, 3, 11);
}

static const struct call to_shared = {
	.run = some_to_shared, .undo = back_to_private, .gets_through = BOTH,
};

GMEM_TEST(attributes_to_shared_in_place)
{
	struct nomem_world nw = make_nomem_world(GMEM_SLOT_INPLACE, 0);

	ASSERT_OK(convert(&nw.w, 0, PAGES, GMEM_PRIVATE));
	fill_world(&nw);
	fail_each_allocation(&nw, &to_shared);
}

/* Far more than the slot: the map splits at both ends. */
static int wide_to_private(struct nomem_world *nw)
{
	return __gmem_set_attrs(nw->w.vm->fd, gpa(3), 1ULL << 40, GMEM_PRIVATE);
}

static void wide_to_shared(struct nomem_world *nw)
{
	gmem_set_attrs(nw->w.vm->fd, gpa(3), 1ULL << 40, GMEM_SHARED);
}

GMEM_TEST(attributes_of_a_wide_range)
{
	static const struct call call = {
		.run = wide_to_private, .undo = wide_to_shared,
		.gets_through = BIT(GMEM_FAIL_REST),
	};
	struct nomem_world nw = make_nomem_world(GMEM_SLOT_TWO, 0);

	fill_world(&nw);
	fail_each_allocation(&nw, &call);
}

/* A file whose map has no memory of its own yet */
static void bind_new_file(struct nomem_world *nw)
{
	ASSERT_OK(delete_second(nw));
	close(nw->fd);
	ASSERT_OK(munmap(nw->hva, MORE * PG));
	nw->fd = gmem_create(nw->w.vm->fd, MORE * PG, GMEM_INPLACE);
	nw->hva = gmem_mmap(nw->fd, MORE * PG, 0);
	ASSERT_OK(add_second(nw));
}

static int second_to_private(struct nomem_world *nw)
{
	return __gmem_set_attrs(nw->w.vm->fd, gpa(PAGES + 1), 2 * PG, GMEM_PRIVATE);
}

static void second_to_shared(struct nomem_world *nw)
{
	gmem_set_attrs(nw->w.vm->fd, gpa(PAGES + 1), 2 * PG, GMEM_SHARED);
}

/* What was reserved for the VM goes back if the file's map cannot grow. */
GMEM_TEST(attributes_of_a_new_file)
{
	static const struct call call = {
		.prepare = bind_new_file, .run = second_to_private,
		.undo = second_to_shared, .gets_through = BOTH,
	};
	struct nomem_world nw = make_nomem_world(GMEM_SLOT_TWO, GMEM_INPLACE);

	ASSERT_OK(add_second(&nw));
	fail_each_allocation(&nw, &call);
}

static int file_to_private(struct nomem_world *nw)
{
	u64 error_offset = 0x1234;
	int ret = __gmem_set_attrs2(nw->w.slot.fd, 3 * PG, 8 * PG, GMEM_PRIVATE, &error_offset);
	int err = errno;

	TEST_ASSERT(error_offset == (ret ? 3 * PG : 0x1234), "error_offset is %#lx", error_offset);
	errno = err;
	return ret;
}

GMEM_TEST(attributes2)
{
	static const struct call call = {
		.run = file_to_private, .undo = back_to_shared, .gets_through = BOTH,
	};
	struct nomem_world nw = make_nomem_world(GMEM_SLOT_INPLACE, 0);

	fill_world(&nw);
	fail_each_allocation(&nw, &call);
}

static int new_file = -1;

static int create_file(struct nomem_world *nw)
{
	new_file = __gmem_create(nw->w.vm->fd, PG, 0);
	return new_file < 0 ? -1 : 0;
}

static void close_file(struct nomem_world *nw)
{
	close(new_file);
}

GMEM_TEST(create)
{
	static const struct call call = {
		.run = create_file, .undo = close_file, .gets_through = BOTH,
	};
	struct nomem_world nw = make_nomem_world(GMEM_SLOT_TWO, 0);

	fail_each_allocation(&nw, &call);
}

static void undo_add(struct nomem_world *nw)
{
	ASSERT_OK(delete_second(nw));
}

GMEM_TEST(region_create)
{
	static const struct call call = {
		.run = add_second, .undo = undo_add, .gets_through = BOTH,
	};
	struct nomem_world nw = make_nomem_world(GMEM_SLOT_TWO, 0);

	fail_each_allocation(&nw, &call);
}

static void undo_add_of_private(struct nomem_world *nw)
{
	ASSERT_OK(delete_second(nw));
	gmem_set_attrs2(nw->fd, 0, MORE * PG, GMEM_SHARED);
	memset(nw->hva, 0x66, MORE * PG);
}

/* The binding makes offsets of the file private. */
GMEM_TEST(region_create_at_private)
{
	static const struct call call = {
		.run = add_second, .undo = undo_add_of_private, .gets_through = BOTH,
	};
	struct nomem_world nw = make_nomem_world(GMEM_SLOT_TWO, GMEM_INPLACE);

	memset(nw.hva, 0x66, MORE * PG);
	gmem_set_attrs(nw.w.vm->fd, gpa(PAGES + 1), 2 * PG, GMEM_PRIVATE);
	fail_each_allocation(&nw, &call);
}

static void undo_delete(struct nomem_world *nw)
{
	ASSERT_OK(add_second(nw));
}

GMEM_TEST(region_delete)
{
	static const struct call call = {
		.run = delete_second, .undo = undo_delete, .gets_through = BOTH,
	};
	struct nomem_world nw = make_nomem_world(GMEM_SLOT_TWO, GMEM_INPLACE);

	ASSERT_OK(add_second(&nw));
	fail_each_allocation(&nw, &call);
}

static void punch_some(struct nomem_world *nw)
{
	gmem_punch(nw->w.slot.fd, 3 * PG, 4 * PG);
}

static int allocate_some(struct nomem_world *nw)
{
	return __gmem_allocate(nw->w.slot.fd, 3 * PG, 4 * PG);
}

GMEM_TEST(allocate)
{
	static const struct call call = {
		.prepare = punch_some, .run = allocate_some, .undo = punch_some,
		.gets_through = BIT(GMEM_FAIL_ONE),
	};
	struct nomem_world nw = make_nomem_world(GMEM_SLOT_INPLACE, 0);

	fail_each_allocation(&nw, &call);
}

/* Until all is mapped.  What is left must tell how far a call got. */
static int prefault_some(struct nomem_world *nw)
{
	struct kvm_pre_fault_memory args = { .gpa = gpa(3), .size = 4 * PG };
	u64 left;
	int ret;

	do {
		left = args.size;
		ret = ioctl(nw->w.vcpu->fd, KVM_PRE_FAULT_MEMORY, &args);
		TEST_ASSERT(args.gpa + args.size == gpa(7), "%#llx bytes left at %#llx",
			    args.size, args.gpa);
		TEST_ASSERT(!ret == (args.size < left), "%d, %#lx bytes became %#llx", ret,
			    left, args.size);
	} while (!ret && args.size);
	return ret;
}

GMEM_TEST(prefault)
{
	static const struct call call = {
		.prepare = punch_some, .run = prefault_some, .undo = punch_some,
		.gets_through = BIT(GMEM_FAIL_ONE),
	};
	struct nomem_world nw = make_nomem_world(GMEM_SLOT_TWO, 0);

	ASSERT_OK(convert(&nw.w, 0, PAGES, GMEM_PRIVATE));
	fail_each_allocation(&nw, &call);
}

/* True: an allocation failed.  The vCPU waits for the rest of its command. */
static bool touch_with_failure(struct nomem_world *nw, unsigned int nth, u64 flags,
			       unsigned int *exits)
{
	struct kvm_vcpu *vcpu = nw->w.vcpu;
	struct kvm_run *run = vcpu->run;
	struct kvm_regs regs;
	bool failed;
	int ret;

	vcpu_regs_get(vcpu, &regs);
	regs.rdi = GMEM_CMD_IS;
	regs.rsi = gpa(3);
	regs.rbx = 0;
	vcpu_regs_set(vcpu, &regs);
	gmem_begin_failure(GMEM_FAIL_ONE, nth);
	ret = __vcpu_run(vcpu);
	failed = gmem_end_failure(GMEM_FAIL_ONE);
	if (!ret) {
		ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
		vcpu_regs_get(vcpu, &regs);
		ASSERT_EQ(regs.rsi, 1);
		return failed;
	}
	TEST_ASSERT(failed && errno == ENOMEM, "allocation %u: %s", nth, strerror(errno));
	if (run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
		ASSERT_EQ(run->memory_fault.gpa, gpa(3));
		ASSERT_EQ(run->memory_fault.size, PG);
		ASSERT_EQ(run->memory_fault.flags, flags);
		++*exits;
	}
	ASSERT_EQ(gmem_resume(vcpu), 1);
	return true;
}

/* A vCPU that finds no memory exits, and goes on when there is some. */
static void fail_each_fault(enum gmem_kind kind, u64 attrs, u64 flags)
{
	struct nomem_world nw = make_nomem_world(kind, 0);
	unsigned int nth = 0, exits = 0;

	ASSERT_OK(convert(&nw.w, 0, PAGES, attrs));
	do {
		punch_some(&nw);
		TEST_ASSERT(nth < MAX_NTH, "allocations without end");
	} while (touch_with_failure(&nw, ++nth, flags, &exits));
	printf("%u allocations, %u memory-fault exits\n", nth - 1, exits);
	TEST_ASSERT(exits, "the file's page was never missing");
	assert_guest(&nw.w, 3, 0);
}

GMEM_TEST(guest_access_private)
{
	fail_each_fault(GMEM_SLOT_TWO, GMEM_PRIVATE, KVM_MEMORY_EXIT_FLAG_PRIVATE);
}

GMEM_TEST(guest_access_shared)
{
	fail_each_fault(GMEM_SLOT_INPLACE, GMEM_SHARED, 0);
}

/* The fault is tried again until there is memory. */
GMEM_TEST(host_access)
{
	struct nomem_world nw = make_nomem_world(GMEM_SLOT_INPLACE, 0);
	unsigned int nth = 0;
	bool failed;

	do {
		punch_some(&nw);
		gmem_begin_failure(GMEM_FAIL_ONE, ++nth);
		TEST_ASSERT(!host_sees(host(&nw.w, 3)), "allocation %u", nth);
		failed = gmem_end_failure(GMEM_FAIL_ONE);
		assert_host(&nw.w, 3, 0);
		TEST_ASSERT(nth < MAX_NTH, "allocations without end");
	} while (failed);
	printf("%u allocations\n", nth - 1);
	TEST_ASSERT(nth > 1, "no allocation");
}

GMEM_HARNESS_MAIN
