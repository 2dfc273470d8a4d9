#include "tests/support/snapshot_scene.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "store/chunk_code.h"

struct clock_manual scene_clock;
char scene_folder[FOLDER_PATH_MAX], scene_path[FOLDER_PATH_MAX + 64];

const struct store_limits scene_limits = {
	.memory_max = 4 << 20,
	.series_max = 1000,
	.retention_ms = 3600000,
	.interval_ms = 15000,
	.ended_keep_ms = 600000,
	.future_max_ms = 60000,
};

int snapshot_scene_setup(void **state)
{
	clock_manual_init(&scene_clock, SCENE_START_MS);
	folder_make(scene_folder);
	folder_path(scene_path, sizeof(scene_path), scene_folder, "snapshot");
	return 0;
}

int snapshot_scene_teardown(void **state)
{
	folder_remove(scene_folder);
	return 0;
}

void scene_open(struct scene *scene, const struct store_limits *limits)
{
	const struct records_limits histograms = {.keep_max = 8, .bytes_max = 1 << 18};
	const struct records_limits exemplars = {.keep_max = 4,
		.bytes_max = 1 << 18,
		.same_time = true};

	memset(scene, 0, sizeof(*scene));
	scene->parts.store = store_open(limits, &scene_clock.clock, NULL);
	assert_non_null(scene->parts.store);
	scene->parts.histograms = records_open(scene->parts.store, "histogram", &histograms, NULL);
	scene->parts.exemplars = records_open(scene->parts.store, "exemplar", &exemplars, NULL);
	scene->parts.starts = starts_open(scene->parts.store, NULL);
	assert_non_null(scene->parts.starts);
}

void scene_close(struct scene *scene)
{
	records_close(scene->parts.histograms);
	records_close(scene->parts.exemplars);
	starts_close(scene->parts.starts);
	store_close(scene->parts.store);
}

static struct label label(const char *name, const char *value)
{
	return (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

struct store_key scene_key(struct store *store, uint32_t n, const char *encoding)
{
	char text[64];

	snprintf(text, sizeof(text), "%s-%u", encoding, n);
	return store_key_of(store, text, strlen(text));
}

uint32_t scene_intern(struct store *store, uint32_t n, const char *encoding)
{
	char pod[32], long_value[400];
	struct label labels[4];
	uint32_t series;

	snprintf(pod, sizeof(pod), "pod-%u", n);
	memset(long_value, 'x', sizeof(long_value) - 1);
	long_value[n % sizeof(long_value)] = '\0';
	labels[0] = label("__name__", "up");
	labels[1] = label("a_long_one", n % 7 == 0 ? long_value : "");
	labels[2] = label("job", n % 2 ? "odd" : "even");
	labels[3] = label("pod", pod);
	assert_int_equal(store_intern(store, scene_key(store, n, encoding), labels, 4, &series,
				 NULL),
		STATUS_OK);
	return series;
}

/* Whole numbers, gauges, floats, odd values, holes, samples off time. */
double scene_value(uint32_t n, uint32_t round)
{
	struct random random;

	random_init(&random, n * 1000 + round);
	switch (n % 6) {
	case 0:
		return 1;
	case 1:
		return round * 100 + (double)random_below(&random, 10);
	case 2:
		return (double)random_below(&random, 1000) * 4096;
	case 3:
		return random_normal(&random);
	case 4:
		return round % 20 == 7 ? NAN : round * 0.25;
	default:
		return double_of(round % 30 == 9 ? STORE_STALE_BITS : random_u64(&random));
	}
}

uint64_t scene_append(struct store *store, uint32_t series, int64_t t_ms, double value)
{
	struct store_sample sample = {series, t_ms, value};
	uint64_t counts[APPEND_RESULT_COUNT] = {0};

	store_append(store, &sample, 1, counts);
	return counts[APPEND_STORED] + counts[APPEND_STALE_MARKER];
}

void scene_append_round(struct store *store, uint32_t n, uint32_t round)
{
	uint32_t series = store_find(store, scene_key(store, n, "raw"));
	int64_t off = n % 5 == 0 ? (int64_t)((n + round * 7) % 40) : 0;

	if (n % 11 == 0 && round % 3 != 0)
		return;
	assert_true(series != STORE_NO_SERIES);
	assert_int_equal(scene_append(store, series, clock_now_ms(&scene_clock.clock) + off,
				 scene_value(n, round)),
		1);
}

void scene_fill_rounds(struct store *store, uint32_t first, uint32_t end)
{
	for (uint32_t round = first; round < end; round++) {
		clock_manual_advance(&scene_clock, 15000);
		for (uint32_t n = 0; n < SCENE_PODS; n++)
			scene_append_round(store, n, round);
	}
}

void scene_fill(struct scene *scene)
{
	struct store *store = scene->parts.store;

	for (uint32_t n = 0; n < SCENE_PODS; n++) {
		uint32_t series = scene_intern(store, n, "raw");

		if (n % 3 == 0)
			assert_int_equal(scene_intern(store, n, "alias"), series);
	}
	scene_fill_rounds(store, 0, SCENE_ROUNDS);
	for (uint32_t n = 0; n < SCENE_PODS; n += 10) {
		uint32_t series = scene_intern(store, n, "raw");
		struct store_point newest;
		char bytes[300];

		memset(bytes, (int)n, sizeof(bytes));
		records_decide(scene->parts.histograms, series, true);
		records_decide(scene->parts.exemplars, series, true);
		for (uint32_t i = 0; i < 5; i++)
			assert_int_equal(records_add(scene->parts.histograms, series,
						 SCENE_START_MS + i, bytes, 100 + n % 100 + i),
				RECORD_STORED);
		assert_int_equal(records_add(scene->parts.exemplars, series, SCENE_START_MS, bytes,
					 17),
			RECORD_STORED);
		assert_true(store_newest(store, series, &newest));
		starts_note(scene->parts.starts, series, newest.t_ms, SCENE_START_MS - n - 1);
	}
}

uint32_t scene_found(struct store *store, uint32_t n)
{
	uint32_t series = store_find(store, scene_key(store, n, "raw"));

	if (series == STORE_NO_SERIES)
		fail_msg("pod %u is not found by its raw key", n);
	return series;
}

void scene_same_windows(struct store *a, uint32_t in_a, struct store *b, uint32_t in_b)
{
	static struct store_point points_a[SCENE_POINTS_MAX], points_b[SCENE_POINTS_MAX];
	size_t count = store_window(a, in_a, INT64_MIN, INT64_MAX, points_a, SCENE_POINTS_MAX);

	assert_int_equal(store_window(b, in_b, INT64_MIN, INT64_MAX, points_b, SCENE_POINTS_MAX),
		count);
	assert_memory_equal(points_a, points_b, count * sizeof(points_a[0]));
}

static void same_labels(struct store *a, uint32_t in_a, struct store *b, uint32_t in_b)
{
	struct labels labels_a, labels_b;

	assert_int_equal(store_labels(a, in_a, &labels_a), STATUS_OK);
	assert_int_equal(store_labels(b, in_b, &labels_b), STATUS_OK);
	assert_true(labels_equal(&labels_a, &labels_b));
	labels_fini(&labels_a);
	labels_fini(&labels_b);
}

static void same_records(struct records *a, uint32_t in_a, struct records *b, uint32_t in_b)
{
	struct buf copy_a, copy_b;

	buf_init(&copy_a, 1 << 20);
	buf_init(&copy_b, 1 << 20);
	assert_int_equal(records_copy(a, in_a, INT64_MIN, INT64_MAX, &copy_a), STATUS_OK);
	assert_int_equal(records_copy(b, in_b, INT64_MIN, INT64_MAX, &copy_b), STATUS_OK);
	assert_int_equal(copy_a.size, copy_b.size);
	if (copy_a.size > 0)
		assert_memory_equal(copy_a.data, copy_b.data, copy_a.size);
	buf_fini(&copy_a);
	buf_fini(&copy_b);
}

void scene_same(struct scene *a, struct scene *b)
{
	for (uint32_t n = 0; n < SCENE_PODS; n++) {
		uint32_t in_a = scene_found(a->parts.store, n),
			 in_b = scene_found(b->parts.store, n);
		int64_t start_a = 0, start_b = 0;

		same_labels(a->parts.store, in_a, b->parts.store, in_b);
		scene_same_windows(a->parts.store, in_a, b->parts.store, in_b);
		same_records(a->parts.histograms, in_a, b->parts.histograms, in_b);
		same_records(a->parts.exemplars, in_a, b->parts.exemplars, in_b);
		assert_int_equal(starts_get(a->parts.starts, in_a, &start_a),
			starts_get(b->parts.starts, in_b, &start_b));
		assert_int_equal(start_a, start_b);
	}
}

void scene_write(struct scene *scene)
{
	if (snapshot_write(&scene->parts, scene_path, &scene->stats, &scene->error) != STATUS_OK)
		fail_msg("%s", scene->error.text);
}

enum status scene_load(struct scene *scene, const struct store_limits *limits, const char *from)
{
	scene_open(scene, limits);
	return snapshot_load(&scene->parts, from, &scene->stats, &scene->error);
}

void scene_load_good(struct scene *scene, const struct store_limits *limits)
{
	if (scene_load(scene, limits, scene_path) != STATUS_OK)
		fail_msg("%s", scene->error.text);
}
