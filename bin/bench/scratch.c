/* SPDX-License-Identifier: MIT */
/*
 * scratch.c - the directory and its keeper
 *
 * There is one way to remove it, the keeper's, and it is the same whether the
 * benchmark ends, is interrupted or killed.  Files only: nobody makes a folder
 * in it.
 */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEMPLATE "mmsock-bench.XXXXXX"

static int make_directory(struct scratch *scratch)
{
	static const char *const places[] = {"/dev/shm", "/tmp"};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		(void)snprintf(scratch->path, sizeof(scratch->path), "%s/%s",
			       places[i], TEMPLATE);
		if (mkdtemp(scratch->path))
			return 0;
	}
	return -errno;
}

static void empty(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
}

/*
 * In a session of its own, so that Ctrl-C does not reach it.  Standard output
 * and error are closed: who reads them waits for the benchmark only.
 */
noreturn static void keep(const char *path, int fd)
{
	char byte;

	setsid();
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		close(i);
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
	empty(path);
	rmdir(path);
	_exit(0);
}

int scratch_make(struct scratch *scratch)
{
	int ends[2], r = make_directory(scratch);

	if (r < 0)
		return r;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		r = -errno;
		rmdir(scratch->path);
		return r;
	}
	scratch->keeper = fork();
	if (scratch->keeper == 0) {
		close(ends[1]);
		keep(scratch->path, ends[0]);
	}
	r = scratch->keeper < 0 ? -errno : 0;
	close(ends[0]);
	scratch->fd = ends[1];
	if (r < 0) {
		close(ends[1]);
		rmdir(scratch->path);
	}
	return r;
}

void scratch_remove(struct scratch *scratch)
{
	close(scratch->fd);
	while (waitpid(scratch->keeper, NULL, 0) < 0 && errno == EINTR)
		;
}
