/* run-under: tsan */
/*
 * The 1-minute tier against a naive table of minutes: late and repeated writes, gaps, restarts, kills,
 * a clock that goes wrong, limits, damage anywhere in the file, and readers while it is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "store/rollup_file.h"
#include "tests/support/folder.h"

#define M0 INT64_C(28333320) /* November 2023; begins a block */
#define DAY_MS (INT64_C(24) * 3600000)
#define DAY 1440

static char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 20];
static struct clock_manual manual;
static struct rollup_limits limits;
static struct rollup *rollup;
static struct error error;

static int setup(void **state)
{
	folder_make(folder);
	folder_path(path, sizeof(path), folder, "rollup.1m");
	clock_manual_init(&manual, M0 * 60000);
	limits = (struct rollup_limits){.retention_ms = DAY_MS, .signals_max = 100};
	rollup = NULL;
	return 0;
}

static void open_tier(void)
{
	rollup = rollup_open(path, &limits, &manual.clock, &error);
	if (rollup == NULL)
		fail_msg("%s", error.text);
}

static void reopen_tier(void)
{
	rollup_close(rollup);
	open_tier();
}

static int teardown(void **state)
{
	mem_fail_after(0, false);
	rollup_close(rollup);
	metrics_reset();
	folder_remove(folder);
	return 0;
}

static struct rollup_minute minute_of(double value, uint32_t count)
{
	return (struct rollup_minute){.mean = value,
		.max = value + 1,
		.min = value - 1,
		.last = value + 0.5,
		.count = count,
		.present = true};
}

static enum status write_at(const char *key, int64_t minute, double value, uint32_t count)
{
	struct rollup_minute one = minute_of(value, count);

	return rollup_write(rollup, key, strlen(key), minute, &one, 1, minute, &error);
}

static void write_ok(const char *key, int64_t minute, double value)
{
	if (write_at(key, minute, value, 4) != STATUS_OK)
		fail_msg("%s", error.text);
}

static double mean_at(const char *key, int64_t minute)
{
	double mean = 0;
	const struct rollup_columns columns = {.mean = &mean};

	(void)rollup_read(rollup, key, strlen(key), minute, minute + 1, &columns);
	return mean;
}

static void what_is_written_is_read_and_the_rest_is_a_gap(void **state)
{
	double mean[70], max[70], min[70], last[70];
	uint32_t count[70];
	uint64_t gaps[2];
	const struct rollup_columns all = {mean, max, min, last, count, gaps};

	open_tier();
	for (int64_t i = 0; i < 70; i++)
		if (i != 3 && i != 66)
			write_ok("a", M0 + i, (double)i);
	assert_int_equal(rollup_read(rollup, "a", 1, M0, M0 + 70, &all), 68);
	for (int i = 0; i < 70; i++) {
		bool gap = i == 3 || i == 66;

		assert_int_equal(gaps[i / 64] >> i % 64 & 1, gap);
		assert_int_equal(count[i], gap ? 0 : 4);
		assert_true(gap ? isnan(mean[i]) && isnan(max[i]) && isnan(min[i]) && isnan(last[i])
				: mean[i] == i && max[i] == i + 1 && min[i] == i - 1 &&
					last[i] == i + 0.5);
	}
	assert_true(metrics_get(METRIC_ROLLUP_GAPS) == 2);
	assert_true(metrics_get(METRIC_ROLLUP_WRITTEN) == 68);
	assert_int_equal(rollup_newest(rollup, "a", 1), M0 + 69);
	assert_int_equal(rollup_newest(rollup, "b", 1), ROLLUP_NEVER);
	assert_int_equal(rollup_read(rollup, "b", 1, M0, M0 + 70, &all), 0);
	assert_true(isnan(mean[0]) && gaps[0] == UINT64_MAX);
	/* Anywhere in time, and backwards. */
	assert_int_equal(rollup_read(rollup, "a", 1, -70, 0, &all), 0);
	assert_int_equal(rollup_read(rollup, "a", 1, INT64_MAX - 70, INT64_MAX, &all), 0);
	assert_int_equal(rollup_read(rollup, "a", 1, M0 + 70, M0, &all), 0);
}

/* A table of all that was ever written, and what must be left of it. */
#define MODEL_MINUTES 12000
#define MODEL_SIGNALS 5

struct model {
	struct rollup_minute minutes[MODEL_MINUTES];
	int64_t newest; /* -1: none */
};

static bool model_closed(const struct model *model, int64_t minute)
{
	int64_t end = (minute / BLOCK_MINUTES + 1) * BLOCK_MINUTES;

	return model->newest >= end + ROLLUP_LATE_MINUTES;
}

static void model_write(struct model *model, int64_t minute, const struct rollup_minute *value)
{
	struct rollup_minute *known = &model->minutes[minute];

	if (model_closed(model, minute) || (known->present && known->count >= value->count))
		return;
	*known = *value;
	model->newest = minute > model->newest ? minute : model->newest;
}

static double step_of(const struct model *model, int64_t minute, double levels, bool max)
{
	int64_t first = minute / BLOCK_MINUTES * BLOCK_MINUTES;
	double low = INFINITY, high = -INFINITY;

	for (int64_t i = first; i < first + BLOCK_MINUTES; i++) {
		const struct rollup_minute *known = &model->minutes[i];

		if (!known->present)
			continue;
		low = fmin(low, max ? known->max : known->mean);
		high = fmax(high, max ? known->max : known->mean);
	}
	return (high - low) / levels + 1e-12 * fmax(fabs(low), fabs(high));
}

static void check_model(const struct model *model, const char *key, int64_t offset)
{
	static double mean[MODEL_MINUTES], max[MODEL_MINUTES], last[MODEL_MINUTES];
	static uint32_t count[MODEL_MINUTES];
	const struct rollup_columns columns = {.mean = mean,
		.max = max,
		.last = last,
		.count = count};
	int64_t kept = (model->newest / BLOCK_MINUTES - 11) * BLOCK_MINUTES;

	(void)rollup_read(rollup, key, strlen(key), offset, offset + MODEL_MINUTES, &columns);
	for (int64_t i = 0; i < MODEL_MINUTES; i++) {
		const struct rollup_minute *known = &model->minutes[i];
		bool exact = !model_closed(model, i);
		double mean_bound = exact ? 0 : step_of(model, i, 65535, false);
		double max_bound = exact ? 0 : step_of(model, i, 32767, true);

		if (!known->present) {
			assert_true(isnan(mean[i]) && isnan(max[i]));
			continue;
		}
		if (isnan(mean[i])) {
			assert_true(i < kept);
			continue;
		}
		if (fabs(mean[i] - known->mean) > mean_bound ||
			fabs(max[i] - known->max) > max_bound)
			fail_msg("minute %d: %.17g, %.17g instead of %.17g, %.17g", (int)i, mean[i],
				max[i], known->mean, known->max);
		if (i > model->newest - DAY) {
			assert_int_equal(count[i], known->count < 255 ? known->count : 255);
			assert_true(isfinite(last[i]));
		}
	}
}

static struct model models[MODEL_SIGNALS];

/* Mostly onwards, sometimes with a gap, back, or once more with other counts. */
static int64_t next_minute(struct random *random, const struct model *model)
{
	int64_t minute = model->newest + 1;
	uint64_t dice = random_below(random, 200);

	if (dice < 12)
		minute += (int64_t)random_below(random, 10);
	else if (dice < 14)
		minute += (int64_t)random_below(random, 400);
	else if (dice < 50)
		minute -= (int64_t)random_below(random, 20);
	else if (dice < 54)
		minute -= (int64_t)random_below(random, 300);
	return minute < 0 ? 0 : minute;
}

static void minutes_match_a_naive_table_over_restarts(void **state)
{
	struct random random;

	for (uint64_t seed = 0; seed < 3; seed++) {
		char key[2] = "a";

		random_init(&random, seed);
		(void)unlink(path);
		open_tier();
		memset(models, 0, sizeof(models));
		for (int i = 0; i < MODEL_SIGNALS; i++)
			models[i].newest = -1;
		for (int round = 0; round < 30000; round++) {
			uint64_t i = random_below(&random, MODEL_SIGNALS);
			int64_t minute = next_minute(&random, &models[i]);
			struct rollup_minute value = minute_of(random_normal(&random) * 100,
				1 + (uint32_t)random_below(&random, 4));

			if (minute >= MODEL_MINUTES)
				continue;
			key[0] = (char)('a' + i);
			model_write(&models[i], minute, &value);
			assert_int_equal(rollup_write(rollup, key, 1, M0 + minute, &value, 1,
						 M0 + minute, &error),
				STATUS_OK);
			if (random_below(&random, 3000) == 0)
				reopen_tier();
			if (random_below(&random, 1500) == 0)
				check_model(&models[i], key, M0);
		}
		for (int i = 0; i < MODEL_SIGNALS; i++) {
			key[0] = (char)('a' + i);
			assert_true(models[i].newest > 2 * DAY);
			check_model(&models[i], key, M0);
		}
		rollup_close(rollup);
		rollup = NULL;
	}
}

static void counters_of_any_size_come_back_from_closed_blocks(void **state)
{
	open_tier();
	for (int64_t i = 0; i < 400; i++) {
		write_ok("counter", M0 + i, 1e15 + (double)(i * 100));
		write_ok("constant", M0 + i, -1e300);
	}
	for (int64_t i = 0; i < 400; i++) {
		assert_true(mean_at("counter", M0 + i) == 1e15 + (double)(i * 100));
		assert_true(mean_at("constant", M0 + i) == -1e300);
	}
}

static void what_is_no_number_is_a_gap(void **state)
{
	struct rollup_minute values[4] = {minute_of(1, 4), minute_of(NAN, 4),
		minute_of(INFINITY, 4), minute_of(2, 0)};
	double mean[4];
	const struct rollup_columns columns = {.mean = mean};

	open_tier();
	assert_int_equal(rollup_write(rollup, "n", 1, M0, &values[1], 3, M0, &error), STATUS_OK);
	assert_int_equal(rollup_newest(rollup, "n", 1), ROLLUP_NEVER);
	assert_int_equal(rollup_write(rollup, "n", 1, M0, values, 4, M0, &error), STATUS_OK);
	assert_int_equal(rollup_read(rollup, "n", 1, M0, M0 + 4, &columns), 1);
	assert_true(mean[0] == 1 && isnan(mean[1]) && isnan(mean[2]) && isnan(mean[3]));
}

static void a_closed_block_is_not_written_again(void **state)
{
	open_tier();
	for (int64_t i = 0; i < BLOCK_MINUTES + ROLLUP_LATE_MINUTES; i++)
		if (i != 60)
			write_ok("a", M0 + i, 1);
	/* Not closed yet: late minutes fill gaps, more samples replace fewer, never the reverse. */
	write_ok("a", M0 + 60, 7);
	assert_true(mean_at("a", M0 + 60) == 7);
	assert_int_equal(write_at("a", M0 + 61, 8, 3), STATUS_OK);
	assert_true(mean_at("a", M0 + 61) == 1);
	assert_int_equal(write_at("a", M0 + 61, 8, 5), STATUS_OK);
	assert_true(mean_at("a", M0 + 61) == 8);
	write_ok("a", M0 + BLOCK_MINUTES + ROLLUP_LATE_MINUTES, 1);
	assert_true(metrics_get(METRIC_ROLLUP_REFUSED, "late") == 0);
	assert_int_equal(write_at("a", M0 + 62, 9, 9), STATUS_OK);
	assert_true(mean_at("a", M0 + 62) == 1);
	assert_true(metrics_get(METRIC_ROLLUP_REFUSED, "late") == 1);
	assert_true(mean_at("a", M0 + 61) == 8);
}

static void a_clock_that_was_ahead_does_no_lasting_harm(void **state)
{
	struct rollup_minute one = minute_of(5, 4);
	const int64_t wrong = M0 + 5 * 365 * DAY + 4 * BLOCK_MINUTES;

	open_tier();
	for (int64_t i = 0; i < 30; i++)
		write_ok("a", M0 + i, (double)i);
	/* A sample from the future is refused; a clock that is wrong makes it the present. */
	assert_int_equal(rollup_write(rollup, "a", 1, wrong, &one, 1, M0 + 30, &error), STATUS_OK);
	assert_true(metrics_get(METRIC_ROLLUP_REFUSED, "ahead") == 1);
	for (int64_t i = 0; i < 300; i++)
		write_ok("a", wrong + i, 99);
	assert_int_equal(rollup_newest(rollup, "a", 1), wrong + 299);
	assert_int_equal(rollup_sweep(rollup, M0 + 31), 0);
	for (int64_t i = 31; i < 200; i++)
		write_ok("a", M0 + i, (double)i);
	/* What was open when the clock went wrong was closed by it. */
	for (int64_t i = 0; i < 200; i++)
		assert_true(i >= 30 && i < BLOCK_MINUTES ? isnan(mean_at("a", M0 + i))
							 : mean_at("a", M0 + i) == (double)i);
	assert_true(metrics_get(METRIC_ROLLUP_REFUSED, "late") == BLOCK_MINUTES - 31);
	assert_int_equal(rollup_newest(rollup, "a", 1), M0 + 199);
	/* Back by hours: what is there stays, and time catches up. */
	write_ok("a", M0 + 10, 4);
	assert_true(metrics_get(METRIC_ROLLUP_REFUSED, "late") == BLOCK_MINUTES - 30);
	write_ok("a", M0 + 200, 4);
	assert_true(mean_at("a", M0 + 200) == 4 && mean_at("a", M0 + 199) == 199);
}

static void a_full_tier_says_so_and_gives_places_of_the_gone_to_others(void **state)
{
	char key[16];

	limits.signals_max = 70;
	open_tier();
	for (int i = 0; i < 70; i++) {
		snprintf(key, sizeof(key), "s%d", i);
		for (int64_t k = 0; k < 130; k++)
			write_ok(key, M0 + k, i);
	}
	assert_int_equal(write_at("new", M0, 1, 4), STATUS_LIMIT);
	assert_non_null(strstr(error.text, "storage.rollup_signals_max"));
	assert_true(metrics_get(METRIC_ROLLUP_REFUSED, "full") == 1);
	write_ok("s3", M0 + 130, 3);
	assert_int_equal(rollup_sweep(rollup, M0 + 129 + DAY), 0);
	for (int i = 0; i < 70; i += 2) {
		snprintf(key, sizeof(key), "s%d", i);
		write_ok(key, M0 + 500, i);
	}
	assert_int_equal(rollup_sweep(rollup, M0 + 129 + DAY + 2), 35);
	assert_int_equal(rollup_newest(rollup, "s1", 2), ROLLUP_NEVER);
	/* What the signal before left behind is not the new one's. */
	write_ok("new", M0 + 500, 1);
	for (int64_t k = 0; k < 500; k++)
		assert_true(isnan(mean_at("new", M0 + k)));
	assert_true(mean_at("s2", M0 + 129) == 2 && mean_at("s2", M0 + 500) == 2);
	reopen_tier();
	assert_true(mean_at("new", M0 + 500) == 1 && mean_at("s2", M0 + 129) == 2);
	assert_true(isnan(mean_at("new", M0 + 129)) && isnan(mean_at("s1", M0 + 129)));
	assert_int_equal(write_at("", M0, 1, 4), STATUS_BAD_INPUT);
}

/* Often enough that a checksum of 16 bits alone would let some of them pass. */
static void nothing_of_the_signals_before_shows_in_a_place_taken_again(void **state)
{
	enum { PLACES = 64, MINUTES = 130, TIMES = 60, APART = 300 };
	double mean[APART + MINUTES];
	const struct rollup_columns columns = {.mean = mean};
	char key[24];

	limits.signals_max = PLACES;
	open_tier();
	for (int64_t time = 0; time < TIMES; time++) {
		int64_t first = M0 + time * APART;

		for (int i = 0; i < PLACES; i++) {
			snprintf(key, sizeof(key), "s%d.%d", (int)time, i);
			write_ok(key, first, i);
			assert_int_equal(rollup_read(rollup, key, strlen(key), first - APART,
						 first + MINUTES, &columns),
				1);
			for (int64_t k = 1; k < MINUTES; k++)
				write_ok(key, first + k, i);
		}
		assert_int_equal(rollup_sweep(rollup, first + MINUTES + 2 * DAY), PLACES);
	}
}

static void a_full_disk_refuses_new_signals_and_harms_none(void **state)
{
	struct rlimit old, low;
	char key[16];
	struct stat stat_before, stat_after;

	limits.signals_max = 1000;
	open_tier();
	for (unsigned i = 0; i < SEGMENT_SLOTS; i++) {
		snprintf(key, sizeof(key), "s%u", i);
		write_ok(key, M0, i);
	}
	assert_int_equal(stat(path, &stat_before), 0);
	/* Beyond this size the file system gives nothing more, as a full disk would. */
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)stat_before.st_size + 100000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	assert_int_equal(write_at("more", M0, 1, 4), STATUS_IO);
	assert_true(metrics_get(METRIC_ROLLUP_REFUSED, "disk") == 1);
	for (int64_t k = 1; k < 300; k++)
		write_ok("s5", M0 + k, 5);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(stat(path, &stat_after), 0);
	assert_int_equal(stat_before.st_size, stat_after.st_size);
	write_ok("more", M0, 1);
	assert_true(mean_at("s5", M0 + 299) == 5 && mean_at("more", M0) == 1);
}

static void flip(off_t at, uint8_t mask)
{
	int descriptor = open(path, O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_true(descriptor >= 0);
	assert_int_equal(pread(descriptor, &byte, 1, at), 1);
	byte ^= mask;
	assert_int_equal(pwrite(descriptor, &byte, 1, at), 1);
	close(descriptor);
}

static void patch(off_t at, const void *bytes, size_t size)
{
	int descriptor = open(path, O_RDWR | O_CLOEXEC);

	assert_true(descriptor >= 0);
	assert_int_equal(pwrite(descriptor, bytes, size, at), (ssize_t)size);
	close(descriptor);
}

/* Whether a file beside was kept; it is removed. */
static bool kept_aside(void)
{
	char name[FOLDER_PATH_MAX + 100];

	snprintf(name, sizeof(name), "%s.refused-%lld", path,
		(long long)clock_now_ms(&manual.clock));
	return unlink(name) == 0;
}

static void a_file_that_is_not_ours_is_refused_by_name(void **state)
{
	static const uint32_t version = 2, order = 0x04030201;
	static const char *const texts[] = {"", "x", "SQLite format 3"};

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		folder_write(folder, "rollup.1m", texts[i]);
		open_tier();
		assert_true(kept_aside());
		assert_true(metrics_get(METRIC_ROLLUP_REFUSED, "file") == (double)(i + 1));
		rollup_close(rollup);
	}
	for (off_t at = 0; at < 40; at++) {
		flip(at, 0x10);
		open_tier();
		assert_true(kept_aside());
		write_ok("a", M0, 1);
		rollup_close(rollup);
	}
	patch(8, &version, sizeof(version));
	open_tier();
	assert_true(kept_aside());
	rollup_close(rollup);
	patch(12, &order, sizeof(order));
	open_tier();
	assert_true(kept_aside());
}

static void a_second_process_is_told_that_the_file_is_in_use(void **state)
{
	open_tier();
	assert_null(rollup_open(path, &limits, &manual.clock, &error));
	assert_int_equal(error.code, STATUS_BUSY);
	assert_non_null(strstr(error.text, path));
	assert_false(kept_aside());
}

/* Every minute is what was written, or a gap. Returns how many are there. */
static size_t count_right(int signals)
{
	static double mean[600], last[600];
	const struct rollup_columns columns = {.mean = mean, .last = last};
	size_t present = 0;
	char key[16];

	for (int i = 0; i < signals; i++) {
		snprintf(key, sizeof(key), "s%d", i);
		present += rollup_read(rollup, key, strlen(key), M0, M0 + 600, &columns);
		for (int k = 0; k < 600; k++) {
			if (isnan(mean[k]))
				continue;
			if (mean[k] != i * 1000 + k)
				fail_msg("signal %d, minute %d: %g", i, k, mean[k]);
			assert_true(isnan(last[k]) || last[k] == mean[k] + 0.5);
		}
	}
	return present;
}

static void write_some(int signals)
{
	char key[16];

	for (int i = 0; i < signals; i++) {
		snprintf(key, sizeof(key), "s%d", i);
		for (int k = 0; k < 600; k++)
			write_ok(key, M0 + k, i * 1000 + k);
	}
}

static void damage_anywhere_becomes_gaps_and_nothing_else(void **state)
{
	struct random random;
	struct stat stats;
	struct buf copy;
	size_t whole, lost = 0;

	random_init(&random, 4);
	open_tier();
	write_some(4);
	whole = count_right(4);
	assert_int_equal(whole, 2400);
	rollup_close(rollup);
	rollup = NULL;
	buf_init(&copy, 64 << 20);
	assert_int_equal(file_read(path, &copy, &error), STATUS_OK);
	assert_int_equal(stat(path, &stats), 0);
	for (int round = 0; round < 150; round++) {
		size_t size = 1 + (size_t)random_below(&random, 65536), at;
		uint8_t *torn = calloc(1, size);

		/* Sectors of zeros, of rubbish, or a file cut short; more in the parts in use. */
		assert_int_equal(file_write_atomic(path, copy.data, copy.size, 0600, &error),
			STATUS_OK);
		at = ROLLUP_FILE_HEAD +
			(size_t)random_below(&random,
				round % 2 == 0 ? 4 * 6000 : copy.size - ROLLUP_FILE_HEAD);
		if (at + size > copy.size)
			size = copy.size - at;
		for (size_t i = 0; i < size && round % 3 == 0; i++)
			torn[i] = (uint8_t)random_u64(&random);
		if (round % 10 == 9)
			assert_int_equal(truncate(path, (off_t)at), 0);
		else
			patch((off_t)at, torn, size);
		free(torn);
		open_tier();
		lost += whole - count_right(4);
		assert_false(kept_aside());
		/* And it goes on. */
		write_ok("s0", M0 + 600, 600);
		assert_true(mean_at("s0", M0 + 600) == 600);
		rollup_close(rollup);
		rollup = NULL;
	}
	assert_true(lost > 0);
	buf_fini(&copy);
}

/* A child writes and tells how far it is; it is killed at any time. */
static void child_writes(_Atomic int64_t *done, int64_t end)
{
	rollup = rollup_open(path, &limits, &manual.clock, &error);
	if (rollup == NULL)
		_exit(1);
	for (int64_t k = atomic_load(done); k < end; k++) {
		for (int i = 0; i < 3; i++) {
			char key[2] = {(char)('a' + i), '\0'};

			if (write_at(key, M0 + k, (double)(k % 1000 * (i + 1)), 4) != STATUS_OK)
				_exit(2);
		}
		atomic_store(done, k + 1);
	}
	for (;;)
		(void)pause();
}

static void what_was_written_before_a_kill_is_there(void **state)
{
	_Atomic int64_t *done =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct random random;

	assert_ptr_not_equal(done, MAP_FAILED);
	random_init(&random, 5);
	atomic_store(done, 0);
	for (int round = 0; round < 15; round++) {
		int64_t far = atomic_load(done) + 50 + (int64_t)random_below(&random, 400);
		pid_t child = fork();
		int status;

		assert_true(child >= 0);
		/* It is killed while it writes; where the parent is slow it waits for that at last. */
		if (child == 0)
			child_writes(done, far + 500);
		while (atomic_load(done) < far)
			clock_sleep_ms(1);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		open_tier();
		far = atomic_load(done);
		for (int64_t k = far > DAY ? far - DAY : 0; k < far; k++)
			for (int i = 0; i < 3; i++) {
				char key[2] = {(char)('a' + i), '\0'};
				double wanted = (double)(k % 1000 * (i + 1));

				if (mean_at(key, M0 + k) != wanted)
					fail_msg("round %d, minute %d of %d: %g", round, (int)k,
						(int)far, mean_at(key, M0 + k));
			}
		rollup_close(rollup);
		rollup = NULL;
	}
	munmap((void *)done, 4096);
}

static void another_retention_takes_the_minutes_along(void **state)
{
	struct rollup_stats stats;

	limits.retention_ms = 2 * DAY_MS;
	open_tier();
	for (int64_t k = 0; k < 2 * DAY; k++)
		write_ok("a", M0 + k, (double)k);
	for (int days = 3; days >= 1; days--) {
		limits.retention_ms = days * DAY_MS;
		reopen_tier();
		rollup_stats(rollup, &stats);
		assert_int_equal(stats.retention_minutes, days * DAY);
		for (int64_t k = (days < 2 ? 2 - days : 0) * DAY; k < 2 * DAY; k++)
			assert_true(mean_at("a", M0 + k) == (double)k);
	}
	assert_true(isnan(mean_at("a", M0)));
	write_ok("a", M0 + 2 * DAY, 1);
	limits.retention_ms = DAY_MS - 1;
	assert_null(rollup_open(path, &limits, &manual.clock, &error));
	assert_int_equal(error.code, STATUS_BAD_INPUT);
}

static void a_signal_takes_no_more_than_promised(void **state)
{
	struct rollup_stats stats;
	char key[16];

	limits.retention_ms = 14 * DAY_MS;
	limits.signals_max = SEGMENT_SLOTS;
	open_tier();
	for (unsigned i = 0; i < SEGMENT_SLOTS; i++) {
		snprintf(key, sizeof(key), "s%u", i);
		write_ok(key, M0, i);
	}
	rollup_stats(rollup, &stats);
	assert_int_equal(stats.signals, SEGMENT_SLOTS);
	assert_true(stats.disk_bytes - ROLLUP_FILE_HEAD <= SEGMENT_SLOTS * UINT64_C(100000));
	assert_true(stats.resident_bytes <= stats.disk_bytes && stats.resident_bytes > 0);
}

/* Each allocation fails in turn; the tier opens or says why not, and the file stays good. */
static void without_memory_nothing_breaks(void **state)
{
	bool injected = true;

	for (long n = 1; injected; n++) {
		mem_fail_after(n, false);
		rollup = rollup_open(path, &limits, &manual.clock, &error);
		if (rollup != NULL)
			(void)write_at("a", M0 + n, (double)n, 4);
		injected = mem_fail_after(0, false);
		if (rollup == NULL) {
			assert_int_equal(error.code, STATUS_NO_MEMORY);
			open_tier();
		}
		write_ok("a", M0 + n, (double)n);
		assert_true(mean_at("a", M0 + n) == (double)n);
		rollup_close(rollup);
		rollup = NULL;
		assert_false(kept_aside());
		assert_true(n < 100);
	}
}

/* What a reader sees of a minute belongs together. */
static atomic_bool stop_reading;

static void *read_on(void *argument)
{
	static _Thread_local double mean[DAY], max[DAY], last[DAY];
	const struct rollup_columns columns = {.mean = mean, .max = max, .last = last};
	struct rollup_stats stats;
	size_t *seen = argument;

	while (!atomic_load(&stop_reading)) {
		size_t present = rollup_read(rollup, "s1", 2, M0, M0 + DAY, &columns);

		for (int i = 0; i < DAY; i++)
			if (!isnan(mean[i]) &&
				(mean[i] != i || max[i] != i + 1 ||
					(!isnan(last[i]) && last[i] != i + 0.5)))
				return NULL;
		*seen = present > *seen ? present : *seen;
		rollup_stats(rollup, &stats);
		(void)rollup_newest(rollup, "s1", 2);
	}
	return seen;
}

static void readers_see_whole_minutes_while_others_are_written(void **state)
{
	pthread_t readers[2];
	size_t seen[2] = {0, 0};
	char key[16];
	void *good;

	limits.signals_max = 300;
	open_tier();
	atomic_store(&stop_reading, false);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_on, &seen[i]), 0);
	for (int64_t k = 0; k < DAY; k++) {
		write_ok("s1", M0 + k, (double)k);
		if (k % 5 == 0) {
			snprintf(key, sizeof(key), "t%d", (int)(k / 5) % 250);
			write_ok(key, M0 + k, -1);
		}
		if (k % 500 == 499)
			(void)rollup_sweep(rollup, M0 + k);
	}
	atomic_store(&stop_reading, true);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(readers[i], &good), 0);
		assert_non_null(good);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read_and_the_rest_is_a_gap),
		TEST(minutes_match_a_naive_table_over_restarts),
		TEST(counters_of_any_size_come_back_from_closed_blocks),
		TEST(what_is_no_number_is_a_gap),
		TEST(a_closed_block_is_not_written_again),
		TEST(a_clock_that_was_ahead_does_no_lasting_harm),
		TEST(a_full_tier_says_so_and_gives_places_of_the_gone_to_others),
		TEST(nothing_of_the_signals_before_shows_in_a_place_taken_again),
		TEST(a_full_disk_refuses_new_signals_and_harms_none),
		TEST(a_file_that_is_not_ours_is_refused_by_name),
		TEST(a_second_process_is_told_that_the_file_is_in_use),
		TEST(damage_anywhere_becomes_gaps_and_nothing_else),
		TEST(what_was_written_before_a_kill_is_there),
		TEST(another_retention_takes_the_minutes_along),
		TEST(a_signal_takes_no_more_than_promised),
		TEST(without_memory_nothing_breaks),
		TEST(readers_see_whole_minutes_while_others_are_written),
	};

	return cmocka_run_group_tests_name("rollup", tests, NULL, NULL);
}
