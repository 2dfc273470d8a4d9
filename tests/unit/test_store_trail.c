/* Finding series along the order in which they came before, and making several at once: the same answers
 * as one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "store/store.h"

#define START_MS INT64_C(1700000000000)

static struct clock_manual manual;

static const struct store_limits usual = {
	.memory_max = 4 << 20,
	.series_max = 1000,
	.retention_ms = 3600000,
	.interval_ms = 15000,
	.ended_keep_ms = 600000,
	.future_max_ms = 60000,
};

static struct store *open_with(const struct store_limits *limits)
{
	struct error error;
	struct store *store;

	clock_manual_init(&manual, START_MS);
	store = store_open(limits, &manual.clock, &error);
	if (store == NULL)
		fail_msg("%s", error.text);
	return store;
}

/* The series up{pod="pod-N",job="j"}. */
static enum status intern_pod(struct store *store, uint32_t n, uint32_t *series,
	struct error *error)
{
	char pod[32];
	struct label labels[3];

	(void)snprintf(pod, sizeof(pod), "pod-%u", n);
	labels[0] = label_of("__name__", "up");
	labels[1] = label_of("job", "j");
	labels[2] = label_of("pod", pod);
	return store_intern(store, store_key_of(store, pod, strlen(pod)), labels, 3, series, error);
}

static struct store_key key_of_pod(struct store *store, uint32_t n)
{
	char pod[32];

	(void)snprintf(pod, sizeof(pod), "pod-%u", n);
	return store_key_of(store, pod, strlen(pod));
}

static uint32_t pod(struct store *store, uint32_t n)
{
	struct error error;
	uint32_t series;

	if (intern_pod(store, n, &series, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return series;
}

static void append(struct store *store, uint32_t series)
{
	struct store_sample sample = {series, START_MS, 1};
	uint64_t counts[APPEND_RESULT_COUNT] = {0};

	store_append(store, &sample, 1, counts);
	assert_int_equal(counts[APPEND_STORED], 1);
}

static void shuffle(uint32_t *numbers, uint32_t count, struct random *random)
{
	for (uint32_t i = count; i > 1; i--) {
		uint32_t at = (uint32_t)random_below(random, i), kept = numbers[i - 1];

		numbers[i - 1] = numbers[at];
		numbers[at] = kept;
	}
}

/* Finds keys along a trail and holds each answer against a look-up. Returns how many were strange to the
 * trail. */
static uint32_t follow(struct store *store, struct store_trail *trail, const uint32_t *pods,
	uint32_t count)
{
	struct store_key keys[64];
	uint32_t found[64], strayed = 0;

	for (uint32_t first = 0; first < count; first += 64) {
		uint32_t part = count - first < 64 ? count - first : 64;

		for (uint32_t i = 0; i < part; i++)
			keys[i] = key_of_pod(store, pods[first + i]);
		store_find_trail(store, trail, keys, part, found);
		for (uint32_t i = 0; i < part; i++)
			assert_int_equal(found[i], store_find(store, keys[i]));
		strayed += trail->strayed;
		store_trail_learn(store, trail, found, part);
	}
	return strayed;
}

static void a_trail_finds_what_a_look_up_finds(void **state)
{
	struct store *store = open_with(&usual);
	struct store_trail trail = {0};
	struct random random;
	uint32_t pods[1000], order[1000];

	random_init(&random, 5);
	for (uint32_t i = 0; i < 1000; i++)
		order[i] = i;
	/* Nobody there yet. */
	assert_int_equal(follow(store, &trail, order, 1000), 0);
	for (uint32_t i = 0; i < 990; i++)
		(void)pod(store, i);
	shuffle(order, 1000, &random);
	for (int round = 0; round < 60; round++)
		(void)follow(store, &trail, order, 1000);
	/* An order that comes again is learned, with those between them that are not there. */
	assert_true(follow(store, &trail, order, 1000) < 100);
	/* Some leave, some come in their places, the others stay. */
	memcpy(pods, order, sizeof(pods));
	for (uint32_t i = 100; i < 150; i++)
		pods[i] = 2000 + i;
	for (uint32_t i = 110; i < 115; i++)
		(void)pod(store, pods[i]);
	(void)follow(store, &trail, pods, 1000);
	assert_true(follow(store, &trail, pods, 1000) < 150);
	for (int round = 0; round < 20; round++) {
		shuffle(order, 1000, &random);
		(void)follow(store, &trail, order, 1000);
	}
	store_close(store);
}

static void a_trail_does_not_lead_to_removed_series(void **state)
{
	struct store *store = open_with(&usual);
	struct store_trail trail = {0};
	uint32_t pods[600];

	for (uint32_t i = 0; i < 600; i++)
		pods[i] = i;
	for (uint32_t i = 0; i < 600; i++)
		(void)pod(store, i);
	/* The order of arrival is the first guess. */
	assert_true(follow(store, &trail, pods, 600) <= 16);
	clock_manual_advance(&manual, usual.ended_keep_ms / 2);
	for (uint32_t i = 0; i < 600; i += 3)
		append(store, store_find(store, key_of_pod(store, i)));
	clock_manual_advance(&manual, usual.ended_keep_ms / 2 + 1000);
	assert_int_equal(store_sweep(store), 400);
	(void)follow(store, &trail, pods, 600);
	for (uint32_t i = 0; i < 600; i++)
		assert_int_equal(store_find(store, key_of_pod(store, i)) == STORE_NO_SERIES,
			i % 3 != 0);
	/* The places are used again by others. */
	clock_manual_advance(&manual, STORE_REUSE_MS + 1000);
	(void)store_sweep(store);
	for (uint32_t i = 1000; i < 1300; i++)
		(void)pod(store, i);
	(void)follow(store, &trail, pods, 600);
	for (uint32_t i = 0; i < 600; i++)
		pods[i] = 900 + i;
	(void)follow(store, &trail, pods, 600);
	store_close(store);
}

static void newcomers_are_the_series_that_one_by_one_would_be(void **state)
{
	enum { COUNT = 150 };
	struct store *store = open_with(&usual);
	struct store_newcomer newcomers[COUNT];
	struct label pairs[COUNT][3];
	char names[COUNT][16], encodings[COUNT][16];

	for (uint32_t i = 0; i < COUNT; i++) {
		/* Each tenth is another encoding of the one before it; each 37th has no labels. */
		(void)snprintf(names[i], sizeof(names[i]), "pod-%u", i % 10 == 9 ? i - 1 : i);
		(void)snprintf(encodings[i], sizeof(encodings[i]), "bytes-%u", i);
		pairs[i][0] = label_of("__name__", "up");
		pairs[i][1] = i > 0 ? pairs[i - 1][1] : label_of("job", "j");
		pairs[i][2] = label_of("pod", names[i]);
		newcomers[i] = (struct store_newcomer){
			.key = store_key_of(store, encodings[i], strlen(encodings[i])),
			.pairs = pairs[i],
			.count = i % 37 == 36 ? 0 : 3,
		};
	}
	store_intern_many(store, newcomers, COUNT);
	for (uint32_t i = 0; i < COUNT; i++) {
		uint32_t series;

		if (i % 37 == 36) {
			assert_int_equal(newcomers[i].series, STORE_NO_SERIES);
			continue;
		}
		assert_int_equal(newcomers[i].series, store_find(store, newcomers[i].key));
		assert_int_equal(store_intern(store, newcomers[i].key, pairs[i], 3, &series, NULL),
			STATUS_OK);
		assert_int_equal(series, newcomers[i].series);
		if (i % 10 == 9 && (i - 1) % 37 != 36)
			assert_int_equal(series, newcomers[i - 1].series);
		else if (i > 0 && i % 10 != 9)
			assert_int_not_equal(series, newcomers[i - 1].series);
	}
	store_close(store);
}

static void newcomers_past_the_limits_are_left_out(void **state)
{
	enum { COUNT = 40 };
	struct store_limits limits = usual;
	struct store_newcomer newcomers[COUNT];
	struct label pairs[COUNT];
	char names[COUNT][16];
	struct store *store;

	limits.series_max = 25;
	store = open_with(&limits);
	for (uint32_t i = 0; i < COUNT; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "m%u", i);
		pairs[i] = label_of("__name__", names[i]);
		newcomers[i] = (struct store_newcomer){.key = key_of_pod(store, i),
			.pairs = &pairs[i],
			.count = 1};
	}
	store_intern_many(store, newcomers, COUNT);
	for (uint32_t i = 0; i < COUNT; i++)
		assert_int_equal(newcomers[i].series != STORE_NO_SERIES, i < 25);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trail_finds_what_a_look_up_finds),
		cmocka_unit_test(a_trail_does_not_lead_to_removed_series),
		cmocka_unit_test(newcomers_are_the_series_that_one_by_one_would_be),
		cmocka_unit_test(newcomers_past_the_limits_are_left_out),
	};

	return cmocka_run_group_tests_name("store_trail", tests, NULL, NULL);
}
