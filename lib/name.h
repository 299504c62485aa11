/* SPDX-License-Identifier: MIT */
/*
 * name.h - from a PORT operand to a directory and a file in it
 */
#ifndef MMS_NAME_H
#define MMS_NAME_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Names that begin so are files on their way to becoming a port. */
#define MMS_TEMP_PREFIX ".mmsock."

/* Where a port lives.  dir_fd is -1 until mms_place_open(). */
struct mms_place {
	int dir_fd;
	bool is_default;     /* our own private directory: checked strictly */
	bool is_port_dir;    /* the port directory, not one in a path */
	bool make_dir;       /* make the port directory where it is missing */
	struct stat dir;     /* of the directory, once it is open */
	const char *leaf;    /* into path */
	char path[PATH_MAX]; /* absolute */
};

/* Is this a plain name, as ports in the port directory have? */
bool mms_name_is_plain(const char *name);

/* Path of the port directory (absolute), which need not exist. */
int mms_port_dir(const char *dir, char *ret_path, size_t size,
		 bool *ret_is_default);

/* Fill in the path; looks at no file.  0, -EINVAL, -ENAMETOOLONG. */
int mms_place_find(struct mms_place *place, const char *port, const char *dir);

/* Open the directory; the port directory is made where it is missing. */
int mms_place_open(struct mms_place *place);

/* Both. */
int mms_place_init(struct mms_place *place, const char *port, const char *dir);

/* Both, but makes no directory: for those who only look. */
int mms_place_init_existing(struct mms_place *place, const char *port,
			    const char *dir);

/* Close the directory; a place that was never opened is allowed. */
void mms_place_fini(struct mms_place *place);

#endif
