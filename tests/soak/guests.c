/* SPDX-License-Identifier: MIT */
/*
 * guests.c - users of one semaphore, in owned mode
 *
 * Never more units inside than there are, and all of them there at the end.  Who
 * counts finds those who died inside, and whose units others have by now, until
 * the chaos has buried them.  So he counts twice, and where it was too much both
 * times and nothing had changed in between, waits until each of whom he counted
 * has moved on or was buried: only if none was, they all were inside.
 */
#include "soak.h"

#define UNITS_INSIDE UINT64_C(0xff)

void guests_prepare(void)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.value = ROOM_UNITS;
	options.maximum = ROOM_UNITS;
	options.slots = 8;
	CHECK_INT(mmsock_sem_create(SEMAPHORE, &options), 1);
}

static void set_inside(struct seat *seat, uint64_t units)
{
	uint64_t old = atomic_load(&seat->inside);

	atomic_store(&seat->inside, ((old & ~UNITS_INSIDE) + 0x100) | units);
}

/* Units of all guests, as their seats say. */
static uint64_t look_round(uint64_t *seen)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < SEATS_MAX; i++) {
		seen[i] = atomic_load(&world->seats[i].inside);
		sum += seen[i] & UNITS_INSIDE;
	}
	return sum;
}

/* One whom we saw inside has moved on: was he alive? */
static bool was_alive(unsigned i, uint64_t seen)
{
	uint64_t now = atomic_load(&world->seats[i].inside);

	while (now == seen) {
		nap(MS);
		now = atomic_load(&world->seats[i].inside);
	}
	return now >> 48 == seen >> 48;
}

static void count_inside(const struct seat *self)
{
	uint64_t first[SEATS_MAX];
	uint64_t again[SEATS_MAX];
	uint64_t sum = look_round(first);
	unsigned i;

	if (sum <= ROOM_UNITS)
		return;
	look_round(again);
	if (memcmp(first, again, sizeof(first)))
		return;
	for (i = 0; i < SEATS_MAX; i++) {
		if (&world->seats[i] != self && first[i] & UNITS_INSIDE &&
		    !was_alive(i, first[i]))
			return;
	}
	wrong(UNITS, "%" PRIu64 " units are inside at a time", sum);
}

static struct mmsock_sem *volatile sem_in_use;

static void interrupt(int number)
{
	struct mmsock_sem *sem = sem_in_use;

	(void)number;
	if (sem)
		mmsock_sem_interrupt(sem);
}

static int64_t some_timeout(uint64_t *random)
{
	switch (random_below(random, 4)) {
	case 0:
		return (int64_t)random_below(random, 20 * MS);
	case 1:
		return 0;
	default:
		return MMSOCK_FOREVER;
	}
}

/* True where units were had. */
static bool enter(struct seat *seat, struct mmsock_sem *sem, uint64_t units,
		  uint64_t *random)
{
	int r;

	call_begin(seat, "mmsock_sem_wait");
	r = mmsock_sem_wait(sem, units, some_timeout(random));
	call_end(seat, !r);
	if (!r)
		return true;
	if (r != -EAGAIN && r != -ETIMEDOUT && r != -EINTR)
		wrong(CLEAN, "mmsock_sem_wait: %s", mmsock_error_text(r));
	return false;
}

static void be_inside(struct seat *seat, uint64_t units, uint64_t *random)
{
	set_inside(seat, units);
	count_inside(seat);
	if (!random_below(random, 4))
		nap((int64_t)random_below(random, 2 * MS));
	set_inside(seat, 0);
	atomic_fetch_add(&world->totals.units, units);
}

/* Units are given back by a post, or by closing. */
static void visit(struct seat *seat, struct mmsock_sem *sem, uint64_t *random)
{
	uint64_t rounds = random_below(random, 200);
	uint64_t units;
	int r;

	while (rounds-- > 0 && going_on()) {
		units = 1 + random_below(random, 2);
		if (!enter(seat, sem, units, random))
			continue;
		be_inside(seat, units, random);
		if (!rounds)
			return;
		r = mmsock_sem_post(sem, units);
		if (r)
			wrong(CLEAN, "mmsock_sem_post: %s",
			      mmsock_error_text(r));
		if (!random_below(random, 16))
			nap((int64_t)random_below(random, MS));
	}
}

void run_guest(struct seat *seat, uint64_t random)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	struct mmsock_sem *sem;
	int r;

	on_interrupt(interrupt);
	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	options.flags = MMSOCK_SEM_OWNED;
	while (going_on()) {
		options.spin_ns =
			random_below(&random, 2) ? MMSOCK_SPIN_ADAPTIVE : 0;
		r = mmsock_sem_open(SEMAPHORE, &options, &sem);
		if (r) {
			wrong(CLEAN, "the semaphore cannot be opened: %s",
			      mmsock_error_text(r));
			return;
		}
		sem_in_use = sem;
		visit(seat, sem, &random);
		sem_in_use = NULL;
		mmsock_sem_close(sem);
	}
}

/* With all guests gone, all units are there. */
void guests_audit(void)
{
	struct mmsock_info info = {.size = sizeof(info)};
	int r = mmsock_inspect(SEMAPHORE, NULL, &info);

	if (r)
		wrong(UNITS, "the semaphore cannot be looked at: %s",
		      mmsock_error_text(r));
	else if (info.value != ROOM_UNITS || info.held || info.participants)
		wrong(UNITS,
		      "%" PRIu64 " of %u units are left, %" PRIu64
		      " held by %u users",
		      info.value, ROOM_UNITS, info.held, info.participants);
}
