/*
 * Tests of playbooks: a YAML file says what the service hears and sees, and what it shall decide.
 * The file is read here (case_read.c, case_series.c), run through the product's own engine, guard,
 * resolver, store and signal reader against a cluster in memory (case_run.c), and what came is held
 * against what was expected (case_check.c). docs/playbooks.md, "Tests", has the form.
 *
 * Ownership: struct case_file owns everything below it; texts point into its document.
 * Limits: the maxima below.
 * Threads: one.
 */
#ifndef NIMBUSGUARD_DAEMON_CASE_H
#define NIMBUSGUARD_DAEMON_CASE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/event.h"
#include "base/yaml.h"
#include "daemon/case_cluster.h"
#include "daemon/bundle.h"
#include "remediations/change.h"

#define CASE_TESTS_MAX 1000
#define CASE_SERIES_MAX 1000
#define CASE_VALUES_MAX 100000
#define CASE_ITEMS_MAX 1000 /* alerts, changes, words and checks of one test, each */
#define CASE_REFUSED_MAX 8
#define CASE_DURATION_MAX_MS (INT64_C(7) * 86400000)

struct case_value {
	double value;
	bool absent; /* no sample at this time */
};

struct case_series {
	struct labels labels;
	struct case_value *values;
	size_t count;
};

/* An alert, finding or proposal that comes at at_ms and ends at until_ms (-1: not). Times are from
 * the start of the test. */
struct case_event {
	int64_t at_ms, until_ms;
	struct event event; /* without its times */
};

enum case_deed { CASE_APPLY, CASE_DELETE, CASE_UNREACHABLE, CASE_REACHABLE };

/* Something that happens to the cluster. */
struct case_change {
	int64_t at_ms;
	enum case_deed deed;
	json_t *manifest; /* CASE_APPLY */
	const char *name; /* CASE_DELETE */
	const struct yaml_node *node;
};

enum case_word_kind { CASE_APPROVE, CASE_REJECT, CASE_UNDO, CASE_PAUSE, CASE_RESUME };

/* What a person says of the newest action of the incident of an alert. */
struct case_word {
	int64_t at_ms;
	int kind; /* enum case_word_kind */
	const char *alert;
	const struct yaml_node *node;
};

/* "2 -> 3" */
struct case_step {
	bool set;
	int64_t from, to;
};

/* X(id, key): what a plan is asked for by words that it must have */
#define CASE_WORDS_TABLE(X)                                                                        \
	X(WORDS_PLAN, "plan")       /* a part of the plan in words */                              \
	X(WORDS_OBJECT, "object")   /* what is written in the target's stead */                    \
	X(WORDS_BY, "by")           /* how a pod is restarted: delete, evict */                    \
	X(WORDS_JOB, "job")         /* the Job's name */                                           \
	X(WORDS_PAYLOAD, "payload") /* a part of what is sent */                                   \
	X(WORDS_TITLE, "title")     /* of a ticket */                                              \
	X(WORDS_TEXT, "text")       /* a part of a ticket's text */

/* X(id, key): and what is so or not */
#define CASE_FLAG_TABLE(X)                                                                         \
	X(FLAG_DRY_RUN, "dry_run")                                                                 \
	X(FLAG_IN_PLACE, "in_place") /* pods are resized, and no others take their place */        \
	X(FLAG_LOCAL_DATA, "delete_local_data")                                                    \
	X(FLAG_UNOWNED, "delete_unowned")                                                          \
	X(FLAG_FOREIGN, "cordoned_by_others")

enum case_words {
#define X(id, key) id,
	CASE_WORDS_TABLE(X)
#undef X
		CASE_WORDS_COUNT
};

enum case_flag {
#define X(id, key) id,
	CASE_FLAG_TABLE(X)
#undef X
		CASE_FLAG_COUNT
};

/* The key by which a change of this field is expected. */
const char *case_field_key(enum change_field field);
extern const char *const case_words_keys[CASE_WORDS_COUNT];
extern const char *const case_flag_keys[CASE_FLAG_COUNT];

struct case_check {
	int64_t at_ms;
	const char *alert;              /* NULL: any */
	const struct yaml_node *labels; /* NULL: any; else a map that the event's labels include */
	const struct yaml_node *node;   /* of `expect` */
	bool nothing;
	const char *playbook, *action, *target, *state, *outcome, *reason, *joined;
	const char *words[CASE_WORDS_COUNT]; /* NULL: not asked */
	int flags[CASE_FLAG_COUNT];          /* -1: not asked */
	struct case_step fields[CHANGE_FIELD_COUNT];
	int64_t time_ms;                  /* -1: not asked */
	const struct yaml_node *matchers; /* a list of texts; NULL: not asked */
	const char *refused[CASE_REFUSED_MAX];
	const struct yaml_node *refused_nodes[CASE_REFUSED_MAX];
	size_t refused_count;
};

struct case_test {
	const char *name;
	const struct yaml_node *node, *settings;
	int64_t start_ms, interval_ms;
	bool has_cluster;
	struct case_series *series;
	struct case_event *events;
	struct case_change *changes; /* by time; those at 0 that make the cluster come first */
	struct case_word *words;
	struct case_check *checks; /* by time */
	size_t series_count, event_count, change_count, word_count, check_count;
};

struct case_file {
	const char *path;
	struct yaml_document *document;
	struct yaml_reader reader;
	const struct yaml_node *settings;
	char **playbooks; /* paths, beside the file */
	size_t playbook_count;
	struct case_test *tests;
	size_t test_count;
};

/* What is wrong is in diagnostics. NULL: there was an error. path is borrowed. */
struct case_file *case_file_open(const char *path, struct diagnostics *diagnostics) MUST_CHECK;
void case_file_close(struct case_file *file);

/* Adds the samples of one series in promtool's notation: 1 1+2x3 5-1x2 7x4 _ _x3 stale NaN Inf.
 * The error names what is wrong; name is a selector of equalities. STATUS_NO_MEMORY. */
enum status case_series_read(struct case_series *series, const char *name, const char *values,
	struct error *error) MUST_CHECK;
void case_series_fini(struct case_series *series);

/* What became of a test. */
struct case_result {
	size_t failures;
	struct buf text; /* lines for people; their place first */
};

struct case_options {
	bool verbose; /* each step of each incident */
};

/* Runs one test. STATUS_BAD_INPUT: the test itself is wrong (diagnostics: settings, playbooks);
 * STATUS_NO_MEMORY. result->text is the caller's (buf_fini()) whatever the status. */
enum status case_run(const struct case_file *file, const struct case_test *test,
	struct bundle *bundle, const struct case_options *options, struct case_result *result,
	struct diagnostics *diagnostics) MUST_CHECK;

#endif
