/* SPDX-License-Identifier: MIT */
/*
 * schedule.h - what senders and receivers of the stress tests do, and the audit
 *
 * Senders send numbered messages in every way there is, receivers take them in
 * every way there is.  Each message says who sent it, its number and its
 * length, and its other bytes follow from these.  The audit, in memory that all
 * parties share, counts how often each was received.  What holds at the end:
 * every message once, none of another content, and no receiver ever saw a
 * sender's messages in another order than they were sent.
 *
 * STRESS in the environment multiplies the number of messages (1).
 */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "check.h"
#include "handle.h"
#include "mmsock.h"
#include "random.h"

#define RING_BYTES      4096
#define LARGEST         1500
#define SENDERS_MAX     16
#define LONGEST_RUN     2048
#define SCHEDULE_MS     INT64_C(1000000)
#define SECONDS_A_SHARE 60U

struct plan {
	unsigned senders;
	unsigned receivers;
	unsigned each; /* messages that a sender sends */
	int64_t spin_ns;
	bool no_recheck; /* sleep until woken, whatever happens */
	bool impatient;  /* some calls have short time-outs */
	bool signals;    /* signals may come */
};

/* Counted by all parties; nothing here orders anything. */
struct audit {
	unsigned senders;
	unsigned each;
	_Atomic uint64_t received;
	_Atomic uint64_t empties_sent;
	_Atomic uint64_t empties_received;
	_Atomic uint8_t seen[];
};

/* The first bytes of a message that is not empty. */
struct label {
	uint32_t sender;
	uint32_t length; /* of the message */
	uint64_t number;
};

static inline unsigned stress_scale(void)
{
	const char *scale = getenv("STRESS");
	unsigned long n = scale ? strtoul(scale, NULL, 10) : 1;

	return n > 0 && n < 100000 ? (unsigned)n : 1;
}

/* Memory for the audit of a plan; the plan and its time are scaled here. */
static inline struct audit *audit_new(struct plan *plan)
{
	struct audit *audit;
	size_t size;

	alarm(SECONDS_A_SHARE * stress_scale());
	plan->each *= stress_scale();
	size = sizeof(*audit) + (size_t)plan->senders * plan->each;
	audit = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(audit != MAP_FAILED);
	audit->senders = plan->senders;
	audit->each = plan->each;
	return audit;
}

static inline uint64_t audit_total(const struct audit *audit)
{
	return (uint64_t)audit->senders * audit->each;
}

static inline uint64_t count_of(const _Atomic uint64_t *count)
{
	return atomic_load_explicit(count, memory_order_relaxed);
}

static inline void add_to(_Atomic uint64_t *count, uint64_t amount)
{
	atomic_fetch_add_explicit(count, amount, memory_order_relaxed);
}

static inline void audit_check(const struct audit *audit)
{
	uint64_t i;

	CHECK_INT(count_of(&audit->received), audit_total(audit));
	CHECK_INT(count_of(&audit->empties_received),
		  count_of(&audit->empties_sent));
	for (i = 0; i < audit_total(audit); i++)
		CHECK_INT(atomic_load_explicit(&audit->seen[i],
					       memory_order_relaxed),
			  1);
}

/* Messages. */

static inline unsigned char byte_of(const struct label *label, size_t i)
{
	return (unsigned char)(label->number * 131 + label->sender * 17 + i);
}

static inline size_t random_length(uint64_t *random)
{
	uint64_t range = random_below(random, 16) ? 80 : LARGEST;

	return sizeof(struct label) +
	       (size_t)random_below(random, range - sizeof(struct label));
}

static inline void write_message(unsigned char *to, const struct label *label)
{
	size_t i;

	memcpy(to, label, sizeof(*label));
	for (i = sizeof(*label); i < label->length; i++)
		to[i] = byte_of(label, i);
}

/* One receiver's view. */
struct reader {
	struct mmsock *handle;
	struct audit *audit;
	struct mmsock_run *run;
	uint64_t random;
	uint64_t next[SENDERS_MAX]; /* no number below it may come any more */
};

static inline void check_message(struct reader *reader, const void *message,
				 size_t length)
{
	struct audit *audit = reader->audit;
	const unsigned char *bytes = message;
	struct label label;
	size_t i;

	if (!length) {
		add_to(&audit->empties_received, 1);
		return;
	}
	CHECK(length >= sizeof(label));
	memcpy(&label, message, sizeof(label));
	CHECK_INT(label.length, length);
	CHECK(label.sender < audit->senders && label.number < audit->each);
	for (i = sizeof(label); i < length; i++)
		CHECK_INT(bytes[i], byte_of(&label, i));
	CHECK(label.number >= reader->next[label.sender]);
	reader->next[label.sender] = label.number + 1;
	i = (size_t)label.sender * audit->each + label.number;
	CHECK_INT(atomic_fetch_add_explicit(&audit->seen[i], 1,
					    memory_order_relaxed),
		  0);
	add_to(&audit->received, 1);
}

/* Sending. */

struct writer {
	struct mmsock *handle;
	struct audit *audit;
	struct mmsock_run *run;
	uint64_t random;
	struct label next;
	bool impatient;
};

static inline int64_t some_timeout(uint64_t *random, bool impatient)
{
	if (!impatient)
		return MMSOCK_FOREVER;
	switch (random_below(random, 4)) {
	case 0:
		return 0;
	case 1:
		return (int64_t)random_below(random, SCHEDULE_MS);
	default:
		return MMSOCK_FOREVER;
	}
}

/* An error that says to try again; anything else is a failure. */
static inline void check_try_again(int r)
{
	CHECK(r == -EAGAIN || r == -EBUSY || r == -ETIMEDOUT || r == -EINTR);
}

static inline void send_message(struct writer *writer,
				const unsigned char *message, size_t length)
{
	int r;

	for (;;) {
		r = mmsock_send(
			writer->handle, message, length,
			some_timeout(&writer->random, writer->impatient));
		if (!r)
			return;
		check_try_again(r);
	}
}

static inline unsigned char *reserve(struct writer *writer, size_t length)
{
	void *buffer;
	int r;

	for (;;) {
		r = mmsock_reserve(
			writer->handle, length, &buffer,
			some_timeout(&writer->random, writer->impatient));
		if (!r)
			return buffer;
		check_try_again(r);
	}
}

static inline void send_in_place(struct writer *writer)
{
	size_t extra = (size_t)random_below(&writer->random, 100);
	unsigned char *buffer = reserve(writer, writer->next.length + extra);

	write_message(buffer, &writer->next);
	memset(buffer + writer->next.length, 0xa5, extra);
	CHECK_INT(mmsock_commit(writer->handle, writer->next.length), 0);
}

/* Write what nobody must ever see. */
static inline void reserve_for_nothing(struct writer *writer)
{
	size_t length = random_length(&writer->random);

	memset(reserve(writer, length), 0xa5, length);
	CHECK_INT(mmsock_cancel(writer->handle), 0);
}

static inline void new_label(struct writer *writer)
{
	writer->next.length = (uint32_t)random_length(&writer->random);
}

static inline void send_run(struct writer *writer)
{
	uint64_t most = 1 + random_below(&writer->random, 20);
	unsigned char message[LARGEST];
	int r;

	while (most-- > 0 && writer->next.number < writer->audit->each) {
		new_label(writer);
		write_message(message, &writer->next);
		if (mmsock_run_add(writer->run, message, writer->next.length))
			break;
		writer->next.number++;
	}
	for (;;) {
		r = mmsock_run_send(
			writer->handle, writer->run,
			some_timeout(&writer->random, writer->impatient));
		if (!r)
			break;
		check_try_again(r);
	}
	CHECK_INT(mmsock_run_count(writer->run), 0);
}

static inline void send_something(struct writer *writer)
{
	unsigned char message[LARGEST];

	new_label(writer);
	switch (random_below(&writer->random, 8)) {
	case 0:
		send_message(writer, NULL, 0);
		add_to(&writer->audit->empties_sent, 1);
		return;
	case 1:
		reserve_for_nothing(writer);
		return;
	case 2:
		send_in_place(writer);
		break;
	case 3:
		send_run(writer);
		return;
	default:
		write_message(message, &writer->next);
		send_message(writer, message, writer->next.length);
	}
	writer->next.number++;
}

/* All that one sender has to send. */
static inline void send_all(struct mmsock *handle, struct audit *audit,
			    const struct plan *plan, unsigned sender)
{
	struct writer writer = {
		.handle = handle,
		.audit = audit,
		.random = 1000 + sender,
		.next = {.sender = sender},
		.impatient = plan->impatient,
	};

	handle->waiter.no_recheck = plan->no_recheck;
	CHECK_INT(mmsock_run_new(LONGEST_RUN, &writer.run), 0);
	while (writer.next.number < audit->each)
		send_something(&writer);
	mmsock_run_free(writer.run);
}

/* Receiving. */

static inline int recv_message(struct reader *reader, int64_t timeout_ns)
{
	unsigned char buffer[LARGEST];
	ssize_t length;

	length =
		mmsock_recv(reader->handle, buffer, sizeof(buffer), timeout_ns);
	if (length < 0)
		return (int)length;
	check_message(reader, buffer, (size_t)length);
	return 0;
}

/* Too small for most, which stay where they are. */
static inline int recv_in_vain(struct reader *reader, int64_t timeout_ns)
{
	unsigned char buffer[sizeof(struct label)];
	ssize_t length;

	length =
		mmsock_recv(reader->handle, buffer, sizeof(buffer), timeout_ns);
	if (length < 0)
		return length == -EMSGSIZE ? 0 : (int)length;
	check_message(reader, buffer, (size_t)length);
	return 0;
}

static inline int recv_in_place(struct reader *reader, int64_t timeout_ns)
{
	const void *message;
	ssize_t length = mmsock_peek(reader->handle, &message, timeout_ns);

	if (length < 0)
		return (int)length;
	if (random_below(&reader->random, 4) == 0) {
		CHECK_INT(mmsock_cancel(reader->handle), 0);
		return 0;
	}
	check_message(reader, message, (size_t)length);
	CHECK_INT(mmsock_release(reader->handle), 0);
	return 0;
}

static inline int recv_run(struct reader *reader, int64_t timeout_ns)
{
	size_t most = (size_t)random_below(&reader->random, 12);
	const void *message;
	size_t length;
	int count;
	int r = mmsock_run_recv(reader->handle, reader->run, most, timeout_ns);

	if (r < 0)
		return r;
	CHECK(r > 0 && (!most || (size_t)r <= most));
	for (count = 0; mmsock_run_next(reader->run, &message, &length);
	     count++)
		check_message(reader, message, length);
	CHECK_INT(count, r);
	return 0;
}

static inline int recv_something(struct reader *reader, bool impatient)
{
	int64_t timeout = some_timeout(&reader->random, impatient);

	switch (random_below(&reader->random, 6)) {
	case 0:
		return recv_in_place(reader, timeout);
	case 1:
		return recv_in_vain(reader, timeout);
	case 2:
	case 3:
		return recv_run(reader, timeout);
	default:
		return recv_message(reader, timeout);
	}
}

/*
 * Receive until the stream ends, or until somebody interrupts because there is
 * nothing left.
 */
static inline void recv_all(struct mmsock *handle, struct audit *audit,
			    const struct plan *plan, unsigned receiver)
{
	struct reader reader = {
		.handle = handle,
		.audit = audit,
		.random = 2000 + receiver,
	};
	int r;

	handle->waiter.no_recheck = plan->no_recheck;
	CHECK_INT(mmsock_run_new(LONGEST_RUN, &reader.run), 0);
	for (;;) {
		r = recv_something(&reader, plan->impatient);
		if (r == -ENODATA || (r == -EINTR && !plan->signals))
			break;
		if (r)
			check_try_again(r);
	}
	mmsock_run_free(reader.run);
}

#endif
