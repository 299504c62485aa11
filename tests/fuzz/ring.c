/* SPDX-License-Identifier: MIT */
/*
 * ring.c - a port whose control block and ring hold anything
 *
 * An input is a script and what is to be different, in the ring from where the
 * oldest message lies and in the control block.  The damage is done before
 * anybody opens the port, or while two have it open and nobody does anything.
 */
#include "script.h"

/* The two ends and the signals, without the gaps between them. */
struct damage {
	unsigned char send[sizeof(struct mms_end)];
	unsigned char recv[sizeof(struct mms_end)];
	unsigned char signals[sizeof(struct mms_signals)];
};

static void change(void *words, const unsigned char *by, size_t size)
{
	unsigned char *bytes = words;

	for (size_t i = 0; i < size; i++)
		bytes[i] ^= by[i];
}

/* The ring first, because most of the words of control are better left alone. */
static void damage(struct fuzz_input *input)
{
	struct mms_header *header = (void *)scribble_file();
	struct mms_control *control =
		(void *)(scribble_file() + MMS_CONTROL_OFFSET);
	unsigned char *ring = scribble_file() + header->ring_offset;
	uint64_t head = mms_load(&control->recv.at);
	size_t length = (size_t)fuzz_number(input, 1);
	struct damage by = {.send = {0}};

	while (length-- > 0)
		ring[head++ % header->ring_bytes] ^=
			(unsigned char)fuzz_number(input, 1);
	fuzz_copy(input, &by, sizeof(by));
	change(&control->send, by.send, sizeof(by.send));
	change(&control->recv, by.recv, sizeof(by.recv));
	change(&control->signals, by.signals, sizeof(by.signals));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	script_init();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct script script = {.scribbles = false};
	bool late = fuzz_number(&input, 1) % 2;
	size_t length = (size_t)fuzz_number(&input, 1);

	if (length > input.left)
		length = input.left;
	script.input = (struct fuzz_input){input.at, length};
	input.at += length;
	input.left -= length;
	scribble_reset();
	if (!late)
		damage(&input);
	script_begin(&script);
	if (late)
		damage(&input);
	while (script.input.left)
		script_step(&script);
	script_end(&script);
	scribble_check();
	return 0;
}
