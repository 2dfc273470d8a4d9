/*
 * Whole files. A write goes to a temporary file in the same folder (rename() is only atomic within
 * a file system), which is synced before it takes the name; then the folder is synced, without
 * which the new name could be lost with the power although the call had said it was done.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/random.h"

#define READ_STEP 65536
#define SECRET_MAX 65536

static enum status set_path_errno(struct error *error, int number, const char *action,
	const char *path)
{
	enum status code = number == ENOENT || number == ENOTDIR ? STATUS_NOT_FOUND : STATUS_IO;

	return error_set_errno(error, code, number, "%s %s", action, path);
}

/* Opens a plain file (or a device like /dev/null); the descriptor, or -1 with the error set. */
static int open_for_reading(const char *path, struct error *error)
{
	/* A FIFO in the place of a file must not hang us in open(), nor pass as an empty file. */
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat about;

	if (descriptor < 0) {
		set_path_errno(error, errno, "cannot open", path);
		return -1;
	}
	if (fstat(descriptor, &about) == 0 && (S_ISREG(about.st_mode) || S_ISCHR(about.st_mode)))
		return descriptor;
	close(descriptor);
	error_set(error, STATUS_IO, "%s is not a plain file", path);
	return -1;
}

/* Reads from descriptor to its end. A file may grow meanwhile, so its size is not believed. */
static enum status read_all(int descriptor, const char *path, struct buf *buf, struct error *error)
{
	for (;;) {
		size_t room = buf->max - buf->size;
		size_t step = room < READ_STEP ? room : READ_STEP;
		char probe, *at = &probe;
		ssize_t got;

		/* With no room left one more byte tells a file that fits from one too large. */
		if (step > 0) {
			at = buf_reserve(buf, step);
			if (at == NULL)
				return error_set(error, STATUS_NO_MEMORY, "%s: out of memory",
					path);
		}
		got = read(descriptor, at, step > 0 ? step : 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return set_path_errno(error, errno, "cannot read", path);
		if (got == 0)
			return STATUS_OK;
		if (step == 0)
			return error_set(error, STATUS_TOO_LARGE, "%s is larger than %zu bytes",
				path, buf->max);
		buf->size += (size_t)got;
		buf->data[buf->size] = '\0';
	}
}

enum status file_read(const char *path, struct buf *buf, struct error *error)
{
	size_t began = buf->size;
	struct error reason; /* ours, since `error` may be NULL */
	enum status status;
	int descriptor;

	if (!buf_ok(buf))
		return error_set(error, STATUS_NO_MEMORY, "%s: no buffer to read into", path);
	descriptor = open_for_reading(path, &reason);
	if (descriptor < 0)
		return error_set(error, reason.code, "%s", reason.text);
	status = read_all(descriptor, path, buf, error);
	close(descriptor);
	if (status != STATUS_OK && buf->data != NULL) {
		buf->size = began;
		buf->data[began] = '\0';
	}
	return status;
}

static bool write_all(int descriptor, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t put = write(descriptor, bytes, size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		bytes += put;
		size -= (size_t)put;
	}
	return true;
}

/* Syncs the folder that holds path. */
static enum status sync_folder_of(const char *path, struct error *error)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL ? 0 : (size_t)(slash - path);
	enum status status = STATUS_OK;
	int descriptor;

	if (length >= sizeof(folder))
		return error_set(error, STATUS_IO, "the path is too long: %s", path);
	if (slash == NULL)
		snprintf(folder, sizeof(folder), ".");
	else
		snprintf(folder, sizeof(folder), "%.*s", (int)(length == 0 ? 1 : length), path);
	descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A folder that we may write but not read cannot be synced by us, and some file systems
	 * (EINVAL) have nothing to sync. */
	if (descriptor < 0 && errno == EACCES)
		return STATUS_OK;
	if (descriptor < 0)
		return set_path_errno(error, errno, "cannot open", folder);
	if (fsync(descriptor) != 0 && errno != EINVAL)
		status = error_set_errno(error, STATUS_IO, errno, "cannot sync %s", folder);
	close(descriptor);
	return status;
}

/* Creates a file that was not there, beside path; its name goes to temporary. */
static int open_beside(const char *path, char *temporary, size_t size, unsigned mode)
{
	for (int attempt = 0; attempt < 16; attempt++) {
		uint64_t tag;
		int length, descriptor;

		if (random_secret(&tag, sizeof(tag)) != STATUS_OK) {
			errno = EIO;
			return -1;
		}
		length = snprintf(temporary, size, "%s.tmp-%016llx", path, (unsigned long long)tag);
		if (length < 0 || (size_t)length >= size) {
			errno = ENAMETOOLONG;
			return -1;
		}
		descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			(mode_t)mode);
		if (descriptor >= 0 || errno != EEXIST)
			return descriptor;
	}
	return -1;
}

enum status file_write_atomic(const char *path, const void *bytes, size_t size, unsigned mode,
	struct error *error)
{
	char temporary[PATH_MAX];
	enum status status = STATUS_OK;
	int descriptor = open_beside(path, temporary, sizeof(temporary), mode);

	if (descriptor < 0)
		return set_path_errno(error, errno, "cannot create a file beside", path);
	/* open() takes the umask off the mode; the caller asked for exactly this one. */
	if (fchmod(descriptor, (mode_t)mode) != 0 || !write_all(descriptor, bytes, size) ||
		fsync(descriptor) != 0)
		status = set_path_errno(error, errno, "cannot write", temporary);
	if (close(descriptor) != 0 && status == STATUS_OK)
		status = set_path_errno(error, errno, "cannot write", temporary);
	if (status == STATUS_OK && rename(temporary, path) != 0)
		status = set_path_errno(error, errno, "cannot replace", path);
	if (status != STATUS_OK) {
		unlink(temporary);
		return status;
	}
	return sync_folder_of(path, error);
}

/* A large file is handed to the disk in such steps: the last sync does not wait for all of it, and
 * others who sync on this disk do not wait behind it. */
#define DRAFT_SYNC_STEP ((size_t)32 << 20)

struct file_draft {
	int descriptor;
	size_t unsynced;
	char path[PATH_MAX], temporary[PATH_MAX];
};

static enum status draft_open(struct file_draft *draft, unsigned mode, struct error *error)
{
	draft->descriptor =
		open(draft->temporary, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
	if (draft->descriptor < 0)
		return set_path_errno(error, errno, "cannot create", draft->temporary);
	if (flock(draft->descriptor, LOCK_EX | LOCK_NB) != 0)
		return error_set_errno(error, errno == EWOULDBLOCK ? STATUS_BUSY : STATUS_IO, errno,
			"another process writes %s", draft->temporary);
	if (fchmod(draft->descriptor, (mode_t)mode) != 0 || ftruncate(draft->descriptor, 0) != 0)
		return set_path_errno(error, errno, "cannot write", draft->temporary);
	return STATUS_OK;
}

struct file_draft *file_draft_begin(const char *path, unsigned mode, struct error *error)
{
	struct file_draft *draft = mem_zalloc(1, sizeof(*draft));
	int length;

	if (draft == NULL) {
		error_set(error, STATUS_NO_MEMORY, "%s: out of memory", path);
		return NULL;
	}
	draft->descriptor = -1;
	length = snprintf(draft->temporary, sizeof(draft->temporary), "%s.draft", path);
	if (length < 0 || (size_t)length >= sizeof(draft->temporary)) {
		error_set(error, STATUS_IO, "the path is too long: %s", path);
		mem_free(draft);
		return NULL;
	}
	snprintf(draft->path, sizeof(draft->path), "%s", path);
	if (draft_open(draft, mode, error) == STATUS_OK)
		return draft;
	/* Not removed: it may be another's. */
	if (draft->descriptor >= 0)
		close(draft->descriptor);
	mem_free(draft);
	return NULL;
}

enum status file_draft_add(struct file_draft *draft, const void *bytes, size_t size,
	struct error *error)
{
	if (!write_all(draft->descriptor, bytes, size))
		return set_path_errno(error, errno, "cannot write", draft->temporary);
	draft->unsynced += size;
	if (draft->unsynced < DRAFT_SYNC_STEP)
		return STATUS_OK;
	draft->unsynced = 0;
	if (fdatasync(draft->descriptor) != 0)
		return set_path_errno(error, errno, "cannot write", draft->temporary);
	return STATUS_OK;
}

enum status file_draft_commit(struct file_draft *draft, struct error *error)
{
	enum status status;

	if (fsync(draft->descriptor) != 0 || rename(draft->temporary, draft->path) != 0) {
		status = set_path_errno(error, errno, "cannot write", draft->path);
		file_draft_abort(draft);
		return status;
	}
	status = sync_folder_of(draft->path, error);
	close(draft->descriptor);
	mem_free(draft);
	return status;
}

void file_draft_abort(struct file_draft *draft)
{
	if (draft == NULL)
		return;
	unlink(draft->temporary);
	close(draft->descriptor);
	mem_free(draft);
}

/* mkdir(), content with a folder that is already there. */
static enum status make_one(const char *path, struct error *error)
{
	struct stat about;

	if (mkdir(path, 0700) == 0)
		return sync_folder_of(path, error);
	if (errno != EEXIST)
		return error_set_errno(error, STATUS_IO, errno, "cannot make the folder %s", path);
	if (stat(path, &about) != 0)
		return error_set_errno(error, STATUS_IO, errno, "cannot make the folder %s", path);
	if (!S_ISDIR(about.st_mode))
		return error_set(error, STATUS_IO, "%s is there, but it is not a folder", path);
	return STATUS_OK;
}

enum status file_make_folder(const char *path, struct error *error)
{
	char part[PATH_MAX];
	size_t length = strlen(path);

	if (length == 0)
		return error_set(error, STATUS_BAD_INPUT, "the folder's name is empty");
	if (length >= sizeof(part))
		return error_set(error, STATUS_BAD_INPUT, "the path is too long: %s", path);
	memcpy(part, path, length + 1);
	while (length > 1 && part[length - 1] == '/')
		part[--length] = '\0';
	for (size_t i = 1; i <= length; i++) {
		enum status status;

		if (part[i] != '/' && part[i] != '\0')
			continue;
		part[i] = '\0';
		status = make_one(part, error);
		if (status != STATUS_OK)
			return status;
		if (i < length)
			part[i] = '/';
	}
	return STATUS_OK;
}

/* One step of FNV-1a over a whole word, with a final mix by its caller. */
static uint64_t stir(uint64_t hash, uint64_t word)
{
	hash ^= word;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

uint64_t file_stamp(const char *path)
{
	struct stat about;
	uint64_t stamp = UINT64_C(0xcbf29ce484222325);

	if (stat(path, &about) != 0)
		return 0;
	stamp = stir(stamp, (uint64_t)about.st_mtim.tv_sec);
	stamp = stir(stamp, (uint64_t)about.st_mtim.tv_nsec);
	stamp = stir(stamp, (uint64_t)about.st_size);
	stamp = stir(stamp, (uint64_t)about.st_ino);
	stamp = stir(stamp, (uint64_t)about.st_dev);
	return stamp == 0 ? 1 : stamp;
}

/* Writes zeros that the compiler may not leave out. */
static void wipe(void *bytes, size_t size)
{
	if (bytes != NULL)
		explicit_bzero(bytes, size);
}

enum status file_read_secret(const char *path, char **text, struct error *error)
{
	struct buf buf;
	enum status status;

	*text = NULL;
	buf_init(&buf, SECRET_MAX);
	/* All at once, so that growing leaves no copies of a secret in freed memory. */
	if (buf_reserve(&buf, SECRET_MAX) == NULL)
		return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", path);
	status = file_read(path, &buf, error);
	if (status == STATUS_OK && memchr(buf.data, '\0', buf.size) != NULL)
		status = error_set(error, STATUS_BAD_INPUT, "%s holds a NUL byte", path);
	if (status == STATUS_OK) {
		while (buf.size > 0 && strchr(" \t\r\n\v\f", buf.data[buf.size - 1]) != NULL)
			buf.size--;
		if (buf.size == 0)
			status = error_set(error, STATUS_BAD_INPUT, "%s is empty", path);
	}
	if (status == STATUS_OK) {
		*text = mem_strndup(buf.data, buf.size);
		if (*text == NULL)
			status = error_set(error, STATUS_NO_MEMORY, "%s: out of memory", path);
	}
	wipe(buf.data, buf.capacity);
	buf_fini(&buf);
	return status;
}
