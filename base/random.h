/*
 * The one door to randomness: seeded streams for what must replay, the kernel's for secrets.
 * Generator: xoshiro256** (Blackman, Vigna, "Scrambled linear pseudorandom number generators",
 * ACM TOMS 2021), seeded through splitmix64.
 *
 * Threads: a struct random belongs to one thread; random_secret() may be called from any.
 */
#ifndef NIMBUSGUARD_BASE_RANDOM_H
#define NIMBUSGUARD_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct random {
	uint64_t state[4];
	double spare; /* second half of a Box-Muller pair; NaN when none */
};

void random_init(struct random *random, uint64_t seed);
uint64_t random_u64(struct random *random);
/* Uniform in [0, bound), without modulo bias; bound 0 gives 0. */
uint64_t random_below(struct random *random, uint64_t bound);
/* Uniform in [0, 1) with 53 bits. */
double random_unit(struct random *random);
double random_normal(struct random *random);
/* Poisson(mean): multiplication below 30, PTRS (Hoermann 1993) above. */
uint64_t random_poisson(struct random *random, double mean);

/* Bytes from the kernel. STATUS_IO when it gives none. */
enum status random_secret(void *bytes, size_t size) MUST_CHECK;

#endif
