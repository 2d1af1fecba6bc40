/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What private guest memory must do, in plain C: the state of one VM and the
 * effect and result of each operation on it.  Two bytes stand for a page.
 *
 * Functions that model a system call return 0 or a negative errno.  The rules
 * are those of Documentation/virt/kvm/gmem/api.rst.
 */
#ifndef SELFTEST_KVM_GMEM_MODEL_H
#define SELFTEST_KVM_GMEM_MODEL_H

#include <errno.h>
#include <stdbool.h>

#include <linux/kvm.h>
#include <linux/types.h>

#define MODEL_GFNS	16	/* from the first one on */
#define MODEL_PAGES	8	/* of a file */
#define MODEL_FILES	3
#define MODEL_SLOTS	3
#define MODEL_VCPUS	2
#define MODEL_PASTS	MODEL_GFNS	/* as many as do not overlap */

#define MODEL_NO_FILE	MODEL_FILES	/* in place of a file: ordinary memory */

/* Who has put what is in a page there: an id of a binding, or one of these */
#define MODEL_UNUSED	0
#define MODEL_CONFLICT	(-1)

/* Contents of a page */
struct model_bytes {
	__u8 byte;		/* the first one */
	bool clock;		/* KVM has published a vCPU's clock */
};

struct model_page {
	struct model_bytes bytes;
	bool private;		/* state of the offset */
	bool pinned;		/* the host holds a reference */
	bool present;		/* there is one */
	bool held;		/* by the backend: the guest's alone */
	int owner;		/* id, or one of the values above */
};

struct model_file {
	bool open;
	unsigned int flags;	/* GUEST_MEMFD_FLAG_* */
	struct model_page pages[MODEL_PAGES];
};

struct model_slot {
	bool exists;
	unsigned int base, npages;
	unsigned int file;	/* or MODEL_NO_FILE */
	unsigned int offset;
	bool closed;		/* the file is gone */
	bool mmap;		/* the file is or was one with MMAP */
	int owner;
	struct model_bytes memory[MODEL_GFNS];	/* at userspace_addr, unless that is the file */
};

/* A slot that was deleted, and could come back as if nothing had happened */
struct model_past {
	bool exists;
	unsigned int base, npages, file, offset;
	int owner;
};

struct model_offer {
	unsigned int start, end;
};

/* How often something happened that a test is about */
enum model_event {
	MODEL_IN_THE_WAY,	/* a reference, of a conversion */
	MODEL_ZEROED,		/* a page with contents, not offered */
	MODEL_SHOWN,		/* a page with contents, offered */
	MODEL_USED_ELSEWHERE,	/* the same, zeroed because of its past */
	MODEL_ADDRESS_TAKEN,	/* a new slot overlaps another */
	MODEL_OFFSET_TAKEN,	/* a new binding overlaps another */
	MODEL_MADE_PRIVATE,	/* offsets, by a binding */
	MODEL_RESUMED,		/* a binding that was there before */
	NR_MODEL_EVENTS
};

/* What the guest of a sealed VM takes a gfn for */
enum model_view {
	MODEL_SHARED,
	MODEL_OWNED,
	MODEL_LOST,
};

struct model {
	bool holds;		/* the VM has a backend that takes pages */
	bool sealed;
	enum model_view view[MODEL_GFNS];
	bool private[MODEL_GFNS];
	struct model_file files[MODEL_FILES];
	struct model_slot slots[MODEL_SLOTS];
	struct model_past past[MODEL_PASTS];
	int last_owner;
	struct model_offer offers[MODEL_VCPUS];
	unsigned int clocks[MODEL_VCPUS];	/* gfn plus 1, or 0 */
	unsigned int *events;	/* of each kind */
};

enum model_access {
	MODEL_MEMORY,	/* contents are at ->bytes */
	MODEL_MMIO,
	MODEL_FAULT,	/* KVM_EXIT_MEMORY_FAULT, EFAULT */
	MODEL_GONE,	/* the same, EHWPOISON */
	NR_MODEL_ACCESSES
};

struct model_place {
	enum model_access access;
	struct model_bytes *bytes;
	struct model_page *page;	/* NULL if not a file's */
};

static inline void model_open(struct model *m, unsigned int f, unsigned int flags)
{
	struct model_file *file = &m->files[f];
	unsigned int i;

	*file = (struct model_file) { .open = true, .flags = flags };
	for (i = 0; i < MODEL_PAGES; i++) {
		file->pages[i].private = !(flags & GUEST_MEMFD_FLAG_INIT_SHARED);
		file->pages[i].owner = MODEL_UNUSED;
	}
}

static inline void model_close(struct model *m, unsigned int f)
{
	unsigned int i;

	m->files[f].open = false;
	for (i = 0; i < MODEL_PASTS; i++)
		m->past[i].exists &= m->past[i].file != f;
	for (i = 0; i < MODEL_SLOTS; i++) {
		if (m->slots[i].exists && m->slots[i].file == f) {
			m->slots[i].closed = true;
			m->slots[i].file = MODEL_NO_FILE;
		}
	}
}

static inline bool model_has_mmap(const struct model_file *file)
{
	return file->open && (file->flags & GUEST_MEMFD_FLAG_MMAP);
}

/* An empty range overlaps nothing. */
static inline bool model_overlaps(unsigned int a, unsigned int a_end, unsigned int b,
				  unsigned int b_end)
{
	return (a > b ? a : b) < (a_end < b_end ? a_end : b_end);
}

static inline struct model_slot *model_slot_at(struct model *m, unsigned int gfn)
{
	unsigned int i;

	for (i = 0; i < MODEL_SLOTS; i++) {
		struct model_slot *slot = &m->slots[i];

		if (slot->exists && gfn >= slot->base && gfn < slot->base + slot->npages)
			return slot;
	}
	return NULL;
}

/* The slot that is bound to an offset of a file */
static inline struct model_slot *model_bound(struct model *m, unsigned int f,
					     unsigned int index)
{
	unsigned int i;

	for (i = 0; i < MODEL_SLOTS; i++) {
		struct model_slot *slot = &m->slots[i];

		if (slot->exists && slot->file == f && index >= slot->offset &&
		    index < slot->offset + slot->npages)
			return slot;
	}
	return NULL;
}

/* Where an access of the guest ends up */
static inline struct model_place model_guest(struct model *m, unsigned int gfn)
{
	struct model_slot *slot = model_slot_at(m, gfn);
	bool private = m->private[gfn];
	struct model_place place = {};
	unsigned int page;

	if (m->view[gfn] == MODEL_LOST || (m->view[gfn] == MODEL_OWNED && !private)) {
		place.access = m->view[gfn] == MODEL_LOST ? MODEL_GONE : MODEL_FAULT;
		return place;
	}

	if (!slot) {
		place.access = private ? MODEL_FAULT : MODEL_MMIO;
		return place;
	}

	page = gfn - slot->base;
	if (slot->mmap || (private && (slot->closed || slot->file != MODEL_NO_FILE))) {
		if (slot->closed) {
			place.access = MODEL_FAULT;
			return place;
		}
		place.page = &m->files[slot->file].pages[slot->offset + page];
		place.bytes = &place.page->bytes;
		return place;
	}

	place.access = private ? MODEL_FAULT : MODEL_MEMORY;
	place.bytes = &slot->memory[page];
	return place;
}

/* What the backend holds is not the guest's to access as shared memory; KVM may. */
static inline enum model_access model_touch(struct model *m, unsigned int gfn)
{
	struct model_place place = model_guest(m, gfn);

	if (m->holds && place.page && place.page->held && !m->private[gfn])
		return MODEL_FAULT;
	return place.access;
}

/* The guest has accessed a gfn, or KVM on its behalf, or it has been pre-faulted. */
static inline void model_use(struct model *m, unsigned int gfn)
{
	struct model_place place = model_guest(m, gfn);
	struct model_slot *slot = model_slot_at(m, gfn);

	if (!place.page)
		return;
	place.page->present = true;
	place.page->held |= m->private[gfn];
	if (!slot->mmap || !m->private[gfn])
		return;
	if (place.page->owner == MODEL_UNUSED)
		place.page->owner = slot->owner;
	else if (place.page->owner != slot->owner)
		place.page->owner = MODEL_CONFLICT;
}

/* A vCPU is about to run: KVM publishes its clock, if it can. */
static inline void model_tick(struct model *m, unsigned int v)
{
	unsigned int gfn = m->clocks[v] - 1;
	struct model_place place;

	if (!m->clocks[v])
		return;

	place = model_guest(m, gfn);
	if (place.access != MODEL_MEMORY)
		return;
	place.bytes->clock = true;
	model_use(m, gfn);
}

/* The guest of a sealed VM has lost what is, or was, bound to an offset. */
static inline void model_lose(struct model *m, unsigned int f, unsigned int index)
{
	struct model_slot *slot = model_bound(m, f, index);
	enum model_view *view;
	unsigned int i;

	if (!m->sealed)
		return;
	for (i = 0; i < MODEL_PASTS; i++) {
		struct model_past *past = &m->past[i];

		if (past->file == f && index >= past->offset &&
		    index < past->offset + past->npages)
			past->exists = false;
	}
	if (!slot)
		return;
	view = &m->view[slot->base + index - slot->offset];
	if (*view == MODEL_OWNED)
		*view = MODEL_LOST;
}

/* Pages leave the file; their offsets stay what they are. */
static inline void model_punch(struct model *m, unsigned int f, unsigned int start,
			       unsigned int n)
{
	unsigned int i;

	for (i = start; i < start + n; i++) {
		struct model_page *page = &m->files[f].pages[i];

		page->bytes = (struct model_bytes) {};
		page->pinned = false;
		page->present = false;
		page->held = false;
		page->owner = MODEL_UNUSED;
		model_lose(m, f, i);
	}
}

static inline void model_allocate(struct model *m, unsigned int f, unsigned int start,
				  unsigned int n)
{
	unsigned int i;

	for (i = start; i < start + n; i++)
		m->files[f].pages[i].present = true;
}

/* KVM_PRE_FAULT_MEMORY; @left is the number of pages left. */
static inline int model_prefault(struct model *m, unsigned int start, unsigned int n,
				 unsigned int *left)
{
	unsigned int gfn;
	int err = 0;

	for (gfn = start; !err && gfn < start + n; gfn++) {
		enum model_access access = model_touch(m, gfn);

		if (access == MODEL_GONE)
			err = -EHWPOISON;
		else if (access == MODEL_FAULT)
			err = -EFAULT;
		else if (!model_slot_at(m, gfn))
			err = -ENOENT;
		else
			model_use(m, gfn);
	}
	*left = start + n - gfn + !!err;
	return *left < n ? 0 : err;
}

#endif /* SELFTEST_KVM_GMEM_MODEL_H */
