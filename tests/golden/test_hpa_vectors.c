/*
 * The HPA against vectors worked out by hand from its published rule (kubernetes.io, "Horizontal Pod
 * Autoscaling", and the autoscaling/v2 reference), one line a sync or a sequence of syncs 15 s apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "analyzers/scaler/hpa.h"

static const struct {
	const char *what;
	double target, usage; /* per cent; mean of the measured pods */
	int current, measured, unready, missing, wanted;
} recommendations[] = {
	/* wanted = ceil(current * ratio); nothing within a tenth of 1. */
	{"twice the target doubles", 50, 100, 3, 3, 0, 0, 6},
	{"half the target halves", 50, 25, 4, 4, 0, 0, 2},
	{"rounded up", 60, 80, 3, 3, 0, 0, 4},
	{"rounded up on the way down", 60, 25, 5, 5, 0, 0, 3},
	{"exactly a tenth more is tolerated", 60, 66, 10, 10, 0, 0, 10},
	{"a per cent beyond is not", 60, 67, 10, 10, 0, 0, 12},
	{"exactly a tenth less is tolerated", 60, 54, 10, 10, 0, 0, 10},
	{"53 % of 60 is 0.883", 60, 53, 10, 10, 0, 0, 9},
	/* Utilization is a whole number of per cent, cut. */
	{"66.9 % counts as 66 %", 60, 66.9, 10, 10, 0, 0, 10},
	{"no load asks for none", 60, 0.4, 4, 4, 0, 0, 0},
	/* ratio 1.5: the unready count 0: (90 * 3) / 4 = 67 %, ratio 1.1166: ceil(1.1166 * 4). */
	{"an unready pod dampens the way up", 60, 90, 4, 3, 1, 0, 5},
	/* (90 * 2) / 4 = 45 %: on the other side of 1: nothing. */
	{"unready pods that turn the ratio stop it", 60, 90, 4, 2, 2, 0, 4},
	/* (80 * 4) / 5 = 64 %, ratio 1.0667. */
	{"unready pods bring it within the tolerance", 60, 80, 5, 4, 1, 0, 5},
	/* Ratio below 1: unready pods are set aside, the ready ones counted: ceil(0.5 * 4) = 2. */
	{"on the way down unready pods are not counted", 60, 30, 6, 4, 2, 0, 2},
	/* At the target with unready pods: tolerated. */
	{"in the target unready pods change nothing", 60, 60, 6, 4, 2, 0, 6},
	/* Missing on the way down: 100 % each: (30 * 3 + 100) / 4 = 47 %, ratio .783: ceil(.783 * 4). */
	{"a missing pod brakes the way down", 60, 30, 4, 3, 0, 1, 4},
	/* (20 * 7 + 100) / 8 = 30 %, ratio 0.5: 4. */
	{"and lets it go where it hardly counts", 60, 20, 8, 7, 0, 1, 4},
	/* (30 * 2 + 200) / 4 = 65 %: above 1: nothing. */
	{"missing pods that turn the ratio stop it", 60, 30, 4, 2, 0, 2, 4},
	/* Target above 100 %: missing pods use the target: (60 * 2 + 150) / 3 = 90 %, ratio .6: 2. */
	{"missing pods use a target above 100", 150, 60, 3, 2, 0, 1, 2},
	/* Missing on the way up: 0: (120 * 3) / 4 = 90 %, ratio 1.5: 6. */
	{"a missing pod dampens the way up", 60, 120, 4, 3, 0, 1, 6},
	/* Both: (150 * 2) / 4 = 75 %, ratio 1.25: 5. */
	{"unready and missing count as idle on the way up", 60, 150, 4, 2, 1, 1, 5},
	/* (100 * 5) / 6 = 83 %, ratio 1.383: ceil(1.383 * 6) = 9, fewer than the 12 that there are. */
	{"never against its own direction", 60, 100, 12, 5, 0, 1, 12},
	{"without any sample nothing changes", 60, 0, 5, 0, 5, 0, 5},
};

static void recommendations_are_as_the_rule_says(void **state)
{
	for (size_t i = 0; i < sizeof(recommendations) / sizeof(recommendations[0]); i++) {
		struct hpa_pods pods = {.current = recommendations[i].current,
			.measured = recommendations[i].measured,
			.unready = recommendations[i].unready,
			.missing = recommendations[i].missing,
			.usage = recommendations[i].usage / 100};
		struct hpa_config config;
		int wanted;

		hpa_config_default(&config);
		config.target_percent = recommendations[i].target;
		wanted = hpa_recommend(&config, &pods);
		if (wanted != recommendations[i].wanted)
			fail_msg("%s: %d instead of %d", recommendations[i].what, wanted,
				recommendations[i].wanted);
	}
}

#define SYNCS_MAX 26

struct sequence {
	const char *what;
	struct hpa_direction up, down;
	int replicas_min, replicas_max, first;
	/* A recommendation a sync, 0 ends; what each makes of the replicas. -1: no metric at this sync. */
	int recommended[SYNCS_MAX], wanted[SYNCS_MAX];
};

#define UP_DEFAULT                                                                                 \
	{                                                                                          \
		0, HPA_SELECT_MAX, {{true, 100, 15}, {false, 4, 15}}, 2, 0.1                       \
	}
#define DOWN_DEFAULT                                                                               \
	{                                                                                          \
		300, HPA_SELECT_MAX, {{true, 100, 15}}, 1, 0.1                                     \
	}
#define DOWN_AT_ONCE                                                                               \
	{                                                                                          \
		0, HPA_SELECT_MAX, {{true, 100, 15}}, 1, 0.1                                       \
	}

static const struct sequence sequences[] = {
	/* Up: the larger of 4 pods and 100 % every 15 s. */
	{"defaults, up", UP_DEFAULT, DOWN_DEFAULT, 1, 100, 1, {40, 40, 40, 40}, {5, 10, 20, 40}},
	{"the bounds come last", UP_DEFAULT, DOWN_AT_ONCE, 2, 12, 4, {40, 40, 1}, {8, 12, 2}},
	/* The 10 of the first sync is younger than 300 s until sync 20. */
	{"defaults, down", UP_DEFAULT, DOWN_DEFAULT, 1, 100, 10,
		{10, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2},
		{10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 3,
			3}},
	{"a higher one in the window holds", UP_DEFAULT,
		{60, HPA_SELECT_MAX, {{true, 100, 15}}, 1, 0.1}, 1, 100, 10,
		{10, 5, 8, 4, 4, 4, 4, 4}, {10, 10, 10, 10, 8, 8, 4, 4}},
	{"a lower one in the window of the way up holds",
		{60, HPA_SELECT_MAX, {{true, 900, 15}}, 1, 0.1}, DOWN_DEFAULT, 1, 100, 5,
		{5, 9, 7, 9, 9, 9, 9}, {5, 5, 5, 5, 7, 7, 9}},
	/* A sync without a metric leaves no recommendation, but time goes on. */
	{"without a metric the window still moves", UP_DEFAULT,
		{45, HPA_SELECT_MAX, {{true, 100, 15}}, 1, 0.1}, 1, 100, 10, {10, -1, -1, 4},
		{10, 10, 10, 4}},
	/* Down by at most 1 pod a minute: the period's removals count. */
	{"a pod a minute", UP_DEFAULT, {0, HPA_SELECT_MAX, {{false, 1, 60}}, 1, 0.1}, 1, 100, 10,
		{5, 5, 5, 5, 5, 5, 5, 5, 5}, {9, 9, 9, 9, 8, 8, 8, 8, 7}},
	/* 10 % of 80, cut: 72; then 10 % of 72: 64.8, cut: 64. */
	{"ten per cent a minute", UP_DEFAULT, {0, HPA_SELECT_MAX, {{true, 10, 60}}, 1, 0.1}, 1, 100,
		80, {10, 10, 10, 10, 10}, {72, 72, 72, 72, 64}},
	/* Of the pods 4 and the per cent 10 the larger change goes, until 40. */
	{"the larger of two policies", UP_DEFAULT,
		{0, HPA_SELECT_MAX, {{false, 4, 15}, {true, 10, 15}}, 2, 0.1}, 1, 100, 50,
		{10, 10, 10}, {45, 40, 36}},
	{"the smaller of two policies", UP_DEFAULT,
		{0, HPA_SELECT_MIN, {{false, 4, 15}, {true, 10, 15}}, 2, 0.1}, 1, 100, 30,
		{10, 10, 10}, {27, 24, 21}},
	{"disabled", UP_DEFAULT, {0, HPA_SELECT_DISABLED, {{0}}, 0, 0.1}, 1, 100, 10, {2, 14, 2},
		{10, 14, 14}},
	/* 50 % of 4 pods, rounded up, in 30 s: 6 at once, then nothing for one sync, then 9. */
	{"the period of the way up", {0, HPA_SELECT_MAX, {{true, 50, 30}}, 1, 0.1}, DOWN_DEFAULT, 1,
		100, 4, {20, 20, 20, 20, 20}, {6, 6, 9, 9, 14}},
	/* What was removed in the period adds to its beginning: 10 - 5 removed, so 10 + 2 allowed. */
	{"removals widen the way up", {0, HPA_SELECT_MAX, {{false, 2, 60}}, 1, 0.1}, DOWN_AT_ONCE,
		1, 100, 10, {5, 20}, {5, 12}},
};

static void sequences_are_as_the_rule_says(void **state)
{
	for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
		const struct sequence *sequence = &sequences[i];
		struct hpa_config config;
		struct error error;
		struct hpa hpa;
		int current = sequence->first;

		hpa_config_default(&config);
		config.up = sequence->up;
		config.down = sequence->down;
		config.replicas_min = sequence->replicas_min;
		config.replicas_max = sequence->replicas_max;
		assert_int_equal(hpa_config_check(&config, &error), STATUS_OK);
		hpa_init(&hpa, &config);
		for (int k = 0; k < SYNCS_MAX && sequence->recommended[k] != 0; k++) {
			if (sequence->recommended[k] > 0)
				current = hpa_settle(&hpa, k, current, sequence->recommended[k]);
			if (current != sequence->wanted[k])
				fail_msg("%s, sync %d: %d instead of %d", sequence->what, k,
					current, sequence->wanted[k]);
		}
	}
}

static void what_the_api_refuses_is_refused(void **state)
{
	struct hpa_config config;
	struct error error;

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		hpa_config_default(&config);                                                       \
		change;                                                                            \
		assert_int_equal(hpa_config_check(&config, &error), STATUS_BAD_INPUT);             \
	} while (0)
	REFUSED(config.target_percent = 0);
	REFUSED(config.target_percent = (double)NAN);
	REFUSED(config.replicas_min = 0);
	REFUSED(config.replicas_max = 0);
	REFUSED(config.up.window_s = 3601);
	REFUSED(config.down.window_s = -1);
	REFUSED(config.down.rules[0].value = 0);
	REFUSED(config.down.rules[0].period_s = 1801);
	REFUSED(config.up.rule_count = HPA_RULES_MAX + 1);
	REFUSED(config.up.rule_count = 0);
	REFUSED(config.up.tolerance = -.1);
#undef REFUSED
}

static void the_policy_changes_nothing_without_a_reading(void **state)
{
	struct policy_view view = {.slot = 5, .wanted = 7, .ready = 7, .cpu = (double)NAN};
	struct hpa_config config;
	struct policy policy = {0};
	struct error error;

	hpa_config_default(&config);
	assert_int_equal(hpa_policy_open(&policy, &config, &error), STATUS_OK);
	policy.begin(policy.state, 7);
	assert_int_equal(policy.decide(policy.state, &view), 7);
	view.slot = 6;
	view.cpu = 1;
	assert_int_equal(policy.decide(policy.state, &view), 9);
	/* Pods that are not ready count as idle: 4 / 7 of 100 % is 57 %: below the target, nothing. */
	view.slot = 7;
	view.ready = 4;
	assert_int_equal(policy.decide(policy.state, &view), 7);
	policy_close(&policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recommendations_are_as_the_rule_says),
		cmocka_unit_test(sequences_are_as_the_rule_says),
		cmocka_unit_test(what_the_api_refuses_is_refused),
		cmocka_unit_test(the_policy_changes_nothing_without_a_reading),
	};

	return cmocka_run_group_tests_name("hpa_vectors", tests, NULL, NULL);
}
