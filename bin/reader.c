/* SPDX-License-Identifier: MIT */
/*
 * reader.c - cutting a stream into messages
 *
 * A reader hands on what is complete after each read and never waits for more,
 * and a record goes out whole or not at all: none is cut, joined or shortened.
 * Ports are none of its business; it knows runs only.
 */
#include "framing.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mmsock.h>

#include "tool.h"

#define PREFIX_BYTES sizeof(uint32_t)

/* As a length in lp32be: kcat's mark for a message without a payload. */
#define NO_PAYLOAD UINT32_MAX

static const char *unread(const struct framing_reader *reader)
{
	return reader->buffer + reader->start;
}

static size_t unread_bytes(const struct framing_reader *reader)
{
	return reader->end - reader->start;
}

/* @taken is what the record takes of the input, its frame included. */
static int add(struct framing_reader *reader, struct mmsock_run *run,
	       const char *message, size_t length, size_t taken)
{
	int r;

	if (length > reader->max_message)
		return -EMSGSIZE;
	r = mmsock_run_add(run, message, length);
	if (r == -ENOBUFS)
		return 0;
	if (r < 0)
		return r;
	reader->start += taken;
	reader->searched = 0;
	reader->records++;
	reader->payload_bytes += length;
	return 1;
}

/* There is no delimiter yet, but its first bytes may be the last that came. */
static int cut_rest(struct framing_reader *reader, struct mmsock_run *run)
{
	size_t length = unread_bytes(reader);
	size_t begun = reader->delimiter_length - 1;

	if (length == 0)
		return 0;
	if (reader->ended)
		return add(reader, run, unread(reader), length, length);
	reader->searched = length > begun ? length - begun : 0;
	return reader->searched > reader->max_message ? -EMSGSIZE : 0;
}

int framing_cut_delimited(struct framing_reader *reader, struct mmsock_run *run)
{
	const char *at = unread(reader);
	const char *found = framing_search(
		reader->delimiter, reader->delimiter_length,
		at + reader->searched, unread_bytes(reader) - reader->searched);
	size_t length;

	if (!found)
		return cut_rest(reader, run);
	length = (size_t)(found - at);
	return add(reader, run, at, length, length + reader->delimiter_length);
}

/*
 * All whole lines: the way of nearly every message there is.  Not where one was
 * begun, and searched, before; and what stops it is for framing_cut_delimited()
 * to tell.
 */
static int cut_lines(struct framing_reader *reader, struct mmsock_run *run,
		     size_t most)
{
	size_t count;
	size_t taken;

	if (reader->searched)
		return 0;
	if (most > INT_MAX)
		most = INT_MAX;
	count = mmsock_run_split(run, unread(reader), unread_bytes(reader),
				 *reader->delimiter,
				 (size_t)reader->max_message, most, &taken);
	reader->start += taken;
	reader->records += count;
	reader->payload_bytes += taken - count;
	return (int)count;
}

int framing_cut_raw(struct framing_reader *reader, struct mmsock_run *run)
{
	size_t length = unread_bytes(reader);

	return length ? add(reader, run, unread(reader), length, length) : 0;
}

/* Also of an empty input: it is one empty message. */
int framing_cut_slurp(struct framing_reader *reader, struct mmsock_run *run)
{
	size_t length = unread_bytes(reader);

	if (length > reader->max_message)
		return -EMSGSIZE;
	if (!reader->ended || reader->records > 0)
		return 0;
	return add(reader, run, unread(reader), length, length);
}

static int cut_prefixed(struct framing_reader *reader, struct mmsock_run *run,
			bool big_endian)
{
	size_t have = unread_bytes(reader);
	uint32_t length;

	if (have < PREFIX_BYTES)
		return have && reader->ended ? -EBADMSG : 0;
	memcpy(&length, unread(reader), sizeof(length));
	length = big_endian ? be32toh(length) : le32toh(length);
	if (big_endian && length == NO_PAYLOAD)
		length = 0;
	if (length > reader->max_message)
		return -EMSGSIZE;
	if (have - PREFIX_BYTES < length)
		return reader->ended ? -EBADMSG : 0;
	return add(reader, run, unread(reader) + PREFIX_BYTES, length,
		   PREFIX_BYTES + length);
}

int framing_cut_lp32be(struct framing_reader *reader, struct mmsock_run *run)
{
	return cut_prefixed(reader, run, true);
}

int framing_cut_lp32le(struct framing_reader *reader, struct mmsock_run *run)
{
	return cut_prefixed(reader, run, false);
}

int framing_reader_init(struct framing_reader *reader,
			const struct framing *framing, const char *delimiter,
			size_t delimiter_length, int fd, uint64_t max_message)
{
	size_t size = framing->read_most > FRAMING_BUFFER_BYTES
			      ? framing->read_most
			      : FRAMING_BUFFER_BYTES;
	char *buffer = malloc(size);

	if (!buffer)
		return -ENOMEM;
	*reader = (struct framing_reader){
		.framing = framing,
		.delimiter = delimiter,
		.delimiter_length = delimiter_length,
		.max_message = max_message,
		.fd = fd,
		.buffer = buffer,
		.size = size,
	};
	return 0;
}

void framing_reader_fini(struct framing_reader *reader)
{
	free(reader->buffer);
	reader->buffer = NULL;
}

static int make_room(struct framing_reader *reader)
{
	char *buffer;

	if (reader->start > 0) {
		memmove(reader->buffer, unread(reader), unread_bytes(reader));
		reader->dropped += reader->start;
		reader->end -= reader->start;
		reader->start = 0;
	}
	if (reader->end < reader->size)
		return 0;
	buffer = realloc(reader->buffer, reader->size * 2);
	if (!buffer)
		return -ENOMEM;
	reader->buffer = buffer;
	reader->size *= 2;
	return 0;
}

static size_t read_size(const struct framing_reader *reader)
{
	size_t most = reader->framing->read_most;

	if (!most)
		return reader->size - reader->end;
	return most < reader->max_message ? most : (size_t)reader->max_message;
}

int framing_fill(struct framing_reader *reader)
{
	ssize_t got;
	int r = make_room(reader);

	if (r < 0)
		return r;
	got = tool_read(reader->fd, reader->buffer + reader->end,
			read_size(reader));
	if (got < 0)
		return (int)got;
	reader->end += (size_t)got;
	reader->ended = got == 0;
	return 0;
}

int framing_cut(struct framing_reader *reader, struct mmsock_run *run,
		size_t most)
{
	int count = 0, r = 0;

	if (reader->delimiter_length == 1)
		count = cut_lines(reader, run, most);
	/* The rest: the last line, one that is too large, other framings. */
	while (r >= 0 && count < INT_MAX && (size_t)count < most) {
		r = reader->framing->cut(reader, run);
		if (r <= 0)
			break;
		count++;
	}
	return count ? count : r;
}

int framing_report(const struct framing_reader *reader, int error)
{
	uint64_t record = reader->records + 1;
	uint64_t byte = reader->dropped + reader->start;

	switch (-error) {
	case EINTR:
		/* The tool is about to die of a signal, and that says it. */
		return TOOL_NO;
	case EMSGSIZE:
		tool_warn("standard input: record %" PRIu64 " at byte %" PRIu64
			  ": larger than the %" PRIu64
			  " bytes that the port takes"
			  " (create it with a larger --max-message)",
			  record, byte, reader->max_message);
		return TOOL_DATA;
	case EBADMSG:
		tool_warn("standard input: record %" PRIu64 " at byte %" PRIu64
			  ": the input ends inside it",
			  record, byte);
		return TOOL_DATA;
	case ENOMEM:
		tool_warn("standard input: record %" PRIu64 " at byte %" PRIu64
			  ": not enough memory for it",
			  record, byte);
		return TOOL_SYSTEM;
	default:
		return tool_io_error("standard input", error);
	}
}

void framing_unread(const struct framing_reader *reader)
{
	off_t ahead = (off_t)unread_bytes(reader);

	/* A pipe has no way back, and that is no error. */
	if (ahead > 0 && lseek(reader->fd, -ahead, SEEK_CUR) < 0)
		return;
}
