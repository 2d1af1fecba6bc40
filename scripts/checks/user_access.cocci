// SPDX-License-Identifier: GPL-2.0-only
// Rule: touch no user memory while holding a file's invalidate_lock.  A host
//       page fault takes that lock under mmap_lock.
// Invariants: lock order of the conversion engine
// Files: virt/kvm/ arch/x86/kvm/
virtual report

@r@
expression m;
identifier f = { copy_from_user, copy_to_user, __copy_from_user, __copy_to_user,
	get_user, put_user, get_user_pages, get_user_pages_unlocked,
	pin_user_pages, fault_in_readable, fault_in_writeable };
position p;
@@
(
filemap_invalidate_lock(m);
|
filemap_invalidate_lock_shared(m);
|
down_write(&m->invalidate_lock);
|
down_write_nest_lock(&m->invalidate_lock, ...);
)
... when != filemap_invalidate_unlock(m)
    when != filemap_invalidate_unlock_shared(m)
    when != up_write(&m->invalidate_lock)
* f(...)@p

@script:python depends on report@
p << r.p;
f << r.f;
@@
coccilib.report.print_report(p[0], "%s() with invalidate_lock held" % f)
