/* SPDX-License-Identifier: MIT */
/*
 * header.c - a file that may be a port: any header, any size
 *
 * An input is a size, some choices, and what is to be different in the header of
 * a true port, semaphore or service; the checksums can be put right, so that they
 * are not all that is ever looked at.  Each call that opens by name is tried.  What
 * holds: they agree on what the file is, what they refuse they leave alone, and
 * what they accept works.
 */
#include "header.h"
#include "fuzz.h"
#include "unit/sandbox.h"

#define NAME     "fuzzed"
#define ROOM     ((size_t)1 << 20)
#define FILE_MAX ((uint64_t)1 << 28)

enum choice {
	SEMAPHORE = 1,  /* where the header comes from */
	RIGHT_SUM = 2,  /* put the first checksum right */
	RIGHT_SIZE = 4, /* as many bytes as the header says */
	ZEROES = 8,   /* not a true header, but one of zeroes, to begin with */
	SERVICE = 16, /* where the header comes from */
	SEALED = 32   /* put all checksums right */
};

/* True ones, by choice. */
static struct mms_header port_header;
static struct mms_header sem_header;
static struct mms_header service_header;
static const char *path;

static void read_header(const char *name, struct mms_header *header)
{
	int fd = open(join(getenv("MMSOCK_DIR"), name), O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_INT(pread(fd, header, sizeof(*header), 0), sizeof(*header));
	close(fd);
}

static void create_service(const char *name)
{
	struct mmsock_options options =
		options_for(MMSOCK_CREATE_NEW_EXCLUSIVE, 0);

	options.type = MMSOCK_RPC;
	options.slots = 4;
	options.clients = 2;
	options.ring_bytes = MMSOCK_RING_MIN;
	options.reply_bytes = 1024;
	CHECK_INT(mmsock_create(name, &options), 1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;

	(void)argc;
	(void)argv;
	make_sandbox();
	create_port("port", MMSOCK_RING_MIN, 4);
	options.slots = 4;
	CHECK_INT(mmsock_sem_create("sem", &options), 1);
	create_service("service");
	read_header("port", &port_header);
	read_header("sem", &sem_header);
	read_header("service", &service_header);
	path = strdup(join(getenv("MMSOCK_DIR"), NAME));
	return 0;
}

/* A file as it was made. */
struct made {
	struct mms_header header; /* zeroes behind it */
	uint64_t size;
	ino_t inode;
};

/* The state is READY, as in a port that works. */
static void write_made(struct made *made)
{
	uint32_t ready = MMS_READY;
	size_t size = made->size < sizeof(made->header) ? (size_t)made->size
							: sizeof(made->header);
	off_t state =
		MMS_CONTROL_OFFSET + offsetof(struct mms_control, signals);
	int fd;

	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_INT(pwrite(fd, &made->header, size, 0), size);
	if ((uint64_t)state + sizeof(ready) <= made->size)
		CHECK_INT(pwrite(fd, &ready, sizeof(ready), state),
			  sizeof(ready));
	CHECK(!ftruncate(fd, (off_t)made->size));
	close(fd);
	made->inode = inode_of(path);
}

static const struct mms_header *true_header(unsigned choices)
{
	if (choices & SERVICE)
		return &service_header;
	return choices & SEMAPHORE ? &sem_header : &port_header;
}

static struct made take_made(struct fuzz_input *input)
{
	unsigned choices = (unsigned)fuzz_number(input, 1);
	unsigned char change[sizeof(struct mms_header)] = {0};
	unsigned char image[sizeof(struct mms_header)] = {0};
	struct made made;

	made.size = fuzz_number(input, 3) % 20000;
	fuzz_copy(input, change, sizeof(change));
	if (!(choices & ZEROES))
		memcpy(image, true_header(choices), sizeof(image));
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] ^= change[i];
	memcpy(&made.header, image, sizeof(image));
	if (choices & RIGHT_SUM)
		made.header.check = mms_header_check(&made.header);
	if (choices & SEALED)
		mms_header_seal(&made.header);
	if (choices & RIGHT_SIZE && made.header.file_bytes <= FILE_MAX)
		made.size = made.header.file_bytes;
	return made;
}

/* Only what is there of the header, and the size; the rest is zero or live. */
static void check_untouched(const struct made *made)
{
	unsigned char image[sizeof(made->header)];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	ssize_t length;

	CHECK(fd >= 0 && !fstat(fd, &status));
	CHECK_INT(status.st_size, made->size);
	CHECK_INT(status.st_ino, made->inode);
	length = pread(fd, image, sizeof(image), 0);
	close(fd);
	CHECK(length >= 0 && !memcmp(image, &made->header, (size_t)length));
}

static int judge(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct mms_header header;
	struct stat status;
	int r;

	CHECK(fd >= 0 && !fstat(fd, &status));
	r = mms_header_read(fd, &status, &header);
	close(fd);
	CHECK(!r || r == -ENOTSOCK || r == -EBADMSG || r == -EPROTONOSUPPORT);
	return r;
}

static unsigned state_for(int verdict)
{
	switch (verdict) {
	case -EBADMSG:
		return MMSOCK_STATE_CORRUPT;
	case -EPROTONOSUPPORT:
		return MMSOCK_STATE_FOREIGN_LAYOUT;
	default:
		return MMSOCK_STATE_OK;
	}
}

static void check_inspection(int verdict)
{
	struct mmsock_info info = {.size = sizeof(info)};
	int r = mmsock_inspect(NAME, NULL, &info);

	CHECK_INT(r, verdict == -ENOTSOCK ? -ENOTSOCK : 0);
	if (r)
		return;
	CHECK_INT(info.state, state_for(verdict));
	CHECK(!verdict == !info.detail[0]);
	CHECK(info.messages <= info.used_bytes);
	CHECK(info.used_bytes <= info.ring_bytes);
}

static void check_port(struct mmsock *handle)
{
	char buffer[8];

	CHECK(mmsock_max_message(handle) > 0);
	CHECK_INT(mmsock_send(handle, "x", 1, 0), 0);
	CHECK_INT(mmsock_recv(handle, buffer, sizeof(buffer), 0), 1);
	CHECK_INT(buffer[0], 'x');
}

/* @type is what the file is, where @verdict is 0; memory may be short. */
static void check_open(int verdict, unsigned mode, uint32_t type)
{
	struct mmsock_options options =
		options_for(mode, MMSOCK_SENDER | MMSOCK_RECEIVER);
	struct mmsock *handle = NULL;
	int r = mmsock_open(NAME, &options, &handle);

	if (mode == MMSOCK_CREATE_NEW_EXCLUSIVE)
		CHECK_INT(r, -EEXIST);
	else if (verdict)
		CHECK_INT(r, verdict);
	else if (type != MMS_TYPE_QUEUE)
		CHECK_INT(r, -ENOTSOCK);
	else
		CHECK_INT(r, 0);
	if (!r)
		check_port(handle);
	mmsock_close(handle);
}

static struct mmsock *open_service(int verdict, unsigned role, uint32_t type)
{
	struct mmsock_options options =
		options_for(MMSOCK_CONNECT_TO_EXISTING, role);
	struct mmsock *handle = NULL;
	int r = mmsock_open(NAME, &options, &handle);

	if (verdict)
		CHECK_INT(r, verdict);
	else
		CHECK_INT(r, type == MMS_TYPE_RPC ? 0 : -ENOTSOCK);
	return handle;
}

static void check_service(struct mmsock *client, struct mmsock *server)
{
	struct mmsock_request request;
	uint64_t call = 0;
	char buffer[8];

	CHECK(mmsock_max_message(client) > 0 && mmsock_max_reply(client) > 0);
	CHECK_INT(mmsock_call_send(client, "x", 1, &call, 0), 0);
	CHECK_INT(
		mmsock_serve_recv(server, buffer, sizeof(buffer), &request, 0),
		1);
	CHECK_INT(mmsock_reply(server, &request, buffer, 1, 0), 0);
	CHECK_INT(mmsock_call_recv(client, &call, buffer, sizeof(buffer), 0),
		  1);
	CHECK_INT(buffer[0], 'x');
}

static void check_service_open(int verdict, uint32_t type)
{
	struct mmsock *server = open_service(verdict, MMSOCK_SERVER, type);
	struct mmsock *client = open_service(verdict, MMSOCK_CLIENT, type);

	if (client && server)
		check_service(client, server);
	mmsock_close(client);
	mmsock_close(server);
}

static void check_sem_open(int verdict, uint32_t type)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	struct mmsock_sem *sem = NULL;
	int r;

	options.mode = MMSOCK_CONNECT_OR_CREATE;
	r = mmsock_sem_open(NAME, &options, &sem);
	if (verdict)
		CHECK_INT(r, verdict);
	else if (type != MMS_TYPE_SEMAPHORE)
		CHECK_INT(r, -ENOTSOCK);
	else
		CHECK_INT(r, 0);
	if (!r) {
		CHECK_INT(mmsock_sem_post(sem, 1), 0);
		CHECK_INT(mmsock_sem_wait(sem, 1, 0), 0);
	}
	mmsock_sem_close(sem);
}

/*
 * Last, because these two may take the file away.  What is no port stays, and so
 * does a true semaphore where a port is to be put in its place.
 */
static void check_replaced(int verdict, const struct made *made, bool remove)
{
	struct mmsock_info info = {.size = sizeof(info)};
	int r = remove ? mmsock_remove(NAME, NULL, MMSOCK_REMOVE_ALWAYS)
		       : try_open(NAME, MMSOCK_CREATE_NEW_OVERWRITE);

	if (!verdict && !remove && made->header.type != MMS_TYPE_QUEUE)
		verdict = -ENOTSOCK;
	if (verdict == -ENOTSOCK) {
		CHECK_INT(r, -ENOTSOCK);
		check_untouched(made);
		return;
	}
	CHECK_INT(r, 0);
	r = mmsock_inspect(NAME, NULL, &info);
	CHECK_INT(r, remove ? -ENOENT : 0);
	CHECK(r || info.state == MMSOCK_STATE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct made made = take_made(&input);
	uint32_t type = made.header.type;
	int verdict;

	write_made(&made);
	verdict = judge();
	check_inspection(verdict);
	if (verdict)
		CHECK_INT(mmsock_remove(NAME, NULL, MMSOCK_REMOVE_UNUSED),
			  verdict);
	check_open(verdict, MMSOCK_CONNECT_TO_EXISTING, type);
	check_open(verdict, MMSOCK_CREATE_NEW_EXCLUSIVE, type);
	check_open(verdict, MMSOCK_CONNECT_OR_CREATE, type);
	check_sem_open(verdict, type);
	check_service_open(verdict, type);
	check_untouched(&made);
	check_replaced(verdict, &made, size % 2);
	return 0;
}
