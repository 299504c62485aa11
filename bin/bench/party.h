/* SPDX-License-Identifier: MIT */
/*
 * party.h - one process in a run, between its role and its transport
 *
 * What is called for each message is inline: all of it is in the figures of
 * every transport, and the fastest have little else.
 */
#ifndef BENCH_PARTY_H
#define BENCH_PARTY_H

#include <errno.h>

#include "message.h"
#include "roles.h"
#include "settings.h"

/* When a run is over, by time and by count. */
struct limit {
	uint64_t counted_from; /* ticks: the end of the warm-up */
	uint64_t end;
	uint64_t left; /* messages of this process that count */
};

struct party {
	struct bench *bench;
	const struct job *job;
	struct role *role;
	struct link link;
	char *messages; /* to be sent: shape.batch of them */
	struct iovec *received;
};

/*
 * party_join - attach, with private memory for a batch that has been touched,
 * and meet the others at the barrier; party_leave - detach
 */
void party_join(struct party *party);
void party_leave(struct party *party);

/*
 * party_limit - of a producer, from @now on, in ticks
 *
 * The count is of all producers; the first ones take what does not divide.
 */
struct limit party_limit(const struct party *party, uint64_t now);

/* party_delay - what --delay asks for */
void party_delay(const struct party *party);

/* party_pause_until - wait for a moment; returns at once if it has passed */
void party_pause_until(const struct party *party, uint64_t ticks);

/* party_send - the first @count of its messages; does not return if it fails */
static inline void party_send(struct party *party, size_t count)
{
	int r = party->link.transport->send(&party->link, party->messages,
					    count);

	if (r < 0)
		role_fail(party->role, r, "sending");
}

/*
 * party_receive - how many came, 0 at the end of the stream or where there was
 * nothing for a while (*@ret_end tells which)
 */
static inline size_t party_receive(struct party *party, bool *ret_end)
{
	ssize_t got =
		party->link.transport->receive(&party->link, party->received);

	*ret_end = got == 0;
	if (got > 0)
		return (size_t)got;
	if (got < 0 && got != -EAGAIN)
		role_fail(party->role, (int)got, "receiving");
	return 0;
}

/*
 * party_number - that a word has the next number of its producer, in
 * @seen[producer]; where others share the messages some may be missing
 */
static inline void party_number(const struct party *party, uint64_t word,
				uint64_t *seen, bool exact)
{
	uint64_t from = word >> MESSAGE_SHIFT & MESSAGE_PRODUCER;
	uint64_t number = word & MESSAGE_NUMBER;

	if (from >= party->role->producers)
		role_fail(party->role, -EPROTO, "a message is not one of ours");
	if (number <= seen[from])
		role_fail(party->role, -EPROTO,
			  "a message came twice, or too late");
	if (exact && number != seen[from] + 1)
		role_fail(party->role, -EPROTO, "a message was lost");
	seen[from] = number;
}

/*
 * party_word - the word of message @index of those that were received; does
 * not return if that is torn or has not the size that it should have
 */
static inline uint64_t party_word(struct party *party, size_t index)
{
	size_t size = party->job->shape.size;
	const struct iovec *message = &party->received[index];
	uint64_t word;

	if (message->iov_len != size)
		role_fail(party->role, -EPROTO,
			  "a message came with another size");
	if (!message_get(message->iov_base, size, &word))
		role_fail(party->role, -EPROTO, "a message was torn");
	return word;
}

/* party_receive_one - the word of the next message, whenever it comes */
static inline uint64_t party_receive_one(struct party *party)
{
	bool end;

	while (party_receive(party, &end) == 0) {
		if (end)
			role_fail(party->role, -EPROTO,
				  "the other side left early");
	}
	return party_word(party, 0);
}

#endif
