// SPDX-License-Identifier: GPL-2.0-only
/* Kernel threads as pthreads that are registered with RCU. */

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <urcu/uatomic.h>
#include "shim.h"

struct task_struct {
	pthread_t thread;
	int (*fn)(void *data);
	void *data;
	int ret;
	bool stop;
};

static __thread struct task_struct *self;
static unsigned int running;

static void *kthread_main(void *arg)
{
	self = arg;
	rcu_register_thread();
	self->ret = self->fn(self->data);
	rcu_unregister_thread();
	return NULL;
}

/* While threads run, freed nodes wait for readers. */
struct task_struct *kthread_run(int (*fn)(void *), void *data,
				const char *fmt, ...)
{
	struct task_struct *task = calloc(1, sizeof(*task));

	assert(task);
	task->fn = fn;
	task->data = data;
	if (!running++)
		shim_rcu_threads(true);
	if (pthread_create(&task->thread, NULL, kthread_main, task))
		abort();
	return task;
}

bool kthread_should_stop(void)
{
	return uatomic_read(&self->stop);
}

int kthread_stop(struct task_struct *task)
{
	int ret;

	uatomic_set(&task->stop, true);
	pthread_join(task->thread, NULL);
	ret = task->ret;
	free(task);
	if (!--running)
		shim_rcu_threads(false);
	return ret;
}
