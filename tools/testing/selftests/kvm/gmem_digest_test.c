// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: the launch digest of a sealed VM.
 *
 * Computed here from what the documentation says and what KVM_GET_* return.
 */
#define _GNU_SOURCE
#include <linux/if_alg.h>
#include <sys/socket.h>

#include "gmem_harness.h"
#include "gmem_sealed.h"

/* Records, by their first 8 bytes */
enum { RANGE = 1, PAGE, VCPU };

static int digest_open(void)
{
	struct sockaddr_alg alg = {
		.salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha384",
	};
	int fd = socket(AF_ALG, SOCK_SEQPACKET, 0);
	int op;

	if (fd < 0)
		gmem_skip("no AF_ALG: %s", strerror(errno));
	TEST_ASSERT(!bind(fd, (struct sockaddr *)&alg, sizeof(alg)), "bind(): %s",
		    strerror(errno));
	op = accept(fd, NULL, 0);
	TEST_ASSERT(op >= 0, "accept(): %s", strerror(errno));
	close(fd);
	return op;
}

static void digest_add(int hash, const void *data, size_t len)
{
	TEST_ASSERT(send(hash, data, len, MSG_MORE) == len, "send() of %zu bytes: %s",
		    len, strerror(errno));
}

static void digest_u64(int hash, u64 value)
{
	digest_add(hash, &value, sizeof(value));
}

static void digest_end(int hash, u8 *digest)
{
	TEST_ASSERT(!send(hash, NULL, 0, 0), "send(): %s", strerror(errno));
	TEST_ASSERT(read(hash, digest, KVM_LAUNCH_DIGEST_SIZE) == KVM_LAUNCH_DIGEST_SIZE,
		    "read(): %s", strerror(errno));
	close(hash);
}

static const u32 msrs[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_IA32_CR_PAT, MSR_IA32_DEBUGCTLMSR, MSR_IA32_MISC_ENABLE,
	MSR_IA32_SPEC_CTRL, MSR_IA32_XSS, MSR_MISC_FEATURES_ENABLES, MSR_STAR,
	MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_KERNEL_GS_BASE,
	MSR_IA32_SMBASE, MSR_IA32_FEAT_CTL, MSR_IA32_RTIT_CTL, MSR_IA32_DS_AREA,
	MSR_IA32_PEBS_ENABLE, MSR_CORE_PERF_GLOBAL_CTRL, MSR_TSC_AUX, MSR_K7_HWCR,
	MSR_VM_HSAVE_PA, MSR_AMD64_VIRT_SPEC_CTRL, MSR_AMD64_SEV,
	MSR_IA32_ARCH_CAPABILITIES, MSR_IA32_UCODE_REV, MSR_IA32_PERF_CAPABILITIES,
	MSR_PLATFORM_INFO, MSR_IA32_TSX_CTRL, MSR_IA32_XFD, MSR_IA32_MCG_CAP,
	MSR_AMD64_DE_CFG, MSR_AMD64_OSVW_ID_LENGTH, MSR_AMD64_OSVW_STATUS,
	MSR_AMD64_TSC_RATIO,
};

static u64 read_msr(struct kvm_vcpu *vcpu, u32 index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} args = { .head.nmsrs = 1, .entry.index = index };

	return ioctl(vcpu->fd, KVM_GET_MSRS, &args) == 1 ? args.entry.data : 0;
}

static void digest_cpuid(int hash, struct kvm_vcpu *vcpu)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} args;

	/* KVM fills in what it has, and says how much only if that is more. */
	args.head.nent = vcpu->cpuid->nent;
	ASSERT_OK(ioctl(vcpu->fd, KVM_GET_CPUID2, &args));
	digest_u64(hash, args.head.nent);
	digest_add(hash, args.entries, args.head.nent * sizeof(args.entries[0]));
}

static void digest_vcpu(int hash, struct kvm_vcpu *vcpu)
{
	struct kvm_debugregs debug;
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp;
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_regs regs;
	unsigned int i;

	vcpu_mp_state_get(vcpu, &mp);
	digest_u64(hash, VCPU);
	digest_u64(hash, vcpu->id);
	digest_u64(hash, mp.mp_state);
	vcpu_regs_get(vcpu, &regs);
	digest_add(hash, &regs, sizeof(regs));
	vcpu_sregs_get(vcpu, &sregs);
	digest_add(hash, &sregs, sizeof(sregs));
	vcpu_ioctl(vcpu, KVM_GET_XSAVE, &xsave);
	digest_add(hash, &xsave, sizeof(xsave));
	vcpu_xcrs_get(vcpu, &xcrs);
	digest_u64(hash, xcrs.xcrs[0].value);
	vcpu_debugregs_get(vcpu, &debug);
	digest_add(hash, debug.db, sizeof(debug.db));
	digest_u64(hash, debug.dr6);
	digest_u64(hash, debug.dr7);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		digest_u64(hash, read_msr(vcpu, msrs[i]));
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	digest_add(hash, &lapic, sizeof(lapic));
	digest_cpuid(hash, vcpu);
}

static void digest_range(int hash, u64 start, u64 end)
{
	digest_u64(hash, RANGE);
	digest_u64(hash, start);
	digest_u64(hash, end);
}

static void digest_page(int hash, u64 at, u8 value)
{
	u8 page[PG];

	memset(page, value, PG);
	digest_u64(hash, PAGE);
	digest_u64(hash, at);
	digest_add(hash, page, PG);
}

/* A page of the slot, from when it was shared */
static void launch_page(struct sealed *s, unsigned int page, u8 value)
{
	ASSERT_OK(convert(&s->w, page, 1, GMEM_SHARED));
	memset(host(&s->w, page), value, PG);
	ASSERT_OK(convert(&s->w, page, 1, GMEM_PRIVATE));
}

GMEM_TEST(as_documented)
{
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);
	u8 digest[KVM_LAUNCH_DIGEST_SIZE];
	int hash = digest_open();
	unsigned int i;

	launch_page(&s, AT, SECRET);
	launch_page(&s, 1, EVIL);
	launch_page(&s, 2, 0);
	ASSERT_OK(convert(&s.w, 3, 1, GMEM_SHARED));
	for (i = 0; i < MAX_VCPUS; i++)
		digest_vcpu(hash, s.vcpus[i]);
	digest_range(hash, gpa(0), gpa(3));
	digest_page(hash, gpa(1), EVIL);
	digest_range(hash, gpa(4), gpa(PAGES));
	digest_page(hash, gpa(AT), SECRET);
	digest_end(hash, digest);

	sealed_start(&s, true);
	TEST_ASSERT(!memcmp(s.digest, digest, sizeof(digest)), "another digest");
}

GMEM_TEST(the_guest_reads_it)
{
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);
	unsigned int i;

	sealed_start(&s, true);
	ASSERT_EQ(sealed_do(&s, GMEM_CMD_DIGEST, gpa(AT) + 3, 0), 0);
	for (i = 0; i < sizeof(s.digest); i++)
		ASSERT_EQ(sealed_do(&s, GMEM_CMD_READ, gpa(AT) + 3 + i, 0), s.digest[i]);
	ASSERT_EQ(sealed_do(&s, GMEM_CMD_DIGEST, gpa(PAGES), 0), (u64)-KVM_EFAULT);
}

GMEM_TEST(nothing_to_read_unsealed)
{
	struct sealed s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);

	sealed_start(&s, false);
	ASSERT_EQ(sealed_do(&s, GMEM_CMD_DIGEST, gpa(AT), 0), (u64)-KVM_ENOSYS);
	assert_intact(&s, AT, 0);
}

static void nothing(struct sealed *s)
{
}

static void no_bytes(struct sealed *s)
{
	gmem_allocate(s->w.slot.fd, 0, PAGES * PG);
}

static void a_byte(struct sealed *s)
{
	ASSERT_OK(convert(&s->w, AT, 1, GMEM_SHARED));
	host(&s->w, AT)[PG - 1] = 1;
	ASSERT_OK(convert(&s->w, AT, 1, GMEM_PRIVATE));
}

static void a_page(struct sealed *s)
{
	launch_page(s, AT, SECRET);
}

static void its_place(struct sealed *s)
{
	launch_page(s, AT + 1, SECRET);
}

static void less_memory(struct sealed *s)
{
	ASSERT_OK(convert(&s->w, PAGES - 1, 1, GMEM_SHARED));
}

static void a_register(struct sealed *s)
{
	struct kvm_regs regs;

	vcpu_regs_get(s->vcpus[1], &regs);
	regs.r15 ^= 1;
	vcpu_regs_set(s->vcpus[1], &regs);
}

static void another_vcpu_s(struct sealed *s)
{
	struct kvm_regs regs;

	vcpu_regs_get(s->vcpus[0], &regs);
	regs.r15 ^= 1;
	vcpu_regs_set(s->vcpus[0], &regs);
}

static void a_segment(struct sealed *s)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(s->w.vcpu, &sregs);
	sregs.idt.base ^= PG;
	vcpu_sregs_set(s->w.vcpu, &sregs);
}

static void an_msr(struct sealed *s)
{
	vcpu_set_msr(s->w.vcpu, MSR_LSTAR, gpa(AT));
}

static void a_breakpoint(struct sealed *s)
{
	struct kvm_debugregs regs;

	vcpu_debugregs_get(s->w.vcpu, &regs);
	regs.db[2] = gpa(AT);
	vcpu_debugregs_set(s->w.vcpu, &regs);
}

static void a_vector_register(struct sealed *s)
{
	struct kvm_xsave xsave;

	vcpu_ioctl(s->w.vcpu, KVM_GET_XSAVE, &xsave);
	xsave.region[40] ^= 1;		/* XMM0 */
	xsave.region[128] |= 2;		/* XSTATE_BV: SSE */
	vcpu_ioctl(s->w.vcpu, KVM_SET_XSAVE, &xsave);
}

static void a_timer(struct sealed *s)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(s->w.vcpu, KVM_GET_LAPIC, &lapic);
	*(u32 *)&lapic.regs[0x320] = 0x31;
	vcpu_ioctl(s->w.vcpu, KVM_SET_LAPIC, &lapic);
}

static void a_cpuid_leaf(struct sealed *s)
{
	vcpu_set_cpuid_maxphyaddr(s->w.vcpu, 36);
}

static const struct {
	const char *name;
	void (*change)(struct sealed *s);
	bool shows;
} changes[] = {
	{ "nothing", nothing }, { "pages of zeroes", no_bytes },
	{ "a byte", a_byte, true }, { "a page", a_page, true },
	{ "its place", its_place, true }, { "less memory", less_memory, true },
	{ "a register", a_register, true },
	{ "that of another vCPU", another_vcpu_s, true },
	{ "a segment", a_segment, true }, { "an MSR", an_msr, true },
	{ "a breakpoint", a_breakpoint, true },
	{ "a vector register", a_vector_register, true },
	{ "a timer", a_timer, true }, { "a CPUID leaf", a_cpuid_leaf, true },
};

GMEM_TEST(what_it_shows)
{
	u8 digests[ARRAY_SIZE(changes)][KVM_LAUNCH_DIGEST_SIZE];
	unsigned int i, j;
	struct sealed s;

	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		s = make_open(GMEM_SLOT_INPLACE, PAGES * PG);
		changes[i].change(&s);
		ASSERT_OK(__gmem_seal(s.w.vm->fd, digests[i]));
		kvm_vm_free(s.w.vm);
		close(s.w.slot.fd);
		for (j = 0; j < i; j++)
			TEST_ASSERT(!memcmp(digests[i], digests[j], sizeof(digests[i])) ==
				    !(changes[i].shows || changes[j].shows),
				    "%s and %s: %s", changes[i].name, changes[j].name,
				    changes[i].shows ? "the same digest" : "two digests");
	}
}

GMEM_HARNESS_MAIN
