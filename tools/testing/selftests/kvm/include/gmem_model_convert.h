/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What private guest memory must do: conversions, and the bindings that convert.
 */
#ifndef SELFTEST_KVM_GMEM_MODEL_CONVERT_H
#define SELFTEST_KVM_GMEM_MODEL_CONVERT_H

#include <string.h>

#include "gmem_model.h"

/* A part of a file that a conversion covers, and its gfns if it is bound */
struct model_part {
	struct model_file *file;
	unsigned int start, end;
	bool bound;
	unsigned int gfn;
	int owner;
};

struct model_parts {
	struct model_part part[2 * MODEL_SLOTS + 1];
	unsigned int nr;
};

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

/* A page becomes shared: show what is in it only if its owner @offered that. */
static inline void model_reveal_page(struct model *m, struct model_page *page, bool offered,
				     int owner)
{
	bool here = page->owner == MODEL_UNUSED || page->owner == owner;

	if (page->bytes.byte)
		m->events[!offered ? MODEL_ZEROED : here ? MODEL_SHOWN :
							   MODEL_USED_ELSEWHERE]++;
	if (!offered || !here)
		page->bytes = (struct model_bytes) {};
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
					  part->owner);
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

/* A page is given to the backend if it is known what for. */
static inline void model_convert_page(const struct model_part *part, struct model_page *page,
				      bool private)
{
	if (private && !page->private) {
		page->owner = MODEL_UNUSED;
		page->held = part->bound && page->present;
	}
	if (!private)
		page->held = false;
	page->private = private;
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
		for (j = part->start; j < part->end; j++)
			model_convert_page(part, &part->file->pages[j], private);
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

/* Something else is at a range of gfns, or becomes of a range of offsets. */
static inline void model_forget(struct model *m, unsigned int base, unsigned int n,
				unsigned int f, unsigned int offset, unsigned int pages)
{
	unsigned int i;

	for (i = 0; i < MODEL_PASTS; i++) {
		struct model_past *past = &m->past[i];

		if (model_overlaps(past->base, past->base + past->npages, base, base + n) ||
		    (past->file == f &&
		     model_overlaps(past->offset, past->offset + past->npages, offset,
				    offset + pages)))
			past->exists = false;
	}
}

/* The id of a new binding: that of the same one, unless that has been forgotten */
static inline int model_owner(struct model *m, unsigned int f, unsigned int offset,
			      unsigned int base, unsigned int n)
{
	unsigned int i;
	int owner = 0;

	for (i = 0; i < MODEL_PASTS; i++) {
		struct model_past *past = &m->past[i];

		if (past->exists && past->file == f && past->offset == offset &&
		    past->base == base && past->npages == n)
			owner = past->owner;
	}
	if (owner)
		m->events[MODEL_RESUMED]++;
	return owner ? owner : ++m->last_owner;
}

static inline void model_delete_slot(struct model *m, unsigned int s)
{
	struct model_slot *slot = &m->slots[s];
	unsigned int i;

	for (i = 0; slot->file != MODEL_NO_FILE && i < MODEL_PASTS; i++) {
		if (m->past[i].exists)
			continue;
		m->past[i] = (struct model_past) {
			.exists = true,
			.base = slot->base,
			.npages = slot->npages,
			.file = slot->file,
			.offset = slot->offset,
			.owner = slot->owner,
		};
		break;
	}
	slot->exists = false;
}

/* Has the guest asked to share a gfn? */
static inline bool model_is_asked(const struct model *m, unsigned int gfn)
{
	unsigned int i;

	for (i = 0; i < MODEL_VCPUS; i++) {
		if (gfn >= m->offers[i].start && gfn < m->offers[i].end)
			return true;
	}
	return false;
}

/* What the guest of a sealed VM takes a gfn for once that is converted */
static inline enum model_view model_new_view(struct model *m, unsigned int gfn, bool private)
{
	const struct model_slot *slot = model_slot_at(m, gfn);
	bool has_file = slot && slot->file != MODEL_NO_FILE;
	enum model_view view = m->view[gfn];

	if (!private && model_is_asked(m, gfn))
		return MODEL_SHARED;
	if (!private)
		return view == MODEL_OWNED && has_file && slot->mmap ? MODEL_LOST : view;
	return has_file && view == MODEL_SHARED ? MODEL_OWNED : view;
}

/* A vCPU of a sealed VM asks for private memory: who wants it shared has asked before. */
static inline void model_ask(struct model *m, unsigned int start, unsigned int end)
{
	unsigned int i;

	for (i = 0; m->sealed && i < MODEL_VCPUS; i++) {
		if (model_overlaps(m->offers[i].start, m->offers[i].end, start, end))
			m->offers[i] = (struct model_offer) {};
	}
}

static inline void model_view_gfns(struct model *m, enum model_view *views, unsigned int start,
				   unsigned int end, bool private)
{
	unsigned int gfn;

	for (gfn = start; m->sealed && gfn < end; gfn++)
		views[gfn] = model_new_view(m, gfn, private);
}

/* The same when a file comes to gfns */
static inline void model_view_bind(struct model *m, unsigned int base, unsigned int n,
				   bool resumed)
{
	unsigned int gfn;

	for (gfn = base; m->sealed && gfn < base + n; gfn++) {
		if (m->view[gfn] == MODEL_SHARED && m->private[gfn])
			m->view[gfn] = MODEL_OWNED;
		else if (m->view[gfn] == MODEL_OWNED && !resumed)
			m->view[gfn] = MODEL_LOST;
	}
}

/* KVM_SET_MEMORY_ATTRIBUTES */
static inline int model_attrs(struct model *m, unsigned int start, unsigned int n, bool private)
{
	unsigned int end = start + n, gfn, from, to, index;
	struct model_parts parts = {};
	enum model_view views[MODEL_GFNS];
	struct model_slot *slot;
	bool same = true;

	/* Before the offers are taken */
	memcpy(views, m->view, sizeof(views));
	model_view_gfns(m, views, start, end, private);
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
			.owner = slot->owner,
		};
	}

	if (!same || !model_parts_have(&parts, private)) {
		if (model_convert_parts(m, &parts, private, &index))
			return -EAGAIN;
		for (gfn = start; gfn < end; gfn++)
			m->private[gfn] = private;
	}
	memcpy(m->view, views, sizeof(views));
	model_drop_offers(m, start, end);
	if (!private)
		model_forget(m, start, n, MODEL_NO_FILE, 0, 0);
	return 0;
}

/* KVM_SET_MEMORY_ATTRIBUTES2; after EAGAIN @index is that of error_offset. */
static inline int model_attrs2(struct model *m, unsigned int f, unsigned int start,
			       unsigned int n, bool private, unsigned int *index)
{
	struct model_parts parts = {};
	enum model_view views[MODEL_GFNS];
	struct model_part *part;
	struct model_slot *slot;
	unsigned int i, pos, end = start + n;
	bool same = true;

	if (!model_has_mmap(&m->files[f]))
		return -EINVAL;

	memcpy(views, m->view, sizeof(views));
	for (pos = start; pos < end; pos = part->end) {
		slot = model_bound(m, f, pos);
		part = &parts.part[parts.nr++];
		*part = (struct model_part) {
			.file = &m->files[f],
			.start = pos,
			.end = pos + 1,
			.bound = slot,
			.gfn = slot ? slot->base + pos - slot->offset : 0,
			.owner = slot ? slot->owner : 0,
		};
		while (part->end < end && model_bound(m, f, part->end) == slot)
			part->end++;
		for (i = 0; slot && i < part->end - pos; i++)
			same &= m->private[part->gfn + i] == private;
		if (slot)
			model_view_gfns(m, views, part->gfn, part->gfn + part->end - pos,
					private);
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
	memcpy(m->view, views, sizeof(views));
	for (i = 0; i < parts.nr; i++) {
		part = &parts.part[i];
		if (part->bound)
			model_drop_offers(m, part->gfn, part->gfn + part->end - part->start);
		else if (m->sealed && !private)
			model_forget(m, 0, 0, f, part->start, part->end - part->start);
	}
	return 0;
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
			m->events[MODEL_OFFSET_TAKEN]++;
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
	int err = 0, last;

	if (!model_slot_fits(m, base, n)) {
		m->events[MODEL_ADDRESS_TAKEN]++;
		return -EEXIST;
	}
	if (f != MODEL_NO_FILE)
		err = model_bind(m, f, offset, base, n);
	if (err)
		return err;

	if (f != MODEL_NO_FILE) {
		last = m->last_owner;
		slot->owner = model_owner(m, f, offset, base, n);
		model_view_bind(m, base, n, m->last_owner == last);
		model_forget(m, base, n, f, offset, n);
	}

	slot->exists = true;
	slot->base = base;
	slot->npages = n;
	slot->file = f;
	slot->offset = offset;
	slot->closed = false;
	slot->mmap = f != MODEL_NO_FILE && model_has_mmap(&m->files[f]);
	return 0;
}

#endif /* SELFTEST_KVM_GMEM_MODEL_CONVERT_H */
