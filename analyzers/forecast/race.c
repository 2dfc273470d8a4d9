/*
 * The race of levels.
 */
#include "analyzers/forecast/race.h"

#include <math.h>
#include <string.h>

#include "analyzers/pack.h"
#include "base/check.h"

enum status race_init(struct race *race, const struct forecaster_config *config, size_t candidates,
	struct error *error)
{
	CHECK(candidates <= RACE_CANDIDATES_MAX);
	memset(race, 0, sizeof(*race));
	memcpy(race->horizons, config->horizons, sizeof(race->horizons));
	race->horizon_count = config->horizon_count;
	race->candidates = candidates;
	race->weight = 1 / (double)(config->season_rows > 0 ? config->season_rows : 1440);
	return pending_init(&race->pending, config->horizons[config->horizon_count - 1], candidates,
		error);
}

void race_fini(struct race *race)
{
	pending_fini(&race->pending);
}

void race_pack(struct race *race, struct pack *pack)
{
	pack_value(pack, &race->errors);
	pack_value(pack, &race->outcomes);
	pending_pack(&race->pending, pack);
}

void race_learn(struct race *race, double value)
{
	for (size_t k = 0; k < race->horizon_count && !isnan(value); k++) {
		const double *levels = pending_back(&race->pending, race->horizons[k] - 1);
		double weight;

		if (isnan(levels[0]))
			continue;
		race->outcomes[k]++;
		weight = fmax(1 / (double)race->outcomes[k], race->weight);
		for (size_t i = 0; i < race->candidates; i++)
			race->errors[k][i] +=
				weight * (fabs(value - levels[i]) - race->errors[k][i]);
	}
}

void race_put(struct race *race, const double *levels)
{
	memcpy(pending_next(&race->pending), levels, race->candidates * sizeof(*levels));
}

void race_predict(const struct race *race, double *middle)
{
	const double *levels = pending_back(&race->pending, 0);

	for (size_t k = 0; k < race->horizon_count; k++) {
		size_t best = 0;

		for (size_t i = 1; i < race->candidates; i++)
			if (race->errors[k][i] < race->errors[k][best])
				best = i;
		middle[k] = levels[best];
	}
}
