/* SPDX-License-Identifier: MIT */
/*
 * recv.c - the receiving end: try, wait for a message, try again; end of stream
 *
 * End of stream.  A receiver who looks for messages first and for senders then
 * loses the last message:
 *
 *	receiver                        last sender
 *	--------                        -----------
 *	looks: empty
 *	                                commits a message
 *	                                leaves
 *	looks: no sender
 *	ends beside a message
 *
 * So senders are looked for first [P4], then messages: a sender who is gone has
 * committed all that he ever will.  The last one to leave wakes all receivers;
 * one who is killed is noticed within 100 ms, by receivers who know that he was
 * there: so one who comes wakes all of them too.
 *
 * Before the senders are counted those are read who ever came [P8] and who ever
 * left [P6].  Read later, one who comes in between would be known to have come
 * and not be counted: the end would be told with a sender there.
 *
 * Labels of this file: P4 with P3, P6 with P5, P8 with P7 (peer.c), F6 with W1
 * (wait.c).
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "deadline.h"
#include "handle.h"
#include "run.h"

/* A receiver on his way through an empty ring. */
struct data_wait {
	struct mmsock *handle;
	struct mms_limit limit;
	int waited;     /* how the last wait ended, where it failed */
	bool rechecked; /* a period of sleep is over: no use in a spin */
};

/*
 * How often a receiver asks whether the senders whom he sees are alive.  Within
 * the 100 ms that a death may take to be noticed, and not oftener: a timer that
 * ends a sleep costs 70 us of CPU time on a virtual machine, so that 20 a second
 * would be 0.16 % of a CPU, and these are under 0.1 %.
 */
#define CERTIFY_NS (INT64_C(98) * 1000 * 1000)

/* Count the senders; ask the kernel about them now and then. */
static void count_senders(struct mmsock *handle)
{
	struct mms_census *census = &handle->port.control->census;
	int64_t now = mms_coarse_ns();
	bool certify = !handle->certified_ns ||
		       now - handle->certified_ns >= CERTIFY_NS / 2;

	if (certify)
		handle->certified_ns = now;
	/* [P6] pairs with [P5]: who is counted as gone has no row any more. */
	handle->left = mms_load_acquire(&census->senders_left);
	/* [P8] pairs with [P7]: who is counted as come has his row, or had it. */
	handle->joined = mms_load_acquire(&census->senders_joined);
	handle->senders = mms_peer_count(&handle->port, MMSOCK_SENDER, certify);
	if (handle->senders || handle->joined != handle->port.scene.joined)
		handle->seen_sender = true;
}

/* Has the stream ended, or the port, and is there nothing left to take? */
static int over(struct mmsock *handle)
{
	int r = mms_port_gone(handle);

	if (!r && !handle->keep_open) {
		count_senders(handle);
		if (!handle->senders && handle->seen_sender)
			r = -ENODATA;
	}
	/* [P4] pairs with [P3]: a cleared row comes with its messages. */
	mms_fence();
	return r && mms_ring_is_empty(&handle->port.ring) ? r : 0;
}

/*
 * Is there anything for over() to look at?  Senders may have come or gone, and
 * the message beside which a stream did not end may be another receiver's now:
 *
 *	receiver                        last sender     another receiver
 *	--------                        -----------     ----------------
 *	                                commits, leaves
 *	looks: no sender
 *	looks: a message, no end
 *	                                                takes it
 *	looks: no message
 *	sleeps beside the end
 */
static bool over_may_change(const struct mmsock *handle)
{
	const struct mms_census *census = &handle->port.control->census;

	return mms_load(&census->senders_left) != handle->left ||
	       mms_load(&census->senders_joined) != handle->joined ||
	       (!handle->senders && handle->seen_sender);
}

static bool data_is_there(void *context)
{
	const struct data_wait *wait = context;
	const struct mmsock *handle = wait->handle;

	return !mms_ring_is_empty(&handle->port.ring) ||
	       mms_port_gone(handle) ||
	       (!handle->keep_open && over_may_change(handle));
}

/*
 * Spin for the next message; true if there is one.  A spin also ends because
 * somebody left or the port did, which is for over() to look at.
 */
static bool spin_for_data(struct data_wait *wait, const struct mms_watch *watch,
			  int64_t deadline_ns)
{
	struct mmsock *handle = wait->handle;
	int r;

	if (wait->rechecked ||
	    !mms_wait_spin(&handle->waiter, &handle->patience, watch,
			   deadline_ns) ||
	    mms_ring_is_empty(&handle->port.ring))
		return false;
	r = mms_wait_changed(deadline_ns);
	if (r < 0)
		wait->waited = r;
	return true;
}

/*
 * After a try that found nothing: 0 to try again, or why not.  The spin comes
 * first, because the looks at others that precede a sleep cost more than most
 * messages take to come.
 */
static int wait_for_data(struct data_wait *wait)
{
	struct mmsock *handle = wait->handle;
	struct mms_watch watch =
		mms_watch_for(&handle->port.control->signals.data, MMSOCK_DATA,
			      data_is_there, wait);
	bool waits = wait->limit.timeout_ns && !wait->waited;
	int64_t deadline = waits ? mms_limit_deadline(&wait->limit) : 0;
	int r;

	watch.word = mms_ring_next_header(&handle->port.ring);
	watch.along = mms_ring_next_line(&handle->port.ring);
	if (waits && spin_for_data(wait, &watch, deadline))
		return 0;
	mms_slow_look(handle);
	r = over(handle);
	if (r)
		return r;
	if (!waits)
		return wait->waited ? wait->waited : -EAGAIN;
	if (!handle->keep_open && handle->senders)
		watch.recheck_ns = CERTIFY_NS;
	r = mms_wait_sleep(&handle->waiter, &handle->patience, &watch,
			   deadline);
	if (r < 0)
		wait->waited = r;
	wait->rechecked = r == MMS_WAIT_RECHECK;
	return 0;
}

/* We give up beside a message whose only wake may have been ours. */
static void pass_on(struct mmsock *handle)
{
	/* [F6] pairs with [W1]: nothing of ours to be seen, but asked is. */
	mms_fence();
	mms_wake(&handle->port.control->signals.data, 1);
}

/*
 * Hold the receiving end where there is something to receive.  Empty is seen
 * without the lock, so that waiting receivers do not fight for it.
 */
static int hold_data(struct data_wait *wait, uint64_t *ret_word)
{
	struct mmsock *handle = wait->handle;
	struct mms_ring *ring = &handle->port.ring;
	int r;

	if (!mms_ring_await_more(ring))
		return -EAGAIN;
	r = mms_hold_end(handle, ring, ring->recv, MMSOCK_RECV_END,
			 &wait->limit, ret_word);
	if (r)
		pass_on(handle);
	return r;
}

static int explain(int error)
{
	if (error == -EBADMSG)
		return mms_fail(error, "the oldest record of the ring is not "
				       "valid");
	return error;
}

/*
 * Give the end back with the message still there.  The wake that brought us here
 * may have been the only one for it, so it is passed on.
 */
static void leave_message(struct mmsock *handle, uint64_t word)
{
	mms_give_end(handle, handle->port.ring.recv, word,
		     &handle->port.control->signals.data, 1);
}

/* The commit of a receipt, its bookkeeping, and the end given back. */
static inline int64_t finish(struct mmsock *handle, uint64_t word,
			     uint64_t bytes, uint64_t count,
			     uint64_t payload_bytes)
{
	struct mms_end *end = handle->port.ring.recv;
	int64_t now;

	mms_ring_release(&handle->port.ring, bytes, count);
	now = mms_stamp(handle, end);
	mms_give_end(handle, end, word, &handle->port.control->signals.space,
		     MMS_EVERYBODY);
	handle->seen_sender = true;
	mms_bump(&handle->port.row->received, count);
	mms_bump(&handle->port.row->received_bytes, payload_bytes);
	mms_tick(handle, now);
	return now;
}

/* The oldest message, with the lock held if it returns 0. */
static int wait_and_hold(struct mmsock *handle, int64_t timeout_ns,
			 uint64_t *ret_word, const unsigned char **ret_payload,
			 size_t *ret_length)
{
	struct data_wait wait = {
		.handle = handle,
		.limit = {.timeout_ns = timeout_ns},
	};
	int r;

	for (;;) {
		r = hold_data(&wait, ret_word);
		if (!r) {
			r = explain(mms_ring_peek(&handle->port.ring,
						  ret_payload, ret_length));
			if (!r)
				return 0;
			leave_message(handle, *ret_word);
		}
		if (r != -EAGAIN)
			return r;
		r = wait_for_data(&wait);
		if (r)
			return r;
	}
}

/* The usual case: there is a message, and the lock is free. */
static inline int get_message(struct mmsock *handle, int64_t timeout_ns,
			      uint64_t *ret_word,
			      const unsigned char **ret_payload,
			      size_t *ret_length)
{
	struct mms_ring *ring = &handle->port.ring;

	if (mms_ring_await_more(ring) &&
	    mms_lock_try(&ring->recv->lock, handle->port.slot, ret_word)) {
		if (!mms_ring_peek(ring, ret_payload, ret_length))
			return 0;
		leave_message(handle, *ret_word);
	}
	return wait_and_hold(handle, timeout_ns, ret_word, ret_payload,
			     ret_length);
}

int mms_recv_hold(struct mmsock *handle, int64_t timeout_ns, uint64_t *ret_word,
		  const unsigned char **ret_payload, size_t *ret_length)
{
	return get_message(handle, timeout_ns, ret_word, ret_payload,
			   ret_length);
}

int64_t mms_recv_finish(struct mmsock *handle, uint64_t word, uint64_t bytes,
			uint64_t count, uint64_t payload_bytes)
{
	return finish(handle, word, bytes, count, payload_bytes);
}

void mms_recv_leave(struct mmsock *handle, uint64_t word)
{
	leave_message(handle, word);
}

static inline ssize_t recv_one(struct mmsock *handle, void *buffer, size_t size,
			       int64_t timeout_ns)
{
	const unsigned char *payload = NULL;
	uint64_t word;
	size_t length = 0;
	int r;

	r = get_message(handle, timeout_ns, &word, &payload, &length);
	if (r)
		return r;
	if (length > size) {
		leave_message(handle, word);
		return mms_fail(-EMSGSIZE,
				"the message has %zu bytes, the buffer %zu",
				length, size);
	}
	if (length)
		memcpy(buffer, payload, length);
	finish(handle, word, mms_record_size(length), 1, length);
	return (ssize_t)length;
}

ssize_t mmsock_recv(struct mmsock *handle, void *buffer, size_t size,
		    int64_t timeout_ns)
{
	ssize_t length;
	int r = mms_enter(handle, MMSOCK_RECEIVER, MMS_NO_LOAN);

	if (r)
		return r;
	length = recv_one(handle, buffer, size, timeout_ns);
	r = mms_leave(handle, length < 0 ? (int)length : 0);
	return r ? r : length;
}

static ssize_t peek(struct mmsock *handle, const void **ret_message,
		    int64_t timeout_ns)
{
	const unsigned char *payload = NULL;
	size_t length = 0;
	int r;

	r = get_message(handle, timeout_ns, &handle->loan_word, &payload,
			&length);
	if (r)
		return r;
	handle->loan = MMS_LOAN_MESSAGE;
	handle->loan_length = length;
	*ret_message = payload;
	return (ssize_t)length;
}

ssize_t mmsock_peek(struct mmsock *handle, const void **ret_message,
		    int64_t timeout_ns)
{
	ssize_t length;
	int r = mms_enter(handle, MMSOCK_RECEIVER, MMS_NO_LOAN);

	if (r)
		return r;
	length = peek(handle, ret_message, timeout_ns);
	r = mms_leave(handle, length < 0 ? (int)length : 0);
	return r ? r : length;
}

int mmsock_release(struct mmsock *handle)
{
	int r = mms_enter(handle, MMSOCK_RECEIVER, MMS_LOAN_MESSAGE);

	if (r)
		return r;
	handle->loan = MMS_NO_LOAN;
	finish(handle, handle->loan_word, mms_record_size(handle->loan_length),
	       1, handle->loan_length);
	return mms_leave(handle, 0);
}

/* Fill the run; grows it for one message that is larger by itself. */
static int take(struct mmsock *handle, struct mmsock_run *run, size_t most,
		struct mms_part *ret_part)
{
	struct mms_ring *ring = &handle->port.ring;
	int r;

	r = mms_ring_take(ring, run->image, run->target, most, ret_part);
	if (r != -ENOBUFS)
		return r;
	r = mms_run_grow(run, ret_part->bytes);
	if (r)
		return r;
	return mms_ring_take(ring, run->image, ret_part->bytes, 1, ret_part);
}

/* With the lock held, which is given back. */
static int take_run(struct mmsock *handle, struct mmsock_run *run, size_t most,
		    uint64_t word)
{
	struct mms_part part;
	int r;

	r = explain(take(handle, run, most, &part));
	if (r) {
		leave_message(handle, word);
		return r;
	}
	mms_run_hold(run, &part);
	finish(handle, word, part.bytes, part.count, part.payload);
	return part.count > INT_MAX ? INT_MAX : (int)part.count;
}

static int recv_run(struct mmsock *handle, struct mmsock_run *run, size_t most,
		    int64_t timeout_ns)
{
	struct data_wait wait = {
		.handle = handle,
		.limit = {.timeout_ns = timeout_ns},
	};
	uint64_t word;
	int r;

	for (;;) {
		r = hold_data(&wait, &word);
		if (!r)
			r = take_run(handle, run, most, word);
		if (r != -EAGAIN)
			return r;
		r = wait_for_data(&wait);
		if (r)
			return r;
	}
}

int mmsock_run_recv(struct mmsock *handle, struct mmsock_run *run, size_t most,
		    int64_t timeout_ns)
{
	int r = mms_enter(handle, MMSOCK_RECEIVER, MMS_NO_LOAN);

	if (r)
		return r;
	mmsock_run_clear(run);
	return mms_leave(handle, recv_run(handle, run, most, timeout_ns));
}

/* Give a sending end back on which space was lent. */
static void abandon(struct mmsock *handle, struct mms_ring *ring)
{
	mms_ring_abandon(ring, handle->loan_at);
	mms_give_end(handle, ring->send, handle->loan_word, NULL, 0);
}

void mms_end_loan(struct mmsock *handle)
{
	struct mms_port *port = &handle->port;
	struct mms_ring *ring = &port->ring;
	enum mms_loan loan = handle->loan;

	handle->loan = MMS_NO_LOAN;
	switch (loan) {
	case MMS_LOAN_MESSAGE:
	case MMS_LOAN_REQUEST:
		leave_message(handle, handle->loan_word);
		break;
	case MMS_LOAN_REPLY_SPACE:
		ring = &port->service.rings[handle->loan_client];
		/* fall through */
	case MMS_LOAN_SPACE:
	case MMS_LOAN_CALL:
		abandon(handle, ring);
		break;
	case MMS_LOAN_REPLY:
	case MMS_NO_LOAN:
		break;
	}
}

int mmsock_cancel(struct mmsock *handle)
{
	int r = mms_enter(handle, 0, handle->loan);

	if (r)
		return r;
	r = handle->loan == MMS_NO_LOAN ? -EINVAL : 0;
	mms_end_loan(handle);
	return mms_leave(handle, r);
}
