// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: what takes long gets in nobody's way.
 *
 * Times are compared with each other, since a busy machine stretches all of them.
 */
#define _GNU_SOURCE
#include <asm/kvm_para.h>
#include <pthread.h>
#include <sched.h>

#include "gmem_harness.h"
#include "gmem_world.h"

#define MANY_PAGES	65536		/* every other one is a run of its own */
#define MANY_VCPUS	64
#define LONG_PAGES	32768		/* all of them populated */
#define SPARE_PAGES	32768		/* behind those, none of them populated */
#define MS		1000000ULL
#define SECOND		(1000 * MS)

#define TRIES		3		/* a busy machine may spoil one */

/* How long the processor of a thread did not reschedule */
struct watch {
	pthread_t thread;
	bool stop;
	bool watching;
	u64 longest;		/* ns beyond what was asked for */
};

static void pin_to_processor_0(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	ASSERT_OK(sched_setaffinity(0, sizeof(set), &set));
}

static void *watch(void *arg)
{
	const struct sched_param param = { .sched_priority = 1 };
	const struct timespec ms = { .tv_nsec = MS };
	struct watch *w = arg;
	u64 before, took;

	pin_to_processor_0();
	ASSERT_OK(sched_setscheduler(0, SCHED_FIFO, &param));
	while (!READ_ONCE(w->stop)) {
		before = gmem_now_ns();
		clock_nanosleep(CLOCK_MONOTONIC, 0, &ms, NULL);
		took = gmem_now_ns() - before;
		if (READ_ONCE(w->watching) && took > MS && took - MS > w->longest)
			w->longest = took - MS;
		WRITE_ONCE(w->watching, true);
	}
	return NULL;
}

static void watch_start(struct watch *w)
{
	*w = (struct watch) {};
	pin_to_processor_0();
	TEST_ASSERT(!pthread_create(&w->thread, NULL, watch, w), "pthread_create()");
	while (!READ_ONCE(w->watching))
		sched_yield();
}

static void watch_stop(struct watch *w)
{
	WRITE_ONCE(w->stop, true);
	pthread_join(w->thread, NULL);
}

static void make_vcpus(int vm, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		TEST_ASSERT(ioctl(vm, KVM_CREATE_VCPU, i) >= 0, "vCPU %u: %s", i,
			    strerror(errno));
}

static void make_many_runs(int vm)
{
	unsigned int i;

	for (i = 0; i < MANY_PAGES; i += 2)
		gmem_set_attrs(vm, gpa(i), PG, GMEM_PRIVATE);
}

/* What works through many runs, once they have been made */
struct work {
	const char *what;
	void (*prepare)(int vm, const struct gmem_slot *slot);
	void (*run)(int vm, const struct gmem_slot *slot);
};

/* True: it has rescheduled many times. */
static bool reschedules(const struct work *work, int vm, const struct gmem_slot *slot)
{
	struct watch w;
	u64 start, took;

	work->prepare(vm, slot);
	watch_start(&w);
	start = gmem_now_ns();
	work->run(vm, slot);
	took = gmem_now_ns() - start;
	watch_stop(&w);

	printf("%s: %llu ms, longest without rescheduling %llu us\n", work->what, took / MS,
	       w.longest * 1000 / MS);
	return w.longest < took / 4;
}

static void check_reschedules(const struct work *work)
{
	int vm = gmem_vm_open(GMEM_VM_PROTECTED), i;
	struct gmem_slot slot;

	make_vcpus(vm, MANY_VCPUS);
	gmem_slot_init(&slot, vm, GMEM_SLOT_INPLACE, SLOT, gpa(0), MANY_PAGES * PG);
	for (i = 0; i < TRIES; i++) {
		if (reschedules(work, vm, &slot))
			return;
	}
	TEST_FAIL("%s does not reschedule", work->what);
}

static void prepare_runs(int vm, const struct gmem_slot *slot)
{
	gmem_set_attrs(vm, gpa(0), MANY_PAGES * PG, GMEM_SHARED);
	make_many_runs(vm);
}

static void make_shared(int vm, const struct gmem_slot *slot)
{
	gmem_set_attrs(vm, gpa(0), MANY_PAGES * PG, GMEM_SHARED);
}

GMEM_TEST_TIMEOUT(many_runs_to_shared_reschedule, 240)
{
	static const struct work work = { "to shared", prepare_runs, make_shared };

	check_reschedules(&work);
}

static void make_private(int vm, const struct gmem_slot *slot)
{
	gmem_set_attrs(vm, gpa(0), MANY_PAGES * PG, GMEM_PRIVATE);
}

GMEM_TEST_TIMEOUT(many_runs_to_private_reschedule, 240)
{
	static const struct work work = { "to private", prepare_runs, make_private };

	check_reschedules(&work);
}

static void prepare_binding(int vm, const struct gmem_slot *slot)
{
	gmem_slot_delete(slot, vm);
	gmem_set_attrs2(slot->fd, 0, MANY_PAGES * PG, GMEM_SHARED);
	prepare_runs(vm, slot);
}

static void bind_slot(int vm, const struct gmem_slot *slot)
{
	gmem_set_region2(vm, SLOT, KVM_MEM_GUEST_MEMFD, gpa(0), MANY_PAGES * PG, slot->hva,
			 slot->fd, 0);
}

/* Binding collects the runs of the attributes. */
GMEM_TEST_TIMEOUT(binding_many_runs_reschedules, 240)
{
	static const struct work work = { "binding", prepare_binding, bind_slot };

	check_reschedules(&work);
}

/* The least of many, in ns: the others were interrupted. */
static u64 time_conversion(int vm)
{
	u64 best = ~0ULL, start, took;
	unsigned int i;

	for (i = 0; i < 400; i++) {
		start = gmem_now_ns();
		gmem_set_attrs(vm, gpa(0), PG, i & 1 ? GMEM_SHARED : GMEM_PRIVATE);
		took = gmem_now_ns() - start;
		if (took < best)
			best = took;
	}
	return best;
}

GMEM_TEST_TIMEOUT(cost_does_not_grow_with_vcpus, 120)
{
	int vms[] = {
		gmem_vm_open(GMEM_VM_PROTECTED),
		gmem_vm_open(GMEM_VM_PROTECTED),
	};
	const unsigned int nr[] = { 1, 512 };
	struct gmem_slot slot;
	u64 cost[2];
	int i;

	for (i = 0; i < 2; i++) {
		make_vcpus(vms[i], nr[i]);
		gmem_slot_init(&slot, vms[i], GMEM_SLOT_INPLACE, SLOT, gpa(0), PAGES * PG);
		cost[i] = time_conversion(vms[i]);
		printf("%u vCPUs: %lu ns\n", nr[i], cost[i]);
	}
	TEST_ASSERT(cost[1] < 2 * cost[0], "%u vCPUs make a conversion %lu times as slow",
		    nr[1], cost[1] / cost[0]);
}

/* A vCPU beside a thread that converts all of a large range */
struct busy {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct gmem_slot slot;		/* LONG_PAGES that are converted, and the rest */
	struct gmem_slot other;
	pthread_t thread;
	bool stop;
	bool quiet;		/* no more signals */
	u64 rounds;		/* of the guest, seen by the host */
};

#define MAX_SIGNALS	1000

/* The signals of a case */
static struct {
	u64 sent;		/* when, 0 if that one has been answered */
	unsigned int nr;
	u64 took[MAX_SIGNALS];	/* ns to the answer */
} signals;

static struct {
	u64 clock;		/* guest physical */
	u64 touch;		/* guest virtual, 0 to touch nothing */
} todo;

/* Move the clock to and fro between two pages, and touch one new page after the other. */
static void guest_clock(void)
{
	u64 page = todo.touch, clock = todo.clock;

	for (;; clock ^= PG) {
		wrmsr(MSR_KVM_SYSTEM_TIME_NEW, clock | 1);
		if (page) {
			guest_write8(page, 1);
			page += PG;
			if (page == gpa(LONG_PAGES + SPARE_PAGES))
				page = todo.touch;
		}
		GUEST_STAGE(1);
	}
}

/* Runs as soon as the vCPU's thread is back in userspace. */
static void answer_signal(int signo)
{
	u64 sent = READ_ONCE(signals.sent);

	if (sent && signals.nr < MAX_SIGNALS)
		signals.took[signals.nr++] = gmem_now_ns() - sent;
	WRITE_ONCE(signals.sent, 0);
}

static void *run_guest(void *arg)
{
	struct busy *b = arg;

	while (!READ_ONCE(b->stop)) {
		errno = 0;
		if (!__vcpu_run(b->vcpu))
			WRITE_ONCE(b->rounds, b->rounds + 1);
		else
			TEST_ASSERT(errno == EINTR, "KVM_RUN: %s", strerror(errno));
	}
	return NULL;
}

static void make_busy(struct busy *b, u64 clock, u64 touch)
{
	const struct sigaction sa = { .sa_handler = answer_signal };

	*b = (struct busy) {};
	todo.clock = clock;
	todo.touch = touch;
	b->vm = gmem_vm_create(GMEM_VM_PROTECTED, 1, guest_clock, &b->vcpu);
	sync_global_to_guest(b->vm, todo);
	gmem_slot_add(&b->slot, b->vm, GMEM_SLOT_INPLACE, SLOT, gpa(0),
		      (LONG_PAGES + SPARE_PAGES) * PG);
	gmem_slot_add(&b->other, b->vm, GMEM_SLOT_INPLACE, SLOT + 1,
		      gpa(LONG_PAGES + SPARE_PAGES), PAGES * PG);
	gmem_allocate(b->slot.fd, 0, LONG_PAGES * PG);
	ASSERT_OK(sigaction(SIGUSR1, &sa, NULL));
	TEST_ASSERT(!pthread_create(&b->thread, NULL, run_guest, b), "pthread_create()");
	while (READ_ONCE(b->rounds) < 10)
		sched_yield();
}

static void end_busy(struct busy *b)
{
	WRITE_ONCE(b->stop, true);
	pthread_join(b->thread, NULL);
}

/* In ns */
static u64 convert_all(struct busy *b, u64 attrs)
{
	u64 start = gmem_now_ns();

	gmem_set_attrs(b->vm->fd, gpa(0), LONG_PAGES * PG, attrs);
	return gmem_now_ns() - start;
}

/* Send a signal whenever the last one has been answered. */
static void *send_signals(void *arg)
{
	const struct timespec pause = { .tv_nsec = 10 * MS };
	struct busy *b = arg;

	while (!READ_ONCE(b->quiet)) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		if (READ_ONCE(signals.sent))
			continue;
		WRITE_ONCE(signals.sent, gmem_now_ns());
		pthread_kill(b->thread, SIGUSR1);
	}
	return NULL;
}

static int by_time(const void *a, const void *b)
{
	u64 first = *(const u64 *)a, second = *(const u64 *)b;

	return first < second ? -1 : first > second;
}

/* Signals that wait for a conversion are few, but most of all that are sent. */
static void judge_signals(u64 shortest)
{
	u64 middle;

	TEST_ASSERT(signals.nr, "no signal has been answered");
	qsort(signals.took, signals.nr, sizeof(signals.took[0]), by_time);
	middle = signals.took[signals.nr / 2];
	printf("conversions of %llu ms, %u signals answered in %llu us, at worst %llu us\n",
	       shortest / MS, signals.nr, middle * 1000 / MS,
	       signals.took[signals.nr - 1] * 1000 / MS);
	TEST_ASSERT(middle < shortest / 4, "signals have waited for a conversion");
}

static void check_signals(u64 clock, u64 touch)
{
	u64 shortest = ~0ULL, took;
	pthread_t sender;
	struct busy b;
	int i;

	make_busy(&b, clock, touch);
	TEST_ASSERT(!pthread_create(&sender, NULL, send_signals, &b), "pthread_create()");
	for (i = 0; i < 4; i++) {
		gmem_punch(b.slot.fd, LONG_PAGES * PG, SPARE_PAGES * PG);
		took = convert_all(&b, i & 1 ? GMEM_SHARED : GMEM_PRIVATE);
		if (took < shortest)
			shortest = took;
	}
	WRITE_ONCE(b.quiet, true);
	pthread_join(sender, NULL);
	end_busy(&b);
	judge_signals(shortest);
}

/* The vCPU's clock is in what is converted: it cannot go on, but can be asked to leave. */
GMEM_TEST_TIMEOUT(signal_ends_run_on_a_converted_clock, 240)
{
	check_signals(gpa(5), 0);
}

/* So it is if the vCPU needs a new page of a file that is being converted. */
GMEM_TEST_TIMEOUT(signal_ends_run_on_a_new_page, 240)
{
	check_signals(gpa(LONG_PAGES + SPARE_PAGES), gpa(LONG_PAGES));
}

/* Rounds of the guest in a while, per second */
static u64 usual_rate(struct busy *b)
{
	const struct timespec pause = { .tv_nsec = 200 * MS };
	u64 start = gmem_now_ns(), before = READ_ONCE(b->rounds);

	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	return (READ_ONCE(b->rounds) - before) * SECOND / (gmem_now_ns() - start);
}

/* It shares processors with the conversion, but not much more. */
GMEM_TEST_TIMEOUT(vcpu_elsewhere_goes_on, 240)
{
	u64 before, start, rate, usual;
	struct busy b;
	int i;

	make_busy(&b, gpa(LONG_PAGES + SPARE_PAGES), 0);
	usual = usual_rate(&b);
	start = gmem_now_ns();
	before = READ_ONCE(b.rounds);
	for (i = 0; i < 4; i++)
		convert_all(&b, i & 1 ? GMEM_SHARED : GMEM_PRIVATE);
	rate = (READ_ONCE(b.rounds) - before) * SECOND / (gmem_now_ns() - start);
	end_busy(&b);

	printf("%lu rounds a second, %lu beside conversions\n", usual, rate);
	TEST_ASSERT(rate > usual / 20, "the vCPU has waited");
}

/* Threads that touch a page of the file or map memory, beside conversions */
struct faults {
	char *mem;		/* mapping of pages that stay shared */
	pthread_t toucher, mapper;
	bool stop;
	u64 touched;
	u64 longest;		/* ns that the address space was locked for */
};

static void *touch_again_and_again(void *arg)
{
	struct faults *f = arg;

	while (!READ_ONCE(f->stop)) {
		WRITE_ONCE(*f->mem, 1);
		WRITE_ONCE(f->touched, f->touched + 1);
		ASSERT_OK(madvise(f->mem, PG, MADV_DONTNEED));
	}
	return NULL;
}

static void *map_again_and_again(void *arg)
{
	const struct timespec pause = { .tv_nsec = MS };
	struct faults *f = arg;
	u64 start, took;
	void *mem;

	while (!READ_ONCE(f->stop)) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		start = gmem_now_ns();
		mem = mmap(NULL, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		took = gmem_now_ns() - start;
		TEST_ASSERT(mem != MAP_FAILED, "mmap(): %s", strerror(errno));
		ASSERT_OK(munmap(mem, PG));
		if (took > READ_ONCE(f->longest))
			WRITE_ONCE(f->longest, took);
	}
	return NULL;
}

/* True: a fault that waited for conversions let others map memory meanwhile. */
static bool maps_beside_faults(int vm, const struct gmem_slot *slot)
{
	struct faults f = { .mem = (char *)slot->hva + LONG_PAGES * PG };
	u64 start, took;

	pthread_create(&f.toucher, NULL, touch_again_and_again, &f);
	pthread_create(&f.mapper, NULL, map_again_and_again, &f);
	while (READ_ONCE(f.touched) < 10)
		sched_yield();

	start = gmem_now_ns();
	gmem_set_attrs(vm, gpa(0), LONG_PAGES * PG, GMEM_PRIVATE);
	gmem_set_attrs(vm, gpa(0), LONG_PAGES * PG, GMEM_SHARED);
	took = gmem_now_ns() - start;
	WRITE_ONCE(f.stop, true);
	pthread_join(f.toucher, NULL);
	pthread_join(f.mapper, NULL);

	printf("%llu ms, a mapping took %llu us\n", took / MS, f.longest * 1000 / MS);
	return f.longest < took / 4;
}

GMEM_TEST_TIMEOUT(fault_that_waits_does_not_lock_the_address_space, 240)
{
	int vm = gmem_vm_open(GMEM_VM_PROTECTED), i;
	struct gmem_slot slot;

	gmem_slot_init(&slot, vm, GMEM_SLOT_INPLACE, SLOT, gpa(0), 2 * LONG_PAGES * PG);
	gmem_allocate(slot.fd, 0, LONG_PAGES * PG);
	for (i = 0; i < TRIES; i++) {
		if (maps_beside_faults(vm, &slot))
			return;
	}
	TEST_FAIL("a fault that waits for a conversion keeps others from mapping memory");
}

GMEM_HARNESS_MAIN
