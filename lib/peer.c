/* SPDX-License-Identifier: MIT */
/*
 * peer.c - slots, byte locks, certified death
 *
 * A participant is alive as long as he can touch the ring, no longer and no
 * shorter.  The kernel knows: at attach an open-file-description lock is taken
 * on one byte of the port file, the slot's own, through the very descriptor that
 * the file was mapped with, and the descriptor is closed.  The mapping keeps the
 * description open, and the description keeps the lock:
 *
 *	closefrom(3), a stray close(2)    lock stays: there is nothing to close
 *	fork(2)                           MADV_DONTFORK: the child has no mapping
 *	execve(2), exit, SIGKILL          mapping gone, lock gone, within 1-3 ms
 *	SIGSTOP                           lock stays: nothing is stolen
 *	another pid namespace             no matter: no pid is ever compared
 *
 * So a free byte is a death certificate.  Others are asked about through a second
 * descriptor, because one's own description calls one's own byte free.  Somebody
 * may have closed that descriptor and its number may be another file by now, so
 * device and inode are compared before each use.
 *
 * A slot's row is written only by who holds its byte.  He finishes his
 * predecessor's business first: a lock word that names the slot belongs to the
 * dead one, and from here on nobody but us could ever certify that.
 *
 * Labels of this file: P1 with I3 (inspect.c); P3 with P4, P5 with P6, P7 with P8
 * (recv.c); F2, F3, F4, F7 and F8 with W1 (wait.c).
 */
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "atomic.h"
#include "cancel.h"
#include "deadline.h"
#include "mmsock.h"
#include "service.h"

static_assert(sizeof(off_t) == 8, "bytes far beyond the end of a file");

static int lock_command(int fd, int command, struct flock *lock)
{
	return fcntl(fd, command, lock) ? -errno : 0;
}

static struct flock byte_range(short type, int64_t byte, int64_t count)
{
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)byte,
		.l_len = (off_t)count,
	};
}

int mms_byte_take(int fd, int64_t byte)
{
	struct flock lock = byte_range(F_WRLCK, byte, 1);
	int r = lock_command(fd, F_OFD_SETLK, &lock);

	return r == -EACCES ? -EAGAIN : r;
}

int mms_byte_wait(int fd, int64_t byte)
{
	struct flock lock = byte_range(F_WRLCK, byte, 1);

	return lock_command(fd, F_OFD_SETLKW, &lock);
}

int mms_byte_share(int fd, int64_t byte)
{
	struct flock lock = byte_range(F_RDLCK, byte, 1);

	return lock_command(fd, F_OFD_SETLKW, &lock);
}

int mms_byte_give(int fd, int64_t byte)
{
	struct flock lock = byte_range(F_UNLCK, byte, 1);

	return lock_command(fd, F_OFD_SETLK, &lock);
}

int mms_bytes_held(int fd, int64_t byte, int64_t count)
{
	struct flock lock = byte_range(F_WRLCK, byte, count);
	int r = lock_command(fd, F_OFD_GETLK, &lock);

	return r ? r : lock.l_type != F_UNLCK;
}

int mms_asker_is_ours(const struct mms_port *port, struct stat *ret_status)
{
	if (port->asker < 0)
		return 0;
	if (fstat(port->asker, ret_status))
		return errno == EBADF ? 0 : -errno;
	return ret_status->st_dev == port->device &&
	       ret_status->st_ino == port->inode;
}

void mms_asker_close(struct mms_port *port)
{
	struct stat status;

	if (mms_asker_is_ours(port, &status) == 1)
		close(port->asker);
	port->asker = -1;
}

int mms_asker_check(struct mms_port *port)
{
	struct stat status;
	int r;

	if (port->asker < 0)
		return -errno;
	r = mms_asker_is_ours(port, &status);
	if (r == 1)
		return 0;
	close(port->asker);
	port->asker = -1;
	return r < 0 ? r : -ESTALE;
}

int mms_open_again(int fd, int flags)
{
	char path[40];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags);
	return again < 0 ? -errno : again;
}

/*
 * Somebody closed our second descriptor.  Its number may be his own file by
 * now, so it is not closed here.
 */
static int reopen_asker(struct mms_port *port)
{
	MMS_HOLD_CANCEL;

	port->asker = open(port->path,
			   O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return mms_asker_check(port);
}

int mms_peer_is_dead(struct mms_port *port, unsigned slot)
{
	struct stat status;
	int r = mms_asker_is_ours(port, &status);

	if (!r)
		r = reopen_asker(port);
	if (r < 0)
		return r;
	r = mms_bytes_held(port->asker, MMS_SLOT_BYTE + slot, 1);
	return r < 0 ? r : !r;
}

/* One who cannot be asked about is taken for alive. */
int mms_peer_certify(void *context, unsigned slot)
{
	return mms_peer_is_dead(context, slot) == 1;
}

unsigned mms_peer_count(struct mms_port *port, unsigned role, bool certify)
{
	unsigned count = 0;
	unsigned slot;

	for (slot = 0; slot < port->header.slots; slot++) {
		const struct mms_row *row = &port->rows[slot];

		if (slot == port->slot || !mms_row_in_use(row))
			continue;
		if (role && !(mms_row_role(row) & role))
			continue;
		if (certify && mms_peer_is_dead(port, slot) == 1)
			continue;
		count++;
	}
	return count;
}

int mms_peer_senders_died(struct mms_port *port, uint64_t *ret_count)
{
	uint64_t died = mms_load(&port->control->census.senders_died);
	unsigned slot;
	int r;

	for (slot = 0; slot < port->header.slots; slot++) {
		if (slot == port->slot ||
		    !(mms_row_role(&port->rows[slot]) & MMSOCK_SENDER))
			continue;
		r = mms_peer_is_dead(port, slot);
		if (r < 0)
			return r;
		died += (unsigned)r;
	}
	*ret_count = died;
	return 0;
}

/* An end that the slot's last owner died with. */
static int inherit_ends(struct mms_port *port)
{
	struct mms_control *control = port->control;
	uint64_t word;
	int r = 0;

	if (mms_lock_inherit(&control->send.lock, port->slot, &word)) {
		r = mms_ring_repair_send(&port->ring);
		mms_lock_give(&control->send.lock, word);
		mms_add(&control->census.takeovers, 1);
	}
	if (mms_lock_inherit(&control->recv.lock, port->slot, &word)) {
		mms_ring_repair_recv(&port->ring);
		mms_lock_give(&control->recv.lock, word);
		mms_add(&control->census.takeovers, 1);
	}
	/* [F2] pairs with [W1]: both ends are free before asked is read. */
	mms_fence();
	mms_wake(&control->send.lock.event, 1);
	mms_wake(&control->recv.lock.event, 1);
	return r;
}

/*
 * With wide looked at once more behind the wake: who has just come to wait for
 * several may have taken it from the one for whom it was.
 */
void mms_peer_wake_units(struct mms_port *port, uint64_t count)
{
	struct mms_event *event = &port->control->signals.data;
	const struct mms_pool *pool = port->units.pool;

	/* [F7] pairs with [W1]: the units are given before asked is read. */
	mms_fence_after_locked();
	if (!(mms_load32(&event->asked) & MMS_ASKED_BIT))
		return;
	if (!mms_load(&pool->wide))
		mms_wake(event, (unsigned)count);
	if (mms_load(&pool->wide))
		mms_wake(event, MMS_EVERYBODY);
}

static void note_inherited(struct mms_port *port, uint64_t count)
{
	if (!count)
		return;
	mms_add(&port->control->census.takeovers, 1);
	mms_peer_wake_units(port, count);
}

static int inherit(struct mms_port *port)
{
	int r;

	if (port->header.type == MMS_TYPE_SEMAPHORE) {
		/* Units that the slot's last owner died with. */
		note_inherited(port,
			       mms_units_settle(&port->units, port->slot));
		return 0;
	}
	r = inherit_ends(port);
	if (r)
		return r;
	mms_service_inherit(port);
	return 0;
}

/*
 * With the first owner, waiters have somebody to look for, and those who sleep
 * have to be told.
 */
static void become_owner(struct mms_port *port)
{
	bool first = !mms_load(&port->units.pool->owners);

	mms_add(&port->units.pool->owners, 1);
	/* [F8] pairs with [W1]: owners before asked is read. */
	mms_fence();
	if (first)
		mms_wake(&port->control->signals.data, MMS_EVERYBODY);
}

/* What a row has counted goes to the port's totals. */
static void add_to_totals(struct mms_census *census, const struct mms_row *row)
{
	mms_add(&census->sleeps, mms_load(&row->sleeps));
	mms_add(&census->late_wakes, mms_load(&row->late_wakes));
}

static void bury(struct mms_port *port)
{
	struct mms_census *census = &port->control->census;
	struct mms_row *row = port->row;
	unsigned role = mms_row_role(row);

	if (!mms_row_in_use(row))
		return;
	add_to_totals(census, row);
	mms_store32(&row->role, 0);
	mms_add(&census->died, 1);
	if (role & MMSOCK_SENDER)
		mms_add(&census->senders_died, 1);
}

static void write_program(struct mms_row *row)
{
	char name[16] = "";
	uint64_t words[2];

	strncpy(name, program_invocation_short_name, sizeof(name) - 1);
	memcpy(words, name, sizeof(words));
	mms_store(&row->program[0], words[0]);
	mms_store(&row->program[1], words[1]);
}

void mms_peer_sign(struct mms_port *port)
{
	/* Relaxed: a number for people. */
	atomic_store_explicit(&port->row->pid, (int32_t)getpid(),
			      memory_order_relaxed);
}

static void write_row(struct mms_port *port)
{
	struct mms_row *row = port->row;

	mms_store32(&row->activity, 0);
	mms_peer_sign(port);
	mms_store32(&row->generation, mms_load32(&row->generation) + 1);
	mms_store(&row->since_ns, (uint64_t)mms_clock_ns(CLOCK_REALTIME));
	write_program(row);
	mms_store(&row->sent, 0);
	mms_store(&row->sent_bytes, 0);
	mms_store(&row->received, 0);
	mms_store(&row->received_bytes, 0);
	mms_store(&row->sleeps, 0);
	mms_store(&row->blocked_ns, 0);
	mms_store(&row->late_wakes, 0);
	mms_store(&row->robbed, 0);
	if (port->header.type == MMS_TYPE_RPC) {
		mms_store(&row->held, 0);
		mms_store(&row->journal, 0);
	}
	/* [P1] pairs with [I3]: the row before its role. */
	mms_store_release32(&row->role, port->role | MMS_ATTACHED);
}

static int look_around(struct mms_port *port)
{
	const struct mms_census *census = &port->control->census;
	struct mms_scene *scene = &port->scene;

	scene->joined = mms_load(&census->senders_joined);
	scene->senders = mms_peer_count(port, MMSOCK_SENDER, true);
	return mms_peer_senders_died(port, &scene->died);
}

int mms_peer_enter(struct mms_port *port)
{
	struct mms_census *census = &port->control->census;
	int r;

	r = inherit(port);
	if (r)
		return r;
	bury(port);
	r = look_around(port);
	if (r)
		return r;
	if (port->role & MMSOCK_SENDER)
		port->scene.joined++;
	if (port->role & MMSOCK_OWNER)
		become_owner(port);
	write_row(port);
	/* [P7] pairs with [P8]: our row before the sum. */
	if (port->role & MMSOCK_SENDER)
		mms_add_release(&census->senders_joined, 1);
	if (port->role & MMSOCK_RECEIVER)
		mms_add(&census->receivers_joined, 1);
	/* [F3] pairs with [W1]: our row before asked is read, of both. */
	mms_fence();
	mms_wake(&port->control->signals.peers, MMS_EVERYBODY);
	/* From now on receivers have somebody to ask the kernel about. */
	if (port->role & MMSOCK_SENDER)
		mms_wake(&port->control->signals.data, MMS_EVERYBODY);
	if (port->role & MMSOCK_SERVER)
		mms_service_tell_clients(port);
	return 0;
}

/*
 * The row of a dead owner is settled by who holds its byte, for the moment that
 * this takes, through a description of its own: with a byte that was taken
 * through the asker's, a child that has inherited the asker would keep it.
 */
static uint64_t bury_owner(struct mms_port *port, unsigned slot)
{
	MMS_HOLD_CANCEL;
	uint64_t count = 0;
	struct stat status;
	int fd = mms_open_again(port->asker, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fd = open(port->path,
			  O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return 0;
	if (!fstat(fd, &status) && status.st_dev == port->device &&
	    status.st_ino == port->inode &&
	    !mms_byte_take(fd, MMS_SLOT_BYTE + slot))
		count = mms_units_settle(&port->units, slot);
	close(fd);
	return count;
}

bool mms_peer_bury_owners(struct mms_port *port)
{
	uint64_t all = 0;
	uint64_t count;
	unsigned slot;

	for (slot = 0; slot < port->header.slots; slot++) {
		if (slot == port->slot ||
		    !mms_units_may_hold(&port->units, slot) ||
		    mms_peer_is_dead(port, slot) != 1)
			continue;
		mms_fork_lock();
		count = bury_owner(port, slot);
		mms_fork_unlock();
		note_inherited(port, count);
		all += count;
	}
	return all > 0;
}

/*
 * The last sender ends the stream.  Two who leave at the same time both clear
 * their rows, fence and look: at least one sees the other's row cleared.
 */
void mms_peer_leave(struct mms_port *port)
{
	struct mms_signals *signals = &port->control->signals;

	if (port->role & MMSOCK_OWNER)
		mms_peer_wake_units(port,
				    mms_units_settle(&port->units, port->slot));
	add_to_totals(&port->control->census, port->row);
	if (port->role & MMSOCK_SERVER)
		mms_desk_clear(&port->service, port->slot);
	/* [P3] pairs with [P4]: our messages before our leaving. */
	mms_store_release32(&port->row->role, 0);
	/* [P5] pairs with [P6]: our row is cleared before the sum. */
	if (port->role & MMSOCK_SENDER)
		mms_add_release(&port->control->census.senders_left, 1);
	/* [F4] pairs with [W1]: and with itself, in the other one who leaves. */
	mms_fence();
	if (port->role & MMSOCK_SENDER &&
	    !mms_peer_count(port, MMSOCK_SENDER, false))
		mms_wake(&signals->data, MMS_EVERYBODY);
	if (port->role & MMSOCK_SERVER)
		mms_service_tell_clients(port);
}
