// SPDX-License-Identifier: GPL-2.0-only
/*
 * System management mode of a protected VM, which has no memory for it: neither
 * the state that an SMI saves nor the instructions of the handler have a memslot.
 */
#define _GNU_SOURCE

#include "gmem_harness.h"
#include "gmem_world.h"

#define SMI_HANDLER	0x38000U
#define SMI_STATE	0x3f000U

static struct world make_smi(u64 attrs, u8 *state)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	memcpy(state, addr_gpa2hva(w.vm, SMI_STATE), PG);
	gmem_set_attrs(w.vm->fd, SMI_HANDLER, PG, attrs);
	ASSERT_OK(ioctl(w.vcpu->fd, KVM_SMI));
	return w;
}

static void assert_no_state(const struct world *w, const u8 *state)
{
	TEST_ASSERT(!memcmp(state, addr_gpa2hva(w->vm, SMI_STATE), PG),
		    "the state went to memory of another address space");
}

GMEM_TEST(handler_at_a_shared_page)
{
	static u8 state[PG];
	struct world w = make_smi(GMEM_SHARED, state);
	struct kvm_run *run = w.vcpu->run;

	ASSERT_OK(_vcpu_run(w.vcpu));
	ASSERT_EQ(run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	ASSERT_EQ(run->emulation_failure.suberror, KVM_INTERNAL_ERROR_EMULATION);
	ASSERT_EQ(run->emulation_failure.flags &
		  KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES, 0);
	assert_no_state(&w, state);
}

GMEM_TEST(handler_at_a_private_page)
{
	static u8 state[PG];
	struct world w = make_smi(GMEM_PRIVATE, state);

	gmem_run_to_fault(w.vcpu, SMI_HANDLER, GMEM_PRIVATE);
	assert_no_state(&w, state);
}

GMEM_HARNESS_MAIN
