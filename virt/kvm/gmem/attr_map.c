// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ordered map of index ranges to attribute values over one xarray.
 *
 * See include/linux/kvm_attr_map.h for the representation and its bounds.  This
 * file knows no struct kvm and builds in userspace (tools/testing/gmem-units).
 */

#include <linux/bitmap.h>
#include <linux/bug.h>
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/kvm_attr_map.h>
#include <linux/log2.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/xarray.h>

/* Set on entries stored since the last sweep: their node may be uniform. */
#define ATTR_TOUCHED		XA_MARK_0

/* Touched nodes that may wait for a sweep. */
#define ATTR_TOUCHED_MAX	64

/* A store of this order frees at most 1 + XA_CHUNK_SIZE nodes. */
#define ATTR_PRUNE_ORDER	(2 * XA_CHUNK_SHIFT)

/* An absent entry means the default, and so does an explicit entry of it. */
static unsigned long attr_value(const struct kvm_attr_map *map, const void *entry)
{
	return entry ? xa_to_value(entry) : map->dflt;
}

/*
 * Return how far the value @attrs reaches from @index, but look at no more than
 * one node.  @index itself is returned if its value differs.
 */
static unsigned long attr_scan(struct kvm_attr_map *map, unsigned long index,
			       unsigned long end, unsigned long attrs)
{
	XA_STATE(xas, &map->xa, index);
	unsigned int offset;
	void *entry;

	rcu_read_lock();
	do {
		entry = xas_load(&xas);
	} while (xas_retry(&xas, entry));
	if (attr_value(map, entry) != attrs)
		goto out;

	if (!xas_is_node(&xas)) {
		/* Either past the highest node, or index 0 without any node. */
		index = xas.xa_node ? end : index + 1;
		goto out;
	}

	offset = xas.xa_offset;
	do {
		index = (index | ((1UL << xas.xa_node->shift) - 1)) + 1;
		if (index >= end || ++offset == XA_CHUNK_SIZE)
			break;
		entry = xa_entry(xas.xa, xas.xa_node, offset);
	} while (!xa_is_internal(entry) && attr_value(map, entry) == attrs);
out:
	rcu_read_unlock();
	return min(index, end);
}

static bool attr_node_touched(const struct xa_node *node)
{
	return !bitmap_empty(node->marks[(__force unsigned int)ATTR_TOUCHED],
			     XA_CHUNK_SIZE);
}

/* Have the node of the entry that @xas points to looked at by the next sweep. */
static void attr_touch(struct kvm_attr_map *map, struct xa_state *xas)
{
	if (xas_is_node(xas)) {
		if (attr_node_touched(xas->xa_node))
			return;
		map->touched++;
	}
	xas_set_mark(xas, ATTR_TOUCHED);
}

/* True if all slots of @node have one value; *@entry is what to store for it. */
static bool attr_node_uniform(struct kvm_attr_map *map, struct xa_node *node,
			      void **entry)
{
	unsigned long attrs = 0;
	unsigned int i;
	void *slot;

	for (i = 0; i < XA_CHUNK_SIZE; i++) {
		slot = xa_entry_locked(&map->xa, node, i);
		if (xa_is_node(slot))
			return false;
		if (!i)
			attrs = attr_value(map, slot);
		else if (attr_value(map, slot) != attrs)
			return false;
	}
	*entry = attrs == map->dflt ? NULL : xa_mk_value(attrs);
	return true;
}

/* Replace @node, which covers @index, and then its ancestors while uniform. */
static void attr_collapse(struct kvm_attr_map *map, struct xa_node *node,
			  unsigned long index)
{
	void *entry;

	while (node && attr_node_uniform(map, node, &entry)) {
		unsigned int order = node->shift + XA_CHUNK_SHIFT;
		XA_STATE_ORDER(xas, &map->xa, index, order);

		/* Nothing but NULL replaces the top node without allocating. */
		if (entry && !xa_parent_locked(&map->xa, node))
			break;
		xas_store(&xas, entry);
		node = xas_is_node(&xas) ? xas.xa_node : NULL;
	}
}

/* Collapse what can be collapsed.  No reservation may be outstanding. */
static void attr_sweep(struct kvm_attr_map *map)
{
	XA_STATE(xas, &map->xa, 0);

	xas_lock(&xas);
	while (xas_find_marked(&xas, ULONG_MAX, ATTR_TOUCHED)) {
		xas_clear_mark(&xas, ATTR_TOUCHED);
		if (xas_is_node(&xas) && !attr_node_touched(xas.xa_node))
			attr_collapse(map, xas.xa_node, xas.xa_index);
		xas_reset(&xas);
		xas_unlock(&xas);
		cond_resched();
		xas_lock(&xas);
	}
	xas_unlock(&xas);
	map->touched = 0;
}

/* Order of the largest block that starts at @index and ends by @end. */
static unsigned int attr_block_order(unsigned long index, unsigned long end)
{
	unsigned int order = ilog2(end - index);

	if (index)
		order = min_t(unsigned int, order, __ffs(index));
	return order - order % XA_CHUNK_SHIFT;
}

/* True if a store at the position of @xas changes one block of @order only. */
static bool attr_at_block(const struct xa_state *xas, unsigned int order)
{
	return xas_is_node(xas) ? xas->xa_node->shift == order :
				  !xas->xa_node && !order;
}

/*
 * After a failed allocation: leave a touched entry in the lowest node above
 * @index, so that a sweep finds the nodes that were added in vain.
 */
static void attr_touch_lowest(struct kvm_attr_map *map, unsigned long index)
{
	XA_STATE(xas, &map->xa, index);
	void *entry;

	xas_lock(&xas);
	entry = xas_load(&xas);
	if (!entry && xas_is_node(&xas)) {
		xas_set_order(&xas, index, xas.xa_node->shift);
		xas_store(&xas, xa_mk_value(map->dflt));
	}
	if (xas_is_node(&xas))
		attr_touch(map, &xas);
	xas_unlock(&xas);
}

/* Fill the absent block at @index with an explicit entry for the default. */
static int attr_fill(struct kvm_attr_map *map, unsigned long index,
		     unsigned int order)
{
	XA_STATE_ORDER(xas, &map->xa, index, order);

	do {
		xas_lock(&xas);
		xas_store(&xas, xa_mk_value(map->dflt));
		if (!xas_error(&xas))
			attr_touch(map, &xas);
		xas_unlock(&xas);
	} while (xas_nomem(&xas, GFP_KERNEL_ACCOUNT));

	if (xas_error(&xas))
		attr_touch_lowest(map, index);
	return xas_error(&xas);
}

/* Split @entry of @order at @index by one level, the most that 6.1 can do. */
static int attr_split(struct kvm_attr_map *map, unsigned long index,
		      unsigned int order, void *entry)
{
	XA_STATE(xas, &map->xa, index);

	xas_set_order(&xas, index, order - XA_CHUNK_SHIFT);
	xas_split_alloc(&xas, entry, order, GFP_KERNEL_ACCOUNT);
	if (xas_error(&xas)) {
		attr_touch_lowest(map, index);
		return xas_error(&xas);
	}

	xas_lock(&xas);
	/* A split copies the mark to each slot of the new node. */
	xas_load(&xas);
	xas_clear_mark(&xas, ATTR_TOUCHED);
	xas_split(&xas, entry, order);
	xas_reset(&xas);
	xas_load(&xas);
	attr_touch(map, &xas);
	xas_unlock(&xas);
	return 0;
}

/* Make sure that the block has a slot of its own, unless it is @attrs already. */
static int attr_reserve_block(struct kvm_attr_map *map, unsigned long index,
			      unsigned int order, unsigned long attrs)
{
	XA_STATE_ORDER(xas, &map->xa, index, order);
	void *entry;
	int ret;

	do {
		xas_lock(&xas);
		xas_reset(&xas);
		entry = xas_load(&xas);
		xas_unlock(&xas);

		if (!xa_is_node(entry) && attr_value(map, entry) == attrs)
			return 0;
		if (!entry)
			return attr_fill(map, index, order);
		if (attr_at_block(&xas, order))
			return 0;
		if (!xas.xa_node) {
			/* All nodes are inside the block, which starts at 0. */
			if (attrs == map->dflt)
				return 0;
			ret = attr_fill(map, 1UL << order, order);
		} else {
			ret = attr_split(map, index, xas.xa_node->shift, entry);
		}
	} while (!ret);
	return ret;
}

/*
 * Store @entry over the subtrees in [@index, @end), bottom up, so that no lock
 * is held while more than 1 + XA_CHUNK_SIZE nodes are freed.
 */
static void attr_prune(struct kvm_attr_map *map, unsigned long index,
		       unsigned long end, void *entry)
{
	unsigned long size = end - index;
	unsigned long pos, next;
	unsigned int order;

	for (order = ATTR_PRUNE_ORDER; size >> order > 1; order += ATTR_PRUNE_ORDER) {
		for (pos = index; pos < end; pos = next) {
			XA_STATE_ORDER(xas, &map->xa, pos, order);

			xas_lock(&xas);
			next = end;
			if (xa_is_node(xas_load(&xas)) && xas.xa_node)
				xas_store(&xas, entry);
			if (xas_is_node(&xas))
				next = (pos | ((1UL << xas.xa_node->shift) - 1)) + 1;
			xas_unlock(&xas);
			cond_resched();
		}
	}
}

static void attr_commit_block(struct kvm_attr_map *map, unsigned long index,
			      unsigned int order, unsigned long attrs)
{
	XA_STATE_ORDER(xas, &map->xa, index, order);
	void *new = xa_mk_value(attrs);
	void *entry;

	xas_lock(&xas);
	entry = xas_load(&xas);
	if (!xa_is_node(entry) && attr_value(map, entry) == attrs)
		goto out;
	if (xa_is_node(entry) && order > ATTR_PRUNE_ORDER) {
		xas_unlock(&xas);
		attr_prune(map, index, index + (1UL << order), new);
		xas_lock(&xas);
		xas_reset(&xas);
		xas_load(&xas);
	}

	if (!xas.xa_node && order && attrs == map->dflt) {
		/* All nodes are inside the block. */
		xas_store(&xas, NULL);
		goto out;
	}
	if (WARN_ON_ONCE(!attr_at_block(&xas, order)))
		goto out;
	xas_store(&xas, new);
	attr_touch(map, &xas);
out:
	xas_unlock(&xas);
}

/**
 * kvm_attr_map_init() - Initialise a map.
 * @map: Map to initialise.
 * @dflt: Value of every index until it is set.
 *
 * Context: Any context.  Allocates nothing.
 */
void kvm_attr_map_init(struct kvm_attr_map *map, unsigned long dflt)
{
	xa_init_flags(&map->xa, XA_FLAGS_ACCOUNT);
	map->dflt = dflt;
	map->reserved = 0;
	map->touched = 0;
}

/**
 * kvm_attr_map_destroy() - Free all memory of a map.
 * @map: Map without readers, writers or reservations; empty afterwards.
 *
 * Context: Process context, may reschedule.
 */
void kvm_attr_map_destroy(struct kvm_attr_map *map)
{
	WARN_ON_ONCE(map->reserved);

	attr_prune(map, 0, KVM_ATTR_MAP_END, xa_mk_value(map->dflt));
	xa_destroy(&map->xa);
	map->touched = 0;
}

/**
 * kvm_attr_map_get() - Look up one index.
 * @map: Map to read.
 * @index: Index to look up.
 *
 * Context: Any context, lock-free.  Takes and releases the RCU read lock.
 * Return: The value at @index before, during or after any concurrent commit.
 */
unsigned long kvm_attr_map_get(struct kvm_attr_map *map, unsigned long index)
{
	return attr_value(map, xa_load(&map->xa, index));
}

/**
 * kvm_attr_map_range_has() - Ask whether a range has one given value.
 * @map: Map to read.
 * @start: First index.
 * @end: Index after the last one.
 * @attrs: Value to compare with.
 *
 * Costs one walk for each node that intersects the range, up to the first
 * difference.  What makes the answer consistent against concurrent commits is
 * up to the caller.
 *
 * Context: Any context, lock-free.  Takes and releases the RCU read lock.
 * Return: true if every index of [@start, @end) has the value @attrs, also if
 * the range is empty; else false.
 */
bool kvm_attr_map_range_has(struct kvm_attr_map *map, unsigned long start,
			    unsigned long end, unsigned long attrs)
{
	unsigned long index;

	for (; start < end; start = index) {
		index = attr_scan(map, start, end, attrs);
		if (index == start)
			return false;
	}
	return true;
}

/**
 * kvm_attr_map_run_end() - Find the end of a run of equal values.
 * @map: Map to read.
 * @start: First index of the run.
 * @end: Index at which to stop; greater than @start.
 * @attrs: Where to store the value of the run.
 *
 * Context: Any context, lock-free.  Takes and releases the RCU read lock.
 * Return: The first index after @start whose value differs from the one stored
 * in *@attrs, or @end if there is none before it.
 */
unsigned long kvm_attr_map_run_end(struct kvm_attr_map *map, unsigned long start,
				   unsigned long end, unsigned long *attrs)
{
	unsigned long index, next;

	*attrs = kvm_attr_map_get(map, start);
	for (index = start + 1; index < end; index = next) {
		next = attr_scan(map, index, end, *attrs);
		if (next == index)
			return index;
	}
	return end;
}

/**
 * kvm_attr_map_reserve() - Do all of a change that can fail.
 * @map: Map to change.
 * @start: First index.
 * @end: Index after the last one, at most KVM_ATTR_MAP_END.
 * @attrs: Value that will be committed.
 *
 * Allocates every node that the commit of the same arguments needs.  No value
 * changes.  On success the caller owes exactly one kvm_attr_map_commit() or
 * kvm_attr_map_cancel().  More ranges may be reserved before that, as long as
 * reservations that are outstanding at the same time do not overlap.
 *
 * Context: Process context, may sleep.  The caller serialises all writers of
 * the map from here until the commit or cancel.
 * Return: 0, -ENOMEM with all values as before and nothing owed, or -EINVAL for
 * a range that is reversed or beyond the limit (a bug of the caller).
 */
int kvm_attr_map_reserve(struct kvm_attr_map *map, unsigned long start,
			 unsigned long end, unsigned long attrs)
{
	unsigned int order;
	int ret;

	might_sleep();
	if (WARN_ON_ONCE(start > end || end > KVM_ATTR_MAP_END))
		return -EINVAL;

	if (!map->reserved && map->touched > ATTR_TOUCHED_MAX)
		attr_sweep(map);

	map->reserved++;
	for (; start < end; start += 1UL << order) {
		order = attr_block_order(start, end);
		ret = attr_reserve_block(map, start, order, attrs);
		if (ret) {
			kvm_attr_map_cancel(map);
			return ret;
		}
		cond_resched();
	}
	return 0;
}

/**
 * kvm_attr_map_commit() - Make a reserved change.
 * @map: Map to change.
 * @start: First index, as reserved.
 * @end: Index after the last one, as reserved.
 * @attrs: New value, as reserved.
 *
 * Cannot fail and allocates nothing.  Readers may see part of the change; what
 * makes the whole range change at once is up to the caller.
 *
 * Context: Process context, may reschedule.  Sleeping locks may be held.  The
 * caller serialises all writers of the map.
 */
void kvm_attr_map_commit(struct kvm_attr_map *map, unsigned long start,
			 unsigned long end, unsigned long attrs)
{
	bool large = (end - start) >> ATTR_PRUNE_ORDER;
	unsigned int order;

	might_sleep();
	for (; start < end; start += 1UL << order) {
		order = attr_block_order(start, end);
		attr_commit_block(map, start, order, attrs);
		cond_resched();
	}

	/* Give memory back at once where much went back to the default. */
	if (!--map->reserved && large && attrs == map->dflt)
		attr_sweep(map);
}

/**
 * kvm_attr_map_cancel() - Give back a reservation that will not be committed.
 * @map: Map on which kvm_attr_map_reserve() succeeded.
 *
 * Values stay.  What it added is freed once no other reservation is outstanding.
 *
 * Context: As kvm_attr_map_commit().
 */
void kvm_attr_map_cancel(struct kvm_attr_map *map)
{
	might_sleep();
	if (!--map->reserved)
		attr_sweep(map);
}
