// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory: every way to change, to move and to delete a memslot,
 * and what a memslot with a file refuses.
 */
#define _GNU_SOURCE

#include "gmem_errno.h"
#include "gmem_world.h"

#define GMEM		KVM_MEM_GUEST_MEMFD
#define LOG		KVM_MEM_LOG_DIRTY_PAGES
#define RO		KVM_MEM_READONLY
#define FILE_PAGES	16

/* A slot of pages 8 to 11, and another one of pages 16 to 19 */
#define BASE		(8 * PG)
#define SIZE		(4 * PG)
#define NEIGHBOUR	(16 * PG)
#define ID		3
#define NEIGHBOUR_ID	4

enum slot_kind { PLAIN, LOGGED, READONLY, WITH_FILE, NR_KINDS };

static const struct {
	const char *name;
	u32 flags;
} kinds[NR_KINDS] = {
	[PLAIN] = { "plain", 0 },
	[LOGGED] = { "log-dirty", LOG },
	[READONLY] = { "read-only", RO },
	[WITH_FILE] = { "with a file", GMEM },
};

struct slots {
	int vm;
	int file;
	u8 *hva;
};

static struct slots make_slots(unsigned long type, enum slot_kind kind, u8 *hva)
{
	struct slots s = { .vm = gmem_vm_open(type), .hva = hva };

	s.file = gmem_create(s.vm, FILE_PAGES * PG, 0);
	gmem_set_region2(s.vm, ID, kinds[kind].flags, BASE, SIZE, hva, s.file, 0);
	gmem_set_region2(s.vm, NEIGHBOUR_ID, 0, NEIGHBOUR, SIZE, hva, -1, 0);
	return s;
}

static void drop_slots(const struct slots *s)
{
	close(s->file);
	close(s->vm);
}

#define SAME	(~0U)

/* What slot ID shall become, and what each state of it says to that */
static const struct change {
	const char *name;
	u32 flags;
	u64 gpa, size, hva;	/* the last relative to the slot's */
	int err[NR_KINDS];
} changes[] = {
	{ "nothing", SAME, BASE, SIZE, 0, { 0, 0, 0, EINVAL } },
	{ "no flags", 0, BASE, SIZE, 0, { 0, 0, EINVAL, EINVAL } },
	{ "log-dirty", LOG, BASE, SIZE, 0, { 0, 0, EINVAL, EINVAL } },
	{ "read-only", RO, BASE, SIZE, 0, { EINVAL, EINVAL, 0, EINVAL } },
	{ "both flags", LOG | RO, BASE, SIZE, 0, { EINVAL, EINVAL, 0, EINVAL } },
	{ "a file", GMEM, BASE, SIZE, 0, { EINVAL, EINVAL, EINVAL, EINVAL } },
	{ "a file, moved", GMEM, 0, SIZE, 0, { EINVAL, EINVAL, EINVAL, EINVAL } },
	{ "a file, at a taken address", GMEM, NEIGHBOUR, SIZE, 0,
	  { EINVAL, EINVAL, EINVAL, EINVAL } },
	{ "unknown flag", BIT(3), BASE, SIZE, 0, { EINVAL, EINVAL, EINVAL, EINVAL } },
	{ "moved", SAME, 0, SIZE, 0, { 0, 0, 0, EINVAL } },
	{ "moved over itself", SAME, BASE + PG, SIZE, 0, { 0, 0, 0, EINVAL } },
	{ "moved, log-dirty", LOG, 0, SIZE, 0, { 0, 0, EINVAL, EINVAL } },
	{ "moved to a taken address", SAME, NEIGHBOUR, SIZE, 0,
	  { EEXIST, EEXIST, EEXIST, EINVAL } },
	{ "moved half to a taken address", SAME, NEIGHBOUR - PG, SIZE, 0,
	  { EEXIST, EEXIST, EEXIST, EINVAL } },
	{ "read-only at a taken address", RO, NEIGHBOUR, SIZE, 0,
	  { EINVAL, EINVAL, EEXIST, EINVAL } },
	{ "moved beyond the processor's", SAME, BIT_ULL(60), SIZE, 0,
	  { EINVAL, EINVAL, EINVAL, EINVAL } },
	{ "moved where it wraps", SAME, -SIZE, SIZE, 0, { EINVAL, EINVAL, EINVAL, EINVAL } },
	{ "moved, unaligned", SAME, 1, SIZE, 0, { EINVAL, EINVAL, EINVAL, EINVAL } },
	{ "smaller", SAME, BASE, PG, 0, { EINVAL, EINVAL, EINVAL, EINVAL } },
	{ "larger", SAME, BASE, SIZE + PG, 0, { EINVAL, EINVAL, EINVAL, EINVAL } },
	{ "larger than the gap", SAME, BASE, 9 * PG, 0, { EINVAL, EINVAL, EINVAL, EINVAL } },
	{ "other memory", SAME, BASE, SIZE, PG, { EINVAL, EINVAL, EINVAL, EINVAL } },
	{ "other memory at a taken address", SAME, NEIGHBOUR, SIZE, PG,
	  { EINVAL, EINVAL, EINVAL, EINVAL } },
	{ "unaligned memory", SAME, BASE, SIZE, 1, { EINVAL, EINVAL, EINVAL, EINVAL } },
};

/* After a refusal the slot is where it was, with its file. */
static void check_unchanged(const struct slots *s, enum slot_kind kind, const char *what)
{
	u32 flags = kinds[kind].flags;

	gmem_row(__gmem_set_region1(s->vm, 9, 0, BASE + PG, PG, NULL), EEXIST,
		 "%s: the slot holds its addresses", what);
	if (kind != WITH_FILE) {
		gmem_row(__gmem_set_region1(s->vm, ID, flags, BASE, SIZE, s->hva), 0,
			 "%s: the slot is what it was", what);
		return;
	}
	gmem_row(__gmem_set_region2(s->vm, 9, GMEM, 0, PG, NULL, s->file, SIZE - PG),
		 EEXIST, "%s: the slot holds its file", what);
	gmem_row(__gmem_set_region2(s->vm, 9, GMEM, 0, PG, NULL, s->file, SIZE), 0,
		 "%s: and not more of it", what);
}

static void check_change(const struct gmem_type *t, enum slot_kind kind,
			 const struct change *c, unsigned int version)
{
	u8 *hva = (u8 *)BIT_ULL(32);
	struct slots s = make_slots(t->type, kind, hva);
	u32 flags = c->flags == SAME ? kinds[kind].flags : c->flags;
	char what[128];
	long ret;

	snprintf(what, sizeof(what), "%s, %s, version %u: %s", t->name,
		 kinds[kind].name, version, c->name);
	if (version == 1)
		ret = __gmem_set_region1(s.vm, ID, flags, c->gpa, c->size, hva + c->hva);
	else
		ret = __gmem_set_region2(s.vm, ID, flags, c->gpa, c->size, hva + c->hva,
					 s.file, 0);
	gmem_row(ret, c->err[kind], "%s", what);
	if (c->err[kind]) {
		check_unchanged(&s, kind, what);
		/* The file is not looked at. */
		gmem_row(__gmem_set_region2(s.vm, ID, flags, c->gpa, c->size,
					    hva + c->hva, -1, 0),
			 c->err[kind], "%s, bad file", what);
	}
	drop_slots(&s);
}

static void check_changes(enum slot_kind kind)
{
	const struct gmem_type *t;
	unsigned int i;

	for_each_vm_type(t) {
		for (i = 0; i < ARRAY_SIZE(changes); i++) {
			check_change(t, kind, &changes[i], 1);
			check_change(t, kind, &changes[i], 2);
		}
	}
}

GMEM_ERRNO_TEST(changes_of_a_plain_slot)
{
	check_changes(PLAIN);
}

GMEM_ERRNO_TEST(changes_of_a_logged_slot)
{
	check_changes(LOGGED);
}

GMEM_ERRNO_TEST(changes_of_a_readonly_slot)
{
	check_changes(READONLY);
}

GMEM_ERRNO_TEST(changes_of_a_slot_with_a_file)
{
	check_changes(WITH_FILE);
}

static const struct deletion {
	const char *name;
	u32 flags;
	u64 gpa, hva, offset;
	int err;
} deletions[] = {
	{ "no flags" }, { "log-dirty", LOG }, { "read-only", RO },
	{ "both flags", LOG | RO }, { "a file", GMEM }, { "other gpa", 0, 64 * PG },
	{ "gpa of another slot", 0, NEIGHBOUR }, { "last gfn", 0, -PG },
	{ "other memory", 0, 0, 64 * PG }, { "other offset", GMEM, 0, 0, 64 * PG },
	{ "offset unaligned, no flag", 0, 0, 0, 1 },
	{ "last offset", GMEM, 0, 0, -PG },
	{ "unknown flag", BIT(3), .err = EINVAL },
	{ "last flag", BIT(31), .err = EINVAL },
	{ "a file and log-dirty", GMEM | LOG, .err = EINVAL },
	{ "a file and read-only", GMEM | RO, .err = EINVAL },
	{ "gpa unaligned", 0, 1, .err = EINVAL },
	{ "memory unaligned", 0, 0, 1, .err = EINVAL },
	{ "memory beyond user space", 0, 0, -PG, .err = EINVAL },
	{ "offset unaligned", GMEM, 0, 0, 1, .err = EINVAL },
};

static void check_deletion(const struct gmem_type *t, enum slot_kind kind,
			   const struct deletion *d)
{
	struct slots s = make_slots(t->type, kind, NULL);
	const char *name = kinds[kind].name;

	gmem_row(__gmem_set_region2(s.vm, ID, d->flags, d->gpa, 0, (void *)d->hva,
				    -1, d->offset), d->err, "%s, %s: %s", t->name, name, d->name);
	if (d->err)
		check_unchanged(&s, kind, d->name);
	gmem_row(__gmem_set_region1(s.vm, ID, 0, 0, 0, NULL), d->err ? 0 : EINVAL,
		 "%s, %s: %s, then version 1", t->name, name, d->name);
	gmem_row(__gmem_set_region2(s.vm, ID, d->flags, d->gpa, 0, (void *)d->hva,
				    -1, d->offset), EINVAL, "%s, %s: %s, no slot", t->name,
		 name, d->name);
	drop_slots(&s);
}

GMEM_ERRNO_TEST(deletion_arguments)
{
	const struct gmem_type *t;
	enum slot_kind kind;
	unsigned int i;

	for_each_vm_type(t) {
		for (kind = 0; kind < NR_KINDS; kind++) {
			for (i = 0; i < ARRAY_SIZE(deletions); i++)
				check_deletion(t, kind, &deletions[i]);
		}
	}
}

/* Number, addresses and file are free again, for every state. */
GMEM_ERRNO_TEST(reuse_after_deletion)
{
	const struct gmem_type *t;
	enum slot_kind from, to;

	for_each_vm_type(t) {
		for (from = 0; from < NR_KINDS; from++) {
			struct slots s = make_slots(t->type, from, NULL);

			for (to = 0; to < NR_KINDS; to++) {
				gmem_row(__gmem_set_region1(s.vm, ID, 0, 0, 0, NULL), 0,
					 "%s, %s: deletion", t->name, kinds[from].name);
				gmem_row(__gmem_set_region2(s.vm, ID, kinds[to].flags, BASE,
							    SIZE, NULL, s.file, 0), 0,
					 "%s, %s, then %s", t->name, kinds[from].name,
					 kinds[to].name);
			}
			drop_slots(&s);
		}
	}
}

/* A slot with a file has no dirty log. */
GMEM_ERRNO_TEST(dirty_log)
{
	static const int errs[NR_KINDS] = { ENOENT, 0, ENOENT, ENOENT };
	const struct gmem_type *t;
	enum slot_kind kind;

	for_each_vm_type(t) {
		for (kind = 0; kind < NR_KINDS; kind++) {
			struct slots s = make_slots(t->type, kind, NULL);
			u64 bits[8] = {};
			struct kvm_dirty_log get = { .slot = ID, .dirty_bitmap = bits };
			struct kvm_clear_dirty_log clear = {
				.slot = ID, .num_pages = 4, .dirty_bitmap = bits,
			};

			gmem_row(ioctl(s.vm, KVM_CLEAR_DIRTY_LOG, &clear), errs[kind],
				 "%s, %s: clear", t->name, kinds[kind].name);
			gmem_row(ioctl(s.vm, KVM_GET_DIRTY_LOG, &get), errs[kind],
				 "%s, %s: get", t->name, kinds[kind].name);
			drop_slots(&s);
		}
	}
}

/* The file's descriptor matters when the slot is created, and only then. */
GMEM_ERRNO_TEST(descriptor_closed_beside_a_slot)
{
	const struct gmem_type *t;

	for_each_vm_type(t) {
		struct slots s = make_slots(t->type, WITH_FILE, NULL);
		int second = dup(s.file);

		close(s.file);
		gmem_row(__gmem_set_region2(s.vm, 9, GMEM, 0, PG, NULL, s.file, SIZE), EBADF,
			 "%s, closed", t->name);
		gmem_row(__gmem_set_region2(s.vm, 9, GMEM, 0, PG, NULL, second, 0), EEXIST,
			 "%s, second descriptor, bound", t->name);
		gmem_row(__gmem_set_region2(s.vm, 9, GMEM, 0, PG, NULL, second, SIZE), 0,
			 "%s, second descriptor", t->name);
		close(second);
		gmem_row(__gmem_set_region1(s.vm, ID, 0, BASE, SIZE, NULL), EINVAL,
			 "%s, no descriptor, flag", t->name);
		gmem_row(__gmem_set_region1(s.vm, ID, 0, 0, 0, NULL), 0,
			 "%s, no descriptor, deletion", t->name);
		close(s.vm);
	}
}

/* Bound comes before referenced, and both after a look at the addresses. */
GMEM_ERRNO_TEST(binding_of_a_referenced_page)
{
	int vm = gmem_vm_open(GMEM_VM_PROTECTED), fds[2];
	int file = gmem_create(vm, FILE_PAGES * PG, GMEM_INPLACE);
	u8 *mem = gmem_mmap(file, FILE_PAGES * PG, 0);

	memset(mem, 0x11, FILE_PAGES * PG);
	gmem_set_region2(vm, 0, GMEM, 0, SIZE, mem, file, 0);
	gmem_set_attrs(vm, 64 * PG, 64 * PG, GMEM_PRIVATE);
	pin(mem + PG, fds);
	gmem_row(__gmem_set_region2(vm, 1, GMEM, 64 * PG, SIZE, mem, file, 0), EEXIST,
		 "bound and referenced");
	gmem_row(__gmem_set_region1(vm, 0, 0, 0, 0, NULL), 0, "deletion");
	gmem_row(__gmem_set_region2(vm, 1, GMEM, BIT_ULL(60), SIZE, mem, file, 0), EINVAL,
		 "gpa 2^60");
	gmem_row(__gmem_set_region2(vm, 1, GMEM, 64 * PG, SIZE, mem, file, 0), EAGAIN,
		 "referenced");
	gmem_row(__gmem_set_region2(vm, 1, GMEM, 64 * PG, PG, mem, file, 0), 0,
		 "its neighbour");
	gmem_row(__gmem_set_region2(vm, 2, GMEM, 0, SIZE, mem, file, PG), 0,
		 "referenced, at shared addresses");
	unpin(fds, 0x11);
}

GMEM_HARNESS_MAIN
