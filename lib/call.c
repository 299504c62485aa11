/* SPDX-License-Identifier: MIT */
/*
 * call.c - the client's side of a service: send a request, collect its reply
 *
 * A call is sent as a message is (send.c), with its number before the request.
 * What it waits for afterwards is in caller.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "caller.h"
#include "deadline.h"
#include "handle.h"

/* A ring that stays full may be one that nobody serves any more. */
static int hold_slowly(struct mmsock *handle, uint64_t need,
		       struct mms_limit *limit, uint64_t *ret_word,
		       uint64_t *ret_at)
{
	int64_t deadline = limit->deadline_ns;
	int64_t left;
	int r;

	do {
		if (!mms_is_served(&handle->port))
			return -ECONNREFUSED;
		left = deadline - mms_now_ns();
		if (left <= 0)
			return -ETIMEDOUT;
		if (left > MMS_FATE_PERIOD_NS)
			left = MMS_FATE_PERIOD_NS;
		r = mms_send_hold(handle, need, left, ret_word, ret_at);
	} while (r == -ETIMEDOUT);
	return r;
}

/* Room for a request of @length bytes, with the end held if it returns 0. */
static int hold(struct mmsock *handle, size_t length, struct mms_limit *limit,
		uint64_t *ret_word, uint64_t *ret_at)
{
	uint64_t most = mmsock_max_message(handle);
	uint64_t need = mms_record_size(MMS_CALL_WORD + length);
	int64_t timeout = limit->timeout_ns;
	int64_t first = timeout;
	int r;

	if (length > most)
		return mms_refuse_size(length, most);
	r = mms_check_served(handle);
	if (!r)
		r = mms_call_begin(handle->caller);
	if (r)
		return r;
	if (timeout < 0 || timeout > MMS_FATE_PERIOD_NS)
		first = MMS_FATE_PERIOD_NS;
	r = mms_send_hold(handle, need, first, ret_word, ret_at);
	if (r != -ETIMEDOUT || first == timeout)
		return r;
	limit->deadline_ns = mms_deadline(mms_now_ns() - first, timeout);
	return hold_slowly(handle, need, limit, ret_word, ret_at);
}

/* The call whose request lies at @at, committed. */
static struct mms_call *note_call(struct mmsock *handle, uint64_t at,
				  int64_t now_ns)
{
	struct mms_caller *caller = handle->caller;
	struct mms_call *call = &caller->calls[caller->next % MMS_CALLS];

	call->number = caller->next++;
	call->at = at;
	call->since_ns = now_ns + handle->wall_offset_ns;
	caller->count++;
	mms_show_calls(handle, caller->count == 1 ? call : NULL);
	return call;
}

static int send_call(struct mmsock *handle, const void *request, size_t length,
		     struct mms_limit *limit, struct mms_call **ret_call)
{
	uint64_t word = 0;
	uint64_t at = 0;
	int r = hold(handle, length, limit, &word, &at);

	if (r)
		return r;
	mms_ring_send_call(&handle->port.ring, at, handle->caller->next,
			   request, length);
	*ret_call =
		note_call(handle, at, mms_send_finish(handle, word, 1, length));
	return 0;
}

/* Copy the reply out and end the call, but for -EMSGSIZE. */
static ssize_t collect(struct mmsock *handle, const struct mms_reply *reply,
		       void *buffer, size_t size)
{
	size_t length = reply->length - MMS_CALL_WORD;
	int r = mms_read_reply(handle->caller, reply);

	if (!r && length > size)
		return mms_fail(-EMSGSIZE,
				"the reply has %zu bytes, the buffer %zu",
				length, size);
	if (!r && length)
		memcpy(buffer, reply->payload + MMS_CALL_WORD, length);
	mms_bump(&handle->port.row->received, 1);
	mms_bump(&handle->port.row->received_bytes, r ? 0 : length);
	mms_call_end(handle, reply);
	return r ? r : (ssize_t)length;
}

static ssize_t call(struct mmsock *handle, const void *request, size_t length,
		    void *buffer, size_t size, int64_t timeout_ns)
{
	struct mms_limit limit = {.timeout_ns = timeout_ns};
	struct mms_reply reply = {0};
	struct mms_call *sent = NULL;
	uint64_t number;
	ssize_t result = send_call(handle, request, length, &limit, &sent);

	if (result)
		return result;
	number = sent->number;
	result = mms_await_reply(handle, sent, &limit, &reply);
	if (!result)
		result = collect(handle, &reply, buffer, size);
	if (mms_call_find(handle->caller, number))
		mms_call_give_up(handle, sent);
	return result;
}

ssize_t mmsock_call(struct mmsock *handle, const void *request, size_t length,
		    void *buffer, size_t size, int64_t timeout_ns)
{
	ssize_t result;
	int r = mms_enter(handle, MMSOCK_CLIENT, MMS_NO_LOAN);

	if (r)
		return r;
	result = call(handle, request, length, buffer, size, timeout_ns);
	r = mms_leave(handle, result < 0 ? (int)result : 0);
	return r ? r : result;
}

int mmsock_call_send(struct mmsock *handle, const void *request, size_t length,
		     uint64_t *ret_call, int64_t timeout_ns)
{
	struct mms_limit limit = {.timeout_ns = timeout_ns};
	struct mms_call *sent = NULL;
	int r = mms_enter(handle, MMSOCK_CLIENT, MMS_NO_LOAN);

	if (r)
		return r;
	r = send_call(handle, request, length, &limit, &sent);
	if (!r)
		*ret_call = sent->number;
	return mms_leave(handle, r);
}

static int no_such_call(void)
{
	mms_fail(-EINVAL, "there is no such call");
	return -EINVAL;
}

/* The reply that the caller asks for, and the call's number in *@number. */
static int await_asked(struct mmsock *handle, uint64_t *number,
		       int64_t timeout_ns, struct mms_reply *ret_reply)
{
	struct mms_caller *caller = handle->caller;
	struct mms_limit limit = {.timeout_ns = timeout_ns};
	struct mms_call *asked = mms_call_find(caller, *number);
	int r;

	if (*number ? !asked : !caller->count)
		return no_such_call();
	*ret_reply = (struct mms_reply){0};
	r = mms_await_reply(handle, asked, &limit, ret_reply);
	if (ret_reply->call)
		*number = ret_reply->call->number;
	if (r && ret_reply->call)
		mms_call_give_up(handle, ret_reply->call);
	return r;
}

ssize_t mmsock_call_recv(struct mmsock *handle, uint64_t *call, void *buffer,
			 size_t size, int64_t timeout_ns)
{
	struct mms_reply reply = {0};
	ssize_t result;
	int r = mms_enter(handle, MMSOCK_CLIENT, MMS_NO_LOAN);

	if (r)
		return r;
	result = await_asked(handle, call, timeout_ns, &reply);
	if (!result)
		result = collect(handle, &reply, buffer, size);
	r = mms_leave(handle, result < 0 ? (int)result : 0);
	return r ? r : result;
}

static int reserve(struct mmsock *handle, size_t length, void **ret_buffer,
		   int64_t timeout_ns)
{
	struct mms_limit limit = {.timeout_ns = timeout_ns};
	int r = hold(handle, length, &limit, &handle->loan_word,
		     &handle->loan_at);

	if (r)
		return r;
	handle->loan = MMS_LOAN_CALL;
	handle->loan_length = length;
	*ret_buffer = mms_ring_payload(&handle->port.ring, handle->loan_at) +
		      MMS_CALL_WORD;
	return 0;
}

int mmsock_call_reserve(struct mmsock *handle, size_t length, void **ret_buffer,
			int64_t timeout_ns)
{
	int r = mms_enter(handle, MMSOCK_CLIENT, MMS_NO_LOAN);

	if (r)
		return r;
	return mms_leave(handle,
			 reserve(handle, length, ret_buffer, timeout_ns));
}

int mmsock_call_commit(struct mmsock *handle, size_t length, uint64_t *ret_call)
{
	struct mms_ring *ring = &handle->port.ring;
	int r = mms_enter(handle, MMSOCK_CLIENT, MMS_LOAN_CALL);
	int64_t now;

	if (r)
		return r;
	if (length > handle->loan_length)
		return mms_leave(handle, -EINVAL);
	mms_ring_commit_call(ring, handle->loan_at, handle->caller->next,
			     length, handle->loan_length);
	handle->loan = MMS_NO_LOAN;
	now = mms_send_finish(handle, handle->loan_word, 1, length);
	*ret_call = note_call(handle, handle->loan_at, now)->number;
	return mms_leave(handle, 0);
}

static ssize_t peek(struct mmsock *handle, uint64_t *number,
		    const void **ret_reply, int64_t timeout_ns)
{
	struct mms_reply reply = {0};
	int r = await_asked(handle, number, timeout_ns, &reply);

	if (r)
		return r;
	r = mms_read_reply(handle->caller, &reply);
	if (r) {
		mms_call_end(handle, &reply);
		return r;
	}
	handle->loan = MMS_LOAN_REPLY;
	handle->loan_number = *number;
	handle->loan_length = reply.length;
	*ret_reply = reply.payload + MMS_CALL_WORD;
	return (ssize_t)(reply.length - MMS_CALL_WORD);
}

ssize_t mmsock_call_peek(struct mmsock *handle, uint64_t *call,
			 const void **ret_reply, int64_t timeout_ns)
{
	ssize_t result;
	int r = mms_enter(handle, MMSOCK_CLIENT, MMS_NO_LOAN);

	if (r)
		return r;
	result = peek(handle, call, ret_reply, timeout_ns);
	r = mms_leave(handle, result < 0 ? (int)result : 0);
	return r ? r : result;
}

int mmsock_call_release(struct mmsock *handle)
{
	struct mms_reply reply = {0};
	int r = mms_enter(handle, MMSOCK_CLIENT, MMS_LOAN_REPLY);

	if (r)
		return r;
	handle->loan = MMS_NO_LOAN;
	reply.call = mms_call_find(handle->caller, handle->loan_number);
	/* Where it was not put aside it is still the first of the lane. */
	reply.payload = handle->caller->ring->data;
	reply.length = handle->loan_length;
	mms_bump(&handle->port.row->received, 1);
	mms_bump(&handle->port.row->received_bytes,
		 reply.length - MMS_CALL_WORD);
	mms_call_end(handle, &reply);
	return mms_leave(handle, 0);
}

int mmsock_call_cancel(struct mmsock *handle, uint64_t call)
{
	struct mms_call *found;
	int r = mms_enter(handle, MMSOCK_CLIENT, MMS_NO_LOAN);

	if (r)
		return r;
	found = mms_call_find(handle->caller, call);
	if (!found)
		return mms_leave(handle, no_such_call());
	r = mms_call_give_up(handle, found);
	mms_leave(handle, 0);
	return r;
}

unsigned mmsock_call_count(const struct mmsock *handle)
{
	return handle->caller ? handle->caller->count : 0;
}

int mmsock_call_status(const struct mmsock *handle)
{
	return handle->caller ? handle->caller->status : 0;
}

uint64_t mmsock_max_reply(const struct mmsock *handle)
{
	const struct mms_header *header = &handle->port.header;

	return header->type == MMS_TYPE_RPC ? header->max_reply - MMS_CALL_WORD
					    : 0;
}
