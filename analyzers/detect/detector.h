/*
 * Detectors of unusual rows behind one interface: learnt from rows without labels, then asked row
 * by row how unusual the next one is. Every score grows with unusualness; its unit differs from
 * detector to detector, and detect/tail.h turns it into a probability.
 *
 * Order: open, fit, step ... step, fit again whenever wanted, close. A fit that fails leaves the
 * earlier model serving.
 * Ownership: a detector copies what it needs of the rows.
 * Limits: DETECTOR_COLUMNS_MAX columns, DETECTOR_ROWS_MAX rows of training.
 * Bad input: NaN is a missing value, and so is an infinity or anything beyond DETECTOR_VALUE_MAX. A
 * missing value counts as usual, never as zero; a row with less than half of the columns that
 * training knew is not judged.
 * Threads: one thread at a time a detector; different detectors are independent.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_DETECTOR_H
#define NIMBUSGUARD_ANALYZERS_DETECT_DETECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define DETECTOR_COLUMNS_MAX 128
#define DETECTOR_ROWS_MAX 1000000
#define DETECTOR_ROWS_MIN 16
/* No gauge, rate or quotient is larger; what is stems from a broken exporter or an overflow. */
#define DETECTOR_VALUE_MAX 1e100

struct detector;
struct lstm_shared;
struct pack; /* analyzers/pack.h */

/* values: [count][columns] row-major, oldest first, one row a step of the grid; NaN: missing. */
struct detector_rows {
	const double *values;
	size_t count, columns;
};

/* All zeros: the defaults. */
struct detector_config {
	size_t rows_per_day;  /* 1440 at one minute; 0: unknown, which leaves the season out */
	uint64_t seed;        /* the same seed and rows give the same scores on every machine */
	size_t trees, sample; /* of forests; 0: 100 trees, 256 rows each */
	double contamination; /* as other forests have it, 0: 0.1; no threshold follows from it */
	/* The net for all workloads (forecast/lstm_shared.h), borrowed for longer than the detector;
	 * lstm_residual alone asks it. NULL: there is none. */
	struct lstm_shared *shared;
};

struct detector_class {
	const char *name, *summary;
	/* NULL with the reason: STATUS_BAD_INPUT, STATUS_NO_MEMORY. */
	struct detector *(
		*open)(const struct detector_config *config, size_t columns, struct error *error);
	/* STATUS_BAD_INPUT when the rows cannot be learnt from (too few, or of another width),
	 * STATUS_NO_MEMORY. Afterwards the rolling state stands at the end of `train`. */
	enum status (*fit)(struct detector *detector, const struct detector_rows *train,
		struct error *error);
	/* The score of the row that follows the last one, or NaN when it is not judged (not fitted,
	 * too little of the row is there). row: [columns]. contributions: [columns] or NULL: each
	 * column's part in the score, at least 0 each and 1 together (all 0 when nothing stands out). */
	double (*step)(struct detector *detector, const double *row, double *contributions);
	/* The contributions of the row that was stepped through last, as step() gives them, for who
	 * only then knows that they are wanted: they cost several times what the score does. */
	void (*explain)(struct detector *detector, double *contributions);
	/* All of the state, from and to a detector opened with the same configuration. */
	void (*pack)(struct detector *detector, struct pack *pack);
	/* Bytes of memory held. */
	size_t (*size)(const struct detector *detector);
	void (*close)(struct detector *detector); /* NULL is allowed */
};

/* NULL when there is none of that name. */
const struct detector_class *detector_class_find(const char *name);
/* The classes one by one: NULL after the last. Not among them, but found by name, is "lstm_residual",
 * which needs a net. */
const struct detector_class *detector_class_at(size_t index);

/* Scores of the rows that follow, as by step(). scores: [rows->count]. */
void detector_score(const struct detector_class *class, struct detector *detector,
	const struct detector_rows *rows, double *scores);

#endif
