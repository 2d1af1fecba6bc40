// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linked into 6.12's selftests by scripts/campaigns/baseline, for kernels that lack
 * KVM_SET_USER_MEMORY_REGION2. The library of these tests wants it whatever the
 * test is about, but uses of it what KVM_SET_USER_MEMORY_REGION has, too: the
 * structure of the latter is the beginning of the other.
 */
#include <linux/kvm.h>

int __real_ioctl(int fd, unsigned long request, void *argument);

int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
	if (request == KVM_CHECK_EXTENSION &&
	    (unsigned long)argument == KVM_CAP_USER_MEMORY2)
		return 1;
	if (request == KVM_SET_USER_MEMORY_REGION2)
		request = KVM_SET_USER_MEMORY_REGION;
	return __real_ioctl(fd, request, argument);
}
