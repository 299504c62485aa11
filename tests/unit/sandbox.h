/* SPDX-License-Identifier: MIT */
/*
 * sandbox.h - what test programs that open ports have in common
 *
 * A port directory for each case, removed when the program ends, however a case
 * ended; helper processes that say when they have come somewhere and wait until
 * they are told to go on, and die with the case; short forms of opening.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#include "check.h"
#include "layout.h"
#include "mmsock.h"

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)

/* Directories. */

#define DISK_VARIABLE "MMSOCK_TEST_DISK"

static inline int remove_entry(const char *path, const struct stat *status,
			       int kind, struct FTW *level)
{
	(void)status;
	(void)kind;
	(void)level;
	remove(path);
	return 0;
}

static inline void remove_tree(const char *path)
{
	nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* A directory below the one that @variable names, which it names from now on. */
static inline const char *descend(const char *variable)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/XXXXXX", getenv(variable));
	CHECK(mkdtemp(path));
	CHECK(!setenv(variable, path, 1));
	return getenv(variable);
}

/* An empty port directory of the case's own, in shared memory. */
static inline const char *fresh_dir(void)
{
	return descend("MMSOCK_DIR");
}

/* An empty directory on a disk. */
static inline const char *fresh_disk_dir(void)
{
	struct statfs fs;

	CHECK(!statfs(getenv(DISK_VARIABLE), &fs));
	if (fs.f_type == TMPFS_MAGIC)
		SKIP("the temporary directory is not on a disk");
	return descend(DISK_VARIABLE);
}

/* At the end of the program itself, not of a case in its child. */
static inline void clean_up(void)
{
	if (strtol(getenv("MMSOCK_TEST_PID"), NULL, 10) != getpid())
		return;
	remove_tree(getenv("MMSOCK_TEST_SHM"));
	remove_tree(getenv("MMSOCK_TEST_TMP"));
}

static inline void make_sandbox(void)
{
	char shm[] = "/dev/shm/mmsock-unit-XXXXXX";
	const char *temp = getenv("TMPDIR");
	char disk[4096];
	char pid[16];

	snprintf(disk, sizeof(disk), "%s/mmsock-unit-XXXXXX",
		 temp ? temp : "/tmp");
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	CHECK(mkdtemp(shm) && mkdtemp(disk));
	setenv("MMSOCK_TEST_PID", pid, 1);
	setenv("MMSOCK_TEST_SHM", shm, 1);
	setenv("MMSOCK_TEST_TMP", disk, 1);
	setenv("MMSOCK_DIR", shm, 1);
	setenv(DISK_VARIABLE, disk, 1);
	CHECK(!atexit(clean_up));
}

static inline int sandbox_main(int argc, char **argv,
			       const struct check_case *cases, size_t count)
{
	make_sandbox();
	return check_main(argc, argv, cases, count);
}

/* @dir/@name; holds until the eighth call after this one. */
static inline const char *join(const char *dir, const char *name)
{
	static char *paths[8];
	static unsigned turn;
	char *path;

	CHECK(asprintf(&path, "%s/%s", dir, name) > 0);
	turn = (turn + 1) % CHECK_COUNT(paths);
	free(paths[turn]);
	paths[turn] = path;
	return path;
}

/* Entries of a directory, but "." and "..". */
static inline unsigned count_entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;

	CHECK(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static inline void write_file(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, bytes, size), size);
	close(fd);
}

static inline ino_t inode_of(const char *path)
{
	struct stat status;

	return lstat(path, &status) ? 0 : status.st_ino;
}

/* A mount namespace of the case's own. */
static inline void private_mounts(void)
{
	char map[64];

	snprintf(map, sizeof(map), "%u %u 1", geteuid(), geteuid());
	if (unshare(CLONE_NEWNS)) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			SKIP("mount namespaces are not allowed here");
		write_file("/proc/self/uid_map", map, strlen(map));
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		SKIP("mount propagation cannot be changed here");
}

static inline void mount_tmpfs(const char *where, const char *options)
{
	if (mount("tmpfs", where, "tmpfs", 0, options))
		SKIP("tmpfs cannot be mounted here");
}

/* From now on a file has a name from its beginning. */
static inline void forbid_tmpfile(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY,
			 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {CHECK_COUNT(code), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		SKIP("system calls cannot be filtered here");
}

/* Descriptors and mappings, to find what was left behind. */

static inline unsigned count_descriptors(void)
{
	unsigned count = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Mappings of which /proc says @text. */
static inline unsigned count_maps_of(const char *text)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned count = 0;
	char line[4400];

	CHECK(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, text) != NULL;
	fclose(maps);
	return count;
}

/* Views of port files. */
static inline unsigned count_mappings(void)
{
	return count_maps_of("mmsock-unit-");
}

/* Time. */

static inline int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

/* Ports. */

static inline struct mmsock_options options_for(unsigned mode, unsigned role)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;

	options.mode = mode;
	options.role = role;
	return options;
}

static inline void create_port(const char *port, uint64_t ring_bytes,
			       unsigned slots)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	options.ring_bytes = ring_bytes;
	options.max_message = ring_bytes - 16;
	options.slots = slots;
	CHECK_INT(mmsock_create(port, &options), 1);
}

/* Open or create. */
static inline struct mmsock *open_as(const char *port, unsigned role)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_OR_CREATE, role);
	struct mmsock *handle = NULL;

	CHECK_INT(mmsock_open(port, &options, &handle), 0);
	return handle;
}

static inline int try_open(const char *port, unsigned mode)
{
	struct mmsock_options options = options_for(mode, MMSOCK_SENDER);
	struct mmsock *handle = NULL;
	int r = mmsock_open(port, &options, &handle);

	mmsock_close(handle);
	return r;
}

static inline struct mmsock_info inspect(const char *port)
{
	struct mmsock_info info = {.size = sizeof(info)};

	CHECK_INT(mmsock_inspect(port, NULL, &info), 0);
	return info;
}

static inline void send_text(struct mmsock *handle, const char *text)
{
	CHECK_INT(mmsock_send(handle, text, strlen(text), 0), 0);
}

/* The next message is @text; waits for it. */
static inline void expect_text(struct mmsock *handle, const char *text)
{
	char buffer[256] = "";
	ssize_t length =
		mmsock_recv(handle, buffer, sizeof(buffer) - 1, MMSOCK_FOREVER);

	CHECK_INT(length, strlen(text));
	CHECK_STR(buffer, text);
}

/* All of a port file, mapped, to look at and to damage. */
static inline unsigned char *map_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat status;
	void *map;

	CHECK(fd >= 0 && !fstat(fd, &status));
	map = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE,
		   MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	close(fd);
	return map;
}

static inline struct mms_control *map_control(const char *path)
{
	return (void *)(map_file(path) + MMS_CONTROL_OFFSET);
}

/* Helper processes. */

struct kid {
	pid_t pid;
	int to;   /* tell the other one */
	int from; /* hear of the other one */
};

static inline void kid_start(struct kid *kid,
			     void (*run)(struct kid *self, void *context),
			     void *context)
{
	int down[2];
	int up[2];

	CHECK(!pipe2(down, O_CLOEXEC) && !pipe2(up, O_CLOEXEC));
	fflush(stdout);
	kid->pid = fork();
	CHECK(kid->pid >= 0);
	if (!kid->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(down[1]);
		close(up[0]);
		kid->to = up[1];
		kid->from = down[0];
		run(kid, context);
		/* What it inherited and lost is not its leak. */
		_exit(EXIT_SUCCESS);
	}
	close(down[0]);
	close(up[1]);
	kid->to = down[1];
	kid->from = up[0];
}

static inline void tell(const struct kid *kid)
{
	CHECK_INT(write(kid->to, "", 1), 1);
}

/* False where the other one is gone. */
static inline bool hear(const struct kid *kid)
{
	char byte;

	return read(kid->from, &byte, 1) == 1;
}

/* In a helper: say that we are there, and wait. */
static inline void meet(const struct kid *kid)
{
	tell(kid);
	CHECK(hear(kid));
}

static inline int kid_reap(struct kid *kid)
{
	int status = -1;

	CHECK_INT(waitpid(kid->pid, &status, 0), kid->pid);
	close(kid->to);
	close(kid->from);
	return status;
}

/* Let it go on, and see that it ends well. */
static inline void kid_end(struct kid *kid)
{
	if (write(kid->to, "", 1) != 1)
		printf("# a helper had ended by itself\n");
	CHECK_INT(kid_reap(kid), 0);
}

static inline void kid_kill(struct kid *kid)
{
	int status;

	CHECK(!kill(kid->pid, SIGKILL));
	status = kid_reap(kid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static inline void kid_stop(const struct kid *kid)
{
	int status;

	CHECK(!kill(kid->pid, SIGSTOP));
	CHECK_INT(waitpid(kid->pid, &status, WUNTRACED), kid->pid);
	CHECK(WIFSTOPPED(status));
}

static inline void kid_continue(const struct kid *kid)
{
	int status;

	CHECK(!kill(kid->pid, SIGCONT));
	CHECK_INT(waitpid(kid->pid, &status, WCONTINUED), kid->pid);
}

/* Is the process asleep in this system call? */
static inline bool waits_in_call(pid_t pid, long call)
{
	char path[64];
	long seen = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	file = fopen(path, "re");
	if (!file)
		SKIP("the kernel does not tell who waits");
	if (fscanf(file, "%ld", &seen) != 1)
		seen = -1;
	fclose(file);
	return seen == call;
}

struct sighting {
	int pid;
	unsigned object;
	bool asleep;
};

static inline int look_for_sleeper(const struct mmsock_peer *peer,
				   void *context)
{
	struct sighting *sighting = context;

	if (peer->pid == sighting->pid && peer->activity == MMSOCK_ASLEEP &&
	    peer->object == sighting->object)
		sighting->asleep = true;
	return 0;
}

/* Wait until a process is seen asleep on something. */
static inline void await_sleeper(const char *port, pid_t pid, unsigned object)
{
	struct sighting sighting = {.pid = pid, .object = object};

	while (!sighting.asleep) {
		sched_yield();
		CHECK_INT(mmsock_inspect_peers(port, NULL, look_for_sleeper,
					       &sighting),
			  0);
	}
}

#endif
