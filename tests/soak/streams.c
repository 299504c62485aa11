/* SPDX-License-Identifier: MIT */
/*
 * streams.c - pipelines of the real tools, one after the other
 *
 *	feeder | mmsock-cat -o PORT     mmsock-cat -i PORT | checker
 *
 * or mmsock-send and mmsock-recv, or one of either; sometimes with a relay from
 * one port to a second.  Or the lines go by mmsock-call to mmsock-serve and back.  The feeder writes bytes that follow from their position,
 * the checker compares what comes out.  Where no tool is killed all of it has to
 * come; where one is, nothing but a beginning of it may.
 *
 * All processes are children of the chaos itself, so that no signal can hit one
 * whose number is another's by now.
 */
#include "soak.h"

#define LONGEST (UINT64_C(16) << 20)
#define GRACE   (2 * SECOND)

#define STREAM  "stream"
#define RELAYED "relayed"
#define ECHO    "echo"

static struct {
	struct seat *feeder;
	struct seat *checker;
	struct seat *tools[3];
	struct seat *server; /* the last of them, where he serves */
	bool dismissed;      /* since nobody calls any more */
	uint64_t bytes;
	uint64_t seed;
	bool mortal;
	bool spoilt; /* a tool was killed */
	bool cut;    /* the others were killed by us, since they cannot end */
	int64_t cut_at_ns;
} pipeline;

/* Lines of letters, of a length that is looked at on the way. */
static void fill(unsigned char *to, uint64_t from, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		uint64_t at = from + i;
		uint64_t hash =
			(at + pipeline.seed) * UINT64_C(0x9e3779b97f4a7c15) >>
			40;

		to[i] = at + 1 == pipeline.bytes || hash % 50 == 0
				? '\n'
				: (unsigned char)('a' + hash % 26);
	}
}

static void feed(int to)
{
	unsigned char bytes[16384];
	uint64_t at = 0;
	ssize_t r;

	signal(SIGPIPE, SIG_IGN);
	while (at < pipeline.bytes) {
		size_t part = pipeline.bytes - at < sizeof(bytes)
				      ? (size_t)(pipeline.bytes - at)
				      : sizeof(bytes);

		fill(bytes, at, part);
		r = write(to, bytes, part);
		if (r < 0)
			return;
		at += (uint64_t)r;
		atomic_fetch_add(&world->piped, (uint64_t)r);
	}
}

static void compare(int from)
{
	unsigned char bytes[16384];
	unsigned char expected[sizeof(bytes)];
	uint64_t at = 0;
	ssize_t r;

	while ((r = read(from, bytes, sizeof(bytes))) > 0) {
		fill(expected, at, (size_t)r);
		if (at + (uint64_t)r > pipeline.bytes ||
		    memcmp(bytes, expected, (size_t)r)) {
			wrong(STREAMS,
			      "bytes %" PRIu64 " to %" PRIu64 " of %" PRIu64
			      " are not what was written",
			      at, at + (uint64_t)r, pipeline.bytes);
			return;
		}
		at += (uint64_t)r;
		atomic_store(&world->checked, at);
		atomic_fetch_add(&world->piped, (uint64_t)r);
	}
}

static struct seat *start_tool(const char *const *words, int from, int to)
{
	struct seat *seat = tool_seat(words);

	if (!seat_start(seat, TOOL))
		tool_become(seat, words, from, to);
	seat->mortal = pipeline.mortal;
	return seat;
}

/*
 * What goes in at one end and comes out at the other as it was.  Without a sink it
 * is the source that writes: replies.
 */
struct way {
	const char *source[6];
	const char *sink[4];
};

static const struct way ways[] = {
	{{"mmsock-cat", "-o", STREAM}, {"mmsock-cat", "-i"}},
	{{"mmsock-send", "-r", STREAM}, {"mmsock-recv", "-r"}},
	{{"mmsock-send", "-l", STREAM}, {"mmsock-recv", "-l"}},
	{{"mmsock-cat", "-o", STREAM}, {"mmsock-recv", "-r"}},
	{{"mmsock-send", "-r", STREAM}, {"mmsock-cat", "-i"}},
	{{"mmsock-call", "-lw30", "--wait-peer", "--inflight=8", ECHO}, {NULL}},
};

static void make_port(const char *port, unsigned type)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	int r;

	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.type = type;
	options.ring_bytes = 65536;
	r = mmsock_create(port, &options);
	if (r != 1)
		wrong(CLEAN, "%s: cannot be created: %s", port,
		      mmsock_error_text(r));
}

/* A call waits for somebody who serves, who does not end by himself. */
static void start_service(const struct way *way, int from, int to)
{
	static const char *const serving[] = {"mmsock-serve", "--echo", ECHO,
					      NULL};

	pipeline.tools[0] = start_tool(way->source, from, to);
	pipeline.tools[1] = NULL;
	pipeline.server = pipeline.tools[2] = start_tool(serving, -1, -1);
}

/* Straight, or by way of a relay and a second port. */
static void start_queue(const struct way *way, bool relay, int from, int to)
{
	const char *sink[] = {way->sink[0], way->sink[1],
			      relay ? RELAYED : STREAM, NULL};
	static const char *const relaying[] = {"mmsock-cat", "-i",    STREAM,
					       "-o",         RELAYED, NULL};

	pipeline.tools[0] = start_tool(way->source, from, -1);
	pipeline.tools[1] = start_tool(sink, -1, to);
	pipeline.tools[2] = relay ? start_tool(relaying, -1, -1) : NULL;
}

/* Nobody but who is to have them may have the pipes: their ends would not end. */
static void start_processes(const struct way *way, bool relay)
{
	int in[2];
	int out[2];

	CHECK(!pipe2(in, O_CLOEXEC) && !pipe2(out, O_CLOEXEC));
	pipeline.feeder = seat_free();
	if (!seat_start(pipeline.feeder, FEEDER)) {
		close(in[0]);
		close(out[0]);
		close(out[1]);
		feed(in[1]);
		_exit(EXIT_SUCCESS);
	}
	pipeline.checker = seat_free();
	if (!seat_start(pipeline.checker, CHECKER)) {
		close(in[0]);
		close(in[1]);
		close(out[1]);
		compare(out[0]);
		_exit(EXIT_SUCCESS);
	}
	if (way->sink[0])
		start_queue(way, relay, in[0], out[1]);
	else
		start_service(way, in[0], out[1]);
	close(in[0]);
	close(in[1]);
	close(out[0]);
	close(out[1]);
}

static void start(uint64_t *random)
{
	const struct way *way = &ways[random_below(random, CHECK_COUNT(ways))];
	bool serves = !way->sink[0];

	make_port(STREAM, MMSOCK_QUEUE);
	make_port(RELAYED, MMSOCK_QUEUE);
	make_port(ECHO, MMSOCK_RPC);
	pipeline.bytes =
		1 + random_below(random, serves ? LONGEST / 16 : LONGEST);
	pipeline.seed = random_next(random);
	pipeline.mortal = !random_below(random, 3);
	pipeline.spoilt = pipeline.cut = false;
	pipeline.server = NULL;
	pipeline.dismissed = false;
	atomic_store(&world->checked, 0);
	start_processes(way, !random_below(random, 3));
}

bool streams_run(void)
{
	unsigned i;

	for (i = 0; i < CHECK_COUNT(pipeline.tools); i++) {
		if (pipeline.tools[i])
			return true;
	}
	return pipeline.feeder || pipeline.checker;
}

/* All have ended. */
static void conclude(void)
{
	uint64_t checked = atomic_load(&world->checked);

	if (!pipeline.spoilt && checked != pipeline.bytes)
		wrong(STREAMS, "%" PRIu64 " of %" PRIu64 " bytes came out",
		      checked, pipeline.bytes);
	if (pipeline.spoilt)
		world->totals.streams_cut++;
	else
		world->totals.streams_whole++;
	if (pipeline.server)
		world->totals.streams_echoed++;
	atomic_fetch_add(&world->totals.stream_bytes, checked);
	mmsock_remove(STREAM, NULL, MMSOCK_REMOVE_ALWAYS);
	mmsock_remove(RELAYED, NULL, MMSOCK_REMOVE_ALWAYS);
	mmsock_remove(ECHO, NULL, MMSOCK_REMOVE_ALWAYS);
}

static void dismiss(void)
{
	pipeline.dismissed = true;
	kill(pipeline.server->pid, SIGTERM);
}

/* Also one of whose end we have not been told yet, as another one has. */
static bool was_one_killed(void)
{
	unsigned i;

	for (i = 0; i < CHECK_COUNT(pipeline.tools); i++) {
		if (pipeline.tools[i] && pipeline.tools[i]->killed)
			return true;
	}
	return pipeline.spoilt;
}

void streams_ended(struct seat *seat, int status)
{
	bool was_sent_away = pipeline.dismissed && seat == pipeline.tools[2];
	bool one_was_killed = was_one_killed();
	unsigned i;

	if (was_sent_away)
		status = 0;
	if (seat == pipeline.tools[0] && pipeline.tools[2] &&
	    pipeline.tools[2] == pipeline.server)
		dismiss();
	if (seat == pipeline.feeder)
		pipeline.feeder = NULL;
	if (seat == pipeline.checker)
		pipeline.checker = NULL;
	for (i = 0; i < CHECK_COUNT(pipeline.tools); i++) {
		if (seat == pipeline.tools[i])
			pipeline.tools[i] = NULL;
	}
	if (status && !one_was_killed)
		tool_wrong(seat, STREAMS, status);
	if (!was_sent_away && (seat->killed || status) && !pipeline.spoilt) {
		pipeline.spoilt = true;
		pipeline.cut_at_ns = now_ns() + GRACE;
	}
	if (!streams_run())
		conclude();
}

/*
 * A sender to a port without a receiver waits for one, as does a receiver who has
 * not seen the sender who died.
 */
static void cut(void)
{
	unsigned i;

	for (i = 0; i < CHECK_COUNT(pipeline.tools); i++) {
		if (!pipeline.tools[i])
			continue;
		pipeline.tools[i]->killed = true;
		kill(pipeline.tools[i]->pid, SIGKILL);
	}
	pipeline.cut = true;
}

void streams_tend(uint64_t *random, bool go_on)
{
	if (!streams_run() && go_on)
		start(random);
	else if (pipeline.spoilt && !pipeline.cut &&
		 now_ns() > pipeline.cut_at_ns)
		cut();
}
