/* SPDX-License-Identifier: MIT */
/*
 * framing.h - between a stream of bytes and messages
 *
 * One table of framings serves both directions: a reader cuts a stream into
 * messages, a writer puts messages into a stream.  Both work in one buffer of
 * fixed size; only a single record that is larger makes a reader's grow.
 */
#ifndef FRAMING_H
#define FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Half a pipe: a larger read or write leaves the first-level cache. */
#define FRAMING_BUFFER_BYTES ((size_t)32 << 10)

/* Messages that go to or come from a run in one call. */
#define FRAMING_STRIDE 64

struct framing_reader;
struct framing_writer;
struct mmsock_run;

struct framing {
	const char *name; /* as for --framing */
	const char *help;
	/* The byte that ends a record unless -d says otherwise; or NULL. */
	const char *delimiter;
	/* The most that is read at once; 0: what the buffer takes. */
	size_t read_most;
	/*
	 * Moves the next record from the buffer into the run.  Returns 1, or 0
	 * where it is not complete or the run is full; errors as framing_cut().
	 */
	int (*cut)(struct framing_reader *reader, struct mmsock_run *run);
	/* Appends one message, framed. */
	int (*put)(struct framing_writer *writer, const void *message,
		   size_t length);
};

/* framing_find - the framing of that name, or NULL */
const struct framing *framing_find(const char *name);

/* The names of all, for a report. */
extern const char framing_names[];

/* framing_list - write name and help of each, a line each */
void framing_list(FILE *out);

/*
 * Reading
 */
struct framing_reader {
	const struct framing *framing;
	const char *delimiter;
	size_t delimiter_length;
	uint64_t max_message; /* the port's */
	int fd;
	bool ended;
	char *buffer;
	size_t size;
	size_t start;           /* of what is not yet cut */
	size_t end;             /* of what was read */
	size_t searched;        /* bytes from start on that hold no delimiter */
	uint64_t dropped;       /* bytes of the input before the buffer */
	uint64_t records;       /* cut so far */
	uint64_t payload_bytes; /* of these, without their frames */
};

/*
 * framing_reader_init - set up a reader of @fd
 *
 * @delimiter, which ends a record where the framing has one, must stay valid.
 * 0 or -ENOMEM.  framing_reader_fini() frees the buffer; it may also be given a
 * reader that is all zero.
 */
int framing_reader_init(struct framing_reader *reader,
			const struct framing *framing, const char *delimiter,
			size_t delimiter_length, int fd, uint64_t max_message);
void framing_reader_fini(struct framing_reader *reader);

/*
 * framing_fill - read once
 *
 * To be called when framing_cut() has returned 0.  Sets @ended at the end of
 * the input, after which framing_cut() gives the rest.  0, or the error of
 * read(2), or -ENOMEM.
 */
int framing_fill(struct framing_reader *reader);

/*
 * framing_cut - move up to @most complete records into an empty run
 *
 * Returns how many, and 0 where none is complete.  -EMSGSIZE: the next record
 * is larger than the port takes; -EBADMSG: the input ends inside it; -ENOMEM.
 * What stood before a bad record is returned first.
 */
int framing_cut(struct framing_reader *reader, struct mmsock_run *run,
		size_t most);

/*
 * framing_report - say what framing_fill() or framing_cut() met; exit status
 *
 * Silent about a signal.
 */
int framing_report(const struct framing_reader *reader, int error);

/*
 * framing_unread - give back to a seekable input what was read and not cut
 *
 * So that the next reader of the same input goes on where this one stopped.
 */
void framing_unread(const struct framing_reader *reader);

/*
 * Writing
 */
struct framing_writer {
	const struct framing *framing;
	const char *delimiter;
	size_t delimiter_length;
	int fd;
	char *buffer;
	size_t size;
	size_t used;
	size_t ends;       /* delimiters in the buffer that end a message */
	uint64_t pending;  /* messages with bytes in the buffer */
	uint64_t unput;    /* taken out of a run, not yet in the buffer */
	uint64_t messages; /* put so far */
	uint64_t bytes;    /* of these, without their frames */
	bool ambiguous;    /* a message held the delimiter */
};

/* As for the reader. */
int framing_writer_init(struct framing_writer *writer,
			const struct framing *framing, const char *delimiter,
			size_t delimiter_length, int fd);
void framing_writer_fini(struct framing_writer *writer);

/*
 * framing_put - append the messages of a run, which is empty afterwards
 *
 * Writes when the buffer is full.  0 or the error of write(2).
 */
int framing_put(struct framing_writer *writer, struct mmsock_run *run);

/*
 * framing_flush - write what is in the buffer; 0 or the error of write(2)
 *
 * Sets @ambiguous where a message held the delimiter, so that a reader of the
 * output will not see it as one.
 */
int framing_flush(struct framing_writer *writer);

/*
 * framing_pack - frame one message in the buffer, and leave the writing to others
 *
 * For a writer that does nothing else; the bytes are the buffer's first @used.
 * 0 or -ENOMEM.
 */
int framing_pack(struct framing_writer *writer, const void *message,
		 size_t length);

/*
 * framing_holds - whether a message holds the delimiter (if there is one), or so
 * much of it that a reader would find it before the message's end
 */
bool framing_holds(const char *delimiter, size_t delimiter_length,
		   const void *message, size_t length);

/* framing_search - the first delimiter in a text, or NULL */
const char *framing_search(const char *delimiter, size_t delimiter_length,
			   const char *text, size_t length);

/*
 * What the rows of the table do: see struct framing
 */
int framing_cut_delimited(struct framing_reader *reader,
			  struct mmsock_run *run);
int framing_cut_raw(struct framing_reader *reader, struct mmsock_run *run);
int framing_cut_slurp(struct framing_reader *reader, struct mmsock_run *run);
int framing_cut_lp32be(struct framing_reader *reader, struct mmsock_run *run);
int framing_cut_lp32le(struct framing_reader *reader, struct mmsock_run *run);
int framing_put_delimited(struct framing_writer *writer, const void *message,
			  size_t length);
int framing_put_raw(struct framing_writer *writer, const void *data,
		    size_t length);
int framing_put_lp32be(struct framing_writer *writer, const void *message,
		       size_t length);
int framing_put_lp32le(struct framing_writer *writer, const void *message,
		       size_t length);

#endif
