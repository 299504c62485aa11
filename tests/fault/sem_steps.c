/* SPDX-License-Identifier: MIT */
/*
 * sem_steps.c - a semaphore's user is killed at every instruction
 *
 * At each place, alone or with others at work while the victim stands there, and
 * then the books are audited: every unit is where it belongs, nothing hangs,
 * nothing lies about.
 */
#include "handle.h"
#include "step.h"
#include "unit/sandbox.h"

#define NAME "s"
#define ALL  4U

/* What others do while the victim stands between two instructions. */
enum others {
	IDLE,
	PLAIN, /* take and post, so that the word names nobody */
	OWNED, /* the same as an owner, so that it names another */
	OTHERS_COUNT
};

static struct mmsock_sem *open_sem(unsigned flags)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	struct mmsock_sem *sem = NULL;

	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	options.flags = flags;
	options.spin_ns = 0;
	CHECK_INT(mmsock_sem_open(NAME, &options, &sem), 0);
	return sem;
}

static void create_sem(uint64_t value)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.value = value;
	options.slots = 8;
	CHECK_INT(mmsock_sem_create(NAME, &options), 1);
}

/* The victims. */

static struct mmsock_sem *victim;

static void hold(uint64_t units, unsigned flags)
{
	victim = open_sem(flags);
	if (units)
		CHECK_INT(mmsock_sem_wait(victim, units, 0), 0);
}

static void prepare_owner_of_one(void *context)
{
	(void)context;
	hold(1, MMSOCK_SEM_OWNED);
}

static void prepare_owner_of_three(void *context)
{
	(void)context;
	hold(3, MMSOCK_SEM_OWNED);
}

static void prepare_plain(void *context)
{
	(void)context;
	hold(0, 0);
}

static void prepare_nothing(void *context)
{
	(void)context;
}

static void take_two(void *context)
{
	(void)context;
	CHECK_INT(mmsock_sem_wait(victim, 2, 0), 0);
}

static void post_two(void *context)
{
	(void)context;
	CHECK_INT(mmsock_sem_post(victim, 2), 0);
}

static void post_one(void *context)
{
	(void)context;
	CHECK_INT(mmsock_sem_post(victim, 1), 0);
}

static void close_it(void *context)
{
	(void)context;
	mmsock_sem_close(victim);
}

static void wait_shortly(void *context)
{
	(void)context;
	CHECK_INT(mmsock_sem_wait(victim, 1, 3 * MS), -ETIMEDOUT);
}

static void look(void *context)
{
	(void)context;
	CHECK_INT(mmsock_sem_value(victim), ALL);
}

static void open_it(void *context)
{
	(void)context;
	victim = open_sem(MMSOCK_SEM_OWNED);
}

/* As who has found the dead owner does it, who is in the slot behind ours. */
static void settle(void *context)
{
	const struct mms_port *port = &((struct mmsock *)(void *)victim)->port;

	(void)context;
	CHECK_INT(mms_units_settle(&port->units, port->slot + 1), 3);
}

static void destroy_it(void *context)
{
	(void)context;
	CHECK_INT(mmsock_sem_destroy(victim), 0);
}

static void replace_it(void *context)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	(void)context;
	options.mode = MMSOCK_CREATE_NEW_OVERWRITE;
	options.value = ALL;
	CHECK_INT(mmsock_sem_create(NAME, &options), 1);
}

/* Owners. */

static void work_meanwhile(enum others others, struct mmsock_sem *plain,
			   struct mmsock_sem *owned)
{
	struct mmsock_sem *sem = others == PLAIN ? plain : owned;

	if (others == IDLE || mmsock_sem_wait(sem, 1, 0) == -EAGAIN)
		return;
	CHECK_INT(mmsock_sem_post(sem, 1), 0);
}

struct victim {
	void (*prepare)(void *context);
	void (*operation)(void *context);
	bool finds_dead; /* an owner of three units, in the next slot */
	bool is_long;    /* too long for every kind of others */
	unsigned long stride;
};

static void leave_dead_owner(void)
{
	struct step step;

	step_start(&step, prepare_owner_of_one, take_two, NULL);
	step_finish(&step);
}

static void start(struct step *step, const struct victim *who)
{
	step_start(step, who->prepare, who->operation, NULL);
	if (who->finds_dead)
		leave_dead_owner();
}

/* All that the victim holds comes back, and nothing that it does not. */
static bool kill_owner(const struct victim *who, enum others others,
		       const struct step_trace *trace, unsigned long at,
		       struct mmsock_sem *plain, struct mmsock_sem *owned)
{
	struct step step;
	bool ended;

	start(&step, who);
	ended = !step_to(&step, trace, at);
	work_meanwhile(others, plain, owned);
	step_kill(&step);
	CHECK_INT(inspect(NAME).value, ALL);
	CHECK_INT(mmsock_sem_value(plain), ALL);
	CHECK_INT(inspect(NAME).held, 0);
	CHECK_INT(mmsock_sem_wait(owned, ALL, 0), 0);
	CHECK_INT(mmsock_sem_wait(plain, 1, 0), -EAGAIN);
	CHECK_INT(mmsock_sem_post(owned, ALL), 0);
	return step.missed ? kill_owner(who, others, NULL, at, plain, owned)
			   : ended;
}

/* Where all the steps from the beginning would take too long. */
static struct step_trace record(const struct victim *who)
{
	struct step_trace trace;
	struct step step;
	char nothing = 0;

	start(&step, who);
	step_record(&step, &nothing, sizeof(nothing), &trace);
	return trace;
}

/* The instruction at which the victim changes the word, if all goes well. */
static unsigned long find_change(const struct victim *who)
{
	const unsigned char *file = map_file(join(getenv("MMSOCK_DIR"), NAME));
	const struct mms_pool *pool = (const void *)(file + MMS_POOL_OFFSET);
	unsigned long change;
	struct step step;

	start(&step, who);
	change = step_until_changed(&step, &pool->units);
	CHECK(change != ULONG_MAX);
	step_kill(&step);
	return change;
}

static void kill_owners(const struct victim *who)
{
	unsigned long stride = step_stride(who->stride);
	struct step_trace trace = {0};
	struct mmsock_sem *plain;
	struct mmsock_sem *owned;
	unsigned long hot = ULONG_MAX;
	unsigned long places = 0;
	unsigned long at;
	enum others others;

	fresh_dir();
	create_sem(ALL);
	plain = open_sem(0);
	owned = open_sem(MMSOCK_SEM_OWNED);
	if (who->is_long)
		trace = record(who);
	else
		hot = find_change(who);
	CHECK_INT(mmsock_sem_value(plain), ALL);
	for (others = IDLE; others < OTHERS_COUNT; others++) {
		for (at = 0;
		     !kill_owner(who, others, who->is_long ? &trace : NULL, at,
				 plain, owned) ||
		     at < trace.count;
		     at = step_next(at, stride, hot))
			places++;
	}
	printf("# killed %lu times in %lu instructions\n", places, at);
	step_forget(&trace);
	mmsock_sem_close(owned);
	mmsock_sem_close(plain);
}

static void test_taking(void)
{
	kill_owners(&(struct victim){.prepare = prepare_owner_of_one,
				     .operation = take_two,
				     .stride = 89});
}

static void test_posting(void)
{
	kill_owners(&(struct victim){.prepare = prepare_owner_of_three,
				     .operation = post_two,
				     .stride = 89});
}

static void test_closing(void)
{
	kill_owners(&(struct victim){.prepare = prepare_owner_of_three,
				     .operation = close_it,
				     .stride = 89});
}

static void test_settling(void)
{
	kill_owners(&(struct victim){.prepare = prepare_plain,
				     .operation = settle,
				     .finds_dead = true,
				     .stride = 89});
}

static void test_burying(void)
{
	kill_owners(&(struct victim){.prepare = prepare_plain,
				     .operation = look,
				     .finds_dead = true,
				     .is_long = true,
				     .stride = 499});
}

static void test_opening(void)
{
	kill_owners(&(struct victim){.prepare = prepare_nothing,
				     .operation = open_it,
				     .finds_dead = true,
				     .is_long = true,
				     .stride = 1999});
}

/* Posters and waiters. */

static void run_sleeper(struct kid *self, void *context)
{
	struct mmsock_sem *sem = open_sem(0);

	(void)context;
	/* A wake that dies with its waker costs a period of sleep. */
	((struct mmsock *)(void *)sem)->waiter.recheck_cap_ns = 10 * MS;
	tell(self);
	CHECK_INT(mmsock_sem_wait(sem, 1, MMSOCK_FOREVER), 0);
	tell(self);
	CHECK_INT(mmsock_sem_wait(sem, 1, MMSOCK_FOREVER), 0);
}

/* What is posted is posted whole or not at all, and a sleeper finds it. */
static bool kill_poster(unsigned long at)
{
	struct mmsock_sem *sem;
	struct step step;
	struct kid kid;
	uint64_t posted;
	bool ended;

	create_sem(0);
	sem = open_sem(0);
	kid_start(&kid, run_sleeper, NULL);
	CHECK(hear(&kid));
	await_sleeper(NAME, kid.pid, MMSOCK_UNITS);
	step_start(&step, prepare_plain, post_one, NULL);
	ended = !step_forward(&step, at);
	step_kill(&step);
	/* Ours is the second, or the first if the victim's never came. */
	CHECK_INT(mmsock_sem_post(sem, 1), 0);
	CHECK(hear(&kid));
	posted = inspect(NAME).value;
	CHECK(posted <= 1);
	CHECK_INT(mmsock_sem_post(sem, 1), 0);
	CHECK_INT(kid_reap(&kid), 0);
	posted = (uint64_t)mmsock_sem_value(sem);
	CHECK(ended ? posted == 1 : posted <= 1);
	CHECK_INT(mmsock_sem_destroy(sem), 0);
	mmsock_sem_close(sem);
	return ended;
}

static void test_posting_plain(void)
{
	unsigned long stride = step_stride(67);
	unsigned long hot;
	unsigned long at;

	fresh_dir();
	create_sem(ALL);
	hot = find_change(&(struct victim){.prepare = prepare_plain,
					   .operation = post_one});
	CHECK_INT(mmsock_sem_remove(NAME, NULL, MMSOCK_REMOVE_UNUSED), 0);
	for (at = 0; !kill_poster(at); at = step_next(at, stride, hot))
		;
	printf("# %lu instructions, change at %lu\n", at, hot);
}

static bool kill_waiter(struct mmsock_sem *sem, unsigned long at)
{
	struct step step;
	bool ended;

	step_start(&step, prepare_plain, wait_shortly, NULL);
	ended = !step_forward(&step, at);
	step_kill(&step);
	CHECK_INT(mmsock_sem_post(sem, 1), 0);
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), 0);
	CHECK_INT(mmsock_sem_value(sem), 0);
	return ended;
}

static void test_waiting(void)
{
	unsigned long stride = step_stride(167);
	struct mmsock_sem *sem;
	unsigned long at;

	fresh_dir();
	create_sem(0);
	sem = open_sem(0);
	for (at = 0; !kill_waiter(sem, at); at += stride)
		;
	printf("# %lu instructions, %lu apart\n", at, stride);
	mmsock_sem_close(sem);
}

/* Names. */

/* It is there and works, or gone and its users are told. */
static bool kill_destroyer(unsigned long at)
{
	struct mmsock_sem *sem;
	struct step step;
	bool ended;
	int r;

	create_sem(0);
	sem = open_sem(0);
	step_start(&step, prepare_plain, destroy_it, NULL);
	ended = !step_forward(&step, at);
	step_kill(&step);
	if (inode_of(join(getenv("MMSOCK_DIR"), NAME))) {
		CHECK(!ended);
		CHECK_INT(mmsock_sem_post(sem, 1), 0);
		CHECK_INT(mmsock_sem_wait(sem, 1, 0), 0);
		CHECK_INT(mmsock_sem_destroy(sem), 0);
	} else {
		r = mmsock_sem_wait(sem, 1, 5 * SECOND);
		CHECK_INT(r, -EIDRM);
	}
	mmsock_sem_close(sem);
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), 0);
	return ended;
}

static void test_destroying(void)
{
	unsigned long stride = step_stride(397);
	unsigned long at;

	fresh_dir();
	for (at = 0; !kill_destroyer(at); at += stride)
		;
	printf("# %lu instructions, %lu apart\n", at, stride);
}

/* The old one or the new one, whole; the next creator sweeps the rest. */
static bool kill_replacer(const struct step_trace *trace, unsigned long at)
{
	struct mmsock_sem *sem;
	struct step step;
	int64_t value;
	bool ended;
	int r;

	create_sem(0);
	sem = open_sem(0);
	step_start(&step, prepare_nothing, replace_it, NULL);
	ended = !step_to(&step, trace, at);
	step_kill(&step);
	value = (int64_t)inspect(NAME).value;
	CHECK(value == 0 || value == ALL);
	if (value) {
		r = mmsock_sem_wait(sem, 1, 5 * SECOND);
		CHECK_INT(r, -ESTALE);
	} else {
		CHECK(!ended);
		CHECK_INT(mmsock_sem_post(sem, 1), 0);
	}
	mmsock_sem_close(sem);
	CHECK_INT(mmsock_sem_remove(NAME, NULL, MMSOCK_REMOVE_UNUSED), 0);
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), 0);
	return step.missed ? kill_replacer(NULL, at) : ended;
}

static void test_replacing(void)
{
	const struct victim who = {.prepare = prepare_nothing,
				   .operation = replace_it};
	unsigned long stride = step_stride(997);
	struct step_trace trace;
	unsigned long at;

	fresh_dir();
	create_sem(0);
	trace = record(&who);
	CHECK_INT(mmsock_sem_remove(NAME, NULL, MMSOCK_REMOVE_UNUSED), 0);
	for (at = 0; !kill_replacer(&trace, at) || at < trace.count;
	     at += stride)
		;
	step_forget(&trace);
	printf("# %lu instructions, %lu apart\n", at, stride);
}

static const struct check_case cases[] = {
	{"an owner is killed taking", test_taking},
	{"an owner is killed posting", test_posting},
	{"an owner is killed closing", test_closing},
	{"who gives back for the dead is killed", test_settling},
	{"who looks for the dead is killed", test_burying},
	{"who opens in the place of the dead is killed", test_opening},
	{"a poster is killed", test_posting_plain},
	{"a waiter is killed", test_waiting},
	{"who destroys is killed", test_destroying},
	{"who replaces is killed", test_replacing},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
