/*
 * NAB's score: its landmarks by hand, and the sweep over thresholds against a scorer that follows the
 * rule file by file and point by point at each threshold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "analyzers/evaluate/nab.h"
#include "base/mem.h"
#include "base/random.h"

#define FILES 3
#define ROWS_MAX 200
#define CLOSE 1e-9
#define assert_near(a, b, distance) assert_true(fabs((a) - (b)) <= (distance))

static const struct nab_profile *const standard = &nab_profiles[0];

static double sigmoid(double y)
{
	return y > 3 ? -1 : 2 * (1 / (1 + exp(5 * y))) - 1;
}

/* One file at one threshold, by the rule as it is published. */
static double file_score(const struct nab_file *file, const struct nab_profile *profile,
	double threshold)
{
	size_t probation = (size_t)fmin(floor(.15 * (double)file->count), 750);
	double sum = 0;

	for (size_t w = 0; w < file->window_count; w++) {
		const struct nab_window *window = &file->windows[w];
		double best = -profile->missed;

		for (size_t i = window->first; i <= window->last; i++) {
			double width = (double)(window->last - window->first + 1);
			double place = -((double)window->last - (double)i + 1) / width;

			if (i >= probation && file->scores[i] >= threshold)
				best = fmax(best, profile->found * sigmoid(place) / sigmoid(-1));
		}
		sum += best;
	}
	for (size_t i = probation; i < file->count; i++) {
		const struct nab_window *before = NULL;
		int inside = 0;

		for (size_t w = 0; w < file->window_count; w++) {
			if (i > file->windows[w].last)
				before = &file->windows[w];
			inside |= i >= file->windows[w].first && i <= file->windows[w].last;
		}
		if (inside || !(file->scores[i] >= threshold))
			continue;
		sum += profile->false_alarm *
			(before == NULL ? -1
					: sigmoid((double)(i - before->last) /
						  (double)(before->last - before->first)));
	}
	return sum;
}

static double total(const struct nab_file *files, size_t count, const struct nab_profile *profile,
	double threshold)
{
	double sum = 0, windows = 0;

	for (size_t i = 0; i < count; i++) {
		sum += file_score(&files[i], profile, threshold);
		windows += (double)files[i].window_count;
	}
	return 100 * (sum + profile->missed * windows) /
		((profile->found + profile->missed) * windows);
}

struct scene {
	double scores[FILES][ROWS_MAX];
	struct nab_window windows[FILES][2];
	struct nab_file files[FILES];
};

static void make_scene(struct scene *scene, struct random *random)
{
	for (size_t f = 0; f < FILES; f++) {
		size_t count = 100 + (size_t)random_below(random, ROWS_MAX - 100);
		size_t first = (size_t)random_below(random, 30),
		       second = 50 + (size_t)random_below(random, 20);

		for (size_t i = 0; i < count; i++)
			scene->scores[f][i] = (double)random_below(random, 50) / 10;
		scene->scores[f][random_below(random, count)] = NAN;
		scene->windows[f][0] =
			(struct nab_window){first, first + 2 + (size_t)random_below(random, 10)};
		scene->windows[f][1] =
			(struct nab_window){second, second + 2 + (size_t)random_below(random, 25)};
		scene->files[f] = (struct nab_file){scene->scores[f], count, scene->windows[f],
			(size_t)random_below(random, 3)};
	}
	scene->files[0].window_count = 2;
}

static void the_best_threshold_is_the_best_of_all_tried_one_by_one(void **state)
{
	struct random random;

	random_init(&random, 21);
	for (int round = 0; round < 100; round++) {
		struct scene scene;

		make_scene(&scene, &random);
		for (size_t p = 0; p < NAB_PROFILES; p++) {
			const struct nab_profile *profile = &nab_profiles[p];
			double best = total(scene.files, FILES, profile, INFINITY);
			struct nab_result result, at;

			for (int tenth = 0; tenth < 50; tenth++)
				best = fmax(best, total(scene.files, FILES, profile, tenth / 10.));
			assert_int_equal(nab_best(scene.files, FILES, profile, 0, &result, NULL),
				STATUS_OK);
			assert_near(result.score, best, CLOSE);
			assert_int_equal(nab_at(scene.files, FILES, profile, 0, 2.5, &at, NULL),
				STATUS_OK);
			assert_near(at.score, total(scene.files, FILES, profile, 2.5), CLOSE);
		}
	}
}

static void the_first_point_of_every_window_alone_is_perfect(void **state)
{
	static const struct nab_window windows[] = {{100, 119}, {150, 169}};
	double scores[ROWS_MAX] = {0};
	struct nab_file file = {scores, ROWS_MAX, windows, 2};
	struct nab_result result;

	scores[100] = scores[150] = 1;
	for (size_t p = 0; p < NAB_PROFILES; p++) {
		assert_int_equal(nab_best(&file, 1, &nab_profiles[p], 0, &result, NULL), STATUS_OK);
		assert_near(result.score, 100, CLOSE);
		assert_near(result.threshold, 1, CLOSE);
		assert_int_equal(result.alarms, 2);
	}
}

static void no_alarm_at_all_is_zero(void **state)
{
	static const struct nab_window windows[] = {{100, 119}};
	double scores[ROWS_MAX];
	struct nab_file file = {scores, ROWS_MAX, windows, 1};
	struct nab_result result;

	for (size_t i = 0; i < ROWS_MAX; i++)
		scores[i] = NAN;
	for (size_t quiet = 0; quiet < 20; quiet += 10) {
		assert_int_equal(nab_best(&file, 1, standard, quiet, &result, NULL), STATUS_OK);
		assert_near(result.score, 0, CLOSE);
		assert_int_equal(result.alarms, 0);
	}
	assert_int_equal(nab_at(&file, 1, standard, 0, .5, &result, NULL), STATUS_OK);
	assert_near(result.score, 0, CLOSE);
}

/* A false alarm far from all windows costs .11 of a half window's worth (of 2 from none to perfect). */
static void a_false_alarm_costs_its_weight(void **state)
{
	static const struct nab_window windows[] = {{100, 119}};
	double scores[ROWS_MAX] = {0};
	struct nab_file file = {scores, ROWS_MAX, windows, 1};
	struct nab_result result;

	scores[100] = scores[60] = 1;
	assert_int_equal(nab_at(&file, 1, standard, 0, 1, &result, NULL), STATUS_OK);
	assert_near(result.score, 100 - 100 * .11 / 2, CLOSE);
	/* Within a window's width behind one it costs less, right behind it next to nothing. */
	scores[60] = 0;
	scores[120] = 1;
	assert_int_equal(nab_at(&file, 1, standard, 0, 1, &result, NULL), STATUS_OK);
	assert_near(result.score, 100 + 50 * .11 * sigmoid(1. / 19), CLOSE);
}

static void what_is_on_probation_is_not_scored(void **state)
{
	static const struct nab_window windows[] = {{100, 119}};
	double scores[ROWS_MAX] = {0};
	struct nab_file file = {scores, ROWS_MAX, windows, 1};
	struct nab_result result;

	for (size_t i = 0; i < 30; i++)
		scores[i] = 1;
	scores[100] = 1;
	assert_int_equal(nab_at(&file, 1, standard, 0, 1, &result, NULL), STATUS_OK);
	assert_near(result.score, 100, CLOSE);
	assert_int_equal(nab_probation(200), 30);
	assert_int_equal(nab_probation(4032), 604);
	assert_int_equal(nab_probation(22695), 750);
}

static void a_quiet_time_makes_one_alarm_of_an_episode(void **state)
{
	static const struct nab_window windows[] = {{100, 119}};
	double scores[ROWS_MAX] = {0};
	struct nab_file file = {scores, ROWS_MAX, windows, 1};
	struct nab_result every, one;

	for (size_t i = 50; i < 60; i++)
		scores[i] = 1;
	scores[100] = 1;
	assert_int_equal(nab_best(&file, 1, standard, 0, &every, NULL), STATUS_OK);
	assert_int_equal(nab_best(&file, 1, standard, 20, &one, NULL), STATUS_OK);
	assert_int_equal(one.alarms, 2);
	assert_near(one.score, 100 - 5.5, CLOSE);
	assert_near(every.score, 100 - 55, CLOSE);
	/* Too long a quiet time hides the window's alarm. */
	assert_int_equal(nab_at(&file, 1, standard, 60, 1, &one, NULL), STATUS_OK);
	assert_int_equal(one.alarms, 1);
}

static void files_without_windows_have_no_score_of_their_own(void **state)
{
	double scores[10] = {0};
	struct nab_file file = {scores, 10, NULL, 0};
	struct nab_result result;

	assert_int_equal(nab_best(&file, 1, standard, 0, &result, NULL), STATUS_OK);
	assert_true(isnan(result.score));
}

static void memory_that_is_out_is_an_answer(void **state)
{
	static const struct nab_window windows[] = {{100, 119}};
	double scores[ROWS_MAX] = {0};
	struct nab_file file = {scores, ROWS_MAX, windows, 1};
	struct nab_result result;
	struct error error;

	for (long nth = 1; nth < 10; nth++) {
		enum status status;
		bool reached;

		mem_fail_after(nth, false);
		status = nab_best(&file, 1, standard, 5, &result, &error);
		reached = mem_fail_after(0, false);
		assert_int_equal(status, reached ? STATUS_NO_MEMORY : STATUS_OK);
		if (!reached)
			return;
	}
	fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_best_threshold_is_the_best_of_all_tried_one_by_one),
		cmocka_unit_test(the_first_point_of_every_window_alone_is_perfect),
		cmocka_unit_test(no_alarm_at_all_is_zero),
		cmocka_unit_test(a_false_alarm_costs_its_weight),
		cmocka_unit_test(what_is_on_probation_is_not_scored),
		cmocka_unit_test(a_quiet_time_makes_one_alarm_of_an_episode),
		cmocka_unit_test(files_without_windows_have_no_score_of_their_own),
		cmocka_unit_test(memory_that_is_out_is_an_answer),
	};

	return cmocka_run_group_tests_name("nab", tests, NULL, NULL);
}
