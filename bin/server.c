/* SPDX-License-Identifier: MIT */
/*
 * server.c - threads that each take requests and have them answered
 *
 * Each has a handle of its own and takes a request only when it is free to work at
 * it, so the others that serve the port get their share.  Who has taken a request
 * answers it, whatever happens.
 *
 * Signals come to the thread that started the others, which have them blocked: a
 * pipe of a handler that nobody reads is an error here and no signal.
 */
#include "server.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <mmsock.h>

#include "handler.h"

/* Of a buffer for requests, to begin with. */
#define REQUEST_BYTES ((size_t)64 << 10)

/* One try to get a client's lane from another server that replies to him. */
#define REPLY_NS INT64_C(1000000000)

struct worker {
	struct server *server;
	unsigned number; /* from 1 on */
	struct mmsock *handle;
	pthread_t thread;
	bool runs;
	struct handler handler;
	char *buffer; /* of the request at hand */
	size_t size;
	struct mmsock_request request;
};

struct server {
	const struct server_config *config;
	struct handler_config handler;
	struct worker *workers; /* as many as jobs */
	unsigned attached;      /* of them */
	sem_t ended;            /* raised by each thread that has */
	pthread_mutex_t lock;   /* of all below */
	bool over;              /* no request is to be taken */
	bool failed;            /* somebody has said why */
	int status;
	uint64_t left; /* requests to take */
	uint64_t taken;
	uint64_t bytes;  /* of these */
	unsigned busy;   /* workers that have one */
	int64_t last_ns; /* when there was one to take, or answered */
};

/* -- the end ------------------------------------------------------------- */

static void stop(struct server *server, int status)
{
	pthread_mutex_lock(&server->lock);
	if (server->status == TOOL_OK)
		server->status = status;
	server->over = true;
	pthread_mutex_unlock(&server->lock);
	/* Those who wait for a request look again, and see that it is over. */
	for (unsigned i = 0; i < server->config->jobs; i++)
		mmsock_interrupt(server->workers[i].handle);
}

/* What ends one ends all, and the first of them says it. */
static void give_up(struct server *server, int error)
{
	bool first;

	pthread_mutex_lock(&server->lock);
	first = !server->failed;
	server->failed = true;
	pthread_mutex_unlock(&server->lock);
	if (first)
		stop(server,
		     stream_error(&server->config->stream, TOOL_USE, error));
}

/* One request more may be taken. */
static bool claim(struct server *server)
{
	bool may;

	pthread_mutex_lock(&server->lock);
	may = !server->over && server->left > 0 && tool_signal() == 0;
	server->left -= may;
	pthread_mutex_unlock(&server->lock);
	return may;
}

static void unclaim(struct server *server)
{
	pthread_mutex_lock(&server->lock);
	server->left++;
	pthread_mutex_unlock(&server->lock);
}

/* How long a worker may wait for a request from now on. */
static int64_t wait_ns(struct server *server)
{
	int64_t timeout_ns = server->config->stream.timeout_ns;
	int64_t left;

	if (timeout_ns <= 0)
		return timeout_ns;
	pthread_mutex_lock(&server->lock);
	left = server->busy ? timeout_ns
			    : server->last_ns - tool_now() + timeout_ns;
	pthread_mutex_unlock(&server->lock);
	return left > 0 ? left : 1;
}

/* Progress of one is progress of all. */
static bool is_out_of_time(struct server *server)
{
	int64_t timeout_ns = server->config->stream.timeout_ns;
	bool out;

	pthread_mutex_lock(&server->lock);
	out = !server->busy && tool_now() - server->last_ns >= timeout_ns;
	pthread_mutex_unlock(&server->lock);
	return out;
}

/* -- requests ------------------------------------------------------------ */

static int enlarge(struct worker *worker)
{
	uint64_t most = mmsock_max_message(worker->handle);
	size_t size = worker->size ? worker->size * 2 : REQUEST_BYTES;
	char *buffer;

	if (worker->size && worker->size >= most)
		return -EMSGSIZE;
	if (size > most)
		size = (size_t)most;
	buffer = realloc(worker->buffer, size ? size : 1);
	if (!buffer)
		return -ENOMEM;
	worker->buffer = buffer;
	worker->size = size;
	return 0;
}

static ssize_t receive(struct worker *worker)
{
	ssize_t length = -EMSGSIZE;
	int r = 0;

	if (!worker->buffer)
		r = enlarge(worker);
	while (r == 0 && length == -EMSGSIZE) {
		length = mmsock_serve_recv(worker->handle, worker->buffer,
					   worker->size, &worker->request,
					   wait_ns(worker->server));
		if (length == -EMSGSIZE)
			r = enlarge(worker);
	}
	return r < 0 ? r : length;
}

static void note_taken(struct server *server, size_t length,
		       uint64_t *ret_number)
{
	pthread_mutex_lock(&server->lock);
	*ret_number = ++server->taken;
	server->bytes += length;
	server->busy++;
	pthread_mutex_unlock(&server->lock);
}

static void note_answered(struct server *server)
{
	pthread_mutex_lock(&server->lock);
	server->busy--;
	server->last_ns = tool_now();
	pthread_mutex_unlock(&server->lock);
}

/* -- answers ------------------------------------------------------------- */

static int try_reply(struct worker *worker, const struct handler_answer *answer)
{
	struct mmsock *handle = worker->handle;
	const struct mmsock_request *request = &worker->request;
	void *room;

	if (answer->status)
		return mmsock_reply_error(handle, request, answer->status,
					  answer->text, REPLY_NS);
	/* That there is no room for it is the answer. */
	if (answer->too_large)
		return mmsock_reply_reserve(handle, request,
					    mmsock_max_reply(handle) + 1, &room,
					    REPLY_NS);
	return mmsock_reply(handle, request, answer->reply, answer->length,
			    REPLY_NS);
}

/* It stays open then, and only another server can be in the way. */
static bool is_passing(int error)
{
	return error == -EINTR || error == -EBUSY || error == -EAGAIN ||
	       error == -ETIMEDOUT;
}

static void warn_dropped(const struct worker *worker, const char *what,
			 int error)
{
	const struct stream_config *stream = &worker->server->config->stream;

	if (stream->quiet || (error == -ECONNRESET && !stream->verbose))
		return;
	if (error == -EMSGSIZE)
		tool_warn("port '%s': a reply is larger than the %" PRIu64
			  " bytes that the port takes"
			  " (create it with a larger --reply-size)",
			  stream->port, mmsock_max_reply(worker->handle));
	else
		tool_warn("port '%s': a %s was dropped: %s", stream->port, what,
			  mmsock_error_text(error));
}

/*
 * Whether somebody waits for the reply, as far as one knows.  The library asks the
 * kernel for it, which costs little beside a command, and much beside an echo.
 */
static bool is_wanted(struct worker *worker)
{
	return !worker->server->config->command ||
	       mmsock_request_wanted(worker->handle, &worker->request) != 0;
}

/* To one who was killed a reply can be sent, but he will not have it. */
static int send_reply(struct worker *worker,
		      const struct handler_answer *answer)
{
	bool wanted = is_wanted(worker);
	int r;

	do {
		r = try_reply(worker, answer);
	} while (is_passing(r) && tool_signal_count() < 2);
	return !wanted && (r == 0 || r == -ENOBUFS) ? -ECONNRESET : r;
}

/*
 * Ends the request.  0, or an error after which nothing more can be served; @what
 * is said to be dropped where nobody gets it.
 */
static int reply(struct worker *worker, const struct handler_answer *answer,
		 const char *what)
{
	int r = send_reply(worker, answer);

	if (r == -ECONNRESET || r == -EMSGSIZE || r == -ENOBUFS ||
	    is_passing(r)) {
		warn_dropped(worker, what, r);
		r = 0;
	}
	return r;
}

static void find_answer(struct worker *worker, size_t length, uint64_t number,
			struct handler_answer *ret_answer)
{
	const struct server_config *config = worker->server->config;
	struct handler_request request = {
		.bytes = worker->buffer,
		.length = length,
		.number = number,
	};

	if (config->command) {
		request.client_pid =
			mmsock_request_pid(worker->handle, &worker->request);
		handler_answer(&worker->handler, &request, ret_answer);
		return;
	}
	*ret_answer = (struct handler_answer){.reply = worker->buffer,
					      .length = length};
	if (!config->reply)
		return;
	ret_answer->reply = config->reply;
	ret_answer->length = strlen(config->reply);
}

/* -- a worker ------------------------------------------------------------ */

/* Without a request: whether to try again. */
static bool goes_on(struct worker *worker, int error)
{
	struct server *server = worker->server;

	unclaim(server);
	if (error == -EINTR)
		return true;
	if (error == -ETIMEDOUT && !is_out_of_time(server))
		return true;
	give_up(server, error);
	return false;
}

/* As if nobody had sent it: it does not count. */
static int drop(struct worker *worker)
{
	const struct handler_answer nothing = {.status = TOOL_UNAVAILABLE};

	unclaim(worker->server);
	return reply(worker, &nothing, "request");
}

static int serve(struct worker *worker, size_t length)
{
	struct server *server = worker->server;
	struct handler_answer answer;
	uint64_t number;
	int r;

	note_taken(server, length, &number);
	find_answer(worker, length, number, &answer);
	r = reply(worker, &answer, "reply");
	note_answered(server);
	return r;
}

static bool serve_one(struct worker *worker)
{
	struct server *server = worker->server;
	ssize_t length = receive(worker);
	int r;

	if (length < 0)
		return goes_on(worker, (int)length);
	r = is_wanted(worker) ? serve(worker, (size_t)length) : drop(worker);
	if (r < 0)
		give_up(server, r);
	return r == 0;
}

/* Handlers die with the thread that started them, so this one does. */
static void *work(void *context)
{
	struct worker *worker = context;
	struct server *server = worker->server;
	int r = 0;

	if (server->config->command)
		r = handler_init(&worker->handler, &server->handler,
				 worker->number);
	if (r < 0)
		give_up(server, r);
	while (claim(server) && serve_one(worker))
		;
	handler_fini(&worker->handler);
	free(worker->buffer);
	sem_post(&server->ended);
	return NULL;
}

/* -- all workers --------------------------------------------------------- */

/* All signals but the one for a port file that somebody truncated. */
static void block_signals(sigset_t *ret_old)
{
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &set, ret_old);
}

static unsigned start_threads(struct server *server)
{
	unsigned started;
	sigset_t old;
	int error = 0;

	block_signals(&old);
	server->handler.program.mask = old;
	for (started = 0; started < server->config->jobs; started++) {
		struct worker *worker = &server->workers[started];

		error = pthread_create(&worker->thread, NULL, work, worker);
		if (error)
			break;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error)
		give_up(server, -error);
	return started;
}

/*
 * The second signal is for those who work at a request.  From the first on a
 * timer ends this wait again and again.
 */
static void wait_for_threads(struct server *server, unsigned count)
{
	unsigned ended = 0;
	bool told = false;

	while (ended < count) {
		if (sem_wait(&server->ended) == 0)
			ended++;
		if (tool_signal_count() < 2 || told)
			continue;
		told = true;
		if (eventfd_write(server->handler.stop, 1) < 0)
			warn("eventfd");
	}
	for (unsigned i = 0; i < count; i++)
		pthread_join(server->workers[i].thread, NULL);
}

static int check_reply(const struct server *server)
{
	const struct server_config *config = server->config;
	uint64_t most = mmsock_max_reply(server->workers[0].handle);

	if (!config->reply || strlen(config->reply) <= most)
		return TOOL_OK;
	tool_warn("--reply: larger than the %" PRIu64
		  " bytes that the port takes"
		  " (create it with a larger --reply-size)",
		  most);
	return TOOL_DATA;
}

/* Each has a slot, and the port a number of them; asked once the port is there. */
static int check_jobs(const struct server *server)
{
	const struct server_config *config = server->config;
	const struct stream_config *stream = &config->stream;
	struct mmsock_info info = {.size = sizeof(info)};
	int r;

	if (config->jobs == 1)
		return TOOL_OK;
	r = mmsock_inspect(stream->port, stream->dir, &info);
	if (r < 0)
		return stream_error(stream, TOOL_USE, r);
	if (config->jobs <= info.slots - info.clients)
		return TOOL_OK;
	tool_warn("port '%s': --jobs: %u are more than the %u servers that the"
		  " port takes",
		  stream->port, config->jobs, info.slots - info.clients);
	return TOOL_SYSTEM;
}

static int attach_all(struct server *server)
{
	const struct server_config *config = server->config;
	int status = TOOL_OK;

	for (unsigned i = 0; i < config->jobs && status == TOOL_OK; i++) {
		struct worker *worker = &server->workers[i];

		worker->server = server;
		worker->number = i + 1;
		status = stream_attach(&config->stream, MMSOCK_SERVER, 0,
				       &worker->handle);
		if (status == TOOL_OK && i == 0)
			status = check_jobs(server);
	}
	if (status == TOOL_OK)
		status = check_reply(server);
	if (status == TOOL_OK)
		status = stream_ready(&config->stream);
	if (status == TOOL_OK)
		status = stream_wait_peers(&config->stream,
					   server->workers[0].handle);
	return status;
}

/* However it ended. */
static void summarize(const struct server *server)
{
	const struct stream_config *stream = &server->config->stream;

	if (stream->verbose)
		tool_warn("port '%s': %" PRIu64 " request%s, %" PRIu64
			  " byte%s",
			  stream->port, server->taken,
			  server->taken == 1 ? "" : "s", server->bytes,
			  server->bytes == 1 ? "" : "s");
}

static void run_all(struct server *server)
{
	const struct stream_config *stream = &server->config->stream;

	server->handler.stream = stream;
	server->handler.lasting = server->config->lasting;
	server->handler.limit_ns = server->config->limit_ns;
	server->handler.max_reply = mmsock_max_reply(server->workers[0].handle);
	server->handler.stop = eventfd(0, EFD_CLOEXEC);
	if (server->handler.stop < 0) {
		server->status = stream_error(stream, TOOL_USE, -errno);
		return;
	}
	(void)sem_init(&server->ended, 0, 0);
	server->last_ns = tool_now();
	wait_for_threads(server, start_threads(server));
	sem_destroy(&server->ended);
	close(server->handler.stop);
	summarize(server);
}

static int find_command(struct server *server)
{
	struct child_program *program = &server->handler.program;

	if (!server->config->command)
		return TOOL_OK;
	program->name = server->config->command[0];
	program->argv = server->config->command;
	return child_find(program);
}

int server_run(const struct server_config *config)
{
	struct server server = {
		.config = config,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.left = config->stream.count,
	};
	int status;

	server.workers = calloc(config->jobs, sizeof(*server.workers));
	if (!server.workers)
		err(TOOL_SYSTEM, NULL);
	status = find_command(&server);
	if (status == TOOL_OK)
		status = attach_all(&server);
	if (status == TOOL_OK) {
		run_all(&server);
		status = server.status;
	}
	for (unsigned i = 0; i < config->jobs; i++)
		stream_close(server.workers[i].handle);
	free(server.workers);
	free(server.handler.program.path);
	return status;
}
