/* SPDX-License-Identifier: MIT */
/*
 * birth.c - a port comes whole, is replaced whole, and goes at once
 *
 * So does a semaphore.  A new port is a file without a name (O_TMPFILE) until everything in it stands;
 * linkat(2) then makes it appear, and decides every race by EEXIST.  Space is
 * allocated, not promised: a full file system fails here and not as SIGBUS in
 * whoever touches the page first.
 *
 * linkat cannot take the place of an existing name, so a replacement gets a
 * temporary name first and rename(2) moves it over the old one.  A creator who
 * dies in between leaves that name behind; he held the file's admin byte from
 * before it had a name, so one whose byte is free is nobody's and is swept
 * (admin.c).  Where a file cannot be without a name, it has it a moment before the
 * byte is held, and its creator looks again once he holds it.
 */
#include "birth.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "admin.h"
#include "atomic.h"
#include "error.h"
#include "header.h"
#include "peer.h"
#include "port.h"

#define TEMP_NAME_SIZE (sizeof(MMS_TEMP_PREFIX) + 16)

/* Each is lost to somebody who sweeps at the same moment; more is a fault. */
#define NAME_ATTEMPTS 32

/* A file on its way to becoming a port. */
struct newborn {
	int fd;
	char temp[TEMP_NAME_SIZE]; /* its temporary name, or empty */
};

static int random_bytes(void *to, size_t length)
{
	return getrandom(to, length, 0) == (ssize_t)length ? 0 : -EIO;
}

static int make_temp_name(char name[TEMP_NAME_SIZE])
{
	uint64_t number;
	int r = random_bytes(&number, sizeof(number));

	snprintf(name, TEMP_NAME_SIZE, MMS_TEMP_PREFIX "%016llx",
		 (unsigned long long)number);
	return r;
}

/* 0 if the file has the name; -EAGAIN, or why it cannot be told. */
static int check_name(const struct mms_place *place, int fd, const char *name)
{
	struct stat named;
	struct stat ours;

	if (fstat(fd, &ours))
		return -errno;
	if (fstatat(place->dir_fd, name, &named, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? -EAGAIN : -errno;
	return named.st_dev == ours.st_dev && named.st_ino == ours.st_ino
		       ? 0
		       : -EAGAIN;
}

static void bury(const struct mms_place *place, struct newborn *newborn)
{
	if (newborn->temp[0])
		unlinkat(place->dir_fd, newborn->temp, 0);
	if (newborn->fd >= 0)
		close(newborn->fd);
	*newborn = (struct newborn){.fd = -1};
}

/* -EAGAIN where somebody sweeps the name away. */
static int try_named(const struct mms_place *place, struct newborn *newborn)
{
	char temp[TEMP_NAME_SIZE];
	int r = make_temp_name(temp);

	if (r)
		return r;
	newborn->fd = openat(place->dir_fd, temp,
			     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			     0600);
	if (newborn->fd < 0)
		return -errno;
	memcpy(newborn->temp, temp, sizeof(temp));
	r = mms_byte_take(newborn->fd, MMS_ADMIN_BYTE);
	if (!r)
		r = check_name(place, newborn->fd, temp);
	if (r)
		bury(place, newborn);
	return r;
}

/*
 * For file systems without O_TMPFILE: a file with a temporary name.  It is there
 * before we have its byte, and may be taken for that of a dead creator; so it is
 * looked at again once we have it, and made anew where it was swept away.
 */
static int conceive_named(const struct mms_place *place,
			  struct newborn *newborn)
{
	int attempt;
	int r = -EAGAIN;

	for (attempt = 0; attempt < NAME_ATTEMPTS && r == -EAGAIN; attempt++)
		r = try_named(place, newborn);
	return r;
}

/* A file without a name; it can only get one where there is a /proc. */
static int open_nameless(const struct mms_place *place)
{
	int fd;

	if (access("/proc/self/fd", F_OK))
		return -EOPNOTSUPP;
	fd = openat(place->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int conceive(const struct mms_place *place, struct newborn *newborn)
{
	int fd = open_nameless(place);

	if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -ENOENT)
		return conceive_named(place, newborn);
	if (fd < 0)
		return fd;
	newborn->fd = fd;
	return mms_byte_take(fd, MMS_ADMIN_BYTE);
}

static int write_at(int fd, const void *from, size_t length, off_t at)
{
	ssize_t done = pwrite(fd, from, length, at);

	if (done < 0)
		return -errno;
	return (size_t)done == length ? 0 : -ENOSPC;
}

/* The file reads as zeroes but for the header and what is not zero at birth. */
static int fill_in(int fd, const struct mms_plan *plan)
{
	struct mms_header header = plan->header;
	struct mms_control control = {0};
	struct mms_pool pool = {0};
	int r;

	r = random_bytes(header.creation_id, sizeof(header.creation_id));
	if (r)
		return r;
	mms_boot_id(header.boot_id);
	mms_header_seal(&header);
	mms_store32(&control.signals.state, MMS_READY);
	mms_store(&control.census.boot_id[0], header.boot_id[0]);
	mms_store(&control.census.boot_id[1], header.boot_id[1]);
	mms_store(&pool.units, plan->value);
	r = write_at(fd, &control, sizeof(control), MMS_CONTROL_OFFSET);
	if (!r && header.type == MMS_TYPE_SEMAPHORE)
		r = write_at(fd, &pool, sizeof(pool), MMS_POOL_OFFSET);
	return r ? r : write_at(fd, &header, sizeof(header), 0);
}

/* Allocating would raise SIGXFSZ; the caller gets an error instead. */
static int allocate(int fd, uint64_t bytes)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_FSIZE, &limit) && bytes > limit.rlim_cur)
		return mms_fail(-EFBIG,
				"the port needs a file of %llu bytes, "
				"the limit (ulimit -f) is %llu",
				(unsigned long long)bytes,
				(unsigned long long)limit.rlim_cur);
	return -posix_fallocate(fd, 0, (off_t)bytes);
}

static int raise_child(int fd, const struct mms_plan *plan)
{
	int r;

	do {
		r = allocate(fd, plan->header.file_bytes);
	} while (r == -EINTR);
	if (r == -ENOSPC)
		return mms_fail(r, "no space left for a %s of %llu bytes",
				plan->header.type == MMS_TYPE_SEMAPHORE
					? "semaphore"
					: "port",
				(unsigned long long)plan->header.file_bytes);
	if (r)
		return r;
	r = fill_in(fd, plan);
	if (r)
		return r;
	if (plan->group >= 0 && fchown(fd, (uid_t)-1, (gid_t)plan->group)) {
		r = -errno;
		return mms_fail(r, "cannot give it to group %lld: %s",
				(long long)plan->group, strerror(-r));
	}
	return fchmod(fd, plan->permissions) ? -errno : 0;
}

/* Give the file a name, which must be free. */
static int link_as(const struct mms_place *place, struct newborn *newborn,
		   const char *name)
{
	char path[40];

	/* Not every C library has a function for this call. */
	if (newborn->temp[0])
		return syscall(SYS_renameat2, place->dir_fd, newborn->temp,
			       place->dir_fd, name, RENAME_NOREPLACE)
			       ? -errno
			       : 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", newborn->fd);
	return linkat(AT_FDCWD, path, place->dir_fd, name, AT_SYMLINK_FOLLOW)
		       ? -errno
		       : 0;
}

static int give_temp_name(const struct mms_place *place,
			  struct newborn *newborn)
{
	char temp[TEMP_NAME_SIZE];
	int r;

	if (newborn->temp[0])
		return 0;
	r = make_temp_name(temp);
	if (!r)
		r = link_as(place, newborn, temp);
	if (!r)
		memcpy(newborn->temp, temp, sizeof(temp));
	return r;
}

/*
 * The newborn goes on counting the live handles that ports of its name had when
 * they were replaced.  Who attaches meanwhile is not counted.
 */
static int count_replaced(const struct mms_held *old, int fd)
{
	const off_t at = MMS_CONTROL_OFFSET +
			 offsetof(struct mms_control, census) +
			 offsetof(struct mms_census, replaced);
	uint64_t count = 0;
	unsigned slot;

	if (old->validity)
		return 0;
	if (pread(old->fd, &count, sizeof(count), at) != sizeof(count))
		return -EIO;
	for (slot = 0; slot < old->header.slots; slot++)
		count += mms_bytes_held(old->fd, MMS_SLOT_BYTE + slot, 1) == 1;
	return write_at(fd, &count, sizeof(count), at);
}

/* Put the newborn in the place of what is there, under its admin byte. */
static int take_the_place(const struct mms_place *place,
			  struct newborn *newborn, uint32_t type)
{
	struct mms_held old;
	int r = mms_admin_hold(place, &old);

	if (r)
		return r;
	if (!old.validity)
		r = mms_header_check_type(&old.header, type);
	if (!r)
		r = give_temp_name(place, newborn);
	if (!r)
		r = count_replaced(&old, newborn->fd);
	if (!r &&
	    renameat(place->dir_fd, newborn->temp, place->dir_fd, place->leaf))
		r = -errno;
	if (!r) {
		newborn->temp[0] = '\0';
		mms_admin_mark(&old, MMS_REPLACED);
	}
	mms_admin_release(&old);
	return r;
}

static int publish(const struct mms_place *place, struct newborn *newborn,
		   uint32_t type, bool replace)
{
	int r;

	for (;;) {
		r = link_as(place, newborn, place->leaf);
		if (!r)
			newborn->temp[0] = '\0';
		if (r != -EEXIST || !replace)
			return r;
		r = take_the_place(place, newborn, type);
		if (r != -ENOENT)
			return r;
	}
}

int mms_birth(const struct mms_place *place, const struct mms_plan *plan,
	      bool replace)
{
	struct newborn newborn = {.fd = -1};
	int r;

	mms_admin_sweep(place);
	r = conceive(place, &newborn);
	if (!r)
		r = raise_child(newborn.fd, plan);
	if (!r)
		r = publish(place, &newborn, plan->header.type, replace);
	/* Before it is mapped: a mapping would keep the byte. */
	if (!r)
		r = mms_byte_give(newborn.fd, MMS_ADMIN_BYTE);
	if (r) {
		bury(place, &newborn);
		return r;
	}
	return newborn.fd;
}
