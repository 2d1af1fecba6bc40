/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_ATTR_MAP_ORACLE_H
#define __KVM_ATTR_MAP_ORACLE_H

#include <linux/bits.h>
#include <linux/kvm_attr_map.h>

/* Indices that the random operations cover. */
#define ATTR_ORACLE_END		BIT(40)

/*
 * What a map may hold beyond its canonical form: a path to each of the 64 nodes
 * that may wait for a sweep and to those of the last operation, and the top.
 */
#define ATTR_ORACLE_SLACK	((64 + 20) * (40 / XA_CHUNK_SHIFT + 1))

/**
 * struct attr_map_stats - what a map consists of
 * @nodes: Number of nodes.
 * @values: Number of entries.
 * @top: Largest order of an entry.
 */
struct attr_map_stats {
	unsigned long nodes;
	unsigned long values;
	unsigned int top;
};

/**
 * enum attr_fuzz_op - kinds of random operations
 * @ATTR_FUZZ_SET: Reserve and commit a range.
 * @ATTR_FUZZ_TOGGLE: Change one index, then back.
 * @ATTR_FUZZ_PAIR: Reserve two disjoint ranges, then commit or cancel each.
 * @ATTR_FUZZ_CANCEL: Reserve a range and cancel.
 * @ATTR_FUZZ_ENOMEM: Like SET, with an allocation that fails.
 * @ATTR_FUZZ_GET: Look up single indices.
 * @ATTR_FUZZ_HAS: Compare a range with a value.
 * @ATTR_FUZZ_RUN: Find the end of a run.
 * @ATTR_FUZZ_NR: Number of kinds.
 */
enum attr_fuzz_op {
	ATTR_FUZZ_SET,
	ATTR_FUZZ_TOGGLE,
	ATTR_FUZZ_PAIR,
	ATTR_FUZZ_CANCEL,
	ATTR_FUZZ_ENOMEM,
	ATTR_FUZZ_GET,
	ATTR_FUZZ_HAS,
	ATTR_FUZZ_RUN,
	ATTR_FUZZ_NR,
};

/**
 * struct attr_fuzz - a run of random operations against the oracle
 * @ops: Operations to do.
 * @seed: Seed of the generator, not 0.
 * @dflt: Default value of the map.
 * @check_every: Operations between two comparisons of everything.
 * @fail_nth: Makes the nth allocation from now fail (0: none), or NULL.
 * @done: Operations done, by kind.
 * @failed: Reservations that failed with -ENOMEM.
 * @checks: Comparisons of everything done.
 * @max_nodes: Largest number of nodes seen by them.
 * @error: What went wrong, or NULL.
 * @at: The operation that found it.
 */
struct attr_fuzz {
	unsigned long ops;
	u64 seed;
	unsigned long dflt;
	unsigned long check_every;
	void (*fail_nth)(unsigned int nth);

	unsigned long done[ATTR_FUZZ_NR];
	unsigned long failed;
	unsigned long checks;
	unsigned long max_nodes;
	const char *error;
	unsigned long at;
};

const char *attr_map_check(struct kvm_attr_map *map, struct attr_map_stats *stats);
int attr_map_set(struct kvm_attr_map *map, unsigned long start,
		 unsigned long end, unsigned long attrs);
u64 attr_random(u64 *state);
bool attr_fuzz_run(struct attr_fuzz *fuzz);

#endif
