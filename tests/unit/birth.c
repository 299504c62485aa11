/* SPDX-License-Identifier: MIT */
/*
 * birth.c - a port comes whole or not at all, and leaves nothing behind
 */
#include "birth.h"

#include <grp.h>
#include <sys/resource.h>

#include "header.h"
#include "sandbox.h"

static struct mms_header plan_of(const struct mmsock_options *options)
{
	struct mms_plan plan;

	CHECK_INT(mms_birth_plan(options, &plan), 0);
	plan.header.check = mms_header_check(&plan.header);
	CHECK_INT(mms_header_validate(&plan.header, plan.header.file_bytes), 0);
	return plan.header;
}

static void test_defaults(void)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	struct mms_header header = plan_of(&options);

	CHECK_INT(header.ring_bytes, 1 << 20);
	CHECK_INT(header.max_message, 1 << 19);
	CHECK_INT(header.slots, 64);
	CHECK_INT(header.type, MMS_TYPE_QUEUE);
	CHECK_INT(header.ring_offset, 8192 + 64 * 128);
	CHECK_INT(header.file_bytes, 16384 + (1 << 20));
}

static void expect_ring(uint64_t asked, uint64_t bytes, uint64_t largest)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	struct mms_header header;

	options.ring_bytes = asked;
	header = plan_of(&options);
	CHECK_INT(header.ring_bytes, bytes);
	CHECK_INT(header.max_message, largest);
}

static void test_rounding(void)
{
	expect_ring(1, 4096, 2048);
	expect_ring(4096, 4096, 2048);
	expect_ring(4097, 8192, 4096);
	expect_ring(5000000, 1 << 23, 1 << 22);
	expect_ring(MMSOCK_RING_MAX - 1, MMSOCK_RING_MAX, UINT32_MAX);
}

static void expect_refusal(const struct mmsock_options *options,
			   const char *text)
{
	struct mms_plan plan;

	CHECK_INT(mms_birth_plan(options, &plan), -EINVAL);
	printf("# %s\n", mmsock_error_text(-EINVAL));
	CHECK(strstr(mmsock_error_text(-EINVAL), text));
}

static void test_limits(void)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;

	options.ring_bytes = MMSOCK_RING_MAX + 1;
	expect_refusal(&options, "64 GiB");
	options.ring_bytes = UINT64_MAX;
	expect_refusal(&options, "64 GiB");
	options.ring_bytes = 4096;
	options.max_message = 4081;
	expect_refusal(&options, "at most 4080");
	options.max_message = 4080;
	plan_of(&options);
	options.slots = MMSOCK_SLOTS_MAX + 1;
	expect_refusal(&options, "1024 slots");
	options.slots = MMSOCK_SLOTS_MAX;
	plan_of(&options);
	options.type = 2;
	expect_refusal(&options, "type 2");
	options.type = MMSOCK_QUEUE;
	options.permissions = 01700;
	expect_refusal(&options, "0777");
}

static bool all_zero(const unsigned char *from, const unsigned char *to)
{
	while (from < to) {
		if (*from++)
			return false;
	}
	return true;
}

static void test_complete(void)
{
	const char *path = join(fresh_dir(), "p");
	const struct mms_header *header;
	const struct mms_control *control;
	const unsigned char *file;
	struct stat status;

	create_port("p", 65536, 5);
	CHECK(!stat(path, &status));
	CHECK_INT(status.st_mode, S_IFREG | 0600);
	CHECK_INT(status.st_nlink, 1);
	CHECK_INT(status.st_size, 12288 + 65536);
	CHECK(status.st_blocks * 512 >= status.st_size);
	file = map_file(path);
	header = (const void *)file;
	control = (const void *)(file + MMS_CONTROL_OFFSET);
	CHECK_INT(mms_header_validate(header, (uint64_t)status.st_size), 0);
	CHECK(header->creation_id[0] && header->creation_id[1]);
	CHECK(header->created_ns > 0);
	CHECK_INT(control->signals.state, MMS_READY);
	CHECK(all_zero(file + sizeof(*header), file + MMS_CONTROL_OFFSET));
	CHECK(all_zero(file + MMS_ROWS_OFFSET, file + status.st_size));
}

static void test_permissions(void)
{
	const char *path = join(fresh_dir(), "p");
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
	struct stat status;

	umask(077);
	options.permissions = 0666;
	CHECK_INT(mmsock_create("p", &options), 1);
	CHECK_INT(umask(077), 077);
	CHECK(!stat(path, &status));
	CHECK_INT(status.st_mode & 07777, 0666);
	options.permissions = 0;
	umask(0);
	CHECK_INT(mmsock_create("q", &options), 1);
	CHECK_INT(umask(0), 0);
	CHECK_INT(inspect("q").permissions, 0600);
}

static void test_group(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
	gid_t group = geteuid() ? getegid() : 12345;

	fresh_dir();
	options.group = group;
	options.permissions = 0660;
	CHECK_INT(mmsock_create("p", &options), 1);
	CHECK_INT(inspect("p").gid, group);
	CHECK_INT(inspect("p").permissions, 0660);
}

/* Creating "p" fails with @error and changes nothing. */
static void expect_failure(const struct mmsock_options *options, int error)
{
	const char *dir = getenv("MMSOCK_DIR");
	struct mmsock *handle = NULL;
	unsigned entries = count_entries(dir);
	unsigned descriptors = count_descriptors();
	unsigned mappings = count_mappings();
	struct statfs before;
	struct statfs after;

	CHECK(!statfs(dir, &before));
	CHECK_INT(mmsock_create("p", options), error);
	printf("# %s\n", mmsock_error_text(error));
	CHECK_INT(mmsock_open("p", options, &handle), error);
	CHECK(!handle);
	CHECK(!statfs(dir, &after));
	CHECK_INT(count_entries(dir), entries);
	CHECK_INT(count_descriptors(), descriptors);
	CHECK_INT(count_mappings(), mappings);
	/* Others use a file system that is not our own. */
	if (getenv("MMSOCK_TEST_ALONE"))
		CHECK_INT(after.f_bfree, before.f_bfree);
}

/* Give up what root may do; SKIPs where we are not root and cannot matter. */
static void become_nobody(void)
{
	if (geteuid())
		return;
	CHECK(!setgroups(0, NULL));
	CHECK(!setresgid(12345, 12345, 12345));
	CHECK(!setresuid(12345, 12345, 12345));
}

static void test_no_such_group(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
	const char *dir = fresh_dir();

	CHECK(!chmod(dir, 0777) && !chmod(join(dir, ".."), 0755));
	become_nobody();
	options.group = 0;
	expect_failure(&options, -EPERM);
	CHECK(strstr(mmsock_error_text(-EPERM), "group 0"));
}

static void test_closed_dir(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
	const char *dir = fresh_dir();

	CHECK(!chmod(dir, 0555) && !chmod(join(dir, ".."), 0755));
	become_nobody();
	expect_failure(&options, -EACCES);
}

static void test_file_size_limit(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
	struct rlimit limit = {65536, 65536};

	fresh_dir();
	CHECK(!setrlimit(RLIMIT_FSIZE, &limit));
	expect_failure(&options, -EFBIG);
	CHECK(strstr(mmsock_error_text(-EFBIG), "65536"));
	create_port("q", 4096, 1);
}

static void test_full(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
	const char *dir = fresh_dir();
	struct mmsock *handle;
	unsigned i;

	private_mounts();
	mount_tmpfs(dir, "size=64k");
	setenv("MMSOCK_TEST_ALONE", "1", 1);
	expect_failure(&options, -ENOSPC);
	create_port("q", 32768, 1);
	options.ring_bytes = 32768;
	expect_failure(&options, -ENOSPC);
	options.mode = MMSOCK_CREATE_NEW_OVERWRITE;
	expect_failure(&options, -ENOSPC);
	/* The room of the one that is there was not promised but given. */
	handle = open_as("q", MMSOCK_SENDER | MMSOCK_RECEIVER);
	for (i = 0; i < 100; i++) {
		send_text(handle, "0123456789abcdef");
		expect_text(handle, "0123456789abcdef");
	}
	mmsock_close(handle);
}

static void test_exists(void)
{
	const char *path = join(fresh_dir(), "p");
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
	ino_t inode;

	CHECK_INT(mmsock_create("p", &options), 1);
	inode = inode_of(path);
	expect_failure(&options, -EEXIST);
	CHECK_INT(inode_of(path), inode);
	options.mode = MMSOCK_CONNECT_OR_CREATE;
	options.ring_bytes = 1 << 22;
	CHECK_INT(mmsock_create("p", &options), 0);
	CHECK_INT(inode_of(path), inode);
	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	CHECK_INT(mmsock_create("p", &options), -EINVAL);
}

static void test_overwrite(void)
{
	const char *dir = fresh_dir();
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_OVERWRITE, 0);
	struct mmsock *old;
	ino_t inode;

	CHECK_INT(mmsock_create("p", &options), 1);
	inode = inode_of(join(dir, "p"));
	old = open_as("p", MMSOCK_SENDER);
	options.ring_bytes = 4096;
	options.permissions = 0640;
	CHECK_INT(mmsock_create("p", &options), 1);
	CHECK(inode_of(join(dir, "p")) != inode);
	CHECK_INT(inspect("p").ring_bytes, 4096);
	CHECK_INT(inspect("p").permissions, 0640);
	CHECK_INT(mmsock_send(old, "x", 1, 0), -ESTALE);
	mmsock_close(old);
	CHECK_INT(count_entries(dir), 1);
}

/* The new port knows how many live handles its predecessors had. */
static void test_count_replaced(void)
{
	struct mmsock *handles[3];

	fresh_dir();
	handles[0] = open_as("p", MMSOCK_SENDER);
	handles[1] = open_as("p", MMSOCK_RECEIVER);
	CHECK_INT(inspect("p").replaced, 0);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK_INT(inspect("p").replaced, 2);
	handles[2] = open_as("p", MMSOCK_SENDER);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK_INT(inspect("p").replaced, 3);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK_INT(inspect("p").replaced, 3);
	mmsock_close(handles[0]);
	mmsock_close(handles[1]);
	mmsock_close(handles[2]);
	CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_UNUSED), 0);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK_INT(inspect("p").replaced, 0);
}

static void test_overwrite_damaged(void)
{
	const char *path = join(fresh_dir(), "p");

	create_port("p", 4096, 1);
	CHECK(!truncate(path, 5000));
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -EBADMSG);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK_INT(inspect("p").state, MMSOCK_STATE_OK);
}

static void test_distinct_ids(void)
{
	const char *dir = fresh_dir();
	const struct mms_header *p;
	const struct mms_header *q;

	create_port("p", 4096, 1);
	create_port("q", 4096, 1);
	p = (const void *)map_file(join(dir, "p"));
	q = (const void *)map_file(join(dir, "q"));
	CHECK(p->creation_id[0] != q->creation_id[0]);
	CHECK(p->creation_id[1] != q->creation_id[1]);
}

/* All four modes, in whatever circumstances. */
static void use_all_modes(void)
{
	const char *dir = fresh_dir();

	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_EXCLUSIVE), 0);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_EXCLUSIVE), -EEXIST);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), 0);
	CHECK_INT(try_open("q", MMSOCK_CONNECT_OR_CREATE), 0);
	CHECK_INT(try_open("q", MMSOCK_CONNECT_OR_CREATE), 0);
	CHECK_INT(try_open("r", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK_INT(count_entries(dir), 3);
	CHECK_INT(inspect("p").state, MMSOCK_STATE_OK);
}

static void test_no_tmpfile(void)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);
	struct rlimit limit = {65536, 65536};

	fresh_dir();
	forbid_tmpfile();
	CHECK_INT(open("/dev/shm", O_TMPFILE | O_RDWR, 0600), -1);
	use_all_modes();
	expect_failure(&options, -EEXIST);
	fresh_dir();
	CHECK(!setrlimit(RLIMIT_FSIZE, &limit));
	expect_failure(&options, -EFBIG);
}

static void test_no_proc(void)
{
	private_mounts();
	mount_tmpfs("/proc", "size=64k");
	CHECK(access("/proc/self", F_OK));
	use_all_modes();
	CHECK(!umount("/proc"));
}

/* A kid that works when the gate opens, and says one number. */
struct race {
	int gate[2];
	int result[2];
	unsigned mode;
};

static void run_racer(struct kid *self, void *context)
{
	struct race *race = context;
	struct mmsock_options options =
		options_for(race->mode, MMSOCK_SENDER | MMSOCK_RECEIVER);
	struct mmsock *handle = NULL;
	int64_t number;
	char byte;
	int r;

	(void)self;
	options.ring_bytes = 4096;
	close(race->gate[1]);
	CHECK_INT(read(race->gate[0], &byte, 1), 0);
	r = mmsock_open("p", &options, &handle);
	number = r ? r : (int64_t)inode_of(join(getenv("MMSOCK_DIR"), "p"));
	if (!r)
		CHECK_INT(mmsock_send(handle, "", 0, MMSOCK_FOREVER), 0);
	CHECK_INT(write(race->result[1], &number, sizeof(number)),
		  sizeof(number));
	mmsock_close(handle);
}

enum {
	RACERS = 50
};

/* Runs the race; @numbers are what the kids say. */
static void run_race(unsigned mode, int64_t numbers[RACERS])
{
	struct kid kids[RACERS];
	struct race race = {.mode = mode};
	size_t i;

	CHECK(!pipe(race.gate) && !pipe(race.result));
	for (i = 0; i < RACERS; i++)
		kid_start(&kids[i], run_racer, &race);
	close(race.gate[0]);
	close(race.gate[1]);
	for (i = 0; i < RACERS; i++)
		CHECK_INT(read(race.result[0], &numbers[i], 8), 8);
	for (i = 0; i < RACERS; i++)
		CHECK_INT(kid_reap(&kids[i]), 0);
	close(race.result[0]);
	close(race.result[1]);
}

static void test_connect_race(void)
{
	int64_t numbers[RACERS];
	const char *dir = fresh_dir();
	size_t round;
	size_t i;

	for (round = 0; round < 20; round++) {
		run_race(MMSOCK_CONNECT_OR_CREATE, numbers);
		for (i = 0; i < RACERS; i++)
			CHECK_INT(numbers[i], inode_of(join(dir, "p")));
		/* All have sent into the same one. */
		CHECK_INT(inspect("p").messages, RACERS);
		CHECK_INT(count_entries(dir), 1);
		CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_UNUSED), 0);
	}
}

static void test_exclusive_race(void)
{
	int64_t numbers[RACERS];
	const char *dir = fresh_dir();
	size_t winners;
	size_t round;
	size_t i;

	for (round = 0; round < 20; round++) {
		run_race(MMSOCK_CREATE_NEW_EXCLUSIVE, numbers);
		winners = 0;
		for (i = 0; i < RACERS; i++) {
			winners += numbers[i] > 0;
			CHECK(numbers[i] > 0 || numbers[i] == -EEXIST);
		}
		CHECK_INT(winners, 1);
		CHECK_INT(inspect("p").messages, 1);
		CHECK_INT(count_entries(dir), 1);
		CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_UNUSED), 0);
	}
}

/* Overwrites for ever, and says so each time. */
static void run_overwriter(struct kid *self, void *context)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_OVERWRITE, 0);

	(void)context;
	options.ring_bytes = 4096;
	for (;;) {
		CHECK_INT(mmsock_create("p", &options), 1);
		tell(self);
	}
}

static void test_killed_creator(void)
{
	const char *dir = fresh_dir();
	struct kid kid;
	int round;
	int seen;

	for (round = 0; round < 200; round++) {
		kid_start(&kid, run_overwriter, NULL);
		for (seen = 0; seen <= round % 5; seen++)
			CHECK(hear(&kid));
		kid_kill(&kid);
		CHECK_INT(inspect("p").state, MMSOCK_STATE_OK);
		CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), 0);
	}
	CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_UNUSED), 0);
	CHECK_INT(count_entries(dir), 0);
}

static const struct check_case cases[] = {
	{"a port has 1 MiB, 64 slots, messages of half the ring",
	 test_defaults},
	{"a ring is rounded up to a power of two", test_rounding},
	{"sizes out of bounds are refused with the bound", test_limits},
	{"a port that can be found is complete, its space allocated",
	 test_complete},
	{"permissions are what was asked for, whatever the umask",
	 test_permissions},
	{"a port can be given to a group", test_group},
	{"a group that is not ours leaves nothing behind", test_no_such_group},
	{"a directory that is closed to us leaves nothing behind",
	 test_closed_dir},
	{"a limit of file sizes is an error and no signal",
	 test_file_size_limit},
	{"a full file system fails at birth and leaves nothing behind",
	 test_full},
	{"an existing port is not touched", test_exists},
	{"overwriting puts a new port in the old one's place", test_overwrite},
	{"handles whose port is replaced are counted", test_count_replaced},
	{"overwriting heals a damaged port", test_overwrite_damaged},
	{"no two ports have the same id", test_distinct_ids},
	{"file systems without nameless files will do", test_no_tmpfile},
	{"it works where /proc is not mounted", test_no_proc},
	{"50 processes that connect or create get the same port",
	 test_connect_race},
	{"50 processes that create exclusively have one winner",
	 test_exclusive_race},
	{"a creator killed anywhere leaves a whole port and no litter",
	 test_killed_creator},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
