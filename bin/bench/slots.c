/* SPDX-License-Identifier: MIT */
/*
 * slots.c - one word each way, in memory that both sides share
 */
#include "slots.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

int slots_make(const struct shape *shape, void **ret_channel)
{
	void *slots = mmap(NULL, sizeof(struct slots), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)shape;
	if (slots == MAP_FAILED)
		return -errno;
	*ret_channel = slots;
	return 0;
}

void slots_drop(void *channel)
{
	munmap(channel, sizeof(struct slots));
}
