/* SPDX-License-Identifier: MIT */
/*
 * chaos.c - starts the processes of the soak, and does to them what happens
 *
 * Fifty times a second somebody is killed, stopped or continued, a port replaced
 * or removed, or a tool is started that looks at or removes one.  All processes
 * are children of this one, which alone waits for them: no signal can hit a
 * process whose number is another's by now, and whoever was killed is settled in
 * the books before his seat is taken again.
 *
 * Who hangs.  A stop ends within a third of a second, a death is certified within
 * a tenth, a lost wake is found within a second; so on each port something is
 * sent and something received within 20 seconds, unless this machine has no time
 * for us.  Only time in which this process gets to run is counted, in pieces of
 * at most a tenth of a second.
 */
#include "soak.h"

#include <time.h>

#define TICK      (SECOND / 50)
#define LATE      (100 * MS) /* more is not made up for */
#define STOP_MOST (300 * MS)
#define STOPPED   4U /* at a time, at most */
#define GUESTS    3U
#define ROVERS    2U
#define CLIENTS   2U
#define SERVERS   2U
#define ERRANDS   2U

/* Everything whose standing still is a hang. */
enum motion {
	SENDS,
	RECEIPTS = SENDS + PORTS,
	VISITS = RECEIPTS + PORTS,
	CALLS,
	PIPE,
	MOTIONS
};

static struct {
	uint64_t value;
	int64_t still_ns;
} motions[MOTIONS];

static int64_t last_watch_ns;

/* Processes. */

static uint64_t seed_for(const struct seat *seat)
{
	uint64_t state =
		world->seed + (uint64_t)(seat - world->seats) * 1000003;

	state += seat->lives << 32;
	return random_next(&state);
}

struct seat *seat_free(void)
{
	unsigned i = 0;

	while (i < SEATS_MAX &&
	       (world->seats[i].pid || world->seats[i].start_at_ns))
		i++;
	CHECK(i < SEATS_MAX);
	return &world->seats[i];
}

pid_t seat_start(struct seat *seat, enum kind kind)
{
	sigset_t none;
	pid_t pid;

	seat->kind = kind;
	seat->killed = seat->stopped = false;
	seat->spared = seat->spared && kind <= LOOKER;
	seat->mortal = kind != FEEDER && kind != CHECKER;
	seat->lives++;
	atomic_store(&seat->call, NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		return 0;
	}
	seat->pid = pid;
	return pid;
}

static void work(struct seat *seat, enum kind kind)
{
	static void (*const runs[])(struct seat * seat, uint64_t random) = {
		[SENDER] = run_sender, [RECEIVER] = run_receiver,
		[ROVER] = run_rover,   [GUEST] = run_guest,
		[LOOKER] = run_looker, [CLIENT] = run_client,
		[SERVER] = run_server,
	};

	if (seat_start(seat, kind))
		return;
	runs[kind](seat, seed_for(seat));
	_exit(EXIT_SUCCESS);
}

static bool is_worker(const struct seat *seat)
{
	return seat->kind <= LOOKER;
}

static void work_at(enum kind kind, unsigned port)
{
	struct seat *seat = seat_free();

	atomic_store(&seat->port, port);
	work(seat, kind);
}

/*
 * A third is spared for this round: among people who live for a second nobody
 * would see who waits for ever.
 */
static void spare_some(uint64_t *random)
{
	unsigned i;

	for (i = 0; i < SEATS_MAX; i++)
		world->seats[i].spared =
			is_worker(&world->seats[i]) && !random_below(random, 3);
}

/* A sender and a receiver a port, and others. */
void chaos_start(uint64_t *random)
{
	sigset_t child;
	unsigned i;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	/* Until a worker has a handler, and for those who have none. */
	signal(SIGUSR1, SIG_IGN);
	atomic_store(&world->phase, RUNNING);
	for (i = 0; i < PORTS; i++) {
		work_at(SENDER, i);
		work_at(RECEIVER, i);
	}
	for (i = 0; i < ROVERS; i++)
		work_at(ROVER, 0);
	work_at(LOOKER, 0);
	for (i = 0; i < GUESTS; i++)
		work_at(GUEST, 0);
	for (i = 0; i < CLIENTS; i++)
		work_at(CLIENT, SERVICE);
	for (i = 0; i < SERVERS; i++)
		work_at(SERVER, SERVICE);
	spare_some(random);
}

/* Who was killed at his work gets a successor, as long as there is any. */
static bool is_wanted(enum kind kind)
{
	return going_on() || ((kind == RECEIVER || kind == SERVER) &&
			      atomic_load(&world->phase) < RECEIVERS_END);
}

static void note_continued(struct seat *seat)
{
	if (!seat->stopped)
		return;
	seat->stopped = false;
	atomic_store(&world->last_stop_ns, now_ns());
	atomic_fetch_sub(&world->stopped, 1);
}

static void worker_ended(struct seat *seat, int status)
{
	seat_settle(seat);
	if (!seat->killed) {
		if (status)
			wrong(CLEAN, "a worker of kind %d ended with %#x",
			      (int)seat->kind, (unsigned)status);
		return;
	}
	if (seat->kind == SERVER)
		atomic_fetch_add(&world->servers_gone, 1);
	atomic_store(&world->ports[seat->port].killed_ns, now_ns());
	/* Some time is left to the survivors; a successor would clean up. */
	seat->start_at_ns =
		now_ns() + (int64_t)(world->totals.kills % 8 * 20 * MS);
}

static void start_those_due(void)
{
	struct seat *seat;
	unsigned i;

	for (i = 0; i < SEATS_MAX; i++) {
		seat = &world->seats[i];
		if (!seat->start_at_ns || seat->start_at_ns > now_ns())
			continue;
		seat->start_at_ns = 0;
		if (!is_wanted(seat->kind))
			continue;
		world->totals.restarts++;
		work(seat, seat->kind);
	}
}

/* Not its exit status: that there is no such port is no mistake. */
static void errand_ended(const struct seat *seat, int status)
{
	if (!seat->killed && !WIFEXITED(status))
		tool_wrong(seat, CLEAN, status);
}

static void ended(struct seat *seat, int status)
{
	seat->pid = 0;
	note_continued(seat);
	if (is_worker(seat))
		worker_ended(seat, status);
	else if (seat->kind == ERRAND)
		errand_ended(seat, status);
	else
		streams_ended(seat, status);
	if (seat->kind == ERRAND || seat->kind == TOOL)
		tool_forget(seat);
}

static void reap(void)
{
	int status;
	pid_t pid;
	unsigned i;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < SEATS_MAX; i++) {
			if (world->seats[i].pid == pid) {
				ended(&world->seats[i], status);
				break;
			}
		}
	}
}

static unsigned count_alive(unsigned kinds)
{
	unsigned count = 0;
	unsigned i;

	for (i = 0; i < SEATS_MAX; i++)
		count += world->seats[i].pid &&
			 kinds >> world->seats[i].kind & 1;
	return count;
}

/* What happens to them. */

/* Ours in the pipelines are never killed, and most of the tools are not. */
static bool kill_one(struct seat *seat)
{
	if (!seat->mortal || seat->spared)
		return false;
	seat->killed = true;
	if (seat->kind == SERVER)
		end_to_serve(seat);
	kill(seat->pid, SIGKILL);
	world->totals.kills++;
	return true;
}

static bool continue_one(struct seat *seat)
{
	if (!seat->stopped)
		return false;
	kill(seat->pid, SIGCONT);
	note_continued(seat);
	return true;
}

static bool stop_one(struct seat *seat, uint64_t *random)
{
	if (seat->stopped || atomic_load(&world->stopped) >= STOPPED)
		return false;
	seat->stopped = true;
	seat->continue_at_ns =
		now_ns() + (int64_t)random_below(random, STOP_MOST);
	atomic_fetch_add(&world->stopped, 1);
	atomic_store(&world->last_stop_ns, now_ns());
	kill(seat->pid, SIGSTOP);
	world->totals.stops++;
	return true;
}

/* The handler makes the call that is under way, or else the next, return. */
static bool interrupt_one(const struct seat *seat)
{
	if (!is_worker(seat))
		return false;
	kill(seat->pid, SIGUSR1);
	world->totals.interrupts++;
	return true;
}

static void continue_those_due(int64_t now_or_never)
{
	unsigned i;

	for (i = 0; i < SEATS_MAX; i++) {
		if (world->seats[i].stopped &&
		    world->seats[i].continue_at_ns <= now_or_never)
			continue_one(&world->seats[i]);
	}
}

/* Counters go with the port, so they are noted before it does. */
void counters_note(unsigned port)
{
	struct port_state *state = &world->ports[port];
	struct mmsock_info info = {.size = sizeof(info)};
	uint64_t incarnation;

	if (mmsock_inspect(port_plans[port].name, NULL, &info) || info.state)
		return;
	incarnation = (uint64_t)info.created_ns;
	if (incarnation != state->incarnation) {
		state->incarnation = incarnation;
		state->takeovers = state->late_wakes = 0;
	}
	if (info.takeovers > state->takeovers)
		world->totals.takeovers += info.takeovers - state->takeovers;
	if (info.late_wakes > state->late_wakes)
		world->totals.late_wakes += info.late_wakes - state->late_wakes;
	state->takeovers = info.takeovers;
	state->late_wakes = info.late_wakes;
}

static const char *path_of(const char *port)
{
	static char path[4096];

	CHECK_INT(mmsock_path(port, NULL, path, sizeof(path)), 0);
	return path;
}

static void overwrite(unsigned port)
{
	struct mmsock_options options =
		port_options(port, MMSOCK_CREATE_NEW_OVERWRITE, 0);
	int r = mmsock_create(port_plans[port].name, &options);

	if (r != 1)
		wrong(CLEAN, "%s: cannot be replaced: %s",
		      port_plans[port].name, mmsock_error_text(r));
	_exit(EXIT_SUCCESS);
}

enum errand {
	OVERWRITE,
	REMOVE,
	PLAIN_REMOVE,
	LIST
};

static void run_errand(enum errand errand, unsigned port)
{
	const char *name = port_plans[port].name;
	const char *const words[][4] = {
		[OVERWRITE] = {"overwrite", name},
		[REMOVE] = {"mmsock-rm", "-f", name},
		[PLAIN_REMOVE] = {"rm", "-f", path_of(name)},
		[LIST] = {"mmsock-ls", "-v", name},
	};
	struct seat *seat = tool_seat(words[errand]);

	if (seat_start(seat, ERRAND))
		return;
	if (errand == OVERWRITE)
		overwrite(port);
	tool_become(seat, words[errand], -1, -1);
}

static void send_errand(enum errand errand, uint64_t *random)
{
	unsigned port = (unsigned)random_below(random, ALL_PORTS);
	struct totals *totals = &world->totals;
	uint64_t *counts[] = {&totals->overwrites, &totals->removes,
			      &totals->plain_removes, &totals->listings};

	if (count_alive(1U << ERRAND) >= ERRANDS)
		return;
	if (errand != LIST) {
		counters_note(port);
		world->ports[port].replaced = true;
	}
	(*counts[errand])++;
	run_errand(errand, port);
}

static bool happen_to(struct seat *seat, uint64_t dice, uint64_t *random)
{
	if (!seat->pid || seat->killed)
		return false;
	if (dice < 500)
		return kill_one(seat);
	if (dice < 900)
		return stop_one(seat, random);
	if (dice < 950)
		return interrupt_one(seat);
	return continue_one(seat);
}

/* Whoever holds an end at the moment, and leaves it to others to repair. */
static struct seat *some_holder(void)
{
	unsigned i;

	for (i = 0; i < SEATS_MAX; i++) {
		if (atomic_load(&world->seats[i].holds))
			return &world->seats[i];
	}
	return NULL;
}

/* Somebody is found to whom it can happen. */
static void do_something(uint64_t *random)
{
	uint64_t dice = random_below(random, 1000);
	unsigned tries = 4 * SEATS_MAX;
	struct seat *holder = dice < 650 ? some_holder() : NULL;

	if (dice < 24)
		send_errand((enum errand)(dice / 8), random);
	else if (dice < 45)
		send_errand(LIST, random);
	else if (!holder || random_below(random, 2) ||
		 !happen_to(holder, dice, random))
		while (tries-- > 0 &&
		       !happen_to(
			       &world->seats[random_below(random, SEATS_MAX)],
			       dice, random))
			;
}

/* Who hangs. */

static uint64_t position(unsigned motion)
{
	if (motion < RECEIPTS)
		return atomic_load(&world->ports[motion - SENDS].sends);
	if (motion < VISITS)
		return atomic_load(&world->ports[motion - RECEIPTS].receipts);
	if (motion == CALLS)
		return atomic_load(&world->totals.calls);
	return motion == VISITS ? atomic_load(&world->totals.units)
				: atomic_load(&world->piped);
}

static const char *motion_name(unsigned motion)
{
	if (motion < RECEIPTS)
		return "sending";
	if (motion < VISITS)
		return "receiving";
	if (motion == CALLS)
		return "the service";
	return motion == VISITS ? "the semaphore" : "the pipeline";
}

static int show_peer(const struct mmsock_peer *peer, void *context)
{
	(void)context;
	printf("#   slot %u pid %d role %u activity %u object %u\n", peer->slot,
	       peer->pid, peer->role, peer->activity, peer->object);
	return 0;
}

/* What everybody was at. */
static void show_all(void)
{
	static const char *const kinds[] = {
		"sender", "receiver", "rover",   "guest", "client", "server",
		"looker", "feeder",   "checker", "tool",  "errand"};
	const struct seat *seat;
	const char *call;
	unsigned i;

	for (i = 0; i < SEATS_MAX; i++) {
		seat = &world->seats[i];
		call = atomic_load(&seat->call);
		if (seat->pid)
			printf("# pid %d %s port %u in %s for %.3f s%s\n",
			       (int)seat->pid, kinds[seat->kind], seat->port,
			       call ? call : "nothing",
			       (double)(now_ns() - seat->since_ns) / 1e9,
			       seat->stopped ? ", stopped" : "");
	}
	for (i = 0; i < ALL_PORTS; i++) {
		printf("# port %u:\n", i);
		mmsock_inspect_peers(port_plans[i].name, NULL, show_peer, NULL);
	}
}

static void hang(const char *what, unsigned port)
{
	show_all();
	wrong(MOVING, "nothing has moved for 20 s: %s, port %u", what, port);
}

/* The time since the last look, as far as we had the CPU in it. */
static int64_t time_passed(void)
{
	int64_t now = now_ns();
	int64_t passed = now - last_watch_ns;

	last_watch_ns = now;
	return passed < 100 * MS ? passed : 100 * MS;
}

static void watch(void)
{
	int64_t passed = time_passed();
	unsigned i;

	for (i = 0; i < MOTIONS; i++) {
		uint64_t now = position(i);

		motions[i].still_ns = now == motions[i].value
					      ? motions[i].still_ns + passed
					      : 0;
		motions[i].value = now;
		if (motions[i].still_ns < HANG)
			continue;
		hang(motion_name(i), i % PORTS);
		motions[i].still_ns = 0;
	}
}

static void watch_anew(void)
{
	memset(motions, 0, sizeof(motions));
	last_watch_ns = now_ns();
}

/* The loops. */

/* Wait for a child to end, but not beyond a time. */
static void await_child(int64_t until_ns)
{
	int64_t left = until_ns - now_ns();
	struct timespec timeout = {.tv_nsec = left > 0 ? (long)left : 0};
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigtimedwait(&child, NULL, &timeout);
}

void chaos_run(uint64_t *random, int64_t until_ns)
{
	int64_t tick = now_ns();

	watch_anew();
	while (all_is_well() && now_ns() < until_ns) {
		await_child(tick);
		reap();
		start_those_due();
		if (now_ns() < tick)
			continue;
		tick += TICK;
		if (tick < now_ns() - LATE)
			tick = now_ns() - LATE;
		continue_those_due(now_ns());
		do_something(random);
		world->totals.ticks++;
		streams_tend(random, true);
		watch();
	}
	continue_those_due(INT64_MAX);
}

static void await_end(unsigned kinds, uint64_t *random)
{
	int64_t waited = 0;

	last_watch_ns = now_ns();
	while (count_alive(kinds) && waited < HANG) {
		await_child(now_ns() + TICK);
		reap();
		start_those_due();
		streams_tend(random, false);
		waited += time_passed();
	}
	if (count_alive(kinds))
		hang("somebody does not end", 0);
}

static void forget_those_due(void)
{
	unsigned i;

	for (i = 0; i < SEATS_MAX; i++)
		world->seats[i].start_at_ns = 0;
}

/* First who sends, then who receives: the streams end. */
void chaos_quiet(uint64_t *random)
{
	continue_those_due(INT64_MAX);
	atomic_store(&world->phase, SENDERS_END);
	await_end(~(1U << RECEIVER | 1U << SERVER), random);
	atomic_store(&world->phase, RECEIVERS_END);
	await_end(~0U, random);
	forget_those_due();
}

/* Who is still there after a failure. */
void chaos_end(void)
{
	unsigned i;

	atomic_store(&world->phase, RECEIVERS_END);
	for (i = 0; i < SEATS_MAX; i++) {
		if (!world->seats[i].pid)
			continue;
		kill(world->seats[i].pid, SIGKILL);
		waitpid(world->seats[i].pid, NULL, 0);
		world->seats[i].pid = 0;
	}
}
