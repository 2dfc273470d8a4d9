/* run-under: tsan */
/* Matchers: what they match, the text of selectors, limits that no pattern gets past. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/matcher.h"
#include "base/mem.h"

static bool tests_as(enum matcher_type type, const char *pattern, const char *value)
{
	struct matchers matchers;
	struct error error;
	bool matched;

	matchers_init(&matchers);
	assert_int_equal(matchers_add(&matchers, type, "a", pattern, &error), STATUS_OK);
	matched = matcher_test(&matchers, &matchers.list[0], value);
	assert_int_equal(matchers.limit_hits, 0);
	matchers_fini(&matchers);
	return matched;
}

/* Both ways at once: =~ says yes exactly when !~ says no. */
static bool regex(const char *pattern, const char *value)
{
	bool matched = tests_as(MATCHER_REGEX, pattern, value);

	assert_int_equal(tests_as(MATCHER_NOT_REGEX, pattern, value), !matched);
	return matched;
}

static void equality_compares_whole_values(void **state)
{
	assert_true(tests_as(MATCHER_EQUAL, "api", "api"));
	assert_false(tests_as(MATCHER_EQUAL, "api", "api2"));
	assert_false(tests_as(MATCHER_EQUAL, "api", "ap"));
	assert_false(tests_as(MATCHER_NOT_EQUAL, "api", "api"));
	assert_true(tests_as(MATCHER_NOT_EQUAL, "api", "API"));
}

static void patterns_are_anchored_at_both_ends(void **state)
{
	assert_true(regex("a|b", "a"));
	assert_true(regex("a|b", "b"));
	assert_false(regex("a|b", "ab"));
	assert_false(regex("a|bc", "bcd"));
	assert_false(regex("b", "ab"));
	assert_true(regex("a|ab", "ab"));
	assert_true(regex("ab?|a", "ab"));
	assert_true(regex(".*", ""));
	assert_false(regex(".+", ""));
	assert_true(regex("", ""));
	assert_false(regex("", "a"));
	assert_true(regex("a$", "a"));
	assert_false(regex("a$", "a\n"));
	assert_false(regex("a$.", "a\n"));
	assert_true(regex("(?i)API", "api"));
}

static void dot_takes_whole_characters_and_line_feeds(void **state)
{
	assert_true(regex(".", "\xC3\xA4"));
	assert_true(regex("..", "\xE2\x82\xAC\xF0\x9F\x98\x80"));
	assert_false(regex("..", "\xC3\xA4"));
	assert_true(regex("a.b", "a\nb"));
}

static void value_that_is_not_utf8_matches_no_pattern(void **state)
{
	assert_false(tests_as(MATCHER_REGEX, ".*", "a\xFF"));
	assert_false(tests_as(MATCHER_NOT_REGEX, "b", "a\xFF"));
	assert_false(tests_as(MATCHER_NOT_REGEX, "b", "\xED\xA0\x80"));
	assert_true(tests_as(MATCHER_NOT_EQUAL, "b", "a\xFF"));
}

static struct labels labels_of(const char *name, const char *value)
{
	struct label pair = {name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
	struct labels labels;

	assert_int_equal(labels_init(&labels, &pair, 1, NULL), STATUS_OK);
	return labels;
}

static bool selects(const char *selector, const struct labels *labels)
{
	struct matchers matchers;
	struct error error = {0};
	bool matched;

	matchers_init(&matchers);
	if (matchers_parse_selector(&matchers, selector, &error))
		fail_msg("%s: %s", selector, error.text);
	matched = matchers_test(&matchers, labels);
	matchers_fini(&matchers);
	return matched;
}

static void absent_label_is_the_empty_value(void **state)
{
	struct labels labels = labels_of("job", "api");

	assert_true(selects("{job=\"api\",zone=\"\"}", &labels));
	assert_false(selects("{job=\"api\",zone!=\"\"}", &labels));
	assert_true(selects("{job=\"api\",zone=~\"a?\"}", &labels));
	assert_false(selects("{job=\"api\",zone=~\"a\"}", &labels));
	assert_true(selects("{job=\"api\",zone!~\"a\"}", &labels));
	assert_false(selects("{job=\"api\",zone!~\".*\"}", &labels));
	labels_fini(&labels);
}

static void all_matchers_must_match(void **state)
{
	struct labels labels = labels_of("__name__", "up");

	assert_true(selects("up", &labels));
	assert_true(selects("{__name__=~\"u.\"}", &labels));
	assert_false(selects("up{job=\"x\"}", &labels));
	assert_false(selects("down", &labels));
	labels_fini(&labels);
}

/* Parses the selector and compares what matchers_write() makes of it. */
static void assert_reads(const char *selector, const char *written)
{
	struct matchers matchers;
	struct error error = {0};
	struct buf buf;

	matchers_init(&matchers);
	buf_init(&buf, 65536);
	if (matchers_parse_selector(&matchers, selector, &error))
		fail_msg("%s: %s", selector, error.text);
	matchers_write(&buf, &matchers);
	assert_string_equal(buf.data, written);
	buf_fini(&buf);
	matchers_fini(&matchers);
	if (strcmp(selector, written))
		assert_reads(written, written);
}

static void selectors_are_read_as_promql_writes_them(void **state)
{
	assert_reads("up", "up");
	assert_reads(" node:cpu:rate5m { } ", "node:cpu:rate5m");
	assert_reads("up{job=\"a\",x!=\"b\",y=~\"c.*\",z!~\"d|e\"}",
		"up{job=\"a\",x!=\"b\",y=~\"c.*\",z!~\"d|e\"}");
	assert_reads("{ job = 'a' , x != 'b' , }", "{job=\"a\",x!=\"b\"}");
	assert_reads("up{a=`b\\d\"'`}", "up{a=\"b\\\\d\\\"'\"}");
	assert_reads("up{a='say \"hi\"'}", "up{a=\"say \\\"hi\\\"\"}");
	assert_reads("{__name__=\"up\",job!=\"x\"}", "up{job!=\"x\"}");
	assert_reads("{__name__=~\"up|down\"}", "{__name__=~\"up|down\"}");
	assert_reads("{\"up\",job=\"x\"}", "up{job=\"x\"}");
	assert_reads("{\"my.metric\",\"k8s.pod\"=\"x\"}",
		"{__name__=\"my.metric\",\"k8s.pod\"=\"x\"}");
	assert_reads("up{a=\"\xE2\x82\xAC\"}", "up{a=\"\xE2\x82\xAC\"}");
}

static void escapes_are_those_of_go(void **state)
{
	assert_reads("{a=\"\\a\\b\\f\\n\\r\\t\\v\\\\\\'\\\"\"}",
		"{a=\"\\x07\\x08\\x0c\\n\\x0d\\t\\x0b\\\\'\\\"\"}");
	assert_reads("{a=\"\\x41\\102\\u0043\"}", "{a=\"ABC\"}");
	assert_reads("{a=\"\\u00e4\\u20AC\\U0001F600\"}",
		"{a=\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"}");
	assert_reads("{a=\"\\xc3\\xa4\"}", "{a=\"\xC3\xA4\"}");
	assert_reads("{a=\"\\303\\244\"}", "{a=\"\xC3\xA4\"}");
}

static void bad_selectors_are_refused_with_their_column(void **state)
{
	static const struct {
		const char *text;
		int column;
	} cases[] = {
		{"", 1},
		{"  ", 3},
		{"9up", 1},
		{"{}", 1},
		{"{a=~\".*\"}", 1},
		{"{a!=\"b\"}", 1},
		{"up{", 4},
		{"up{a", 5},
		{"up{a=", 6},
		{"up{a=b}", 6},
		{"up{a=\"b", 6},
		{"up{a=\"b\n\"}", 6},
		{"up{a=\"b\"", 9},
		{"up{a=\"b\" c=\"d\"}", 10},
		{"up{,}", 4},
		{"up{a=\"b\",,}", 10},
		{"up{a==\"b\"}", 6},
		{"up{a:b=\"c\"}", 4},
		{"up[5m]", 3},
		{"up{a=\"b\"} offset 5m", 11},
		{"sum(up)", 4},
		{"up{a=\"\\q\"}", 7},
		{"up{a=\"\\x4\"}", 7},
		{"up{a=\"\\x00\"}", 7},
		{"up{a=\"\\000\"}", 7},
		{"up{a=\"\\400\"}", 7},
		{"up{a=\"\\ud800\"}", 7},
		{"up{a=\"\\U00110000\"}", 7},
		{"up{a=\"\\xff\"}", 6},
		{"up{a=~\"(\"}", 7},
		{"up{a=~\"x{2,1}\"}", 7},
		{"{a=\"\xE2\x82\xAC\xE2\x82\xAC\" b}", 9},
		{"{\"\"=\"b\"}", 2},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct matchers matchers;
		struct error error = {0};
		char wanted[32];

		matchers_init(&matchers);
		snprintf(wanted, sizeof(wanted), "column %d:", cases[i].column);
		if (matchers_parse_selector(&matchers, cases[i].text, &error) != STATUS_BAD_INPUT ||
			strncmp(error.text, wanted, strlen(wanted)))
			fail_msg("%s: \"%s\", wanted %s", cases[i].text, error.text, wanted);
		assert_int_equal(matchers.count, 0);
		matchers_fini(&matchers);
	}
}

static void bad_selector_leaves_earlier_matchers(void **state)
{
	struct matchers matchers;

	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, "up{a=\"b\"}", NULL), STATUS_OK);
	assert_int_equal(matchers_parse_selector(&matchers, "{c=\"d\",e=\"f\",}x", NULL),
		STATUS_BAD_INPUT);
	assert_int_equal(matchers.count, 2);
	assert_string_equal(matchers.list[1].value, "b");
	matchers_fini(&matchers);
}

static void regex_error_names_what_is_wrong(void **state)
{
	struct matchers matchers;
	struct error error;

	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, "up{a=~\"ab(c\"}", &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "parenthesis"));
	/* Verbs change limits and engines behind our back. */
	assert_int_equal(matchers_add(&matchers, MATCHER_REGEX, "a", "(*LIMIT_MATCH=9)a", &error),
		STATUS_BAD_INPUT);
	/* \C would split characters. */
	assert_int_equal(matchers_add(&matchers, MATCHER_REGEX, "a", "\\C", &error),
		STATUS_BAD_INPUT);
	matchers_fini(&matchers);
}

static void assert_one(const char *text, enum matcher_type type, const char *name,
	const char *value)
{
	struct matchers matchers;
	struct error error = {0};

	matchers_init(&matchers);
	if (matchers_parse_one(&matchers, text, &error))
		fail_msg("%s: %s", text, error.text);
	assert_int_equal(matchers.count, 1);
	assert_int_equal(matchers.list[0].type, type);
	assert_string_equal(matchers.list[0].name, name);
	assert_string_equal(matchers.list[0].value, value);
	matchers_fini(&matchers);
}

static void alertmanager_matchers_need_no_quotes(void **state)
{
	assert_one("severity=critical", MATCHER_EQUAL, "severity", "critical");
	assert_one(" severity = \"critical\" ", MATCHER_EQUAL, "severity", "critical");
	assert_one("severity=~warning|critical", MATCHER_REGEX, "severity", "warning|critical");
	assert_one("severity!=x", MATCHER_NOT_EQUAL, "severity", "x");
	assert_one("severity!~\"a b\"", MATCHER_NOT_REGEX, "severity", "a b");
	assert_one("severity=", MATCHER_EQUAL, "severity", "");
	assert_one("a=~\"x\\.y\\d+\"", MATCHER_REGEX, "a", "x\\.y\\d+");
	assert_one("a=\"q\\\"\\\\n\\n\"", MATCHER_EQUAL, "a", "q\"\\n\n");
	assert_one("\"a b\"=\"c\"", MATCHER_EQUAL, "a b", "c");
}

static void bad_alertmanager_matchers_are_refused_with_their_column(void **state)
{
	static const struct {
		const char *text;
		int column;
	} cases[] = {{"", 1}, {"=x", 1}, {"a", 2}, {"a ~ b", 3}, {"a=b c", 5}, {"a=b,c=d", 4},
		{"a=\"b", 3}, {"a=\"b\" c", 7}, {"a='b'", 3}, {"a=~\"(\"", 4}, {"a=~b\\d", 5}};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct matchers matchers;
		struct error error = {0};
		char wanted[32];

		matchers_init(&matchers);
		snprintf(wanted, sizeof(wanted), "column %d:", cases[i].column);
		if (matchers_parse_one(&matchers, cases[i].text, &error) != STATUS_BAD_INPUT ||
			strncmp(error.text, wanted, strlen(wanted)))
			fail_msg("%s: \"%s\", wanted %s", cases[i].text, error.text, wanted);
		assert_int_equal(matchers.count, 0);
		matchers_fini(&matchers);
	}
}

static void matchers_and_patterns_have_a_maximum(void **state)
{
	struct matchers matchers;
	char pattern[4096 + 2];

	matchers_init(&matchers);
	for (int i = 0; i < MATCHERS_MAX; i++)
		assert_int_equal(matchers_add(&matchers, MATCHER_EQUAL, "a", "b", NULL), STATUS_OK);
	assert_int_equal(matchers_add(&matchers, MATCHER_EQUAL, "a", "b", NULL), STATUS_LIMIT);
	assert_int_equal(matchers_parse_selector(&matchers, "up", NULL), STATUS_LIMIT);
	assert_int_equal(matchers.count, MATCHERS_MAX);
	matchers_cut(&matchers, 0);
	memset(pattern, 'a', sizeof(pattern));
	pattern[4097] = 0;
	assert_int_equal(matchers_add(&matchers, MATCHER_REGEX, "a", pattern, NULL), STATUS_LIMIT);
	pattern[4096] = 0;
	assert_int_equal(matchers_add(&matchers, MATCHER_REGEX, "a", pattern, NULL), STATUS_OK);
	assert_true(matcher_test(&matchers, &matchers.list[0], pattern));
	matchers_fini(&matchers);
}

/* Catastrophic backtracking: 2^40 steps without the limit. */
static void hostile_pattern_ends_at_the_limit_without_a_match(void **state)
{
	static const char *const patterns[] = {"(a+)+$", "(a|aa)+", "(a|a?)+", "((a*)*)*",
		"(.*)*x"};
	struct matchers matchers;
	char value[64];
	int64_t start = clock_thread_cpu_ns();

	memset(value, 'a', sizeof(value));
	memcpy(value + sizeof(value) - 2, "!", 2);
	for (size_t i = 0; i < ARRAY_COUNT(patterns); i++) {
		matchers_init(&matchers);
		assert_int_equal(matchers_add(&matchers, MATCHER_REGEX, "a", patterns[i], NULL),
			STATUS_OK);
		assert_int_equal(matchers_add(&matchers, MATCHER_NOT_REGEX, "a", patterns[i], NULL),
			STATUS_OK);
		assert_false(matcher_test(&matchers, &matchers.list[0], value));
		assert_int_equal(matchers.limit_hits > 0,
			!matcher_test(&matchers, &matchers.list[1], value));
		matchers_fini(&matchers);
	}
	/* Ten matches; a limit that does not hold takes years. */
	assert_true(clock_thread_cpu_ns() - start < INT64_C(5000000000));
}

static void limit_hits_are_counted(void **state)
{
	struct matchers matchers;
	char value[64];

	memset(value, 'a', sizeof(value));
	memcpy(value + sizeof(value) - 2, "!", 2);
	matchers_init(&matchers);
	assert_int_equal(matchers_add(&matchers, MATCHER_NOT_REGEX, "a", "(a|aa)+", NULL),
		STATUS_OK);
	assert_false(matcher_test(&matchers, &matchers.list[0], value));
	assert_false(matcher_test(&matchers, &matchers.list[0], value));
	assert_int_equal(matchers.limit_hits, 2);
	assert_true(matcher_test(&matchers, &matchers.list[0], "b"));
	assert_int_equal(matchers.limit_hits, 2);
	matchers_fini(&matchers);
}

/* A long value must not be refused for its length alone. */
static void long_values_match_simple_patterns(void **state)
{
	struct matchers matchers;
	char value[8192];

	memset(value, 'a', sizeof(value));
	value[sizeof(value) - 1] = 0;
	matchers_init(&matchers);
	assert_int_equal(matchers_add(&matchers, MATCHER_REGEX, "a", ".*a", NULL), STATUS_OK);
	assert_int_equal(matchers_add(&matchers, MATCHER_REGEX, "a", "[a-z]+(x|a)", NULL),
		STATUS_OK);
	assert_int_equal(matchers_add(&matchers, MATCHER_REGEX, "a", "(?:a|b)*", NULL), STATUS_OK);
	for (size_t i = 0; i < matchers.count; i++)
		assert_true(matcher_test(&matchers, &matchers.list[i], value));
	assert_int_equal(matchers.limit_hits, 0);
	matchers_fini(&matchers);
}

struct race {
	struct matchers *matchers;
	const struct labels *yes, *no;
	int wrong;
};

static void *race_run(void *argument)
{
	struct race *race = argument;

	for (int i = 0; i < 500; i++) {
		race->wrong += !matchers_test(race->matchers, race->yes);
		race->wrong += matchers_test(race->matchers, race->no);
	}
	return NULL;
}

static void several_threads_match_at_once(void **state)
{
	struct labels yes = labels_of("pod", "web-7f-1"), no = labels_of("pod", "db-0");
	struct matchers matchers;
	struct race races[4];
	pthread_t threads[4];

	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, "{pod=~\"(web|api)-[0-9a-f]+-\\\\d+\"}",
				 NULL),
		STATUS_OK);
	for (size_t i = 0; i < ARRAY_COUNT(threads); i++) {
		races[i] = (struct race){&matchers, &yes, &no, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, race_run, &races[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_COUNT(threads); i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(races[i].wrong, 0);
	}
	matchers_fini(&matchers);
	labels_fini(&yes);
	labels_fini(&no);
}

static void memory_out_is_an_answer(void **state)
{
	bool reached = true;

	for (long n = 1; reached; n++) {
		struct matchers matchers;
		enum status status;

		matchers_init(&matchers);
		mem_fail_after(n, true);
		status = matchers_parse_selector(&matchers, "up{a=\"b\",c=~\"d.*(e|f)\",g!~'h'}",
			NULL);
		if (!status)
			status = matchers_parse_one(&matchers, "x=~\"y+\"", NULL);
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
		assert_true(!reached || matchers.count == 0 || matchers.count == 4);
		matchers_fini(&matchers);
		assert_true(n < 500);
	}
}

/* Without memory to match in, neither =~ nor !~ says yes. */
static void matching_without_memory_matches_nothing(void **state)
{
	struct matchers matchers;

	matchers_init(&matchers);
	assert_int_equal(matchers_add(&matchers, MATCHER_REGEX, "a", "b", NULL), STATUS_OK);
	assert_int_equal(matchers_add(&matchers, MATCHER_NOT_REGEX, "a", "c", NULL), STATUS_OK);
	for (size_t i = 0; i < 2; i++) {
		bool reached = true;

		for (long n = 1; reached; n++) {
			bool matched;

			mem_fail_after(n, true);
			matched = matcher_test(&matchers, &matchers.list[i], "b");
			reached = mem_fail_after(0, false);
			assert_int_equal(matched, !reached);
			assert_true(n < 50);
		}
	}
	matchers_fini(&matchers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equality_compares_whole_values),
		cmocka_unit_test(patterns_are_anchored_at_both_ends),
		cmocka_unit_test(dot_takes_whole_characters_and_line_feeds),
		cmocka_unit_test(value_that_is_not_utf8_matches_no_pattern),
		cmocka_unit_test(absent_label_is_the_empty_value),
		cmocka_unit_test(all_matchers_must_match),
		cmocka_unit_test(selectors_are_read_as_promql_writes_them),
		cmocka_unit_test(escapes_are_those_of_go),
		cmocka_unit_test(bad_selectors_are_refused_with_their_column),
		cmocka_unit_test(bad_selector_leaves_earlier_matchers),
		cmocka_unit_test(regex_error_names_what_is_wrong),
		cmocka_unit_test(alertmanager_matchers_need_no_quotes),
		cmocka_unit_test(bad_alertmanager_matchers_are_refused_with_their_column),
		cmocka_unit_test(matchers_and_patterns_have_a_maximum),
		cmocka_unit_test(hostile_pattern_ends_at_the_limit_without_a_match),
		cmocka_unit_test(limit_hits_are_counted),
		cmocka_unit_test(long_values_match_simple_patterns),
		cmocka_unit_test(several_threads_match_at_once),
		cmocka_unit_test(memory_out_is_an_answer),
		cmocka_unit_test(matching_without_memory_matches_nothing),
	};

	return cmocka_run_group_tests_name("matcher", tests, NULL, NULL);
}
