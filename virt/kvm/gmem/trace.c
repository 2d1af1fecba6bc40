// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoints of private guest memory.
 */

#include <linux/types.h>

#define CREATE_TRACE_POINTS
#include <trace/events/kvm_gmem.h>
