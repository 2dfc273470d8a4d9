/*
 * The sources of all signals stand in one array, sorted by signal, part and bound; a signal is a slice
 * of it. Increases are those between the first and the last sample of the window, resets counted in;
 * they are not extrapolated to the window's ends as rate() does, since in a quantile and in a ratio
 * such factors cancel.
 */
#include "analyzers/derive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "store/histogram_window.h"

#define POINTS_MAX 20000
#define COPY_MAX ((size_t)32 << 20)

enum source_part { PART_FIRST, PART_SECOND, PART_NATIVE };

struct source {
	uint32_t owner, series; /* index of the signal; in the store */
	enum source_part part;
	double bound; /* le; 0 for others */
};

struct derived {
	struct workload_key key;
	enum signal_role role;
	uint32_t output; /* looked up anew after each bind, since series are removed */
	int64_t next_ms; /* time of the value to come; 0: not known yet */
	char definition[17];
	size_t first, count; /* of the sources */
};

struct derive {
	struct store *store;
	struct records *histograms;
	size_t workload_max;
	struct derived *signals;
	struct source *sources;
	size_t signal_count, signal_room, source_count, source_room;
	uint32_t *slots; /* open addressing by key and role: index + 1 */
	size_t slot_count;
	struct store_point *points;
	struct histogram *observed, *other;
	double bounds[DERIVE_SOURCES_MAX], counts[DERIVE_SOURCES_MAX];
};

struct derive *derive_open(struct store *store, struct records *histograms, size_t workload_max,
	struct error *error)
{
	struct derive *derive = mem_zalloc(1, sizeof(*derive));

	if (derive != NULL) {
		derive->store = store;
		derive->histograms = histograms;
		derive->workload_max = workload_max;
		derive->points = mem_zalloc(POINTS_MAX, sizeof(*derive->points));
		derive->observed = mem_zalloc(2, sizeof(*derive->observed));
	}
	if (derive == NULL || derive->points == NULL || derive->observed == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		derive_close(derive);
		return NULL;
	}
	derive->other = derive->observed + 1;
	return derive;
}

static void drop_table(struct derive *derive)
{
	mem_free(derive->signals);
	mem_free(derive->sources);
	mem_free(derive->slots);
	derive->signals = NULL;
	derive->sources = NULL;
	derive->slots = NULL;
	derive->signal_count = derive->signal_room = 0;
	derive->source_count = derive->source_room = derive->slot_count = 0;
}

void derive_close(struct derive *derive)
{
	if (derive == NULL)
		return;
	drop_table(derive);
	mem_free(derive->points);
	mem_free(derive->observed);
	mem_free(derive);
}

size_t derive_count(const struct derive *derive)
{
	return derive->signal_count;
}

/* ---- who is made of what ---- */

static uint32_t *slot_of(const struct derive *derive, const struct workload_key *key,
	enum signal_role role)
{
	size_t mask = derive->slot_count - 1;
	size_t i = (size_t)(workload_key_hash(key) + (uint64_t)role * 0x9e3779b97f4a7c15u) & mask;

	for (; derive->slots[i] != 0; i = (i + 1) & mask) {
		const struct derived *signal = &derive->signals[derive->slots[i] - 1];

		if (signal->role == role && workload_key_equal(&signal->key, key))
			break;
	}
	return &derive->slots[i];
}

static enum status grow(void **array, size_t *room, size_t count, size_t size)
{
	size_t wanted = *room > 0 ? *room * 2 : 64;
	void *grown;

	if (count < *room)
		return STATUS_OK;
	grown = mem_resize(*array, wanted, size);
	if (grown == NULL)
		return STATUS_NO_MEMORY;
	*array = grown;
	*room = wanted;
	return STATUS_OK;
}

/* What the table before had of a signal of the same definition goes on. */
static void take_over(const struct derive *before, struct derived *signal)
{
	uint32_t *slot;

	if (before->slot_count == 0)
		return;
	slot = slot_of(before, &signal->key, signal->role);
	if (*slot != 0 && strcmp(before->signals[*slot - 1].definition, signal->definition) == 0)
		signal->next_ms = before->signals[*slot - 1].next_ms;
}

static enum status find_or_add(struct derive *derive, const struct derive *before,
	const struct signal_binding *binding, const struct workload_key *key, enum signal_role role,
	uint32_t *index)
{
	uint32_t *slot = slot_of(derive, key, role);
	struct derived *signal;
	enum status status;

	if (*slot != 0) {
		*index = *slot - 1;
		return STATUS_OK;
	}
	if (derive->signal_count >= derive->workload_max * ROLE_COUNT ||
		derive->signal_count >= derive->slot_count / 2)
		return STATUS_LIMIT;
	status = grow((void **)&derive->signals, &derive->signal_room, derive->signal_count,
		sizeof(*derive->signals));
	if (status != STATUS_OK)
		return status;
	signal = &derive->signals[derive->signal_count];
	*signal = (struct derived){.key = *key, .role = role, .output = STORE_NO_SERIES};
	memcpy(signal->definition, binding->definition, sizeof(signal->definition));
	take_over(before, signal);
	*index = (uint32_t)derive->signal_count++;
	*slot = *index + 1;
	return STATUS_OK;
}

/* What a series is to its signal. false: it cannot be used. */
static bool part_of(const struct derive *derive, const struct signal_binding *binding, int part,
	const struct labels *labels, struct source *source)
{
	const char *bound = labels_get(labels, "le");

	source->part = part == 0 ? PART_FIRST : PART_SECOND;
	source->bound = 0;
	if (binding->derivation != DERIVE_QUANTILE)
		return true;
	if (bound != NULL && bound[0] != '\0')
		return parse_double(bound, &source->bound) == STATUS_OK && !isnan(source->bound);
	source->part = PART_NATIVE;
	return derive->histograms != NULL;
}

static enum status bind_series(struct derive *derive, const struct derive *before,
	const struct signal_binding *binding, enum signal_role role, int part, uint32_t series)
{
	struct source source = {.series = series};
	struct workload_key key;
	struct labels labels;
	enum status status = store_labels(derive->store, series, &labels);
	bool usable;

	if (status != STATUS_OK)
		return status == STATUS_NOT_FOUND ? STATUS_OK : status;
	usable = workload_key_from_labels(&key, &labels, NULL) == STATUS_OK &&
		part_of(derive, binding, part, &labels, &source);
	labels_fini(&labels);
	if (!usable)
		return STATUS_NOT_FOUND;
	status = find_or_add(derive, before, binding, &key, role, &source.owner);
	if (status != STATUS_OK)
		return status;
	status = grow((void **)&derive->sources, &derive->source_room, derive->source_count,
		sizeof(*derive->sources));
	if (status == STATUS_OK)
		derive->sources[derive->source_count++] = source;
	return status;
}

static enum status bind_part(struct derive *derive, const struct derive *before,
	struct signal_binding *binding, enum signal_role role, int part)
{
	struct store_selection selection = {0};
	size_t unusable = 0, left_out = 0;
	enum status status = store_select(derive->store, &binding->parts[part],
		derive->workload_max * 64 + DERIVE_SOURCES_MAX, &selection, NULL);

	left_out += status == STATUS_LIMIT;
	status = status == STATUS_LIMIT ? STATUS_OK : status;
	for (size_t i = 0; i < selection.count && status == STATUS_OK; i++) {
		status = bind_series(derive, before, binding, role, part, selection.series[i]);
		unusable += status == STATUS_NOT_FOUND;
		left_out += status == STATUS_LIMIT;
		if (status == STATUS_NOT_FOUND || status == STATUS_LIMIT)
			status = STATUS_OK;
	}
	store_selection_fini(&selection);
	if (unusable > 0)
		LOG_WARN("series of a derived signal name no workload or are no buckets",
			LOG_TEXT("role", role_name(role)), LOG_UINT("series", unusable));
	if (left_out > 0)
		LOG_WARN("more series match a derived signal than are read",
			LOG_TEXT("role", role_name(role)));
	return status;
}

static int compare_sources(const void *a, const void *b)
{
	const struct source *x = a, *y = b;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	if (x->part != y->part)
		return x->part < y->part ? -1 : 1;
	if (x->bound < y->bound || x->bound > y->bound)
		return x->bound < y->bound ? -1 : 1;
	return (x->series > y->series) - (x->series < y->series);
}

static void give_slices(struct derive *derive)
{
	size_t too_many = 0;

	if (derive->source_count > 0)
		qsort(derive->sources, derive->source_count, sizeof(*derive->sources),
			compare_sources);
	for (size_t i = 0; i < derive->signal_count; i++)
		derive->signals[i].count = 0;
	for (size_t i = 0; i < derive->source_count; i++) {
		struct derived *signal = &derive->signals[derive->sources[i].owner];

		if (signal->count++ == 0)
			signal->first = i;
	}
	for (size_t i = 0; i < derive->signal_count; i++) {
		struct derived *signal = &derive->signals[i];

		too_many += signal->count > DERIVE_SOURCES_MAX;
		signal->count = signal->count > DERIVE_SOURCES_MAX ? 0 : signal->count;
	}
	if (too_many > 0)
		LOG_WARN("derived signals have too many series and no value",
			LOG_UINT("signals", too_many), LOG_UINT("series_max", DERIVE_SOURCES_MAX));
}

static bool any_derived(const struct signal_set *set)
{
	for (int role = 0; role < ROLE_COUNT; role++)
		if (set->roles[role].bound && set->roles[role].derivation != DERIVE_NONE)
			return true;
	return false;
}

enum status derive_bind(struct derive *derive, struct signal_set *set)
{
	struct derive before = *derive;
	enum status status = STATUS_OK;

	derive->signals = NULL;
	derive->sources = NULL;
	derive->slots = NULL;
	derive->signal_count = derive->signal_room = 0;
	derive->source_count = derive->source_room = derive->slot_count = 0;
	if (any_derived(set)) {
		size_t slots = 256;

		while (slots < derive->workload_max * 4)
			slots *= 2;
		derive->slots = mem_zalloc(slots, sizeof(*derive->slots));
		derive->slot_count = derive->slots != NULL ? slots : 0;
		status = derive->slots != NULL ? STATUS_OK : STATUS_NO_MEMORY;
	}
	for (int role = 0; role < ROLE_COUNT; role++) {
		struct signal_binding *binding = &set->roles[role];
		int parts = binding->derivation == DERIVE_RATIO ? 2 : 1;

		if (!binding->bound || binding->derivation == DERIVE_NONE)
			continue;
		for (int part = 0; part < parts && status == STATUS_OK; part++)
			status = bind_part(derive, &before, binding, (enum signal_role)role, part);
	}
	drop_table(&before);
	if (status != STATUS_OK)
		drop_table(derive);
	else
		give_slices(derive);
	return status;
}

/* ---- values ---- */

struct increase {
	double value;
	bool known, living; /* two samples at least; the series has any and has not ended */
};

/* Of a counter over (t - window, t]. */
static struct increase increase_of(struct derive *derive, const struct signal_binding *binding,
	uint32_t series, int64_t t_ms)
{
	struct increase increase = {.value = 0};
	size_t count = store_window(derive->store, series, t_ms - binding->window_ms + 1, t_ms,
		derive->points, POINTS_MAX);
	double previous = NAN;
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		double value = derive->points[i].value;

		increase.living = !store_is_stale(value);
		if (!increase.living)
			previous = NAN;
		if (!isfinite(value))
			continue;
		/* What fell began anew from zero. */
		if (!isnan(previous))
			increase.value += value >= previous ? value - previous : value;
		used += isnan(previous) ? 0 : 1;
		previous = value;
	}
	increase.known = increase.living && used > 0 && isfinite(increase.value) &&
		t_ms - derive->points[count - 1].t_ms <= binding->stale_ms;
	return increase;
}

/* The newest value of a gauge at t. */
static struct increase value_of(struct derive *derive, const struct signal_binding *binding,
	uint32_t series, int64_t t_ms)
{
	struct increase newest = {.value = NAN};
	size_t count = store_window(derive->store, series, t_ms - binding->stale_ms + 1, t_ms,
		derive->points, POINTS_MAX);

	if (count == 0 || store_is_stale(derive->points[count - 1].value))
		return newest;
	newest.living = true;
	newest.value = derive->points[count - 1].value;
	newest.known = isfinite(newest.value);
	return newest;
}

static double ratio_at(struct derive *derive, const struct derived *signal,
	const struct signal_binding *binding, int64_t t_ms)
{
	double sums[2] = {0, 0}, ratio;
	bool known[2] = {false, false};

	for (size_t i = signal->first; i < signal->first + signal->count; i++) {
		const struct source *source = &derive->sources[i];
		int part = source->part == PART_SECOND;
		struct increase one = binding->counters
			? increase_of(derive, binding, source->series, t_ms)
			: value_of(derive, binding, source->series, t_ms);

		sums[part] += one.known ? one.value : 0;
		known[part] = known[part] || one.known;
	}
	if (!known[0] || !known[1] || sums[1] == 0)
		return NAN;
	ratio = sums[0] / sums[1];
	return isfinite(ratio) ? ratio : NAN;
}

static bool all_numbers(const double *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (isnan(values[i]))
			return false;
	return true;
}

/* Merges equal bounds and lets no bucket hold less than the one before it. */
static size_t tidy_buckets(double *bounds, double *counts, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && bounds[kept - 1] >= bounds[i]) {
			counts[kept - 1] += counts[i];
			continue;
		}
		bounds[kept] = bounds[i];
		counts[kept++] = counts[i];
	}
	for (size_t i = 1; i < kept; i++)
		counts[i] = counts[i] > counts[i - 1] ? counts[i] : counts[i - 1];
	return kept;
}

double derive_bucket_quantile(double *bounds, double *counts, size_t count, double q)
{
	double rank, start = 0, below = 0;
	size_t bucket = 0;

	if (count == 0 || !isinf(bounds[count - 1]) || bounds[count - 1] < 0 ||
		!all_numbers(counts, count))
		return NAN;
	count = tidy_buckets(bounds, counts, count);
	if (count < 2 || !(counts[count - 1] > 0) || !isfinite(counts[count - 1]))
		return NAN;
	rank = q * counts[count - 1];
	while (bucket < count - 1 && counts[bucket] < rank)
		bucket++;
	if (bucket == count - 1)
		return bounds[count - 2];
	if (bucket == 0 && bounds[0] <= 0)
		return bounds[0];
	if (bucket > 0) {
		start = bounds[bucket - 1];
		below = counts[bucket - 1];
	}
	if (!(counts[bucket] > below))
		return start;
	return start + (bounds[bucket] - start) * ((rank - below) / (counts[bucket] - below));
}

static double native_at(struct derive *derive, const struct derived *signal,
	const struct signal_binding *binding, int64_t t_ms)
{
	bool any = false;

	for (size_t i = signal->first; i < signal->first + signal->count; i++) {
		const struct source *source = &derive->sources[i];
		struct histogram *into = any ? derive->other : derive->observed;

		if (source->part != PART_NATIVE ||
			histogram_observed(derive->histograms, source->series,
				t_ms - binding->window_ms + 1, t_ms, into, NULL) != STATUS_OK)
			continue;
		if (any && !histogram_plus(derive->observed, derive->other))
			return NAN;
		any = true;
	}
	return any ? histogram_quantile(derive->observed, binding->quantile) : NAN;
}

static double quantile_at(struct derive *derive, const struct derived *signal,
	const struct signal_binding *binding, int64_t t_ms)
{
	size_t count = 0;
	double quantile;

	for (size_t i = signal->first; i < signal->first + signal->count; i++) {
		const struct source *source = &derive->sources[i];
		struct increase one;

		if (source->part == PART_NATIVE)
			continue;
		one = increase_of(derive, binding, source->series, t_ms);
		if (!one.known)
			continue;
		derive->bounds[count] = source->bound;
		derive->counts[count++] = one.value;
	}
	/* Of a series that is there in both forms the native one is the finer. */
	quantile = native_at(derive, signal, binding, t_ms);
	if (isnan(quantile))
		quantile = derive_bucket_quantile(derive->bounds, derive->counts, count,
			binding->quantile);
	return isfinite(quantile) ? quantile : NAN;
}

/* ---- the series that is made ---- */

#define OUTPUT_LABELS 7

/* The labels of the series, and what stands for their encoding. false: memory is out. */
static bool name_output(const struct derived *signal, struct label pairs[OUTPUT_LABELS],
	struct buf *raw)
{
	static const char *const names[OUTPUT_LABELS] = {"__name__", "cluster", "definition",
		"namespace", "role", "workload", "workload_kind"};
	const char *const values[OUTPUT_LABELS] = {SIGNAL_DERIVED_METRIC, signal->key.cluster,
		signal->definition, signal->key.namespace_name, role_name(signal->role),
		signal->key.name, target_kind_name(signal->key.kind)};

	for (size_t i = 0; i < OUTPUT_LABELS; i++) {
		pairs[i] = (struct label){names[i], values[i], (uint32_t)strlen(names[i]),
			(uint32_t)strlen(values[i])};
		buf_printf(raw, "%s\xff%s\xff", names[i], values[i]);
	}
	return buf_ok(raw);
}

/* make: when it is not there yet. */
static bool open_output(struct derive *derive, struct derived *signal, bool make)
{
	struct label pairs[OUTPUT_LABELS];
	struct buf raw;

	if (signal->output != STORE_NO_SERIES)
		return true;
	buf_init(&raw, 4096);
	if (name_output(signal, pairs, &raw)) {
		struct store_key key = store_key_of(derive->store, raw.data, raw.size);

		if (!make)
			signal->output = store_find(derive->store, key);
		else if (store_intern(derive->store, key, pairs, OUTPUT_LABELS, &signal->output,
				 NULL) != STATUS_OK)
			signal->output = STORE_NO_SERIES;
	}
	buf_fini(&raw);
	return signal->output != STORE_NO_SERIES;
}

static bool append(struct derive *derive, struct derived *signal, int64_t t_ms, double value)
{
	uint64_t counts[APPEND_RESULT_COUNT] = {0};
	struct store_sample sample = {.t_ms = t_ms, .value = value};

	if (!open_output(derive, signal, true))
		return false;
	sample.series = signal->output;
	store_append(derive->store, &sample, 1, counts);
	return counts[APPEND_STORED] + counts[APPEND_STALE_MARKER] > 0;
}

static bool newest_native(struct derive *derive, uint32_t series, int64_t from_ms,
	struct store_point *newest)
{
	struct record record;
	struct buf copy;
	size_t at = 0;
	bool found = false;

	buf_init(&copy, COPY_MAX);
	if (records_copy(derive->histograms, series, from_ms, INT64_MAX, &copy) == STATUS_OK)
		while (record_next(&copy, &at, &record)) {
			*newest = (struct store_point){record.t_ms, 0};
			found = true;
		}
	buf_fini(&copy);
	return found;
}

/* How far the sources have come. */
struct progress {
	int64_t reached_ms; /* all that go on have come so far; INT64_MAX: none goes on */
	int64_t ended_ms;   /* the last end of one; INT64_MIN: none has ended */
};

static struct progress progress_of(struct derive *derive, const struct derived *signal,
	const struct signal_binding *binding, int64_t now_ms)
{
	struct progress progress = {INT64_MAX, INT64_MIN};

	for (size_t i = signal->first; i < signal->first + signal->count; i++) {
		const struct source *source = &derive->sources[i];
		struct store_point newest;
		bool found = source->part == PART_NATIVE
			? newest_native(derive, source->series, now_ms - binding->stale_ms, &newest)
			: store_newest(derive->store, source->series, &newest);

		if (!found)
			continue;
		if (store_is_stale(newest.value)) {
			if (newest.t_ms > progress.ended_ms)
				progress.ended_ms = newest.t_ms;
		} else if (newest.t_ms > now_ms - binding->stale_ms &&
			newest.t_ms < progress.reached_ms) {
			progress.reached_ms = newest.t_ms;
		}
	}
	return progress;
}

static int64_t round_up(int64_t t_ms, int64_t step_ms)
{
	int64_t rest = t_ms % step_ms;

	return rest == 0 ? t_ms : t_ms - rest + (rest > 0 ? step_ms : 0);
}

/* Where to begin: after what an earlier run, or the snapshot, has made. */
static void begin(struct derive *derive, struct derived *signal,
	const struct signal_binding *binding, int64_t from_ms)
{
	struct store_point newest;

	signal->next_ms = round_up(from_ms, binding->interval_ms);
	if (open_output(derive, signal, false) &&
		store_newest(derive->store, signal->output, &newest) &&
		newest.t_ms >= signal->next_ms)
		signal->next_ms = round_up(newest.t_ms + 1, binding->interval_ms);
}

static void end_output(struct derive *derive, struct derived *signal, int64_t t_ms)
{
	const uint64_t bits = STORE_STALE_BITS;
	struct store_point newest;
	double marker;

	if (!open_output(derive, signal, false) ||
		!store_newest(derive->store, signal->output, &newest) ||
		store_is_stale(newest.value) || newest.t_ms >= t_ms)
		return;
	memcpy(&marker, &bits, sizeof(marker));
	(void)append(derive, signal, t_ms, marker);
}

static size_t step_signal(struct derive *derive, struct derived *signal,
	const struct signal_binding *binding, int64_t now_ms, int64_t from_ms)
{
	struct progress progress = progress_of(derive, signal, binding, now_ms);
	size_t appended = 0;

	/* A clock that was set back would stop it until it has caught up. */
	if (signal->next_ms == 0 || signal->next_ms > now_ms + binding->stale_ms)
		begin(derive, signal, binding, from_ms);
	if (signal->next_ms < from_ms)
		signal->next_ms = round_up(from_ms, binding->interval_ms);
	if (progress.reached_ms == INT64_MAX) {
		if (progress.ended_ms != INT64_MIN)
			end_output(derive, signal, progress.ended_ms);
		return 0;
	}
	for (int i = 0; i < DERIVE_STEPS_MAX && signal->next_ms <= progress.reached_ms; i++) {
		double value = binding->derivation == DERIVE_QUANTILE
			? quantile_at(derive, signal, binding, signal->next_ms)
			: ratio_at(derive, signal, binding, signal->next_ms);

		if (!isnan(value))
			appended += append(derive, signal, signal->next_ms, value);
		signal->next_ms += binding->interval_ms;
	}
	return appended;
}

size_t derive_step(struct derive *derive, const struct signal_set *set, int64_t now_ms,
	int64_t history_ms)
{
	size_t appended = 0;

	for (size_t i = 0; i < derive->signal_count; i++) {
		struct derived *signal = &derive->signals[i];

		if (signal->count > 0)
			appended += step_signal(derive, signal, &set->roles[signal->role], now_ms,
				now_ms - history_ms);
	}
	return appended;
}
