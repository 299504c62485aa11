/* SPDX-License-Identifier: MIT */
/*
 * send.c - the sending end: try, wait for room, try again
 *
 * Nobody waits for room with the lock held: a sender who is stopped while he
 * waits stops nobody.
 */
#include <errno.h>
#include <stddef.h>

#include "deadline.h"
#include "handle.h"
#include "run.h"

/* A sender on his way through a full ring. */
struct room_wait {
	struct mmsock *handle;
	uint64_t need; /* bytes of the ring */
	struct mms_limit limit;
	int waited; /* how the last wait ended, where it failed */
};

static bool room_is_there(void *context)
{
	const struct room_wait *wait = context;

	return mms_ring_has_room(&wait->handle->port.ring, wait->need) ||
	       mms_port_gone(wait->handle);
}

/*
 * After a try that found no room: 0 to try again, or why not.  A wait that has
 * failed gets one more try, since a wake may have come at the same moment.
 */
static int wait_for_room(struct room_wait *wait)
{
	struct mmsock *handle = wait->handle;
	struct mms_ring *ring = &handle->port.ring;
	struct mms_watch watch =
		mms_watch_for(&handle->port.control->signals.space,
			      MMSOCK_SPACE, room_is_there, wait);
	int r;

	if (!wait->limit.timeout_ns)
		return -EAGAIN;
	if (wait->waited)
		return wait->waited;
	/* What the try has seen: any receipt since then is worth another. */
	watch.word = &ring->recv->at;
	watch.idle = ring->head_seen;
	r = mms_wait(&handle->waiter, &handle->patience, &watch,
		     mms_limit_deadline(&wait->limit));
	mms_distance_forget(&ring->reader, &ring->recv->at);
	if (r < 0)
		wait->waited = r;
	if (r)
		mms_slow_look(handle);
	return 0;
}

/* The bookkeeping of a commit, for those who look, and the end given back. */
static inline int64_t finish(struct mmsock *handle, uint64_t word,
			     uint64_t messages, uint64_t payload_bytes)
{
	struct mms_end *end = handle->port.ring.send;
	int64_t now = mms_stamp(handle, end);

	mms_give_end(handle, end, word, &handle->port.control->signals.data,
		     messages < MMS_EVERYBODY ? (unsigned)messages
					      : MMS_EVERYBODY);
	mms_bump(&handle->port.row->sent, messages);
	mms_bump(&handle->port.row->sent_bytes, payload_bytes);
	mms_tick(handle, now);
	return now;
}

int mms_refuse_size(size_t length, uint64_t most)
{
	return mms_fail(-EMSGSIZE,
			"a message of %zu bytes is larger than the port's "
			"maximum of %llu",
			length, (unsigned long long)most);
}

static int refuse_size(const struct mmsock *handle, size_t length)
{
	return mms_refuse_size(length, handle->port.header.max_message);
}

/* Room at the true end, with the lock held if it returns 0. */
static int hold_room(struct room_wait *wait, uint64_t *ret_word,
		     uint64_t *ret_at)
{
	struct mmsock *handle = wait->handle;
	struct mms_ring *ring = &handle->port.ring;
	int r;

	r = mms_port_gone(handle);
	if (!r)
		r = mms_hold_end(handle, ring, ring->send, MMSOCK_SEND_END,
				 &wait->limit, ret_word);
	if (r)
		return r;
	r = mms_ring_reserve(ring, wait->need, ret_at);
	if (!r)
		return 0;
	mms_give_end(handle, ring->send, *ret_word, NULL, 0);
	if (r == -EBADMSG)
		return mms_fail(r, "the ring's sending end is not valid");
	return r;
}

/* The same, waiting as long as the limit says. */
static int wait_and_hold(struct mmsock *handle, uint64_t need,
			 int64_t timeout_ns, uint64_t *ret_word,
			 uint64_t *ret_at)
{
	struct room_wait wait = {
		.handle = handle,
		.need = need,
		.limit = {.timeout_ns = timeout_ns},
	};
	int r;

	for (;;) {
		r = hold_room(&wait, ret_word, ret_at);
		if (r != -EAGAIN)
			return r;
		r = wait_for_room(&wait);
		if (r)
			return r;
	}
}

/* The usual case: the lock is free, and there is room. */
static inline int get_room(struct mmsock *handle, uint64_t need,
			   int64_t timeout_ns, uint64_t *ret_word,
			   uint64_t *ret_at)
{
	struct mms_ring *ring = &handle->port.ring;

	if (!mms_port_gone(handle) &&
	    mms_lock_try(&ring->send->lock, handle->port.slot, ret_word)) {
		if (!mms_ring_reserve(ring, need, ret_at))
			return 0;
		mms_give_end(handle, ring->send, *ret_word, NULL, 0);
	}
	return wait_and_hold(handle, need, timeout_ns, ret_word, ret_at);
}

int mms_send_hold(struct mmsock *handle, uint64_t need, int64_t timeout_ns,
		  uint64_t *ret_word, uint64_t *ret_at)
{
	return get_room(handle, need, timeout_ns, ret_word, ret_at);
}

int64_t mms_send_finish(struct mmsock *handle, uint64_t word, uint64_t messages,
			uint64_t payload_bytes)
{
	return finish(handle, word, messages, payload_bytes);
}

static inline int send_one(struct mmsock *handle, const void *message,
			   size_t length, int64_t timeout_ns)
{
	struct mms_ring *ring = &handle->port.ring;
	uint64_t word;
	uint64_t at;
	int r;

	if (length > ring->max_message)
		return refuse_size(handle, length);
	r = get_room(handle, mms_record_size(length), timeout_ns, &word, &at);
	if (r)
		return r;
	mms_ring_send(ring, at, message, length);
	finish(handle, word, 1, length);
	return 0;
}

int mmsock_send(struct mmsock *handle, const void *message, size_t length,
		int64_t timeout_ns)
{
	int r = mms_enter(handle, MMSOCK_SENDER, MMS_NO_LOAN);

	if (r)
		return r;
	return mms_leave(handle, send_one(handle, message, length, timeout_ns));
}

static int reserve(struct mmsock *handle, size_t length, void **ret_buffer,
		   int64_t timeout_ns)
{
	int r;

	if (length > handle->port.ring.max_message)
		return refuse_size(handle, length);
	r = get_room(handle, mms_record_size(length), timeout_ns,
		     &handle->loan_word, &handle->loan_at);
	if (r)
		return r;
	handle->loan = MMS_LOAN_SPACE;
	handle->loan_length = length;
	*ret_buffer = mms_ring_payload(&handle->port.ring, handle->loan_at);
	return 0;
}

int mmsock_reserve(struct mmsock *handle, size_t length, void **ret_buffer,
		   int64_t timeout_ns)
{
	int r = mms_enter(handle, MMSOCK_SENDER, MMS_NO_LOAN);

	if (r)
		return r;
	return mms_leave(handle,
			 reserve(handle, length, ret_buffer, timeout_ns));
}

int mmsock_commit(struct mmsock *handle, size_t length)
{
	struct mms_ring *ring = &handle->port.ring;
	int r = mms_enter(handle, MMSOCK_SENDER, MMS_LOAN_SPACE);

	if (r)
		return r;
	if (length > handle->loan_length)
		return mms_leave(handle, -EINVAL);
	mms_ring_commit(ring, handle->loan_at, length,
			mms_record_size(handle->loan_length));
	handle->loan = MMS_NO_LOAN;
	finish(handle, handle->loan_word, 1, length);
	return mms_leave(handle, 0);
}

/* As much of the run as there is room for; at least one message, or -errno. */
static int send_part(struct mmsock *handle, struct mmsock_run *run,
		     int64_t timeout_ns)
{
	struct mms_ring *ring = &handle->port.ring;
	struct mms_part part;
	uint64_t word;
	uint64_t room;
	uint64_t at;
	int r;

	r = get_room(handle, mms_run_first(run), timeout_ns, &word, &at);
	if (r)
		return r;
	/* Looks at head again, which a stranger may have changed since. */
	r = mms_ring_room(ring, at, run->end - run->next, &room);
	if (r) {
		mms_give_end(handle, ring->send, word, NULL, 0);
		return mms_fail(r, "the ring's receiving end is not valid");
	}
	part = mms_run_part(run, room);
	mms_ring_send_run(ring, at, run->image + run->next, &part);
	finish(handle, word, part.count, part.payload);
	mms_run_consume(run, &part);
	return 0;
}

static int send_run(struct mmsock *handle, struct mmsock_run *run,
		    int64_t timeout_ns)
{
	int r = 0;

	if (run->largest > handle->port.ring.max_message)
		mms_run_measure(run);
	if (run->largest > handle->port.ring.max_message)
		return refuse_size(handle, run->largest);
	mms_run_stamp(run, handle->port.slot);
	while (run->count && !r)
		r = send_part(handle, run, timeout_ns);
	return r;
}

int mmsock_run_send(struct mmsock *handle, struct mmsock_run *run,
		    int64_t timeout_ns)
{
	int r = mms_enter(handle, MMSOCK_SENDER, MMS_NO_LOAN);

	if (r)
		return r;
	return mms_leave(handle, send_run(handle, run, timeout_ns));
}
