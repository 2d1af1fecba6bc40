// SPDX-License-Identifier: GPL-2.0-only
/* What the host kernel offers; creation of the VM. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm_para.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "vmm.h"

#define NEEDS_PATCHES \
	"run a host kernel with private guest memory, or use --shared"

static int cap(int fd, unsigned long nr)
{
	int r = ioctl(fd, KVM_CHECK_EXTENSION, nr);

	return r < 0 ? 0 : r;
}

/** host_open() - open /dev/kvm and check what does not depend on a VM. */
void host_open(struct vm *vm)
{
	int version;

	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		die_errno(VMM_HOST,
			  "cannot open /dev/kvm (load kvm_amd or kvm_intel, or run as root)");
	version = ioctl(vm->kvm, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		die(VMM_HOST, "/dev/kvm is not KVM's version %d interface",
		    KVM_API_VERSION);
	if (!vm->opt.shared &&
	    !(cap(vm->kvm, KVM_CAP_VM_TYPES) & (1 << KVM_X86_SW_PROTECTED_VM)))
		die(VMM_HOST,
		    "this kernel has no software-protected VMs (patched? CONFIG_KVM_SW_PROTECTED_VM, nested paging and kvm.tdp_mmu on?); "
		    NEEDS_PATCHES);
	vm->run_size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
}

static void check_private(struct vm *vm)
{
	static const struct {
		unsigned long nr;
		int bits;
		const char *name;
	} need[] = {
		{ KVM_CAP_USER_MEMORY2, 1, "KVM_CAP_USER_MEMORY2" },
		{ KVM_CAP_GUEST_MEMFD, 1, "KVM_CAP_GUEST_MEMFD" },
		{ KVM_CAP_MEMORY_FAULT_INFO, 1, "KVM_CAP_MEMORY_FAULT_INFO" },
		{ KVM_CAP_MEMORY_ATTRIBUTES, KVM_MEMORY_ATTRIBUTE_PRIVATE,
		  "KVM_CAP_MEMORY_ATTRIBUTES: PRIVATE" },
		{ KVM_CAP_GUEST_MEMFD_FLAGS,
		  GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED,
		  "KVM_CAP_GUEST_MEMFD_FLAGS: MMAP and INIT_SHARED" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(need); i++)
		if ((cap(vm->fd, need[i].nr) & need[i].bits) != need[i].bits)
			die(VMM_HOST, "this kernel lacks %s; " NEEDS_PATCHES,
			    need[i].name);
}

static void enable_hypercall(struct vm *vm)
{
	struct kvm_enable_cap enable = {
		.cap = KVM_CAP_EXIT_HYPERCALL,
		.args[0] = 1 << KVM_HC_MAP_GPA_RANGE,
	};

	if (!(cap(vm->fd, KVM_CAP_EXIT_HYPERCALL) & enable.args[0]))
		die(VMM_HOST,
		    "this kernel cannot pass KVM_HC_MAP_GPA_RANGE on (KVM_CAP_EXIT_HYPERCALL)");
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &enable))
		die_errno(VMM_ERROR, "KVM_ENABLE_CAP(KVM_CAP_EXIT_HYPERCALL)");
}

static void set_private_bit(struct vm *vm)
{
	struct kvm_enable_cap enable = { .cap = KVM_CAP_GMEM_PRIVATE_BIT };
	int max = cap(vm->fd, KVM_CAP_GMEM_PRIVATE_BIT);

	if (max <= 0)
		die(VMM_HOST, "this host has no private bit (an AMD processor?); "
		    NEEDS_PATCHES);
	enable.args[0] = vm->opt.private_bit == PRIVATE_BIT_MAX ?
			 (unsigned int)max : vm->opt.private_bit;
	if (enable.args[0] > (unsigned int)max)
		die(VMM_USAGE, "--private-bit=%u: this host has %d at most",
		    vm->opt.private_bit, max);
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &enable))
		die_errno(VMM_ERROR, "KVM_ENABLE_CAP(KVM_CAP_GMEM_PRIVATE_BIT)");
	vm->private_mask = 1ULL << enable.args[0];
}

/** host_create_vm() - create the VM with its interrupt chips and timer. */
void host_create_vm(struct vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	unsigned long type = vm->opt.shared ? KVM_X86_DEFAULT_VM :
					      KVM_X86_SW_PROTECTED_VM;
	__u64 identity = 0xfffbc000;
	int max;

	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, type);
	if (vm->fd < 0)
		die_errno(VMM_HOST, "KVM_CREATE_VM, type %lu", type);
	if (!vm->opt.shared)
		check_private(vm);
	if (vm->opt.private_bit)
		set_private_bit(vm);
	max = cap(vm->fd, KVM_CAP_MAX_VCPUS);
	if (max > 0 && vm->opt.cpus > (unsigned int)max)
		die(VMM_USAGE, "--cpus %u: this kernel allows %d",
		    vm->opt.cpus, max);
	enable_hypercall(vm);
	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) ||
	    ioctl(vm->fd, KVM_SET_TSS_ADDR, identity + PAGE_BYTES) ||
	    ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) ||
	    ioctl(vm->fd, KVM_CREATE_PIT2, &pit))
		die_errno(VMM_ERROR, "cannot create the interrupt controllers");
}

/** host_seal() - close the VM to this program; it is all set up. */
void host_seal(struct vm *vm)
{
	__u8 digest[KVM_LAUNCH_DIGEST_SIZE];
	struct kvm_enable_cap enable = {
		.cap = KVM_CAP_GMEM_SEAL,
		.args[1] = (uintptr_t)digest,
	};
	char text[2 * sizeof(digest) + 1];
	size_t i;

	if (cap(vm->fd, KVM_CAP_GMEM_SEAL) < 1)
		die(VMM_HOST, "this kernel cannot seal a VM; " NEEDS_PATCHES);
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &enable))
		die_errno(VMM_ERROR, "KVM_ENABLE_CAP(KVM_CAP_GMEM_SEAL)");
	for (i = 0; i < sizeof(digest); i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
	say("sealed: launch_digest=%s", text);
}
