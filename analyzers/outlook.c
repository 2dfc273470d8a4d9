#include "analyzers/outlook.h"

#include <math.h>

#include "analyzers/minutes.h"
#include "analyzers/pack.h"
#include "base/check.h"
#include "base/mem.h"

#define MINUTE_MS 60000

const int outlook_minutes[OUTLOOK_HORIZONS] = {5, 15};
const enum signal_role outlook_beside_roles[FORECAST_BESIDE] = {ROLE_REQUEST_RATE, ROLE_CPU,
	ROLE_MEMORY_UTILIZATION};

struct outlook {
	const struct forecaster_class *class;
	uint32_t roles; /* that were asked for */
	size_t bytes;
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
	return outlook->bytes;
}

static void bytes_count(struct outlook *outlook)
{
	outlook->bytes = sizeof(*outlook);
	for (int role = 0; role < ROLE_COUNT; role++)
		if (outlook->forecasters[role] != NULL)
			outlook->bytes += forecaster_size(outlook->forecasters[role]);
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

static struct forecaster *open_signal(const struct outlook_spec *spec, struct error *error)
{
	struct forecaster_config config;

	forecaster_config_default(&config);
	config.shared = spec->shared;
	return forecaster_open(spec->class, &config, error);
}

/* From the first minute with a value on. *forecaster: NULL when there is too little. */
static enum status train_signal(const struct outlook_spec *spec, const struct outlook_rows *rows,
	enum signal_role role, struct forecaster **forecaster, struct error *error)
{
	int64_t from = rows->from, end = rows->end;
	double *values = rows->values;
	char key[ROLLUP_KEY_MAX];
	size_t count = (size_t)(end - from), first = 0;
	enum status status;

	*forecaster = NULL;
	if (spec->shared != NULL)
		beside_read(rows, role);
	if ((int64_t)rollup_read(rows->rollup, key, minutes_key(rows->workload, role, key), from,
		    end, &(struct rollup_columns){.mean = values}) < spec->train_rows_min)
		return STATUS_OK;
	while (first < count && isnan(values[first]))
		first++;
	*forecaster = open_signal(spec, error);
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
	if (made != NULL) {
		made->class = spec->class;
		made->roles = roles;
		bytes_count(made);
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

/* ---- keeping ---- */

/* Of what class, of which signals asked for, and which of them are forecast. */
static void head_pack(struct outlook *outlook, uint32_t *present, struct pack *pack)
{
	const char *name = forecaster_class_name(outlook->class);

	for (size_t i = 0; i == 0 || name[i - 1] != '\0'; i++)
		pack_same(pack, (unsigned char)name[i]);
	pack_same(pack, outlook->roles);
	pack_value(pack, present);
	if ((*present & ~outlook->roles) != 0)
		pack_fail(pack);
}

static void outlook_pack(struct outlook *outlook, struct pack *pack)
{
	uint32_t present = 0;

	for (int role = 0; role < ROLE_COUNT; role++)
		if (outlook->forecasters[role] != NULL)
			present |= 1u << role;
	head_pack(outlook, &present, pack);
	for (int role = 0; role < ROLE_COUNT; role++)
		if (outlook->forecasters[role] != NULL)
			forecaster_pack(outlook->forecasters[role], pack);
}

/* Opens the forecasters that the bytes tell of, and reads them. */
static enum status outlook_read_back(struct outlook *outlook, const struct outlook_spec *spec,
	const void *bytes, size_t size, struct error *error)
{
	uint32_t present = 0;
	struct pack pack;

	pack_read(&pack, bytes, size);
	head_pack(outlook, &present, &pack);
	for (int role = 0; role < ROLE_COUNT && !pack.failed; role++) {
		if ((present >> role & 1) == 0)
			continue;
		outlook->forecasters[role] = open_signal(spec, error);
		if (outlook->forecasters[role] == NULL)
			return error->code;
	}
	pack_read(&pack, bytes, size);
	outlook_pack(outlook, &pack);
	if (pack_ok(&pack))
		return STATUS_OK;
	return error_set(error, STATUS_BAD_INPUT,
		"what was learnt before is of other settings or signals");
}

void *outlook_write(struct outlook *outlook, size_t *size)
{
	struct pack pack;
	void *bytes;

	pack_measure(&pack);
	outlook_pack(outlook, &pack);
	*size = pack.done;
	bytes = pack_ok(&pack) ? mem_alloc(*size) : NULL;
	if (bytes == NULL)
		return NULL;
	pack_write(&pack, bytes, *size);
	outlook_pack(outlook, &pack);
	CHECK(pack_ok(&pack));
	return bytes;
}

/* The minutes that a forecaster has missed. rows: of OUTLOOK_RESTORE_ROWS_MAX. */
static enum status catch_up(struct outlook *outlook, const struct outlook_rows *all,
	enum signal_role role, struct error *error)
{
	struct outlook_rows rows = *all;
	char key[ROLLUP_KEY_MAX];
	int64_t last_ms;

	if (!forecaster_last(outlook->forecasters[role], &last_ms))
		return STATUS_OK;
	rows.from = last_ms / MINUTE_MS + 1;
	if (rows.from > rows.end)
		return error_set(error, STATUS_BAD_INPUT,
			"what was learnt before is of a time to come");
	if (rows.end - rows.from > OUTLOOK_RESTORE_ROWS_MAX)
		return error_set(error, STATUS_UNAVAILABLE,
			"what was learnt before ends %lld minutes ago",
			(long long)(rows.end - rows.from));
	if (rows.from == rows.end)
		return STATUS_OK;
	beside_read(&rows, role);
	(void)rollup_read(rows.rollup, key, minutes_key(rows.workload, role, key), rows.from,
		rows.end, &(struct rollup_columns){.mean = rows.values});
	for (int64_t i = 0; i < rows.end - rows.from; i++) {
		outlook_beside(outlook, role, rows.beside + i * FORECAST_BESIDE);
		outlook_step(outlook, role, rows.from + i, rows.values[i]);
	}
	return STATUS_OK;
}

enum status outlook_restore(const struct outlook_spec *spec, struct rollup *rollup,
	const struct workload_key *workload, uint32_t roles, int64_t end, const void *bytes,
	size_t size, struct outlook **outlook, struct error *error)
{
	struct outlook *made = mem_zalloc(1, sizeof(*made));
	const struct outlook_rows rows = {.rollup = rollup,
		.workload = workload,
		.end = end,
		.values = mem_zalloc(OUTLOOK_RESTORE_ROWS_MAX, sizeof(double)),
		.beside = mem_zalloc((size_t)OUTLOOK_RESTORE_ROWS_MAX * FORECAST_BESIDE,
			sizeof(double))};
	enum status status;

	*outlook = NULL;
	if (made == NULL || rows.values == NULL || rows.beside == NULL) {
		status = error_set(error, STATUS_NO_MEMORY, "out of memory");
		goto done;
	}
	made->class = spec->class;
	made->roles = roles;
	status = outlook_read_back(made, spec, bytes, size, error);
	for (int role = 0; role < ROLE_COUNT && status == STATUS_OK; role++)
		if (made->forecasters[role] != NULL)
			status = catch_up(made, &rows, (enum signal_role)role, error);
	if (status == STATUS_OK) {
		bytes_count(made);
		*outlook = made;
		made = NULL;
	}
done:
	outlook_close(made);
	mem_free(rows.values);
	mem_free(rows.beside);
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
	view->known = false;
}

bool outlook_read(const struct outlook *outlook, enum signal_role role, struct outlook_view *view)
{
	const struct forecaster *forecaster = outlook->forecasters[role];

	outlook_none(view);
	if (forecaster == NULL)
		return false;
	view->known = true;
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
