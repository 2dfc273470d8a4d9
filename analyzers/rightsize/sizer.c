/*
 * Entries are pointers in an array sorted by name; the thread of sizer_step() alone changes it, and what of
 * an entry others see (its row), under a leaf lock.
 */
#include "analyzers/rightsize/sizer.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/minutes.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#define MINUTE_MS 60000
#define CHUNK_MINUTES 1440
#define POINTS_MAX 20000
#define STALE_MS 300000
/* An advice is made anew so often, or when what is set has changed. */
#define ADVISE_MINUTES 10
/* What was requested then is known for so long. */
#define REQUEST_MINUTES 60

enum container_series {
	SERIES_CPU,
	SERIES_MEMORY,
	SERIES_KILLED,
	SERIES_KEPT, /* those before are kept in the tier */
	SERIES_CPU_REQUEST = SERIES_KEPT,
	SERIES_MEMORY_REQUEST,
	SERIES_CPU_LIMIT,
	SERIES_MEMORY_LIMIT,
	SERIES_REPLICAS,
	SERIES_COUNT
};

static const char *const series_names[SERIES_COUNT] = {"nimbusguard:container_cpu_cores:max",
	"nimbusguard:container_memory_bytes:max", "nimbusguard:container_oom_kills:increase",
	"nimbusguard:container_cpu_request_cores:max",
	"nimbusguard:container_memory_request_bytes:max",
	"nimbusguard:container_cpu_limit_cores:max", "nimbusguard:container_memory_limit_bytes:max",
	"nimbusguard:container_pods:count"};
static const char *const kept_names[SERIES_KEPT] = {"cpu", "memory", "oom_kills"};
static const struct signal_binding gauge = {.type = SIGNAL_GAUGE, .stale_ms = STALE_MS};

struct entry {
	struct sized row; /* names never change; the rest under the lock */
	uint32_t series[SERIES_COUNT];
	int64_t fed[SERIES_KEPT];
	bool present;
	int64_t learnt, advised; /* minutes: the next to learn; of the last advice */
	struct sizing sizing;
};

struct sizer {
	struct sizer_config config;
	struct matchers matchers[SERIES_COUNT];
	struct entry **entries;
	size_t count, capacity, left_out;
	uint64_t generation;
	int64_t minute; /* of the last full step */
	struct store_point *points;
	double columns[SERIES_KEPT][CHUNK_MINUTES];
	pthread_mutex_t lock;
	bool collected;
};

static void collect(void *argument);

static enum status parse_selectors(struct sizer *sizer)
{
	enum status status = STATUS_OK;
	struct error error;

	for (int i = 0; i < SERIES_COUNT && status == STATUS_OK; i++)
		status = matchers_parse_selector(&sizer->matchers[i], series_names[i], &error);
	return status;
}

struct sizer *sizer_open(const struct sizer_config *config, struct error *error)
{
	struct sizer *sizer = mem_zalloc(1, sizeof(*sizer));

	if (sizer == NULL) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		return NULL;
	}
	sizer->config = *config;
	pthread_mutex_init(&sizer->lock, NULL);
	for (int i = 0; i < SERIES_COUNT; i++)
		matchers_init(&sizer->matchers[i]);
	sizer->points = mem_alloc(POINTS_MAX * sizeof(*sizer->points));
	if (sizer->points == NULL || parse_selectors(sizer) != STATUS_OK) {
		error_set(error, STATUS_NO_MEMORY, "out of memory");
		sizer_close(sizer);
		return NULL;
	}
	metrics_add_collector(collect, sizer);
	sizer->collected = true;
	return sizer;
}

void sizer_close(struct sizer *sizer)
{
	if (sizer == NULL)
		return;
	if (sizer->collected)
		metrics_remove_collector(collect, sizer);
	for (size_t i = 0; i < sizer->count; i++)
		mem_free(sizer->entries[i]);
	mem_free(sizer->entries);
	for (int i = 0; i < SERIES_COUNT; i++)
		matchers_fini(&sizer->matchers[i]);
	mem_free(sizer->points);
	pthread_mutex_destroy(&sizer->lock);
	mem_free(sizer);
}

void sizer_set_prices(struct sizer *sizer, const struct sizing_prices *prices)
{
	sizer->config.prices = *prices;
	for (size_t i = 0; i < sizer->count; i++)
		sizer->entries[i]->advised = INT64_MIN / 2;
}

/* ---- binding ---- */

/* The place of a container in the array, or where it would stand. */
static size_t place_of(const struct sizer *sizer, const struct sized *name, bool *found)
{
	size_t low = 0, high = sizer->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = sized_compare(&sizer->entries[middle]->row, name);

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = false;
	return low;
}

static struct entry *entry_make(const struct sized *name)
{
	static const struct sizing_prices none = {NAN, NAN};
	struct entry *entry = mem_zalloc(1, sizeof(*entry));

	if (entry == NULL)
		return NULL;
	for (int i = 0; i < SERIES_COUNT; i++)
		entry->series[i] = STORE_NO_SERIES;
	entry->learnt = entry->advised = INT64_MIN / 2;
	sizing_init(&entry->sizing);
	entry->row.workload = name->workload;
	memcpy(entry->row.container, name->container, sizeof(name->container));
	entry->row.now = (struct sizing_now){{NAN, NAN}, {NAN, NAN}, NAN, 1};
	sizing_advise(&entry->sizing, 0, &entry->row.now, &none, &entry->row.advice);
	return entry;
}

static enum status insert(struct sizer *sizer, size_t place, const struct sized *name)
{
	struct entry **grown = sizer->entries;
	struct entry *entry;

	if (sizer->count == sizer->config.containers_max) {
		sizer->left_out++;
		return STATUS_LIMIT;
	}
	entry = entry_make(name);
	if (entry == NULL)
		return STATUS_NO_MEMORY;
	pthread_mutex_lock(&sizer->lock);
	if (sizer->count == sizer->capacity) {
		size_t more = sizer->capacity > 0 ? sizer->capacity * 2 : 16;

		grown = mem_resize(sizer->entries, more, sizeof(struct entry *));
		if (grown != NULL) {
			sizer->entries = grown;
			sizer->capacity = more;
		}
	}
	if (grown != NULL) {
		memmove(&sizer->entries[place + 1], &sizer->entries[place],
			(sizer->count - place) * sizeof(struct entry *));
		sizer->entries[place] = entry;
		sizer->count++;
	}
	pthread_mutex_unlock(&sizer->lock);
	if (grown == NULL)
		mem_free(entry);
	return grown != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

/* False: it names no container of a workload. */
static bool read_name(const struct labels *labels, struct sized *name)
{
	const char *container = labels_get(labels, "container");

	memset(name, 0, sizeof(*name));
	if (container == NULL || strlen(container) >= CONTAINER_NAME_MAX ||
		workload_key_from_labels(&name->workload, labels, NULL) != STATUS_OK)
		return false;
	memcpy(name->container, container, strlen(container) + 1);
	return true;
}

/* Of two series of one container, as two senders make them, the one that got a sample last. */
static bool is_newer(struct store *store, uint32_t series, uint32_t than)
{
	struct store_point a, b;

	if (than == STORE_NO_SERIES)
		return true;
	return store_newest(store, series, &a) &&
		(!store_newest(store, than, &b) || a.t_ms > b.t_ms);
}

static enum status bind_series(struct sizer *sizer, int which, uint32_t series)
{
	struct store *store = sizer->config.store;
	struct labels labels;
	struct entry *entry;
	struct sized name;
	bool found, named;
	size_t place;
	enum status status = store_labels(store, series, &labels);

	if (status != STATUS_OK)
		return status == STATUS_NOT_FOUND ? STATUS_OK : status;
	named = read_name(&labels, &name);
	labels_fini(&labels);
	if (!named)
		return STATUS_OK;
	place = place_of(sizer, &name, &found);
	if (!found) {
		status = insert(sizer, place, &name);
		if (status != STATUS_OK)
			return status == STATUS_LIMIT ? STATUS_OK : status;
	}
	entry = sizer->entries[place];
	if (!entry->present)
		for (int i = 0; i < SERIES_COUNT; i++)
			entry->series[i] = STORE_NO_SERIES;
	entry->present = true;
	if (is_newer(store, series, entry->series[which]))
		entry->series[which] = series;
	return STATUS_OK;
}

/* Containers without a series are let go: the tier still knows them, should they come back. */
static void drop_absent(struct sizer *sizer)
{
	size_t kept = 0;

	pthread_mutex_lock(&sizer->lock);
	for (size_t i = 0; i < sizer->count; i++) {
		if (sizer->entries[i]->present)
			sizer->entries[kept++] = sizer->entries[i];
		else
			mem_free(sizer->entries[i]);
	}
	sizer->count = kept;
	pthread_mutex_unlock(&sizer->lock);
}

/* Containers of a workload stand together. */
static void count_containers(struct sizer *sizer)
{
	size_t end;

	pthread_mutex_lock(&sizer->lock);
	for (size_t i = 0; i < sizer->count; i = end) {
		for (end = i + 1; end < sizer->count &&
			workload_key_equal(&sizer->entries[i]->row.workload,
				&sizer->entries[end]->row.workload);)
			end++;
		for (size_t k = i; k < end; k++)
			sizer->entries[k]->row.now.containers = (unsigned)(end - i);
	}
	pthread_mutex_unlock(&sizer->lock);
}

static void bind_all(struct sizer *sizer)
{
	size_t most = sizer->config.containers_max * 2 + 16;
	uint64_t generation = store_generation(sizer->config.store);
	enum status status = STATUS_OK;

	if (generation == sizer->generation)
		return;
	sizer->left_out = 0;
	for (size_t i = 0; i < sizer->count; i++)
		sizer->entries[i]->present = false;
	for (int which = 0; which < SERIES_COUNT && status == STATUS_OK; which++) {
		struct store_selection selection = {0};
		struct error error;

		status = store_select(sizer->config.store, &sizer->matchers[which], most,
			&selection, &error);
		status = status == STATUS_LIMIT ? STATUS_OK : status;
		for (size_t i = 0; status == STATUS_OK && i < selection.count; i++)
			status = bind_series(sizer, which, selection.series[i]);
		store_selection_fini(&selection);
	}
	if (status != STATUS_OK) {
		LOG_ERROR("memory is out, some containers are not sized");
		return;
	}
	drop_absent(sizer);
	count_containers(sizer);
	sizer->generation = generation;
}

/* ---- keeping and learning ---- */

/* Not of the form of any signal's key: its parts are more. 0: the names are too long. */
static size_t key_of(const struct entry *entry, int which, char *key)
{
	const struct workload_key *workload = &entry->row.workload;
	int size = snprintf(key, ROLLUP_KEY_MAX, "%s/%s/%s/%s/c/%s/%s", workload->cluster,
		workload->namespace_name, target_kind_name(workload->kind), workload->name,
		entry->row.container, kept_names[which]);

	return size > 0 && (unsigned)size < ROLLUP_KEY_MAX ? (size_t)size : 0;
}

/* Returns how many series could not be kept, which the tier counts, too. */
static size_t keep_minutes(struct sizer *sizer, struct entry *entry, int64_t now_ms)
{
	const struct minutes_source source = {sizer->config.store, sizer->config.rollup, now_ms,
		sizer->points, POINTS_MAX};
	size_t refused = 0;
	struct error error;

	for (int which = 0; which < SERIES_KEPT; which++) {
		char key[ROLLUP_KEY_MAX];
		size_t size = key_of(entry, which, key);

		if (entry->series[which] == STORE_NO_SERIES)
			continue;
		if (size == 0 ||
			minutes_feed_key(&source, key, size, &gauge, entry->series[which],
				&entry->fed[which], &error) != STATUS_OK)
			refused++;
	}
	return refused;
}

static void read_chunk(struct sizer *sizer, const struct entry *entry, int64_t from, int64_t to)
{
	for (int which = 0; which < SERIES_KEPT; which++) {
		double *column = sizer->columns[which];
		const struct rollup_columns columns = {.mean = which == SERIES_CPU ? column : NULL,
			.max = which == SERIES_CPU ? NULL : column};
		char key[ROLLUP_KEY_MAX];
		size_t size = key_of(entry, which, key);

		for (int64_t i = 0; i < to - from; i++)
			column[i] = NAN;
		if (size > 0)
			(void)rollup_read(sizer->config.rollup, key, size, from, to, &columns);
	}
}

/* The minutes before `end`, as many as the budget has. Returns what is left of it. */
static int64_t learn(struct sizer *sizer, struct entry *entry, int64_t end, int64_t budget)
{
	int64_t first = end - (int64_t)DAYS_MAX * CHUNK_MINUTES;

	if (entry->learnt < first)
		entry->learnt = first;
	while (entry->learnt < end && budget > 0) {
		int64_t from = entry->learnt;
		int64_t to = from + CHUNK_MINUTES < end ? from + CHUNK_MINUTES : end;

		read_chunk(sizer, entry, from, to);
		for (int64_t i = 0; i < to - from; i++) {
			const struct sizing_minute minute = {.cpu = sizer->columns[SERIES_CPU][i],
				.memory = sizer->columns[SERIES_MEMORY][i],
				.killed = sizer->columns[SERIES_KILLED][i],
				.request = end - (from + i) <= REQUEST_MINUTES
					? entry->row.now.request[SIZED_MEMORY]
					: NAN};

			sizing_add(&entry->sizing, from + i, &minute);
		}
		entry->learnt = to;
		budget -= to - from;
	}
	return budget;
}

/* ---- advice ---- */

static double newest_of(struct sizer *sizer, uint32_t series, int64_t now_ms)
{
	struct store_point point;

	if (series == STORE_NO_SERIES || !store_newest(sizer->config.store, series, &point) ||
		store_is_stale(point.value) || !isfinite(point.value) ||
		point.t_ms < now_ms - STALE_MS)
		return NAN;
	return point.value;
}

/* A request or limit of zero is none. */
static double set_value(struct sizer *sizer, uint32_t series, int64_t now_ms)
{
	double value = newest_of(sizer, series, now_ms);

	return value > 0 ? value : NAN;
}

static bool same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

/* What is set now. True: it is not what was set before. */
static bool look(struct sizer *sizer, struct entry *entry, int64_t now_ms)
{
	const struct sizing_now *before = &entry->row.now;
	struct sizing_now now = {.containers = before->containers};
	bool changed = false;

	for (int i = 0; i < SIZED_RESOURCES; i++) {
		now.request[i] = set_value(sizer, entry->series[SERIES_CPU_REQUEST + i], now_ms);
		now.limit[i] = set_value(sizer, entry->series[SERIES_CPU_LIMIT + i], now_ms);
		changed = changed || !same(now.request[i], before->request[i]) ||
			!same(now.limit[i], before->limit[i]);
	}
	now.replicas = newest_of(sizer, entry->series[SERIES_REPLICAS], now_ms);
	pthread_mutex_lock(&sizer->lock);
	entry->row.now = now;
	pthread_mutex_unlock(&sizer->lock);
	return changed;
}

static void advise(struct sizer *sizer, struct entry *entry, int64_t minute)
{
	struct sizing_advice advice;

	sizing_advise(&entry->sizing, minute, &entry->row.now, &sizer->config.prices, &advice);
	entry->advised = minute;
	pthread_mutex_lock(&sizer->lock);
	entry->row.advice = advice;
	pthread_mutex_unlock(&sizer->lock);
}

void sizer_step(struct sizer *sizer, int64_t now_ms)
{
	int64_t minute = rollup_minute_of(now_ms), budget = SIZER_MINUTES_A_STEP;
	size_t refused = 0;
	/* Minutes are learnt once nothing can change them any more. */
	int64_t end = minute - (int64_t)ROLLUP_LATE_MINUTES;

	if (minute != sizer->minute) {
		bind_all(sizer);
		for (size_t i = 0; i < sizer->count; i++)
			refused += keep_minutes(sizer, sizer->entries[i], now_ms);
		if (refused > 0 || sizer->left_out > 0)
			LOG_WARN("containers that are not sized, or not kept for the next start",
				LOG_UINT("series", refused), LOG_UINT("left_out", sizer->left_out));
	}
	for (size_t i = 0; i < sizer->count && budget > 0; i++) {
		struct entry *entry = sizer->entries[i];
		bool changed;

		if (minute == sizer->minute && entry->learnt >= end)
			continue;
		changed = look(sizer, entry, now_ms);
		budget = learn(sizer, entry, end, budget);
		if (changed || minute >= entry->advised + ADVISE_MINUTES || minute < entry->advised)
			advise(sizer, entry, minute);
	}
	sizer->minute = minute;
}

/* ---- reading ---- */

struct sized *sizer_list(struct sizer *sizer, const struct workload_key *workload, size_t limit,
	size_t *count)
{
	size_t room, first = 0;
	struct sized *rows;

	*count = 0;
	pthread_mutex_lock(&sizer->lock);
	room = sizer->count < limit ? sizer->count : limit;
	rows = mem_alloc((room + 1) * sizeof(*rows));
	if (workload != NULL) {
		const struct sized name = {.workload = *workload};
		bool found;

		first = place_of(sizer, &name, &found);
	}
	for (size_t i = first; rows != NULL && i < sizer->count && *count < room; i++) {
		if (workload != NULL &&
			!workload_key_equal(&sizer->entries[i]->row.workload, workload))
			break;
		rows[(*count)++] = sizer->entries[i]->row;
	}
	pthread_mutex_unlock(&sizer->lock);
	return rows;
}

static void collect_container(const struct sized *row)
{
	static const char *const resources[SIZED_RESOURCES] = {"cpu", "memory"};
	const char *kind = target_kind_name(row->workload.kind);

	for (int way = 0; way < SIZING_WAYS; way++) {
		const struct sizing_choice *choice = &row->advice.choices[way];
		const char *by = sizing_way_name((enum sizing_way)way);

		for (int resource = 0; resource < SIZED_RESOURCES; resource++) {
			if (!isnan(choice->request[resource]))
				metrics_set(METRIC_RIGHTSIZE_REQUEST, choice->request[resource],
					row->workload.namespace_name, kind, row->workload.name,
					row->container, resources[resource], by);
			if (!isnan(choice->limit[resource]))
				metrics_set(METRIC_RIGHTSIZE_LIMIT, choice->limit[resource],
					row->workload.namespace_name, kind, row->workload.name,
					row->container, resources[resource], by);
			if (way == SIZING_NOW && !isnan(choice->over[resource]))
				metrics_set(METRIC_RIGHTSIZE_OVER, choice->over[resource],
					row->workload.namespace_name, kind, row->workload.name,
					row->container, resources[resource]);
		}
	}
}

/* Money only of containers of which every way has its own, so that sums can be compared. */
static void collect_money(const struct sized *row)
{
	const struct sizing_choice *choices = row->advice.choices;
	double replicas = row->now.replicas;

	if (!(replicas > 0) || isnan(choices[SIZING_NOW].month) ||
		isnan(choices[SIZING_OURS].month))
		return;
	for (int way = 0; way < SIZING_WAYS; way++)
		metrics_add(METRIC_RIGHTSIZE_COST, choices[way].month * replicas,
			row->workload.namespace_name, sizing_way_name((enum sizing_way)way));
}

static void collect(void *argument)
{
	static const char *const verdicts[] = {"too_short", "stale", "ready"};
	size_t count, numbers[ARRAY_COUNT(verdicts)] = {0};
	struct sized *rows = sizer_list(argument, NULL, SIZE_MAX / sizeof(*rows) - 1, &count);

	metrics_clear(METRIC_RIGHTSIZE_REQUEST);
	metrics_clear(METRIC_RIGHTSIZE_LIMIT);
	metrics_clear(METRIC_RIGHTSIZE_OVER);
	metrics_clear(METRIC_RIGHTSIZE_COST);
	for (size_t i = 0; i < count; i++) {
		numbers[rows[i].advice.verdict]++;
		if (i < SIZER_METRICS_MAX)
			collect_container(&rows[i]);
		collect_money(&rows[i]);
	}
	for (size_t i = 0; i < ARRAY_COUNT(verdicts); i++)
		metrics_set(METRIC_RIGHTSIZE_CONTAINERS, (double)numbers[i], verdicts[i]);
	mem_free(rows);
}
