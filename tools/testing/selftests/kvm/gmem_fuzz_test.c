// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: random operations, each compared with a model.
 *
 * GMEM_SEED and GMEM_FUZZ_OPS in the environment choose another run, GMEM_SEALED
 * has the VMs sealed.  A sequence that fails is made as short as it can be and
 * printed as a case that can be put at the end of this file.
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "gmem_subject_ops.h"

#define SEQUENCE	500	/* operations in one world */
#define DEFAULT_OPS	100000
#define ENOUGH		100000	/* operations for each event to happen */
#define MILESTONE	100000	/* operations after which to say so */
#define SECONDS		60	/* for a sequence, on an idle machine */
#define SHRINK_SECONDS	240

static const char * const op_names[] = {
	"OP_ATTRS", "OP_ATTRS2", "OP_PUNCH", "OP_ALLOCATE", "OP_HOST", "OP_MEMORY",
	"OP_GUEST", "OP_OFFER", "OP_RESUME", "OP_PREFAULT", "OP_PIN", "OP_UNPIN",
	"OP_SLOT", "OP_DELETE", "OP_CREATE", "OP_CLOSE", "OP_CLOCK", "OP_OUT", "OP_IN",
	"OP_TO_DEVICE", "OP_FROM_DEVICE",
};

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
	report->done = 0;
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		null = open("/dev/null", O_WRONLY);
		if (quiet && (dup2(null, 1) < 0 || dup2(null, 2) < 0))
			_exit(1);
		alarm(gmem_scale_deadline(SECONDS));
		run_ops(ops, *nr);
		_exit(0);
	}
	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid()");
	if (WIFSIGNALED(status) && !quiet)
		printf("died of signal %d\n", WTERMSIG(status));
	if (status && report->done < *nr)
		*nr = report->done + 1;
	return !status;
}

/*
 * Leave out what does not matter: half of the operations, a quarter, and so on,
 * as long as there is time.
 */
static unsigned int shrink(struct op *ops, unsigned int nr)
{
	static struct op less[SEQUENCE];
	long end = gmem_now_ms() + gmem_scale_deadline(SHRINK_SECONDS) * 1000L;
	unsigned int step, at, left;

	for (step = nr / 2 ? nr / 2 : 1; step; step /= 2) {
		for (at = 0; at < nr && gmem_now_ms() < end; ) {
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
static const unsigned int weights[NR_OPS] = {
	8, 6, 2, 1, 12, 1, 24, 8, 8, 3, 3, 2, 14, 2, 6, 1, 4, 2, 2, 2, 2,
};

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

/* What a VMM does about an offer, mostly */
static bool answer_offer(struct op *op, const struct op *last)
{
	if (!last || last->what != OP_OFFER || below(2))
		return false;
	*op = *last;
	op->what = OP_ATTRS;
	return true;
}

/* @last is the one before, or %NULL */
static struct op random_op(const struct op *last)
{
	struct op op;

	if (answer_offer(&op, last))
		return op;

	op.what = random_what();
	op.arg = below(2);
	op.value = 1 + below(255);
	op.who = below(MODEL_FILES);
	random_range(&op, MODEL_PAGES);

	switch (op.what) {
	case OP_ATTRS:
		random_range(&op, MODEL_GFNS);
		break;
	case OP_GUEST:
	case OP_OFFER:
	case OP_PREFAULT:
	case OP_RESUME:
	case OP_CLOCK:
	case OP_OUT:
	case OP_IN:
	case OP_TO_DEVICE:
	case OP_FROM_DEVICE:
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
		op.arg = below(4);
		break;
	default:
		break;
	}
	return op;
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);
	unsigned long number;
	char *end;

	if (!value)
		return otherwise;
	number = strtoul(value, &end, 0);
	TEST_ASSERT(number && !*end, "%s=%s is no number above 0", name, value);
	return number;
}

/* How often the guest, its instruction or its clock met each kind of place */
static unsigned int print_places(const char *what,
				 const unsigned int counts[NR_MODEL_ACCESSES])
{
	static const char * const places[] = { "memory", "device", "fault", "lost" };
	const unsigned int nr = getenv("GMEM_SEALED") ? NR_MODEL_ACCESSES : MODEL_GONE;
	unsigned int i, never = 0;

	for (i = 0; i < nr; i++) {
		printf("%s, %s: %u\n", what, places[i], counts[i]);
		never += !counts[i];
	}
	return never;
}

/* What has been put to the test, and that nothing has been left out */
static void print_report(bool enough)
{
	static const char * const events[] = {
		"in the way of a conversion", "zeroed", "offered and shown",
		"offered and zeroed", "address taken by another slot",
		"offset taken by another slot", "made private by a binding",
		"bound again as before",
	};
	unsigned int i, never = !report->refused;

	for (i = 0; i < NR_MODEL_EVENTS; i++) {
		printf("%s: %u\n", events[i], report->events[i]);
		never += !report->events[i];
	}
	never += print_places("guest accesses", report->accesses);
	never += print_places("emulated accesses", report->emulated);
	never += print_places("clocks", report->clocks);
	printf("host accesses, refused: %u\n", report->refused);
	printf("answers, not true: %u\n", report->untrue);
	never += !report->untrue == !!getenv("GMEM_SEALED");
	TEST_ASSERT(!never || !enough, "%u kinds of events never came", never);
}

static void show_failure(struct op *ops, unsigned int nr, unsigned int seed)
{
	printf("GMEM_SEED=%u GMEM_FUZZ_OPS=%u shows it, in %u operations\n", seed, SEQUENCE, nr);
	nr = shrink(ops, nr);
	print_case(ops, nr, seed);
	try_ops(ops, &nr, false);
	TEST_FAIL("the model and KVM differ");
}

/* The limit is that of a million operations. */
GMEM_TEST_TIMEOUT(against_the_model, 5400)
{
	unsigned long left = from_environment("GMEM_FUZZ_OPS", DEFAULT_OPS);
	unsigned int seed = from_environment("GMEM_SEED", 1), nr, i;
	const bool enough = left >= ENOUGH;
	static struct op ops[SEQUENCE];

	make_report();
	for (; left; left -= nr, seed++) {
		if (!(left % MILESTONE))
			printf("seed %u, %lu operations to go\n", seed, left);
		nr = left < SEQUENCE ? left : SEQUENCE;
		srand(seed);
		for (i = 0; i < nr; i++)
			ops[i] = random_op(i ? &ops[i - 1] : NULL);
		if (!try_ops(ops, &nr, false))
			show_failure(ops, nr, seed);
	}
	print_report(enough);
}

GMEM_HARNESS_MAIN
