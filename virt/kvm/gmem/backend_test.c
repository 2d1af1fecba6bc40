// SPDX-License-Identifier: GPL-2.0-only
/*
 * A backend that protects nothing and mistrusts its caller.
 *
 * It notes whose each page is and warns when a call does not fit, fails when it is
 * told to, and comes in two shapes: reversible, like software protection and pKVM,
 * and destructive, like SEV-SNP and TDX, where a page loses its contents when it
 * changes sides.  In either shape the kernel may access private pages or not.
 *
 * debugfs, in kvm/gmem_test, once there has been a VM: fail_MEMBER makes calls of a
 * member fail, see Documentation/fault-injection; "owned" is the number of pages
 * that guests own; "VM GPA ADDRESS", written to "add", gives the page at an address of
 * the writer to the guest of a VM's file descriptor.
 *
 * A page that a guest owns has PG_private_2, so that the page allocator complains
 * if it gets one.  memory_failure() takes that for buffers that cannot be released.
 */

#include <linux/debugfs.h>
#include <linux/fault-inject.h>
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/jhash.h>
#include <linux/mm.h>
#include <linux/panic.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "gmem.h"

/* KVM_CREATE_VM: this plus a mask of the following */
#define KVM_GMEM_TEST_VM		0x474d0000UL
#define KVM_GMEM_TEST_DESTRUCTIVE	BIT(0)
#define KVM_GMEM_TEST_NO_ACCESS		BIT(1)

/* What the contents of a page become when it changes sides */
#define KVM_GMEM_TEST_TO_GUEST		0xa5
#define KVM_GMEM_TEST_TO_HOST		0x5a

/**
 * struct kvm_gmem_test_page - a page that a guest owns
 * @kvm: the guest
 * @gfn: where it uses the page
 * @unused: the guest has not used the page since a conversion made it private, and
 *	the kernel must not touch it
 * @sum: what was in the page then
 * @rcu: for kvm_gmem_test_is_ready(), which takes no lock
 */
struct kvm_gmem_test_page {
	const struct kvm *kvm;
	gfn_t gfn;
	bool unused;
	u32 sum;
	struct rcu_head rcu;
};

/* By pfn */
static DEFINE_XARRAY(kvm_gmem_test_pages);
static atomic_t kvm_gmem_test_owned;

/* Guards the sums of all pages */
static DEFINE_SPINLOCK(kvm_gmem_test_lock);

static DECLARE_FAULT_ATTR(kvm_gmem_test_fail_access);
static DECLARE_FAULT_ATTR(kvm_gmem_test_fail_add);
static DECLARE_FAULT_ATTR(kvm_gmem_test_fail_prepare);
static DECLARE_FAULT_ATTR(kvm_gmem_test_fail_private);
static DECLARE_FAULT_ATTR(kvm_gmem_test_fail_shared);
static DECLARE_FAULT_ATTR(kvm_gmem_test_fail_reclaim);

static void kvm_gmem_test_scramble(kvm_pfn_t pfn, int value)
{
	void *va = kmap_local_page(pfn_to_page(pfn));

	memset(va, value, PAGE_SIZE);
	kunmap_local(va);
}

static u32 kvm_gmem_test_sum(kvm_pfn_t pfn)
{
	void *va = kmap_local_page(pfn_to_page(pfn));
	u32 sum = jhash2(va, PAGE_SIZE / sizeof(u32), 0);

	kunmap_local(va);
	return sum;
}

static struct kvm_gmem_test_page *kvm_gmem_test_find(kvm_pfn_t pfn)
{
	return xa_load(&kvm_gmem_test_pages, pfn);
}

static int kvm_gmem_test_give_page(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn)
{
	struct kvm_gmem_test_page *page = kzalloc(sizeof(*page), GFP_KERNEL);
	int r;

	if (!page)
		return -ENOMEM;

	/* Neither an owned nor a quarantined page is handed out. */
	WARN_ON(PagePrivate2(pfn_to_page(pfn)));
	WARN_ON(page_mapped(pfn_to_page(pfn)));

	page->kvm = kvm;
	page->gfn = gfn;
	r = xa_insert(&kvm_gmem_test_pages, pfn, page, GFP_KERNEL);
	if (r) {
		WARN_ON(r == -EBUSY);
		kfree(page);
		return r;
	}

	SetPagePrivate2(pfn_to_page(pfn));
	atomic_inc(&kvm_gmem_test_owned);
	return 0;
}

static void kvm_gmem_test_forget_page(kvm_pfn_t pfn)
{
	kfree_rcu((struct kvm_gmem_test_page *)xa_erase(&kvm_gmem_test_pages, pfn),
		  rcu);
	atomic_dec(&kvm_gmem_test_owned);
}

static void kvm_gmem_test_take_page(kvm_pfn_t pfn)
{
	kvm_gmem_test_forget_page(pfn);
	ClearPagePrivate2(pfn_to_page(pfn));
}

static bool kvm_gmem_test_access_is_private(struct kvm_vcpu *vcpu, gfn_t gfn,
					    u64 error_code)
{
	/* A failure is an access to the other side. */
	return kvm_mem_is_private(vcpu->kvm, gfn) !=
	       should_fail(&kvm_gmem_test_fail_access, 1);
}

/*
 * The guest is about to use a page for the first time.
 */
static void kvm_gmem_test_check_sum(struct kvm_gmem_test_page *page, kvm_pfn_t pfn)
{
	spin_lock(&kvm_gmem_test_lock);
	/* A write of the kernel has come between make_private() and this. */
	WARN_ON(page->unused && page->sum != kvm_gmem_test_sum(pfn));
	page->unused = false;
	spin_unlock(&kvm_gmem_test_lock);
}

static void kvm_gmem_test_note_sum(struct kvm *kvm, kvm_pfn_t pfn)
{
	struct kvm_gmem_test_page *page = kvm_gmem_test_find(pfn);

	if (kvm_gmem_kernel_may_access(kvm))
		return;

	page->sum = kvm_gmem_test_sum(pfn);
	page->unused = true;
}

static bool kvm_gmem_test_is_ready(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn)
{
	struct kvm_gmem_test_page *page;
	bool ready;

	rcu_read_lock();
	page = kvm_gmem_test_find(pfn);
	/* Files belong to one VM. */
	WARN_ON(page && page->kvm != kvm);
	ready = page && READ_ONCE(page->gfn) == gfn;
	/* Where the kernel may access pages, any lock may be held here. */
	if (ready && !kvm_gmem_kernel_may_access(kvm))
		kvm_gmem_test_check_sum(page, pfn);
	rcu_read_unlock();

	return ready;
}

static int kvm_gmem_test_prepare_page(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn)
{
	struct kvm_gmem_test_page *page = kvm_gmem_test_find(pfn);

	if (!page)
		return kvm_gmem_test_give_page(kvm, gfn, pfn);

	WARN_ON(page->kvm != kvm);
	WRITE_ONCE(page->gfn, gfn);
	return 0;
}

static void kvm_gmem_test_take_pages(kvm_pfn_t pfn, unsigned long nr)
{
	while (nr--)
		kvm_gmem_test_take_page(pfn + nr);
}

static int kvm_gmem_test_prepare(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn,
				 unsigned long nr)
{
	WARN_ON(!PageLocked(compound_head(pfn_to_page(pfn))) || nr != 1);

	if (should_fail(&kvm_gmem_test_fail_prepare, 1))
		return -EIO;

	return kvm_gmem_test_prepare_page(kvm, gfn, pfn);
}

static int kvm_gmem_test_prepare_destructive(struct kvm *kvm, gfn_t gfn,
					     kvm_pfn_t pfn, unsigned long nr)
{
	int r = kvm_gmem_test_prepare(kvm, gfn, pfn, nr);

	if (!r)
		kvm_gmem_test_scramble(pfn, KVM_GMEM_TEST_TO_GUEST);
	return r;
}

static int kvm_gmem_test_make_private(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn,
				      unsigned long nr)
{
	unsigned long i;
	int r;

	lockdep_assert_held(&kvm->slots_lock);
	WARN_ON(!READ_ONCE(kvm->mmu_invalidate_in_progress));

	if (should_fail(&kvm_gmem_test_fail_private, 1))
		return -EIO;

	for (i = 0; i < nr; i++) {
		r = kvm_gmem_test_give_page(kvm, gfn + i, pfn + i);
		if (r) {
			kvm_gmem_test_take_pages(pfn, i);
			return r;
		}
		kvm_gmem_test_note_sum(kvm, pfn + i);
	}

	return 0;
}

static bool kvm_gmem_test_owns(const struct kvm *kvm, kvm_pfn_t pfn)
{
	struct kvm_gmem_test_page *page = kvm_gmem_test_find(pfn);

	/* The gfn may be another by now, without a use there. */
	return page && page->kvm == kvm;
}

static int kvm_gmem_test_make_shared(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn,
				     unsigned long nr)
{
	unsigned long i;

	lockdep_assert_held(&kvm->slots_lock);
	WARN_ON(gfn != KVM_GMEM_UNBOUND &&
		!READ_ONCE(kvm->mmu_invalidate_in_progress));

	for (i = 0; i < nr; i++) {
		if (WARN_ON(!kvm_gmem_test_owns(kvm, pfn + i)))
			return -EIO;
	}

	if (should_fail(&kvm_gmem_test_fail_shared, 1))
		return -EIO;

	kvm_gmem_test_take_pages(pfn, nr);
	return 0;
}

static int kvm_gmem_test_reclaim(kvm_pfn_t pfn, unsigned long nr)
{
	bool fails = should_fail(&kvm_gmem_test_fail_reclaim, 1);
	unsigned long i;

	/* Quarantined pages are nobody's. */
	WARN_ON(!kvm_gmem_test_find(pfn) && PagePrivate2(pfn_to_page(pfn)));

	for (i = 0; i < nr; i++) {
		if (!kvm_gmem_test_find(pfn + i))
			continue;
		/* With PG_private_2, nobody must see the page again. */
		if (fails)
			kvm_gmem_test_forget_page(pfn + i);
		else
			kvm_gmem_test_take_page(pfn + i);
	}

	return fails ? -EIO : 0;
}

static int kvm_gmem_test_reclaim_destructive(kvm_pfn_t pfn, unsigned long nr)
{
	int r = kvm_gmem_test_reclaim(pfn, nr);

	while (!r && nr--)
		kvm_gmem_test_scramble(pfn + nr, KVM_GMEM_TEST_TO_HOST);
	return r;
}

/* By the mask in the VM's type */
static const struct kvm_gmem_ops kvm_gmem_test_backends[] = {
	{
		.kernel_access = KVM_GMEM_ACCESS_DIRECT,
		.access_is_private = kvm_gmem_test_access_is_private,
		.is_ready = kvm_gmem_test_is_ready,
		.prepare = kvm_gmem_test_prepare,
		.make_private = kvm_gmem_test_make_private,
		.make_shared = kvm_gmem_test_make_shared,
		.reclaim = kvm_gmem_test_reclaim,
		.take_request = kvm_gmem_take_request,
	}, {
		.kernel_access = KVM_GMEM_ACCESS_DIRECT,
		.access_is_private = kvm_gmem_test_access_is_private,
		.is_ready = kvm_gmem_test_is_ready,
		.prepare = kvm_gmem_test_prepare_destructive,
		.reclaim = kvm_gmem_test_reclaim_destructive,
	}, {
		.kernel_access = KVM_GMEM_ACCESS_NEVER,
		.access_is_private = kvm_gmem_test_access_is_private,
		.is_ready = kvm_gmem_test_is_ready,
		.prepare = kvm_gmem_test_prepare,
		.make_private = kvm_gmem_test_make_private,
		.make_shared = kvm_gmem_test_make_shared,
		.reclaim = kvm_gmem_test_reclaim,
		.take_request = kvm_gmem_take_request,
	}, {
		.kernel_access = KVM_GMEM_ACCESS_NEVER,
		.access_is_private = kvm_gmem_test_access_is_private,
		.is_ready = kvm_gmem_test_is_ready,
		.prepare = kvm_gmem_test_prepare_destructive,
		.reclaim = kvm_gmem_test_reclaim_destructive,
	},
};

/*
 * First contents come through, as they do where the hardware encrypts them.
 */
static int kvm_gmem_test_add_contents(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn,
				      struct page *source, void *arg)
{
	WARN_ON(!PageLocked(compound_head(pfn_to_page(pfn))));

	if (source)
		copy_highpage(pfn_to_page(pfn), source);
	if (should_fail(&kvm_gmem_test_fail_add, 1))
		return -EIO;

	return kvm_gmem_test_give_page(kvm, gfn, pfn);
}

static bool kvm_gmem_test_is_ours(const struct kvm *kvm)
{
	const struct kvm_gmem_ops *ops = kvm->private_mem.ops;

	return ops >= kvm_gmem_test_backends &&
	       ops < kvm_gmem_test_backends + ARRAY_SIZE(kvm_gmem_test_backends);
}

static int kvm_gmem_test_add_to_file(struct file *vm, u64 gpa, unsigned long uaddr)
{
	struct kvm *kvm;

	if (!file_is_kvm(vm) || !PAGE_ALIGNED(gpa))
		return -EINVAL;

	kvm = vm->private_data;
	if (!kvm_gmem_test_is_ours(kvm))
		return -EINVAL;

	return kvm_gmem_add_page(kvm, gpa_to_gfn(gpa), uaddr,
				 kvm_gmem_test_add_contents, NULL);
}

static ssize_t kvm_gmem_test_add_write(struct file *file, const char __user *buf,
				       size_t size, loff_t *pos)
{
	unsigned long uaddr;
	char text[64] = "";
	struct file *vm;
	int fd, r;
	u64 gpa;

	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, size))
		return -EFAULT;
	if (sscanf(text, "%d %llx %lx", &fd, &gpa, &uaddr) != 3)
		return -EINVAL;

	vm = fget(fd);
	if (!vm)
		return -EBADF;
	r = kvm_gmem_test_add_to_file(vm, gpa, uaddr);
	fput(vm);

	return r ? r : size;
}

static const struct file_operations kvm_gmem_test_add_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = kvm_gmem_test_add_write,
};

static void kvm_gmem_test_create_attr(struct dentry *dir, const char *name,
				      struct fault_attr *attr)
{
	/* A test that makes a call fail is not surprised. */
	attr->verbose = 0;
	fault_create_debugfs_attr(name, dir, attr);
}

static void kvm_gmem_test_create_debugfs(void)
{
	static DEFINE_MUTEX(lock);
	static struct dentry *dir;

	mutex_lock(&lock);
	if (!dir) {
		dir = debugfs_create_dir("gmem_test", kvm_debugfs_dir);
		debugfs_create_atomic_t("owned", 0400, dir, &kvm_gmem_test_owned);
		debugfs_create_file("add", 0200, dir, NULL,
				    &kvm_gmem_test_add_fops);
		kvm_gmem_test_create_attr(dir, "fail_add", &kvm_gmem_test_fail_add);
		kvm_gmem_test_create_attr(dir, "fail_access",
					  &kvm_gmem_test_fail_access);
		kvm_gmem_test_create_attr(dir, "fail_prepare",
					  &kvm_gmem_test_fail_prepare);
		kvm_gmem_test_create_attr(dir, "fail_make_private",
					  &kvm_gmem_test_fail_private);
		kvm_gmem_test_create_attr(dir, "fail_make_shared",
					  &kvm_gmem_test_fail_shared);
		kvm_gmem_test_create_attr(dir, "fail_reclaim",
					  &kvm_gmem_test_fail_reclaim);
	}
	mutex_unlock(&lock);
}

/**
 * kvm_gmem_test_ops - the test backend that a VM type asks for
 * @type: argument of KVM_CREATE_VM
 *
 * Taints the kernel, as tests do.
 *
 * Context: May sleep.
 * Return: the backend, or NULL if the type is another.
 */
const struct kvm_gmem_ops *kvm_gmem_test_ops(unsigned long type)
{
	unsigned long mask = type - KVM_GMEM_TEST_VM;

	if (mask & ~(KVM_GMEM_TEST_DESTRUCTIVE | KVM_GMEM_TEST_NO_ACCESS))
		return NULL;

	add_taint(TAINT_TEST, LOCKDEP_STILL_OK);
	kvm_gmem_test_create_debugfs();
	return &kvm_gmem_test_backends[mask];
}
