/*
 * The audit of a journal by somebody who only reads it: is the chain whole, and its records as text.
 * Works on a running service's journal, on one that rests, and on a copy.
 *
 * What it proves: see audit_walk.h and docs/safety.md.
 *
 * Ownership: audit_open() gives what audit_close() takes.
 * Limits: a line of an export AUDIT_LINE_MAX bytes.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_REMEDIATIONS_AUDIT_H
#define NIMBUSGUARD_REMEDIATIONS_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

#define JOURNAL_HASH_SIZE 32
#define JOURNAL_HASH_TEXT_SIZE (2 * JOURNAL_HASH_SIZE + 1)
#define AUDIT_LINE_MAX (80u << 20)

/* A hash that was noted elsewhere. */
struct audit_head {
	uint64_t number; /* 0: not known */
	unsigned char hash[JOURNAL_HASH_SIZE];
};

/* "HASH" or "NUMBER:HASH". STATUS_BAD_INPUT. */
enum status audit_head_parse(const char *text, struct audit_head *head,
	struct error *error) MUST_CHECK;
/* "NUMBER:HASH"; of JOURNAL_HEAD_SIZE at least. */
void audit_head_write(uint64_t number, const unsigned char hash[JOURNAL_HASH_SIZE], char *text,
	size_t size);

struct audit_report {
	uint64_t records;     /* rows that were looked at */
	uint64_t removed;     /* of these, how many have but their digest left */
	uint64_t first, last; /* numbers; 0: there is none */
	int64_t first_ms, last_ms;
	unsigned char head[JOURNAL_HASH_SIZE]; /* hash of the last one */
	uint64_t broken;                       /* 0: nothing is */
	uint64_t asked_for; /* number of the record whose hash was asked for; 0: it is not there */
	int64_t schema;     /* 0: an export */
	uint64_t exported;  /* lines of records that were written */
};

struct audit;

/* For reading only; no lock is taken. STATUS_NOT_FOUND, STATUS_BAD_INPUT for what is no journal,
 * STATUS_IO, STATUS_NO_MEMORY. */
enum status audit_open(struct audit **opened, const char *path, struct error *error) MUST_CHECK;
void audit_close(struct audit *audit);

/* head may be NULL. STATUS_CONFLICT: the chain is broken at report->broken, the error says how;
 * STATUS_NOT_FOUND: the head is older than what is kept; STATUS_IO: it can't be read. */
enum status audit_verify(struct audit *audit, const struct audit_head *head,
	struct audit_report *report, struct error *error) MUST_CHECK;

enum audit_format { AUDIT_JSONL, AUDIT_CSV };

struct audit_span {
	int64_t from_ms, to_ms; /* from <= time < to; 0: open */
	enum audit_format format;
	int64_t now_ms; /* told in the first line */
};

/*
 * Writes the records of a span of time, in their order, each with its hash, and verifies the whole
 * chain meanwhile. Records within the span that lie there by number alone (a clock that was set back)
 * come along, so that the export is a chain too. JSON lines begin with a line that tells the hash
 * before the first record and end with one that tells the last: without that line it is cut off.
 * Errors as audit_verify(), and STATUS_IO when it can't be written.
 */
enum status audit_export(struct audit *audit, const struct audit_span *span, FILE *out,
	struct audit_report *report, struct error *error) MUST_CHECK;

/* Of an export in JSON lines. A removal of records within it is taken from the chain alone, as the
 * record that vouches for it may lie outside. */
enum status audit_verify_export(FILE *in, const struct audit_head *head,
	struct audit_report *report, struct error *error) MUST_CHECK;

#endif
