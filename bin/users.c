/* SPDX-License-Identifier: MIT */
/*
 * users.c - who uses a port, in words
 *
 * For a message on a terminal: it is short, and nothing that a process calls
 * itself can act on the terminal.
 */
#include "users.h"

#include <err.h>
#include <stdio.h>

#define LIBBSD_NETBSD_VIS /* of two meanings of strnvis() this one */
#include <bsd/vis.h>

#include <mmsock.h>

#include "tool.h"

/* So many are named. */
#define NAMED_MOST 8U

struct crowd {
	FILE *out;
	unsigned count; /* of processes */
	int pids[MMSOCK_SLOTS_MAX];
};

/* A process may be attached several times, as a server with several jobs is. */
static bool is_new(struct crowd *crowd, int pid)
{
	for (unsigned i = 0; i < crowd->count; i++)
		if (crowd->pids[i] == pid)
			return false;
	if (crowd->count == ARRAY_SIZE(crowd->pids))
		return false;
	crowd->pids[crowd->count++] = pid;
	return true;
}

static int name_user(const struct mmsock_peer *peer, void *context)
{
	struct crowd *crowd = context;
	char program[4 * sizeof(peer->program) + 1];

	if (peer->activity == MMSOCK_DEAD || !is_new(crowd, peer->pid) ||
	    crowd->count > NAMED_MOST)
		return 0;
	strnvis(program, sizeof(program), peer->program,
		VIS_OCTAL | VIS_TAB | VIS_NL);
	(void)fprintf(crowd->out, "%s %d (%s)", crowd->count > 1 ? "," : " by",
		      peer->pid, program);
	return 0;
}

char *users_text(const char *port, const char *dir)
{
	struct crowd crowd = {0};
	size_t size;
	char *text;

	crowd.out = open_memstream(&text, &size);
	if (!crowd.out)
		err(TOOL_SYSTEM, NULL);
	mmsock_inspect_peers(port, dir, name_user, &crowd);
	if (crowd.count > NAMED_MOST)
		(void)fprintf(crowd.out, " and %u more",
			      crowd.count - NAMED_MOST);
	/* Nothing but memory can be short, and this sees it. */
	if (fclose(crowd.out) != 0)
		err(TOOL_SYSTEM, NULL);
	return text;
}
