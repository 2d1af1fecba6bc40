/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Let allocations of the calling thread fail.
 */
#ifndef SELFTEST_KVM_GMEM_FAILURE_H
#define SELFTEST_KVM_GMEM_FAILURE_H

#include "gmem_harness.h"
#include "gmem_knob.h"

/*
 * Which ones fail: the one of that number, or all from the slab once it has
 * given so many bytes.  Only the latter gets through to the caller where a
 * second attempt follows the first.
 */
enum gmem_failure { GMEM_FAIL_ONE, GMEM_FAIL_REST };

/* So many bytes more with each attempt: no object here is smaller. */
#define GMEM_REST_STEP	32

#define GMEM_FAILSLAB	"/sys/kernel/debug/failslab/"
#define GMEM_FAIL_PAGE	"/sys/kernel/debug/fail_page_alloc/"
#define GMEM_TIMES	"1000000"	/* more failures than there will be */

/* Failures of every kind and size, silent, of threads that ask for them */
static struct gmem_knob {
	const char *path, *value;
	char before[32];
} gmem_knobs[] = {
	{ GMEM_FAILSLAB "task-filter", "Y" },
	{ GMEM_FAILSLAB "probability", "100" },
	{ GMEM_FAILSLAB "ignore-gfp-wait", "N" },
	{ GMEM_FAILSLAB "verbose", "0" },
	{ GMEM_FAILSLAB "times", GMEM_TIMES },
	{ GMEM_FAILSLAB "space", "0" },
	{ GMEM_FAIL_PAGE "ignore-gfp-wait", "N" },
	{ GMEM_FAIL_PAGE "ignore-gfp-highmem", "N" },
	{ GMEM_FAIL_PAGE "min-order", "0" },
	{ GMEM_FAIL_PAGE "verbose", "0" },
};

/* Open before anything can fail */
static int gmem_one_fd, gmem_rest_fd;

/* Backwards: without its filter of tasks, the other knobs would hit everybody. */
static inline void gmem_restore_knobs(void)
{
	unsigned int i;

	for (i = ARRAY_SIZE(gmem_knobs); i-- > 0;)
		gmem_write_knob(gmem_knobs[i].path, gmem_knobs[i].before);
}

/* For the rest of the case.  Skips it on a kernel without fault injection. */
static inline void gmem_enable_failures(void)
{
	unsigned int i;

	if (access(GMEM_FAILSLAB, F_OK))
		gmem_skip("kernel without fault injection");
	for (i = 0; i < ARRAY_SIZE(gmem_knobs); i++)
		gmem_read_knob(gmem_knobs[i].path, gmem_knobs[i].before,
			       sizeof(gmem_knobs[i].before));
	atexit(gmem_restore_knobs);
	for (i = 0; i < ARRAY_SIZE(gmem_knobs); i++)
		TEST_ASSERT(gmem_write_knob(gmem_knobs[i].path, gmem_knobs[i].value), "%s: %s",
			    gmem_knobs[i].path, strerror(errno));
	gmem_one_fd = open("/proc/thread-self/fail-nth", O_RDWR);
	gmem_rest_fd = open("/proc/thread-self/make-it-fail", O_RDWR);
	TEST_ASSERT(gmem_one_fd >= 0 && gmem_rest_fd >= 0, "open(): %s", strerror(errno));
}

static inline void gmem_write_number(int fd, unsigned int value)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", value);

	TEST_ASSERT(pwrite(fd, text, len, 0) == len, "no failures: %s", strerror(errno));
}

static inline void gmem_begin_failure(enum gmem_failure failure, unsigned int nth)
{
	char text[16];

	if (failure == GMEM_FAIL_ONE) {
		gmem_write_number(gmem_one_fd, nth);
		return;
	}
	snprintf(text, sizeof(text), "%u", (nth - 1) * GMEM_REST_STEP);
	TEST_ASSERT(gmem_write_knob(GMEM_FAILSLAB "times", GMEM_TIMES) &&
		    gmem_write_knob(GMEM_FAILSLAB "space", text), "%s", strerror(errno));
	gmem_write_number(gmem_rest_fd, 1);
}

/* True: a failure has come.  Keeps errno. */
static inline bool gmem_end_failure(enum gmem_failure failure)
{
	char text[16] = {};
	int err = errno;
	bool failed;

	if (failure == GMEM_FAIL_ONE) {
		TEST_ASSERT(pread(gmem_one_fd, text, sizeof(text) - 1, 0) > 0, "fail-nth");
		failed = !atoi(text);
		gmem_write_number(gmem_one_fd, 0);
	} else {
		gmem_write_number(gmem_rest_fd, 0);
		gmem_read_knob(GMEM_FAILSLAB "times", text, sizeof(text));
		failed = atoi(text) != atoi(GMEM_TIMES);
	}
	errno = err;
	return failed;
}

#endif /* SELFTEST_KVM_GMEM_FAILURE_H */
