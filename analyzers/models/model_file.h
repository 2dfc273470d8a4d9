/*
 * Files of trained nets: what it is, what it was made from, how good it was, its numbers, and a
 * checksum over all of it. What is cut off, foreign, of a later format or damaged is refused by name;
 * writing keeps the file that was there as <path>.previous, to roll back to, unless it is no good: then the
 * previous one stays.
 *
 * Format, all numbers little-endian: "NGMODEL\n", u32 format, u32 bytes of the header behind this
 * field, the header (the fields of struct model_info in their order; texts with their full size), u64
 * numbers, the numbers as 32-bit floats, u64 XXH64 of all bytes before it. A reader skips what a
 * header has beyond the fields it knows, so that fields can be added without a new format.
 *
 * Ownership: what is read belongs to the caller (mem_free).
 * Limits: MODEL_NUMBERS_MAX numbers.
 * Threads: any; two writers of one path exclude each other by the caller.
 */
#ifndef NIMBUSGUARD_ANALYZERS_MODELS_MODEL_FILE_H
#define NIMBUSGUARD_ANALYZERS_MODELS_MODEL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MODEL_FORMAT 1
#define MODEL_NUMBERS_MAX ((size_t)16 << 20)
#define MODEL_SHAPES 8
#define MODEL_SCORES 8
#define MODEL_TEXT 64

struct model_info {
	char kind[MODEL_TEXT]; /* "lstm", "quantile_net" */
	char made_by[MODEL_TEXT];
	uint32_t shapes[MODEL_SHAPES]; /* by kind; of an LSTM: inputs, hidden, layers, outputs */
	int64_t trained_ms, data_from_ms, data_to_ms;
	uint64_t data_rows, seed;
	/* score_names[i] is empty where there is none. */
	char score_names[MODEL_SCORES][MODEL_TEXT];
	double scores[MODEL_SCORES];
	uint64_t checksum; /* of the file; filled when it is read, no field of the header */
};

/* STATUS_BAD_INPUT: a number that is none or too many of them; STATUS_IO. */
enum status model_file_write(const char *path, const struct model_info *info, const float *numbers,
	size_t count, struct error *error) MUST_CHECK;
/* The same without keeping what was there: for a file of its own, such as an export. */
enum status model_file_export(const char *path, const struct model_info *info, const float *numbers,
	size_t count, struct error *error) MUST_CHECK;
/* *numbers: [*count]. STATUS_NOT_FOUND, STATUS_BAD_INPUT (cut off, foreign, damaged),
 * STATUS_UNSUPPORTED (of a later format), STATUS_TOO_LARGE; the error names the path. */
enum status model_file_read(const char *path, struct model_info *info, float **numbers,
	size_t *count, struct error *error) MUST_CHECK;
/* The previous file serves again and the present one becomes the previous. STATUS_NOT_FOUND: there is
 * none; one that is no good is refused as when read. */
enum status model_file_rollback(const char *path, struct error *error) MUST_CHECK;

#endif
