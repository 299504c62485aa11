/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what the fuzz targets have in common
 *
 * A target takes any bytes, does with them what a program might, and checks what
 * can be said of the outcome.  libFuzzer looks for bytes that break it
 * (make check-fuzz); replay.c runs it over those that are kept in the corpus
 * (make check).  The bytes decide everything, so that a finding can be repeated.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Both by the names that libFuzzer calls. */

/* Once, before any input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* One input; 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of an input. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* The next bytes as a number, low ones first; zeroes where there are none. */
static inline uint64_t fuzz_number(struct fuzz_input *input, unsigned bytes)
{
	uint64_t number = 0;
	unsigned i;

	for (i = 0; i < bytes && input->left; i++, input->left--)
		number |= (uint64_t)*input->at++ << 8 * i;
	return number;
}

/* The next bytes into @to; those that are missing are left as they are there. */
static inline void fuzz_copy(struct fuzz_input *input, void *to, size_t size)
{
	size_t count = size < input->left ? size : input->left;

	if (count)
		memcpy(to, input->at, count);
	input->at += count;
	input->left -= count;
}

#endif
