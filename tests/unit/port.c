/* SPDX-License-Identifier: MIT */
/*
 * port.c - suspicion, mapping, slots, reboots, lost names
 */
#include "port.h"

#include <grp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "handle.h"
#include "peer.h"
#include "sandbox.h"

/* Everything that can be done to what is at the name "p" fails so. */
static void expect_hostile(int error, const char *text)
{
	struct mmsock_info info = {.size = sizeof(info)};
	const char *path = join(getenv("MMSOCK_DIR"), "p");
	unsigned descriptors = count_descriptors();
	ino_t inode = inode_of(path);

	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), error);
	printf("# %s\n", mmsock_error_text(error));
	CHECK(strstr(mmsock_error_text(error), text));
	CHECK_INT(try_open("p", MMSOCK_CONNECT_OR_CREATE), error);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_EXCLUSIVE), -EEXIST);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), error);
	CHECK_INT(mmsock_inspect("p", NULL, &info), error);
	CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS), error);
	CHECK_INT(inode_of(path), inode);
	CHECK_INT(count_descriptors(), descriptors);
	remove(path);
}

static void test_links(void)
{
	const char *path = join(fresh_dir(), "p");

	create_port("target", 4096, 1);
	CHECK(!symlink("target", path));
	expect_hostile(-ENOTSOCK, "symbolic link");
	CHECK(!symlink("nowhere", path));
	expect_hostile(-ENOTSOCK, "symbolic link");
	CHECK(!symlink("p", path));
	expect_hostile(-ENOTSOCK, "symbolic link");
	CHECK(!link(join(getenv("MMSOCK_DIR"), "target"), path));
	expect_hostile(-EMLINK, "2 names");
	CHECK_INT(try_open("target", MMSOCK_CONNECT_TO_EXISTING), 0);
}

static void test_directory(void)
{
	CHECK(!mkdir(join(fresh_dir(), "p"), 0700));
	expect_hostile(-ENOTSOCK, "a directory");
}

/* With nobody at its other end: opening it may not wait. */
static void test_fifo(void)
{
	CHECK(!mkfifo(join(fresh_dir(), "p"), 0600));
	expect_hostile(-ENOTSOCK, "a FIFO");
}

static void test_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, join(fresh_dir(), "p"));
	CHECK(!bind(fd, (const struct sockaddr *)&address, sizeof(address)));
	expect_hostile(-ENOTSOCK, "a socket");
	close(fd);
}

static void test_device(void)
{
	const char *path = join(fresh_dir(), "p");

	if (mknod(path, S_IFCHR | 0600, makedev(1, 7)))
		SKIP("devices cannot be made here");
	expect_hostile(-ENOTSOCK, "a device");
}

/* Directory and file belong to whom?  What comes of it for root. */
static void expect_owner(uid_t dir_owner, mode_t dir_mode, uid_t file_owner,
			 mode_t file_mode, int want)
{
	const char *dir = getenv("MMSOCK_DIR");
	const char *path = join(dir, "p");
	struct mmsock_info info = {.size = sizeof(info)};

	if (chown(dir, dir_owner, 0) || chown(path, file_owner, 0))
		SKIP("only root can give files away");
	CHECK(!chmod(dir, dir_mode) && !chmod(path, file_mode));
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), want);
	CHECK_INT(mmsock_inspect("p", NULL, &info), want);
	if (want)
		CHECK(strstr(mmsock_error_text(want), "belongs to uid 12345"));
}

static void test_owners(void)
{
	fresh_dir();
	create_port("p", 4096, 1);
	if (geteuid())
		SKIP("only root can give files away");
	expect_owner(0, 0700, 0, 0600, 0);
	expect_owner(12345, 0700, 0, 0600, 0);
	expect_owner(12345, 0700, 12345, 0600, 0);
	expect_owner(0, 01777, 12345, 0666, -EACCES);
	expect_owner(0, 0777, 12345, 0660, -EACCES);
	expect_owner(0, 0755, 12345, 0660, -EACCES);
	expect_owner(54321, 0700, 12345, 0600, -EACCES);
	/* One of the group may share with the group, on purpose only. */
	expect_owner(0, 0770, 12345, 0660, 0);
	expect_owner(0, 02775, 12345, 0664, 0);
	expect_owner(0, 0770, 12345, 0600, -EACCES);
	expect_owner(0, 0770, 12345, 0640, -EACCES);
}

static void test_permission(void)
{
	struct mmsock_info info = {.size = sizeof(info)};

	fresh_dir();
	create_port("p", 4096, 1);
	if (geteuid())
		SKIP("only root can become somebody else");
	CHECK(!chmod(getenv("MMSOCK_DIR"), 0755));
	CHECK(!chmod(join(getenv("MMSOCK_DIR"), ".."), 0755));
	CHECK(!setgroups(0, NULL) && !setresgid(12345, 12345, 12345));
	CHECK(!setresuid(12345, 12345, 12345));
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -EACCES);
	CHECK_INT(mmsock_inspect("p", NULL, &info), -EACCES);
}

static void test_read_only(void)
{
	const char *path = join(fresh_dir(), "p");
	struct mmsock_info info = {.size = sizeof(info)};

	create_port("p", 4096, 1);
	if (geteuid())
		SKIP("only root can become somebody else");
	CHECK(!chmod(path, 0644) && !chmod(getenv("MMSOCK_DIR"), 0755));
	CHECK(!chmod(join(getenv("MMSOCK_DIR"), ".."), 0755));
	CHECK(!setgroups(0, NULL) && !setresgid(12345, 12345, 12345));
	CHECK(!setresuid(12345, 12345, 12345));
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -EACCES);
	CHECK_INT(mmsock_inspect("p", NULL, &info), 0);
}

/* Slots. */

static void run_attached(struct kid *self, void *context)
{
	unsigned count = *(unsigned *)context;
	unsigned i;

	for (i = 0; i < count; i++)
		open_as("p", MMSOCK_SENDER);
	meet(self);
	_exit(0);
}

static void start_attached(struct kid *kid, unsigned count)
{
	kid_start(kid, run_attached, &count);
	CHECK(hear(kid));
}

static void test_no_free_slot(void)
{
	struct mmsock *first;
	struct mmsock *second;
	struct kid kid;

	fresh_dir();
	create_port("p", 4096, 3);
	first = open_as("p", MMSOCK_RECEIVER);
	second = open_as("p", MMSOCK_RECEIVER);
	start_attached(&kid, 1);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -EUSERS);
	CHECK_STR(mmsock_error_text(-EUSERS),
		  "all 3 slots are held by live participants");
	mmsock_close(first);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), 0);
	first = open_as("p", MMSOCK_RECEIVER);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -EUSERS);
	kid_stop(&kid);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -EUSERS);
	kid_kill(&kid);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), 0);
	mmsock_close(first);
	mmsock_close(second);
}

static void test_slots_of_the_dead(void)
{
	const char *dir = fresh_dir();
	struct kid kid;
	int round;

	create_port("p", 4096, 3);
	for (round = 0; round < 10; round++) {
		start_attached(&kid, 3);
		CHECK_INT(inspect("p").participants, 3);
		CHECK_INT(inspect("p").died, 3 * round);
		kid_kill(&kid);
	}
	CHECK_INT(inspect("p").died, 30);
	CHECK_INT(inspect("p").dead, 3);
	CHECK_INT(count_entries(dir), 1);
}

static void test_all_slots(void)
{
	struct kid kids[8];
	size_t i;

	fresh_dir();
	create_port("p", 4096, MMSOCK_SLOTS_MAX);
	for (i = 0; i < CHECK_COUNT(kids); i++)
		start_attached(&kids[i], MMSOCK_SLOTS_MAX / CHECK_COUNT(kids));
	CHECK_INT(inspect("p").participants, MMSOCK_SLOTS_MAX);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -EUSERS);
	kid_kill(&kids[7]);
	CHECK_INT(inspect("p").dead, MMSOCK_SLOTS_MAX / 8);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), 0);
	start_attached(&kids[7], MMSOCK_SLOTS_MAX / 8);
	CHECK_INT(inspect("p").dead, 0);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -EUSERS);
	for (i = 0; i < CHECK_COUNT(kids); i++)
		kid_end(&kids[i]);
	CHECK_INT(inspect("p").participants, 0);
	CHECK_INT(inspect("p").dead, MMSOCK_SLOTS_MAX);
}

/* Mapping. */

static void test_two_views(void)
{
	struct mmsock *handle;
	volatile unsigned char *data; /* one byte has two addresses */

	fresh_dir();
	create_port("p", 4096, 1);
	handle = open_as("p", MMSOCK_SENDER);
	data = handle->port.ring.data;
	data[4095] = 1;
	data[4096] = 2;
	CHECK_INT(data[0], 2);
	CHECK_INT(data[8191], 1);
	mmsock_close(handle);
}

static void run_child(struct kid *self, void *context)
{
	(void)self;
	(void)context;
	CHECK_INT(count_mappings(), 0);
}

static void test_child_has_no_mapping(void)
{
	struct mmsock *handle;
	struct kid kid;

	fresh_dir();
	CHECK_INT(count_mappings(), 0);
	handle = open_as("p", MMSOCK_SENDER);
	CHECK(count_mappings() > 0);
	kid_start(&kid, run_child, NULL);
	CHECK_INT(kid_reap(&kid), 0);
	mmsock_close(handle);
	CHECK_INT(count_mappings(), 0);
}

static void test_populate(void)
{
	struct mmsock_options options = options_for(
		MMSOCK_CONNECT_OR_CREATE, MMSOCK_SENDER | MMSOCK_RECEIVER);
	const char *const ports[] = {"p", join(fresh_disk_dir(), "p")};
	struct mmsock *handle = NULL;
	size_t i;

	fresh_dir();
	options.flags = MMSOCK_POPULATE;
	for (i = 0; i < CHECK_COUNT(ports); i++) {
		CHECK_INT(mmsock_open(ports[i], &options, &handle), 0);
		send_text(handle, "x");
		expect_text(handle, "x");
		mmsock_close(handle);
	}
}

/* Opens that fail, one after the other, keep nothing. */
static void fail_in_many_ways(const char *dir, struct mms_control *ends)
{
	struct mmsock *handle = NULL;
	struct mmsock_options options = options_for(9, 0);

	CHECK_INT(mmsock_open("p", &options, &handle), -EINVAL);
	options = options_for(MMSOCK_CONNECT_TO_EXISTING, 8);
	CHECK_INT(mmsock_open("p", &options, &handle), -EINVAL);
	CHECK_INT(try_open("missing", MMSOCK_CONNECT_TO_EXISTING), -ENOENT);
	CHECK_INT(try_open("full", MMSOCK_CONNECT_TO_EXISTING), -EUSERS);
	CHECK_INT(try_open("full", MMSOCK_CREATE_NEW_EXCLUSIVE), -EEXIST);
	CHECK_INT(try_open("text", MMSOCK_CONNECT_TO_EXISTING), -ENOTSOCK);
	CHECK_INT(try_open("text", MMSOCK_CREATE_NEW_OVERWRITE), -ENOTSOCK);
	CHECK_INT(try_open("short", MMSOCK_CONNECT_TO_EXISTING), -EBADMSG);
	CHECK_INT(try_open("fifo", MMSOCK_CONNECT_OR_CREATE), -ENOTSOCK);
	CHECK_INT(try_open("lost", MMSOCK_CONNECT_TO_EXISTING), -ESTALE);
	/* A dead one's end in the first slot, and a ring past repair. */
	ends->send.lock.word = 1;
	ends->send.at = 1 << 20;
	CHECK_INT(try_open("ends", MMSOCK_CONNECT_TO_EXISTING), -EBADMSG);
	CHECK_INT(try_open(join(dir, "no/such"), MMSOCK_CONNECT_OR_CREATE),
		  -ENOENT);
	CHECK(!handle);
}

static void test_no_leaks(void)
{
	const char *dir = fresh_dir();
	struct mms_control *ends;
	struct mmsock *holder;
	unsigned descriptors;
	unsigned mappings;
	int round;

	create_port("full", 4096, 1);
	holder = open_as("full", MMSOCK_SENDER);
	write_file(join(dir, "text"), "just some text", 14);
	create_port("short", 4096, 1);
	CHECK(!truncate(join(dir, "short"), 5000));
	CHECK(!mkfifo(join(dir, "fifo"), 0600));
	create_port("lost", 4096, 1);
	map_control(join(dir, "lost"))->signals.state = MMS_CLOSED;
	create_port("ends", 4096, 1);
	ends = map_control(join(dir, "ends"));
	fail_in_many_ways(dir, ends);
	descriptors = count_descriptors();
	mappings = count_mappings();
	for (round = 0; round < 3; round++)
		fail_in_many_ways(dir, ends);
	CHECK_INT(count_descriptors(), descriptors);
	CHECK_INT(count_mappings(), mappings);
	CHECK_INT(count_entries(dir), 6);
	mmsock_close(holder);
}

static void test_no_descriptors(void)
{
	struct rlimit limit = {0, 0};
	struct mmsock *handle = NULL;
	unsigned mappings;
	unsigned before;
	int spare[8];
	size_t i;
	int r = -EMFILE;

	fresh_dir();
	create_port("p", 4096, 1);
	mappings = count_mappings();
	for (i = 0; i < CHECK_COUNT(spare); i++)
		spare[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	before = count_descriptors();
	limit.rlim_cur = limit.rlim_max = (rlim_t)spare[7] + 1;
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
	/* Each time there is one descriptor more. */
	for (i = 8; r && i-- > 0;) {
		r = mmsock_open("p", NULL, &handle);
		CHECK(!r || r == -EMFILE);
		if (r) {
			CHECK_INT(count_descriptors(), before - 7 + i);
			close(spare[i]);
		}
	}
	CHECK_INT(r, 0);
	send_text(handle, "x");
	mmsock_close(handle);
	CHECK_INT(count_mappings(), mappings);
}

/* Names that are lost on the way. */

static void test_attach_to_removed(void)
{
	const char *path = join(fresh_dir(), "p");
	unsigned descriptors;
	struct mms_place place;
	struct mms_port port;
	struct stat status;
	int fd;

	create_port("p", 4096, 1);
	descriptors = count_descriptors();
	CHECK_INT(mms_place_init_existing(&place, "p", NULL), 0);
	fd = mms_port_open_file(&place, O_RDWR, &status);
	CHECK(fd >= 0);
	CHECK(!unlink(path));
	CHECK_INT(mms_port_attach(&port, &place, fd, MMSOCK_SENDER, false),
		  -ESTALE);
	create_port("p", 4096, 1);
	fd = mms_port_open_file(&place, O_RDWR, &status);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK_INT(mms_port_attach(&port, &place, fd, MMSOCK_SENDER, false),
		  -ESTALE);
	mms_place_fini(&place);
	CHECK_INT(count_descriptors(), descriptors);
	CHECK_INT(count_mappings(), 0);
}

/* Marked and yet at its name: an end is found to looking again. */
static void test_attach_to_closed(void)
{
	const char *path = join(fresh_dir(), "p");

	create_port("p", 4096, 1);
	map_control(path)->signals.state = MMS_CLOSED;
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -ESTALE);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_OR_CREATE), -ESTALE);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), 0);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), 0);
}

static unsigned state_after_look(struct mmsock *handle)
{
	mms_port_check_link(&handle->port);
	return handle->port.control->signals.state;
}

static void test_lost_name(void)
{
	const char *dir = fresh_dir();
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);

	CHECK_INT(state_after_look(handle), MMS_READY);
	/* Another name is no loss. */
	CHECK(!rename(join(dir, "p"), join(dir, "q")));
	CHECK_INT(state_after_look(handle), MMS_READY);
	CHECK(!rename(join(dir, "q"), join(dir, "p")));
	CHECK(!unlink(join(dir, "p")));
	CHECK_INT(state_after_look(handle), MMS_CLOSED);
	create_port("p", 4096, 1);
	CHECK_INT(state_after_look(handle), MMS_CLOSED);
	mmsock_close(handle);
}

static void test_replaced_name(void)
{
	const char *dir = fresh_dir();
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);

	create_port("q", 4096, 1);
	CHECK(!rename(join(dir, "q"), join(dir, "p")));
	CHECK_INT(state_after_look(handle), MMS_REPLACED);
	CHECK_INT(mmsock_send(handle, "x", 1, 0), -ESTALE);
	mmsock_close(handle);
}

static void lose_descriptor(const struct mmsock *handle)
{
	CHECK(!close(handle->port.asker));
}

/* Without the descriptor there is the path: where it can be seen, it tells. */
static void test_lost_name_and_descriptor(void)
{
	const char *dir = fresh_dir();
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);

	lose_descriptor(handle);
	CHECK_INT(state_after_look(handle), MMS_READY);
	CHECK(!unlink(join(dir, "p")));
	CHECK_INT(state_after_look(handle), MMS_CLOSED);
	mmsock_close(handle);
	handle = open_as("p", MMSOCK_SENDER);
	lose_descriptor(handle);
	create_port("q", 4096, 1);
	CHECK(!rename(join(dir, "q"), join(dir, "p")));
	CHECK_INT(state_after_look(handle), MMS_REPLACED);
	mmsock_close(handle);
}

/*
 * Where it cannot be seen, or leads elsewhere for us, the port is not ended for
 * everybody: @hide is what happens to the path of the port in @dir.
 */
static void expect_undecided(void (*hide)(const char *dir))
{
	const char *dir = fresh_dir();
	struct mmsock *other = open_as("p", MMSOCK_RECEIVER);
	struct mmsock *handle = open_as("p", MMSOCK_SENDER);

	lose_descriptor(handle);
	hide(dir);
	CHECK_INT(state_after_look(handle), MMS_READY);
	send_text(handle, "x");
	expect_text(other, "x");
	mmsock_close(handle);
	mmsock_close(other);
}

static void move_directory(const char *dir)
{
	char moved[4096];

	snprintf(moved, sizeof(moved), "%s-moved", dir);
	CHECK(!rename(dir, moved));
}

static void put_another_there(const char *dir)
{
	move_directory(dir);
	CHECK(!mkdir(dir, 0700));
	create_port("p", 4096, 1);
}

static void test_path_leads_nowhere(void)
{
	expect_undecided(move_directory);
}

static void test_path_leads_elsewhere(void)
{
	expect_undecided(put_another_there);
}

static void mount_over(const char *dir)
{
	private_mounts();
	mount_tmpfs(dir, "size=64k");
}

static void test_path_is_hidden(void)
{
	expect_undecided(mount_over);
}

static void change_root(const char *dir)
{
	(void)dir;
	private_mounts();
	if (chroot("/proc"))
		SKIP("the root cannot be changed here");
}

static void test_root_is_changed(void)
{
	expect_undecided(change_root);
	end_case();
}

/* To the real root it is not. */
static void close_directory(const char *dir)
{
	CHECK(!chmod(dir, 0));
	if (!access(join(dir, "p"), F_OK) && seteuid(65534))
		SKIP("no directory is closed to us");
}

static void test_directory_is_closed(void)
{
	expect_undecided(close_directory);
	end_case();
}

/* Ports in files on a disk. */

static void run_file_sender(struct kid *self, void *context)
{
	struct mmsock *handle = open_as(context, MMSOCK_SENDER);

	(void)self;
	send_text(handle, "one");
	send_text(handle, "two");
	send_text(handle, "three");
	mmsock_close(handle);
}

static void expect_three(const char *path)
{
	struct mmsock *handle = open_as(path, MMSOCK_RECEIVER);
	char buffer[8];

	expect_text(handle, "one");
	expect_text(handle, "two");
	expect_text(handle, "three");
	CHECK_INT(mmsock_recv(handle, buffer, 8, 0), -ENODATA);
	mmsock_close(handle);
}

static void send_three(const char *path)
{
	char copy[4096];
	struct kid kid;

	strcpy(copy, path);
	kid_start(&kid, run_file_sender, copy);
	CHECK_INT(kid_reap(&kid), 0);
}

static void test_file_port(void)
{
	const char *path = join(fresh_disk_dir(), "p");

	send_three(path);
	CHECK_INT(inspect(path).on_disk, 1);
	CHECK_INT(inspect(path).messages, 3);
	expect_three(path);
	CHECK_INT(count_entries(getenv(DISK_VARIABLE)), 1);
	fresh_dir();
	create_port("q", 4096, 1);
	CHECK_INT(inspect("q").on_disk, 0);
}

/* As the file would be if the machine had gone down with two attached. */
static void forge_reboot(const char *path)
{
	struct mms_control *control = map_control(path);
	struct mms_row *rows = (void *)((char *)control + MMS_ROWS_OFFSET -
					MMS_CONTROL_OFFSET);

	rows[0].role = MMSOCK_SENDER | MMS_ATTACHED;
	rows[5].role = MMSOCK_RECEIVER | MMS_ATTACHED;
	control->send.lock.word = MMS_LOCK_STEP | 1;
	control->recv.lock.word = MMS_LOCK_STEP | 6;
	control->signals.data.asked = 3;
	control->signals.space.asked = 3;
	control->census.boot_id[0] ^= 1;
}

static void test_reboot(void)
{
	const char *path = join(fresh_disk_dir(), "p");
	struct mmsock *handle;

	send_three(path);
	forge_reboot(path);
	handle = open_as(path, MMSOCK_SENDER);
	CHECK_INT(inspect(path).dead, 0);
	CHECK_INT(inspect(path).died, 0);
	CHECK_INT(inspect(path).participants, 1);
	CHECK_INT(inspect(path).messages, 3);
	CHECK_INT(mmsock_senders_died(handle), 0);
	mmsock_close(handle);
	expect_three(path);
	handle = open_as(path, MMSOCK_SENDER);
	send_text(handle, "x");
	mmsock_close(handle);
	CHECK_INT(inspect(path).messages, 1);
}

/* The new boot is begun once, by the first; who is there stays. */
static void test_reboot_once(void)
{
	const char *path = join(fresh_disk_dir(), "p");
	struct mmsock *first;
	struct mmsock *second;

	send_three(path);
	first = open_as(path, MMSOCK_SENDER);
	map_control(path)->census.boot_id[0] ^= 1;
	second = open_as(path, MMSOCK_SENDER);
	CHECK_INT(inspect(path).participants, 2);
	mmsock_close(second);
	second = open_as(path, MMSOCK_RECEIVER);
	CHECK_INT(inspect(path).senders, 1);
	mmsock_close(second);
	mmsock_close(first);
}

struct crowd {
	const char *path;
	int gate[2];
};

static void run_in_crowd(struct kid *self, void *context)
{
	struct crowd *crowd = context;
	char byte;

	close(crowd->gate[1]);
	CHECK_INT(read(crowd->gate[0], &byte, 1), 0);
	open_as(crowd->path, MMSOCK_SENDER);
	meet(self);
}

/* Whoever begins the new boot does not take another newcomer for history. */
static void test_crowd_after_reboot(void)
{
	const char *dir = fresh_disk_dir();
	struct crowd crowd = {.path = join(dir, "p")};
	struct kid kids[40];
	unsigned round;
	size_t i;

	for (round = 0; round < 20; round++) {
		create_port(crowd.path, 4096, 64);
		map_control(crowd.path)->census.boot_id[0] ^= 1;
		CHECK(!pipe(crowd.gate));
		for (i = 0; i < CHECK_COUNT(kids); i++)
			kid_start(&kids[i], run_in_crowd, &crowd);
		close(crowd.gate[0]);
		close(crowd.gate[1]);
		for (i = 0; i < CHECK_COUNT(kids); i++)
			CHECK(hear(&kids[i]));
		CHECK_INT(inspect(crowd.path).senders, CHECK_COUNT(kids));
		for (i = 0; i < CHECK_COUNT(kids); i++)
			kid_end(&kids[i]);
		CHECK(!unlink(crowd.path));
	}
}

/* The same on tmpfs is no reboot: there is none to survive. */
static void test_same_boot(void)
{
	const char *path = join(fresh_disk_dir(), "p");
	struct kid kid;
	struct mmsock *handle;

	send_three(path);
	CHECK(!setenv("MMSOCK_DIR", getenv(DISK_VARIABLE), 1));
	start_attached(&kid, 1);
	kid_kill(&kid);
	CHECK_INT(inspect(path).dead, 1);
	handle = open_as(path, MMSOCK_RECEIVER);
	CHECK_INT(inspect(path).died, 1);
	mmsock_close(handle);
}

static void test_positions(void)
{
	static const uint64_t values[] = {
		UINT64_MAX,
		UINT64_C(1) << 63,
		4,
		8200,
	};
	const char *dir = fresh_dir();
	struct mms_control *control;
	size_t i;

	create_port("p", 4096, 2);
	control = map_control(join(dir, "p"));
	for (i = 0; i < CHECK_COUNT(values); i++) {
		control->recv.at = values[i];
		CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -EBADMSG);
	}
	control->recv.at = 0;
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), 0);
	CHECK_INT(inspect("p").corrupt, CHECK_COUNT(values));
}

static const struct check_case cases[] = {
	{"links at a port's name are not followed", test_links},
	{"a directory at a port's name is refused", test_directory},
	{"a FIFO at a port's name is refused without waiting", test_fifo},
	{"a socket at a port's name is refused", test_socket},
	{"a device at a port's name is refused", test_device},
	{"a file of a stranger is refused", test_owners},
	{"a port that is closed to us is refused", test_permission},
	{"a port that we may only read can be looked at", test_read_only},
	{"more participants than slots are refused, until one goes",
	 test_no_free_slot},
	{"slots of the dead are used again and again", test_slots_of_the_dead},
	{"1024 slots are 1024 slots", test_all_slots},
	{"the ring is mapped twice in a row", test_two_views},
	{"a child has no mapping", test_child_has_no_mapping},
	{"a ring can be populated in both homes", test_populate},
	{"failed opens leave no descriptor and no mapping", test_no_leaks},
	{"nor do those that run out of descriptors", test_no_descriptors},
	{"a port that loses its name meanwhile is not attached to",
	 test_attach_to_removed},
	{"a port that is marked but there is told after a while",
	 test_attach_to_closed},
	{"a port without a name is marked", test_lost_name},
	{"a port whose name leads elsewhere is marked", test_replaced_name},
	{"also by who has lost his descriptor", test_lost_name_and_descriptor},
	{"but not where his path leads nowhere", test_path_leads_nowhere},
	{"nor where it leads into another directory",
	 test_path_leads_elsewhere},
	{"nor where a mount hides it", test_path_is_hidden},
	{"nor under another root", test_root_is_changed},
	{"nor where a directory is closed to him", test_directory_is_closed},
	{"a file port keeps its messages", test_file_port},
	{"a file port survives a reboot, the participants do not", test_reboot},
	{"a new boot begins once", test_reboot_once},
	{"a crowd after a reboot is all there", test_crowd_after_reboot},
	{"without a reboot the dead stay dead", test_same_boot},
	{"impossible positions are refused", test_positions},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
