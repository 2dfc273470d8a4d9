/*
 * Reading a file of tests. Everything that is wrong is told at once, with its place; a file with an
 * error is not run at all.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/case.h"
#include "remediations/incident.h"
#include "remediations/quantity.h"

/* The test under way; `good` becomes false with each error. */
struct reading {
	struct case_file *file;
	struct case_test *test;
	bool good;
	bool shared_wrong; /* what all tests share has an error, which is told once */
};

static void wrong(struct reading *at, const struct yaml_node *node, const char *text)
{
	yaml_report(&at->file->reader, node, "%s", text);
	at->good = false;
}

/* One more element at the end of an array; NULL: reported. */
static void *grow(struct reading *at, const struct yaml_node *node, void *array, size_t *count,
	size_t max, size_t size)
{
	char *grown;
	void *old;

	if (*count == max) {
		wrong(at, node, "there are too many of these");
		return NULL;
	}
	/* array points to a typed pointer; only its bytes are the same as those of a void *. */
	memcpy(&old, array, sizeof(old));
	grown = mem_resize(old, *count + 1, size);
	if (grown == NULL) {
		wrong(at, node, "out of memory");
		return NULL;
	}
	memcpy(array, &grown, sizeof(old));
	memset(grown + *count * size, 0, size);
	return grown + (*count)++ * size;
}

static const struct yaml_node *list_of(struct reading *at, const struct yaml_node *map,
	const char *key)
{
	const struct yaml_node *list = yaml_get(map, key);

	if (list == NULL || list->kind == YAML_LIST)
		return list;
	wrong(at, list, "this must be a list");
	return NULL;
}

static size_t length_of(const struct yaml_node *list)
{
	return list != NULL ? list->child_count : 0;
}

static bool keys(struct reading *at, const struct yaml_node *node, const char *const *known)
{
	if (!yaml_check_keys(&at->file->reader, node, known)) {
		at->good = false;
		return false;
	}
	return node->kind == YAML_MAP;
}

static void text(struct reading *at, const struct yaml_node *map, const char *key, bool required,
	const char **value)
{
	if (!yaml_read_text(&at->file->reader, map, key, required, value) &&
		(required || yaml_get(map, key) != NULL))
		at->good = false;
}

static void duration(struct reading *at, const struct yaml_node *map, const char *key,
	bool required, int64_t *value_ms)
{
	if (!yaml_read_duration(&at->file->reader, map, key, required, 0, CASE_DURATION_MAX_MS,
		    value_ms) &&
		(required || yaml_get(map, key) != NULL))
		at->good = false;
}

static bool choice(struct reading *at, const struct yaml_node *map, const char *key, bool required,
	const char *const *names, int *value)
{
	if (yaml_read_choice(&at->file->reader, map, key, required, names, value))
		return true;
	if (required || yaml_get(map, key) != NULL)
		at->good = false;
	return false;
}

/* ---- series ---- */

static void read_series(struct reading *at, const struct yaml_node *list)
{
	static const char *const known[] = {"series", "values", NULL};

	for (size_t i = 0; i < length_of(list); i++) {
		const struct yaml_node *node = list->children[i];
		const char *name = NULL, *values = NULL;
		struct case_series *series;
		struct error error;

		if (!keys(at, node, known))
			continue;
		text(at, node, "series", true, &name);
		text(at, node, "values", true, &values);
		if (name == NULL || values == NULL)
			continue;
		series = grow(at, node, &at->test->series, &at->test->series_count, CASE_SERIES_MAX,
			sizeof(*series));
		if (series != NULL && case_series_read(series, name, values, &error) != STATUS_OK) {
			yaml_report(&at->file->reader,
				yaml_get(node, series->labels.count > 0 ? "values" : "series"),
				"%s", error.text);
			at->good = false;
		}
	}
}

/* ---- events ---- */

static bool read_labels(struct reading *at, const struct yaml_node *map, struct labels *labels)
{
	struct label pairs[EVENT_LABELS_MAX];
	struct error error;

	if (map == NULL)
		return true;
	if (map->kind != YAML_MAP || map->child_count > EVENT_LABELS_MAX) {
		wrong(at, map, "this must be a map of texts");
		return false;
	}
	for (size_t i = 0; i < map->child_count; i++) {
		const struct yaml_node *value = map->children[i];

		if (value->kind != YAML_SCALAR) {
			wrong(at, value, "the value of a label is a text");
			return false;
		}
		pairs[i] = (struct label){value->key, value->text, (uint32_t)strlen(value->key),
			(uint32_t)value->text_size};
	}
	if (labels_init(labels, pairs, map->child_count, &error) == STATUS_OK)
		return true;
	wrong(at, map, error.text);
	return false;
}

static void read_event(struct reading *at, const struct yaml_node *node, enum event_source source)
{
	static const char *const alert_keys[] = {"at", "until", "labels", "annotations", NULL};
	static const char *const finding_keys[] = {"at", "until", "labels", "annotations",
		"confidence", "score", "node", NULL};
	struct case_event *event;
	const char *name = NULL;

	if (!keys(at, node, source != EVENT_ALERT ? finding_keys : alert_keys))
		return;
	event = grow(at, node, &at->test->events, &at->test->event_count, CASE_ITEMS_MAX,
		sizeof(*event));
	if (event == NULL)
		return;
	event_init(&event->event);
	event->until_ms = -1;
	duration(at, node, "at", false, &event->at_ms);
	duration(at, node, "until", false, &event->until_ms);
	if (event->until_ms >= 0 && event->until_ms <= event->at_ms)
		wrong(at, yaml_get(node, "until"), "it ends before it begins");
	event->event.source = source;
	event->event.score = event->event.confidence = source != EVENT_ALERT ? 1 : NAN;
	if (!yaml_read_double(&at->file->reader, node, "confidence", false, 0, 1,
		    &event->event.confidence) &&
		yaml_get(node, "confidence") != NULL)
		at->good = false;
	if (!yaml_read_double(&at->file->reader, node, "score", false, -1e9, 1e9,
		    &event->event.score) &&
		yaml_get(node, "score") != NULL)
		at->good = false;
	if (yaml_get(node, "labels") == NULL)
		wrong(at, node, "it has no labels");
	if (read_labels(at, yaml_get(node, "labels"), &event->event.labels))
		event->event.fingerprint = labels_fingerprint(&event->event.labels);
	text(at, node, "node", false, &name);
	if (name != NULL && (event->event.node = mem_strdup(name)) == NULL)
		wrong(at, node, "out of memory");
	(void)read_labels(at, yaml_get(node, "annotations"), &event->event.annotations);
}

/* ---- cluster ---- */

static struct case_change *add_change(struct reading *at, const struct yaml_node *node)
{
	struct case_change *change = grow(at, node, &at->test->changes, &at->test->change_count,
		CASE_ITEMS_MAX, sizeof(*change));

	if (change != NULL)
		change->node = node;
	return change;
}

static void read_manifest(struct reading *at, struct case_change *change,
	const struct yaml_node *node)
{
	change->deed = CASE_APPLY;
	change->manifest = case_manifest_read(&at->file->reader, node);
	if (change->manifest == NULL)
		at->good = false;
}

static void read_cluster(struct reading *at, const struct yaml_node *map)
{
	const struct yaml_node *list = list_of(at, map, "cluster");

	if (list == NULL)
		return;
	at->test->has_cluster = true;
	for (size_t i = 0; i < list->child_count; i++) {
		struct case_change *change = add_change(at, list->children[i]);

		if (change != NULL)
			read_manifest(at, change, list->children[i]);
	}
}

static void read_change(struct reading *at, const struct yaml_node *node)
{
	static const char *const known[] = {"at", "apply", "delete", "reachable", NULL};
	const struct yaml_node *apply = yaml_get(node, "apply");
	struct case_change *change;
	bool reachable;

	if (!keys(at, node, known))
		return;
	change = add_change(at, node);
	if (change == NULL)
		return;
	duration(at, node, "at", true, &change->at_ms);
	if ((apply != NULL) + (yaml_get(node, "delete") != NULL) +
			(yaml_get(node, "reachable") != NULL) !=
		1) {
		wrong(at, node, "a change has one of apply, delete and reachable");
		return;
	}
	if (apply != NULL) {
		read_manifest(at, change, apply);
	} else if (yaml_get(node, "delete") != NULL) {
		change->deed = CASE_DELETE;
		text(at, node, "delete", true, &change->name);
	} else if (yaml_read_bool(&at->file->reader, node, "reachable", true, &reachable)) {
		change->deed = reachable ? CASE_REACHABLE : CASE_UNREACHABLE;
	} else {
		at->good = false;
	}
}

/* ---- words of people ---- */

static void read_word(struct reading *at, const struct yaml_node *node)
{
	static const char *const known[] = {"at", "say", "alert", NULL};
	static const char *const words[] = {"approve", "reject", "undo", "pause", "resume", NULL};
	struct case_word *word;

	if (!keys(at, node, known))
		return;
	word = grow(at, node, &at->test->words, &at->test->word_count, CASE_ITEMS_MAX,
		sizeof(*word));
	if (word == NULL)
		return;
	word->node = node;
	duration(at, node, "at", true, &word->at_ms);
	(void)choice(at, node, "say", true, words, &word->kind);
	text(at, node, "alert", false, &word->alert);
}

/* ---- checks ---- */

#define EXPECT_KEYS_MAX 48

/* A value of this unit, with spaces around it. */
static bool value_of(const char *from, size_t size, enum change_unit unit, int64_t *value)
{
	char number[QUANTITY_TEXT_MAX];

	while (size > 0 && from[0] == ' ') {
		from++;
		size--;
	}
	while (size > 0 && from[size - 1] == ' ')
		size--;
	if (size == 0 || size >= sizeof(number))
		return false;
	memcpy(number, from, size);
	number[size] = '\0';
	if (unit == UNIT_FLAG) {
		*value = strcmp(number, "true") == 0;
		return *value == 1 || strcmp(number, "false") == 0;
	}
	return (unit == UNIT_MILLICORES ? quantity_parse_milli(number, value)
					: quantity_parse(number, value)) == STATUS_OK;
}

static void read_step(struct reading *at, const struct yaml_node *map, enum change_field field,
	struct case_step *step)
{
	enum change_unit unit = change_field_unit(field);
	const char *key = case_field_key(field), *words = NULL, *arrow;

	text(at, map, key, false, &words);
	if (words == NULL)
		return;
	arrow = strstr(words, "->");
	step->set = arrow != NULL && value_of(words, (size_t)(arrow - words), unit, &step->from) &&
		value_of(arrow + 2, strlen(arrow + 2), unit, &step->to);
	if (!step->set)
		wrong(at, yaml_get(map, key),
			unit == UNIT_FLAG ? "this must be a change, like false -> true"
					  : "this must be a change, like 2 -> 3 or 512Mi -> 640Mi");
}

static void read_matchers(struct reading *at, const struct yaml_node *map, struct case_check *check)
{
	const struct yaml_node *list = list_of(at, map, "matchers");

	for (size_t i = 0; i < length_of(list); i++)
		if (list->children[i]->kind != YAML_SCALAR)
			wrong(at, list->children[i],
				"this must be a matcher, like namespace=\"shop\"");
	check->matchers = list;
}

/* What is expected of the plan. */
static void read_plan(struct reading *at, const struct yaml_node *map, struct case_check *check)
{
	for (int i = 0; i < CHANGE_FIELD_COUNT; i++)
		read_step(at, map, (enum change_field)i, &check->fields[i]);
	for (size_t i = 0; i < CASE_WORDS_COUNT; i++)
		text(at, map, case_words_keys[i], false, &check->words[i]);
	for (size_t i = 0; i < CASE_FLAG_COUNT; i++) {
		bool flag;

		if (yaml_read_bool(&at->file->reader, map, case_flag_keys[i], false, &flag))
			check->flags[i] = flag;
		else if (yaml_get(map, case_flag_keys[i]) != NULL)
			at->good = false;
	}
	if (yaml_get(map, "time") != NULL)
		duration(at, map, "time", true, &check->time_ms);
	read_matchers(at, map, check);
}

/* All keys of an expectation, ended by NULL. */
static void list_keys(const char *known[EXPECT_KEYS_MAX])
{
	static const char *const others[] = {"playbook", "action", "target", "state", "refused",
		"outcome", "reason", "joined", "time", "matchers"};
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_COUNT(others); i++)
		known[count++] = others[i];
	for (int i = 0; i < CHANGE_FIELD_COUNT; i++)
		known[count++] = case_field_key((enum change_field)i);
	for (size_t i = 0; i < CASE_WORDS_COUNT; i++)
		known[count++] = case_words_keys[i];
	for (size_t i = 0; i < CASE_FLAG_COUNT; i++)
		known[count++] = case_flag_keys[i];
	CHECK(count < EXPECT_KEYS_MAX);
	known[count] = NULL;
}

static void read_refused(struct reading *at, const struct yaml_node *map, struct case_check *check)
{
	const struct yaml_node *node = yaml_get(map, "refused");
	const struct yaml_node *const *nodes = (const struct yaml_node *const *)&node;
	size_t count = node != NULL ? 1 : 0;

	if (node != NULL && node->kind == YAML_LIST) {
		nodes = (const struct yaml_node *const *)node->children;
		count = node->child_count;
	}
	for (size_t i = 0; i < count; i++) {
		if (nodes[i]->kind != YAML_SCALAR || check->refused_count == CASE_REFUSED_MAX) {
			wrong(at, nodes[i], "this must be a reason code, or a list of up to 8");
			return;
		}
		check->refused_nodes[check->refused_count] = nodes[i];
		check->refused[check->refused_count++] = nodes[i]->text;
	}
}

#define NAME(id, name, ...) name,

static void read_expectation(struct reading *at, const struct yaml_node *map,
	struct case_check *check)
{
	const char *known[EXPECT_KEYS_MAX];
	static const char *const actions[] = {
#define X(kind, name) #name,
		ACTION_TABLE(X)
#undef X
			NULL};
	static const char *const states[] = {ACTION_STATE_TABLE(NAME) NULL};
	static const char *const outcomes[] = {OUTCOME_TABLE(NAME) NULL};
	int index;

	memset(check->flags, -1, sizeof(check->flags));
	check->time_ms = -1;
	list_keys(known);
	if (map == NULL || map->kind == YAML_NULL) {
		wrong(at, check->node,
			"it expects nothing to be so: write `expect: nothing`, or what");
		return;
	}
	if (map->kind == YAML_SCALAR) {
		check->nothing = strcmp(map->text, "nothing") == 0;
		if (!check->nothing)
			wrong(at, map, "this must be `nothing`, or a map of what is expected");
		return;
	}
	if (!keys(at, map, known))
		return;
	if (map->child_count == 0)
		wrong(at, map, "it expects nothing to be so: write `expect: nothing`, or what");
	text(at, map, "playbook", false, &check->playbook);
	text(at, map, "target", false, &check->target);
	text(at, map, "reason", false, &check->reason);
	text(at, map, "joined", false, &check->joined);
	if (choice(at, map, "action", false, actions, &index))
		check->action = actions[index];
	if (choice(at, map, "state", false, states, &index))
		check->state = states[index];
	if (choice(at, map, "outcome", false, outcomes, &index))
		check->outcome = outcomes[index];
	read_plan(at, map, check);
	read_refused(at, map, check);
}

static void read_check(struct reading *at, const struct yaml_node *node)
{
	static const char *const known[] = {"at", "alert", "labels", "expect", NULL};
	struct case_check *check;

	if (!keys(at, node, known))
		return;
	check = grow(at, node, &at->test->checks, &at->test->check_count, CASE_ITEMS_MAX,
		sizeof(*check));
	if (check == NULL)
		return;
	check->node = yaml_get(node, "expect") != NULL ? yaml_get(node, "expect") : node;
	duration(at, node, "at", true, &check->at_ms);
	text(at, node, "alert", false, &check->alert);
	check->labels = yaml_get(node, "labels");
	if (check->labels != NULL && check->labels->kind != YAML_MAP)
		wrong(at, check->labels, "this must be a map of labels");
	read_expectation(at, yaml_get(node, "expect"), check);
}

/* ---- tests ---- */

static int by_time(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* Stable, as the order of the file is that of one moment; the lists are short. */
static void sort_changes(struct case_test *test)
{
	for (size_t i = 1; i < test->change_count; i++)
		for (size_t k = i;
			k > 0 && by_time(test->changes[k - 1].at_ms, test->changes[k].at_ms) > 0;
			k--) {
			struct case_change swap = test->changes[k];

			test->changes[k] = test->changes[k - 1];
			test->changes[k - 1] = swap;
		}
}

static void sort_checks(struct case_test *test)
{
	for (size_t i = 1; i < test->check_count; i++)
		for (size_t k = i;
			k > 0 && by_time(test->checks[k - 1].at_ms, test->checks[k].at_ms) > 0;
			k--) {
			struct case_check swap = test->checks[k];

			test->checks[k] = test->checks[k - 1];
			test->checks[k - 1] = swap;
		}
}

typedef void read_item_fn(struct reading *at, const struct yaml_node *node);

static void read_alert(struct reading *at, const struct yaml_node *node)
{
	read_event(at, node, EVENT_ALERT);
}

static void read_finding(struct reading *at, const struct yaml_node *node)
{
	read_event(at, node, EVENT_FINDING);
}

static void read_proposal(struct reading *at, const struct yaml_node *node)
{
	read_event(at, node, EVENT_PROPOSAL);
}

static void read_items(struct reading *at, const struct yaml_node *map, const char *key,
	read_item_fn *read)
{
	const struct yaml_node *list = list_of(at, map, key);

	for (size_t i = 0; i < length_of(list); i++)
		read(at, list->children[i]);
}

static void read_start(struct reading *at, const struct yaml_node *map)
{
	const char *start = NULL;

	text(at, map, "start", false, &start);
	if (start != NULL && parse_rfc3339(start, &at->test->start_ms) != STATUS_OK)
		wrong(at, yaml_get(map, "start"), "this must be a time, like 2026-01-01T00:00:00Z");
}

static void read_interval(struct reading *at, const struct yaml_node *map)
{
	if (!yaml_read_duration(&at->file->reader, map, "interval", false, 1000, 3600000,
		    &at->test->interval_ms) &&
		yaml_get(map, "interval") != NULL)
		at->good = false;
}

/* What the file gives to each of its tests. */
static void read_shared(struct reading *at, const struct yaml_node *root)
{
	bool good = at->good;

	at->good = true;
	read_start(at, root);
	read_interval(at, root);
	read_series(at, list_of(at, root, "input_series"));
	read_cluster(at, root);
	at->shared_wrong = !at->good;
	at->good = at->good && good;
}

static void read_test(struct reading *at, const struct yaml_node *root,
	const struct yaml_node *node)
{
	static const char *const known[] = {"name", "start", "interval", "settings", "input_series",
		"cluster", "changes", "alerts", "findings", "proposals", "people", "checks", NULL};
	struct case_test *test = grow(at, node, &at->file->tests, &at->file->test_count,
		CASE_TESTS_MAX, sizeof(*test));

	if (test == NULL || !keys(at, node, known))
		return;
	at->test = test;
	*test = (struct case_test){.node = node,
		.name = "test",
		.start_ms = INT64_C(1767225600000), /* 2026-01-01T00:00:00Z */
		.interval_ms = 15000};
	text(at, node, "name", true, &test->name);
	test->settings = yaml_get(node, "settings");
	read_shared(at, root);
	read_start(at, node);
	read_interval(at, node);
	read_series(at, list_of(at, node, "input_series"));
	read_cluster(at, node);
	read_items(at, node, "changes", read_change);
	read_items(at, node, "alerts", read_alert);
	read_items(at, node, "findings", read_finding);
	read_items(at, node, "proposals", read_proposal);
	read_items(at, node, "people", read_word);
	read_items(at, node, "checks", read_check);
	if (test->check_count == 0)
		wrong(at, node, "it checks nothing: give it `checks`");
	sort_changes(test);
	sort_checks(test);
}

/* ---- the file ---- */

/* Beside the file of tests, unless the path begins at the root. */
static char *beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	struct buf joined;
	char *taken;

	buf_init(&joined, 8192);
	if (path[0] != '/' && slash != NULL)
		buf_add(&joined, file, (size_t)(slash - file) + 1);
	buf_add_text(&joined, path);
	taken = buf_ok(&joined) ? buf_take(&joined, NULL) : NULL;
	buf_fini(&joined);
	return taken;
}

static void read_playbooks(struct reading *at, const struct yaml_node *root)
{
	const struct yaml_node *list = list_of(at, root, "playbooks");

	if (length_of(list) == 0)
		wrong(at, root, "it names no playbook: give it `playbooks`, a list of files");
	for (size_t i = 0; i < length_of(list); i++) {
		const struct yaml_node *node = list->children[i];
		char **path;

		if (node->kind != YAML_SCALAR) {
			wrong(at, node, "this must be the path of a playbook");
			continue;
		}
		path = grow(at, node, &at->file->playbooks, &at->file->playbook_count, 256,
			sizeof(*path));
		if (path == NULL)
			continue;
		*path = beside(at->file->path, node->text);
		if (*path == NULL)
			wrong(at, node, "the path is too long, or memory is out");
	}
}

static void read_file(struct reading *at)
{
	static const char *const known[] = {"playbooks", "start", "interval", "settings",
		"input_series", "cluster", "tests", NULL};
	const struct yaml_node *root = yaml_root(at->file->document), *tests;

	if (root->kind != YAML_MAP) {
		wrong(at, root, "a file of tests is a map with playbooks and tests");
		return;
	}
	(void)keys(at, root, known);
	at->file->settings = yaml_get(root, "settings");
	read_playbooks(at, root);
	tests = list_of(at, root, "tests");
	if (length_of(tests) == 0)
		wrong(at, root, "there are no tests");
	for (size_t i = 0; i < length_of(tests) && !at->shared_wrong; i++)
		read_test(at, root, tests->children[i]);
}

struct case_file *case_file_open(const char *path, struct diagnostics *diagnostics)
{
	struct case_file *file = mem_zalloc(1, sizeof(*file));
	struct reading at = {.file = file, .good = true};
	size_t errors = diagnostics->errors;

	if (file == NULL) {
		diagnostics_add(diagnostics, false, path, 0, 0, "out of memory");
		return NULL;
	}
	file->path = path;
	file->document = yaml_open_file(path, diagnostics);
	if (file->document != NULL) {
		file->reader = (struct yaml_reader){path, diagnostics};
		read_file(&at);
		if (at.good && diagnostics->errors == errors)
			return file;
	}
	case_file_close(file);
	return NULL;
}

static void test_fini(struct case_test *test)
{
	for (size_t i = 0; i < test->series_count; i++)
		case_series_fini(&test->series[i]);
	for (size_t i = 0; i < test->event_count; i++)
		event_fini(&test->events[i].event);
	for (size_t i = 0; i < test->change_count; i++)
		json_decref(test->changes[i].manifest);
	mem_free(test->series);
	mem_free(test->events);
	mem_free(test->changes);
	mem_free(test->words);
	mem_free(test->checks);
}

void case_file_close(struct case_file *file)
{
	if (file == NULL)
		return;
	for (size_t i = 0; i < file->test_count; i++)
		test_fini(&file->tests[i]);
	for (size_t i = 0; i < file->playbook_count; i++)
		mem_free(file->playbooks[i]);
	mem_free(file->tests);
	mem_free(file->playbooks);
	yaml_close(file->document);
	mem_free(file);
}
