/*
 * A hash table with chains. A series is its label bytes in one block, a fifth of what struct labels would
 * take, and the number of the round that saw it last.
 */
#include "remote_write/told.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define SLOTS_MIN 64

struct told_series {
	struct told_series *next;
	uint64_t hash, round;
	int64_t last_ms;
	uint32_t label_count;
	size_t size;
	char bytes
		[]; /* of each label: sizes of name and value, the name and the value, each with a NUL */
};

struct told {
	struct told_series **slots; /* [slot_count], a power of two */
	size_t slot_count, count, max;
	uint64_t round;
	size_t cursor;                       /* slot that told_ended() is at */
	struct told_series *gone;            /* what it took out last */
	struct label pairs[TOLD_LABELS_MAX]; /* of that one */
};

struct told *told_open(size_t series_max, struct error *error)
{
	struct told *told = mem_zalloc(1, sizeof(*told));

	if (told != NULL) {
		told->max = series_max;
		told->slot_count = SLOTS_MIN;
		while (told->slot_count < series_max && told->slot_count < SIZE_MAX / 32)
			told->slot_count *= 2;
		told->slots = mem_zalloc(told->slot_count, sizeof(*told->slots));
	}
	if (told == NULL || told->slots == NULL) {
		error_set(error, STATUS_NO_MEMORY, "no memory for %zu series", series_max);
		told_close(told);
		return NULL;
	}
	return told;
}

void told_close(struct told *told)
{
	if (told == NULL)
		return;
	for (size_t i = 0; told->slots != NULL && i < told->slot_count; i++)
		while (told->slots[i] != NULL) {
			struct told_series *series = told->slots[i];

			told->slots[i] = series->next;
			mem_free(series);
		}
	mem_free(told->gone);
	mem_free(told->slots);
	mem_free(told);
}

size_t told_count(const struct told *told)
{
	return told->count;
}

void told_begin(struct told *told)
{
	told->round++;
	told->cursor = 0;
	mem_free(told->gone);
	told->gone = NULL;
}

static size_t label_bytes(const struct label *label)
{
	return 2 * sizeof(uint32_t) + (size_t)label->name_size + label->value_size + 2;
}

/* The label at `at`; the place behind it. */
static const char *read_label(const char *at, struct label *label)
{
	memcpy(&label->name_size, at, sizeof(uint32_t));
	memcpy(&label->value_size, at + sizeof(uint32_t), sizeof(uint32_t));
	label->name = at + 2 * sizeof(uint32_t);
	label->value = label->name + label->name_size + 1;
	return label->value + label->value_size + 1;
}

static bool same(const struct told_series *series, const struct labels *labels)
{
	const char *at = series->bytes;

	if (series->label_count != labels->count)
		return false;
	for (uint32_t i = 0; i < labels->count; i++) {
		const struct label *label = &labels->pairs[i];
		struct label kept;

		at = read_label(at, &kept);
		if (kept.name_size != label->name_size || kept.value_size != label->value_size ||
			memcmp(kept.name, label->name, kept.name_size) != 0 ||
			memcmp(kept.value, label->value, kept.value_size) != 0)
			return false;
	}
	return true;
}

static char *write_text(char *at, const char *text, uint32_t size)
{
	memcpy(at, text, size);
	at[size] = '\0';
	return at + size + 1;
}

static struct told_series *series_make(const struct labels *labels)
{
	struct told_series *series;
	size_t size = 0;
	char *at;

	for (uint32_t i = 0; i < labels->count; i++)
		size += label_bytes(&labels->pairs[i]);
	series = mem_alloc(sizeof(*series) + size);
	if (series == NULL)
		return NULL;
	*series = (struct told_series){.label_count = labels->count, .size = size};
	at = series->bytes;
	for (uint32_t i = 0; i < labels->count; i++) {
		const struct label *label = &labels->pairs[i];

		memcpy(at, &label->name_size, sizeof(uint32_t));
		memcpy(at + sizeof(uint32_t), &label->value_size, sizeof(uint32_t));
		at = write_text(at + 2 * sizeof(uint32_t), label->name, label->name_size);
		at = write_text(at, label->value, label->value_size);
	}
	return series;
}

enum told_answer told_see(struct told *told, const struct labels *labels, int64_t t_ms)
{
	uint64_t hash = labels_fingerprint(labels);
	struct told_series **slot = &told->slots[hash & (told->slot_count - 1)], *series = *slot;

	CHECK(labels->count <= TOLD_LABELS_MAX);
	while (series != NULL && (series->hash != hash || !same(series, labels)))
		series = series->next;
	if (series != NULL) {
		series->round = told->round;
		if (t_ms <= series->last_ms)
			return TOLD_BEFORE;
		series->last_ms = t_ms;
		return TOLD_SEND;
	}
	if (told->count >= told->max)
		return TOLD_FULL;
	series = series_make(labels);
	if (series == NULL)
		return TOLD_NO_MEMORY;
	series->hash = hash;
	series->round = told->round;
	series->last_ms = t_ms;
	series->next = *slot;
	*slot = series;
	told->count++;
	return TOLD_SEND;
}

/* Out of the table; NULL: all that are left were seen. */
static struct told_series *take_unseen(struct told *told)
{
	for (; told->cursor < told->slot_count; told->cursor++) {
		struct told_series **place = &told->slots[told->cursor];

		while (*place != NULL && (*place)->round == told->round)
			place = &(*place)->next;
		if (*place != NULL) {
			struct told_series *series = *place;

			*place = series->next;
			told->count--;
			return series;
		}
	}
	return NULL;
}

bool told_ended(struct told *told, struct labels *labels, int64_t *last_ms)
{
	const char *at;

	mem_free(told->gone);
	told->gone = take_unseen(told);
	if (told->gone == NULL)
		return false;
	at = told->gone->bytes;
	for (uint32_t i = 0; i < told->gone->label_count; i++)
		at = read_label(at, &told->pairs[i]);
	*labels = (struct labels){.pairs = told->pairs, .count = told->gone->label_count};
	*last_ms = told->gone->last_ms;
	return true;
}
