/*
 * The last rows of a series, as several models look back at them: kept once, by whoever steps first.
 *
 * Each model counts its own rows and puts each of them; what another put before is left as it is. Values
 * are kept in single precision as distances from the first one.
 *
 * Ownership: counted; the last history_close() frees it.
 * Limits: memory is taken when it is opened, never by a row.
 * Threads: one thread at a time for all who hold it.
 */
#ifndef NIMBUSGUARD_ANALYZERS_FORECAST_HISTORY_H
#define NIMBUSGUARD_ANALYZERS_FORECAST_HISTORY_H

#include <stddef.h>

#include "base/error.h"

/* Lags that regressions look at. */
#define HISTORY_LAGS 60u
/* What a model needs that looks a season (or its lags) back from a row whose outcome is known. */
#define HISTORY_ROWS(season_rows, horizon_max) ((season_rows) + (horizon_max) + 2)

struct history;
struct pack;

/* Of the last `rows` rows, at least 1. NULL: no memory. */
struct history *history_open(size_t rows, struct error *error) MUST_CHECK;
/* `given`, held once more, when it is not NULL and keeps as many rows; else a new one. */
struct history *history_hold(struct history *given, size_t rows, struct error *error) MUST_CHECK;
/* NULL is allowed. */
void history_close(struct history *history);
/* As just opened: a fit begins with row 0, after others' fits on the same rows. */
void history_reset(struct history *history);
/* All of it; history_pack_own() of a model: only when nobody else holds it, who then packs it. */
void history_pack(struct history *history, struct pack *pack);
void history_pack_own(struct history *history, struct pack *pack);
/* Row number `row` of the series, counted from 0 without holes; NaN: missing. */
void history_put(struct history *history, size_t row, double value);
/* The value `back` rows before the newest (0), back less than the rows kept; NaN: missing, or before
 * the first row. */
double history_back(const struct history *history, size_t back);

#endif
