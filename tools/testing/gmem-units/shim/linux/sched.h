/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_SCHED_H
#define _SHIM_SCHED_H

#define cond_resched()	do { } while (0)
#define might_sleep()	do { } while (0)

#endif
