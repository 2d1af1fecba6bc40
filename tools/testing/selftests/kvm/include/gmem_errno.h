/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tables of calls and of the errors that they must give.
 *
 * A case is a table.  Each row that differs says its name, the case fails at
 * its end.  Rows are often put before a wall: the call fails anyhow, by an
 * error that belongs to a later check, so that the error tells how far it got.
 */
#ifndef SELFTEST_KVM_GMEM_ERRNO_H
#define SELFTEST_KVM_GMEM_ERRNO_H

#include "gmem_harness.h"
#include "gmem_util.h"

#define GMEM_BAD_PTR	((void *)8)	/* unmapped for any user process */

static unsigned int gmem_rows, gmem_bad_rows;

/* @ret and errno are those of a call; @err is 0 for success. */
static inline void __printf(3, 4)
gmem_row(long ret, int err, const char *fmt, ...)
{
	int seen = ret < 0 ? errno : 0;
	va_list ap;

	gmem_rows++;
	if (ret >= -1 && seen == err)
		return;

	gmem_bad_rows++;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(": returned %ld, %s, expected %s\n", ret,
	       seen ? strerrorname_np(seen) : "success",
	       err ? strerrorname_np(err) : "success");
}

#define gmem_row_true(_cond, _fmt, _args...) do {			\
	gmem_rows++;							\
	if (!(_cond)) {							\
		gmem_bad_rows++;					\
		printf(_fmt ": not " #_cond "\n", ##_args);		\
	}								\
} while (0)

static inline void gmem_end_of_rows(void)
{
	TEST_ASSERT(gmem_rows, "the table is empty");
	TEST_ASSERT(!gmem_bad_rows, "%u of %u rows failed", gmem_bad_rows,
		    gmem_rows);
}

#define GMEM_ERRNO_TEST(_name)						\
static void _name##_rows(void);						\
GMEM_TEST(_name)							\
{									\
	_name##_rows();							\
	gmem_end_of_rows();						\
}									\
static void _name##_rows(void)

static const struct gmem_type {
	const char *name;
	unsigned long type;
} gmem_types[] = {
	{ "default VM", GMEM_VM_DEFAULT },
	{ "protected VM", GMEM_VM_PROTECTED },
};

#define for_each_vm_type(_t)						\
	for (unsigned int __i = 0; __i < ARRAY_SIZE(gmem_types) &&	\
	     ((_t) = &gmem_types[__i], 1); __i++)

/* A copy of @arg that cannot be read from its byte @readable on */
static inline void *gmem_truncate(const void *arg, size_t readable)
{
	u8 *page = gmem_mmap_anon(2 * 4096);

	memcpy(page + 4096 - readable, arg, readable);
	TEST_ASSERT(!mprotect(page + 4096, 4096, PROT_NONE), "mprotect()");
	return page + 4096 - readable;
}

/*
 * %EFAULT as long as not all @size bytes of @arg can be read, then %EINVAL for
 * what they are.
 */
static inline void gmem_rows_truncated(int fd, unsigned long nr, const void *arg,
				       size_t size)
{
	size_t len;

	for (len = 0; len <= size; len += 8)
		gmem_row(ioctl(fd, nr, gmem_truncate(arg, len)),
			 len < size ? EFAULT : EINVAL, "%zu bytes readable", len);
}

/* A copy of @arg that cannot be written */
static inline void *gmem_write_protect(const void *arg, size_t size)
{
	u8 *page = gmem_mmap_anon(4096);

	memcpy(page, arg, size);
	TEST_ASSERT(!mprotect(page, 4096, PROT_READ), "mprotect()");
	return page;
}

/* An ioctl by a process that does not own the VM */
static inline int gmem_foreign_ioctl(int fd, unsigned long nr, void *arg)
{
	pid_t pid = fork();
	int status;

	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid)
		_exit(ioctl(fd, nr, arg) < 0 ? errno : 0);
	TEST_ASSERT(waitpid(pid, &status, 0) == pid && WIFEXITED(status),
		    "the child died");
	errno = WEXITSTATUS(status);
	return errno ? -1 : 0;
}

static inline void gmem_mask_signal(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	TEST_ASSERT(!sigprocmask(how, &set, NULL), "sigprocmask()");
}

static inline void gmem_no_op(int sig)
{
}

/* SIGUSR1 each millisecond, in system calls too, until the timer is deleted */
static inline timer_t gmem_signal_often(void)
{
	const struct itimerspec often = { { 0, 1000000 }, { 0, 1000000 } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct sigaction sa = { .sa_handler = gmem_no_op };
	timer_t timer;

	TEST_ASSERT(!sigaction(SIGUSR1, &sa, NULL), "sigaction()");
	TEST_ASSERT(!timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create()");
	TEST_ASSERT(!timer_settime(timer, 0, &often, NULL), "timer_settime()");
	return timer;
}

static inline int gmem_closed_fd(void)
{
	int fd = dup(STDOUT_FILENO);

	close(fd);
	return fd;
}

#endif /* SELFTEST_KVM_GMEM_ERRNO_H */
