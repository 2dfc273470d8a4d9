/*
 * A feed is a row of entries, oldest first: a value, and the distance in milliseconds from the entry
 * before. A distance longer than 16 bits hold takes further entries, of distance 0, each of which stands
 * for SKIP_MS without a sample.
 *
 *     values     0.31   0.30   0.35    -      -    0.28
 *     distances    1   15000  15003    0      0    9930      (0: SKIP_MS)
 *                  ^ first_ms
 *
 * New entries are put behind the last one, old ones are left behind at the front; at the end of the room
 * the row is moved back. What store_news() cannot tell as an addition empties the feed, and the window is
 * read whole.
 */
#include "analyzers/feed.h"

#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define SKIP_MS 65535
#define ENTRIES_MAX (FEED_SAMPLES_MAX + FEED_SAMPLES_MAX / 8)
#define NEWS_MAX 64

struct feed {
	struct store_cursor cursor;
	int64_t from_ms;           /* nothing since then is missing */
	int64_t first_ms, last_ms; /* times of the first and the last entry */
	uint32_t start, count, room;
	uint16_t *distances; /* [room], behind the values */
	double values[];     /* [room] */
};

void feeds_close(struct feeds *feeds)
{
	if (feeds == NULL)
		return;
	for (int role = 0; role < ROLE_COUNT; role++)
		mem_free(feeds->of[role]);
	mem_free(feeds);
}

static size_t feed_size(size_t room)
{
	return sizeof(struct feed) + room * (sizeof(double) + sizeof(uint16_t));
}

size_t feeds_bytes(const struct feeds *feeds)
{
	size_t bytes = sizeof(*feeds);

	if (feeds == NULL)
		return 0;
	for (int role = 0; role < ROLE_COUNT; role++)
		if (feeds->of[role] != NULL)
			bytes += feed_size(feeds->of[role]->room);
	return bytes;
}

/* An empty feed with room for so many entries, and some before it must be moved. The old one is gone. */
static struct feed *feed_make(struct feed *old, size_t entries)
{
	size_t room = entries + entries / 32 + 8;
	struct feed *feed;

	CHECK(room < FEED_POINTS_MIN);
	mem_free(old);
	feed = mem_alloc(feed_size(room));
	if (feed == NULL)
		return NULL;
	*feed = (struct feed){.room = (uint32_t)room};
	feed->distances = (void *)(feed->values + room);
	return feed;
}

/* Room for one entry more; false when there is none but in a larger feed. */
static bool feed_make_room(struct feed *feed)
{
	if (feed->start + feed->count < feed->room)
		return true;
	if (feed->start == 0)
		return false;
	memmove(feed->values, feed->values + feed->start, feed->count * sizeof(*feed->values));
	memmove(feed->distances, feed->distances + feed->start,
		feed->count * sizeof(*feed->distances));
	feed->start = 0;
	return true;
}

static bool feed_push_entry(struct feed *feed, uint16_t distance, double value)
{
	if (!feed_make_room(feed))
		return false;
	feed->values[feed->start + feed->count] = value;
	feed->distances[feed->start + feed->count] = distance;
	feed->count++;
	return true;
}

/* false when there is no room. */
static bool feed_push(struct feed *feed, const struct store_point *point)
{
	if (feed->count == 0) {
		feed->first_ms = feed->last_ms = point->t_ms;
		return feed_push_entry(feed, 1, point->value);
	}
	while (point->t_ms - feed->last_ms > SKIP_MS) {
		if (!feed_push_entry(feed, 0, 0))
			return false;
		feed->last_ms += SKIP_MS;
	}
	if (!feed_push_entry(feed, (uint16_t)(point->t_ms - feed->last_ms), point->value))
		return false;
	feed->last_ms = point->t_ms;
	return true;
}

/* Leaves behind what is older than t_ms. */
static void feed_drop(struct feed *feed, int64_t t_ms)
{
	while (feed->count > 0 && feed->first_ms < t_ms) {
		feed->start++;
		feed->count--;
		if (feed->count > 0) {
			uint16_t distance = feed->distances[feed->start];

			feed->first_ms += distance == 0 ? SKIP_MS : distance;
		}
	}
	if (feed->count == 0)
		feed->start = 0;
}

static size_t feed_write(const struct feed *feed, struct store_point *points)
{
	const double *values = feed->values + feed->start;
	const uint16_t *distances = feed->distances + feed->start;
	int64_t t_ms = feed->first_ms;
	size_t written = 0;

	for (uint32_t i = 0; i < feed->count; i++) {
		if (i > 0)
			t_ms += distances[i] == 0 ? SKIP_MS : distances[i];
		/* Written in any case, kept when it is a sample: without a branch that is often wrong. */
		points[written] = (struct store_point){t_ms, values[i]};
		written += distances[i] != 0;
	}
	return written;
}

/* Entries that a window takes; more than ENTRIES_MAX: too many. */
static size_t entries_of(const struct store_point *points, size_t count)
{
	size_t entries = count;

	for (size_t i = 1; i < count && entries <= ENTRIES_MAX; i++) {
		uint64_t distance = (uint64_t)points[i].t_ms - (uint64_t)points[i - 1].t_ms;

		entries += distance > SKIP_MS ? (distance - 1) / SKIP_MS : 0;
	}
	return count > FEED_SAMPLES_MAX ? ENTRIES_MAX + 1 : entries;
}

/* Reads the window whole, up to where the cursor stands, and keeps it if that can be. */
static size_t read_anew(struct feed **feed, struct store *store, struct store_cursor *cursor,
	int64_t from_ms, struct store_point *points, size_t max)
{
	size_t count = store_window(store, cursor->series, from_ms, cursor->newest_ms, points, max);
	size_t entries = entries_of(points, count);

	if (entries > ENTRIES_MAX) {
		mem_free(*feed);
		*feed = NULL;
		return count;
	}
	if (*feed == NULL || (*feed)->room < entries + 1)
		*feed = feed_make(*feed, entries);
	if (*feed == NULL)
		return count;
	(*feed)->start = (*feed)->count = 0;
	for (size_t i = 0; i < count; i++)
		(void)feed_push(*feed, &points[i]); /* its room was counted */
	(*feed)->cursor = *cursor;
	(*feed)->from_ms = from_ms;
	return count;
}

/* What is kept goes on with the news; false when they do not fit. */
static bool feed_go_on(struct feed *feed, const struct store_point *news, size_t count,
	int64_t from_ms, int64_t oldest_ms)
{
	feed_drop(feed, from_ms > oldest_ms ? from_ms : oldest_ms);
	feed->from_ms = from_ms;
	for (size_t i = 0; i < count; i++)
		if (news[i].t_ms >= from_ms && !feed_push(feed, &news[i]))
			return false;
	return true;
}

size_t feeds_read(struct feeds *feeds, enum signal_role role, struct store *store, uint32_t series,
	int64_t from_ms, struct store_point *points, size_t max)
{
	struct store_point news[NEWS_MAX];
	struct store_cursor cursor = {.begun = false};
	int64_t oldest_ms = 0;
	size_t count = 0;
	struct feed **feed;

	if (feeds == NULL)
		return store_window(store, series, from_ms, INT64_MAX, points, max);
	CHECK(max >= FEED_POINTS_MIN);
	feed = &feeds->of[role];
	/* A window that begins earlier than the last one did: the clock was put back, or a reload. */
	if (*feed != NULL && from_ms >= (*feed)->from_ms)
		cursor = (*feed)->cursor;
	switch (store_news(store, series, &cursor, news, NEWS_MAX, &count, &oldest_ms)) {
	case STORE_NEWS_GONE:
		mem_free(*feed);
		*feed = NULL;
		return 0;
	case STORE_NEWS_SINCE:
		(*feed)->cursor = cursor;
		if (feed_go_on(*feed, news, count, from_ms, oldest_ms))
			return feed_write(*feed, points);
		break;
	case STORE_NEWS_ANEW:
		break;
	}
	return read_anew(feed, store, &cursor, from_ms, points, max);
}
