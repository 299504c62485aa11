/* SPDX-License-Identifier: MIT */
/*
 * fork_steps.c - a sender or receiver forks, executes or closes all at a place
 *
 * A signal handler does it, between any two instructions of a call.  A child is
 * refused, owns nothing and does no harm, however long it lives, whether its
 * parent goes on or is killed; who executes another program has left, and what it
 * held is taken over while it lives on; closefrom(3) goes unnoticed.
 *
 * Places as in port_steps.c; where a thread forks beside, 49 apart at best.
 */
#include <limits.h>
#include <poll.h>
#include <pthread.h>

#include "audit.h"
#include "step.h"
#include "unit/sandbox.h"
#include "victims.h"

enum deed {
	FORK,     /* and go on */
	FORK_DIE, /* and be killed */
	EXECUTE,
	CLOSE_ALL,
	FORK_BESIDE /* in a second thread, and be killed */
};

static enum deed deed;

/* Of the case that runs and its child's child: they end when the leash does. */
static struct {
	int leash[2];
	int report[2];
	int poke[2]; /* for the second thread */
	int *refusals;
} kin;

/* What a child may not do with its parent's handle. */
static int count_refusals(void)
{
	char byte = 0;
	const void *lent;
	void *room;
	int count = 0;

	count += mmsock_send(victim, &byte, 1, 0) == -ECHILD;
	count += mmsock_recv(victim, &byte, 1, 0) == -ECHILD;
	count += mmsock_reserve(victim, 1, &room, 0) == -ECHILD;
	count += mmsock_commit(victim, 1) == -ECHILD;
	count += mmsock_peek(victim, &lent, 0) == -ECHILD;
	count += mmsock_release(victim) == -ECHILD;
	count += mmsock_cancel(victim) == -ECHILD;
	mmsock_close(victim);
	return count;
}

#define REFUSALS 7

/* In the child's child, until the leash ends. */
static void live_on(void)
{
	char byte = 0;

	*kin.refusals = victim ? count_refusals() : REFUSALS;
	if (write(kin.report[1], &byte, 1) == 1)
		while (read(kin.leash[0], &byte, 1) > 0)
			;
	_exit(EXIT_SUCCESS);
}

static void do_deed(int number)
{
	pid_t pid;

	(void)number;
	switch (deed) {
	case FORK:
	case FORK_DIE:
		pid = fork();
		if (!pid)
			live_on();
		while (deed == FORK_DIE)
			pause();
		break;
	case EXECUTE:
		dup2(kin.leash[0], STDIN_FILENO);
		execl("/bin/cat", "cat", (char *)NULL);
		_exit(EXIT_FAILURE);
	case CLOSE_ALL:
		closefrom(3);
		break;
	case FORK_BESIDE:
		break;
	}
}

static void *fork_beside(void *context)
{
	char byte;

	if (read(kin.poke[0], &byte, 1) == 1 && !fork())
		live_on();
	return context;
}

static void listen_for_signal(void)
{
	pthread_t thread;

	close(kin.leash[1]);
	close(kin.report[0]);
	signal(SIGUSR1, do_deed);
	if (deed == FORK_BESIDE)
		CHECK(!pthread_create(&thread, NULL, fork_beside, NULL));
}

static void open_pipes(void)
{
	CHECK(!pipe2(kin.leash, O_CLOEXEC) && !pipe2(kin.report, O_CLOEXEC));
	CHECK(!pipe2(kin.poke, O_CLOEXEC));
	*kin.refusals = 0;
}

/*
 * A byte, or the end where a program was executed.  The kernel closes what is to be
 * closed and gives the old memory back a moment later.
 */
static void await_report(void)
{
	char byte;

	CHECK_INT(read(kin.report[0], &byte, 1), deed != EXECUTE);
	if (deed != EXECUTE)
		CHECK_INT(*kin.refusals, REFUSALS);
	while (deed == EXECUTE && !inspect(VICTIM_PORT).dead)
		sched_yield();
}

static void let_go(void)
{
	close(kin.leash[0]);
	close(kin.leash[1]);
	close(kin.report[0]);
	close(kin.poke[0]);
	close(kin.poke[1]);
}

/* The second thread forks when the first lets it: that one makes some steps. */
static void fork_beside_here(struct step *step)
{
	struct pollfd report = {.fd = kin.report[0], .events = POLLIN};

	CHECK_INT(write(kin.poke[1], "", 1), 1);
	while (!poll(&report, 1, 2) && step_forward(step, 50))
		;
	if (!step->ended)
		await_report();
}

static void do_it_here(struct step *step)
{
	if (step->ended)
		return;
	if (deed == FORK_BESIDE) {
		fork_beside_here(step);
		return;
	}
	step_signal(step, SIGUSR1);
	if (deed != CLOSE_ALL)
		await_report();
	if (deed == FORK || deed == CLOSE_ALL)
		step_finish(step);
}

static bool strike_at(const struct step_trace *trace, unsigned long place,
		      unsigned long *count)
{
	struct step step;
	bool ended;
	bool ends;

	open_pipes();
	victim_set_scene();
	victim_announce(victim_start(&step));
	close(kin.report[1]);
	ended = !step_to(&step, trace, place);
	*count += !ended;
	do_it_here(&step);
	ends = deed == FORK || deed == CLOSE_ALL;
	if (deed == FORK_DIE || deed == FORK_BESIDE)
		step_kill(&step);
	/* One who has executed lives, and is dead for the port. */
	victim_outcome(ended || ends);
	audit_survive(&audit);
	audit_leaks(&audit);
	let_go();
	step_finish(&step);
	return step.missed ? strike_at(NULL, place, count) : ended;
}

static void strike_everywhere(enum victim_work kind, enum deed what)
{
	struct step_trace trace;
	unsigned long count = 0;
	unsigned long place = 0;
	unsigned long stride;

	deed = what;
	kin.refusals = mmap(NULL, sizeof(*kin.refusals), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(kin.refusals != MAP_FAILED);
	victim_also = NULL;
	victim_open_port(kind);
	trace = victim_record();
	victim_also = listen_for_signal;
	stride = victim_stride(97);
	if (deed == FORK_BESIDE && stride < 49)
		stride = 49;
	while (!strike_at(&trace, place, &count) || place < trace.count)
		place = step_place_after(&trace, place, stride);
	printf("# done %lu times in %lu instructions\n", count, trace.count);
	step_forget(&trace);
	victim_close_port();
}

static void test_send_fork(void)
{
	strike_everywhere(WORK_SEND, FORK);
}

static void test_send_fork_die(void)
{
	strike_everywhere(WORK_SEND, FORK_DIE);
}

static void test_send_execute(void)
{
	strike_everywhere(WORK_SEND, EXECUTE);
}

static void test_send_close_all(void)
{
	strike_everywhere(WORK_SEND, CLOSE_ALL);
}

static void test_send_run_fork(void)
{
	strike_everywhere(WORK_SEND_RUN, FORK);
}

static void test_send_run_fork_die(void)
{
	strike_everywhere(WORK_SEND_RUN, FORK_DIE);
}

static void test_send_run_execute(void)
{
	strike_everywhere(WORK_SEND_RUN, EXECUTE);
}

static void test_send_run_close_all(void)
{
	strike_everywhere(WORK_SEND_RUN, CLOSE_ALL);
}

static void test_send_lent_fork(void)
{
	strike_everywhere(WORK_SEND_LENT, FORK);
}

static void test_send_lent_fork_die(void)
{
	strike_everywhere(WORK_SEND_LENT, FORK_DIE);
}

static void test_send_lent_execute(void)
{
	strike_everywhere(WORK_SEND_LENT, EXECUTE);
}

static void test_send_lent_close_all(void)
{
	strike_everywhere(WORK_SEND_LENT, CLOSE_ALL);
}

static void test_receive_fork(void)
{
	strike_everywhere(WORK_RECEIVE, FORK);
}

static void test_receive_fork_die(void)
{
	strike_everywhere(WORK_RECEIVE, FORK_DIE);
}

static void test_receive_execute(void)
{
	strike_everywhere(WORK_RECEIVE, EXECUTE);
}

static void test_receive_close_all(void)
{
	strike_everywhere(WORK_RECEIVE, CLOSE_ALL);
}

static void test_receive_lent_fork(void)
{
	strike_everywhere(WORK_RECEIVE_LENT, FORK);
}

static void test_receive_lent_fork_die(void)
{
	strike_everywhere(WORK_RECEIVE_LENT, FORK_DIE);
}

static void test_receive_lent_execute(void)
{
	strike_everywhere(WORK_RECEIVE_LENT, EXECUTE);
}

static void test_receive_lent_close_all(void)
{
	strike_everywhere(WORK_RECEIVE_LENT, CLOSE_ALL);
}

static void test_receive_in_vain_fork(void)
{
	strike_everywhere(WORK_RECEIVE_IN_VAIN, FORK);
}

static void test_receive_in_vain_fork_die(void)
{
	strike_everywhere(WORK_RECEIVE_IN_VAIN, FORK_DIE);
}

static void test_receive_in_vain_execute(void)
{
	strike_everywhere(WORK_RECEIVE_IN_VAIN, EXECUTE);
}

static void test_receive_in_vain_close_all(void)
{
	strike_everywhere(WORK_RECEIVE_IN_VAIN, CLOSE_ALL);
}

static void test_come_fork_beside(void)
{
	strike_everywhere(WORK_COME_SENDER, FORK_BESIDE);
}

static void test_leave_fork_beside(void)
{
	strike_everywhere(WORK_LEAVE_SENDER, FORK_BESIDE);
}

static const struct check_case cases[] = {
	{"a sender forks", test_send_fork},
	{"a sender forks and is killed", test_send_fork_die},
	{"a sender executes a program", test_send_execute},
	{"a sender closes all descriptors", test_send_close_all},
	{"a sender of a run forks", test_send_run_fork},
	{"a sender of a run forks and is killed", test_send_run_fork_die},
	{"a sender of a run executes a program", test_send_run_execute},
	{"a sender of a run closes all descriptors", test_send_run_close_all},
	{"a sender without a copy forks", test_send_lent_fork},
	{"a sender without a copy forks and is killed",
	 test_send_lent_fork_die},
	{"a sender without a copy executes a program", test_send_lent_execute},
	{"a sender without a copy closes all descriptors",
	 test_send_lent_close_all},
	{"a receiver forks", test_receive_fork},
	{"a receiver forks and is killed", test_receive_fork_die},
	{"a receiver executes a program", test_receive_execute},
	{"a receiver closes all descriptors", test_receive_close_all},
	{"a receiver without a copy forks", test_receive_lent_fork},
	{"a receiver without a copy forks and is killed",
	 test_receive_lent_fork_die},
	{"a receiver without a copy executes a program",
	 test_receive_lent_execute},
	{"a receiver without a copy closes all descriptors",
	 test_receive_lent_close_all},
	{"a receiver who waits for a message forks", test_receive_in_vain_fork},
	{"a receiver who waits for a message forks and is killed",
	 test_receive_in_vain_fork_die},
	{"a receiver who waits for a message executes a program",
	 test_receive_in_vain_execute},
	{"a receiver who waits for a message closes all descriptors",
	 test_receive_in_vain_close_all},
	{"a thread forks while another one opens", test_come_fork_beside},
	{"a thread forks while another one closes", test_leave_fork_beside},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
