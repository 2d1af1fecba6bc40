// SPDX-License-Identifier: GPL-2.0-only
/* Command line options. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm.h"

static const char usage[] =
"Usage: gmem-vmm --kernel FILE [options]\n"
"\n"
"Runs a Linux kernel as a KVM guest.  All its memory lives in a guest_memfd and\n"
"is made private before the first instruction runs; the guest shares pages by\n"
"hypercall (KVM_HC_MAP_GPA_RANGE).  vCPU registers are protected with --seal.\n"
"\n"
"  --kernel FILE    bzImage, 64-bit, boot protocol 2.12 or newer\n"
"  --initrd FILE    initial RAM file system\n"
"  --cmdline TEXT   kernel command line (default: console=ttyS0 panic=-1)\n"
"  --mem SIZE       guest memory, with suffix K, M or G (default: 512M)\n"
"  --cpus N         vCPUs, 1 to 64 (default: 1)\n"
"  --shared         an ordinary VM: memory that this program can read\n"
"  --seal           close the VM to this program before it runs\n"
"  --private-bit[=N] let bit N of addresses mean private, as for an SEV guest\n"
"                   (default: the highest that the host has)\n"
"  --disk FILE      a virtio disk, for guests that share memory with devices:\n"
"                   with --private-bit or --shared\n"
"  --low SIZE       so much of the memory below 4 GiB (default: 3G)\n"
"  --audit          in the end, try to read all guest memory\n"
"  --attack         serve the guest's demonstration module: try to read guest\n"
"                   memory in three ways whenever it says what is to be expected\n"
"  --timeout SEC    stop a guest that has not ended by then\n"
"  --help           this text\n"
"\n"
"The console is COM1 on standard output; input is read from a terminal or pipe\n"
"(on a terminal, Ctrl-A x ends the guest).\n"
"\n"
"Exit codes: 0 guest powered off, 1 unexpected error, 2 bad options, 3 the host\n"
"kernel lacks something, 4 bad image or too little memory, 5 guest crashed or\n"
"was stopped, 6 guest asked for a reset, 7 an attack went otherwise than expected.\n";

enum {
	OPT_KERNEL = 256, OPT_INITRD, OPT_CMDLINE, OPT_MEM, OPT_CPUS,
	OPT_SHARED, OPT_SEAL, OPT_PRIVATE_BIT, OPT_DISK, OPT_LOW, OPT_AUDIT,
	OPT_ATTACK, OPT_TIMEOUT, OPT_HELP,
};

static const struct option options[] = {
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "cmdline", required_argument, NULL, OPT_CMDLINE },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "shared", no_argument, NULL, OPT_SHARED },
	{ "seal", no_argument, NULL, OPT_SEAL },
	{ "private-bit", optional_argument, NULL, OPT_PRIVATE_BIT },
	{ "disk", required_argument, NULL, OPT_DISK },
	{ "low", required_argument, NULL, OPT_LOW },
	{ "audit", no_argument, NULL, OPT_AUDIT },
	{ "attack", no_argument, NULL, OPT_ATTACK },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "help", no_argument, NULL, OPT_HELP },
	{ }
};

static unsigned int parse_number(const char *name, const char *text,
				 unsigned long min, unsigned long max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || n < min || n > max)
		die(VMM_USAGE, "--%s %s: give a number from %lu to %lu", name,
		    text, min, max);
	return n;
}

static __u64 parse_size(const char *name, const char *text)
{
	static const char suffix[] = "KMG";
	__u64 n, unit = 1;
	const char *s;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	s = *end ? strchr(suffix, *end & ~0x20) : NULL;
	if (s) {
		unit = 1ULL << (10 * (s - suffix + 1));
		end++;
	}
	if (errno || end == text || *end || *text == '-' || !n ||
	    n > (1ULL << 46) / unit || n * unit % PAGE_BYTES)
		die(VMM_USAGE, "--%s %s: give a size such as 512M or 2G", name, text);
	return n * unit;
}

static void parse_one(struct options *opt, int c)
{
	switch (c) {
	case OPT_KERNEL:
		opt->kernel = optarg;
		break;
	case OPT_INITRD:
		opt->initrd = optarg;
		break;
	case OPT_CMDLINE:
		opt->cmdline = optarg;
		break;
	case OPT_MEM:
		opt->mem = parse_size("mem", optarg);
		break;
	case OPT_LOW:
		opt->low = parse_size("low", optarg);
		break;
	case OPT_DISK:
		opt->disk = optarg;
		break;
	case OPT_AUDIT:
		opt->audit = true;
		break;
	case OPT_PRIVATE_BIT:
		opt->private_bit = optarg ? parse_number("private-bit", optarg, 32, 47) :
					    PRIVATE_BIT_MAX;
		break;
	case OPT_CPUS:
		opt->cpus = parse_number("cpus", optarg, 1, VMM_MAX_CPUS);
		break;
	case OPT_SHARED:
		opt->shared = true;
		break;
	case OPT_SEAL:
		opt->seal = true;
		break;
	case OPT_ATTACK:
		opt->attack = true;
		break;
	case OPT_TIMEOUT:
		opt->timeout = parse_number("timeout", optarg, 1, 86400);
		break;
	case OPT_HELP:
		fputs(usage, stdout);
		exit(VMM_OFF);
	default:
		die(VMM_USAGE, "run gmem-vmm --help for the options");
	}
}

/* Options that do not go together */
static void check(const struct options *opt)
{
	if (opt->seal && opt->shared)
		die(VMM_USAGE, "--seal and --shared: an ordinary VM cannot be sealed");
	if (opt->private_bit && opt->shared)
		die(VMM_USAGE, "--private-bit and --shared: an ordinary VM has none");
	if (opt->private_bit && opt->attack)
		die(VMM_USAGE, "--private-bit and --attack: the module knows no bit");
	if (opt->audit && opt->shared)
		die(VMM_USAGE, "--audit and --shared: all can be read");
	if (opt->disk && !opt->private_bit && !opt->shared)
		die(VMM_USAGE, "--disk: give --private-bit, or the guest shares no memory with it");
	if (opt->low > GPA_HOLE)
		die(VMM_USAGE, "--low: 3G at most");
}

/** opts_parse() - fill in @opt or end the program with a message. */
void opts_parse(struct options *opt, int argc, char **argv)
{
	int c;

	*opt = (struct options) {
		.cmdline = "console=ttyS0 panic=-1",
		.mem = 512 * MIB,
		.low = GPA_HOLE,
		.cpus = 1,
	};
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		parse_one(opt, c);
	if (optind < argc)
		die(VMM_USAGE, "%s: not an option; run gmem-vmm --help",
		    argv[optind]);
	check(opt);
	if (!opt->kernel)
		die(VMM_USAGE, "--kernel FILE is missing; run gmem-vmm --help");
}
