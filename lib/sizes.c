/* SPDX-License-Identifier: MIT */
/*
 * sizes.c - what a new file is to be like, by the options: sizes, checked and rounded
 *
 * Knows the layout, and nothing of files.
 */
#include <errno.h>

#include "birth.h"
#include "deadline.h"
#include "error.h"
#include "lane.h"
#include "ring.h"

#define DEFAULT_RING        UINT64_C(1048576)
#define DEFAULT_SLOTS       64U
#define DEFAULT_SEM_SLOTS   256U
#define DEFAULT_CLIENTS     32U
#define DEFAULT_SERVERS     32U
#define DEFAULT_REPLY       UINT64_C(65536)
#define LEAST_REPLY         UINT64_C(1024)
#define DEFAULT_PERMISSIONS 0600U

static uint64_t round_up(uint64_t number, uint64_t unit)
{
	return (number + unit - 1) / unit * unit;
}

static uint64_t power_of_two_from(uint64_t number)
{
	uint64_t power = MMSOCK_RING_MIN;

	while (power < number)
		power *= 2;
	return power;
}

/*
 * A service's requests may be as large as its replies, and each client may have
 * sent one: whoever waits for room is overtaken again and again by those who do not.
 */
static uint64_t default_ring(const struct mms_header *header)
{
	uint64_t ring = header->clients * mms_record_size(header->max_reply);

	if (ring > MMSOCK_RING_MAX)
		return MMSOCK_RING_MAX;
	return ring > DEFAULT_RING ? ring : DEFAULT_RING;
}

/* @word: what a record begins with, beside the message. */
static int plan_ring(const struct mmsock_options *options, uint64_t word,
		     struct mms_header *header)
{
	uint64_t ring = options->ring_bytes ? options->ring_bytes
					    : default_ring(header);
	uint64_t most;

	if (ring > MMSOCK_RING_MAX)
		return mms_fail(-EINVAL, "a ring has at most 64 GiB");
	ring = power_of_two_from(ring);
	most = mms_ring_max_message(ring);
	if (most > MMS_RECORD_LENGTH)
		most = MMS_RECORD_LENGTH;
	header->ring_bytes = ring;
	header->max_message =
		options->max_message ? options->max_message + word : ring / 2;
	if (!options->max_message && header->max_message > most)
		header->max_message = most;
	if (options->max_message > most - word)
		return mms_fail(-EINVAL,
				"a ring of %llu bytes takes messages of at "
				"most %llu",
				(unsigned long long)ring,
				(unsigned long long)(most - word));
	return 0;
}

/*
 * Every lane takes the text of an error, too, and a late reply beside one that is
 * waited for; caller.c says why.
 */
static int plan_lanes(const struct mmsock_options *options,
		      struct mms_header *header)
{
	uint64_t reply =
		options->reply_bytes ? options->reply_bytes : DEFAULT_REPLY;
	uint64_t most = MMS_RECORD_LENGTH - MMS_CALL_WORD;

	if (reply > most)
		return mms_fail(-EINVAL, "a reply has at most %llu bytes",
				(unsigned long long)most);
	if (reply < LEAST_REPLY)
		reply = LEAST_REPLY;
	header->clients = options->clients ? options->clients : DEFAULT_CLIENTS;
	if (header->clients >= MMSOCK_SLOTS_MAX)
		return mms_fail(-EINVAL, "a service has at most %u clients",
				MMSOCK_SLOTS_MAX - 1);
	header->max_reply = MMS_CALL_WORD + reply;
	header->lane_bytes =
		power_of_two_from(2 * mms_record_size(header->max_reply) +
				  MMS_LANE_MARGIN + MMS_HEADER_SIZE);
	return 0;
}

static int plan_slots(const struct mmsock_options *options,
		      const struct mms_header *header, unsigned *ret_slots)
{
	unsigned slots = options->slots;

	if (header->type != MMS_TYPE_RPC) {
		*ret_slots = slots ? slots : DEFAULT_SLOTS;
		return 0;
	}
	if (!slots) {
		slots = header->clients + DEFAULT_SERVERS;
		if (slots > MMSOCK_SLOTS_MAX)
			slots = MMSOCK_SLOTS_MAX;
	}
	if (slots <= header->clients)
		return mms_fail(-EINVAL,
				"%u slots leave none for servers beside %u "
				"clients",
				slots, header->clients);
	*ret_slots = slots;
	return 0;
}

/* What types have in common, and the sizes that follow from the rest. */
static int complete_plan(struct mms_plan *plan, unsigned slots)
{
	struct mms_header *header = &plan->header;

	if (slots > MMSOCK_SLOTS_MAX)
		return mms_fail(-EINVAL, "a port has at most %u slots",
				MMSOCK_SLOTS_MAX);
	if (plan->permissions & ~0777U)
		return mms_fail(-EINVAL, "permissions are at most 0777");
	if (!plan->permissions)
		plan->permissions = DEFAULT_PERMISSIONS;
	header->magic = MMS_MAGIC;
	header->layout = MMS_LAYOUT_VERSION;
	header->byte_order = MMS_BYTE_ORDER;
	header->header_bytes = MMS_CONTROL_OFFSET;
	header->record_align = MMS_RECORD_ALIGN;
	header->slots = slots;
	header->row_bytes = sizeof(struct mms_row);
	header->created_ns = mms_clock_ns(CLOCK_REALTIME);
	header->ring_offset = round_up(header->type == MMS_TYPE_RPC
					       ? mms_desks_end(header)
					       : mms_lanes_offset(header),
				       MMS_PAGE);
	header->file_bytes = header->ring_offset + header->ring_bytes +
			     header->clients * header->lane_bytes;
	return 0;
}

int mms_birth_plan(const struct mmsock_options *options,
		   struct mms_plan *ret_plan)
{
	bool rpc = options->type == MMS_TYPE_RPC;
	struct mms_plan plan = {
		.header.type = rpc ? MMS_TYPE_RPC : MMS_TYPE_QUEUE,
		.header.engine = MMS_ENGINE_RING,
		.permissions = options->permissions,
		.group = options->group,
	};
	unsigned slots = 0;
	int r;

	if (options->type && options->type != plan.header.type)
		return mms_fail(-EINVAL, "port type %u is not known",
				options->type);
	r = rpc ? plan_lanes(options, &plan.header) : 0;
	if (!r)
		r = plan_ring(options, rpc ? MMS_CALL_WORD : 0, &plan.header);
	if (!r)
		r = plan_slots(options, &plan.header, &slots);
	if (!r)
		r = complete_plan(&plan, slots);
	if (!r)
		*ret_plan = plan;
	return r;
}

int mms_birth_plan_sem(const struct mmsock_sem_options *options,
		       struct mms_plan *ret_plan)
{
	uint64_t maximum =
		options->maximum ? options->maximum : MMSOCK_SEM_VALUE_MAX;
	struct mms_plan plan = {
		.header.type = MMS_TYPE_SEMAPHORE,
		.header.engine = MMS_ENGINE_UNITS,
		.header.max_message = maximum,
		.value = options->value,
		.permissions = options->permissions,
		.group = options->group,
	};
	int r;

	if (maximum > MMSOCK_SEM_VALUE_MAX)
		return mms_fail(-EINVAL,
				"the largest value of a semaphore is at most "
				"%u",
				MMSOCK_SEM_VALUE_MAX);
	if (options->value > maximum)
		return mms_fail(-EINVAL,
				"the value of a semaphore is at most its "
				"largest value, %llu",
				(unsigned long long)maximum);
	r = complete_plan(&plan,
			  options->slots ? options->slots : DEFAULT_SEM_SLOTS);
	if (!r)
		*ret_plan = plan;
	return r;
}
