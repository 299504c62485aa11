/* SPDX-License-Identifier: MIT */
/*
 * port.h - a port or semaphore file that is open: checked, mapped, a slot in it
 */
#ifndef MMS_PORT_H
#define MMS_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lane.h"
#include "layout.h"
#include "lock.h"
#include "name.h"
#include "ring.h"
#include "units.h"

/*
 * What a newcomer finds.  Looked at before anyone can see his row: a sender who
 * waits for him may send all he has and be gone before he looks again.
 */
struct mms_scene {
	uint64_t joined;  /* senders, ever */
	uint64_t died;    /* senders, attached */
	unsigned senders; /* here and alive */
};

/* An attached participant's view of a port. */
struct mms_port {
	struct mms_header header; /* our copy, checked */
	unsigned char *base;      /* header to ring, then the ring again */
	size_t mapped;
	struct mms_control *control;
	struct mms_row *rows;
	struct mms_row *row;        /* ours */
	struct mms_ring ring;       /* of a port, or */
	struct mms_units units;     /* of a semaphore */
	struct mms_service service; /* beside the ring */
	uint64_t first_call;        /* a client's first number */
	unsigned char *lanes; /* the reply rings that we use, each twice */
	size_t lanes_mapped;
	unsigned slot;
	unsigned role;
	struct mms_scene scene;
	int asker; /* to ask about others with; see peer.c */
	dev_t device;
	ino_t inode;
	dev_t dir_device; /* of the directory that the path led to */
	ino_t dir_inode;
	bool on_disk;
	char *path;
};

/*
 * Open the file at @place without waiting, following or creating, and check
 * that it can be a port: a regular file with one name and the right owner.
 * @flags is O_RDWR or O_RDONLY.  The descriptor, or -errno.
 */
int mms_port_open_file(const struct mms_place *place, int flags,
		       struct stat *ret_status);

/*
 * Become a participant of the open file @fd, which is closed in every case.  The
 * role tells whether it has to be a port or a semaphore; -ENOTSOCK.  -ESTALE where the file is no longer at @place or no longer in use: look again.
 */
int mms_port_attach(struct mms_port *port, const struct mms_place *place,
		    int fd, unsigned role, bool populate);

/* Addresses for views; where these have 32 bits there may be too few: -ENOMEM. */
int mms_map_reserve(uint64_t bytes, unsigned char **ret_base,
		    size_t *ret_length);

/* Map a part of the file there. */
int mms_map_view(int fd, uint64_t offset, uint64_t bytes, unsigned char *at);

/* Leave: tell the others, unmap, forget. */
void mms_port_detach(struct mms_port *port);

/* In a child that inherited the handle: free memory, touch nothing else. */
void mms_port_disown(struct mms_port *port);

/*
 * Look whether the file still has its name; if not, mark the port for everybody.
 * One fstat(2).
 */
void mms_port_check_link(struct mms_port *port);

/* Wake everyone who waits for anything; @lanes of a service, or none. */
void mms_port_wake_all(struct mms_control *control, struct mms_lane *lanes,
		       unsigned clients);

#endif
