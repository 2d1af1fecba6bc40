/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_SLAB_H
#define _SHIM_SLAB_H

#include <stdlib.h>
#include <linux/gfp.h>
#include <linux/types.h>

struct kmem_cache;
struct list_lru;

void *kmem_cache_alloc_lru(struct kmem_cache *cache, struct list_lru *lru,
			   gfp_t gfp);
void kmem_cache_free(struct kmem_cache *cache, void *object);

#define kvcalloc(n, size, gfp)	calloc(n, size)
#define kvmalloc(size, gfp)	malloc(size)
#define kvfree(p)		free(p)

#endif
