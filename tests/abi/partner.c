/* SPDX-License-Identifier: MIT */
/*
 * partner.c - one side of a port, to be built by several compilers
 *
 * Small and with the public header only, so that it can be linked against a library
 * of another word size or C library than the one that the tests are built with, and
 * meet its like on a port.
 *
 * Messages are numbered from 0; length and bytes follow from the number.  Whoever
 * finds another one than it should be says so and exits with 1.
 *
 * partner width                 how many bits a pointer has, and which C library
 * partner send PORT COUNT       send so many
 * partner recv PORT COUNT       receive so many, then the end of the stream
 * partner ping PORT PORT COUNT  send to the first, wait for each on the second
 * partner pong PORT PORT        receive from the first, send to the second
 * partner lend PORT             take the sending end, with a message half written
 * partner look PORT             take the receiving end
 * partner take NAME             take a unit of a semaphore, to keep
 * partner value NAME            print how many units there are
 * partner lines PORT            print what there is, a message a line
 *
 * ping and pong never spin, so that each message is a sleep and a wake.  lend, look
 * and take say "ready" on standard output and stay there until they are killed.
 */
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mmsock.h>

#define LONGEST 200

static void must(int64_t result, const char *what)
{
	if (result < 0)
		errx(1, "%s: %s", what, mmsock_error_text((int)result));
}

static struct mmsock *open_as(const char *port, unsigned role, int64_t spin_ns)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	struct mmsock *handle = NULL;

	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	options.role = role;
	options.spin_ns = spin_ns;
	must(mmsock_open(port, &options, &handle), port);
	return handle;
}

static size_t length_of(uint64_t number)
{
	return sizeof(number) +
	       (size_t)(number * 37 % (LONGEST - sizeof(number)));
}

static void write_message(unsigned char *to, uint64_t number)
{
	size_t i;

	memcpy(to, &number, sizeof(number));
	for (i = sizeof(number); i < length_of(number); i++)
		to[i] = (unsigned char)(number * 131 + i);
}

static void send_number(struct mmsock *handle, uint64_t number)
{
	unsigned char message[LONGEST];

	write_message(message, number);
	must(mmsock_send(handle, message, length_of(number), MMSOCK_FOREVER),
	     "send");
}

/* False at the end of the stream. */
static int recv_number(struct mmsock *handle, uint64_t number)
{
	unsigned char expected[LONGEST];
	unsigned char message[LONGEST];
	ssize_t length =
		mmsock_recv(handle, message, sizeof(message), MMSOCK_FOREVER);

	if (length == -ENODATA)
		return 0;
	must(length, "receive");
	write_message(expected, number);
	if ((size_t)length != length_of(number) ||
	    memcmp(message, expected, (size_t)length))
		errx(1, "another message than number %llu",
		     (unsigned long long)number);
	return 1;
}

static void stay(void)
{
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

static void width(char **operands)
{
	(void)operands;
#ifdef __GLIBC__
	printf("%zu glibc\n", 8 * sizeof(void *));
#else
	printf("%zu other\n", 8 * sizeof(void *));
#endif
}

static void send_all(char **operands)
{
	struct mmsock *handle =
		open_as(operands[0], MMSOCK_SENDER, MMSOCK_SPIN_ADAPTIVE);
	uint64_t count = strtoull(operands[1], NULL, 10);
	uint64_t i;

	for (i = 0; i < count; i++)
		send_number(handle, i);
	mmsock_close(handle);
}

static void recv_all(char **operands)
{
	struct mmsock *handle =
		open_as(operands[0], MMSOCK_RECEIVER, MMSOCK_SPIN_ADAPTIVE);
	uint64_t count = strtoull(operands[1], NULL, 10);
	uint64_t i = 0;

	while (recv_number(handle, i))
		i++;
	if (i != count)
		errx(1, "%llu messages came", (unsigned long long)i);
	mmsock_close(handle);
}

static void ping(char **operands)
{
	struct mmsock *there = open_as(operands[0], MMSOCK_SENDER, 0);
	struct mmsock *back = open_as(operands[1], MMSOCK_RECEIVER, 0);
	uint64_t count = strtoull(operands[2], NULL, 10);
	uint64_t i;

	for (i = 0; i < count; i++) {
		send_number(there, i);
		if (!recv_number(back, i))
			errx(1, "the partner has left");
	}
	mmsock_close(there);
	mmsock_close(back);
}

static void pong(char **operands)
{
	struct mmsock *there = open_as(operands[0], MMSOCK_RECEIVER, 0);
	struct mmsock *back = open_as(operands[1], MMSOCK_SENDER, 0);
	uint64_t i;

	for (i = 0; recv_number(there, i); i++)
		send_number(back, i);
	mmsock_close(there);
	mmsock_close(back);
}

static void lend(char **operands)
{
	struct mmsock *handle =
		open_as(operands[0], MMSOCK_SENDER, MMSOCK_SPIN_ADAPTIVE);
	void *buffer;

	must(mmsock_reserve(handle, LONGEST, &buffer, MMSOCK_FOREVER),
	     "reserve");
	memset(buffer, 'x', LONGEST / 2);
	stay();
}

static void look(char **operands)
{
	struct mmsock *handle =
		open_as(operands[0], MMSOCK_RECEIVER, MMSOCK_SPIN_ADAPTIVE);
	const void *message;

	must(mmsock_peek(handle, &message, MMSOCK_FOREVER), "peek");
	stay();
}

static struct mmsock_sem *open_sem(const char *name)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	struct mmsock_sem *sem = NULL;

	options.mode = MMSOCK_CONNECT_TO_EXISTING;
	options.flags = MMSOCK_SEM_OWNED;
	must(mmsock_sem_open(name, &options, &sem), name);
	return sem;
}

static void take(char **operands)
{
	must(mmsock_sem_wait(open_sem(operands[0]), 1, MMSOCK_FOREVER), "wait");
	stay();
}

static void value(char **operands)
{
	struct mmsock_sem *sem = open_sem(operands[0]);
	int64_t units = mmsock_sem_value(sem);

	must(units, "value");
	printf("%lld\n", (long long)units);
	mmsock_sem_close(sem);
}

static void lines(char **operands)
{
	struct mmsock *handle =
		open_as(operands[0], MMSOCK_RECEIVER, MMSOCK_SPIN_ADAPTIVE);
	static char message[65536];
	ssize_t length;

	while ((length = mmsock_recv(handle, message, sizeof(message), 0)) >= 0)
		printf("%.*s\n", (int)length, message);
	if (length != -EAGAIN && length != -ENODATA)
		must(length, "receive");
	mmsock_close(handle);
}

static const struct command {
	const char *name;
	int operands;
	void (*run)(char **operands);
} commands[] = {
	{"width", 0, width}, {"send", 2, send_all}, {"recv", 2, recv_all},
	{"ping", 3, ping},   {"pong", 2, pong},     {"lend", 1, lend},
	{"look", 1, look},   {"take", 1, take},     {"value", 1, value},
	{"lines", 1, lines},
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (argc < 2 || strcmp(argv[1], commands[i].name) ||
		    argc - 2 != commands[i].operands)
			continue;
		commands[i].run(argv + 2);
		return 0;
	}
	errx(1, "another command or other operands are needed");
}
