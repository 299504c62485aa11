/* SPDX-License-Identifier: MIT */
/*
 * scenes.c - a scene is laid, played with a fault, and looked at
 *
 * It knows processes and faults, and nothing of what a scene is about.
 */
#include "scenes.h"

#include <errno.h>
#include <sys/wait.h>

#include "inject.h"

struct ledger *ledger;
const char *port;
struct kid kid;

static const struct theme *theme;
static const struct scene *scene;
static struct inject *inject; /* in memory that all share, too */

const char *where(void)
{
	return strchr(port, '/') ? port : join(getenv("MMSOCK_DIR"), port);
}

void *share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static int count_visit(const struct mmsock_peer *peer, void *context)
{
	(void)peer;
	++*(int *)context;
	return 0;
}

int look_at_peers(void)
{
	int count = 0;
	int r = mmsock_inspect_peers(port, NULL, count_visit, &count);

	return r ? r : count;
}

/* Helpers. */

void send_out(void (*run)(struct kid *self, void *context), void *context)
{
	kid_start(&kid, run, context);
}

void bring(void (*run)(struct kid *self, void *context), void *context)
{
	send_out(run, context);
	CHECK(hear(&kid));
}

void leave_dead(void (*run)(struct kid *self, void *context), void *context)
{
	bring(run, context);
	kill_kid();
}

void kill_kid(void)
{
	kid_kill(&kid);
}

void await_kid(void)
{
	CHECK_INT(kid_reap(&kid), 0);
}

void end_kid(void)
{
	kid_end(&kid);
}

/* Descriptors and views of ports, and memory set aside for one. */
struct belongings {
	unsigned descriptors;
	unsigned views;
	unsigned reserved;
};

static struct belongings take_stock(void)
{
	return (struct belongings){
		.descriptors = count_descriptors(),
		.views = count_mappings(),
		.reserved = count_maps_of(" ---p 00000000 00:00 0"),
	};
}

static void check_stock(struct belongings before)
{
	struct belongings now = take_stock();

	CHECK(now.descriptors <= before.descriptors + scene->more);
	CHECK(now.views <= before.views);
	CHECK(now.reserved <= before.reserved);
}

/*
 * Answers that say something about the port which is not so, unless it is what the
 * kernel has said.
 */
static bool is_lie(int r)
{
	static const int claims[] = {
		EBADMSG, ECHILD,    ECONNREFUSED, ECONNRESET, EDEADLK,
		EEXIST,  EIDRM,     EINVAL,       EMSGSIZE,   ENOBUFS,
		ENODATA, ENOENT,    ENOTSOCK,     EOVERFLOW,  EOWNERDEAD,
		EPERM,   EREMOTEIO, ESTALE,       EUSERS,     EPROTONOSUPPORT};
	size_t i;

	if (r == scene->result || r == -inject->error)
		return false;
	for (i = 0; i < CHECK_COUNT(claims); i++) {
		if (r == -claims[i])
			return true;
	}
	return false;
}

static void judge(int r)
{
	if (r == scene->result ||
	    (scene->or_less && r >= 0 && r < scene->result))
		return;
	CHECK(r < 0 && r >= -4095);
	CHECK(mmsock_error_text(r)[0]);
	if (is_lie(r))
		printf("# the answer was: %s\n", mmsock_error_text(r));
	CHECK(!is_lie(r));
}

/*
 * What is made and cannot be opened is taken back, unless that fails as well; then
 * it is found by who tries again.
 */
static void withdraw(ino_t before)
{
	if (scene->creates && inject->stays && !before && inode_of(where()))
		CHECK(!unlink(where()));
}

static void do_if(void (*what)(void))
{
	if (what)
		what();
}

/* With a fault or without; what it opens is closed. */
static int operate(void)
{
	int r = scene->operate();

	if (scene->opens)
		theme->close();
	return r;
}

static void play(void *context)
{
	struct belongings before;
	ino_t inode;
	int r;

	(void)context;
	do_if(scene->prepare);
	if (scene->blind)
		closefrom(3);
	before = take_stock();
	inode = inode_of(where());
	inject_begin();
	r = scene->operate();
	inject_end();
	judge(r);
	if (scene->opens)
		theme->close();
	check_stock(before);
	if (r != scene->result) {
		if (scene->creates && !inject->stays)
			CHECK_INT(inode_of(where()), inode);
		withdraw(inode);
		CHECK_INT(operate(), scene->result);
		check_stock(before);
	}
	do_if(scene->finish);
	theme->close();
}

static void explain(void)
{
	printf("# %s\n", scene->name);
	inject_report(inject);
}

/* The next creator sweeps what one who failed could not. */
static void audit(void)
{
	const char *place = port;
	char *dir = strdup(where());

	CHECK(dir);
	*strrchr(dir, '/') = '\0';
	port = join(dir, "sweeper");
	create_port(port, RING_BYTES, SLOTS);
	CHECK_INT(mmsock_remove(port, NULL, MMSOCK_REMOVE_UNUSED), 0);
	port = place;
	CHECK_INT(count_entries(dir), scene->goes ? 0 : 1);
	free(dir);
	if (scene->goes)
		return;
	CHECK_INT(inspect(port).state == MMSOCK_STATE_CORRUPT, 0);
	CHECK_INT(inspect(port).participants, 0);
	theme->audit();
}

/* Where the directories of all plays are. */
static char *shm_base;
static char *disk_base;

static void set_up(void)
{
	CHECK(!setenv("MMSOCK_DIR", shm_base, 1));
	fresh_dir();
	port = "p";
	if (scene->disk) {
		CHECK(!setenv(DISK_VARIABLE, disk_base, 1));
		port = join(fresh_disk_dir(), "p");
	}
	*ledger = (struct ledger){0};
	if (scene->lay || theme->lay)
		inject_apart(scene->lay ? scene->lay : theme->lay);
}

static void tear_down(void)
{
	remove_tree(getenv("MMSOCK_DIR"));
	if (scene->disk)
		remove_tree(getenv(DISK_VARIABLE));
}

static void play_once(void)
{
	int status;

	inject_hurry();
	set_up();
	status = inject_run(inject, play, NULL);
	if (status)
		explain();
	CHECK_INT(status, 0);
	inject_apart(audit);
	tear_down();
}

void play_scenes(const struct theme *which, const struct scene *scenes,
		 size_t count)
{
	size_t i;

	theme = which;
	shm_base = strdup(getenv("MMSOCK_DIR"));
	disk_base = strdup(getenv(DISK_VARIABLE));
	ledger = share(sizeof(*ledger));
	inject = share(sizeof(*inject));
	CHECK(shm_base && disk_base);
	inject_explain(explain);
	for (i = 0; i < count; i++) {
		scene = &scenes[i];
		*inject = (struct inject){.no_tmpfile = scene->old};
		inject_each(inject, scene->name, scene->is_patient, play_once);
	}
}
