/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clock of tests and benchmarks.
 */
#ifndef SELFTEST_KVM_GMEM_CLOCK_H
#define SELFTEST_KVM_GMEM_CLOCK_H

#include <time.h>

/* Nanoseconds; instructions where the machine's clock counts them */
static inline unsigned long long gmem_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

#endif /* SELFTEST_KVM_GMEM_CLOCK_H */
