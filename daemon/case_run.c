/*
 * Running one test in a sandbox. Time jumps from one thing that is due to the next: samples, scans,
 * alerts, changes of the cluster, words of people, checks, and what the engine itself waits for. At one
 * moment they come in this order: changes, samples, scan, alerts and findings, the engine until nothing
 * is asked any more, people, checks. The journal is an array.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/case_world.h"
#include "daemon/config_values.h"

#define MEMORY_MAX (16 * MIB)
#define MOMENTS_MAX 2000000

int64_t world_elapsed_ms(const struct world *world)
{
	return sandbox_now_ms(&world->sandbox) - world->test->start_ms;
}

/* The test cannot go on. */
static void give_up(struct world *world, const struct yaml_node *node, const char *words)
{
	struct yaml_reader reader = {world->file->path, world->diagnostics};

	if (!world->failed)
		yaml_report(&reader, node, "%s", words);
	world->failed = world->sandbox.failed = true;
}

/* ---- what the sandbox tells ---- */

static void gave_up(void *argument, const char *words)
{
	struct world *world = argument;

	give_up(world, world->test->node, words);
}

static void recorded(void *argument, struct record *record)
{
	struct world *world = argument;

	if (world->record_count == CASE_RECORDS_MAX) {
		give_up(world, world->test->node, "the test journals too much");
		record_fini(record);
		return;
	}
	world->records[world->record_count++] = *record;
}

static void sent(void *argument, const struct command *command)
{
	struct world *world = argument;

	if (command->payload != NULL &&
		json_object_set_new(world->sent, command->action_id,
			json_string(command->payload)) != 0)
		give_up(world, world->test->node, "out of memory");
}

static void told(void *argument, const struct news *news)
{
	struct world *world = argument;
	char time[32];

	if (!world->options->verbose || news->kind != NEWS_STATE)
		return;
	format_duration(world_elapsed_ms(world), time, sizeof(time));
	buf_printf(&world->result->text, "    %-8s %s: %s: %s\n", time, news->playbook, news->word,
		news->text);
}

/* ---- opening ---- */

/* The service's own defaults, but for mode and dry run: a test is about what would be done. */
static bool open_config(struct world *world)
{
	static const struct config_flag flags[] = {{"mode", "auto"}, {"no-dry-run", NULL}};
	const struct yaml_node *trees[] = {world->file->settings, world->test->settings};
	struct yaml_reader reader = {world->file->path, world->diagnostics};
	size_t errors = world->diagnostics->errors;

	world->config = config_load(NULL, NULL, flags, ARRAY_COUNT(flags), world->diagnostics);
	for (size_t i = 0; world->config != NULL && i < ARRAY_COUNT(trees); i++)
		if (trees[i] != NULL)
			config_read_file(world->config, &reader, trees[i]);
	return world->config != NULL && world->diagnostics->errors == errors;
}

static enum status open_world(struct world *world, struct bundle *bundle, struct error *error)
{
	struct sandbox_config config = {.bundle = bundle,
		.playbook_paths = (const char *const *)world->file->playbooks,
		.playbook_path_count = world->file->playbook_count,
		.start_ms = world->test->start_ms,
		.has_cluster = world->test->has_cluster,
		.argument = world,
		.told = told,
		.sent = sent,
		.recorded = recorded,
		.gave_up = gave_up};

	world->records = mem_zalloc(CASE_RECORDS_MAX, sizeof(*world->records));
	world->series = mem_zalloc(world->test->series_count, sizeof(*world->series));
	world->sent = json_object();
	if (world->records == NULL || world->series == NULL || world->sent == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < world->test->series_count; i++)
		world->series[i] = STORE_NO_SERIES;
	if (!open_config(world))
		return error_set(error, STATUS_BAD_INPUT, "the settings have errors");
	config.config = world->config;
	config.store = (struct store_limits){.memory_max = MEMORY_MAX,
		.series_max = CASE_SERIES_MAX + 1,
		.retention_ms = config_int(world->config, SETTING_STORAGE_RETENTION),
		.interval_ms = world->test->interval_ms,
		.ended_keep_ms = config_int(world->config, SETTING_STORAGE_ENDED_KEEP),
		.future_max_ms = config_int(world->config, SETTING_INGEST_FUTURE_MAX)};
	return sandbox_open(&world->sandbox, &config, world->diagnostics, error);
}

static void close_world(struct world *world)
{
	sandbox_close(&world->sandbox);
	for (size_t i = 0; i < world->record_count; i++)
		record_fini(&world->records[i]);
	config_close(world->config);
	json_decref(world->sent);
	mem_free(world->records);
	mem_free(world->series);
}

/* ---- what happens ---- */

static void change_cluster(struct world *world, const struct case_change *change)
{
	enum status status = STATUS_OK;
	struct error error;

	switch (change->deed) {
	case CASE_APPLY:
		status = case_cluster_apply(&world->sandbox.cluster, change->manifest, &error);
		break;
	case CASE_DELETE:
		status = case_cluster_delete(&world->sandbox.cluster, change->name, &error);
		break;
	case CASE_UNREACHABLE:
	case CASE_REACHABLE:
		world->sandbox.cluster.unreachable = change->deed == CASE_UNREACHABLE;
		break;
	}
	if (status != STATUS_OK)
		give_up(world, change->node, error.text);
}

static void append(struct world *world, size_t index, double value)
{
	const struct labels *labels = &world->test->series[index].labels;
	uint64_t counts[APPEND_RESULT_COUNT] = {0};
	struct store_sample sample = {.t_ms = sandbox_now_ms(&world->sandbox), .value = value};
	struct error error;
	struct buf raw;

	if (world->series[index] == STORE_NO_SERIES) {
		buf_init(&raw, 1 << 20);
		labels_write(&raw, labels);
		if (!buf_ok(&raw) ||
			store_intern(world->sandbox.store,
				store_key_of(world->sandbox.store, raw.data, raw.size),
				labels->pairs, labels->count, &world->series[index],
				&error) != STATUS_OK)
			give_up(world, world->test->node, "a series cannot be kept");
		buf_fini(&raw);
	}
	sample.series = world->series[index];
	if (!world->failed)
		store_append(world->sandbox.store, &sample, 1, counts);
}

static void append_all(struct world *world)
{
	size_t step = (size_t)(world_elapsed_ms(world) / world->test->interval_ms);

	if (world_elapsed_ms(world) % world->test->interval_ms != 0)
		return;
	for (size_t i = 0; i < world->test->series_count; i++) {
		const struct case_series *series = &world->test->series[i];

		if (step < series->count && !series->values[step].absent)
			append(world, i, series->values[step].value);
	}
}

/* An event of the test as the engine is given it. */
static bool make_event(struct world *world, const struct case_event *given, bool firing,
	struct event *event)
{
	if (event_clone(event, &given->event) != STATUS_OK) {
		give_up(world, world->test->node, "out of memory");
		return false;
	}
	event->firing = firing;
	event->starts_ms = world->test->start_ms + given->at_ms;
	event->ends_ms = firing ? 0 : world->test->start_ms + given->until_ms;
	event->received_ms = sandbox_now_ms(&world->sandbox);
	return true;
}

/* All events of this moment. */
static void give_events(struct world *world)
{
	const struct case_test *test = world->test;
	int64_t at_ms = world_elapsed_ms(world);
	struct event *events = mem_zalloc(test->event_count, sizeof(*events));
	size_t count = 0;

	if (events == NULL) {
		give_up(world, test->node, "out of memory");
		return;
	}
	for (size_t i = 0; i < test->event_count; i++) {
		const struct case_event *given = &test->events[i];

		if ((given->at_ms == at_ms || given->until_ms == at_ms) &&
			make_event(world, given, given->at_ms == at_ms, &events[count]))
			count++;
	}
	if (!world->failed)
		(void)sandbox_give(&world->sandbox, events, count);
	for (size_t i = 0; i < count; i++)
		event_fini(&events[i]);
	mem_free(events);
}

static void say(struct world *world, const struct case_word *word)
{
	static const struct person who = {.identity = "test", .role = ""};
	int64_t now_ms = sandbox_now_ms(&world->sandbox);
	const struct incident *incident;
	const struct action *action;
	struct error error;
	enum status status;
	size_t count;

	if (word->kind == CASE_PAUSE || word->kind == CASE_RESUME) {
		(void)engine_pause(world->sandbox.engine, word->kind == CASE_PAUSE, who.identity,
			now_ms);
		return;
	}
	incident = world_incident(world, word->alert, NULL, &count);
	action = incident != NULL ? incident_action(incident) : NULL;
	if (action == NULL) {
		world_fail(world, word->node, word->at_ms);
		buf_add_text(&world->result->text,
			"there is no action that this could be said of\n");
		return;
	}
	if (word->kind == CASE_UNDO)
		status = engine_undo(world->sandbox.engine, action->id, &who, now_ms, &error);
	else
		status = engine_approve(world->sandbox.engine, action->id, &who,
			word->kind == CASE_APPROVE, now_ms, &error);
	if (status == STATUS_OK)
		return;
	world_fail(world, word->node, word->at_ms);
	buf_printf(&world->result->text, "the word was not taken: %s\n", error.text);
}

static void live_moment(struct world *world)
{
	const struct case_test *test = world->test;
	int64_t at_ms = world_elapsed_ms(world);

	for (size_t i = 0; i < test->change_count && !world->failed; i++)
		if (test->changes[i].at_ms == at_ms)
			change_cluster(world, &test->changes[i]);
	append_all(world);
	if (at_ms % world->sandbox.scan_ms == 0)
		sandbox_scan(&world->sandbox);
	give_events(world);
	sandbox_settle(&world->sandbox);
	for (size_t i = 0; i < test->word_count && !world->failed; i++)
		if (test->words[i].at_ms == at_ms)
			say(world, &test->words[i]);
	sandbox_settle(&world->sandbox);
	for (size_t i = 0; i < test->check_count && !world->failed; i++)
		if (test->checks[i].at_ms == at_ms)
			world_check(world, &test->checks[i]);
}

/* ---- time ---- */

static void earlier(int64_t *next_ms, int64_t at_ms, int64_t now_ms)
{
	if (at_ms > now_ms && at_ms < *next_ms)
		*next_ms = at_ms;
}

/* When the next thing is due, after this moment; since the start. */
static int64_t next_moment(const struct world *world)
{
	const struct case_test *test = world->test;
	int64_t now_ms = world_elapsed_ms(world), next_ms = INT64_MAX;
	int64_t due_ms = engine_due(world->sandbox.engine);

	earlier(&next_ms, (now_ms / test->interval_ms + 1) * test->interval_ms, now_ms);
	earlier(&next_ms, (now_ms / world->sandbox.scan_ms + 1) * world->sandbox.scan_ms, now_ms);
	if (due_ms != INT64_MAX)
		earlier(&next_ms, due_ms - test->start_ms, now_ms);
	for (size_t i = 0; i < test->change_count; i++)
		earlier(&next_ms, test->changes[i].at_ms, now_ms);
	for (size_t i = 0; i < test->event_count; i++) {
		earlier(&next_ms, test->events[i].at_ms, now_ms);
		earlier(&next_ms, test->events[i].until_ms, now_ms);
	}
	for (size_t i = 0; i < test->word_count; i++)
		earlier(&next_ms, test->words[i].at_ms, now_ms);
	for (size_t i = 0; i < test->check_count; i++)
		earlier(&next_ms, test->checks[i].at_ms, now_ms);
	return next_ms;
}

static void live(struct world *world)
{
	const struct case_test *test = world->test;
	int64_t end_ms = test->checks[test->check_count - 1].at_ms;

	for (int moments = 0; !world->failed; moments++) {
		int64_t next_ms;

		live_moment(world);
		next_ms = next_moment(world);
		if (next_ms > end_ms)
			return;
		if (moments == MOMENTS_MAX)
			give_up(world, test->node, "the test takes too many steps");
		clock_manual_advance(&world->sandbox.clock, next_ms - world_elapsed_ms(world));
	}
}

enum status case_run(const struct case_file *file, const struct case_test *test,
	struct bundle *bundle, const struct case_options *options, struct case_result *result,
	struct diagnostics *diagnostics)
{
	struct world *world = mem_zalloc(1, sizeof(*world));
	struct error error = {.code = STATUS_OK};
	enum status status;

	*result = (struct case_result){0};
	buf_init(&result->text, 16 << 20);
	if (world == NULL)
		return STATUS_NO_MEMORY;
	world->file = file;
	world->test = test;
	world->options = options;
	world->result = result;
	world->diagnostics = diagnostics;
	status = open_world(world, bundle, &error);
	if (status == STATUS_OK)
		live(world);
	else if (status != STATUS_BAD_INPUT)
		give_up(world, test->node, error.text);
	if (status == STATUS_OK && world->failed)
		status = STATUS_BAD_INPUT;
	close_world(world);
	mem_free(world);
	return status;
}
