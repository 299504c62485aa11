/* SPDX-License-Identifier: MIT */
/*
 * replay.c - run a fuzz target without libFuzzer
 *
 * Over all files of the target's corpus, which is named like the program; or over
 * the one file that is named as an argument, for a debugger.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "check.h"
#include "fuzz.h"

#define CORPUS "tests/fuzz/corpus"

/* In memory of its exact size, so that reading beyond it is seen. */
static void run_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	unsigned char *bytes;
	size_t size;

	CHECK(fd >= 0 && !fstat(fd, &status));
	size = (size_t)status.st_size;
	bytes = malloc(size);
	CHECK(bytes || !size);
	CHECK_INT(read(fd, bytes, size), size);
	close(fd);
	CHECK_INT(LLVMFuzzerTestOneInput(bytes, size), 0);
	free(bytes);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void test_corpus(void)
{
	struct dirent **entries;
	char path[1024];
	int count;
	int i;

	snprintf(path, sizeof(path), CORPUS "/%s",
		 program_invocation_short_name);
	count = scandir(path, &entries, is_input, alphasort);
	CHECK(count > 0);
	for (i = 0; i < count; i++) {
		snprintf(path, sizeof(path), CORPUS "/%s/%s",
			 program_invocation_short_name, entries[i]->d_name);
		printf("# %s\n", path);
		run_file(path);
		free(entries[i]);
	}
	free(entries);
}

static void test_nothing(void)
{
	CHECK_INT(LLVMFuzzerTestOneInput((const uint8_t *)"", 0), 0);
}

static const struct check_case cases[] = {
	{"an empty input does no harm", test_nothing},
	{"no file of the corpus does harm", test_corpus},
};

int main(int argc, char **argv)
{
	LLVMFuzzerInitialize(&argc, &argv);
	if (argc < 2)
		return check_main(argc, argv, cases, CHECK_COUNT(cases));
	run_file(argv[1]);
	return EXIT_SUCCESS;
}
