/* SPDX-License-Identifier: MIT */
/*
 * header.h - reading and checking the header of a port file
 */
#ifndef MMS_HEADER_H
#define MMS_HEADER_H

#include <stdint.h>
#include <sys/stat.h>

#include "layout.h"

/* The header's own checksum. */
uint64_t mms_header_check(const struct mms_header *header);

/* Write the checksums, when all else stands. */
void mms_header_seal(struct mms_header *header);

/*
 * Is this the header of a port or semaphore that we can work with?  0, -ENOTSOCK,
 * -EPROTONOSUPPORT or -EBADMSG, with the text of what is wrong.
 */
int mms_header_validate(const struct mms_header *header, uint64_t file_bytes);

/* Is it of this type?  0, or -ENOTSOCK with the text of what it is instead. */
int mms_header_check_type(const struct mms_header *header, uint32_t type);

/* Read and validate the header of an open file. */
int mms_header_read(int fd, const struct stat *status,
		    struct mms_header *ret_header);

/* Id of the running boot, or zeroes where the kernel does not tell. */
void mms_boot_id(uint64_t ret_id[2]);

#endif
