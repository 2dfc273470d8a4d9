/*
 * Detectors of what was not expected: something says beforehand what each column of a row will be, and
 * the score is how far the row is from that, in deviations of such differences, over columns and the
 * last dozen rows.
 *
 * An expectation learns from the first three quarters of training; how far it usually is off is taken of
 * the last quarter, which it has not learnt from.
 *
 * Ownership, threads: as detector.h.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_RESIDUAL_H
#define NIMBUSGUARD_ANALYZERS_DETECT_RESIDUAL_H

#include "analyzers/detect/detector.h"

struct expectation_class {
	/* NULL with the reason: STATUS_BAD_INPUT, STATUS_NO_MEMORY. */
	void *(*open)(const struct detector_config *config, size_t columns, struct error *error);
	/* Once, before the first look. Its state stands at the end of the rows then; values that are no
	 * measurements are still among them. */
	enum status (
		*fit)(void *expectation, const struct detector_rows *train, struct error *error);
	/* The next row: [columns], NaN: missing. residuals: [columns], NaN: nothing was expected, or the
	 * value is missing. */
	void (*look)(void *expectation, const double *row, double *residuals);
	void (*pack)(void *expectation, struct pack *pack);
	size_t (*size)(const void *expectation);
	void (*close)(void *expectation); /* NULL is allowed */
};

struct detector *residual_open(const struct expectation_class *class,
	const struct detector_config *config, size_t columns, struct error *error);
enum status residual_fit(struct detector *detector, const struct detector_rows *train,
	struct error *error);
double residual_step(struct detector *detector, const double *row, double *contributions);
void residual_explain(struct detector *detector, double *contributions);
void residual_pack(struct detector *detector, struct pack *pack);
size_t residual_size(const struct detector *detector);
void residual_close(struct detector *detector);

/* Defines detector_SYMBOL, of that expectation. */
#define RESIDUAL_DETECTOR(symbol, label, words, expectation)                                       \
	static struct detector *open_##symbol(const struct detector_config *config,                \
		size_t columns, struct error *error)                                               \
	{                                                                                          \
		return residual_open(&(expectation), config, columns, error);                      \
	}                                                                                          \
	const struct detector_class detector_##symbol = {.name = (label),                          \
		.summary = (words),                                                                \
		.open = open_##symbol,                                                             \
		.fit = residual_fit,                                                               \
		.step = residual_step,                                                             \
		.explain = residual_explain,                                                       \
		.pack = residual_pack,                                                             \
		.size = residual_size,                                                             \
		.close = residual_close}

#endif
