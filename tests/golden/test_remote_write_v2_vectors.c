/*
 * Bodies of remote write 2.0 written down byte by byte, with the answer that each must get. They are
 * the seeds of the fuzzer too: tests/fuzz/corpus/remote_write_v2/ holds every vector under its name.
 * After a change here, NIMBUSGUARD_WRITE_SEEDS=<that folder> makes this program write them.
 *
 * A vector is a request before compression; it is sent as a block of literals.
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
#include "base/metrics.h"
#include "remote_write/encode.h"
#include "remote_write/ingest.h"
#include "remote_write/ingest_rules.h"
#include "remote_write/snappy_body.h"
#include "tests/support/write_body.h"

#define NOW_MS INT64_C(1700000000000)
#define V2 "application/x-protobuf;proto=io.prometheus.write.v2.Request"

/* Pieces of bodies. Symbols: 0 "", 1 "__name__", 2 "up", 3 "job", 4 "a". */
#define UP_SYMBOLS "2200 2208 5f5f6e616d655f5f 2202 7570"
#define SYMBOLS UP_SYMBOLS "2203 6a6f62 2201 61"
#define ONE_AT_1000 "120c 09 000000000000f03f 10 e807"
#define TODAY "80d095ffbc31" /* 1700000000000 */
#define ONE_TODAY "1210 09 000000000000f03f 10" TODAY
#define UP "0a02 0102"
#define UP_A "0a04 01020304"

struct vector {
	const char *name, *hex;
	enum status status;
	uint64_t samples, histograms, exemplars; /* written */
	uint64_t invalid, metadata;
	const char *reason; /* of nimbusguard_remote_write_invalid_total */
	const char *says;
};

#define GOOD .status = STATUS_OK
#define BAD .status = STATUS_BAD_INPUT

static const struct vector vectors[] = {
	{"up", UP_SYMBOLS "2a12" UP ONE_AT_1000, GOOD, .samples = 1},
	{"up-today", SYMBOLS "2a18" UP_A ONE_TODAY, GOOD, .samples = 1},
	{"up-today-zero", SYMBOLS "2a0f" UP_A "1207 10" TODAY, GOOD, .samples = 1},
	{"up-today-started",
		SYMBOLS "2a1f" UP_A "1217 09 000000000000f03f 10" TODAY "18 ffcf95ffbc31", GOOD,
		.samples = 1},
	{"created-of-old", SYMBOLS "2a1f" UP_A ONE_TODAY "30 ffcf95ffbc31", GOOD, .samples = 1},
	{"up-with-metadata", SYMBOLS "2a20" UP_A ONE_TODAY "2a06 0801 1804 2000", GOOD,
		.samples = 1, .metadata = 1},
	{"two-samples-out-of-order", SYMBOLS "2a26" UP_A ONE_TODAY ONE_AT_1000, GOOD, .samples = 1},
	{"repeat", SYMBOLS "2a18" UP_A ONE_TODAY "2a18" UP_A ONE_TODAY, GOOD, .samples = 2},
	{"empty", "", GOOD},
	{"symbols-only", SYMBOLS, GOOD},
	{"symbols-behind", "2a18" UP_A ONE_TODAY SYMBOLS, GOOD, .samples = 1},
	{"unpacked-references", SYMBOLS "2a1a 0801 0802 0803 0804" ONE_TODAY, GOOD, .samples = 1},
	{"references-in-two-blocks", SYMBOLS "2a1a 0a02 0102 0a02 0304" ONE_TODAY, GOOD,
		.samples = 1},
	{"references-too-long-written", SYMBOLS "2a1a 0a06 8100 8200 0304" ONE_TODAY, GOOD,
		.samples = 1},
	{"unknown-fields", SYMBOLS "3a01 78 2a1b" UP_A ONE_TODAY "a20100", GOOD, .samples = 1},
	{"utf8-names", "2200 2208 5f5f6e616d655f5f 2203 612e62 2a16" UP ONE_TODAY, GOOD,
		.samples = 1},
	{"first-symbol-not-empty", "2202 7570 2208 5f5f6e616d655f5f 2a12" UP ONE_AT_1000, BAD,
		.reason = "symbol", .says = "the first symbol is not the empty text"},
	{"no-symbols", "2a12" UP ONE_AT_1000, BAD, .reason = "symbol", .invalid = 1,
		.says = "the request has 0"},
	{"reference-out-of-range", SYMBOLS "2a18 0a04 01020309" ONE_TODAY, BAD, .reason = "symbol",
		.invalid = 1,
		.says = "series up{}: label \"job\" refers to symbol 9 for its value"},
	{"name-out-of-range", SYMBOLS "2a18 0a04 01020904" ONE_TODAY, BAD, .reason = "symbol",
		.invalid = 1, .says = "refers to symbol 9 for its name"},
	{"odd-references", SYMBOLS "2a17 0a03 010203" ONE_TODAY, BAD, .reason = "symbol",
		.invalid = 1, .says = "label \"job\" has no value"},
	{"repeated-label", SYMBOLS "2a1a 0a06 010203040304" ONE_TODAY, BAD,
		.reason = "repeated_label_name", .invalid = 1,
		.says = "label \"job\" is there twice"},
	{"nameless-label", SYMBOLS "2a18 0a04 01020004" ONE_TODAY, BAD,
		.reason = "empty_label_name", .invalid = 1, .says = "empty name"},
	{"no-labels", SYMBOLS "2a12" ONE_TODAY, BAD, .reason = "no_labels", .invalid = 1,
		.says = "no labels"},
	{"says-nothing", SYMBOLS "2a06" UP_A, BAD, .reason = "empty_series", .invalid = 1,
		.says = "neither samples"},
	{"good-part-kept", SYMBOLS "2a18" UP_A ONE_TODAY "2a18 0a04 01020309" ONE_TODAY, BAD,
		.reason = "symbol", .samples = 1, .invalid = 1, .says = "symbol 9"},
	{"v1-as-v2", "0a1e 0a0e 0a08 5f5f6e616d655f5f 1202 7570 120c 09 000000000000f03f 10 e807",
		BAD, .reason = "protobuf", .says = "remote write 1.0"},
	{"cut-off", SYMBOLS "2a18" UP_A ONE_TODAY "2a18 0a04", BAD, .reason = "protobuf",
		.samples = 1, .says = "a length points past the end"},
	{"group", SYMBOLS "2a18" UP_A ONE_TODAY "2b2c", BAD, .reason = "protobuf", .samples = 1,
		.says = "groups"},
	{"exemplar-only", SYMBOLS "2a15" UP_A "220d 0a02 0304 11 000000000000e03f", GOOD,
		.exemplars = 1},
	{"exemplar-without-time",
		SYMBOLS "2a27" UP_A ONE_TODAY "220d 0a02 0304 11 000000000000e03f", BAD,
		.reason = "exemplar", .samples = 1, .says = "no timestamp"},
	{"exemplar", SYMBOLS "2a2e" UP_A ONE_TODAY "2214 0a02 0304 11 000000000000e03f 18" TODAY,
		GOOD, .samples = 1, .exemplars = 1},
	{"exemplar-out-of-range",
		SYMBOLS "2a2e" UP_A ONE_TODAY "2214 0a02 0309 11 000000000000e03f 18" TODAY, BAD,
		.reason = "symbol", .samples = 1, .says = "refers to symbol 9"},
	{"metadata-out-of-range", SYMBOLS "2a1c" UP_A ONE_TODAY "2a02 1809", BAD,
		.reason = "symbol", .samples = 1, .says = "refers to symbol 9"},
	{"histogram",
		SYMBOLS "2a31" UP_A
			"1a29 0807 19 0000000000000840 2000 29 0000000000000000 3001 5a04 08031002"
			"6202 0604 78" TODAY,
		BAD, .reason = "histogram", .says = "9 observations are in the buckets"},
	{"histogram-good",
		SYMBOLS "2a31" UP_A
			"1a29 0809 19 0000000000000840 2000 29 0000000000000000 3001 5a04 08031002"
			"6202 0604 78" TODAY,
		GOOD, .histograms = 1},
	{"histogram-unpacked-deltas",
		SYMBOLS "2a31" UP_A
			"1a29 0809 19 0000000000000840 2000 29 0000000000000000 3001 5a04 08031002"
			"6006 6004 78" TODAY,
		GOOD, .histograms = 1},
	{"histogram-stale", SYMBOLS "2a18" UP_A "1a10 19 020000000000f07f 78" TODAY, GOOD,
		.histograms = 1},
	{"histogram-custom-bounds",
		SYMBOLS "2a32" UP_A "1a2a 0802 19 0000000000000840 2069 5a02 1002 6202 0200"
			"820110 000000000000f03f 0000000000000040 7800",
		GOOD, .histograms = 1},
	{"no-metric-name", SYMBOLS "2a16 0a02 0304" ONE_TODAY, GOOD, .samples = 1},
	{"metadata-of-unknown-type", SYMBOLS "2a1c" UP_A ONE_TODAY "2a02 0863", GOOD, .samples = 1,
		.metadata = 1},
	{"start-after-its-sample",
		SYMBOLS "2a1f" UP_A "1217 09 000000000000f03f 10" TODAY "18 81d095ffbc31", GOOD,
		.samples = 1},
	{"start-before-1970",
		SYMBOLS "2a23" UP_A "121b 09 000000000000f03f 10" TODAY "18 ffffffffffffffffff01",
		GOOD, .samples = 1},
	{"created-after-its-sample", SYMBOLS "2a1f" UP_A ONE_TODAY "30 81d095ffbc31", GOOD,
		.samples = 1},
	{"exemplar-of-a-trace",
		UP_SYMBOLS "2208 74726163655f6964 2206 346266393266 2a2c" UP ONE_TODAY
			   "2214 0a02 0304 11 000000000000e03f 18" TODAY,
		GOOD, .samples = 1, .exemplars = 1},
	{"exemplar-with-half-a-label",
		SYMBOLS "2a2d" UP_A ONE_TODAY "2213 0a01 03 11 000000000000e03f 18" TODAY, BAD,
		.reason = "symbol", .samples = 1,
		.says = "series up{job=\"a\"}: an exemplar has an odd number of label references"},
	{"exemplar-with-a-nameless-label",
		SYMBOLS "2a2e" UP_A ONE_TODAY "2214 0a02 0004 11 000000000000e03f 18" TODAY, BAD,
		.reason = "exemplar", .samples = 1, .says = "a label has no name"},
	{"series-around-a-bad-one",
		SYMBOLS "2a16 0a02 0304" ONE_TODAY "2a17 0a03 010203" ONE_TODAY
			"2a18" UP_A ONE_TODAY,
		BAD, .reason = "symbol", .samples = 2, .invalid = 1,
		.says = "label \"job\" has no value"},
	{"sample-beside-a-bad-histogram",
		SYMBOLS "2a2d" UP_A ONE_TODAY "1a13 0802 5a02 1002 6204 04000000 78" TODAY, BAD,
		.reason = "histogram", .samples = 1,
		.says = "there are more positive buckets than its spans say"},
	{"histogram-with-too-few-buckets",
		SYMBOLS "2a18" UP_A "1a10 0802 5a02 1002 6201 04 78" TODAY, BAD,
		.reason = "histogram", .says = "fewer positive buckets"},
	{"histogram-below-zero", SYMBOLS "2a19" UP_A "1a11 0802 4202 1002 4a02 0405 78" TODAY, BAD,
		.reason = "histogram", .says = "a negative bucket has a count below zero"},
	{"histogram-going-back",
		SYMBOLS "2a1f" UP_A "1a17 0802 5a02 1001 5a04 08011001 6202 0200 78" TODAY, BAD,
		.reason = "histogram", .says = "a positive span goes back by 1"},
	{"histogram-of-unknown-schema", SYMBOLS "2a13" UP_A "1a0b 0800 20 6a 78" TODAY, BAD,
		.reason = "histogram", .says = "schema 53 is unknown"},
	{"histogram-of-a-finer-schema",
		SYMBOLS "2a1b" UP_A "1a13 0802 20 12 5a02 1002 6202 0200 78" TODAY, GOOD,
		.histograms = 1},
	{"histogram-of-floats-and-gauge",
		SYMBOLS "2a28" UP_A
			"1a20 11 000000000000f83f 5a02 1001 6a08 000000000000f83f 7003 78" TODAY,
		GOOD, .histograms = 1},
	{"histogram-custom-bounds-unsorted",
		SYMBOLS "2a26" UP_A
			"1a1e 0800 2069 820110 0000000000000040 000000000000f03f 78" TODAY,
		BAD, .reason = "histogram", .says = "custom bound 2 is 1"},
	{"histogram-cut-off", SYMBOLS "2a0d" UP_A "1a05 0802 6205 04", BAD, .reason = "protobuf",
		.says = "past the end"},
};

#define VECTOR_COUNT (sizeof(vectors) / sizeof(vectors[0]))

static struct write_body written, block;
static struct error error;

static void send_vector(const struct vector *vector, struct ingest_counts *counts)
{
	static const char *const all[] = {"{__name__=~\".+\"}"};
	const struct store_limits store_limits = {
		.memory_max = 16 << 20,
		.series_max = 100,
		.retention_ms = 3600 * 1000,
		.interval_ms = 15 * 1000,
		.ended_keep_ms = 600 * 1000,
		.future_max_ms = 600 * 1000,
	};
	const struct ingest_limits limits = {
		.body_max = 1 << 20,
		.decoded_max = 1 << 20,
		.labels_max = 64,
		.label_name_max = 256,
		.label_value_max = 1024,
		.series_max = 100,
	};
	const struct records_limits record_limits = {.keep_max = 4, .bytes_max = 1 << 20};
	struct ingest_rules_config config = {.histograms = {all, 1}, .exemplars = {all, 1}};
	struct ingest_rules *rules;
	struct clock_manual manual;
	struct ingest *ingest;
	struct store *store;
	enum status status;

	clock_manual_init(&manual, NOW_MS);
	store = store_open(&store_limits, &manual.clock, &error);
	assert_non_null(store);
	config.clock = &manual.clock;
	config.histogram_records = records_open(store, "histogram", &record_limits, &error);
	config.exemplar_records = records_open(store, "exemplar", &record_limits, &error);
	rules = ingest_rules_open(&config, &error);
	ingest = ingest_open(store, &limits, &error);
	assert_true(rules != NULL && ingest != NULL);
	assert_int_equal(ingest_use_rules(ingest, rules, &error), STATUS_OK);
	write_body_reset(&written);
	write_body_hex(&written, vector->hex);
	write_body_snappy(&written, &block);
	error_reset(&error);
	status = ingest_request(ingest, V2, "snappy", block.bytes, block.size, counts, &error);
	if (status != vector->status)
		fail_msg("%s: %s (%s)", vector->name, status_label(status), error.text);
	ingest_close(ingest);
	ingest_rules_close(rules);
	records_close(config.histogram_records);
	records_close(config.exemplar_records);
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
		const char *reason = vector->reason;
		double before = reason == NULL ? 0 : metrics_get(METRIC_RW_INVALID, reason);
		send_vector(vector, &counts);
		if (reason != NULL && metrics_get(METRIC_RW_INVALID, reason) != before + 1)
			fail_msg("%s: the reason is not %s", vector->name, reason);
		assert_true((reason == NULL) == (vector->status == STATUS_OK));
		CHECK_COUNT("samples", counts.samples_written, vector->samples);
		CHECK_COUNT("histograms", counts.histograms_written, vector->histograms);
		CHECK_COUNT("exemplars", counts.exemplars_written, vector->exemplars);
		CHECK_COUNT("invalid series", counts.invalid_series, vector->invalid);
		CHECK_COUNT("metadata", counts.metadata, vector->metadata);
		if (vector->says != NULL && strstr(error.text, vector->says) == NULL)
			fail_msg("%s: \"%s\" does not say \"%s\"", vector->name, error.text,
				vector->says);
	}
}

static void our_sender_writes_the_first_vector(void **state)
{
	const struct label pair = {"__name__", "up", 8, 2};
	const int64_t t_ms = 1000;
	const double value = 1;
	struct write_encoder *encoder = write_encoder_open_v2(1024, &error);
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
	write_body_reset(&written);
	write_body_hex(&written, vectors[0].hex);
	assert_int_equal(decoded.size, written.size);
	assert_memory_equal(decoded.bytes, written.bytes, written.size);
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
		write_body_reset(&written);
		write_body_hex(&written, vectors[i].hex);
		if (folder != NULL) {
			snprintf(path, sizeof(path), "%s/%s", folder, vectors[i].name);
			assert_int_equal(file_write_atomic(path, written.bytes, written.size, 0644,
						 &error),
				STATUS_OK);
			continue;
		}
		snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/remote_write_v2/%s",
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

	return cmocka_run_group_tests_name("remote_write_v2_vectors", tests, NULL, NULL);
}
