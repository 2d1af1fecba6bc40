// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: everything at once.
 *
 * One thread converts the pages of a file while others fault, pre-fault, punch,
 * allocate, map, pin, and while another file comes and goes.  Nobody knows what
 * is in a page.  But what is private cannot be touched, what is shared can, a
 * page that is pinned stays shared, and the guest never stops.
 *
 * The same with backends that refuse pages now and then: what is refused is tried
 * again, and whatever happened, all pages are back in the end.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "gmem_backend.h"
#include "gmem_world.h"

#define ROUNDS		3000
/* The first ones are held, if only for as long as a munmap() takes.  No holes there. */
#define HELD_PAGES	8
#define OTHER		(GMEM_BASE + (1ULL << 30))
#define STOP		(GMEM_BASE + (2ULL << 30))

struct storm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[2];
	struct gmem_slot slot;
	struct gmem_slot stop;		/* its first byte ends all loops */
	bool private[PAGES];		/* of the converting thread */
	bool refuses;			/* the backend, now and then */
};

/* What a call may fail with because of the backend alone */
static bool is_refusal(const struct storm *s, int err)
{
	return s->refuses && err == EIO;
}

static bool is_over(const struct storm *s)
{
	return READ_ONCE(*s->stop.hva);
}

/* A file to copy to: a page that cannot be read is EFAULT, not a signal. */
static int make_sink(void)
{
	int fd = memfd_create("sink", 0);

	TEST_ASSERT(fd >= 0, "memfd_create()");
	return fd;
}

static bool can_read(int sink, const u8 *addr)
{
	ssize_t ret = pwrite(sink, addr, 1, 0);

	TEST_ASSERT(ret == 1 || errno == EFAULT, "pwrite(): %s", strerror(errno));
	return ret == 1;
}

static void guest_writes(void)
{
	u64 i;

	for (i = 0; !guest_read8(STOP); i++) {
		guest_write8(gpa(i % PAGES), i);
		guest_read8(gpa((i * 7) % PAGES) + 64);
	}
	GUEST_FINISH();
}

static void *run_guest(void *arg)
{
	struct storm *s = arg;
	struct gmem_run run;

	do {
		run = gmem_run(s->vcpus[0]);
	} while (run.ret < 0 && is_refusal(s, run.err));
	TEST_ASSERT(run.exit == GMEM_EXIT_DONE, "KVM_RUN: %d, %s, gpa %#llx, flags %#llx", run.ret,
		    strerror(run.err), s->vcpus[0]->run->memory_fault.gpa,
		    s->vcpus[0]->run->memory_fault.flags);
	return NULL;
}

static void *punch(void *arg)
{
	unsigned int seed = 1, page;
	struct storm *s = arg;

	while (!is_over(s)) {
		page = HELD_PAGES + rand_r(&seed) % (PAGES - HELD_PAGES);
		gmem_punch(s->slot.fd, page * PG, (1 + rand_r(&seed) % (PAGES - page)) * PG);
		gmem_allocate(s->slot.fd, 0, PAGES * PG);
	}
	return NULL;
}

static void *map(void *arg)
{
	struct storm *s = arg;
	int sink = make_sink();
	unsigned int i;
	u8 *mem;

	while (!is_over(s)) {
		mem = mmap(NULL, HELD_PAGES * PG, PROT_READ | PROT_WRITE, MAP_SHARED,
			   s->slot.fd, 0);
		TEST_ASSERT(mem != MAP_FAILED, "mmap()");
		for (i = 0; i < HELD_PAGES; i++)
			can_read(sink, mem + i * PG);
		ASSERT_OK(munmap(mem, HELD_PAGES * PG));
	}
	return NULL;
}

static void *hold(void *arg)
{
	struct storm *s = arg;
	unsigned int i, j;
	int sink = make_sink(), fds[2];
	static u8 page[PG];
	struct iovec iov;
	ssize_t ret;

	TEST_ASSERT(!pipe(fds), "pipe()");
	for (i = 0; !is_over(s); i++) {
		iov = (struct iovec) { s->slot.hva + (i % HELD_PAGES) * PG, PG };
		ret = vmsplice(fds[1], &iov, 1, 0);
		TEST_ASSERT(ret == PG || errno == EFAULT, "vmsplice(): %s", strerror(errno));
		if (ret != PG)
			continue;
		for (j = 0; j < 20; j++)
			TEST_ASSERT(can_read(sink, iov.iov_base), "a pinned page is private");
		TEST_ASSERT(read(fds[0], page, PG) == PG, "read()");
	}
	return NULL;
}

/* The other slot may be there or not. */
static void *prefault(void *arg)
{
	struct kvm_pre_fault_memory range;
	struct storm *s = arg;
	int ret;

	while (!is_over(s)) {
		range = (struct kvm_pre_fault_memory) { .gpa = gpa(0), .size = PAGES * PG };
		ret = ioctl(s->vcpus[1]->fd, KVM_PRE_FAULT_MEMORY, &range);
		TEST_ASSERT(!ret || is_refusal(s, errno), "KVM_PRE_FAULT_MEMORY: %s",
			    strerror(errno));
		TEST_ASSERT(ret || !range.size || s->refuses, "%#llx bytes are left",
			    range.size);
		range = (struct kvm_pre_fault_memory) { .gpa = OTHER, .size = PAGES * PG };
		ret = ioctl(s->vcpus[1]->fd, KVM_PRE_FAULT_MEMORY, &range);
		TEST_ASSERT(!ret || errno == ENOENT || errno == EFAULT || errno == EAGAIN ||
			    is_refusal(s, errno),
			    "KVM_PRE_FAULT_MEMORY: %s", strerror(errno));
	}
	return NULL;
}

static void *come_and_go(void *arg)
{
	struct storm *s = arg;
	unsigned int i;

	for (i = 0; !is_over(s); i++) {
		bool mapped = i & 1, delete_first = i & 4;
		int fd = gmem_create(s->vm->fd, PAGES * PG, mapped ? GMEM_INPLACE : 0);
		u8 *mem = mmap(NULL, PAGES * PG, PROT_READ | PROT_WRITE,
			       mapped ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS,
			       mapped ? fd : -1, 0);

		TEST_ASSERT(mem != MAP_FAILED, "mmap()");
		gmem_set_region2(s->vm->fd, SLOT + 2, KVM_MEM_GUEST_MEMFD, OTHER, PAGES * PG, mem,
				 fd, 0);
		while (__gmem_set_attrs(s->vm->fd, OTHER, PAGES * PG,
					i & 2 ? GMEM_PRIVATE : GMEM_SHARED))
			TEST_ASSERT(is_refusal(s, errno), "conversion: %s", strerror(errno));
		if (delete_first)
			gmem_set_region2(s->vm->fd, SLOT + 2, 0, 0, 0, NULL, -1, 0);
		ASSERT_OK(munmap(mem, PAGES * PG));
		ASSERT_OK(close(fd));
		if (!delete_first)
			gmem_set_region2(s->vm->fd, SLOT + 2, 0, 0, 0, NULL, -1, 0);
	}
	return NULL;
}

/* EAGAIN: a page in the range may be held, and nothing has changed. */
static void convert_some(struct storm *s, unsigned int page, unsigned int pages, bool private,
			 bool by_file)
{
	u64 attrs = private ? GMEM_PRIVATE : GMEM_SHARED;
	unsigned int i;
	int ret;

	if (by_file)
		ret = __gmem_set_attrs2(s->slot.fd, page * PG, pages * PG, attrs, NULL);
	else
		ret = __gmem_set_attrs(s->vm->fd, gpa(page), pages * PG, attrs);
	TEST_ASSERT(!ret || (errno == EAGAIN && private && page < HELD_PAGES) ||
		    is_refusal(s, errno),
		    "conversion of %u pages from %u on: %s", pages, page, strerror(errno));
	for (i = page; !ret && i < page + pages; i++)
		s->private[i] = private;
}

static void check_state(const struct storm *s, int sink)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		TEST_ASSERT(can_read(sink, s->slot.hva + i * PG) == !s->private[i],
			    "page %u is not %s", i, s->private[i] ? "private" : "shared");
}

static void make_storm(struct storm *s, unsigned long type)
{
	memset(s, 0, sizeof(*s));
	s->vm = gmem_vm_create(type, 2, guest_writes, s->vcpus);
	gmem_slot_add(&s->slot, s->vm, GMEM_SLOT_INPLACE, SLOT, GMEM_BASE, PAGES * PG);
	gmem_slot_add(&s->stop, s->vm, GMEM_SLOT_PLAIN, SLOT + 1, STOP, PG);
}

static void run_storm(struct storm *s)
{
	static void *(* const loops[])(void *) = {
		run_guest, punch, map, hold, prefault, come_and_go,
	};
	pthread_t threads[ARRAY_SIZE(loops)];
	unsigned int i, page, seed = 2;
	int sink = make_sink();

	for (i = 0; i < ARRAY_SIZE(loops); i++)
		TEST_ASSERT(!pthread_create(&threads[i], NULL, loops[i], s), "pthread_create()");
	for (i = 0; i < ROUNDS; i++) {
		page = rand_r(&seed) % PAGES;
		convert_some(s, page, 1 + rand_r(&seed) % (PAGES - page), rand_r(&seed) & 1,
			     rand_r(&seed) & 1);
		if (!(i % 8))
			check_state(s, sink);
	}
	WRITE_ONCE(*s->stop.hva, 1);
	for (i = 0; i < ARRAY_SIZE(loops); i++)
		pthread_join(threads[i], NULL);
	check_state(s, sink);
}

GMEM_TEST_TIMEOUT(everything_at_once, 300)
{
	struct storm s;

	make_storm(&s, GMEM_VM_PROTECTED);
	run_storm(&s);
}

/* Whatever was refused, each page is somebody's. */
static void run_refusing_storm(unsigned long flags)
{
	struct storm s;

	gmem_begin_backend_case();
	make_storm(&s, GMEM_TEST_VM + flags);
	s.refuses = true;
	gmem_fail_often(GMEM_FAIL_PREPARE, 5);
	gmem_fail_often(GMEM_FAIL_PRIVATE, 5);
	gmem_fail_often(GMEM_FAIL_SHARED, 5);
	gmem_fail_often(GMEM_FAIL_RECLAIM, 1);
	run_storm(&s);

	gmem_stop_failures();
	ASSERT_OK(__gmem_set_attrs(s.vm->fd, gpa(0), PAGES * PG, GMEM_SHARED));
	ASSERT_EQ(gmem_owned_pages(), 0);
}

/* A device that the emulator copies from: other bytes each time */
static void serve_device(struct kvm_run *run, u8 value)
{
	ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(run->io.port, GMEM_GUEST_STRING);
	memset((u8 *)run + run->io.data_offset, value, run->io.size * run->io.count);
}

static void *read_device(void *arg)
{
	struct storm *s = arg;
	struct kvm_regs ready;
	struct gmem_run run;
	u8 value = 0;

	gmem_server_start(s->vcpus[0]);
	vcpu_regs_get(s->vcpus[0], &ready);
	while (!is_over(s)) {
		run = gmem_cmd(s->vcpus[0], GMEM_CMD_INS, gpa(0), 4);
		while (run.exit == GMEM_EXIT_OTHER) {
			serve_device(s->vcpus[0]->run, ++value);
			run = gmem_run(s->vcpus[0]);
		}
		if (run.exit == GMEM_EXIT_SYNC)
			continue;
		ASSERT_EQ(run.exit, GMEM_EXIT_FAULT);
		vcpu_regs_set(s->vcpus[0], &ready);
		gmem_run_to_sync(s->vcpus[0], GMEM_STAGE_READY);
	}
	return NULL;
}

/*
 * KVM writes into a page for the guest until the page begins to become private, and
 * not after that: the backend compares when the page is used again.
 */
GMEM_TEST_TIMEOUT(emulation_keeps_away_from_what_becomes_private, 120)
{
	struct kvm_pre_fault_memory range;
	struct storm s = {};
	pthread_t thread;
	int i;

	gmem_begin_backend_case();
	s.vm = gmem_vm_create(GMEM_TEST_VM + GMEM_TEST_NO_ACCESS, 2, gmem_guest_server,
			      s.vcpus);
	gmem_slot_add(&s.slot, s.vm, GMEM_SLOT_INPLACE, SLOT, GMEM_BASE, PAGES * PG);
	gmem_slot_add(&s.stop, s.vm, GMEM_SLOT_PLAIN, SLOT + 1, STOP, PG);
	gmem_allocate(s.slot.fd, 0, PAGES * PG);
	TEST_ASSERT(!pthread_create(&thread, NULL, read_device, &s), "pthread_create()");
	for (i = 0; i < ROUNDS; i++) {
		range = (struct kvm_pre_fault_memory) { .gpa = gpa(0), .size = PG };
		gmem_set_attrs(s.vm->fd, gpa(0), PAGES * PG, GMEM_PRIVATE);
		ASSERT_OK(ioctl(s.vcpus[1]->fd, KVM_PRE_FAULT_MEMORY, &range));
		gmem_set_attrs(s.vm->fd, gpa(0), PAGES * PG, GMEM_SHARED);
	}
	WRITE_ONCE(*s.stop.hva, 1);
	pthread_join(thread, NULL);
}

GMEM_TEST_TIMEOUT(refusals_of_a_reversible_backend, 300)
{
	run_refusing_storm(0);
}

GMEM_TEST_TIMEOUT(refusals_of_a_reversible_backend_of_its_own, 300)
{
	run_refusing_storm(GMEM_TEST_NO_ACCESS);
}

GMEM_TEST_TIMEOUT(refusals_of_a_destructive_backend, 300)
{
	run_refusing_storm(GMEM_TEST_DESTRUCTIVE);
}

GMEM_TEST_TIMEOUT(refusals_of_a_destructive_backend_of_its_own, 300)
{
	run_refusing_storm(GMEM_TEST_DESTRUCTIVE | GMEM_TEST_NO_ACCESS);
}

GMEM_HARNESS_MAIN
