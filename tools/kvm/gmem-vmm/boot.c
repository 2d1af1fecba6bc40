// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 64-bit boot protocol (Documentation/x86/boot.rst): kernel, initramfs,
 * command line, zero page, and the page tables and GDT it starts with.
 */
#include <asm/bootparam.h>
#include <string.h>

#include "vmm.h"

#define HDR_OFFSET	0x1f1
#define E820_RAM	1
#define E820_RESERVED	2
#define E820_ACPI	3
#define PTE_TABLE	0x03UL		/* present, writable */
#define PTE_LARGE	0x83UL		/* and a 2 MiB page */
/* Room that a kernel needs beyond its image and the unpacked initramfs. */
#define KERNEL_ROOM	(64 * MIB)

static void need_memory(struct vm *vm, __u64 need)
{
	if (vm->low < need)
		die(VMM_IMAGE,
		    "--mem %lluM is too little for this kernel and initrd; give at least %lluM",
		    (vm->opt.mem / MIB),
		    ((need + MIB - 1) / MIB));
}

static void load_kernel(struct vm *vm, const struct image *img,
			struct boot_params *params)
{
	const struct setup_header *hdr = &params->hdr;
	size_t setup = ((hdr->setup_sects ?: 4) + 1) * 512UL;

	need_memory(vm, hdr->pref_address + hdr->init_size + KERNEL_ROOM);
	memcpy(mem_at(vm, hdr->pref_address), img->data + setup,
	       hdr->syssize * 16UL);
	params->hdr.type_of_loader = 0xff;
	params->hdr.code32_start = hdr->pref_address;
	params->hdr.vid_mode = 0xffff;
}

static void load_initrd(struct vm *vm, const struct image *img,
			struct boot_params *params)
{
	const struct setup_header *hdr = &params->hdr;
	__u64 end = vm->low;

	/* Twice: packed and unpacked, though unpacked it may be larger. */
	need_memory(vm, hdr->pref_address + hdr->init_size + KERNEL_ROOM +
			2 * img->size);
	if (end > hdr->initrd_addr_max + 1ULL)
		end = hdr->initrd_addr_max + 1ULL;
	params->hdr.ramdisk_image = (end - img->size) & ~(PAGE_BYTES - 1);
	params->hdr.ramdisk_size = img->size;
	memcpy(mem_at(vm, params->hdr.ramdisk_image), img->data, img->size);
}

static void load_cmdline(struct vm *vm, struct boot_params *params)
{
	size_t size = strlen(vm->opt.cmdline);

	if (size > params->hdr.cmdline_size)
		die(VMM_USAGE, "--cmdline: this kernel takes %u characters",
		    params->hdr.cmdline_size);
	memcpy(mem_at(vm, GPA_CMDLINE), vm->opt.cmdline, size + 1);
	params->hdr.cmd_line_ptr = GPA_CMDLINE;
}

static void e820_add(struct boot_params *params, __u64 start, __u64 end,
		     __u32 type)
{
	if (start < end)
		params->e820_table[params->e820_entries++] =
			(struct boot_e820_entry) {
				.addr = start, .size = end - start, .type = type,
			};
}

static void fill_e820(struct vm *vm, struct boot_params *params)
{
	__u64 from = GPA_ACPI_END;

	e820_add(params, 0, GPA_LOWMEM_END, E820_RAM);
	/* Linux accesses reserved memory without the private bit. */
	e820_add(params, GPA_ACPI, GPA_ACPI_END,
		 vm->private_mask ? E820_ACPI : E820_RESERVED);
	if (vm->opt.attack) {
		e820_add(params, from, GPA_MAILBOX, E820_RAM);
		from = GPA_MAILBOX + MAILBOX_BYTES;
		e820_add(params, GPA_MAILBOX, from, E820_RESERVED);
	}
	e820_add(params, from, vm->low, E820_RAM);
	e820_add(params, GPA_HIGH, GPA_HIGH + vm->high, E820_RAM);
}

/* Identity mapping of the first 4 GiB by 2 MiB pages. */
static void fill_page_tables(struct vm *vm)
{
	__u64 *table = (__u64 *)mem_at(vm, GPA_PGTABLES);
	const unsigned int n = PAGE_BYTES / sizeof(*table);
	__u64 *directory = table + n;
	__u64 *page = table + 2 * n;
	const __u64 link = PTE_TABLE | vm->private_mask;
	unsigned int i;

	table[0] = (GPA_PGTABLES + PAGE_BYTES) | link;
	for (i = 0; i < 4; i++)
		directory[i] = (GPA_PGTABLES + (2 + i) * PAGE_BYTES) | link;
	for (i = 0; i < 4 * n; i++)
		page[i] = i * 2 * MIB | PTE_LARGE | vm->private_mask;
}

/* Selectors 0x10 (code) and 0x18 (data), as the protocol demands. */
static void fill_gdt(struct vm *vm)
{
	static const __u64 gdt[] = {
		0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff,
	};

	memcpy(mem_at(vm, GPA_GDT), gdt, sizeof(gdt));
}

/**
 * boot_load() - load everything that the guest starts with.
 * @vm: the VM, with its memory
 *
 * Guest memory must be shared still.
 *
 * Return: guest physical address of the first instruction.
 */
__u64 boot_load(struct vm *vm)
{
	struct image kernel = image_open(vm->opt.kernel, "kernel");
	struct boot_params *params;
	struct image initrd;
	size_t size;

	image_check_kernel(&kernel);
	need_memory(vm, GPA_MAILBOX + MAILBOX_BYTES);
	params = (struct boot_params *)mem_at(vm, GPA_ZEROPAGE);
	size = 0x202 + kernel.data[0x201] - HDR_OFFSET;
	if (size > sizeof(params->hdr))
		size = sizeof(params->hdr);
	memcpy(&params->hdr, kernel.data + HDR_OFFSET, size);
	load_kernel(vm, &kernel, params);
	if (vm->opt.initrd) {
		initrd = image_open(vm->opt.initrd, "initrd");
		image_check_initrd(&initrd);
		load_initrd(vm, &initrd, params);
	}
	load_cmdline(vm, params);
	fill_e820(vm, params);
	params->acpi_rsdp_addr = GPA_ACPI;
	fill_page_tables(vm);
	fill_gdt(vm);
	return params->hdr.pref_address + 0x200;
}
