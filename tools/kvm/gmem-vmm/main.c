// SPDX-License-Identifier: GPL-2.0-only
/* gmem-vmm: from the command line to the guest's end. */
#include <stdio.h>
#include <sys/resource.h>

#include "vmm.h"

static struct vm vm = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.stop_cond = PTHREAD_COND_INITIALIZER,
};

static void make_private(void)
{
	if (vm.opt.attack)
		channel_plant(&vm);
	if (vm.opt.shared)
		return;
	mem_make_private(&vm);
	say("all %llu MiB of guest memory are private",
	    (vm.opt.mem / MIB));
	if (vm.opt.attack)
		channel_after_private(&vm);
}

static void report(__u64 mem_after)
{
	struct counters *count = &vm.count;
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	say("counts: to_private=%lu to_shared=%lu hypercalls=%lu retries=%lu",
	    count->to_private, count->to_shared, count->offers, count->again);
	say("counts: memory_faults=%lu pio=%lu mmio=%lu",
	    count->faults, count->pio, count->mmio);
	if (vm.opt.disk)
		say("counts: disk_requests=%lu disk_refused=%lu",
		    count->disk_requests, count->disk_refused);
	say("memory: guest_mib=%llu host_used_mib=%lld vmm_rss_kib=%ld",
	    (vm.opt.mem / MIB),
	    ((long long)vm.mem_before - (long long)mem_after) >> 20,
	    usage.ru_maxrss);
}

static enum vmm_code verdict(void)
{
	if (!vm.opt.attack || vm.code != VMM_OFF)
		return vm.code;
	if (!channel_done())
		say("attack: the guest's module did not finish, or failed");
	return channel_done() && !attack_failures() ? VMM_OFF : VMM_ATTACK;
}

int main(int argc, char **argv)
{
	__u64 entry;
	unsigned int i;

	opts_parse(&vm.opt, argc, argv);
	attack_guard();
	if (vm.opt.attack)
		attack_start();
	disk_open(&vm);
	host_open(&vm);
	host_create_vm(&vm);
	mem_create(&vm);
	entry = boot_load(&vm);
	acpi_build(&vm);
	for (i = 0; i < vm.opt.cpus; i++)
		cpu_create(&vm, i);
	cpu_reset_boot(&vm.cpu[0], entry);
	make_private();
	if (vm.opt.seal)
		host_seal(&vm);
	if (vm.opt.attack)
		attack_registers(&vm);
	serial_start(&vm);
	run_all(&vm);
	report(mem_available());
	if (vm.opt.attack)
		attack_report();
	if (vm.opt.audit && !mem_audit(&vm))
		return VMM_ATTACK;
	return verdict();
}
