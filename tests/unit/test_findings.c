/*
 * The tracker's states and transitions, and what a finding says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/findings.h"
#include "base/mem.h"

#define T0 INT64_C(1700000000000)

static const struct finding_spec spec = {.threshold = 6,
	.threshold_close = 3,
	.duration_min_ms = 60000,
	.repeat_ms = 60000,
	.lost_ms = 600000};

static struct judgement score_at(double score, int64_t now_ms)
{
	return (struct judgement){.quality = QUALITY_GOOD,
		.value = 2 + score / 10,
		.expected = 2,
		.scale = 0.1,
		.score = score,
		.confidence = 0.9,
		.newest_ms = now_ms - 5000,
		.samples = 240};
}

static struct judgement bad(enum quality quality)
{
	return (struct judgement){.quality = quality,
		.value = NAN,
		.newest = NAN,
		.expected = NAN,
		.scale = NAN,
		.score = NAN};
}

static enum finding_change see(struct finding_tracker *tracker, enum signal_direction detect,
	double score, int64_t after_s)
{
	struct judgement judgement = score_at(score, T0 + after_s * 1000);

	return finding_update(tracker, &spec, detect, &judgement, T0 + after_s * 1000);
}

static enum finding_change lose(struct finding_tracker *tracker, int64_t after_s)
{
	struct judgement judgement = bad(QUALITY_STALE);

	return finding_update(tracker, &spec, DIRECTION_BOTH, &judgement, T0 + after_s * 1000);
}

static struct finding_tracker opened(void)
{
	struct finding_tracker tracker = {0};

	assert_int_equal(see(&tracker, DIRECTION_BOTH, 8, 0), FINDING_NONE);
	assert_int_equal(see(&tracker, DIRECTION_BOTH, 9, 60), FINDING_OPENED);
	assert_int_equal(tracker.state, FINDING_ACTIVE);
	return tracker;
}

static void an_episode_opens_once_it_has_held(void **state)
{
	struct finding_tracker tracker = {0};

	assert_int_equal(see(&tracker, DIRECTION_UP, 5.9, 0), FINDING_NONE);
	assert_int_equal(tracker.state, FINDING_QUIET);
	assert_int_equal(see(&tracker, DIRECTION_UP, 6, 10), FINDING_NONE);
	assert_int_equal(tracker.state, FINDING_PENDING);
	assert_int_equal(see(&tracker, DIRECTION_UP, 7, 64), FINDING_NONE);
	/* Since is the time of the first sample over the threshold, 5 s before that scan. */
	assert_int_equal(see(&tracker, DIRECTION_UP, 7, 65), FINDING_OPENED);
	assert_int_equal(tracker.since_ms, T0 + 5000);
}

static void a_short_peak_is_no_finding(void **state)
{
	struct finding_tracker tracker = {0};

	see(&tracker, DIRECTION_UP, 50, 0);
	assert_int_equal(see(&tracker, DIRECTION_UP, 5, 30), FINDING_NONE);
	assert_int_equal(tracker.state, FINDING_QUIET);
	/* The next peak starts from zero. */
	see(&tracker, DIRECTION_UP, 50, 45);
	assert_int_equal(see(&tracker, DIRECTION_UP, 50, 90), FINDING_NONE);
}

static void only_watched_directions_count(void **state)
{
	static const struct {
		enum signal_direction detect;
		double score;
		bool pending;
	} cases[] = {
		{DIRECTION_NONE, 100, false},
		{DIRECTION_NONE, -100, false},
		{DIRECTION_UP, 100, true},
		{DIRECTION_UP, -100, false},
		{DIRECTION_DOWN, 100, false},
		{DIRECTION_DOWN, -100, true},
		{DIRECTION_BOTH, 100, true},
		{DIRECTION_BOTH, -100, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct finding_tracker tracker = {0};

		see(&tracker, cases[i].detect, cases[i].score, 0);
		assert_int_equal(tracker.state, cases[i].pending ? FINDING_PENDING : FINDING_QUIET);
		assert_true(!cases[i].pending || tracker.up == (cases[i].score > 0));
	}
}

static void an_open_finding_is_told_again_at_its_pace(void **state)
{
	struct finding_tracker tracker = opened();

	assert_int_equal(see(&tracker, DIRECTION_BOTH, 9, 75), FINDING_NONE);
	assert_int_equal(see(&tracker, DIRECTION_BOTH, 9, 119), FINDING_NONE);
	assert_int_equal(see(&tracker, DIRECTION_BOTH, 9, 120), FINDING_REPEATED);
	assert_int_equal(see(&tracker, DIRECTION_BOTH, 9, 135), FINDING_NONE);
	assert_int_equal(see(&tracker, DIRECTION_BOTH, 9, 180), FINDING_REPEATED);
}

static void a_score_between_the_thresholds_keeps_it_open(void **state)
{
	struct finding_tracker tracker = opened();

	for (int64_t s = 75; s < 1000; s += 15)
		assert_int_not_equal(see(&tracker, DIRECTION_BOTH, 3.1, s), FINDING_RESOLVED);
	assert_int_equal(tracker.state, FINDING_ACTIVE);
}

static void it_closes_once_it_was_quiet_for_long_enough(void **state)
{
	struct finding_tracker tracker = opened();

	assert_int_equal(see(&tracker, DIRECTION_BOTH, 1, 75), FINDING_NONE);
	assert_int_equal(tracker.state, FINDING_CLOSING);
	see(&tracker, DIRECTION_BOTH, 1, 134);
	assert_int_equal(tracker.state, FINDING_CLOSING);
	assert_int_equal(see(&tracker, DIRECTION_BOTH, 1, 135), FINDING_RESOLVED);
	assert_int_equal(tracker.state, FINDING_QUIET);
	assert_int_equal(see(&tracker, DIRECTION_BOTH, 1, 150), FINDING_NONE);
}

static void a_relapse_is_the_same_episode(void **state)
{
	struct finding_tracker tracker = opened();
	int64_t since_ms = tracker.since_ms;

	see(&tracker, DIRECTION_BOTH, 1, 75);
	see(&tracker, DIRECTION_BOTH, 4, 100);
	assert_int_equal(tracker.state, FINDING_ACTIVE);
	assert_int_equal(tracker.since_ms, since_ms);
	/* And closing starts over. */
	see(&tracker, DIRECTION_BOTH, 1, 110);
	assert_int_not_equal(see(&tracker, DIRECTION_BOTH, 1, 140), FINDING_RESOLVED);
}

static void the_other_direction_is_another_episode(void **state)
{
	struct finding_tracker tracker = opened();

	see(&tracker, DIRECTION_BOTH, -20, 75);
	assert_int_equal(tracker.state, FINDING_CLOSING);
	assert_int_equal(see(&tracker, DIRECTION_BOTH, -20, 135), FINDING_RESOLVED);
	assert_true(tracker.up);
	see(&tracker, DIRECTION_BOTH, -20, 150);
	assert_int_equal(tracker.state, FINDING_PENDING);
	assert_false(tracker.up);
}

static void bad_data_opens_nothing(void **state)
{
	struct finding_tracker tracker = {0};

	assert_int_equal(lose(&tracker, 0), FINDING_NONE);
	assert_int_equal(tracker.state, FINDING_QUIET);
	see(&tracker, DIRECTION_BOTH, 9, 15);
	assert_int_equal(lose(&tracker, 80), FINDING_NONE);
	assert_int_equal(tracker.state, FINDING_QUIET);
	/* A score without a good verdict does not count either. */
	struct judgement judgement = score_at(99, T0);

	judgement.quality = QUALITY_GAPS;
	assert_int_equal(finding_update(&tracker, &spec, DIRECTION_BOTH, &judgement, T0),
		FINDING_NONE);
	assert_int_equal(tracker.state, FINDING_QUIET);
}

static void bad_data_does_not_say_that_all_is_well(void **state)
{
	struct finding_tracker tracker = opened();

	for (int64_t s = 75; s < 660; s += 15)
		assert_int_equal(lose(&tracker, s), FINDING_NONE);
	assert_int_equal(tracker.state, FINDING_ACTIVE);
	assert_int_equal(lose(&tracker, 660), FINDING_LOST);
	assert_int_equal(tracker.state, FINDING_QUIET);
}

static void a_signal_that_comes_back_goes_on(void **state)
{
	struct finding_tracker tracker = opened();

	lose(&tracker, 600);
	assert_int_equal(see(&tracker, DIRECTION_BOTH, 9, 615), FINDING_REPEATED);
	assert_int_equal(lose(&tracker, 660), FINDING_NONE);
	assert_int_equal(tracker.state, FINDING_ACTIVE);
}

static void the_worst_of_an_episode_is_kept(void **state)
{
	struct finding_tracker tracker = opened();

	see(&tracker, DIRECTION_BOTH, 30, 75);
	see(&tracker, DIRECTION_BOTH, 10, 90);
	assert_true(tracker.worst.score == 30);
	/* And forgotten with it. */
	see(&tracker, DIRECTION_BOTH, 0, 105);
	see(&tracker, DIRECTION_BOTH, 0, 165);
	see(&tracker, DIRECTION_BOTH, 7, 180);
	assert_true(tracker.worst.score == 7);
}

static const struct workload_key shop = {.cluster = "",
	.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "web"};

static struct event event_of(const struct finding_tracker *tracker, enum signal_role role,
	const struct judgement *now, enum finding_change change)
{
	struct event event;
	struct error error;

	assert_int_equal(finding_event(tracker, &shop, role, now, change, T0 + 75000, &event,
				 &error),
		STATUS_OK);
	return event;
}

static const char *annotation(const struct event *event, const char *name)
{
	const char *text = labels_get(&event->annotations, name);

	assert_non_null(text);
	return text;
}

static void a_finding_names_workload_role_and_direction(void **state)
{
	struct finding_tracker tracker = opened();
	struct judgement now = score_at(9, T0 + 75000);
	struct event event = event_of(&tracker, ROLE_CPU, &now, FINDING_OPENED);
	static const char *const wanted[][2] = {{"finding", "cpu_high"},
		{"detector", "robust_zscore"}, {"role", "cpu"}, {"direction", "up"},
		{"namespace", "shop"}, {"workload_kind", "Deployment"}, {"workload", "web"}};

	assert_int_equal(event.labels.count, 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(labels_get(&event.labels, wanted[i][0]), wanted[i][1]);
	assert_int_equal(event.source, EVENT_FINDING);
	assert_true(event.firing);
	assert_int_equal(event.fingerprint, labels_fingerprint(&event.labels));
	assert_int_equal(event.starts_ms, tracker.since_ms);
	assert_int_equal(event.ends_ms, 0);
	assert_true(event.score == 9 && event.confidence == 0.9);
	event_fini(&event);
}

static void the_explanation_gives_seen_expected_and_since(void **state)
{
	struct finding_tracker tracker = opened();
	struct judgement now = score_at(9, T0 + 75000);
	struct event event = event_of(&tracker, ROLE_CPU, &now, FINDING_OPENED);

	assert_string_equal(annotation(&event, "summary"),
		"cpu of shop/Deployment/web is unusually high: 2.9 cores, expected about 2 cores");
	assert_string_equal(annotation(&event, "description"),
		"cpu of shop/Deployment/web has been above its usual range since "
		"2023-11-14T22:13:15.000Z: 2.9 cores against a median of 2 cores, 9.0 robust "
		"deviations away (worst 9.0), judged on 240 samples");
	assert_string_equal(annotation(&event, "since"), "2023-11-14T22:13:15.000Z");
	event_fini(&event);
}

static void amounts_are_told_in_the_words_of_their_unit(void **state)
{
	static const struct {
		enum signal_role role;
		double value;
		const char *text;
	} cases[] = {
		{ROLE_CPU, 0.25, "0.25 cores"},
		{ROLE_MEMORY, 104857600, "100.0 MiB"},
		{ROLE_ERROR_RATE, 0.125, "12.5 %"},
		{ROLE_LATENCY, 0.25, "0.25 s"},
		{ROLE_REQUEST_RATE, 1200, "1200/s"},
		{ROLE_RESTARTS, 3, "3"},
	};
	struct finding_tracker tracker = opened();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct judgement now = score_at(9, T0 + 75000);

		now.expected = cases[i].value;
		struct event event = event_of(&tracker, cases[i].role, &now, FINDING_OPENED);

		assert_string_equal(annotation(&event, "expected"), cases[i].text);
		event_fini(&event);
	}
}

static void the_end_is_told_as_an_end(void **state)
{
	struct finding_tracker tracker = opened();
	struct judgement now = score_at(1, T0 + 75000);
	struct event event = event_of(&tracker, ROLE_CPU, &now, FINDING_RESOLVED);

	assert_false(event.firing);
	assert_int_equal(event.ends_ms, T0 + 75000);
	assert_non_null(strstr(annotation(&event, "summary"), "no longer unusually high"));
	assert_non_null(strstr(annotation(&event, "description"), "is back"));
	event_fini(&event);
}

static void a_lost_signal_ends_without_confidence(void **state)
{
	struct finding_tracker tracker = opened();
	struct judgement now = bad(QUALITY_STALE);
	struct event event = event_of(&tracker, ROLE_CPU, &now, FINDING_LOST);

	assert_false(event.firing);
	assert_true(event.score == 9 && event.confidence == 0);
	assert_non_null(strstr(annotation(&event, "summary"), "was unusually high: 2.9 cores"));
	assert_non_null(strstr(annotation(&event, "description"),
		"the signal was lost (the newest sample is too old"));
	event_fini(&event);
}

static void the_fingerprint_is_the_episodes_not_the_scores(void **state)
{
	struct finding_tracker tracker = opened();
	struct judgement first = score_at(9, T0 + 75000), later = score_at(1, T0 + 175000);
	struct event a = event_of(&tracker, ROLE_CPU, &first, FINDING_OPENED);
	struct event b = event_of(&tracker, ROLE_CPU, &later, FINDING_RESOLVED);
	struct event c = event_of(&tracker, ROLE_LATENCY, &first, FINDING_OPENED);

	assert_int_equal(a.fingerprint, b.fingerprint);
	assert_int_equal(a.starts_ms, b.starts_ms);
	assert_true(a.fingerprint != c.fingerprint);
	event_fini(&a);
	event_fini(&b);
	event_fini(&c);
}

/* The longest names that there can be fit into every text. */
static void the_longest_names_are_not_cut(void **state)
{
	struct workload_key key = {.kind = TARGET_HPA};
	struct finding_tracker tracker = opened();
	struct judgement now = score_at(9, T0 + 75000);
	struct event event;
	struct error error;
	char text[WORKLOAD_TEXT_MAX];

	memset(key.cluster, 'c', sizeof(key.cluster) - 1);
	memset(key.namespace_name, 'n', sizeof(key.namespace_name) - 1);
	memset(key.name, 'w', sizeof(key.name) - 1);
	now.value = now.expected = -1.2345678e300;
	workload_key_write(&key, text, sizeof(text));
	assert_int_equal(finding_event(&tracker, &key, ROLE_MEMORY_UTILIZATION, &now,
				 FINDING_RESOLVED, T0, &event, &error),
		STATUS_OK);
	assert_string_equal(labels_get(&event.labels, "workload"), key.name);
	assert_string_equal(labels_get(&event.labels, "cluster"), key.cluster);
	assert_non_null(strstr(annotation(&event, "summary"), text));
	event_fini(&event);
}

static void memory_that_is_out_is_an_answer(void **state)
{
	struct finding_tracker tracker = opened();
	struct judgement now = score_at(9, T0 + 75000);
	enum status status;
	long nth = 0;
	bool reached;

	do {
		struct event event;
		struct error error;

		(void)mem_fail_after(++nth, false);
		status = finding_event(&tracker, &shop, ROLE_CPU, &now, FINDING_OPENED, T0, &event,
			&error);
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
		if (status == STATUS_OK)
			event_fini(&event);
	} while (reached);
	assert_true(nth > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_episode_opens_once_it_has_held),
		cmocka_unit_test(a_short_peak_is_no_finding),
		cmocka_unit_test(only_watched_directions_count),
		cmocka_unit_test(an_open_finding_is_told_again_at_its_pace),
		cmocka_unit_test(a_score_between_the_thresholds_keeps_it_open),
		cmocka_unit_test(it_closes_once_it_was_quiet_for_long_enough),
		cmocka_unit_test(a_relapse_is_the_same_episode),
		cmocka_unit_test(the_other_direction_is_another_episode),
		cmocka_unit_test(bad_data_opens_nothing),
		cmocka_unit_test(bad_data_does_not_say_that_all_is_well),
		cmocka_unit_test(a_signal_that_comes_back_goes_on),
		cmocka_unit_test(the_worst_of_an_episode_is_kept),
		cmocka_unit_test(a_finding_names_workload_role_and_direction),
		cmocka_unit_test(the_explanation_gives_seen_expected_and_since),
		cmocka_unit_test(amounts_are_told_in_the_words_of_their_unit),
		cmocka_unit_test(the_end_is_told_as_an_end),
		cmocka_unit_test(a_lost_signal_ends_without_confidence),
		cmocka_unit_test(the_fingerprint_is_the_episodes_not_the_scores),
		cmocka_unit_test(the_longest_names_are_not_cut),
		cmocka_unit_test(memory_that_is_out_is_an_answer),
	};

	return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
