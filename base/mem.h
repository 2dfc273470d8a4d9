/*
 * The one door to the heap: every allocation can be made to fail in turn, and failure is an answer.
 *
 * Ownership: what is returned belongs to the caller and is given back by mem_free().
 * Threads: all functions may be called from any thread; the fault injection counts per process.
 */
#ifndef NIMBUSGUARD_BASE_MEM_H
#define NIMBUSGUARD_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* NULL when memory is out (or a fault was injected). size 0 is treated as 1. */
void *mem_alloc(size_t size) MUST_CHECK;
/* Zeroed; count * size is checked for overflow. */
void *mem_zalloc(size_t count, size_t size) MUST_CHECK;
/* Array growth with overflow check; on NULL the old block is still valid. */
void *mem_resize(void *block, size_t count, size_t size) MUST_CHECK;
/* aligned: a power of two, at least sizeof(void *). Freed by mem_free(). */
void *mem_alloc_aligned(size_t aligned, size_t size) MUST_CHECK;
void mem_free(void *block);

char *mem_strdup(const char *text) MUST_CHECK;
char *mem_strndup(const char *text, size_t length) MUST_CHECK;

/* Fault injection for the allocation sweep: the nth allocation from now (1 is the next) fails,
 * and each later one too when `sticky`; 0 turns it off. Returns whether the last armed fault
 * was reached since it was armed. */
bool mem_fail_after(long nth, bool sticky);

#endif
