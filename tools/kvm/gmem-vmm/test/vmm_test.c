// SPDX-License-Identifier: GPL-2.0-only
/*
 * gmem-vmm's messages and exit codes, with guests of a few instructions.
 *
 * Usage: vmm_test [GMEM_VMM]; prints KTAP.  Needs /dev/kvm.  Where the host
 * has no software-protected VMs, those that want one must be refused.
 */
#include <asm/bootparam.h>
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SETUP_BYTES	1024		/* one boot sector, one setup sector */
#define ENTRY		0x200		/* 64-bit entry, from the loaded image */
#define IMAGE_BYTES	(SETUP_BYTES + 8192)
#define HDR_OFFSET	0x1f1
#define MAX_ARGS	12
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* What is done to a good image. */
enum damage {
	WHOLE, MISSING, EMPTY, SHORT, CORRUPT, BITS_32, OLD, NOT_BZIMAGE,
};

/* Instructions of a guest. */
struct code {
	size_t size;
	__u8 bytes[128];
};

static void emit(struct code *c, const void *bytes, size_t size)
{
	memcpy(c->bytes + c->size, bytes, size);
	c->size += size;
}

#define EMIT(c, ...) \
	emit(c, (__u8[]){ __VA_ARGS__ }, sizeof((__u8[]){ __VA_ARGS__ }))

static void emit_u32(struct code *c, __u8 opcode, __u32 value)
{
	EMIT(c, opcode);
	emit(c, &value, sizeof(value));
}

/* mov $0x3400, %ax; mov $0x604, %dx; out %ax, %dx; jmp . */
static void guest_off(struct code *c)
{
	EMIT(c, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xba, 0x04, 0x06);
	EMIT(c, 0x66, 0xef, 0xeb, 0xfe);
}

/* add $n, %al; mov $0x3f8, %dx; out %al, %dx; then power off */
static void print_al_plus(struct code *c, int n)
{
	EMIT(c, 0x04, (__u8)n, 0x66, 0xba, 0xf8, 0x03, 0xee);
	guest_off(c);
}

/* mov $12, %eax; mov $gpa, %ebx; mov $1, %ecx; mov $attr, %edx; hypercall */
static void map_gpa(struct code *c, __u32 gpa, __u32 attr)
{
	unsigned int eax, ebx = 0, ecx, edx;

	emit_u32(c, 0xb8, KVM_HC_MAP_GPA_RANGE);
	emit_u32(c, 0xbb, gpa);
	emit_u32(c, 0xb9, 1);
	emit_u32(c, 0xba, attr);
	__get_cpuid(0, &eax, &ebx, &ecx, &edx);
	EMIT(c, 0x0f, 0x01, ebx == signature_INTEL_ebx ? 0xc1 : 0xd9);
}

/* xor %eax, %eax */
static void guest_print(struct code *c)
{
	EMIT(c, 0x31, 0xc0);
	print_al_plus(c, 'A');
}

/* ud2, without any IDT */
static void guest_crash(struct code *c)
{
	EMIT(c, 0x0f, 0x0b);
}

/* jmp . */
static void guest_spin(struct code *c)
{
	EMIT(c, 0xeb, 0xfe);
}

/* mov $6, %al; mov $0xcf9, %dx; out %al, %dx; jmp . */
static void guest_reset(struct code *c)
{
	EMIT(c, 0xb0, 0x06, 0x66, 0xba, 0xf9, 0x0c, 0xee, 0xeb, 0xfe);
}

/*
 * Store 2, offer the page, take it back; print 'A' plus both results, plus
 * what the page holds then.
 */
static void guest_convert(struct code *c)
{
	const __u32 gpa = 0x3000000;

	EMIT(c, 0xc6, 0x04);		/* movb $2, gpa */
	emit_u32(c, 0x25, gpa);
	EMIT(c, 2);
	map_gpa(c, gpa, KVM_MAP_GPA_RANGE_DECRYPTED | KVM_MAP_GPA_RANGE_KEEP);
	EMIT(c, 0x41, 0x88, 0xc0);	/* mov %al, %r8b */
	map_gpa(c, gpa, KVM_MAP_GPA_RANGE_ENCRYPTED);
	EMIT(c, 0x44, 0x00, 0xc0);	/* add %r8b, %al */
	EMIT(c, 0x02, 0x04);		/* add gpa, %al */
	emit_u32(c, 0x25, gpa);
	print_al_plus(c, 'A');
}

/*
 * Listen as a driver does, wait for a byte, print its successor:
 * mov $8, %al; mov $0x3fc, %dx; out; mov $1, %al; mov $0x3f9, %dx; out;
 * mov $0x3fd, %dl; 1: in; test $1, %al; jz 1b; mov $0x3f8, %dx; in
 */
static void guest_input(struct code *c)
{
	EMIT(c, 0xb0, 0x08, 0x66, 0xba, 0xfc, 0x03, 0xee);
	EMIT(c, 0xb0, 0x01, 0x66, 0xba, 0xf9, 0x03, 0xee, 0xb2, 0xfd);
	EMIT(c, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0x66, 0xba, 0xf8, 0x03, 0xec);
	print_al_plus(c, 1);
}

/* Outside memory: -EINVAL. */
static void guest_bad_gpa(struct code *c)
{
	map_gpa(c, 0x40000000, KVM_MAP_GPA_RANGE_DECRYPTED);
	print_al_plus(c, 'E' + EINVAL);
}

/* Unknown attribute bits: -EINVAL. */
static void guest_bad_attr(struct code *c)
{
	map_gpa(c, 0x3000000, 0x20);
	print_al_plus(c, 'E' + EINVAL);
}

struct test {
	const char *name;
	void (*code)(struct code *c);	/* NULL: no --kernel */
	enum damage damage;
	bool private;
	const char *args[MAX_ARGS];
	int status;
	const char *text;	/* must be in the output */
};

static const struct test tests[] = {
	{ "help", NULL, MISSING, false, { "--help" }, 0, "--kernel FILE" },
	{ "bad_option", guest_off, WHOLE, false, { "--frob" }, 2, "--help" },
	{ "bad_memory_size", guest_off, WHOLE, false, { "--mem", "12Q" }, 2,
	  "give a size" },
	{ "bad_cpus", guest_off, WHOLE, false, { "--cpus", "0" }, 2,
	  "from 1 to 64" },
	{ "no_kernel_option", NULL, MISSING, false, { "--mem", "64M" }, 2,
	  "--kernel FILE is missing" },
	{ "kernel_missing", guest_off, MISSING, false, { "--shared" }, 4,
	  "No such file" },
	{ "kernel_empty", guest_off, EMPTY, false, { "--shared" }, 4, "empty" },
	{ "kernel_cut_short", guest_off, SHORT, false, { "--shared" }, 4,
	  "cut short" },
	{ "kernel_corrupt", guest_off, CORRUPT, false, { "--shared" }, 4,
	  "corrupt" },
	{ "kernel_32_bit", guest_off, BITS_32, false, { "--shared" }, 4,
	  "32-bit" },
	{ "kernel_too_old", guest_off, OLD, false, { "--shared" }, 4,
	  "too old" },
	{ "kernel_not_bzimage", guest_off, NOT_BZIMAGE, false, { "--shared" },
	  4, "not a bzImage" },
	{ "initrd_missing", guest_off, WHOLE, false,
	  { "--shared", "--initrd", "/nonexistent" }, 4, "No such file" },
	{ "initrd_garbage", guest_off, WHOLE, false,
	  { "--shared", "--initrd", "/proc/self/exe" }, 4, "neither a cpio" },
	{ "too_little_memory", guest_off, WHOLE, false,
	  { "--shared", "--mem", "32M" }, 4, "is too little" },
	{ "shared_power_off", guest_off, WHOLE, false, { "--shared" }, 0,
	  "powered off" },
	{ "shared_console", guest_print, WHOLE, false, { "--shared" }, 0, "A" },
	{ "shared_input", guest_input, WHOLE, false, { "--shared" }, 0, "R" },
	{ "shared_reset", guest_reset, WHOLE, false, { "--shared" }, 6,
	  "reset" },
	{ "shared_triple_fault", guest_crash, WHOLE, false, { "--shared" }, 5,
	  "triple fault" },
	{ "shared_timeout", guest_spin, WHOLE, false,
	  { "--shared", "--timeout", "1", "--cpus", "2" }, 5, "has not ended" },
	{ "shared_bad_gpa", guest_bad_gpa, WHOLE, false, { "--shared" }, 0,
	  "E" },
	{ "shared_high_memory", guest_print, WHOLE, false,
	  { "--shared", "--mem", "4G" }, 0, "A" },
	{ "private_power_off", guest_off, WHOLE, true, { NULL }, 0,
	  "powered off" },
	{ "private_console", guest_print, WHOLE, true, { NULL }, 0, "A" },
	{ "sealed_console", guest_print, WHOLE, true, { "--seal", "--cpus", "2" },
	  0, "launch_digest=" },
	{ "sealed_convert", guest_convert, WHOLE, true, { "--seal" }, 0, "C" },
	{ "sealed_triple_fault", guest_crash, WHOLE, true, { "--seal" }, 5,
	  "triple fault" },
	{ "sealed_shared", guest_off, WHOLE, false, { "--seal", "--shared" }, 2,
	  "cannot be sealed" },
	{ "private_reset", guest_reset, WHOLE, true, { NULL }, 6, "reset" },
	{ "private_triple_fault", guest_crash, WHOLE, true, { NULL }, 5,
	  "triple fault" },
	{ "private_timeout", guest_spin, WHOLE, true,
	  { "--timeout", "1", "--cpus", "2" }, 5, "has not ended" },
	{ "private_convert", guest_convert, WHOLE, true, { NULL }, 0, "C" },
	{ "private_bad_gpa", guest_bad_gpa, WHOLE, true, { NULL }, 0, "E" },
	{ "private_bad_attributes", guest_bad_attr, WHOLE, true, { NULL }, 0,
	  "E" },
	{ "private_high_memory", guest_print, WHOLE, true,
	  { "--mem", "4G" }, 0, "A" },
	{ "private_bit", guest_print, WHOLE, true,
	  { "--private-bit", "--seal", "--audit" }, 0, "wrong=0" },
	{ "private_bit_convert", guest_convert, WHOLE, true,
	  { "--private-bit=36" }, 0, "C" },
	{ "private_bit_too_high", guest_off, WHOLE, false, { "--private-bit=48" }, 2,
	  "from 32 to 47" },
	{ "private_bit_shared", guest_off, WHOLE, false,
	  { "--private-bit", "--shared" }, 2, "ordinary VM has none" },
	{ "low_memory", guest_print, WHOLE, false,
	  { "--shared", "--mem", "256M", "--low", "128M" }, 0, "A" },
	{ "low_memory_too_much", guest_off, WHOLE, false, { "--low", "4G" }, 2,
	  "3G at most" },
	{ "disk_missing", guest_off, WHOLE, false,
	  { "--shared", "--disk", "/nonexistent" }, 2, "No such file" },
	{ "disk_empty", guest_off, WHOLE, false, { "--shared", "--disk", "/dev/null" },
	  2, "smaller than a sector" },
	{ "disk_private", guest_off, WHOLE, false, { "--disk", "/dev/null" }, 2,
	  "shares no memory" },
};

static const char *vmm = "/bin/gmem-vmm";
static char image_path[64];
static bool have_private, have_bit;

static bool wants_bit(const struct test *t)
{
	static const char option[] = "--private-bit";

	return t->args[0] && !strncmp(t->args[0], option, sizeof(option) - 1);
}

static __u32 crc32(const __u8 *p, size_t size)
{
	__u32 crc = ~0U;
	int bit;

	while (size--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return crc;
}

static void build_image(__u8 *image, const struct test *t)
{
	struct setup_header hdr = {
		.setup_sects = SETUP_BYTES / 512 - 1,
		.syssize = (IMAGE_BYTES - SETUP_BYTES) / 16,
		.boot_flag = 0xaa55,
		.jump = 0x66eb,
		.header = 0x53726448,
		.version = t->damage == OLD ? 0x20b : 0x20c,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = t->damage == BITS_32 ? 0 : XLF_KERNEL_64,
		.cmdline_size = 255,
		.pref_address = 0x1000000,
		.init_size = 0x100000,
	};
	__u8 *entry = image + SETUP_BYTES + ENTRY;
	struct code code = { 0 };
	__u32 crc;

	memset(image, 0, IMAGE_BYTES);
	memcpy(image + HDR_OFFSET, &hdr, sizeof(hdr));
	t->code(&code);
	memcpy(entry, code.bytes, code.size);
	crc = crc32(image, IMAGE_BYTES - sizeof(crc));
	memcpy(image + IMAGE_BYTES - sizeof(crc), &crc, sizeof(crc));
	if (t->damage == CORRUPT)
		entry[0] ^= 1;
	if (t->damage == NOT_BZIMAGE)
		image[0x202] = 'X';
}

static bool write_image(const struct test *t)
{
	__u8 image[IMAGE_BYTES + 4096] = { 0 };
	size_t size = sizeof(image);
	bool good;
	int fd;

	unlink(image_path);
	if (t->damage == MISSING)
		return true;
	build_image(image, t);
	if (t->damage == EMPTY)
		size = 0;
	if (t->damage == SHORT)
		size = IMAGE_BYTES - 16;
	fd = open(image_path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	good = fd >= 0 && write(fd, image, size) == (ssize_t)size;
	close(fd);
	return good;
}

/* Run gmem-vmm; all of its output into @out.  Returns its exit status. */
static int run_vmm(const struct test *t, char *out, size_t size)
{
	const char *argv[MAX_ARGS + 4] = { vmm };
	unsigned int n = 1, i;
	int input[2], pipes[2], status;
	size_t have = 0;
	ssize_t got;
	pid_t pid;

	if (t->code) {
		argv[n++] = "--kernel";
		argv[n++] = image_path;
	}
	for (i = 0; i < MAX_ARGS && t->args[i]; i++)
		argv[n++] = t->args[i];
	if (pipe(input) || write(input[1], "Q", 1) != 1 || pipe(pipes))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(input[0], STDIN_FILENO);
		close(input[0]);
		close(input[1]);
		dup2(pipes[1], STDOUT_FILENO);
		dup2(pipes[1], STDERR_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		execv(vmm, (char **)argv);
		_exit(127);
	}
	close(pipes[1]);
	close(input[0]);
	close(input[1]);
	while (have < size - 1 &&
	       (got = read(pipes[0], out + have, size - 1 - have)) > 0)
		have += got;
	out[have] = '\0';
	close(pipes[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool run_test(const struct test *t, unsigned int number)
{
	bool refused = t->private && (!have_private || (wants_bit(t) && !have_bit));
	const char *text = !refused ? t->text :
			   have_private ? "no private bit" : "no software-protected VMs";
	int want = refused ? 3 : t->status;
	char out[8192];
	bool good;
	char *line;
	int status;

	out[0] = '\0';
	status = write_image(t) ? run_vmm(t, out, sizeof(out)) : -1;
	good = status == want && strstr(out, text);
	if (!good) {
		printf("# status %d, expected %d and \"%s\"\n", status, want, text);
		for (line = strtok(out, "\n"); line; line = strtok(NULL, "\n"))
			printf("# %s\n", line);
	}
	printf("%s %u %s%s\n", good ? "ok" : "not ok", number, t->name,
	       refused ? "_refused" : "");
	fflush(stdout);
	return good;
}

int main(int argc, char **argv)
{
	const unsigned int count = ARRAY_SIZE(tests);
	unsigned int i, failed = 0;
	int kvm;

	if (argc > 1)
		vmm = argv[1];
	kvm = open("/dev/kvm", O_RDWR);
	if (kvm < 0) {
		printf("KTAP version 1\n1..0 # SKIP no /dev/kvm\n");
		return 4;
	}
	have_private = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES) &
		       (1 << KVM_X86_SW_PROTECTED_VM);
	have_bit = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_GMEM_PRIVATE_BIT) > 0;
	close(kvm);
	snprintf(image_path, sizeof(image_path), "/tmp/vmm_test.%d", getpid());
	printf("KTAP version 1\n1..%u\n", count);
	for (i = 0; i < count; i++)
		failed += !run_test(&tests[i], i + 1);
	unlink(image_path);
	return failed ? 1 : 0;
}
