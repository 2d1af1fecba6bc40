// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: I/O that has the page of a mapping, and is not done yet
 * when the page is to become private (invariant I1).
 *
 * As long as the I/O has the page, the conversion fails and says where; once it
 * is done, the same conversion succeeds.  I/O that comes later gets no page.
 */
#define _GNU_SOURCE
#include <linux/stddef.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>

#include "gmem_harness.h"
#include "gmem_fuse.h"
#include "gmem_world.h"

#define BEFORE	0x11
#define ARRIVED	0x22
#define SECRET	0x5a
#define TARGET	5	/* page */

struct transfer {
	int file;
	u8 *addr;
	bool writes;
	ssize_t done;
	pthread_t thread;
};

static void *run_transfer(void *arg)
{
	struct transfer *t = arg;

	t->done = t->writes ? pwrite(t->file, t->addr, PG, 0) :
			      pread(t->file, t->addr, PG, 0);
	return NULL;
}

static struct world make_shared(void)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	memset(host(&w, 0), BEFORE, PAGES * PG);
	return w;
}

/* Neither ioctl makes the page private, and the file's names its offset. */
static void assert_in_the_way(const struct world *w)
{
	u64 offset = 0x1234;

	ASSERT_ERRNO(convert(w, 0, PAGES, GMEM_PRIVATE), EAGAIN);
	assert_host(w, 0, BEFORE);
	assert_host(w, TARGET, BEFORE);
	ASSERT_ERRNO(__gmem_set_attrs2(w->slot.fd, (TARGET - 2) * PG, 5 * PG, GMEM_PRIVATE,
				       &offset), EAGAIN);
	ASSERT_EQ(offset, TARGET * PG);
	assert_host(w, TARGET, BEFORE);
	assert_guest(w, TARGET, BEFORE);
}

/* Nothing is in the way any more: go on where the conversion stopped. */
static void assert_out_of_the_way(const struct world *w, u8 value)
{
	ASSERT_OK(__gmem_set_attrs2(w->slot.fd, TARGET * PG, 3 * PG, GMEM_PRIVATE, NULL));
	assert_no_host(w, TARGET);
	assert_guest(w, TARGET, value);
	guest_fills(w, TARGET, SECRET);
}

/* A disk, a network or another process fills the page. */
GMEM_TEST(direct_read_in_flight)
{
	struct world w = make_shared();
	struct gmem_fuse fuse;
	struct transfer t = { .addr = host(&w, TARGET) };
	static u8 data[PG];

	gmem_fuse_mount(&fuse);
	t.file = fuse.file;
	pthread_create(&t.thread, NULL, run_transfer, &t);
	gmem_fuse_wait(&fuse);
	assert_in_the_way(&w);

	memset(data, ARRIVED, PG);
	gmem_fuse_answer(&fuse, gmem_fuse_next(&fuse, FUSE_READ)->head.unique, 0, data, PG);
	pthread_join(t.thread, NULL);
	ASSERT_EQ(t.done, PG);
	assert_host(&w, TARGET, ARRIVED);
	assert_out_of_the_way(&w, ARRIVED);

	ASSERT_ERRNO(pread(fuse.file, t.addr, PG, 0), EFAULT);
	assert_guest(&w, TARGET, SECRET);
	gmem_fuse_umount(&fuse);
}

/* Who reads the page reads it when it likes. */
GMEM_TEST(direct_write_in_flight)
{
	const struct fuse_write_out written = { .size = PG };
	const struct gmem_fuse_request *req;
	struct world w = make_shared();
	struct gmem_fuse fuse;
	struct transfer t = { .addr = host(&w, TARGET), .writes = true };

	gmem_fuse_mount(&fuse);
	t.file = fuse.file;
	pthread_create(&t.thread, NULL, run_transfer, &t);
	gmem_fuse_wait(&fuse);
	assert_in_the_way(&w);

	req = gmem_fuse_next(&fuse, FUSE_WRITE);
	TEST_ASSERT(gmem_host_page_is(req->body + sizeof(struct fuse_write_in), BEFORE),
		    "not the shared page");
	assert_in_the_way(&w);
	gmem_fuse_answer(&fuse, req->head.unique, 0, &written, sizeof(written));
	pthread_join(t.thread, NULL);
	ASSERT_EQ(t.done, PG);
	assert_out_of_the_way(&w, BEFORE);

	ASSERT_ERRNO(pwrite(fuse.file, t.addr, PG, 0), EFAULT);
	assert_guest(&w, TARGET, SECRET);
	gmem_fuse_umount(&fuse);
}

/* The process that does the I/O is killed meanwhile: its pages come back. */
GMEM_TEST(direct_read_is_killed)
{
	struct world w = make_shared();
	struct gmem_fuse fuse;
	struct transfer t = { .addr = host(&w, TARGET) };
	pid_t pid;

	gmem_fuse_mount(&fuse);
	t.file = fuse.file;
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		run_transfer(&t);
		_exit(0);
	}
	gmem_fuse_wait(&fuse);
	assert_in_the_way(&w);
	kill(pid, SIGKILL);
	/* The request has not been read yet, hence is withdrawn. */
	TEST_ASSERT(waitpid(pid, NULL, 0) == pid, "waitpid()");
	assert_out_of_the_way(&w, BEFORE);
	gmem_fuse_umount(&fuse);
}

struct ring {
	int fd;
	struct io_uring_params params;
	u8 *sq, *cq;
	struct io_uring_sqe *sqes;
};

static void *map_ring(const struct ring *r, u64 offset)
{
	void *mem = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, offset);

	TEST_ASSERT(mem != MAP_FAILED, "mmap() of io_uring: %s", strerror(errno));
	return mem;
}

static struct ring setup_ring(void)
{
	struct ring r = {};

	r.fd = syscall(SYS_io_uring_setup, 4, &r.params);
	if (r.fd < 0)
		gmem_skip("no io_uring: %s", strerror(errno));
	return r;
}

static struct ring make_ring(void)
{
	struct ring r = setup_ring();

	r.sq = map_ring(&r, IORING_OFF_SQ_RING);
	r.cq = map_ring(&r, IORING_OFF_CQ_RING);
	r.sqes = map_ring(&r, IORING_OFF_SQES);
	return r;
}

/* Start a read of one page.  There is only one at a time. */
static void submit_read(struct ring *r, int file, u8 *addr)
{
	u32 *tail = (u32 *)(r->sq + r->params.sq_off.tail);
	u32 *array = (u32 *)(r->sq + r->params.sq_off.array);
	u32 slot = *tail & (r->params.sq_entries - 1);

	/* Not by this thread: FUSE would block it. */
	r->sqes[slot] = (struct io_uring_sqe) {
		.opcode = IORING_OP_READ, .flags = IOSQE_ASYNC,
		.fd = file, .addr = (u64)addr, .len = PG,
	};
	array[slot] = slot;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	ASSERT_EQ(syscall(SYS_io_uring_enter, r->fd, 1, 0, 0, NULL, 0), 1);
}

static int wait_read(struct ring *r)
{
	u32 *head = (u32 *)(r->cq + r->params.cq_off.head);
	struct io_uring_cqe *cqes = (void *)(r->cq + r->params.cq_off.cqes);
	int res;

	ASSERT_OK(syscall(SYS_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0));
	res = cqes[*head & (r->params.cq_entries - 1)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return res;
}

GMEM_TEST(io_uring_read_in_flight)
{
	struct world w = make_shared();
	struct gmem_fuse fuse;
	struct ring ring;
	static u8 data[PG];

	ring = make_ring();
	gmem_fuse_mount(&fuse);
	submit_read(&ring, fuse.file, host(&w, TARGET));
	gmem_fuse_wait(&fuse);
	assert_in_the_way(&w);

	memset(data, ARRIVED, PG);
	gmem_fuse_answer(&fuse, gmem_fuse_next(&fuse, FUSE_READ)->head.unique, 0, data, PG);
	ASSERT_EQ(wait_read(&ring), PG);
	assert_host(&w, TARGET, ARRIVED);
	assert_out_of_the_way(&w, ARRIVED);

	submit_read(&ring, fuse.file, host(&w, TARGET));
	ASSERT_EQ(wait_read(&ring), -EFAULT);
	assert_guest(&w, TARGET, SECRET);
	gmem_fuse_umount(&fuse);
}

static int register_buffer(const struct ring *r, u8 *addr)
{
	struct iovec iov = { .iov_base = addr, .iov_len = PG };

	return syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_BUFFERS, &iov, 1);
}

static void unregister_buffers(const struct ring *r)
{
	ASSERT_OK(syscall(SYS_io_uring_register, r->fd, IORING_UNREGISTER_BUFFERS, NULL, 0));
}

/*
 * A buffer that io_uring keeps.  6.1 keeps no pages of files other than those of
 * tmpfs and hugetlbfs; a kernel that does must give them back.
 */
GMEM_TEST(io_uring_fixed_buffer)
{
	struct world w = make_shared();
	struct ring ring = make_ring();

	ASSERT_OK(register_buffer(&ring, gmem_mmap_anon(PG)));
	unregister_buffers(&ring);
	if (!register_buffer(&ring, host(&w, TARGET))) {
		assert_in_the_way(&w);
		unregister_buffers(&ring);
	} else {
		ASSERT_EQ(errno, EOPNOTSUPP);
	}
	assert_out_of_the_way(&w, BEFORE);
	ASSERT_ERRNO(register_buffer(&ring, host(&w, TARGET)), EFAULT);
	assert_guest(&w, TARGET, SECRET);
}

/* A VMM that keeps kvm->srcu busy: a page of its memory never comes. */
struct busy_vm {
	int fd, vcpu, file;
	struct gmem_fuse fuse;
	pthread_t thread;
};

static void *pre_fault(void *arg)
{
	struct kvm_pre_fault_memory range = { .size = PG };
	const struct busy_vm *b = arg;

	ioctl(b->vcpu, KVM_PRE_FAULT_MEMORY, &range);
	return NULL;
}

static void make_vm(struct busy_vm *b)
{
	b->fd = gmem_vm_open(GMEM_VM_PROTECTED);
	b->vcpu = ioctl(b->fd, KVM_CREATE_VCPU, 0);
	TEST_ASSERT(b->vcpu >= 0, "KVM_CREATE_VCPU: %s", strerror(errno));
	b->file = gmem_create(b->fd, PG, 0);
}

/* From here on, nobody can change the address space. */
static void make_vm_busy(struct busy_vm *b)
{
	void *mem;

	gmem_fuse_mount(&b->fuse);
	mem = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, b->fuse.file, 0);
	TEST_ASSERT(mem != MAP_FAILED, "mmap() of FUSE: %s", strerror(errno));
	gmem_set_region2(b->fd, 0, 0, 0, PG, mem, -1, 0);
	pthread_create(&b->thread, NULL, pre_fault, b);
	gmem_fuse_wait(&b->fuse);
}

static void end_busy_vm(struct busy_vm *b)
{
	static const u8 data[PG];

	gmem_fuse_answer(&b->fuse, gmem_fuse_next(&b->fuse, FUSE_READ)->head.unique, 0, data,
			 PG);
	pthread_join(b->thread, NULL);
	gmem_fuse_umount(&b->fuse);
}

/* True: the other end of a pipe is closed before long. */
static bool is_closed_soon(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 1000 * gmem_scale_deadline(10)) == 1;
}

/* Somebody who was given the file closes it, and does not wait for the VMM. */
GMEM_TEST_TIMEOUT(closed_by_a_stranger, 90)
{
	int end[2], go[2];
	struct busy_vm b;
	bool closed;
	pid_t pid;
	char c;

	make_vm(&b);
	ASSERT_OK(pipe(end));
	ASSERT_OK(pipe(go));
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		close(b.file);
		close(end[0]);
		close(end[1]);
		pause();
	}
	make_vm_busy(&b);
	close(end[1]);
	close(b.file);
	TEST_ASSERT(write(go[1], "", 1) == 1, "write() to a pipe");
	closed = is_closed_soon(end[0]);
	end_busy_vm(&b);
	kill(pid, SIGKILL);
	TEST_ASSERT(waitpid(pid, NULL, 0) == pid, "waitpid()");
	TEST_ASSERT(closed, "the VMM has kept somebody else waiting");
}

/* Leave the last reference to an io_uring that goes away: a kernel thread drops it. */
static void close_by_kernel(int fd)
{
	struct ring ring = setup_ring();

	ASSERT_OK(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, &fd, 1));
	close(fd);
	close(ring.fd);
}

static bool kernel_closes_files(void)
{
	int end[2];

	ASSERT_OK(pipe(end));
	close_by_kernel(end[1]);
	return is_closed_soon(end[0]);
}

/* It does so for everybody: the files of others are closed nevertheless. */
GMEM_TEST_TIMEOUT(closed_by_a_kernel_thread, 90)
{
	struct busy_vm b;
	bool closed = true;
	int i;

	TEST_ASSERT(kernel_closes_files(), "nobody closes files");

	make_vm(&b);
	make_vm_busy(&b);
	close_by_kernel(b.file);
	/* An io_uring may take longer to go away than the next one. */
	for (i = 0; closed && i < 20; i++)
		closed = kernel_closes_files();
	end_busy_vm(&b);
	TEST_ASSERT(closed, "the VMM has kept the kernel from closing files");
}

GMEM_HARNESS_MAIN
