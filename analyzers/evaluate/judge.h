/*
 * Scores of a detector on an entity: fitted, calibrated on the fitted part, then asked row by row.
 *
 * Ownership: judged_fini() gives back all.
 * Threads: one at a time.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_JUDGE_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_JUDGE_H

#include "analyzers/detect/detector.h"
#include "analyzers/evaluate/entity.h"

struct judge_options {
	uint64_t seed;
	size_t refit_rows; /* fitted anew on all rows before, every so many rows; 0: once. With it, the
			      first fit is on the first rows alone (fit_begin is 0) */
	struct lstm_shared *shared; /* as of a detector's config; NULL: none */
};

/* In the order of judging; row `i` is entity_judged_row(entity, i). */
struct judged {
	double *scores;  /* NaN: not judged */
	uint8_t *alarms; /* at the default setting */
	uint8_t *labels; /* of the entity; all 0 without */
	size_t count;
	size_t quarantined; /* rows at which the detector had put itself out of service */
};

/* STATUS_BAD_INPUT when the detector refuses the rows, STATUS_NO_MEMORY. Nothing is left to free after
 * an error. error: not NULL. */
enum status judge_entity(const struct entity *entity, const struct detector_class *class,
	const struct judge_options *options, struct judged *judged, struct error *error) MUST_CHECK;
void judged_fini(struct judged *judged);

#endif
