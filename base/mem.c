/*
 * The heap, and the faults that are injected into it.
 *
 * A single atomic holds how many allocations are left until the fault. While nothing is armed an
 * allocation costs one relaxed load of it. `sticky` faults stay armed, so that code which retries
 * or takes a second way meets failure there too.
 */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_long fault_countdown; /* 0: off; n: the nth allocation from now fails */
static atomic_bool fault_sticky;
static atomic_bool fault_reached;

static bool fault_due(void)
{
	long left = atomic_load_explicit(&fault_countdown, memory_order_relaxed);

	if (__builtin_expect(left == 0, 1))
		return false;
	/* Threads race for the countdown: exactly one of them draws the last number. A sticky fault
	 * stays at 1, so that each later one draws it too. */
	while (left != 0) {
		long next = left == 1 && atomic_load(&fault_sticky) ? 1 : left - 1;
		if (atomic_compare_exchange_weak(&fault_countdown, &left, next)) {
			if (left != 1)
				return false;
			atomic_store(&fault_reached, true);
			return true;
		}
	}
	return false;
}

void *mem_alloc(size_t size)
{
	if (size > PTRDIFF_MAX || fault_due())
		return NULL;
	return malloc(size == 0 ? 1 : size);
}

void *mem_zalloc(size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total) || total > PTRDIFF_MAX || fault_due())
		return NULL;
	return calloc(1, total == 0 ? 1 : total);
}

void *mem_resize(void *block, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total) || total > PTRDIFF_MAX || fault_due())
		return NULL;
	return realloc(block, total == 0 ? 1 : total);
}

void *mem_alloc_aligned(size_t aligned, size_t size)
{
	void *block = NULL;

	if (size > PTRDIFF_MAX || fault_due())
		return NULL;
	if (posix_memalign(&block, aligned, size == 0 ? 1 : size) != 0)
		return NULL;
	return block;
}

void mem_free(void *block)
{
	free(block);
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t length)
{
	size_t size = strnlen(text, length);
	char *copy = mem_alloc(size + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, size);
	copy[size] = '\0';
	return copy;
}

bool mem_fail_after(long nth, bool sticky)
{
	bool reached;

	/* Off first, so that no other thread meets the new countdown with the old word. */
	atomic_store(&fault_countdown, 0);
	reached = atomic_exchange(&fault_reached, false);
	atomic_store(&fault_sticky, sticky);
	atomic_store(&fault_countdown, nth > 0 ? nth : 0);
	return reached;
}
