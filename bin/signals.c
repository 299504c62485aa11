/* SPDX-License-Identifier: MIT */
/*
 * signals.c - signals, and the reads and writes that they may interrupt
 *
 * A tool that a signal ends leaves its port first, so that the others are told
 * at once and no trace of it stays behind.  What runs in a handler here is safe
 * there.
 */
#include "tool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <mmsock.h>

/* How often the timer knocks once a signal has come. */
#define KNOCK_US 50000

/* The handlers need these; nothing else here is global. */
static atomic_int caught;
static atomic_uint caught_count;
static struct mmsock *_Atomic handles[TOOL_HANDLES_MAX];
static struct mmsock_sem *_Atomic interrupted_sem;
static const char *bus_port;

static void install(int number, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	sigemptyset(&action.sa_mask);
	sigaction(number, &action, NULL);
}

static void knock(int number)
{
	struct mmsock_sem *sem = atomic_load(&interrupted_sem);

	(void)number;
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++) {
		struct mmsock *handle = atomic_load(&handles[i]);

		if (handle)
			mmsock_interrupt(handle);
	}
	if (sem)
		mmsock_sem_interrupt(sem);
}

/*
 * A read or write that is entered just after the look at tool_signal() would
 * miss the signal; the timer makes sure that another one follows.  setitimer()
 * is a bare system call here, and thus safe in a handler.
 */
static void on_signal(int number)
{
	static const struct itimerval often = {{0, KNOCK_US}, {0, KNOCK_US}};
	int saved = errno;
	int none = 0;

	/* Before another thread can see the mark and send that signal on. */
	install(SIGALRM, knock, 0);
	atomic_compare_exchange_strong(&caught, &none, number);
	atomic_fetch_add(&caught_count, 1);
	setitimer(ITIMER_REAL, &often, NULL);
	knock(number);
	errno = saved;
}

static void on_bus(int number)
{
	const char *const parts[] = {
		program_invocation_short_name, ": port '", bus_port,
		"': the port file was cut short by somebody\n"};
	struct iovec out[ARRAY_SIZE(parts)];

	(void)number;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		out[i] = (struct iovec){(void *)(uintptr_t)parts[i],
					strlen(parts[i])};
	if (writev(STDERR_FILENO, out, ARRAY_SIZE(parts)) < 0)
		_exit(TOOL_SOFTWARE);
	_exit(TOOL_SOFTWARE);
}

void tool_guard(const char *port)
{
	bus_port = port;
	install(SIGBUS, on_bus, 0);
}

/* The write then fails with EFBIG.  Not ignored: a command would inherit that. */
static void pass_over(int number)
{
	(void)number;
}

/*
 * SIGPIPE is among them so that a tool whose reader has gone detaches before it
 * dies of it, as it would have done at once.
 */
void tool_catch_signals(const char *port)
{
	static const int numbers[] = {SIGHUP, SIGINT, SIGPIPE, SIGTERM};
	struct sigaction old;
	sigset_t alarm;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (sigaction(numbers[i], NULL, &old) == 0 &&
		    old.sa_handler == SIG_DFL)
			install(numbers[i], on_signal, 0);
	}
	install(SIGXFSZ, pass_over, SA_RESTART);
	tool_guard(port);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarm, NULL);
}

static void replace_handle(struct mmsock *old, struct mmsock *new)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(handles) && atomic_load(&handles[i]) != old)
		i++;
	if (i < ARRAY_SIZE(handles))
		atomic_store(&handles[i], new);
}

void tool_add_handle(struct mmsock *handle)
{
	replace_handle(NULL, handle);
	if (caught)
		mmsock_interrupt(handle);
}

void tool_drop_handle(struct mmsock *handle)
{
	if (handle)
		replace_handle(handle, NULL);
}

void tool_interrupt_sem(struct mmsock_sem *sem)
{
	atomic_store(&interrupted_sem, sem);
	if (sem && atomic_load(&caught))
		mmsock_sem_interrupt(sem);
}

int tool_signal(void)
{
	return caught;
}

unsigned tool_signal_count(void)
{
	return caught_count;
}

void tool_die(void)
{
	sigset_t set;

	if (!caught)
		return;
	install(caught, SIG_DFL, 0);
	sigemptyset(&set);
	sigaddset(&set, caught);
	raise(caught);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + caught);
}

/*
 * What to do about a read or write that failed with @error: 0 to try again, or
 * the error to give up with.
 */
static int recover(int fd, short events, int error)
{
	struct pollfd wait = {.fd = fd, .events = events};

	if (error == EAGAIN && poll(&wait, 1, -1) < 0)
		error = errno;
	if (error == EAGAIN || (error == EINTR && !caught))
		return 0;
	return -error;
}

ssize_t tool_read(int fd, void *buffer, size_t size)
{
	for (;;) {
		ssize_t got = read(fd, buffer, size);
		int r;

		if (got >= 0)
			return got;
		r = recover(fd, POLLIN, errno);
		if (r < 0)
			return r;
	}
}

int tool_write(int fd, const void *data, size_t length)
{
	const char *at = data;

	while (length > 0) {
		ssize_t put = write(fd, at, length);
		int r = 0;

		if (put < 0)
			r = recover(fd, POLLOUT, errno);
		if (r < 0)
			return r;
		at += put < 0 ? 0 : put;
		length -= put < 0 ? 0 : (size_t)put;
	}
	return 0;
}
