/*
 * The elements of a snappy block, decoded fast.
 *
 * Ownership: both buffers are the caller's.
 * Limits: reads nothing outside [in, in + in_size), writes nothing outside
 *   [out, out + out_size + SNAPPY_SLOP), whatever the input is.
 * Threads: pure functions.
 */
#ifndef NIMBUSGUARD_REMOTE_WRITE_SNAPPY_DECODE_H
#define NIMBUSGUARD_REMOTE_WRITE_SNAPPY_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes behind the decoded ones that are overwritten with nothing in particular. */
#define SNAPPY_SLOP 80

typedef bool snappy_decode_fn(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size);

/* in: what follows the preamble. true: the elements are well-formed and make up exactly out_size
 * bytes, which are in `out`; false: they are not, and what is in `out` means nothing. Both answers
 * are libsnappy's for the same block (1.1.9), for every input. */
snappy_decode_fn snappy_decode;
/* The same without what the processor may have beyond its architecture: for tests. */
snappy_decode_fn snappy_decode_plain;

#endif
