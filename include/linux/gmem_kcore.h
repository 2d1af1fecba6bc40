/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_GMEM_KCORE_H
#define _LINUX_GMEM_KCORE_H

#include <linux/mm_types.h>
#include <linux/uaccess.h>

#if defined(CONFIG_KVM_GUEST_MEMFD) && defined(CONFIG_PROC_KCORE)

int gmem_kcore_copy(void *dst, const void *src, size_t size, struct page *page);
void gmem_kcore_note_wiped(struct folio *folio);

#else

static inline int gmem_kcore_copy(void *dst, const void *src, size_t size,
				  struct page *page)
{
	return copy_from_kernel_nofault(dst, src, size);
}

static inline void gmem_kcore_note_wiped(struct folio *folio)
{
}

#endif

#endif /* _LINUX_GMEM_KCORE_H */
