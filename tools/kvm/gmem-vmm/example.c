// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest complete VMM for private guest memory.
 *
 * It runs a guest of a few instructions, all of whose memory is private, and
 * answers each exit that such a guest can cause.  Documentation/virt/kvm/
 * gmem/api.rst shows this file.  gmem-vmm, beside it, boots real kernels.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Guest physical addresses.  The guest's code uses them, too: no suffixes. */
#define CODE		0x1000
#define SECRET		0x2000
#define BUFFER		0x3000
#define MEM_SIZE	0x4000
#define EXTRA		0x100000	/* memory that comes when it is touched */
#define EXTRA_SIZE	0x1000
#define DEVICE		0xd0000000
#define DEVICE_ID	0x474d454d

/* Ports: print that many bytes of BUFFER; the end, with an exit code. */
#define PORT_PRINT	0x10
#define PORT_EXIT	0x11

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define TEXT(a)		#a
#define VALUE(a)	TEXT(a)

/*
 * The guest: 32-bit code without paging.  On AMD processors KVM turns vmcall
 * into vmmcall.  The guest asks again if the VMM answers -EAGAIN.
 */
extern const char guest_start[], guest_end[];
asm(".pushsection .rodata\n"
	".code32\n"
	"guest_start:\n"
	"	movl	$0x5ec2e7, " VALUE(SECRET) "\n"
	/* Share the buffer, which shows zeroes; then fill it, and have it printed. */
	"0:	movl	$12, %eax\n"
	"	movl	$" VALUE(BUFFER) ", %ebx\n"
	"	movl	$1, %ecx\n"
	"	xorl	%edx, %edx\n"
	"	vmcall\n"
	"	cmpl	$-11, %eax\n"
	"	je	0b\n"
	"	testl	%eax, %eax\n"
	"	jnz	failed\n"
	"	cld\n"
	"	movl	$(message - guest_start + " VALUE(CODE) "), %esi\n"
	"	movl	$" VALUE(BUFFER) ", %edi\n"
	"	movl	$(guest_end - message), %ecx\n"
	"	movl	%ecx, %eax\n"
	"	rep movsb\n"
	"	outl	%eax, $" VALUE(PORT_PRINT) "\n"
	/* Take the buffer back. */
	"1:	movl	$12, %eax\n"
	"	movl	$" VALUE(BUFFER) ", %ebx\n"
	"	movl	$1, %ecx\n"
	"	movl	$0x10, %edx\n"
	"	vmcall\n"
	"	cmpl	$-11, %eax\n"
	"	je	1b\n"
	"	testl	%eax, %eax\n"
	"	jnz	failed\n"
	/* A device. */
	"	movl	" VALUE(DEVICE) ", %eax\n"
	"	cmpl	$" VALUE(DEVICE_ID) ", %eax\n"
	"	jne	failed\n"
	"	movl	%eax, " VALUE(DEVICE) "\n"
	/* Private memory that is not there yet. */
	"	incl	" VALUE(EXTRA) "\n"
	"	cmpl	$1, " VALUE(EXTRA) "\n"
	"	jne	failed\n"
	"	cmpl	$0x5ec2e7, " VALUE(SECRET) "\n"
	"	jne	failed\n"
	"	xorl	%eax, %eax\n"
	"	outb	%al, $" VALUE(PORT_EXIT) "\n"
	"failed:\n"
	"	movb	$1, %al\n"
	"	outb	%al, $" VALUE(PORT_EXIT) "\n"
	"	hlt\n"
	"message:\n"
	"	.ascii	\"hello from private memory\\n\"\n"
	"guest_end:\n"
	".code64\n"
	".popsection\n");

struct vm {
	int fd;
	int file;		/* the guest_memfd */
	int vcpu;
	char *mem;		/* the file, mapped; only shared pages are there */
	struct kvm_run *run;
	unsigned int hypercalls, mmio_reads, mmio_writes, faults;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Type 1 is there if the kernel has the option and the TDP MMU is on. */
static void create_vm(struct vm *vm)
{
	struct kvm_enable_cap exit_hypercall = {
		.cap = KVM_CAP_EXIT_HYPERCALL,
		.args[0] = 1 << KVM_HC_MAP_GPA_RANGE,
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		die("/dev/kvm");
	if (!(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES) &
	      1 << KVM_X86_SW_PROTECTED_VM)) {
		errno = EOPNOTSUPP;
		die("software-protected VMs");
	}
	vm->fd = ioctl(kvm, KVM_CREATE_VM, KVM_X86_SW_PROTECTED_VM);
	if (vm->fd < 0)
		die("KVM_CREATE_VM");
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &exit_hypercall))
		die("KVM_CAP_EXIT_HYPERCALL");

	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0)
		die("KVM_CREATE_VCPU");
	vm->run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
		       PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		die("mapping of the vCPU");
	close(kvm);
}

/* 32-bit protected mode, flat segments, no paging. */
static void set_registers(struct vm *vm)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 8, .type = 11,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_segment data = code;
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	data.selector = 16;
	data.type = 3;
	if (ioctl(vm->vcpu, KVM_GET_SREGS, &sregs))
		die("KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.cr0 |= 1;
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &sregs) ||
	    ioctl(vm->vcpu, KVM_SET_REGS, &regs))
		die("registers");
}

static void add_memory(struct vm *vm, __u32 slot, __u64 gpa, __u64 size,
		       __u64 offset)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = slot,
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (unsigned long)vm->mem + offset,
		.guest_memfd = vm->file,
		.guest_memfd_offset = offset,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION2, &region))
		die("KVM_SET_USER_MEMORY_REGION2");
}

/* Returns 0 or -1 with errno. */
static int convert(struct vm *vm, __u64 gpa, __u64 size, bool private)
{
	struct kvm_memory_attributes attributes = {
		.address = gpa,
		.size = size,
		.attributes = private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	return ioctl(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attributes);
}

/*
 * All memory is shared until it has been loaded, and private before the first
 * instruction.  Attributes need no memslot: those of EXTRA are set in advance.
 */
static void load_guest(struct vm *vm)
{
	struct kvm_create_guest_memfd create = {
		.size = MEM_SIZE + EXTRA_SIZE,
		.flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED,
	};

	vm->file = ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &create);
	if (vm->file < 0)
		die("KVM_CREATE_GUEST_MEMFD");
	vm->mem = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->file, 0);
	if (vm->mem == MAP_FAILED)
		die("mapping of the file");
	add_memory(vm, 0, 0, MEM_SIZE, 0);
	memcpy(vm->mem + CODE, guest_start, guest_end - guest_start);
	if (convert(vm, 0, EXTRA + EXTRA_SIZE, true))
		die("KVM_SET_MEMORY_ATTRIBUTES");
}

/*
 * The guest asks for a conversion.  Nothing has happened yet, and all of the
 * arguments are the guest's: convert only what it has as memory.  EAGAIN means
 * that somebody in the host, like direct I/O, still uses a page.
 */
static void handle_hypercall(struct vm *vm)
{
	typeof(vm->run->hypercall) *call = &vm->run->hypercall;
	__u64 gpa = call->args[0], pages = call->args[1];

	vm->hypercalls++;
	call->ret = -EINVAL;
	if (call->nr != KVM_HC_MAP_GPA_RANGE || gpa > MEM_SIZE ||
	    pages > (MEM_SIZE - gpa) / 4096)
		return;
	if (!convert(vm, gpa, pages * 4096,
		     call->args[2] & KVM_MAP_GPA_RANGE_ENCRYPTED))
		call->ret = 0;
	else if (errno == EAGAIN)
		call->ret = -EAGAIN;
}

/*
 * The guest has touched a page that it cannot have.  This is no request to
 * convert it.  Give it the page, as here, or give the guest up: the same exit
 * comes back for ever if nothing changes.
 */
static void handle_memory_fault(struct vm *vm, int error)
{
	__u64 gpa = vm->run->memory_fault.gpa;
	bool private = vm->run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_PRIVATE;

	if (error == EFAULT && private && gpa == EXTRA && !vm->faults++) {
		add_memory(vm, 1, EXTRA, EXTRA_SIZE, MEM_SIZE);
		return;
	}
	/* ENOMEM: free some memory and run again.  EHWPOISON: it is lost. */
	errno = error;
	die("memory of the guest");
}

static void handle_mmio(struct vm *vm)
{
	const __u32 id = DEVICE_ID;

	if (vm->run->mmio.is_write) {
		vm->mmio_writes++;
		return;
	}
	vm->mmio_reads++;
	memset(vm->run->mmio.data, 0xff, sizeof(vm->run->mmio.data));
	if (vm->run->mmio.phys_addr == DEVICE)
		memcpy(vm->run->mmio.data, &id, sizeof(id));
}

/* Returns true at the end.  BUFFER is shared only if the guest has shared it. */
static bool handle_io(struct vm *vm, int *code)
{
	void *data = (char *)vm->run + vm->run->io.data_offset;
	__u32 size = 0;

	if (vm->run->io.direction == KVM_EXIT_IO_IN) {
		memset(data, 0xff, (size_t)vm->run->io.size * vm->run->io.count);
		return false;
	}
	memcpy(&size, data, vm->run->io.size);
	if (vm->run->io.port == PORT_EXIT) {
		*code = size;
		return true;
	}
	/* write() checks access: EFAULT, and no SIGBUS, for a private page. */
	if (vm->run->io.port == PORT_PRINT && size <= 4096 &&
	    write(STDOUT_FILENO, vm->mem + BUFFER, size) != (ssize_t)size)
		die("print");
	return false;
}

/*
 * KVM_RUN fails, and the exit counts nevertheless, for KVM_EXIT_MEMORY_FAULT
 * alone.
 */
static int run(struct vm *vm)
{
	int code = 1;

	for (;;) {
		if (ioctl(vm->vcpu, KVM_RUN, 0)) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			if (vm->run->exit_reason != KVM_EXIT_MEMORY_FAULT)
				die("KVM_RUN");
			handle_memory_fault(vm, errno);
			continue;
		}
		switch (vm->run->exit_reason) {
		case KVM_EXIT_HYPERCALL:
			handle_hypercall(vm);
			break;
		case KVM_EXIT_MMIO:
			handle_mmio(vm);
			break;
		case KVM_EXIT_IO:
			if (handle_io(vm, &code))
				return code;
			break;
		default:
			/* KVM_EXIT_SHUTDOWN: a triple fault; and others. */
			printf("exit %u\n", vm->run->exit_reason);
			return 1;
		}
	}
}

/* Private pages are out of reach, with SIGBUS for a load from vm->mem. */
static bool is_readable(const char *page)
{
	int pipes[2];
	bool readable;

	if (pipe(pipes))
		die("pipe");
	readable = write(pipes[1], page, 1) == 1;
	if (!readable && errno != EFAULT)
		die("write");
	close(pipes[0]);
	close(pipes[1]);
	return readable;
}

int main(void)
{
	static const unsigned int pages[] = { CODE, SECRET, BUFFER, MEM_SIZE };
	struct vm vm = {};
	unsigned int i;
	int code;

	create_vm(&vm);
	load_guest(&vm);
	set_registers(&vm);
	code = run(&vm);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		code |= is_readable(vm.mem + pages[i]);
	printf("%u hypercalls, %u reads and %u writes of a device, %u memory faults\n",
	       vm.hypercalls, vm.mmio_reads, vm.mmio_writes, vm.faults);
	if (vm.hypercalls != 2 || vm.mmio_reads != 1 || vm.mmio_writes != 1 ||
	    vm.faults != 1)
		code |= 1;
	return code;
}
