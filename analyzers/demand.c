#include "analyzers/demand.h"

#include <math.h>

#include "analyzers/forecast/peak.h"
#include "analyzers/minutes.h"
#include "analyzers/outlook.h"
#include "analyzers/pack.h"
#include "base/check.h"
#include "base/mem.h"

#define MINUTE_MS 60000
#define HOLDOUT .25
#define EPOCHS 8

const double demand_levels[DEMAND_QUANTILES] = {.5, .9, .95, .99};
/* Their places among peak_levels. */
static const size_t level_places[DEMAND_QUANTILES] = {1, 4, 5, 7};

struct demand {
	enum signal_role role;
	int64_t rows;
	struct peak *peak;
};

bool demand_role(uint32_t roles, enum signal_role *role)
{
	static const enum signal_role wanted[] = {ROLE_REQUEST_RATE, ROLE_CPU};

	for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
		if ((roles >> wanted[i] & 1) != 0) {
			*role = wanted[i];
			return true;
		}
	return false;
}

static struct demand *demand_open(enum signal_role role, struct error *error)
{
	struct demand *demand = mem_zalloc(1, sizeof(*demand));
	struct peak_config config;

	if (demand == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	peak_config_default(&config);
	config.slot_ms = MINUTE_MS;
	config.horizon = DEMAND_MINUTES;
	config.epochs = EPOCHS;
	config.holdout = HOLDOUT;
	demand->role = role;
	demand->peak = peak_open(&config, error);
	if (demand->peak != NULL)
		return demand;
	mem_free(demand);
	return NULL;
}

void demand_close(struct demand *demand)
{
	if (demand == NULL)
		return;
	peak_close(demand->peak);
	mem_free(demand);
}

size_t demand_bytes(const struct demand *demand)
{
	return sizeof(*demand) + peak_size(demand->peak);
}

enum signal_role demand_of(const struct demand *demand)
{
	return demand->role;
}

int64_t demand_rows(const struct demand *demand)
{
	return demand->rows;
}

/* The mean of each minute in [from, end); returns how many are measured. */
static size_t minutes_read(struct rollup *rollup, const struct workload_key *workload,
	enum signal_role role, int64_t from, int64_t end, double *values)
{
	char key[ROLLUP_KEY_MAX];

	return rollup_read(rollup, key, minutes_key(workload, role, key), from, end,
		&(struct rollup_columns){.mean = values});
}

/* values: [count] minutes from `from` on, of which enough are measured. */
static enum status demand_fit(enum signal_role role, const double *values, size_t count,
	int64_t from, struct demand **demand, struct error *error)
{
	struct demand *made = demand_open(role, error);
	enum status status;

	if (made == NULL)
		return STATUS_NO_MEMORY;
	status = peak_fit(made->peak, values, count, from * MINUTE_MS, error);
	if (status == STATUS_OK) {
		*demand = made;
		return STATUS_OK;
	}
	demand_close(made);
	/* Minutes enough, but too few in a row. */
	return status == STATUS_BAD_INPUT ? (error->code = STATUS_UNAVAILABLE) : status;
}

enum status demand_train(struct rollup *rollup, const struct workload_key *workload,
	enum signal_role role, int64_t rows, int64_t end, struct demand **demand,
	struct error *error)
{
	int64_t count = rows < OUTLOOK_TRAIN_ROWS_MAX ? rows : OUTLOOK_TRAIN_ROWS_MAX;
	double *values = mem_zalloc((size_t)count, sizeof(*values));
	size_t measured, first = 0;
	enum status status;

	*demand = NULL;
	if (values == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	measured = minutes_read(rollup, workload, role, end - count, end, values);
	while (first < (size_t)count && isnan(values[first]))
		first++;
	if (measured < DEMAND_ROWS_MIN)
		status = error_set(error, STATUS_UNAVAILABLE,
			"%zu of %d minutes to learn the highest of the next from", measured,
			DEMAND_ROWS_MIN);
	else
		status = demand_fit(role, values + first, (size_t)count - first,
			end - count + (int64_t)first, demand, error);
	if (status == STATUS_OK)
		(*demand)->rows = (int64_t)measured;
	mem_free(values);
	return status;
}

/* ---- keeping ---- */

static void demand_pack(struct demand *demand, struct pack *pack)
{
	pack_same(pack, (uint64_t)demand->role);
	pack_value(pack, &demand->rows);
	peak_pack(demand->peak, pack);
}

void *demand_write(struct demand *demand, size_t *size)
{
	struct pack pack;
	void *bytes;

	pack_measure(&pack);
	demand_pack(demand, &pack);
	*size = pack.done;
	bytes = mem_alloc(*size);
	if (bytes == NULL)
		return NULL;
	pack_write(&pack, bytes, *size);
	demand_pack(demand, &pack);
	CHECK(pack_ok(&pack));
	return bytes;
}

enum status demand_catch_up(struct demand *demand, struct rollup *rollup,
	const struct workload_key *workload, int64_t end, struct error *error)
{
	int64_t last_ms, from;
	double *values;

	if (!peak_last(demand->peak, &last_ms))
		return STATUS_OK;
	from = last_ms / MINUTE_MS + 1;
	if (from >= end)
		return STATUS_OK;
	if (end - from > OUTLOOK_RESTORE_ROWS_MAX)
		return error_set(error, STATUS_UNAVAILABLE,
			"what was learnt before ends %lld minutes ago", (long long)(end - from));
	values = mem_zalloc((size_t)(end - from), sizeof(*values));
	if (values == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	(void)minutes_read(rollup, workload, demand->role, from, end, values);
	for (int64_t minute = from; minute < end; minute++)
		demand_step(demand, minute, values[minute - from]);
	mem_free(values);
	return STATUS_OK;
}

enum status demand_restore(struct rollup *rollup, const struct workload_key *workload,
	enum signal_role role, int64_t end, const void *bytes, size_t size, struct demand **demand,
	struct error *error)
{
	struct demand *made = demand_open(role, error);
	enum status status;
	struct pack pack;
	int64_t last_ms;

	*demand = NULL;
	if (made == NULL)
		return error->code;
	pack_read(&pack, bytes, size);
	demand_pack(made, &pack);
	if (!pack_ok(&pack))
		status = error_set(error, STATUS_BAD_INPUT,
			"what was learnt before is of other settings or signals");
	else if (peak_last(made->peak, &last_ms) && last_ms / MINUTE_MS >= end)
		status = error_set(error, STATUS_BAD_INPUT,
			"what was learnt before is of a time to come");
	else
		status = demand_catch_up(made, rollup, workload, end, error);
	if (status == STATUS_OK)
		*demand = made;
	else
		demand_close(made);
	return status;
}

/* ---- serving ---- */

void demand_step(struct demand *demand, int64_t minute, double value)
{
	peak_step(demand->peak, value, minute * MINUTE_MS);
}

void demand_none(struct demand_view *view)
{
	*view = (struct demand_view){.state = DEMAND_NONE, .skill = NAN};
	for (size_t i = 0; i < DEMAND_QUANTILES; i++)
		view->quantiles[i] = NAN;
}

void demand_read(const struct demand *demand, struct demand_view *view)
{
	double quantiles[PEAK_LEVELS];

	demand_none(view);
	view->role = demand->role;
	view->skill = peak_skill(demand->peak);
	peak_predict(demand->peak, quantiles);
	/* False for NaN: a skill that is not known is none. */
	if (!(view->skill > 0))
		view->state = DEMAND_WORSE;
	else if (isnan(quantiles[0]))
		view->state = DEMAND_STALE;
	else
		view->state = DEMAND_SERVING;
	for (size_t i = 0; i < DEMAND_QUANTILES && view->state == DEMAND_SERVING; i++)
		view->quantiles[i] = quantiles[level_places[i]];
}

bool demand_beats(const struct demand *demand, const struct demand *serving)
{
	double skill = peak_skill(demand->peak), present = 0;

	if (serving != NULL && serving->role == demand->role)
		present = fmax(peak_skill(serving->peak), 0);
	return skill > present;
}
