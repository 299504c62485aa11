/* SPDX-License-Identifier: MIT */
/*
 * traffic.c - senders and receivers of the soak
 *
 * A visit is one handle on one port, in which messages are sent or taken in every
 * way there is.  It ends after a while, when the port is gone, or when the stream
 * ends; then the next one begins.
 */
#include "soak.h"

#include "run.h"

struct visit {
	struct seat *seat;
	struct mmsock *handle;
	unsigned port;
	uint64_t random;
	int64_t until_ns;
	bool for_ever;  /* some receipts wait without limit */
	uint64_t haste; /* this many calls between two rests */
	/* A sender's. */
	unsigned number;
	struct session *session;
	struct mmsock_run *run;
	/* A receiver's. */
	struct reader *reader;
	struct mmsock_run *taken;
};

static const int64_t spins[] = {MMSOCK_SPIN_ADAPTIVE, MMSOCK_SPIN_ADAPTIVE, 0,
				20000};

/* Slow ones make full rings of fast senders, and empty ones of fast receivers. */
static const uint64_t hastes[] = {8, 200, 200, 5000};

/* What the signal handler works with. */
static struct mmsock *volatile handle_in_use;

static void interrupt(int number)
{
	struct mmsock *handle = handle_in_use;

	(void)number;
	if (handle)
		mmsock_interrupt(handle);
}

/* A handle on a port, which is made where it is missing; NULL: no time left. */
static struct mmsock *open_one(unsigned port, unsigned role, uint64_t *random)
{
	struct mmsock_options options =
		port_options(port, MMSOCK_CONNECT_OR_CREATE, role);
	struct mmsock *handle = NULL;
	int r;

	options.spin_ns = spins[random_below(random, CHECK_COUNT(spins))];
	options.flags = random_below(random, 8) ? 0 : MMSOCK_KEEP_OPEN;
	do {
		r = mmsock_open(port_plans[port].name, &options, &handle);
		/* Made by us, and gone again before we were in. */
	} while (r == -ESTALE);
	if (r)
		wrong(CLEAN, "%s: cannot be opened: %s", port_plans[port].name,
		      mmsock_error_text(r));
	return handle;
}

static int64_t some_timeout(struct visit *visit, bool for_ever)
{
	switch (random_below(&visit->random, 8)) {
	case 0:
		return 0;
	case 1:
	case 2:
		return (int64_t)random_below(&visit->random, MS);
	case 3:
	case 4:
		return (int64_t)random_below(&visit->random, 50 * MS);
	default:
		return for_ever ? MMSOCK_FOREVER : 50 * MS;
	}
}

/* Whether the call is to be tried again; errors that may not be are noted. */
static bool is_patience(const struct visit *visit, const char *call, int r)
{
	switch (r) {
	case -EAGAIN:
	case -EBUSY:
	case -ETIMEDOUT:
	case -EINTR:
		return true;
	case -EIDRM:
	case -ESTALE:
	case -ENODATA:
		return false;
	default:
		wrong(CLEAN, "%s: %s: %s", port_plans[visit->port].name, call,
		      mmsock_error_text(r));
		return false;
	}
}

static void rest(struct visit *visit)
{
	if (!random_below(&visit->random, visit->haste))
		nap((int64_t)random_below(&visit->random, 2 * MS));
}

static bool is_time_left(const struct visit *visit)
{
	return now_ns() < visit->until_ns;
}

/* Sending. */

static size_t some_length(struct visit *visit)
{
	uint64_t most = port_plans[visit->port].max_message - LABEL_SIZE;
	uint64_t range;

	switch (random_below(&visit->random, 16)) {
	case 0:
		range = most;
		break;
	case 1:
	case 2:
		range = most < 1500 ? most : 1500;
		break;
	default:
		range = 100;
	}
	return LABEL_SIZE + (size_t)random_below(&visit->random, range + 1);
}

static bool has_number(const struct visit *visit)
{
	return atomic_load(&visit->session->done) < NUMBERS;
}

static void intend(struct visit *visit, uint64_t count)
{
	atomic_store(&visit->session->intended,
		     atomic_load(&visit->session->done) + count);
}

static void note_sent(struct visit *visit, uint64_t count)
{
	atomic_fetch_add(&visit->session->done, count);
	atomic_fetch_add(&world->ports[visit->port].sends, 1);
}

/* Until it is sent, or will not be. */
static bool insist(struct visit *visit, const char *call,
		   int (*attempt)(struct visit *visit, int64_t timeout_ns))
{
	int r;

	do {
		call_begin(visit->seat, call);
		r = attempt(visit, some_timeout(visit, true));
		call_end(visit->seat, !r);
		if (!r)
			return true;
	} while (is_patience(visit, call, r) && going_on());
	return false;
}

static unsigned char message[IMAGE];
static size_t message_length;

static int attempt_send(struct visit *visit, int64_t timeout_ns)
{
	return mmsock_send(visit->handle, message, message_length, timeout_ns);
}

static bool send_labelled(struct visit *visit)
{
	uint64_t number = atomic_load(&visit->session->done) + 1;
	bool sent;

	message_length = some_length(visit);
	message_make(message, message_length, visit->number, number);
	intend(visit, 1);
	sent = insist(visit, "mmsock_send", attempt_send);
	if (sent)
		note_sent(visit, 1);
	else
		intend(visit, 0);
	return sent;
}

static bool send_nameless(struct visit *visit)
{
	struct nameless *nameless = &world->ports[visit->port].nameless;
	bool sent;

	message_length = (size_t)random_below(&visit->random, LABEL_SIZE);
	nameless_make(message, message_length);
	atomic_store(&visit->seat->nameless, 1);
	sent = insist(visit, "mmsock_send", attempt_send);
	if (sent)
		atomic_fetch_add(&nameless->sent, 1);
	atomic_store(&visit->seat->nameless, 0);
	return sent;
}

static int attempt_run(struct visit *visit, int64_t timeout_ns)
{
	size_t before = mmsock_run_count(visit->run);
	int r = mmsock_run_send(visit->handle, visit->run, timeout_ns);

	note_sent(visit, before - mmsock_run_count(visit->run));
	return r;
}

static bool send_run(struct visit *visit)
{
	uint64_t done = atomic_load(&visit->session->done);
	uint64_t most = 1 + random_below(&visit->random, 40);
	uint64_t count;
	size_t length;

	mmsock_run_clear(visit->run);
	for (count = 0; count < most && done + count < NUMBERS; count++) {
		length = some_length(visit);
		message_make(message, length, visit->number, done + count + 1);
		if (mmsock_run_add(visit->run, message, length))
			break;
	}
	intend(visit, count);
	if (insist(visit, "mmsock_run_send", attempt_run))
		return true;
	intend(visit, 0);
	return false;
}

static void *reserved;

static int attempt_reserve(struct visit *visit, int64_t timeout_ns)
{
	return mmsock_reserve(visit->handle, message_length, &reserved,
			      timeout_ns);
}

/* In place; more is reserved than sent, or all of it given back. */
static bool send_in_place(struct visit *visit, bool cancel)
{
	uint64_t number = atomic_load(&visit->session->done) + 1;
	size_t most = (size_t)port_plans[visit->port].max_message;
	size_t length = some_length(visit);
	int r;

	message_length = length + (size_t)random_below(&visit->random, 200);
	if (message_length > most)
		message_length = most;
	intend(visit, cancel ? 0 : 1);
	if (!insist(visit, "mmsock_reserve", attempt_reserve)) {
		intend(visit, 0);
		return false;
	}
	memset(reserved, 0xa5, message_length);
	hold_on(visit->seat, &visit->random);
	if (cancel)
		return !mmsock_cancel(visit->handle);
	message_make(reserved, length, visit->number, number);
	r = mmsock_commit(visit->handle, length);
	if (r)
		wrong(CLEAN, "mmsock_commit: %s", mmsock_error_text(r));
	note_sent(visit, 1);
	return true;
}

static bool send_something(struct visit *visit)
{
	switch (random_below(&visit->random, 16)) {
	case 0:
		return send_nameless(visit);
	case 1:
		return send_in_place(visit, true);
	case 2:
	case 3:
		return send_in_place(visit, false);
	case 4:
	case 5:
	case 6:
	case 7:
		return send_run(visit);
	default:
		return send_labelled(visit);
	}
}

/* Receiving. */

static void note_receipt(struct visit *visit)
{
	atomic_fetch_add(&world->ports[visit->port].receipts, 1);
}

/* With a buffer that is too small for most, now and then. */
static int recv_one(struct visit *visit, int64_t timeout_ns)
{
	unsigned char *to = visit->seat->image + MMS_HEADER_SIZE;
	size_t size = random_below(&visit->random, 8) ? IMAGE - MMS_HEADER_SIZE
						      : LABEL_SIZE;
	ssize_t length;

	memset(to, 0, LABEL_SIZE);
	atomic_store(&visit->seat->taking, ONE);
	call_begin(visit->seat, "mmsock_recv");
	length = mmsock_recv(visit->handle, to, size, timeout_ns);
	call_end(visit->seat, length >= 0);
	if (length >= 0)
		message_take(visit->reader, to, (size_t)length);
	atomic_store(&visit->seat->taking, NOTHING);
	if (length >= 0)
		note_receipt(visit);
	return length == -EMSGSIZE || length > 0 ? 0 : (int)length;
}

static int recv_in_place(struct visit *visit, int64_t timeout_ns)
{
	unsigned char *to = visit->seat->image + MMS_HEADER_SIZE;
	const void *from;
	ssize_t length;

	call_begin(visit->seat, "mmsock_peek");
	length = mmsock_peek(visit->handle, &from, timeout_ns);
	call_end(visit->seat, length >= 0);
	if (length < 0)
		return (int)length;
	hold_on(visit->seat, &visit->random);
	if (!random_below(&visit->random, 4))
		return mmsock_cancel(visit->handle);
	memset(to, 0, LABEL_SIZE);
	if (length)
		memcpy(to, from, (size_t)length);
	atomic_store(&visit->seat->taking, ONE);
	if (mmsock_release(visit->handle))
		wrong(CLEAN, "mmsock_release fails");
	message_take(visit->reader, to, (size_t)length);
	atomic_store(&visit->seat->taking, NOTHING);
	note_receipt(visit);
	return 0;
}

static int recv_run(struct visit *visit, int64_t timeout_ns)
{
	size_t most = (size_t)random_below(&visit->random, 100);
	const void *from;
	size_t length;
	int count;
	int r;

	memset(visit->seat->image, 0, MMS_HEADER_SIZE);
	atomic_store(&visit->seat->taking, RUN);
	call_begin(visit->seat, "mmsock_run_recv");
	r = mmsock_run_recv(visit->handle, visit->taken, most, timeout_ns);
	call_end(visit->seat, r >= 0);
	for (count = 0; r > 0 && mmsock_run_next(visit->taken, &from, &length);
	     count++)
		message_take(visit->reader, from, length);
	atomic_store(&visit->seat->taking, NOTHING);
	if (r < 0)
		return r;
	if (count != r || (most && (size_t)count > most))
		wrong(WHOLE, "%s: a run of %d has %d messages",
		      port_plans[visit->port].name, r, count);
	note_receipt(visit);
	return 0;
}

/* False where the visit is over. */
static bool recv_something(struct visit *visit)
{
	int64_t timeout = some_timeout(visit, visit->for_ever);
	int r;

	switch (random_below(&visit->random, 4)) {
	case 0:
		r = recv_in_place(visit, timeout);
		break;
	case 1:
		r = recv_run(visit, timeout);
		break;
	default:
		r = recv_one(visit, timeout);
	}
	return !r || is_patience(visit, "receiving", r);
}

/* Visits. */

static bool begin(struct visit *visit, unsigned role)
{
	atomic_store(&visit->seat->port, visit->port);
	visit->handle = open_one(visit->port, role, &visit->random);
	if (!visit->handle)
		return false;
	handle_in_use = visit->handle;
	visit->haste =
		hastes[random_below(&visit->random, CHECK_COUNT(hastes))];
	visit->until_ns =
		now_ns() + (int64_t)random_below(&visit->random, 500 * MS);
	return true;
}

/* What is received goes where it can be seen when we are dead. */
static void prepare_taken(struct visit *visit)
{
	struct mmsock_run *run;

	CHECK_INT(mmsock_run_new(0, &run), 0);
	free(run->image);
	run->image = visit->seat->image;
	run->capacity = IMAGE - MMS_RECORD_ALIGN;
	run->target = 200 + (size_t)random_below(&visit->random, 20000);
	visit->taken = run;
}

static void prepare_receiver(struct visit *visit, struct reader *reader)
{
	memset(reader, 0, sizeof(*reader));
	reader->port = visit->port;
	reader->incarnation = incarnation_of(visit->handle);
	visit->reader = reader;
	prepare_taken(visit);
}

static void prepare_sender(struct visit *visit)
{
	visit->session = session_open(
		visit->port, incarnation_of(visit->handle), &visit->number);
	CHECK_INT(mmsock_run_new(200 + random_below(&visit->random, 20000),
				 &visit->run),
		  0);
}

static void end(struct visit *visit)
{
	handle_in_use = NULL;
	mmsock_close(visit->handle);
	mmsock_run_free(visit->run);
	if (visit->taken)
		visit->taken->image = NULL;
	mmsock_run_free(visit->taken);
}

/* Some wait for receivers first, and some of these in vain. */
static void wait_for_company(struct visit *visit, int64_t timeout_ns)
{
	int r;

	call_begin(visit->seat, "mmsock_wait_peers");
	r = mmsock_wait_peers(visit->handle, 1, timeout_ns);
	call_end(visit->seat, false);
	if (r && r != -ENODATA)
		is_patience(visit, "mmsock_wait_peers", r);
	visit->for_ever = !r && !visit->handle->keep_open;
}

static void visit_as_sender(struct visit visit)
{
	if (!begin(&visit, MMSOCK_SENDER))
		return;
	prepare_sender(&visit);
	if (!random_below(&visit.random, 4))
		wait_for_company(&visit, 200 * MS);
	while (visit.session && has_number(&visit) && is_time_left(&visit) &&
	       going_on() && send_something(&visit))
		rest(&visit);
	end(&visit);
	/* No numbers left in this round. */
	if (!visit.session)
		nap(10 * MS);
}

/* Who has met a sender may wait without limit: the stream will end. */
static void visit_as_receiver(struct visit visit, struct reader *reader)
{
	if (!begin(&visit, MMSOCK_RECEIVER))
		return;
	prepare_receiver(&visit, reader);
	wait_for_company(&visit, 50 * MS);
	while (is_time_left(&visit) &&
	       atomic_load(&world->phase) < RECEIVERS_END &&
	       recv_something(&visit))
		rest(&visit);
	end(&visit);
}

static void visit_as_both(struct visit visit, struct reader *reader)
{
	if (!begin(&visit, MMSOCK_SENDER | MMSOCK_RECEIVER))
		return;
	prepare_receiver(&visit, reader);
	prepare_sender(&visit);
	while (visit.session && has_number(&visit) && is_time_left(&visit) &&
	       going_on()) {
		if (random_below(&visit.random, 2) ? !recv_something(&visit)
						   : !send_something(&visit))
			break;
	}
	end(&visit);
}

void run_sender(struct seat *seat, uint64_t random)
{
	on_interrupt(interrupt);
	while (going_on())
		visit_as_sender((struct visit){.seat = seat,
					       .port = seat->port,
					       .random = random_next(&random)});
}

void run_receiver(struct seat *seat, uint64_t random)
{
	static struct reader reader;

	on_interrupt(interrupt);
	while (atomic_load(&world->phase) < RECEIVERS_END)
		visit_as_receiver(
			(struct visit){.seat = seat,
				       .port = seat->port,
				       .random = random_next(&random)},
			&reader);
}

void run_rover(struct seat *seat, uint64_t random)
{
	static struct reader reader;

	on_interrupt(interrupt);
	while (going_on()) {
		struct visit visit = {
			.seat = seat,
			.port = (unsigned)random_below(&random, PORTS),
			.random = random_next(&random)};

		switch (random_below(&random, 3)) {
		case 0:
			visit_as_sender(visit);
			break;
		case 1:
			visit_as_receiver(visit, &reader);
			break;
		default:
			visit_as_both(visit, &reader);
		}
	}
}

/* Looking, which disturbs nobody and sees nothing that cannot be. */

static int look_at_peer(const struct mmsock_peer *peer, void *context)
{
	(void)context;
	if (peer->slot >= 8 || peer->activity > MMSOCK_DEAD)
		wrong(CLEAN, "a participant in slot %u does %u", peer->slot,
		      peer->activity);
	return 0;
}

static int count_name(const char *name, void *context)
{
	unsigned *count = context;

	(void)name;
	(*count)++;
	return 0;
}

static void look_at(const char *port)
{
	struct mmsock_info info = {.size = sizeof(info)};
	int r = mmsock_inspect(port, NULL, &info);

	if (r && r != -ENOENT)
		wrong(CLEAN, "%s: cannot be looked at: %s", port,
		      mmsock_error_text(r));
	else if (!r && info.state > MMSOCK_STATE_REMOVED)
		wrong(CLEAN, "%s: looks damaged: %s", port, info.detail);
	r = mmsock_inspect_peers(port, NULL, look_at_peer, NULL);
	if (r && r != -ENOENT)
		wrong(CLEAN, "%s: its users cannot be looked at: %s", port,
		      mmsock_error_text(r));
}

void run_looker(struct seat *seat, uint64_t random)
{
	unsigned names = 0;

	while (going_on()) {
		call_begin(seat, "mmsock_inspect");
		look_at(port_plans[random_below(&random, ALL_PORTS)].name);
		if (mmsock_list(NULL, count_name, &names))
			wrong(CLEAN, "the directory cannot be listed");
		call_end(seat, false);
		nap((int64_t)random_below(&random, 5 * MS));
	}
}

uint64_t drain(unsigned port)
{
	static struct reader reader;
	struct mmsock_options options =
		port_options(port, MMSOCK_CONNECT_TO_EXISTING, MMSOCK_RECEIVER);
	struct mmsock *handle;
	ssize_t length;
	int r = mmsock_open(port_plans[port].name, &options, &handle);

	if (r) {
		if (r != -ENOENT)
			wrong(CLEAN, "%s: a new handle: %s",
			      port_plans[port].name, mmsock_error_text(r));
		return 0;
	}
	memset(&reader, 0, sizeof(reader));
	reader.port = port;
	reader.incarnation = incarnation_of(handle);
	while ((length = mmsock_recv(handle, message, sizeof(message), 0)) >= 0)
		message_take(&reader, message, (size_t)length);
	if (length != -EAGAIN && length != -ENODATA)
		wrong(CLEAN, "%s: the rest cannot be received: %s",
		      port_plans[port].name, mmsock_error_text((int)length));
	mmsock_close(handle);
	return reader.incarnation;
}
