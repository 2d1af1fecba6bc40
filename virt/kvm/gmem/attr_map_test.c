// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the attribute map.  Built twice: as a KUnit suite, and in userspace
 * with sanitizers (tools/testing/gmem-units), where longer random runs and
 * failing allocations are added.
 */

#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sched.h>

#include "attr_map_oracle.h"

#define PRIVATE		8UL

/* Indices of 64 GiB and 16 TiB, and of 1 GiB, in 4 KiB pages. */
#define PAGES_64G	BIT(24)
#define PAGES_16T	BIT(32)
#define PAGES_1G	BIT(18)

#define CHUNK		((unsigned long)XA_CHUNK_SIZE)

/* Nodes on the way down to one index of [0, 2^40). */
#define CHAIN		(40 / XA_CHUNK_SHIFT + 1)

static struct kvm_attr_map map;

static int attr_map_test_init(struct kunit *test)
{
	kvm_attr_map_init(&map, 0);
	return 0;
}

static void attr_map_test_exit(struct kunit *test)
{
	kvm_attr_map_destroy(&map);
}

static void set(struct kunit *test, unsigned long start, unsigned long end,
		unsigned long attrs)
{
	KUNIT_ASSERT_EQ(test, attr_map_set(&map, start, end, attrs), 0);
}

static unsigned long nodes(struct kunit *test)
{
	struct attr_map_stats stats;

	KUNIT_ASSERT_PTR_EQ(test, attr_map_check(&map, &stats), NULL);
	return stats.nodes;
}

/* Expect @attrs in [start, end), @around before and after it. */
static void expect_range(struct kunit *test, unsigned long start,
			 unsigned long end, unsigned long attrs,
			 unsigned long around)
{
	unsigned long run;

	KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(&map, start, end, attrs));
	KUNIT_EXPECT_EQ(test, kvm_attr_map_get(&map, start), attrs);
	KUNIT_EXPECT_EQ(test, kvm_attr_map_get(&map, end - 1), attrs);
	KUNIT_EXPECT_EQ(test, kvm_attr_map_get(&map, end), around);
	KUNIT_EXPECT_FALSE(test, kvm_attr_map_range_has(&map, start, end + 1, attrs));
	KUNIT_EXPECT_EQ(test, kvm_attr_map_run_end(&map, start, end + 1, &run), end);
	KUNIT_EXPECT_EQ(test, run, attrs);
	if (!start)
		return;
	KUNIT_EXPECT_EQ(test, kvm_attr_map_get(&map, start - 1), around);
	KUNIT_EXPECT_FALSE(test, kvm_attr_map_range_has(&map, start - 1, end, attrs));
	KUNIT_EXPECT_EQ(test, kvm_attr_map_run_end(&map, start - 1, end, &run), start);
	KUNIT_EXPECT_EQ(test, run, around);
}

static void empty_map(struct kunit *test)
{
	unsigned long attrs;

	KUNIT_EXPECT_EQ(test, kvm_attr_map_get(&map, 0), 0);
	KUNIT_EXPECT_EQ(test, kvm_attr_map_get(&map, KVM_ATTR_MAP_END - 1), 0);
	KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(&map, 0, KVM_ATTR_MAP_END, 0));
	KUNIT_EXPECT_FALSE(test, kvm_attr_map_range_has(&map, 5, 6, PRIVATE));
	KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(&map, 5, 5, PRIVATE));
	KUNIT_EXPECT_EQ(test, kvm_attr_map_run_end(&map, 0, KVM_ATTR_MAP_END, &attrs),
			KVM_ATTR_MAP_END);
	KUNIT_EXPECT_EQ(test, attrs, 0);
	set(test, 0, KVM_ATTR_MAP_END, 0);
	KUNIT_EXPECT_EQ(test, nodes(test), 0);
}

static void private_by_default(struct kunit *test)
{
	kvm_attr_map_init(&map, PRIVATE);
	KUNIT_EXPECT_EQ(test, kvm_attr_map_get(&map, 77), PRIVATE);
	set(test, 77, 78, 0);
	expect_range(test, 77, 78, 0, PRIVATE);
	set(test, 0, PAGES_16T, 0);
	expect_range(test, 0, PAGES_16T, 0, PRIVATE);
	set(test, 0, PAGES_16T, PRIVATE);
	KUNIT_EXPECT_EQ(test, nodes(test), 0);
}

/* Ranges that start and end one before, at and one after block edges. */
static void block_edges(struct kunit *test)
{
	static const unsigned long edge[] = {
		1, CHUNK, 2 * CHUNK, CHUNK * CHUNK, CHUNK * CHUNK * CHUNK,
		PAGES_64G, 3 * PAGES_64G, BIT(36), BIT(40), KVM_ATTR_MAP_END - 3,
	};
	unsigned int i, j, k;

	for (i = 0; i < ARRAY_SIZE(edge); i++) {
		for (j = i; j < ARRAY_SIZE(edge); j++) {
			for (k = 0; k < 9; k++) {
				unsigned long start = edge[i] + k / 3 - 1;
				unsigned long end = edge[j] + k % 3 - 1;

				if (start >= end)
					continue;
				set(test, start, end, PRIVATE);
				expect_range(test, start, end, PRIVATE, 0);
				set(test, start, end, 0);
			}
		}
	}
	set(test, 0, KVM_ATTR_MAP_END, 0);
	KUNIT_EXPECT_EQ(test, nodes(test), 0);
}

/* A hole in a large block splits it at every level; filling it merges. */
static void split_and_merge(struct kunit *test)
{
	unsigned long base = 3 * PAGES_64G, at;
	unsigned int shift;

	for (shift = 0; shift < 23; shift++) {
		set(test, base, base + PAGES_64G, PRIVATE);
		at = base + BIT(23) - BIT(shift);
		set(test, at, at + BIT(shift), 0);
		expect_range(test, at, at + BIT(shift), 0, PRIVATE);
		KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(&map, base, at, PRIVATE));
		KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(&map, at + BIT(shift),
							       base + PAGES_64G, PRIVATE));
		KUNIT_EXPECT_LE(test, nodes(test), 3 * CHAIN);
		set(test, at, at + BIT(shift), PRIVATE);
		expect_range(test, base, base + PAGES_64G, PRIVATE, 0);
	}
	set(test, base, base + PAGES_64G, 0);
	KUNIT_EXPECT_EQ(test, nodes(test), 0);
}

/* Cost follows boundaries: few nodes for 64 GiB and 16 TiB, wherever they are. */
static void large_ranges_are_cheap(struct kunit *test)
{
	static const unsigned long size[] = { PAGES_64G, PAGES_16T };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(size); i++) {
		set(test, 0, size[i], PRIVATE);
		KUNIT_EXPECT_LE(test, nodes(test), 2);
		set(test, 0, size[i], 0);
		KUNIT_EXPECT_EQ(test, nodes(test), 0);

		set(test, BIT(39), BIT(39) + size[i], PRIVATE);
		KUNIT_EXPECT_LE(test, nodes(test), CHAIN);
		set(test, BIT(39), BIT(39) + size[i], 0);
		KUNIT_EXPECT_EQ(test, nodes(test), 0);

		set(test, 77, 77 + size[i], PRIVATE);
		KUNIT_EXPECT_LE(test, nodes(test), 2 * CHAIN);
		set(test, 77, 77 + size[i], 0);
		KUNIT_EXPECT_EQ(test, nodes(test), 0);
	}
}

static void *leaf_of(unsigned long index)
{
	XA_STATE(xas, &map.xa, index);

	rcu_read_lock();
	xas_load(&xas);
	rcu_read_unlock();
	return xas_is_node(&xas) ? xas.xa_node : NULL;
}

/* Toggling one index keeps the nodes that the first change made. */
static void toggle_keeps_nodes(struct kunit *test)
{
	static const unsigned long dflt[] = { 0, PRIVATE };
	unsigned long at = PAGES_64G / 2 + 12345;
	unsigned int i, j;
	void *leaf;

	for (i = 0; i < ARRAY_SIZE(dflt); i++) {
		set(test, 0, PAGES_64G, dflt[i]);
		set(test, at, at + 1, dflt[i] ^ PRIVATE);
		leaf = leaf_of(at);
		for (j = 0; j < 1000; j++) {
			set(test, at, at + 1, j & 1 ? PRIVATE : 0);
			KUNIT_ASSERT_PTR_EQ(test, leaf_of(at), leaf);
			KUNIT_ASSERT_EQ(test, kvm_attr_map_get(&map, at),
					j & 1 ? PRIVATE : 0);
		}
	}
}

/* No more nodes than one entry a page needs, and they come back page by page. */
static void alternating_1g(struct kunit *test)
{
	unsigned long i, level, plain = 0, end = 2 * PAGES_1G;

	for (level = XA_CHUNK_SHIFT; level <= 24; level += XA_CHUNK_SHIFT)
		plain += DIV_ROUND_UP(PAGES_1G, BIT(level)) + 1;

	for (i = PAGES_1G; i < end; i += 2)
		set(test, i, i + 1, PRIVATE);
	KUNIT_EXPECT_LE(test, nodes(test), plain);
	for (i = PAGES_1G; i < end; i += 511)
		KUNIT_ASSERT_EQ(test, kvm_attr_map_get(&map, i), i & 1 ? 0 : PRIVATE);

	for (i = PAGES_1G; i < end; i += 2)
		set(test, i, i + 1, 0);
	KUNIT_EXPECT_LE(test, nodes(test), 70 + CHAIN);
	KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(&map, 0, BIT(40), 0));

	for (i = PAGES_1G; i < end; i += 2)
		set(test, i, i + 1, PRIVATE);
	for (i = PAGES_1G + 1; i < end; i += 2)
		set(test, i, i + 1, PRIVATE);
	KUNIT_EXPECT_LE(test, nodes(test), 70 + CHAIN);
	expect_range(test, PAGES_1G, end, PRIVATE, 0);
}

/* Random toggles that are all reverted leave no more than the pending ones. */
static void random_toggles_come_back(struct kunit *test)
{
	unsigned long at;
	u64 rnd = 99;
	int i;

	set(test, PAGES_64G, 2 * PAGES_64G, PRIVATE);
	for (i = 0; i < 20000; i++) {
		at = PAGES_64G + (attr_random(&rnd) & (PAGES_64G - 1));
		set(test, at, at + 1, 0);
		set(test, at, at + 1, PRIVATE);
	}
	KUNIT_EXPECT_LE(test, nodes(test), 66 * CHAIN);
	expect_range(test, PAGES_64G, 2 * PAGES_64G, PRIVATE, 0);
}

/* One range over many fragments frees them, whatever their depth. */
static void range_over_fragments(struct kunit *test)
{
	unsigned long i, end = 64 * 4096 * 3;

	for (i = 96; i < end; i += 96)
		set(test, i, i + 33, PRIVATE);
	KUNIT_EXPECT_GE(test, nodes(test), end / 128);
	set(test, 1, PAGES_16T + 5, PRIVATE);
	expect_range(test, 1, PAGES_16T + 5, PRIVATE, 0);
	KUNIT_EXPECT_LE(test, nodes(test), 2 * CHAIN);
	set(test, 0, BIT(40), 0);
	KUNIT_EXPECT_EQ(test, nodes(test), 0);
}

/* A reservation changes no value, and leaves no node when it is cancelled. */
static void cancel_changes_nothing(struct kunit *test)
{
	unsigned long before;

	KUNIT_ASSERT_EQ(test, kvm_attr_map_reserve(&map, 5, PAGES_16T + 7, PRIVATE), 0);
	KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(&map, 0, BIT(40), 0));
	KUNIT_EXPECT_GT(test, nodes(test), 0);
	kvm_attr_map_cancel(&map);
	KUNIT_EXPECT_EQ(test, nodes(test), 0);

	set(test, PAGES_64G, 2 * PAGES_64G, PRIVATE);
	before = nodes(test);
	KUNIT_ASSERT_EQ(test, kvm_attr_map_reserve(&map, 5, PAGES_64G + 7, 0), 0);
	expect_range(test, PAGES_64G, 2 * PAGES_64G, PRIVATE, 0);
	KUNIT_EXPECT_GT(test, nodes(test), before);
	kvm_attr_map_cancel(&map);
	expect_range(test, PAGES_64G, 2 * PAGES_64G, PRIVATE, 0);
	KUNIT_EXPECT_EQ(test, nodes(test), before);
}

/* Reservations of disjoint ranges survive each other, in any order. */
static void disjoint_reservations(struct kunit *test)
{
	unsigned int order;

	for (order = 0; order < 4; order++) {
		set(test, 0, 10, PRIVATE);
		set(test, PAGES_64G, PAGES_64G + 1, PRIVATE);
		KUNIT_ASSERT_EQ(test, kvm_attr_map_reserve(&map, 0, PAGES_64G, PRIVATE), 0);
		KUNIT_ASSERT_EQ(test, kvm_attr_map_reserve(&map, PAGES_64G, BIT(36), 0), 0);
		KUNIT_ASSERT_EQ(test, kvm_attr_map_reserve(&map, BIT(36) + 1, BIT(38), 1), 0);
		if (order & 1)
			kvm_attr_map_commit(&map, PAGES_64G, BIT(36), 0);
		if (order & 2)
			kvm_attr_map_cancel(&map);
		else
			kvm_attr_map_commit(&map, BIT(36) + 1, BIT(38), 1);
		if (!(order & 1))
			kvm_attr_map_commit(&map, PAGES_64G, BIT(36), 0);
		kvm_attr_map_commit(&map, 0, PAGES_64G, PRIVATE);

		expect_range(test, 0, PAGES_64G, PRIVATE, 0);
		KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(&map, BIT(36) + 1, BIT(38),
							       order & 2 ? 0 : 1));
		set(test, 0, BIT(40), 0);
		KUNIT_EXPECT_EQ(test, nodes(test), 0);
	}
}

static void random_against_oracle(struct kunit *test)
{
	static const unsigned long dflt[] = { 0, PRIVATE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dflt); i++) {
		struct attr_fuzz fuzz = {
			.ops = 50000, .seed = 2 + i, .dflt = dflt[i],
			.check_every = 1000,
		};

		KUNIT_EXPECT_TRUE_MSG(test, attr_fuzz_run(&fuzz), "%s at operation %lu",
				      fuzz.error ? fuzz.error : "", fuzz.at);
		KUNIT_EXPECT_GT(test, fuzz.checks, 0);
	}
}

/* Readers of indices whose value stays, while all around them changes. */
#define READERS		2
#define WRITES		5000

struct reader {
	struct task_struct *task;
	unsigned long reads;
	unsigned long wrong;
};

/* PRIVATE in the upper half of the first 64 GiB, the default in the lower one. */
static unsigned long still_index(unsigned int i)
{
	static const unsigned long offset[] = {
		0, 63, 64, 4095, 4096, 4096 * 7 + 13, PAGES_1G - 1, PAGES_1G,
		PAGES_1G * 5 + 64, PAGES_64G / 2 - 1,
	};

	return offset[i / 2 % ARRAY_SIZE(offset)] + (i & 1 ? PAGES_64G / 2 : 0);
}

static int read_still_indices(void *data)
{
	struct reader *reader = data;
	unsigned long at, attrs;
	unsigned int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < 1000; i++) {
			at = still_index(i);
			attrs = i & 1 ? PRIVATE : 0;
			if (kvm_attr_map_get(&map, at) != attrs ||
			    !kvm_attr_map_range_has(&map, at, at + 1, attrs))
				reader->wrong++;
		}
		reader->reads += i;
		cond_resched();
	}
	return 0;
}

static void set_around(struct kunit *test, unsigned long start, unsigned long end,
		       unsigned long attrs)
{
	/* No assertion, as the readers have to be stopped. */
	KUNIT_EXPECT_EQ(test, attr_map_set(&map, start, end, attrs), 0);
}

/* Change one range between two of the indices, or set back a whole half. */
static void write_around(struct kunit *test, u64 *rnd)
{
	unsigned int i = attr_random(rnd) % 20;
	unsigned long from = still_index(i) + 1;
	unsigned long to = still_index(i + 2);
	unsigned long base = i & 1 ? PAGES_64G / 2 : 0;
	unsigned long attrs = i & 1 ? PRIVATE : 0;
	unsigned long len = 1 + (attr_random(rnd) & (BIT(attr_random(rnd) % 20) - 1));

	if (!(attr_random(rnd) % 8))
		set_around(test, base, base + PAGES_64G / 2, attrs);
	if (from >= to)
		return;
	if (attr_random(rnd) & 1)
		from += attr_random(rnd) % (to - from);
	to = min(to, from + len);
	set_around(test, from, to, attrs ^ PRIVATE);
	if (attr_random(rnd) & 1)
		set_around(test, from, to, attrs);
}

static void concurrent_readers(struct kunit *test)
{
	struct reader reader[READERS] = {};
	unsigned int i;
	u64 rnd = 5;

	set(test, PAGES_64G / 2, PAGES_64G, PRIVATE);
	for (i = 0; i < READERS; i++) {
		reader[i].task = kthread_run(read_still_indices, &reader[i],
					     "attr_map_reader/%u", i);
		KUNIT_EXPECT_FALSE(test, IS_ERR(reader[i].task));
	}
	for (i = 0; i < WRITES; i++) {
		write_around(test, &rnd);
		cond_resched();
	}
	for (i = 0; i < READERS; i++) {
		if (IS_ERR(reader[i].task))
			continue;
		kthread_stop(reader[i].task);
		kunit_info(test, "reader %u: %lu reads\n", i, reader[i].reads);
		KUNIT_EXPECT_EQ(test, reader[i].wrong, 0);
		KUNIT_EXPECT_GT(test, reader[i].reads, 0);
	}
}

static struct kunit_case attr_map_test_cases[] = {
	KUNIT_CASE(empty_map),
	KUNIT_CASE(private_by_default),
	KUNIT_CASE(block_edges),
	KUNIT_CASE(split_and_merge),
	KUNIT_CASE(large_ranges_are_cheap),
	KUNIT_CASE(toggle_keeps_nodes),
	KUNIT_CASE(alternating_1g),
	KUNIT_CASE(random_toggles_come_back),
	KUNIT_CASE(range_over_fragments),
	KUNIT_CASE(cancel_changes_nothing),
	KUNIT_CASE(disjoint_reservations),
	KUNIT_CASE(random_against_oracle),
	KUNIT_CASE(concurrent_readers),
	{}
};

static struct kunit_suite attr_map_test_suite = {
	.name = "kvm_attr_map",
	.init = attr_map_test_init,
	.exit = attr_map_test_exit,
	.test_cases = attr_map_test_cases,
};

kunit_test_suite(attr_map_test_suite);
