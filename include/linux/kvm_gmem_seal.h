/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_GMEM_SEAL_H
#define __KVM_GMEM_SEAL_H

/*
 * VMs that are closed to their VMM.  Included by <linux/kvm_gmem.h>.
 *
 * A VM is sealed once, before its guest runs.  From then on the VMM serves devices
 * and shared memory, and has no other way to the guest: seal.c.  What the guest
 * owns is there unchanged, or accesses to it end KVM_RUN: view.c.
 */

#include <linux/kvm_host.h>

/* Of a gfn: what the guest takes it for.  What has no entry is shared. */
#define KVM_VIEW_SHARED		0UL
#define KVM_VIEW_OWNED		1UL
#define KVM_VIEW_LOST		2UL

/**
 * kvm_is_sealed - is a VM closed to its VMM?
 * @kvm: the VM
 *
 * Context: Any.  What a vCPU sees while it runs stays so.
 * Return: true if so.
 */
static inline bool kvm_is_sealed(const struct kvm *kvm)
{
#ifdef CONFIG_KVM_SEAL
	return READ_ONCE(kvm->private_mem.seal_state) == KVM_SEAL_CLOSED;
#else
	return false;
#endif
}

/**
 * kvm_seal_has_begun - is a VM closed to its VMM, or about to be?
 * @kvm: the VM
 *
 * Context: Any.
 * Return: true if so.
 */
static inline bool kvm_seal_has_begun(const struct kvm *kvm)
{
#ifdef CONFIG_KVM_SEAL
	return READ_ONCE(kvm->private_mem.seal_state) != KVM_SEAL_OPEN;
#else
	return false;
#endif
}

/* view.c, reached only by sealed VMs */
int __kvm_view_check(struct kvm *kvm, gfn_t gfn);
bool __kvm_view_is_uniform(struct kvm *kvm, gfn_t start, gfn_t end);

/**
 * kvm_view_check - is memory there that the guest takes for its own?
 * @kvm: the VM
 * @gfn: guest frame number, whether or not there is a memslot
 *
 * Ask again if an invalidation of the gfn is in progress or was in the meantime.
 *
 * Context: Any; takes no lock.
 * Return: 0 if the guest may access what is there by the attribute of @gfn, or
 *
 * * -EFAULT if that is shared and the guest's own memory is behind it
 * * -EHWPOISON if what the guest had there is gone
 */
static inline int kvm_view_check(struct kvm *kvm, gfn_t gfn)
{
	return kvm_is_sealed(kvm) ? __kvm_view_check(kvm, gfn) : 0;
}

/**
 * kvm_view_is_uniform - does the guest take a range for one kind of memory?
 * @kvm: the VM
 * @start: first gfn
 * @end: one past the last gfn
 *
 * Context: mmu_lock, no invalidation in progress.
 * Return: true if so, always if the VM is not sealed.
 */
static inline bool kvm_view_is_uniform(struct kvm *kvm, gfn_t start, gfn_t end)
{
	return !kvm_is_sealed(kvm) || __kvm_view_is_uniform(kvm, start, end);
}

#ifdef CONFIG_KVM_SEAL

/* seal.c */
bool kvm_can_seal(const struct kvm *kvm);
int kvm_seal_vm(struct kvm *kvm, const struct kvm_enable_cap *cap);
int __kvm_seal_check_vcpu_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl);
int __kvm_seal_enter_vm_ioctl(struct kvm *kvm, unsigned int ioctl);
void __kvm_seal_leave_vm_ioctl(struct kvm *kvm, unsigned int ioctl);
bool kvm_seal_request_is_done(struct kvm_vcpu *vcpu);

/* digest.c */
struct kvm_digest;
void kvm_digest_add(struct kvm_digest *digest, const void *data, unsigned int len);

/* architecture */
int kvm_arch_check_seal(struct kvm *kvm);
int kvm_arch_seal_vcpu(struct kvm_vcpu *vcpu, struct kvm_digest *digest);

#else /* !CONFIG_KVM_SEAL */

static inline bool kvm_can_seal(const struct kvm *kvm)
{
	return false;
}

static inline int kvm_seal_vm(struct kvm *kvm,
			      const struct kvm_enable_cap *cap)
{
	return -EINVAL;
}

static inline int __kvm_seal_check_vcpu_ioctl(struct kvm_vcpu *vcpu,
					      unsigned int ioctl)
{
	return 0;
}

static inline int __kvm_seal_enter_vm_ioctl(struct kvm *kvm, unsigned int ioctl)
{
	return 0;
}

static inline void __kvm_seal_leave_vm_ioctl(struct kvm *kvm, unsigned int ioctl)
{
}

static inline bool kvm_seal_request_is_done(struct kvm_vcpu *vcpu)
{
	return true;
}

#endif /* CONFIG_KVM_SEAL */

/**
 * kvm_seal_check_vcpu_ioctl - may the VMM do this to a vCPU?
 * @vcpu: the vCPU
 * @ioctl: number of the ioctl
 *
 * Context: vcpu->mutex.
 * Return: 0, -EBUSY while the VM is being sealed, or -EINVAL if it is sealed and
 * refuses the ioctl.
 */
static inline int kvm_seal_check_vcpu_ioctl(struct kvm_vcpu *vcpu,
					    unsigned int ioctl)
{
	if (likely(!kvm_has_private_mem(vcpu->kvm)))
		return 0;

	return __kvm_seal_check_vcpu_ioctl(vcpu, ioctl);
}

/**
 * kvm_seal_enter_vm_ioctl - may the VMM do this to a VM?
 * @kvm: the VM
 * @ioctl: number of the ioctl
 *
 * The VM is not sealed until kvm_seal_leave_vm_ioctl() if a sealed VM refuses the
 * ioctl.
 *
 * Context: No locks.
 * Return: 0, or -EINVAL if the VM is sealed and refuses the ioctl; -EINTR if a
 * fatal signal came while it was being sealed.
 */
static inline int kvm_seal_enter_vm_ioctl(struct kvm *kvm, unsigned int ioctl)
{
	if (likely(!kvm_has_private_mem(kvm)))
		return 0;

	return __kvm_seal_enter_vm_ioctl(kvm, ioctl);
}

/**
 * kvm_seal_leave_vm_ioctl - end what kvm_seal_enter_vm_ioctl() has begun
 * @kvm: the VM
 * @ioctl: number of the ioctl
 *
 * Context: No locks.
 */
static inline void kvm_seal_leave_vm_ioctl(struct kvm *kvm, unsigned int ioctl)
{
	if (unlikely(kvm_has_private_mem(kvm)))
		__kvm_seal_leave_vm_ioctl(kvm, ioctl);
}

#endif /* __KVM_GMEM_SEAL_H */
