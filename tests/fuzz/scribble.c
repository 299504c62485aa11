/* SPDX-License-Identifier: MIT */
/*
 * scribble.c - see scribble.h
 *
 * Nothing here calls the library, which would call back.
 */
#include "scribble.h"

#include <pthread.h>
#include <stdbool.h>

#include "unit/sandbox.h"

#define STORES_MAX 64

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

/* The word that lies @distance words behind what @end names; of a ring. */
static uint64_t near_end(size_t end, int distance)
{
	uint64_t position =
		load(MMS_CONTROL_OFFSET + end + offsetof(struct mms_end, at)) +
		(uint64_t)((int64_t)distance * 8);

	return ring_offset() + (position & (SCRIBBLE_RING - 1) & ~UINT64_C(7));
}

/*
 * Control block, pool, rows, and the ring's words from head on and around tail.  A
 * semaphore has no ring; its pool is found instead.
 */
static uint64_t offset_of(unsigned place)
{
	bool has_ring = load(offsetof(struct mms_header, ring_bytes)) != 0;

	if (place < 64)
		return MMS_CONTROL_OFFSET + 8 * place;
	if (place < 67 || (place >= 131 && !has_ring))
		return MMS_POOL_OFFSET + 8 * (place % 3);
	if (place < 131)
		return MMS_ROWS_OFFSET + 8 * (place - 67);
	if (place < 194)
		return near_end(offsetof(struct mms_control, recv),
				(int)place - 131);
	return near_end(offsetof(struct mms_control, send), (int)place - 210);
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
		return load(offset_of(operand & 0xff));
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
}

unsigned char *scribble_file(void)
{
	return scribbler.map;
}

/* As many bytes of the operand as its size says, so that inputs stay short. */
void scribble_take(struct fuzz_input *input)
{
	struct store store = {.place = (unsigned)fuzz_number(input, 1)};
	unsigned how = (unsigned)fuzz_number(input, 1);

	store.how = how % 8;
	store.operand = fuzz_number(input, 1U << how / 8 % 4);
	store.delay = how / 32 ? (unsigned)fuzz_number(input, 1) : 0;
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
	size_t rows_end =
		MMS_ROWS_OFFSET + SCRIBBLE_SLOTS * sizeof(struct mms_row);

	CHECK(same(0, MMS_CONTROL_OFFSET));
	CHECK(same(MMS_POOL_OFFSET + sizeof(struct mms_pool), MMS_ROWS_OFFSET));
	CHECK(same(rows_end, ring_offset()));
}
