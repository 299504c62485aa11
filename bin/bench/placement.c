/* SPDX-License-Identifier: MIT */
/*
 * placement.c - the probe: cache lines go to and fro between the CPUs
 *
 * On a shared host a virtual CPU moves between physical ones, and shared memory
 * is three or four times slower while the two are far apart.  Figures of the
 * two states must not be mixed; so each run is put between two probes.
 *
 * Where a line is kept depends on its address, and so does the time that it
 * takes; so the probe goes through lines of many pages, and takes the median.
 */
#include "placement.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "roles.h"
#include "settings.h"

#define PROBE_NS 4000000
/* Where others have the CPU most of the time, the median needs as many. */
#define ROUNDS 2000

#define PAGES      16
#define PAGE_BYTES ((size_t)4096)

/* Looks before the CPU is offered to others: it may be a busy machine. */
#define LOOKS 4096

/* Marks of a number; the first one is 1, since the lines hold 0. */
#define ANSWER ((uint64_t)1 << 63)
#define LAST   ((uint64_t)1 << 62)

struct probe {
	const struct clock *clock;
	char *pages;
};

static _Atomic uint64_t *line_of(const struct probe *probe, uint64_t number)
{
	return (_Atomic uint64_t *)(void *)(probe->pages +
					    number % PAGES * PAGE_BYTES);
}

/* What is in the line once it has that number, without the mark. */
static uint64_t await(_Atomic uint64_t *line, uint64_t wanted)
{
	unsigned looks = 0;
	uint64_t word;

	for (;;) {
		word = atomic_load_explicit(line, memory_order_acquire);
		if ((word & ~LAST) == wanted)
			return word;
		clock_relax();
		if (++looks % LOOKS == 0)
			sched_yield();
	}
}

static void bounce(const struct probe *probe, struct histogram *times)
{
	const struct clock *clock = probe->clock;
	uint64_t last = clock_ticks(clock), now = last;
	uint64_t until = last + clock_from_ns(clock, PROBE_NS), number = 1;

	for (; now < until || number < ROUNDS; number++) {
		_Atomic uint64_t *line = line_of(probe, number);

		atomic_store_explicit(line, number, memory_order_release);
		await(line, number | ANSWER);
		now = clock_ticks(clock);
		histogram_record(times, clock_ns(clock, now - last));
		/* What is written down is not part of the next one. */
		last = clock_ticks(clock);
	}
	atomic_store(line_of(probe, number), number | LAST);
}

static void bounce_back(const struct probe *probe)
{
	uint64_t number = 0, word;

	do {
		_Atomic uint64_t *line = line_of(probe, ++number);

		word = await(line, number);
		atomic_store_explicit(line, word | ANSWER,
				      memory_order_release);
	} while (!(word & LAST));
}

static void work(struct role *role, void *context)
{
	const struct probe *probe = context;

	for (uint64_t i = 0; i < PAGES; i++)
		(void)atomic_load(line_of(probe, i));
	role_ready(role);
	if (role->producer)
		bounce(probe, &role->finding->latency);
	else
		bounce_back(probe);
}

double placement_probe(struct bench *bench)
{
	const int *cpu = bench->settings->cpu;
	struct probe probe = {.clock = &bench->clock};
	const struct cast cast = {
		.producers = 1,
		.consumers = 1,
		.cpu = {cpu[0], cpu[1]},
		.work = work,
		.context = &probe,
	};
	const struct finding *failed;
	void *pages;
	int r;

	if (cpu[0] == cpu[1])
		return 0;
	pages = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return 0;
	probe.pages = pages;
	r = roles_run(bench->stage, &cast, &failed);
	munmap(pages, PAGES * PAGE_BYTES);
	if (r < 0)
		return 0;
	return ((double)histogram_percentile(&bench->stage->findings[0].latency,
					     50) -
		bench->clock.cost_ns) /
	       2;
}

enum bench_placement placement_of(double before_ns, double after_ns)
{
	bool near_before = before_ns < PLACEMENT_NEAR_BELOW_NS;
	bool near_after = after_ns < PLACEMENT_NEAR_BELOW_NS;

	if (before_ns <= 0 || after_ns <= 0)
		return BENCH_UNKNOWN;
	if (near_before != near_after)
		return BENCH_MIXED;
	return near_before ? BENCH_NEAR : BENCH_FAR;
}
