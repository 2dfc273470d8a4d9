/*
 * An array by id, grown slab by slab. A place keeps the time of the sample beside the start: so it is
 * known whether the start is that of the newest sample, and what an earlier series with the same id
 * left behind is never taken for one.
 */
#include "store/start.h"

#include "base/mem.h"
#include "store/layout.h"

struct start {
	_Atomic int64_t t_ms, start_ms;
};

struct starts {
	struct store *store;
	struct segments places;
	pthread_mutex_t lock; /* for growing */
};

struct starts *starts_open(struct store *store, struct error *error)
{
	struct starts *starts = mem_zalloc(1, sizeof(*starts));

	if (starts == NULL ||
		segments_init(&starts->places, &store->slabs, sizeof(struct start),
			store->id_max) != STATUS_OK) {
		mem_free(starts);
		error_set(error, STATUS_NO_MEMORY, "no memory for the starts of series");
		return NULL;
	}
	starts->store = store;
	(void)pthread_mutex_init(&starts->lock, NULL);
	return starts;
}

void starts_close(struct starts *starts)
{
	if (starts == NULL)
		return;
	(void)pthread_mutex_destroy(&starts->lock);
	segments_fini(&starts->places);
	mem_free(starts);
}

static bool place_exists(const struct starts *starts, uint32_t series)
{
	return atomic_load_explicit(&starts->places.slab[series >> starts->places.shift],
		       memory_order_acquire) != 0;
}

static bool place_make(struct starts *starts, uint32_t series)
{
	bool made;

	(void)pthread_mutex_lock(&starts->lock);
	made = segments_grow(&starts->places, series);
	(void)pthread_mutex_unlock(&starts->lock);
	return made;
}

/* Whether the place tells of the newest sample, so that an older one that comes late must not take it.
 * Else it is that of a sample that was not stored, or of an earlier series. */
static bool is_newest(const struct starts *starts, uint32_t series, struct start *place)
{
	struct store_point newest;

	return store_newest(starts->store, series, &newest) &&
		newest.t_ms == atomic_load_explicit(&place->t_ms, memory_order_relaxed);
}

void starts_note(struct starts *starts, uint32_t series, int64_t t_ms, int64_t start_ms)
{
	struct start *place;

	if (start_ms == 0 || start_ms > t_ms || !id_exists(starts->store, series) ||
		(!place_exists(starts, series) && !place_make(starts, series)))
		return;
	place = segment_at(&starts->places, series);
	if (t_ms < atomic_load_explicit(&place->t_ms, memory_order_relaxed) &&
		is_newest(starts, series, place))
		return;
	atomic_store_explicit(&place->start_ms, start_ms, memory_order_relaxed);
	atomic_store_explicit(&place->t_ms, t_ms, memory_order_release);
}

bool starts_get(struct starts *starts, uint32_t series, int64_t *start_ms)
{
	struct store_point newest;
	struct start *place;

	if (!store_newest(starts->store, series, &newest) || !place_exists(starts, series))
		return false;
	place = segment_at(&starts->places, series);
	if (atomic_load_explicit(&place->t_ms, memory_order_acquire) != newest.t_ms)
		return false;
	*start_ms = atomic_load_explicit(&place->start_ms, memory_order_relaxed);
	return *start_ms != 0;
}
