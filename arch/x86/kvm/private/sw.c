// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software-protected VMs: the host kernel keeps host userspace away from
 * private memory.  The kernel itself is trusted and may access it.
 */

#include "private.h"

const struct kvm_private_ops kvm_sw_private_ops = {
	.kernel_access = true,
	.take_offer = kvm_private_take_offer,
};
