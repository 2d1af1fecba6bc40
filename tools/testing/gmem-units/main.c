// SPDX-License-Identifier: GPL-2.0-only
/*
 * Run the KUnit suite of the attribute map in userspace, and what only userspace
 * can do: long random runs, failing allocations, exact counts of allocations.
 */

#include <getopt.h>
#include <kunit/test.h>
#include <stdlib.h>
#include <string.h>
#include <linux/rcupdate.h>

#include "../../../virt/kvm/gmem/attr_map_oracle.h"
#include "shim.h"

#define PRIVATE		8UL
#define PAGES_64G	BIT(24)

/* Rounds of the concurrent readers: some seconds. */
#define READER_ROUNDS	4

static const struct option options[] = {
	{ "ops", required_argument, NULL, 'o' },
	{ "seed", required_argument, NULL, 's' },
	{ "case", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{}
};

static unsigned long opt_ops = 10000000;
static u64 opt_seed = 1;
static const char *opt_case;

static void print_help(FILE *out)
{
	fprintf(out,
		"usage: attr_map_test [--ops N] [--seed S] [--case NAME]\n"
		"  --ops N      random operations (default %lu)\n"
		"  --seed S     seed of the random operations, not 0 (default 1)\n"
		"  --case NAME  run only this case\n", opt_ops);
}

static void fuzz_report(const struct attr_fuzz *fuzz)
{
	static const char * const name[ATTR_FUZZ_NR] = {
		"set", "toggle", "pair", "cancel", "enomem", "get", "has", "run",
	};
	unsigned long done = 0, changes = 0;
	unsigned int i;

	printf("# seed %llu, default %lu:", (unsigned long long)fuzz->seed,
	       fuzz->dflt);
	for (i = 0; i < ATTR_FUZZ_NR; i++) {
		printf(" %s %lu", name[i], fuzz->done[i]);
		done += fuzz->done[i];
		if (i < ATTR_FUZZ_GET)
			changes += fuzz->done[i];
	}
	printf("\n# %lu operations, %lu of them changes, %lu reservations failed, ",
	       done, changes, fuzz->failed);
	printf("%lu full comparisons, at most %lu nodes\n", fuzz->checks,
	       fuzz->max_nodes);
}

/* Half of the operations with each default. */
static void random_operations(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct attr_fuzz fuzz = {
			.ops = (opt_ops + i) / 2, .seed = opt_seed + i,
			.dflt = i ? PRIVATE : 0, .check_every = 5000,
			.fail_nth = shim_fail_nth,
		};

		KUNIT_EXPECT_TRUE_MSG(test, attr_fuzz_run(&fuzz),
				      "%s at operation %lu", fuzz.error, fuzz.at);
		fuzz_report(&fuzz);
		if (opt_ops >= 10000)
			KUNIT_EXPECT_GT(test, fuzz.failed, 0);
	}
}

static void check_fragments(struct kunit *test, struct kvm_attr_map *map)
{
	KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(map, 0, 5, 0));
	KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(map, 5, 9, PRIVATE));
	KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(map, 9, PAGES_64G, 0));
	KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(map, PAGES_64G,
						       2 * PAGES_64G, PRIVATE));
	KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(map, 2 * PAGES_64G,
						       KVM_ATTR_MAP_END, 0));
}

/* Fail the first allocation, then the second, ... until the change succeeds. */
static void fail_each(struct kunit *test, unsigned long start,
		      unsigned long end, unsigned long attrs)
{
	struct attr_map_stats before, after;
	struct kvm_attr_map map;
	unsigned int nth = 0;
	int ret;

	kvm_attr_map_init(&map, 0);
	KUNIT_EXPECT_EQ(test, attr_map_set(&map, 5, 9, PRIVATE), 0);
	KUNIT_EXPECT_EQ(test, attr_map_set(&map, PAGES_64G, 2 * PAGES_64G, PRIVATE), 0);
	attr_map_check(&map, &before);
	do {
		check_fragments(test, &map);
		shim_fail_nth(++nth);
		ret = attr_map_set(&map, start, end, attrs);
		shim_fail_nth(0);
		KUNIT_EXPECT_PTR_EQ(test, attr_map_check(&map, &after), NULL);
		/* A top that grew in vain is the only thing that may be left. */
		if (ret)
			KUNIT_EXPECT_LE(test, after.nodes, before.nodes +
					64 / XA_CHUNK_SHIFT);
	} while (ret == -ENOMEM && nth < 1000);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_GT(test, nth, 1);
	KUNIT_EXPECT_TRUE(test, kvm_attr_map_range_has(&map, start, end, attrs));
	KUNIT_EXPECT_EQ(test, attr_map_set(&map, 0, KVM_ATTR_MAP_END, 0), 0);
	attr_map_check(&map, &after);
	KUNIT_EXPECT_EQ(test, after.nodes, 0);
	kvm_attr_map_destroy(&map);
}

static void each_allocation_fails(struct kunit *test)
{
	fail_each(test, PAGES_64G + 77, PAGES_64G + 78, 0);
	fail_each(test, 0, PAGES_64G + 4097, 0);
	fail_each(test, 7, PAGES_64G + 4097, 1);
	fail_each(test, 0, BIT(40), PRIVATE);
	fail_each(test, BIT(50) + 3, BIT(51) - 1, 1);
	fail_each(test, PAGES_64G + 1, BIT(36) - 1, 0);
}

/* What fails for want of memory in an empty map leaves it empty. */
static void failure_leaves_empty(struct kunit *test)
{
	struct shim_counters counters;
	struct kvm_attr_map map;
	unsigned int nth;

	kvm_attr_map_init(&map, 0);
	for (nth = 1; nth < 6; nth++) {
		shim_fail_nth(nth);
		KUNIT_EXPECT_EQ(test, attr_map_set(&map, BIT(38) + 77,
						   BIT(38) + 99, PRIVATE), -ENOMEM);
		shim_fail_nth(0);
		shim_counters_get(&counters);
		KUNIT_EXPECT_EQ(test, counters.live, 0);
	}
	kvm_attr_map_destroy(&map);
}

static void toggle_allocates_nothing(struct kunit *test)
{
	struct shim_counters before, after;
	struct kvm_attr_map map;
	unsigned long i, dflt;

	for (dflt = 0; dflt <= PRIVATE; dflt += PRIVATE) {
		kvm_attr_map_init(&map, dflt);
		KUNIT_EXPECT_EQ(test, attr_map_set(&map, 0, PAGES_64G, PRIVATE), 0);
		KUNIT_EXPECT_EQ(test, attr_map_set(&map, 7777, 7778, 0), 0);
		shim_counters_get(&before);
		for (i = 0; i < 10000; i++)
			KUNIT_EXPECT_EQ(test, attr_map_set(&map, 7777, 7778,
							   i & 1 ? 0 : PRIVATE), 0);
		shim_counters_get(&after);
		KUNIT_EXPECT_EQ(test, after.attempts, before.attempts);
		KUNIT_EXPECT_EQ(test, after.live, before.live);
		kvm_attr_map_destroy(&map);
	}
}

static void concurrent_readers_long(struct kunit *test)
{
	struct kunit_case *c = shim_kunit_suite->test_cases;
	unsigned int i;

	while (strcmp(c->name, "concurrent_readers"))
		c++;
	for (i = 0; i < READER_ROUNDS; i++) {
		shim_kunit_suite->exit(test);
		shim_kunit_suite->init(test);
		c->run_case(test);
	}
}

static struct kunit_case own_cases[] = {
	KUNIT_CASE(each_allocation_fails),
	KUNIT_CASE(failure_leaves_empty),
	KUNIT_CASE(toggle_allocates_nothing),
	KUNIT_CASE(random_operations),
	KUNIT_CASE(concurrent_readers_long),
	{}
};

/* Run one case; a node that outlives it is a failure, too. */
static bool run_case(struct kunit_case *c, unsigned int number)
{
	struct shim_counters counters;
	struct kunit test = {};

	shim_kunit_suite->init(&test);
	if (!setjmp(test.abort))
		c->run_case(&test);
	shim_kunit_suite->exit(&test);

	shim_counters_get(&counters);
	if (counters.live)
		KUNIT_SHIM_FAIL(&test, "%ld nodes leaked", counters.live);
	printf("%s %u %s\n", test.failures ? "not ok" : "ok", number, c->name);
	return !test.failures;
}

static unsigned int run_cases(struct kunit_case *c, unsigned int *number)
{
	unsigned int failed = 0;

	for (; c->run_case; c++) {
		if (!opt_case || !strcmp(opt_case, c->name))
			failed += !run_case(c, ++*number);
	}
	return failed;
}

int main(int argc, char **argv)
{
	unsigned int number = 0, failed;
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (opt == 'o') {
			opt_ops = strtoul(optarg, NULL, 0);
		} else if (opt == 's') {
			opt_seed = strtoull(optarg, NULL, 0);
		} else if (opt == 'c') {
			opt_case = optarg;
		} else {
			print_help(opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	if (!opt_seed || optind < argc) {
		print_help(stderr);
		return 2;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	rcu_register_thread();
	printf("KTAP version 1\n");
	failed = run_cases(shim_kunit_suite->test_cases, &number);
	failed += run_cases(own_cases, &number);
	printf("1..%u\n", number);
	rcu_unregister_thread();
	if (!number) {
		fprintf(stderr, "attr_map_test: no case is named %s\n", opt_case);
		return 2;
	}
	return failed ? 1 : 0;
}
