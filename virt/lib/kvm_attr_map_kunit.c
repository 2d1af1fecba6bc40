// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit module of KVM's attribute map.  It has a copy of the map, so that KVM
 * need not export what only tests use.
 */

#include <linux/module.h>

#include "../kvm/gmem/attr_map.c"
#include "../kvm/gmem/attr_map_oracle.c"
#include "../kvm/gmem/attr_map_test.c"

MODULE_LICENSE("GPL");
