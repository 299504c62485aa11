/* SPDX-License-Identifier: MIT */
/*
 * format.h - figures as a person reads them
 *
 * Three digits and a unit: 212ns, 1.23us, 45.6M/s, 12.3GB/s.  Rates count in
 * thousands (1 GB is 10^9 bytes); sizes of messages are those of the command
 * line (1KiB is 1024 bytes).  What reads the same in two reports is the same to
 * half a percent or better.
 */
#ifndef BENCH_FORMAT_H
#define BENCH_FORMAT_H

#include <stdint.h>

struct unit_text {
	char text[24];
};

struct unit_text unit_time(double ns);
struct unit_text unit_messages(double per_second);
struct unit_text unit_bytes(double per_second);
struct unit_text unit_size(uint64_t bytes); /* exact: 64B, 1KiB, 1000B */
struct unit_text unit_memory(uint64_t bytes);
struct unit_text unit_ratio(double ratio); /* 0.12x, 14.2x */

#endif
