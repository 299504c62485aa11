/* SPDX-License-Identifier: MIT */
/*
 * caller.c - the calls of a client: what is in flight, and what becomes of it
 *
 * A reply is waited for as a message is (recv.c): try, wait, try again.  Nobody else
 * reads the lane, so that is done without a lock.  What is different is the end of
 * the waiting; fate.c tells what is found out then.
 */
#include "caller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "atomic.h"
#include "deadline.h"

/* Replies that are put aside or dropped at one look. */
#define GATHER_MOST 256

#define STATUS_SIZE sizeof(uint64_t)

/* A client on his way through an empty lane. */
struct reply_wait {
	struct mmsock *handle;
	struct mms_call *call; /* NULL: any */
	struct mms_limit limit;
	int waited;       /* how the last wait ended, where it failed */
	bool rechecked;   /* a period of sleep is over: no use in a spin */
	uint32_t servers; /* came and went, when we last looked */
};

int mms_caller_init(struct mmsock *handle)
{
	struct mms_port *port = &handle->port;
	struct mms_caller *caller = calloc(1, sizeof(*caller));

	if (!caller)
		return -ENOMEM;
	caller->lane = &port->service.lanes[port->slot];
	caller->ring = port->service.rings;
	caller->next = caller->floor = port->first_call;
	handle->caller = caller;
	handle->patience.tries = true;
	return 0;
}

void mms_caller_fini(struct mmsock *handle)
{
	struct mms_caller *caller = handle->caller;
	unsigned i;

	if (!mms_forked(handle->fork_token))
		mms_lane_close(caller->lane, caller->next);
	for (i = 0; i < MMS_CALLS; i++)
		free(caller->calls[i].reply);
	free(caller);
	handle->caller = NULL;
}

struct mms_call *mms_call_find(struct mms_caller *caller, uint64_t number)
{
	struct mms_call *call = &caller->calls[number % MMS_CALLS];

	return number && call->number == number ? call : NULL;
}

/* The oldest call, or NULL. */
static struct mms_call *oldest(struct mms_caller *caller)
{
	uint64_t number = caller->floor;
	struct mms_call *call = NULL;

	for (; caller->count && !call && number != caller->next; number++)
		call = mms_call_find(caller, number);
	return call;
}

/* For those who look: how many, and since when the oldest. */
void mms_show_calls(struct mmsock *handle, const struct mms_call *oldest)
{
	struct mms_row *row = handle->port.row;

	if (oldest)
		mms_store(&row->journal, (uint64_t)oldest->since_ns);
	mms_store(&row->held, handle->caller->count);
}

static uint64_t word_of(const unsigned char *payload)
{
	uint64_t word;

	memcpy(&word, payload, sizeof(word));
	return word;
}

static void release(struct mms_ring *ring, size_t length)
{
	mms_ring_release(ring, mms_record_size(length), 1);
}

/* Keep the reply in memory and take it off the lane. */
static int put_aside(struct mms_caller *caller, const struct mms_reply *reply)
{
	unsigned char *copy = malloc(reply->length);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, reply->payload, reply->length);
	reply->call->reply = copy;
	reply->call->length = reply->length;
	release(caller->ring, reply->length);
	return 0;
}

/* The first reply in the lane: 1, 0 where there is none, -errno. */
static int look_into_lane(struct mms_caller *caller,
			  struct mms_reply *ret_reply)
{
	int r = mms_ring_peek(caller->ring, &ret_reply->payload,
			      &ret_reply->length);

	if (r == -EAGAIN) {
		caller->given_up = 0;
		return 0;
	}
	if (r || ret_reply->length < MMS_CALL_WORD)
		return mms_fail(-EBADMSG, "the oldest reply is not valid");
	ret_reply->call = mms_call_find(caller, word_of(ret_reply->payload) &
							MMS_CALL_NUMBER);
	return 1;
}

static bool was_put_aside(struct mms_caller *caller, struct mms_call *wanted,
			  struct mms_reply *ret_reply)
{
	uint64_t number = caller->floor;

	for (; !wanted && number != caller->next; number++) {
		wanted = mms_call_find(caller, number);
		if (wanted && !wanted->reply)
			wanted = NULL;
	}
	if (!wanted || !wanted->reply)
		return false;
	*ret_reply = (struct mms_reply){wanted, wanted->reply, wanted->length};
	return true;
}

/*
 * 1 if the reply to @wanted, or to any call, is there; others are put aside, and
 * those that nobody waits for are dropped.
 */
static int gather(struct mms_caller *caller, struct mms_call *wanted,
		  struct mms_reply *ret_reply)
{
	unsigned most = GATHER_MOST;
	struct mms_reply reply;
	int r = 1;

	if ((!wanted || wanted->reply) &&
	    was_put_aside(caller, wanted, ret_reply))
		return 1;
	while (r > 0 && most-- > 0) {
		r = look_into_lane(caller, &reply);
		if (r <= 0)
			return r;
		if (reply.call && (!wanted || reply.call == wanted)) {
			*ret_reply = reply;
			return 1;
		}
		if (!reply.call || reply.call->reply)
			release(caller->ring, reply.length);
		else if (put_aside(caller, &reply))
			return -ENOMEM;
	}
	return 0;
}

static bool reply_is_there(void *context)
{
	const struct reply_wait *wait = context;
	const struct mmsock *handle = wait->handle;

	return !mms_ring_is_empty(handle->caller->ring) ||
	       mms_port_gone(handle) ||
	       mms_servers_seen(handle) != wait->servers;
}

/* Spin for the next reply; true if there is one. */
static bool spin(struct reply_wait *wait, const struct mms_watch *watch,
		 int64_t deadline_ns)
{
	struct mmsock *handle = wait->handle;
	int r;

	if (wait->rechecked ||
	    !mms_wait_spin(&handle->waiter, &handle->patience, watch,
			   deadline_ns) ||
	    mms_ring_is_empty(handle->caller->ring))
		return false;
	r = mms_wait_changed(deadline_ns);
	if (r < 0)
		wait->waited = r;
	return true;
}

/* After a look that found nothing: 0 to look again, or why not. */
static int wait_for_reply(struct reply_wait *wait, struct mms_call **ret_call)
{
	struct mmsock *handle = wait->handle;
	struct mms_ring *ring = handle->caller->ring;
	struct mms_watch watch =
		mms_watch_for(&handle->caller->lane->data, MMSOCK_REPLY,
			      reply_is_there, wait);
	bool waits = wait->limit.timeout_ns && !wait->waited;
	int64_t deadline = waits ? mms_limit_deadline(&wait->limit) : 0;
	int r;

	watch.word = mms_ring_next_header(ring);
	watch.along = mms_ring_next_line(ring);
	watch.recheck_ns = MMS_FATE_PERIOD_NS;
	if (waits && spin(wait, &watch, deadline))
		return 0;
	mms_slow_look(handle);
	wait->servers = mms_servers_seen(handle);
	*ret_call = wait->call;
	r = wait->call ? mms_fate(handle, wait->call)
		       : mms_fate_of_any(handle, ret_call);
	if (r)
		return r;
	*ret_call = NULL;
	if (!waits)
		return wait->waited ? wait->waited : -EAGAIN;
	r = mms_wait_sleep(&handle->waiter, &handle->patience, &watch,
			   deadline);
	if (r < 0)
		wait->waited = r;
	wait->rechecked = r == MMS_WAIT_RECHECK;
	return 0;
}

/*
 * The reply to @call, or to any where that is NULL.  Where the call has ended
 * without one, ret_reply->call is set beside the error.
 */
int mms_await_reply(struct mmsock *handle, struct mms_call *call,
		    const struct mms_limit *limit, struct mms_reply *ret_reply)
{
	struct reply_wait wait = {
		.handle = handle,
		.call = call,
		.limit = *limit,
		.servers = mms_servers_seen(handle),
	};
	int r;

	for (;;) {
		r = gather(handle->caller, call, ret_reply);
		if (r > 0)
			return 0;
		ret_reply->call = NULL;
		if (!r)
			r = wait_for_reply(&wait, &ret_reply->call);
		if (r)
			return r;
	}
}

/* The call is over, and its reply of no use any more. */
void mms_call_end(struct mmsock *handle, const struct mms_reply *reply)
{
	struct mms_caller *caller = handle->caller;
	struct mms_call *call = reply->call;

	if (reply->payload && !call->reply)
		release(caller->ring, reply->length);
	free(call->reply);
	*call = (struct mms_call){0};
	caller->count--;
	mms_show_calls(handle, oldest(caller));
}

/* End a call that no reply is wanted to any more; true if nobody had taken it. */
bool mms_call_give_up(struct mmsock *handle, struct mms_call *call)
{
	struct mms_reply none = {.call = call};
	bool taken = true;

	if (!call->reply) {
		mms_lane_withdraw(handle->caller->lane, call->number);
		taken = mms_is_taken(handle, call);
		handle->caller->given_up += taken;
	}
	mms_call_end(handle, &none);
	return !taken;
}

/* A text of the other side's, for a terminal. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == '\x7f')
			*text = '?';
}

static int report_failure(struct mms_caller *caller,
			  const struct mms_reply *reply)
{
	const unsigned char *text =
		reply->payload + MMS_CALL_WORD + STATUS_SIZE;
	size_t length = reply->length - MMS_CALL_WORD - STATUS_SIZE;
	char copy[MMS_FAILURE_TEXT + 1];

	if (length > MMS_FAILURE_TEXT)
		length = MMS_FAILURE_TEXT;
	memcpy(copy, text, length);
	copy[length] = '\0';
	make_printable(copy);
	caller->status =
		(int32_t)(uint32_t)word_of(reply->payload + MMS_CALL_WORD);
	if (!*copy)
		return -EREMOTEIO;
	return mms_fail(-EREMOTEIO, "%s", copy);
}

static int report_refusal(const struct mms_reply *reply)
{
	switch (word_of(reply->payload + MMS_CALL_WORD)) {
	case EMSGSIZE:
		return mms_fail(-EMSGSIZE, "the reply is larger than the "
					   "service's lanes take");
	case ENOBUFS:
		return mms_fail(-ENOBUFS, "the reply did not fit beside others "
					  "that were not collected");
	default:
		return -EBADMSG;
	}
}

/* What the record says: 0 for an answer, else the error that it is. */
int mms_read_reply(struct mms_caller *caller, const struct mms_reply *reply)
{
	uint64_t kind = word_of(reply->payload) & MMS_CALL_KIND;

	if (kind == MMS_CALL_ANSWER)
		return 0;
	if (reply->length < MMS_CALL_WORD + STATUS_SIZE)
		return -EBADMSG;
	if (kind == MMS_CALL_FAILED)
		return report_failure(caller, reply);
	return kind == MMS_CALL_REFUSED ? report_refusal(reply) : -EBADMSG;
}

static int too_many(void)
{
	return mms_fail(-ENOBUFS,
			"the oldest of the calls that were not collected is %u "
			"calls old",
			MMS_CALLS);
}

/*
 * Answers to calls that were given up have no room that later ones need.  What is
 * in the lane goes before the next call is sent, and then at most one can still come:
 * of a server who had looked whether it is wanted just before it was not any more,
 * with the lane held, so that no other one could.
 *
 *	client                  server A                server B
 *	------                  --------                --------
 *	                        holds the lane
 *	                        call 1 is wanted
 *	gives call 1 up
 *	empties the lane
 *	sends call 2
 *	                        commits reply 1
 *	                                                holds the lane
 *	                                                needs room for reply 2
 *
 * So a lane takes two replies of the largest size, and who makes one call at a time
 * gets each of his replies.
 */
static void make_room_for_answers(struct mms_caller *caller)
{
	struct mms_call nobody = {0};
	struct mms_reply none;

	(void)gather(caller, &nobody, &none);
}

/* Make the next number usable. */
int mms_call_begin(struct mms_caller *caller)
{
	struct mms_call *first;

	if (caller->given_up)
		make_room_for_answers(caller);
	if (caller->next - caller->floor >= MMS_CALLS) {
		first = oldest(caller);
		caller->floor = first ? first->number : caller->next;
		if (caller->next - caller->floor >= MMS_CALLS)
			return too_many();
	}
	mms_lane_begin(caller->lane, caller->next, caller->floor);
	return 0;
}
