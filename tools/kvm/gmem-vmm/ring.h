/* SPDX-License-Identifier: GPL-2.0-only */
/* The device's side of a split virtqueue. */
#ifndef GMEM_RING_H
#define GMEM_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define RING_MAX	128	/* descriptors */

/* How to reach guest memory: 0, or a negative errno where there is none to share */
struct ring_access {
	int (*read)(void *arg, __u64 gpa, void *data, size_t size);
	int (*write)(void *arg, __u64 gpa, const void *data, size_t size);
	void *arg;
};

struct ring {
	const struct ring_access *access;
	__u64 desc, avail, used;	/* guest physical, of the three parts */
	__u16 size;			/* descriptors */
	__u16 next;			/* of the driver's index: not yet taken */
	__u16 done;			/* the device's index */
	bool ready;
};

struct ring_buffer {
	__u64 gpa;
	__u32 len;
	bool writes;			/* the device */
};

struct ring_chain {
	struct ring_buffer buffer[RING_MAX];
	unsigned int count;
	__u16 head;
};

bool ring_is_valid(const struct ring *ring);
int ring_pop(struct ring *ring, struct ring_chain *chain);
int ring_push(struct ring *ring, const struct ring_chain *chain, __u32 written);

#endif /* GMEM_RING_H */
