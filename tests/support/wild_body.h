/*
 * Protobuf bodies as no honest sender would make them, and the same with bytes changed, for the
 * comparison of decoders: fields in any order and repeated, unknown fields of all types, packed and
 * unpacked numbers, varints and lengths longer than needed, all from one seed.
 *
 * Limits: WILD_BODY_MAX bytes; writing more ends the test.
 * Threads: one thread; the seed and the looseness are the program's.
 */
#ifndef NIMBUSGUARD_TESTS_SUPPORT_WILD_BODY_H
#define NIMBUSGUARD_TESTS_SUPPORT_WILD_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"

#define WILD_BODY_MAX 65536

struct wild_body {
	size_t size;
	uint8_t bytes[WILD_BODY_MAX];
};

/* loose: write longer varints than needed now and then. */
void wild_seed(uint64_t seed, bool loose);
uint64_t wild_below(uint64_t bound);
bool wild_chance(unsigned percent);

void wild_put(struct wild_body *body, const void *bytes, size_t size);
void wild_varint(struct wild_body *body, uint64_t value, unsigned bytes_max);
void wild_bytes(struct wild_body *body, uint32_t field, const void *bytes, size_t size);
void wild_number(struct wild_body *body, uint32_t field, uint64_t value);
void wild_bits(struct wild_body *body, uint32_t field, uint64_t bits);
uint64_t wild_any_number(void);
uint64_t wild_any_bits(void);
/* An unknown field: a number from 20 on, sometimes a large one. */
void wild_unknown(struct wild_body *body);
/* A text of letters and, now and then, of any bytes. */
void wild_text(struct wild_body *body, uint32_t field);

typedef void wild_fill_fn(struct wild_body *body, unsigned fields);
/* A message of its own in this field. */
void wild_message(struct wild_body *body, uint32_t field, wild_fill_fn *fill);
/* Repeated numbers, in one block or one by one; below bound, when there is one. */
void wild_numbers(struct wild_body *body, uint32_t field, bool doubles, uint64_t bound);
/* A Histogram; has_start: of 2.0, whose field 17 is known. */
void wild_histogram(struct wild_body *body, unsigned fields, bool has_start);

/* Flips, removes, inserts, repeats or cuts. */
void wild_mutate(struct wild_body *body);

#endif
