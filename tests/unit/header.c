/* SPDX-License-Identifier: MIT */
/*
 * header.c - which files are ports
 */
#include "header.h"

#include <byteswap.h>

#include "birth.h"
#include "sandbox.h"

/* Something that is done to a good header, and what is said of it. */
struct damage {
	size_t offset;
	size_t size;
	uint64_t value;
	int error;
	const char *text;
};

#define DAMAGE(member, value, error, text)                                     \
	{                                                                      \
		offsetof(struct mms_header, member),                           \
			sizeof(((struct mms_header *)0)->member), value,       \
			error, text                                            \
	}

static struct mms_header good_header(void)
{
	struct mmsock_options options = MMSOCK_OPTIONS_INIT;
	struct mms_plan plan;

	options.ring_bytes = 8192;
	options.slots = 3;
	CHECK_INT(mms_birth_plan(&options, &plan), 0);
	plan.header.check = mms_header_check(&plan.header);
	return plan.header;
}

static const struct damage fatal[] = {
	DAMAGE(magic, 0, -ENOTSOCK, "the file is no port"),
	DAMAGE(magic, MMS_MAGIC + 1, -ENOTSOCK, "the file is no port"),
	DAMAGE(layout, 0, -EPROTONOSUPPORT,
	       "the port has layout version 0, this library knows version 1"),
	DAMAGE(layout, 2, -EPROTONOSUPPORT,
	       "the port has layout version 2, this library knows version 1"),
	DAMAGE(byte_order, 0x04030201, -EPROTONOSUPPORT,
	       "the port's byte order is 04030201, this machine's is 01020304"),
	DAMAGE(type, 0, -EPROTONOSUPPORT, "type 0"),
	DAMAGE(type, 2, -EPROTONOSUPPORT, "type 2"),
	DAMAGE(engine, 0, -EPROTONOSUPPORT, "engine 0"),
	DAMAGE(engine, 7, -EPROTONOSUPPORT, "engine 7"),
	DAMAGE(header_bytes, 0, -EBADMSG, "fixed sizes"),
	DAMAGE(header_bytes, 8192, -EBADMSG, "fixed sizes"),
	DAMAGE(record_align, 4, -EBADMSG, "fixed sizes"),
	DAMAGE(row_bytes, 64, -EBADMSG, "fixed sizes"),
	DAMAGE(slots, 0, -EBADMSG, "0 slots"),
	DAMAGE(slots, 1025, -EBADMSG, "1025 slots"),
	DAMAGE(slots, UINT32_MAX, -EBADMSG, "4294967295 slots"),
	DAMAGE(ring_offset, 0, -EBADMSG, "ring's place"),
	DAMAGE(ring_offset, 8192, -EBADMSG, "ring's place"),
	DAMAGE(ring_offset, 12289, -EBADMSG, "ring's place"),
	DAMAGE(ring_offset, UINT64_MAX - 4095, -EBADMSG, "ring's place"),
	DAMAGE(ring_offset, 16384, -EBADMSG, "do not add up"),
	DAMAGE(ring_bytes, 0, -EBADMSG, "ring size 0"),
	DAMAGE(ring_bytes, 12, -EBADMSG, "ring size 12"),
	DAMAGE(ring_bytes, 2048, -EBADMSG, "ring size 2048"),
	DAMAGE(ring_bytes, 8193, -EBADMSG, "ring size 8193"),
	DAMAGE(ring_bytes, UINT64_C(1) << 37, -EBADMSG, "ring size"),
	DAMAGE(ring_bytes, UINT64_C(1) << 63, -EBADMSG, "ring size"),
	DAMAGE(ring_bytes, 16384, -EBADMSG, "do not add up"),
	DAMAGE(max_message, 0, -EBADMSG, "largest message 0"),
	DAMAGE(max_message, 8177, -EBADMSG, "largest message 8177"),
	DAMAGE(max_message, UINT64_MAX, -EBADMSG, "largest message"),
	DAMAGE(file_bytes, 0, -EBADMSG, "do not add up"),
	DAMAGE(file_bytes, 20481, -EBADMSG, "do not add up"),
	DAMAGE(file_bytes, UINT64_MAX, -EBADMSG, "do not add up"),
};

static const struct damage harmless[] = {
	DAMAGE(max_message, 1, 0, ""),
	DAMAGE(max_message, 8176, 0, ""),
	DAMAGE(slots, 1, 0, ""),
	DAMAGE(slots, 32, 0, ""),
	DAMAGE(creation_id, 1, 0, ""),
	DAMAGE(created_ns, UINT64_MAX, 0, ""),
	DAMAGE(boot_id, UINT64_MAX, 0, ""),
};

/* With a checksum that fits, so that the member itself is found. */
static void apply(const struct damage *damage)
{
	struct mms_header header = good_header();
	size_t size = damage->size < 8 ? damage->size : 8;
	int r;

	CHECK_INT(header.file_bytes, 20480);
	memcpy((char *)&header + damage->offset, &damage->value, size);
	header.check = mms_header_check(&header);
	r = mms_header_validate(&header, 20480);
	printf("# offset %zu: %s\n", damage->offset, mmsock_error_text(r));
	CHECK_INT(r, damage->error);
	CHECK(strstr(mmsock_error_text(r), damage->text));
}

static struct mms_header good_semaphore(void)
{
	struct mmsock_sem_options options = MMSOCK_SEM_OPTIONS_INIT;
	struct mms_plan plan;

	options.slots = 3;
	CHECK_INT(mms_birth_plan_sem(&options, &plan), 0);
	CHECK_INT(plan.value, 1);
	return plan.header;
}

static void expect_sem(const struct mms_header *damaged, int error,
		       const char *text)
{
	struct mms_header header = *damaged;

	header.check = mms_header_check(&header);
	CHECK_INT(mms_header_validate(&header, 12288), error);
	CHECK(!error || strstr(mmsock_error_text(error), text));
}

static void test_semaphore(void)
{
	struct mms_header header = good_semaphore();

	expect_sem(&header, 0, NULL);
	CHECK_INT(mms_header_check_type(&header, MMS_TYPE_SEMAPHORE), 0);
	CHECK_INT(mms_header_check_type(&header, MMS_TYPE_QUEUE), -ENOTSOCK);
	header.engine = MMS_ENGINE_RING;
	expect_sem(&header, -EPROTONOSUPPORT, "engine 1");
	header = good_semaphore();
	header.ring_bytes = 4096;
	expect_sem(&header, -EBADMSG, "no ring");
	header = good_semaphore();
	header.max_message = 0;
	expect_sem(&header, -EBADMSG, "largest value 0");
	header.max_message = MMS_UNITS_VALUE + 1;
	expect_sem(&header, -EBADMSG, "largest value 16777216");
	header = good_semaphore();
	header.slots = 100;
	expect_sem(&header, -EBADMSG, "place");
}

static void test_good(void)
{
	struct mms_header header = good_header();

	CHECK_INT(mms_header_validate(&header, header.file_bytes), 0);
}

static void test_fatal(void)
{
	size_t i;

	for (i = 0; i < CHECK_COUNT(fatal); i++)
		apply(&fatal[i]);
}

static void test_harmless(void)
{
	size_t i;

	for (i = 0; i < CHECK_COUNT(harmless); i++)
		apply(&harmless[i]);
}

static void flip_each_bit(struct mms_header header, size_t length)
{
	unsigned char *bytes = (unsigned char *)&header;
	size_t bit;

	for (bit = 0; bit < 8 * length; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
		CHECK(mms_header_validate(&header, header.file_bytes) < 0);
		bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
	}
	CHECK_INT(mms_header_validate(&header, header.file_bytes), 0);
}

static void test_every_bit(void)
{
	struct mms_header header = good_header();

	flip_each_bit(header, offsetof(struct mms_header, clients));
	header.type = MMS_TYPE_RPC;
	header.clients = 2;
	header.lane_bytes = 4096;
	header.max_reply = 1024;
	header.ring_offset += MMS_PAGE;
	header.file_bytes = header.ring_offset + header.ring_bytes +
			    header.clients * header.lane_bytes;
	mms_header_seal(&header);
	flip_each_bit(header, sizeof(header));
}

static void test_check(void)
{
	struct mms_header header = good_header();

	header.check++;
	CHECK_INT(mms_header_validate(&header, header.file_bytes), -EBADMSG);
	CHECK(strstr(mmsock_error_text(-EBADMSG), "checksum"));
}

/* The sum is part of the file format: it may not drift. */
static void test_check_value(void)
{
	struct mms_header header;
	unsigned char *bytes = (unsigned char *)&header;
	size_t i;

	for (i = 0; i < sizeof(header); i++)
		bytes[i] = (unsigned char)i;
	CHECK(mms_header_check(&header) == UINT64_C(0xfdc53cba3038e755));
}

static void test_size_of_file(void)
{
	struct mms_header header = good_header();

	CHECK_INT(mms_header_validate(&header, 20479), -EBADMSG);
	CHECK_STR(mmsock_error_text(-EBADMSG),
		  "the file has 20479 bytes, its header says 20480");
	CHECK_INT(mms_header_validate(&header, 20481), -EBADMSG);
	CHECK_INT(mms_header_validate(&header, 0), -EBADMSG);
}

/* As a machine of the other byte order writes it. */
static void test_foreign_machine(void)
{
	struct mms_header header = good_header();
	uint32_t *half = &header.layout;
	size_t i;

	header.magic = bswap_64(header.magic);
	for (i = 0; i < 8; i++)
		half[i] = bswap_32(half[i]);
	CHECK_INT(mms_header_validate(&header, 20480), -EPROTONOSUPPORT);
	CHECK(strstr(mmsock_error_text(-EPROTONOSUPPORT), "04030201"));
}

/* Everything that looks at a file, with what it should say of @port. */
static void expect_everywhere(const char *port, int error)
{
	struct mmsock_info info = {.size = sizeof(info)};
	int told = error == -ENOTSOCK ? error : 0;

	CHECK_INT(try_open(port, MMSOCK_CONNECT_TO_EXISTING), error);
	CHECK_INT(try_open(port, MMSOCK_CONNECT_OR_CREATE), error);
	CHECK_INT(try_open(port, MMSOCK_CREATE_NEW_EXCLUSIVE), -EEXIST);
	CHECK_INT(mmsock_create(port, NULL), error);
	CHECK_INT(mmsock_inspect(port, NULL, &info), told);
	if (!told)
		CHECK_INT(info.state, MMSOCK_STATE_CORRUPT);
	CHECK_INT(mmsock_remove(port, NULL, MMSOCK_REMOVE_UNUSED), error);
	CHECK_INT(mmsock_remove(port, NULL, MMSOCK_REMOVE_STALE), error);
}

static void test_prefixes(void)
{
	const char *path = join(fresh_dir(), "p");
	unsigned descriptors;
	struct stat status;
	off_t length;

	create_port("p", 4096, 1);
	CHECK(!stat(path, &status));
	descriptors = count_descriptors();
	for (length = status.st_size - 1; length >= 0; length--) {
		CHECK(!truncate(path, length));
		if (length % 512 == 0 || length < 130)
			expect_everywhere("p",
					  length < 8 ? -ENOTSOCK : -EBADMSG);
		else
			CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING),
				  -EBADMSG);
	}
	CHECK_INT(count_descriptors(), descriptors);
}

static void test_longer(void)
{
	const char *path = join(fresh_dir(), "p");
	struct stat status;

	create_port("p", 4096, 1);
	CHECK(!stat(path, &status));
	CHECK(!truncate(path, status.st_size + 1));
	expect_everywhere("p", -EBADMSG);
	CHECK(!truncate(path, status.st_size));
	CHECK_INT(try_open("p", MMSOCK_CONNECT_TO_EXISTING), 0);
}

static void test_garbage(void)
{
	const char *path = join(fresh_dir(), "p");
	static const char text[4096] = "#!/bin/sh\necho no port\n";

	write_file(path, text, sizeof(text));
	expect_everywhere("p", -ENOTSOCK);
	CHECK_INT(mmsock_remove("p", NULL, MMSOCK_REMOVE_ALWAYS), -ENOTSOCK);
	CHECK_INT(try_open("p", MMSOCK_CREATE_NEW_OVERWRITE), -ENOTSOCK);
	CHECK(!access(path, F_OK));
	write_file(path, "", 0);
	expect_everywhere("p", -ENOTSOCK);
}

static void test_boot_id(void)
{
	char text[64] = "";
	char mine[64];
	uint64_t id[2];
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || !fgets(text, sizeof(text), file))
		SKIP("the kernel does not tell its boot id");
	fclose(file);
	mms_boot_id(id);
	snprintf(mine, sizeof(mine), "%08x-%04x-%04x-%04x-%012llx\n",
		 (unsigned)(id[0] >> 32), (unsigned)(id[0] >> 16 & 0xffff),
		 (unsigned)(id[0] & 0xffff), (unsigned)(id[1] >> 48),
		 (unsigned long long)(id[1] & UINT64_C(0xffffffffffff)));
	CHECK_STR(mine, text);
}

static const struct check_case cases[] = {
	{"a good header is accepted", test_good},
	{"every member out of its bounds is found and named", test_fatal},
	{"what may differ may differ", test_harmless},
	{"no single bit can be wrong", test_every_bit},
	{"a wrong checksum is told", test_check},
	{"the checksum is computed as ever", test_check_value},
	{"a file of another size is told", test_size_of_file},
	{"a port of the other byte order is told from garbage",
	 test_foreign_machine},
	{"no beginning of a port is taken for one", test_prefixes},
	{"a port with something behind it is refused", test_longer},
	{"a semaphore has a header of its own kind", test_semaphore},
	{"a file that is no port is refused, and never touched", test_garbage},
	{"the boot id is the kernel's", test_boot_id},
};

int main(int argc, char **argv)
{
	return sandbox_main(argc, argv, cases, CHECK_COUNT(cases));
}
