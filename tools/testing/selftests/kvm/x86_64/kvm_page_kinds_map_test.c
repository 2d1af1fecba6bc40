// SPDX-License-Identifier: GPL-2.0-only
/*
 * Users of guest memory that KVM maps into the kernel: the control block of a
 * nested guest (kvm_vcpu_map()) and the pages of kvmclock (gfn_to_pfn_cache),
 * in memory of /dev/kvm_page_kinds.
 *
 * A page without a reference count of its own is refused, like an address
 * without memory, unless kvm.allow_unsafe_mappings is set.  All other kinds are
 * mapped, as in 6.1.  A kernel without the parameter refuses, too.
 *
 * The memory of a nested guest is not mapped into the kernel: any kind will do.
 */
#define _GNU_SOURCE
#include <sys/stat.h>

#include "gmem_harness.h"
#include "page_kinds.h"
#include "processor.h"
#include "svm_util.h"

#define PARAMETER	"/sys/module/kvm/parameters/allow_unsafe_mappings"

#define TAIL		5	/* any page of a block but the first */
#define MSR		0x174	/* IA32_SYSENTER_CS */
#define SYSTEM_TIME	0x4b564d01	/* MSR_KVM_SYSTEM_TIME_NEW */
#define CLOCK_MULTIPLIER	6	/* word of struct pvclock_vcpu_time_info */
#define UNTOUCHED	0xee

enum stage { BUILT = 1, EXITED, REFUSED, CLOCK_ON, CLOCK_OFF };

static bool unsafe_mappings_allowed(void)
{
	int fd = open(PARAMETER, O_RDONLY);
	char c = 'N';

	if (fd < 0)
		return false;
	TEST_ASSERT(read(fd, &c, 1) == 1 && strchr("YN", c), "reading " PARAMETER);
	close(fd);
	return c == 'Y';
}

GMEM_TEST(parameter_is_read_only)
{
	struct stat st;

	TEST_ASSERT(!stat(PARAMETER, &st), PARAMETER ": %s", strerror(errno));
	TEST_ASSERT((st.st_mode & 0777) == 0444, "mode %#o", st.st_mode & 0777);
	TEST_ASSERT(open(PARAMETER, O_WRONLY) == -1 && errno == EACCES, "it can be opened");
	printf("allow_unsafe_mappings is %d\n", unsafe_mappings_allowed());
}

/* A nested guest */

static void l2_code(void)
{
	asm volatile("rdmsr; vmmcall" : : "c" (MSR) : "rax", "rdx");
}

static void l1_code(struct svm_test_data *svm, uint64_t vmcb_gpa)
{
	static unsigned long l2_stack[64];

	generic_svm_setup(svm, l2_code, &l2_stack[64]);
	GUEST_SYNC(BUILT);
	asm volatile("vmrun %%rax" : : "a" (vmcb_gpa) : "rcx", "rdx", "memory");
	GUEST_SYNC(EXITED);
}

static void refused(struct ex_regs *regs)
{
	GUEST_SYNC(REFUSED);
}

struct nested {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct svm_test_data *svm;	/* host virtual */
};

static uint64_t run_to_stage(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	vcpu_run(vcpu);
	TEST_ASSERT(get_ucall(vcpu, &uc) == UCALL_SYNC, "exit reason %u",
		    vcpu->run->exit_reason);
	return uc.args[1];
}

/* The guest is about to run a nested guest whose control block is at @vmcb_gpa. */
static struct nested nested_create(const struct pk_file *f, uint64_t vmcb_gpa)
{
	vm_vaddr_t svm_gva;
	struct nested n;

	n.vm = vm_create_with_one_vcpu(&n.vcpu, l1_code);
	vm_init_descriptor_tables(n.vm);
	vcpu_init_descriptor_tables(n.vcpu);
	vm_install_exception_handler(n.vm, GP_VECTOR, refused);
	pk_slot(n.vm, f, 0);
	n.svm = vcpu_alloc_svm(n.vm, &svm_gva);
	vcpu_args_set(n.vcpu, 2, svm_gva, vmcb_gpa ?: n.svm->vmcb_gpa);
	ASSERT_EQ(run_to_stage(n.vcpu), BUILT);
	return n;
}

static uint32_t exit_code_in(const struct pk_file *f, unsigned int page)
{
	uint8_t buf[PK_PAGE];

	pk_read(f, page, buf);
	return ((struct vmcb *)buf)->control.exit_code;
}

/* The guest itself does not touch the page: only KVM does. */
static void check_vmcb_in(const struct pk_file *f, unsigned int page, bool admitted)
{
	struct kvm_pk_page before[PK_PAGES];
	struct nested n;

	if (!kvm_cpu_has(X86_FEATURE_SVM))
		gmem_skip("processor without SVM");
	pk_query_all(f, before);
	n = nested_create(f, pk_gpa(page));
	TEST_ASSERT(pwrite(f->fd, n.svm->vmcb_hva, PK_PAGE, page * PK_PAGE) == PK_PAGE,
		    "pwrite(): %s", strerror(errno));
	ASSERT_EQ(exit_code_in(f, page), 0);
	ASSERT_EQ(run_to_stage(n.vcpu), admitted ? EXITED : REFUSED);
	ASSERT_EQ(exit_code_in(f, page), admitted ? SVM_EXIT_VMMCALL : 0);
	pk_assert_counts(f, before);
	kvm_vm_free(n.vm);
	pk_assert_counts(f, before);
}

static void check_vmcb(enum kvm_pk_kind kind, enum kvm_pk_map map, unsigned int page,
		       bool admitted)
{
	struct pk_file f = pk_open(kind, map, 0);

	check_vmcb_in(&f, page, admitted);
}

GMEM_TEST(vmcb_in_a_compound_page)
{
	check_vmcb(KVM_PK_COMPOUND, KVM_PK_MAP_REMAP, 0, true);
}

GMEM_TEST(vmcb_in_a_single_page)
{
	check_vmcb(KVM_PK_SINGLE, KVM_PK_MAP_PFN, 1, true);
}

GMEM_TEST(vmcb_in_a_reserved_page)
{
	check_vmcb(KVM_PK_RESERVED, KVM_PK_MAP_REMAP, 1, true);
}

GMEM_TEST(vmcb_in_a_block_remap)
{
	check_vmcb(KVM_PK_BLOCK, KVM_PK_MAP_REMAP, TAIL, unsafe_mappings_allowed());
}

GMEM_TEST(vmcb_in_a_block_pfn)
{
	check_vmcb(KVM_PK_BLOCK, KVM_PK_MAP_PFN, TAIL, unsafe_mappings_allowed());
}

GMEM_TEST(vmcb_in_a_block_mixed)
{
	check_vmcb(KVM_PK_BLOCK, KVM_PK_MAP_MIXED, TAIL, unsafe_mappings_allowed());
}

/* As ever, but what could not be mapped at all is no exception. */
GMEM_TEST(vmcb_in_a_reserved_block)
{
	check_vmcb(KVM_PK_RESERVED_BLOCK, KVM_PK_MAP_REMAP, TAIL, true);
}

GMEM_TEST(vmcb_in_a_reserved_page_mixed)
{
	check_vmcb(KVM_PK_RESERVED, KVM_PK_MAP_MIXED, 1, unsafe_mappings_allowed());
}

static void check_vmcb_without_struct_page(enum kvm_pk_map map, bool admitted)
{
	struct pk_file f;
	uint64_t phys;

	if (!pk_find_ram(&phys))
		gmem_skip("no memory without struct page: boot with mem=");
	f = pk_open_phys(map, phys);
	check_vmcb_in(&f, 0, admitted);
}

GMEM_TEST(vmcb_without_struct_page)
{
	check_vmcb_without_struct_page(KVM_PK_MAP_REMAP, true);
}

GMEM_TEST(vmcb_without_struct_page_mixed)
{
	check_vmcb_without_struct_page(KVM_PK_MAP_MIXED, unsafe_mappings_allowed());
}

/* KVM copies the bitmap through the mapping in userspace. */
GMEM_TEST(msr_bitmap_in_a_block)
{
	struct pk_file f = pk_open(KVM_PK_BLOCK, KVM_PK_MAP_REMAP, 0);
	struct vmcb *vmcb;
	struct nested n;

	if (!kvm_cpu_has(X86_FEATURE_SVM))
		gmem_skip("processor without SVM");
	n = nested_create(&f, 0);
	vmcb = n.svm->vmcb_hva;
	vmcb->control.intercept |= BIT_ULL(INTERCEPT_MSR_PROT);
	vmcb->control.msrpm_base_pa = pk_gpa(TAIL);
	pk_fill(&f, TAIL, 0xff);
	pk_fill(&f, TAIL + 1, 0xff);
	ASSERT_EQ(run_to_stage(n.vcpu), EXITED);
	ASSERT_EQ(vmcb->control.exit_code, SVM_EXIT_MSR);
	kvm_vm_free(n.vm);
}

/* Memory of a nested guest: KVM shadows the page tables of L1. */

#define PTE_RWU		0x7
#define PTE_PS		BIT_ULL(7)

static void l2_user(void)
{
	uint64_t *word = (uint64_t *)pk_gpa(TAIL);

	WRITE_ONCE(*word, READ_ONCE(*word) + 1);
	asm volatile("vmmcall");
}

/* Nested page tables at @pml4 and @pdpt, guest virtual, map all one to one. */
static void l1_npt(struct svm_test_data *svm, uint64_t *pml4, uint64_t pml4_gpa,
		   uint64_t *pdpt, uint64_t pdpt_gpa)
{
	static unsigned long l2_stack[64];
	unsigned int i;

	pml4[0] = pdpt_gpa | PTE_RWU;
	for (i = 0; i < 512; i++)
		pdpt[i] = (uint64_t)i << 30 | PTE_RWU | PTE_PS;
	generic_svm_setup(svm, l2_user, &l2_stack[64]);
	svm->vmcb->control.nested_ctl |= SVM_NESTED_CTL_NP_ENABLE;
	svm->vmcb->control.nested_cr3 = pml4_gpa;
	asm volatile("vmrun %%rax" : : "a" (svm->vmcb_gpa) : "memory");
	GUEST_SYNC(svm->vmcb->control.exit_code);
}

static void check_nested_memory(enum kvm_pk_kind kind, enum kvm_pk_map map)
{
	struct pk_file f = pk_open(kind, map, 0);
	struct kvm_pk_page before[PK_PAGES];
	vm_vaddr_t svm_gva, pml4, pdpt;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	uint64_t words[PK_PAGE / sizeof(uint64_t)];

	if (!kvm_cpu_has(X86_FEATURE_NPT))
		gmem_skip("processor without nested paging");
	pk_query_all(&f, before);
	pk_fill(&f, TAIL, 0x11);
	vm = vm_create_with_one_vcpu(&vcpu, l1_npt);
	pk_slot(vm, &f, 0);
	virt_map(vm, PK_GPA, PK_GPA, PK_PAGES);
	vcpu_alloc_svm(vm, &svm_gva);
	pml4 = vm_vaddr_alloc_page(vm);
	pdpt = vm_vaddr_alloc_page(vm);
	vcpu_args_set(vcpu, 5, svm_gva, pml4, addr_gva2gpa(vm, pml4), pdpt,
		      addr_gva2gpa(vm, pdpt));
	ASSERT_EQ(run_to_stage(vcpu), SVM_EXIT_VMMCALL);
	pk_read(&f, TAIL, words);
	ASSERT_EQ(words[0], 0x1111111111111112ULL);
	kvm_vm_free(vm);
	pk_assert_counts(&f, before);
}

GMEM_TEST(nested_guest_in_a_single_page)
{
	check_nested_memory(KVM_PK_SINGLE, KVM_PK_MAP_PFN);
}

GMEM_TEST(nested_guest_in_a_block_remap)
{
	check_nested_memory(KVM_PK_BLOCK, KVM_PK_MAP_REMAP);
}

GMEM_TEST(nested_guest_in_a_block_pfn)
{
	check_nested_memory(KVM_PK_BLOCK, KVM_PK_MAP_PFN);
}

/* kvmclock */

static void clock_code(uint64_t gpa)
{
	wrmsr(SYSTEM_TIME, gpa | 1);
	GUEST_SYNC(CLOCK_ON);
	wrmsr(SYSTEM_TIME, 0);
	GUEST_SYNC(CLOCK_OFF);
}

/* The first word is a version, even while nobody updates the clock. */
static void check_clock_in(const struct pk_file *f, unsigned int page, bool admitted)
{
	struct kvm_pk_page before[PK_PAGES];
	uint32_t words[PK_PAGE / sizeof(uint32_t)];
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	pk_query_all(f, before);
	vm = vm_create_with_one_vcpu(&vcpu, clock_code);
	pk_slot(vm, f, 0);
	vcpu_args_set(vcpu, 1, pk_gpa(page));
	pk_fill(f, page, UNTOUCHED);
	ASSERT_EQ(run_to_stage(vcpu), CLOCK_ON);
	if (admitted) {
		pk_read(f, page, words);
		TEST_ASSERT(words[0] % 2 == 0 && words[0] != UNTOUCHED * 0x01010101U,
			    "version %#x", words[0]);
		TEST_ASSERT(words[CLOCK_MULTIPLIER] != UNTOUCHED * 0x01010101U,
			    "multiplier %#x", words[CLOCK_MULTIPLIER]);
	} else {
		TEST_ASSERT(pk_is(f, page, UNTOUCHED), "KVM has mapped the page");
	}
	pk_assert_counts(f, before);
	ASSERT_EQ(run_to_stage(vcpu), CLOCK_OFF);
	kvm_vm_free(vm);
	pk_assert_counts(f, before);
}

static void check_clock(enum kvm_pk_kind kind, enum kvm_pk_map map, unsigned int page,
			bool admitted)
{
	struct pk_file f = pk_open(kind, map, 0);

	check_clock_in(&f, page, admitted);
}

GMEM_TEST(clock_in_a_compound_page)
{
	check_clock(KVM_PK_COMPOUND, KVM_PK_MAP_REMAP, 0, true);
}

GMEM_TEST(clock_in_a_single_page)
{
	check_clock(KVM_PK_SINGLE, KVM_PK_MAP_PFN, 1, true);
}

GMEM_TEST(clock_in_a_reserved_page)
{
	check_clock(KVM_PK_RESERVED, KVM_PK_MAP_REMAP, 1, true);
}

GMEM_TEST(clock_in_a_reserved_page_mixed)
{
	check_clock(KVM_PK_RESERVED, KVM_PK_MAP_MIXED, 1, unsafe_mappings_allowed());
}

GMEM_TEST(clock_in_a_block_remap)
{
	check_clock(KVM_PK_BLOCK, KVM_PK_MAP_REMAP, TAIL, unsafe_mappings_allowed());
}

GMEM_TEST(clock_in_a_block_pfn)
{
	check_clock(KVM_PK_BLOCK, KVM_PK_MAP_PFN, TAIL, unsafe_mappings_allowed());
}

GMEM_TEST(clock_without_struct_page)
{
	struct pk_file f;
	uint64_t phys;

	if (!pk_find_ram(&phys))
		gmem_skip("no memory without struct page: boot with mem=");
	f = pk_open_phys(KVM_PK_MAP_REMAP, phys);
	check_clock_in(&f, 0, true);
}

PK_HARNESS_MAIN
