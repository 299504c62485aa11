/* SPDX-License-Identifier: MIT */
/*
 * list.c - the names in the port directory
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cancel.h"
#include "error.h"
#include "mmsock.h"
#include "name.h"

static int is_candidate(const struct dirent *entry)
{
	return mms_name_is_plain(entry->d_name) &&
	       (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int cannot_list(const char *path, int error)
{
	return mms_failed(mms_fail(error, "port directory '%s': %s", path,
				   strerror(-error)));
}

int mmsock_list(const char *dir, int (*visit)(const char *, void *),
		void *context)
{
	MMS_HOLD_CANCEL;
	struct dirent **entries;
	char path[PATH_MAX];
	bool is_default;
	int count;
	int i;
	int r;

	r = mms_port_dir(dir, path, sizeof(path), &is_default);
	if (r)
		return mms_failed(r);
	count = scandir(path, &entries, is_candidate, by_name);
	if (count < 0)
		return errno == ENOENT ? 0 : cannot_list(path, -errno);
	for (i = 0; i < count; i++) {
		if (!r)
			r = visit(entries[i]->d_name, context);
		free(entries[i]);
	}
	free(entries);
	return r;
}
