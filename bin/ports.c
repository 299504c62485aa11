/* SPDX-License-Identifier: MIT */
/*
 * ports.c - what is known of a port, as a line of a table
 *
 * It only looks: it never attaches to a port and changes nothing.
 */
#include "ports.h"

#include <limits.h>
#include <stdlib.h>

#include <mmsock.h>

#include "tool.h"
#include "values.h"

struct row {
	const char *port;
	const char *dir;
	int64_t age_ns; /* < 0: not known */
	struct mmsock_info info;
};

/* What a port has and a semaphore has not, and the other way round. */
static void blank(struct mmsock_info *info)
{
	if (info->type != MMSOCK_RPC) {
		info->calls = info->requests = info->max_reply = VALUE_NONE;
		info->lane_bytes = VALUE_NONE;
		info->clients = VALUE_NO_NUMBER;
	}
	if (info->type != MMSOCK_SEMAPHORE) {
		info->value = info->max_value = info->held = VALUE_NONE;
		return;
	}
	info->ring_bytes = info->used_bytes = info->max_message = VALUE_NONE;
	info->messages = info->sent = info->received = VALUE_NONE;
	info->dropped = VALUE_NONE;
	info->senders = info->receivers = VALUE_NO_NUMBER;
}

static char *type_text(const void *field, const struct column_style *style)
{
	static const char *const types[] = {"0", "queue", "2", "rpc", "sem"};

	(void)style;
	return value_word(types, ARRAY_SIZE(types), *(const unsigned *)field);
}

static char *state_text(const void *field, const struct column_style *style)
{
	static const char *const states[] = {
		"ok", "stale", "removed", "foreign-layout", "corrupt",
	};

	(void)style;
	return value_word(states, ARRAY_SIZE(states), *(const unsigned *)field);
}

static char *path_text(const void *field, const struct column_style *style)
{
	const struct row *row = field;
	char path[PATH_MAX];

	(void)style;
	if (mmsock_path(row->port, row->dir, path, sizeof(path)) < 0)
		return NULL;
	return value_format("%s", path);
}

static int add_pid(const struct mmsock_peer *peer, void *context)
{
	char **pids = context;
	char *longer;

	if (peer->activity == MMSOCK_DEAD)
		return 0;
	longer = value_format("%s%s%d", *pids ? *pids : "", *pids ? "," : "",
			      peer->pid);
	free(*pids);
	*pids = longer;
	return 0;
}

static char *pids_text(const void *field, const struct column_style *style)
{
	const struct row *row = field;
	char *pids = NULL;

	(void)style;
	tool_guard(row->port);
	mmsock_inspect_peers(row->port, row->dir, add_pid, &pids);
	return pids;
}

static const struct column_kind type = {.text = type_text};
static const struct column_kind state = {.text = state_text, .always = true};
static const struct column_kind path = {.text = path_text, .always = true};
static const struct column_kind pids = {.text = pids_text};

/* clang-format off */
static const struct column table[] = {
	{"NAME", &value_name, offsetof(struct row, port), "name of the port or semaphore"},
	{"TYPE", &type, offsetof(struct row, info.type), "queue, rpc or sem"},
	{"CAP", &value_size, offsetof(struct row, info.ring_bytes),
	 "size of the ring"},
	{"USED", &value_size, offsetof(struct row, info.used_bytes),
	 "of the ring, headers and padding included"},
	{"MSGS", &value_count, offsetof(struct row, info.messages),
	 "messages that wait"},
	{"WR", &value_number, offsetof(struct row, info.senders),
	 "live senders, or clients"},
	{"RD", &value_number, offsetof(struct row, info.receivers),
	 "live receivers, or servers"},
	{"OWNER", &value_owner, offsetof(struct row, info.uid),
	 "owner of the file"},
	{"MODE", &value_mode, offsetof(struct row, info.permissions),
	 "permissions of the file, octal"},
	{"AGE", &value_span, offsetof(struct row, age_ns),
	 "time since the creation"},
	{"STATE", &state, offsetof(struct row, info.state),
	 "ok, stale, removed, foreign-layout or corrupt"},
	{"VALUE", &value_count, offsetof(struct row, info.value),
	 "units of a semaphore that are there"},
	{"MAXMSG", &value_size, offsetof(struct row, info.max_message),
	 "largest message"},
	{"SENT", &value_count, offsetof(struct row, info.sent),
	 "messages sent since the creation"},
	{"RECVD", &value_count, offsetof(struct row, info.received),
	 "messages received since the creation"},
	{"DROPS", &value_count, offsetof(struct row, info.dropped),
	 "messages dropped since the creation"},
	{"SLEEPS", &value_count, offsetof(struct row, info.sleeps),
	 "waits that went to sleep"},
	{"LASTSEND", &value_time, offsetof(struct row, info.last_send_ns),
	 "time of the last send"},
	{"LASTRECV", &value_time, offsetof(struct row, info.last_recv_ns),
	 "time of the last receive"},
	{"PIDS", &pids, 0, "live participants"},
	{"PATH", &path, 0, "path of the file"},
	{"LAYOUT", &value_number, offsetof(struct row, info.layout),
	 "version of the file format"},
	{"TAKEOVERS", &value_count, offsetof(struct row, info.takeovers),
	 "ends, or units of an owner, taken from the dead"},
	{"LATEWAKES", &value_count, offsetof(struct row, info.late_wakes),
	 "waits that only the periodic re-check ended"},
	{"DIED", &value_count, offsetof(struct row, info.died),
	 "participants that died attached"},
	{"REPLACED", &value_count, offsetof(struct row, info.replaced),
	 "handles whose port was replaced under them"},
	{"CORRUPT", &value_count, offsetof(struct row, info.corrupt),
	 "calls that found what cannot be"},
	{"MAX", &value_count, offsetof(struct row, info.max_value),
	 "largest value of a semaphore"},
	{"HELD", &value_count, offsetof(struct row, info.held),
	 "units that live owners hold"},
	{"CALLS", &value_count, offsetof(struct row, info.calls),
	 "requests of live clients in flight"},
	{"TAKEN", &value_count, offsetof(struct row, info.requests),
	 "requests that live servers work at"},
	{"CLIENTS", &value_number, offsetof(struct row, info.clients),
	 "most clients at a time"},
	{"MAXREPLY", &value_size, offsetof(struct row, info.max_reply),
	 "largest reply"},
	{"LANE", &value_size, offsetof(struct row, info.lane_bytes),
	 "size of the ring for a client's replies"},
};
/* clang-format on */

const struct column_set ports_columns = {
	.name = "ports",
	.columns = table,
	.count = ARRAY_SIZE(table),
	.usual = 12,
};

int ports_add(struct columns *columns, const char *port, const char *dir)
{
	struct row row = {.port = port, .dir = dir};
	struct mmsock_info *info = &row.info;
	int r;

	tool_guard(port);
	info->size = sizeof(*info);
	r = mmsock_inspect(port, dir, info);
	if (r < 0)
		return r;
	row.age_ns = value_since(info->created_ns);
	blank(info);
	columns_add(columns, &row,
		    info->state != MMSOCK_STATE_FOREIGN_LAYOUT &&
			    info->state != MMSOCK_STATE_CORRUPT);
	return 0;
}
