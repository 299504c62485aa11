/* SPDX-License-Identifier: MIT */
/*
 * handle.h - what a handle is made of, and what every call does first and last
 */
#ifndef MMS_HANDLE_H
#define MMS_HANDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "lock.h"
#include "mmsock.h"
#include "peer.h"
#include "port.h"
#include "wait.h"

/* What is lent to the caller, between reserve and commit or peek and release. */
enum mms_loan {
	MMS_NO_LOAN = 0,
	MMS_LOAN_SPACE,  /* the sending end is held */
	MMS_LOAN_MESSAGE /* the receiving end is held */
};

struct mmsock {
	struct mms_port port;
	int64_t fork_token;
	_Atomic uint32_t busy;
	enum mms_loan loan;
	uint64_t loan_word; /* of the lock that is held */
	uint64_t loan_at;   /* sending: position; receiving: ring bytes */
	size_t loan_length;
	bool keep_open;
	bool seen_sender;       /* or received: end of stream may be told */
	unsigned senders;       /* attached, when we last counted */
	uint64_t left;          /* senders that had ever left by then */
	int64_t certified_ns;   /* when they were last certified */
	int64_t wall_offset_ns; /* wall clock minus monotonic clock */
	int64_t link_checked_ns;
	uint32_t operations; /* since the link was looked at */
	struct mms_interrupt interrupt;
	struct mms_waiter waiter;
	struct mms_budget patience; /* for messages, room and peers */
	struct mms_budget
		impatience; /* for locks, which are held for moments */
	struct mms_locker locker;
};

/*
 * Start a call that needs @role: 0, -ECHILD, -EDEADLK or -EPERM.  Marks the
 * handle busy; mms_leave() must follow a 0.
 */
int mms_enter(struct mmsock *handle, unsigned role, enum mms_loan loan);

/* End a call: not busy any more; the error's text; the interrupt reported. */
int mms_leave(struct mmsock *handle, int result);

/* Fast and slow looks at whether the port is still the port. */

/* 0, -EIDRM or -ESTALE. */
int mms_port_gone(const struct mmsock *handle);

/*
 * After an operation: now and then look at the link count.  @now_ns is the
 * coarse monotonic clock.
 */
void mms_tick(struct mmsock *handle, int64_t now_ns);

/* Before going to sleep, and after each period of sleep. */
void mms_slow_look(struct mmsock *handle);

/* Wall clock, for the stamps that inspection shows. */
static inline uint64_t mms_stamp(const struct mmsock *handle, int64_t now_ns)
{
	return (uint64_t)(now_ns + handle->wall_offset_ns);
}

/*
 * A time-out that becomes a deadline when it is first needed, so that a call
 * that does not wait reads no clock.
 */
struct mms_limit {
	int64_t timeout_ns;
	int64_t deadline_ns; /* 0: not yet needed */
};

/* Deadline of a call that waits. */
int64_t mms_limit_deadline(struct mms_limit *limit);

/*
 * Take the lock of an end, repair what a dead owner left.  0, -errno; -EBUSY
 * and not -ETIMEDOUT for a call that does not wait.
 */
int mms_hold_end(struct mmsock *handle, struct mms_end *end, unsigned object,
		 struct mms_limit *limit, uint64_t *ret_word);

/* Give an end back and wake up to @most who wait for what was done to it. */
void mms_give_end(struct mmsock *handle, struct mms_end *end, uint64_t word,
		  struct mms_event *event, unsigned most);

/* A watch with what all waits for anybody have in common. */
struct mms_watch mms_watch_for(struct mms_event *event, unsigned object,
			       bool (*ready)(void *context), void *context);

/* Give back what is lent; for mmsock_cancel() and mmsock_close(). */
void mms_end_loan(struct mmsock *handle);

#endif
