// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests to a virtio block device: Virtual I/O Device 1.2, section 5.2.6.
 *
 * What a request says is the guest's to choose, and so is how it is cut into buffers.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "block.h"
#include "vmm.h"

#define SECTOR	512

/* Buffers of a request that the device reads, or those that it writes */
struct part {
	struct ring_buffer buffer[RING_MAX];
	unsigned int count;
	__u64 bytes;
};

static void split(const struct ring_chain *chain, bool writes, struct part *part)
{
	unsigned int i;

	part->count = 0;
	part->bytes = 0;
	for (i = 0; i < chain->count; i++) {
		if (chain->buffer[i].writes != writes)
			continue;
		part->buffer[part->count++] = chain->buffer[i];
		part->bytes += chain->buffer[i].len;
	}
}

/* Take bytes from the front, as they lie in the buffers. */
static int take(struct vm *vm, struct part *part, void *data, size_t size)
{
	struct ring_buffer *b = part->buffer;
	__u8 *to = data;
	size_t n;

	if (part->bytes < size)
		return -EINVAL;
	part->bytes -= size;
	for (; size; size -= n, to += n) {
		n = b->len < size ? b->len : size;
		if (mem_read_shared(vm, b->gpa, to, n))
			return -EFAULT;
		b->gpa += n;
		b->len -= n;
		if (b->len)
			continue;
		memmove(b, b + 1, --part->count * sizeof(*b));
	}
	return 0;
}

/* The last byte, which is for the status */
static int take_status(struct part *part, __u64 *gpa)
{
	struct ring_buffer *last;

	if (!part->bytes)
		return -EINVAL;
	last = &part->buffer[part->count - 1];
	*gpa = last->gpa + --last->len;
	part->bytes--;
	if (!last->len)
		part->count--;
	return 0;
}

/* Only what the guest has shared is a device's to touch. */
static int map(struct vm *vm, const struct part *part, struct iovec *iov)
{
	unsigned int i;

	for (i = 0; i < part->count; i++) {
		if (!mem_is_shared(vm, part->buffer[i].gpa, part->buffer[i].len))
			return -EFAULT;
		iov[i].iov_base = mem_at(vm, part->buffer[i].gpa);
		iov[i].iov_len = part->buffer[i].len;
	}
	return 0;
}

static __u8 transfer(struct block *blk, const struct part *part, __u64 sector,
		     bool writes)
{
	struct iovec iov[RING_MAX];
	ssize_t done;

	if (part->bytes % SECTOR || sector > blk->sectors ||
	    part->bytes / SECTOR > blk->sectors - sector)
		return VIRTIO_BLK_S_IOERR;
	if (map(blk->vm, part, iov)) {
		atomic_fetch_add(&blk->vm->count.disk_refused, 1);
		return VIRTIO_BLK_S_IOERR;
	}
	done = writes ? pwritev(blk->fd, iov, part->count, sector * SECTOR) :
			preadv(blk->fd, iov, part->count, sector * SECTOR);
	return done == (ssize_t)part->bytes ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

static __u8 get_id(struct block *blk, const struct part *part)
{
	static const char id[VIRTIO_BLK_ID_BYTES] = "gmem-vmm";

	if (part->count != 1 || part->bytes < sizeof(id) ||
	    mem_write_shared(blk->vm, part->buffer[0].gpa, id, sizeof(id)))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

/**
 * block_request() - do what a chain of buffers asks for.
 * @blk: the disk
 * @chain: the chain
 * @written: where to store how many bytes were written, the status among them
 *
 * Return: 0, or -EINVAL if there is no place for the status.
 */
int block_request(struct block *blk, const struct ring_chain *chain, __u32 *written)
{
	struct virtio_blk_outhdr head = {};
	struct part out, in;
	__u64 status_gpa;
	__u8 status;

	split(chain, false, &out);
	split(chain, true, &in);
	if (take_status(&in, &status_gpa))
		return -EINVAL;
	atomic_fetch_add(&blk->vm->count.disk_requests, 1);
	*written = 1;
	if (take(blk->vm, &out, &head, sizeof(head))) {
		status = VIRTIO_BLK_S_IOERR;
	} else if (head.type == VIRTIO_BLK_T_IN) {
		status = transfer(blk, &in, head.sector, false);
		*written += in.bytes;
	} else if (head.type == VIRTIO_BLK_T_OUT) {
		status = transfer(blk, &out, head.sector, true);
	} else if (head.type == VIRTIO_BLK_T_FLUSH) {
		status = fdatasync(blk->fd) ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
	} else if (head.type == VIRTIO_BLK_T_GET_ID) {
		status = get_id(blk, &in);
		*written += VIRTIO_BLK_ID_BYTES;
	} else {
		status = VIRTIO_BLK_S_UNSUPP;
	}
	return mem_write_shared(blk->vm, status_gpa, &status, 1) ? -EINVAL : 0;
}
