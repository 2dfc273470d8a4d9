/*
 * Alarms: one an episode, rests, gaps, and the watch on the detector.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analyzers/detect/alarm.h"
#include "base/random.h"

#define TRAIN 2000

static struct random dice;
static struct alarm alarm;

static void open_alarm(struct alarm_config config)
{
	static double scores[TRAIN], scratch[TRAIN];

	random_init(&dice, 1);
	for (size_t i = 0; i < TRAIN; i++)
		scores[i] = random_normal(&dice);
	alarm_init(&alarm, &config);
	assert_true(alarm_fit(&alarm, scores, TRAIN, scratch));
}

struct tally {
	size_t raised, active, ended, over;
};

/* So many rows of that score, with a little noise so that it is no constant. */
static struct tally feed(double score, size_t rows)
{
	struct tally tally = {0};

	for (size_t i = 0; i < rows; i++) {
		struct alarm_answer answer =
			alarm_step(&alarm, score + 0.01 * random_normal(&dice));

		tally.raised += answer.raised;
		tally.active += answer.active;
		tally.ended += answer.ended;
		tally.over += answer.over;
	}
	return tally;
}

static void an_episode_has_one_alarm(void **state)
{
	struct tally tally;

	open_alarm((struct alarm_config){0});
	assert_int_equal(feed(0, 50).over, 0);
	tally = feed(9, 30);
	assert_int_equal(tally.raised, 1);
	assert_int_equal(tally.ended, 0);
	assert_in_range(tally.active, 5, 30);
	/* A dip shorter than rows_quiet is no end. */
	assert_int_equal(feed(0, 4).ended, 0);
	assert_int_equal(feed(9, 5).raised, 0);
	tally = feed(0, 5);
	assert_int_equal(tally.ended, 1);
	assert_int_equal(tally.active, 0);
	assert_int_equal(feed(30, 1).raised, 1);
}

static void a_single_high_score_is_no_alarm_when_two_are_asked_for(void **state)
{
	open_alarm((struct alarm_config){.rows_min = 2});
	assert_int_equal(feed(9, 1).raised, 0);
	assert_int_equal(feed(0, 1).raised, 0);
	/* One after a pause is a first one again. */
	assert_int_equal(feed(9, 1).raised, 0);
	assert_int_equal(feed(9, 1).raised, 1);
}

/* The threshold follows the stream: what raised the episode is what it is held against. */
static void a_threshold_that_rises_over_the_scores_ends_no_episode(void **state)
{
	struct tally tally;

	open_alarm((struct alarm_config){0});
	assert_int_equal(feed(4, 1).raised, 1);
	tally = feed(4, 200);
	assert_true(alarm.track.threshold > 3.8);
	assert_in_range(tally.over, 1, 100);
	assert_int_equal(tally.ended, 0);
	assert_int_equal(feed(0, 5).ended, 1);
}

static void no_alarm_is_raised_while_it_rests(void **state)
{
	open_alarm((struct alarm_config){.rows_rest = 100});
	assert_int_equal(feed(20, 3).raised, 1);
	assert_int_equal(feed(0, 5).ended, 1);
	assert_int_equal(feed(50, 50).raised, 0);
	(void)feed(0, 50);
	assert_int_equal(feed(90, 1).raised, 1);
}

static void rows_not_judged_change_nothing_until_the_signal_is_lost(void **state)
{
	struct alarm_answer answer;

	open_alarm((struct alarm_config){0});
	(void)feed(9, 3);
	for (size_t i = 0; i + 1 < ALARM_LOST_ROWS; i++) {
		answer = alarm_step(&alarm, i % 2 == 0 ? NAN : INFINITY);
		assert_true(!answer.ended && !answer.active && !answer.raised);
		assert_true(isnan(answer.probability));
	}
	assert_true(alarm_step(&alarm, NAN).ended);
	assert_false(alarm_step(&alarm, NAN).ended);
}

static void what_flags_everything_is_quarantined_and_says_why(void **state)
{
	struct alarm_answer answer = {0};

	open_alarm((struct alarm_config){0});
	/* It climbs faster than the threshold can. */
	for (size_t i = 0; i < ALARM_WATCH_ROWS; i++)
		answer = alarm_step(&alarm, 10 + (double)i);
	assert_int_equal(answer.quarantine, ALARM_FLAGS_EVERYTHING);
	assert_true(answer.ended);
	assert_non_null(strstr(alarm_reason(answer.quarantine), "no longer describes"));
	assert_int_equal(feed(1e6, 3).raised, 0);
	/* A window without, and it serves again. */
	(void)feed(0, 2 * ALARM_WATCH_ROWS);
	assert_int_equal(alarm.quarantine, ALARM_SERVING);
	assert_null(alarm_reason(alarm.quarantine));
	assert_int_equal(feed(1e6, 1).raised, 1);
}

static void what_says_the_same_of_all_rows_is_quarantined(void **state)
{
	static double same[TRAIN], scratch[TRAIN];
	struct alarm_answer answer = {0};

	open_alarm((struct alarm_config){0});
	for (size_t i = 0; i < ALARM_WATCH_ROWS; i++)
		answer = alarm_step(&alarm, 0.5);
	assert_int_equal(answer.quarantine, ALARM_FLAGS_NOTHING);
	assert_false(alarm_fit(&alarm, same, TRAIN, scratch));
	answer = alarm_step(&alarm, 5);
	assert_int_equal(answer.quarantine, ALARM_FLAGS_NOTHING);
	assert_false(answer.raised);
}

static void nothing_is_raised_before_anything_is_learnt(void **state)
{
	struct alarm_answer answer;

	alarm_init(&alarm, &(struct alarm_config){0});
	answer = alarm_step(&alarm, 1e9);
	assert_int_equal(answer.quarantine, ALARM_UNFITTED);
	assert_non_null(alarm_reason(answer.quarantine));
	assert_true(!answer.over && !answer.raised && isnan(answer.threshold));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_episode_has_one_alarm),
		cmocka_unit_test(a_single_high_score_is_no_alarm_when_two_are_asked_for),
		cmocka_unit_test(a_threshold_that_rises_over_the_scores_ends_no_episode),
		cmocka_unit_test(no_alarm_is_raised_while_it_rests),
		cmocka_unit_test(rows_not_judged_change_nothing_until_the_signal_is_lost),
		cmocka_unit_test(what_flags_everything_is_quarantined_and_says_why),
		cmocka_unit_test(what_says_the_same_of_all_rows_is_quarantined),
		cmocka_unit_test(nothing_is_raised_before_anything_is_learnt),
	};

	return cmocka_run_group_tests_name("alarm", tests, NULL, NULL);
}
