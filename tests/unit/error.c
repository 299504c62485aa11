/* SPDX-License-Identifier: MIT */
/*
 * error.c - tests of the text of errors
 */
#include "error.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "check.h"
#include "mmsock.h"

static void test_general(void)
{
	CHECK_STR(mmsock_error_text(-ENOENT), "no such port");
	CHECK_STR(mmsock_error_text(-EIDRM), "the port was removed");
	CHECK_STR(mmsock_error_text(-ETIMEDOUT), "timed out");
}

static void test_sign(void)
{
	CHECK_STR(mmsock_error_text(ENOENT), mmsock_error_text(-ENOENT));
	mms_failed(mms_fail(-EBADMSG, "a precise sentence"));
	CHECK_STR(mmsock_error_text(EBADMSG), "a precise sentence");
}

static void test_none(void)
{
	CHECK_STR(mmsock_error_text(0), "no error");
}

static void test_system(void)
{
	CHECK_STR(mmsock_error_text(-EXDEV), strerror(EXDEV));
	CHECK(mmsock_error_text(-123456)[0]);
	CHECK(mmsock_error_text(INT_MAX)[0]);
	CHECK(mmsock_error_text(INT_MIN)[0]);
}

static void test_lower_case(void)
{
	const int ours[] = {EACCES,    EAGAIN,         EBADMSG, EBUSY,  ECHILD,
			    EDEADLK,   EEXIST,         EIDRM,   EINTR,  EINVAL,
			    EMSGSIZE,  ENAMETOOLONG,   ENOBUFS, ENOENT, ENODATA,
			    ENOSPC,    ENOTSOCK,       EPERM,   ESTALE, EUSERS,
			    ETIMEDOUT, EPROTONOSUPPORT};
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		const char *text = mmsock_error_text(ours[i]);

		CHECK(text[0] >= 'a' && text[0] <= 'z');
		CHECK(text[strlen(text) - 1] != '.');
	}
}

static void test_precise(void)
{
	CHECK_INT(mms_fail(-EINVAL, "slot %d of %d", 7, 5), -EINVAL);
	CHECK_INT(mms_failed(-EINVAL), -EINVAL);
	CHECK_STR(mmsock_error_text(-EINVAL), "slot 7 of 5");
	CHECK_STR(mmsock_error_text(-ENOENT), "no such port");
	CHECK_STR(mmsock_error_text(-EINVAL), "slot 7 of 5");
}

static void test_forgotten(void)
{
	mms_failed(mms_fail(-EINVAL, "an old story"));
	CHECK_INT(mms_failed(-EINVAL), -EINVAL);
	CHECK_STR(mmsock_error_text(-EINVAL), "invalid argument");

	mms_failed(mms_fail(-EINVAL, "an old story"));
	CHECK_INT(mms_failed(-ENOENT), -ENOENT);
	CHECK_STR(mmsock_error_text(-EINVAL), "invalid argument");
}

/* Something failed on the way, but not the call. */
static void test_another_failure(void)
{
	mms_fail(-EAGAIN, "tried once more");
	CHECK_INT(mms_failed(-ENOENT), -ENOENT);
	CHECK_STR(mmsock_error_text(-ENOENT), "no such port");
	CHECK_STR(mmsock_error_text(-EAGAIN), "would have to wait");
}

static void test_long(void)
{
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	mms_failed(mms_fail(-EINVAL, "%s", text));
	CHECK(strlen(mmsock_error_text(-EINVAL)) >= 100);
	CHECK(strlen(mmsock_error_text(-EINVAL)) < sizeof(text) - 1);
}

static void *fail_in_thread(void *context)
{
	(void)context;
	mms_failed(mms_fail(-EINVAL, "another thread's trouble"));
	return NULL;
}

static void test_threads(void)
{
	pthread_t thread;

	mms_failed(mms_fail(-EINVAL, "our own trouble"));
	CHECK(!pthread_create(&thread, NULL, fail_in_thread, NULL));
	CHECK(!pthread_join(thread, NULL));
	CHECK_STR(mmsock_error_text(-EINVAL), "our own trouble");
}

static void test_version(void)
{
	CHECK_STR(mmsock_version(), MMSOCK_VERSION);
}

static const struct check_case cases[] = {
	{"every error has a sentence", test_general},
	{"the sign of an error does not matter", test_sign},
	{"no error is no error", test_none},
	{"unknown errors get the system's text", test_system},
	{"texts are lower case without a full stop", test_lower_case},
	{"a precise sentence replaces the general one", test_precise},
	{"a precise sentence is forgotten with the next failure",
	 test_forgotten},
	{"a failure that was overcome leaves no sentence",
	 test_another_failure},
	{"a long sentence is cut", test_long},
	{"each thread has its own sentence", test_threads},
	{"the version is that of the header", test_version},
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, cases, CHECK_COUNT(cases));
}
