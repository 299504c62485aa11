/* SPDX-License-Identifier: MIT */
/*
 * placement.h - how near each other the two CPUs are at this moment
 */
#ifndef BENCH_PLACEMENT_H
#define BENCH_PLACEMENT_H

#include "result.h"

struct bench;

/*
 * A hand-off of a cache line that takes less, one way, is between near CPUs.
 * Between two that share a third-level cache it takes 25 to 70 ns, between two
 * that do not 145 to 250 ns; nothing was seen in between.
 */
#define PLACEMENT_NEAR_BELOW_NS 110

/*
 * placement_probe - how long a hand-off takes, one way, in ns
 *
 * Takes about 5 ms.  0: there are not two CPUs, or no processes could be made.
 */
double placement_probe(struct bench *bench);

/* placement_of - what the probes before and after a run say of it */
enum bench_placement placement_of(double before_ns, double after_ns);

#endif
