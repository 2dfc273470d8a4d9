/*
 * What the parts of an evaluation share.
 *
 * Threads: as evaluate.h.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_EVALUATION_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_EVALUATION_H

#include "analyzers/evaluate/evaluate.h"

struct evaluation {
	const struct evaluate_options *options;
	struct dataset *dataset;
	struct results *results;
	struct error *error;
};

/* Runs each asked detector over all entities. */
enum status evaluate_detectors(struct evaluation *evaluation);
/* Runs each asked forecaster over all columns of all entities. */
enum status evaluate_forecasters(struct evaluation *evaluation);

/* Adds the reference figures of this data set for a method. figures: of the table, which begins with
 * the values of references. */
enum status evaluation_add_references(struct evaluation *evaluation, struct result_table *table,
	const char *method);
/* Whether `name` is asked for by `asked` (NULL and "all": yes). */
bool evaluation_asks(const char *asked, const char *name);
void evaluation_tell(const struct evaluation *evaluation, const char *method, const char *entity);

/* Writes an entity's scores: row,time,score,label,alarm. */
struct judged;
enum status evaluation_write_scores(struct evaluation *evaluation, const struct entity *entity,
	const struct judged *judged, const char *detector);

#endif
