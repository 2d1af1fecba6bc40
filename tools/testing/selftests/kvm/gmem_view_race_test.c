// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: the guest of a sealed VM runs while its VMM converts.
 *
 * The conversion is of so much memory that it takes long: it has begun when the guest has
 * lost its first page, and the guest can tell.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "gmem_harness.h"
#include "gmem_sealed.h"

#define SIZE		(128ULL << 20)
#define KVM_EPERM_RESULT	((u64)-KVM_EPERM)
#define WITNESS		(AT + 1)	/* a page that vCPU 1 watches */

struct conversion {
	struct sealed s;
	pthread_t thread;
	bool done;
};

static void *convert_all(void *arg)
{
	struct conversion *c = arg;

	gmem_set_attrs(c->s.w.vm->fd, GMEM_BASE, SIZE, GMEM_SHARED);
	WRITE_ONCE(c->done, true);
	return NULL;
}

static void start(struct conversion *c)
{
	c->s = make_open(GMEM_SLOT_INPLACE, SIZE);
	gmem_allocate(c->s.w.slot.fd, 0, SIZE);
	sealed_start(&c->s, true);
	sealed_fill(&c->s, AT, SECRET);
	sealed_fill(&c->s, WITNESS, SECRET);
}

/* A byte, or -1 if the vCPU is refused, as KVM reads it for the guest */
static int emulated_read(struct sealed *s, unsigned int cpu, unsigned int page)
{
	struct kvm_run *r = s->vcpus[cpu]->run;
	struct gmem_run run = sealed_cmd_on(s, cpu, GMEM_CMD_OUTS, gpa(page), 1);
	int value;

	if (run.exit == GMEM_EXIT_FAULT) {
		ASSERT_EQ(run.err, EHWPOISON);
		return -1;
	}
	ASSERT_EQ(r->exit_reason, KVM_EXIT_IO);
	value = sealed_output(s, cpu);
	sealed_resume_on(s, cpu);
	return value;
}

/* KVM reads the guest's own contents for it, or nothing: never what zeroing has left. */
GMEM_TEST(never_zeroes)
{
	struct conversion c = {};
	int value;

	start(&c);
	pthread_create(&c.thread, NULL, convert_all, &c);
	do {
		value = emulated_read(&c.s, 1, WITNESS);
		TEST_ASSERT(value == SECRET || value == -1, "KVM has read %#x", value);
	} while (value != -1);
	pthread_join(c.thread, NULL);
}

/*
 * While the conversion is in progress, the VMM refuses the request that it goes by.  The
 * guest asks for private memory instead, and must not be told that it has it.
 */
GMEM_TEST(request_of_the_past)
{
	struct conversion c = {};

	start(&c);
	sealed_ask_on(&c.s, 0, GMEM_CMD_SHARE, AT, 1);
	pthread_create(&c.thread, NULL, convert_all, &c);
	while (emulated_read(&c.s, 1, WITNESS) != -1)
		;
	c.s.vcpus[0]->run->hypercall.ret = -KVM_EINVAL;
	ASSERT_EQ(sealed_resume_on(&c.s, 0), (u64)-KVM_EINVAL);
	TEST_ASSERT(READ_ONCE(c.done), "the guest does not wait for the conversion");
	sealed_ask_on(&c.s, 0, GMEM_CMD_UNSHARE, AT, 1);
	ASSERT_EQ(sealed_resume_on(&c.s, 0), KVM_EPERM_RESULT);
	pthread_join(c.thread, NULL);
}

GMEM_HARNESS_MAIN
