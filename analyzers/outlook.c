#include "analyzers/outlook.h"

#include <math.h>

#include "analyzers/minutes.h"
#include "base/mem.h"

#define MINUTE_MS 60000
/* What a forecaster of the combination takes with all its seasons, about: forecasters do not tell. */
#define SIGNAL_BYTES 50000

const int outlook_minutes[OUTLOOK_HORIZONS] = {5, 15};
const enum signal_role outlook_beside_roles[FORECAST_BESIDE] = {ROLE_REQUEST_RATE, ROLE_CPU,
	ROLE_MEMORY_UTILIZATION};

struct outlook {
	struct forecaster *forecasters[ROLE_COUNT]; /* NULL: not forecast */
};

void outlook_close(struct outlook *outlook)
{
	if (outlook == NULL)
		return;
	for (int role = 0; role < ROLE_COUNT; role++)
		forecaster_close(outlook->forecasters[role]);
	mem_free(outlook);
}

size_t outlook_bytes(const struct outlook *outlook)
{
	size_t bytes = sizeof(*outlook);

	for (int role = 0; role < ROLE_COUNT; role++)
		bytes += outlook->forecasters[role] != NULL ? SIGNAL_BYTES : 0;
	return bytes;
}

/* Minutes that are learnt from, of one signal and of those beside it: values [count], beside
 * [count][FORECAST_BESIDE]. */
struct outlook_rows {
	struct rollup *rollup;
	const struct workload_key *workload;
	int64_t from, end;
	double *values, *beside;
};

static void beside_read(const struct outlook_rows *rows, enum signal_role role)
{
	char key[ROLLUP_KEY_MAX];

	for (size_t b = 0; b < FORECAST_BESIDE; b++) {
		enum signal_role other = outlook_beside_roles[b];
		bool known = other != role &&
			rollup_read(rows->rollup, key, minutes_key(rows->workload, other, key),
				rows->from, rows->end,
				&(struct rollup_columns){.mean = rows->values}) > 0;

		for (size_t i = 0; i < (size_t)(rows->end - rows->from); i++)
			rows->beside[i * FORECAST_BESIDE + b] = known ? rows->values[i] : NAN;
	}
}

/* From the first minute with a value on. *forecaster: NULL when there is too little. */
static enum status train_signal(const struct outlook_spec *spec, const struct outlook_rows *rows,
	enum signal_role role, struct forecaster **forecaster, struct error *error)
{
	int64_t from = rows->from, end = rows->end;
	double *values = rows->values;
	char key[ROLLUP_KEY_MAX];
	size_t count = (size_t)(end - from), first = 0;
	struct forecaster_config config;
	enum status status;

	*forecaster = NULL;
	if (spec->shared != NULL)
		beside_read(rows, role);
	if ((int64_t)rollup_read(rows->rollup, key, minutes_key(rows->workload, role, key), from,
		    end, &(struct rollup_columns){.mean = values}) < spec->train_rows_min)
		return STATUS_OK;
	while (first < count && isnan(values[first]))
		first++;
	forecaster_config_default(&config);
	config.shared = spec->shared;
	*forecaster = forecaster_open(spec->class, &config, error);
	if (*forecaster == NULL)
		return error->code;
	if (spec->shared != NULL)
		forecaster_beside(*forecaster, rows->beside + first * FORECAST_BESIDE,
			count - first);
	status = forecaster_fit(*forecaster, values + first, count - first,
		(from + (int64_t)first) * MINUTE_MS, error);
	if (status == STATUS_OK)
		return STATUS_OK;
	forecaster_close(*forecaster);
	*forecaster = NULL;
	return status == STATUS_BAD_INPUT ? STATUS_OK : status;
}

enum status outlook_train(const struct outlook_spec *spec, struct rollup *rollup,
	const struct workload_key *workload, uint32_t roles, int64_t end, struct outlook **outlook,
	struct error *error)
{
	int64_t count = spec->train_rows < OUTLOOK_TRAIN_ROWS_MAX ? spec->train_rows
								  : OUTLOOK_TRAIN_ROWS_MAX;
	struct outlook *made = mem_zalloc(1, sizeof(*made));
	const struct outlook_rows rows = {.rollup = rollup,
		.workload = workload,
		.from = end - count,
		.end = end,
		.values = mem_zalloc((size_t)count, sizeof(double)),
		.beside = mem_zalloc((size_t)count * FORECAST_BESIDE, sizeof(double))};
	enum status status = made != NULL && rows.values != NULL && rows.beside != NULL
		? STATUS_OK
		: error_set(error, STATUS_NO_MEMORY, "out of memory");
	size_t fitted = 0;

	*outlook = NULL;
	for (int role = 0; role < ROLE_COUNT && status == STATUS_OK; role++) {
		if ((roles >> role & 1) == 0)
			continue;
		status = train_signal(spec, &rows, (enum signal_role)role, &made->forecasters[role],
			error);
		fitted += made->forecasters[role] != NULL ? 1 : 0;
	}
	if (status == STATUS_OK && fitted == 0)
		status = error_set(error, STATUS_UNAVAILABLE, "not enough history to forecast");
	mem_free(rows.values);
	mem_free(rows.beside);
	if (status == STATUS_OK)
		*outlook = made;
	else
		outlook_close(made);
	return status;
}

void outlook_beside(struct outlook *outlook, enum signal_role role, const double *values)
{
	if (outlook->forecasters[role] != NULL)
		forecaster_beside(outlook->forecasters[role], values, 1);
}

void outlook_step(struct outlook *outlook, enum signal_role role, int64_t minute, double value)
{
	if (outlook->forecasters[role] != NULL)
		forecaster_step(outlook->forecasters[role], value, minute * MINUTE_MS);
}

void outlook_none(struct outlook_view *view)
{
	for (int i = 0; i < OUTLOOK_HORIZONS; i++) {
		view->predictions[i] = (struct prediction){NAN, NAN, NAN, NAN, NAN};
		view->skill[i] = NAN;
	}
}

bool outlook_read(const struct outlook *outlook, enum signal_role role, struct outlook_view *view)
{
	const struct forecaster *forecaster = outlook->forecasters[role];

	outlook_none(view);
	if (forecaster == NULL)
		return false;
	forecaster_predict(forecaster, view->predictions);
	for (size_t i = 0; i < OUTLOOK_HORIZONS; i++)
		view->skill[i] = forecaster_skill(forecaster, i);
	return true;
}

static double between(double from, double to, double share)
{
	return from + share * (to - from);
}

bool outlook_at(const struct outlook_view *view, int64_t ahead, struct prediction *prediction)
{
	const struct prediction *near = &view->predictions[0], *far = &view->predictions[1];
	int64_t first = outlook_minutes[0], last = outlook_minutes[1];
	double share = (double)(ahead - first) / (double)(last - first);
	struct prediction at;

	if (ahead < first - OUTLOOK_BEYOND || ahead > last + OUTLOOK_BEYOND)
		return false;
	/* False for NaN: a skill that is not known yet is none. */
	if ((share < 1 && !(view->skill[0] > 0)) || (share > 0 && !(view->skill[1] > 0)))
		return false;
	if (share <= 0)
		at = *near;
	else if (share >= 1)
		at = *far;
	else
		at = (struct prediction){.low = between(near->low, far->low, share),
			.q10 = between(near->q10, far->q10, share),
			.middle = between(near->middle, far->middle, share),
			.q90 = between(near->q90, far->q90, share),
			.high = between(near->high, far->high, share)};
	if (!isfinite(at.low) || !isfinite(at.middle) || !isfinite(at.high))
		return false;
	*prediction = at;
	return true;
}
