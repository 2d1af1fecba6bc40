// SPDX-License-Identifier: GPL-2.0-only
/* Broken on purpose: the rule reports exactly the lines marked with "fires". */

static long outside(struct kvm_gmem *gmem, void __user *argp)
{
	u64 val;

	if (copy_from_user(&val, argp, sizeof(val)))
		return -EFAULT;
	filemap_invalidate_lock(gmem->mapping);
	work(gmem, val);
	filemap_invalidate_unlock(gmem->mapping);
	return put_user(val, argp);
}

static long inside(struct kvm_gmem *gmem, void __user *argp)
{
	u64 val;
	long r;

	filemap_invalidate_lock(gmem->mapping);
	r = copy_from_user(&val, argp, sizeof(val));	/* fires */
	filemap_invalidate_unlock(gmem->mapping);
	return r;
}

static long inside_nested(struct kvm_gmem *gmem, u64 __user *argp)
{
	long r = 0;

	down_write_nest_lock(&gmem->mapping->invalidate_lock,
			     &gmem->kvm->slots_lock);
	if (work(gmem))
		r = put_user(0, argp);	/* fires */
	up_write(&gmem->mapping->invalidate_lock);
	return r;
}
