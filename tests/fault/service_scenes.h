/* SPDX-License-Identifier: MIT */
/*
 * service_scenes.h - services whose requests are numbers
 *
 * It is noted which of them were executed, and what their callers were told: a request
 * with a reply was executed once, one that was refused or given up in time never, and
 * none twice, also when those that are left in the port have been served in the end.
 */
#ifndef SERVICE_SCENES_H
#define SERVICE_SCENES_H

#include "handle.h"
#include "scenes.h"

#define CLIENTS     3U
#define SERVERS     3U
#define LENGTH      sizeof(uint64_t)
#define BIG         1000 /* four of these fill the ring */
#define REPLY_BYTES 1000

/* What the victim has open, and is about. */
extern struct mmsock *client;
extern struct mmsock *server;
extern uint64_t call;                 /* the client's */
extern uint64_t asked;                /* its number in the books */
extern struct mmsock_request request; /* the server's */

struct mmsock_options rpc_options(unsigned mode, unsigned role);
struct mmsock *enter(unsigned role);
void enter_both(void);
void close_both(void);

/* Send a request, of the next number; collect its reply. */
uint64_t next_number(void);
int ask(struct mmsock *from, size_t length, int64_t timeout_ns);
int collect(struct mmsock *from, int64_t timeout_ns);
int call_and_wait(int64_t timeout_ns);
/* What has become of a call that is collected in other ways. */
int end_call(uint64_t number, int r);
int check_reply(uint64_t number, ssize_t length, uint64_t reply);

/* Take a request, of whichever number, and reply. */
uint64_t execute(const void *bytes, ssize_t length);
int take(struct mmsock *by, struct mmsock_request *ret_request,
	 uint64_t *ret_number, int64_t timeout_ns);
int answer(struct mmsock *by, const struct mmsock_request *to, uint64_t number,
	   int64_t timeout_ns);

/* A service; helpers who do what they are named for, and wait. */
void lay_service(void);
void run_client_asking(struct kid *self, void *context);
void run_server_looking(struct kid *self, void *context);
void run_server_working(struct kid *self, void *context);
void run_server_replying(struct kid *self, void *context);
void run_idle_server(struct kid *self, void *context);

/* In the victim: a client, a server, both; with a call of ours in flight, or taken. */
void prepare_client(void);
void prepare_server(void);
void prepare_asked(void);
void prepare_taken(void);
void prepare_removed(void);
int close_now(void);

/* Scenes that begin with a service, or with nothing. */
void play_services(const struct scene *scenes, size_t count);
void play_new_services(const struct scene *scenes, size_t count);

#endif
