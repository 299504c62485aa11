/* SPDX-License-Identifier: MIT */
/*
 * fork.c - a child cannot use its parent's handles, and carries none of their bytes
 *
 * Attaching holds a lock that fork(2) takes too, so that no child inherits a
 * descriptor that carries a byte lock (peer.c).  And a handle remembers a token, which
 * lies in a page that a child finds wiped.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "atomic.h"
#include "peer.h"

static pthread_mutex_t attaching = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t *token_page;
static uint64_t tokens;
const _Atomic uint64_t *mms_fork_page;

static void lock_for_fork(void)
{
	pthread_mutex_lock(&attaching);
}

void mms_fork_unlock(void)
{
	pthread_mutex_unlock(&attaching);
}

/* For kernels that do not wipe the page themselves. */
static void wipe_in_child(void)
{
	if (token_page)
		mms_store(token_page, 0);
	mms_fork_unlock();
}

static void register_handlers(void)
{
	/* Without memory for it a child may keep a byte until it executes. */
	(void)pthread_atfork(lock_for_fork, mms_fork_unlock, wipe_in_child);
}

void mms_fork_lock(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_handlers);
	lock_for_fork();
}

static int map_token_page(void)
{
	void *page = mmap(NULL, MMS_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	/* Also for children that no fork handler sees; may be unknown. */
	madvise(page, MMS_PAGE, MADV_WIPEONFORK);
	token_page = page;
	mms_fork_page = token_page;
	return 0;
}

/*
 * The page holds the token of this process and reads 0 in a child.  tokens is
 * ordinary memory, which a child inherits: its own first token is another one
 * than any that its parent's handles remember.
 */
int64_t mms_fork_token(void)
{
	int r;

	if (!token_page) {
		r = map_token_page();
		if (r)
			return r;
	}
	if (!mms_load(token_page))
		mms_store(token_page, ++tokens);
	return (int64_t)mms_load(token_page);
}
