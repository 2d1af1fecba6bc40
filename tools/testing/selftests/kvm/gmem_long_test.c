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

/* How long the processor of a thread did not reschedule */
struct watch {
	pthread_t thread;
	bool stop;
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
		if (took > MS && took - MS > w->longest)
			w->longest = took - MS;
	}
	return NULL;
}

static void watch_start(struct watch *w)
{
	*w = (struct watch) {};
	pin_to_processor_0();
	TEST_ASSERT(!pthread_create(&w->thread, NULL, watch, w), "pthread_create()");
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

/* Convert all of it; the conversion must have rescheduled many times. */
static void check_reschedules(int vm, u64 attrs, const char *what)
{
	struct watch w;
	u64 start, took;

	watch_start(&w);
	start = gmem_now_ns();
	gmem_set_attrs(vm, gpa(0), MANY_PAGES * PG, attrs);
	took = gmem_now_ns() - start;
	watch_stop(&w);

	printf("%s: %llu ms, longest without rescheduling %llu us\n", what, took / MS,
	       w.longest * 1000 / MS);
	TEST_ASSERT(w.longest < took / 4, "%llu of %llu ms without rescheduling",
		    w.longest / MS, took / MS);
}

/* To private walks the runs as well, but has nothing to do in half of them. */
GMEM_TEST_TIMEOUT(many_runs_reschedule, 240)
{
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	struct gmem_slot slot;

	make_vcpus(vm, MANY_VCPUS);
	gmem_slot_init(&slot, vm, GMEM_SLOT_INPLACE, SLOT, gpa(0), MANY_PAGES * PG);
	make_many_runs(vm);
	check_reschedules(vm, GMEM_SHARED, "to shared");
	make_many_runs(vm);
	check_reschedules(vm, GMEM_PRIVATE, "to private");
}

/* Binding collects the runs of the attributes. */
GMEM_TEST_TIMEOUT(binding_many_runs_reschedules, 240)
{
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	struct gmem_slot slot;
	struct watch w;
	u64 start, took;

	gmem_slot_init(&slot, vm, GMEM_SLOT_INPLACE, SLOT, gpa(0), MANY_PAGES * PG);
	gmem_slot_delete(&slot, vm);
	make_many_runs(vm);

	watch_start(&w);
	start = gmem_now_ns();
	gmem_set_region2(vm, SLOT, KVM_MEM_GUEST_MEMFD, gpa(0), MANY_PAGES * PG, slot.hva,
			 slot.fd, 0);
	took = gmem_now_ns() - start;
	watch_stop(&w);

	printf("%llu ms, longest without rescheduling %llu us\n", took / MS,
	       w.longest * 1000 / MS);
	TEST_ASSERT(w.longest < took / 4, "%llu of %llu ms without rescheduling",
		    w.longest / MS, took / MS);
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
		gmem_vm_open(KVM_X86_SW_PROTECTED_VM),
		gmem_vm_open(KVM_X86_SW_PROTECTED_VM),
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
	u64 rounds;		/* of the guest, seen by the host */
};

/* The signals of a case */
static struct {
	u64 sent;		/* when, 0 if that one has been answered */
	u64 slowest;		/* answer, in ns */
} signals;

static struct {
	u64 clock;		/* guest physical */
	u64 touch;		/* guest virtual, 0 to touch nothing */
} todo;

/* Set the clock again and again, and touch one new page after the other. */
static void guest_clock(void)
{
	u64 page = todo.touch;

	for (;;) {
		wrmsr(MSR_KVM_SYSTEM_TIME_NEW, todo.clock | 1);
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
	u64 took = sent ? gmem_now_ns() - sent : 0;

	if (took > signals.slowest)
		signals.slowest = took;
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
	b->vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 1, guest_clock, &b->vcpu);
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
	pthread_kill(b->thread, SIGUSR1);
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

	while (!READ_ONCE(b->stop)) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		if (READ_ONCE(signals.sent))
			continue;
		WRITE_ONCE(signals.sent, gmem_now_ns());
		pthread_kill(b->thread, SIGUSR1);
	}
	return NULL;
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
		took = convert_all(&b, i & 1 ? GMEM_SHARED : GMEM_PRIVATE);
		if (took < shortest)
			shortest = took;
	}
	end_busy(&b);
	pthread_join(sender, NULL);

	printf("conversions of %llu ms and more, signals answered in up to %llu ms\n",
	       shortest / MS, signals.slowest / MS);
	TEST_ASSERT(signals.slowest, "no signal has been answered");
	TEST_ASSERT(signals.slowest < shortest / 4, "a signal has waited for a conversion");
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

GMEM_TEST_TIMEOUT(vcpu_elsewhere_goes_on, 240)
{
	u64 before, took, during;
	struct busy b;
	int i;

	make_busy(&b, gpa(LONG_PAGES + SPARE_PAGES), 0);
	for (i = 0; i < 4; i++) {
		before = READ_ONCE(b.rounds);
		took = convert_all(&b, i & 1 ? GMEM_SHARED : GMEM_PRIVATE);
		during = READ_ONCE(b.rounds) - before;
		printf("%lu rounds in a conversion of %llu ms\n", during, took / MS);
		TEST_ASSERT(during > took / (20 * MS), "the vCPU has waited");
	}
	end_busy(&b);
}

GMEM_HARNESS_MAIN
