/*
 * Bodies of remote write 1.0 written down byte by byte, with the answer that each must get. They
 * are the seeds of the fuzzer too: tests/fuzz/corpus/remote_write/ holds every vector under its
 * name. After a change here, NIMBUSGUARD_WRITE_SEEDS=<that folder> makes this program write them.
 *
 * A vector is a snappy block as it comes over the network, or a request before compression, which
 * is sent here as a block of literals and fed to the fuzzer as it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "remote_write/encode.h"
#include "remote_write/ingest.h"
#include "remote_write/snappy_body.h"
#include "tests/support/write_body.h"

#define NOW_MS INT64_C(1700000000000)

/* Pieces of bodies. */
#define UP_LABELS "0a0e 0a08 5f5f6e616d655f5f 1202 7570"
#define ONE_AT_1000 "120c 09 000000000000f03f 10 e807"
#define UP_ONE "0a1e " UP_LABELS ONE_AT_1000
/* labels {__name__="up"} and a sample with the time of today: 1700000000000. */
#define UP_TODAY "0a22 " UP_LABELS "1210 09 000000000000f03f 10 80d095ffbc31"
#define JOB_A "0a08 0a03 6a6f62 1201 61"

struct vector {
	const char *name;
	bool is_block;
	const char *hex;
	enum status status;
	uint64_t samples, stored, invalid;
	uint64_t exemplars, histograms, metadata;
	const char *says;
};

#define GOOD .status = STATUS_OK
#define BAD .status = STATUS_BAD_INPUT

static const struct vector vectors[] = {
	{"up", false, UP_ONE, GOOD, .samples = 1, .stored = 1},
	{"up-block", true, "20 7c" UP_ONE, GOOD, .samples = 1, .stored = 1},
	{"up-today", false, UP_TODAY, GOOD, .samples = 1, .stored = 1},
	{"up-today-zero", false, "0a19" UP_LABELS "1207 10 80d095ffbc31", GOOD, .samples = 1,
		.stored = 1},
	{"repeat", false, UP_TODAY UP_TODAY, GOOD, .samples = 2, .stored = 1},
	{"conflict", false, UP_TODAY "0a19" UP_LABELS "1207 10 80d095ffbc31", GOOD, .samples = 2,
		.stored = 1},
	{"late", false, UP_TODAY UP_ONE, GOOD, .samples = 2, .stored = 1},
	{"future", false, "0a22" UP_LABELS "1210 09 000000000000f03f 10 80d095ffbc41", GOOD,
		.samples = 1},
	{"v2-as-v1", false,
		"2200 2208 5f5f6e616d655f5f 2202 7570 2a12 0a02 0102 120c 09 000000000000f03f 10 e807",
		BAD, .says = "proto=io.prometheus.write.v2.Request"},
	{"stale", false, "0a22" UP_LABELS "1210 09 020000000000f07f 10 80d095ffbc31", GOOD,
		.samples = 1},
	{"nan", false, "0a22" UP_LABELS "1210 09 010000000000f87f 10 80d095ffbc31", GOOD,
		.samples = 1, .stored = 1},
	{"negative-time", false,
		"0a26" UP_LABELS "1214 09 000000000000f03f 10 fbffffffffffffffff01", GOOD,
		.samples = 1, .stored = 1},
	{"empty", false, "", GOOD},
	{"empty-block", true, "00", GOOD},
	{"metadata-only", false, "1a0b 0801 12027570 220168 2a00 1a04 08021200", GOOD,
		.metadata = 2},
	{"exemplar-only", false,
		"0a26" UP_LABELS "1a14 0a07 0a0174 12027879 11 000000000000e03f 18 01", GOOD,
		.exemplars = 1},
	{"exemplar-cut-off", false, "0a1c" UP_LABELS "1a0a 0a08 0a0174 12027879", BAD,
		.says = "a length points past the end"},
	{"unsorted", false, "0a28" JOB_A UP_LABELS ONE_AT_1000, GOOD, .samples = 1, .stored = 1},
	{"sorted", false, "0a28" UP_LABELS JOB_A ONE_AT_1000, GOOD, .samples = 1, .stored = 1},
	{"sample-first", false, "0a28" ONE_AT_1000 UP_LABELS JOB_A, GOOD, .samples = 1,
		.stored = 1},
	{"scattered", false, "0a28" UP_LABELS ONE_AT_1000 JOB_A, GOOD, .samples = 1, .stored = 1},
	{"repeated-label", false, "0a32" UP_LABELS JOB_A JOB_A ONE_AT_1000, BAD, .invalid = 1,
		.says = "label \"job\" is there twice"},
	{"label-cut-off", false, "0a21" UP_LABELS "0a01 12" ONE_AT_1000, BAD, .says = "malformed"},
	{"nameless-label", false, "0a23" UP_LABELS "0a03 120161" ONE_AT_1000, BAD, .invalid = 1,
		.says = "empty name"},
	{"no-labels", false, "0a0e" ONE_AT_1000, BAD, .invalid = 1, .says = "no labels"},
	{"dashed-label-name", false, "0a28" UP_LABELS "0a08 0a03 612d62 120161" ONE_AT_1000, BAD,
		.invalid = 1, .says = "series up{a-b=\"a\"}: label \"a-b\""},
	{"bad-metric-name", false, "0a1e 0a0e 0a08 5f5f6e616d655f5f 1202 392d" ONE_AT_1000, BAD,
		.invalid = 1, .says = "label \"__name__\" holds a metric name"},
	{"value-not-utf8", false, "0a28" UP_LABELS "0a08 0a03 6a6f62 1201 ff" ONE_AT_1000, BAD,
		.invalid = 1, .says = "not UTF-8"},
	{"empty-value", false, "0a27" UP_LABELS "0a07 0a03 6a6f62 1200" ONE_AT_1000, GOOD,
		.samples = 1, .stored = 1},
	{"unpacked-deltas", false, "0a21" UP_LABELS "220f 19 0000000000000840 4802 4803 7801", GOOD,
		.histograms = 1},
	{"packed-deltas-cut-off", false, "0a17" UP_LABELS "2205 6203 060885", BAD,
		.says = "a varint is cut off"},
	{"packed-deltas", false, "0a20" UP_LABELS "220e 6203 060805 78e807 4204 08031002", GOOD,
		.histograms = 1},
	{"stale-histogram", false, "0a1e" UP_LABELS "220c 19 020000000000f07f 78e807", GOOD,
		.histograms = 1},
	{"group", false, "0b0c", BAD, .says = "groups"},
	{"unknown-fields", false, "10 05 a206 0178 7d 00000000 79 0000000000000000" UP_ONE, GOOD,
		.samples = 1, .stored = 1},
	{"cut-off", false, UP_ONE "0a1e 0a0e 0a08", BAD, .samples = 1, .stored = 1,
		.says = "byte 33 "},
	{"cut-off-block", true, "20 7c 0a1e 0a0e 0a08", BAD, .says = "not a snappy block"},
	{"claims-4-gib", true, "ffffffff0f 00", .status = STATUS_LIMIT, .says = "4294967295"},
	{"claims-what-it-cannot-hold", true, "808004 0861", BAD, .says = "cannot hold"},
	{"copy-offset-zero", true, "07 08 616263 01 00", BAD, .says = "not a snappy block"},
	{"overlapping-copy", true, "0c 08 616263 15 03", BAD, .says = "malformed at byte 10"},
	{"copy-of-a-series", true, "40 7c" UP_ONE "7e 20 00", GOOD, .samples = 2, .stored = 1},
	{"framed", true, "ff060000734e61507059 00", BAD, .says = "framed"},
};

#define VECTOR_COUNT (sizeof(vectors) / sizeof(vectors[0]))

static struct write_body written, block;
static struct error error;

static void write_vector(const struct vector *vector)
{
	write_body_reset(&written);
	write_body_hex(&written, vector->hex);
	if (vector->is_block)
		block = written;
	else
		write_body_snappy(&written, &block);
}

static struct store *open_store(struct clock_manual *manual)
{
	const struct store_limits limits = {
		.memory_max = 16 << 20,
		.series_max = 100,
		.retention_ms = 3600 * 1000,
		.interval_ms = 15 * 1000,
		.ended_keep_ms = 600 * 1000,
		.future_max_ms = 600 * 1000,
	};
	struct store *store;

	clock_manual_init(manual, NOW_MS);
	store = store_open(&limits, &manual->clock, &error);
	assert_non_null(store);
	return store;
}

static void send_vector(const struct vector *vector, struct ingest_counts *counts)
{
	const struct ingest_limits limits = {
		.body_max = 1 << 20,
		.decoded_max = 1 << 20,
		.labels_max = 64,
		.label_name_max = 256,
		.label_value_max = 1024,
		.series_max = 100,
	};
	struct clock_manual manual;
	struct store *store = open_store(&manual);
	struct ingest *ingest = ingest_open(store, &limits, &error);
	enum status status;

	assert_non_null(ingest);
	write_vector(vector);
	error_reset(&error);
	status = ingest_request(ingest, NULL, NULL, block.bytes, block.size, counts, &error);
	if (status != vector->status)
		fail_msg("%s: %s (%s)", vector->name, status_label(status), error.text);
	ingest_close(ingest);
	store_close(store);
}

#define CHECK_COUNT(what, ours, theirs)                                                            \
	do {                                                                                       \
		if ((ours) != (theirs))                                                            \
			fail_msg("%s: %s is %u, not %u", vectors[i].name, what, (unsigned)(ours),  \
				(unsigned)(theirs));                                               \
	} while (0)

static void every_vector_gets_its_answer(void **state)
{
	for (size_t i = 0; i < VECTOR_COUNT; i++) {
		const struct vector *vector = &vectors[i];
		struct ingest_counts counts;
		send_vector(vector, &counts);
		CHECK_COUNT("samples", counts.samples, vector->samples);
		CHECK_COUNT("stored", counts.results[APPEND_STORED], vector->stored);
		CHECK_COUNT("invalid series", counts.invalid_series, vector->invalid);
		CHECK_COUNT("exemplars", counts.exemplars, vector->exemplars);
		CHECK_COUNT("histograms", counts.histograms, vector->histograms);
		CHECK_COUNT("metadata", counts.metadata, vector->metadata);
		if (vector->says != NULL && strstr(error.text, vector->says) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", vector->name, error.text,
				vector->says);
		if (strcmp(vector->name, "stale") == 0)
			assert_int_equal(counts.results[APPEND_STALE_MARKER], 1);
		if (strcmp(vector->name, "late") == 0)
			assert_int_equal(counts.results[APPEND_LATE], 1);
		if (strcmp(vector->name, "future") == 0)
			assert_int_equal(counts.results[APPEND_FUTURE], 1);
	}
}

static void our_sender_writes_the_first_vector(void **state)
{
	const struct label pair = {"__name__", "up", 8, 2};
	const int64_t t_ms = 1000;
	const double value = 1;
	struct write_encoder *encoder = write_encoder_open(1024, &error);
	struct snappy_body decoded;
	struct labels labels;
	const void *body;
	size_t size;

	assert_non_null(encoder);
	snappy_body_init(&decoded);
	assert_int_equal(labels_init(&labels, &pair, 1, &error), STATUS_OK);
	assert_int_equal(write_encoder_add(encoder, &labels, &t_ms, &value, 1), STATUS_OK);
	assert_int_equal(write_encoder_finish(encoder, &body, &size, &error), STATUS_OK);
	assert_int_equal(snappy_body_decode(&decoded, body, size, 1024, &error), STATUS_OK);
	write_vector(&vectors[0]);
	assert_int_equal(written.size, 32);
	assert_int_equal(decoded.size, 32);
	assert_memory_equal(decoded.bytes, written.bytes, 32);
	labels_fini(&labels);
	snappy_body_fini(&decoded);
	write_encoder_close(encoder);
}

static void the_fuzz_corpus_holds_every_vector(void **state)
{
	const char *folder = getenv("NIMBUSGUARD_WRITE_SEEDS");
	const char *source = getenv("NIMBUSGUARD_SOURCE");
	char path[4096];

	for (size_t i = 0; i < VECTOR_COUNT; i++) {
		struct buf seed;
		write_vector(&vectors[i]);
		if (folder != NULL) {
			snprintf(path, sizeof(path), "%s/%s", folder, vectors[i].name);
			assert_int_equal(file_write_atomic(path, written.bytes, written.size, 0644,
						 &error),
				STATUS_OK);
			continue;
		}
		snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/remote_write/%s",
			source != NULL ? source : ".", vectors[i].name);
		buf_init(&seed, WRITE_BODY_MAX);
		if (file_read(path, &seed, &error) != STATUS_OK)
			fail_msg("%s", error.text);
		assert_int_equal(seed.size, written.size);
		if (seed.size > 0)
			assert_memory_equal(seed.data, written.bytes, seed.size);
		buf_fini(&seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_gets_its_answer),
		cmocka_unit_test(our_sender_writes_the_first_vector),
		cmocka_unit_test(the_fuzz_corpus_holds_every_vector),
	};

	return cmocka_run_group_tests_name("remote_write_vectors", tests, NULL, NULL);
}
