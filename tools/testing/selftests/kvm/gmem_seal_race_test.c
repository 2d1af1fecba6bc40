// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: ioctls in flight when a VM is sealed.
 *
 * Their argument is in memory that comes only when the test lets it.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>

#include "apic.h"
#include "gmem_fuse.h"
#include "gmem_harness.h"
#include "gmem_knob.h"
#include "gmem_sealed.h"

struct race {
	struct sealed s;
	struct gmem_fuse fuse;
	void *arg;		/* in memory that does not come */
	int fd;			/* whose ioctl is in flight */
	unsigned long ioctl;
	int ret;
	pthread_t slow, sealer;
	pid_t tid;		/* of the sealer */
	sem_t go;
	int seal_ret, seal_errno;
	bool sealed;
};

static void *slow_ioctl(void *arg)
{
	struct race *r = arg;

	r->ret = ioctl(r->fd, r->ioctl, r->arg);
	return NULL;
}

static void *seal(void *arg)
{
	struct race *r = arg;

	WRITE_ONCE(r->tid, syscall(SYS_gettid));
	sem_wait(&r->go);
	r->seal_ret = __gmem_seal(r->s.w.vm->fd, NULL);
	r->seal_errno = errno;
	WRITE_ONCE(r->sealed, true);
	return NULL;
}

/* Does a thread wait for a lock of KVM's, and not for RCU? */
static bool waits_for_lock(pid_t tid)
{
	char path[64], text[512], *state;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	gmem_read_knob(path, text, sizeof(text));
	state = strrchr(text, ')');
	if (!state || state[2] != 'D')
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", tid);
	gmem_read_knob(path, text, sizeof(text));
	return !strstr(text, "rcu");
}

/* Until the sealer waits, or has not waited */
static void start(struct race *r, int fd, unsigned long nr)
{
	r->fd = fd;
	r->ioctl = nr;
	gmem_fuse_mount(&r->fuse);
	r->arg = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, r->fuse.file, 0);
	TEST_ASSERT(r->arg != MAP_FAILED, "mmap() of FUSE: %s", strerror(errno));
	/* No new thread once the address space is busy */
	sem_init(&r->go, 0, 0);
	pthread_create(&r->sealer, NULL, seal, r);
	while (!READ_ONCE(r->tid))
		sched_yield();
	pthread_create(&r->slow, NULL, slow_ioctl, r);
	gmem_fuse_wait(&r->fuse);
	sem_post(&r->go);
	while (!READ_ONCE(r->sealed) && !waits_for_lock(r->tid))
		sched_yield();
}

static void end_with(struct race *r, const void *data)
{
	gmem_fuse_answer(&r->fuse, gmem_fuse_next(&r->fuse, FUSE_READ)->head.unique, 0,
			 data, PG);
	pthread_join(r->slow, NULL);
	pthread_join(r->sealer, NULL);
	gmem_fuse_umount(&r->fuse);
}

static void end(struct race *r)
{
	static const u8 data[PG];

	end_with(r, data);
}

/* An MSR filter that the VM must not have */
GMEM_TEST(of_the_vm)
{
	struct race r = { .s = make_open(GMEM_SLOT_INPLACE, PAGES * PG) };
	struct kvm_regs regs;

	start(&r, r.s.w.vm->fd, KVM_X86_SET_MSR_FILTER);
	end(&r);
	ASSERT_EQ(r.ret, 0);
	TEST_ASSERT(r.seal_ret == -1 && r.seal_errno == EINVAL, "sealed: %d, %s",
		    r.seal_ret, strerror(r.seal_errno));
	ASSERT_OK(ioctl(r.s.w.vcpu->fd, KVM_GET_REGS, &regs));
}

/* No MSRs, in the end; meanwhile nobody runs. */
GMEM_TEST(of_a_vcpu)
{
	struct race r = { .s = make_open(GMEM_SLOT_INPLACE, PAGES * PG) };

	start(&r, r.s.vcpus[1]->fd, KVM_SET_MSRS);
	TEST_ASSERT(!READ_ONCE(r.sealed), "sealed in the middle of an ioctl");
	ASSERT_ERRNO(ioctl(r.s.vcpus[0]->fd, KVM_RUN, NULL), EBUSY);
	end(&r);
	ASSERT_EQ(r.ret, 0);
	ASSERT_EQ(r.seal_ret, 0);
	TEST_ASSERT(sealed_run(&r.s, 0).exit == GMEM_EXIT_SYNC, "the guest does not run");
}

#define X2APIC_ICR	0x830
#define ICR_INIT	0x4500	/* to processor 0 */

/* An ioctl on one vCPU has another one start where the VMM wants it. */
GMEM_TEST(of_another_vcpu)
{
	static union {
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry entry;
		} msrs;
		u8 page[PG];
	} data = {
		.msrs.head.nmsrs = 1,
		.msrs.entry = { .index = X2APIC_ICR, .data = ICR_INIT },
	};
	struct race r = { .s = make_open(GMEM_SLOT_INPLACE, PAGES * PG) };
	struct kvm_sregs sregs;
	unsigned int i;

	for (i = 0; i < MAX_VCPUS; i++) {
		vcpu_sregs_get(r.s.vcpus[i], &sregs);
		sregs.apic_base |= X2APIC_ENABLE | MSR_IA32_APICBASE_ENABLE;
		vcpu_sregs_set(r.s.vcpus[i], &sregs);
	}
	start(&r, r.s.vcpus[1]->fd, KVM_SET_MSRS);
	end_with(&r, &data);
	ASSERT_EQ(r.ret, 1);
	TEST_ASSERT(r.seal_ret == -1 && r.seal_errno == EINVAL, "sealed: %d, %s",
		    r.seal_ret, strerror(r.seal_errno));
}

GMEM_HARNESS_MAIN
