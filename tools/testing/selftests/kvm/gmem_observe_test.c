// SPDX-License-Identifier: GPL-2.0-only
/*
 * Private guest memory, as the administrator of the host sees it: fdinfo,
 * statistics, gmem_map in debugfs and tracepoints.
 */
#define _GNU_SOURCE
#include <glob.h>
#include <limits.h>

#include "gmem_harness.h"
#include "gmem_knob.h"
#include "gmem_poison.h"
#include "gmem_world.h"

#define TRACING	"/sys/kernel/debug/tracing/"

/* A value of the file's fdinfo, in pages */
static u64 pages_in(int fd, const char *name)
{
	char path[64], text[4096], key[32];
	char *line;
	u64 value;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	gmem_read_knob(path, text, sizeof(text));
	snprintf(key, sizeof(key), "gmem_%s:\t", name);
	line = strstr(text, key);
	TEST_ASSERT(line && sscanf(line + strlen(key), "%lu kB\n", &value) == 1,
		    "no %s in %s", key, text);
	return value * 1024 / PG;
}

static void assert_file(int fd, u64 private_pages, u64 shared_pages)
{
	ASSERT_EQ(pages_in(fd, "size"), PAGES);
	ASSERT_EQ(pages_in(fd, "private"), private_pages);
	ASSERT_EQ(pages_in(fd, "shared"), shared_pages);
	ASSERT_EQ(pages_in(fd, "leaked"), 0);
}

GMEM_TEST(fdinfo_follows_conversions)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	int fd = w.slot.fd;

	assert_file(fd, 0, 0);
	guest_fills(&w, 3, 0x33);
	TEST_ASSERT(gmem_host_write(host(&w, 5), 0x55), "write of page 5");
	assert_file(fd, 0, 2);
	ASSERT_OK(convert(&w, 0, 4, GMEM_PRIVATE));
	assert_file(fd, 1, 1);
	ASSERT_OK(convert_file(&w, 0, PAGES, GMEM_PRIVATE));
	assert_file(fd, 2, 0);
	guest_fills(&w, 6, 0x66);
	assert_file(fd, 3, 0);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	assert_file(fd, 3, 0);
	ASSERT_OK(convert(&w, 6, 1, GMEM_SHARED));
	assert_file(fd, 2, 1);
	gmem_allocate(fd, 0, PAGES * PG);
	assert_file(fd, PAGES - 1, 1);
	gmem_punch(fd, 4 * PG, 3 * PG);
	assert_file(fd, PAGES - 3, 0);
	gmem_punch(fd, 0, PAGES * PG);
	assert_file(fd, 0, 0);
}

GMEM_TEST(fdinfo_of_an_undone_conversion)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	int pipe_fds[2];

	gmem_allocate(w.slot.fd, 0, PAGES * PG);
	assert_host(&w, 9, 0);
	pin(host(&w, 9), pipe_fds);
	ASSERT_ERRNO(convert(&w, 0, PAGES, GMEM_PRIVATE), EAGAIN);
	assert_file(w.slot.fd, 0, PAGES);
	unpin(pipe_fds, 0);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	assert_file(w.slot.fd, PAGES, 0);
}

GMEM_TEST(fdinfo_of_private_files)
{
	struct world w = make_world(GMEM_SLOT_TWO);

	guest_fills(&w, 3, 0x33);
	assert_file(w.slot.fd, 0, 0);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	guest_fills(&w, 3, 0x34);
	assert_file(w.slot.fd, 1, 0);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	assert_file(w.slot.fd, 1, 0);
}

GMEM_TEST(statistics)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	u64 pages = gmem_vm_stat(w.vm, "gmem_private_pages");
	u64 done = gmem_vm_stat(w.vm, "gmem_conversions");
	u64 again = gmem_vm_stat(w.vm, "gmem_conversions_again");
	int pipe_fds[2], other;

	other = gmem_create(w.vm->fd, PAGES * PG, 0);
	gmem_allocate(other, 0, 3 * PG);
	gmem_allocate(w.slot.fd, 0, 2 * PG);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_private_pages"), pages + 3);

	assert_host(&w, 1, 0);
	pin(host(&w, 1), pipe_fds);
	ASSERT_ERRNO(convert(&w, 0, PAGES, GMEM_PRIVATE), EAGAIN);
	unpin(pipe_fds, 0);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_private_pages"), pages + 5);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_conversions"), done + 1);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_conversions_again"), again + 1);

	close(other);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_private_pages"), pages + 2);
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_SHARED));
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_private_pages"), pages);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_conversions"), done + 2);
}

GMEM_TEST(poisoned_pages_are_lost)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);

	gmem_allocate(w.slot.fd, 0, PAGES * PG);
	assert_host(&w, 3, 0);
	gmem_poison(host(&w, 3));
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_poisoned_pages"), 1);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_leaked_pages"), 0);
	assert_file(w.slot.fd, 0, PAGES);
	gmem_punch(w.slot.fd, 0, PAGES * PG);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_poisoned_pages"), 1);
	ASSERT_EQ(gmem_vm_stat(w.vm, "gmem_leaked_pages"), 1);
	ASSERT_EQ(pages_in(w.slot.fd, "leaked"), 1);
	ASSERT_EQ(pages_in(w.slot.fd, "shared"), 0);
}

static void map_path(int vm, char *path, size_t size)
{
	snprintf(path, size, "/sys/kernel/debug/kvm/%d-%d/gmem_map", getpid(), vm);
}

/* The lines of the map that are about a slot */
static void assert_map(const struct kvm_vm *vm, u32 slot, const char *expected)
{
	char path[PATH_MAX], text[8192], found[1024] = "", tag[16];
	char *line, *rest = text;

	map_path(vm->fd, path, sizeof(path));
	gmem_read_knob(path, text, sizeof(text));
	snprintf(tag, sizeof(tag), " 0:%u ", slot);
	while ((line = strsep(&rest, "\n"))) {
		if (strstr(line, tag)) {
			strcat(found, line);
			strcat(found, "\n");
		}
	}
	TEST_ASSERT(!strcmp(found, expected), "found:\n%sexpected:\n%s", found,
		    expected);
}

GMEM_TEST(map)
{
	struct world w = make_world(GMEM_SLOT_TWO);

	assert_map(w.vm, SLOT, "0000000100000000-0000000100010000 0:10 shared file\n");
	ASSERT_OK(convert(&w, 0, PAGES, GMEM_PRIVATE));
	assert_map(w.vm, SLOT, "0000000100000000-0000000100010000 0:10 private file\n");
	ASSERT_OK(convert(&w, 4, 2, GMEM_SHARED));
	assert_map(w.vm, SLOT,
		   "0000000100000000-0000000100004000 0:10 private file\n"
		   "0000000100004000-0000000100006000 0:10 shared file\n"
		   "0000000100006000-0000000100010000 0:10 private file\n");
	gmem_slot_delete(&w.slot, w.vm->fd);
	assert_map(w.vm, SLOT, "");
}

GMEM_TEST(map_of_an_ordinary_vm)
{
	struct kvm_vm *vm = vm_create_barebones();

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, 0x100000, 3, 2, 0);
	assert_map(vm, 3, "0000000000100000-0000000000102000 0:3 shared memory\n");
}

/* More than seq_file's first buffer, and one read after the other */
GMEM_TEST(map_in_pieces)
{
	struct kvm_vm *vm = vm_create_barebones();
	char path[PATH_MAX], text[512];
	unsigned int i, lines = 0;
	ssize_t len;
	int fd;

	for (i = 0; i < 200; i++)
		vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS,
					    0x100000 + i * 0x2000, i, 1, 0);
	map_path(vm->fd, path, sizeof(path));
	fd = open(path, O_RDONLY);
	while ((len = read(fd, text, sizeof(text))) > 0) {
		for (i = 0; i < len; i++)
			lines += text[i] == '\n';
	}
	ASSERT_EQ(len, 0);
	ASSERT_EQ(lines, 200);
}

GMEM_TEST(map_outlives_its_vm)
{
	int vm = gmem_vm_open(GMEM_VM_PROTECTED);
	char path[PATH_MAX], text[16];
	int map;

	map_path(vm, path, sizeof(path));
	map = open(path, O_RDONLY);
	TEST_ASSERT(map >= 0, "open of %s: %s", path, strerror(errno));
	close(vm);
	ASSERT_EQ(read(map, text, sizeof(text)), 0);
	ASSERT_OK(close(map));
	ASSERT_ERRNO(open(path, O_RDONLY), ENOENT);
}

#define OLD_LINE	"0000000000100000-0000000000101000 0:3 shared file\n"
#define NEW_LINE	"0000000000200000-0000000000201000 0:4 shared memory\n"

/* The only map of this process whose VM has no descriptor any more */
static void assert_moved_map(int vm, const char *expected)
{
	char pattern[PATH_MAX], text[512];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/kernel/debug/kvm/%d-%d.*/gmem_map", getpid(), vm);
	TEST_ASSERT(!glob(pattern, 0, NULL, &found) == !!expected, "%s", pattern);
	if (!expected)
		return;
	ASSERT_EQ(found.gl_pathc, 1);
	gmem_read_knob(found.gl_pathv[0], text, sizeof(text));
	TEST_ASSERT(!strcmp(text, expected), "%s: %s", found.gl_pathv[0], text);
}

static int vm_with_a_slot(int kvm, u32 slot, u64 gpa, int *file)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, GMEM_VM_PROTECTED);

	TEST_ASSERT(vm >= 0, "KVM_CREATE_VM: %s", strerror(errno));
	if (file)
		*file = gmem_create(vm, PG, 0);
	gmem_set_region2(vm, slot, file ? KVM_MEM_GUEST_MEMFD : 0, gpa, PG, gmem_mmap_anon(PG),
			 file ? *file : -1, 0);
	return vm;
}

/* A file keeps its VM, whose descriptor's number the next VM gets. */
GMEM_TEST(map_of_a_second_vm)
{
	int kvm = open_kvm_dev_path_or_exit(), file, map, vm;
	char path[PATH_MAX], text[512] = {};

	vm = vm_with_a_slot(kvm, 3, 0x100000, &file);
	map_path(vm, path, sizeof(path));
	map = open(path, O_RDONLY);
	close(vm);
	ASSERT_EQ(vm_with_a_slot(kvm, 4, 0x200000, NULL), vm);

	gmem_read_knob(path, text, sizeof(text));
	TEST_ASSERT(!strcmp(text, NEW_LINE), "%s: %s", path, text);
	assert_moved_map(vm, OLD_LINE);
	memset(text, 0, sizeof(text));
	TEST_ASSERT(read(map, text, sizeof(text)) > 0 && !strcmp(text, OLD_LINE),
		    "the open map: %s", text);
	close(map);
	close(file);
	assert_moved_map(vm, NULL);
	gmem_read_knob(path, text, sizeof(text));
	TEST_ASSERT(!strcmp(text, NEW_LINE), "%s: %s", path, text);
	close(vm);
	ASSERT_ERRNO(open(path, O_RDONLY), ENOENT);
}

static void trace_events(const char *on)
{
	static const char * const events[] = {
		"kvm_convert_gfns", "kvm_convert_file", "kvm_private_fault",
		"kvm_memory_fault_exit", "kvm_gmem_poison",
	};
	char path[PATH_MAX];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(path, sizeof(path), TRACING "events/kvm/%s/enable",
			 events[i]);
		TEST_ASSERT(gmem_write_knob(path, on), "%s: %s", path,
			    strerror(errno));
	}
}

static void assert_traced(const char *text, const char *event)
{
	TEST_ASSERT(strstr(text, event), "no \"%s\" in:\n%s", event, text);
}

GMEM_TEST(events)
{
	struct world w = make_world(GMEM_SLOT_INPLACE);
	static char text[65536];

	close(open(TRACING "trace", O_WRONLY | O_TRUNC));
	trace_events("1");
	ASSERT_OK(convert(&w, 4, 2, GMEM_PRIVATE));
	guest_fills(&w, 4, 0x44);
	ASSERT_OK(convert_file(&w, 4, 2, GMEM_SHARED));
	assert_host(&w, 4, 0);
	gmem_poison(host(&w, 4));
	trace_events("0");

	gmem_read_knob(TRACING "trace", text, sizeof(text));
	assert_traced(text, "kvm_convert_gfns: [100004, 100006) attributes 8 result 0");
	assert_traced(text, "kvm_private_fault: vcpu 0 gfn 100004 ");
	assert_traced(text, " max level 1 private");
	assert_traced(text, "kvm_convert_file: [4, 6) attributes 0 result 0");
	assert_traced(text, "kvm_gmem_poison: offset 4 pfn ");
}

GMEM_TEST(events_of_exits)
{
	struct world w = make_world(GMEM_SLOT_PLAIN);
	static char text[65536];

	ASSERT_OK(convert(&w, 2, 1, GMEM_PRIVATE));
	close(open(TRACING "trace", O_WRONLY | O_TRUNC));
	trace_events("1");
	gmem_cmd_fault(w.vcpu, GMEM_CMD_READ, gpa(2), 0,
		       KVM_MEMORY_EXIT_FLAG_PRIVATE);
	trace_events("0");

	gmem_read_knob(TRACING "trace", text, sizeof(text));
	assert_traced(text, "kvm_memory_fault_exit: vcpu 0 gfn 100002 private");
}

GMEM_HARNESS_MAIN
