/*
 * The net for all workloads, to and from a file.
 */
#include "analyzers/models/general_file.h"

#include <string.h>

#include "analyzers/forecast/lstm_series.h"
#include "analyzers/models/lstm_file.h"
#include "base/mem.h"

#define HORIZONS 2

enum status general_file_write(const char *path, const struct lstm_net *net,
	struct model_info *info, struct error *error)
{
	if (net->horizon_count != HORIZONS)
		return error_set(error, STATUS_BAD_INPUT, "%s: of %zu horizons, not %d", path,
			net->horizon_count, HORIZONS);
	info->shapes[GENERAL_LAYOUT] = LSTM_SERIES_LAYOUT;
	info->shapes[GENERAL_BESIDE] = (uint32_t)net->beside;
	info->shapes[GENERAL_NEAR] = (uint32_t)net->horizons[0];
	info->shapes[GENERAL_FAR] = (uint32_t)net->horizons[1];
	return lstm_file_write(path, &net->lstm, info, error);
}

/* Whether the shapes are those of a net that steps what lstm_series.h makes. */
static enum status shapes_check(const char *path, const uint32_t *shapes, struct error *error)
{
	if (shapes[GENERAL_LAYOUT] == 0)
		return error_set(error, STATUS_BAD_INPUT,
			"%s: an LSTM, but not one for all workloads", path);
	if (shapes[GENERAL_LAYOUT] != LSTM_SERIES_LAYOUT)
		return error_set(error, STATUS_UNSUPPORTED,
			"%s: its inputs are of layout %u, and this version makes %d", path,
			shapes[GENERAL_LAYOUT], LSTM_SERIES_LAYOUT);
	if (shapes[GENERAL_BESIDE] > FORECAST_BESIDE || shapes[GENERAL_NEAR] < 1 ||
		shapes[GENERAL_FAR] <= shapes[GENERAL_NEAR] ||
		shapes[GENERAL_FAR] > FORECAST_HORIZON_ROWS_MAX ||
		shapes[0] != LSTM_SERIES_INPUTS(HORIZONS, shapes[GENERAL_BESIDE]) ||
		shapes[3] != LSTM_SERIES_QUANTILES * HORIZONS)
		return error_set(error, STATUS_BAD_INPUT,
			"%s: %u inputs and %u outputs are not of %u signals beside and horizons of %u "
			"and %u rows",
			path, shapes[0], shapes[3], shapes[GENERAL_BESIDE], shapes[GENERAL_NEAR],
			shapes[GENERAL_FAR]);
	return STATUS_OK;
}

enum status general_file_read(const char *path, struct lstm_net **net, struct model_info *info,
	struct error *error)
{
	struct lstm_net *made;
	enum status status;

	*net = NULL;
	made = mem_zalloc(1, sizeof(*made));
	if (made == NULL)
		return error_set(error, STATUS_NO_MEMORY, "%s: no memory for a net", path);
	atomic_init(&made->holders, 1);
	status = lstm_file_read(path, kernels_best(), &made->lstm, info, error);
	if (status == STATUS_OK)
		status = shapes_check(path, info->shapes, error);
	if (status != STATUS_OK) {
		lstm_net_release(made);
		return status;
	}
	made->beside = info->shapes[GENERAL_BESIDE];
	made->horizons[0] = info->shapes[GENERAL_NEAR];
	made->horizons[1] = info->shapes[GENERAL_FAR];
	made->horizon_count = HORIZONS;
	*net = made;
	return STATUS_OK;
}
