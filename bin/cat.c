/* SPDX-License-Identifier: MIT */
/*
 * cat.c - open everything that mmsock-cat joins, let it flow, close it
 *
 * Standard input flows by way of inlet.c, ports by way of relay.c.
 */
#include "cat.h"

#include <err.h>
#include <stdlib.h>
#include <unistd.h>

#include <mmsock.h>

#include "inlet.h"
#include "outlet.h"
#include "relay.h"
#include "sinks.h"

/* Everything that is open. */
struct cat {
	const struct cat_config *config;
	struct relay relay;
	struct sinks sinks;
	struct outlet outlet;
	struct progress progress;
};

/* -- ports --------------------------------------------------------------- */

static int attach_source(const struct cat_config *config, const char *port,
			 struct source *source)
{
	bool to_stdout = config->output_count == 0 || config->tee;
	struct taker *taker = &source->taker;

	source->config = config->stream;
	source->config.port = port;
	*taker = (struct taker){
		.config = &source->config,
		.timeout_ns = config->stream.timeout_ns,
		.exit_on_empty = config->exit_on_empty,
		.no_delimiter = to_stdout && config->stream.strict &&
				config->stream.delimiter,
	};
	return stream_attach(&source->config, MMSOCK_RECEIVER,
			     config->keep_open ? MMSOCK_KEEP_OPEN : 0,
			     &taker->handle);
}

static int attach_sink(const struct cat_config *config, const char *port,
		       struct sink *sink)
{
	sink->config = config->stream;
	sink->config.port = port;
	return stream_attach(&sink->config, MMSOCK_SENDER, 0, &sink->handle);
}

static int attach_all(struct cat *cat)
{
	const struct cat_config *config = cat->config;
	struct relay *relay = &cat->relay;
	struct sinks *sinks = &cat->sinks;
	int status = TOOL_OK;

	/* One more, since there may be none, and none of nothing is no memory. */
	relay->sources =
		calloc(config->input_count + 1, sizeof(*relay->sources));
	sinks->ports = calloc(config->output_count + 1, sizeof(*sinks->ports));
	if (!relay->sources || !sinks->ports)
		err(TOOL_SYSTEM, NULL);
	for (size_t i = 0; i < config->input_count && !status; i++)
		status = attach_source(config, config->inputs[i],
				       &relay->sources[relay->source_count++]);
	for (size_t i = 0; i < config->output_count && !status; i++)
		status = attach_sink(config, config->outputs[i],
				     &sinks->ports[sinks->port_count++]);
	return status;
}

static int wait_for_peers(struct cat *cat)
{
	struct relay *relay = &cat->relay;
	struct sinks *sinks = &cat->sinks;
	int status = TOOL_OK;

	for (size_t i = 0; i < relay->source_count && !status; i++)
		status = stream_wait_peers(&relay->sources[i].config,
					   relay->sources[i].taker.handle);
	for (size_t i = 0; i < sinks->port_count && !status; i++)
		status = stream_wait_peers(&sinks->ports[i].config,
					   sinks->ports[i].handle);
	return status;
}

static int open_stdout(struct cat *cat)
{
	const struct stream_config *stream = &cat->config->stream;
	int status, r;

	if (cat->config->output_count > 0 && !cat->config->tee)
		return TOOL_OK;
	status = outlet_check();
	if (status)
		return status;
	r = outlet_init(&cat->outlet, stream);
	if (r < 0)
		return stream_error(stream, TOOL_USE, r);
	pour_init(&cat->outlet.pour, STDOUT_FILENO);
	cat->sinks.outlet = &cat->outlet;
	return TOOL_OK;
}

static void close_all(struct cat *cat)
{
	struct relay *relay = &cat->relay;

	for (size_t i = 0; i < relay->source_count; i++) {
		mmsock_run_free(relay->sources[i].taker.run);
		stream_close(relay->sources[i].taker.handle);
	}
	sinks_fini(&cat->sinks);
	if (cat->sinks.outlet) {
		pour_fini(&cat->outlet.pour);
		outlet_fini(&cat->outlet);
	}
	free(relay->sources);
	free(cat->sinks.ports);
}

/* -- the whole ----------------------------------------------------------- */

static int move(struct cat *cat)
{
	const struct stream_config *stream = &cat->config->stream;
	int status = stream_ready(stream);
	int r;

	if (status == TOOL_OK)
		status = wait_for_peers(cat);
	if (status)
		return status;
	r = progress_start(&cat->progress, cat->config->progress);
	if (r < 0)
		return stream_error(stream, TOOL_USE, r);
	status = cat->config->input_count > 0 ? relay_run(&cat->relay)
					      : inlet_run(stream, &cat->sinks);
	progress_stop(&cat->progress);
	return status;
}

static void report(const struct cat *cat, int status)
{
	const struct stream_config *stream = &cat->config->stream;
	const struct relay *relay = &cat->relay;
	const struct sinks *sinks = &cat->sinks;

	for (size_t i = 0; i < relay->source_count && !status; i++)
		stream_summary(&relay->sources[i].config,
			       relay->sources[i].messages,
			       relay->sources[i].bytes);
	for (size_t i = 0; i < sinks->port_count; i++) {
		const struct sink *sink = &sinks->ports[i];

		if (!status)
			stream_summary(&sink->config, sink->messages,
				       sink->bytes);
		else if (!stream->quiet)
			stream_report(&sink->config, sink->messages,
				      "sent before that");
	}
}

int cat_run(const struct cat_config *config)
{
	struct cat cat = {
		.config = config,
		.relay = {.config = &config->stream, .sinks = &cat.sinks},
		.sinks = {.progress = &cat.progress,
			  .counts = config->stream.verbose ||
				    progress_wanted(config->progress),
			  .was_taken = config->input_count > 0},
	};
	int status = open_stdout(&cat);

	if (status == TOOL_OK)
		status = attach_all(&cat);
	if (status == TOOL_OK) {
		status = move(&cat);
		report(&cat, status);
	}
	close_all(&cat);
	return status;
}
