/*
 * Requests of remote write 1.0 against a real store: what lands there, what is refused with which
 * words, and that nothing a sender does costs more than it may.
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
#include "tests/support/write_body.h"

#define NOW_MS INT64_C(1700000000000)
#define POINTS_MAX 4096

static const struct ingest_limits limits = {
	.body_max = 1 << 20,
	.decoded_max = 1 << 20,
	.labels_max = 16,
	.label_name_max = 32,
	.label_value_max = 64,
	.series_max = 300,
};

static struct clock_manual manual;
static struct store *store;
static struct ingest *ingest;
static struct write_body request, series, block;
static struct ingest_counts counts;
static struct error error;

static void open_store(uint32_t series_max)
{
	const struct store_limits store_limits = {
		.memory_max = 64 << 20,
		.series_max = series_max,
		.retention_ms = 3600 * 1000,
		.interval_ms = 15 * 1000,
		.ended_keep_ms = 600 * 1000,
		.future_max_ms = 600 * 1000,
	};

	clock_manual_init(&manual, NOW_MS);
	store = store_open(&store_limits, &manual.clock, &error);
	assert_non_null(store);
	ingest = ingest_open(store, &limits, &error);
	assert_non_null(ingest);
	write_body_reset(&request);
	write_body_reset(&series);
}

static int setup(void **state)
{
	open_store(1000);
	return 0;
}

static int teardown(void **state)
{
	mem_fail_after(0, false);
	ingest_close(ingest);
	store_close(store);
	return 0;
}

static enum status send_block(const void *bytes, size_t size)
{
	/* A block of exactly its size, so that AddressSanitizer sees a read past the end. */
	void *copy = mem_alloc(size);
	enum status status;

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	error_reset(&error);
	status = ingest_request(ingest, "application/x-protobuf", "snappy", copy, size, &counts,
		&error);
	mem_free(copy);
	return status;
}

static enum status send(void)
{
	write_body_snappy(&request, &block);
	return send_block(block.bytes, block.size);
}

static void assert_says(const char *part)
{
	if (strstr(error.text, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error.text, part);
	assert_null(strchr(error.text, '\n'));
}

static uint64_t series_in_store(void)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.series;
}

/* The id of the series that prints like this; fails the test when there is none. */
static uint32_t series_named(const char *name)
{
	struct store_selection selection;
	struct matchers matchers;
	uint32_t found = STORE_NO_SERIES;

	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, name, &error), STATUS_OK);
	assert_int_equal(store_select(store, &matchers, 1000, &selection, &error), STATUS_OK);
	for (size_t i = 0; i < selection.count; i++) {
		struct labels labels;
		struct buf text;
		buf_init(&text, 4096);
		assert_int_equal(store_labels(store, selection.series[i], &labels), STATUS_OK);
		labels_write(&text, &labels);
		if (strcmp(text.data, name) == 0)
			found = selection.series[i];
		labels_fini(&labels);
		buf_fini(&text);
	}
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	if (found == STORE_NO_SERIES)
		fail_msg("no series %s", name);
	return found;
}

static size_t points_of(const char *name, struct store_point *points)
{
	return store_window(store, series_named(name), INT64_MIN, INT64_MAX, points, POINTS_MAX);
}

static void one_sample_lands_in_the_store(void **state)
{
	struct store_point points[POINTS_MAX];

	write_body_simple(&request, "__name__=up,job=a", NOW_MS, 1.5);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(counts.series, 1);
	assert_int_equal(counts.samples, 1);
	assert_int_equal(counts.results[APPEND_STORED], 1);
	assert_int_equal(counts.decoded_bytes, request.size);
	assert_int_equal(points_of("up{job=\"a\"}", points), 1);
	assert_int_equal(points[0].t_ms, NOW_MS);
	assert_true(points[0].value == 1.5);
}

static void a_resent_request_changes_nothing_and_is_no_error(void **state)
{
	struct store_point points[POINTS_MAX];

	write_body_simple(&request, "__name__=up,job=a", NOW_MS, 1);
	write_body_simple(&request, "__name__=up,job=b", NOW_MS, 0);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(counts.results[APPEND_REPEATED], 2);
	assert_int_equal(counts.results[APPEND_STORED], 0);
	assert_int_equal(points_of("up{job=\"a\"}", points), 1);
	assert_int_equal(series_in_store(), 2);
}

static void late_conflicting_and_future_samples_are_counted_and_no_error(void **state)
{
	write_body_simple(&request, "__name__=up,job=a", NOW_MS, 1);
	write_body_simple(&request, "__name__=up,job=a", NOW_MS - 1000, 1);
	write_body_simple(&request, "__name__=up,job=a", NOW_MS, 2);
	write_body_simple(&request, "__name__=up,job=a", NOW_MS + 3600 * 1000, 1);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(counts.samples, 4);
	assert_int_equal(counts.results[APPEND_STORED], 1);
	assert_int_equal(counts.results[APPEND_LATE], 1);
	assert_int_equal(counts.results[APPEND_CONFLICT], 1);
	assert_int_equal(counts.results[APPEND_FUTURE], 1);
}

static void the_stale_marker_is_told_from_another_nan_by_its_bits(void **state)
{
	struct store_point points[POINTS_MAX];
	uint64_t bits = STORE_STALE_BITS;
	double stale;

	memcpy(&stale, &bits, sizeof(stale));
	write_body_simple(&request, "__name__=up,job=a", NOW_MS - 2, 1);
	write_body_simple(&request, "__name__=up,job=a", NOW_MS - 1, NAN);
	write_body_simple(&request, "__name__=up,job=a", NOW_MS, stale);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(counts.results[APPEND_STORED], 2);
	assert_int_equal(counts.results[APPEND_STALE_MARKER], 1);
	assert_int_equal(points_of("up{job=\"a\"}", points), 3);
	assert_false(store_is_stale(points[1].value));
	assert_true(isnan(points[1].value));
	assert_memory_equal(&points[2].value, &bits, sizeof(bits));
}

static void many_samples_of_a_series_arrive_in_order(void **state)
{
	struct store_point points[POINTS_MAX];
	const size_t count = 2500; /* several batches */

	write_body_label(&series, "__name__", "up");
	write_body_label(&series, "job", "a");
	for (size_t i = 0; i < count; i++)
		write_body_sample(&series, NOW_MS - 100000 + (int64_t)i, (double)i);
	write_body_series(&request, &series);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(counts.series, 1);
	assert_int_equal(counts.results[APPEND_STORED], count);
	assert_int_equal(points_of("up{job=\"a\"}", points), count);
	for (size_t i = 0; i < count; i++)
		assert_true(points[i].value == (double)i);
}

static void known_and_new_series_mix_without_losing_order(void **state)
{
	struct store_point points[POINTS_MAX];
	char name[64];

	for (int round = 0; round < 3; round++) {
		write_body_reset(&request);
		for (int i = 0; i < 200; i++) {
			/* Each round brings ten new ones, and each series twice. */
			snprintf(name, sizeof(name), "__name__=up,job=j%d", i % 90 + round * 10);
			write_body_simple(&request, name, NOW_MS - 1000 + round * 200 + i, i);
		}
		assert_int_equal(send(), STATUS_OK);
		assert_int_equal(counts.results[APPEND_STORED], 200);
		assert_int_equal(counts.series, 200);
	}
	assert_int_equal(series_in_store(), 110);
	assert_int_equal(points_of("up{job=\"j50\"}", points), 6);
}

static void values_and_times_that_are_left_out_are_zero(void **state)
{
	struct store_point points[POINTS_MAX];

	write_body_simple(&request, "__name__=zero,job=a", NOW_MS, 0);
	write_body_simple(&request, "__name__=early,job=a", 0, 7);
	write_body_simple(&request, "__name__=both,job=a", 0, 0);
	write_body_simple(&request, "__name__=negative,job=a", -5, 1);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(counts.results[APPEND_STORED], 4);
	assert_int_equal(points_of("zero{job=\"a\"}", points), 1);
	assert_true(points[0].t_ms == NOW_MS && points[0].value == 0);
	assert_int_equal(points_of("early{job=\"a\"}", points), 1);
	assert_true(points[0].t_ms == 0 && points[0].value == 7);
	assert_int_equal(points_of("both{job=\"a\"}", points), 1);
	assert_true(points[0].t_ms == 0 && points[0].value == 0);
	assert_int_equal(points_of("negative{job=\"a\"}", points), 1);
	assert_true(points[0].t_ms == -5 && points[0].value == 1);
}

/* The parts of one TimeSeries in an order that the writer chooses. */
static void send_arranged(const char *order, int64_t t_ms)
{
	write_body_reset(&request);
	write_body_reset(&series);
	for (const char *at = order; *at != '\0'; at++) {
		if (*at == 'n')
			write_body_label(&series, "__name__", "up");
		else if (*at == 'i')
			write_body_label(&series, "instance", "x");
		else if (*at == 'j')
			write_body_label(&series, "job", "a");
		else if (*at == 'e')
			write_body_label(&series, "empty", "");
		else if (*at == 'u')
			write_body_field(&series, 99, "unknown", 7);
		else
			write_body_sample(&series, t_ms, 1);
	}
	write_body_series(&request, &series);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(counts.results[APPEND_STORED], 1);
}

static void the_order_of_fields_and_labels_does_not_make_another_series(void **state)
{
	static const char *const orders[] = {"nijs", "snij", "nsij", "jnis", "jis", "niujs",
		"unijs", "nijsu", "neijs", "snuij"};
	struct store_point points[POINTS_MAX];

	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < 10; i++)
			if (i != 4)
				send_arranged(orders[i], NOW_MS + (int64_t)(round * 10 + i));
	assert_int_equal(series_in_store(), 1);
	assert_int_equal(points_of("up{instance=\"x\",job=\"a\"}", points), 18);
	/* Without a metric name it is another one, and a good one. */
	send_arranged(orders[4], NOW_MS);
	assert_int_equal(series_in_store(), 2);
}

static void a_label_that_ends_like_a_sample_is_still_a_label(void **state)
{
	/* The bytes of a sample, time and all, as the end of a value. */
	static const char tail[] = "x\x12\x07\x10\x80\xd0\x95\xff\xbc\x31";
	struct store_point points[POINTS_MAX];

	/* Not UTF-8, so that the set is refused, whole: the guess must not find a series in it. */
	write_body_simple(&request, "__name__=up,job=x", NOW_MS, 1);
	assert_int_equal(send(), STATUS_OK);
	write_body_reset(&request);
	write_body_label(&series, "__name__", "up");
	write_body_label(&series, "job", tail);
	write_body_series(&request, &series);
	assert_int_equal(send(), STATUS_BAD_INPUT);
	assert_int_equal(counts.samples, 0);
	assert_int_equal(points_of("up{job=\"x\"}", points), 1);
}

static void samples_before_and_after_a_known_label_run_are_not_lost(void **state)
{
	struct store_point points[POINTS_MAX];

	for (int round = 0; round < 2; round++) {
		write_body_reset(&request);
		write_body_reset(&series);
		write_body_sample(&series, NOW_MS + round * 10, 1);
		write_body_label(&series, "__name__", "up");
		write_body_label(&series, "job", "a");
		write_body_sample(&series, NOW_MS + round * 10 + 1, 2);
		write_body_series(&request, &series);
		assert_int_equal(send(), STATUS_OK);
	}
	assert_int_equal(points_of("up{job=\"a\"}", points), 4);
	assert_true(points[2].t_ms == NOW_MS + 10 && points[3].value == 2);
}

struct bad_labels {
	const char *labels, *reason, *says, *and_says;
};

static void invalid_labels_are_refused_by_name_and_the_rest_is_kept(void **state)
{
	static const struct bad_labels cases[] = {
		{"", "no_labels", "a series has no labels", ""},
		{"job=", "no_labels", "a series has no labels", ""},
		{"__name__=up,=x", "empty_label_name", "series up{", "empty name"},
		{"__name__=up,job=a,job=b", "repeated_label_name", "label \"job\" is there twice",
			"series up{job=\"a\",job=\"b\"}"},
		{"__name__=up,job=a,job=", "repeated_label_name", "label \"job\" is there twice",
			"series up{"},
		{"__name__=up,job=a,instance=x,job=b", "repeated_label_name", "label \"job\"",
			"series up{"},
		{"__name__=up,a-b=1", "label_name", "label \"a-b\"", "[a-zA-Z_][a-zA-Z0-9_]*"},
		{"__name__=up,9a=1", "label_name", "label \"9a\"", "series up{"},
		{"__name__=up,a.b=", "label_name", "label \"a.b\"", "series up{"},
		{"__name__=a b,job=x", "metric_name", "label \"__name__\"",
			"series a b{job=\"x\"}"},
		{"__name__=up,job=\xff\xfe", "label_value_utf8", "label \"job\"",
			"series up{job=\"\\xff\\xfe\"}"},
		{"__name__=up,job=\xc3", "label_value_utf8", "not UTF-8", "\\xc3"},
		{"__name__=up,job=abc\xff"
		 "efghijkl",
			"label_value_utf8", "not UTF-8", "\\xff"},
		{"__name__=up,a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1,l=1,m=1,n=1,o=1,p=1",
			"label_count", "17 labels are too many, the limit is 16", "series up{"},
		{"__name__=up,abcdefghijklmnopqrstuvwxyzabcdefg=1", "label_size",
			"its name has 33 bytes, the limit is 32", "series up{"},
		{"__name__=up,job="
		 "0123456789012345678901234567890123456789012345678901234567890123456789",
			"label_size", "its value has 70 bytes, the limit is 64", "series up{"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double before = metrics_get(METRIC_RW_INVALID, cases[i].reason);
		int64_t t_ms = NOW_MS + (int64_t)i;
		write_body_reset(&request);
		write_body_simple(&request, "__name__=first,job=a", t_ms, 1);
		write_body_simple(&request, cases[i].labels, t_ms, 1);
		write_body_simple(&request, "__name__=last,job=a", t_ms, 1);
		assert_int_equal(send(), STATUS_BAD_INPUT);
		assert_says(cases[i].says);
		assert_says(cases[i].and_says);
		assert_int_equal(counts.series, 3);
		assert_int_equal(counts.invalid_series, 1);
		assert_int_equal(counts.results[APPEND_STORED], 2);
		assert_true(metrics_get(METRIC_RW_INVALID, cases[i].reason) == before + 1);
	}
	assert_int_equal(series_in_store(), 2);
}

static void the_answer_names_the_first_bad_series_and_counts_the_others(void **state)
{
	write_body_simple(&request, "__name__=one,a-b=1", NOW_MS, 1);
	write_body_simple(&request, "__name__=two,c-d=1", NOW_MS, 1);
	write_body_simple(&request, "__name__=three,job=a", NOW_MS, 1);
	assert_int_equal(send(), STATUS_BAD_INPUT);
	assert_says("series one{a-b=\"1\"}: label \"a-b\"");
	assert_says("2 series of the request were refused");
	assert_int_equal(counts.results[APPEND_STORED], 1);
}

static void hostile_text_is_cut_and_escaped_in_the_answer(void **state)
{
	write_body_label(&series, "__name__", "up");
	write_body_label(&series, "a\nb\"", "line\nfeed\x01");
	for (int i = 0; i < 10; i++)
		write_body_label(&series, "some_long_label_name",
			"a value of many words that goes on and on");
	write_body_series(&request, &series);
	assert_int_equal(send(), STATUS_BAD_INPUT);
	assert_says("a\\nb\\\"");
	assert_says("...}");
	assert_says("does not match");
}

static void empty_values_are_absent_labels(void **state)
{
	struct store_point points[POINTS_MAX];

	write_body_simple(&request, "__name__=up,job=a,zone=", NOW_MS, 1);
	write_body_simple(&request, "__name__=,job=nameless", NOW_MS, 1);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(points_of("up{job=\"a\"}", points), 1);
	assert_int_equal(points_of("{job=\"nameless\"}", points), 1);
}

static void exemplars_histograms_and_metadata_are_counted_and_make_no_series(void **state)
{
	static const char histogram[] =
		"08 05"                      /* count_int */
		"19 0000000000000840"        /* sum */
		"20 06"                      /* schema 3 */
		"29 0000000000000000 30 00"  /* zero_threshold, zero_count_int */
		"42 04 08 03 10 02"          /* negative span */
		"48 02 48 03"                /* negative deltas, unpacked */
		"52 08 000000000000f03f"     /* negative counts, packed */
		"5a 04 08 03 10 02"          /* positive span */
		"62 02 02 03"                /* positive deltas, packed */
		"69 000000000000f03f"        /* positive counts, unpacked */
		"70 03 78 e807"              /* reset hint, timestamp */
		"82 01 08 000000000000f03f"; /* custom values */
	struct write_body *part = &block;

	write_body_label(&series, "__name__", "hist");
	write_body_reset(part);
	write_body_hex(part, histogram);
	write_body_field(&series, 4, part->bytes, part->size);
	write_body_series(&request, &series);

	write_body_reset(&series);
	write_body_label(&series, "__name__", "with_exemplar");
	write_body_reset(part);
	write_body_hex(part, "0a 0a 0a 05 7472616365 12 01 78 11 000000000000f03f 18 e807");
	write_body_field(&series, 3, part->bytes, part->size);
	write_body_series(&request, &series);

	write_body_hex(&request, "1a 0b 08 01 12 02 7570 22 01 68 2a 00");
	write_body_hex(&request, "1a 02 12 00");
	write_body_hex(&request, "a2 06 01 78"); /* unknown field 100 */
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(counts.series, 2);
	assert_int_equal(counts.histograms, 1);
	assert_int_equal(counts.exemplars, 1);
	assert_int_equal(counts.metadata, 2);
	assert_int_equal(counts.samples, 0);
	assert_int_equal(series_in_store(), 0);
}

static void malformed_bytes_end_the_request_and_what_stood_before_is_kept(void **state)
{
	struct store_point points[POINTS_MAX];
	char says[64];
	size_t start;

	write_body_simple(&request, "__name__=one,job=a", NOW_MS, 1);
	write_body_simple(&request, "__name__=two,job=a", NOW_MS, 1);
	start = request.size;
	/* A sample whose value is cut off, in a frame that is whole. */
	write_body_hex(&request, "0a 0a 12 08 09 00 00 00 00 00 00 00");
	write_body_simple(&request, "__name__=three,job=a", NOW_MS, 1);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(send(), STATUS_BAD_INPUT);
		snprintf(says, sizeof(says), "malformed at byte %zu ", start + 5);
		assert_says(says);
		assert_says("(time series 3): a 64-bit value is cut off");
		assert_int_equal(counts.series, 2);
		assert_int_equal(counts.results[round == 0 ? APPEND_STORED : APPEND_REPEATED], 2);
	}
	assert_int_equal(series_in_store(), 2);
	assert_int_equal(points_of("two{job=\"a\"}", points), 1);
}

static void nothing_after_malformed_bytes_is_taken(void **state)
{
	char name[64];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "__name__=up,job=j%d", i);
		write_body_simple(&request, name, NOW_MS, 1);
		if (i == 9)
			write_body_hex(&request, "0a 02 12 05");
	}
	assert_int_equal(send(), STATUS_BAD_INPUT);
	assert_int_equal(counts.samples, 10);
	assert_int_equal(counts.series, 10);
	assert_int_equal(series_in_store(), 10);
}

static void known_labels_do_not_hide_that_what_follows_is_no_sample(void **state)
{
	/* The two forms that the guess looks for, with lengths that say something else. */
	static const char *const tails[] = {
		"12 08 10 80d095ffbc31",
		"12 06 10 80d095ffbc31",
		"12 11 09 000000000000f03f 10 80d095ffbc31",
		"12 0f 09 000000000000f03f 10 80d095ffbc31",
		"1a 07 10 80d095ffbc31",
		"12 07 08 80d095ffbc31",
	};

	write_body_simple(&request, "__name__=up,job=a", NOW_MS - 1, 1);
	assert_int_equal(send(), STATUS_OK);
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		write_body_reset(&request);
		write_body_reset(&series);
		write_body_label(&series, "__name__", "up");
		write_body_label(&series, "job", "a");
		write_body_hex(&series, tails[i]);
		write_body_series(&request, &series);
		assert_int_equal(send(), STATUS_BAD_INPUT);
		assert_says("malformed");
		assert_int_equal(counts.samples, 0);
	}
}

static void a_body_cut_anywhere_keeps_the_whole_series_before_the_cut(void **state)
{
	const size_t series_count = 70;
	size_t ends[70], whole;

	for (size_t i = 0; i < series_count; i++) {
		char name[64];
		snprintf(name, sizeof(name), "__name__=up,job=j%zu", i);
		write_body_simple(&request, name, NOW_MS, 1);
		ends[i] = request.size;
	}
	whole = request.size;
	for (size_t size = 0; size < whole; size += size < whole - 100 ? 37 : 1) {
		size_t before = 0;
		bool at_end = size == 0;
		for (size_t i = 0; i < series_count; i++) {
			before += ends[i] <= size;
			at_end = at_end || ends[i] == size;
		}
		request.size = size;
		assert_int_equal(send(), at_end ? STATUS_OK : STATUS_BAD_INPUT);
		assert_int_equal(counts.series, before);
		assert_int_equal(counts.samples, before);
	}
}

static void a_block_that_ends_badly_leaves_nothing_behind(void **state)
{
	char labels[64];

	for (int i = 0; i < 250; i++) {
		(void)snprintf(labels, sizeof(labels), "__name__=m,pod=p-%d,job=some-job", i);
		write_body_simple(&request, labels, NOW_MS, i);
	}
	write_body_snappy(&request, &block);
	for (size_t cut = 1; cut < 8; cut++) {
		assert_int_equal(send_block(block.bytes, block.size - cut), STATUS_BAD_INPUT);
		assert_int_equal(counts.series, 0);
		assert_int_equal(counts.samples, 0);
	}
	assert_int_equal(series_in_store(), 0);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(counts.results[APPEND_STORED], 250);
}

/* More series than are read while the body is uncompressed, twice in another order of fields, and
 * metadata in the midst, which ends the reading ahead. */
static void a_body_of_many_series_is_taken_as_a_whole(void **state)
{
	enum { MANY = 3000 };
	struct ingest_limits wide = limits;
	char labels[64];

	ingest_close(ingest);
	store_close(store);
	open_store(2 * MANY);
	ingest_close(ingest);
	wide.series_max = MANY;
	ingest = ingest_open(store, &wide, &error);
	assert_non_null(ingest);
	for (int round = 0; round < 6; round++) {
		int metadata_at = round < 3 ? MANY : (round - 2) * 700;

		write_body_reset(&request);
		for (int i = 0; i < MANY; i++) {
			if (i == metadata_at)
				write_body_field(&request, 3, "\x08\x01\x12\x01m", 5);
			(void)snprintf(labels, sizeof(labels), "__name__=m,pod=p-%d",
				i + round % 3 * 7);
			write_body_simple(&request, labels, NOW_MS + round * 15000, i);
		}
		assert_int_equal(send(), STATUS_OK);
		assert_int_equal(counts.series, MANY);
		assert_int_equal(counts.results[APPEND_STORED], MANY);
		assert_int_equal(counts.metadata, round >= 3);
	}
	assert_int_equal(series_in_store(), MANY + 14);
}

static void malformed_labels_of_an_unknown_series_are_malformed_bytes(void **state)
{
	write_body_simple(&request, "__name__=one,job=a", NOW_MS, 1);
	/* A label whose name claims four bytes where one is left. */
	write_body_hex(&request, "0a 0c 0a 03 0a 04 61 12 05 10 80 80 80 01");
	assert_int_equal(send(), STATUS_BAD_INPUT);
	assert_says("a length points past the end");
	assert_says("(time series 2)");
	assert_int_equal(counts.samples, 1);
	/* A group, in the request itself. */
	write_body_reset(&request);
	write_body_hex(&request, "0b 0c");
	assert_int_equal(send(), STATUS_BAD_INPUT);
	assert_says("byte 0 ");
	assert_says("groups");
}

static void a_full_store_refuses_new_series_and_takes_samples_of_known_ones(void **state)
{
	teardown(state);
	open_store(2);
	write_body_simple(&request, "__name__=one,job=a", NOW_MS, 1);
	write_body_simple(&request, "__name__=two,job=a", NOW_MS, 1);
	write_body_simple(&request, "__name__=three,job=a", NOW_MS, 1);
	write_body_simple(&request, "__name__=one,job=a", NOW_MS + 1, 1);
	assert_int_equal(send(), STATUS_LIMIT);
	assert_says("series three{job=\"a\"}");
	assert_int_equal(counts.invalid_series, 1);
	assert_int_equal(counts.results[APPEND_STORED], 3);
	assert_int_equal(series_in_store(), 2);
}

static void requests_are_counted_by_outcome(void **state)
{
	double ok = metrics_get(METRIC_RW_REQUESTS, "ok");
	double bad = metrics_get(METRIC_RW_REQUESTS, "bad_input");
	double bytes = metrics_get(METRIC_RW_BYTES);
	double decoded = metrics_get(METRIC_RW_DECODED_BYTES);
	double stored = metrics_get(METRIC_RW_SAMPLES, "stored");

	write_body_simple(&request, "__name__=one,job=a", NOW_MS, 1);
	assert_int_equal(send(), STATUS_OK);
	assert_true(metrics_get(METRIC_RW_BYTES) == bytes + (double)block.size);
	assert_true(metrics_get(METRIC_RW_DECODED_BYTES) == decoded + (double)request.size);
	write_body_simple(&request, "a-b=c", NOW_MS, 1);
	assert_int_equal(send(), STATUS_BAD_INPUT);
	assert_true(metrics_get(METRIC_RW_REQUESTS, "ok") == ok + 1);
	assert_true(metrics_get(METRIC_RW_REQUESTS, "bad_input") == bad + 1);
	assert_true(metrics_get(METRIC_RW_SAMPLES, "stored") == stored + 1);
}

/* Ten series, one of them with scattered labels, each with a few samples. */
static void write_sweep_body(void)
{
	char name[64];

	write_body_reset(&request);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "__name__=up,job=j%d", i);
		for (int k = 0; k < 3; k++)
			write_body_simple(&request, name, NOW_MS + k, i + k);
	}
	write_body_reset(&series);
	write_body_label(&series, "__name__", "scattered");
	write_body_sample(&series, NOW_MS, 1);
	write_body_label(&series, "job", "a");
	write_body_series(&request, &series);
}

static void memory_that_runs_out_breaks_no_later_resend(void **state)
{
	bool reached = true;
	long failures = 0;

	for (long nth = 1; reached; nth++) {
		struct store_point points[POINTS_MAX];
		enum status status;
		teardown(state);
		open_store(1000);
		write_sweep_body();
		write_body_snappy(&request, &block);
		mem_fail_after(nth, false);
		error_reset(&error);
		status = ingest_request(ingest, NULL, NULL, block.bytes, block.size, &counts,
			&error);
		reached = mem_fail_after(0, false);
		assert_true(status == STATUS_OK || (reached && status == STATUS_NO_MEMORY));
		if (status == STATUS_NO_MEMORY) {
			failures++;
			assert_true(error.text[0] != '\0');
		}
		assert_int_equal(send(), STATUS_OK);
		assert_int_equal(series_in_store(), 11);
		assert_int_equal(points_of("up{job=\"j7\"}", points), 3);
		assert_true(points[2].value == 9);
		assert_int_equal(points_of("scattered{job=\"a\"}", points), 1);
	}
	assert_true(failures >= 2);
}

static void opening_without_memory_is_an_answer(void **state)
{
	for (long nth = 1;; nth++) {
		struct ingest *other;
		mem_fail_after(nth, false);
		error_reset(&error);
		other = ingest_open(store, &limits, &error);
		if (!mem_fail_after(0, false) || other != NULL) {
			ingest_close(other);
			if (nth > 1)
				return;
			continue;
		}
		assert_int_equal(error.code, STATUS_NO_MEMORY);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_sample_lands_in_the_store),
		TEST(a_resent_request_changes_nothing_and_is_no_error),
		TEST(late_conflicting_and_future_samples_are_counted_and_no_error),
		TEST(the_stale_marker_is_told_from_another_nan_by_its_bits),
		TEST(many_samples_of_a_series_arrive_in_order),
		TEST(known_and_new_series_mix_without_losing_order),
		TEST(values_and_times_that_are_left_out_are_zero),
		TEST(the_order_of_fields_and_labels_does_not_make_another_series),
		TEST(a_label_that_ends_like_a_sample_is_still_a_label),
		TEST(samples_before_and_after_a_known_label_run_are_not_lost),
		TEST(invalid_labels_are_refused_by_name_and_the_rest_is_kept),
		TEST(the_answer_names_the_first_bad_series_and_counts_the_others),
		TEST(hostile_text_is_cut_and_escaped_in_the_answer),
		TEST(empty_values_are_absent_labels),
		TEST(exemplars_histograms_and_metadata_are_counted_and_make_no_series),
		TEST(malformed_bytes_end_the_request_and_what_stood_before_is_kept),
		TEST(nothing_after_malformed_bytes_is_taken),
		TEST(known_labels_do_not_hide_that_what_follows_is_no_sample),
		TEST(a_body_cut_anywhere_keeps_the_whole_series_before_the_cut),
		TEST(a_block_that_ends_badly_leaves_nothing_behind),
		TEST(a_body_of_many_series_is_taken_as_a_whole),
		TEST(malformed_labels_of_an_unknown_series_are_malformed_bytes),
		TEST(a_full_store_refuses_new_series_and_takes_samples_of_known_ones),
		TEST(requests_are_counted_by_outcome),
		TEST(memory_that_runs_out_breaks_no_later_resend),
		TEST(opening_without_memory_is_an_answer),
	};

	return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
