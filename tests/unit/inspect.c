/* SPDX-License-Identifier: MIT */
/*
 * inspect.c - looking from outside: exact when nobody moves, and without a trace
 */
#include <limits.h>

#include "handle.h"
#include "header.h"
#include "sandbox.h"

#define BOTH (MMSOCK_SENDER | MMSOCK_RECEIVER)

static void run_attached(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", *(unsigned *)context);

	meet(self);
	mmsock_close(handle);
}

static void start_attached(struct kid *kid, unsigned role)
{
	kid_start(kid, run_attached, &role);
	CHECK(hear(kid));
}

static void test_fresh(void)
{
	const char *path = join(fresh_dir(), "p");
	struct mmsock_info info;
	struct stat status;

	create_port("p", 8192, 7);
	CHECK(!stat(path, &status));
	info = inspect("p");
	CHECK_INT(info.size, sizeof(info));
	CHECK_INT(info.state, MMSOCK_STATE_OK);
	CHECK_INT(info.type, MMSOCK_QUEUE);
	CHECK_INT(info.layout, MMS_LAYOUT_VERSION);
	CHECK_INT(info.uid, geteuid());
	CHECK_INT(info.gid, status.st_gid);
	CHECK_INT(info.permissions, 0600);
	CHECK_INT(info.slots, 7);
	CHECK_INT(info.ring_bytes, 8192);
	CHECK_INT(info.max_message, 8176);
	CHECK_INT(info.file_bytes, status.st_size);
	CHECK_INT(info.participants + info.senders + info.receivers, 0);
	CHECK_INT(info.dead + info.died + info.takeovers, 0);
	CHECK_INT(info.messages + info.sent + info.received + info.dropped, 0);
	CHECK_INT(info.used_bytes, 0);
	CHECK_INT(info.last_send_ns, 0);
	CHECK_INT(info.last_recv_ns, 0);
	CHECK(info.created_ns > 0);
	CHECK_STR(info.detail, "");
}

static void expect_counts(uint64_t sent, uint64_t received, uint64_t used)
{
	struct mmsock_info info = inspect("p");

	CHECK_INT(info.sent, sent);
	CHECK_INT(info.received, received);
	CHECK_INT(info.messages, sent - received);
	CHECK_INT(info.used_bytes, used);
}

static void test_messages(void)
{
	struct mmsock *handle;
	char buffer[128] = "";

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	expect_counts(0, 0, 0);
	CHECK_INT(mmsock_send(handle, buffer, 0, 0), 0);
	expect_counts(1, 0, 8);
	CHECK_INT(mmsock_send(handle, buffer, 1, 0), 0);
	expect_counts(2, 0, 24);
	CHECK_INT(mmsock_send(handle, buffer, 8, 0), 0);
	expect_counts(3, 0, 40);
	CHECK_INT(mmsock_send(handle, buffer, 100, 0), 0);
	expect_counts(4, 0, 152);
	CHECK_INT(mmsock_recv(handle, buffer, 128, 0), 0);
	expect_counts(4, 1, 144);
	CHECK_INT(mmsock_recv(handle, buffer, 128, 0), 1);
	CHECK_INT(mmsock_recv(handle, buffer, 128, 0), 8);
	CHECK_INT(mmsock_recv(handle, buffer, 128, 0), 100);
	expect_counts(4, 4, 0);
	mmsock_close(handle);
	expect_counts(4, 4, 0);
}

/* Around the ring many times, and in runs. */
static void test_laps(void)
{
	struct mmsock_run *run;
	struct mmsock *handle;
	uint64_t sent = 0;
	int i;

	fresh_dir();
	create_port("p", 4096, 2);
	handle = open_as("p", BOTH);
	CHECK_INT(mmsock_run_new(2048, &run), 0);
	for (i = 0; i < 100; i++) {
		while (!mmsock_run_add(run, "0123456789", 10))
			sent++;
		CHECK_INT(mmsock_run_send(handle, run, 0), 0);
		expect_counts(sent, sent - 85, 85 * 24);
		CHECK_INT(mmsock_run_recv(handle, run, 0, 0), 85);
		expect_counts(sent, sent, 0);
		mmsock_run_clear(run);
	}
	mmsock_run_free(run);
	mmsock_close(handle);
}

static void test_times(void)
{
	struct mmsock *handle;
	struct mmsock_info info;
	char byte;

	fresh_dir();
	handle = open_as("p", BOTH);
	send_text(handle, "x");
	info = inspect("p");
	CHECK(info.last_send_ns > info.created_ns - SECOND);
	CHECK(info.last_send_ns < info.created_ns + 60 * SECOND);
	CHECK_INT(info.last_recv_ns, 0);
	CHECK_INT(mmsock_recv(handle, &byte, 1, 0), 1);
	info = inspect("p");
	CHECK(info.last_recv_ns >= info.last_send_ns);
	mmsock_close(handle);
}

static void test_participants(void)
{
	struct kid kids[4];
	struct mmsock_info info;
	unsigned i;

	fresh_dir();
	create_port("p", 4096, 8);
	for (i = 0; i < 4; i++)
		start_attached(&kids[i], i);
	info = inspect("p");
	CHECK_INT(info.participants, 4);
	CHECK_INT(info.senders, 2);
	CHECK_INT(info.receivers, 2);
	kid_kill(&kids[3]);
	kid_end(&kids[0]);
	info = inspect("p");
	CHECK_INT(info.participants, 2);
	CHECK_INT(info.senders, 1);
	CHECK_INT(info.receivers, 1);
	CHECK_INT(info.dead, 1);
	CHECK_INT(info.died, 1);
	CHECK_INT(info.state, MMSOCK_STATE_OK);
	kid_end(&kids[1]);
	kid_end(&kids[2]);
	CHECK_INT(inspect("p").state, MMSOCK_STATE_STALE);
}

static void test_stale(void)
{
	struct mmsock *handle;
	struct kid kid;

	fresh_dir();
	create_port("p", 4096, 3);
	CHECK_INT(inspect("p").state, MMSOCK_STATE_OK);
	start_attached(&kid, 0);
	kid_end(&kid);
	CHECK_INT(inspect("p").state, MMSOCK_STATE_OK);
	start_attached(&kid, MMSOCK_SENDER);
	kid_kill(&kid);
	CHECK_INT(inspect("p").state, MMSOCK_STATE_STALE);
	/* Somebody has come: the row is his, and the dead one settled. */
	handle = open_as("p", BOTH);
	CHECK_INT(inspect("p").state, MMSOCK_STATE_OK);
	send_text(handle, "x");
	start_attached(&kid, MMSOCK_SENDER);
	kid_kill(&kid);
	CHECK_INT(inspect("p").state, MMSOCK_STATE_OK);
	mmsock_close(handle);
	CHECK_INT(inspect("p").dead, 1);
	CHECK_INT(inspect("p").state, MMSOCK_STATE_OK);
}

/* Every byte of the file but what time alone changes. */
static void test_no_trace(void)
{
	const char *path = join(fresh_dir(), "p");
	struct mmsock *handle;
	struct stat before;
	struct stat after;
	unsigned char *file;
	unsigned char *copy;
	unsigned descriptors;
	unsigned mappings;

	handle = open_as("p", BOTH);
	send_text(handle, "x");
	CHECK(!stat(path, &before));
	file = map_file(path);
	copy = malloc((size_t)before.st_size);
	CHECK(copy);
	memcpy(copy, file, (size_t)before.st_size);
	descriptors = count_descriptors();
	mappings = count_mappings();
	CHECK_INT(inspect("p").participants, 1);
	CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_STALE), -EBUSY);
	CHECK(!memcmp(copy, file, (size_t)before.st_size));
	CHECK(!stat(path, &after));
	CHECK_INT(after.st_ctim.tv_sec, before.st_ctim.tv_sec);
	CHECK_INT(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
	CHECK_INT(count_descriptors(), descriptors);
	CHECK_INT(count_mappings(), mappings);
	free(copy);
	mmsock_close(handle);
}

static void forge(const char *path, uint32_t layout, uint32_t byte_order,
		  uint64_t check)
{
	struct mms_header *header = (void *)map_file(path);

	header->layout = layout;
	header->byte_order = byte_order;
	header->check = mms_header_check(header) + check;
}

static int visit_none(const struct mmsock_peer *peer, void *context)
{
	(void)peer;
	(void)context;
	return 0;
}

static void expect_unusable(unsigned state, int error, const char *detail)
{
	struct mmsock_info info = inspect("p");

	CHECK_INT(info.state, state);
	printf("# %s\n", info.detail);
	CHECK(strstr(info.detail, detail));
	CHECK_INT(info.uid, geteuid());
	CHECK_INT(info.permissions, 0600);
	CHECK(info.file_bytes > 0);
	CHECK_INT(info.ring_bytes + info.messages + info.participants, 0);
	CHECK_INT(mmsock_inspect_peers("p", NULL, visit_none, NULL), error);
	CHECK(strstr(mmsock_error_text(error), detail));
}

static void test_unusable(void)
{
	const char *path = join(fresh_dir(), "p");
	unsigned descriptors = count_descriptors();
	struct mmsock_info info = {.size = sizeof(info)};

	create_port("p", 4096, 1);
	forge(path, 2, MMS_BYTE_ORDER, 0);
	expect_unusable(MMSOCK_STATE_FOREIGN_LAYOUT, -EPROTONOSUPPORT,
			"layout version 2");
	forge(path, 1, 0x04030201, 0);
	expect_unusable(MMSOCK_STATE_FOREIGN_LAYOUT, -EPROTONOSUPPORT,
			"byte order");
	forge(path, 1, MMS_BYTE_ORDER, 1);
	expect_unusable(MMSOCK_STATE_CORRUPT, -EBADMSG, "checksum");
	CHECK(!truncate(path, 4096));
	forge(path, 1, MMS_BYTE_ORDER, 0);
	expect_unusable(MMSOCK_STATE_CORRUPT, -EBADMSG, "4096 bytes");
	CHECK(!truncate(path, 20));
	expect_unusable(MMSOCK_STATE_CORRUPT, -EBADMSG, "cut short");
	CHECK(!truncate(path, 0));
	CHECK_INT(mmsock_inspect("p", NULL, &info), -ENOTSOCK);
	CHECK_INT(mmsock_inspect_peers("p", NULL, visit_none, NULL), -ENOTSOCK);
	CHECK_INT(count_descriptors(), descriptors);
}

/* Indices that somebody scribbled over make neither a crash nor a hang. */
static void test_scribbled(void)
{
	static const uint64_t values[] = {1,
					  7,
					  8,
					  4096,
					  1 << 20,
					  UINT64_MAX,
					  UINT64_MAX - 7,
					  UINT64_C(1) << 63};
	const char *path = join(fresh_dir(), "p");
	struct mms_control *control;
	struct mmsock *handle;
	size_t i;
	size_t j;

	create_port("p", 4096, 1);
	handle = open_as("p", BOTH);
	send_text(handle, "x");
	mmsock_close(handle);
	control = map_control(path);
	for (i = 0; i < CHECK_COUNT(values); i++) {
		for (j = 0; j < CHECK_COUNT(values); j++) {
			control->send.at = values[i];
			control->recv.at = values[j];
			control->send.count = values[j];
			control->recv.count = values[i];
			CHECK(inspect("p").used_bytes <= 4096);
		}
	}
	memset(map_file(path) + MMS_ROWS_OFFSET, 0xff, 4096 + 4096);
	inspect("p");
	mmsock_inspect_peers("p", NULL, visit_none, NULL);
}

static void test_removed(void)
{
	const char *path = join(fresh_dir(), "p");
	struct mms_control *control;

	create_port("p", 4096, 1);
	control = map_control(path);
	control->signals.state = MMS_REPLACED;
	CHECK_INT(inspect("p").state, MMSOCK_STATE_REMOVED);
	control->signals.state = MMS_CLOSED;
	CHECK_INT(inspect("p").state, MMSOCK_STATE_REMOVED);
}

static void test_arguments(void)
{
	const size_t least = offsetof(struct mmsock_info, value);
	struct mmsock_info info = {.size = least - 1};

	fresh_dir();
	CHECK_INT(mmsock_inspect("p", NULL, &info), -EINVAL);
	info.size = sizeof(info);
	info.state = 99;
	CHECK_INT(mmsock_inspect("p", NULL, &info), -ENOENT);
	CHECK_INT(info.state, 99);
	CHECK_INT(mmsock_inspect_peers("p", NULL, visit_none, NULL), -ENOENT);
	/* A program that was built with 0.1. */
	create_port("p", 4096, 2);
	info.size = least;
	info.value = 77;
	CHECK_INT(mmsock_inspect("p", NULL, &info), 0);
	CHECK_INT(info.state, MMSOCK_STATE_OK);
	CHECK_INT(info.size, least);
	CHECK_INT(info.value, 77);
}

/* Participants. */

struct album {
	struct mmsock_peer peers[16];
	size_t count;
	size_t stop_at;
};

static int take_picture(const struct mmsock_peer *peer, void *context)
{
	struct album *album = context;

	album->peers[album->count++] = *peer;
	return album->count == album->stop_at ? 42 : 0;
}

static struct album take_pictures(void)
{
	struct album album = {.count = 0};

	CHECK_INT(mmsock_inspect_peers("p", NULL, take_picture, &album), 0);
	return album;
}

static void test_peers(void)
{
	struct mmsock *handle;
	struct album album;
	struct kid kids[2];
	char byte;

	fresh_dir();
	handle = open_as("p", BOTH);
	start_attached(&kids[0], MMSOCK_SENDER);
	start_attached(&kids[1], 0);
	send_text(handle, "abc");
	send_text(handle, "");
	CHECK_INT(mmsock_recv(handle, &byte, 1, 0), -EMSGSIZE);
	expect_text(handle, "abc");
	album = take_pictures();
	CHECK_INT(album.count, 3);
	CHECK_INT(album.peers[0].size, sizeof(album.peers[0]));
	CHECK_INT(album.peers[0].slot, 0);
	CHECK_INT(album.peers[0].pid, getpid());
	CHECK_INT(album.peers[0].role, BOTH);
	CHECK_INT(album.peers[0].activity, MMSOCK_RUNNING);
	CHECK_INT(album.peers[0].object, MMSOCK_NOTHING);
	CHECK_INT(album.peers[0].sent, 2);
	CHECK_INT(album.peers[0].sent_bytes, 3);
	CHECK_INT(album.peers[0].received, 1);
	CHECK_INT(album.peers[0].received_bytes, 3);
	CHECK_STR(album.peers[0].program, "inspect");
	CHECK(album.peers[0].since_ns > 0);
	CHECK_INT(album.peers[1].slot, 1);
	CHECK_INT(album.peers[1].pid, kids[0].pid);
	CHECK_INT(album.peers[1].role, MMSOCK_SENDER);
	CHECK_INT(album.peers[2].role, 0);
	kid_kill(&kids[0]);
	album = take_pictures();
	CHECK_INT(album.count, 3);
	CHECK_INT(album.peers[1].activity, MMSOCK_DEAD);
	kid_end(&kids[1]);
	mmsock_close(handle);
	CHECK_INT(take_pictures().count, 1);
}

static void test_peers_stop(void)
{
	struct album album = {.stop_at = 2};
	struct mmsock *handles[3];
	size_t i;

	fresh_dir();
	for (i = 0; i < 3; i++)
		handles[i] = open_as("p", MMSOCK_SENDER);
	CHECK_INT(mmsock_inspect_peers("p", NULL, take_picture, &album), 42);
	CHECK_INT(album.count, 2);
	for (i = 0; i < 3; i++)
		mmsock_close(handles[i]);
}

static void test_holding(void)
{
	struct mmsock *handle;
	const void *message;
	struct album album;
	void *buffer;

	fresh_dir();
	handle = open_as("p", BOTH);
	CHECK_INT(mmsock_reserve(handle, 8, &buffer, 0), 0);
	album = take_pictures();
	CHECK_INT(album.peers[0].activity, MMSOCK_HOLDING);
	CHECK_INT(album.peers[0].object, MMSOCK_SEND_END);
	CHECK_INT(inspect("p").messages, 0);
	memcpy(buffer, "12345678", 8);
	CHECK_INT(mmsock_commit(handle, 8), 0);
	CHECK_INT(mmsock_peek(handle, &message, 0), 8);
	album = take_pictures();
	CHECK_INT(album.peers[0].activity, MMSOCK_HOLDING);
	CHECK_INT(album.peers[0].object, MMSOCK_RECV_END);
	CHECK_INT(inspect("p").messages, 1);
	CHECK_INT(mmsock_cancel(handle), 0);
	CHECK_INT(take_pictures().peers[0].activity, MMSOCK_RUNNING);
	mmsock_close(handle);
}

static void run_receiver(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_RECEIVER);

	(void)context;
	tell(self);
	expect_text(handle, "wake up");
	meet(self);
	mmsock_close(handle);
}

static void test_asleep(void)
{
	struct mmsock *handle;
	struct album album;
	struct kid kid;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER);
	kid_start(&kid, run_receiver, NULL);
	CHECK(hear(&kid));
	await_sleeper("p", kid.pid, MMSOCK_DATA);
	send_text(handle, "wake up");
	CHECK(hear(&kid));
	album = take_pictures();
	CHECK_INT(album.peers[1].activity, MMSOCK_RUNNING);
	CHECK(album.peers[1].sleeps >= 1);
	CHECK(album.peers[1].blocked_ns > 0);
	CHECK_INT(inspect("p").sleeps, album.peers[1].sleeps);
	kid_end(&kid);
	/* What it had counted stays. */
	CHECK_INT(inspect("p").sleeps, album.peers[1].sleeps);
	mmsock_close(handle);
}

/* Lists. */

struct names {
	char text[256];
	size_t stop_at;
	size_t count;
};

static int note_name(const char *name, void *context)
{
	struct names *names = context;

	strcat(strcat(names->text, name), " ");
	return ++names->count == names->stop_at ? -7 : 0;
}

static void expect_list(const char *dir, const char *want)
{
	struct names names = {.text = ""};

	CHECK_INT(mmsock_list(dir, note_name, &names), 0);
	CHECK_STR(names.text, want);
}

static void test_list(void)
{
	const char *dir = fresh_dir();
	struct names names = {.stop_at = 2};

	expect_list(NULL, "");
	create_port("b", 4096, 1);
	create_port("a", 4096, 1);
	create_port("B", 4096, 1);
	create_port("a.1", 4096, 1);
	write_file(join(dir, "c"), "no port", 7);
	write_file(join(dir, ".mmsock.1"), "", 0);
	write_file(join(dir, "not a name"), "", 0);
	CHECK(!mkdir(join(dir, "d"), 0700));
	CHECK(!mkfifo(join(dir, "e"), 0600));
	CHECK(!symlink("a", join(dir, "f")));
	expect_list(NULL, "B a a.1 b c ");
	expect_list(dir, "B a a.1 b c ");
	CHECK_INT(mmsock_list(NULL, note_name, &names), -7);
	CHECK_STR(names.text, "B a ");
}

static void test_list_nothing(void)
{
	const char *dir = fresh_dir();

	expect_list(join(dir, "missing"), "");
	CHECK_INT(count_entries(dir), 0);
	write_file(join(dir, "file"), "", 0);
	CHECK_INT(mmsock_list(join(dir, "file"), note_name, NULL), -ENOTDIR);
}

static const struct check_case cases[] = {
	{"a fresh port is described", test_fresh},
	{"messages and used bytes are exact", test_messages},
	{"also after many laps", test_laps},
	{"the last send and receipt have their times", test_times},
	{"the living and the dead are counted by role", test_participants},
	{"stale is who died, nobody there, nothing waiting", test_stale},
	{"looking leaves no trace", test_no_trace},
	{"foreign and corrupt ports are described", test_unusable},
	{"scribbled indices do no harm", test_scribbled},
	{"a port that is gone is removed", test_removed},
	{"wrong arguments are refused", test_arguments},
	{"participants are described in order of their slots", test_peers},
	{"a visitor can stop", test_peers_stop},
	{"who holds an end is seen", test_holding},
	{"who sleeps is seen, and counted when gone", test_asleep},
	{"a list is sorted, regular files with names of ports", test_list},
	{"a missing directory has no ports", test_list_nothing},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
