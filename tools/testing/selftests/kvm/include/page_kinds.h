/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of /dev/kvm_page_kinds (CONFIG_KVM_PAGE_KINDS) in a slot of an
 * ordinary VM, and a guest that accesses it.
 *
 * Nothing here needs a kernel newer than 6.1.
 */
#ifndef SELFTEST_KVM_PAGE_KINDS_H
#define SELFTEST_KVM_PAGE_KINDS_H

#include "kvm_util.h"
#include "../../../../../virt/lib/kvm_page_kinds_uapi.h"

#define PK_DEVICE	"/dev/kvm_page_kinds"
#define PK_PAGE		4096UL
#define PK_PAGES	8U
#define PK_ORDER	3	/* logarithm of PK_PAGES */
#define PK_SIZE		(PK_PAGES * PK_PAGE)
#define PK_SLOT		10
#define PK_GPA		(4ULL << 30)	/* also the guest virtual address */

/* PK_PAGES pages and their mapping */
struct pk_file {
	struct kvm_pk_setup setup;
	int fd;
	uint8_t *mem;
};

void pk_require_device(void);
int pk_open_device(void);
struct kvm_pk_setup pk_setup_of(enum kvm_pk_kind kind, enum kvm_pk_map map, uint32_t flags);
struct pk_file pk_open(enum kvm_pk_kind kind, enum kvm_pk_map map, uint32_t flags);
struct pk_file pk_open_phys(enum kvm_pk_map map, uint64_t phys);
void pk_unmap(struct pk_file *f);

/* Through the kernel's mapping */
void pk_read(const struct pk_file *f, unsigned int page, void *buf);
void pk_fill(const struct pk_file *f, unsigned int page, uint8_t byte);
void pk_fill_all(const struct pk_file *f, uint8_t byte);
bool pk_is(const struct pk_file *f, unsigned int page, uint8_t byte);

/* Through the mapping in userspace.  False: SIGBUS or SIGSEGV. */
bool pk_host_touch(const struct pk_file *f, unsigned int page, uint8_t *byte);
void pk_assert_host_sees(const struct pk_file *f, unsigned int page, uint8_t byte);

struct kvm_pk_page pk_query(const struct pk_file *f, unsigned int page);
void pk_query_all(const struct pk_file *f, struct kvm_pk_page *pages);
void pk_assert_counts(const struct pk_file *f, const struct kvm_pk_page *before);
void pk_revoke(const struct pk_file *f);

void pk_enable_warnings(void);
int pk_open_log(void);
unsigned int pk_kvm_warnings(int log);

bool pk_find_ram(uint64_t *phys);
bool pk_find_rom(uint64_t *phys);

struct pk_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
};

/* What the guest does with a page */
enum pk_op {
	PK_IS,		/* all bytes are value: 1, else 0 */
	PK_FILL,	/* set all bytes to value */
	PK_LOAD,	/* the first 8 bytes */
	PK_STORE,	/* set the first 8 bytes to value */
	PK_VECTOR,	/* the same by an instruction that KVM does not emulate */
	PK_COUNT,	/* for ever, increment the first 8 bytes of every page */
};

/* How an operation ended */
struct pk_run {
	bool done;	/* with this result; else see the rest and vcpu->run */
	uint64_t result;
	int ret;	/* of KVM_RUN */
	int err;	/* errno of KVM_RUN */
};

void pk_slot(struct kvm_vm *vm, const struct pk_file *f, uint32_t flags);
struct pk_vm pk_vm_create(const struct pk_file *f, uint32_t slot_flags);
void pk_vm_free(struct pk_vm *v);
struct pk_run pk_try(struct pk_vm *v, enum pk_op op, unsigned int page, uint64_t value);
struct pk_run pk_resume(struct pk_vm *v);
uint64_t pk_do(struct pk_vm *v, enum pk_op op, unsigned int page, uint64_t value);
void pk_assert_efault(struct pk_vm *v, enum pk_op op, unsigned int page);

static inline uint64_t pk_gpa(unsigned int page)
{
	return PK_GPA + page * PK_PAGE;
}

#ifdef __aarch64__

/* arm64 refuses to log the pages of a VM_PFNMAP mapping. */
static inline bool pk_logs_pfnmap(void)
{
	return false;
}

/* It emulates no access to memory at all. */
static inline void pk_store_vector(uint64_t *word, uint64_t value)
{
	WRITE_ONCE(*word, value);
}

#else

static inline bool pk_logs_pfnmap(void)
{
	return true;
}

static inline void pk_store_vector(uint64_t *word, uint64_t value)
{
	asm volatile("movq %1, %%xmm0; movsd %%xmm0, %0" : "=m"(*word) : "r"(value) : "xmm0");
}

#endif

/* In place of GMEM_HARNESS_MAIN */
#define PK_HARNESS_MAIN								\
int main(int argc, char **argv)							\
{										\
	pk_require_device();							\
	exit(gmem_harness_main(argc, argv));					\
}

#endif /* SELFTEST_KVM_PAGE_KINDS_H */
