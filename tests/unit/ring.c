/* SPDX-License-Identifier: MIT */
/*
 * ring.c - tests of records in memory
 *
 * The ring lies between two pages that nobody may touch, mapped twice in a row
 * as in a port.  Deaths are played by hand: the steps of an operation up to the
 * one at which its owner dies.  Where the order of two stores matters, the page
 * of the second one is closed, and what is there when it faults is looked at.
 */
#include "ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "atomic.h"
#include "check.h"
#include "mmsock.h"
#include "random.h"
#include "run.h"

#define PAGE     ((size_t)MMS_PAGE)
#define RING     ((size_t)4096)
#define BIG_RING ((size_t)128 * 1024)
#define SLOT     3U

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif
#ifndef THREAD_SANITIZER
#define THREAD_SANITIZER 0
#endif

/* A ring and its control words; all of it is shared, by nobody. */
struct memory {
	struct mms_control *control;
	unsigned char *data;
	size_t bytes;
};

static void map_twice(unsigned char *at, size_t bytes)
{
	const int access = PROT_READ | PROT_WRITE;
	int fd = memfd_create("ring", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(!ftruncate(fd, (off_t)bytes));
	CHECK(mmap(at, bytes, access, MAP_SHARED | MAP_FIXED, fd, 0) == at);
	CHECK(mmap(at + bytes, bytes, access, MAP_SHARED | MAP_FIXED, fd, 0) ==
	      at + bytes);
	close(fd);
}

/* Guard page, control page, guard page, ring, ring again, guard page. */
static void map_memory(struct memory *memory, size_t bytes)
{
	unsigned char *base =
		mmap(NULL, 4 * PAGE + 2 * bytes, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(base != MAP_FAILED);
	CHECK(!mprotect(base + PAGE, PAGE, PROT_READ | PROT_WRITE));
	memory->control = (void *)(base + PAGE);
	memory->data = base + 3 * PAGE;
	memory->bytes = bytes;
	map_twice(memory->data, bytes);
}

/* As a participant sees it who has just attached. */
static struct mms_ring attach(const struct memory *memory, unsigned slot)
{
	return (struct mms_ring){
		.data = memory->data,
		.bytes = memory->bytes,
		.max_message = mms_ring_max_message(memory->bytes),
		.slots = 1024,
		.send = &memory->control->send,
		.recv = &memory->control->recv,
		.head_seen = mms_load(&memory->control->recv.at),
		.left_at = MMS_NOWHERE,
		.slot = slot,
	};
}

static struct mms_ring setup(struct memory *memory, size_t bytes)
{
	map_memory(memory, bytes);
	return attach(memory, SLOT);
}

static uint64_t word_at(const struct memory *memory, uint64_t position)
{
	uint64_t word;

	memcpy(&word, memory->data + position % memory->bytes, sizeof(word));
	return word;
}

static uint64_t true_end(const struct mms_ring *ring)
{
	uint64_t head = mms_load(&ring->recv->at);

	return mms_ring_walk(ring, head, head);
}

/* Contents that tell which message they belong to. */
static void fill(unsigned char *to, size_t length, uint64_t number)
{
	size_t i;

	for (i = 0; i < length; i++)
		to[i] = (unsigned char)(number * 31 + i * 7 + 1);
}

static bool is_filled(const unsigned char *from, size_t length, uint64_t number)
{
	size_t i;

	for (i = 0; i < length; i++) {
		if (from[i] != (unsigned char)(number * 31 + i * 7 + 1))
			return false;
	}
	return true;
}

static int send_one(struct mms_ring *ring, size_t length, uint64_t number)
{
	unsigned char *message = malloc(length + 1);
	uint64_t at;
	int r;

	CHECK(message);
	fill(message, length, number);
	r = mms_ring_reserve(ring, mms_record_size(length), &at);
	if (!r)
		mms_ring_send(ring, at, message, length);
	free(message);
	return r;
}

/* The oldest message is that one, whole; takes it. */
static void expect_one(struct mms_ring *ring, size_t length, uint64_t number)
{
	const unsigned char *payload;
	size_t got;

	CHECK_INT(mms_ring_peek(ring, &payload, &got), 0);
	CHECK_INT(got, length);
	CHECK(is_filled(payload, length, number));
	mms_ring_release(ring, mms_record_size(length), 1);
}

static void expect_empty(const struct mms_ring *ring)
{
	const unsigned char *payload;
	size_t length;

	CHECK(mms_ring_is_empty(ring));
	CHECK_INT(mms_ring_peek(ring, &payload, &length), -EAGAIN);
}

/* Move both ends, so that the next record begins at @position. */
static void advance_to(struct mms_ring *ring, uint64_t position)
{
	uint64_t at = mms_load(&ring->send->at);

	while (at != position) {
		uint64_t step = position - at < 1024 ? position - at : 1024;

		CHECK_INT(send_one(ring, step - MMS_HEADER_SIZE, 0), 0);
		expect_one(ring, step - MMS_HEADER_SIZE, 0);
		at = mms_load(&ring->send->at);
	}
}

/* A run in the making, as run.c would build it. */
static struct mmsock_run *build_run(size_t messages, size_t length,
				    uint64_t number)
{
	unsigned char message[32768];
	struct mmsock_run *run;
	size_t i;

	CHECK(length <= sizeof(message));
	CHECK_INT(mmsock_run_new(messages * mms_record_size(length), &run), 0);
	for (i = 0; i < messages; i++) {
		fill(message, length, number + i);
		CHECK_INT(mmsock_run_add(run, message, length), 0);
	}
	mms_run_stamp(run, SLOT);
	return run;
}

static int send_run(struct mms_ring *ring, const struct mmsock_run *run)
{
	struct mms_part part = mms_run_part(run, UINT64_MAX);
	uint64_t at;
	int r = mms_ring_reserve(ring, part.bytes, &at);

	if (!r)
		mms_ring_send_run(ring, at, run->image + run->next, &part);
	return r;
}

/* Sending and receiving. */

static void test_empty(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	unsigned char image[64];
	struct mms_part part;

	expect_empty(&ring);
	CHECK_INT(mms_ring_take(&ring, image, sizeof(image), 0, &part),
		  -EAGAIN);
	CHECK_INT(atomic_load(mms_ring_next_header(&ring)), 0);
}

static void test_round_trip(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	uint64_t number = 0;
	size_t length;

	for (length = 0; length <= 600; length++) {
		CHECK_INT(send_one(&ring, length, number), 0);
		CHECK(!mms_ring_is_empty(&ring));
		expect_one(&ring, length, number++);
		expect_empty(&ring);
	}
	CHECK_INT(mms_load(&ring.send->count), number);
	CHECK_INT(mms_load(&ring.recv->count), number);
	CHECK(mms_load(&ring.send->at) == mms_load(&ring.recv->at));
}

static void test_empty_message(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);

	ring.slot = 0;
	CHECK_INT(send_one(&ring, 0, 0), 0);
	CHECK(!mms_ring_is_empty(&ring));
	CHECK(atomic_load(mms_ring_next_header(&ring)) != 0);
	expect_one(&ring, 0, 0);
	expect_empty(&ring);
}

static void test_header_names_sender(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);

	CHECK_INT(send_one(&ring, 100, 0), 0);
	CHECK(word_at(&memory, 0) ==
	      (MMS_RECORD_MARK | (uint64_t)SLOT << 32 | 100));
}

static void test_across_the_end(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	uint64_t at;

	for (at = RING - 64; at < RING; at += 8) {
		ring = setup(&memory, RING);
		advance_to(&ring, at);
		CHECK_INT(send_one(&ring, 200, at), 0);
		expect_one(&ring, 200, at);
		expect_empty(&ring);
	}
}

static void test_largest(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	size_t largest = (size_t)ring.max_message;
	int i;

	CHECK_INT(largest, RING - 16);
	for (i = 0; i < 5; i++) {
		CHECK_INT(send_one(&ring, largest, 1), 0);
		CHECK_INT(send_one(&ring, 0, 2), -EAGAIN);
		expect_one(&ring, largest, 1);
		/* Off the place where the last lap began. */
		CHECK_INT(send_one(&ring, 16, 3), 0);
		CHECK_INT(send_one(&ring, largest, 4), -EAGAIN);
		expect_one(&ring, 16, 3);
	}
}

/* From 16 KiB on copies bypass the cache, if the receiver is far away. */
static void check_large(unsigned near)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, BIG_RING);
	size_t length;
	uint64_t number;

	for (number = 0; number < 200; number++) {
		length = 16000 + number * 131;
		ring.reader.near = near;
		CHECK_INT(send_one(&ring, length, number), 0);
		expect_one(&ring, length, number);
		expect_empty(&ring);
	}
}

static void test_large_to_far(void)
{
	check_large(0);
}

static void test_large_to_near(void)
{
	check_large(MMS_NEAR_MOST);
}

static void test_padding(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	uint64_t at;
	unsigned char *payload;

	memset(memory.data + 8, 0xee, RING - 8);
	CHECK_INT(send_one(&ring, 3, 9), 0);
	CHECK_INT(word_at(&memory, 8) >> 24, 0);
	CHECK_INT(mms_ring_reserve(&ring, mms_record_size(64), &at), 0);
	payload = mms_ring_payload(&ring, at);
	memset(payload, 0xee, 64);
	mms_ring_commit(&ring, at, 12, mms_record_size(64));
	CHECK_INT(word_at(&memory, at + 16) >> 32, 0);
}

/* Room. */

/* Fill the ring with messages of one length; how many went in. */
static unsigned fill_up(struct mms_ring *ring, size_t length)
{
	unsigned count = 0;
	int r;

	while (!(r = send_one(ring, length, count)))
		count++;
	CHECK_INT(r, -EAGAIN);
	return count;
}

static void test_terminator_has_room(void)
{
	struct memory memory;
	struct mms_ring ring;
	size_t length;
	unsigned count;
	unsigned i;

	for (length = 0; length < 320; length++) {
		ring = setup(&memory, RING);
		advance_to(&ring, 8 * length);
		count = fill_up(&ring, length);
		CHECK_INT(count, (RING - 8) / mms_record_size(length));
		CHECK(mms_load(&ring.send->at) + 8 <=
		      mms_load(&ring.recv->at) + RING);
		CHECK_INT(word_at(&memory, mms_load(&ring.send->at)), 0);
		for (i = 0; i < count; i++)
			expect_one(&ring, length, i);
		expect_empty(&ring);
	}
}

static void test_run_leaves_room(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	struct mmsock_run *full = build_run(RING / 16, 8, 0);
	struct mmsock_run *fits = build_run(RING / 16 - 1, 8, 0);
	uint64_t i;

	CHECK_INT(send_run(&ring, full), -EAGAIN);
	CHECK_INT(send_run(&ring, fits), 0);
	CHECK(!mms_ring_has_room(&ring, 16));
	CHECK(mms_ring_has_room(&ring, 8));
	for (i = 0; i < RING / 16 - 1; i++)
		expect_one(&ring, 8, i);
	expect_empty(&ring);
	mmsock_run_free(full);
	mmsock_run_free(fits);
}

static void test_room_is_refreshed(void)
{
	struct memory memory;
	struct mms_ring sender = setup(&memory, RING);
	struct mms_ring receiver = attach(&memory, SLOT + 1);
	uint64_t room;

	CHECK_INT(send_one(&sender, 3000, 1), 0);
	CHECK_INT(send_one(&sender, 3000, 2), -EAGAIN);
	expect_one(&receiver, 3000, 1);
	CHECK(mms_ring_has_room(&sender, 3008));
	CHECK_INT(send_one(&sender, 3000, 2), 0);
	CHECK_INT(mms_ring_room(&sender, mms_load(&sender.send->at), 0, &room),
		  0);
	CHECK_INT(room, RING - 8 - 3008);
	expect_one(&receiver, 3000, 2);
}

/* Everything that is in the ring, and what must be zero behind it. */
struct shadow {
	size_t lengths[1024];
	uint64_t first;
	uint64_t next;
};

static void check_shadow(const struct mms_ring *ring,
			 const struct memory *memory,
			 const struct shadow *shadow)
{
	uint64_t at = mms_load(&ring->recv->at);
	uint64_t zeroed = mms_load(&ring->send->zeroed);
	uint64_t i;

	for (i = shadow->first; i < shadow->next; i++) {
		size_t length = shadow->lengths[i % 1024];

		CHECK_INT(mms_record_length(word_at(memory, at)), length);
		CHECK(is_filled(mms_ring_payload(ring, at), length, i));
		at += mms_record_size(length);
	}
	CHECK_INT(word_at(memory, at), 0);
	if (zeroed - at > ring->bytes)
		return;
	CHECK(zeroed <= mms_load(&ring->recv->at) + ring->bytes);
	for (; at < zeroed; at += 8)
		CHECK_INT(word_at(memory, at), 0);
}

static void send_some(struct mms_ring *ring, struct shadow *shadow,
		      uint64_t *random)
{
	size_t length =
		(size_t)(random_below(random, 8) ? random_below(random, 64)
						 : random_below(random, 1500));

	if (shadow->next - shadow->first == 1024 ||
	    send_one(ring, length, shadow->next))
		return;
	shadow->lengths[shadow->next++ % 1024] = length;
}

/* Write all over a reservation and think better of it. */
static void scribble_and_cancel(struct mms_ring *ring, uint64_t *random)
{
	size_t length = (size_t)random_below(random, 1500);
	uint64_t at;

	if (mms_ring_reserve(ring, mms_record_size(length), &at))
		return;
	memset(mms_ring_payload(ring, at), 0xa5, length);
	mms_ring_abandon(ring, at);
}

/* Use less than was reserved and written to. */
static void commit_less(struct mms_ring *ring, struct shadow *shadow,
			uint64_t *random)
{
	size_t reserved = (size_t)random_below(random, 1500);
	size_t length = (size_t)random_below(random, reserved + 1);
	uint64_t at;

	if (shadow->next - shadow->first == 1024 ||
	    mms_ring_reserve(ring, mms_record_size(reserved), &at))
		return;
	memset(mms_ring_payload(ring, at), 0xa5, reserved);
	fill(mms_ring_payload(ring, at), length, shadow->next);
	mms_ring_commit(ring, at, length, mms_record_size(reserved));
	shadow->lengths[shadow->next++ % 1024] = length;
}

static void test_random_schedule(void)
{
	struct memory memory;
	struct mms_ring sender = setup(&memory, RING);
	struct mms_ring other = attach(&memory, SLOT + 1);
	struct mms_ring receiver = attach(&memory, SLOT + 2);
	struct shadow shadow = {.first = 0};
	uint64_t random = 42;
	int i;

	memset(memory.data + 8, 0xa5, RING - 8);
	for (i = 0; i < 20000; i++) {
		struct mms_ring *ring =
			random_below(&random, 2) ? &sender : &other;

		switch (random_below(&random, 8)) {
		case 0:
			scribble_and_cancel(ring, &random);
			break;
		case 1:
			commit_less(ring, &shadow, &random);
			break;
		case 2:
		case 3:
		case 4:
			send_some(ring, &shadow, &random);
			break;
		default:
			if (shadow.first == shadow.next)
				break;
			expect_one(&receiver,
				   shadow.lengths[shadow.first % 1024],
				   shadow.first);
			shadow.first++;
		}
		check_shadow(&receiver, &memory, &shadow);
	}
}

/* Runs. */

static void test_run_round_trip(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	struct mmsock_run *run;
	unsigned char image[RING];
	struct mms_part part;
	uint64_t number = 0;
	size_t length;

	for (length = 0; length < 400; length += 3) {
		run = build_run(5, length, number);
		CHECK_INT(send_run(&ring, run), 0);
		CHECK_INT(mms_ring_take(&ring, image, sizeof(image), 0, &part),
			  0);
		CHECK_INT(part.count, 5);
		CHECK_INT(part.payload, 5 * length);
		CHECK_INT(part.largest, length);
		CHECK_INT(part.bytes, 5 * mms_record_size(length));
		CHECK(!memcmp(image, run->image, part.bytes));
		mms_ring_release(&ring, part.bytes, part.count);
		expect_empty(&ring);
		mmsock_run_free(run);
		number += 5;
	}
	CHECK_INT(mms_load(&ring.send->count), number);
	CHECK_INT(mms_load(&ring.recv->count), number);
}

/* Several times around a ring, with copies that bypass the cache. */
static void test_large_runs(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, BIG_RING);
	unsigned char *image = malloc(BIG_RING);
	struct mmsock_run *run;
	struct mms_part part;
	uint64_t i;

	CHECK(image);
	for (i = 0; i < 40; i++) {
		run = build_run(20 + i, 1000 + i * 8, i);
		CHECK_INT(send_run(&ring, run), 0);
		CHECK_INT(mms_ring_take(&ring, image, BIG_RING, 0, &part), 0);
		CHECK_INT(part.count, 20 + i);
		CHECK(!memcmp(image, run->image, part.bytes));
		mms_ring_release(&ring, part.bytes, part.count);
		expect_empty(&ring);
		mmsock_run_free(run);
	}
	free(image);
}

static void test_bulk_limits(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	unsigned char image[RING];
	struct mms_part part;
	unsigned i;

	for (i = 0; i < 100; i++)
		CHECK_INT(send_one(&ring, 16, i), 0);
	CHECK_INT(mms_ring_take(&ring, image, sizeof(image), 3, &part), 0);
	CHECK_INT(part.count, 3);
	CHECK_INT(mms_ring_take(&ring, image, sizeof(image), 90, &part), 0);
	CHECK_INT(part.count, 90);
	CHECK_INT(mms_ring_take(&ring, image, 5 * 24 + 23, 0, &part), 0);
	CHECK_INT(part.count, 5);
	CHECK_INT(mms_ring_take(&ring, image, 5 * 24 + 23, 4, &part), 0);
	CHECK_INT(part.count, 4);
	CHECK_INT(mms_ring_take(&ring, image, 23, 0, &part), -ENOBUFS);
	CHECK_INT(part.bytes, 24);
	CHECK_INT(mms_ring_take(&ring, image, 4, 1, &part), -ENOBUFS);
	CHECK_INT(part.bytes, 24);
	CHECK_INT(mms_ring_take(&ring, image, sizeof(image), 0, &part), 0);
	CHECK_INT(part.count, 100);
}

/* The order of stores: look at what is there when a closed page faults. */

static struct {
	struct mms_ring *ring;
	struct memory *memory;
	unsigned char *page; /* closed until something touches it */
	void (*at_fault)(void);
	const unsigned char *image;
	size_t bytes;
	size_t messages;
	uint64_t at;
	int faults;
} trap;

static void open_trap(int number, siginfo_t *info, void *context)
{
	unsigned char *address = info->si_addr;

	(void)number;
	(void)context;
	if (!trap.page || address < trap.page || address >= trap.page + PAGE) {
		signal(SIGSEGV, SIG_DFL);
		return;
	}
	if (mprotect(trap.page, PAGE, PROT_READ | PROT_WRITE))
		_exit(1);
	trap.page = NULL;
	trap.faults++;
	trap.at_fault();
}

static void set_trap(unsigned char *page, int access, void (*at_fault)(void))
{
	struct sigaction action = {.sa_sigaction = open_trap,
				   .sa_flags = SA_SIGINFO};

	trap.page = page;
	trap.at_fault = at_fault;
	CHECK(!sigaction(SIGSEGV, &action, NULL));
	CHECK(!mprotect(page, PAGE, access));
}

/*
 * Nothing of the run shows, and all of it is there, with its terminator, and with
 * what somebody needs to know who takes the end over.
 */
static void expect_all_but_header(void)
{
	const struct mms_end *send = &trap.memory->control->send;
	uint64_t i;

	CHECK_INT(mms_load(&send->at), trap.at);
	CHECK_INT(mms_load(&send->next_at), trap.at + trap.bytes);
	CHECK_INT(mms_load(&send->next_count),
		  mms_load(&send->count) + trap.messages);
	CHECK_INT(word_at(trap.memory, trap.at), 0);
	for (i = 8; i < trap.bytes; i += 8)
		CHECK(!memcmp(&trap.image[i],
			      trap.memory->data +
				      (trap.at + i) % trap.memory->bytes,
			      8));
	CHECK_INT(word_at(trap.memory, trap.at + trap.bytes), 0);
}

/*
 * The first header lies in the last 8 bytes of a closed page; all else does
 * not.
 */
static void check_commit_order(size_t ring_bytes, uint64_t at, size_t messages,
			       size_t length)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, ring_bytes);
	struct mmsock_run *run = build_run(messages, length, 1);
	unsigned char *page = memory.data + at - at % PAGE;

	advance_to(&ring, at);
	/* Old records everywhere, which must not come to light. */
	for (uint64_t i = 8; i < ring_bytes; i += 8) {
		uint64_t old = mms_record_header(0, 1);

		memcpy(memory.data + (at + i) % ring_bytes, &old, sizeof(old));
	}
	mms_ring_abandon(&ring, at);
	trap.memory = &memory;
	trap.image = run->image;
	trap.bytes = run->end;
	trap.messages = messages;
	trap.at = at;
	trap.faults = 0;
	set_trap(page, PROT_READ, expect_all_but_header);
	if (messages == 1) {
		uint64_t reserved;

		CHECK_INT(mms_ring_reserve(&ring, run->end, &reserved), 0);
		mms_ring_send(&ring, reserved, run->image + 8, length);
	} else {
		CHECK_INT(send_run(&ring, run), 0);
	}
	CHECK_INT(trap.faults, 1);
	for (uint64_t i = 0; i < messages; i++)
		expect_one(&ring, length, 1 + i);
	expect_empty(&ring);
	mmsock_run_free(run);
}

static void test_run_commit(void)
{
	check_commit_order(4 * PAGE, PAGE - 8, 20, 40);
	check_commit_order(4 * PAGE, 4 * PAGE - 8, 20, 40);
	check_commit_order(4 * PAGE, PAGE - 8, 2, 0);
	check_commit_order(16 * PAGE, 16 * PAGE - 8, 20, 1600);
}

static void test_message_commit(void)
{
	check_commit_order(4 * PAGE, PAGE - 8, 1, 24);
	check_commit_order(4 * PAGE, 4 * PAGE - 8, 1, 5000);
	check_commit_order(4 * PAGE, PAGE - 8, 1, 0);
	check_commit_order(16 * PAGE, 16 * PAGE - 8, 1, 30000);
}

/*
 * The payload that shares the header's cache line is copied last, so that its
 * source is read when nothing may show yet.
 */
static void expect_no_header(void)
{
	CHECK_INT(word_at(trap.memory, 0), 0);
	CHECK_INT(mms_load(&trap.ring->send->at), 0);
}

static void test_header_after_its_line(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	unsigned char *source = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t at;

	CHECK(source != MAP_FAILED);
	fill(source, 40, 1);
	trap.ring = &ring;
	trap.memory = &memory;
	CHECK_INT(mms_ring_reserve(&ring, mms_record_size(40), &at), 0);
	set_trap(source, PROT_NONE, expect_no_header);
	mms_ring_send(&ring, at, source, 40);
	CHECK_INT(trap.faults, 1);
	expect_one(&ring, 40, 1);
}

/*
 * Between the look at head and the look at the header somebody else has taken
 * the message, and a sender has zeroed its place a lap later.
 */
static void others_go_on(void)
{
	struct mms_ring *ring = trap.ring;

	expect_one(ring, 24, 1);
	memset(trap.memory->data + trap.at % trap.memory->bytes, 0, 8);
}

static void test_empty_counts_if_head_stayed(void)
{
	struct memory memory;
	struct mms_ring ring;

	if (THREAD_SANITIZER)
		SKIP("the sanitizer locks the word whose page is closed");
	ring = setup(&memory, 4 * PAGE);
	advance_to(&ring, PAGE - 32);
	CHECK_INT(send_one(&ring, 24, 1), 0);
	CHECK_INT(send_one(&ring, 24, 2), 0);
	trap.ring = &ring;
	trap.memory = &memory;
	trap.at = PAGE - 32;
	set_trap(memory.data, PROT_NONE, others_go_on);
	CHECK(!mms_ring_is_empty(&ring));
	CHECK_INT(trap.faults, 1);
	expect_one(&ring, 24, 2);
	CHECK(mms_ring_is_empty(&ring));
}

/* Deaths, played by hand. */

/* The first steps of a send; dies before the commit. */
static void die_before_header(struct mms_ring *ring, size_t length)
{
	uint64_t at;

	CHECK_INT(mms_ring_reserve(ring, mms_record_size(length), &at), 0);
	/* Looks like records, all the way. */
	for (uint64_t i = 0; i + 8 <= length; i += 8) {
		uint64_t header = mms_record_header(0, 1);

		memcpy(mms_ring_payload(ring, at) + i, &header, 8);
	}
	mms_store(&ring->send->next_at, at + mms_record_size(length));
	mms_store(&ring->send->next_count, mms_load(&ring->send->count) + 1);
}

/* The same up to the commit and not further. */
static void die_after_header(struct mms_ring *ring, size_t length,
			     uint64_t number)
{
	uint64_t at = mms_load(&ring->send->at);
	uint64_t count = mms_load(&ring->send->count);

	CHECK_INT(send_one(ring, length, number), 0);
	mms_store(&ring->send->at, at);
	mms_store(&ring->send->count, count);
}

static void test_death_before_header(void)
{
	struct memory memory;
	struct mms_ring dead = setup(&memory, RING);
	struct mms_ring heir = attach(&memory, SLOT + 1);

	CHECK_INT(send_one(&dead, 24, 1), 0);
	die_before_header(&dead, 2000);
	CHECK_INT(mms_ring_repair_send(&heir), 0);
	CHECK_INT(mms_load(&heir.send->at), 32);
	CHECK_INT(mms_load(&heir.send->count), 1);
	CHECK_INT(send_one(&heir, 24, 2), 0);
	CHECK_INT(send_one(&heir, 24, 3), 0);
	expect_one(&heir, 24, 1);
	expect_one(&heir, 24, 2);
	expect_one(&heir, 24, 3);
	expect_empty(&heir);
}

static void test_death_after_header(void)
{
	struct memory memory;
	struct mms_ring dead = setup(&memory, RING);
	struct mms_ring heir = attach(&memory, SLOT + 1);

	CHECK_INT(send_one(&dead, 24, 1), 0);
	die_after_header(&dead, 40, 2);
	CHECK_INT(mms_ring_repair_send(&heir), 0);
	CHECK_INT(mms_load(&heir.send->at), 80);
	CHECK_INT(mms_load(&heir.send->count), 2);
	CHECK_INT(send_one(&heir, 24, 3), 0);
	expect_one(&heir, 24, 1);
	expect_one(&heir, 40, 2);
	expect_one(&heir, 24, 3);
	expect_empty(&heir);
}

/* Between the header and `at` everything but the commit may be old. */
static void test_found_by_the_next(void)
{
	struct memory memory;
	struct mms_ring first = setup(&memory, RING);
	struct mms_ring next = attach(&memory, SLOT + 1);

	die_after_header(&first, 40, 1);
	CHECK_INT(send_one(&next, 24, 2), 0);
	CHECK_INT(mms_load(&next.send->count), 2);
	expect_one(&next, 40, 1);
	expect_one(&next, 24, 2);
	expect_empty(&next);
}

/*
 * A dies behind its header, B writes a lap of payload over it and dies, C must
 * not take that for headers.
 */
static void test_repair_before_writing(void)
{
	struct memory memory;
	struct mms_ring a = setup(&memory, RING);
	struct mms_ring b = attach(&memory, SLOT + 1);
	struct mms_ring c = attach(&memory, SLOT + 2);

	die_after_header(&a, 56, 1);
	expect_one(&a, 56, 1);
	CHECK_INT(mms_ring_repair_send(&b), 0);
	CHECK_INT(mms_load(&b.send->at), 64);
	die_before_header(&b, RING - 16);
	CHECK_INT(mms_ring_repair_send(&c), 0);
	CHECK_INT(mms_load(&c.send->at), 64);
	CHECK_INT(mms_load(&c.send->count), 1);
	expect_empty(&c);
	CHECK_INT(send_one(&c, 24, 2), 0);
	expect_one(&c, 24, 2);
	expect_empty(&c);
}

/* The same without a take-over: the one who finds the header repairs too. */
static void test_finder_repairs(void)
{
	struct memory memory;
	struct mms_ring a = setup(&memory, RING);
	struct mms_ring b = attach(&memory, SLOT + 1);
	struct mms_ring c = attach(&memory, SLOT + 2);

	die_after_header(&a, 56, 1);
	expect_one(&a, 56, 1);
	die_before_header(&b, RING - 16);
	CHECK_INT(mms_ring_repair_send(&c), 0);
	CHECK_INT(mms_load(&c.send->at), 64);
	expect_empty(&c);
}

static void test_walk_from_head(void)
{
	struct memory memory;
	struct mms_ring dead = setup(&memory, RING);
	struct mms_ring heir = attach(&memory, SLOT + 1);

	die_after_header(&dead, 24, 1);
	expect_one(&heir, 24, 1);
	CHECK_INT(mms_load(&heir.send->at), 0);
	CHECK_INT(mms_load(&heir.recv->at), 32);
	CHECK_INT(mms_ring_repair_send(&heir), 0);
	CHECK_INT(mms_load(&heir.send->at), 32);
	CHECK_INT(send_one(&heir, 24, 2), 0);
	expect_one(&heir, 24, 2);
}

static void test_run_death(void)
{
	struct memory memory;
	struct mms_ring dead = setup(&memory, RING);
	struct mms_ring heir = attach(&memory, SLOT + 1);
	struct mmsock_run *run = build_run(7, 24, 1);
	unsigned char image[RING];
	struct mms_part part;
	uint64_t header;

	CHECK_INT(send_run(&dead, run), 0);
	mms_store(&dead.send->at, 0);
	mms_store(&dead.send->count, 0);
	CHECK_INT(mms_ring_repair_send(&heir), 0);
	CHECK_INT(mms_load(&heir.send->at), 7 * 32);
	CHECK_INT(mms_load(&heir.send->count), 7);
	CHECK_INT(mms_ring_take(&heir, image, sizeof(image), 0, &part), 0);
	CHECK_INT(part.count, 7);
	mms_ring_release(&heir, part.bytes, part.count);

	/* The next one dies at its last store: only the first header lacks. */
	CHECK_INT(send_run(&dead, run), 0);
	header = 0;
	memcpy(memory.data + 7 * 32, &header, sizeof(header));
	mms_store(&dead.send->at, 7 * 32);
	mms_store(&dead.send->count, 7);
	CHECK_INT(mms_ring_repair_send(&heir), 0);
	CHECK_INT(mms_load(&heir.send->at), 7 * 32);
	CHECK_INT(mms_load(&heir.send->count), 7);
	expect_empty(&heir);
	CHECK_INT(send_one(&heir, 24, 9), 0);
	expect_one(&heir, 24, 9);
	expect_empty(&heir);
	mmsock_run_free(run);
}

static void test_receiver_death(void)
{
	struct memory memory;
	struct mms_ring dead = setup(&memory, RING);
	struct mms_ring heir = attach(&memory, SLOT + 1);

	CHECK_INT(send_one(&dead, 24, 1), 0);
	CHECK_INT(send_one(&dead, 24, 2), 0);
	/* Before the commit. */
	mms_store(&dead.recv->next_at, 32);
	mms_store(&dead.recv->next_count, 1);
	mms_ring_repair_recv(&heir);
	CHECK_INT(mms_load(&heir.recv->count), 0);
	/* Behind it. */
	mms_store(&dead.recv->at, 32);
	mms_ring_repair_recv(&heir);
	CHECK_INT(mms_load(&heir.recv->count), 1);
	expect_one(&heir, 24, 2);
	CHECK_INT(mms_load(&heir.recv->count), 2);
	mms_ring_repair_recv(&heir);
	CHECK_INT(mms_load(&heir.recv->count), 2);
}

static void test_bulk_behind_tail(void)
{
	struct memory memory;
	struct mms_ring dead = setup(&memory, RING);
	unsigned char image[RING];
	struct mms_part part;

	die_after_header(&dead, 24, 1);
	CHECK_INT(mms_ring_take(&dead, image, sizeof(image), 0, &part), 0);
	CHECK_INT(part.count, 1);
	CHECK_INT(part.bytes, 32);
	mms_ring_release(&dead, part.bytes, 1);
	/* `at` is behind head now. */
	CHECK_INT(mms_ring_take(&dead, image, sizeof(image), 0, &part),
		  -EAGAIN);
}

static void test_repair_forgets_zeroes(void)
{
	struct memory memory;
	struct mms_ring dead = setup(&memory, RING);
	struct mms_ring heir = attach(&memory, SLOT + 1);
	uint64_t number;

	/* A small one, so that much is zeroed ahead. */
	CHECK_INT(send_one(&dead, 8, 0), 0);
	CHECK(mms_load(&dead.send->zeroed) >= 256);
	die_before_header(&dead, 1024);
	CHECK_INT(mms_ring_repair_send(&heir), 0);
	for (number = 1; number < 20; number++) {
		CHECK_INT(send_one(&heir, 8, number), 0);
		CHECK_INT(true_end(&heir), 16 * (number + 1));
	}
	for (number = 0; number < 20; number++)
		expect_one(&heir, 8, number);
	expect_empty(&heir);
}

static void test_cancel_forgets_zeroes(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	uint64_t number;
	uint64_t at;

	CHECK_INT(send_one(&ring, 8, 0), 0);
	CHECK_INT(mms_ring_reserve(&ring, 1024, &at), 0);
	memset(mms_ring_payload(&ring, at), 0xa5, 1016);
	mms_ring_abandon(&ring, at);
	for (number = 1; number < 20; number++) {
		CHECK_INT(send_one(&ring, 8, number), 0);
		CHECK_INT(true_end(&ring), 16 * (number + 1));
	}
}

/* Lies. */

static void test_lying_length(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	unsigned char image[RING];
	const unsigned char *payload;
	struct mms_part part;
	uint64_t lies[] = {
		mms_record_header(RING - 15, SLOT),
		mms_record_header(UINT32_MAX, SLOT),
		1,
		UINT64_MAX,
		MMS_RECORD_MARK | UINT64_C(1) << 48,
		UINT64_C(0x25) << 56 | 8,
		mms_record_header(8, 1024),
	};
	size_t length;
	size_t i;

	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		memcpy(memory.data, &lies[i], 8);
		CHECK_INT(mms_ring_peek(&ring, &payload, &length), -EBADMSG);
		CHECK_INT(mms_ring_take(&ring, image, sizeof(image), 0, &part),
			  -EBADMSG);
		mms_store(&ring.send->at, 64);
		CHECK_INT(mms_ring_take(&ring, image, sizeof(image), 0, &part),
			  -EBADMSG);
		CHECK_INT(mms_ring_take(&ring, image, sizeof(image), 1, &part),
			  -EBADMSG);
		CHECK_INT(mms_ring_take(&ring, image, 16, 0, &part), -EBADMSG);
		mms_store(&ring.send->at, 0);
		CHECK_INT(send_one(&ring, 8, 1), -EBADMSG);
	}
}

/* A record that says it ends behind what is committed. */
static void test_lying_second_length(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	unsigned char image[RING];
	struct mms_part part;
	uint64_t lie = mms_record_header(2000, SLOT);

	CHECK_INT(send_one(&ring, 8, 1), 0);
	CHECK_INT(send_one(&ring, 8, 2), 0);
	memcpy(memory.data + 16, &lie, 8);
	CHECK_INT(mms_ring_take(&ring, image, sizeof(image), 0, &part), 0);
	CHECK_INT(part.count, 1);
	CHECK_INT(part.bytes, 16);
	memcpy(memory.data, &lie, 8);
	CHECK_INT(mms_ring_take(&ring, image, sizeof(image), 0, &part),
		  -EBADMSG);
}

static void test_lying_tail(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	uint64_t at;

	advance_to(&ring, 1024);
	mms_store(&ring.send->at, 1024 + RING);
	CHECK_INT(mms_ring_reserve(&ring, 16, &at), -EBADMSG);
	CHECK_INT(mms_ring_reserve(&ring, RING - 8, &at), -EBADMSG);
	mms_store(&ring.send->at, UINT64_MAX);
	CHECK_INT(mms_ring_reserve(&ring, 16, &at), -EBADMSG);
	/* One that lags is no lie, even behind head: it is repaired. */
	mms_store(&ring.send->at, 8);
	CHECK_INT(mms_ring_reserve(&ring, 16, &at), 0);
	CHECK_INT(at, 1024);
}

static void test_lying_head(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	uint64_t room;
	uint64_t at;

	CHECK_INT(send_one(&ring, 1000, 1), 0);
	mms_store(&ring.recv->at, 4096);
	CHECK_INT(mms_ring_reserve(&ring, 3500, &at), -EBADMSG);
	CHECK_INT(mms_ring_room(&ring, 1008, 4000, &room), -EBADMSG);
	mms_store(&ring.recv->at, UINT64_MAX - 7);
	CHECK_INT(mms_ring_reserve(&ring, 3500, &at), -EBADMSG);
	mms_store(&ring.recv->at, UINT64_MAX - 2 * RING);
	CHECK_INT(mms_ring_reserve(&ring, 3500, &at), -EBADMSG);
}

static void test_endless_ring(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	uint64_t header = mms_record_header(0, SLOT);
	uint64_t i;

	for (i = 0; i < RING; i += 8)
		memcpy(memory.data + i, &header, sizeof(header));
	CHECK(true_end(&ring) <= RING);
	CHECK_INT(mms_ring_repair_send(&ring), -EBADMSG);
	CHECK_INT(send_one(&ring, 8, 1), -EBADMSG);
}

/* A word as a bad peer would choose it: near the truth, or anything. */
static uint64_t bad_position(const struct mms_ring *ring, uint64_t *random)
{
	uint64_t near = mms_load(&ring->recv->at);

	switch (random_below(random, 5)) {
	case 0:
		return random_next(random);
	case 1:
		return near + random_below(random, 2 * RING);
	case 2:
		return near - random_below(random, 2 * RING);
	case 3:
		return near + 8 * random_below(random, RING / 8);
	default:
		return near;
	}
}

static uint64_t bad_header(uint64_t *random)
{
	switch (random_below(random, 4)) {
	case 0:
		return 0;
	case 1:
		return random_next(random);
	default:
		return mms_record_header(
			random_below(random, 2)
				? random_below(random, 100)
				: random_below(random, 2 * RING),
			(unsigned)random_below(random, 64));
	}
}

static void scribble_control(struct mms_ring *ring, uint64_t *random)
{
	_Atomic uint64_t *words[] = {
		&ring->send->at,         &ring->recv->at,
		&ring->send->zeroed,     &ring->send->next_at,
		&ring->send->next_count, &ring->send->count,
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (random_below(random, 3) == 0)
			mms_store(words[i], bad_position(ring, random));
	}
}

static void scribble_ring(const struct memory *memory, uint64_t *random)
{
	uint64_t count = random_below(random, 4) ? 8 : RING / 8;

	while (count-- > 0) {
		uint64_t header = bad_header(random);

		memcpy(memory->data + 8 * random_below(random, RING / 8),
		       &header, sizeof(header));
	}
}

static void check_error(int r)
{
	CHECK(r == 0 || r == -EAGAIN || r == -EBADMSG || r == -ENOBUFS);
}

static void send_into_garbage(struct mms_ring *ring, uint64_t *random)
{
	struct mmsock_run *run;
	int r;

	if (random_below(random, 2)) {
		r = send_one(ring, (size_t)random_below(random, RING - 15), 1);
		check_error(r);
		return;
	}
	run = build_run(1 + (size_t)random_below(random, 20),
			(size_t)random_below(random, 180), 1);
	check_error(send_run(ring, run));
	mmsock_run_free(run);
}

static void reserve_into_garbage(struct mms_ring *ring, uint64_t *random)
{
	uint64_t length = random_below(random, RING - 15);
	uint64_t at;
	int r = mms_ring_reserve(ring, mms_record_size(length), &at);

	check_error(r);
	if (r)
		return;
	memset(mms_ring_payload(ring, at), 0x11, length);
	scribble_control(ring, random);
	if (random_below(random, 2))
		mms_ring_abandon(ring, at);
	else
		mms_ring_commit(ring, at, random_below(random, length + 1),
				mms_record_size(length));
}

static void peek_at_garbage(struct mms_ring *ring, uint64_t *random)
{
	const unsigned char *payload;
	unsigned char sum = 0;
	size_t length;
	size_t i;
	int r = mms_ring_peek(ring, &payload, &length);

	check_error(r);
	if (r)
		return;
	CHECK(length <= ring->max_message);
	for (i = 0; i < length; i++)
		sum = (unsigned char)(sum + payload[i]);
	if (random_below(random, 2) || sum == 1)
		mms_ring_release(ring, mms_record_size(length), 1);
}

static void take_garbage(struct mms_ring *ring, uint64_t *random)
{
	size_t capacity = (size_t)random_below(random, 2 * RING);
	size_t most = (size_t)random_below(random, 80);
	unsigned char *image = malloc(capacity + 1);
	struct mms_part part = {0};
	int r;

	CHECK(image);
	r = mms_ring_take(ring, image, capacity, most, &part);
	check_error(r);
	if (!r) {
		CHECK(part.bytes <= capacity);
		CHECK(part.count > 0 && (!most || part.count <= most));
		CHECK(part.payload + 8 * part.count <= part.bytes);
		CHECK(part.largest <= ring->max_message);
		mms_ring_release(ring, part.bytes, part.count);
	}
	if (r == -ENOBUFS) {
		CHECK(part.bytes > capacity);
		CHECK(part.bytes <= RING);
	}
	free(image);
}

static void look_at_garbage(struct mms_ring *ring, uint64_t *random)
{
	uint64_t head = bad_position(ring, random);
	uint64_t at = bad_position(ring, random);

	mms_ring_is_empty(ring);
	mms_ring_has_room(ring, random_below(random, RING));
	mms_ring_walk(ring, head, at);
	atomic_load(mms_ring_next_header(ring));
	mms_ring_repair_recv(ring);
	check_error(mms_ring_repair_send(ring));
}

/* A receiver that streams looks at tail, and then not at each header. */
static void test_courtesy(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, 4096);
	int i;

	CHECK(!mms_ring_await_more(&ring));
	for (i = 0; i < 10; i++)
		CHECK_INT(send_one(&ring, 24, (uint64_t)i), 0);
	for (i = 0; i < 10; i++) {
		CHECK(mms_ring_await_more(&ring));
		expect_one(&ring, 24, (uint64_t)i);
	}
	CHECK(ring.at_seen == mms_load(&ring.send->at));
	CHECK(!mms_ring_await_more(&ring));
	/* And is back to a look at a time. */
	CHECK_INT(send_one(&ring, 24, 10), 0);
	CHECK(mms_ring_await_more(&ring));
	CHECK(ring.at_seen != mms_load(&ring.send->at));
}

/* One who finds one message at each look soon stops waiting for more. */
static void test_courtesy_in_vain(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, 4096);
	unsigned pauses = 0;
	uint64_t i;

	for (i = 0; i < 10000; i++) {
		unsigned before = ring.vain;

		CHECK_INT(send_one(&ring, 24, i), 0);
		CHECK(mms_ring_await_more(&ring));
		pauses += ring.vain != before || ring.streak == 0;
		expect_one(&ring, 24, i);
	}
	CHECK(pauses < 12);
	/* It is worth a try again when one has brought something. */
	ring.streak = 100000;
	for (i = 0; i < 20; i++)
		CHECK_INT(send_one(&ring, 24, i), 0);
	CHECK(mms_ring_await_more(&ring));
	CHECK_INT(ring.vain, 0);
}

/* Positions that cannot be make nothing out of an empty ring. */
static void test_courtesy_to_liars(void)
{
	static const uint64_t lies[] = {1, 8, 4104, UINT64_MAX, UINT64_MAX - 7};
	struct memory memory;
	struct mms_ring ring = setup(&memory, 4096);
	const unsigned char *payload;
	size_t length;
	size_t i;

	for (i = 0; i < CHECK_COUNT(lies); i++) {
		ring.streak = 100;
		CHECK_INT(send_one(&ring, 24, 0), 0);
		mms_store(&ring.send->at, lies[i]);
		CHECK(mms_ring_await_more(&ring));
		expect_one(&ring, 24, 0);
		/* At most one vain look under the lock, which finds nothing. */
		mms_ring_await_more(&ring);
		CHECK_INT(mms_ring_peek(&ring, &payload, &length), -EAGAIN);
		mms_store(&ring.send->at, mms_load(&ring.recv->at));
	}
}

/* What we left is not looked at again; what others left is. */
static void test_own_end(void)
{
	struct memory memory;
	struct mms_ring ring = setup(&memory, 4096);
	struct mms_ring other = attach(&memory, SLOT + 1);
	uint64_t at;

	CHECK_INT(send_one(&ring, 24, 0), 0);
	CHECK(ring.left_at == mms_load(&ring.send->at));
	CHECK_INT(send_one(&other, 24, 1), 0);
	CHECK(ring.left_at != mms_load(&ring.send->at));
	/* The other died after his commit, and before he moved tail. */
	CHECK_INT(send_one(&other, 24, 2), 0);
	mms_store(&ring.send->at, mms_load(&ring.send->at) - 32);
	CHECK_INT(mms_ring_reserve(&ring, 32, &at), 0);
	CHECK_INT(at, 96);
}

static void test_garbage(void)
{
	static void (*const deeds[])(struct mms_ring * ring,
				     uint64_t * random) = {
		send_into_garbage, reserve_into_garbage, peek_at_garbage,
		take_garbage,      look_at_garbage,
	};
	struct memory memory;
	struct mms_ring ring = setup(&memory, RING);
	uint64_t random = 7;
	int i;

	for (i = 0; i < 60000; i++) {
		if (random_below(&random, 2))
			scribble_control(&ring, &random);
		if (random_below(&random, 8) == 0)
			scribble_ring(&memory, &random);
		deeds[random_below(&random, 5)](&ring, &random);
	}
}

/*
 * Threads, between whom nothing is ordered but by the ring: what these two show
 * wrongly, the thread sanitizer sees.
 */

static void await_change(const _Atomic uint64_t *word, uint64_t from)
{
	while (mms_load(word) == from)
		sched_yield();
}

static void *take_what_was_found(void *context)
{
	struct mms_ring *ring = context;
	unsigned char image[RING];
	struct mms_part part;

	await_change(&ring->send->at, 0);
	CHECK_INT(mms_ring_take(ring, image, sizeof(image), 0, &part), 0);
	CHECK_INT(part.bytes, 32);
	CHECK(is_filled(image + MMS_HEADER_SIZE, 24, 1));
	return NULL;
}

/* A sender dies behind his header, and somebody else finds it. */
static void test_repair_is_seen(void)
{
	struct memory memory;
	struct mms_ring heir = setup(&memory, RING);
	struct mms_ring reader = attach(&memory, SLOT + 1);
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, take_what_was_found, &reader));
	fill(mms_ring_payload(&heir, 0), 24, 1);
	mms_store((_Atomic uint64_t *)(void *)memory.data,
		  mms_record_header(24, SLOT));
	CHECK_INT(mms_ring_repair_send(&heir), 0);
	CHECK(!pthread_join(thread, NULL));
}

static void *take_one(void *context)
{
	struct mms_ring *ring = context;

	expect_one(ring, 24, 1);
	return NULL;
}

static void test_repair_sees_receipts(void)
{
	struct memory memory;
	struct mms_ring heir = setup(&memory, RING);
	struct mms_ring reader = attach(&memory, SLOT + 1);
	pthread_t thread;

	CHECK_INT(send_one(&heir, 24, 1), 0);
	CHECK_INT(send_one(&heir, RING - 64, 2), 0);
	CHECK(!pthread_create(&thread, NULL, take_one, &reader));
	await_change(&heir.recv->at, 0);
	CHECK_INT(mms_ring_repair_send(&heir), 0);
	CHECK_INT(send_one(&heir, 16, 3), 0);
	CHECK(!pthread_join(thread, NULL));
}

static const struct check_case cases[] = {
	{"an empty ring has nothing to receive", test_empty},
	{"a message comes out as it went in, lap after lap", test_round_trip},
	{"an empty message from slot 0 is visible", test_empty_message},
	{"a header names its sender", test_header_names_sender},
	{"a message that crosses the end of the ring is contiguous",
	 test_across_the_end},
	{"the largest message fits an empty ring, and nothing with it",
	 test_largest},
	{"large messages to far away come out as they went in",
	 test_large_to_far},
	{"large messages to one near by come out as they went in",
	 test_large_to_near},
	{"padding does not tell what was there before", test_padding},
	{"a full ring keeps room for the terminator", test_terminator_has_room},
	{"a run leaves room for the terminator", test_run_leaves_room},
	{"room that has become free is found", test_room_is_refreshed},
	{"no send, cancel or receipt harms another message",
	 test_random_schedule},
	{"a run comes out as it went in", test_run_round_trip},
	{"large runs come out as they went in", test_large_runs},
	{"a bulk takes as many as it may and has room for", test_bulk_limits},
	{"a run becomes visible as a whole", test_run_commit},
	{"a message becomes visible with its last store", test_message_commit},
	{"a header comes after the payload beside it",
	 test_header_after_its_line},
	{"empty counts only if nobody received meanwhile",
	 test_empty_counts_if_head_stayed},
	{"who dies before the header has sent nothing",
	 test_death_before_header},
	{"who dies after the header has sent the message",
	 test_death_after_header},
	{"a commit that was not finished is found by the next sender",
	 test_found_by_the_next},
	{"a taken-over end is repaired before anything is written",
	 test_repair_before_writing},
	{"who finds an unfinished commit repairs it before he writes",
	 test_finder_repairs},
	{"a repair begins at head where that is later", test_walk_from_head},
	{"a run is there wholly or not at all when its sender dies",
	 test_run_death},
	{"a receipt has happened or not when its receiver dies",
	 test_receiver_death},
	{"a bulk finds a record that the tail does not know of",
	 test_bulk_behind_tail},
	{"nothing beyond the terminator is zero after a repair",
	 test_repair_forgets_zeroes},
	{"a cancelled reservation leaves nothing behind",
	 test_cancel_forgets_zeroes},
	{"a lying length gives EBADMSG", test_lying_length},
	{"a bulk ends at a length that lies", test_lying_second_length},
	{"a lying tail gives EBADMSG", test_lying_tail},
	{"a lying head gives EBADMSG", test_lying_head},
	{"a ring full of headers is no endless loop", test_endless_ring},
	{"a receiver that streams waits for more", test_courtesy},
	{"a receiver that waits in vain stops waiting", test_courtesy_in_vain},
	{"a lying tail makes nothing out of nothing", test_courtesy_to_liars},
	{"only what others left is checked", test_own_end},
	{"garbage is never followed out of the ring", test_garbage},
	{"a bulk sees what a repair has found", test_repair_is_seen},
	{"a repair lets nobody write over what is still read",
	 test_repair_sees_receipts},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases, CHECK_COUNT(cases));
}
