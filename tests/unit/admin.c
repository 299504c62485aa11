/* SPDX-License-Identifier: MIT */
/*
 * admin.c - what is done to names, by one process at a time
 */
#include "admin.h"

#include "handle.h"
#include "header.h"
#include "peer.h"
#include "sandbox.h"

static int hold(const char *port, struct mms_held *held)
{
	struct mms_place place;
	int r = mms_place_init_existing(&place, port, NULL);

	CHECK_INT(r, 0);
	r = mms_admin_hold(&place, held);
	mms_place_fini(&place);
	return r;
}

/* Does anybody hold the admin byte? */
static int is_held(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int r;

	CHECK(fd >= 0);
	r = mms_bytes_held(fd, MMS_ADMIN_BYTE, 1);
	close(fd);
	return r;
}

static void test_hold(void)
{
	const char *path = join(fresh_dir(), "p");
	struct mms_held held;
	unsigned descriptors;

	create_port("p", 4096, 1);
	descriptors = count_descriptors();
	CHECK_INT(is_held(path), 0);
	CHECK_INT(hold("p", &held), 0);
	CHECK_INT(held.validity, 0);
	CHECK_INT(held.header.ring_bytes, 4096);
	CHECK_INT(held.status.st_ino, inode_of(path));
	CHECK_INT(is_held(path), 1);
	mms_admin_release(&held);
	CHECK_INT(is_held(path), 0);
	CHECK_INT(count_descriptors(), descriptors);
}

static void test_hold_nothing(void)
{
	const char *dir = fresh_dir();
	unsigned descriptors = count_descriptors();
	struct mms_held held;

	CHECK_INT(hold("p", &held), -ENOENT);
	write_file(join(dir, "p"), "text", 4);
	CHECK_INT(hold("p", &held), -ENOTSOCK);
	CHECK(!mkdir(join(dir, "q"), 0700));
	CHECK_INT(hold("q", &held), -ENOTSOCK);
	CHECK_INT(count_descriptors(), descriptors);
}

static void test_hold_damaged(void)
{
	const char *path = join(fresh_dir(), "p");
	struct mms_held held;

	create_port("p", 4096, 1);
	CHECK(!truncate(path, 6000));
	CHECK_INT(hold("p", &held), 0);
	CHECK_INT(held.validity, -EBADMSG);
	/* Touches nothing: there may be no page to touch. */
	mms_admin_mark(&held, MMS_CLOSED);
	mms_admin_release(&held);
}

static void run_idle(struct kid *self, void *context)
{
	(void)context;
	meet(self);
}

/* A child that lives on must not keep the byte. */
static void test_hold_and_fork(void)
{
	const char *path = join(fresh_dir(), "p");
	struct mms_held held;
	struct kid kid;

	create_port("p", 4096, 1);
	CHECK_INT(hold("p", &held), 0);
	kid_start(&kid, run_idle, NULL);
	CHECK(hear(&kid));
	mms_admin_release(&held);
	CHECK_INT(is_held(path), 0);
	CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_UNUSED), 0);
	kid_end(&kid);
}

static void test_mark_once(void)
{
	const char *path = join(fresh_dir(), "p");
	const struct mms_control *control;
	struct mms_held held;

	create_port("p", 4096, 1);
	control = map_control(path);
	CHECK_INT(hold("p", &held), 0);
	CHECK_INT(control->signals.state, MMS_READY);
	mms_admin_mark(&held, MMS_REPLACED);
	CHECK_INT(control->signals.state, MMS_REPLACED);
	mms_admin_mark(&held, MMS_CLOSED);
	CHECK_INT(control->signals.state, MMS_REPLACED);
	mms_admin_release(&held);
}

static void run_holder(struct kid *self, void *context)
{
	struct mms_held held;

	(void)context;
	CHECK_INT(hold("p", &held), 0);
	meet(self);
	mms_admin_release(&held);
}

static void run_remover(struct kid *self, void *context)
{
	(void)self;
	(void)context;
	CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS), 0);
}

/* Until the process is in the middle of waiting for a lock. */
static void await_fcntl(pid_t pid)
{
	while (!waits_in_call(pid, SYS_fcntl))
		sched_yield();
}

static void test_dead_holder(void)
{
	struct kid holder;
	struct kid remover;

	fresh_dir();
	create_port("p", 4096, 1);
	kid_start(&holder, run_holder, NULL);
	CHECK(hear(&holder));
	kid_start(&remover, run_remover, NULL);
	await_fcntl(remover.pid);
	CHECK(!access(join(getenv("MMSOCK_DIR"), "p"), F_OK));
	kid_kill(&holder);
	CHECK_INT(kid_reap(&remover), 0);
	CHECK(access(join(getenv("MMSOCK_DIR"), "p"), F_OK));
}

/* The remover finds another port when it is its turn, and takes that. */
static void test_name_moves_on(void)
{
	const char *dir = fresh_dir();
	const struct mms_control *first;
	const struct mms_control *second;
	struct kid holder;
	struct kid remover;

	create_port("p", 4096, 1);
	create_port("q", 4096, 1);
	first = map_control(join(dir, "p"));
	second = map_control(join(dir, "q"));
	kid_start(&holder, run_holder, NULL);
	CHECK(hear(&holder));
	kid_start(&remover, run_remover, NULL);
	await_fcntl(remover.pid);
	CHECK(!rename(join(dir, "q"), join(dir, "p")));
	kid_end(&holder);
	CHECK_INT(kid_reap(&remover), 0);
	CHECK_INT(count_entries(dir), 0);
	CHECK_INT(first->signals.state, MMS_READY);
	CHECK_INT(second->signals.state, MMS_CLOSED);
}

/* Sweeping. */

static void test_sweep_dead(void)
{
	const char *dir = fresh_dir();
	struct mms_place place;

	create_port("p", 4096, 1);
	write_file(join(dir, ".mmsock.1"), "", 0);
	CHECK_INT(mmsock_create("q", NULL), 1);
	CHECK_INT(count_entries(dir), 2);
	write_file(join(dir, ".mmsock.0123456789abcdef"), "x", 1);
	CHECK_INT(mmsock_remove("q", NULL, MMSOCK_REMOVE_UNUSED), 0);
	CHECK_INT(count_entries(dir), 1);
	write_file(join(dir, ".mmsock.2"), "", 0);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK_INT(count_entries(dir), 1);
	write_file(join(dir, ".mmsock.3"), "", 0);
	CHECK_INT(mms_place_init_existing(&place, "p", NULL), 0);
	mms_admin_sweep(&place);
	mms_place_fini(&place);
	CHECK_INT(count_entries(dir), 1);
}

static void run_creator(struct kid *self, void *context)
{
	int fd = open(join(getenv("MMSOCK_DIR"), ".mmsock.live"),
		      O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)context;
	CHECK_INT(mms_byte_take(fd, MMS_ADMIN_BYTE), 0);
	meet(self);
}

static void test_sweep_live(void)
{
	const char *dir = fresh_dir();
	struct kid kid;

	kid_start(&kid, run_creator, NULL);
	CHECK(hear(&kid));
	create_port("p", 4096, 1);
	CHECK_INT(count_entries(dir), 2);
	kid_stop(&kid);
	create_port("q", 4096, 1);
	CHECK_INT(count_entries(dir), 3);
	kid_kill(&kid);
	create_port("r", 4096, 1);
	CHECK_INT(count_entries(dir), 3);
}

static void test_sweep_others(void)
{
	const char *dir = fresh_dir();

	CHECK(!mkdir(join(dir, ".mmsock.dir"), 0700));
	CHECK(!mkfifo(join(dir, ".mmsock.fifo"), 0600));
	CHECK(!symlink("elsewhere", join(dir, ".mmsock.link")));
	write_file(join(dir, ".mmsockx"), "", 0);
	write_file(join(dir, "mmsock.x"), "", 0);
	create_port("p", 4096, 1);
	CHECK_INT(count_entries(dir), 6);
}

static void test_sweep_foreign(void)
{
	const char *dir = fresh_dir();

	write_file(join(dir, ".mmsock.other"), "", 0);
	if (chown(join(dir, ".mmsock.other"), 12345, (gid_t)-1))
		SKIP("only root can give a file away");
	create_port("p", 4096, 1);
	CHECK_INT(count_entries(dir), 2);
}

/* Removing. */

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

static int try_remove(enum mmsock_remove_when when)
{
	return mmsock_remove("p", NULL, when);
}

static void test_remove_unused(void)
{
	const char *dir = fresh_dir();
	struct kid kid;
	unsigned role;

	CHECK_INT(try_remove(MMSOCK_REMOVE_UNUSED), -ENOENT);
	create_port("p", 4096, 3);
	for (role = 0; role <= 3; role++) {
		start_attached(&kid, role);
		CHECK_INT(try_remove(MMSOCK_REMOVE_UNUSED), -EBUSY);
		CHECK_STR(mmsock_error_text(-EBUSY), "the port is in use");
		kid_end(&kid);
	}
	start_attached(&kid, MMSOCK_SENDER);
	kid_stop(&kid);
	CHECK_INT(try_remove(MMSOCK_REMOVE_UNUSED), -EBUSY);
	kid_kill(&kid);
	CHECK_INT(try_remove(MMSOCK_REMOVE_UNUSED), 0);
	CHECK_INT(count_entries(dir), 0);
}

static void test_remove_ours(void)
{
	struct mmsock *handle;

	fresh_dir();
	handle = open_as("p", MMSOCK_SENDER);
	CHECK_INT(try_remove(MMSOCK_REMOVE_UNUSED), -EBUSY);
	mmsock_close(handle);
	CHECK_INT(try_remove(MMSOCK_REMOVE_UNUSED), 0);
}

static void test_remove_stale(void)
{
	const char *dir = fresh_dir();
	struct mmsock *handle;
	struct kid kid;

	create_port("p", 4096, 3);
	CHECK_INT(try_remove(MMSOCK_REMOVE_STALE), -EBUSY);
	CHECK_STR(mmsock_error_text(-EBUSY), "it is not stale");
	start_attached(&kid, MMSOCK_RECEIVER);
	kid_end(&kid);
	CHECK_INT(try_remove(MMSOCK_REMOVE_STALE), -EBUSY);
	start_attached(&kid, MMSOCK_RECEIVER);
	kid_kill(&kid);
	handle = open_as("p", MMSOCK_SENDER);
	send_text(handle, "x");
	mmsock_close(handle);
	start_attached(&kid, MMSOCK_RECEIVER);
	kid_kill(&kid);
	CHECK_INT(inspect("p").state, MMSOCK_STATE_OK);
	CHECK_INT(try_remove(MMSOCK_REMOVE_STALE), -EBUSY);
	handle = open_as("p", MMSOCK_RECEIVER);
	expect_text(handle, "x");
	mmsock_close(handle);
	start_attached(&kid, MMSOCK_RECEIVER);
	kid_kill(&kid);
	CHECK_INT(inspect("p").state, MMSOCK_STATE_STALE);
	CHECK_INT(try_remove(MMSOCK_REMOVE_STALE), 0);
	CHECK_INT(count_entries(dir), 0);
}

static void test_remove_always(void)
{
	const char *dir = fresh_dir();
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);

	CHECK_INT(try_remove(MMSOCK_REMOVE_ALWAYS), 0);
	CHECK_INT(count_entries(dir), 0);
	CHECK_INT(mmsock_send(handle, "x", 1, MMSOCK_FOREVER), -EIDRM);
	mmsock_close(handle);
	CHECK_INT(try_remove(MMSOCK_REMOVE_ALWAYS), -ENOENT);
	CHECK_INT(try_remove(3), -EINVAL);
}

/* Give a port a header with another value in it, and a sum that fits. */
static void forge_layout(const char *path, uint32_t layout)
{
	struct mms_header *header = (void *)map_file(path);

	header->layout = layout;
	header->check = mms_header_check(header);
}

static void test_remove_unusable(void)
{
	const char *dir = fresh_dir();
	const char *path = join(dir, "p");

	create_port("p", 4096, 1);
	forge_layout(path, 9);
	CHECK_INT(try_remove(MMSOCK_REMOVE_UNUSED), -EPROTONOSUPPORT);
	CHECK_INT(try_remove(MMSOCK_REMOVE_STALE), -EPROTONOSUPPORT);
	CHECK(strstr(mmsock_error_text(-EPROTONOSUPPORT), "version 9"));
	CHECK_INT(try_remove(MMSOCK_REMOVE_ALWAYS), 0);
	create_port("p", 4096, 1);
	CHECK(!truncate(path, 100));
	CHECK_INT(try_remove(MMSOCK_REMOVE_UNUSED), -EBADMSG);
	CHECK_INT(try_remove(MMSOCK_REMOVE_STALE), -EBADMSG);
	CHECK_INT(try_remove(MMSOCK_REMOVE_ALWAYS), 0);
	CHECK_INT(count_entries(dir), 0);
}

static void test_remove_no_port(void)
{
	const char *dir = fresh_dir();
	unsigned descriptors = count_descriptors();
	unsigned when;

	create_port("target", 4096, 1);
	write_file(join(dir, "p"), "precious", 8);
	for (when = 0; when <= 2; when++)
		CHECK_INT(try_remove(when), -ENOTSOCK);
	CHECK(!unlink(join(dir, "p")) && !symlink("target", join(dir, "p")));
	for (when = 0; when <= 2; when++)
		CHECK_INT(try_remove(when), -ENOTSOCK);
	CHECK(!unlink(join(dir, "p")) && !mkdir(join(dir, "p"), 0700));
	for (when = 0; when <= 2; when++)
		CHECK_INT(try_remove(when), -ENOTSOCK);
	CHECK_INT(count_entries(dir), 2);
	CHECK_INT(inspect("target").state, MMSOCK_STATE_OK);
	CHECK_INT(count_descriptors(), descriptors);
}

/*
 * Everybody replaces and removes at the same time.  Whatever comes out: a port
 * that has lost its name has been told so, one that has it is ready.
 */
static void run_rival(struct kid *self, void *context)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_OVERWRITE, MMSOCK_SENDER);
	struct mmsock *handle = NULL;
	bool named;
	int round;
	int r;

	(void)context;
	options.ring_bytes = 4096;
	for (round = 0; round < 200; round++) {
		mmsock_close(handle);
		handle = NULL;
		r = mmsock_open("p", &options, &handle);
		CHECK(!r || r == -ESTALE);
		if (round % 3 == 0) {
			r = try_remove(round % 2 ? MMSOCK_REMOVE_ALWAYS
						 : MMSOCK_REMOVE_UNUSED);
			CHECK(!r || r == -ENOENT || r == -EBUSY);
		}
	}
	meet(self);
	if (!handle)
		return;
	named = inode_of(handle->port.path) == handle->port.inode;
	CHECK_INT(handle->port.control->signals.state == MMS_READY, named);
	meet(self);
	mmsock_close(handle);
}

enum {
	RIVALS = 6
};

static void test_rivals(void)
{
	const char *dir = fresh_dir();
	struct kid kids[RIVALS];
	size_t i;

	for (i = 0; i < RIVALS; i++)
		kid_start(&kids[i], run_rival, NULL);
	for (i = 0; i < RIVALS; i++)
		CHECK(hear(&kids[i]));
	CHECK(count_entries(dir) <= 1);
	if (count_entries(dir))
		CHECK_INT(inspect("p").state, MMSOCK_STATE_OK);
	for (i = 0; i < RIVALS; i++)
		tell(&kids[i]);
	for (i = 0; i < RIVALS; i++) {
		if (hear(&kids[i]))
			tell(&kids[i]);
		CHECK_INT(kid_reap(&kids[i]), 0);
	}
}

static const struct check_case cases[] = {
	{"a name is held and let go", test_hold},
	{"only ports are held", test_hold_nothing},
	{"a damaged port is held too", test_hold_damaged},
	{"a child that is forked meanwhile does not keep a name",
	 test_hold_and_fork},
	{"what has become of a port is written once", test_mark_once},
	{"a holder who dies lets go", test_dead_holder},
	{"who waited for a name looks at it again", test_name_moves_on},
	{"names of dead creators are swept", test_sweep_dead},
	{"names of live creators are not", test_sweep_live},
	{"nor what only looks like one", test_sweep_others},
	{"nor what belongs to somebody else", test_sweep_foreign},
	{"a port in use is not removed", test_remove_unused},
	{"nor if we use it ourselves", test_remove_ours},
	{"only the stale is removed as stale", test_remove_stale},
	{"always is always, and the users are told", test_remove_always},
	{"what cannot be used can be removed, if always", test_remove_unusable},
	{"what is no port is never removed", test_remove_no_port},
	{"six who replace and remove leave one port or none", test_rivals},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
