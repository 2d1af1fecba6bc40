// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory on a machine with two nodes: pages are allocated where the
 * policy of the file says, whoever touches them first, and stay there.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "gmem_harness.h"
#include "gmem_world.h"

#define NODES	2
#define VALUE	0x33

static unsigned long only(int node)
{
	return 1UL << node;
}

static void require_nodes(void)
{
	int node;
	char path[64];

	for (node = 0; node < NODES; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d", node);
		if (access(path, F_OK))
			gmem_skip("one node: boot with numa=fake=2");
	}
}

static struct world make_nodes(void)
{
	require_nodes();
	return make_world(GMEM_SLOT_INPLACE);
}

static void bind(u8 *addr, unsigned int pages, int mode, unsigned long nodes)
{
	ASSERT_OK(syscall(SYS_mbind, addr, pages * PG, mode, &nodes, 64, 0));
}

/* The node of a page that is mapped at @addr */
static int node_of(u8 *addr)
{
	void *pages[] = { addr };
	int status = -1;

	ASSERT_OK(syscall(SYS_move_pages, 0, 1, pages, NULL, &status, 0));
	return status;
}

static void assert_node(const struct world *w, unsigned int page, int node)
{
	u8 v;

	TEST_ASSERT(gmem_host_read(host(w, page), &v), "page %u: SIGBUS", page);
	TEST_ASSERT(node_of(host(w, page)) == node, "page %u is on node %d, expected %d",
		    page, node_of(host(w, page)), node);
}

/* Each way to get a page, for a page with each policy */
static void allocate_all(const struct world *w)
{
	struct kvm_pre_fault_memory args = { .gpa = gpa(12), .size = 4 * PG };
	unsigned int i;

	for (i = 0; i < 4; i++)
		TEST_ASSERT(gmem_host_write(host(w, i), VALUE), "page %u: SIGBUS", i);
	gmem_allocate(w->slot.fd, 4 * PG, 4 * PG);
	ASSERT_OK(convert(w, 8, 8, GMEM_PRIVATE));
	for (i = 8; i < 12; i++)
		guest_fills(w, i, VALUE);
	ASSERT_OK(ioctl(w->vcpu->fd, KVM_PRE_FAULT_MEMORY, &args));
	ASSERT_EQ(args.size, 0);
	/* In place: the host sees the pages that the guest got. */
	ASSERT_OK(convert(w, 8, 8, GMEM_SHARED));
}

GMEM_TEST(bind_each_page)
{
	struct world w = make_nodes();
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		bind(host(&w, i), 1, MPOL_BIND, only(i % NODES));
	allocate_all(&w);
	for (i = 0; i < PAGES; i++)
		assert_node(&w, i, i % NODES);
}

GMEM_TEST(prefer_each_node)
{
	struct world w = make_nodes();
	unsigned int i;

	bind(host(&w, 0), PAGES, MPOL_PREFERRED, only(1));
	bind(host(&w, 6), 4, MPOL_PREFERRED, only(0));
	allocate_all(&w);
	for (i = 0; i < PAGES; i++)
		assert_node(&w, i, i < 6 || i >= 10);
}

/* By offset in the file: neighbours are on different nodes. */
GMEM_TEST(interleave)
{
	struct world w = make_nodes();
	unsigned int i, on_node1 = 0;

	bind(host(&w, 0), PAGES, MPOL_INTERLEAVE, only(0) | only(1));
	allocate_all(&w);
	for (i = 0; i < PAGES; i++) {
		assert_node(&w, i, (node_of(host(&w, 0)) + i) % NODES);
		on_node1 += node_of(host(&w, i));
	}
	ASSERT_EQ(on_node1, PAGES / 2);
}

/* The first mapping need not be there any more when the page is allocated. */
GMEM_TEST(policy_of_another_mapping)
{
	struct world w = make_nodes();
	u8 *other = gmem_mmap(w.slot.fd, 8 * PG, 8 * PG);
	unsigned int i;

	bind(other, 8, MPOL_BIND, only(1));
	bind(host(&w, 0), 8, MPOL_BIND, only(0));
	ASSERT_OK(munmap(other, 8 * PG));
	allocate_all(&w);
	for (i = 0; i < PAGES; i++)
		assert_node(&w, i, i >= 8);
}

/* Without a policy of the file, the task that touches a page decides. */
GMEM_TEST(policy_of_the_task)
{
	struct world w = make_nodes();
	unsigned long nodes;
	unsigned int i;
	int node;

	for (node = 0; node < NODES; node++) {
		nodes = only(node);
		ASSERT_OK(syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 64));
		allocate_all(&w);
		for (i = 0; i < PAGES; i++)
			assert_node(&w, i, node);
		gmem_punch(w.slot.fd, 0, PAGES * PG);
	}
}

/* A page keeps its node when it is converted, and gets the policy's after a hole. */
GMEM_TEST(policy_changes)
{
	struct world w = make_nodes();
	unsigned int i;

	bind(host(&w, 0), PAGES, MPOL_BIND, only(0));
	allocate_all(&w);
	bind(host(&w, 0), PAGES, MPOL_BIND, only(1));
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	for (i = 0; i < PAGES; i++)
		guest_fills(&w, i, VALUE);
	gmem_punch(w.slot.fd, 8 * PG, 8 * PG);
	for (i = 8; i < PAGES; i++)
		guest_fills(&w, i, VALUE);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	for (i = 0; i < PAGES; i++)
		assert_node(&w, i, i >= 8);
}

/* What numa_maps says of the mapping at @addr, in @line */
static void read_numa_maps(const u8 *addr, char *line, int size)
{
	FILE *f = fopen("/proc/self/numa_maps", "r");
	bool found = false;

	TEST_ASSERT(f, "/proc/self/numa_maps: %s", strerror(errno));
	while (!found && fgets(line, size, f))
		found = strtoull(line, NULL, 16) == (uintptr_t)addr;
	fclose(f);
	TEST_ASSERT(found, "no mapping at %p in numa_maps", addr);
}

GMEM_TEST(numa_maps)
{
	struct world w = make_nodes();
	char line[512];
	unsigned int i;

	bind(host(&w, 0), PAGES, MPOL_BIND, only(1));
	for (i = 0; i < PAGES; i++)
		TEST_ASSERT(gmem_host_write(host(&w, i), VALUE), "page %u: SIGBUS", i);
	read_numa_maps(host(&w, 0), line, sizeof(line));
	TEST_ASSERT(strstr(line, " bind:1 ") && strstr(line, " N1=16"), "%s", line);
	ASSERT_OK(convert(&w, 0, 4, GMEM_PRIVATE));
	read_numa_maps(host(&w, 0), line, sizeof(line));
	TEST_ASSERT(strstr(line, " bind:1 ") && strstr(line, " N1=12"), "%s", line);
}

/* Pages on node 0: shared ones below 8, private ones from there on */
static struct world make_to_move(void)
{
	struct world w = make_nodes();
	unsigned int i;

	bind(host(&w, 0), PAGES, MPOL_BIND, only(0));
	ASSERT_OK(convert(&w, 8, 8, GMEM_PRIVATE));
	for (i = 0; i < PAGES; i++)
		guest_fills(&w, i, VALUE + i);
	for (i = 0; i < 8; i++)
		assert_node(&w, i, 0);
	return w;
}

static void assert_nothing_moved(const struct world *w)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		assert_guest(w, i, VALUE + i);
	ASSERT_OK(convert(w, 8, 8, GMEM_SHARED));
	for (i = 0; i < PAGES; i++)
		assert_node(w, i, 0);
}

/* The same calls move a page of the process. */
static u8 *make_movable(void)
{
	u8 *mem = gmem_mmap_anon(PG);

	bind(mem, 1, MPOL_BIND, only(0));
	*mem = VALUE;
	ASSERT_EQ(node_of(mem), 0);
	return mem;
}

static int mbind_to_node1(u8 *addr, unsigned int pages, int flags)
{
	unsigned long nodes = only(1);

	return syscall(SYS_mbind, addr, pages * PG, MPOL_BIND, &nodes, 64, flags);
}

GMEM_TEST(mbind_moves_nothing)
{
	struct world w = make_to_move();
	u8 *control = make_movable();

	ASSERT_OK(mbind_to_node1(control, 1, MPOL_MF_MOVE_ALL | MPOL_MF_STRICT));
	ASSERT_EQ(node_of(control), 1);
	ASSERT_ERRNO(mbind_to_node1(host(&w, 0), 8, MPOL_MF_MOVE_ALL | MPOL_MF_STRICT), EIO);
	ASSERT_OK(mbind_to_node1(host(&w, 0), PAGES, MPOL_MF_MOVE_ALL));
	assert_nothing_moved(&w);
}

GMEM_TEST(move_pages_moves_nothing)
{
	struct world w = make_to_move();
	u8 *control = make_movable();
	void *pages[PAGES + 1];
	int nodes[PAGES + 1], status[PAGES + 1];
	unsigned int i;

	for (i = 0; i <= PAGES; i++) {
		pages[i] = i < PAGES ? host(&w, i) : control;
		nodes[i] = 1;
		status[i] = 99;
	}
	syscall(SYS_move_pages, 0, PAGES, pages, nodes, status, MPOL_MF_MOVE_ALL);
	for (i = 0; i < PAGES; i++)
		TEST_ASSERT(status[i] != 1, "page %u: on node 1, it is said", i);
	ASSERT_OK(syscall(SYS_move_pages, 0, 1, &pages[PAGES], nodes, status, MPOL_MF_MOVE_ALL));
	ASSERT_EQ(node_of(control), 1);
	assert_nothing_moved(&w);
}

/* All that the process has, as a cpuset does that moves */
GMEM_TEST(migrate_pages_moves_nothing)
{
	struct world w = make_to_move();
	u8 *control = make_movable();
	unsigned long from = only(0), to = only(1);
	long left = syscall(SYS_migrate_pages, 0, 64, &from, &to);

	TEST_ASSERT(left >= 0, "migrate_pages(): %s", strerror(errno));
	ASSERT_EQ(node_of(control), 1);
	assert_nothing_moved(&w);
}

GMEM_HARNESS_MAIN
