/* SPDX-License-Identifier: MIT */
/*
 * run.c - tests of runs in private memory
 */
#include "run.h"

#include <errno.h>
#include <string.h>

#include "check.h"
#include "mmsock.h"
#include "random.h"

static struct mmsock_run *new_run(size_t bytes)
{
	struct mmsock_run *run;

	CHECK_INT(mmsock_run_new(bytes, &run), 0);
	return run;
}

static void expect_next(struct mmsock_run *run, const char *text)
{
	const void *message;
	size_t length;

	CHECK_INT(mmsock_run_next(run, &message, &length), 1);
	CHECK_INT(length, strlen(text));
	CHECK(!memcmp(message, text, length));
}

static void add(struct mmsock_run *run, const char *text)
{
	CHECK_INT(mmsock_run_add(run, text, strlen(text)), 0);
}

static void expect_none(struct mmsock_run *run)
{
	const void *message;
	size_t length;

	CHECK_INT(mmsock_run_next(run, &message, &length), 0);
	CHECK_INT(mmsock_run_count(run), 0);
}

static void test_empty(void)
{
	struct mmsock_run *run = new_run(100);

	expect_none(run);
	mmsock_run_clear(run);
	expect_none(run);
	mmsock_run_free(run);
	mmsock_run_free(NULL);
}

static void test_order(void)
{
	struct mmsock_run *run = new_run(1000);

	add(run, "one");
	add(run, "");
	add(run, "three and some");
	CHECK_INT(mmsock_run_count(run), 3);
	expect_next(run, "one");
	CHECK_INT(mmsock_run_count(run), 2);
	expect_next(run, "");
	expect_next(run, "three and some");
	expect_none(run);
	mmsock_run_free(run);
}

static void test_null(void)
{
	struct mmsock_run *run = new_run(100);

	CHECK_INT(mmsock_run_add(run, NULL, 0), 0);
	expect_next(run, "");
	mmsock_run_free(run);
}

static void test_full(void)
{
	struct mmsock_run *run = new_run(64);
	int i;

	for (i = 0; i < 4; i++)
		add(run, "12345678");
	CHECK_INT(mmsock_run_add(run, "", 0), -ENOBUFS);
	CHECK_INT(mmsock_run_count(run), 4);
	for (i = 0; i < 4; i++)
		expect_next(run, "12345678");
	/* What has been taken out makes room once all is. */
	add(run, "again");
	expect_next(run, "again");
	mmsock_run_free(run);
}

static void test_large(void)
{
	static char large[100000];
	struct mmsock_run *run = new_run(64);
	const void *message;
	size_t length;

	memset(large, 'x', sizeof(large));
	CHECK_INT(mmsock_run_add(run, large, sizeof(large)), 0);
	CHECK_INT(mmsock_run_add(run, "", 0), -ENOBUFS);
	CHECK_INT(mmsock_run_next(run, &message, &length), 1);
	CHECK_INT(length, sizeof(large));
	CHECK(!memcmp(message, large, sizeof(large)));
	add(run, "small");
	CHECK_INT(mmsock_run_add(run, large, sizeof(large)), -ENOBUFS);
	CHECK_INT(mmsock_run_count(run), 1);
	expect_next(run, "small");
	mmsock_run_free(run);
}

static void test_limits(void)
{
	struct mmsock_run *run;

	CHECK_INT(mmsock_run_new(((size_t)1 << 30) + 1, &run), -EINVAL);
	CHECK_INT(mmsock_run_new(SIZE_MAX, &run), -EINVAL);
	run = new_run(0);
	add(run, "x");
	CHECK_INT(mmsock_run_add(run, "", (size_t)UINT32_MAX + 1), -EMSGSIZE);
	CHECK_INT(mmsock_run_add(run, "", SIZE_MAX), -EMSGSIZE);
	CHECK_INT(mmsock_run_count(run), 1);
	mmsock_run_free(run);
}

static void test_clear(void)
{
	struct mmsock_run *run = new_run(64);

	add(run, "one");
	add(run, "two");
	expect_next(run, "one");
	mmsock_run_clear(run);
	expect_none(run);
	add(run, "three");
	CHECK_INT(run->largest, 5);
	CHECK_INT(run->payload, 5);
	expect_next(run, "three");
	mmsock_run_free(run);
}

static uint64_t word_at(const struct mmsock_run *run, size_t at)
{
	uint64_t word;

	memcpy(&word, run->image + at, sizeof(word));
	return word;
}

static void test_image(void)
{
	struct mmsock_run *run = new_run(64);

	memset(run->image, 0xee, run->capacity);
	add(run, "abc");
	add(run, "");
	add(run, "12345678");
	mms_run_stamp(run, 5);
	CHECK_INT(run->end, 16 + 8 + 16);
	CHECK(word_at(run, 0) == mms_record_header(3, 5));
	CHECK_INT(word_at(run, 8), 'a' | 'b' << 8 | 'c' << 16);
	CHECK(word_at(run, 16) == mms_record_header(0, 5));
	CHECK(word_at(run, 24) == mms_record_header(8, 5));
	mmsock_run_free(run);
}

/* Slots change between ports; contents do not. */
static void test_stamp(void)
{
	struct mmsock_run *run = new_run(200);

	add(run, "one");
	add(run, "two");
	mms_run_stamp(run, 5);
	add(run, "three");
	mms_run_stamp(run, 5);
	CHECK(word_at(run, 32) == mms_record_header(5, 5));
	mms_run_stamp(run, 900);
	CHECK(word_at(run, 0) == mms_record_header(3, 900));
	CHECK(word_at(run, 32) == mms_record_header(5, 900));
	expect_next(run, "one");
	expect_next(run, "two");
	expect_next(run, "three");
	mmsock_run_free(run);
}

static void test_sent_on(void)
{
	struct mmsock_run *from = new_run(200);
	struct mmsock_run *run = new_run(200);
	struct mms_part part;

	add(from, "one");
	mms_run_stamp(from, 1);
	add(from, "three");
	part = mms_run_part(from, UINT64_MAX);
	part.largest = 5;
	memcpy(run->image, from->image, part.bytes);
	mmsock_run_clear(run);
	mms_run_hold(run, &part);
	mms_run_stamp(run, 0);
	CHECK(word_at(run, 0) == mms_record_header(3, 0));
	CHECK(word_at(run, 16) == mms_record_header(5, 0));
	CHECK_INT(mmsock_run_count(run), 2);
	mmsock_run_clear(run);
	expect_none(run);
	mmsock_run_free(run);
	mmsock_run_free(from);
}

static void test_part(void)
{
	struct mmsock_run *run = new_run(200);
	struct mms_part part;

	add(run, "one");          /* 16 bytes of ring */
	add(run, "123456789012"); /* 24 */
	add(run, "");             /* 8 */
	CHECK_INT(mms_run_first(run), 16);
	part = mms_run_part(run, 15);
	CHECK_INT(part.count, 0);
	part = mms_run_part(run, 39);
	CHECK_INT(part.count, 1);
	CHECK_INT(part.bytes, 16);
	part = mms_run_part(run, 40);
	CHECK_INT(part.count, 2);
	CHECK_INT(part.bytes, 40);
	CHECK_INT(part.payload, 15);
	mms_run_consume(run, &part);
	CHECK_INT(mms_run_first(run), 8);
	part = mms_run_part(run, 8);
	CHECK_INT(part.count, 1);
	CHECK_INT(part.payload, 0);
	mms_run_consume(run, &part);
	expect_none(run);
	mmsock_run_free(run);
}

static void test_several(void)
{
	struct iovec messages[10];
	struct mmsock_run *run = new_run(64);
	char text[] = "0123456789";
	size_t i;

	for (i = 0; i < 10; i++)
		messages[i] = (struct iovec){.iov_base = text, .iov_len = i};
	/* 8 + 16 + 16 + 16 bytes of ring; the next one is too many. */
	CHECK_INT(mmsock_run_addv(run, messages, 10), 4);
	CHECK_INT(mmsock_run_addv(run, messages + 4, 6), 0);
	CHECK_INT(mmsock_run_count(run), 4);
	CHECK_INT(mmsock_run_nextv(run, messages, 3), 3);
	for (i = 0; i < 3; i++) {
		CHECK_INT(messages[i].iov_len, i);
		CHECK(!memcmp(messages[i].iov_base, text, i));
	}
	CHECK_INT(mmsock_run_nextv(run, messages, 10), 1);
	CHECK_INT(messages[0].iov_len, 3);
	CHECK_INT(mmsock_run_nextv(run, messages, 10), 0);
	CHECK_INT(mmsock_run_addv(run, messages, 0), 0);
	expect_none(run);
	mmsock_run_free(run);
}

/* One that cannot be added: told if it is the first, else what went before. */
static void test_several_too_large(void)
{
	char byte = 'x';
	struct iovec messages[] = {{&byte, 1}, {&byte, SIZE_MAX}, {&byte, 1}};
	struct mmsock_run *run = new_run(64);

	CHECK_INT(mmsock_run_addv(run, messages, 3), 1);
	CHECK_INT(mmsock_run_addv(run, messages + 1, 2), -EMSGSIZE);
	expect_next(run, "x");
	expect_none(run);
	mmsock_run_free(run);
}

static void test_random_lengths(void)
{
	static unsigned char bytes[300];
	struct mmsock_run *run = new_run(4096);
	uint64_t in = 5;
	uint64_t out = 5;
	const void *message;
	size_t length;
	int i;

	memset(bytes, 0x7a, sizeof(bytes));
	for (i = 0; i < 1000; i++) {
		while (!mmsock_run_add(run, bytes,
				       (size_t)random_below(&in, 300)))
			;
		while (mmsock_run_next(run, &message, &length)) {
			CHECK_INT(length, random_below(&out, 300));
			CHECK(!memcmp(message, bytes, length));
		}
		/* The one that did not fit. */
		random_below(&out, 300);
	}
	mmsock_run_free(run);
}

static void test_split(void)
{
	static const char text[] = "one\n\nthree, longer than a block\nrest";
	struct mmsock_run *run = new_run(1000);
	size_t taken;

	CHECK_INT(mmsock_run_split(run, text, strlen(text), '\n', 100, 100,
				   &taken),
		  3);
	CHECK_INT(taken, strlen(text) - strlen("rest"));
	expect_next(run, "one");
	expect_next(run, "");
	expect_next(run, "three, longer than a block");
	expect_none(run);
	CHECK_INT(mmsock_run_split(run, "rest", 4, '\n', 100, 100, &taken), 0);
	CHECK_INT(taken, 0);
	CHECK_INT(mmsock_run_split(run, NULL, 0, '\n', 100, 100, &taken), 0);
	CHECK_INT(taken, 0);
	mmsock_run_free(run);
}

static void test_split_limits(void)
{
	static const char text[] = "aa\nbb\ncccc\ndd\n";
	struct mmsock_run *run = new_run(1000);
	size_t taken;

	CHECK_INT(mmsock_run_split(run, text, strlen(text), '\n', 3, 9, &taken),
		  2);
	CHECK_INT(taken, 6);
	CHECK_INT(mmsock_run_split(run, text + 6, strlen(text) - 6, '\n', 4, 1,
				   &taken),
		  1);
	CHECK_INT(taken, 5);
	expect_next(run, "aa");
	expect_next(run, "bb");
	expect_next(run, "cccc");
	expect_none(run);
	mmsock_run_free(run);
}

/* Of any length, to the brim of the run, and with a last one without an end. */
static void test_split_random(void)
{
	uint64_t random = 7;
	char text[2000];
	size_t i;
	size_t size;

	for (size = 64; size < 640; size++) {
		struct mmsock_run *run = new_run(size);
		const void *message;
		size_t length;
		size_t at = 0;
		size_t taken;
		size_t count;

		for (i = 0; i < sizeof(text); i++)
			text[i] = random_below(&random, 40) ? 'x' : ';';
		count = mmsock_run_split(run, text, sizeof(text), ';', 100, 100,
					 &taken);
		CHECK_INT(mmsock_run_count(run), count);
		CHECK(run->end <= size);
		while (mmsock_run_next(run, &message, &length)) {
			CHECK(!memchr(message, ';', length));
			CHECK(!memcmp(message, text + at, length));
			CHECK(text[at + length] == ';');
			at += length + 1;
		}
		CHECK_INT(at, taken);
		mmsock_run_free(run);
	}
}

static const struct check_case cases[] = {
	{"an empty run has nothing", test_empty},
	{"messages come out in the order they went in", test_order},
	{"an empty message needs no memory", test_null},
	{"a full run refuses more", test_full},
	{"an empty run grows for one large message", test_large},
	{"messages and runs that are too large are refused", test_limits},
	{"a cleared run has forgotten everything", test_clear},
	{"a run holds records as they lie in the ring", test_image},
	{"a run takes the slot of each port it is sent to", test_stamp},
	{"a received run takes its sender's slot when sent on", test_sent_on},
	{"a run is cut between messages", test_part},
	{"several messages go in and out in one call", test_several},
	{"of several the first that cannot be added ends it",
	 test_several_too_large},
	{"messages of any length come out whole", test_random_lengths},
	{"a text is split into its records", test_split},
	{"a split stops at a record too long and at enough", test_split_limits},
	{"records of any length are split to the brim", test_split_random},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases, CHECK_COUNT(cases));
}
