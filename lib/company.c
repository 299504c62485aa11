/* SPDX-License-Identifier: MIT */
/*
 * company.c - waiting until participants of the other role are attached
 */
#include <errno.h>

#include "atomic.h"
#include "handle.h"

/* Somebody waits for peers. */
struct company {
	struct mmsock *handle;
	unsigned role;
	unsigned wanted;
};

/*
 * Senders whom we have met since we came.  One who sends a message and leaves
 * may be gone before a receiver who waits for him gets to look.
 */
static uint64_t senders_met(const struct mmsock *handle)
{
	const struct mms_scene *scene = &handle->port.scene;
	const struct mms_census *census = &handle->port.control->census;

	return scene->senders + mms_load(&census->senders_joined) -
	       scene->joined;
}

static bool company_is_here(void *context)
{
	const struct company *company = context;

	if (company->role == MMSOCK_SENDER &&
	    senders_met(company->handle) >= company->wanted)
		return true;
	return mms_peer_count(&company->handle->port, company->role, true) >=
		       company->wanted ||
	       mms_port_gone(company->handle);
}

static unsigned other_role(unsigned role)
{
	switch (role) {
	case MMSOCK_SENDER:
		return MMSOCK_RECEIVER;
	case MMSOCK_RECEIVER:
		return MMSOCK_SENDER;
	case MMSOCK_CLIENT:
		return MMSOCK_SERVER;
	case MMSOCK_SERVER:
		return MMSOCK_CLIENT;
	default:
		return 0;
	}
}

static int wait_for_company(struct company *company, int64_t timeout_ns)
{
	struct mmsock *handle = company->handle;
	struct mms_signals *signals = &handle->port.control->signals;
	struct mms_limit limit = {.timeout_ns = timeout_ns};
	struct mms_watch watch = mms_watch_for(&signals->peers, MMSOCK_PEERS,
					       company_is_here, company);
	int waited = 0;

	for (;;) {
		/* Looked at behind it: a port that is gone ends the wait, too. */
		if (company_is_here(company))
			return mms_port_gone(handle);
		if (waited < 0)
			return waited;
		if (!timeout_ns)
			return -EAGAIN;
		mms_slow_look(handle);
		/* Nobody comes within a spin; a process takes longer to start. */
		waited = mms_wait_sleep(&handle->waiter, &handle->patience,
					&watch, mms_limit_deadline(&limit));
	}
}

int mmsock_wait_peers(struct mmsock *handle, unsigned count, int64_t timeout_ns)
{
	struct company company = {.handle = handle, .wanted = count};
	int r = mms_enter(handle, 0, MMS_NO_LOAN);

	if (r)
		return r;
	company.role = other_role(handle->port.role);
	return mms_leave(handle, wait_for_company(&company, timeout_ns));
}
