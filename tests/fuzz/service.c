/* SPDX-License-Identifier: MIT */
/*
 * service.c - a service that somebody scribbles over while others use it
 *
 * Two clients and two servers, by handles of this thread, and every call there is.
 * Any of them may fail, but only in one of the ways that mmsock.h names; what is lent
 * lies in a ring, and what is lent or received is touched to its last byte.  As long
 * as nobody has scribbled, requests and replies are what was sent: all bytes of
 * either are the low byte of the call's number and the client's slot.
 */
#include "caller.h"
#include "fuzz.h"
#include "handle.h"
#include "lane.h"
#include "scribble.h"
#include "unit/sandbox.h"

#define PORT    "damaged"
#define CLIENTS 2
#define PARTIES SCRIBBLE_SLOTS /* the others are servers */
#define LONGEST 4500           /* more than any message or reply */
#define KEPT    32             /* requests that a server may ask for again */

struct party {
	struct mmsock *handle; /* NULL where it could not be opened */
	size_t reserved;
	uint64_t first; /* call of this handle, and the newest */
	uint64_t newest;
	struct mmsock_request requests[KEPT];
	unsigned taken;
};

static struct party parties[PARTIES];
static struct fuzz_input input;
static bool scribbles;

static uint64_t number(unsigned bytes)
{
	return fuzz_number(&input, bytes);
}

static bool is_named(int error)
{
	static const int errors[] = {
		EAGAIN,     EBUSY,     ECONNREFUSED, ECONNRESET, EDEADLK,
		EIDRM,      EINTR,     EINVAL,       EMSGSIZE,   ENOBUFS,
		EOWNERDEAD, EREMOTEIO, ESTALE,       ETIMEDOUT,
	};

	for (size_t i = 0; i < CHECK_COUNT(errors); i++) {
		if (error == errors[i])
			return true;
	}
	return error == EBADMSG && scribble_due();
}

static void check(intmax_t r)
{
	if (r < 0 && !is_named((int)-r))
		CHECK_INT(r, 0);
}

static unsigned char byte_of(uint64_t call, unsigned client)
{
	return (unsigned char)(call + client);
}

/* True bytes are checked, others touched. */
static void look_at(const void *bytes, ssize_t length, unsigned char expected)
{
	volatile const unsigned char *at = bytes;

	for (ssize_t i = 0; i < length; i++)
		CHECK(at[i] == expected || scribble_due());
}

static void check_lent(const struct mms_ring *ring, const unsigned char *at,
		       size_t length)
{
	CHECK(length <= ring->max_message - MMS_CALL_WORD);
	CHECK(at >= ring->data && at + length <= ring->data + 2 * ring->bytes);
}

static size_t some_length(void)
{
	return (size_t)number(2) % LONGEST;
}

/* A buffer of exactly that size, so that what is behind it is guarded. */
static unsigned char *buffer_of(size_t size, unsigned char filled)
{
	unsigned char *buffer = malloc(size);

	CHECK(buffer || !size);
	if (size)
		memset(buffer, filled, size);
	return buffer;
}

/* Nothing is lent with an error. */
static void check_loan(const struct party *party, ssize_t r)
{
	CHECK(r >= 0 || r == -EDEADLK || party->handle->loan == MMS_NO_LOAN);
}

/* Clients. */

static unsigned char next_byte(const struct party *party)
{
	return byte_of(party->handle->caller->next, party->handle->port.slot);
}

static void note_call(struct party *party, uint64_t call)
{
	CHECK(call && call > party->newest);
	if (!party->first)
		party->first = call;
	party->newest = call;
}

/* One of the latest, or 0: any. */
static uint64_t some_call(const struct party *party)
{
	uint64_t back = number(1);

	return back && back <= party->newest ? party->newest + 1 - back : 0;
}

static void check_ended(const struct party *party, uint64_t call)
{
	CHECK(call >= party->first && call <= party->newest);
}

/*
 * An error ends a call or leaves it in flight; two do either.  One that was asked
 * for with 0 is known only where it has ended.
 */
static void check_fate(const struct party *party, uint64_t call, ssize_t r)
{
	struct mms_call *found = mms_call_find(party->handle->caller, call);

	switch (r) {
	case -EAGAIN:
	case -ETIMEDOUT:
	case -EINTR:
		CHECK(found || !call);
		break;
	case -ECONNREFUSED:
	case -EOWNERDEAD:
	case -EREMOTEIO:
	case -ENOBUFS:
	case -EIDRM:
	case -ESTALE:
		CHECK(call && !found);
		break;
	default:
		break;
	}
}

static void call_and_wait(struct party *party, int64_t timeout_ns)
{
	unsigned char expected = next_byte(party);
	size_t length = some_length();
	size_t size = 16 * (size_t)number(1);
	unsigned char *request = buffer_of(length, expected);
	unsigned char *reply = buffer_of(size, 0);
	ssize_t r = mmsock_call(party->handle, request, length, reply, size,
				timeout_ns);

	check(r);
	CHECK(r < 0 || (size_t)r <= size);
	look_at(reply, r, expected);
	free(reply);
	free(request);
}

static void call_send(struct party *party, int64_t timeout_ns)
{
	size_t length = some_length();
	unsigned char *request = buffer_of(length, next_byte(party));
	uint64_t call = 0;
	int r = mmsock_call_send(party->handle, request, length, &call,
				 timeout_ns);

	check(r);
	if (!r)
		note_call(party, call);
	free(request);
}

static void call_recv(struct party *party, int64_t timeout_ns)
{
	uint64_t call = some_call(party);
	size_t size = 16 * (size_t)number(1);
	unsigned char *reply = buffer_of(size, 0);
	ssize_t r =
		mmsock_call_recv(party->handle, &call, reply, size, timeout_ns);

	check(r);
	CHECK(r < 0 || (size_t)r <= size);
	check_fate(party, call, r);
	if (r >= 0)
		check_ended(party, call);
	look_at(reply, r, byte_of(call, party->handle->port.slot));
	free(reply);
}

static void call_reserve(struct party *party, int64_t timeout_ns)
{
	size_t length = some_length();
	void *space;
	int r = mmsock_call_reserve(party->handle, length, &space, timeout_ns);

	check(r);
	if (r)
		return;
	check_lent(&party->handle->port.ring, space, length);
	memset(space, next_byte(party), length);
	party->reserved = length;
}

/* More than was reserved is refused. */
static void call_commit(struct party *party)
{
	size_t length = some_length();
	uint64_t call = 0;
	int r = mmsock_call_commit(party->handle, length, &call);

	check(r);
	if (r)
		return;
	CHECK(length <= party->reserved);
	note_call(party, call);
}

/* The reply lies in the lane, or in memory of its own. */
static void call_peek(struct party *party, int64_t timeout_ns)
{
	uint64_t call = some_call(party);
	const void *reply;
	ssize_t r = mmsock_call_peek(party->handle, &call, &reply, timeout_ns);

	check(r);
	check_fate(party, call, r);
	check_loan(party, r);
	if (r < 0)
		return;
	check_ended(party, call);
	CHECK((uint64_t)r <= mmsock_max_reply(party->handle));
	if (!mms_call_find(party->handle->caller, call)->reply)
		check_lent(party->handle->caller->ring, reply, (size_t)r);
	look_at(reply, r, byte_of(call, party->handle->port.slot));
}

static void client_step(struct party *party, unsigned call, int64_t timeout_ns)
{
	switch (call) {
	case 0:
	case 1:
		call_send(party, timeout_ns);
		break;
	case 2:
		call_recv(party, timeout_ns);
		break;
	case 3:
		call_reserve(party, timeout_ns);
		break;
	case 4:
		call_commit(party);
		break;
	case 5:
		call_peek(party, timeout_ns);
		break;
	case 6:
		check(mmsock_call_release(party->handle));
		break;
	case 7:
		check(mmsock_call_cancel(party->handle, some_call(party)));
		break;
	default:
		call_and_wait(party, timeout_ns);
	}
	CHECK(mmsock_call_count(party->handle) <= MMSOCK_CALLS_MAX);
	CHECK(strlen(mmsock_error_text(EREMOTEIO)) > 0);
	(void)mmsock_call_status(party->handle);
}

/* Servers. */

static void note_request(struct party *party,
			 const struct mmsock_request *request)
{
	CHECK(request->client < CLIENTS);
	CHECK(request->place < MMSOCK_REQUESTS_MAX);
	party->requests[party->taken++ % KEPT] = *request;
}

/* One of the latest, open or not. */
static struct mmsock_request some_request(const struct party *party)
{
	unsigned back = (unsigned)number(1) % KEPT;

	return party->requests[(party->taken - 1 - back) % KEPT];
}

static void serve_recv(struct party *party, int64_t timeout_ns)
{
	size_t size = 16 * (size_t)number(1);
	unsigned char *buffer = buffer_of(size, 0);
	struct mmsock_request request = {0};
	ssize_t r = mmsock_serve_recv(party->handle, buffer, size, &request,
				      timeout_ns);

	check(r);
	CHECK(r < 0 || (size_t)r <= size);
	if (r >= 0)
		note_request(party, &request);
	look_at(buffer, r, byte_of(request.call, request.client));
	free(buffer);
}

static void serve_peek(struct party *party, int64_t timeout_ns)
{
	const void *request;
	ssize_t r = mmsock_serve_peek(party->handle, &request, timeout_ns);

	check(r);
	check_loan(party, r);
	if (r < 0)
		return;
	check_lent(&party->handle->port.ring, request, (size_t)r);
	look_at(request, r,
		byte_of(party->handle->loan_number,
			party->handle->loan_client));
}

static void serve_release(struct party *party)
{
	struct mmsock_request request;
	int r = mmsock_serve_release(party->handle, &request);

	check(r);
	if (!r)
		note_request(party, &request);
}

static bool is_open(const struct party *party,
		    const struct mmsock_request *request)
{
	return request->place < MMSOCK_REQUESTS_MAX &&
	       party->handle->open_requests >> request->place & 1 &&
	       party->handle->notes[request->place] ==
		       mms_note_of(request->client, request->call);
}

/* An answer or an error closes a request or leaves it open. */
static void check_reply(const struct party *party,
			const struct mmsock_request *request, int r)
{
	check(r);
	switch (r) {
	case -EAGAIN:
	case -EBUSY:
	case -EINTR:
	case -ETIMEDOUT:
		CHECK(is_open(party, request));
		break;
	case 0:
	case -ECONNRESET:
	case -EMSGSIZE:
	case -ENOBUFS:
	case -EINVAL:
		CHECK(!is_open(party, request));
		break;
	default:
		break;
	}
}

static void reply(struct party *party, int64_t timeout_ns)
{
	struct mmsock_request request = some_request(party);
	size_t length = some_length();
	unsigned char *bytes =
		buffer_of(length, byte_of(request.call, request.client));

	check_reply(party, &request,
		    mmsock_reply(party->handle, &request, bytes, length,
				 timeout_ns));
	free(bytes);
}

static void reply_error(struct party *party, int64_t timeout_ns)
{
	struct mmsock_request request = some_request(party);
	size_t length = 8 * (size_t)number(1);
	char *text = (char *)buffer_of(length + 1, '\x1b');

	text[length] = '\0';
	check_reply(party, &request,
		    mmsock_reply_error(party->handle, &request, (int)length,
				       length ? text : NULL, timeout_ns));
	free(text);
}

static void reply_reserve(struct party *party, int64_t timeout_ns)
{
	struct mmsock_request request = some_request(party);
	size_t length = some_length();
	void *space;
	int r = mmsock_reply_reserve(party->handle, &request, length, &space,
				     timeout_ns);

	check(r);
	if (r)
		return;
	check_lent(&party->handle->port.service.rings[request.client], space,
		   length);
	memset(space, byte_of(request.call, request.client), length);
	party->reserved = length;
}

static void reply_commit(struct party *party)
{
	size_t length = some_length();
	int r = mmsock_reply_commit(party->handle, length);

	check(r);
	CHECK(r || length <= party->reserved);
}

static void ask_about(struct party *party)
{
	struct mmsock_request request = some_request(party);
	int r = mmsock_request_wanted(party->handle, &request);

	check(r);
	CHECK(r <= 1);
	r = mmsock_request_pid(party->handle, &request);
	CHECK(r == -EINVAL || r == -EDEADLK || r == getpid() || scribble_due());
}

static void server_step(struct party *party, unsigned call, int64_t timeout_ns)
{
	switch (call) {
	case 0:
	case 1:
		serve_recv(party, timeout_ns);
		break;
	case 2:
		serve_peek(party, timeout_ns);
		break;
	case 3:
		serve_release(party);
		break;
	case 4:
	case 5:
		reply(party, timeout_ns);
		break;
	case 6:
		reply_error(party, timeout_ns);
		break;
	case 7:
		reply_reserve(party, timeout_ns);
		break;
	case 8:
		reply_commit(party);
		break;
	default:
		ask_about(party);
	}
}

/* Everybody. */

static void reopen(unsigned index)
{
	struct party *party = &parties[index];
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING,
			    index < CLIENTS ? MMSOCK_CLIENT : MMSOCK_SERVER);

	options.spin_ns = number(1) & 1 ? 0 : MMSOCK_SPIN_ADAPTIVE;
	mmsock_close(party->handle);
	*party = (struct party){0};
	check(mmsock_open(PORT, &options, &party->handle));
}

static int visit(const struct mmsock_peer *peer, void *context)
{
	(void)context;
	CHECK(peer->slot < SCRIBBLE_SLOTS);
	CHECK(memchr(peer->program, 0, sizeof(peer->program)));
	return 0;
}

static void look(void)
{
	struct mmsock_info info = {.size = sizeof(info)};

	CHECK_INT(mmsock_inspect(PORT, NULL, &info), 0);
	CHECK(info.used_bytes <= SCRIBBLE_RING);
	CHECK(info.participants <= SCRIBBLE_SLOTS);
	CHECK_INT(info.clients, CLIENTS);
	CHECK(info.requests <=
	      (uint64_t)(PARTIES - CLIENTS) * MMSOCK_REQUESTS_MAX);
	CHECK_INT(mmsock_inspect_peers(PORT, NULL, visit, NULL), 0);
}

/* The calls of a queue are refused. */
static void mistake(struct party *party)
{
	char byte = 0;
	int r = mmsock_send(party->handle, &byte, 1, 0);
	ssize_t length = mmsock_recv(party->handle, &byte, 1, 0);

	CHECK(r == -EPERM && length == -EPERM);
}

/* One step: who, what, and whether he may wait: in one of four, for 5 us. */
static void step(void)
{
	unsigned choice = (unsigned)number(1);
	unsigned index = choice % PARTIES;
	struct party *party = &parties[index];
	unsigned call = choice / PARTIES % 16;
	int64_t timeout_ns = choice / 64 == 3 ? 5000 : 0;

	if (call == 15 && scribbles)
		scribble_take(&input);
	else if (call == 13)
		look();
	else if (call >= 14 || !party->handle)
		reopen(index);
	else if (call == 12)
		mmsock_interrupt(party->handle);
	else if (call == 11)
		mistake(party);
	else if (call == 10)
		check(mmsock_cancel(party->handle));
	else if (index < CLIENTS)
		client_step(party, call, timeout_ns);
	else
		server_step(party, call, timeout_ns);
}

static void scribble_first(unsigned count)
{
	while (count-- > 0 && input.left)
		scribble_take(&input);
}

/* Servers first, so that clients find somebody. */
static void open_all(void)
{
	for (unsigned i = PARTIES; i-- > 0;)
		reopen(i);
}

static void close_all(void)
{
	for (unsigned i = 0; i < PARTIES; i++) {
		mmsock_close(parties[i].handle);
		parties[i] = (struct party){0};
	}
}

/* Requests that wait, and replies that nobody has collected, to those who left. */
static void fill(void)
{
	struct mmsock_request request;
	unsigned char bytes[300] = {0};
	struct mmsock *client;
	uint64_t call;

	open_all();
	client = parties[0].handle;
	for (size_t length = 0; length < sizeof(bytes); length += 43)
		CHECK_INT(mmsock_call_send(client, bytes, length, &call, 0), 0);
	for (size_t length = 0; length < sizeof(bytes) / 2; length += 43) {
		CHECK(mmsock_serve_recv(parties[CLIENTS].handle, bytes,
					sizeof(bytes), &request, 0) >= 0);
		CHECK_INT(mmsock_reply(parties[CLIENTS].handle, &request, bytes,
				       length, 0),
			  0);
	}
	close_all();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	(void)argc;
	(void)argv;
	make_sandbox();
	options.type = MMSOCK_RPC;
	options.slots = SCRIBBLE_SLOTS;
	options.clients = CLIENTS;
	options.ring_bytes = SCRIBBLE_RING;
	options.reply_bytes = 2048; /* more than an error's text may have */
	CHECK_INT(mmsock_create(PORT, &options), 1);
	fill();
	scribble_init(join(getenv("MMSOCK_DIR"), PORT));
	return 0;
}

/*
 * The first bytes say what is written before anybody opens the service, or after
 * that; in one of 16 inputs the latter by a thread.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned first;
	unsigned how;

	input = (struct fuzz_input){data, size};
	first = (unsigned)number(1);
	how = (unsigned)number(1);
	scribbles = how % 16 != 15;
	scribble_reset();
	scribble_first(first % 8);
	open_all();
	scribble_first(first / 8 % 16);
	if (!scribbles)
		scribble_start();
	while (input.left)
		step();
	close_all();
	scribble_stop();
	scribble_check();
	return 0;
}
