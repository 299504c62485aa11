/* SPDX-License-Identifier: MIT */
/*
 * admin.h - what is done to a port's name under its admin byte
 */
#ifndef MMS_ADMIN_H
#define MMS_ADMIN_H

#include <sys/stat.h>

#include "layout.h"
#include "name.h"

/* A port whose name nobody else may change. */
struct mms_held {
	int fd;
	int validity; /* of the header: 0, -EBADMSG, ... */
	struct stat status;
	struct mms_header header;
};

/*
 * Open what the name leads to and take its admin byte, waiting for who has it.
 * Only a port is held, however damaged: -ENOTSOCK for anything else.
 */
int mms_admin_hold(const struct mms_place *place, struct mms_held *held);

/* Tell everyone who is attached what has become of the port. */
void mms_admin_mark(const struct mms_held *held, uint32_t state);

void mms_admin_release(struct mms_held *held);

/* Unlink temporary names whose creator is gone. */
void mms_admin_sweep(const struct mms_place *place);

#endif
