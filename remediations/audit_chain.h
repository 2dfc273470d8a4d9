/*
 * The links of the journal's chain.
 *
 * A record's digest is SHA-256 over all its fields; its hash is SHA-256 over the hash of the record
 * before it and its own digest. A record that is removed for its age leaves its digest behind, so
 * that every hash can be computed again from the first to the last.
 *
 * Digest: number, time in ms, kind, ended (8 bytes each, the highest first), then key, incident and
 * body, each behind its size in 8 bytes. The first record follows 32 zero bytes.
 *
 * Threads: a hasher belongs to one thread at a time.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_AUDIT_CHAIN_H
#define NIMBUSGUARD_REMEDIATIONS_AUDIT_CHAIN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "remediations/audit.h"

#define CHAIN_KIND_REMOVED (-1)

struct chain_text {
	const char *text;
	size_t size;
};

/* A row as it stands in the file, nothing made to fit. */
struct chain_row {
	int64_t number, time_ms, kind, ended;
	struct chain_text key, incident, body;
	const unsigned char *hash; /* JOURNAL_HASH_SIZE bytes */
};

struct chain_hasher {
	void *algorithm, *state; /* of OpenSSL */
};

enum status chain_hasher_init(struct chain_hasher *hasher, struct error *error) MUST_CHECK;
void chain_hasher_fini(struct chain_hasher *hasher);

/* STATUS_NO_MEMORY is all that can go wrong with them. */
enum status chain_digest(struct chain_hasher *hasher, const struct chain_row *row,
	unsigned char digest[JOURNAL_HASH_SIZE]) MUST_CHECK;
enum status chain_link(struct chain_hasher *hasher, const unsigned char before[JOURNAL_HASH_SIZE],
	const unsigned char digest[JOURNAL_HASH_SIZE],
	unsigned char hash[JOURNAL_HASH_SIZE]) MUST_CHECK;
/* The hash of schema 1 and 2: over the hash before it and the fields at once. */
enum status chain_link_old(struct chain_hasher *hasher,
	const unsigned char before[JOURNAL_HASH_SIZE], const struct chain_row *row,
	unsigned char hash[JOURNAL_HASH_SIZE]) MUST_CHECK;

/* From columns number, time, kind, ended, key, incident, body, hash. NULL, or which column is of a
 * kind that the journal never writes. Valid until the statement's next step. */
const char *chain_row_read(sqlite3_stmt *statement, struct chain_row *row);
#define CHAIN_ROW_SQL "SELECT number, time, kind, ended, key, incident, body, hash FROM records"

void chain_hex(const unsigned char hash[JOURNAL_HASH_SIZE], char text[JOURNAL_HASH_TEXT_SIZE]);
/* 64 small hex digits and nothing else. */
bool chain_unhex(const char *text, size_t size, unsigned char hash[JOURNAL_HASH_SIZE]);

#endif
