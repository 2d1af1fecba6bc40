/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel threads as pthreads that are registered with RCU. */
#ifndef _SHIM_KTHREAD_H
#define _SHIM_KTHREAD_H

#include <stdbool.h>

struct task_struct;

struct task_struct *kthread_run(int (*fn)(void *), void *data,
				const char *fmt, ...);
bool kthread_should_stop(void);
int kthread_stop(struct task_struct *task);

#endif
