/* SPDX-License-Identifier: MIT */
/*
 * select.c - matching operands with the port directory
 *
 * It does not look into the files there, nor decide what becomes of a port.
 */
#include "select.h"

#include <err.h>
#include <fnmatch.h>
#include <string.h>

#include <mmsock.h>

#include "tool.h"

struct search {
	char *const *operands;
	StringList *names;
};

bool select_is_path(const char *operand)
{
	return strchr(operand, '/') != NULL;
}

static bool matches(const char *operand, const char *port)
{
	if (select_is_path(operand) || select_is_path(port))
		return strcmp(operand, port) == 0;
	return fnmatch(operand, port, 0) == 0;
}

static bool is_wanted(char *const *operands, const char *name)
{
	if (!*operands)
		return true;
	for (; *operands; operands++)
		if (matches(*operands, name))
			return true;
	return false;
}

static int add_name(const char *name, void *context)
{
	struct search *search = context;
	char *copy;

	if (!is_wanted(search->operands, name))
		return 0;
	copy = strdup(name);
	if (!copy || sl_add(search->names, copy) < 0)
		err(TOOL_SYSTEM, NULL);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the list owns it */
	return 0;
}

static bool all_are_paths(char *const *operands)
{
	if (!*operands)
		return false;
	while (*operands && select_is_path(*operands))
		operands++;
	return !*operands;
}

int select_names(const char *dir, char *const *operands, StringList *names)
{
	struct search search = {operands, names};
	int r;

	/* A directory that nobody asked for may well be out of reach. */
	if (all_are_paths(operands))
		return TOOL_OK;
	r = mmsock_list(dir, add_name, &search);
	if (r < 0)
		warnx("%s", mmsock_error_text(r));
	return tool_status(TOOL_LOOK, r);
}

bool select_check(const char *operand, const StringList *ports)
{
	for (size_t i = 0; i < ports->sl_cur; i++)
		if (matches(operand, ports->sl_str[i]))
			return true;
	warnx("pattern '%s': no such port", operand);
	return false;
}

void select_keep_first(int *first, int status)
{
	if (*first == TOOL_OK)
		*first = status;
}
