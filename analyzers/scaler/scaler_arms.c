/*
 * What readers see of the policies that learn: which arm makes the wish, what the replays of the last days say
 * of the arms, and what the learners hold their choices to be worth.
 */
#include <math.h>

#include "analyzers/scaler/scaler_parts.h"
#include "base/metrics.h"

/* In the order of scaler_arms.opinions. */
static const enum quantile_choice learners[SCALER_LEARNERS] = {QUANTILE_TABLE, QUANTILE_DQN};

void scaler_arms_fill(const struct scaler_pupil *pupil, struct scaler_arms *arms)
{
	struct quantile_standing standing;

	quantile_policy_standing(pupil->policy, &standing);
	*arms = (struct scaler_arms){.arm = standing.arm,
		.serves = pupil->wish.serves && !pupil->wish.observes,
		.trials = standing.trials};
	for (size_t i = 0; i < SCALER_LEARNERS; i++)
		arms->known[i] =
			quantile_policy_opinion(pupil->policy, learners[i], &arms->opinions[i]);
}

/* ---- JSON ---- */

void scaler_arms_write(const struct scaler_arms *arms, struct buf *json)
{
	bool first = true;

	buf_printf(json, ",\"arm\":\"%s\"",
		arms != NULL && arms->serves ? quantile_choice_name(arms->arm) : SCALER_RULE);
	buf_add_text(json, ",\"trials\":");
	if (arms != NULL)
		off_policy_write_json(&arms->trials, json);
	else
		buf_add_text(json, "[]");
	buf_add_text(json, ",\"learners\":[");
	for (size_t i = 0; arms != NULL && i < SCALER_LEARNERS; i++) {
		const struct quantile_opinion *opinion = &arms->opinions[i];

		if (!arms->known[i])
			continue;
		buf_printf(json, "%s{\"learner\":\"%s\"", first ? "" : ",",
			quantile_choice_name(learners[i]));
		scaler_add_number(json, "quantile", opinion->level);
		scaler_add_number(json, "q_value", opinion->best);
		scaler_add_number(json, "q_value_of_setting", opinion->usual);
		scaler_add_number(json, "exploration", opinion->explored);
		scaler_add_number(json, "minutes", opinion->minutes);
		buf_add_char(json, '}');
		first = false;
	}
	buf_add_char(json, ']');
}

/* ---- metrics ---- */

void scaler_arms_clear(void)
{
	metrics_clear(METRIC_SCALER_ARM);
	metrics_clear(METRIC_SCALER_CONFIDENCE);
	metrics_clear(METRIC_SCALER_Q_VALUE);
	metrics_clear(METRIC_SCALER_EXPLORATION);
	metrics_clear(METRIC_SCALER_TRIAL_PRICE);
	metrics_clear(METRIC_SCALER_TRIAL_BETTER);
}

static void collect_trial(const struct off_policy_trial *trial, const char *space, const char *kind,
	const char *name)
{
	const struct off_policy_interval *price = &trial->estimate.price;

	if (isnan(trial->estimate.better))
		return;
	metrics_set(METRIC_SCALER_TRIAL_PRICE, price->mean, space, kind, name, trial->arm,
		trial->against, "mean");
	metrics_set(METRIC_SCALER_TRIAL_PRICE, price->low, space, kind, name, trial->arm,
		trial->against, "low");
	metrics_set(METRIC_SCALER_TRIAL_PRICE, price->high, space, kind, name, trial->arm,
		trial->against, "high");
	metrics_set(METRIC_SCALER_TRIAL_BETTER, trial->estimate.better, space, kind, name,
		trial->arm, trial->against);
}

static void collect_opinion(const struct quantile_opinion *opinion, const char *learner,
	const char *space, const char *kind, const char *name)
{
	metrics_set(METRIC_SCALER_Q_VALUE, opinion->best, space, kind, name, learner, "best");
	if (!isnan(opinion->usual))
		metrics_set(METRIC_SCALER_Q_VALUE, opinion->usual, space, kind, name, learner,
			"setting");
	metrics_set(METRIC_SCALER_EXPLORATION, opinion->explored, space, kind, name, learner);
}

void scaler_arms_collect(const struct scaler_row *row)
{
	const char *space = row->key.namespace_name, *kind = target_kind_name(row->key.kind);
	const char *name = row->key.name;
	const struct scaler_arms *arms = row->arms;

	if (row->view.wanted > 0) {
		metrics_set(METRIC_SCALER_CONFIDENCE, row->confidence, space, kind, name);
		metrics_set(METRIC_SCALER_ARM, 1, space, kind, name,
			arms != NULL && arms->serves ? quantile_choice_name(arms->arm)
						     : SCALER_RULE);
	}
	if (arms == NULL)
		return;
	for (size_t i = 0; i < arms->trials.count; i++)
		collect_trial(&arms->trials.trials[i], space, kind, name);
	for (size_t i = 0; i < SCALER_LEARNERS; i++)
		if (arms->known[i])
			collect_opinion(&arms->opinions[i], quantile_choice_name(learners[i]),
				space, kind, name);
}
