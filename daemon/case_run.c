/*
 * Running one test. Time is the manual clock's; it jumps from one thing that is due to the next:
 * samples, scans, alerts, changes of the cluster, words of people, checks, and what the engine itself
 * waits for. At one moment they come in this order: changes, samples, scan, alerts and findings,
 * the engine until nothing is asked any more, people, checks.
 *
 * The engine's ports are wired as in remediations/remediator_thread.c: observations and dry runs go
 * through the dry-run actuator, whose reader looks at the cluster with kube_observe(); what is carried
 * out goes through kube_send(). Answers are queued, as a port must not call back. The journal is an
 * array; each commit succeeds at once.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "daemon/case_world.h"
#include "daemon/config_values.h"
#include "remediations/kube_send.h"

#define MEMORY_MAX (16 * MIB)
#define SETTLE_MAX 100000
#define MOMENTS_MAX 2000000

int64_t world_elapsed_ms(const struct world *world)
{
	return clock_now_ms(&world->clock.clock) - world->test->start_ms;
}

/* The test cannot go on. */
static void give_up(struct world *world, const struct yaml_node *node, const char *words)
{
	struct yaml_reader reader = {world->file->path, world->diagnostics};

	if (!world->failed)
		yaml_report(&reader, node, "%s", words);
	world->failed = true;
}

/* ---- answers ---- */

static void push(struct world *world, struct answer answer)
{
	if (world->answer_count == CASE_QUEUE_MAX) {
		give_up(world, world->test->node, "the test keeps too much under way at once");
		mem_free(answer.observation);
		mem_free(answer.result);
		return;
	}
	world->answers[(world->answer_first + world->answer_count++) % CASE_QUEUE_MAX] = answer;
}

static void answer_one(struct world *world)
{
	struct answer answer = world->answers[world->answer_first];
	int64_t now_ms = clock_now_ms(&world->clock.clock);

	world->answer_first = (world->answer_first + 1) % CASE_QUEUE_MAX;
	world->answer_count--;
	switch (answer.kind) {
	case ANSWER_JOURNALED:
		engine_journaled(world->engine, answer.ticket, STATUS_OK, now_ms);
		break;
	case ANSWER_OBSERVED:
		engine_observed(world->engine, answer.ticket, answer.observation, now_ms);
		break;
	case ANSWER_FINISHED:
		engine_finished(world->engine, answer.result, now_ms);
		break;
	}
	mem_free(answer.observation);
	mem_free(answer.result);
}

/* Until nothing is asked any more at this moment. */
static void settle(struct world *world)
{
	int64_t now_ms = clock_now_ms(&world->clock.clock);
	int steps = 0;

	engine_tick(world->engine, now_ms);
	while (world->answer_count > 0 && !world->failed) {
		answer_one(world);
		if (world->answer_count == 0)
			engine_tick(world->engine, now_ms);
		if (++steps == SETTLE_MAX)
			give_up(world, world->test->node, "the test does not come to rest");
	}
}

/* ---- the cluster as an actuator ---- */

static void observed(void *argument, uint64_t ticket, const struct observation *observation)
{
	struct world *world = argument;
	struct answer answer = {.kind = ANSWER_OBSERVED, .ticket = ticket};

	answer.observation = mem_alloc(sizeof(*observation));
	if (answer.observation == NULL) {
		give_up(world, world->test->node, "out of memory");
		return;
	}
	*answer.observation = *observation;
	push(world, answer);
}

static void finished(void *argument, const struct command_result *result)
{
	struct world *world = argument;
	struct answer answer = {.kind = ANSWER_FINISHED};

	answer.result = mem_alloc(sizeof(*result));
	if (answer.result == NULL) {
		give_up(world, world->test->node, "out of memory");
		return;
	}
	*answer.result = *result;
	push(world, answer);
}

static enum status cluster_observe(void *self, uint64_t ticket, const struct target *target)
{
	struct world *world = self;
	struct observation observation;

	/* The memory of whether there is KEDA goes by real time: ask each time. */
	world->look.keda_until_ns = 0;
	kube_observe(&world->look, target, &observation);
	observed(world, ticket, &observation);
	return STATUS_OK;
}

static enum status cluster_send(void *self, const struct command *command)
{
	struct world *world = self;
	struct command_result result;

	kube_send(world->look.session, &world->clock.clock, command, &result);
	finished(world, &result);
	return STATUS_OK;
}

static void cluster_close(void *self)
{
	struct world *world = self;

	kube_session_close(world->look.session);
	world->look.session = NULL;
}

static const struct actuator_vtable cluster_vtable = {
	.observe = cluster_observe,
	.send = cluster_send,
	.close = cluster_close,
};

/* ---- ports ---- */

static enum status port_journal(void *self, uint64_t ticket, struct record *records, size_t count)
{
	struct world *world = self;

	if (world->record_count + count > CASE_RECORDS_MAX) {
		give_up(world, world->test->node, "the test journals too much");
		return STATUS_BUSY;
	}
	for (size_t i = 0; i < count; i++) {
		records[i].number = world->record_count + 1;
		world->records[world->record_count++] = records[i];
	}
	push(world, (struct answer){.kind = ANSWER_JOURNALED, .ticket = ticket});
	return STATUS_OK;
}

static enum status port_observe(void *self, uint64_t ticket, const struct target *target)
{
	struct world *world = self;

	return world->dry.vtable->observe(world->dry.self, ticket, target);
}

static enum status port_send(void *self, const struct command *command, bool dry_run)
{
	struct world *world = self;
	struct command_result result = {.outcome = COMMAND_DONE};

	if (dry_run)
		return world->dry.vtable->send(world->dry.self, command);
	if (command->kind == ACTION_TICKET) {
		memcpy(result.action_id, command->action_id, sizeof(result.action_id));
		finished(world, &result);
		return STATUS_OK;
	}
	if (world->real.vtable == NULL)
		return STATUS_UNAVAILABLE;
	return world->real.vtable->send(world->real.self, command);
}

static void port_told(void *self, const struct news *news)
{
	struct world *world = self;
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

/* A finding of the scan, kept until the engine is given it. */
static void found(void *argument, const struct event *finding)
{
	struct world *world = argument;
	struct event *grown = mem_resize(world->findings, world->finding_count + 1, sizeof(*grown));

	if (grown != NULL)
		world->findings = grown;
	if (grown == NULL || event_clone(&grown[world->finding_count], finding) != STATUS_OK)
		give_up(world, world->test->node, "out of memory");
	else
		world->finding_count++;
}

static enum status open_eyes(struct world *world, struct bundle *bundle, struct error *error)
{
	const struct clock *clock = &world->clock.clock;
	struct store_limits limits = {.memory_max = MEMORY_MAX,
		.series_max = CASE_SERIES_MAX + 1,
		.retention_ms = config_int(world->config, SETTING_STORAGE_RETENTION),
		.interval_ms = world->test->interval_ms,
		.ended_keep_ms = config_int(world->config, SETTING_STORAGE_ENDED_KEEP),
		.future_max_ms = config_int(world->config, SETTING_INGEST_FUTURE_MAX)};
	struct analyzer_config analyzer;

	world->store = store_open(&limits, clock, error);
	if (world->store == NULL)
		return error->code;
	service_analyzer_config(world->config, bundle, clock, &analyzer);
	analyzer.found = found;
	analyzer.found_argument = world;
	world->scan_ms = analyzer.scan_interval_ms;
	if (analyzer_check(&analyzer, world->diagnostics) != STATUS_OK)
		return error_set(error, STATUS_BAD_INPUT, "the signals have errors");
	world->analyzer = analyzer_open(&analyzer, world->store, error);
	return world->analyzer != NULL ? STATUS_OK : error->code;
}

static enum status open_cluster(struct world *world, struct error *error)
{
	const struct actuator_sink sink = {world, observed, finished};

	if (case_cluster_init(&world->cluster) != STATUS_OK)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	if (world->test->has_cluster) {
		world->look.session = kube_session_open_served(case_cluster_serve, &world->cluster);
		if (world->look.session == NULL)
			return error_set(error, STATUS_NO_MEMORY, "out of memory");
		world->real = (struct actuator){&cluster_vtable, world};
	}
	return actuator_dry_open(&world->dry, world->real, &sink, error);
}

static enum status open_engine(struct world *world, struct bundle *bundle, struct error *error)
{
	const struct engine_ports ports = {world, port_journal, port_observe, port_send, port_told};
	struct remediator_config remediator;
	struct engine_config config;
	char journal_path[4352];
	int64_t now_ms = clock_now_ms(&world->clock.clock);

	service_remediator_config(world->config, bundle, &world->clock.clock, journal_path,
		sizeof(journal_path), &remediator);
	remediator.playbook_paths = (const char *const *)world->file->playbooks;
	remediator.playbook_path_count = world->file->playbook_count;
	remediator.signals = signals_of_analyzer(world->analyzer);
	if (rules_open(&remediator, &world->rules, world->diagnostics) != STATUS_OK)
		return error_set(error, STATUS_BAD_INPUT, "the playbooks have errors");
	permissions_of(&world->permissions, world->rules->playbooks);
	world->cluster.permissions = &world->permissions;
	rules_engine_config(&remediator, world->rules, &config);
	world->engine = engine_open(&config, &ports, now_ms);
	if (world->engine == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	engine_start(world->engine, now_ms);
	return STATUS_OK;
}

static enum status open_world(struct world *world, struct bundle *bundle, struct error *error)
{
	enum status status;

	clock_manual_init(&world->clock, world->test->start_ms);
	world->records = mem_zalloc(CASE_RECORDS_MAX, sizeof(*world->records));
	world->answers = mem_zalloc(CASE_QUEUE_MAX, sizeof(*world->answers));
	world->series = mem_zalloc(world->test->series_count, sizeof(*world->series));
	if (world->records == NULL || world->answers == NULL || world->series == NULL)
		return error_set(error, STATUS_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < world->test->series_count; i++)
		world->series[i] = STORE_NO_SERIES;
	if (!open_config(world))
		return error_set(error, STATUS_BAD_INPUT, "the settings have errors");
	status = open_eyes(world, bundle, error);
	if (status == STATUS_OK)
		status = open_cluster(world, error);
	return status == STATUS_OK ? open_engine(world, bundle, error) : status;
}

static void drop_findings(struct world *world)
{
	for (size_t i = 0; i < world->finding_count; i++)
		event_fini(&world->findings[i]);
	world->finding_count = 0;
}

static void close_world(struct world *world)
{
	if (world->engine != NULL)
		engine_close(world->engine);
	rules_close(world->rules);
	for (; world->answer_count > 0; world->answer_count--) {
		struct answer *answer = &world->answers[world->answer_first];

		mem_free(answer->observation);
		mem_free(answer->result);
		world->answer_first = (world->answer_first + 1) % CASE_QUEUE_MAX;
	}
	if (world->dry.vtable != NULL)
		world->dry.vtable->close(world->dry.self);
	else if (world->look.session != NULL)
		kube_session_close(world->look.session);
	case_cluster_fini(&world->cluster);
	if (world->analyzer != NULL) {
		analyzer_stop(world->analyzer);
		analyzer_close(world->analyzer);
	}
	if (world->store != NULL)
		store_close(world->store);
	drop_findings(world);
	for (size_t i = 0; i < world->record_count; i++)
		record_fini(&world->records[i]);
	config_close(world->config);
	mem_free(world->findings);
	mem_free(world->records);
	mem_free(world->answers);
	mem_free(world->series);
}

/* ---- what happens ---- */

static void change_cluster(struct world *world, const struct case_change *change)
{
	enum status status = STATUS_OK;
	struct error error;

	switch (change->deed) {
	case CASE_APPLY:
		status = case_cluster_apply(&world->cluster, change->manifest, &error);
		break;
	case CASE_DELETE:
		status = case_cluster_delete(&world->cluster, change->name, &error);
		break;
	case CASE_UNREACHABLE:
	case CASE_REACHABLE:
		world->cluster.unreachable = change->deed == CASE_UNREACHABLE;
		break;
	}
	if (status != STATUS_OK)
		give_up(world, change->node, error.text);
}

static void append(struct world *world, size_t index, double value)
{
	const struct labels *labels = &world->test->series[index].labels;
	uint64_t counts[APPEND_RESULT_COUNT] = {0};
	struct store_sample sample = {.t_ms = clock_now_ms(&world->clock.clock), .value = value};
	struct error error;
	struct buf raw;

	if (world->series[index] == STORE_NO_SERIES) {
		buf_init(&raw, 1 << 20);
		labels_write(&raw, labels);
		if (!buf_ok(&raw) ||
			store_intern(world->store, store_key_of(world->store, raw.data, raw.size),
				labels->pairs, labels->count, &world->series[index],
				&error) != STATUS_OK)
			give_up(world, world->test->node, "a series cannot be kept");
		buf_fini(&raw);
	}
	sample.series = world->series[index];
	if (!world->failed)
		store_append(world->store, &sample, 1, counts);
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

static void give_event(struct world *world, const struct case_event *given, bool firing)
{
	struct event event;

	if (event_clone(&event, &given->event) != STATUS_OK) {
		give_up(world, world->test->node, "out of memory");
		return;
	}
	event.firing = firing;
	event.starts_ms = world->test->start_ms + given->at_ms;
	event.ends_ms = firing ? 0 : world->test->start_ms + given->until_ms;
	event.received_ms = clock_now_ms(&world->clock.clock);
	engine_event(world->engine, &event, 0, event.received_ms);
	event_fini(&event);
}

/* All events of this moment: those that wait count for the storm gate, as in the product. */
static void give_events(struct world *world)
{
	const struct case_test *test = world->test;
	int64_t at_ms = world_elapsed_ms(world);
	unsigned waiting = (unsigned)world->finding_count;

	for (size_t i = 0; i < test->event_count; i++)
		if (test->events[i].at_ms == at_ms || test->events[i].until_ms == at_ms)
			waiting++;
	for (size_t i = 0; i < world->finding_count; i++) {
		engine_expect(world->engine, --waiting);
		engine_event(world->engine, &world->findings[i], 0,
			clock_now_ms(&world->clock.clock));
	}
	drop_findings(world);
	for (size_t i = 0; i < test->event_count && !world->failed; i++) {
		if (test->events[i].at_ms != at_ms && test->events[i].until_ms != at_ms)
			continue;
		engine_expect(world->engine, --waiting);
		give_event(world, &test->events[i], test->events[i].at_ms == at_ms);
	}
}

static void say(struct world *world, const struct case_word *word)
{
	static const char *const who = "test";
	int64_t now_ms = clock_now_ms(&world->clock.clock);
	const struct incident *incident;
	const struct action *action;
	struct error error;
	enum status status;
	size_t count;

	if (word->kind == CASE_PAUSE || word->kind == CASE_RESUME) {
		(void)engine_pause(world->engine, word->kind == CASE_PAUSE, who, now_ms);
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
		status = engine_undo(world->engine, action->id, who, now_ms, &error);
	else
		status = engine_approve(world->engine, action->id, who, word->kind == CASE_APPROVE,
			now_ms, &error);
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
	if (at_ms % world->scan_ms == 0)
		analyzer_scan(world->analyzer);
	give_events(world);
	settle(world);
	for (size_t i = 0; i < test->word_count && !world->failed; i++)
		if (test->words[i].at_ms == at_ms)
			say(world, &test->words[i]);
	settle(world);
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
	int64_t due_ms = engine_due(world->engine);

	earlier(&next_ms, (now_ms / test->interval_ms + 1) * test->interval_ms, now_ms);
	earlier(&next_ms, (now_ms / world->scan_ms + 1) * world->scan_ms, now_ms);
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
		clock_manual_advance(&world->clock, next_ms - world_elapsed_ms(world));
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
