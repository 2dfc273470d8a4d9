/* run-under: tsan */
/* Appenders, readers, selectors and the sweeper at the same time. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"
#include "store/store.h"

#define START_MS INT64_C(1700000000000)

enum { PODS = 400, CHURN = 40, ROUNDS = 150 };

struct scene {
	struct store *store;
	struct clock_manual manual;
	_Atomic bool stop;
	_Atomic uint32_t sweeps;
	/* The clock is simulated: nobody may be minutes behind it with a request. */
	pthread_barrier_t round;
};

struct appender {
	struct scene *scene;
	uint32_t first, count; /* pods that it alone sends */
	uint64_t sent, counts[APPEND_RESULT_COUNT];
};

static uint32_t find_or_intern(struct store *store, const char *name, uint32_t n)
{
	char text[32];
	struct label labels[2];
	struct store_key key;
	uint32_t series;

	(void)snprintf(text, sizeof(text), "%u", n);
	labels[0] = (struct label){"__name__", name, 8, (uint32_t)strlen(name)};
	labels[1] = (struct label){"n", text, 1, (uint32_t)strlen(text)};
	key = store_key_of(store, text, strlen(text));
	series = store_find(store, key);
	if (series == STORE_NO_SERIES)
		CHECK(store_intern(store, key, labels, 2, &series, NULL) == STATUS_OK);
	return series;
}

/* Each round sends one sample of each pod, the value telling pod and round; a part of the pods is
 * new in each round. Each sample must be taken. */
static void *appender_run(void *argument)
{
	struct appender *appender = argument;
	struct scene *scene = appender->scene;
	static _Thread_local struct store_sample samples[PODS + CHURN];

	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t count = 0;
		int64_t t_ms;

		/* Without sweeps what has ended would fill the store. */
		while (atomic_load(&scene->sweeps) < round / 10)
			clock_sleep_ms(1);
		if (appender->first == 0)
			clock_manual_advance(&scene->manual, 15000);
		(void)pthread_barrier_wait(&scene->round);
		t_ms = clock_now_ms(&scene->manual.clock);
		for (uint32_t i = 0; i < appender->count; i++, count++) {
			uint32_t n = appender->first + i;

			samples[count] =
				(struct store_sample){find_or_intern(scene->store, "stays", n),
					t_ms, n * 1e6 + round};
		}
		for (uint32_t i = 0; i < CHURN; i++, count++) {
			uint32_t n = 1000000 + (appender->first + round) * 1000 + i;

			samples[count] =
				(struct store_sample){find_or_intern(scene->store, "goes", n), t_ms,
					1};
		}
		store_append(scene->store, samples, count, appender->counts);
		appender->sent += count;
		(void)pthread_barrier_wait(&scene->round);
	}
	return NULL;
}

static void *reader_run(void *argument)
{
	struct scene *scene = argument;
	struct store_selection selection;
	struct matchers matchers;
	static _Thread_local struct store_point points[300];
	uint64_t read = 0;

	matchers_init(&matchers);
	CHECK(matchers_parse_selector(&matchers, "stays{n=~\".*7.?\"}", NULL) == STATUS_OK);
	/* Once at least, however late it begins. */
	while (!scene->stop || read == 0) {
		uint64_t generation = store_generation(scene->store);

		CHECK(store_select(scene->store, &matchers, PODS * 2, &selection, NULL) ==
			STATUS_OK);
		for (size_t i = 0; i < selection.count; i++) {
			uint32_t series = selection.series[i];
			size_t count = store_window(scene->store, series, INT64_MIN, INT64_MAX,
				points, 300);
			struct labels labels;
			struct store_point newest;
			double base;

			if (store_labels(scene->store, series, &labels) != STATUS_OK)
				continue;
			base = strtod(labels_get(&labels, "n"), NULL) * 1e6;
			labels_fini(&labels);
			/* A window never mixes series, and its times ascend. */
			for (size_t k = 0; k < count; k++) {
				CHECK(points[k].value >= base && points[k].value < base + ROUNDS);
				CHECK(k == 0 || points[k].t_ms > points[k - 1].t_ms);
			}
			(void)store_newest(scene->store, series, &newest);
			read += count;
		}
		CHECK(store_generation(scene->store) >= generation);
		store_selection_fini(&selection);
	}
	matchers_fini(&matchers);
	CHECK(read > 0);
	return NULL;
}

static void *sweeper_run(void *argument)
{
	struct scene *scene = argument;

	while (!scene->stop) {
		struct store_stats stats;

		(void)store_sweep(scene->store);
		atomic_fetch_add(&scene->sweeps, 1);
		store_stats(scene->store, &stats);
		CHECK(stats.bytes <= 16 << 20);
		clock_sleep_ms(1);
	}
	return NULL;
}

static void all_at_once_nothing_is_lost_or_mixed(void **state)
{
	const struct store_limits limits = {
		.memory_max = 16 << 20,
		.series_max = 20000,
		.retention_ms = 3600000,
		.interval_ms = 15000,
		.ended_keep_ms = 120000,
		.future_max_ms = 60000,
	};
	struct scene scene = {.stop = false};
	struct appender appenders[2] = {{.scene = &scene, .first = 0, .count = PODS},
		{.scene = &scene, .first = 500, .count = PODS}};
	pthread_t append[2], read, sweep;
	struct store_stats stats;

	clock_manual_init(&scene.manual, START_MS);
	assert_int_equal(pthread_barrier_init(&scene.round, NULL, 2), 0);
	scene.store = store_open(&limits, &scene.manual.clock, NULL);
	assert_non_null(scene.store);
	(void)find_or_intern(scene.store, "stays", 7);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&append[i], NULL, appender_run, &appenders[i]), 0);
	assert_int_equal(pthread_create(&read, NULL, reader_run, &scene), 0);
	assert_int_equal(pthread_create(&sweep, NULL, sweeper_run, &scene), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(append[i], NULL), 0);
	scene.stop = true;
	assert_int_equal(pthread_join(read, NULL), 0);
	assert_int_equal(pthread_join(sweep, NULL), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(appenders[i].counts[APPEND_STORED], appenders[i].sent);
	(void)pthread_barrier_destroy(&scene.round);
	clock_manual_advance(&scene.manual, 121000);
	(void)store_sweep(scene.store);
	store_stats(scene.store, &stats);
	assert_int_equal(stats.series, 0);
	assert_int_equal(stats.samples, 0);
	assert_int_equal(stats.created, stats.removed);
	clock_manual_advance(&scene.manual, STORE_REUSE_MS + 1000);
	assert_int_equal(store_sweep(scene.store), 0);
	store_close(scene.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once_nothing_is_lost_or_mixed),
	};

	return cmocka_run_group_tests_name("store_threads", tests, NULL, NULL);
}
