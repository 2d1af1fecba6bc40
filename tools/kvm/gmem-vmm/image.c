// SPDX-License-Identifier: GPL-2.0-only
/* Kernel and initramfs files: opened and checked before anything is created. */
#include <asm/bootparam.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm.h"

#define HDR_OFFSET	0x1f1
#define HDR_MAGIC	0x53726448	/* "HdrS" */
#define PE_CHECKSUM	88		/* from the PE signature */
#define PE_CERTIFICATES	168

/** image_open() - map a file; @what names its role in messages. */
struct image image_open(const char *path, const char *what)
{
	struct image img = { .path = path };
	struct stat st;
	void *data;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		die_errno(VMM_IMAGE, "%s %s", what, path);
	if (!S_ISREG(st.st_mode) || !st.st_size)
		die(VMM_IMAGE, "%s %s: not a file, or empty", what, path);
	img.size = st.st_size;
	data = mmap(NULL, img.size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		die_errno(VMM_IMAGE, "%s %s", what, path);
	close(fd);
	img.data = data;
	return img;
}

/*
 * A signature changes these bytes of the PE header after the checksum was
 * made; they were zero then.
 */
static bool signed_later(size_t pe, size_t i)
{
	return (i >= pe + PE_CHECKSUM && i < pe + PE_CHECKSUM + 4) ||
	       (i >= pe + PE_CERTIFICATES && i < pe + PE_CERTIFICATES + 8);
}

/* The CRC-32 of a bzImage, its own last 4 bytes included, is 0. */
static bool checksum_good(const struct image *img, size_t size)
{
	__u32 table[256], crc, pe = ~0U;
	size_t i;
	int bit;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
		table[i] = crc;
	}
	if (!memcmp(img->data, "MZ", 2))
		memcpy(&pe, img->data + 0x3c, sizeof(pe));
	crc = ~0U;
	for (i = 0; i < size; i++) {
		__u8 byte = signed_later(pe, i) ? 0 : img->data[i];

		crc = (crc >> 8) ^ table[(crc ^ byte) & 0xff];
	}
	return !crc;
}

/** image_check_kernel() - end the program unless @img is a 64-bit bzImage. */
void image_check_kernel(const struct image *img)
{
	struct setup_header hdr;
	__u64 size;

	if (img->size < 4096)
		die(VMM_IMAGE, "kernel %s: too short for a bzImage", img->path);
	memcpy(&hdr, img->data + HDR_OFFSET, sizeof(hdr));
	if (hdr.boot_flag != 0xaa55 || hdr.header != HDR_MAGIC)
		die(VMM_IMAGE,
		    "kernel %s: not a bzImage (an ELF vmlinux will not do)",
		    img->path);
	if (hdr.version < 0x20c)
		die(VMM_IMAGE,
		    "kernel %s: boot protocol %u.%02u is too old, 2.12 is needed",
		    img->path, hdr.version >> 8, hdr.version & 0xff);
	if (!(hdr.xloadflags & XLF_KERNEL_64))
		die(VMM_IMAGE,
		    "kernel %s: a 32-bit kernel; a 64-bit one is needed",
		    img->path);
	size = ((hdr.setup_sects ?: 4) + 1) * 512ULL + hdr.syssize * 16ULL;
	if (size > img->size)
		die(VMM_IMAGE,
		    "kernel %s: cut short (%zu bytes of %llu); copy it again",
		    img->path, img->size, size);
	if (!checksum_good(img, size))
		die(VMM_IMAGE, "kernel %s: corrupt (wrong checksum); copy it again",
		    img->path);
}

/** image_check_initrd() - end the program unless Linux can unpack @img. */
void image_check_initrd(const struct image *img)
{
	static const struct {
		const char *bytes;
		size_t size;
	} magic[] = {
		{ "070701", 6 },		/* cpio */
		{ "070702", 6 },		/* cpio with checksums */
		{ "\x1f\x8b", 2 },		/* gzip */
		{ "\x28\xb5\x2f\xfd", 4 },	/* zstd */
		{ "\xfd\067zXZ", 5 },		/* xz */
		{ "\x02\x21\x4c\x18", 4 },	/* lz4 */
		{ "\x89LZO", 4 },		/* lzo */
		{ "BZh", 3 },			/* bzip2 */
		{ "\x5d\x00\x00", 3 },		/* lzma */
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(magic); i++)
		if (img->size > magic[i].size &&
		    !memcmp(img->data, magic[i].bytes, magic[i].size))
			return;
	die(VMM_IMAGE,
	    "initrd %s: neither a cpio archive nor a compressed one", img->path);
}
