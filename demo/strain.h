/*
 * What a sample workload puts its pod under: processor time that is burnt and memory that is held, each
 * for a time and up to a bound, and memory that leaks.
 *
 * Ownership: strain_close() ends the threads and gives back all memory.
 * Limits: struct strain_limits; STRAIN_MAX burns and as many pieces of memory at once.
 * Threads: any. It starts a thread for each 1000 millicores, and one that keeps the memory's times.
 */
#ifndef NIMBUSGUARD_DEMO_STRAIN_H
#define NIMBUSGUARD_DEMO_STRAIN_H

#include <stdint.h>

#include "base/error.h"

#define STRAIN_MAX 16
#define STRAIN_MILLICORES_MAX 64000

struct strain_limits {
	uint32_t millicores; /* of all burns together, 1 to STRAIN_MILLICORES_MAX */
	uint64_t bytes;      /* of all memory together */
};

struct strain;

struct strain *strain_open(const struct strain_limits *limits, struct error *error) MUST_CHECK;
void strain_close(struct strain *strain); /* NULL allowed */

/* Burns so much from now on for so long. STATUS_LIMIT when that is more, with the burns under way, than
 * the limit, or there are STRAIN_MAX of them. */
enum status strain_burn(struct strain *strain, uint32_t millicores, int64_t duration_ms,
	struct error *error) MUST_CHECK;
/* Burns so much processor time of the calling thread, and returns then; at the latest after ten times
 * that and a second, where the processor is not to be had. */
void strain_spend(int64_t cpu_ms);
/* Holds so much, with something written on each page. STATUS_LIMIT as above, STATUS_NO_MEMORY. */
enum status strain_hold(struct strain *strain, uint64_t bytes, int64_t duration_ms,
	struct error *error) MUST_CHECK;
/* Takes so much more each second for so long, or until the limit is reached, and never gives it back by
 * itself. Takes the place of a leak under way. */
void strain_leak(struct strain *strain, uint64_t bytes_per_second, int64_t duration_ms);
/* Ends all burns and leaks and gives back all memory. */
void strain_rest(struct strain *strain);

struct strain_state {
	uint32_t millicores; /* being burnt */
	uint64_t held_bytes, leaked_bytes, leak_bytes_per_second;
};

void strain_read(struct strain *strain, struct strain_state *state);

#endif
