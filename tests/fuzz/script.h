/* SPDX-License-Identifier: MIT */
/*
 * script.h - what participants of a damaged port do, as the input says
 *
 * Every call there is, by two handles.  Any of them may fail, but only in one of
 * the ways that mmsock.h names; what one lends lies in the ring, and what is lent
 * or received is touched to its last byte.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "fuzz.h"
#include "handle.h"
#include "scribble.h"
#include "unit/sandbox.h"

#define SCRIPT_PORT    "damaged"
#define SCRIPT_PARTIES 2
#define SCRIPT_LONGEST 8192
#define SCRIPT_RUN     (4 * SCRIBBLE_RING) /* no bound of the ring's is its own */

struct party {
	struct mmsock *handle; /* NULL where it could not be opened */
	struct mmsock_run *run;
	size_t reserved;
};

struct script {
	struct fuzz_input input;
	struct party parties[SCRIPT_PARTIES];
	bool scribbles;
};

static inline void script_check(intmax_t r)
{
	static const int errors[] = {
		EAGAIN, EBADMSG, EBUSY,    EDEADLK, EIDRM,  EINTR,
		EINVAL, ENODATA, EMSGSIZE, EPERM,   ESTALE, ETIMEDOUT,
	};

	if (r >= 0)
		return;
	for (size_t i = 0; i < CHECK_COUNT(errors); i++) {
		if (-r == errors[i])
			return;
	}
	CHECK_INT(r, 0);
}

static inline uint64_t script_number(struct script *script, unsigned bytes)
{
	return fuzz_number(&script->input, bytes);
}

static inline void script_touch(const void *bytes, size_t length)
{
	volatile const unsigned char *at = bytes;

	for (size_t i = 0; i < length; i++)
		(void)at[i];
}

static inline void script_check_lent(const struct party *party,
				     const unsigned char *at, size_t length)
{
	const struct mms_ring *ring = &party->handle->port.ring;

	CHECK(length <= ring->max_message);
	CHECK(at >= ring->data && at + length <= ring->data + 2 * ring->bytes);
}

static inline void script_send(struct script *script, struct party *party,
			       int64_t timeout_ns)
{
	size_t length = (size_t)script_number(script, 2) % SCRIPT_LONGEST;
	unsigned char *message = malloc(length);

	CHECK(message || !length);
	memset(message, 0xa5, length);
	script_check(mmsock_send(party->handle, message, length, timeout_ns));
	free(message);
}

static inline void script_recv(struct script *script, struct party *party,
			       int64_t timeout_ns)
{
	size_t size = 16 * (size_t)script_number(script, 1);
	unsigned char *buffer = malloc(size);
	ssize_t length;

	CHECK(buffer || !size);
	length = mmsock_recv(party->handle, buffer, size, timeout_ns);
	script_check(length);
	CHECK(length < 0 || (size_t)length <= size);
	free(buffer);
}

static inline void script_reserve(struct script *script, struct party *party,
				  int64_t timeout_ns)
{
	size_t length = (size_t)script_number(script, 2) % SCRIPT_LONGEST;
	void *space;
	int r = mmsock_reserve(party->handle, length, &space, timeout_ns);

	script_check(r);
	if (r)
		return;
	script_check_lent(party, space, length);
	memset(space, 0x5a, length);
	party->reserved = length;
}

static inline void script_commit(struct script *script, struct party *party)
{
	size_t length = (size_t)script_number(script, 1);

	if (length > party->reserved)
		length = party->reserved;
	script_check(mmsock_commit(party->handle, length));
}

static inline void script_peek(struct party *party, int64_t timeout_ns)
{
	const void *message;
	ssize_t length = mmsock_peek(party->handle, &message, timeout_ns);

	script_check(length);
	if (length < 0)
		return;
	script_check_lent(party, message, (size_t)length);
	script_touch(message, (size_t)length);
}

static inline void script_send_run(struct script *script, struct party *party,
				   int64_t timeout_ns)
{
	size_t count = (size_t)script_number(script, 1) % 64;
	size_t length = 4 * (size_t)script_number(script, 1);
	unsigned char message[4 * UINT8_MAX];

	memset(message, 0x33, sizeof(message));
	while (count-- > 0 && !mmsock_run_add(party->run, message, length))
		;
	script_check(mmsock_run_send(party->handle, party->run, timeout_ns));
}

static inline void script_recv_run(struct script *script, struct party *party,
				   int64_t timeout_ns)
{
	size_t most = (size_t)script_number(script, 1);
	const void *message;
	size_t length;
	int count;
	int r = mmsock_run_recv(party->handle, party->run, most, timeout_ns);

	script_check(r);
	for (count = 0; mmsock_run_next(party->run, &message, &length); count++)
		script_touch(message, length);
	CHECK(r < 0 || (count == r && r > 0 && (!most || (size_t)r <= most)));
}

static inline void script_open(struct script *script, struct party *party)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING, 0);
	unsigned choice = (unsigned)script_number(script, 1);

	options.role = 1 + choice % 3;
	options.flags = choice & 4 ? MMSOCK_KEEP_OPEN : 0;
	options.spin_ns = choice & 8 ? 0 : MMSOCK_SPIN_ADAPTIVE;
	mmsock_close(party->handle);
	party->handle = NULL;
	script_check(mmsock_open(SCRIPT_PORT, &options, &party->handle));
}

static inline int script_visit(const struct mmsock_peer *peer, void *context)
{
	(void)context;
	CHECK(peer->slot < SCRIBBLE_SLOTS);
	CHECK(memchr(peer->program, 0, sizeof(peer->program)));
	return 0;
}

static inline void script_look(void)
{
	struct mmsock_info info = {.size = sizeof(info)};

	CHECK_INT(mmsock_inspect(SCRIPT_PORT, NULL, &info), 0);
	CHECK(info.used_bytes <= SCRIBBLE_RING);
	CHECK(info.messages <= SCRIBBLE_RING / 8);
	CHECK(info.participants <= SCRIBBLE_SLOTS);
	CHECK_INT(mmsock_inspect_peers(SCRIPT_PORT, NULL, script_visit, NULL),
		  0);
}

static inline void script_call(struct script *script, struct party *party,
			       unsigned call, int64_t timeout_ns)
{
	switch (call) {
	case 0:
		script_send(script, party, timeout_ns);
		break;
	case 1:
		script_recv(script, party, timeout_ns);
		break;
	case 2:
		script_reserve(script, party, timeout_ns);
		break;
	case 3:
		script_commit(script, party);
		break;
	case 4:
		script_peek(party, timeout_ns);
		break;
	case 5:
		script_check(mmsock_release(party->handle));
		break;
	case 6:
		script_check(mmsock_cancel(party->handle));
		break;
	case 7:
		script_send_run(script, party, timeout_ns);
		break;
	case 8:
		script_recv_run(script, party, timeout_ns);
		break;
	case 9:
		script_check(mmsock_wait_peers(party->handle, 1, timeout_ns));
		break;
	case 10:
		script_check(mmsock_senders_died(party->handle) < 0 ? -EDEADLK
								    : 0);
		break;
	default:
		mmsock_interrupt(party->handle);
	}
}

/* One step: who, what, and how long he may wait, up to 35 us. */
static inline void script_step(struct script *script)
{
	unsigned choice = (unsigned)script_number(script, 1);
	struct party *party = &script->parties[choice % SCRIPT_PARTIES];
	unsigned call = choice / 2 % 16;
	int64_t timeout_ns = choice / 32 * INT64_C(5000);

	if (call >= 13 && script->scribbles)
		scribble_take(&script->input);
	else if (call == 12)
		script_look();
	else if (call >= 13 || !party->handle)
		script_open(script, party);
	else
		script_call(script, party, call, timeout_ns);
}

static inline void script_begin(struct script *script)
{
	for (size_t i = 0; i < SCRIPT_PARTIES; i++) {
		script_open(script, &script->parties[i]);
		CHECK_INT(mmsock_run_new(SCRIPT_RUN, &script->parties[i].run),
			  0);
	}
}

static inline void script_end(struct script *script)
{
	for (size_t i = 0; i < SCRIPT_PARTIES; i++) {
		mmsock_close(script->parties[i].handle);
		mmsock_run_free(script->parties[i].run);
	}
}

/* Messages that wait, the first before the ring's end, the last behind it. */
static inline void script_fill(void)
{
	static const size_t lengths[] = {0, 1, 8, 60, 300, 500, 7};
	struct mmsock *handle =
		open_as(SCRIPT_PORT, MMSOCK_SENDER | MMSOCK_RECEIVER);
	unsigned char message[SCRIBBLE_RING] = {0};

	CHECK_INT(mmsock_send(handle, message, sizeof(message) - 500, 0), 0);
	CHECK(mmsock_recv(handle, message, sizeof(message), 0) > 0);
	for (size_t i = 0; i < CHECK_COUNT(lengths); i++)
		CHECK_INT(mmsock_send(handle, message, lengths[i], 0), 0);
	mmsock_close(handle);
}

static inline void script_init(void)
{
	make_sandbox();
	create_port(SCRIPT_PORT, SCRIBBLE_RING, SCRIBBLE_SLOTS);
	script_fill();
	scribble_init(join(getenv("MMSOCK_DIR"), SCRIPT_PORT));
}

#endif
