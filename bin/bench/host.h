/* SPDX-License-Identifier: MIT */
/*
 * host.h - the machine that was measured, for the reports
 */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include <stdint.h>
#include <sys/types.h>

#include "result.h"

void host_describe(struct bench_host *host);

/*
 * host_process_number - a number from a file of /proc/PID, such as "RssAnon:"
 * from "status"; 0 where there is none
 */
uint64_t host_process_number(pid_t pid, const char *file, const char *field);

/* host_resident - RssAnon + RssShmem of a process, in bytes */
uint64_t host_resident(pid_t pid);

#endif
