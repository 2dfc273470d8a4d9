/*
 * An LSTM to and from a model file.
 */
#include "analyzers/models/lstm_file.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define KIND "lstm"

enum status lstm_file_write(const char *path, const struct lstm *lstm, struct model_info *info,
	struct error *error)
{
	memset(info->kind, 0, sizeof(info->kind));
	(void)snprintf(info->kind, sizeof(info->kind), "%s", KIND);
	info->shapes[0] = (uint32_t)lstm->shape.inputs;
	info->shapes[1] = (uint32_t)lstm->shape.hidden;
	info->shapes[2] = (uint32_t)lstm->shape.layers;
	info->shapes[3] = (uint32_t)lstm->shape.outputs;
	return model_file_write(path, info, lstm->parameters, lstm->parameter_count, error);
}

enum status lstm_file_read(const char *path, const struct kernels *kernels, struct lstm *lstm,
	struct model_info *info, struct error *error)
{
	struct lstm_shape shape;
	float *numbers;
	size_t count;
	enum status status = model_file_read(path, info, &numbers, &count, error);

	memset(lstm, 0, sizeof(*lstm));
	if (status != STATUS_OK)
		return status;
	shape = (struct lstm_shape){info->shapes[0], info->shapes[1], info->shapes[2],
		info->shapes[3]};
	if (strcmp(info->kind, KIND) != 0) {
		status = error_set(error, STATUS_BAD_INPUT, "%s: a model of kind %s, not %s", path,
			info->kind, KIND);
	} else if (lstm_shape_check(&shape, error) != STATUS_OK) {
		status = error_prefix(error, "%s", path);
	} else if (lstm_parameter_count(&shape) != count) {
		status =
			error_set(error, STATUS_BAD_INPUT, "%s: %zu numbers, and its shape has %zu",
				path, count, lstm_parameter_count(&shape));
	} else {
		status = lstm_init(lstm, &shape, kernels, error);
	}
	if (status == STATUS_OK) {
		memcpy(lstm->parameters, numbers, count * sizeof(*numbers));
		lstm_prepare(lstm);
	}
	mem_free(numbers);
	return status;
}
