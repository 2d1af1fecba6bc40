/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file whose direct I/O takes as long as the test likes.
 *
 * The file is the root of a FUSE filesystem that this process serves.  The
 * kernel takes the pages of a direct read or write, asks for it, and gives them
 * back when it gets an answer.
 */
#ifndef SELFTEST_KVM_GMEM_FUSE_H
#define SELFTEST_KVM_GMEM_FUSE_H

#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "gmem_harness.h"

#define GMEM_FUSE_PATH	"/tmp/gmem-fuse"

struct gmem_fuse {
	int dev;
	int file;	/* open for direct I/O */
};

struct gmem_fuse_request {
	struct fuse_in_header head;
	u8 body[1 << 17];
};

static inline void gmem_fuse_answer(const struct gmem_fuse *fuse, u64 unique,
				    int error, const void *body, size_t size)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + size, .error = error, .unique = unique,
	};
	struct iovec iov[2] = {
		{ &head, sizeof(head) }, { (void *)body, size },
	};

	TEST_ASSERT(writev(fuse->dev, iov, 2) == head.len, "answer to FUSE: %s",
		    strerror(errno));
}

/* Answer what comes, until it is of kind @opcode. */
static inline const struct gmem_fuse_request *
gmem_fuse_next(const struct gmem_fuse *fuse, u32 opcode)
{
	static const struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 1 << 16,
	};
	static struct gmem_fuse_request req;

	for (;;) {
		TEST_ASSERT(read(fuse->dev, &req, sizeof(req)) > 0, "request of FUSE: %s",
			    strerror(errno));
		if (req.head.opcode == opcode)
			return &req;
		if (req.head.opcode == FUSE_INIT)
			gmem_fuse_answer(fuse, req.head.unique, 0, &init, sizeof(init));
		else
			gmem_fuse_answer(fuse, req.head.unique, -EOPNOTSUPP, NULL, 0);
	}
}

static inline void *gmem_fuse_open_file(void *arg)
{
	struct gmem_fuse *fuse = arg;
	struct stat unused;

	fuse->file = open(GMEM_FUSE_PATH, O_RDWR | O_DIRECT);
	/* The kernel asks for the size, and reads nothing beyond it. */
	fstat(fuse->file, &unused);
	return NULL;
}

static inline void gmem_fuse_mount(struct gmem_fuse *fuse)
{
	static const struct fuse_open_out opened = {
		.open_flags = FOPEN_DIRECT_IO | FOPEN_NOFLUSH,
	};
	static const struct fuse_attr_out attr = {
		.attr = { .ino = 1, .size = 4096, .mode = S_IFREG | 0600, .nlink = 1 },
	};
	char options[80];
	pthread_t thread;

	fuse->dev = open("/dev/fuse", O_RDWR);
	if (fuse->dev < 0)
		gmem_skip("no /dev/fuse: %s", strerror(errno));
	close(open(GMEM_FUSE_PATH, O_CREAT | O_WRONLY, 0600));
	snprintf(options, sizeof(options), "fd=%d,rootmode=100600,user_id=0,group_id=0",
		 fuse->dev);
	TEST_ASSERT(!mount("gmem", GMEM_FUSE_PATH, "fuse", 0, options), "mount(): %s",
		    strerror(errno));
	pthread_create(&thread, NULL, gmem_fuse_open_file, fuse);
	gmem_fuse_answer(fuse, gmem_fuse_next(fuse, FUSE_OPEN)->head.unique, 0, &opened,
			 sizeof(opened));
	gmem_fuse_answer(fuse, gmem_fuse_next(fuse, FUSE_GETATTR)->head.unique, 0, &attr,
			 sizeof(attr));
	pthread_join(thread, NULL);
	TEST_ASSERT(fuse->file >= 0, "open(): %s", strerror(errno));
}

/* Nobody answers any more. */
static inline void gmem_fuse_umount(const struct gmem_fuse *fuse)
{
	TEST_ASSERT(!umount2(GMEM_FUSE_PATH, MNT_FORCE | MNT_DETACH), "umount2(): %s",
		    strerror(errno));
	close(fuse->dev);
	close(fuse->file);
}

/* Wait until the kernel has the pages of a transfer and asks for it. */
static inline void gmem_fuse_wait(const struct gmem_fuse *fuse)
{
	struct pollfd pfd = { .fd = fuse->dev, .events = POLLIN };

	TEST_ASSERT(poll(&pfd, 1, -1) == 1, "poll(): %s", strerror(errno));
}

#endif /* SELFTEST_KVM_GMEM_FUSE_H */
