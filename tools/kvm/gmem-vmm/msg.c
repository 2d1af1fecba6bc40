// SPDX-License-Identifier: GPL-2.0-only
/* Messages, and the one way to end the guest from any thread. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm.h"

static void print(const char *fmt, va_list ap, const char *tail)
{
	char line[1024];
	int n;

	n = snprintf(line, sizeof(line), "gmem-vmm: ");
	vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	serial_flush();
	fprintf(stderr, tail ? "%s: %s\n" : "%s\n", line, tail);
}

/** say() - print one line of information on standard error. */
void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print(fmt, ap, NULL);
	va_end(ap);
}

/** die() - print one line and end the program; only before vCPUs run. */
void die(enum vmm_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print(fmt, ap, NULL);
	va_end(ap);
	exit(code);
}

/** die_errno() - die() with the text of errno appended. */
void die_errno(enum vmm_code code, const char *fmt, ...)
{
	const char *why = strerror(errno);
	va_list ap;

	va_start(ap, fmt);
	print(fmt, ap, why);
	va_end(ap);
	exit(code);
}

/**
 * vm_stop() - end the guest; the first reason given is the one that counts.
 * @vm: the VM
 * @code: how the program is to end
 * @fmt: the reason, as for printf()
 *
 * Any thread, any number of times.  Returns at once; the main thread stops
 * the vCPUs.
 */
void vm_stop(struct vm *vm, enum vmm_code code, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&vm->lock);
	if (!vm->stopped) {
		va_start(ap, fmt);
		print(fmt, ap, NULL);
		va_end(ap);
		vm->stopped = true;
		vm->code = code;
		pthread_cond_signal(&vm->stop_cond);
	}
	pthread_mutex_unlock(&vm->lock);
}
