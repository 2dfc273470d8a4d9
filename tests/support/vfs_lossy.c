/*
 * One struct disk_file for each path holds what the processes of a machine would see: content, which
 * sectors of it are newer than the real file, whether it was deleted. Reads and writes go there; a
 * sync writes the dirty sectors through the default VFS. Locks and shared memory are the default
 * VFS's own, on the real file; they don't outlive the power anyway.
 */
#include "tests/support/vfs_lossy.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512
#define LOSSY_FLAGS (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)

struct disk_file {
	char path[1024];
	unsigned char *bytes;
	bool *dirty; /* [capacity / SECTOR] */
	size_t size, capacity;
	bool exists, cut; /* cut: the real file may be longer */
};

struct lossy_file {
	sqlite3_file base;
	struct disk_file *disk;
	sqlite3_file real; /* begins szOsFile bytes of the default VFS */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct disk_file disks[VFS_LOSSY_FILES_MAX]; /* this and all below: under lock */
static size_t disk_count;
static bool power_is_off;
static int fail_code, fail_sync_only;
static char fail_name[128];
static unsigned long sync_count;

static sqlite3_vfs lossy;
static sqlite3_vfs *below;

/* Takes the lock; never returns once the power is off. */
static void enter(void)
{
	pthread_mutex_lock(&lock);
	while (power_is_off) {
		pthread_mutex_unlock(&lock);
		pause();
		pthread_mutex_lock(&lock);
	}
}

static int leave(int code)
{
	pthread_mutex_unlock(&lock);
	return code;
}

static struct lossy_file *lossy_of(sqlite3_file *file)
{
	return (struct lossy_file *)(void *)file;
}

static struct disk_file *find_disk(const char *path)
{
	for (size_t i = 0; i < disk_count; i++)
		if (strcmp(disks[i].path, path) == 0)
			return &disks[i];
	return NULL;
}

static int fault_of(const struct disk_file *disk, bool sync)
{
	if (fail_code == 0 || (fail_sync_only && !sync) || strstr(disk->path, fail_name) == NULL)
		return SQLITE_OK;
	return fail_code;
}

static int grow(struct disk_file *disk, size_t size)
{
	size_t capacity = disk->capacity ? disk->capacity : 1 << 16;
	unsigned char *bytes;
	bool *dirty;

	while (capacity < size)
		capacity *= 2;
	if (capacity == disk->capacity)
		return SQLITE_OK;
	bytes = realloc(disk->bytes, capacity);
	if (bytes != NULL)
		disk->bytes = bytes;
	dirty = realloc(disk->dirty, capacity / SECTOR * sizeof(*dirty));
	if (dirty != NULL)
		disk->dirty = dirty;
	if (bytes == NULL || dirty == NULL)
		return SQLITE_NOMEM;
	memset(bytes + disk->capacity, 0, capacity - disk->capacity);
	memset(dirty + disk->capacity / SECTOR, 0,
		(capacity - disk->capacity) / SECTOR * sizeof(*dirty));
	disk->capacity = capacity;
	return SQLITE_OK;
}

static void resize(struct disk_file *disk, size_t size)
{
	if (size < disk->size) {
		memset(disk->bytes + size, 0, disk->size - size);
		disk->cut = true;
	}
	disk->size = size;
}

static int file_close(sqlite3_file *file)
{
	return lossy_of(file)->real.pMethods->xClose(&lossy_of(file)->real);
}

static int file_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
	struct disk_file *disk = lossy_of(file)->disk;
	size_t at = (size_t)offset, wanted = (size_t)size, there;

	enter();
	there = at < disk->size ? disk->size - at : 0;
	if (there > wanted)
		there = wanted;
	if (there > 0)
		memcpy(bytes, disk->bytes + at, there);
	memset((char *)bytes + there, 0, wanted - there);
	return leave(there == wanted ? SQLITE_OK : SQLITE_IOERR_SHORT_READ);
}

static int file_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
	struct disk_file *disk = lossy_of(file)->disk;
	size_t at = (size_t)offset, end = at + (size_t)size;
	int code;

	enter();
	code = fault_of(disk, false);
	if (code == SQLITE_OK)
		code = grow(disk, end);
	if (code != SQLITE_OK)
		return leave(code);
	memcpy(disk->bytes + at, bytes, (size_t)size);
	if (end > disk->size)
		disk->size = end;
	for (size_t sector = at / SECTOR; sector * SECTOR < end; sector++)
		disk->dirty[sector] = true;
	return leave(SQLITE_OK);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct disk_file *disk = lossy_of(file)->disk;
	int code;

	enter();
	code = grow(disk, (size_t)size);
	if (code == SQLITE_OK)
		resize(disk, (size_t)size);
	return leave(code);
}

static size_t sector_size(const struct disk_file *disk, size_t sector)
{
	size_t left = disk->size - sector * SECTOR;

	return left < SECTOR ? left : SECTOR;
}

static int file_sync(sqlite3_file *file, int flags)
{
	struct disk_file *disk = lossy_of(file)->disk;
	sqlite3_file *real = &lossy_of(file)->real;
	int code;

	enter();
	sync_count++;
	code = fault_of(disk, true);
	for (size_t sector = 0; sector * SECTOR < disk->size && code == SQLITE_OK; sector++) {
		if (!disk->dirty[sector])
			continue;
		code = real->pMethods->xWrite(real, disk->bytes + sector * SECTOR,
			(int)sector_size(disk, sector), (sqlite3_int64)(sector * SECTOR));
		disk->dirty[sector] = false;
	}
	if (code == SQLITE_OK && disk->cut)
		code = real->pMethods->xTruncate(real, (sqlite3_int64)disk->size);
	if (code == SQLITE_OK)
		disk->cut = false;
	return leave(code);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	enter();
	*size = (sqlite3_int64)lossy_of(file)->disk->size;
	return leave(SQLITE_OK);
}

static int file_lock(sqlite3_file *file, int level)
{
	return lossy_of(file)->real.pMethods->xLock(&lossy_of(file)->real, level);
}

static int file_unlock(sqlite3_file *file, int level)
{
	return lossy_of(file)->real.pMethods->xUnlock(&lossy_of(file)->real, level);
}

static int file_check_lock(sqlite3_file *file, int *reserved)
{
	return lossy_of(file)->real.pMethods->xCheckReservedLock(&lossy_of(file)->real, reserved);
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
	/* A hint would lengthen the real file. */
	if (operation == SQLITE_FCNTL_SIZE_HINT || operation == SQLITE_FCNTL_CHUNK_SIZE)
		return SQLITE_OK;
	return lossy_of(file)->real.pMethods->xFileControl(&lossy_of(file)->real, operation,
		argument);
}

static int file_sector_size(sqlite3_file *file)
{
	return lossy_of(file)->real.pMethods->xSectorSize(&lossy_of(file)->real);
}

static int file_characteristics(sqlite3_file *file)
{
	return lossy_of(file)->real.pMethods->xDeviceCharacteristics(&lossy_of(file)->real);
}

static int file_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **at)
{
	sqlite3_file *real = &lossy_of(file)->real;

	return real->pMethods->xShmMap(real, page, size, extend, at);
}

static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
	sqlite3_file *real = &lossy_of(file)->real;

	return real->pMethods->xShmLock(real, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
	lossy_of(file)->real.pMethods->xShmBarrier(&lossy_of(file)->real);
}

static int file_shm_unmap(sqlite3_file *file, int erase)
{
	return lossy_of(file)->real.pMethods->xShmUnmap(&lossy_of(file)->real, erase);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

/* The real file's content becomes the disk's. */
static int load(struct disk_file *disk, sqlite3_file *real)
{
	sqlite3_int64 size = 0;
	int code = real->pMethods->xFileSize(real, &size);

	if (code == SQLITE_OK)
		code = grow(disk, (size_t)size);
	if (code == SQLITE_OK && size > 0)
		code = real->pMethods->xRead(real, disk->bytes, (int)size, 0);
	disk->size = (size_t)size;
	disk->exists = true;
	return code;
}

static int attach(struct lossy_file *file, const char *path)
{
	struct disk_file *disk;
	int code = SQLITE_OK;

	enter();
	disk = find_disk(path);
	if (disk == NULL && disk_count < VFS_LOSSY_FILES_MAX && strlen(path) < sizeof(disk->path)) {
		disk = &disks[disk_count++];
		memcpy(disk->path, path, strlen(path) + 1);
		code = load(disk, &file->real);
	}
	if (disk == NULL)
		return leave(SQLITE_FULL);
	disk->exists = true;
	file->disk = disk;
	return leave(code);
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
	struct lossy_file *made = lossy_of(file);
	int code;

	(void)vfs;
	/* Temporary files have nothing to lose. */
	if ((flags & LOSSY_FLAGS) == 0 || path == NULL)
		return below->xOpen(below, path, file, flags, out);
	memset(made, 0, sizeof(*made));
	code = below->xOpen(below, path, &made->real, flags, out);
	if (code == SQLITE_OK)
		code = attach(made, path);
	if (code == SQLITE_OK)
		made->base.pMethods = &methods;
	else if (made->real.pMethods != NULL)
		made->real.pMethods->xClose(&made->real);
	return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
	struct disk_file *disk;

	(void)vfs;
	enter();
	disk = find_disk(path);
	if (disk != NULL) {
		memset(disk->dirty, 0, disk->capacity / SECTOR * sizeof(*disk->dirty));
		resize(disk, 0);
		disk->exists = false;
	}
	if (disk == NULL || sync_folder)
		return leave(below->xDelete(below, path, sync_folder));
	return leave(SQLITE_OK);
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *result)
{
	struct disk_file *disk;

	(void)vfs;
	enter();
	disk = find_disk(path);
	if (disk != NULL && (flags == SQLITE_ACCESS_EXISTS || !disk->exists)) {
		*result = disk->exists && disk->size > 0;
		return leave(SQLITE_OK);
	}
	return leave(below->xAccess(below, path, flags, result));
}

int vfs_lossy_register(void)
{
	if (below != NULL)
		return SQLITE_OK;
	below = sqlite3_vfs_find(NULL);
	if (below == NULL)
		return SQLITE_ERROR;
	lossy = *below;
	lossy.zName = VFS_LOSSY;
	lossy.pNext = NULL;
	lossy.szOsFile = (int)sizeof(struct lossy_file) + below->szOsFile;
	lossy.xOpen = vfs_open;
	lossy.xDelete = vfs_delete;
	lossy.xAccess = vfs_access;
	return sqlite3_vfs_register(&lossy, 0);
}

/* Writes about half of the sectors that were never synced. */
static void keep_some(struct disk_file *disk, uint64_t *state)
{
	int descriptor = open(disk->path, O_WRONLY | O_CLOEXEC);

	for (size_t sector = 0; sector * SECTOR < disk->size && descriptor >= 0; sector++) {
		*state ^= *state << 13;
		*state ^= *state >> 7;
		*state ^= *state << 17;
		if (disk->dirty[sector] && (*state >> 32 & 1) != 0 &&
			pwrite(descriptor, disk->bytes + sector * SECTOR, sector_size(disk, sector),
				(off_t)(sector * SECTOR)) < 0)
			break;
	}
	if (descriptor >= 0)
		close(descriptor);
}

void vfs_lossy_power_off(uint64_t seed)
{
	pthread_mutex_lock(&lock);
	power_is_off = true;
	for (size_t i = 0; i < disk_count && seed != 0; i++)
		if (disks[i].exists)
			keep_some(&disks[i], &seed);
	pthread_mutex_unlock(&lock);
}

void vfs_lossy_fail(int code, const char *name, int sync_only)
{
	pthread_mutex_lock(&lock);
	fail_code = code;
	fail_sync_only = sync_only;
	strncpy(fail_name, name, sizeof(fail_name) - 1);
	pthread_mutex_unlock(&lock);
}

unsigned long vfs_lossy_syncs(void)
{
	unsigned long count;

	pthread_mutex_lock(&lock);
	count = sync_count;
	pthread_mutex_unlock(&lock);
	return count;
}
