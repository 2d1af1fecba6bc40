// SPDX-License-Identifier: GPL-2.0-only
/* Broken on purpose: the rule reports exactly the lines marked with "fires". */

static int fails_before(struct kvm_attr_map *map, struct kvm_invalidation *inv)
{
	int r = kvm_attr_map_reserve(map, 0, 1, 8);

	if (r)
		return -ENOMEM;
	kvm_invalidate_begin(inv);
	kvm_attr_map_commit(map, 0, 1, 8);
	kvm_invalidate_end(inv);
	return kzalloc(8, GFP_KERNEL) ? 0 : -ENOMEM;
}

static int allocates_after(struct kvm_attr_map *map, struct kvm_invalidation *inv)
{
	void *p;

	kvm_invalidate_begin(inv);
	kvm_attr_map_commit(map, 0, 1, 8);
	p = kzalloc(8, GFP_KERNEL);	/* fires */
	kvm_invalidate_end(inv);
	return p ? 0 : -ENOMEM;
}

static int fails_after(struct kvm_conversion *conv)
{
	kvm_convert_commit(conv);
	if (work(conv))
		return -EIO;	/* fires */
	kvm_invalidate_end(&conv->inv);
	return 0;
}
