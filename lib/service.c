/* SPDX-License-Identifier: MIT */
/*
 * service.c - what a participant of a service has beside a port: lanes and desks
 *
 * Mapping the reply rings, settling what the last owner of a slot left in them or
 * on his desk, and telling clients that a server has come or gone.  What these
 * words mean is explained in lane.c.
 *
 * A new client takes no lock.  A server may be in the middle of a reply to whoever had
 * the slot before, or stopped there: what he commits has a number that nobody waits
 * for.
 *
 * Labels of this file: E1 with E2 (caller.c), F9 and F10 with W1 (wait.c).
 */
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "atomic.h"
#include "lane.h"
#include "mmsock.h"
#include "wait.h"

/* A server replies through every lane, a client reads his own. */
static unsigned first_lane(const struct mms_port *port)
{
	return port->role & MMSOCK_SERVER ? 0 : port->slot;
}

static unsigned lane_count(const struct mms_port *port)
{
	return port->role & MMSOCK_SERVER ? port->header.clients : 1;
}

static int map_lanes(struct mms_port *port, int fd)
{
	uint64_t lane = port->header.lane_bytes;
	uint64_t offset = port->header.ring_offset + port->header.ring_bytes +
			  first_lane(port) * lane;
	unsigned count = lane_count(port);
	unsigned char *at;
	int r = mms_map_reserve(2 * lane * count, &port->lanes,
				&port->lanes_mapped);

	at = port->lanes;
	for (; !r && count > 0; count--) {
		r = mms_map_view(fd, offset, lane, at);
		if (!r)
			r = mms_map_view(fd, offset, lane, at + lane);
		at += 2 * lane;
		offset += lane;
	}
	if (!r && madvise(port->lanes, port->lanes_mapped, MADV_DONTFORK))
		r = -errno;
	return r;
}

/* Reply rings are as the port's ring is, with the server's slot in a header. */
static int point_into_lanes(struct mms_port *port)
{
	struct mms_service *service = &port->service;
	unsigned count = lane_count(port);
	struct mms_lane *lane;
	unsigned i;

	service->lanes = (void *)(port->base + mms_lanes_offset(&port->header));
	service->desks = (void *)(port->base + mms_desks_offset(&port->header));
	service->clients = port->header.clients;
	service->slots = port->header.slots;
	service->rings = calloc(count, sizeof(*service->rings));
	if (!service->rings)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		lane = &service->lanes[first_lane(port) + i];
		service->rings[i] = (struct mms_ring){
			.data = port->lanes + 2 * port->header.lane_bytes * i,
			.bytes = port->header.lane_bytes,
			.max_message = port->header.max_reply,
			.slots = port->header.slots,
			.slot = port->slot,
			.send = &lane->send,
			.recv = &lane->recv,
			.head_seen = mms_load(&lane->recv.at),
			.left_at = MMS_NOWHERE,
		};
	}
	return 0;
}

int mms_service_map(struct mms_port *port, int fd)
{
	int r = map_lanes(port, fd);

	return r ? r : point_into_lanes(port);
}

void mms_service_unmap(struct mms_port *port)
{
	if (port->lanes)
		munmap(port->lanes, port->lanes_mapped);
	free(port->service.rings);
	port->lanes = NULL;
	port->service.rings = NULL;
}

/*
 * Reply rings that the slot's last owner died in the middle of a reply with.  What
 * he had taken is on no desk from here on, so its callers are told.
 */
static void inherit_lanes(struct mms_port *port)
{
	const struct mms_service *service = &port->service;
	struct mms_lane *lane;
	uint64_t word;
	unsigned i;

	for (i = 0; i < service->clients; i++) {
		lane = &service->lanes[i];
		if (!mms_lock_inherit(&lane->send.lock, port->slot, &word))
			continue;
		/* A lane that is not valid is its client's affair. */
		(void)mms_ring_repair_send(&service->rings[i]);
		mms_lock_give(&lane->send.lock, word);
		mms_add(&port->control->census.takeovers, 1);
		/* [F9] pairs with [W1]: the lane is free before asked is read. */
		mms_fence();
		mms_wake(&lane->send.lock.event, 1);
	}
	mms_desk_clear(service, port->slot);
}

/*
 * A new client's lane: replies to his predecessors are dropped.  Others may add to
 * them meanwhile, so no more than the ring can hold is looked at.
 */
static void empty_lane(struct mms_port *port)
{
	struct mms_ring *ring = &port->service.rings[0];
	const unsigned char *payload;
	uint64_t dropped = 0;
	size_t length;

	mms_ring_repair_recv(ring);
	while (dropped < ring->bytes &&
	       !mms_ring_peek(ring, &payload, &length)) {
		mms_ring_release(ring, mms_record_size(length), 1);
		dropped += mms_record_size(length);
	}
}

void mms_service_inherit(struct mms_port *port)
{
	if (port->role & MMSOCK_SERVER)
		inherit_lanes(port);
	if (!(port->role & MMSOCK_CLIENT))
		return;
	port->first_call = mms_lane_renew(&port->service.lanes[port->slot]);
	empty_lane(port);
}

/* A server has come or gone: clients look who serves, and who has their calls. */
void mms_service_tell_clients(struct mms_port *port)
{
	const struct mms_service *service = &port->service;
	unsigned i;

	/* [E1] pairs with [E2]: our row and our desk before the count. */
	mms_add32(&port->control->signals.servers, 1);
	/* [F10] pairs with [W1]: the count before asked is read. */
	mms_fence();
	for (i = 0; i < service->clients; i++)
		mms_wake(&service->lanes[i].data, MMS_EVERYBODY);
}
