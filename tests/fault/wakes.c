/* SPDX-License-Identifier: MIT */
/*
 * wakes.c - no wake is lost wherever one side stands still
 *
 * One party stands still between two instructions, and the other one goes all the
 * way; then the first one goes on.  Nobody may be left asleep beside what he waits
 * for.  Both ways round, for everything that is waited for: first the one who
 * brings it stands still while the other goes to sleep, then the one who goes to
 * sleep stands still while it is brought; at last both stand still, he who brings
 * first.  No sleep ends by itself, and nobody spins.
 *
 * An order of two steps that is wrong so shows at once.  What only the lack of a
 * fence makes of a right order does not: between two instructions of one process
 * all of its stores are visible.
 */
#include <limits.h>
#include <poll.h>
#include <sys/syscall.h>

#include "handle.h"
#include "step.h"
#include "unit/sandbox.h"

#define NAME "p"
#define RING 4096U
#define TEXT "a message"

/* What two parties do; each has a handle of its own. */
struct scene {
	/* All of it, with nothing to wait for. */
	void (*set)(void);
	/* Who brings what is waited for; by its end it is there. */
	void (*prepare_bringer)(void *context);
	void (*bring)(void *context);
	/* Who waits for it. */
	void (*prepare_waiter)(void *context);
	void (*wait)(void *context);
	/* By the test itself, after a round. */
	void (*clean)(void);
};

static const struct scene *scene;
static struct mms_control *control;
static size_t file_bytes;

/* In each process: who it is there. */
static struct mmsock *mine;
static struct mmsock_sem *my_sem;
/* The test's own, both roles, told nothing and left alone. */
static struct mmsock *own;
static struct mmsock_sem *own_sem;

/* Opening. */

static void open_mine(unsigned role)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING, role);

	options.spin_ns = 0;
	CHECK_INT(mmsock_open(NAME, &options, &mine), 0);
	mine->waiter.no_recheck = true;
}

static void prepare_sender(void *context)
{
	(void)context;
	open_mine(MMSOCK_SENDER);
}

static void prepare_receiver(void *context)
{
	(void)context;
	open_mine(MMSOCK_RECEIVER);
}

static void prepare_nothing(void *context)
{
	(void)context;
}

static void close_mine(void *context)
{
	(void)context;
	mmsock_close(mine);
}

static void look_into_file(void)
{
	const char *path = join(getenv("MMSOCK_DIR"), NAME);
	struct stat status;

	CHECK(!stat(path, &status));
	file_bytes = (size_t)status.st_size;
	control = map_control(path);
}

static void make_port(void)
{
	struct mmsock_options options = options_for(
		MMSOCK_CREATE_NEW_OVERWRITE, MMSOCK_SENDER | MMSOCK_RECEIVER);

	options.ring_bytes = RING;
	options.max_message = RING - 16;
	options.slots = 4;
	options.flags = MMSOCK_KEEP_OPEN;
	CHECK_INT(mmsock_open(NAME, &options, &own), 0);
	look_into_file();
}

static void set_port(void)
{
	fresh_dir();
	make_port();
}

static void drain(void)
{
	char buffer[RING];

	while (mmsock_recv(own, buffer, sizeof(buffer), 0) >= 0)
		;
}

/* Messages. */

static void send_message(void *context)
{
	(void)context;
	CHECK_INT(mmsock_send(mine, TEXT, strlen(TEXT), MMSOCK_FOREVER), 0);
}

static void receive_message(void *context)
{
	char buffer[64];

	(void)context;
	CHECK_INT(mmsock_recv(mine, buffer, sizeof(buffer), MMSOCK_FOREVER),
		  strlen(TEXT));
}

static const struct scene for_a_message = {
	.set = set_port,
	.prepare_bringer = prepare_sender,
	.bring = send_message,
	.prepare_waiter = prepare_receiver,
	.wait = receive_message,
	.clean = drain,
};

static void send_run(void *context)
{
	struct mmsock_run *run;

	(void)context;
	CHECK_INT(mmsock_run_new(256, &run), 0);
	CHECK_INT(mmsock_run_add(run, TEXT, strlen(TEXT)), 0);
	CHECK_INT(mmsock_run_send(mine, run, MMSOCK_FOREVER), 0);
}

static const struct scene for_a_run = {
	.set = set_port,
	.prepare_bringer = prepare_sender,
	.bring = send_run,
	.prepare_waiter = prepare_receiver,
	.wait = receive_message,
	.clean = drain,
};

/* Room: one message fills the ring. */

static void fill_ring(void)
{
	static const char large[RING - 16];

	drain();
	CHECK_INT(mmsock_send(own, large, sizeof(large), 0), 0);
}

static void set_full_port(void)
{
	set_port();
	fill_ring();
}

static void receive_large(void *context)
{
	char buffer[RING];

	(void)context;
	CHECK_INT(mmsock_recv(mine, buffer, sizeof(buffer), MMSOCK_FOREVER),
		  RING - 16);
}

static const struct scene for_room = {
	.set = set_full_port,
	.prepare_bringer = prepare_receiver,
	.bring = receive_large,
	.prepare_waiter = prepare_sender,
	.wait = send_message,
	.clean = fill_ring,
};

/* The ends.  Who brings one holds it before he starts. */

static void prepare_space(void *context)
{
	void *buffer;

	(void)context;
	open_mine(MMSOCK_SENDER);
	CHECK_INT(mmsock_reserve(mine, 64, &buffer, MMSOCK_FOREVER), 0);
}

static void cancel(void *context)
{
	(void)context;
	CHECK_INT(mmsock_cancel(mine), 0);
}

static const struct scene for_the_sending_end = {
	.set = set_port,
	.prepare_bringer = prepare_space,
	.bring = cancel,
	.prepare_waiter = prepare_sender,
	.wait = send_message,
	.clean = drain,
};

static void send_two(void)
{
	drain();
	send_text(own, TEXT);
	send_text(own, TEXT);
}

static void set_port_with_two(void)
{
	set_port();
	send_two();
}

static void prepare_message(void *context)
{
	const void *message;

	(void)context;
	open_mine(MMSOCK_RECEIVER);
	CHECK_INT(mmsock_peek(mine, &message, MMSOCK_FOREVER), strlen(TEXT));
}

static void release(void *context)
{
	(void)context;
	CHECK_INT(mmsock_release(mine), 0);
}

static const struct scene for_the_receiving_end = {
	.set = set_port_with_two,
	.prepare_bringer = prepare_message,
	.bring = release,
	.prepare_waiter = prepare_receiver,
	.wait = receive_message,
	.clean = send_two,
};

/* The end of the stream, and of the port. */

static void receive_the_end(void *context)
{
	char buffer[64];

	(void)context;
	CHECK_INT(mmsock_recv(mine, buffer, sizeof(buffer), MMSOCK_FOREVER),
		  -ENODATA);
}

static void set_port_of_nobody(void)
{
	set_port();
	mmsock_close(own);
	own = NULL;
}

static void clean_nothing(void)
{
}

static const struct scene for_the_end = {
	.set = set_port_of_nobody,
	.prepare_bringer = prepare_sender,
	.bring = close_mine,
	.prepare_waiter = prepare_receiver,
	.wait = receive_the_end,
	.clean = clean_nothing,
};

static void remove_port(void *context)
{
	(void)context;
	CHECK_INT(mmsock_remove(NAME, NULL, MMSOCK_REMOVE_ALWAYS), 0);
}

static void receive_nothing(void *context)
{
	char buffer[64];

	(void)context;
	CHECK_INT(mmsock_recv(mine, buffer, sizeof(buffer), MMSOCK_FOREVER),
		  -EIDRM);
}

static void set_anew(void)
{
	mmsock_close(own);
	munmap((unsigned char *)control - MMS_CONTROL_OFFSET, file_bytes);
	make_port();
}

static const struct scene for_removal = {
	.set = set_port,
	.prepare_bringer = prepare_nothing,
	.bring = remove_port,
	.prepare_waiter = prepare_receiver,
	.wait = receive_nothing,
	.clean = set_anew,
};

static void send_in_vain(void *context)
{
	(void)context;
	CHECK_INT(mmsock_send(mine, TEXT, strlen(TEXT), MMSOCK_FOREVER),
		  -EIDRM);
}

static void set_full_anew(void)
{
	set_anew();
	fill_ring();
}

static const struct scene for_removal_without_room = {
	.set = set_full_port,
	.prepare_bringer = prepare_nothing,
	.bring = remove_port,
	.prepare_waiter = prepare_sender,
	.wait = send_in_vain,
	.clean = set_full_anew,
};

static void wait_in_vain(void *context)
{
	(void)context;
	CHECK_INT(mmsock_wait_peers(mine, 3, MMSOCK_FOREVER), -EIDRM);
}

static const struct scene for_removal_alone = {
	.set = set_port,
	.prepare_bringer = prepare_nothing,
	.bring = remove_port,
	.prepare_waiter = prepare_receiver,
	.wait = wait_in_vain,
	.clean = set_anew,
};

/* Company. */

static void come(void *context)
{
	prepare_sender(context);
	mmsock_close(mine);
}

static void wait_for_sender(void *context)
{
	(void)context;
	CHECK_INT(mmsock_wait_peers(mine, 1, MMSOCK_FOREVER), 0);
}

static const struct scene for_company = {
	.set = set_port_of_nobody,
	.prepare_bringer = prepare_nothing,
	.bring = come,
	.prepare_waiter = prepare_receiver,
	.wait = wait_for_sender,
	.clean = clean_nothing,
};

/* Units. */

static void prepare_user(void *context)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	(void)context;
	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	options.spin_ns = 0;
	CHECK_INT(mmsock_sem_open(NAME, &options, &my_sem), 0);
	/* A semaphore begins with its handle. */
	((struct mmsock *)(void *)my_sem)->waiter.no_recheck = true;
}

static void post(void *context)
{
	(void)context;
	CHECK_INT(mmsock_sem_post(my_sem, 1), 0);
}

static void take(void *context)
{
	(void)context;
	CHECK_INT(mmsock_sem_wait(my_sem, 1, MMSOCK_FOREVER), 0);
}

static void take_two(void *context)
{
	(void)context;
	CHECK_INT(mmsock_sem_wait(my_sem, 2, MMSOCK_FOREVER), 0);
}

static void take_all(void)
{
	while (!mmsock_sem_wait(own_sem, 1, 0))
		;
}

static void set_sem(void)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	fresh_dir();
	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.value = 0;
	options.slots = 4;
	CHECK_INT(mmsock_sem_open(NAME, &options, &own_sem), 0);
	look_into_file();
}

static const struct scene for_a_unit = {
	.set = set_sem,
	.prepare_bringer = prepare_user,
	.bring = post,
	.prepare_waiter = prepare_user,
	.wait = take,
	.clean = take_all,
};

static const struct scene for_two_units = {
	.set = set_sem,
	.prepare_bringer = prepare_user,
	.bring = post,
	.prepare_waiter = prepare_user,
	.wait = take_two,
	.clean = take_all,
};

/* Interrupts: of a wait for nothing, in memory that has no port around it. */

static struct mms_interrupt *interrupt;

static void set_memory(void)
{
	const size_t bytes = MMS_ROWS_OFFSET + MMS_PAGE;
	unsigned char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(base != MAP_FAILED);
	control = (void *)(base + MMS_CONTROL_OFFSET);
	file_bytes = bytes;
	interrupt = (void *)(base + bytes - sizeof(*interrupt));
}

static bool never(void *context)
{
	(void)context;
	return false;
}

static struct mms_row *first_row(void)
{
	return (void *)((unsigned char *)control - MMS_CONTROL_OFFSET +
			MMS_ROWS_OFFSET);
}

static void prepare_row(void *context)
{
	(void)context;
	atomic_store(&first_row()->pid, getpid());
	mms_store32(&first_row()->role, MMS_ATTACHED);
}

static void wait_for_nothing(void *context)
{
	struct mms_waiter waiter = {
		.row = first_row(),
		.interrupt = interrupt,
		.recheck_cap_ns = MMS_NEVER,
	};
	struct mms_watch watch = {
		.event = &control->signals.data,
		.ready = never,
		.recheck_ns = MMS_NEVER,
		.object = MMSOCK_DATA,
	};
	struct mms_budget budget;

	(void)context;
	mms_budget_init(&budget, 0);
	CHECK_INT(mms_wait_sleep(&waiter, &budget, &watch, MMS_NEVER), -EINTR);
}

static void interrupt_it(void *context)
{
	(void)context;
	mms_interrupt(interrupt);
}

static void forget_interrupt(void)
{
	mms_interrupt_reported(interrupt);
	atomic_store(&interrupt->sleeping_on, NULL);
}

static const struct scene for_an_interrupt = {
	.set = set_memory,
	.prepare_bringer = prepare_nothing,
	.bring = interrupt_it,
	.prepare_waiter = prepare_row,
	.wait = wait_for_nothing,
	.clean = forget_interrupt,
};

/* The one who brings stands still. */

static bool is_asleep(pid_t pid)
{
	char path[40];
	char text[256] = "";
	const char *state;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	state = strrchr(text, ')');
	return state && state[1] == ' ' && state[2] == 'S';
}

static const struct mms_row *row_of(pid_t pid)
{
	const struct mms_row *rows =
		(const void *)((unsigned char *)control - MMS_CONTROL_OFFSET +
			       MMS_ROWS_OFFSET);
	unsigned slot;

	for (slot = 0; slot < 4; slot++) {
		if (atomic_load(&rows[slot].pid) == pid &&
		    mms_row_in_use(&rows[slot]))
			return &rows[slot];
	}
	CHECK(!"there is a row");
	return NULL;
}

static bool has_spoken(const struct kid *kid, int timeout_ms)
{
	struct pollfd from = {.fd = kid->from, .events = POLLIN};

	return poll(&from, 1, timeout_ms) == 1;
}

/* Until it has what it waits for, or sleeps for it. */
static void await_rest(const struct kid *kid, const struct mms_row *row)
{
	while (!has_spoken(kid, 0)) {
		if ((mms_load32(&row->activity) & 0xff) == MMSOCK_ASLEEP &&
		    is_asleep(kid->pid))
			return;
		sched_yield();
	}
}

static void run_waiter(struct kid *self, void *context)
{
	(void)context;
	scene->prepare_waiter(NULL);
	meet(self);
	scene->wait(NULL);
	tell(self);
}

/* Record what the bringer does with nobody there. */
static struct step_trace record_bringer(void)
{
	struct step_trace trace;
	struct step step;

	step_start(&step, scene->prepare_bringer, scene->bring, NULL);
	step_record(&step, (unsigned char *)control - MMS_CONTROL_OFFSET,
		    file_bytes, &trace);
	return trace;
}

static bool stop_bringer(const struct step_trace *trace, unsigned long place)
{
	struct step step;
	struct kid kid;
	bool ended;

	kid_start(&kid, run_waiter, NULL);
	CHECK(hear(&kid));
	step_start(&step, scene->prepare_bringer, scene->bring, NULL);
	ended = !step_to(&step, trace, place);
	tell(&kid);
	await_rest(&kid, row_of(kid.pid));
	step_finish(&step);
	if (!has_spoken(&kid, 10000))
		printf("# left asleep at %lu of %lu\n", place, trace->count);
	CHECK(has_spoken(&kid, 0));
	CHECK(hear(&kid));
	CHECK_INT(kid_reap(&kid), 0);
	scene->clean();
	return ended;
}

static void stop_bringer_everywhere(void)
{
	struct step_trace trace = record_bringer();
	unsigned long stride = step_stride(199);
	unsigned long place = 0;

	scene->clean();
	while (!stop_bringer(&trace, place) || place < trace.count)
		place = step_place_after(&trace, place, stride);
	printf("# %lu instructions, %lu changes\n", trace.count, trace.changes);
	step_forget(&trace);
}

/* The one who waits stands still. */

static const _Atomic uint64_t *sleeps_of(pid_t pid)
{
	return &row_of(pid)->sleeps;
}

/* How many instructions it is to the sleep, where nothing is brought. */
static unsigned long way_to_sleep(void)
{
	unsigned long count;
	struct step bringer;
	struct step step;

	step_start(&step, scene->prepare_waiter, scene->wait, NULL);
	step_start(&bringer, scene->prepare_bringer, scene->bring, NULL);
	count = step_until_changed(&step, sleeps_of(step.pid));
	CHECK(count != ULONG_MAX);
	step_kill(&step);
	step_kill(&bringer);
	return count;
}

static void stop_waiter(unsigned long place)
{
	struct step bringer;
	struct step step;

	step_start(&step, scene->prepare_waiter, scene->wait, NULL);
	step_start(&bringer, scene->prepare_bringer, scene->bring, NULL);
	/* No two go the same way to the instruction: they read the clock. */
	CHECK(step_forward_to_change(&step, place, sleeps_of(step.pid)));
	step_finish(&bringer);
	step_finish(&step);
	scene->clean();
}

/* The last instructions before the sleep are all looked at. */
static void stop_waiter_everywhere(void)
{
	unsigned long stride = step_stride(31);
	unsigned long last = way_to_sleep();
	unsigned long place;

	scene->clean();
	for (place = 0; place <= last; place += place + 200 < last ? stride : 3)
		stop_waiter(place);
	printf("# %lu instructions\n", last);
}

/* Both stand still: he who brings at a change, he who waits somewhere. */

static void stop_both(const struct step_trace *trace, unsigned long change,
		      unsigned long place)
{
	struct step bringer;
	struct step step;

	step_start(&step, scene->prepare_waiter, scene->wait, NULL);
	step_start(&bringer, scene->prepare_bringer, scene->bring, NULL);
	step_to(&bringer, trace, change);
	/* It may have come all the way: what is brought may be there by now. */
	step_forward_to_change(&step, place, sleeps_of(step.pid));
	step_finish(&bringer);
	step_finish(&step);
	scene->clean();
}

static void stop_both_everywhere(void)
{
	struct step_trace trace = record_bringer();
	unsigned long stride = step_stride(251);
	unsigned long change = 0;
	unsigned long place;
	unsigned long last;

	scene->clean();
	last = way_to_sleep();
	scene->clean();
	while ((change = step_change_after(&trace, change)) != ULONG_MAX) {
		for (place = stride; place < last; place += stride)
			stop_both(&trace, change, place);
	}
	step_forget(&trace);
}

static void play(const struct scene *of)
{
	scene = of;
	scene->set();
	stop_bringer_everywhere();
	stop_waiter_everywhere();
	stop_both_everywhere();
}

static void start_waiter(struct kid *kid)
{
	kid_start(kid, run_waiter, NULL);
	CHECK(hear(kid));
	tell(kid);
	await_rest(kid, row_of(kid->pid));
}

static void expect_woken(struct kid *kid)
{
	CHECK(has_spoken(kid, 10000));
	CHECK(hear(kid));
	CHECK_INT(kid_reap(kid), 0);
}

/* One of two senders stands still while the other one leaves. */
static void stop_leaver(unsigned long place)
{
	struct mmsock *other = open_as(NAME, MMSOCK_SENDER);
	struct step step;
	struct kid kid;

	kid_start(&kid, run_waiter, NULL);
	CHECK(hear(&kid));
	step_start(&step, scene->prepare_bringer, scene->bring, NULL);
	tell(&kid);
	await_rest(&kid, row_of(kid.pid));
	step_forward(&step, place);
	mmsock_close(other);
	step_finish(&step);
	expect_woken(&kid);
}

static void test_two_leave(void)
{
	struct step_trace trace;
	unsigned long place = 0;

	scene = &for_the_end;
	scene->set();
	trace = record_bringer();
	for (; place < trace.count; place += step_stride(5))
		stop_leaver(place);
	step_forget(&trace);
}

/* Several who wait, and one who brings something for all of them. */

static void test_end_of_all(void)
{
	struct mmsock *sender;
	struct kid kids[2];
	unsigned i;

	scene = &for_the_end;
	scene->set();
	sender = open_as(NAME, MMSOCK_SENDER);
	for (i = 0; i < CHECK_COUNT(kids); i++)
		start_waiter(&kids[i]);
	mmsock_close(sender);
	for (i = 0; i < CHECK_COUNT(kids); i++)
		expect_woken(&kids[i]);
}

static void test_two_units(void)
{
	struct kid kids[2];
	unsigned i;

	scene = &for_a_unit;
	scene->set();
	for (i = 0; i < CHECK_COUNT(kids); i++)
		start_waiter(&kids[i]);
	CHECK_INT(mmsock_sem_post(own_sem, 2), 0);
	for (i = 0; i < CHECK_COUNT(kids); i++)
		expect_woken(&kids[i]);
}

/*
 * Whom the kernel wakes is its own business: it may be one who came when who posts
 * had made up his mind to wake one.  So there is another wake for those like him.
 */
static void test_two_in_between(void)
{
	const _Atomic uint64_t *sleeps;
	struct step poster;
	struct kid one;
	struct kid two;

	scene = &for_a_unit;
	scene->set();
	start_waiter(&one);
	step_start(&poster, scene->prepare_bringer, scene->bring, NULL);
	CHECK(step_to_call(&poster, SYS_futex));
	scene = &for_two_units;
	start_waiter(&two);
	sleeps = sleeps_of(two.pid);
	CHECK_INT(mms_load(sleeps), 1);
	step_finish(&poster);
	expect_woken(&one);
	while (mms_load(sleeps) < 2)
		sched_yield();
	CHECK_INT(mmsock_sem_post(own_sem, 2), 0);
	expect_woken(&two);
}

/* He has to know that there is somebody to look for; then he sleeps again. */
static void test_first_owner(void)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	const _Atomic uint64_t *sleeps;
	struct mmsock_sem *owner;
	struct kid kid;

	scene = &for_a_unit;
	scene->set();
	start_waiter(&kid);
	sleeps = sleeps_of(kid.pid);
	CHECK_INT(mms_load(sleeps), 1);
	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	options.flags = MMSOCK_SEM_OWNED;
	CHECK_INT(mmsock_sem_open(NAME, &options, &owner), 0);
	while (mms_load(sleeps) < 2)
		sched_yield();
	CHECK_INT(mmsock_sem_post(own_sem, 1), 0);
	expect_woken(&kid);
	mmsock_sem_close(owner);
}

/* Somebody has died with the end, in the slot that the newcomer will get. */
static void prepare_in_dead_slot(void *context)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		prepare_space(context);
		_exit(EXIT_SUCCESS);
	}
	CHECK_INT(waitpid(pid, NULL, 0), pid);
}

static const struct scene for_an_end_of_the_dead = {
	.set = set_port,
	.prepare_bringer = prepare_in_dead_slot,
	.bring = prepare_sender,
	.prepare_waiter = prepare_sender,
	.wait = send_message,
	.clean = drain,
};

static void test_newcomer(void)
{
	scene = &for_an_end_of_the_dead;
	scene->set();
	stop_bringer_everywhere();
}

/* Services. */

static void make_service(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	fresh_dir();
	options.type = MMSOCK_RPC;
	options.clients = 1;
	options.slots = 4;
	options.ring_bytes = RING;
	options.reply_bytes = 1000;
	CHECK_INT(mmsock_create(NAME, &options), 1);
	look_into_file();
}

static void prepare_client(void *context)
{
	(void)context;
	open_mine(MMSOCK_CLIENT);
}

static void prepare_server(void *context)
{
	(void)context;
	open_mine(MMSOCK_SERVER);
}

/* Whether he finds nobody or asks first: it is nobody in the end. */
static void call_in_vain(void *context)
{
	char byte;

	(void)context;
	CHECK_INT(mmsock_call(mine, "x", 1, &byte, 1, MMSOCK_FOREVER),
		  -ECONNREFUSED);
}

/* A server drops what was withdrawn, and answers the dead. */
static void drain_requests(void)
{
	struct mmsock_request request;
	char byte;

	own = open_as(NAME, MMSOCK_SERVER);
	while (mmsock_serve_recv(own, &byte, 1, &request, 0) >= 0)
		(void)mmsock_reply(own, &request, "y", 1, 0);
	mmsock_close(own);
}

static const struct scene for_nobody_who_serves = {
	.set = make_service,
	.prepare_bringer = prepare_server,
	.bring = close_mine,
	.prepare_waiter = prepare_client,
	.wait = call_in_vain,
	.clean = drain_requests,
};

/* Two requests of one client: one for who waits for the lane, one for the dead. */

static struct mmsock_request my_request;

static void ask_twice(void)
{
	uint64_t call;

	if (own)
		mmsock_close(own);
	own = open_as(NAME, MMSOCK_CLIENT);
	CHECK_INT(mmsock_call_send(own, "x", 1, &call, 0), 0);
	CHECK_INT(mmsock_call_send(own, "x", 1, &call, 0), 0);
}

static void set_service_with_two(void)
{
	struct mmsock *server;

	make_service();
	server = open_as(NAME, MMSOCK_SERVER);
	ask_twice();
	(void)server;
}

static void prepare_reply(void *context)
{
	char byte;

	(void)context;
	open_mine(MMSOCK_SERVER);
	CHECK_INT(mmsock_serve_recv(mine, &byte, 1, &my_request, 0), 1);
}

static void reply(void *context)
{
	(void)context;
	CHECK_INT(mmsock_reply(mine, &my_request, "y", 1, MMSOCK_FOREVER), 0);
}

static void prepare_in_dead_servers_slot(void *context)
{
	pid_t pid = fork();
	void *room;

	CHECK(pid >= 0);
	if (!pid) {
		prepare_reply(context);
		CHECK_INT(mmsock_reply_reserve(mine, &my_request, 64, &room, 0),
			  0);
		_exit(EXIT_SUCCESS);
	}
	CHECK_INT(waitpid(pid, NULL, 0), pid);
}

static const struct scene for_a_lane_of_the_dead = {
	.set = set_service_with_two,
	.prepare_bringer = prepare_in_dead_servers_slot,
	.bring = prepare_server,
	.prepare_waiter = prepare_reply,
	.wait = reply,
	.clean = ask_twice,
};

/* Both stand still, he who waits first: he has looked who serves. */
static void stop_waiter_first(const struct step_trace *trace,
			      unsigned long change, unsigned long place)
{
	const _Atomic uint64_t *sleeps;
	struct step bringer;
	struct step step;

	step_start(&step, scene->prepare_waiter, scene->wait, NULL);
	step_start(&bringer, scene->prepare_bringer, scene->bring, NULL);
	sleeps = sleeps_of(step.pid);
	CHECK(step_forward_to_change(&step, place, sleeps));
	step_to(&bringer, trace, change - 1);
	/* The way may be shorter this time, and he about to sleep already. */
	if (!atomic_load(sleeps))
		(void)step_until_changed(&step, sleeps);
	step_finish(&bringer);
	step_finish(&step);
	scene->clean();
}

static void stop_waiter_first_everywhere(void)
{
	struct step_trace trace = record_bringer();
	unsigned long stride = step_stride(31);
	unsigned long last = way_to_sleep();
	unsigned long change = 0;
	unsigned long place;

	scene->clean();
	while ((change = step_change_after(&trace, change)) != ULONG_MAX)
		for (place = last > 300 ? last - 300 : 0; place < last;
		     place += stride)
			stop_waiter_first(&trace, change, place);
	step_forget(&trace);
}

static void test_leaving_server(void)
{
	play(&for_nobody_who_serves);
	stop_waiter_first_everywhere();
}

static void test_new_server(void)
{
	scene = &for_a_lane_of_the_dead;
	scene->set();
	stop_bringer_everywhere();
}

static void test_message(void)
{
	play(&for_a_message);
}

static void test_run(void)
{
	play(&for_a_run);
}

static void test_room(void)
{
	play(&for_room);
}

static void test_sending_end(void)
{
	play(&for_the_sending_end);
}

static void test_receiving_end(void)
{
	play(&for_the_receiving_end);
}

static void test_end(void)
{
	play(&for_the_end);
}

static void test_removal(void)
{
	play(&for_removal);
}

static void test_removal_without_room(void)
{
	play(&for_removal_without_room);
}

static void test_removal_alone(void)
{
	play(&for_removal_alone);
}

static void test_company(void)
{
	play(&for_company);
}

static void test_unit(void)
{
	play(&for_a_unit);
}

static void test_interrupt(void)
{
	play(&for_an_interrupt);
}

static const struct check_case cases[] = {
	{"a message wakes who waits for it", test_message},
	{"so does a run", test_run},
	{"room wakes who waits for it", test_room},
	{"the sending end wakes who waits for it", test_sending_end},
	{"so does the receiving end", test_receiving_end},
	{"the end of the stream wakes who waits for more", test_end},
	{"of two who leave at once one wakes who waits for more",
	 test_two_leave},
	{"the end of the stream wakes all", test_end_of_all},
	{"a port that is removed wakes who waits in it", test_removal},
	{"also who waits for room", test_removal_without_room},
	{"and who waits for company", test_removal_alone},
	{"who comes wakes who waits for company", test_company},
	{"a unit wakes who waits for it", test_unit},
	{"a post of two wakes two", test_two_units},
	{"who comes for two while one is woken is woken too",
	 test_two_in_between},
	{"the first owner wakes who waits for units", test_first_owner},
	{"a newcomer wakes who waits for a dead one's end", test_newcomer},
	{"a server who leaves wakes who waits for a reply",
	 test_leaving_server},
	{"a new server wakes who waits for a dead one's lane", test_new_server},
	{"an interrupt wakes who waits", test_interrupt},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
