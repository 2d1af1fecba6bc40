/* SPDX-License-Identifier: GPL-2.0-only */
/* gmem-vmm: a small virtual machine monitor for private guest memory. */
#ifndef GMEM_VMM_H
#define GMEM_VMM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/kvm.h>
#include <linux/types.h>

/* Exit codes of the program, also listed by --help. */
enum vmm_code {
	VMM_OFF = 0,		/* the guest powered itself off */
	VMM_ERROR = 1,		/* a system call failed in an unexpected way */
	VMM_USAGE = 2,		/* bad options */
	VMM_HOST = 3,		/* the host kernel lacks something */
	VMM_IMAGE = 4,		/* bad image, or it does not fit the memory */
	VMM_CRASH = 5,		/* the guest crashed, hung or was stopped */
	VMM_RESET = 6,		/* the guest asked for a reset */
	VMM_ATTACK = 7,		/* --attack, --audit: it was not as expected */
};

#define VMM_MAX_CPUS	64
#define PRIVATE_BIT_MAX	64	/* the highest that the host has */
#define PAGE_BYTES	4096UL
#define MIB		0x100000UL

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define __packed	__attribute((packed))
#define __noreturn	__attribute((noreturn))
#define __printf(a, b)	__attribute((format(printf, a, b)))

/* Guest physical layout. */
#define GPA_GDT		0x00000500UL
#define GPA_ZEROPAGE	0x00007000UL
#define GPA_PGTABLES	0x00009000UL
#define GPA_CMDLINE	0x00020000UL
#define GPA_LOWMEM_END	0x0009f000UL
#define GPA_ACPI	0x000e0000UL
#define GPA_ACPI_END	0x00100000UL
#define GPA_MAILBOX	0x00800000UL	/* reserved for --attack */
#define MAILBOX_BYTES	0x00010000UL
#define GPA_HOLE	0xc0000000UL	/* end of low memory, at most */
#define GPA_DISK	0xd0000000UL	/* a page of registers */
#define GPA_HIGH	0x100000000UL

/* I/O ports and interrupts. */
#define PORT_SERIAL	0x3f8
#define PORT_PM_EVENT	0x600
#define PORT_PM_CONTROL	0x604
#define PORT_RESET	0xcf9
#define RESET_VALUE	0x06
#define SLEEP_TYPE_S5	5
#define IRQ_SERIAL	4
#define IRQ_DISK	5
#define IRQ_SCI		9

struct options {
	const char *kernel;
	const char *initrd;	/* NULL: none */
	const char *cmdline;
	const char *disk;	/* NULL: none */
	__u64 mem;		/* bytes */
	__u64 low;		/* of these at most below 4 GiB */
	unsigned int cpus;
	unsigned int timeout;	/* seconds, 0: none */
	unsigned int private_bit; /* 0: none */
	bool shared;		/* an ordinary VM */
	bool seal;
	bool attack;
	bool audit;
};

struct counters {
	atomic_ulong to_private;	/* conversions done */
	atomic_ulong to_shared;
	atomic_ulong offers;		/* hypercalls of the guest */
	atomic_ulong again;		/* conversions retried for EAGAIN */
	atomic_ulong faults;		/* memory-fault exits */
	atomic_ulong mmio;		/* accesses outside memory */
	atomic_ulong pio;		/* port exits */
	atomic_ulong disk_requests;
	atomic_ulong disk_refused;	/* not in shared memory, or nonsense */
};

/* A file, mapped read-only. */
struct image {
	const char *path;
	const __u8 *data;
	size_t size;
};

struct vm;

/* Owned by its thread once that runs, but for run->immediate_exit. */
struct vcpu {
	struct vm *vm;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	__u64 fault_gpa;		/* the last memory fault */
	__u64 fault_flags;
	unsigned int fault_same;	/* its number since the last progress */
	unsigned int fault_total;	/* all since the last progress */
};

struct vm {
	struct options opt;
	struct counters count;
	int kvm;		/* /dev/kvm */
	int fd;			/* the VM */
	int gmem;		/* guest_memfd, -1 with --shared */
	__u8 *ram;		/* all guest memory: low part, then high part */
	atomic_uchar *pages;	/* MEM_* of each page of @ram */
	__u64 low;		/* bytes from guest physical 0 */
	__u64 high;		/* bytes from GPA_HIGH */
	size_t run_size;	/* bytes of struct kvm_run and what follows */
	struct vcpu cpu[VMM_MAX_CPUS];
	__u64 mem_before;	/* MemAvailable when started, bytes */
	__u64 private_mask;	/* of guest physical addresses, 0: none */

	pthread_mutex_t lock;	/* guards @stopped and @code */
	pthread_cond_t stop_cond;
	bool stopped;
	enum vmm_code code;
};

/* msg.c */
void __noreturn __printf(2, 3) die(enum vmm_code code, const char *fmt, ...);
void __noreturn __printf(2, 3) die_errno(enum vmm_code code,
					 const char *fmt, ...);
void __printf(1, 2) say(const char *fmt, ...);
void __printf(3, 4) vm_stop(struct vm *vm, enum vmm_code code,
			    const char *fmt, ...);

/* opts.c */
void opts_parse(struct options *opt, int argc, char **argv);

/* host.c */
void host_open(struct vm *vm);
void host_create_vm(struct vm *vm);
void host_seal(struct vm *vm);

/* What this program knows of a page, in vm->pages */
#define MEM_SHARED	1
#define MEM_ANNOUNCED	2	/* by the guest, before it used it */

/* mem.c */
void mem_create(struct vm *vm);
void mem_make_private(struct vm *vm);
int mem_convert(struct vm *vm, __u64 gpa, __u64 size, bool private, bool announced);
bool mem_is_shared(struct vm *vm, __u64 gpa, __u64 size);
int mem_read_shared(struct vm *vm, __u64 gpa, void *data, size_t size);
int mem_write_shared(struct vm *vm, __u64 gpa, const void *data, size_t size);
bool mem_audit(struct vm *vm);
bool mem_contains(const struct vm *vm, __u64 gpa, __u64 size);
__u8 *mem_at(struct vm *vm, __u64 gpa);
__u64 mem_available(void);

/* disk.c */
void disk_open(struct vm *vm);
bool disk_access(struct vm *vm, __u64 gpa, bool out, void *data, size_t size);

/* image.c */
struct image image_open(const char *path, const char *what);
void image_check_kernel(const struct image *img);
void image_check_initrd(const struct image *img);

/* boot.c */
__u64 boot_load(struct vm *vm);

/* acpi.c */
void acpi_build(struct vm *vm);

/* cpu.c */
void cpu_create(struct vm *vm, unsigned int id);
void cpu_reset_boot(struct vcpu *cpu, __u64 entry);

/* run.c */
void run_all(struct vm *vm);

/* io.c */
void io_port(struct vm *vm, __u16 port, bool out, void *data, size_t size);

/* serial.c */
void serial_start(struct vm *vm);
void serial_out(struct vm *vm, unsigned int reg, __u8 value);
__u8 serial_in(struct vm *vm, unsigned int reg);
void serial_flush(void);

/* attack.c */
void attack_start(void);
void attack_guard(void);
void attack_registers(struct vm *vm);
bool attack_round(struct vm *vm, __u64 gpa, const char *when, bool expect,
		  __u64 hash);
void attack_report(void);
unsigned int attack_failures(void);

/* channel.c */
void channel_plant(struct vm *vm);
void channel_after_private(struct vm *vm);
void channel_out(struct vm *vm, unsigned int reg, __u32 value);
__u32 channel_in(unsigned int reg);
bool channel_done(void);

#endif /* GMEM_VMM_H */
