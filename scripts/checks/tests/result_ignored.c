// SPDX-License-Identifier: GPL-2.0-only
/* Broken on purpose: the rule reports exactly the lines marked with "fires". */

static int checked(struct kvm_attr_map *map, struct kvm *kvm)
{
	int r = kvm_attr_map_reserve(map, 0, 1, 8);

	if (r)
		return r;
	if (!kvm->private_mem.ops->make_private(kvm, 0, 1))
		return -EIO;
	return kvm_convert_gfns(kvm, 0, 1, 8);
}

static void ignored(struct kvm_attr_map *map, struct kvm *kvm)
{
	kvm_attr_map_reserve(map, 0, 1, 8);	/* fires */
	(void)kvm_convert_gfns(kvm, 0, 1, 8);	/* fires */
	kvm->private_mem.ops->make_private(kvm, 0, 1);	/* fires */
}

static void ignored_direct_map(struct page *page)
{
	if (page)
		set_direct_map_default_noflush(page);	/* fires */
}
