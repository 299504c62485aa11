/* SPDX-License-Identifier: MIT */
/*
 * victims.c - what is done in children that are killed, stopped or forked
 */
#include "victims.h"

#include "handle.h"
#include "unit/sandbox.h"

#define SLOTS      5U
#define SMALL_RING ((uint64_t)4096)
#define LARGE_RING ((uint64_t)64 * 1024)
#define LARGE      ((size_t)20 * 1024)

struct audit audit;
struct mmsock *victim;
const struct work *work;
void (*victim_also)(void);

static struct mmsock_run *run;
static unsigned char *message;
static uint64_t first_number; /* of what the victim sends */

/* What victims do. */

struct mmsock *victim_open(unsigned role)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING, role);
	struct mmsock *handle = NULL;

	options.spin_ns = 0;
	options.flags = MMSOCK_KEEP_OPEN;
	CHECK_INT(mmsock_open(VICTIM_PORT, &options, &handle), 0);
	return handle;
}

static void prepare(void *context)
{
	size_t i;

	(void)context;
	victim = victim_open(work->role);
	message = calloc(1, audit.ring_bytes);
	CHECK(message);
	audit_fill(message, first_number, work->lengths[0]);
	CHECK_INT(mmsock_run_new(audit.ring_bytes, &run), 0);
	for (i = 0; work->role == MMSOCK_SENDER && i < work->count; i++) {
		audit_fill(message, first_number + i, work->lengths[i]);
		CHECK_INT(mmsock_run_add(run, message, work->lengths[i]), 0);
	}
	audit_fill(message, first_number, work->lengths[0]);
	if (victim_also)
		victim_also();
}

static void send_one(void *context)
{
	(void)context;
	CHECK_INT(mmsock_send(victim, message, work->lengths[0], 0), 0);
}

static void send_run(void *context)
{
	(void)context;
	CHECK_INT(mmsock_run_send(victim, run, 0), 0);
}

/* What fits, and then no more. */
static void send_part_of_run(void *context)
{
	(void)context;
	CHECK_INT(mmsock_run_send(victim, run, 0), -EAGAIN);
}

static void send_lent(void *context)
{
	size_t length = work->lengths[0];
	void *room;

	(void)context;
	/* More than is used, and all of it written to. */
	CHECK_INT(mmsock_reserve(victim, length + 64, &room, 0), 0);
	memset(room, 0xa5, length + 64);
	memcpy(room, message, length);
	CHECK_INT(mmsock_commit(victim, length), 0);
}

static void reserve_in_vain(void *context)
{
	void *room;

	(void)context;
	CHECK_INT(mmsock_reserve(victim, 100, &room, 0), 0);
	memset(room, 0xa5, 100);
	CHECK_INT(mmsock_cancel(victim), 0);
}

static void send_in_vain(void *context)
{
	(void)context;
	CHECK_INT(mmsock_send(victim, message, work->lengths[0], MS),
		  -ETIMEDOUT);
}

static void receive_one(void *context)
{
	(void)context;
	CHECK_INT(mmsock_recv(victim, message, audit.ring_bytes, 0),
		  work->lengths[0]);
}

static void receive_too_much(void *context)
{
	(void)context;
	CHECK_INT(mmsock_recv(victim, message, 10, 0), -EMSGSIZE);
}

static void receive_run(void *context)
{
	(void)context;
	CHECK_INT(mmsock_run_recv(victim, run, 0, 0), work->count);
}

static void receive_two(void *context)
{
	(void)context;
	CHECK_INT(mmsock_run_recv(victim, run, 2, 0), 2);
}

static void receive_lent(void *context)
{
	const void *lent;

	(void)context;
	CHECK_INT(mmsock_peek(victim, &lent, 0), work->lengths[0]);
	memcpy(message, lent, work->lengths[0]);
	CHECK_INT(mmsock_release(victim), 0);
}

static void peek_only(void *context)
{
	const void *lent;

	(void)context;
	CHECK_INT(mmsock_peek(victim, &lent, 0), work->lengths[0]);
	CHECK_INT(mmsock_cancel(victim), 0);
}

static void receive_in_vain(void *context)
{
	(void)context;
	CHECK_INT(mmsock_recv(victim, message, audit.ring_bytes, MS),
		  -ETIMEDOUT);
}

static void leave(void *context)
{
	(void)context;
	mmsock_close(victim);
	victim = NULL;
}

/* With an end held, which is given back. */
static void leave_with_loan(void *context)
{
	void *room;

	CHECK_INT(mmsock_reserve(victim, 100, &room, 0), 0);
	leave(context);
}

static void nothing(void *context)
{
	(void)context;
	if (victim_also)
		victim_also();
}

static void come(void *context)
{
	(void)context;
	victim = victim_open(work->role);
}

/* Who they are. */

const struct work victim_works[] = {
	[WORK_SEND] =
		{
			.operation = send_one,
			.role = MMSOCK_SENDER,
			.lengths = {24},
			.count = 1,
			.outcome = 1,
		},
	[WORK_SEND_TIGHT] =
		{
			.operation = send_one,
			.role = MMSOCK_SENDER,
			.lengths = {24},
			.count = 1,
			.outcome = 1,
			.tight = 24,
		},
	[WORK_SEND_EMPTY] =
		{
			.operation = send_one,
			.role = MMSOCK_SENDER,
			.lengths = {0},
			.count = 1,
			.outcome = 1,
		},
	[WORK_SEND_WRAPPING] =
		{
			.operation = send_one,
			.role = MMSOCK_SENDER,
			.lengths = {1500},
			.count = 1,
			.outcome = 1,
			.tight = 1500,
		},
	[WORK_SEND_LARGE] =
		{
			.operation = send_one,
			.role = MMSOCK_SENDER,
			.lengths = {LARGE},
			.count = 1,
			.outcome = 1,
			.ring_bytes = LARGE_RING,
			.stride = 499,
			.least = 7,
		},
	[WORK_SEND_RUN] =
		{
			.operation = send_run,
			.role = MMSOCK_SENDER,
			.lengths = {24, 0, 100, 7, 300},
			.count = 5,
			.outcome = 5,
		},
	[WORK_SEND_RUN_TIGHT] =
		{
			.operation = send_run,
			.role = MMSOCK_SENDER,
			.lengths = {800, 0, 1200},
			.count = 3,
			.outcome = 3,
			.tight = 2024,
		},
	[WORK_SEND_PART] =
		{
			.operation = send_part_of_run,
			.role = MMSOCK_SENDER,
			.lengths = {24, 24, 24},
			.count = 3,
			.outcome = 2,
			.tight = 56,
		},
	[WORK_SEND_LENT] =
		{
			.operation = send_lent,
			.role = MMSOCK_SENDER,
			.lengths = {100},
			.count = 1,
			.outcome = 1,
		},
	[WORK_RESERVE] =
		{
			.operation = reserve_in_vain,
			.role = MMSOCK_SENDER,
			.lengths = {0},
			.count = 1,
		},
	[WORK_SEND_IN_VAIN] =
		{
			.operation = send_in_vain,
			.role = MMSOCK_SENDER,
			.lengths = {100},
			.count = 1,
			.tight = 92,
		},
	[WORK_RECEIVE] =
		{
			.operation = receive_one,
			.role = MMSOCK_RECEIVER,
			.lengths = {24},
			.count = 1,
			.outcome = -1,
		},
	[WORK_RECEIVE_EMPTY] =
		{
			.operation = receive_one,
			.role = MMSOCK_RECEIVER,
			.lengths = {0},
			.count = 1,
			.outcome = -1,
		},
	[WORK_RECEIVE_LARGE] =
		{
			.operation = receive_one,
			.role = MMSOCK_RECEIVER,
			.lengths = {LARGE},
			.count = 1,
			.outcome = -1,
			.ring_bytes = LARGE_RING,
			.stride = 4999,
			.least = 199,
		},
	[WORK_RECEIVE_TOO_MUCH] =
		{
			.operation = receive_too_much,
			.role = MMSOCK_RECEIVER,
			.lengths = {24},
			.count = 1,
		},
	[WORK_RECEIVE_RUN] =
		{
			.operation = receive_run,
			.role = MMSOCK_RECEIVER,
			.lengths = {24, 0, 100, 7, 300},
			.count = 5,
			.outcome = -5,
		},
	[WORK_RECEIVE_TWO] =
		{
			.operation = receive_two,
			.role = MMSOCK_RECEIVER,
			.lengths = {24, 1000, 100, 7, 1500},
			.count = 5,
			.outcome = -2,
		},
	[WORK_RECEIVE_LENT] =
		{
			.operation = receive_lent,
			.role = MMSOCK_RECEIVER,
			.lengths = {100, 24},
			.count = 2,
			.outcome = -1,
		},
	[WORK_PEEK] =
		{
			.operation = peek_only,
			.role = MMSOCK_RECEIVER,
			.lengths = {100},
			.count = 1,
		},
	[WORK_RECEIVE_IN_VAIN] =
		{
			.operation = receive_in_vain,
			.role = MMSOCK_RECEIVER,
		},
	[WORK_LEAVE_SENDER] =
		{
			.operation = leave,
			.role = MMSOCK_SENDER,
			.lengths = {24},
			.count = 1,
		},
	[WORK_LEAVE_RECEIVER] =
		{
			.operation = leave,
			.role = MMSOCK_RECEIVER,
			.lengths = {24},
			.count = 1,
		},
	[WORK_LEAVE_LOAN] =
		{
			.operation = leave_with_loan,
			.role = MMSOCK_SENDER,
			.lengths = {24},
			.count = 1,
		},
	[WORK_COME_SENDER] =
		{
			.operation = come,
			.role = MMSOCK_SENDER,
			.lengths = {24},
			.count = 1,
			.comes = true,
			.stride = 4999,
		},
	[WORK_COME_RECEIVER] =
		{
			.operation = come,
			.role = MMSOCK_RECEIVER,
			.lengths = {24},
			.count = 1,
			.comes = true,
			.stride = 4999,
		},
};

/* The port as they find it. */

void victim_open_port(enum victim_work kind)
{
	uint64_t bytes = victim_works[kind].ring_bytes;

	work = &victim_works[kind];
	fresh_dir();
	audit_open(&audit, VICTIM_PORT, bytes ? bytes : SMALL_RING, SLOTS);
}

void victim_close_port(void)
{
	audit_close(&audit);
}

void victim_announce(uint64_t first)
{
	if (work->role == MMSOCK_SENDER)
		audit_announce(&audit, first, work->lengths, work->count);
}

void victim_set_scene(void)
{
	size_t i;

	for (i = 0; work->role == MMSOCK_RECEIVER && i < work->count; i++)
		CHECK(audit_send(&audit, work->lengths[i]));
	if (work->tight)
		audit_tighten(&audit, work->tight);
}

uint64_t victim_start(struct step *step)
{
	first_number = audit_number(&audit, work->count);
	step_start(step, work->comes ? nothing : prepare, work->operation,
		   NULL);
	return first_number;
}

uint64_t victim_start_second(const struct victim_pair *pair,
			     const struct step_trace *trace,
			     unsigned long place, struct step *second)
{
	uint64_t number = 0;
	struct step first;

	work = pair->second;
	victim_set_scene();
	if (!work->comes)
		number = victim_start(second);
	work = pair->first;
	victim_set_scene();
	victim_announce(victim_start(&first));
	step_to(&first, trace, place);
	step_kill(&first);
	victim_outcome(false);
	work = pair->second;
	if (work->comes)
		number = victim_start(second);
	victim_announce(number);
	return number;
}

int64_t victim_outcome(bool ended)
{
	int64_t outcome = audit_outcome(&audit);

	CHECK(outcome == work->outcome || (!ended && !outcome));
	return outcome;
}

static struct step_trace record(size_t watched)
{
	struct step_trace trace;
	struct step step;

	victim_set_scene();
	victim_announce(victim_start(&step));
	step_record(&step, audit.file, watched, &trace);
	victim_outcome(true);
	audit_survive(&audit);
	audit_leaks(&audit);
	return trace;
}

/* Large copies change the ring thousands of times. */
struct step_trace victim_record(void)
{
	return record(work->least ? MMS_ROWS_OFFSET : audit.file_bytes);
}

struct step_trace victim_record_words(void)
{
	return record(MMS_ROWS_OFFSET);
}

unsigned long victim_state_after(const struct step_trace *trace,
				 unsigned long place, unsigned long every)
{
	unsigned long i;

	for (i = 0; i < every && place < trace->count; i++)
		place = step_place_after(trace, place, trace->count);
	return place;
}

unsigned long victim_stride(unsigned long usual)
{
	unsigned long stride =
		step_stride(work->stride > usual ? work->stride : usual);

	return stride < work->least ? work->least : stride;
}

unsigned long victim_second_stride(void)
{
	unsigned long stride = victim_stride(499);

	return work->comes && stride < 5 ? 5 : stride;
}
