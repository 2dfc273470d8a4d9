/*
 * What readers see of the scaler: pages, shared by count, made after each slot. A reader holds one under a
 * leaf lock and reads without one.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/scaler/scaler_parts.h"
#include "base/mem.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/parse.h"

/* Answers to those who ask for the number itself are no older. */
#define VALUE_AGE_MAX_MS 60000
#define LIST_DEFAULT 1000
/* Six lines a workload and more would crowd the page of metrics. */
#define DETAILED_MAX 1500
#define HOURS_A_SLOT (15.0 / 3600)

uint64_t scaler_name_hash(const struct workload_key *key)
{
	struct workload_key name = *key;

	memset(name.cluster, 0, sizeof(name.cluster));
	return workload_key_hash(&name);
}

void scaler_page_release(struct scaler_page *page)
{
	if (page == NULL || atomic_fetch_sub(&page->holders, 1) != 1)
		return;
	mem_free(page->names);
	mem_free(page->rows);
	mem_free(page->arms);
	mem_free(page);
}

static size_t count_policies(const struct scaler *scaler)
{
	size_t count = 0;

	for (size_t i = 0; i < scaler->count; i++)
		count += scaler->entries[i]->pupil.policy != NULL;
	return count;
}

static struct scaler_page *page_make(const struct scaler *scaler, int64_t now_ms)
{
	struct scaler_page *page = mem_zalloc(1, sizeof(*page));
	size_t learned = 0;

	if (page == NULL)
		return NULL;
	atomic_init(&page->holders, 1);
	/* Not zeroed: all of it is written. */
	page->names = mem_alloc(scaler->count * sizeof(*page->names));
	page->rows = mem_alloc(scaler->count * sizeof(*page->rows));
	page->arms = mem_alloc(count_policies(scaler) * sizeof(*page->arms));
	if (page->names == NULL || page->rows == NULL || page->arms == NULL) {
		scaler_page_release(page);
		return NULL;
	}
	page->decided_ms = now_ms;
	page->count = scaler->count;
	page->left_out = scaler->left_out;
	page->cut = scaler->cut;
	page->pod_hour_price = scaler->config.pod_hour_price;
	for (size_t i = 0; i < page->count; i++) {
		const struct follower *follower = &scaler->entries[i]->follower;
		const struct scaler_pupil *pupil = &scaler->entries[i]->pupil;

		page->names[i] = scaler_name_hash(&follower->key);
		page->rows[i] = (struct scaler_row){.key = follower->key,
			.load_role = follower->load_role,
			.view = follower->view,
			.feedback = follower->feedback,
			.confidence = follower_confidence(follower)};
		if (pupil->policy == NULL)
			continue;
		scaler_arms_fill(pupil, &page->arms[learned]);
		page->rows[i].arms = &page->arms[learned++];
	}
	return page;
}

void scaler_publish(struct scaler *scaler, int64_t now_ms)
{
	struct scaler_page *page = page_make(scaler, now_ms), *before;

	if (page == NULL) {
		LOG_ERROR("memory is out, readers see the scaler's slot before");
		return;
	}
	pthread_mutex_lock(&scaler->lock);
	before = scaler->page;
	scaler->page = page;
	pthread_mutex_unlock(&scaler->lock);
	scaler_page_release(before);
}

/* NULL: nothing was decided yet. */
static struct scaler_page *page_hold(struct scaler *scaler)
{
	struct scaler_page *page;

	pthread_mutex_lock(&scaler->lock);
	page = scaler->page;
	if (page != NULL)
		atomic_fetch_add(&page->holders, 1);
	pthread_mutex_unlock(&scaler->lock);
	return page;
}

static bool same_name(const struct workload_key *a, const struct workload_key *b)
{
	return a->kind == b->kind && strcmp(a->namespace_name, b->namespace_name) == 0 &&
		strcmp(a->name, b->name) == 0;
}

/* The row of that name, in this cluster or the only one. */
static enum status find_row(const struct scaler_page *page, const char *cluster,
	const struct workload_key *key, const struct scaler_row **row, struct error *error)
{
	uint64_t name = scaler_name_hash(key);

	*row = NULL;
	for (size_t i = 0; page != NULL && i < page->count; i++) {
		const struct scaler_row *one = &page->rows[i];

		if (page->names[i] != name || !same_name(&one->key, key) ||
			(cluster != NULL && strcmp(one->key.cluster, cluster) != 0))
			continue;
		if (*row != NULL)
			return error_set(error, STATUS_CONFLICT,
				"several clusters have such a workload: give cluster");
		*row = one;
	}
	if (*row == NULL)
		return error_set(error, STATUS_NOT_FOUND,
			"the scaler does not follow %s/%s/%s: it needs series of its load, its CPU "
			"utilization and its replicas",
			key->namespace_name, target_kind_name(key->kind), key->name);
	return STATUS_OK;
}

enum status scaler_value(struct scaler *scaler, const char *cluster, const struct workload_key *key,
	int64_t now_ms, int *replicas, struct error *error)
{
	struct scaler_page *page = page_hold(scaler);
	const struct scaler_row *row;
	enum status status = find_row(page, cluster, key, &row, error);

	if (status == STATUS_OK && now_ms - page->decided_ms > VALUE_AGE_MAX_MS)
		status = error_set(error, STATUS_UNAVAILABLE, "the last decision is %lld s old",
			(long long)((now_ms - page->decided_ms) / 1000));
	else if (status == STATUS_OK && row->view.state != FOLLOW_SERVING)
		status = error_set(error, STATUS_UNAVAILABLE, "it does not serve, it is %s%s%s",
			follow_state_name(row->view.state), row->view.words[0] != '\0' ? ": " : "",
			row->view.words);
	else if (status == STATUS_OK &&
		(row->view.wanted <= 0 || !isfinite(row->view.reading.rate)))
		status = error_set(error, STATUS_UNAVAILABLE, "%s",
			follow_reason_words(FOLLOW_MISSING));
	if (status == STATUS_OK)
		*replicas = row->view.wanted;
	scaler_page_release(page);
	return status;
}

/* ---- JSON ---- */

void scaler_add_number(struct buf *json, const char *name, double value)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_number(json, value);
}

static void add_text(struct buf *json, const char *name, const char *text)
{
	buf_printf(json, ",\"%s\":", name);
	buf_add_json_string(json, text, strlen(text));
}

/* 0: it says nothing. */
static void add_pods(struct buf *json, const char *name, int pods)
{
	scaler_add_number(json, name, pods > 0 ? (double)pods : NAN);
}

static void write_parts(struct buf *json, const struct follow_view *view)
{
	const struct follow_parts *parts = &view->parts;

	buf_add_text(json, ",\"parts\":{\"pod_rate\":");
	buf_add_json_number(json, parts->pod_rate);
	scaler_add_number(json, "need", parts->need);
	scaler_add_number(json, "forecast", parts->forecast);
	scaler_add_number(json, "ahead", parts->ahead);
	scaler_add_number(json, "guard", parts->guard);
	scaler_add_number(json, "stabilized", parts->stabilized);
	add_pods(json, "before_budget", view->wish);
	buf_add_char(json, '}');
}

static void write_party(struct buf *json, const struct scaler_row *row, enum feedback_party party)
{
	const struct feedback *feedback = &row->feedback;
	const struct feedback_sums *total = &feedback->total[party];
	const struct feedback_window *last = &feedback->last;

	buf_printf(json, "%s\"%s\":{\"pod_hours\":", party > 0 ? "," : "",
		feedback_party_name(party));
	buf_add_json_number(json, total->pods * HOURS_A_SLOT);
	scaler_add_number(json, "violated", total->slots > 0 ? total->late / total->slots : NAN);
	scaler_add_number(json, "changes", total->changes);
	scaler_add_number(json, "window_reward", last->reward[party]);
	scaler_add_number(json, "window_replicas", last->pods[party]);
	scaler_add_number(json, "window_violated", last->late[party]);
	buf_add_char(json, '}');
}

static void write_saving(struct buf *json, const struct scaler_row *row, enum feedback_party other,
	double price, bool first)
{
	struct feedback_saved saved = feedback_saved(&row->feedback, other);

	buf_printf(json, "%s\"%s\":{\"pod_hours\":", first ? "" : ",", feedback_party_name(other));
	buf_add_json_number(json, saved.hours);
	scaler_add_number(json, "share", saved.share);
	scaler_add_number(json, "low", saved.low);
	scaler_add_number(json, "high", saved.high);
	scaler_add_number(json, "hours", saved.blocks);
	scaler_add_number(json, "money", price > 0 ? saved.hours * price : NAN);
	buf_add_char(json, '}');
}

static void write_feedback(struct buf *json, const struct scaler_row *row, double price)
{
	const struct feedback *feedback = &row->feedback;
	static const enum feedback_party others[] = {FEEDBACK_ACTUAL, FEEDBACK_HPA,
		FEEDBACK_STATIC};

	buf_add_text(json, ",\"parties\":{");
	for (int party = 0; party < FEEDBACK_PARTIES; party++)
		write_party(json, row, (enum feedback_party)party);
	buf_add_text(json, "},\"saved\":{");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		write_saving(json, row, others[i], price, i == 0);
	buf_add_text(json, "},\"prediction\":{\"predicted\":");
	buf_add_json_number(json, feedback->last.predicted);
	scaler_add_number(json, "came", feedback->last.came);
	scaler_add_number(json, "error", feedback->error);
	scaler_add_number(json, "missed", feedback_miss_share(feedback));
	buf_add_char(json, '}');
}

static void write_row(struct buf *json, const struct scaler_page *page,
	const struct scaler_row *row)
{
	const struct follow_view *view = &row->view;
	char decided[32];

	format_rfc3339(view->slot * SCALER_SLOT_MS, decided, sizeof(decided));
	buf_add_text(json, "{\"cluster\":");
	buf_add_json_string(json, row->key.cluster, strlen(row->key.cluster));
	add_text(json, "namespace", row->key.namespace_name);
	add_text(json, "kind", target_kind_name(row->key.kind));
	add_text(json, "workload", row->key.name);
	add_text(json, "state", follow_state_name(view->state));
	if (view->words[0] != '\0')
		add_text(json, "state_because", view->words);
	buf_printf(json, ",\"drifted\":%s", view->drifted ? "true" : "false");
	add_text(json, "decided", decided);
	add_text(json, "policy", view->arm);
	add_pods(json, "wanted", view->wanted);
	add_text(json, "reason", follow_reason_name(view->reason));
	add_text(json, "because", follow_reason_words(view->reason));
	scaler_add_number(json, "confidence", row->confidence);
	scaler_add_number(json, "replicas", view->reading.wanted);
	scaler_add_number(json, "ready", view->reading.ready);
	add_pods(json, "hpa", view->hpa);
	add_pods(json, "static", view->fixed);
	add_text(json, "load_signal", role_name(row->load_role));
	scaler_add_number(json, "load", view->reading.rate);
	scaler_add_number(json, "cpu", view->reading.cpu);
	scaler_arms_write(row->arms, json);
	write_parts(json, view);
	write_feedback(json, row, page->pod_hour_price);
	buf_add_char(json, '}');
}

enum status scaler_write_one(struct scaler *scaler, const struct workload_key *key,
	struct buf *json, struct error *error)
{
	struct scaler_page *page = page_hold(scaler);
	const struct scaler_row *row;
	enum status status =
		find_row(page, key->cluster[0] != '\0' ? key->cluster : NULL, key, &row, error);

	if (status == STATUS_OK)
		write_row(json, page, row);
	scaler_page_release(page);
	return status;
}

/* How far ours is from what is there. */
static double distance(const struct scaler_row *row)
{
	double by = row->view.wanted > 0 ? fabs(row->view.wanted - row->view.reading.wanted) : 0;

	return isfinite(by) ? by : 0;
}

struct ranked {
	double distance;
	size_t row;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *one = a, *other = b;

	if (one->distance != other->distance)
		return one->distance < other->distance ? 1 : -1;
	return one->row < other->row ? -1 : one->row > other->row;
}

enum status scaler_write(struct scaler *scaler, struct buf *json, size_t limit)
{
	struct scaler_page *page = page_hold(scaler);
	size_t count = page != NULL ? page->count : 0;
	struct ranked *ranked = mem_alloc(count * sizeof(*ranked));

	if (ranked == NULL) {
		scaler_page_release(page);
		return STATUS_NO_MEMORY;
	}
	for (size_t i = 0; i < count; i++)
		ranked[i] = (struct ranked){distance(&page->rows[i]), i};
	qsort(ranked, count, sizeof(*ranked), compare_ranked);
	limit = limit > 0 ? limit : LIST_DEFAULT;
	buf_add_char(json, '[');
	for (size_t i = 0; i < count && i < limit; i++) {
		if (i > 0)
			buf_add_char(json, ',');
		write_row(json, page, &page->rows[ranked[i].row]);
	}
	buf_add_char(json, ']');
	mem_free(ranked);
	scaler_page_release(page);
	return buf_ok(json) ? STATUS_OK : STATUS_TOO_LARGE;
}

/* ---- sums ---- */

void scaler_summarize(struct scaler *scaler, struct scaler_summary *summary)
{
	struct scaler_page *page = page_hold(scaler);

	*summary = (struct scaler_summary){0};
	if (page == NULL)
		return;
	summary->workloads = page->count;
	summary->left_out = page->left_out;
	summary->cut = page->cut;
	summary->decided_ms = page->decided_ms;
	for (size_t i = 0; i < page->count; i++) {
		const struct scaler_row *row = &page->rows[i];
		const struct follow_view *view = &row->view;

		summary->states[view->state]++;
		for (int party = 0; party < FEEDBACK_PARTIES; party++) {
			summary->pod_hours[party] += row->feedback.total[party].pods * HOURS_A_SLOT;
			summary->late_hours[party] +=
				row->feedback.total[party].late * HOURS_A_SLOT;
		}
		if (view->wanted <= 0 || view->hpa <= 0 || !isfinite(view->reading.wanted))
			continue;
		summary->pods[FEEDBACK_ACTUAL] += view->reading.wanted;
		summary->pods[FEEDBACK_OURS] += view->wanted;
		summary->pods[FEEDBACK_HPA] += view->hpa;
		summary->pods[FEEDBACK_STATIC] += view->fixed;
	}
	scaler_page_release(page);
}

static void collect_wanted(const struct scaler_row *row)
{
	const struct follow_view *view = &row->view;
	const char *space = row->key.namespace_name, *kind = target_kind_name(row->key.kind);
	const int wanted[FEEDBACK_PARTIES] = {[FEEDBACK_OURS] = view->wanted,
		[FEEDBACK_HPA] = view->hpa,
		[FEEDBACK_STATIC] = view->fixed};

	for (int party = 0; party < FEEDBACK_PARTIES; party++)
		if (wanted[party] > 0)
			metrics_set(METRIC_SCALER_WANTED, wanted[party], space, kind, row->key.name,
				feedback_party_name((enum feedback_party)party));
	metrics_set(METRIC_SCALER_SERVING, view->state == FOLLOW_SERVING, space, kind,
		row->key.name);
}

static void collect_feedback(const struct scaler_row *row)
{
	const char *space = row->key.namespace_name, *kind = target_kind_name(row->key.kind);
	const char *name = row->key.name;

	for (int party = 0; party < FEEDBACK_PARTIES; party++) {
		const char *party_name = feedback_party_name((enum feedback_party)party);
		double reward = row->feedback.last.reward[party], saved;

		if (!isnan(reward))
			metrics_set(METRIC_SCALER_REWARD, reward, space, kind, name, party_name);
		if (party == FEEDBACK_OURS)
			continue;
		saved = feedback_saved(&row->feedback, (enum feedback_party)party).share;
		if (!isnan(saved))
			metrics_set(METRIC_SCALER_SAVED, saved, space, kind, name, party_name);
	}
	if (!isnan(row->feedback.error))
		metrics_set(METRIC_SCALER_ERROR, row->feedback.error, space, kind, name);
}

void scaler_collect(void *argument)
{
	struct scaler *scaler = argument;
	struct scaler_page *page = page_hold(scaler);
	struct scaler_summary summary;

	metrics_clear(METRIC_SCALER_WANTED);
	metrics_clear(METRIC_SCALER_SERVING);
	metrics_clear(METRIC_SCALER_REWARD);
	metrics_clear(METRIC_SCALER_SAVED);
	metrics_clear(METRIC_SCALER_ERROR);
	scaler_arms_clear();
	for (size_t i = 0; page != NULL && i < page->count; i++) {
		collect_wanted(&page->rows[i]);
		if (i >= DETAILED_MAX)
			continue;
		collect_feedback(&page->rows[i]);
		scaler_arms_collect(&page->rows[i]);
	}
	scaler_page_release(page);
	scaler_summarize(scaler, &summary);
	for (int state = 0; state < FOLLOW_STATE_COUNT; state++)
		metrics_set(METRIC_SCALER_WORKLOADS, (double)summary.states[state],
			follow_state_name((enum follow_state)state));
	for (int party = 0; party < FEEDBACK_PARTIES; party++) {
		const char *name = feedback_party_name((enum feedback_party)party);

		metrics_set(METRIC_SCALER_POD_SECONDS, round(summary.pod_hours[party] * 3600),
			name);
		metrics_set(METRIC_SCALER_LATE_SECONDS, round(summary.late_hours[party] * 3600),
			name);
	}
	metrics_set(METRIC_SCALER_CUT, summary.cut);
}
