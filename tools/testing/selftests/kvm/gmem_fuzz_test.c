// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: random operations, each compared with a model.
 *
 * GMEM_SEED and GMEM_FUZZ_OPS in the environment choose another run.  A
 * sequence that fails is made as short as it can be and printed as a case that
 * can be put at the end of this file.  The last case is for those with time.
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "gmem_harness.h"
#include "gmem_model.h"
#include "gmem_world.h"

#define SEQUENCE	500	/* operations in one world */
#define DEFAULT_OPS	100000
#define MMIO_BYTE	0x99	/* what a device answers */
#define ENOUGH		100000	/* operations for each event to happen */

enum what {
	OP_ATTRS,	/* at, n, arg: private */
	OP_ATTRS2,	/* who: file, at, n, arg: private */
	OP_PUNCH,	/* who: file, at, n */
	OP_ALLOCATE,	/* who: file, at, n */
	OP_HOST,	/* who: file, at, n, arg: write, value */
	OP_MEMORY,	/* who: slot, at, value: written */
	OP_GUEST,	/* who: vCPU, at, n, arg: write, value */
	OP_OFFER,	/* who: vCPU, at, n, arg: asks for private memory */
	OP_RESUME,	/* who: vCPU */
	OP_PREFAULT,	/* who: vCPU, at, n */
	OP_PIN,		/* who: file, at */
	OP_UNPIN,
	OP_SLOT,	/* who: slot, at, n, arg: file, value: offset */
	OP_DELETE,	/* who: slot */
	OP_CREATE,	/* who: file, arg: flags */
	OP_CLOSE,	/* who: file */
	NR_OPS
};

static const char * const op_names[] = {
	"OP_ATTRS", "OP_ATTRS2", "OP_PUNCH", "OP_ALLOCATE", "OP_HOST", "OP_MEMORY",
	"OP_GUEST", "OP_OFFER", "OP_RESUME", "OP_PREFAULT", "OP_PIN", "OP_UNPIN",
	"OP_SLOT", "OP_DELETE", "OP_CREATE", "OP_CLOSE",
};

struct op {
	enum what what;
	unsigned int who, at, n, arg, value;
};

/* What a child tells its parent */
struct report {
	unsigned int done;		/* operations that went well */
	unsigned int events[NR_MODEL_EVENTS];
	unsigned int accesses[MODEL_FAULT + 1];	/* of the guest, by enum model_access */
	unsigned int refused;		/* accesses of the host to private pages */
};

static struct report *report;

/* The real thing beside the model */
struct subject {
	struct model model;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[MODEL_VCPUS];
	struct kvm_regs ready[MODEL_VCPUS];	/* waiting for a command */
	bool asking[MODEL_VCPUS];		/* in the exit of a hypercall */
	int fds[MODEL_FILES];
	u8 *maps[MODEL_FILES];
	u8 *memory[MODEL_SLOTS];
	int pipe_fds[2];
	unsigned int pin_file, pin_page;
	bool pinned;
};

static u64 gfn_to_gpa(unsigned int gfn)
{
	return GMEM_BASE + gfn * PG;
}

static void expect(int ret, int err, const char *what)
{
	int seen = ret ? -errno : 0;

	TEST_ASSERT(ret <= 0 && seen == err, "%s: returned %d, %s, expected %s", what, ret,
		    strerror(-seen), strerror(-err));
}

/* Forget the command of a vCPU that has exited in the middle of it. */
static void abandon(struct subject *s, unsigned int v)
{
	vcpu_regs_set(s->vcpus[v], &s->ready[v]);
	gmem_run_to_sync(s->vcpus[v], GMEM_STAGE_READY);
}

static void do_create(struct subject *s, unsigned int f, unsigned int flags)
{
	if (s->model.files[f].open)
		return;
	s->fds[f] = gmem_create(s->vm->fd, MODEL_PAGES * PG, flags);
	if (flags & GUEST_MEMFD_FLAG_MMAP)
		s->maps[f] = gmem_mmap(s->fds[f], MODEL_PAGES * PG, 0);
	model_open(&s->model, f, flags);
}

static void do_unpin(struct subject *s)
{
	u8 page[PG];

	if (!s->pinned)
		return;
	TEST_ASSERT(read(s->pipe_fds[0], page, PG) == PG, "the pipe is empty");
	s->model.files[s->pin_file].pages[s->pin_page].pinned = false;
	s->pinned = false;
}

static void do_close(struct subject *s, unsigned int f)
{
	if (!s->model.files[f].open)
		return;
	if (s->pinned && s->pin_file == f)
		do_unpin(s);
	if (model_has_mmap(&s->model.files[f]))
		munmap(s->maps[f], MODEL_PAGES * PG);
	close(s->fds[f]);
	model_close(&s->model, f);
}

static void do_pin(struct subject *s, unsigned int f, unsigned int at)
{
	struct model_file *file = &s->model.files[f];
	struct iovec iov = { .iov_base = s->maps[f] + at * PG, .iov_len = PG };
	ssize_t ret;

	if (s->pinned || !model_has_mmap(file))
		return;
	ret = vmsplice(s->pipe_fds[1], &iov, 1, 0);
	if (file->pages[at].private) {
		expect(ret, -EFAULT, "vmsplice of a private page");
		return;
	}
	TEST_ASSERT(ret == PG, "vmsplice: %s", strerror(errno));
	file->pages[at].pinned = true;
	s->pinned = true;
	s->pin_file = f;
	s->pin_page = at;
}

static void do_attrs(struct subject *s, const struct op *op)
{
	int ret = __gmem_set_attrs(s->vm->fd, gfn_to_gpa(op->at), op->n * PG,
				   op->arg ? GMEM_PRIVATE : GMEM_SHARED);

	expect(ret, model_attrs(&s->model, op->at, op->n, op->arg), "attributes");
}

static void do_attrs2(struct subject *s, const struct op *op)
{
	unsigned int index = 0;
	u64 offset = 0x1234;
	int ret, err;

	if (!s->model.files[op->who].open)
		return;
	ret = __gmem_set_attrs2(s->fds[op->who], op->at * PG, op->n * PG,
				op->arg ? GMEM_PRIVATE : GMEM_SHARED, &offset);
	err = model_attrs2(&s->model, op->who, op->at, op->n, op->arg, &index);
	expect(ret, err, "attributes2");
	TEST_ASSERT(offset == (err == -EAGAIN ? index * PG : 0x1234),
		    "error_offset is %#lx, expected page %u", offset, index);
}

static void do_punch(struct subject *s, const struct op *op)
{
	if (!s->model.files[op->who].open)
		return;
	gmem_punch(s->fds[op->who], op->at * PG, op->n * PG);
	model_punch(&s->model, op->who, op->at, op->n);
}

static void do_allocate(struct subject *s, const struct op *op)
{
	if (s->model.files[op->who].open)
		gmem_allocate(s->fds[op->who], op->at * PG, op->n * PG);
}

static void host_page(struct subject *s, const struct op *op, unsigned int at)
{
	struct model_page *page = &s->model.files[op->who].pages[at];
	u8 *addr = s->maps[op->who] + at * PG, seen = 0;
	bool good;

	good = op->arg ? gmem_host_write(addr, op->value) : gmem_host_read(addr, &seen);
	TEST_ASSERT(good == !page->private, "host: page %u is %s, the model says %s", at,
		    good ? "shared" : "private", page->private ? "private" : "shared");
	report->refused += !good;
	if (!good)
		return;
	if (op->arg)
		page->byte = op->value;
	else
		TEST_ASSERT(seen == page->byte, "host: page %u is %#x, the model says %#x",
			    at, seen, page->byte);
}

static void do_host(struct subject *s, const struct op *op)
{
	unsigned int i;

	for (i = 0; model_has_mmap(&s->model.files[op->who]) && i < op->n; i++)
		host_page(s, op, op->at + i);
}

static void do_memory(struct subject *s, const struct op *op)
{
	u8 *byte = s->memory[op->who] + op->at * PG;
	u8 *model = &s->model.slots[op->who].memory[op->at];

	TEST_ASSERT(*byte == *model, "memory: page %u is %#x, the model says %#x", op->at,
		    *byte, *model);
	*byte = op->value;
	*model = op->value;
}

static void check_mmio(struct subject *s, const struct op *op, unsigned int gfn,
		       const struct gmem_run *run)
{
	struct kvm_run *r = s->vcpus[op->who]->run;

	TEST_ASSERT(!run->ret && r->exit_reason == KVM_EXIT_MMIO &&
		    r->mmio.phys_addr == gfn_to_gpa(gfn) && r->mmio.is_write == op->arg,
		    "no MMIO exit: %d, reason %u", run->ret, r->exit_reason);
	if (op->arg)
		ASSERT_EQ(r->mmio.data[0], op->value);
	else
		r->mmio.data[0] = MMIO_BYTE;
	ASSERT_EQ(gmem_resume(s->vcpus[op->who]), op->arg ? 0 : MMIO_BYTE);
}

static void check_fault(struct subject *s, const struct op *op, unsigned int gfn,
			const struct gmem_run *run)
{
	struct kvm_run *r = s->vcpus[op->who]->run;
	u64 flags = s->model.private[gfn] ? KVM_MEMORY_EXIT_FLAG_PRIVATE : 0;

	TEST_ASSERT(run->exit == GMEM_EXIT_FAULT && run->err == EFAULT &&
		    r->memory_fault.gpa == gfn_to_gpa(gfn) &&
		    r->memory_fault.size == PG && r->memory_fault.flags == flags,
		    "no memory fault at gfn %u: exit %d, errno %d", gfn, run->exit, run->err);
	abandon(s, op->who);
}

static void guest_page(struct subject *s, const struct op *op, unsigned int gfn)
{
	struct model_place place = model_guest(&s->model, gfn);
	struct gmem_run run;

	run = gmem_cmd(s->vcpus[op->who], op->arg ? GMEM_CMD_WRITE : GMEM_CMD_READ,
		       gfn_to_gpa(gfn), op->value);
	report->accesses[place.access]++;
	if (place.access == MODEL_MMIO) {
		check_mmio(s, op, gfn, &run);
	} else if (place.access == MODEL_FAULT) {
		check_fault(s, op, gfn, &run);
	} else {
		TEST_ASSERT(run.exit == GMEM_EXIT_SYNC, "gfn %u: exit %d, errno %d", gfn,
			    run.exit, run.err);
		model_use(&s->model, gfn);
		if (op->arg)
			*place.byte = op->value;
		else
			TEST_ASSERT(run.args[1] == *place.byte,
				    "guest: gfn %u is %#lx, the model says %#x", gfn,
				    run.args[1], *place.byte);
	}
}

static void do_resume(struct subject *s, unsigned int v)
{
	if (!s->asking[v])
		return;
	ASSERT_EQ(gmem_resume(s->vcpus[v]), 0);
	s->asking[v] = false;
	s->model.offers[v] = (struct model_offer) {};
}

static void do_guest(struct subject *s, const struct op *op)
{
	unsigned int i;

	do_resume(s, op->who);
	for (i = 0; i < op->n; i++)
		guest_page(s, op, op->at + i);
}

static void do_offer(struct subject *s, const struct op *op)
{
	struct gmem_run run;

	do_resume(s, op->who);
	run = gmem_cmd(s->vcpus[op->who], op->arg ? GMEM_CMD_UNSHARE : GMEM_CMD_SHARE,
		       gfn_to_gpa(op->at), op->n);
	TEST_ASSERT(!run.ret && s->vcpus[op->who]->run->exit_reason == KVM_EXIT_HYPERCALL,
		    "no hypercall exit");
	s->asking[op->who] = true;
	if (!op->arg)
		s->model.offers[op->who] = (struct model_offer) { op->at, op->at + op->n };
}

static void do_prefault(struct subject *s, const struct op *op)
{
	struct kvm_pre_fault_memory args = {
		.gpa = gfn_to_gpa(op->at),
		.size = op->n * PG,
	};
	unsigned int left;
	int ret, err;

	ret = ioctl(s->vcpus[op->who]->fd, KVM_PRE_FAULT_MEMORY, &args);
	err = model_prefault(&s->model, op->at, op->n, &left);
	expect(ret, err, "pre-fault");
	TEST_ASSERT(args.size == left * PG && args.gpa == gfn_to_gpa(op->at + op->n - left),
		    "pre-fault: %#llx bytes left, expected %u pages", args.size, left);
}

static void do_slot(struct subject *s, const struct op *op)
{
	bool has_file = op->arg != MODEL_NO_FILE;
	u8 *hva = s->memory[op->who];
	int ret;

	if (s->model.slots[op->who].exists || (has_file && !s->model.files[op->arg].open))
		return;
	if (has_file && model_has_mmap(&s->model.files[op->arg]))
		hva = s->maps[op->arg] + op->value * PG;
	ret = __gmem_set_region2(s->vm->fd, SLOT + op->who, has_file ? KVM_MEM_GUEST_MEMFD : 0,
				 gfn_to_gpa(op->at), op->n * PG, hva,
				 has_file ? s->fds[op->arg] : -1, op->value * PG);
	expect(ret, model_add_slot(&s->model, op->who, op->arg, op->value, op->at, op->n),
	       "new slot");
}

static void do_delete(struct subject *s, unsigned int slot)
{
	int ret = __gmem_set_region2(s->vm->fd, SLOT + slot, 0, 0, 0, NULL, -1, 0);

	expect(ret, s->model.slots[slot].exists ? 0 : -EINVAL, "deletion");
	s->model.slots[slot].exists = false;
}

static void do_op(struct subject *s, const struct op *op)
{
	switch (op->what) {
	case OP_ATTRS:
		return do_attrs(s, op);
	case OP_ATTRS2:
		return do_attrs2(s, op);
	case OP_PUNCH:
		return do_punch(s, op);
	case OP_ALLOCATE:
		return do_allocate(s, op);
	case OP_HOST:
		return do_host(s, op);
	case OP_MEMORY:
		return do_memory(s, op);
	case OP_GUEST:
		return do_guest(s, op);
	case OP_OFFER:
		return do_offer(s, op);
	case OP_RESUME:
		return do_resume(s, op->who);
	case OP_PREFAULT:
		return do_prefault(s, op);
	case OP_PIN:
		return do_pin(s, op->who, op->at);
	case OP_UNPIN:
		return do_unpin(s);
	case OP_SLOT:
		return do_slot(s, op);
	case OP_DELETE:
		return do_delete(s, op->who);
	case OP_CREATE:
		return do_create(s, op->who, op->arg);
	case OP_CLOSE:
		return do_close(s, op->who);
	default:
		TEST_FAIL("no such operation");
	}
}

static void make_subject(struct subject *s)
{
	static const unsigned int flags[MODEL_FILES] = { GMEM_INPLACE, GUEST_MEMFD_FLAG_MMAP, 0 };
	unsigned int i;

	s->model.events = report->events;
	s->vm = gmem_vm_create(KVM_X86_SW_PROTECTED_VM, MODEL_VCPUS, gmem_guest_server, s->vcpus);
	gmem_enable_map_gpa_range(s->vm);
	virt_map(s->vm, GMEM_BASE, GMEM_BASE, MODEL_GFNS);
	for (i = 0; i < MODEL_VCPUS; i++) {
		gmem_server_start(s->vcpus[i]);
		vcpu_regs_get(s->vcpus[i], &s->ready[i]);
	}
	for (i = 0; i < MODEL_SLOTS; i++)
		s->memory[i] = gmem_mmap_anon(MODEL_GFNS * PG);
	for (i = 0; i < MODEL_FILES; i++)
		do_create(s, i, flags[i]);
	TEST_ASSERT(!pipe(s->pipe_fds), "pipe()");
}

/* Each byte of each page, as the host and the guest see it */
static void check_all(struct subject *s)
{
	struct op host = { .n = MODEL_PAGES }, guest = { .n = MODEL_GFNS };
	unsigned int i;

	for (i = 0; i < MODEL_VCPUS; i++)
		do_resume(s, i);
	for (; host.who < MODEL_FILES; host.who++)
		do_host(s, &host);
	do_guest(s, &guest);
}

static void make_report(void)
{
	report = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(report != MAP_FAILED, "mmap()");
}

/* Do operations in a world of their own. */
static void run_ops(const struct op *ops, unsigned int nr)
{
	struct subject s = {};

	make_subject(&s);
	for (report->done = 0; report->done < nr; report->done++)
		do_op(&s, &ops[report->done]);
	check_all(&s);
}

/*
 * True if all is well.  Otherwise *@nr operations suffice to see that it is not;
 * the child says why only if it is not @quiet.
 */
static bool try_ops(const struct op *ops, unsigned int *nr, bool quiet)
{
	int status, null;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		null = open("/dev/null", O_WRONLY);
		if (quiet && (dup2(null, 1) < 0 || dup2(null, 2) < 0))
			_exit(1);
		alarm(60);
		run_ops(ops, *nr);
		_exit(0);
	}
	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid()");
	if (status && report->done < *nr)
		*nr = report->done + 1;
	return !status;
}

/* Leave out what does not matter: half of the operations, a quarter, and so on. */
static unsigned int shrink(struct op *ops, unsigned int nr)
{
	static struct op less[SEQUENCE];
	unsigned int step, at, left;

	for (step = nr / 2 ? nr / 2 : 1; step; step /= 2) {
		for (at = 0; at < nr; ) {
			left = nr - (step < nr - at ? step : nr - at);
			memcpy(less, ops, at * sizeof(*ops));
			memcpy(less + at, ops + nr - (left - at), (left - at) * sizeof(*ops));
			if (left && !try_ops(less, &left, true)) {
				memcpy(ops, less, left * sizeof(*ops));
				nr = left;
			} else {
				at += step;
			}
		}
	}
	return nr;
}

static void print_case(const struct op *ops, unsigned int nr, unsigned int seed)
{
	unsigned int i;

	printf("GMEM_TEST(reproducer_%u)\n{\n\tstatic const struct op ops[] = {\n", seed);
	for (i = 0; i < nr; i++)
		printf("\t\t{ %s, %u, %u, %u, %u, %u },\n", op_names[ops[i].what], ops[i].who,
		       ops[i].at, ops[i].n, ops[i].arg, ops[i].value);
	printf("\t};\n\n\tmake_report();\n\trun_ops(ops, ARRAY_SIZE(ops));\n}\n");
}

static unsigned int below(unsigned int limit)
{
	return rand() % limit;
}

/* How often each operation comes, in their order */
static const unsigned int weights[NR_OPS] = { 8, 6, 2, 1, 12, 1, 24, 8, 8, 3, 3, 2, 14, 2, 6, 1 };

static enum what random_what(void)
{
	unsigned int sum = 0, what, at;

	for (what = 0; what < NR_OPS; what++)
		sum += weights[what];
	at = below(sum);
	for (what = 0; at >= weights[what]; what++)
		at -= weights[what];
	return what;
}

static void random_range(struct op *op, unsigned int limit)
{
	op->at = below(limit);
	op->n = 1 + below(below(4) ? 4 : limit);
	if (op->n > limit - op->at)
		op->n = limit - op->at;
}

/* Half of them large, most of them not larger than a file */
static void random_slot(struct op *op)
{
	if (below(2)) {
		op->at = below(MODEL_GFNS / MODEL_PAGES) * MODEL_PAGES;
		op->n = MODEL_PAGES;
		op->value = 0;
		return;
	}
	op->at = below(MODEL_GFNS);
	op->n = 1 + below(MODEL_GFNS - op->at);
	op->value = below(MODEL_PAGES);
	if (op->n > MODEL_PAGES - op->value && below(8))
		op->n = MODEL_PAGES - op->value;
}

static struct op random_op(const struct op *last)
{
	struct op op = { .what = random_what(), .arg = below(2), .value = 1 + below(255) };

	/* What a VMM does about an offer, mostly */
	if (last->what == OP_OFFER && below(2)) {
		op = *last;
		op.what = OP_ATTRS;
		return op;
	}

	switch (op.what) {
	case OP_ATTRS:
		random_range(&op, MODEL_GFNS);
		break;
	case OP_GUEST:
	case OP_OFFER:
	case OP_PREFAULT:
	case OP_RESUME:
		op.who = below(MODEL_VCPUS);
		random_range(&op, MODEL_GFNS);
		break;
	case OP_MEMORY:
	case OP_DELETE:
		op.who = below(MODEL_SLOTS);
		op.at = below(MODEL_GFNS);
		break;
	case OP_SLOT:
		op.who = below(MODEL_SLOTS);
		op.arg = below(2 * MODEL_NO_FILE + 1) % (MODEL_NO_FILE + 1);
		random_slot(&op);
		break;
	case OP_CREATE:
		op.who = below(MODEL_FILES);
		op.arg = below(4);
		break;
	default:
		op.who = below(MODEL_FILES);
		random_range(&op, MODEL_PAGES);
		break;
	}
	return op;
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

/* What has been put to the test, and that nothing has been left out */
static void print_report(bool enough)
{
	static const char * const events[] = {
		"in the way of a conversion", "zeroed", "offered and shown",
		"offered and zeroed", "taken by another slot", "made private by a binding",
	};
	static const char * const accesses[] = { "memory", "device", "fault" };
	unsigned int i, never = !report->refused;

	for (i = 0; i < NR_MODEL_EVENTS; i++) {
		printf("%s: %u\n", events[i], report->events[i]);
		never += !report->events[i];
	}
	for (i = 0; i <= MODEL_FAULT; i++) {
		printf("guest accesses, %s: %u\n", accesses[i], report->accesses[i]);
		never += !report->accesses[i];
	}
	printf("host accesses, refused: %u\n", report->refused);
	TEST_ASSERT(!never || !enough, "%u kinds of events never came", never);
}

static void fuzz(unsigned long left)
{
	unsigned int seed = from_environment("GMEM_SEED", 1), nr, i;
	const bool enough = left >= ENOUGH;
	static struct op ops[SEQUENCE];

	make_report();
	for (; left; left -= nr, seed++) {
		nr = left < SEQUENCE ? left : SEQUENCE;
		srand(seed);
		for (i = 0; i < nr; i++)
			ops[i] = random_op(&ops[i ? i - 1 : nr - 1]);
		if (try_ops(ops, &nr, false))
			continue;
		nr = shrink(ops, nr);
		print_case(ops, nr, seed);
		try_ops(ops, &nr, false);
		TEST_FAIL("GMEM_SEED=%u GMEM_FUZZ_OPS=%u shows it", seed, SEQUENCE);
	}
	print_report(enough);
}

GMEM_TEST_TIMEOUT(against_the_model, 900)
{
	fuzz(from_environment("GMEM_FUZZ_OPS", DEFAULT_OPS));
}

GMEM_TEST_TIMEOUT(a_million_operations, 5400)
{
	fuzz(1000000);
}

GMEM_HARNESS_MAIN
