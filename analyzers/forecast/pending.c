/*
 * The ring of forecasts that wait for their outcome.
 */
#include "analyzers/forecast/pending.h"

#include <math.h>

#include "analyzers/pack.h"
#include "base/check.h"
#include "base/mem.h"

enum status pending_init(struct pending *pending, size_t horizon_max, size_t width,
	struct error *error)
{
	pending->rows = horizon_max + 1;
	pending->width = width;
	pending->at = 0;
	pending->slots = mem_zalloc(pending->rows * width, sizeof(*pending->slots));
	if (pending->slots == NULL)
		return error_set(error, STATUS_NO_MEMORY, "no memory for %zu forecasts",
			pending->rows);
	pending_reset(pending);
	return STATUS_OK;
}

void pending_fini(struct pending *pending)
{
	mem_free(pending->slots);
	pending->slots = NULL;
}

void pending_pack(struct pending *pending, struct pack *pack)
{
	pack_same(pack, pending->rows);
	pack_same(pack, pending->width);
	pack_index(pack, &pending->at, pending->rows - 1);
	pack_bytes(pack, pending->slots, pending->rows * pending->width * sizeof(*pending->slots));
}

void pending_reset(struct pending *pending)
{
	for (size_t i = 0; i < pending->rows * pending->width; i++)
		pending->slots[i] = NAN;
}

double *pending_next(struct pending *pending)
{
	pending->at = (pending->at + 1) % pending->rows;
	return pending->slots + pending->at * pending->width;
}

const double *pending_back(const struct pending *pending, size_t back)
{
	CHECK(back < pending->rows);
	return pending->slots +
		(pending->at + pending->rows - back) % pending->rows * pending->width;
}
