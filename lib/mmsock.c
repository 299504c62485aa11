/* SPDX-License-Identifier: MIT */
/*
 * mmsock.c - handles: opening, closing, and what all calls have in common
 *
 * Every operation of send.c and recv.c is the same three steps: try, under the
 * lock of its end; if it cannot be done, wait, without any lock; try again.
 * This file joins the parts that do not know each other: the ring, the locks and
 * the waiting.
 *
 * Labels of this file: M1 with S2, S3 (admin.c, port.c), F1 with W1 (wait.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "atomic.h"
#include "birth.h"
#include "cancel.h"
#include "deadline.h"
#include "handle.h"
#include "header.h"

/* A port can change hands between any two looks; more often is a fault. */
#define OPEN_ATTEMPTS 32

/*
 * A call that does not wait for messages or room still waits this long for an
 * end that another holds: usually for a copy, or for its turn on the CPU.
 */
#define LOCK_GRACE_NS (INT64_C(1000) * 1000)

int mms_refuse(const struct mmsock *handle, unsigned role)
{
	if (mms_forked(handle->fork_token))
		return mms_failed(-ECHILD);
	if (role && !(handle->port.role & role))
		return mms_failed(-EPERM);
	if (mms_load32(&handle->busy) || handle->loan)
		return mms_failed(-EDEADLK);
	return mms_failed(-EINVAL);
}

int mms_leave_failed(struct mmsock *handle, int error)
{
	if (error == -EINTR)
		mms_interrupt_reported(&handle->interrupt);
	/* Once a call, and never a repair: who scribbles gains nothing by it. */
	if (error == -EBADMSG)
		mms_add(&handle->port.control->census.corrupt, 1);
	return mms_failed(error);
}

void mms_check_link(struct mmsock *handle, int64_t now_ns)
{
	handle->operations = 0;
	handle->link_checked_ns = now_ns;
	mms_port_check_link(&handle->port);
}

void mms_slow_look(struct mmsock *handle)
{
	int64_t now = mms_coarse_ns();

	if (now - handle->link_checked_ns >= MMS_LINK_PERIOD_NS)
		mms_check_link(handle, now);
}

static int name_holder(const struct mmsock *handle, int error, unsigned owner)
{
	const struct mms_row *row;

	if (owner >= handle->port.header.slots)
		return error;
	row = &handle->port.rows[owner];
	return mms_fail(
		error,
		"the end is held by pid %d (slot %u), which does "
		"not let go",
		(int)atomic_load_explicit(&row->pid, memory_order_relaxed),
		owner);
}

static int take_over(struct mmsock *handle, struct mms_ring *ring,
		     struct mms_end *end, uint64_t word)
{
	int r = 0;

	mms_add(&handle->port.control->census.takeovers, 1);
	if (end == ring->send)
		r = mms_ring_repair_send(ring);
	else
		mms_ring_repair_recv(ring);
	if (r)
		mms_give_end(handle, end, word, NULL, 0);
	return r;
}

static int hold_slowly(struct mmsock *handle, struct mms_ring *ring,
		       struct mms_end *end, unsigned object,
		       struct mms_limit *limit, uint64_t *ret_word)
{
	int64_t deadline = limit->timeout_ns ? mms_limit_deadline(limit)
					     : mms_now_ns() + LOCK_GRACE_NS;
	unsigned owner = UINT32_MAX;
	int r;

	r = mms_lock_take(&end->lock, &handle->locker, object, deadline,
			  ret_word, &owner);
	if (r == -ETIMEDOUT)
		return name_holder(handle, limit->timeout_ns ? r : -EBUSY,
				   owner);
	if (r == -EBADMSG)
		return mms_fail(r,
				"the lock of an end names slot %u, which "
				"cannot be",
				owner);
	return r == MMS_LOCK_INHERITED ? take_over(handle, ring, end, *ret_word)
				       : r;
}

int mms_hold_end(struct mmsock *handle, struct mms_ring *ring,
		 struct mms_end *end, unsigned object, struct mms_limit *limit,
		 uint64_t *ret_word)
{
	if (mms_lock_try(&end->lock, handle->port.slot, ret_word))
		return 0;
	return hold_slowly(handle, ring, end, object, limit, ret_word);
}

int64_t mms_limit_deadline(struct mms_limit *limit)
{
	if (limit->timeout_ns < 0)
		return MMS_NEVER;
	if (limit->timeout_ns && !limit->deadline_ns)
		limit->deadline_ns =
			mms_deadline(mms_now_ns(), limit->timeout_ns);
	return limit->deadline_ns;
}

struct mms_watch mms_watch_for(struct mms_event *event, unsigned object,
			       bool (*ready)(void *context), void *context)
{
	return (struct mms_watch){
		.event = event,
		.ready = ready,
		.context = context,
		.recheck_ns = MMS_RECHECK_ANY_NS,
		.object = object,
	};
}

/* The structure of 0.1 and 0.2. */
#define OPTIONS_LEAST offsetof(struct mmsock_options, clients)

/* A service is opened in one role of its own, ports in any others. */
static int check_role(const struct mmsock_options *options)
{
	const unsigned of_queue = MMSOCK_SENDER | MMSOCK_RECEIVER;
	bool serves = options->role == MMSOCK_CLIENT ||
		      options->role == MMSOCK_SERVER;

	if (options->role & ~of_queue && !serves)
		return mms_fail(-EINVAL, "role %u is not known", options->role);
	if (serves && options->type && options->type != MMSOCK_RPC)
		return mms_fail(-EINVAL,
				"clients and servers are those of a service");
	return 0;
}

/* Options as this version knows them; a shorter structure is an older one. */
static int read_options(const struct mmsock_options *given,
			struct mmsock_options *ret_options)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	int r;

	options.role = MMSOCK_SENDER | MMSOCK_RECEIVER;
	if (given) {
		if (given->size != sizeof(options) &&
		    given->size != OPTIONS_LEAST)
			return mms_fail(-EINVAL,
					"the options were not initialised with "
					"MMSOCK_OPTIONS_INIT");
		memcpy(&options, given, given->size);
	}
	r = check_role(&options);
	if (r)
		return r;
	if (options.flags & ~(unsigned)(MMSOCK_KEEP_OPEN | MMSOCK_POPULATE))
		return mms_fail(-EINVAL, "flags %u are not known",
				options.flags);
	if (options.role & (MMSOCK_CLIENT | MMSOCK_SERVER))
		options.type = MMSOCK_RPC;
	*ret_options = options;
	return 0;
}

static uint32_t type_of(const struct mms_opening *opening)
{
	if (opening->sem)
		return MMS_TYPE_SEMAPHORE;
	return opening->port->type == MMSOCK_RPC ? MMS_TYPE_RPC
						 : MMS_TYPE_QUEUE;
}

static int make(const struct mms_place *place,
		const struct mms_opening *opening)
{
	struct mms_plan plan = {0};
	int r = opening->sem ? mms_birth_plan_sem(opening->sem, &plan)
			     : mms_birth_plan(opening->port, &plan);

	if (r)
		return r;
	return mms_birth(place, &plan,
			 opening->mode == MMSOCK_CREATE_NEW_OVERWRITE);
}

/*
 * One attempt to have an open file, by the mode.  *ret_created tells whether it
 * was made here.  The descriptor, or -errno; -EAGAIN to look again.
 */
static int find_or_make(const struct mms_place *place,
			const struct mms_opening *opening, bool *ret_created)
{
	struct stat status;
	int fd = -ENOENT;

	*ret_created = false;
	if (opening->mode == MMSOCK_CONNECT_OR_CREATE ||
	    opening->mode == MMSOCK_CONNECT_TO_EXISTING)
		fd = mms_port_open_file(place, O_RDWR, &status);
	if (fd != -ENOENT || opening->mode == MMSOCK_CONNECT_TO_EXISTING)
		return fd;
	*ret_created = true;
	fd = make(place, opening);
	if (fd == -EEXIST && opening->mode == MMSOCK_CONNECT_OR_CREATE)
		return -EAGAIN;
	return fd;
}

/*
 * What is new and exclusive is there if opening it has succeeded, and only then:
 * otherwise one who tries again would be told that it exists.
 */
static int attach_to(struct mms_port *port, const struct mms_place *place,
		     const struct mms_opening *opening, int fd)
{
	bool exclusive = opening->mode == MMSOCK_CREATE_NEW_EXCLUSIVE;
	struct stat made;
	int r;

	if (exclusive && fstat(fd, &made))
		exclusive = false;
	r = mms_port_attach(port, place, fd, opening->role, opening->populate);
	if (r && exclusive)
		mms_admin_withdraw(place, &made);
	return r;
}

/* Attach, as often as the port changes hands under us. */
static int attach(struct mms_port *port, const struct mms_place *place,
		  const struct mms_opening *opening)
{
	int attempt;
	bool created;
	int fd;
	int r = -ESTALE;

	for (attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
		fd = find_or_make(place, opening, &created);
		if (fd == -EAGAIN)
			continue;
		if (fd < 0)
			return fd;
		r = attach_to(port, place, opening, fd);
		/*
		 * What had to be new, and was lost again, is not made twice.
		 * Who would connect as well takes what there is now.
		 */
		if (r != -ESTALE ||
		    (created && opening->mode != MMSOCK_CONNECT_OR_CREATE))
			return r;
	}
	return r;
}

static void init_waiting(struct mmsock *handle, int64_t spin_ns)
{
	mms_budget_init(&handle->patience, spin_ns);
	mms_budget_init(&handle->impatience, spin_ns);
	handle->waiter = (struct mms_waiter){
		.row = handle->port.row,
		.interrupt = &handle->interrupt,
		.recheck_cap_ns = MMS_NEVER,
	};
	handle->locker = (struct mms_locker){
		.waiter = &handle->waiter,
		.budget = &handle->impatience,
		.slot = handle->port.slot,
		.slots = handle->port.header.slots,
		.certify = mms_peer_certify,
		.context = &handle->port,
	};
}

static void init_handle(struct mmsock *handle, int64_t spin_ns)
{
	handle->seen_sender = handle->port.scene.senders > 0;
	handle->wall_offset_ns = mms_clock_ns(CLOCK_REALTIME) - mms_now_ns();
	handle->link_checked_ns = mms_coarse_ns();
	init_waiting(handle, spin_ns);
}

static int place_for(struct mms_place *place, const char *name,
		     const struct mms_opening *opening)
{
	if (opening->mode > MMSOCK_CREATE_NEW_EXCLUSIVE)
		return mms_fail(-EINVAL, "open mode %u is not known",
				opening->mode);
	if (opening->mode == MMSOCK_CONNECT_TO_EXISTING)
		return mms_place_init_existing(place, name, opening->dir);
	return mms_place_init(place, name, opening->dir);
}

int mms_open_handle(struct mmsock *handle, const char *name,
		    const struct mms_opening *opening)
{
	struct mms_place place;
	int r = place_for(&place, name, opening);

	if (r)
		return r;
	mms_fork_lock();
	handle->fork_token = mms_fork_token();
	r = handle->fork_token > 0 ? attach(&handle->port, &place, opening)
				   : (int)handle->fork_token;
	mms_fork_unlock();
	mms_place_fini(&place);
	if (!r)
		init_handle(handle, opening->spin_ns);
	return r;
}

static struct mms_opening opening_for(const struct mmsock_options *options)
{
	return (struct mms_opening){
		.dir = options->dir,
		.mode = options->mode,
		.role = options->role,
		.populate = options->flags & MMSOCK_POPULATE,
		.spin_ns = options->spin_ns,
		.port = options,
	};
}

int mmsock_open(const char *port, const struct mmsock_options *options,
		struct mmsock **ret_handle)
{
	MMS_HOLD_CANCEL;
	struct mmsock_options checked = MMSOCK_OPTIONS_INIT;
	struct mms_opening opening;
	struct mmsock *handle;
	int r;

	r = read_options(options, &checked);
	if (!r && checked.type == MMSOCK_RPC &&
	    !(checked.role & (MMSOCK_CLIENT | MMSOCK_SERVER)))
		r = mms_fail(-EINVAL,
			     "a service is opened as a client or as a server");
	if (r)
		return mms_failed(r);
	handle = calloc(1, sizeof(*handle));
	if (!handle)
		return mms_failed(-ENOMEM);
	opening = opening_for(&checked);
	r = mms_open_handle(handle, port, &opening);
	if (!r && checked.role & MMSOCK_CLIENT) {
		r = mms_caller_init(handle);
		if (r)
			mms_close_handle(handle);
	}
	if (r) {
		free(handle);
		return mms_failed(r);
	}
	/* There are always more clients to come. */
	handle->keep_open = checked.flags & MMSOCK_KEEP_OPEN ||
			    checked.role & MMSOCK_SERVER;
	*ret_handle = handle;
	return 0;
}

/* Is it one that can be opened, where creating found a file? */
static int check_existing(int fd, uint32_t type)
{
	struct mms_header header;
	struct stat status;
	int r;

	if (fstat(fd, &status))
		return -errno;
	r = mms_header_read(fd, &status, &header);
	return r ? r : mms_header_check_type(&header, type);
}

int mms_create(const char *name, const struct mms_opening *opening)
{
	struct mms_place place;
	bool created;
	int fd;
	int r;

	if (opening->mode == MMSOCK_CONNECT_TO_EXISTING)
		return mms_fail(-EINVAL, "this mode creates nothing");
	r = place_for(&place, name, opening);
	if (r)
		return r;
	do {
		fd = find_or_make(&place, opening, &created);
	} while (fd == -EAGAIN);
	mms_place_fini(&place);
	if (fd < 0)
		return fd;
	r = created ? 1 : check_existing(fd, type_of(opening));
	close(fd);
	return r;
}

int mmsock_create(const char *port, const struct mmsock_options *options)
{
	MMS_HOLD_CANCEL;
	struct mmsock_options checked = MMSOCK_OPTIONS_INIT;
	struct mms_opening opening;
	int r = read_options(options, &checked);

	if (!r) {
		opening = opening_for(&checked);
		r = mms_create(port, &opening);
	}
	return r < 0 ? mms_failed(r) : r;
}

void mms_close_handle(struct mmsock *handle)
{
	bool forked = mms_forked(handle->fork_token);

	if (!forked)
		mms_end_loan(handle);
	if (handle->caller)
		mms_caller_fini(handle);
	if (forked)
		mms_port_disown(&handle->port);
	else
		mms_port_detach(&handle->port);
}

void mmsock_close(struct mmsock *handle)
{
	MMS_HOLD_CANCEL;
	int saved = errno;

	if (!handle)
		return;
	mms_close_handle(handle);
	free(handle);
	errno = saved;
}

void mmsock_interrupt(struct mmsock *handle)
{
	if (!mms_forked(handle->fork_token))
		mms_interrupt(&handle->interrupt);
}

uint64_t mmsock_max_message(const struct mmsock *handle)
{
	const struct mms_header *header = &handle->port.header;

	return header->max_message -
	       (header->type == MMS_TYPE_RPC ? MMS_CALL_WORD : 0);
}

int64_t mmsock_senders_died(struct mmsock *handle)
{
	int r = mms_enter(handle, 0, MMS_NO_LOAN);
	uint64_t died;

	if (r)
		return r;
	r = mms_leave(handle, mms_peer_senders_died(&handle->port, &died));
	return r ? r : (int64_t)(died - handle->port.scene.died);
}
