// SPDX-License-Identifier: GPL-2.0-only
// Rule: decide once per access whether a gfn is private.  Two questions in one
//       function may get two answers.
// Invariants: I3, I5
// Files: virt/kvm/ arch/x86/kvm/
virtual report

@r@
identifier fn;
expression vm, gfn;
position p;
@@
fn(...)
{
... when any
kvm_mem_is_private(vm, gfn)
...
* kvm_mem_is_private(vm, gfn)@p
... when any
}

@script:python depends on report@
p << r.p;
@@
coccilib.report.print_report(p[0], "second question for the same attribute")
