/*
 * A bump allocator: blocks in a list, each twice the one before (never more than the maximum
 * allows), cut from the front. A request that needs more than the next block would hold gets a
 * block of its own size.
 *
 * Invariants:
 *   1. held is the sum of all blocks' sizes, their headers included, and held <= max.
 *   2. used is the sum of what was handed out since the last reset, with its alignment.
 *   3. current is the last block of the list; memory is only cut from current.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#define ARENA_ALIGN 16
#define ARENA_BLOCK_MIN ((size_t)4096)
#define ARENA_BLOCK_MAX ((size_t)1024 * 1024)
/* What a reset keeps for the next request; more would let one large request hold it for good. */
#define ARENA_KEEP_MAX ((size_t)256 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t size; /* of bytes */
	size_t taken;
	_Alignas(ARENA_ALIGN) char bytes[];
};

void arena_init(struct arena *arena, size_t max)
{
	*arena = (struct arena){.max = max};
}

static void free_after(struct arena *arena, struct arena_block *last)
{
	struct arena_block *block = last == NULL ? arena->first : last->next;

	while (block != NULL) {
		struct arena_block *next = block->next;
		arena->held -= sizeof(*block) + block->size;
		mem_free(block);
		block = next;
	}
	if (last == NULL)
		arena->first = NULL;
	else
		last->next = NULL;
	arena->current = arena->first;
}

void arena_fini(struct arena *arena)
{
	free_after(arena, NULL);
	CHECK(arena->held == 0);
	arena_init(arena, arena->max);
}

void arena_reset(struct arena *arena)
{
	if (arena->first != NULL && arena->first->size > ARENA_KEEP_MAX)
		free_after(arena, NULL);
	else if (arena->first != NULL)
		free_after(arena, arena->first);
	if (arena->first != NULL)
		arena->first->taken = 0;
	arena->used = 0;
}

/* A new current block with room for at least size bytes, or NULL. */
static struct arena_block *grow(struct arena *arena, size_t size)
{
	size_t room = arena->max - arena->held;
	size_t wanted = arena->current == NULL ? ARENA_BLOCK_MIN : arena->current->size * 2;
	struct arena_block *block;

	if (room < sizeof(*block) || room - sizeof(*block) < size)
		return NULL;
	if (wanted > ARENA_BLOCK_MAX)
		wanted = ARENA_BLOCK_MAX;
	if (wanted > room - sizeof(*block))
		wanted = room - sizeof(*block);
	if (wanted < size)
		wanted = size;
	block = mem_alloc_aligned(ARENA_ALIGN, sizeof(*block) + wanted);
	if (block == NULL)
		return NULL;
	block->next = NULL;
	block->size = wanted;
	block->taken = 0;
	if (arena->current == NULL)
		arena->first = block;
	else
		arena->current->next = block;
	arena->current = block;
	arena->held += sizeof(*block) + wanted;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->current;
	void *bytes;

	if (size > arena->max)
		return NULL; /* also keeps the rounding below from overflowing */
	if (size == 0)
		size = 1;
	if (size > SIZE_MAX - (ARENA_ALIGN - 1))
		return NULL;
	size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (block == NULL || block->size - block->taken < size) {
		block = grow(arena, size);
		if (block == NULL)
			return NULL;
	}
	bytes = block->bytes + block->taken;
	block->taken += size;
	arena->used += size;
	return bytes;
}

void *arena_zalloc(struct arena *arena, size_t count, size_t size)
{
	size_t total;
	void *bytes;

	if (__builtin_mul_overflow(count, size, &total))
		return NULL;
	bytes = arena_alloc(arena, total);
	if (bytes != NULL)
		memset(bytes, 0, total);
	return bytes;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
	size_t size = strnlen(text, length);
	char *copy = arena_alloc(arena, size + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, size);
	copy[size] = '\0';
	return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list arguments, again;
	char *text = NULL;
	int length;

	va_start(arguments, format);
	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, arguments);
	if (length >= 0)
		text = arena_alloc(arena, (size_t)length + 1);
	if (text != NULL)
		vsnprintf(text, (size_t)length + 1, format, again);
	va_end(again);
	va_end(arguments);
	return text;
}
