/* SPDX-License-Identifier: MIT */
/*
 * header.cc - the public header from C++: it compiles, links, and a message goes
 * through
 */
#include <mmsock.h>

#include <unistd.h>

#include <cstdlib>
#include <cstring>

static int count(const char *, void *context)
{
	++*static_cast<int *>(context);
	return 0;
}

static bool works_in(const char *dir)
{
	mmsock_options options = MMSOCK_OPTIONS_INIT;
	mmsock_info info = mmsock_info();
	mmsock *handle = nullptr;
	char buffer[8];
	int names = 0;
	bool good;

	options.dir = dir;
	options.mode = MMSOCK_CREATE_NEW_EXCLUSIVE;
	options.role = unsigned(MMSOCK_SENDER) | MMSOCK_RECEIVER;
	info.size = sizeof(info);
	good = !mmsock_open("p", &options, &handle) &&
	       !mmsock_send(handle, "abc", 3, MMSOCK_FOREVER) &&
	       !mmsock_inspect("p", dir, &info) && info.messages == 1 &&
	       mmsock_recv(handle, buffer, sizeof(buffer), 0) == 3 &&
	       !std::memcmp(buffer, "abc", 3) &&
	       !mmsock_list(dir, count, &names) && names == 1 &&
	       !std::strcmp(mmsock_version(), MMSOCK_VERSION);
	mmsock_close(handle);
	return !mmsock_remove("p", dir, MMSOCK_REMOVE_UNUSED) && good;
}

int main()
{
	char dir[] = "/dev/shm/mmsock-cxx-XXXXXX";
	bool good;

	if (!mkdtemp(dir))
		return EXIT_FAILURE;
	good = works_in(dir);
	return !rmdir(dir) && good ? EXIT_SUCCESS : EXIT_FAILURE;
}
