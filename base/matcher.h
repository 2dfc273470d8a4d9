/*
 * Matchers of labels: =, !=, =~, !~. Regular expressions are PCRE2, anchored at both ends, UTF-8,
 * compiled once, with a match limit, so that no pattern can hold a thread.
 *
 * Ownership: a struct matchers owns its matchers and compiled patterns.
 * Limits: MATCHERS_MAX matchers, patterns up to 4 KiB, match limit 100,000 steps (a value that
 *   exceeds it does not match, for =~ and !~ alike, and is counted by `limit_hits`; so is one for
 *   which memory was out, counted by `memory_misses`: who decides something for good looks there).
 * Threads: matching is safe from several threads at once.
 */
#ifndef NIMBUSGUARD_BASE_MATCHER_H
#define NIMBUSGUARD_BASE_MATCHER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/labels.h"

#define MATCHERS_MAX 32

enum matcher_type { MATCHER_EQUAL, MATCHER_NOT_EQUAL, MATCHER_REGEX, MATCHER_NOT_REGEX };

struct matcher {
	enum matcher_type type;
	char *name, *value;
	void *pattern; /* compiled, for the two regex types */
};

struct matchers {
	struct matcher *list;
	size_t count;
	_Atomic uint64_t limit_hits, memory_misses;
};

void matchers_init(struct matchers *matchers);
void matchers_fini(struct matchers *matchers);
/* Drops the matchers behind the first `count`. */
void matchers_cut(struct matchers *matchers, size_t count);
enum status matchers_add(struct matchers *matchers, enum matcher_type type, const char *name,
	const char *value, struct error *error) MUST_CHECK;
/* A PromQL instant selector, appended: metric{a="b",c=~"d"}, {..} or metric; values in double or
 * single quotes with Go's escapes or in backticks; Prometheus 3's quoted names too. One matcher at
 * least must refuse the empty value. The error names the column (characters, from 1); on error the
 * matchers are as before. */
enum status matchers_parse_selector(struct matchers *matchers, const char *text,
	struct error *error) MUST_CHECK;
/* One Alertmanager matcher, appended: name="value", name=~value. In quotes only \\ \" and \n are
 * escapes (Alertmanager's classic rule); without quotes a value may not hold {}!=~,\"'` or spaces. */
enum status matchers_parse_one(struct matchers *matchers, const char *text,
	struct error *error) MUST_CHECK;

/* value: NUL-terminated; an absent label is "". */
bool matcher_test(struct matchers *matchers, const struct matcher *matcher, const char *value);
/* True when every matcher does; a value that is not UTF-8 fits no =~ and no !~. */
bool matchers_test(struct matchers *matchers, const struct labels *labels);
/* = != =~ !~ */
const char *matcher_operator(enum matcher_type type);
/* A selector that matchers_parse_selector() reads back to the same matchers. */
void matchers_write(struct buf *buf, const struct matchers *matchers);

#endif
