// SPDX-License-Identifier: GPL-2.0-only
// Rule: use the result of what can fail before a commit: reservations,
//       conversions, bindings, operations on the direct map and of backends.
// Invariants: I4, I7
// Files: virt/kvm/ arch/x86/kvm/
virtual report

@r@
identifier f = { kvm_attr_map_reserve, kvm_convert_reserve, kvm_convert_gfns,
	kvm_convert_file, kvm_convert_to_bind, kvm_gmem_bind,
	set_direct_map_invalid_noflush, set_direct_map_default_noflush,
	set_memory_np, set_memory_p };
expression list es;
position p;
@@
(
* f(es)@p;
|
* (void)f(es)@p;
)

@s@
expression vm, e;
identifier op;
expression list es;
position p;
@@
(
* vm->private_mem.ops->op(es)@p;
|
* (void)vm->private_mem.ops->op(es)@p;
|
* e = vm->private_mem.ops; ... e->op(es)@p;
)

@script:python depends on report@
p << r.p;
f << r.f;
@@
coccilib.report.print_report(p[0], "result of %s() is ignored" % f)

@script:python depends on report@
p << s.p;
op << s.op;
@@
coccilib.report.print_report(p[0], "result of the backend's %s() is ignored" % op)
