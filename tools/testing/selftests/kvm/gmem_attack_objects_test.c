// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: attacks with objects - descriptors, slots, processes
 * and VMs that come, go and are passed on.  Unless a case says otherwise, what
 * it attacks is invariant I1: the host reaches no private page.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "gmem_harness.h"
#include "gmem_world.h"

#define SECRET	0x5a
#define TARGET	5	/* page */

/* A world with a secret in one private page; all others are shared. */
static struct world make_secret(void)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	memset(host(&w, 0), 0x11, PAGES * PG);
	memset(host(&w, TARGET), SECRET, PG);
	ASSERT_OK(convert(&w, TARGET, 1, GMEM_PRIVATE));
	assert_guest(&w, TARGET, SECRET);
	return w;
}

/* Call @fn in a child process; fails if it fails. */
static void in_child(void (*fn)(const struct world *w), const struct world *w)
{
	pid_t pid = fork();
	int status;

	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		fn(w);
		_exit(0);
	}
	TEST_ASSERT(waitpid(pid, &status, 0) == pid && !status,
		    "the child ended with status %#x", status);
}

/* No name leads to the file: it has one descriptor, with the modes that it has. */
GMEM_TEST(reopening)
{
	struct world w = make_secret();
	struct { struct file_handle head; u8 id[128]; } handle = {
		.head.handle_bytes = 128,
	};
	char path[96], target[96];
	int mount;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", w.slot.fd);
	ASSERT_ERRNO(open(path, O_RDWR), ENXIO);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (long)w.slot.hva,
		 (long)(w.slot.hva + PAGES * PG));
	TEST_ASSERT(readlink(path, target, sizeof(target)) > 0, "no %s", path);
	ASSERT_ERRNO(open(path, O_RDONLY), ENXIO);
	ASSERT_ERRNO(name_to_handle_at(w.slot.fd, "", &handle.head, &mount, AT_EMPTY_PATH),
		     EOPNOTSUPP);
	ASSERT_ERRNO(linkat(w.slot.fd, "", AT_FDCWD, "/tmp/gmem-link", AT_EMPTY_PATH), EXDEV);
}

static bool vm_reads(void *addr)
{
	u8 seen;
	struct iovec local = { &seen, 1 }, remote = { addr, 1 };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

/* What memfd_secret keeps from others, guest_memfd keeps from its owner, too. */
GMEM_TEST(beside_memfd_secret)
{
	struct world w = make_secret();
	int fd = syscall(SYS_memfd_secret, 0);
	u8 *secret;

	if (fd < 0)
		gmem_skip("memfd_secret: %s", strerror(errno));
	ASSERT_OK(ftruncate(fd, PG));
	secret = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TEST_ASSERT(secret != MAP_FAILED, "mmap(): %s", strerror(errno));
	secret[0] = SECRET;
	ASSERT_EQ(vm_reads(secret), false);
	ASSERT_EQ(vm_reads(host(&w, TARGET)), false);
	ASSERT_EQ(vm_reads(host(&w, TARGET + 1)), true);
	assert_no_host(&w, TARGET);
}

/* A slot of ordinary memory where the private page was; then the old one again */
GMEM_TEST(slot_replaced)
{
	struct world w = make_secret();
	u8 *forged = gmem_mmap_anon(PAGES * PG);

	memset(forged, 0x77, PAGES * PG);
	gmem_slot_delete(&w.slot, w.vm->fd);
	assert_no_host(&w, TARGET);
	ASSERT_OK(__gmem_set_region1(w.vm->fd, SLOT, 0, GMEM_BASE, PAGES * PG, forged));
	gmem_cmd_fault(w.vcpu, GMEM_CMD_READ, gpa(TARGET), 0, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	ASSERT_OK(__gmem_set_region1(w.vm->fd, SLOT, 0, GMEM_BASE, 0, NULL));
	bind_again(&w);
	ASSERT_EQ(gmem_resume(w.vcpu), SECRET);
	assert_no_host(&w, TARGET);
}

/* The page is bound at shared addresses: it stays out of the host's reach. */
GMEM_TEST(bound_where_all_is_shared)
{
	struct world w = make_secret();

	gmem_slot_delete(&w.slot, w.vm->fd);
	gmem_set_attrs(w.vm->fd, GMEM_BASE, PAGES * PG, GMEM_SHARED);
	bind_again(&w);
	assert_no_host(&w, TARGET);
	assert_host(&w, TARGET + 1, 0x11);
	gmem_set_attrs2(w.slot.fd, TARGET * PG, PG, GMEM_SHARED);
	assert_host(&w, TARGET, 0);
}

/* Make a slot of another VM with the file or, without flags, with its mapping. */
static int lend(const struct world *w, const struct world *to, u32 flags)
{
	return __gmem_set_region2(to->vm->fd, SLOT + 1, flags, gpa(PAGES), PAGES * PG,
				  w->slot.hva, w->slot.fd, 0);
}

/* The VMM builds the VM anew around the old file, as for a reboot (I1, I8). */
GMEM_TEST(file_in_another_vm)
{
	struct world w = make_secret(), next = make_world(GMEM_SLOT_INPLACE);

	ASSERT_ERRNO(lend(&w, &next, KVM_MEM_GUEST_MEMFD), EINVAL);
	gmem_slot_delete(&w.slot, w.vm->fd);
	ASSERT_ERRNO(lend(&w, &next, KVM_MEM_GUEST_MEMFD), EINVAL);
	ASSERT_OK(lend(&w, &next, 0));
	virt_map(next.vm, gpa(PAGES), gpa(PAGES), PAGES);
	ASSERT_EQ(gmem_cmd_result(next.vcpu, GMEM_CMD_READ, gpa(PAGES + TARGET + 1), 0), 0x11);
	ASSERT_EQ(gmem_cmd(next.vcpu, GMEM_CMD_READ, gpa(PAGES + TARGET), 0).ret, -1);
	gmem_set_attrs2(w.slot.fd, TARGET * PG, PG, GMEM_SHARED);
	ASSERT_EQ(gmem_resume(next.vcpu), 0);
}

/* A new process with the descriptor, without the VM's address space */
static void use_foreign_file(const struct world *w)
{
	u8 *mem = gmem_mmap(w->slot.fd, PAGES * PG, 0), v;

	TEST_ASSERT(!gmem_host_read(mem + TARGET * PG, &v), "read a private page");
	TEST_ASSERT(gmem_host_page_is(mem + (TARGET + 1) * PG, 0x11), "no shared page");
	ASSERT_ERRNO(__gmem_set_attrs2(w->slot.fd, 0, PAGES * PG, GMEM_SHARED, NULL), EIO);
	ASSERT_ERRNO(__gmem_set_attrs(w->vm->fd, GMEM_BASE, PG, GMEM_SHARED), EIO);
	ASSERT_ERRNO(__gmem_create(w->vm->fd, PG, 0), EIO);
	ASSERT_ERRNO(ioctl(w->vcpu->fd, KVM_RUN, NULL), EIO);
}

GMEM_TEST(descriptor_in_another_process)
{
	struct world w = make_secret();

	in_child(use_foreign_file, &w);
	assert_guest(&w, TARGET, SECRET);
}

/* The same after exec, in the process that was the VMM */
static void __attribute__((constructor)) run_after_exec(void)
{
	const char *fds = getenv("GMEM_TEST_FDS");
	struct kvm_vcpu vcpu = {};
	struct kvm_vm vm = {};
	struct world w = { .vm = &vm, .vcpu = &vcpu };

	if (!fds)
		return;
	TEST_ASSERT(sscanf(fds, "%d %d %d", &w.slot.fd, &vm.fd, &vcpu.fd) == 3, "%s", fds);
	use_foreign_file(&w);
	_exit(0);
}

static void make_and_exec(const struct world *unused)
{
	struct world w = make_secret();
	char fds[48], *argv[] = { "exec", NULL }, *env[] = { fds, NULL };

	snprintf(fds, sizeof(fds), "GMEM_TEST_FDS=%d %d %d", w.slot.fd, w.vm->fd, w.vcpu->fd);
	fcntl(w.vm->fd, F_SETFD, 0);
	fcntl(w.vcpu->fd, F_SETFD, 0);
	execve("/proc/self/exe", argv, env);
	TEST_FAIL("execve(): %s", strerror(errno));
}

GMEM_TEST(exec_of_the_vmm)
{
	in_child(make_and_exec, NULL);
}

/* The VM's descriptors are closed, the file's is not (I1, I8). */
GMEM_TEST(file_outlives_the_descriptors)
{
	struct world w = make_secret();

	close(w.vcpu->fd);
	ASSERT_OK(munmap(w.vcpu->run, ioctl(w.vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL)));
	close(w.vm->fd);
	assert_no_host(&w, TARGET);
	assert_host(&w, TARGET + 1, 0x11);
	gmem_set_attrs2(w.slot.fd, 0, PAGES * PG, GMEM_SHARED);
	assert_host(&w, TARGET, 0);
	assert_host(&w, TARGET + 1, 0x11);
}

/* Somebody gets hold of the descriptor, and kills the VMM. */
GMEM_TEST(vmm_is_killed)
{
	struct world w = {};
	int pipe_fds[2], pidfd;
	pid_t pid;
	u8 *mem, v;

	TEST_ASSERT(!pipe(pipe_fds), "pipe()");
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		w = make_secret();
		if (write(pipe_fds[1], &w.slot.fd, sizeof(w.slot.fd)) < 0)
			_exit(1);
		pause();
	}
	close(pipe_fds[1]);
	TEST_ASSERT(read(pipe_fds[0], &w.slot.fd, sizeof(w.slot.fd)) == sizeof(w.slot.fd),
		    "the child failed");
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	w.slot.fd = syscall(SYS_pidfd_getfd, pidfd, w.slot.fd, 0);
	TEST_ASSERT(w.slot.fd >= 0, "pidfd_getfd(): %s", strerror(errno));
	kill(pid, SIGKILL);
	TEST_ASSERT(waitpid(pid, NULL, 0) == pid, "waitpid()");

	mem = gmem_mmap(w.slot.fd, PAGES * PG, 0);
	TEST_ASSERT(!gmem_host_read(mem + TARGET * PG, &v), "read a private page");
	TEST_ASSERT(gmem_host_page_is(mem + (TARGET + 1) * PG, 0x11), "no shared page");
	ASSERT_ERRNO(__gmem_set_attrs2(w.slot.fd, 0, PAGES * PG, GMEM_SHARED, NULL), EIO);
	gmem_punch(w.slot.fd, TARGET * PG, PG);
	TEST_ASSERT(!gmem_host_read(mem + TARGET * PG, &v), "a hole made the page shared");
}

/* An eventfd at a private address must not see what the guest does there. */
GMEM_TEST(ioeventfd_at_a_private_address)
{
	struct world w = make_secret();
	int event = eventfd(0, EFD_NONBLOCK);
	struct kvm_ioeventfd args = { .addr = gpa(TARGET), .fd = event };
	u64 count;

	ASSERT_OK(ioctl(w.vm->fd, KVM_IOEVENTFD, &args));
	gmem_cmd_result(w.vcpu, GMEM_CMD_WRITE, gpa(TARGET), 1);
	ASSERT_ERRNO(read(event, &count, sizeof(count)), EAGAIN);
	/* Nor where there is no slot */
	gmem_slot_delete(&w.slot, w.vm->fd);
	gmem_cmd_fault(w.vcpu, GMEM_CMD_WRITE, gpa(TARGET), 1, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	ASSERT_ERRNO(read(event, &count, sizeof(count)), EAGAIN);
	/* The control: it does where the address is shared. */
	gmem_set_attrs(w.vm->fd, gpa(TARGET), PG, GMEM_SHARED);
	ASSERT_EQ(gmem_resume(w.vcpu), 0);
	ASSERT_EQ(read(event, &count, sizeof(count)), sizeof(count));
}

GMEM_HARNESS_MAIN
