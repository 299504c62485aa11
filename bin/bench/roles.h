/* SPDX-License-Identifier: MIT */
/*
 * roles.h - a process for each role of a run, and what it found out
 *
 * Each run gets processes of its own: what one did to its memory, its budget
 * of spinning or its caches is gone with it.  They are bound to their CPU, meet
 * at a barrier in shared memory, and leave their findings there.  They die with
 * the process that made them, however that one ends.
 */
#ifndef BENCH_ROLES_H
#define BENCH_ROLES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#include "histogram.h"

/* As many as a port has slots by default. */
#define ROLES_MAX 64

/* As a CPU: wherever the scheduler likes. */
#define ROLES_ANY_CPU (-1)

/* What one process found out; in shared memory, written by it alone. */
struct finding {
	int error;     /* negative errno; 0 */
	char text[96]; /* what failed */
	uint64_t messages;
	uint64_t bytes;
	uint64_t first; /* clock ticks: the first message that counts */
	uint64_t last;  /* ... the last */
	uint64_t all;   /* messages, with those of the warm-up */
	uint64_t digest;
	double cpu_seconds;
	uint64_t memory; /* what the transport added to the process */
	struct histogram latency;
};

struct stage {
	_Atomic uint32_t ready;    /* roles at the barrier */
	_Atomic uint32_t go;       /* 1: the barrier is open */
	_Atomic uint32_t sent;     /* producers that have sent all */
	_Atomic uint32_t received; /* consumers that have received all */
	_Atomic uint32_t failed;
	_Atomic uint64_t start; /* clock ticks, for role_start() */
	_Atomic uint64_t progress[ROLES_MAX]; /* messages, for role_drained() */
	struct finding findings[ROLES_MAX];
};

struct role {
	unsigned index; /* among those of its kind */
	bool producer;
	bool second;        /* attaches when all of the other kind have */
	unsigned producers; /* how many there are of each kind */
	unsigned consumers;
	struct stage *stage;
	struct finding *finding;
	uint64_t memory_before;
};

/* Who does what, and where. */
struct cast {
	unsigned producers;
	unsigned consumers;
	bool consumers_first; /* to attach; else the producers are */
	int cpu[2];           /* of producers and consumers; or ROLES_ANY_CPU */
	void (*work)(struct role *role, void *context);
	void *context;
	/* Called in the parent when all are at the barrier; may be NULL. */
	void (*all_ready)(void *context);
};

/* roles_make_stage - the memory that they share; NULL if there is none */
struct stage *roles_make_stage(void);

/*
 * roles_run - make the processes, and wait until they have ended
 *
 * Returns 0; -EINTR if a signal came (see tool_signal()); or the error of the
 * first that failed, and its finding in *@ret_failed.  None is alive afterwards.
 */
int roles_run(struct stage *stage, const struct cast *cast,
	      const struct finding **ret_failed);

/* roles_finding - of the producer or consumer with that number */
struct finding *roles_finding(struct stage *stage, const struct cast *cast,
			      bool producer, unsigned index);

/*
 * For the work of a role
 *
 * All call role_await_turn() before they attach, which makes one kind wait for
 * the other, and role_ready() when they have, which returns when all are ready.
 */
void role_await_turn(const struct role *role);
void role_ready(struct role *role);

/* role_start - when the first that asked had begun, whose @now that is */
uint64_t role_start(const struct role *role, uint64_t now);

/* role_fail - the role cannot go on; @error is a negative errno */
noreturn void role_fail(struct role *role, int error, const char *text);

/* role_memory - note what was added to this process since it began */
void role_memory(struct role *role);

/*
 * For transports that do not tell their receivers the end of the stream, and
 * those that lose what is under way when their sender leaves
 *
 * A producer says role_sent() and waits in role_await_consumers(); a consumer
 * that has waited for a while in vain asks role_drained(), and says
 * role_received() once it has all.
 */
void role_sent(struct role *role, uint64_t messages);
bool role_all_sent(const struct role *role);
void role_await_sent(const struct role *role);
bool role_drained(struct role *role, uint64_t messages);
void role_received(const struct role *role);
void role_await_consumers(const struct role *role);

/*
 * Children of any kind
 *
 * role_fork() is fork(2); the child dies with its parent, has the signals of a
 * new program (but ignores SIGPIPE), and is bound to @cpu_count CPUs (0: left
 * as it is).  role_kill() kills and reaps; pids of 0 are none.
 */
pid_t role_fork(const int *cpus, size_t cpu_count);
void role_kill(pid_t *pids, size_t count);

#endif
