// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disk's queue and its requests, as a guest that means ill writes them: clean errors,
 * and no access outside of what is shared.
 *
 * Usage: ring_test; prints KTAP.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block.h"
#include "vmm.h"

#define SIZE	8		/* descriptors of the queue */
#define DESC	0x1000UL
#define AVAIL	0x2000UL
#define USED	0x3000UL
#define DATA	0x4000UL
#define STATUS	0x5000UL
#define PRIVATE	0x6000UL	/* from here on */
#define END	0x8000UL
#define SECTORS	8

#define NEXT	1
#define WRITE	2
#define INDIRECT	4

static __u8 memory[END];
static unsigned int strayed;	/* accesses to what is not shared */
static unsigned int number, failed;
static struct vm vm;
static struct block blk = { .vm = &vm, .sectors = SECTORS };

/* What mem.c does, with an array for the guest's memory */
bool mem_is_shared(struct vm *v, __u64 gpa, __u64 size)
{
	(void)v;
	return size && gpa + size >= gpa && gpa + size <= PRIVATE;
}

static int copy(__u64 gpa, void *data, size_t size, bool out)
{
	if (!mem_is_shared(&vm, gpa, size))
		return -EFAULT;
	if (out)
		memcpy(memory + gpa, data, size);
	else
		memcpy(data, memory + gpa, size);
	return 0;
}

int mem_read_shared(struct vm *v, __u64 gpa, void *data, size_t size)
{
	(void)v;
	return copy(gpa, data, size, false);
}

int mem_write_shared(struct vm *v, __u64 gpa, const void *data, size_t size)
{
	(void)v;
	return copy(gpa, (void *)data, size, true);
}

__u8 *mem_at(struct vm *v, __u64 gpa)
{
	(void)v;
	strayed += gpa >= PRIVATE;
	return memory + gpa % END;
}

static int ring_read(void *arg, __u64 gpa, void *data, size_t size)
{
	return mem_read_shared(arg, gpa, data, size);
}

static int ring_write(void *arg, __u64 gpa, const void *data, size_t size)
{
	return mem_write_shared(arg, gpa, data, size);
}

static const struct ring_access access_memory = {
	.read = ring_read, .write = ring_write, .arg = &vm,
};

static struct ring make_ring(void)
{
	memset(memory, 0, sizeof(memory));
	return (struct ring) {
		.access = &access_memory, .size = SIZE,
		.desc = DESC, .avail = AVAIL, .used = USED,
	};
}

static void put16(__u64 gpa, __u16 value)
{
	memcpy(memory + gpa, &value, sizeof(value));
}

static void describe(unsigned int i, __u64 gpa, __u32 len, __u16 flags, __u16 next)
{
	memcpy(memory + DESC + i * 16, &gpa, 8);
	memcpy(memory + DESC + i * 16 + 8, &len, 4);
	put16(DESC + i * 16 + 12, flags);
	put16(DESC + i * 16 + 14, next);
}

/* The driver offers the chain that starts at descriptor @head. */
static void offer(unsigned int count, __u16 head)
{
	put16(AVAIL + 2, count);
	put16(AVAIL + 4, head);
}

static void check(bool good, const char *name)
{
	number++;
	failed += !good;
	printf("%sok %u ", good ? "" : "not ", number);
	for (; *name; name++)
		putchar(*name == ' ' ? '_' : *name);
	putchar('\n');
}

static int pop_offered(struct ring *ring, struct ring_chain *chain)
{
	offer(1, 0);
	return ring_pop(ring, chain);
}

static void test_queue(void)
{
	struct ring_chain chain;
	struct ring ring = make_ring();
	unsigned int i;

	check(ring_pop(&ring, &chain) == 0, "nothing is offered");
	describe(0, DATA, 16, NEXT, 1);
	describe(1, STATUS, 1, WRITE, 0);
	check(pop_offered(&ring, &chain) == 1 && chain.count == 2 &&
	      chain.buffer[1].writes && !chain.buffer[0].writes, "a chain of two");
	check(!ring_push(&ring, &chain, 1) && memory[USED + 2] == 1 &&
	      memory[USED + 8] == 1, "it is given back");

	ring = make_ring();
	offer(1, SIZE);
	check(ring_pop(&ring, &chain) == -EINVAL, "a head outside of the queue");
	ring = make_ring();
	offer(SIZE + 1, 0);
	check(ring_pop(&ring, &chain) == -EINVAL, "more than the queue has");

	ring = make_ring();
	for (i = 0; i < SIZE; i++)
		describe(i, DATA, 1, NEXT, (i + 1) % SIZE);
	check(pop_offered(&ring, &chain) == -EINVAL, "a loop");
	ring = make_ring();
	describe(0, DATA, 1, NEXT, SIZE);
	check(pop_offered(&ring, &chain) == -EINVAL, "a next outside of the queue");
	ring = make_ring();
	describe(0, DATA, 16, INDIRECT, 0);
	check(pop_offered(&ring, &chain) == -EINVAL, "an indirect table");
	ring = make_ring();
	describe(0, DATA, 0, 0, 0);
	check(pop_offered(&ring, &chain) == -EINVAL, "an empty buffer");
	ring = make_ring();
	describe(0, ~0ULL - 4, 16, 0, 0);
	check(pop_offered(&ring, &chain) == -EINVAL, "a buffer that wraps");
	ring = make_ring();
	describe(0, DATA, 16, NEXT | WRITE, 1);
	describe(1, DATA, 16, 0, 0);
	check(pop_offered(&ring, &chain) == -EINVAL, "to be read after to be written");

	ring = make_ring();
	ring.avail = PRIVATE;
	check(ring_pop(&ring, &chain) == -EINVAL, "a private queue");
	ring = make_ring();
	ring.desc = PRIVATE - 8;
	check(pop_offered(&ring, &chain) == -EINVAL, "private descriptors");
	ring = make_ring();
	ring.used = PRIVATE;
	check(ring_push(&ring, &chain, 1) == -EINVAL, "a private used ring");
}

static void test_setup(void)
{
	struct ring ring = make_ring();

	check(ring_is_valid(&ring), "a queue");
	ring.size = 0;
	check(!ring_is_valid(&ring), "of no size");
	ring.size = 6;
	check(!ring_is_valid(&ring), "of 6 descriptors");
	ring.size = 2 * RING_MAX;
	check(!ring_is_valid(&ring), "of too many");
	ring.size = SIZE;
	ring.desc++;
	check(!ring_is_valid(&ring), "not aligned");
}

static struct ring_chain make_request(__u32 type, __u64 sector, __u64 gpa, __u32 len)
{
	struct virtio_blk_outhdr head = { .type = type, .sector = sector };
	bool in = type != VIRTIO_BLK_T_OUT;

	memcpy(memory + DATA - 16, &head, sizeof(head));
	memory[STATUS] = 0xff;
	return (struct ring_chain) {
		.count = 3,
		.buffer = {
			{ .gpa = DATA - 16, .len = sizeof(head) },
			{ .gpa = gpa, .len = len, .writes = in },
			{ .gpa = STATUS, .len = 1, .writes = true },
		},
	};
}

static int status_of(const struct ring_chain *chain)
{
	__u32 written;

	return block_request(&blk, chain, &written) ? -1 : memory[STATUS];
}

static int request(__u32 type, __u64 sector, __u64 gpa, __u32 len)
{
	struct ring_chain chain = make_request(type, sector, gpa, len);

	return status_of(&chain);
}

static void test_requests(void)
{
	struct ring_chain chain;

	make_ring();
	memset(memory + DATA, 0x55, 512);
	check(request(VIRTIO_BLK_T_OUT, 3, DATA, 512) == 0, "a write");
	memset(memory + DATA, 0, 512);
	check(request(VIRTIO_BLK_T_IN, 3, DATA, 512) == 0 && memory[DATA + 511] == 0x55,
	      "a read");
	check(request(VIRTIO_BLK_T_FLUSH, 0, DATA, 1) == 0, "a flush");
	check(request(VIRTIO_BLK_T_GET_ID, 0, DATA, 20) == 0, "a name");
	check(request(VIRTIO_BLK_T_GET_ID, 0, DATA, 19) == VIRTIO_BLK_S_IOERR,
	      "a name without a place");
	check(request(0x1234, 0, DATA, 512) == VIRTIO_BLK_S_UNSUPP, "an unknown request");
	check(request(VIRTIO_BLK_T_IN, 0, DATA, 511) == VIRTIO_BLK_S_IOERR,
	      "part of a sector");
	check(request(VIRTIO_BLK_T_IN, SECTORS, DATA, 512) == VIRTIO_BLK_S_IOERR,
	      "beyond the end");
	check(request(VIRTIO_BLK_T_IN, ~0ULL, DATA, 512) == VIRTIO_BLK_S_IOERR,
	      "a sector that wraps");
	check(request(VIRTIO_BLK_T_IN, 3, PRIVATE, 512) == VIRTIO_BLK_S_IOERR,
	      "a read into private memory");
	check(request(VIRTIO_BLK_T_OUT, 3, PRIVATE - 256, 512) == VIRTIO_BLK_S_IOERR,
	      "a write from half private memory");
	check(request(VIRTIO_BLK_T_OUT, 3, 1ULL << 60, 512) == VIRTIO_BLK_S_IOERR,
	      "a write from nowhere");

	chain = make_request(VIRTIO_BLK_T_FLUSH, 0, DATA, 1);
	chain.buffer[0].gpa = PRIVATE;
	check(status_of(&chain) == VIRTIO_BLK_S_IOERR, "a private header");
	chain = make_request(VIRTIO_BLK_T_FLUSH, 0, DATA, 1);
	chain.buffer[0].len = 15;
	check(status_of(&chain) == VIRTIO_BLK_S_IOERR, "a short header");
	chain = make_request(VIRTIO_BLK_T_FLUSH, 0, DATA, 1);
	chain.buffer[2].gpa = PRIVATE;
	check(status_of(&chain) == -1, "a private status");
	chain = make_request(VIRTIO_BLK_T_OUT, 3, DATA, 512);
	chain.count = 2;
	check(status_of(&chain) == -1, "no place for the status");
	check(!strayed, "no access to private memory");
}

int main(void)
{
	FILE *disk = tmpfile();

	if (!disk || ftruncate(fileno(disk), SECTORS * 512)) {
		perror("ring_test: temporary file");
		return EXIT_FAILURE;
	}
	blk.fd = fileno(disk);
	printf("KTAP version 1\n1..36\n");
	test_setup();
	test_queue();
	test_requests();
	printf("# Totals: pass:%u fail:%u skip:0\n", number - failed, failed);
	return failed || number != 36;
}
