/* SPDX-License-Identifier: MIT */
/*
 * writer.c - putting messages into a stream
 *
 * All that a run holds goes into one buffer, which is written when it is full
 * and when its owner says so.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <mmsock.h>

#include "framing.h"
#include "tool.h"

/* What a frame without a delimiter takes, at most, and a byte to spare. */
#define FRAME_MOST 16

/* Bytes that are counted at a time; a count of them fits into a byte. */
#define BLOCK 128

int framing_put_raw(struct framing_writer *writer, const void *data,
		    size_t length)
{
	int r;

	if (length > writer->size - writer->used) {
		r = framing_flush(writer);
		if (r < 0)
			return r;
		/* The message that is being put is not written out yet. */
		writer->pending = 1;
		if (length >= writer->size)
			return tool_write(writer->fd, data, length);
	}
	memcpy(writer->buffer + writer->used, data, length);
	writer->used += length;
	return 0;
}

/* The message that crosses the end of the buffer, and long delimiters. */
int framing_put_delimited(struct framing_writer *writer, const void *message,
			  size_t length)
{
	int r;

	if (!writer->ambiguous)
		writer->ambiguous = framing_holds(writer->delimiter,
						  writer->delimiter_length,
						  message, length);
	r = framing_put_raw(writer, message, length);
	if (r < 0)
		return r;
	r = framing_put_raw(writer, writer->delimiter,
			    writer->delimiter_length);
	/* Not before: the buffer may have been flushed in between. */
	writer->ends++;
	return r;
}

/*
 * Lines that fit into the buffer, with nothing looked at but their lengths.
 * Whether one holds the delimiter is seen when the buffer is flushed.
 */
static size_t put_lines(struct framing_writer *writer,
			const struct iovec *lines, size_t count)
{
	char *at = writer->buffer + writer->used;
	const char *end = writer->buffer + writer->size;
	char delimiter = *writer->delimiter;
	size_t i;

	for (i = 0; i < count; i++) {
		if (lines[i].iov_len >= (size_t)(end - at))
			break;
		memcpy(at, lines[i].iov_base, lines[i].iov_len);
		at += lines[i].iov_len;
		*at++ = delimiter;
	}
	writer->used = (size_t)(at - writer->buffer);
	writer->ends += i;
	writer->pending += i;
	return i;
}

int framing_put_lp32be(struct framing_writer *writer, const void *message,
		       size_t length)
{
	uint32_t prefix = htobe32((uint32_t)length);
	int r = framing_put_raw(writer, &prefix, sizeof(prefix));

	return r < 0 ? r : framing_put_raw(writer, message, length);
}

int framing_put_lp32le(struct framing_writer *writer, const void *message,
		       size_t length)
{
	uint32_t prefix = htole32((uint32_t)length);
	int r = framing_put_raw(writer, &prefix, sizeof(prefix));

	return r < 0 ? r : framing_put_raw(writer, message, length);
}

int framing_writer_init(struct framing_writer *writer,
			const struct framing *framing, const char *delimiter,
			size_t delimiter_length, int fd)
{
	char *buffer = malloc(FRAMING_BUFFER_BYTES);

	if (!buffer)
		return -ENOMEM;
	*writer = (struct framing_writer){
		.framing = framing,
		.delimiter = delimiter,
		.delimiter_length = delimiter_length,
		.fd = fd,
		.buffer = buffer,
		.size = FRAMING_BUFFER_BYTES,
	};
	return 0;
}

void framing_writer_fini(struct framing_writer *writer)
{
	free(writer->buffer);
	writer->buffer = NULL;
}

int framing_pack(struct framing_writer *writer, const void *message,
		 size_t length)
{
	size_t size = length + FRAME_MOST + writer->delimiter_length;
	char *buffer;

	writer->used = 0;
	if (size > writer->size) {
		buffer = realloc(writer->buffer, size);
		if (!buffer)
			return -ENOMEM;
		writer->buffer = buffer;
		writer->size = size;
	}
	return writer->framing->put(writer, message, length);
}

static int put_all(struct framing_writer *writer, const struct iovec *messages,
		   size_t count)
{
	size_t i = 0;
	int r;

	while (i < count) {
		if (writer->delimiter_length == 1)
			i += put_lines(writer, messages + i, count - i);
		if (i == count)
			break;
		writer->pending++;
		writer->unput = count - i - 1;
		r = writer->framing->put(writer, messages[i].iov_base,
					 messages[i].iov_len);
		if (r < 0)
			return r;
		i++;
	}
	return 0;
}

int framing_put(struct framing_writer *writer, struct mmsock_run *run)
{
	struct iovec messages[FRAMING_STRIDE];
	size_t count;
	int r = 0;

	while (r == 0) {
		count = mmsock_run_nextv(run, messages, FRAMING_STRIDE);
		if (count == 0)
			break;
		writer->messages += count;
		for (size_t i = 0; i < count; i++)
			writer->bytes += messages[i].iov_len;
		r = put_all(writer, messages, count);
	}
	return r;
}

/* In blocks of a fixed size, which compilers turn into vector code. */
static size_t count_byte(const char *at, size_t length, char byte)
{
	size_t count = 0;

	for (; length >= BLOCK; at += BLOCK, length -= BLOCK) {
		unsigned char hits = 0;

		for (size_t i = 0; i < BLOCK; i++)
			hits = (unsigned char)(hits + (at[i] == byte));
		count += hits;
	}
	while (length-- > 0)
		count += *at++ == byte;
	return count;
}

/* More delimiters than messages: one of them holds it. */
static void look_for_delimiters(struct framing_writer *writer)
{
	if (!writer->ambiguous && writer->delimiter_length == 1)
		writer->ambiguous =
			count_byte(writer->buffer, writer->used,
				   *writer->delimiter) > writer->ends;
	writer->ends = 0;
}

int framing_flush(struct framing_writer *writer)
{
	int r;

	look_for_delimiters(writer);
	r = tool_write(writer->fd, writer->buffer, writer->used);
	if (r < 0)
		return r;
	writer->used = 0;
	writer->pending = 0;
	return 0;
}
