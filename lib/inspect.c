/* SPDX-License-Identifier: MIT */
/*
 * inspect.c - what ls and stat see
 *
 * Maps the file read-only, takes no slot, no lock, changes nothing.  Everything
 * read is a moment old and may not fit together while the port is in use; counts
 * are clamped so that a reader never sees nonsense, and are exact when nobody
 * moves.  Who is alive is asked of the kernel, through the inspector's own
 * description of the file.
 */
#include "inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "atomic.h"
#include "cancel.h"
#include "error.h"
#include "header.h"
#include "lane.h"
#include "name.h"
#include "peer.h"
#include "port.h"

/* The structure of 0.1, for programs that were built with it. */
#define INFO_LEAST offsetof(struct mmsock_info, value)

/* A port file mapped for looking. */
struct view {
	int fd;
	int unasked; /* why the kernel did not say who is alive, or 0 */
	struct mms_header header;
	unsigned char *base;
	const struct mms_control *control;
	const struct mms_row *rows;
	struct mms_ring ring;
	struct mms_units units;
	struct mms_service service;
};

static int open_view(struct view *view, int fd, const struct stat *status)
{
	int r = mms_header_read(fd, status, &view->header);
	size_t length = (size_t)view->header.file_bytes;
	void *map;

	if (r)
		return r;
	map = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	view->fd = fd;
	view->base = map;
	view->control = (void *)(view->base + MMS_CONTROL_OFFSET);
	view->rows = (void *)(view->base + MMS_ROWS_OFFSET);
	view->units = (struct mms_units){
		.pool = (void *)(view->base + MMS_POOL_OFFSET),
		.rows = (void *)(view->base + MMS_ROWS_OFFSET),
		.slots = view->header.slots,
		.maximum = view->header.max_message,
	};
	view->ring = (struct mms_ring){
		.data = view->base + view->header.ring_offset,
		.bytes = view->header.ring_bytes,
		.max_message = view->header.max_message,
		.slots = view->header.slots,
	};
	view->service = (struct mms_service){
		.lanes = (void *)(view->base + mms_lanes_offset(&view->header)),
		.desks = (void *)(view->base + mms_desks_offset(&view->header)),
		.clients = view->header.clients,
		.slots = view->header.slots,
	};
	return 0;
}

static void close_view(struct view *view)
{
	munmap(view->base, (size_t)view->header.file_bytes);
}

/* One who cannot be asked about is taken for alive, and that is noted. */
static bool slots_are_held(struct view *view, unsigned first, unsigned count)
{
	int r = mms_bytes_held(view->fd, MMS_SLOT_BYTE + first, count);

	if (r < 0)
		view->unasked = r;
	return r != 0;
}

static bool slot_is_held(struct view *view, unsigned slot)
{
	return slots_are_held(view, slot, 1);
}

/* An end's count, with the commit that its last owner may not have counted. */
static uint64_t count_of(const struct mms_end *end, uint64_t at)
{
	return at == mms_load(&end->next_at) ? mms_load(&end->next_count)
					     : mms_load(&end->count);
}

/*
 * What waits in the ring.  `at` of the sending end may lag behind the true end
 * when a sender died between his commit and its bookkeeping, so the walk goes on
 * from there; with nobody dead that is no step at all.
 */
static void look_at_ring(const struct view *view, struct mmsock_info *info)
{
	const struct mms_end *send = &view->control->send;
	const struct mms_end *recv = &view->control->recv;
	/* [I1] pairs with [R3]: first head, so that at is not behind it. */
	uint64_t head = mms_load_acquire(&recv->at);
	/* [I2] pairs with [R2], [R4]: the headers below it. */
	uint64_t at = mms_load_acquire(&send->at);
	uint64_t end = at;

	if (head - at < UINT64_MAX / 2)
		end = head;
	end = mms_ring_walk(&view->ring, head, end);
	info->sent = count_of(send, end);
	info->received = count_of(recv, head);
	info->used_bytes = end - head;
	if (info->used_bytes > view->ring.bytes)
		info->used_bytes = view->ring.bytes;
	if (info->sent > info->received)
		info->messages = info->sent - info->received;
	if (info->messages > info->used_bytes / MMS_HEADER_SIZE)
		info->messages = info->used_bytes / MMS_HEADER_SIZE;
	info->last_send_ns = (int64_t)mms_load(&send->stamp_ns);
	info->last_recv_ns = (int64_t)mms_load(&recv->stamp_ns);
}

static bool is_sem(const struct view *view)
{
	return view->header.type == MMS_TYPE_SEMAPHORE;
}

/* What the dead hold is there for whoever asks: he gives it back first. */
static void look_at_units(struct view *view, struct mmsock_info *info)
{
	uint64_t word = mms_load(&view->units.pool->units);
	uint64_t held;
	unsigned slot;

	info->max_value = view->units.maximum;
	info->value = mms_units_value(word);
	for (slot = 0; slot < view->header.slots; slot++) {
		if (!mms_units_may_hold(&view->units, slot))
			continue;
		held = mms_units_held(&view->units, slot);
		if (slot_is_held(view, slot))
			info->held += held;
		else
			info->value += held;
	}
	if (info->value > info->max_value)
		info->value = info->max_value;
}

static bool is_service(const struct view *view)
{
	return view->header.type == MMS_TYPE_RPC;
}

/* Calls in flight, or requests on the desk, and since when the oldest. */
static uint64_t count_calls(const struct view *view, unsigned slot,
			    int64_t *ret_since_ns)
{
	const struct mms_row *row = &view->rows[slot];
	const struct mms_desk *desk;
	uint64_t count = 0;
	int64_t since;
	unsigned place;

	*ret_since_ns = 0;
	if (slot < view->service.clients) {
		count = mms_load(&row->held);
		if (count)
			*ret_since_ns = (int64_t)mms_load(&row->journal);
		return count < MMS_CALLS ? count : MMS_CALLS;
	}
	desk = &view->service.desks[slot - view->service.clients];
	for (place = 0; place < MMS_NOTES; place++) {
		if (!mms_note_read(&view->service, slot, place))
			continue;
		since = (int64_t)mms_load(&desk->notes[place].since_ns);
		if (!count++ || since < *ret_since_ns)
			*ret_since_ns = since;
	}
	return count;
}

static void look_at_calls(const struct view *view, unsigned slot,
			  struct mmsock_info *info)
{
	int64_t since;
	uint64_t count = count_calls(view, slot, &since);

	if (slot < view->service.clients)
		info->calls += count;
	else
		info->requests += count;
}

static void look_at_rows(struct view *view, struct mmsock_info *info)
{
	unsigned slot;

	for (slot = 0; slot < view->header.slots; slot++) {
		const struct mms_row *row = &view->rows[slot];
		unsigned role = mms_row_role(row);

		if (!mms_row_in_use(row))
			continue;
		info->sleeps += mms_load(&row->sleeps);
		info->late_wakes += mms_load(&row->late_wakes);
		if (!slot_is_held(view, slot)) {
			info->dead++;
			continue;
		}
		info->participants++;
		info->senders += !!(role & (MMSOCK_SENDER | MMSOCK_CLIENT));
		info->receivers += !!(role & (MMSOCK_RECEIVER | MMSOCK_SERVER));
		if (is_service(view))
			look_at_calls(view, slot, info);
	}
}

static void look_at_census(const struct view *view, struct mmsock_info *info)
{
	const struct mms_census *census = &view->control->census;

	info->sleeps += mms_load(&census->sleeps);
	info->late_wakes += mms_load(&census->late_wakes);
	info->takeovers = mms_load(&census->takeovers);
	info->dropped = mms_load(&census->dropped);
	info->died = mms_load(&census->died) + info->dead;
	info->replaced = mms_load(&census->replaced);
	info->corrupt = mms_load(&census->corrupt);
}

/* Somebody who is about to attach has a slot before he has a row. */
static bool has_users(struct view *view, const struct mmsock_info *info)
{
	return info->participants ||
	       slots_are_held(view, 0, view->header.slots);
}

/* A message is for whoever comes, a request for nobody but who sent it. */
static bool has_something_for_others(const struct view *view,
				     const struct mmsock_info *info)
{
	return info->used_bytes && !is_service(view);
}

static unsigned state_of(struct view *view, const struct stat *status,
			 const struct mmsock_info *info)
{
	uint32_t state = mms_load32(&view->control->signals.state);

	if (state == MMS_CLOSED || state == MMS_REPLACED || !status->st_nlink)
		return MMSOCK_STATE_REMOVED;
	if (info->dead && !has_something_for_others(view, info) &&
	    !has_users(view, info))
		return MMSOCK_STATE_STALE;
	return MMSOCK_STATE_OK;
}

static int look_at_file(int fd, const struct stat *status,
			struct mmsock_info *info)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return -errno;
	info->uid = status->st_uid;
	info->gid = status->st_gid;
	info->permissions = status->st_mode & 07777;
	info->file_bytes = (uint64_t)status->st_size;
	info->on_disk = fs.f_type != TMPFS_MAGIC;
	return 0;
}

/* A port that cannot be looked into is described by the reason. */
static int describe_unusable(int error, struct mmsock_info *info)
{
	if (error == -EPROTONOSUPPORT)
		info->state = MMSOCK_STATE_FOREIGN_LAYOUT;
	else if (error == -EBADMSG)
		info->state = MMSOCK_STATE_CORRUPT;
	else
		return error;
	strncpy(info->detail, mmsock_error_text(error),
		sizeof(info->detail) - 1);
	return 0;
}

int mms_inspect_file(int fd, const struct stat *status,
		     struct mmsock_info *info)
{
	struct view view = {0};
	int r = look_at_file(fd, status, info);

	if (r)
		return r;
	r = open_view(&view, fd, status);
	if (r)
		return describe_unusable(r, info);
	info->type = view.header.type;
	info->layout = view.header.layout;
	info->slots = view.header.slots;
	info->created_ns = view.header.created_ns;
	if (is_sem(&view)) {
		look_at_units(&view, info);
	} else {
		info->ring_bytes = view.header.ring_bytes;
		info->max_message = view.header.max_message;
		look_at_ring(&view, info);
	}
	if (is_service(&view)) {
		info->max_message -= MMS_CALL_WORD;
		info->clients = view.header.clients;
		info->lane_bytes = view.header.lane_bytes;
		info->max_reply = view.header.max_reply - MMS_CALL_WORD;
	}
	look_at_rows(&view, info);
	look_at_census(&view, info);
	info->state = state_of(&view, status, info);
	close_view(&view);
	return view.unasked;
}

static int open_port(const char *port, const char *dir, struct stat *ret_status)
{
	struct mms_place place;
	int r = mms_place_init_existing(&place, port, dir);
	int fd;

	if (r)
		return r;
	fd = mms_port_open_file(&place, O_RDONLY, ret_status);
	mms_place_fini(&place);
	return fd;
}

int mmsock_inspect(const char *port, const char *dir,
		   struct mmsock_info *ret_info)
{
	MMS_HOLD_CANCEL;
	struct mmsock_info info = {.size = sizeof(info)};
	struct stat status = {0};
	int fd;
	int r;

	if (ret_info->size < INFO_LEAST)
		return mms_failed(-EINVAL);
	fd = open_port(port, dir, &status);
	if (fd < 0)
		return mms_failed(fd);
	r = mms_inspect_file(fd, &status, &info);
	close(fd);
	if (r)
		return mms_failed(r);
	info.size = ret_info->size;
	memcpy(ret_info, &info,
	       info.size < sizeof(info) ? info.size : sizeof(info));
	return 0;
}

static bool holds(const struct mms_end *end, unsigned slot)
{
	uint64_t word = mms_load(&end->lock.word);

	return !mms_lock_is_free(word) && mms_lock_owner(word) == slot;
}

static bool holds_lane(const struct view *view, unsigned slot)
{
	unsigned i;

	for (i = 0; i < view->service.clients; i++)
		if (holds(&view->service.lanes[i].send, slot))
			return true;
	return false;
}

static void describe_activity(struct view *view, unsigned slot,
			      struct mmsock_peer *peer)
{
	uint32_t activity = mms_load32(&view->rows[slot].activity);

	peer->activity = activity & 0xff;
	peer->object = activity >> 8 & 0xff;
	if (peer->held && peer->activity == MMSOCK_RUNNING)
		peer->object = MMSOCK_UNITS;
	else if (holds(&view->control->send, slot))
		peer->object = MMSOCK_SEND_END;
	else if (holds(&view->control->recv, slot))
		peer->object = MMSOCK_RECV_END;
	else if (holds_lane(view, slot))
		peer->object = MMSOCK_REPLY_END;
	else if (slot_is_held(view, slot))
		return;
	peer->activity =
		slot_is_held(view, slot) ? MMSOCK_HOLDING : MMSOCK_DEAD;
}

static void describe_peer(struct view *view, unsigned slot,
			  struct mmsock_peer *peer)
{
	const struct mms_row *row = &view->rows[slot];
	uint64_t words[2] = {mms_load(&row->program[0]),
			     mms_load(&row->program[1])};

	peer->slot = slot;
	peer->role = mms_row_role(row);
	peer->pid = atomic_load_explicit(&row->pid, memory_order_relaxed);
	memcpy(peer->program, words, sizeof(words));
	peer->program[sizeof(peer->program) - 1] = '\0';
	peer->since_ns = (int64_t)mms_load(&row->since_ns);
	peer->sent = mms_load(&row->sent);
	peer->sent_bytes = mms_load(&row->sent_bytes);
	peer->received = mms_load(&row->received);
	peer->received_bytes = mms_load(&row->received_bytes);
	peer->sleeps = mms_load(&row->sleeps);
	peer->late_wakes = mms_load(&row->late_wakes);
	peer->blocked_ns = (int64_t)mms_load(&row->blocked_ns);
	if (is_sem(view))
		peer->held = mms_units_held(&view->units, slot);
	if (is_service(view))
		peer->calls = count_calls(view, slot, &peer->calls_since);
	describe_activity(view, slot, peer);
}

static int visit_peers(struct view *view,
		       int (*visit)(const struct mmsock_peer *, void *),
		       void *context)
{
	unsigned slot;
	int r = 0;

	for (slot = 0; slot < view->header.slots && !r; slot++) {
		struct mmsock_peer peer = {.size = sizeof(peer)};

		/* [I3] pairs with [P1] in write_row(): the row that goes with it. */
		if (!(mms_load_acquire32(&view->rows[slot].role) &
		      MMS_ATTACHED))
			continue;
		describe_peer(view, slot, &peer);
		r = view->unasked ? view->unasked : visit(&peer, context);
	}
	return r;
}

int mmsock_inspect_peers(const char *port, const char *dir,
			 int (*visit)(const struct mmsock_peer *, void *),
			 void *context)
{
	MMS_HOLD_CANCEL;
	struct stat status = {0};
	struct view view = {0};
	int fd = open_port(port, dir, &status);
	int r;

	if (fd < 0)
		return mms_failed(fd);
	r = open_view(&view, fd, &status);
	if (r) {
		close(fd);
		return mms_failed(r);
	}
	r = visit_peers(&view, visit, context);
	close_view(&view);
	close(fd);
	return r;
}
