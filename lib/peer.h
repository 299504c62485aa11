/* SPDX-License-Identifier: MIT */
/*
 * peer.h - slots, who is alive, and what a fork does to handles
 */
#ifndef MMS_PEER_H
#define MMS_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"
#include "port.h"

/* Byte locks. */

/* Take the byte; 0, -EAGAIN where somebody has it, -errno. */
int mms_byte_take(int fd, int64_t byte);

/* Take the byte, waiting for it; -EINTR when a signal comes. */
int mms_byte_wait(int fd, int64_t byte);

/* Share the byte with others who do, waiting for who has it alone; -EINTR. */
int mms_byte_share(int fd, int64_t byte);

/* Give back a byte that is held through @fd. */
int mms_byte_give(int fd, int64_t byte);

/*
 * Does anybody hold one of @count bytes, seen through a description that holds
 * none of them?  1, 0, -errno.
 */
int mms_bytes_held(int fd, int64_t byte, int64_t count);

/* The file of a descriptor, with an open file description of its own. */
int mms_open_again(int fd, int flags);

/* The second descriptor of a port, through which others are asked about. */

/*
 * Is it still what it was opened for?  1, with its status, 0, or -errno where that
 * cannot be told.
 */
int mms_asker_is_ours(const struct mms_port *port, struct stat *ret_status);

/*
 * One that open(2) has just returned: 0, or closed again and -errno; -ESTALE where
 * the name is another's.
 */
int mms_asker_check(struct mms_port *port);

/* Close it, unless somebody did and its number is another file by now. */
void mms_asker_close(struct mms_port *port);

/* Rows of a port that we are attached to. */

/* 1 if the kernel certifies that nobody lives in @slot, 0, -errno. */
int mms_peer_is_dead(struct mms_port *port, unsigned slot);

/* For struct mms_locker: context is the struct mms_port. */
int mms_peer_certify(void *context, unsigned slot);

/*
 * Participants other than ourselves with any of the roles in @role (all, if 0).
 * With @certify, without those that died.
 */
unsigned mms_peer_count(struct mms_port *port, unsigned role, bool certify);

/*
 * Senders that died attached, since the port was created; -errno where one cannot
 * be asked about.
 */
int mms_peer_senders_died(struct mms_port *port, uint64_t *ret_count);

/*
 * Put our pid into our slot's row, before anything else in it: what the slot still
 * holds is in our hands since we have its byte.
 */
void mms_peer_sign(struct mms_port *port);

/* Settle what the last owner of our slot left behind, and write our row. */
int mms_peer_enter(struct mms_port *port);

/*
 * Give back the units that the dead hold, and wake who waits for them; true if
 * there were any.
 */
bool mms_peer_bury_owners(struct mms_port *port);

/* Wake those who wait for units, after @count were given. */
void mms_peer_wake_units(struct mms_port *port, uint64_t count);

/* Give back the units that we hold, clear our row and tell those who wait for us. */
void mms_peer_leave(struct mms_port *port);

/* What a row says of itself. */
static inline unsigned mms_row_role(const struct mms_row *row)
{
	return mms_load32(&row->role) & ~MMS_ATTACHED;
}

static inline bool mms_row_in_use(const struct mms_row *row)
{
	return mms_load32(&row->role) & MMS_ATTACHED;
}

/* Forks. */

/*
 * Attaching holds this lock, and so does fork(2): a child never inherits a
 * descriptor that carries a byte lock.
 */
void mms_fork_lock(void);
void mms_fork_unlock(void);

/* What a handle remembers; 0 or less is -errno.  With the lock held. */
int64_t mms_fork_token(void);

/* Holds the token of this process; 0 in a child that has opened nothing. */
extern const _Atomic uint64_t *mms_fork_page;

static inline bool mms_forked(int64_t token)
{
	return mms_load(mms_fork_page) != (uint64_t)token;
}

#endif
