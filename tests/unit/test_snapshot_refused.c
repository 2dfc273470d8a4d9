/* What is no good snapshot is refused by name, and one that was made on purpose does no harm. */
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

#include "base/random.h"
#include "store/chunk_code.h"
#include "store/layout.h"
#include "store/snapshot_format.h"
#include "tests/support/snapshot_scene.h"

static char other_path[FOLDER_PATH_MAX + 64];

static void refused(const char *from, const char *reason)
{
	struct scene scene;

	assert_int_equal(scene_load(&scene, &scene_limits, from), STATUS_BAD_INPUT);
	if (strstr(scene.error.text, reason) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", scene.error.text, reason);
	scene_close(&scene);
}

static void one_older_than_the_retention_is_refused(void **state)
{
	struct scene scene;

	scene_open(&scene, &scene_limits);
	scene_fill(&scene);
	scene_write(&scene);
	scene_close(&scene);
	clock_manual_advance(&scene_clock, scene_limits.retention_ms + 1000);
	refused(scene_path, "it was taken 3601 s ago, and rings keep 3600 s");
}

/* The bytes of a good snapshot (free). */
static unsigned char *good_bytes(size_t *size)
{
	struct scene scene;
	unsigned char *bytes;
	FILE *file;

	scene_open(&scene, &scene_limits);
	scene_fill(&scene);
	scene_write(&scene);
	*size = (size_t)scene.stats.bytes;
	scene_close(&scene);
	bytes = malloc(*size);
	file = fopen(scene_path, "rb");
	assert_int_equal(fread(bytes, 1, *size, file), *size);
	fclose(file);
	return bytes;
}

static void write_bytes(const unsigned char *bytes, size_t size)
{
	int file = open(other_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(file, bytes, size), size);
	close(file);
}

static void torn_anywhere_is_refused(void **state)
{
	size_t size;
	unsigned char *bytes = good_bytes(&size);

	assert_true(size > 100000);
	for (size_t at = 0; at < size; at += 4096) {
		write_bytes(bytes, at);
		refused(other_path, "torn");
	}
	for (size_t at = size - 90; at < size; at++) {
		write_bytes(bytes, at);
		refused(other_path, "torn");
	}
	/* The length is right, and the rest was never written. */
	for (size_t at = 4096; at < size; at += 4096) {
		memset(bytes + size - at % size, 0, at % size);
		write_bytes(bytes, size);
		refused(other_path, "page");
	}
	free(bytes);
}

static void a_flipped_bit_is_refused(void **state)
{
	size_t size;
	unsigned char *bytes = good_bytes(&size);
	struct random random;

	random_init(&random, 4);
	for (int i = 0; i < 300; i++) {
		/* Half of them in the header and at the heads of pages. */
		size_t at = random_below(&random, i % 2 ? size : 400);
		int bit = 1 << random_below(&random, 8);

		bytes[at] = (unsigned char)(bytes[at] ^ bit);
		write_bytes(bytes, size);
		refused(other_path, "");
		bytes[at] = (unsigned char)(bytes[at] ^ bit);
	}
	bytes[size - 1] ^= 1;
	write_bytes(bytes, size);
	refused(other_path, "is damaged");
	free(bytes);
}

static void foreign_files_are_refused_by_name(void **state)
{
	size_t size;
	unsigned char *bytes = good_bytes(&size);
	struct snapshot_header *header = (void *)bytes;

	header->version++;
	write_bytes(bytes, size);
	refused(other_path, "it has version 3, and this program reads version 2");
	header->version--;
	header->byte_order = 0x04030201;
	write_bytes(bytes, size);
	refused(other_path, "another byte order");
	header->byte_order = SNAPSHOT_BYTE_ORDER;
	bytes[0] = 'X';
	write_bytes(bytes, size);
	refused(other_path, "it is not a snapshot");
	refused(scene_folder, "it is not a plain file");
	free(bytes);
}

/* Writes a file whose checksums are right. */
static void seal_bytes(unsigned char *bytes, size_t size)
{
	struct snapshot_header *header = (void *)bytes;
	size_t at = sizeof(*header);

	header->checksum = hash_checksum(header, offsetof(struct snapshot_header, checksum), 0);
	for (uint64_t page = 0; at + sizeof(struct page_head) <= size; page++) {
		struct page_head *head = (void *)(bytes + at);

		if (head->size > size - at - sizeof(*head))
			break;
		head->checksum =
			hash_checksum(bytes + at + 8, head->size + 8, header->nonce + page);
		at += sizeof(*head) + head->size;
	}
	write_bytes(bytes, size);
}

/* All that a store is for, with whatever a file brought. */
static void use(struct scene *scene)
{
	static struct store_point points[SCENE_POINTS_MAX];
	struct store *store = scene->parts.store;
	uint32_t id_end = store->id_end;
	struct store_selection selection;
	struct matchers matchers;

	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, "{pod=~\".*1.*\"}", NULL), STATUS_OK);
	if (store_select(store, &matchers, 1000, &selection, NULL) == STATUS_OK)
		store_selection_fini(&selection);
	matchers_fini(&matchers);
	for (uint32_t id = 0; id < id_end; id++) {
		struct labels labels;

		if (store_labels(store, id, &labels) == STATUS_OK)
			labels_fini(&labels);
		(void)store_window(store, id, INT64_MIN, INT64_MAX, points, SCENE_POINTS_MAX);
		for (uint32_t round = 0; round < 40; round++)
			(void)scene_append(store, id,
				clock_now_ms(&scene_clock.clock) + (int64_t)round * 100,
				scene_value(id, round));
	}
	for (uint32_t n = 0; n < 20; n++)
		(void)scene_intern(store, n, "raw");
	clock_manual_advance(&scene_clock, 601000);
	(void)store_sweep(store);
	clock_manual_advance(&scene_clock, 61000);
	(void)store_sweep(store);
	records_sweep(scene->parts.histograms);
	(void)scene_intern(store, 1, "raw");
}

/* Where the series of a good file begin, at most `max` of them. */
static size_t series_places(const unsigned char *bytes, size_t size, size_t *places, size_t max)
{
	size_t at = sizeof(struct snapshot_header), count = 0;

	while (at < size) {
		const struct page_head *head = (const void *)(bytes + at);
		size_t end = at + sizeof(*head) + head->size;

		for (size_t item = at + sizeof(*head);
			head->kind == PAGE_SERIES && item < end && count < max;) {
			places[count++] = item;
			item += round_up_8(((const struct series_item *)(bytes + item))->size);
		}
		at = end;
	}
	return count;
}

/* Random words, small ones, largest ones, and words from elsewhere. */
static uint32_t word_made(struct random *random, int kind, const unsigned char *bytes, size_t size)
{
	uint32_t word = (uint32_t)random_u64(random);

	if (kind == 1)
		return word % 3000;
	if (kind == 2)
		return UINT32_MAX - word % 3;
	if (kind == 3)
		memcpy(&word, bytes + random_below(random, size / 4) * 4, sizeof(word));
	return word;
}

/* Changes a few words anywhere, or half words in the head of a series and its first blocks. */
static void change(struct random *random, int turn, unsigned char *copy, size_t size,
	const size_t *places, size_t count)
{
	for (uint64_t left = 1 + random_below(random, 3); left > 0; left--) {
		uint32_t word = word_made(random, turn / 2 % 4, copy, size);
		size_t at = turn % 2 == 0 ? random_below(random, size / 4) * 4
					  : places[random_below(random, count)] +
				random_below(random, (sizeof(struct series_item) + 48) / 2) * 2;

		memcpy(copy + at, &word, turn % 2 == 0 ? 4 : 2);
	}
}

static void a_file_made_on_purpose_does_no_harm(void **state)
{
	static size_t places[SCENE_PODS];
	size_t size, count;
	unsigned char *bytes = good_bytes(&size), *copy = malloc(size);
	int64_t now_ms = clock_now_ms(&scene_clock.clock);
	struct random random;
	int loaded = 0, refusals = 0;

	count = series_places(bytes, size, places, SCENE_PODS);
	assert_int_equal(count, SCENE_PODS);
	random_init(&random, 77);
	for (int i = 0; i < 600; i++) {
		struct scene scene;

		memcpy(copy, bytes, size);
		change(&random, i, copy, size, places, count);
		seal_bytes(copy, size);
		clock_manual_init(&scene_clock, now_ms);
		if (scene_load(&scene, &scene_limits, other_path) == STATUS_OK) {
			loaded++;
			use(&scene);
		} else {
			refusals++;
		}
		scene_close(&scene);
	}
	assert_true(loaded > 60 && refusals > 60);
	free(bytes);
	free(copy);
}

/* Positions behind the block would be written to, and times that do not ascend read for ever. */
static void series_out_of_bounds_are_refused(void **state)
{
	static size_t places[SCENE_PODS];
	size_t size;
	unsigned char *bytes = good_bytes(&size);
	struct series_item *item;
	struct series_item before;
	struct chunk *chunk;

	assert_int_equal(series_places(bytes, size, places, SCENE_PODS), SCENE_PODS);
	item = (void *)(bytes + places[3]);
	before = *item;
	assert_true(item->chunk_count > 2);
	item->end.position = UINT16_MAX;
	seal_bytes(bytes, size);
	refused(other_path, "a series whose parts do not fit together");
	*item = before;
	item->end.scale = SCALES;
	seal_bytes(bytes, size);
	refused(other_path, "a series whose parts do not fit together");
	*item = before;
	chunk = (void *)(bytes + places[3] + sizeof(*item) +
		round_up_8(item->pair_count * sizeof(uint32_t)));
	chunk->first_and_count = (uint64_t)INT64_MAX;
	seal_bytes(bytes, size);
	refused(other_path, "a series whose parts do not fit together");
	free(bytes);
}

static int setup(void **state)
{
	(void)snapshot_scene_setup(state);
	folder_path(other_path, sizeof(other_path), scene_folder, "other");
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, snapshot_scene_teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_older_than_the_retention_is_refused),
		TEST(torn_anywhere_is_refused),
		TEST(a_flipped_bit_is_refused),
		TEST(foreign_files_are_refused_by_name),
		TEST(a_file_made_on_purpose_does_no_harm),
		TEST(series_out_of_bounds_are_refused),
	};

	return cmocka_run_group_tests_name("snapshot_refused", tests, NULL, NULL);
}
