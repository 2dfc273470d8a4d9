/*
 * What real series take in a ring: reads what `promtool tsdb dump` writes and encodes each series as
 * the store does, chunk after chunk in blocks of the store's size. bench_real_series.sh takes the
 * samples from real exporters and runs it.
 *
 * Kinds: constant (one value all the time), counter (the name says so: _total, _count, _sum, _bucket),
 * gauge (all else); whole or fractional, as any of its values is. Of each: series, samples, bytes a
 * sample of the stream with the headers of its chunks (what the encoding takes), and of whole blocks
 * (what the store holds: the last block of a ring is half empty on average, which weighs little
 * after an hour and much before).
 *
 * Usage: bench_real_series FILE    with --worst=N also the N series that take most
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "store/chunk.h"
#include "store/chunk_code.h"
#include "store/store.h"

#define BLOCK 128u /* store.c: of the default retention and interval */
#define LINE_MAX_BYTES 16384
#define NAME_MAX_BYTES 160
#define WORST_MAX 1000u
#define INTERVAL_MS 15000

enum kind {
	KIND_CONSTANT,
	KIND_COUNTER_WHOLE,
	KIND_COUNTER_FRACTION,
	KIND_GAUGE_WHOLE,
	KIND_GAUGE_FRACTION,
	KIND_COUNT
};

static const char *const kind_names[KIND_COUNT] = {"constant", "counter, whole numbers",
	"counter, fractions", "gauge, whole numbers", "gauge, fractions"};

struct sum {
	uint64_t series, samples, bits, blocks;
};

/* The series being read. */
struct current {
	char labels[LINE_MAX_BYTES];
	_Alignas(8) unsigned char block[BLOCK];
	struct chunk_end end;
	uint64_t samples, blocks, bits;
	uint64_t first_bits;
	bool constant, whole;
};

struct worst {
	char name[NAME_MAX_BYTES];
	uint64_t samples, bits;
};

struct bench {
	struct current current;
	struct sum sums[KIND_COUNT];
	struct worst *worst; /* [worst_max], by bits a sample, descending */
	size_t worst_count, worst_max;
	uint64_t late;
};

static bool ends_with(const char *text, size_t size, const char *end)
{
	size_t length = strlen(end);

	return size >= length && memcmp(text + size - length, end, length) == 0;
}

/* By the name, which stands first within the braces. */
static bool is_counter(const char *labels)
{
	static const char *const ends[] = {"_total", "_count", "_sum", "_bucket"};
	const char *name = strstr(labels, "__name__=\"");
	size_t size;

	if (name == NULL)
		return false;
	name += sizeof("__name__=\"") - 1;
	size = strcspn(name, "\"");
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (ends_with(name, size, ends[i]))
			return true;
	return false;
}

static enum kind kind_of(const struct current *current)
{
	if (current->constant)
		return KIND_CONSTANT;
	if (is_counter(current->labels))
		return current->whole ? KIND_COUNTER_WHOLE : KIND_COUNTER_FRACTION;
	return current->whole ? KIND_GAUGE_WHOLE : KIND_GAUGE_FRACTION;
}

static void worst_add(struct bench *bench, const struct current *current)
{
	struct worst one = {.samples = current->samples, .bits = current->bits};
	size_t at = bench->worst_count;

	memcpy(one.name, current->labels, sizeof(one.name) - 1);
	while (at > 0 &&
		bench->worst[at - 1].bits * one.samples < one.bits * bench->worst[at - 1].samples) {
		if (at < bench->worst_max)
			bench->worst[at] = bench->worst[at - 1];
		at--;
	}
	if (at < bench->worst_max)
		bench->worst[at] = one;
	if (bench->worst_count < bench->worst_max)
		bench->worst_count++;
}

static void series_end(struct bench *bench)
{
	struct current *current = &bench->current;
	struct sum *sum = &bench->sums[kind_of(current)];

	if (current->samples == 0)
		return;
	current->bits += current->end.position;
	sum->series++;
	sum->samples += current->samples;
	sum->bits += current->bits;
	sum->blocks += current->blocks;
	if (bench->worst_max > 0)
		worst_add(bench, current);
}

static void series_begin(struct bench *bench, const char *labels, size_t size)
{
	struct current *current = &bench->current;

	series_end(bench);
	memset(&current->end, 0, sizeof(current->end));
	memcpy(current->labels, labels, size);
	current->labels[size] = '\0';
	current->samples = current->blocks = current->bits = 0;
	current->constant = current->whole = true;
}

static void chunk_next_begin(struct current *current, int64_t t_ms, uint64_t bits)
{
	if (current->samples == 0)
		current->end.step_ms = INTERVAL_MS; /* as a ring does */
	else
		current->bits += current->end.position;
	current->bits += CHUNK_HEADER * 8;
	current->blocks++;
	chunk_begin(&current->end, (void *)current->block, BLOCK, t_ms, bits);
}

static void sample_add(struct bench *bench, int64_t t_ms, double value)
{
	struct current *current = &bench->current;
	uint64_t bits = bits_of(value);

	if (value != value)
		bits = STORE_STALE_BITS;
	if (current->samples > 0 && t_ms <= current->end.t_ms) {
		bench->late++;
		return;
	}
	if (current->samples == 0)
		current->first_bits = bits;
	if (current->samples == 0 ||
		!chunk_append(&current->end, (void *)current->block, BLOCK, t_ms, bits))
		chunk_next_begin(current, t_ms, bits);
	current->samples++;
	if (bits == STORE_STALE_BITS)
		return;
	current->constant = current->constant && bits == current->first_bits;
	current->whole = current->whole && __builtin_floor(value) == value;
}

/* {labels} value timestamp */
static bool line_take(struct bench *bench, char *line)
{
	struct current *current = &bench->current;
	char *end = strrchr(line, '}'), *rest;
	size_t size;
	double value;
	long long t_ms;

	if (line[0] != '{' || end == NULL)
		return false;
	size = (size_t)(end + 1 - line);
	value = strtod(end + 1, &rest);
	if (rest == end + 1)
		return false;
	t_ms = strtoll(rest, NULL, 10);
	if (memcmp(current->labels, line, size) != 0 || current->labels[size] != '\0')
		series_begin(bench, line, size);
	sample_add(bench, t_ms, value);
	return true;
}

static void row(const char *name, const struct sum *sum)
{
	double samples = (double)(sum->samples > 0 ? sum->samples : 1);

	printf("%-24s %8" PRIu64 " %10" PRIu64 " %8.2f %14.3f %14.3f\n", name, sum->series,
		sum->samples, (double)sum->samples / (double)(sum->series > 0 ? sum->series : 1),
		(double)sum->bits / 8 / samples, (double)sum->blocks * BLOCK / samples);
}

static void report(const struct bench *bench)
{
	struct sum all = {0};

	printf("%-24s %8s %10s %8s %14s %14s\n", "", "series", "samples", "each", "bytes a sample",
		"in blocks");
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		const struct sum *sum = &bench->sums[kind];

		row(kind_names[kind], sum);
		all.series += sum->series;
		all.samples += sum->samples;
		all.bits += sum->bits;
		all.blocks += sum->blocks;
	}
	row("all", &all);
	if (bench->late > 0)
		printf("%" PRIu64 " samples stood twice\n", bench->late);
	for (size_t i = 0; i < bench->worst_count; i++)
		printf("%7.3f %s\n",
			(double)bench->worst[i].bits / 8 / (double)bench->worst[i].samples,
			bench->worst[i].name);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	static char line[LINE_MAX_BYTES];
	uint64_t bad = 0;
	FILE *file;

	if (argc < 2) {
		puts("needs samples of real exporters: see bench_real_series.sh");
		return 0;
	}
	if (argc > 2 && strncmp(argv[2], "--worst=", 8) == 0)
		bench.worst_max = strtoul(argv[2] + 8, NULL, 10);
	if (bench.worst_max > WORST_MAX)
		bench.worst_max = WORST_MAX;
	if (bench.worst_max > 0) {
		bench.worst = mem_zalloc(bench.worst_max, sizeof(*bench.worst));
		CHECK(bench.worst != NULL);
	}
	file = fopen(argv[1], "r");
	if (file == NULL) {
		perror(argv[1]);
		return 1;
	}
	while (fgets(line, sizeof(line), file) != NULL)
		bad += !line_take(&bench, line);
	(void)fclose(file);
	series_end(&bench);
	report(&bench);
	mem_free(bench.worst);
	if (bad > 0)
		printf("%" PRIu64 " lines were not understood\n", bad);
	return bad > 0;
}
