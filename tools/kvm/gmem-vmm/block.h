/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests to a virtio block device. */
#ifndef GMEM_BLOCK_H
#define GMEM_BLOCK_H

#include "ring.h"

struct vm;

struct block {
	struct vm *vm;
	int fd;
	__u64 sectors;		/* of 512 bytes */
};

int block_request(struct block *blk, const struct ring_chain *chain, __u32 *written);

#endif /* GMEM_BLOCK_H */
