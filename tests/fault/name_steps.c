/* SPDX-License-Identifier: MIT */
/*
 * name_steps.c - who makes, replaces, removes or opens a port is killed or overtaken
 *
 * There is no port or a whole one, the old one or the new one; who is attached and
 * blocked goes on, or is told that the port is gone, although nobody is left to
 * wake him; a temporary name is swept by the next who creates.  And who is on his
 * way into a port that others replace or remove comes to the new one, or is told.
 *
 * In check: at every change of the old port, right before it, and at places some
 * way apart.  With STRESS=10000: at every instruction, those of libc included; who
 * is stopped or overtaken, at every third.
 */
#include <limits.h>

#include "audit.h"
#include "handle.h"
#include "name.h"
#include "step.h"
#include "unit/sandbox.h"

#define PORT       "p"
#define RING_BYTES 4096U
#define SLOTS      4U

/* Fewer instructions than the page faults of a large one. */
static struct mmsock_options small_port(unsigned mode)
{
	struct mmsock_options options = options_for(mode, MMSOCK_SENDER);

	options.ring_bytes = RING_BYTES;
	options.max_message = RING_BYTES - 16;
	options.slots = SLOTS;
	options.spin_ns = 0;
	return options;
}

/* The victims. */

static void prepare_nothing(void *context)
{
	(void)context;
}

static void create_it(void *context)
{
	struct mmsock_options options = small_port(MMSOCK_CREATE_NEW_EXCLUSIVE);

	(void)context;
	CHECK_INT(mmsock_create(PORT, &options), 1);
}

static void open_new(void *context)
{
	struct mmsock_options options = small_port(MMSOCK_CONNECT_OR_CREATE);
	struct mmsock *handle;

	(void)context;
	CHECK_INT(mmsock_open(PORT, &options, &handle), 0);
}

static void replace_it(void *context)
{
	struct mmsock_options options = small_port(MMSOCK_CREATE_NEW_OVERWRITE);

	(void)context;
	CHECK_INT(mmsock_create(PORT, &options), 1);
}

static void remove_it(void *context)
{
	(void)context;
	CHECK_INT(mmsock_remove(PORT, NULL, MMSOCK_REMOVE_ALWAYS), 0);
}

/* As rm(1) does: nobody marks the port. */
static void unlink_it(void *context)
{
	(void)context;
	CHECK(!unlink(join(getenv("MMSOCK_DIR"), PORT)));
}

/* Audits. */

static ino_t port_inode(void)
{
	return inode_of(join(getenv("MMSOCK_DIR"), PORT));
}

/* A port of the usual kind, in which nobody is: try it and remove it. */
static void use_up(void)
{
	struct audit audit;

	audit_adopt(&audit, PORT);
	audit_survive(&audit);
	audit_leaks(&audit);
	audit_close(&audit);
}

/* The next one who creates finds the port, or makes it, and sweeps the rest. */
static void create_after(bool there)
{
	struct mmsock_options options = small_port(MMSOCK_CONNECT_OR_CREATE);

	if (there) {
		/* Who connects has no reason to look for litter. */
		options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
		CHECK_INT(mmsock_create(PORT, &options), -EEXIST);
	} else {
		CHECK_INT(mmsock_create(PORT, &options), 1);
	}
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), 1);
}

/* Of those who are only stopped or overtaken. */
static unsigned long coarse_stride(unsigned long usual)
{
	unsigned long stride = step_stride(usual);

	return stride < 3 ? 3 : stride;
}

struct tally {
	unsigned long kills;
	unsigned long done;
	unsigned long late; /* done, but nobody was told */
	unsigned long strays;
};

static void report(const struct tally *tally, const struct step_trace *trace)
{
	printf("# killed %lu times in %lu instructions: %lu done, %lu of them "
	       "told to nobody, %lu off the trace\n",
	       tally->kills, trace->count, tally->done, tally->late,
	       tally->strays);
}

static bool reach(struct step *step, const struct step_trace *trace,
		  unsigned long place, struct tally *tally)
{
	bool there = step_to(step, trace, place);

	tally->kills += there;
	tally->strays += step->stray;
	return there;
}

/* Making a port. */

static bool kill_creator(void (*operation)(void *),
			 const struct step_trace *trace, unsigned long place,
			 struct tally *tally)
{
	struct step step;
	bool ended;
	bool there;

	step_start(&step, prepare_nothing, operation, NULL);
	ended = !reach(&step, trace, place, tally);
	step_kill(&step);
	there = port_inode() != 0;
	CHECK(there || !ended);
	tally->done += there;
	create_after(there);
	use_up();
	return step.missed ? kill_creator(operation, NULL, place, tally)
			   : ended;
}

static void kill_creators(void (*operation)(void *))
{
	unsigned long stride = step_stride(397);
	struct tally tally = {0};
	struct step_trace trace;
	unsigned long place = 0;
	struct step step;
	char nothing = 0;

	fresh_dir();
	step_start(&step, prepare_nothing, operation, NULL);
	step_record(&step, &nothing, 1, &trace);
	use_up();
	while (!kill_creator(operation, &trace, place, &tally) ||
	       place < trace.count)
		place = step_place_after(&trace, place, stride);
	report(&tally, &trace);
	step_forget(&trace);
}

static void test_creating(void)
{
	kill_creators(create_it);
}

static void test_opening_new(void)
{
	kill_creators(open_new);
}

/* Taking a port away from those who use it. */

struct loss {
	void (*operation)(void *context);
	int error;     /* that they are told */
	bool replaces; /* by another one */
};

/* In memory that the blocked one writes to. */
static int *told;

/* Blocked until there is a message, or room, or no port. */
static void run_blocked(struct kid *self, void *context)
{
	const unsigned *role = context;
	struct mmsock *handle;
	char byte = 0;

	handle = open_as(PORT, *role);
	handle->keep_open = true;
	/* What the promise calls a second. */
	handle->waiter.recheck_cap_ns = 100 * MS;
	tell(self);
	if (*role == MMSOCK_SENDER)
		*told = mmsock_send(handle, &byte, 1, MMSOCK_FOREVER);
	else
		*told = (int)mmsock_recv(handle, &byte, 1, MMSOCK_FOREVER);
	tell(self);
	mmsock_close(handle);
	meet(self);
}

static void start_blocked(struct kid *kid, unsigned *role)
{
	kid_start(kid, run_blocked, role);
	CHECK(hear(kid));
	await_sleeper(PORT, kid->pid,
		      *role == MMSOCK_SENDER ? MMSOCK_SPACE : MMSOCK_DATA);
}

static void end_blocked(struct kid *kid)
{
	CHECK(hear(kid));
	CHECK(hear(kid));
	kid_end(kid);
}

/* Nothing has happened: he who is blocked gets what he waits for. */
static void go_on(struct audit *audit, unsigned role, struct kid *kid)
{
	char byte = 0;

	if (role == MMSOCK_SENDER)
		audit_receive(audit);
	else
		CHECK_INT(mmsock_send(audit->handle, &byte, 1, 0), 0);
	end_blocked(kid);
	CHECK_INT(*told, role == MMSOCK_SENDER ? 0 : 1);
	if (role == MMSOCK_SENDER) {
		while (audit->received < audit->sent)
			audit_receive(audit);
		CHECK_INT(mmsock_recv(audit->handle, &byte, 1, 0), 1);
	}
	audit->sent++;
	audit->received++;
	audit_survive(audit);
	audit_leaks_of(audit, count_entries(getenv("MMSOCK_DIR")));
}

/* It is gone: what it holds can still be received, then all are told. */
static void be_told(struct audit *audit, const struct loss *loss,
		    struct kid *kid, struct tally *tally)
{
	tally->done++;
	tally->late += mms_load32(&audit->control->signals.state) == MMS_READY;
	end_blocked(kid);
	CHECK_INT(*told, loss->error);
	while (audit->received < audit->sent)
		audit_receive(audit);
	CHECK_INT(mmsock_recv(audit->handle, audit->buffer, RING_BYTES,
			      MMSOCK_FOREVER),
		  loss->error);
	CHECK_INT(mmsock_send(audit->handle, "", 1, MMSOCK_FOREVER),
		  loss->error);
}

/* Alternately beside a blocked receiver and a blocked sender. */
static bool kill_loss(const struct loss *loss, const struct step_trace *trace,
		      unsigned long place, struct tally *tally)
{
	unsigned role = tally->kills % 2 ? MMSOCK_SENDER : MMSOCK_RECEIVER;
	struct audit audit;
	struct step step;
	struct kid kid;
	ino_t old;
	bool ended;

	audit_open(&audit, PORT, RING_BYTES, SLOTS);
	old = port_inode();
	if (role == MMSOCK_SENDER)
		audit_tighten(&audit, 0);
	if (role == MMSOCK_SENDER)
		CHECK(audit_send(&audit, 0));
	start_blocked(&kid, &role);
	step_start(&step, prepare_nothing, loss->operation, NULL);
	ended = !reach(&step, trace, place, tally);
	step_kill(&step);
	if (port_inode() == old) {
		CHECK(!ended);
		go_on(&audit, role, &kid);
	} else {
		be_told(&audit, loss, &kid, tally);
	}
	audit_abandon(&audit);
	create_after(port_inode() != 0);
	use_up();
	return step.missed ? kill_loss(loss, NULL, place, tally) : ended;
}

static void kill_losses(const struct loss *loss)
{
	unsigned long stride = step_stride(397);
	struct tally tally = {0};
	struct step_trace trace;
	unsigned long place = 0;
	struct audit audit;
	struct step step;

	fresh_dir();
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(told != MAP_FAILED);
	audit_open(&audit, PORT, RING_BYTES, SLOTS);
	step_start(&step, prepare_nothing, loss->operation, NULL);
	step_record(&step, audit.file, audit.file_bytes, &trace);
	audit_abandon(&audit);
	create_after(loss->replaces);
	use_up();
	while (!kill_loss(loss, &trace, place, &tally) || place < trace.count)
		place = step_place_after(&trace, place, stride);
	report(&tally, &trace);
	step_forget(&trace);
}

static void test_replacing(void)
{
	kill_losses(&(struct loss){replace_it, -ESTALE, true});
}

static void test_removing(void)
{
	kill_losses(&(struct loss){remove_it, -EIDRM, false});
}

static void test_unlinking(void)
{
	kill_losses(&(struct loss){unlink_it, -EIDRM, false});
}

/* Who does it is stopped: the port is not in his hands meanwhile. */

/* One who wants the name for himself, too, and has to wait for that. */
static void run_rival(struct kid *self, void *context)
{
	int r;

	(void)context;
	tell(self);
	r = mmsock_remove(PORT, NULL, MMSOCK_REMOVE_ALWAYS);
	CHECK(!r || r == -ENOENT);
	meet(self);
}

static bool goes_on(int r, int error)
{
	return r >= 0 || r == error;
}

/* Messages pass, or users are told; who comes gets in, or is told. */
static void use_meanwhile(struct audit *audit, const struct loss *loss)
{
	struct mmsock_options options = small_port(MMSOCK_CONNECT_TO_EXISTING);
	struct mmsock *handle = NULL;
	int r;

	CHECK(goes_on(mmsock_send(audit->handle, "", 1, 0), loss->error));
	CHECK(goes_on(
		(int)mmsock_recv(audit->handle, audit->buffer, RING_BYTES, 0),
		loss->error));
	r = mmsock_open(PORT, &options, &handle);
	CHECK(!r || (r == -ENOENT && !loss->replaces));
	if (!r)
		CHECK(goes_on(mmsock_send(handle, "", 1, 0), loss->error));
	mmsock_close(handle);
}

/* Both have done what they wanted, one after the other. */
static void await_loss(struct step *step, struct kid *kid)
{
	CHECK(hear(kid));
	kid_end(kid);
	step_finish(step);
}

static bool stop_loss(const struct loss *loss, const struct step_trace *trace,
		      unsigned long place, struct tally *tally)
{
	struct audit audit;
	struct step step;
	struct kid kid;
	ino_t old;
	bool ended;

	audit_open(&audit, PORT, RING_BYTES, SLOTS);
	old = port_inode();
	step_start(&step, prepare_nothing, loss->operation, NULL);
	ended = !reach(&step, trace, place, tally);
	step_stop(&step);
	tally->done += port_inode() != old;
	use_meanwhile(&audit, loss);
	kid_start(&kid, run_rival, NULL);
	CHECK(hear(&kid));
	if (!ended)
		step_release(&step);
	await_loss(&step, &kid);
	audit_abandon(&audit);
	mmsock_remove(PORT, NULL, MMSOCK_REMOVE_ALWAYS);
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), 0);
	return step.missed ? stop_loss(loss, NULL, place, tally) : ended;
}

static void stop_losses(const struct loss *loss)
{
	unsigned long stride = coarse_stride(397);
	struct tally tally = {0};
	struct step_trace trace;
	unsigned long place = 0;
	struct audit audit;
	struct step step;

	fresh_dir();
	audit_open(&audit, PORT, RING_BYTES, SLOTS);
	step_start(&step, prepare_nothing, loss->operation, NULL);
	step_record(&step, audit.file, audit.file_bytes, &trace);
	audit_abandon(&audit);
	mmsock_remove(PORT, NULL, MMSOCK_REMOVE_ALWAYS);
	while (!stop_loss(loss, &trace, place, &tally) || place < trace.count)
		place = step_place_after(&trace, place, stride);
	printf("# stopped %lu times in %lu instructions, %lu with the old port "
	       "gone\n",
	       tally.kills, trace.count, tally.done);
	step_forget(&trace);
}

/* It is gone already where the rival was faster. */
static void remove_if_there(void *context)
{
	int r = mmsock_remove(PORT, NULL, MMSOCK_REMOVE_ALWAYS);

	(void)context;
	CHECK(!r || r == -ENOENT);
}

static void test_stopped_replacing(void)
{
	stop_losses(&(struct loss){replace_it, -ESTALE, true});
}

static void test_stopped_removing(void)
{
	stop_losses(&(struct loss){remove_if_there, -EIDRM, false});
}

/* On the way into a port that others replace or remove. */

struct visit {
	int opened;
	int sent;
};

static struct visit *visit; /* the opener's, in memory of both */

/* Open and send. */
static void enter_as(unsigned mode)
{
	struct mmsock_options options = small_port(mode);
	struct mmsock *handle = NULL;

	visit->opened = mmsock_open(PORT, &options, &handle);
	if (!visit->opened)
		visit->sent = mmsock_send(handle, "", 1, 0);
	mmsock_close(handle);
}

static void enter_existing(void *context)
{
	(void)context;
	enter_as(MMSOCK_CONNECT_TO_EXISTING);
}

static void enter_any(void *context)
{
	(void)context;
	enter_as(MMSOCK_CONNECT_OR_CREATE);
}

struct race {
	void (*enter)(void *context);
	void (*other)(void *context);
	int missing; /* what an opener gets that finds no port */
	int late;    /* what a sender gets who was in before */
};

struct outcomes {
	unsigned long before; /* all was done before */
	unsigned long told;   /* in before, told when sending */
	unsigned long after;  /* came to the new port */
	unsigned long missed; /* found none */
};

static bool race_at(const struct race *race, const struct step_trace *trace,
		    unsigned long place, struct outcomes *outcomes)
{
	struct audit audit;
	struct step step;
	bool ended;
	bool before;

	audit_open(&audit, PORT, RING_BYTES, SLOTS);
	*visit = (struct visit){1, 1};
	step_start(&step, prepare_nothing, race->enter, NULL);
	ended = !step_to(&step, trace, place);
	race->other(NULL);
	step_finish(&step);
	before = mms_load(&audit.control->send.next_count) == 1;
	if (before) {
		/* The receivers of the old port may still take it. */
		CHECK_INT(visit->sent, 0);
		CHECK_INT(
			mmsock_recv(audit.handle, audit.buffer, RING_BYTES, 0),
			1);
		outcomes->before++;
	} else if (visit->opened) {
		CHECK_INT(visit->opened, race->missing);
		outcomes->missed++;
	} else if (visit->sent) {
		CHECK_INT(visit->sent, race->late);
		outcomes->told++;
	} else {
		CHECK_INT(inspect(PORT).messages, 1);
		outcomes->after++;
	}
	CHECK(!ended || before);
	audit_abandon(&audit);
	mmsock_remove(PORT, NULL, MMSOCK_REMOVE_ALWAYS);
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), 0);
	return step.missed ? race_at(race, NULL, place, outcomes) : ended;
}

static void run_race(const struct race *race)
{
	unsigned long stride = coarse_stride(197);
	struct outcomes outcomes = {0};
	struct step_trace trace;
	unsigned long place = 0;
	struct audit audit;
	struct step step;

	fresh_dir();
	visit = mmap(NULL, sizeof(*visit), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(visit != MAP_FAILED);
	audit_open(&audit, PORT, RING_BYTES, SLOTS);
	step_start(&step, prepare_nothing, race->enter, NULL);
	step_record(&step, audit.file, audit.file_bytes, &trace);
	audit_abandon(&audit);
	remove_it(NULL);
	while (!race_at(race, &trace, place, &outcomes) || place < trace.count)
		place = step_place_after(&trace, place, stride);
	printf("# overtaken in %lu instructions: %lu times too late, %lu told, "
	       "%lu in the new port, %lu without one\n",
	       trace.count, outcomes.before, outcomes.told, outcomes.after,
	       outcomes.missed);
	CHECK(outcomes.before && outcomes.told);
	CHECK(outcomes.after || outcomes.missed);
	step_forget(&trace);
}

static void test_opening_replaced(void)
{
	run_race(&(struct race){enter_existing, replace_it, 0, -ESTALE});
}

static void test_opening_removed(void)
{
	run_race(&(struct race){enter_existing, remove_it, -ENOENT, -EIDRM});
}

static void test_opening_or_creating(void)
{
	run_race(&(struct race){enter_any, remove_it, 0, -EIDRM});
}

static const struct check_case cases[] = {
	{"a creator is killed", test_creating},
	{"who opens and thereby creates is killed", test_opening_new},
	{"an overwriter is killed beside others", test_replacing},
	{"a remover is killed beside others", test_removing},
	{"who unlinks is killed beside others", test_unlinking},
	{"an overwriter is stopped beside others", test_stopped_replacing},
	{"a remover is stopped beside others", test_stopped_removing},
	{"a port is replaced under one who opens", test_opening_replaced},
	{"a port is removed under one who opens", test_opening_removed},
	{"a port is removed under one who opens or creates",
	 test_opening_or_creating},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
