// SPDX-License-Identifier: GPL-2.0-only
/* vCPU threads and their exits to this program. */
#include <errno.h>
#include <linux/kvm_para.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "vmm.h"

/* Memory faults without progress between them: the same one, and all. */
#define FAULT_SAME	16
#define FAULT_TOTAL	4096

static void on_kick(int sig)
{
	(void)sig;
}

static unsigned long long rip(struct vcpu *cpu)
{
	struct kvm_regs regs;

	return ioctl(cpu->fd, KVM_GET_REGS, &regs) ? 0 : regs.rip;
}

static void __printf(2, 3) crash(struct vcpu *cpu, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	vm_stop(cpu->vm, VMM_CRASH, "guest crashed: %s (vCPU %u, rip 0x%llx)",
		what, cpu->id, rip(cpu));
}

/*
 * The guest asks for a conversion.  An ordinary VM has nothing to convert,
 * and says so by success: the guest may go on and share.
 */
static void handle_hypercall(struct vcpu *cpu)
{
	typeof(cpu->run->hypercall) *call = &cpu->run->hypercall;
	struct vm *vm = cpu->vm;
	__u64 gpa = call->args[0], pages = call->args[1];
	const __u64 known = 0xf | KVM_MAP_GPA_RANGE_ENCRYPTED |
			    KVM_MAP_GPA_RANGE_KEEP;
	int err;

	if (call->nr != KVM_HC_MAP_GPA_RANGE) {
		call->ret = -KVM_ENOSYS;
		return;
	}
	atomic_fetch_add(&vm->count.offers, 1);
	if ((call->args[2] & ~known) || pages > vm->opt.mem / PAGE_BYTES ||
	    !mem_contains(vm, gpa, pages * PAGE_BYTES)) {
		call->ret = -EINVAL;
		return;
	}
	err = vm->opt.shared ? 0 :
	      mem_convert(vm, gpa, pages * PAGE_BYTES,
			  call->args[2] & KVM_MAP_GPA_RANGE_ENCRYPTED, true);
	/* Try again is for the guest to decide; all else is a refusal. */
	call->ret = err == -EAGAIN ? -EAGAIN : err ? -EINVAL : 0;
}

/*
 * Convert as the access wants and run again.  A fault that conversion does
 * not cure would come back for ever: give up on it.
 */
static void handle_memory_fault(struct vcpu *cpu, int error)
{
	__u64 gpa = cpu->run->memory_fault.gpa;
	__u64 size = cpu->run->memory_fault.size;
	__u64 flags = cpu->run->memory_fault.flags;
	unsigned long long where = gpa;
	int err;

	atomic_fetch_add(&cpu->vm->count.faults, 1);
	if (error == EHWPOISON) {
		crash(cpu, "hardware memory error at 0x%llx", where);
		return;
	}
	if (flags & ~KVM_MEMORY_EXIT_FLAG_PRIVATE) {
		crash(cpu, "memory fault of unknown kind at 0x%llx", where);
		return;
	}
	if (gpa != cpu->fault_gpa || flags != cpu->fault_flags)
		cpu->fault_same = 0;
	cpu->fault_gpa = gpa;
	cpu->fault_flags = flags;
	if (++cpu->fault_same > FAULT_SAME || ++cpu->fault_total > FAULT_TOTAL) {
		crash(cpu, "memory fault at 0x%llx comes back for ever", where);
		return;
	}
	err = cpu->vm->opt.shared ? -EINVAL :
	      mem_convert(cpu->vm, gpa, size,
			  flags & KVM_MEMORY_EXIT_FLAG_PRIVATE, false);
	if (err && err != -EAGAIN)
		crash(cpu, "memory fault at 0x%llx cannot be resolved: %s",
		      where, strerror(-err));
}

static void handle_io(struct vcpu *cpu)
{
	struct kvm_run *run = cpu->run;
	__u8 *data = (__u8 *)run + run->io.data_offset;
	__u32 i;

	atomic_fetch_add(&cpu->vm->count.pio, 1);
	for (i = 0; i < run->io.count; i++, data += run->io.size)
		io_port(cpu->vm, run->io.port,
			run->io.direction == KVM_EXIT_IO_OUT, data,
			run->io.size);
}

static void handle_mmio(struct vcpu *cpu)
{
	struct kvm_run *run = cpu->run;

	atomic_fetch_add(&cpu->vm->count.mmio, 1);
	if (disk_access(cpu->vm, run->mmio.phys_addr, run->mmio.is_write,
			run->mmio.data, run->mmio.len))
		return;
	/* Nothing is there: reads give ones, writes are lost. */
	if (!run->mmio.is_write)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
}

static void handle_exit(struct vcpu *cpu)
{
	struct kvm_run *run = cpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(cpu);
		break;
	case KVM_EXIT_MMIO:
		handle_mmio(cpu);
		break;
	case KVM_EXIT_HYPERCALL:
		handle_hypercall(cpu);
		break;
	case KVM_EXIT_SHUTDOWN:
		crash(cpu, "triple fault");
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		crash(cpu, "KVM internal error %u, 1 is failed emulation",
		      run->internal.suberror);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		crash(cpu, "entry refused by the processor");
		break;
	default:
		crash(cpu, "unexpected KVM exit %u", run->exit_reason);
	}
}

static bool stopping(struct vm *vm)
{
	bool stopped;

	pthread_mutex_lock(&vm->lock);
	stopped = vm->stopped;
	pthread_mutex_unlock(&vm->lock);
	return stopped;
}

static void run_once(struct vcpu *cpu)
{
	if (!ioctl(cpu->fd, KVM_RUN, 0)) {
		cpu->fault_same = 0;
		cpu->fault_total = 0;
		handle_exit(cpu);
		return;
	}
	if (errno == EINTR || errno == EAGAIN)
		return;
	if ((errno == EFAULT || errno == EHWPOISON) &&
	    cpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
		handle_memory_fault(cpu, errno);
		return;
	}
	vm_stop(cpu->vm, VMM_ERROR, "KVM_RUN failed on vCPU %u at rip 0x%llx: %s",
		cpu->id, rip(cpu), strerror(errno));
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *cpu = arg;

	/* A reason left over from an earlier exit must not be taken for new. */
	while (!stopping(cpu->vm)) {
		cpu->run->exit_reason = KVM_EXIT_UNKNOWN;
		run_once(cpu);
	}
	return NULL;
}

static void wait_stop(struct vm *vm)
{
	struct timespec end;
	int err = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += vm->opt.timeout;
	pthread_mutex_lock(&vm->lock);
	while (!vm->stopped && !err)
		err = vm->opt.timeout ?
		      pthread_cond_timedwait(&vm->stop_cond, &vm->lock, &end) :
		      pthread_cond_wait(&vm->stop_cond, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
	if (err)
		vm_stop(vm, VMM_CRASH, "stopped: the guest has not ended in %u s",
			vm->opt.timeout);
}

/**
 * run_all() - run the guest to its end.
 * @vm: the VM, all set up
 *
 * The end and its reason are in vm->code.  A signal alone could come before
 * KVM_RUN is entered; immediate_exit makes that entry return as well.
 */
void run_all(struct vm *vm)
{
	struct sigaction kick = { .sa_handler = on_kick };
	unsigned int i;

	sigaction(SIGUSR1, &kick, NULL);
	for (i = 0; i < vm->opt.cpus; i++) {
		errno = pthread_create(&vm->cpu[i].thread, NULL, vcpu_thread,
				       &vm->cpu[i]);
		if (errno)
			die_errno(VMM_ERROR, "cannot start vCPU %u", i);
	}
	wait_stop(vm);
	for (i = 0; i < vm->opt.cpus; i++) {
		__atomic_store_n(&vm->cpu[i].run->immediate_exit, 1,
				 __ATOMIC_SEQ_CST);
		pthread_kill(vm->cpu[i].thread, SIGUSR1);
	}
	for (i = 0; i < vm->opt.cpus; i++)
		pthread_join(vm->cpu[i].thread, NULL);
}
