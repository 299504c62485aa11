/* SPDX-License-Identifier: MIT */
/*
 * units.c - a semaphore that somebody scribbles over while others use it
 */
#include "fuzz.h"
#include "scribble.h"
#include "unit/sandbox.h"

#define NAME    "damaged"
#define MAXIMUM 9
#define PARTIES 3

static struct mmsock_sem *sems[PARTIES];

static void check(int64_t r)
{
	switch (-r) {
	case EAGAIN:
	case EBADMSG:
	case EIDRM:
	case EINTR:
	case EINVAL:
	case EOVERFLOW:
	case EPERM:
	case ESTALE:
	case ETIMEDOUT:
		return;
	default:
		CHECK(r >= 0 && r <= MAXIMUM);
	}
}

static int visit(const struct mmsock_peer *peer, void *context)
{
	(void)context;
	CHECK(peer->slot < SCRIBBLE_SLOTS);
	CHECK(peer->held <= MMSOCK_SEM_VALUE_MAX);
	return 0;
}

static void look(void)
{
	struct mmsock_info info = {.size = sizeof(info)};

	CHECK_INT(mmsock_inspect(NAME, NULL, &info), 0);
	CHECK(info.value <= MAXIMUM);
	CHECK_INT(mmsock_inspect_peers(NAME, NULL, visit, NULL), 0);
}

static void reopen(struct mmsock_sem **sem, struct fuzz_input *input)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	unsigned choice = (unsigned)fuzz_number(input, 1);

	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	options.flags = choice & 1 ? MMSOCK_SEM_OWNED : 0;
	options.spin_ns = choice & 2 ? 0 : MMSOCK_SPIN_ADAPTIVE;
	mmsock_sem_close(*sem);
	*sem = NULL;
	check(mmsock_sem_open(NAME, &options, sem));
}

/* One step: who, what, and how long he may wait, up to 35 us. */
static void step(struct fuzz_input *input, bool scribbles)
{
	unsigned choice = (unsigned)fuzz_number(input, 1);
	struct mmsock_sem **sem = &sems[choice % 4 % PARTIES];
	unsigned call = choice / 4 % 8;
	int64_t timeout_ns = choice / 32 * INT64_C(5000);

	if (call >= 6 && scribbles)
		scribble_take(input);
	else if (call == 5)
		look();
	else if (call >= 4 || !*sem)
		reopen(sem, input);
	else if (call == 3)
		check(mmsock_sem_value(*sem));
	else if (call == 2)
		check(mmsock_sem_post(*sem, fuzz_number(input, 1) % 16));
	else
		check(mmsock_sem_wait(*sem, fuzz_number(input, 1) % 16,
				      timeout_ns));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	(void)argc;
	(void)argv;
	make_sandbox();
	options.maximum = MAXIMUM;
	options.value = MAXIMUM / 2;
	options.slots = SCRIBBLE_SLOTS;
	CHECK_INT(mmsock_sem_create(NAME, &options), 1);
	scribble_init(join(getenv("MMSOCK_DIR"), NAME));
	return 0;
}

/* In one of 16 inputs by a thread, of what the first bytes say. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	unsigned choice = (unsigned)fuzz_number(&input, 1);
	unsigned first = choice % 16;
	bool by_thread = choice / 16 == 15;

	scribble_reset();
	while (first-- > 0 && input.left)
		scribble_take(&input);
	if (by_thread)
		scribble_start();
	while (input.left)
		step(&input, !by_thread);
	for (size_t i = 0; i < PARTIES; i++) {
		mmsock_sem_close(sems[i]);
		sems[i] = NULL;
	}
	scribble_stop();
	scribble_check();
	return 0;
}
