// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sealing: how a VM is closed to its VMM.
 *
 * Sealing is one call, before the guest runs, and for ever.  It finds out whether the
 * VM has anything that a sealed one must not have, measures what the guest starts
 * with, and closes every ioctl that is not in a list.  The list names what serves
 * devices, memory and interrupts; whatever is added to KVM later is closed.
 *
 * An ioctl that a sealed VM refuses does not span the moment of sealing: of a VM it
 * holds seal_lock, of a vCPU vcpu->mutex, both of which sealing takes after it.
 *
 * Calls digest.c and view_files.c.
 */

#include <linux/uaccess.h>

#include "digest.h"
#include "gmem.h"

static const unsigned int kvm_sealed_vm_ioctls[] = {
	KVM_CHECK_EXTENSION,
	KVM_CLEAR_DIRTY_LOG,
	KVM_CREATE_GUEST_MEMFD,
	KVM_GET_CLOCK,
	KVM_GET_DIRTY_LOG,
	KVM_GET_NR_MMU_PAGES,
	KVM_GET_STATS_FD,
	KVM_IOEVENTFD,
	KVM_IRQFD,
	KVM_IRQ_LINE,
	KVM_IRQ_LINE_STATUS,
	KVM_REGISTER_COALESCED_MMIO,
	KVM_RESET_DIRTY_RINGS,
	KVM_SET_GSI_ROUTING,
	KVM_SET_MEMORY_ATTRIBUTES,
	KVM_SET_NR_MMU_PAGES,
	KVM_SET_USER_MEMORY_REGION,
	KVM_SET_USER_MEMORY_REGION2,
	KVM_SIGNAL_MSI,
	KVM_UNREGISTER_COALESCED_MMIO,
};

static const unsigned int kvm_sealed_vcpu_ioctls[] = {
	KVM_GET_CPUID2,
	KVM_GET_STATS_FD,
	KVM_GET_TSC_KHZ,
	KVM_KVMCLOCK_CTRL,
	KVM_PRE_FAULT_MEMORY,
	KVM_RUN,
	KVM_SET_SIGNAL_MASK,
};

static bool kvm_ioctl_is_in(unsigned int ioctl, const unsigned int *list,
			    unsigned int nr)
{
	while (nr--) {
		if (list[nr] == ioctl)
			return true;
	}

	return false;
}

static bool kvm_sealed_vm_allows(unsigned int ioctl)
{
	return kvm_ioctl_is_in(ioctl, kvm_sealed_vm_ioctls,
			       ARRAY_SIZE(kvm_sealed_vm_ioctls));
}

/**
 * __kvm_seal_check_vcpu_ioctl - kvm_seal_check_vcpu_ioctl() with private memory
 * @vcpu: the vCPU
 * @ioctl: number of the ioctl
 *
 * Context: vcpu->mutex.
 * Return: as kvm_seal_check_vcpu_ioctl().
 */
int __kvm_seal_check_vcpu_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl)
{
	lockdep_assert_held(&vcpu->mutex);

	switch (READ_ONCE(vcpu->kvm->private_mem.seal_state)) {
	case KVM_SEAL_OPEN:
		return 0;
	case KVM_SEAL_CLOSING:
		return -EBUSY;
	default:
		return kvm_ioctl_is_in(ioctl, kvm_sealed_vcpu_ioctls,
				       ARRAY_SIZE(kvm_sealed_vcpu_ioctls)) ?
		       0 : -EINVAL;
	}
}

/**
 * __kvm_seal_enter_vm_ioctl - kvm_seal_enter_vm_ioctl() with private memory
 * @kvm: the VM
 * @ioctl: number of the ioctl
 *
 * Context: No locks.  Takes seal_lock, unless a sealed VM allows @ioctl.
 * Return: as kvm_seal_enter_vm_ioctl().
 */
int __kvm_seal_enter_vm_ioctl(struct kvm *kvm, unsigned int ioctl)
{
	if (kvm_sealed_vm_allows(ioctl))
		return 0;

	if (down_read_killable(&kvm->private_mem.seal_lock))
		return -EINTR;

	if (!kvm_is_sealed(kvm))
		return 0;

	up_read(&kvm->private_mem.seal_lock);
	return -EINVAL;
}

/**
 * __kvm_seal_leave_vm_ioctl - kvm_seal_leave_vm_ioctl() with private memory
 * @kvm: the VM
 * @ioctl: number of the ioctl
 *
 * Context: seal_lock, unless a sealed VM allows @ioctl.
 */
void __kvm_seal_leave_vm_ioctl(struct kvm *kvm, unsigned int ioctl)
{
	if (!kvm_sealed_vm_allows(ioctl))
		up_read(&kvm->private_mem.seal_lock);
}

/**
 * kvm_can_seal - is this a VM that can be sealed?
 * @kvm: the VM, NULL to ask for the host
 *
 * Context: Any.
 * Return: true if so.
 */
bool kvm_can_seal(const struct kvm *kvm)
{
	if (!kvm)
		return kvm_arch_supports_private_mem();

	return kvm_has_private_mem(kvm) && kvm->private_mem.ops->can_seal;
}

/* Wait for an ioctl in progress; check and measure the vCPU if there is a @digest. */
static int kvm_seal_vcpu(struct kvm_vcpu *vcpu, struct kvm_digest *digest)
{
	int r = -EBUSY;

	/* If it runs, that can take for ever. */
	if (rcu_access_pointer(vcpu->pid))
		return -EBUSY;

	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;

	if (!rcu_access_pointer(vcpu->pid))
		r = digest ? kvm_arch_seal_vcpu(vcpu, digest) : 0;
	mutex_unlock(&vcpu->mutex);

	return r;
}

static int kvm_seal_vcpus(struct kvm *kvm, struct kvm_digest *digest)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	int r = 0;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		r = kvm_seal_vcpu(vcpu, digest);
		if (r)
			break;
	}

	return r;
}

static int kvm_seal_memory(struct kvm *kvm, struct kvm_digest *digest)
{
	int r;

	mutex_lock(&kvm->slots_lock);
	r = kvm_digest_memory(kvm, digest);
	if (!r)
		r = kvm_digest_finish(digest, kvm->private_mem.digest);
	if (!r)
		r = kvm_view_launch(kvm);
	/* Conversions and bindings go by the view from here on. */
	if (!r)
		WRITE_ONCE(kvm->private_mem.seal_state, KVM_SEAL_CLOSED);
	mutex_unlock(&kvm->slots_lock);

	return r;
}

static int kvm_seal_all(struct kvm *kvm, struct kvm_digest *digest)
{
	/* An ioctl in progress on one vCPU may change others, and the VM. */
	int r = kvm_seal_vcpus(kvm, NULL);

	if (!r)
		r = kvm_arch_check_seal(kvm);
	if (!r)
		r = kvm_seal_vcpus(kvm, digest);
	if (!r)
		r = kvm_seal_memory(kvm, digest);
	return r;
}

static int kvm_seal_locked(struct kvm *kvm, struct kvm_digest *digest)
{
	struct kvm_private_mem *mem = &kvm->private_mem;
	int r;

	lockdep_assert_held_write(&mem->seal_lock);

	if (mem->seal_state != KVM_SEAL_OPEN)
		return -EBUSY;

	WRITE_ONCE(mem->seal_state, KVM_SEAL_CLOSING);
	r = kvm_seal_all(kvm, digest);
	if (r)
		WRITE_ONCE(mem->seal_state, KVM_SEAL_OPEN);
	return r;
}

/*
 * The ioctl that asks for it is one of those that sealing waits for.
 */
static int kvm_seal_wait(struct kvm *kvm, struct kvm_digest *digest)
{
	struct rw_semaphore *lock = &kvm->private_mem.seal_lock;
	int r;

	up_read(lock);
	if (down_write_killable(lock)) {
		down_read(lock);
		return -EINTR;
	}

	r = kvm_seal_locked(kvm, digest);
	downgrade_write(lock);
	return r;
}

/**
 * kvm_seal_vm - KVM_ENABLE_CAP of %KVM_CAP_GMEM_SEAL
 * @kvm: the VM
 * @cap: the argument
 *
 * Context: seal_lock held for read, no other lock; may sleep.
 * Return: 0, or, with the VM as before,
 *
 * * -EBUSY if a vCPU has run, or if the VM is sealed
 * * -EFAULT if the digest cannot be stored; sealed nevertheless if the VMM unmaps the
 *   place for it at the same time
 * * -EHWPOISON if a private page is poisoned
 * * -EINTR if a fatal signal is pending
 * * -EINVAL if VMs of this type cannot be sealed, if an argument is not zero that must
 *   be, or if the VM has something that a sealed one must not have
 * * -ENOENT if the host has no SHA-384
 * * -ENOMEM if there is no memory
 */
int kvm_seal_vm(struct kvm *kvm, const struct kvm_enable_cap *cap)
{
	void __user *argp = u64_to_user_ptr(cap->args[1]);
	struct kvm_private_mem *mem = &kvm->private_mem;
	struct kvm_digest *digest;
	int r;

	if (cap->flags || cap->args[0] || cap->args[2] || cap->args[3] ||
	    !kvm_can_seal(kvm))
		return -EINVAL;

	if (argp && clear_user(argp, sizeof(mem->digest)))
		return -EFAULT;

	digest = kvm_digest_start();
	if (IS_ERR(digest))
		return PTR_ERR(digest);

	r = kvm_seal_wait(kvm, digest);
	kvm_digest_free(digest);
	if (r || !argp)
		return r;

	return copy_to_user(argp, mem->digest, sizeof(mem->digest)) ? -EFAULT : 0;
}

/**
 * kvm_seal_request_is_done - has the request of a vCPU been fulfilled?
 * @vcpu: the vCPU, about to see the answer, its request ended
 *
 * The guest must not take the VMM's word for it.
 *
 * Context: vcpu->mutex.
 * Return: true if so, or if the VM is not sealed.
 */
bool kvm_seal_request_is_done(struct kvm_vcpu *vcpu)
{
	const struct kvm_share_request *request = &vcpu->share_request;
	struct kvm_private_mem *mem = &vcpu->kvm->private_mem;

	lockdep_assert_held(&vcpu->mutex);

	if (!kvm_is_sealed(vcpu->kvm))
		return true;

	return kvm_attr_map_range_has(&mem->view, request->start, request->end,
				      request->kind == KVM_GMEM_REQUEST_PRIVATE ?
				      KVM_VIEW_OWNED : KVM_VIEW_SHARED);
}
