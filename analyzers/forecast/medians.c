/*
 * Running medians: each window is kept sorted by one removal and one insertion a measurement.
 */
#include "analyzers/forecast/medians.h"

#include <math.h>
#include <string.h>

#include "analyzers/pack.h"
#include "base/check.h"
#include "base/mem.h"

const size_t median_rows[MEDIANS] = {3, 7, 15, 31, 81, MEDIAN_ROWS_MAX};

/* The first of sorted[0..count) that is not below value. */
static size_t position(const double *sorted, size_t count, double value)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sorted[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void window_move(double *sorted, size_t count, size_t rows, double leaving, double value)
{
	size_t from, to;

	if (count >= rows) {
		from = position(sorted, rows, leaving);
		CHECK(from < rows);
		memmove(sorted + from, sorted + from + 1, (rows - from - 1) * sizeof(*sorted));
		count = rows - 1;
	}
	to = position(sorted, count, value);
	memmove(sorted + to + 1, sorted + to, (count - to) * sizeof(*sorted));
	sorted[to] = value;
}

enum status medians_init(struct medians *medians, size_t windows)
{
	size_t all = 0;

	CHECK(windows >= 1 && windows <= MEDIANS);
	for (size_t i = 0; i < windows; i++)
		all += median_rows[i];
	*medians = (struct medians){.windows = windows, .ring_rows = median_rows[windows - 1]};
	medians->ring = mem_zalloc(medians->ring_rows + all, sizeof(*medians->ring));
	if (medians->ring == NULL)
		return STATUS_NO_MEMORY;
	medians->sorted = medians->ring + medians->ring_rows;
	return STATUS_OK;
}

void medians_fini(struct medians *medians)
{
	mem_free(medians->ring);
	medians->ring = medians->sorted = NULL;
}

void medians_add(struct medians *medians, double value)
{
	double *sorted = medians->sorted;

	for (size_t i = 0; i < medians->windows; i++) {
		size_t rows = median_rows[i];

		window_move(sorted, medians->count, rows,
			medians->ring[(medians->at + medians->ring_rows - rows) %
				medians->ring_rows],
			value);
		sorted += rows;
	}
	medians->ring[medians->at] = value;
	medians->at = (medians->at + 1) % medians->ring_rows;
	if (medians->count < medians->ring_rows)
		medians->count++;
}

void medians_take(const struct medians *medians, double *middle)
{
	const double *sorted = medians->sorted;

	for (size_t i = 0; i < medians->windows; i++) {
		size_t count = medians->count < median_rows[i] ? medians->count : median_rows[i];

		middle[i] = count == 0 ? NAN : sorted[(count - 1) / 2] / 2 + sorted[count / 2] / 2;
		sorted += median_rows[i];
	}
}

/* The sorted windows follow from the ring: its measurements are added again, the oldest first. */
void medians_pack(struct medians *medians, struct pack *pack)
{
	double ring[MEDIAN_ROWS_MAX];
	size_t rows = medians->ring_rows, at = medians->at, count = medians->count;

	memcpy(ring, medians->ring, rows * sizeof(*ring));
	pack_same(pack, medians->windows);
	pack_index(pack, &at, rows - 1);
	pack_index(pack, &count, rows);
	pack_bytes(pack, ring, rows * sizeof(*ring));
	if (!pack_reads(pack))
		return;
	medians->at = medians->count = 0;
	for (size_t i = 0; i < count; i++) {
		double value = ring[(at + rows - count + i) % rows];

		if (!isfinite(value)) {
			pack_fail(pack);
			return;
		}
		medians_add(medians, value);
	}
}
