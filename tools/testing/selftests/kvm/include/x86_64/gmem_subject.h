/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM beside its model: operations on both, and the comparison of results.
 */
#ifndef SELFTEST_KVM_X86_GMEM_SUBJECT_H
#define SELFTEST_KVM_X86_GMEM_SUBJECT_H

#include <stddef.h>

#include "gmem_harness.h"
#include "gmem_model_convert.h"
#include "gmem_subject_run.h"
#include "asm/pvclock-abi.h"

#define MMIO_BYTE	0x99	/* what a device answers */
/* Most significant byte of a multiplier, whose most significant bit is always set */
#define CLOCK		2048	/* in a page */
#define CLOCK_BYTE	(CLOCK + offsetof(struct pvclock_vcpu_time_info, tsc_to_system_mul) + 3)

enum what {
	OP_ATTRS,	/* at, n, arg: private */
	OP_ATTRS2,	/* who: file, at, n, arg: private */
	OP_PUNCH,	/* who: file, at, n */
	OP_ALLOCATE,	/* who: file, at, n */
	OP_HOST,	/* who: file, at, n, arg: write, value */
	OP_MEMORY,	/* who: slot, at, value: written */
	OP_GUEST,	/* who: vCPU, at, n, arg: write, value */
	OP_OFFER,	/* who: vCPU, at, n, arg: asks for private memory */
	OP_RESUME,	/* who: vCPU */
	OP_PREFAULT,	/* who: vCPU, at, n */
	OP_PIN,		/* who: file, at */
	OP_UNPIN,
	OP_SLOT,	/* who: slot, at, n, arg: file, value: offset */
	OP_DELETE,	/* who: slot */
	OP_CREATE,	/* who: file, arg: flags */
	OP_CLOSE,	/* who: file */
	OP_CLOCK,	/* who: vCPU, at, arg: on */
	OP_OUT,		/* who: vCPU, at: a string from there to a port */
	OP_IN,		/* who: vCPU, at, value: a string from a port to there */
	OP_TO_DEVICE,	/* who: vCPU, at: a byte from there */
	OP_FROM_DEVICE,	/* who: vCPU, at: a byte to there */
	NR_OPS
};

struct op {
	enum what what;
	unsigned int who, at, n, arg, value;
};

/* What a child tells its parent */
struct report {
	unsigned int done;		/* operations that went well */
	unsigned int events[NR_MODEL_EVENTS];
	unsigned int accesses[NR_MODEL_ACCESSES];	/* of the guest, by enum model_access */
	unsigned int refused;		/* accesses of the host to private pages */
	unsigned int untrue;		/* answers of the VMM that the guest did not get */
	unsigned int emulated[NR_MODEL_ACCESSES];	/* accesses, by enum model_access */
	unsigned int clocks[NR_MODEL_ACCESSES];	/* clocks of vCPUs that ran, the same */
};

static struct report *report;

/* The real thing beside the model */
struct subject {
	struct model model;
	struct sealed sealed;
	struct kvm_vm *vm;
	struct kvm_vcpu **vcpus;
	bool asking[MODEL_VCPUS];		/* in the exit of a hypercall */
	bool wants_private[MODEL_VCPUS];
	struct model_offer named[MODEL_VCPUS];	/* what it asks for */
	int fds[MODEL_FILES];
	u8 *maps[MODEL_FILES];
	u8 *memory[MODEL_SLOTS];
	int pipe_fds[2];
	unsigned int pin_file, pin_page;
	bool pinned;
};

static inline u64 gfn_to_gpa(unsigned int gfn)
{
	return GMEM_BASE + gfn * PG;
}

static inline void expect(int ret, int err, const char *what)
{
	int seen = ret ? -errno : 0;

	TEST_ASSERT(ret <= 0 && seen == err, "%s: returned %d, %s, expected %s", what, ret,
		    strerror(-seen), strerror(-err));
}

/* The next run of a vCPU will publish its clock. */
static inline void tick(struct subject *s, unsigned int v)
{
	unsigned int clock = s->model.clocks[v];

	expect(ioctl(s->vcpus[v]->fd, KVM_KVMCLOCK_CTRL), clock ? 0 : -EINVAL, "clock");
	if (clock)
		report->clocks[model_guest(&s->model, clock - 1).access]++;
	model_tick(&s->model, v);
}

static inline struct gmem_run run_cmd(struct subject *s, unsigned int v, enum gmem_cmd_op cmd,
				      u64 a, u64 b)
{
	tick(s, v);
	return sealed_cmd_on(&s->sealed, v, cmd, a, b);
}

static inline void do_create(struct subject *s, unsigned int f, unsigned int flags)
{
	if (s->model.files[f].open)
		return;
	s->fds[f] = gmem_create(s->vm->fd, MODEL_PAGES * PG, flags);
	if (flags & GUEST_MEMFD_FLAG_MMAP)
		s->maps[f] = gmem_mmap(s->fds[f], MODEL_PAGES * PG, 0);
	model_open(&s->model, f, flags);
}

static inline void do_unpin(struct subject *s)
{
	u8 page[PG];

	if (!s->pinned)
		return;
	TEST_ASSERT(read(s->pipe_fds[0], page, PG) == PG, "the pipe is empty");
	s->model.files[s->pin_file].pages[s->pin_page].pinned = false;
	s->pinned = false;
}

static inline void do_close(struct subject *s, unsigned int f)
{
	if (!s->model.files[f].open)
		return;
	if (s->pinned && s->pin_file == f)
		do_unpin(s);
	if (model_has_mmap(&s->model.files[f]))
		munmap(s->maps[f], MODEL_PAGES * PG);
	close(s->fds[f]);
	model_close(&s->model, f);
}

static inline void do_pin(struct subject *s, unsigned int f, unsigned int at)
{
	struct model_file *file = &s->model.files[f];
	struct iovec iov = { .iov_base = s->maps[f] + at * PG, .iov_len = PG };
	ssize_t ret;

	if (s->pinned || !model_has_mmap(file))
		return;
	ret = vmsplice(s->pipe_fds[1], &iov, 1, 0);
	if (file->pages[at].private) {
		expect(ret, -EFAULT, "vmsplice of a private page");
		return;
	}
	TEST_ASSERT(ret == PG, "vmsplice: %s", strerror(errno));
	file->pages[at].pinned = true;
	file->pages[at].present = true;
	s->pinned = true;
	s->pin_file = f;
	s->pin_page = at;
}

static inline void do_attrs(struct subject *s, const struct op *op)
{
	int ret = __gmem_set_attrs(s->vm->fd, gfn_to_gpa(op->at), op->n * PG,
				   op->arg ? GMEM_PRIVATE : GMEM_SHARED);

	expect(ret, model_attrs(&s->model, op->at, op->n, op->arg), "attributes");
}

static inline void do_attrs2(struct subject *s, const struct op *op)
{
	unsigned int index = 0;
	u64 offset = 0x1234;
	int ret, err;

	if (!s->model.files[op->who].open)
		return;
	ret = __gmem_set_attrs2(s->fds[op->who], op->at * PG, op->n * PG,
				op->arg ? GMEM_PRIVATE : GMEM_SHARED, &offset);
	err = model_attrs2(&s->model, op->who, op->at, op->n, op->arg, &index);
	expect(ret, err, "attributes2");
	TEST_ASSERT(offset == (err == -EAGAIN ? index * PG : 0x1234),
		    "error_offset is %#lx, expected page %u", offset, index);
}

static inline void do_punch(struct subject *s, const struct op *op)
{
	if (!s->model.files[op->who].open)
		return;
	gmem_punch(s->fds[op->who], op->at * PG, op->n * PG);
	model_punch(&s->model, op->who, op->at, op->n);
}

static inline void do_allocate(struct subject *s, const struct op *op)
{
	if (!s->model.files[op->who].open)
		return;
	gmem_allocate(s->fds[op->who], op->at * PG, op->n * PG);
	model_allocate(&s->model, op->who, op->at, op->n);
}

/* Bytes of a page as somebody sees them */
static inline void check_bytes(const struct model_bytes *bytes, u8 first, u8 clock,
			       const char *who, unsigned int page)
{
	TEST_ASSERT(first == bytes->byte && !!clock == bytes->clock,
		    "%s: page %u is %#x, clock %#x, the model says %#x, %s", who, page, first,
		    clock, bytes->byte, bytes->clock ? "there is one" : "there is none");
}

static inline void host_page(struct subject *s, const struct op *op, unsigned int at)
{
	struct model_page *page = &s->model.files[op->who].pages[at];
	u8 *addr = s->maps[op->who] + at * PG, seen = 0;
	bool good;

	good = op->arg ? gmem_host_write(addr, op->value) : gmem_host_read(addr, &seen);
	TEST_ASSERT(good == !page->private, "host: page %u is %s, the model says %s", at,
		    good ? "shared" : "private", page->private ? "private" : "shared");
	report->refused += !good;
	if (!good)
		return;
	page->present = true;
	if (op->arg)
		page->bytes.byte = op->value;
	else
		check_bytes(&page->bytes, seen, addr[CLOCK_BYTE], "host", at);
}

static inline void do_host(struct subject *s, const struct op *op)
{
	unsigned int i;

	for (i = 0; model_has_mmap(&s->model.files[op->who]) && i < op->n; i++)
		host_page(s, op, op->at + i);
}

static inline void do_memory(struct subject *s, const struct op *op)
{
	u8 *addr = s->memory[op->who] + op->at * PG;
	struct model_bytes *bytes = &s->model.slots[op->who].memory[op->at];

	check_bytes(bytes, addr[0], addr[CLOCK_BYTE], "memory", op->at);
	addr[0] = op->value;
	bytes->byte = op->value;
}

static inline void check_mmio(struct subject *s, const struct op *op, unsigned int gfn,
			      const struct gmem_run *run)
{
	struct kvm_run *r = s->vcpus[op->who]->run;

	TEST_ASSERT(!run->ret && r->exit_reason == KVM_EXIT_MMIO &&
		    r->mmio.phys_addr == gfn_to_gpa(gfn) && r->mmio.is_write == op->arg,
		    "no MMIO exit: %d, reason %u", run->ret, r->exit_reason);
	if (op->arg)
		ASSERT_EQ(r->mmio.data[0], op->value);
	else
		r->mmio.data[0] = MMIO_BYTE;
	ASSERT_EQ(sealed_resume_on(&s->sealed, op->who), op->arg ? 0 : MMIO_BYTE);
}

static inline void check_fault(struct subject *s, const struct op *op, unsigned int gfn,
			       const struct gmem_run *run)
{
	struct kvm_run *r = s->vcpus[op->who]->run;
	bool gone = s->model.view[gfn] == MODEL_LOST;
	u64 flags = s->model.private[gfn] || s->model.view[gfn] ?
		    KVM_MEMORY_EXIT_FLAG_PRIVATE : 0;

	TEST_ASSERT(run->exit == GMEM_EXIT_FAULT && run->err == (gone ? EHWPOISON : EFAULT) &&
		    r->memory_fault.gpa == gfn_to_gpa(gfn) &&
		    r->memory_fault.size == PG && r->memory_fault.flags == flags,
		    "no memory fault at gfn %u: exit %d, errno %d", gfn, run->exit, run->err);
	forget_cmd(&s->sealed, op->who);
}

static inline void guest_memory(struct subject *s, const struct op *op, unsigned int gfn,
				const struct gmem_run *run)
{
	struct model_place place = model_guest(&s->model, gfn);
	u8 seen = s->sealed.boxes[op->who].result;

	TEST_ASSERT(run->exit == GMEM_EXIT_SYNC, "gfn %u: exit %d, errno %d", gfn, run->exit,
		    run->err);
	model_use(&s->model, gfn);
	if (op->arg) {
		place.bytes->byte = op->value;
		return;
	}
	sealed_cmd_on(&s->sealed, op->who, GMEM_CMD_READ, gfn_to_gpa(gfn) + CLOCK_BYTE, 0);
	check_bytes(place.bytes, seen, s->sealed.boxes[op->who].result, "guest", gfn);
}

static inline void guest_page(struct subject *s, const struct op *op, unsigned int gfn)
{
	enum model_access access = model_touch(&s->model, gfn);
	struct gmem_run run;

	run = run_cmd(s, op->who, op->arg ? GMEM_CMD_WRITE : GMEM_CMD_READ, gfn_to_gpa(gfn),
		      op->value);
	report->accesses[access]++;
	if (access == MODEL_MMIO)
		check_mmio(s, op, gfn, &run);
	else if (access != MODEL_MEMORY)
		check_fault(s, op, gfn, &run);
	else
		guest_memory(s, op, gfn, &run);
}

/* What the VMM says is 0: is it true? */
static inline bool is_true(const struct subject *s, unsigned int v)
{
	const struct model_offer *named = &s->named[v];
	enum model_view wanted = s->wants_private[v] ? MODEL_OWNED : MODEL_SHARED;
	unsigned int gfn;

	for (gfn = named->start; s->model.sealed && gfn < named->end; gfn++) {
		if (s->model.view[gfn] != wanted)
			return false;
	}
	return true;
}

static inline void do_resume(struct subject *s, unsigned int v)
{
	if (!s->asking[v])
		return;
	tick(s, v);
	ASSERT_EQ(sealed_resume_on(&s->sealed, v), is_true(s, v) ? 0 : (u64)-KVM_EPERM);
	report->untrue += !is_true(s, v);
	s->asking[v] = false;
	s->model.offers[v] = (struct model_offer) {};
}

static inline void do_guest(struct subject *s, const struct op *op)
{
	unsigned int i;

	do_resume(s, op->who);
	for (i = 0; i < op->n; i++)
		guest_page(s, op, op->at + i);
}

static inline void do_offer(struct subject *s, const struct op *op)
{
	struct gmem_run run;

	do_resume(s, op->who);
	run = run_cmd(s, op->who, op->arg ? GMEM_CMD_UNSHARE : GMEM_CMD_OFFER,
		      gfn_to_gpa(op->at), op->n);
	TEST_ASSERT(!run.ret && s->vcpus[op->who]->run->exit_reason == KVM_EXIT_HYPERCALL,
		    "no hypercall exit");
	s->asking[op->who] = true;
	s->wants_private[op->who] = op->arg;
	s->named[op->who] = (struct model_offer) { op->at, op->at + op->n };
	if (op->arg)
		model_ask(&s->model, op->at, op->at + op->n);
	else
		s->model.offers[op->who] = s->named[op->who];
}

static inline void do_prefault(struct subject *s, const struct op *op)
{
	struct kvm_pre_fault_memory args = {
		.gpa = gfn_to_gpa(op->at),
		.size = op->n * PG,
	};
	unsigned int left;
	int ret, err;

	ret = ioctl(s->vcpus[op->who]->fd, KVM_PRE_FAULT_MEMORY, &args);
	err = model_prefault(&s->model, op->at, op->n, &left);
	expect(ret, err, "pre-fault");
	TEST_ASSERT(args.size == left * PG && args.gpa == gfn_to_gpa(op->at + op->n - left),
		    "pre-fault: %#llx bytes left, expected %u pages", args.size, left);
}

static inline void do_slot(struct subject *s, const struct op *op)
{
	bool has_file = op->arg != MODEL_NO_FILE;
	u8 *hva = s->memory[op->who];
	int ret;

	if (s->model.slots[op->who].exists || (has_file && !s->model.files[op->arg].open))
		return;
	if (has_file && model_has_mmap(&s->model.files[op->arg]))
		hva = s->maps[op->arg] + op->value * PG;
	ret = __gmem_set_region2(s->vm->fd, SLOT + op->who, has_file ? KVM_MEM_GUEST_MEMFD : 0,
				 gfn_to_gpa(op->at), op->n * PG, hva,
				 has_file ? s->fds[op->arg] : -1, op->value * PG);
	expect(ret, model_add_slot(&s->model, op->who, op->arg, op->value, op->at, op->n),
	       "new slot");
}

static inline void do_delete(struct subject *s, unsigned int slot)
{
	int ret = __gmem_set_region2(s->vm->fd, SLOT + slot, 0, 0, 0, NULL, -1, 0);

	expect(ret, s->model.slots[slot].exists ? 0 : -EINVAL, "deletion");
	if (!ret)
		model_delete_slot(&s->model, slot);
}

#endif /* SELFTEST_KVM_X86_GMEM_SUBJECT_H */
