/* SPDX-License-Identifier: MIT */
/*
 * message.h - what a message of the benchmark holds
 *
 * Its first eight bytes are a word: which producer, which number, and two
 * marks.  At a fixed rate the next eight say when it should have been sent.  The
 * last eight are the word again, if there is room, so that a message that is
 * torn does not pass for whole.
 */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MESSAGE_LAST     ((uint64_t)1 << 63) /* of its producer */
#define MESSAGE_COUNTED  ((uint64_t)1 << 62) /* the warm-up is over */
#define MESSAGE_SHIFT    52                  /* of the producer */
#define MESSAGE_PRODUCER ((uint64_t)1023)
#define MESSAGE_NUMBER   (((uint64_t)1 << MESSAGE_SHIFT) - 1)

#define MESSAGE_SIZE_MIN      8
#define MESSAGE_SIZE_MIN_RATE 16

/* From this size on there is a word at the end, too. */
#define MESSAGE_SIZE_CLOSED 24

static inline uint64_t message_word(unsigned producer, uint64_t number)
{
	return (uint64_t)producer << MESSAGE_SHIFT | number;
}

static inline void message_put(char *message, size_t size, uint64_t word)
{
	memcpy(message, &word, sizeof(word));
	if (size >= MESSAGE_SIZE_CLOSED)
		memcpy(message + size - sizeof(word), &word, sizeof(word));
}

/* message_get - the word; false if the message is torn */
static inline bool message_get(const char *message, size_t size,
			       uint64_t *ret_word)
{
	uint64_t end;

	memcpy(ret_word, message, sizeof(*ret_word));
	if (size < MESSAGE_SIZE_CLOSED)
		return true;
	memcpy(&end, message + size - sizeof(end), sizeof(end));
	return end == *ret_word;
}

static inline void message_put_time(char *message, uint64_t ticks)
{
	memcpy(message + 8, &ticks, sizeof(ticks));
}

static inline uint64_t message_time(const char *message)
{
	uint64_t ticks;

	memcpy(&ticks, message + 8, sizeof(ticks));
	return ticks;
}

/*
 * message_digest - summed up by both sides, whatever the order, it tells that
 * the same messages were sent and received, each once
 */
static inline uint64_t message_digest(uint64_t word)
{
	word *= UINT64_C(0x9e3779b97f4a7c15);
	return word ^ word >> 29;
}

#endif
