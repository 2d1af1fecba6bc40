// SPDX-License-Identifier: GPL-2.0-only
/* Broken on purpose: the rule reports exactly the lines marked with "fires". */

static void right_order(struct kvm *kvm, struct address_space *mapping)
{
	mutex_lock(&kvm->slots_lock);
	filemap_invalidate_lock(mapping);
	work(kvm);
	filemap_invalidate_unlock(mapping);
	mutex_unlock(&kvm->slots_lock);
	synchronize_srcu(&kvm->srcu);
}

static void one_after_the_other(struct kvm *kvm, struct address_space *mapping)
{
	filemap_invalidate_lock_shared(mapping);
	work(kvm);
	filemap_invalidate_unlock_shared(mapping);
	mutex_lock(&kvm->slots_lock);
	mutex_unlock(&kvm->slots_lock);
}

static void wrong_order(struct kvm *kvm, struct address_space *mapping)
{
	filemap_invalidate_lock(mapping);
	mutex_lock(&kvm->slots_lock);	/* fires */
	mutex_unlock(&kvm->slots_lock);
	filemap_invalidate_unlock(mapping);
}

static void waits_inside(struct kvm *kvm, struct kvm_gmem *gmem)
{
	filemap_invalidate_lock_shared(gmem->mapping);
	if (kvm)
		synchronize_srcu(&kvm->srcu);	/* fires */
	filemap_invalidate_unlock_shared(gmem->mapping);
}
