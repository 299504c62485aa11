/* SPDX-License-Identifier: MIT */
/*
 * settings.c - what was asked for, and whether it makes sense
 *
 * All that is wrong is told here, before anything runs.
 */
#include "settings.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>

#include <mmsock.h>

#include "message.h"
#include "roles.h"
#include "tool.h"

#define DEFAULT_ROUNDS      5
#define DEFAULT_DURATION_NS 200000000
#define DEFAULT_WARMUP_NS   50000000
#define DEFAULT_SIZE        64
#define DEFAULT_RING        ((uint64_t)1 << 20)

#define RING_MOST ((uint64_t)1 << 30)

/* Two of them, or of a batch, are in the memory of each process. */
#define SIZE_MOST        ((uint64_t)16 << 20)
#define BATCH_MOST       65536
#define BATCH_BYTES_MOST ((uint64_t)64 << 20)

void settings_init(struct settings *settings, const struct tool *tool)
{
	*settings = (struct settings){
		.tool = tool,
		.warmup_ns = DEFAULT_WARMUP_NS,
		.spin_ns = tool_env_duration(tool, "MMSOCK_SPIN",
					     MMSOCK_SPIN_ADAPTIVE),
		.ring_bytes = DEFAULT_RING,
		.rounds = DEFAULT_ROUNDS,
	};
}

/* The next part of a list, in @text; false at its end. */
static bool next_part(const char **list, char text[32])
{
	size_t length = strcspn(*list, ",");

	if (**list == '\0')
		return false;
	(void)snprintf(text, 32, "%.*s", (int)(length < 31 ? length : 31),
		       *list);
	*list += length;
	*list += **list == ',';
	return true;
}

void settings_take_sizes(struct settings *settings, const char *list)
{
	char text[32];

	settings->size_count = 0;
	while (next_part(&list, text)) {
		uint64_t size;

		if (settings->size_count == SETTINGS_SIZES_MAX)
			tool_usage(settings->tool, "more than %d sizes",
				   SETTINGS_SIZES_MAX);
		if (tool_parse_size(text, &size) < 0 ||
		    size < MESSAGE_SIZE_MIN || size > SIZE_MOST)
			tool_usage(settings->tool,
				   "size '%s': a message has %d bytes to 16M",
				   text, MESSAGE_SIZE_MIN);
		settings->sizes[settings->size_count++] = size;
	}
	if (settings->size_count == 0)
		tool_usage(settings->tool, "--sizes needs a size");
}

/* A list of numbers, called @what; returns how many there are. */
static size_t take_numbers(const struct settings *settings, const char *list,
			   const char *what, uint64_t most, unsigned *numbers,
			   size_t room)
{
	size_t count = 0;
	char text[32];

	while (next_part(&list, text)) {
		uint64_t number;

		if (count == room)
			tool_usage(settings->tool, "--%s: more than %zu", what,
				   room);
		if (tool_parse_count(text, &number) < 0 || number < 1 ||
		    number > most)
			tool_usage(settings->tool,
				   "--%s: '%s': from 1 to %" PRIu64, what, text,
				   most);
		numbers[count++] = (unsigned)number;
	}
	if (count == 0)
		tool_usage(settings->tool, "--%s needs a number", what);
	return count;
}

void settings_take_batches(struct settings *settings, const char *list)
{
	settings->batch_count =
		take_numbers(settings, list, "batch", BATCH_MOST,
			     settings->batches, SETTINGS_BATCHES_MAX);
}

void settings_take_clients(struct settings *settings, const char *list)
{
	settings->clients_count =
		take_numbers(settings, list, "clients", ROLES_MAX - 1,
			     settings->clients, SETTINGS_CLIENTS_MAX);
}

void settings_take_mode(struct settings *settings, const char *name)
{
	for (size_t i = 0; i < BENCH_MODES; i++) {
		if (strcmp(name, bench_mode_names[i]) == 0) {
			settings->modes[i] = true;
			return;
		}
	}
	tool_usage(settings->tool,
		   "no mode '%s'; there are: latency throughput fanout rpc "
		   "pipeline uncontended",
		   name);
}

/* The first two that this process may use, or twice the only one. */
static void choose_cpus(struct settings *settings)
{
	cpu_set_t set;
	int found = 0;

	settings->cpu[0] = ROLES_ANY_CPU;
	settings->cpu[1] = ROLES_ANY_CPU;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	for (int i = 0; i < CPU_SETSIZE && found < 2; i++) {
		if (CPU_ISSET((size_t)i, &set))
			settings->cpu[found++] = i;
	}
	if (found == 1)
		settings->cpu[1] = settings->cpu[0];
}

/* One that is not there is told apart from one that is not ours. */
static int cpu_of(const struct settings *settings, const char *text)
{
	cpu_set_t set;
	uint64_t cpu;

	if (tool_parse_count(text, &cpu) < 0)
		tool_usage(settings->tool,
			   "cpus '%s': two numbers, such as 0,1, or none",
			   settings->cpus);
	if (cpu >= CPU_SETSIZE || cpu >= (uint64_t)get_nprocs_conf())
		tool_usage(settings->tool, "there is no CPU %s", text);
	if (sched_getaffinity(0, sizeof(set), &set) == 0 &&
	    !CPU_ISSET((size_t)cpu, &set))
		tool_usage(settings->tool, "this process may not use CPU %s",
			   text);
	return (int)cpu;
}

static void take_cpus(struct settings *settings)
{
	const char *list = settings->cpus;
	unsigned count = 0;
	char text[32];

	settings->cpu[0] = ROLES_ANY_CPU;
	settings->cpu[1] = ROLES_ANY_CPU;
	if (strcmp(list, "none") == 0)
		return;
	while (next_part(&list, text)) {
		if (count < 2)
			settings->cpu[count] = cpu_of(settings, text);
		count++;
	}
	if (count != 2)
		tool_usage(settings->tool,
			   "cpus '%s': two numbers, such as 0,1, or none",
			   settings->cpus);
}

static void set_defaults(struct settings *settings)
{
	bool any = false;

	for (size_t i = 0; i < BENCH_MODES; i++)
		any |= settings->modes[i];
	if (!any) {
		settings->modes[BENCH_LATENCY] = true;
		settings->modes[BENCH_THROUGHPUT] = settings->rate == 0;
	}
	if (settings->cpus)
		take_cpus(settings);
	else
		choose_cpus(settings);
}

/* An option that no mode heeds is a mistake of who gave it. */
static void check_latency(const struct settings *settings, bool others)
{
	bool latency = settings->modes[BENCH_LATENCY];

	if (settings->rate && (others || !latency))
		tool_usage(settings->tool, "--rate is for latency only");
	if (settings->intrinsic_ns && !latency)
		tool_usage(settings->tool, "--intrinsic is for latency only");
}

static void check_modes(const struct settings *settings)
{
	const struct tool *tool = settings->tool;
	const bool *modes = settings->modes;
	bool streams = modes[BENCH_THROUGHPUT] || modes[BENCH_FANOUT];
	bool messages = streams || modes[BENCH_LATENCY] || modes[BENCH_RPC];
	bool uncontended = modes[BENCH_UNCONTENDED];

	check_latency(settings, streams || uncontended || modes[BENCH_RPC] ||
					modes[BENCH_PIPELINE]);
	if (settings->clients_count && !modes[BENCH_RPC])
		tool_usage(tool, "--clients is for rpc");
	if ((settings->producers || settings->consumers) && !streams)
		tool_usage(tool, "--producers and --consumers are for "
				 "throughput and fanout");
	if (settings->batch_count && !streams)
		tool_usage(tool, "--batch is for throughput and fanout");
	if (settings->duration_ns && !messages && !uncontended)
		tool_usage(tool, "--duration is not for pipeline (it takes "
				 "--count)");
	if ((settings->delay_ns || settings->size_count) && !messages)
		tool_usage(tool, "--delay and --sizes are for latency, "
				 "throughput, fanout and rpc");
}

static void check_sizes(const struct settings *settings)
{
	for (size_t i = 0; i < settings->size_count; i++) {
		uint64_t size = settings->sizes[i];

		if (settings->rate && size < MESSAGE_SIZE_MIN_RATE)
			tool_usage(settings->tool,
				   "with --rate a message has at least %d "
				   "bytes",
				   MESSAGE_SIZE_MIN_RATE);
		for (size_t j = 0; j < settings->batch_count; j++) {
			if (size * settings->batches[j] > BATCH_BYTES_MOST)
				tool_usage(settings->tool,
					   "%u messages of %lu bytes are more "
					   "than 64M",
					   settings->batches[j],
					   (unsigned long)size);
		}
	}
}

static void check_numbers(const struct settings *settings)
{
	unsigned producers = settings->producers ? settings->producers : 1;
	unsigned consumers = settings->consumers ? settings->consumers : 1;

	if (settings->modes[BENCH_FANOUT] && !settings->producers)
		producers = consumers;
	if (producers + consumers > ROLES_MAX)
		tool_usage(settings->tool,
			   "%u producers and %u consumers: a port has %d slots",
			   producers, consumers, ROLES_MAX);
	if (settings->ring_bytes < MMSOCK_RING_MIN ||
	    settings->ring_bytes > RING_MOST)
		tool_usage(settings->tool, "--ring: from 4K to 1G");
}

void settings_finish(struct settings *settings)
{
	set_defaults(settings);
	if (settings->transports && !*settings->transports)
		tool_usage(settings->tool, "--transport needs a name");
	check_modes(settings);
	check_sizes(settings);
	check_numbers(settings);
	if (settings->size_count == 0)
		settings->sizes[settings->size_count++] = DEFAULT_SIZE;
	if (settings->duration_ns == 0 && settings->count == 0)
		settings->duration_ns = DEFAULT_DURATION_NS;
}
