/* SPDX-License-Identifier: MIT */
/*
 * framing.c - every framing, read in pieces of any size, written, and read again
 *
 * What a reader cuts out of a stream is compared with what a much simpler one
 * finds in the whole of it.  What a writer makes of messages is compared byte by
 * byte, and a reader has to get the same messages out of it, unless the writer
 * has said that it will not.
 */
#include <errno.h>
#include <stdbool.h>

#include "check.h"
#include "framing.h"
#include "fuzz.h"
#include "mmsock.h"
#include "random.h"
#include "tool.h"

#define TEXT_MAX     ((size_t)80 << 10)
#define PIECES_MAX   TEXT_MAX
#define ROOM         (6 * TEXT_MAX) /* with the longest delimiters */
#define MESSAGES_MAX ROOM
#define RUN_BYTES    ((size_t)32 << 10)

static const char *const names[] = {
	"line", "null", "raw", "slurp", "lp32be", "lp32le",
};

struct setting {
	const struct framing *framing;
	char bytes[4];
	const char *delimiter;
	size_t delimiter_length;
	uint64_t max_message;
	uint64_t random;
};

struct text {
	char *bytes; /* ROOM of them */
	size_t length;
};

/* Messages, one behind the other, and what came after the last. */
struct list {
	size_t count;
	uint32_t lengths[MESSAGES_MAX];
	struct text text;
	int error;
};

/* What reader and writer believe to be a descriptor. */
static struct {
	struct text text;
	size_t at;
	uint64_t *random;
	struct list *reads; /* or NULL */
} stream;

static void append(struct text *text, const void *bytes, size_t length)
{
	CHECK(length <= ROOM - text->length);
	if (length)
		memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
}

static void add(struct list *list, const void *bytes, size_t length)
{
	CHECK(list->count < MESSAGES_MAX);
	list->lengths[list->count++] = (uint32_t)length;
	append(&list->text, bytes, length);
}

/* One or few bytes, some, or all that the reader has room for. */
static size_t piece(size_t most)
{
	size_t part;

	switch (random_below(stream.random, 4)) {
	case 0:
		part = 1 + (size_t)random_below(stream.random, 4);
		break;
	case 1:
		part = 1 + (size_t)random_below(stream.random, 5000);
		break;
	default:
		part = most;
	}
	return part < most ? part : most;
}

ssize_t tool_read(int fd, void *buffer, size_t size)
{
	size_t left = stream.text.length - stream.at;
	size_t count = piece(size < left ? size : left);

	(void)fd;
	CHECK(size);
	if (count)
		memcpy(buffer, stream.text.bytes + stream.at, count);
	if (count && stream.reads)
		add(stream.reads, stream.text.bytes + stream.at, count);
	stream.at += count;
	return (ssize_t)count;
}

int tool_write(int fd, const void *data, size_t length)
{
	(void)fd;
	append(&stream.text, data, length);
	return 0;
}

/* To be used again and again: to allocate them takes longer than the rest. */
static struct text new_text(unsigned which)
{
	static char rooms[3][ROOM];

	return (struct text){rooms[which], 0};
}

static struct list *new_list(unsigned which)
{
	static struct list lists[2];
	static char rooms[2][ROOM];
	struct list *list = &lists[which];

	list->count = 0;
	list->error = 0;
	list->text = (struct text){rooms[which], 0};
	return list;
}

/* The simple readers: all of the text at once. */

/* False where the record is too large, which ends all. */
static bool add_record(const struct setting *setting, struct list *list,
		       const char *bytes, size_t length)
{
	if (length > setting->max_message)
		list->error = -EMSGSIZE;
	else
		add(list, bytes, length);
	return !list->error;
}

static void expect_delimited(const struct setting *setting,
			     const struct text *text, struct list *list)
{
	const char *at = text->bytes;
	const char *end = at + text->length;

	while (at < end) {
		const char *found =
			memmem(at, (size_t)(end - at), setting->delimiter,
			       setting->delimiter_length);

		if (!add_record(setting, list, at,
				(size_t)((found ? found : end) - at)))
			return;
		at = found ? found + setting->delimiter_length : end;
	}
}

static void expect_prefixed(const struct setting *setting,
			    const struct text *text, bool big,
			    struct list *list)
{
	const unsigned char *bytes = (const unsigned char *)text->bytes;
	size_t at = 0;

	while (at < text->length) {
		uint32_t length = 0;

		if (text->length - at < 4) {
			list->error = -EBADMSG;
			return;
		}
		for (unsigned i = 0; i < 4; i++)
			length |= (uint32_t)bytes[at + i]
				  << (big ? 24 - 8 * i : 8 * i);
		if (big && length == UINT32_MAX)
			length = 0;
		at += 4;
		if (length > setting->max_message)
			list->error = -EMSGSIZE;
		else if (length > text->length - at)
			list->error = -EBADMSG;
		else
			add(list, text->bytes + at, length);
		if (list->error)
			return;
		at += length;
	}
}

/* Not for raw, where the reads are the messages. */
static void expect(const struct setting *setting, const struct text *text,
		   struct list *list)
{
	const char *name = setting->framing->name;

	if (setting->delimiter)
		expect_delimited(setting, text, list);
	else if (!strcmp(name, "slurp"))
		add_record(setting, list, text->bytes, text->length);
	else
		expect_prefixed(setting, text, !strcmp(name, "lp32be"), list);
}

static bool is_raw(const struct setting *setting)
{
	return !strcmp(setting->framing->name, "raw");
}

/* The real one. */

static void take_run(struct mmsock_run *run, struct list *list)
{
	const void *message;
	size_t length;

	while (mmsock_run_next(run, &message, &length))
		add(list, message, length);
	mmsock_run_clear(run);
}

static int cut_all(struct framing_reader *reader, struct mmsock_run *run,
		   struct list *list, uint64_t *random)
{
	int r;

	for (;;) {
		size_t most = random_below(random, 2)
				      ? SIZE_MAX
				      : 1 + (size_t)random_below(random, 5);

		r = framing_cut(reader, run, most);
		CHECK(r <= 0 || ((size_t)r <= most &&
				 (size_t)r == mmsock_run_count(run)));
		if (r < 0)
			return r;
		if (r > 0)
			take_run(run, list);
		else if (reader->ended)
			return 0;
		else if ((r = framing_fill(reader)) < 0)
			return r;
	}
}

static struct list *read_all(const struct setting *setting,
			     const struct text *text, struct list *reads)
{
	struct list *list = new_list(0);
	struct framing_reader reader;
	struct mmsock_run *run;
	uint64_t random = setting->random;

	stream.text = *text;
	stream.at = 0;
	stream.random = &random;
	stream.reads = reads;
	CHECK_INT(mmsock_run_new(RUN_BYTES, &run), 0);
	CHECK_INT(framing_reader_init(
			  &reader, setting->framing, setting->delimiter,
			  setting->delimiter_length, -1, setting->max_message),
		  0);
	list->error = cut_all(&reader, run, list, &random);
	CHECK_INT(reader.records, list->count);
	CHECK_INT(reader.payload_bytes, list->text.length);
	framing_reader_fini(&reader);
	mmsock_run_free(run);
	return list;
}

static bool same(const struct list *got, const struct list *want)
{
	return got->error == want->error && got->count == want->count &&
	       !memcmp(got->lengths, want->lengths,
		       want->count * sizeof(want->lengths[0])) &&
	       got->text.length == want->text.length &&
	       !memcmp(got->text.bytes, want->text.bytes, want->text.length);
}

static void check_reader(const struct setting *setting, const struct text *text)
{
	struct list *want = new_list(1);
	struct list *got =
		read_all(setting, text, is_raw(setting) ? want : NULL);

	if (!is_raw(setting))
		expect(setting, text, want);
	CHECK(same(got, want));
}

/* Writing. */

/* The text in pieces; some of them are empty. */
static struct list *make_messages(const struct text *text, uint64_t *random)
{
	struct list *list = new_list(1);
	size_t at = 0;

	while (at < text->length && list->count < PIECES_MAX) {
		size_t most = random_below(random, 8) ? 100 : 50000;
		size_t length = (size_t)random_below(random, most);

		if (length > text->length - at)
			length = text->length - at;
		add(list, text->bytes + at, length);
		at += length;
	}
	return list;
}

static void put_number(struct text *text, size_t number, bool big)
{
	for (unsigned i = 0; i < 4; i++) {
		char byte = (char)(number >> (big ? 24 - 8 * i : 8 * i));

		append(text, &byte, 1);
	}
}

static void write_simply(const struct setting *setting,
			 const struct list *messages, struct text *text)
{
	const char *name = setting->framing->name;
	const char *at = messages->text.bytes;

	for (size_t i = 0; i < messages->count; i++) {
		if (!strncmp(name, "lp32", 4))
			put_number(text, messages->lengths[i],
				   !strcmp(name, "lp32be"));
		append(text, at, messages->lengths[i]);
		append(text, setting->delimiter, setting->delimiter_length);
		at += messages->lengths[i];
	}
}

/* False where the writer says that the messages can no longer be told apart. */
static bool write_all(const struct setting *setting,
		      const struct list *messages, uint64_t *random)
{
	const char *at = messages->text.bytes;
	struct framing_writer writer;
	struct mmsock_run *run;

	CHECK_INT(mmsock_run_new(RUN_BYTES, &run), 0);
	CHECK_INT(framing_writer_init(&writer, setting->framing,
				      setting->delimiter,
				      setting->delimiter_length, -1),
		  0);
	for (size_t i = 0; i < messages->count; i++) {
		size_t length = messages->lengths[i];
		int r = mmsock_run_add(run, at, length);

		if (r == -ENOBUFS) {
			CHECK_INT(framing_put(&writer, run), 0);
			r = mmsock_run_add(run, at, length);
		}
		CHECK_INT(r, 0);
		at += length;
		if (!random_below(random, 4))
			CHECK_INT(framing_put(&writer, run), 0);
		if (!random_below(random, 8))
			CHECK_INT(framing_flush(&writer), 0);
	}
	CHECK_INT(framing_put(&writer, run), 0);
	CHECK_INT(framing_flush(&writer), 0);
	CHECK_INT(writer.messages, messages->count);
	CHECK_INT(writer.bytes, messages->text.length);
	framing_writer_fini(&writer);
	mmsock_run_free(run);
	return !writer.ambiguous;
}

static void check_round_trip(const struct setting *setting,
			     const struct list *messages,
			     const struct text *written, bool clear)
{
	struct setting wide = *setting;

	wide.max_message = UINT32_MAX;
	CHECK_INT(same(read_all(&wide, written, NULL), messages), clear);
}

static void check_writer(const struct setting *setting, const struct text *text)
{
	uint64_t random = setting->random + 1;
	struct list *messages = make_messages(text, &random);
	struct text want = new_text(1);
	struct text got = new_text(2);
	bool clear;

	write_simply(setting, messages, &want);
	stream.text = got;
	clear = write_all(setting, messages, &random);
	got = stream.text;
	CHECK(got.length == want.length &&
	      !memcmp(got.bytes, want.bytes, want.length));
	if (setting->delimiter || !strncmp(setting->framing->name, "lp32", 4))
		check_round_trip(setting, messages, &got, clear);
}

/* What is fuzzed. */

static void take_setting(struct fuzz_input *input, struct setting *setting)
{
	size_t which = fuzz_number(input, 1);
	bool is_line;

	setting->framing = framing_find(names[which % CHECK_COUNT(names)]);
	CHECK(setting->framing);
	setting->delimiter = setting->framing->delimiter;
	setting->delimiter_length = setting->delimiter != NULL;
	is_line = !strcmp(setting->framing->name, "line");
	which /= CHECK_COUNT(names);
	if (is_line && which % 2) {
		setting->delimiter_length = 1 + which / 2 % 4;
		fuzz_copy(input, setting->bytes, setting->delimiter_length);
		setting->delimiter = setting->bytes;
	}
	setting->random = fuzz_number(input, 2);
	setting->max_message = fuzz_number(input, 2);
	setting->max_message += setting->max_message % 2 ? 1 : 100000;
}

/* Repeated, so that buffers are filled without large inputs. */
static struct text take_text(struct fuzz_input *input)
{
	struct text text = new_text(0);
	unsigned choice = (unsigned)fuzz_number(input, 1) % 64;
	unsigned times = choice < 16 ? 1U << choice : 1;

	if (input->left > TEXT_MAX)
		input->left = TEXT_MAX;
	while (times-- && text.length + input->left <= TEXT_MAX)
		append(&text, input->at, input->left);
	return text;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct setting setting = {.framing = NULL};
	struct text text;

	take_setting(&input, &setting);
	text = take_text(&input);
	check_reader(&setting, &text);
	check_writer(&setting, &text);
	return 0;
}
