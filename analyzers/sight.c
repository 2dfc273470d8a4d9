/*
 * Columns stand in one block behind the sight, in the order of roles, and are moved by copying them
 * when a signal comes or goes.
 */
#include "analyzers/sight.h"

#include <math.h>
#include <string.h>

#include "analyzers/minutes.h"
#include "base/check.h"
#include "base/mem.h"

#define NO_COLUMN 255u
#define MINUTE_MS 60000

struct sight_column {
	enum signal_role role;
	enum quality verdict;
	struct rolling rolling;
	struct seasonal_profile seasonal;
};

struct sight {
	struct grid_cursor cursor;
	struct grid_row row;
	uint8_t column_of[ROLE_COUNT];
	size_t column_count;
	struct sight_column columns[];
};

enum status sight_scratch_init(struct sight_scratch *scratch, size_t point_max)
{
	grid_spec_default(&scratch->grid);
	scratch->grid.rows_max = SIGHT_ROWS_MAX;
	scratch->span = (struct grid_span){.rows = 0};
	scratch->profiles_left = 0;
	scratch->sorted = mem_zalloc(GRID_SCRATCH(point_max), sizeof(*scratch->sorted));
	return scratch->sorted != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

void sight_scratch_fini(struct sight_scratch *scratch)
{
	mem_free(scratch->sorted);
	scratch->sorted = NULL;
}

static size_t bytes_of(size_t columns)
{
	return sizeof(struct sight) + columns * sizeof(struct sight_column);
}

static void column_init(struct sight_column *column, enum signal_role role)
{
	column->role = role;
	column->verdict = QUALITY_MISSING;
	rolling_init(&column->rolling, MINUTE_MS);
	seasonal_init(&column->seasonal);
}

struct sight *sight_open(uint32_t roles, struct sight *earlier)
{
	size_t count = 0;
	struct sight *sight;

	for (int role = 0; role < ROLE_COUNT; role++)
		count += (roles >> role & 1) != 0 ? 1 : 0;
	sight = mem_zalloc(1, bytes_of(count));
	if (sight == NULL)
		return NULL;
	sight->cursor.next = earlier != NULL ? earlier->cursor.next : GRID_NEVER;
	sight->row.row = GRID_NEVER;
	if (earlier != NULL)
		sight->row = earlier->row;
	for (int role = 0; role < ROLE_COUNT; role++) {
		uint8_t before = earlier != NULL ? earlier->column_of[role] : NO_COLUMN;

		sight->column_of[role] = NO_COLUMN;
		if ((roles >> role & 1) == 0)
			continue;
		struct sight_column *column = &sight->columns[sight->column_count];

		if (before != NO_COLUMN)
			*column = earlier->columns[before];
		else
			column_init(column, (enum signal_role)role);
		sight->column_of[role] = (uint8_t)sight->column_count++;
	}
	sight_close(earlier);
	return sight;
}

void sight_close(struct sight *sight)
{
	mem_free(sight);
}

uint32_t sight_roles(const struct sight *sight)
{
	uint32_t roles = 0;

	for (size_t i = 0; i < sight->column_count; i++)
		roles |= 1u << sight->columns[i].role;
	return roles;
}

size_t sight_bytes(const struct sight *sight)
{
	return bytes_of(sight->column_count);
}

bool sight_due(const struct sight *sight, const struct grid_spec *grid, int64_t now_ms)
{
	int64_t row = grid_row_of(grid, now_ms);

	/* The second: the clock was set back. */
	return sight->cursor.next == GRID_NEVER || row > sight->cursor.next ||
		row + 1 < sight->cursor.next;
}

bool sight_begin(struct sight *sight, struct sight_scratch *scratch, int64_t now_ms,
	int64_t newest_ms)
{
	grid_advance(&scratch->grid, &sight->cursor, now_ms, newest_ms, &scratch->span);
	return scratch->span.rows > 0;
}

void sight_fold(const struct sight *sight, struct sight_scratch *scratch, enum signal_role role,
	const struct grid_column *column, int64_t now_ms)
{
	uint8_t index = sight->column_of[role];

	if (index == NO_COLUMN)
		return;
	grid_fold(&scratch->grid, column, scratch->span.first, scratch->span.rows, now_ms,
		scratch->sorted, &scratch->values[0][index], &scratch->verdicts[0][index],
		ROLE_COUNT);
}

static void forget(struct sight *sight)
{
	for (size_t i = 0; i < sight->column_count; i++)
		rolling_init(&sight->columns[i].rolling, MINUTE_MS);
}

void sight_end(struct sight *sight, const struct sight_scratch *scratch)
{
	const struct grid_span *span = &scratch->span;
	bool bound[ROLE_COUNT];

	if (span->step == GRID_STARTED)
		forget(sight);
	for (size_t i = 0; i < ROLE_COUNT; i++)
		bound[i] = true;
	for (size_t i = 0; i < sight->column_count && span->skipped > 0; i++)
		rolling_skip(&sight->columns[i].rolling, span->skipped);
	for (size_t row = 0; row < span->rows; row++) {
		for (size_t i = 0; i < sight->column_count; i++) {
			rolling_push(&sight->columns[i].rolling, scratch->values[row][i]);
			sight->columns[i].verdict = (enum quality)scratch->verdicts[row][i];
		}
		grid_judge(scratch->verdicts[row], bound, sight->column_count,
			span->first + (int64_t)row, &sight->row);
	}
}

/* Spread over the hour, so that not all are built in the same minute. */
static int64_t profile_start(const struct workload_key *workload, int64_t minute)
{
	int64_t shift = (int64_t)(workload_key_hash(workload) % SEASONAL_MINUTES);
	int64_t since = (minute + shift) % SEASONAL_MINUTES;

	return minute - (since < 0 ? since + SEASONAL_MINUTES : since);
}

void sight_refresh_seasons(struct sight *sight, struct sight_scratch *scratch,
	struct rollup *rollup, const struct workload_key *workload)
{
	/* A minute ahead, so that the profile is there when its first row is closed. */
	int64_t minute = sight->row.row + 1;
	char key[ROLLUP_KEY_MAX];

	if (rollup == NULL || sight->row.row == GRID_NEVER || scratch->grid.step_ms != MINUTE_MS)
		return;
	for (size_t i = 0; i < sight->column_count; i++) {
		struct sight_column *column = &sight->columns[i];

		if (seasonal_covers(&column->seasonal, minute))
			continue;
		if (scratch->profiles_left == 0)
			return;
		scratch->profiles_left--;
		seasonal_build(&column->seasonal, rollup, key,
			minutes_key(workload, column->role, key), profile_start(workload, minute),
			scratch->seasonal);
	}
}

size_t sight_column_count(const struct sight *sight)
{
	return sight->column_count;
}

enum signal_role sight_column_role(const struct sight *sight, size_t column)
{
	CHECK(column < sight->column_count);
	return sight->columns[column].role;
}

const struct grid_row *sight_row(const struct sight *sight)
{
	return &sight->row;
}

void sight_no_features(struct sight_features *features)
{
	const struct rolling_features rolling = {.value = NAN,
		.difference = NAN,
		.rate = NAN,
		.volatility = NAN};

	*features = (struct sight_features){.verdict = QUALITY_MISSING, .rolling = rolling};
	for (int i = 0; i < ROLLING_WINDOWS; i++)
		features->rolling.mean[i] = features->rolling.deviation[i] = NAN;
	for (int i = 0; i < SEASON_COUNT; i++)
		features->seasonal[i] = (struct seasonal_residual){NAN, NAN, NAN};
}

bool sight_read(const struct sight *sight, enum signal_role role, double floor,
	struct sight_features *features)
{
	const struct sight_column *column;

	if (sight->column_of[role] == NO_COLUMN)
		return false;
	column = &sight->columns[sight->column_of[role]];
	features->verdict = column->verdict;
	rolling_read(&column->rolling, &features->rolling);
	for (int season = 0; season < SEASON_COUNT; season++)
		seasonal_read(&column->seasonal, (enum season)season, sight->row.row,
			features->rolling.value, floor, &features->seasonal[season]);
	return true;
}
