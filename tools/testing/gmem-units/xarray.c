// SPDX-License-Identifier: GPL-2.0-only
/* The xarray of the kernel tree, with its own assertions on. */

#define XA_DEBUG
#include <assert.h>
#include <linux/bug.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include XARRAY_C
