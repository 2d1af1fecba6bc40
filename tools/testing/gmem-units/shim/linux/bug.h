/* SPDX-License-Identifier: GPL-2.0-only */
/* A warning of the kernel is a failure of the test. */
#ifndef _SHIM_BUG_H
#define _SHIM_BUG_H

#include <stdio.h>
#include <stdlib.h>
#include <linux/compiler.h>

#define WARN_ON(condition) ({						\
	int __ret_warn_on = !!(condition);				\
	if (__ret_warn_on) {						\
		printf("Bail out! WARN_ON(%s) at %s:%d\n", #condition,	\
		       __FILE__, __LINE__);				\
		abort();						\
	}								\
	__ret_warn_on;							\
})
#define WARN_ON_ONCE(condition) WARN_ON(condition)
#define dump_stack()		abort()

#endif
