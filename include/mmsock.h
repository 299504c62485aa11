/* SPDX-License-Identifier: MIT */
/*
 * mmsock.h - named message queues and semaphores in shared memory
 *
 * The one public header of libmmsock.  A port is a named queue: one file that
 * every participant maps.  A process opens a port and gets a handle, sends and
 * receives messages with it, and closes it.  mmsock(7) explains ports, end of
 * stream, waiting and what happens to the messages of a process that dies.
 * Semaphores, in the last part, are files of the same kind in the same place.
 *
 * Conventions of every function below, unless its comment says otherwise:
 *
 * Errors    0 or a positive number is success, a negative number is -errno.
 *           Output goes through ret_ parameters, written only on success.
 *           mmsock_error_text() gives the sentence that belongs to the code.
 * Time      int64_t nanoseconds.  A timeout of 0 never waits (-EAGAIN), a
 *           negative one (MMSOCK_FOREVER) waits without limit, any other one
 *           gives -ETIMEDOUT after that long without progress.  Deadlines are
 *           kept on the monotonic clock.
 * Sizes     bytes.
 * Threads   a handle belongs to one thread at a time.  A second call on a busy
 *           handle, also from a signal handler, gives -EDEADLK.  Threads that
 *           want to work at the same time open a handle each.
 * Fork      a child cannot use its parent's handles: -ECHILD.  It may close
 *           them (which frees memory only) and open its own.
 * Signals   a blocking call that is interrupted gives -EINTR; nothing is lost.
 *           Only mmsock_interrupt() may be called from a signal handler, and
 *           where it says so what is about semaphores.
 * Process   the library never exits, aborts, prints, raises SIGPIPE, installs a
 *           signal handler or changes the umask.
 */
#ifndef MMSOCK_H
#define MMSOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MMSOCK_API __attribute__((visibility("default")))
#else
#define MMSOCK_API
#endif

#define MMSOCK_VERSION "0.3.0"

/* A handle on an open port; made by mmsock_open(). */
struct mmsock;

/* A private buffer of messages that travel together; made by mmsock_run_new(). */
struct mmsock_run;

/* How a port is opened. */
enum mmsock_mode {
	/* Open the port, or create it where it does not exist. */
	MMSOCK_CONNECT_OR_CREATE = 0,
	/* Open the port; -ENOENT where it does not exist. */
	MMSOCK_CONNECT_TO_EXISTING = 1,
	/* Create one in place of any old one of its type; its users get -ESTALE. */
	MMSOCK_CREATE_NEW_OVERWRITE = 2,
	/* Create a new port; -EEXIST where one exists. */
	MMSOCK_CREATE_NEW_EXCLUSIVE = 3
};

/* What a handle is for; may be added up.  End of stream counts senders. */
enum mmsock_role {
	MMSOCK_SENDER = 1,
	MMSOCK_RECEIVER = 2,
	/* Of semaphores, for those who look: handles in the two modes. */
	MMSOCK_OWNER = 4,
	MMSOCK_PLAIN = 8,
	/* Of services; one of them, alone. */
	MMSOCK_CLIENT = 16,
	MMSOCK_SERVER = 32
};

/* Port types.  The file format has room for others. */
enum mmsock_type {
	/* Each message goes to exactly one receiver. */
	MMSOCK_QUEUE = 1,
	/* Requests, and to each a reply: see "Services" below. */
	MMSOCK_RPC = 3,
	/* No port, and not to be given to mmsock_open(). */
	MMSOCK_SEMAPHORE = 4
};

/* Flags of struct mmsock_options. */
enum mmsock_flag {
	/* Receiving goes on waiting when the last sender has left. */
	MMSOCK_KEEP_OPEN = 1,
	/*
	 * Touch the whole ring while opening (about 0.4 ms a MiB), so that the
	 * first lap is as fast as the later ones.  For processes that live
	 * long; costs more than it gains in one that sends a few messages.
	 */
	MMSOCK_POPULATE = 2
};

/* Wait without limit. */
#define MMSOCK_FOREVER INT64_C(-1)

/* Spin budget: adaptive, 50 us at first, never more than 1 ms. */
#define MMSOCK_SPIN_ADAPTIVE INT64_C(-1)

/* Spin budget: never sleep. */
#define MMSOCK_SPIN_ONLY INT64_MAX

/*
 * How to open or create.  Always start from MMSOCK_OPTIONS_INIT: it records the
 * size of the structure that the program was built with, so that later versions
 * of the library can add members.
 */
struct mmsock_options {
	size_t size;     /* sizeof(struct mmsock_options) */
	const char *dir; /* port directory; NULL: see mmsock_open() */
	unsigned mode;   /* enum mmsock_mode */
	unsigned role;   /* enum mmsock_role, added up; open only */
	unsigned flags;  /* enum mmsock_flag, added up; open only */
	int64_t spin_ns; /* how long a wait may spin before it sleeps */
	/* The rest describes a new port; of it an old one has to fit the type. */
	unsigned type; /* enum mmsock_type; 0: what the role is of */
	/*
	 * Most participants at a time; 0: 64.  Of a service clients and servers
	 * together; 0: 32 servers beside the clients, or as many as fit.
	 */
	unsigned slots;
	/*
	 * Rounded up to a power of two.  0: 1 MiB, or of a service enough for one
	 * request of each client that is as large as the largest reply, but at
	 * least 1 MiB.
	 */
	uint64_t ring_bytes;
	/* Largest message; 0: half the ring, of a service 8 bytes less. */
	uint64_t max_message;
	unsigned permissions; /* of the file, not masked by umask; 0: 0600 */
	int64_t group;        /* group id of the file; -1: as it falls */
	/* Of a service.  Since 0.3. */
	unsigned clients;     /* most clients at a time, up to 1023; 0: 32 */
	uint64_t reply_bytes; /* largest reply, at least 1 KiB; 0: 64 KiB */
};

#define MMSOCK_OPTIONS_INIT                                                    \
	{                                                                      \
		sizeof(struct mmsock_options), NULL, 0, 0, 0,                  \
			MMSOCK_SPIN_ADAPTIVE, 0, 0, 0, 0, 0, -1, 0, 0          \
	}

/* Limits of what can be created. */
#define MMSOCK_RING_MIN  ((uint64_t)4096)
#define MMSOCK_RING_MAX  ((uint64_t)1 << 36)
#define MMSOCK_SLOTS_MAX 1024U
#define MMSOCK_NAME_MAX  128U

/*
 * mmsock_open - open or create a port and become a participant
 *
 * @port is a plain name ([A-Za-z0-9._-], 1 to 128 characters, not beginning
 * with '.' or '-') in the port directory, or the path of a port file, which is
 * anything with a '/' in it.  The port directory is @options->dir, else the
 * environment's MMSOCK_DIR, else /dev/shm/mmsock-<uid>; it is made (0700) where
 * it is missing.  A path to a regular file on disk gives a port that keeps its
 * messages across processes and a reboot.
 *
 * @options may be NULL, which is MMSOCK_OPTIONS_INIT with both roles of a queue.
 *
 * The handle in *@ret_handle is the caller's, to be given to mmsock_close().
 * Opening holds no descriptor that the caller could break the handle with: it
 * survives closefrom(3).
 *
 * Errors: -ENOENT no such port; -EEXIST it exists (exclusive); -EACCES not
 * allowed, or the file belongs to someone who should not own it; -EINVAL a bad
 * name, mode, role or size; -ENAMETOOLONG; -ENOSPC no room for the port;
 * -ENOTSOCK the file is no port, but perhaps a symbolic link, a directory or a
 * FIFO, or is a port of another type; -EMLINK it has several names;
 * -EPROTONOSUPPORT another layout version or byte order; -EBADMSG damaged;
 * -ESTALE replaced or removed meanwhile, again and again, or at once where it was
 * to be new; -EUSERS every slot is held by a live participant; -EOPNOTSUPP a file
 * system that cannot carry a port; -EFBIG above the process's limit; -ENOTDIR;
 * -EMFILE; -ENOMEM.
 *
 * Thread-safe.  Since 0.1.
 */
MMSOCK_API int mmsock_open(const char *port,
			   const struct mmsock_options *options,
			   struct mmsock **ret_handle);

/*
 * mmsock_create - create a port without becoming a participant
 *
 * As mmsock_open(), for the modes CREATE_NEW_EXCLUSIVE, CREATE_NEW_OVERWRITE
 * and CONNECT_OR_CREATE (where an existing port is left as it is, whatever its
 * sizes).  No role is needed; one of a service makes a service.  Returns 1 if a
 * port was created, 0 if it was there.
 *
 * Thread-safe.  Since 0.1.
 */
MMSOCK_API int mmsock_create(const char *port,
			     const struct mmsock_options *options);

/*
 * mmsock_close - leave a port and free the handle
 *
 * What was reserved or peeked at and not finished is given back.  The port and
 * its messages stay.  The last sender that leaves ends the stream for the
 * receivers.  NULL is allowed.  Keeps errno.  Since 0.1.
 */
MMSOCK_API void mmsock_close(struct mmsock *handle);

/*
 * mmsock_send - send one message
 *
 * Copies @length bytes (0 is a message too) into the port; when it returns 0
 * the message is committed and survives the sender.
 *
 * Errors: -EAGAIN no room, with timeout 0; -ETIMEDOUT; -EINTR; -EMSGSIZE larger
 * than mmsock_max_message(); -EBUSY there is room but another sender holds the
 * end and did not let go in time (timeout 0 only; the text names it); -EIDRM
 * the port was removed; -ESTALE it was replaced; -EBADMSG its contents are not
 * valid; -EPERM the handle is no sender; -EDEADLK; -ECHILD.
 *
 * Since 0.1.
 */
MMSOCK_API int mmsock_send(struct mmsock *handle, const void *message,
			   size_t length, int64_t timeout_ns);

/*
 * mmsock_recv - receive one message
 *
 * Copies the oldest message into @buffer and takes it off the port.  Returns
 * its length, which may be 0.
 *
 * Errors: -EAGAIN the port is empty, with timeout 0; -ENODATA end of stream: it
 * is empty, no other sender is attached, and this handle has received something or
 * seen a sender since it was opened (never with MMSOCK_KEEP_OPEN); -EMSGSIZE
 * @size is too small, and the message stays; -ETIMEDOUT, -EINTR, -EBUSY,
 * -EIDRM, -ESTALE (the last two once the port is empty), -EBADMSG, -EPERM,
 * -EDEADLK, -ECHILD as above.  End of stream is told before -EAGAIN.
 *
 * Since 0.1.
 */
MMSOCK_API ssize_t mmsock_recv(struct mmsock *handle, void *buffer, size_t size,
			       int64_t timeout_ns);

/*
 * mmsock_reserve, mmsock_commit - send without a copy
 *
 * mmsock_reserve() waits for room and lends @length bytes of the ring in
 * *@ret_buffer, 8-byte aligned and contiguous, to be written to.
 * mmsock_commit() sends the first @length of them (at most what was reserved).
 * mmsock_cancel() sends nothing.
 *
 * In between the handle holds the sending end: other senders wait, and a call
 * that may block has no place there.  Any other call but commit, cancel and
 * close gives -EDEADLK.  Errors as for mmsock_send().  Since 0.1.
 */
MMSOCK_API int mmsock_reserve(struct mmsock *handle, size_t length,
			      void **ret_buffer, int64_t timeout_ns);
MMSOCK_API int mmsock_commit(struct mmsock *handle, size_t length);

/*
 * mmsock_peek, mmsock_release - receive without a copy
 *
 * mmsock_peek() waits for a message, lends it in *@ret_message and returns its
 * length.  mmsock_release() takes it off the port; mmsock_cancel() leaves it
 * there.  In between the handle holds the receiving end, as above.  A hostile
 * peer may change the bytes while they are looked at: copy what decisions are
 * made from.  Errors as for mmsock_recv().  Since 0.1.
 */
MMSOCK_API ssize_t mmsock_peek(struct mmsock *handle, const void **ret_message,
			       int64_t timeout_ns);
MMSOCK_API int mmsock_release(struct mmsock *handle);

/*
 * mmsock_cancel - give back what is reserved or peeked at
 *
 * 0, or -EINVAL where nothing is.  Since 0.1.
 */
MMSOCK_API int mmsock_cancel(struct mmsock *handle);

/*
 * Runs: many messages with one commit, the fastest way to move small ones.
 *
 * A run is a private buffer that is filled with mmsock_run_add() and sent by
 * mmsock_run_send(), or filled by mmsock_run_recv() and read with
 * mmsock_run_next().  A run that was received can be sent on as it is, to the
 * same or another port.  It belongs to one thread at a time and to no handle.
 */

/*
 * mmsock_run_new - make a run with room for about @bytes of messages
 *
 * Each message takes its length, 8 bytes, and padding to a multiple of 8.
 * mmsock_run_add() never makes it grow beyond that, but for one message that is
 * larger by itself; mmsock_run_recv() likewise.  -EINVAL if @bytes is above
 * 1 GiB, -ENOMEM.  Since 0.1.
 */
MMSOCK_API int mmsock_run_new(size_t bytes, struct mmsock_run **ret_run);

/* mmsock_run_free - free a run; NULL is allowed.  Since 0.1. */
MMSOCK_API void mmsock_run_free(struct mmsock_run *run);

/* mmsock_run_clear - forget all messages of a run.  Since 0.1. */
MMSOCK_API void mmsock_run_clear(struct mmsock_run *run);

/* mmsock_run_count - number of messages not yet sent or read.  Since 0.1. */
MMSOCK_API size_t mmsock_run_count(const struct mmsock_run *run);

/*
 * mmsock_run_add - append a copy of a message
 *
 * -ENOBUFS when it does not fit (an empty run grows for one large message
 * instead), -EMSGSIZE from 4 GiB on, -ENOMEM.  Since 0.1.
 */
MMSOCK_API int mmsock_run_add(struct mmsock_run *run, const void *message,
			      size_t length);

/*
 * mmsock_run_split - append the records of a text, each a message
 *
 * A record is what stands before a delimiter, which is left out.  Appends up to
 * @most of them, and stops early where the run is full, at a record of more than
 * @longest bytes, and at what no delimiter follows.  Returns how many it
 * appended, and in *@ret_taken how many bytes of @text these took, delimiters
 * included.  Costs little more than copying the text.  Since 0.2.
 */
MMSOCK_API size_t mmsock_run_split(struct mmsock_run *run, const void *text,
				   size_t length, char delimiter,
				   size_t longest, size_t most,
				   size_t *ret_taken);

/*
 * mmsock_run_next - take the next message out of a run
 *
 * Returns 1 and lends the message in *@ret_message and *@ret_length until the
 * run is next changed; 0 when there is none left.  Since 0.1.
 */
MMSOCK_API int mmsock_run_next(struct mmsock_run *run, const void **ret_message,
			       size_t *ret_length);

/*
 * mmsock_run_addv, mmsock_run_nextv - the same for several messages in one call
 *
 * mmsock_run_addv() appends the first of @count messages, as many as fit, and
 * returns how many; at least one into an empty run.  -EMSGSIZE and -ENOMEM only
 * where the very first cannot be added.  mmsock_run_nextv() takes out up to @most
 * messages, lends them in @messages, and returns how many.  Since 0.1.
 */
MMSOCK_API int mmsock_run_addv(struct mmsock_run *run,
			       const struct iovec *messages, size_t count);
MMSOCK_API size_t mmsock_run_nextv(struct mmsock_run *run,
				   struct iovec *messages, size_t most);

/*
 * mmsock_run_send - send all messages of a run
 *
 * A run that fits into what is free becomes visible as a whole, by one commit;
 * otherwise it is cut between messages, each part one commit, and the timeout
 * holds for each part.  0 when all are sent and the run is empty; else an error
 * of mmsock_send(), and the run keeps what was not sent: the difference of
 * mmsock_run_count() before and after is what went in.  With -EMSGSIZE (a
 * message larger than the port takes) nothing of the run is sent.  Since 0.1.
 */
MMSOCK_API int mmsock_run_send(struct mmsock *handle, struct mmsock_run *run,
			       int64_t timeout_ns);

/*
 * mmsock_run_recv - receive all messages that are there
 *
 * Waits for the first message only, then takes as many as are there, fit into
 * the run and are not more than @most (0: no limit).  The run is cleared first.
 * Returns how many; errors as for mmsock_recv().  Since 0.1.
 */
MMSOCK_API int mmsock_run_recv(struct mmsock *handle, struct mmsock_run *run,
			       size_t most, int64_t timeout_ns);

/*
 * mmsock_wait_peers - wait until participants of the other role are attached
 *
 * A sender waits for @count receivers, a client for servers and a server for
 * clients, a receiver for senders, of whom those count too that have come and
 * gone since the handle was opened; a handle with both roles waits for other
 * handles of any role.  0, -ETIMEDOUT, -EAGAIN, -EINTR, -EIDRM, -ESTALE,
 * -EDEADLK, -ECHILD.  Since 0.1.
 */
MMSOCK_API int mmsock_wait_peers(struct mmsock *handle, unsigned count,
				 int64_t timeout_ns);

/*
 * mmsock_wait_port - wait until a port of this name exists
 *
 * @port and @dir as in mmsock_open().  Woken by the kernel when the name
 * appears, not by polling.  0, -ETIMEDOUT, -EAGAIN, -EINTR, or an error of
 * finding the directory.  Thread-safe.  Since 0.1.
 */
MMSOCK_API int mmsock_wait_port(const char *port, const char *dir,
				int64_t timeout_ns);

/*
 * mmsock_interrupt - make a blocking call return -EINTR
 *
 * The call in progress on @handle, or else the next one that would block,
 * returns -EINTR, whatever the moment: there is no gap between looking at a
 * flag and going to sleep that a signal could fall into.  Async-signal-safe and
 * thread-safe.  Since 0.1.
 */
MMSOCK_API void mmsock_interrupt(struct mmsock *handle);

/* mmsock_max_message - largest message this port takes.  Since 0.1. */
MMSOCK_API uint64_t mmsock_max_message(const struct mmsock *handle);

/*
 * mmsock_senders_died - senders that died attached since this handle was opened
 *
 * Died means: the kernel has certified the end of a process that did not close
 * its handle.  Looks at every slot; for slow paths.  Since 0.1.
 */
MMSOCK_API int64_t mmsock_senders_died(struct mmsock *handle);

/* When mmsock_remove() removes. */
enum mmsock_remove_when {
	/* Only if no live process is attached; -EBUSY otherwise. */
	MMSOCK_REMOVE_UNUSED = 0,
	/* Only if the port is stale (see mmsock_inspect()); -EBUSY otherwise. */
	MMSOCK_REMOVE_STALE = 1,
	/* In any case; its users get -EIDRM. */
	MMSOCK_REMOVE_ALWAYS = 2
};

/*
 * mmsock_remove - remove a port or semaphore by name
 *
 * The name goes at once, everyone who waits on the port is woken, receivers may
 * still take what it holds.  Refuses a file that is no port (-ENOTSOCK).
 * -ENOENT, -EACCES, -EBUSY, -EINVAL; with MMSOCK_REMOVE_ALWAYS also removes a
 * damaged port and one of another layout version.  Thread-safe.  Since 0.1.
 */
MMSOCK_API int mmsock_remove(const char *port, const char *dir,
			     enum mmsock_remove_when when);

/* What mmsock_inspect() says of a port. */
enum mmsock_state {
	MMSOCK_STATE_OK = 0,
	/*
	 * A participant died attached, none is alive, no message of a queue waits
	 * (requests of a service are nobody's once their clients are gone).  A port
	 * that was never used, was left cleanly or holds messages is not stale.
	 */
	MMSOCK_STATE_STALE = 1,
	/* Removed or replaced while it was looked at. */
	MMSOCK_STATE_REMOVED = 2,
	/* Another layout version or byte order; only the file's own facts hold. */
	MMSOCK_STATE_FOREIGN_LAYOUT = 3,
	/* Not valid; only the file's own facts hold. */
	MMSOCK_STATE_CORRUPT = 4
};

/*
 * A port as seen from outside.  Set size to sizeof(struct mmsock_info) first.
 * Counts of a port in use are a moment old.  Times are nanoseconds since 1970;
 * 0 is never.
 */
struct mmsock_info {
	size_t size;      /* that of an earlier version will do */
	unsigned state;   /* enum mmsock_state */
	unsigned type;    /* enum mmsock_type */
	unsigned layout;  /* version of the file format */
	unsigned on_disk; /* 1: a regular file that outlives a reboot */
	unsigned uid;     /* owner of the file */
	unsigned gid;
	unsigned permissions; /* of the file */
	unsigned slots;       /* most participants at a time */
	unsigned senders;     /* live participants by role */
	unsigned receivers;
	unsigned participants; /* live, whatever their role */
	unsigned dead;         /* died attached, slot not yet reused */
	uint64_t ring_bytes;
	uint64_t used_bytes; /* of the ring, headers and padding included */
	uint64_t max_message;
	uint64_t messages; /* waiting to be received */
	uint64_t sent;     /* messages since creation */
	uint64_t received;
	uint64_t dropped;
	uint64_t sleeps;     /* waits that went to sleep, all participants */
	uint64_t takeovers;  /* ends taken over from a dead participant */
	uint64_t late_wakes; /* waits that the periodic re-check ended */
	uint64_t died;       /* participants that died attached */
	int64_t created_ns;
	int64_t last_send_ns; /* to about 4 ms */
	int64_t last_recv_ns;
	uint64_t file_bytes;
	char detail[160]; /* why it is corrupt or foreign, else empty */
	/* Of a semaphore.  Since 0.2. */
	uint64_t value;     /* units to be taken, those of the dead included */
	uint64_t max_value; /* 1: a binary one */
	uint64_t held;      /* units that live owners hold */
	/* Of what went wrong.  Since 0.2. */
	uint64_t replaced; /* live handles, as earlier ports were replaced */
	uint64_t corrupt;  /* calls that found what cannot be; -EBADMSG */
	/* Of a service, where senders are clients and receivers servers.  Since
	 * 0.3. */
	unsigned clients;    /* most at a time; slots is of both kinds */
	uint64_t lane_bytes; /* of each client's reply ring */
	uint64_t max_reply;  /* largest reply */
	uint64_t calls;      /* of live clients, in flight */
	uint64_t requests;   /* taken by live servers, not answered */
};

/* What a participant does at the moment. */
enum mmsock_activity {
	MMSOCK_RUNNING = 0,  /* none of the below, as far as others can see */
	MMSOCK_SPINNING = 1, /* waits, polling */
	MMSOCK_ASLEEP = 2,   /* waits in the kernel */
	MMSOCK_HOLDING = 3,  /* holds an end of the ring, or units */
	MMSOCK_DEAD = 4      /* died attached */
};

/* What a participant waits for or holds. */
enum mmsock_object {
	MMSOCK_NOTHING = 0,
	MMSOCK_DATA = 1,
	MMSOCK_SPACE = 2,
	MMSOCK_SEND_END = 3,
	MMSOCK_RECV_END = 4,
	MMSOCK_PEERS = 5,
	MMSOCK_UNITS = 6,
	MMSOCK_REPLY = 7,    /* a client waits for one */
	MMSOCK_REPLY_END = 8 /* of a lane, which a server replies through */
};

/* A participant as seen from outside; set size first, as above. */
struct mmsock_peer {
	size_t size;
	unsigned slot;
	int pid;           /* in the participant's own pid namespace */
	unsigned role;     /* enum mmsock_role, added up */
	unsigned activity; /* enum mmsock_activity */
	unsigned object;   /* enum mmsock_object */
	char program[16];
	int64_t since_ns;    /* when it attached */
	uint64_t sent;       /* messages */
	uint64_t sent_bytes; /* payload */
	uint64_t received;
	uint64_t received_bytes;
	uint64_t sleeps;
	uint64_t late_wakes;
	int64_t blocked_ns; /* time spent waiting beyond the first poll */
	uint64_t held;      /* units of a semaphore.  Since 0.2. */
	/* Of services.  Since 0.3. */
	uint64_t calls;      /* in flight, or taken and not answered */
	int64_t calls_since; /* the oldest of them, wall clock, to 4 ms */
};

/*
 * mmsock_inspect - look at a port or semaphore without attaching
 *
 * Changes nothing and takes no slot.  A damaged or foreign port is a success
 * with that state.  -ENOENT, -EACCES, -ENOTSOCK (no port at all), -EINVAL.
 * Thread-safe.  Since 0.1.
 */
MMSOCK_API int mmsock_inspect(const char *port, const char *dir,
			      struct mmsock_info *ret_info);

/*
 * mmsock_inspect_peers - look at the participants of a port
 *
 * Calls @visit for each, live ones and those that died attached, in order of
 * their slots, until it returns other than 0, and returns that.  Errors as
 * mmsock_inspect(), and -EBADMSG or -EPROTONOSUPPORT where that gives a state.
 * Thread-safe.  Since 0.1.
 */
MMSOCK_API int mmsock_inspect_peers(const char *port, const char *dir,
				    int (*visit)(const struct mmsock_peer *peer,
						 void *context),
				    void *context);

/*
 * mmsock_list - visit the names in the port directory
 *
 * @dir as in mmsock_open(), but never made: a missing directory has no ports.
 * Names are visited in sorted order, those of regular files with a valid port
 * name only; whether one is a port, mmsock_inspect() tells.  Stops when @visit
 * returns other than 0, and returns that.  Thread-safe.  Since 0.1.
 */
MMSOCK_API int mmsock_list(const char *dir,
			   int (*visit)(const char *name, void *context),
			   void *context);

/*
 * mmsock_path - where a port lives
 *
 * Writes the path of @port's file, whether it exists or not, into @buffer.
 * -ENAMETOOLONG where @size is too small, else as mmsock_open() for the name.
 * Creates nothing.  Thread-safe.  Since 0.1.
 */
MMSOCK_API int mmsock_path(const char *port, const char *dir, char *buffer,
			   size_t size);

/*
 * mmsock_error_text - the sentence for an error
 *
 * @error is what a function here returned (its sign does not matter).  Where
 * the last failure in this thread was that error, the text says what exactly
 * was wrong, as "ring size 12 in the header is not a power of two"; else it is
 * the general text.  Lower case, no full stop.  The text is static or belongs
 * to the thread and holds until its next failing call.  Thread-safe.  Since 0.1.
 */
MMSOCK_API const char *mmsock_error_text(int error);

/* mmsock_version - version of the library in use.  Since 0.1. */
MMSOCK_API const char *mmsock_version(void);

/*
 * Services: request and reply
 *
 * A port of type MMSOCK_RPC carries requests from clients to servers and to each
 * request one reply, back to the client who sent it.  Any number of servers,
 * processes or threads with a handle each, share the requests; each request is
 * taken by one of them.  Every client has a reply ring of its own, its lane.
 *
 * A request is executed at most once, and nothing is ever sent again.  Whoever
 * calls is told in time what has become of it:
 *
 *   a reply          the server answered
 *   -EREMOTEIO       the server answered with an error: mmsock_call_status(),
 *                    and its text is that of mmsock_error_text()
 *   -ECONNREFUSED    nobody serves the port; the request was not and will not be
 *                    executed
 *   -EOWNERDEAD      the server that had taken it died or left; it may have been
 *                    executed in part
 *   -ETIMEDOUT       it may or may not be executed; a late reply is dropped
 *
 * Servers come and go behind a port, and its clients stay attached.
 *
 * A handle is opened by mmsock_open() with the role MMSOCK_CLIENT or
 * MMSOCK_SERVER (one of them, given in the options), and on a new port with the
 * type MMSOCK_RPC.  It belongs to one thread at a time.
 */

/* Calls that a client can have in flight, and requests a server unanswered. */
#define MMSOCK_CALLS_MAX    64U
#define MMSOCK_REQUESTS_MAX 16U

/*
 * mmsock_call - send a request and wait for its reply
 *
 * Returns the reply's length, which may be 0.  The time-out holds for both.  With
 * 0 it never waits for room, nor for the reply, so that it is of no use but
 * to find out whether somebody serves.
 *
 * Errors: those above, after which nothing is in flight any more; -EMSGSIZE the
 * request is larger than mmsock_max_message(), or the reply larger than @size (it
 * is lost then) or than mmsock_max_reply() (the server was told, too); -ENOBUFS
 * the reply did not fit beside others that were not collected, or
 * MMSOCK_CALLS_MAX calls are in flight, or were made since the oldest of those that
 * are; -EAGAIN, -EINTR, -EBUSY, -EIDRM, -ESTALE, -EBADMSG, -EPERM, -EDEADLK, -ECHILD
 * as for mmsock_send().
 *
 * Since 0.3.
 */
MMSOCK_API ssize_t mmsock_call(struct mmsock *handle, const void *request,
			       size_t length, void *buffer, size_t size,
			       int64_t timeout_ns);

/*
 * mmsock_call_send, mmsock_call_recv - send now, collect later
 *
 * mmsock_call_send() sends a request and names it in *@ret_call, a number that is
 * never 0 and never comes back on this handle.  mmsock_call_recv() waits for the reply to
 * *@call, or, where that is 0, for whichever call ends first, and sets *@call to
 * it.  Replies may be collected in any order; one that is not yet asked for is
 * kept in memory.  Errors as for mmsock_call(); with -EMSGSIZE (@size is too
 * small), -ETIMEDOUT, -EAGAIN and -EINTR the call goes on and can be asked for
 * again; so with -EBADMSG where it is the lane that is not valid, and not this reply;
 * with others it has ended.  -EINVAL there is no such call, or none at all.
 *
 * Since 0.3.
 */
MMSOCK_API int mmsock_call_send(struct mmsock *handle, const void *request,
				size_t length, uint64_t *ret_call,
				int64_t timeout_ns);
MMSOCK_API ssize_t mmsock_call_recv(struct mmsock *handle, uint64_t *call,
				    void *buffer, size_t size,
				    int64_t timeout_ns);

/*
 * mmsock_call_reserve, mmsock_call_commit - send a request without a copy
 *
 * As mmsock_reserve() and mmsock_commit(): the handle holds the sending end in
 * between, and mmsock_cancel() gives it back.  Since 0.3.
 */
MMSOCK_API int mmsock_call_reserve(struct mmsock *handle, size_t length,
				   void **ret_buffer, int64_t timeout_ns);
MMSOCK_API int mmsock_call_commit(struct mmsock *handle, size_t length,
				  uint64_t *ret_call);

/*
 * mmsock_call_peek, mmsock_call_release - collect a reply without a copy
 *
 * mmsock_call_peek() lends the reply in *@ret_reply until mmsock_call_release(),
 * which ends the call, or mmsock_cancel(), after which it can be asked for again.
 * Nobody waits for either, but the lane is not emptied in between.  Errors as for
 * mmsock_call_recv().  Since 0.3.
 */
MMSOCK_API ssize_t mmsock_call_peek(struct mmsock *handle, uint64_t *call,
				    const void **ret_reply, int64_t timeout_ns);
MMSOCK_API int mmsock_call_release(struct mmsock *handle);

/*
 * mmsock_call_cancel - give a call up
 *
 * 1 if no server had taken the request, which now nobody will; 0 if one had; its
 * reply is dropped.  -EINVAL there is no such call.  Since 0.3.
 */
MMSOCK_API int mmsock_call_cancel(struct mmsock *handle, uint64_t call);

/* mmsock_call_count - calls in flight, or not yet collected.  Since 0.3. */
MMSOCK_API unsigned mmsock_call_count(const struct mmsock *handle);

/* mmsock_call_status - status of the last -EREMOTEIO on this handle.  Since 0.3. */
MMSOCK_API int mmsock_call_status(const struct mmsock *handle);

/* mmsock_max_reply - largest reply that a service's lanes take.  Since 0.3. */
MMSOCK_API uint64_t mmsock_max_reply(const struct mmsock *handle);

/* A request that was taken, to be replied to on the handle that took it. */
struct mmsock_request {
	uint64_t call;   /* number, of this client and those before it */
	uint32_t client; /* slot */
	uint32_t place;  /* of the library */
};

/*
 * mmsock_serve_recv - take a request
 *
 * Copies the oldest request into @buffer, returns its length, and describes it in
 * *@ret_request.  Until it is replied to, the caller waits and can see who has it.
 * Up to MMSOCK_REQUESTS_MAX requests may be open on a handle, and be replied to in
 * any order.  There is no end of stream: clients may always come.
 *
 * A request of a client that gave it up or closed his handle is dropped.  One of a
 * client that was killed is taken as any other, until his slot is used again: who
 * must not execute it for nobody asks mmsock_request_wanted() first.
 *
 * Errors: -EMSGSIZE @size is too small, and the request stays; -ENOBUFS too many
 * are open; -EAGAIN, -ETIMEDOUT, -EINTR, -EBUSY, -EIDRM, -ESTALE, -EBADMSG,
 * -EPERM, -EDEADLK, -ECHILD as for mmsock_recv().
 *
 * Since 0.3.
 */
MMSOCK_API ssize_t mmsock_serve_recv(struct mmsock *handle, void *buffer,
				     size_t size,
				     struct mmsock_request *ret_request,
				     int64_t timeout_ns);

/*
 * mmsock_serve_peek, mmsock_serve_release - take a request without a copy
 *
 * As mmsock_peek() and mmsock_release(): in between the handle holds the receiving
 * end, so that other servers wait; parse it and release it, then work.
 * mmsock_serve_release() gives -ECONNRESET where the caller has given it up in
 * between: it must not be executed then.  Since 0.3.
 */
MMSOCK_API ssize_t mmsock_serve_peek(struct mmsock *handle,
				     const void **ret_request,
				     int64_t timeout_ns);
MMSOCK_API int mmsock_serve_release(struct mmsock *handle,
				    struct mmsock_request *ret_request);

/*
 * mmsock_reply, mmsock_reply_error - answer a request
 *
 * mmsock_reply() sends @length bytes, mmsock_reply_error() a status, which is the
 * server's own affair, and a text of up to 1000 bytes (more is cut; it may be
 * NULL).  A server never waits for a client, only for another server that is
 * replying to the same one: that is what the time-out is for.
 *
 * The request is closed by success and by: -ECONNRESET the caller is gone or no
 * longer waits (of one that was killed only when his slot is used again, until then
 * 0 may be returned: to ask costs a system call, which mmsock_request_wanted() takes);
 * -EMSGSIZE larger than mmsock_max_reply(), the caller is told; -ENOBUFS his lane is
 * full of replies that he has not collected, he is told.  It stays open with
 * -ETIMEDOUT, -EAGAIN, -EBUSY, -EINTR.  -EINVAL it is not open on this handle;
 * -EIDRM, -ESTALE, -EBADMSG, -EPERM, -EDEADLK, -ECHILD.
 *
 * Since 0.3.
 */
MMSOCK_API int mmsock_reply(struct mmsock *handle,
			    const struct mmsock_request *request,
			    const void *reply, size_t length,
			    int64_t timeout_ns);
MMSOCK_API int mmsock_reply_error(struct mmsock *handle,
				  const struct mmsock_request *request,
				  int status, const char *text,
				  int64_t timeout_ns);

/*
 * mmsock_reply_reserve, mmsock_reply_commit - reply without a copy
 *
 * Lends @length bytes of the caller's lane, of which the first @length of
 * mmsock_reply_commit() are sent.  In between other servers cannot reply to the same
 * client.  mmsock_cancel() gives the lane back and leaves the request open.  Errors
 * as for mmsock_reply().  Since 0.3.
 */
MMSOCK_API int mmsock_reply_reserve(struct mmsock *handle,
				    const struct mmsock_request *request,
				    size_t length, void **ret_buffer,
				    int64_t timeout_ns);
MMSOCK_API int mmsock_reply_commit(struct mmsock *handle, size_t length);

/*
 * mmsock_request_wanted - does the caller still wait?
 *
 * 1 or 0; asks the kernel whether the client is alive, so for long work now and
 * then.  -EINVAL it is not open on this handle; -EPERM, -EDEADLK, -ECHILD.
 * Since 0.3.
 */
MMSOCK_API int mmsock_request_wanted(struct mmsock *handle,
				     const struct mmsock_request *request);

/*
 * mmsock_request_pid - process id of the client, in its own pid namespace
 *
 * Or an error as above.  Since 0.3.
 */
MMSOCK_API int mmsock_request_pid(struct mmsock *handle,
				  const struct mmsock_request *request);

/*
 * Semaphores
 *
 * A semaphore is a named number of units.  A wait takes units and blocks while
 * there are too few, a post gives units.  It is one small file, found by name as
 * ports are, made, replaced, removed, listed and looked at in the same way, and
 * waited for in the same way: spinning first, then asleep.
 *
 * A handle is in one of two modes, and both may be in use at once:
 *
 * Plain     a unit is a number and belongs to nobody, as in sem_wait(3).  Any
 *           process may post what another has taken; that is how one tells
 *           another that something has happened.  Whoever dies keeps nothing and
 *           gives nothing back.
 * Owned     a unit that is taken belongs to the handle until it posts it or is
 *           closed, and is given back when its process dies, whatever it dies of.
 *           Only the owner can post it: were another to do that, it would be given
 *           back twice.
 *
 * A handle belongs to one thread at a time, as those of ports; but
 * mmsock_sem_post() in plain mode may be called by any thread at any time, and
 * from a signal handler.
 *
 * Nobody waits in a queue: who asks when there are units gets them.  A wait for
 * several units takes them all at once or none, so smaller ones overtake it.
 */

/* A handle on an open semaphore; made by mmsock_sem_open(). */
struct mmsock_sem;

/* Flags of struct mmsock_sem_options. */
enum mmsock_sem_flag {
	/* What is taken is given back by the death of who took it. */
	MMSOCK_SEM_OWNED = 1
};

/* Limit of a semaphore's value, and of what an owner holds. */
#define MMSOCK_SEM_VALUE_MAX 16777215U

/*
 * How to open or create.  Always start from MMSOCK_SEM_OPTIONS_INIT, for the
 * reason that is given at struct mmsock_options.
 */
struct mmsock_sem_options {
	size_t size;     /* sizeof(struct mmsock_sem_options) */
	const char *dir; /* as in mmsock_open() */
	unsigned mode;   /* enum mmsock_mode */
	unsigned flags;  /* enum mmsock_sem_flag; open only */
	int64_t spin_ns; /* how long a wait may spin before it sleeps */
	/* The rest describes a new one and is not looked at for an old one. */
	uint64_t value;       /* to begin with */
	uint64_t maximum;     /* 1: binary; 0: MMSOCK_SEM_VALUE_MAX */
	unsigned slots;       /* most handles at a time; 0: 256 */
	unsigned permissions; /* of the file, not masked by umask; 0: 0600 */
	int64_t group;        /* group id of the file; -1: as it falls */
};

#define MMSOCK_SEM_OPTIONS_INIT                                                \
	{                                                                      \
		sizeof(struct mmsock_sem_options), NULL, 0, 0,                 \
			MMSOCK_SPIN_ADAPTIVE, 1, 0, 0, 0, -1                   \
	}

/*
 * mmsock_sem_open - open or create a semaphore
 *
 * @name is found as a port is by mmsock_open(); a name is that of a port or of a
 * semaphore.  @options may be NULL: connect or create, with the value 1, plain.
 * The handle in *@ret_sem is the caller's, to be given to mmsock_sem_close().
 *
 * Errors: those of mmsock_open(); -EUSERS there are as many handles as slots, in
 * whichever mode; -ENOTSOCK it is a port, or no such file at all; -EINVAL a value
 * above the maximum, or a maximum above MMSOCK_SEM_VALUE_MAX.
 *
 * Thread-safe.  Since 0.2.
 */
MMSOCK_API int mmsock_sem_open(const char *name,
			       const struct mmsock_sem_options *options,
			       struct mmsock_sem **ret_sem);

/*
 * mmsock_sem_create - create a semaphore without opening it
 *
 * As mmsock_create().  1 if one was created, 0 if it was there.  Thread-safe.
 * Since 0.2.
 */
MMSOCK_API int mmsock_sem_create(const char *name,
				 const struct mmsock_sem_options *options);

/*
 * mmsock_sem_close - free a handle
 *
 * In owned mode units that it still holds are given back.  The semaphore and its
 * value stay.  NULL is allowed.  Keeps errno.  Since 0.2.
 */
MMSOCK_API void mmsock_sem_close(struct mmsock_sem *sem);

/*
 * mmsock_sem_wait - take units, waiting for them
 *
 * Takes @units (at least 1) at once.  With timeout 0 it never waits.  A wait that
 * sleeps sees within 100 ms that an owner has died, one that does not wait at
 * once, and takes what he held.
 *
 * Errors: -EAGAIN there are too few, with timeout 0; -ETIMEDOUT; -EINTR; -EINVAL
 * @units is 0 or more than the maximum, so that there can never be as many;
 * -EIDRM the semaphore was removed; -ESTALE it was replaced; -EOVERFLOW the owner
 * would hold more than MMSOCK_SEM_VALUE_MAX; -EBADMSG its contents are not valid;
 * -EDEADLK; -ECHILD.
 *
 * Since 0.2.
 */
MMSOCK_API int mmsock_sem_wait(struct mmsock_sem *sem, uint64_t units,
			       int64_t timeout_ns);

/*
 * mmsock_sem_post - give units
 *
 * Gives @units (at least 1) at once, all or none, and wakes as many waiters as
 * that is good for.  Never waits.
 *
 * Errors: -EOVERFLOW the value would be above its maximum; -EPERM in owned mode,
 * the handle does not hold so many; -EINVAL @units is 0; -EIDRM, -ESTALE,
 * -EBADMSG, -EDEADLK (owned mode only), -ECHILD as above.
 *
 * In plain mode async-signal-safe and thread-safe.  Since 0.2.
 */
MMSOCK_API int mmsock_sem_post(struct mmsock_sem *sem, uint64_t units);

/*
 * mmsock_sem_value - how many units there are to be taken
 *
 * What dead owners held is given back first.  -EIDRM, -ESTALE, -EBADMSG,
 * -EDEADLK, -ECHILD.  Since 0.2.
 */
MMSOCK_API int64_t mmsock_sem_value(struct mmsock_sem *sem);

/*
 * mmsock_sem_destroy - remove the semaphore that the handle is open on
 *
 * Its name goes, whoever waits for it or comes later gets -EIDRM, this handle
 * too, which is still to be closed.  -EIDRM, -ESTALE where that has happened
 * before; -EACCES; -EDEADLK; -ECHILD.  Since 0.2.
 */
MMSOCK_API int mmsock_sem_destroy(struct mmsock_sem *sem);

/*
 * mmsock_sem_remove - remove a semaphore by name
 *
 * As mmsock_remove(), and -ENOTSOCK for a port.  Thread-safe.  Since 0.2.
 */
MMSOCK_API int mmsock_sem_remove(const char *name, const char *dir,
				 enum mmsock_remove_when when);

/*
 * mmsock_sem_interrupt - make a wait return -EINTR
 *
 * As mmsock_interrupt().  Async-signal-safe and thread-safe.  Since 0.2.
 */
MMSOCK_API void mmsock_sem_interrupt(struct mmsock_sem *sem);

#ifdef __cplusplus
}
#endif

#endif
