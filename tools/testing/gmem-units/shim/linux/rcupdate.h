/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_RCUPDATE_H
#define _SHIM_RCUPDATE_H

#include <linux/kernel.h>
#undef synchronize_rcu
#include <urcu.h>

#define rcu_dereference_raw(p)			rcu_dereference(p)
#define rcu_dereference_protected(p, cond)	(p)
#define rcu_dereference_check(p, cond)		rcu_dereference(p)
#define RCU_INIT_POINTER(p, v)			((p) = (v))

void shim_call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));

#undef call_rcu
#define call_rcu(head, func)	shim_call_rcu(head, func)

#endif
