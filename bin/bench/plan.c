/* SPDX-License-Identifier: MIT */
/*
 * plan.c - which transports can do what was asked for
 */
#include "plan.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"
#include "tool.h"

/* In throughput, unless -B says otherwise. */
static const unsigned default_batches[] = {1, 128};

/* In rpc, unless --clients says otherwise. */
static const unsigned default_clients[] = {1, 4, 16};

/* What is being planned. */
struct draft {
	struct plan *plan;
	const struct settings *settings;
	struct bench_report *report;
	struct shape shape;
	enum bench_mode mode;
};

static const char *next_name(const char **list, size_t *ret_length)
{
	const char *name = *list;

	*ret_length = strcspn(name, ",");
	*list += *ret_length;
	*list += **list == ',';
	return name;
}

static bool is_named(const struct settings *settings, const char *wanted)
{
	const char *list = settings->transports;
	size_t length;

	while (list && *list) {
		const char *name = next_name(&list, &length);

		if (strlen(wanted) == length &&
		    strncmp(wanted, name, length) == 0)
			return true;
	}
	return false;
}

/* Those without messages are in a mode of their own, which asks for them. */
static bool is_wanted(const struct draft *draft,
		      const struct transport *transport)
{
	if (draft->settings->transports)
		return is_named(draft->settings, transport->name);
	return !transport->on_request || draft->mode == BENCH_UNCONTENDED;
}

/* Cells are never freed: the report needs them to the end. */
static struct bench_cell *add_cell(struct draft *draft, const char *name,
				   struct job **ret_job)
{
	struct bench_report *report = draft->report;
	struct bench_cell *cell;

	if (report->cell_count == BENCH_CELLS_MAX)
		tool_usage(draft->settings->tool,
			   "more than %d combinations of sizes, transports and "
			   "batches",
			   BENCH_CELLS_MAX);
	cell = calloc(1, sizeof(*cell));
	if (!cell)
		err(TOOL_SYSTEM, "memory");
	*cell = (struct bench_cell){
		.mode = draft->mode,
		.transport = name,
		.producers = draft->shape.producers,
		.consumers = draft->shape.consumers,
		.batch = draft->shape.batch,
		.rate = (double)draft->settings->rate,
		.size = draft->shape.size,
	};
	report->cells[report->cell_count++] = cell;
	*ret_job = &draft->plan->jobs[draft->plan->count++];
	**ret_job = (struct job){.cell = cell, .shape = draft->shape};
	return cell;
}

static void set_missing(struct bench_cell *cell, const struct reason *reason)
{
	cell->missing = strdup(reason->text);
	if (!cell->missing)
		err(TOOL_SYSTEM, "memory");
}

static bool check(const struct shape *shape, const struct transport *transport,
		  struct reason *ret_reason)
{
	bool many = shape->producers + shape->consumers > 2;

	if (many && !(transport->can & TRANSPORT_MANY))
		return transport_refuse(ret_reason,
					"one producer and one consumer only");
	return !transport->check || transport->check(shape, ret_reason);
}

static void add_transport(struct draft *draft,
			  const struct transport *transport)
{
	struct reason reason = {""};
	struct bench_cell *cell;
	struct job *job;

	cell = add_cell(draft, transport->name, &job);
	job->transport = transport;
	job->shape.size = transport_carried(transport, cell->size);
	if (check(&job->shape, transport, &reason))
		return;
	/* By name it is a mistake; in the default set it stays, with that. */
	if (draft->settings->transports)
		tool_usage(draft->settings->tool, "transport '%s': %s",
			   cell->transport, reason.text);
	set_missing(cell, &reason);
}

/* A batch of the default length is left out where it cannot be. */
static bool is_batch_sensible(const struct draft *draft,
			      const struct transport *transport)
{
	const struct shape *shape = &draft->shape;
	struct reason reason = {""};

	if (shape->batch == 1)
		return true;
	if (!(transport->can & TRANSPORT_BATCH))
		return false;
	if (draft->settings->batch_count > 0)
		return true;
	return shape->size * shape->batch <= shape->ring_bytes / 2 &&
	       check(shape, transport, &reason);
}

static void add_transports(struct draft *draft, unsigned can)
{
	for (size_t i = 0; i < transport_count; i++) {
		const struct transport *transport = transports[i];

		if (draft->mode == BENCH_RPC)
			transport = transport->calls;
		if (transport && is_wanted(draft, transport) &&
		    (transport->can & can) == can &&
		    is_batch_sensible(draft, transport))
			add_transport(draft, transport);
	}
}

static void plan_latency(struct draft *draft)
{
	const struct settings *settings = draft->settings;
	unsigned can = TRANSPORT_ANSWER;
	struct job *job;

	draft->shape.producers = 1;
	draft->shape.consumers = 1;
	draft->shape.batch = 1;
	draft->shape.answers = settings->rate == 0;
	if (settings->rate > 0)
		can |= TRANSPORT_STREAM;
	for (size_t i = 0; i < settings->size_count; i++) {
		draft->shape.size = settings->sizes[i];
		add_transports(draft, can);
	}
	draft->shape.size = 0;
	if (settings->intrinsic_ns > 0)
		add_cell(draft, "intrinsic", &job)->rate = 0;
}

static void plan_streams(struct draft *draft, unsigned producers,
			 unsigned consumers)
{
	const struct settings *settings = draft->settings;
	const unsigned *batches = settings->batches;
	size_t count = settings->batch_count;

	if (count == 0) {
		batches = default_batches;
		count = ARRAY_SIZE(default_batches);
	}
	draft->shape.producers = producers;
	draft->shape.consumers = consumers;
	draft->shape.answers = false;
	for (size_t i = 0; i < settings->size_count; i++) {
		for (size_t j = 0; j < count; j++) {
			draft->shape.size = settings->sizes[i];
			draft->shape.batch = batches[j];
			add_transports(draft, TRANSPORT_STREAM);
		}
	}
}

/* One producer to all consumers; and as many producers, or those of -P. */
static void plan_fanout(struct draft *draft)
{
	unsigned consumers = draft->settings->consumers;
	unsigned producers = draft->settings->producers;

	consumers = consumers ? consumers : 2;
	producers = producers ? producers : consumers;
	plan_streams(draft, 1, consumers);
	if (producers > 1)
		plan_streams(draft, producers, consumers);
}

/* In a cell the clients are the producers, and the server is the consumer. */
static void plan_rpc(struct draft *draft)
{
	const struct settings *settings = draft->settings;
	const unsigned *clients = settings->clients;
	size_t count = settings->clients_count;

	if (count == 0) {
		clients = default_clients;
		count = ARRAY_SIZE(default_clients);
	}
	draft->shape.consumers = 1;
	draft->shape.batch = 1;
	draft->shape.answers = true;
	for (size_t i = 0; i < settings->size_count; i++) {
		for (size_t j = 0; j < count; j++) {
			draft->shape.size = settings->sizes[i];
			draft->shape.producers = clients[j];
			add_transports(draft, TRANSPORT_ANSWER);
		}
	}
}

static void plan_uncontended(struct draft *draft)
{
	draft->shape.size = 0;
	draft->shape.producers = 1;
	draft->shape.consumers = 0;
	draft->shape.batch = 1;
	draft->shape.answers = false;
	add_transports(draft, TRANSPORT_PAIR);
}

static void plan_pipelines(struct draft *draft)
{
	draft->shape.producers = 1;
	draft->shape.consumers = 1;
	draft->shape.batch = 1;
	for (size_t i = 0; i < pipeline_count; i++) {
		const struct pipeline *pipeline = &pipelines[i];
		struct bench_cell *cell;
		struct reason reason = {""};
		struct job *job;

		if (draft->settings->transports &&
		    !is_named(draft->settings, pipeline->transport))
			continue;
		draft->shape.size = pipeline->size;
		cell = add_cell(draft, pipeline->transport, &job);
		cell->task = pipeline->task;
		job->pipeline = pipeline;
		if (!pipeline_check(pipeline, &reason))
			set_missing(cell, &reason);
	}
}

static bool is_pipeline(const char *name, size_t length)
{
	for (size_t i = 0; i < pipeline_count; i++) {
		if (strlen(pipelines[i].transport) == length &&
		    strncmp(pipelines[i].transport, name, length) == 0)
			return true;
	}
	return false;
}

static void list_names(char *text, size_t size, bool pipeline)
{
	size_t used = 0;

	for (size_t i = 0; i < transport_count; i++)
		used += (size_t)snprintf(text + used, size - used, " %s",
					 transports[i]->name);
	if (pipeline)
		(void)snprintf(text + used, size - used,
			       "; in pipelines also mbuffer pv socat nc "
			       "port-run");
}

/* Before anything is planned, so that a slip of the pen is told as such. */
static void check_names(const struct settings *settings)
{
	const char *list = settings->transports;
	bool pipeline = settings->modes[BENCH_PIPELINE];
	char known[256];
	size_t length;

	while (list && *list) {
		const char *name = next_name(&list, &length);

		if (transport_find(name, length) ||
		    (pipeline && is_pipeline(name, length)))
			continue;
		list_names(known, sizeof(known), pipeline);
		tool_usage(settings->tool, "no transport '%.*s'; there are:%s",
			   (int)length, name, known);
	}
}

/* What is said against a name that is in no cell, or in none that can be run. */
static const char *objection(const struct bench_report *report,
			     const char *name, size_t length)
{
	const char *objection = "cannot do what is asked for";

	for (size_t i = 0; i < report->cell_count; i++) {
		const struct bench_cell *cell = report->cells[i];

		if (strlen(cell->transport) != length ||
		    strncmp(cell->transport, name, length) != 0)
			continue;
		if (!cell->missing)
			return NULL;
		objection = cell->missing;
	}
	return objection;
}

static void check_used(const struct settings *settings,
		       const struct bench_report *report)
{
	const char *list = settings->transports;
	size_t length;

	while (list && *list) {
		const char *name = next_name(&list, &length);
		const char *text = objection(report, name, length);

		if (text)
			tool_usage(settings->tool, "transport '%.*s': %s",
				   (int)length, name, text);
	}
}

void plan_make(struct plan *plan, const struct settings *settings,
	       const char *dir, struct bench_report *report)
{
	struct draft draft = {
		.plan = plan,
		.settings = settings,
		.report = report,
		.shape = {.spin_ns = settings->spin_ns,
			  .ring_bytes = settings->ring_bytes,
			  .one_cpu = settings->cpu[0] >= 0 &&
				     settings->cpu[0] == settings->cpu[1],
			  .dir = dir},
	};

	check_names(settings);
	draft.mode = BENCH_LATENCY;
	if (settings->modes[BENCH_LATENCY])
		plan_latency(&draft);
	draft.mode = BENCH_THROUGHPUT;
	if (settings->modes[BENCH_THROUGHPUT])
		plan_streams(&draft,
			     settings->producers ? settings->producers : 1,
			     settings->consumers ? settings->consumers : 1);
	draft.mode = BENCH_FANOUT;
	if (settings->modes[BENCH_FANOUT])
		plan_fanout(&draft);
	draft.mode = BENCH_RPC;
	if (settings->modes[BENCH_RPC])
		plan_rpc(&draft);
	draft.mode = BENCH_PIPELINE;
	if (settings->modes[BENCH_PIPELINE])
		plan_pipelines(&draft);
	draft.mode = BENCH_UNCONTENDED;
	if (settings->modes[BENCH_UNCONTENDED])
		plan_uncontended(&draft);
	check_used(settings, report);
}

void plan_list_transports(FILE *out)
{
	fputs("\nTransports:\n", out);
	for (size_t i = 0; i < transport_count; i++)
		fprintf(out, "  %-14s %s%s\n", transports[i]->name,
			transports[i]->help,
			transports[i]->on_request ? " (if named)" : "");
}
