/* SPDX-License-Identifier: MIT */
/*
 * name.c - what is a name, where it leads, and which directories are trusted
 */
#include "name.h"

#include "sandbox.h"

static void expect_path(const char *port, const char *dir, const char *want)
{
	char path[PATH_MAX];

	CHECK_INT(mmsock_path(port, dir, path, sizeof(path)), 0);
	CHECK_STR(path, want);
}

static void expect_refusal(const char *port, int error, const char *text)
{
	char path[PATH_MAX] = "untouched";

	CHECK_INT(mmsock_path(port, "/dir", path, sizeof(path)), error);
	CHECK_STR(path, "untouched");
	printf("# '%.20s': %s\n", port, mmsock_error_text(error));
	CHECK(strstr(mmsock_error_text(error), text));
}

static void repeat(char *to, char character, size_t times)
{
	memset(to, character, times);
	to[times] = '\0';
}

static void test_plain(void)
{
	char longest[MMSOCK_NAME_MAX + 2];

	CHECK(mms_name_is_plain("a"));
	CHECK(mms_name_is_plain("9"));
	CHECK(mms_name_is_plain("_x"));
	CHECK(mms_name_is_plain("A.b-c_9."));
	repeat(longest, 'x', MMSOCK_NAME_MAX);
	CHECK(mms_name_is_plain(longest));
}

static void test_not_plain(void)
{
	static const char *const names[] = {
		"",     "-",   "-a",    "..",  ".",    ".a",  " a",
		"a b",  "a/b", "/",     "a\n", "a*",   "a:b", "a\\",
		"a\tb", "~",   "p\x7f", "@",   "\x01", "a,b", "\xc3\xa4",
	};
	char longer[MMSOCK_NAME_MAX + 2];
	size_t i;

	for (i = 0; i < CHECK_COUNT(names); i++)
		CHECK(!mms_name_is_plain(names[i]));
	repeat(longer, 'x', MMSOCK_NAME_MAX + 1);
	CHECK(!mms_name_is_plain(longer));
}

static void test_refused_names(void)
{
	char longer[MMSOCK_NAME_MAX + 2];

	expect_refusal("", -EINVAL, "empty");
	expect_refusal("a b", -EINVAL, "letters, digits");
	expect_refusal(".a", -EINVAL, "begins with neither");
	expect_refusal("-a", -EINVAL, "begins with neither");
	expect_refusal(".mmsock.x", -EINVAL, "begins with neither");
	repeat(longer, 'x', MMSOCK_NAME_MAX + 1);
	expect_refusal(longer, -ENAMETOOLONG, "at most 128");
}

static void test_every_call_refuses(void)
{
	struct mmsock_info info = {.size = sizeof(info)};
	struct mmsock *handle = NULL;

	fresh_dir();
	CHECK_INT(mmsock_open("a b", NULL, &handle), -EINVAL);
	CHECK(!handle);
	CHECK_INT(mmsock_create("a b", NULL), -EINVAL);
	CHECK_INT(mmsock_remove("a b", NULL, MMSOCK_REMOVE_ALWAYS), -EINVAL);
	CHECK_INT(mmsock_inspect("a b", NULL, &info), -EINVAL);
	CHECK_INT(mmsock_inspect_peers("a b", NULL, NULL, NULL), -EINVAL);
	CHECK_INT(mmsock_wait_port("a b", NULL, 0), -EINVAL);
	CHECK_INT(count_entries(getenv("MMSOCK_DIR")), 0);
}

static void test_port_directory(void)
{
	char fallback[64];

	setenv("MMSOCK_DIR", "/from/environment", 1);
	expect_path("p", NULL, "/from/environment/p");
	expect_path("p", "/given", "/given/p");
	expect_path("p", "/given/", "/given//p");
	snprintf(fallback, sizeof(fallback), "/dev/shm/mmsock-%u/p", geteuid());
	setenv("MMSOCK_DIR", "", 1);
	expect_path("p", NULL, fallback);
	unsetenv("MMSOCK_DIR");
	expect_path("p", NULL, fallback);
}

static void test_paths(void)
{
	setenv("MMSOCK_DIR", "/not/used", 1);
	expect_path("/x/y", NULL, "/x/y");
	expect_path("/x/y", "/not/used/either", "/x/y");
	expect_path("/a b c", NULL, "/a b c");
	expect_path("/x/.hidden", NULL, "/x/.hidden");
	expect_path("/x/-dash", NULL, "/x/-dash");
}

static void test_relative(void)
{
	const char *dir = fresh_dir();
	char cwd[PATH_MAX];

	CHECK(!chdir(dir) && getcwd(cwd, sizeof(cwd)));
	expect_path("./p", NULL, join(cwd, "./p"));
	expect_path("sub/p", NULL, join(cwd, "sub/p"));
	expect_path("p", "sub", join(cwd, "sub/p"));
	CHECK(!chdir("/"));
	expect_path("./p", NULL, "/./p");
	expect_path("p", "x", "/x/p");
}

static void test_no_leaf(void)
{
	expect_refusal("x/", -EINVAL, "file name");
	expect_refusal("/", -EINVAL, "file name");
	expect_refusal("x/.", -EINVAL, "file name");
	expect_refusal("x/..", -EINVAL, "file name");
	expect_refusal("x/.mmsock.0", -EINVAL, "unfinished");
}

static void test_long_paths(void)
{
	char leaf[NAME_MAX + 3] = "/";
	char path[PATH_MAX + 2];
	char name[MMSOCK_NAME_MAX + 1];

	repeat(leaf + 1, 'x', NAME_MAX);
	expect_path(leaf, NULL, leaf);
	repeat(leaf + 1, 'x', NAME_MAX + 1);
	expect_refusal(leaf, -ENAMETOOLONG, "file name");
	repeat(path, '/', PATH_MAX - 2);
	strcpy(path + PATH_MAX - 2, "p");
	expect_path(path, NULL, path);
	strcpy(path + PATH_MAX - 2, "pq");
	expect_refusal(path, -ENAMETOOLONG, "path");
	repeat(path, '/', PATH_MAX - 10);
	repeat(name, 'n', MMSOCK_NAME_MAX);
	CHECK_INT(mmsock_path(name, path, leaf, sizeof(leaf)), -ENAMETOOLONG);
}

static void test_small_buffer(void)
{
	char path[16];

	CHECK_INT(mmsock_path("/x/y", NULL, path, 4), -ENAMETOOLONG);
	CHECK_INT(mmsock_path("/x/y", NULL, path, 0), -ENAMETOOLONG);
	CHECK_INT(mmsock_path("/x/y", NULL, path, 5), 0);
	CHECK_STR(path, "/x/y");
}

static void test_looking_makes_nothing(void)
{
	const char *dir = join(fresh_dir(), "missing");
	struct mmsock_info info = {.size = sizeof(info)};
	char path[PATH_MAX];

	CHECK_INT(mmsock_path("p", dir, path, sizeof(path)), 0);
	CHECK_INT(mmsock_inspect("p", dir, &info), -ENOENT);
	CHECK_INT(mmsock_list(dir, NULL, NULL), 0);
	CHECK_INT(mmsock_remove("p", dir, MMSOCK_REMOVE_ALWAYS), -ENOENT);
	setenv("MMSOCK_DIR", dir, 1);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -ENOENT);
	CHECK_STR(mmsock_error_text(-ENOENT), "no such port");
	CHECK(access(dir, F_OK));
}

static void test_made_on_demand(void)
{
	const char *dir = join(fresh_dir(), "new");
	struct stat status;

	setenv("MMSOCK_DIR", dir, 1);
	umask(0);
	CHECK_INT(mmsock_create("p", NULL), 1);
	CHECK(!stat(dir, &status));
	CHECK_INT(status.st_mode & 07777, 0700);
}

static void test_no_parents(void)
{
	const char *dir = join(fresh_dir(), "no/such");

	setenv("MMSOCK_DIR", dir, 1);
	CHECK_INT(mmsock_create("p", NULL), -ENOENT);
	CHECK(strstr(mmsock_error_text(-ENOENT), dir));
	CHECK_INT(mmsock_create(join(dir, "p"), NULL), -ENOENT);
	CHECK(strstr(mmsock_error_text(-ENOENT), dir));
}

static void test_dir_is_file(void)
{
	const char *file = join(fresh_dir(), "file");

	write_file(file, "", 0);
	setenv("MMSOCK_DIR", file, 1);
	CHECK_INT(mmsock_create("p", NULL), -ENOTDIR);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -ENOTDIR);
	CHECK_INT(try_open(join(file, "p"), MMSOCK_CONNECT_TO_EXISTING),
		  -ENOTDIR);
}

/* A directory that is named by somebody is his affair. */
static void test_open_dir_by_name(void)
{
	const char *dir = fresh_dir();

	CHECK(!chmod(dir, 0777));
	CHECK_INT(mmsock_create("p", NULL), 1);
	CHECK(!symlink(dir, join(dir, "link")));
	setenv("MMSOCK_DIR", join(dir, "link"), 1);
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), 0);
}

/* Path of the default port directory, below a /dev/shm of our own. */
static const char *private_default(void)
{
	static char dir[64];

	private_mounts();
	mount_tmpfs("/dev/shm", "mode=1777");
	unsetenv("MMSOCK_DIR");
	snprintf(dir, sizeof(dir), "/dev/shm/mmsock-%u", geteuid());
	return dir;
}

static void test_default_dir(void)
{
	const char *dir = private_default();
	struct stat status;

	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -ENOENT);
	CHECK(access(dir, F_OK));
	CHECK_INT(mmsock_create("p", NULL), 1);
	CHECK(!stat(dir, &status));
	CHECK_INT(status.st_mode & 07777, 0700);
	CHECK(!access(join(dir, "p"), F_OK));
}

static void test_default_dir_mode(void)
{
	static const mode_t modes[] = {0710, 0701, 0720, 0777, 01777};
	const char *dir = private_default();
	size_t i;

	CHECK_INT(mmsock_create("p", NULL), 1);
	for (i = 0; i < CHECK_COUNT(modes); i++) {
		CHECK(!chmod(dir, modes[i]));
		CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), -EACCES);
		CHECK(strstr(mmsock_error_text(-EACCES), "open to others"));
		CHECK(strstr(mmsock_error_text(-EACCES), dir));
		CHECK_INT(mmsock_create("q", NULL), -EACCES);
	}
	CHECK(!chmod(dir, 0700));
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), 0);
	CHECK_INT(count_entries(dir), 1);
}

static void test_default_dir_owner(void)
{
	const char *dir = private_default();

	CHECK(!mkdir(dir, 0700));
	if (chown(dir, 12345, (gid_t)-1))
		SKIP("only root can give a directory away");
	CHECK_INT(mmsock_create("p", NULL), -EACCES);
	CHECK(strstr(mmsock_error_text(-EACCES), "uid 12345"));
	CHECK_INT(count_entries(dir), 0);
}

static void test_default_dir_link(void)
{
	const char *dir = private_default();

	CHECK(!mkdir("/dev/shm/trap", 0700));
	CHECK(!symlink("trap", dir));
	CHECK_INT(mmsock_create("p", NULL), -ENOTDIR);
	CHECK_INT(count_entries("/dev/shm/trap"), 0);
}

static const struct check_case cases[] = {
	{"letters, digits, dot, dash, underscore make a name", test_plain},
	{"anything else does not", test_not_plain},
	{"a bad name is refused with its reason", test_refused_names},
	{"every call refuses a bad name", test_every_call_refuses},
	{"the port directory is the option's, the environment's, the default",
	 test_port_directory},
	{"what has a slash is a path", test_paths},
	{"relative paths begin where we are", test_relative},
	{"a path ends in a file name that is free for ports", test_no_leaf},
	{"names and paths that are too long are refused", test_long_paths},
	{"a path that does not fit the buffer is refused", test_small_buffer},
	{"looking makes no directory", test_looking_makes_nothing},
	{"creating makes the port directory, for its owner alone",
	 test_made_on_demand},
	{"creating makes no other directory", test_no_parents},
	{"a file where the directory should be is told", test_dir_is_file},
	{"a named directory may be open to others, and a link",
	 test_open_dir_by_name},
	{"the default directory is made for its owner alone", test_default_dir},
	{"a default directory that is open to others is refused",
	 test_default_dir_mode},
	{"a default directory of somebody else is refused",
	 test_default_dir_owner},
	{"a default directory that is a link is refused",
	 test_default_dir_link},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
