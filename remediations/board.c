/*
 * The board: per kind a hash table by key and a list from the newest entry to the oldest. The lock
 * is a leaf: under it memory is copied and nothing else.
 */
#include "remediations/board.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/json_span.h"
#include "base/mem.h"

#define WORD_MAX 32
#define STATES_MAX 24

struct entry {
	struct entry *next_hash, *newer, *older;
	char *key, *json;
	char state[WORD_MAX], outcome[WORD_MAX];
	bool open;
};

struct shelf {
	struct entry **buckets; /* [bucket_count], a power of 2 */
	size_t bucket_count, count;
	struct entry *newest, *oldest;
};

struct board {
	pthread_mutex_t lock;
	size_t entry_max;
	struct shelf shelves[BOARD_KIND_COUNT];
};

struct board *board_open(size_t entry_max)
{
	struct board *board = mem_zalloc(1, sizeof(*board));
	size_t buckets = 16;

	if (!board)
		return NULL;
	while (buckets < entry_max)
		buckets *= 2;
	board->entry_max = entry_max ? entry_max : 1;
	CHECK(pthread_mutex_init(&board->lock, NULL) == 0);
	for (unsigned i = 0; i < BOARD_KIND_COUNT; i++) {
		board->shelves[i].bucket_count = buckets;
		board->shelves[i].buckets = mem_zalloc(buckets, sizeof(struct entry *));
		if (!board->shelves[i].buckets) {
			board_close(board);
			return NULL;
		}
	}
	return board;
}

static void entry_free(struct entry *entry)
{
	if (!entry)
		return;
	mem_free(entry->key);
	mem_free(entry->json);
	mem_free(entry);
}

void board_close(struct board *board)
{
	if (!board)
		return;
	for (unsigned i = 0; i < BOARD_KIND_COUNT; i++) {
		struct entry *entry = board->shelves[i].newest, *older;

		for (; entry; entry = older) {
			older = entry->older;
			entry_free(entry);
		}
		mem_free(board->shelves[i].buckets);
	}
	pthread_mutex_destroy(&board->lock);
	mem_free(board);
}

static void read_word(const struct json_span *value, char word[WORD_MAX])
{
	if (value->kind == SPAN_STRING && value->size < WORD_MAX &&
		json_span_decode(value, word, NULL, NULL))
		word[0] = '\0';
}

static void read_facts(struct entry *entry)
{
	/* Bodies are our own, or were read before they came here: they are not checked once more. The walk
	 * stays inside what is none. */
	const struct json_span root = {SPAN_OBJECT, entry->json, strlen(entry->json)};
	struct json_span key, value;
	struct json_walk walk;
	bool ended = false, open = true;

	if (*entry->json != '{')
		return;
	json_walk_init(&walk, &root);
	while (json_walk_next(&walk, &key, &value)) {
		if (json_span_is(&key, "state") || json_span_is(&key, "status"))
			read_word(&value, entry->state);
		else if (json_span_is(&key, "outcome"))
			read_word(&value, entry->outcome);
		else if (json_span_is(&key, "open"))
			(void)!json_span_bool(&value, &open, NULL);
		else if (json_span_is(&key, "ended"))
			(void)!json_span_bool(&value, &ended, NULL);
	}
	entry->open = open && !ended && strcmp(entry->state, "resolved") != 0;
}

static struct entry **bucket_of(const struct shelf *shelf, const char *key)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * UINT64_C(1099511628211);
	return &shelf->buckets[hash & (shelf->bucket_count - 1)];
}

static struct entry *find(const struct shelf *shelf, const char *key)
{
	struct entry *entry = *bucket_of(shelf, key);

	while (entry && strcmp(entry->key, key) != 0)
		entry = entry->next_hash;
	return entry;
}

static void unlink_entry(struct shelf *shelf, struct entry *entry)
{
	struct entry **at = bucket_of(shelf, entry->key);

	while (*at != entry)
		at = &(*at)->next_hash;
	*at = entry->next_hash;
	*(entry->newer ? &entry->newer->older : &shelf->newest) = entry->older;
	*(entry->older ? &entry->older->newer : &shelf->oldest) = entry->newer;
	shelf->count--;
}

static void link_newest(struct shelf *shelf, struct entry *entry)
{
	struct entry **bucket = bucket_of(shelf, entry->key);

	entry->next_hash = *bucket;
	*bucket = entry;
	entry->older = shelf->newest;
	entry->newer = NULL;
	*(shelf->newest ? &shelf->newest->newer : &shelf->oldest) = entry;
	shelf->newest = entry;
	shelf->count++;
}

/* Takes the oldest ended entry out, or the oldest when all are open. */
static struct entry *take_oldest(struct shelf *shelf)
{
	struct entry *entry = shelf->oldest;

	while (entry && entry->open)
		entry = entry->newer;
	if (!entry)
		entry = shelf->oldest;
	CHECK(entry != NULL);
	unlink_entry(shelf, entry);
	return entry;
}

enum status board_put(struct board *board, enum board_kind kind, const char *key, const char *json)
{
	struct shelf *shelf = &board->shelves[kind];
	struct entry *made = mem_zalloc(1, sizeof(*made)), *old, *gone = NULL;

	if (!made)
		return STATUS_NO_MEMORY;
	made->key = mem_strdup(key);
	made->json = mem_strdup(json);
	if (!made->key || !made->json) {
		entry_free(made);
		return STATUS_NO_MEMORY;
	}
	read_facts(made);
	pthread_mutex_lock(&board->lock);
	old = find(shelf, key);
	if (old && kind != BOARD_ALERTS) {
		char *text = old->json;

		old->json = made->json;
		made->json = text;
		memcpy(old->state, made->state, sizeof(old->state));
		memcpy(old->outcome, made->outcome, sizeof(old->outcome));
		old->open = made->open;
		gone = made;
	} else {
		/* An alert that fires again is news. */
		if (old) {
			unlink_entry(shelf, old);
			gone = old;
		} else if (shelf->count >= board->entry_max) {
			gone = take_oldest(shelf);
		}
		link_newest(shelf, made);
	}
	pthread_mutex_unlock(&board->lock);
	entry_free(gone);
	return STATUS_OK;
}

static bool fits(const struct entry *entry, const char *state)
{
	if (!state || !*state || !strcmp(entry->state, state) || !strcmp(entry->outcome, state))
		return true;
	return !strcmp(state, entry->open ? "open" : "ended");
}

enum status board_write(struct board *board, enum board_kind kind, const char *state, size_t limit,
	struct buf *json)
{
	size_t count = 0;

	buf_add_char(json, '[');
	pthread_mutex_lock(&board->lock);
	for (const struct entry *entry = board->shelves[kind].newest; entry && count < limit;
		entry = entry->older) {
		if (!fits(entry, state))
			continue;
		if (count++)
			buf_add_char(json, ',');
		buf_add_text(json, entry->json);
	}
	pthread_mutex_unlock(&board->lock);
	buf_add_char(json, ']');
	return buf_ok(json) ? STATUS_OK : STATUS_TOO_LARGE;
}

enum status board_get(struct board *board, enum board_kind kind, const char *key, struct buf *json)
{
	const struct entry *entry;

	pthread_mutex_lock(&board->lock);
	entry = find(&board->shelves[kind], key);
	if (entry)
		buf_add_text(json, entry->json);
	pthread_mutex_unlock(&board->lock);
	if (!entry)
		return STATUS_NOT_FOUND;
	return buf_ok(json) ? STATUS_OK : STATUS_TOO_LARGE;
}

void board_count(struct board *board, enum board_kind kind,
	void (*count)(void *argument, const char *state, size_t entries), void *argument)
{
	char states[STATES_MAX][WORD_MAX];
	size_t counts[STATES_MAX] = {0}, used = 0;

	pthread_mutex_lock(&board->lock);
	for (const struct entry *entry = board->shelves[kind].newest; entry; entry = entry->older) {
		size_t at = 0;

		while (at < used && strcmp(states[at], entry->state) != 0)
			at++;
		if (at == STATES_MAX)
			continue;
		if (at == used)
			memcpy(states[used++], entry->state, WORD_MAX);
		counts[at]++;
	}
	pthread_mutex_unlock(&board->lock);
	for (size_t i = 0; i < used; i++)
		count(argument, states[i], counts[i]);
}

size_t board_open_entries(struct board *board, enum board_kind kind)
{
	size_t count = 0;

	pthread_mutex_lock(&board->lock);
	for (const struct entry *entry = board->shelves[kind].newest; entry; entry = entry->older)
		count += entry->open;
	pthread_mutex_unlock(&board->lock);
	return count;
}
