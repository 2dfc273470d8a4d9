/*
 * A SQLite VFS over the default one that keeps every write in memory until it is synced, as a disk
 * may that loses its power: what was not synced is gone.
 *
 * Sectors of 512 bytes are what is kept or lost. Creating a file, truncating and deleting it count
 * as writes: they reach the real file with the next sync (a deletion asked for with a sync of the
 * folder, at once).
 * Limits: VFS_LOSSY_FILES_MAX files; the content is held in memory.
 * Threads: any. One registered VFS a process.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_VFS_LOSSY_H
#define NIMBUSGUARD_TESTS_SUPPORT_VFS_LOSSY_H

#include <stdint.h>

#define VFS_LOSSY "lossy"
#define VFS_LOSSY_FILES_MAX 64

/* Registers it as VFS_LOSSY (not as the default). Returns 0, or a SQLite code. */
int vfs_lossy_register(void);
/* The power goes: any further write or sync blocks for ever. With seed 0 nothing unsynced is kept;
 * with another, each unsynced sector reaches the real file or not, by chance. */
void vfs_lossy_power_off(uint64_t seed);
/* From now on (0: no more) writes and syncs of files whose name contains `name` answer with this
 * SQLite code, SQLITE_FULL or SQLITE_IOERR_FSYNC for instance; syncs only when sync_only. */
void vfs_lossy_fail(int code, const char *name, int sync_only);
/* Syncs of files seen so far. */
unsigned long vfs_lossy_syncs(void);

#endif
