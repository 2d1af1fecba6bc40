// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's part of gmem-vmm's demonstration.
 *
 * A module, because KVM answers hypercalls from CPL 0 only (others get
 * -KVM_EPERM), and because only the kernel knows the guest physical address
 * of a page and keeps it where it is.  Built against the distribution's
 * headers for the distribution's own kernel, which stays as it is.
 *
 * Two pages go through the same steps: the mailbox, at an address that the
 * host chose and tried to read before the guest ran, and an ordinary page of
 * this kernel's.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kvm_para.h>
#include <linux/module.h>
#include <linux/processor.h>
#include <linux/random.h>
#include <linux/string.h>

#include "channel.h"

#define OFFER_TRIES	50

/* The distribution's headers do not have KVM_MAP_GPA_RANGE_KEEP. */
#define MAP_GPA_RANGE_KEEP	BIT(31)

static unsigned int failures;

/* A page under test. */
struct subject {
	const char *name;
	u64 gpa;
	u8 *page;
};

static void check(bool good, const struct subject *s, const char *what)
{
	pr_notice("%s: %s: %s\n", s->name, what, good ? "ok" : "FAILED");
	failures += !good;
}

static void write_u64(unsigned int reg, u64 value)
{
	outl(lower_32_bits(value), CHANNEL_PORT + reg);
	outl(upper_32_bits(value), CHANNEL_PORT + reg + 4);
}

static u64 read_u64(unsigned int reg)
{
	u32 low = inl(CHANNEL_PORT + reg);

	return low | (u64)inl(CHANNEL_PORT + reg + 4) << 32;
}

/* Returns the status: 0 if the host saw what was to be expected. */
static u32 command(enum channel_command nr, u64 arg0, u64 arg1)
{
	write_u64(CHANNEL_ARG0, arg0);
	write_u64(CHANNEL_ARG1, arg1);
	outl(nr, CHANNEL_PORT + CHANNEL_COMMAND);
	return inl(CHANNEL_PORT + CHANNEL_COMMAND);
}

/* Offer the page to the host, or take it back.  Returns 0 or -errno. */
static long convert(const struct subject *s, bool encrypted)
{
	unsigned int tries;
	long ret = -EAGAIN;

	for (tries = 0; tries < OFFER_TRIES && ret == -EAGAIN; tries++) {
		if (tries)
			usleep_range(1000, 2000);
		ret = kvm_hypercall3(KVM_HC_MAP_GPA_RANGE, s->gpa, 1,
				     KVM_MAP_GPA_RANGE_PAGE_SZ_4K |
				     (encrypted ? KVM_MAP_GPA_RANGE_ENCRYPTED :
						  MAP_GPA_RANGE_KEEP));
	}
	return ret;
}

static u64 write_text(const struct subject *s, const char *what)
{
	memset(s->page, 0, CHANNEL_PAGE);
	snprintf(s->page, CHANNEL_PAGE, "%s of %s, nonce %016llx", what,
		 s->name, get_random_u64());
	return channel_hash(s->page);
}

/* Kept private: nothing to see for the host. */
static void keep_secret(const struct subject *s)
{
	u64 hash = write_text(s, "secret");

	check(!command(CHANNEL_SECRET, s->gpa, hash), s,
	      "secret kept, the host tried to read it");
	check(channel_hash(s->page) == hash, s, "secret intact");
}

/* Offer, let the host read and answer, take it back. */
static void exchange(const struct subject *s)
{
	u64 hash = write_text(s, "message");
	u64 answer;

	check(!convert(s, false), s, "offered to the host by hypercall");
	check(!command(CHANNEL_OFFERED, s->gpa, hash), s,
	      "the host read the message");
	answer = read_u64(CHANNEL_ARG0);
	check(channel_hash(s->page) == answer, s, "the host's answer arrived");
	pr_notice("%s: answer: \"%.79s\"\n", s->name, s->page);
	check(!convert(s, true), s, "taken back by hypercall");
	check(!command(CHANNEL_RETAKEN, s->gpa, answer), s,
	      "the host tried to read it again");
	check(channel_hash(s->page) == answer, s,
	      "contents preserved on the way back to private");
}

/*
 * The host converts the page unasked.  The contents are lost, to the guest
 * as well, but not disclosed.  An ordinary VM has nothing to convert.
 */
static void be_robbed(const struct subject *s, bool private)
{
	u64 hash = write_text(s, "secret never offered");

	check(!command(CHANNEL_STEAL, s->gpa, hash), s,
	      "the host took it unasked");
	/* A sealed guest gets nothing there until it gives up what it had. */
	check(!convert(s, false), s, "given up");
	check(!convert(s, true), s, "accepted as private, whatever it is now");
	if (private)
		check(!memchr_inv(s->page, 0, CHANNEL_PAGE), s,
		      "only zeroes are left of it");
	else
		check(channel_hash(s->page) == hash, s, "still there");
}

static void run_subject(const struct subject *s, bool private)
{
	keep_secret(s);
	exchange(s);
	be_robbed(s, private);
	/* All of it works again afterwards. */
	keep_secret(s);
	exchange(s);
}

static int run_all(bool private)
{
	struct subject mailbox = { "mailbox", read_u64(CHANNEL_ARG0) };
	struct subject buffer = { "buffer" };

	mailbox.page = memremap(mailbox.gpa, CHANNEL_PAGE, MEMREMAP_WB);
	if (!mailbox.page)
		return -ENOMEM;
	buffer.page = (u8 *)__get_free_page(GFP_KERNEL);
	if (!buffer.page) {
		memunmap(mailbox.page);
		return -ENOMEM;
	}
	buffer.gpa = virt_to_phys(buffer.page);
	check(!strcmp(mailbox.page, CHANNEL_PLANTED), &mailbox,
	      "contents preserved from before the first instruction");
	run_subject(&mailbox, private);
	run_subject(&buffer, private);
	free_page((unsigned long)buffer.page);
	memunmap(mailbox.page);
	return 0;
}

static bool has_hypercall(void)
{
	u32 base = hypervisor_cpuid_base(KVM_SIGNATURE, 0);

	return base && (cpuid_eax(base | KVM_CPUID_FEATURES) &
			BIT(KVM_FEATURE_HC_MAP_GPA_RANGE));
}

static int __init gmem_demo_init(void)
{
	bool private;
	int err;

	if (!has_hypercall()) {
		pr_err("the host does not serve KVM_HC_MAP_GPA_RANGE\n");
		return -ENODEV;
	}
	if (command(CHANNEL_HELLO, CHANNEL_VERSION, 0)) {
		pr_err("no demonstration channel: start gmem-vmm with --attack\n");
		return -ENODEV;
	}
	private = read_u64(CHANNEL_ARG1);
	pr_notice("the host says that memory is %s\n",
		  private ? "private" : "shared (an ordinary VM)");
	err = run_all(private);
	if (err)
		return err;
	pr_notice("done, %u checks failed\n", failures);
	command(CHANNEL_DONE, failures, 0);
	/* The host judges; an error here would make insmod run all this again. */
	return 0;
}

static void __exit gmem_demo_exit(void)
{
}

module_init(gmem_demo_init);
module_exit(gmem_demo_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Guest side of the gmem-vmm demonstration");
