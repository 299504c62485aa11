/* SPDX-License-Identifier: MIT */
/*
 * error.h - error codes with the sentence that belongs to them
 */
#ifndef MMS_ERROR_H
#define MMS_ERROR_H

#include <stdbool.h>

/*
 * Note what exactly was wrong, for mmsock_error_text(), and return @error
 * (negative).  For slow paths: formats text.
 */
int mms_fail(int error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Has this call noted a sentence for @error? */
bool mms_noted(int error);

/*
 * For the end of a public call that fails with @error: keeps the sentence noted
 * during the call, forgets one that an earlier call left.  Returns @error.
 */
int mms_failed(int error);

#endif
