/* run-under: tsan */
/* History is filled in while the stream appends and others read. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "store/fill.h"
#include "store/store.h"

#define START_MS INT64_C(1700000000000)
#define STEP_MS INT64_C(15000)

enum { SERIES = 100, LIVE = 400, OLD = 1200, SLICE = 240 };

struct scene {
	struct store *store;
	uint32_t series[SERIES];
	_Atomic bool stop;
	_Atomic uint32_t current; /* that everybody works on, of the second test */
	uint64_t stored[APPEND_RESULT_COUNT], filled[FILL_RESULT_COUNT];
};

/* Sample i of a series, counted from the oldest; the stream sends those from OLD on. */
static double value_of(int64_t i)
{
	/* Eight bytes each, so that a window is copied out in several steps. */
	return sin((double)i);
}

static void *append_run(void *argument)
{
	struct scene *scene = argument;
	static struct store_sample samples[SERIES];

	for (int64_t i = OLD; i < OLD + LIVE; i++) {
		for (uint32_t n = 0; n < SERIES; n++)
			samples[n] = (struct store_sample){scene->series[n], START_MS + i * STEP_MS,
				value_of(i)};
		store_append(scene->store, samples, SERIES, scene->stored);
	}
	return NULL;
}

/* Newest hour first, and over what the stream sends, too. */
static void *fill_run(void *argument)
{
	struct scene *scene = argument;
	struct store_point points[SLICE];

	for (int64_t from = OLD; from >= 0; from -= SLICE) {
		for (int64_t i = 0; i < SLICE; i++)
			points[i] = (struct store_point){START_MS + (from + i) * STEP_MS,
				value_of(from + i)};
		for (uint32_t n = 0; n < SERIES; n++)
			store_fill(scene->store, scene->series[n], points,
				from == OLD ? SLICE / 8 : SLICE, FILL_ANYWHERE, scene->filled);
	}
	return NULL;
}

/* Whatever a window holds ascends and is right. */
static void *read_run(void *argument)
{
	struct scene *scene = argument;
	static _Thread_local struct store_point points[OLD + LIVE];

	for (uint32_t n = 0; !atomic_load(&scene->stop); n = (n + 1) % SERIES) {
		size_t count = store_window(scene->store, scene->series[n], INT64_MIN, INT64_MAX,
			points, OLD + LIVE);

		for (size_t i = 0; i < count; i++) {
			CHECK(i == 0 || points[i].t_ms > points[i - 1].t_ms);
			CHECK(points[i].value == value_of((points[i].t_ms - START_MS) / STEP_MS));
		}
	}
	return NULL;
}

static void scene_open(struct scene *scene, struct clock_manual *manual)
{
	const struct store_limits limits = {
		.memory_max = 64 << 20,
		.series_max = 1000,
		.retention_ms = INT64_C(100) * 3600000,
		.interval_ms = STEP_MS,
		.ended_keep_ms = 600000,
		.future_max_ms = 60000,
	};

	memset(scene, 0, sizeof(*scene));
	clock_manual_init(manual, START_MS + (OLD + LIVE) * STEP_MS);
	scene->store = store_open(&limits, &manual->clock, NULL);
	assert_non_null(scene->store);
	for (uint32_t n = 0; n < SERIES; n++) {
		char text[16];
		struct label label = {"__name__", text, 8, 0};

		label.value_size = (uint32_t)snprintf(text, sizeof(text), "s%u", n);
		assert_int_equal(store_intern(scene->store,
					 store_key_of(scene->store, text, strlen(text)), &label, 1,
					 &scene->series[n], NULL),
			STATUS_OK);
	}
}

static void expect_all(struct scene *scene)
{
	static struct store_point points[OLD + LIVE + 1];

	for (uint32_t n = 0; n < SERIES; n++) {
		assert_int_equal(store_window(scene->store, scene->series[n], INT64_MIN, INT64_MAX,
					 points, OLD + LIVE + 1),
			OLD + LIVE);
		for (int64_t i = 0; i < OLD + LIVE; i++) {
			assert_int_equal(points[i].t_ms, START_MS + i * STEP_MS);
			assert_true(points[i].value == value_of(i));
		}
	}
}

static void nothing_is_lost_or_twice_while_the_stream_goes_on(void **state)
{
	static struct scene scene;
	struct clock_manual manual;
	pthread_t threads[3];
	(void)state;

	scene_open(&scene, &manual);
	pthread_create(&threads[0], NULL, append_run, &scene);
	pthread_create(&threads[1], NULL, fill_run, &scene);
	pthread_create(&threads[2], NULL, read_run, &scene);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	atomic_store(&scene.stop, true);
	pthread_join(threads[2], NULL);
	expect_all(&scene);
	store_close(scene.store);
}

/* Each fill moves the bounds of chunks, also of those that a window has still to copy. */
static void *weave_run(void *argument)
{
	struct scene *scene = argument;
	struct store_point points[20];

	for (uint32_t n = 0; n < SERIES; n++) {
		atomic_store(&scene->current, n);
		for (int64_t from = 1; from < OLD + LIVE; from += 40) {
			for (int64_t i = 0; i < 20; i++)
				points[i] =
					(struct store_point){START_MS + (from + 2 * i) * STEP_MS,
						value_of(from + 2 * i)};
			store_fill(scene->store, scene->series[n], points, 20, FILL_ANYWHERE,
				scene->filled);
		}
	}
	return NULL;
}

static void *follow_run(void *argument)
{
	struct scene *scene = argument;
	static struct store_point points[OLD + LIVE + 1];

	while (!atomic_load(&scene->stop)) {
		uint32_t n = atomic_load(&scene->current);
		size_t count = store_window(scene->store, scene->series[n], INT64_MIN, INT64_MAX,
			points, OLD + LIVE + 1);

		CHECK(count >= (OLD + LIVE) / 2 && count <= OLD + LIVE);
		for (size_t i = 1; i < count; i++)
			CHECK(points[i].t_ms > points[i - 1].t_ms);
	}
	return NULL;
}

static void a_window_read_during_a_fill_holds_no_sample_twice(void **state)
{
	static struct scene scene;
	static struct store_sample samples[(OLD + LIVE) / 2];
	struct clock_manual manual;
	pthread_t threads[2];
	(void)state;

	scene_open(&scene, &manual);
	for (uint32_t n = 0; n < SERIES; n++) {
		for (int64_t i = 0; i < (OLD + LIVE) / 2; i++)
			samples[i] = (struct store_sample){scene.series[n],
				START_MS + 2 * i * STEP_MS, value_of(2 * i)};
		store_append(scene.store, samples, (OLD + LIVE) / 2, scene.stored);
	}
	pthread_create(&threads[0], NULL, weave_run, &scene);
	pthread_create(&threads[1], NULL, follow_run, &scene);
	pthread_join(threads[0], NULL);
	atomic_store(&scene.stop, true);
	pthread_join(threads[1], NULL);
	expect_all(&scene);
	store_close(scene.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_or_twice_while_the_stream_goes_on),
		cmocka_unit_test(a_window_read_during_a_fill_holds_no_sample_twice),
	};

	return cmocka_run_group_tests_name("fill_threads", tests, NULL, NULL);
}
