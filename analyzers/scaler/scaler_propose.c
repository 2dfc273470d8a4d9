/*
 * Proposals: a change that ours asks for and the workload does not have. Told when it begins, when it
 * grows, and once a minute while it holds; and when it ends.
 */
#include <math.h>
#include <stdio.h>

#include "analyzers/scaler/scaler_parts.h"
#include "base/check.h"
#include "base/log.h"
#include "base/metrics.h"

#define REPEAT_MS 60000

static const char *const names[SCALER_DIRECTIONS] = {"scale_out", "scale_in"};

static enum status write_labels(const struct scaler_entry *entry, const char *name,
	struct labels *labels, struct error *error)
{
	const struct workload_key *key = &entry->follower.key;
	const struct label pairs[] = {label_of("proposal", name), label_of("cluster", key->cluster),
		label_of("namespace", key->namespace_name),
		label_of("workload_kind", target_kind_name(key->kind)),
		label_of("workload", key->name)};

	return labels_init(labels, pairs, ARRAY_COUNT(pairs), error);
}

static enum status write_annotations(const struct scaler_entry *entry,
	const struct proposal *proposal, struct labels *labels, struct error *error)
{
	const struct follower *follower = &entry->follower;
	const struct follow_view *view = &follower->view;
	char name[WORKLOAD_TEXT_MAX], replicas[16], actual[16];
	char summary[WORKLOAD_TEXT_MAX + 64], description[WORKLOAD_TEXT_MAX + 512];

	workload_key_write(&follower->key, name, sizeof(name));
	snprintf(replicas, sizeof(replicas), "%d", proposal->replicas);
	snprintf(actual, sizeof(actual), "%.0f", view->reading.wanted);
	snprintf(summary, sizeof(summary), "%s should have %s replicas, it has %s", name, replicas,
		actual);
	snprintf(description, sizeof(description),
		"%s: %s. Load %.4g a second of which one pod serves %.4g; by the load of now %.0f pods, by "
		"the forecast (%.4g a second) %.0f, by the CPU in use %.0f.",
		name, follow_reason_words(view->reason), view->reading.rate, view->parts.pod_rate,
		view->parts.need, view->parts.forecast, view->parts.ahead, view->parts.guard);
	const struct label pairs[] = {label_of("summary", summary),
		label_of("description", description), label_of("replicas", replicas),
		label_of("actual", actual), label_of("reason", follow_reason_name(view->reason))};

	return labels_init(labels, pairs, ARRAY_COUNT(pairs), error);
}

static void tell(const struct scaler_config *config, const struct scaler_entry *entry,
	enum scaler_direction direction, bool firing, int64_t now_ms)
{
	const struct proposal *proposal = &entry->proposals[direction];
	double actual = entry->follower.view.reading.wanted;
	struct event event;
	struct error error;
	enum status status;

	event_init(&event);
	status = write_labels(entry, names[direction], &event.labels, &error);
	if (status == STATUS_OK)
		status = write_annotations(entry, proposal, &event.annotations, &error);
	event.source = EVENT_PROPOSAL;
	event.firing = firing;
	event.fingerprint = labels_fingerprint(&event.labels);
	event.starts_ms = proposal->since_ms;
	event.ends_ms = firing ? 0 : now_ms;
	event.received_ms = now_ms;
	event.score = actual > 0 ? proposal->replicas / actual : proposal->replicas;
	event.confidence = follower_confidence(&entry->follower);
	if (status == STATUS_OK)
		config->proposed(config->proposed_argument, &event);
	else
		LOG_ERROR("proposal not told", LOG_ERROR_FIELD(&error));
	event_fini(&event);
}

static void follow(const struct scaler_config *config, struct scaler_entry *entry,
	enum scaler_direction direction, bool holds, int64_t now_ms)
{
	struct proposal *proposal = &entry->proposals[direction];
	int wanted = entry->follower.view.wanted;
	bool further = !proposal->open ||
		(direction == SCALER_OUT ? wanted > proposal->replicas
					 : wanted < proposal->replicas);

	if (!holds) {
		if (proposal->open)
			tell(config, entry, direction, false, now_ms);
		proposal->open = false;
		return;
	}
	if (!further && now_ms - proposal->told_ms < REPEAT_MS)
		return;
	if (further) {
		metrics_inc(METRIC_SCALER_PROPOSALS, names[direction]);
		proposal->since_ms = now_ms;
		proposal->replicas = wanted;
	}
	proposal->open = true;
	proposal->told_ms = now_ms;
	tell(config, entry, direction, true, now_ms);
}

void scaler_propose(const struct scaler_config *config, struct scaler_entry *entry, int64_t now_ms)
{
	const struct follow_view *view = &entry->follower.view;
	bool serves =
		view->state == FOLLOW_SERVING && view->wanted > 0 && view->reading.wanted >= 1;
	bool known = isfinite(view->reading.rate);

	if (config->proposed == NULL)
		return;
	follow(config, entry, SCALER_OUT, serves && view->wanted > view->reading.wanted, now_ms);
	/* With what is missing nothing is made smaller. */
	follow(config, entry, SCALER_IN, serves && known && view->wanted < view->reading.wanted,
		now_ms);
}
