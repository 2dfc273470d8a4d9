/* run-under: tsan */
/*
 * Models made in the background: what is asked for comes back in its order, a full queue says so, and
 * an end in the middle loses nothing but models. And the life of a watch that has none, one too old,
 * or one for other signals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/trainer.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "tests/support/day_tier.h"

#define DAY DAY_TIER_DAY
#define M0 DAY_TIER_START
#define ROLES DAY_TIER_ROLES

static struct day_tier tier;
static struct error error;

static const struct workload_key nobody = {.namespace_name = "shop",
	.kind = TARGET_DEPLOYMENT,
	.name = "nobody"};

static int setup(void **state)
{
	day_tier_open(&tier, 1, 0);
	/* More than there is. */
	tier.watch.train_rows = INT64_C(2) * DAY;
	return 0;
}

static int teardown(void **state)
{
	(void)mem_fail_after(0, false);
	day_tier_close(&tier);
	metrics_reset();
	return 0;
}

static struct train_order order_of(const struct workload_key *workload, enum train_kind kind)
{
	return (struct train_order){.kind = kind,
		.workload = *workload,
		.roles = ROLES,
		.end = M0,
		.watch = tier.watch,
		.outlook = tier.outlook};
}

static struct trained wait_for(struct trainer *trainer)
{
	struct trained trained;

	while (!trainer_take(trainer, &trained))
		clock_sleep_ms(5);
	return trained;
}

static void models_come_back_in_the_order_they_were_asked_for(void **state)
{
	struct trainer *trainer = trainer_open(tier.rollup, &error);
	const struct train_order orders[] = {order_of(&day_tier_web, TRAIN_WATCH),
		order_of(&nobody, TRAIN_WATCH), order_of(&day_tier_web, TRAIN_OUTLOOK),
		order_of(&nobody, TRAIN_OUTLOOK)};
	struct outlook_view view;
	struct trained trained;

	assert_non_null(trainer);
	assert_false(trainer_take(trainer, &trained));
	for (int i = 0; i < 4; i++)
		assert_true(trainer_ask(trainer, &orders[i]));
	assert_int_equal(trainer_start(trainer, &error), STATUS_OK);
	trained = wait_for(trainer);
	assert_true(workload_key_equal(&trained.workload, &day_tier_web));
	assert_non_null(trained.model);
	assert_int_equal(trained.model->rows, DAY);
	assert_int_equal(trained.model->first, M0 - DAY);
	assert_true(trained.model->bytes > 1000);
	watch_model_close(trained.model);
	trained = wait_for(trainer);
	assert_true(workload_key_equal(&trained.workload, &nobody));
	assert_null(trained.model);
	assert_int_equal(trained.error.code, STATUS_UNAVAILABLE);
	assert_non_null(strstr(trained.error.text, "not enough history"));
	trained = wait_for(trainer);
	assert_int_equal(trained.kind, TRAIN_OUTLOOK);
	assert_non_null(trained.outlook);
	assert_true(outlook_read(trained.outlook, ROLE_CPU, &view));
	assert_true(view.predictions[0].middle > 3 && view.predictions[0].middle < 7);
	assert_true(view.predictions[1].q10 < view.predictions[1].q90);
	assert_false(outlook_read(trained.outlook, ROLE_MEMORY, &view));
	assert_true(isnan(view.predictions[0].middle));
	assert_in_range(outlook_bytes(trained.outlook), 60000, 140000);
	outlook_close(trained.outlook);
	trained = wait_for(trainer);
	assert_null(trained.outlook);
	assert_int_equal(trained.error.code, STATUS_UNAVAILABLE);
	trainer_close(trainer);
}

static void a_full_queue_says_so_and_an_end_loses_only_models(void **state)
{
	struct trainer *trainer = trainer_open(tier.rollup, &error);
	const struct train_order order = order_of(&day_tier_web, TRAIN_WATCH);
	size_t asked = 0;

	assert_non_null(trainer);
	while (trainer_ask(trainer, &order))
		asked++;
	assert_int_equal(asked, TRAINER_QUEUE_MAX);
	assert_true(trainer_run(trainer));
	assert_false(trainer_ask(trainer, &order));
	assert_int_equal(trainer_start(trainer, &error), STATUS_OK);
	trainer_close(trainer);
}

static void a_model_that_is_too_late_is_thrown_away(void **state)
{
	struct watch *watch = watch_open();
	struct watch_model *model;

	assert_non_null(watch);
	assert_true(watch_wants_model(watch, ROLES, M0, DAY));
	watch_tried(watch, M0);
	assert_false(watch_wants_model(watch, ROLES, M0 + 59, DAY));
	assert_true(watch_wants_model(watch, ROLES, M0 + 60, DAY));
	assert_true(watch_wants_model(watch, ROLES, M0 - 1, DAY));
	assert_int_equal(watch_train(&tier.watch, tier.rollup, &day_tier_web, ROLES, M0, &model,
				 &error),
		STATUS_OK);
	watch_adopt(watch, model, tier.rollup, &day_tier_web, M0 + WATCH_BEHIND_ROWS_MAX + 1);
	assert_false(watch_state(watch)->fitted);
	assert_int_equal(watch_train(&tier.watch, tier.rollup, &day_tier_web, ROLES, M0, &model,
				 &error),
		STATUS_OK);
	watch_adopt(watch, model, tier.rollup, &day_tier_web, M0 - 1);
	assert_false(watch_state(watch)->fitted);
	assert_int_equal(watch_train(&tier.watch, tier.rollup, &day_tier_web, ROLES, M0, &model,
				 &error),
		STATUS_OK);
	watch_adopt(watch, model, tier.rollup, &day_tier_web, M0 + 5);
	assert_true(watch_state(watch)->fitted);
	assert_false(watch_wants_model(watch, ROLES, M0 + 100, DAY));
	assert_true(watch_wants_model(watch, ROLES, M0 + DAY, DAY));
	assert_true(watch_wants_model(watch, ROLES | 1u << ROLE_MEMORY, M0 + 100, DAY));
	watch_close(watch);
}

static void a_row_that_does_not_follow_lets_the_model_go(void **state)
{
	const double row[] = {5, 5};
	struct watch *watch = watch_open();
	struct watch_model *model;

	assert_non_null(watch);
	assert_int_equal(watch_step(watch, M0, ROLES, row), WATCH_NONE);
	assert_true(isnan(watch_state(watch)->answer.probability));
	assert_int_equal(watch_train(&tier.watch, tier.rollup, &day_tier_web, ROLES, M0, &model,
				 &error),
		STATUS_OK);
	watch_adopt(watch, model, tier.rollup, &day_tier_web, M0);
	assert_int_equal(watch_step(watch, M0, ROLES, row), WATCH_NONE);
	assert_true(!isnan(watch_state(watch)->answer.score));
	assert_int_equal(watch_step(watch, M0 + 2, ROLES, row), WATCH_NONE);
	assert_false(watch_state(watch)->fitted);
	assert_true(isnan(watch_state(watch)->answer.score));
	watch_close(watch);
}

static void an_episode_is_raised_once_and_ends_once_also_over_a_refit(void **state)
{
	const double usual[] = {5, 5}, strange[] = {500, -400};
	struct watch *watch = watch_open();
	struct watch_model *model;
	int raised = 0, ended = 0;

	assert_non_null(watch);
	assert_int_equal(watch_train(&tier.watch, tier.rollup, &day_tier_web, ROLES, M0, &model,
				 &error),
		STATUS_OK);
	watch_adopt(watch, model, tier.rollup, &day_tier_web, M0);
	for (int i = 0; i < 200; i++) {
		enum watch_change change =
			watch_step(watch, M0 + i, ROLES, i >= 20 && i < 40 ? strange : usual);

		raised += change == WATCH_RAISED;
		ended += change == WATCH_ENDED;
		if (change == WATCH_RAISED) {
			assert_int_equal(watch_state(watch)->since_ms, (M0 + 20) * 60000);
			assert_true(watch_state(watch)->answer.probability <= 1e-4);
		}
		if (i == 30) {
			assert_int_equal(watch_train(&tier.watch, tier.rollup, &day_tier_web, ROLES,
						 M0 + 31, &model, &error),
				STATUS_OK);
			watch_adopt(watch, model, tier.rollup, &day_tier_web, M0 + 31);
		}
	}
	assert_int_equal(raised, 1);
	assert_int_equal(ended, 1);
	watch_close(watch);
}

static void memory_that_is_out_is_an_answer(void **state)
{
	struct watch_model *model;
	struct outlook *outlook;
	bool reached;
	long nth = 0;

	do {
		enum status status;

		(void)mem_fail_after(++nth, false);
		status = watch_train(&tier.watch, tier.rollup, &day_tier_web, ROLES, M0, &model,
			&error);
		reached = mem_fail_after(0, false);
		assert_true((status == STATUS_OK) == (model != NULL));
		assert_true(reached || status == STATUS_OK);
		watch_model_close(model);
	} while (reached);
	assert_true(nth > 5);
	nth = 0;
	do {
		enum status status;

		(void)mem_fail_after(++nth, false);
		status = outlook_train(&tier.outlook, tier.rollup, &day_tier_web, 1u << ROLE_CPU,
			M0, &outlook, &error);
		reached = mem_fail_after(0, false);
		assert_true((status == STATUS_OK) == (outlook != NULL));
		assert_true(reached || status == STATUS_OK);
		outlook_close(outlook);
	} while (reached);
	(void)mem_fail_after(1, false);
	assert_null(watch_open());
	(void)mem_fail_after(1, false);
	assert_null(trainer_open(tier.rollup, &error));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(models_come_back_in_the_order_they_were_asked_for),
		TEST(a_full_queue_says_so_and_an_end_loses_only_models),
		TEST(a_model_that_is_too_late_is_thrown_away),
		TEST(a_row_that_does_not_follow_lets_the_model_go),
		TEST(an_episode_is_raised_once_and_ends_once_also_over_a_refit),
		TEST(memory_that_is_out_is_an_answer),
	};

	return cmocka_run_group_tests_name("trainer", tests, NULL, NULL);
}
