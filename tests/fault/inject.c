/* SPDX-License-Identifier: MIT */
/*
 * inject.c - what system calls can fail with, and how they are made to
 *
 * A call that is to fail is replaced by one that does not exist, and its result by
 * the error.  One that takes effect although it fails, as close(2) does, is left
 * alone but for its result.  Short reads and writes are made by asking for less.
 * Threads are traced with the process, what it forks is not.
 *
 * It knows ptrace(2) and nothing of what the child does.  The table has what a
 * kernel may answer to a caller who has done nothing wrong: memory, descriptors,
 * space and locks that run out, permissions, a disk that is broken, signals, and
 * others who are faster.  What is not in it cannot fail: giving a lock back that is
 * given back whole, unmapping whole mappings, waking, the clocks.
 */
#include "inject.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "check.h"

#define FAULTS_MAX  12
#define PLAY_LIMIT  20 /* seconds */
#define THREADS_MAX 128

/* Behind a call's arguments stands what kind of lock it is about. */
#define LOCK_TYPE 6

/* How a failure is staged. */
enum staging {
	INSTEAD, /* of the call */
	AFTER,   /* the call has taken effect */
	ASK      /* brk(2): ask for the present end, which is its failure */
};

struct kind {
	const char *name;
	long number;
	bool (*fits)(const uint64_t *arguments); /* NULL: any */
	enum staging staging;
	int length_at; /* which argument INJECT_SHORT halves */
	int faults[FAULTS_MAX];
};

static bool makes_nameless(const uint64_t *arguments)
{
	return (arguments[2] & O_TMPFILE) == O_TMPFILE;
}

static bool makes_file(const uint64_t *arguments)
{
	return arguments[2] & O_CREAT;
}

static bool is_by_descriptor(const uint64_t *arguments)
{
	return arguments[3] & AT_EMPTY_PATH;
}

static bool tries_lock(const uint64_t *arguments)
{
	return arguments[1] == F_OFD_SETLK && arguments[LOCK_TYPE] != F_UNLCK;
}

static bool waits_for_lock(const uint64_t *arguments)
{
	return arguments[1] == F_OFD_SETLKW;
}

static bool asks_for_lock(const uint64_t *arguments)
{
	return arguments[1] == F_OFD_GETLK;
}

static bool duplicates(const uint64_t *arguments)
{
	return arguments[1] == F_DUPFD_CLOEXEC || arguments[1] == F_DUPFD;
}

static bool sleeps(const uint64_t *arguments)
{
	return ((int)arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
}

static bool is_diagnostic(const uint64_t *arguments)
{
	return (int)arguments[0] == STDERR_FILENO;
}

static bool waits(const uint64_t *arguments)
{
	return !(arguments[2] & WNOHANG);
}

static bool is_file(const uint64_t *arguments)
{
	return (int)arguments[4] >= 0;
}

static const struct kind kinds[] = {
#ifdef SYS_access
	{"access", SYS_access, NULL, INSTEAD, 0, {ENOENT, EACCES, ENOMEM}},
#endif
	{"brk", SYS_brk, NULL, ASK, 0, {ENOMEM}},
	{"clone", SYS_clone, NULL, INSTEAD, 0, {EAGAIN, ENOMEM}},
	{"clone3", SYS_clone3, NULL, INSTEAD, 0, {ENOSYS, EAGAIN}},
	{"close", SYS_close, NULL, AFTER, 0, {EINTR, EIO}},
	{"dup", SYS_dup, NULL, INSTEAD, 0, {EMFILE}},
#ifdef SYS_dup2
	{"dup2", SYS_dup2, NULL, INSTEAD, 0, {EINTR, EBUSY}},
#endif
	{"dup3", SYS_dup3, NULL, INSTEAD, 0, {EINTR, EBUSY}},
	{"eventfd2", SYS_eventfd2, NULL, INSTEAD, 0, {EMFILE, ENFILE, ENOMEM}},
	{"faccessat",
	 SYS_faccessat,
	 NULL,
	 INSTEAD,
	 0,
	 {ENOENT, EACCES, ENOMEM}},
	{"fallocate",
	 SYS_fallocate,
	 NULL,
	 INSTEAD,
	 0,
	 {ENOSPC, EINTR, EIO, EFBIG, EDQUOT, EOPNOTSUPP}},
	{"fchmod", SYS_fchmod, NULL, INSTEAD, 0, {EPERM, EIO, EROFS}},
	{"fchown", SYS_fchown, NULL, INSTEAD, 0, {EPERM, EIO, EDQUOT}},
	{"fcntl:setlk",
	 SYS_fcntl,
	 tries_lock,
	 INSTEAD,
	 0,
	 {EAGAIN, ENOLCK, EINVAL}},
	{"fcntl:setlkw",
	 SYS_fcntl,
	 waits_for_lock,
	 INSTEAD,
	 0,
	 {EINTR, ENOLCK}},
	{"fcntl:getlk", SYS_fcntl, asks_for_lock, INSTEAD, 0, {ENOLCK, EIO}},
	{"fcntl:dupfd", SYS_fcntl, duplicates, INSTEAD, 0, {EMFILE}},
#ifdef SYS_fork
	{"fork", SYS_fork, NULL, INSTEAD, 0, {EAGAIN, ENOMEM}},
#endif
	{"fstat", SYS_fstat, NULL, INSTEAD, 0, {EIO, ENOMEM, EOVERFLOW}},
	{"fstatfs", SYS_fstatfs, NULL, INSTEAD, 0, {EIO, EINTR, ENOMEM}},
	{"futex:wait",
	 SYS_futex,
	 sleeps,
	 INSTEAD,
	 0,
	 {EINTR, INJECT_FOR_NOTHING, EAGAIN}},
	{"getcwd", SYS_getcwd, NULL, INSTEAD, 0, {ENOENT, EACCES, ENOMEM}},
	{"getdents", SYS_getdents64, NULL, INSTEAD, 0, {EIO, ENOMEM}},
	{"getrandom",
	 SYS_getrandom,
	 NULL,
	 INSTEAD,
	 1,
	 {EINTR, EAGAIN, ENOSYS, INJECT_SHORT}},
	{"inotify_add_watch",
	 SYS_inotify_add_watch,
	 NULL,
	 INSTEAD,
	 0,
	 {ENOSPC, ENOMEM, EACCES, ENOENT}},
	{"inotify_init1",
	 SYS_inotify_init1,
	 NULL,
	 INSTEAD,
	 0,
	 {EMFILE, ENFILE, ENOMEM}},
	{"linkat",
	 SYS_linkat,
	 NULL,
	 INSTEAD,
	 0,
	 {EEXIST, ENOSPC, EMLINK, EACCES, EIO, ENOENT, EPERM, EDQUOT}},
	{"madvise", SYS_madvise, NULL, INSTEAD, 0, {EINVAL, EAGAIN, ENOMEM}},
	{"memfd_create",
	 SYS_memfd_create,
	 NULL,
	 INSTEAD,
	 0,
	 {EMFILE, ENFILE, ENOMEM}},
#ifdef SYS_mkdir
	{"mkdir",
	 SYS_mkdir,
	 NULL,
	 INSTEAD,
	 0,
	 {EACCES, ENOSPC, EEXIST, EROFS, EDQUOT}},
#endif
	{"mkdirat",
	 SYS_mkdirat,
	 NULL,
	 INSTEAD,
	 0,
	 {EACCES, ENOSPC, EEXIST, EROFS, EDQUOT}},
	{"mmap:file", SYS_mmap, is_file, INSTEAD, 0, {ENOMEM, EAGAIN, ENODEV}},
	{"mmap", SYS_mmap, NULL, INSTEAD, 0, {ENOMEM}},
	{"mprotect", SYS_mprotect, NULL, INSTEAD, 0, {ENOMEM}},
	{"mremap", SYS_mremap, NULL, INSTEAD, 0, {ENOMEM}},
	{"fstat",
	 SYS_newfstatat,
	 is_by_descriptor,
	 INSTEAD,
	 0,
	 {EIO, ENOMEM, EOVERFLOW}},
	{"stat", SYS_newfstatat, NULL, INSTEAD, 0, {EACCES, EIO, ENOMEM}},
	{"open:tmpfile",
	 SYS_openat,
	 makes_nameless,
	 INSTEAD,
	 0,
	 {EMFILE, ENFILE, ENOMEM, EACCES, EINTR, ENOSPC, EDQUOT, EROFS,
	  EOPNOTSUPP, EISDIR}},
	{"open:create",
	 SYS_openat,
	 makes_file,
	 INSTEAD,
	 0,
	 {EMFILE, ENFILE, ENOMEM, EACCES, EINTR, ENOSPC, EDQUOT, EROFS,
	  EEXIST}},
	{"open",
	 SYS_openat,
	 NULL,
	 INSTEAD,
	 0,
	 {EMFILE, ENFILE, ENOMEM, EACCES, EINTR, EIO}},
	{"pidfd_open",
	 SYS_pidfd_open,
	 NULL,
	 INSTEAD,
	 0,
	 {EMFILE, ENFILE, ENOMEM}},
	{"pipe2", SYS_pipe2, NULL, INSTEAD, 0, {EMFILE, ENFILE}},
#ifdef SYS_poll
	{"poll", SYS_poll, NULL, INSTEAD, 0, {EINTR, ENOMEM}},
#endif
	{"ppoll", SYS_ppoll, NULL, INSTEAD, 0, {EINTR, ENOMEM}},
	{"pread", SYS_pread64, NULL, INSTEAD, 2, {EIO, EINTR, INJECT_SHORT}},
	{"preadv2",
	 SYS_preadv2,
	 NULL,
	 INSTEAD,
	 0,
	 {EOPNOTSUPP, EAGAIN, EINTR, EIO}},
	{"prlimit", SYS_prlimit64, NULL, INSTEAD, 0, {EPERM}},
	{"pwrite",
	 SYS_pwrite64,
	 NULL,
	 INSTEAD,
	 2,
	 {ENOSPC, EIO, EINTR, EDQUOT, INJECT_SHORT}},
	{"pwritev2",
	 SYS_pwritev2,
	 NULL,
	 INSTEAD,
	 0,
	 {EOPNOTSUPP, EAGAIN, EINTR, EIO}},
	{"read", SYS_read, NULL, INSTEAD, 2, {EIO, EINTR, INJECT_SHORT}},
#ifdef SYS_rename
	{"rename", SYS_rename, NULL, INSTEAD, 0, {ENOSPC, EACCES, EIO, EDQUOT}},
#endif
#ifdef SYS_renameat
	{"renameat",
	 SYS_renameat,
	 NULL,
	 INSTEAD,
	 0,
	 {ENOSPC, EACCES, EIO, EDQUOT}},
#endif
	{"renameat2",
	 SYS_renameat2,
	 NULL,
	 INSTEAD,
	 0,
	 {EEXIST, ENOSPC, EACCES, EIO, EDQUOT}},
	{"sched_getaffinity",
	 SYS_sched_getaffinity,
	 NULL,
	 INSTEAD,
	 0,
	 {EPERM, ENOSYS}},
	{"unlinkat",
	 SYS_unlinkat,
	 NULL,
	 INSTEAD,
	 0,
	 {EACCES, EIO, EPERM, EROFS}},
#ifdef SYS_vfork
	{"vfork", SYS_vfork, NULL, INSTEAD, 0, {EAGAIN, ENOMEM}},
#endif
	{"wait4", SYS_wait4, waits, INSTEAD, 0, {EINTR}},
	{"waitid", SYS_waitid, NULL, INSTEAD, 0, {EINTR}},
	/* Nobody could be told. */
	{"write:stderr", SYS_write, is_diagnostic, INSTEAD, 0, {0}},
	{"write",
	 SYS_write,
	 NULL,
	 INSTEAD,
	 2,
	 {ENOSPC, EIO, EINTR, INJECT_SHORT}},
	{"writev", SYS_writev, NULL, INSTEAD, 0, {ENOSPC, EIO, EINTR}},
};

/* Those that last: what has run out, has. */
static bool lasts(int error)
{
	static const int lasting[] = {EACCES,     EDQUOT, EIO,    EMFILE,
				      ENFILE,     ENOLCK, ENOMEM, ENOSPC,
				      EOPNOTSUPP, EPERM,  EROFS};
	size_t i;

	for (i = 0; i < CHECK_COUNT(lasting); i++) {
		if (lasting[i] == error)
			return true;
	}
	return false;
}

static const struct kind *kind_of(long number, const uint64_t *arguments)
{
	size_t i;

	for (i = 0; i < CHECK_COUNT(kinds); i++) {
		if (kinds[i].number == number &&
		    (!kinds[i].fits || kinds[i].fits(arguments)))
			return &kinds[i];
	}
	return NULL;
}

static unsigned count_faults(const struct kind *kind)
{
	unsigned count = 0;

	while (count < FAULTS_MAX && kind->faults[count])
		count++;
	return count;
}

/* Another thread may have ended the process meanwhile. */
static void check_traced(long r)
{
	CHECK(r >= 0 || errno == ESRCH);
}

/* What depends on the machine. */

#if defined(__x86_64__) && defined(__LP64__)
#define CAN_INJECT         1
#define RESULT_IS_ARGUMENT 0

static void poke(pid_t pid, size_t offset, uint64_t value)
{
	check_traced(
		ptrace(PTRACE_POKEUSER, pid, (void *)offset, (void *)value));
}

static void set_number(pid_t pid, uint64_t number)
{
	poke(pid, offsetof(struct user_regs_struct, orig_rax), number);
}

static void set_result(pid_t pid, uint64_t result)
{
	poke(pid, offsetof(struct user_regs_struct, rax), result);
}

static void set_argument(pid_t pid, int which, uint64_t value)
{
	static const size_t offsets[] = {
		offsetof(struct user_regs_struct, rdi),
		offsetof(struct user_regs_struct, rsi),
		offsetof(struct user_regs_struct, rdx),
	};

	poke(pid, offsets[which], value);
}

#elif defined(__aarch64__)
#define CAN_INJECT             1
#define NT_ARM_SYSTEM_CALL_SET 0x404

static void set_number(pid_t pid, uint64_t number)
{
	int value = (int)number;
	struct iovec part = {&value, sizeof(value)};

	check_traced(ptrace(PTRACE_SETREGSET, pid,
			    (void *)NT_ARM_SYSTEM_CALL_SET, &part));
}

static void set_argument(pid_t pid, int which, uint64_t value)
{
	struct user_regs_struct registers = {0};
	struct iovec part = {&registers, sizeof(registers)};

	check_traced(ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &part));
	registers.regs[which] = value;
	check_traced(ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &part));
}

static void set_result(pid_t pid, uint64_t result)
{
	set_argument(pid, 0, result);
}

#else
#define CAN_INJECT         0
#define RESULT_IS_ARGUMENT 0

static void set_number(pid_t pid, uint64_t number)
{
	(void)pid;
	(void)number;
}

static void set_argument(pid_t pid, int which, uint64_t value)
{
	(void)pid;
	(void)which;
	(void)value;
}

static void set_result(pid_t pid, uint64_t result)
{
	(void)pid;
	(void)result;
}
#endif

/* The tracer. */

/* A thread, and the call that it is in. */
struct thread {
	pid_t pid;     /* its own; 0: none */
	bool replaces; /* the result of the call */
	int64_t result;
	bool restores; /* an argument, which a caller may rely on afterwards */
	int restored;
	uint64_t argument;
};

struct trace {
	struct inject *inject;
	pid_t pid;
	const struct kind *kind; /* what has failed */
	bool begun;              /* it has stopped once, so it is traced */
	bool counts;
	bool to_first_question; /* begin with the program's first fcntl(2) */
	struct thread threads[THREADS_MAX];
};

/* It may be another call than the last time, whose faults pass. */
static bool stays(const struct inject *inject)
{
	return inject->stays && inject->can_stay;
}

/* Is this one to fail, and how?  0: no. */
static int choose(struct trace *trace, const struct kind *kind)
{
	struct inject *inject = trace->inject;

	if (inject->no_tmpfile && kind->fits == makes_nameless)
		return EOPNOTSUPP;
	if (!kind->faults[0])
		return 0;
	inject->seen++;
	if (inject->happened)
		return stays(inject) && trace->kind == kind ? inject->error : 0;
	if (inject->seen != inject->at)
		return 0;
	inject->call = kind->name;
	inject->happened = true;
	if (inject->meanwhile) {
		inject->meanwhile();
		return 0;
	}
	inject->choices = count_faults(kind);
	inject->error = kind->faults[inject->choice % inject->choices];
	inject->can_stay = lasts(inject->error);
	trace->kind = kind;
	return inject->error;
}

/* For this call only: on most machines registers outlive it. */
static void change_argument(struct thread *thread, int which,
			    const uint64_t *arguments, uint64_t value)
{
	set_argument(thread->pid, which, value);
	thread->restores = true;
	thread->restored = which;
	thread->argument = arguments[which];
}

static void spoil(struct thread *thread, const struct kind *kind,
		  const uint64_t *arguments, int error)
{
	if (kind->staging == ASK) {
		change_argument(thread, 0, arguments, 0);
		return;
	}
	if (error == INJECT_SHORT) {
		change_argument(thread, kind->length_at, arguments,
				(arguments[kind->length_at] + 1) / 2);
		return;
	}
	if (kind->staging == INSTEAD)
		set_number(thread->pid, UINT64_MAX);
	thread->replaces = true;
	thread->result = error == INJECT_FOR_NOTHING ? 0 : -error;
}

/* The first member of a struct flock. */
static uint64_t lock_type(pid_t pid, uint64_t at)
{
	return (uint64_t)ptrace(PTRACE_PEEKDATA, pid, (void *)at, NULL) &
	       0xffff;
}

static void at_entry(struct trace *trace, struct thread *thread, long number,
		     const uint64_t *given)
{
	uint64_t arguments[LOCK_TYPE + 1] = {0};
	const struct kind *kind;
	int error;

	memcpy(arguments, given, LOCK_TYPE * sizeof(given[0]));
	if (trace->to_first_question && number == SYS_fcntl &&
	    arguments[0] == STDIN_FILENO && arguments[1] == F_GETFD)
		trace->counts = true;
	if (!trace->counts)
		return;
	if (number == SYS_fcntl && arguments[1] == F_OFD_SETLK)
		arguments[LOCK_TYPE] = lock_type(thread->pid, arguments[2]);
	kind = kind_of(number, arguments);
	error = kind ? choose(trace, kind) : 0;
	if (!error)
		return;
	trace->inject->faults++;
	spoil(thread, kind, arguments, error);
}

/* The first argument may be where the result is. */
static void at_exit(struct thread *thread)
{
	if (thread->restores && (thread->restored || !RESULT_IS_ARGUMENT))
		set_argument(thread->pid, thread->restored, thread->argument);
	if (thread->replaces)
		set_result(thread->pid, (uint64_t)thread->result);
	thread->replaces = thread->restores = false;
}

static void at_call(struct trace *trace, struct thread *thread)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread->pid, (void *)sizeof(info),
		   &info) <= 0) {
		if (errno == ESRCH)
			return;
		SKIP("this kernel does not tell about system calls");
	}
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
		thread->replaces = thread->restores = false;
		at_entry(trace, thread, (long)info.entry.nr,
			 (const uint64_t *)info.entry.args);
	} else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		at_exit(thread);
	}
}

static void go_on(const struct trace *trace, pid_t pid, int number)
{
	int request = trace->counts || trace->to_first_question ? PTRACE_SYSCALL
								: PTRACE_CONT;

	/* It may be gone already, and then waiting tells. */
	ptrace(request, pid, NULL, (void *)(intptr_t)number);
}

/* A signal that the child gets: our marks, or one to pass on. */
static int at_signal(struct trace *trace, int number)
{
	if (number == SIGSTOP && !trace->to_first_question) {
		trace->counts = !trace->counts;
		return 0;
	}
	return number == SIGTRAP ? 0 : number;
}

static struct thread *find_thread(struct trace *trace, pid_t pid)
{
	size_t i;

	for (i = 0; i < THREADS_MAX; i++) {
		if (trace->threads[i].pid == pid)
			return &trace->threads[i];
	}
	return NULL;
}

/* It begins with a stop of which it need not know. */
static void meet_thread(struct trace *trace, pid_t pid)
{
	/* Its threads are traced from their beginnings, its children are not. */
	const long options =
		PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE;
	struct thread *thread = find_thread(trace, 0);

	CHECK(thread);
	*thread = (struct thread){.pid = pid};
	if (pid == trace->pid)
		check_traced(
			ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)options));
}

static void at_stop(struct trace *trace, pid_t pid, int status)
{
	struct thread *thread = find_thread(trace, pid);
	bool is_new = !thread;
	int number = 0;

	if (is_new)
		meet_thread(trace, pid);
	if (WSTOPSIG(status) == (SIGTRAP | 0x80))
		at_call(trace, find_thread(trace, pid));
	else if (!is_new || pid == trace->pid)
		number = at_signal(trace, WSTOPSIG(status));
	go_on(trace, pid, number);
}

/* All that is in the process group: the threads of one process. */
static int follow(struct trace *trace)
{
	struct thread *thread;
	int status;
	pid_t pid;

	for (;;) {
		pid = waitpid(-trace->pid, &status, __WALL);
		CHECK(pid > 0);
		thread = find_thread(trace, pid);
		if (WIFSTOPPED(status)) {
			trace->begun = true;
			at_stop(trace, pid, status);
		} else if (pid == trace->pid) {
			return status;
		} else if (thread) {
			thread->pid = 0;
		}
	}
}

static int run(struct trace *trace, void (*victim)(void *), void *context)
{
	struct inject *inject = trace->inject;
	int status;

	if (!CAN_INJECT)
		SKIP("this machine's registers are not known here");
	inject->happened = inject->can_stay = false;
	inject->seen = inject->faults = 0;
	inject->choices = 0;
	inject->call = NULL;
	inject->error = 0;
	fflush(stdout);
	trace->pid = fork();
	CHECK(trace->pid >= 0);
	if (!trace->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		if (trace->to_first_question && ptrace(PTRACE_TRACEME))
			_exit(CHECK_SKIPPED);
		victim(context);
		fflush(stdout);
		_exit(EXIT_SUCCESS);
	}
	/* Whoever comes first. */
	setpgid(trace->pid, trace->pid);
	status = follow(trace);
	if (!trace->begun && WIFEXITED(status) &&
	    WEXITSTATUS(status) == CHECK_SKIPPED)
		SKIP("no process can be traced here");
	return status;
}

int inject_run(struct inject *inject, void (*victim)(void *), void *context)
{
	struct trace trace = {.inject = inject};

	return run(&trace, victim, context);
}

int inject_exec(struct inject *inject, void (*victim)(void *), void *context)
{
	struct trace trace = {.inject = inject, .to_first_question = true};

	return run(&trace, victim, context);
}

void inject_begin(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(CHECK_SKIPPED);
	raise(SIGSTOP);
}

void inject_end(void)
{
	raise(SIGSTOP);
}

void inject_report(const struct inject *inject)
{
	if (!inject->happened) {
		printf("# with no call failed\n");
		return;
	}
	if (inject->meanwhile) {
		printf("# before call %lu, %s\n", inject->at, inject->call);
		return;
	}
	printf("# with call %lu, %s, %s%s\n", inject->at, inject->call,
	       inject->error == INJECT_SHORT         ? "cut in half"
	       : inject->error == INJECT_FOR_NOTHING ? "ending for nothing"
						     : strerror(inject->error),
	       stays(inject) ? ", and all later ones of its kind" : "");
}

static bool is_thorough(void)
{
	const char *text = getenv("STRESS");

	return text && strtoul(text, NULL, 10) > 1;
}

/* In each way that the call can fail; or in one, another one each time. */
static unsigned long play_all_ways(struct inject *inject, bool is_patient,
				   void (*play)(void))
{
	bool thorough = is_thorough();
	unsigned long plays = 0;
	unsigned choices;

	for (inject->choice = thorough ? 0 : (unsigned)inject->at;;
	     inject->choice++) {
		inject->stays = false;
		play();
		plays++;
		if (!thorough || !inject->happened)
			return plays;
		choices = inject->choices;
		if (inject->can_stay && !is_patient) {
			inject->stays = true;
			play();
			plays++;
		}
		if (inject->choice + 1 >= choices)
			return plays;
	}
}

void inject_each(struct inject *inject, const char *name, bool is_patient,
		 void (*play)(void))
{
	unsigned long plays = 0;

	inject->at = 0;
	do {
		inject->at++;
		plays += play_all_ways(inject, is_patient, play);
	} while (inject->happened);
	printf("# %s: %lu calls, %lu plays\n", name, inject->at - 1, plays);
}

/* Plays that fail. */

static void (*explain_play)(void);

static void say_what_hung(int number)
{
	(void)number;
	explain_play();
	printf("# it hangs\n");
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

void inject_explain(void (*explain)(void))
{
	explain_play = explain;
	signal(SIGALRM, say_what_hung);
}

void inject_hurry(void)
{
	alarm(PLAY_LIMIT);
}

void inject_apart(void (*run_it)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		run_it();
		fflush(stdout);
		_exit(EXIT_SUCCESS);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	if (status)
		explain_play();
	CHECK_INT(status, 0);
}
