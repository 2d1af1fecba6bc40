/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The demonstration channel between the guest module and gmem-vmm: a few
 * 32-bit I/O ports.  Ports, because a private guest can use them before it
 * has shared any memory.
 *
 * The guest writes two 64-bit arguments, low half first, then the command.
 * The host has carried it out when the write returns; the guest then reads
 * the status, and two 64-bit results from the ports of the arguments.
 */
#ifndef GMEM_CHANNEL_H
#define GMEM_CHANNEL_H

#define CHANNEL_PORT		0x5e0
#define CHANNEL_ARG0		0x00	/* and 0x04: high half */
#define CHANNEL_ARG1		0x08	/* and 0x0c: high half */
#define CHANNEL_COMMAND		0x10	/* reads give the status */
#define CHANNEL_BYTES		0x14

#define CHANNEL_VERSION		1

/* Status: 0 when the host saw what was to be expected, else 1. */
enum channel_command {
	/* arg0: version; result0: gpa of the mailbox, result1: 1 if private */
	CHANNEL_HELLO = 1,
	/* arg0: gpa, arg1: hash of the page; the guest keeps it to itself */
	CHANNEL_SECRET = 2,
	/* arg0: gpa, arg1: hash; the guest offered it; result0: answer's hash */
	CHANNEL_OFFERED = 3,
	/* arg0: gpa, arg1: hash; the guest took it back */
	CHANNEL_RETAKEN = 4,
	/* arg0: gpa, arg1: hash; invites the host to take it unasked */
	CHANNEL_STEAL = 5,
	/* arg0: number of checks that failed in the guest */
	CHANNEL_DONE = 6,
};

#define CHANNEL_PAGE		4096
#define CHANNEL_PLANTED		"planted by the host before the guest ran"

/* FNV-1a, 64 bits, over one page. */
static inline unsigned long long channel_hash(const unsigned char *page)
{
	unsigned long long hash = 0xcbf29ce484222325ULL;
	unsigned int i;

	for (i = 0; i < CHANNEL_PAGE; i++)
		hash = (hash ^ page[i]) * 0x100000001b3ULL;
	return hash;
}

#endif /* GMEM_CHANNEL_H */
