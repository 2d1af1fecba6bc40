/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest code that can live in private memory.
 *
 * The library's ucall passes a pointer to the guest's stack, which the host
 * cannot follow when the stack or the page tables are private.  The calls here
 * pass three values in registers, by an access to a device, and need no memory.
 */
#ifndef SELFTEST_KVM_GMEM_GUEST_H
#define SELFTEST_KVM_GMEM_GUEST_H

#include "gmem_util.h"

/* How one run of a vCPU ended */
enum gmem_exit {
	GMEM_EXIT_SYNC,
	GMEM_EXIT_DONE,
	GMEM_EXIT_FAULT,	/* -1, EFAULT or EHWPOISON, and exit 39 */
	GMEM_EXIT_OTHER,	/* run->exit_reason tells */
};

struct gmem_run {
	enum gmem_exit exit;
	int ret;		/* of KVM_RUN */
	int err;		/* errno of KVM_RUN */
	u64 args[3];	/* of the guest's call */
};

/* What gmem_guest_server() does for the host */
enum gmem_cmd_op {
	GMEM_CMD_READ,		/* gva; returns the byte */
	GMEM_CMD_WRITE,		/* gva, byte */
	GMEM_CMD_FILL,		/* gva of a page, byte */
	GMEM_CMD_IS,		/* gva of a page, byte; returns 1 or 0 */
	GMEM_CMD_TOUCH,		/* gva, pages: write a byte into each */
	GMEM_CMD_CALL,		/* gva of a function, argument; returns its result */
	GMEM_CMD_SHARE,		/* gpa, pages: ask to share; returns rax */
	GMEM_CMD_OFFER,		/* gpa, pages: the same, with contents */
	GMEM_CMD_UNSHARE,	/* gpa, pages; returns rax */
	GMEM_CMD_OUTS,		/* gva, bytes: to GMEM_GUEST_STRING */
	GMEM_CMD_INS,		/* gva, bytes: from GMEM_GUEST_STRING */
	GMEM_CMD_MOVE,		/* gva, gva: a byte from the one to the other */
	GMEM_CMD_WRMSR,		/* number, value */
	GMEM_CMD_DIGEST,	/* gpa for the launch digest; returns rax */
};

#define GMEM_STAGE_READY	0x5e4e4

static inline void gmem_guest_call(enum gmem_guest_call nr, u64 a,
				   u64 b, u64 c)
{
	__gmem_guest_call(nr, &a, &b, &c);
}

#define GUEST_SYNC3(a, b, c) \
	gmem_guest_call(GMEM_GUEST_SYNC, (u64)(a), (u64)(b), (u64)(c))
#define GUEST_STAGE(a)		GUEST_SYNC3(a, 0, 0)
#define GUEST_FINISH()		gmem_guest_call(GMEM_GUEST_DONE, 0, 0, 0)

#define GUEST_EXPECT(seen, expected) do {				\
	u64 __s = (u64)(seen), __e = (u64)(expected);	\
									\
	if (__s != __e)							\
		gmem_guest_call(GMEM_GUEST_FAIL, __LINE__, __s, __e);	\
} while (0)

static inline u8 guest_read8(u64 gva)
{
	return READ_ONCE(*(u8 *)gva);
}

static inline void guest_write8(u64 gva, u8 value)
{
	WRITE_ONCE(*(u8 *)gva, value);
}

void guest_fill(u64 gva, u8 value);
int guest_page_is(u64 gva, u8 value);
void guest_touch(u64 gva, u64 pages);

/* Do one thing. */
u64 gmem_serve(enum gmem_cmd_op op, u64 a, u64 b);

/* A vCPU's entry point: serve gmem_cmd() for ever. */
void gmem_guest_server(void);

/* Host side */
struct gmem_run gmem_run(struct kvm_vcpu *vcpu);
void gmem_run_to_sync(struct kvm_vcpu *vcpu, u64 value);
void gmem_run_to_done(struct kvm_vcpu *vcpu);
void gmem_run_to_fault(struct kvm_vcpu *vcpu, u64 gpa, u64 flags);
void gmem_run_to_map_gpa_range(struct kvm_vcpu *vcpu, u64 gpa,
			       u64 pages, u64 attrs);
void gmem_describe_run(struct kvm_vcpu *vcpu, const struct gmem_run *run);

void gmem_server_start(struct kvm_vcpu *vcpu);
struct gmem_run gmem_cmd(struct kvm_vcpu *vcpu, enum gmem_cmd_op op,
			 u64 a, u64 b);
u64 gmem_cmd_result(struct kvm_vcpu *vcpu, enum gmem_cmd_op op,
		    u64 a, u64 b);
void gmem_cmd_fault(struct kvm_vcpu *vcpu, enum gmem_cmd_op op, u64 a,
		    u64 b, u64 flags);
void gmem_guest_offer(struct kvm_vcpu *vcpu, u64 gpa, u64 pages);
u64 gmem_resume(struct kvm_vcpu *vcpu);

/*
 * Of the architecture: commands that only it has, whether an exit is a guest call
 * (then which, and its arguments), the arguments that the guest goes on with, and
 * what vCPUs need besides.
 */
u64 gmem_arch_serve(enum gmem_cmd_op op, u64 a, u64 b);
bool gmem_arch_guest_call(struct kvm_vcpu *vcpu, struct gmem_run *run,
			  enum gmem_guest_call *nr);
void gmem_arch_set_args(struct kvm_vcpu *vcpu, const u64 args[3]);

#endif /* SELFTEST_KVM_GMEM_GUEST_H */
