/* run-under: tsan */
/* Metrics: cells that lose nothing, label sets with a maximum, the page, the rules for names. */
#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/labels.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/metrics_process.h"

static int reset(void **state)
{
	metrics_reset();
	return 0;
}

static char *page(void)
{
	struct buf buf;
	char *text;

	buf_init(&buf, (size_t)64 * 1024 * 1024);
	metrics_write_page(&buf);
	text = buf_take(&buf, NULL);
	assert_non_null(text);
	return text;
}

/* Whether the page has this line, whole. */
/* NULL: there is none. Looks no further than it must, as string functions do under sanitizers. */
static const char *next_line(const char *at, const char *end)
{
	at = memchr(at, '\n', (size_t)(end - at));
	return at != NULL ? at + 1 : NULL;
}

static bool page_has(const char *line)
{
	char *text = page();
	size_t size = strlen(line);
	bool found = false;

	for (const char *at = text, *end = at + strlen(at); at && !found; at = next_line(at, end))
		found = !strncmp(at, line, size) && at[size] == '\n';
	mem_free(text);
	return found;
}

static void counters_add_up(void **state)
{
	metrics_inc(METRIC_RW_BYTES);
	metrics_add(METRIC_RW_BYTES, 41);
	assert_true(metrics_get(METRIC_RW_BYTES) == 42);
	metrics_add(METRIC_RW_BYTES, 0.25);
	assert_true(metrics_get(METRIC_RW_BYTES) == 42.25);
	assert_true(page_has("nimbusguard_remote_write_received_bytes_total 42.25"));
}

static void counters_never_fall(void **state)
{
	metrics_add(METRIC_RW_BYTES, 5);
	metrics_add(METRIC_RW_BYTES, -1);
	metrics_add(METRIC_RW_BYTES, -0.5);
	metrics_add(METRIC_RW_BYTES, NAN);
	metrics_add(METRIC_RW_BYTES, 0);
	assert_true(metrics_get(METRIC_RW_BYTES) == 5);
	metrics_add(METRIC_RW_BYTES, 1e300);
	assert_true(metrics_get(METRIC_RW_BYTES) == 1e300);
}

static void gauges_go_both_ways(void **state)
{
	metrics_set(METRIC_STORE_SERIES, 10);
	metrics_add(METRIC_STORE_SERIES, -2.5);
	assert_true(metrics_get(METRIC_STORE_SERIES) == 7.5);
	metrics_set(METRIC_STORE_SERIES, -1);
	assert_true(page_has("nimbusguard_store_series -1"));
}

static void numbers_are_written_as_prometheus_reads_them(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {{NAN, "NaN"}, {INFINITY, "+Inf"}, {-INFINITY, "-Inf"}, {0.1, "0.1"},
		{123456789012.0, "123456789012"}, {0, "0"}, {1e-9, "1e-09"}};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		char line[100];

		metrics_set(METRIC_STORE_SERIES, cases[i].value);
		snprintf(line, sizeof(line), "nimbusguard_store_series %s", cases[i].text);
		if (!page_has(line))
			fail_msg("no line: %s", line);
	}
}

static void label_values_choose_the_child(void **state)
{
	metrics_inc(METRIC_ACTIONS, "scale", "done");
	metrics_inc(METRIC_ACTIONS, "scale", "done");
	metrics_inc(METRIC_ACTIONS, "scale", "failed");
	metrics_inc(METRIC_ACTIONS, "done", "scale");
	/* Values are not run together. */
	metrics_inc(METRIC_ACTIONS, "a", "bc");
	metrics_inc(METRIC_ACTIONS, "ab", "c");
	assert_true(metrics_get(METRIC_ACTIONS, "scale", "done") == 2);
	assert_true(metrics_get(METRIC_ACTIONS, "done", "scale") == 1);
	assert_true(metrics_get(METRIC_ACTIONS, "a", "bc") == 1);
	assert_ptr_equal(metrics_cell(METRIC_ACTIONS, "scale", "done"),
		metrics_cell(METRIC_ACTIONS, "scale", "done"));
	assert_true(page_has("nimbusguard_actions_total{action=\"scale\",outcome=\"failed\"} 1"));
}

static void label_values_are_escaped(void **state)
{
	metrics_inc(METRIC_REFUSALS, "a\"b\\c\nd");
	assert_true(page_has("nimbusguard_refusals_total{reason=\"a\\\"b\\\\c\\nd\"} 1"));
}

static void bad_label_values_are_made_good(void **state)
{
	char text[400], line[400];

	metrics_inc(METRIC_REFUSALS, "x\xFF");
	metrics_inc(METRIC_REFUSALS, "y\xFF");
	assert_true(page_has("nimbusguard_refusals_total{reason=\"invalid\"} 2"));
	metrics_inc(METRIC_REFUSALS, (const char *)NULL);
	assert_true(page_has("nimbusguard_refusals_total{reason=\"\"} 1"));
	/* 255 bytes and one character of two: cut before it. */
	memset(text, 'a', sizeof(text));
	memcpy(text + 255, "\xC3\xA4", 2);
	text[399] = 0;
	metrics_inc(METRIC_REFUSALS, text);
	metrics_inc(METRIC_REFUSALS, text);
	snprintf(line, sizeof(line), "nimbusguard_refusals_total{reason=\"%.255s\"} 2", text);
	assert_true(page_has(line));
}

static void histograms_count_up_to_and_with_the_bound(void **state)
{
	metrics_observe(METRIC_SCAN_SECONDS, 0.005);
	metrics_observe(METRIC_SCAN_SECONDS, 0.0050001);
	metrics_observe(METRIC_SCAN_SECONDS, 11);
	metrics_observe(METRIC_SCAN_SECONDS, NAN);
	assert_true(metrics_get(METRIC_SCAN_SECONDS) == 3);
	assert_true(page_has("nimbusguard_scan_duration_seconds_bucket{le=\"0.0025\"} 0"));
	assert_true(page_has("nimbusguard_scan_duration_seconds_bucket{le=\"0.005\"} 1"));
	assert_true(page_has("nimbusguard_scan_duration_seconds_bucket{le=\"0.01\"} 2"));
	assert_true(page_has("nimbusguard_scan_duration_seconds_bucket{le=\"10\"} 2"));
	assert_true(page_has("nimbusguard_scan_duration_seconds_bucket{le=\"+Inf\"} 3"));
	assert_true(page_has("nimbusguard_scan_duration_seconds_count 3"));
	assert_true(page_has("nimbusguard_scan_duration_seconds_sum 11.0100001"));
	metrics_observe(METRIC_HTTP_DURATION, 1, "/x");
	assert_true(page_has(
		"nimbusguard_http_request_duration_seconds_bucket{handler=\"/x\",le=\"1\"} 1"));
	assert_true(page_has("nimbusguard_http_request_duration_seconds_sum{handler=\"/x\"} 1"));
}

static void metrics_without_labels_stand_at_zero(void **state)
{
	assert_true(page_has("# HELP nimbusguard_store_series Series in memory."));
	assert_true(page_has("# TYPE nimbusguard_store_series gauge"));
	assert_true(page_has("nimbusguard_store_series 0"));
	assert_true(page_has("nimbusguard_scan_duration_seconds_count 0"));
	assert_true(page_has("nimbusguard_scan_duration_seconds_bucket{le=\"+Inf\"} 0"));
	/* With labels and no children: nothing at all. */
	assert_false(page_has("# TYPE nimbusguard_refusals_total counter"));
	metrics_cell(METRIC_REFUSALS, "known");
	assert_true(page_has("# TYPE nimbusguard_refusals_total counter"));
	assert_true(page_has("nimbusguard_refusals_total{reason=\"known\"} 0"));
}

static void children_stand_in_the_order_of_their_birth(void **state)
{
	static const char *const names[] = {"zebra", "ant", "mouse", "bear"};
	char *text, *at, wanted[64];

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		metrics_cell(METRIC_REFUSALS, names[i]);
	at = text = page();
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		snprintf(wanted, sizeof(wanted), "reason=\"%s\"", names[i]);
		at = strstr(at, wanted);
		assert_non_null(at);
	}
	mem_free(text);
}

/* The name of the family that a sample of this page belongs to. */
static void assert_sample_of(const char *line, const char *family, bool histogram)
{
	size_t size = strlen(family);

	if (strncmp(line, family, size))
		fail_msg("not of %s: %.80s", family, line);
	line += size;
	if (histogram && !strncmp(line, "_bucket{", 8))
		return;
	line += histogram && !strncmp(line, "_sum", 4) ? 4 : 0;
	line += histogram && !strncmp(line, "_count", 6) ? 6 : 0;
	assert_true(*line == '{' || *line == ' ');
}

static void families_are_whole_and_in_table_order(void **state)
{
	char *text, *line, *rest;
	int id = -1;
	bool typed = false;

	for (int each = 0; each < METRIC_COUNT; each++) {
		static const char *const values[METRIC_LABELS_MAX] = {"a", "b", "c", "d"};
		const char *labels = metric_describe((enum metric_id)each)->labels;
		size_t count = *labels != 0;

		for (; *labels; labels++)
			count += *labels == ',';
		metrics_cell_values((enum metric_id)each, values, count);
	}
	text = page();
	assert_int_equal(text[strlen(text) - 1], '\n');
	for (line = text; *line; line = rest + 1) {
		const struct metric_description *metric;

		rest = strchr(line, '\n');
		assert_non_null(rest);
		*rest = 0;
		if (!strncmp(line, "# HELP ", 7)) {
			id++;
			typed = false;
			assert_true(id < METRIC_COUNT);
		}
		metric = metric_describe((enum metric_id)id);
		if (!strncmp(line, "# ", 2)) {
			assert_false(typed);
			typed = !strncmp(line, "# TYPE ", 7);
			assert_memory_equal(line + 7, metric->name, strlen(metric->name));
			assert_int_equal(line[7 + strlen(metric->name)], ' ');
		} else {
			assert_true(typed);
			assert_sample_of(line, metric->name, metric->type == METRIC_HISTOGRAM);
		}
	}
	assert_int_equal(id, METRIC_COUNT - 1);
	mem_free(text);
}

static bool ends_with(const char *text, const char *end)
{
	size_t size = strlen(text), end_size = strlen(end);

	return size >= end_size && !strcmp(text + size - end_size, end);
}

/* What `promtool check metrics` asks of names, and no family twice. */
static void every_row_keeps_the_naming_rules(void **state)
{
	static const char *const bad_parts[] = {"_ms_", "_sec_", "_min_", "_mb_", "_kb_", "_gb_",
		"_milliseconds_", "_minutes_", "_kilobytes_", "_bits_", "_counter_", "_gauge_",
		"_histogram_"};

	for (int id = 0; id < METRIC_COUNT; id++) {
		const struct metric_description *metric = metric_describe((enum metric_id)id);
		char name[200];

		assert_true(metric_name_valid(metric->name, strlen(metric->name)));
		assert_null(strchr(metric->name, ':'));
		assert_true(*metric->help && ends_with(metric->help, "."));
		assert_int_equal(ends_with(metric->name, "_total"), metric->type == METRIC_COUNTER);
		if (metric->type == METRIC_HISTOGRAM && !ends_with(metric->name, "_seconds"))
			fail_msg("the bounds are seconds: %s", metric->name);
		snprintf(name, sizeof(name), "_%s_", metric->name);
		for (size_t i = 0; i < ARRAY_COUNT(bad_parts); i++)
			assert_null(strstr(name, bad_parts[i]));
		for (char *c = name; *c; c++)
			assert_false(isupper((unsigned char)*c));
		for (int other = 0; other < id; other++)
			assert_string_not_equal(metric->name,
				metric_describe((enum metric_id)other)->name);
		for (const char *label = metric->labels; *label;) {
			size_t size = strcspn(label, ",");

			assert_true(label_name_valid(label, size) && strncmp(label, "__", 2));
			assert_false(size == 2 && !strncmp(label, "le", 2));
			label += size + (label[size] == ',');
		}
	}
}

static void past_the_maximum_all_go_to_other(void **state)
{
	char name[32], *text;
	size_t lines = 0;

	for (int i = 0; i < METRIC_CHILDREN_MAX + 500; i++) {
		snprintf(name, sizeof(name), "reason-%d", i);
		metrics_inc(METRIC_REFUSALS, name);
	}
	snprintf(name, sizeof(name), "reason-%d", METRIC_CHILDREN_MAX - 1);
	assert_true(metrics_get(METRIC_REFUSALS, name) == 1);
	assert_true(page_has("nimbusguard_refusals_total{reason=\"other\"} 500"));
	assert_true(page_has("nimbusguard_metrics_left_out_total{"
			     "metric=\"nimbusguard_refusals_total\"} 500"));
	text = page();
	for (const char *at = text, *end = at + strlen(at); at; at = next_line(at, end))
		lines += strncmp(at, "nimbusguard_refusals_total{reason=", 34) == 0;
	assert_int_equal(lines, METRIC_CHILDREN_MAX + 1);
	mem_free(text);
	/* Known ones are still themselves. */
	metrics_inc(METRIC_REFUSALS, "reason-7");
	assert_true(metrics_get(METRIC_REFUSALS, "reason-7") == 2);
}

static void a_page_of_all_children_comes_in_pieces(void **state)
{
	static char bytes[4 * METRICS_PIECE_MAX];
	static uint8_t seen[METRIC_CHILDREN_MAX];
	struct metrics_page *read;
	size_t size = 0, pieces = 0, lines = 0;
	char name[32];
	ssize_t got;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < METRIC_CHILDREN_MAX; i++) {
		snprintf(name, sizeof(name), "reason-%d", i);
		metrics_inc(METRIC_REFUSALS, name);
	}
	read = metrics_page_open();
	assert_non_null(read);
	/* However much room there is, no more than a piece is held; each is of whole lines. */
	while ((got = metrics_page_read(read, bytes, sizeof(bytes))) > 0) {
		assert_in_range(got, 1, METRICS_PIECE_MAX);
		assert_int_equal(bytes[got - 1], '\n');
		size += (size_t)got;
		pieces++;
		for (const char *at = bytes; at != NULL && at < bytes + got;
			at = next_line(at, bytes + got)) {
			static const char start[] = "nimbusguard_refusals_total{reason=\"reason-";

			if (strncmp(at, start, sizeof(start) - 1) == 0) {
				seen[strtoul(at + sizeof(start) - 1, NULL, 10)]++;
				lines++;
			}
		}
	}
	assert_int_equal(got, 0);
	assert_int_equal(metrics_page_read(read, bytes, sizeof(bytes)), 0);
	metrics_page_close(read);
	assert_int_equal(lines, METRIC_CHILDREN_MAX);
	for (int i = 0; i < METRIC_CHILDREN_MAX; i++)
		assert_int_equal(seen[i], 1);
	assert_true(size / pieces < METRICS_PIECE_MAX / 4);
}

static void cleared_children_leave_the_page(void **state)
{
	struct metric_cell *kept;

	metrics_set(METRIC_CURRENT_REPLICAS, 3, "shop", "Deployment", "web");
	metrics_set(METRIC_CURRENT_REPLICAS, 2, "shop", "Deployment", "api");
	kept = metrics_cell(METRIC_CURRENT_REPLICAS, "shop", "Deployment", "web");
	metrics_clear(METRIC_CURRENT_REPLICAS);
	assert_false(page_has("# TYPE nimbusguard_current_replicas gauge"));
	/* A late write harms nothing and is not seen. */
	metric_cell_set(kept, 99);
	assert_false(page_has("# TYPE nimbusguard_current_replicas gauge"));
	metrics_cell(METRIC_CURRENT_REPLICAS, "shop", "Deployment", "new");
	metrics_cell(METRIC_CURRENT_REPLICAS, "shop", "Deployment", "newer");
	assert_true(metrics_get(METRIC_CURRENT_REPLICAS, "shop", "Deployment", "new") == 0);
	assert_true(metrics_get(METRIC_CURRENT_REPLICAS, "shop", "Deployment", "newer") == 0);
	metrics_set(METRIC_STORE_SERIES, 5);
	metrics_clear(METRIC_STORE_SERIES);
	assert_true(metrics_get(METRIC_STORE_SERIES) == 0);
}

static void count_call(void *argument)
{
	++*(int *)argument;
	metrics_add(METRIC_STORE_SERIES, 1);
}

static void collectors_run_before_each_page(void **state)
{
	int a = 0, b = 0;

	metrics_add_collector(count_call, &a);
	metrics_add_collector(count_call, &b);
	assert_true(page_has("nimbusguard_store_series 2"));
	metrics_remove_collector(count_call, &a);
	assert_true(page_has("nimbusguard_store_series 3"));
	metrics_remove_collector(count_call, &b);
	assert_true(page_has("nimbusguard_store_series 3"));
	assert_int_equal(a, 1);
	assert_int_equal(b, 2);
}

enum { THREADS = 4, ROUNDS = 20000, TIGHT = 50 };

/* All begin at once, or the first could be done before the last is born. */
static pthread_barrier_t together;

static void *add_run(void *unused)
{
	struct metric_cell *cell = metrics_cell(METRIC_ACTIONS, "scale", "kept");
	struct metric_cell *bytes = metrics_cell(METRIC_RW_BYTES);

	pthread_barrier_wait(&together);
	/* Long and tight: a sum that is not atomic loses here even on a busy machine. */
	for (int i = 0; i < ROUNDS * TIGHT; i++)
		metric_cell_add(bytes, 1);
	for (int i = 0; i < ROUNDS; i++) {
		metrics_add(METRIC_STORE_SERIES, 0.5);
		metrics_inc(METRIC_ACTIONS, "scale", i % 2 ? "odd" : "even");
		metric_cell_add(cell, 2);
		metrics_observe(METRIC_SCAN_SECONDS, 0.5);
	}
	return unused;
}

static void *page_run(void *unused)
{
	pthread_barrier_wait(&together);
	for (int i = 0; i < 50; i++) {
		mem_free(page());
		metrics_clear(METRIC_CURRENT_REPLICAS);
		metrics_set(METRIC_CURRENT_REPLICAS, i, "shop", "Deployment", "web");
	}
	return unused;
}

static void concurrent_increments_lose_nothing(void **state)
{
	pthread_t threads[THREADS + 2];
	const double all = (double)THREADS * ROUNDS;
	char line[100];

	pthread_barrier_init(&together, NULL, ARRAY_COUNT(threads));
	for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i < THREADS ? add_run : page_run,
					 NULL),
			0);
	for (size_t i = 0; i < ARRAY_COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&together);
	assert_true(metrics_get(METRIC_RW_BYTES) == all * TIGHT);
	assert_true(metrics_get(METRIC_STORE_SERIES) == all / 2);
	assert_true(metrics_get(METRIC_ACTIONS, "scale", "odd") == all / 2);
	assert_true(metrics_get(METRIC_ACTIONS, "scale", "even") == all / 2);
	assert_true(metrics_get(METRIC_ACTIONS, "scale", "kept") == all * 2);
	assert_true(metrics_get(METRIC_SCAN_SECONDS) == all);
	snprintf(line, sizeof(line), "nimbusguard_scan_duration_seconds_sum %.0f", all / 2);
	assert_true(page_has(line));
}

/* Whatever allocation fails, a cell comes back, and afterwards all is as if nothing had been. */
static void memory_out_gives_a_cell_that_nobody_reads(void **state)
{
	bool reached = true;

	for (long n = 1; reached; n++) {
		metrics_reset();
		mem_fail_after(n, true);
		for (int i = 0; i < 40; i++) {
			char name[16];

			snprintf(name, sizeof(name), "r%d", i);
			metrics_inc(METRIC_REFUSALS, name);
			metrics_observe(METRIC_HTTP_DURATION, 1, name);
		}
		reached = mem_fail_after(0, false);
		metrics_inc(METRIC_REFUSALS, "after");
		assert_true(metrics_get(METRIC_REFUSALS, "after") == 1);
		metrics_observe(METRIC_HTTP_DURATION, 1, "after");
		assert_true(metrics_get(METRIC_HTTP_DURATION, "after") == 1);
		assert_true(n < 2000);
	}
	assert_true(metrics_get(METRIC_REFUSALS, "r39") == 1);
}

static void docs_have_a_row_for_each_metric(void **state)
{
	struct buf buf;
	size_t rows = 0;

	buf_init(&buf, 1 << 20);
	metrics_write_docs(&buf);
	assert_true(buf_ok(&buf));
	for (char *at = buf.data; (at = strchr(at, '\n')); at++)
		rows++;
	assert_int_equal(rows, METRIC_COUNT + 2);
	assert_non_null(strstr(buf.data,
		"\n| `nimbusguard_actions_total` | counter | `action`, `outcome` | Actions by kind and "
		"what became of them. |\n"));
	assert_non_null(strstr(buf.data,
		"\n| `nimbusguard_scan_duration_seconds` | histogram |  | Time of one scan"));
	buf_fini(&buf);
}

static int count_descriptors(void)
{
	int count = 0;

	for (int descriptor = 0; descriptor < 1024; descriptor++)
		count += fcntl(descriptor, F_GETFD) != -1;
	return count;
}

static void the_process_tells_about_itself(void **state)
{
	double now = (double)clock_now_ms(clock_system()) / 1000, start;
	int descriptor;

	/* Again and again adds one collector, or their maximum would be passed. */
	for (int i = 0; i < 50; i++)
		metrics_process_install();
	mem_free(page());
	start = metrics_get(METRIC_PROCESS_START);
	/* The kernel's clocks disagree by up to a second or two. */
	assert_true(start > now - 3600 && start < now + 3);
	assert_true(metrics_get(METRIC_PROCESS_RESIDENT) > 1e6);
	assert_true(metrics_get(METRIC_PROCESS_VIRTUAL) >= metrics_get(METRIC_PROCESS_RESIDENT));
	assert_true(metrics_get(METRIC_PROCESS_CPU) >= 0);
	assert_true(metrics_get(METRIC_PROCESS_CPU) < 3600);
	assert_true(metrics_get(METRIC_PROCESS_MAX_FDS) >= 20);
	assert_true(metrics_get(METRIC_PROCESS_FDS) == count_descriptors());
	descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(descriptor >= 0);
	mem_free(page());
	assert_true(metrics_get(METRIC_PROCESS_FDS) == count_descriptors());
	close(descriptor);
	assert_true(metrics_get(METRIC_PROCESS_START) == start);
}

#define METRICS_TEST(test) cmocka_unit_test_setup_teardown(test, reset, reset)

static void set_two_replicas(void *argument)
{
	(void)argument;
	metrics_clear(METRIC_CURRENT_REPLICAS);
	metrics_set(METRIC_CURRENT_REPLICAS, 3, "shop", "Deployment", "web");
	metrics_set(METRIC_CURRENT_REPLICAS, 5, "shop", "Deployment", "api");
}

static void copies_are_what_the_collectors_set_in_their_order(void **state)
{
	static const enum metric_id ids[] = {METRIC_MLFLOW_QUEUE, METRIC_TRAINING_SECONDS,
		METRIC_CURRENT_REPLICAS};
	struct metric_samples samples;

	metrics_set(METRIC_MLFLOW_QUEUE, 7);
	metrics_observe(METRIC_TRAINING_SECONDS, 1, "detect");
	metrics_add_collector(set_two_replicas, NULL);
	assert_int_equal(metrics_take(ids, 3, &samples), STATUS_OK);
	metrics_remove_collector(set_two_replicas, NULL);
	/* What comes later is not theirs. */
	metrics_clear(METRIC_CURRENT_REPLICAS);
	metrics_set(METRIC_CURRENT_REPLICAS, 9, "other", "DaemonSet", "x");
	assert_int_equal(samples.count, 3);
	assert_int_equal(samples.list[0].id, METRIC_MLFLOW_QUEUE);
	assert_true(samples.list[0].value == 7);
	assert_int_equal(samples.list[1].id, METRIC_CURRENT_REPLICAS);
	assert_true(samples.list[1].value == 3);
	assert_string_equal(samples.list[1].values[0], "shop");
	assert_string_equal(samples.list[1].values[1], "Deployment");
	assert_string_equal(samples.list[1].values[2], "web");
	assert_true(samples.list[2].value == 5);
	assert_string_equal(samples.list[2].values[2], "api");
	metric_samples_fini(&samples);
}

static void copies_say_when_memory_is_out(void **state)
{
	static const enum metric_id ids[] = {METRIC_CURRENT_REPLICAS};
	bool injected = true;

	set_two_replicas(NULL);
	for (long n = 1; injected; n++) {
		struct metric_samples samples;
		enum status status;

		mem_fail_after(n, false);
		status = metrics_take(ids, 1, &samples);
		injected = mem_fail_after(0, false);
		assert_int_equal(status, injected ? STATUS_NO_MEMORY : STATUS_OK);
		assert_true(injected || samples.count == 2);
		metric_samples_fini(&samples);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		METRICS_TEST(copies_are_what_the_collectors_set_in_their_order),
		METRICS_TEST(copies_say_when_memory_is_out),
		METRICS_TEST(counters_add_up),
		METRICS_TEST(counters_never_fall),
		METRICS_TEST(gauges_go_both_ways),
		METRICS_TEST(numbers_are_written_as_prometheus_reads_them),
		METRICS_TEST(label_values_choose_the_child),
		METRICS_TEST(label_values_are_escaped),
		METRICS_TEST(bad_label_values_are_made_good),
		METRICS_TEST(histograms_count_up_to_and_with_the_bound),
		METRICS_TEST(metrics_without_labels_stand_at_zero),
		METRICS_TEST(children_stand_in_the_order_of_their_birth),
		METRICS_TEST(families_are_whole_and_in_table_order),
		METRICS_TEST(every_row_keeps_the_naming_rules),
		METRICS_TEST(past_the_maximum_all_go_to_other),
		METRICS_TEST(a_page_of_all_children_comes_in_pieces),
		METRICS_TEST(cleared_children_leave_the_page),
		METRICS_TEST(collectors_run_before_each_page),
		METRICS_TEST(concurrent_increments_lose_nothing),
		METRICS_TEST(memory_out_gives_a_cell_that_nobody_reads),
		METRICS_TEST(docs_have_a_row_for_each_metric),
		METRICS_TEST(the_process_tells_about_itself),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
