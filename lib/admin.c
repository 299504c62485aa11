/* SPDX-License-Identifier: MIT */
/*
 * admin.c - renaming, unlinking and marking, one at a time
 *
 * Two who change a name at the same time:
 *
 *	remover                         overwriter
 *	-------                         ----------
 *	looks: the name is port A
 *	                                renames B over the name
 *	unlinks the name: B is gone
 *
 * So both hold the admin byte of the inode that the name leads to, and look
 * again once they hold it:
 *
 *	remover                         overwriter
 *	-------                         ----------
 *	opens A
 *	                                holds A's byte, renames B over the name
 *	waits for A's byte
 *	                                marks A, lets go
 *	holds A's byte, looks:
 *	the name leads to B: starts
 *	again with B
 *
 * The byte is a lock of an open file description, so whoever dies lets go.
 *
 * Who removes a port only if nobody uses it has to look for users first, and
 * somebody may come after that look:
 *
 *	remover                         newcomer
 *	-------                         --------
 *	looks: no slot is taken
 *	                                takes a slot
 *	                                looks: the name leads here, READY
 *	unlinks, marks                  has a port that is gone
 *
 * So newcomers share another byte while they take a slot, and the remover holds
 * it alone from before his look until he is done:
 *
 *	remover                         newcomer
 *	-------                         --------
 *	holds the entry byte
 *	looks: no slot is taken
 *	                                waits for a share of the entry byte
 *	unlinks, marks, lets go
 *	                                takes a slot
 *	                                looks: CLOSED, starts again
 *
 * The remover does not wait: who has a share is somebody who uses the port.
 *
 * Labels of this file: S2 with S1 (port.c) and M1 (mmsock.c).
 */
#include "admin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "atomic.h"
#include "cancel.h"
#include "error.h"
#include "header.h"
#include "inspect.h"
#include "lane.h"
#include "mmsock.h"
#include "peer.h"
#include "port.h"

/* Does the place lead to this file?  1, 0, -errno. */
static int leads_to(const struct mms_place *place, const struct stat *status)
{
	struct stat now;

	if (fstatat(place->dir_fd, place->leaf, &now, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	return now.st_dev == status->st_dev && now.st_ino == status->st_ino;
}

int mms_admin_hold(const struct mms_place *place, struct mms_held *held)
{
	int r;

	for (;;) {
		held->fd = mms_port_open_file(place, O_RDWR, &held->status);
		if (held->fd < 0)
			return held->fd;
		held->validity =
			mms_header_read(held->fd, &held->status, &held->header);
		r = held->validity == -ENOTSOCK
			    ? -ENOTSOCK
			    : mms_byte_wait(held->fd, MMS_ADMIN_BYTE);
		if (!r)
			r = leads_to(place, &held->status);
		if (r == 1)
			return 0;
		close(held->fd);
		if (r)
			return r;
	}
}

void mms_admin_release(struct mms_held *held)
{
	/* Not left to close(2): a child forked meanwhile has the file open too. */
	(void)mms_byte_give(held->fd, MMS_ENTRY_BYTE);
	(void)mms_byte_give(held->fd, MMS_ADMIN_BYTE);
	close(held->fd);
}

void mms_admin_mark(const struct mms_held *held, uint32_t state)
{
	const struct mms_header *header = &held->header;
	struct mms_control *control;
	size_t length;
	void *map;

	/* Nobody can be attached to what cannot be opened. */
	if (held->validity)
		return;
	length = (size_t)(header->ring_offset - MMS_CONTROL_OFFSET);
	map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, held->fd,
		   MMS_CONTROL_OFFSET);
	/* They find out by themselves within a second. */
	if (map == MAP_FAILED)
		return;
	control = map;
	/* [S2] pairs with [S1], [M1]: from READY, once. */
	mms_cas32(&control->signals.state, MMS_READY, state);
	mms_port_wake_all(control,
			  (void *)((unsigned char *)map +
				   mms_lanes_offset(header) -
				   MMS_CONTROL_OFFSET),
			  header->clients);
	munmap(map, length);
}

static void sweep_one(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name,
			O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat status;

	if (fd < 0)
		return;
	if (!fstat(fd, &status) && S_ISREG(status.st_mode) &&
	    status.st_uid == geteuid() && !mms_byte_take(fd, MMS_ADMIN_BYTE))
		unlinkat(dir_fd, name, 0);
	close(fd);
}

void mms_admin_sweep(const struct mms_place *place)
{
	int fd = openat(place->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (!strncmp(entry->d_name, MMS_TEMP_PREFIX,
			     strlen(MMS_TEMP_PREFIX)))
			sweep_one(place->dir_fd, entry->d_name);
	}
	closedir(dir);
}

/*
 * Is anyone alive attached, or about to be?  If not, nobody will be until the
 * port is released.  Slots beyond the port's own count are not used.
 */
static int check_unused(const struct mms_held *held)
{
	int r = mms_byte_take(held->fd, MMS_ENTRY_BYTE);

	if (!r)
		r = mms_bytes_held(held->fd, MMS_SLOT_BYTE, MMSOCK_SLOTS_MAX);
	return r > 0 || r == -EAGAIN ? -EBUSY : r;
}

static int check_stale(const struct mms_held *held)
{
	struct mmsock_info info = {.size = sizeof(info)};
	int r = check_unused(held);

	if (!r)
		r = mms_inspect_file(held->fd, &held->status, &info);
	if (r == -EBUSY || (!r && info.state != MMSOCK_STATE_STALE))
		return mms_fail(-EBUSY, "it is not stale");
	return r;
}

static int check_removable(const struct mms_held *held,
			   enum mmsock_remove_when when, uint32_t type)
{
	int r = held->validity || !type
			? 0
			: mms_header_check_type(&held->header, type);

	if (r)
		return r;
	if (when == MMSOCK_REMOVE_ALWAYS)
		return 0;
	if (held->validity)
		return held->validity;
	return when == MMSOCK_REMOVE_STALE ? check_stale(held)
					   : check_unused(held);
}

static int remove_held(const struct mms_place *place, struct mms_held *held,
		       enum mmsock_remove_when when, uint32_t type)
{
	int r = check_removable(held, when, type);

	if (r)
		return r;
	if (unlinkat(place->dir_fd, place->leaf, 0))
		return -errno;
	mms_admin_mark(held, MMS_CLOSED);
	return 0;
}

int mms_admin_remove(const char *name, const char *dir,
		     enum mmsock_remove_when when, uint32_t type)
{
	struct mms_place place;
	struct mms_held held;
	int r;

	if ((unsigned)when > MMSOCK_REMOVE_ALWAYS)
		return -EINVAL;
	r = mms_place_init_existing(&place, name, dir);
	if (r)
		return r;
	mms_admin_sweep(&place);
	r = mms_admin_hold(&place, &held);
	if (!r) {
		r = remove_held(&place, &held, when, type);
		mms_admin_release(&held);
	}
	mms_place_fini(&place);
	return r;
}

int mmsock_remove(const char *port, const char *dir,
		  enum mmsock_remove_when when)
{
	MMS_HOLD_CANCEL;

	return mms_failed(mms_admin_remove(port, dir, when, 0));
}

int mms_admin_destroy(const struct mms_port *port)
{
	struct mms_place place;
	struct mms_held held;
	int r = mms_place_init_existing(&place, port->path, NULL);

	if (r)
		return r;
	r = mms_admin_hold(&place, &held);
	if (!r) {
		r = -ESTALE;
		if (held.status.st_dev == port->device &&
		    held.status.st_ino == port->inode)
			r = remove_held(&place, &held, MMSOCK_REMOVE_ALWAYS, 0);
		mms_admin_release(&held);
	}
	mms_place_fini(&place);
	return r;
}

static bool is_untouched(const struct mms_held *held)
{
	struct mmsock_info info = {.size = sizeof(info)};

	return !mms_inspect_file(held->fd, &held->status, &info) &&
	       !info.participants && !info.dead && !info.sent;
}

void mms_admin_withdraw(const struct mms_place *place, const struct stat *made)
{
	struct mms_held held;

	if (mms_admin_hold(place, &held))
		return;
	if (held.status.st_dev == made->st_dev &&
	    held.status.st_ino == made->st_ino && is_untouched(&held))
		(void)remove_held(place, &held, MMSOCK_REMOVE_UNUSED, 0);
	mms_admin_release(&held);
}
