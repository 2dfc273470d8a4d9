/*
 * Requests of remote write 2.0 against a real store: what lands there, what is refused with which
 * words, what is told as written.
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
#include "remote_write/encode.h"
#include "remote_write/ingest.h"
#include "tests/support/write_body.h"

#define NOW_MS INT64_C(1700000000000)
#define V1 "application/x-protobuf"
#define V2 "application/x-protobuf;proto=io.prometheus.write.v2.Request"
#define POINTS_MAX 4096

static const struct ingest_limits limits = {
	.body_max = 1 << 20,
	.decoded_max = 1 << 20,
	.labels_max = 16,
	.label_name_max = 32,
	.label_value_max = 64,
	.series_max = 300,
	.symbols_max = 2000,
};

static struct clock_manual manual;
static struct store *store;
static struct ingest *ingest;
static struct write_body_v2 request;
static struct write_body series, part, block;
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
	write_body_v2_reset(&request);
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

static enum status send_as(const char *type, const struct write_body *body)
{
	void *copy;
	enum status status;

	/* A block of exactly its size, so that AddressSanitizer sees a read past the end. */
	write_body_snappy(body, &block);
	copy = mem_alloc(block.size);
	assert_non_null(copy);
	memcpy(copy, block.bytes, block.size);
	error_reset(&error);
	status = ingest_request(ingest, type, "snappy", copy, block.size, &counts, &error);
	mem_free(copy);
	return status;
}

static enum status send(void)
{
	return send_as(V2, &request.body);
}

static void assert_says(const char *words)
{
	if (strstr(error.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error.text, words);
	assert_null(strchr(error.text, '\n'));
}

static uint64_t series_in_store(void)
{
	struct store_stats stats;

	store_stats(store, &stats);
	return stats.series;
}

static size_t points_of(const char *selector, struct store_point *points)
{
	struct store_selection selection;
	struct matchers matchers;
	size_t count;

	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, selector, &error), STATUS_OK);
	assert_int_equal(store_select(store, &matchers, 1000, &selection, &error), STATUS_OK);
	if (selection.count != 1)
		fail_msg("%zu series match %s", selection.count, selector);
	count = store_window(store, selection.series[0], INT64_MIN, INT64_MAX, points, POINTS_MAX);
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	return count;
}

static void one_sample_lands_in_the_store(void **state)
{
	struct store_point points[POINTS_MAX];

	/* First as a new series, then as a known one. */
	for (int round = 0; round < 3; round++) {
		write_body_v2_reset(&request);
		write_body_v2_simple(&request, "__name__=up,job=a", NOW_MS + round, round);
		assert_int_equal(send(), STATUS_OK);
		assert_int_equal(counts.series, 1);
		assert_int_equal(counts.results[APPEND_STORED], 1);
		assert_int_equal(counts.samples_written, 1);
		assert_true(counts.tell_written);
	}
	assert_int_equal(points_of("up{job=\"a\"}", points), 3);
	assert_int_equal(points[2].t_ms, NOW_MS + 2);
	assert_true(points[2].value == 2);
	assert_int_equal(series_in_store(), 1);
}

static void both_versions_write_to_the_same_series(void **state)
{
	struct store_point points[POINTS_MAX];
	static struct write_body first;

	for (int round = 0; round < 3; round++) {
		write_body_reset(&first);
		write_body_simple(&first, "__name__=up,instance=x,job=a", NOW_MS + round * 10, 1);
		assert_int_equal(send_as(V1, &first), STATUS_OK);
		assert_false(counts.tell_written);
		write_body_v2_reset(&request);
		write_body_v2_simple(&request, "__name__=up,instance=x,job=a",
			NOW_MS + round * 10 + 1, 2);
		assert_int_equal(send(), STATUS_OK);
		assert_int_equal(counts.results[APPEND_STORED], 1);
	}
	assert_int_equal(series_in_store(), 1);
	assert_int_equal(points_of("up", points), 6);
}

static void the_numbers_of_symbols_do_not_make_another_series(void **state)
{
	struct store_point points[POINTS_MAX];

	for (int round = 0; round < 40; round++) {
		write_body_v2_reset(&request);
		for (int i = 0; i < round * 10; i++)
			(void)write_body_v2_symbol(&request, "something else");
		write_body_v2_simple(&request, "__name__=up,job=a", NOW_MS + round, 1);
		assert_int_equal(send(), STATUS_OK);
	}
	/* Unsorted labels are the same set under another key. */
	write_body_v2_reset(&request);
	write_body_v2_simple(&request, "job=a,__name__=up,zone=", NOW_MS + 100, 1);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(series_in_store(), 1);
	assert_int_equal(points_of("up", points), 41);
}

static void names_and_values_in_other_places_are_other_series(void **state)
{
	static const char *const sets[] = {"__name__=up,a=b", "__name__=up,b=a", "__name__=a,up=b",
		"__name__=b,a=up", "__name__=up,a=up", "__name__=up", "a=b", "a=up"};

	for (int round = 0; round < 2; round++) {
		write_body_v2_reset(&request);
		for (size_t i = 0; i < 8; i++)
			write_body_v2_simple(&request, sets[i], NOW_MS + round, 1);
		assert_int_equal(send(), STATUS_OK);
		assert_int_equal(counts.results[APPEND_STORED], 8);
	}
	assert_int_equal(series_in_store(), 8);
}

static void symbols_may_stand_behind_the_series_that_use_them(void **state)
{
	static const uint32_t references[] = {1, 2};
	struct store_point points[POINTS_MAX];

	write_body_v2_references(&series, 1, references, 2);
	write_body_v2_sample(&series, NOW_MS, 7, 0);
	write_body_v2_series(&request, &series);
	(void)write_body_v2_symbol(&request, "__name__");
	(void)write_body_v2_symbol(&request, "up");
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(points_of("up", points), 1);
	assert_true(points[0].value == 7);
}

static void a_repeat_counts_as_written_and_what_came_too_late_does_not(void **state)
{
	write_body_v2_simple(&request, "__name__=up", NOW_MS, 1);
	write_body_v2_simple(&request, "__name__=up", NOW_MS, 1);
	write_body_v2_simple(&request, "__name__=up", NOW_MS - 1, 1);
	write_body_v2_simple(&request, "__name__=up", NOW_MS, 2);
	write_body_v2_simple(&request, "__name__=up", NOW_MS + 3600 * 1000, 1);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(counts.samples, 5);
	assert_int_equal(counts.results[APPEND_STORED], 1);
	assert_int_equal(counts.results[APPEND_REPEATED], 1);
	assert_int_equal(counts.results[APPEND_LATE], 1);
	assert_int_equal(counts.results[APPEND_CONFLICT], 1);
	assert_int_equal(counts.results[APPEND_FUTURE], 1);
	assert_int_equal(counts.samples_written, 2);
}

static void many_samples_of_a_series_arrive_in_order(void **state)
{
	struct store_point points[POINTS_MAX];

	write_body_v2_labels(&request, &series, "__name__=up,job=a");
	for (int i = 0; i < 2500; i++)
		write_body_v2_sample(&series, NOW_MS - 100000 + i, i, 0);
	write_body_v2_series(&request, &series);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(counts.samples_written, 2500);
	assert_int_equal(points_of("up", points), 2500);
	for (int i = 0; i < 2500; i++)
		assert_true(points[i].value == i);
}

static void names_may_be_any_utf_8(void **state)
{
	struct store_point points[POINTS_MAX];

	write_body_v2_simple(&request,
		"__name__=http.server.duration,service.name=w\xc3\xa4"
		"hrung,\xce\xbb=1",
		NOW_MS, 1);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(points_of("{\"http.server.duration\"}", points), 1);
}

static void invalid_labels_are_refused_by_name_and_the_rest_is_kept(void **state)
{
	static const struct {
		const char *labels, *reason, *says, *and_says;
	} cases[] = {
		{"", "no_labels", "a series has no labels", ""},
		{"job=", "no_labels", "a series has no labels", ""},
		{"__name__=up,=x", "empty_label_name", "series up{", "empty name"},
		{"__name__=up,job=a,job=b", "repeated_label_name", "label \"job\" is there twice",
			"series up{job=\"a\",job=\"b\"}"},
		{"__name__=up,job=a,instance=x,job=b", "repeated_label_name", "label \"job\"",
			"series up{"},
		{"__name__=up,job=\xff\xfe", "label_value_utf8", "label \"job\"",
			"series up{job=\"\\xff\\xfe\"}"},
		{"__name__=\xff,job=a", "label_value_utf8", "label \"__name__\"", "not UTF-8"},
		{"__name__=up,\xff=a", "label_name", "label \"\\xff\"", "not UTF-8"},
		{"__name__=up,a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1,j=1,k=1,l=1,m=1,n=1,o=1,p=1",
			"label_count", "17 labels are too many, the limit is 16", "series up{"},
		{"__name__=up,abcdefghijklmnopqrstuvwxyzabcdefg=1", "label_size",
			"its name has 33 bytes, the limit is 32", "series up{"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double before = metrics_get(METRIC_RW_INVALID, cases[i].reason);
		int64_t t_ms = NOW_MS + (int64_t)i;
		write_body_v2_reset(&request);
		write_body_v2_simple(&request, "__name__=first,job=a", t_ms, 1);
		write_body_v2_simple(&request, cases[i].labels, t_ms, 1);
		write_body_v2_simple(&request, "__name__=last,job=a", t_ms, 1);
		assert_int_equal(send(), STATUS_BAD_INPUT);
		assert_says(cases[i].says);
		assert_says(cases[i].and_says);
		assert_int_equal(counts.series, 3);
		assert_int_equal(counts.invalid_series, 1);
		assert_int_equal(counts.samples_written, 2);
		assert_true(metrics_get(METRIC_RW_INVALID, cases[i].reason) == before + 1);
	}
	assert_int_equal(series_in_store(), 2);
}

static void references_out_of_range_are_refused_by_name_and_the_rest_is_kept(void **state)
{
	static const struct {
		uint32_t references[6];
		size_t count;
		const char *says, *and_says;
	} cases[] = {
		{{1, 2, 3, 99}, 4, "label \"job\" refers to symbol 99 for its value",
			"series up{}: "},
		{{1, 2, 99, 4}, 4, "refers to symbol 99 for its name", "the request has 9"},
		{{1, 2, 3}, 3, "label \"job\" has no value", "odd"},
		{{99}, 1, "refers to symbol 99", "series {}"},
		{{1, 2, 3, UINT32_MAX}, 4, "symbol 4294967295", "series up{}"},
		{{1, 2, 3, 9}, 4, "refers to symbol 9 for its value, the request has 9", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double before = metrics_get(METRIC_RW_INVALID, "symbol");
		write_body_v2_reset(&request);
		write_body_v2_simple(&request, "__name__=up,job=first", NOW_MS + (int64_t)i, 1);
		write_body_reset(&series);
		write_body_v2_references(&series, 1, cases[i].references, cases[i].count);
		write_body_v2_sample(&series, NOW_MS, 1, 0);
		write_body_v2_series(&request, &series);
		write_body_v2_simple(&request, "__name__=up,job=last", NOW_MS + (int64_t)i, 1);
		assert_int_equal(send(), STATUS_BAD_INPUT);
		assert_says(cases[i].says);
		assert_says(cases[i].and_says);
		assert_int_equal(counts.invalid_series, 1);
		assert_int_equal(counts.samples_written, 2);
		assert_true(metrics_get(METRIC_RW_INVALID, "symbol") == before + 1);
	}
	assert_int_equal(series_in_store(), 2);
}

static void a_first_symbol_that_is_not_empty_refuses_all(void **state)
{
	static const uint32_t references[] = {0, 1};

	write_body_reset(&request.body);
	write_body_field(&request.body, 4, "__name__", 8);
	write_body_field(&request.body, 4, "up", 2);
	write_body_v2_references(&series, 1, references, 2);
	write_body_v2_sample(&series, NOW_MS, 1, 0);
	write_body_v2_series(&request, &series);
	assert_int_equal(send(), STATUS_BAD_INPUT);
	assert_says("first symbol");
	assert_int_equal(counts.samples_written, 0);
	assert_int_equal(series_in_store(), 0);
	/* Without any symbols there is no label to refer to. */
	write_body_reset(&request.body);
	write_body_v2_series(&request, &series);
	assert_int_equal(send(), STATUS_BAD_INPUT);
	assert_says("the request has 0");
}

static void symbols_past_the_limit_are_out_of_range(void **state)
{
	write_body_v2_simple(&request, "__name__=up,job=early", NOW_MS, 1);
	for (int i = 0; i < 2000; i++)
		(void)write_body_v2_symbol(&request, "x");
	write_body_v2_simple(&request, "__name__=up,job=late", NOW_MS, 1);
	assert_int_equal(send(), STATUS_LIMIT);
	assert_says("more than 2000 symbols");
	assert_int_equal(counts.samples_written, 1);
	assert_int_equal(counts.invalid_series, 1);
}

static void a_series_that_says_nothing_is_refused_by_name(void **state)
{
	for (int round = 0; round < 2; round++) {
		write_body_v2_reset(&request);
		write_body_reset(&series);
		write_body_v2_labels(&request, &series, "__name__=up,job=a");
		write_body_v2_series(&request, &series);
		write_body_v2_simple(&request, "__name__=up,job=a", NOW_MS + round, 1);
		assert_int_equal(send(), STATUS_BAD_INPUT);
		assert_says("series up{job=\"a\"}: neither samples nor histograms nor exemplars");
		assert_int_equal(counts.samples_written, 1);
	}
}

/* A message with references in field 1 and a time. */
static void put_exemplar(const uint32_t *references, size_t count)
{
	write_body_reset(&part);
	write_body_v2_references(&part, 1, references, count);
	write_body_double(&part, 2, 0.5);
	write_body_number(&part, 3, NOW_MS);
	write_body_field(&series, 4, part.bytes, part.size);
}

static void exemplars_and_metadata_that_refer_to_nothing_leave_the_samples(void **state)
{
	for (int kind = 0; kind < 4; kind++) {
		static const uint32_t good[] = {1, 2}, out[] = {1, 77}, odd[] = {1, 2, 3};
		write_body_v2_reset(&request);
		write_body_reset(&series);
		write_body_v2_labels(&request, &series, "__name__=up,job=a");
		write_body_v2_sample(&series, NOW_MS + kind, 1, 0);
		write_body_reset(&part);
		if (kind == 0) {
			put_exemplar(out, 2);
		} else if (kind == 1) {
			put_exemplar(odd, 3);
		} else if (kind == 2) {
			write_body_number(&part, 3, 77);
			write_body_field(&series, 5, part.bytes, part.size);
		} else {
			put_exemplar(good, 2);
			write_body_reset(&part);
			write_body_number(&part, 1, 1);
			write_body_number(&part, 3, 2);
			write_body_field(&series, 5, part.bytes, part.size);
		}
		write_body_v2_series(&request, &series);
		assert_int_equal(send(), kind == 3 ? STATUS_OK : STATUS_BAD_INPUT);
		if (kind < 3)
			assert_says("series up{job=\"a\"}: an exemplar");
		assert_int_equal(counts.samples_written, 1);
		assert_int_equal(counts.exemplars_written, kind == 3);
		assert_int_equal(counts.metadata, kind == 3);
	}
}

static void metadata_beside_a_sample_is_counted(void **state)
{
	for (int round = 0; round < 2; round++) {
		write_body_v2_reset(&request);
		write_body_reset(&series);
		write_body_v2_labels(&request, &series, "__name__=up,job=a");
		write_body_v2_sample(&series, NOW_MS + round, 1, NOW_MS - 5);
		write_body_reset(&part);
		write_body_number(&part, 1, 2);
		write_body_number(&part, 3, 1);
		write_body_number(&part, 4, 0);
		write_body_field(&series, 5, part.bytes, part.size);
		write_body_v2_series(&request, &series);
		assert_int_equal(send(), STATUS_OK);
		assert_int_equal(counts.metadata, 1);
		assert_int_equal(counts.samples_written, 1);
	}
}

static void exemplars_alone_make_no_series(void **state)
{
	static const uint32_t references[] = {1, 2};

	write_body_v2_labels(&request, &series, "__name__=up,job=a");
	put_exemplar(references, 2);
	write_body_v2_series(&request, &series);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(counts.exemplars_written, 1);
	assert_int_equal(series_in_store(), 0);
}

static void a_request_of_1_0_is_refused_by_name(void **state)
{
	static struct write_body first;

	write_body_reset(&first);
	write_body_simple(&first, "__name__=up", NOW_MS, 1);
	assert_int_equal(send_as(V2, &first), STATUS_BAD_INPUT);
	assert_says("remote write 1.0");
	assert_int_equal(counts.samples_written, 0);
}

static void a_request_of_2_0_said_to_be_of_1_0_is_refused_by_name(void **state)
{
	static const char *const types[] = {NULL, V1, V1 ";proto=prometheus.WriteRequest"};
	double before = metrics_get(METRIC_RW_INVALID, "protobuf");

	write_body_v2_simple(&request, "__name__=up", NOW_MS, 1);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(send_as(types[i], &request.body), STATUS_BAD_INPUT);
		assert_says("the body is a request of remote write 2.0");
		assert_says(V2);
		assert_false(counts.tell_written);
		assert_int_equal(series_in_store(), 0);
	}
	assert_true(metrics_get(METRIC_RW_INVALID, "protobuf") == before + 3);
	assert_int_equal(send(), STATUS_OK);
	assert_int_equal(series_in_store(), 1);
}

/* To 1.0 they are unknown fields, which are skipped. */
static void fields_of_2_0_beside_series_of_1_0_change_nothing(void **state)
{
	static struct write_body first;

	write_body_reset(&first);
	write_body_field(&first, 4, "", 0);
	write_body_simple(&first, "__name__=up", NOW_MS, 1);
	write_body_field(&first, 5, "", 0);
	assert_int_equal(send_as(V1, &first), STATUS_OK);
	assert_int_equal(series_in_store(), 1);
	write_body_reset(&first);
	assert_int_equal(send_as(V1, &first), STATUS_OK);
}

static void malformed_bytes_end_the_request_and_what_stood_before_is_kept(void **state)
{
	static const char *const tails[] = {"2a 01 0a", "2a 02 0a 05", "2a 03 0a 01 80", "2b",
		"22 7f", "2a 06 0a 01 00 12 01 09", "28 01"};

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		write_body_v2_reset(&request);
		write_body_v2_simple(&request, "__name__=up,job=a", NOW_MS + (int64_t)i, 1);
		write_body_hex(&request.body, tails[i]);
		write_body_v2_simple(&request, "__name__=up,job=b", NOW_MS, 1);
		assert_int_equal(send(), STATUS_BAD_INPUT);
		assert_says("malformed at byte");
		assert_int_equal(counts.samples_written, 1);
	}
	assert_int_equal(series_in_store(), 1);
}

static void a_body_cut_anywhere_keeps_what_it_can(void **state)
{
	size_t ends[71], whole;

	for (int i = 0; i < 70; i++) {
		char labels[64];
		snprintf(labels, sizeof(labels), "__name__=up,job=j%d", i);
		write_body_v2_simple(&request, labels, NOW_MS, 1);
		ends[i] = request.body.size;
	}
	whole = request.body.size;
	for (size_t size = 0; size < whole; size += size < whole - 200 ? 23 : 1) {
		uint64_t before = 0;
		for (size_t i = 0; i < 70; i++)
			before += ends[i] <= size;
		request.body.size = size;
		(void)send();
		assert_int_equal(counts.samples_written, before);
	}
}

static void a_full_store_refuses_new_series_and_takes_samples_of_known_ones(void **state)
{
	teardown(state);
	open_store(2);
	write_body_v2_simple(&request, "__name__=one,job=a", NOW_MS, 1);
	write_body_v2_simple(&request, "__name__=two,job=a", NOW_MS, 1);
	write_body_v2_simple(&request, "__name__=three,job=a", NOW_MS, 1);
	write_body_v2_simple(&request, "__name__=one,job=a", NOW_MS + 1, 1);
	assert_int_equal(send(), STATUS_LIMIT);
	assert_says("series three{job=\"a\"}");
	assert_int_equal(counts.samples_written, 3);
}

static void series_past_the_limit_are_refused_and_those_before_are_kept(void **state)
{
	for (int i = 0; i < 301; i++) {
		char labels[64];
		snprintf(labels, sizeof(labels), "__name__=up,job=j%d", i);
		write_body_v2_simple(&request, labels, NOW_MS, 1);
	}
	assert_int_equal(send(), STATUS_LIMIT);
	assert_says("more than 300 time series");
	assert_int_equal(counts.samples_written, 300);
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
		for (int i = 0; i < 30; i++) {
			char labels[64];
			snprintf(labels, sizeof(labels), "__name__=up,job=j%d", i % 10);
			write_body_v2_simple(&request, labels, NOW_MS + i, i);
		}
		write_body_snappy(&request.body, &block);
		mem_fail_after(nth, false);
		error_reset(&error);
		status = ingest_request(ingest, V2, NULL, block.bytes, block.size, &counts, &error);
		reached = mem_fail_after(0, false);
		assert_true(status == STATUS_OK || (reached && status == STATUS_NO_MEMORY));
		if (status == STATUS_NO_MEMORY) {
			failures++;
			assert_true(error.text[0] != '\0');
		}
		assert_int_equal(send(), STATUS_OK);
		assert_int_equal(series_in_store(), 10);
		assert_int_equal(points_of("up{job=\"j7\"}", points), 3);
		assert_true(points[2].value == 27);
	}
	assert_true(failures >= 2);
}

static void a_request_of_known_series_takes_no_memory(void **state)
{
	write_body_v2_simple(&request, "__name__=up,job=a", NOW_MS, 1);
	assert_int_equal(send(), STATUS_OK);
	write_body_snappy(&request.body, &block);
	mem_fail_after(1, true);
	assert_int_equal(ingest_request(ingest, V2, NULL, block.bytes, block.size, &counts, &error),
		STATUS_OK);
	assert_false(mem_fail_after(0, false));
	assert_int_equal(counts.samples_written, 1);
}

static void our_sender_is_understood(void **state)
{
	struct write_encoder *encoder = write_encoder_open_v2(1 << 18, &error);
	struct store_point points[POINTS_MAX];
	const void *body;
	size_t size;

	assert_non_null(encoder);
	for (int i = 0; i < 200; i++) {
		char job[32];
		int size_of_job = snprintf(job, sizeof(job), "j%d", i);
		const struct label pairs[] = {{"__name__", "up", 8, 2},
			{"job", job, 3, (uint32_t)size_of_job}};
		struct labels labels;
		const int64_t times[] = {NOW_MS, NOW_MS + 1}, starts[] = {0, NOW_MS - 7};
		const double values[] = {0, i};
		assert_int_equal(labels_init(&labels, pairs, 2, &error), STATUS_OK);
		assert_int_equal(write_encoder_add_started(encoder, &labels, times, values, starts,
					 2),
			STATUS_OK);
		labels_fini(&labels);
	}
	assert_int_equal(write_encoder_finish(encoder, &body, &size, &error), STATUS_OK);
	assert_int_equal(ingest_request(ingest, write_encoder_content_type(encoder), "snappy", body,
				 size, &counts, &error),
		STATUS_OK);
	assert_int_equal(counts.samples_written, 400);
	assert_int_equal(points_of("up{job=\"j150\"}", points), 2);
	assert_true(points[1].value == 150);
	write_encoder_close(encoder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_sample_lands_in_the_store),
		TEST(both_versions_write_to_the_same_series),
		TEST(the_numbers_of_symbols_do_not_make_another_series),
		TEST(names_and_values_in_other_places_are_other_series),
		TEST(symbols_may_stand_behind_the_series_that_use_them),
		TEST(a_repeat_counts_as_written_and_what_came_too_late_does_not),
		TEST(many_samples_of_a_series_arrive_in_order),
		TEST(names_may_be_any_utf_8),
		TEST(invalid_labels_are_refused_by_name_and_the_rest_is_kept),
		TEST(references_out_of_range_are_refused_by_name_and_the_rest_is_kept),
		TEST(a_first_symbol_that_is_not_empty_refuses_all),
		TEST(symbols_past_the_limit_are_out_of_range),
		TEST(a_series_that_says_nothing_is_refused_by_name),
		TEST(exemplars_and_metadata_that_refer_to_nothing_leave_the_samples),
		TEST(metadata_beside_a_sample_is_counted),
		TEST(exemplars_alone_make_no_series),
		TEST(a_request_of_1_0_is_refused_by_name),
		TEST(a_request_of_2_0_said_to_be_of_1_0_is_refused_by_name),
		TEST(fields_of_2_0_beside_series_of_1_0_change_nothing),
		TEST(malformed_bytes_end_the_request_and_what_stood_before_is_kept),
		TEST(a_body_cut_anywhere_keeps_what_it_can),
		TEST(a_full_store_refuses_new_series_and_takes_samples_of_known_ones),
		TEST(series_past_the_limit_are_refused_and_those_before_are_kept),
		TEST(memory_that_runs_out_breaks_no_later_resend),
		TEST(a_request_of_known_series_takes_no_memory),
		TEST(our_sender_is_understood),
	};

	return cmocka_run_group_tests_name("ingest_v2", tests, NULL, NULL);
}
