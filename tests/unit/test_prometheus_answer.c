/* Answers of the query API: good, odd, torn and huge ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "daemon/prometheus_answer.h"

static struct matrix matrix;
static struct matrix_counts counts;
static struct error error;
static struct buf seen; /* what was handed out, as text */
static uint64_t last_bits;

static enum status take(void *argument, const struct label *pairs, size_t pair_count,
	const struct store_point *points, size_t point_count, struct error *why)
{
	(void)why;
	(void)argument;
	for (size_t i = 0; i < pair_count; i++)
		buf_printf(&seen, "%s=%s,", pairs[i].name, pairs[i].value);
	for (size_t i = 0; i < point_count; i++) {
		buf_printf(&seen, " %lld:%.17g", (long long)points[i].t_ms, points[i].value);
		memcpy(&last_bits, &points[i].value, sizeof(last_bits));
	}
	buf_add_char(&seen, ';');
	return STATUS_OK;
}

static enum status read_text(const char *text)
{
	buf_reset(&seen);
	buf_add_text(&seen, "");
	return matrix_read(&matrix, text, strlen(text), take, NULL, &counts, &error);
}

static int setup(void **state)
{
	(void)state;
	matrix_init(&matrix);
	buf_init(&seen, (size_t)64 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	matrix_fini(&matrix);
	buf_fini(&seen);
	return 0;
}

#define ANSWER(result)                                                                             \
	"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":" result "}}"
#define SERIES(values) ANSWER("[{\"metric\":{\"__name__\":\"up\"},\"values\":" values "}]")

static void samples_come_with_their_labels_and_times(void **state)
{
	(void)state;
	assert_int_equal(read_text(ANSWER(
				 "[{\"metric\":{\"__name__\":\"up\",\"a\":\"b\\\"c\\u00e9\"},"
				 "\"values\":[[1435781430.781,\"1\"],[1435781445.78,\"2.5e-3\"]]},"
				 "{\"metric\":{},\"values\":[[0.001,\"3\"]]}]")),
		STATUS_OK);
	assert_string_equal(seen.data,
		"__name__=up,a=b\"c\xc3\xa9, 1435781430781:1 1435781445780:0.0025000000000000001; "
		"1:3;");
	assert_int_equal(counts.series, 2);
	assert_int_equal(counts.samples, 3);
	assert_int_equal(counts.bad_samples + counts.bad_series + counts.histograms, 0);
	assert_int_equal(read_text(ANSWER("[]")), STATUS_OK);
	assert_int_equal(counts.series, 0);
	/* Forms that Prometheus does not write are as good. */
	assert_int_equal(read_text(SERIES("[ [1.5, \"1\"] ,[25e-1,\"2\"],[3.0000001,\"\\u0033\"],"
					  "[-4,\"4\"] ]")),
		STATUS_OK);
	assert_string_equal(seen.data, "__name__=up, 1500:1 2500:2 -4000:4;");
	assert_int_equal(counts.bad_samples, 1);
	assert_int_equal(read_text(SERIES("[[1.5,\"1\"],[2.25,\"2\"],[3.123,\"3\"]]")), STATUS_OK);
	assert_string_equal(seen.data, "__name__=up, 1500:1 2250:2 3123:3;");
}

static void values_that_are_no_numbers_keep_the_bits_of_the_stream(void **state)
{
	(void)state;
	assert_int_equal(read_text(SERIES("[[1,\"NaN\"]]")), STATUS_OK);
	assert_true(last_bits == UINT64_C(0x7ff8000000000001));
	assert_int_equal(read_text(SERIES("[[1,\"+Inf\"]]")), STATUS_OK);
	assert_true(last_bits == UINT64_C(0x7ff0000000000000));
	assert_int_equal(read_text(SERIES("[[1,\"-Inf\"]]")), STATUS_OK);
	assert_true(last_bits == UINT64_C(0xfff0000000000000));
	assert_int_equal(read_text(SERIES("[[1,\"-0\"]]")), STATUS_OK);
	assert_true(last_bits == 0);
}

static void a_bad_sample_is_counted_and_left_out(void **state)
{
	static const char *const bad[] = {"1", "[]", "[1]", "[1,\"2\",3]", "[\"1\",\"2\"]", "[1,2]",
		"[1,\"\"]", "[1,\"x\"]", "[1,\"1e999\"]", "[1e300,\"2\"]", "[null,\"2\"]", "{}",
		"[1,\"0x10\"]",
		"[1,\"00000000000000000000000000000000000000000000000000000000000000000000001\"]"};
	char text[512];
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), SERIES("[[1,\"1\"],%s,[3,\"3\"]]"), bad[i]);
		assert_int_equal(read_text(text), STATUS_OK);
		assert_string_equal(seen.data, "__name__=up, 1000:1 3000:3;");
		assert_int_equal(counts.bad_samples, 1);
	}
}

static void a_series_without_usable_labels_is_counted_and_left_out(void **state)
{
	static const char *const bad[] = {"{\"values\":[[1,\"1\"]]}",
		"{\"metric\":[],\"values\":[[1,\"1\"]]}",
		"{\"metric\":{\"a\":1},\"values\":[[1,\"1\"]]}",
		"{\"metric\":{\"a\":\"\\ud800\"},\"values\":[[1,\"1\"]]}", "7"};
	char text[512];
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
			ANSWER("[%s,{\"metric\":{\"a\":\"b\"},\"values\":[[1,\"1\"]]}]"), bad[i]);
		assert_int_equal(read_text(text), STATUS_OK);
		assert_string_equal(seen.data, "a=b, 1000:1;");
		assert_int_equal(counts.bad_series, 1);
	}
}

static void native_histograms_are_passed_over_and_counted(void **state)
{
	(void)state;
	assert_int_equal(read_text(ANSWER(
				 "[{\"metric\":{\"a\":\"b\"},\"histograms\":[[1,{\"count\":\"3\","
				 "\"sum\":\"2\",\"buckets\":[[0,\"1\",\"2\",\"3\"]]}],[2,{}]]},"
				 "{\"metric\":{\"a\":\"c\"},\"values\":[[1,\"1\"]],"
				 "\"histograms\":[[3,{}]]}]")),
		STATUS_OK);
	assert_string_equal(seen.data, "a=c, 1000:1;");
	assert_int_equal(counts.histograms, 3);
}

static void warnings_are_kept(void **state)
{
	(void)state;
	assert_int_equal(read_text("{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\","
				   "\"result\":[]},\"warnings\":[\"a remote read failed\",\"b\"]}"),
		STATUS_OK);
	assert_string_equal(counts.warning, "a remote read failed");
}

static void other_answers_are_refused_and_nothing_of_them_is_taken(void **state)
{
	static const char *const bad[] = {"", "{", "null", "[]", "{}", "<html>504</html>",
		"{\"status\":\"error\",\"data\":{}}", "{\"status\":\"success\"}",
		"{\"status\":\"success\",\"data\":[]}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}",
		"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":{}}}",
		ANSWER("[]") "x"};
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(read_text(bad[i]), STATUS_BAD_INPUT);
		assert_int_equal(seen.size, 0);
		assert_true(strlen(error.text) > 10);
	}
}

static void a_torn_answer_is_refused_wherever_it_is_torn(void **state)
{
	static const char whole[] = SERIES("[[1,\"1\"],[2,\"2\"]]");
	(void)state;

	for (size_t size = 0; size + 1 < sizeof(whole); size++) {
		buf_reset(&seen);
		assert_int_equal(matrix_read(&matrix, whole, size, take, NULL, &counts, &error),
			STATUS_BAD_INPUT);
		assert_int_equal(seen.size, 0);
	}
}

static void a_huge_series_is_read_whole(void **state)
{
	struct buf text;
	(void)state;

	buf_init(&text, (size_t)32 << 20);
	buf_add_text(&text,
		"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\","
		"\"result\":[{\"metric\":{\"a\":\"b\"},\"values\":[");
	for (int i = 0; i < 200000; i++)
		buf_printf(&text, "%s[%d,\"%d\"]", i > 0 ? "," : "", i, i);
	buf_add_text(&text, "]}]}}");
	assert_int_equal(read_text(text.data), STATUS_OK);
	assert_int_equal(counts.samples, 200000);
	buf_fini(&text);
	/* More labels than a series may have. */
	buf_add_text(&text,
		"{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\","
		"\"result\":[{\"metric\":{");
	for (int i = 0; i <= MATRIX_LABELS_MAX; i++)
		buf_printf(&text, "%s\"l%d\":\"v\"", i > 0 ? "," : "", i);
	buf_add_text(&text, "},\"values\":[[1,\"1\"]]}]}}");
	assert_int_equal(read_text(text.data), STATUS_OK);
	assert_int_equal(counts.bad_series, 1);
	buf_fini(&text);
}

static void failures_tell_what_they_say_or_how_they_begin(void **state)
{
	static const char api[] = "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":"
				  "\"query processing would load too many samples\"}";
	static const char page[] = "<html>\nnot this";
	struct prometheus_failure failure;
	(void)state;

	prometheus_failure_read(api, sizeof(api) - 1, &failure);
	assert_string_equal(failure.type, "execution");
	assert_string_equal(failure.message, "query processing would load too many samples");
	prometheus_failure_read(page, sizeof(page) - 1, &failure);
	assert_string_equal(failure.type, "");
	assert_string_equal(failure.message, "<html>");
	prometheus_failure_read(NULL, 0, &failure);
	assert_string_equal(failure.message, "");
}

static void the_configuration_is_a_text_in_json(void **state)
{
	static const char good[] =
		"{\"status\":\"success\",\"data\":{\"yaml\":\"a: 1\\nb: 2\\n\"}}";
	static const char bad[] = "{\"status\":\"success\",\"data\":{\"yaml\":3}}";
	char *yaml;
	(void)state;

	assert_int_equal(prometheus_config_read(good, sizeof(good) - 1, &yaml, &error), STATUS_OK);
	assert_string_equal(yaml, "a: 1\nb: 2\n");
	mem_free(yaml);
	assert_int_equal(prometheus_config_read(bad, sizeof(bad) - 1, &yaml, &error),
		STATUS_BAD_INPUT);
	assert_null(yaml);
}

static void each_failed_allocation_is_an_answer(void **state)
{
	static const char text[] = SERIES("[[1,\"1\"],[2,\"2\"]]");
	long n = 0;
	bool again = true;
	(void)state;

	while (again) {
		struct matrix own;
		enum status status;

		matrix_init(&own);
		buf_reset(&seen);
		mem_fail_after(++n, false);
		status = matrix_read(&own, text, sizeof(text) - 1, take, NULL, &counts, &error);
		again = mem_fail_after(0, false);
		assert_true(status == (again ? STATUS_NO_MEMORY : STATUS_OK));
		matrix_fini(&own);
	}
	assert_true(n > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_come_with_their_labels_and_times),
		cmocka_unit_test(values_that_are_no_numbers_keep_the_bits_of_the_stream),
		cmocka_unit_test(a_bad_sample_is_counted_and_left_out),
		cmocka_unit_test(a_series_without_usable_labels_is_counted_and_left_out),
		cmocka_unit_test(native_histograms_are_passed_over_and_counted),
		cmocka_unit_test(warnings_are_kept),
		cmocka_unit_test(other_answers_are_refused_and_nothing_of_them_is_taken),
		cmocka_unit_test(a_torn_answer_is_refused_wherever_it_is_torn),
		cmocka_unit_test(a_huge_series_is_read_whole),
		cmocka_unit_test(failures_tell_what_they_say_or_how_they_begin),
		cmocka_unit_test(the_configuration_is_a_text_in_json),
		cmocka_unit_test(each_failed_allocation_is_an_answer),
	};

	return cmocka_run_group_tests_name("prometheus_answer", tests, setup, teardown);
}
