/*
 * Writing, reading and rolling back model files.
 *
 * A file is judged from the outside in: the magic (is it ours), the format (do we know it), the sizes
 * it claims against the size it has (is it whole), the checksum (is it undamaged), and at last the
 * numbers (is each one a number).
 */
#include "analyzers/models/model_file.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#define MAGIC "NGMODEL\n"
#define MAGIC_SIZE 8u
#define PREFIX_SIZE (MAGIC_SIZE + 8u)
#define HEADER_SIZE                                                                                \
	(2u * MODEL_TEXT + 4u * MODEL_SHAPES + 5u * 8u + MODEL_SCORES * (MODEL_TEXT + 8u))
#define HEADER_MAX 65536u
#define FILE_MAX (PREFIX_SIZE + HEADER_MAX + 16u + 4u * MODEL_NUMBERS_MAX)
#define PATH_MAX_SIZE 4096

static void put(struct buf *buf, uint64_t value, size_t size)
{
	unsigned char bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(value >> 8 * i);
	buf_add(buf, bytes, size);
}

static uint64_t get(const char *bytes, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)(unsigned char)bytes[i] << 8 * i;
	return value;
}

static uint64_t take(const char **at, size_t size)
{
	uint64_t value = get(*at, size);

	*at += size;
	return value;
}

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static double number_of(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void header_put(struct buf *buf, const struct model_info *info)
{
	buf_add(buf, info->kind, MODEL_TEXT);
	buf_add(buf, info->made_by, MODEL_TEXT);
	for (size_t i = 0; i < MODEL_SHAPES; i++)
		put(buf, info->shapes[i], 4);
	put(buf, (uint64_t)info->trained_ms, 8);
	put(buf, (uint64_t)info->data_from_ms, 8);
	put(buf, (uint64_t)info->data_to_ms, 8);
	put(buf, info->data_rows, 8);
	put(buf, info->seed, 8);
	buf_add(buf, info->score_names, sizeof(info->score_names));
	for (size_t i = 0; i < MODEL_SCORES; i++)
		put(buf, bits_of(info->scores[i]), 8);
}

static void text_take(const char **at, char *text)
{
	memcpy(text, *at, MODEL_TEXT);
	text[MODEL_TEXT - 1] = 0;
	*at += MODEL_TEXT;
}

static void header_take(const char *at, struct model_info *info)
{
	text_take(&at, info->kind);
	text_take(&at, info->made_by);
	for (size_t i = 0; i < MODEL_SHAPES; i++)
		info->shapes[i] = (uint32_t)take(&at, 4);
	info->trained_ms = (int64_t)take(&at, 8);
	info->data_from_ms = (int64_t)take(&at, 8);
	info->data_to_ms = (int64_t)take(&at, 8);
	info->data_rows = take(&at, 8);
	info->seed = take(&at, 8);
	for (size_t i = 0; i < MODEL_SCORES; i++)
		text_take(&at, info->score_names[i]);
	for (size_t i = 0; i < MODEL_SCORES; i++)
		info->scores[i] = number_of(take(&at, 8));
}

static enum status path_previous(const char *path, const char *suffix, char *other,
	struct error *error)
{
	int size = snprintf(other, PATH_MAX_SIZE, "%s%s", path, suffix);

	if (size < 0 || size >= PATH_MAX_SIZE)
		return error_set(error, STATUS_BAD_INPUT, "the path is too long");
	return STATUS_OK;
}

/* Whether the bytes are a model of a format we know, whole and undamaged. */
static enum status bytes_check(const char *path, const struct buf *buf, struct error *error)
{
	uint64_t format, header, count, size;

	if (buf->size < PREFIX_SIZE)
		return error_set(error, STATUS_BAD_INPUT,
			buf->size > 0 &&
					memcmp(buf->data, MAGIC,
						buf->size < MAGIC_SIZE ? buf->size : MAGIC_SIZE) ==
						0
				? "%s: cut off"
				: "%s: not a model of NimbusGuard",
			path);
	if (memcmp(buf->data, MAGIC, MAGIC_SIZE) != 0)
		return error_set(error, STATUS_BAD_INPUT, "%s: not a model of NimbusGuard", path);
	format = get(buf->data + MAGIC_SIZE, 4);
	if (format != MODEL_FORMAT)
		return error_set(error, STATUS_UNSUPPORTED,
			"%s: of format %u, and this version knows %d", path, (unsigned)format,
			MODEL_FORMAT);
	header = get(buf->data + MAGIC_SIZE + 4, 4);
	if (header < HEADER_SIZE || header > HEADER_MAX)
		return error_set(error, STATUS_BAD_INPUT, "%s: a header of %u bytes", path,
			(unsigned)header);
	if (buf->size < PREFIX_SIZE + header + 16)
		return error_set(error, STATUS_BAD_INPUT, "%s: cut off", path);
	count = get(buf->data + PREFIX_SIZE + header, 8);
	if (count > MODEL_NUMBERS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "%s: claims too many numbers", path);
	size = PREFIX_SIZE + header + 16 + 4 * count;
	if (buf->size != size)
		return error_set(error, STATUS_BAD_INPUT, "%s: %s, %zu bytes instead of %llu", path,
			buf->size < size ? "cut off" : "too long", buf->size,
			(unsigned long long)size);
	if (get(buf->data + size - 8, 8) != XXH64(buf->data, size - 8, 0))
		return error_set(error, STATUS_BAD_INPUT,
			"%s: damaged, its checksum does not match", path);
	return STATUS_OK;
}

/* What is at path is kept as the previous one. Nothing there is well; what is no good never takes the place of
 * a good one, and the same file once more is not the one before. */
static enum status previous_keep(const char *path, const struct buf *next, struct error *error)
{
	char previous[PATH_MAX_SIZE];
	struct buf bytes;
	enum status status = path_previous(path, ".previous", previous, error);

	if (status != STATUS_OK)
		return status;
	/* Copied, not renamed: the path never stands empty. */
	buf_init(&bytes, FILE_MAX);
	status = file_read(path, &bytes, error);
	if (status == STATUS_NOT_FOUND)
		status = STATUS_OK;
	else if (status == STATUS_OK && bytes_check(path, &bytes, error) == STATUS_OK &&
		(bytes.size != next->size || memcmp(bytes.data, next->data, next->size) != 0))
		status = file_write_atomic(previous, bytes.data, bytes.size, 0600, error);
	buf_fini(&bytes);
	return status;
}

static enum status file_put(const char *path, bool keep, const struct model_info *info,
	const float *numbers, size_t count, struct error *error)
{
	enum status status = STATUS_OK;
	struct buf buf;

	if (count > MODEL_NUMBERS_MAX)
		return error_set(error, STATUS_BAD_INPUT, "%s: %zu numbers are too many", path,
			count);
	for (size_t i = 0; i < count; i++)
		if (!isfinite(numbers[i]))
			return error_set(error, STATUS_BAD_INPUT, "%s: number %zu is none", path,
				i);
	buf_init(&buf, FILE_MAX);
	buf_add(&buf, MAGIC, MAGIC_SIZE);
	put(&buf, MODEL_FORMAT, 4);
	put(&buf, HEADER_SIZE, 4);
	header_put(&buf, info);
	put(&buf, count, 8);
	for (size_t i = 0; i < count; i++) {
		uint32_t bits;

		memcpy(&bits, &numbers[i], sizeof(bits));
		put(&buf, bits, 4);
	}
	if (buf_ok(&buf))
		put(&buf, XXH64(buf.data, buf.size, 0), 8);
	if (!buf_ok(&buf))
		status = error_set(error, STATUS_NO_MEMORY, "%s: no memory to write it", path);
	else if (keep)
		status = previous_keep(path, &buf, error);
	if (status == STATUS_OK)
		status = file_write_atomic(path, buf.data, buf.size, 0600, error);
	buf_fini(&buf);
	return status;
}

enum status model_file_write(const char *path, const struct model_info *info, const float *numbers,
	size_t count, struct error *error)
{
	return file_put(path, true, info, numbers, count, error);
}

enum status model_file_export(const char *path, const struct model_info *info, const float *numbers,
	size_t count, struct error *error)
{
	return file_put(path, false, info, numbers, count, error);
}

static enum status numbers_take(const char *path, const char *at, size_t count, float **numbers,
	struct error *error)
{
	float *block = mem_alloc(count * sizeof(*block));

	if (block == NULL)
		return error_set(error, STATUS_NO_MEMORY, "%s: no memory for %zu numbers", path,
			count);
	for (size_t i = 0; i < count; i++) {
		uint32_t bits = (uint32_t)take(&at, 4);

		memcpy(&block[i], &bits, sizeof(bits));
		if (!isfinite(block[i])) {
			mem_free(block);
			return error_set(error, STATUS_BAD_INPUT, "%s: number %zu is none", path,
				i);
		}
	}
	*numbers = block;
	return STATUS_OK;
}

enum status model_file_read(const char *path, struct model_info *info, float **numbers,
	size_t *count, struct error *error)
{
	struct buf buf;
	enum status status;
	size_t header;

	*numbers = NULL;
	*count = 0;
	buf_init(&buf, FILE_MAX);
	status = file_read(path, &buf, error);
	if (status == STATUS_OK)
		status = bytes_check(path, &buf, error);
	if (status == STATUS_OK) {
		header = (size_t)get(buf.data + MAGIC_SIZE + 4, 4);
		header_take(buf.data + PREFIX_SIZE, info);
		info->checksum = get(buf.data + buf.size - 8, 8);
		*count = (size_t)get(buf.data + PREFIX_SIZE + header, 8);
		status = numbers_take(path, buf.data + PREFIX_SIZE + header + 8, *count, numbers,
			error);
	}
	buf_fini(&buf);
	return status;
}

enum status model_file_rollback(const char *path, struct error *error)
{
	char previous[PATH_MAX_SIZE], draft[PATH_MAX_SIZE];
	struct model_info info;
	float *numbers;
	size_t count;
	enum status status = path_previous(path, ".previous", previous, error);

	if (status == STATUS_OK)
		status = path_previous(path, ".rollback", draft, error);
	if (status == STATUS_OK)
		status = model_file_read(previous, &info, &numbers, &count, error);
	if (status != STATUS_OK)
		return status;
	mem_free(numbers);
	/* Three renames: a crash between them leaves two of the names and both files. */
	if (rename(previous, draft) != 0 || (rename(path, previous) != 0 && errno != ENOENT) ||
		rename(draft, path) != 0)
		return error_set_errno(error, STATUS_IO, errno, "%s: rolling back", path);
	return STATUS_OK;
}
