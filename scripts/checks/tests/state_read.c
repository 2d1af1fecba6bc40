// SPDX-License-Identifier: GPL-2.0-only
/* Broken on purpose: the rule reports exactly the lines marked with "fires". */

static bool asserts(struct kvm_gmem *gmem, pgoff_t index)
{
	lockdep_assert_held(&gmem->mapping->invalidate_lock);

	return kvm_attr_map_get(&gmem->state, index) & 8;
}

static bool asserts_and_loops(struct kvm *kvm, gfn_t start, gfn_t end)
{
	unsigned long attrs;

	lockdep_assert_held(&kvm->slots_lock);

	for (; start < end; start = kvm_attr_map_run_end(&kvm->private_mem.attrs,
							 start, end, &attrs)) {
		if (attrs & kvm_attr_map_get(&kvm->private_mem.attrs, start))
			return true;
	}
	return false;
}

static bool kvm_mem_is_private(struct kvm *kvm, gfn_t gfn)
{
	return kvm_attr_map_get(&kvm->private_mem.attrs, gfn) & 8;
}

static bool asks_the_vm(struct kvm *kvm, gfn_t gfn)
{
	return kvm_mem_is_private(kvm, gfn);
}

static bool does_not_assert(struct kvm_gmem *gmem, pgoff_t index)
{
	return kvm_attr_map_get(&gmem->state, index) & 8;	/* fires */
}

static bool goes_round(struct kvm *kvm, gfn_t gfn)
{
	struct kvm_attr_map *attrs = &kvm->private_mem.attrs;

	return kvm_attr_map_get(attrs, gfn) & 8;	/* fires */
}

static bool asserts_too_late(struct kvm *kvm, gfn_t gfn)
{
	if (kvm_attr_map_range_has(&kvm->private_mem.attrs, gfn, gfn + 1, 8))	/* fires */
		return false;

	lockdep_assert_held(&kvm->mmu_lock);
	return true;
}
