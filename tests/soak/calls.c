/* SPDX-License-Identifier: MIT */
/*
 * calls.c - clients and servers of one service
 *
 * A request is a message as the books know it, and its reply follows from it.  A
 * server enters what he executes, so that nothing is executed twice; a client
 * enters what he was told was refused, so that it is never executed at all.  That
 * somebody serves, or that a server died, is seen to be true from what the others
 * and the chaos say beforehand.
 */
#include "soak.h"

#define IN_FLIGHT   8U
#define REPLY_BIT   (UINT64_C(1) << 40)
#define REPLY_MOST  ((size_t)4096)
#define STATUS_STEP 17U

struct client {
	struct seat *seat;
	struct mmsock *handle;
	uint64_t incarnation;
	unsigned number; /* of the session */
	struct session *session;
	uint64_t random;
	int64_t until_ns;
	/* As it was before the calls in flight. */
	uint64_t gone;
	uint64_t serving[SEATS_MAX]; /* versions; 0: not there */
};

static struct mmsock *volatile handle_in_use;

static void interrupt(int number)
{
	struct mmsock *handle = handle_in_use;

	(void)number;
	if (handle)
		mmsock_interrupt(handle);
}

static struct mmsock *open_service(unsigned role, uint64_t *random)
{
	struct mmsock_options options =
		port_options(SERVICE, MMSOCK_CONNECT_OR_CREATE, role);
	struct mmsock *handle = NULL;
	int r;

	options.spin_ns = random_below(random, 2) ? MMSOCK_SPIN_ADAPTIVE : 0;
	do {
		r = mmsock_open(port_plans[SERVICE].name, &options, &handle);
	} while (r == -ESTALE);
	if (r)
		wrong(CLEAN, "the service cannot be opened: %s",
		      mmsock_error_text(r));
	handle_in_use = handle;
	return handle;
}

/* Every seventeenth request is answered with an error. */
static int status_of(uint64_t number)
{
	return number % STATUS_STEP ? 0 : (int)(number % 200) + 1;
}

static size_t make_reply(unsigned char *reply, unsigned session,
			 uint64_t number)
{
	uint64_t state = number * 31 + session;
	size_t range = random_below(&state, 16) ? 100 : REPLY_MOST - LABEL_SIZE;
	size_t length = LABEL_SIZE + (size_t)random_below(&state, range);

	message_make(reply, length, session, number | REPLY_BIT);
	return length;
}

/* Whether the error may be; false where the handle is of no use any more. */
static bool is_patience(const char *call, int r)
{
	if (r == -EAGAIN || r == -EBUSY || r == -ETIMEDOUT || r == -EINTR)
		return true;
	if (r != -EIDRM && r != -ESTALE)
		wrong(CLEAN, "%s: %s", call, mmsock_error_text(r));
	return false;
}

/* Clients. */

static void note_who_serves(struct client *client)
{
	const struct seat *seat;
	unsigned i;

	client->gone = atomic_load(&world->servers_gone);
	for (i = 0; i < SEATS_MAX; i++) {
		seat = &world->seats[i];
		client->serving[i] = atomic_load(&seat->serving_version);
		if (atomic_load(&seat->serving) != client->incarnation)
			client->serving[i] = 0;
	}
}

/* Somebody has served all the time: refusals are wrong. */
static void check_refused(const struct client *client)
{
	const struct seat *seat;
	unsigned i;

	for (i = 0; i < SEATS_MAX; i++) {
		seat = &world->seats[i];
		if (!client->serving[i] || atomic_load(&seat->killed))
			continue;
		if (atomic_load(&seat->serving_version) == client->serving[i] &&
		    atomic_load(&seat->serving) == client->incarnation)
			wrong(WHOLE, "a call was refused beside a server");
	}
}

/*
 * Who is to be killed goes on for a moment after that was said, and may take a
 * call that was made since.  First who was killed, then how many are gone: he is
 * counted once more before his seat forgets him.
 */
static bool may_have_died(const struct client *client)
{
	const struct seat *seat;
	unsigned i;

	for (i = 0; i < SEATS_MAX; i++) {
		seat = &world->seats[i];
		if (seat->kind == SERVER && atomic_load(&seat->killed))
			return true;
	}
	return atomic_load(&world->servers_gone) != client->gone;
}

static void check_reply(const struct client *client, uint64_t number,
			const unsigned char *reply, ssize_t length)
{
	static unsigned char expected[REPLY_MOST];
	size_t right = make_reply(expected, client->number, number);

	if (status_of(number) || (size_t)length != right ||
	    memcmp(reply, expected, right))
		wrong(WHOLE, "the reply to call %" PRIu64 " is another's",
		      number);
}

/* How a call that was sent has ended; false: the handle is of no use any more. */
static bool settle(const struct client *client, uint64_t number, ssize_t r,
		   const unsigned char *reply, bool others)
{
	bool is_answer = r >= 0 || r == -EREMOTEIO;

	if (is_answer) {
		atomic_fetch_add(&world->totals.calls, 1);
		if (!session_has(client->session, number))
			wrong(WHOLE,
			      "call %" PRIu64 " was answered, not executed",
			      number);
	}
	if (r >= 0) {
		check_reply(client, number, reply, r);
		return true;
	}
	atomic_fetch_add(&world->totals.calls_failed, 1);
	switch (r) {
	case -EREMOTEIO:
		if (mmsock_call_status(client->handle) != status_of(number))
			wrong(WHOLE, "call %" PRIu64 " has status %d", number,
			      mmsock_call_status(client->handle));
		return true;
	case -ECONNREFUSED:
		atomic_fetch_add(&world->totals.calls_refused, 1);
		session_refuse(client->session, number);
		check_refused(client);
		return true;
	case -EOWNERDEAD:
		atomic_fetch_add(&world->totals.calls_orphaned, 1);
		if (!may_have_died(client))
			wrong(WHOLE,
			      "a server died for call %" PRIu64
			      ", and none did",
			      number);
		return true;
	case -ENOBUFS:
		if (others)
			return true;
		break;
	default:
		break;
	}
	return is_patience("a call", (int)r);
}

static int64_t some_timeout(uint64_t *random)
{
	switch (random_below(random, 4)) {
	case 0:
		return (int64_t)random_below(random, MS);
	case 1:
		return (int64_t)random_below(random, 50 * MS);
	default:
		return MMSOCK_FOREVER;
	}
}

static unsigned char request[REPLY_MOST];
static unsigned char reply_buffer[REPLY_MOST];

static uint64_t next_number(struct client *client)
{
	uint64_t number = atomic_load(&client->session->intended) + 1;

	atomic_store(&client->session->intended, number);
	return number;
}

static size_t next_request(struct client *client, uint64_t number)
{
	size_t range = random_below(&client->random, 16) ? 100 : 3000;
	size_t length =
		LABEL_SIZE + (size_t)random_below(&client->random, range);

	message_make(request, length, client->number, number);
	return length;
}

static bool call_at_once(struct client *client)
{
	uint64_t number = next_number(client);
	size_t length = next_request(client, number);
	int64_t timeout = some_timeout(&client->random);
	ssize_t r;

	note_who_serves(client);
	call_begin(client->seat, "mmsock_call");
	r = mmsock_call(client->handle, request, length, reply_buffer,
			sizeof(reply_buffer), timeout);
	call_end(client->seat, r >= 0);
	if (r == -ETIMEDOUT && timeout < 0)
		wrong(CLEAN, "a call without limit ran out of time");
	return settle(client, number, r, reply_buffer, false);
}

/* A call in flight: its name for the library, and ours. */
struct flight {
	uint64_t call;
	uint64_t number;
};

static int send_in_place(struct client *client, size_t length,
			 uint64_t *ret_call)
{
	void *place;
	int r = mmsock_call_reserve(client->handle, length, &place, 50 * MS);

	if (r)
		return r;
	memcpy(place, request, length);
	hold_on(client->seat, &client->random);
	return mmsock_call_commit(client->handle, length, ret_call);
}

/* A request that was not sent must not be executed either. */
static bool launch(struct client *client, struct flight *flight)
{
	size_t length;
	int r;

	flight->number = next_number(client);
	length = next_request(client, flight->number);
	call_begin(client->seat, "mmsock_call_send");
	r = random_below(&client->random, 4)
		    ? mmsock_call_send(client->handle, request, length,
				       &flight->call, 50 * MS)
		    : send_in_place(client, length, &flight->call);
	call_end(client->seat, !r);
	if (!r)
		return true;
	session_refuse(client->session, flight->number);
	if (r == -ECONNREFUSED)
		check_refused(client);
	else
		is_patience("mmsock_call_send", r);
	return false;
}

static struct flight *find_flight(struct flight *flights, unsigned count,
				  uint64_t call)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		if (flights[i].call == call)
			return &flights[i];
	}
	return NULL;
}

static ssize_t collect(struct client *client, uint64_t *call)
{
	int64_t timeout = some_timeout(&client->random);
	const void *reply;
	ssize_t r;

	call_begin(client->seat, "mmsock_call_recv");
	if (random_below(&client->random, 4)) {
		r = mmsock_call_recv(client->handle, call, reply_buffer,
				     sizeof(reply_buffer), timeout);
	} else {
		r = mmsock_call_peek(client->handle, call, &reply, timeout);
		if (r >= 0) {
			memcpy(reply_buffer, reply, (size_t)r);
			if (mmsock_call_release(client->handle))
				wrong(CLEAN, "mmsock_call_release fails");
		}
	}
	call_end(client->seat, r >= 0);
	return r;
}

/* Wait for one of them, or for whichever comes; *flight is 0 afterwards. */
static bool collect_one(struct client *client, struct flight *flights,
			unsigned count)
{
	struct flight *flight = &flights[random_below(&client->random, count)];
	uint64_t call = random_below(&client->random, 2) ? flight->call : 0;
	ssize_t r;

	if (flight->call && !random_below(&client->random, 16)) {
		if (mmsock_call_cancel(client->handle, flight->call) == 1)
			session_refuse(client->session, flight->number);
		flight->call = 0;
		return true;
	}
	r = collect(client, &call);
	if (r == -EAGAIN || r == -ETIMEDOUT || r == -EINTR || r == -EBUSY)
		return true;
	flight = call ? find_flight(flights, count, call) : NULL;
	if (!flight)
		return is_patience("mmsock_call_recv", (int)r);
	flight->call = 0;
	return settle(client, flight->number, r, reply_buffer, true);
}

static bool call_several(struct client *client)
{
	struct flight flights[IN_FLIGHT] = {{0, 0}};
	unsigned most = 1 + (unsigned)random_below(&client->random, IN_FLIGHT);
	unsigned count = 0;
	bool usable = true;

	note_who_serves(client);
	while (count < most && launch(client, &flights[count]))
		count++;
	/* Sometimes they are left in flight, for the close. */
	while (usable && mmsock_call_count(client->handle) &&
	       random_below(&client->random, 200))
		usable = collect_one(client, flights, count);
	return usable && !mmsock_call_count(client->handle);
}

static bool client_goes_on(const struct client *client)
{
	return going_on() && now_ns() < client->until_ns &&
	       atomic_load(&client->session->intended) + IN_FLIGHT < NUMBERS;
}

static void visit_as_client(struct seat *seat, uint64_t random)
{
	struct client client = {.seat = seat, .random = random};

	client.handle = open_service(MMSOCK_CLIENT, &client.random);
	if (!client.handle)
		return;
	client.incarnation = incarnation_of(client.handle);
	client.session =
		session_open(SERVICE, client.incarnation, &client.number);
	client.until_ns =
		now_ns() + (int64_t)random_below(&client.random, 500 * MS);
	while (client.session && client_goes_on(&client)) {
		if (!(random_below(&client.random, 2) ? call_at_once(&client)
						      : call_several(&client)))
			break;
		if (!random_below(&client.random, 50))
			nap((int64_t)random_below(&client.random, MS));
	}
	handle_in_use = NULL;
	mmsock_close(client.handle);
	if (!client.session)
		nap(10 * MS);
}

void run_client(struct seat *seat, uint64_t random)
{
	on_interrupt(interrupt);
	while (going_on())
		visit_as_client(seat, random_next(&random));
}

/* Servers. */

static void begin_to_serve(struct seat *seat, uint64_t incarnation)
{
	atomic_fetch_add(&seat->serving_version, 1);
	atomic_store(&seat->serving, incarnation);
}

/* Said before it is done; by the chaos, where it does it. */
void end_to_serve(struct seat *seat)
{
	atomic_store(&seat->serving, 0);
	atomic_fetch_add(&seat->serving_version, 1);
	atomic_fetch_add(&world->servers_gone, 1);
}

/* Requests that were taken and executed, not yet replied to. */
struct work {
	struct mmsock_request request;
	unsigned session;
	uint64_t number;
};

static ssize_t take_request(struct seat *seat, struct mmsock *handle,
			    struct work *work, uint64_t *random,
			    int64_t timeout_ns)
{
	const void *place;
	ssize_t length;
	int r;

	if (random_below(random, 4))
		return mmsock_serve_recv(handle, request, sizeof(request),
					 &work->request, timeout_ns);
	length = mmsock_serve_peek(handle, &place, timeout_ns);
	if (length < 0)
		return length;
	memcpy(request, place, (size_t)length);
	hold_on(seat, random);
	r = mmsock_serve_release(handle, &work->request);
	return r ? r : length;
}

static int reply_in_place(struct seat *seat, struct mmsock *handle,
			  const struct work *work, size_t length,
			  uint64_t *random, int64_t timeout_ns)
{
	void *place;
	int r = mmsock_reply_reserve(handle, &work->request, length, &place,
				     timeout_ns);

	if (r)
		return r;
	memcpy(place, reply_buffer, length);
	hold_on(seat, random);
	return mmsock_reply_commit(handle, length);
}

static int reply_once(struct seat *seat, struct mmsock *handle,
		      const struct work *work, uint64_t *random)
{
	int64_t timeout = (int64_t)random_below(random, 50 * MS);
	int status = status_of(work->number);
	size_t length;

	if (status)
		return mmsock_reply_error(handle, &work->request, status,
					  "so it is", timeout);
	length = make_reply(reply_buffer, work->session, work->number);
	if (random_below(random, 4))
		return mmsock_reply(handle, &work->request, reply_buffer,
				    length, timeout);
	return reply_in_place(seat, handle, work, length, random, timeout);
}

/* False where the handle is of no use any more. */
static bool answer(struct seat *seat, struct mmsock *handle,
		   const struct work *work, uint64_t *random)
{
	int r;

	do {
		call_begin(seat, "mmsock_reply");
		r = reply_once(seat, handle, work, random);
		call_end(seat, !r);
		if (!r || r == -ECONNRESET || r == -ENOBUFS)
			return true;
	} while (is_patience("mmsock_reply", r));
	return false;
}

/* Take up to as many as fit, then reply to them, the last first. */
static bool serve_some(struct seat *seat, struct mmsock *handle,
		       uint64_t incarnation, uint64_t *random)
{
	struct work works[4];
	uint64_t most = 1 + random_below(random, CHECK_COUNT(works));
	unsigned count = 0;
	ssize_t length = 0;

	while (count < most && length >= 0) {
		call_begin(seat, "mmsock_serve_recv");
		length = take_request(seat, handle, &works[count], random,
				      count ? 0 : 50 * MS);
		call_end(seat, length >= 0);
		if (length >= 0 &&
		    message_execute(incarnation, request, (size_t)length,
				    &works[count].session,
				    &works[count].number))
			count++;
	}
	hold_on(seat, random);
	while (count > 0) {
		if (!answer(seat, handle, &works[--count], random))
			return false;
	}
	return length >= 0 || length == -ECONNRESET ||
	       is_patience("mmsock_serve_recv", (int)length);
}

static void visit_as_server(struct seat *seat, uint64_t random)
{
	struct mmsock *handle = open_service(MMSOCK_SERVER, &random);
	int64_t until = now_ns() + (int64_t)random_below(&random, SECOND);
	uint64_t incarnation;

	if (!handle)
		return;
	incarnation = incarnation_of(handle);
	begin_to_serve(seat, incarnation);
	while (atomic_load(&world->phase) < RECEIVERS_END && now_ns() < until &&
	       serve_some(seat, handle, incarnation, &random))
		;
	handle_in_use = NULL;
	end_to_serve(seat);
	mmsock_close(handle);
}

void run_server(struct seat *seat, uint64_t random)
{
	on_interrupt(interrupt);
	while (atomic_load(&world->phase) < RECEIVERS_END)
		visit_as_server(seat, random_next(&random));
}

/* Requests that are left; nobody waits for their replies. */
uint64_t drain_service(void)
{
	struct mmsock_options options = port_options(
		SERVICE, MMSOCK_CONNECT_TO_EXISTING, MMSOCK_SERVER);
	struct mmsock *handle;
	struct work work;
	uint64_t incarnation;
	ssize_t length;
	int r = mmsock_open(port_plans[SERVICE].name, &options, &handle);

	if (r) {
		if (r != -ENOENT)
			wrong(CLEAN, "a new server: %s", mmsock_error_text(r));
		return 0;
	}
	incarnation = incarnation_of(handle);
	while ((length = mmsock_serve_recv(handle, request, sizeof(request),
					   &work.request, 0)) >= 0) {
		message_execute(incarnation, request, (size_t)length,
				&work.session, &work.number);
		r = mmsock_reply(handle, &work.request, "", 0, 0);
		if (r && r != -ECONNRESET && r != -ENOBUFS)
			wrong(CLEAN, "a late reply: %s", mmsock_error_text(r));
	}
	if (length != -EAGAIN)
		wrong(CLEAN, "requests that are left: %s",
		      mmsock_error_text((int)length));
	mmsock_close(handle);
	return incarnation;
}
