/*
 * The patterns of visits: rates by their definitions, moments by counting, files by what they say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "demo/visits.h"

static struct visits complete(enum visits_pattern pattern, double rate, int64_t duration_ms)
{
	struct visits visits;
	struct error error;

	visits_init(&visits);
	visits.pattern = pattern;
	visits.rate = rate;
	visits.duration_ms = duration_ms;
	if (visits_complete(&visits, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return visits;
}

/* Moments between two times; they must rise. */
static size_t count_between(const struct visits *visits, double begin_s, double end_s)
{
	struct arrivals arrivals;
	int64_t at_ns, last_ns = 0;
	size_t count = 0;

	arrivals_init(&arrivals, visits);
	while ((at_ns = arrivals_next(&arrivals)) >= 0) {
		assert_true(at_ns >= last_ns);
		assert_true(at_ns < visits->duration_ms * 1000000);
		count += (double)at_ns >= begin_s * 1e9 && (double)at_ns < end_s * 1e9;
		last_ns = at_ns;
	}
	return count;
}

/* Five standard deviations of a Poisson distribution. */
static void is_near(size_t count, double expected)
{
	if (fabs((double)count - expected) > 5 * sqrt(expected) + 1)
		fail_msg("%zu moments, and not about %.0f", count, expected);
}

static void steady_moments_come_at_the_rate(void **state)
{
	struct visits visits = complete(VISITS_STEADY, 500, 100000);

	(void)state;
	is_near(count_between(&visits, 0, 100), 50000);
	is_near(count_between(&visits, 10, 20), 5000);
	/* Far more often than the rate changes, and far less often. */
	visits = complete(VISITS_STEADY, 100000, 1000);
	is_near(count_between(&visits, 0, 1), 100000);
	visits = complete(VISITS_STEADY, 0.05, 86400000);
	is_near(count_between(&visits, 0, 86400), 4320);
}

static void gaps_are_those_of_a_poisson_process(void **state)
{
	struct visits visits = complete(VISITS_STEADY, 100, 1000000);
	struct arrivals arrivals;
	int64_t at_ns, last_ns = 0;
	size_t count = 0, longer = 0;

	(void)state;
	arrivals_init(&arrivals, &visits);
	while ((at_ns = arrivals_next(&arrivals)) >= 0) {
		longer += at_ns - last_ns > 10000000; /* the mean gap */
		count++;
		last_ns = at_ns;
	}
	/* A share of 1/e is longer than the mean. */
	is_near(longer, (double)count * exp(-1));
}

static void a_seed_gives_its_moments_again(void **state)
{
	struct visits visits = complete(VISITS_WAVE, 100, 10000), other = visits;
	struct arrivals a, b, c;
	size_t differ = 0;

	(void)state;
	other.seed = 2;
	arrivals_init(&a, &visits);
	arrivals_init(&b, &visits);
	arrivals_init(&c, &other);
	for (int i = 0; i < 100; i++) {
		int64_t at_ns = arrivals_next(&a);

		assert_int_equal(at_ns, arrivals_next(&b));
		differ += at_ns != arrivals_next(&c);
	}
	assert_true(differ > 90);
}

static void patterns_have_their_rates(void **state)
{
	static const struct {
		enum visits_pattern pattern;
		double at_s, rate;
	} cases[] = {{VISITS_STEADY, 50, 100}, {VISITS_RAMP, 0, 10}, {VISITS_RAMP, 50, 55},
		{VISITS_RAMP, 100, 100}, {VISITS_SPIKE, 44.9, 10}, {VISITS_SPIKE, 45.1, 100},
		{VISITS_SPIKE, 54.9, 100}, {VISITS_SPIKE, 55.1, 10}, {VISITS_WAVE, 0, 10},
		{VISITS_WAVE, 12.5, 100}, {VISITS_WAVE, 25, 10}, {VISITS_WAVE, 87.5, 100},
		{VISITS_FLASH_CROWD, 33.3, 10}, {VISITS_FLASH_CROWD, 34.0 + 1.0 / 3, 55},
		{VISITS_FLASH_CROWD, 35.0 + 1.0 / 3, 100},
		{VISITS_FLASH_CROWD, 52, 10 + 90 / 2.718281828}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct visits visits = complete(cases[i].pattern, 100, 100000);
		double rate = visits_rate(&visits, cases[i].at_s);

		if (fabs(rate - cases[i].rate) > 0.01)
			fail_msg("%s at %g s: %g, and not %g",
				visits_pattern_name(cases[i].pattern), cases[i].at_s, rate,
				cases[i].rate);
	}
}

static void moments_follow_the_pattern(void **state)
{
	struct visits visits = complete(VISITS_SPIKE, 1000, 100000);

	(void)state;
	is_near(count_between(&visits, 0, 45), 4500);
	is_near(count_between(&visits, 45, 55), 10000);
	is_near(count_between(&visits, 55, 100), 4500);
	visits = complete(VISITS_RAMP, 1000, 100000);
	is_near(count_between(&visits, 0, 50), 50 * 325);
}

static enum status read_text(struct visits *visits, const char *text, struct error *error)
{
	visits_init(visits);
	visits->pattern = VISITS_RECORDED;
	return visits_read_csv(visits, text, strlen(text), error);
}

static void recorded_rates_are_those_of_the_file(void **state)
{
	struct visits visits;
	struct error error;

	(void)state;
	assert_int_equal(read_text(&visits,
				 "time,requests\n# noon\n1700000000,10\r\n\n1700000060,40\n"
				 "1700000120,0\n1700000180,20",
				 &error),
		STATUS_OK);
	assert_int_equal(visits_complete(&visits, &error), STATUS_OK);
	assert_int_equal(visits.duration_ms, 180000);
	assert_float_equal(visits.rate, 40, 0);
	assert_float_equal(visits_rate(&visits, 59), 10, 0);
	assert_float_equal(visits_rate(&visits, 60), 40, 0);
	assert_float_equal(visits_rate(&visits, 179), 0, 0);
	is_near(count_between(&visits, 60, 120), 2400);
	assert_int_equal(count_between(&visits, 120, 180), 0);
	visits_fini(&visits);

	assert_int_equal(read_text(&visits, "0,10\n10,40\n", &error), STATUS_OK);
	visits.rate = 8;
	assert_int_equal(visits_complete(&visits, &error), STATUS_OK);
	assert_float_equal(visits_rate(&visits, 0), 2, 1e-12);
	assert_float_equal(visits_rate(&visits, 10), 8, 1e-12);
	visits_fini(&visits);
}

static void a_bad_file_is_refused_with_its_line(void **state)
{
	static const char *const cases[][2] = {{"0,1\n5,x\n", "line 2: not seconds,rate"},
		{"0,1\n5\n", "line 2: not seconds,rate"}, {"0,1\n5,2,3\n", "line 2: not"},
		{"0,1\n0,2\n", "line 2: its time is not after"}, {"0,-1\n", "line 1: rate -1"},
		{"0,nan\n", "line 1: not"}, {"a,b\nc,d\n", "line 2: not"}, {"", "no line of it"},
		{"seconds,rate\n", "no line of it"}};
	struct visits visits;
	struct error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(read_text(&visits, cases[i][0], &error), STATUS_BAD_INPUT);
		if (strstr(error.text, cases[i][1]) == NULL)
			fail_msg("%s: %s", cases[i][0], error.text);
		assert_null(visits.points);
	}
}

static void what_is_missing_or_too_much_is_named(void **state)
{
	static struct visits_point point;
	static const struct {
		struct visits visits;
		const char *word;
	} cases[] = {{{.rate = NAN, .low = NAN, .duration_ms = 1000}, "rate is missing"},
		{{.points = &point, .point_count = 1, .rate = 9, .duration_ms = 1000},
			"for the pattern recorded, not for steady"},
		{{.rate = 1, .low = NAN}, "duration is missing"},
		{{.rate = 0, .low = NAN, .duration_ms = 1000}, "rate 0"},
		{{.rate = 1e9, .low = NAN, .duration_ms = 1000}, "rate 1e+09"},
		{{.rate = 1, .low = 2, .duration_ms = 1000}, "low 2"},
		{{.rate = 1, .low = -1, .duration_ms = 1000}, "low -1"},
		{{.rate = 1, .low = NAN, .duration_ms = 50}, "duration is not"},
		{{.rate = 1, .low = NAN, .duration_ms = 86400001}, "duration is not"},
		{{.pattern = VISITS_RECORDED, .rate = NAN, .low = NAN}, "recorded needs"}};
	enum visits_pattern pattern;
	struct error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct visits visits = cases[i].visits;

		assert_int_equal(visits_complete(&visits, &error), STATUS_BAD_INPUT);
		if (strstr(error.text, cases[i].word) == NULL)
			fail_msg("%s: %s", cases[i].word, error.text);
	}
	assert_int_equal(visits_pattern_parse("bursts", &pattern, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "flash_crowd"));
	assert_int_equal(visits_pattern_parse("wave", &pattern, &error), STATUS_OK);
	assert_int_equal(pattern, VISITS_WAVE);
}

static void without_memory_a_file_is_not_read(void **state)
{
	char text[100 * 8], *end = text;
	struct visits visits;
	struct error error;
	bool injected;
	long nth = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		end += snprintf(end, 8, "%d,1\n", i);
	do {
		enum status status;

		(void)mem_fail_after(++nth, false);
		status = read_text(&visits, text, &error);
		injected = mem_fail_after(0, false);
		assert_int_equal(status, injected ? STATUS_NO_MEMORY : STATUS_OK);
		visits_fini(&visits);
	} while (injected);
	assert_true(nth > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steady_moments_come_at_the_rate),
		cmocka_unit_test(gaps_are_those_of_a_poisson_process),
		cmocka_unit_test(a_seed_gives_its_moments_again),
		cmocka_unit_test(patterns_have_their_rates),
		cmocka_unit_test(moments_follow_the_pattern),
		cmocka_unit_test(recorded_rates_are_those_of_the_file),
		cmocka_unit_test(a_bad_file_is_refused_with_its_line),
		cmocka_unit_test(what_is_missing_or_too_much_is_named),
		cmocka_unit_test(without_memory_a_file_is_not_read),
	};

	return cmocka_run_group_tests_name("visits", tests, NULL, NULL);
}
