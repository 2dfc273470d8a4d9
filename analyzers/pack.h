/*
 * A model's state as bytes and back: one function a model names its fields in their order, and measures,
 * writes or reads them as the pack is set.
 *
 * What is read goes into a model that was opened with the same settings; what says otherwise, or is out of
 * its bounds, fails the pack, after which nothing more is read. Whoever fails closes the model.
 *
 * The bytes are those of this kind of machine (sizes, order of bytes, floating point): they are to be read
 * by the program that wrote them, or refused.
 *
 * Ownership: bytes are the caller's. Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_PACK_H
#define NIMBUSGUARD_ANALYZERS_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pack {
	unsigned char *to;         /* written to; NULL: not */
	const unsigned char *from; /* read from; NULL: not */
	size_t size, done;         /* room or bytes there, and how far it came */
	bool failed;
};

void pack_measure(struct pack *pack);
void pack_write(struct pack *pack, void *bytes, size_t size);
void pack_read(struct pack *pack, const void *bytes, size_t size);
/* Whether values are to be taken over: reading, and nothing has failed. */
bool pack_reads(const struct pack *pack);
/* All that was there was read or all of the room was written, and nothing failed. */
bool pack_ok(const struct pack *pack);
void pack_fail(struct pack *pack);

/* size bytes; when it fails they are as they were. */
void pack_bytes(struct pack *pack, void *value, size_t size);
#define pack_value(pack, pointer) pack_bytes(pack, pointer, sizeof(*(pointer)))
/* A number that fails above max when it is read. */
void pack_index(struct pack *pack, size_t *value, size_t max);
void pack_flag(struct pack *pack, bool *value);
/* A number that must be this when it is read. */
void pack_same(struct pack *pack, uint64_t value);

#endif
