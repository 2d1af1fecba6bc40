// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disk: a virtio block device at fixed addresses.  Virtual I/O Device 1.2,
 * sections 4.2 (virtio over MMIO) and 5.2.
 *
 * One lock, which only accesses to this device take.  Requests are done by the vCPU
 * that rings the bell.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "block.h"
#include "vmm.h"

#define MAGIC		0x74726976	/* "virt" */
#define VERSION		2
#define VENDOR		0x4d454d47	/* "GMEM" */
#define FEATURE(n)	((__u64)1 << (n))
#define FEATURES	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_ACCESS_PLATFORM) | \
			 FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_BLK_F_SEG_MAX))

static struct disk {
	pthread_mutex_t lock;		/* guards all that follows */
	struct block blk;
	struct ring_access access;
	struct ring ring;
	__u64 driver_features;
	__u32 features_page, driver_page;
	__u32 queue;			/* the selected one; there is number 0 */
	__u32 status;
	__u32 interrupt;
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int access_read(void *arg, __u64 gpa, void *data, size_t size)
{
	return mem_read_shared(arg, gpa, data, size);
}

static int access_write(void *arg, __u64 gpa, const void *data, size_t size)
{
	return mem_write_shared(arg, gpa, data, size);
}

static void set_line(struct disk *d)
{
	struct kvm_irq_level line = { .irq = IRQ_DISK, .level = !!d->interrupt };

	if (ioctl(d->blk.vm->fd, KVM_IRQ_LINE, &line))
		die_errno(VMM_ERROR, "KVM_IRQ_LINE");
}

static void reset(struct disk *d)
{
	d->ring = (struct ring) { .access = &d->access };
	d->driver_features = 0;
	d->status = 0;
	d->interrupt = 0;
	set_line(d);
}

/* The driver has to start over: what it has put into the queue makes no sense. */
static void give_up(struct disk *d)
{
	say("disk: the guest's queue is broken");
	atomic_fetch_add(&d->blk.vm->count.disk_refused, 1);
	d->ring.ready = false;
	d->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	d->interrupt |= VIRTIO_MMIO_INT_CONFIG;
	set_line(d);
}

static void serve(struct disk *d)
{
	struct ring_chain chain;
	__u32 written;
	int r;

	if (!d->ring.ready || !(d->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	while ((r = ring_pop(&d->ring, &chain)) > 0) {
		r = block_request(&d->blk, &chain, &written);
		if (!r)
			r = ring_push(&d->ring, &chain, written);
		if (r)
			break;
		d->interrupt |= VIRTIO_MMIO_INT_VRING;
	}
	if (r)
		give_up(d);
	else
		set_line(d);
}

static void set_status(struct disk *d, __u32 status)
{
	if (!status) {
		reset(d);
		return;
	}
	if ((d->driver_features & ~FEATURES) ||
	    !(d->driver_features & FEATURE(VIRTIO_F_VERSION_1)))
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	d->status = status | (d->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void set_ready(struct disk *d, __u32 ready)
{
	d->ring.next = 0;
	d->ring.done = 0;
	d->ring.ready = ready & 1;
	if (d->ring.ready && !ring_is_valid(&d->ring))
		give_up(d);
}

static void set_half(__u64 *value, __u32 half, bool high)
{
	*value = high ? (*value & 0xffffffff) | (__u64)half << 32 :
			(*value & ~0xffffffffULL) | half;
}

/* Registers of the selected queue; there is one, and it is fixed while it is in use. */
static void queue_out(struct disk *d, __u64 reg, __u32 value)
{
	if (d->queue || (d->ring.ready && reg != VIRTIO_MMIO_QUEUE_READY))
		return;
	switch (reg) {
	case VIRTIO_MMIO_QUEUE_NUM:
		d->ring.size = value <= RING_MAX ? value : 0;
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		set_ready(d, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&d->ring.desc, value, reg == VIRTIO_MMIO_QUEUE_DESC_HIGH);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&d->ring.avail, value, reg == VIRTIO_MMIO_QUEUE_AVAIL_HIGH);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&d->ring.used, value, reg == VIRTIO_MMIO_QUEUE_USED_HIGH);
		break;
	}
}

static void disk_out(struct disk *d, __u64 reg, __u32 value)
{
	switch (reg) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		d->features_page = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		d->driver_page = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		if (d->driver_page < 2 && !(d->status & VIRTIO_CONFIG_S_FEATURES_OK))
			set_half(&d->driver_features, value, d->driver_page);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		d->queue = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		serve(d);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		d->interrupt &= ~value;
		set_line(d);
		break;
	case VIRTIO_MMIO_STATUS:
		set_status(d, value);
		break;
	default:
		queue_out(d, reg, value);
	}
}

static __u32 disk_in(struct disk *d, __u64 reg)
{
	switch (reg) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return VIRTIO_ID_BLOCK;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return d->features_page < 2 ? FEATURES >> 32 * d->features_page : 0;
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return d->queue ? 0 : RING_MAX;
	case VIRTIO_MMIO_QUEUE_READY:
		return !d->queue && d->ring.ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return d->interrupt;
	case VIRTIO_MMIO_STATUS:
		return d->status;
	default:
		return 0;
	}
}

static void config_in(struct disk *d, __u64 offset, void *data, size_t size)
{
	struct virtio_blk_config config = {
		.capacity = d->blk.sectors,
		/* What is left of a queue for data */
		.seg_max = RING_MAX - 2,
	};

	memset(data, 0, size);
	if (offset <= sizeof(config) && size <= sizeof(config) - offset)
		memcpy(data, (__u8 *)&config + offset, size);
}

/**
 * disk_access() - one access of a vCPU to the device's page.
 * @vm: the VM
 * @gpa: guest physical address
 * @out: the vCPU writes
 * @data: what it writes, or where to store what it reads
 * @size: 1 to 8 bytes
 *
 * Return: false if @gpa is none of the device's, or there is no disk.
 */
bool disk_access(struct vm *vm, __u64 gpa, bool out, void *data, size_t size)
{
	__u64 reg = gpa - GPA_DISK;
	__u32 value = 0;

	if (!vm->opt.disk || gpa < GPA_DISK || reg >= PAGE_BYTES)
		return false;
	pthread_mutex_lock(&disk.lock);
	if (reg >= VIRTIO_MMIO_CONFIG) {
		if (!out)
			config_in(&disk, reg - VIRTIO_MMIO_CONFIG, data, size);
	} else if (size != sizeof(value)) {
		if (!out)
			memset(data, 0, size);
	} else if (out) {
		memcpy(&value, data, size);
		disk_out(&disk, reg, value);
	} else {
		value = disk_in(&disk, reg);
		memcpy(data, &value, size);
	}
	pthread_mutex_unlock(&disk.lock);
	return true;
}

/** disk_open() - find the disk that is asked for, if one is. */
void disk_open(struct vm *vm)
{
	off_t size;

	if (!vm->opt.disk)
		return;
	disk.blk.vm = vm;
	disk.blk.fd = open(vm->opt.disk, O_RDWR | O_CLOEXEC);
	if (disk.blk.fd < 0)
		die_errno(VMM_USAGE, "--disk %s", vm->opt.disk);
	size = lseek(disk.blk.fd, 0, SEEK_END);
	if (size < 512)
		die(VMM_USAGE, "--disk %s: not a disk, or smaller than a sector",
		    vm->opt.disk);
	disk.blk.sectors = size / 512;
	disk.access = (struct ring_access) {
		.read = access_read, .write = access_write, .arg = vm,
	};
	disk.ring.access = &disk.access;
}
