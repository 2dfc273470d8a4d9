/*
 * The table of workloads: an array in order of arrival with an open-addressed index over the keys'
 * hashes. A rebind marks all series as gone, binds what the store has now, and compacts.
 */
#include "analyzers/roster.h"

#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"

enum status roster_init(struct roster *roster, size_t workload_max)
{
	*roster = (struct roster){.max = workload_max, .slot_count = 64};
	while (roster->slot_count < workload_max * 2)
		roster->slot_count *= 2;
	roster->slots = mem_zalloc(roster->slot_count, sizeof(*roster->slots));
	return roster->slots != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

static void let_go(struct watched_workload *workload)
{
	feeds_close(workload->feeds);
	sight_close(workload->sight);
	watch_close(workload->watch);
	outlook_close(workload->outlook);
	demand_close(workload->demand);
}

void roster_fini(struct roster *roster)
{
	for (size_t i = 0; i < roster->count && roster->workloads != NULL; i++)
		let_go(&roster->workloads[i]);
	mem_free(roster->workloads);
	mem_free(roster->slots);
	*roster = (struct roster){0};
}

static uint32_t *slot_of(const struct roster *roster, const struct workload_key *key)
{
	size_t mask = roster->slot_count - 1, i = (size_t)workload_key_hash(key) & mask;

	while (roster->slots[i] != 0 &&
		!workload_key_equal(&roster->workloads[roster->slots[i] - 1].key, key))
		i = (i + 1) & mask;
	return &roster->slots[i];
}

struct watched_workload *roster_find(const struct roster *roster, const struct workload_key *key)
{
	uint32_t *slot;

	if (roster->slots == NULL)
		return NULL;
	slot = slot_of(roster, key);
	return *slot != 0 ? &roster->workloads[*slot - 1] : NULL;
}

static enum status add_workload(struct roster *roster, const struct workload_key *key,
	struct watched_workload **added)
{
	*added = NULL;
	if (roster->count == roster->max) {
		roster->left_out++;
		return STATUS_LIMIT;
	}
	if (roster->count == roster->capacity) {
		size_t capacity = roster->capacity > 0 ? roster->capacity * 2 : 16;
		void *grown = mem_resize(roster->workloads, capacity, sizeof(*roster->workloads));

		if (grown == NULL)
			return STATUS_NO_MEMORY;
		roster->workloads = grown;
		roster->capacity = capacity;
	}
	/* The array exists: there is room for one more after the lines above. */
	CHECK(roster->workloads != NULL);
	struct watched_workload *workload = &roster->workloads[roster->count];

	memset(workload, 0, sizeof(*workload));
	workload->key = *key;
	workload->row.row = GRID_NEVER;
	workload->outlook_tried = ROLLUP_NEVER;
	workload->demand_again = ROLLUP_NEVER;
	demand_none(&workload->peak);
	workload->kept = ROLLUP_NEVER;
	workload->watched.quarantine = ALARM_UNFITTED;
	for (int role = 0; role < ROLE_COUNT; role++) {
		workload->signals[role].series = STORE_NO_SERIES;
		sight_no_features(&workload->signals[role].features);
		outlook_none(&workload->signals[role].outlook);
	}
	*slot_of(roster, key) = (uint32_t)++roster->count;
	*added = workload;
	return STATUS_OK;
}

/* The newest sample of a series; one without any is as old as can be. */
struct newest {
	int64_t t_ms;
	bool ended;
};

static struct newest newest_of(struct store *store, uint32_t series)
{
	struct store_point point;

	if (!store_newest(store, series, &point))
		return (struct newest){INT64_MIN, true};
	return (struct newest){point.t_ms, store_is_stale(point.value)};
}

/* Whether a has given way to b: it has ended and b has not, or it fell silent while b went on, as
 * a series does whose sender was replaced. */
static bool outlived(const struct newest *a, const struct newest *b, int64_t stale_ms)
{
	if (a->ended != b->ended)
		return a->ended;
	return a->t_ms < b->t_ms && (uint64_t)b->t_ms - (uint64_t)a->t_ms > (uint64_t)stale_ms;
}

/* Of two series for one signal the one that still gets samples wins; two that both do are a
 * duplicate. */
static void bind_signal(struct watched_signal *signal, struct store *store, uint32_t series,
	int64_t stale_ms)
{
	struct newest bound, found;

	if (signal->series == STORE_NO_SERIES) {
		signal->series = series;
		return;
	}
	bound = newest_of(store, signal->series);
	found = newest_of(store, series);
	if (outlived(&bound, &found, stale_ms)) {
		signal->series = series;
		signal->duplicate = false;
	} else if (!outlived(&found, &bound, stale_ms)) {
		signal->series = found.t_ms > bound.t_ms ? series : signal->series;
		signal->duplicate = !found.ended;
	}
}

/* Binds one series to its workload; series without the four labels are told of once a rebind. */
static enum status bind_series(struct roster *roster, struct store *store, enum signal_role role,
	int64_t stale_ms, uint32_t series, bool *told)
{
	struct workload_key key;
	struct watched_workload *workload;
	struct labels labels;
	struct error error;
	enum status status = store_labels(store, series, &labels);

	if (status != STATUS_OK)
		return status == STATUS_NOT_FOUND ? STATUS_OK : status;
	status = workload_key_from_labels(&key, &labels, &error);
	labels_fini(&labels);
	if (status != STATUS_OK) {
		if (!*told)
			LOG_WARN("series names no workload", LOG_TEXT("role", role_name(role)),
				LOG_ERROR_FIELD(&error));
		*told = true;
		return STATUS_OK;
	}
	workload = roster_find(roster, &key);
	if (workload == NULL) {
		status = add_workload(roster, &key, &workload);
		if (status != STATUS_OK)
			return status == STATUS_LIMIT ? STATUS_OK : status;
	}
	workload->present = true;
	bind_signal(&workload->signals[role], store, series, stale_ms);
	return STATUS_OK;
}

static enum status bind_role(struct roster *roster, struct signal_set *set, struct store *store,
	enum signal_role role)
{
	struct signal_binding *binding = &set->roles[role];
	struct store_selection selection = {0};
	struct error error;
	bool told = false;
	enum status status =
		store_select(store, &binding->matchers, roster->max * 4 + 16, &selection, &error);

	if (status == STATUS_LIMIT) {
		LOG_WARN("more series match a signal than workloads are watched",
			LOG_TEXT("role", role_name(role)), LOG_UINT("bound", selection.count));
		status = STATUS_OK;
	}
	for (size_t i = 0; status == STATUS_OK && i < selection.count; i++)
		status = bind_series(roster, store, role, binding->stale_ms, selection.series[i],
			&told);
	store_selection_fini(&selection);
	return status;
}

static bool workload_in_use(const struct watched_workload *workload)
{
	if (workload->present)
		return true;
	for (int role = 0; role < ROLE_COUNT; role++)
		if (workload->signals[role].tracker.state != FINDING_QUIET)
			return true;
	/* Its minutes go on as gaps until the episode has ended. */
	return workload->watched.active;
}

static void compact(struct roster *roster)
{
	size_t kept = 0;

	for (size_t i = 0; i < roster->count; i++) {
		if (!workload_in_use(&roster->workloads[i])) {
			let_go(&roster->workloads[i]);
			continue;
		}
		if (kept != i)
			roster->workloads[kept] = roster->workloads[i];
		kept++;
	}
	if (kept == roster->count)
		return;
	roster->count = kept;
	memset(roster->slots, 0, roster->slot_count * sizeof(*roster->slots));
	for (size_t i = 0; i < kept; i++)
		*slot_of(roster, &roster->workloads[i].key) = (uint32_t)i + 1;
}

enum status roster_bind(struct roster *roster, struct signal_set *set, struct store *store)
{
	enum status status = STATUS_OK;

	roster->left_out = 0;
	for (size_t i = 0; i < roster->count; i++) {
		roster->workloads[i].present = false;
		for (int role = 0; role < ROLE_COUNT; role++) {
			roster->workloads[i].signals[role].series = STORE_NO_SERIES;
			roster->workloads[i].signals[role].duplicate = false;
		}
	}
	for (int role = 0; role < ROLE_COUNT && status == STATUS_OK; role++)
		if (set->roles[role].bound)
			status = bind_role(roster, set, store, (enum signal_role)role);
	if (status == STATUS_OK)
		compact(roster);
	if (roster->left_out > 0)
		LOG_WARN("more workloads than analyze.workloads_max, the others are not watched",
			LOG_UINT("series_left_out", roster->left_out));
	return status;
}

enum status roster_copy(struct roster *copy, const struct roster *roster)
{
	*copy = *roster;
	copy->capacity = roster->count;
	copy->workloads = mem_zalloc(roster->count + 1, sizeof(*copy->workloads));
	copy->slots = mem_zalloc(roster->slot_count, sizeof(*copy->slots));
	if (copy->workloads == NULL || copy->slots == NULL) {
		copy->count = 0;
		roster_fini(copy);
		return STATUS_NO_MEMORY;
	}
	if (roster->count > 0)
		memcpy(copy->workloads, roster->workloads,
			roster->count * sizeof(*copy->workloads));
	for (size_t i = 0; i < copy->count; i++) {
		copy->workloads[i].feeds = NULL;
		copy->workloads[i].sight = NULL;
		copy->workloads[i].watch = NULL;
		copy->workloads[i].outlook = NULL;
		copy->workloads[i].demand = NULL;
	}
	memcpy(copy->slots, roster->slots, roster->slot_count * sizeof(*copy->slots));
	return STATUS_OK;
}
