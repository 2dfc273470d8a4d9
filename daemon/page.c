/*
 * The status page: gathers plain values from the service's parts and has receiver/page.h write them.
 * Incidents and actions are taken from the same JSON that the API gives, so that page and API cannot
 * disagree.
 */
#include "receiver/page.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/scaler/scaler.h"
#include "analyzers/school.h"
#include "analyzers/snapshot.h"
#include "base/arena.h"
#include "base/check.h"
#include "base/parse.h"
#include "daemon/routes.h"
#include "daemon/service.h"
#include "daemon/version.h"

#define PAGE_MAX (8 * 1024 * 1024)
#define ARENA_MAX (32 * 1024 * 1024)
#define WORKLOADS_SHOWN 100
#define FINDINGS_SHOWN 50
#define SCALINGS_SHOWN 10
#define INCIDENTS_SHOWN 30
#define STEPS_SHOWN 64
#define STORIES_SHOWN 10 /* of the newest incidents: each is read from the journal */
#define REFRESH_S 5

struct gathered {
	struct arena arena;
	struct page_status status;
	json_t *incidents, *actions, *scalings;
	struct kill_switch kill_switch;
	struct page_training training;
};

static const char *json_text(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL && text[0] != '\0' ? text : NULL;
}

/* 0 when it is not known. */
static int64_t json_time(json_t *object, const char *name)
{
	const char *text = json_text(object, name);
	int64_t ms = 0;

	return text != NULL && parse_rfc3339(text, &ms) == STATUS_OK ? ms : 0;
}

static void gather_signals(struct gathered *page, const struct watched_workload *watched,
	struct page_workload *row)
{
	struct page_signal *signals = arena_zalloc(&page->arena, ROLE_COUNT, sizeof(*signals));
	char *name = arena_alloc(&page->arena, WORKLOAD_TEXT_MAX);

	if (signals == NULL || name == NULL)
		return;
	workload_key_write(&watched->key, name, WORKLOAD_TEXT_MAX);
	row->name = name;
	row->signals = signals;
	for (int role = 0; role < ROLE_COUNT; role++) {
		const struct watched_signal *signal = &watched->signals[role];

		if (signal->series == STORE_NO_SERIES)
			continue;
		signals[row->signal_count++] =
			(struct page_signal){.role = role_name((enum signal_role)role),
				.unit = role_unit((enum signal_role)role),
				.value = signal->last.value,
				.expected = signal->last.expected,
				.z = signal->last.score,
				.quality = quality_name(signal->last.quality)};
	}
}

static void gather_workloads(struct gathered *page, const struct snapshot *snapshot)
{
	size_t count = snapshot->roster.count;
	struct page_workload *rows;

	page->status.workload_total = count;
	count = count < WORKLOADS_SHOWN ? count : WORKLOADS_SHOWN;
	rows = arena_zalloc(&page->arena, count + 1, sizeof(*rows));
	if (rows == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		gather_signals(page, &snapshot->roster.workloads[i], &rows[i]);
	page->status.workloads = rows;
	page->status.workload_count = count;
}

static void gather_findings(struct gathered *page, const struct snapshot *snapshot)
{
	struct page_finding *rows = arena_zalloc(&page->arena, FINDINGS_SHOWN, sizeof(*rows));
	size_t count = 0;

	for (size_t i = 0; rows != NULL && i < snapshot->roster.count; i++) {
		const struct watched_workload *watched = &snapshot->roster.workloads[i];

		for (int role = 0; role < ROLE_COUNT; role++) {
			const struct watched_signal *signal = &watched->signals[role];
			char *name;

			if (signal->tracker.state != FINDING_ACTIVE &&
				signal->tracker.state != FINDING_CLOSING)
				continue;
			page->status.finding_total++;
			name = arena_alloc(&page->arena, WORKLOAD_TEXT_MAX);
			if (count == FINDINGS_SHOWN || name == NULL)
				continue;
			workload_key_write(&watched->key, name, WORKLOAD_TEXT_MAX);
			rows[count++] = (struct page_finding){.workload = name,
				.role = role_name((enum signal_role)role),
				.summary = signal->tracker.up ? "above its usual range"
							      : "below its usual range",
				.score = signal->last.score,
				.confidence = signal->last.confidence,
				.since_ms = signal->tracker.since_ms};
		}
	}
	page->status.findings = rows;
	page->status.finding_count = count;
}

static void gather_training(struct gathered *page, struct analyzer *analyzer)
{
	struct page_training *row = &page->training;
	struct school_progress progress;

	if (!analyzer_school(analyzer, &progress))
		return;
	*row = (struct page_training){.what = "net for all workloads",
		.under_way = progress.under_way,
		.epoch = progress.epoch,
		.epochs_max = progress.epochs_max,
		.loss = progress.loss,
		.holdout_loss = progress.holdout_loss,
		.since_ms = progress.since_ms,
		.ended_ms = progress.ended_ms,
		.outcome = progress.outcome};
	page->status.training = row;
}

/* The story of an incident as the decision record tells it. */
static void gather_steps(struct gathered *page, struct remediator *remediator,
	struct page_incident *row)
{
	struct page_step *steps = arena_zalloc(&page->arena, STEPS_SHOWN, sizeof(*steps));
	struct buf text;
	json_t *why = NULL, *sentence;
	size_t i;

	buf_init(&text, PAGE_MAX);
	if (steps != NULL && remediator_write_why(remediator, row->id, &text) == STATUS_OK &&
		buf_ok(&text))
		why = json_loadb(text.data, text.size, 0, NULL);
	json_array_foreach(json_object_get(why, "sentences"), i, sentence)
	{
		const char *time = json_text(sentence, "time"), *line = json_text(sentence, "text");

		if (steps == NULL || row->step_count == STEPS_SHOWN || time == NULL || line == NULL)
			continue;
		steps[row->step_count].text = arena_strndup(&page->arena, line, strlen(line));
		if (parse_rfc3339(time, &steps[row->step_count].at_ms) == STATUS_OK)
			row->step_count++;
	}
	row->steps = steps;
	json_decref(why);
	buf_fini(&text);
}

/* The last action that belongs to the incident, or NULL. */
static json_t *last_action(const struct gathered *page, const char *incident)
{
	json_t *action;
	size_t i;

	json_array_foreach(page->actions, i, action)
	{
		const char *of = json_text(action, "incident");

		if (of != NULL && strcmp(of, incident) == 0)
			return action;
	}
	return NULL;
}

/* "ann (approve) until <time>; waits for two persons until <time>". NULL: nobody has to say anything. */
static const char *approval_of(struct gathered *page, json_t *action)
{
	json_t *approval, *approvals = json_object_get(action, "approvals");
	const char *until = json_text(action, "expires_at"), *by = json_text(action, "approved_by");
	const char *text = NULL;
	struct buf words;
	size_t i;

	buf_init(&words, 4096);
	json_array_foreach(approvals, i, approval)
	{
		const char *name = json_text(approval, "by"), *role = json_text(approval, "role");
		const char *end = json_text(approval, "until");

		buf_printf(&words, "%s%s (%s), good until %s", i > 0 ? "; " : "",
			name != NULL ? name : "", role != NULL ? role : "no role",
			end != NULL ? end : "");
	}
	if (until != NULL)
		buf_printf(&words, "%swaits for %s until %s", words.size > 0 ? "; " : "",
			json_integer_value(json_object_get(action, "approvals_needed")) > 1
				? "two persons"
				: "a person",
			until);
	else if (by != NULL)
		buf_printf(&words, "%scarried out on the word of %s", words.size > 0 ? "; " : "",
			by);
	if (buf_ok(&words) && words.size > 0)
		text = arena_strndup(&page->arena, words.data, words.size);
	buf_fini(&words);
	return text;
}

/* Of several tickets the first that has a place to look at, else the first. */
static void gather_ticket(json_t *incident, struct page_incident *row)
{
	json_t *ticket;
	size_t i;

	json_array_foreach(json_object_get(incident, "tickets"), i, ticket)
	{
		const char *key = json_text(ticket, "key"), *url = json_text(ticket, "url");

		if (row->ticket != NULL && (url == NULL || row->ticket_url != NULL))
			continue;
		row->ticket = url != NULL && key != NULL ? key : json_text(ticket, "service");
		row->ticket_url = url;
	}
}

/* "KubePodCrashLooping (pod web-2), cpu_high (..)". NULL: nothing joined. */
static const char *joined_of(struct gathered *page, json_t *incident)
{
	const char *text = NULL;
	struct buf words;
	json_t *one;
	size_t i;

	buf_init(&words, 16384);
	json_array_foreach(json_object_get(incident, "companions"), i, one)
	{
		const char *name = json_text(one, "name"), *what = json_text(one, "text");

		buf_printf(&words, "%s%s%s%s%s", i > 0 ? ", " : "", name != NULL ? name : "",
			what != NULL ? " (" : "", what != NULL ? what : "",
			what != NULL ? ")" : "");
	}
	if (buf_ok(&words) && words.size > 0)
		text = arena_strndup(&page->arena, words.data, words.size);
	buf_fini(&words);
	return text;
}

static void gather_incidents(struct gathered *page, struct remediator *remediator)
{
	struct page_incident *rows;
	json_t *incident, *action;
	size_t i, count = json_array_size(page->incidents);

	page->status.incident_total = count;
	count = count < INCIDENTS_SHOWN ? count : INCIDENTS_SHOWN;
	rows = arena_zalloc(&page->arena, count + 1, sizeof(*rows));
	if (rows == NULL)
		return;
	json_array_foreach(page->incidents, i, incident)
	{
		if (i >= count)
			break;
		rows[i] = (struct page_incident){.id = json_text(incident, "id"),
			.title = json_text(incident, "name"),
			.target = json_text(json_object_get(incident, "target"), "text"),
			.playbook = json_text(incident, "playbook"),
			.state = json_text(incident, "state"),
			.outcome = json_text(incident, "sentence"),
			.open = json_is_true(json_object_get(incident, "open")),
			.opened_ms = json_time(incident, "opened_at")};
		if (rows[i].id == NULL)
			continue;
		action = last_action(page, rows[i].id);
		rows[i].plan = json_text(json_object_get(action, "plan"), "words");
		rows[i].approval = approval_of(page, action);
		rows[i].joined = joined_of(page, incident);
		gather_ticket(incident, &rows[i]);
		if (i < STORIES_SHOWN)
			gather_steps(page, remediator, &rows[i]);
	}
	page->status.incidents = rows;
	page->status.incident_count = count;
}

static json_t *load_list(struct remediator *remediator, bool actions)
{
	struct buf text;
	json_t *list = NULL;

	buf_init(&text, PAGE_MAX);
	if ((actions ? remediator_write_actions(remediator, &text, NULL, 200)
		     : remediator_write_incidents(remediator, &text, NULL, 200)) == STATUS_OK &&
		buf_ok(&text) && text.data != NULL)
		list = json_loadb(text.data, text.size, 0, NULL);
	buf_fini(&text);
	return list;
}

/* NaN when it is not known. */
static double json_figure(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static void gather_scaling(struct gathered *page, json_t *one, struct page_scaling *row)
{
	const char *cluster = json_text(one, "cluster"), *space = json_text(one, "namespace");
	const char *kind = json_text(one, "kind"), *workload = json_text(one, "workload");
	char *name = arena_alloc(&page->arena, WORKLOAD_TEXT_MAX);

	*row = (struct page_scaling){.state = json_text(one, "state"),
		.policy = json_text(one, "policy"),
		.because = json_text(one, "because"),
		.replicas = json_figure(one, "replicas"),
		.wanted = json_figure(one, "wanted"),
		.forecast = ceil(json_figure(json_object_get(one, "parts"), "ahead")),
		.hpa = json_figure(one, "hpa")};
	if (name == NULL || space == NULL || kind == NULL || workload == NULL)
		return;
	snprintf(name, WORKLOAD_TEXT_MAX, "%s%s%s/%s/%s", cluster != NULL ? cluster : "",
		cluster != NULL ? "/" : "", space, kind, workload);
	row->workload = name;
}

/* Those that would change most. */
static void gather_scalings(struct gathered *page, struct scaler *scaler)
{
	struct scaler_summary summary = {0};
	struct page_scaling *rows;
	struct buf text;
	json_t *one;
	size_t i;

	buf_init(&text, PAGE_MAX);
	if (scaler_write(scaler, &text, SCALINGS_SHOWN) == STATUS_OK && buf_ok(&text) &&
		text.data != NULL)
		page->scalings = json_loadb(text.data, text.size, 0, NULL);
	buf_fini(&text);
	rows = arena_zalloc(&page->arena, SCALINGS_SHOWN, sizeof(*rows));
	if (rows == NULL)
		return;
	json_array_foreach(page->scalings, i, one)
	{
		if (i < SCALINGS_SHOWN)
			gather_scaling(page, one, &rows[page->status.scaling_count++]);
	}
	scaler_summarize(scaler, &summary);
	page->status.scalings = rows;
	page->status.scaling_total = summary.workloads;
}

/* The playbooks that are disabled and why; NULL: none. */
static const char *disabled_note(struct gathered *page, struct service *service)
{
	struct buf text;
	const char *note = NULL;

	if (service_remediator(service) == NULL)
		return NULL;
	buf_init(&text, PAGE_MAX);
	remediator_tell_disabled(service_remediator(service), &text);
	if (buf_ok(&text) && text.size > 0)
		note = arena_strndup(&page->arena, text.data, text.size);
	buf_fini(&text);
	return note;
}

/* Who acts, when there are several replicas. */
static void gather_leader(struct gathered *page, struct service *service,
	struct page_component *component)
{
	struct leader_view view;
	char *text = arena_zalloc(&page->arena, 1, LEADER_NAME_MAX + LEADER_URL_MAX + 64);

	if (service_remediator(service) == NULL || text == NULL ||
		!remediator_leader(service_remediator(service), &view))
		return;
	if (view.leads)
		snprintf(text, LEADER_NAME_MAX + LEADER_URL_MAX + 64, "leads as %s", view.identity);
	else
		snprintf(text, LEADER_NAME_MAX + LEADER_URL_MAX + 64, "standby, %s leads%s%s",
			view.holder[0] != '\0' ? view.holder : "nobody",
			view.holder_url[0] != '\0' ? " at " : "", view.holder_url);
	*component = (struct page_component){"leader", text, view.holder[0] != '\0'};
	page->status.component_count++;
}

static void gather_service(struct gathered *page, struct service *service)
{
	const struct config *config = service_config(service);
	struct page_component *components = arena_zalloc(&page->arena, 5, sizeof(*components));
	const char *sick = NULL;
	struct store_stats stats;
	int64_t now_ms = clock_now_ms(service_clock(service));
	bool ready = service_ready(service, &sick);

	store_stats(service_store(service), &stats);
	page->status.version = NIMBUSGUARD_VERSION;
	page->status.mode = mode_name(service_mode(service));
	page->status.prefix = config_text(config, SETTING_WEB_ROUTE_PREFIX);
	page->status.dry_run = config_bool(config, SETTING_DRY_RUN);
	page->status.now_ms = now_ms;
	page->status.uptime_ms = now_ms - service_started_ms(service);
	page->status.refresh_s = REFRESH_S;
	page->status.series = stats.series;
	page->status.series_max = (uint64_t)config_int(config, SETTING_STORAGE_SERIES_MAX);
	page->status.bytes = stats.bytes;
	page->status.bytes_max = (uint64_t)config_int(config, SETTING_STORAGE_MEMORY_MAX);
	page->status.samples_per_second = service_samples_per_second(service);
	if (components == NULL)
		return;
	components[0] = (struct page_component){"stream",
		service_feature(service, "ingest") ? NULL : "not enabled", true};
	components[1] = (struct page_component){"analyzer",
		service_analyzer(service) != NULL ? NULL : "not enabled", true};
	components[2] = (struct page_component){"engine",
		service_remediator(service) != NULL ? sick : "not enabled",
		ready || service_remediator(service) == NULL};
	components[3] = (struct page_component){"playbooks", disabled_note(page, service), true};
	components[3].healthy = components[3].note == NULL;
	page->status.components = components;
	page->status.component_count = 4;
	gather_leader(page, service, &components[4]);
}

void route_page(struct request *request, void *argument)
{
	struct service *service = argument;
	struct gathered page = {.incidents = NULL};
	struct snapshot *snapshot = NULL;
	struct buf html;

	arena_init(&page.arena, ARENA_MAX);
	buf_init(&html, PAGE_MAX);
	gather_service(&page, service);
	if (service_analyzer(service) != NULL) {
		snapshot = analyzer_snapshot(service_analyzer(service));
		gather_workloads(&page, snapshot);
		gather_findings(&page, snapshot);
		gather_training(&page, service_analyzer(service));
	}
	if (service_scaler(service) != NULL)
		gather_scalings(&page, service_scaler(service));
	if (service_remediator(service) != NULL) {
		remediator_kill_switch(service_remediator(service), &page.kill_switch);
		page.status.paused = page.kill_switch.on;
		page.status.paused_by = page.kill_switch.by;
		page.status.paused_since_ms = page.kill_switch.since_ms;
		page.incidents = load_list(service_remediator(service), false);
		page.actions = load_list(service_remediator(service), true);
		gather_incidents(&page, service_remediator(service));
	}
	page_write_status(&html, &page.status);
	if (buf_ok(&html))
		request_reply(request, 200, "text/html; charset=utf-8", html.data, html.size);
	else
		request_reply_text(request, 503, "the page is too large or memory is out\n");
	if (snapshot != NULL)
		snapshot_release(snapshot);
	json_decref(page.incidents);
	json_decref(page.actions);
	json_decref(page.scalings);
	buf_fini(&html);
	arena_fini(&page.arena);
}
