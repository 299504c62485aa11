/* SPDX-License-Identifier: MIT */
/*
 * wait.h - the hybrid wait: spin for a bounded time, then sleep; wake sleepers
 *
 * Knows one word to poll, one event to sleep on and one predicate, and nothing
 * of rings, locks or ports.
 */
#ifndef MMS_WAIT_H
#define MMS_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "atomic.h"
#include "layout.h"

/* How long to spin: one for each kind of thing a handle waits for. */
struct mms_budget {
	int64_t now_ns; /* what the next spin may take */
	unsigned polls; /* between two yields, as learned */
	bool tries;     /* whether an answer comes from another CPU */
	bool special;   /* alone, about to try, or lucky */
	bool lucky;     /* long polls are enough, though others want the CPU */
	unsigned turn;  /* waits since then */
	int64_t tried_ns;
	int64_t ceiling_ns; /* never more than this */
	bool adaptive;
	bool alone; /* the machine has one CPU: give it away, do not burn it */
	bool never_sleep;
};

/* Set by mms_interrupt(), from a signal handler or another thread. */
struct mms_interrupt {
	_Atomic uint32_t asked;
	struct mms_event *_Atomic sleeping_on;
};

/* Who waits. */
struct mms_waiter {
	struct mms_row *row; /* statistics and activity */
	struct mms_interrupt *interrupt;
	int64_t recheck_cap_ns; /* MMS_NEVER; tests lower it */
	bool no_recheck;        /* tests: sleep until woken or out of time */
};

/* What is waited for. */
struct mms_watch {
	const _Atomic uint64_t *word; /* polled while spinning ... */
	uint64_t idle;                /* ... for another value than this */
	const void *along;            /* fetched with it: what it announces */
	struct mms_event *event;
	bool (*ready)(void *context); /* the whole truth, looked at rarely */
	void *context;
	int64_t recheck_ns; /* longest sleep without a look */
	unsigned object;    /* enum mmsock_object, for the row */
};

/* Results of a wait that are no errors. */
enum mms_wait_result {
	MMS_WAIT_CHANGED = 0, /* try again */
	MMS_WAIT_RECHECK = 1  /* the period is over: look at slow facts too */
};

/* Longest sleep without a look: for anybody, and for one participant. */
#define MMS_RECHECK_ANY_NS   (INT64_C(1000) * 1000 * 1000)
#define MMS_RECHECK_NAMED_NS (INT64_C(50) * 1000 * 1000)

/* @spin_ns is MMSOCK_SPIN_ADAPTIVE or the fixed budget. */
void mms_budget_init(struct mms_budget *budget, int64_t spin_ns);

/*
 * Spin.  True if the watched thing happened; false when the budget, the period
 * of the watch or the time is up, or somebody interrupts.
 */
bool mms_wait_spin(const struct mms_waiter *waiter, struct mms_budget *budget,
		   const struct mms_watch *watch, int64_t deadline_ns);

/*
 * Announce, look again, sleep.  MMS_WAIT_*, -ETIMEDOUT, or -EINTR; in every
 * case the caller tries once more before it believes it.  With a budget that never
 * sleeps it only says what time it is.
 */
int mms_wait_sleep(const struct mms_waiter *waiter, struct mms_budget *budget,
		   const struct mms_watch *watch, int64_t deadline_ns);

/* After a spin that succeeded: MMS_WAIT_CHANGED, or -ETIMEDOUT. */
int mms_wait_changed(int64_t deadline_ns);

/* Both, one after the other. */
int mms_wait(const struct mms_waiter *waiter, struct mms_budget *budget,
	     const struct mms_watch *watch, int64_t deadline_ns);

/* The part of a wake that enters the kernel; @asked as it was loaded. */
void mms_wake_sleepers(struct mms_event *event, uint32_t asked, unsigned most);

#define MMS_ASKED_BIT 1U

/*
 * Wake up to @most sleepers, if any announced themselves.  The caller has
 * changed what they wait for and called mms_fence() since.
 */
static inline void mms_wake(struct mms_event *event, unsigned most)
{
	/*
	 * [W2] The caller's fence, F1 to F10, lies between its commit and this
	 * load, so a waiter whom we miss sees the commit.
	 */
	uint32_t asked = mms_load32(&event->asked);

	if (asked & MMS_ASKED_BIT)
		mms_wake_sleepers(event, asked, most);
}

/* Wake everybody without looking at the announcements. */
void mms_wake_regardless(struct mms_event *event);

/* Make the waiter's sleep, or its next one, end with -EINTR. */
void mms_interrupt(struct mms_interrupt *interrupt);

/*
 * Call when -EINTR goes out to the caller.  Not earlier: a wait that is
 * interrupted and then succeeds leaves the interrupt to the next one.
 */
void mms_interrupt_reported(struct mms_interrupt *interrupt);

#define MMS_EVERYBODY UINT32_MAX

#endif
