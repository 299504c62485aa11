/* SPDX-License-Identifier: MIT */
/*
 * error.c - the text of errors
 *
 * The library never prints; it keeps one sentence a thread, written where the
 * fault was seen, and a general one for each code.
 */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmsock.h"

/* As in the kernel: no errno is larger. */
#define MAX_ERRNO 4095

struct report {
	int error;
	bool fresh;      /* noted by the call that is under way */
	char text[1024]; /* what a server says with an error has 1000 bytes */
};

struct sentence {
	int error;
	const char *text;
};

static _Thread_local struct report last;

static const struct sentence sentences[] = {
	{EACCES, "permission denied"},
	{EAGAIN, "would have to wait"},
	{EBADMSG, "the port's contents are not valid"},
	{EBUSY, "the port is in use"},
	{ECHILD, "the handle was opened before a fork, in the parent"},
	{ECONNREFUSED, "nobody serves this port"},
	{ECONNRESET, "the caller is gone or no longer waits"},
	{EDEADLK, "the handle is busy with another call"},
	{EEXIST, "the port exists"},
	{EIDRM, "the port was removed"},
	{EINTR, "interrupted"},
	{EINVAL, "invalid argument"},
	{EMSGSIZE, "the message is too large"},
	{ENAMETOOLONG, "the name is too long"},
	{ENOBUFS, "the run is full"},
	{ENODATA, "end of stream: the last sender has left"},
	{ENOENT, "no such port"},
	{ENOSPC, "no space left for the port"},
	{ENOTSOCK, "the file is no port"},
	{EOWNERDEAD, "the server died or left before it replied"},
	{EOVERFLOW, "the value would be above its maximum"},
	{EPERM, "the handle was not opened for this direction"},
	{EPROTONOSUPPORT, "another layout version or byte order"},
	{EREMOTEIO, "the server replied with an error"},
	{ESTALE, "the port was replaced by a new one of the same name"},
	{ETIMEDOUT, "timed out"},
	{EUSERS, "no free slot: every one is held by a live participant"},
};

int mms_fail(int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(last.text, sizeof(last.text), format, args);
	va_end(args);
	last.error = error;
	last.fresh = true;
	return error;
}

bool mms_noted(int error)
{
	return last.fresh && last.error == error;
}

int mms_failed(int error)
{
	if (!last.fresh || last.error != error)
		last.error = 0;
	last.fresh = false;
	return error;
}

const char *mmsock_error_text(int error)
{
	size_t i;

	/* Negative, as its own sign may have no counterpart. */
	if (error > 0)
		error = -error;
	if (error && error == last.error)
		return last.text;
	for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		if (-sentences[i].error == error)
			return sentences[i].text;
	}
	if (error < -MAX_ERRNO)
		return "unknown error";
	return error ? strerror(-error) : "no error";
}

const char *mmsock_version(void)
{
	return MMSOCK_VERSION;
}
