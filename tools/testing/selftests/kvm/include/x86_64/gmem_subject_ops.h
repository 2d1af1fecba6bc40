/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM beside its model: what KVM reads and writes on behalf of a guest, and all
 * operations by name.
 */
#ifndef SELFTEST_KVM_X86_GMEM_SUBJECT_OPS_H
#define SELFTEST_KVM_X86_GMEM_SUBJECT_OPS_H

#include "gmem_subject.h"

#define DEVICE		MODEL_GFNS	/* a gfn where there is never a slot */
#define STRING		4		/* bytes */

/* What devices have been asked for in the course of one instruction */
struct traffic {
	unsigned int reads, writes;	/* in bytes */
	unsigned int mmio_gfns;		/* bitmap */
	u8 written[STRING];
};

static inline void do_clock(struct subject *s, const struct op *op)
{
	struct gmem_run run;

	do_resume(s, op->who);
	run = run_cmd(s, op->who, GMEM_CMD_WRMSR, MSR_KVM_SYSTEM_TIME_NEW,
		      op->arg ? (gfn_to_gpa(op->at) + CLOCK) | 1 : 0);
	TEST_ASSERT(run.exit == GMEM_EXIT_SYNC, "WRMSR: exit %d, errno %d", run.exit, run.err);
	s->model.clocks[op->who] = op->arg ? op->at + 1 : 0;
	model_tick(&s->model, op->who);
}

/* A byte to or from a device, which answers always the same */
static inline void serve_byte(struct traffic *t, u8 *data, bool write, u8 answer)
{
	if (!write) {
		t->reads++;
		*data = answer;
		return;
	}
	TEST_ASSERT(t->writes < STRING, "more bytes than there are");
	t->written[t->writes++] = *data;
}

static inline void serve_port(struct kvm_run *r, struct traffic *t, u8 answer)
{
	u8 *data = (u8 *)r + r->io.data_offset;
	unsigned int i;

	ASSERT_EQ(r->io.port, GMEM_GUEST_STRING);
	ASSERT_EQ(r->io.size, 1);
	for (i = 0; i < r->io.count; i++)
		serve_byte(t, data + i, r->io.direction == KVM_EXIT_IO_OUT,
			   i + t->reads ? 0 : answer);
}

static inline void serve_mmio(struct kvm_run *r, struct traffic *t)
{
	unsigned int i;

	t->mmio_gfns |= BIT((r->mmio.phys_addr - GMEM_BASE) / PG);
	for (i = 0; i < r->mmio.len; i++)
		serve_byte(t, r->mmio.data + i, r->mmio.is_write, MMIO_BYTE);
}

/* Run a command to its end, or to a memory fault. */
static inline struct gmem_run run_device_cmd(struct subject *s, const struct op *op,
					     enum gmem_cmd_op cmd, u64 a, u64 b,
					     struct traffic *t)
{
	struct kvm_vcpu *vcpu = s->vcpus[op->who];
	struct gmem_run run;

	*t = (struct traffic) {};
	report->emulated[model_guest(&s->model, op->at).access]++;
	do_resume(s, op->who);
	run = run_cmd(s, op->who, cmd, a, b);
	while (run.exit == GMEM_EXIT_OTHER) {
		TEST_ASSERT(!run.ret, "KVM_RUN: errno %d", run.err);
		if (vcpu->run->exit_reason == KVM_EXIT_IO)
			serve_port(vcpu->run, t, op->value);
		else if (vcpu->run->exit_reason == KVM_EXIT_MMIO)
			serve_mmio(vcpu->run, t);
		else
			TEST_FAIL("exit reason %u", vcpu->run->exit_reason);
		run = sealed_run(&s->sealed, op->who);
	}
	return run;
}

/*
 * The end of an instruction that accesses @op->at through the emulator.  True:
 * that is memory.
 */
static inline bool end_emulation(struct subject *s, const struct op *op,
				 const struct gmem_run *run, const struct traffic *t,
				 unsigned int mmio_gfns)
{
	enum model_access access = model_guest(&s->model, op->at).access;

	if (access == MODEL_FAULT || access == MODEL_GONE) {
		check_fault(s, op, op->at, run);
		return false;
	}
	TEST_ASSERT(run->exit == GMEM_EXIT_SYNC, "gfn %u: exit %d", op->at, run->exit);
	if (access == MODEL_MMIO)
		mmio_gfns |= BIT(op->at);
	ASSERT_EQ(t->mmio_gfns, mmio_gfns);
	if (access == MODEL_MEMORY)
		model_use(&s->model, op->at);
	return access == MODEL_MEMORY;
}

/* Devices have got @first, and zeroes to the end of @len bytes. */
static inline void check_written(const struct traffic *t, unsigned int len, u8 first, u8 rest)
{
	unsigned int i;

	ASSERT_EQ(t->writes, len);
	for (i = 0; i < len; i++)
		TEST_ASSERT(t->written[i] == (i ? rest : first),
			    "byte %u written to a device is %#x, expected %#x, then %#x", i,
			    t->written[i], first, rest);
}

/* From @op->at to a device */
static inline void move_out(struct subject *s, const struct op *op, enum gmem_cmd_op cmd, u64 b,
			    unsigned int len, unsigned int mmio_gfns)
{
	struct model_place place = model_guest(&s->model, op->at);
	struct traffic t;
	struct gmem_run run;

	run = run_device_cmd(s, op, cmd, gfn_to_gpa(op->at), b, &t);
	if (end_emulation(s, op, &run, &t, mmio_gfns))
		check_written(&t, len, place.bytes->byte, 0);
	else
		check_written(&t, place.access == MODEL_MMIO ? len : 0, MMIO_BYTE, MMIO_BYTE);
}

static inline void do_out(struct subject *s, const struct op *op)
{
	move_out(s, op, GMEM_CMD_OUTS, STRING, STRING, 0);
}

static inline void do_to_device(struct subject *s, const struct op *op)
{
	enum model_access access;
	struct gmem_run run;
	struct traffic t;

	/* The guest reads first, and the emulator only if that succeeds. */
	access = model_touch(&s->model, op->at);
	if (access == MODEL_FAULT || access == MODEL_GONE) {
		run = run_device_cmd(s, op, GMEM_CMD_MOVE, gfn_to_gpa(op->at),
				     gfn_to_gpa(DEVICE), &t);
		check_fault(s, op, op->at, &run);
		return;
	}
	move_out(s, op, GMEM_CMD_MOVE, gfn_to_gpa(DEVICE), 1, BIT(DEVICE));
}

/* From a device to @op->at: @first, then zeroes */
static inline void moved_in(struct subject *s, const struct op *op, const struct gmem_run *run,
			    const struct traffic *t, unsigned int mmio_gfns, u8 first)
{
	struct model_place place = model_guest(&s->model, op->at);

	if (end_emulation(s, op, run, t, mmio_gfns))
		place.bytes->byte = first;
	check_written(t, place.access == MODEL_MMIO ? t->reads : 0, first, 0);
}

static inline void do_in(struct subject *s, const struct op *op)
{
	struct traffic t;
	struct gmem_run run;

	run = run_device_cmd(s, op, GMEM_CMD_INS, gfn_to_gpa(op->at), STRING, &t);
	ASSERT_EQ(t.reads, STRING);
	moved_in(s, op, &run, &t, 0, op->value);
}

static inline void do_from_device(struct subject *s, const struct op *op)
{
	struct traffic t;
	struct gmem_run run;

	run = run_device_cmd(s, op, GMEM_CMD_MOVE, gfn_to_gpa(DEVICE), gfn_to_gpa(op->at), &t);
	ASSERT_EQ(t.reads, 1);
	moved_in(s, op, &run, &t, BIT(DEVICE), MMIO_BYTE);
}

static inline void do_op(struct subject *s, const struct op *op)
{
	switch (op->what) {
	case OP_ATTRS:
		return do_attrs(s, op);
	case OP_ATTRS2:
		return do_attrs2(s, op);
	case OP_PUNCH:
		return do_punch(s, op);
	case OP_ALLOCATE:
		return do_allocate(s, op);
	case OP_HOST:
		return do_host(s, op);
	case OP_MEMORY:
		return do_memory(s, op);
	case OP_GUEST:
		return do_guest(s, op);
	case OP_OFFER:
		return do_offer(s, op);
	case OP_RESUME:
		return do_resume(s, op->who);
	case OP_PREFAULT:
		return do_prefault(s, op);
	case OP_PIN:
		return do_pin(s, op->who, op->at);
	case OP_UNPIN:
		return do_unpin(s);
	case OP_SLOT:
		return do_slot(s, op);
	case OP_DELETE:
		return do_delete(s, op->who);
	case OP_CREATE:
		return do_create(s, op->who, op->arg);
	case OP_CLOSE:
		return do_close(s, op->who);
	case OP_CLOCK:
		return do_clock(s, op);
	case OP_OUT:
		return do_out(s, op);
	case OP_IN:
		return do_in(s, op);
	case OP_TO_DEVICE:
		return do_to_device(s, op);
	case OP_FROM_DEVICE:
		return do_from_device(s, op);
	default:
		TEST_FAIL("no such operation");
	}
}

static inline void make_subject(struct subject *s)
{
	static const unsigned int flags[MODEL_FILES] = { GMEM_INPLACE, GUEST_MEMFD_FLAG_MMAP, 0 };
	unsigned int i;

	s->model.events = report->events;
	s->model.holds = getenv("GMEM_VM_TYPE");
	s->model.sealed = getenv("GMEM_SEALED");
	open_subject(&s->sealed, s->model.sealed);
	s->vm = s->sealed.w.vm;
	s->vcpus = s->sealed.vcpus;
	virt_map(s->vm, GMEM_BASE, GMEM_BASE, MODEL_GFNS + 1);
	for (i = 0; i < MODEL_SLOTS; i++)
		s->memory[i] = gmem_mmap_anon(MODEL_GFNS * PG);
	for (i = 0; i < MODEL_FILES; i++)
		do_create(s, i, flags[i]);
	TEST_ASSERT(!pipe(s->pipe_fds), "pipe()");
}

/* The first byte of each page, as the host and the guest see it */
static inline void check_all(struct subject *s)
{
	struct op host = { .n = MODEL_PAGES }, guest = { .n = MODEL_GFNS };
	unsigned int i;

	for (i = 0; i < MODEL_VCPUS; i++)
		do_resume(s, i);
	for (; host.who < MODEL_FILES; host.who++)
		do_host(s, &host);
	do_guest(s, &guest);
}

#endif /* SELFTEST_KVM_X86_GMEM_SUBJECT_OPS_H */
