// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: what only root can do to a host, short of running code
 * in its kernel (invariant I1): raw memory, swapping, merging.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/swap.h>

#include "gmem_harness.h"
#include "gmem_kcore.h"
#include "gmem_knob.h"
#include "gmem_ksm.h"
#include "gmem_poison.h"
#include "gmem_world.h"

#define SECRET	0xd7	/* unlike what kernels fill pages with */
#define TARGET	5	/* page */

/*
 * What starts a page.  The search must not find what it searches for in its own
 * memory, so that only the inverse is there.
 */
struct pattern {
	u64 inverse[2];
	unsigned int found;
};

static struct pattern secret = { { 0x8e1fd0c46b7a2935, 0x31c5f2908ad7e64b } };
static struct pattern control = { { 0x5d90ab17e3f84c62, 0xc27b6e0d9f1a8354 } };

/* Who breaks a page that is not broken */
struct in_vain {
	u8 *addr;
	unsigned int tries;
	bool stop;
};

static u8 pattern_byte(const struct pattern *p, unsigned int i)
{
	return ~((const u8 *)p->inverse)[i];
}

static bool pattern_starts(const struct pattern *p, const u8 *page)
{
	const u64 *words = (const u64 *)page;

	return words[0] == ~p->inverse[0] && words[1] == ~p->inverse[1];
}

static void look_for_both(const u8 *page)
{
	secret.found += pattern_starts(&secret, page);
	control.found += pattern_starts(&control, page);
}

/* A page of this process that is not private to any guest */
static u8 *make_control(void)
{
	u8 *page = gmem_mmap_anon(PG);
	unsigned int i;

	for (i = 0; i < 16; i++)
		page[i] = pattern_byte(&control, i);
	return page;
}

/* A private page, which the guest fills; return where it is. */
static u64 make_secret(const struct world *w)
{
	unsigned int i;
	u64 phys;

	memset(host(w, TARGET), SECRET, PG);
	phys = gmem_physical_address(host(w, TARGET));
	ASSERT_OK(convert(w, TARGET, 1, GMEM_PRIVATE));
	for (i = 0; i < 16; i++)
		gmem_cmd_result(w->vcpu, GMEM_CMD_WRITE, gpa(TARGET) + i,
				pattern_byte(&secret, i));
	return phys;
}

/* The page is where it was, with what was in it. */
static void reveal_secret(const struct world *w, u64 phys)
{
	assert_no_host(w, TARGET);
	convert_offered(w, TARGET, 1);
	TEST_ASSERT(pattern_starts(&secret, host(w, TARGET)), "the secret is lost");
	ASSERT_EQ(host(w, TARGET)[16], SECRET);
	ASSERT_EQ(gmem_physical_address(host(w, TARGET)), phys);
}

GMEM_TEST(kcore_at_the_address)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	u8 *open = make_control();
	u64 phys = make_secret(&w);
	static u8 page[PG];

	gmem_read_kcore(gmem_physical_address(open), page);
	TEST_ASSERT(pattern_starts(&control, page), "kcore does not show the control");
	gmem_read_kcore(phys, page);
	TEST_ASSERT(gmem_host_page_is(page, 0), "kcore shows a private page: %#x", page[0]);
	/* Nor a part of it, at an odd address */
	memset(page, 0, PG);
	gmem_read_kcore(phys + PG - 100, page);
	TEST_ASSERT(!memchr(page, SECRET, 100), "kcore shows the end of a private page");
	reveal_secret(&w, phys);
}

/* A thread that reads a page again and again, and looks for private bytes */
struct peeker {
	int fd;
	struct elf64_hdr eh;
	off_t at;
	bool stop;
	u64 reads;
	bool seen;
};

static void *peek(void *arg)
{
	struct peeker *p = arg;
	unsigned int i, run;
	u8 page[PG];

	while (!READ_ONCE(p->stop)) {
		TEST_ASSERT(pread(p->fd, page, PG, READ_ONCE(p->at)) == PG, "pread()");
		for (i = 0, run = 0; i < PG; i++) {
			run = page[i] == SECRET ? run + 1 : 0;
			if (run == 64)
				p->seen = true;
		}
		p->reads++;
	}
	return NULL;
}

static void peek_at(struct peeker *p, u64 phys)
{
	WRITE_ONCE(p->at, gmem_kcore_offset(p->fd, &p->eh, phys));
}

static void peek_start(struct peeker *p, u64 phys, pthread_t *thread)
{
	p->fd = gmem_open_kcore(&p->eh);
	peek_at(p, phys);
	ASSERT_OK(pthread_create(thread, NULL, peek, p));
}

static void peek_end(struct peeker *p, pthread_t thread)
{
	WRITE_ONCE(p->stop, true);
	pthread_join(thread, NULL);
	TEST_ASSERT(!p->seen, "kcore has shown a private page");
	close(p->fd);
}

/* Two threads read one open file: what one must not see is in nobody's buffer. */
GMEM_TEST_TIMEOUT(kcore_by_two_threads, 120)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	u8 *open = make_control();
	u64 phys = make_secret(&w);
	struct peeker peeker = {};
	unsigned int round;
	pthread_t thread;
	u8 page[PG];
	off_t at;

	peek_start(&peeker, phys, &thread);
	at = gmem_kcore_offset(peeker.fd, &peeker.eh, gmem_physical_address(open));
	for (round = 0; round < 20000; round++) {
		TEST_ASSERT(pread(peeker.fd, page, PG, at) == PG, "pread()");
		TEST_ASSERT(!memchr(page + 16, SECRET, PG - 16), "round %u: a private byte",
			    round);
	}
	peek_end(&peeker, thread);
	reveal_secret(&w, phys);
}

/* A page that was taken for broken while it was private is good after all. */
GMEM_TEST(kcore_after_unpoisoning)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	u64 phys = make_secret(&w);
	static u8 page[PG];

	gmem_poison_unseen(phys);
	gmem_punch(w.slot.fd, 0, PAGES * PG);
	gmem_unpoison(phys);
	gmem_read_kcore(phys, page);
	TEST_ASSERT(!memchr(page, SECRET, PG), "private bytes are free memory");
}

/* All of memory, in case a copy is somewhere else */
GMEM_TEST_TIMEOUT(kcore_everywhere, 300)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	u8 *open = make_control();
	u64 phys = make_secret(&w);

	gmem_scan_kcore(look_for_both);
	TEST_ASSERT(control.found, "kcore does not show the control");
	ASSERT_EQ(secret.found, 0);
	TEST_ASSERT(pattern_starts(&control, open), "the control is lost");
	reveal_secret(&w, phys);
}

/*
 * A page that is in the file when it is looked at, and not before or after.
 * Files give pages back by 15 at a time, and then wipe them: the last of these
 * is no longer in the file, and not wiped yet, for longest.
 */
GMEM_TEST_TIMEOUT(kcore_while_pages_come_and_go, 180)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	const unsigned int last = 14;
	struct peeker peeker = {};
	unsigned int round;
	pthread_t thread;

	memset(host(&w, last), 0, PG);
	peek_start(&peeker, gmem_physical_address(host(&w, last)), &thread);
	for (round = 0; round < 1000 || READ_ONCE(peeker.reads) < 1000; round++) {
		ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
		gmem_cmd_result(w.vcpu, GMEM_CMD_TOUCH, w.slot.gpa, PAGES);
		guest_fills(&w, last, SECRET);
		gmem_punch(w.slot.fd, 0, PAGES * PG);
		ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
		host(&w, last)[0] = 1;
		peek_at(&peeker, gmem_physical_address(host(&w, last)));
	}
	peek_end(&peeker, thread);
}

/* CONFIG_STRICT_DEVMEM, which distributions set, is what the guest relies on. */
GMEM_TEST(dev_mem)
{
	const off_t bios = 0xf0000;
	struct world w = make_world(GMEM_SLOT_INPLACE);
	int fd = open("/dev/mem", O_RDWR);
	u64 phys = make_secret(&w), open_phys;
	static u8 page[PG];
	u8 forged = 0xa5;

	if (fd < 0)
		gmem_skip("no /dev/mem: %s", strerror(errno));
	open_phys = gmem_physical_address(make_control());
	if (pread(fd, page, PG, open_phys) == PG)
		gmem_skip("kernel without CONFIG_STRICT_DEVMEM");
	ASSERT_EQ(pread(fd, page, PG, bios), PG);
	TEST_ASSERT(mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, bios) != MAP_FAILED,
		    "mmap() of the firmware: %s", strerror(errno));

	ASSERT_ERRNO(pread(fd, page, PG, phys), EPERM);
	ASSERT_ERRNO(pwrite(fd, &forged, 1, phys), EPERM);
	ASSERT_ERRNO(mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, phys), EPERM);
	ASSERT_ERRNO(mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, phys), EPERM);
	reveal_secret(&w, phys);
}

#define SWAP_DEVICE	"/dev/ram0"
#define SWAP_PAGES	4096
#define SWAP_CGROUP	"/sys/fs/cgroup/gmem-swap"

/* What mkswap writes, at byte 1024 of the first page and at its end */
static int make_swap(void)
{
	static u8 page[PG];
	int fd = open(SWAP_DEVICE, O_RDWR);
	u32 *info = (u32 *)(page + 1024);
	unsigned int i;

	if (fd < 0)
		gmem_skip("no " SWAP_DEVICE ": %s", strerror(errno));
	for (i = 0; i < SWAP_PAGES; i++)
		ASSERT_EQ(pwrite(fd, page, PG, i * PG), PG);
	info[0] = 1;
	info[1] = SWAP_PAGES - 1;
	memcpy(page + PG - 10, "SWAPSPACE2", 10);
	ASSERT_EQ(pwrite(fd, page, PG, 0), PG);
	ASSERT_OK(fsync(fd));
	ASSERT_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	return fd;
}

static void join_cgroup(const char *path)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	TEST_ASSERT(gmem_write_knob(path, pid), "%s: %s", path, strerror(errno));
}

static void scan_swap(int fd)
{
	static u8 page[PG];
	unsigned int i;

	ASSERT_OK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	for (i = 0; i < SWAP_PAGES; i++) {
		ASSERT_EQ(pread(fd, page, PG, i * PG), PG);
		look_for_both(page);
	}
}

/* Reclaim writes no page of the file to swap, private or shared. */
GMEM_TEST(swap)
{
	int fd = make_swap();
	struct world w;
	u64 phys;
	u8 *open;
	long left;

	mkdir(SWAP_CGROUP, 0755);
	join_cgroup(SWAP_CGROUP "/cgroup.procs");
	w = make_world(GMEM_SLOT_INPLACE);
	open = make_control();
	phys = make_secret(&w);
	memset(host(&w, TARGET + 1), SECRET, PG);
	ASSERT_OK(swapon(SWAP_DEVICE, 0));

	left = gmem_meminfo("SwapFree:");
	/* Nothing of the file goes there if told to, and the control does. */
	madvise(w.slot.hva, PAGES * PG, MADV_PAGEOUT);
	ASSERT_EQ(gmem_meminfo("SwapFree:"), left);
	ASSERT_OK(madvise(open, PG, MADV_PAGEOUT));
	TEST_ASSERT(gmem_meminfo("SwapFree:") < left, "nothing swapped");
	/* Fails if there is less than that to reclaim, and reclaims what there is. */
	TEST_ASSERT(gmem_write_knob(SWAP_CGROUP "/memory.reclaim", "1G") || errno == EAGAIN,
		    "memory.reclaim: %s", strerror(errno));
	scan_swap(fd);
	TEST_ASSERT(control.found, "the control is not in swap");
	ASSERT_EQ(secret.found, 0);

	assert_host(&w, TARGET + 1, SECRET);
	reveal_secret(&w, phys);
	TEST_ASSERT(pattern_starts(&control, open), "the control did not come back");
	ASSERT_OK(swapoff(SWAP_DEVICE));
	join_cgroup("/sys/fs/cgroup/cgroup.procs");
	rmdir(SWAP_CGROUP);
}

/* A merged page tells by its physical address what is in the other one. */
GMEM_TEST(ksm)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	u8 *twins = gmem_mmap_anon(2 * PG);
	u64 phys;

	gmem_require_ksm();
	memset(twins, SECRET, 2 * PG);
	memset(host(&w, TARGET), SECRET, 2 * PG);
	phys = gmem_physical_address(host(&w, TARGET));
	ASSERT_OK(convert(&w, TARGET, 1, GMEM_PRIVATE));
	ASSERT_OK(madvise(twins, 2 * PG, MADV_MERGEABLE));
	madvise(w.slot.hva, PAGES * PG, MADV_MERGEABLE);
	gmem_ksm_merge();
	ASSERT_EQ(gmem_physical_address(twins), gmem_physical_address(twins + PG));
	ASSERT_EQ(gmem_read_number(KSM "pages_sharing", NULL), 1);
	gmem_ksm_unmerge();

	assert_guest(&w, TARGET, SECRET);
	assert_host(&w, TARGET + 1, SECRET);
	convert_offered(&w, TARGET, 1);
	assert_host(&w, TARGET, SECRET);
	ASSERT_EQ(gmem_physical_address(host(&w, TARGET)), phys);
}

/* Errors that a filter takes back again, as soon as memory_failure() looks at it */
static void *poison_in_vain(void *arg)
{
	struct in_vain *v = arg;

	while (!READ_ONCE(v->stop)) {
		madvise(v->addr, PG, MADV_HWPOISON);
		v->tries++;
	}
	return NULL;
}

static void restore_filter(void)
{
	gmem_write_knob(HWPOISON "corrupt-filter-enable", "0");
	gmem_write_knob("/proc/sys/kernel/printk", "7");
}

/* A page for which there is a reference does not become private meanwhile. */
GMEM_TEST(errors_that_do_not_last)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	struct in_vain v = { .addr = host(&w, TARGET) };
	pthread_t thread;
	int fds[2], i;

	if (access(HWPOISON "corrupt-filter-enable", F_OK))
		gmem_skip("kernel without CONFIG_HWPOISON_INJECT, or no debugfs");
	atexit(restore_filter);
	/* Each attempt is worth a message of the kernel, but no warning. */
	TEST_ASSERT(gmem_write_knob("/proc/sys/kernel/printk", "5") &&
		    gmem_write_knob(HWPOISON "corrupt-filter-flags-mask", "1") &&
		    gmem_write_knob(HWPOISON "corrupt-filter-flags-value", "2") &&
		    gmem_write_knob(HWPOISON "corrupt-filter-enable", "1"), "%s",
		    strerror(errno));
	memset(v.addr, SECRET, PG);
	pin(v.addr, fds);
	TEST_ASSERT(!pthread_create(&thread, NULL, poison_in_vain, &v), "pthread_create()");
	for (i = 0; i < 300 || READ_ONCE(v.tries) < 300; i++)
		ASSERT_ERRNO(convert(&w, TARGET, 1, GMEM_PRIVATE), EAGAIN);
	WRITE_ONCE(v.stop, true);
	pthread_join(thread, NULL);
	assert_host(&w, TARGET, SECRET);
	unpin(fds, SECRET);
}

GMEM_HARNESS_MAIN
