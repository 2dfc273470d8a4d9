/*
 * Series by matchers, and the labels of a series.
 *
 * Candidates come from the shortest posting of an equality matcher (all ids when there is none),
 * copied under the lock. They are tested in groups: equality is decided under the lock by comparing
 * handles; values for regular expressions are copied out and tested without it, once per distinct
 * label pair as far as a small table of verdicts remembers them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "store/layout.h"

#define GROUP 64u
#define VERDICTS 2048u                     /* a power of two */
#define TEXTS_SIZE (MATCHERS_MAX * 16384u) /* what one candidate can ask at most */

struct verdict {
	uint32_t pair, matcher;
	bool known, matches;
};

/* A value that a regular expression has still to see. */
struct question {
	uint32_t candidate, matcher, pair, text;
};

struct sieve {
	struct store *store;
	struct matchers *matchers;
	uint64_t epoch;
	bool resolved;
	uint32_t names[MATCHERS_MAX]; /* handles as of `epoch`, 0: no series has it */
	uint32_t pairs[MATCHERS_MAX];
	bool passed[GROUP];
	struct question questions[GROUP * 4];
	uint32_t question_count;
	uint32_t texts_used;
	struct verdict verdicts[VERDICTS];
	char texts[TEXTS_SIZE];
};

static bool is_regex(const struct matcher *matcher)
{
	return matcher->type == MATCHER_REGEX || matcher->type == MATCHER_NOT_REGEX;
}

/* Handles of names and pairs; remembered until one is freed. Those that were unknown are looked up
 * again each time: they may have come meanwhile. */
static void sieve_resolve(struct sieve *sieve)
{
	const struct index *index = &sieve->store->index;

	if (!sieve->resolved || sieve->epoch != index->epoch)
		memset(sieve->verdicts, 0, sizeof(sieve->verdicts));
	for (size_t i = 0; i < sieve->matchers->count; i++) {
		const struct matcher *matcher = &sieve->matchers->list[i];

		sieve->names[i] = index_find_name(index, matcher->name, strlen(matcher->name));
		sieve->pairs[i] = 0;
		if (sieve->names[i] != 0 && !is_regex(matcher) && matcher->value[0] != '\0')
			sieve->pairs[i] = index_find_pair(index, sieve->names[i], matcher->value,
				strlen(matcher->value));
	}
	sieve->epoch = index->epoch;
	sieve->resolved = true;
}

static bool set_has(const struct index_set *set, uint32_t pair)
{
	for (uint32_t i = 0; pair != 0 && i < set->count; i++) {
		if (set->pairs[i] == pair)
			return true;
	}
	return false;
}

/* The pair of a set with this name, or 0. */
static uint32_t set_pair(const struct index *index, const struct index_set *set, uint32_t name)
{
	for (uint32_t i = 0; name != 0 && i < set->count; i++) {
		if (index_pair_at(index, set->pairs[i])->name == name)
			return set->pairs[i];
	}
	return 0;
}

static struct verdict *verdict_of(struct sieve *sieve, uint32_t pair, uint32_t matcher)
{
	uint32_t hash = (pair * 2654435761u) ^ (matcher * 40503u);

	return &sieve->verdicts[(hash >> 16 ^ hash) & (VERDICTS - 1)];
}

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_LATER, ANSWER_FULL };

static enum answer regex_test(struct sieve *sieve, const struct index_set *set, uint32_t candidate,
	uint32_t matcher)
{
	const struct index *index = &sieve->store->index;
	uint32_t pair = set_pair(index, set, sieve->names[matcher]);
	const struct verdict *verdict = verdict_of(sieve, pair, matcher);
	const char *text = pair == 0 ? "" : index_pair_at(index, pair)->text;
	uint32_t size = (pair == 0 ? 0 : index_pair_at(index, pair)->size) + 1;

	if (verdict->known && verdict->pair == pair && verdict->matcher == matcher)
		return verdict->matches ? ANSWER_YES : ANSWER_NO;
	if (sieve->question_count == sizeof(sieve->questions) / sizeof(sieve->questions[0]) ||
		TEXTS_SIZE - sieve->texts_used < size)
		return ANSWER_FULL;
	sieve->questions[sieve->question_count++] =
		(struct question){candidate, matcher, pair, sieve->texts_used};
	memcpy(sieve->texts + sieve->texts_used, text, size);
	sieve->texts_used += size;
	return ANSWER_LATER;
}

static enum answer matcher_ask(struct sieve *sieve, const struct index_set *set, uint32_t candidate,
	uint32_t i)
{
	const struct matcher *matcher = &sieve->matchers->list[i];
	bool equal;

	if (is_regex(matcher))
		return regex_test(sieve, set, candidate, i);
	/* An absent label is the empty value. */
	equal = matcher->value[0] == '\0'
		? set_pair(&sieve->store->index, set, sieve->names[i]) == 0
		: set_has(set, sieve->pairs[i]);
	return equal == (matcher->type == MATCHER_EQUAL) ? ANSWER_YES : ANSWER_NO;
}

static enum answer candidate_ask(struct sieve *sieve, uint32_t id, uint32_t candidate)
{
	const struct index_set *set;

	if (ring_state_of(ring_of(sieve->store, id)) != RING_LIVE)
		return ANSWER_NO;
	set = index_set_at(&sieve->store->index, slot_of(sieve->store, id)->set);
	/* The cheap matchers first: most candidates fall there. */
	for (int regex = 0; regex < 2; regex++) {
		for (uint32_t i = 0; i < sieve->matchers->count; i++) {
			enum answer answer;

			if (is_regex(&sieve->matchers->list[i]) != (regex == 1))
				continue;
			answer = matcher_ask(sieve, set, candidate, i);
			if (answer == ANSWER_NO || answer == ANSWER_FULL)
				return answer;
		}
	}
	return ANSWER_YES;
}

static void questions_answer(struct sieve *sieve)
{
	for (uint32_t i = 0; i < sieve->question_count; i++) {
		const struct question *question = &sieve->questions[i];
		struct verdict *verdict = verdict_of(sieve, question->pair, question->matcher);

		if (!verdict->known || verdict->pair != question->pair ||
			verdict->matcher != question->matcher) {
			verdict->pair = question->pair;
			verdict->matcher = question->matcher;
			verdict->known = true;
			verdict->matches = matcher_test(sieve->matchers,
				&sieve->matchers->list[question->matcher],
				sieve->texts + question->text);
		}
		if (!verdict->matches)
			sieve->passed[question->candidate] = false;
	}
}

/* Tests the first candidates, at most a group of them, sets passed[]; returns how many. */
static uint32_t group_test(struct sieve *sieve, const uint32_t *ids, size_t count)
{
	uint32_t tested = 0;

	sieve->question_count = 0;
	sieve->texts_used = 0;
	(void)pthread_mutex_lock(&sieve->store->index_lock);
	sieve_resolve(sieve);
	for (; tested < GROUP && tested < count; tested++) {
		enum answer answer = candidate_ask(sieve, ids[tested], tested);

		/* One candidate alone always fits. */
		if (answer == ANSWER_FULL && tested > 0)
			break;
		sieve->passed[tested] = answer == ANSWER_YES;
	}
	(void)pthread_mutex_unlock(&sieve->store->index_lock);
	questions_answer(sieve);
	return tested;
}

/* The shortest posting of an equality matcher; NULL when there is none. *empty: a pair that no
 * series has is asked for. Under the index's lock. */
static const struct posting *shortest_posting(const struct store *store,
	const struct matchers *matchers, bool *empty)
{
	const struct posting *shortest = NULL;

	for (size_t i = 0; i < matchers->count; i++) {
		const struct matcher *matcher = &matchers->list[i];
		uint32_t name, pair;

		if (matcher->type != MATCHER_EQUAL || matcher->value[0] == '\0')
			continue;
		name = index_find_name(&store->index, matcher->name, strlen(matcher->name));
		pair = name == 0 ? 0
				 : index_find_pair(&store->index, name, matcher->value,
					   strlen(matcher->value));
		if (pair == 0) {
			*empty = true;
			return NULL;
		}
		if (shortest == NULL ||
			index_pair_at(&store->index, pair)->posting.count < shortest->count)
			shortest = &index_pair_at(&store->index, pair)->posting;
	}
	return shortest;
}

/* Copies the candidates when `room` is enough, else says how much is needed. */
static size_t candidates_copy(struct store *store, const struct matchers *matchers, uint32_t *ids,
	size_t room)
{
	bool empty = false;
	const struct posting *posting;
	struct posting_cursor cursor;
	size_t count = 0;

	(void)pthread_mutex_lock(&store->index_lock);
	posting = shortest_posting(store, matchers, &empty);
	if (!empty && posting != NULL) {
		count = posting->count;
		posting_cursor_init(&cursor, posting, &store->index.cells);
		for (size_t i = 0; count <= room && i < count; i++)
			(void)posting_next(&cursor, &ids[i]);
	} else if (!empty) {
		count = atomic_load_explicit(&store->id_end, memory_order_relaxed);
		for (size_t i = 0; count <= room && i < count; i++)
			ids[i] = (uint32_t)i;
	}
	(void)pthread_mutex_unlock(&store->index_lock);
	return count;
}

static int id_compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static enum status candidates_get(struct store *store, const struct matchers *matchers,
	uint32_t **ids, size_t *count)
{
	size_t room = 0;

	*ids = NULL;
	for (;;) {
		uint32_t *larger;

		*count = candidates_copy(store, matchers, *ids, room);
		if (*count <= room)
			break;
		room = *count + *count / 8 + 16;
		larger = mem_resize(*ids, room, sizeof(**ids));
		if (larger == NULL) {
			mem_free(*ids);
			*ids = NULL;
			return STATUS_NO_MEMORY;
		}
		*ids = larger;
	}
	for (size_t i = 1; i < *count; i++) {
		if ((*ids)[i - 1] > (*ids)[i]) {
			qsort(*ids, *count, sizeof(**ids), id_compare);
			break;
		}
	}
	return STATUS_OK;
}

enum status store_select(struct store *store, struct matchers *matchers, size_t max,
	struct store_selection *selection, struct error *error)
{
	struct sieve *sieve;
	uint32_t *ids;
	size_t count, done = 0, kept = 0;
	enum status status;

	memset(selection, 0, sizeof(*selection));
	CHECK(matchers->count <= MATCHERS_MAX);
	status = candidates_get(store, matchers, &ids, &count);
	if (status != STATUS_OK)
		return error_set(error, status, "no memory to select among the series");
	sieve = mem_alloc(sizeof(*sieve));
	if (sieve == NULL) {
		mem_free(ids);
		return error_set(error, STATUS_NO_MEMORY, "no memory to select among the series");
	}
	sieve->store = store;
	sieve->matchers = matchers;
	sieve->resolved = false;
	while (done < count && status == STATUS_OK) {
		uint32_t tested = group_test(sieve, ids + done, count - done);

		for (uint32_t i = 0; i < tested; i++) {
			if (!sieve->passed[i])
				continue;
			if (kept == max) {
				status = error_set(error, STATUS_LIMIT,
					"more than %zu series match", max);
				break;
			}
			ids[kept++] = ids[done + i];
		}
		done += tested;
	}
	mem_free(sieve);
	selection->series = ids;
	selection->count = kept;
	return status;
}

void store_selection_fini(struct store_selection *selection)
{
	mem_free(selection->series);
	memset(selection, 0, sizeof(*selection));
}

enum status store_labels(struct store *store, uint32_t series, struct labels *labels)
{
	struct label pairs[INDEX_LABELS_MAX];
	const struct index *index = &store->index;
	const struct index_set *set;
	enum status status = STATUS_NOT_FOUND;

	memset(labels, 0, sizeof(*labels));
	if (!id_exists(store, series))
		return STATUS_NOT_FOUND;
	(void)pthread_mutex_lock(&store->index_lock);
	if (ring_state_of(ring_of(store, series)) == RING_LIVE) {
		set = index_set_at(index, slot_of(store, series)->set);
		for (uint32_t i = 0; i < set->count; i++) {
			const struct index_pair *pair = index_pair_at(index, set->pairs[i]);
			const struct index_name *name = index_name_at(index, pair->name);

			pairs[i] = (struct label){name->text, pair->text, name->size, pair->size};
		}
		status = labels_init(labels, pairs, set->count, NULL);
	}
	(void)pthread_mutex_unlock(&store->index_lock);
	return status;
}
