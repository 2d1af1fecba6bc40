// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: pages and files come and go - holes under a running
 * guest, reclaim and compaction, wiping, accounting, leaks, sudden death.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "gmem_harness.h"
#include "gmem_kcore.h"
#include "gmem_knob.h"
#include "gmem_poison.h"
#include "gmem_world.h"

#define SECRET	0x5a
#define MIB	BIT_ULL(20)
#define CGROUP	"/sys/fs/cgroup/gmem-test"

static void guest_scan_page(void)
{
	u64 i;

	GUEST_STAGE(1);
	for (i = 0;; i++) {
		u8 v = guest_read8(gpa(i % 4));

		if (v && v != SECRET)
			GUEST_EXPECT(v, SECRET);
		if (i % 4 == 3)
			guest_write8(gpa(4), 1);
		/* The host ends the run by a byte in the first page. */
		if (guest_read8(gpa(5)) == 1)
			GUEST_FINISH();
	}
}

static void *run_to_done(void *vcpu)
{
	gmem_run_to_done(vcpu);
	return NULL;
}

static void check_holes_under_guest(enum gmem_kind kind)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct gmem_slot slot;
	pthread_t thread;
	unsigned int i;

	vm = gmem_vm_create(GMEM_VM_PROTECTED, 1, guest_scan_page, &vcpu);
	gmem_slot_add(&slot, vm, kind, SLOT, GMEM_BASE, PAGES * PG);
	gmem_set_attrs(vm->fd, gpa(0), 5 * PG, GMEM_PRIVATE);
	gmem_run_to_sync(vcpu, 1);
	pthread_create(&thread, NULL, run_to_done, vcpu);
	for (i = 0; i < 1000; i++)
		gmem_punch(slot.fd, (i % 4) * PG, (1 + i % 2) * PG);
	slot.hva[5 * PG] = 1;
	pthread_join(thread, NULL);
}

GMEM_TEST(holes_under_a_running_guest)
{
	check_holes_under_guest(GMEM_SLOT_TWO);
	check_holes_under_guest(GMEM_SLOT_INPLACE);
}

/* What the guest writes after a hole is in the file, not in pages that were freed. */
GMEM_TEST(guest_leaves_freed_pages)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	unsigned int i;

	need_offers();
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	for (i = 2; i < 6; i++)
		guest_fills(&w, i, 0x22);
	gmem_punch(w.slot.fd, 2 * PG, 4 * PG);
	for (i = 2; i < 6; i++)
		guest_fills(&w, i, 0x40 + i);
	convert_offered(&w, 2, 4);
	for (i = 2; i < 6; i++)
		assert_host(&w, i, 0x40 + i);
}

/* Neither reclaim nor compaction touches a page, private or shared. */
GMEM_TEST_TIMEOUT(reclaim_and_compaction, 120)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	unsigned int i, round;

	ASSERT_OK(convert(&w, 0, PAGES / 2, GMEM_PRIVATE));
	for (i = 0; i < PAGES; i++)
		guest_fills(&w, i, 0x20 + i);
	for (round = 0; round < 3; round++) {
		TEST_ASSERT(gmem_write_knob("/proc/sys/vm/drop_caches", "3"), "drop_caches");
		gmem_write_knob("/proc/sys/vm/compact_memory", "1");
		posix_fadvise(w.slot.fd, 0, 0, POSIX_FADV_DONTNEED);
		madvise(host(&w, 0), PAGES * PG, MADV_PAGEOUT);
		madvise(host(&w, 0), PAGES * PG, MADV_COLD);
		for (i = 0; i < PAGES; i++) {
			assert_guest(&w, i, 0x20 + i);
			if (i < PAGES / 2)
				assert_no_host(&w, i);
			else
				assert_host(&w, i, 0x20 + i);
		}
	}
}

GMEM_TEST(soft_offline)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	guest_fills(&w, 3, 0x33);
	if (madvise(host(&w, 3), PG, MADV_SOFT_OFFLINE) && errno == EINVAL)
		gmem_skip("kernel without memory failure handling");
	assert_host(&w, 3, 0x33);
	assert_guest(&w, 3, 0x33);
	guest_fills(&w, 3, 0x34);
	assert_host(&w, 3, 0x34);
}

/*
 * By address: nobody has the page mapped, all that keeps it is that it is dirty.
 * The host only reads it, and what the guest writes marks it later, if ever.
 */
GMEM_TEST(soft_offline_of_a_private_page)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	char phys[32];

	assert_host(&w, 3, 0);
	snprintf(phys, sizeof(phys), "%#lx", gmem_physical_address(host(&w, 3)));
	ASSERT_OK(convert(&w, 3, 1, GMEM_PRIVATE));
	guest_fills(&w, 3, 0x33);
	if (access("/sys/devices/system/memory/soft_offline_page", F_OK))
		gmem_skip("kernel without soft offlining by address");
	gmem_write_knob("/sys/devices/system/memory/soft_offline_page", phys);
	assert_guest(&w, 3, 0x33);
}

/* Everybody who touches a poisoned page learns it, until a hole drops it. */
static void check_poison(u64 attrs)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	struct kvm_run *run = w.vcpu->run;
	struct gmem_run end;
	u8 *again, v;

	guest_fills(&w, 3, 0x33);
	guest_fills(&w, 4, 0x44);
	gmem_poison(host(&w, 3));
	TEST_ASSERT(!gmem_host_read(host(&w, 3), &v), "the host reads a poisoned page");
	ASSERT_OK(convert(&w, 3, 2, attrs));
	end = gmem_cmd(w.vcpu, GMEM_CMD_READ, gpa(3), 0);
	TEST_ASSERT(end.exit == GMEM_EXIT_FAULT && end.err == EHWPOISON,
		    "exit %d, errno %d", end.exit, end.err);
	ASSERT_EQ(run->memory_fault.gpa, gpa(3));
	ASSERT_EQ(run->memory_fault.size, PG);
	ASSERT_EQ(run->memory_fault.flags, attrs ? KVM_MEMORY_EXIT_FLAG_PRIVATE : 0);
	gmem_punch(w.slot.fd, 3 * PG, PG);
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
	assert_guest(&w, 3, 0);
	/* The old mapping may remember the poison, a new one sees the new page. */
	ASSERT_OK(convert(&w, 3, 1, GMEM_SHARED));
	again = gmem_mmap(w.slot.fd, PAGES * PG, 0);
	TEST_ASSERT(gmem_host_page_is(again + 3 * PG, 0), "the new page is not zero");
	assert_guest(&w, 4, 0x44);
}

GMEM_TEST(poisoned_page)
{
	check_poison(GMEM_SHARED);
	check_poison(GMEM_PRIVATE);
}

/* The machine finds the error, no process touches it. */
GMEM_TEST(poisoned_private_page)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	struct kvm_run *run = w.vcpu->run;
	struct gmem_run end;
	u64 phys;

	guest_fills(&w, 3, 0x33);
	guest_fills(&w, 4, 0x44);
	assert_host(&w, 3, 0x33);
	phys = gmem_physical_address(host(&w, 3));
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	/* Into the guest's page tables, from where it must go */
	assert_guest(&w, 3, 0x33);
	gmem_poison_unseen(phys);
	assert_guest(&w, 4, 0x44);
	end = gmem_cmd(w.vcpu, GMEM_CMD_READ, gpa(3), 0);
	TEST_ASSERT(end.exit == GMEM_EXIT_FAULT && end.err == EHWPOISON,
		    "exit %d, errno %d", end.exit, end.err);
	ASSERT_EQ(run->memory_fault.gpa, gpa(3));
	ASSERT_EQ(run->memory_fault.size, PG);
	ASSERT_EQ(run->memory_fault.flags, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	ASSERT_ERRNO(__gmem_allocate(w.slot.fd, 0, PAGES * PG), EHWPOISON);
	assert_no_host(&w, 3);
	gmem_punch(w.slot.fd, 3 * PG, PG);
	ASSERT_OK(__gmem_allocate(w.slot.fd, 0, PAGES * PG));
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
	assert_guest(&w, 3, 0);
	assert_guest(&w, 4, 0x44);
}

GMEM_TEST(migration)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	void *pages[1];
	int node = 0, status = 99;

	guest_fills(&w, 3, 0x33);
	assert_host(&w, 3, 0x33);
	pages[0] = host(&w, 3);
	if (syscall(SYS_move_pages, 0, 1, pages, NULL, &status, 0))
		gmem_skip("no page migration: %s", strerror(errno));
	ASSERT_EQ(status, 0);
	syscall(SYS_move_pages, 0, 1, pages, &node, &status, 2);
	assert_guest(&w, 3, 0x33);
	guest_fills(&w, 3, 0x34);
	assert_host(&w, 3, 0x34);
}

static bool page_is_wiped(u64 phys)
{
	static u8 page[PG];
	unsigned int i, run = 0;

	gmem_read_kcore(phys, page);
	/* Someone else may have the page by now, but not with this in it. */
	for (i = 0; i < PG; i++) {
		run = page[i] == SECRET ? run + 1 : 0;
		if (run == 64)
			return false;
	}
	return true;
}

/* Pages of the file itself are not shown there. */
static void assert_kcore_shows_pages(void)
{
	u8 *control = gmem_mmap_anon(PG);

	memset(control, SECRET, PG);
	TEST_ASSERT(!page_is_wiped(gmem_physical_address(control)), "the control failed");
}

/* A private page with a secret; return where it is. */
static u64 hide_secret(const struct world *w, unsigned int page)
{
	u64 phys;

	memset(host(w, page), SECRET, PG);
	phys = gmem_physical_address(host(w, page));
	ASSERT_OK(convert(w, page, 1, GMEM_PRIVATE));
	assert_guest(w, page, SECRET);
	return phys;
}

GMEM_TEST(freed_pages_are_wiped)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	u64 by_hole = hide_secret(&w, 1), by_release = hide_secret(&w, 2);

	assert_kcore_shows_pages();
	gmem_punch(w.slot.fd, PG, PG);
	TEST_ASSERT(page_is_wiped(by_hole), "a hole left the secret in memory");
	ASSERT_OK(munmap(w.slot.hva, PAGES * PG));
	close(w.slot.fd);
	TEST_ASSERT(page_is_wiped(by_release), "release left the secret in memory");
}

/* The allocator gives pages that others have written to. */
GMEM_TEST_TIMEOUT(new_pages_are_zeroed, 120)
{
	const u64 size = 256 * MIB;
	int vm = gmem_vm_open(GMEM_VM_PROTECTED), fd;
	u8 *dirty = gmem_mmap_anon(size), *mem;
	u64 i;

	memset(dirty, SECRET, size);
	ASSERT_OK(munmap(dirty, size));
	fd = gmem_create(vm, size, GMEM_INPLACE);
	gmem_allocate(fd, 0, size);
	mem = gmem_mmap(fd, size, 0);
	for (i = 0; i < size; i += PG)
		TEST_ASSERT(gmem_host_page_is(mem + i, 0), "page %llu has old contents", i / PG);
}

GMEM_TEST(memcg_charge)
{
	long before, charged, after;
	char pid[16];
	int vm, fd;

	if (access("/sys/fs/cgroup/memory.stat", F_OK) &&
	    access("/sys/fs/cgroup/cgroup.controllers", F_OK))
		gmem_skip("no cgroup2 file system");
	mkdir(CGROUP, 0755);
	if (gmem_read_number(CGROUP "/memory.current", NULL) < 0)
		gmem_skip("kernel without memory cgroups");
	snprintf(pid, sizeof(pid), "%d", getpid());
	TEST_ASSERT(gmem_write_knob(CGROUP "/cgroup.procs", pid), "moving to the cgroup");

	vm = gmem_vm_open(GMEM_VM_PROTECTED);
	fd = gmem_create(vm, 64 * MIB, 0);
	before = gmem_read_number(CGROUP "/memory.current", NULL);
	gmem_allocate(fd, 0, 64 * MIB);
	charged = gmem_read_number(CGROUP "/memory.current", NULL);
	TEST_ASSERT(charged - before >= (long)(64 * MIB - MIB), "%ld bytes charged",
		    charged - before);
	gmem_punch(fd, 0, 64 * MIB);
	after = gmem_read_number(CGROUP "/memory.current", NULL);
	TEST_ASSERT(charged - after >= (long)(64 * MIB - 2 * MIB), "%ld bytes uncharged",
		    charged - after);
	TEST_ASSERT(gmem_write_knob("/sys/fs/cgroup/cgroup.procs", pid), "leaving the cgroup");
	rmdir(CGROUP);
}

static void use_and_drop(enum gmem_kind kind, bool file_first)
{
	int vm = gmem_vm_open(GMEM_VM_PROTECTED);
	struct gmem_slot slot;

	gmem_slot_init(&slot, vm, kind, SLOT, GMEM_BASE, 64 * MIB);
	gmem_allocate(slot.fd, 0, 64 * MIB);
	gmem_set_attrs(vm, GMEM_BASE, 64 * MIB, GMEM_PRIVATE);
	gmem_set_attrs(vm, GMEM_BASE + PG, 3 * PG, GMEM_SHARED);
	if (file_first)
		close(slot.fd);
	else
		close(vm);
	munmap(slot.hva, slot.size);
	close(file_first ? vm : slot.fd);
}

GMEM_TEST_TIMEOUT(nothing_is_leaked, 120)
{
	long unevictable, available;
	int i;

	use_and_drop(GMEM_SLOT_TWO, true);
	gmem_write_knob("/proc/sys/vm/drop_caches", "3");
	unevictable = gmem_meminfo("Unevictable:");
	available = gmem_meminfo("MemAvailable:");
	for (i = 0; i < 16; i++)
		use_and_drop(i & 1 ? GMEM_SLOT_TWO : GMEM_SLOT_INPLACE, i & 2);
	gmem_write_knob("/proc/sys/vm/drop_caches", "3");
	unevictable = gmem_meminfo("Unevictable:") - unevictable;
	available -= gmem_meminfo("MemAvailable:");
	TEST_ASSERT(unevictable < 4096, "%ld KiB more are unevictable", unevictable);
	TEST_ASSERT(available < 65536, "%ld KiB less are available", available);
}

/*
 * The tables of a memslot that is not to be go with it.  Its address is 0: from
 * where memory is mapped, user space may end before the slot does.
 */
GMEM_TEST(failed_bindings_leak_nothing)
{
	const u64 size = 64ULL << 30;
	int vm = gmem_vm_open(GMEM_VM_PROTECTED), fd = gmem_create(vm, size, 0), i;
	long available;

	gmem_set_region2(vm, SLOT, KVM_MEM_GUEST_MEMFD, size, size, NULL, fd, 0);
	available = gmem_meminfo("MemAvailable:");
	for (i = 0; i < 500; i++)
		ASSERT_ERRNO(__gmem_set_region2(vm, SLOT + 1, KVM_MEM_GUEST_MEMFD, 4 * size,
						size, NULL, fd, 0), EEXIST);
	/* Some of it is freed later.  What is leaked never is: see the deadline. */
	while (available - gmem_meminfo("MemAvailable:") >= 32768)
		sched_yield();
}

static void *convert_for_ever(void *arg)
{
	const struct world *w = arg;
	unsigned int i;

	for (i = 0;; i++) {
		convert(w, i % 8, 8, i & 1 ? GMEM_PRIVATE : GMEM_SHARED);
		if (!(i % 16))
			__gmem_punch(w->slot.fd, 0, PG);
	}
	return NULL;
}

static void guest_writes_for_ever(void)
{
	u64 i;

	GUEST_STAGE(1);
	for (i = 0;; i++)
		guest_write8(gpa(i % PAGES), i);
}

static void __noreturn live(int ready, enum gmem_kind kind)
{
	pthread_t thread;
	struct world w;

	w.vm = gmem_vm_create(GMEM_VM_PROTECTED, 1, guest_writes_for_ever, &w.vcpu);
	gmem_slot_add(&w.slot, w.vm, kind, SLOT, GMEM_BASE, PAGES * PG);
	gmem_run_to_sync(w.vcpu, 1);
	pthread_create(&thread, NULL, convert_for_ever, &w);
	TEST_ASSERT(write(ready, "x", 1) == 1, "write()");
	for (;;)
		_vcpu_run(w.vcpu);
}

/* Killed with a vCPU in the guest and a conversion under way */
GMEM_TEST_TIMEOUT(sudden_death, 120)
{
	int ready[2], round, status;
	char c;

	TEST_ASSERT(!pipe(ready), "pipe()");
	for (round = 0; round < 20; round++) {
		pid_t pid = fork();

		TEST_ASSERT(pid >= 0, "fork()");
		if (!pid)
			live(ready[1], round & 1 ? GMEM_SLOT_TWO : GMEM_SLOT_INPLACE);
		TEST_ASSERT(read(ready[0], &c, 1) == 1, "read()");
		kill(pid, SIGKILL);
		TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid()");
		TEST_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
			    "round %d: status %#x", round, status);
	}
}

GMEM_HARNESS_MAIN
