// SPDX-License-Identifier: GPL-2.0-only
/*
 * Three ways in which host userspace could read guest memory: the VMM's own
 * mapping, /proc/PID/mem and process_vm_readv().  The latter two are done by
 * another process with the VMM's rights, as a debugger or intruder would.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "guest/channel.h"
#include "vmm.h"

enum way { WAY_MAPPING, WAY_PROC_MEM, WAY_VM_READV, WAYS };

static const char * const way_name[WAYS] = {
	"mapping", "/proc/PID/mem", "process_vm_readv",
};

struct request {
	enum way way;
	__u64 address;
};

struct reply {
	int err;		/* 0: page read, else a positive errno */
	__u8 page[CHANNEL_PAGE];
};

static int to_helper = -1, from_helper = -1;
static unsigned int tries, refused, failures;
static __thread sigjmp_buf *guarded;

static void on_sigbus(int sig)
{
	static const char text[] =
		"gmem-vmm: SIGBUS: touched guest memory that is private\n";

	(void)sig;
	if (guarded)
		siglongjmp(*guarded, 1);
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(VMM_ERROR);
	_exit(VMM_ERROR);
}

/** attack_guard() - make an unexpected SIGBUS end with a message. */
void attack_guard(void)
{
	struct sigaction action = { .sa_handler = on_sigbus };

	sigaction(SIGBUS, &action, NULL);
}

static void read_mapping(const __u8 *from, struct reply *reply)
{
	sigjmp_buf env;
	size_t i;

	reply->err = EFAULT;
	if (!sigsetjmp(env, 1)) {
		guarded = &env;
		for (i = 0; i < CHANNEL_PAGE; i++)
			reply->page[i] = __atomic_load_n(&from[i],
							 __ATOMIC_RELAXED);
		reply->err = 0;
	}
	guarded = NULL;
}

static ssize_t read_proc_mem(__u64 address, __u8 *page)
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)getppid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = pread(fd, page, CHANNEL_PAGE, address);
	close(fd);
	return n;
}

static ssize_t read_vm(__u64 address, __u8 *page)
{
	struct iovec local = { page, CHANNEL_PAGE };
	struct iovec remote = { (void *)(unsigned long)address, CHANNEL_PAGE };

	return process_vm_readv(getppid(), &local, 1, &remote, 1, 0);
}

static int transfer(int fd, void *data, size_t size, bool out)
{
	__u8 *p = data;
	ssize_t n;

	while (size) {
		n = out ? write(fd, p, size) : read(fd, p, size);
		if (n <= 0)
			return -1;
		p += n;
		size -= n;
	}
	return 0;
}

static void helper(int in, int out)
{
	struct request request;
	struct reply reply;
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!transfer(in, &request, sizeof(request), false)) {
		memset(&reply, 0, sizeof(reply));
		errno = EIO;
		n = request.way == WAY_PROC_MEM ?
		    read_proc_mem(request.address, reply.page) :
		    read_vm(request.address, reply.page);
		reply.err = n == CHANNEL_PAGE ? 0 : errno ?: EIO;
		if (transfer(out, &reply, sizeof(reply), true))
			break;
	}
	_exit(0);
}

/** attack_start() - fork the other process; before any thread or guest. */
void attack_start(void)
{
	int down[2], up[2];
	pid_t pid;

	if (pipe(down) || pipe(up))
		die_errno(VMM_ERROR, "pipe");
	pid = fork();
	if (pid < 0)
		die_errno(VMM_ERROR, "fork");
	if (!pid) {
		close(down[1]);
		close(up[0]);
		helper(down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	to_helper = down[1];
	from_helper = up[0];
}

static void read_page(const __u8 *from, enum way way, struct reply *reply)
{
	struct request request = { .way = way, .address = (unsigned long)from };

	memset(reply, 0, sizeof(*reply));
	if (way == WAY_MAPPING)
		read_mapping(from, reply);
	else if (transfer(to_helper, &request, sizeof(request), true) ||
		 transfer(from_helper, reply, sizeof(*reply), false))
		die(VMM_ERROR, "the helper process of --attack has gone");
}

/* What came of one attempt, in one word. */
static const char *outcome(enum way way, const struct reply *reply, bool match)
{
	if (!reply->err)
		return match ? "read" : "OTHER";
	return way == WAY_MAPPING ? "SIGBUS" : strerrorname_np(reply->err);
}

/**
 * attack_round() - try to read a guest page in all three ways; report them.
 *
 * Outcomes: "read" for the expected contents, "OTHER" for different ones, else
 * the error.
 *
 * @vm: the VM
 * @gpa: the page
 * @when: what has just happened, for the report
 * @expect: true if reading must succeed, false if it must be refused
 * @hash: channel_hash() of what must be read
 *
 * One thread at a time.  Return: true if all was as expected.
 */
bool attack_round(struct vm *vm, __u64 gpa, const char *when, bool expect,
		  __u64 hash)
{
	bool match, good = true;
	char line[512];
	struct reply reply;
	enum way way;
	int n;

	n = snprintf(line, sizeof(line), "0x%llx %s:",
		     gpa, when);
	for (way = 0; way < WAYS; way++) {
		read_page(mem_at(vm, gpa), way, &reply);
		match = !reply.err && channel_hash(reply.page) == hash;
		n += snprintf(line + n, sizeof(line) - n, " %s=%s",
			      way_name[way], outcome(way, &reply, match));
		tries++;
		refused += reply.err != 0;
		good &= expect ? match : reply.err != 0;
	}
	failures += !good;
	say("attack: %s -> %s", line, good ? "ok" : "FAILED");
	return good;
}

/** attack_failures() - number of rounds with an unexpected outcome. */
unsigned int attack_failures(void)
{
	return failures;
}

/** attack_registers() - try to read those of the first vCPU. */
void attack_registers(struct vm *vm)
{
	struct kvm_regs regs;
	bool refused = ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs);

	say("attack: registers=%s", refused ? strerrorname_np(errno) : "read");
	failures += refused != vm->opt.seal;
}

/** attack_report() - print the totals. */
void attack_report(void)
{
	say("attack: attempts=%u refused=%u read=%u unexpected_rounds=%u",
	    tries, refused, tries - refused, failures);
}
