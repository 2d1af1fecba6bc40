// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: the host's ways to a page (invariant I1).
 *
 * Every attempt has a positive control: the same attempt at the same address
 * succeeds before the page becomes private and after it is shared again.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

#include "gmem_attack.h"

static bool by_load(u8 *addr, u8 *seen)
{
	return gmem_host_read(addr, seen);
}

static bool by_store(u8 *addr, u8 *seen)
{
	return gmem_host_write(addr, FORGED);
}

static bool by_write_syscall(u8 *addr, u8 *seen)
{
	int fds[2];
	bool good;

	TEST_ASSERT(!pipe(fds), "pipe()");
	good = write(fds[1], addr, 1) == 1 && read(fds[0], seen, 1) == 1;
	close(fds[0]);
	close(fds[1]);
	return good;
}

static bool by_read_syscall(u8 *addr, u8 *seen)
{
	u8 forged = FORGED;
	int fds[2];
	bool good;

	TEST_ASSERT(!pipe(fds) && write(fds[1], &forged, 1) == 1, "pipe()");
	good = read(fds[0], addr, 1) == 1;
	close(fds[0]);
	close(fds[1]);
	return good;
}

static bool by_vmsplice(u8 *addr, u8 *seen)
{
	struct iovec iov = { .iov_base = addr, .iov_len = 1 };
	int fds[2];
	bool good;

	TEST_ASSERT(!pipe(fds), "pipe()");
	good = vmsplice(fds[1], &iov, 1, 0) == 1 && read(fds[0], seen, 1) == 1;
	close(fds[0]);
	close(fds[1]);
	return good;
}

static bool by_process_vm_readv(u8 *addr, u8 *seen)
{
	struct iovec local = { .iov_base = seen, .iov_len = 1 };
	struct iovec remote = { .iov_base = addr, .iov_len = 1 };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

static bool by_process_vm_writev(u8 *addr, u8 *seen)
{
	u8 forged = FORGED;
	struct iovec local = { .iov_base = &forged, .iov_len = 1 };
	struct iovec remote = { .iov_base = addr, .iov_len = 1 };

	return process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 1;
}

static bool by_proc_mem(u8 *addr, u8 *seen)
{
	int fd = open("/proc/self/mem", O_RDWR);
	bool good;

	TEST_ASSERT(fd >= 0, "opening /proc/self/mem");
	good = pread(fd, seen, 1, (uintptr_t)addr) == 1;
	close(fd);
	return good;
}

static bool by_proc_mem_write(u8 *addr, u8 *seen)
{
	int fd = open("/proc/self/mem", O_RDWR);
	u8 forged = FORGED;
	bool good;

	TEST_ASSERT(fd >= 0, "opening /proc/self/mem");
	good = pwrite(fd, &forged, 1, (uintptr_t)addr) == 1;
	close(fd);
	return good;
}

/* A traced child with the same mapping, stopped */
static pid_t start_tracee(void)
{
	pid_t pid = fork();
	int status;

	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	TEST_ASSERT(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "tracee");
	return pid;
}

static void end_tracee(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool by_ptrace_peek(u8 *addr, u8 *seen)
{
	pid_t pid = start_tracee();
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, addr, NULL);
	*seen = word;
	word = errno;
	end_tracee(pid);
	return !word;
}

static bool by_ptrace_poke(u8 *addr, u8 *seen)
{
	pid_t pid = start_tracee();
	long ret = ptrace(PTRACE_POKEDATA, pid, addr, (void *)(long)FORGED);

	end_tracee(pid);
	return !ret;
}

static bool by_fork(u8 *addr, u8 *seen)
{
	pid_t pid = fork();
	int status;

	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid)
		_exit(gmem_host_read(addr, seen) ? *seen : 0xff);
	TEST_ASSERT(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "child");
	*seen = WEXITSTATUS(status);
	return *seen != 0xff;
}

/* A second mapping of the same page, made by a move of length zero */
static bool by_mremap(u8 *addr, u8 *seen)
{
	u8 *again = mremap(addr, 0, PG, MREMAP_MAYMOVE);
	bool good;

	if (again == MAP_FAILED)
		return false;
	good = gmem_host_read(again, seen);
	munmap(again, PG);
	return good;
}

static bool by_populate_read(u8 *addr, u8 *seen)
{
	return !madvise(addr, PG, MADV_POPULATE_READ) && gmem_host_read(addr, seen);
}

static bool by_populate_write(u8 *addr, u8 *seen)
{
	return !madvise(addr, PG, MADV_POPULATE_WRITE) && gmem_host_read(addr, seen);
}

static bool by_mlock(u8 *addr, u8 *seen)
{
	bool locked = !mlock(addr, PG);
	bool good = gmem_host_read(addr, seen);

	munlock(addr, PG);
	return locked || good;
}

static bool by_futex(u8 *addr, u8 *seen)
{
	/* A wait for a value that is not there reads the word. */
	errno = 0;
	syscall(SYS_futex, addr, FUTEX_WAIT, 0x12345678, NULL, NULL, 0);
	return errno == EAGAIN;
}

ATTACK(by_load, false)
ATTACK(by_store, true)
ATTACK(by_write_syscall, false)
ATTACK(by_read_syscall, true)
ATTACK(by_vmsplice, false)
ATTACK(by_process_vm_readv, false)
ATTACK(by_process_vm_writev, true)
ATTACK(by_proc_mem, false)
ATTACK(by_proc_mem_write, true)
ATTACK(by_ptrace_peek, false)
ATTACK(by_ptrace_poke, true)
ATTACK(by_fork, false)
ATTACK(by_mremap, false)
ATTACK(by_populate_read, false)
ATTACK(by_populate_write, false)
ATTACK(by_mlock, false)
ATTACK(by_futex, false)

/* The descriptor gives nothing, private or shared. */
GMEM_TEST(descriptor_gives_nothing)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	int other = gmem_create(w.vm->fd, PG, GMEM_INPLACE);
	int out = memfd_create("out", 0);
	int fds[2];

	TEST_ASSERT(!pipe(fds), "pipe()");
	memset(host(&w, 0), SECRET, PG);
	ASSERT_OK(convert(&w, 1, 1, GMEM_PRIVATE));
	ASSERT_ERRNO(splice(w.slot.fd, NULL, fds[1], NULL, PG, 0), EINVAL);
	ASSERT_ERRNO(sendfile(out, w.slot.fd, NULL, PG), EINVAL);
	ASSERT_ERRNO(copy_file_range(w.slot.fd, NULL, other, NULL, PG, 0), EINVAL);
	TEST_ASSERT(write(fds[1], "forged", 6) == 6, "write()");
	ASSERT_ERRNO(splice(fds[0], NULL, w.slot.fd, NULL, 6, 0), EINVAL);
}

/* A mapping that is moved or grown while the page is private */
GMEM_TEST(mapping_moves)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	u8 *moved, v;

	memset(host(&w, 0), SECRET, PAGES * PG);
	ASSERT_OK(convert(&w, TARGET, 1, GMEM_PRIVATE));
	moved = mremap(w.slot.hva, PAGES * PG, 2 * PAGES * PG, MREMAP_MAYMOVE);
	TEST_ASSERT(moved != MAP_FAILED, "mremap()");
	ASSERT_EQ(moved[0], SECRET);
	TEST_ASSERT(!gmem_host_read(moved + TARGET * PG, &v), "read of a private page");
	TEST_ASSERT(!gmem_host_read(moved + PAGES * PG, &v), "read past the end");
	TEST_ASSERT(mmap(NULL, PAGES * PG, PROT_READ, MAP_SHARED | MAP_POPULATE,
			 w.slot.fd, 0) != MAP_FAILED, "mmap()");
}

/* Locked pages are no reason to refuse a conversion. */
GMEM_TEST(locked_mapping)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	unsigned int round;

	memset(host(&w, 0), SECRET, PAGES * PG);
	ASSERT_OK(mlock(w.slot.hva, PAGES * PG));
	for (round = 0; round < 20; round++) {
		ASSERT_OK(convert(&w, TARGET, 2, GMEM_PRIVATE));
		assert_no_host(&w, TARGET);
		ASSERT_OK(convert(&w, TARGET, 2, GMEM_SHARED));
		assert_host(&w, TARGET, 0);
	}
	ASSERT_OK(munlock(w.slot.hva, PAGES * PG));
}

/* A slot whose userspace_addr is the mapping: KVM's own way to a host page */
GMEM_TEST(alias_slot)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	u64 alias = GMEM_BASE + (1ULL << 30);
	struct gmem_run run;

	ASSERT_OK(__gmem_set_region1(w.vm->fd, SLOT + 1, 0, alias, PAGES * PG, w.slot.hva));
	virt_map(w.vm, alias, alias, PAGES);
	memset(host(&w, TARGET), SECRET, PG);
	ASSERT_EQ(gmem_cmd_result(w.vcpu, GMEM_CMD_READ, alias + TARGET * PG, 0), SECRET);

	ASSERT_OK(convert(&w, TARGET, 1, GMEM_PRIVATE));
	run = gmem_cmd(w.vcpu, GMEM_CMD_READ, alias + TARGET * PG, 0);
	TEST_ASSERT(run.exit != GMEM_EXIT_SYNC, "read %#lx through the alias", run.args[1]);
	ASSERT_EQ(run.ret, -1);
	ASSERT_OK(convert(&w, TARGET, 1, GMEM_SHARED));
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
}

#define PATTERN_SIZE	64

static void make_pattern(u8 *pattern, unsigned int seed)
{
	int i;

	for (i = 0; i < PATTERN_SIZE; i++)
		pattern[i] = seed + i * 37;
}

static bool file_contains(const char *path, const u8 *pattern)
{
	int fd = open(path, O_RDONLY);
	static u8 page[PG];
	bool found = false;

	TEST_ASSERT(fd >= 0, "no core file %s", path);
	while (!found && read(fd, page, PG) > 0)
		found = memmem(page, PG, pattern, PATTERN_SIZE);
	close(fd);
	return found;
}

GMEM_TEST(core_dump)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct world w = make_world(GMEM_SLOT_INPLACE);
	u8 shared[PATTERN_SIZE], private[PATTERN_SIZE];
	FILE *f = fopen("/proc/sys/kernel/core_pattern", "w");
	int status;
	pid_t pid;

	if (!f)
		gmem_skip("kernel without core dumps");
	TEST_ASSERT(fputs("/tmp/gmem-core", f) > 0 && !fclose(f), "core_pattern");
	unlink("/tmp/gmem-core");
	make_pattern(shared, 1);
	make_pattern(private, 2);
	memcpy(host(&w, TARGET), private, PATTERN_SIZE);
	memcpy(host(&w, TARGET + 1), shared, PATTERN_SIZE);
	ASSERT_OK(convert(&w, TARGET, 1, GMEM_PRIVATE));
	memset(private, 0, PATTERN_SIZE);
	memset(shared, 0, PATTERN_SIZE);

	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		f = fopen("/proc/self/coredump_filter", "w");
		if (!f || fputs("0x7f", f) <= 0 || fclose(f))
			_exit(1);
		setrlimit(RLIMIT_CORE, &unlimited);
		abort();
	}
	TEST_ASSERT(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
		    WCOREDUMP(status), "no core dump, status %#x", status);
	make_pattern(shared, 1);
	TEST_ASSERT(file_contains("/tmp/gmem-core", shared), "no shared page in the core");
	make_pattern(private, 2);
	TEST_ASSERT(!file_contains("/tmp/gmem-core", private), "a private page is in the core");
	unlink("/tmp/gmem-core");
}

/* KVM accesses these pages for userspace, at addresses that userspace names. */
GMEM_TEST(addresses_named_by_userspace)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	struct kvm_vapic_addr vapic = { .vapic_addr = gpa(3) };
	struct kvm_xen_hvm_attr hvm = {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO,
		.u.shared_info.gfn = gpa(3) / PG,
	};
	struct kvm_xen_vcpu_attr info = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
		.u.gpa = gpa(3),
	};
	struct kvm_xen_hvm_config config = { .msr = 0x40000000 };

	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	ASSERT_ERRNO(ioctl(w.vcpu->fd, KVM_SET_VAPIC_ADDR, &vapic), EINVAL);
	ASSERT_ERRNO(ioctl(w.vm->fd, KVM_XEN_HVM_SET_ATTR, &hvm), EINVAL);
	ASSERT_ERRNO(ioctl(w.vcpu->fd, KVM_XEN_VCPU_SET_ATTR, &info), EINVAL);
	ASSERT_ERRNO(ioctl(w.vm->fd, KVM_XEN_HVM_CONFIG, &config), EINVAL);
}

GMEM_HARNESS_MAIN
