/*
 * Exported models in a real ONNX runtime (from PyPI, tests/e2e/build.sh): nets of several shapes, run over
 * rows of several series with their state carried in and out, give there what they give here to 1e-5; and
 * so do the isolation forests of what was learnt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/detect/forest.h"
#include "analyzers/detect/forest_view.h"
#include "analyzers/detect/roll.h"
#include "analyzers/detect/standard.h"
#include "analyzers/learnt_file.h"
#include "analyzers/models/lstm_file.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/random.h"
#include "tests/support/day_tier.h"
#include "tests/support/folder.h"
#include "tests/support/proc.h"

#define ROWS 24
#define SERIES 3
#define JSON_MAX ((size_t)64 << 20)

static char folder[FOLDER_PATH_MAX];

static void array_write(struct buf *json, const char *name, const float *numbers, size_t a,
	size_t b, size_t c)
{
	buf_printf(json, "\"%s\":{\"sizes\":[%zu,%zu,%zu],\"numbers\":[", name, a, b, c);
	for (size_t i = 0; i < a * b * c; i++)
		buf_printf(json, "%s%.9g", i > 0 ? "," : "", (double)numbers[i]);
	buf_add_text(json, "]}");
}

static float *random_floats(struct random *random, size_t count, double reach)
{
	float *block = mem_zalloc(count, sizeof(*block));

	assert_non_null(block);
	for (size_t i = 0; i < count; i++)
		block[i] = (float)((random_unit(random) * 2 - 1) * reach);
	return block;
}

/* [series][layers][2][hidden] as [layers][series][hidden] of h (which 0) or the cell (1). */
static void state_write(struct buf *json, const char *name, const float *states,
	const struct lstm_shape *shape, size_t which)
{
	float *block = mem_zalloc(shape->layers * SERIES * shape->hidden, sizeof(*block)),
	      *at = block;

	assert_non_null(block);
	for (size_t l = 0; l < shape->layers; l++)
		for (size_t s = 0; s < SERIES; s++, at += shape->hidden)
			memcpy(at,
				states + s * lstm_state_size(shape) +
					(2 * l + which) * shape->hidden,
				shape->hidden * sizeof(*at));
	array_write(json, name, block, shape->layers, SERIES, shape->hidden);
	mem_free(block);
}

/* The rows with what the net makes of them, as JSON beside the model. */
static void case_write(const char *name, struct lstm *lstm, uint64_t checksum)
{
	const struct lstm_shape *shape = &lstm->shape;
	size_t of_state = SERIES * lstm_state_size(shape);
	struct random random;
	float *inputs, *last, *unit, *states, *quantiles, *values;
	struct buf json;
	char file[64];

	random_init(&random, 11);
	inputs = random_floats(&random, ROWS * SERIES * shape->inputs, 3);
	last = random_floats(&random, ROWS * SERIES, 100);
	unit = random_floats(&random, ROWS * SERIES, 2);
	states = random_floats(&random, of_state, .5);
	quantiles = mem_zalloc(ROWS * SERIES * shape->outputs, sizeof(float));
	values = mem_zalloc(ROWS * SERIES * shape->outputs, sizeof(float));
	assert_true(quantiles != NULL && values != NULL);
	buf_init(&json, JSON_MAX);
	buf_add_text(&json, "{\"inputs\":{");
	array_write(&json, "inputs", inputs, ROWS, SERIES, shape->inputs);
	buf_add_char(&json, ',');
	array_write(&json, "last", last, ROWS, SERIES, 1);
	buf_add_char(&json, ',');
	array_write(&json, "unit", unit, ROWS, SERIES, 1);
	buf_add_char(&json, ',');
	state_write(&json, "hidden_before", states, shape, 0);
	buf_add_char(&json, ',');
	state_write(&json, "cell_before", states, shape, 1);
	for (size_t r = 0; r < ROWS; r++)
		lstm_step(lstm, SERIES, states, inputs + r * SERIES * shape->inputs,
			quantiles + r * SERIES * shape->outputs);
	for (size_t i = 0; i < ROWS * SERIES * shape->outputs; i++)
		values[i] = last[i / shape->outputs] + unit[i / shape->outputs] * quantiles[i];
	buf_add_text(&json, "},\"outputs\":{");
	array_write(&json, "quantiles", quantiles, ROWS, SERIES, shape->outputs);
	buf_add_char(&json, ',');
	array_write(&json, "values", values, ROWS, SERIES, shape->outputs);
	buf_add_char(&json, ',');
	state_write(&json, "hidden", states, shape, 0);
	buf_add_char(&json, ',');
	state_write(&json, "cell", states, shape, 1);
	buf_printf(&json,
		"},\"metadata\":{\"made_by\":\"test\",\"trained\":\"2026-01-01T00:00:00.000Z\","
		"\"data_from\":\"2025-12-01T00:00:00.000Z\","
		"\"data_to\":\"2025-12-31T00:00:00.000Z\",\"seed\":\"7\","
		"\"checksum\":\"%016llx\",\"relative_error\":\"0.75\"}}",
		(unsigned long long)checksum);
	assert_true(buf_ok(&json));
	snprintf(file, sizeof(file), "%s.json", name);
	folder_write(folder, file, json.data);
	buf_fini(&json);
	mem_free(inputs);
	mem_free(last);
	mem_free(unit);
	mem_free(states);
	mem_free(quantiles);
	mem_free(values);
}

/* A model file, its ONNX model by the command, and rows with what the net makes of them. */
static void model_make(const char *name, struct lstm_shape shape, uint64_t seed)
{
	struct model_info info = {.made_by = "test",
		.trained_ms = 1767225600000,
		.data_from_ms = 1764547200000,
		.data_to_ms = 1767139200000,
		.seed = 7,
		.score_names = {"relative_error"},
		.scores = {.75}};
	char native[FOLDER_PATH_MAX], onnx[FOLDER_PATH_MAX], log[FOLDER_PATH_MAX], file[64], *said;
	const char *argv[] = {getenv("NIMBUSGUARD_TEST_BIN"), "models", "export", native, onnx,
		"--format=onnx", NULL};
	struct random random;
	struct error error;
	struct lstm lstm;
	int status;

	snprintf(file, sizeof(file), "%s.model", name);
	folder_path(native, sizeof(native), folder, file);
	snprintf(file, sizeof(file), "%s.onnx", name);
	folder_path(onnx, sizeof(onnx), folder, file);
	folder_path(log, sizeof(log), folder, "export.log");
	random_init(&random, seed);
	assert_int_equal(lstm_init(&lstm, &shape, kernels_best(), &error), STATUS_OK);
	lstm_seed(&lstm, &random);
	for (float *at = lstm.head; at < lstm.parameters + lstm.parameter_count; at++)
		*at = (float)(random_unit(&random) - .5);
	assert_int_equal(lstm_file_write(native, &lstm, &info, &error), STATUS_OK);
	lstm_fini(&lstm);
	assert_int_equal(lstm_file_read(native, kernels_best(), &lstm, &info, &error), STATUS_OK);
	said = proc_output(log, argv, NULL, &status);
	if (status != 0)
		fail_msg("export: %s", said);
	free(said);
	case_write(name, &lstm, info.checksum);
	lstm_fini(&lstm);
}

/* ---- forests ---- */

#define FOREST_ROWS 500
#define COLUMNS 2
#define FEATURES_MAX (COLUMNS * ROLL_FEATURES)

static void doubles_write(struct buf *json, const char *name, const double *numbers, size_t columns)
{
	buf_printf(json, "\"%s\":{\"sizes\":[%d,%zu],\"numbers\":[", name, FOREST_ROWS, columns);
	for (size_t i = 0; i < FOREST_ROWS * columns; i++) {
		buf_add_text(json, i > 0 ? "," : "");
		if (isnan(numbers[i]))
			buf_add_text(json, "NaN");
		else
			buf_printf(json, "%.17g", numbers[i]);
	}
	buf_add_text(json, "]}");
}

/* Rows that grow stranger, some with a gap, and the forest's scores of them. */
static void rows_score(const struct forest_view *view, double *features, double *scores)
{
	size_t width = view->rolling ? FEATURES_MAX : COLUMNS;
	double standardised[FEATURES_MAX];
	struct random random;
	struct error error;
	struct roll *roll = roll_open(COLUMNS, &error);

	assert_non_null(roll);
	random_init(&random, 5);
	for (size_t i = 0; i < FOREST_ROWS; i++) {
		double row[COLUMNS], *at = features + i * width;

		for (size_t c = 0; c < COLUMNS; c++)
			row[c] = i % 11 == c ? NAN
					     : 5 + random_normal(&random) * (1 + (double)i / 50);
		if (view->rolling)
			roll_step(roll, row, at);
		else
			memcpy(at, row, sizeof(row));
		standard_apply(view->standard, at, standardised);
		scores[i] = forest_row(view->forest, standardised);
	}
	roll_close(roll);
}

static void forest_case_write(const char *name, const struct watch_kept *kept)
{
	static double features[FOREST_ROWS * FEATURES_MAX], scores[FOREST_ROWS];
	struct forest_view view;
	struct buf json;
	char file[64];

	assert_true(forest_view(kept->class, kept->detector, &view));
	rows_score(&view, features, scores);
	buf_init(&json, JSON_MAX);
	buf_add_text(&json, "{\"inputs\":{");
	doubles_write(&json, "features", features, view.rolling ? FEATURES_MAX : COLUMNS);
	buf_add_text(&json, "},\"outputs\":{");
	doubles_write(&json, "scores", scores, 1);
	buf_printf(&json,
		"},\"metadata\":{\"workload\":\"shop/Deployment/web\",\"columns\":\"cpu,latency\","
		"\"features\":\"%s\",\"data_from\":\"2023-11-13T00:00:00.000Z\","
		"\"data_to\":\"2023-11-14T00:00:00.000Z\",\"data_rows\":\"1440\",\"seed\":\"1\"}}",
		view.rolling ? "rolling" : "values");
	assert_true(buf_ok(&json));
	snprintf(file, sizeof(file), "%s.json", name);
	folder_write(folder, file, json.data);
	buf_fini(&json);
}

/* A workload's file of what was learnt, the ONNX model by the command, and rows with their scores. */
static void forest_make(const char *detector)
{
	char onnx[FOLDER_PATH_MAX], log[FOLDER_PATH_MAX], file[64], *said;
	const void *body;
	struct watch_kept kept;
	struct day_tier tier;
	struct error error;
	struct buf bytes;
	size_t size;
	int status;

	day_tier_open(&tier, 1, 0);
	day_tier_learn(&tier, detector);
	snprintf(file, sizeof(file), "%s.onnx", detector);
	folder_path(onnx, sizeof(onnx), folder, file);
	folder_path(log, sizeof(log), folder, "export.log");
	said = proc_output(log,
		(const char *const[]){getenv("NIMBUSGUARD_TEST_BIN"), "models", "export",
			tier.folder, onnx, "--format=onnx", "--namespace=shop", "--workload=web",
			NULL},
		NULL, &status);
	if (status != 0)
		fail_msg("export: %s", said);
	free(said);
	buf_init(&bytes, LEARNT_BYTES_MAX);
	assert_int_equal(learnt_file_read(tier.folder, "detect", &day_tier_web, &bytes, &body,
				 &size, &error),
		STATUS_OK);
	assert_int_equal(watch_read_kept(body, size, &kept, &error), STATUS_OK);
	forest_case_write(detector, &kept);
	kept.class->close(kept.detector);
	buf_fini(&bytes);
	day_tier_close(&tier);
}

static void a_runtime_gives_what_nets_and_forests_give(void **state)
{
	const char *e2e = getenv("NIMBUSGUARD_TEST_E2E"), *source = getenv("NIMBUSGUARD_SOURCE");
	char python[FOLDER_PATH_MAX], script[FOLDER_PATH_MAX], log[FOLDER_PATH_MAX], *said;
	const char *const argv[] = {python, script, folder, NULL};
	int status;

	assert_non_null(e2e);
	assert_non_null(source);
	snprintf(python, sizeof(python), "%s/python-onnx/.installed", e2e);
	if (access(python, F_OK) != 0)
		skip();
	snprintf(python, sizeof(python), "%s/python-onnx/bin/python", e2e);
	snprintf(script, sizeof(script), "%s/tests/e2e/python/check_onnx.py", source);
	folder_make(folder);
	folder_path(log, sizeof(log), folder, "python.log");
	model_make("default", (struct lstm_shape){10, 128, 3, 6}, 1);
	model_make("small", (struct lstm_shape){10, 32, 1, 6}, 2);
	model_make("wide", (struct lstm_shape){24, 64, 2, 12}, 3);
	forest_make("forest");
	forest_make("forest_roll");
	forest_make("ensemble");
	said = proc_output(log, argv, NULL, &status);
	print_message("%s", said);
	assert_int_equal(status, 0);
	free(said);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_runtime_gives_what_nets_and_forests_give),
	};

	return cmocka_run_group_tests_name("onnx_runtime", tests, NULL, NULL);
}
