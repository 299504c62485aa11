/* SPDX-License-Identifier: MIT */
/*
 * birth.h - making and replacing the files of ports and semaphores
 */
#ifndef MMS_BIRTH_H
#define MMS_BIRTH_H

#include "layout.h"
#include "mmsock.h"
#include "name.h"

/* What a new file is to be like. */
struct mms_plan {
	struct mms_header header;
	uint64_t value;       /* of a semaphore */
	unsigned permissions; /* 0: 0600 */
	int64_t group;        /* -1: as it falls */
};

/* Check what the options say of a new port, or of a new semaphore. */
int mms_birth_plan(const struct mmsock_options *options,
		   struct mms_plan *ret_plan);
int mms_birth_plan_sem(const struct mmsock_sem_options *options,
		       struct mms_plan *ret_plan);

/*
 * Make a complete file and give it its name.  Without @replace -EEXIST where
 * the name is taken; with it only one of the same type is replaced.  The
 * descriptor of the new file, or -errno.
 */
int mms_birth(const struct mms_place *place, const struct mms_plan *plan,
	      bool replace);

#endif
