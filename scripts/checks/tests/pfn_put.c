// SPDX-License-Identifier: GPL-2.0-only
/* Broken on purpose: the rule reports exactly the lines marked with "fires". */

static int keeps(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	kvm_pfn_t pfn;
	int order;
	int r = kvm_gmem_get_pfn(slot, gfn, &pfn, &order);

	if (r)
		return r;
	pfn = gfn_to_pfn_memslot(slot, gfn);
	kvm_release_pfn_clean(pfn);
	return 0;
}

static int drops(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	kvm_pfn_t pfn;
	int order;
	int r = kvm_gmem_get_pfn(slot, gfn, &pfn, &order);

	if (r)
		return r;
	kvm_release_pfn_clean(pfn);	/* fires */
	return 0;
}

static void drops_the_page(struct kvm_page_fault *fault)
{
	int order;

	if (!kvm_gmem_get_pfn(fault->slot, fault->gfn, &fault->pfn, &order))
		put_page(pfn_to_page(fault->pfn));	/* fires */
}
