/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_GMEM_DIGEST_H
#define __KVM_GMEM_DIGEST_H

/* Internal to digest.c and seal.c. */

#include <linux/kvm_gmem.h>

struct kvm_digest *kvm_digest_start(void);
int kvm_digest_memory(struct kvm *kvm, struct kvm_digest *digest);
int kvm_digest_finish(struct kvm_digest *digest, u8 *result);
void kvm_digest_free(struct kvm_digest *digest);

#endif /* __KVM_GMEM_DIGEST_H */
