/*
 * Rolling features of a row: of each column the value, mean and standard deviation over the last 12
 * and 60 rows, and the difference from the row before.
 *
 * A window that is not full yet holds what there is. Missing values take no part; a window with less
 * than half of its rows present has no mean and no deviation (NaN).
 *
 * Ownership: the rows are copied. Limits: DETECTOR_COLUMNS_MAX columns.
 * Threads: one thread at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_ROLL_H
#define NIMBUSGUARD_ANALYZERS_DETECT_ROLL_H

#include <stddef.h>

#include "base/error.h"

#define ROLL_SHORT 12
#define ROLL_LONG 60
/* Features of a column. */
#define ROLL_FEATURES 6

struct pack;
struct roll;

struct roll *roll_open(size_t columns, struct error *error) MUST_CHECK;
void roll_close(struct roll *roll);
/* As if just opened. */
void roll_reset(struct roll *roll);
/* Takes the next row and gives its features. row: [columns], NaN: missing, else at most
 * DETECTOR_VALUE_MAX. features: [ROLL_FEATURES][columns]: all values, then all short means, short
 * deviations, long means, long deviations, differences. */
void roll_step(struct roll *roll, const double *row, double *features);
void roll_pack(struct roll *roll, struct pack *pack);
size_t roll_size(const struct roll *roll);

#endif
