/* What goes into a snapshot comes out of it, within other limits and at other times, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "store/chunk_code.h"
#include "store/layout.h"
#include "store/snapshot_format.h"
#include "tests/support/snapshot_scene.h"

static void everything_comes_back_and_goes_on(void **state)
{
	struct scene before, after;
	struct matchers matchers;
	struct store_selection selection;
	struct store_stats counted;

	scene_open(&before, &scene_limits);
	scene_fill(&before);
	scene_write(&before);
	assert_int_equal(before.stats.series, SCENE_PODS);
	clock_manual_advance(&scene_clock, 120000);
	scene_load_good(&after, &scene_limits);
	assert_int_equal(after.stats.series, SCENE_PODS);
	assert_int_equal(after.stats.samples, before.stats.samples);
	assert_int_equal(after.stats.records, before.stats.records);
	assert_int_equal(after.stats.series_dropped + after.stats.samples_dropped, 0);
	assert_false(after.stats.recoded);
	/* Nothing new came into being. */
	store_stats(after.parts.store, &counted);
	assert_int_equal(counted.series, SCENE_PODS);
	assert_int_equal(counted.created, 0);
	scene_same(&before, &after);
	/* Another raw encoding is known, too. */
	assert_int_equal(store_find(after.parts.store, scene_key(after.parts.store, 3, "alias")),
		scene_found(after.parts.store, 3));
	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, "up{job=\"odd\",pod=~\".*3\"}", NULL),
		STATUS_OK);
	assert_int_equal(store_select(after.parts.store, &matchers, 1000, &selection, NULL),
		STATUS_OK);
	assert_int_equal(selection.count, SCENE_PODS / 10);
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	/* Both go on alike: the encoder's state was kept. */
	for (uint32_t round = SCENE_ROUNDS; round < SCENE_ROUNDS + 300; round++) {
		clock_manual_advance(&scene_clock, 15000);
		for (uint32_t n = 0; n < SCENE_PODS; n++) {
			scene_append_round(before.parts.store, n, round);
			scene_append_round(after.parts.store, n, round);
		}
	}
	scene_same(&before, &after);
	scene_close(&before);
	scene_close(&after);
}

static void an_empty_store_is_a_snapshot_too(void **state)
{
	struct scene before, after;

	scene_open(&before, &scene_limits);
	scene_write(&before);
	scene_load_good(&after, &scene_limits);
	assert_int_equal(after.stats.series, 0);
	(void)scene_intern(after.parts.store, 1, "raw");
	scene_close(&before);
	scene_close(&after);
}

static void the_file_is_for_its_owner_alone_and_no_draft_is_left(void **state)
{
	struct scene scene;
	struct stat about;
	char draft[FOLDER_PATH_MAX + 80];

	scene_open(&scene, &scene_limits);
	scene_fill(&scene);
	scene_write(&scene);
	scene_write(&scene);
	assert_int_equal(stat(scene_path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);
	assert_int_equal(about.st_size, scene.stats.bytes);
	snprintf(draft, sizeof(draft), "%s.draft", scene_path);
	assert_int_not_equal(stat(draft, &about), 0);
	scene_close(&scene);
}

static void no_file_is_not_found(void **state)
{
	struct scene scene;

	assert_int_equal(scene_load(&scene, &scene_limits, scene_path), STATUS_NOT_FOUND);
	scene_close(&scene);
}

/* A series stays for the rest of its ended_keep_ms, whatever time has passed between. */
static void ages_go_on_where_they_stood(void **state)
{
	struct scene scene;
	uint32_t old, young;

	scene_open(&scene, &scene_limits);
	old = scene_intern(scene.parts.store, 1, "raw");
	assert_int_equal(scene_append(scene.parts.store, old, clock_now_ms(&scene_clock.clock), 1),
		1);
	clock_manual_advance(&scene_clock, 400000);
	young = scene_intern(scene.parts.store, 2, "raw");
	assert_int_equal(scene_append(scene.parts.store, young, clock_now_ms(&scene_clock.clock),
				 1),
		1);
	scene_write(&scene);
	scene_close(&scene);
	/* Another boot: the monotonic clock begins anew. */
	clock_manual_init(&scene_clock, SCENE_START_MS + 400000 + 1800000);
	scene_load_good(&scene, &scene_limits);
	assert_int_equal(store_sweep(scene.parts.store), 0);
	clock_manual_advance(&scene_clock, 190000);
	assert_int_equal(store_sweep(scene.parts.store), 0);
	clock_manual_advance(&scene_clock, 20000);
	assert_int_equal(store_sweep(scene.parts.store), 1);
	assert_true(store_newest(scene.parts.store, scene_found(scene.parts.store, 2),
		&(struct store_point){0}));
	clock_manual_advance(&scene_clock, 400000);
	assert_int_equal(store_sweep(scene.parts.store), 1);
	clock_manual_advance(&scene_clock, STORE_REUSE_MS + 1000);
	assert_int_equal(store_sweep(scene.parts.store), 0);
	/* And all of it is given back: pairs, names, postings, keys. */
	assert_int_equal(scene.parts.store->index.names.count, 0);
	assert_int_equal(scene.parts.store->index.pairs.count, 0);
	assert_int_equal(scene.parts.store->keys.count, 0);
	scene_close(&scene);
}

static void removed_series_are_not_in_it(void **state)
{
	struct scene before, after;

	scene_open(&before, &scene_limits);
	scene_fill(&before);
	clock_manual_advance(&scene_clock, 500000);
	(void)scene_append(before.parts.store, scene_found(before.parts.store, 5),
		clock_now_ms(&scene_clock.clock), 5);
	clock_manual_advance(&scene_clock, 110000);
	assert_int_equal(store_sweep(before.parts.store), SCENE_PODS - 1);
	scene_write(&before);
	scene_load_good(&after, &scene_limits);
	assert_int_equal(after.stats.series, 1);
	scene_same_windows(before.parts.store, scene_found(before.parts.store, 5),
		after.parts.store, scene_found(after.parts.store, 5));
	assert_int_equal(store_find(after.parts.store, scene_key(after.parts.store, 6, "raw")),
		STORE_NO_SERIES);
	/* What only the removed ones used is not held. */
	assert_int_equal(after.parts.store->index.pairs.count, 3);
	scene_close(&before);
	scene_close(&after);
}

/* More than the smallest store holds. */
static void fill_more(struct store *store)
{
	for (uint32_t n = SCENE_PODS; n < 900; n++) {
		uint32_t series = scene_intern(store, n, "raw");

		for (uint32_t round = 0; round < 60; round++)
			(void)scene_append(store, series, SCENE_START_MS + (int64_t)round * 15000,
				scene_value(5, n * 100 + round));
	}
}

static void other_limits_take_what_fits(void **state)
{
	struct store_limits limits = scene_limits;
	struct scene before, after;

	scene_open(&before, &scene_limits);
	scene_fill(&before);
	fill_more(before.parts.store);
	scene_write(&before);
	limits.memory_max = 64 << 20;
	limits.series_max = 50000;
	scene_load_good(&after, &limits);
	scene_same(&before, &after);
	scene_close(&after);
	limits = scene_limits;
	limits.series_max = 100;
	scene_load_good(&after, &limits);
	assert_int_equal(after.stats.series, 100);
	assert_int_equal(after.stats.series_dropped, 900 - 100);
	scene_close(&after);
	limits = scene_limits;
	limits.memory_max = STORE_MEMORY_MIN;
	scene_load_good(&after, &limits);
	assert_true(after.stats.samples_dropped > 0 || after.stats.series_dropped > 0);
	assert_true(after.stats.series > 100);
	/* What is there is the newest of it. */
	for (uint32_t n = 1; n < 100; n++) {
		struct store_point newest, expected;
		uint32_t series =
			store_find(after.parts.store, scene_key(after.parts.store, n, "raw"));

		if (series == STORE_NO_SERIES)
			continue;
		assert_true(store_newest(before.parts.store, scene_found(before.parts.store, n),
			&expected));
		assert_true(store_newest(after.parts.store, series, &newest));
		assert_int_equal(newest.t_ms, expected.t_ms);
	}
	scene_close(&after);
	scene_close(&before);
}

static void blocks_of_another_size_are_recoded(void **state)
{
	struct store_limits limits = scene_limits;
	struct scene before, after;

	scene_open(&before, &scene_limits);
	scene_fill(&before);
	scene_write(&before);
	limits.retention_ms = 12 * 3600000;
	scene_load_good(&after, &limits);
	assert_true(after.stats.recoded);
	assert_int_equal(after.stats.samples_dropped, 0);
	scene_same(&before, &after);
	scene_fill_rounds(after.parts.store, SCENE_ROUNDS, SCENE_ROUNDS + 20);
	scene_close(&after);
	scene_close(&before);
}

/* Else those series would take no sample until the clock has caught up. */
static void samples_from_the_future_are_left_out(void **state)
{
	struct scene before, after;
	struct store_point newest;
	uint64_t stored;

	scene_open(&before, &scene_limits);
	scene_fill(&before);
	scene_write(&before);
	stored = before.stats.samples;
	scene_close(&before);
	clock_manual_init(&scene_clock, SCENE_START_MS + SCENE_ROUNDS / 2 * 15000);
	scene_load_good(&after, &scene_limits);
	assert_in_range(after.stats.samples_dropped, stored / 3, stored / 2);
	assert_int_equal(after.stats.samples + after.stats.samples_dropped, stored);
	for (uint32_t n = 0; n < SCENE_PODS; n++) {
		uint32_t series = scene_found(after.parts.store, n);

		assert_true(store_newest(after.parts.store, series, &newest));
		assert_true(newest.t_ms <=
			SCENE_START_MS + SCENE_ROUNDS / 2 * 15000 + scene_limits.future_max_ms);
	}
	clock_manual_advance(&scene_clock, 15000);
	for (uint32_t n = 0; n < SCENE_PODS; n++)
		assert_int_equal(scene_append(after.parts.store, scene_found(after.parts.store, n),
					 clock_now_ms(&scene_clock.clock) +
						 scene_limits.future_max_ms,
					 1),
			1);
	scene_close(&after);
}

static void a_full_disk_leaves_the_one_before(void **state)
{
	struct rlimit before, limit;
	struct scene scene, after;
	struct stat about;
	char draft[FOLDER_PATH_MAX + 80];

	scene_open(&scene, &scene_limits);
	(void)scene_intern(scene.parts.store, 1, "raw");
	scene_write(&scene);
	scene_fill(&scene);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 50000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(snapshot_write(&scene.parts, scene_path, &scene.stats, &scene.error),
		STATUS_IO);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_non_null(strstr(scene.error.text, "cannot write"));
	assert_non_null(strstr(scene.error.text, scene_path));
	snprintf(draft, sizeof(draft), "%s.draft", scene_path);
	assert_int_not_equal(stat(draft, &about), 0);
	scene_load_good(&after, &scene_limits);
	assert_int_equal(after.stats.series, 1);
	scene_close(&after);
	/* Nothing rests behind it: removal works, and so does the next one. */
	clock_manual_advance(&scene_clock, 601000);
	assert_int_equal(store_sweep(scene.parts.store), SCENE_PODS);
	scene_write(&scene);
	scene_close(&scene);
}

static void memory_that_is_out_is_an_answer(void **state)
{
	struct scene scene, after;
	enum status status = STATUS_NO_MEMORY;

	scene_open(&scene, &scene_limits);
	scene_fill(&scene);
	for (long nth = 1; status != STATUS_OK; nth++) {
		assert_true(nth < 100000);
		(void)mem_fail_after(nth, false);
		status = snapshot_write(&scene.parts, scene_path, &scene.stats, &scene.error);
		if (!mem_fail_after(0, false))
			break;
		assert_int_equal(status, STATUS_NO_MEMORY);
	}
	assert_int_equal(status, STATUS_OK);
	for (long nth = 1;; nth++) {
		bool failed;

		scene_open(&after, &scene_limits);
		(void)mem_fail_after(nth, false);
		status = snapshot_load(&after.parts, scene_path, &after.stats, &after.error);
		failed = mem_fail_after(0, false);
		if (!failed)
			break;
		assert_int_equal(status, STATUS_NO_MEMORY);
		scene_close(&after);
	}
	assert_int_equal(status, STATUS_OK);
	scene_same(&scene, &after);
	scene_close(&after);
	scene_close(&scene);
}

/* The version of the file must grow when blocks are encoded in another way. */
static void blocks_are_encoded_as_this_version_says(void **state)
{
	_Alignas(8) unsigned char block[512];
	struct chunk *chunk = (void *)block;
	struct chunk_end end = {0};
	uint64_t sum = 0;

	assert_int_equal(SNAPSHOT_VERSION, 2);
	assert_int_equal(sizeof(struct chunk_end), 56);
	for (uint32_t n = 0; n < 60; n++) {
		memset(block, 0, sizeof(block));
		memset(&end, 0, sizeof(end));
		chunk_begin(&end, chunk, sizeof(block), SCENE_START_MS,
			bits_of(scene_value(n % 4, 0)));
		for (uint32_t i = 1; i < 60; i++)
			if (!chunk_append(&end, chunk, sizeof(block),
				    SCENE_START_MS + (int64_t)i * 15000 + (n % 5 == 0 ? i % 7 : 0),
				    bits_of(i % 13 == 3 ? 0.5 : (double)(n * i * i))))
				break;
		chunk_seal(&end, chunk);
		chunk->next = 0;
		sum = hash_checksum(block, sizeof(block), sum);
		sum = hash_checksum(&end, sizeof(end), sum);
	}
	if (sum != UINT64_C(0xc6604d538d5dfa22))
		fail_msg("blocks are encoded otherwise than version %u says (0x%llx): raise "
			 "SNAPSHOT_VERSION, and put the new sum here",
			SNAPSHOT_VERSION, (unsigned long long)sum);
}

int main(void)
{
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, snapshot_scene_setup, snapshot_scene_teardown)
	const struct CMUnitTest tests[] = {
		TEST(everything_comes_back_and_goes_on),
		TEST(an_empty_store_is_a_snapshot_too),
		TEST(the_file_is_for_its_owner_alone_and_no_draft_is_left),
		TEST(no_file_is_not_found),
		TEST(ages_go_on_where_they_stood),
		TEST(removed_series_are_not_in_it),
		TEST(other_limits_take_what_fits),
		TEST(blocks_of_another_size_are_recoded),
		TEST(samples_from_the_future_are_left_out),
		TEST(a_full_disk_leaves_the_one_before),
		TEST(memory_that_is_out_is_an_answer),
		TEST(blocks_are_encoded_as_this_version_says),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
