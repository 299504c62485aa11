/* SPDX-License-Identifier: MIT */
/*
 * scribble.c - see scribble.h
 *
 * Nothing here calls the library, which would call back.
 */
#include "scribble.h"

#include <pthread.h>

#include "lane.h"
#include "unit/sandbox.h"

#define STORES_MAX 64
#define PLACES     256U /* that a byte names */
#define WORD       sizeof(uint64_t)

/* A word of the file, what to do to it, and how many steps to wait before. */
struct store {
	unsigned place;
	unsigned how;
	unsigned delay;
	uint64_t operand;
};

static struct {
	unsigned char *map;
	unsigned char *image; /* the file as it was */
	size_t size;
	struct store stores[STORES_MAX];
	size_t count;
	bool due;
	size_t next; /* of those that are due in the middle of calls */
	unsigned steps;
	pthread_t thread;
	_Atomic bool live; /* the thread is there, and steps do not count */
} scribbler;

/* The linker looks for them by name in what is compiled to call them. */
void __cyg_profile_func_enter(void *function, void *caller);
void __cyg_profile_func_exit(void *function, void *caller);

static _Atomic uint64_t *word_at(uint64_t offset)
{
	return (_Atomic uint64_t *)(void *)(scribbler.map + offset);
}

static uint64_t load(uint64_t offset)
{
	return atomic_load_explicit(word_at(offset), memory_order_relaxed);
}

/* The header never changes; of a semaphore it is the file's end. */
static uint64_t ring_offset(void)
{
	return load(offsetof(struct mms_header, ring_offset));
}

static const struct mms_header *header(void)
{
	return (const void *)scribbler.map;
}

static bool has_lanes(void)
{
	return header()->type == MMS_TYPE_RPC;
}

/* The word of the ring at @ring, @distance words behind what the end says. */
static uint64_t near_end(uint64_t ring, uint64_t end, int distance)
{
	uint64_t position = load(end + offsetof(struct mms_end, at)) +
			    (uint64_t)((int64_t)distance * 8);

	return ring + (position & (SCRIBBLE_RING - 1) & ~UINT64_C(7));
}

/*
 * Control block, pool, rows, and the ring's words from head on and around tail.  A
 * semaphore has no ring; its pool is found instead.
 */
static uint64_t offset_in_port(unsigned place)
{
	const uint64_t send =
		MMS_CONTROL_OFFSET + offsetof(struct mms_control, send);
	const uint64_t recv =
		MMS_CONTROL_OFFSET + offsetof(struct mms_control, recv);
	bool has_ring = load(offsetof(struct mms_header, ring_bytes)) != 0;

	if (place < 64)
		return MMS_CONTROL_OFFSET + 8 * place;
	if (place < 67 || (place >= 131 && !has_ring))
		return MMS_POOL_OFFSET + 8 * (place % 3);
	if (place < 131)
		return MMS_ROWS_OFFSET + 8 * (place - 67);
	if (place < 194)
		return near_end(ring_offset(), recv, (int)place - 131);
	return near_end(ring_offset(), send, (int)place - 210);
}

/* The lanes' words, and the desks'. */
static uint64_t offset_in_table(unsigned place)
{
	uint64_t bytes = mms_desks_end(header()) - mms_lanes_offset(header());

	return mms_lanes_offset(header()) + place % (bytes / WORD) * WORD;
}

/* The words of a client's reply ring from head on and around tail. */
static uint64_t offset_in_lane(unsigned place)
{
	unsigned client = place / 128 % header()->clients;
	uint64_t lane = mms_lanes_offset(header()) +
			client * (uint64_t)sizeof(struct mms_lane);
	uint64_t ring = ring_offset() + header()->ring_bytes +
			client * header()->lane_bytes;

	place %= 128;
	if (place < 64)
		return near_end(ring, lane + offsetof(struct mms_lane, recv),
				(int)place);
	return near_end(ring, lane + offsetof(struct mms_lane, send),
			(int)place - 80);
}

/* A service has three times as many places. */
static uint64_t offset_of(unsigned place)
{
	unsigned part = has_lanes() ? place / PLACES % 3 : 0;

	if (part == 1)
		return offset_in_table(place % PLACES);
	if (part == 2)
		return offset_in_lane(place % PLACES);
	return offset_in_port(place % PLACES);
}

static uint64_t changed(const struct store *store, uint64_t old)
{
	uint64_t operand = store->operand;

	switch (store->how % 8) {
	case 0:
		return operand;
	case 1:
		return old + (uint64_t)(int64_t)(int16_t)operand;
	case 2:
		return old + 8 * (uint64_t)(int64_t)(int16_t)operand;
	case 3:
		return old ^ UINT64_C(1) << operand % 64;
	case 4: /* a record's header */
		return MMS_RECORD_MARK |
		       (operand >> 16 & 7) << MMS_RECORD_SLOT_SHIFT |
		       (operand & 0xffff);
	case 5: /* what another word says */
		return load(offset_of(operand & 0xffff));
	case 6:
		return (old & ~UINT64_C(0xffffffff)) | (operand & 0xffffffff);
	default:
		return (old & 0xffffffff) | operand << 32;
	}
}

static void write_store(const struct store *store)
{
	uint64_t offset = offset_of(store->place);

	atomic_store_explicit(word_at(offset), changed(store, load(offset)),
			      memory_order_relaxed);
}

static void step(void)
{
	if (scribbler.live || scribbler.next == scribbler.count)
		return;
	scribbler.steps++;
	while (scribbler.next < scribbler.count &&
	       scribbler.steps >= scribbler.stores[scribbler.next].delay) {
		scribbler.steps = 0;
		write_store(&scribbler.stores[scribbler.next++]);
	}
}

void __cyg_profile_func_enter(void *function, void *caller)
{
	(void)function;
	(void)caller;
	step();
}

void __cyg_profile_func_exit(void *function, void *caller)
{
	(void)function;
	(void)caller;
	step();
}

void scribble_init(const char *path)
{
	struct stat status;

	CHECK(!stat(path, &status));
	scribbler.size = (size_t)status.st_size;
	scribbler.map = map_file(path);
	scribbler.image = malloc(scribbler.size);
	CHECK(scribbler.image);
	memcpy(scribbler.image, scribbler.map, scribbler.size);
}

void scribble_reset(void)
{
	memcpy(scribbler.map, scribbler.image, scribbler.size);
	scribbler.count = scribbler.next = scribbler.steps = 0;
	scribbler.due = false;
}

bool scribble_due(void)
{
	return scribbler.due;
}

unsigned char *scribble_file(void)
{
	return scribbler.map;
}

/* As many bytes of the operand as its size says, so that inputs stay short. */
void scribble_take(struct fuzz_input *input)
{
	unsigned bytes = has_lanes() ? 2 : 1;
	struct store store = {.place = (unsigned)fuzz_number(input, bytes)};
	unsigned how = (unsigned)fuzz_number(input, 1);

	store.how = how % 8;
	store.operand = fuzz_number(input, 1U << how / 8 % 4);
	store.delay = how / 32 ? (unsigned)fuzz_number(input, 1) : 0;
	scribbler.due = true;
	if (!store.delay)
		write_store(&store);
	else if (scribbler.count < STORES_MAX)
		scribbler.stores[scribbler.count++] = store;
}

static void *scribble(void *context)
{
	(void)context;
	while (scribbler.live) {
		for (size_t i = 0; i < scribbler.count; i++)
			write_store(&scribbler.stores[i]);
	}
	return NULL;
}

void scribble_start(void)
{
	scribbler.live = true;
	CHECK(!pthread_create(&scribbler.thread, NULL, scribble, NULL));
}

void scribble_stop(void)
{
	if (!scribbler.live)
		return;
	scribbler.live = false;
	CHECK(!pthread_join(scribbler.thread, NULL));
}

static bool same(size_t from, size_t to)
{
	return !memcmp(scribbler.map + from, scribbler.image + from, to - from);
}

void scribble_check(void)
{
	size_t rows_end = has_lanes() ? mms_desks_end(header())
				      : mms_lanes_offset(header());

	CHECK(same(0, MMS_CONTROL_OFFSET));
	CHECK(same(MMS_POOL_OFFSET + sizeof(struct mms_pool), MMS_ROWS_OFFSET));
	CHECK(same(rows_end, ring_offset()));
}
