// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is private and what is shared, for people: gmem_map in a VM's debugfs
 * directory.  A line is a run of gfns of a memslot that are alike:
 *
 *   START-END AS:SLOT private|shared file|memory
 *
 * with guest physical addresses, END exclusive.  "file" says that the memslot
 * is bound to a guest_memfd file.
 */

#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "gmem.h"

/* A position in the file is a gfn, with its address space above. */
#define KVM_MAP_AS_SHIFT	52

/**
 * struct kvm_map_run - a line of the map
 * @kvm: the VM
 * @slot: memslot that contains the run
 * @start: first gfn
 * @end: one past the last gfn
 * @is_private: what all of its gfns are
 * @locked: slots_lock is held
 */
struct kvm_map_run {
	struct kvm *kvm;
	const struct kvm_memory_slot *slot;
	gfn_t start;
	gfn_t end;
	bool is_private;
	bool locked;
};

static void kvm_map_fill(struct kvm_map_run *run,
			 const struct kvm_memory_slot *slot, gfn_t gfn)
{
	unsigned long attrs;

	lockdep_assert_held(&run->kvm->slots_lock);

	run->slot = slot;
	run->start = max(gfn, slot->base_gfn);
	run->end = kvm_attr_map_run_end(&run->kvm->private_mem.attrs, run->start,
					slot->base_gfn + slot->npages, &attrs);
	run->is_private = attrs & KVM_MEMORY_ATTRIBUTE_PRIVATE;
}

static bool kvm_map_find_in(struct kvm_map_run *run, int as_id, gfn_t gfn)
{
	struct kvm_memslot_iter iter;

	kvm_for_each_memslot_in_gfn_range(&iter,
					  __kvm_memslots(run->kvm, as_id), gfn,
					  ULONG_MAX) {
		/* KVM's own memslots are nobody's memory. */
		if (iter.slot->id >= KVM_USER_MEM_SLOTS)
			continue;

		kvm_map_fill(run, iter.slot, gfn);
		return true;
	}

	return false;
}

static struct kvm_map_run *kvm_map_find(struct kvm_map_run *run, loff_t pos)
{
	gfn_t gfn = pos & (BIT_ULL(KVM_MAP_AS_SHIFT) - 1);
	int as_id;

	for (as_id = pos >> KVM_MAP_AS_SHIFT; as_id < KVM_ADDRESS_SPACE_NUM;
	     as_id++, gfn = 0) {
		if (kvm_map_find_in(run, as_id, gfn))
			return run;
	}

	return NULL;
}

static void *kvm_map_start(struct seq_file *m, loff_t *pos)
{
	struct kvm_map_run *run = m->private;

	if (mutex_lock_killable(&run->kvm->slots_lock))
		return ERR_PTR(-EINTR);

	run->locked = true;
	return kvm_map_find(run, *pos);
}

static void *kvm_map_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct kvm_map_run *run = m->private;

	/* A reader who seeks walks all lines up to there in one go. */
	cond_resched();
	if (fatal_signal_pending(current))
		return ERR_PTR(-EINTR);

	*pos = (loff_t)run->slot->as_id << KVM_MAP_AS_SHIFT | run->end;
	return kvm_map_find(run, *pos);
}

static void kvm_map_stop(struct seq_file *m, void *v)
{
	struct kvm_map_run *run = m->private;

	if (run->locked)
		mutex_unlock(&run->kvm->slots_lock);
	run->locked = false;
}

static int kvm_map_show(struct seq_file *m, void *v)
{
	const struct kvm_map_run *run = v;

	seq_printf(m, "%016llx-%016llx %d:%d %s %s\n",
		   run->start << PAGE_SHIFT, run->end << PAGE_SHIFT,
		   run->slot->as_id, run->slot->id,
		   run->is_private ? "private" : "shared",
		   run->slot->flags & KVM_MEM_GUEST_MEMFD ? "file" : "memory");
	return 0;
}

static const struct seq_operations kvm_map_ops = {
	.start = kvm_map_start,
	.next = kvm_map_next,
	.stop = kvm_map_stop,
	.show = kvm_map_show,
};

static int kvm_map_open(struct inode *inode, struct file *file)
{
	struct kvm *kvm = inode->i_private;
	struct kvm_map_run *run;

	if (!kvm_get_kvm_safe(kvm))
		return -ENOENT;

	run = __seq_open_private(file, &kvm_map_ops, sizeof(*run));
	if (!run) {
		kvm_put_kvm(kvm);
		return -ENOMEM;
	}

	run->kvm = kvm;
	return 0;
}

static int kvm_map_release(struct inode *inode, struct file *file)
{
	kvm_put_kvm(inode->i_private);
	return seq_release_private(inode, file);
}

static const struct file_operations kvm_map_fops = {
	.owner = THIS_MODULE,
	.open = kvm_map_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = kvm_map_release,
};

/**
 * kvm_gmem_create_debugfs - add gmem_map to a VM's debugfs directory
 * @kvm: the VM, which removes the directory before it goes away
 *
 * Context: May sleep.
 */
void kvm_gmem_create_debugfs(struct kvm *kvm)
{
	debugfs_create_file("gmem_map", 0400, kvm->debugfs_dentry, kvm,
			    &kvm_map_fops);
}

/*
 * The reference keeps the VM from removing the directory.
 */
static struct kvm *kvm_get_by_debugfs(const struct dentry *dir)
{
	struct kvm *kvm, *found = NULL;

	mutex_lock(&kvm_lock);
	list_for_each_entry(kvm, &vm_list, vm_list) {
		if (kvm->debugfs_dentry == dir && kvm_get_kvm_safe(kvm)) {
			found = kvm;
			break;
		}
	}
	mutex_unlock(&kvm_lock);

	return found;
}

/**
 * kvm_gmem_move_debugfs - make room for the directory of a new VM
 * @dir: what is at its place
 *
 * A VM outlives its descriptor as long as it has files or vCPUs, and the next VM
 * gets the descriptor's number.  The older directory goes on as NAME.COUNT; what
 * is open in it stays so.
 *
 * Context: serialised by the caller; may sleep.
 * Return: true if @dir has another name now; false if its VM is going away, and
 * the directory with it.
 */
bool kvm_gmem_move_debugfs(struct dentry *dir)
{
	struct kvm *kvm = kvm_get_by_debugfs(dir);
	static unsigned int count;
	char name[NAME_MAX];
	struct dentry *moved;

	if (!kvm)
		return false;

	snprintf(name, sizeof(name), "%pd.%u", dir, ++count);
	moved = debugfs_rename(kvm_debugfs_dir, dir, kvm_debugfs_dir, name);
	kvm_put_kvm(kvm);

	return !IS_ERR(moved);
}
