/* SPDX-License-Identifier: MIT */
/*
 * stop_steps.c - senders and receivers are stopped at every instruction
 *
 * At each place the victim gets SIGSTOP.  What it holds it keeps: a call of the
 * auditor that needs that end ends in time and names the victim's pid, and who
 * looks sees it holding; a call that does not need it succeeds.  Then the victim
 * gets SIGCONT and ends as if nothing had been.
 *
 * Places as in port_steps.c, and as in pair_steps.c for who takes over.  Works whose end depends on what others do meanwhile
 * (the last room, all that is there) are left out.
 */
#include <limits.h>
#include <sys/syscall.h>

#include "audit.h"
#include "handle.h"
#include "step.h"
#include "unit/sandbox.h"
#include "victims.h"

struct tally {
	unsigned long stops;
	unsigned long held;     /* of them, with an end held */
	unsigned long nameless; /* of these, in a slot not yet signed */
};

/* What others see of the victim. */

struct sight {
	int pid;
	unsigned activity;
	unsigned object;
	bool seen;
};

static int look(const struct mmsock_peer *peer, void *context)
{
	struct sight *sight = context;

	if (peer->pid != sight->pid)
		return 0;
	sight->seen = true;
	sight->activity = peer->activity;
	sight->object = peer->object;
	return 1;
}

static struct sight look_at(pid_t pid)
{
	struct sight sight = {.pid = pid};

	CHECK(mmsock_inspect_peers(VICTIM_PORT, NULL, look, &sight) >= 0);
	return sight;
}

/* The tool says so, too: a line with the pid and the word. */
static bool ls_shows(pid_t pid, const char *activity)
{
	char command[4096];
	char line[1024];
	char self[2048] = "";
	char number[16];
	bool shown = false;
	FILE *ls;

	CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	snprintf(command, sizeof(command), "%.*s/../../bin/mmsock-ls -v -r",
		 (int)(strrchr(self, '/') - self), self);
	snprintf(number, sizeof(number), " %d ", (int)pid);
	ls = popen(command, "r");
	CHECK(ls);
	while (fgets(line, sizeof(line), ls))
		shown |= strstr(line, number) && strstr(line, activity);
	CHECK_INT(pclose(ls), 0);
	return shown;
}

/* Calls of the auditor while the victim stands. */

static void check_refusal(int r, int want, pid_t pid)
{
	char who[32];

	CHECK_INT(r, want);
	snprintf(who, sizeof(who), "by pid %d (", (int)pid);
	CHECK(strstr(mmsock_error_text(r), who));
}

static int send_timed(int64_t timeout_ns)
{
	return mmsock_send(audit.handle, "", 0, timeout_ns);
}

static int receive_timed(int64_t timeout_ns)
{
	return (int)mmsock_recv(audit.handle, audit.buffer, audit.ring_bytes,
				timeout_ns);
}

/* It keeps its end, whoever wants it. */
static void check_kept(const struct mms_end *end, unsigned object,
		       int (*call)(int64_t timeout_ns), pid_t pid)
{
	uint64_t word = mms_load(&end->lock.word);
	struct sight sight;

	check_refusal(call(2 * MS), -ETIMEDOUT, pid);
	check_refusal(call(0), -EBUSY, pid);
	sight = look_at(pid);
	CHECK(sight.seen);
	CHECK_INT(sight.activity, MMSOCK_HOLDING);
	CHECK_INT(sight.object, object);
	CHECK(mms_load(&end->lock.word) == word);
}

static void check_others(pid_t pid, struct tally *tally)
{
	const struct mms_control *control = audit.control;
	struct sight sight = look_at(pid);

	CHECK(!sight.seen || sight.activity != MMSOCK_DEAD);
	if (audit_holder(&control->send) > 0)
		check_kept(&control->send, MMSOCK_SEND_END, send_timed, pid);
	else
		CHECK(audit_send(&audit, 24));
	if (audit_holder(&control->recv) > 0)
		check_kept(&control->recv, MMSOCK_RECV_END, receive_timed, pid);
	else
		audit_receive(&audit);
	/* Whoever comes finds a slot of his own. */
	mmsock_close(open_as(VICTIM_PORT, MMSOCK_SENDER));
	tally->held += sight.activity == MMSOCK_HOLDING;
	if (tally->held == 1 && sight.activity == MMSOCK_HOLDING)
		CHECK(ls_shows(pid, "holding:"));
	CHECK_INT(inspect(VICTIM_PORT).takeovers, audit.takeovers);
}

/* One more of each message than the victim wants, for the auditor. */
static void set_scene(void)
{
	victim_set_scene();
	victim_set_scene();
	CHECK(audit_send(&audit, work->lengths[0]));
}

static bool stop_at(const struct step_trace *trace, unsigned long place,
		    struct tally *tally)
{
	struct step step;
	uint64_t first;
	int64_t outcome;
	bool ended;

	set_scene();
	first = victim_start(&step);
	victim_announce(first);
	ended = !step_to(&step, trace, place);
	step_stop(&step);
	outcome = audit_outcome(&audit);
	if (!ended) {
		tally->stops++;
		check_others(step.pid, tally);
		/* What it has not sent, it sends behind what we have. */
		if (!outcome)
			victim_announce(first);
		step_release(&step);
	}
	step_finish(&step);
	CHECK_INT(outcome + audit_outcome(&audit), work->outcome);
	audit_survive(&audit);
	audit_leaks(&audit);
	return step.missed ? stop_at(NULL, place, tally) : ended;
}

static void stop_everywhere(enum victim_work kind)
{
	struct step_trace trace;
	struct tally tally = {0};
	unsigned long place = 0;
	unsigned long stride;

	victim_open_port(kind);
	trace = victim_record();
	stride = victim_stride(97);
	while (!stop_at(&trace, place, &tally) || place < trace.count)
		place = step_place_after(&trace, place, stride);
	printf("# stopped %lu times in %lu instructions, %lu holding an end\n",
	       tally.stops, trace.count, tally.held);
	step_forget(&trace);
	victim_close_port();
}

/* Who is stopped while he takes over, from one who died in the middle. */

static bool is_named(pid_t pid)
{
	const struct mms_row *rows =
		(const void *)(audit.file + MMS_ROWS_OFFSET);

	return atomic_load_explicit(&rows[1].pid, memory_order_relaxed) == pid;
}

/*
 * In slot 1, of which the auditor wants the end that was the dead one's.  A newcomer
 * has the slot of the dead one, and with it what that one holds; between taking it
 * and signing it lie a few instructions, in which the dead one is named.
 */
static void check_thief(const struct step *thief, uint64_t number,
			struct tally *tally)
{
	const struct mms_end *end = &audit.control->send;
	int64_t outcome;

	/* He may stand between clearing the dead one's row and counting him. */
	audit.died = inspect(VICTIM_PORT).died;
	outcome = audit_outcome(&audit);
	CHECK(outcome == 0 || outcome == work->outcome);
	audit.takeovers = inspect(VICTIM_PORT).takeovers;
	tally->stops++;
	if (audit_holder(end) == 1 &&
	    mms_peer_is_dead(&audit.handle->port, 1) != 1) {
		tally->held++;
		if (is_named(thief->pid))
			check_kept(end, MMSOCK_SEND_END, send_timed,
				   thief->pid);
		else
			tally->nameless++;
		CHECK_INT(inspect(VICTIM_PORT).takeovers, audit.takeovers);
		return;
	}
	/* He has certified the death, perhaps, and the auditor is faster. */
	CHECK(audit_send(&audit, 24));
	if (!outcome)
		victim_announce(number);
}

static bool stop_second(const struct victim_pair *pair,
			const struct step_trace *first, unsigned long state,
			const struct step_trace *trace, unsigned long place,
			struct tally *tally)
{
	uint64_t sent = audit.sent;
	uint64_t died = audit.died;
	struct step second;
	uint64_t number;
	bool ended;

	number = victim_start_second(pair, first, state, &second);
	ended = !step_to(&second, trace, place);
	step_stop(&second);
	if (!ended) {
		check_thief(&second, number, tally);
		step_release(&second);
	}
	step_finish(&second);
	audit.died = died + 2;
	audit_outcome(&audit);
	CHECK_INT(audit.died, died + 2);
	CHECK(audit.sent > sent || !work->outcome);
	audit.takeovers = inspect(VICTIM_PORT).takeovers;
	audit_survive(&audit);
	audit_leaks(&audit);
	return ended;
}

static void stop_seconds(const struct victim_pair *pair,
			 const struct step_trace *first, unsigned long state,
			 struct tally *tally)
{
	struct step_trace trace;
	struct step second;
	unsigned long place = 0;
	unsigned long stride;

	victim_start_second(pair, first, state, &second);
	step_record(&second, audit.file, audit.file_bytes, &trace);
	audit_outcome(&audit);
	audit.takeovers = inspect(VICTIM_PORT).takeovers;
	audit_survive(&audit);
	stride = victim_second_stride();
	while (!stop_second(pair, first, state, &trace, place, tally) ||
	       place < trace.count)
		place = step_place_after(&trace, place, stride);
	step_forget(&trace);
}

static void stop_pairs(enum victim_work second)
{
	const struct victim_pair pair = {&victim_works[WORK_SEND_LENT],
					 &victim_works[second]};
	struct tally tally = {0};
	struct step_trace trace;
	unsigned long every = step_stride(7);
	unsigned long state = 0;

	victim_open_port(WORK_SEND_LENT);
	trace = victim_record_words();
	state = victim_state_after(&trace, state, every);
	while (state < trace.count) {
		stop_seconds(&pair, &trace, state, &tally);
		state = victim_state_after(&trace, state, every);
	}
	printf("# stopped %lu times, %lu with what was the dead one's, %lu not "
	       "yet named\n",
	       tally.stops, tally.held, tally.nameless);
	CHECK(tally.held > 0);
	CHECK(tally.nameless * 2 < tally.held);
	step_forget(&trace);
	victim_close_port();
}

static void test_taking_over(void)
{
	stop_pairs(WORK_SEND);
}

static void test_coming_after(void)
{
	stop_pairs(WORK_COME_SENDER);
}

/* Stopped when a wake has just been spent on him. */

static void prepare_patient(void *context)
{
	(void)context;
	victim = victim_open(MMSOCK_SENDER | MMSOCK_RECEIVER);
}

static void wait_for_message(void *context)
{
	char byte;

	(void)context;
	CHECK_INT(mmsock_recv(victim, &byte, 1, MMSOCK_FOREVER), 1);
}

static void wait_for_end(void *context)
{
	(void)context;
	CHECK_INT(mmsock_send(victim, "", 1, MMSOCK_FOREVER), 0);
}

struct neighbour {
	void (*operation)(void *context);
	unsigned object;
};

/* The same as the victim, and not stopped. */
static void run_neighbour(struct kid *self, void *context)
{
	const struct neighbour *neighbour = context;

	prepare_patient(NULL);
	/* What the promise calls a second. */
	((struct mmsock *)victim)->waiter.recheck_cap_ns = 50 * MS;
	tell(self);
	neighbour->operation(NULL);
	tell(self);
	meet(self);
}

/* The victim is the first to sleep, so the first to be woken. */
static void put_to_sleep(struct step *step, struct kid *kid,
			 struct neighbour *neighbour)
{
	step_start(step, prepare_patient, neighbour->operation, NULL);
	CHECK(step_to_call(step, SYS_futex));
	step_begin_call(step);
	await_sleeper(VICTIM_PORT, step->pid, neighbour->object);
	kid_start(kid, run_neighbour, neighbour);
	CHECK(hear(kid));
	await_sleeper(VICTIM_PORT, kid->pid, neighbour->object);
}

/* The others go on by themselves, and when he continues, so does he. */
static void check_neighbour(struct step *step, struct kid *kid)
{
	CHECK(step_await(step));
	step_stop(step);
	CHECK(hear(kid));
}

static void end_both(struct step *step, struct kid *kid)
{
	step_release(step);
	step_finish(step);
	CHECK(hear(kid));
	kid_end(kid);
}

static void test_woken_for_message(void)
{
	struct neighbour neighbour = {wait_for_message, MMSOCK_DATA};
	struct step step;
	struct kid kid;

	victim_open_port(WORK_RECEIVE);
	put_to_sleep(&step, &kid, &neighbour);
	CHECK_INT(mmsock_send(audit.handle, "", 1, 0), 0);
	check_neighbour(&step, &kid);
	CHECK_INT(mmsock_send(audit.handle, "", 1, 0), 0);
	end_both(&step, &kid);
	CHECK_INT(inspect(VICTIM_PORT).received, 2);
}

static void test_woken_for_end(void)
{
	struct neighbour neighbour = {wait_for_end, MMSOCK_SEND_END};
	struct step step;
	struct kid kid;
	void *room;

	victim_open_port(WORK_SEND);
	CHECK_INT(mmsock_reserve(audit.handle, 8, &room, 0), 0);
	put_to_sleep(&step, &kid, &neighbour);
	CHECK_INT(mmsock_cancel(audit.handle), 0);
	check_neighbour(&step, &kid);
	end_both(&step, &kid);
	CHECK_INT(inspect(VICTIM_PORT).messages, 2);
}

static void test_send(void)
{
	stop_everywhere(WORK_SEND);
}

static void test_send_empty(void)
{
	stop_everywhere(WORK_SEND_EMPTY);
}

static void test_send_run(void)
{
	stop_everywhere(WORK_SEND_RUN);
}

static void test_send_lent(void)
{
	stop_everywhere(WORK_SEND_LENT);
}

static void test_reserve(void)
{
	stop_everywhere(WORK_RESERVE);
}

static void test_receive(void)
{
	stop_everywhere(WORK_RECEIVE);
}

static void test_receive_empty(void)
{
	stop_everywhere(WORK_RECEIVE_EMPTY);
}

static void test_receive_too_much(void)
{
	stop_everywhere(WORK_RECEIVE_TOO_MUCH);
}

static void test_peek(void)
{
	stop_everywhere(WORK_PEEK);
}

static void test_leave_sender(void)
{
	stop_everywhere(WORK_LEAVE_SENDER);
}

static void test_leave_loan(void)
{
	stop_everywhere(WORK_LEAVE_LOAN);
}

static void test_come_sender(void)
{
	stop_everywhere(WORK_COME_SENDER);
}

static void test_come_receiver(void)
{
	stop_everywhere(WORK_COME_RECEIVER);
}

static const struct check_case cases[] = {
	{"a sender is stopped", test_send},
	{"a sender of an empty message is stopped", test_send_empty},
	{"a sender of a run is stopped", test_send_run},
	{"a sender without a copy is stopped", test_send_lent},
	{"a sender who thinks better of it is stopped", test_reserve},
	{"a receiver is stopped", test_receive},
	{"a receiver of an empty message is stopped", test_receive_empty},
	{"a receiver of more than he has room for is stopped",
	 test_receive_too_much},
	{"a receiver who only looks is stopped", test_peek},
	{"a sender who leaves is stopped", test_leave_sender},
	{"who leaves with an end held is stopped", test_leave_loan},
	{"a sender who comes is stopped", test_come_sender},
	{"a receiver who comes is stopped", test_come_receiver},
	{"who takes over is stopped", test_taking_over},
	{"who comes to the slot of a dead one is stopped", test_coming_after},
	{"who was woken for a message is stopped", test_woken_for_message},
	{"who was woken for an end is stopped", test_woken_for_end},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
