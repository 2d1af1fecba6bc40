/* SPDX-License-Identifier: GPL-2.0-only */
/* As much of KUnit as virt/kvm/gmem/attr_map_test.c uses. */
#ifndef _SHIM_KUNIT_TEST_H
#define _SHIM_KUNIT_TEST_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <linux/kernel.h>

/* Failed expectations of one case that are printed. */
#define KUNIT_SHIM_VERBOSE	10

struct kunit {
	unsigned int failures;
	jmp_buf abort;
};

struct kunit_case {
	void (*run_case)(struct kunit *test);
	const char *name;
};

struct kunit_suite {
	const char name[32];
	int (*init)(struct kunit *test);
	void (*exit)(struct kunit *test);
	struct kunit_case *test_cases;
};

#define KUNIT_CASE(fn)		{ .run_case = fn, .name = #fn }
extern struct kunit_suite *shim_kunit_suite;

#define kunit_test_suite(suite)	struct kunit_suite *shim_kunit_suite = &(suite)
#define kunit_info(test, fmt, ...)	printf("# " fmt, ##__VA_ARGS__)

#define KUNIT_SHIM_FAIL(test, fmt, ...) do {				\
	if ((test)->failures++ < KUNIT_SHIM_VERBOSE)			\
		printf("# %s:%d: " fmt "\n", __func__, __LINE__,	\
		       ##__VA_ARGS__);					\
} while (0)

#define KUNIT_SHIM_CMP(test, a, op, b) ({				\
	unsigned long __a = (unsigned long)(a);				\
	unsigned long __b = (unsigned long)(b);				\
	bool __ok = __a op __b;						\
	if (!__ok)							\
		KUNIT_SHIM_FAIL(test, "%s %s %s: %#lx, %#lx", #a, #op,	\
				#b, __a, __b);				\
	__ok;								\
})
#define KUNIT_SHIM_ASSERT(test, ok) do {				\
	if (!(ok))							\
		longjmp((test)->abort, 1);				\
} while (0)

#define KUNIT_EXPECT_EQ(test, a, b)	((void)KUNIT_SHIM_CMP(test, a, ==, b))
#define KUNIT_EXPECT_LE(test, a, b)	((void)KUNIT_SHIM_CMP(test, a, <=, b))
#define KUNIT_EXPECT_GE(test, a, b)	((void)KUNIT_SHIM_CMP(test, a, >=, b))
#define KUNIT_EXPECT_GT(test, a, b)	((void)KUNIT_SHIM_CMP(test, a, >, b))
#define KUNIT_EXPECT_TRUE(test, a)	((void)KUNIT_SHIM_CMP(test, !!(a), ==, true))
#define KUNIT_EXPECT_FALSE(test, a)	((void)KUNIT_SHIM_CMP(test, !!(a), ==, false))
#define KUNIT_EXPECT_TRUE_MSG(test, a, fmt, ...) do {			\
	if (!(a))							\
		KUNIT_SHIM_FAIL(test, fmt, ##__VA_ARGS__);		\
} while (0)
#define KUNIT_ASSERT_EQ(test, a, b) do {				\
	struct kunit *__test = (test);					\
	KUNIT_SHIM_ASSERT(__test, KUNIT_SHIM_CMP(__test, a, ==, b));	\
} while (0)
#define KUNIT_EXPECT_PTR_EQ(test, a, b)	KUNIT_EXPECT_EQ(test, a, b)
#define KUNIT_ASSERT_PTR_EQ(test, a, b)	KUNIT_ASSERT_EQ(test, a, b)

#endif
