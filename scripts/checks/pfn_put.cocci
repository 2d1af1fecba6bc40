// SPDX-License-Identifier: GPL-2.0-only
// Rule: drop no reference to a pfn of a file: kvm_gmem_get_pfn() takes none, the
//       page cache and the invalidation keep the page.
// Invariants: I3
// Files: virt/kvm/ arch/x86/kvm/
virtual report

@r@
expression slot, gfn, pfn, order;
position p;
@@
kvm_gmem_get_pfn(slot, gfn, &pfn, order)
... when != pfn = ...
    when any
(
* kvm_release_pfn_clean(pfn)@p
|
* kvm_release_pfn_dirty(pfn)@p
|
* kvm_set_pfn_dirty(pfn)@p
|
* put_page(pfn_to_page(pfn))@p
|
* folio_put(page_folio(pfn_to_page(pfn)))@p
|
* kvm_gmem_put_folio(page_folio(pfn_to_page(pfn)))@p
)

@script:python depends on report@
p << r.p;
@@
coccilib.report.print_report(p[0], "kvm_gmem_get_pfn() gave no reference to drop")
