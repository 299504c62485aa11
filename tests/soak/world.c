/* SPDX-License-Identifier: MIT */
/*
 * world.c - the memory that all processes of the soak share, and the books in it
 *
 * What the audit allows, and nothing else:
 *
 *  - a message of a sender who was killed in the call that sends it may be there
 *    or not; of a run, a first part may;
 *  - a message that was copied out for a receiver who was killed in the call that
 *    takes it may be gone.  Since he receives into memory that outlives him, it
 *    is known which messages these are;
 *  - what lies in a port that is replaced or removed may be gone.
 */
#include "soak.h"

#include <stdarg.h>

struct world *world;

static const struct mmsock_options no_options = MMSOCK_OPTIONS_INIT;

/* The first bytes of a message. */
struct label {
	uint32_t session;
	uint32_t length; /* of the message */
	uint64_t number; /* from 1 on */
	uint64_t check;
};

static_assert(sizeof(struct label) == LABEL_SIZE, "a label has no holes");

void world_make(uint64_t seed)
{
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(world != MAP_FAILED);
	world->seed = seed;
}

void wrong(enum verdict verdict, const char *format, ...)
{
	unsigned number = atomic_fetch_add(&world->texts, 1);
	va_list arguments;

	if (number < CHECK_COUNT(world->text)) {
		va_start(arguments, format);
		vsnprintf(world->text[number].said, sizeof(world->text[0].said),
			  format, arguments);
		va_end(arguments);
		world->text[number].verdict = verdict;
	}
	atomic_fetch_add(&world->failures[verdict], 1);
}

bool all_is_well(void)
{
	unsigned verdict;

	for (verdict = 0; verdict < VERDICTS; verdict++) {
		if (atomic_load(&world->failures[verdict]))
			return false;
	}
	return true;
}

struct mmsock_options port_options(unsigned port, unsigned mode, unsigned role)
{
	struct mmsock_options options = no_options;

	options.mode = mode;
	options.role = role;
	options.slots = 8;
	options.ring_bytes = port_plans[port].ring_bytes;
	options.max_message = port_plans[port].max_message;
	if (port == SERVICE) {
		options.type = MMSOCK_RPC;
		options.clients = 4;
		options.reply_bytes = 4096;
	}
	return options;
}

uint64_t incarnation_of(const struct mmsock *handle)
{
	return handle->port.header.creation_id[0] | 1;
}

/* Messages. */

static uint64_t check_of(const struct label *label)
{
	uint64_t state = world->seed + world->totals.rounds * 31 +
			 label->session + ((uint64_t)label->length << 32);

	state ^= label->number << 20;
	return random_next(&state);
}

/* What stands in the eight bytes at @at of a message. */
static uint64_t filling(uint64_t check, size_t at)
{
	return check + at * UINT64_C(0x9e3779b97f4a7c15);
}

void message_make(unsigned char *message, size_t length, unsigned session,
		  uint64_t number)
{
	struct label label = {.session = session,
			      .length = (uint32_t)length,
			      .number = number};
	size_t at;
	uint64_t word;

	label.check = check_of(&label);
	memcpy(message, &label, sizeof(label));
	for (at = sizeof(label); at < length; at += sizeof(word)) {
		size_t part =
			length - at < sizeof(word) ? length - at : sizeof(word);

		word = filling(label.check, at);
		memcpy(message + at, &word, part);
	}
}

void nameless_make(unsigned char *message, size_t length)
{
	memset(message, (int)(length * 7 + 1), length);
}

/* Is this a message of this length that message_make() made in this round? */
static bool read_label(const unsigned char *message, size_t length,
		       struct label *ret_label)
{
	struct label label;
	size_t at;
	uint64_t word;

	memcpy(&label, message, sizeof(label));
	if (label.length != length || label.check != check_of(&label) ||
	    label.session >= SESSIONS || !label.number ||
	    label.number > NUMBERS)
		return false;
	for (at = sizeof(label); at < length; at += sizeof(word)) {
		size_t part =
			length - at < sizeof(word) ? length - at : sizeof(word);

		word = filling(label.check, at);
		if (memcmp(message + at, &word, part))
			return false;
	}
	*ret_label = label;
	return true;
}

static bool is_set(const _Atomic uint64_t *bits, uint64_t number)
{
	return atomic_load(&bits[(number - 1) / 64]) >> (number - 1) % 64 & 1;
}

/* True where it was set before. */
static bool set(_Atomic uint64_t *bits, uint64_t number)
{
	uint64_t bit = UINT64_C(1) << (number - 1) % 64;

	return atomic_fetch_or(&bits[(number - 1) / 64], bit) & bit;
}

static void nameless_take(const struct reader *reader,
			  const unsigned char *message, size_t length)
{
	unsigned char expected[LABEL_SIZE];

	nameless_make(expected, length);
	if (length && memcmp(expected, message, length))
		wrong(WHOLE, "%s: %zu bytes that nobody sent",
		      port_plans[reader->port].name, length);
	atomic_fetch_add(&world->ports[reader->port].nameless.received, 1);
}

static void check_session(unsigned port, uint64_t incarnation,
			  const struct label *label)
{
	const struct session *session = &world->sessions[label->session];
	const char *name = port_plans[port].name;

	if (session->port != port || session->incarnation != incarnation)
		wrong(WHOLE, "%s: a message of another port", name);
	if (label->number > atomic_load(&session->intended))
		wrong(WHOLE,
		      "%s: message %" PRIu64 " of session %u was refused, and "
		      "is there",
		      name, label->number, label->session);
}

static void check_order(const struct reader *reader, const struct label *label)
{
	const char *name = port_plans[reader->port].name;

	if (label->number < reader->next[label->session])
		wrong(WHOLE,
		      "%s: message %" PRIu64 " of session %u came after "
		      "message %u",
		      name, label->number, label->session,
		      reader->next[label->session] - 1);
}

void message_take(struct reader *reader, const unsigned char *message,
		  size_t length)
{
	struct label label;

	atomic_fetch_add_explicit(&world->totals.bytes, length,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&world->totals.messages, 1,
				  memory_order_relaxed);
	if (length < LABEL_SIZE) {
		nameless_take(reader, message, length);
		return;
	}
	if (!read_label(message, length, &label)) {
		wrong(WHOLE, "%s: %zu bytes that nobody sent",
		      port_plans[reader->port].name, length);
		return;
	}
	check_session(reader->port, reader->incarnation, &label);
	check_order(reader, &label);
	reader->next[label.session] = (uint32_t)label.number + 1;
	if (set(world->sessions[label.session].seen, label.number))
		wrong(WHOLE, "%s: message %" PRIu64 " of session %u came twice",
		      port_plans[reader->port].name, label.number,
		      label.session);
}

bool message_execute(uint64_t incarnation, const unsigned char *message,
		     size_t length, unsigned *ret_session, uint64_t *ret_number)
{
	struct label label;

	if (length < LABEL_SIZE || !read_label(message, length, &label)) {
		wrong(WHOLE, "a request that nobody sent");
		return false;
	}
	check_session(SERVICE, incarnation, &label);
	if (set(world->sessions[label.session].seen, label.number))
		wrong(WHOLE, "call %" PRIu64 " of session %u came twice",
		      label.number, label.session);
	*ret_session = label.session;
	*ret_number = label.number;
	return true;
}

bool session_has(const struct session *session, uint64_t number)
{
	return is_set(session->seen, number);
}

void session_refuse(struct session *session, uint64_t number)
{
	set(session->excused, number);
}

struct session *session_open(unsigned port, uint64_t incarnation,
			     unsigned *ret_number)
{
	unsigned number = atomic_fetch_add(&world->sessions_used, 1);
	struct session *session;

	if (number >= SESSIONS)
		return NULL;
	session = &world->sessions[number];
	session->port = port;
	session->incarnation = incarnation;
	*ret_number = number;
	return session;
}

/* The dead. */

/* What was copied out for him, and that nobody has yet, he may have taken. */
static void excuse(const unsigned char *message, size_t length)
{
	struct label label;

	if (!read_label(message, length, &label) ||
	    is_set(world->sessions[label.session].seen, label.number))
		return;
	set(world->sessions[label.session].excused, label.number);
}

static void excuse_one(const unsigned char *message, struct nameless *nameless)
{
	struct label label;

	memcpy(&label, message, sizeof(label));
	if (label.length >= LABEL_SIZE &&
	    label.length <= IMAGE - MMS_HEADER_SIZE)
		excuse(message, label.length);
	else
		atomic_fetch_add(&nameless->perhaps_received, 1);
}

static void excuse_run(const unsigned char *image, struct nameless *nameless)
{
	size_t at = 0;
	uint64_t header;
	size_t length;

	while (at <= IMAGE - MMS_HEADER_SIZE) {
		memcpy(&header, image + at, sizeof(header));
		length = (size_t)(header & MMS_RECORD_LENGTH);
		at += MMS_HEADER_SIZE;
		if ((header & MMS_RECORD_FIXED) != MMS_RECORD_MARK ||
		    length > IMAGE - at)
			return;
		if (length >= LABEL_SIZE)
			excuse(image + at, length);
		else
			atomic_fetch_add(&nameless->perhaps_received, 1);
		at += (length + 7) & ~(size_t)7;
	}
}

/* Whoever counts who is inside sees that this one was dead. */
static void leave_dead(struct seat *seat)
{
	uint64_t inside = atomic_load(&seat->inside);

	atomic_store(&seat->inside,
		     ((inside >> 48) + 1) << 48 |
			     (inside & UINT64_C(0xffffffffff00)));
}

void seat_settle(struct seat *seat)
{
	struct nameless *nameless = &world->ports[seat->port].nameless;

	if (atomic_exchange(&seat->nameless, 0))
		atomic_fetch_add(&nameless->perhaps_sent, 1);
	switch ((enum taking)atomic_exchange(&seat->taking, NOTHING)) {
	case ONE:
		excuse_one(seat->image + MMS_HEADER_SIZE, nameless);
		break;
	case RUN:
		excuse_run(seat->image, nameless);
		break;
	case NOTHING:
		break;
	}
	atomic_store(&seat->holds, 0);
	if (seat->serving)
		end_to_serve(seat);
	leave_dead(seat);
}

/* The audit. */

void books_reset(void)
{
	unsigned used = atomic_load(&world->sessions_used);
	unsigned port;

	if (used > SESSIONS)
		used = SESSIONS;
	memset(world->sessions, 0, used * sizeof(world->sessions[0]));
	for (port = 0; port < ALL_PORTS; port++) {
		memset(&world->ports[port].nameless, 0,
		       sizeof(world->ports[port].nameless));
		world->ports[port].replaced = false;
	}
	atomic_store(&world->sessions_used, 0);
}

/* Of what was under way when the sender died, nothing may follow on a gap. */
static void audit_end(unsigned number, const struct session *session,
		      bool is_current)
{
	uint64_t intended = atomic_load(&session->intended);
	uint64_t gap = 0;
	uint64_t i;

	for (i = atomic_load(&session->done) + 1; i <= intended; i++) {
		if (is_set(session->seen, i)) {
			world->totals.unsure++;
			if (gap && is_current)
				wrong(KEPT,
				      "%s: of a run of session %u message "
				      "%" PRIu64 " is there and %" PRIu64
				      " is not",
				      port_plans[session->port].name, number, i,
				      gap);
		} else if (!is_set(session->excused, i) && !gap) {
			gap = i;
		}
	}
}

static void audit_session(unsigned number, const struct session *session,
			  bool is_current)
{
	uint64_t done = atomic_load(&session->done);
	uint64_t i;

	for (i = 1; i <= done; i++) {
		if (is_set(session->seen, i))
			continue;
		if (is_set(session->excused, i))
			world->totals.excused++;
		else if (!is_current)
			world->totals.outlived++;
		else
			wrong(KEPT,
			      "%s: message %" PRIu64 " of %" PRIu64
			      " of session %u is lost",
			      port_plans[session->port].name, i, done, number);
	}
	audit_end(number, session, is_current);
}

/* What was refused was not executed. */
static void audit_calls(unsigned number, const struct session *session)
{
	uint64_t intended = atomic_load(&session->intended);
	uint64_t i;

	for (i = 1; i <= intended; i++) {
		if (is_set(session->seen, i) && is_set(session->excused, i))
			wrong(WHOLE,
			      "call %" PRIu64 " of session %u was refused, and "
			      "executed",
			      i, number);
	}
}

static void audit_nameless(unsigned port)
{
	struct nameless *nameless = &world->ports[port].nameless;
	uint64_t sent = atomic_load(&nameless->sent);
	uint64_t received = atomic_load(&nameless->received);

	if (received > sent + atomic_load(&nameless->perhaps_sent))
		wrong(WHOLE, "%s: %" PRIu64 " short messages out of %" PRIu64,
		      port_plans[port].name, received, sent);
	if (!world->ports[port].replaced &&
	    received + atomic_load(&nameless->perhaps_received) < sent)
		wrong(KEPT, "%s: %" PRIu64 " short messages left of %" PRIu64,
		      port_plans[port].name, received, sent);
}

void books_audit(const uint64_t *current)
{
	unsigned used = atomic_load(&world->sessions_used);
	const struct session *session;
	unsigned port;
	unsigned i;

	for (i = 0; i < used && i < SESSIONS; i++) {
		session = &world->sessions[i];
		if (session->port == SERVICE)
			audit_calls(i, session);
		else
			audit_session(i, session,
				      session->incarnation ==
					      current[session->port]);
	}
	for (port = 0; port < PORTS; port++)
		audit_nameless(port);
}

/* Calls. */

void call_begin(struct seat *seat, const char *call)
{
	atomic_store(&seat->since_ns, now_ns());
	atomic_store(&seat->call, call);
}

/* How long a survivor's call went on after he could know of a death. */
static void note_delay(const struct seat *seat, int64_t now)
{
	struct totals *totals = &world->totals;
	int64_t since = atomic_load(&seat->since_ns);
	int64_t killed = atomic_load(&world->ports[seat->port].killed_ns);
	int64_t longest = atomic_load(&totals->longest_delay_ns);
	int64_t delay = now - killed;

	if (killed < since || atomic_load(&world->stopped) ||
	    atomic_load(&world->last_stop_ns) > since)
		return;
	atomic_fetch_add(&totals->delays[(delay > 100 * MS) + (delay > SECOND)],
			 1);
	while (delay > longest &&
	       !atomic_compare_exchange_weak(&totals->longest_delay_ns,
					     &longest, delay))
		;
}

void call_end(struct seat *seat, bool did)
{
	if (did && seat->kind != GUEST)
		note_delay(seat, now_ns());
	atomic_store(&seat->call, NULL);
	atomic_fetch_add_explicit(&seat->calls, 1, memory_order_relaxed);
}

void hold_on(struct seat *seat, uint64_t *random)
{
	if (random_below(random, 8))
		return;
	atomic_store(&seat->holds, 1);
	nap((int64_t)random_below(random, MS));
	atomic_store(&seat->holds, 0);
}
