/*
 * The watch over one workload as a whole: a detector fitted to its last days steps along its minutes,
 * scores become tail probabilities, and one alarm an episode is raised (detect/alarm.h).
 *
 * A watch is opened without a model and waits; watch_train() makes a model of the 1-minute tier, in
 * any thread, and watch_adopt() puts it in place. Until then nothing is called usual or unusual.
 *
 * Ownership: a watch belongs to its workload, a model to who holds it until it is adopted.
 * Limits: WATCH_TRAIN_ROWS_MAX rows of training; what a model holds is told by watch_bytes().
 * Threads: a watch: one thread at a time. watch_train(): any.
 */
#ifndef NIMBUSGUARD_ANALYZERS_WATCH_H
#define NIMBUSGUARD_ANALYZERS_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/detect/alarm.h"
#include "analyzers/detect/detector.h"
#include "base/workload.h"
#include "store/rollup.h"

#define WATCH_TRAIN_ROWS_MAX 40320 /* four weeks of minutes */
/* A model that is further behind the clock than this when it comes is thrown away. */
#define WATCH_BEHIND_ROWS_MAX 240
/* One that is read from a file may be two days behind. */
#define WATCH_RESTORE_ROWS_MAX 2880

struct watch_spec {
	const struct detector_class *class; /* NULL: no watch */
	int64_t train_rows;                 /* minutes that are learnt from, at most */
	int64_t train_rows_min;             /* so old must the oldest be, and half of them there */
	size_t rows_min;                    /* rows in a row over the threshold before an alarm */
	/* That a usual minute scores as high must be no more likely than this. */
	double probability_max;
	uint64_t seed;
	struct lstm_shared *shared; /* as of a detector's config; NULL: none */
};

struct watch_model {
	struct detector *detector;
	const struct detector_class *class;
	struct alarm alarm;
	double probability_max;
	uint32_t roles; /* columns, bit 1 << role, in the order of roles */
	size_t columns;
	int64_t first, end; /* minutes learnt from: [first, end) */
	int64_t next;       /* the minute before which its state stands */
	size_t rows;        /* of them with a value */
	size_t bytes;
};

/* From the minutes before `end`. *model: NULL unless STATUS_OK. STATUS_UNAVAILABLE: not enough
 * history yet; STATUS_NO_MEMORY; STATUS_BAD_INPUT: the rows cannot be learnt from. */
enum status watch_train(const struct watch_spec *spec, struct rollup *rollup,
	const struct workload_key *workload, uint32_t roles, int64_t end,
	struct watch_model **model, struct error *error) MUST_CHECK;
/* Goes on with what watch_model_write() or watch_write() wrote: steps along the minutes from where it stood
 * to before `end`, out of the tier. STATUS_BAD_INPUT: the bytes are of other settings or signals, or
 * none; STATUS_UNAVAILABLE: it stood further behind than WATCH_RESTORE_ROWS_MAX; STATUS_NO_MEMORY. */
enum status watch_restore(const struct watch_spec *spec, struct rollup *rollup,
	const struct workload_key *workload, uint32_t roles, int64_t end, const void *bytes,
	size_t size, struct watch_model **model, struct error *error) MUST_CHECK;
/* All of a model as bytes (mem_free); NULL: memory is out. */
void *watch_model_write(struct watch_model *model, size_t *size) MUST_CHECK;
/* What watch_model_write() wrote, to be looked at elsewhere: without a tier to go on along, or an alarm. */
struct watch_kept {
	const struct detector_class *class;
	struct detector *detector; /* the reader's, by class->close() */
	uint32_t roles;
	int64_t first, end; /* minutes learnt from: [first, end) */
	size_t rows;
	uint64_t seed;
};

/* STATUS_BAD_INPUT: the bytes are none that watch_model_write() wrote; STATUS_UNSUPPORTED: of a detector
 * that this program has not, or that needs a net beside; STATUS_NO_MEMORY. */
enum status watch_read_kept(const void *bytes, size_t size, struct watch_kept *kept,
	struct error *error) MUST_CHECK;
/* NULL is allowed. */
void watch_model_close(struct watch_model *model);

/* What the last row said. */
struct watch_answer {
	int64_t minute;     /* ROLLUP_NEVER: no row yet */
	double score;       /* of the detector; NaN: not judged */
	double threshold;   /* NaN: none */
	double probability; /* that a usual score is at least as high; NaN: not judged */
	double surprise;    /* -log10 of it: 0 to 300 */
	/* By role: parts of the score, 1 together; all 0 of a row that is neither over the threshold nor
	 * within an episode that was raised. */
	double contributions[ROLE_COUNT];
};

struct watch_state {
	struct watch_answer answer, worst; /* the last row; the worst of the episode */
	bool active;                       /* within an episode */
	int64_t since_ms;                  /* its first row over the threshold */
	enum signal_role lead;             /* the signal that stood out when it was raised */
	enum alarm_quarantine quarantine;
	bool fitted;
	int64_t first, end, tried; /* minutes: learnt from; of the last try to learn */
	size_t rows, bytes;
};

struct watch;

struct watch *watch_open(void) MUST_CHECK;
void watch_close(struct watch *watch);
const struct watch_state *watch_state(const struct watch *watch);
/* What it serves with, as watch_model_write(); NULL also without a model. */
void *watch_write(struct watch *watch, size_t *size) MUST_CHECK;
size_t watch_bytes(const struct watch *watch);

/* Whether it is time to learn (anew): no model, other columns, or one older than refit_rows. After
 * a try that failed it waits for an hour. */
bool watch_wants_model(const struct watch *watch, uint32_t roles, int64_t minute,
	int64_t refit_rows);
/* It was asked for. */
void watch_tried(struct watch *watch, int64_t minute);
/* Takes the model over and lets it step along the minutes from its end to before `next`, out of the
 * tier. Episodes go on: what was unusual before stays open until the new model finds it usual. */
void watch_adopt(struct watch *watch, struct watch_model *model, struct rollup *rollup,
	const struct workload_key *workload, int64_t next);

enum watch_change { WATCH_NONE, WATCH_RAISED, WATCH_GOES_ON, WATCH_ENDED };

/* The next row; roles: of its columns, values: [columns]. Rows that are not the next one (a clock
 * that stepped) let the model go. */
enum watch_change watch_step(struct watch *watch, int64_t minute, uint32_t roles,
	const double *values);

#endif
