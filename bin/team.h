/* SPDX-License-Identifier: MIT */
/*
 * team.h - several sources of a relay at once, a thread each
 */
#ifndef TEAM_H
#define TEAM_H

#include "relay.h"

/* team_run - relay_serve() all sources; each has its status then */
void team_run(struct relay *relay);

#endif
