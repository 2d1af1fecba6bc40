/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One signal per call, at a random point of it.
 *
 * A sweep makes the same call many times, each time with a signal a little
 * later, until the signal comes after the call's end: signals with a handler,
 * the same with SA_RESTART, and signals that kill the caller.
 */
#ifndef SELFTEST_KVM_GMEM_SHOT_H
#define SELFTEST_KVM_GMEM_SHOT_H

#include <sched.h>
#include <time.h>

#include "gmem_harness.h"

#define SHOTS		100	/* of each kind */
#define TRIALS		5	/* without a signal, to see how long a call takes */
#define SECOND		1000000000ULL

/* What the call is made for: up to the test */
struct target;

enum shot_kind { SHOT_HANDLED, SHOT_RESTART, SHOT_FATAL, NR_SHOTS };

/* What the caller has seen; written by a process that may be killed */
struct outcome {
	bool returned;
	bool hit;		/* the signal came first */
	int ret, err;
};

struct call {
	void (*prepare)(struct target *t);
	int (*make)(struct target *t);
	/* Assert that it has done what it may.  True: all of its work. */
	bool (*check)(struct target *t, const struct outcome *o);
	int stops;		/* errno after a signal that is handled, 0: does not stop */
	bool dies;		/* a signal that kills ends it */
};

struct shooting {
	struct target *t;
	const struct call *call;
	struct outcome outcome;
	u64 delay;		/* ns, 0 for no signal */
	int signo;
	u64 duration;		/* ns, of the last call that returned */
};

static unsigned int shot_signals;

static inline void count_signal(int sig)
{
	WRITE_ONCE(shot_signals, shot_signals + 1);
}

/* Make the call, with a signal on its way to the calling process. */
static inline int make_call(void *arg)
{
	struct shooting *s = arg;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = s->signo };
	struct itimerspec once = {
		.it_value = { s->delay / SECOND, s->delay % SECOND },
	};
	timer_t timer;
	u64 start;

	TEST_ASSERT(!timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create()");
	WRITE_ONCE(shot_signals, 0);
	start = gmem_now_ns();
	TEST_ASSERT(!timer_settime(timer, 0, &once, NULL), "timer_settime()");
	errno = 0;
	s->outcome.ret = s->call->make(s->t);
	s->outcome.err = errno;
	s->outcome.hit = READ_ONCE(shot_signals);
	WRITE_ONCE(s->outcome.returned, true);
	s->duration = gmem_now_ns() - start;
	timer_delete(timer);
	return 0;
}

/* Wait for a process.  False: it has come to its end. */
static inline bool victim_was_killed(pid_t pid)
{
	int status;

	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid()");
	TEST_ASSERT(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : !status,
		    "the victim ended with status %#x", status);
	return WIFSIGNALED(status);
}

/*
 * The victim has this address space, so that it may use the VM, but is another
 * process: what it leaves behind is there to be looked at.
 */
static inline void make_fatal_call(struct shooting *s)
{
	static u8 stack[64 * 1024];
	pid_t pid;

	pid = clone(make_call, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGCHLD, s);
	TEST_ASSERT(pid > 0, "clone()");
	s->outcome.hit = victim_was_killed(pid);
}

static inline bool shoot(struct shooting *s, enum shot_kind kind, u64 delay)
{
	struct sigaction sa = {
		.sa_handler = count_signal,
		.sa_flags = kind == SHOT_RESTART ? SA_RESTART : 0,
	};

	s->call->prepare(s->t);
	s->outcome = (struct outcome) {};
	s->delay = delay;
	s->signo = kind == SHOT_FATAL ? SIGKILL : SIGUSR1;
	TEST_ASSERT(!sigaction(SIGUSR1, &sa, NULL), "sigaction()");
	if (kind == SHOT_FATAL)
		make_fatal_call(s);
	else
		make_call(s);
	return s->call->check(s->t, &s->outcome);
}

/* In ns, without a signal */
static inline u64 usual_duration(struct shooting *s)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < TRIALS; i++) {
		TEST_ASSERT(shoot(s, SHOT_HANDLED, 0), "not done without a signal");
		TEST_ASSERT(!s->outcome.ret, "without a signal: %s", strerror(s->outcome.err));
		sum += s->duration;
	}
	return sum / TRIALS;
}

/*
 * Shots in equal parts of a little more than the usual duration, which changes
 * with what else the machine does.
 */
static inline void sweep_kind(struct shooting *s, enum shot_kind kind, u64 usual)
{
	static const char * const names[] = { "handled", "handled, SA_RESTART", "fatal" };
	bool stops = kind == SHOT_FATAL ? s->call->dies : s->call->stops;
	const struct outcome *o = &s->outcome;
	unsigned int i, hits = 0, stopped = 0;
	bool done;

	for (i = 0; i < SHOTS; i++) {
		u64 part = usual * 9 / 8 / SHOTS + 1;

		done = shoot(s, kind, 1 + i * part + rand() % part);
		hits += o->hit;
		stopped += o->hit && !done;
		if (!o->returned)
			continue;
		if (!o->hit)
			usual = (3 * usual + s->duration) / 4;
		TEST_ASSERT(!o->ret || (stops && o->hit && o->err == s->call->stops),
			    "shot %u: returned %d, %s", i, o->ret, strerror(o->err));
		TEST_ASSERT(done || (stops && o->hit), "shot %u: not done", i);
	}
	printf("%s: %u of %u in %lu us, %u calls stopped\n", names[kind], hits, SHOTS,
	       usual / 1000, stopped);
	TEST_ASSERT(hits >= SHOTS / 5, "too few signals in time");
	TEST_ASSERT(!stops || stopped >= SHOTS / 10, "too few calls stopped");
}

/* %GMEM_SEED in the environment chooses other points. */
static inline void sweep_call(struct shooting *s)
{
	const char *seed = getenv("GMEM_SEED");
	u64 usual = usual_duration(s);
	enum shot_kind kind;

	srand(seed ? atoi(seed) : 1);
	for (kind = 0; kind < NR_SHOTS; kind++)
		sweep_kind(s, kind, usual);
}

#endif /* SELFTEST_KVM_GMEM_SHOT_H */
