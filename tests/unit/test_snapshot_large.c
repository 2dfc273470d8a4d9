/*
 * A series whose samples do not fit a page of a snapshot: it is written without them, which is counted
 * and logged, the others are whole, and after a start it goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/yaml.h"
#include "daemon/snapshots.h"
#include "store/snapshot.h"
#include "tests/support/folder.h"

#define START_MS INT64_C(1700000000000)
#define PART 4096u
/* Random bits take eight bytes or more each: more than fit. */
#define LARGE_SAMPLES (SNAPSHOT_PAGE_MAX / 8 / PART * PART + PART)
#define SMALL_SAMPLES 10u

static char folder[FOLDER_PATH_MAX];
static struct clock_manual manual;
static struct config *config;

static const struct store_limits limits = {
	.memory_max = (uint64_t)200 << 20,
	.series_max = 100,
	.retention_ms = INT64_C(365) * 86400 * 1000,
	.interval_ms = 1000,
	.ended_keep_ms = INT64_C(365) * 86400 * 1000,
	.future_max_ms = 600000,
};

static struct store *open_store(struct intake **intake)
{
	struct error error;
	struct store *store = store_open(&limits, &manual.clock, &error);

	assert_non_null(store);
	*intake = intake_open(config, store, &manual.clock, &error);
	assert_non_null(*intake);
	return store;
}

static void close_store(struct store *store, struct intake *intake)
{
	intake_close(intake);
	store_close(store);
}

static uint32_t intern(struct store *store, const char *name)
{
	const struct label label = {"__name__", name, 8, (uint32_t)strlen(name)};
	struct error error;
	uint32_t series;

	assert_int_equal(store_intern(store, store_key_of(store, name, strlen(name)), &label, 1,
				 &series, &error),
		STATUS_OK);
	return series;
}

/* Values of random bits, which nothing makes shorter. */
static void append(struct store *store, uint32_t series, uint32_t count)
{
	static struct store_sample samples[PART];
	uint64_t counts[APPEND_RESULT_COUNT] = {0};
	struct random random;

	random_init(&random, 1);
	for (uint32_t first = 0; first < count; first += PART) {
		uint32_t part = count - first < PART ? count - first : PART;

		for (uint32_t i = 0; i < part; i++)
			samples[i] = (struct store_sample){.series = series,
				.t_ms = START_MS + (int64_t)(first + i) * 1000,
				.value = random_normal(&random)};
		store_append(store, samples, part, counts);
	}
	assert_int_equal(counts[APPEND_STORED], count);
}

static size_t points(struct store *store, uint32_t series)
{
	struct store_point found[SMALL_SAMPLES + 1];

	return store_window(store, series, INT64_MIN, INT64_MAX, found, SMALL_SAMPLES + 1);
}

/* Writes as a clean stop does; what was logged (free). */
static char *write_logged(struct store *store, struct intake *intake)
{
	char path[FOLDER_PATH_MAX + 8], *said = calloc(1, 4096);
	struct snapshots *snapshots;
	struct error error;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "%s/log", folder);
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && said != NULL);
	log_set_fd(fd);
	snapshots = snapshots_open(config, store, intake, &manual.clock, &error);
	assert_non_null(snapshots);
	snapshots_close(snapshots);
	log_set_fd(STDERR_FILENO);
	size = pread(fd, said, 4095, 0);
	assert_true(size >= 0);
	close(fd);
	return said;
}

static void a_series_too_large_for_a_page_is_written_without_its_samples_and_told(void **state)
{
	double cut = metrics_get(METRIC_SNAPSHOT_FAILURES, "series");
	double failed = metrics_get(METRIC_SNAPSHOT_FAILURES, "write");
	struct intake *intake;
	struct store *store = open_store(&intake);
	uint32_t large = intern(store, "large"), small = intern(store, "small");
	bool spoiled;
	char *said;

	clock_manual_advance(&manual, (int64_t)LARGE_SAMPLES * 1000);
	append(store, large, LARGE_SAMPLES);
	append(store, small, SMALL_SAMPLES);
	said = write_logged(store, intake);
	if (strstr(said, "level=warn") == NULL ||
		strstr(said, "series=1 bytes_max=67108864") == NULL)
		fail_msg("%s", said);
	free(said);
	assert_true(metrics_get(METRIC_SNAPSHOT_FAILURES, "series") == cut + 1);
	assert_true(metrics_get(METRIC_SNAPSHOT_FAILURES, "write") == failed);
	close_store(store, intake);

	store = open_store(&intake);
	snapshots_load(config, store, intake, &spoiled);
	assert_false(spoiled);
	assert_true(metrics_get(METRIC_SNAPSHOT_LOADED) == 2);
	large = store_find(store, store_key_of(store, "large", 5));
	small = store_find(store, store_key_of(store, "small", 5));
	assert_true(large != STORE_NO_SERIES && small != STORE_NO_SERIES);
	assert_int_equal(points(store, large), 0);
	assert_int_equal(points(store, small), SMALL_SAMPLES);
	append(store, large, 1);
	assert_int_equal(points(store, large), 1);
	close_store(store, intake);
}

static int setup(void **state)
{
	static const char *const interval = "1h";
	char path[FOLDER_PATH_MAX];
	struct config_flag flags[] = {{"storage.path", path},
		{"storage.snapshot-interval", interval}};
	struct diagnostics diagnostics;

	folder_make(folder);
	snprintf(path, sizeof(path), "%s", folder);
	clock_manual_init(&manual, START_MS);
	diagnostics_init(&diagnostics);
	config = config_load(NULL, NULL, flags, 2, &diagnostics);
	diagnostics_fini(&diagnostics);
	return config == NULL;
}

static int teardown(void **state)
{
	config_close(config);
	folder_remove(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_series_too_large_for_a_page_is_written_without_its_samples_and_told),
	};

	return cmocka_run_group_tests_name("snapshot_large", tests, setup, teardown);
}
