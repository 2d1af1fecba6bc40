// SPDX-License-Identifier: GPL-2.0-only
/*
 * A naive model of the attribute map, and random operations that compare the
 * map with it.  Shared by the KUnit suite and by tools/testing/gmem-units.
 *
 * The model is one byte for each cell.  Cells are single pages around the edges
 * of blocks, and grow with the distance from them; operations start and end at
 * cell boundaries.  So every cell has one value at any time, and the model is
 * exact for all of [0, ATTR_ORACLE_END) with some ten thousand cells.
 */

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "attr_map_oracle.h"

/* Cells of each size on either side of a base: single pages, 64s, 4096s, ... */
#define ORACLE_LEVELS	6
#define ORACLE_REACH(level)	((level) ? 130L : 420L)
#define ORACLE_MAX_EDGES	32000

struct oracle {
	struct kvm_attr_map map;
	struct attr_fuzz *fuzz;
	u64 rnd;
	unsigned long *edge;	/* nr + 1 boundaries of nr cells */
	u8 *value;
	unsigned int nr;
	unsigned int hot;	/* a cell near to which operations cluster */
};

/* Where the random operations cluster: edges of blocks of every order. */
static const unsigned long oracle_base[] = {
	0, 1UL << 12, 1UL << 18, 3UL << 18, 1UL << 24, 5UL << 24, 1UL << 30,
	(1UL << 30) + (7UL << 18), 9UL << 30, (1UL << 36) - (1UL << 24),
	1UL << 36, (3UL << 36) + (1UL << 12), 1UL << 39, 1UL << 40,
};

/**
 * attr_random() - Next number of a small generator (xorshift64*).
 * @state: Its state, not 0.
 *
 * Context: Any context.
 * Return: A pseudo-random number.
 */
u64 attr_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

static unsigned int oracle_random(struct oracle *o, unsigned int below)
{
	return (attr_random(&o->rnd) >> 32) % below;
}

static const char *check_node(struct kvm_attr_map *map, struct xa_node *node,
			      struct attr_map_stats *stats)
{
	unsigned int i, count = 0, values = 0;
	const char *error;
	void *entry;

	stats->nodes++;
	if (node->shift % XA_CHUNK_SHIFT)
		return "node of an order that is no multiple";

	for (i = 0; i < XA_CHUNK_SIZE; i++) {
		entry = xa_entry_locked(&map->xa, node, i);
		count += !!entry;
		if (xa_is_value(entry)) {
			values++;
			stats->values++;
			stats->top = max_t(unsigned int, stats->top, node->shift);
			if (xa_to_value(entry) > 15)
				return "value out of range";
		} else if (entry && (!node->shift || !xa_is_node(entry))) {
			return "entry that is neither value nor node";
		} else if (entry) {
			if (xa_to_node(entry)->shift + XA_CHUNK_SHIFT != node->shift ||
			    xa_to_node(entry)->offset != i)
				return "child at a wrong place";
			error = check_node(map, xa_to_node(entry), stats);
			if (error)
				return error;
		}
	}
	if (!count || count != node->count || values != node->nr_values)
		return "wrong counts in a node";
	return NULL;
}

/**
 * attr_map_check() - Check the structure of a map and measure it.
 * @map: Map without concurrent writers.
 * @stats: Where to store the measures.
 *
 * Context: Process context, takes the xa_lock for the whole walk.
 * Return: NULL, or a description of what is wrong.
 */
const char *attr_map_check(struct kvm_attr_map *map, struct attr_map_stats *stats)
{
	const char *error = NULL;
	void *head;

	memset(stats, 0, sizeof(*stats));
	xa_lock(&map->xa);
	head = xa_head_locked(&map->xa);
	if (xa_is_value(head))
		stats->values = 1;
	else if (xa_is_node(head))
		error = check_node(map, xa_to_node(head), stats);
	else if (head)
		error = "head that is neither value nor node";
	xa_unlock(&map->xa);
	return error;
}

/**
 * attr_map_set() - Reserve and commit one range.
 * @map: Map to change.
 * @start: First index.
 * @end: Index after the last one.
 * @attrs: New value.
 *
 * Context: Process context, may sleep.
 * Return: 0 or what kvm_attr_map_reserve() returns.
 */
int attr_map_set(struct kvm_attr_map *map, unsigned long start,
		 unsigned long end, unsigned long attrs)
{
	int ret = kvm_attr_map_reserve(map, start, end, attrs);

	if (!ret)
		kvm_attr_map_commit(map, start, end, attrs);
	return ret;
}

static void oracle_fail(struct oracle *o, const char *error)
{
	if (!o->fuzz->error)
		o->fuzz->error = error;
}

static int compare_edges(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

static unsigned int oracle_add_edges(struct oracle *o, unsigned int nr,
				     unsigned long base)
{
	unsigned int level;
	long i;

	for (level = 0; level < ORACLE_LEVELS; level++) {
		unsigned long size = 1UL << (6 * level);

		for (i = -ORACLE_REACH(level); i <= ORACLE_REACH(level); i++) {
			unsigned long edge = (base & -size) + i * size;

			if (edge <= ATTR_ORACLE_END && nr < ORACLE_MAX_EDGES)
				o->edge[nr++] = edge;
		}
	}
	return nr;
}

static int oracle_init(struct oracle *o, struct attr_fuzz *fuzz)
{
	unsigned int i, nr = 0;

	o->fuzz = fuzz;
	o->rnd = fuzz->seed;
	o->hot = 0;
	o->edge = kvcalloc(ORACLE_MAX_EDGES, sizeof(*o->edge), GFP_KERNEL);
	o->value = kvmalloc(ORACLE_MAX_EDGES, GFP_KERNEL);
	if (!o->edge || !o->value) {
		kvfree(o->edge);
		kvfree(o->value);
		return -ENOMEM;
	}

	for (i = 0; i < ARRAY_SIZE(oracle_base); i++)
		nr = oracle_add_edges(o, nr, oracle_base[i]);
	sort(o->edge, nr, sizeof(*o->edge), compare_edges, NULL);
	for (o->nr = 0, i = 1; i < nr; i++) {
		if (o->edge[i] != o->edge[o->nr])
			o->edge[++o->nr] = o->edge[i];
	}

	memset(o->value, fuzz->dflt, o->nr);
	kvm_attr_map_init(&o->map, fuzz->dflt);
	return 0;
}

/* Cell after the run of equal values that starts with cell @i. */
static unsigned int oracle_run(const struct oracle *o, unsigned int i,
			       unsigned int end)
{
	unsigned int next = i + 1;

	while (next < end && o->value[next] == o->value[i])
		next++;
	return next;
}

/* Nodes that any such tree needs: those below which values differ. */
static unsigned long oracle_canonical(const struct oracle *o)
{
	unsigned long last[64 / XA_CHUNK_SHIFT + 1] = {};
	unsigned int i, level;
	unsigned long nodes = 0;

	for (i = oracle_run(o, 0, o->nr); i < o->nr; i = oracle_run(o, i, o->nr)) {
		for (level = 1; level * XA_CHUNK_SHIFT < 48; level++) {
			unsigned int order = level * XA_CHUNK_SHIFT;
			unsigned long block = (o->edge[i] >> order) + 1;

			if (!(o->edge[i] & ((1UL << order) - 1)) ||
			    last[level] == block)
				continue;
			last[level] = block;
			nodes++;
		}
	}
	return nodes;
}

/* Compare all of the map with the model. */
static void oracle_check_all(struct oracle *o)
{
	struct attr_map_stats stats;
	unsigned long attrs, end;
	unsigned int i, next;
	const char *error;

	for (i = 0; i < o->nr; i = next) {
		next = oracle_run(o, i, o->nr);
		end = kvm_attr_map_run_end(&o->map, o->edge[i], o->edge[o->nr],
					   &attrs);
		if (attrs != o->value[i])
			return oracle_fail(o, "wrong value at the start of a run");
		if (end != o->edge[next])
			return oracle_fail(o, "wrong end of a run");
	}
	if (kvm_attr_map_get(&o->map, ATTR_ORACLE_END) != o->fuzz->dflt)
		return oracle_fail(o, "changed value beyond the end");

	error = attr_map_check(&o->map, &stats);
	if (error)
		return oracle_fail(o, error);
	if (stats.nodes > oracle_canonical(o) + ATTR_ORACLE_SLACK)
		oracle_fail(o, "more nodes than the bound");
	o->fuzz->checks++;
	o->fuzz->max_nodes = max(o->fuzz->max_nodes, stats.nodes);
	cond_resched();
}

/* Set everything to the default: no node may be left. */
static void oracle_check_empty(struct oracle *o)
{
	struct attr_map_stats stats;

	if (attr_map_set(&o->map, 0, o->edge[o->nr], o->fuzz->dflt))
		oracle_fail(o, "cannot set everything to the default");
	memset(o->value, o->fuzz->dflt, o->nr);
	oracle_check_all(o);
	attr_map_check(&o->map, &stats);
	if (stats.nodes)
		oracle_fail(o, "nodes left with the default everywhere");
}

/* Look at both ends of cell @i and at its neighbours. */
static void oracle_check_cell(struct oracle *o, unsigned int i)
{
	if (kvm_attr_map_get(&o->map, o->edge[i]) != o->value[i] ||
	    kvm_attr_map_get(&o->map, o->edge[i + 1] - 1) != o->value[i])
		oracle_fail(o, "wrong value in a cell");
	if (i && kvm_attr_map_get(&o->map, o->edge[i] - 1) != o->value[i - 1])
		oracle_fail(o, "wrong value before a cell");
}

static unsigned long oracle_pick_attrs(struct oracle *o)
{
	return oracle_random(o, 16) ? 8 * oracle_random(o, 2) :
				      oracle_random(o, 16);
}

/* Pick [*@a, *@b): often one cell, now and then most of the map. */
static void oracle_pick_range(struct oracle *o, unsigned int *a, unsigned int *b)
{
	static const unsigned int reach[8] = { 1, 1, 1, 1, 8, 8, 20, 140 };
	unsigned int len = reach[oracle_random(o, 8)];

	/* In turns, let fragments pile up and have them swept away. */
	if (!oracle_random(o, o->fuzz->at & BIT(17) ? 40000 : 1000))
		len = oracle_random(o, 10) ? 1500 : o->nr;
	if (!oracle_random(o, 64))
		o->hot = oracle_random(o, o->nr);
	*a = o->hot + oracle_random(o, 150);
	if (*a >= o->nr || len == o->nr)
		*a = oracle_random(o, o->nr);
	*b = min(o->nr, *a + 1 + oracle_random(o, len));
}

static void oracle_commit(struct oracle *o, unsigned int a, unsigned int b,
			  unsigned long attrs)
{
	kvm_attr_map_commit(&o->map, o->edge[a], o->edge[b], attrs);
	memset(o->value + a, attrs, b - a);
}

static bool oracle_reserve(struct oracle *o, unsigned int a, unsigned int b,
			   unsigned long attrs)
{
	int ret = kvm_attr_map_reserve(&o->map, o->edge[a], o->edge[b], attrs);

	if (!ret)
		return true;
	o->fuzz->failed++;
	if (ret != -ENOMEM)
		oracle_fail(o, "unexpected error of a reservation");
	return false;
}

static void fuzz_change(struct oracle *o, enum attr_fuzz_op op,
			unsigned int a, unsigned int b)
{
	unsigned long attrs = oracle_pick_attrs(o);
	unsigned long old = o->value[a];

	switch (op) {
	case ATTR_FUZZ_TOGGLE:
		b = a + 1;
		if (oracle_reserve(o, a, b, attrs))
			oracle_commit(o, a, b, attrs);
		oracle_check_cell(o, a);
		attrs = old;
		break;
	case ATTR_FUZZ_CANCEL:
		if (oracle_reserve(o, a, b, attrs))
			kvm_attr_map_cancel(&o->map);
		return;
	case ATTR_FUZZ_ENOMEM:
		o->fuzz->fail_nth(1 + oracle_random(o, 3));
		break;
	default:
		break;
	}
	if (oracle_reserve(o, a, b, attrs))
		oracle_commit(o, a, b, attrs);
	if (op == ATTR_FUZZ_ENOMEM)
		o->fuzz->fail_nth(0);
}

/* Two reservations of different values at a time, finished in either order. */
static void fuzz_pair(struct oracle *o, unsigned int a, unsigned int b)
{
	unsigned int from[2] = { a, b }, to[2] = { b, o->nr }, i, n;
	unsigned long attrs[2];
	bool reserved[2];

	if (b + 1 < o->nr) {
		from[1] = b + oracle_random(o, min(200U, o->nr - b));
		to[1] = from[1] + 1 + oracle_random(o, min(50U, o->nr - from[1]));
	}
	for (i = 0; i < 2; i++) {
		attrs[i] = oracle_pick_attrs(o);
		if (o->fuzz->fail_nth && !oracle_random(o, 4))
			o->fuzz->fail_nth(1 + oracle_random(o, 3));
		reserved[i] = oracle_reserve(o, from[i], to[i], attrs[i]);
		if (o->fuzz->fail_nth)
			o->fuzz->fail_nth(0);
	}
	for (i = oracle_random(o, 2), n = 0; n < 2; n++, i ^= 1) {
		if (!reserved[i])
			continue;
		if (oracle_random(o, 4))
			oracle_commit(o, from[i], to[i], attrs[i]);
		else
			kvm_attr_map_cancel(&o->map);
	}
	if (from[1] < o->nr)
		oracle_check_cell(o, from[1]);
	if (to[1] < o->nr)
		oracle_check_cell(o, to[1]);
}

static void fuzz_query(struct oracle *o, enum attr_fuzz_op op,
		       unsigned int a, unsigned int b)
{
	unsigned int run = oracle_run(o, a, b);
	unsigned long attrs, other, end;
	bool same;

	if (op == ATTR_FUZZ_HAS) {
		other = oracle_pick_attrs(o);
		same = kvm_attr_map_range_has(&o->map, o->edge[a], o->edge[b],
					      o->value[a]);
		if (same ? run != b : run == b)
			oracle_fail(o, "wrong answer of range_has");
		if (other != o->value[a] &&
		    kvm_attr_map_range_has(&o->map, o->edge[a], o->edge[b], other))
			oracle_fail(o, "range_has of a value that is not there");
	} else if (op == ATTR_FUZZ_RUN) {
		end = kvm_attr_map_run_end(&o->map, o->edge[a], o->edge[b], &attrs);
		if (end != o->edge[run] || attrs != o->value[a])
			oracle_fail(o, "wrong answer of run_end");
	} else {
		oracle_check_cell(o, a);
		oracle_check_cell(o, b - 1);
	}
}

static void fuzz_one(struct oracle *o)
{
	static const u8 percent[ATTR_FUZZ_NR] = {
		[ATTR_FUZZ_SET] = 46, [ATTR_FUZZ_TOGGLE] = 8,
		[ATTR_FUZZ_PAIR] = 6, [ATTR_FUZZ_CANCEL] = 4,
		[ATTR_FUZZ_ENOMEM] = 6, [ATTR_FUZZ_GET] = 12,
		[ATTR_FUZZ_HAS] = 9, [ATTR_FUZZ_RUN] = 9,
	};
	unsigned int a, b, dice = oracle_random(o, 100);
	enum attr_fuzz_op op = 0;

	while (dice >= percent[op])
		dice -= percent[op++];
	if (op == ATTR_FUZZ_ENOMEM && !o->fuzz->fail_nth)
		op = ATTR_FUZZ_SET;
	/* What cancels also merges at once: in turns, leave that to time. */
	if (op > ATTR_FUZZ_TOGGLE && op < ATTR_FUZZ_GET && o->fuzz->at & BIT(13))
		op = ATTR_FUZZ_TOGGLE;

	oracle_pick_range(o, &a, &b);
	o->fuzz->done[op]++;
	if (op >= ATTR_FUZZ_GET) {
		fuzz_query(o, op, a, b);
		return;
	}
	if (op == ATTR_FUZZ_PAIR)
		fuzz_pair(o, a, b);
	else
		fuzz_change(o, op, a, b);
	oracle_check_cell(o, a);
	if (b < o->nr)
		oracle_check_cell(o, b);
}

/**
 * attr_fuzz_run() - Do random operations and compare the map with the model.
 * @fuzz: Parameters and results.
 *
 * Ends with the default everywhere, which must free all nodes.
 *
 * Context: Process context, may sleep.
 * Return: true if all went well; else false with @fuzz->error set.
 */
bool attr_fuzz_run(struct attr_fuzz *fuzz)
{
	struct oracle o;

	if (oracle_init(&o, fuzz)) {
		fuzz->error = "out of memory";
		return false;
	}

	for (fuzz->at = 0; fuzz->at < fuzz->ops && !fuzz->error; fuzz->at++) {
		fuzz_one(&o);
		if (!(fuzz->at % fuzz->check_every))
			oracle_check_all(&o);
	}
	if (!fuzz->error)
		oracle_check_all(&o);
	if (!fuzz->error)
		oracle_check_empty(&o);

	kvm_attr_map_destroy(&o.map);
	kvfree(o.edge);
	kvfree(o.value);
	return !fuzz->error;
}
