/* SPDX-License-Identifier: MIT */
/*
 * soak.c - everything at once, for as long as one likes, and an audit of all of it
 *
 * Senders and receivers on four ports, clients and servers of a service, users of a
 * semaphore, and pipelines of the real tools, at 50 random mishaps a second: kill -9, SIGSTOP, SIGCONT, a port
 * replaced or removed, also by rm(1).  Every few seconds all of them end as
 * programs do, and the books are audited: each message that was sent was received
 * once, or still lies there, or is one of the few that may be gone (world.c says
 * which); no receiver saw anything out of order, twice, or that was not sent; no
 * request was executed twice, or after it was refused; no slot, message or file is
 * left behind.  Then the next round begins, on the same
 * ports.
 *
 * SOAK_DURATION in the environment is how long (30s; 10m, 1h), SOAK_SEED makes
 * the mishaps those of another run, as far as the scheduler plays along.
 *
 * That it can fail was tried out; within half a minute each of these was noticed:
 *
 *  - a receiver forgets one message in ten thousand
 *  - who takes an end over does not repair it, or leaves `zeroed` as it was
 *  - a record has no terminator; of a run the first header comes first
 *  - a receipt is committed before it is copied
 *  - an end is taken from the living
 *  - a newcomer does not inherit his slot's lock, or its semaphore's units
 *  - a dead owner's units are given back once too often
 *  - who sleeps for a lock never looks whether its owner is dead
 *  - a plain rm(1) is not noticed
 *  - a request is served although it was withdrawn, refused and not withdrawn, or
 *    taken without a note on the desk; the numbers of calls come back
 *
 * Not to be noticed here, since others make up for it within a second or the
 * moment is too short: the flag cleared before the wake and not after it, the
 * count of messages not repaired, the units of a dead owner, or the desk of a
 * dead server, left to the next who comes, and senders looked for after the messages at the end of a stream.  For
 * these there are tests/stress, tests/fault and tests/model.
 */
#include "soak.h"

#include <ctype.h>

#define ROUND_LEAST (2 * SECOND)
#define ROUND_MOST  (6 * SECOND)

struct port_plan port_plans[ALL_PORTS] = {
	{"queue", 65536, 4000},    {"tiny", 4096, 4080},
	{"large", 1 << 20, 60000}, {NULL, 32768, 16384}, /* on a disk */
	{"service", 16384, 4000},
};

static const char *const sentences[VERDICTS] = {
	[WHOLE] = "what is received was sent, whole, once, and in order",
	[KEPT] = "no message is lost but those of the dead and of dead ports",
	[MOVING] = "nobody hangs",
	[UNITS] = "a semaphore's units are kept, and no more are inside",
	[STREAMS] = "what comes out of a pipeline is what went in",
	[CLEAN] = "no unexpected errors, and nothing is left behind",
};

/* Settings. */

static int64_t unit_of(const char *unit)
{
	if (!strcmp(unit, "h"))
		return 3600 * SECOND;
	if (!strcmp(unit, "m"))
		return 60 * SECOND;
	return !strcmp(unit, "s") || !*unit ? SECOND : 0;
}

static int64_t duration(void)
{
	const char *text = getenv("SOAK_DURATION");
	char *unit = NULL;
	unsigned long count;

	if (!text || !*text)
		return 30 * SECOND;
	count = strtoul(text, &unit, 10);
	CHECK(isdigit((unsigned char)*text) && count > 0 && count < 100000 &&
	      unit_of(unit));
	return (int64_t)count * unit_of(unit);
}

static uint64_t seed(void)
{
	const char *text = getenv("SOAK_SEED");

	if (text && *text)
		return strtoull(text, NULL, 0);
	return (uint64_t)now_ns() ^ (uint64_t)getpid() << 32;
}

/* The tools, where nobody says otherwise: beside this program. */
static void find_tools(const char *program)
{
	char *own = realpath(program, NULL);
	char *slash = own ? strrchr(own, '/') : NULL;

	CHECK(slash);
	*slash = 0;
	setenv("MMSOCK_BIN", join(own, "../../bin"), 0);
	free(own);
	CHECK(!access(join(getenv("MMSOCK_BIN"), "mmsock-cat"), X_OK));
}

/* The audit of one round. */

static void check_port(unsigned port)
{
	struct mmsock_info info = {.size = sizeof(info)};
	const char *name = port_plans[port].name;
	int r = mmsock_inspect(name, NULL, &info);

	if (r) {
		wrong(CLEAN, "%s: %s", name, mmsock_error_text(r));
		return;
	}
	if (info.state > MMSOCK_STATE_STALE)
		wrong(CLEAN, "%s: is damaged: %s", name, info.detail);
	if (info.corrupt)
		wrong(CLEAN, "%s: %" PRIu64 " calls found what cannot be", name,
		      info.corrupt);
	if (info.participants)
		wrong(CLEAN, "%s: %u users are left", name, info.participants);
	if (info.messages || info.used_bytes || info.sent != info.received)
		wrong(CLEAN,
		      "%s: empty, it counts %" PRIu64 " messages in %" PRIu64
		      " bytes, %" PRIu64 " sent and %" PRIu64 " received",
		      name, info.messages, info.used_bytes, info.sent,
		      info.received);
}

static void audit(void)
{
	uint64_t current[ALL_PORTS];
	unsigned port;

	for (port = 0; port < ALL_PORTS; port++) {
		current[port] = port == SERVICE ? drain_service() : drain(port);
		if (current[port])
			check_port(port);
		counters_note(port);
	}
	books_audit(current);
	guests_audit();
	books_reset();
	world->totals.rounds++;
}

/* Nothing is in the way of a new beginning, and nothing lies about. */
static void check_remains(const char *dir, const char *disk)
{
	unsigned port;
	int r;

	for (port = 0; port < ALL_PORTS; port++) {
		r = mmsock_remove(port_plans[port].name, NULL,
				  MMSOCK_REMOVE_UNUSED);
		if (r && r != -ENOENT)
			wrong(CLEAN, "%s: cannot be removed: %s",
			      port_plans[port].name, mmsock_error_text(r));
	}
	r = mmsock_remove(SEMAPHORE, NULL, MMSOCK_REMOVE_UNUSED);
	if (r)
		wrong(CLEAN, "the semaphore cannot be removed: %s",
		      mmsock_error_text(r));
	if (count_entries(dir) || count_entries(disk))
		wrong(CLEAN, "%u and %u files are left behind",
		      count_entries(dir), count_entries(disk));
}

/* The report. */

static void report(int64_t started_ns)
{
	const struct totals *totals = &world->totals;
	double seconds = (double)(now_ns() - started_ns) / 1e9;

	printf("# %.0f s, %" PRIu64 " rounds: %" PRIu64 " messages, %.1f MB; "
	       "%" PRIu64 " taken by the dead, %" PRIu64 " gone with a port, "
	       "%" PRIu64 " sent by dying\n",
	       seconds, totals->rounds, totals->messages,
	       (double)totals->bytes / 1e6, totals->excused, totals->outlived,
	       totals->unsure);
	printf("#   %" PRIu64 " mishaps: %" PRIu64 " kills, %" PRIu64
	       " stops, %" PRIu64 " interrupts, %" PRIu64 " restarts, %" PRIu64
	       " overwrites, %" PRIu64 " removes, %" PRIu64
	       " by rm(1), %" PRIu64 " listings\n",
	       totals->ticks, totals->kills, totals->stops, totals->interrupts,
	       totals->restarts, totals->overwrites, totals->removes,
	       totals->plain_removes, totals->listings);
	printf("#   %" PRIu64 " takeovers, %" PRIu64
	       " late wakes; after a death %" PRIu64
	       " calls under way ended within 100 ms, %" PRIu64
	       " within 1 s, %" PRIu64 " later, the last after %.0f ms\n",
	       totals->takeovers, totals->late_wakes, totals->delays[0],
	       totals->delays[1], totals->delays[2],
	       (double)totals->longest_delay_ns / 1e6);
	printf("#   %" PRIu64 " calls answered; %" PRIu64
	       " failed, of which %" PRIu64 " refused and %" PRIu64
	       " left by their servers\n",
	       totals->calls, totals->calls_failed, totals->calls_refused,
	       totals->calls_orphaned);
	printf("#   %" PRIu64 " units of the semaphore; %" PRIu64
	       " streams whole, %" PRIu64 " cut, %" PRIu64
	       " of them echoed, %.1f MB\n",
	       totals->units, totals->streams_whole, totals->streams_cut,
	       totals->streams_echoed, (double)totals->stream_bytes / 1e6);
}

/* What was wrong, before the line that says so. */
static void pronounce(enum verdict verdict)
{
	unsigned texts = atomic_load(&world->texts);
	unsigned i;

	for (i = 0; i < texts && i < CHECK_COUNT(world->text); i++) {
		if (world->text[i].verdict == verdict)
			printf("# %s\n", world->text[i].said);
	}
	printf("%sok %d - %s\n",
	       atomic_load(&world->failures[verdict]) ? "not " : "",
	       (int)verdict + 1, sentences[verdict]);
}

static int pronounce_all(void)
{
	unsigned i;

	for (i = 0; i < VERDICTS; i++)
		pronounce((enum verdict)i);
	return all_is_well() ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void soak(int64_t until_ns, int64_t started_ns, uint64_t *random)
{
	int64_t reported_ns = started_ns;
	int64_t most;

	while (all_is_well() && now_ns() < until_ns) {
		most = now_ns() + ROUND_LEAST +
		       (int64_t)random_below(random, ROUND_MOST - ROUND_LEAST);
		chaos_start(random);
		chaos_run(random, most < until_ns ? most : until_ns);
		chaos_quiet(random);
		if (atomic_load(&world->failures[MOVING]))
			break;
		audit();
		if (now_ns() - reported_ns < 60 * SECOND)
			continue;
		report(started_ns);
		reported_ns = now_ns();
	}
}

int main(int argc, char **argv)
{
	int64_t started = now_ns();
	int64_t length = duration();
	uint64_t random = seed();
	const char *dir;
	const char *disk;

	setvbuf(stdout, NULL, _IOLBF, 0);
	make_sandbox();
	dir = fresh_dir();
	disk = descend(DISK_VARIABLE);
	port_plans[PORTS - 1].name = strdup(join(disk, "disk"));
	CHECK(argc == 1);
	find_tools(argv[0]);
	printf("1..%d\n# seed %#" PRIx64 "\n", VERDICTS, random);
	world_make(random);
	guests_prepare();
	soak(started + length, started, &random);
	chaos_end();
	check_remains(dir, disk);
	report(started);
	return pronounce_all();
}
