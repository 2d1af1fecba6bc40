// SPDX-License-Identifier: GPL-2.0-only
// Rule: let nothing fail or allocate once attributes are committed, up to the
//       end of the invalidation.
// Invariants: I4
// Files: virt/kvm/ arch/x86/kvm/
virtual report

@r@
identifier commit = { kvm_attr_map_commit, kvm_convert_commit };
identifier f = { kmalloc, kzalloc, kcalloc, kvmalloc, kvzalloc, kvmalloc_array,
	kvcalloc, kmem_cache_alloc, vmalloc, vzalloc, alloc_page, alloc_pages,
	filemap_alloc_folio, xa_store, xa_reserve, kvm_attr_map_reserve,
	kvm_convert_reserve, kvm_gmem_get_folio, kvm_gmem_get_pfn };
position p;
@@
commit(...);
... when != kvm_invalidate_end(...)
    when any
* f(...)@p

@s@
identifier commit = { kvm_attr_map_commit, kvm_convert_commit };
constant c;
position p;
@@
commit(...);
... when != kvm_invalidate_end(...)
    when any
* return@p -c;

@script:python depends on report@
p << r.p;
f << r.f;
@@
coccilib.report.print_report(p[0], "%s() after the commit" % f)

@script:python depends on report@
p << s.p;
@@
coccilib.report.print_report(p[0], "failure after the commit")
