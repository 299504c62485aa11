/* SPDX-License-Identifier: MIT */
/*
 * port.c - opening a port file: suspicion, mapping, a slot
 *
 * A file at a port's name may be anything, so it is opened without following,
 * creating or waiting, and believed only after its header has been copied to
 * private memory and checked against the file.  From then on geometry comes from
 * the copy alone.  Every view is mapped from one descriptor, whose byte lock and
 * end peer.c explains.
 *
 * Labels of this file: S1 with S2 (admin.c), S3; M1 (mmsock.c) with S3; F5 with
 * W1 (wait.c).
 */
#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "atomic.h"
#include "cancel.h"
#include "error.h"
#include "header.h"
#include "mmsock.h"
#include "peer.h"
#include "service.h"

/* 0.2 ms a MiB: what pays on the first lap of a usual ring, and not minutes. */
#define POPULATE_MAX ((size_t)64 << 20)

/* Not every C library has these. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

static const char *kind_of_file(mode_t mode)
{
	if (S_ISDIR(mode))
		return "a directory";
	if (S_ISLNK(mode))
		return "a symbolic link, and links are not followed";
	if (S_ISFIFO(mode))
		return "a FIFO";
	if (S_ISSOCK(mode))
		return "a socket";
	return "a device";
}

/*
 * Who may have put this file here?  Ourselves, root, the owner of the directory,
 * or, where a directory and the file are shared with a group on purpose, one of
 * the group.  In a directory where everybody creates entries, nobody else.
 */
static int check_owner(const struct mms_place *place, const struct stat *status)
{
	bool shared = place->dir.st_mode & S_IWGRP &&
		      !(place->dir.st_mode & S_IWOTH) &&
		      (status->st_mode & 060) == 060;

	if (status->st_uid == geteuid() || status->st_uid == 0 ||
	    status->st_uid == place->dir.st_uid || shared)
		return 0;
	return mms_fail(-EACCES,
			"the file belongs to uid %u, who is neither you, root "
			"nor the owner of its directory",
			(unsigned)status->st_uid);
}

static int refuse_kind(mode_t mode)
{
	return mms_fail(-ENOTSOCK, "what is there is %s", kind_of_file(mode));
}

static int check_file(const struct mms_place *place, const struct stat *status)
{
	if (!S_ISREG(status->st_mode))
		return refuse_kind(status->st_mode);
	if (status->st_nlink > 1)
		return mms_fail(-EMLINK,
				"the file has %lu names and should have one",
				(unsigned long)status->st_nlink);
	return check_owner(place, status);
}

/* open(2) failed: where the entry is no regular file, say what it is. */
static int explain_open(const struct mms_place *place, int error)
{
	struct stat status;

	if (error == -ENOENT ||
	    fstatat(place->dir_fd, place->leaf, &status, AT_SYMLINK_NOFOLLOW) ||
	    S_ISREG(status.st_mode))
		return error;
	return refuse_kind(status.st_mode);
}

int mms_port_open_file(const struct mms_place *place, int flags,
		       struct stat *ret_status)
{
	int fd;
	int r;

	fd = openat(place->dir_fd, place->leaf,
		    flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return explain_open(place, -errno);
	r = fstat(fd, ret_status) ? -errno : check_file(place, ret_status);
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

int mms_map_reserve(uint64_t bytes, unsigned char **ret_base,
		    size_t *ret_length)
{
	void *base;

	if (bytes > SIZE_MAX)
		return -ENOMEM;
	base = mmap(NULL, (size_t)bytes, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	*ret_base = base;
	*ret_length = (size_t)bytes;
	return 0;
}

int mms_map_view(int fd, uint64_t offset, uint64_t bytes, unsigned char *at)
{
	void *view = mmap(at, (size_t)bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED, fd, (off_t)offset);

	return view == MAP_FAILED ? -errno : 0;
}

/* Header, control, rows and ring, and behind it the ring once more. */
static int map_views(struct mms_port *port, int fd)
{
	uint64_t ring = port->header.ring_bytes;
	uint64_t offset = port->header.ring_offset;
	int r = mms_map_reserve(offset + 2 * ring, &port->base, &port->mapped);

	if (!r)
		r = mms_map_view(fd, 0, offset + ring, port->base);
	if (!r && ring)
		r = mms_map_view(fd, offset, ring, port->base + offset + ring);
	if (!r && madvise(port->base, port->mapped, MADV_DONTFORK))
		r = -errno;
	return r;
}

static bool is_service(const struct mms_port *port)
{
	return port->header.type == MMS_TYPE_RPC;
}

static void point_into(struct mms_port *port)
{
	port->control = (void *)(port->base + MMS_CONTROL_OFFSET);
	port->rows = (void *)(port->base + MMS_ROWS_OFFSET);
	if (port->header.type == MMS_TYPE_SEMAPHORE) {
		port->units = (struct mms_units){
			.pool = (void *)(port->base + MMS_POOL_OFFSET),
			.rows = port->rows,
			.slots = port->header.slots,
			.maximum = port->header.max_message,
			.owned = port->role & MMSOCK_OWNER,
		};
		return;
	}
	port->ring = (struct mms_ring){
		.data = port->base + port->header.ring_offset,
		.bytes = port->header.ring_bytes,
		.max_message = port->header.max_message,
		.slots = port->header.slots,
		.send = &port->control->send,
		.recv = &port->control->recv,
		.head_seen = mms_load(&port->control->recv.at),
		.left_at = MMS_NOWHERE,
	};
}

/* A descriptor of its own description, through which others are asked about. */
static int open_asker(struct mms_port *port, const struct mms_place *place,
		      int fd)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

	port->asker = mms_open_again(fd, flags & ~O_NOFOLLOW);
	if (port->asker < 0)
		port->asker = openat(place->dir_fd, place->leaf, flags);
	return mms_asker_check(port);
}

/* Clients and servers of a service have slots of their own. */
static int find_slot(struct mms_port *port, int fd)
{
	const struct mms_header *header = &port->header;
	unsigned first = port->role & MMSOCK_SERVER ? header->clients : 0;
	unsigned end =
		port->role & MMSOCK_CLIENT ? header->clients : header->slots;
	unsigned slot;
	int r;

	for (slot = first; slot < end; slot++) {
		r = mms_byte_take(fd, MMS_SLOT_BYTE + slot);
		if (r == -EAGAIN)
			continue;
		if (r)
			return r;
		port->slot = port->ring.slot = port->units.slot = slot;
		port->row = &port->rows[slot];
		/* Who waits for what the slot still holds waits for us now. */
		mms_peer_sign(port);
		return 0;
	}
	return mms_fail(-EUSERS, "all %u slots%s are held by live participants",
			end - first,
			port->role & MMSOCK_CLIENT   ? " for clients"
			: port->role & MMSOCK_SERVER ? " for servers"
						     : "");
}

/*
 * Not while somebody removes the port because nobody has a slot: either he sees
 * that we are about to take one, or he is done when we have it, and we see that
 * the port is gone (admin.c).
 */
static int take_slot(struct mms_port *port, int fd)
{
	int r = mms_byte_share(fd, MMS_ENTRY_BYTE);

	if (r)
		return r;
	r = find_slot(port, fd);
	/* The mapping would keep it. */
	mms_byte_give(fd, MMS_ENTRY_BYTE);
	return r;
}

/*
 * The byte must outlive the descriptor: everything about death hangs on that.
 * There are file systems that map another file than the one that was locked.
 */
static int check_byte_lasts(struct mms_port *port)
{
	int r = mms_bytes_held(port->asker, MMS_SLOT_BYTE + port->slot, 1);

	if (r < 0)
		return r;
	if (!r)
		return mms_fail(-EOPNOTSUPP,
				"this file system does not keep a lock with a "
				"mapping; use one on tmpfs, ext4 or xfs");
	return 0;
}

/*
 * First attach after a reboot: every slot's byte is free and every row is
 * history.  Rows are emptied so that nobody counts as having died; ends are
 * settled as after any death, since all their owners are certified dead.  A row
 * is written by who holds its byte, so the byte is taken for that moment:
 * asking whether it is free would let a newcomer in between.
 */
static void start_new_boot(struct mms_port *port, int fd)
{
	struct mms_census *census = &port->control->census;
	uint64_t id[2];
	unsigned slot;

	mms_boot_id(id);
	if (id[0] == mms_load(&census->boot_id[0]) &&
	    id[1] == mms_load(&census->boot_id[1]))
		return;
	mms_store32(&port->row->role, 0);
	for (slot = 0; slot < port->header.slots; slot++) {
		if (slot == port->slot ||
		    mms_byte_take(fd, MMS_SLOT_BYTE + slot))
			continue;
		mms_store32(&port->rows[slot].role, 0);
		/* So is a lane. */
		if (slot < port->service.clients)
			mms_lane_renew(&port->service.lanes[slot]);
		mms_byte_give(fd, MMS_SLOT_BYTE + slot);
	}
	mms_store(&census->boot_id[0], id[0]);
	mms_store(&census->boot_id[1], id[1]);
}

/* Map, lock, close; in this order and under the lock that fork(2) takes. */
static int map_and_lock(struct mms_port *port, const struct mms_place *place,
			int fd)
{
	int r;

	r = map_views(port, fd);
	if (!r) {
		point_into(port);
		r = open_asker(port, place, fd);
	}
	if (!r)
		r = take_slot(port, fd);
	if (!r && is_service(port))
		r = mms_service_map(port, fd);
	if (!r && port->on_disk)
		start_new_boot(port, fd);
	close(fd);
	return r ? r : check_byte_lasts(port);
}

/* Which file it is, and on what. */
static int describe(struct mms_port *port, const struct mms_place *place,
		    int fd, const struct stat *status)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return -errno;
	port->on_disk = fs.f_type != TMPFS_MAGIC;
	port->dir_device = place->dir.st_dev;
	port->dir_inode = place->dir.st_ino;
	port->device = status->st_dev;
	port->inode = status->st_ino;
	port->path = strdup(place->path);
	return port->path ? 0 : -ENOMEM;
}

static uint32_t state_of(const struct mms_port *port)
{
	/* [S1] pairs with [S2], [S3]: written once, and looked at often. */
	return mms_load_acquire32(&port->control->signals.state);
}

/* 0 if the name still leads to the file that we have mapped; -ESTALE, -errno. */
static int check_name(const struct mms_port *port,
		      const struct mms_place *place)
{
	struct stat status;

	if (fstatat(place->dir_fd, place->leaf, &status, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? -ESTALE : -errno;
	return status.st_dev == port->device && status.st_ino == port->inode
		       ? 0
		       : -ESTALE;
}

static int check_contents(const struct mms_port *port)
{
	uint64_t word;

	if (port->header.type == MMS_TYPE_SEMAPHORE) {
		word = mms_load(&port->units.pool->units);
		if (!mms_units_are_plausible(&port->units, word))
			return mms_fail(-EBADMSG,
					"the semaphore's value is impossible");
	} else if (!mms_ring_is_plausible(&port->ring)) {
		return mms_fail(-EBADMSG,
				"the ring's positions are impossible");
	}
	return 0;
}

static int enter(struct mms_port *port, const struct mms_place *place)
{
	int r;

	if (state_of(port) != MMS_READY)
		return -ESTALE;
	r = check_contents(port);
	if (!r)
		r = mms_peer_enter(port);
	if (r == -EBADMSG)
		mms_add(&port->control->census.corrupt, 1);
	if (r)
		return r;
	r = check_name(port, place);
	if (!r && state_of(port) != MMS_READY)
		r = -ESTALE;
	if (r)
		mms_peer_leave(port);
	return r;
}

static void unmap(struct mms_port *port)
{
	mms_service_unmap(port);
	if (port->base)
		munmap(port->base, port->mapped);
	mms_asker_close(port);
	free(port->path);
	port->base = NULL;
	port->path = NULL;
}

/* Errors do not matter: it is done for speed only. */
static void populate_ring(struct mms_port *port)
{
	int advice = port->on_disk ? MADV_POPULATE_READ : MADV_POPULATE_WRITE;

	size_t length = 2 * (size_t)port->ring.bytes;

	if (length > POPULATE_MAX)
		length = POPULATE_MAX;
	madvise(port->ring.data, length, advice);
}

static uint32_t type_for(unsigned role)
{
	if (role & (MMSOCK_OWNER | MMSOCK_PLAIN))
		return MMS_TYPE_SEMAPHORE;
	return role & (MMSOCK_CLIENT | MMSOCK_SERVER) ? MMS_TYPE_RPC
						      : MMS_TYPE_QUEUE;
}

int mms_port_attach(struct mms_port *port, const struct mms_place *place,
		    int fd, unsigned role, bool populate)
{
	struct stat status;
	int r;

	*port = (struct mms_port){.asker = -1, .role = role};
	r = fstat(fd, &status) ? -errno
			       : mms_header_read(fd, &status, &port->header);
	if (!r)
		r = mms_header_check_type(&port->header, type_for(role));
	if (!r)
		r = describe(port, place, fd, &status);
	if (r) {
		close(fd);
		return r;
	}
	r = map_and_lock(port, place, fd);
	if (!r)
		r = enter(port, place);
	if (r)
		unmap(port);
	else if (populate)
		populate_ring(port);
	return r;
}

void mms_port_detach(struct mms_port *port)
{
	mms_peer_leave(port);
	unmap(port);
}

void mms_port_disown(struct mms_port *port)
{
	port->lanes = NULL;
	port->base = NULL;
	unmap(port);
}

void mms_port_wake_all(struct mms_control *control, struct mms_lane *lanes,
		       unsigned clients)
{
	/* [F5] pairs with [W1]: the state is changed before anyone is woken. */
	mms_fence();
	mms_wake_regardless(&control->signals.data);
	mms_wake_regardless(&control->signals.space);
	mms_wake_regardless(&control->signals.peers);
	mms_wake_regardless(&control->send.lock.event);
	mms_wake_regardless(&control->recv.lock.event);
	while (clients-- > 0)
		mms_wake_regardless(&lanes[clients].data);
}

/* What the name leads to, in the directory where the port had it. */
static uint32_t look_in(const struct mms_port *port,
			const struct mms_place *place)
{
	struct stat status;

	if (fstatat(place->dir_fd, place->leaf, &status, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? MMS_CLOSED : MMS_READY;
	if (status.st_dev == port->device && status.st_ino == port->inode)
		return MMS_READY;
	return MMS_REPLACED;
}

/*
 * By the path.  It may not be ours to see, and it may lead elsewhere for us than
 * for others: we may have another root by now, another mount may lie over it, a
 * directory on the way may be closed or have moved.  Only the very directory that
 * the port was found in tells anything, and what cannot be told is no end.
 */
static uint32_t look_at_path(const struct mms_port *port)
{
	MMS_HOLD_CANCEL;
	struct mms_place place;
	uint32_t seen = MMS_READY;

	if (mms_place_init_existing(&place, port->path, NULL))
		return MMS_READY;
	if (place.dir.st_dev == port->dir_device &&
	    place.dir.st_ino == port->dir_inode)
		seen = look_in(port, &place);
	mms_place_fini(&place);
	return seen;
}

/*
 * READY where the file has a name or nobody can tell, else what became of it.  The
 * count of its names is certain; without our descriptor, which somebody has closed,
 * there is only the path, by which no file is found that was moved.
 */
static uint32_t look_at_name(const struct mms_port *port)
{
	struct stat status;
	int r = mms_asker_is_ours(port, &status);

	if (r < 0 || (r == 1 && status.st_nlink))
		return MMS_READY;
	if (r == 0)
		return look_at_path(port);
	return look_at_path(port) == MMS_REPLACED ? MMS_REPLACED : MMS_CLOSED;
}

/*
 * A plain rm(1), or whoever replaced the port and died before he said so.  Says
 * it for him: the state only ever goes from READY to something else.
 */
void mms_port_check_link(struct mms_port *port)
{
	uint32_t seen;

	if (state_of(port) != MMS_READY)
		return;
	seen = look_at_name(port);
	if (seen == MMS_READY)
		return;
	/* [S3] pairs with [S1], [M1]: from READY, once. */
	mms_cas32(&port->control->signals.state, MMS_READY, seen);
	mms_port_wake_all(port->control, port->service.lanes,
			  port->service.clients);
}
