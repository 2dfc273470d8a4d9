/*
 * The store in a file, so that a restart finds its series and samples again.
 *
 * The file is a stream of pages, each with a checksum. Blocks of samples stand in it as they are in
 * memory and are neither decoded nor encoded; label pairs stand in it once each, series as arrays of
 * numbers of pairs, and the raw keys with the secret of their hash. Everything is put back through
 * the ordinary ways of the store, so that limits may have changed and no content of a file, even of
 * one made on purpose, reaches memory unchecked. See snapshot_format.h.
 *
 * What a snapshot holds, while others append, make series and remove them: every series that was
 * there when it began and every sample that was acknowledged by then, each series in the order of its
 * samples up to some moment after the beginning. It may hold later ones. Times of series and of
 * records are those of their own, not of one moment for all.
 *
 * Limits: SNAPSHOT_PAGE_MAX bytes for one series; of a longer one the samples are left out. The
 *   writer takes one to a few MiB, the loader 16 bytes a label pair and series beside.
 * Threads: writing beside all other use of the store, one writer at a time; series are not removed
 *   meanwhile. Locks are held for 64 rings or 256 label sets at a time and never while the disk is
 *   waited for. Loading before anyone else uses the store.
 */
#ifndef NIMBUSGUARD_STORE_SNAPSHOT_H
#define NIMBUSGUARD_STORE_SNAPSHOT_H

#include <stdint.h>

#include "base/error.h"
#include "store/records.h"
#include "store/start.h"
#include "store/store.h"

#define SNAPSHOT_PAGE_MAX ((size_t)64 << 20)

/* What goes into the file and comes out of it. All but the store may be NULL. */
struct snapshot_parts {
	struct store *store;
	struct records *histograms, *exemplars;
	struct starts *starts;
};

struct snapshot_stats {
	uint64_t bytes; /* of the file */
	uint64_t series, samples, records;
	uint64_t series_cut; /* of these, larger than SNAPSHOT_PAGE_MAX: without their samples */
	int64_t taken_ms;    /* wall clock when it was begun */
	/* Loading: */
	uint64_t series_dropped;  /* no room for them within today's limits */
	uint64_t samples_dropped; /* of the others: no room, or not of this clock */
	bool recoded;             /* today's blocks have another size: samples were decoded */
};

/* Writes path.draft, syncs it and gives it the name; on failure what was there before stays. The file
 * has mode 0600. STATUS_IO (also a full disk), STATUS_NO_MEMORY, STATUS_BUSY (another process). */
enum status snapshot_write(const struct snapshot_parts *parts, const char *path,
	struct snapshot_stats *stats, struct error *error) MUST_CHECK;

/* Into a store, records and starts that are as they were opened. Ages of series go on where they
 * stood: the time between is not counted. STATUS_NOT_FOUND: no file. STATUS_BAD_INPUT: refused, the
 * error says why; STATUS_IO, STATUS_NO_MEMORY. On any failure but STATUS_NOT_FOUND the store may hold
 * a part and is to be closed. */
enum status snapshot_load(const struct snapshot_parts *parts, const char *path,
	struct snapshot_stats *stats, struct error *error) MUST_CHECK;

#endif
