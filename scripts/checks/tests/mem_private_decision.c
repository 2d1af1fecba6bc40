// SPDX-License-Identifier: GPL-2.0-only
/* Broken on purpose: the rule reports exactly the lines marked with "fires". */

static int once(struct kvm *kvm, gfn_t gfn)
{
	bool is_private = kvm_mem_is_private(kvm, gfn);

	if (is_private)
		return 1;
	return is_private ? 2 : 3;
}

static int of_two_gfns(struct kvm *kvm, gfn_t a, gfn_t b)
{
	return kvm_mem_is_private(kvm, a) && kvm_mem_is_private(kvm, b);
}

static int twice(struct kvm *kvm, gfn_t gfn)
{
	if (kvm_mem_is_private(kvm, gfn))
		return 1;
	work(kvm);
	return kvm_mem_is_private(kvm, gfn) ? 2 : 3;	/* fires */
}
