// SPDX-License-Identifier: GPL-2.0-only
// Rule: read the attribute of a gfn without a lock only through
//       kvm_mem_is_private().  All other reads of attributes and of the state
//       of offsets are in functions that assert slots_lock, mmu_lock or the
//       file's invalidate_lock: without them the answer is stale at once, and
//       several answers do not belong together.  KVM's own accesses have a door
//       of their own, kvm_gmem_check_page(), which says what it relies on, and
//       so has the view of a sealed guest, __kvm_view_check().
// Invariants: I1, I3
// Files: virt/kvm/ arch/x86/kvm/ include/linux/kvm_gmem.h !virt/kvm/gmem/attr_map.c
virtual report

@asserted@
identifier fn;
identifier read = { kvm_attr_map_get, kvm_attr_map_range_has, kvm_attr_map_run_end };
expression l;
position p;
@@
fn(...)
{
<+...
(
lockdep_assert_held(l);
|
lockdep_assert_held_read(l);
|
lockdep_assert_held_write(l);
)
... when any
read(...)@p
...+>
}

@door@
position p;
@@
kvm_mem_is_private(...)
{
<+...
kvm_attr_map_get(...)@p
...+>
}

@access_door@
position p;
@@
kvm_gmem_check_page(...)
{
<+...
kvm_attr_map_get(...)@p
...+>
}

@view_door@
position p;
@@
__kvm_view_check(...)
{
<+...
kvm_attr_map_get(...)@p
...+>
}

@r@
identifier read = { kvm_attr_map_get, kvm_attr_map_range_has, kvm_attr_map_run_end };
position p != { asserted.p, door.p, access_door.p, view_door.p };
@@
* read(...)@p

@script:python depends on report@
p << r.p;
read << r.read;
@@
coccilib.report.print_report(p[0], "%s() without asserting a lock" % read)
