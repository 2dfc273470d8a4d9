/*
 * What a forest costs: fit, one row a call, 10,000 rows a call, rows of a thousand forests none of which
 * is in a cache, on each code path; memory of each detector at six columns; and, with data, the area
 * under the ROC curve beside scikit-learn's. tests/bench/bench_detectors.sh runs it side by side.
 *
 * Usage: bench_forest [FOLDER]   prints lines: forest CASE CODE fit_ms row_us bulk_us, and writes
 *                               FOLDER/CASE.rows (rows, columns, values: doubles) for the other side
 *        bench_forest --scores ROWS TRAIN_ROWS COLUMNS SEED < features > scores
 *
 * Time is CPU time of the thread, the least of RUNS runs.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/detect/detector.h"
#include "analyzers/detect/forest.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"

#define RUNS 15
#define QUERIES 10000
#define COLD_FORESTS 1000

static const struct {
	const char *name;
	size_t rows, columns;
} cases[] = {{"1440x5", 1440, 5}, {"1440x20", 1440, 20}, {"10000x5", 10000, 5},
	{"10000x20", 10000, 20}, {"10000x36", 10000, 36}};

static const char *const codes[] = {"baseline", "avx512"};

static double *draw(size_t rows, size_t columns, uint64_t seed)
{
	double *values = mem_zalloc(rows * columns, sizeof(*values));
	struct random dice;

	CHECK(values != NULL);
	random_init(&dice, seed);
	for (size_t i = 0; i < rows; i++) {
		double load = sin((double)i / 200) + 0.1 * random_normal(&dice);

		for (size_t c = 0; c < columns; c++)
			values[i * columns + c] =
				load * (double)(c % 3) + 0.3 * random_normal(&dice);
	}
	return values;
}

static void write_rows(const char *folder, const char *name, const double *values, size_t rows,
	size_t columns)
{
	const double sizes[2] = {(double)rows, (double)columns};
	char path[512];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s.rows", folder, name);
	file = fopen(path, "wb");
	CHECK(file != NULL && fwrite(sizes, sizeof(*sizes), 2, file) == 2 &&
		fwrite(values, sizeof(*values), rows * columns, file) == rows * columns &&
		fclose(file) == 0);
}

static struct forest *fit(const double *rows, size_t count, size_t columns, uint64_t seed)
{
	const struct forest_config config = {.trees = 100, .sample = 256, .seed = seed};
	struct error error;
	struct forest *forest = forest_fit(&config, rows, count, columns, &error);

	CHECK(forest != NULL);
	return forest;
}

static double time_fit(const double *rows, size_t count, size_t columns)
{
	int64_t least = INT64_MAX;

	for (uint64_t run = 0; run < RUNS; run++) {
		int64_t began = clock_thread_cpu_ns(), took;

		forest_close(fit(rows, count, columns, run));
		took = clock_thread_cpu_ns() - began;
		least = took < least ? took : least;
	}
	return (double)least / 1e6;
}

static double time_rows(const struct forest *forest, const double *rows, size_t columns, bool bulk)
{
	static double scores[QUERIES];
	int64_t least = INT64_MAX;

	for (int run = 0; run < RUNS; run++) {
		int64_t began = clock_thread_cpu_ns(), took;

		if (bulk)
			forest_rows(forest, rows, QUERIES, scores);
		else
			for (size_t i = 0; i < QUERIES; i++)
				scores[i] = forest_row(forest, rows + i * columns);
		took = clock_thread_cpu_ns() - began;
		least = took < least ? took : least;
	}
	return (double)least / 1e3 / QUERIES;
}

static void bench_case(const char *folder, const char *name, size_t rows, size_t columns)
{
	double *train = draw(rows, columns, 1), *queries = draw(QUERIES, columns, 2);
	struct forest *forest = fit(train, rows, columns, 1);
	double fit_ms = time_fit(train, rows, columns);

	if (folder != NULL)
		write_rows(folder, name, train, rows, columns);
	for (size_t k = 0; k < ARRAY_COUNT(codes); k++) {
		if (!forest_code_choose(codes[k]))
			continue;
		printf("forest %s %s %.4f %.4f %.4f\n", name, codes[k], fit_ms,
			time_rows(forest, queries, columns, false),
			time_rows(forest, queries, columns, true));
		(void)fflush(stdout);
	}
	CHECK(forest_code_choose(NULL));
	forest_close(forest);
	mem_free(train);
	mem_free(queries);
}

/* Forests of six signals' rolling features, 180 MB together, a row of each in turn. */
static void bench_cold(void)
{
	static struct forest *forests[COLD_FORESTS];
	double *rows = draw(2000, 36, 3);
	int64_t least = INT64_MAX;
	double sum = 0;

	for (size_t i = 0; i < COLD_FORESTS; i++)
		forests[i] = fit(rows, 2000, 36, i);
	for (size_t run = 0; run < RUNS; run++) {
		int64_t began = clock_thread_cpu_ns(), took;

		for (size_t i = 0; i < COLD_FORESTS; i++)
			sum += forest_row(forests[i], rows + (i + run) % 2000 * 36);
		took = clock_thread_cpu_ns() - began;
		least = took < least ? took : least;
	}
	CHECK(isfinite(sum));
	printf("cold %s %.4f\n", forest_code(), (double)least / 1e3 / COLD_FORESTS);
	for (size_t i = 0; i < COLD_FORESTS; i++)
		forest_close(forests[i]);
	mem_free(rows);
}

static void bench_class(const struct detector_class *class)
{
	const struct detector_config config = {.rows_per_day = 1440, .seed = 1};
	const struct detector_rows rows = {draw(10000, 6, 4), 10000, 6};
	struct error error;
	struct detector *detector = class->open(&config, 6, &error);
	int64_t began = clock_thread_cpu_ns(), fitted;
	double sum = 0;

	CHECK(detector != NULL && rows.values != NULL);
	CHECK(class->fit(detector, &rows, &error) == STATUS_OK);
	fitted = clock_thread_cpu_ns();
	for (size_t i = 0; i < rows.count; i++)
		sum += class->step(detector, rows.values + 6 * i, NULL);
	CHECK(!isinf(sum));
	printf("detector %s %.3f %.3f %zu\n", class->name, (double)(fitted - began) / 1e6,
		(double)(clock_thread_cpu_ns() - fitted) / 1e3 / (double)rows.count,
		class->size(detector));
	(void)fflush(stdout);
	class->close(detector);
	mem_free((void *)(uintptr_t)rows.values);
}

/* Features of training and then of the rows asked for, on standard input; their scores go out. */
static int write_scores(char **argument)
{
	size_t rows = strtoul(argument[0], NULL, 10), train = strtoul(argument[1], NULL, 10);
	size_t columns = strtoul(argument[2], NULL, 10), size = rows * columns;
	double *values = mem_zalloc(size, sizeof(*values));
	double *scores = mem_zalloc(rows, sizeof(*scores));
	struct forest *forest;

	if (values == NULL || scores == NULL ||
		fread(values, sizeof(*values), size, stdin) != size) {
		(void)fprintf(stderr, "bench_forest: %zu rows of %zu columns are not there\n", rows,
			columns);
		return 1;
	}
	forest = fit(values, train, columns, strtoul(argument[3], NULL, 10));
	forest_rows(forest, values + train * columns, rows - train, scores);
	CHECK(fwrite(scores, sizeof(*scores), rows - train, stdout) == rows - train);
	forest_close(forest);
	mem_free(values);
	mem_free(scores);
	return 0;
}

int main(int argc, char **argv)
{
	const struct detector_class *class;

	if (argc == 6 && strcmp(argv[1], "--scores") == 0)
		return write_scores(argv + 2);
	if (argc > 2) {
		(void)fprintf(stderr, "usage: bench_forest [FOLDER]\n");
		return 2;
	}
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
		bench_case(argc == 2 ? argv[1] : NULL, cases[i].name, cases[i].rows,
			cases[i].columns);
	bench_cold();
	for (size_t i = 0; (class = detector_class_at(i)) != NULL; i++)
		bench_class(class);
	return 0;
}
