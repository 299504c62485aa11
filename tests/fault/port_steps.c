/* SPDX-License-Identifier: MIT */
/*
 * port_steps.c - senders and receivers are killed at every instruction
 *
 * Each case is an operation of the release library in a child that is killed at a
 * place.  The auditor goes on at once: a message is in the port wholly or not at
 * all, or was taken or not; an end that the dead one holds is taken over by the
 * next call, without waiting; all that waits is received, in order and whole; and
 * nothing of the dead is left.
 *
 * In check: at every change of shared memory, right before it, and at places that
 * lie some way apart.  With STRESS=10000 (make check-crash): at every instruction,
 * those of libc included; only of large messages, whose copies are places by the
 * thousand, at every 7th where a sender copies and at every 199th where a receiver
 * does.
 */
#include "audit.h"
#include "step.h"
#include "unit/sandbox.h"
#include "victims.h"

struct tally {
	unsigned long kills;
	unsigned long done; /* of them, so late that it was done */
	unsigned long held; /* of them, with an end held */
	unsigned long strays;
};

static bool holds_an_end(void)
{
	return audit_holder(&audit.control->send) > 0 ||
	       audit_holder(&audit.control->recv) > 0;
}

static void kill_here(struct step *step, struct tally *tally)
{
	bool ended = step->ended;

	tally->kills += !ended;
	tally->strays += step->stray;
	step_kill(step);
	tally->held += holds_an_end();
	if (victim_outcome(ended) == work->outcome)
		tally->done++;
	audit_survive(&audit);
	audit_leaks(&audit);
}

static bool kill_at(const struct step_trace *trace, unsigned long place,
		    struct tally *tally)
{
	struct step step;
	bool ended;

	victim_set_scene();
	victim_announce(victim_start(&step));
	ended = !step_to(&step, trace, place);
	kill_here(&step, tally);
	return step.missed ? kill_at(NULL, place, tally) : ended;
}

static void kill_everywhere(enum victim_work kind)
{
	struct step_trace trace;
	struct tally tally = {0};
	unsigned long place = 0;
	unsigned long stride;

	victim_open_port(kind);
	trace = victim_record();
	stride = victim_stride(97);
	/* One may take a shorter way than the recorded one. */
	while (!kill_at(&trace, place, &tally) || place < trace.count)
		place = step_place_after(&trace, place, stride);
	printf("# killed %lu times in %lu instructions: %lu done, %lu holding "
	       "an end, %lu off the trace\n",
	       tally.kills, trace.count, tally.done, tally.held, tally.strays);
	step_forget(&trace);
	victim_close_port();
}

static void test_send(void)
{
	kill_everywhere(WORK_SEND);
}

static void test_send_tight(void)
{
	kill_everywhere(WORK_SEND_TIGHT);
}

static void test_send_empty(void)
{
	kill_everywhere(WORK_SEND_EMPTY);
}

static void test_send_wrapping(void)
{
	kill_everywhere(WORK_SEND_WRAPPING);
}

static void test_send_large(void)
{
	kill_everywhere(WORK_SEND_LARGE);
}

static void test_send_run(void)
{
	kill_everywhere(WORK_SEND_RUN);
}

static void test_send_run_tight(void)
{
	kill_everywhere(WORK_SEND_RUN_TIGHT);
}

static void test_send_part(void)
{
	kill_everywhere(WORK_SEND_PART);
}

static void test_send_lent(void)
{
	kill_everywhere(WORK_SEND_LENT);
}

static void test_reserve(void)
{
	kill_everywhere(WORK_RESERVE);
}

static void test_send_in_vain(void)
{
	kill_everywhere(WORK_SEND_IN_VAIN);
}

static void test_receive(void)
{
	kill_everywhere(WORK_RECEIVE);
}

static void test_receive_empty(void)
{
	kill_everywhere(WORK_RECEIVE_EMPTY);
}

static void test_receive_large(void)
{
	kill_everywhere(WORK_RECEIVE_LARGE);
}

static void test_receive_too_much(void)
{
	kill_everywhere(WORK_RECEIVE_TOO_MUCH);
}

static void test_receive_run(void)
{
	kill_everywhere(WORK_RECEIVE_RUN);
}

static void test_receive_two(void)
{
	kill_everywhere(WORK_RECEIVE_TWO);
}

static void test_receive_lent(void)
{
	kill_everywhere(WORK_RECEIVE_LENT);
}

static void test_peek(void)
{
	kill_everywhere(WORK_PEEK);
}

static void test_receive_in_vain(void)
{
	kill_everywhere(WORK_RECEIVE_IN_VAIN);
}

static void test_leave_sender(void)
{
	kill_everywhere(WORK_LEAVE_SENDER);
}

static void test_leave_receiver(void)
{
	kill_everywhere(WORK_LEAVE_RECEIVER);
}

static void test_leave_loan(void)
{
	kill_everywhere(WORK_LEAVE_LOAN);
}

static void test_come_sender(void)
{
	kill_everywhere(WORK_COME_SENDER);
}

static void test_come_receiver(void)
{
	kill_everywhere(WORK_COME_RECEIVER);
}

static const struct check_case cases[] = {
	{"a sender of a message is killed", test_send},
	{"a sender into a ring that is nearly full is killed", test_send_tight},
	{"a sender of an empty message is killed", test_send_empty},
	{"a sender of a message that wraps is killed", test_send_wrapping},
	{"a sender of a large message is killed", test_send_large},
	{"a sender of a run is killed", test_send_run},
	{"a sender of a run that fills the ring is killed",
	 test_send_run_tight},
	{"a sender of a run of which a part fits is killed", test_send_part},
	{"a sender without a copy is killed", test_send_lent},
	{"a sender who thinks better of it is killed", test_reserve},
	{"a sender who waits for room is killed", test_send_in_vain},
	{"a receiver of a message is killed", test_receive},
	{"a receiver of an empty message is killed", test_receive_empty},
	{"a receiver of a large message is killed", test_receive_large},
	{"a receiver of more than he has room for is killed",
	 test_receive_too_much},
	{"a receiver of all is killed", test_receive_run},
	{"a receiver of some is killed", test_receive_two},
	{"a receiver without a copy is killed", test_receive_lent},
	{"a receiver who only looks is killed", test_peek},
	{"a receiver who waits for a message is killed", test_receive_in_vain},
	{"a sender who leaves is killed", test_leave_sender},
	{"a receiver who leaves is killed", test_leave_receiver},
	{"who leaves with an end held is killed", test_leave_loan},
	{"a sender who comes is killed", test_come_sender},
	{"a receiver who comes is killed", test_come_receiver},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
