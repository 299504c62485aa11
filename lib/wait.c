/* SPDX-License-Identifier: MIT */
/*
 * wait.c - spin, announce, look again, sleep; wake who announced
 *
 * A message costs a few dozen nanoseconds, a system call hundreds, and a wake
 * across CPUs tens of thousands.  So a waiter polls for a bounded time first,
 * and a waker enters the kernel only if somebody has said that he may sleep.
 *
 * The one danger is the lost wake-up.  The losing interleaving, with a waker
 * that looks for sleepers and a waiter that looks for work:
 *
 *	waiter                          waker
 *	------                          -----
 *	looks: nothing there
 *	                                commits the message
 *	                                looks: nobody asleep
 *	says that he sleeps
 *	sleeps beside a message
 *
 * Both store one word and load the other's, so both need a full fence between:
 * then at least one of the two sees what the other did.
 *
 *	waiter                          waker
 *	------                          -----
 *	reads turn                      commits
 *	announces          [W1]         full fence         [W2]
 *	full fence                      loads asked
 *	looks again                     raises turn, wakes
 *	sleeps while turn is
 *	what he read
 *
 * If the waker's load misses the announcement, the waiter's second look comes
 * after the commit and finds it.  If the waker sees the announcement, it raises
 * turn: before the waiter calls the kernel, and the kernel refuses the sleep, or
 * after, and the wake finds him.
 *
 * One flag is not enough for two sleepers.  A waker that clears "somebody
 * sleeps" and then wakes one of two leaves the other asleep with the flag
 * clear: every later waker believes that nobody sleeps.  A waker that is stopped
 * between clearing and waking does the same to everyone.  So there are two
 * words:
 *
 *  asked  bit 0 says that someone may sleep; the other bits count
 *         announcements.  Cleared only after a wake that found fewer sleepers
 *         than it looked for, and only by compare-and-swap against the very
 *         value that was loaded before the wake: an announcement in between
 *         raises the count and makes it fail.
 *  turn   the word that the kernel compares.  Only wakers change it.
 *
 * Invariant: bit 0 clear means that nobody sleeps, whoever dies or stops where.
 * What dead sleepers leave behind costs one futile system call.
 *
 * What is not guaranteed: a wake that is spent on somebody who is killed or
 * stopped before he looks is lost for that message, and a waker can die between
 * its commit and its wake.  Every sleep is therefore cut into periods (a second,
 * or 50 ms where the wait is for one named participant) after which the waiter
 * looks for himself; what it finds then is counted as a late wake.  Tests switch
 * the periods off (no_recheck), because they would hide mistakes.
 *
 * Labels of this file: W1 with the wakers' fences F1 to F10 in handle.h, mmsock.c,
 * peer.c, port.c and recv.c; W2, the load that follows those, is in wait.h; W3
 * with the committing stores of ring.c and lock.h; W4 with W5, W6.
 */
#include "wait.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <unistd.h>

#include "atomic.h"
#include "deadline.h"
#include "futex.h"
#include "mmsock.h"

/*
 * The spin: polls with a pause each, then the CPU is offered to others, which is
 * what makes a round trip between two processes on one CPU take 2-4 us and not
 * two spin budgets.  A yield that finds nobody to run takes 0.2-0.5 us, though,
 * longer than most answers from another CPU: two partners who are both in a yield
 * when the message comes stay so, at 2-3 us a round trip and not 0.2.  So the
 * stretch of polls doubles with each yield that was in vain, and is short again
 * after one in which somebody ran: then the partner is most likely on our own CPU
 * and waits for us to get out of his way.  The shortest stretch is a single poll,
 * since a pause alone takes from 25 to 60 ns: with 16, a round trip on one CPU
 * took 3.2 us on a machine where it now takes 2.2.
 *
 * Callers of one service, though, on a CPU that is not its server's, teach each other
 * the shortest stretch: there is always somebody else to run, who waits as well, and
 * each answer then costs a switch between processes, a microsecond and more, while it
 * took the server a third of that.  So now and then a caller's wait tries a stretch in
 * which such an answer comes, and where it did, the next ones poll for long, until one
 * is in vain.  Whoever is that lucky 128 times in a row, some fifty microseconds, gives
 * way once, so that the others get their turn.  16 callers on one CPU and a server on
 * the other: 0.55 -> 2.1 million calls a second.  The try is due by time and not by
 * count: an unlucky caller among lucky ones waits seldom, but long.  Those who stream
 * do not try: who gives way now and then takes more at once.
 */
#define POLLS_LEAST     1U
#define POLLS_MOST      256U
#define POLLS_TRIED     128U
#define TRY_PERIOD_NS   (INT64_C(2000) * 1000)
#define WAITS_A_TURN    128U
#define TURN_OF_LUCK    64U
#define SOMEBODY_RAN_NS INT64_C(1000)

/*
 * 50 us is the price of a wake across CPUs (20-60 us), so a spin of that length at
 * most doubles the cost of a wait that fails; 1 ms is the most that ever pays.
 */
#define BUDGET_START_NS   (INT64_C(50) * 1000)
#define BUDGET_FLOOR_NS   (INT64_C(4) * 1000)
#define BUDGET_CEILING_NS (INT64_C(1000) * 1000)
#define SHORT_SLEEP_NS    (4 * BUDGET_START_NS)
#define GRACE_START_NS    (BUDGET_CEILING_NS / 2)

#define ASKED_STEP 2U

#define ACTIVITY(activity, object) ((unsigned)(activity) | (object) << 8)

/*
 * Nobody else can run while we spin.  Not so for a process that is bound to one
 * CPU of several: its partner may be bound to another, and where they share one
 * the yields in the spin do what is needed.  The online CPUs are counted in a
 * file, so they are only asked for when our own are not answer enough.
 */
static bool only_one_cpu(void)
{
	cpu_set_t allowed;

	if (!sched_getaffinity(0, sizeof(allowed), &allowed) &&
	    CPU_COUNT(&allowed) > 1)
		return false;
	return sysconf(_SC_NPROCESSORS_ONLN) == 1;
}

void mms_budget_init(struct mms_budget *budget, int64_t spin_ns)
{
	budget->adaptive = spin_ns < 0;
	budget->polls = POLLS_LEAST;
	budget->alone = budget->adaptive && only_one_cpu();
	budget->special = budget->alone;
	budget->ceiling_ns = budget->adaptive ? BUDGET_CEILING_NS : spin_ns;
	budget->now_ns = budget->adaptive ? BUDGET_START_NS : spin_ns;
	budget->never_sleep = spin_ns == MMSOCK_SPIN_ONLY;
	if (budget->alone)
		budget->now_ns = 0;
}

/*
 * A spin that had to use more than half of its budget was nearly too short:
 * double it.  One that failed was in vain: halve it.  In between it stays, so
 * that the budget settles at two to four times the usual wait and a partner who
 * falls silent costs no more than that.  Any success brings it back to where it
 * began, though: among partners who stream, the one spin in thousands that fails,
 * because the host had the other CPU for a moment, must not make a sleep of every
 * later hesitation.  With sleeps that took the host a millisecond to end, a
 * stream went at a third of its speed.
 */
static void adapt(struct mms_budget *budget, bool success, int64_t took_ns)
{
	if (!budget->adaptive || budget->alone)
		return;
	if (!success)
		budget->now_ns /= 2;
	else if (took_ns > budget->now_ns / 2 ||
		 budget->now_ns < BUDGET_START_NS)
		budget->now_ns *= 2;
	if (budget->now_ns < BUDGET_FLOOR_NS)
		budget->now_ns = BUDGET_FLOOR_NS;
	if (budget->now_ns > budget->ceiling_ns)
		budget->now_ns = budget->ceiling_ns;
}

/*
 * A sleep that was hardly longer than a wake takes was a spin too short.  Without
 * this, two partners who once fell asleep on each other would go on doing so: each
 * answer then takes a wake, and no spin of a few microseconds ever sees one.
 */
static void learn_from_sleep(struct mms_budget *budget, int64_t slept_ns)
{
	if (budget->adaptive && !budget->alone && slept_ns < SHORT_SLEEP_NS &&
	    budget->now_ns < BUDGET_START_NS)
		budget->now_ns = BUDGET_START_NS;
}

/*
 * Whom this thread has woken cannot answer before he runs, which takes 20-60 us,
 * and hundreds on a host that has lent his CPU to somebody else.  Until then a
 * spin is not in vain: two partners who have fallen asleep on each other where a
 * wake takes longer than any budget would stay so, at two wakes an answer.  So the
 * next wait, for whatever it is, spins on for a time of grace from the wake on,
 * which is learned as budgets are.
 */
static _Thread_local struct {
	int64_t woke_ns;
	int64_t grace_ns;
} errand = {.grace_ns = GRACE_START_NS};

/* How much longer whom we woke may need; negative where that is over. */
static int64_t grace_left(const struct mms_budget *budget, int64_t now_ns)
{
	if (!budget->adaptive || budget->alone)
		return -1;
	return errand.woke_ns + errand.grace_ns - now_ns;
}

static void learn_from_errand(bool success)
{
	if (success && errand.grace_ns < BUDGET_CEILING_NS)
		errand.grace_ns *= 2;
	else if (!success && errand.grace_ns > BUDGET_FLOOR_NS)
		errand.grace_ns /= 2;
	errand.woke_ns = 0;
}

/* [W3] pairs with [R1], [R3], [L2]: we see what goes with the new value. */
static bool changed(const struct mms_watch *watch)
{
	return mms_glance_acquire(watch->word) != watch->idle;
}

/*
 * The line that will be read next is fetched with the word: both are then on
 * their way at the same time, and not one after the other.
 */
static bool poll_some(const struct mms_watch *watch, unsigned polls)
{
	while (polls-- > 0) {
		__builtin_prefetch(watch->along);
		if (changed(watch))
			return true;
		mms_cpu_relax();
	}
	return false;
}

/* Somebody ran when we gave way. */
static void shorten(struct mms_budget *budget, int64_t now_ns)
{
	if (budget->tries && (now_ns - budget->tried_ns >= TRY_PERIOD_NS ||
			      budget->turn >= TURN_OF_LUCK)) {
		budget->special = true;
		budget->tried_ns = now_ns;
	}
	budget->polls = POLLS_LEAST;
	budget->lucky = false;
	budget->turn = 0;
}

/* Offer the CPU, and learn whether somebody wanted it.  Returns the time. */
static int64_t yield_from(struct mms_budget *budget, int64_t start_ns)
{
	int64_t now;

	mms_yield();
	now = mms_now_ns();
	if (now - start_ns >= SOMEBODY_RAN_NS)
		shorten(budget, now);
	else if (budget->polls < POLLS_MOST)
		budget->polls *= 2;
	return now;
}

static bool interrupt_pending(const struct mms_waiter *waiter)
{
	return mms_load32(&waiter->interrupt->asked) != 0;
}

static void show(const struct mms_waiter *waiter, unsigned activity)
{
	mms_store32(&waiter->row->activity, activity);
}

/* The part of a spin that is worth a clock: rounds of polls and yields. */
static bool spin_rounds(const struct mms_waiter *waiter,
			struct mms_budget *budget,
			const struct mms_watch *watch, int64_t deadline_ns)
{
	int64_t start = mms_now_ns();
	int64_t grace = grace_left(budget, start);
	int64_t most = grace > budget->now_ns ? grace : budget->now_ns;
	int64_t now = start;
	bool success;

	if (most > watch->recheck_ns)
		most = watch->recheck_ns;
	show(waiter, ACTIVITY(MMSOCK_SPINNING, watch->object));
	for (;;) {
		now = yield_from(budget, now);
		success = changed(watch) || watch->ready(watch->context);
		if (success || interrupt_pending(waiter))
			break;
		if (now - start >= most || now >= deadline_ns)
			break;
		success = poll_some(watch, budget->polls);
		if (success)
			break;
		now = mms_now_ns();
	}
	show(waiter, 0);
	now = mms_now_ns();
	mms_bump(&waiter->row->blocked_ns, (uint64_t)(now - start));
	if (grace > budget->now_ns)
		learn_from_errand(success);
	adapt(budget, success, now - start);
	return success;
}

/* A try that was not in vain. */
static void begin_turn(struct mms_budget *budget)
{
	budget->polls = POLLS_MOST;
	budget->lucky = true;
	budget->turn = 0;
}

static void count_turn(struct mms_budget *budget)
{
	int64_t start;

	if (++budget->turn < WAITS_A_TURN)
		return;
	budget->turn = 0;
	start = mms_now_ns();
	mms_yield();
	budget->lucky = mms_now_ns() - start >= SOMEBODY_RAN_NS;
	budget->special = budget->lucky;
}

/* Kept out of the way of those who have a CPU to themselves. */
static __attribute__((noinline)) bool
poll_specially(struct mms_budget *budget, const struct mms_watch *watch)
{
	if (budget->alone)
		return poll_some(watch, 1);
	if (!poll_some(watch, budget->lucky ? budget->polls : POLLS_TRIED)) {
		budget->special = false;
		return false;
	}
	if (budget->lucky)
		count_turn(budget);
	else
		begin_turn(budget);
	return true;
}

bool mms_wait_spin(const struct mms_waiter *waiter, struct mms_budget *budget,
		   const struct mms_watch *watch, int64_t deadline_ns)
{
	bool found;

	if (budget->ceiling_ns == 0)
		return changed(watch);
	found = budget->special ? poll_specially(budget, watch)
				: poll_some(watch, budget->polls);
	if (found) {
		if (budget->now_ns < BUDGET_START_NS)
			adapt(budget, true, 0);
		return true;
	}
	return spin_rounds(waiter, budget, watch, deadline_ns);
}

/* Set the bit and raise the count in one step, each time. */
static void announce(struct mms_event *event)
{
	uint32_t old = mms_load32(&event->asked);

	/*
	 * [W1] pairs with [F1], [F2], [F3], [F4], [F5], [F6], [F7], [F8],
	 * [F9], [F10]: announced before we look again, as they have committed before
	 * they look at asked.
	 */
	while (!mms_cas32(&event->asked, old,
			  (old + ASKED_STEP) | MMS_ASKED_BIT))
		old = mms_load32(&event->asked);
	mms_fence();
}

/* Until when to sleep: the deadline, or the end of the period before that. */
static int64_t sleep_limit(const struct mms_waiter *waiter,
			   const struct mms_watch *watch, int64_t now_ns,
			   int64_t deadline_ns)
{
	int64_t period = watch->recheck_ns < waiter->recheck_cap_ns
				 ? watch->recheck_ns
				 : waiter->recheck_cap_ns;
	int64_t limit = mms_deadline(now_ns, period);

	if (waiter->no_recheck || limit > deadline_ns)
		return deadline_ns;
	return limit;
}

/* Sleep once; the result is the kernel's, with our own period told apart. */
static int sleep_on(const struct mms_waiter *waiter, struct mms_budget *budget,
		    const struct mms_watch *watch, uint32_t turn,
		    int64_t deadline_ns)
{
	int64_t start = mms_now_ns();
	int64_t limit = sleep_limit(waiter, watch, start, deadline_ns);
	int64_t slept;
	int r;

	show(waiter, ACTIVITY(MMSOCK_ASLEEP, watch->object));
	mms_bump(&waiter->row->sleeps, 1);
	r = mms_futex_wait(&watch->event->turn, turn, limit);
	slept = mms_now_ns() - start;
	show(waiter, 0);
	mms_bump(&waiter->row->blocked_ns, (uint64_t)slept);
	learn_from_sleep(budget, slept);
	if (r == -EAGAIN)
		return MMS_WAIT_CHANGED;
	if (r != -ETIMEDOUT)
		return r;
	if (watch->ready(watch->context))
		mms_bump(&waiter->row->late_wakes, 1);
	return limit == deadline_ns ? -ETIMEDOUT : MMS_WAIT_RECHECK;
}

/*
 * Something has happened, but perhaps nothing that helps: a deadline holds also
 * for one whom others are faster than, again and again.
 */
int mms_wait_changed(int64_t deadline_ns)
{
	if (deadline_ns == MMS_NEVER || mms_now_ns() < deadline_ns)
		return MMS_WAIT_CHANGED;
	return -ETIMEDOUT;
}

/* For those who never sleep: only what time it is. */
static int stay_awake(const struct mms_waiter *waiter, int64_t deadline_ns)
{
	if (interrupt_pending(waiter))
		return -EINTR;
	return mms_now_ns() >= deadline_ns ? -ETIMEDOUT : MMS_WAIT_RECHECK;
}

int mms_wait_sleep(const struct mms_waiter *waiter, struct mms_budget *budget,
		   const struct mms_watch *watch, int64_t deadline_ns)
{
	struct mms_interrupt *interrupt = waiter->interrupt;
	uint32_t turn;
	int r;

	if (budget->never_sleep)
		return stay_awake(waiter, deadline_ns);

	/*
	 * Said before turn is read, so that an interrupter either raises turn
	 * after we read it, or has set its flag before we look at it.
	 */
	atomic_store(&interrupt->sleeping_on, watch->event);
	/* [W4] pairs with [W5], [W6]: this turn is older than our look below. */
	turn = mms_load_acquire32(&watch->event->turn);
	announce(watch->event);
	if (!watch->ready(watch->context) && !interrupt_pending(waiter))
		r = sleep_on(waiter, budget, watch, turn, deadline_ns);
	else
		r = mms_wait_changed(deadline_ns);
	atomic_store(&interrupt->sleeping_on, NULL);
	return interrupt_pending(waiter) ? -EINTR : r;
}

int mms_wait(const struct mms_waiter *waiter, struct mms_budget *budget,
	     const struct mms_watch *watch, int64_t deadline_ns)
{
	if (mms_wait_spin(waiter, budget, watch, deadline_ns))
		return mms_wait_changed(deadline_ns);
	return mms_wait_sleep(waiter, budget, watch, deadline_ns);
}

void mms_wake_sleepers(struct mms_event *event, uint32_t asked, unsigned most)
{
	unsigned woken;

	/* [W5] pairs with [W4]: a sleep on the old turn is refused from here. */
	mms_add32(&event->turn, 1);
	woken = mms_futex_wake(&event->turn, most);
	if (woken < most)
		mms_cas32(&event->asked, asked, asked & ~MMS_ASKED_BIT);
	if (woken > 0)
		errand.woke_ns = mms_now_ns();
}

void mms_wake_regardless(struct mms_event *event)
{
	/* [W6] pairs with [W4]: as in mms_wake(). */
	mms_add32(&event->turn, 1);
	mms_futex_wake(&event->turn, MMS_EVERYBODY);
}

/*
 * The flag first, then turn.  A waiter who has not yet said what he sleeps on
 * sees the flag; one who has, finds turn changed or is woken.  Others who sleep
 * on the same event wake for nothing and sleep again.
 */
void mms_interrupt(struct mms_interrupt *interrupt)
{
	struct mms_event *event;

	atomic_store(&interrupt->asked, 1);
	event = atomic_load(&interrupt->sleeping_on);
	if (event)
		mms_wake_regardless(event);
}

void mms_interrupt_reported(struct mms_interrupt *interrupt)
{
	atomic_store(&interrupt->asked, 0);
}
