/* SPDX-License-Identifier: MIT */
/*
 * peer.c - who is alive, what forks do, who settles what the dead leave
 */
#include "peer.h"

#include <pthread.h>
#include <sys/syscall.h>

#include "handle.h"
#include "sandbox.h"

static int open_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	return fd;
}

static void test_bytes(void)
{
	const char *path = join(fresh_dir(), "file");
	int one = open_file(path);
	int two = open_file(path);

	CHECK_INT(mms_byte_take(one, MMS_SLOT_BYTE + 5), 0);
	CHECK_INT(mms_byte_take(one, MMS_SLOT_BYTE + 5), 0);
	CHECK_INT(mms_byte_take(two, MMS_SLOT_BYTE + 5), -EAGAIN);
	CHECK_INT(mms_byte_take(two, MMS_SLOT_BYTE + 6), 0);
	CHECK_INT(mms_bytes_held(two, MMS_SLOT_BYTE + 5, 1), 1);
	CHECK_INT(mms_bytes_held(two, MMS_SLOT_BYTE, 5), 0);
	CHECK_INT(mms_bytes_held(two, MMS_SLOT_BYTE, 1024), 1);
	/* Nobody sees his own: whoever asks needs another description. */
	CHECK_INT(mms_bytes_held(one, MMS_SLOT_BYTE + 5, 1), 0);
	CHECK_INT(mms_byte_give(one, MMS_SLOT_BYTE + 5), 0);
	CHECK_INT(mms_bytes_held(two, MMS_SLOT_BYTE + 5, 1), 0);
	CHECK_INT(mms_byte_wait(two, MMS_SLOT_BYTE + 5), 0);
	CHECK_INT(mms_byte_take(-1, MMS_SLOT_BYTE), -EBADF);
	CHECK_INT(mms_byte_wait(-1, MMS_SLOT_BYTE), -EBADF);
	CHECK_INT(mms_byte_give(-1, MMS_SLOT_BYTE), -EBADF);
	CHECK_INT(mms_bytes_held(-1, MMS_SLOT_BYTE, 1), -EBADF);
}

/* Is the byte of @slot of the port "p" held? */
static int slot_is_held(unsigned slot)
{
	int fd = open_file(join(getenv("MMSOCK_DIR"), "p"));
	int r = mms_bytes_held(fd, MMS_SLOT_BYTE + slot, 1);

	close(fd);
	return r;
}

static void test_attached(void)
{
	struct mmsock *handle;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER);
	CHECK_INT(handle->port.slot, 0);
	CHECK_INT(slot_is_held(0), 1);
	CHECK_INT(slot_is_held(1), 0);
	mmsock_close(handle);
	CHECK_INT(slot_is_held(0), 0);
}

static void run_closefrom(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_SENDER | MMSOCK_RECEIVER);
	struct mmsock *other = open_as("p", MMSOCK_SENDER);
	int to = dup2(self->to, 200);
	int from = dup2(self->from, 201);

	(void)context;
	CHECK(to == 200 && from == 201);
	CHECK(!close_range(3, 199, 0) && !close_range(202, ~0U, 0));
	self->to = to;
	self->from = from;
	meet(self);
	send_text(handle, "still here");
	expect_text(handle, "still here");
	CHECK_INT(mmsock_wait_peers(handle, 1, 0), 0);
	mmsock_close(other);
	CHECK_INT(mmsock_wait_peers(handle, 1, 0), -EAGAIN);
	meet(self);
}

static void test_closefrom(void)
{
	struct kid kid;

	fresh_dir();
	kid_start(&kid, run_closefrom, NULL);
	CHECK(hear(&kid));
	CHECK_INT(slot_is_held(0), 1);
	CHECK_INT(slot_is_held(1), 1);
	tell(&kid);
	CHECK(hear(&kid));
	CHECK_INT(slot_is_held(0), 1);
	CHECK_INT(slot_is_held(1), 0);
	kid_kill(&kid);
	CHECK_INT(slot_is_held(0), 0);
}

/* Its number may be somebody else's file by now. */
static void test_stray_close(void)
{
	struct mmsock *handle;
	struct mmsock *other;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned descriptors;
	int number;

	fresh_dir();
	handle = open_as("p", MMSOCK_RECEIVER);
	other = open_as("p", MMSOCK_SENDER);
	number = handle->port.asker;
	CHECK_INT(dup2(null, number), number);
	CHECK_INT(mmsock_senders_died(handle), 0);
	CHECK_INT(mmsock_wait_peers(handle, 1, 0), 0);
	CHECK(handle->port.asker != number);
	CHECK_INT(dup2(null, handle->port.asker), handle->port.asker);
	descriptors = count_descriptors();
	mmsock_close(handle);
	CHECK_INT(count_descriptors(), descriptors);
	mmsock_close(other);
}

static void run_attached(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);

	(void)context;
	meet(self);
	(void)handle;
	_exit(0);
}

static void run_exec(struct kid *self, void *context)
{
	(void)context;
	open_as("p", MMSOCK_SENDER);
	CHECK_INT(slot_is_held(0), 1);
	CHECK(dup2(self->from, 0) >= 0 && dup2(self->to, 1) >= 0);
	execlp("cat", "cat", NULL);
	_exit(1);
}

static void test_exit(void)
{
	struct kid kid;

	fresh_dir();
	kid_start(&kid, run_attached, NULL);
	CHECK(hear(&kid));
	CHECK_INT(slot_is_held(0), 1);
	kid_end(&kid);
	CHECK_INT(slot_is_held(0), 0);
	CHECK_INT(inspect("p").dead, 1);
}

static void test_kill(void)
{
	struct kid kid;

	fresh_dir();
	kid_start(&kid, run_attached, NULL);
	CHECK(hear(&kid));
	kid_kill(&kid);
	CHECK_INT(slot_is_held(0), 0);
	CHECK_INT(inspect("p").dead, 1);
}

static void test_stop(void)
{
	struct kid kid;

	fresh_dir();
	kid_start(&kid, run_attached, NULL);
	CHECK(hear(&kid));
	kid_stop(&kid);
	CHECK_INT(slot_is_held(0), 1);
	CHECK_INT(inspect("p").dead, 0);
	kid_continue(&kid);
	kid_end(&kid);
}

static void test_exec(void)
{
	struct kid kid;

	fresh_dir();
	kid_start(&kid, run_exec, NULL);
	/* The other program answers. */
	tell(&kid);
	CHECK(hear(&kid));
	CHECK_INT(slot_is_held(0), 0);
	CHECK_INT(inspect("p").dead, 1);
	kid_kill(&kid);
}

/* Forks. */

/* Every call but closing says whose handle this is. */
static int refused_everywhere(struct mmsock *handle)
{
	struct mmsock_run *run;
	const void *message;
	void *buffer;
	char byte;

	return !mmsock_run_new(64, &run) &&
	       mmsock_send(handle, "x", 1, 0) == -ECHILD &&
	       mmsock_recv(handle, &byte, 1, MMSOCK_FOREVER) == -ECHILD &&
	       mmsock_reserve(handle, 1, &buffer, 0) == -ECHILD &&
	       mmsock_commit(handle, 1) == -ECHILD &&
	       mmsock_peek(handle, &message, 0) == -ECHILD &&
	       mmsock_release(handle) == -ECHILD &&
	       mmsock_cancel(handle) == -ECHILD &&
	       mmsock_run_send(handle, run, 0) == -ECHILD &&
	       mmsock_run_recv(handle, run, 0, 0) == -ECHILD &&
	       mmsock_wait_peers(handle, 1, 0) == -ECHILD &&
	       mmsock_senders_died(handle) == -ECHILD &&
	       mmsock_max_message(handle) == 1 << 19 &&
	       strstr(mmsock_error_text(-ECHILD), "fork") &&
	       (mmsock_run_free(run), mmsock_interrupt(handle), 1);
}

static void run_child(struct kid *self, void *context)
{
	struct mmsock *parents = context;
	unsigned descriptors = count_descriptors();
	struct mmsock *own;

	(void)self;
	CHECK_INT(count_mappings(), 0);
	CHECK(refused_everywhere(parents));
	own = open_as("p", MMSOCK_SENDER | MMSOCK_RECEIVER);
	CHECK_INT(own->port.slot, 1);
	send_text(own, "from the child");
	CHECK(refused_everywhere(parents));
	mmsock_close(parents);
	send_text(own, "and again");
	CHECK_INT(mmsock_wait_peers(own, 1, 0), 0);
	mmsock_close(own);
	CHECK_INT(count_descriptors(), descriptors - 1);
}

static void test_fork(void)
{
	struct mmsock *handle;
	struct kid kid;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER | MMSOCK_RECEIVER);
	send_text(handle, "before");
	kid_start(&kid, run_child, handle);
	CHECK_INT(kid_reap(&kid), 0);
	CHECK_INT(slot_is_held(0), 1);
	CHECK_INT(inspect("p").participants, 1);
	CHECK_INT(inspect("p").dead, 0);
	expect_text(handle, "before");
	expect_text(handle, "from the child");
	expect_text(handle, "and again");
	send_text(handle, "after");
	expect_text(handle, "after");
	mmsock_close(handle);
}

/* A child that lives on does not keep its parent's handle alive. */
static void test_fork_and_close(void)
{
	struct mmsock *handle;
	struct kid kid;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER);
	kid_start(&kid, run_attached, NULL);
	CHECK(hear(&kid));
	mmsock_close(handle);
	CHECK_INT(slot_is_held(0), 0);
	CHECK_INT(slot_is_held(1), 1);
	kid_end(&kid);
}

static void run_grandparent(struct kid *self, void *context)
{
	struct mmsock *handle = context;
	struct kid kid;

	(void)self;
	kid_start(&kid, run_child, handle);
	CHECK_INT(kid_reap(&kid), 0);
	CHECK(refused_everywhere(handle));
	mmsock_close(handle);
}

static void test_grandchild(void)
{
	struct mmsock *handle;
	struct kid kid;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER | MMSOCK_RECEIVER);
	kid_start(&kid, run_grandparent, handle);
	CHECK_INT(kid_reap(&kid), 0);
	send_text(handle, "after");
	expect_text(handle, "from the child");
	mmsock_close(handle);
}

/* A fork of which the C library knows nothing. */
static void test_raw_fork(void)
{
	struct mmsock *handle;
	int status;
	long pid;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER | MMSOCK_RECEIVER);
	pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	CHECK(pid >= 0);
	if (!pid)
		_exit(!refused_everywhere(handle));
	CHECK_INT(waitpid((pid_t)pid, &status, 0), pid);
	CHECK_INT(status, 0);
	send_text(handle, "after");
	expect_text(handle, "after");
	mmsock_close(handle);
}

/* Shares our memory: nothing has to be refused, and nothing is disturbed. */
static void test_vfork(void)
{
	struct mmsock *handle;
	int status;
	pid_t pid;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER | MMSOCK_RECEIVER);
	pid = vfork();
	if (!pid)
		_exit(0);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	send_text(handle, "after");
	expect_text(handle, "after");
	mmsock_close(handle);
}

static void *use_handle(void *context)
{
	send_text(context, "from a thread");
	return NULL;
}

static void test_thread(void)
{
	struct mmsock *handle;
	pthread_t thread;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER | MMSOCK_RECEIVER);
	CHECK(!pthread_create(&thread, NULL, use_handle, handle));
	CHECK(!pthread_join(thread, NULL));
	expect_text(handle, "from a thread");
	mmsock_close(handle);
}

static void *open_and_close(void *context)
{
	_Atomic bool *stop = context;

	while (!*stop)
		mmsock_close(open_as("p", MMSOCK_SENDER));
	return NULL;
}

enum {
	CHILDREN = 100
};

/* No child gets a descriptor that holds a byte, at whatever moment it comes. */
static void test_fork_during_open(void)
{
	_Atomic bool stop = false;
	pid_t pids[CHILDREN];
	pthread_t thread;
	unsigned slot;
	int gate[2];
	char byte;
	int i;

	fresh_dir();
	create_port("p", 4096, 8);
	CHECK(!pipe2(gate, O_CLOEXEC));
	CHECK(!pthread_create(&thread, NULL, open_and_close, &stop));
	for (i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (!pids[i]) {
			close(gate[1]);
			_exit(read(gate[0], &byte, 1) ? 1 : 0);
		}
	}
	stop = true;
	CHECK(!pthread_join(thread, NULL));
	for (slot = 0; slot < 8; slot++)
		CHECK_INT(slot_is_held(slot), 0);
	close(gate[1]);
	for (i = 0; i < CHILDREN; i++)
		CHECK_INT(waitpid(pids[i], NULL, 0), pids[i]);
}

/* The dead and their successors. */

static struct mms_census *census(struct mmsock *handle)
{
	return &handle->port.control->census;
}

static void test_senders_died(void)
{
	struct mmsock *handle;
	struct mmsock *later;
	struct kid kid;

	fresh_dir();
	handle = open_as("p", MMSOCK_RECEIVER);
	kid_start(&kid, run_attached, NULL);
	CHECK(hear(&kid));
	CHECK_INT(mmsock_senders_died(handle), 0);
	kid_kill(&kid);
	CHECK_INT(mmsock_senders_died(handle), 1);
	CHECK_INT(census(handle)->senders_died, 0);
	/* It keeps being counted when its row is used again. */
	later = open_as("p", MMSOCK_RECEIVER);
	CHECK_INT(later->port.slot, 1);
	CHECK_INT(census(handle)->senders_died, 1);
	CHECK_INT(census(handle)->died, 1);
	CHECK_INT(mmsock_senders_died(handle), 1);
	CHECK_INT(mmsock_senders_died(later), 0);
	mmsock_close(later);
	mmsock_close(handle);
	CHECK_INT(inspect("p").died, 1);
	CHECK_INT(inspect("p").dead, 0);
}

static void test_census(void)
{
	struct mmsock *one;
	struct mmsock *two;

	fresh_dir();
	one = open_as("p", MMSOCK_SENDER);
	two = open_as("p", MMSOCK_SENDER | MMSOCK_RECEIVER);
	CHECK_INT(census(one)->senders_joined, 2);
	CHECK_INT(census(one)->receivers_joined, 1);
	CHECK_INT(census(one)->senders_left, 0);
	CHECK_INT(mms_peer_count(&one->port, MMSOCK_SENDER, true), 1);
	CHECK_INT(mms_peer_count(&one->port, MMSOCK_RECEIVER, false), 1);
	CHECK_INT(mms_peer_count(&two->port, MMSOCK_RECEIVER, false), 0);
	CHECK_INT(mms_peer_count(&two->port, 0, true), 1);
	mmsock_close(two);
	CHECK_INT(census(one)->senders_left, 1);
	CHECK_INT(mms_peer_count(&one->port, 0, false), 0);
	mmsock_close(one);
}

static void test_row(void)
{
	struct mmsock *handle;
	const struct mms_row *row;
	uint64_t program[3] = {0};
	uint32_t generation;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER);
	row = handle->port.row;
	CHECK_INT(row->role, MMSOCK_SENDER | MMS_ATTACHED);
	CHECK_INT(row->pid, getpid());
	CHECK(row->since_ns > 0);
	program[0] = row->program[0];
	program[1] = row->program[1];
	CHECK_STR((char *)program, "peer");
	generation = row->generation;
	mmsock_close(handle);
	handle = open_as("p", 0);
	row = handle->port.row;
	CHECK_INT(row->role, MMS_ATTACHED);
	CHECK_INT(row->generation, generation + 1);
	mmsock_close(handle);
}

static void run_reserve(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);
	void *buffer;

	(void)context;
	CHECK_INT(mmsock_reserve(handle, 100, &buffer, 0), 0);
	memset(buffer, 0xff, 100);
	meet(self);
	CHECK_INT(mmsock_commit(handle, 100), 0);
	mmsock_close(handle);
}

static void run_peek(struct kid *self, void *context)
{
	struct mmsock *handle = open_as("p", MMSOCK_RECEIVER);
	const void *message;

	(void)context;
	CHECK_INT(mmsock_peek(handle, &message, 0), 6);
	meet(self);
	CHECK_INT(mmsock_release(handle), 0);
	mmsock_close(handle);
}

/* He who gets the slot of a dead one first finishes what that one held. */
static void test_inherit_sending_end(void)
{
	struct mmsock *handle;
	struct kid kid;

	fresh_dir();
	kid_start(&kid, run_reserve, NULL);
	CHECK(hear(&kid));
	kid_kill(&kid);
	handle = open_as("p", MMSOCK_SENDER | MMSOCK_RECEIVER);
	CHECK_INT(handle->port.slot, 0);
	CHECK(mms_lock_is_free(handle->port.control->send.lock.word));
	CHECK_INT(census(handle)->takeovers, 1);
	send_text(handle, "first");
	send_text(handle, "second");
	expect_text(handle, "first");
	expect_text(handle, "second");
	mmsock_close(handle);
}

static void test_inherit_receiving_end(void)
{
	struct mmsock *handle;
	struct mmsock *sender;
	struct kid kid;

	fresh_dir();
	create_port("p", 4096, 2);
	sender = open_as("p", MMSOCK_SENDER);
	send_text(sender, "wanted");
	kid_start(&kid, run_peek, NULL);
	CHECK(hear(&kid));
	kid_kill(&kid);
	handle = open_as("p", MMSOCK_RECEIVER);
	CHECK_INT(handle->port.slot, 1);
	CHECK(mms_lock_is_free(handle->port.control->recv.lock.word));
	CHECK_INT(census(handle)->takeovers, 1);
	expect_text(handle, "wanted");
	mmsock_close(handle);
	mmsock_close(sender);
}

/* A stopped holder's slot is his: a newcomer gets another and steals nothing. */
static void test_stopped_holder_keeps(void)
{
	struct mmsock *handle;
	struct kid kid;

	fresh_dir();
	kid_start(&kid, run_reserve, NULL);
	CHECK(hear(&kid));
	kid_stop(&kid);
	handle = open_as("p", MMSOCK_SENDER | MMSOCK_RECEIVER);
	CHECK_INT(handle->port.slot, 1);
	CHECK_INT(mmsock_send(handle, "x", 1, 0), -EBUSY);
	CHECK_INT(census(handle)->takeovers, 0);
	kid_continue(&kid);
	kid_end(&kid);
	CHECK_INT(inspect("p").messages, 1);
	mmsock_close(handle);
}

static const struct check_case cases[] = {
	{"a byte is held by one, seen by others, given back", test_bytes},
	{"who is attached holds the byte of the slot", test_attached},
	{"closing every descriptor does not end a handle", test_closefrom},
	{"a descriptor that was closed by others is not closed again",
	 test_stray_close},
	{"who exits without closing is dead", test_exit},
	{"who is killed is dead", test_kill},
	{"who is stopped is not", test_stop},
	{"who becomes another program is dead", test_exec},
	{"a child cannot use its parent's handle, but its own", test_fork},
	{"a child does not keep its parent's slot", test_fork_and_close},
	{"neither can a grandchild", test_grandchild},
	{"a fork behind the C library's back is noticed", test_raw_fork},
	{"vfork disturbs nothing", test_vfork},
	{"a handle can go to another thread", test_thread},
	{"a fork while another thread opens inherits no slot",
	 test_fork_during_open},
	{"senders that died are counted once", test_senders_died},
	{"who came and went is counted", test_census},
	{"a row tells who holds the slot", test_row},
	{"a newcomer settles the dead sender's end", test_inherit_sending_end},
	{"a newcomer settles the dead receiver's end",
	 test_inherit_receiving_end},
	{"a stopped one keeps slot and end", test_stopped_holder_keeps},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
