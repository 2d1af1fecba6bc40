// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: what attributes cost in time and memory.
 *
 * Uses only what mainline Linux 6.12 has too, and no library, so that one
 * static binary measures both kernels.  Prints one JSON object a line.  Not a
 * test: it judges nothing, and fails only when it cannot measure.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/kvm.h>
#include <linux/membarrier.h>

#define PG		4096ULL
#define GIB		BIT_ULL(30)
#define TIB		BIT_ULL(40)
#define MAX_SLOT	(512 * GIB)
#define SW_PROTECTED	1
#define PRIVATE		KVM_MEMORY_ATTRIBUTE_PRIVATE
#define COPIES		4		/* VMs measured at once */
#define TOGGLES		2000

static void die(const char *what)
{
	fprintf(stderr, "gmem_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* All slab memory of the kernel, bytes */
static s64 slab_bytes(void)
{
	long long kb = -1;
	char line[128];
	FILE *f;

	/* Counters are per processor; a read folds them in. */
	f = fopen("/proc/sys/vm/stat_refresh", "r");
	if (f) {
		while (fgets(line, sizeof(line), f))
			;
		fclose(f);
	}
	f = fopen("/proc/meminfo", "r");
	if (!f)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Slab: %lld kB", &kb) == 1)
			break;
	}
	fclose(f);
	if (kb < 0)
		die("no Slab in /proc/meminfo");
	return kb * 1024;
}

/*
 * What was freed before, by RCU, must not count as freed during a measurement.
 * Return the slab memory once it has stopped changing.
 */
static s64 settled_slab_bytes(void)
{
	s64 last, now_bytes = slab_bytes();
	int grace, tries = 0;

	do {
		last = now_bytes;
		for (grace = 0; grace < 16; grace++)
			syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		now_bytes = slab_bytes();
	} while (now_bytes < last && ++tries < 100);

	return now_bytes;
}

static void set_attributes(int vm, u64 gpa, u64 size, u64 attrs)
{
	struct kvm_memory_attributes args = {
		.address = gpa, .size = size, .attributes = attrs,
	};

	if (ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &args))
		die("KVM_SET_MEMORY_ATTRIBUTES");
}

static u64 time_attributes(int vm, u64 gpa, u64 size, u64 attrs)
{
	u64 start = now();

	set_attributes(vm, gpa, size, attrs);
	return now() - start;
}

/* False: the processor has no such guest physical address. */
static bool add_slot(int vm, u32 slot, u64 gpa, u64 size)
{
	struct kvm_create_guest_memfd file = { .size = size };
	struct kvm_userspace_memory_region2 region = {
		.slot = slot, .flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = gpa, .memory_size = size,
	};
	int fd = ioctl(vm, KVM_CREATE_GUEST_MEMFD, &file);

	if (fd < 0)
		die("KVM_CREATE_GUEST_MEMFD");
	region.guest_memfd = fd;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region)) {
		if (errno != EINVAL || slot < 2)
			die("KVM_SET_USER_MEMORY_REGION2");
		close(fd);
		return false;
	}
	close(fd);
	return true;
}

/*
 * A VM with slots on files over [0, @size), or over as much of it as the
 * processor can address: at least two slots.  Attributes need no slots.
 */
static int make_vm(u64 size)
{
	int kvm = open("/dev/kvm", O_RDWR);
	u64 gpa, part;
	u32 slot;
	int vm;

	if (kvm < 0)
		die("/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, SW_PROTECTED);
	if (vm < 0)
		die("KVM_CREATE_VM of a software-protected VM");
	close(kvm);
	for (gpa = 0, slot = 0; gpa < size; gpa += part, slot++) {
		part = size - gpa < MAX_SLOT ? size - gpa : MAX_SLOT;
		if (!add_slot(vm, slot, gpa, part))
			break;
	}
	return vm;
}

static void report(const char *name, u64 ns, s64 bytes)
{
	struct utsname uts;

	uname(&uts);
	printf("{\"bench\": \"%s\", \"kernel\": \"%s\", \"ns\": %llu, \"bytes\": %lld}\n",
	       name, uts.release, (unsigned long long)ns, (long long)bytes);
	fflush(stdout);
}

static void bench_range(const char *name, u64 size, int copies)
{
	u64 to_private = 0, to_shared = 0;
	char back[64];
	s64 before, bytes;
	int vms[COPIES], i;

	for (i = 0; i < copies; i++)
		vms[i] = make_vm(size);
	before = settled_slab_bytes();
	for (i = 0; i < copies; i++)
		to_private += time_attributes(vms[i], 0, size, PRIVATE);
	bytes = settled_slab_bytes() - before;
	for (i = 0; i < copies; i++)
		to_shared += time_attributes(vms[i], 0, size, 0);
	report(name, to_private / copies, bytes / copies);
	snprintf(back, sizeof(back), "%s_back", name);
	report(back, to_shared / copies, (settled_slab_bytes() - before) / copies);
}

static void bench_private_64g(void)
{
	bench_range("private_64g", 64 * GIB, COPIES);
}

static void bench_private_16t(void)
{
	bench_range("private_16t", 16 * TIB, COPIES);
}

/* One page to and fro in the middle of a large private block, per call */
static void bench_toggle_4k(void)
{
	int vm = make_vm(64 * GIB);
	u64 gpa = 21 * GIB + 123 * PG, start;
	s64 before;
	int i;

	set_attributes(vm, 0, 64 * GIB, PRIVATE);
	for (i = 0; i < 100; i++)
		set_attributes(vm, gpa, PG, i & 1 ? PRIVATE : 0);
	before = settled_slab_bytes();
	start = now();
	for (i = 0; i < TOGGLES; i++)
		set_attributes(vm, gpa, PG, i & 1 ? PRIVATE : 0);
	start = (now() - start) / TOGGLES;
	report("toggle_4k", start, settled_slab_bytes() - before);
}

/* Every other page of 1 GiB private */
static void bench_alternate_1g(void)
{
	s64 before, bytes;
	u64 gpa, start;
	int vm = make_vm(GIB);

	before = settled_slab_bytes();
	start = now();
	for (gpa = 0; gpa < GIB; gpa += 2 * PG)
		set_attributes(vm, gpa, PG, PRIVATE);
	start = now() - start;
	bytes = settled_slab_bytes() - before;
	report("alternate_1g", start, bytes);
}

static const struct {
	const char *name;
	void (*run)(void);
} benches[] = {
	{ "alternate_1g", bench_alternate_1g },
	{ "toggle_4k", bench_toggle_4k },
	{ "private_64g", bench_private_64g },
	{ "private_16t", bench_private_16t },
};

/* In a process of its own: the VMs are gone when it returns. */
static int run_bench(unsigned int i)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork()");
	if (!pid) {
		benches[i].run();
		exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid()");
	return status;
}

static int run_named(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(benches); i++) {
		if (!strcmp(benches[i].name, name))
			return run_bench(i);
	}
	fprintf(stderr, "gmem_bench: no benchmark '%s'; there are:", name);
	for (i = 0; i < ARRAY_SIZE(benches); i++)
		fprintf(stderr, " %s", benches[i].name);
	fputc('\n', stderr);
	return 1;
}

int main(int argc, char **argv)
{
	int failed = 0;
	unsigned int i;

	if (argc > 1) {
		while (*++argv)
			failed |= run_named(*argv);
	} else {
		for (i = 0; i < ARRAY_SIZE(benches); i++)
			failed |= run_bench(i);
	}
	return !!failed;
}
