/*
 * Scores of a detector on all files of NAB, which are scored together.
 *
 * Threads: as evaluate.h.
 */
#ifndef NIMBUSGUARD_ANALYZERS_EVALUATE_NAB_FILES_H
#define NIMBUSGUARD_ANALYZERS_EVALUATE_NAB_FILES_H

#include "analyzers/evaluate/evaluation.h"
#include "analyzers/evaluate/judge.h"

struct nab_files;

enum status nab_files_open(struct nab_files **opened, struct evaluation *evaluation) MUST_CHECK;
/* NULL is allowed. */
void nab_files_close(struct nab_files *files);
struct result_table *nab_files_table(struct nab_files *files);
/* One seed's scores of a file; scores are copied. */
enum status nab_files_add(struct nab_files *files, const struct entity *entity,
	const struct judged *judged, size_t seed, struct error *error) MUST_CHECK;
/* Adds the scores of a method, and the references; begins anew. */
enum status nab_files_finish(struct nab_files *files, const char *method,
	struct evaluation *evaluation) MUST_CHECK;

#endif
