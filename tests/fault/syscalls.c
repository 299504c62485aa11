/* SPDX-License-Identifier: MIT */
/*
 * syscalls.c - each system call of each public function fails
 *
 * A scene is a public function in circumstances that make it take a certain way.
 * It is played again and again, and each time another of its system calls fails,
 * until it comes through with none failed.  After each time: the result is what
 * was promised or a plain error, nothing of the process is lost or left over, the
 * same call without a fault succeeds, and then a fresh process finds the port
 * whole, with each message in it once.
 */
#include <errno.h>
#include <sys/wait.h>

#include "handle.h"
#include "inject.h"
#include "layout.h"
#include "name.h"
#include "unit/sandbox.h"

#define SHORTLY    (3 * MS)
#define RUN_LIMIT  20 /* seconds that a single play may take */
#define RING_BYTES 4096
#define SLOTS      4U
#define BIG        1000 /* four of these fill the ring */

struct scene {
	const char *name;
	void (*lay)(void); /* what there is before; in a process of its own */
	void (*prepare)(void); /* in the victim, before anything can fail */
	int (*operate)(void);
	void (*tidy)(void); /* give back what operate() got */
	void (*finish)(void);
	int result;      /* of operate(), without a fault */
	bool is_patient; /* it waits for ever, until the fault is over */
	bool or_less;    /* the dead who cannot be asked about count as alive */
	bool disk;       /* the port is a file on a disk */
	bool old;        /* the file system knows no O_TMPFILE */
	bool goes;       /* there is no port afterwards */
	bool sem;        /* it is a semaphore */
	bool creates;    /* what fails has changed nothing */
	unsigned more;   /* descriptors that may be there afterwards */
};

/* What the processes of a scene know in common. */
static struct ledger {
	uint64_t sent;     /* messages, by number; or units given */
	uint64_t received; /* or units taken */
} * ledger;

static const struct scene *scene;
static struct inject *inject; /* in memory that all share, too */
static const char *port;      /* its name or path */

static const char *where(void)
{
	return strchr(port, '/') ? port : join(getenv("MMSOCK_DIR"), port);
}

/* Ports, and messages that are numbers. */

static struct mmsock *handle;
static struct mmsock_run *run;
static struct kid kid;

static struct mmsock_options patient(unsigned mode, unsigned role)
{
	struct mmsock_options options = options_for(mode, role);

	options.spin_ns = 0;
	options.ring_bytes = RING_BYTES;
	options.slots = SLOTS;
	return options;
}

static struct mmsock *open_port(unsigned role)
{
	struct mmsock_options options =
		patient(MMSOCK_CONNECT_TO_EXISTING, role);
	struct mmsock *opened = NULL;

	CHECK_INT(mmsock_open(port, &options, &opened), 0);
	return opened;
}

static int send_next(struct mmsock *to, size_t length, int64_t timeout_ns)
{
	unsigned char message[BIG] = "";
	int r;

	memcpy(message, &ledger->sent, sizeof(ledger->sent));
	r = mmsock_send(to, message, length, timeout_ns);
	if (!r)
		ledger->sent++;
	return r;
}

static void is_next(const void *message, size_t length)
{
	uint64_t number;

	CHECK(length >= sizeof(number));
	memcpy(&number, message, sizeof(number));
	CHECK_INT(number, ledger->received);
	ledger->received++;
}

static int recv_next(struct mmsock *from, int64_t timeout_ns)
{
	unsigned char message[BIG];
	ssize_t length =
		mmsock_recv(from, message, sizeof(message), timeout_ns);

	if (length < 0)
		return (int)length;
	is_next(message, (size_t)length);
	return 0;
}

static void lay_nothing(void)
{
}

static void lay_port(void)
{
	create_port(port, RING_BYTES, SLOTS);
}

static void lay_messages(void)
{
	struct mmsock *sender;
	int i;

	lay_port();
	sender = open_port(MMSOCK_SENDER);
	for (i = 0; i < 3; i++)
		CHECK_INT(send_next(sender, 8, 0), 0);
	mmsock_close(sender);
}

static void lay_full(void)
{
	struct mmsock *sender;

	lay_port();
	sender = open_port(MMSOCK_SENDER);
	while (!send_next(sender, BIG, 0))
		;
	mmsock_close(sender);
}

/* A name that a dead creator has left, to be swept. */
static void lay_litter(void)
{
	lay_messages();
	write_file(join(getenv("MMSOCK_DIR"), MMS_TEMP_PREFIX "litter"), "x",
		   1);
}

static void run_holder(struct kid *self, void *context)
{
	struct mmsock *other = open_port(MMSOCK_SENDER | MMSOCK_RECEIVER);
	const void *message;
	void *buffer;

	if (context)
		CHECK(mmsock_peek(other, &message, 0) >= 0);
	else
		CHECK_INT(mmsock_reserve(other, 8, &buffer, 0), 0);
	meet(self);
}

static void hold_sending_end(void)
{
	kid_start(&kid, run_holder, NULL);
	CHECK(hear(&kid));
}

static void hold_receiving_end(void)
{
	kid_start(&kid, run_holder, &kid);
	CHECK(hear(&kid));
}

static void lay_dead_sender(void)
{
	lay_messages();
	hold_sending_end();
	kid_kill(&kid);
}

static void lay_dead_receiver(void)
{
	lay_messages();
	hold_receiving_end();
	kid_kill(&kid);
}

/* As after a reboot: in the port stands another one. */
static void lay_old_boot(void)
{
	lay_dead_sender();
	map_control(where())->census.boot_id[0] ^= 1;
}

/* Opening, creating, removing. */

static void prepare_nothing(void)
{
}

static void prepare_other_dir(void)
{
	CHECK(!chdir(getenv("MMSOCK_DIR")));
}

static void close_handle(void)
{
	mmsock_close(handle);
	handle = NULL;
}

static void finish_nothing(void)
{
}

static int open_in_mode(unsigned mode, unsigned flags)
{
	struct mmsock_options options = patient(mode, MMSOCK_SENDER);

	options.flags = flags;
	return mmsock_open(port, &options, &handle);
}

static int connect_to_it(void)
{
	return open_in_mode(MMSOCK_CONNECT_TO_EXISTING, 0);
}

static int connect_relative(void)
{
	struct mmsock_options options =
		patient(MMSOCK_CONNECT_TO_EXISTING, MMSOCK_SENDER);

	return mmsock_open("./p", &options, &handle);
}

static int connect_and_populate(void)
{
	return open_in_mode(MMSOCK_CONNECT_TO_EXISTING, MMSOCK_POPULATE);
}

static int connect_or_create(void)
{
	return open_in_mode(MMSOCK_CONNECT_OR_CREATE, 0);
}

static int open_new(void)
{
	return open_in_mode(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
}

/* The messages of the old one go with it. */
static int replaced(int r)
{
	if (r >= 0)
		ledger->received = ledger->sent = 0;
	return r;
}

static int open_in_its_place(void)
{
	return replaced(open_in_mode(MMSOCK_CREATE_NEW_OVERWRITE, 0));
}

static int create_in_mode(unsigned mode)
{
	struct mmsock_options options = patient(mode, 0);

	return mmsock_create(port, &options);
}

static int create_new(void)
{
	return create_in_mode(MMSOCK_CREATE_NEW_EXCLUSIVE);
}

static int create_if_missing(void)
{
	return create_in_mode(MMSOCK_CONNECT_OR_CREATE);
}

static int create_for_group(void)
{
	struct mmsock_options options = patient(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	options.group = getegid();
	return mmsock_create(port, &options);
}

static int create_in_its_place(void)
{
	return replaced(create_in_mode(MMSOCK_CREATE_NEW_OVERWRITE));
}

static int remove_unused(void)
{
	return mmsock_remove(port, NULL, MMSOCK_REMOVE_UNUSED);
}

static int remove_always(void)
{
	return mmsock_remove(port, NULL, MMSOCK_REMOVE_ALWAYS);
}

static int remove_stale(void)
{
	return mmsock_remove(port, NULL, MMSOCK_REMOVE_STALE);
}

/* A participant who died, and an empty port. */
static void lay_stale(void)
{
	lay_port();
	hold_sending_end();
	kid_kill(&kid);
}

/* Looking. */

static int look_at_port(void)
{
	struct mmsock_info info = {.size = sizeof(info)};
	int r = mmsock_inspect(port, NULL, &info);

	if (r)
		return r;
	CHECK_INT(info.state, MMSOCK_STATE_OK);
	CHECK_INT(info.messages, ledger->sent - ledger->received);
	CHECK_INT(info.on_disk, scene->disk);
	return 0;
}

static int count_visit(const struct mmsock_peer *peer, void *context)
{
	(void)peer;
	++*(int *)context;
	return 0;
}

static int look_at_peers(void)
{
	int count = 0;
	int r = mmsock_inspect_peers(port, NULL, count_visit, &count);

	return r ? r : count;
}

static int count_name(const char *name, void *context)
{
	CHECK_STR(name, "p");
	++*(int *)context;
	return 0;
}

static int list_ports(void)
{
	int count = 0;
	int r = mmsock_list(NULL, count_name, &count);

	return r ? r : count;
}

static int find_path(void)
{
	char path[PATH_MAX];

	return mmsock_path("./p", NULL, path, sizeof(path));
}

/* Waiting for a port. */

static int wait_for_port(void)
{
	return mmsock_wait_port(port, NULL, MMSOCK_FOREVER);
}

static int wait_in_vain(void)
{
	return mmsock_wait_port("q", NULL, SHORTLY);
}

static bool sleeps(pid_t pid)
{
	char path[64];
	char state = '?';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	CHECK(file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
	fclose(file);
	return state == 'S';
}

static void run_late_creator(struct kid *self, void *context)
{
	(void)self;
	(void)context;
	while (!sleeps(getppid()))
		sched_yield();
	lay_port();
}

static void prepare_late_creator(void)
{
	kid_start(&kid, run_late_creator, NULL);
}

static void finish_helper(void)
{
	CHECK_INT(kid_reap(&kid), 0);
}

/* Sending. */

static void prepare_sender(void)
{
	handle = open_port(MMSOCK_SENDER);
}

static void finish_handle(void)
{
	close_handle();
	mmsock_run_free(run);
}

static int send_one(void)
{
	return send_next(handle, 8, SHORTLY);
}

static int send_big(void)
{
	return send_next(handle, BIG, SHORTLY);
}

static int send_patiently(void)
{
	return send_next(handle, BIG, MMSOCK_FOREVER);
}

static void prepare_sender_dead_other(void)
{
	prepare_sender();
	hold_sending_end();
	kid_kill(&kid);
}

/* Who asks about others finds his descriptor gone. */
static void prepare_sender_blind(void)
{
	prepare_sender_dead_other();
	closefrom(3);
}

static void prepare_sender_live_other(void)
{
	prepare_sender();
	hold_sending_end();
}

static void finish_handle_and_kid(void)
{
	kid_kill(&kid);
	finish_handle();
}

static void run_sleeping_receiver(struct kid *self, void *context)
{
	struct mmsock *other = open_port(MMSOCK_RECEIVER);

	(void)context;
	tell(self);
	CHECK_INT(recv_next(other, MMSOCK_FOREVER), 0);
	mmsock_close(other);
}

static void prepare_sender_and_sleeper(void)
{
	prepare_sender();
	kid_start(&kid, run_sleeping_receiver, NULL);
	CHECK(hear(&kid));
	await_sleeper(port, kid.pid, MMSOCK_DATA);
}

static void finish_handle_and_helper(void)
{
	finish_helper();
	finish_handle();
}

static void run_late_receiver(struct kid *self, void *context)
{
	struct mmsock *other = open_port(MMSOCK_RECEIVER);

	(void)self;
	(void)context;
	await_sleeper(port, getppid(), MMSOCK_SPACE);
	CHECK_INT(recv_next(other, 0), 0);
	mmsock_close(other);
}

static void prepare_sender_late_receiver(void)
{
	prepare_sender();
	kid_start(&kid, run_late_receiver, NULL);
}

/* The link is looked at when 100 ms have gone by, or as often as we like. */
static int send_after_a_while(void)
{
	handle->link_checked_ns = 0;
	return send_one();
}

static int reserve_and_commit(void)
{
	void *buffer;
	int r = mmsock_reserve(handle, 8, &buffer, SHORTLY);

	if (r)
		return r;
	memcpy(buffer, &ledger->sent, sizeof(ledger->sent));
	r = mmsock_commit(handle, 8);
	if (!r)
		ledger->sent++;
	return r;
}

static int reserve_and_cancel(void)
{
	void *buffer;
	int r = mmsock_reserve(handle, 8, &buffer, SHORTLY);

	return r ? r : mmsock_cancel(handle);
}

static int send_run(void)
{
	uint64_t number;
	size_t before;
	int r;

	if (!run)
		r = mmsock_run_new(256, &run);
	else
		r = 0;
	if (r)
		return r;
	mmsock_run_clear(run);
	for (number = ledger->sent; number < ledger->sent + 5; number++)
		CHECK_INT(mmsock_run_add(run, &number, sizeof(number)), 0);
	before = mmsock_run_count(run);
	r = mmsock_run_send(handle, run, SHORTLY);
	ledger->sent += before - mmsock_run_count(run);
	return r;
}

/* Receiving. */

static void prepare_receiver(void)
{
	handle = open_port(MMSOCK_RECEIVER);
}

static int recv_one(void)
{
	return recv_next(handle, SHORTLY);
}

static int recv_patiently(void)
{
	return recv_next(handle, MMSOCK_FOREVER);
}

static int peek_and_release(void)
{
	const void *message;
	ssize_t length = mmsock_peek(handle, &message, SHORTLY);
	int r;

	if (length < 0)
		return (int)length;
	r = mmsock_release(handle);
	if (!r)
		ledger->received++;
	return r;
}

static int recv_run(void)
{
	const void *message;
	size_t length;
	int count;

	if (!run) {
		count = mmsock_run_new(256, &run);
		if (count)
			return count;
	}
	count = mmsock_run_recv(handle, run, 0, SHORTLY);
	while (count > 0 && mmsock_run_next(run, &message, &length))
		is_next(message, length);
	return count;
}

static void prepare_receiver_dead_other(void)
{
	prepare_receiver();
	hold_receiving_end();
	kid_kill(&kid);
}

static void prepare_receiver_live_other(void)
{
	prepare_receiver();
	hold_receiving_end();
}

static void run_late_sender(struct kid *self, void *context)
{
	struct mmsock *other = open_port(MMSOCK_SENDER);

	(void)self;
	(void)context;
	await_sleeper(port, getppid(), MMSOCK_DATA);
	CHECK_INT(send_next(other, 8, 0), 0);
	mmsock_close(other);
}

static void prepare_receiver_late_sender(void)
{
	prepare_receiver();
	kid_start(&kid, run_late_sender, NULL);
}

/* A sender came and died: the stream is over once he is certified. */
static void prepare_receiver_dead_sender(void)
{
	hold_sending_end();
	prepare_receiver();
	kid_kill(&kid);
}

static void prepare_receiver_of_removed(void)
{
	prepare_receiver();
	CHECK(!unlink(where()));
}

static int recv_of_removed(void)
{
	handle->link_checked_ns = 0;
	return recv_one();
}

/* He is looked for again after a while, if that failed. */
static int recv_the_end(void)
{
	return recv_next(handle, MMSOCK_FOREVER);
}

static int count_dead_senders(void)
{
	return (int)mmsock_senders_died(handle);
}

static int wait_for_peers(void)
{
	return mmsock_wait_peers(handle, 1, SHORTLY);
}

static void run_peer(struct kid *self, void *context)
{
	struct mmsock *other = open_port(MMSOCK_RECEIVER);

	(void)context;
	meet(self);
	mmsock_close(other);
}

static void prepare_sender_and_peer(void)
{
	prepare_sender();
	kid_start(&kid, run_peer, NULL);
	CHECK(hear(&kid));
}

static void finish_handle_and_peer(void)
{
	kid_end(&kid);
	finish_handle();
}

/* Closing, with somebody to be told. */

static int close_now(void)
{
	close_handle();
	return 0;
}

static void run_last_receiver(struct kid *self, void *context)
{
	struct mmsock *other = open_port(MMSOCK_RECEIVER);

	(void)context;
	tell(self);
	CHECK_INT(recv_next(other, MMSOCK_FOREVER), -ENODATA);
	mmsock_close(other);
}

static void prepare_last_sender(void)
{
	prepare_sender();
	kid_start(&kid, run_last_receiver, NULL);
	CHECK(hear(&kid));
	await_sleeper(port, kid.pid, MMSOCK_DATA);
}

/* Semaphores. */

#define UNITS 4U

static struct mmsock_sem *sem;

static struct mmsock_sem_options sem_options(unsigned mode, unsigned flags)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	options.mode = mode;
	options.flags = flags;
	options.value = UNITS;
	options.slots = SLOTS;
	options.spin_ns = 0;
	return options;
}

static struct mmsock_sem *open_sem(unsigned flags)
{
	struct mmsock_sem_options options =
		sem_options(MMSOCK_CONNECT_TO_EXISTING, flags);
	struct mmsock_sem *opened = NULL;

	CHECK_INT(mmsock_sem_open(port, &options, &opened), 0);
	return opened;
}

static int take(struct mmsock_sem *from, uint64_t units, int64_t timeout_ns)
{
	int r = mmsock_sem_wait(from, units, timeout_ns);

	if (!r)
		ledger->received += units;
	return r;
}

static void lay_sem(void)
{
	struct mmsock_sem_options options =
		sem_options(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	CHECK_INT(mmsock_sem_create(port, &options), 1);
	ledger->sent = UNITS;
}

static void lay_empty_sem(void)
{
	struct mmsock_sem *taker;

	lay_sem();
	taker = open_sem(0);
	CHECK_INT(take(taker, UNITS, 0), 0);
	mmsock_sem_close(taker);
}

static void run_owner(struct kid *self, void *context)
{
	struct mmsock_sem *other = open_sem(MMSOCK_SEM_OWNED);

	(void)context;
	CHECK_INT(mmsock_sem_wait(other, UNITS, 0), 0);
	meet(self);
}

/* An owner of all who is dead, in the first slot or behind ours. */
static void leave_dead_owner(void)
{
	kid_start(&kid, run_owner, NULL);
	CHECK(hear(&kid));
	kid_kill(&kid);
}

static void lay_dead_owner(void)
{
	lay_sem();
	leave_dead_owner();
}

static void close_sem(void)
{
	mmsock_sem_close(sem);
	sem = NULL;
}

static int open_sem_in_mode(unsigned mode, unsigned flags)
{
	struct mmsock_sem_options options = sem_options(mode, flags);
	int r = mmsock_sem_open(port, &options, &sem);

	if (!r && mode != MMSOCK_CONNECT_TO_EXISTING) {
		ledger->sent = UNITS;
		ledger->received = 0;
	}
	return r;
}

static int sem_connect(void)
{
	return open_sem_in_mode(MMSOCK_CONNECT_TO_EXISTING, MMSOCK_SEM_OWNED);
}

static int sem_open_new(void)
{
	return open_sem_in_mode(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
}

static int sem_open_in_its_place(void)
{
	return open_sem_in_mode(MMSOCK_CREATE_NEW_OVERWRITE, 0);
}

static int sem_create_new(void)
{
	struct mmsock_sem_options options =
		sem_options(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
	int r = mmsock_sem_create(port, &options);

	if (r >= 0)
		ledger->sent = UNITS;
	return r;
}

static void prepare_plain(void)
{
	sem = open_sem(0);
}

static void prepare_owner(void)
{
	sem = open_sem(MMSOCK_SEM_OWNED);
	CHECK_INT(mmsock_sem_wait(sem, 3, 0), 0);
}

static void prepare_plain_dead_owner(void)
{
	prepare_plain();
	leave_dead_owner();
}

static void prepare_plain_blind(void)
{
	prepare_plain_dead_owner();
	closefrom(3);
}

static int take_two(void)
{
	return take(sem, 2, SHORTLY);
}

/* The dead are looked for again after a while, if that failed. */
static int take_two_patiently(void)
{
	return take(sem, 2, MMSOCK_FOREVER);
}

static int take_two_at_once(void)
{
	return take(sem, 2, 0);
}

static int take_patiently(void)
{
	return take(sem, 1, MMSOCK_FOREVER);
}

static int post_one(void)
{
	int r = mmsock_sem_post(sem, 1);

	if (!r)
		ledger->sent++;
	return r;
}

static int sem_value(void)
{
	return (int)mmsock_sem_value(sem);
}

static int close_sem_now(void)
{
	close_sem();
	return 0;
}

static int destroy_sem(void)
{
	return mmsock_sem_destroy(sem);
}

static int remove_sem(void)
{
	return mmsock_sem_remove(port, NULL, MMSOCK_REMOVE_UNUSED);
}

static void run_late_poster(struct kid *self, void *context)
{
	struct mmsock_sem *other = open_sem(0);

	(void)self;
	(void)context;
	await_sleeper(port, getppid(), MMSOCK_UNITS);
	CHECK_INT(mmsock_sem_post(other, 1), 0);
	ledger->sent++;
	mmsock_sem_close(other);
}

static void prepare_plain_late_poster(void)
{
	prepare_plain();
	kid_start(&kid, run_late_poster, NULL);
}

static void finish_sem_and_helper(void)
{
	finish_helper();
	close_sem();
}

/* A play. */

/* Descriptors and views of ports, and memory set aside for one. */
struct belongings {
	unsigned descriptors;
	unsigned views;
	unsigned reserved;
};

static unsigned count_reserved(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned count = 0;
	char line[4400];

	CHECK(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, " ---p 00000000 00:00 0") != NULL;
	fclose(maps);
	return count;
}

static struct belongings take_stock(void)
{
	return (struct belongings){
		.descriptors = count_descriptors(),
		.views = count_mappings(),
		.reserved = count_reserved(),
	};
}

static void check_stock(struct belongings before)
{
	struct belongings now = take_stock();

	CHECK(now.descriptors <= before.descriptors + scene->more);
	CHECK(now.views <= before.views);
	CHECK(now.reserved <= before.reserved);
}

/*
 * Answers that say something about the port which is not so, unless it is what the
 * kernel has said.
 */
static bool is_lie(int r)
{
	static const int claims[] = {EBADMSG,  ECHILD, EDEADLK,        EEXIST,
				     EIDRM,    EINVAL, EMSGSIZE,       ENODATA,
				     ENOENT,   EPERM,  EOVERFLOW,      ESTALE,
				     ENOTSOCK, EUSERS, EPROTONOSUPPORT};
	size_t i;

	if (r == scene->result || r == -inject->error)
		return false;
	for (i = 0; i < CHECK_COUNT(claims); i++) {
		if (r == -claims[i])
			return true;
	}
	return false;
}

static void judge(int r)
{
	if (r == scene->result ||
	    (scene->or_less && r >= 0 && r < scene->result))
		return;
	CHECK(r < 0 && r >= -4095);
	CHECK(mmsock_error_text(r)[0]);
	if (is_lie(r))
		printf("# the answer was: %s\n", mmsock_error_text(r));
	CHECK(!is_lie(r));
}

/*
 * What is made and cannot be opened is taken back, unless that fails as well; then
 * it is found by who tries again.
 */
static void withdraw(ino_t before)
{
	if (scene->creates && inject->stays && !before && inode_of(where()))
		CHECK(!unlink(where()));
}

static void play(void *context)
{
	struct belongings before;
	ino_t inode;
	int r;

	(void)context;
	scene->prepare();
	before = take_stock();
	inode = inode_of(where());
	inject_begin();
	r = scene->operate();
	inject_end();
	judge(r);
	if (scene->tidy)
		scene->tidy();
	check_stock(before);
	if (r != scene->result) {
		if (scene->creates && !inject->stays)
			CHECK_INT(inode_of(where()), inode);
		withdraw(inode);
		CHECK_INT(scene->operate(), scene->result);
		if (scene->tidy)
			scene->tidy();
		check_stock(before);
	}
	scene->finish();
}

static void explain(void)
{
	printf("# %s\n", scene->name);
	inject_report(inject);
}

/* In a process of its own, which knows nothing of what has been. */
static void in_a_child(void (*run_it)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		run_it();
		fflush(stdout);
		_exit(EXIT_SUCCESS);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	if (status)
		explain();
	CHECK_INT(status, 0);
}

static void audit_sem(void)
{
	CHECK_INT(inspect(port).held, 0);
	sem = open_sem(0);
	CHECK_INT(mmsock_sem_value(sem), ledger->sent - ledger->received);
	CHECK_INT(mmsock_sem_post(sem, 1), 0);
	CHECK_INT(mmsock_sem_wait(sem, 1, 0), 0);
	close_sem();
}

/* All that was sent and not received is there, in order, and nothing else. */
static void audit_messages(void)
{
	struct mmsock_options options = patient(
		MMSOCK_CONNECT_TO_EXISTING, MMSOCK_SENDER | MMSOCK_RECEIVER);

	options.flags = MMSOCK_KEEP_OPEN;
	CHECK_INT(mmsock_open(port, &options, &handle), 0);
	while (ledger->received < ledger->sent)
		CHECK_INT(recv_next(handle, 0), 0);
	CHECK_INT(recv_next(handle, 0), -EAGAIN);
	CHECK_INT(send_next(handle, BIG, 0), 0);
	CHECK_INT(recv_next(handle, 0), 0);
	close_handle();
}

/* The next creator sweeps what one who failed could not. */
static void audit(void)
{
	const char *place = port;
	char *dir = strdup(where());

	CHECK(dir);
	*strrchr(dir, '/') = '\0';
	port = join(dir, "sweeper");
	lay_port();
	CHECK_INT(mmsock_remove(port, NULL, MMSOCK_REMOVE_UNUSED), 0);
	port = place;
	CHECK_INT(count_entries(dir), scene->goes ? 0 : 1);
	free(dir);
	if (scene->goes)
		return;
	CHECK_INT(inspect(port).state == MMSOCK_STATE_CORRUPT, 0);
	CHECK_INT(inspect(port).participants, 0);
	if (scene->sem)
		audit_sem();
	else
		audit_messages();
}

static void say_what_hung(int number)
{
	(void)number;
	explain();
	printf("# it hangs\n");
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

/* Where the directories of all plays are. */
static char *shm_base;
static char *disk_base;

static void set_up(void)
{
	CHECK(!setenv("MMSOCK_DIR", shm_base, 1));
	fresh_dir();
	port = "p";
	if (scene->disk) {
		CHECK(!setenv(DISK_VARIABLE, disk_base, 1));
		port = join(fresh_disk_dir(), "p");
	}
	*ledger = (struct ledger){0};
	in_a_child(scene->lay);
}

static void tear_down(void)
{
	remove_tree(getenv("MMSOCK_DIR"));
	if (scene->disk)
		remove_tree(getenv(DISK_VARIABLE));
}

static void play_once(void)
{
	int status;

	alarm(RUN_LIMIT);
	set_up();
	status = inject_run(inject, play, NULL);
	if (status)
		explain();
	CHECK_INT(status, 0);
	in_a_child(audit);
	tear_down();
}

static void play_scene(const struct scene *which)
{
	scene = which;
	*inject = (struct inject){.no_tmpfile = scene->old};
	inject_each(inject, scene->name, scene->is_patient, play_once);
}

static void *share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static void play_scenes(const struct scene *scenes, size_t count)
{
	size_t i;

	shm_base = strdup(getenv("MMSOCK_DIR"));
	disk_base = strdup(getenv(DISK_VARIABLE));
	ledger = share(sizeof(*ledger));
	inject = share(sizeof(*inject));
	CHECK(shm_base && disk_base);
	signal(SIGALRM, say_what_hung);
	for (i = 0; i < count; i++)
		play_scene(&scenes[i]);
}

static void test_opening(void)
{
	static const struct scene scenes[] = {
		{.name = "a port that is there",
		 .lay = lay_messages,
		 .prepare = prepare_nothing,
		 .operate = connect_to_it,
		 .tidy = close_handle,
		 .finish = finish_nothing},
		{.name = "one found from the working directory",
		 .lay = lay_messages,
		 .prepare = prepare_other_dir,
		 .operate = connect_relative,
		 .tidy = close_handle,
		 .finish = finish_nothing},
		{.name = "with the ring touched",
		 .lay = lay_messages,
		 .prepare = prepare_nothing,
		 .operate = connect_and_populate,
		 .tidy = close_handle,
		 .finish = finish_nothing},
		{.name = "in the place of a dead sender",
		 .lay = lay_dead_sender,
		 .prepare = prepare_nothing,
		 .operate = connect_to_it,
		 .tidy = close_handle,
		 .finish = finish_nothing},
		{.name = "in the place of a dead receiver",
		 .lay = lay_dead_receiver,
		 .prepare = prepare_nothing,
		 .operate = connect_to_it,
		 .tidy = close_handle,
		 .finish = finish_nothing},
		{.name = "on a disk",
		 .lay = lay_messages,
		 .prepare = prepare_nothing,
		 .operate = connect_to_it,
		 .tidy = close_handle,
		 .finish = finish_nothing,
		 .disk = true},
		{.name = "the first one after a reboot",
		 .lay = lay_old_boot,
		 .prepare = prepare_nothing,
		 .operate = connect_to_it,
		 .tidy = close_handle,
		 .finish = finish_nothing,
		 .disk = true},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_opening_new(void)
{
	static const struct scene scenes[] = {
		{.name = "or creating",
		 .lay = lay_nothing,
		 .prepare = prepare_nothing,
		 .operate = connect_or_create,
		 .tidy = close_handle,
		 .finish = finish_nothing},
		{.name = "a new one",
		 .lay = lay_nothing,
		 .prepare = prepare_nothing,
		 .operate = open_new,
		 .tidy = close_handle,
		 .finish = finish_nothing,
		 .creates = true},
		{.name = "a new one, without O_TMPFILE",
		 .lay = lay_nothing,
		 .prepare = prepare_nothing,
		 .operate = open_new,
		 .tidy = close_handle,
		 .finish = finish_nothing,
		 .creates = true,
		 .old = true},
		{.name = "a new one on a disk",
		 .lay = lay_nothing,
		 .prepare = prepare_nothing,
		 .operate = open_new,
		 .tidy = close_handle,
		 .finish = finish_nothing,
		 .creates = true,
		 .disk = true},
		{.name = "in the place of an old one",
		 .lay = lay_litter,
		 .prepare = prepare_nothing,
		 .operate = open_in_its_place,
		 .tidy = close_handle,
		 .finish = finish_nothing},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_creating(void)
{
	static const struct scene scenes[] = {
		{.name = "a new port",
		 .lay = lay_nothing,
		 .prepare = prepare_nothing,
		 .operate = create_new,
		 .finish = finish_nothing,
		 .creates = true,
		 .result = 1},
		{.name = "for a group",
		 .lay = lay_nothing,
		 .prepare = prepare_nothing,
		 .operate = create_for_group,
		 .finish = finish_nothing,
		 .creates = true,
		 .result = 1},
		{.name = "without O_TMPFILE",
		 .lay = lay_nothing,
		 .prepare = prepare_nothing,
		 .operate = create_new,
		 .finish = finish_nothing,
		 .creates = true,
		 .result = 1,
		 .old = true},
		{.name = "on a disk",
		 .lay = lay_nothing,
		 .prepare = prepare_nothing,
		 .operate = create_new,
		 .finish = finish_nothing,
		 .creates = true,
		 .result = 1,
		 .disk = true},
		{.name = "if it is missing",
		 .lay = lay_nothing,
		 .prepare = prepare_nothing,
		 .operate = create_if_missing,
		 .finish = finish_nothing,
		 .creates = true,
		 .result = 1},
		{.name = "if it is missing, and it is there",
		 .lay = lay_messages,
		 .prepare = prepare_nothing,
		 .operate = create_if_missing,
		 .finish = finish_nothing,
		 .creates = true},
		{.name = "one that is there",
		 .lay = lay_messages,
		 .prepare = prepare_nothing,
		 .operate = create_new,
		 .finish = finish_nothing,
		 .creates = true,
		 .result = -EEXIST},
		{.name = "in the place of an old one",
		 .lay = lay_litter,
		 .prepare = prepare_nothing,
		 .operate = create_in_its_place,
		 .finish = finish_nothing,
		 .creates = true,
		 .result = 1},
		{.name = "in its place, without O_TMPFILE",
		 .lay = lay_litter,
		 .prepare = prepare_nothing,
		 .operate = create_in_its_place,
		 .finish = finish_nothing,
		 .creates = true,
		 .result = 1,
		 .old = true},
		{.name = "in its place, on a disk",
		 .lay = lay_messages,
		 .prepare = prepare_nothing,
		 .operate = create_in_its_place,
		 .finish = finish_nothing,
		 .creates = true,
		 .result = 1,
		 .disk = true},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_removing(void)
{
	static const struct scene scenes[] = {
		{.name = "an unused port",
		 .lay = lay_litter,
		 .prepare = prepare_nothing,
		 .operate = remove_unused,
		 .finish = finish_nothing,
		 .goes = true,
		 .creates = true},
		{.name = "in any case",
		 .lay = lay_messages,
		 .prepare = prepare_nothing,
		 .operate = remove_always,
		 .finish = finish_nothing,
		 .goes = true,
		 .creates = true},
		{.name = "a stale one",
		 .lay = lay_stale,
		 .prepare = prepare_nothing,
		 .operate = remove_stale,
		 .finish = finish_nothing,
		 .goes = true,
		 .creates = true},
		{.name = "one in use",
		 .lay = lay_messages,
		 .prepare = prepare_sender,
		 .operate = remove_unused,
		 .finish = finish_handle,
		 .result = -EBUSY},
		{.name = "one that is not stale",
		 .lay = lay_messages,
		 .prepare = prepare_nothing,
		 .operate = remove_stale,
		 .finish = finish_nothing,
		 .result = -EBUSY,
		 .creates = true},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_looking(void)
{
	static const struct scene scenes[] = {
		{.name = "at a port",
		 .lay = lay_messages,
		 .prepare = prepare_nothing,
		 .operate = look_at_port,
		 .finish = finish_nothing},
		{.name = "at one on a disk",
		 .lay = lay_messages,
		 .prepare = prepare_nothing,
		 .operate = look_at_port,
		 .finish = finish_nothing,
		 .disk = true},
		{.name = "at the dead",
		 .lay = lay_dead_sender,
		 .prepare = prepare_nothing,
		 .operate = look_at_peers,
		 .finish = finish_nothing,
		 .result = 1},
		{.name = "for names",
		 .lay = lay_litter,
		 .prepare = prepare_nothing,
		 .operate = list_ports,
		 .finish = finish_nothing,
		 .result = 1},
		{.name = "for a path",
		 .lay = lay_port,
		 .prepare = prepare_nothing,
		 .operate = find_path,
		 .finish = finish_nothing},
		{.name = "for dead senders",
		 .lay = lay_port,
		 .prepare = prepare_sender_dead_other,
		 .operate = count_dead_senders,
		 .finish = finish_handle,
		 .result = 1},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_waiting(void)
{
	static const struct scene scenes[] = {
		{.name = "for a port that is there",
		 .lay = lay_port,
		 .prepare = prepare_nothing,
		 .operate = wait_for_port,
		 .finish = finish_nothing},
		{.name = "for one that comes",
		 .lay = lay_nothing,
		 .prepare = prepare_late_creator,
		 .operate = wait_for_port,
		 .finish = finish_helper},
		{.name = "for one that does not",
		 .lay = lay_port,
		 .prepare = prepare_nothing,
		 .operate = wait_in_vain,
		 .finish = finish_nothing,
		 .result = -ETIMEDOUT},
		{.name = "for peers",
		 .lay = lay_port,
		 .prepare = prepare_sender_and_peer,
		 .operate = wait_for_peers,
		 .finish = finish_handle_and_peer},
		{.name = "for peers who do not come",
		 .lay = lay_port,
		 .prepare = prepare_sender,
		 .operate = wait_for_peers,
		 .finish = finish_handle,
		 .result = -ETIMEDOUT},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_sending(void)
{
	static const struct scene scenes[] = {
		{.name = "a message",
		 .lay = lay_port,
		 .prepare = prepare_sender,
		 .operate = send_one,
		 .finish = finish_handle},
		{.name = "with a look at the name",
		 .lay = lay_port,
		 .prepare = prepare_sender,
		 .operate = send_after_a_while,
		 .finish = finish_handle},
		{.name = "to one who sleeps",
		 .lay = lay_port,
		 .prepare = prepare_sender_and_sleeper,
		 .operate = send_one,
		 .finish = finish_handle_and_helper},
		{.name = "to a full port",
		 .lay = lay_full,
		 .prepare = prepare_sender,
		 .operate = send_big,
		 .finish = finish_handle,
		 .result = -ETIMEDOUT},
		{.name = "to a port that becomes free",
		 .lay = lay_full,
		 .prepare = prepare_sender_late_receiver,
		 .operate = send_patiently,
		 .finish = finish_handle_and_helper},
		{.name = "after one who died at it",
		 .lay = lay_port,
		 .prepare = prepare_sender_dead_other,
		 .operate = send_one,
		 .finish = finish_handle},
		{.name = "after him, with no descriptor",
		 .lay = lay_port,
		 .prepare = prepare_sender_blind,
		 .operate = send_one,
		 .finish = finish_handle,
		 .more = 1},
		{.name = "beside one who keeps the end",
		 .lay = lay_port,
		 .prepare = prepare_sender_live_other,
		 .operate = send_one,
		 .finish = finish_handle_and_kid,
		 .result = -ETIMEDOUT},
		{.name = "a run",
		 .lay = lay_port,
		 .prepare = prepare_sender,
		 .operate = send_run,
		 .finish = finish_handle},
		{.name = "in place",
		 .lay = lay_port,
		 .prepare = prepare_sender,
		 .operate = reserve_and_commit,
		 .finish = finish_handle},
		{.name = "nothing after all",
		 .lay = lay_port,
		 .prepare = prepare_sender_dead_other,
		 .operate = reserve_and_cancel,
		 .finish = finish_handle},
		{.name = "no more",
		 .lay = lay_port,
		 .prepare = prepare_last_sender,
		 .operate = close_now,
		 .finish = finish_handle_and_helper},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_receiving(void)
{
	static const struct scene scenes[] = {
		{.name = "a message",
		 .lay = lay_messages,
		 .prepare = prepare_receiver,
		 .operate = recv_one,
		 .finish = finish_handle},
		{.name = "from an empty port",
		 .lay = lay_port,
		 .prepare = prepare_receiver,
		 .operate = recv_one,
		 .finish = finish_handle,
		 .result = -ETIMEDOUT},
		{.name = "asleep",
		 .lay = lay_port,
		 .prepare = prepare_receiver_late_sender,
		 .operate = recv_patiently,
		 .finish = finish_handle_and_helper},
		{.name = "after one who died at it",
		 .lay = lay_messages,
		 .prepare = prepare_receiver_dead_other,
		 .operate = recv_one,
		 .finish = finish_handle},
		{.name = "beside one who keeps the end",
		 .lay = lay_messages,
		 .prepare = prepare_receiver_live_other,
		 .operate = recv_one,
		 .finish = finish_handle_and_kid,
		 .result = -ETIMEDOUT},
		{.name = "the end, from the dead",
		 .lay = lay_port,
		 .prepare = prepare_receiver_dead_sender,
		 .operate = recv_the_end,
		 .is_patient = true,
		 .finish = finish_handle,
		 .result = -ENODATA},
		{.name = "from a port that has been removed",
		 .lay = lay_port,
		 .prepare = prepare_receiver_of_removed,
		 .operate = recv_of_removed,
		 .finish = finish_handle,
		 .result = -EIDRM,
		 .goes = true},
		{.name = "a run",
		 .lay = lay_messages,
		 .prepare = prepare_receiver,
		 .operate = recv_run,
		 .finish = finish_handle,
		 .result = 3},
		{.name = "in place",
		 .lay = lay_messages,
		 .prepare = prepare_receiver,
		 .operate = peek_and_release,
		 .finish = finish_handle},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static void test_semaphores(void)
{
	static const struct scene scenes[] = {
		{.name = "opening",
		 .lay = lay_sem,
		 .prepare = prepare_nothing,
		 .operate = sem_connect,
		 .tidy = close_sem,
		 .finish = finish_nothing,
		 .sem = true},
		{.name = "opening in the place of a dead owner",
		 .lay = lay_dead_owner,
		 .prepare = prepare_nothing,
		 .operate = sem_connect,
		 .tidy = close_sem,
		 .finish = finish_nothing,
		 .sem = true},
		{.name = "opening a new one",
		 .lay = lay_nothing,
		 .prepare = prepare_nothing,
		 .operate = sem_open_new,
		 .tidy = close_sem,
		 .finish = finish_nothing,
		 .sem = true,
		 .creates = true},
		{.name = "opening in the place of an old one",
		 .lay = lay_sem,
		 .prepare = prepare_nothing,
		 .operate = sem_open_in_its_place,
		 .tidy = close_sem,
		 .finish = finish_nothing,
		 .sem = true},
		{.name = "creating",
		 .lay = lay_nothing,
		 .prepare = prepare_nothing,
		 .operate = sem_create_new,
		 .finish = finish_nothing,
		 .sem = true,
		 .creates = true,
		 .result = 1},
		{.name = "taking",
		 .lay = lay_sem,
		 .prepare = prepare_plain,
		 .operate = take_two,
		 .finish = close_sem,
		 .sem = true},
		{.name = "taking in vain",
		 .lay = lay_empty_sem,
		 .prepare = prepare_plain,
		 .operate = take_two,
		 .finish = close_sem,
		 .result = -ETIMEDOUT,
		 .sem = true},
		{.name = "taking asleep",
		 .lay = lay_empty_sem,
		 .prepare = prepare_plain_late_poster,
		 .operate = take_patiently,
		 .finish = finish_sem_and_helper,
		 .sem = true},
		{.name = "taking from the dead",
		 .lay = lay_sem,
		 .prepare = prepare_plain_dead_owner,
		 .operate = take_two_patiently,
		 .is_patient = true,
		 .finish = close_sem,
		 .sem = true},
		{.name = "taking from them at once",
		 .lay = lay_sem,
		 .prepare = prepare_plain_dead_owner,
		 .operate = take_two_at_once,
		 .finish = close_sem,
		 .sem = true},
		{.name = "taking from them with no descriptor",
		 .lay = lay_sem,
		 .prepare = prepare_plain_blind,
		 .operate = take_two_patiently,
		 .is_patient = true,
		 .finish = close_sem,
		 .sem = true,
		 .more = 1},
		{.name = "giving",
		 .lay = lay_sem,
		 .prepare = prepare_plain,
		 .operate = post_one,
		 .finish = close_sem,
		 .sem = true},
		{.name = "looking",
		 .lay = lay_sem,
		 .prepare = prepare_plain_dead_owner,
		 .or_less = true,
		 .operate = sem_value,
		 .finish = close_sem,
		 .result = UNITS,
		 .sem = true},
		{.name = "closing as an owner",
		 .lay = lay_sem,
		 .prepare = prepare_owner,
		 .operate = close_sem_now,
		 .finish = close_sem,
		 .sem = true},
		{.name = "destroying",
		 .lay = lay_sem,
		 .prepare = prepare_plain,
		 .operate = destroy_sem,
		 .finish = close_sem,
		 .goes = true},
		{.name = "removing",
		 .lay = lay_sem,
		 .prepare = prepare_nothing,
		 .operate = remove_sem,
		 .finish = finish_nothing,
		 .goes = true,
		 .creates = true},
	};

	play_scenes(scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"opening a port that is there", test_opening},
	{"opening a new port", test_opening_new},
	{"creating a port", test_creating},
	{"removing a port", test_removing},
	{"looking", test_looking},
	{"waiting for ports and peers", test_waiting},
	{"sending", test_sending},
	{"receiving", test_receiving},
	{"semaphores", test_semaphores},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
