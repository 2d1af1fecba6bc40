// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory attributes of a VM, and the ioctls and capabilities of private memory
 * that every architecture shares.
 */

#include <linux/kvm_gmem.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <trace/events/kvm_gmem.h>

#include "gmem.h"

/**
 * kvm_gmem_init_vm - set up the private memory of a new VM
 * @kvm: the VM, not visible yet
 *
 * The VM has no private memory until the architecture stores a backend.
 *
 * Context: Any.
 */
void kvm_gmem_init_vm(struct kvm *kvm)
{
	kvm_attr_map_init(&kvm->private_mem.attrs, 0);
	kvm_attr_map_init(&kvm->private_mem.view, KVM_VIEW_SHARED);
	init_rwsem(&kvm->private_mem.seal_lock);
	rwlock_init(&kvm->private_mem.access_lock);
	spin_lock_init(&kvm->private_mem.request_lock);
	gmem_fs_init_closer(&kvm->private_mem.closer);
	kvm->private_mem.requests = RB_ROOT_CACHED;
	kvm->private_mem.past = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&kvm->private_mem.past_list);
}

/**
 * kvm_gmem_destroy_vm - free the attributes of a VM
 * @kvm: the VM, without memslots and files
 *
 * Context: May sleep.
 */
void kvm_gmem_destroy_vm(struct kvm *kvm)
{
	WARN_ON_ONCE(kvm->private_mem.nr_past);

	kvm_attr_map_destroy(&kvm->private_mem.attrs);
	kvm_attr_map_destroy(&kvm->private_mem.view);
}

static u64 kvm_supported_mem_attributes(struct kvm *kvm)
{
	if (kvm ? kvm_has_private_mem(kvm) : kvm_arch_supports_private_mem())
		return KVM_MEMORY_ATTRIBUTE_PRIVATE;

	return 0;
}

/**
 * kvm_gmem_check_extension - KVM_CHECK_EXTENSION for private memory
 * @kvm: the VM, NULL to ask for the host
 * @ext: capability
 *
 * Context: Any.
 * Return: value of the capability, 0 if there is no such thing.
 */
long kvm_gmem_check_extension(struct kvm *kvm, long ext)
{
	switch (ext) {
	case KVM_CAP_USER_MEMORY2:
	case KVM_CAP_MEMORY_FAULT_INFO:
	case KVM_CAP_GUEST_MEMFD:
		return 1;
	case KVM_CAP_GUEST_MEMFD_FLAGS:
		return kvm_gmem_valid_flags(kvm);
	case KVM_CAP_GMEM_SEAL:
		return kvm_can_seal(kvm);
	case KVM_CAP_MEMORY_ATTRIBUTES:
	case KVM_CAP_GMEM_MEMORY_ATTRIBUTES2:
		return kvm_supported_mem_attributes(kvm);
	default:
		return 0;
	}
}

/**
 * kvm_gmem_range_valid - check a range that an ioctl names
 * @start: first byte
 * @size: bytes
 *
 * Context: Any.
 * Return: true if the range is not empty, does not wrap, and is page aligned.
 */
bool kvm_gmem_range_valid(u64 start, u64 size)
{
	return size && start + size > start && PAGE_ALIGNED(start) &&
	       PAGE_ALIGNED(size);
}

static int kvm_set_mem_attributes(struct kvm *kvm,
				  struct kvm_memory_attributes __user *argp)
{
	struct kvm_memory_attributes attrs;

	if (copy_from_user(&attrs, argp, sizeof(attrs)))
		return -EFAULT;

	if (attrs.flags)
		return -EINVAL;
	if (attrs.attributes & ~kvm_supported_mem_attributes(kvm))
		return -EINVAL;
	if (!kvm_gmem_range_valid(attrs.address, attrs.size))
		return -EINVAL;

	/* Without private memory all attributes are zero and stay so. */
	if (!kvm_has_private_mem(kvm))
		return 0;

	return kvm_convert_gfns(kvm, attrs.address >> PAGE_SHIFT,
				(attrs.address + attrs.size) >> PAGE_SHIFT,
				attrs.attributes);
}

static int kvm_set_user_memory_region2(struct kvm *kvm, void __user *argp)
{
	struct kvm_userspace_memory_region2 mem;

	if (copy_from_user(&mem, argp, sizeof(mem)))
		return -EFAULT;

	if ((u16)mem.slot >= KVM_USER_MEM_SLOTS)
		return -EINVAL;

	return kvm_set_memory_region(kvm, &mem);
}

/**
 * kvm_gmem_vm_ioctl - VM ioctls of private memory
 * @kvm: the VM
 * @ioctl: KVM_SET_USER_MEMORY_REGION2, KVM_SET_MEMORY_ATTRIBUTES or
 *	KVM_CREATE_GUEST_MEMFD
 * @argp: the argument, in user memory
 *
 * Context: May sleep.
 * Return: what the ioctl returns, -ENOTTY if it is another one.
 */
long kvm_gmem_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	switch (ioctl) {
	case KVM_SET_USER_MEMORY_REGION2:
		return kvm_set_user_memory_region2(kvm, argp);
	case KVM_SET_MEMORY_ATTRIBUTES:
		return kvm_set_mem_attributes(kvm, argp);
	case KVM_CREATE_GUEST_MEMFD:
		return kvm_gmem_create(kvm, argp);
	default:
		return -ENOTTY;
	}
}

/**
 * kvm_prepare_memory_fault_exit - fill in KVM_EXIT_MEMORY_FAULT
 * @vcpu: the vCPU, about to fail KVM_RUN with -EFAULT, -EHWPOISON or -ENOMEM
 * @gfn: gfn of the page that cannot be accessed
 * @is_private: the access was private
 *
 * Context: vcpu->mutex.
 */
void kvm_prepare_memory_fault_exit(struct kvm_vcpu *vcpu, gfn_t gfn,
				   bool is_private)
{
	trace_kvm_memory_fault_exit(vcpu->vcpu_id, gfn, is_private);

	vcpu->run->exit_reason = KVM_EXIT_MEMORY_FAULT;
	vcpu->run->memory_fault.flags = is_private ?
					KVM_MEMORY_EXIT_FLAG_PRIVATE : 0;
	vcpu->run->memory_fault.gpa = gfn << PAGE_SHIFT;
	vcpu->run->memory_fault.size = PAGE_SIZE;
}
