// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: a signal at a random point of each call that takes long.
 *
 * A signal that is handled ends an allocation and KVM_PRE_FAULT_MEMORY early, and
 * no other call.  One that kills ends conversions as well, before anything has
 * changed.  Whoever looks afterwards sees a state that the
 * documentation names, and can go on.
 */
#define _GNU_SOURCE
#include "gmem_knob.h"
#include "gmem_shot.h"
#include "gmem_world.h"

#define LONG_PAGES	256	/* of the file that a call works through */
#define ALL_PAGES	(LONG_PAGES + PAGES)
#define LONG_SIZE	(LONG_PAGES * PG)

#define SHARED_BYTE	0x11
#define PRIVATE_BYTE	0x22
#define UNTOUCHED	0x1234

struct target {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct gmem_slot big;	/* in place */
	struct gmem_slot two;	/* behind it: says what the attributes are */
	struct kvm_pre_fault_memory prefault;
	struct kvm_memory_attributes2 attrs2;
	u64 mapped;		/* pages, before the call */
};

static void make_target(struct target *t)
{
	unsigned int i;

	*t = (struct target) {};
	t->vm = gmem_vm_create(GMEM_VM_PROTECTED, 1, gmem_guest_server, &t->vcpu);
	gmem_slot_add(&t->big, t->vm, GMEM_SLOT_INPLACE, SLOT, gpa(0), LONG_SIZE);
	gmem_slot_add(&t->two, t->vm, GMEM_SLOT_TWO, SLOT + 1, gpa(LONG_PAGES), PAGES * PG);
	gmem_server_start(t->vcpu);
	memset(t->two.hva, SHARED_BYTE, PAGES * PG);
	gmem_set_attrs(t->vm->fd, t->two.gpa, PAGES * PG, GMEM_PRIVATE);
	for (i = LONG_PAGES; i < ALL_PAGES; i++)
		gmem_cmd_result(t->vcpu, GMEM_CMD_FILL, gpa(i), PRIVATE_BYTE);
}

/* Some pages may be freed later.  What is leaked never is: see the deadline. */
static void await_freed(long before)
{
	while (gmem_meminfo("Unevictable:") - before >= (long)(LONG_SIZE / 2048))
		sched_yield();
}

static void sweep(const struct call *call)
{
	long before = gmem_meminfo("Unevictable:");
	struct target t;
	struct shooting s = { .t = &t, .call = call };

	make_target(&t);
	sweep_call(&s);

	/* Victims leave no reference: the pages go with the files. */
	ASSERT_OK(munmap(t.big.hva, LONG_SIZE));
	ASSERT_OK(close(t.big.fd));
	ASSERT_OK(close(t.two.fd));
	await_freed(before);
}

/* A case */
#define GMEM_SWEEP_TEST(_name, _args...)				\
static const struct call call_##_name = { _args };			\
									\
GMEM_TEST_TIMEOUT(_name, 180)						\
{									\
	sweep(&call_##_name);						\
}

static u8 byte_of(unsigned int page)
{
	return 1 + page % 250;
}

static void fill(struct target *t)
{
	unsigned int i;

	for (i = 0; i < LONG_PAGES; i++)
		memset(t->big.hva + i * PG, byte_of(i), PG);
}

static void assert_byte(struct target *t, unsigned int page, u8 byte)
{
	ASSERT_EQ(gmem_cmd_result(t->vcpu, GMEM_CMD_READ, gpa(page), 0), byte);
}

/* All pages of the file are in one state.  True: it is private. */
static bool file_is_private(struct target *t, bool filled)
{
	bool private = false, good;
	unsigned int i;
	u8 v;

	for (i = 0; i < LONG_PAGES; i++) {
		good = gmem_host_read(t->big.hva + i * PG, &v);
		if (!i)
			private = !good;
		TEST_ASSERT(good == !private, "page %u is %s, those before it are not", i,
			    good ? "shared" : "private");
		TEST_ASSERT(!good || v == (filled ? byte_of(i) : 0), "page %u holds %#x", i, v);
	}
	return private;
}

static void check_guest(struct target *t, bool private)
{
	unsigned int i;

	for (i = 0; private && i < LONG_PAGES; i += LONG_PAGES / 8 - 1)
		assert_byte(t, i, byte_of(i));
}

static void check_two(struct target *t, bool private)
{
	unsigned int i;

	for (i = LONG_PAGES; i < ALL_PAGES; i++)
		assert_byte(t, i, private ? PRIVATE_BYTE : SHARED_BYTE);
}

static void convert_all(struct target *t, u64 attrs)
{
	gmem_set_attrs(t->vm->fd, gpa(0), ALL_PAGES * PG, attrs);
}

static void prepare_shared(struct target *t)
{
	convert_all(t, GMEM_SHARED);
	fill(t);
}

static void prepare_private(struct target *t)
{
	prepare_shared(t);
	convert_all(t, GMEM_PRIVATE);
}

static int make_private(struct target *t)
{
	return __gmem_set_attrs(t->vm->fd, gpa(0), ALL_PAGES * PG, GMEM_PRIVATE);
}

static int make_shared(struct target *t)
{
	return __gmem_set_attrs(t->vm->fd, gpa(0), ALL_PAGES * PG, GMEM_SHARED);
}

/* The argument outlives a caller that is killed. */
static int convert_file2(struct target *t, u64 attrs)
{
	t->attrs2 = (struct kvm_memory_attributes2) {
		.size = LONG_SIZE,
		.attributes = attrs,
		.error_offset = UNTOUCHED,
	};
	return ioctl(t->big.fd, KVM_SET_MEMORY_ATTRIBUTES2, &t->attrs2);
}

static int make_private2(struct target *t)
{
	return convert_file2(t, GMEM_PRIVATE);
}

static int make_shared2(struct target *t)
{
	return convert_file2(t, GMEM_SHARED);
}

/* True: all is as it was to be.  Else nothing is. */
static bool is_converted(struct target *t, bool to_private)
{
	bool private = file_is_private(t, to_private);

	check_guest(t, private);
	return private == to_private;
}

static bool check_private(struct target *t, const struct outcome *o)
{
	bool done = is_converted(t, true);

	check_two(t, done);
	return done;
}

static bool check_shared(struct target *t, const struct outcome *o)
{
	bool done = is_converted(t, false);

	check_two(t, !done);
	return done;
}

static bool check_private2(struct target *t, const struct outcome *o)
{
	u64 error_offset = t->attrs2.error_offset;
	bool done = is_converted(t, true);

	TEST_ASSERT(error_offset == UNTOUCHED ||
		    (!done && !o->returned && error_offset < LONG_SIZE && !(error_offset % PG)),
		    "error_offset is %#lx", error_offset);
	return done;
}

static bool check_shared2(struct target *t, const struct outcome *o)
{
	u64 error_offset = t->attrs2.error_offset;
	bool done = is_converted(t, false);

	/* No page is to blame for a signal that was in time. */
	TEST_ASSERT(error_offset == UNTOUCHED || (!done && !o->returned && !error_offset),
		    "error_offset is %#lx", error_offset);
	return done;
}

GMEM_SWEEP_TEST(attributes_to_private, prepare_shared, make_private, check_private,
		.dies = true)

GMEM_SWEEP_TEST(attributes_to_shared, prepare_private, make_shared, check_shared)

GMEM_SWEEP_TEST(attributes2_to_private, prepare_shared, make_private2, check_private2,
		.dies = true)

GMEM_SWEEP_TEST(attributes2_to_shared, prepare_private, make_shared2, check_shared2)

/* Pages that have been allocated: all of them from the first one on */
static unsigned int allocated(struct target *t)
{
	static u8 there[LONG_PAGES];
	unsigned int i, nr = 0;

	ASSERT_OK(mincore(t->big.hva, LONG_SIZE, there));
	for (i = 0; i < LONG_PAGES; i++)
		nr += there[i] & 1;
	for (i = 0; i < LONG_PAGES; i++)
		TEST_ASSERT((there[i] & 1) == (i < nr), "page %u of %u is %s", i, nr,
			    there[i] & 1 ? "there" : "not there");
	return nr;
}

static void prepare_empty(struct target *t)
{
	gmem_punch(t->big.fd, 0, LONG_SIZE);
	ASSERT_EQ(allocated(t), 0);
}

static int make_allocation(struct target *t)
{
	return __gmem_allocate(t->big.fd, 0, LONG_SIZE);
}

static bool check_allocation(struct target *t, const struct outcome *o)
{
	unsigned int nr = allocated(t);

	TEST_ASSERT(!o->returned || (o->ret == 0) == (nr == LONG_PAGES),
		    "returned %d with %u pages allocated", o->ret, nr);
	gmem_allocate(t->big.fd, 0, LONG_SIZE);
	ASSERT_EQ(allocated(t), LONG_PAGES);
	return nr == LONG_PAGES;
}

GMEM_SWEEP_TEST(allocate, prepare_empty, make_allocation, check_allocation,
		.stops = EINTR, .dies = true)

static void prepare_full(struct target *t)
{
	gmem_allocate(t->big.fd, 0, LONG_SIZE);
	fill(t);
}

static int make_hole(struct target *t)
{
	return __gmem_punch(t->big.fd, 0, LONG_SIZE);
}

static bool check_hole(struct target *t, const struct outcome *o)
{
	unsigned int nr = allocated(t);

	TEST_ASSERT(!nr || nr == LONG_PAGES, "%u pages are left", nr);
	return !nr;
}

GMEM_SWEEP_TEST(punch, prepare_full, make_hole, check_hole)

static void prepare_prefault(struct target *t)
{
	convert_all(t, GMEM_PRIVATE);
	prepare_empty(t);
	t->mapped = gmem_vm_stat(t->vm, "pages_4k");
	t->prefault = (struct kvm_pre_fault_memory) { .gpa = gpa(0), .size = LONG_SIZE };
}

static int make_prefault(struct target *t)
{
	return ioctl(t->vcpu->fd, KVM_PRE_FAULT_MEMORY, &t->prefault);
}

static bool check_prefault(struct target *t, const struct outcome *o)
{
	u64 mapped = gmem_vm_stat(t->vm, "pages_4k") - t->mapped;
	u64 done = (t->prefault.gpa - gpa(0)) / PG;
	unsigned int nr = allocated(t);

	ASSERT_EQ(t->prefault.gpa + t->prefault.size, gpa(LONG_PAGES));
	/* It may have got a page and no chance to map it. */
	TEST_ASSERT(nr == mapped || nr == mapped + 1, "%u pages, %lu mapped", nr, mapped);
	ASSERT_EQ(done, mapped);
	TEST_ASSERT(!o->returned || (o->ret == 0) == (done > 0), "returned %d after %lu pages",
		    o->ret, done);
	return mapped == LONG_PAGES;
}

GMEM_SWEEP_TEST(prefault, prepare_prefault, make_prefault, check_prefault,
		.stops = EINTR, .dies = true)

static int make_slot(struct target *t)
{
	return __gmem_set_region2(t->vm->fd, t->big.id, KVM_MEM_GUEST_MEMFD, t->big.gpa,
				  LONG_SIZE, t->big.hva, t->big.fd, 0);
}

static int delete_slot(struct target *t)
{
	return __gmem_set_region2(t->vm->fd, t->big.id, 0, 0, 0, NULL, -1, 0);
}

/* Shared offsets, to be bound where the attributes say private */
static void prepare_binding(struct target *t)
{
	convert_all(t, GMEM_PRIVATE);
	delete_slot(t);
	gmem_set_attrs2(t->big.fd, 0, LONG_SIZE, GMEM_SHARED);
	fill(t);
}

/* Either there is a slot and the offsets are private, or neither. */
static bool check_binding(struct target *t, const struct outcome *o)
{
	bool private = file_is_private(t, true);

	check_guest(t, private);
	if (private)
		ASSERT_OK(delete_slot(t));
	else
		ASSERT_ERRNO(delete_slot(t), EINVAL);
	return private;
}

GMEM_SWEEP_TEST(bind, prepare_binding, make_slot, check_binding, .dies = true)

/* A slot with a file cannot be changed, so that a second one is refused. */
static bool slot_was_gone(struct target *t)
{
	int ret = make_slot(t);

	TEST_ASSERT(!ret || errno == EINVAL, "new slot: %s", strerror(errno));
	return !ret;
}

static void prepare_deletion(struct target *t)
{
	prepare_private(t);
	t->prefault = (struct kvm_pre_fault_memory) { .gpa = gpa(0), .size = LONG_SIZE };
	ASSERT_OK(make_prefault(t));
}

static bool check_deletion(struct target *t, const struct outcome *o)
{
	bool done = slot_was_gone(t);

	TEST_ASSERT(file_is_private(t, true), "the deletion of a slot has shared its pages");
	check_guest(t, true);
	return done;
}

GMEM_SWEEP_TEST(delete, prepare_deletion, delete_slot, check_deletion)

/* All that a VM is made of goes away, with a signal on its way. */
static int tear_down(struct target *t)
{
	ASSERT_OK(munmap(t->big.hva, LONG_SIZE));
	if (rand() & 1)
		kvm_vm_release(t->vm);
	ASSERT_OK(close(t->big.fd));
	ASSERT_OK(close(t->two.fd));
	return 0;
}

static void __noreturn die_in_teardown(u64 longest, u64 *duration)
{
	static const struct call call = { .make = tear_down };
	struct target t;
	struct shooting s = { .t = &t, .call = &call, .signo = SIGKILL };

	if (longest)
		s.delay = 1 + rand() % longest;
	make_target(&t);
	prepare_private(&t);
	make_call(&s);
	*duration = s.duration;
	_exit(0);
}

/* A process that owns a VM is killed while it takes that apart, or soon after. */
GMEM_TEST_TIMEOUT(teardown, 300)
{
	u64 *duration, longest = 0;
	unsigned int round, killed = 0;
	long before;
	pid_t pid;

	duration = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(duration != MAP_FAILED, "mmap()");
	before = gmem_meminfo("Unevictable:");
	for (round = 0; round < SHOTS; round++) {
		srand(round);
		pid = fork();
		TEST_ASSERT(pid >= 0, "fork()");
		if (!pid)
			die_in_teardown(longest, duration);
		killed += victim_was_killed(pid);
		/* The first is the slowest, and may be far too slow. */
		if (*duration)
			longest = *duration;
	}
	printf("%lu us, killed %u of %u times\n", longest / 1000, killed, SHOTS);
	TEST_ASSERT(killed >= SHOTS / 4, "too few signals in time");
	await_freed(before);
}

GMEM_HARNESS_MAIN
