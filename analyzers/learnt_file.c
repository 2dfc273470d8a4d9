/*
 * Written beside and renamed (base/file.h), so that a file is the old one or the new one.
 */
#include "analyzers/learnt_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/file.h"
#include "base/mem.h"

#define MAGIC "NGLEARNT"
#define MAGIC_SIZE 8
#define KEY_MAX 512
#define SUFFIX ".learnt"
/* What one sweep looks at. */
#define SWEEP_MAX 100000

struct head {
	char magic[MAGIC_SIZE];
	uint32_t format, key_size;
	uint64_t body_size;
};

void learnt_file_path(const char *folder, const char *kind, const struct workload_key *workload,
	char path[LEARNT_PATH_MAX])
{
	snprintf(path, LEARNT_PATH_MAX, "%.4000s/%016llx.%.16s" SUFFIX, folder,
		(unsigned long long)workload_key_hash(workload), kind);
}

/* Of all its names, so that one of the same hash is not taken for it. */
static uint32_t key_text(const struct workload_key *workload, char text[KEY_MAX])
{
	int size = snprintf(text, KEY_MAX, "%s/%s/%d/%s", workload->cluster,
		workload->namespace_name, (int)workload->kind, workload->name);

	return size < 0 ? 0 : size < KEY_MAX ? (uint32_t)size : KEY_MAX - 1;
}

enum status learnt_file_write(const char *folder, const char *kind,
	const struct workload_key *workload, const void *body, size_t size, struct error *error)
{
	char path[LEARNT_PATH_MAX], key[KEY_MAX];
	struct head head = {.format = LEARNT_FORMAT, .body_size = size};
	enum status status;
	uint64_t checksum;
	struct buf buf;

	memcpy(head.magic, MAGIC, MAGIC_SIZE);
	head.key_size = key_text(workload, key);
	learnt_file_path(folder, kind, workload, path);
	buf_init(&buf, LEARNT_BYTES_MAX);
	buf_add(&buf, &head, sizeof(head));
	buf_add(&buf, key, head.key_size);
	buf_add(&buf, body, size);
	checksum = buf_ok(&buf) ? XXH64(buf.data, buf.size, 0) : 0;
	buf_add(&buf, &checksum, sizeof(checksum));
	if (!buf_ok(&buf)) {
		status = error_set(error, STATUS_TOO_LARGE,
			"%s: %zu bytes are too many, or memory is out", path, size);
	} else {
		status = file_make_folder(folder, error);
		if (status == STATUS_OK)
			status = file_write_atomic(path, buf.data, buf.size, 0600, error);
	}
	buf_fini(&buf);
	return status;
}

static enum status refuse(struct error *error, enum status status, const char *path,
	const char *why)
{
	return error_set(error, status, "%s: %s", path, why);
}

enum status learnt_file_read(const char *folder, const char *kind,
	const struct workload_key *workload, struct buf *bytes, const void **body, size_t *size,
	struct error *error)
{
	char path[LEARNT_PATH_MAX], key[KEY_MAX];
	uint32_t key_size = key_text(workload, key);
	enum status status;
	struct head head;
	uint64_t checksum;
	size_t content;

	learnt_file_path(folder, kind, workload, path);
	status = file_read(path, bytes, error);
	if (status != STATUS_OK)
		return status;
	if (bytes->size < MAGIC_SIZE || memcmp(bytes->data, MAGIC, MAGIC_SIZE) != 0)
		return refuse(error, STATUS_BAD_INPUT, path, "it is no file of what was learnt");
	if (bytes->size < sizeof(head) + sizeof(checksum))
		return refuse(error, STATUS_BAD_INPUT, path, "it is cut off");
	memcpy(&head, bytes->data, sizeof(head));
	if (head.format > LEARNT_FORMAT)
		return refuse(error, STATUS_UNSUPPORTED, path, "it is of a later format");
	content = bytes->size - sizeof(head) - sizeof(checksum);
	if (head.format == 0 || head.key_size > content ||
		head.body_size != content - head.key_size)
		return refuse(error, STATUS_BAD_INPUT, path, "it is cut off");
	memcpy(&checksum, bytes->data + bytes->size - sizeof(checksum), sizeof(checksum));
	if (XXH64(bytes->data, bytes->size - sizeof(checksum), 0) != checksum)
		return refuse(error, STATUS_BAD_INPUT, path, "it is damaged");
	if (head.key_size != key_size || memcmp(bytes->data + sizeof(head), key, key_size) != 0)
		return refuse(error, STATUS_BAD_INPUT, path, "it is of another workload");
	*body = bytes->data + sizeof(head) + key_size;
	*size = (size_t)head.body_size;
	return STATUS_OK;
}

static bool is_ours(const char *name)
{
	size_t size = strlen(name), suffix = sizeof(SUFFIX) - 1;

	return size > suffix && strcmp(name + size - suffix, SUFFIX) == 0;
}

size_t learnt_file_sweep(const char *folder, int64_t before_ms)
{
	DIR *listing = opendir(folder);
	const struct dirent *entry;
	size_t removed = 0;

	for (size_t i = 0; listing != NULL && i < SWEEP_MAX && (entry = readdir(listing)) != NULL;
		i++) {
		struct stat info;

		if (!is_ours(entry->d_name) ||
			fstatat(dirfd(listing), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
			!S_ISREG(info.st_mode) || (int64_t)info.st_mtime * 1000 >= before_ms)
			continue;
		removed += unlinkat(dirfd(listing), entry->d_name, 0) == 0 ? 1 : 0;
	}
	if (listing != NULL)
		(void)closedir(listing);
	return removed;
}
