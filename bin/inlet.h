/* SPDX-License-Identifier: MIT */
/*
 * inlet.h - standard input, on its way into ports
 */
#ifndef INLET_H
#define INLET_H

#include "sinks.h"
#include "stream.h"

/*
 * inlet_run - send standard input to @sinks until it ends; exit status
 *
 * Unframed input for a single port is read straight into its ring.
 */
int inlet_run(const struct stream_config *config, struct sinks *sinks);

#endif
