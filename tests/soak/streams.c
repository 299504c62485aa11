/* SPDX-License-Identifier: MIT */
/*
 * streams.c - pipelines of the real tools, one after the other
 *
 *	feeder | mmsock-cat -o PORT     mmsock-cat -i PORT | checker
 *
 * or mmsock-send and mmsock-recv, or one of either; sometimes with a relay from
 * one port to a second.  The feeder writes bytes that follow from their position,
 * the checker compares what comes out.  Where no tool is killed all of it has to
 * come; where one is, nothing but a beginning of it may.
 *
 * All processes are children of the chaos itself, so that no signal can hit one
 * whose number is another's by now.
 */
#include "soak.h"

#define STREAM_PORTS 2U
#define LONGEST      (UINT64_C(16) << 20)
#define GRACE        (2 * SECOND)

static const char *const stream_ports[STREAM_PORTS] = {"stream", "relayed"};

static struct {
	struct seat *feeder;
	struct seat *checker;
	struct seat *tools[3];
	uint64_t bytes;
	uint64_t seed;
	bool mortal;
	bool spoilt; /* a tool was killed */
	bool cut;    /* the others were killed by us, since they cannot end */
	bool failed;
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

/* The child's end of it: from and to become standard input and output. */
static void become_tool(const char *const *words, int from, int to)
{
	char path[4096];
	char *arguments[8] = {NULL};
	int nothing = open("/dev/null", O_RDWR);
	size_t i;

	for (i = 0; words[i]; i++)
		arguments[i] = strdup(words[i]);
	dup2(from < 0 ? nothing : from, STDIN_FILENO);
	dup2(to < 0 ? nothing : to, STDOUT_FILENO);
	dup2(nothing, STDERR_FILENO);
	snprintf(path, sizeof(path), "%s/%s", getenv("MMSOCK_BIN"), words[0]);
	execv(path, arguments);
	_exit(127);
}

static struct seat *start_tool(const char *const *words, int from, int to)
{
	struct seat *seat = seat_free();

	if (!seat_start(seat, TOOL))
		become_tool(words, from, to);
	seat->mortal = pipeline.mortal;
	return seat;
}

/* What goes in at one end and comes out at the other as it was. */
struct way {
	const char *source[4];
	const char *sink[4];
};

static const struct way ways[] = {
	{{"mmsock-cat", "-o", "stream"}, {"mmsock-cat", "-i"}},
	{{"mmsock-send", "-r", "stream"}, {"mmsock-recv", "-r"}},
	{{"mmsock-send", "-l", "stream"}, {"mmsock-recv", "-l"}},
	{{"mmsock-cat", "-o", "stream"}, {"mmsock-recv", "-r"}},
	{{"mmsock-send", "-r", "stream"}, {"mmsock-cat", "-i"}},
};

static void make_port(const char *port, uint64_t ring_bytes)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	int r;

	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.ring_bytes = ring_bytes;
	r = mmsock_create(port, &options);
	if (r != 1)
		wrong(CLEAN, "%s: cannot be created: %s", port,
		      mmsock_error_text(r));
}

static void start_tools(uint64_t *random, int from, int to)
{
	const struct way *way = &ways[random_below(random, CHECK_COUNT(ways))];
	bool relay = !random_below(random, 3);
	const char *sink[] = {way->sink[0], way->sink[1],
			      stream_ports[relay ? 1 : 0], NULL};
	const char *const relaying[] = {"mmsock-cat",    "-i",
					stream_ports[0], "-o",
					stream_ports[1], NULL};

	pipeline.tools[0] = start_tool(way->source, from, -1);
	pipeline.tools[1] = start_tool(sink, -1, to);
	pipeline.tools[2] = relay ? start_tool(relaying, -1, -1) : NULL;
}

/* Nobody but who is to have them may have the pipes: their ends would not end. */
static void start_processes(uint64_t *random)
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
	start_tools(random, in[0], out[1]);
	close(in[0]);
	close(in[1]);
	close(out[0]);
	close(out[1]);
}

static void start(uint64_t *random)
{
	unsigned i;

	for (i = 0; i < STREAM_PORTS; i++)
		make_port(stream_ports[i], 65536);
	pipeline.bytes = 1 + random_below(random, LONGEST);
	pipeline.seed = random_next(random);
	pipeline.mortal = !random_below(random, 3);
	pipeline.spoilt = pipeline.cut = pipeline.failed = false;
	atomic_store(&world->checked, 0);
	start_processes(random);
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
	unsigned i;

	if (!pipeline.spoilt && checked != pipeline.bytes)
		wrong(STREAMS, "%" PRIu64 " of %" PRIu64 " bytes came out",
		      checked, pipeline.bytes);
	if (pipeline.failed)
		wrong(STREAMS, "a tool failed, and none was killed");
	if (pipeline.spoilt)
		world->totals.streams_cut++;
	else
		world->totals.streams_whole++;
	atomic_fetch_add(&world->totals.stream_bytes, checked);
	for (i = 0; i < STREAM_PORTS; i++)
		mmsock_remove(stream_ports[i], NULL, MMSOCK_REMOVE_ALWAYS);
}

void streams_ended(struct seat *seat, int status)
{
	unsigned i;

	if (seat == pipeline.feeder)
		pipeline.feeder = NULL;
	if (seat == pipeline.checker)
		pipeline.checker = NULL;
	for (i = 0; i < CHECK_COUNT(pipeline.tools); i++) {
		if (seat == pipeline.tools[i])
			pipeline.tools[i] = NULL;
	}
	if (!seat->killed && status && !pipeline.spoilt)
		pipeline.failed = true;
	if ((seat->killed || status) && !pipeline.spoilt) {
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
