/* SPDX-License-Identifier: MIT */
/*
 * birth.h - making, replacing and removing port files
 */
#ifndef MMS_BIRTH_H
#define MMS_BIRTH_H

#include "layout.h"
#include "mmsock.h"
#include "name.h"

/* Check what the options say of a new port and write it into a header. */
int mms_birth_plan(const struct mmsock_options *options,
		   struct mms_header *ret_header);

/*
 * Make a complete port and give it its name.  Without @replace -EEXIST where
 * the name is taken.  The descriptor of the new file, or -errno.
 */
int mms_birth(const struct mms_place *place,
	      const struct mmsock_options *options, bool replace);

#endif
