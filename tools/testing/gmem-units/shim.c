// SPDX-License-Identifier: GPL-2.0-only
/*
 * What lib/xarray.c needs of the kernel: nodes and RCU.
 *
 * Each node is one malloc(), so that ASan sees any use after free.  Without
 * threads, call_rcu() frees at once, which no code may depend on otherwise.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/xarray.h>
#include <urcu/uatomic.h>
#include "shim.h"

struct kmem_cache *radix_tree_node_cachep;

static struct shim_counters shim_counters;
static unsigned int shim_fail;
static bool shim_threads;

/* Read the counters; exact only once pending RCU callbacks have run. */
void shim_counters_get(struct shim_counters *counters)
{
	counters->live = uatomic_read(&shim_counters.live);
	counters->attempts = shim_counters.attempts;
}

/* Make the nth allocation from now fail, whatever its flags; 0: none. */
void shim_fail_nth(unsigned int nth)
{
	shim_fail = nth;
}

/* Switch between call_rcu() that waits for readers and one that does not. */
void shim_rcu_threads(bool on)
{
	shim_threads = on;
	if (!on)
		rcu_barrier();
}

void shim_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	if (shim_threads)
		urcu_memb_call_rcu(head, func);
	else
		func(head);
}

/* The kernel tries GFP_NOWAIT first; here that always fails. */
void *kmem_cache_alloc_lru(struct kmem_cache *cache, struct list_lru *lru,
			   gfp_t gfp)
{
	struct xa_node *node;

	shim_counters.attempts++;
	if (!(gfp & __GFP_DIRECT_RECLAIM))
		return NULL;
	if (shim_fail && !--shim_fail)
		return NULL;

	/* Nodes come from the cache with empty slots and no marks. */
	node = calloc(1, sizeof(*node));
	assert(node);
	INIT_LIST_HEAD(&node->private_list);
	uatomic_inc(&shim_counters.live);
	return node;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	uatomic_dec(&shim_counters.live);
	free(object);
}

void radix_tree_node_rcu_free(struct rcu_head *head);

void radix_tree_node_rcu_free(struct rcu_head *head)
{
	kmem_cache_free(radix_tree_node_cachep,
			container_of(head, struct xa_node, rcu_head));
}
