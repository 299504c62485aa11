/* SPDX-License-Identifier: MIT */
/*
 * moments.c - what others do at a moment when somebody is half way
 *
 * One process makes some of its instructions and stands still; others do what
 * leads into the one order of steps that used to go wrong; then it goes on.
 */
#include <limits.h>
#include <poll.h>

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

/* The last sender commits and leaves while the receiver looks for an end. */
static void test_last_message(void)
{
	const char *dir = fresh_dir();
	unsigned long stride = step_stride(16);
	struct mmsock *sender;
	unsigned long last;
	unsigned long at;
	struct step step;

	create_port("p", 4096, 4);
	sender = open_as("p", MMSOCK_SENDER);
	last = way_to_sleep(receive_one_and_the_end, dir);
	mmsock_close(sender);
	for (at = 0; at <= last; at += stride) {
		sender = open_as("p", MMSOCK_SENDER);
		step_start(&step, prepare_receiver, receive_one_and_the_end,
			   NULL);
		CHECK(step_forward(&step, at));
		send_text(sender, "x");
		mmsock_close(sender);
		step_finish(&step);
	}
}

/* Names. */

static void do_nothing(void *context)
{
	(void)context;
}

/* Near @hot each fourth instruction is looked at. */
static unsigned long next_place(unsigned long at, unsigned long hot)
{
	const unsigned long near = 64;
	unsigned long far = step_stride(512);

	if (at + near >= hot && at < hot + near)
		return at + step_stride(4);
	return at < hot && at + far + near > hot ? hot - near : at + far;
}

static void create_exclusively(void *context)
{
	(void)context;
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_EXCLUSIVE), 0);
}

/* After how many instructions the directory has an entry. */
static unsigned long way_to_name(const char *dir)
{
	unsigned long count = 0;
	struct step step;

	step_start(&step, do_nothing, create_exclusively, NULL);
	for (; !count_entries(dir); count++)
		CHECK(step_forward(&step, 1));
	step_kill(&step);
	return count;
}

/*
 * A file that cannot be without a name has one before its creator holds the byte
 * that covers it.
 */
static void test_name_is_swept(void)
{
	const char *dir = fresh_dir();
	unsigned long named;
	unsigned long at;
	struct step step;

	forbid_tmpfile();
	named = way_to_name(dir);
	for (at = named; at < named + 256; at += step_stride(16)) {
		step_start(&step, do_nothing, create_exclusively, NULL);
		CHECK(step_forward(&step, at));
		CHECK_INT(mmsock_remove("q", NULL, MMSOCK_REMOVE_ALWAYS),
			  -ENOENT);
		step_finish(&step);
		CHECK_INT(count_entries(dir), 1);
		CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS), 0);
	}
}

static void remove_carefully(void *context)
{
	int r = mmsock_remove("p", NULL, *(enum mmsock_remove_when *)context);

	CHECK(r == 0 || r == -EBUSY);
}

static void die_attached(struct kid *self, void *context)
{
	(void)context;
	open_as("p", MMSOCK_SENDER);
	meet(self);
}

/* A port that nobody uses, and that is stale. */
static void make_removable(void)
{
	struct kid kid;

	create_port("p", 4096, 4);
	kid_start(&kid, die_attached, NULL);
	CHECK(hear(&kid));
	kid_kill(&kid);
}

/* After how many instructions the port is gone. */
static unsigned long way_to_unlink(enum mmsock_remove_when when,
				   const char *path)
{
	unsigned long count = 0;
	struct step step;

	make_removable();
	step_start(&step, do_nothing, remove_carefully, &when);
	for (; inode_of(path); count++)
		CHECK(step_forward(&step, 1));
	step_kill(&step);
	return count;
}

static bool is_named(const struct mmsock *handle, const char *path)
{
	return inode_of(path) == handle->port.inode && !mms_port_gone(handle);
}

/* Attaches in the middle, and looks at the end. */
static void run_newcomer(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);

	meet(self);
	CHECK(is_named(handle, context));
	mmsock_close(handle);
}

/* Until it is attached, or waits for who removes the port. */
static void await_newcomer(const struct kid *kid)
{
	struct pollfd said = {.fd = kid->from, .events = POLLIN};

	while (!poll(&said, 1, 0) && !waits_in_call(kid->pid, SYS_fcntl))
		sched_yield();
}

static void attach_while_removed(enum mmsock_remove_when when)
{
	const char *path = join(fresh_dir(), "p");
	unsigned long hot = way_to_unlink(when, path);
	unsigned long at = 0;
	struct step step;
	struct kid kid;
	bool on_the_way;

	do {
		mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS);
		make_removable();
		step_start(&step, do_nothing, remove_carefully, &when);
		on_the_way = step_forward(&step, at);
		kid_start(&kid, run_newcomer, (void *)(uintptr_t)path);
		await_newcomer(&kid);
		step_finish(&step);
		CHECK(hear(&kid));
		kid_end(&kid);
		at = next_place(at, hot);
	} while (on_the_way);
}

static void test_attach_while_unused_is_removed(void)
{
	attach_while_removed(MMSOCK_REMOVE_UNUSED);
}

static void test_attach_while_stale_is_removed(void)
{
	attach_while_removed(MMSOCK_REMOVE_STALE);
}

static void attach_or_find_nothing(void *context)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING, MMSOCK_SENDER);
	struct mmsock *handle = NULL;
	int r = mmsock_open("p", &options, &handle);

	CHECK(r ? r == -ENOENT : is_named(handle, context));
}

/* The other way round: the port is removed while somebody is about to attach. */
static void test_remove_while_attached_to(void)
{
	const char *path = join(fresh_dir(), "p");
	unsigned long stride = step_stride(1024);
	unsigned long at = 0;
	struct step step;
	bool on_the_way;

	do {
		mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS);
		make_removable();
		step_start(&step, do_nothing, attach_or_find_nothing,
			   (void *)(uintptr_t)path);
		on_the_way = step_forward(&step, at);
		remove_carefully(&(enum mmsock_remove_when){
			at / stride % 2 ? MMSOCK_REMOVE_STALE
					: MMSOCK_REMOVE_UNUSED});
		step_finish(&step);
		at += stride;
	} while (on_the_way);
}

/* Who attaches writes his row in the place of somebody else's. */

static void prepare_none(void *context)
{
	(void)context;
}

static void come_and_go(void *context)
{
	prepare_receiver(context);
	mmsock_close(receiver);
}

static int check_row(const struct mmsock_peer *peer, void *context)
{
	const struct step *newcomer = context;

	CHECK_INT(peer->pid, newcomer->pid);
	CHECK_INT(peer->received, 0);
	return 0;
}

static void test_row_is_seen(void)
{
	const char *dir = fresh_dir();
	struct step_trace trace;
	struct mms_row *row;
	unsigned char *file;
	unsigned long at = 0;
	struct step step;

	create_port("p", 4096, 4);
	file = map_file(join(dir, "p"));
	row = (void *)(file + MMS_ROWS_OFFSET);
	row->received = 7;
	step_start(&step, prepare_none, come_and_go, NULL);
	step_record(&step, file, MMS_ROWS_OFFSET + sizeof(struct mms_row),
		    &trace);
	while ((at = step_change_after(&trace, at)) != ULONG_MAX) {
		row->received = 7;
		step_start(&step, prepare_none, come_and_go, NULL);
		step_to(&step, &trace, at);
		CHECK_INT(mmsock_inspect_peers("p", NULL, check_row, &step), 0);
		step_finish(&step);
	}
	CHECK(trace.changes > 5);
	step_forget(&trace);
}

/* A sender who is about to come is none who has left. */

static void come_as_sender(void *context)
{
	(void)context;
	open_as("p", MMSOCK_SENDER);
}

static void test_sender_half_come(void)
{
	const char *dir = fresh_dir();
	struct mmsock *handle;
	struct step_trace trace;
	unsigned long at = 0;
	unsigned char *file;
	struct step step;
	char buffer[16];

	create_port("p", 4096, 4);
	file = map_file(join(dir, "p"));
	step_start(&step, prepare_none, come_as_sender, NULL);
	step_record(&step, file, MMS_ROWS_OFFSET + sizeof(struct mms_row),
		    &trace);
	while ((at = step_change_after(&trace, at)) != ULONG_MAX) {
		handle = open_as("p", MMSOCK_RECEIVER);
		step_start(&step, prepare_none, come_as_sender, NULL);
		step_to(&step, &trace, at);
		CHECK_INT(mmsock_recv(handle, buffer, sizeof(buffer), 0),
			  -EAGAIN);
		step_finish(&step);
		mmsock_close(handle);
	}
	CHECK(trace.changes > 5);
	step_forget(&trace);
}

/*
 * A sender comes right before the receiver goes to sleep, who has seen nobody whose
 * death he would have to look for; and is killed.
 */

static void prepare_looking_receiver(void *context)
{
	prepare_receiver(context);
	receiver->waiter.no_recheck = false;
}

static void receive_the_end(void *context)
{
	(void)context;
	CHECK_INT(receive(), -ENODATA);
}

static void test_sender_comes_and_dies(void)
{
	const char *dir = fresh_dir();
	unsigned long stride = step_stride(16);
	const _Atomic uint64_t *asked;
	unsigned long last;
	unsigned long at;
	struct step step;
	struct kid kid;

	create_port("p", 4096, 4);
	asked = announcements(dir);
	last = way_to_sleep(receive_the_end, dir);
	for (at = last > 300 ? last - 300 : 0; at <= last; at += stride) {
		step_start(&step, prepare_looking_receiver, receive_the_end,
			   NULL);
		CHECK(step_forward(&step, at));
		kid_start(&kid, die_attached, NULL);
		CHECK(hear(&kid));
		CHECK(step_until_changed(&step, asked) != ULONG_MAX);
		kid_kill(&kid);
		step_finish(&step);
	}
}

/* Who attaches looks at both ends while others move them. */

static void look_at_positions(void *context)
{
	(void)context;
	CHECK(mms_ring_is_plausible(&receiver->port.ring));
}

static void move_a_lap(struct mmsock *handle)
{
	static const char large[3000];
	char buffer[3000];
	unsigned i;

	for (i = 0; i < 2; i++) {
		CHECK_INT(mmsock_send(handle, large, sizeof(large), 0), 0);
		CHECK_INT(mmsock_recv(handle, buffer, sizeof(buffer), 0),
			  sizeof(large));
	}
}

static void test_positions_move(void)
{
	struct mmsock *handle;
	unsigned long at;
	struct step step;
	bool goes_on;

	fresh_dir();
	create_port("p", 4096, 4);
	handle = open_as("p", MMSOCK_SENDER | MMSOCK_RECEIVER);
	for (at = 0, goes_on = true; goes_on; at++) {
		step_start(&step, prepare_receiver, look_at_positions, NULL);
		goes_on = step_forward(&step, at);
		move_a_lap(handle);
		step_finish(&step);
	}
	CHECK(at > 10);
	mmsock_close(handle);
}

static const struct check_case cases[] = {
	{"a message that another takes does not hide the end",
	 test_message_is_taken_by_another},
	{"no end is told with a sender there", test_sender_comes_and_stays},
	{"nor with his last message there", test_last_message},
	{"nor with a sender about to come", test_sender_half_come},
	{"a sender who comes and is killed at once has left",
	 test_sender_comes_and_dies},
	{"a name that is swept away is made again", test_name_is_swept},
	{"who attaches while an unused port is removed has a port",
	 test_attach_while_unused_is_removed},
	{"and so has who attaches to a stale one",
	 test_attach_while_stale_is_removed},
	{"a port that somebody is about to attach to is kept or gone",
	 test_remove_while_attached_to},
	{"positions that move are plausible", test_positions_move},
	{"a row is seen with what belongs to it", test_row_is_seen},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
