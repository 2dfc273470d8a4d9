/*
 * The journal's own records about itself (kind audit): which records were removed for their age,
 * where the chain begins since, and what an older journal's chain was when it was brought to this
 * schema. They are links of the chain like all others, so that a removal that nobody wrote down is
 * told from one that was.
 *
 * Body: {"event":"swept"|"migrated","removed":[[from,to],...],"first":N,"hash":H,...}
 *   removed  numbers, both ends included, that were emptied with this record
 *   first    the oldest row left, hash its hash: what was before it is gone for good
 *   migrated also: schema, head (hash of the last record before, by the old rule), broken (the record
 *            that did not fit even then, with why)
 * Key: "swept/N" or "migrated/N", N the highest number removed: the record itself may be removed when
 *   no row up to N is left but the first.
 *
 * Limits: AUDIT_RANGES_MAX ranges.
 * Threads: plain values.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_AUDIT_NOTES_H
#define NIMBUSGUARD_REMEDIATIONS_AUDIT_NOTES_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "remediations/audit_chain.h"

#define AUDIT_RANGES_MAX (1u << 20)
#define AUDIT_BODY_MAX (32u << 20)

struct number_range {
	uint64_t from, to;
};

struct audit_notes {
	struct number_range *removed; /* sorted after audit_notes_read() */
	size_t removed_count, removed_room;
	size_t record_count;
	uint64_t first; /* 0: nothing was ever removed at the beginning */
	unsigned char first_hash[JOURNAL_HASH_SIZE];
	uint64_t broken; /* 0: none */
	char broken_why[200];
	size_t cursor; /* of audit_notes_vouch() */
};

void audit_notes_init(struct audit_notes *notes);
void audit_notes_fini(struct audit_notes *notes);
/* Takes in what a record says. STATUS_BAD_INPUT: it is none of ours. STATUS_LIMIT, STATUS_NO_MEMORY. */
enum status audit_notes_add(struct audit_notes *notes, const char *body, size_t size,
	struct error *error) MUST_CHECK;
/* All audit records of a journal. One that can't be read counts, but says nothing. */
enum status audit_notes_read(struct audit_notes *notes, sqlite3 *connection,
	struct error *error) MUST_CHECK;
/* Whether the number's removal is written down. Numbers must come in rising order. */
bool audit_notes_vouch(struct audit_notes *notes, uint64_t number);

/* "removed":[...] of rising numbers, neighbours put together. */
void audit_write_removed(struct buf *json, const uint64_t *numbers, size_t count);
/* The oldest row of the journal as "first":N,"hash":H. */
enum status audit_write_first(struct buf *json, sqlite3 *connection,
	struct error *error) MUST_CHECK;

#endif
