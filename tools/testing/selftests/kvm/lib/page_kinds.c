// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of /dev/kvm_page_kinds in a slot of an ordinary VM, and a guest that
 * accesses it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>

#include "gmem_harness.h"
#include "gmem_knob.h"
#include "page_kinds.h"

/* Memory has struct pages, or not, in whole sections of this size at most. */
#define SECTION		(128ULL << 20)
#define SECTIONS	64

/* Skip the whole program without the device. */
void pk_require_device(void)
{
	if (!access(PK_DEVICE, F_OK))
		return;
	printf("KTAP version 1\n1..0 # SKIP no " PK_DEVICE ": load kvm_page_kinds\n");
	exit(KSFT_SKIP);
}

int pk_open_device(void)
{
	int fd = open(PK_DEVICE, O_RDWR | O_CLOEXEC);

	TEST_ASSERT(fd >= 0, "open of " PK_DEVICE ": %s", strerror(errno));
	return fd;
}

struct kvm_pk_setup pk_setup_of(enum kvm_pk_kind kind, enum kvm_pk_map map, uint32_t flags)
{
	return (struct kvm_pk_setup) {
		.kind = kind, .map = map, .flags = flags, .order = PK_ORDER,
	};
}

static struct pk_file open_setup(const struct kvm_pk_setup *setup)
{
	bool readonly = setup->flags & KVM_PK_READONLY;
	bool private = setup->flags & KVM_PK_PRIVATE;
	struct pk_file f = { .setup = *setup, .fd = pk_open_device() };

	TEST_ASSERT(!ioctl(f.fd, KVM_PK_SETUP, setup), "KVM_PK_SETUP of kind %u: %s",
		    setup->kind, strerror(errno));
	f.mem = mmap(NULL, PK_SIZE, readonly ? PROT_READ : PROT_READ | PROT_WRITE,
		     private ? MAP_PRIVATE : MAP_SHARED, f.fd, 0);
	TEST_ASSERT(f.mem != MAP_FAILED, "mmap() of kind %u: %s", setup->kind, strerror(errno));
	return f;
}

/**
 * pk_open() - Get pages from the device and map them
 * @kind: what they are
 * @map: how they are mapped
 * @flags: KVM_PK_*, of KVM_PK_FLAGS
 *
 * Return: PK_PAGES pages with all bytes 0.
 */
struct pk_file pk_open(enum kvm_pk_kind kind, enum kvm_pk_map map, uint32_t flags)
{
	struct kvm_pk_setup setup = pk_setup_of(kind, map, flags);

	return open_setup(&setup);
}

/* PK_PAGES pages that have no struct page */
struct pk_file pk_open_phys(enum kvm_pk_map map, uint64_t phys)
{
	struct kvm_pk_setup setup = pk_setup_of(KVM_PK_PHYS, map, 0);

	setup.phys = phys;
	return open_setup(&setup);
}

void pk_unmap(struct pk_file *f)
{
	TEST_ASSERT(!munmap(f->mem, PK_SIZE), "munmap(): %s", strerror(errno));
	f->mem = NULL;
}

void pk_read(const struct pk_file *f, unsigned int page, void *buf)
{
	ssize_t len = pread(f->fd, buf, PK_PAGE, page * PK_PAGE);

	TEST_ASSERT(len == PK_PAGE, "pread() of page %u: %zd, %s", page, len, strerror(errno));
}

void pk_fill(const struct pk_file *f, unsigned int page, uint8_t byte)
{
	uint8_t buf[PK_PAGE];
	ssize_t len;

	memset(buf, byte, PK_PAGE);
	len = pwrite(f->fd, buf, PK_PAGE, page * PK_PAGE);
	TEST_ASSERT(len == PK_PAGE, "pwrite() of page %u: %zd, %s", page, len, strerror(errno));
}

/* All bytes of page 0 become @byte, of page 1 @byte + 1, and so on. */
void pk_fill_all(const struct pk_file *f, uint8_t byte)
{
	unsigned int i;

	for (i = 0; i < PK_PAGES; i++)
		pk_fill(f, i, byte + i);
}

bool pk_is(const struct pk_file *f, unsigned int page, uint8_t byte)
{
	uint8_t buf[PK_PAGE];
	unsigned int i;

	pk_read(f, page, buf);
	for (i = 0; i < PK_PAGE; i++) {
		if (buf[i] != byte) {
			printf("page %u, byte %#x is %#x, expected %#x\n", page, i, buf[i], byte);
			return false;
		}
	}
	return true;
}

/* A system call takes the place of the access: EFAULT instead of a signal. */
bool pk_host_touch(const struct pk_file *f, unsigned int page, uint8_t *byte)
{
	int fds[2];
	bool good;

	TEST_ASSERT(!pipe(fds), "pipe(): %s", strerror(errno));
	good = write(fds[1], f->mem + page * PK_PAGE, 1) == 1;
	TEST_ASSERT(good || errno == EFAULT, "write() of page %u: %s", page, strerror(errno));
	if (good)
		TEST_ASSERT(read(fds[0], byte, 1) == 1, "read(): %s", strerror(errno));
	close(fds[0]);
	close(fds[1]);
	return good;
}

void pk_assert_host_sees(const struct pk_file *f, unsigned int page, uint8_t byte)
{
	uint8_t seen;

	TEST_ASSERT(pk_host_touch(f, page, &seen), "page %u: the host cannot read it", page);
	TEST_ASSERT(seen == byte, "page %u: the host sees %#x, expected %#x", page, seen, byte);
}

struct kvm_pk_page pk_query(const struct pk_file *f, unsigned int page)
{
	struct kvm_pk_page info = { .index = page };

	TEST_ASSERT(!ioctl(f->fd, KVM_PK_QUERY, &info), "KVM_PK_QUERY of page %u: %s", page,
		    strerror(errno));
	return info;
}

void pk_query_all(const struct pk_file *f, struct kvm_pk_page *pages)
{
	unsigned int i;

	for (i = 0; i < PK_PAGES; i++)
		pages[i] = pk_query(f, i);
}

void pk_assert_counts(const struct pk_file *f, const struct kvm_pk_page *before)
{
	struct kvm_pk_page now;
	unsigned int i;

	for (i = 0; i < PK_PAGES; i++) {
		now = pk_query(f, i);
		TEST_ASSERT(now.count == before[i].count && now.head_count == before[i].head_count,
			    "page %u: count %d (head %d), before %d (head %d)", i, now.count,
			    now.head_count, before[i].count, before[i].head_count);
	}
}

void pk_revoke(const struct pk_file *f)
{
	TEST_ASSERT(!ioctl(f->fd, KVM_PK_REVOKE), "KVM_PK_REVOKE: %s", strerror(errno));
}

/* True: the kernel has no struct page for the PK_PAGES pages at @phys */
static bool is_unmanaged(uint64_t phys)
{
	struct kvm_pk_setup setup = pk_setup_of(KVM_PK_PHYS, KVM_PK_MAP_PFN, 0);
	int fd = pk_open_device();
	bool good;

	setup.phys = phys;
	good = !ioctl(fd, KVM_PK_SETUP, &setup);
	TEST_ASSERT(good || errno == EEXIST, "KVM_PK_SETUP of %#lx: %s", phys, strerror(errno));
	close(fd);
	return good;
}

/* The value of "mem=" on the kernel's command line, 0 without it */
static uint64_t memory_limit(void)
{
	char line[4096] = "", *arg, *end;
	FILE *f = fopen("/proc/cmdline", "r");
	uint64_t limit;

	TEST_ASSERT(f && fgets(line, sizeof(line), f), "no /proc/cmdline");
	fclose(f);
	arg = strstr(line, " mem=");
	if (!arg)
		return 0;
	limit = strtoull(arg + strlen(" mem="), &end, 0);
	return limit << (*end == 'G' ? 30 : *end == 'M' ? 20 : *end == 'K' ? 10 : 0);
}

/**
 * pk_find_ram() - Find memory that the kernel was told not to use
 * @phys: filled with its physical address
 *
 * There is some if the kernel was booted with "mem=" and the machine's memory
 * goes on for at least a section after that.  The limit is an address, or, on
 * some architectures, a distance from the start of memory.
 *
 * Return: false without "mem=".
 */
bool pk_find_ram(uint64_t *phys)
{
	uint64_t limit = memory_limit();
	unsigned int i;

	if (!limit)
		return false;
	*phys = (limit + SECTION - 1) & ~(SECTION - 1);
	for (i = 0; i < SECTIONS; i++, *phys += SECTION) {
		if (is_unmanaged(*phys))
			return true;
	}
	TEST_FAIL("all memory has struct pages in spite of mem=");
}

/**
 * pk_find_rom() - Find the firmware of a PC
 * @phys: filled with the address of its last pages
 *
 * Return: false if the machine does not say that there is some.
 */
bool pk_find_rom(uint64_t *phys)
{
	FILE *f = fopen("/proc/iomem", "r");
	unsigned long start, end;
	bool found = false;
	char line[256];

	*phys = (4ULL << 30) - PK_SIZE;
	TEST_ASSERT(f, "no /proc/iomem");
	/* No indentation: a resource of the firmware's, not of a driver's. */
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%lx-%lx : ", &start, &end) == 2 && line[0] != ' ' &&
			strstr(line, " : Reserved") && start <= *phys &&
			end >= *phys + PK_SIZE - 1;
	fclose(f);
	return found && is_unmanaged(*phys);
}

/* Written by the host before it runs the vCPU */
static struct {
	uint64_t op, gva, value;
} cmd;

static uint64_t guest_is(uint64_t *page, uint64_t word)
{
	unsigned int i;

	for (i = 0; i < PK_PAGE / sizeof(*page); i++) {
		if (READ_ONCE(page[i]) != word)
			return 0;
	}
	return 1;
}

static void guest_fill(uint64_t *page, uint64_t word)
{
	unsigned int i;

	for (i = 0; i < PK_PAGE / sizeof(*page); i++)
		WRITE_ONCE(page[i], word);
}

static void guest_count(void)
{
	uint64_t *word;
	unsigned int i;

	for (i = 0;; i = (i + 1) % PK_PAGES) {
		word = (void *)pk_gpa(i);
		WRITE_ONCE(*word, READ_ONCE(*word) + 1);
	}
}

static uint64_t serve(uint64_t op, uint64_t *page, uint64_t value)
{
	switch (op) {
	case PK_IS:
		return guest_is(page, value * 0x0101010101010101ULL);
	case PK_FILL:
		guest_fill(page, value * 0x0101010101010101ULL);
		return 0;
	case PK_LOAD:
		return READ_ONCE(*page);
	case PK_STORE:
		WRITE_ONCE(*page, value);
		return 0;
	case PK_VECTOR:
		pk_store_vector(page, value);
		return 0;
	case PK_COUNT:
		guest_count();
	}
	return -1;
}

static void guest_server(void)
{
	for (;;)
		GUEST_SYNC(serve(READ_ONCE(cmd.op), (void *)READ_ONCE(cmd.gva),
				 READ_ONCE(cmd.value)));
}

/* Add the slot, or change its flags. */
void pk_slot(struct kvm_vm *vm, const struct pk_file *f, uint32_t flags)
{
	vm_set_user_memory_region(vm, PK_SLOT, flags, PK_GPA, PK_SIZE, f->mem);
}

/**
 * pk_open_log() - Open the kernel's log at its end
 *
 * Return: file descriptor for pk_kvm_warnings().
 */
int pk_open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	TEST_ASSERT(fd >= 0 && lseek(fd, 0, SEEK_END) >= 0, "/dev/kmsg: %s", strerror(errno));
	return fd;
}

/**
 * pk_kvm_warnings() - Count warnings that name a file of KVM
 * @log: of pk_open_log(), is read to its end
 *
 * Return: number of them.
 */
unsigned int pk_kvm_warnings(int log)
{
	unsigned int found = 0;
	char line[8192];
	ssize_t len;

	for (;;) {
		len = read(log, line, sizeof(line) - 1);
		if (len < 0 && errno == EAGAIN)
			return found;
		/* EPIPE: the log has overtaken the reader. */
		TEST_ASSERT(len >= 0 || errno == EPIPE, "/dev/kmsg: %s", strerror(errno));
		if (len < 0)
			continue;
		line[len] = '\0';
		if (!strstr(line, "WARNING: "))
			continue;
		printf("%s", strchr(line, ';') ?: line);
		found += !!strstr(line, "/kvm/");
	}
}

/** pk_enable_warnings() - Let a warning that is given once be given again */
void pk_enable_warnings(void)
{
	if (gmem_read_number("/proc/sys/kernel/panic_on_warn", NULL) != 0)
		gmem_skip("this kernel would panic: kernel.panic_on_warn");
	TEST_ASSERT(gmem_write_knob("/sys/kernel/debug/clear_warn_once", "1"),
		    "no /sys/kernel/debug/clear_warn_once: mount debugfs");
}

/**
 * pk_vm_create() - Create an ordinary VM with the pages in a slot
 * @f: pages
 * @slot_flags: KVM_MEM_*
 *
 * Return: the VM, whose vCPU waits for pk_do().
 */
struct pk_vm pk_vm_create(const struct pk_file *f, uint32_t slot_flags)
{
	struct pk_vm v;

	v.vm = vm_create_with_one_vcpu(&v.vcpu, guest_server);
	ucall_init(v.vm, NULL);
	pk_slot(v.vm, f, slot_flags);
	virt_map(v.vm, PK_GPA, PK_GPA, PK_PAGES);
	return v;
}

void pk_vm_free(struct pk_vm *v)
{
	ucall_uninit(v->vm);
	kvm_vm_free(v->vm);
	v->vm = NULL;
}

/* Go on after an exit that the host has dealt with. */
struct pk_run pk_resume(struct pk_vm *v)
{
	struct pk_run run = {};
	struct ucall uc;

	do {
		errno = 0;
		run.ret = __vcpu_run(v->vcpu);
		run.err = errno;
	} while (run.ret && run.err == EINTR);

	/* A failed KVM_RUN of 6.1 leaves the exit reason of the one before. */
	if (!run.ret && get_ucall(v->vcpu, &uc) == UCALL_SYNC) {
		run.done = true;
		run.result = uc.args[1];
	}
	return run;
}

/**
 * pk_try() - Let the guest access a page
 * @v: VM whose vCPU waits for a command
 * @op: what to do
 * @page: number of the page
 * @value: operand
 *
 * Return: how it ended.  If it is not done, the guest is still at it.
 */
struct pk_run pk_try(struct pk_vm *v, enum pk_op op, unsigned int page, uint64_t value)
{
	cmd.op = op;
	cmd.gva = pk_gpa(page);
	cmd.value = value;
	sync_global_to_guest(v->vm, cmd);
	return pk_resume(v);
}

/* The same, and it must be done.  Return: its result. */
uint64_t pk_do(struct pk_vm *v, enum pk_op op, unsigned int page, uint64_t value)
{
	struct pk_run run = pk_try(v, op, page, value);

	TEST_ASSERT(run.done, "operation %u on page %u: KVM_RUN returned %d, %s, exit reason %u",
		    op, page, run.ret, strerror(run.err), v->vcpu->run->exit_reason);
	return run.result;
}

void pk_assert_efault(struct pk_vm *v, enum pk_op op, unsigned int page)
{
	struct pk_run run = pk_try(v, op, page, 0);

	TEST_ASSERT(run.ret == -1 && run.err == EFAULT,
		    "operation %u on page %u: KVM_RUN returned %d, %s, exit reason %u, expected %s",
		    op, page, run.ret, strerror(run.err), v->vcpu->run->exit_reason,
		    strerror(EFAULT));
}
