/* SPDX-License-Identifier: GPL-2.0-only */
/* In the kernel a spinlock section is a reader of RCU, and xarray.c needs it. */
#ifndef _SHIM_SPINLOCK_H
#define _SHIM_SPINLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <linux/rcupdate.h>

struct shim_spinlock {
	pthread_mutex_t mutex;
};

#define spinlock_t		struct shim_spinlock

#define __SPIN_LOCK_UNLOCKED(x)	{ PTHREAD_MUTEX_INITIALIZER }
#define spin_lock_init(x)	pthread_mutex_init(&(x)->mutex, NULL)
#define spin_trylock(x)		(!pthread_mutex_trylock(&(x)->mutex))

static inline void spin_lock(spinlock_t *lock)
{
	pthread_mutex_lock(&lock->mutex);
	rcu_read_lock();
}

static inline void spin_unlock(spinlock_t *lock)
{
	rcu_read_unlock();
	pthread_mutex_unlock(&lock->mutex);
}

#define spin_lock_bh(x)			spin_lock(x)
#define spin_unlock_bh(x)		spin_unlock(x)
#define spin_lock_irq(x)		spin_lock(x)
#define spin_unlock_irq(x)		spin_unlock(x)
#define spin_lock_irqsave(x, f)		((void)(f), spin_lock(x))
#define spin_unlock_irqrestore(x, f)	((void)(f), spin_unlock(x))

#endif
