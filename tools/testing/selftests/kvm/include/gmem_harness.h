/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Named test cases with KTAP output.
 *
 * Each case runs in a child process with a deadline of its own, so that a case
 * that fails, crashes or hangs neither hides nor disturbs the cases after it.
 * Everything that a child prints becomes KTAP diagnostics.
 *
 *	GMEM_TEST(name) { TEST_ASSERT(...); }
 *	GMEM_TEST_TIMEOUT(name, seconds) { ... }
 *	GMEM_HARNESS_MAIN
 *
 * Command line: --list prints the names, every other argument selects the
 * cases whose name contains it.  GMEM_DEADLINE_SCALE in the environment
 * multiplies all deadlines.
 */
#ifndef SELFTEST_KVM_GMEM_HARNESS_H
#define SELFTEST_KVM_GMEM_HARNESS_H

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/compiler.h>

#include "gmem_clock.h"
#include "test_util.h"

#define GMEM_DEFAULT_DEADLINE	60	/* seconds */
#define GMEM_KILL_GRACE		10	/* seconds after the deadline */
#define GMEM_REASON_SIZE	256

struct gmem_case {
	const char *name;
	void (*run)(void);
	unsigned int deadline;		/* seconds */
	struct gmem_case *next;
};

enum gmem_verdict { GMEM_PASS, GMEM_FAIL, GMEM_SKIP };

static struct gmem_case *gmem_cases;
static struct gmem_case **gmem_cases_tail = &gmem_cases;

/* Shared with the child of the running case: why it skips. */
static char *gmem_skip_reason;

#define GMEM_REGISTER(_name, _deadline)					\
static struct gmem_case gmem_case_##_name = {				\
	.name = #_name, .run = gmem_run_##_name,			\
	.deadline = (_deadline),					\
};									\
static void __attribute__((constructor)) gmem_register_##_name(void)	\
{									\
	*gmem_cases_tail = &gmem_case_##_name;				\
	gmem_cases_tail = &gmem_case_##_name.next;			\
}

#define GMEM_TEST_TIMEOUT(_name, _deadline)				\
static void gmem_run_##_name(void);					\
GMEM_REGISTER(_name, _deadline)						\
static void gmem_run_##_name(void)

#define GMEM_TEST(_name) GMEM_TEST_TIMEOUT(_name, GMEM_DEFAULT_DEADLINE)

/* End the running case as skipped.  The reason must not be empty. */
static inline void __noreturn __printf(1, 2)
gmem_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(gmem_skip_reason, GMEM_REASON_SIZE, fmt, ap);
	va_end(ap);
	exit(KSFT_SKIP);
}

static inline unsigned int gmem_scale_deadline(unsigned int deadline)
{
	const char *scale = getenv("GMEM_DEADLINE_SCALE");

	return scale && atoi(scale) > 0 ? deadline * atoi(scale) : deadline;
}

static inline long gmem_now_ms(void)
{
	return gmem_now_ns() / 1000000;
}

static inline void __noreturn
gmem_case_child(const struct gmem_case *c, int out)
{
	setpgid(0, 0);
	if (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		_exit(KSFT_FAIL);
	close(out);
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(gmem_scale_deadline(c->deadline));
	c->run();
	exit(KSFT_PASS);
}

/* Print @len bytes as diagnostics; @bol carries "at beginning of line". */
static inline void gmem_relay(const char *buf, ssize_t len, bool *bol)
{
	ssize_t i;

	for (i = 0; i < len; i++) {
		if (*bol)
			fputs("# ", stdout);
		putchar(buf[i]);
		*bol = buf[i] == '\n';
	}
}

/* Relay the child's output until it is closed.  False: it took too long. */
static inline bool gmem_relay_output(int in, long limit_ms)
{
	struct pollfd pfd = { .fd = in, .events = POLLIN };
	long end = gmem_now_ms() + limit_ms;
	bool bol = true;
	char buf[1024];
	ssize_t len = 1;

	while (len > 0) {
		long left = end - gmem_now_ms();

		if (left <= 0 || poll(&pfd, 1, left) == 0) {
			len = -1;
			break;
		}
		len = read(in, buf, sizeof(buf));
		if (len > 0)
			gmem_relay(buf, len, &bol);
	}
	if (!bol)
		putchar('\n');
	return len == 0;
}

static inline enum gmem_verdict
gmem_judge(const struct gmem_case *c, int status, bool in_time)
{
	if (!in_time) {
		printf("# %s: killed, did not end by itself\n", c->name);
		return GMEM_FAIL;
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
		printf("# %s: deadline of %u s passed\n", c->name,
		       gmem_scale_deadline(c->deadline));
		return GMEM_FAIL;
	}
	if (WIFSIGNALED(status)) {
		printf("# %s: died of signal %d (%s)\n", c->name,
		       WTERMSIG(status), strsignal(WTERMSIG(status)));
		return GMEM_FAIL;
	}
	if (WEXITSTATUS(status) == KSFT_SKIP && gmem_skip_reason[0])
		return GMEM_SKIP;
	if (WEXITSTATUS(status) == KSFT_SKIP) {
		printf("# %s: skipped without a reason\n", c->name);
		return GMEM_FAIL;
	}
	if (WEXITSTATUS(status) != KSFT_PASS) {
		printf("# %s: exit status %d\n", c->name, WEXITSTATUS(status));
		return GMEM_FAIL;
	}
	return GMEM_PASS;
}

static inline enum gmem_verdict gmem_run_case(const struct gmem_case *c)
{
	long limit_ms = (gmem_scale_deadline(c->deadline) + GMEM_KILL_GRACE) * 1000L;
	int pipe_fds[2];
	bool in_time;
	int status;
	pid_t pid;

	fflush(stdout);
	gmem_skip_reason[0] = '\0';
	TEST_ASSERT(!pipe(pipe_fds), "pipe() failed");
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork() failed");
	if (!pid) {
		close(pipe_fds[0]);
		gmem_case_child(c, pipe_fds[1]);
	}
	close(pipe_fds[1]);
	setpgid(pid, pid);
	in_time = gmem_relay_output(pipe_fds[0], limit_ms);
	close(pipe_fds[0]);
	if (!in_time)
		kill(-pid, SIGKILL);
	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid() failed");
	/* Helpers that the case forked and left behind. */
	kill(-pid, SIGKILL);
	return gmem_judge(c, status, in_time);
}

static inline bool
gmem_case_selected(const struct gmem_case *c, int argc, char **argv)
{
	int i;

	if (argc < 2)
		return true;
	for (i = 1; i < argc; i++) {
		if (strstr(c->name, argv[i]))
			return true;
	}
	return false;
}

static inline void gmem_report(const struct gmem_case *c, unsigned int nr,
			       enum gmem_verdict verdict)
{
	printf("%sok %u %s", verdict == GMEM_FAIL ? "not " : "", nr, c->name);
	if (verdict == GMEM_SKIP)
		printf(" # SKIP %s", gmem_skip_reason);
	putchar('\n');
	fflush(stdout);
}

static inline int gmem_harness_main(int argc, char **argv)
{
	unsigned int counts[3] = {}, planned = 0, nr = 0;
	struct gmem_case *c;

	gmem_skip_reason = mmap(NULL, GMEM_REASON_SIZE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(gmem_skip_reason != MAP_FAILED, "mmap() failed");

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (c = gmem_cases; c; c = c->next)
			puts(c->name);
		return KSFT_PASS;
	}
	for (c = gmem_cases; c; c = c->next)
		planned += gmem_case_selected(c, argc, argv);
	printf("KTAP version 1\n1..%u\n", planned);
	for (c = gmem_cases; c; c = c->next) {
		enum gmem_verdict verdict;

		if (!gmem_case_selected(c, argc, argv))
			continue;
		verdict = gmem_run_case(c);
		counts[verdict]++;
		gmem_report(c, ++nr, verdict);
	}
	printf("# Totals: pass:%u fail:%u skip:%u\n",
	       counts[GMEM_PASS], counts[GMEM_FAIL], counts[GMEM_SKIP]);
	if (counts[GMEM_FAIL] || !planned)
		return KSFT_FAIL;
	return counts[GMEM_PASS] ? KSFT_PASS : KSFT_SKIP;
}

#define GMEM_HARNESS_MAIN						\
int main(int argc, char **argv)						\
{									\
	exit(gmem_harness_main(argc, argv));				\
}

#endif /* SELFTEST_KVM_GMEM_HARNESS_H */
