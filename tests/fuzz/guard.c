/* SPDX-License-Identifier: MIT */
/*
 * guard.c - pages around each mapping that nobody may touch
 *
 * The address sanitizer knows what was allocated and not what was mapped.  The
 * linker puts these in the place of mmap(2) and munmap(2) (--wrap): each mapping
 * whose place is left to the kernel gets a page before and one behind it that end
 * the program when something reaches there.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define GUARD ((size_t)4096)
#define VIEWS 64

/* NOLINTBEGIN: the names are the linker's */
void *__real_mmap(void *at, size_t length, int access, int flags, int fd,
		  off_t offset);
int __real_munmap(void *at, size_t length);
void *__wrap_mmap(void *at, size_t length, int access, int flags, int fd,
		  off_t offset);
int __wrap_munmap(void *at, size_t length);
/* NOLINTEND */

/* Those with guards; one that is not among them has none. */
static void *views[VIEWS];

static void **find(const void *view)
{
	for (size_t i = 0; i < VIEWS; i++) {
		if (views[i] == view)
			return &views[i];
	}
	return NULL;
}

static size_t whole_pages(size_t length)
{
	return (length + GUARD - 1) & ~(GUARD - 1);
}

void *__wrap_mmap(void *at, size_t length, int access, int flags, int fd,
		  off_t offset)
{
	void **entry = at || flags & MAP_FIXED ? NULL : find(NULL);
	unsigned char *room;
	void *view;

	if (!entry)
		return __real_mmap(at, length, access, flags, fd, offset);
	room = __real_mmap(NULL, whole_pages(length) + 2 * GUARD, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return MAP_FAILED;
	view = __real_mmap(room + GUARD, length, access, flags | MAP_FIXED, fd,
			   offset);
	if (view == MAP_FAILED)
		__real_munmap(room, whole_pages(length) + 2 * GUARD);
	else
		*entry = view;
	return view;
}

int __wrap_munmap(void *at, size_t length)
{
	void **entry = at ? find(at) : NULL;

	if (!entry)
		return __real_munmap(at, length);
	*entry = NULL;
	return __real_munmap((unsigned char *)at - GUARD,
			     whole_pages(length) + 2 * GUARD);
}
