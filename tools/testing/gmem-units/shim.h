/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_H
#define _SHIM_H

#include <stdbool.h>

/**
 * struct shim_counters - what the allocator has seen
 * @live: Nodes allocated and not yet freed.
 * @attempts: Allocations tried, failed ones included.
 */
struct shim_counters {
	long live;
	unsigned long attempts;
};

void shim_counters_get(struct shim_counters *counters);
void shim_fail_nth(unsigned int nth);
void shim_rcu_threads(bool on);

#endif
