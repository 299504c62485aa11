/* SPDX-License-Identifier: MIT */
/*
 * syscalls_names.c - each system call that makes, finds or removes a port fails
 */
#include <errno.h>

#include "name.h"
#include "port_scenes.h"

/* A name that a dead creator has left, to be swept. */
static void lay_litter(void)
{
	lay_messages();
	write_file(join(getenv("MMSOCK_DIR"), MMS_TEMP_PREFIX "litter"), "x",
		   1);
}

static void lay_dead_sender(void)
{
	lay_messages();
	leave_dead(run_holder_of_sending, NULL);
}

static void lay_dead_receiver(void)
{
	lay_messages();
	leave_dead(run_holder_of_receiving, NULL);
}

/* As after a reboot: in the port stands another one. */
static void lay_old_boot(void)
{
	lay_dead_sender();
	map_control(where())->census.boot_id[0] ^= 1;
}

static void prepare_other_dir(void)
{
	CHECK(!chdir(getenv("MMSOCK_DIR")));
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
	leave_dead(run_holder_of_sending, NULL);
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
	CHECK_INT(info.on_disk, strchr(port, '/') != NULL);
	return 0;
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

static int count_dead_senders(void)
{
	return (int)mmsock_senders_died(handle);
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
	send_out(run_late_creator, NULL);
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
	bring(run_peer, NULL);
}

static void test_opening(void)
{
	static const struct scene scenes[] = {
		{.name = "a port that is there",
		 .lay = lay_messages,
		 .operate = connect_to_it,
		 .opens = true},
		{.name = "one found from the working directory",
		 .lay = lay_messages,
		 .prepare = prepare_other_dir,
		 .operate = connect_relative,
		 .opens = true},
		{.name = "with the ring touched",
		 .lay = lay_messages,
		 .operate = connect_and_populate,
		 .opens = true},
		{.name = "in the place of a dead sender",
		 .lay = lay_dead_sender,
		 .operate = connect_to_it,
		 .opens = true},
		{.name = "in the place of a dead receiver",
		 .lay = lay_dead_receiver,
		 .operate = connect_to_it,
		 .opens = true},
		{.name = "on a disk",
		 .lay = lay_messages,
		 .operate = connect_to_it,
		 .opens = true,
		 .disk = true},
		{.name = "the first one after a reboot",
		 .lay = lay_old_boot,
		 .operate = connect_to_it,
		 .opens = true,
		 .disk = true},
	};

	play_scenes(&port_theme, scenes, CHECK_COUNT(scenes));
}

static void test_opening_new(void)
{
	static const struct scene scenes[] = {
		{.name = "or creating",
		 .operate = connect_or_create,
		 .opens = true},
		{.name = "a new one",
		 .operate = open_new,
		 .opens = true,
		 .creates = true},
		{.name = "a new one, without O_TMPFILE",
		 .operate = open_new,
		 .opens = true,
		 .creates = true,
		 .old = true},
		{.name = "a new one on a disk",
		 .operate = open_new,
		 .opens = true,
		 .creates = true,
		 .disk = true},
		{.name = "in the place of an old one",
		 .lay = lay_litter,
		 .operate = open_in_its_place,
		 .opens = true},
	};

	play_scenes(&port_theme, scenes, CHECK_COUNT(scenes));
}

static void test_creating(void)
{
	static const struct scene scenes[] = {
		{.name = "a new port",
		 .operate = create_new,
		 .creates = true,
		 .result = 1},
		{.name = "for a group",
		 .operate = create_for_group,
		 .creates = true,
		 .result = 1},
		{.name = "without O_TMPFILE",
		 .operate = create_new,
		 .creates = true,
		 .result = 1,
		 .old = true},
		{.name = "on a disk",
		 .operate = create_new,
		 .creates = true,
		 .result = 1,
		 .disk = true},
		{.name = "if it is missing",
		 .operate = create_if_missing,
		 .creates = true,
		 .result = 1},
		{.name = "if it is missing, and it is there",
		 .lay = lay_messages,
		 .operate = create_if_missing,
		 .creates = true},
		{.name = "one that is there",
		 .lay = lay_messages,
		 .operate = create_new,
		 .creates = true,
		 .result = -EEXIST},
		{.name = "in the place of an old one",
		 .lay = lay_litter,
		 .operate = create_in_its_place,
		 .creates = true,
		 .result = 1},
		{.name = "in its place, without O_TMPFILE",
		 .lay = lay_litter,
		 .operate = create_in_its_place,
		 .creates = true,
		 .result = 1,
		 .old = true},
		{.name = "in its place, on a disk",
		 .lay = lay_messages,
		 .operate = create_in_its_place,
		 .creates = true,
		 .result = 1,
		 .disk = true},
	};

	play_scenes(&port_theme, scenes, CHECK_COUNT(scenes));
}

static void test_removing(void)
{
	static const struct scene scenes[] = {
		{.name = "an unused port",
		 .lay = lay_litter,
		 .operate = remove_unused,
		 .goes = true,
		 .creates = true},
		{.name = "in any case",
		 .lay = lay_messages,
		 .operate = remove_always,
		 .goes = true,
		 .creates = true},
		{.name = "a stale one",
		 .lay = lay_stale,
		 .operate = remove_stale,
		 .goes = true,
		 .creates = true},
		{.name = "one in use",
		 .lay = lay_messages,
		 .prepare = prepare_sender,
		 .operate = remove_unused,
		 .result = -EBUSY},
		{.name = "one that is not stale",
		 .lay = lay_messages,
		 .operate = remove_stale,
		 .result = -EBUSY,
		 .creates = true},
	};

	play_scenes(&port_theme, scenes, CHECK_COUNT(scenes));
}

static void test_looking(void)
{
	static const struct scene scenes[] = {
		{.name = "at a port",
		 .lay = lay_messages,
		 .operate = look_at_port},
		{.name = "at one on a disk",
		 .lay = lay_messages,
		 .operate = look_at_port,
		 .disk = true},
		{.name = "at the dead",
		 .lay = lay_dead_sender,
		 .operate = look_at_peers,
		 .result = 1},
		{.name = "for names",
		 .lay = lay_litter,
		 .operate = list_ports,
		 .result = 1},
		{.name = "for a path", .lay = lay_port, .operate = find_path},
		{.name = "for dead senders",
		 .lay = lay_port,
		 .prepare = prepare_sender_dead_other,
		 .operate = count_dead_senders,
		 .result = 1},
	};

	play_scenes(&port_theme, scenes, CHECK_COUNT(scenes));
}

static void test_waiting(void)
{
	static const struct scene scenes[] = {
		{.name = "for a port that is there",
		 .lay = lay_port,
		 .operate = wait_for_port},
		{.name = "for one that comes",
		 .prepare = prepare_late_creator,
		 .operate = wait_for_port,
		 .finish = await_kid},
		{.name = "for one that does not",
		 .lay = lay_port,
		 .operate = wait_in_vain,
		 .result = -ETIMEDOUT},
		{.name = "for peers",
		 .lay = lay_port,
		 .prepare = prepare_sender_and_peer,
		 .operate = wait_for_peers,
		 .finish = end_kid},
		{.name = "for peers who do not come",
		 .lay = lay_port,
		 .prepare = prepare_sender,
		 .operate = wait_for_peers,
		 .result = -ETIMEDOUT},
	};

	play_scenes(&port_theme, scenes, CHECK_COUNT(scenes));
}

static const struct check_case cases[] = {
	{"opening a port that is there", test_opening},
	{"opening a new port", test_opening_new},
	{"creating a port", test_creating},
	{"removing a port", test_removing},
	{"looking", test_looking},
	{"waiting for ports and peers", test_waiting},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
