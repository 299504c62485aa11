/* SPDX-License-Identifier: MIT */
/*
 * port.c - the port, by the public functions and with the defaults of the
 * library: one call a message, or runs; and a service
 *
 * Both sides touch the whole ring when they attach, as programs do that live
 * long.  The name lasts as long as the run, in a directory of our own.
 */
#include "transport.h"

#include <errno.h>
#include <stdlib.h>

#include <mmsock.h>

#include "tool.h"

#define THERE "there"
#define BACK  "back"

/* A message in a run takes its length and this at most. */
#define RECORD_OVERHEAD 16

/* What a service's replies may have if nothing is said. */
#define REPLY_BYTES 65536

struct own {
	struct mmsock *in;
	struct mmsock *out;
	struct mmsock_run *run; /* NULL: one call a message */
	struct iovec *vector;   /* of a run that is sent */
};

/*
 * Room for a request of each client: those who have to wait for room are overtaken by
 * those who do not, which is not what is to be measured.
 */
static uint64_t ring_for(const struct shape *shape, unsigned type)
{
	uint64_t least = UINT64_C(2) * shape->producers * shape->size;

	return type == MMSOCK_RPC && shape->ring_bytes < least
		       ? least
		       : shape->ring_bytes;
}

/* The number of clients and the size of a reply are those of a service. */
static int create(const struct shape *shape, const char *name, unsigned type)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	int r;

	options.dir = shape->dir;
	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.type = type;
	options.ring_bytes = ring_for(shape, type);
	options.clients = shape->producers;
	options.reply_bytes = shape->size > REPLY_BYTES ? shape->size : 0;
	r = mmsock_create(name, &options);
	return r < 0 ? r : 0;
}

static void unmake(const struct shape *shape)
{
	(void)mmsock_remove(THERE, shape->dir, MMSOCK_REMOVE_ALWAYS);
	if (shape->answers)
		(void)mmsock_remove(BACK, shape->dir, MMSOCK_REMOVE_ALWAYS);
}

static int make(const struct shape *shape, void **ret_channel)
{
	int r = create(shape, THERE, MMSOCK_QUEUE);

	*ret_channel = NULL;
	if (r == 0 && shape->answers)
		r = create(shape, BACK, MMSOCK_QUEUE);
	if (r < 0)
		unmake(shape);
	return r;
}

static void drop(void *channel)
{
	(void)channel;
}

static int attach_to(const struct shape *shape, const char *name, unsigned role,
		     struct mmsock **ret_handle)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;

	options.dir = shape->dir;
	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	options.role = role;
	options.flags = MMSOCK_POPULATE;
	options.spin_ns = shape->spin_ns;
	return mmsock_open(name, &options, ret_handle);
}

static int make_run(const struct shape *shape, struct own *own)
{
	size_t bytes = (shape->size + RECORD_OVERHEAD) * shape->batch;

	if (shape->batch == 1)
		return 0;
	own->vector = calloc(shape->batch, sizeof(*own->vector));
	if (!own->vector)
		return -ENOMEM;
	return mmsock_run_new(bytes, &own->run);
}

static void detach(struct link *link)
{
	struct own *own = link->own;

	mmsock_close(own->out);
	mmsock_close(own->in);
	mmsock_run_free(own->run);
	free(own->vector);
	free(own);
}

static int attach(struct link *link)
{
	const struct shape *shape = link->shape;
	const char *in = link->producer ? BACK : THERE;
	const char *out = link->producer ? THERE : BACK;
	struct own *own = calloc(1, sizeof(*own));
	int r;

	if (!own)
		return -ENOMEM;
	link->own = own;
	r = make_run(shape, own);
	if (r == 0 && (!link->producer || shape->answers))
		r = attach_to(shape, in, MMSOCK_RECEIVER, &own->in);
	if (r == 0 && (link->producer || shape->answers))
		r = attach_to(shape, out, MMSOCK_SENDER, &own->out);
	if (r < 0)
		detach(link);
	return r;
}

static int send_run(struct own *own, const char *messages, size_t size,
		    size_t count)
{
	int r;

	for (size_t i = 0; i < count; i++) {
		union {
			const char *from;
			void *to;
		} message = {.from = messages + i * size};

		own->vector[i] = (struct iovec){message.to, size};
	}
	r = mmsock_run_addv(own->run, own->vector, count);
	if (r < 0)
		return r;
	if ((size_t)r != count)
		return -ENOBUFS;
	return mmsock_run_send(own->out, own->run, MMSOCK_FOREVER);
}

static int put(struct link *link, const char *messages, size_t count)
{
	struct own *own = link->own;
	size_t size = link->shape->size;

	if (own->run)
		return send_run(own, messages, size, count);
	return mmsock_send(own->out, messages, size, MMSOCK_FOREVER);
}

static ssize_t receive_run(struct link *link, struct iovec *messages)
{
	struct own *own = link->own;
	unsigned batch = link->shape->batch;
	int r = mmsock_run_recv(own->in, own->run, batch, MMSOCK_FOREVER);

	if (r < 0)
		return r == -ENODATA ? 0 : r;
	return (ssize_t)mmsock_run_nextv(own->run, messages, batch);
}

static ssize_t hand_out(const struct link *link, ssize_t got,
			struct iovec *messages)
{
	if (got < 0)
		return got == -ENODATA ? 0 : got;
	messages[0] = (struct iovec){link->buffer, (size_t)got};
	return 1;
}

static ssize_t receive(struct link *link, struct iovec *messages)
{
	const struct own *own = link->own;

	if (own->run)
		return receive_run(link, messages);
	return hand_out(link,
			mmsock_recv(own->in, link->buffer, link->shape->size,
				    MMSOCK_FOREVER),
			messages);
}

/* What was made is looked at: there may be no room, or no such large ring. */
static bool look_at(const struct shape *shape, int r, struct reason *ret_reason)
{
	struct mmsock_info info = {.size = sizeof(info)};

	if (r == 0)
		r = mmsock_inspect(THERE, shape->dir, &info);
	if (r < 0)
		transport_refuse(ret_reason, "%s", mmsock_error_text(r));
	else if (shape->size > info.max_message)
		transport_refuse(ret_reason,
				 "a message may be half as large as the ring "
				 "(--ring)");
	unmake(shape);
	return r == 0 && shape->size <= info.max_message;
}

static bool check(const struct shape *shape, struct reason *ret_reason)
{
	void *channel;

	return look_at(shape, make(shape, &channel), ret_reason);
}

const struct transport transport_port = {
	.name = "port",
	.help = "mmsock_send(3) and mmsock_recv(3); runs with -B; mmsock_call(3)",
	.can = TRANSPORT_ANSWER | TRANSPORT_STREAM | TRANSPORT_MANY |
	       TRANSPORT_BATCH,
	.ends = true,
	.check = check,
	.make = make,
	.drop = drop,
	.unmake = unmake,
	.attach = attach,
	.detach = detach,
	.send = put,
	.receive = receive,
	.calls = &transport_port_calls,
};

/* The service: its server replies to a request before it takes the next. */
struct service {
	struct mmsock *handle;
	struct mmsock_request request;
};

static int make_service(const struct shape *shape, void **ret_channel)
{
	*ret_channel = NULL;
	return create(shape, THERE, MMSOCK_RPC);
}

static bool check_service(const struct shape *shape, struct reason *ret_reason)
{
	void *channel;

	return look_at(shape, make_service(shape, &channel), ret_reason);
}

static void detach_service(struct link *link)
{
	struct service *service = link->own;

	mmsock_close(service->handle);
	free(service);
}

static int attach_service(struct link *link)
{
	unsigned role = link->producer ? MMSOCK_CLIENT : MMSOCK_SERVER;
	struct service *service = calloc(1, sizeof(*service));
	int r;

	if (!service)
		return -ENOMEM;
	link->own = service;
	r = attach_to(link->shape, THERE, role, &service->handle);
	if (r < 0)
		detach_service(link);
	return r;
}

static ssize_t call(struct link *link, const char *request,
		    struct iovec *ret_reply)
{
	const struct service *service = link->own;
	size_t size = link->shape->size;

	return hand_out(link,
			mmsock_call(service->handle, request, size,
				    link->buffer, size, MMSOCK_FOREVER),
			ret_reply);
}

static ssize_t take_request(struct link *link, struct iovec *messages)
{
	struct service *service = link->own;

	return hand_out(link,
			mmsock_serve_recv(service->handle, link->buffer,
					  link->shape->size, &service->request,
					  MMSOCK_FOREVER),
			messages);
}

static int reply(struct link *link, const char *messages, size_t count)
{
	const struct service *service = link->own;

	(void)count;
	return mmsock_reply(service->handle, &service->request, messages,
			    link->shape->size, MMSOCK_FOREVER);
}

const struct transport transport_port_calls = {
	.name = "port",
	.can = TRANSPORT_ANSWER | TRANSPORT_MANY,
	.check = check_service,
	.make = make_service,
	.drop = drop,
	.unmake = unmake,
	.attach = attach_service,
	.detach = detach_service,
	.send = reply,
	.receive = take_request,
	.call = call,
};
