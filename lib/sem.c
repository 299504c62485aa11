/* SPDX-License-Identifier: MIT */
/*
 * sem.c - semaphores: open, take units or wait for them, give units
 *
 * A semaphore's handle is a port's without a ring, and a wait is the same three
 * steps: try; if it cannot be done, wait; try again.  What moves units and what
 * is noted of their owners is in units.c, who is dead in peer.c.
 *
 * A wait sleeps on the event that receivers sleep on.  A post of n units wakes n
 * waiters, unless somebody has ever waited for several at once: then one wake
 * could be spent on a waiter for whom that is too little, beside another for whom
 * it would do, and all are woken.  He says so before he announces himself:
 *
 *	waiter for two                  giver of one
 *	--------------                  ------------
 *	wide = 1
 *	announces          [W1]         gives
 *	full fence                      full fence       [F7]
 *	looks again                     loads asked, wide
 *
 * A giver who does not see wide comes before that announcement, so that the
 * waiter's second look sees the unit; he then sleeps only if it is too little for
 * him, and is not who should be woken for it.  But he may be who is:
 *
 *	waiter for one          waiter for two          giver of one
 *	--------------          --------------          ------------
 *	sleeps
 *	                                                gives
 *	                                                loads asked; wide is 0
 *	                                                raises turn
 *	                        wide = 1
 *	                        sleeps
 *	                                                wakes one
 *
 * The kernel mostly takes those first who came first, but real-time ones before
 * all others.  So the giver looks at wide again when he has woken one, and wakes
 * the rest: whoever was there to take the wake has said so before.
 *
 * Nothing tells a waiter that an owner has died, so where there are owners he
 * looks for himself: before his first sleep, and 90 ms after each look.  The first
 * owner who comes wakes those who sleep for longer than that.
 */
#include <errno.h>
#include <stdlib.h>

#include "admin.h"
#include "cancel.h"
#include "deadline.h"
#include "handle.h"

/* Within the 100 ms that a death may take to be noticed. */
#define BURY_PERIOD_NS (INT64_C(90) * 1000 * 1000)

/* The name is looked at every 100 ms, the clock every 16 units. */
#define LOOK_PERIOD_NS (INT64_C(100) * 1000 * 1000)
#define LOOK_UNITS     16U

struct mmsock_sem {
	struct mmsock handle; /* first: tests reach for it */
	int64_t buried_ns;    /* when we last looked for dead owners */
	/* At the name; by a post from another thread or a signal handler, too. */
	_Atomic uint64_t looked_ns;
};

/* Somebody on his way through too few units. */
struct unit_wait {
	struct mmsock_sem *sem;
	uint64_t units;
	struct mms_limit limit;
	int64_t began_ns; /* spinning; 0: not since the last sleep */
	int waited;       /* how the last wait ended, where it failed */
	bool rechecked;   /* a period of sleep is over: no use in a spin */
	bool sees_owners; /* and wakes early to look for dead ones */
};

/* Where the sentence for ports would be wrong. */
static int explain(int error)
{
	static const struct {
		int error;
		const char *text;
	} sentences[] = {
		{-EBADMSG, "the semaphore's contents are not valid"},
		{-EBUSY, "the semaphore is in use"},
		{-EEXIST, "the name is taken"},
		{-EIDRM, "the semaphore was removed"},
		{-ENOENT, "no such semaphore"},
		{-ENOTSOCK, "the file is no semaphore"},
		{-EPERM, "the handle does not hold so many units"},
		{-ESTALE, "the semaphore was replaced by a new one of the same "
			  "name"},
	};
	size_t i;

	for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		if (sentences[i].error == error && !mms_noted(error))
			return mms_fail(error, "%s", sentences[i].text);
	}
	return error;
}

static int leave(struct mmsock_sem *sem, int result)
{
	if (result < 0 && result != -EAGAIN)
		explain(result);
	return mms_leave(&sem->handle, result);
}

/* A plain rm(1): looked for when the time has come, and in slow paths. */
static void look(struct mmsock_sem *sem)
{
	uint64_t now = (uint64_t)mms_coarse_ns();

	if (now - mms_load(&sem->looked_ns) < LOOK_PERIOD_NS)
		return;
	mms_store(&sem->looked_ns, now);
	mms_port_check_link(&sem->handle.port);
}

/* In a counter of our row, by which the looks at the clock are timed. */
static inline void count(struct mmsock_sem *sem, _Atomic uint64_t *counter,
			 uint64_t units)
{
	uint64_t before = mms_load(counter);

	mms_store(counter, before + units);
	if ((before ^ (before + units)) / LOOK_UNITS)
		look(sem);
}

static inline int take(struct mmsock_sem *sem, uint64_t units)
{
	int r = mms_port_gone(&sem->handle);

	if (r)
		return r;
	return mms_units_take(&sem->handle.port.units, units);
}

static bool there_are_owners(const struct mmsock_sem *sem)
{
	return mms_load(&sem->handle.port.units.pool->owners) != 0;
}

/* Give back what the dead hold, if it is time to look; true if there was any. */
static bool bury(struct mmsock_sem *sem, bool now)
{
	int64_t now_ns;

	if (!there_are_owners(sem))
		return false;
	now_ns = mms_now_ns();
	if (!now && sem->buried_ns && now_ns - sem->buried_ns < BURY_PERIOD_NS)
		return false;
	sem->buried_ns = now_ns;
	return mms_peer_bury_owners(&sem->handle.port);
}

static bool units_are_there(void *context)
{
	const struct unit_wait *wait = context;
	const struct mmsock *handle = &wait->sem->handle;

	return mms_units_value(mms_load(&handle->port.units.pool->units)) >=
		       wait->units ||
	       mms_port_gone(handle) ||
	       (!wait->sees_owners && there_are_owners(wait->sem));
}

/* The longest sleep from now on. */
static int64_t period(const struct unit_wait *wait)
{
	int64_t left;

	if (!wait->sees_owners)
		return MMS_RECHECK_ANY_NS;
	left = wait->sem->buried_ns + BURY_PERIOD_NS - mms_now_ns();
	return left > 0 ? left : 0;
}

/*
 * Spin for the word to change; false when it is time to sleep.  Where others take
 * what comes, every change begins a new spin, and all of them share one budget.
 */
static bool spin(struct unit_wait *wait, const struct mms_watch *watch,
		 int64_t deadline_ns)
{
	struct mmsock *handle = &wait->sem->handle;
	int r;

	if (wait->rechecked)
		return false;
	if (!wait->began_ns)
		wait->began_ns = mms_now_ns();
	else if (mms_now_ns() - wait->began_ns > handle->patience.now_ns)
		return false;
	if (!mms_wait_spin(&handle->waiter, &handle->patience, watch,
			   deadline_ns))
		return false;
	r = mms_wait_changed(deadline_ns);
	if (r < 0)
		wait->waited = r;
	return true;
}

static void sleep_on(struct unit_wait *wait, struct mms_watch *watch,
		     int64_t deadline_ns)
{
	struct mmsock *handle = &wait->sem->handle;
	int r;

	if (wait->units > 1)
		mms_store(&handle->port.units.pool->wide, 1);
	watch->recheck_ns = period(wait);
	r = mms_wait_sleep(&handle->waiter, &handle->patience, watch,
			   deadline_ns);
	if (r < 0)
		wait->waited = r;
	wait->rechecked =
		r == MMS_WAIT_RECHECK && !handle->patience.never_sleep;
	wait->began_ns = 0;
}

/* After a try that found too few: 0 to try again, or why not. */
static int wait_for_units(struct unit_wait *wait)
{
	struct mmsock *handle = &wait->sem->handle;
	struct mms_watch watch =
		mms_watch_for(&handle->port.control->signals.data, MMSOCK_UNITS,
			      units_are_there, wait);
	bool waits = wait->limit.timeout_ns && !wait->waited;
	int64_t deadline = waits ? mms_limit_deadline(&wait->limit) : 0;
	int r;

	watch.word = &handle->port.units.pool->units;
	watch.idle = mms_load(watch.word);
	if (mms_units_value(watch.idle) >= wait->units)
		return 0;
	wait->sees_owners = there_are_owners(wait->sem);
	if (waits && spin(wait, &watch, deadline))
		return 0;
	look(wait->sem);
	r = mms_port_gone(handle);
	if (r)
		return r;
	if (bury(wait->sem, !wait->limit.timeout_ns))
		return 0;
	if (!waits)
		return wait->waited ? wait->waited : -EAGAIN;
	sleep_on(wait, &watch, deadline);
	return 0;
}

static int take_slowly(struct mmsock_sem *sem, uint64_t units,
		       int64_t timeout_ns)
{
	struct unit_wait wait = {
		.sem = sem,
		.units = units,
		.limit.timeout_ns = timeout_ns,
	};
	int r;

	do {
		r = wait_for_units(&wait);
		if (r)
			return r;
		r = take(sem, units);
	} while (r == -EAGAIN);
	return r;
}

static int refuse_units(const struct mms_port *port)
{
	return mms_fail(-EINVAL,
			"a wait is for 1 to %llu units: there are never more",
			(unsigned long long)port->units.maximum);
}

int mmsock_sem_wait(struct mmsock_sem *sem, uint64_t units, int64_t timeout_ns)
{
	struct mms_port *port = &sem->handle.port;
	int r = mms_enter(&sem->handle, 0, MMS_NO_LOAN);

	if (r)
		return r;
	if (units - 1 >= port->units.maximum)
		return leave(sem, refuse_units(port));
	r = take(sem, units);
	if (r == -EAGAIN)
		r = take_slowly(sem, units, timeout_ns);
	if (r)
		return leave(sem, r);
	count(sem, &port->row->received, units);
	return mms_leave(&sem->handle, 0);
}

static inline int give(struct mmsock_sem *sem, uint64_t units)
{
	struct mms_port *port = &sem->handle.port;
	int r = mms_port_gone(&sem->handle);

	if (r)
		return r;
	if (!units)
		return -EINVAL;
	r = mms_units_give(&port->units, units);
	if (r)
		return r;
	mms_peer_wake_units(port, units);
	count(sem, &port->row->sent, units);
	return 0;
}

int mmsock_sem_post(struct mmsock_sem *sem, uint64_t units)
{
	int r;

	/* From a signal handler: neither the busy mark nor a sentence. */
	if (!sem->handle.port.units.owned)
		return mms_forked(sem->handle.fork_token) ? -ECHILD
							  : give(sem, units);
	r = mms_enter(&sem->handle, 0, MMS_NO_LOAN);
	return r ? r : leave(sem, give(sem, units));
}

int64_t mmsock_sem_value(struct mmsock_sem *sem)
{
	const struct mms_units *units = &sem->handle.port.units;
	int r = mms_enter(&sem->handle, 0, MMS_NO_LOAN);
	uint64_t word;

	if (r)
		return r;
	look(sem);
	r = mms_port_gone(&sem->handle);
	if (r)
		return leave(sem, r);
	bury(sem, true);
	word = mms_load(&units->pool->units);
	if (!mms_units_are_plausible(units, word))
		r = -EBADMSG;
	return leave(sem, r ? r : (int)mms_units_value(word));
}

int mmsock_sem_destroy(struct mmsock_sem *sem)
{
	MMS_HOLD_CANCEL;
	int r = mms_enter(&sem->handle, 0, MMS_NO_LOAN);

	if (r)
		return r;
	r = mms_port_gone(&sem->handle);
	if (r)
		return leave(sem, r);
	r = mms_admin_destroy(&sem->handle.port);
	if (r == -ENOENT || r == -ESTALE) {
		/* Somebody was faster, and perhaps has not said so. */
		mms_port_check_link(&sem->handle.port);
		if (mms_port_gone(&sem->handle))
			r = mms_port_gone(&sem->handle);
	}
	return leave(sem, r);
}

int mmsock_sem_remove(const char *name, const char *dir,
		      enum mmsock_remove_when when)
{
	MMS_HOLD_CANCEL;
	int r = mms_admin_remove(name, dir, when, MMS_TYPE_SEMAPHORE);

	return r ? mms_failed(explain(r)) : 0;
}

void mmsock_sem_interrupt(struct mmsock_sem *sem)
{
	mmsock_interrupt(&sem->handle);
}

static int read_options(const struct mmsock_sem_options *given,
			struct mmsock_sem_options *ret_options)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	if (given) {
		if (given->size != sizeof(options))
			return mms_fail(-EINVAL,
					"the options were not initialised with "
					"MMSOCK_SEM_OPTIONS_INIT");
		options = *given;
	}
	if (options.flags & ~(unsigned)MMSOCK_SEM_OWNED)
		return mms_fail(-EINVAL, "flags %u are not known",
				options.flags);
	*ret_options = options;
	return 0;
}

static struct mms_opening opening_for(const struct mmsock_sem_options *options)
{
	bool owned = options->flags & MMSOCK_SEM_OWNED;

	return (struct mms_opening){
		.dir = options->dir,
		.mode = options->mode,
		.role = owned ? MMSOCK_OWNER : MMSOCK_PLAIN,
		.spin_ns = options->spin_ns,
		.sem = options,
	};
}

int mmsock_sem_open(const char *name, const struct mmsock_sem_options *options,
		    struct mmsock_sem **ret_sem)
{
	MMS_HOLD_CANCEL;
	struct mmsock_sem_options checked = MMSOCK_SEM_OPTIONS_INIT;
	struct mms_opening opening;
	struct mmsock_sem *sem;
	int r;

	r = read_options(options, &checked);
	if (r)
		return mms_failed(r);
	sem = calloc(1, sizeof(*sem));
	if (!sem)
		return mms_failed(-ENOMEM);
	opening = opening_for(&checked);
	r = mms_open_handle(&sem->handle, name, &opening);
	if (r) {
		free(sem);
		return mms_failed(explain(r));
	}
	*ret_sem = sem;
	return 0;
}

int mmsock_sem_create(const char *name,
		      const struct mmsock_sem_options *options)
{
	MMS_HOLD_CANCEL;
	struct mmsock_sem_options checked = MMSOCK_SEM_OPTIONS_INIT;
	struct mms_opening opening;
	int r = read_options(options, &checked);

	if (!r) {
		opening = opening_for(&checked);
		r = mms_create(name, &opening);
	}
	return r < 0 ? mms_failed(explain(r)) : r;
}

void mmsock_sem_close(struct mmsock_sem *sem)
{
	MMS_HOLD_CANCEL;
	int saved = errno;

	if (!sem)
		return;
	mms_close_handle(&sem->handle);
	free(sem);
	errno = saved;
}
