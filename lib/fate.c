/* SPDX-License-Identifier: MIT */
/*
 * fate.c - what has become of a call without a reply
 *
 * Whom a client waits for may be gone, and then he has to be told what that means
 * for his request.  lane.c explains how he finds out; mms_fate() puts it together:
 *
 *	not taken, somebody serves      wait
 *	not taken, nobody serves        withdraw it: -ECONNREFUSED
 *	taken, on a living desk         wait
 *	taken, on no living desk        look for a reply again; none: -EOWNERDEAD
 *
 * A server who comes or goes raises a count and wakes who waits; of one who is
 * killed nobody is told, so a client looks for himself every 95 ms.
 *
 * Labels of this file: A10 with N1 and R3 (lane.c, ring_recv.c), E2 with E1
 * (service.c).
 */
#include <errno.h>

#include "caller.h"

#include "atomic.h"

/* Somebody serves: 1, or 0 where every server is gone or dead. */
bool mms_is_served(struct mms_port *port)
{
	unsigned slot;

	for (slot = port->service.clients; slot < port->service.slots; slot++)
		if (mms_row_role(&port->rows[slot]) & MMSOCK_SERVER &&
		    mms_peer_is_dead(port, slot) != 1)
			return true;
	return false;
}

uint32_t mms_servers_seen(const struct mmsock *handle)
{
	/* [E2] pairs with [E1]: rows and desks as they were at that count. */
	return mms_load_acquire32(&handle->port.control->signals.servers);
}

/* One look at the rows for each coming and going. */
int mms_check_served(struct mmsock *handle)
{
	struct mms_caller *caller = handle->caller;
	uint32_t servers = mms_servers_seen(handle);

	if (caller->served && caller->servers == servers)
		return 0;
	caller->served = mms_is_served(&handle->port);
	caller->servers = servers;
	return caller->served ? 0 : -ECONNREFUSED;
}

bool mms_is_taken(const struct mmsock *handle, const struct mms_call *call)
{
	/* [A10] pairs with [N1], [R3]: the note comes with this head. */
	uint64_t head = mms_load_acquire(&handle->port.ring.recv->at);

	return head - call->at - 1 < UINT64_MAX / 2;
}

static bool is_on_a_living_desk(struct mmsock *handle,
				const struct mms_call *call)
{
	struct mms_port *port = &handle->port;
	uint64_t note = mms_note_of(port->slot, call->number);
	unsigned slot;

	for (slot = port->service.clients; slot < port->service.slots; slot++)
		if (mms_desk_has(&port->service, slot, note) &&
		    mms_peer_is_dead(port, slot) != 1)
			return true;
	return false;
}

/*
 * Nobody serves.  True if the request is withdrawn before anybody could take it;
 * else a server has come this moment, and has it.
 */
static bool is_withdrawn(struct mmsock *handle, const struct mms_call *call)
{
	struct mms_lane *lane = handle->caller->lane;

	mms_lane_doubt(lane, call->number);
	if (!mms_is_taken(handle, call))
		return mms_lane_refuse(lane, call->number);
	mms_lane_trust(lane);
	return false;
}

/* No reply so far: 0 to go on waiting, or what has become of the call. */
int mms_fate(struct mmsock *handle, const struct mms_call *call)
{
	int r = mms_port_gone(handle);

	if (!r && !mms_is_taken(handle, call)) {
		if (mms_is_served(&handle->port))
			return 0;
		handle->caller->served = false;
		if (is_withdrawn(handle, call))
			return -ECONNREFUSED;
	}
	if (!r) {
		if (is_on_a_living_desk(handle, call))
			return 0;
		r = -EOWNERDEAD;
	}
	return mms_ring_is_empty(handle->caller->ring) ? r : 0;
}

/* The same of all calls in flight; *@ret_call is the first that has ended. */
int mms_fate_of_any(struct mmsock *handle, struct mms_call **ret_call)
{
	struct mms_caller *caller = handle->caller;
	uint64_t number;
	int r = 0;

	for (number = caller->floor; !r && number != caller->next; number++) {
		*ret_call = mms_call_find(caller, number);
		if (*ret_call)
			r = mms_fate(handle, *ret_call);
	}
	return r;
}
