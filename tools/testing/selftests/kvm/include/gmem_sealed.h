/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM that can be sealed, and a guest that needs none of what sealing closes: it
 * takes commands through a mailbox in ordinary memory.
 *
 * Each attack runs against a VM that is sealed, and against its control, which is
 * not.
 */
#ifndef SELFTEST_KVM_GMEM_SEALED_H
#define SELFTEST_KVM_GMEM_SEALED_H

#include "gmem_world.h"

#define AT	5	/* the page of the slot that it is about */
#define SECRET	0x55
#define EVIL	0xee
#define MAX_VCPUS	2

struct gmem_mailbox {
	u64 op, a, b, result;
};

static struct gmem_mailbox gmem_mailboxes[MAX_VCPUS];

struct sealed {
	struct world w;
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	struct gmem_mailbox *boxes;	/* the host's mapping of the guest's */
	bool is_sealed;
	u8 digest[KVM_LAUNCH_DIGEST_SIZE];
};

static inline int __gmem_seal(int vm_fd, void *digest)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_GMEM_SEAL,
		.args[1] = (uintptr_t)digest,
	};

	return ioctl(vm_fd, KVM_ENABLE_CAP, &cap);
}

static void mailbox_server(u64 id)
{
	struct gmem_mailbox *box = &gmem_mailboxes[id];

	for (;;) {
		asm volatile("outl %%eax, %%dx"
			     : : "d" (GMEM_GUEST_SYNC), "a" (0) : "memory");
		box->result = gmem_serve(box->op, box->a, box->b);
	}
}

/* A VM whose vCPUs run @server, without memory besides the library's */
static inline void open_vm(struct sealed *s, void (*server)(u64 id),
			   void (*prepare)(struct kvm_vm *vm))
{
	unsigned int i;

	s->w.vm = gmem_vm_create_with(GMEM_VM_PROTECTED, MAX_VCPUS, server, s->vcpus,
				      prepare);
	s->w.vcpu = s->vcpus[0];
	for (i = 0; i < MAX_VCPUS; i++) {
		vcpu_args_set(s->vcpus[i], 1, (u64)i);
		/* A sealed guest has no guests of its own. */
		vcpu_clear_cpuid_feature(s->vcpus[i], X86_FEATURE_SVM);
		vcpu_clear_cpuid_feature(s->vcpus[i], X86_FEATURE_VMX);
	}
	gmem_enable_map_gpa_range(s->w.vm);
	s->boxes = addr_gva2hva(s->w.vm, (vm_vaddr_t)gmem_mailboxes);
}

/* All pages of the slot are private, and the guest has not run. */
static inline struct sealed make_open_with(enum gmem_kind kind, u64 size,
					   void (*prepare)(struct kvm_vm *vm))
{
	struct sealed s = {};

	open_vm(&s, mailbox_server, prepare);
	gmem_slot_add(&s.w.slot, s.w.vm, kind, SLOT, GMEM_BASE, size);
	gmem_set_attrs(s.w.vm->fd, GMEM_BASE, size, GMEM_PRIVATE);
	return s;
}

static inline struct sealed make_open(enum gmem_kind kind, u64 size)
{
	return make_open_with(kind, size, NULL);
}

static inline struct gmem_run sealed_run(struct sealed *s, unsigned int cpu)
{
	struct kvm_run *r = s->vcpus[cpu]->run;
	struct gmem_run run = { .exit = GMEM_EXIT_OTHER };

	do {
		errno = 0;
		run.ret = _vcpu_run(s->vcpus[cpu]);
		run.err = errno;
	} while (run.ret && run.err == EINTR);

	if (run.ret && r->exit_reason == KVM_EXIT_MEMORY_FAULT)
		run.exit = GMEM_EXIT_FAULT;
	else if (!run.ret && r->exit_reason == KVM_EXIT_IO &&
		 r->io.port == GMEM_GUEST_SYNC)
		run.exit = GMEM_EXIT_SYNC;
	return run;
}

/* The byte that a vCPU writes to a port */
static inline u8 sealed_output(const struct sealed *s, unsigned int cpu)
{
	const struct kvm_run *r = s->vcpus[cpu]->run;

	return *((const u8 *)r + r->io.data_offset);
}

static inline void sealed_start(struct sealed *s, bool seal)
{
	unsigned int i;

	s->is_sealed = seal;
	if (seal)
		ASSERT_OK(__gmem_seal(s->w.vm->fd, s->digest));
	for (i = 0; i < MAX_VCPUS; i++)
		TEST_ASSERT(sealed_run(s, i).exit == GMEM_EXIT_SYNC,
			    "vCPU %u does not start", i);
}

static inline struct gmem_run sealed_cmd_on(struct sealed *s, unsigned int cpu,
					    enum gmem_cmd_op op, u64 a, u64 b)
{
	s->boxes[cpu] = (struct gmem_mailbox) { .op = op, .a = a, .b = b };
	return sealed_run(s, cpu);
}

static inline struct gmem_run sealed_cmd(struct sealed *s, enum gmem_cmd_op op,
					 u64 a, u64 b)
{
	return sealed_cmd_on(s, 0, op, a, b);
}

/* The end of a command that has no exit left */
static inline u64 sealed_result_on(struct sealed *s, unsigned int cpu,
				   const struct gmem_run *run)
{
	if (run->exit != GMEM_EXIT_SYNC) {
		gmem_describe_run(s->vcpus[cpu], run);
		TEST_FAIL("vCPU %u did not complete its command", cpu);
	}
	return s->boxes[cpu].result;
}

static inline u64 sealed_do(struct sealed *s, enum gmem_cmd_op op, u64 a, u64 b)
{
	struct gmem_run run = sealed_cmd(s, op, a, b);

	return sealed_result_on(s, 0, &run);
}

static inline u64 sealed_resume_on(struct sealed *s, unsigned int cpu)
{
	struct gmem_run run = sealed_run(s, cpu);

	return sealed_result_on(s, cpu, &run);
}

/* What the guest owns is not there: an exit that says so. */
static inline void check_refused(struct sealed *s, const struct gmem_run *run,
				 u64 gpa, int err)
{
	struct kvm_run *r = s->vcpus[0]->run;

	if (run->exit != GMEM_EXIT_FAULT || run->err != err ||
	    r->memory_fault.flags != KVM_MEMORY_EXIT_FLAG_PRIVATE ||
	    r->memory_fault.gpa != gpa || r->memory_fault.size != PG) {
		gmem_describe_run(s->vcpus[0], run);
		TEST_FAIL("no exit for the guest's own page at %#lx, %s", gpa,
			  strerrorname_np(err));
	}
}

static inline void assert_refused(struct sealed *s, enum gmem_cmd_op op,
				  unsigned int page, u64 b, int err)
{
	struct gmem_run run = sealed_cmd(s, op, gpa(page), b);

	check_refused(s, &run, gpa(page), err);
}

/* The same, of the vCPU that has just been refused */
static inline void assert_still_refused(struct sealed *s, unsigned int page, int err)
{
	struct gmem_run run = sealed_run(s, 0);

	check_refused(s, &run, gpa(page), err);
}

/* The guest has what @value is, or, if it is sealed, an exit with @err. */
static inline void assert_sees(struct sealed *s, unsigned int page, u8 value, int err)
{
	if (s->is_sealed)
		assert_refused(s, GMEM_CMD_READ, page, 0, err);
	else
		ASSERT_EQ(sealed_do(s, GMEM_CMD_READ, gpa(page), 0), value);
}

static inline void sealed_fill(struct sealed *s, unsigned int page, u8 value)
{
	sealed_do(s, GMEM_CMD_FILL, gpa(page), value);
}

static inline void assert_intact(struct sealed *s, unsigned int page, u8 value)
{
	ASSERT_EQ(sealed_do(s, GMEM_CMD_IS, gpa(page), value), 1);
}

/* Let the guest ask; the VMM is to answer in the exit. */
static inline void sealed_ask_on(struct sealed *s, unsigned int cpu,
				 enum gmem_cmd_op op, unsigned int page,
				 unsigned int pages)
{
	struct gmem_run run = sealed_cmd_on(s, cpu, op, gpa(page), pages);
	struct kvm_run *r = s->vcpus[cpu]->run;

	if (run.ret || r->exit_reason != KVM_EXIT_HYPERCALL) {
		gmem_describe_run(s->vcpus[cpu], &run);
		TEST_FAIL("no request");
	}
}

/* The guest asks, the VMM converts. */
static inline void sealed_convert(struct sealed *s, enum gmem_cmd_op op,
				  unsigned int page, unsigned int pages)
{
	sealed_ask_on(s, 0, op, page, pages);
	ASSERT_OK(convert(&s->w, page, pages,
			  op == GMEM_CMD_UNSHARE ? GMEM_PRIVATE : GMEM_SHARED));
	ASSERT_EQ(sealed_resume_on(s, 0), 0);
}

/* The VMM converts a page. */
static inline int share(struct sealed *s, unsigned int page)
{
	return convert(&s->w, page, 1, GMEM_SHARED);
}

static inline int take_back(struct sealed *s, unsigned int page)
{
	return convert(&s->w, page, 1, GMEM_PRIVATE);
}

/* A guest with SECRET at AT */
static inline struct sealed make_secret(enum gmem_kind kind, bool seal)
{
	struct sealed s = make_open(kind, PAGES * PG);

	sealed_start(&s, seal);
	sealed_fill(&s, AT, SECRET);
	return s;
}

#define SEALED_ATTACK(_name)						\
static void _name##_attack(bool seal);					\
GMEM_TEST(_name)							\
{									\
	_name##_attack(true);						\
}									\
GMEM_TEST(_name##_unsealed)						\
{									\
	_name##_attack(false);						\
}									\
static void _name##_attack(bool seal)

#endif /* SELFTEST_KVM_GMEM_SEALED_H */
