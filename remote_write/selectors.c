#include "remote_write/selectors.h"

#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define SCRATCH_KEEP_MAX ((size_t)64 << 10)
#define SCRATCH_MAX ((size_t)1 << 30)

enum status selectors_init(struct selectors *selectors, const char *name, const char *const *texts,
	size_t count, struct error *error)
{
	enum status status;

	*selectors = (struct selectors){.list = NULL};
	if (count == 0)
		return STATUS_OK;
	if (count > SELECTORS_MAX)
		return error_set(error, STATUS_LIMIT, "%s: more than %d selectors", name,
			SELECTORS_MAX);
	selectors->list = mem_zalloc(count, sizeof(*selectors->list));
	if (selectors->list == NULL)
		return error_set(error, STATUS_NO_MEMORY, "%s: out of memory", name);
	for (size_t i = 0; i < count; i++) {
		matchers_init(&selectors->list[i]);
		selectors->count++;
		status = matchers_parse_selector(&selectors->list[i], texts[i], error);
		if (status != STATUS_OK) {
			error_prefix(error, "%s: %.200s", name, texts[i]);
			selectors_fini(selectors);
			return status;
		}
	}
	return STATUS_OK;
}

void selectors_fini(struct selectors *selectors)
{
	for (size_t i = 0; i < selectors->count; i++)
		matchers_fini(&selectors->list[i]);
	mem_free(selectors->list);
	*selectors = (struct selectors){.list = NULL};
}

enum status selector_scratch_init(struct selector_scratch *scratch, uint32_t pair_max)
{
	*scratch = (struct selector_scratch){.pair_max = pair_max};
	buf_init(&scratch->text, SCRATCH_MAX);
	scratch->pairs = mem_zalloc(pair_max, sizeof(*scratch->pairs));
	return scratch->pairs != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

void selector_scratch_fini(struct selector_scratch *scratch)
{
	buf_fini(&scratch->text);
	mem_free(scratch->pairs);
	*scratch = (struct selector_scratch){.pairs = NULL};
}

static char *copy_text(char *at, const char *text, uint32_t size, const char **copy)
{
	*copy = at;
	if (size > 0)
		memcpy(at, text, size);
	at[size] = '\0';
	return at + size + 1;
}

enum status selector_scratch_labels(struct selector_scratch *scratch, const struct label *pairs,
	uint32_t count, struct labels *labels)
{
	size_t size = 0;
	char *at;

	CHECK(count <= scratch->pair_max);
	for (uint32_t i = 0; i < count; i++)
		size += (size_t)pairs[i].name_size + pairs[i].value_size + 2;
	if (scratch->text.capacity > SCRATCH_KEEP_MAX)
		buf_fini(&scratch->text);
	buf_reset(&scratch->text);
	at = buf_reserve(&scratch->text, size);
	if (at == NULL)
		return STATUS_NO_MEMORY;
	for (uint32_t i = 0; i < count; i++) {
		struct label *pair = &scratch->pairs[i];
		*pair = pairs[i];
		at = copy_text(at, pairs[i].name, pairs[i].name_size, &pair->name);
		at = copy_text(at, pairs[i].value, pairs[i].value_size, &pair->value);
	}
	*labels = (struct labels){.pairs = scratch->pairs, .count = count};
	return STATUS_OK;
}

enum status selectors_match(struct selectors *selectors, const struct labels *labels, bool *matches)
{
	*matches = false;
	for (size_t i = 0; i < selectors->count && !*matches; i++) {
		struct matchers *matchers = &selectors->list[i];
		uint64_t misses = atomic_load(&matchers->memory_misses);
		*matches = matchers_test(matchers, labels);
		/* Another thread's miss may be taken for ours: then the sender sends again. */
		if (!*matches && atomic_load(&matchers->memory_misses) != misses)
			return STATUS_NO_MEMORY;
	}
	return STATUS_OK;
}
