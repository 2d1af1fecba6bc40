// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: every error of KVM_PRE_FAULT_MEMORY, how far it gets,
 * and every rule of the conversion hypercall.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "gmem_errno.h"
#include "gmem_poison.h"
#include "gmem_world.h"
#include "svm_util.h"

static void guest_finish(void)
{
	GUEST_FINISH();
}

/* Pre-fault; the row fails also if what is left is not @left bytes. */
static void prefault_row(int vcpu, u64 start, u64 size, int err, u64 left,
			 const char *what)
{
	struct kvm_pre_fault_memory args = { .gpa = start, .size = size };

	gmem_row(ioctl(vcpu, KVM_PRE_FAULT_MEMORY, &args), err, "%s", what);
	if (args.size != left || args.gpa != start + size - left) {
		printf("%s: %#llx bytes left at %#llx, expected %#lx\n", what,
		       args.size, args.gpa, left);
		gmem_bad_rows++;
	}
}

/*
 * A vCPU without memory: what passes the checks of the argument is ENOENT, also
 * while KVM, which allots page tables by the size of memory, has none to give.
 */
static int bare_vcpu(unsigned long type)
{
	int vm = gmem_vm_open(type), fd = ioctl(vm, KVM_CREATE_VCPU, 0);

	TEST_ASSERT(fd >= 0, "KVM_CREATE_VCPU");
	prefault_row(fd, 0, PG, ENOENT, PG, "no page tables");
	prefault_row(fd, 0, 1, EINVAL, 1, "no page tables, bad size");
	ASSERT_OK(ioctl(vm, KVM_SET_NR_MMU_PAGES, 64));
	return fd;
}

GMEM_ERRNO_TEST(prefault_each_bit)
{
	const struct gmem_type *t;
	char what[64];
	int bit, i;

	for_each_vm_type(t) {
		int vcpu = bare_vcpu(t->type);

		for (bit = 0; bit < 64; bit++) {
			struct kvm_pre_fault_memory args = { .size = PG };
			u64 b = BIT_ULL(bit);
			int err = bit < 12 ? EINVAL : ENOENT;

			snprintf(what, sizeof(what), "%s, gpa 2^%d", t->name, bit);
			prefault_row(vcpu, b, PG, err, PG, what);
			snprintf(what, sizeof(what), "%s, size 2^%d", t->name, bit);
			prefault_row(vcpu, 0, b, err, b, what);
			args.flags = b;
			gmem_row(ioctl(vcpu, KVM_PRE_FAULT_MEMORY, &args), EINVAL,
				 "%s, flag %d", t->name, bit);
			args.flags = 0;
			for (i = 0; i < 5; i++)
				args.padding[i] = b;
			gmem_row(ioctl(vcpu, KVM_PRE_FAULT_MEMORY, &args), ENOENT,
				 "%s, padding bit %d", t->name, bit);
		}
		prefault_row(vcpu, 0, 0, EINVAL, 0, "empty");
		prefault_row(vcpu, -PG, PG, EINVAL, PG, "last page");
		prefault_row(vcpu, -2 * PG, PG, ENOENT, PG, "last page but one");
		prefault_row(vcpu, -PG, 2 * PG, EINVAL, 2 * PG, "wraps");
		prefault_row(vcpu, PG, -PG, EINVAL, -PG, "to the end");
		prefault_row(vcpu, 0, -PG, ENOENT, -PG, "all but one");
	}
}

GMEM_ERRNO_TEST(prefault_order)
{
	struct kvm_pre_fault_memory args = { .gpa = 1, .size = 1, .flags = 1 };
	const size_t size = sizeof(args);
	struct gmem_slot slot;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd;

	vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 1, guest_finish, &vcpu);
	gmem_slot_init(&slot, vm->fd, GMEM_SLOT_PLAIN, SLOT, GMEM_BASE, 4 * PG);
	fd = vcpu->fd;
	gmem_row(gmem_foreign_ioctl(fd, KVM_PRE_FAULT_MEMORY, GMEM_BAD_PTR), EIO,
		 "another process, bad pointer");
	gmem_rows_truncated(fd, KVM_PRE_FAULT_MEMORY, &args, size);
	/* Nothing is written back after EINVAL, but after all else. */
	gmem_row(ioctl(fd, KVM_PRE_FAULT_MEMORY, gmem_write_protect(&args, size)), EINVAL,
		 "read-only, bad flag");
	args = (struct kvm_pre_fault_memory){ .gpa = 1ULL << 40, .size = PG };
	gmem_row(ioctl(fd, KVM_PRE_FAULT_MEMORY, gmem_write_protect(&args, size)), EFAULT,
		 "read-only, no slot");
	args.gpa = GMEM_BASE;
	gmem_row(ioctl(fd, KVM_PRE_FAULT_MEMORY, gmem_write_protect(&args, size)), EFAULT,
		 "read-only, good");
	/* What is missing of a private page makes no difference. */
	gmem_set_attrs(vm->fd, GMEM_BASE + 4 * PG, PG, GMEM_PRIVATE);
	prefault_row(fd, GMEM_BASE + 4 * PG, PG, EFAULT, PG, "private, no slot");
	prefault_row(fd, GMEM_BASE + 5 * PG, PG, ENOENT, PG, "shared, no slot");
	gmem_row(__gmem_set_region2(vm->fd, SLOT + 1, 0, GMEM_BASE + 4 * PG, PG, NULL, -1, 0),
		 0, "slot without memory");
	prefault_row(fd, GMEM_BASE + 4 * PG, PG, EFAULT, PG, "private, no file");
}

/* The error of the first page that cannot be had, and what is left then */
GMEM_ERRNO_TEST(prefault_partial_progress)
{
	struct gmem_slot a, b, two, mmaped;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd, vmfd;

	vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 1, guest_finish, &vcpu);
	fd = vcpu->fd;
	vmfd = vm->fd;
	/* Eight pages each; a gap of eight before the third and the fourth */
	gmem_slot_init(&a, vmfd, GMEM_SLOT_PLAIN, SLOT, gpa(0), 8 * PG);
	gmem_slot_init(&b, vmfd, GMEM_SLOT_PLAIN, SLOT + 1, gpa(8), 8 * PG);
	gmem_slot_init(&two, vmfd, GMEM_SLOT_TWO, SLOT + 2, gpa(24), 8 * PG);
	gmem_slot_init(&mmaped, vmfd, GMEM_SLOT_INPLACE, SLOT + 3, gpa(40), 8 * PG);
	vcpu->run->exit_reason = 0x55;

	prefault_row(fd, gpa(0), 16 * PG, 0, 0, "two slots");
	prefault_row(fd, gpa(0), 16 * PG, 0, 0, "again");
	prefault_row(fd, gpa(15), 10 * PG, 0, 9 * PG, "up to the gap");
	prefault_row(fd, gpa(16), 9 * PG, ENOENT, 9 * PG, "in the gap");
	prefault_row(fd, gpa(23), 9 * PG, ENOENT, 9 * PG, "from the gap");

	gmem_set_attrs(vmfd, gpa(4), PG, GMEM_PRIVATE);
	prefault_row(fd, gpa(0), 8 * PG, 0, 4 * PG, "up to private without a file");
	prefault_row(fd, gpa(4), 4 * PG, EFAULT, 4 * PG, "private without a file");
	gmem_set_attrs(vmfd, gpa(4), PG, GMEM_SHARED);
	prefault_row(fd, gpa(4), 4 * PG, 0, 0, "shared again");

	TEST_ASSERT(!mprotect(b.hva + 3 * PG, PG, PROT_NONE), "mprotect()");
	prefault_row(fd, gpa(8), 8 * PG, 0, 5 * PG, "up to memory without access");
	prefault_row(fd, gpa(11), 5 * PG, EFAULT, 5 * PG, "memory without access");
	TEST_ASSERT(!mprotect(b.hva + 3 * PG, PG, PROT_READ), "mprotect()");
	prefault_row(fd, gpa(11), 5 * PG, 0, 0, "read-only memory");
	TEST_ASSERT(!munmap(b.hva + 5 * PG, PG), "munmap()");
	prefault_row(fd, gpa(12), 4 * PG, 0, 3 * PG, "up to no memory");
	prefault_row(fd, gpa(13), PG, EFAULT, PG, "no memory");

	gmem_set_attrs(vmfd, gpa(26), 2 * PG, GMEM_PRIVATE);
	prefault_row(fd, gpa(24), 8 * PG, 0, 0, "shared, private, shared");
	close(two.fd);
	prefault_row(fd, gpa(24), 8 * PG, 0, 6 * PG, "up to a closed file");
	prefault_row(fd, gpa(26), PG, EFAULT, PG, "closed file");
	prefault_row(fd, gpa(28), 4 * PG, 0, 0, "shared beside a closed file");

	gmem_set_attrs(vmfd, gpa(42), 2 * PG, GMEM_PRIVATE);
	prefault_row(fd, gpa(40), 8 * PG, 0, 0, "mapped file");
	TEST_ASSERT(!munmap(mmaped.hva, 8 * PG), "munmap()");
	prefault_row(fd, gpa(40), 8 * PG, 0, 0, "mapped file, not mapped");
	close(mmaped.fd);
	prefault_row(fd, gpa(40), 8 * PG, EFAULT, 8 * PG, "closed mapped file");
	prefault_row(fd, gpa(42), PG, EFAULT, PG, "closed mapped file, private");
	gmem_row_true(vcpu->run->exit_reason == 0x55, "exit reason %u",
		      vcpu->run->exit_reason);
}

static sig_atomic_t signals;

static void count_signal(int sig)
{
	signals++;
}

GMEM_ERRNO_TEST(prefault_poisoned)
{
	struct sigaction sa = { .sa_handler = count_signal };
	struct gmem_slot plain, file;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 1, guest_finish, &vcpu);
	gmem_slot_init(&plain, vm->fd, GMEM_SLOT_PLAIN, SLOT, gpa(0), 8 * PG);
	gmem_slot_init(&file, vm->fd, GMEM_SLOT_INPLACE, SLOT + 1, gpa(8), 8 * PG);
	memset(plain.hva, 1, 8 * PG);
	memset(file.hva, 1, 8 * PG);
	TEST_ASSERT(!sigaction(SIGBUS, &sa, NULL), "sigaction()");
	gmem_poison(file.hva + 3 * PG);
	vcpu->run->exit_reason = 0x55;
	prefault_row(vcpu->fd, gpa(8), 8 * PG, 0, 5 * PG, "up to a poisoned page");
	prefault_row(vcpu->fd, gpa(11), 5 * PG, EHWPOISON, 5 * PG, "poisoned page");
	prefault_row(vcpu->fd, gpa(12), 4 * PG, 0, 0, "after a poisoned page");
	gmem_row_true(vcpu->run->exit_reason == 0x55, "exit reason");
	/* Not the file's: a signal, too, as for the host's own access */
	gmem_poison(plain.hva + 3 * PG);
	signals = 0;
	prefault_row(vcpu->fd, gpa(3), 5 * PG, EHWPOISON, 5 * PG, "poisoned plain page");
	gmem_row_true(signals == 1, "%d signals", signals);
	gmem_mask_signal(SIG_BLOCK, SIGBUS);
	prefault_row(vcpu->fd, gpa(3), 5 * PG, EHWPOISON, 5 * PG, "SIGBUS is blocked");
	prefault_row(vcpu->fd, gpa(3), 5 * PG, EHWPOISON, 5 * PG, "and pending");
	signal(SIGBUS, SIG_IGN);
	prefault_row(vcpu->fd, gpa(3), 5 * PG, EHWPOISON, 5 * PG, "SIGBUS is ignored");
	gmem_row_true(vcpu->run->exit_reason == 0x55, "exit reason");
}

/* A signal that comes before the first page, sooner or later */
GMEM_ERRNO_TEST(prefault_not_begun)
{
	long end = gmem_now_ms() + 30 * 1000;
	struct kvm_pre_fault_memory args;
	struct gmem_slot slot;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	timer_t timer;
	int r;

	vm = gmem_vm_create(KVM_X86_DEFAULT_VM, 1, guest_finish, &vcpu);
	gmem_slot_init(&slot, vm->fd, GMEM_SLOT_PLAIN, SLOT, gpa(0), PG);
	timer = gmem_signal_often();
	do {
		args = (struct kvm_pre_fault_memory){ .gpa = gpa(0), .size = PG };
		r = ioctl(vcpu->fd, KVM_PRE_FAULT_MEMORY, &args);
	} while (!r && gmem_now_ms() < end);
	gmem_row(r, EINTR, "a signal before the first page");
	timer_delete(timer);
	gmem_row_true(args.gpa == gpa(0) && args.size == PG, "%#llx bytes left at %#llx",
		      args.size, args.gpa);
}

GMEM_ERRNO_TEST(prefault_interrupted)
{
	struct kvm_pre_fault_memory args = { .gpa = GMEM_BASE, .size = 64 << 20 };
	struct gmem_slot slot;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	timer_t timer;
	int r, tries = 0;

	vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, 1, guest_finish, &vcpu);
	gmem_slot_init(&slot, vm->fd, GMEM_SLOT_TWO, SLOT, GMEM_BASE, args.size);
	gmem_set_attrs(vm->fd, GMEM_BASE, args.size, GMEM_PRIVATE);
	timer = gmem_signal_often();
	/* EINTR: the signal came before the first page */
	do {
		r = ioctl(vcpu->fd, KVM_PRE_FAULT_MEMORY, &args);
	} while (r && errno == EINTR && args.size == 64 << 20 && ++tries < 1000);
	gmem_row(r, 0, "64 MiB, signals");
	timer_delete(timer);
	gmem_row_true(args.size && args.size < 64 << 20, "%#llx bytes left", args.size);
	gmem_row_true(args.gpa + args.size == GMEM_BASE + (64 << 20), "left at %#llx",
		      args.gpa);
	prefault_row(vcpu->fd, args.gpa, args.size, 0, 0, "the rest");
}

struct recreate {
	int vm;
	u8 *hva;
	bool stop;
};

static void *recreate(void *arg)
{
	struct recreate *r = arg;
	u64 i;

	for (i = 0; !READ_ONCE(r->stop); i++) {
		ASSERT_OK(__gmem_set_region1(r->vm, SLOT, 0, gpa(0), 8 * PG, r->hva));
		ASSERT_OK(__gmem_set_region1(r->vm, SLOT, 0, gpa(64), 8 * PG, r->hva));
		ASSERT_OK(__gmem_set_region1(r->vm, SLOT, 0, 0, 0, NULL));
	}
	return NULL;
}

/* A slot that comes, moves and goes: nothing but three answers, each of them */
GMEM_ERRNO_TEST(prefault_while_the_slot_changes)
{
	long end = gmem_now_ms() + 30 * 1000, good = 0, again = 0, none = 0;
	struct recreate r = { .hva = gmem_mmap_anon(8 * PG) };
	struct kvm_vcpu *vcpu;
	pthread_t thread;

	r.vm = gmem_vm_create(KVM_X86_DEFAULT_VM, 1, guest_finish, &vcpu)->fd;
	pthread_create(&thread, NULL, recreate, &r);
	while (!(good && again && none) && gmem_now_ms() < end) {
		struct kvm_pre_fault_memory args = { .gpa = gpa(0), .size = 8 * PG };
		int ret = ioctl(vcpu->fd, KVM_PRE_FAULT_MEMORY, &args);

		if (!ret)
			good++;
		else if (errno == EAGAIN)
			again++;
		else if (errno == ENOENT)
			none++;
		else
			gmem_row(ret, 0, "prefault");
		if (!ret != (args.size < 8 * PG) || args.gpa + args.size != gpa(8))
			gmem_row_true(false, "returned %d, %#llx left", ret, args.size);
	}
	WRITE_ONCE(r.stop, true);
	pthread_join(thread, NULL);
	gmem_row_true(good && again && none, "%ld done, %ld EAGAIN, %ld ENOENT", good,
		      again, none);
}

static void l2_code(void)
{
	GUEST_STAGE(2);
}

static void l1_code(struct svm_test_data *svm)
{
	static unsigned long l2_stack[64];

	generic_svm_setup(svm, l2_code, &l2_stack[64]);
	GUEST_STAGE(1);
	run_guest(svm->vmcb, svm->vmcb_gpa);
	GUEST_FINISH();
}

GMEM_ERRNO_TEST(prefault_in_a_nested_guest)
{
	struct kvm_vcpu *vcpu;
	vm_vaddr_t svm_gva;
	struct kvm_vm *vm;

	if (!kvm_cpu_has(X86_FEATURE_SVM))
		gmem_skip("processor without SVM");
	vm = gmem_vm_create(KVM_X86_DEFAULT_VM, 1, l1_code, &vcpu);
	vcpu_alloc_svm(vm, &svm_gva);
	vcpu_args_set(vcpu, 1, svm_gva);
	gmem_run_to_sync(vcpu, 1);
	prefault_row(vcpu->fd, 0, PG, 0, 0, "L1");
	gmem_run_to_sync(vcpu, 2);
	prefault_row(vcpu->fd, 0, PG, EOPNOTSUPP, PG, "L2");
	prefault_row(vcpu->fd, 1ULL << 40, PG, EOPNOTSUPP, PG, "L2, no slot");
	prefault_row(vcpu->fd, 1, PG, EINVAL, PG, "L2, bad argument");
}

GMEM_HARNESS_MAIN
