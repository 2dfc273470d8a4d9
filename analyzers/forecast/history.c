/*
 * One ring, and who holds it.
 */
#include "analyzers/forecast/history.h"

#include <math.h>

#include "analyzers/pack.h"
#include "base/check.h"
#include "base/mem.h"

struct history {
	size_t rows, at, seen; /* at: the newest */
	size_t holders;
	double origin; /* the first measurement; NaN: none yet */
	float ring[];  /* [rows] less origin, NaN: missing */
};

void history_reset(struct history *history)
{
	history->at = history->rows - 1;
	history->seen = 0;
	history->origin = NAN;
	for (size_t i = 0; i < history->rows; i++)
		history->ring[i] = NAN;
}

struct history *history_open(size_t rows, struct error *error)
{
	struct history *history = mem_zalloc(1, sizeof(*history) + rows * sizeof(*history->ring));

	CHECK(rows >= 1);
	if (history == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for %zu rows of the past", rows);
		return NULL;
	}
	history->rows = rows;
	history->holders = 1;
	history_reset(history);
	return history;
}

struct history *history_hold(struct history *given, size_t rows, struct error *error)
{
	if (given == NULL || given->rows < rows)
		return history_open(rows, error);
	given->holders++;
	return given;
}

void history_close(struct history *history)
{
	if (history != NULL && --history->holders == 0)
		mem_free(history);
}

void history_pack(struct history *history, struct pack *pack)
{
	pack_same(pack, history->rows);
	pack_index(pack, &history->at, history->rows - 1);
	pack_value(pack, &history->seen);
	pack_value(pack, &history->origin);
	pack_bytes(pack, history->ring, history->rows * sizeof(*history->ring));
}

void history_pack_own(struct history *history, struct pack *pack)
{
	if (history->holders == 1)
		history_pack(history, pack);
}

void history_put(struct history *history, size_t row, double value)
{
	if (row != history->seen)
		return;
	history->seen++;
	if (isnan(history->origin))
		history->origin = value;
	history->at = history->at + 1 == history->rows ? 0 : history->at + 1;
	history->ring[history->at] = (float)(value - history->origin);
}

double history_back(const struct history *history, size_t back)
{
	size_t at = history->at + history->rows - back;

	CHECK(back < history->rows);
	return history->origin +
		(double)history->ring[at >= history->rows ? at - history->rows : at];
}
