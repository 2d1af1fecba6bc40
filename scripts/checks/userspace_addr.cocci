// SPDX-License-Identifier: GPL-2.0-only
// Rule: reach what a file backs through the file's page.  Turn a gfn into an hva
//       only where the file has been asked first, or is asked again after.
// Invariants: I5
// Files: virt/kvm/gmem/access.c virt/kvm/gmem/pin.
virtual report

@addr@
struct kvm_memory_slot *slot;
position p;
@@
* slot->userspace_addr@p

@asks@
identifier fn;
position p;
@@
fn(...)
{
<+...
kvm_gmem_backs(...)
...
__gfn_to_hva_memslot(...)@p
...+>
}

@copies@
identifier fn = kvm_gmem_copy_user;
position p;
@@
fn(...)
{
<+...
__gfn_to_hva_memslot(...)@p
...+>
}

@hva@
position p != { asks.p, copies.p };
identifier f = { __gfn_to_hva_memslot, gfn_to_hva, gfn_to_hva_memslot,
	gfn_to_hva_prot, gfn_to_hva_memslot_prot, kvm_vcpu_gfn_to_hva,
	kvm_vcpu_gfn_to_hva_prot };
@@
* f(...)@p

@script:python depends on report@
p << addr.p;
@@
coccilib.report.print_report(p[0], "userspace_addr is not where the memory is")

@script:python depends on report@
p << hva.p;
f << hva.f;
@@
coccilib.report.print_report(p[0], "%s() without asking whether the file backs the gfn" % f)
