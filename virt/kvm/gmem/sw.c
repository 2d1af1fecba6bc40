// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software-protected VMs: the host kernel keeps host userspace away from
 * private memory.  The kernel itself is trusted and may access it.
 */

#include "gmem.h"

const struct kvm_gmem_ops kvm_sw_gmem_ops = {
	.kernel_access = KVM_GMEM_ACCESS_DIRECT,
	.can_seal = true,
	.take_request = kvm_gmem_take_request,
};
