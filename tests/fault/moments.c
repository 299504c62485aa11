/* SPDX-License-Identifier: MIT */
/*
 * moments.c - what others do at a moment when somebody is half way
 *
 * One process makes some of its instructions and stands still; others do what
 * leads into the one order of steps that used to go wrong; then it goes on.
 */
#include <limits.h>

#include "handle.h"
#include "step.h"
#include "unit/sandbox.h"

/* A receiver on his way to sleep, without any look that time brings. */

static struct mmsock *receiver;

static void prepare_receiver(void *context)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING, MMSOCK_RECEIVER);

	(void)context;
	options.spin_ns = 0;
	CHECK_INT(mmsock_open("p", &options, &receiver), 0);
	receiver->waiter.no_recheck = true;
}

static int64_t receive(void)
{
	char buffer[16];

	return mmsock_recv(receiver, buffer, sizeof(buffer), 20 * SECOND);
}

/* One of two receivers: the message may be his or not. */
static void receive_to_the_end(void *context)
{
	int64_t r;

	(void)context;
	do {
		r = receive();
	} while (r >= 0);
	CHECK_INT(r, -ENODATA);
}

static void receive_one_and_the_end(void *context)
{
	(void)context;
	CHECK_INT(receive(), 1);
	CHECK_INT(receive(), -ENODATA);
}

/* Announcements of sleep, and what wakers did to them. */
static const _Atomic uint64_t *announcements(const char *dir)
{
	struct mms_control *control = map_control(join(dir, "p"));

	return (const void *)&control->signals.data;
}

/* How many instructions it is from the call to the announcement. */
static unsigned long way_to_sleep(void (*operation)(void *), const char *dir)
{
	unsigned long count;
	struct step step;

	step_start(&step, prepare_receiver, operation, NULL);
	count = step_until_changed(&step, announcements(dir));
	CHECK(count != ULONG_MAX);
	step_kill(&step);
	return count;
}

static struct mmsock *open_receiver(void)
{
	struct mmsock *handle = open_as("p", MMSOCK_RECEIVER);

	handle->keep_open = true;
	return handle;
}

static void take_what_is_there(struct mmsock *handle)
{
	char buffer[16];
	ssize_t r = mmsock_recv(handle, buffer, sizeof(buffer), 0);

	CHECK(r == 1 || r == -EAGAIN);
}

/*
 * The last sender commits and leaves before the receiver looks for an end, and
 * another receiver takes the message before he looks for it again.
 */
static void test_message_is_taken_by_another(void)
{
	const char *dir = fresh_dir();
	unsigned long stride = step_stride(16);
	const _Atomic uint64_t *asked;
	struct mmsock *another;
	struct mmsock *sender;
	unsigned long last;
	unsigned long at;
	struct step step;

	create_port("p", 4096, 4);
	another = open_receiver();
	asked = announcements(dir);
	last = way_to_sleep(receive_to_the_end, dir);
	for (at = 0; at <= last; at += stride) {
		sender = open_as("p", MMSOCK_SENDER);
		step_start(&step, prepare_receiver, receive_to_the_end, NULL);
		CHECK(step_forward(&step, at));
		send_text(sender, "x");
		mmsock_close(sender);
		step_until_changed(&step, asked);
		take_what_is_there(another);
		step_finish(&step);
	}
	mmsock_close(another);
}

/*
 * A sender comes while the receiver looks who has come, and stays.  Many slots make
 * it a long look.
 */
static void test_sender_comes_and_stays(void)
{
	const char *dir = fresh_dir();
	unsigned long stride = step_stride(16);
	const _Atomic uint64_t *asked;
	struct mmsock *sender;
	unsigned long last;
	unsigned long at;
	struct step step;

	create_port("p", 4096, 64);
	asked = announcements(dir);
	last = way_to_sleep(receive_one_and_the_end, dir);
	for (at = 0; at <= last; at += stride) {
		step_start(&step, prepare_receiver, receive_one_and_the_end,
			   NULL);
		CHECK(step_forward(&step, at));
		sender = open_as("p", MMSOCK_SENDER);
		CHECK(step_until_changed(&step, asked) != ULONG_MAX);
		send_text(sender, "x");
		mmsock_close(sender);
		step_finish(&step);
	}
}

/* clang-format off */
static const struct check_case cases[] = {
	{"a message that another takes does not hide the end",
	 test_message_is_taken_by_another},
	{"no end is told with a sender there", test_sender_comes_and_stays},
};
/* clang-format on */

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
