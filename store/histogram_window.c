/*
 * The increases are added up one by one, not last minus first: that way a counter that began anew
 * anywhere in the window is found where it happened. Whole numbers stay exact.
 *
 * Three histograms of 20 KiB are in use at a time, on the heap. A step costs about as much as
 * decoding two records.
 */
#include "store/histogram_window.h"

#include <math.h>

#include "base/mem.h"

/* Room for all that a series may keep. */
#define COPY_MAX ((size_t)(RECORD_SIZE_MAX + 64) * RECORDS_KEEP_MAX)

struct steps {
	struct histogram earlier, later;
	struct record last; /* the newest that is no marker */
	uint32_t count;     /* such records */
	bool gauges;
};

/* The next record; false when it does not go with those before. */
static bool take(struct steps *steps, const struct record *record, struct histogram *observed)
{
	bool gauge, together = true;

	histogram_decode(&steps->later, record->bytes, record->size);
	if (steps->later.stale)
		return true;
	gauge = steps->later.hint == HISTOGRAM_HINT_GAUGE;
	if (steps->count > 0 && gauge != steps->gauges)
		return false;
	if (steps->count > 0 && !gauge) {
		histogram_decode(&steps->earlier, steps->last.bytes, steps->last.size);
		together = histogram_increase(&steps->later, &steps->earlier);
		if (together && steps->count == 1)
			*observed = steps->later;
		else if (together)
			together = histogram_plus(observed, &steps->later);
	}
	steps->gauges = gauge;
	steps->last = *record;
	steps->count++;
	return together;
}

enum status histogram_window(const struct buf *copy, struct histogram *observed,
	struct error *error)
{
	struct steps *steps = mem_zalloc(1, sizeof(*steps));
	enum status status = STATUS_OK;
	struct record record;
	size_t at = 0;

	if (steps == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory to read histograms");
	while (status == STATUS_OK && record_next(copy, &at, &record))
		if (!take(steps, &record, observed))
			status = error_set(error, STATUS_NOT_FOUND,
				"counters and gauges, or exponential and custom bounds, stand side "
				"by side");
	if (status == STATUS_OK && steps->count < (steps->gauges ? 1 : 2))
		status = error_set(error, STATUS_NOT_FOUND,
			"%u histograms are too few to tell what was observed", steps->count);
	else if (status == STATUS_OK && steps->gauges)
		histogram_decode(observed, steps->last.bytes, steps->last.size);
	mem_free(steps);
	return status;
}

enum status histogram_observed(struct records *histograms, uint32_t series, int64_t from_ms,
	int64_t to_ms, struct histogram *observed, struct error *error)
{
	enum status status;
	struct buf copy;

	buf_init(&copy, COPY_MAX);
	status = records_copy(histograms, series, from_ms, to_ms, &copy);
	if (status != STATUS_OK)
		error_set(error, status, "no memory to read histograms");
	else
		status = histogram_window(&copy, observed, error);
	buf_fini(&copy);
	return status;
}

enum status histogram_window_quantile(struct records *histograms, uint32_t series, int64_t from_ms,
	int64_t to_ms, double q, double *value, struct error *error)
{
	struct histogram *observed = mem_zalloc(1, sizeof(*observed));
	enum status status;

	*value = NAN;
	if (observed == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory to read histograms");
	status = histogram_observed(histograms, series, from_ms, to_ms, observed, error);
	if (status == STATUS_OK)
		*value = histogram_quantile(observed, q);
	mem_free(observed);
	return status;
}
