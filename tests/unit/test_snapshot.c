/* What goes into a snapshot comes out of it; what is no good snapshot is refused by name or harmless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"
#include "store/chunk_code.h"
#include "store/layout.h"
#include "store/snapshot.h"
#include "store/snapshot_format.h"
#include "tests/support/folder.h"

#define START_MS INT64_C(1700000000000)
#define POINTS_MAX 4000

enum { PODS = 300, ROUNDS = 90 };

static struct clock_manual manual;
static char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX + 64], other_path[FOLDER_PATH_MAX + 64];

static const struct store_limits usual = {
	.memory_max = 4 << 20,
	.series_max = 1000,
	.retention_ms = 3600000,
	.interval_ms = 15000,
	.ended_keep_ms = 600000,
	.future_max_ms = 60000,
};

/* A store and what stands beside it. */
struct scene {
	struct snapshot_parts parts;
	struct snapshot_stats stats;
	struct error error;
};

static void scene_open(struct scene *scene, const struct store_limits *limits)
{
	const struct records_limits histograms = {.keep_max = 8, .bytes_max = 1 << 18};
	const struct records_limits exemplars = {.keep_max = 4,
		.bytes_max = 1 << 18,
		.same_time = true};

	memset(scene, 0, sizeof(*scene));
	scene->parts.store = store_open(limits, &manual.clock, NULL);
	assert_non_null(scene->parts.store);
	scene->parts.histograms = records_open(scene->parts.store, "histogram", &histograms, NULL);
	scene->parts.exemplars = records_open(scene->parts.store, "exemplar", &exemplars, NULL);
	scene->parts.starts = starts_open(scene->parts.store, NULL);
	assert_non_null(scene->parts.starts);
}

static void scene_close(struct scene *scene)
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

static struct store_key key_of(struct store *store, uint32_t n, const char *encoding)
{
	char text[64];

	snprintf(text, sizeof(text), "%s-%u", encoding, n);
	return store_key_of(store, text, strlen(text));
}

static uint32_t intern(struct store *store, uint32_t n, const char *encoding)
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
	assert_int_equal(store_intern(store, key_of(store, n, encoding), labels, 4, &series, NULL),
		STATUS_OK);
	return series;
}

/* Whole numbers, gauges, floats, odd values, holes, samples off time. */
static double value_of_round(uint32_t n, uint32_t round)
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

static uint64_t append(struct store *store, uint32_t series, int64_t t_ms, double value)
{
	struct store_sample sample = {series, t_ms, value};
	uint64_t counts[APPEND_RESULT_COUNT] = {0};

	store_append(store, &sample, 1, counts);
	return counts[APPEND_STORED] + counts[APPEND_STALE_MARKER];
}

static void append_round(struct store *store, uint32_t n, uint32_t round)
{
	uint32_t series = store_find(store, key_of(store, n, "raw"));
	int64_t off = n % 5 == 0 ? (int64_t)((n + round * 7) % 40) : 0;

	if (n % 11 == 0 && round % 3 != 0)
		return;
	assert_true(series != STORE_NO_SERIES);
	assert_int_equal(append(store, series, clock_now_ms(&manual.clock) + off,
				 value_of_round(n, round)),
		1);
}

static void fill_rounds(struct store *store, uint32_t first, uint32_t end)
{
	for (uint32_t round = first; round < end; round++) {
		clock_manual_advance(&manual, 15000);
		for (uint32_t n = 0; n < PODS; n++)
			append_round(store, n, round);
	}
}

static void fill(struct scene *scene)
{
	struct store *store = scene->parts.store;

	for (uint32_t n = 0; n < PODS; n++) {
		uint32_t series = intern(store, n, "raw");

		if (n % 3 == 0)
			assert_int_equal(intern(store, n, "alias"), series);
	}
	fill_rounds(store, 0, ROUNDS);
	for (uint32_t n = 0; n < PODS; n += 10) {
		uint32_t series = intern(store, n, "raw");
		struct store_point newest;
		char bytes[300];

		memset(bytes, (int)n, sizeof(bytes));
		records_decide(scene->parts.histograms, series, true);
		records_decide(scene->parts.exemplars, series, true);
		for (uint32_t i = 0; i < 5; i++)
			assert_int_equal(records_add(scene->parts.histograms, series, START_MS + i,
						 bytes, 100 + n % 100 + i),
				RECORD_STORED);
		assert_int_equal(records_add(scene->parts.exemplars, series, START_MS, bytes, 17),
			RECORD_STORED);
		assert_true(store_newest(store, series, &newest));
		starts_note(scene->parts.starts, series, newest.t_ms, START_MS - n - 1);
	}
}

static uint32_t found(struct store *store, uint32_t n)
{
	uint32_t series = store_find(store, key_of(store, n, "raw"));

	if (series == STORE_NO_SERIES)
		fail_msg("pod %u is not found by its raw key", n);
	return series;
}

static void same_windows(struct store *a, uint32_t in_a, struct store *b, uint32_t in_b)
{
	static struct store_point points_a[POINTS_MAX], points_b[POINTS_MAX];
	size_t count = store_window(a, in_a, INT64_MIN, INT64_MAX, points_a, POINTS_MAX);

	assert_int_equal(store_window(b, in_b, INT64_MIN, INT64_MAX, points_b, POINTS_MAX), count);
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

static void same_scene(struct scene *a, struct scene *b)
{
	for (uint32_t n = 0; n < PODS; n++) {
		uint32_t in_a = found(a->parts.store, n), in_b = found(b->parts.store, n);
		int64_t start_a = 0, start_b = 0;

		same_labels(a->parts.store, in_a, b->parts.store, in_b);
		same_windows(a->parts.store, in_a, b->parts.store, in_b);
		same_records(a->parts.histograms, in_a, b->parts.histograms, in_b);
		same_records(a->parts.exemplars, in_a, b->parts.exemplars, in_b);
		assert_int_equal(starts_get(a->parts.starts, in_a, &start_a),
			starts_get(b->parts.starts, in_b, &start_b));
		assert_int_equal(start_a, start_b);
	}
}

static void write_snapshot(struct scene *scene)
{
	if (snapshot_write(&scene->parts, path, &scene->stats, &scene->error) != STATUS_OK)
		fail_msg("%s", scene->error.text);
}

static enum status load_snapshot(struct scene *scene, const struct store_limits *limits,
	const char *from)
{
	scene_open(scene, limits);
	return snapshot_load(&scene->parts, from, &scene->stats, &scene->error);
}

static void load_good(struct scene *scene, const struct store_limits *limits)
{
	if (load_snapshot(scene, limits, path) != STATUS_OK)
		fail_msg("%s", scene->error.text);
}

static int setup(void **state)
{
	clock_manual_init(&manual, START_MS);
	folder_make(folder);
	folder_path(path, sizeof(path), folder, "snapshot");
	folder_path(other_path, sizeof(other_path), folder, "other");
	return 0;
}

static int teardown(void **state)
{
	folder_remove(folder);
	return 0;
}

static void everything_comes_back_and_goes_on(void **state)
{
	struct scene before, after;
	struct matchers matchers;
	struct store_selection selection;

	scene_open(&before, &usual);
	fill(&before);
	write_snapshot(&before);
	assert_int_equal(before.stats.series, PODS);
	clock_manual_advance(&manual, 120000);
	load_good(&after, &usual);
	assert_int_equal(after.stats.series, PODS);
	assert_int_equal(after.stats.samples, before.stats.samples);
	assert_int_equal(after.stats.records, before.stats.records);
	assert_int_equal(after.stats.series_dropped + after.stats.samples_dropped, 0);
	assert_false(after.stats.recoded);
	same_scene(&before, &after);
	/* Another raw encoding is known, too. */
	assert_int_equal(store_find(after.parts.store, key_of(after.parts.store, 3, "alias")),
		found(after.parts.store, 3));
	matchers_init(&matchers);
	assert_int_equal(matchers_parse_selector(&matchers, "up{job=\"odd\",pod=~\".*3\"}", NULL),
		STATUS_OK);
	assert_int_equal(store_select(after.parts.store, &matchers, 1000, &selection, NULL),
		STATUS_OK);
	assert_int_equal(selection.count, PODS / 10);
	store_selection_fini(&selection);
	matchers_fini(&matchers);
	/* Both go on alike: the encoder's state was kept. */
	for (uint32_t round = ROUNDS; round < ROUNDS + 300; round++) {
		clock_manual_advance(&manual, 15000);
		for (uint32_t n = 0; n < PODS; n++) {
			append_round(before.parts.store, n, round);
			append_round(after.parts.store, n, round);
		}
	}
	same_scene(&before, &after);
	scene_close(&before);
	scene_close(&after);
}

static void an_empty_store_is_a_snapshot_too(void **state)
{
	struct scene before, after;

	scene_open(&before, &usual);
	write_snapshot(&before);
	load_good(&after, &usual);
	assert_int_equal(after.stats.series, 0);
	(void)intern(after.parts.store, 1, "raw");
	scene_close(&before);
	scene_close(&after);
}

static void the_file_is_for_its_owner_alone_and_no_draft_is_left(void **state)
{
	struct scene scene;
	struct stat about;
	char draft[FOLDER_PATH_MAX + 80];

	scene_open(&scene, &usual);
	fill(&scene);
	write_snapshot(&scene);
	write_snapshot(&scene);
	assert_int_equal(stat(path, &about), 0);
	assert_int_equal(about.st_mode & 0777, 0600);
	assert_int_equal(about.st_size, scene.stats.bytes);
	snprintf(draft, sizeof(draft), "%s.draft", path);
	assert_int_not_equal(stat(draft, &about), 0);
	scene_close(&scene);
}

static void no_file_is_not_found(void **state)
{
	struct scene scene;

	assert_int_equal(load_snapshot(&scene, &usual, path), STATUS_NOT_FOUND);
	scene_close(&scene);
}

/* A series stays for the rest of its ended_keep_ms, whatever time has passed between. */
static void ages_go_on_where_they_stood(void **state)
{
	struct scene scene;
	uint32_t old, young;

	scene_open(&scene, &usual);
	old = intern(scene.parts.store, 1, "raw");
	assert_int_equal(append(scene.parts.store, old, clock_now_ms(&manual.clock), 1), 1);
	clock_manual_advance(&manual, 400000);
	young = intern(scene.parts.store, 2, "raw");
	assert_int_equal(append(scene.parts.store, young, clock_now_ms(&manual.clock), 1), 1);
	write_snapshot(&scene);
	scene_close(&scene);
	/* Another boot: the monotonic clock begins anew. */
	clock_manual_init(&manual, START_MS + 400000 + 1800000);
	load_good(&scene, &usual);
	assert_int_equal(store_sweep(scene.parts.store), 0);
	clock_manual_advance(&manual, 190000);
	assert_int_equal(store_sweep(scene.parts.store), 0);
	clock_manual_advance(&manual, 20000);
	assert_int_equal(store_sweep(scene.parts.store), 1);
	assert_true(store_newest(scene.parts.store, found(scene.parts.store, 2),
		&(struct store_point){0}));
	clock_manual_advance(&manual, 400000);
	assert_int_equal(store_sweep(scene.parts.store), 1);
	clock_manual_advance(&manual, STORE_REUSE_MS + 1000);
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

	scene_open(&before, &usual);
	fill(&before);
	clock_manual_advance(&manual, 500000);
	(void)append(before.parts.store, found(before.parts.store, 5), clock_now_ms(&manual.clock),
		5);
	clock_manual_advance(&manual, 110000);
	assert_int_equal(store_sweep(before.parts.store), PODS - 1);
	write_snapshot(&before);
	load_good(&after, &usual);
	assert_int_equal(after.stats.series, 1);
	same_windows(before.parts.store, found(before.parts.store, 5), after.parts.store,
		found(after.parts.store, 5));
	assert_int_equal(store_find(after.parts.store, key_of(after.parts.store, 6, "raw")),
		STORE_NO_SERIES);
	/* What only the removed ones used is not held. */
	assert_int_equal(after.parts.store->index.pairs.count, 3);
	scene_close(&before);
	scene_close(&after);
}

/* More than the smallest store holds. */
static void fill_more(struct store *store)
{
	for (uint32_t n = PODS; n < 900; n++) {
		uint32_t series = intern(store, n, "raw");

		for (uint32_t round = 0; round < 60; round++)
			(void)append(store, series, START_MS + (int64_t)round * 15000,
				value_of_round(5, n * 100 + round));
	}
}

static void other_limits_take_what_fits(void **state)
{
	struct store_limits limits = usual;
	struct scene before, after;

	scene_open(&before, &usual);
	fill(&before);
	fill_more(before.parts.store);
	write_snapshot(&before);
	limits.memory_max = 64 << 20;
	limits.series_max = 50000;
	load_good(&after, &limits);
	same_scene(&before, &after);
	scene_close(&after);
	limits = usual;
	limits.series_max = 100;
	load_good(&after, &limits);
	assert_int_equal(after.stats.series, 100);
	assert_int_equal(after.stats.series_dropped, 900 - 100);
	scene_close(&after);
	limits = usual;
	limits.memory_max = STORE_MEMORY_MIN;
	load_good(&after, &limits);
	assert_true(after.stats.samples_dropped > 0 || after.stats.series_dropped > 0);
	assert_true(after.stats.series > 100);
	/* What is there is the newest of it. */
	for (uint32_t n = 1; n < 100; n++) {
		struct store_point newest, expected;
		uint32_t series =
			store_find(after.parts.store, key_of(after.parts.store, n, "raw"));

		if (series == STORE_NO_SERIES)
			continue;
		assert_true(
			store_newest(before.parts.store, found(before.parts.store, n), &expected));
		assert_true(store_newest(after.parts.store, series, &newest));
		assert_int_equal(newest.t_ms, expected.t_ms);
	}
	scene_close(&after);
	scene_close(&before);
}

static void blocks_of_another_size_are_recoded(void **state)
{
	struct store_limits limits = usual;
	struct scene before, after;

	scene_open(&before, &usual);
	fill(&before);
	write_snapshot(&before);
	limits.retention_ms = 12 * 3600000;
	load_good(&after, &limits);
	assert_true(after.stats.recoded);
	assert_int_equal(after.stats.samples_dropped, 0);
	same_scene(&before, &after);
	fill_rounds(after.parts.store, ROUNDS, ROUNDS + 20);
	scene_close(&after);
	scene_close(&before);
}

/* Else those series would take no sample until the clock has caught up. */
static void samples_from_the_future_are_left_out(void **state)
{
	struct scene before, after;
	struct store_point newest;
	uint64_t stored;

	scene_open(&before, &usual);
	fill(&before);
	write_snapshot(&before);
	stored = before.stats.samples;
	scene_close(&before);
	clock_manual_init(&manual, START_MS + ROUNDS / 2 * 15000);
	load_good(&after, &usual);
	assert_in_range(after.stats.samples_dropped, stored / 3, stored / 2);
	assert_int_equal(after.stats.samples + after.stats.samples_dropped, stored);
	for (uint32_t n = 0; n < PODS; n++) {
		uint32_t series = found(after.parts.store, n);

		assert_true(store_newest(after.parts.store, series, &newest));
		assert_true(newest.t_ms <= START_MS + ROUNDS / 2 * 15000 + usual.future_max_ms);
	}
	clock_manual_advance(&manual, 15000);
	for (uint32_t n = 0; n < PODS; n++)
		assert_int_equal(append(after.parts.store, found(after.parts.store, n),
					 clock_now_ms(&manual.clock) + usual.future_max_ms, 1),
			1);
	scene_close(&after);
}

static void refused(const char *from, const char *reason)
{
	struct scene scene;

	assert_int_equal(load_snapshot(&scene, &usual, from), STATUS_BAD_INPUT);
	if (strstr(scene.error.text, reason) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", scene.error.text, reason);
	scene_close(&scene);
}

static void one_older_than_the_retention_is_refused(void **state)
{
	struct scene scene;

	scene_open(&scene, &usual);
	fill(&scene);
	write_snapshot(&scene);
	scene_close(&scene);
	clock_manual_advance(&manual, usual.retention_ms + 1000);
	refused(path, "it was taken 3601 s ago, and rings keep 3600 s");
}

/* The bytes of a good snapshot (free). */
static unsigned char *good_bytes(size_t *size)
{
	struct scene scene;
	unsigned char *bytes;
	FILE *file;

	scene_open(&scene, &usual);
	fill(&scene);
	write_snapshot(&scene);
	*size = (size_t)scene.stats.bytes;
	scene_close(&scene);
	bytes = malloc(*size);
	file = fopen(path, "rb");
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
	refused(other_path, "it has version 2, and this program reads version 1");
	header->version--;
	header->byte_order = 0x04030201;
	write_bytes(bytes, size);
	refused(other_path, "another byte order");
	header->byte_order = SNAPSHOT_BYTE_ORDER;
	bytes[0] = 'X';
	write_bytes(bytes, size);
	refused(other_path, "it is not a snapshot");
	refused(folder, "it is not a plain file");
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
	static struct store_point points[POINTS_MAX];
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
		(void)store_window(store, id, INT64_MIN, INT64_MAX, points, POINTS_MAX);
		for (uint32_t round = 0; round < 40; round++)
			(void)append(store, id, clock_now_ms(&manual.clock) + (int64_t)round * 100,
				value_of_round(id, round));
	}
	for (uint32_t n = 0; n < 20; n++)
		(void)intern(store, n, "raw");
	clock_manual_advance(&manual, 601000);
	(void)store_sweep(store);
	clock_manual_advance(&manual, 61000);
	(void)store_sweep(store);
	records_sweep(scene->parts.histograms);
	(void)intern(store, 1, "raw");
}

static void a_file_made_on_purpose_does_no_harm(void **state)
{
	size_t size;
	unsigned char *bytes = good_bytes(&size), *copy = malloc(size);
	int64_t now_ms = clock_now_ms(&manual.clock);
	struct random random;
	int loaded = 0, refusals = 0;

	random_init(&random, 77);
	for (int i = 0; i < 300; i++) {
		struct scene scene;
		int changes = 1 + (int)random_below(&random, 4);

		memcpy(copy, bytes, size);
		for (int change = 0; change < changes; change++) {
			size_t at = random_below(&random, size / 4) * 4;
			uint32_t word = (uint32_t)random_u64(&random);

			/* Random words, small ones, largest ones, and words from elsewhere. */
			if (i % 4 == 1)
				word %= 300;
			else if (i % 4 == 2)
				word = UINT32_MAX - word % 3;
			else if (i % 4 == 3)
				memcpy(&word, bytes + random_below(&random, size / 4) * 4, 4);
			memcpy(copy + at, &word, sizeof(word));
		}
		seal_bytes(copy, size);
		clock_manual_init(&manual, now_ms);
		if (load_snapshot(&scene, &usual, other_path) == STATUS_OK) {
			loaded++;
			use(&scene);
		} else {
			refusals++;
		}
		scene_close(&scene);
	}
	assert_true(loaded > 30 && refusals > 30);
	free(bytes);
	free(copy);
}

static void a_full_disk_leaves_the_one_before(void **state)
{
	struct rlimit before, limit;
	struct scene scene, after;
	struct stat about;
	char draft[FOLDER_PATH_MAX + 80];

	scene_open(&scene, &usual);
	(void)intern(scene.parts.store, 1, "raw");
	write_snapshot(&scene);
	fill(&scene);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 50000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(snapshot_write(&scene.parts, path, &scene.stats, &scene.error), STATUS_IO);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_non_null(strstr(scene.error.text, "cannot write"));
	assert_non_null(strstr(scene.error.text, path));
	snprintf(draft, sizeof(draft), "%s.draft", path);
	assert_int_not_equal(stat(draft, &about), 0);
	load_good(&after, &usual);
	assert_int_equal(after.stats.series, 1);
	scene_close(&after);
	/* Nothing rests behind it: removal works, and so does the next one. */
	clock_manual_advance(&manual, 601000);
	assert_int_equal(store_sweep(scene.parts.store), PODS);
	write_snapshot(&scene);
	scene_close(&scene);
}

static void memory_that_is_out_is_an_answer(void **state)
{
	struct scene scene, after;
	enum status status = STATUS_NO_MEMORY;

	scene_open(&scene, &usual);
	fill(&scene);
	for (long nth = 1; status != STATUS_OK; nth++) {
		assert_true(nth < 100000);
		(void)mem_fail_after(nth, false);
		status = snapshot_write(&scene.parts, path, &scene.stats, &scene.error);
		if (!mem_fail_after(0, false))
			break;
		assert_int_equal(status, STATUS_NO_MEMORY);
	}
	assert_int_equal(status, STATUS_OK);
	for (long nth = 1;; nth++) {
		bool failed;

		scene_open(&after, &usual);
		(void)mem_fail_after(nth, false);
		status = snapshot_load(&after.parts, path, &after.stats, &after.error);
		failed = mem_fail_after(0, false);
		if (!failed)
			break;
		assert_int_equal(status, STATUS_NO_MEMORY);
		scene_close(&after);
	}
	assert_int_equal(status, STATUS_OK);
	same_scene(&scene, &after);
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

	assert_int_equal(SNAPSHOT_VERSION, 1);
	assert_int_equal(sizeof(struct chunk_end), 56);
	for (uint32_t n = 0; n < 60; n++) {
		memset(block, 0, sizeof(block));
		memset(&end, 0, sizeof(end));
		chunk_begin(&end, chunk, sizeof(block), START_MS,
			bits_of(value_of_round(n % 4, 0)));
		for (uint32_t i = 1; i < 60; i++)
			if (!chunk_append(&end, chunk, sizeof(block),
				    START_MS + (int64_t)i * 15000 + (n % 5 == 0 ? i % 7 : 0),
				    bits_of(i % 13 == 3 ? 0.5 : (double)(n * i * i))))
				break;
		chunk_seal(&end, chunk);
		chunk->next = 0;
		sum = hash_checksum(block, sizeof(block), sum);
		sum = hash_checksum(&end, sizeof(end), sum);
	}
	if (sum != UINT64_C(0xfb370d461f7aba96))
		fail_msg("blocks are encoded otherwise than version %u says (0x%llx): raise "
			 "SNAPSHOT_VERSION, and put the new sum here",
			SNAPSHOT_VERSION, (unsigned long long)sum);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
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
		TEST(one_older_than_the_retention_is_refused),
		TEST(torn_anywhere_is_refused),
		TEST(a_flipped_bit_is_refused),
		TEST(foreign_files_are_refused_by_name),
		TEST(a_file_made_on_purpose_does_no_harm),
		TEST(a_full_disk_leaves_the_one_before),
		TEST(memory_that_is_out_is_an_answer),
		TEST(blocks_are_encoded_as_this_version_says),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
