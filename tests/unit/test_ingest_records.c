/*
 * Native histograms and exemplars of series that keep them, by both versions of the protocol: bucket by
 * bucket into the store, and what is wrong with one named.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/matcher.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "remote_write/ingest.h"
#include "remote_write/ingest_rules.h"
#include "store/exemplar.h"
#include "store/histogram.h"
#include "store/start.h"
#include "tests/support/write_body.h"

#define NOW_MS INT64_C(1700000000000)
#define V1 "application/x-protobuf"
#define V2 "application/x-protobuf;proto=io.prometheus.write.v2.Request"

static struct clock_manual manual;
static struct store *store;
static struct records *histograms, *exemplars;
static struct starts *starts;
static struct ingest_rules *rules;
static struct ingest *ingest;
static struct write_body_v2 second;
static struct write_body first, series, part, inner, block;
static struct ingest_counts counts;
static struct error error;
static struct histogram histogram;
static bool ha;

static void open_all(void)
{
	static const char *const asked[] = {"{__name__=~\"latency.*\"}", "{keep=\"yes\"}"};
	const struct store_limits store_limits = {
		.memory_max = 64 << 20,
		.series_max = 1000,
		.retention_ms = 3600 * 1000,
		.interval_ms = 15 * 1000,
		.ended_keep_ms = 600 * 1000,
		.future_max_ms = 600 * 1000,
	};
	const struct ingest_limits limits = {
		.body_max = 1 << 20,
		.decoded_max = 1 << 20,
		.labels_max = 16,
		.label_name_max = 32,
		.label_value_max = 300,
		.series_max = 300,
	};
	const struct records_limits histogram_limits = {.keep_max = 8, .bytes_max = 1 << 20};
	const struct records_limits exemplar_limits = {.keep_max = 8,
		.bytes_max = 1 << 20,
		.same_time = true};
	struct ingest_rules_config config = {
		.histograms = {asked, 2},
		.exemplars = {asked, 2},
		.ha = ha,
		.cluster_label = "cluster",
		.replica_label = "__replica__",
		.failover_ms = 30000,
		.cluster_max = 3,
		.clock = &manual.clock,
	};

	clock_manual_init(&manual, NOW_MS);
	store = store_open(&store_limits, &manual.clock, &error);
	assert_non_null(store);
	histograms = records_open(store, "histogram", &histogram_limits, &error);
	exemplars = records_open(store, "exemplar", &exemplar_limits, &error);
	ingest = ingest_open(store, &limits, &error);
	starts = starts_open(store, &error);
	assert_true(histograms != NULL && exemplars != NULL && ingest != NULL && starts != NULL);
	config.starts = starts;
	config.histogram_records = histograms;
	config.exemplar_records = exemplars;
	rules = ingest_rules_open(&config, &error);
	assert_non_null(rules);
	assert_int_equal(ingest_use_rules(ingest, rules, &error), STATUS_OK);
	write_body_reset(&first);
	write_body_v2_reset(&second);
}

static int setup(void **state)
{
	ha = false;
	open_all();
	return 0;
}

static int teardown(void **state)
{
	mem_fail_after(0, false);
	ingest_close(ingest);
	ingest_rules_close(rules);
	records_close(histograms);
	records_close(exemplars);
	starts_close(starts);
	store_close(store);
	return 0;
}

/* The message that the specification gives as its example: buckets {-2:3, -1:5, 2:1, 4:3, 5:2}. */
static void put_example(int64_t t_ms)
{
	write_body_reset(&part);
	write_body_number(&part, 1, 16); /* count: two in the zero bucket */
	write_body_double(&part, 3, 42.5);
	write_body_number(&part, 4, 2); /* schema 1, zigzag */
	write_body_double(&part, 5, 1e-128);
	write_body_number(&part, 6, 2);
	write_body_hex(&part, "5a04 0803 1002");      /* (-2, 2): zigzag of -2 is 3 */
	write_body_hex(&part, "5a04 0804 1001");      /* (2, 1) */
	write_body_hex(&part, "5a04 0802 1002");      /* (1, 2) */
	write_body_hex(&part, "6205 06 04 07 04 01"); /* 3, +2, -4, +2, -1 */
	write_body_number(&part, 15, (uint64_t)t_ms);
}

/* A series with these labels and the histogram in `part`, by this version. */
static enum status send_part(int version, const char *labels, bool sample)
{
	write_body_reset(&series);
	if (version == 1) {
		static struct write_body whole;
		write_body_reset(&first);
		write_body_reset(&whole);
		/* The labels of a series with a sample, and the sample cut off again. */
		write_body_simple(&whole, labels, NOW_MS, 1);
		write_body_bytes(&series, whole.bytes + 2 + (whole.bytes[1] >= 0x80),
			whole.size - 2 - (whole.bytes[1] >= 0x80) - (sample ? 0 : 18));
		write_body_field(&series, 4, part.bytes, part.size);
		write_body_series(&first, &series);
	} else {
		write_body_v2_reset(&second);
		write_body_v2_labels(&second, &series, labels);
		if (sample)
			write_body_v2_sample(&series, NOW_MS, 1, 0);
		write_body_field(&series, 3, part.bytes, part.size);
		write_body_v2_series(&second, &series);
	}
	write_body_snappy(version == 1 ? &first : &second.body, &block);
	error_reset(&error);
	return ingest_request(ingest, version == 1 ? V1 : V2, "snappy", block.bytes, block.size,
		&counts, &error);
}

static uint32_t series_of(const char *selector)
{
	struct store_selection selection;
	struct matchers matchers;
	uint32_t id;

	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, selector, &error), STATUS_OK);
	assert_int_equal(store_select(store, &matchers, 1000, &selection, &error), STATUS_OK);
	if (selection.count != 1)
		fail_msg("%zu series match %s", selection.count, selector);
	id = selection.series[0];
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	return id;
}

/* How many are kept; the newest is decoded. */
static size_t kept_of(const char *selector, int64_t *t_ms)
{
	struct record record;
	struct buf copy;
	size_t at = 0, count = 0;

	buf_init(&copy, 1 << 20);
	assert_int_equal(records_copy(histograms, series_of(selector), INT64_MIN, INT64_MAX, &copy),
		STATUS_OK);
	while (record_next(&copy, &at, &record)) {
		histogram_decode(&histogram, record.bytes, record.size);
		*t_ms = record.t_ms;
		count++;
	}
	buf_fini(&copy);
	return count;
}

static uint64_t series_in_store(void)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.series;
}

static void a_histogram_arrives_bucket_by_bucket(void **state)
{
	static const struct histogram_bucket wanted[] = {{-2, 3}, {-1, 5}, {2, 1}, {4, 3}, {5, 2}};
	int64_t t_ms;

	for (int version = 1; version <= 2; version++) {
		for (int round = 0; round < 3; round++) {
			put_example(NOW_MS + version * 10 + round);
			assert_int_equal(send_part(version, "__name__=latency_seconds,job=a",
						 false),
				STATUS_OK);
			assert_int_equal(counts.histograms, 1);
			assert_int_equal(counts.histogram_results[RECORD_STORED], 1);
			assert_int_equal(counts.histograms_written, 1);
			assert_int_equal(counts.samples, 0);
		}
		assert_int_equal(kept_of("latency_seconds", &t_ms), version * 3);
		assert_int_equal(t_ms, NOW_MS + version * 10 + 2);
		assert_int_equal(histogram.schema, 1);
		assert_true(histogram.count == 16 && histogram.sum == 42.5);
		assert_true(histogram.zero_count == 2 && histogram.zero_threshold == 1e-128);
		assert_int_equal(histogram.positive.count, 5);
		for (int i = 0; i < 5; i++) {
			assert_int_equal(histogram.positive.list[i].index, wanted[i].index);
			assert_true(histogram.positive.list[i].count == wanted[i].count);
		}
	}
	assert_int_equal(series_in_store(), 1);
}

static void a_histogram_that_is_sent_again_counts_as_written(void **state)
{
	put_example(NOW_MS);
	assert_int_equal(send_part(2, "__name__=latency_seconds", false), STATUS_OK);
	assert_int_equal(send_part(2, "__name__=latency_seconds", false), STATUS_OK);
	assert_int_equal(counts.histogram_results[RECORD_REPEATED], 1);
	assert_int_equal(counts.histograms_written, 1);
	put_example(NOW_MS - 1);
	assert_int_equal(send_part(2, "__name__=latency_seconds", false), STATUS_OK);
	assert_int_equal(counts.histogram_results[RECORD_LATE], 1);
	assert_int_equal(counts.histograms_written, 0);
	put_example(NOW_MS + 3600 * 1000);
	assert_int_equal(send_part(2, "__name__=latency_seconds", false), STATUS_OK);
	assert_int_equal(counts.histogram_results[RECORD_FUTURE], 1);
	assert_int_equal(counts.histograms_written, 0);
}

static void what_nobody_asks_for_is_accepted_and_not_kept(void **state)
{
	double skipped = metrics_get(METRIC_RW_SKIPPED, "histogram");

	for (int version = 1; version <= 2; version++) {
		put_example(NOW_MS);
		assert_int_equal(send_part(version, "__name__=other", false), STATUS_OK);
		assert_int_equal(counts.histograms, 1);
		assert_int_equal(counts.histograms_written, 1);
		assert_int_equal(counts.histogram_results[RECORD_STORED], 0);
	}
	assert_int_equal(series_in_store(), 0);
	for (int version = 1; version <= 2; version++) {
		assert_int_equal(send_part(version, "__name__=other", true), STATUS_OK);
		assert_int_equal(counts.histograms_written, 1);
		assert_int_equal(counts.samples_written, 1);
	}
	assert_int_equal(series_in_store(), 1);
	assert_true(metrics_get(METRIC_RW_SKIPPED, "histogram") == skipped + 4);
	assert_int_equal(records_decision(histograms, series_of("other")), RECORDS_UNWANTED);
}

static void histograms_beside_samples_are_both_kept(void **state)
{
	int64_t t_ms;

	for (int version = 1; version <= 2; version++) {
		put_example(NOW_MS + version);
		assert_int_equal(send_part(version, "__name__=any,keep=yes,job=a", true),
			STATUS_OK);
		assert_int_equal(counts.samples_written, 1);
		assert_int_equal(counts.histogram_results[RECORD_STORED], 1);
	}
	assert_int_equal(kept_of("any", &t_ms), 2);
}

static void float_histograms_and_unpacked_numbers_are_read(void **state)
{
	int64_t t_ms;

	for (int version = 1; version <= 2; version++) {
		write_body_reset(&part);
		/* The counts stand before the spans, in two pieces, one of them unpacked. */
		write_body_double(&part, 13, 0.5);
		write_body_hex(&part, "6a10 000000000000f83f 000000000000e03f");
		write_body_double(&part, 10, 2.25);
		write_body_hex(&part, "4204 0804 1001"); /* negative (2, 1) */
		write_body_hex(&part, "5a04 0805 1001"); /* positive (-3, 1) */
		write_body_hex(&part, "5a02 1000");      /* an empty span */
		write_body_hex(&part, "5a04 0802 1002"); /* (1, 2) */
		write_body_double(&part, 2, 4.75);
		write_body_double(&part, 3, -1);
		write_body_number(&part, 14, 3); /* gauge */
		write_body_number(&part, 15, (uint64_t)(NOW_MS + version));
		assert_int_equal(send_part(version, "__name__=latency", false), STATUS_OK);
		assert_int_equal(kept_of("latency", &t_ms), version);
		assert_true(histogram.is_float && histogram.count == 4.75);
		assert_int_equal(histogram.hint, HISTOGRAM_HINT_GAUGE);
		assert_int_equal(histogram.positive.count, 3);
		assert_int_equal(histogram.positive.list[0].index, -3);
		assert_true(histogram.positive.list[0].count == 0.5);
		assert_int_equal(histogram.positive.list[1].index, -1);
		assert_true(histogram.positive.list[1].count == 1.5);
		assert_int_equal(histogram.positive.list[2].index, 0);
		assert_int_equal(histogram.negative.count, 1);
		assert_int_equal(histogram.negative.list[0].index, 2);
		assert_true(histogram.negative.list[0].count == 2.25);
	}
}

static void custom_bounds_are_read_and_quantiles_follow(void **state)
{
	int64_t t_ms;

	write_body_reset(&part);
	write_body_number(&part, 1, 4);
	write_body_double(&part, 3, 5);
	write_body_number(&part, 4, 105); /* -53, zigzag */
	write_body_hex(&part, "5a02 1003");
	write_body_hex(&part, "6203 02 02 01");                            /* 1, 2, 1 */
	write_body_hex(&part, "820110 0000000000001440 0000000000002440"); /* 5, 10 */
	write_body_number(&part, 15, NOW_MS);
	assert_int_equal(send_part(2, "__name__=latency", false), STATUS_OK);
	assert_int_equal(kept_of("latency", &t_ms), 1);
	assert_int_equal(histogram.schema, HISTOGRAM_SCHEMA_CUSTOM);
	assert_int_equal(histogram.custom_count, 2);
	assert_true(histogram_quantile(&histogram, 0.5) == 7.5);
}

static void stale_markers_are_kept_as_such(void **state)
{
	static const uint64_t bits = STORE_STALE_BITS;
	double stale;
	int64_t t_ms;

	memcpy(&stale, &bits, sizeof(stale));
	put_example(NOW_MS);
	assert_int_equal(send_part(1, "__name__=latency", false), STATUS_OK);
	write_body_reset(&part);
	write_body_double(&part, 3, stale);
	write_body_number(&part, 15, NOW_MS + 1);
	assert_int_equal(send_part(1, "__name__=latency", false), STATUS_OK);
	assert_int_equal(kept_of("latency", &t_ms), 2);
	assert_true(histogram.stale);
	assert_true(isnan(histogram_quantile(&histogram, 0.5)));
}

static void starts_come_from_the_histogram_or_its_series(void **state)
{
	int64_t t_ms;

	for (int kind = 0; kind < 4; kind++) {
		put_example(NOW_MS + kind);
		if (kind == 1 || kind == 3)
			write_body_number(&part, 17,
				(uint64_t)(NOW_MS - 5 + (kind == 3 ? 100 : 0)));
		write_body_reset(&series);
		write_body_v2_reset(&second);
		write_body_v2_labels(&second, &series, "__name__=latency");
		write_body_field(&series, 3, part.bytes, part.size);
		if (kind > 0 && kind < 3)
			write_body_number(&series, 6, NOW_MS - 9);
		write_body_v2_series(&second, &series);
		write_body_snappy(&second.body, &block);
		assert_int_equal(ingest_request(ingest, V2, NULL, block.bytes, block.size, &counts,
					 &error),
			STATUS_OK);
		assert_int_equal(kept_of("latency", &t_ms), kind + 1);
		/* One that lies ahead of the histogram says nothing. */
		assert_int_equal(histogram.start_ms,
			kind == 1           ? NOW_MS - 5
				: kind == 2 ? NOW_MS - 9
					    : 0);
	}
}

static void what_cannot_be_a_histogram_is_refused_by_name(void **state)
{
	static const struct {
		const char *hex, *says;
	} cases[] = {
		{"0801 5a04 0802 1001 6201 04",
			"2 observations are in the buckets, the count is 1"},
		{"0801 5a02 1002 6201 02", "fewer positive buckets than its spans say"},
		{"0801 5a02 1001 6202 02 02", "more positive buckets than its spans say"},
		{"0801 4202 1001 5a02 1001 6201 02", "fewer negative buckets"},
		{"0801 5a02 1001 5a04 0801 1001 6202 02 02", "a positive span goes back by 1"},
		{"0801 5a02 1002 6202 02 03", "below zero"},
		{"0801 20 6d", "schema -55 is unknown"},
		{"0801 20 6a", "schema 53 is unknown"},
		{"20 69 5a02 1001 6201 02 0801 3001", "no zero bucket"},
		{"0801 5a08 08 feffffff0f 1001 6201 02", "there can be no bucket 2147483647"},
	};

	for (int version = 1; version <= 2; version++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			double before = metrics_get(METRIC_RW_INVALID, "histogram");
			write_body_reset(&part);
			write_body_hex(&part, cases[i].hex);
			assert_int_equal(send_part(version, "__name__=latency,job=a", true),
				STATUS_BAD_INPUT);
			if (strstr(error.text, cases[i].says) == NULL)
				fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].says);
			assert_non_null(strstr(error.text,
				"series latency{job=\"a\"}: a native histogram: "));
			assert_int_equal(counts.samples_written, 1);
			assert_int_equal(counts.histograms, 1);
			assert_int_equal(counts.histograms_refused, 1);
			assert_int_equal(counts.histograms_written, 0);
			assert_true(metrics_get(METRIC_RW_INVALID, "histogram") == before + 1);
		}
	}
}

/* An exemplar of one label, by this version, beside a sample. */
static enum status send_exemplar(int version, const char *labels, const char *name,
	const char *value, int64_t t_ms)
{
	write_body_reset(&series);
	write_body_reset(&part);
	if (version == 1) {
		static struct write_body whole;
		write_body_reset(&whole);
		write_body_simple(&whole, labels, NOW_MS, 1);
		write_body_bytes(&series, whole.bytes + 2, whole.size - 2);
		write_body_reset(&inner);
		write_body_field(&inner, 1, name, strlen(name));
		write_body_field(&inner, 2, value, strlen(value));
		write_body_field(&part, 1, inner.bytes, inner.size);
	} else {
		uint32_t references[2];
		write_body_v2_reset(&second);
		write_body_v2_labels(&second, &series, labels);
		write_body_v2_sample(&series, NOW_MS, 1, 0);
		references[0] = write_body_v2_symbol(&second, name);
		references[1] = write_body_v2_symbol(&second, value);
		write_body_v2_references(&part, 1, references, 2);
	}
	write_body_double(&part, 2, 0.25);
	if (t_ms != 0)
		write_body_number(&part, 3, (uint64_t)t_ms);
	write_body_field(&series, version == 1 ? 3 : 4, part.bytes, part.size);
	write_body_reset(&first);
	if (version == 1)
		write_body_series(&first, &series);
	else
		write_body_v2_series(&second, &series);
	write_body_snappy(version == 1 ? &first : &second.body, &block);
	error_reset(&error);
	return ingest_request(ingest, version == 1 ? V1 : V2, "snappy", block.bytes, block.size,
		&counts, &error);
}

static void exemplars_are_kept_with_their_labels(void **state)
{
	struct exemplar exemplar;
	struct record record;
	struct buf copy;
	size_t at = 0;

	for (int version = 1; version <= 2; version++) {
		for (int round = 0; round < 2; round++) {
			assert_int_equal(send_exemplar(version, "__name__=latency,job=a",
						 "trace_id", version == 1 ? "abc" : "def",
						 NOW_MS - 7),
				STATUS_OK);
			assert_int_equal(counts.exemplar_results[RECORD_STORED], round == 0);
			assert_int_equal(counts.exemplar_results[RECORD_REPEATED], round == 1);
			assert_int_equal(counts.exemplars_written, 1);
		}
	}
	buf_init(&copy, 1 << 20);
	assert_int_equal(records_copy(exemplars, series_of("latency"), INT64_MIN, INT64_MAX, &copy),
		STATUS_OK);
	for (int i = 0; i < 2; i++) {
		assert_true(record_next(&copy, &at, &record));
		assert_int_equal(record.t_ms, NOW_MS - 7);
		exemplar_decode(&exemplar, record.bytes, record.size);
		assert_true(exemplar.value == 0.25);
		assert_int_equal(exemplar.label_count, 1);
		assert_memory_equal(exemplar.labels[0].name, "trace_id", 8);
		assert_memory_equal(exemplar.labels[0].value, i == 0 ? "abc" : "def", 3);
	}
	assert_false(record_next(&copy, &at, &record));
	buf_fini(&copy);
}

static void exemplars_that_cannot_be_kept_leave_the_sample(void **state)
{
	char large[1100];

	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	for (int version = 1; version <= 2; version++) {
		/* Late ones are no error. */
		assert_int_equal(send_exemplar(version, "__name__=latency", "a", "b", NOW_MS),
			STATUS_OK);
		assert_int_equal(send_exemplar(version, "__name__=latency", "a", "c", NOW_MS - 1),
			STATUS_OK);
		assert_int_equal(counts.exemplar_results[RECORD_LATE], 1);
		assert_int_equal(counts.exemplars_written, 0);
		assert_int_equal(send_exemplar(version, "__name__=latency", "a", large, NOW_MS),
			STATUS_OK);
		assert_int_equal(counts.exemplar_results[RECORD_NO_ROOM], 1);
		assert_int_equal(send_exemplar(version, "__name__=latency", "a", "\xff", NOW_MS),
			STATUS_BAD_INPUT);
		assert_non_null(strstr(error.text, "series latency{}: an exemplar: "));
		assert_int_equal(counts.exemplars_written, 0);
		assert_int_equal(counts.samples_written, 1);
		/* In 1.0 the time may be left out, in 2.0 not. */
		assert_int_equal(send_exemplar(version, "__name__=latency", "a", "b", 0),
			version == 1 ? STATUS_OK : STATUS_BAD_INPUT);
		assert_int_equal(counts.exemplars_written, version == 1);
		if (version == 2)
			assert_non_null(strstr(error.text, "no timestamp"));
	}
}

/* A sample with this start, or with that of its series. */
static void send_started(int64_t t_ms, int64_t start_ms, int64_t created_ms)
{
	write_body_reset(&series);
	write_body_v2_reset(&second);
	write_body_v2_labels(&second, &series, "__name__=total");
	write_body_v2_sample(&series, t_ms, 1, start_ms);
	if (created_ms != 0)
		write_body_number(&series, 6, (uint64_t)created_ms);
	write_body_v2_series(&second, &series);
	write_body_snappy(&second.body, &block);
	assert_int_equal(ingest_request(ingest, V2, NULL, block.bytes, block.size, &counts, &error),
		STATUS_OK);
	assert_int_equal(counts.samples_written, 1);
}

static void the_start_of_the_newest_sample_is_known(void **state)
{
	int64_t start_ms = 0;
	uint32_t id;

	send_started(NOW_MS, 0, 0);
	id = series_of("total");
	assert_false(starts_get(starts, id, &start_ms));
	send_started(NOW_MS + 1, NOW_MS - 100, 0);
	assert_true(starts_get(starts, id, &start_ms));
	assert_int_equal(start_ms, NOW_MS - 100);
	/* That of the sample goes before that of the series, which senders of old wrote. */
	send_started(NOW_MS + 2, NOW_MS - 90, NOW_MS - 80);
	assert_true(starts_get(starts, id, &start_ms));
	assert_int_equal(start_ms, NOW_MS - 90);
	send_started(NOW_MS + 3, 0, NOW_MS - 80);
	assert_true(starts_get(starts, id, &start_ms));
	assert_int_equal(start_ms, NOW_MS - 80);
	/* One after the sample says nothing, and neither does one of an older sample. */
	send_started(NOW_MS + 4, NOW_MS + 5, 0);
	assert_false(starts_get(starts, id, &start_ms));
	send_started(NOW_MS + 5, NOW_MS, 0);
	assert_true(starts_get(starts, id, &start_ms));
	/* A resend of what is older, and a sample that is refused, take nothing from the newest. */
	starts_note(starts, id, NOW_MS + 2, NOW_MS - 90);
	assert_true(starts_get(starts, id, &start_ms));
	assert_int_equal(start_ms, NOW_MS);
	starts_note(starts, id, NOW_MS + 3600 * 1000, NOW_MS - 70);
	assert_false(starts_get(starts, id, &start_ms));
	send_started(NOW_MS + 6, NOW_MS - 60, 0);
	assert_true(starts_get(starts, id, &start_ms));
	assert_int_equal(start_ms, NOW_MS - 60);
	send_started(NOW_MS + 7, 0, 0);
	assert_false(starts_get(starts, id, &start_ms));
	assert_false(starts_get(starts, UINT32_MAX, &start_ms));
}

static void too_many_labels_of_an_exemplar_are_no_error(void **state)
{
	uint32_t references[40];

	write_body_v2_labels(&second, &series, "__name__=latency");
	write_body_reset(&series);
	write_body_v2_reset(&second);
	write_body_v2_labels(&second, &series, "__name__=latency");
	write_body_v2_sample(&series, NOW_MS, 1, 0);
	for (int i = 0; i < 40; i++)
		references[i] = write_body_v2_symbol(&second, "x");
	write_body_reset(&part);
	write_body_v2_references(&part, 1, references, 40);
	write_body_number(&part, 3, NOW_MS);
	write_body_field(&series, 4, part.bytes, part.size);
	write_body_v2_series(&second, &series);
	write_body_snappy(&second.body, &block);
	assert_int_equal(ingest_request(ingest, V2, NULL, block.bytes, block.size, &counts, &error),
		STATUS_OK);
	assert_int_equal(counts.exemplar_results[RECORD_NO_ROOM], 1);
}

static void the_replica_is_out_before_selectors_are_asked(void **state)
{
	int64_t t_ms;

	teardown(state);
	ha = true;
	open_all();
	for (int version = 1; version <= 2; version++) {
		for (int round = 0; round < 2; round++) {
			put_example(NOW_MS + version * 10 + round);
			assert_int_equal(send_part(version,
						 "__name__=latency,__replica__=a,cluster=one",
						 false),
				STATUS_OK);
			assert_int_equal(counts.histogram_results[RECORD_STORED], 1);
			assert_int_equal(send_part(version,
						 "__name__=latency,__replica__=b,cluster=one",
						 false),
				STATUS_OK);
			assert_int_equal(counts.histogram_results[RECORD_STORED], 0);
			assert_int_equal(counts.histograms_written, 1);
		}
	}
	assert_int_equal(kept_of("latency{__replica__=\"\"}", &t_ms), 4);
	assert_int_equal(series_in_store(), 1);
}

static void memory_that_runs_out_decides_nothing_for_good(void **state)
{
	for (int version = 1; version <= 2; version++) {
		bool reached = true;
		for (long nth = 1; reached; nth++) {
			enum status status;
			int64_t t_ms;
			teardown(state);
			open_all();
			put_example(NOW_MS);
			/* The body is made before faults are injected. */
			assert_int_equal(send_part(version, "__name__=other", false), STATUS_OK);
			put_example(NOW_MS);
			mem_fail_after(nth, false);
			status = send_part(version, "__name__=latency", false);
			reached = mem_fail_after(0, false);
			assert_true(status == STATUS_OK || (reached && status == STATUS_NO_MEMORY));
			assert_int_equal(send_part(version, "__name__=latency", false), STATUS_OK);
			assert_int_equal(kept_of("latency", &t_ms), 1);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_histogram_arrives_bucket_by_bucket),
		TEST(a_histogram_that_is_sent_again_counts_as_written),
		TEST(what_nobody_asks_for_is_accepted_and_not_kept),
		TEST(histograms_beside_samples_are_both_kept),
		TEST(float_histograms_and_unpacked_numbers_are_read),
		TEST(custom_bounds_are_read_and_quantiles_follow),
		TEST(stale_markers_are_kept_as_such),
		TEST(starts_come_from_the_histogram_or_its_series),
		TEST(what_cannot_be_a_histogram_is_refused_by_name),
		TEST(exemplars_are_kept_with_their_labels),
		TEST(exemplars_that_cannot_be_kept_leave_the_sample),
		TEST(the_start_of_the_newest_sample_is_known),
		TEST(too_many_labels_of_an_exemplar_are_no_error),
		TEST(the_replica_is_out_before_selectors_are_asked),
		TEST(memory_that_runs_out_decides_nothing_for_good),
	};

	return cmocka_run_group_tests_name("ingest_records", tests, NULL, NULL);
}
