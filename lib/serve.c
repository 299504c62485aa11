/* SPDX-License-Identifier: MIT */
/*
 * serve.c - the server's side of a service: take a request, reply to it
 *
 * A request is received as a message is (recv.c), with a note on the server's desk
 * before and a look at whether it is wanted after (lane.c explains both).  A reply
 * is sent through the client's lane, whose sending end all servers share: taken,
 * repaired after a death and given back like any other.
 *
 * A server never waits for a client.  Where the lane is full of replies that were
 * not collected, a refusal goes into what is kept free for that, and the client
 * is told that his reply did not fit.  And what a client has done to his own lane is no
 * reason to stop serving others: he counts as gone.
 */
#include <errno.h>
#include <string.h>

#include "atomic.h"
#include "deadline.h"
#include "handle.h"

/* A request in the ring, with the receiving end held. */
struct found {
	uint64_t word; /* of the lock */
	const unsigned char *payload;
	size_t length; /* of the record, the word included */
	uint64_t call;
	unsigned client;
};

/* A reply on its way. */
struct answer {
	struct mmsock *handle;
	struct mms_ring *ring; /* the lane's */
	unsigned client;
	unsigned place;
	uint64_t number;
	struct mms_limit limit;
	uint64_t word; /* of the lane's lock */
	uint64_t at;
};

static struct mms_lane *lane_of(const struct mmsock *handle, unsigned client)
{
	return &handle->port.service.lanes[client];
}

/* One that nobody wants is dropped, and what cannot be is not served. */
static bool is_wanted(const struct mmsock *handle, struct found *found)
{
	uint64_t word;

	if (found->length < MMS_CALL_WORD)
		return false;
	memcpy(&word, found->payload, sizeof(word));
	found->call = word & MMS_CALL_NUMBER;
	/* Loaded once: the ring is everybody's. */
	found->client = mms_record_sender(found->payload);
	return found->client < handle->port.service.clients &&
	       mms_lane_wants(lane_of(handle, found->client), found->call);
}

static int64_t take(struct mmsock *handle, const struct found *found)
{
	return mms_recv_finish(
		handle, found->word, mms_record_size(found->length), 1,
		found->length < MMS_CALL_WORD ? 0
					      : found->length - MMS_CALL_WORD);
}

static int64_t time_left(const struct mms_limit *limit)
{
	int64_t left;

	if (!limit->deadline_ns)
		return limit->timeout_ns;
	left = limit->deadline_ns - mms_now_ns();
	return left > 0 ? left : 1;
}

/*
 * The oldest request that is wanted.  The clock is read from the first on that is not,
 * so that clients who go on giving up keep nobody for more than twice his time.
 */
static int find_request(struct mmsock *handle, struct mms_limit *limit,
			struct found *ret_found)
{
	int r;

	if (handle->open_requests == (UINT32_C(1) << MMS_NOTES) - 1)
		return mms_fail(-ENOBUFS, "%u requests have no reply yet",
				MMS_NOTES);
	for (;;) {
		r = mms_recv_hold(handle, time_left(limit), &ret_found->word,
				  &ret_found->payload, &ret_found->length);
		if (r || is_wanted(handle, ret_found))
			return r;
		if (limit->deadline_ns && mms_now_ns() >= limit->deadline_ns) {
			mms_recv_leave(handle, ret_found->word);
			return -ETIMEDOUT;
		}
		take(handle, ret_found);
		mms_limit_deadline(limit);
		mms_add(&handle->port.control->census.dropped, 1);
	}
}

static void close_request(struct mmsock *handle, unsigned place)
{
	mms_note_clear(&handle->port.service, handle->port.slot, place);
	handle->open_requests &= ~(UINT32_C(1) << place);
}

/*
 * Take it off the ring.  -ECONNRESET where it was withdrawn meanwhile: only now is
 * it certain that it was not.
 */
static int open_request(struct mmsock *handle, const struct found *found,
			struct mmsock_request *ret_request)
{
	unsigned place = (unsigned)__builtin_ctz(~handle->open_requests);
	uint64_t note = mms_note_of(found->client, found->call);
	const struct mms_service *service = &handle->port.service;
	int64_t now;

	mms_note_write(service, handle->port.slot, place, note);
	now = take(handle, found);
	mms_note_stamp(service, handle->port.slot, place,
		       now + handle->wall_offset_ns);
	if (!mms_lane_claim(lane_of(handle, found->client), found->call)) {
		mms_note_clear(service, handle->port.slot, place);
		return -ECONNRESET;
	}
	handle->notes[place] = note;
	handle->open_requests |= UINT32_C(1) << place;
	*ret_request =
		(struct mmsock_request){found->call, found->client, place};
	return 0;
}

static ssize_t serve_one(struct mmsock *handle, void *buffer, size_t size,
			 struct mmsock_request *ret_request, int64_t timeout_ns)
{
	struct mms_limit limit = {.timeout_ns = timeout_ns};
	struct found found = {0};
	size_t length;
	int r;

	do {
		r = find_request(handle, &limit, &found);
		if (r)
			return r;
		length = found.length - MMS_CALL_WORD;
		if (length > size) {
			mms_recv_leave(handle, found.word);
			return mms_fail(
				-EMSGSIZE,
				"the request has %zu bytes, the buffer %zu",
				length, size);
		}
		if (length)
			memcpy(buffer, found.payload + MMS_CALL_WORD, length);
		r = open_request(handle, &found, ret_request);
	} while (r);
	return (ssize_t)length;
}

ssize_t mmsock_serve_recv(struct mmsock *handle, void *buffer, size_t size,
			  struct mmsock_request *ret_request,
			  int64_t timeout_ns)
{
	ssize_t length;
	int r = mms_enter(handle, MMSOCK_SERVER, MMS_NO_LOAN);

	if (r)
		return r;
	length = serve_one(handle, buffer, size, ret_request, timeout_ns);
	r = mms_leave(handle, length < 0 ? (int)length : 0);
	return r ? r : length;
}

static ssize_t peek(struct mmsock *handle, const void **ret_request,
		    int64_t timeout_ns)
{
	struct mms_limit limit = {.timeout_ns = timeout_ns};
	struct found found = {0};
	int r = find_request(handle, &limit, &found);

	if (r)
		return r;
	handle->loan = MMS_LOAN_REQUEST;
	handle->loan_word = found.word;
	handle->loan_length = found.length;
	handle->loan_client = found.client;
	handle->loan_number = found.call;
	*ret_request = found.payload + MMS_CALL_WORD;
	return (ssize_t)(found.length - MMS_CALL_WORD);
}

ssize_t mmsock_serve_peek(struct mmsock *handle, const void **ret_request,
			  int64_t timeout_ns)
{
	ssize_t length;
	int r = mms_enter(handle, MMSOCK_SERVER, MMS_NO_LOAN);

	if (r)
		return r;
	length = peek(handle, ret_request, timeout_ns);
	r = mms_leave(handle, length < 0 ? (int)length : 0);
	return r ? r : length;
}

int mmsock_serve_release(struct mmsock *handle,
			 struct mmsock_request *ret_request)
{
	struct found found = {0};
	int r = mms_enter(handle, MMSOCK_SERVER, MMS_LOAN_REQUEST);

	if (r)
		return r;
	handle->loan = MMS_NO_LOAN;
	found = (struct found){
		.word = handle->loan_word,
		.length = handle->loan_length,
		.client = handle->loan_client,
		.call = handle->loan_number,
	};
	return mms_leave(handle, open_request(handle, &found, ret_request));
}

/* Is it one that this handle has taken and not answered? */
static bool is_open(const struct mmsock *handle,
		    const struct mmsock_request *request)
{
	return request->place < MMS_NOTES &&
	       handle->open_requests >> request->place & 1 &&
	       handle->notes[request->place] ==
		       mms_note_of(request->client, request->call);
}

static int refuse_request(void)
{
	return mms_fail(-EINVAL, "the request is not open on this handle");
}

/* The lane back, and the client awake. */
static void give_lane(const struct answer *answer)
{
	mms_give_end(answer->handle, answer->ring->send, answer->word,
		     &lane_of(answer->handle, answer->client)->data,
		     MMS_EVERYBODY);
}

/* With the lane held: nobody will see a reply to this one. */
static int drop_answer(const struct answer *answer)
{
	mms_add(&lane_of(answer->handle, answer->client)->unmet, 1);
	close_request(answer->handle, answer->place);
	give_lane(answer);
	return -ECONNRESET;
}

/* The reply is committed. */
static void finish(const struct answer *answer, size_t length)
{
	struct mms_row *row = answer->handle->port.row;

	close_request(answer->handle, answer->place);
	give_lane(answer);
	mms_bump(&row->sent, 1);
	mms_bump(&row->sent_bytes, length);
}

/* With the lane held: the client gets an error of the library in place of a reply. */
static int refuse(struct answer *answer, int error)
{
	uint64_t number = (uint64_t)error;

	if (mms_ring_reserve(answer->ring, MMS_REFUSAL_SIZE, &answer->at)) {
		(void)drop_answer(answer);
		return -error;
	}
	mms_ring_send_call(answer->ring, answer->at,
			   answer->number | MMS_CALL_REFUSED, &number,
			   sizeof(number));
	finish(answer, 0);
	return -error;
}

/* Hold the lane.  What a client has made of it is his own affair. */
static int hold_lane(struct answer *answer)
{
	struct mmsock *handle = answer->handle;
	struct mms_lane *lane = lane_of(handle, answer->client);
	int r = mms_hold_end(handle, answer->ring, &lane->send,
			     MMSOCK_REPLY_END, &answer->limit, &answer->word);

	if (r == -EBADMSG) {
		close_request(handle, answer->place);
		return -ECONNRESET;
	}
	if (r)
		return r;
	if (!mms_lane_wants(lane, answer->number))
		return drop_answer(answer);
	return 0;
}

/* Room for a reply of @length bytes, with the lane held if it returns 0. */
static int hold_room(struct answer *answer, size_t length)
{
	const struct mmsock *handle = answer->handle;
	uint64_t most = mmsock_max_reply(handle);
	int r = hold_lane(answer);

	if (r)
		return r;
	if (length > most) {
		(void)refuse(answer, EMSGSIZE);
		return mms_fail(-EMSGSIZE,
				"a reply of %zu bytes is larger than the "
				"service's maximum of %llu",
				length, (unsigned long long)most);
	}
	r = mms_ring_reserve(answer->ring,
			     mms_record_size(MMS_CALL_WORD + length) +
				     MMS_LANE_MARGIN,
			     &answer->at);
	if (r == -EAGAIN) {
		(void)refuse(answer, ENOBUFS);
		return mms_fail(-ENOBUFS, "the caller's lane is full of "
					  "replies that he has not collected");
	}
	return r ? drop_answer(answer) : 0;
}

static struct answer answer_to(struct mmsock *handle,
			       const struct mmsock_request *request,
			       int64_t timeout_ns)
{
	return (struct answer){
		.handle = handle,
		.ring = &handle->port.service.rings[request->client],
		.client = request->client,
		.place = request->place,
		.number = request->call,
		.limit = {.timeout_ns = timeout_ns},
	};
}

static int reply(struct mmsock *handle, const struct mmsock_request *request,
		 uint64_t kind, const void *bytes, size_t length,
		 int64_t timeout_ns)
{
	struct answer answer;
	int r;

	if (!is_open(handle, request))
		return refuse_request();
	answer = answer_to(handle, request, timeout_ns);
	r = hold_room(&answer, length);
	if (r)
		return r;
	mms_ring_send_call(answer.ring, answer.at, answer.number | kind, bytes,
			   length);
	finish(&answer, length);
	return 0;
}

int mmsock_reply(struct mmsock *handle, const struct mmsock_request *request,
		 const void *bytes, size_t length, int64_t timeout_ns)
{
	int r = mms_enter(handle, MMSOCK_SERVER, MMS_NO_LOAN);

	if (r)
		return r;
	return mms_leave(handle, reply(handle, request, MMS_CALL_ANSWER, bytes,
				       length, timeout_ns));
}

int mmsock_reply_error(struct mmsock *handle,
		       const struct mmsock_request *request, int status,
		       const char *text, int64_t timeout_ns)
{
	unsigned char bytes[sizeof(uint64_t) + MMS_FAILURE_TEXT];
	uint64_t word = (uint32_t)status;
	size_t length = text ? strnlen(text, MMS_FAILURE_TEXT) : 0;
	int r = mms_enter(handle, MMSOCK_SERVER, MMS_NO_LOAN);

	if (r)
		return r;
	memcpy(bytes, &word, sizeof(word));
	if (length)
		memcpy(bytes + sizeof(word), text, length);
	return mms_leave(handle, reply(handle, request, MMS_CALL_FAILED, bytes,
				       sizeof(word) + length, timeout_ns));
}

static int reserve(struct mmsock *handle, const struct mmsock_request *request,
		   size_t length, void **ret_buffer, int64_t timeout_ns)
{
	struct answer answer;
	int r;

	if (!is_open(handle, request))
		return refuse_request();
	answer = answer_to(handle, request, timeout_ns);
	r = hold_room(&answer, length);
	if (r)
		return r;
	handle->loan = MMS_LOAN_REPLY_SPACE;
	handle->loan_word = answer.word;
	handle->loan_at = answer.at;
	handle->loan_length = length;
	handle->loan_client = answer.client;
	handle->loan_place = answer.place;
	handle->loan_number = answer.number;
	*ret_buffer = mms_ring_payload(answer.ring, answer.at) + MMS_CALL_WORD;
	return 0;
}

int mmsock_reply_reserve(struct mmsock *handle,
			 const struct mmsock_request *request, size_t length,
			 void **ret_buffer, int64_t timeout_ns)
{
	int r = mms_enter(handle, MMSOCK_SERVER, MMS_NO_LOAN);

	if (r)
		return r;
	return mms_leave(handle, reserve(handle, request, length, ret_buffer,
					 timeout_ns));
}

int mmsock_reply_commit(struct mmsock *handle, size_t length)
{
	struct answer answer;
	int r = mms_enter(handle, MMSOCK_SERVER, MMS_LOAN_REPLY_SPACE);

	if (r)
		return r;
	if (length > handle->loan_length)
		return mms_leave(handle, -EINVAL);
	answer = (struct answer){
		.handle = handle,
		.ring = &handle->port.service.rings[handle->loan_client],
		.client = handle->loan_client,
		.place = handle->loan_place,
		.word = handle->loan_word,
	};
	mms_ring_commit_call(answer.ring, handle->loan_at, handle->loan_number,
			     length, handle->loan_length);
	handle->loan = MMS_NO_LOAN;
	finish(&answer, length);
	return mms_leave(handle, 0);
}

/* Start a call about a request that is open; mms_leave() must follow a 0. */
static int enter_about(struct mmsock *handle,
		       const struct mmsock_request *request)
{
	int r = mms_enter(handle, MMSOCK_SERVER, MMS_NO_LOAN);

	if (r || is_open(handle, request))
		return r;
	return mms_leave(handle, refuse_request());
}

int mmsock_request_wanted(struct mmsock *handle,
			  const struct mmsock_request *request)
{
	int r = enter_about(handle, request);
	bool wanted;

	if (r)
		return r;
	wanted = mms_lane_wants(lane_of(handle, request->client),
				request->call) &&
		 mms_peer_is_dead(&handle->port, request->client) != 1;
	mms_leave(handle, 0);
	return wanted;
}

int mmsock_request_pid(struct mmsock *handle,
		       const struct mmsock_request *request)
{
	int r = enter_about(handle, request);
	int pid;

	if (r)
		return r;
	pid = (int)atomic_load_explicit(&handle->port.rows[request->client].pid,
					memory_order_relaxed);
	mms_leave(handle, 0);
	return pid;
}
