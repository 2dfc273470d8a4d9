/*
 * Model files: what was written is read, what is cut off, foreign, of a later format, damaged or of
 * another shape is refused by name, and the file before can be had back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/models/lstm_file.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/support/folder.h"

#define NAME "net.model"

static char folder[FOLDER_PATH_MAX];
static char path[FOLDER_PATH_MAX + 64];
static const struct lstm_shape shape = {3, 32, 2, 4};

static int make(void **state)
{
	folder_make(folder);
	folder_path(path, sizeof(path), folder, NAME);
	return 0;
}

static int clear(void **state)
{
	folder_remove(folder);
	return 0;
}

/* A net of some seed, written to path. */
static void written(uint64_t seed)
{
	struct model_info info = {.trained_ms = 1700000000000,
		.data_from_ms = -5,
		.data_to_ms = 1699999999999,
		.data_rows = 12345,
		.seed = seed,
		.made_by = "test",
		.score_names = {"mae_5", "mae_15"},
		.scores = {.75, 1.5}};
	struct random random;
	struct error error;
	struct lstm lstm;

	random_init(&random, seed);
	assert_int_equal(lstm_init(&lstm, &shape, kernels_best(), &error), STATUS_OK);
	lstm_seed(&lstm, &random);
	assert_int_equal(lstm_file_write(path, &lstm, &info, &error), STATUS_OK);
	lstm_fini(&lstm);
}

static uint64_t seed_read(void)
{
	struct model_info info;
	struct error error;
	struct lstm lstm;

	assert_int_equal(lstm_file_read(path, kernels_best(), &lstm, &info, &error), STATUS_OK);
	lstm_fini(&lstm);
	return info.seed;
}

static void what_was_written_is_read(void **state)
{
	struct model_info info;
	struct random random;
	struct error error;
	struct lstm lstm, same;

	written(7);
	assert_int_equal(lstm_file_read(path, kernels_best(), &lstm, &info, &error), STATUS_OK);
	random_init(&random, 7);
	assert_int_equal(lstm_init(&same, &shape, kernels_best(), &error), STATUS_OK);
	lstm_seed(&same, &random);
	assert_memory_equal(lstm.parameters, same.parameters, same.parameter_count * sizeof(float));
	assert_memory_equal(lstm.layers[1].packed_recurrent, same.layers[1].packed_recurrent,
		32 * 128 * sizeof(float));
	assert_string_equal(info.kind, "lstm");
	assert_string_equal(info.made_by, "test");
	assert_string_equal(info.score_names[1], "mae_15");
	assert_true(info.scores[1] == 1.5 && info.data_from_ms == -5 && info.data_rows == 12345);
	lstm_fini(&lstm);
	lstm_fini(&same);
}

/* Reads the file changed by one edit; the status, and whether the path is named. */
static enum status edited(const struct buf *bytes, size_t size, size_t at, unsigned char change,
	char *text)
{
	struct model_info info;
	struct error error;
	float *numbers;
	size_t count;
	enum status status;
	char *copy = mem_alloc(size + 1);

	assert_non_null(copy);
	memset(copy, 0, size + 1);
	memcpy(copy, bytes->data, size < bytes->size ? size : bytes->size);
	if (at < size)
		copy[at] = (char)(copy[at] ^ change);
	assert_int_equal(file_write_atomic(path, copy, size, 0600, &error), STATUS_OK);
	mem_free(copy);
	status = model_file_read(path, &info, &numbers, &count, &error);
	mem_free(numbers);
	if (status != STATUS_OK) {
		assert_non_null(strstr(error.text, NAME));
		(void)snprintf(text, ERROR_TEXT_MAX, "%s", error.text);
	}
	return status;
}

static void bad_files_are_refused_by_name(void **state)
{
	char text[ERROR_TEXT_MAX];
	struct error error;
	struct buf bytes;

	written(7);
	buf_init(&bytes, 1 << 20);
	assert_int_equal(file_read(path, &bytes, &error), STATUS_OK);
	assert_int_equal(edited(&bytes, bytes.size, SIZE_MAX, 0, text), STATUS_OK);
	for (size_t size = 0; size < bytes.size; size += size < 900 ? 1 : 997) {
		assert_int_equal(edited(&bytes, size, SIZE_MAX, 0, text), STATUS_BAD_INPUT);
		assert_non_null(strstr(text, size == 0 ? "not a model" : "cut off"));
	}
	for (size_t at = 0; at < bytes.size; at += at < 900 ? 1 : 997)
		assert_int_not_equal(edited(&bytes, bytes.size, at, 0x40, text), STATUS_OK);
	assert_int_equal(edited(&bytes, bytes.size + 5, SIZE_MAX, 0, text), STATUS_BAD_INPUT);
	assert_non_null(strstr(text, "too long"));
	assert_int_equal(edited(&bytes, bytes.size, 0, 1, text), STATUS_BAD_INPUT);
	assert_non_null(strstr(text, "not a model"));
	assert_int_equal(edited(&bytes, bytes.size, 8, 3, text), STATUS_UNSUPPORTED);
	assert_non_null(strstr(text, "format 2"));
	assert_int_equal(edited(&bytes, bytes.size, bytes.size - 20, 1, text), STATUS_BAD_INPUT);
	assert_non_null(strstr(text, "checksum"));
	buf_fini(&bytes);
}

static void numbers_that_are_none_are_not_written(void **state)
{
	const float numbers[] = {1, NAN, 3};
	struct model_info info = {.kind = "lstm"};
	struct error error;

	written(1);
	assert_int_equal(model_file_write(path, &info, numbers, 3, &error), STATUS_BAD_INPUT);
	assert_int_equal(seed_read(), 1);
}

static void another_kind_or_shape_is_refused(void **state)
{
	const float numbers[] = {1, 2, 3};
	struct model_info info = {.kind = "forest"};
	struct error error;
	struct lstm lstm;

	assert_int_equal(model_file_write(path, &info, numbers, 3, &error), STATUS_OK);
	assert_int_equal(lstm_file_read(path, kernels_best(), &lstm, &info, &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "forest"));
	(void)snprintf(info.kind, sizeof(info.kind), "lstm");
	info.shapes[1] = 33;
	assert_int_equal(model_file_write(path, &info, numbers, 3, &error), STATUS_OK);
	assert_int_equal(lstm_file_read(path, kernels_best(), &lstm, &info, &error),
		STATUS_BAD_INPUT);
	info.shapes[0] = info.shapes[2] = info.shapes[3] = 1;
	info.shapes[1] = 32;
	assert_int_equal(model_file_write(path, &info, numbers, 3, &error), STATUS_OK);
	assert_int_equal(lstm_file_read(path, kernels_best(), &lstm, &info, &error),
		STATUS_BAD_INPUT);
	assert_non_null(strstr(error.text, "3 numbers"));
}

static void the_file_before_can_be_had_back(void **state)
{
	struct error error;

	assert_int_equal(model_file_rollback(path, &error), STATUS_NOT_FOUND);
	written(1);
	assert_int_equal(model_file_rollback(path, &error), STATUS_NOT_FOUND);
	written(2);
	written(3);
	assert_int_equal(seed_read(), 3);
	assert_int_equal(model_file_rollback(path, &error), STATUS_OK);
	assert_int_equal(seed_read(), 2);
	assert_int_equal(model_file_rollback(path, &error), STATUS_OK);
	assert_int_equal(seed_read(), 3);
	folder_write(folder, NAME ".previous", "something else");
	assert_int_equal(model_file_rollback(path, &error), STATUS_BAD_INPUT);
	assert_int_equal(seed_read(), 3);
}

static void what_is_damaged_takes_no_good_ones_place(void **state)
{
	struct error error;

	written(1);
	written(2);
	folder_write(folder, NAME, "NGMODEL\ncut off");
	written(3);
	assert_int_equal(model_file_rollback(path, &error), STATUS_OK);
	assert_int_equal(seed_read(), 1);
}

static void the_same_once_more_keeps_the_one_before(void **state)
{
	struct error error;

	written(1);
	written(2);
	written(2);
	assert_int_equal(seed_read(), 2);
	assert_int_equal(model_file_rollback(path, &error), STATUS_OK);
	assert_int_equal(seed_read(), 1);
}

static void an_export_keeps_nothing(void **state)
{
	const float numbers[] = {1, 2, 3};
	struct model_info info = {.kind = "lstm"};
	struct error error;

	written(1);
	written(2);
	assert_int_equal(model_file_export(path, &info, numbers, 3, &error), STATUS_OK);
	assert_int_equal(model_file_rollback(path, &error), STATUS_OK);
	assert_int_equal(seed_read(), 1);
}

static void memory_that_fails_is_an_answer(void **state)
{
	bool injected = true;

	written(1);
	for (long n = 1; injected; n++) {
		struct model_info info;
		struct error error;
		struct lstm lstm;
		enum status status;

		mem_fail_after(n, false);
		status = lstm_file_read(path, kernels_best(), &lstm, &info, &error);
		if (status == STATUS_OK)
			status = lstm_file_write(path, &lstm, &info, &error);
		injected = mem_fail_after(0, false);
		assert_int_equal(status == STATUS_OK, !injected);
		lstm_fini(&lstm);
		assert_int_equal(seed_read(), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_written_is_read, make, clear),
		cmocka_unit_test_setup_teardown(bad_files_are_refused_by_name, make, clear),
		cmocka_unit_test_setup_teardown(numbers_that_are_none_are_not_written, make, clear),
		cmocka_unit_test_setup_teardown(another_kind_or_shape_is_refused, make, clear),
		cmocka_unit_test_setup_teardown(the_file_before_can_be_had_back, make, clear),
		cmocka_unit_test_setup_teardown(what_is_damaged_takes_no_good_ones_place, make,
			clear),
		cmocka_unit_test_setup_teardown(the_same_once_more_keeps_the_one_before, make,
			clear),
		cmocka_unit_test_setup_teardown(an_export_keeps_nothing, make, clear),
		cmocka_unit_test_setup_teardown(memory_that_fails_is_an_answer, make, clear),
	};

	return cmocka_run_group_tests_name("model_file", tests, NULL, NULL);
}
