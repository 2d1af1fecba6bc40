// SPDX-License-Identifier: GPL-2.0-only
/* The host's side of the demonstration; guest/channel.h has the protocol. */
#include <stdio.h>
#include <string.h>

#include "guest/channel.h"
#include "vmm.h"

/* One guest module drives this; the lock is against other guest CPUs. */
static struct {
	pthread_mutex_t lock;
	__u32 arg[4];
	__u32 result[4];
	__u32 status;
	bool done;
	unsigned int guest_failures;
} channel = { .lock = PTHREAD_MUTEX_INITIALIZER };

static __u64 zero_hash(void)
{
	static const __u8 zero[CHANNEL_PAGE];

	return channel_hash(zero);
}

static void set_result(unsigned int i, __u64 value)
{
	channel.result[2 * i] = value;
	channel.result[2 * i + 1] = value >> 32;
}

/**
 * channel_plant() - put a text at the mailbox while memory is shared still.
 * @vm: the VM
 *
 * The positive control: the same attempts, at the same address, as those that
 * are refused later.
 */
void channel_plant(struct vm *vm)
{
	__u8 *page = mem_at(vm, GPA_MAILBOX);

	strcpy((char *)page, CHANNEL_PLANTED);
	attack_round(vm, GPA_MAILBOX, "loaded by the host, still shared",
		     true, channel_hash(page));
}

/** channel_after_private() - the same page, when all memory is private. */
void channel_after_private(struct vm *vm)
{
	attack_round(vm, GPA_MAILBOX, "made private, before the guest runs",
		     false, 0);
}

/* Print what the guest offered; not its bytes that are no text. */
static void print_message(const __u8 *page)
{
	char text[80];
	size_t i;

	for (i = 0; i < sizeof(text) - 1 && page[i]; i++)
		text[i] = page[i] < 0x20 || page[i] > 0x7e ? '?' : page[i];
	text[i] = '\0';
	say("channel: the guest's message: \"%s\"", text);
}

static __u32 offered(struct vm *vm, __u64 gpa, __u64 hash)
{
	__u8 *page = mem_at(vm, gpa);

	if (!attack_round(vm, gpa, "in the guest's offer", true, hash))
		return 1;
	print_message(page);
	memset(page, 0, CHANNEL_PAGE);
	snprintf((char *)page, CHANNEL_PAGE,
		 "the host has read %016llx and answers",
		 hash);
	set_result(0, channel_hash(page));
	return 0;
}

/* Convert without an offer: the bytes that come out must all be zero. */
static __u32 steal(struct vm *vm, __u64 gpa, __u64 hash)
{
	bool good;

	if (vm->opt.shared)
		return !attack_round(vm, gpa, "ordinary VM, nothing to take",
				     true, hash);
	if (mem_convert(vm, gpa, CHANNEL_PAGE, false, true)) {
		say("channel: cannot convert 0x%llx to shared",
		    gpa);
		return 1;
	}
	good = attack_round(vm, gpa, "shared by the host unasked, only zeroes",
			    true, zero_hash());
	if (mem_convert(vm, gpa, CHANNEL_PAGE, true, true)) {
		say("channel: cannot convert 0x%llx to private",
		    gpa);
		return 1;
	}
	return !good;
}

static __u32 hello(struct vm *vm, __u64 version)
{
	set_result(0, GPA_MAILBOX);
	set_result(1, !vm->opt.shared);
	return version != CHANNEL_VERSION;
}

static __u32 finish(__u64 guest_failures)
{
	channel.done = true;
	channel.guest_failures = guest_failures;
	say("channel: checks that failed in the guest: %u",
	    channel.guest_failures);
	return 0;
}

static __u32 run_command(struct vm *vm, __u32 command, __u64 arg0,
			 __u64 arg1)
{
	bool readable = vm->opt.shared;

	if (command == CHANNEL_HELLO)
		return hello(vm, arg0);
	if (command == CHANNEL_DONE)
		return finish(arg0);
	if (arg0 % CHANNEL_PAGE || !mem_contains(vm, arg0, CHANNEL_PAGE))
		return 1;
	switch (command) {
	case CHANNEL_SECRET:
		return !attack_round(vm, arg0, "holds the guest's secret",
				     readable, arg1);
	case CHANNEL_OFFERED:
		return offered(vm, arg0, arg1);
	case CHANNEL_RETAKEN:
		return !attack_round(vm, arg0, "taken back by the guest",
				     readable, arg1);
	case CHANNEL_STEAL:
		return steal(vm, arg0, arg1);
	default:
		return 1;
	}
}

/** channel_out() - the guest writes a 32-bit register. */
void channel_out(struct vm *vm, unsigned int reg, __u32 value)
{
	const __u32 *arg = channel.arg;

	pthread_mutex_lock(&channel.lock);
	if (reg < CHANNEL_COMMAND) {
		channel.arg[reg / 4] = value;
	} else {
		set_result(0, 0);
		set_result(1, 0);
		channel.status = run_command(vm, value,
					     arg[0] | (__u64)arg[1] << 32,
					     arg[2] | (__u64)arg[3] << 32);
	}
	pthread_mutex_unlock(&channel.lock);
}

/** channel_in() - the guest reads a 32-bit register. */
__u32 channel_in(unsigned int reg)
{
	__u32 value;

	pthread_mutex_lock(&channel.lock);
	value = reg < CHANNEL_COMMAND ? channel.result[reg / 4] : channel.status;
	pthread_mutex_unlock(&channel.lock);
	return value;
}

/** channel_done() - true if the guest's module ran to its end, all well. */
bool channel_done(void)
{
	return channel.done && !channel.guest_failures;
}
