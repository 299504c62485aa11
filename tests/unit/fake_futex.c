/* SPDX-License-Identifier: MIT */
/*
 * fake_futex.c - a scripted kernel
 *
 * Every test case runs in a process of its own, so nothing here is ever reset.
 */
#include "fake_futex.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "check.h"
#include "futex.h"

#define SLEEPS 64
#define WORDS  8

struct sleepers {
	const _Atomic uint32_t *word;
	unsigned others;
	unsigned ours; /* 1 while the party under test sleeps there */
};

static struct {
	struct fake_sleep sleeps[SLEEPS];
	size_t next_sleep;
	size_t sleep_count;
	struct sleepers words[WORDS];
	struct fake_deed before_wake;
	struct fake_deed after_wake;
	struct fake_deed at_yield;
	unsigned yields_to_go;
	struct fake_calls calls;
} kernel;

static void perform(struct fake_deed *deed)
{
	struct fake_deed once = *deed;

	*deed = (struct fake_deed){0};
	if (once.act)
		once.act(once.context);
}

static struct sleepers *sleepers_on(const _Atomic uint32_t *word)
{
	size_t i;

	for (i = 0; i < WORDS - 1; i++) {
		if (!kernel.words[i].word || kernel.words[i].word == word)
			break;
	}
	kernel.words[i].word = word;
	return &kernel.words[i];
}

void fake_futex_sleep(struct fake_sleep sleep)
{
	CHECK(kernel.sleep_count < SLEEPS);
	kernel.sleeps[kernel.sleep_count++] = sleep;
}

void fake_futex_add_sleepers(const _Atomic uint32_t *word, unsigned count)
{
	sleepers_on(word)->others += count;
}

void fake_futex_at_wake(struct fake_deed before, struct fake_deed after)
{
	kernel.before_wake = before;
	kernel.after_wake = after;
}

void fake_futex_at_yield(unsigned after, struct fake_deed deed)
{
	kernel.yields_to_go = after;
	kernel.at_yield = deed;
}

const struct fake_calls *fake_futex_calls(void)
{
	return &kernel.calls;
}

int mms_futex_wait(_Atomic uint32_t *word, uint32_t expected,
		   int64_t deadline_ns)
{
	struct sleepers *sleepers = sleepers_on(word);
	struct fake_sleep *sleep;

	kernel.calls.waits++;
	kernel.calls.word = word;
	kernel.calls.deadline_ns = deadline_ns;
	/* A sleep that no script foresees would last for ever. */
	CHECK(kernel.next_sleep < kernel.sleep_count);
	sleep = &kernel.sleeps[kernel.next_sleep++];
	perform(&sleep->before);
	if (atomic_load(word) != expected) {
		kernel.calls.refused++;
		return -EAGAIN;
	}
	sleepers->ours = 1;
	perform(&sleep->asleep);
	if (!sleepers->ours)
		return 0;
	sleepers->ours = 0;
	return sleep->result;
}

unsigned mms_futex_wake(_Atomic uint32_t *word, unsigned most)
{
	struct sleepers *sleepers = sleepers_on(word);
	unsigned woken;
	unsigned ours;

	kernel.calls.wakes++;
	kernel.calls.word = word;
	kernel.calls.most = most;
	perform(&kernel.before_wake);
	/* Ours is the first in the queue. */
	ours = most ? sleepers->ours : 0;
	woken = most - ours < sleepers->others ? most - ours : sleepers->others;
	sleepers->ours -= ours;
	sleepers->others -= woken;
	woken += ours;
	kernel.calls.woken += woken;
	perform(&kernel.after_wake);
	return woken;
}

void mms_yield(void)
{
	kernel.calls.yields++;
	if (!kernel.at_yield.act)
		return;
	if (kernel.yields_to_go > 0)
		kernel.yields_to_go--;
	else
		perform(&kernel.at_yield);
}
