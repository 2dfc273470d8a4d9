/*
 * Isolation forest: trees that split samples of the rows at random; what is unusual is alone after
 * few splits.
 *
 * Source: Liu, Ting, Zhou, "Isolation Forest", ICDM 2008: each tree from a sample without
 * replacement, down to depth ceil(log2(sample)), split feature uniform among those that vary in the
 * node, threshold uniform between their least and greatest value; path length = depth + c(rows of the
 * leaf), c(n) = 2 H(n-1) - 2 (n-1)/n; score = 2^(-mean path / c(sample)), in (0, 1), 0.5 where the
 * mean path is what a random tree has on the average.
 *
 * Ownership: a forest copies nothing of the rows but what its splits need.
 * Limits: FOREST_SAMPLE_MAX rows a tree, 65,535 columns; about 1 kB a tree (a quarter more beyond 256 columns).
 * Threads: read-only once it is made; any number of threads may score at once.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_FOREST_H
#define NIMBUSGUARD_ANALYZERS_DETECT_FOREST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define FOREST_SAMPLE_MAX 256
#define FOREST_TREES_MAX 1000
#define FOREST_COLUMNS_MAX 4096

struct forest_config {
	size_t trees, sample; /* sample: 2 to FOREST_SAMPLE_MAX; cut to the rows there are */
	uint64_t seed;
};

struct forest;
struct pack;

/* rows: [count][columns] row-major, within +-DETECTOR_VALUE_MAX or NaN, which counts as the column's
 * median. The same seed and rows give the same forest on every machine. NULL: STATUS_BAD_INPUT,
 * STATUS_NO_MEMORY. */
struct forest *forest_fit(const struct forest_config *config, const double *rows, size_t count,
	size_t columns, struct error *error);
/* *forest: NULL when it is read, then a new one of that configuration, or NULL when the pack failed. */
void forest_pack(struct forest **forest, const struct forest_config *config, size_t columns,
	struct pack *pack);
void forest_close(struct forest *forest);
size_t forest_size(const struct forest *forest);

/* The score of one row: [columns]. */
double forest_row(const struct forest *forest, const double *row);
/* The scores of many rows: [count][columns] into scores: [count]. The same as row by row. */
void forest_rows(const struct forest *forest, const double *rows, size_t count, double *scores);

/* What each feature did to shorten the row's path, added to gains: [columns]. A split of n rows that
 * leaves the row among m gains c(n) - 1 - c(m) levels, which is negative for the larger part of a
 * lopsided split; all gains of all trees together, over the trees, are c(sample) - mean path. */
void forest_gains(const struct forest *forest, const double *row, double *gains);

/* Which code scores many rows: "baseline" or "avx512", the best this processor has unless chosen
 * otherwise. All give the same scores to the last bit. */
const char *forest_code(void);
/* For tests and benchmarks, before any thread scores; NULL: the best. False when this processor lacks
 * it. */
bool forest_code_choose(const char *name);

#endif
