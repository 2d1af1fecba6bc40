/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VMs whose private memory belongs to KVM's test backend.
 */
#ifndef SELFTEST_KVM_GMEM_BACKEND_H
#define SELFTEST_KVM_GMEM_BACKEND_H

#include <fcntl.h>
#include <sys/ioctl.h>

#include <linux/bits.h>
#include <linux/kvm.h>

#include "gmem_harness.h"
#include "gmem_knob.h"

/* Types of VMs, for KVM_CREATE_VM */
#define GMEM_TEST_VM		0x474d0000UL
#define GMEM_TEST_DESTRUCTIVE	1UL
#define GMEM_TEST_NO_ACCESS	2UL
#define GMEM_TEST_TYPES		4UL

/* What a page of a destructive backend contains when the guest gets it */
#define GMEM_TEST_TO_GUEST	0xa5

#define GMEM_TEST_DIR		"/sys/kernel/debug/kvm/gmem_test/"

/* Members of the backend that can fail, as files in GMEM_TEST_DIR */
#define GMEM_FAIL_ACCESS	"fail_access"
#define GMEM_FAIL_ADD		"fail_add"
#define GMEM_FAIL_PREPARE	"fail_prepare"
#define GMEM_FAIL_PRIVATE	"fail_make_private"
#define GMEM_FAIL_SHARED	"fail_make_shared"
#define GMEM_FAIL_RECLAIM	"fail_reclaim"

static inline void gmem_set_failure(const char *member, const char *knob, int value)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), GMEM_TEST_DIR "%s/%s", member, knob);
	snprintf(text, sizeof(text), "%d", value);
	TEST_ASSERT(gmem_write_knob(path, text), "%s: %s", path, strerror(errno));
}

static inline void gmem_stop_failures(void)
{
	gmem_set_failure(GMEM_FAIL_ACCESS, "probability", 0);
	gmem_set_failure(GMEM_FAIL_ADD, "probability", 0);
	gmem_set_failure(GMEM_FAIL_PREPARE, "probability", 0);
	gmem_set_failure(GMEM_FAIL_PRIVATE, "probability", 0);
	gmem_set_failure(GMEM_FAIL_SHARED, "probability", 0);
	gmem_set_failure(GMEM_FAIL_RECLAIM, "probability", 0);
}

/* The @nth call from now on fails, counting from 1, and @times - 1 after it. */
static inline void gmem_fail_call(const char *member, int nth, int times)
{
	gmem_set_failure(member, "space", nth);
	gmem_set_failure(member, "times", times);
	gmem_set_failure(member, "probability", 100);
}

/* So many calls of a hundred fail, until further notice. */
static inline void gmem_fail_often(const char *member, int percentage)
{
	gmem_set_failure(member, "space", 0);
	gmem_set_failure(member, "times", -1);
	gmem_set_failure(member, "probability", percentage);
}

/* Kernel reports: a bad page, a warning */
#define GMEM_TAINTS	(BIT(5) | BIT(9))

static long gmem_taints;

static inline void gmem_check_taints(void)
{
	long now = gmem_read_number("/proc/sys/kernel/tainted", NULL);

	if (~gmem_taints & now & GMEM_TAINTS) {
		printf("the kernel has reported something, see its log\n");
		_exit(KSFT_FAIL);
	}
}

/*
 * For the rest of the case: the kernel must not report anything.  Skips it on a
 * kernel without the backend.
 */
static inline void gmem_begin_backend_case(void)
{
	int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, GMEM_TEST_VM);

	if (vm < 0 && errno == EINVAL)
		gmem_skip("kernel without CONFIG_KVM_GMEM_TEST_BACKEND");
	TEST_ASSERT(vm >= 0, "KVM_CREATE_VM: %s", strerror(errno));
	close(vm);
	close(kvm);

	gmem_taints = gmem_read_number("/proc/sys/kernel/tainted", NULL);
	gmem_stop_failures();
	atexit(gmem_check_taints);
	atexit(gmem_stop_failures);
}

/*
 * Give the contents of a page of ours, or none, to the guest as private memory.
 * Returns 0, or -1 with errno.
 */
static inline int gmem_add_contents(int vm, u64 gpa, const void *addr)
{
	int fd = open(GMEM_TEST_DIR "add", O_WRONLY), ret;

	TEST_ASSERT(fd >= 0, GMEM_TEST_DIR "add: %s", strerror(errno));
	ret = dprintf(fd, "%d %#lx %#lx", vm, gpa, (unsigned long)addr);
	close(fd);
	return ret < 0 ? -1 : 0;
}

/* Pages that guests own, of all VMs */
static inline long gmem_owned_pages(void)
{
	return gmem_read_number(GMEM_TEST_DIR "owned", NULL);
}

#endif /* SELFTEST_KVM_GMEM_BACKEND_H */
