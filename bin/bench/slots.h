/* SPDX-License-Identifier: MIT */
/*
 * slots.h - one word each way, in memory that both sides share
 *
 * The whole of a transport that polls it, and what a semaphore tells to be there.
 */
#ifndef BENCH_SLOTS_H
#define BENCH_SLOTS_H

#include <stdint.h>

struct shape;

/* Neighbouring lines are fetched together, so the two ways are farther apart. */
#define SLOTS_APART 256

struct slot {
	_Alignas(SLOTS_APART) _Atomic uint64_t word;
	_Atomic uint8_t open; /* the byte on which the founding scheme spins */
};

struct slots {
	struct slot there;
	struct slot back;
};

/* slots_make, slots_drop - make() and drop() of a transport */
int slots_make(const struct shape *shape, void **ret_channel);
void slots_drop(void *channel);

#endif
