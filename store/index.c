#include "store/index.h"

#include <string.h>

#include "base/check.h"

static struct index_name *name_at(struct index *index, uint32_t handle)
{
	return slab_at(index->slabs, handle);
}

static struct index_pair *pair_at(struct index *index, uint32_t handle)
{
	return slab_at(index->slabs, handle);
}

static struct store_key name_key(const struct index *index, const char *name, size_t size)
{
	return hash_bytes(index->secret, name, size);
}

static struct store_key pair_key(const struct index *index, uint32_t name, const char *value,
	size_t size)
{
	struct store_key parts[2] = {hash_bytes(index->secret, value, size), {name, size}};

	return hash_bytes(index->secret, parts, sizeof(parts));
}

static struct store_key set_key(const struct index *index, const uint32_t *pairs, uint32_t count)
{
	return hash_bytes(index->secret, pairs, count * sizeof(*pairs));
}

enum status index_init(struct index *index, struct slabs *slabs, const struct hash_secret *secret,
	uint32_t series_max)
{
	memset(index, 0, sizeof(*index));
	index->slabs = slabs;
	index->secret = secret;
	cell_classes_init(&index->cells, slabs);
	if (keys_init(&index->sets, slabs, series_max) != STATUS_OK ||
		keys_init(&index->pairs, slabs, series_max * 8 + 4096) != STATUS_OK ||
		keys_init(&index->names, slabs, INDEX_NAMES_MAX) != STATUS_OK) {
		index_fini(index);
		return STATUS_NO_MEMORY;
	}
	return STATUS_OK;
}

void index_fini(struct index *index)
{
	keys_fini(&index->names);
	keys_fini(&index->pairs);
	keys_fini(&index->sets);
}

size_t index_fixed_bytes(const struct index *index)
{
	return keys_fixed_bytes(&index->names) + keys_fixed_bytes(&index->pairs) +
		keys_fixed_bytes(&index->sets);
}

uint32_t index_find_name(const struct index *index, const char *name, size_t size)
{
	uint32_t handle = keys_find(&index->names, name_key(index, name, size));

	return handle == KEYS_NONE ? 0 : handle;
}

uint32_t index_find_pair(const struct index *index, uint32_t name, const char *value, size_t size)
{
	uint32_t handle = keys_find(&index->pairs, pair_key(index, name, value, size));

	return handle == KEYS_NONE ? 0 : handle;
}

static bool pair_is(const struct index *index, uint32_t handle, const struct label *label)
{
	const struct index_pair *pair = index_pair_at(index, handle);
	const struct index_name *name = index_name_at(index, pair->name);

	return pair->size == label->value_size && name->size == label->name_size &&
		memcmp(pair->text, label->value, label->value_size) == 0 &&
		memcmp(name->text, label->name, label->name_size) == 0;
}

static void last_set(struct index *index, const struct label *sorted, const uint32_t *pairs,
	uint32_t count)
{
	memcpy(index->last, pairs, count * sizeof(*pairs));
	index->last_count = count;
	index->last_epoch = index->epoch;
	index->last_sorted = sorted;
}

static uint32_t label_find(const struct index *index, const struct label *label)
{
	uint32_t name = index_find_name(index, label->name, label->name_size);

	return name == 0 ? 0 : index_find_pair(index, name, label->value, label->value_size);
}

bool index_find_pairs(struct index *index, const struct label *sorted, uint32_t count,
	const struct label *before, uint32_t shared, uint32_t *pairs)
{
	uint32_t last_count = index->last_epoch == index->epoch ? index->last_count : 0;
	uint32_t own = count;
	bool complete = true;

	if (before != NULL && before == index->last_sorted && last_count == count)
		own = count - shared;
	for (uint32_t i = 0; i < own; i++) {
		if (i < last_count && index->last[i] != 0 &&
			pair_is(index, index->last[i], &sorted[i]))
			pairs[i] = index->last[i];
		else
			pairs[i] = label_find(index, &sorted[i]);
		complete = complete && pairs[i] != 0;
	}
	for (uint32_t i = own; i < count; i++) {
		pairs[i] = index->last[i];
		if (pairs[i] == 0)
			pairs[i] = label_find(index, &sorted[i]);
		complete = complete && pairs[i] != 0;
	}
	last_set(index, sorted, pairs, count);
	return complete;
}

struct store_key index_set_key(const struct index *index, const uint32_t *pairs, uint32_t count)
{
	struct store_key key = set_key(index, pairs, count);

	keys_expect(&index->sets, key);
	return key;
}

uint32_t index_find_set(struct index *index, const struct label *sorted, uint32_t count,
	uint32_t *pairs)
{
	if (!index_find_pairs(index, sorted, count, NULL, 0, pairs))
		return KEYS_NONE;
	return keys_find(&index->sets, index_set_key(index, pairs, count));
}

static void name_release(struct index *index, uint32_t handle)
{
	struct index_name *name = name_at(index, handle);

	if (--name->references > 0)
		return;
	CHECK(keys_remove(&index->names, name_key(index, name->text, name->size)));
	classes_give(&index->cells, handle, sizeof(*name) + name->size + 1);
	index->epoch++;
}

static uint32_t name_take(struct index *index, const char *text, uint32_t size)
{
	struct store_key key = name_key(index, text, size);
	uint32_t handle = keys_find(&index->names, key);
	size_t bytes = sizeof(struct index_name) + size + 1;
	struct index_name *name;

	if (handle != KEYS_NONE) {
		name_at(index, handle)->references++;
		return handle;
	}
	handle = classes_take(&index->cells, bytes);
	if (handle == 0)
		return 0;
	if (!keys_insert(&index->names, key, handle)) {
		classes_give(&index->cells, handle, bytes);
		return 0;
	}
	name = name_at(index, handle);
	name->references = 1;
	name->size = size;
	memcpy(name->text, text, size);
	name->text[size] = '\0';
	return handle;
}

static void pair_free(struct index *index, uint32_t handle)
{
	struct index_pair *pair = pair_at(index, handle);

	CHECK(keys_remove(&index->pairs, pair_key(index, pair->name, pair->text, pair->size)));
	posting_free(&pair->posting, &index->cells);
	name_release(index, pair->name);
	classes_give(&index->cells, handle, sizeof(*pair) + pair->size + 1);
	index->epoch++;
}

/* The reference to the name becomes the pair's; it is given back when memory is out. */
static uint32_t pair_make(struct index *index, uint32_t name, const char *value, uint32_t size)
{
	size_t bytes = sizeof(struct index_pair) + size + 1;
	struct index_pair *pair;
	uint32_t handle;

	if (name == 0)
		return 0;
	handle = classes_take(&index->cells, bytes);
	if (handle == 0) {
		name_release(index, name);
		return 0;
	}
	if (!keys_insert(&index->pairs, pair_key(index, name, value, size), handle)) {
		classes_give(&index->cells, handle, bytes);
		name_release(index, name);
		return 0;
	}
	pair = pair_at(index, handle);
	memset(pair, 0, sizeof(*pair));
	pair->name = name;
	pair->size = size;
	memcpy(pair->text, value, size);
	pair->text[size] = '\0';
	return handle;
}

/* A pair without series is freed, unless it waits for index_clean_one(), which will free it. */
static void pair_release(struct index *index, uint32_t handle)
{
	struct index_pair *pair = pair_at(index, handle);

	if (--pair->references == 0 && !pair->changed)
		pair_free(index, handle);
}

static bool pairs_take(struct index *index, const struct label *sorted, uint32_t count,
	uint32_t *pairs, uint32_t series)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (pairs[i] == 0)
			pairs[i] = pair_make(index,
				name_take(index, sorted[i].name, sorted[i].name_size),
				sorted[i].value, sorted[i].value_size);
		if (pairs[i] == 0)
			goto undo;
		pair_at(index, pairs[i])->references++;
		if (!posting_reserve(&pair_at(index, pairs[i])->posting, &index->cells, series)) {
			i++;
			goto undo;
		}
	}
	return true;
undo:
	while (i > 0)
		pair_release(index, pairs[--i]);
	return false;
}

/* The cell of a set whose key has room in the table; 0 when memory is out. */
static uint32_t set_make(struct index *index, const uint32_t *pairs, uint32_t count,
	struct store_key key, uint32_t series)
{
	uint32_t handle = 0;
	struct index_set *set;

	if (keys_reserve(&index->sets, key))
		handle = classes_take(&index->cells,
			sizeof(struct index_set) + count * sizeof(uint32_t));
	if (handle == 0)
		return 0;
	keys_put(&index->sets, key, series);
	set = slab_at(index->slabs, handle);
	set->count = count;
	memcpy(set->pairs, pairs, count * sizeof(*pairs));
	return handle;
}

uint32_t index_add(struct index *index, const struct label *sorted, uint32_t count, uint32_t *pairs,
	uint32_t series)
{
	uint32_t handle;

	CHECK(count > 0 && count <= INDEX_LABELS_MAX);
	index_settle(index);
	if (!pairs_take(index, sorted, count, pairs, series))
		return 0;
	handle = set_make(index, pairs, count, set_key(index, pairs, count), series);
	for (uint32_t i = 0; i < count; i++) {
		if (handle == 0)
			pair_release(index, pairs[i]);
		else
			posting_add(&pair_at(index, pairs[i])->posting, &index->cells, series);
	}
	if (handle != 0)
		last_set(index, sorted, pairs, count);
	return handle;
}

static void place_settle(struct index *index, struct index_place *place)
{
	struct index_run *run = &index->run;
	uint32_t count = run->series_count - place->from;
	struct index_pair *pair;

	if (place->pair == 0 || count == 0)
		return;
	pair = pair_at(index, place->pair);
	pair->references += count;
	posting_add_many(&pair->posting, &index->cells, run->series + place->from, count);
	place->from = run->series_count;
}

void index_settle(struct index *index)
{
	struct index_run *run = &index->run;

	for (uint32_t i = 0; i < run->place_count; i++)
		place_settle(index, &run->places[i]);
	run->place_count = run->series_count = 0;
}

/* Whether each pair has room to be told of the series. The pairs that have changed are told first and
 * begun afterwards, so that one that moved to another place is in the run once at any time. */
static bool run_reserve(struct index *index, const uint32_t *pairs, uint32_t count, uint32_t series)
{
	struct index_run *run = &index->run;
	uint32_t size = 0;

	if (run->series_count == INDEX_RUN_MAX || run->place_count != count) {
		index_settle(index);
		memset(run->places, 0, count * sizeof(run->places[0]));
		run->place_count = count;
	}
	if (run->series_count > 0)
		size = posting_delta_size(series, run->series[run->series_count - 1]);
	for (uint32_t i = 0; i < count; i++) {
		struct index_place *place = &run->places[i];

		if (place->pair == pairs[i] && place->room > size) {
			place->room -= size;
			continue;
		}
		place_settle(index, place);
		place->pair = 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct index_place *place = &run->places[i];

		if (place->pair != 0)
			continue;
		place->from = run->series_count;
		place->room =
			posting_room(&pair_at(index, pairs[i])->posting, &index->cells, series);
		if (place->room == 0)
			return false;
		place->pair = pairs[i];
	}
	return true;
}

uint32_t index_add_known(struct index *index, const struct label *sorted, uint32_t count,
	const uint32_t *pairs, struct store_key key, uint32_t series)
{
	uint32_t handle;

	CHECK(count > 0 && count <= INDEX_LABELS_MAX);
	if (!run_reserve(index, pairs, count, series))
		return 0;
	handle = set_make(index, pairs, count, key, series);
	if (handle == 0)
		return 0;
	index->run.series[index->run.series_count++] = series;
	last_set(index, sorted, pairs, count);
	return handle;
}

void index_remove(struct index *index, uint32_t handle)
{
	struct index_set *set = slab_at(index->slabs, handle);

	CHECK(keys_remove(&index->sets, set_key(index, set->pairs, set->count)));
	for (uint32_t i = 0; i < set->count; i++) {
		struct index_pair *pair = pair_at(index, set->pairs[i]);

		CHECK(pair->references > 0);
		pair->references--;
		if (!pair->changed) {
			pair->changed = true;
			pair->next_changed = index->first_changed;
			index->first_changed = set->pairs[i];
		}
	}
	classes_give(&index->cells, handle, sizeof(*set) + set->count * sizeof(uint32_t));
}

bool index_clean_one(struct index *index, posting_gone_fn *gone, void *argument)
{
	uint32_t handle = index->first_changed;
	struct index_pair *pair;

	if (handle == 0)
		return false;
	pair = pair_at(index, handle);
	index->first_changed = pair->next_changed;
	pair->changed = false;
	posting_filter(&pair->posting, &index->cells, gone, argument);
	CHECK(pair->posting.count == pair->references);
	if (pair->references == 0)
		pair_free(index, handle);
	return true;
}

uint32_t index_hold_name(struct index *index, const char *name, size_t size)
{
	return name_take(index, name, (uint32_t)size);
}

uint32_t index_hold_pair(struct index *index, uint32_t name, const char *value, size_t size)
{
	uint32_t handle = index_find_pair(index, name, value, size);

	if (handle == 0) {
		name_at(index, name)->references++;
		handle = pair_make(index, name, value, (uint32_t)size);
	}
	if (handle != 0)
		pair_at(index, handle)->references++;
	return handle;
}

void index_release_name(struct index *index, uint32_t handle)
{
	name_release(index, handle);
}

void index_release_pair(struct index *index, uint32_t handle)
{
	pair_release(index, handle);
}

bool index_has_set(const struct index *index, const uint32_t *pairs, uint32_t count)
{
	return keys_find(&index->sets, set_key(index, pairs, count)) != KEYS_NONE;
}
