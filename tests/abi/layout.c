/* SPDX-License-Identifier: MIT */
/*
 * layout.c - print every offset, size and constant of the port file
 *
 * tests/abi/layout.txt is what came out when the layout was given its version.
 * A difference is another layout: it needs another version, not another
 * expectation.
 */
#include <inttypes.h>
#include <stdio.h>

#include "layout.h"
#include "mmsock.h"

#define MEMBER(type, member)                                                   \
	printf("%-12s %-16s %5zu %4zu\n", #type, #member,                      \
	       offsetof(struct mms_##type, member),                            \
	       sizeof(((struct mms_##type *)0)->member))
#define WHOLE(type)                                                            \
	printf("%-12s %-16s %5s %4zu\n", #type, "", "",                        \
	       sizeof(struct mms_##type))
#define NUMBER(name) printf("%-29s %#" PRIx64 "\n", #name, (uint64_t)(name))

static void print_header(void)
{
	MEMBER(header, magic);
	MEMBER(header, layout);
	MEMBER(header, byte_order);
	MEMBER(header, type);
	MEMBER(header, engine);
	MEMBER(header, header_bytes);
	MEMBER(header, record_align);
	MEMBER(header, slots);
	MEMBER(header, row_bytes);
	MEMBER(header, ring_offset);
	MEMBER(header, ring_bytes);
	MEMBER(header, max_message);
	MEMBER(header, file_bytes);
	MEMBER(header, creation_id);
	MEMBER(header, created_ns);
	MEMBER(header, boot_id);
	MEMBER(header, check);
	MEMBER(header, clients);
	MEMBER(header, lane_bytes);
	MEMBER(header, max_reply);
	MEMBER(header, rpc_check);
	WHOLE(header);
}

static void print_parts(void)
{
	MEMBER(event, asked);
	MEMBER(event, turn);
	WHOLE(event);
	MEMBER(lock, word);
	MEMBER(lock, event);
	WHOLE(lock);
	MEMBER(end, lock);
	MEMBER(end, at);
	MEMBER(end, count);
	MEMBER(end, next_at);
	MEMBER(end, next_count);
	MEMBER(end, zeroed);
	MEMBER(end, stamp_ns);
	WHOLE(end);
}

static void print_control(void)
{
	MEMBER(signals, state);
	MEMBER(signals, servers);
	MEMBER(signals, data);
	MEMBER(signals, space);
	MEMBER(signals, peers);
	MEMBER(census, senders_joined);
	MEMBER(census, receivers_joined);
	MEMBER(census, senders_left);
	MEMBER(census, senders_died);
	MEMBER(census, died);
	MEMBER(census, takeovers);
	MEMBER(census, sleeps);
	MEMBER(census, late_wakes);
	MEMBER(census, dropped);
	MEMBER(census, boot_id);
	MEMBER(census, replaced);
	MEMBER(census, corrupt);
	MEMBER(control, send);
	MEMBER(control, recv);
	MEMBER(control, signals);
	MEMBER(control, census);
	WHOLE(control);
}

static void print_pool(void)
{
	MEMBER(pool, units);
	MEMBER(pool, owners);
	MEMBER(pool, wide);
	WHOLE(pool);
}

static void print_service(void)
{
	MEMBER(lane, send);
	MEMBER(lane, recv);
	MEMBER(lane, data);
	MEMBER(lane, floor);
	MEMBER(lane, withdrawn);
	MEMBER(lane, doubted);
	MEMBER(lane, unmet);
	WHOLE(lane);
	MEMBER(note, request);
	MEMBER(note, since_ns);
	WHOLE(note);
	WHOLE(desk);
}

static void print_row(void)
{
	MEMBER(row, role);
	MEMBER(row, activity);
	MEMBER(row, pid);
	MEMBER(row, generation);
	MEMBER(row, confirmed);
	MEMBER(row, since_ns);
	MEMBER(row, program);
	MEMBER(row, sent);
	MEMBER(row, sent_bytes);
	MEMBER(row, received);
	MEMBER(row, received_bytes);
	MEMBER(row, sleeps);
	MEMBER(row, blocked_ns);
	MEMBER(row, late_wakes);
	MEMBER(row, robbed);
	MEMBER(row, held);
	MEMBER(row, journal);
	WHOLE(row);
}

static void print_numbers(void)
{
	NUMBER(MMS_MAGIC);
	NUMBER(MMS_LAYOUT_VERSION);
	NUMBER(MMS_BYTE_ORDER);
	NUMBER(MMS_ENGINE_RING);
	NUMBER(MMS_ENGINE_UNITS);
	NUMBER(MMS_TYPE_QUEUE);
	NUMBER(MMS_TYPE_RPC);
	NUMBER(MMS_TYPE_SEMAPHORE);
	NUMBER(MMS_PAGE);
	NUMBER(MMS_GROUP);
	NUMBER(MMS_CONTROL_OFFSET);
	NUMBER(MMS_POOL_OFFSET);
	NUMBER(MMS_ROWS_OFFSET);
	NUMBER(MMS_RECORD_ALIGN);
	NUMBER(MMS_HEADER_SIZE);
	NUMBER(MMS_ADMIN_BYTE);
	NUMBER(MMS_ENTRY_BYTE);
	NUMBER(MMS_SLOT_BYTE);
	NUMBER(MMS_LOCK_OWNER);
	NUMBER(MMS_LOCK_STEP);
	NUMBER(MMS_READY);
	NUMBER(MMS_CLOSED);
	NUMBER(MMS_REPLACED);
	NUMBER(MMS_ATTACHED);
	NUMBER(MMS_UNITS_VALUE);
	NUMBER(MMS_UNITS_OWNER_SHIFT);
	NUMBER(MMS_UNITS_OWNER);
	NUMBER(MMS_UNITS_VERSION_STEP);
	NUMBER(MMS_UNITS_VERSION);
	NUMBER(MMS_RECORD_MARK);
	NUMBER(MMS_RECORD_FIXED);
	NUMBER(MMS_RECORD_LENGTH);
	NUMBER(MMS_RECORD_SLOT_SHIFT);
	NUMBER(MMS_SLOT_MASK);
	NUMBER(MMS_CALLS);
	NUMBER(MMS_NOTES);
	NUMBER(MMS_NOTE_CLIENT);
	NUMBER(MMS_NOTE_NUMBER_SHIFT);
	NUMBER(MMS_CALL_NUMBER);
	NUMBER(MMS_CALL_KIND);
	NUMBER(MMS_CALL_ANSWER);
	NUMBER(MMS_CALL_FAILED);
	NUMBER(MMS_CALL_REFUSED);
	NUMBER(MMSOCK_SENDER);
	NUMBER(MMSOCK_RECEIVER);
	NUMBER(MMSOCK_OWNER);
	NUMBER(MMSOCK_PLAIN);
	NUMBER(MMSOCK_CLIENT);
	NUMBER(MMSOCK_SERVER);
	NUMBER(MMSOCK_SLOTS_MAX);
	NUMBER(MMSOCK_RING_MIN);
	NUMBER(MMSOCK_RING_MAX);
	NUMBER(MMSOCK_SEM_VALUE_MAX);
}

int main(void)
{
	print_header();
	print_parts();
	print_control();
	print_pool();
	print_service();
	print_row();
	print_numbers();
	return 0;
}
