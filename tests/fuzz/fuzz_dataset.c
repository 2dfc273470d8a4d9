/*
 * Any text as a table of numbers and as a data set of the project's own format: what is taken has the
 * shape it says, what is refused says where, and columns come to an even grid whatever the times are.
 */
#include <stdint.h>
#include <string.h>

#include "analyzers/evaluate/dataset.h"
#include "analyzers/evaluate/table.h"
#include "base/check.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

static void read_numbers(const char *text, size_t size, char separator)
{
	struct table_reader reader;
	struct numbers numbers;
	struct error error;

	table_reader_init(&reader, "f", text, size, separator);
	if (table_numbers(&reader, &numbers, &error) == STATUS_OK)
		CHECK(numbers.rows > 0 && numbers.columns > 0);
	else
		CHECK(strncmp(error.text, "f:", 2) == 0 && numbers.values == NULL);
	numbers_fini(&numbers);
}

static void read_own(const char *text, size_t size)
{
	struct entity entity;
	struct error error;

	if (dataset_read_csv("f", text, size, &entity, &error) == STATUS_OK) {
		struct grid_series series;

		CHECK(entity.rows > 0 && entity.columns > 0 && entity.step_ms > 0);
		for (size_t i = 1; i < entity.rows; i++)
			CHECK(entity.times_ms[i] > entity.times_ms[i - 1]);
		entity.fit_end = entity.rows / 2;
		if (entity_grid(&entity, entity.columns - 1, &series, &error) == STATUS_OK) {
			CHECK(series.count > 0 && series.fit_end <= series.count);
			mem_free(series.values);
		}
	} else {
		CHECK(strncmp(error.text, "f:", 2) == 0);
	}
	entity_fini(&entity);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	char *text = mem_alloc(input_size + 1);

	CHECK(text);
	memcpy(text, input, input_size);
	read_numbers(text, input_size, ',');
	read_numbers(text, input_size, ';');
	read_own(text, input_size);
	mem_free(text);
	return 0;
}
