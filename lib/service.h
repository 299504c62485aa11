/* SPDX-License-Identifier: MIT */
/*
 * service.h - what a participant of a service has beside a port
 */
#ifndef MMS_SERVICE_H
#define MMS_SERVICE_H

#include "port.h"

/* Map the reply rings that our role needs, once the slot is taken. */
int mms_service_map(struct mms_port *port, int fd);

/* Unmap and forget them; after a fork, forget only. */
void mms_service_unmap(struct mms_port *port);

/* Settle what the last owner of our slot left; nothing where it is no service. */
void mms_service_inherit(struct mms_port *port);

/* A server has come or gone: clients look who serves, and who has their calls. */
void mms_service_tell_clients(struct mms_port *port);

#endif
