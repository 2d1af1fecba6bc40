/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_GMEM_QUARANTINE_H
#define _LINUX_GMEM_QUARANTINE_H

#include <linux/mm_types.h>

void gmem_quarantine_folio(struct folio *folio);

#endif /* _LINUX_GMEM_QUARANTINE_H */
