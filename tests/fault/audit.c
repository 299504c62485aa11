/* SPDX-License-Identifier: MIT */
/*
 * audit.c - the books of a port whose users are killed
 *
 * One piece of code for all programs that kill, so that each of them looks for
 * everything.
 */
#include "audit.h"

#include "peer.h"
#include "unit/sandbox.h"

#define PATTERN 251U

/* The number first, as much of it as there is room for. */
void audit_fill(void *message, uint64_t number, size_t length)
{
	unsigned char *bytes = message;
	size_t i;

	for (i = sizeof(number); i < length; i++)
		bytes[i] = (unsigned char)((number + i) % PATTERN);
	memcpy(bytes, &number,
	       length < sizeof(number) ? length : sizeof(number));
}

static void open_handle(struct audit *audit)
{
	struct mmsock_options options = options_for(
		MMSOCK_CONNECT_TO_EXISTING, MMSOCK_SENDER | MMSOCK_RECEIVER);

	options.flags = MMSOCK_KEEP_OPEN;
	CHECK_INT(mmsock_open(audit->port, &options, &audit->handle), 0);
}

void audit_adopt(struct audit *audit, const char *port)
{
	struct mmsock_info info = inspect(port);

	*audit = (struct audit){
		.port = port,
		.slots = info.slots,
		.ring_bytes = info.ring_bytes,
		.file_bytes = (size_t)info.file_bytes,
		.sent = info.sent,
		.received = info.received,
		.died = info.died,
		.takeovers = info.takeovers,
		.queue = calloc(AUDIT_QUEUE, sizeof(*audit->queue)),
		.buffer = malloc(info.ring_bytes),
	};
	CHECK(audit->queue && audit->buffer);
	audit->file = map_file(join(getenv("MMSOCK_DIR"), port));
	audit->control = (void *)(audit->file + MMS_CONTROL_OFFSET);
	open_handle(audit);
}

void audit_open(struct audit *audit, const char *port, uint64_t ring_bytes,
		unsigned slots)
{
	create_port(port, ring_bytes, slots);
	audit_adopt(audit, port);
}

void audit_abandon(struct audit *audit)
{
	mmsock_close(audit->handle);
	munmap(audit->file, audit->file_bytes);
	free(audit->queue);
	free(audit->buffer);
}

void audit_close(struct audit *audit)
{
	audit_abandon(audit);
	CHECK_INT(mmsock_remove(audit->port, NULL, MMSOCK_REMOVE_UNUSED), 0);
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), 0);
}

uint64_t audit_number(struct audit *audit, size_t count)
{
	audit->numbers += count;
	return audit->numbers - count;
}

void audit_announce(struct audit *audit, uint64_t first, const size_t *lengths,
		    size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		audit->queue[(audit->sent + i) % AUDIT_QUEUE] =
			(struct audit_message){first + i, lengths[i]};
}

bool audit_send(struct audit *audit, size_t length)
{
	uint64_t number = audit_number(audit, 1);
	int r;

	audit_fill(audit->buffer, number, length);
	r = mmsock_send(audit->handle, audit->buffer, length, 0);
	if (r == -EAGAIN)
		return false;
	CHECK_INT(r, 0);
	audit_announce(audit, number, &length, 1);
	audit->sent++;
	return true;
}

void audit_receive(struct audit *audit)
{
	const struct audit_message *next =
		&audit->queue[audit->received % AUDIT_QUEUE];
	unsigned char *want = malloc(next->length + 1);

	CHECK(want);
	audit_fill(want, next->number, next->length);
	CHECK_INT(
		mmsock_recv(audit->handle, audit->buffer, audit->ring_bytes, 0),
		next->length);
	CHECK(!memcmp(audit->buffer, want, next->length));
	free(want);
	audit->received++;
}

void audit_drain(struct audit *audit)
{
	while (audit->received < audit->sent)
		audit_receive(audit);
	CHECK_INT(
		mmsock_recv(audit->handle, audit->buffer, audit->ring_bytes, 0),
		-EAGAIN);
}

/* Record sizes are multiples of 8, and a terminator has room of its own. */
void audit_tighten(struct audit *audit, size_t length)
{
	uint64_t need = mms_record_size(length);
	uint64_t room = audit->ring_bytes - MMS_HEADER_SIZE -
			inspect(audit->port).used_bytes;

	CHECK(room >= need);
	if (room > need)
		CHECK(audit_send(audit,
				 (size_t)(room - need) - MMS_HEADER_SIZE));
}

int64_t audit_outcome(struct audit *audit)
{
	uint64_t waiting = audit->sent - audit->received;
	struct mmsock_info info = inspect(audit->port);
	int64_t outcome = (int64_t)info.messages - (int64_t)waiting;

	if (outcome > 0)
		audit->sent += (uint64_t)outcome;
	else
		audit->received += (uint64_t)-outcome;
	/* Exact after any crash: by the journals of both ends. */
	CHECK_INT(info.sent, audit->sent);
	CHECK_INT(info.received, audit->received);
	CHECK(info.died - audit->died <= 1);
	audit->died = info.died;
	return outcome;
}

uint64_t audit_recount(struct audit *audit)
{
	struct mmsock_info info = inspect(audit->port);
	uint64_t taken = info.takeovers - audit->takeovers;

	CHECK(info.died + 1 >= audit->died);
	if (info.died < audit->died)
		audit->died = info.died;
	audit->takeovers = info.takeovers;
	return taken;
}

int audit_holder(const struct mms_end *end)
{
	uint64_t word = mms_load(&end->lock.word);

	return mms_lock_is_free(word) ? -1 : (int)mms_lock_owner(word);
}

void audit_survive(struct audit *audit)
{
	struct mms_control *control = audit->control;
	bool sending = audit_holder(&control->send) >= 0;
	bool receiving = audit_holder(&control->recv) >= 0;
	bool tight = !audit_send(audit, 24);

	audit->takeovers += sending + receiving;
	CHECK_INT(audit_holder(&control->send), -1);
	audit_drain(audit);
	CHECK_INT(audit_holder(&control->recv), -1);
	if (tight) {
		CHECK(audit_send(audit, 24));
		audit_drain(audit);
	}
	CHECK_INT(inspect(audit->port).takeovers, audit->takeovers);
	CHECK(audit_send(audit, audit->ring_bytes - 16));
	audit_drain(audit);
}

static void attach_in_each_slot(struct audit *audit)
{
	struct mmsock *handles[MMSOCK_SLOTS_MAX];
	struct mmsock_info info;
	unsigned i;

	for (i = 1; i < audit->slots; i++)
		handles[i] = open_as(audit->port, MMSOCK_SENDER);
	CHECK_INT(try_open(audit->port, MMSOCK_CONNECT_TO_EXISTING), -EUSERS);
	info = inspect(audit->port);
	CHECK_INT(info.participants, audit->slots);
	CHECK_INT(info.dead, 0);
	for (i = 1; i < audit->slots; i++)
		mmsock_close(handles[i]);
}

static void check_silence(const struct mms_event *event)
{
	CHECK_INT(mms_load32(&event->asked) & MMS_ASKED_BIT, 0);
}

void audit_leaks_of(struct audit *audit, unsigned entries)
{
	struct mms_control *control = audit->control;
	struct mmsock_info info;

	attach_in_each_slot(audit);
	CHECK(audit_send(audit, 0));
	audit_drain(audit);
	info = inspect(audit->port);
	CHECK_INT(info.state, MMSOCK_STATE_OK);
	CHECK_INT(info.participants, 1);
	CHECK_INT(info.dead, 0);
	CHECK_INT(info.died, audit->died);
	CHECK_INT(info.messages, 0);
	CHECK_INT(info.used_bytes, 0);
	CHECK_INT(info.sent, audit->sent);
	CHECK_INT(info.received, audit->received);
	CHECK_INT(info.takeovers, audit->takeovers);
	CHECK_INT(info.dropped, 0);
	CHECK_INT(audit_holder(&control->send), -1);
	CHECK_INT(audit_holder(&control->recv), -1);
	check_silence(&control->signals.data);
	check_silence(&control->signals.space);
	check_silence(&control->signals.peers);
	check_silence(&control->send.lock.event);
	check_silence(&control->recv.lock.event);
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), entries);
}

void audit_leaks(struct audit *audit)
{
	audit_leaks_of(audit, 1);
}
