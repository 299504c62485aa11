/* SPDX-License-Identifier: MIT */
/*
 * mmsock-sem - make, use and remove semaphores
 *
 * One verb a run.  wait, try and post work in plain mode, because the process
 * that they run in is gone at once; run is the one that owns what it takes, for
 * as long as its command runs.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <mmsock.h>

#include "command.h"
#include "make.h"
#include "tool.h"
#include "users.h"

enum option {
	CREATE,
	DIRECTORY,
	EXIST_OK,
	FORCE,
	GROUP,
	MAX,
	MODE,
	OVERWRITE,
	QUIET,
	SLOTS,
	SPIN,
	TIMEOUT,
	UNITS,
	OPTION_COUNT
};

/* clang-format off */
static const struct tool_option options[] = {
	{CREATE, 0, "create", "[VALUE]",
	 "wait, try, post, run: create it (1) where it is missing"},
	{DIRECTORY, 0, "dir", "DIR", "port directory"},
	{EXIST_OK, 'E', "exist-ok", NULL,
	 "create: it may exist, if it is as the options ask"},
	{FORCE, 'f', "force", NULL,
	 "rm: also what is in use or damaged; missing is no error"},
	{GROUP, 'g', "group", "GROUP", "create: its group, name or number"},
	{MAX, 0, "max", "VALUE", "create: largest value; 1 makes it binary"},
	{MODE, 'm', "mode", "MODE", "create: octal permissions (0600)"},
	{OVERWRITE, 0, "overwrite", NULL,
	 "create: put a new one in place of an existing one"},
	{QUIET, 'q', "quiet", NULL, "say nothing when the time is up"},
	{SLOTS, 0, "slots", "N", "create: most users at a time (256)"},
	{SPIN, 0, "spin", "DUR",
	 "wait, run: spin so long before sleeping; inf: never sleep"},
	{TIMEOUT, 'w', "timeout", "DUR",
	 "wait, run: give up after DUR, with status 124"},
	{UNITS, 'N', "units", "UNITS", "run: hold so many units (1)"},
};
/* clang-format on */

struct verb;

struct config {
	const struct verb *verb;
	const char *name;
	uint64_t number; /* VALUE or UNITS */
	struct mmsock_sem_options options;
	int64_t timeout_ns;
	bool given[OPTION_COUNT];
};

static void help_more(FILE *out);

static const struct tool tool = {
	.name = "mmsock-sem",
	.synopsis = "VERB [options] NAME [N] [-- CMD ARG...]",
	.purpose = "make and use semaphores",
	.options = options,
	.option_count = ARRAY_SIZE(options),
	.help_more = help_more,
};

static void take(const struct tool_seen *seen, void *context)
{
	struct config *config = context;
	struct mmsock_sem_options *asked = &config->options;

	config->given[seen->id] = true;
	switch ((enum option)seen->id) {
	case CREATE:
		if (seen->argument)
			asked->value =
				tool_count(seen, 0, MMSOCK_SEM_VALUE_MAX);
		break;
	case DIRECTORY:
		asked->dir = seen->argument;
		break;
	case GROUP:
		asked->group = make_group(seen);
		break;
	case MAX:
		asked->maximum = tool_count(seen, 1, MMSOCK_SEM_VALUE_MAX);
		break;
	case MODE:
		asked->permissions = tool_mode(seen);
		break;
	case SLOTS:
		asked->slots = (unsigned)tool_count(seen, 1, MMSOCK_SLOTS_MAX);
		break;
	case SPIN:
		asked->spin_ns = tool_duration(seen);
		break;
	case TIMEOUT:
		config->timeout_ns = tool_timeout(tool_duration(seen));
		break;
	case UNITS:
		config->number = tool_count(seen, 1, MMSOCK_SEM_VALUE_MAX);
		break;
	case EXIST_OK:
	case FORCE:
	case OVERWRITE:
	case QUIET:
	case OPTION_COUNT:
		break;
	}
}

static int report(const struct config *config, enum tool_act act, int error)
{
	const bool *given = config->given;

	if (error == -EINTR && tool_signal())
		return TOOL_NO;
	if (error == -ETIMEDOUT && given[QUIET])
		return TOOL_TIMEOUT;
	return tool_sem_error(act, config->name, config->options.dir, error);
}

/* -- semaphores that are open -------------------------------------------- */

static int open_sem(struct config *config, struct mmsock_sem **ret_sem)
{
	bool create = config->given[CREATE];
	int r;

	config->options.mode =
		create ? MMSOCK_CONNECT_OR_CREATE : MMSOCK_CONNECT_TO_EXISTING;
	r = mmsock_sem_open(config->name, &config->options, ret_sem);
	if (r < 0)
		return report(config, create ? TOOL_CREATE : TOOL_USE, r);
	tool_interrupt_sem(*ret_sem);
	return TOOL_OK;
}

static void close_sem(struct mmsock_sem *sem)
{
	tool_interrupt_sem(NULL);
	mmsock_sem_close(sem);
}

static int take_units(const struct config *config, struct mmsock_sem *sem,
		      int64_t timeout_ns)
{
	int r;

	do {
		r = mmsock_sem_wait(sem, config->number, timeout_ns);
	} while (r == -EINTR && tool_signal() == 0);
	return r;
}

static int wait_units(struct config *config, struct mmsock_sem *sem)
{
	int r = take_units(config, sem, config->timeout_ns);

	/* With -w 0 the library does not wait either, but the time is up. */
	if (r == -EAGAIN)
		r = -ETIMEDOUT;
	return r < 0 ? report(config, TOOL_USE, r) : TOOL_OK;
}

static int with_sem(struct config *config,
		    int (*act)(struct config *config, struct mmsock_sem *sem))
{
	struct mmsock_sem *sem = NULL;
	int status;

	tool_catch_signals(config->name);
	status = open_sem(config, &sem);
	if (status == TOOL_OK)
		status = act(config, sem);
	close_sem(sem);
	tool_die();
	return status;
}

static int try_units(struct config *config, struct mmsock_sem *sem)
{
	int r = take_units(config, sem, 0);

	if (r == -EAGAIN)
		return TOOL_NO;
	return r < 0 ? report(config, TOOL_USE, r) : TOOL_OK;
}

static int post_units(struct config *config, struct mmsock_sem *sem)
{
	int r = mmsock_sem_post(sem, config->number);

	return r < 0 ? report(config, TOOL_USE, r) : TOOL_OK;
}

static int do_wait(struct config *config, char **command)
{
	(void)command;
	return with_sem(config, wait_units);
}

static int do_try(struct config *config, char **command)
{
	(void)command;
	return with_sem(config, try_units);
}

static int do_post(struct config *config, char **command)
{
	(void)command;
	return with_sem(config, post_units);
}

/*
 * Signals end the tool while it waits, and are passed on to the command from then
 * on; one that came in between ends it before the command runs.
 */
static int do_run(struct config *config, char **argv)
{
	struct command command = {.is_tied = true};
	struct mmsock_sem *sem = NULL;
	int status;

	config->options.flags = MMSOCK_SEM_OWNED;
	tool_catch_signals(config->name);
	status = open_sem(config, &sem);
	if (status == TOOL_OK)
		status = wait_units(config, sem);
	if (status == TOOL_OK) {
		command_hold_signals(&command);
		if (tool_signal() == 0)
			status = command_run(&command, argv);
	}
	close_sem(sem);
	tool_die();
	return status;
}

/* -- semaphores by name -------------------------------------------------- */

/* Looks at what should be a semaphore. */
static int look(const struct config *config, enum tool_act act,
		struct mmsock_info *info)
{
	int r = make_look(config->name, config->options.dir, info);
	int status;

	if (r < 0)
		return report(config, act, r);
	status = make_check_usable("semaphore", config->name, info);
	if (status == TOOL_OK && info->type != MMSOCK_SEMAPHORE) {
		warnx("semaphore '%s': the file is a port, not a semaphore",
		      config->name);
		status = TOOL_DATA;
	}
	return status;
}

static int compare(const struct config *config)
{
	const struct mmsock_sem_options *asked = &config->options;
	struct mmsock_info found = {.size = sizeof(found)};
	int status = look(config, TOOL_CREATE, &found);
	const struct make_wish wishes[] = {
		{"max", asked->maximum, false, asked->maximum, found.max_value},
		{"slots", asked->slots, false, asked->slots, found.slots},
		{"mode", asked->permissions, true, asked->permissions,
		 found.permissions},
		{"group", asked->group >= 0, false, (uint64_t)asked->group,
		 found.gid},
	};

	return status ? status
		      : make_compare("semaphore", config->name, wishes,
				     ARRAY_SIZE(wishes));
}

static int do_create(struct config *config, char **command)
{
	const bool *given = config->given;
	int r;

	(void)command;
	if (given[EXIST_OK] && given[OVERWRITE])
		tool_usage(&tool, "--exist-ok and --overwrite exclude each "
				  "other");
	config->options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	if (given[EXIST_OK])
		config->options.mode = MMSOCK_CONNECT_OR_CREATE;
	if (given[OVERWRITE])
		config->options.mode = MMSOCK_CREATE_NEW_OVERWRITE;
	config->options.value = config->number;
	r = mmsock_sem_create(config->name, &config->options);
	if (r < 0)
		return report(config, TOOL_CREATE, r);
	return r > 0 ? TOOL_OK : compare(config);
}

static int do_value(struct config *config, char **command)
{
	struct mmsock_info info = {.size = sizeof(info)};
	int status = look(config, TOOL_USE, &info);

	(void)command;
	if (status != TOOL_OK)
		return status;
	printf("%" PRIu64 "\n", info.value);
	return tool_close_stdout(TOOL_OK);
}

static int do_rm(struct config *config, char **command)
{
	const char *dir = config->options.dir;
	bool force = config->given[FORCE];
	int r = mmsock_sem_remove(config->name, dir,
				  force ? MMSOCK_REMOVE_ALWAYS
					: MMSOCK_REMOVE_UNUSED);
	char *users;

	(void)command;
	if (r == 0 || (r == -ENOENT && force))
		return TOOL_OK;
	if (r != -EBUSY)
		return report(config, TOOL_LOOK, r);
	users = users_text(config->name, dir);
	warnx("semaphore '%s': in use%s (remove it anyway with -f)",
	      config->name, users);
	free(users);
	return TOOL_NO;
}

/* -- verbs --------------------------------------------------------------- */

#define BIT(option) (1U << (option))
#define MAKING                                                                 \
	(BIT(EXIST_OK) | BIT(GROUP) | BIT(MAX) | BIT(MODE) | BIT(OVERWRITE) |  \
	 BIT(SLOTS))
#define WAITING (BIT(CREATE) | BIT(QUIET) | BIT(SPIN) | BIT(TIMEOUT))

static const struct verb {
	const char *name;
	const char *operands;
	const char *help;
	unsigned options; /* besides --dir */
	uint64_t least;   /* of N, as far as there is one */
	int (*run)(struct config *config, char **command);
} verbs[] = {
	{"create", "NAME [VALUE]", "create it with VALUE units (1)", MAKING, 0,
	 do_create},
	{"wait", "NAME [UNITS]", "take UNITS (1), waiting for them", WAITING, 1,
	 do_wait},
	{"try", "NAME [UNITS]", "take UNITS if they are there, else exit 1",
	 BIT(CREATE), 1, do_try},
	{"post", "NAME [UNITS]", "give UNITS", BIT(CREATE), 1, do_post},
	{"value", "NAME", "print how many units are there", 0, 0, do_value},
	{"rm", "NAME", "remove it", BIT(FORCE), 0, do_rm},
	{"run", "NAME -- CMD ARG...",
	 "hold units while CMD runs, exit as it did", WAITING | BIT(UNITS), 0,
	 do_run},
};

static void help_more(FILE *out)
{
	(void)fputs("\nVerbs:\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		(void)fprintf(out, "  %-7s%-20s %s\n", verbs[i].name,
			      verbs[i].operands, verbs[i].help);
	(void)fputs("\nWhat run takes is given back when CMD ends or this tool "
		    "dies;\nwhat wait and try take stays taken until it is "
		    "posted.\n",
		    out);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	if (!name)
		tool_usage(&tool, "no VERB");
	tool_usage(&tool, "unknown verb '%s'", name);
}

static void check_options(const struct config *config)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		int id = options[i].id;

		if (config->given[id] && id != DIRECTORY &&
		    !(config->verb->options & BIT(id)))
			tool_usage(&tool, "--%s does not go with '%s'",
				   options[i].name, config->verb->name);
	}
}

/* An empty NAME is for the library to refuse. */
static void take_operands(struct config *config, char *const *operands,
			  int count)
{
	bool numbered = strchr(config->verb->operands, '[') != NULL;
	const struct tool_seen seen = {&tool, 0, "", "N",
				       count > 1 ? operands[1] : NULL};

	if (count < 1)
		tool_usage(&tool, "no NAME");
	if (count > 1 + numbered)
		tool_usage(&tool, "'%s': too many operands",
			   config->verb->name);
	config->name = operands[0];
	if (count > 1)
		config->number = tool_count(&seen, config->verb->least,
					    MMSOCK_SEM_VALUE_MAX);
}

/*
 * How many of the arguments stand behind the first "--", where the parser leaves
 * them as they are; -1 where there is none.
 */
static int count_behind_dashes(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return argc - 1 - i;
	return -1;
}

int main(int argc, char **argv)
{
	struct config config = {
		.number = 1,
		.options = MMSOCK_SEM_OPTIONS_INIT,
		.timeout_ns = MMSOCK_FOREVER,
	};
	int behind = count_behind_dashes(argc, argv);
	int first, operands;

	config.timeout_ns = tool_timeout(
		tool_env_duration(&tool, "MMSOCK_TIMEOUT", INT64_MAX));
	config.options.spin_ns =
		tool_env_duration(&tool, "MMSOCK_SPIN", MMSOCK_SPIN_ADAPTIVE);
	first = tool_parse(&tool, argc, argv, take, &config);
	config.verb = find_verb(argv[first]);
	check_options(&config);
	operands = argc - first - 1;
	if (config.verb->run == do_run) {
		if (behind <= 0 || operands < behind)
			tool_usage(&tool, "no command after --");
		operands -= behind;
	}
	take_operands(&config, argv + first + 1, operands);
	tool_guard(config.name);
	return config.verb->run(&config, argv + first + 1 + operands);
}
