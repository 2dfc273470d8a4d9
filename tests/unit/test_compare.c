/*
 * Comparisons: every policy on the same draws, spreads over seeds, advice that is the best of its grid, and
 * what is written of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/scaler/compare.h"
#include "base/mem.h"

static struct trace trace;
static struct compare_options options;
static struct comparison comparison;
static struct error error;

static int setup(void **state)
{
	compare_options_default(&options);
	trace_init(&trace, "<ramp>");
	assert_int_equal(trace_generate(&trace, "ramp", 1, load_pods_rate(&options.plant, 12), 1,
				 &error),
		STATUS_OK);
	options.trace = &trace;
	return 0;
}

static int teardown(void **state)
{
	trace_fini(&trace);
	return 0;
}

static enum status run(const char *const *policies)
{
	for (options.policy_count = 0; policies[options.policy_count] != NULL;
		options.policy_count++)
		options.policies[options.policy_count] = policies[options.policy_count];
	return compare(&options, &comparison, &error);
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static void policies_meet_the_same_traffic(void **state)
{
	assert_int_equal(RUN("hpa:60", "oracle", "hpa:60"), STATUS_OK);
	assert_int_equal(comparison.row_count, 3);
	assert_memory_equal(comparison.rows[0].figures, comparison.rows[2].figures,
		sizeof(comparison.rows[0].figures));
	assert_true(fabs(comparison.rows[1].figures[COMPARE_COST].mean - 1) < 1e-12);
	assert_true(fabs(comparison.judged_minutes - 1430) < .5);
	comparison_fini(&comparison);
}

static void the_spread_is_that_of_single_seeds(void **state)
{
	double single[3], mean, deviation = 0;

	for (uint64_t seed = 0; seed < 3; seed++) {
		options.seed = 5 + seed;
		assert_int_equal(RUN("hpa:70"), STATUS_OK);
		single[seed] = comparison.rows[0].figures[COMPARE_BAD].mean;
		assert_true(comparison.rows[0].figures[COMPARE_BAD].deviation <= 0);
		comparison_fini(&comparison);
	}
	options.seed = 5;
	options.seeds = 3;
	assert_int_equal(RUN("hpa:70"), STATUS_OK);
	mean = (single[0] + single[1] + single[2]) / 3;
	for (int i = 0; i < 3; i++)
		deviation += (single[i] - mean) * (single[i] - mean) / 2;
	const struct compare_spread *spread = &comparison.rows[0].figures[COMPARE_BAD];

	assert_true(fabs(spread->mean - mean) < 1e-9);
	assert_true(fabs(spread->deviation - sqrt(deviation)) < 1e-9 && deviation > 0);
	assert_true(fabs(spread->low - fmin(single[0], fmin(single[1], single[2]))) < 1e-12);
	assert_true(fabs(spread->high - fmax(single[0], fmax(single[1], single[2]))) < 1e-12);
	comparison_fini(&comparison);
}

static void money_is_pod_hours_times_the_price(void **state)
{
	options.price = .25;
	assert_int_equal(RUN("static:8"), STATUS_OK);
	assert_true(
		fabs(comparison.rows[0].figures[COMPARE_POD_HOURS].mean - 8 * 1430. / 60) < 1e-6);
	assert_true(fabs(comparison.rows[0].figures[COMPARE_MONEY].mean - 2 * 1430. / 60) < 1e-6);
	comparison_fini(&comparison);
}

static void history_is_not_judged(void **state)
{
	options.first_minute = 720;
	assert_int_equal(RUN("hpa"), STATUS_OK);
	assert_true(fabs(comparison.judged_minutes - 710) < .5);
	comparison_fini(&comparison);
	options.first_minute = 1430;
	assert_int_equal(RUN("hpa"), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "nothing is left to judge"));
}

/* The advice against each setting of its grid, run as a policy of its own. */
static void the_advice_is_the_cheapest_of_the_grid(void **state)
{
	static const int windows[] = {2, 5, 10, 20, 30};
	double best = INFINITY, best_target = 0;
	int best_window = 0;

	options.advice = true;
	options.objective = 3;
	assert_int_equal(RUN("hpa"), STATUS_OK);
	assert_true(comparison.advice.found);
	struct compare_advice advice = comparison.advice;

	comparison_fini(&comparison);
	options.advice = false;
	for (double target = 25; target <= 90; target += 2.5) {
		for (int w = 0; w < 5; w++) {
			const struct compare_spread *figures;
			char name[64];

			snprintf(name, sizeof(name), "hpa:%g:%dm", target, windows[w]);
			assert_int_equal(RUN(name), STATUS_OK);
			figures = comparison.rows[0].figures;
			if (figures[COMPARE_VIOLATED].mean <= 3 && figures[COMPARE_BAD].mean <= 3 &&
				figures[COMPARE_POD_HOURS].mean < best) {
				best = figures[COMPARE_POD_HOURS].mean;
				best_target = target;
				best_window = windows[w] * 60;
			}
			comparison_fini(&comparison);
		}
	}
	assert_true(fabs(advice.pod_hours - best) < 1e-6);
	assert_true(fabs(advice.target_percent - best_target) < 1e-9);
	assert_int_equal(advice.window_s, best_window);
}

static void an_objective_out_of_reach_is_said_to_be(void **state)
{
	struct buf text;

	/* Even all pods are too few. */
	options.plant.replicas_max = 3;
	options.advice = true;
	assert_int_equal(RUN("hpa"), STATUS_OK);
	assert_true(comparison.advice.asked && !comparison.advice.found);
	buf_init(&text, 1 << 16);
	comparison_write_text(&comparison, &text);
	assert_non_null(strstr(text.data, "No HPA setting keeps"));
	buf_fini(&text);
	comparison_fini(&comparison);
}

static void the_json_holds_the_figures(void **state)
{
	json_error_t wrong;
	struct buf text;
	json_t *root;

	options.advice = true;
	options.seeds = 2;
	trace_note(&trace, "a \"note\"");
	assert_int_equal(RUN("hpa:60", "oracle"), STATUS_OK);
	buf_init(&text, 1 << 20);
	comparison_write_json(&comparison, &text);
	root = json_loads(text.data, 0, &wrong);
	assert_non_null(root);
	json_t *first = json_array_get(json_object_get(root, "policies"), 0);

	assert_int_equal(json_array_size(json_object_get(root, "policies")), 2);
	assert_string_equal(json_string_value(json_object_get(first, "policy")), "hpa:60");
	assert_true(
		fabs(json_number_value(json_object_get(json_object_get(first, "cost"), "mean")) -
			comparison.rows[0].figures[COMPARE_COST].mean) < 1e-12);
	assert_non_null(json_object_get(json_object_get(root, "advice"), "sentence"));
	assert_string_equal(json_string_value(json_array_get(json_object_get(root, "notes"), 0)),
		"a \"note\"");
	json_decref(root);
	buf_fini(&text);
	comparison_fini(&comparison);
}

static void what_replays_say_of_arms_is_in_every_output(void **state)
{
	static const char words[] = "hpa:60, last nights: dqn against setting, 7 days replayed";
	struct off_policy_trial *trial = &comparison.rows[0].trials.trials[0];
	struct buf text;

	assert_int_equal(RUN("hpa:60"), STATUS_OK);
	buf_init(&text, 1 << 22);
	comparison_write_text(&comparison, &text);
	assert_null(strstr(text.data, "last nights"));
	comparison.rows[0].trials.count = 1;
	*trial = (struct off_policy_trial){.arm = "dqn", .against = "setting"};
	trial->estimate.days = 7;
	trial->estimate.better = .25;
	comparison_write_text(&comparison, &text);
	assert_non_null(strstr(text.data, words));
	buf_reset(&text);
	comparison_write_json(&comparison, &text);
	assert_non_null(strstr(text.data, "\"trials\":[{\"arm\":\"dqn\""));
	buf_reset(&text);
	comparison_write_html(&comparison, &text);
	assert_non_null(strstr(text.data, "<li>dqn against setting, 7 days replayed"));
	assert_non_null(strstr(text.data, "better in 25 % of 1000 draws"));
	buf_fini(&text);
	comparison_fini(&comparison);
}

static void the_page_stands_alone_and_escapes_names(void **state)
{
	struct buf text;

	options.trails = true;
	assert_int_equal(RUN("hpa:60", "oracle"), STATUS_OK);
	buf_init(&text, 1 << 22);
	comparison_write_html(&comparison, &text);
	assert_true(buf_ok(&text));
	assert_non_null(strstr(text.data, "&lt;ramp&gt;"));
	assert_null(strstr(text.data, "<ramp>"));
	assert_non_null(strstr(text.data, "<svg"));
	assert_null(strstr(text.data, "<script"));
	assert_null(strstr(text.data, "http"));
	assert_null(strstr(text.data, "nan"));
	buf_fini(&text);
	comparison_fini(&comparison);
}

static void a_policy_that_is_none_is_refused(void **state)
{
	assert_int_equal(RUN("hpa:60", "orakle"), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "did you mean oracle"));
}

static void every_failed_allocation_is_an_answer(void **state)
{
	bool reached = true;

	options.trails = true;
	for (long nth = 1; reached; nth++) {
		enum status status;

		mem_fail_after(nth, false);
		status = RUN("hpa:60", "oracle", "static");
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
	}
	comparison_fini(&comparison);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(policies_meet_the_same_traffic),
		CASE(the_spread_is_that_of_single_seeds),
		CASE(money_is_pod_hours_times_the_price),
		CASE(history_is_not_judged),
		CASE(the_advice_is_the_cheapest_of_the_grid),
		CASE(an_objective_out_of_reach_is_said_to_be),
		CASE(the_json_holds_the_figures),
		CASE(what_replays_say_of_arms_is_in_every_output),
		CASE(the_page_stands_alone_and_escapes_names),
		CASE(a_policy_that_is_none_is_refused),
		CASE(every_failed_allocation_is_an_answer),
#undef CASE
	};

	return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
