/* SPDX-License-Identifier: MIT */
/*
 * line.h - the bare cache line, without a function call in between
 *
 * What is measured with it is the floor under all others, so nothing is added
 * to it that could be left out.
 */
#ifndef BENCH_LINE_H
#define BENCH_LINE_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

struct transport;

/*
 * How many looks before the CPU is offered to others.  Where both share one
 * nothing can happen in between; where not, only on a busy machine.
 */
#define LINE_LOOKS_ONE_CPU 1
#define LINE_LOOKS_TWO     4096

/*
 * With one line both ways an answer must differ from what it answers.  The bit
 * is one of the producer's number, which is 0 here.
 */
#define LINE_ANSWER ((uint64_t)1 << 61)

/* The end of one process; what link->own points to. */
struct line_end {
	_Atomic uint64_t *out;
	_Atomic uint64_t *in;
	uint64_t seen;   /* what was in the line when we looked last */
	uint64_t mark;   /* added to what we send */
	uint64_t others; /* ... to what we receive */
	unsigned looks;  /* between two offers of the CPU */
};

/* line_is - whether that transport is a bare line */
bool line_is(const struct transport *transport);

static inline void line_put(struct line_end *end, uint64_t word)
{
	word |= end->mark;
	/* Our own word in a line that is shared is nothing new. */
	if (end->in == end->out)
		end->seen = word;
	atomic_store_explicit(end->out, word, memory_order_release);
}

/* No word is 0: their numbers begin at 1. */
static inline uint64_t line_get(struct line_end *end)
{
	unsigned looks = 0;
	uint64_t word;

	for (;;) {
		word = atomic_load_explicit(end->in, memory_order_acquire);
		if (word != end->seen)
			break;
		clock_relax();
		if (++looks < end->looks)
			continue;
		looks = 0;
		sched_yield();
	}
	end->seen = word;
	return word & ~end->others;
}

#endif
