/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_ATTR_MAP_H
#define __KVM_ATTR_MAP_H

#include <linux/bits.h>
#include <linux/types.h>
#include <linux/xarray.h>

/*
 * An ordered map of index ranges to small attribute values.
 *
 * Every index has a value.  A map starts with one default value everywhere and
 * holds no memory then.
 *
 * Representation
 *
 * One xarray.  An absent entry means the default; an entry is a value entry of
 * order 0, XA_CHUNK_SHIFT, 2 * XA_CHUNK_SHIFT and so on (0, 6, 12, 18, ...).
 * Cost follows boundaries, not pages: 64 GiB of 4 KiB pages, aligned, are one
 * entry, 16 TiB are four.
 *
 * Orders in between would need sibling entries.  While 6.1 splits such an entry,
 * a lock-free reader of an untouched index may follow a sibling into a slot that
 * means something else by then.  Without siblings, a split publishes a complete
 * node in one store.  Two more properties of 6.1 shape the code:
 * xas_split_alloc() and xas_split() do one level (from order 12 to order 0, they
 * stop at 6), and a store inside an entry of higher order changes all of it.
 * So a range is cut into aligned blocks, at most 2 * (XA_CHUNK_SIZE - 1) for
 * each level, and what straddles an edge is split level by level.
 *
 * Reserve, then commit
 *
 * kvm_attr_map_reserve() does all that can fail: splits at the edges, and fills
 * absent blocks with explicit entries for the default.  Both keep all values, so
 * readers cannot tell, and nothing has to be undone in a hurry.  (XA_ZERO_ENTRY
 * would do the same for absent blocks, but would be a third state that each
 * reader and each split has to know.)  kvm_attr_map_commit() then only stores
 * into slots that exist.  It never removes a node outside its own range, and
 * nodes are collapsed only while no reservation is outstanding; so reservations
 * of disjoint ranges do not disturb each other.
 *
 * Merging
 *
 * Commit does not look whether a node has become uniform, it only marks an entry
 * in the node, unless the node has a marked one already.  A sweep visits the
 * marked entries, clears the marks, and replaces each node whose slots are equal
 * by one entry in its parent (nothing for the default), and so on upwards.  A
 * sweep is due when 64 nodes were marked since the last one, after a cancel or a
 * failed reserve, and after a commit of XA_CHUNK_SIZE squared or more indices to
 * the default.
 *
 * - Toggling an index in a large block splits once.  After that it is two walks
 *   and one store, no allocation, until 64 other nodes were touched.
 * - A node can only become uniform by a store into it, which marks it, or by the
 *   collapse of a child, which looks at it.  So at any time all uniform nodes
 *   (but the top one) lie on the paths to at most 64 marked nodes and those of
 *   the last operation: memory is that of the canonical form, in which a node
 *   exists only where values differ below it, plus this constant.  The canonical
 *   form never has more nodes than an xarray with one entry an index.
 * - A sweep scans the nodes that were marked since the last one: constant cost
 *   for each change, amortised.
 *
 * Why not the maple tree of 6.1
 *
 * A leaf has MAPLE_RANGE64_SLOTS (16) ranges in 256 bytes, so that an alternating
 * pattern costs at least 16 bytes a page where an xa_node costs 9.  A store does
 * not merge with equal neighbours; the caller would have to look and widen it.
 * mas_preallocate() prepares one store of one range, bound to its ma_state, and
 * allocates 1 + 3 * height nodes for each, needed or not.  In RCU mode a store
 * that changes a boundary allocates a new leaf and copies (mas_wr_node_store()).
 */

/* The map covers [0, KVM_ATTR_MAP_END): all 4 KiB pages of 64 bits of address. */
#define KVM_ATTR_MAP_END	BIT(52)

/**
 * struct kvm_attr_map - map of index ranges to attribute values
 * @xa: The entries.  Read under RCU, changed under xa_lock by one writer.
 * @dflt: Value of indices without an entry; constant.
 * @reserved: Reservations outstanding.  Guarded by what serialises writers.
 * @touched: Nodes marked since the last sweep.  Guarded like @reserved.
 *
 * All fields are private to attr_map.c.
 */
struct kvm_attr_map {
	struct xarray xa;
	unsigned long dflt;
	unsigned int reserved;
	unsigned int touched;
};

void kvm_attr_map_init(struct kvm_attr_map *map, unsigned long dflt);
void kvm_attr_map_destroy(struct kvm_attr_map *map);

unsigned long kvm_attr_map_get(struct kvm_attr_map *map, unsigned long index);
bool kvm_attr_map_range_has(struct kvm_attr_map *map, unsigned long start,
			    unsigned long end, unsigned long attrs);
unsigned long kvm_attr_map_run_end(struct kvm_attr_map *map, unsigned long start,
				   unsigned long end, unsigned long *attrs);

int __must_check kvm_attr_map_reserve(struct kvm_attr_map *map,
				      unsigned long start, unsigned long end,
				      unsigned long attrs);
void kvm_attr_map_commit(struct kvm_attr_map *map, unsigned long start,
			 unsigned long end, unsigned long attrs);
void kvm_attr_map_cancel(struct kvm_attr_map *map);

#endif
