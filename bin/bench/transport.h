/* SPDX-License-Identifier: MIT */
/*
 * transport.h - the ways from one process to another that are compared
 *
 * A transport is one row of the table in transports.c and one object like it.
 * All are used alike: the message is in private memory of the sender before and
 * in private memory of the receiver afterwards, and who waits does so in the way
 * that is usual for this transport.  Nothing is timed here.
 */
#ifndef BENCH_TRANSPORT_H
#define BENCH_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What has to be set up; the same for all processes of a run. */
struct shape {
	size_t size; /* of each message */
	unsigned producers;
	unsigned consumers; /* 0: one process takes and gives */
	unsigned batch;     /* messages a call, at most */
	bool answers;       /* one of each, and a way back */
	bool one_cpu;       /* both sides share one */
	int64_t spin_ns;
	uint64_t ring_bytes;
	const char *dir; /* of our own, for what needs a name */
};

/* What a transport can do; added up. */
enum transport_can {
	TRANSPORT_ANSWER = 1, /* round trips */
	TRANSPORT_STREAM = 2, /* more than one message at a time */
	TRANSPORT_MANY = 4,   /* several producers, several consumers */
	TRANSPORT_BATCH = 8,  /* several messages a call */
	TRANSPORT_PAIR = 16   /* no messages: a semaphore's wait and post */
};

struct transport;

/* The end of one process. */
struct link {
	const struct transport *transport;
	const struct shape *shape;
	void *channel; /* from make() */
	bool producer;
	unsigned index; /* among the producers, or the consumers */
	char *buffer;   /* private, for shape->batch messages */
	int in, out;    /* descriptors; for the transport's use, as is own */
	void *own;
};

struct reason {
	char text[128];
};

struct transport {
	const char *name;
	const char *help; /* lower case, no full stop */
	unsigned can;     /* enum transport_can */
	size_t carries;   /* bytes a message, whatever its size; 0: its size */
	/* Receivers learn that all senders have left. */
	bool ends;
	/* Not among those that are measured if none is named. */
	bool on_request;
	/*
	 * check - whether there is such a thing here, for that shape; if not,
	 * the reason; may be NULL
	 */
	bool (*check)(const struct shape *shape, struct reason *ret_reason);
	/* make - in the parent, before there are processes; drop - after */
	int (*make)(const struct shape *shape, void **ret_channel);
	void (*drop)(void *channel);
	/* unmake - when they have ended, after drop(); may be NULL */
	void (*unmake)(const struct shape *shape);
	/* In each process; the producers attach first.  detach: all is sent. */
	int (*attach)(struct link *link);
	void (*detach)(struct link *link);
	/* send - @count messages that lie one behind the other */
	int (*send)(struct link *link, const char *messages, size_t count);
	/*
	 * receive - at least one message, at most shape->batch
	 *
	 * Where they are is stored in @messages; they stay there until the next
	 * call.  0: the end of the stream.  -EAGAIN: nothing came for a while,
	 * where the transport does not tell the end.
	 */
	ssize_t (*receive)(struct link *link, struct iovec *messages);
	/*
	 * call - send a request and wait for its reply, which is where a message
	 * that was received would be; NULL: send() and receive()
	 */
	ssize_t (*call)(struct link *link, const char *request,
			struct iovec *ret_reply);
	/*
	 * calls - what is used where several clients, the producers, call one
	 * server, the consumer, who attaches first, and replies with send() to
	 * whom the last request was from; NULL: there is none
	 */
	const struct transport *calls;
	/*
	 * pairs - a wait that need not wait and a post, @count times, in one
	 * process; where it can TRANSPORT_PAIR
	 */
	int (*pairs)(struct link *link, size_t count);
};

extern const struct transport transport_fifo;
extern const struct transport transport_line;
extern const struct transport transport_line_shared;
extern const struct transport transport_mqueue;
extern const struct transport transport_nng;
extern const struct transport transport_nng_calls;
extern const struct transport transport_pipe;
extern const struct transport transport_pipe_buffered;
extern const struct transport transport_port;
extern const struct transport transport_port_calls;
extern const struct transport transport_posix_sem;
extern const struct transport transport_sem;
extern const struct transport transport_sem_owned;
extern const struct transport transport_seqpacket;
extern const struct transport transport_seqpacket_calls;
extern const struct transport transport_spin_sem;
extern const struct transport transport_tcp;
extern const struct transport transport_tcp_calls;
extern const struct transport transport_unix;
extern const struct transport transport_unix_calls;
extern const struct transport transport_zmq;
extern const struct transport transport_zmq_calls;

/* All of them, in the order in which they are reported. */
extern const struct transport *const transports[];
extern const size_t transport_count;

/* transport_find - by its name; NULL if there is none */
const struct transport *transport_find(const char *name, size_t length);

/* transport_carried - how many bytes of a message of @size arrive */
size_t transport_carried(const struct transport *transport, size_t size);

/* transport_refuse - fill in the reason; false, for check() */
bool transport_refuse(struct reason *ret_reason, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Descriptors, for the transports that are made of them
 *
 * A way has an end to read from and one to write to; of a socket they are the
 * same.  descriptors_attach() takes the ends of this process and closes all
 * others.
 */
struct descriptors {
	int there[2]; /* what consumers read, what producers write */
	int back[2];  /* what producers read, what consumers write; or -1 */
};

struct descriptors *descriptors_new(void);
void descriptors_drop(void *channel);
int descriptors_attach(struct link *link);
void descriptors_detach(struct link *link);

/* For streams of bytes: all of the messages, and whole messages. */
int stream_write(struct link *link, const char *messages, size_t count);
ssize_t stream_read(struct link *link, struct iovec *messages);

/* How long a receiver waits that is not told the end of the stream. */
#define TRANSPORT_PATIENCE_MS 20

#endif
