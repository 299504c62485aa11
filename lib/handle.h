/* SPDX-License-Identifier: MIT */
/*
 * handle.h - what a handle is made of, and what every call does first and last
 */
#ifndef MMS_HANDLE_H
#define MMS_HANDLE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "deadline.h"
#include "error.h"
#include "lock.h"
#include "mmsock.h"
#include "peer.h"
#include "port.h"
#include "wait.h"

/* What is lent to the caller, between reserve and commit or peek and release. */
enum mms_loan {
	MMS_NO_LOAN = 0,
	MMS_LOAN_SPACE,       /* the sending end is held */
	MMS_LOAN_MESSAGE,     /* the receiving end is held */
	MMS_LOAN_CALL,        /* as space, for a request */
	MMS_LOAN_REQUEST,     /* as message, of a service */
	MMS_LOAN_REPLY_SPACE, /* a lane's sending end is held */
	MMS_LOAN_REPLY        /* a reply; nothing is held */
};

struct mms_caller;

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
	uint64_t joined;        /* and those that had ever joined */
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
	struct mms_caller *caller; /* of a client; see call.c */
	uint32_t open_requests;    /* of a server: places on his desk, */
	uint64_t notes[MMS_NOTES]; /* and what stands there */
	unsigned loan_client;      /* whose lane is lent */
	unsigned loan_place;       /* and which request it is for */
	uint64_t loan_number;
};

/* How a handle is to be opened, on a port or on a semaphore. */
struct mms_opening {
	const char *dir;
	unsigned mode; /* enum mmsock_mode */
	unsigned role; /* enum mmsock_role; tells which of the two it is */
	bool populate;
	int64_t spin_ns;
	const struct mmsock_options *port; /* what a new one is like, or */
	const struct mmsock_sem_options *sem;
};

/*
 * Find or make the file and attach to it.  The handle is all zero before, and
 * after an error to be freed only.
 */
int mms_open_handle(struct mmsock *handle, const char *name,
		    const struct mms_opening *opening);

/* Leave, or in a child that has inherited the handle forget; not freed. */
void mms_close_handle(struct mmsock *handle);

/* Make a file, or find it; 1, 0, -errno. */
int mms_create(const char *name, const struct mms_opening *opening);

/* Why a call may not start: -ECHILD, -EDEADLK, -EPERM or -EINVAL. */
int mms_refuse(const struct mmsock *handle, unsigned role);

/*
 * Start a call that needs @role, with nothing lent but @loan: 0, or an error.
 * Marks the handle busy; mms_leave() must follow a 0.
 */
static inline int mms_enter(struct mmsock *handle, unsigned role,
			    enum mms_loan loan)
{
	/*
	 * First: in a child nothing that the handle points to is mapped.  busy
	 * is relaxed: it guards against our own thread, from a signal handler.
	 */
	if (mms_forked(handle->fork_token) ||
	    (role && !(handle->port.role & role)) ||
	    mms_load32(&handle->busy) || handle->loan != loan)
		return mms_refuse(handle, role);
	mms_store32(&handle->busy, 1);
	return 0;
}

/* The error's text; the interrupt reported. */
int mms_leave_failed(struct mmsock *handle, int error);

/* End a call. */
static inline int mms_leave(struct mmsock *handle, int result)
{
	mms_store32(&handle->busy, 0);
	return result >= 0 ? result : mms_leave_failed(handle, result);
}

/* Fast and slow looks at whether the port is still the port. */

/* How it went, where it did: -EIDRM or -ESTALE. */
static inline int mms_port_gone(const struct mmsock *handle)
{
	/* [M1] pairs with [S2], [S3]: written once, by whoever ends the port. */
	uint32_t state =
		mms_load_acquire32(&handle->port.control->signals.state);

	if (state == MMS_READY)
		return 0;
	return state == MMS_REPLACED ? -ESTALE : -EIDRM;
}

/* The link count is looked at this often, whichever comes first. */
#define MMS_LINK_OPERATIONS (1U << 16)
#define MMS_LINK_PERIOD_NS  (INT64_C(100) * 1000 * 1000)

void mms_check_link(struct mmsock *handle, int64_t now_ns);

/* The time of a commit at @end, for those who look; returns it. */
static inline int64_t mms_stamp(const struct mmsock *handle,
				struct mms_end *end)
{
	int64_t now = mms_coarse_ns();

	mms_store(&end->stamp_ns, (uint64_t)(now + handle->wall_offset_ns));
	return now;
}

/* After an operation: now and then look at the link count. */
static inline void mms_tick(struct mmsock *handle, int64_t now_ns)
{
	if (++handle->operations >= MMS_LINK_OPERATIONS ||
	    now_ns - handle->link_checked_ns >= MMS_LINK_PERIOD_NS)
		mms_check_link(handle, now_ns);
}

/* Before going to sleep, and after each period of sleep. */
void mms_slow_look(struct mmsock *handle);

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
int mms_hold_end(struct mmsock *handle, struct mms_ring *ring,
		 struct mms_end *end, unsigned object, struct mms_limit *limit,
		 uint64_t *ret_word);

/* Give an end back and wake up to @most who wait for what was done to it. */
static inline void mms_give_end(struct mmsock *handle, struct mms_end *end,
				uint64_t word, struct mms_event *event,
				unsigned most)
{
	if (!mms_lock_give(&end->lock, word))
		mms_bump(&handle->port.row->robbed, 1);
	/* [F1] pairs with [W1]: commit and unlock before asked is read, of both. */
	mms_fence_after_locked();
	mms_wake(&end->lock.event, 1);
	if (event)
		mms_wake(event, most);
}

/* A watch with what all waits for anybody have in common. */
struct mms_watch mms_watch_for(struct mms_event *event, unsigned object,
			       bool (*ready)(void *context), void *context);

/* Give back what is lent; for mmsock_cancel() and mmsock_close(). */
void mms_end_loan(struct mmsock *handle);

/*
 * The two ends of the port's ring, for those who put more into a message.  Hold:
 * wait for room for @need bytes, or for the oldest message, and take the end.
 * Finish: after the commit, or to commit the receipt; the end is given back, and
 * the time of the commit returned, coarse.
 */
int mms_send_hold(struct mmsock *handle, uint64_t need, int64_t timeout_ns,
		  uint64_t *ret_word, uint64_t *ret_at);
int64_t mms_send_finish(struct mmsock *handle, uint64_t word, uint64_t messages,
			uint64_t payload_bytes);
int mms_recv_hold(struct mmsock *handle, int64_t timeout_ns, uint64_t *ret_word,
		  const unsigned char **ret_payload, size_t *ret_length);
int64_t mms_recv_finish(struct mmsock *handle, uint64_t word, uint64_t bytes,
			uint64_t count, uint64_t payload_bytes);
void mms_recv_leave(struct mmsock *handle, uint64_t word);

/* -EMSGSIZE, with its sentence. */
int mms_refuse_size(size_t length, uint64_t most);

/* What a client keeps of his calls; its end withdraws them. */
int mms_caller_init(struct mmsock *handle);
void mms_caller_fini(struct mmsock *handle);

#endif
