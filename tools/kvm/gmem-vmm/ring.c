// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's side of a split virtqueue: Virtual I/O Device 1.2, section 2.7.
 *
 * The guest may write anything there at any time: whatever is read is read once, and
 * checked before it is used.
 */
#include <errno.h>

#include "ring.h"

#define DESC_NEXT	1
#define DESC_WRITE	2
#define DESC_INDIRECT	4

struct desc {
	__u64 gpa;
	__u32 len;
	__u16 flags;
	__u16 next;
};

struct used {
	__u32 id;
	__u32 len;
};

static int get(const struct ring *ring, __u64 gpa, void *data, size_t size)
{
	return ring->access->read(ring->access->arg, gpa, data, size);
}

static int put(const struct ring *ring, __u64 gpa, const void *data, size_t size)
{
	return ring->access->write(ring->access->arg, gpa, data, size);
}

/* Buffers that the device reads come before those that it writes. */
static int add_buffer(struct ring_chain *chain, const struct desc *desc)
{
	bool writes = desc->flags & DESC_WRITE;

	if (!desc->len || desc->flags & DESC_INDIRECT ||
	    desc->gpa + desc->len < desc->gpa)
		return -EINVAL;
	if (chain->count && chain->buffer[chain->count - 1].writes && !writes)
		return -EINVAL;
	chain->buffer[chain->count++] = (struct ring_buffer) {
		.gpa = desc->gpa, .len = desc->len, .writes = writes,
	};
	return 0;
}

static int read_chain(const struct ring *ring, struct ring_chain *chain)
{
	struct desc desc = { .flags = DESC_NEXT, .next = chain->head };

	chain->count = 0;
	while (desc.flags & DESC_NEXT) {
		/* More buffers than the ring has: a loop. */
		if (desc.next >= ring->size || chain->count == ring->size)
			return -EINVAL;
		if (get(ring, ring->desc + desc.next * sizeof(desc), &desc,
			sizeof(desc)) || add_buffer(chain, &desc))
			return -EINVAL;
	}
	return 0;
}

/** ring_is_valid() - can the driver have set up the queue like this? */
bool ring_is_valid(const struct ring *ring)
{
	return ring->size && ring->size <= RING_MAX &&
	       !(ring->size & (ring->size - 1)) && !(ring->desc % 16) &&
	       !(ring->avail % 2) && !(ring->used % 4);
}

/**
 * ring_pop() - take the next chain of buffers that the driver offers.
 * @ring: the queue, valid
 * @chain: where to store it
 *
 * Return: 1; 0 if there is none; -EINVAL if the queue is broken.
 */
int ring_pop(struct ring *ring, struct ring_chain *chain)
{
	__u16 index;

	if (get(ring, ring->avail + 2, &index, sizeof(index)) ||
	    (__u16)(index - ring->next) > ring->size)
		return -EINVAL;
	if (index == ring->next)
		return 0;
	if (get(ring, ring->avail + 4 + ring->next % ring->size * 2, &chain->head,
		sizeof(chain->head)))
		return -EINVAL;
	ring->next++;
	return read_chain(ring, chain) ? -EINVAL : 1;
}

/**
 * ring_push() - give a chain back to the driver.
 * @ring: the queue
 * @chain: the chain
 * @written: bytes that the device has written
 *
 * Return: 0, or -EINVAL if the queue is broken.
 */
int ring_push(struct ring *ring, const struct ring_chain *chain, __u32 written)
{
	struct used used = { .id = chain->head, .len = written };

	if (put(ring, ring->used + 4 + ring->done % ring->size * sizeof(used), &used,
		sizeof(used)))
		return -EINVAL;
	ring->done++;
	return put(ring, ring->used + 2, &ring->done, sizeof(ring->done)) ?
	       -EINVAL : 0;
}
