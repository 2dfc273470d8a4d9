/*
 * A file is born whole: its header is written beside and renamed. It grows by segments at its end,
 * which are all zeros, that is free places without minutes. A file that ends within a segment was cut
 * while it grew, or by someone: what is missing becomes zeros.
 */
#include "store/rollup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#define VERSION 1u
#define ORDER 0x01020304u
#define BLOCKS_MIN 12u
#define BLOCKS_MAX 1200u
/* Segments begin at multiples of the largest page size in use. */
#define PAGE_LARGEST 65536u
#define PAGES_AT_ONCE 4096u

static const char magic[8] = {'N', 'G', 'R', 'O', 'L', 'L', 'U', 'P'};

struct file_head {
	char magic[8];
	uint32_t version, order;
	uint32_t block_minutes, open_minutes, recent_blocks, segment_slots;
	uint32_t blocks, check;
};

static size_t segment_size_of(uint32_t blocks)
{
	size_t size = SEGMENT_BLOCKS + (size_t)SEGMENT_SLOTS * blocks * sizeof(struct rollup_block);

	return (size + PAGE_LARGEST - 1) / PAGE_LARGEST * PAGE_LARGEST;
}

static struct file_head head_of(uint32_t blocks)
{
	struct file_head head = {.version = VERSION,
		.order = ORDER,
		.block_minutes = BLOCK_MINUTES,
		.open_minutes = OPEN_MINUTES,
		.recent_blocks = RECENT_BLOCKS,
		.segment_slots = SEGMENT_SLOTS,
		.blocks = blocks};

	memcpy(head.magic, magic, sizeof(magic));
	head.check = rollup_check(&head, sizeof(head), 0);
	return head;
}

enum status rollup_file_create(const char *path, uint32_t blocks, struct error *error)
{
	struct file_head head = head_of(blocks);
	uint8_t *page = mem_zalloc(1, ROLLUP_FILE_HEAD);
	enum status status;

	if (page == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	memcpy(page, &head, sizeof(head));
	status = file_write_atomic(path, page, ROLLUP_FILE_HEAD, 0600, error);
	mem_free(page);
	return status;
}

static enum status check_head(const struct file_head *head, size_t size, struct error *error)
{
	struct file_head expected;

	if (size < sizeof(*head) || memcmp(head->magic, magic, sizeof(magic)) != 0)
		return error_set(error, STATUS_BAD_INPUT, "it is no file of the 1-minute tier");
	if (head->order != ORDER)
		return error_set(error, STATUS_BAD_INPUT,
			"it comes from a machine of another byte order");
	if (head->version != VERSION)
		return error_set(error, STATUS_BAD_INPUT,
			"it is of version %u, this program knows version %u",
			(unsigned)head->version, VERSION);
	expected = head_of(head->blocks);
	if (memcmp(head, &expected, sizeof(expected)) != 0 || head->blocks < BLOCKS_MIN ||
		head->blocks > BLOCKS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "its header is damaged");
	return STATUS_OK;
}

static enum status map_segment(struct rollup_file *file, uint32_t segment, struct error *error)
{
	off_t at = (off_t)(ROLLUP_FILE_HEAD + (uint64_t)segment * file->segment_size);
	void *mapped = mmap(NULL, file->segment_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		file->descriptor, at);

	if (mapped == MAP_FAILED)
		return error_set_errno(error, STATUS_NO_MEMORY, errno,
			"cannot map the 1-minute tier");
	file->segments[segment] = mapped;
	file->segment_count = segment + 1;
	return STATUS_OK;
}

/* Size, header and lock of what was opened. */
static enum status look_at(struct rollup_file *file, uint64_t *size, struct error *error)
{
	struct file_head head = {.version = 0};
	struct stat stat;
	ssize_t got;

	if (fstat(file->descriptor, &stat) != 0)
		return error_set_errno(error, STATUS_IO, errno, "cannot look at it");
	if (!S_ISREG(stat.st_mode))
		return error_set(error, STATUS_BAD_INPUT, "it is no plain file");
	if (flock(file->descriptor, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK
			? error_set(error, STATUS_BUSY, "another process has it open")
			: error_set_errno(error, STATUS_IO, errno, "cannot lock it");
	got = pread(file->descriptor, &head, sizeof(head), 0);
	if (got < 0)
		return error_set_errno(error, STATUS_IO, errno, "cannot read it");
	if (check_head(&head, (size_t)got, error) != STATUS_OK)
		return STATUS_BAD_INPUT;
	if (stat.st_size < (off_t)ROLLUP_FILE_HEAD)
		return error_set(error, STATUS_BAD_INPUT, "it ends within its header");
	file->blocks = head.blocks;
	file->segment_size = segment_size_of(head.blocks);
	*size = (uint64_t)stat.st_size;
	return STATUS_OK;
}

/* All of the file, and what may be missing of its last segment, on disk: a copy of it may have holes. */
static int reserve_all(const struct rollup_file *file, uint64_t size)
{
	int number;

	do
		number = posix_fallocate(file->descriptor, 0, (off_t)size);
	while (number == EINTR);
	return number;
}

static enum status map_all(struct rollup_file *file, uint64_t size, uint32_t segment_max,
	struct error *error)
{
	CHECK(file->segment_size > 0);
	uint64_t count = (size - ROLLUP_FILE_HEAD + file->segment_size - 1) / file->segment_size;
	uint64_t whole = ROLLUP_FILE_HEAD + count * file->segment_size;
	enum status status = STATUS_OK;
	int number;

	if (count > UINT32_MAX / SEGMENT_SLOTS)
		return error_set(error, STATUS_BAD_INPUT, "it is too large");
	number = reserve_all(file, whole);
	if (number != 0)
		return error_set_errno(error, STATUS_IO, number, "cannot reserve its space");
	file->segment_max = segment_max > count ? segment_max : (uint32_t)count;
	file->segments = mem_zalloc(file->segment_max, sizeof(*file->segments));
	if (file->segments == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (uint32_t i = 0; i < count && status == STATUS_OK; i++)
		status = map_segment(file, i, error);
	if (status == STATUS_OK && whole != size)
		LOG_WARN("the end of the 1-minute tier is missing, its minutes are gaps",
			LOG_UINT("bytes", whole - size));
	return status;
}

enum status rollup_file_open(struct rollup_file *file, const char *path, uint32_t segment_max,
	struct error *error)
{
	struct error reason;
	uint64_t size = 0;
	enum status status;

	*file = (struct rollup_file){.descriptor = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK)};
	if (file->descriptor < 0) {
		if (errno == ENOENT)
			return error_set(error, STATUS_NOT_FOUND, "%s: no such file", path);
		return error_set_errno(error, STATUS_IO, errno, "cannot open %s", path);
	}
	status = look_at(file, &size, &reason);
	if (status == STATUS_OK)
		status = map_all(file, size, segment_max, &reason);
	if (status != STATUS_OK) {
		rollup_file_close(file);
		return error_set(error, status, "%s: %s", path, reason.text);
	}
	return STATUS_OK;
}

void rollup_file_close(struct rollup_file *file)
{
	for (uint32_t i = 0; i < file->segment_count; i++)
		(void)munmap(file->segments[i], file->segment_size);
	mem_free(file->segments);
	if (file->descriptor >= 0)
		(void)close(file->descriptor);
	*file = (struct rollup_file){.descriptor = -1};
}

enum status rollup_file_grow(struct rollup_file *file, struct error *error)
{
	off_t at = (off_t)(ROLLUP_FILE_HEAD + (uint64_t)file->segment_count * file->segment_size);
	enum status status;
	int number;

	if (file->segment_count == file->segment_max)
		return error_set(error, STATUS_LIMIT, "the 1-minute tier is full");
	do
		number = posix_fallocate(file->descriptor, at, (off_t)file->segment_size);
	while (number == EINTR);
	if (number != 0) {
		status = error_set_errno(error, STATUS_IO, number,
			"no space on disk for %u more signals of the 1-minute tier", SEGMENT_SLOTS);
	} else {
		status = map_segment(file, file->segment_count, error);
	}
	/* What was reserved in part is given back; were that to fail, the next start would fill it up. */
	if (status != STATUS_OK && ftruncate(file->descriptor, at) != 0)
		LOG_WARN("cannot give back space of the 1-minute tier");
	return status;
}

static void copy_slot(const struct rollup_file *from, const struct rollup_file *to, uint32_t slot)
{
	*rollup_file_head(to, slot) = *rollup_file_head(from, slot);
	for (uint32_t minute = 0; minute < OPEN_MINUTES; minute++)
		*rollup_file_open_minute(to, slot, minute) =
			*rollup_file_open_minute(from, slot, minute);
	for (uint32_t number = 0; number < RECENT_BLOCKS; number++)
		*rollup_file_recent(to, slot, number) = *rollup_file_recent(from, slot, number);
	for (uint32_t i = 0; i < from->blocks; i++) {
		const struct rollup_block *block = rollup_file_block(from, slot, i);
		struct rollup_block *place = rollup_file_block(to, slot, block->number);

		/* With fewer places than before the newest ones stay. */
		if (block->check != 0 && (place->check == 0 || place->number < block->number))
			*place = *block;
	}
}

enum status rollup_file_resize(struct rollup_file *file, const char *path, uint32_t blocks,
	struct error *error)
{
	struct rollup_file resized = {.descriptor = -1};
	char beside[PATH_MAX];
	enum status status;

	if ((size_t)snprintf(beside, sizeof(beside), "%s.resized", path) >= sizeof(beside))
		return error_set(error, STATUS_IO, "the path is too long: %s", path);
	status = rollup_file_create(beside, blocks, error);
	if (status == STATUS_OK)
		status = rollup_file_open(&resized, beside, file->segment_max, error);
	for (uint32_t i = 0; i < file->segment_count && status == STATUS_OK; i++) {
		status = rollup_file_grow(&resized, error);
		CHECK(resized.segments != NULL && file->segments != NULL);
		for (uint32_t slot = 0; slot < SEGMENT_SLOTS && status == STATUS_OK; slot++)
			copy_slot(file, &resized, i * SEGMENT_SLOTS + slot);
	}
	if (status == STATUS_OK && (fsync(resized.descriptor) != 0 || rename(beside, path) != 0))
		status = error_set_errno(error, STATUS_IO, errno, "cannot write %s", path);
	if (status != STATUS_OK) {
		rollup_file_close(&resized);
		(void)unlink(beside);
		return status;
	}
	rollup_file_close(file);
	*file = resized;
	return STATUS_OK;
}

uint64_t rollup_file_resident(const struct rollup_file *file)
{
	unsigned char pages[PAGES_AT_ONCE];
	size_t page = (size_t)sysconf(_SC_PAGESIZE), step = page * PAGES_AT_ONCE;
	uint64_t resident = 0;

	for (uint32_t i = 0; i < file->segment_count; i++)
		for (size_t at = 0; at < file->segment_size; at += step) {
			size_t size =
				file->segment_size - at < step ? file->segment_size - at : step;

			if (mincore(file->segments[i] + at, size, pages) != 0)
				continue;
			for (size_t k = 0; k < size / page; k++)
				resident += (pages[k] & 1) * page;
		}
	return resident;
}

static uint32_t head_check(const struct rollup_head *head)
{
	uint64_t seed = head->salt ^ head->key_size;

	return rollup_check(head->key, sizeof(head->key), seed);
}

bool rollup_head_valid(const struct rollup_head *head)
{
	return head->check != 0 && head->key_size >= 1 && head->key_size <= ROLLUP_KEY_MAX &&
		head->check == head_check(head);
}

/* The checksum comes last: a head that was being written when the process was killed is free. */
void rollup_head_set(struct rollup_head *head, uint64_t salt, const char *key, uint32_t size)
{
	struct rollup_head made = {.salt = salt, .key_size = size};

	memcpy(made.key, key, size);
	rollup_head_clear(head);
	*head = made;
	__atomic_store_n(&head->check, head_check(&made), __ATOMIC_RELEASE);
}

void rollup_head_clear(struct rollup_head *head)
{
	__atomic_store_n(&head->check, 0, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}
