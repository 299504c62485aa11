/* SPDX-License-Identifier: MIT */
/*
 * cat.h - what mmsock-cat does, once it is known what is asked for
 */
#ifndef CAT_H
#define CAT_H

#include <stdbool.h>
#include <stddef.h>

#include "progress.h"
#include "stream.h"
#include "tool.h"

#define CAT_PORTS_MAX TOOL_HANDLES_MAX

struct cat_config {
	struct stream_config stream; /* its port: the names of all */
	const char *inputs[CAT_PORTS_MAX];
	const char *outputs[CAT_PORTS_MAX];
	size_t input_count;
	size_t output_count;
	const char *service; /* both ways; NULL: none */
	enum progress_when progress;
	bool exit_on_empty;
	bool keep_open;
	bool tee;
};

/* cat_run - attach, move messages until it is over, detach; exit status */
int cat_run(const struct cat_config *config);

#endif
