/*
 * What the detectors share: their common beginning, and how rows are cleaned before they are looked
 * at.
 *
 * Threads: as detector.h.
 */
#ifndef NIMBUSGUARD_ANALYZERS_DETECT_DETECTOR_PARTS_H
#define NIMBUSGUARD_ANALYZERS_DETECT_DETECTOR_PARTS_H

#include <stdbool.h>

#include "analyzers/detect/detector.h"

/* The first member of every detector. */
struct detector {
	struct detector_config config; /* without zeros where a default stands for them */
	size_t columns;
	bool fitted;
};

extern const struct detector_class detector_forest, detector_forest_roll;
extern const struct detector_class detector_extended_forest, detector_extended_forest_roll;
extern const struct detector_class detector_pca, detector_pca_roll, detector_mean_z;
extern const struct detector_class detector_seasonal, detector_ensemble, detector_random;
extern const struct detector_class detector_forecast_residual, detector_ewma_bands;
extern const struct detector_class detector_lstm_residual;

/* The ensemble's part that looks at rolling features. */
const struct detector *ensemble_rolled(const struct detector *detector);

/* Checks the configuration, puts the defaults in and fills the beginning in. */
enum status detector_init(struct detector *detector, const struct detector_config *config,
	size_t columns, struct error *error) MUST_CHECK;
/* STATUS_BAD_INPUT when the rows cannot be of this detector or are too few or too many. */
enum status detector_check_rows(const struct detector *detector, const struct detector_rows *train,
	struct error *error) MUST_CHECK;

/* The common beginning; read, it must be of the same configuration. */
void detector_pack(struct detector *detector, struct pack *pack);

/* The value, or NaN for what is no measurement. */
double detector_value(double value);

/* Makes parts of a whole of them: none below 0, the sum 1 or all 0. */
void detector_shares(double *contributions, size_t columns);

#endif
