/*
 * What other threads may see of the engine: the newest state of alerts, incidents and actions as
 * JSON, put there by the engine's thread and copied out by anybody.
 *
 * Ownership: texts are copied in and out.
 * Limits: entry_max entries of each kind; past that the oldest ended entry goes, or the oldest.
 * Order: listed newest first; an entry keeps its place when its text changes.
 * Threads: any.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_BOARD_H
#define NIMBUSGUARD_REMEDIATIONS_BOARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

enum board_kind { BOARD_ALERTS, BOARD_INCIDENTS, BOARD_ACTIONS, BOARD_KIND_COUNT };

struct board;

struct board *board_open(size_t entry_max) MUST_CHECK; /* NULL: out of memory */
void board_close(struct board *board);

/* Sets the text of a key. Its JSON fields state (or status), outcome and open (or ended) are read
 * for filters and counts. STATUS_NO_MEMORY leaves the old text. */
enum status board_put(struct board *board, enum board_kind kind, const char *key, const char *json);
/* A JSON array of the entries whose state or outcome is `state` ("open" and "ended" are known
 * too); NULL: all. */
enum status board_write(struct board *board, enum board_kind kind, const char *state, size_t limit,
	struct buf *json);
/* One entry's text; STATUS_NOT_FOUND. */
enum status board_get(struct board *board, enum board_kind kind, const char *key, struct buf *json);

/* Calls count with each state and how many entries are in it. */
void board_count(struct board *board, enum board_kind kind,
	void (*count)(void *argument, const char *state, size_t entries), void *argument);
size_t board_open_entries(struct board *board, enum board_kind kind);

#endif
