/* run-under: tsan */
/*
 * Log lines: what a reader of logfmt or JSON gets, hostile text, cutting, bursts, several threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define NOW_MS INT64_C(1767323045678) /* 2026-01-02T03:04:05.678Z */

static int sink = -1;
static struct clock_manual clock_of_test;
static char content[1 << 20];

static int open_sink(void **state)
{
	const char *folder = getenv("TMPDIR");
	char path[512];

	snprintf(path, sizeof(path), "%s/test_log.XXXXXX", folder != NULL ? folder : "/tmp");
	sink = mkstemp(path);
	if (sink < 0)
		return -1;
	unlink(path);
	/* Threads write at the end, as they would to a pipe. */
	fcntl(sink, F_SETFL, O_APPEND);
	clock_manual_init(&clock_of_test, NOW_MS);
	log_set_clock(&clock_of_test.clock);
	log_set_fd(sink);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	return 0;
}

static int close_sink(void **state)
{
	log_set_fd(STDERR_FILENO);
	log_set_clock(NULL);
	close(sink);
	return 0;
}

/* All that has been written; the next call gives what came after. */
static const char *written(void)
{
	ssize_t size = pread(sink, content, sizeof(content) - 1, 0);

	assert_true(size >= 0);
	content[size] = '\0';
	assert_int_equal(ftruncate(sink, 0), 0);
	return content;
}

static void write_fields(const struct log_field *fields)
{
	log_write(LOG_LEVEL_INFO, "base/x.c", 7, "hello", fields);
}

#define HEAD "ts=2026-01-02T03:04:05.678Z level=info caller=base/x.c:7 msg=\"hello\""

static void assert_logfmt_text(const char *text, const char *expected)
{
	char line[512];

	write_fields((const struct log_field[]){LOG_TEXT("k", text), {0}});
	snprintf(line, sizeof(line), HEAD " k=%s\n", expected);
	assert_string_equal(written(), line);
}

static void logfmt_values_are_quoted_when_needed(void **state)
{
	assert_logfmt_text("plain-1.5/x:y,{}", "plain-1.5/x:y,{}");
	assert_logfmt_text("", "\"\"");
	assert_logfmt_text("two words", "\"two words\"");
	assert_logfmt_text("a=b", "\"a=b\"");
	assert_logfmt_text("say \"x\"", "\"say \\\"x\\\"\"");
	assert_logfmt_text("back\\slash", "\"back\\\\slash\"");
	assert_logfmt_text("1\n2\r3\t4", "\"1\\n2\\r3\\t4\"");
	assert_logfmt_text("\x1b[31m\x7f", "\"\\u001b[31m\\u007f\"");
	assert_logfmt_text("\xc3\xa4", "\xc3\xa4");
	assert_logfmt_text("\xc2\x9b", "\"\\u009b\""); /* a terminal's other escape */
	assert_logfmt_text("\xff", "\"\xef\xbf\xbd\"");
	assert_logfmt_text(NULL, "null");
}

static void a_name_cannot_forge_a_line(void **state)
{
	const char *text;

	write_fields((const struct log_field[]){
		LOG_TEXT("pod", "x\nts=2026-01-02T03:04:05.678Z level=error msg=\"forged\""), {0}});
	text = written();
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void numbers_and_truths_are_bare(void **state)
{
	write_fields((const struct log_field[]){LOG_INT("i", INT64_MIN), LOG_UINT("u", UINT64_MAX),
		LOG_DOUBLE("d", 0.25), LOG_DOUBLE("nan", NAN), LOG_DOUBLE("inf", -INFINITY),
		LOG_BOOL("t", true), LOG_BOOL("f", false), {0}});
	assert_string_equal(written(),
		HEAD " i=-9223372036854775808 u=18446744073709551615 d=0.25 nan=NaN inf=-Inf"
		     " t=true f=false\n");
}

static json_t *only_json_line(const char *text)
{
	json_t *line = json_loads(text, 0, NULL);

	assert_non_null(line);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	return line;
}

static void json_lines_are_objects(void **state)
{
	json_t *line;

	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	write_fields((const struct log_field[]){LOG_TEXT("t", "a \"b\"\n\xff\x1b"),
		LOG_TEXT("none", NULL), LOG_INT("i", -5), LOG_DOUBLE("d", 1e-7),
		LOG_DOUBLE("nan", NAN), LOG_BOOL("b", true), {0}});
	line = only_json_line(written());
	assert_string_equal(json_string_value(json_object_get(line, "ts")),
		"2026-01-02T03:04:05.678Z");
	assert_string_equal(json_string_value(json_object_get(line, "level")), "info");
	assert_string_equal(json_string_value(json_object_get(line, "caller")), "base/x.c:7");
	assert_string_equal(json_string_value(json_object_get(line, "msg")), "hello");
	assert_string_equal(json_string_value(json_object_get(line, "t")),
		"a \"b\"\n\xef\xbf\xbd\x1b");
	assert_true(json_is_null(json_object_get(line, "none")));
	assert_int_equal(json_integer_value(json_object_get(line, "i")), -5);
	assert_true(json_real_value(json_object_get(line, "d")) == 1e-7);
	assert_string_equal(json_string_value(json_object_get(line, "nan")), "NaN");
	assert_true(json_is_true(json_object_get(line, "b")));
	json_decref(line);
}

static void the_macros_name_their_place_and_take_no_fields_too(void **state)
{
	char expected[200];

	LOG_WARN("bare");
	snprintf(expected, sizeof(expected),
		"ts=2026-01-02T03:04:05.678Z level=warn caller=%s:%d msg=\"bare\"\n", __FILE__,
		__LINE__ - 3);
	assert_string_equal(written(), expected);
	LOG_ERROR("more", LOG_INT("a", 1), LOG_TEXT("b", "2"));
	assert_non_null(strstr(written(), "level=error"));
}

static int evaluated;

static const char *evaluate(void)
{
	evaluated++;
	return "x";
}

static void lines_under_the_level_cost_nothing(void **state)
{
	LOG_DEBUG("not written", LOG_TEXT("x", evaluate()));
	assert_string_equal(written(), "");
	assert_int_equal(evaluated, 0);
	log_configure(LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
	LOG_DEBUG("written", LOG_TEXT("x", evaluate()));
	assert_non_null(strstr(written(), "level=debug"));
	log_configure(LOG_LEVEL_NONE, LOG_FORMAT_LOGFMT);
	LOG_ERROR("not written");
	assert_string_equal(written(), "");
	assert_false(log_enabled(LOG_LEVEL_NONE));
}

static void levels_and_formats_are_read_by_name(void **state)
{
	enum log_level level = LOG_LEVEL_NONE;
	enum log_format format = LOG_FORMAT_LOGFMT;

	assert_int_equal(log_level_parse("warn", &level), STATUS_OK);
	assert_int_equal(level, LOG_LEVEL_WARN);
	assert_int_equal(log_level_parse("WARN", &level), STATUS_BAD_INPUT);
	assert_int_equal(log_level_parse("", &level), STATUS_BAD_INPUT);
	assert_int_equal(log_format_parse("json", &format), STATUS_OK);
	assert_int_equal(format, LOG_FORMAT_JSON);
	assert_int_equal(log_format_parse("xml", &format), STATUS_BAD_INPUT);
}

static void errno_survives_a_line(void **state)
{
	log_set_fd(-1);
	errno = ENOSPC;
	LOG_INFO("nobody reads this");
	assert_int_equal(errno, ENOSPC);
}

/* Every length around the limit, so that each kind of byte meets the cut. */
static void long_json_lines_are_cut_and_still_json(void **state)
{
	static const char *const pieces[] = {"x", "\"", "\n", "\x01", "\xff", "\xe2\x82\xac"};
	static char text[LOG_LINE_MAX + 256];

	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	for (size_t p = 0; p < ARRAY_COUNT(pieces); p++) {
		for (size_t length = LOG_LINE_MAX - 300; length < LOG_LINE_MAX + 20; length += 7) {
			size_t step = strlen(pieces[p]);
			json_t *line;

			memset(text, 'y', length);
			text[length] = '\0';
			for (size_t i = LOG_LINE_MAX - 500; i + step <= length; i += step)
				memcpy(text + i, pieces[p], step);
			write_fields((const struct log_field[]){LOG_TEXT("long", text),
				LOG_TEXT("after", "z"), {0}});
			clock_manual_advance(&clock_of_test, LOG_BURST_MS);
			line = only_json_line(written());
			assert_true(strlen(content) <= LOG_LINE_MAX);
			assert_true(json_is_true(json_object_get(line, "cut")) ||
				json_object_get(line, "after") != NULL);
			json_decref(line);
		}
	}
}

/* The closing quote may be the byte that passes the limit: what comes then must see it. */
static void a_long_key_at_the_limit_is_cut_away(void **state)
{
	static char text[LOG_LINE_MAX], key[200];

	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	memset(key, 'k', sizeof(key) - 1);
	for (size_t length = LOG_LINE_MAX - 250; length < LOG_LINE_MAX - 130; length++) {
		memset(text, 'y', length);
		text[length] = '\0';
		write_fields((
			const struct log_field[]){LOG_TEXT("long", text), LOG_TEXT(key, "z"), {0}});
		clock_manual_advance(&clock_of_test, LOG_BURST_MS);
		json_decref(only_json_line(written()));
		assert_true(strlen(content) <= LOG_LINE_MAX);
	}
}

static void long_logfmt_lines_are_cut_and_say_so(void **state)
{
	static char text[2 * LOG_LINE_MAX];
	const char *line;

	memset(text, 'y', sizeof(text) - 1);
	write_fields((const struct log_field[]){LOG_TEXT("long", text), LOG_INT("i", 1), {0}});
	line = written();
	assert_in_range(strlen(line), LOG_LINE_MAX - 100, LOG_LINE_MAX);
	assert_string_equal(line + strlen(line) - 13, "yy\" cut=true\n");
	/* A text without quotes just under the limit is whole. */
	text[LOG_LINE_MAX - 300] = '\0';
	write_fields((const struct log_field[]){LOG_TEXT("long", text), LOG_INT("i", 1), {0}});
	line = written();
	assert_string_equal(line + strlen(line) - 7, "yy i=1\n");
	log_write(LOG_LEVEL_INFO, "base/x.c", 8, memset(text, 'z', sizeof(text) - 1),
		(const struct log_field[]){LOG_INT("i", 1), {0}});
	line = written();
	assert_string_equal(line + strlen(line) - 13, "zz\" cut=true\n");
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

static void write_at(int line, int times)
{
	for (int i = 0; i < times; i++)
		log_write(LOG_LEVEL_WARN, "base/burst.c", line, "again",
			(const struct log_field[]){LOG_INT("i", i), {0}});
}

static void a_burst_is_written_to_its_limit_then_counted(void **state)
{
	double before = metrics_get(METRIC_LOG_SUPPRESSED);

	write_at(1, LOG_BURST + 30);
	assert_int_equal(count_lines(written()), LOG_BURST);
	assert_true(metrics_get(METRIC_LOG_SUPPRESSED) == before + 30);
	/* Another place is not held back. */
	write_at(2, 1);
	assert_int_equal(count_lines(written()), 1);
	clock_manual_advance(&clock_of_test, LOG_BURST_MS - 1);
	write_at(1, 1);
	assert_string_equal(written(), "");
	clock_manual_advance(&clock_of_test, 1);
	/* Whoever writes next tells of it, once. */
	write_at(2, 1);
	assert_non_null(strstr(written(),
		"level=warn caller=base/burst.c:1 msg=\"repeated\" lines=31 span_seconds=10\n"));
	assert_int_equal(count_lines(content), 2);
	write_at(2, 1);
	assert_int_equal(count_lines(written()), 1);
	/* And the place may write again. */
	write_at(1, LOG_BURST + 1);
	assert_int_equal(count_lines(written()), LOG_BURST);
}

static void slow_lines_are_never_counted(void **state)
{
	for (int i = 0; i < 5 * LOG_BURST; i++) {
		write_at(3, 1);
		clock_manual_advance(&clock_of_test, LOG_BURST_MS / LOG_BURST);
	}
	assert_int_equal(count_lines(written()), 5 * LOG_BURST);
}

static void flush_tells_what_is_counted(void **state)
{
	write_at(4, LOG_BURST + 2);
	written();
	log_flush();
	assert_non_null(strstr(written(), "lines=2 "));
	log_flush();
	assert_string_equal(written(), "");
	write_at(4, 1);
	assert_string_equal(written(), ""); /* the span goes on */
}

static void more_places_than_the_table_has_are_all_written(void **state)
{
	for (int round = 0; round < LOG_BURST; round++) {
		for (int line = 0; line < 1000; line++)
			write_at(100 + line, 1);
		assert_int_equal(count_lines(written()), 1000);
		assert_null(strstr(content, "repeated"));
	}
	/* When their spans are over, their places belong to whoever comes next. */
	clock_manual_advance(&clock_of_test, LOG_BURST_MS);
	for (int line = 2000; line < 2008; line++) {
		write_at(line, LOG_BURST + 1);
		assert_int_equal(count_lines(written()), LOG_BURST);
	}
	clock_manual_advance(&clock_of_test, LOG_BURST_MS);
	log_flush();
	assert_int_equal(count_lines(written()), 8);
	assert_non_null(strstr(content, "caller=base/burst.c:2007 msg=\"repeated\" lines=1 "));
}

static void write_of(const char *of, int times)
{
	for (int i = 0; i < times; i++)
		log_write_of(LOG_LEVEL_WARN, "base/burst.c", 9, of, "again",
			(const struct log_field[]){{0}});
}

static void a_burst_about_one_thing_hides_no_other(void **state)
{
	char of[32];
	size_t lines = 0;

	write_of("i-1", LOG_BURST + 5);
	assert_int_equal(count_lines(written()), LOG_BURST);
	write_of("i-2", 1);
	assert_int_equal(count_lines(written()), 1);
	clock_manual_advance(&clock_of_test, LOG_BURST_MS);
	log_flush();
	assert_non_null(strstr(written(), "msg=\"repeated\" lines=5 span_seconds=10 of=i-1\n"));
	/* All of them together have a limit, too, and what is past it is told. */
	for (int i = 0; i < LOG_BURST_ALL + 100; i++) {
		snprintf(of, sizeof(of), "i-%d", 10 + i);
		write_of(of, 1);
		lines += count_lines(written());
	}
	assert_int_equal(lines, LOG_BURST_ALL);
	clock_manual_advance(&clock_of_test, LOG_BURST_MS);
	log_flush();
	assert_non_null(strstr(written(), "msg=\"repeated\" lines=100 span_seconds=10\n"));
	/* Nor do they take the places of other call sites. */
	write_at(10, LOG_BURST + 1);
	assert_int_equal(count_lines(written()), LOG_BURST);
}

#define THREADS 4
#define LINES 300

static void *write_many(void *argument)
{
	char text[3000];

	memset(text, 'a' + (int)(uintptr_t)argument, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < LINES; i++) {
		/* A place of its own for each, so that no burst is seen. */
		text[i * 7] = '\0';
		log_write(LOG_LEVEL_INFO, "base/thread.c", (int)(uintptr_t)argument * LINES + i,
			"x", (const struct log_field[]){LOG_TEXT("t", text), {0}});
		text[i * 7] = text[sizeof(text) - 2];
	}
	return NULL;
}

static void lines_of_threads_never_mix(void **state)
{
	static char all[THREADS * LINES * 4096];
	pthread_t threads[THREADS];
	size_t lines = 0;
	ssize_t size;
	char *line, *rest = all;

	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
	write_at(5, LOG_BURST);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	size = pread(sink, all, sizeof(all) - 1, 0);
	assert_true(size > 0);
	all[size] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL) {
		const char *value = strstr(line, " t=");

		lines += *line != '\0';
		assert_true(*line == '\0' || strncmp(line, "ts=2026-", 8) == 0);
		if (value == NULL || value[3] == '"')
			continue;
		value += 3;
		assert_int_equal(strspn(value, (char[]){*value, '\0'}), strlen(value));
	}
	assert_int_equal(lines, THREADS * LINES + LOG_BURST);
}

#define IN_SINK(test) cmocka_unit_test_setup_teardown(test, open_sink, close_sink)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SINK(logfmt_values_are_quoted_when_needed),
		IN_SINK(a_name_cannot_forge_a_line),
		IN_SINK(numbers_and_truths_are_bare),
		IN_SINK(json_lines_are_objects),
		IN_SINK(the_macros_name_their_place_and_take_no_fields_too),
		IN_SINK(lines_under_the_level_cost_nothing),
		IN_SINK(levels_and_formats_are_read_by_name),
		IN_SINK(errno_survives_a_line),
		IN_SINK(long_json_lines_are_cut_and_still_json),
		IN_SINK(a_long_key_at_the_limit_is_cut_away),
		IN_SINK(long_logfmt_lines_are_cut_and_say_so),
		IN_SINK(a_burst_is_written_to_its_limit_then_counted),
		IN_SINK(a_burst_about_one_thing_hides_no_other),
		IN_SINK(slow_lines_are_never_counted),
		IN_SINK(flush_tells_what_is_counted),
		IN_SINK(more_places_than_the_table_has_are_all_written),
		IN_SINK(lines_of_threads_never_mix),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
