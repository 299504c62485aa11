/* SPDX-License-Identifier: MIT */
/*
 * inspect.h - looking at a port without attaching
 */
#ifndef MMS_INSPECT_H
#define MMS_INSPECT_H

#include <sys/stat.h>

#include "mmsock.h"

/* Fill in *info for an open port file; the size member is set by the caller. */
int mms_inspect_file(int fd, const struct stat *status,
		     struct mmsock_info *info);

#endif
