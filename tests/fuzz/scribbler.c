/* SPDX-License-Identifier: MIT */
/*
 * scribbler.c - a port that somebody scribbles over while others use it
 */
#include "script.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	script_init();
	return 0;
}

/* In one of 16 inputs by a thread, of what the first bytes say. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {.input = {data, size}, .scribbles = true};
	unsigned choice = (unsigned)script_number(&script, 1);
	unsigned first = choice % 16;

	scribble_reset();
	script_begin(&script);
	while (first-- > 0 && script.input.left)
		scribble_take(&script.input);
	if (choice / 16 == 15) {
		script.scribbles = false;
		scribble_start();
	}
	while (script.input.left)
		script_step(&script);
	script_end(&script);
	scribble_stop();
	scribble_check();
	return 0;
}
