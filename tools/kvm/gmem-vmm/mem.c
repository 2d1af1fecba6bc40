// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory: one range below the PCI hole, one above 4 GiB. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm.h"

/* More than KVM's own retries, few enough to end in well under a second. */
#define CONVERT_TRIES	64

/** mem_available() - MemAvailable of the host in bytes, 0 if unknown. */
__u64 mem_available(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f;

	f = fopen("/proc/meminfo", "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	fclose(f);
	return kib << 10;
}

/** mem_contains() - true if the whole range is guest memory. */
bool mem_contains(const struct vm *vm, __u64 gpa, __u64 size)
{
	if (!size || gpa + size < gpa)
		return false;
	if (gpa < GPA_HIGH)
		return gpa + size <= vm->low;
	return gpa + size <= GPA_HIGH + vm->high;
}

/** mem_at() - this program's address of a guest page; see mem_contains(). */
__u8 *mem_at(struct vm *vm, __u64 gpa)
{
	return vm->ram + (gpa < GPA_HIGH ? gpa : gpa - GPA_HIGH + vm->low);
}

static void create_gmem(struct vm *vm)
{
	struct kvm_create_guest_memfd create = {
		.size = vm->opt.mem,
		.flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED,
	};

	vm->gmem = ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &create);
	if (vm->gmem < 0)
		die_errno(VMM_HOST,
			  "KVM_CREATE_GUEST_MEMFD with MMAP and INIT_SHARED");
}

static void add_slot(struct vm *vm, unsigned int slot, __u64 gpa,
		     __u64 size, __u64 offset)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = slot,
		.flags = vm->opt.shared ? 0 : KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (unsigned long)vm->ram + offset,
		.guest_memfd = vm->gmem,
		.guest_memfd_offset = offset,
	};
	unsigned long request = vm->opt.shared ? KVM_SET_USER_MEMORY_REGION :
						 KVM_SET_USER_MEMORY_REGION2;

	if (size && ioctl(vm->fd, request, &region))
		die_errno(VMM_ERROR,
			  "cannot set memory slot %u (gpa 0x%llx, %llu bytes)",
			  slot, gpa,
			  size);
}

/**
 * mem_create() - allocate guest memory and give it to the VM, all shared.
 * @vm: the VM, with its options
 *
 * The mapping is also the slots' userspace_addr: KVM wants one, and the
 * images are loaded through it.
 */
void mem_create(struct vm *vm)
{
	__u64 size = vm->opt.mem;
	int flags = MAP_NORESERVE | MAP_SHARED;

	vm->gmem = -1;
	vm->mem_before = mem_available();
	if (vm->mem_before && size > vm->mem_before)
		say("warning: --mem asks for %llu MiB, the host has %llu MiB available",
		    (size / MIB),
		    (vm->mem_before / MIB));
	if (vm->opt.shared)
		flags = MAP_NORESERVE | MAP_PRIVATE | MAP_ANONYMOUS;
	else
		create_gmem(vm);
	vm->ram = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, vm->gmem, 0);
	if (vm->ram == MAP_FAILED)
		die_errno(VMM_HOST, "cannot map %llu MiB of guest memory",
			  (size / MIB));
	vm->pages = calloc(size / PAGE_BYTES, sizeof(*vm->pages));
	if (!vm->pages)
		die_errno(VMM_HOST, "cannot keep track of guest memory");
	memset(vm->pages, MEM_SHARED | MEM_ANNOUNCED, size / PAGE_BYTES);
	vm->low = size < vm->opt.low ? size : vm->opt.low;
	vm->high = size - vm->low;
	add_slot(vm, 0, 0, vm->low, 0);
	add_slot(vm, 1, GPA_HIGH, vm->high, vm->low);
}

/* Number of the page, in vm->pages */
static __u64 page_at(struct vm *vm, __u64 gpa)
{
	return (mem_at(vm, gpa) - vm->ram) / PAGE_BYTES;
}

static void mark_private(struct vm *vm, __u64 gpa, __u64 size)
{
	__u64 page = page_at(vm, gpa), end = page + size / PAGE_BYTES;

	for (; page < end; page++)
		atomic_store(&vm->pages[page], 0);
}

/* What was announced and then accessed is announced still. */
static void mark_shared(struct vm *vm, __u64 gpa, __u64 size, bool announced)
{
	__u64 page = page_at(vm, gpa), end = page + size / PAGE_BYTES;

	for (; page < end; page++)
		atomic_fetch_or(&vm->pages[page],
				MEM_SHARED | (announced ? MEM_ANNOUNCED : 0));
}

/**
 * mem_convert() - make a range private or shared.
 * @vm: the VM, not an ordinary one
 * @gpa: first byte
 * @size: bytes
 * @private: what it is to be
 * @announced: the guest has asked for it, rather than accessed it
 *
 * Any thread.  Retries a bounded number of times while the kernel reports
 * references to a page that are about to go.
 *
 * Return: 0; -EAGAIN if such references stay; -EINVAL if the range is not
 * page aligned or not guest memory; another negative errno of the ioctl.
 */
int mem_convert(struct vm *vm, __u64 gpa, __u64 size, bool private, bool announced)
{
	struct kvm_memory_attributes attr = {
		.address = gpa,
		.size = size,
		.attributes = private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};
	unsigned int tries;
	int err;

	if ((gpa | size) % PAGE_BYTES || !mem_contains(vm, gpa, size))
		return -EINVAL;
	/* Devices do not look at what may be private. */
	if (private)
		mark_private(vm, gpa, size);
	for (tries = 0; tries < CONVERT_TRIES; tries++) {
		if (!ioctl(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attr)) {
			atomic_fetch_add(private ? &vm->count.to_private :
						   &vm->count.to_shared, 1);
			if (!private)
				mark_shared(vm, gpa, size, announced);
			return 0;
		}
		if (errno != EAGAIN && errno != EINTR)
			break;
		atomic_fetch_add(&vm->count.again, 1);
		sched_yield();
	}
	err = tries < CONVERT_TRIES ? -errno : -EAGAIN;
	if (private)
		mark_shared(vm, gpa, size, true);
	return err;
}

/** mem_is_shared() - true if the whole range is shared guest memory, for now. */
bool mem_is_shared(struct vm *vm, __u64 gpa, __u64 size)
{
	__u64 page, last;

	if (!mem_contains(vm, gpa, size))
		return false;
	last = page_at(vm, gpa + size - 1);
	for (page = page_at(vm, gpa); page <= last; page++)
		if (!(atomic_load(&vm->pages[page]) & MEM_SHARED))
			return false;
	return true;
}

/*
 * By system call: what the guest makes private meanwhile is an error, and no signal.
 */
static int copy(struct vm *vm, __u64 gpa, void *data, size_t size, bool out)
{
	struct iovec local = { .iov_base = data, .iov_len = size };
	struct iovec guest = { .iov_len = size };
	ssize_t done;

	if (!mem_is_shared(vm, gpa, size))
		return -EFAULT;
	guest.iov_base = mem_at(vm, gpa);
	done = out ? process_vm_writev(getpid(), &local, 1, &guest, 1, 0) :
		     process_vm_readv(getpid(), &local, 1, &guest, 1, 0);
	return done == (ssize_t)size ? 0 : -EFAULT;
}

/** mem_read_shared() - read what the guest shares; 0, or -EFAULT if it does not. */
int mem_read_shared(struct vm *vm, __u64 gpa, void *data, size_t size)
{
	return copy(vm, gpa, data, size, false);
}

/** mem_write_shared() - write it; 0, or -EFAULT if the guest does not share it. */
int mem_write_shared(struct vm *vm, __u64 gpa, const void *data, size_t size)
{
	return copy(vm, gpa, (void *)data, size, true);
}

static __u64 page_gpa(const struct vm *vm, __u64 page)
{
	__u64 offset = page * PAGE_BYTES;

	return offset < vm->low ? offset : offset - vm->low + GPA_HIGH;
}

static bool can_read(struct vm *vm, __u64 page)
{
	__u8 byte;
	struct iovec local = { .iov_base = &byte, .iov_len = 1 };
	struct iovec guest = { .iov_base = vm->ram + page * PAGE_BYTES, .iov_len = 1 };

	return process_vm_readv(getpid(), &local, 1, &guest, 1, 0) == 1;
}

/**
 * mem_audit() - try to read all guest memory, of a guest that has ended.
 * @vm: the VM, none of whose vCPUs runs
 *
 * Return: true if this program can read what the guest has shared, and nothing else.
 */
bool mem_audit(struct vm *vm)
{
	__u64 page, shared = 0, wrong = 0, unannounced = 0;
	__u8 state;

	for (page = 0; page < vm->opt.mem / PAGE_BYTES; page++) {
		state = atomic_load(&vm->pages[page]);
		shared += state & MEM_SHARED;
		if (can_read(vm, page) != !!(state & MEM_SHARED)) {
			wrong++;
			say("audit: %llx is not as the guest has it",
			    page_gpa(vm, page));
		} else if (state == MEM_SHARED) {
			unannounced++;
			say("audit: %llx was accessed, not announced",
			    page_gpa(vm, page));
		}
	}
	say("audit: pages=%llu readable=%llu unannounced=%llu wrong=%llu",
	    vm->opt.mem / PAGE_BYTES, shared, unannounced, wrong);
	return !wrong;
}

/**
 * mem_make_private() - convert all guest memory, before the first instruction.
 * @vm: the VM, no vCPU of which has run
 *
 * Contents stay: the images need not be loaded again.
 */
void mem_make_private(struct vm *vm)
{
	int err;

	err = mem_convert(vm, 0, vm->low, true, true);
	if (!err && vm->high)
		err = mem_convert(vm, GPA_HIGH, vm->high, true, true);
	if (!err)
		return;
	errno = -err;
	die_errno(VMM_ERROR, "cannot make guest memory private");
}
