/* SPDX-License-Identifier: MIT */
/*
 * port_scenes.h - ports of messages that are numbers
 */
#ifndef PORT_SCENES_H
#define PORT_SCENES_H

#include "scenes.h"

#define BIG 1000 /* four of these fill the ring */

/* Every message that was sent and not received is there, in order. */
extern const struct theme port_theme;

/* What the victim has open. */
extern struct mmsock *handle;
extern struct mmsock_run *run;

struct mmsock_options patient(unsigned mode, unsigned role);
struct mmsock *open_port(unsigned role);
int send_next(struct mmsock *to, size_t length, int64_t timeout_ns);
int recv_next(struct mmsock *from, int64_t timeout_ns);
/* It is the message that comes next. */
void is_next(const void *message, size_t length);

/* What there is before. */
void lay_port(void);
void lay_messages(void);

/* Who takes an end and says so. */
void run_holder_of_sending(struct kid *self, void *context);
void run_holder_of_receiving(struct kid *self, void *context);

void prepare_sender(void);
void prepare_sender_dead_other(void);

#endif
