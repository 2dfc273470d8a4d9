/*
 * Findings are sets joined pair by pair (Tarjan's union by smaller number, with halved paths), then
 * summed up set by set. Pairs are compared all with all: a few thousand findings at worst, and only
 * when something is wrong anyway.
 */
#include "analyzers/detect/incident.h"

#include <math.h>
#include <stdbool.h>

static uint16_t find_set(uint16_t *parent, uint16_t of)
{
	while (parent[of] != of) {
		parent[of] = parent[parent[of]];
		of = parent[of];
	}
	return of;
}

static bool begins_before(const struct incident_finding *a, const struct incident_finding *b)
{
	return a->since_ms < b->since_ms || (a->since_ms == b->since_ms && a->id < b->id);
}

/* Whether b, which begins not before a, begins within the window after a's `end`. */
static bool follows(int64_t end, int64_t begin, int64_t window_ms)
{
	return begin <= end || (uint64_t)begin - (uint64_t)end <= (uint64_t)window_ms;
}

static bool belong_together(const struct incident_finding *a, const struct incident_finding *b,
	int64_t window_ms)
{
	if (!begins_before(a, b)) {
		const struct incident_finding *other = a;

		a = b;
		b = other;
	}
	if (a->workload == b->workload)
		return follows(a->until_ms > a->since_ms ? a->until_ms : a->since_ms, b->since_ms,
			window_ms);
	return a->node != 0 && a->node == b->node && follows(a->since_ms, b->since_ms, window_ms);
}

static double surprise_of(const struct incident_finding *finding)
{
	return isnan(finding->surprise) ? 0 : finding->surprise;
}

static struct incident begin_incident(const struct incident_finding *finding)
{
	return (struct incident){.first = finding->id,
		.strongest = finding->id,
		.node = finding->node,
		.since_ms = finding->since_ms,
		.until_ms = finding->until_ms,
		.surprise = surprise_of(finding)};
}

/* since_ms and id of the earliest finding are since_ms and first. */
static void add_finding(struct incident *incident, const struct incident_finding *finding,
	bool new_workload)
{
	double surprise = surprise_of(finding);

	if (finding->since_ms < incident->since_ms ||
		(finding->since_ms == incident->since_ms && finding->id < incident->first)) {
		incident->since_ms = finding->since_ms;
		incident->first = finding->id;
	}
	if (finding->until_ms > incident->until_ms)
		incident->until_ms = finding->until_ms;
	if (surprise > incident->surprise ||
		(surprise == incident->surprise && finding->id < incident->strongest)) {
		incident->surprise = surprise;
		incident->strongest = finding->id;
	}
	if (finding->node != incident->node)
		incident->node = 0;
	incident->findings++;
	incident->workloads += new_workload;
}

static enum incident_kind kind_of(const struct incident *incident)
{
	if (incident->findings == 1)
		return INCIDENT_SINGLE;
	if (incident->workloads == 1)
		return INCIDENT_WORKLOAD;
	return incident->node != 0 ? INCIDENT_NODE : INCIDENT_GROUP;
}

/* By since_ms, then first. rank[i] becomes the new place of incident i. */
static void order(struct incident *incidents, uint16_t *rank, size_t count)
{
	uint16_t from[INCIDENT_FINDINGS_MAX];

	for (size_t i = 0; i < count; i++) {
		struct incident incident = incidents[i];
		size_t k = i;

		while (k > 0 &&
			(incidents[k - 1].since_ms > incident.since_ms ||
				(incidents[k - 1].since_ms == incident.since_ms &&
					incidents[k - 1].first > incident.first))) {
			incidents[k] = incidents[k - 1];
			from[k] = from[k - 1];
			k--;
		}
		incidents[k] = incident;
		from[k] = (uint16_t)i;
	}
	for (size_t k = 0; k < count; k++)
		rank[from[k]] = (uint16_t)k;
}

static bool workload_is_new(const struct incident_finding *findings, uint16_t *parent, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (findings[i].workload == findings[at].workload &&
			find_set(parent, (uint16_t)i) == find_set(parent, (uint16_t)at))
			return false;
	return true;
}

size_t incidents_join(const struct incident_finding *findings, size_t count, int64_t window_ms,
	struct incident *incidents, size_t *incident_of)
{
	uint16_t parent[INCIDENT_FINDINGS_MAX], place[INCIDENT_FINDINGS_MAX],
		rank[INCIDENT_FINDINGS_MAX];
	size_t joined = count < INCIDENT_FINDINGS_MAX ? count : INCIDENT_FINDINGS_MAX, sets = 0;

	for (size_t i = 0; i < joined; i++) {
		parent[i] = (uint16_t)i;
		for (size_t k = 0; k < i; k++) {
			uint16_t a = find_set(parent, (uint16_t)i),
				 b = find_set(parent, (uint16_t)k);

			if (a != b && belong_together(&findings[i], &findings[k], window_ms))
				parent[a > b ? a : b] = a > b ? b : a;
		}
	}
	/* A set is named by its smallest number, which comes first. */
	for (size_t i = 0; i < joined; i++) {
		uint16_t set = find_set(parent, (uint16_t)i);

		if (set == i) {
			place[i] = (uint16_t)sets;
			incidents[sets++] = begin_incident(&findings[i]);
		}
		add_finding(&incidents[place[set]], &findings[i],
			workload_is_new(findings, parent, i));
	}
	for (size_t i = 0; i < sets; i++)
		incidents[i].kind = kind_of(&incidents[i]);
	order(incidents, rank, sets);
	for (size_t i = 0; incident_of != NULL && i < count; i++)
		incident_of[i] = i < joined ? rank[place[find_set(parent, (uint16_t)i)]] : SIZE_MAX;
	return sets;
}
