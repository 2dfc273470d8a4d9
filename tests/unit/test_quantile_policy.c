/*
 * The serving policy as a whole: learning, steps, nights, what it does with odd input, and its file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/models/model_file.h"
#include "analyzers/scaler/quantile_policy.h"
#include "base/mem.h"
#include "tests/support/folder.h"

#define DAY POLICY_SLOTS_PER_DAY
#define DAYS 3
#define FIRST (INT64_C(20000) * DAY)
#define TWO_PI 6.283185307179586

static float history[DAYS * DAY];

/* A day's hill between 200 and 600 requests a second, with some ripple. */
static double rate_at(int64_t slot)
{
	double ripple = (double)(slot * 7919 % 101) / 101 - .5;

	return 400 - 200 * cos(TWO_PI * (double)slot / DAY) + 30 * ripple;
}

static int make_history(void **state)
{
	(void)state;
	for (int i = 0; i < DAYS * DAY; i++)
		history[i] = (float)rate_at(i);
	return 0;
}

static struct quantile_policy_config config_of(double service_rate)
{
	struct quantile_policy_config config;

	quantile_policy_config_default(&config);
	config.plant.service_rate = service_rate;
	return config;
}

static struct quantile_policy *policy_of(const struct quantile_policy_config *config)
{
	struct error error;
	struct quantile_policy *policy = quantile_policy_open(config, &error);

	assert_non_null(policy);
	return policy;
}

/* Learned once from two days, with a replay of the third; then shared by its file. */
static char folder[FOLDER_PATH_MAX], learned_path[FOLDER_PATH_MAX];

static int learn_once(void **state)
{
	struct quantile_policy_config config = config_of(50);
	struct quantile_policy *policy;

	make_history(state);
	folder_make(folder);
	folder_path(learned_path, sizeof(learned_path), folder, "learned.model");
	policy = policy_of(&config);
	assert_int_equal(quantile_policy_learn(policy, history, DAYS * DAY, FIRST, NULL),
		STATUS_OK);
	assert_int_equal(quantile_policy_save(policy, learned_path, 1000, NULL), STATUS_OK);
	quantile_policy_close(policy);
	return 0;
}

static int end_folder(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

static struct quantile_policy *learned_policy(const struct quantile_policy_config *config)
{
	struct quantile_policy *policy = policy_of(config);
	struct error error = {.text = ""};

	assert_int_equal(quantile_policy_load(policy, learned_path, &error), STATUS_OK);
	quantile_policy_recall(policy, history, DAYS * DAY, FIRST);
	return policy;
}

/* The i-th slot behind the history, `wanted` pods of 50 requests a second. */
static struct policy_view view_at(int64_t i, int wanted)
{
	double rate = rate_at(DAYS * DAY + i);

	return (struct policy_view){.slot = FIRST + DAYS * DAY + i + POLICY_DELAY_SLOTS,
		.wanted = wanted,
		.ready = wanted,
		.rate = rate,
		.cpu = fmin(rate / (50 * wanted) + .03, 1)};
}

static void it_wants_what_the_forecast_needs(void **state)
{
	struct quantile_policy_config config = config_of(50);
	struct quantile_policy *policy = learned_policy(&config);
	int wanted = 6;

	(void)state;
	for (int64_t i = 0; i < DAY / 2; i++) {
		struct policy_view view = view_at(i, wanted);
		struct quantile_wish wish;

		quantile_policy_step(policy, &view, &wish);
		assert_false(wish.observes);
		assert_true(wish.foresight.known);
		assert_true(wish.wanted >= control_guard(&view));
		wanted = wish.wanted;
		/* Never more than twice what is needed, never less than 95 % of capacity in use. */
		if (i > 100) {
			assert_true(rate_at(DAYS * DAY + i) < .95 * 50 * wanted);
			assert_true(rate_at(DAYS * DAY + i) > .4 * 50 * wanted);
			/* The guard would hide a forecast that says half of what comes. */
			assert_true(wish.parts.up > .85 * rate_at(DAYS * DAY + i));
			assert_true(wish.parts.up < 1.6 * rate_at(DAYS * DAY + i));
		}
	}
	quantile_policy_close(policy);
}

static void one_seed_is_one_policy(void **state)
{
	struct quantile_policy_config config = config_of(50);
	struct quantile_policy *policy = policy_of(&config), *saved = learned_policy(&config);
	int wanted = 6;

	(void)state;
	assert_int_equal(quantile_policy_learn(policy, history, DAYS * DAY, FIRST, NULL),
		STATUS_OK);
	/* The file keeps single precision, and what was said just before is not in it. */
	for (int64_t i = 0; i < 500; i++) {
		struct policy_view view = view_at(i, wanted);
		struct quantile_wish one, other;

		quantile_policy_step(policy, &view, &one);
		quantile_policy_step(saved, &view, &other);
		assert_true(fabs(one.parts.up - other.parts.up) < .01 * one.parts.up);
		assert_true(abs(one.wanted - other.wanted) <= 1);
		wanted = one.wanted;
	}
	quantile_policy_close(policy);
	quantile_policy_close(saved);
}

static void without_capacity_it_observes(void **state)
{
	struct quantile_policy_config config = config_of((double)NAN);
	struct quantile_policy *policy = policy_of(&config);
	struct policy_view view = view_at(0, 7);
	struct quantile_wish wish;

	(void)state;
	view.cpu = (double)NAN;
	quantile_policy_step(policy, &view, &wish);
	assert_true(wish.observes && !wish.serves);
	assert_int_equal(wish.reason, QUANTILE_NO_CAPACITY);
	assert_int_equal(wish.wanted, 7);
	assert_true(isnan(wish.capacity));
	/* With readings there is one, but nothing was learned. */
	for (int64_t i = 1; i < 40; i++) {
		view = view_at(i, 10);
		quantile_policy_step(policy, &view, &wish);
	}
	assert_true(fabs(wish.capacity - 50) < .1);
	assert_true(wish.observes);
	assert_int_equal(wish.reason, QUANTILE_NO_FORECAST);
	quantile_policy_close(policy);
}

static void missing_readings_hold_or_raise(void **state)
{
	struct quantile_policy_config config = config_of(50);
	struct quantile_policy *policy = learned_policy(&config);
	struct quantile_wish wish;
	struct policy_view view;

	(void)state;
	for (int64_t i = 0; i < 300; i++) {
		view = view_at(i, 20);
		if (i >= 100)
			view.rate = (double)NAN;
		quantile_policy_step(policy, &view, &wish);
		if (i >= 100) {
			assert_int_equal(wish.wanted, 20);
			assert_int_equal(wish.reason, QUANTILE_MISSING);
		}
	}
	view = view_at(300, 20);
	view.rate = (double)NAN;
	view.cpu = 1;
	quantile_policy_step(policy, &view, &wish);
	assert_int_equal(wish.wanted, 24);
	assert_int_equal(wish.reason, QUANTILE_GUARD);
	quantile_policy_close(policy);
}

static void a_hundredfold_that_the_cpu_does_not_show_is_not_believed(void **state)
{
	struct quantile_policy_config config = config_of(50);
	struct quantile_policy *policy = learned_policy(&config);
	struct quantile_wish wish;
	int wanted = 10;

	(void)state;
	for (int64_t i = 0; i < 60; i++) {
		struct policy_view view = view_at(i, wanted);

		if (i == 50)
			view.rate *= 100;
		if (i == 55)
			view.rate = 0;
		quantile_policy_step(policy, &view, &wish);
		assert_int_equal(wish.contradicted, i == 50 || i == 55);
		assert_true(wish.wanted <= 14);
		assert_true(i < 55 || wish.wanted >= 4);
	}
	quantile_policy_close(policy);
}

static void nothing_serves_before_it_beat_the_hpa(void **state)
{
	struct quantile_policy_config config = config_of(50);
	struct quantile_policy *policy = learned_policy(&config);
	struct quantile_standing standing;
	int64_t slot = 0;

	(void)state;
	config.has_hpa = true;
	quantile_policy_standing(policy, &standing);
	/* One replayed day is too little to go by. */
	assert_int_equal(standing.days, 1);
	assert_false(standing.promoted);
	while (standing.days < 2) {
		struct policy_view view = view_at(slot++, 15);
		struct quantile_wish wish;

		assert_true(slot < 3 * DAY);
		quantile_policy_step(policy, &view, &wish);
		assert_false(wish.serves);
		if (quantile_policy_night_due(policy))
			assert_int_equal(quantile_policy_night(policy, NULL), STATUS_OK);
		quantile_policy_standing(policy, &standing);
	}
	/* An HPA at 80 % of such traffic: who serves is the better of the two, and says so. */
	assert_int_equal(standing.promoted, nightly_better(&standing.policy, &standing.hpa));
	assert_false(quantile_policy_night_due(policy));
	assert_null(quantile_night_begin(policy, NULL));
	quantile_policy_demote(policy);
	quantile_policy_standing(policy, &standing);
	assert_false(standing.promoted);
	assert_int_equal(standing.days, 0);
	quantile_policy_close(policy);
}

static void a_file_of_another_version_is_refused_by_name(void **state)
{
	struct quantile_policy_config config = config_of(50);
	struct quantile_policy *policy = policy_of(&config);
	struct model_info info;
	struct error error;
	char path[FOLDER_PATH_MAX];
	float *numbers;
	size_t count;

	(void)state;
	folder_path(path, sizeof(path), folder, "other.model");
	assert_int_equal(model_file_read(learned_path, &info, &numbers, &count, &error), STATUS_OK);
	info.shapes[0]++;
	assert_int_equal(model_file_export(path, &info, numbers, count, &error), STATUS_OK);
	assert_int_equal(quantile_policy_load(policy, path, &error), STATUS_UNSUPPORTED);
	assert_non_null(strstr(error.text, "version 3"));
	info.shapes[0]--;
	assert_int_equal(model_file_export(path, &info, numbers, count - 1, &error), STATUS_OK);
	assert_int_equal(quantile_policy_load(policy, path, &error), STATUS_BAD_INPUT);
	(void)snprintf(info.kind, sizeof(info.kind), "lstm");
	assert_int_equal(model_file_export(path, &info, numbers, count, &error), STATUS_OK);
	assert_int_equal(quantile_policy_load(policy, path, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "lstm"));
	mem_free(numbers);
	folder_path(path, sizeof(path), folder, "none.model");
	assert_int_equal(quantile_policy_load(policy, path, &error), STATUS_NOT_FOUND);
	quantile_policy_close(policy);
}

static void too_little_history_teaches_nothing(void **state)
{
	struct quantile_policy_config config = config_of(50);
	struct quantile_policy *policy = policy_of(&config);
	struct error error;

	(void)state;
	assert_int_equal(quantile_policy_learn(policy, history, 300, FIRST, &error),
		STATUS_BAD_INPUT);
	assert_null(quantile_lesson_make(history, 0, FIRST, 1, &error));
	quantile_policy_close(policy);
}

static void odd_configurations_are_refused_by_name(void **state)
{
	struct quantile_policy_config config = config_of(-1);
	struct error error;

	(void)state;
	assert_null(quantile_policy_open(&config, &error));
	assert_int_equal(error.code, STATUS_BAD_INPUT);
	config = config_of(50);
	config.objective = (double)NAN;
	assert_null(quantile_policy_open(&config, &error));
	assert_non_null(strstr(error.text, "objective"));
	config = config_of(50);
	config.plant.start_slots_max = 1000;
	assert_null(quantile_policy_open(&config, &error));
	assert_non_null(strstr(error.text, "start-up"));
}

/* In the simulator: two days of history, one judged. */
static void in_the_simulator_one_seed_is_one_run(void **state)
{
	struct plant_config plant;
	struct policy_scene scene = {.plant = &plant, .first_slot = 2 * DAY};
	struct run_outcome one, other;
	struct trace trace;
	struct load load;
	struct draw draw;
	struct policy policy;
	struct error error;

	(void)state;
	plant_config_default(&plant);
	trace_init(&trace, "diurnal");
	assert_int_equal(trace_generate(&trace, "diurnal", 3, 600, 1, NULL), STATUS_OK);
	assert_int_equal(load_init(&load, &trace, 1, NULL), STATUS_OK);
	assert_int_equal(draw_make(&draw, &load, &plant, 1, NULL), STATUS_OK);
	scene.load = &load;
	scene.draw = &draw;
	assert_int_equal(policy_open(&policy, "ours:much", &scene, &error), STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "ours:0.5"));
	assert_int_equal(policy_open(&policy, "ours:1", &scene, &error), STATUS_OK);
	simulate(&(struct simulate_options){.plant = &plant, .first_slot = 2 * DAY, .seed = 1},
		&load, &draw, &policy, &one);
	simulate(&(struct simulate_options){.plant = &plant, .first_slot = 2 * DAY, .seed = 1},
		&load, &draw, &policy, &other);
	assert_memory_equal(&one, &other, sizeof(one));
	assert_true(run_outcome_cost(&one) < 2);
	assert_true(run_outcome_violated(&one) < 2);
	policy_close(&policy);
	draw_fini(&draw);
	load_fini(&load);
	trace_fini(&trace);
}

static void every_lack_of_memory_is_an_answer(void **state)
{
	struct quantile_policy_config config = config_of(50);
	struct quantile_policy *policy;
	struct error error;
	bool failed = true;

	(void)state;
	for (long n = 1; failed; n++) {
		(void)mem_fail_after(n, false);
		policy = quantile_policy_open(&config, &error);
		failed = mem_fail_after(0, false);
		assert_true(failed == (policy == NULL));
		quantile_policy_close(policy);
	}
	policy = policy_of(&config);
	failed = true;
	for (long n = 1; failed; n++) {
		enum status status;

		(void)mem_fail_after(n, false);
		status = quantile_policy_load(policy, learned_path, &error);
		failed = mem_fail_after(0, false);
		assert_int_equal(status, failed ? STATUS_NO_MEMORY : STATUS_OK);
	}
	quantile_policy_close(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_wants_what_the_forecast_needs),
		cmocka_unit_test(one_seed_is_one_policy),
		cmocka_unit_test(without_capacity_it_observes),
		cmocka_unit_test(missing_readings_hold_or_raise),
		cmocka_unit_test(a_hundredfold_that_the_cpu_does_not_show_is_not_believed),
		cmocka_unit_test(nothing_serves_before_it_beat_the_hpa),
		cmocka_unit_test(a_file_of_another_version_is_refused_by_name),
		cmocka_unit_test(too_little_history_teaches_nothing),
		cmocka_unit_test(odd_configurations_are_refused_by_name),
		cmocka_unit_test(in_the_simulator_one_seed_is_one_run),
		cmocka_unit_test(every_lack_of_memory_is_an_answer),
	};

	return cmocka_run_group_tests_name("quantile_policy", tests, learn_once, end_folder);
}
