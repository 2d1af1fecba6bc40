// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: what the guest of a sealed VM asks for, and what its VMM does
 * with that.
 */
#include "gmem_harness.h"
#include "gmem_sealed.h"

#define KVM_EPERM_RESULT	((u64)-KVM_EPERM)

/* Shared memory is as ever. */
SEALED_ATTACK(requests)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	sealed_convert(&s, GMEM_CMD_SHARE, AT, 1);
	assert_host(&s.w, AT, 0);
	sealed_fill(&s, AT, 0x77);
	assert_host(&s.w, AT, 0x77);

	sealed_convert(&s, GMEM_CMD_UNSHARE, AT, 1);
	assert_no_host(&s.w, AT);
	sealed_fill(&s, AT, SECRET);
	sealed_convert(&s, GMEM_CMD_OFFER, AT, 1);
	assert_host(&s.w, AT, SECRET);

	sealed_convert(&s, GMEM_CMD_UNSHARE, AT, 1);
	ASSERT_OK(share(&s, AT));
	assert_sees(&s, AT, 0, EHWPOISON);
}

/* The VMM converts more than the guest has asked for. */
SEALED_ATTACK(more_than_asked)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	sealed_ask_on(&s, 0, GMEM_CMD_SHARE, AT + 1, 2);
	ASSERT_OK(convert(&s.w, AT, 4, GMEM_SHARED));
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);
	sealed_fill(&s, AT + 1, 0x77);
	sealed_fill(&s, AT + 2, 0x77);
	assert_host(&s.w, AT + 2, 0x77);
	assert_sees(&s, AT, 0, EHWPOISON);
}

SEALED_ATTACK(more_than_asked_behind)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	sealed_ask_on(&s, 0, GMEM_CMD_SHARE, AT - 2, 2);
	ASSERT_OK(convert(&s.w, AT - 2, 3, GMEM_SHARED));
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);
	assert_sees(&s, AT, 0, EHWPOISON);
}

/* The VMM says that it has made memory private, and has not. */
SEALED_ATTACK(lie)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	sealed_convert(&s, GMEM_CMD_SHARE, AT, 1);
	sealed_ask_on(&s, 0, GMEM_CMD_UNSHARE, AT, 1);
	ASSERT_EQ(s.w.vcpu->run->hypercall.ret, 0);
	ASSERT_EQ(sealed_resume_on(&s, 0), seal ? KVM_EPERM_RESULT : 0);

	/* One of two pages */
	sealed_convert(&s, GMEM_CMD_SHARE, AT + 1, 1);
	sealed_ask_on(&s, 0, GMEM_CMD_UNSHARE, AT, 2);
	ASSERT_OK(take_back(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), seal ? KVM_EPERM_RESULT : 0);
}

/* The VMM does the contrary of what the guest has asked for. */
SEALED_ATTACK(contrary)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	sealed_ask_on(&s, 0, GMEM_CMD_UNSHARE, AT, 1);
	ASSERT_OK(share(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), seal ? KVM_EPERM_RESULT : 0);
	sealed_ask_on(&s, 0, GMEM_CMD_SHARE, AT, 1);
	ASSERT_OK(take_back(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), seal ? KVM_EPERM_RESULT : 0);
	assert_sees(&s, AT, 0, EHWPOISON);
}

/* The guest asks for memory that it owns, as Linux does for all of it when it boots. */
SEALED_ATTACK(asked_for_what_it_owns)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	sealed_ask_on(&s, 0, GMEM_CMD_UNSHARE, 0, PAGES);
	ASSERT_OK(share(&s, AT));
	memset(host(&s.w, AT), EVIL, PG);
	ASSERT_OK(take_back(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), seal ? KVM_EPERM_RESULT : 0);
	assert_sees(&s, AT, EVIL, EHWPOISON);
}

/* The same of what it has lost already */
SEALED_ATTACK(asked_for_what_it_has_lost)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	ASSERT_OK(share(&s, AT));
	memset(host(&s.w, AT), EVIL, PG);
	sealed_ask_on(&s, 0, GMEM_CMD_UNSHARE, 0, PAGES);
	ASSERT_OK(take_back(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), seal ? KVM_EPERM_RESULT : 0);
	assert_sees(&s, AT, EVIL, EHWPOISON);
}

/* The VMM uses up a request without doing what it asks for. */
SEALED_ATTACK(used_up)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	sealed_ask_on(&s, 0, GMEM_CMD_OFFER, AT, 1);
	ASSERT_OK(take_back(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 0), seal ? KVM_EPERM_RESULT : 0);
	sealed_ask_on(&s, 0, GMEM_CMD_OFFER, AT, 2);
	ASSERT_OK(share(&s, AT + 1));
	ASSERT_EQ(sealed_resume_on(&s, 0), seal ? KVM_EPERM_RESULT : 0);
	assert_intact(&s, AT, SECRET);
}

/* What one vCPU asks for ends what another one has asked for before. */
GMEM_TEST(superseded)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, true);

	sealed_ask_on(&s, 1, GMEM_CMD_SHARE, AT, 1);
	sealed_ask_on(&s, 0, GMEM_CMD_UNSHARE, AT, 1);
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);
	ASSERT_OK(share(&s, AT));
	assert_sees(&s, AT, 0, EHWPOISON);
	ASSERT_EQ(sealed_resume_on(&s, 1), KVM_EPERM_RESULT);
}

/* A request ends when the guest goes on. */
SEALED_ATTACK(late)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	sealed_ask_on(&s, 0, GMEM_CMD_SHARE, AT, 1);
	ASSERT_EQ(sealed_resume_on(&s, 0), seal ? KVM_EPERM_RESULT : 0);
	assert_intact(&s, AT, SECRET);
	ASSERT_OK(share(&s, AT));
	assert_sees(&s, AT, 0, EHWPOISON);
}

/* An error that the VMM answers is the guest's to see. */
SEALED_ATTACK(error)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, seal);

	sealed_ask_on(&s, 0, GMEM_CMD_SHARE, AT, 1);
	s.w.vcpu->run->hypercall.ret = -KVM_EINVAL;
	ASSERT_EQ(sealed_resume_on(&s, 0), (u64)-KVM_EINVAL);
}

/* Another vCPU gives the page up: it is shared, and can be the guest's again. */
GMEM_TEST(accepted_loss)
{
	struct sealed s = make_secret(GMEM_SLOT_INPLACE, true);

	gmem_punch(s.w.slot.fd, AT * PG, PG);
	assert_refused(&s, GMEM_CMD_READ, AT, 0, EHWPOISON);
	sealed_ask_on(&s, 1, GMEM_CMD_SHARE, AT, 1);
	assert_still_refused(&s, AT, EHWPOISON);
	ASSERT_OK(share(&s, AT));
	ASSERT_EQ(sealed_resume_on(&s, 1), 0);
	ASSERT_EQ(sealed_resume_on(&s, 0), 0);
	sealed_convert(&s, GMEM_CMD_UNSHARE, AT, 1);
	sealed_fill(&s, AT, SECRET);
	assert_intact(&s, AT, SECRET);
}

GMEM_HARNESS_MAIN
