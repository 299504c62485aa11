/* SPDX-License-Identifier: MIT */
/*
 * soak.h - what all processes of the soak share, and who does what in it
 *
 *	soak.c      rounds, the audit at the end of each, the report
 *	chaos.c     starts the processes, kills, stops, replaces and removes
 *	traffic.c   senders and receivers
 *	calls.c     clients and servers
 *	guests.c    users of a semaphore
 *	streams.c   pipelines of the real tools
 *	world.c     the memory that all of them share, and the books in it
 *
 * Nobody who may be killed keeps books in memory of his own.  What he is about to
 * do and what he did is in memory that outlives him: a session for each handle
 * that sends, a seat for each process.
 */
#ifndef SOAK_H
#define SOAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "handle.h"
#include "mmsock.h"
#include "random.h"
#include "unit/sandbox.h"

#define PORTS     4U /* queues */
#define SERVICE   PORTS
#define ALL_PORTS (PORTS + 1)
#define SESSIONS  4096U
#define NUMBERS   16384U /* messages a session has numbers for */
#define IMAGE     ((size_t)96 << 10)
#define HANG      (20 * SECOND)
#define SEATS_MAX 32U

/* What can turn out to be wrong; the cases of the program. */
enum verdict {
	WHOLE,   /* contents, order, duplicates */
	KEPT,    /* a message was lost */
	MOVING,  /* somebody hangs */
	UNITS,   /* a semaphore's */
	STREAMS, /* bytes through the tools */
	CLEAN,   /* unexpected errors, and what is left behind */
	VERDICTS
};

enum kind {
	SENDER,
	RECEIVER,
	ROVER, /* now here, now there, now this, now that */
	GUEST, /* of the semaphore */
	CLIENT,
	SERVER,
	LOOKER,
	FEEDER, /* of the pipelines: these two are ours and live on */
	CHECKER,
	TOOL,
	ERRAND /* overwrites, removes, lists */
};

enum phase {
	RUNNING,
	SENDERS_END,
	RECEIVERS_END
};

/*
 * One handle that sends.  Number n is among the first `intended` before the call
 * that sends it, and among the first `done` after that call.  In between it may
 * have been sent or not.
 */
struct session {
	unsigned port;
	uint64_t incarnation; /* of the port */
	_Atomic uint64_t intended;
	_Atomic uint64_t done;
	_Atomic uint64_t seen[NUMBERS / 64];
	/* A killed receiver had it; of a service, it must not be executed. */
	_Atomic uint64_t excused[NUMBERS / 64];
};

/* What a process is in the middle of taking. */
enum taking {
	NOTHING,
	ONE, /* a message, at image + 8 */
	RUN  /* records, from image on */
};

/* One process; the first part is the chaos's own. */
struct seat {
	enum kind kind;
	pid_t pid;
	_Atomic bool killed;
	bool stopped;
	bool mortal;
	bool spared; /* in this round */
	int64_t continue_at_ns;
	int64_t start_at_ns; /* a successor is due then */
	uint64_t lives;
	int errors; /* a tool's standard error */
	char command[100];

	_Atomic unsigned port;
	const char *_Atomic call; /* under way */
	_Atomic int64_t since_ns;
	_Atomic uint64_t calls;
	_Atomic unsigned taking;
	_Atomic unsigned nameless; /* one is being sent */
	_Atomic unsigned holds;    /* an end, for a while */
	/* deaths << 48 | version << 8 | units of the semaphore */
	_Atomic uint64_t inside;
	/* A server: the incarnation that he serves, and changes of that. */
	_Atomic uint64_t serving;
	_Atomic uint64_t serving_version;
	unsigned char image[IMAGE];
};

/* Messages too short for a label are only counted. */
struct nameless {
	_Atomic uint64_t sent;
	_Atomic uint64_t perhaps_sent;
	_Atomic uint64_t received;
	_Atomic uint64_t perhaps_received;
};

struct port_state {
	struct nameless nameless;
	_Atomic uint64_t sends; /* calls that did something, ever */
	_Atomic uint64_t receipts;
	_Atomic int64_t killed_ns; /* when we were last told of a death */
	bool replaced;             /* or removed, in this round */
	uint64_t incarnation;      /* that the next two are of */
	uint64_t takeovers;
	uint64_t late_wakes;
};

struct totals {
	_Atomic uint64_t messages;
	_Atomic uint64_t bytes;
	_Atomic uint64_t visits;
	_Atomic uint64_t units;
	_Atomic uint64_t calls; /* answered, or with an error */
	_Atomic uint64_t calls_failed;
	_Atomic uint64_t calls_refused;  /* nobody served */
	_Atomic uint64_t calls_orphaned; /* the server died or left */
	_Atomic uint64_t delays[3]; /* after a death: to 100 ms, 1 s, above */
	_Atomic int64_t longest_delay_ns;
	_Atomic uint64_t stream_bytes;
	uint64_t streams_whole;
	uint64_t streams_cut;
	uint64_t streams_echoed; /* of both, by a service */
	uint64_t ticks;
	uint64_t kills;
	uint64_t stops;
	uint64_t interrupts;
	uint64_t overwrites;
	uint64_t removes;
	uint64_t plain_removes;
	uint64_t listings;
	uint64_t restarts;
	uint64_t takeovers;
	uint64_t late_wakes;
	uint64_t excused;  /* taken by a receiver who was killed with it */
	uint64_t outlived; /* lay in a port that was replaced or removed */
	uint64_t unsure;   /* sent by a sender who was killed over it */
	uint64_t rounds;
};

struct world {
	uint64_t seed;
	_Atomic unsigned phase;
	_Atomic unsigned stopped;       /* processes */
	_Atomic int64_t last_stop_ns;   /* or continued */
	_Atomic uint64_t servers_gone;  /* killed or closed; said before */
	_Atomic unsigned sessions_used; /* may exceed SESSIONS */
	_Atomic unsigned failures[VERDICTS];
	_Atomic unsigned texts;
	struct {
		enum verdict verdict;
		char said[400];
	} text[16];
	_Atomic uint64_t piped;   /* bytes into and out of pipelines, ever */
	_Atomic uint64_t checked; /* bytes that came out of this one */
	struct totals totals;
	struct port_state ports[ALL_PORTS];
	struct session sessions[SESSIONS];
	struct seat seats[SEATS_MAX];
};

/* How a port is made; its name may be a path. */
struct port_plan {
	const char *name;
	uint64_t ring_bytes;
	uint64_t max_message;
};

extern struct world *world;
extern struct port_plan port_plans[ALL_PORTS];

/* world.c */

void world_make(uint64_t seed);
/* Note what is wrong; the first few are printed at the end. */
void wrong(enum verdict verdict, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool all_is_well(void);

struct mmsock_options port_options(unsigned port, unsigned mode, unsigned role);
uint64_t incarnation_of(const struct mmsock *handle);

#define LABEL_SIZE ((size_t)24)

/* The message of this number in a session; at least LABEL_SIZE bytes. */
void message_make(unsigned char *message, size_t length, unsigned session,
		  uint64_t number);
void nameless_make(unsigned char *message, size_t length);

/* One who receives: what may not come any more, by session. */
struct reader {
	unsigned port;
	uint64_t incarnation;
	uint32_t next[SESSIONS];
};

/* Enter a received message in the books, checking all that can be. */
void message_take(struct reader *reader, const unsigned char *message,
		  size_t length);

/* The same of a request: false where it may not be executed. */
bool message_execute(uint64_t incarnation, const unsigned char *message,
		     size_t length, unsigned *ret_session,
		     uint64_t *ret_number);
bool session_has(const struct session *session, uint64_t number);
void session_refuse(struct session *session, uint64_t number);

/* A new session, or NULL where this round has no more. */
struct session *session_open(unsigned port, uint64_t incarnation,
			     unsigned *ret_number);

/* What a killed process leaves in the books. */
void seat_settle(struct seat *seat);
void books_reset(void);
/* Every message that was sent is accounted for; current: the ports' of now. */
void books_audit(const uint64_t *current);

/* A call begins and ends; did says whether it did something. */
void call_begin(struct seat *seat, const char *call);
void call_end(struct seat *seat, bool did);
/*
 * Now and then keep for a while what is held, that others wait for, and that a
 * killed process leaves to be repaired.
 */
void hold_on(struct seat *seat, uint64_t *random);

static inline bool going_on(void)
{
	return atomic_load(&world->phase) == RUNNING;
}

static inline void nap(int64_t ns)
{
	nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / SECOND),
				     .tv_nsec = (long)(ns % SECOND)},
		  NULL);
}

/* Let a signal call @handler, and system calls go on after it. */
static inline void on_interrupt(void (*handler)(int number))
{
	struct sigaction action = {.sa_handler = handler,
				   .sa_flags = SA_RESTART};

	CHECK(!sigaction(SIGUSR1, &action, NULL));
}

/* traffic.c */

void run_sender(struct seat *seat, uint64_t random);
void run_receiver(struct seat *seat, uint64_t random);
void run_rover(struct seat *seat, uint64_t random);
void run_looker(struct seat *seat, uint64_t random);
/* Take what is left in a port; its incarnation, or 0 where there is none. */
uint64_t drain(unsigned port);

/* calls.c */

void run_client(struct seat *seat, uint64_t random);
void run_server(struct seat *seat, uint64_t random);
void end_to_serve(struct seat *seat);
/* As drain(). */
uint64_t drain_service(void);

/* guests.c */

#define SEMAPHORE  "semaphore"
#define ROOM_UNITS 3U

void guests_prepare(void);
void run_guest(struct seat *seat, uint64_t random);
void guests_audit(void);

/* streams.c */

/* Start the next pipeline where none runs; see to the one that does. */
void streams_tend(uint64_t *random, bool go_on);
bool streams_run(void);
/* One of the pipeline's processes has ended. */
void streams_ended(struct seat *seat, int status);

/* chaos.c */

void chaos_start(uint64_t *random);
/* Until @until_ns, or until something is wrong. */
void chaos_run(uint64_t *random, int64_t until_ns);
/* Everybody ends, as programs do. */
void chaos_quiet(uint64_t *random);
void chaos_end(void);
/* Add up what a port has counted since the last time. */
void counters_note(unsigned port);
pid_t seat_start(struct seat *seat, enum kind kind);

/* tools.c */

struct seat *tool_seat(const char *const *words);
void tool_become(const struct seat *seat, const char *const *words, int from,
		 int to);
void tool_wrong(const struct seat *seat, enum verdict verdict, int status);
void tool_forget(struct seat *seat);
struct seat *seat_free(void);

#endif
