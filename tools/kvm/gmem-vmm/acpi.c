// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI tables: MADT for the processors (Debian's cloud kernel reads no MP
 * table), FADT with a PM1 block for power-off, and a DSDT with \_S5_ and the disk.
 */
#include <assert.h>
#include <string.h>

#include "vmm.h"

#define APIC_BASE	0xfee00000
#define IOAPIC_BASE	0xfec00000

struct rsdp {
	char signature[8];
	__u8 checksum;
	char oem[6];
	__u8 revision;
	__u32 rsdt;
	__u32 length;
	__u64 xsdt;
	__u8 ext_checksum;
	__u8 reserved[3];
} __packed;

struct header {
	char signature[4];
	__u32 length;
	__u8 revision;
	__u8 checksum;
	char oem[6];
	char table[8];
	__u32 oem_revision;
	char creator[4];
	__u32 creator_revision;
} __packed;

struct gas {
	__u8 space;		/* 1: I/O ports */
	__u8 width;		/* bits */
	__u8 offset;
	__u8 access;		/* 1: byte, 2: word */
	__u64 address;
} __packed;

struct fadt {
	struct header hdr;
	__u32 facs, dsdt;
	__u8 reserved0, profile;
	__u16 sci_irq;
	__u32 smi_port;
	__u8 acpi_enable, acpi_disable, s4bios, pstate;
	__u32 pm1a_event, pm1b_event, pm1a_control, pm1b_control;
	__u32 pm2_control, pm_timer, gpe0, gpe1;
	__u8 pm1_event_size, pm1_control_size, pm2_control_size;
	__u8 pm_timer_size, gpe0_size, gpe1_size, gpe1_base, cst;
	__u16 c2_latency, c3_latency, flush_size, flush_stride;
	__u8 duty_offset, duty_width, day_alarm, month_alarm, century;
	__u16 boot_flags;
	__u8 reserved1;
	__u32 flags;
	struct gas reset;
	__u8 reset_value;
	__u16 arm_flags;
	__u8 minor;
	__u64 x_facs, x_dsdt;
	struct gas x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control;
	struct gas x_pm2_control, x_pm_timer, x_gpe0, x_gpe1;
	struct gas sleep_control, sleep_status;
	__u64 hypervisor;
} __packed;

#define FADT_WBINVD		0x1
#define FADT_NO_POWER_BUTTON	0x10
#define FADT_NO_SLEEP_BUTTON	0x20
#define FADT_RESET_REG		0x400
#define BOOT_LEGACY_DEVICES	0x1
#define BOOT_NO_VGA		0x4
#define BOOT_NO_MSI		0x8
#define BOOT_NO_ASPM		0x10
#define BOOT_NO_RTC		0x20

struct facs {
	char signature[4];
	__u32 length;
	__u8 rest[56];
} __packed;

struct madt {
	struct header hdr;
	__u32 apic;
	__u32 flags;		/* bit 0: also has 8259s */
} __packed;

struct madt_apic {
	__u8 type, length, uid, id;
	__u32 flags;		/* bit 0: enabled */
} __packed;

struct madt_ioapic {
	__u8 type, length, id, reserved;
	__u32 address, gsi;
} __packed;

struct madt_override {
	__u8 type, length, bus, irq;
	__u32 gsi;
	__u16 flags;		/* 0xd: active high, level */
} __packed;

struct madt_nmi {
	__u8 type, length, uid;
	__u16 flags;
	__u8 lint;
} __packed;

/* Where the next table goes. */
struct builder {
	struct vm *vm;
	__u64 gpa;
};

static __u8 sum(const void *data, size_t size)
{
	const __u8 *p = data;
	__u8 total = 0;

	while (size--)
		total += *p++;
	return total;
}

static __u64 place(struct builder *b, const void *data, size_t size)
{
	__u64 gpa = b->gpa;

	memcpy(mem_at(b->vm, gpa), data, size);
	b->gpa = (gpa + size + 63) & ~63ULL;
	return gpa;
}

static void fill_header(struct header *hdr, const char *signature,
			__u8 revision, size_t size)
{
	memcpy(hdr->signature, signature, 4);
	hdr->length = size;
	hdr->revision = revision;
	memcpy(hdr->oem, "GMEM  ", 6);
	memcpy(hdr->table, "GMEMVMM ", 8);
	hdr->oem_revision = 1;
	memcpy(hdr->creator, "GMEM", 4);
	hdr->creator_revision = 1;
	hdr->checksum = -sum(hdr, size);
}

/* Name (\_S5_, Package (4) { 5, 0, 0, 0 }) */
static const __u8 aml_off[] = {
	0x08, '_', 'S', '5', '_', 0x12, 0x07, 0x04,
	0x0a, SLEEP_TYPE_S5, 0x00, 0x00, 0x00,
};

/*
 * Scope (\_SB_) { Device (DISK) {
 *	Name (_HID, "LNRO0005")
 *	Name (_UID, 0)
 *	Name (_CRS, ResourceTemplate () {
 *		Memory32Fixed (ReadWrite, GPA_DISK, PAGE_BYTES)
 *		Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) { IRQ_DISK }
 *	})
 * } }
 */
static const __u8 aml_disk[] = {
	0x10, 0x43, 0x04, '\\', '_', 'S', 'B', '_',
	0x5b, 0x82, 0x3a, 'D', 'I', 'S', 'K',
	0x08, '_', 'H', 'I', 'D',
	0x0d, 'L', 'N', 'R', 'O', '0', '0', '0', '5', 0x00,
	0x08, '_', 'U', 'I', 'D', 0x00,
	0x08, '_', 'C', 'R', 'S', 0x11, 0x1a, 0x0a, 0x17,
	0x86, 0x09, 0x00, 0x01, 0x00, 0x00, 0x00, 0xd0, 0x00, 0x10, 0x00, 0x00,
	0x89, 0x06, 0x00, 0x01, 0x01, 0x05, 0x00, 0x00, 0x00,
	0x79, 0x00,
};

static_assert(GPA_DISK == 0xd0000000 && PAGE_BYTES == 0x1000 && IRQ_DISK == 5,
	      "aml_disk has other values");

static __u64 build_dsdt(struct builder *b)
{
	struct {
		struct header hdr;
		__u8 aml[sizeof(aml_off) + sizeof(aml_disk)];
	} __packed dsdt = {};
	size_t size = sizeof(dsdt.hdr) + sizeof(aml_off);

	memcpy(dsdt.aml, aml_off, sizeof(aml_off));
	if (b->vm->opt.disk) {
		memcpy(dsdt.aml + sizeof(aml_off), aml_disk, sizeof(aml_disk));
		size += sizeof(aml_disk);
	}
	fill_header(&dsdt.hdr, "DSDT", 2, size);
	return place(b, &dsdt, size);
}

static struct gas port(__u16 address, __u8 bits)
{
	return (struct gas) { .space = 1, .width = bits,
			      .access = bits == 8 ? 1 : 2, .address = address };
}

static __u64 build_fadt(struct builder *b)
{
	struct facs facs = { .signature = "FACS", .length = sizeof(facs) };
	struct fadt fadt = {
		.sci_irq = IRQ_SCI,
		.pm1a_event = PORT_PM_EVENT,
		.pm1a_control = PORT_PM_CONTROL,
		.pm1_event_size = 4,
		.pm1_control_size = 2,
		.c2_latency = 0xffff,	/* no C2, no C3 */
		.c3_latency = 0xffff,
		.boot_flags = BOOT_LEGACY_DEVICES | BOOT_NO_VGA | BOOT_NO_MSI |
			      BOOT_NO_ASPM | BOOT_NO_RTC,
		.flags = FADT_WBINVD | FADT_NO_POWER_BUTTON |
			 FADT_NO_SLEEP_BUTTON | FADT_RESET_REG,
		.reset = port(PORT_RESET, 8),
		.reset_value = RESET_VALUE,
		.x_pm1a_event = port(PORT_PM_EVENT, 32),
		.x_pm1a_control = port(PORT_PM_CONTROL, 16),
	};

	fadt.x_dsdt = build_dsdt(b);
	fadt.dsdt = fadt.x_dsdt;
	fadt.facs = place(b, &facs, sizeof(facs));
	fill_header(&fadt.hdr, "FACP", 6, sizeof(fadt));
	return place(b, &fadt, sizeof(fadt));
}

static __u64 build_madt(struct builder *b)
{
	struct {
		struct madt madt;
		struct madt_ioapic ioapic;
		struct madt_override sci;
		struct madt_nmi nmi;
		struct madt_apic cpu[VMM_MAX_CPUS];
	} __packed t = {
		.madt = { .apic = APIC_BASE, .flags = 1 },
		.ioapic = { .type = 1, .length = sizeof(t.ioapic),
			    .address = IOAPIC_BASE },
		.sci = { .type = 2, .length = sizeof(t.sci), .irq = IRQ_SCI,
			 .gsi = IRQ_SCI, .flags = 0xd },
		.nmi = { .type = 4, .length = sizeof(t.nmi), .uid = 0xff,
			 .lint = 1 },
	};
	unsigned int cpus = b->vm->opt.cpus;
	size_t size = offsetof(typeof(t), cpu) + cpus * sizeof(t.cpu[0]);
	unsigned int i;

	t.ioapic.id = cpus;
	for (i = 0; i < cpus; i++)
		t.cpu[i] = (struct madt_apic) {
			.length = sizeof(t.cpu[0]), .uid = i, .id = i,
			.flags = 1,
		};
	fill_header(&t.madt.hdr, "APIC", 4, size);
	return place(b, &t, size);
}

/** acpi_build() - write the tables to guest memory, RSDP at GPA_ACPI. */
void acpi_build(struct vm *vm)
{
	struct builder b = { .vm = vm, .gpa = GPA_ACPI + 64 };
	struct rsdp rsdp = {
		.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
		.oem = { 'G', 'M', 'E', 'M', ' ', ' ' },
		.revision = 2, .length = sizeof(rsdp),
	};
	struct {
		struct header hdr;
		__u64 table[2];
	} __packed xsdt = {};

	xsdt.table[0] = build_fadt(&b);
	xsdt.table[1] = build_madt(&b);
	fill_header(&xsdt.hdr, "XSDT", 1, sizeof(xsdt));
	rsdp.xsdt = place(&b, &xsdt, sizeof(xsdt));
	rsdp.checksum = -sum(&rsdp, 20);
	rsdp.ext_checksum = -sum(&rsdp, sizeof(rsdp));
	memcpy(mem_at(vm, GPA_ACPI), &rsdp, sizeof(rsdp));
}
