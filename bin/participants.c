/* SPDX-License-Identifier: MIT */
/*
 * participants.c - what is known of a participant, as a line of a table
 *
 * It only looks, as ports.c does.
 */
#include "participants.h"

#include <mmsock.h>

#include "tool.h"
#include "values.h"

struct row {
	const char *port;
	int64_t calls_ns; /* how long its oldest call takes; < 0: has none */
	struct mmsock_peer peer;
};

static char *role_text(const void *field, const struct column_style *style)
{
	static const char *const roles[] = {
		"none", "send", "recv", "both", "owner", "5", "6", "7", "plain",
	};
	unsigned number = *(const unsigned *)field;

	(void)style;
	if (number == MMSOCK_CLIENT)
		return value_format("client");
	if (number == MMSOCK_SERVER)
		return value_format("server");
	return value_word(roles, ARRAY_SIZE(roles), number);
}

static char *activity_text(const void *field, const struct column_style *style)
{
	static const char *const activities[] = {
		"running", "spinning", "asleep", "holding", "dead",
	};
	static const char *const objects[] = {
		"",       ":data",  ":space", ":send-end",  ":recv-end",
		":peers", ":units", ":reply", ":reply-end",
	};
	const struct mmsock_peer *peer = field;
	unsigned activity = peer->activity;
	/* What the dead were about is of no more account. */
	unsigned object = activity == MMSOCK_DEAD ? 0 : peer->object;

	(void)style;
	if (activity >= ARRAY_SIZE(activities) || object >= ARRAY_SIZE(objects))
		return value_format("%u:%u", activity, object);
	return value_format("%s%s", activities[activity], objects[object]);
}

static const struct column_kind role = {.text = role_text};
static const struct column_kind activity = {.text = activity_text};

/* clang-format off */
static const struct column table[] = {
	{"PORT", &value_name, offsetof(struct row, port), "name of the port"},
	{"SLOT", &value_number, offsetof(struct row, peer.slot),
	 "row in the port's table"},
	{"PID", &value_number, offsetof(struct row, peer.pid),
	 "process, in its own pid namespace"},
	{"PROGRAM", &value_string, offsetof(struct row, peer.program),
	 "name of the program"},
	{"ROLE", &role, offsetof(struct row, peer.role), "send, recv or both; client or server; owner or plain"},
	{"ACTIVITY", &activity, offsetof(struct row, peer),
	 "running, spinning, asleep, holding or dead, and at what"},
	{"SINCE", &value_time, offsetof(struct row, peer.since_ns),
	 "time of attaching"},
	{"SENT", &value_count, offsetof(struct row, peer.sent),
	 "messages sent, units posted"},
	{"RECVD", &value_count, offsetof(struct row, peer.received),
	 "messages received, units taken"},
	{"SENTBYTES", &value_size, offsetof(struct row, peer.sent_bytes),
	 "payload sent"},
	{"RECVDBYTES", &value_size, offsetof(struct row, peer.received_bytes),
	 "payload received"},
	{"SLEEPS", &value_count, offsetof(struct row, peer.sleeps),
	 "waits that went to sleep"},
	{"BLOCKED", &value_span, offsetof(struct row, peer.blocked_ns),
	 "time spent waiting"},
	{"HELD", &value_count, offsetof(struct row, peer.held),
	 "units of a semaphore that it holds"},
	{"CALLS", &value_count, offsetof(struct row, peer.calls),
	 "requests in flight, or taken and not answered"},
	{"OLDEST", &value_span, offsetof(struct row, calls_ns),
	 "time since the oldest of these"},
	{"LATEWAKES", &value_count, offsetof(struct row, peer.late_wakes),
	 "waits that only the periodic re-check ended"},
};
/* clang-format on */

const struct column_set participants_columns = {
	.name = "participants",
	.columns = table,
	.count = ARRAY_SIZE(table),
	.usual = 16,
};

/* A port whose participants are being added. */
struct visit {
	struct columns *columns;
	struct row row;
};

static int add(const struct mmsock_peer *peer, void *context)
{
	struct visit *visit = context;

	visit->row.peer = *peer;
	if (peer->role & (MMSOCK_OWNER | MMSOCK_PLAIN))
		visit->row.peer.sent_bytes = visit->row.peer.received_bytes =
			VALUE_NONE;
	if (!(peer->role & MMSOCK_OWNER))
		visit->row.peer.held = VALUE_NONE;
	if (!(peer->role & (MMSOCK_CLIENT | MMSOCK_SERVER)))
		visit->row.peer.calls = VALUE_NONE;
	visit->row.calls_ns = value_since(peer->calls_since);
	columns_add(visit->columns, &visit->row, true);
	return 0;
}

int participants_add(struct columns *columns, const char *port, const char *dir)
{
	struct visit visit = {.columns = columns, .row.port = port};

	tool_guard(port);
	return mmsock_inspect_peers(port, dir, add, &visit);
}
