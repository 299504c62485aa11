/* SPDX-License-Identifier: MIT */
/*
 * port_scenes.c - ports of messages that are numbers
 */
#include "port_scenes.h"

struct mmsock *handle;
struct mmsock_run *run;

struct mmsock_options patient(unsigned mode, unsigned role)
{
	struct mmsock_options options = options_for(mode, role);

	options.spin_ns = 0;
	options.ring_bytes = RING_BYTES;
	options.slots = SLOTS;
	return options;
}

struct mmsock *open_port(unsigned role)
{
	struct mmsock_options options =
		patient(MMSOCK_CONNECT_TO_EXISTING, role);
	struct mmsock *opened = NULL;

	CHECK_INT(mmsock_open(port, &options, &opened), 0);
	return opened;
}

int send_next(struct mmsock *to, size_t length, int64_t timeout_ns)
{
	unsigned char message[BIG] = "";
	int r;

	memcpy(message, &ledger->sent, sizeof(ledger->sent));
	r = mmsock_send(to, message, length, timeout_ns);
	if (!r)
		ledger->sent++;
	return r;
}

void is_next(const void *message, size_t length)
{
	uint64_t number;

	CHECK(length >= sizeof(number));
	memcpy(&number, message, sizeof(number));
	CHECK_INT(number, ledger->received);
	ledger->received++;
}

int recv_next(struct mmsock *from, int64_t timeout_ns)
{
	unsigned char message[BIG];
	ssize_t length =
		mmsock_recv(from, message, sizeof(message), timeout_ns);

	if (length < 0)
		return (int)length;
	is_next(message, (size_t)length);
	return 0;
}

void lay_port(void)
{
	create_port(port, RING_BYTES, SLOTS);
}

void lay_messages(void)
{
	struct mmsock *sender;
	int i;

	lay_port();
	sender = open_port(MMSOCK_SENDER);
	for (i = 0; i < 3; i++)
		CHECK_INT(send_next(sender, 8, 0), 0);
	mmsock_close(sender);
}

void run_holder_of_sending(struct kid *self, void *context)
{
	struct mmsock *other = open_port(MMSOCK_SENDER);
	void *buffer;

	(void)context;
	CHECK_INT(mmsock_reserve(other, 8, &buffer, 0), 0);
	meet(self);
}

void run_holder_of_receiving(struct kid *self, void *context)
{
	struct mmsock *other = open_port(MMSOCK_RECEIVER);
	const void *message;

	(void)context;
	CHECK(mmsock_peek(other, &message, 0) >= 0);
	meet(self);
}

void prepare_sender(void)
{
	handle = open_port(MMSOCK_SENDER);
}

void prepare_sender_dead_other(void)
{
	prepare_sender();
	leave_dead(run_holder_of_sending, NULL);
}

static void close_all(void)
{
	mmsock_close(handle);
	mmsock_run_free(run);
	handle = NULL;
	run = NULL;
}

/* All that was sent and not received is there, in order, and nothing else. */
static void audit(void)
{
	struct mmsock_options options = patient(
		MMSOCK_CONNECT_TO_EXISTING, MMSOCK_SENDER | MMSOCK_RECEIVER);

	options.flags = MMSOCK_KEEP_OPEN;
	CHECK_INT(mmsock_open(port, &options, &handle), 0);
	while (ledger->received < ledger->sent)
		CHECK_INT(recv_next(handle, 0), 0);
	CHECK_INT(recv_next(handle, 0), -EAGAIN);
	CHECK_INT(send_next(handle, BIG, 0), 0);
	CHECK_INT(recv_next(handle, 0), 0);
	close_all();
}

const struct theme port_theme = {.close = close_all, .audit = audit};
