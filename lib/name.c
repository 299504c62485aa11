/* SPDX-License-Identifier: MIT */
/*
 * name.c - names, paths and the port directory
 *
 * A plain name is looked up in the port directory, anything with a '/' is a
 * path.  The default port directory lies in a place where everybody may create
 * entries (/dev/shm), so it counts only if it is a real directory, ours, and
 * closed to others; one that the user names is his own affair.
 */
#include "name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cancel.h"
#include "error.h"
#include "mmsock.h"

#define DEFAULT_DIR "/dev/shm/mmsock-%u"
#define NAME_CHARACTERS                                                        \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

bool mms_name_is_plain(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= MMSOCK_NAME_MAX && name[0] != '.' &&
	       name[0] != '-' && strspn(name, NAME_CHARACTERS) == length;
}

static int refuse_name(const char *name)
{
	if (strlen(name) > MMSOCK_NAME_MAX)
		return mms_fail(-ENAMETOOLONG,
				"a port name has at most %u characters",
				MMSOCK_NAME_MAX);
	if (!name[0])
		return mms_fail(-EINVAL, "the port name is empty");
	return mms_fail(-EINVAL,
			"a port name has only letters, digits, '.', '_' and "
			"'-', and begins with neither '.' nor '-'");
}

/* Prefix a relative path with the working directory. */
static int make_absolute(const char *path, char *ret_path, size_t size)
{
	size_t used = 0;

	if (path[0] != '/') {
		if (!getcwd(ret_path, size))
			return -errno;
		used = strlen(ret_path);
		if (used > 1)
			ret_path[used++] = '/';
	}
	if (used + strlen(path) >= size)
		return mms_fail(-ENAMETOOLONG, "the path is too long");
	memcpy(ret_path + used, path, strlen(path) + 1);
	return 0;
}

int mms_port_dir(const char *dir, char *ret_path, size_t size,
		 bool *ret_is_default)
{
	if (!dir)
		dir = getenv("MMSOCK_DIR");
	*ret_is_default = !dir || !dir[0];
	if (!*ret_is_default)
		return make_absolute(dir, ret_path, size);
	snprintf(ret_path, size, DEFAULT_DIR, (unsigned)geteuid());
	return 0;
}

static int find_in_port_dir(struct mms_place *place, const char *port,
			    const char *dir)
{
	size_t used;
	int r;

	if (!mms_name_is_plain(port))
		return refuse_name(port);
	place->is_port_dir = place->make_dir = true;
	r = mms_port_dir(dir, place->path, sizeof(place->path),
			 &place->is_default);
	if (r)
		return r;
	used = strlen(place->path);
	if (used + 1 + strlen(port) >= sizeof(place->path))
		return mms_fail(-ENAMETOOLONG, "the path is too long");
	place->path[used++] = '/';
	memcpy(place->path + used, port, strlen(port) + 1);
	return 0;
}

int mms_place_find(struct mms_place *place, const char *port, const char *dir)
{
	int r;

	place->dir_fd = -1;
	place->is_default = place->is_port_dir = place->make_dir = false;
	if (strchr(port, '/'))
		r = make_absolute(port, place->path, sizeof(place->path));
	else
		r = find_in_port_dir(place, port, dir);
	if (r)
		return r;
	place->leaf = strrchr(place->path, '/') + 1;
	if (!place->leaf[0] || !strcmp(place->leaf, ".") ||
	    !strcmp(place->leaf, ".."))
		return mms_fail(-EINVAL,
				"the path of a port file ends in a file name");
	if (strlen(place->leaf) > NAME_MAX)
		return mms_fail(-ENAMETOOLONG, "the file name is too long");
	if (!strncmp(place->leaf, MMS_TEMP_PREFIX, strlen(MMS_TEMP_PREFIX)))
		return mms_fail(-EINVAL,
				"names that begin with '%s' are kept "
				"for unfinished ports",
				MMS_TEMP_PREFIX);
	return 0;
}

/* Nobody else may have put something into our own directory. */
static int check_default_dir(const struct mms_place *place)
{
	if (place->dir.st_uid != geteuid())
		return mms_fail(
			-EACCES,
			"port directory '%s' belongs to uid %u, not you",
			place->path, (unsigned)place->dir.st_uid);
	if (place->dir.st_mode & 077)
		return mms_fail(-EACCES,
				"port directory '%s' is open to others (mode "
				"%04o); chmod it to 0700",
				place->path,
				(unsigned)place->dir.st_mode & 07777);
	return 0;
}

/* With the path cut after the directory. */
static int open_dir(struct mms_place *place)
{
	int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	const char *path = place->path[0] ? place->path : "/";
	int error;

	if (place->is_default)
		flags |= O_NOFOLLOW;
	place->dir_fd = open(path, flags);
	if (place->dir_fd < 0 && errno == ENOENT && place->make_dir) {
		if (mkdir(path, 0700) && errno != EEXIST) {
			error = -errno;
			return mms_fail(error,
					"cannot make port directory "
					"'%s': %s",
					path, strerror(-error));
		}
		place->dir_fd = open(path, flags);
	}
	if (place->dir_fd < 0) {
		error = -errno;
		/* Without the directory there is no such port: no more to say. */
		if (error == -ENOENT && place->is_port_dir)
			return error;
		return mms_fail(error, "directory '%s': %s", path,
				strerror(-error));
	}
	if (fstat(place->dir_fd, &place->dir))
		return -errno;
	return place->is_default ? check_default_dir(place) : 0;
}

int mms_place_open(struct mms_place *place)
{
	char *slash = strrchr(place->path, '/');
	int r;

	*slash = '\0';
	r = open_dir(place);
	*slash = '/';
	if (r)
		mms_place_fini(place);
	return r;
}

int mms_place_init(struct mms_place *place, const char *port, const char *dir)
{
	int r = mms_place_find(place, port, dir);

	return r ? r : mms_place_open(place);
}

int mms_place_init_existing(struct mms_place *place, const char *port,
			    const char *dir)
{
	int r = mms_place_find(place, port, dir);

	place->make_dir = false;
	return r ? r : mms_place_open(place);
}

void mms_place_fini(struct mms_place *place)
{
	int saved = errno;

	if (place->dir_fd >= 0)
		close(place->dir_fd);
	place->dir_fd = -1;
	errno = saved;
}

int mmsock_path(const char *port, const char *dir, char *buffer, size_t size)
{
	MMS_HOLD_CANCEL;
	struct mms_place place;
	int r = mms_place_find(&place, port, dir);

	if (!r && strlen(place.path) >= size)
		r = -ENAMETOOLONG;
	if (r)
		return mms_failed(r);
	memcpy(buffer, place.path, strlen(place.path) + 1);
	return 0;
}
