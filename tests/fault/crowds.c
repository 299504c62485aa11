/* SPDX-License-Identifier: MIT */
/*
 * crowds.c - many processes at one name, and on one CPU
 *
 * 50 creators in every mixture; a port that is replaced, removed and unlinked while
 * it is in use, by processes that are killed over it, too; opens in between; and
 * 16 participants who have one CPU, or a twentieth of one.
 *
 * STRESS in the environment multiplies the rounds, up to a hundred times.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "random.h"
#include "unit/sandbox.h"

#define RING      4096
#define CREATORS  50
#define PARTIES   3
#define NUMBERS   (UINT32_C(1) << 26)
#define RUSH_SIZE 16

static unsigned scaled(unsigned rounds)
{
	const char *text = getenv("STRESS");
	unsigned long scale = text ? strtoul(text, NULL, 10) : 1;

	alarm(scale > 1 ? 3600 : 60);
	return rounds * (unsigned)(scale < 1 ? 1 : scale > 100 ? 100 : scale);
}

static void *shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static struct mmsock_options small(unsigned mode, unsigned role)
{
	struct mmsock_options options = options_for(mode, role);

	options.ring_bytes = RING;
	return options;
}

/* Creators. */

struct creation {
	pthread_barrier_t start;
	pthread_barrier_t end;
	/* Whether each one's mode, by his number modulo 2, is exclusive. */
	bool exclusive[2];
	bool over;
	int result[CREATORS];
	ino_t inode[CREATORS];
};

struct creator {
	struct kid kid;
	struct creation *creation;
	unsigned number;
};

static void run_creator(struct kid *self, void *context)
{
	struct creator *creator = context;
	struct creation *creation = creator->creation;
	unsigned number = creator->number;

	(void)self;
	for (;;) {
		struct mmsock_options options;

		pthread_barrier_wait(&creation->start);
		if (creation->over)
			return;
		options = small(creation->exclusive[number % 2]
					? MMSOCK_CREATE_NEW_EXCLUSIVE
					: MMSOCK_CONNECT_OR_CREATE,
				0);
		creation->result[number] = mmsock_create("p", &options);
		creation->inode[number] =
			inode_of(join(getenv("MMSOCK_DIR"), "p"));
		pthread_barrier_wait(&creation->end);
	}
}

static struct creation *start_creators(struct creator creators[CREATORS])
{
	struct creation *creation = shared(sizeof(*creation));
	pthread_barrierattr_t attributes;
	unsigned i;

	pthread_barrierattr_init(&attributes);
	pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&creation->start, &attributes, CREATORS + 1);
	pthread_barrier_init(&creation->end, &attributes, CREATORS + 1);
	for (i = 0; i < CREATORS; i++) {
		creators[i].creation = creation;
		creators[i].number = i;
		kid_start(&creators[i].kid, run_creator, &creators[i]);
	}
	return creation;
}

static void end_creators(struct creation *creation,
			 struct creator creators[CREATORS])
{
	unsigned i;

	creation->over = true;
	pthread_barrier_wait(&creation->start);
	for (i = 0; i < CREATORS; i++)
		CHECK_INT(kid_reap(&creators[i].kid), 0);
}

/* How many have created; all others were told that it exists, all see one file. */
static unsigned count_births(const struct creation *creation)
{
	unsigned births = 0;
	unsigned i;

	for (i = 0; i < CREATORS; i++) {
		CHECK(creation->inode[i] == creation->inode[0]);
		if (creation->result[i] == 1)
			births++;
		else
			CHECK_INT(creation->result[i],
				  creation->exclusive[i % 2] ? -EEXIST : 0);
	}
	return births;
}

static void race_to_create(bool even_exclusive, bool odd_exclusive)
{
	const char *dir = fresh_dir();
	struct creator creators[CREATORS];
	struct creation *creation = start_creators(creators);
	unsigned rounds = scaled(20);
	unsigned round;

	creation->exclusive[0] = even_exclusive;
	creation->exclusive[1] = odd_exclusive;
	for (round = 0; round < rounds; round++) {
		pthread_barrier_wait(&creation->start);
		pthread_barrier_wait(&creation->end);
		CHECK_INT(count_births(creation), 1);
		CHECK_INT(count_entries(dir), 1);
		CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_UNUSED), 0);
	}
	end_creators(creation, creators);
	printf("# %u races of %u creators\n", rounds, CREATORS);
}

static void test_connect(void)
{
	race_to_create(false, false);
}

static void test_exclusive(void)
{
	race_to_create(true, true);
}

static void test_mixed(void)
{
	race_to_create(true, false);
}

/* Not a byte of what is there changes. */
static void test_existing(void)
{
	const char *path = join(fresh_dir(), "p");
	struct creator creators[CREATORS];
	struct creation *creation = start_creators(creators);
	unsigned rounds = scaled(20);
	const unsigned char *file;
	unsigned char *copy;
	struct mmsock *handle;
	ino_t inode;
	size_t size;
	unsigned round;

	create_port("p", RING, 4);
	handle = open_as("p", MMSOCK_SENDER);
	send_text(handle, "message");
	mmsock_close(handle);
	inode = inode_of(path);
	size = (size_t)inspect("p").file_bytes;
	file = map_file(path);
	copy = malloc(size);
	CHECK(copy);
	memcpy(copy, file, size);
	creation->exclusive[0] = true;
	for (round = 0; round < rounds; round++) {
		pthread_barrier_wait(&creation->start);
		pthread_barrier_wait(&creation->end);
		CHECK_INT(count_births(creation), 0);
		CHECK(creation->inode[0] == inode);
		CHECK(!memcmp(copy, file, size));
	}
	end_creators(creation, creators);
	free(copy);
	printf("# %u races of %u creators\n", rounds, CREATORS);
}

/* A name under load. */

struct load {
	_Atomic bool over;
	_Atomic uint64_t received;
	_Atomic uint64_t moves; /* to another port of that name */
	_Atomic uint8_t seen[PARTIES][NUMBERS];
};

struct party {
	struct kid kid;
	struct load *load;
	unsigned number;
};

struct label {
	uint32_t sender;
	uint32_t number;
	uint32_t check;
};

static uint32_t check_of(const struct label *label)
{
	return label->sender * 2654435761U ^ label->number * 40503U;
}

static bool is_gone(int r)
{
	CHECK(r == -EIDRM || r == -ESTALE);
	return true;
}

static struct mmsock *reopen(struct load *load, struct mmsock *handle,
			     unsigned role)
{
	struct mmsock_options options = small(MMSOCK_CONNECT_OR_CREATE, role);

	options.flags = MMSOCK_KEEP_OPEN;
	mmsock_close(handle);
	CHECK_INT(mmsock_open("p", &options, &handle), 0);
	load->moves++;
	return handle;
}

static void run_loader(struct kid *self, void *context)
{
	struct party *party = context;
	struct label label = {.sender = party->number};
	struct mmsock *handle = reopen(party->load, NULL, MMSOCK_SENDER);
	int r;

	(void)self;
	while (!party->load->over && label.number < NUMBERS) {
		label.check = check_of(&label);
		r = mmsock_send(handle, &label, sizeof(label), MMSOCK_FOREVER);
		if (!r)
			label.number++;
		else if (is_gone(r))
			handle = reopen(party->load, handle, MMSOCK_SENDER);
	}
	mmsock_close(handle);
}

/* Whole, sent by somebody, for the first time, and after what came before. */
static void check_label(struct load *load, const struct label *label,
			uint32_t next[PARTIES])
{
	CHECK(label->sender < PARTIES && label->number < NUMBERS);
	CHECK_INT(label->check, check_of(label));
	CHECK(label->number >= next[label->sender]);
	next[label->sender] = label->number + 1;
	CHECK_INT(load->seen[label->sender][label->number]++, 0);
	load->received++;
}

static void run_unloader(struct kid *self, void *context)
{
	struct party *party = context;
	struct mmsock *handle = reopen(party->load, NULL, MMSOCK_RECEIVER);
	uint32_t next[PARTIES] = {0};
	struct label label;
	ssize_t r;

	(void)self;
	while (!party->load->over) {
		r = mmsock_recv(handle, &label, sizeof(label), MMSOCK_FOREVER);
		if (r == (ssize_t)sizeof(label))
			check_label(party->load, &label, next);
		else if (is_gone((int)r))
			handle = reopen(party->load, handle, MMSOCK_RECEIVER);
	}
	mmsock_close(handle);
}

static void start_load(struct load *load, struct party parties[2 * PARTIES])
{
	unsigned i;

	for (i = 0; i < 2 * PARTIES; i++) {
		parties[i].load = load;
		parties[i].number = i;
		kid_start(&parties[i].kid,
			  i < PARTIES ? run_loader : run_unloader, &parties[i]);
	}
}

/* They come together again on whatever has this name now. */
static void await_messages(const struct load *load)
{
	uint64_t before = load->received;

	while (load->received < before + 100)
		sched_yield();
}

/* Whoever sleeps is told by the port's end. */
static void end_load(struct load *load, struct party parties[2 * PARTIES])
{
	unsigned i;
	int r;

	load->over = true;
	for (i = 0; i < 2 * PARTIES; i++) {
		while (!waitpid(parties[i].kid.pid, &r, WNOHANG)) {
			r = mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS);
			CHECK(!r || r == -ENOENT);
			sched_yield();
		}
		CHECK_INT(r, 0);
	}
	printf("# %" PRIu64 " messages, %" PRIu64 " handles\n", load->received,
	       load->moves);
}

/* Again and again; killed at some moment. */
static void run_overwriter(struct kid *self, void *context)
{
	struct mmsock_options options = small(MMSOCK_CREATE_NEW_OVERWRITE, 0);

	(void)context;
	for (;;) {
		CHECK_INT(mmsock_create("p", &options), 1);
		tell(self);
	}
}

static void run_name_remover(struct kid *self, void *context)
{
	int r;

	(void)context;
	for (;;) {
		r = mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS);
		CHECK(!r || r == -ENOENT);
		tell(self);
	}
}

static void kill_one(void (*run)(struct kid *self, void *context))
{
	struct kid kid;

	kid_start(&kid, run, NULL);
	CHECK(hear(&kid));
	kid_kill(&kid);
}

static void overwrite(void)
{
	struct mmsock_options options = small(MMSOCK_CREATE_NEW_OVERWRITE, 0);

	CHECK_INT(mmsock_create("p", &options), 1);
}

static void test_overwrite_loaded(void)
{
	const char *dir = fresh_dir();
	struct load *load = shared(sizeof(*load));
	struct party parties[2 * PARTIES];
	unsigned rounds = scaled(40);
	unsigned round;

	start_load(load, parties);
	for (round = 0; round < rounds; round++) {
		await_messages(load);
		if (round % 4)
			overwrite();
		else
			kill_one(run_overwriter);
	}
	await_messages(load);
	/* The next who needs a name sweeps away those that the killed had. */
	overwrite();
	CHECK_INT(count_entries(dir), 1);
	end_load(load, parties);
}

static void test_remove_loaded(void)
{
	const char *dir = fresh_dir();
	struct load *load = shared(sizeof(*load));
	struct party parties[2 * PARTIES];
	unsigned rounds = scaled(40);
	unsigned round;
	int r;

	start_load(load, parties);
	for (round = 0; round < rounds; round++) {
		await_messages(load);
		if (round % 8 == 0)
			kill_one(run_name_remover);
		else if (round % 8 == 4)
			CHECK(!unlink(join(dir, "p")) || errno == ENOENT);
		else {
			r = mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS);
			CHECK(!r || r == -ENOENT);
		}
	}
	await_messages(load);
	end_load(load, parties);
	r = mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS);
	CHECK(!r || r == -ENOENT);
	CHECK_INT(count_entries(dir), 0);
}

/* Opens in between. */

struct opening {
	struct load *load;
	unsigned mode;
};

static void run_opener(struct kid *self, void *context)
{
	struct opening *opening = context;
	struct mmsock_options options = small(opening->mode, MMSOCK_SENDER);
	struct mmsock *handle;
	int r;

	(void)self;
	while (!opening->load->over) {
		handle = NULL;
		r = mmsock_open("p", &options, &handle);
		if (opening->mode == MMSOCK_CONNECT_TO_EXISTING && r == -ENOENT)
			continue;
		CHECK_INT(r, 0);
		r = mmsock_send(handle, "m", 1, 0);
		CHECK(!r || r == -EAGAIN || r == -EBUSY || is_gone(r));
		mmsock_close(handle);
		opening->load->moves++;
	}
}

static void test_open_between(void)
{
	const char *dir = fresh_dir();
	struct load *load = shared(sizeof(*load));
	struct opening openings[] = {
		{load, MMSOCK_CONNECT_TO_EXISTING},
		{load, MMSOCK_CONNECT_OR_CREATE},
		{load, MMSOCK_CONNECT_TO_EXISTING},
		{load, MMSOCK_CONNECT_OR_CREATE},
	};
	struct kid kids[CHECK_COUNT(openings)];
	uint64_t wanted = scaled(4000);
	size_t i;
	int r;

	for (i = 0; i < CHECK_COUNT(kids); i++)
		kid_start(&kids[i], run_opener, &openings[i]);
	while (load->moves < wanted) {
		overwrite();
		r = mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS);
		CHECK(!r || r == -ENOENT);
	}
	load->over = true;
	for (i = 0; i < CHECK_COUNT(kids); i++)
		CHECK_INT(kid_reap(&kids[i]), 0);
	overwrite();
	CHECK_INT(count_entries(dir), 1);
	printf("# %" PRIu64 " opened\n", load->moves);
}

/* 16 on one CPU. */

struct rush {
	_Atomic bool over;
	_Atomic uint64_t done[RUSH_SIZE]; /* messages that each has moved */
};

struct runner {
	struct kid kid;
	struct rush *rush;
	unsigned number;
};

static void run_runner(struct kid *self, void *context)
{
	struct runner *runner = context;
	bool sends = runner->number % 2;
	struct mmsock_options options =
		small(MMSOCK_CONNECT_OR_CREATE,
		      sends ? MMSOCK_SENDER : MMSOCK_RECEIVER);
	struct mmsock *handle = NULL;
	char message[64] = "";
	ssize_t r;

	options.flags = MMSOCK_KEEP_OPEN;
	CHECK_INT(mmsock_open("p", &options, &handle), 0);
	meet(self);
	while (!runner->rush->over) {
		r = sends ? mmsock_send(handle, message, sizeof(message),
					MMSOCK_FOREVER)
			  : mmsock_recv(handle, message, sizeof(message),
					MMSOCK_FOREVER);
		if (r < 0 && is_gone((int)r))
			break;
		runner->rush->done[runner->number]++;
	}
	mmsock_close(handle);
}

static int64_t cpu_time_of(pid_t pid)
{
	struct timespec time;
	clockid_t clock;

	CHECK(!clock_getcpuclockid(pid, &clock));
	CHECK(!clock_gettime(clock, &time));
	return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

/*
 * Nobody stands still while the others use a second of the CPU.  Their time and
 * not the clock's, so that it does not matter what else the machine does.
 */
static void watch_rush(const struct runner runners[RUSH_SIZE],
		       int64_t budget_ns)
{
	const struct timespec moment = {.tv_nsec = 5 * MS};
	uint64_t done[RUSH_SIZE] = {0};
	int64_t since[RUSH_SIZE] = {0};
	int64_t longest = 0;
	int64_t used = 0;
	unsigned i;

	while (used < budget_ns) {
		nanosleep(&moment, NULL);
		for (used = 0, i = 0; i < RUSH_SIZE; i++)
			used += cpu_time_of(runners[i].kid.pid);
		for (i = 0; i < RUSH_SIZE; i++) {
			if (runners->rush->done[i] != done[i]) {
				done[i] = runners->rush->done[i];
				since[i] = used;
			}
			if (used - since[i] > longest)
				longest = used - since[i];
		}
		CHECK(longest < SECOND);
	}
	printf("# nobody stood still for more than %" PRId64
	       " ms of the others' time\n",
	       longest / MS);
}

static void rush(int64_t budget_ns)
{
	struct rush *state = shared(sizeof(*state));
	struct runner runners[RUSH_SIZE];
	unsigned i;

	for (i = 0; i < RUSH_SIZE; i++) {
		runners[i].rush = state;
		runners[i].number = i;
		kid_start(&runners[i].kid, run_runner, &runners[i]);
	}
	for (i = 0; i < RUSH_SIZE; i++)
		CHECK(hear(&runners[i].kid));
	for (i = 0; i < RUSH_SIZE; i++)
		tell(&runners[i].kid);
	watch_rush(runners, budget_ns);
	state->over = true;
	CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS), 0);
	for (i = 0; i < RUSH_SIZE; i++) {
		CHECK_INT(kid_reap(&runners[i].kid), 0);
		CHECK(state->done[i] > 0);
	}
}

static void stay_on_one_cpu(void)
{
	cpu_set_t one;
	int cpu = sched_getcpu();

	CPU_ZERO(&one);
	if (cpu >= 0)
		CPU_SET((size_t)cpu, &one);
	if (cpu < 0 || sched_setaffinity(0, sizeof(one), &one))
		SKIP("no CPU can be chosen");
}

static void test_one_cpu(void)
{
	fresh_dir();
	stay_on_one_cpu();
	rush(scaled(1) * 2 * SECOND);
}

/* Control groups, of either version. */

static const struct {
	const char *root;
	const char *quota;
	const char *value;
} group_kinds[] = {
	{"/sys/fs/cgroup", "cpu.max", "5000 100000"},
	{"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "5000"},
	{"/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", "5000"},
};

static char group[256];

static void leave_group(void)
{
	char path[300];
	char text[32];
	char *slash;
	int fd;

	if (strtol(getenv("MMSOCK_TEST_GROUP"), NULL, 10) != getpid())
		return;
	snprintf(path, sizeof(path), "%s", group);
	slash = strrchr(path, '/');
	snprintf(slash, sizeof(path) - (size_t)(slash - path), "/cgroup.procs");
	snprintf(text, sizeof(text), "%d", (int)getpid());
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, strlen(text)) > 0)
		rmdir(group);
}

static bool write_text(const char *name, const char *text)
{
	char path[300];
	int fd;
	bool written;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	written = write(fd, text, strlen(text)) > 0;
	close(fd);
	return written;
}

/* A group of our own, with a twentieth of a CPU; we are in it, and leave it. */
static bool enter_group(size_t kind)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	snprintf(group, sizeof(group), "%s/mmsock-test-%s",
		 group_kinds[kind].root, pid);
	if (mkdir(group, 0755))
		return false;
	setenv("MMSOCK_TEST_GROUP", pid, 1);
	if (write_text(group_kinds[kind].quota, group_kinds[kind].value) &&
	    write_text("cgroup.procs", pid)) {
		CHECK(!atexit(leave_group));
		return true;
	}
	rmdir(group);
	return false;
}

static void test_quota(void)
{
	size_t i;

	fresh_dir();
	for (i = 0; i < CHECK_COUNT(group_kinds); i++) {
		if (!enter_group(i))
			continue;
		rush(scaled(1) * 150 * MS);
		return;
	}
	SKIP("no control group with a quota can be made here");
}

static const struct check_case cases[] = {
	{"of 50 who connect or create one creates", test_connect},
	{"of 50 who create exclusively one creates", test_exclusive},
	{"of 50 who do the one or the other one creates", test_mixed},
	{"50 creators leave what is there alone", test_existing},
	{"a port is replaced under load, by the killed too",
	 test_overwrite_loaded},
	{"a port is removed under load, in every way", test_remove_loaded},
	{"who opens meanwhile has a port", test_open_between},
	{"nobody of 16 on one CPU starves", test_one_cpu},
	{"nobody of 16 on a twentieth of a CPU starves", test_quota},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
