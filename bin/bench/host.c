/* SPDX-License-Identifier: MIT */
/*
 * host.c - name, kernel, processor and hypervisor; what /proc says of a process
 *
 * What cannot be found out stays empty.
 */
#include "host.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

static void copy(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%.*s", (int)strcspn(from, "\n"), from);
}

static void find_cpu(char *name, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];

	while (file && name[0] == '\0' && fgets(line, sizeof(line), file)) {
		const char *colon = strstr(line, ": ");

		if (colon && strncmp(line, "model name", 10) == 0)
			copy(name, size, colon + 2);
	}
	if (file)
		(void)fclose(file);
}

#if defined(__x86_64__) || defined(__i386__)
struct signature {
	const char *text; /* what the processor says of its hypervisor */
	const char *name;
};

static const struct signature signatures[] = {
	{"KVMKVMKVM", "KVM"},       {"Microsoft Hv", "Hyper-V"},
	{"VMwareVMware", "VMware"}, {"XenVMMXenVMM", "Xen"},
	{"TCGTCGTCGTCG", "QEMU"},
};

/* Bit 31 says that there is one, leaf 0x40000000 which. */
static void find_hypervisor(char *name, size_t size)
{
	unsigned a, b, c, d;
	char text[13] = "";

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1U << 31))
		return;
	__cpuid(0x40000000, a, b, c, d);
	memcpy(text, &b, sizeof(b));
	memcpy(text + 4, &c, sizeof(c));
	memcpy(text + 8, &d, sizeof(d));
	copy(name, size, "unknown");
	for (size_t i = 0; i < sizeof(signatures) / sizeof(*signatures); i++) {
		if (strncmp(text, signatures[i].text,
			    strlen(signatures[i].text)) == 0)
			copy(name, size, signatures[i].name);
	}
}
#else
static void find_hypervisor(char *name, size_t size)
{
	FILE *file = fopen("/sys/hypervisor/type", "re");
	char line[64] = "";

	if (!file)
		return;
	if (fgets(line, sizeof(line), file))
		copy(name, size, line);
	(void)fclose(file);
}
#endif

void host_describe(struct bench_host *host)
{
	struct utsname system;
	cpu_set_t set;
	time_t now = time(NULL);
	struct tm local;

	*host = (struct bench_host){.cpus = 1};
	(void)gethostname(host->name, sizeof(host->name) - 1);
	if (uname(&system) == 0)
		(void)snprintf(host->kernel, sizeof(host->kernel),
			       "%.20s %.60s %.20s", system.sysname,
			       system.release, system.machine);
	find_cpu(host->cpu, sizeof(host->cpu));
	find_hypervisor(host->hypervisor, sizeof(host->hypervisor));
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		host->cpus = (unsigned)CPU_COUNT(&set);
	if (gmtime_r(&now, &local))
		(void)strftime(host->time, sizeof(host->time),
			       "%Y-%m-%dT%H:%M:%SZ", &local);
}

uint64_t host_process_number(pid_t pid, const char *file, const char *field)
{
	size_t length = strlen(field);
	char path[64], line[128];
	uint64_t number = 0;
	FILE *in;

	(void)snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	in = fopen(path, "re");
	if (!in)
		return 0;
	while (fgets(line, sizeof(line), in)) {
		if (strncmp(line, field, length) == 0)
			number = strtoull(line + length, NULL, 10);
	}
	(void)fclose(in);
	return number;
}

uint64_t host_resident(pid_t pid)
{
	return (host_process_number(pid, "status", "RssAnon:") +
		host_process_number(pid, "status", "RssShmem:"))
	       << 10;
}
