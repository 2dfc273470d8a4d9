/*
 * The forecasts of one workload: a forecaster for each signal that is to be forecast, fitted once to
 * the minutes of the 1-minute tier and learning on with each minute (forecast/forecaster.h).
 *
 * Ownership: an outlook belongs to its workload once it is adopted.
 * Limits: OUTLOOK_TRAIN_ROWS_MAX rows; about 50 kB a signal.
 * Threads: one at a time an outlook. outlook_train(): any.
 */
#ifndef NIMBUSGUARD_ANALYZERS_OUTLOOK_H
#define NIMBUSGUARD_ANALYZERS_OUTLOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/forecast/forecaster.h"
#include "base/workload.h"
#include "store/rollup.h"

#define OUTLOOK_TRAIN_ROWS_MAX 20160
#define OUTLOOK_RESTORE_ROWS_MAX 2880
#define OUTLOOK_HORIZONS 2
#define OUTLOOK_BEYOND 2

struct outlook_spec {
	const struct forecaster_class *class; /* NULL: no forecasts */
	int64_t train_rows, train_rows_min;   /* of measurements, of each signal */
	struct lstm_shared *shared;           /* as of a forecaster's config; NULL: none */
};

/* Of one signal as of the last minute; all NaN: nothing is known. */
struct outlook_view {
	struct prediction predictions[OUTLOOK_HORIZONS]; /* 5 and 15 minutes ahead */
	double skill[OUTLOOK_HORIZONS];
	bool known; /* there is a forecaster of it */
};

struct outlook;

extern const int outlook_minutes[OUTLOOK_HORIZONS];

/* roles: bit 1 << role of the signals. Signals with too little history are left out;
 * STATUS_UNAVAILABLE: all are. STATUS_NO_MEMORY. *outlook: NULL unless STATUS_OK. */
enum status outlook_train(const struct outlook_spec *spec, struct rollup *rollup,
	const struct workload_key *workload, uint32_t roles, int64_t end, struct outlook **outlook,
	struct error *error) MUST_CHECK;
/* Goes on with what outlook_write() wrote: steps along the minutes from where it stood to before `end`, out
 * of the tier. STATUS_BAD_INPUT: the bytes are of other settings or signals, or none;
 * STATUS_UNAVAILABLE: it stood further behind than OUTLOOK_RESTORE_ROWS_MAX; STATUS_NO_MEMORY. */
enum status outlook_restore(const struct outlook_spec *spec, struct rollup *rollup,
	const struct workload_key *workload, uint32_t roles, int64_t end, const void *bytes,
	size_t size, struct outlook **outlook, struct error *error) MUST_CHECK;
/* All of it as bytes (mem_free); NULL: memory is out, or a class that cannot be packed. */
void *outlook_write(struct outlook *outlook, size_t *size) MUST_CHECK;
/* NULL is allowed. */
void outlook_close(struct outlook *outlook);
size_t outlook_bytes(const struct outlook *outlook);

/* The signals that a forecast is told of beside its own: [FORECAST_BESIDE]. */
extern const enum signal_role outlook_beside_roles[FORECAST_BESIDE];
/* Before the step of that minute: its values of these signals, NaN: unknown. */
void outlook_beside(struct outlook *outlook, enum signal_role role, const double *values);
/* The minute's value of a signal; NaN: a gap. Minutes left out are gaps. */
void outlook_step(struct outlook *outlook, enum signal_role role, int64_t minute, double value);
void outlook_none(struct outlook_view *view);
/* What the view says of the minute that many minutes ahead: between the horizons on the line between
 * them, up to OUTLOOK_BEYOND before the first and after the last as they are. False, and nothing is set,
 * for others, without an interval, and where the forecasts used were no better than the last value. */
bool outlook_at(const struct outlook_view *view, int64_t ahead, struct prediction *prediction);
/* false: the signal is not forecast, and the view says nothing. */
bool outlook_read(const struct outlook *outlook, enum signal_role role, struct outlook_view *view);

#endif
