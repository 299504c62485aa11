/* SPDX-License-Identifier: MIT */
/*
 * processes.c - many processes on one port
 *
 * The whole library, as programs use it.  Receivers come first and end with the
 * stream.  Where the re-check is off, a wake that is lost is a test that runs
 * out of time.
 */
#include <sched.h>

#include "schedule.h"
#include "unit/sandbox.h"

#define PORT "processes"

struct party {
	struct kid kid;
	const struct plan *plan;
	struct audit *audit;
	unsigned number;
};

static struct mmsock *open_port(unsigned role, int64_t spin_ns)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	struct mmsock *handle = NULL;

	options.role = role;
	options.spin_ns = spin_ns;
	options.ring_bytes = RING_BYTES;
	options.max_message = RING_BYTES - 16;
	CHECK_INT(mmsock_open(PORT, &options, &handle), 0);
	return handle;
}

static void run_sender(struct kid *self, void *context)
{
	struct party *party = context;
	struct mmsock *handle = open_port(MMSOCK_SENDER, party->plan->spin_ns);

	alarm(SECONDS_A_SHARE * stress_scale());
	meet(self);
	send_all(handle, party->audit, party->plan, party->number);
	mmsock_close(handle);
}

static void run_receiver(struct kid *self, void *context)
{
	struct party *party = context;
	struct mmsock *handle =
		open_port(MMSOCK_RECEIVER, party->plan->spin_ns);

	alarm(SECONDS_A_SHARE * stress_scale());
	meet(self);
	recv_all(handle, party->audit, party->plan, party->number);
	mmsock_close(handle);
}

static bool is_running(const struct party *party)
{
	siginfo_t info = {.si_pid = 0};

	CHECK(!waitid(P_PID, (id_t)party->kid.pid, &info,
		      WEXITED | WNOHANG | WNOWAIT));
	return !info.si_pid;
}

/* Signal everybody, again and again, until all have ended. */
static void shower(struct party *parties, unsigned count)
{
	unsigned running = count;
	unsigned i;

	while (running > 0) {
		running = 0;
		for (i = 0; i < count; i++) {
			if (!is_running(&parties[i]))
				continue;
			kill(parties[i].kid.pid, SIGUSR1);
			running++;
		}
		sched_yield();
	}
}

/* All are attached before the first is told to begin. */
static void run_plan(struct plan plan)
{
	struct audit *audit = audit_new(&plan);
	unsigned count = plan.senders + plan.receivers;
	struct party parties[2 * SENDERS_MAX];
	struct mmsock_info info;
	unsigned i;

	fresh_dir();
	for (i = 0; i < count; i++) {
		parties[i].plan = &plan;
		parties[i].audit = audit;
		parties[i].number = i;
		kid_start(&parties[i].kid,
			  i < plan.senders ? run_sender : run_receiver,
			  &parties[i]);
	}
	for (i = 0; i < count; i++)
		CHECK(hear(&parties[i].kid));
	for (i = 0; i < count; i++)
		tell(&parties[i].kid);
	if (plan.signals)
		shower(parties, count);
	for (i = 0; i < count; i++)
		CHECK_INT(kid_reap(&parties[i].kid), 0);
	audit_check(audit);
	info = inspect(PORT);
	CHECK_INT(info.messages, 0);
	CHECK_INT(info.sent, info.received);
	CHECK_INT(info.takeovers, 0);
	if (plan.no_recheck)
		CHECK_INT(info.late_wakes, 0);
}

static void test_one_to_one(void)
{
	run_plan((struct plan){
		.senders = 1,
		.receivers = 1,
		.each = 480000,
		.spin_ns = MMSOCK_SPIN_ADAPTIVE,
	});
}

static void test_many_to_many(void)
{
	run_plan((struct plan){
		.senders = 3,
		.receivers = 3,
		.each = 120000,
		.spin_ns = MMSOCK_SPIN_ADAPTIVE,
		.impatient = true,
	});
}

static void test_no_lost_wake(void)
{
	run_plan((struct plan){
		.senders = 4,
		.receivers = 4,
		.each = 40000,
		.spin_ns = 0,
		.no_recheck = true,
	});
}

static void test_no_lost_wake_one_to_one(void)
{
	run_plan((struct plan){
		.senders = 1,
		.receivers = 1,
		.each = 160000,
		.spin_ns = 0,
		.no_recheck = true,
	});
}

static void test_no_lost_wake_many_to_one(void)
{
	run_plan((struct plan){
		.senders = 8,
		.receivers = 1,
		.each = 24000,
		.spin_ns = 0,
		.no_recheck = true,
	});
}

/* Budgets so short that spinning and sleeping meet all the time. */
static void test_no_lost_wake_short_spin(void)
{
	run_plan((struct plan){
		.senders = 2,
		.receivers = 4,
		.each = 80000,
		.spin_ns = 2000,
		.no_recheck = true,
	});
}

static void stay_on_one_cpu(void)
{
	cpu_set_t one;
	int cpu = sched_getcpu();

	CPU_ZERO(&one);
	if (cpu >= 0)
		CPU_SET((size_t)cpu, &one);
	if (cpu < 0 || sched_setaffinity(0, sizeof(one), &one))
		SKIP("no CPU can be chosen");
}

static void test_one_cpu(void)
{
	stay_on_one_cpu();
	run_plan((struct plan){
		.senders = 1,
		.receivers = 1,
		.each = 240000,
		.spin_ns = MMSOCK_SPIN_ADAPTIVE,
	});
}

static void test_one_cpu_crowded(void)
{
	stay_on_one_cpu();
	run_plan((struct plan){
		.senders = 8,
		.receivers = 8,
		.each = 24000,
		.spin_ns = MMSOCK_SPIN_ADAPTIVE,
	});
}

static void test_one_cpu_asleep(void)
{
	stay_on_one_cpu();
	run_plan((struct plan){
		.senders = 8,
		.receivers = 8,
		.each = 16000,
		.spin_ns = 0,
		.no_recheck = true,
	});
}

/* Nobody sleeps, so everybody has to let the others go on. */
static void test_one_cpu_spinning(void)
{
	stay_on_one_cpu();
	run_plan((struct plan){
		.senders = 2,
		.receivers = 2,
		.each = 24000,
		.spin_ns = MMSOCK_SPIN_ONLY,
	});
}

static void note_signal(int number)
{
	(void)number;
}

static void test_signals(void)
{
	struct sigaction action = {.sa_handler = note_signal};

	CHECK(!sigaction(SIGUSR1, &action, NULL));
	run_plan((struct plan){
		.senders = 2,
		.receivers = 2,
		.each = 40000,
		.spin_ns = 0,
		.no_recheck = true,
		.signals = true,
	});
}

/* How a receiver can leave a message that he was woken for. */

static void leave_by_cancel(struct mmsock *handle)
{
	const void *message;

	CHECK_INT(mmsock_peek(handle, &message, MMSOCK_FOREVER), 1);
	CHECK_INT(mmsock_cancel(handle), 0);
}

static void leave_by_close(struct mmsock *handle)
{
	const void *message;

	CHECK_INT(mmsock_peek(handle, &message, MMSOCK_FOREVER), 1);
	mmsock_close(handle);
}

static void leave_too_large(struct mmsock *handle)
{
	char none;

	CHECK_INT(mmsock_recv(handle, &none, 0, MMSOCK_FOREVER), -EMSGSIZE);
}

static void run_leaver(struct kid *self, void *context)
{
	void (*const *leave)(struct mmsock * handle) = context;
	struct mmsock *handle = open_port(MMSOCK_RECEIVER, 0);

	handle->waiter.no_recheck = true;
	meet(self);
	(*leave)(handle);
	meet(self);
}

static void run_taker(struct kid *self, void *context)
{
	struct mmsock *handle = open_port(MMSOCK_RECEIVER, 0);
	char byte;

	(void)context;
	handle->waiter.no_recheck = true;
	meet(self);
	CHECK_INT(mmsock_recv(handle, &byte, 1, MMSOCK_FOREVER), 1);
}

/* Two sleep, the first of them first; he is woken and leaves the message. */
static void check_left(void (*leave)(struct mmsock *handle))
{
	struct mmsock *sender;
	struct kid leaver;
	struct kid taker;

	fresh_dir();
	sender = open_port(MMSOCK_SENDER, 0);
	kid_start(&leaver, run_leaver, &leave);
	CHECK(hear(&leaver));
	tell(&leaver);
	await_sleeper(PORT, leaver.pid, MMSOCK_DATA);
	kid_start(&taker, run_taker, NULL);
	CHECK(hear(&taker));
	tell(&taker);
	await_sleeper(PORT, taker.pid, MMSOCK_DATA);
	CHECK_INT(mmsock_send(sender, "m", 1, 0), 0);
	CHECK(hear(&leaver));
	CHECK_INT(kid_reap(&taker), 0);
	kid_end(&leaver);
	mmsock_close(sender);
}

static void test_left_by_cancel(void)
{
	check_left(leave_by_cancel);
}

static void test_left_by_close(void)
{
	check_left(leave_by_close);
}

static void test_left_too_large(void)
{
	check_left(leave_too_large);
}

/* Two sleep, a run of two comes: nobody sleeps beside a message. */
static void test_run_wakes_several(void)
{
	struct mmsock_run *run;
	struct mmsock *sender;
	struct kid takers[2];
	int i;

	fresh_dir();
	sender = open_port(MMSOCK_SENDER, 0);
	CHECK_INT(mmsock_run_new(64, &run), 0);
	for (i = 0; i < 2; i++) {
		CHECK_INT(mmsock_run_add(run, "m", 1), 0);
		kid_start(&takers[i], run_taker, NULL);
		CHECK(hear(&takers[i]));
		tell(&takers[i]);
		await_sleeper(PORT, takers[i].pid, MMSOCK_DATA);
	}
	CHECK_INT(mmsock_run_send(sender, run, 0), 0);
	for (i = 0; i < 2; i++)
		CHECK_INT(kid_reap(&takers[i]), 0);
	mmsock_run_free(run);
	mmsock_close(sender);
}

static void run_pusher(struct kid *self, void *context)
{
	const size_t *length = context;
	struct mmsock *handle = open_port(MMSOCK_SENDER, 0);
	static char message[RING_BYTES];

	handle->waiter.no_recheck = true;
	meet(self);
	CHECK_INT(mmsock_send(handle, message, *length, MMSOCK_FOREVER), 0);
}

/* What becomes free is too little for the first sleeper, not for the second. */
static void test_room_wakes_all(void)
{
	static char message[100];
	size_t lengths[] = {3000, 50};
	struct mmsock *handle;
	struct kid pushers[2];
	int i;

	fresh_dir();
	handle = open_port(MMSOCK_SENDER | MMSOCK_RECEIVER, 0);
	while (!mmsock_send(handle, message, sizeof(message), 0))
		;
	for (i = 0; i < 2; i++) {
		kid_start(&pushers[i], run_pusher, &lengths[i]);
		CHECK(hear(&pushers[i]));
		tell(&pushers[i]);
		await_sleeper(PORT, pushers[i].pid, MMSOCK_SPACE);
	}
	CHECK_INT(mmsock_recv(handle, message, sizeof(message), 0), 100);
	CHECK_INT(kid_reap(&pushers[1]), 0);
	while (mmsock_recv(handle, message, sizeof(message), 0) >= 0)
		;
	CHECK_INT(kid_reap(&pushers[0]), 0);
	mmsock_close(handle);
}

/*
 * What the signal handler works with.  It plays another process, whose deed
 * comes at the very moment at which a signal ends our sleep.
 */
static struct mmsock *meanwhile;

static void send_meanwhile(int number)
{
	(void)number;
	if (mmsock_send(meanwhile, "m", 1, 0))
		_exit(EXIT_FAILURE);
}

static void take_meanwhile(int number)
{
	char buffer[RING_BYTES];

	(void)number;
	if (mmsock_recv(meanwhile, buffer, sizeof(buffer), 0) < 0)
		_exit(EXIT_FAILURE);
}

/* Signal the parent as soon as he sleeps on what @context says. */
static void run_signaller(struct kid *self, void *context)
{
	const unsigned *object = context;

	meet(self);
	await_sleeper(PORT, getppid(), *object);
	CHECK(!kill(getppid(), SIGUSR1));
}

static void expect_signal(struct kid *kid, unsigned *object,
			  void (*handler)(int number))
{
	struct sigaction action = {.sa_handler = handler};

	CHECK(!sigaction(SIGUSR1, &action, NULL));
	kid_start(kid, run_signaller, object);
	CHECK(hear(kid));
	tell(kid);
}

static void test_message_with_signal(void)
{
	unsigned object = MMSOCK_DATA;
	struct mmsock *receiver;
	struct kid kid;
	char byte;

	fresh_dir();
	meanwhile = open_port(MMSOCK_SENDER, 0);
	receiver = open_port(MMSOCK_RECEIVER, 0);
	receiver->waiter.no_recheck = true;
	expect_signal(&kid, &object, send_meanwhile);
	CHECK_INT(mmsock_recv(receiver, &byte, 1, MMSOCK_FOREVER), 1);
	CHECK_INT(kid_reap(&kid), 0);
	mmsock_close(receiver);
	mmsock_close(meanwhile);
}

static void test_room_with_signal(void)
{
	static char message[RING_BYTES - 16];
	unsigned object = MMSOCK_SPACE;
	struct mmsock *sender;
	struct kid kid;

	fresh_dir();
	meanwhile = open_port(MMSOCK_RECEIVER, 0);
	sender = open_port(MMSOCK_SENDER, 0);
	sender->waiter.no_recheck = true;
	CHECK_INT(mmsock_send(sender, message, sizeof(message), 0), 0);
	expect_signal(&kid, &object, take_meanwhile);
	CHECK_INT(mmsock_send(sender, message, 1, MMSOCK_FOREVER), 0);
	CHECK_INT(kid_reap(&kid), 0);
	mmsock_close(sender);
	mmsock_close(meanwhile);
}

static const struct check_case cases[] = {
	{"one process to one: every message once, whole, in order",
	 test_one_to_one},
	{"many processes to many, with short time-outs", test_many_to_many},
	{"no wake is lost from one to one", test_no_lost_wake_one_to_one},
	{"no wake is lost from many to one", test_no_lost_wake_many_to_one},
	{"no wake is lost from many to many", test_no_lost_wake},
	{"no wake is lost where spins are short", test_no_lost_wake_short_spin},
	{"a message that is looked at and left wakes the next receiver",
	 test_left_by_cancel},
	{"a message that is left by closing wakes the next receiver",
	 test_left_by_close},
	{"a message that did not fit wakes the next receiver",
	 test_left_too_large},
	{"a run wakes as many as it has messages", test_run_wakes_several},
	{"room that is too small for one sleeper wakes the next",
	 test_room_wakes_all},
	{"a message that comes with a signal is received",
	 test_message_with_signal},
	{"room that comes with a signal is used", test_room_with_signal},
	{"signals at any moment lose nothing", test_signals},
	{"two processes on one CPU", test_one_cpu},
	{"16 processes on one CPU", test_one_cpu_crowded},
	{"16 processes on one CPU that always sleep", test_one_cpu_asleep},
	{"processes on one CPU that never sleep", test_one_cpu_spinning},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
