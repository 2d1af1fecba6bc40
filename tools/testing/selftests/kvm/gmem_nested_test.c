// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: a nested guest on SVM with nested paging.
 *
 * All of L1 is private: the control block, the permission maps and L1's nested
 * page tables, which KVM walks and shadows, whose accessed and dirty bits it
 * sets and whose changes it emulates.  A data slot has a second, shared backing
 * that nothing may show while its gfns are private.
 */
#define _GNU_SOURCE

#include "gmem_harness.h"
#include "gmem_world.h"
#include "svm_util.h"

#define SHARED_BYTE	0x11
#define PRIVATE_BYTE	0x80	/* plus the page's number */
#define HOLE		(GMEM_BASE + (1ULL << 30))
#define GIB		BIT_ULL(30)

#define PTE_P		BIT(0)
#define PTE_RWU		(BIT(0) | BIT(1) | BIT(2))
#define PTE_A		BIT(5)
#define PTE_D		BIT(6)
#define PTE_PS		BIT(7)

enum npt_table { PML4, PDPT, PD, PT, NR_TABLES };

struct npt {
	u64 *table[NR_TABLES];	/* guest virtual */
	u64 gpa[NR_TABLES];
};

/* Filled by the host before the guest runs. */
static struct npt npt;

/* Identity: large pages, but 4 KiB pages where the data slot is */
static void build_npt(void)
{
	unsigned int i;

	npt.table[PML4][0] = npt.gpa[PDPT] | PTE_RWU;
	for (i = 0; i < 6; i++)
		npt.table[PDPT][i] = (i * GIB) | PTE_RWU | PTE_PS;
	npt.table[PDPT][GMEM_BASE / GIB] = npt.gpa[PD] | PTE_RWU;
	npt.table[PD][0] = npt.gpa[PT] | PTE_RWU;
	for (i = 0; i < 512; i++)
		npt.table[PT][i] = gpa(i) | PTE_RWU;
}

static void l2_exit(void)
{
	asm volatile("vmmcall" : : : "rax", "rbx", "rcx", "rdx", "rsi", "rdi",
		     "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
		     "memory");
}

static void l2_code(void)
{
	unsigned int i;

	/* Odd pages first: a prefetch would bring in the even ones. */
	for (i = 1; i < PAGES; i += 2)
		GUEST_EXPECT(guest_read8(gpa(i)), PRIVATE_BYTE + i);
	for (i = 0; i < PAGES; i += 2)
		GUEST_EXPECT(guest_read8(gpa(i)), PRIVATE_BYTE + i);
	guest_write8(gpa(5) + 8, 0x77);
	l2_exit();

	/* Page 7 is shared now, page 3 is mapped to page 4. */
	GUEST_EXPECT(guest_read8(gpa(7)), SHARED_BYTE);
	GUEST_EXPECT(guest_read8(gpa(6)), PRIVATE_BYTE + 6);
	GUEST_EXPECT(guest_read8(gpa(3)), PRIVATE_BYTE + 4);
	guest_write8(gpa(3) + 8, 0x78);
	l2_exit();

	/* Page 7 is private again, page 3 is mapped to itself again. */
	GUEST_EXPECT(guest_read8(gpa(7)), PRIVATE_BYTE + 7);
	GUEST_EXPECT(guest_read8(gpa(3)), PRIVATE_BYTE + 3);
	guest_read8(HOLE);
	l2_exit();
}

static u64 exchange(u64 *cell, u64 old, u64 new)
{
	asm volatile("lock cmpxchgq %2, %1"
		     : "+a" (old), "+m" (*cell) : "r" (new) : "memory", "cc");
	return old;
}

static void run_l2(struct svm_test_data *svm)
{
	svm->vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	run_guest(svm->vmcb, svm->vmcb_gpa);
	GUEST_EXPECT(svm->vmcb->control.exit_code, SVM_EXIT_VMMCALL);
	svm->vmcb->save.rip += 3;
}

static void l1_code(struct svm_test_data *svm)
{
	static unsigned long l2_stack[64];
	unsigned int i;
	u64 entry;

	for (i = 0; i < PAGES; i++)
		guest_fill(gpa(i), PRIVATE_BYTE + i);
	build_npt();
	generic_svm_setup(svm, l2_code, &l2_stack[64]);
	svm->vmcb->control.nested_ctl |= SVM_NESTED_CTL_NP_ENABLE;
	svm->vmcb->control.nested_cr3 = npt.gpa[PML4];

	run_l2(svm);
	GUEST_EXPECT(guest_read8(gpa(5) + 8), 0x77);
	GUEST_EXPECT(npt.table[PT][5] & (PTE_A | PTE_D), PTE_A | PTE_D);
	GUEST_EXPECT(npt.table[PT][6] & PTE_A, PTE_A);
	GUEST_EXPECT(npt.table[PT][100] & PTE_A, 0);

	GUEST_STAGE(1);
	/* KVM shadows this table: a write to it is emulated. */
	npt.table[PT][3] = gpa(4) | PTE_RWU;
	run_l2(svm);
	GUEST_EXPECT(guest_read8(gpa(4) + 8), 0x78);
	GUEST_EXPECT(guest_read8(gpa(3) + 8), PRIVATE_BYTE + 3);
	GUEST_EXPECT(npt.table[PT][3] & ~(PTE_A | PTE_D), gpa(4) | PTE_RWU);

	GUEST_STAGE(2);
	/* A failing and a succeeding exchange, emulated as well */
	entry = READ_ONCE(npt.table[PT][3]);
	GUEST_EXPECT(exchange(&npt.table[PT][3], 1, 0), entry);
	GUEST_EXPECT(exchange(&npt.table[PT][3], entry, gpa(3) | PTE_RWU), entry);
	run_l2(svm);
	GUEST_FINISH();
}

static void prepare_npt(struct kvm_vm *vm)
{
	int i;

	for (i = 0; i < NR_TABLES; i++) {
		vm_vaddr_t gva = vm_vaddr_alloc_page(vm);

		npt.table[i] = (u64 *)gva;
		npt.gpa[i] = addr_gva2gpa(vm, gva);
	}
	sync_global_to_guest(vm, npt);
}

GMEM_TEST(nested_guest_in_private_memory)
{
	vm_vaddr_t svm_gva;
	struct world w;
	int fd;

	if (!kvm_cpu_has(X86_FEATURE_SVM))
		gmem_skip("processor without SVM");
	w.vm = gmem_vm_create_inplace(1, l1_code, &w.vcpu, &fd);
	gmem_slot_add(&w.slot, w.vm, GMEM_SLOT_TWO, SLOT, GMEM_BASE, PAGES * PG);
	virt_map(w.vm, HOLE, HOLE, 1);
	memset(w.slot.hva, SHARED_BYTE, PAGES * PG);
	vcpu_alloc_svm(w.vm, &svm_gva);
	vcpu_args_set(w.vcpu, 1, svm_gva);
	prepare_npt(w.vm);

	gmem_vm_set_private(w.vm, 0, GMEM_PRIVATE);
	gmem_set_attrs(w.vm->fd, GMEM_BASE, 2 * GIB, GMEM_PRIVATE);

	gmem_run_to_sync(w.vcpu, 1);
	ASSERT_OK(convert(&w, 7, 1, GMEM_SHARED));
	gmem_run_to_sync(w.vcpu, 2);
	ASSERT_OK(convert(&w, 7, 1, GMEM_PRIVATE));
	gmem_run_to_fault(w.vcpu, HOLE, GMEM_PRIVATE);
	/* The shared backing never saw any of it. */
	TEST_ASSERT(gmem_host_page_is(host(&w, 5), SHARED_BYTE), "shared page 5");
	TEST_ASSERT(gmem_host_page_is(host(&w, 3), SHARED_BYTE), "shared page 3");
}

GMEM_HARNESS_MAIN
