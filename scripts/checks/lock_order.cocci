// SPDX-License-Identifier: GPL-2.0-only
// Rule: take slots_lock before a file's invalidate_lock, and wait for kvm->srcu
//       with no invalidate_lock held.  A vCPU inside srcu may wait for the file.
// Invariants: lock order of the conversion engine
// Files: virt/kvm/ arch/x86/kvm/
virtual report

@r@
expression m, vm;
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
(
* mutex_lock(&vm->slots_lock)@p;
|
* synchronize_srcu(&vm->srcu)@p;
|
* synchronize_srcu_expedited(&vm->srcu)@p;
)

@script:python depends on report@
p << r.p;
@@
coccilib.report.print_report(p[0], "invalidate_lock is held: may deadlock")
