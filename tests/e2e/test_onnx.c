/*
 * Exported models in a real ONNX runtime (from PyPI, tests/e2e/build.sh): nets of several shapes, run over
 * rows of several series with their state carried in and out, give there what they give here to 1e-5.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/models/lstm_file.h"
#include "base/buf.h"
#include "base/mem.h"
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

static void a_runtime_gives_what_the_net_gives(void **state)
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
	said = proc_output(log, argv, NULL, &status);
	print_message("%s", said);
	assert_int_equal(status, 0);
	free(said);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_runtime_gives_what_the_net_gives),
	};

	return cmocka_run_group_tests_name("onnx_runtime", tests, NULL, NULL);
}
