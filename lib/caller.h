/* SPDX-License-Identifier: MIT */
/*
 * caller.h - the calls of a client: what is in flight, and what becomes of it
 */
#ifndef MMS_CALLER_H
#define MMS_CALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "handle.h"

/* Looks for dead servers: within the 100 ms that a death may take to be noticed. */
#define MMS_FATE_PERIOD_NS (INT64_C(95) * 1000 * 1000)

/* A call in flight, or one whose reply is kept until it is asked for. */
struct mms_call {
	uint64_t number;      /* 0: none */
	uint64_t at;          /* of the request in the ring */
	int64_t since_ns;     /* wall clock, coarse */
	unsigned char *reply; /* its record, where it was put aside */
	size_t length;
};

struct mms_caller {
	struct mms_lane *lane;
	struct mms_ring *ring;
	uint64_t next;     /* number of the next call */
	uint64_t floor;    /* as it stands in the lane */
	unsigned count;    /* calls that have not ended */
	unsigned given_up; /* since the lane was last seen empty */
	uint32_t servers;
	bool served; /* somebody served when the count was that */
	int status;
	struct mms_call calls[MMS_CALLS]; /* by number */
};

/* A reply: the payload of its record, still in the lane or put aside. */
struct mms_reply {
	struct mms_call *call;
	const unsigned char *payload;
	size_t length;
};

/* The call of this number, or NULL. */
struct mms_call *mms_call_find(struct mms_caller *caller, uint64_t number);

/* Does anybody serve?  Asks the kernel. */
bool mms_is_served(struct mms_port *port);

/* The same, asked once for each coming and going of a server: 0, -ECONNREFUSED. */
int mms_check_served(struct mmsock *handle);

/* Rises when a server comes or goes. */
uint32_t mms_servers_seen(const struct mmsock *handle);

/* Has a server taken the request off the ring? */
bool mms_is_taken(const struct mmsock *handle, const struct mms_call *call);

/* No reply so far: 0 to go on waiting, or what has become of the call. */
int mms_fate(struct mmsock *handle, const struct mms_call *call);

/* The same of all calls in flight; *@ret_call is the first that has ended. */
int mms_fate_of_any(struct mmsock *handle, struct mms_call **ret_call);

/* Make the next number usable: 0, or -ENOBUFS. */
int mms_call_begin(struct mms_caller *caller);

/* For those who look: how many calls, and since when; NULL: as before. */
void mms_show_calls(struct mmsock *handle, const struct mms_call *oldest);

/*
 * Wait for the reply to @call, or to any where that is NULL.  Where the call has
 * ended without one, ret_reply->call is set beside the error.
 */
int mms_await_reply(struct mmsock *handle, struct mms_call *call,
		    const struct mms_limit *limit, struct mms_reply *ret_reply);

/* What the record says: 0 for an answer, else the error that it is. */
int mms_read_reply(struct mms_caller *caller, const struct mms_reply *reply);

/* The call is over, and its reply of no use any more. */
void mms_call_end(struct mmsock *handle, const struct mms_reply *reply);

/* End a call that no reply is wanted to any more; true if nobody had taken it. */
bool mms_call_give_up(struct mmsock *handle, struct mms_call *call);

#endif
