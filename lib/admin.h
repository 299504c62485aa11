/* SPDX-License-Identifier: MIT */
/*
 * admin.h - what is done to a port's or semaphore's name under its admin byte
 */
#ifndef MMS_ADMIN_H
#define MMS_ADMIN_H

#include <sys/stat.h>

#include "layout.h"
#include "mmsock.h"
#include "name.h"
#include "port.h"

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

/*
 * Remove by name what is of this type, or of any with type 0; as
 * mmsock_remove().
 */
int mms_admin_remove(const char *name, const char *dir,
		     enum mmsock_remove_when when, uint32_t type);

/*
 * Remove the very file that we are attached to.  -ENOENT where it has no name,
 * -ESTALE where its name is another's.
 */
int mms_admin_destroy(const struct mms_port *port);

/*
 * Take back what we have just made and could not open, unless somebody has come
 * upon it.
 */
void mms_admin_withdraw(const struct mms_place *place, const struct stat *made);

/* Unlink temporary names whose creator is gone. */
void mms_admin_sweep(const struct mms_place *place);

#endif
