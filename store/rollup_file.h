/*
 * The mapped file of the 1-minute tier: a header, then segments of SEGMENT_SLOTS places each.
 *
 *   header    ROLLUP_FILE_HEAD bytes: magic, version, byte order, sizes, checksum
 *   segment   heads    [slot]           key, salt, newest minute
 *             open     [minute % OPEN_MINUTES][slot]   what is not closed, by minute: so that the
 *                      pages that a minute dirties are few
 *             recent   [slot][block % RECENT_BLOCKS]   min, last, count of 24 hours
 *             blocks   [slot][block % blocks]          mean and max, by signal: so that reading all
 *                      of a signal is reading on
 *
 * Each place on disk is reserved (posix_fallocate) before it is mapped, so that a full disk is an error
 * of growing and never a signal while writing. Each segment is mapped by itself, so that none ever moves.
 *
 * Ownership: struct rollup_file owns descriptor and mappings.
 * Threads: one grows; what is mapped may be touched by any (the caller locks).
 */
#ifndef NIMBUSGUARD_STORE_ROLLUP_FILE_H
#define NIMBUSGUARD_STORE_ROLLUP_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "store/rollup_block.h"

#define ROLLUP_FILE_HEAD 65536u
#define SEGMENT_SLOTS 50u
#define OPEN_MINUTES (BLOCK_MINUTES + ROLLUP_LATE_MINUTES)
#define RECENT_BLOCKS 12u

/* The head of a place. Free: check == 0. */
struct rollup_head {
	uint64_t salt;   /* drawn when the place is taken; seeds the checksums of all its records */
	uint32_t check;  /* of salt, key_size and key */
	uint32_t newest; /* minute, 0: none; a hint, outside of the checksum */
	uint32_t key_size, unused;
	char key[ROLLUP_KEY_MAX];
	uint64_t reserved;
};

_Static_assert(sizeof(struct rollup_head) == 512, "as in the file");

struct rollup_file {
	int descriptor;  /* -1: not open; locked while it is */
	uint32_t blocks; /* closed blocks kept of a signal */
	size_t segment_size;
	uint32_t segment_count, segment_max;
	uint8_t **segments; /* [segment_max] */
};

/* An empty file, in place of what was there. */
enum status rollup_file_create(const char *path, uint32_t blocks, struct error *error) MUST_CHECK;
/* segment_max is raised to what the file has. An incomplete segment at the end is
 * filled up with zeros.
 * STATUS_NOT_FOUND; STATUS_BAD_INPUT: not a file of ours, and why; STATUS_BUSY: another process has it
 * open; STATUS_IO, STATUS_NO_MEMORY. */
enum status rollup_file_open(struct rollup_file *file, const char *path, uint32_t segment_max,
	struct error *error) MUST_CHECK;
void rollup_file_close(struct rollup_file *file);
/* One more segment, all free. STATUS_LIMIT, STATUS_IO (no space), STATUS_NO_MEMORY: nothing changed. */
enum status rollup_file_grow(struct rollup_file *file, struct error *error) MUST_CHECK;
/* Rewrites the file for another number of blocks and opens that one in place of *file, which is left
 * as it was on error. */
enum status rollup_file_resize(struct rollup_file *file, const char *path, uint32_t blocks,
	struct error *error) MUST_CHECK;
/* Bytes of the mappings that are in memory now. */
uint64_t rollup_file_resident(const struct rollup_file *file);

/* Salt and key of a head that is in use and not damaged. */
bool rollup_head_valid(const struct rollup_head *head);
void rollup_head_set(struct rollup_head *head, uint64_t salt, const char *key, uint32_t size);
void rollup_head_clear(struct rollup_head *head);

#define SEGMENT_OPEN ((size_t)SEGMENT_SLOTS * sizeof(struct rollup_head))
#define SEGMENT_RECENT                                                                             \
	(SEGMENT_OPEN + (size_t)SEGMENT_SLOTS * OPEN_MINUTES * sizeof(struct rollup_open_minute))
#define SEGMENT_BLOCKS                                                                             \
	(SEGMENT_RECENT + (size_t)SEGMENT_SLOTS * RECENT_BLOCKS * sizeof(struct rollup_recent))

static inline struct rollup_head *rollup_file_head(const struct rollup_file *file, uint32_t slot)
{
	return (struct rollup_head *)(void *)file->segments[slot / SEGMENT_SLOTS] +
		slot % SEGMENT_SLOTS;
}

static inline struct rollup_open_minute *rollup_file_open_minute(const struct rollup_file *file,
	uint32_t slot, uint32_t minute)
{
	void *first = file->segments[slot / SEGMENT_SLOTS] + SEGMENT_OPEN;

	return (struct rollup_open_minute *)first +
		(size_t)(minute % OPEN_MINUTES) * SEGMENT_SLOTS + slot % SEGMENT_SLOTS;
}

static inline struct rollup_recent *rollup_file_recent(const struct rollup_file *file,
	uint32_t slot, uint32_t number)
{
	void *first = file->segments[slot / SEGMENT_SLOTS] + SEGMENT_RECENT;

	return (struct rollup_recent *)first + (size_t)(slot % SEGMENT_SLOTS) * RECENT_BLOCKS +
		number % RECENT_BLOCKS;
}

static inline struct rollup_block *rollup_file_block(const struct rollup_file *file, uint32_t slot,
	uint32_t number)
{
	void *first = file->segments[slot / SEGMENT_SLOTS] + SEGMENT_BLOCKS;

	return (struct rollup_block *)first + (size_t)(slot % SEGMENT_SLOTS) * file->blocks +
		number % file->blocks;
}

#endif
