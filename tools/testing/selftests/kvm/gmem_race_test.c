// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: conversions that race with guest accesses.
 *
 * The guest must never see anything but the backing that the attribute names,
 * and no access may end in an exit: all of these gfns are backed both ways.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "gmem_harness.h"
#include "gmem_world.h"

#define CONTROL		(GMEM_BASE + (1ULL << 30))
#define SHARED_BYTE	0x11
#define PRIVATE_BYTE	0x22

/* Written by the host, read by the guests, in an ordinary slot */
struct control {
	u32 stop;
	u64 page;		/* gva that hammers use */
	u64 laps[4];	/* per vCPU */
};

struct race {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[4];
	struct gmem_slot slot;
	struct gmem_slot control_slot;
	struct control *control;
	pthread_t threads[4];
	int nr_threads;
};

static struct control *guest_control(void)
{
	return (struct control *)CONTROL;
}

static void lap(struct control *c)
{
	WRITE_ONCE(c->laps[1], c->laps[1] + 1);
}

static void make_race(struct race *r, int nr_vcpus, void *guest_code,
		      enum gmem_kind kind, u64 size)
{
	memset(r, 0, sizeof(*r));
	r->vm = gmem_vm_create(GMEM_VM_PROTECTED, nr_vcpus, guest_code, r->vcpus);
	gmem_enable_map_gpa_range(r->vm);
	gmem_slot_add(&r->slot, r->vm, kind, SLOT, GMEM_BASE, size);
	gmem_slot_add(&r->control_slot, r->vm, GMEM_SLOT_PLAIN, SLOT + 1, CONTROL, PG);
	r->control = (void *)r->control_slot.hva;
}

static void *run_to_done(void *vcpu)
{
	gmem_run_to_done(vcpu);
	return NULL;
}

static void start(struct race *r, struct kvm_vcpu *vcpu)
{
	int ret = pthread_create(&r->threads[r->nr_threads++], NULL, run_to_done, vcpu);

	TEST_ASSERT(!ret, "pthread_create()");
}

static void stop(struct race *r)
{
	WRITE_ONCE(r->control->stop, 1);
	while (r->nr_threads)
		pthread_join(r->threads[--r->nr_threads], NULL);
}

/* Wait until a guest has been round once more. */
static void await_laps(struct race *r, int vcpu, u64 laps)
{
	u64 target = READ_ONCE(r->control->laps[vcpu]) + laps;

	while (READ_ONCE(r->control->laps[vcpu]) < target)
		sched_yield();
}

static int flip(const struct race *r, unsigned int page, unsigned int pages,
		u64 attrs)
{
	return __gmem_set_attrs(r->vm->fd, gpa(page), pages * PG, attrs);
}

/* vCPU 0 takes commands, vCPU 1 hammers one page. */
static void guest_hammer(void)
{
	struct control *c = guest_control();
	u8 i = 0;

	while (!READ_ONCE(c->stop)) {
		guest_write8(READ_ONCE(c->page) + 64, i++);
		lap(c);
	}
	GUEST_FINISH();
}

static void set_entry(struct kvm_vcpu *vcpu, void *code)
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	regs.rip = (uintptr_t)code;
	vcpu_regs_set(vcpu, &regs);
}

/*
 * A neighbour in the same 2 MiB faults all the time while a page is converted:
 * no huge mapping may cover the converted page.
 */
static void check_neighbour(unsigned int page, unsigned int neighbour)
{
	struct race r;
	unsigned int round;

	make_race(&r, 2, gmem_guest_server, GMEM_SLOT_TWO, GMEM_HUGE);
	ASSERT_OK(madvise(r.slot.hva, GMEM_HUGE, MADV_HUGEPAGE));
	memset(r.slot.hva, SHARED_BYTE, GMEM_HUGE);
	set_entry(r.vcpus[1], guest_hammer);
	r.control->page = gpa(neighbour);
	gmem_server_start(r.vcpus[0]);
	ASSERT_EQ(gmem_cmd_result(r.vcpus[0], GMEM_CMD_READ, gpa(page), 0), SHARED_BYTE);
	TEST_ASSERT(gmem_vm_stat(r.vm, "pages_2m"), "no huge mapping");

	ASSERT_OK(flip(&r, page, 1, GMEM_PRIVATE));
	gmem_cmd_result(r.vcpus[0], GMEM_CMD_FILL, gpa(page), PRIVATE_BYTE);
	start(&r, r.vcpus[1]);
	for (round = 0; round < 300; round++) {
		ASSERT_OK(flip(&r, page, 1, GMEM_SHARED));
		ASSERT_EQ(gmem_cmd_result(r.vcpus[0], GMEM_CMD_READ, gpa(page), 0),
			  SHARED_BYTE);
		await_laps(&r, 1, round & 1);
		ASSERT_OK(flip(&r, page, 1, GMEM_PRIVATE));
		ASSERT_EQ(gmem_cmd_result(r.vcpus[0], GMEM_CMD_READ, gpa(page), 0),
			  PRIVATE_BYTE);
	}
	stop(&r);
}

GMEM_TEST_TIMEOUT(neighbour_in_the_same_2m, 180)
{
	check_neighbour(100, 101);
	check_neighbour(0, 511);
}

/*
 * The same while the conversion goes on elsewhere: for long, the page has left
 * the guest's page tables and its attributes are the old ones.  Faults are
 * compared with one range of host addresses, from the lowest to the highest that
 * is converted: the neighbour is outside, as its slot is below the other one.
 */
GMEM_TEST_TIMEOUT(neighbour_of_a_long_conversion, 180)
{
	const u64 base = GMEM_BASE - (1ULL << 30), page = base + GMEM_HUGE - PG;
	const u64 rest = 4ULL << 20, size = GMEM_BASE + rest - page;
	struct gmem_slot huge;
	unsigned int round;
	struct race r;

	make_race(&r, 2, gmem_guest_server, GMEM_SLOT_INPLACE, rest);
	gmem_slot_add(&huge, r.vm, GMEM_SLOT_TWO, SLOT + 2, base, GMEM_HUGE);
	TEST_ASSERT(huge.hva < r.slot.hva, "the slots' addresses are in the wrong order");
	ASSERT_OK(madvise(huge.hva, GMEM_HUGE, MADV_HUGEPAGE));
	memset(huge.hva, SHARED_BYTE, GMEM_HUGE);
	gmem_allocate(r.slot.fd, 0, rest);
	set_entry(r.vcpus[1], guest_hammer);
	r.control->page = page - PG;
	gmem_server_start(r.vcpus[0]);
	ASSERT_EQ(gmem_cmd_result(r.vcpus[0], GMEM_CMD_READ, page, 0), SHARED_BYTE);
	TEST_ASSERT(gmem_vm_stat(r.vm, "pages_2m"), "no huge mapping");

	gmem_set_attrs(r.vm->fd, page, size, GMEM_PRIVATE);
	gmem_cmd_result(r.vcpus[0], GMEM_CMD_FILL, page, PRIVATE_BYTE);
	start(&r, r.vcpus[1]);
	for (round = 0; round < 200; round++) {
		gmem_set_attrs(r.vm->fd, page, size, GMEM_SHARED);
		ASSERT_EQ(gmem_cmd_result(r.vcpus[0], GMEM_CMD_READ, page, 0), SHARED_BYTE);
		await_laps(&r, 1, round & 1);
		gmem_set_attrs(r.vm->fd, page, size, GMEM_PRIVATE);
		ASSERT_EQ(gmem_cmd_result(r.vcpus[0], GMEM_CMD_READ, page, 0), PRIVATE_BYTE);
	}
	stop(&r);
}

/* Reads all pages of the small slot, accepts either backing and nothing else. */
static void guest_scan(void)
{
	struct control *c = guest_control();
	unsigned int i;

	while (!READ_ONCE(c->stop)) {
		for (i = 0; i < PAGES; i++) {
			u8 v = guest_read8(gpa(i) + 128);

			if (v != SHARED_BYTE && v != PRIVATE_BYTE)
				GUEST_EXPECT(v, SHARED_BYTE);
		}
		lap(c);
	}
	GUEST_FINISH();
}

static void prepare_both_backings(struct race *r)
{
	unsigned int i;

	memset(r->slot.hva, SHARED_BYTE, PAGES * PG);
	gmem_server_start(r->vcpus[0]);
	ASSERT_OK(flip(r, 0, PAGES, GMEM_PRIVATE));
	for (i = 0; i < PAGES; i++)
		gmem_cmd_result(r->vcpus[0], GMEM_CMD_FILL, gpa(i), PRIVATE_BYTE);
}

/* Attribute changes in the window between the decision and the pfn lookup. */
GMEM_TEST_TIMEOUT(flips_under_faults, 180)
{
	struct race r;
	unsigned int round;

	make_race(&r, 2, gmem_guest_server, GMEM_SLOT_TWO, PAGES * PG);
	set_entry(r.vcpus[1], guest_scan);
	prepare_both_backings(&r);
	start(&r, r.vcpus[1]);
	for (round = 0; round < 3000; round++) {
		ASSERT_OK(flip(&r, 0, PAGES, round & 1 ? GMEM_PRIVATE : GMEM_SHARED));
		if (!(round % 64))
			await_laps(&r, 1, 1);
	}
	stop(&r);
}

/* After a flip has returned, no vCPU sees the other backing. */
GMEM_TEST_TIMEOUT(flips_are_seen_at_once, 180)
{
	struct race r;
	unsigned int round;

	make_race(&r, 2, gmem_guest_server, GMEM_SLOT_TWO, PAGES * PG);
	set_entry(r.vcpus[1], guest_scan);
	prepare_both_backings(&r);
	start(&r, r.vcpus[1]);
	for (round = 0; round < 500; round++) {
		bool private = round & 1;

		ASSERT_OK(flip(&r, 3, 5, private ? GMEM_PRIVATE : GMEM_SHARED));
		ASSERT_EQ(gmem_cmd_result(r.vcpus[0], GMEM_CMD_READ, gpa(3 + round % 5), 0),
			  private ? PRIVATE_BYTE : SHARED_BYTE);
	}
	stop(&r);
}

/*
 * The emulator reads the instruction and the data by KVM's own accessors: a
 * page that flips in between is never an emulation failure.  CPUID is skipped
 * by decoding it where the processor does not save the next instruction's
 * address; the string output takes its data through the emulator everywhere.
 */
#define STRING_PORT	0x6e0

static void guest_emulate(void)
{
	struct control *c = guest_control();

	while (!READ_ONCE(c->stop)) {
		u64 src = gpa(1) + 200;
		u32 a = 0, b, d, n = 0;

		asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (n), "=d" (d));
		n = 16;
		asm volatile("cld; rep outsb" : "+S" (src), "+c" (n)
			     : "d" (STRING_PORT) : "memory");
		lap(c);
	}
	GUEST_FINISH();
}

static void *serve_strings(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct kvm_run *run = vcpu->run;
	unsigned int i;

	for (;;) {
		int ret = __vcpu_run(vcpu);
		u8 *data = (u8 *)run + run->io.data_offset;

		TEST_ASSERT(!ret && run->exit_reason == KVM_EXIT_IO,
			    "KVM_RUN returned %d, errno %d, exit reason %u",
			    ret, errno, run->exit_reason);
		if (run->io.port == GMEM_GUEST_DONE)
			return NULL;
		ASSERT_EQ(run->io.port, STRING_PORT);
		for (i = 0; i < run->io.size * run->io.count; i++)
			TEST_ASSERT(data[i] == SHARED_BYTE || data[i] == PRIVATE_BYTE,
				    "the emulator read %#x", data[i]);
	}
}

GMEM_TEST_TIMEOUT(flips_under_emulation, 180)
{
	struct race r;
	unsigned int round;

	make_race(&r, 2, gmem_guest_server, GMEM_SLOT_TWO, PAGES * PG);
	set_entry(r.vcpus[1], guest_emulate);
	prepare_both_backings(&r);
	pthread_create(&r.threads[r.nr_threads++], NULL, serve_strings, r.vcpus[1]);
	for (round = 0; round < 3000; round++) {
		ASSERT_OK(flip(&r, 0, PAGES, round & 1 ? GMEM_PRIVATE : GMEM_SHARED));
		if (!(round % 16))
			await_laps(&r, 1, 1);
	}
	stop(&r);
}

/* A page goes to and fro by consent while a neighbour hammers its own page. */
GMEM_TEST_TIMEOUT(ping_pong_in_place, 180)
{
	struct race r;
	struct world w;
	unsigned int round;

	make_race(&r, 2, gmem_guest_server, GMEM_SLOT_INPLACE, PAGES * PG);
	w = (struct world){ .vm = r.vm, .vcpu = r.vcpus[0], .slot = r.slot };
	set_entry(r.vcpus[1], guest_hammer);
	r.control->page = gpa(6);
	ASSERT_OK(flip(&r, 0, PAGES, GMEM_PRIVATE));
	gmem_server_start(w.vcpu);
	start(&r, r.vcpus[1]);
	for (round = 0; round < 200; round++) {
		u8 v = round;

		guest_fills(&w, 5, v);
		convert_offered(&w, 5, 1);
		assert_host(&w, 5, v);
		memset(host(&w, 5), v + 1, PG);
		ASSERT_OK(convert(&w, 5, 1, GMEM_PRIVATE));
		assert_no_host(&w, 5);
		assert_guest(&w, 5, v + 1);
	}
	stop(&r);
}

/* Writes at one page, never lost, while the pages around it flip. */
static void guest_count(void)
{
	struct control *c = guest_control();
	u64 *cell = (u64 *)gpa(6);
	u64 n = 0;

	while (!READ_ONCE(c->stop)) {
		GUEST_EXPECT(READ_ONCE(*cell), n);
		WRITE_ONCE(*cell, ++n);
		lap(c);
	}
	GUEST_FINISH();
}

GMEM_TEST_TIMEOUT(no_write_is_lost, 180)
{
	struct race r;
	unsigned int round;

	make_race(&r, 2, gmem_guest_server, GMEM_SLOT_INPLACE, PAGES * PG);
	set_entry(r.vcpus[1], guest_count);
	start(&r, r.vcpus[1]);
	await_laps(&r, 1, 10);
	ASSERT_OK(flip(&r, 6, 1, GMEM_PRIVATE));
	for (round = 0; round < 500; round++) {
		ASSERT_OK(flip(&r, 0, 6, round & 1 ? GMEM_PRIVATE : GMEM_SHARED));
		ASSERT_OK(flip(&r, 7, PAGES - 7, round & 1 ? GMEM_SHARED : GMEM_PRIVATE));
		gmem_punch(r.slot.fd, 5 * PG, PG);
		gmem_punch(r.slot.fd, 7 * PG, PG);
	}
	stop(&r);
}

/* Two threads convert overlapping ranges: each call is atomic. */
struct converter {
	struct race *r;
	unsigned int page;
};

static void *convert_many(void *arg)
{
	struct converter *c = arg;
	unsigned int round;

	for (round = 0; round < 500; round++) {
		ASSERT_OK(flip(c->r, c->page, 8, GMEM_PRIVATE));
		ASSERT_OK(flip(c->r, c->page, 8, GMEM_SHARED));
	}
	return NULL;
}

GMEM_TEST_TIMEOUT(concurrent_conversions, 180)
{
	struct race r;
	struct converter a = { &r, 0 }, b = { &r, 4 };
	pthread_t ta, tb;

	make_race(&r, 2, gmem_guest_server, GMEM_SLOT_TWO, PAGES * PG);
	set_entry(r.vcpus[1], guest_scan);
	prepare_both_backings(&r);
	start(&r, r.vcpus[1]);
	pthread_create(&ta, NULL, convert_many, &a);
	pthread_create(&tb, NULL, convert_many, &b);
	pthread_join(ta, NULL);
	pthread_join(tb, NULL);
	stop(&r);
	ASSERT_EQ(gmem_cmd_result(r.vcpus[0], GMEM_CMD_READ, gpa(5), 0), SHARED_BYTE);
	ASSERT_EQ(gmem_cmd_result(r.vcpus[0], GMEM_CMD_READ, gpa(13), 0), PRIVATE_BYTE);
}

GMEM_HARNESS_MAIN
