/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files of procfs, sysfs and debugfs with one value.
 */
#ifndef SELFTEST_KVM_GMEM_KNOB_H
#define SELFTEST_KVM_GMEM_KNOB_H

#include <fcntl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test_util.h"

static inline bool gmem_write_knob(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	bool good;

	if (fd < 0)
		return false;
	good = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return good;
}

static inline void gmem_read_knob(const char *path, char *value, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t end = 0;
	ssize_t len;

	TEST_ASSERT(fd >= 0, "open of %s: %s", path, strerror(errno));
	while ((len = read(fd, value + end, size - 1 - end)) > 0)
		end += len;
	TEST_ASSERT(!len, "read of %s: %s", path, strerror(errno));
	value[end] = '\0';
	close(fd);
}

/* A number in a file, after @key if that is not NULL; -1: not there */
static inline long gmem_read_number(const char *path, const char *key)
{
	FILE *f = fopen(path, "r");
	char line[128];
	long value = -1;

	if (!f)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), f)) {
		if (!key)
			value = atol(line);
		else if (!strncmp(line, key, strlen(key)))
			value = atol(line + strlen(key));
	}
	fclose(f);
	return value;
}

/* KiB */
static inline long gmem_meminfo(const char *key)
{
	long kb = gmem_read_number("/proc/meminfo", key);

	TEST_ASSERT(kb >= 0, "no %s in /proc/meminfo", key);
	return kb;
}

#endif /* SELFTEST_KVM_GMEM_KNOB_H */
