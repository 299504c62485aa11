/* SPDX-License-Identifier: MIT */
/*
 * cancel.h - no thread ends within a call
 *
 * open(2), close(2) and others are cancellation points, where a thread that was
 * asked to end does so, with whatever locks and descriptors it has.  Functions that
 * come to one hold the request back, and who called them ends where he next may.
 */
#ifndef MMS_CANCEL_H
#define MMS_CANCEL_H

#include <pthread.h>

static inline int mms_cancel_hold(void)
{
	int before = PTHREAD_CANCEL_ENABLE;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

static inline void mms_cancel_restore(const int *before)
{
	pthread_setcancelstate(*before, NULL);
}

/* From here to the end of the block, however it is left; no function could. */
#define MMS_HOLD_CANCEL                                                        \
	__attribute__((cleanup(mms_cancel_restore))) const int cancel_before = \
		mms_cancel_hold()

#endif
