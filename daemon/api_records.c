#include "daemon/api_records.h"

#include <math.h>

#include "base/mem.h"
#include "store/exemplar.h"
#include "store/histogram.h"
#include "store/histogram_window.h"
#include "store/records.h"

void api_write_time(struct buf *json, int64_t t_ms)
{
	int64_t seconds = t_ms / 1000, millis = t_ms % 1000;

	if (millis < 0) {
		seconds--;
		millis += 1000;
	}
	buf_printf(json, "%lld.%03lld", (long long)seconds, (long long)millis);
}

void api_write_number(struct buf *json, double value)
{
	if (isnan(value)) {
		buf_add_text(json, "\"NaN\"");
	} else if (isinf(value)) {
		buf_add_text(json, value > 0 ? "\"+Inf\"" : "\"-Inf\"");
	} else {
		buf_add_char(json, '"');
		buf_add_json_number(json, value);
		buf_add_char(json, '"');
	}
}

/* The members of the object, without its braces. */
static void write_counts(struct buf *json, const struct histogram *histogram)
{
	uint32_t count = histogram_range_count(histogram);

	buf_add_text(json, "\"count\":");
	api_write_number(json, histogram->count);
	buf_add_text(json, ",\"sum\":");
	api_write_number(json, histogram->sum);
	for (uint32_t i = 0; i < count; i++) {
		struct histogram_range range = histogram_range_at(histogram, i);

		buf_printf(json, "%s[%d,", i == 0 ? ",\"buckets\":[" : ",", (int)range.bounds);
		api_write_number(json, range.lower);
		buf_add_char(json, ',');
		api_write_number(json, range.upper);
		buf_add_char(json, ',');
		api_write_number(json, range.count);
		buf_add_char(json, ']');
	}
	if (count > 0)
		buf_add_char(json, ']');
}

static void write_histogram(struct buf *json, const struct histogram *histogram)
{
	if (histogram->stale) {
		buf_add_text(json, "\"stale\"");
		return;
	}
	buf_add_char(json, '{');
	write_counts(json, histogram);
	buf_add_char(json, '}');
}

void api_write_observed(struct buf *json, const struct buf *copy, const double *quantiles,
	size_t quantile_count)
{
	struct histogram *observed = mem_alloc(sizeof(*observed));
	enum status status = STATUS_NO_MEMORY;

	if (observed != NULL)
		status = histogram_window(copy, observed, NULL);
	if (status == STATUS_OK) {
		buf_add_char(json, '{');
		write_counts(json, observed);
		buf_add_text(json, ",\"quantiles\":[");
		for (size_t i = 0; i < quantile_count; i++) {
			buf_add_text(json, i == 0 ? "[" : ",[");
			api_write_number(json, quantiles[i]);
			buf_add_char(json, ',');
			api_write_number(json, histogram_quantile(observed, quantiles[i]));
			buf_add_char(json, ']');
		}
		buf_add_text(json, "]}");
	} else if (status == STATUS_NOT_FOUND) {
		buf_add_text(json, "null");
	} else {
		json->failed = true;
	}
	mem_free(observed);
}

void api_write_histograms(struct buf *json, const struct buf *copy)
{
	struct histogram *histogram = mem_alloc(sizeof(*histogram));
	struct record record;
	size_t at = 0;
	bool first = true;

	if (histogram == NULL) {
		json->failed = true;
		return;
	}
	buf_add_char(json, '[');
	while (record_next(copy, &at, &record)) {
		histogram_decode(histogram, record.bytes, record.size);
		buf_add_text(json, first ? "[" : ",[");
		api_write_time(json, record.t_ms);
		buf_add_char(json, ',');
		write_histogram(json, histogram);
		buf_add_char(json, ']');
		first = false;
	}
	buf_add_char(json, ']');
	mem_free(histogram);
}

void api_write_exemplars(struct buf *json, const struct buf *copy)
{
	struct exemplar exemplar;
	struct record record;
	size_t at = 0;
	bool first = true;

	buf_add_char(json, '[');
	while (record_next(copy, &at, &record)) {
		exemplar_decode(&exemplar, record.bytes, record.size);
		buf_add_text(json, first ? "{\"labels\":{" : ",{\"labels\":{");
		for (uint32_t i = 0; i < exemplar.label_count; i++) {
			const struct label *label = &exemplar.labels[i];

			if (i > 0)
				buf_add_char(json, ',');
			buf_add_json_string(json, label->name, label->name_size);
			buf_add_char(json, ':');
			buf_add_json_string(json, label->value, label->value_size);
		}
		buf_add_text(json, "},\"value\":");
		api_write_number(json, exemplar.value);
		buf_add_text(json, ",\"timestamp\":");
		api_write_time(json, record.t_ms);
		buf_add_char(json, '}');
		first = false;
	}
	buf_add_char(json, ']');
}
