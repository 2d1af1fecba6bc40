/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What private guest memory must do, in plain C: the state of one VM and the
 * effect and result of each operation on it.  One byte stands for a page.
 *
 * Functions that model a system call return 0 or a negative errno.  The rules
 * are those of Documentation/virt/kvm/guest-memory.rst.
 */
#ifndef SELFTEST_KVM_GMEM_MODEL_H
#define SELFTEST_KVM_GMEM_MODEL_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <linux/kvm.h>
#include <linux/types.h>

#define MODEL_GFNS	16	/* from the first one on */
#define MODEL_PAGES	8	/* of a file */
#define MODEL_FILES	3
#define MODEL_SLOTS	3
#define MODEL_VCPUS	2

#define MODEL_NO_FILE	MODEL_FILES	/* in place of a file: ordinary memory */

/* Where a guest has used a page as private memory, other than at one gfn */
#define MODEL_UNUSED	(-1)
#define MODEL_CONFLICT	(-2)

struct model_page {
	__u8 byte;
	bool private;		/* state of the offset */
	bool pinned;		/* the host holds a reference */
	int used_at;		/* gfn, or one of the values above */
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
	__u8 memory[MODEL_GFNS];	/* at userspace_addr, unless that is the file */
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
	MODEL_TAKEN,		/* memory slots and bindings that overlap */
	MODEL_MADE_PRIVATE,	/* offsets, by a binding */
	NR_MODEL_EVENTS
};

struct model {
	bool private[MODEL_GFNS];
	struct model_file files[MODEL_FILES];
	struct model_slot slots[MODEL_SLOTS];
	struct model_offer offers[MODEL_VCPUS];
	unsigned int *events;	/* of each kind */
};

/* A part of a file that a conversion covers, and its gfns if it is bound */
struct model_part {
	struct model_file *file;
	unsigned int start, end;
	bool bound;
	unsigned int gfn;
};

struct model_parts {
	struct model_part part[2 * MODEL_SLOTS + 1];
	unsigned int nr;
};

enum model_access {
	MODEL_MEMORY,	/* the byte is at ->byte */
	MODEL_MMIO,
	MODEL_FAULT,	/* KVM_EXIT_MEMORY_FAULT, EFAULT */
};

struct model_place {
	enum model_access access;
	__u8 *byte;
	struct model_page *page;	/* NULL if not a file's */
};

static inline void model_open(struct model *m, unsigned int f, unsigned int flags)
{
	struct model_file *file = &m->files[f];
	unsigned int i;

	*file = (struct model_file) { .open = true, .flags = flags };
	for (i = 0; i < MODEL_PAGES; i++) {
		file->pages[i].private = !(flags & GUEST_MEMFD_FLAG_INIT_SHARED);
		file->pages[i].used_at = MODEL_UNUSED;
	}
}

static inline void model_close(struct model *m, unsigned int f)
{
	unsigned int i;

	m->files[f].open = false;
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

/* Neither range may be empty to have something in common. */
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
		place.byte = &place.page->byte;
		return place;
	}

	place.access = private ? MODEL_FAULT : MODEL_MEMORY;
	place.byte = &slot->memory[page];
	return place;
}

/* The guest has accessed a gfn, or it has been pre-faulted. */
static inline void model_use(struct model *m, unsigned int gfn)
{
	struct model_place place = model_guest(m, gfn);
	struct model_slot *slot = model_slot_at(m, gfn);

	if (!place.page || !slot->mmap || !m->private[gfn])
		return;
	if (place.page->used_at == MODEL_UNUSED)
		place.page->used_at = gfn;
	else if (place.page->used_at != (int)gfn)
		place.page->used_at = MODEL_CONFLICT;
}

/* The first offer in a range, used up to its end */
static inline bool model_take_offer(struct model *m, unsigned int start, unsigned int end,
				    struct model_offer *taken)
{
	struct model_offer *first = NULL;
	unsigned int i;

	for (i = 0; i < MODEL_VCPUS; i++) {
		struct model_offer *offer = &m->offers[i];

		if (model_overlaps(offer->start, offer->end, start, end) &&
		    (!first || offer->start < first->start))
			first = offer;
	}
	if (!first)
		return false;

	taken->start = first->start > start ? first->start : start;
	taken->end = first->end < end ? first->end : end;
	first->start = taken->end;
	return true;
}

static inline void model_drop_offers(struct model *m, unsigned int start, unsigned int end)
{
	struct model_offer taken;

	while (model_take_offer(m, start, end, &taken))
		;
}

/* A page becomes shared: show what is in it only if that was @offered at @gfn. */
static inline void model_reveal_page(struct model *m, struct model_page *page, bool offered,
				     int gfn)
{
	bool here = page->used_at == MODEL_UNUSED || page->used_at == gfn;

	if (page->byte)
		m->events[!offered ? MODEL_ZEROED : here ? MODEL_SHOWN :
							   MODEL_USED_ELSEWHERE]++;
	if (!offered || !here)
		page->byte = 0;
}

/* Show a run of private pages to the host: what was offered, or zeroes */
static inline void model_reveal_run(struct model *m, const struct model_part *part,
				    unsigned int start, unsigned int end)
{
	struct model_offer offer;
	unsigned int i;

	while (start < end) {
		unsigned int gfn = part->gfn - part->start;

		offer.start = end + gfn;
		offer.end = end + gfn;
		if (part->bound)
			model_take_offer(m, start + gfn, end + gfn, &offer);
		for (i = start; i < offer.end - gfn; i++)
			model_reveal_page(m, &part->file->pages[i], i >= offer.start - gfn,
					  i + gfn);
		start = offer.end - gfn;
	}
}

static inline void model_reveal(struct model *m, const struct model_part *part)
{
	unsigned int start = part->start, end;

	for (; start < part->end; start = end) {
		bool private = part->file->pages[start].private;

		for (end = start + 1; end < part->end; end++) {
			if (part->file->pages[end].private != private)
				break;
		}
		if (private)
			model_reveal_run(m, part, start, end);
	}
}

static inline bool model_parts_have(const struct model_parts *parts, bool private)
{
	unsigned int i, j;

	for (i = 0; i < parts->nr; i++) {
		const struct model_part *part = &parts->part[i];

		for (j = part->start; j < part->end; j++) {
			if (part->file->pages[j].private != private)
				return false;
		}
	}
	return true;
}

/* What is in the way of a conversion to private; @index is the page's. */
static inline int model_isolate(const struct model_parts *parts, unsigned int *index)
{
	unsigned int i, j;

	for (i = 0; i < parts->nr; i++) {
		const struct model_part *part = &parts->part[i];

		for (j = part->start; j < part->end; j++) {
			if (part->file->pages[j].private || !part->file->pages[j].pinned)
				continue;
			*index = j;
			return -EAGAIN;
		}
	}
	return 0;
}

static inline int model_convert_parts(struct model *m, const struct model_parts *parts,
				      bool private, unsigned int *index)
{
	unsigned int i, j;

	if (private && model_isolate(parts, index)) {
		m->events[MODEL_IN_THE_WAY]++;
		return -EAGAIN;
	}

	for (i = 0; i < parts->nr; i++) {
		const struct model_part *part = &parts->part[i];

		if (!private)
			model_reveal(m, part);
		for (j = part->start; j < part->end; j++) {
			if (private && !part->file->pages[j].private)
				part->file->pages[j].used_at = MODEL_UNUSED;
			part->file->pages[j].private = private;
		}
	}
	return 0;
}

/* The slot of the lowest gfn from @gfn on, if any begins or goes on below @end */
static inline struct model_slot *model_next_slot(struct model *m, unsigned int gfn,
						 unsigned int end)
{
	for (; gfn < end; gfn++) {
		if (model_slot_at(m, gfn))
			return model_slot_at(m, gfn);
	}
	return NULL;
}

/* KVM_SET_MEMORY_ATTRIBUTES */
static inline int model_attrs(struct model *m, unsigned int start, unsigned int n, bool private)
{
	unsigned int end = start + n, gfn, from, to, index;
	struct model_parts parts = {};
	struct model_slot *slot;
	bool same = true;

	for (gfn = start; gfn < end; gfn++)
		same &= m->private[gfn] == private;
	for (gfn = start; (slot = model_next_slot(m, gfn, end)); gfn = slot->base + slot->npages) {
		if (slot->file == MODEL_NO_FILE || !slot->mmap)
			continue;
		from = slot->base > start ? slot->base : start;
		to = slot->base + slot->npages < end ? slot->base + slot->npages : end;
		parts.part[parts.nr++] = (struct model_part) {
			.file = &m->files[slot->file],
			.start = slot->offset + from - slot->base,
			.end = slot->offset + to - slot->base,
			.bound = true,
			.gfn = from,
		};
	}

	if (!same || !model_parts_have(&parts, private)) {
		if (model_convert_parts(m, &parts, private, &index))
			return -EAGAIN;
		for (gfn = start; gfn < end; gfn++)
			m->private[gfn] = private;
	}
	model_drop_offers(m, start, end);
	return 0;
}

/* KVM_SET_MEMORY_ATTRIBUTES2; after EAGAIN @index is that of error_offset. */
static inline int model_attrs2(struct model *m, unsigned int f, unsigned int start,
			       unsigned int n, bool private, unsigned int *index)
{
	struct model_parts parts = {};
	struct model_part *part;
	struct model_slot *slot;
	unsigned int i, pos, end = start + n;
	bool same = true;

	if (!model_has_mmap(&m->files[f]))
		return -EINVAL;

	for (pos = start; pos < end; pos = part->end) {
		slot = model_bound(m, f, pos);
		part = &parts.part[parts.nr++];
		*part = (struct model_part) {
			.file = &m->files[f],
			.start = pos,
			.end = pos + 1,
			.bound = slot,
			.gfn = slot ? slot->base + pos - slot->offset : 0,
		};
		while (part->end < end && model_bound(m, f, part->end) == slot)
			part->end++;
		for (i = 0; slot && i < part->end - pos; i++)
			same &= m->private[part->gfn + i] == private;
	}

	if (!same || !model_parts_have(&parts, private)) {
		if (model_convert_parts(m, &parts, private, index))
			return -EAGAIN;
		for (i = 0; i < parts.nr; i++) {
			part = &parts.part[i];
			for (pos = 0; part->bound && pos < part->end - part->start; pos++)
				m->private[part->gfn + pos] = private;
		}
	}
	for (i = 0; i < parts.nr; i++) {
		part = &parts.part[i];
		if (part->bound)
			model_drop_offers(m, part->gfn, part->gfn + part->end - part->start);
	}
	return 0;
}

/* Pages leave the file; their offsets stay what they are. */
static inline void model_punch(struct model *m, unsigned int f, unsigned int start,
			       unsigned int n)
{
	unsigned int i;

	for (i = start; i < start + n; i++) {
		struct model_page *page = &m->files[f].pages[i];

		page->byte = 0;
		page->pinned = false;
		page->used_at = MODEL_UNUSED;
	}
}

static inline bool model_slot_fits(struct model *m, unsigned int base, unsigned int n)
{
	unsigned int gfn;

	for (gfn = base; gfn < base + n; gfn++) {
		if (model_slot_at(m, gfn))
			return false;
	}
	return true;
}

/* Offsets become private whose gfns are. */
static inline int model_bind(struct model *m, unsigned int f, unsigned int offset,
			     unsigned int base, unsigned int n)
{
	struct model_parts parts = {};
	unsigned int i, index;

	if (offset + n > MODEL_PAGES)
		return -EINVAL;
	for (i = offset; i < offset + n; i++) {
		if (model_bound(m, f, i)) {
			m->events[MODEL_TAKEN]++;
			return -EEXIST;
		}
	}
	if (!model_has_mmap(&m->files[f]))
		return 0;

	/* One page at a time: model_parts is too small for all patterns. */
	for (i = 0; i < n; i++) {
		parts.part[0] = (struct model_part) {
			.file = &m->files[f],
			.start = offset + i,
			.end = offset + i + 1,
		};
		parts.nr = 1;
		if (m->private[base + i] && model_isolate(&parts, &index)) {
			m->events[MODEL_IN_THE_WAY]++;
			return -EAGAIN;
		}
	}
	for (i = 0; i < n; i++) {
		parts.part[0].start = offset + i;
		parts.part[0].end = offset + i + 1;
		if (m->private[base + i] && !model_parts_have(&parts, true)) {
			m->events[MODEL_MADE_PRIVATE]++;
			model_convert_parts(m, &parts, true, &index);
		}
	}
	return 0;
}

/* A new slot; @f may be MODEL_NO_FILE. */
static inline int model_add_slot(struct model *m, unsigned int s, unsigned int f,
				 unsigned int offset, unsigned int base, unsigned int n)
{
	struct model_slot *slot = &m->slots[s];
	int err = 0;

	if (!model_slot_fits(m, base, n))
		return -EEXIST;
	if (f != MODEL_NO_FILE)
		err = model_bind(m, f, offset, base, n);
	if (err)
		return err;

	slot->exists = true;
	slot->base = base;
	slot->npages = n;
	slot->file = f;
	slot->offset = offset;
	slot->closed = false;
	slot->mmap = f != MODEL_NO_FILE && model_has_mmap(&m->files[f]);
	return 0;
}

/* KVM_PRE_FAULT_MEMORY; @left is the number of pages left. */
static inline int model_prefault(struct model *m, unsigned int start, unsigned int n,
				 unsigned int *left)
{
	unsigned int gfn;
	int err = 0;

	for (gfn = start; !err && gfn < start + n; gfn++) {
		if (!model_slot_at(m, gfn))
			err = -ENOENT;
		else if (model_guest(m, gfn).access == MODEL_FAULT)
			err = -EFAULT;
		else
			model_use(m, gfn);
	}
	*left = start + n - gfn + !!err;
	return *left < n ? 0 : err;
}

#endif /* SELFTEST_KVM_GMEM_MODEL_H */
