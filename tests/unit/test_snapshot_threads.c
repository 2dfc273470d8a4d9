/* run-under: tsan */
/* Snapshots are taken while others append, make series, let them end and sweep; each is loaded and
 * compared with what was really appended. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "store/snapshot.h"
#include "tests/support/folder.h"

#define START_MS INT64_C(1700000000000)
#define STEP_MS INT64_C(15000)

enum { APPENDERS = 2, STAYS = 700, GOES = 60, ROUNDS = 120, SNAPSHOTS_MIN = 4 };

static const struct store_limits limits = {
	.memory_max = 32 << 20,
	.series_max = 60000,
	.retention_ms = 3600000,
	.interval_ms = 15000,
	.ended_keep_ms = 120000,
	.future_max_ms = 60000,
};

struct scene {
	struct store *store;
	struct clock_manual manual;
	_Atomic bool stop;
	_Atomic uint32_t taken; /* snapshots */
	pthread_barrier_t round;
	/* Rounds that each appender has had acknowledged as a whole. */
	_Atomic uint32_t acknowledged[APPENDERS];
};

struct appender {
	struct scene *scene;
	uint32_t which;
};

static uint32_t find_or_intern(struct store *store, const char *name, uint32_t which, uint32_t n)
{
	char text[32], owner[32], raw[64];
	struct label labels[3];
	struct store_key key;
	uint32_t series;

	(void)snprintf(text, sizeof(text), "%u", n);
	(void)snprintf(owner, sizeof(owner), "%u", which);
	(void)snprintf(raw, sizeof(raw), "%s %u %u", name, which, n);
	labels[0] = (struct label){"__name__", name, 8, (uint32_t)strlen(name)};
	labels[1] = (struct label){"n", text, 1, (uint32_t)strlen(text)};
	labels[2] = (struct label){"owner", owner, 5, (uint32_t)strlen(owner)};
	key = store_key_of(store, raw, strlen(raw));
	series = store_find(store, key);
	if (series == STORE_NO_SERIES)
		CHECK(store_intern(store, key, labels, 3, &series, NULL) == STATUS_OK);
	return series;
}

static int64_t time_of(uint32_t round)
{
	return START_MS + (int64_t)round * STEP_MS;
}

/* The value tells the series and the round. */
static double value_of(uint32_t which, uint32_t n, uint32_t round)
{
	return which * 1e8 + n * 1e3 + round;
}

static bool any_removed(const struct scene *scene)
{
	struct store_stats held;

	store_stats(scene->store, &held);
	return held.removed > 0;
}

/* Round after round one sample of each series; GOES series of it are new in each round, get samples
 * in one round only, and their slots are used again after a while. */
static void *appender_run(void *argument)
{
	const struct appender *appender = argument;
	struct scene *scene = appender->scene;
	static _Thread_local struct store_sample samples[STAYS + GOES];
	uint64_t counts[APPEND_RESULT_COUNT] = {0};

	for (uint32_t round = 1; round <= ROUNDS; round++) {
		uint32_t count = 0;

		if (appender->which == 0)
			clock_manual_advance(&scene->manual, STEP_MS);
		(void)pthread_barrier_wait(&scene->round);
		for (uint32_t n = 0; n < STAYS; n++)
			samples[count++] =
				(struct store_sample){find_or_intern(scene->store, "stays",
							      appender->which, n),
					time_of(round), value_of(appender->which, n, round)};
		for (uint32_t i = 0; i < GOES; i++) {
			uint32_t n = round * 1000 + i;

			samples[count++] =
				(struct store_sample){find_or_intern(scene->store, "goes",
							      appender->which, n),
					time_of(round), value_of(appender->which, n, round)};
		}
		store_append(scene->store, samples, count, counts);
		atomic_store(&scene->acknowledged[appender->which], round);
		(void)pthread_barrier_wait(&scene->round);
		/* So that a few snapshots fall into the run, and series are removed in it. */
		while (atomic_load(&scene->taken) < round * SNAPSHOTS_MIN / ROUNDS ||
			(round == ROUNDS - 1 && !any_removed(scene)))
			clock_sleep_ms(1);
	}
	CHECK(counts[APPEND_STORED] == ROUNDS * (STAYS + GOES));
	return NULL;
}

static void *sweeper_run(void *argument)
{
	struct scene *scene = argument;

	while (!scene->stop) {
		(void)store_sweep(scene->store);
		clock_sleep_ms(1);
	}
	return NULL;
}

/* The samples of one series are those of successive rounds, up to one that was under way. */
static void series_check(struct store *store, uint32_t series, const uint32_t *acknowledged,
	uint32_t *last)
{
	static struct store_point points[ROUNDS + 10];
	struct labels labels;
	size_t count = store_window(store, series, INT64_MIN, INT64_MAX, points, ROUNDS + 10);
	uint32_t n, which;
	bool stays;

	assert_int_equal(store_labels(store, series, &labels), STATUS_OK);
	n = (uint32_t)strtoul(labels_get(&labels, "n"), NULL, 10);
	which = (uint32_t)strtoul(labels_get(&labels, "owner"), NULL, 10);
	stays = strcmp(labels_get(&labels, "__name__"), "stays") == 0;
	assert_true(which < APPENDERS && (stays ? n < STAYS : n % 1000 < GOES));
	for (size_t i = 0; i < count; i++) {
		uint32_t round = stays ? (uint32_t)i + 1 : n / 1000;

		assert_int_equal(points[i].t_ms, time_of(round));
		assert_true(points[i].value == value_of(which, n, round));
	}
	/* A series that was not sampled yet may be there, and one that was removed is not. */
	assert_true(stays ? count >= acknowledged[which] && count <= ROUNDS : count <= 1);
	if (!stays && count == 0)
		assert_true(n / 1000 > acknowledged[which]);
	if (count > 0)
		*last = *last < (uint32_t)count ? (uint32_t)count : *last;
	labels_fini(&labels);
}

/* Loads it and looks at all of it. */
static void snapshot_check(struct scene *scene, const char *path, const uint32_t *acknowledged)
{
	struct store *store = store_open(&limits, &scene->manual.clock, NULL);
	struct snapshot_parts parts = {.store = store};
	struct snapshot_stats stats;
	struct store_selection selection;
	struct matchers matchers;
	struct error error;
	uint32_t last = 0, stays = 0, goes = 0;

	if (snapshot_load(&parts, path, &stats, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	assert_int_equal(stats.series_dropped + stats.samples_dropped, 0);
	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, "{n=~\".+\"}", NULL), STATUS_OK);
	assert_int_equal(store_select(store, &matchers, 100000, &selection, NULL), STATUS_OK);
	assert_int_equal(selection.count, stats.series);
	for (size_t i = 0; i < selection.count; i++)
		series_check(store, selection.series[i], acknowledged, &last);
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	/* Each series by its key: none is lost, none has another one's. */
	for (uint32_t which = 0; which < APPENDERS; which++) {
		uint64_t series = stats.series;
		struct store_stats held;

		for (uint32_t n = 0; acknowledged[which] > 0 && n < STAYS; n++, stays++)
			series_check(store, find_or_intern(store, "stays", which, n), acknowledged,
				&last);
		/* Those of the last rounds have not ended yet. */
		for (uint32_t i = 0; acknowledged[which] > 0 && i < GOES; i++, goes++)
			series_check(store,
				find_or_intern(store, "goes", which,
					acknowledged[which] * 1000 + i),
				acknowledged, &last);
		store_stats(store, &held);
		assert_int_equal(held.series, series);
	}
	print_message("a snapshot of %llu series, %llu samples up to round %u\n",
		(unsigned long long)stats.series, (unsigned long long)stats.samples, last);
	store_close(store);
}

static void each_snapshot_is_what_was_appended(void **state)
{
	struct scene scene = {.stop = false};
	struct appender appenders[APPENDERS] = {{&scene, 0}, {&scene, 1}};
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 16];
	pthread_t append[APPENDERS], sweep;
	uint32_t acknowledged[APPENDERS] = {0};
	struct snapshot_stats stats;
	struct store_stats held;
	struct error error;
	int taken = 0;

	folder_make(folder);
	folder_path(path, sizeof(path), folder, "snapshot");
	clock_manual_init(&scene.manual, START_MS);
	assert_int_equal(pthread_barrier_init(&scene.round, NULL, APPENDERS), 0);
	scene.store = store_open(&limits, &scene.manual.clock, NULL);
	assert_non_null(scene.store);
	for (int i = 0; i < APPENDERS; i++)
		assert_int_equal(pthread_create(&append[i], NULL, appender_run, &appenders[i]), 0);
	assert_int_equal(pthread_create(&sweep, NULL, sweeper_run, &scene), 0);
	for (; acknowledged[0] < ROUNDS || acknowledged[1] < ROUNDS; taken++) {
		struct snapshot_parts parts = {.store = scene.store};

		for (int i = 0; i < APPENDERS; i++)
			acknowledged[i] = atomic_load(&scene.acknowledged[i]);
		if (snapshot_write(&parts, path, &stats, &error) != STATUS_OK)
			fail_msg("%s", error.text);
		snapshot_check(&scene, path, acknowledged);
		atomic_fetch_add(&scene.taken, 1);
	}
	for (int i = 0; i < APPENDERS; i++)
		assert_int_equal(pthread_join(append[i], NULL), 0);
	scene.stop = true;
	assert_int_equal(pthread_join(sweep, NULL), 0);
	assert_true(taken >= SNAPSHOTS_MIN);
	/* Series were removed meanwhile, or the test has not tried that. */
	store_stats(scene.store, &held);
	assert_true(held.removed > 0);
	(void)pthread_barrier_destroy(&scene.round);
	store_close(scene.store);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_snapshot_is_what_was_appended),
	};

	return cmocka_run_group_tests_name("snapshot_threads", tests, NULL, NULL);
}
