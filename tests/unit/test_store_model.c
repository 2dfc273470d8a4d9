/* The store against a plain model: random label sets, encodings, samples, windows, selections and
 * sweeps. A failure names its seed. */
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
#define RETENTION_MS INT64_C(1200000)
#define KEEP_MS INT64_C(900000)

enum { SERIES = 60, SAMPLES = 4000, ROUNDS = 6000, SEEDS = 10 };

struct model_series {
	struct label pairs[6];
	char texts[6][2][12];
	uint32_t count;
	bool live;
	uint32_t id;
	int64_t seen_ms;
	uint32_t sample_count;
	struct store_point samples[SAMPLES];
};

static struct model_series model[SERIES];
static struct clock_manual manual;
static uint64_t seed;
static uint64_t live_count;

#define EXPECT(promise)                                                                            \
	do {                                                                                       \
		if (!(promise))                                                                    \
			fail_msg("seed %llu: " #promise, (unsigned long long)seed);                \
	} while (0)

static void pair_set(struct model_series *series, uint32_t i, const char *name, const char *prefix,
	uint64_t number)
{
	struct label *pair = &series->pairs[i];

	(void)snprintf(series->texts[i][0], sizeof(series->texts[i][0]), "%s", name);
	(void)snprintf(series->texts[i][1], sizeof(series->texts[i][1]), "%s%u", prefix,
		(unsigned)number);
	pair->name = series->texts[i][0];
	pair->value = series->texts[i][1];
	pair->name_size = (uint32_t)strlen(pair->name);
	pair->value_size = (uint32_t)strlen(pair->value);
}

/* All label sets differ by "n"; the other labels are shared, and may be missing. */
static void model_init(struct random *random)
{
	memset(model, 0, sizeof(model));
	live_count = 0;
	for (uint32_t i = 0; i < SERIES; i++) {
		struct model_series *series = &model[i];

		pair_set(series, series->count++, "__name__", "metric_", random_below(random, 4));
		pair_set(series, series->count++, "n", "", i);
		if (random_below(random, 3) != 0)
			pair_set(series, series->count++, "zone", "z", random_below(random, 3));
		if (random_below(random, 2) != 0)
			pair_set(series, series->count++, "app", "", random_below(random, 10));
	}
}

/* Labels in any order; the raw bytes are the texts in that order. */
static uint32_t intern_random(struct store *store, struct random *random, uint32_t i)
{
	struct model_series *series = &model[i];
	struct label pairs[6];
	char raw[256];
	size_t size = 0;
	uint32_t id;

	memcpy(pairs, series->pairs, sizeof(pairs));
	for (uint32_t k = series->count; k > 1 && random_below(random, 4) == 0; k--) {
		uint32_t other = (uint32_t)random_below(random, k);
		struct label pair = pairs[k - 1];

		pairs[k - 1] = pairs[other];
		pairs[other] = pair;
	}
	for (uint32_t k = 0; k < series->count; k++)
		size += (size_t)snprintf(raw + size, sizeof(raw) - size, "%s=%s,", pairs[k].name,
			pairs[k].value);
	id = store_find(store, store_key_of(store, raw, size));
	if (id == STORE_NO_SERIES)
		EXPECT(store_intern(store, store_key_of(store, raw, size), pairs, series->count,
			       &id, NULL) == STATUS_OK);
	if (series->live) {
		EXPECT(series->id == id);
	} else {
		series->live = true;
		series->id = id;
		series->sample_count = 0;
		series->seen_ms = manual.mono_ns / 1000000;
		live_count++;
	}
	return id;
}

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static double random_value(struct random *random)
{
	uint64_t bits = random_u64(random);
	double value;

	switch (random_below(random, 6)) {
	case 0:
		memcpy(&value, &bits, sizeof(value));
		return value;
	case 1:
		bits = STORE_STALE_BITS;
		memcpy(&value, &bits, sizeof(value));
		return value;
	default:
		return (double)random_below(random, 1000) / 4;
	}
}

static enum append_result model_append(struct model_series *series, int64_t t_ms, double value)
{
	struct store_point *newest =
		series->sample_count > 0 ? &series->samples[series->sample_count - 1] : NULL;

	if (t_ms > manual.now_ms + 60000)
		return APPEND_FUTURE;
	if (newest != NULL && t_ms < newest->t_ms)
		return APPEND_LATE;
	if (newest != NULL && t_ms == newest->t_ms)
		return bits_of(value) == bits_of(newest->value) ? APPEND_REPEATED : APPEND_CONFLICT;
	CHECK(series->sample_count < SAMPLES);
	series->samples[series->sample_count++] = (struct store_point){t_ms, value};
	series->seen_ms = manual.mono_ns / 1000000;
	return bits_of(value) == STORE_STALE_BITS ? APPEND_STALE_MARKER : APPEND_STORED;
}

/* One batch with several samples of several series, all results compared as counts. */
static void append_random(struct store *store, struct random *random)
{
	uint64_t counts[APPEND_RESULT_COUNT] = {0}, expected[APPEND_RESULT_COUNT] = {0};
	struct store_sample samples[300];
	size_t count = 1 + random_below(random, 300);
	int64_t now = manual.now_ms;

	for (size_t i = 0; i < count; i++) {
		struct model_series *series = &model[random_below(random, SERIES)];
		int64_t t_ms = now - 15000 * (int64_t)random_below(random, 3);

		samples[i].series = intern_random(store, random, (uint32_t)(series - model));
		if (random_below(random, 10) == 0)
			t_ms += (int64_t)random_below(random, 100000) - 20000;
		if (random_below(random, 10) == 0 && series->sample_count > 0)
			t_ms = series->samples[series->sample_count - 1].t_ms;
		samples[i].t_ms = t_ms;
		samples[i].value = random_below(random, 4) == 0 && series->sample_count > 0
			? series->samples[series->sample_count - 1].value
			: random_value(random);
		expected[model_append(series, t_ms, samples[i].value)]++;
	}
	store_append(store, samples, count, counts);
	EXPECT(memcmp(counts, expected, sizeof(counts)) == 0);
}

/* What is returned is the newest part of what was appended, and all of the retention. */
static void window_check(struct store *store, struct random *random)
{
	static struct store_point points[SAMPLES];
	const struct model_series *series = &model[random_below(random, SERIES)];
	size_t max = random_below(random, 3) == 0 ? 1 + random_below(random, 20) : SAMPLES;
	int64_t to = manual.now_ms + 100000 - (int64_t)random_below(random, 400000);
	int64_t from = to - (int64_t)random_below(random, 2 * RETENTION_MS);
	uint32_t end = series->sample_count;
	struct store_point newest;
	size_t count;

	if (!series->live || series->sample_count == 0)
		return;
	EXPECT(store_newest(store, series->id, &newest));
	EXPECT(newest.t_ms == series->samples[end - 1].t_ms);
	EXPECT(bits_of(newest.value) == bits_of(series->samples[end - 1].value));
	count = store_window(store, series->id, from, to, points, max);
	while (end > 0 && series->samples[end - 1].t_ms > to)
		end--;
	EXPECT(count <= max && count <= end);
	for (size_t i = 0; i < count; i++) {
		const struct store_point *point = &series->samples[end - count + i];

		EXPECT(points[i].t_ms == point->t_ms && points[i].t_ms >= from);
		EXPECT(bits_of(points[i].value) == bits_of(point->value));
	}
	if (count < max && count < end) {
		int64_t missing_ms = series->samples[end - count - 1].t_ms;

		EXPECT(missing_ms < from || missing_ms < newest.t_ms - RETENTION_MS);
	}
}

static const char *const selectors[] = {"metric_0", "{n=\"7\"}", "metric_1{zone=\"z1\"}",
	"metric_2{zone!=\"z1\"}", "{n!=\"\",zone=\"\"}", "{zone!=\"\",app=\"\"}",
	"metric_3{app=~\"[0-4]\"}", "{app!~\"[0-4]\",n=~\".+\"}", "{zone=~\"z.|\",n!=\"\"}",
	"{zone=~\"z[01]\",app!~\"3|5|7\",__name__!=\"metric_2\"}", "{n=~\".*[13579]\",zone=\"z2\"}",
	"{absent=\"x\"}", "{absent=\"\",n!=\"3\",n!=\"\"}", "metric_1{absent!=\"\"}",
	"{absent!~\".+\",app=~\"1|2\"}", "{__name__=~\"metric_(1|3)\"}"};

static void select_check(struct store *store, struct random *random)
{
	struct store_selection selection;
	struct matchers matchers;
	struct error error;
	bool found[SERIES] = {false};
	size_t expected = 0;

	matchers_init(&matchers);
	EXPECT(matchers_parse_selector(&matchers,
		       selectors[random_below(random, ARRAY_COUNT(selectors))],
		       &error) == STATUS_OK);
	EXPECT(store_select(store, &matchers, SERIES, &selection, &error) == STATUS_OK);
	for (uint32_t i = 0; i < SERIES; i++) {
		struct labels labels;

		if (!model[i].live)
			continue;
		EXPECT(labels_init(&labels, model[i].pairs, model[i].count, NULL) == STATUS_OK);
		found[i] = matchers_test(&matchers, &labels);
		expected += found[i];
		labels_fini(&labels);
	}
	EXPECT(selection.count == expected);
	for (size_t i = 0; i < selection.count; i++) {
		struct labels labels;
		uint32_t n;

		EXPECT(i == 0 || selection.series[i - 1] < selection.series[i]);
		EXPECT(store_labels(store, selection.series[i], &labels) == STATUS_OK);
		n = (uint32_t)strtoul(labels_get(&labels, "n"), NULL, 10);
		EXPECT(found[n] && model[n].id == selection.series[i]);
		EXPECT(labels.count == model[n].count);
		labels_fini(&labels);
	}
	store_selection_fini(&selection);
	matchers_fini(&matchers);
}

/* The clock moves in whole ticks of the store and well past its rounding. */
static void sweep_check(struct store *store, struct random *random)
{
	size_t expected = 0;

	clock_manual_advance(&manual, (int64_t)random_below(random, 2) == 0 ? 30000 : 400000);
	for (uint32_t i = 0; i < SERIES; i++) {
		int64_t age_ms = manual.mono_ns / 1000000 - model[i].seen_ms;

		if (!model[i].live || age_ms <= KEEP_MS)
			continue;
		if (age_ms < KEEP_MS + 1000)
			return;
		expected++;
	}
	EXPECT(store_sweep(store) == expected);
	for (uint32_t i = 0; i < SERIES; i++) {
		if (model[i].live && manual.mono_ns / 1000000 - model[i].seen_ms > KEEP_MS) {
			model[i].live = false;
			live_count--;
		}
	}
}

static void stats_check(struct store *store, uint64_t memory_max)
{
	struct store_stats stats;

	store_stats(store, &stats);
	EXPECT(stats.series == live_count);
	EXPECT(stats.created - stats.removed == live_count);
	EXPECT(stats.bytes <= memory_max);
	EXPECT(stats.overwritten == 0);
}

static void run(void)
{
	const struct store_limits limits = {
		.memory_max = 8 << 20,
		.series_max = SERIES,
		.retention_ms = RETENTION_MS,
		.interval_ms = 15000,
		.ended_keep_ms = KEEP_MS,
		.future_max_ms = 60000,
	};
	struct random random;
	struct error error;
	struct store *store;

	random_init(&random, seed);
	clock_manual_init(&manual, START_MS);
	model_init(&random);
	store = store_open(&limits, &manual.clock, &error);
	assert_non_null(store);
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t pick = random_below(&random, 100);

		if (pick < 10)
			append_random(store, &random);
		else if (pick < 50)
			clock_manual_advance(&manual, 15000);
		else if (pick < 85)
			window_check(store, &random);
		else if (pick < 95)
			select_check(store, &random);
		else if (pick < 96)
			sweep_check(store, &random);
		else
			stats_check(store, limits.memory_max);
		for (uint32_t i = 0; i < SERIES; i++) {
			/* The model forgets what the store must not return any more anyhow. */
			if (model[i].sample_count > SAMPLES - 400) {
				memmove(model[i].samples, model[i].samples + SAMPLES / 2,
					(model[i].sample_count - SAMPLES / 2) *
						sizeof(struct store_point));
				model[i].sample_count -= SAMPLES / 2;
			}
		}
	}
	store_close(store);
}

static void any_run_matches_the_model(void **state)
{
	for (seed = 1; seed <= SEEDS; seed++)
		run();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_run_matches_the_model),
	};

	return cmocka_run_group_tests_name("store_model", tests, NULL, NULL);
}
