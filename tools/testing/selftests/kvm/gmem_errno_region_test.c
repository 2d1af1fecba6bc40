// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: every error of KVM_SET_USER_MEMORY_REGION and
 * KVM_SET_USER_MEMORY_REGION2, each bit of the argument, the order of checks.
 */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "gmem_errno.h"
#include "gmem_world.h"

#define GMEM		KVM_MEM_GUEST_MEMFD
#define LOG		KVM_MEM_LOG_DIRTY_PAGES
#define RO		KVM_MEM_READONLY
#define MAX_PAGES	(BIT_ULL(31) - 1)
#define FILE_PAGES	16

struct row {
	const char *name;
	u32 slot;
	u32 flags;
	u64 gpa;
	u64 size;
	u64 hva;
	u64 offset;
	int err;
};

static int region2(int vm, const struct row *r, int file)
{
	return __gmem_set_region2(vm, r->slot, r->flags, r->gpa, r->size,
				  (void *)r->hva, file, r->offset);
}

static int bind_file(int vm, u32 slot, u64 gpa_page, u64 pages, int file, u64 page)
{
	return __gmem_set_region2(vm, slot, GMEM, gpa_page * PG, pages * PG,
				  NULL, file, page * PG);
}

static int delete(int vm, u32 slot)
{
	return __gmem_set_region1(vm, slot, 0, 0, 0, NULL);
}

/*
 * What comes before the look at the file: a row that passes finds a wall, which
 * is a bad descriptor, and then a slot at its address.
 */
static void check_row(const struct gmem_type *t, const struct row *r)
{
	const char *type = t->name;
	int vm = gmem_vm_open(t->type);

	if (r->flags & GMEM)
		gmem_row(region2(vm, r, -1), r->err ?: EBADF,
			 "%s, %s, bad file", type, r->name);
	else
		gmem_row(region2(vm, r, -1), r->err, "%s, %s", type, r->name);
	if (!r->err && !(r->flags & GMEM))
		gmem_row(delete(vm, r->slot), 0, "%s, %s, deletion", type, r->name);
	if (r->gpa < PG) {
		gmem_row(__gmem_set_region1(vm, 100, 0, 0, PG, NULL), 0,
			 "%s, %s, occupant", type, r->name);
		gmem_row(region2(vm, r, -1), r->err ?: EEXIST,
			 "%s, %s, address taken", type, r->name);
	}
	close(vm);
}

static void check_rows(const struct row *rows, unsigned int nr)
{
	const struct gmem_type *t;
	unsigned int i;

	for_each_vm_type(t) {
		for (i = 0; i < nr; i++)
			check_row(t, &rows[i]);
	}
}

/* One bit of a field of a good region with a file */
#define CHECK_BIT(_field, _base, _bit, _err) do {			\
	const struct gmem_type *_t;					\
	struct row _r = { .flags = GMEM, .size = PG, .err = (_err) };	\
	const int _b = (_bit);						\
	char _name[32];							\
									\
	snprintf(_name, sizeof(_name), "%s bit %d", #_field, _b);	\
	_r.name = _name;						\
	_r._field = (_base) | BIT_ULL(_b);				\
	for_each_vm_type(_t)						\
		check_row(_t, &_r);				\
} while (0)

GMEM_ERRNO_TEST(region2_each_bit_of_slot)
{
	int bit;

	/* 32764 slots; files in address space 0 only */
	for (bit = 0; bit < 32; bit++)
		CHECK_BIT(slot, 0, bit, bit < 15 ? 0 : EINVAL);
}

GMEM_ERRNO_TEST(region2_each_bit_of_gpa)
{
	int bit;

	for (bit = 0; bit < 64; bit++)
		CHECK_BIT(gpa, 0, bit, bit < 12 ? EINVAL : 0);
}

GMEM_ERRNO_TEST(region2_each_bit_of_size)
{
	int bit;

	for (bit = 0; bit < 64; bit++)
		CHECK_BIT(size, 0, bit, bit < 12 || bit > 42 ? EINVAL : 0);
	for (bit = 0; bit < 12; bit++)
		CHECK_BIT(size, PG, bit, EINVAL);
}

GMEM_ERRNO_TEST(region2_each_bit_of_offset)
{
	int bit;

	for (bit = 0; bit < 64; bit++)
		CHECK_BIT(offset, 0, bit, bit < 12 ? EINVAL : 0);
}

/* Bits 47 to 55 depend on the number of levels of the host's page tables. */
GMEM_ERRNO_TEST(region2_each_bit_of_userspace_addr)
{
	int bit;

	for (bit = 0; bit < 64; bit++) {
		if (bit < 47 || bit > 55)
			CHECK_BIT(hva, 0, bit, bit < 12 || bit > 55 ? EINVAL : 0);
	}
}

GMEM_ERRNO_TEST(region2_each_bit_of_flags)
{
	const struct gmem_type *t;
	int bit;

	for (bit = 0; bit < 32; bit++) {
		struct row alone = { .flags = BIT(bit), .size = PG };
		struct row beside = { .flags = GMEM | BIT(bit), .size = PG };
		char name[32];

		if (BIT(bit) == GMEM)
			continue;
		snprintf(name, sizeof(name), "flag %d", bit);
		alone.name = name;
		alone.err = BIT(bit) & (LOG | RO) ? 0 : EINVAL;
		beside.name = name;
		beside.err = EINVAL;
		for_each_vm_type(t) {
			check_row(t, &alone);
			check_row(t, &beside);
		}
	}
}

GMEM_ERRNO_TEST(region1_each_bit_of_flags)
{
	const struct gmem_type *t;
	int bit;

	for_each_vm_type(t) {
		int vm = gmem_vm_open(t->type);

		for (bit = 0; bit < 32; bit++) {
			u32 flag = BIT(bit);
			int err = flag & (LOG | RO) ? 0 : EINVAL;

			gmem_row(__gmem_set_region1(vm, bit, flag, bit * PG, PG, NULL),
				 err, "%s, flag %d", t->name, bit);
			gmem_row(__gmem_set_region1(vm, bit + 32, flag | LOG,
						    (bit + 32) * PG, PG, NULL),
				 err, "%s, flag %d beside log-dirty", t->name, bit);
			/* The slot number is looked at, deletion or not. */
			gmem_row(__gmem_set_region1(vm, 0xffff, flag, 0, 0, NULL),
				 EINVAL, "%s, flag %d, bad slot", t->name, bit);
		}
		gmem_row(__gmem_set_region1(vm, 70, LOG | RO, 70 * PG, PG, NULL), 0,
			 "%s, both flags", t->name);
		/* Not even if descriptor 0 would do. */
		TEST_ASSERT(!dup2(gmem_create(vm, PG, 0), STDIN_FILENO), "dup2()");
		gmem_row(__gmem_set_region1(vm, 71, GMEM, 71 * PG, PG, NULL), EINVAL,
			 "%s, a file", t->name);
	}
}

/* End of what user space can map, less one page as the kernel has it */
static u64 user_end(void)
{
	u64 la57_end = BIT_ULL(56) - PG;
	void *p = mmap((void *)(la57_end - PG), PG, PROT_NONE, MAP_PRIVATE |
		       MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	return p == MAP_FAILED ? BIT_ULL(47) - PG : la57_end;
}

GMEM_ERRNO_TEST(region2_boundaries)
{
	int kvm = open_kvm_dev_path_or_exit();
	u32 max = gmem_check_cap(kvm, KVM_CAP_NR_MEMSLOTS);
	u64 end = user_end();
	const struct row rows[] = {
		{ "last slot", max - 1, GMEM, 0, PG },
		{ "slot after the last", max, GMEM, 0, PG, .err = EINVAL },
		{ "slot 0xffff", 0xffff, GMEM, 0, PG, .err = EINVAL },
		{ "slot after the last, no file", max, 0, 0, PG, .err = EINVAL },
		{ "slot after the last, deleted", max, 0, 0, 0, .err = EINVAL },
		{ "space 2", 2 << 16, 0, 0, PG, .err = EINVAL },
		{ "space 0xffff", 0xffffU << 16, 0, 0, PG, .err = EINVAL },
		{ "2^31 - 1 pages", 0, GMEM, 0, MAX_PAGES * PG },
		{ "2^31 pages", 0, GMEM, 0, (MAX_PAGES + 1) * PG, .err = EINVAL },
		{ "2^31 pages, no file", 0, 0, 0, (MAX_PAGES + 1) * PG, .err = EINVAL },
		{ "2^52 - 1 pages", 0, GMEM, 0, -PG, .err = EINVAL },
		{ "last gfn wraps", 0, GMEM, -PG, PG, .err = EINVAL },
		{ "last gfn but one", 0, GMEM, -2 * PG, PG },
		{ "two gfns wrap", 0, GMEM, -PG, 2 * PG, .err = EINVAL },
		{ "gfns wrap, no file", 0, 0, -PG, 2 * PG, .err = EINVAL },
		{ "end of user space", 0, GMEM, 0, PG, end - PG },
		{ "beyond user space", 0, GMEM, 0, PG, end, .err = EINVAL },
		{ "half beyond user space", 0, GMEM, 0, 2 * PG, end - PG, .err = EINVAL },
		{ "user range wraps", 0, GMEM, 0, 2 * PG, -PG, .err = EINVAL },
		{ "last offset wraps", 0, GMEM, 0, PG, .offset = -PG, .err = EINVAL },
		{ "last offset but one", 0, GMEM, 0, PG, .offset = -2 * PG },
		{ "offsets wrap", 0, GMEM, 0, 2 * PG, .offset = -PG, .err = EINVAL },
		{ "offset unaligned, no file", 0, 0, 0, PG, .offset = 1 },
	};

	check_rows(rows, ARRAY_SIZE(rows));
}

/* Slots of SMM's address space: ordinary VMs only, and without files */
GMEM_ERRNO_TEST(region_address_spaces)
{
	const struct gmem_type *t;

	for_each_vm_type(t) {
		int vm = gmem_vm_open(t->type), file = gmem_create(vm, FILE_PAGES * PG, 0);
		int spaces = gmem_check_cap(vm, KVM_CAP_MULTI_ADDRESS_SPACE);
		int as;

		gmem_row(bind_file(vm, 0, 0, 1, file, 0), 0, "%s, space 0", t->name);
		for (as = 1; as < 4; as++) {
			/* The same addresses and slot number, but no conflict. */
			gmem_row(__gmem_set_region2(vm, as << 16, 0, 0, PG, NULL, -1, 0),
				 as < spaces ? 0 : EINVAL, "%s, space %d", t->name, as);
			gmem_row(delete(vm, as << 16), as < spaces ? 0 : EINVAL,
				 "%s, space %d, deletion", t->name, as);
			gmem_row(bind_file(vm, (as << 16) + 1, 1, 1, file, 1), EINVAL,
				 "%s, space %d, file", t->name, as);
			gmem_row(bind_file(vm, (as << 16) + 1, 1, 1, -1, 1), EINVAL,
				 "%s, space %d, bad file", t->name, as);
		}
	}
}

GMEM_ERRNO_TEST(region_order_process_pointer_argument)
{
	struct kvm_userspace_memory_region2 bad = {
		.slot = 0xffff, .flags = -1, .memory_size = 1,
	};
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	size_t len;

	gmem_row(gmem_foreign_ioctl(vm, KVM_SET_USER_MEMORY_REGION2, GMEM_BAD_PTR), EIO,
		 "another process, bad pointer");
	gmem_row(gmem_foreign_ioctl(vm, KVM_SET_USER_MEMORY_REGION, GMEM_BAD_PTR), EIO,
		 "another process, bad pointer, version 1");
	gmem_rows_truncated(vm, KVM_SET_USER_MEMORY_REGION2, &bad, sizeof(bad));
	/* Version 1 reads 32 bytes. */
	for (len = 0; len <= 40; len += 8)
		gmem_row(ioctl(vm, KVM_SET_USER_MEMORY_REGION, gmem_truncate(&bad, len)),
			 len < 32 ? EFAULT : EINVAL, "version 1, %zu bytes readable", len);
}

GMEM_ERRNO_TEST(region_padding_each_word)
{
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	int file = gmem_create(vm, 32 * PG, 0), i;

	for (i = 0; i < 15; i++) {
		struct kvm_userspace_memory_region2 args = {
			.slot = i, .flags = GMEM, .guest_phys_addr = i * PG,
			.memory_size = PG, .guest_memfd = file,
			.guest_memfd_offset = i * PG,
		};

		if (i < 14)
			args.pad2[i] = -1;
		else
			args.pad1 = -1;
		gmem_row(ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &args), 0, "word %d", i);
	}
}

/* Bad descriptors of every kind, at free addresses and at taken ones */
GMEM_ERRNO_TEST(region2_descriptors)
{
	int kvm = open_kvm_dev_path_or_exit();
	int vm = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	int same_type = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	int default_vm = gmem_vm_open(KVM_X86_DEFAULT_VM);
	int gone = gmem_vm_open(KVM_X86_SW_PROTECTED_VM);
	int memfd = memfd_create("plain", 0), pipes[2];
	const struct { const char *name; int fd, err; } fds[] = {
		{ "-1", -1, EBADF }, { "-2", -2, EBADF },
		{ "INT_MAX", INT_MAX, EBADF }, { "INT_MIN", INT_MIN, EBADF },
		{ "closed", gmem_closed_fd(), EBADF },
		{ "O_PATH", open("/", O_PATH), EBADF },
		{ "directory", open("/", O_RDONLY), EINVAL },
		{ "/dev/null", open("/dev/null", O_RDWR), EINVAL },
		{ "/dev/zero", open("/dev/zero", O_RDWR), EINVAL },
		{ "/dev/kvm", kvm, EINVAL }, { "this VM", vm, EINVAL },
		{ "another VM", same_type, EINVAL },
		{ "vCPU", ioctl(vm, KVM_CREATE_VCPU, 0), EINVAL },
		{ "memfd", memfd, EINVAL },
		{ "pipe, read end", pipe(pipes) ? -1 : pipes[0], EINVAL },
		{ "pipe, write end", pipes[1], EINVAL },
		{ "eventfd", eventfd(0, 0), EINVAL },
		{ "epoll", epoll_create1(0), EINVAL },
		{ "file of another VM", gmem_create(same_type, FILE_PAGES * PG, 0), EINVAL },
		{ "mappable file of another VM",
		  gmem_create(same_type, FILE_PAGES * PG, GMEM_INPLACE), EINVAL },
		{ "file of a default VM", gmem_create(default_vm, FILE_PAGES * PG, 0), EINVAL },
		{ "file of a closed VM", gmem_create(gone, FILE_PAGES * PG, 0), EINVAL },
	};
	unsigned int i;

	close(gone);
	TEST_ASSERT(!ftruncate(memfd, FILE_PAGES * PG), "ftruncate()");
	gmem_row(__gmem_set_region1(vm, 1, 0, 64 * PG, PG, NULL), 0, "occupant");
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		int fd = fds[i].fd;

		TEST_ASSERT(fd >= 0 || fds[i].err == EBADF, "%s", fds[i].name);
		gmem_row(bind_file(vm, 0, 0, 1, fd, 0), fds[i].err, "%s", fds[i].name);
		gmem_row(bind_file(vm, 0, 64, 1, fd, 0), EEXIST, "%s, address taken", fds[i].name);
		/* The processor cannot map the address. */
		gmem_row(bind_file(vm, 0, BIT_ULL(51), 1, fd, 0), fds[i].err, "%s, gpa 2^63",
			 fds[i].name);
		gmem_row(bind_file(vm, 0x8000, 0, 1, fd, 0), EINVAL, "%s, bad slot", fds[i].name);
		/* Without the flag nobody looks. */
		gmem_row(__gmem_set_region2(vm, 0, 0, 0, PG, NULL, fd, 0), 0, "%s, no flag",
			 fds[i].name);
		gmem_row(__gmem_set_region2(vm, 0, GMEM, 0, 0, NULL, fd, 0), 0,
			 "%s, deletion", fds[i].name);
	}
}

/* Ranges of a file of 16 pages of which pages 4 to 7 are bound */
GMEM_ERRNO_TEST(region2_file_ranges)
{
	const struct { u64 page, pages; int err; } ranges[] = {
		{ 0, 4 }, { 8, 8 }, { 15, 1 }, { 3, 1 }, { 8, 1 },
		{ 4, 4, EEXIST }, { 4, 1, EEXIST }, { 7, 1, EEXIST }, { 5, 2, EEXIST },
		{ 3, 2, EEXIST }, { 7, 2, EEXIST }, { 0, 5, EEXIST }, { 7, 9, EEXIST },
		{ 0, 16, EEXIST }, { 3, 6, EEXIST },
		{ 16, 1, EINVAL }, { 15, 2, EINVAL }, { 0, 17, EINVAL }, { 17, 1, EINVAL },
		/* Beyond the end comes before bound. */
		{ 4, 13, EINVAL }, { 7, 10, EINVAL },
		{ BIT_ULL(51) - 1, 1, EINVAL }, { BIT_ULL(51), 1, EINVAL },
		{ BIT_ULL(52) - 2, 1, EINVAL }, { BIT_ULL(52) - 1, 2, EINVAL },
		{ BIT_ULL(51), 4, EINVAL }, { BIT_ULL(52) - 8, 8, EINVAL },
	};
	const struct gmem_type *t;
	u64 flags;
	unsigned int i;

	for_each_vm_type(t) {
		for (flags = 0; flags < 4; flags++) {
			int vm = gmem_vm_open(t->type);
			int fd = gmem_create(vm, FILE_PAGES * PG, flags);

			gmem_row(bind_file(vm, 9, 1024, 4, fd, 4), 0, "%s, first slot", t->name);
			for (i = 0; i < ARRAY_SIZE(ranges); i++) {
				u64 page = ranges[i].page, pages = ranges[i].pages;
				int err = ranges[i].err;

				gmem_row(bind_file(vm, 0, 0, pages, fd, page), err,
					 "%s, file %lu, pages %#lx + %lu", t->name, flags,
					 page, pages);
				if (!err)
					gmem_row(delete(vm, 0), 0, "%s, deletion", t->name);
				/* Addresses that the processor cannot map: before bound */
				gmem_row(bind_file(vm, 0, BIT_ULL(50), pages, fd, page), EINVAL,
					 "%s, file %lu, pages %#lx + %lu, gpa 2^62",
					 t->name, flags, page, pages);
			}
		}
	}
}

/* Ranges of addresses of which pages 8 to 11 are a slot */
GMEM_ERRNO_TEST(region_address_overlap)
{
	const struct { u64 page, pages; int err; } ranges[] = {
		{ 8, 4, EEXIST }, { 8, 1, EEXIST }, { 11, 1, EEXIST }, { 9, 2, EEXIST },
		{ 7, 2, EEXIST }, { 11, 2, EEXIST }, { 0, 9, EEXIST }, { 0, 64, EEXIST },
		{ 0, MAX_PAGES, EEXIST }, { 7, 1 }, { 12, 1 }, { 0, 8 }, { 12, 64 },
	};
	const struct gmem_type *t;
	unsigned int i;
	int gmem;

	for_each_vm_type(t) {
		for (gmem = 0; gmem < 2; gmem++) {
			int vm = gmem_vm_open(t->type), fd = gmem_create(vm, 256 * PG, 0);

			if (gmem)
				gmem_row(bind_file(vm, 1, 8, 4, fd, 100), 0, "slot with a file");
			else
				gmem_row(__gmem_set_region1(vm, 1, 0, 8 * PG, 4 * PG, NULL),
					 0, "slot without a file");
			for (i = 0; i < ARRAY_SIZE(ranges); i++) {
				u64 page = ranges[i].page, pages = ranges[i].pages;
				int err = ranges[i].err;

				gmem_row(bind_file(vm, 2, page, pages, fd, 0), err,
					 "%s, file %d, gfns %lu + %lu", t->name, gmem, page, pages);
				gmem_row(delete(vm, 2), err ? EINVAL : 0, "deletion");
				gmem_row(__gmem_set_region1(vm, 2, 0, page * PG, pages * PG, NULL),
					 err, "%s, file %d, gfns %lu + %lu, plain", t->name,
					 gmem, page, pages);
				gmem_row(delete(vm, 2), err ? EINVAL : 0, "deletion");
			}
		}
	}
}

GMEM_HARNESS_MAIN
