// SPDX-License-Identifier: GPL-2.0-only
/* Broken on purpose: the rule reports exactly the lines marked with "fires". */

static unsigned long asks(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	if (kvm_gmem_backs(slot, gfn))
		return KVM_HVA_ERR_BAD;
	return __gfn_to_hva_memslot(slot, gfn);
}

static unsigned long guesses(struct kvm_memory_slot *slot)
{
	return slot->userspace_addr;	/* fires */
}

static unsigned long does_not_ask(struct kvm *kvm, gfn_t gfn)
{
	return gfn_to_hva(kvm, gfn);	/* fires */
}

static unsigned long forgets(struct kvm_memory_slot *slot, gfn_t gfn)
{
	return __gfn_to_hva_memslot(slot, gfn);	/* fires */
}
