// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test harness itself: each way in which a case can end is reported as
 * that, and no case hides the ones after it.  Needs no KVM.
 */
#include "gmem_harness.h"

#define INNER "--inner"

GMEM_TEST(passes)
{
	printf("one line\nand one without newline");
}

GMEM_TEST(fails)
{
	exit(KSFT_FAIL);
}

GMEM_TEST(crashes)
{
	raise(SIGSEGV);
}

GMEM_TEST_TIMEOUT(hangs, 1)
{
	for (;;)
		pause();
}

GMEM_TEST(skips)
{
	gmem_skip("no %s here", "hardware");
}

GMEM_TEST(skips_silently)
{
	exit(KSFT_SKIP);
}

GMEM_TEST(leaves_a_child)
{
	if (!fork()) {
		close(STDOUT_FILENO);
		close(STDERR_FILENO);
		for (;;)
			pause();
	}
}

GMEM_TEST(passes_last)
{
}

static const char * const expected[] = {
	"KTAP version 1",
	"1..8",
	"# one line",
	"# and one without newline",
	"ok 1 passes",
	"# fails: exit status 1",
	"not ok 2 fails",
	"# crashes: died of signal 11 (Segmentation fault)",
	"not ok 3 crashes",
	"# hangs: deadline of 1 s passed",
	"not ok 4 hangs",
	"ok 5 skips # SKIP no hardware here",
	"# skips_silently: skipped without a reason",
	"not ok 6 skips_silently",
	"ok 7 leaves_a_child",
	"ok 8 passes_last",
	"# Totals: pass:3 fail:4 skip:1",
};

static bool check_output(FILE *out)
{
	unsigned int i = 0;
	bool good = true;
	char line[256];

	while (fgets(line, sizeof(line), out)) {
		const char *want = i < ARRAY_SIZE(expected) ? expected[i] : "nothing";

		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, want)) {
			printf("# line %u: '%s', expected '%s'\n", i + 1, line, want);
			good = false;
		}
		i++;
	}
	return good && i == ARRAY_SIZE(expected);
}

int main(int argc, char **argv)
{
	bool lines, status;
	FILE *out;

	if (argc > 1 && !strcmp(argv[1], INNER))
		return gmem_harness_main(1, argv);

	unsetenv("GMEM_DEADLINE_SCALE");
	printf("KTAP version 1\n1..2\n");
	fflush(stdout);
	out = popen("/proc/$PPID/exe " INNER, "r");
	TEST_ASSERT(out, "popen() failed");
	lines = check_output(out);
	status = pclose(out) == KSFT_FAIL << 8;
	printf("%sok 1 report_of_each_ending\n", lines ? "" : "not ");
	printf("%sok 2 exit_status\n", status ? "" : "not ");
	return lines && status ? KSFT_PASS : KSFT_FAIL;
}
