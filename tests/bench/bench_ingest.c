/*
 * What ingest costs, step by step, on bodies like those of a Prometheus that scrapes pods: 2000
 * series with one sample each, ten labels of about 255 bytes, values 30 % constant, 55 % integer
 * counters, 10 % gauges in pages of memory and 5 % random walks, rounds of 15 s.
 *
 * A round's bodies are encoded first and then sent in one go, timed by the CPU time of the
 * thread; the best round counts, because other work beside it takes caches away. The floor lines are
 * measured on the same bodies: what memory, libsnappy, the walk and the hash cost by themselves. A
 * line says ns a sample, which is also CPU seconds per 1000 million samples.
 *
 * Each load is sent by remote write 1.0 and by 2.0. The floor lines of 2.0 hold three ways to make
 * the key of a series out of its label references; the first is the one in use (symbols.c).
 *
 * Usage: bench_ingest [SERIES ROUNDS [LOAD]]; without arguments 10,000 and 100,000 series. LOAD: only
 * the loads whose name contains it, as "1.0, scrape".
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <snappy-c.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/random.h"
#include "remote_write/decode_v1.h"
#include "remote_write/decode_v2.h"
#include "remote_write/encode.h"
#include "remote_write/ingest.h"
#include "remote_write/ingest_rules.h"
#include "remote_write/series_labels.h"
#include "remote_write/snappy_body.h"

#define BODY_SERIES 2000
#define BODY_BYTES ((size_t)2 << 20)
#define INTERVAL_MS 15000
#define START_MS INT64_C(1700000000000)
#define POD_SERIES 50
#define FRAMES_MAX 64
#define FLOOR_REPEATS 5

enum load_order { ORDER_SCRAPE, ORDER_CHURN, ORDER_SHUFFLED, ORDER_COUNT };

static const char *const order_names[ORDER_COUNT] = {"scrape order", "10 % churn a round",
	"shuffled"};

struct body {
	void *bytes;
	size_t size;
};

struct load {
	uint32_t series_count, body_count;
	enum load_order order;
	bool v2;
	uint32_t *sequence;  /* [series_count] */
	double *walks;       /* [series_count] */
	struct body *bodies; /* [body_count] */
	struct write_encoder *encoder;
	struct random random;
};

static void set_label(struct label *pair, const char *name, char *text)
{
	*pair = (struct label){name, text, (uint32_t)strlen(name), (uint32_t)strlen(text)};
}

/* Ten labels, sorted. Those of a pod's series differ in the name alone, as in a real scrape. */
#define LABEL_COUNT 10
static void make_labels(uint32_t series, uint32_t life, struct label pairs[LABEL_COUNT],
	char texts[LABEL_COUNT][80])
{
	static const char *const names[LABEL_COUNT] = {"__name__", "cluster", "container",
		"endpoint", "image", "instance", "job", "namespace", "node", "pod"};
	uint32_t pod = series / POD_SERIES;

	snprintf(texts[0], 80, "container_metric_of_some_kind_%" PRIu32 "_total",
		series % POD_SERIES);
	snprintf(texts[1], 80, "production-eu-1");
	snprintf(texts[2], 80, "app-%" PRIu32, pod % 300);
	snprintf(texts[3], 80, "https-metrics");
	snprintf(texts[4], 80, "registry.example.org/team/app-%" PRIu32 ":v1.2.3", pod % 300);
	snprintf(texts[5], 80, "10.%" PRIu32 ".%" PRIu32 ".7:10250", pod / 6400 % 256,
		pod / 25 % 256);
	snprintf(texts[6], 80, "kubelet");
	snprintf(texts[7], 80, "namespace-%" PRIu32, pod % 40);
	snprintf(texts[8], 80, "node-%" PRIu32 ".eu-1.internal", pod / 25);
	snprintf(texts[9], 80, "app-%" PRIu32 "-%08" PRIx32 "-%05" PRIx32, pod % 300,
		pod * 2654435761u, life * 7919 + pod);
	for (int i = 0; i < LABEL_COUNT; i++)
		set_label(&pairs[i], names[i], texts[i]);
}

static double make_value(struct load *load, uint32_t series, uint32_t round)
{
	uint32_t kind = (series * 2654435761u >> 8) % 100;

	if (kind < 30)
		return kind;
	if (kind < 85)
		return (double)series + (double)round * (double)(kind * 10) +
			(double)random_below(&load->random, kind);
	if (kind < 95)
		return 4096 * (double)(10000 + random_below(&load->random, 200));
	load->walks[series] += random_normal(&load->random);
	return load->walks[series];
}

static uint32_t life_of(const struct load *load, uint32_t series, uint32_t round)
{
	uint32_t pod = series / POD_SERIES;

	return load->order == ORDER_CHURN ? (round + pod % 10) / 10 : 0;
}

static void shuffle(struct load *load)
{
	for (uint32_t i = load->series_count - 1; i > 0; i--) {
		uint32_t k = (uint32_t)random_below(&load->random, i + 1);
		uint32_t moving = load->sequence[i];
		load->sequence[i] = load->sequence[k];
		load->sequence[k] = moving;
	}
}

static void encode_body(struct load *load, uint32_t index, uint32_t round)
{
	struct body *body = &load->bodies[index];
	const void *bytes;

	write_encoder_reset(load->encoder);
	for (uint32_t i = 0; i < BODY_SERIES; i++) {
		uint32_t series = load->sequence[index * BODY_SERIES + i];
		struct label pairs[LABEL_COUNT];
		char texts[LABEL_COUNT][80];
		struct labels labels = {.pairs = pairs, .count = LABEL_COUNT};
		int64_t t_ms = START_MS + (int64_t)round * INTERVAL_MS + series % 7000;
		double value = make_value(load, series, round);
		make_labels(series, life_of(load, series, round), pairs, texts);
		CHECK(write_encoder_add(load->encoder, &labels, &t_ms, &value, 1) == STATUS_OK);
	}
	CHECK(write_encoder_finish(load->encoder, &bytes, &body->size, NULL) == STATUS_OK);
	mem_free(body->bytes);
	body->bytes = mem_alloc(body->size);
	CHECK(body->bytes != NULL);
	memcpy(body->bytes, bytes, body->size);
}

static void encode_round(struct load *load, uint32_t round)
{
	if (load->order == ORDER_SHUFFLED)
		shuffle(load);
	for (uint32_t i = 0; i < load->body_count; i++)
		encode_body(load, i, round);
}

static void load_init(struct load *load, uint32_t series_count, enum load_order order, bool v2)
{
	*load = (struct load){.order = order, .v2 = v2};
	load->body_count = series_count / BODY_SERIES;
	load->series_count = load->body_count * BODY_SERIES;
	load->sequence = mem_zalloc(load->series_count, sizeof(*load->sequence));
	load->walks = mem_zalloc(load->series_count, sizeof(*load->walks));
	load->bodies = mem_zalloc(load->body_count, sizeof(*load->bodies));
	load->encoder =
		v2 ? write_encoder_open_v2(BODY_BYTES, NULL) : write_encoder_open(BODY_BYTES, NULL);
	CHECK(load->sequence != NULL && load->walks != NULL && load->bodies != NULL &&
		load->encoder != NULL);
	for (uint32_t i = 0; i < load->series_count; i++)
		load->sequence[i] = i;
	random_init(&load->random, 1);
}

static void load_fini(struct load *load)
{
	for (uint32_t i = 0; i < load->body_count; i++)
		mem_free(load->bodies[i].bytes);
	mem_free(load->bodies);
	mem_free(load->walks);
	mem_free(load->sequence);
	write_encoder_close(load->encoder);
}

/* The floor: each step by itself over a round's bodies, ns a sample. */
enum floor_step {
	FLOOR_MEMCPY,
	FLOOR_LIBSNAPPY,
	FLOOR_UNCOMPRESS,
	FLOOR_WALK,
	FLOOR_LABELS,
	FLOOR_TAIL,
	FLOOR_HASH,
	FLOOR_FIND,
	FLOOR_V2_SYMBOLS,
	FLOOR_V2_WALK,
	FLOOR_V2_PLAIN,
	FLOOR_V2_KEY_SUM,
	FLOOR_V2_KEY_HASH,
	FLOOR_V2_KEY_V1,
	FLOOR_V2_FIND,
	FLOOR_COUNT
};

static const char *const floor_names[FLOOR_COUNT] = {"memcpy of the decoded bytes",
	"uncompress (libsnappy)", "uncompress", "walk of every field", "walk and read every label",
	"frames and guess of the tail", "the same and hash of the labels", "the same and look-up",
	"symbols, hashed", "symbols and walk of every series", "symbols, plain series and key",
	"the same and key, sum of hashes", "the same and key, hash of hashes",
	"the same and key, of 1.0 bytes", "plain series, key and look-up"};

static bool step_is_of(enum floor_step step, bool v2)
{
	return step <= FLOOR_UNCOMPRESS || (step >= FLOOR_V2_SYMBOLS) == v2;
}

static volatile uint64_t sink; /* keeps the compiler from leaving the work out */

/* The keys that were not chosen: XXH3 over the hashes of the symbols, and of the series as 1.0 would
 * send it, so that both versions would have the same key. */
static struct store_key other_key(enum floor_step step, struct store *store,
	const struct symbols *symbols, const uint32_t *references, uint32_t count)
{
	struct store_key hashes[128];
	uint8_t bytes[4096], *at = bytes;

	for (uint32_t i = 0; step == FLOOR_V2_KEY_HASH && i < count; i++)
		hashes[i] = symbols->keys[references[i]];
	if (step == FLOOR_V2_KEY_HASH)
		return store_key_of(store, hashes, count * sizeof(hashes[0]));
	for (uint32_t i = 0; i < count; i += 2) {
		const struct symbol *name = &symbols->texts[references[i]];
		const struct symbol *value = &symbols->texts[references[i + 1]];
		*at++ = 0x0a;
		at = wire_put_varint(at,
			2 + wire_varint_size(name->size) + name->size +
				wire_varint_size(value->size) + value->size);
		*at++ = 0x0a;
		at = wire_put_varint(at, name->size);
		memcpy(at, name->text, name->size);
		at += name->size;
		*at++ = 0x12;
		at = wire_put_varint(at, value->size);
		memcpy(at, value->text, value->size);
		at += value->size;
	}
	return store_key_of(store, bytes, (size_t)(at - bytes));
}

static void run_step_v2(enum floor_step step, struct store *store,
	const struct snappy_body *decoded)
{
	static struct symbols symbols;
	struct wire body = wire_of(decoded->bytes, decoded->size);
	struct wire frames[FRAMES_MAX];
	struct store_key keys[FRAMES_MAX];
	uint32_t series[FRAMES_MAX], references[128];
	struct series_v2 view;
	uint64_t sum = 0;
	size_t count;

	if (symbols.place_max == 0)
		CHECK(symbols_init(&symbols, store, 1000000, 128, NULL) == STATUS_OK);
	symbols_reset(&symbols);
	CHECK(decode_v2_symbols(body, &symbols, store) == STATUS_OK);
	sink += symbols.count;
	while (step != FLOOR_V2_SYMBOLS &&
		(count = decode_v2_frames(&body, frames, FRAMES_MAX)) > 0) {
		for (size_t i = 0; i < count; i++) {
			struct plain_v2 plain;
			if (step == FLOOR_V2_PLAIN || step == FLOOR_V2_FIND) {
				CHECK(series_v2_plain(&frames[i], &symbols, &plain));
				keys[i] = plain.key;
				sum += (uint64_t)plain.sample.t_ms + keys[i].low;
				continue;
			}
			CHECK(series_v2_read(&view, &frames[i], references, 128));
			sum += (uint64_t)view.first.t_ms;
			if (step == FLOOR_V2_WALK)
				continue;
			if (step == FLOOR_V2_KEY_HASH || step == FLOOR_V2_KEY_V1)
				keys[i] = other_key(step, store, &symbols, references,
					view.reference_count);
			else
				keys[i] = symbols_key(&symbols, references, view.reference_count,
					UINT32_MAX);
			sum += keys[i].low;
		}
		if (step == FLOOR_V2_FIND) {
			store_find_many(store, keys, count, series);
			sum += series[0];
		}
	}
	sink += sum;
}

static void run_step(enum floor_step step, struct store *store, const struct snappy_body *decoded,
	void *copy, struct series_labels *labels)
{
	struct decode_v1 decode = decode_v1_of(decoded->bytes, decoded->size);
	struct wire frames[FRAMES_MAX];
	struct store_key keys[FRAMES_MAX];
	uint32_t series[FRAMES_MAX];
	struct decoded_sample sample = {0, 0};
	struct series_view view;
	struct wire rest;
	uint64_t sum = 0;
	size_t count;

	if (step == FLOOR_MEMCPY) {
		memcpy(copy, decoded->bytes, decoded->size);
		sink += ((uint8_t *)copy)[decoded->size / 2];
		return;
	}
	if (step >= FLOOR_V2_SYMBOLS) {
		run_step_v2(step, store, decoded);
		return;
	}
	series_labels_forget(labels);
	while ((count = decode_v1_frames(&decode, frames, FRAMES_MAX)) > 0) {
		for (size_t i = 0; i < count; i++) {
			size_t size = wire_left(&frames[i]);
			if (step == FLOOR_WALK || step == FLOOR_LABELS) {
				CHECK(series_view_init(&view, &frames[i]));
				sum += (uint64_t)view.first.t_ms;
				if (step == FLOOR_LABELS)
					sum += series_labels_read(labels, &view, &rest, NULL);
				continue;
			}
			size = series_tail(&frames[i], &sample);
			sum += size + (uint64_t)sample.t_ms;
			if (step == FLOOR_TAIL)
				continue;
			keys[i] = store_key_of(store, frames[i].at, size);
			sum += keys[i].low;
		}
		if (step == FLOOR_FIND) {
			store_find_many(store, keys, count, series);
			sum += series[0];
		}
	}
	sink += sum;
}

/* Each step meets the bytes as the real one does: just uncompressed. */
static int64_t time_step(enum floor_step step, struct store *store, const struct body *body,
	struct snappy_body *decoded, void *copy, struct series_labels *labels)
{
	int64_t start = clock_thread_cpu_ns();
	size_t size = decoded->capacity;

	if (step == FLOOR_LIBSNAPPY && size > 0) {
		CHECK(snappy_uncompress(body->bytes, body->size, (char *)decoded->bytes, &size) ==
			SNAPPY_OK);
		return clock_thread_cpu_ns() - start;
	}
	CHECK(snappy_body_decode(decoded, body->bytes, body->size, BODY_BYTES, NULL) == STATUS_OK);
	if (step != FLOOR_UNCOMPRESS) {
		start = clock_thread_cpu_ns();
		run_step(step, store, decoded, copy, labels);
	}
	return clock_thread_cpu_ns() - start;
}

static void print_floor(const struct load *load, struct store *store)
{
	struct snappy_body decoded;
	struct series_labels labels;
	int64_t best[FLOOR_COUNT], spent[FLOOR_COUNT];
	void *copy = mem_alloc(BODY_BYTES);

	CHECK(copy != NULL);
	snappy_body_init(&decoded);
	CHECK(series_labels_init(&labels, 64, 1024, 65536, NULL) == STATUS_OK);
	for (int repeat = 0; repeat < FLOOR_REPEATS; repeat++) {
		memset(spent, 0, sizeof(spent));
		for (uint32_t i = 0; i < load->body_count; i++)
			for (int step = 0; step < FLOOR_COUNT; step++)
				if (step_is_of((enum floor_step)step, load->v2))
					spent[step] += time_step((enum floor_step)step, store,
						&load->bodies[i], &decoded, copy, &labels);
		for (int step = 0; step < FLOOR_COUNT; step++)
			if (repeat == 0 || spent[step] < best[step])
				best[step] = spent[step];
	}
	for (int step = 0; step < FLOOR_COUNT; step++)
		if (step_is_of((enum floor_step)step, load->v2))
			printf("  %-36s %8.1f\n", floor_names[step],
				(double)best[step] / load->series_count);
	mem_free(copy);
	series_labels_fini(&labels);
	snappy_body_fini(&decoded);
}

static int64_t send_round(const struct load *load, struct ingest *ingest, bool verify)
{
	int64_t start = clock_thread_cpu_ns();
	uint64_t stored = 0;

	for (uint32_t i = 0; i < load->body_count; i++) {
		struct ingest_counts counts;
		struct error error = {.text = ""};
		enum status status =
			ingest_request(ingest, write_encoder_content_type(load->encoder), "snappy",
				load->bodies[i].bytes, load->bodies[i].size, &counts, &error);
		if (verify && status != STATUS_OK) {
			fprintf(stderr, "bench_ingest: %s\n", error.text);
			exit(1);
		}
		stored += counts.results[APPEND_STORED];
	}
	CHECK(!verify || stored == load->series_count);
	return clock_thread_cpu_ns() - start;
}

static struct store *open_store(uint32_t series_count, const struct clock_manual *clock)
{
	const struct store_limits limits = {
		.memory_max = ((uint64_t)series_count * 3 << 10) + (64 << 20),
		.series_max = series_count * 3,
		.retention_ms = 30 * INTERVAL_MS,
		.interval_ms = INTERVAL_MS,
		.ended_keep_ms = 60000,
		.future_max_ms = 600000,
	};
	struct error error;
	struct store *store = store_open(&limits, &clock->clock, &error);

	if (store == NULL) {
		fprintf(stderr, "bench_ingest: %s\n", error.text);
		exit(1);
	}
	return store;
}

static const struct ingest_limits limits = {
	.body_max = 32 << 20,
	.decoded_max = 32 << 20,
	.labels_max = 256,
	.label_name_max = 1024,
	.label_value_max = 65536,
	.series_max = 100000,
};

/* One series of another replica, which is thus elected first. */
static void send_other_replica(const struct load *load, struct ingest *ingest)
{
	const struct label pairs[] = {{"__name__", "up", 8, 2},
		{"cluster", "production-eu-1", 7, 15}, {"endpoint", "other", 8, 5}};
	struct write_encoder *encoder =
		load->v2 ? write_encoder_open_v2(1 << 16, NULL) : write_encoder_open(1 << 16, NULL);
	struct ingest_counts counts;
	struct labels labels;
	const int64_t t_ms = START_MS;
	const double value = 1;
	const void *body;
	size_t size;

	CHECK(encoder != NULL && labels_init(&labels, pairs, 3, NULL) == STATUS_OK);
	CHECK(write_encoder_add(encoder, &labels, &t_ms, &value, 1) == STATUS_OK);
	CHECK(write_encoder_finish(encoder, &body, &size, NULL) == STATUS_OK);
	CHECK(ingest_request(ingest, write_encoder_content_type(encoder), "snappy", body, size,
		      &counts, NULL) == STATUS_OK);
	labels_fini(&labels);
	write_encoder_close(encoder);
}

/* The round again, into a store of its own, with these rules. */
static void run_rules(const struct load *load, const char *what, struct ingest_rules_config config,
	bool standby)
{
	struct clock_manual clock;
	struct ingest_rules *rules;
	struct ingest *ingest;
	struct store *store;
	int64_t best = INT64_MAX;

	clock_manual_init(&clock, START_MS + 100 * INTERVAL_MS);
	config.clock = &clock.clock;
	store = open_store(load->series_count, &clock);
	ingest = ingest_open(store, &limits, NULL);
	rules = ingest_rules_open(&config, NULL);
	CHECK(ingest != NULL && rules != NULL &&
		ingest_use_rules(ingest, rules, NULL) == STATUS_OK);
	if (standby)
		send_other_replica(load, ingest);
	for (int repeat = 0; repeat <= FLOOR_REPEATS; repeat++) {
		int64_t spent = send_round(load, ingest, false);
		if (repeat > 0 && spent < best)
			best = spent;
	}
	printf("  %-36s %8.1f\n", what, (double)best / load->series_count);
	ingest_close(ingest);
	ingest_rules_close(rules);
	store_close(store);
}

static void print_rules(const struct load *load)
{
	static const char *const drop[] = {"{job=\"kubelet\"}"}, *const none[] = {"{job=\"x\"}"};
	struct ingest_rules_config config = {
		.drop = {none, 1},
		.dropped_max = load->series_count,
		.cluster_label = "cluster",
		.replica_label = "endpoint",
		.failover_ms = 30000,
		.cluster_max = 100,
	};

	run_rules(load, "the same, a rule that drops nothing", config, false);
	config.drop = (struct ingest_selector_list){drop, 1};
	run_rules(load, "the same, all dropped", config, false);
	config.drop.count = 0;
	config.ha = true;
	run_rules(load, "the same, of the elected replica", config, false);
	run_rules(load, "the same, of a replica on standby", config, true);
}

/* The bodies of the last round into empty stores. */
static void print_new(const struct load *load)
{
	int64_t best = INT64_MAX;

	for (int repeat = 0; repeat < FLOOR_REPEATS; repeat++) {
		struct clock_manual clock;
		struct ingest *ingest;
		struct store *store;
		int64_t spent;

		clock_manual_init(&clock, START_MS + 100 * INTERVAL_MS);
		store = open_store(load->series_count, &clock);
		ingest = ingest_open(store, &limits, NULL);
		CHECK(ingest != NULL);
		spent = send_round(load, ingest, true);
		best = spent < best ? spent : best;
		ingest_close(ingest);
		store_close(store);
	}
	printf("  %-36s %8.1f\n", "request, all series new", (double)best / load->series_count);
}

static void run(uint32_t series_count, uint32_t rounds, enum load_order order, bool v2)
{
	struct clock_manual clock;
	struct load load;
	struct store *store;
	struct ingest *ingest;
	int64_t best = INT64_MAX, again = INT64_MAX, spent;

	load_init(&load, series_count, order, v2);
	clock_manual_init(&clock, START_MS);
	store = open_store(load.series_count, &clock);
	ingest = ingest_open(store, &limits, NULL);
	CHECK(ingest != NULL);
	for (uint32_t round = 0; round < rounds; round++) {
		encode_round(&load, round);
		clock_manual_advance(&clock, INTERVAL_MS);
		spent = send_round(&load, ingest, true);
		if (round > 0 && spent < best)
			best = spent;
		(void)store_sweep(store);
	}
	printf("%s, %" PRIu32 " series, %s, %" PRIu32 " rounds: %.0f bytes of snappy a sample\n",
		v2 ? "2.0" : "1.0", load.series_count, order_names[order], rounds,
		(double)load.bodies[0].size / BODY_SERIES);
	if (order != ORDER_CHURN)
		print_floor(&load, store);
	for (int repeat = 0; repeat < FLOOR_REPEATS; repeat++) {
		spent = send_round(&load, ingest, false);
		if (spent < again)
			again = spent;
	}
	printf("  %-36s %8.1f\n", "request, all samples stored", (double)best / load.series_count);
	printf("  %-36s %8.1f\n", "request, all samples repeated",
		(double)again / load.series_count);
	if (order == ORDER_SCRAPE)
		print_rules(&load);
	print_new(&load);
	ingest_close(ingest);
	store_close(store);
	load_fini(&load);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {10000, 100000};
	int64_t series = 0, rounds = 0;

	if (argc > 1 &&
		(argc < 3 || argc > 4 || parse_int(argv[1], &series) != STATUS_OK ||
			parse_int(argv[2], &rounds) != STATUS_OK || series < BODY_SERIES ||
			series > 10000000 || rounds < 2 || rounds > 1000)) {
		fprintf(stderr, "usage: bench_ingest [SERIES ROUNDS [LOAD]]\n");
		return 2;
	}
	printf("ns of CPU time a sample\n");
	for (int turn = 0; turn < ORDER_COUNT * 2; turn++) {
		enum load_order order = (enum load_order)(turn / 2);
		bool v2 = turn % 2 != 0;
		char name[64];
		snprintf(name, sizeof(name), "%s, %s", v2 ? "2.0" : "1.0", order_names[order]);
		if (argc == 4 && strstr(name, argv[3]) == NULL)
			continue;
		if (series > 0)
			run((uint32_t)series, (uint32_t)rounds, order, v2);
		for (size_t i = 0; series == 0 && i < 2; i++)
			run(sizes[i], i == 0 ? 60 : 10, order, v2);
	}
	return 0;
}
