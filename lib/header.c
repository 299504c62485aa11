/* SPDX-License-Identifier: MIT */
/*
 * header.c - is this a port, and one that we can work with?
 *
 * A header is read once into private memory and checked against itself and
 * against the file's size.  What passes here is all that the rest of the library
 * ever believes about a port's geometry.
 */
#include "header.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "lane.h"
#include "mmsock.h"
#include "ring.h"

/* FNV-1a, 64 bits (public domain, Fowler, Noll and Vo). */
static uint64_t hash_up_to(const struct mms_header *header, size_t length)
{
	const unsigned char *at = (const unsigned char *)header;
	const unsigned char *end = at + length;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	while (at < end)
		hash = (hash ^ *at++) * UINT64_C(0x100000001b3);
	return hash;
}

uint64_t mms_header_check(const struct mms_header *header)
{
	return hash_up_to(header, offsetof(struct mms_header, check));
}

void mms_header_seal(struct mms_header *header)
{
	header->check = mms_header_check(header);
	if (header->type == MMS_TYPE_RPC)
		header->rpc_check = hash_up_to(
			header, offsetof(struct mms_header, rpc_check));
}

static bool is_power_of_two(uint64_t number)
{
	return number && !(number & (number - 1));
}

static int check_version(const struct mms_header *header)
{
	if (header->magic != MMS_MAGIC &&
	    header->magic != __builtin_bswap64(MMS_MAGIC))
		return -ENOTSOCK;
	if (header->byte_order != MMS_BYTE_ORDER)
		return mms_fail(-EPROTONOSUPPORT,
				"the port's byte order is %08x, this machine's "
				"is %08x",
				header->byte_order, MMS_BYTE_ORDER);
	if (header->layout != MMS_LAYOUT_VERSION)
		return mms_fail(-EPROTONOSUPPORT,
				"the port has layout version %u, this library "
				"knows version %u",
				header->layout, MMS_LAYOUT_VERSION);
	if (header->check != mms_header_check(header))
		return mms_fail(-EBADMSG, "the header's checksum is wrong");
	return 0;
}

/* What belongs to a type alone; the header's sizes follow. */
static bool is_ring_size(uint64_t bytes)
{
	return is_power_of_two(bytes) && bytes >= MMSOCK_RING_MIN &&
	       bytes <= MMSOCK_RING_MAX;
}

static int check_ring(const struct mms_header *header)
{
	if (!is_ring_size(header->ring_bytes))
		return mms_fail(-EBADMSG,
				"ring size %llu in the header is impossible",
				(unsigned long long)header->ring_bytes);
	if (!header->max_message ||
	    header->max_message > mms_ring_max_message(header->ring_bytes) ||
	    header->max_message > MMS_RECORD_LENGTH)
		return mms_fail(-EBADMSG,
				"largest message %llu in the header is "
				"impossible",
				(unsigned long long)header->max_message);
	return 0;
}

static int check_lanes(const struct mms_header *header)
{
	uint64_t most;
	int r = check_ring(header);

	if (r)
		return r;
	if (header->rpc_check !=
	    hash_up_to(header, offsetof(struct mms_header, rpc_check)))
		return mms_fail(-EBADMSG, "the checksum of a service is wrong");
	if (!header->clients || header->clients >= header->slots)
		return mms_fail(-EBADMSG,
				"%u clients in %u slots are impossible",
				header->clients, header->slots);
	if (!is_ring_size(header->lane_bytes))
		return mms_fail(-EBADMSG,
				"lane size %llu in the header is impossible",
				(unsigned long long)header->lane_bytes);
	most = mms_ring_max_message(header->lane_bytes) - MMS_LANE_MARGIN;
	if (header->max_reply <= MMS_CALL_WORD || header->max_reply > most ||
	    header->max_reply > MMS_RECORD_LENGTH ||
	    header->max_message <= MMS_CALL_WORD)
		return mms_fail(-EBADMSG,
				"largest reply %llu in the header is "
				"impossible",
				(unsigned long long)header->max_reply);
	return 0;
}

static int check_units(const struct mms_header *header)
{
	if (header->ring_bytes)
		return mms_fail(-EBADMSG, "a semaphore has no ring");
	if (!header->max_message || header->max_message > MMS_UNITS_VALUE)
		return mms_fail(-EBADMSG,
				"largest value %llu in the header is "
				"impossible",
				(unsigned long long)header->max_message);
	return 0;
}

static int check_sizes(const struct mms_header *header, uint64_t file_bytes)
{
	bool rpc = header->type == MMS_TYPE_RPC;
	uint64_t rows_end =
		rpc ? mms_desks_end(header) : mms_lanes_offset(header);
	uint64_t lanes = rpc ? header->clients * header->lane_bytes : 0;

	if (header->ring_offset % MMS_PAGE || header->ring_offset < rows_end ||
	    header->ring_offset > MMSOCK_RING_MAX)
		return mms_fail(-EBADMSG, "the ring's place is impossible");
	if (header->file_bytes !=
	    header->ring_offset + header->ring_bytes + lanes)
		return mms_fail(-EBADMSG, "the header's sizes do not add up");
	if (header->file_bytes != file_bytes)
		return mms_fail(-EBADMSG,
				"the file has %llu bytes, its header says %llu",
				(unsigned long long)file_bytes,
				(unsigned long long)header->file_bytes);
	return 0;
}

/* A type, and the one engine that it has so far. */
struct type {
	uint32_t number;
	uint32_t engine;
	const char *name;
	int (*check)(const struct mms_header *header);
};

static const struct type types[] = {
	{MMS_TYPE_QUEUE, MMS_ENGINE_RING, "queue", check_ring},
	{MMS_TYPE_RPC, MMS_ENGINE_RING, "service", check_lanes},
	{MMS_TYPE_SEMAPHORE, MMS_ENGINE_UNITS, "semaphore", check_units},
};

static const struct type *type_of(uint32_t number)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].number == number)
			return &types[i];
	return NULL;
}

static int check_geometry(const struct mms_header *header,
			  const struct type *type, uint64_t file_bytes)
{
	int r;

	if (header->header_bytes != MMS_CONTROL_OFFSET ||
	    header->record_align != MMS_RECORD_ALIGN ||
	    header->row_bytes != sizeof(struct mms_row))
		return mms_fail(-EBADMSG, "the header's fixed sizes are wrong");
	if (!header->slots || header->slots > MMSOCK_SLOTS_MAX)
		return mms_fail(-EBADMSG, "%u slots in the header, at most %u",
				header->slots, MMSOCK_SLOTS_MAX);
	r = type->check(header);
	return r ? r : check_sizes(header, file_bytes);
}

int mms_header_validate(const struct mms_header *header, uint64_t file_bytes)
{
	int r = check_version(header);
	const struct type *type;

	if (r)
		return r;
	type = type_of(header->type);
	if (!type || type->engine != header->engine)
		return mms_fail(-EPROTONOSUPPORT,
				"the port has type %u and engine %u, which "
				"this library does not know",
				header->type, header->engine);
	return check_geometry(header, type, file_bytes);
}

/* Beside a semaphore, queues and services are both ports. */
int mms_header_check_type(const struct mms_header *header, uint32_t type)
{
	const char *is = type_of(header->type)->name;
	const char *wanted = type_of(type)->name;

	if (header->type == type)
		return 0;
	if (header->type == MMS_TYPE_SEMAPHORE)
		wanted = "port";
	else if (type == MMS_TYPE_SEMAPHORE)
		is = "port";
	else
		return mms_fail(-ENOTSOCK, "the port is a %s, not a %s", is,
				wanted);
	return mms_fail(-ENOTSOCK, "the file is a %s, not a %s", is, wanted);
}

/* As much as there is: one read may bring less.  The length, or -errno. */
static ssize_t read_all(int fd, void *buffer, size_t size)
{
	unsigned char *to = buffer;
	size_t have = 0;
	ssize_t got;

	do {
		got = pread(fd, to + have, size - have, (off_t)have);
		if (got < 0)
			return -errno;
		have += (size_t)got;
	} while (got && have < size);
	return (ssize_t)have;
}

int mms_header_read(int fd, const struct stat *status,
		    struct mms_header *ret_header)
{
	struct mms_header header;
	ssize_t got = read_all(fd, &header, sizeof(header));
	int r;

	if (got < 0)
		return (int)got;
	if (got < (ssize_t)sizeof(header)) {
		if (got < (ssize_t)sizeof(header.magic) ||
		    header.magic != MMS_MAGIC)
			return -ENOTSOCK;
		return mms_fail(-EBADMSG,
				"the file is cut short after %zd bytes", got);
	}
	r = mms_header_validate(&header, (uint64_t)status->st_size);
	if (header.type != MMS_TYPE_RPC)
		header.clients = 0;
	if (!r || r == -EPROTONOSUPPORT || r == -EBADMSG)
		*ret_header = header;
	return r;
}

/* "0123-..." to numbers; the grouping does not matter. */
static void parse_id(const char *text, size_t length, uint64_t ret_id[2])
{
	static const char digits[16] = {'0', '1', '2', '3', '4', '5', '6', '7',
					'8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
	const char *digit;
	unsigned nibble = 0;
	size_t i;

	for (i = 0; i < length && nibble < 32; i++) {
		digit = memchr(digits, text[i], sizeof(digits));
		if (!digit)
			continue;
		ret_id[nibble / 16] =
			ret_id[nibble / 16] << 4 | (uint64_t)(digit - digits);
		nibble++;
	}
}

void mms_boot_id(uint64_t ret_id[2])
{
	char text[64];
	ssize_t length;
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	ret_id[0] = ret_id[1] = 0;
	if (fd < 0)
		return;
	length = read(fd, text, sizeof(text));
	close(fd);
	if (length > 0)
		parse_id(text, (size_t)length, ret_id);
}
